package train

import (
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
)

// BenchmarkStep is one gradient of a training step: forward, backward and the
// sum over chunks, without the optimiser.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name           string
		cfg            lpn.Config
		n, side        int
		chunks, thread int
		penalty        float64
	}{
		{"natural/4x48", lpn.Natural(1, 0.1), 4, 48, 2, 1, 0},
		{"natural/4x48/penalty", lpn.Natural(1, 0.1), 4, 48, 2, 1, 0.3},
		{"natural/4x48/2threads", lpn.Natural(1, 0.1), 4, 48, 2, 2, 0},
		{"colour/4x48", lpn.Natural(3, 0.1), 4, 48, 2, 1, 0},
		{"softplus64x4/4x64", lpn.SoftplusAny(1, 64, 4, 0.1), 4, 64, 2, 1, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			net, err := lpn.New(c.cfg, rng)
			if err != nil {
				b.Fatal(err)
			}
			m, err := newModel(c.cfg, net.Params(), modelShape{c.n, c.side, c.side, 1}, c.chunks, c.thread)
			if err != nil {
				b.Fatal(err)
			}
			defer m.close()
			if c.penalty > 0 {
				m.penalty = newGainPenalty(c.cfg, m.params, c.penalty, 1)
			}
			x := make([]float32, c.n*c.cfg.Channels*c.side*c.side)
			y := make([]float32, len(x))
			for i := range x {
				x[i] = rng.Float32()
				y[i] = x[i] + 0.1*float32(rng.NormFloat64())
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.gradient(y, x, L2, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
