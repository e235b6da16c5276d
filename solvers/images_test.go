package solvers

import (
	"context"
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// smoothPsi is the potential of R(x) = Kappa/2 ||D x||^2, D the differences of neighbouring
// pixels: f(y) = (I + Kappa D'D)^-1 y, psi(y) = <y, f(y)>/2.
type smoothPsi struct {
	identity operators.NormalPreconditioner // of which A'A = I
	kappa    float64
}

func (p smoothPsi) Eval(dst, y []float32) float64 {
	p.identity.PreconditionNormal(dst, y, 1e-9, p.kappa)
	return dot(dst, y) / 2
}

func (p smoothPsi) StrongConvexity() float64     { return 1 / (1 + 8*p.kappa) }
func (p smoothPsi) BoundedBelow() (bool, string) { return true, "" }

// TestStepForImages: with a prior of smoothness the minimum is that of Tikhonov. The step
// for images finds it in fewer iterations, F falls at each, and the certificate stays.
func TestStepForImages(t *testing.T) {
	s := operators.Shape{C: 2, H: 24, W: 20}
	point := operators.Kernel{H: 1, W: 1, Taps: []float64{1}}
	one, err := operators.NewBlur(s, point, operators.Symmetric)
	if err != nil {
		t.Fatal(err)
	}
	gauss, err := operators.GaussianKernel(1.5, 7)
	if err != nil {
		t.Fatal(err)
	}
	moved := operators.Kernel{H: 1, W: 4, Taps: []float64{0.1, 0.2, 0.3, 0.4}}
	for _, k := range []operators.Kernel{gauss, moved} {
		for _, b := range []operators.Boundary{operators.Circular, operators.Symmetric, operators.Valid} {
			a, err := operators.NewBlur(s, k, b)
			if err != nil {
				t.Fatal(err)
			}
			const lambda, kappa = 0.02, 3
			y := randomVec(a.Codomain().Len(), 5)
			want := make([]float32, s.Len())
			Tikhonov{A: a, Mu: lambda * kappa, Rho: 1e-9, Tol: 1e-6, MaxIters: 1000}.Solve(want, y)
			psi := smoothPsi{one.(operators.NormalPreconditioner), kappa}
			var iters [2]int
			for i, scene := range []operators.Shape{{}, s} {
				x0 := make([]float32, s.Len())
				copy(x0, randomVec(s.Len(), 6))
				m := BPG{H: &LeastSquares{A: a, Y: y}, Psi: psi, Lambda: lambda, Scene: scene}
				r, err := Solve(context.Background(), m, x0, Stop{MaxIters: 300, Gradient: 1e-4})
				if err != nil {
					t.Fatal(err)
				}
				if e := relative(r.X, want); e > 5e-3 {
					t.Errorf("%v: off by %.2g", b, e)
				}
				if !r.Certified {
					t.Errorf("%v: not certified: %s", b, r.Uncertified)
				}
				for k := 1; k < len(r.Trace); k++ {
					if f, g := r.Trace[k-1].Objective, r.Trace[k].Objective; g > f+1e-6*math.Abs(f) {
						t.Errorf("%v: iteration %d rises from %v to %v", b, k+1, f, g)
					}
				}
				iters[i] = r.Iterations
			}
			if iters[1] >= iters[0] {
				t.Errorf("%v: %d iterations, with the step for images %d", b, iters[0], iters[1])
			}
			t.Logf("%v: %d iterations, with the step for images %d", b, iters[0], iters[1])
		}
	}
}
