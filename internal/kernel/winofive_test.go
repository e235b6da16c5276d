package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// fiveTol is the largest error of F(4x4,5x5), relative to the root of the sum
// of the squares of the products. Measured: up to 2.2e-5.
const fiveTol = 5e-5

var fiveCases = []ConvShape{
	{1, 5, 5, 1, 1, 5, 1, 0},
	{1, 1, 1, 3, 5, 5, 1, 2},
	{2, 7, 9, 3, 5, 5, 1, 2},
	{1, 12, 12, 32, 64, 5, 1, 2},
	{2, 9, 24, 16, 64, 5, 1, 2},
	{1, 10, 13, 17, 33, 5, 1, 1},
	{1, 8, 6, 20, 80, 5, 1, 4},
	{1, 31, 70, 16, 16, 5, 1, 0},
	{1, 5, 403, 2, 3, 5, 1, 2},
}

func TestConvFive(t *testing.T) {
	levels(t, func(t *testing.T) {
		worst := 0.0
		for i, s := range fiveCases {
			worst = max(worst, checkWinograd(t, s, fiveTol, uint64(i)))
		}
		t.Logf("largest error %.1e", worst)
	})
}

func FuzzConvFive(f *testing.F) {
	f.Add(uint8(2), uint8(9), uint8(12), uint8(16), uint8(33), uint8(2), uint64(1))
	f.Fuzz(func(t *testing.T, n, h, w, ci, co, pad uint8, seed uint64) {
		s := ConvShape{1 + int(n)%3, 1 + int(h)%20, 1 + int(w)%40, 1 + int(ci)%36, 1 + int(co)%70, 5, 1, int(pad) % 5}
		if s.H+2*s.Pad < s.K || s.W+2*s.Pad < s.K {
			t.Skip()
		}
		levels(t, func(t *testing.T) { checkWinograd(t, s, fiveTol, seed) })
	})
}

// BenchmarkConvFive compares F(4x4,5x5) with the direct sum; GFLOP/s count the
// direct sum's operations.
func BenchmarkConvFive(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, l := range slices.Backward(Levels()[1:]) {
		for _, c := range convBenches {
			s := c.s
			if s.K != 5 {
				continue
			}
			oh, ow := s.Out()
			flop := 2 * float64(s.N*oh*ow*s.Co*s.K*s.K) * float64(s.Ci)
			x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
			bench := func(what string, five, direct func()) {
				for _, f := range []struct {
					name string
					run  func()
				}{{"five", five}, {"direct", direct}} {
					b.Run(fmt.Sprintf("%s/%s/%s/%s", l, c.name, what, f.name), func(b *testing.B) {
						for b.Loop() {
							f.run()
						}
						b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
					})
				}
			}
			conv := func(c *Conv, in, out []float32) func() {
				f := c.Pack(nil, w)
				return func() { c.Run(out, in, f, false) }
			}
			restore := SetLevel(l)
			bench("forward", conv(newConv(s, newWinograd(s, false, 0), len(x), len(y)), x, y), conv(NewConvDirect(s), x, y))
			bench("adjoint", conv(newConv(s, newWinograd(s, true, 0), len(y), len(x)), y, x), conv(NewConvTDirect(s), y, x))
			five, direct := newConvW(s, newWinogradW(s)), NewConvWDirect(s)
			bench("weights", func() { five.Run(w, x, y) }, func() { direct.Run(w, x, y) })
			restore()
		}
	}
}
