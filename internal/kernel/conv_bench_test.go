package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// The shapes of the networks, and of common networks elsewhere.
var convBenches = []struct {
	name string
	s    ConvShape
}{
	{"W0_24", ConvShape{8, 26, 26, 4, 16, 3, 1, 0}},
	{"A1_24", ConvShape{8, 24, 24, 16, 64, 5, 1, 2}},
	{"N1_24", ConvShape{8, 24, 24, 64, 64, 1, 1, 0}},
	{"W1_12", ConvShape{8, 12, 12, 64, 32, 3, 1, 1}},
	{"A2_12", ConvShape{8, 12, 12, 32, 64, 5, 1, 2}},
	{"N2_12", ConvShape{8, 12, 12, 64, 64, 3, 1, 1}},
	{"T_12", ConvShape{8, 12, 12, 64, 4, 1, 1, 0}},
	{"LP_48", ConvShape{8, 48, 48, 1, 1, 9, 1, 4}},
	{"W0_128", ConvShape{1, 130, 130, 4, 16, 3, 1, 0}},
	{"A1_128", ConvShape{1, 128, 128, 16, 64, 5, 1, 2}},
	{"N1_128", ConvShape{1, 128, 128, 64, 64, 1, 1, 0}},
	{"W1_64", ConvShape{1, 64, 64, 64, 32, 3, 1, 1}},
	{"A2_64", ConvShape{1, 64, 64, 32, 64, 5, 1, 2}},
	{"N2_64", ConvShape{1, 64, 64, 64, 64, 3, 1, 1}},
	{"LP_256", ConvShape{1, 256, 256, 1, 1, 9, 1, 4}},
	{"64x128", ConvShape{1, 128, 128, 64, 64, 3, 1, 1}},
	{"64x128s2", ConvShape{1, 128, 128, 64, 64, 3, 2, 1}},
	{"256x64", ConvShape{1, 64, 64, 256, 256, 3, 1, 1}},
	{"256x64s2", ConvShape{1, 64, 64, 256, 256, 3, 2, 1}},
	{"dense4", ConvShape{16, 16, 16, 4, 64, 16, 1, 0}},
	{"dense64", ConvShape{16, 16, 16, 64, 64, 16, 1, 0}},
	{"gray3", ConvShape{8, 48, 48, 1, 64, 3, 1, 1}},
}

// BenchmarkConv reports the speed of the direct routines at each level in
// GFLOP/s, counting a multiplication and an addition for each term of the sum
// (of which those in the padding are skipped or cost nothing).
func BenchmarkConv(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, l := range slices.Backward(Levels()) {
		for _, c := range convBenches {
			s := c.s
			oh, ow := s.Out()
			flop := 2 * float64(s.N*oh*ow*s.Co*s.K*s.K) * float64(s.Ci)
			x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
			run := func(name string, plan func() func()) {
				b.Run(fmt.Sprintf("%s/%s/%s", l, c.name, name), func(b *testing.B) {
					defer SetLevel(l)()
					f := plan()
					f()
					b.ReportAllocs()
					for b.Loop() {
						f()
					}
					b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
			run("forward", func() func() {
				c := NewConvDirect(s)
				f := c.Pack(nil, w)
				return func() { c.Run(y, x, f, false) }
			})
			run("adjoint", func() func() {
				c := NewConvTDirect(s)
				f := c.Pack(nil, w)
				return func() { c.Run(x, y, f, false) }
			})
			run("weights", func() func() {
				c := NewConvWDirect(s)
				return func() { c.Run(w, x, y) }
			})
		}
	}
}

// BenchmarkFold compares the two ways to the adjoint of a convolution with few
// input channels.
func BenchmarkFold(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []ConvShape{
		{1, 128, 128, 1, 64, 3, 1, 1},
		{4, 64, 64, 1, 64, 3, 1, 1},
		{1, 128, 128, 3, 256, 3, 1, 1},
		{1, 128, 128, 3, 256, 3, 2, 1},
		{8, 26, 26, 4, 16, 3, 1, 0},
		{1, 130, 130, 4, 16, 3, 1, 0},
		{1, 130, 130, 4, 32, 3, 1, 0},
	} {
		oh, ow := s.Out()
		flop := 2 * float64(s.N*oh*ow*s.Co*s.K*s.K) * float64(s.Ci)
		x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
		for _, impl := range []struct {
			name string
			convImpl
		}{{"direct", newDirectT(s)}, {"fold", newFoldT(s)}} {
			c := newConv(s, impl.convImpl, len(y), len(x))
			f := c.Pack(nil, w)
			b.Run(fmt.Sprintf("%d-%dx%d-%d-%d-s%d/%s", s.N, s.H, s.W, s.Ci, s.Co, s.Stride, impl.name), func(b *testing.B) {
				for b.Loop() {
					c.Run(x, y, f, false)
				}
				b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
