package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// levels runs f at every level of this machine.
func levels(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for _, l := range []Level{Generic, AVX2, AVX512} {
		if l > detect() {
			continue
		}
		t.Run(l.String(), func(t *testing.T) {
			defer SetLevel(l)()
			f(t)
		})
	}
}

// eachTerm calls f for every product x[ix]*w[iw] that is part of y[iy].
func eachTerm(s ConvShape, f func(iy, ix, iw int)) {
	oh, ow := s.Out()
	for n := range s.N {
		for i := range oh {
			for j := range ow {
				for ky := range s.K {
					for kx := range s.K {
						y, x := i*s.Stride+ky-s.Pad, j*s.Stride+kx-s.Pad
						if y < 0 || y >= s.H || x < 0 || x >= s.W {
							continue
						}
						for ci := range s.Ci {
							for co := range s.Co {
								f(((n*oh+i)*ow+j)*s.Co+co, ((n*s.H+y)*s.W+x)*s.Ci+ci, ((ky*s.K+kx)*s.Ci+ci)*s.Co+co)
							}
						}
					}
				}
			}
		}
	}
}

// sum64 is a sum of products in float64 with the sum of their sizes, by which
// a rounding error is judged.
type sum64 struct{ sum, size []float64 }

func newSum64(start []float32) sum64 {
	s := sum64{make([]float64, len(start)), make([]float64, len(start))}
	for i, v := range start {
		s.sum[i], s.size[i] = float64(v), math.Abs(float64(v))
	}
	return s
}

func (s sum64) add(i int, a, b float32) {
	p := float64(a) * float64(b)
	s.sum[i] += p
	s.size[i] += math.Abs(p)
}

// check compares got with the sum. The error of a float32 sum in any order is
// a small multiple of eps times the sum of the sizes.
func (s sum64) check(t *testing.T, what string, got []float32) {
	t.Helper()
	for i, v := range got {
		if err := math.Abs(float64(v) - s.sum[i]); !(err <= 2e-6*s.size[i]+1e-30) {
			t.Fatalf("%s: element %d is %g, want %g (sizes sum to %g)", what, i, v, s.sum[i], s.size[i])
		}
	}
}

func randoms(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// checkConv compares forward, adjoint and weight gradient of s with the
// definition.
func checkConv(t *testing.T, s ConvShape, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	x, y, w := randoms(rng, s.lenX()), randoms(rng, s.lenY()), randoms(rng, s.lenW())
	zeros := func(n int) []float32 { return make([]float32, n) }
	fy, fya := newSum64(zeros(len(y))), newSum64(y)
	fx, fxa := newSum64(zeros(len(x))), newSum64(x)
	fw := newSum64(zeros(len(w)))
	eachTerm(s, func(iy, ix, iw int) {
		fy.add(iy, x[ix], w[iw])
		fya.add(iy, x[ix], w[iw])
		fx.add(ix, y[iy], w[iw])
		fxa.add(ix, y[iy], w[iw])
		fw.add(iw, x[ix], y[iy])
	})
	run := func(c *Conv, in, out []float32, over, add sum64, what string) {
		t.Helper()
		checkRows(t, c, len(out))
		f := c.Pack(nil, w)
		f = c.Pack(f, w)
		dst := make([]float32, len(out))
		for i := range dst {
			dst[i] = float32(math.NaN())
		}
		c.Run(dst, in, f, false)
		over.check(t, fmt.Sprintf("%+v: %s", s, what), dst)
		copy(dst, out)
		c.Run(dst, in, f, true)
		add.check(t, fmt.Sprintf("%+v: %s, added", s, what), dst)
	}
	run(NewConvDirect(s), x, y, fy, fya, "forward")
	run(NewConvTDirect(s), y, x, fx, fxa, "adjoint")
	dw := make([]float32, len(w))
	for i := range dw {
		dw[i] = float32(math.NaN())
	}
	NewConvW(s).Run(dw, x, y)
	fw.check(t, fmt.Sprintf("%+v: weight gradient", s), dw)
}

// checkRows checks that the parts of c cover its output rows in order.
func checkRows(t *testing.T, c *Conv, n int) {
	t.Helper()
	at := 0
	for p := range c.Parts() {
		lo, hi := c.Rows(p)
		if lo != at || hi <= lo {
			t.Fatalf("%+v: part %d is rows [%d,%d), want from %d", c.shape, p, lo, hi, at)
		}
		at = hi
	}
	if at == 0 || n%at != 0 {
		t.Fatalf("%+v: the parts cover %d rows", c.shape, at)
	}
}

var convCases = []ConvShape{
	{1, 1, 1, 1, 1, 1, 1, 0},
	{2, 1, 1, 3, 5, 1, 1, 0},
	{1, 1, 1, 2, 3, 3, 1, 1},
	{1, 5, 4, 1, 16, 3, 1, 1},
	{2, 9, 11, 4, 16, 3, 1, 0},
	{1, 12, 10, 16, 64, 5, 1, 2},
	{3, 7, 5, 64, 64, 1, 1, 0},
	{1, 6, 7, 64, 32, 3, 1, 1},
	{1, 12, 12, 32, 64, 5, 1, 2},
	{2, 12, 12, 64, 64, 3, 1, 1},
	{1, 12, 12, 64, 4, 1, 1, 0},
	{1, 20, 37, 1, 1, 9, 1, 4},
	{2, 20, 19, 1, 1, 9, 1, 0},
	{1, 8, 8, 12, 16, 3, 1, 1},
	{1, 9, 8, 16, 12, 3, 1, 0},
	{1, 8, 9, 3, 3, 5, 1, 2},
	{1, 8, 30, 6, 2, 3, 1, 1},
	{1, 16, 16, 64, 64, 3, 2, 1},
	{1, 15, 17, 8, 70, 3, 2, 1},
	{2, 9, 10, 5, 6, 4, 3, 2},
	{1, 9, 10, 3, 4, 2, 3, 0},
	{1, 13, 12, 2, 3, 5, 2, 4},
	{1, 7, 8, 3, 80, 3, 1, 3},
	{1, 6, 5, 3, 130, 3, 1, 1},
	{1, 4, 60, 7, 33, 3, 1, 1},
	{5, 16, 16, 4, 64, 16, 1, 0},
	{14, 4, 4, 12, 20, 4, 1, 0},
	{1, 40, 33, 24, 48, 3, 1, 1},
}

func TestConv(t *testing.T) {
	levels(t, func(t *testing.T) {
		for i, s := range convCases {
			checkConv(t, s, uint64(i))
		}
	})
}

func FuzzConv(f *testing.F) {
	f.Add(uint8(1), uint8(5), uint8(6), uint8(3), uint8(4), uint8(3), uint8(1), uint8(1), uint64(1))
	f.Add(uint8(2), uint8(16), uint8(16), uint8(64), uint8(64), uint8(3), uint8(2), uint8(1), uint64(2))
	f.Fuzz(func(t *testing.T, n, h, w, ci, co, k, stride, pad uint8, seed uint64) {
		s := ConvShape{
			1 + int(n)%3, 1 + int(h)%20, 1 + int(w)%40, 1 + int(ci)%20, 1 + int(co)%70,
			1 + int(k)%9, 1 + int(stride)%3, int(pad) % 5,
		}
		if s.H+2*s.Pad < s.K || s.W+2*s.Pad < s.K {
			t.Skip()
		}
		levels(t, func(t *testing.T) { checkConv(t, s, seed) })
	})
}
