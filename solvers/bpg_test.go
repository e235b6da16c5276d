package solvers

import (
	"context"
	"fmt"
	"math"
	"testing"
)

// softPsi has the soft threshold at 1 as its gradient, so R = ||.||_1.
type softPsi struct{}

func (softPsi) Eval(dst, y []float32) float64 {
	s := 0.0
	for i, v := range y {
		u := math.Copysign(max(math.Abs(float64(v))-1, 0), float64(v))
		s += u * u / 2
		dst[i] = float32(u)
	}
	return s
}

// TestBPGSolvesTheLasso: with that potential BPG is a solver of the lasso at
// any weight, and finds what coordinate descent finds.
func TestBPGSolvesTheLasso(t *testing.T) {
	a := randomDense(14, 10, 11)
	y := randomVec(14, 12)
	for _, lambda := range []float64{0.01, 0.2, 1} {
		p := problem{a: a, y: y,
			one:   func(q, b float64) float64 { return math.Copysign(max(math.Abs(b)-lambda, 0), b) / q },
			value: func(u float64) float64 { return lambda * math.Abs(u) }}
		want, f := p.solve()
		for name, b := range bpgs(a, y, 2) {
			b.Psi, b.Lambda = softPsi{}, lambda
			r, err := Solve(context.Background(), b, make([]float32, 10), Stop{MaxIters: 2000, Gradient: 1e-6})
			if err != nil {
				t.Fatal(err)
			}
			off := 0.0
			for i := range want {
				off = max(off, math.Abs(float64(r.X[i])-want[i]))
			}
			if off > 1e-3 || math.Abs(r.Objective-f) > 1e-4*f {
				t.Errorf("lambda=%g, %s: off by %.2g, objective %v, want %v (%s)", lambda, name, off, r.Objective, f, r.Reason)
			}
			if r.Certified {
				t.Errorf("%s: certified with a potential that claims nothing", name)
			}
		}
	}
}

// bpgs are the variants: P in closed form, by conjugate gradients, I/c, and
// the textbook step.
func bpgs(a dense, y []float32, lipF float64) map[string]BPG {
	h := &LeastSquares{A: a, Y: y}
	l := h.Lipschitz()
	return map[string]BPG{
		"closed":   {H: &LeastSquares{A: direct{a}, Y: y}},
		"krylov":   {H: h},
		"scalar":   {H: h, Inner: -1},
		"textbook": {H: h, Step: 1 / (1 + l*lipF), LipF: lipF},
	}
}

// TestBPGDescendsToACriticalPoint: on a non-convex prior with a known
// potential, at weights over three decades: F falls at every iteration, the
// run is certified, and the limit is critical, x = f(x - grad h(x)/lambda),
// checked in float64.
func TestBPGDescendsToACriticalPoint(t *testing.T) {
	const n = 12
	a := randomDense(9, n, 31)
	truth := make([]float32, n)
	for i := range truth {
		truth[i] = float32(i/4) / 2
	}
	y := apply(a, truth)
	noise := randomVec(9, 5)
	axpy(y, 0.02, noise)
	psi := framelet{m: 0.05, edge: 0.1, gain: 1.4}
	for _, lambda := range []float64{1e-3, 1e-2, 0.1, 1} {
		for name, b := range bpgs(a, y, 1.4) {
			t.Run(fmt.Sprintf("%g/%s", lambda, name), func(t *testing.T) {
				calls := 0
				psi := psi
				psi.calls = &calls
				b.Psi, b.Lambda = psi, lambda
				limit := 400
				if name == "textbook" || name == "scalar" {
					limit = 4000
				}
				r, err := Solve(context.Background(), b, truth, Stop{MaxIters: limit, Gradient: 2e-6 / math.Sqrt(lambda)})
				if err != nil {
					t.Fatal(err)
				}
				if !r.Certified {
					t.Errorf("not certified: %s", r.Uncertified)
				}
				rises(t, r.Trace, 1e-6)
				t.Logf("%d iterations, %d calls, F %.6f, residual %.2g, %s", r.Iterations, calls, r.Objective, r.Residual, r.Reason)
				if name == "textbook" {
					return // too slow to converge at small weights
				}
				if e := b.criticality(psi, a, y, r.X); e > 1e-3 {
					t.Errorf("x and f(x - grad h(x)/lambda) differ by %.2g relative", e)
				}
			})
		}
	}
}

