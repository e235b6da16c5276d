package solvers

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// TestSRGBCurve checks values of the standard, that both directions are inverse, also
// beyond [0,1], and the slopes by differences.
func TestSRGBCurve(t *testing.T) {
	for x, want := range map[float32]float64{0: 0, 1: 1, 0.5: 0.2140411, 0.04: 0.003095975, 0.2: 0.0331048} {
		if got, _ := decode(x); math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("decode(%v) = %v, want %v", x, got, want)
		}
	}
	for _, x := range []float32{-0.3, 0.01, 0.03, 0.05, 0.3, 0.7, 0.999, 1.2} {
		u, slope := decode(x)
		back, inverse := encode(u)
		if math.Abs(float64(back-x)) > 1e-5 || math.Abs(float64(slope*inverse)-1) > 1e-4 {
			t.Errorf("encode(decode(%v)) = %v, slopes %v and %v", x, back, slope, inverse)
		}
		const step = 1e-3
		hi, _ := decode(x + step)
		lo, _ := decode(x - step)
		if d := float64(hi-lo) / (2 * step); math.Abs(d-float64(slope)) > 2e-3*(1+d) {
			t.Errorf("slope at %v: %v, differences %v", x, slope, d)
		}
	}
}

// TestDeveloped checks the gradient by differences of the value, the Hessian by
// differences of the measurement, and that a measurement without noise has none.
func TestDeveloped(t *testing.T) {
	s := operators.Shape{C: 1, H: 7, W: 9}
	k, err := operators.GaussianKernel(1, 5)
	if err != nil {
		t.Fatal(err)
	}
	a, err := operators.NewBlur(s, k, operators.Symmetric)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	n := s.Len()
	x, v, y := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i], v[i] = 0.1+0.8*rng.Float32(), float32(rng.NormFloat64())
	}
	h := &Developed{A: a, Y: y}
	h.Measure(y, x)
	if got := h.Value(x); got > 1e-10 {
		t.Errorf("the value at the truth is %v", got)
	}
	for i := range y {
		y[i] += 0.1 * rng.Float32()
	}
	y[3], y[20] = 0, 1
	for _, saturated := range []bool{false, true} {
		h.Saturated = saturated
		g, at := make([]float32, n), make([]float32, n)
		h.Gradient(g, x)
		const step = 1e-3
		value := func(by float32) float64 {
			for i := range at {
				at[i] = x[i] + by*v[i]
			}
			return h.Value(at)
		}
		want := (value(step) - value(-step)) / (2 * step)
		if got := dot(g, v); math.Abs(got-want) > 2e-3*math.Abs(want)+1e-4 {
			t.Errorf("<grad h, v> = %v, by differences %v", got, want)
		}
		// v'Hv = ||J v||^2 of the samples that count.
		hi, lo, hv := make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range at {
			at[i] = x[i] + step*v[i]
		}
		h.Measure(hi, at)
		for i := range at {
			at[i] = x[i] - step*v[i]
		}
		h.Measure(lo, at)
		m := make([]float32, n)
		h.Measure(m, x)
		want = 0
		for i := range hi {
			d := float64(hi[i]-lo[i]) / (2 * step)
			if saturated && (y[i] >= 1 && m[i] > 1 || y[i] <= 0 && m[i] < 0) {
				d = 0
			}
			want += d * d
		}
		h.HessianAt(x)(hv, v)
		if got := dot(hv, v); math.Abs(got-want) > 2e-3*want {
			t.Errorf("v'Hv = %v, by differences %v", got, want)
		}
	}
}
