package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// strideTol is the largest error, relative to the root of the sum of the
// squares of the products, with a floor. Measured: up to 3e-6.
const strideTol = 1e-5

func checkWinoStride(t *testing.T, s ConvShape, seed uint64) (worst float64) {
	t.Helper()
	return checkClose(t, s, strideTol, seed, newWinoStride(s, false), newWinoStride(s, true), nil)
}

func TestWinoStride(t *testing.T) {
	levels(t, func(t *testing.T) {
		worst := 0.0
		for i, s := range []ConvShape{
			{1, 1, 1, 1, 1, 3, 2, 1},
			{1, 2, 3, 3, 5, 3, 2, 1},
			{2, 7, 9, 3, 5, 3, 2, 1},
			{1, 8, 8, 16, 16, 3, 2, 1},
			{3, 16, 16, 64, 32, 3, 2, 1},
			{1, 13, 30, 17, 33, 3, 2, 1},
			{1, 40, 24, 20, 80, 3, 2, 1},
			{2, 18, 33, 130, 70, 3, 2, 1},
		} {
			worst = max(worst, checkWinoStride(t, s, uint64(i)))
		}
		t.Logf("largest error %.1e", worst)
	})
}

func FuzzWinoStride(f *testing.F) {
	f.Add(uint8(1), uint8(12), uint8(14), uint8(16), uint8(20), uint64(1))
	f.Fuzz(func(t *testing.T, n, h, w, ci, co uint8, seed uint64) {
		s := ConvShape{1 + int(n)%3, 1 + int(h)%40, 1 + int(w)%40, 1 + int(ci)%40, 1 + int(co)%80, 3, 2, 1}
		levels(t, func(t *testing.T) { checkWinoStride(t, s, seed) })
	})
}

// A NaN reaches every output that it is part of, and only tiles that see it.
func TestWinoStrideNaN(t *testing.T) {
	levels(t, func(t *testing.T) {
		s := ConvShape{1, 33, 33, 16, 16, 3, 2, 1}
		rng := rand.New(rand.NewPCG(1, 1))
		x, w := normal(rng, s.lenX()), normal(rng, s.lenW())
		x[(16*s.W+16)*s.Ci+3] = float32(math.NaN())
		c := newConv(s, newWinoStride(s, false), s.lenX(), s.lenY())
		y := make([]float32, s.lenY())
		c.Run(y, x, c.Pack(nil, w), false)
		oh, ow := s.Out()
		for i := range oh {
			for j := range ow {
				v := y[(i*ow+j)*s.Co]
				if i == 8 && j == 8 && v == v {
					t.Error("the NaN is lost")
				}
				if (i < 4 || i > 12 || j < 4 || j > 12) && v != v {
					t.Errorf("NaN at %d,%d", i, j)
				}
			}
		}
	})
}

// The parts may run in any order and on dirty scratch.
func TestWinoStrideParts(t *testing.T) {
	levels(t, func(t *testing.T) {
		s := ConvShape{3, 35, 66, 16, 40, 3, 2, 1}
		rng := rand.New(rand.NewPCG(1, 1))
		x, w := normal(rng, s.lenX()), normal(rng, s.lenW())
		for _, adj := range []bool{false, true} {
			in, out := s.lenX(), s.lenY()
			if adj {
				in, out = out, in
			}
			c := newConv(s, newWinoStride(s, adj), in, out)
			f := c.Pack(nil, w)
			want, got := make([]float32, out), make([]float32, out)
			c.Run(want, x[:in], f, false)
			scratch := make([]float32, c.ScratchLen()+3)[3:]
			for i := range scratch {
				scratch[i] = float32(math.NaN())
			}
			if c.Parts() < 2 {
				t.Fatal("one part")
			}
			for p := c.Parts() - 1; p >= 0; p-- {
				c.Part(got, x[:in], f, p, false, scratch)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("element %d: %g, then %g", i, want[i], got[i])
				}
			}
			if n := testing.AllocsPerRun(3, func() {
				c.Pack(f, w)
				c.Part(got, x[:in], f, 0, true, scratch)
			}); n != 0 {
				t.Errorf("%g allocations", n)
			}
		}
	})
}

// BenchmarkWinoStride alternates with the direct sum; GFLOP/s count the direct
// sum's operations for both.
func BenchmarkWinoStride(b *testing.B) {
	for _, s := range []ConvShape{
		{1, 128, 128, 256, 256, 3, 2, 1},
		{1, 64, 64, 256, 256, 3, 2, 1},
		{1, 32, 32, 256, 256, 3, 2, 1},
		{1, 128, 128, 64, 64, 3, 2, 1},
		{4, 28, 28, 64, 64, 3, 2, 1},
	} {
		for _, l := range slices.Backward(Levels()[1:]) {
			restore := SetLevel(l)
			rng := rand.New(rand.NewPCG(1, 2))
			x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
			oh, ow := s.Out()
			flop := 2 * 9 * float64(s.Ci*s.Co) * float64(s.N*oh*ow)
			for _, impl := range []struct {
				name string
				adj  bool
				convImpl
			}{
				{"direct", false, newDirect(s)}, {"winograd", false, newWinoStride(s, false)},
				{"directT", true, newDirectT(s)}, {"winogradT", true, newWinoStride(s, true)},
			} {
				dst, src := y, x
				if impl.adj {
					dst, src = x, y
				}
				c := newConv(s, impl.convImpl, len(src), len(dst))
				f := c.Pack(nil, w)
				b.Run(fmt.Sprintf("%d-%dx%d-%d-%d/%v/%s", s.N, s.H, s.W, s.Ci, s.Co, l, impl.name), func(b *testing.B) {
					for b.Loop() {
						c.Run(dst, src, f, false)
					}
					b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
			restore()
		}
	}
}
