package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// fiveTol is the largest error of F(2x2,5x5), relative to the root of the sum
// of the squares of the products.
const fiveTol = 2e-5

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
			rng := rand.New(rand.NewPCG(uint64(i), 6))
			x, y, w := randoms(rng, s.lenX()), randoms(rng, s.lenY()), randoms(rng, s.lenW())
			ySum, ySize := make([]float64, len(y)), make([]float64, len(y))
			xSum, xSize := make([]float64, len(x)), make([]float64, len(x))
			eachTerm(s, func(iy, ix, iw int) {
				p := float64(x[ix]) * float64(w[iw])
				ySum[iy] += p
				ySize[iy] += p * p
				p = float64(y[iy]) * float64(w[iw])
				xSum[ix] += p
				xSize[ix] += p * p
			})
			run := func(what string, c *Conv, in, old []float32, sum, size []float64) {
				t.Helper()
				checkRows(t, c, len(old))
				f := c.Pack(c.Pack(nil, w), w)
				floor := math.Sqrt(25 * float64(s.Ci)) // where padding leaves few terms
				for _, acc := range []bool{false, true} {
					dst := append([]float32(nil), old...)
					c.Run(dst, in, f, acc)
					for i, got := range dst {
						want := sum[i]
						if acc {
							want += float64(old[i])
						}
						err := math.Abs(float64(got)-want) / (math.Sqrt(size[i]) + floor)
						if worst = max(worst, err); !(err <= fiveTol) {
							t.Fatalf("%+v: %s, acc %v: element %d is %g, want %g", s, what, acc, i, got, want)
						}
					}
				}
			}
			run("forward", newConv(s, newFive(s, false), len(x), len(y)), x, y, ySum, ySize)
			run("adjoint", newConv(s, newFive(s, true), len(y), len(x)), y, x, xSum, xSize)
		}
		t.Logf("largest error %.1e", worst)
	})
}

// BenchmarkConvFive compares F(2x2,5x5) with the direct sum; GFLOP/s count the
// direct sum's operations.
func BenchmarkConvFive(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, l := range []Level{AVX512, AVX2} {
		if l > detect() {
			continue
		}
		for _, c := range convBenches {
			s := c.s
			if s.K != 5 {
				continue
			}
			oh, ow := s.Out()
			flop := 2 * float64(s.N*oh*ow*s.Co*s.K*s.K) * float64(s.Ci)
			x, y, w := randoms(rng, s.lenX()), randoms(rng, s.lenY()), randoms(rng, s.lenW())
			for _, adj := range []bool{false, true} {
				for _, direct := range []bool{false, true} {
					b.Run(fmt.Sprintf("%s/%s/adj=%v/direct=%v", l, c.name, adj, direct), func(b *testing.B) {
						defer SetLevel(l)()
						var c *Conv
						switch {
						case direct && adj:
							c = NewConvTDirect(s)
						case direct:
							c = NewConvDirect(s)
						default:
							c = newConv(s, newFive(s, adj), len(x), len(y))
						}
						in, out := x, y
						if adj {
							in, out = y, x
						}
						c.lenIn, c.lenOut = len(in), len(out)
						f := c.Pack(nil, w)
						for b.Loop() {
							c.Run(out, in, f, false)
						}
						b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
					})
				}
			}
		}
	}
}
