//go:build linux

package kernel

import (
	"math/rand/v2"
	"testing"
)

// TestWinogradGuarded faults where a routine reads or writes outside its
// slices.
func TestWinogradGuarded(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for i, s := range winoCases {
			get := func(n int) []float32 {
				v := guarded(t, n, i%2 == 0)
				for i := range v {
					v[i] = rng.Float32()
				}
				return v
			}
			x, y, w := get(s.lenX()), get(s.lenY()), get(s.lenW())
			c, ct := newWinograd(s, false, 0), newWinograd(s, true, 0)
			cw := newWinogradW(s)
			f, ft := get(c.packLen()), get(ct.packLen())
			c.pack(f, w)
			ct.pack(ft, w)
			scratch := get(c.scratchLen())
			for p := range c.parts() {
				c.part(y, x, f, p, i%4 < 2, scratch)
			}
			scratch = get(ct.scratchLen())
			for p := range ct.parts() {
				ct.part(x, y, ft, p, i%4 < 2, scratch)
			}
			for n := 1; n < min(s.Ci, mostBeside); n++ {
				main, e := get(len(x)/s.Ci*(s.Ci-n)), get(len(x)/s.Ci*n)
				for _, adj := range []bool{false, true} {
					c := newWinograd(s, adj, n)
					f, scratch := get(c.packLen()), get(c.scratchLen())
					c.pack(f, w)
					for p := range c.parts() {
						if adj {
							c.partInto(main, y, e, f, p, IntoProduct, scratch)
						} else {
							c.partInto(y, main, e, f, p, IntoProduct, scratch)
						}
					}
				}
			}
			scratch = get(cw.scratchLen())
			for p := range cw.parts() {
				cw.part(w, x, y, p, scratch)
			}
		}
	})
}

func TestWinoStrideGuarded(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for i, s := range []ConvShape{{1, 7, 9, 3, 5, 3, 2, 1}, {2, 16, 16, 32, 17, 3, 2, 1}, {1, 40, 23, 20, 80, 3, 2, 1}} {
			get := func(n int) []float32 {
				v := guarded(t, n, i%2 == 0)
				for i := range v {
					v[i] = rng.Float32()
				}
				return v
			}
			x, y, w := get(s.lenX()), get(s.lenY()), get(s.lenW())
			for _, adj := range []bool{false, true} {
				c, in, out := newWinoStride(s, adj), x, y
				if adj {
					in, out = y, x
				}
				f, scratch := get(c.packLen()), get(c.scratchLen())
				c.pack(f, w)
				for p := range c.parts() {
					c.part(out, in, f, p, i%4 < 2, scratch)
				}
			}
		}
	})
}

func TestPointwiseGuarded(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, low := range []bool{false, true} {
			for n := 1; n <= 40; n++ {
				x, y, d := guarded(t, n, low), guarded(t, n, low), guarded(t, n, low)
				for _, e := range elementwises {
					e.run(d, x, y)
				}
				AddBias(d, x, y)
				bias := NewBias(y)
				bias.many = append(guarded(t, len(bias.many), low)[:0], bias.many...)
				SoftplusBias(d, x, x, bias, 1)
				SoftplusBias(d, nil, x, bias, 1)
				SoftplusBias(nil, d, x, bias, 1)
				MulChannel(d, x, y)
				AdamStep(d, x, y, y, 1, 1, 1, 1, 1, 1)
				Dot(x, y)
				SquaredError(x, y)
				AbsError(x, y)
				Resize(d, x, 1, 1, 1, n, 1, 1)
				Expand(d, x, 1)
				runs, per := guarded(t, 16*n, low), 16
				LogSumExp(d, runs, runs, per)
				LogSumExp(d, nil, runs, per)
				SoftmaxGrad(runs, runs, runs, per)
				Expand(runs, d, per)
				GroupSum(d, runs, per)
				ExpandMul(runs, runs, d, per)
				AvgPoolT(runs[:4*n], d, 1, 2, 2, n)
				AvgPool(d, runs[:4*n], 1, 2, 2, n)
				Interleave(runs[:9*n], guarded(t, 9*n, low), 1, 3, 3, n)
			}
		}
	})
}

// Variables, so that the compiler does not multiply them.
var small, half float32 = 2e-38, 0.5

// The processor's treatment of denormal numbers must be as before, in Go code
// after any routine.
func TestDenormalsRestored(t *testing.T) {
	levels(t, func(t *testing.T) {
		check := func(what string) {
			if small*half == 0 {
				t.Fatalf("%s leaves denormal numbers counted as zero", what)
			}
		}
		x, y, z := make([]float32, 64), make([]float32, 64), make([]float32, 4)
		for _, e := range elementwises {
			e.run(x, y, y)
			check(e.name)
		}
		LogSumExp(z, x, y, 16)
		check("LogSumExp")
		SoftmaxGrad(x, x, y, 16)
		check("SoftmaxGrad")
		s := ConvShape{1, 9, 9, 16, 16, 3, 1, 1}
		var z9 [9 * 9]float32
		u, v, w := make([]float32, s.lenX()), make([]float32, s.lenY()), make([]float32, s.lenW())
		c := newConv(s, newWinograd(s, false, 0), len(u), len(v))
		f := c.Pack(nil, w)
		check("Pack")
		c.Run(v, u, f, false)
		check("winograd")
		b := newWinograd(s, true, 1)
		fb := make([]float32, b.packLen())
		b.pack(fb, w)
		b.partInto(u[:9*9*15], v, z9[:], fb, 0, IntoNew, make([]float32, b.scratchLen()))
		check("channels beside")
		s.Stride = 2
		v = v[:s.lenY()]
		for _, adj := range []bool{false, true} {
			c := newConv(s, newWinoStride(s, adj), len(u), len(v))
			in, out := u, v
			if adj {
				c = newConv(s, newWinoStride(s, adj), len(v), len(u))
				in, out = v, u
			}
			f := c.Pack(nil, w)
			check("Pack of strides")
			c.Run(out, in, f, adj)
			check("winoStride")
		}
		s.Stride = 1
		v = make([]float32, s.lenY())
		newConvW(s, newWinogradW(s)).Run(w, u, v)
		check("winogradW")
	})
}
