package restore

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// TestLoudest: white noise has its own power in every ring; a wave of amplitude a adds the
// power that it has in the bins of its ring, known in closed form for the Hann window.
func TestLoudest(t *testing.T) {
	s := operators.Shape{C: 2, H: 300, W: 270}
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]float32, s.Len())
	for i := range noise {
		noise[i] = float32(rng.NormFloat64())
	}
	read := func(pix []float32) func(dst []float32, at int) {
		return func(dst []float32, at int) { copy(dst, pix[at:]) }
	}
	white := loudest(s, read(noise))
	if white < 0.95 || white > 1.15 {
		t.Errorf("white noise: %v, want about 1", white)
	}
	for i := range noise {
		noise[i] *= 3
	}
	if d := loudest(s, read(noise)) - 9*white; math.Abs(d) > 1e-4 {
		t.Errorf("three times the noise is off by %v", d)
	}
	// cos(2 pi 16 x/64) along the rows: in each tile a periodogram whose sum over all bins is
	// n^2 times the energy of the windowed wave.
	const amplitude = 5
	wave := make([]float32, s.Len())
	for i := range wave {
		wave[i] = amplitude * float32(math.Cos(2*math.Pi*float64(i%s.W)/4))
	}
	bins := 0.0
	for u := range ringTile {
		for v := range ringTile/2 + 1 {
			f := math.Hypot(float64(min(u, ringTile-u)), float64(v)) / ringTile
			if math.Floor((f-0.02)/0.048) == math.Floor((0.25-0.02)/0.048) {
				bins++
			}
		}
	}
	// Half of the energy is in the half of the bins that is kept; the window spreads it over
	// three columns, as 1:4:1, of which the last is in the next ring.
	want := 5. / 6 * amplitude * amplitude / 2 * ringTile * ringTile / 2 / bins
	if got := loudest(s, read(wave)); math.Abs(got-want) > 0.02*want {
		t.Errorf("wave: %v, want %v", got, want)
	}
	if v := loudest(operators.Shape{C: 1, H: 40, W: 300}, read(noise)); v != 0 {
		t.Errorf("smaller than a tile: %v, want 0", v)
	}
}
