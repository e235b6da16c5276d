package noise

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// White noise of variance a m + b, in gray and in colour, beside texture and without.
func TestFindByBrightness(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, law := range []struct{ a, b float64 }{{0.01, 0.0005}, {0.003, 0.0001}, {-0.006, 0.0062}} {
		for _, channels := range []int{1, 3} {
			m := operators.NewImage(operators.Shape{C: channels, H: 240, W: 200})
			clean := rendered(240, 200)
			for i := range m.Pix {
				v := clean.Pix[i%len(clean.Pix)]
				if i >= len(clean.Pix) {
					v = 0.9*v + 0.02
				}
				m.Pix[i] = v + float32(math.Sqrt(law.a*float64(v)+law.b)*rng.NormFloat64())
			}
			e := Find(m, Hints{})
			c, ok := e.Model.(Curve)
			if !ok || len(c.Channels) != channels {
				t.Errorf("%+v, %d channels: found %+v", law, channels, e.Model)
				continue
			}
			for _, at := range []float64{0.25, 0.5, 0.75} {
				want := math.Sqrt(law.a*at + law.b)
				if got := c.Channels[0].At(at); math.Abs(got/want-1) > 0.15 {
					t.Errorf("%+v, %d channels, at %g: deviation %.4f, want %.4f", law, channels, at, got, want)
				}
			}
		}
	}
}

// Noise of one level is not taken for more.
func TestFindOneLevel(t *testing.T) {
	for seed := range uint64(8) {
		m := rendered(240, 200)
		operators.AddGaussian(m.Pix, m.Pix, 0.04, rand.New(rand.NewPCG(seed, 7)))
		if line, ok := brightness(blockEnergies(m, silence(m, false), 0), false); ok {
			t.Errorf("seed %d: %v", seed, line.Y)
		}
		if _, ok := Find(m, Hints{}).Model.(White); !ok {
			t.Errorf("seed %d: not white", seed)
		}
	}
}
