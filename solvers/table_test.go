package solvers

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// exact is g = lambda R for framelet's R; its prox at t = 1/lambda is one
// evaluation of f, and it knows no other.
type exact struct {
	framelet
	lambda float64
}

func (e exact) Prox(dst, v []float32, t float64) { e.ProxValue(dst, v, t) }

func (e exact) ProxValue(dst, v []float32, t float64) float64 {
	if math.Abs(t*e.lambda-1) > 1e-9 {
		panic("exact: the prox is known at t = 1/lambda only")
	}
	kept := append([]float32(nil), v...)
	psi := e.Eval(dst, v)
	return e.lambda * (dot(kept, dst) - dot(dst, dst)/2 - psi)
}

// TestEverySolverOnEveryOperator runs the table on a small picture with a
// small non-convex prior. At the weight lambda = 1.05 ||A||^2 all methods are
// inside their theorems; BPG is at a small weight too. Certified: F falls at
// every iteration where the theorem says so, the limit is critical, and it is
// better than the start.
func TestEverySolverOnEveryOperator(t *testing.T) {
	s := operators.Shape{C: 1, H: 16, W: 16}
	truth := make([]float32, s.Len())
	for i := range truth {
		if y, x := i/16, i%16; (y-7)*(y-7)+(x-8)*(x-8) < 30 {
			truth[i] = 0.8
		}
	}
	psi := framelet{m: 0.1, edge: 0.1, gain: 1.3}
	for _, spec := range []struct {
		op       string
		boundary operators.Boundary
	}{
		{"denoise", operators.Symmetric},
		{"blur:gaussian,sigma=1", operators.Circular},
		{"blur:gaussian,sigma=1", operators.Symmetric},
		{"blur:motion,length=5,angle=30", operators.Reflect},
		{"blur:uniform,size=3", operators.Valid},
		{"inpaint:ratio=0.5", operators.Symmetric},
		{"sr:factor=2", operators.Symmetric},
		{"sr:factor=1.5x2", operators.Symmetric},
		{"sr:factor=3x2,kernel=bicubic", operators.Symmetric},
		{"sr:factor=2,align=corner", operators.Circular},
		{"cs:ratio=0.5", operators.Symmetric},
		{"cs:ratio=0.5,kind=hadamard", operators.Symmetric},
		{"cs:ratio=0.5,kind=fourier", operators.Symmetric},
		{"cs:ratio=0.5,kind=gaussian", operators.Symmetric},
		{"tomo:angles=12,detectors=24", operators.Symmetric},
		{"mri:accel=2", operators.Symmetric},
	} {
		t.Run(spec.op+" "+spec.boundary.String(), func(t *testing.T) {
			sp, err := operators.ParseSpec(spec.op)
			if err != nil {
				t.Fatal(err)
			}
			a, err := sp.WithBoundary(spec.boundary).Build(s)
			if err != nil {
				if strings.Contains(err.Error(), "not available yet") {
					t.Skip(err)
				}
				t.Fatal(err)
			}
			y := apply(a, truth)
			operators.AddGaussian(y, y, 0.02, rand.New(rand.NewPCG(1, 2)))
			h := &LeastSquares{A: a, Y: y, Tol: 1e-6, MaxIters: 200}
			l := h.Lipschitz()
			x0 := make([]float32, s.Len())
			Tikhonov{A: a, Mu: 0.1 * l}.Solve(x0, y)
			for _, c := range []struct {
				name    string
				lambda  float64
				descend bool
				method  func(lambda float64) Method
			}{
				{"BPG", 0.01 * l, true, func(w float64) Method { return BPG{H: h, Psi: psi, Lambda: w} }},
				{"BPG, strong", 1.05 * l, true, func(w float64) Method { return BPG{H: h, Psi: psi, Lambda: w} }},
				{"BPG, textbook", 1.05 * l, true, func(w float64) Method { return BPG{H: h, Psi: psi, Lambda: w, Step: 1 / w, LipF: 1.3} }},
				{"PGD", 1.05 * l, true, func(w float64) Method { return PGD{H: h, G: exact{psi, w}, Step: 1 / w} }},
				{"APGD", 1.05 * l, true, func(w float64) Method { return APGD{H: h, G: exact{psi, w}, Step: 1 / w} }},
				{"ADMM", 1.05 * l, false, func(w float64) Method { return ADMM{F: h, G: exact{psi, w}, Rho: w} }},
				{"DRS", 1.05 * l, false, func(w float64) Method { return DRS{F: h, G: exact{psi, w}, T: 1 / w} }},
			} {
				r, err := Solve(context.Background(), c.method(c.lambda), x0, Stop{MaxIters: 300})
				if err != nil {
					t.Fatal(err)
				}
				if !r.Certified {
					t.Errorf("%s: not certified: %s", c.name, r.Uncertified)
				}
				if c.descend {
					rises(t, r.Trace, 1e-6)
				}
				if r.Objective > r.Trace[0].Objective {
					t.Errorf("%s: F went from %v to %v", c.name, r.Trace[0].Objective, r.Objective)
				}
				// x is critical when f(x - grad h(x)/lambda) = x.
				g, f := make([]float32, len(x0)), make([]float32, len(x0))
				h.Gradient(g, r.X)
				addScaled(g, r.X, -1/c.lambda, g)
				psi.Eval(f, g)
				if e := relative(f, r.X); e > 1e-3 {
					t.Errorf("%s: %.2g from critical after %d iterations: %s", c.name, e, r.Iterations, r.Reason)
				}
			}
		})
	}
}
