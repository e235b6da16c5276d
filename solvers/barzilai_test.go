package solvers

import (
	"context"
	"math"
	"testing"
)

// unknownLip hides the Lipschitz constant of a fidelity.
type unknownLip struct{ h *LeastSquares }

func (u unknownLip) Value(x []float32) float64 { return u.h.Value(x) }
func (u unknownLip) Gradient(dst, x []float32) { u.h.Gradient(dst, x) }

// TestBarzilai: the first step lies between the inverses of the extreme
// curvatures, however the problem is scaled, and a search from it ends where the
// known constant does.
func TestBarzilai(t *testing.T) {
	for _, scale := range []float64{1e-3, 1, 1e3} {
		a := randomDense(9, 6, 5)
		for i := range a.a {
			a.a[i] *= scale
		}
		h := &LeastSquares{A: a, Y: apply(a, []float32{0.1, 0.9, 0.3, 0.5, 0.2, 0.7})}
		x0 := []float32{0.5, 0.5, 0.5, 0.5, 0.5, 0.5}
		g := make([]float32, len(x0))
		h.Gradient(g, x0)
		eta, low := barzilai(h, x0, g), 1/h.Lipschitz()
		if eta < 0.98*low || math.IsInf(eta, 0) {
			t.Errorf("scale %g: the step %g is below 1/L = %g", scale, eta, low)
		}
		want, err := Solve(context.Background(), APGD{H: h, G: Box{}}, x0, Stop{MaxIters: 400})
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]Method{
			"PGD":  PGD{H: unknownLip{h}, G: Box{}},
			"APGD": APGD{H: unknownLip{h}, G: Box{}},
		} {
			r, err := Solve(context.Background(), m, x0, Stop{MaxIters: 1000})
			if err != nil {
				t.Fatal(err)
			}
			if e := relative(r.X, want.X); e > 2e-3 || !r.Certified {
				t.Errorf("%s, scale %g: off by %.2g, certified %v %s", name, scale, e, r.Certified, r.Uncertified)
			}
		}
	}
}