// criticality is ||f(x - grad h(x)/lambda) - x|| / ||x|| in float64.
func (b BPG) criticality(psi framelet, a dense, y, x []float32) float64 {
	r := make([]float64, a.m)
	for i := range r {
		r[i] = -float64(y[i])
		for j, v := range x {
			r[i] += a.a[i*a.n+j] * float64(v)
		}
	}
	z := make([]float64, a.n)
	for j, v := range x {
		z[j] = float64(v)
		for i := range r {
			z[j] -= a.a[i*a.n+j] * r[i] / b.Lambda
		}
	}
	_, f := psi.eval(z)
	d, s := 0.0, 0.0
	for j, v := range x {
		d += math.Pow(f[j]-float64(v), 2)
		s += float64(v) * float64(v)
	}
	return math.Sqrt(d / s)
}

// TestADMMIsADualStep: ADMM in the order x,z,u with rho = lambda, seen in
// y = x + u, is the step y+ = y - (A'A + lambda I)^-1 g that BPG starts from.
func TestADMMIsADualStep(t *testing.T) {
	const n, lambda = 12, 0.05
	a := randomDense(9, n, 31)
	y := randomVec(9, 32)
	psi := framelet{m: 0.05, edge: 0.1, gain: 1.4}
	h := &LeastSquares{A: direct{a}, Y: y}
	dual, z, g := randomVec(n, 33), make([]float32, n), make([]float32, n)
	psi.Eval(z, dual)
	u := make([]float32, n)
	sub(u, dual, z)
	x, v := make([]float32, n), make([]float32, n)
	for k := range 20 {
		// ADMM, from its own formulas.
		sub(v, z, u)
		h.Prox(x, v, 1/lambda)
		addScaled(v, x, 1, u)
		// The dual step.
		h.Gradient(g, z)
		for i := range g {
			g[i] += lambda * (dual[i] - z[i])
		}
		h.SolveCurvature(g, g, lambda)
		sub(dual, dual, g)
		if e := relative(dual, v); e > 1e-4 {
			t.Fatalf("step %d: they differ by %.2g relative", k+1, e)
		}
		psi.Eval(z, v)
		sub(u, v, z)
	}
}

// TestBPGCallsTheNetworkOnce: one call an iteration, and none before the
// first.
func TestBPGCallsTheNetworkOnce(t *testing.T) {
	a := randomDense(9, 12, 31)
	calls := 0
	b := BPG{H: &LeastSquares{A: direct{a}, Y: randomVec(9, 32)}, Lambda: 0.3,
		Psi: framelet{m: 0.05, edge: 0.1, gain: 1.4, calls: &calls}}
	for it := range b.Steps(randomVec(12, 1)) {
		if calls != it.K {
			t.Fatalf("iteration %d: %d calls", it.K, calls)
		}
		if it.K == 12 {
			break
		}
	}
}

// TestBPGPoissonInABox: photon noise, a soft box and a non-convex prior, one
// certified solver.
func TestBPGPoissonInABox(t *testing.T) {
	const n = 12
	a := randomDense(15, n, 41)
	for i, v := range a.a {
		a.a[i] = math.Abs(v)
	}
	truth := make([]float32, n)
	for i := range truth {
		truth[i] = float32(i/4) / 2
	}
	y := apply(a, truth)
	for i := range y {
		y[i] += 0.1 + 0.02*float32(i%3)
	}
	h := Sum{&Poisson{A: a, Y: y, Background: 0.1}, BoxPenalty{Weight: 10}}
	b := BPG{H: h, Psi: framelet{m: 0.05, edge: 0.1, gain: 1.4}, Lambda: 0.1}
	start := make([]float32, n)
	for i := range start {
		start[i] = 0.5
	}
	r, err := Solve(context.Background(), b, start, Stop{Gradient: 1e-5})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Certified || !r.Converged {
		t.Errorf("%s, certified %v %s", r.Reason, r.Certified, r.Uncertified)
	}
	rises(t, r.Trace, 1e-6)
	for i, v := range r.X {
		if v < -0.05 || v > 1.05 || math.Abs(float64(v-truth[i])) > 0.2 {
			t.Errorf("x[%d] = %v, truth %v", i, v, truth[i])
		}
	}
	t.Logf("%d iterations, %s", r.Iterations, r.Reason)
}
