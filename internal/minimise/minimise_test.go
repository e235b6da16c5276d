package minimise

import (
	"math"
	"testing"
)

func TestGoldenFindsTheMinimum(t *testing.T) {
	for _, at := range []float64{-0.9, 0, 0.31, 2.7} {
		used := 0
		x, v := Golden(-1, 3, 60, 0, func(x float64) float64 { used++; return math.Abs(x-at) + 5 })
		if math.Abs(x-at) > 1e-6 || math.Abs(v-5) > 1e-6 || used != 60 {
			t.Errorf("minimum at %g: found %g with value %g after %d evaluations", at, x, v, used)
		}
	}
}

// Each evaluation shortens the interval by 0.618, so that 4 * 0.618^k <= 0.01 needs 13 of
// them after the first two.
func TestGoldenStops(t *testing.T) {
	used := 0
	Golden(-1, 3, 60, 0.01, func(x float64) float64 { used++; return x * x })
	if want := 2 + int(math.Ceil(math.Log(0.01/4)/math.Log((math.Sqrt(5)-1)/2))); used != want {
		t.Errorf("%d evaluations, want %d", used, want)
	}
	used = 0
	if Golden(0, 1, 0, 0, func(x float64) float64 { used++; return x }); used != 2 {
		t.Errorf("%d evaluations, want 2", used)
	}
}
