package solvers_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// TestSaturated: the fidelity is its formula, sample by sample, its gradient is the
// difference quotient, and its prox minimises.
func TestSaturated(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	s := operators.Shape{C: 1, H: 9, W: 8}
	k, err := operators.GaussianKernel(1, 5)
	if err != nil {
		t.Fatal(err)
	}
	a, err := operators.NewBlur(s, k, operators.Symmetric)
	if err != nil {
		t.Fatal(err)
	}
	x, y := make([]float32, s.Len()), make([]float32, s.Len())
	for i := range x {
		x[i] = 2*rng.Float32() - 0.5
		y[i] = min(max(2*rng.Float32()-0.5, 0), 1)
	}
	h := &solvers.Saturated{A: a, Y: y, Lo: 0, Hi: 1}
	value := func(x []float32) float64 {
		u := make([]float32, len(y))
		a.Apply(u, x)
		sum := 0.0
		for i := range u {
			r := float64(u[i]) - float64(y[i])
			switch y[i] {
			case 1:
				r = min(r, 0)
			case 0:
				r = max(r, 0)
			}
			sum += r * r / 2
		}
		return sum
	}
	if got, want := h.Value(x), value(x); math.Abs(got-want) > 1e-6*want {
		t.Errorf("value %v, want %v", got, want)
	}
	g := make([]float32, len(x))
	h.Gradient(g, x)
	for range 5 {
		i := rng.IntN(len(x))
		const e = 1e-2
		kept := x[i]
		x[i] = kept + e
		up := value(x)
		x[i] = kept - e
		down := value(x)
		x[i] = kept
		if d := (up - down) / (2 * e); math.Abs(d-float64(g[i])) > 2e-3 {
			t.Errorf("slope %d: %v, by differences %v", i, g[i], d)
		}
	}
	z := make([]float32, len(x))
	h.Prox(z, x, 0.7)
	objective := func(z []float32) float64 {
		sum := 0.7 * value(z)
		for i := range z {
			d := float64(z[i] - x[i])
			sum += d * d / 2
		}
		return sum
	}
	best := objective(z)
	for range 20 {
		w := make([]float32, len(z))
		for i := range w {
			w[i] = z[i] + 0.01*float32(rng.NormFloat64())
		}
		if o := objective(w); o < best-1e-7 {
			t.Fatalf("the prox has %v, a point nearby %v", best, o)
		}
	}
}
