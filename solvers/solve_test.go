package solvers

import (
	"context"
	"errors"
	"iter"
	"math"
	"strings"
	"testing"
)

// script is a method that yields given objectives with x = (k, k).
type script struct {
	f    []float64
	nan  int // the iteration whose x is NaN, 0 for none
	cert bool
}

func (s script) descends()                   {}
func (s script) Certificate() (bool, string) { return s.cert, "as told" }
func (s script) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		x := make([]float32, len(x0))
		for i, f := range s.f {
			for j := range x {
				x[j] = float32(i + 1)
			}
			if i+1 == s.nan {
				x[0] = float32(math.NaN())
			}
			if !yield(Iterate{K: i + 1, X: x, Objective: f, Data: f, Prior: 0, Residual: 1 / float64(i+1)}) {
				return
			}
		}
	}
}

func TestSolveStops(t *testing.T) {
	steady := make([]float64, 300)
	for i := range steady {
		steady[i] = 1 + 1/float64(1+i*i)
	}
	run := func(m Method, s Stop) Result {
		t.Helper()
		r, err := Solve(context.Background(), m, make([]float32, 2), s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := run(script{f: steady, cert: true}, Stop{}); r.Iterations != 200 || r.Converged || !r.Certified {
		t.Errorf("default: %+v", r.Reason)
	}
	if r := run(script{f: steady}, Stop{Gradient: 0.1}); r.Iterations != 10 || !r.Converged || r.Residual != 0.1 {
		t.Errorf("Gradient: %d iterations, %s", r.Iterations, r.Reason)
	}
	// x_k = (k,k): the relative change is 1/k.
	if r := run(script{f: steady}, Stop{RelChange: 0.0501}); r.Iterations != 20 || !r.Converged {
		t.Errorf("RelChange: %d iterations, %s", r.Iterations, r.Reason)
	}
	if r := run(script{f: steady}, Stop{Objective: 1e-3}); !r.Converged || math.Abs(r.Trace[r.Iterations-6].Objective-r.Objective) > 1e-3*r.Objective {
		t.Errorf("Objective: %d iterations, %s", r.Iterations, r.Reason)
	}
	r := run(script{f: steady[:150]}, Stop{Reference: []float32{1, 1}})
	if r.Iterations != 150 || !r.Converged || len(r.Trace) != 150 || !math.IsInf(r.Trace[0].PSNR, 1) {
		t.Errorf("own end: %d iterations, %s", r.Iterations, r.Reason)
	}
	if r := run(script{f: []float64{1, 0.9, 0.95}, cert: true}, Stop{}); r.Certified || !strings.Contains(r.Uncertified, "iteration 3") {
		t.Errorf("a rise kept its certificate: %q", r.Uncertified)
	}
}

// falls is a method whose iterates approach 1 by a factor an iteration.
type falls float64

func (q falls) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		x, far := make([]float32, len(x0)), 1.
		for k := 1; ; k++ {
			far *= float64(q)
			for j := range x {
				x[j] = float32(1 - far)
			}
			if !yield(Iterate{K: k, X: x, Objective: far}) {
				return
			}
		}
	}
}

// TestSolveDistance: a run ends where the limit is near, however short its steps are.
func TestSolveDistance(t *testing.T) {
	const near = 1e-2
	for _, q := range []float64{0.3, 0.8, 0.97} {
		r, err := Solve(context.Background(), falls(q), make([]float32, 3), Stop{MaxIters: 1000, Distance: near})
		if err != nil {
			t.Fatal(err)
		}
		if d := 1 - float64(r.X[0]); !r.Converged || d > near || r.Iterations > 11 && d < near*math.Pow(q, 5) {
			t.Errorf("factor %v: %d iterations, %.3g from the limit, %s", q, r.Iterations, d, r.Reason)
		}
	}
	if r, err := Solve(context.Background(), script{f: make([]float64, 50)}, make([]float32, 2), Stop{MaxIters: 50, Distance: near}); err != nil || r.Iterations != 50 {
		t.Errorf("steps that do not fall: %d iterations, %v", r.Iterations, err)
	}
}

func TestSolveSeesDivergence(t *testing.T) {
	for name, c := range map[string]struct {
		m    script
		kept int
	}{
		"NaN picture":      {script{f: []float64{3, 1, 2, 2}, nan: 4}, 2},
		"NaN objective":    {script{f: []float64{3, 1, math.NaN()}}, 2},
		"infinite":         {script{f: []float64{3, 2, math.Inf(1)}}, 2},
		"rising":           {script{f: []float64{1, 0.5, 2, 50, 1e4, 1e9}}, 2},
		"falling for ever": {script{f: []float64{1, 0.5, -1e4, -1e9}}, 2},
	} {
		r, err := Solve(context.Background(), c.m, make([]float32, 2), Stop{})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Diverged || r.Converged || r.Certified || r.Kept != c.kept || r.X[0] != float32(c.kept) {
			t.Errorf("%s: kept %d (%v): %s", name, r.Kept, r.X, r.Reason)
		}
	}
	// A real one: ten times the step that PGD can take.
	a := randomDense(8, 6, 1)
	h := &LeastSquares{A: a, Y: randomVec(8, 2)}
	r, err := Solve(context.Background(), PGD{H: h, G: L1{}, Step: 10 / h.Lipschitz()}, randomVec(6, 3), Stop{MaxIters: 2000})
	if err != nil || !r.Diverged || r.Certified || !finite(norm2(r.X)) {
		t.Errorf("PGD with too long a step: %v, %+v", err, r.Reason)
	}
	if _, err := Solve(context.Background(), script{f: []float64{1}, nan: 1}, make([]float32, 2), Stop{}); err == nil {
		t.Error("no finite iterate and no error")
	}
}

func TestSolveIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	seen := 0
	m := Watch(script{f: make([]float64, 100), cert: true}, func(it Iterate) {
		if seen++; it.K == 7 {
			cancel()
		}
	})
	r, err := Solve(ctx, m, make([]float32, 2), Stop{})
	if !errors.Is(err, context.Canceled) || r.Iterations != 7 || seen != 7 || r.X[0] != 7 {
		t.Errorf("%v after %d iterations (%d seen), x %v", err, r.Iterations, seen, r.X)
	}
	if !r.Certified {
		t.Error("Watch lost the certificate")
	}
	if r, err := Solve(ctx, m, []float32{5, 5}, Stop{}); err == nil || r.X[0] != 5 {
		t.Errorf("a run that never began: %v, %v", err, r.X)
	}
}

// claims is a prior that says what it is told to.
type claims struct {
	L1
	m     float64
	below bool
}

func (c claims) Convex() bool                 { return false }
func (c claims) StrongConvexity() float64     { return c.m }
func (c claims) BoundedBelow() (bool, string) { return c.below, "growth 1.2" }

// valueless is a prox that cannot be evaluated.
type valueless struct{}

func (valueless) Prox(dst, v []float32, t float64) { copy(dst, v) }

type claimedPsi struct{ framelet }

func (claimedPsi) BoundedBelow() (bool, string) { return false, "growth 1.2" }

func TestCertificates(t *testing.T) {
	h := &LeastSquares{A: randomDense(8, 6, 1), Y: randomVec(8, 2)}
	l := h.Lipschitz()
	good, flat, open := claims{m: 0.1, below: true}, claims{below: true}, claims{m: 0.1}
	psi := framelet{m: 0.1, edge: 0.1, gain: 1.2}
	for name, c := range map[string]struct {
		m   Certifier
		why string // a part of the reason, "" where certified
	}{
		"PGD":                    {PGD{H: h, G: good}, ""},
		"PGD, long step":         {PGD{H: h, G: good, Step: 1.5 / l}, "above 1/L"},
		"PGD, long but searched": {PGD{H: h, G: good, Step: 1.5 / l, Search: true}, ""},
		"PGD, unbounded":         {PGD{H: h, G: open}, "growth 1.2"},
		"PGD, unknown L":         {PGD{H: opaque{}, G: good, Step: 1}, "Lipschitz"},
		"APGD":                   {APGD{H: h, G: flat}, ""},
		"APGD, no value":         {APGD{H: h, G: valueless{}}, "no value"},
		"ADMM":                   {ADMM{F: h, G: good}, ""},
		"ADMM, small rho":        {ADMM{F: h, G: good, Rho: 0.9 * l}, "not above"},
		"ADMM, not strong":       {ADMM{F: h, G: flat}, "not strongly convex"},
		"ADMM, convex":           {ADMM{F: h, G: L1{}, Rho: 0.1 * l}, ""},
		"DRS":                    {DRS{F: h, G: good}, ""},
		"DRS, long":              {DRS{F: h, G: good, T: 2 / l}, "not below 1/L"},
		"HQS":                    {HQS{F: h, G: flat}, ""},
		"HQS, unbounded":         {HQS{F: h, G: open}, "growth 1.2"},
		"BPG":                    {BPG{H: h, Psi: psi, Lambda: 0.01}, ""},
		"BPG, no weight":         {BPG{H: h, Psi: psi}, "positive"},
		"BPG, unbounded":         {BPG{H: h, Psi: claimedPsi{psi}, Lambda: 1}, "growth 1.2"},
		"BPG, silent prior":      {BPG{H: h, Psi: softPsi{}, Lambda: 1}, "does not say"},
		"BPG, fixed":             {BPG{H: h, Psi: psi, Lambda: 1, Step: 0.1 / (1 + l), LipF: 1.2}, ""},
		"BPG, fixed and long":    {BPG{H: h, Psi: psi, Lambda: 0.01, Step: 2 / l, LipF: 1.2}, "above 1/L"},
		"BPG, fixed, no Lip(f)":  {BPG{H: h, Psi: psi, Lambda: 1, Step: 0.01}, "Lip(f)"},
	} {
		ok, why := c.m.Certificate()
		if ok != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %v, %q", name, ok, why)
		}
	}
}

// opaque is a Smooth of unknown curvature.
type opaque struct{}

func (opaque) Value([]float32) float64   { return 0 }
func (opaque) Gradient(dst, _ []float32) { clear(dst) }
