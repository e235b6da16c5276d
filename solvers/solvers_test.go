package solvers

import (
	"context"
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// A problem is 1/2||Ax-y||^2 + g with its minimiser found in float64 by
// coordinate descent, which shares nothing with the solvers.
type problem struct {
	name string
	a    dense
	y    []float32
	g    ValuedProx
	// one minimises over a single coordinate: argmin q/2 u^2 - b u + g(u).
	one   func(q, b float64) float64
	value func(u float64) float64
}

func problems() []problem {
	a := randomDense(14, 10, 11)
	y := randomVec(14, 12)
	soft := func(w float64) func(q, b float64) float64 {
		return func(q, b float64) float64 { return math.Copysign(max(math.Abs(b)-w, 0), b) / q }
	}
	return []problem{
		{"l1", a, y, L1{Weight: 0.2}, soft(0.2), func(u float64) float64 { return 0.2 * math.Abs(u) }},
		{"l1, wide A", randomDense(8, 10, 13), y[:8], L1{Weight: 0.1}, soft(0.1), func(u float64) float64 { return 0.1 * math.Abs(u) }},
		{"box", a, y, Box{-0.1, 0.3},
			func(q, b float64) float64 { return min(max(b/q, -0.1), 0.3) }, func(float64) float64 { return 0 }},
	}
}

func (p problem) solve() (x []float64, f float64) {
	g := p.a.gram(0)
	b := make([]float32, p.a.n)
	p.a.Adjoint(b, p.y)
	x = make([]float64, p.a.n)
	for range 20000 {
		for i := range x {
			r := float64(b[i])
			for j := range x {
				if j != i {
					r -= g[i][j] * x[j]
				}
			}
			x[i] = p.one(g[i][i], r)
		}
	}
	for i := range p.a.m {
		r := -float64(p.y[i])
		for j := range x {
			r += p.a.a[i*p.a.n+j] * x[j]
		}
		f += r * r / 2
	}
	for _, u := range x {
		f += p.value(u)
	}
	return x, f
}

// TestEverySolverReachesTheMinimiser is the table of solver x problem.
func TestEverySolverReachesTheMinimiser(t *testing.T) {
	for _, p := range problems() {
		want, f := p.solve()
		closed := &LeastSquares{A: direct{p.a}, Y: p.y}
		h := &LeastSquares{A: p.a, Y: p.y, Tol: 1e-6}
		for _, c := range []struct {
			name string
			m    Method
			// descends: F may not rise.
			descends bool
		}{
			{"PGD", PGD{H: h, G: p.g}, true},
			{"PGD search", PGD{H: h, G: p.g, Step: 10, Search: true}, true},
			{"APGD", APGD{H: h, G: p.g}, true},
			{"APGD search", APGD{H: h, G: p.g, Step: 10, Search: true}, true},
			{"ADMM", ADMM{F: h, G: p.g}, false},
			{"ADMM, small rho", ADMM{F: closed, G: p.g, Rho: 0.3}, false},
			{"HQS", HQS{F: closed, G: p.g, Factor: 1.02, Max: 1e3}, false},
			{"DRS", DRS{F: closed, G: p.g, T: 1}, false},
		} {
			t.Run(p.name+"/"+c.name, func(t *testing.T) {
				r, err := Solve(context.Background(), c.m, make([]float32, 10), Stop{MaxIters: 3000})
				if err != nil {
					t.Fatal(err)
				}
				off := 0.0
				for i := range want {
					off += math.Pow(float64(r.X[i])-want[i], 2)
				}
				// Single precision on problems of condition about 100; HQS is
				// slowed down by its growing penalty before it arrives.
				tol := 1e-3
				if c.name == "HQS" {
					tol = 0.05
				}
				if off = math.Sqrt(off); off > tol {
					t.Errorf("off by %.2g: %v, want %v", off, r.X, want)
				}
				if math.Abs(r.Objective-f) > tol*f {
					t.Errorf("objective %v, want %v", r.Objective, f)
				}
				if math.Abs(r.Objective-r.Data-r.Prior) > 1e-9 {
					t.Errorf("%v is not %v + %v", r.Objective, r.Data, r.Prior)
				}
				if !r.Certified {
					t.Errorf("not certified: %s", r.Uncertified)
				}
				if c.descends {
					rises(t, r.Trace, 1e-6)
				}
			})
		}
	}
}

// rises fails where the objective rises by more than tol relative.
func rises(t *testing.T, trace []TracePoint, tol float64) {
	t.Helper()
	for i := 1; i < len(trace); i++ {
		a, b := trace[i-1], trace[i]
		if b.Objective > a.Objective+tol*(math.Abs(a.Objective)+math.Abs(a.Data)+math.Abs(a.Prior)) {
			t.Errorf("iteration %d: the objective rises from %v to %v", b.K, a.Objective, b.Objective)
			return
		}
	}
}

// TestPoissonInABox: two routes to the same constrained Poisson estimate.
func TestPoissonInABox(t *testing.T) {
	a := randomDense(14, 6, 21)
	for i, v := range a.a {
		a.a[i] = math.Abs(v)
	}
	truth := []float32{0.1, 0, 0.9, 0.3, 0, 1.2}
	y := apply(a, truth)
	for i := range y {
		y[i] += 0.05
	}
	h := &Poisson{A: a, Y: y, Background: 0.05}
	x0 := []float32{0.5, 0.5, 0.5, 0.5, 0.5, 0.5}
	ref, err := Solve(context.Background(), ADMM{F: h, G: Box{}, Rho: 1}, x0, Stop{MaxIters: 300})
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]Method{
		"PGD":  PGD{H: h, G: Box{}, Step: 1, Search: true},
		"APGD": APGD{H: h, G: Box{}, Step: 1, Search: true},
	} {
		r, err := Solve(context.Background(), m, x0, Stop{MaxIters: 2000})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Certified || !ref.Certified {
			t.Errorf("%s: not certified: %q, ADMM: %q", name, r.Uncertified, ref.Uncertified)
		}
		if d := dist(r.X, ref.X); d > 1e-2 {
			t.Errorf("%s: %v, ADMM %v", name, r.X, ref.X)
		}
		rises(t, r.Trace, 1e-6)
	}
}

// TestTVDeblurring: gradient and splitting methods agree on a picture.
func TestTVDeblurring(t *testing.T) {
	s := operators.Shape{C: 1, H: 1, W: 24}
	a := randomDense(20, 24, 5)
	truth := make([]float32, 24)
	for i := range truth {
		truth[i] = float32(i / 8)
	}
	y := apply(a, truth)
	h := &LeastSquares{A: direct{a}, Y: y}
	tv := func() *TV { return &TV{Shape: s, Weight: 0.05, Tol: 1e-6, MaxIters: 400, Warm: true} }
	var first []float32
	for name, m := range map[string]Method{
		"APGD": APGD{H: h, G: tv()},
		"ADMM": ADMM{F: h, G: tv(), Rho: 0.5},
	} {
		r, err := Solve(context.Background(), m, make([]float32, 24), Stop{MaxIters: 600})
		if err != nil {
			t.Fatal(err)
		}
		if relative(r.X, truth) > 0.1 {
			t.Errorf("%s: %v", name, r.X)
		}
		if first != nil && relative(r.X, first) > 2e-3 {
			t.Errorf("the two methods differ by %.2g relative", relative(r.X, first))
		}
		first = r.X
	}
}
