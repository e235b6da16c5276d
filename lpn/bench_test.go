package lpn

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// BenchmarkEval is one prox, f(y) with psi(y), of a whole picture.
func BenchmarkEval(b *testing.B) {
	for _, c := range []struct {
		name string
		cfg  Config
		side int
	}{
		{"natural", Natural(1, 0.1), 128},
		{"natural", Natural(1, 0.1), 256},
		{"natural", Natural(1, 0.1), 512},
		{"colour", Natural(3, 0.1), 256},
		{"softplus64x4", SoftplusAny(1, 64, 4, 0.1), 128},
		{"softplus64x4", SoftplusAny(1, 64, 4, 0.1), 512},
		{"paper128", Paper128(3, 256), 128},
	} {
		net, err := New(c.cfg, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			b.Fatal(err)
		}
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/%d/threads=%d", c.name, c.side, threads), func(b *testing.B) {
				bound, err := net.On(operators.Shape{C: c.cfg.Channels, H: c.side, W: c.side}, Threads(threads))
				if err != nil {
					b.Fatal(err)
				}
				x := make([]float32, bound.len())
				rng := rand.New(rand.NewPCG(3, 4))
				for i := range x {
					x[i] = rng.Float32()
				}
				dst := make([]float32, len(x))
				bound.Eval(dst, x)
				b.ReportAllocs()
				for b.Loop() {
					bound.Eval(dst, x)
				}
			})
		}
	}
}
