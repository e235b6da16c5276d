package solvers

import (
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// The walls are the probability that logistic noise on d rounds to 0.
func TestQuantisedLikelihood(t *testing.T) {
	cdf := func(t float64) float64 { return 1 / (1 + math.Exp(-t)) }
	for _, s := range []float64{0.05, 0.3, 2} {
		for _, half := range []float64{0.1, 0.5, 3} {
			// The constant that the fidelity leaves out.
			constant := -math.Log1p(-math.Exp(-2 * half / s))
			for _, d := range []float64{-3.5, -1, -0.49, 0, 0.02, 0.5, 2, 3} {
				want := -math.Log(cdf((half-d)/s) - cdf((-half-d)/s))
				if math.IsInf(want, 0) {
					continue
				}
				v, _, _ := walls(d, half, s)
				if v += constant; math.Abs(v-want) > 1e-6*(1+want) {
					t.Errorf("d %g, half %g, s %g: %g, want %g", d, half, s, v, want)
				}
			}
		}
	}
	// Far outside the value goes on as a straight line.
	for _, d := range []float64{1e3, -1e6} {
		v, d1, d2 := walls(d, 0.5, 0.1)
		if want := (math.Abs(d) - 0.5) / 0.1; math.Abs(v-want) > 1e-9*want || math.Abs(d1-math.Copysign(10, d)) > 1e-6 || d2 < 0 || d2 > 1e-6 {
			t.Errorf("at %g: %g, %g, %g", d, v, d1, d2)
		}
	}
}

func quantisedScene(t *testing.T, s operators.Shape, subsampling int) (*Quantised, []float32) {
	t.Helper()
	f, err := operators.StandardJPEG(s.C, 30, subsampling)
	if err != nil {
		t.Fatal(err)
	}
	a, err := operators.NewJPEG(s, f)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, s.Len())
	for i := range x {
		y, c := i/s.W%s.H, i%s.W
		x[i] = float32(0.5 + 0.3*math.Sin(float64(c)/3+float64(i/(s.H*s.W)))*math.Cos(float64(y)/5))
	}
	h := &Quantised{A: a, Y: apply(a, x), Step: a.Steps(), Scale: a.Steps()}
	a.Quantise(h.Y, h.Y)
	for i := range h.Scale {
		h.Scale[i] *= 0.1
	}
	return h, x
}

// SolveAt runs among the coefficients and must agree with conjugate gradients
// on the picture.
func TestQuantisedSolveAt(t *testing.T) {
	for _, subsampling := range []int{444, 420} {
		s := operators.Shape{C: 3, H: 21, W: 37}
		h, x := quantisedScene(t, s, subsampling)
		for i := range x {
			x[i] += 0.05 * float32(i%7-3) // some walls are met
		}
		g := randomVec(s.Len(), 3)
		for _, c := range []float64{1, 100, 1e5} {
			want, got := make([]float32, len(x)), make([]float32, len(x))
			product := h.HessianAt(x)
			operators.CG{Tol: 1e-6, MaxIters: 3000, Apply: func(dst, v []float32) {
				product(dst, v)
				axpy(dst, c, v)
			}}.Solve(want, g)
			h.separable().newton(got, x, g, c, 1e-6, 200)
			if d := dist(got, want) / norm2(want); d > 1e-3 {
				t.Errorf("%d, c = %g: off by %.2g", subsampling, c, d)
			}
			h.SolveAt(got, x, g, c)
			if d := dist(got, want) / norm2(want); d > 0.1 {
				t.Errorf("%d, c = %g: SolveAt is off by %.2g", subsampling, c, d)
			}
			if dot(got, g) <= 0 {
				t.Errorf("%d, c = %g: not a direction of descent", subsampling, c)
			}
		}
	}
}
