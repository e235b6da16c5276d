package noise_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// White noise has its variance at every frequency; summed over neighbours it has the
// transfer function of the sum.
func TestWhitenessOf(t *testing.T) {
	const s = 0.5
	rng := rand.New(rand.NewPCG(1, 2))
	m := operators.NewImage(operators.Shape{C: 2, H: 256, W: 240})
	for i := range m.Pix {
		m.Pix[i] = float32(s * rng.NormFloat64())
	}
	w := noise.WhitenessOf(m)
	if math.Abs(w.Deviation-s) > 0.01 || math.Abs(w.Correlation) > 0.01 {
		t.Errorf("white noise: deviation %v, correlation %v", w.Deviation, w.Correlation)
	}
	for k, v := range w.Radial {
		if k > 1 && math.Abs(v/(s*s)-1) > 0.15 { // about 450 blocks
			t.Errorf("white noise: radial[%d] = %v, want %v", k, v, s*s)
		}
	}
	sum := operators.NewImage(m.Shape) // of a sample and the one to its left
	for i := range m.Pix {
		sum.Pix[i] = m.Pix[i]
		if i%m.W > 0 {
			sum.Pix[i] += m.Pix[i-1]
		}
	}
	w = noise.WhitenessOf(sum)
	if math.Abs(w.Correlation-0.25) > 0.01 { // 1/2 along rows, 0 along columns
		t.Errorf("correlation %v, want 1/4", w.Correlation)
	}
	const n = noise.PeriodSide
	for u := 2; u < n-2; u++ {
		got := 0.0
		for v := range n {
			got += w.Spectrum[v*n+u] / n
		}
		f := float64(u-n/2) / n
		want := s * s * (2 + 2*math.Cos(2*math.Pi*f))
		if math.Abs(got-want) > 0.1*want+0.02 {
			t.Errorf("spectrum at %.3f: %v, want %v", f, got, want)
		}
	}
	if small := noise.WhitenessOf(operators.NewImage(operators.Shape{C: 1, H: 8, W: 8})); small.Spectrum != nil || small.Deviation != 0 {
		t.Errorf("a small flat picture: %+v", small)
	}
}
