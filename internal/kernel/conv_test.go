package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// levels runs f at every level of this machine.
func levels(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for _, l := range Levels() {
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

// checkConv compares forward, adjoint and weight gradient of s with the
// definition.
func checkConv(t *testing.T, s ConvShape, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
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
	run(newConv(s, newDirectT(s), len(y), len(x)), y, x, fx, fxa, "adjoint")
	if s.K*s.K*s.Ci <= foldTaps {
		run(newConv(s, newFoldT(s), len(y), len(x)), y, x, fx, fxa, "folded adjoint")
	}
	dw := make([]float32, len(w))
	for i := range dw {
		dw[i] = float32(math.NaN())
	}
	NewConvWDirect(s).Run(dw, x, y)
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
	{3, 1, 3, 17, 11, 1, 2, 4},
	{2, 33, 19, 1, 64, 3, 1, 1},
	{1, 30, 21, 4, 16, 3, 1, 0},
	{1, 21, 30, 3, 40, 3, 2, 1},
	{1, 20, 17, 2, 33, 5, 1, 2},
	{1, 9, 25, 1, 20, 7, 3, 1},
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

// TestConvAdjoint checks <Ax,y> = <x,A'y> = <w,dw> on shapes too large for the
// definition.
func TestConvAdjoint(t *testing.T) {
	dot := func(a, b []float32) (sum, size float64) {
		for i, v := range a {
			p := float64(v) * float64(b[i])
			sum += p
			size += p * p
		}
		return sum, math.Sqrt(size)
	}
	shapes := []ConvShape{
		{1, 48, 48, 16, 64, 5, 1, 2},
		{2, 31, 45, 64, 64, 3, 1, 1},
		{1, 40, 41, 64, 96, 3, 2, 1},
		{1, 130, 77, 4, 16, 3, 1, 0},
		{1, 130, 77, 16, 4, 3, 1, 0},
		{3, 64, 100, 1, 1, 9, 1, 4},
		{24, 16, 16, 8, 64, 16, 1, 0},
		{1, 100, 100, 64, 64, 1, 1, 0},
	}
	levels(t, func(t *testing.T) {
		if level == Generic {
			t.Skip("slow; TestConv compares it with the definition")
		}
		for i, s := range shapes {
			rng := rand.New(rand.NewPCG(uint64(i), 2))
			x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
			ax, ay, dw := make([]float32, len(y)), make([]float32, len(x)), make([]float32, len(w))
			c, ct := NewConvDirect(s), NewConvTDirect(s)
			c.Run(ax, x, c.Pack(nil, w), false)
			ct.Run(ay, y, ct.Pack(nil, w), false)
			NewConvWDirect(s).Run(dw, x, y)
			a, size := dot(ax, y)
			b, _ := dot(x, ay)
			d, _ := dot(w, dw)
			// The rounding errors of the terms are independent.
			if tol := 3e-6 * size; math.Abs(a-b) > tol || math.Abs(a-d) > tol {
				t.Errorf("%+v: <Ax,y> = %g, <x,A'y> = %g, <w,dw> = %g", s, a, b, d)
			}
		}
	})
}

// TestConvNaN puts one NaN into the input: exactly the outputs that depend on
// it are NaN, but also some neighbours where pixels share a vector, and weights
// that it would meet in the padding where that is multiplied.
func TestConvNaN(t *testing.T) {
	nan := float32(math.NaN())
	levels(t, func(t *testing.T) {
		for i, s := range convCases {
			rng := rand.New(rand.NewPCG(uint64(i), 3))
			x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
			at, to := rng.IntN(len(x)), rng.IntN(len(y))
			x[at], y[to] = nan, nan
			wantY, wantX, wantW := make([]bool, len(y)), make([]bool, len(x)), make([]bool, len(w))
			eachTerm(s, func(iy, ix, iw int) {
				wantY[iy] = wantY[iy] || ix == at
				wantX[ix] = wantX[ix] || iy == to
				wantW[iw] = wantW[iw] || ix == at || iy == to
			})
			check := func(what string, got []float32, want []bool, exact bool) {
				t.Helper()
				for j, v := range got {
					if isNaN := v != v; isNaN != want[j] && (exact || want[j]) {
						t.Fatalf("%+v: %s: element %d is %g, want NaN: %v", s, what, j, v, want[j])
					}
				}
			}
			c, ct := NewConvDirect(s), NewConvTDirect(s)
			ax, ay, dw := make([]float32, len(y)), make([]float32, len(x)), make([]float32, len(w))
			c.Run(ax, x, c.Pack(nil, w), false)
			apart := func(c *Conv) bool { // no two pixels in a vector
				d, direct := c.impl.(*directConv)
				return !direct || d.group == 1
			}
			check("forward", ax, wantY, apart(c))
			ct.Run(ay, y, ct.Pack(nil, w), false)
			check("adjoint", ay, wantX, apart(ct))
			cw := NewConvWDirect(s)
			cw.Run(dw, x, y)
			check("weight gradient", dw, wantW, !cw.impl.(*directW).mode.run)
		}
	})
}

// TestConvExtremes checks that denormals are harmless, that the processor's
// treatment of them is restored, and that sums overflow to infinity.
func TestConvExtremes(t *testing.T) {
	s := ConvShape{1, 8, 9, 8, 24, 3, 1, 1}
	levels(t, func(t *testing.T) {
		x, w, y := make([]float32, s.lenX()), make([]float32, s.lenW()), make([]float32, s.lenY())
		fill := func(v []float32, to float32) {
			for i := range v {
				v[i] = to
			}
		}
		c := NewConvDirect(s)
		inf := float32(math.Inf(1))
		for _, test := range []struct{ x, w, lo, hi float32 }{
			{1e-40, 1, 0, 1e-37},
			{1e-25, 1e-25, 0, 1e-37},
			{1e30, 1e-30, 31, 73}, // 4 to 9 taps of 8 channels
			{1e30, 1e30, inf, inf},
			{-1e30, 1e30, -inf, -inf},
		} {
			fill(x, test.x)
			fill(w, test.w)
			c.Run(y, x, c.Pack(nil, w), false)
			for i, v := range y {
				if !(v >= test.lo && v <= test.hi) {
					t.Fatalf("%g * %g: element %d is %g", test.x, test.w, i, v)
				}
			}
			if x[0] == 1e-40 && x[0]/2 == 0 {
				t.Fatal("denormals are still flushed to zero after the routine")
			}
		}
	})
}

// A partTask runs part on a pool, with scratch for each worker.
type partTask struct {
	scratch [][]float32
	part    func(part int, scratch []float32)
}

func (p partTask) Part(worker, part int) { p.part(part, p.scratch[worker]) }

// TestConvParts checks that the order of the parts does not matter, also when
// several goroutines share the plan, and that a part allocates nothing.
func TestConvParts(t *testing.T) {
	s := ConvShape{3, 30, 33, 16, 40, 5, 1, 2}
	rng := rand.New(rand.NewPCG(4, 4))
	x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
	pool := NewPool(3)
	defer pool.Close()
	check := func(t *testing.T, what string, parts, need, n int, part func(dst []float32, part int, scratch []float32)) {
		t.Helper()
		one, many := make([]float32, n), make([]float32, n)
		scratch := make([]float32, need)
		for p := parts - 1; p >= 0; p-- {
			part(one, p, scratch)
		}
		var task partTask
		for range pool.Workers() {
			task.scratch = append(task.scratch, make([]float32, need))
		}
		task.part = func(p int, scratch []float32) { part(many, p, scratch) }
		pool.Do(task, parts)
		for i, v := range one {
			if v != many[i] {
				t.Fatalf("%s: element %d is %g or %g", what, i, v, many[i])
			}
		}
		if a := testing.AllocsPerRun(3, func() { part(one, 0, scratch) }); a != 0 {
			t.Errorf("%s: %g allocations a part", what, a)
		}
	}
	levels(t, func(t *testing.T) {
		c, ct, cw := NewConvDirect(s), NewConvTDirect(s), NewConvWDirect(s)
		f, ft := c.Pack(nil, w), ct.Pack(nil, w)
		check(t, "forward", c.Parts(), c.ScratchLen(), len(y), func(dst []float32, p int, scratch []float32) {
			c.Part(dst, x, f, p, false, scratch)
		})
		check(t, "adjoint", ct.Parts(), ct.ScratchLen(), len(x), func(dst []float32, p int, scratch []float32) {
			ct.Part(dst, y, ft, p, false, scratch)
		})
		check(t, "weight gradient", cw.Parts(), cw.ScratchLen(), len(w), func(dst []float32, p int, scratch []float32) {
			cw.Part(dst, x, y, p, scratch)
		})
	})
}

// A direct sum in the parts of another plan, also of parts that span images, is
// the same sum.
func TestConvLike(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, size := range [][3]int{{1, 30, 33}, {3, 9, 7}, {2, 128, 16}} {
		wide := ConvShape{size[0], size[1], size[2], 64, 64, 3, 1, 1}
		narrow := wide
		narrow.Ci = 2
		x, w := normal(rng, narrow.lenX()), normal(rng, narrow.lenW())
		levels(t, func(t *testing.T) {
			lead, c := NewConv(wide), NewConvDirect(narrow)
			like := c.Like(lead)
			checkRows(t, like, narrow.N*narrow.H)
			if like.Parts() != lead.Parts() {
				t.Fatalf("%d parts, want %d", like.Parts(), lead.Parts())
			}
			f := c.Pack(nil, w)
			want := normal(rng, narrow.lenY())
			got := slices.Clone(want)
			c.Run(want, x, f, true)
			like.Run(got, x, f, true)
			if !slices.Equal(got, want) {
				t.Errorf("%v: not the same sum", size)
			}
			if level != Generic && lead.Like(c) != nil {
				t.Error("Winograd's algorithm was cut like a direct sum")
			}
			if NewConvDirect(ConvShape{1, 3, 3, 2, 64, 3, 1, 1}).Like(lead) != nil {
				t.Error("cut into parts of another output")
			}
		})
	}
}

func TestConvPanics(t *testing.T) {
	s := ConvShape{1, 4, 4, 2, 3, 3, 1, 1}
	c := NewConvDirect(s)
	w := make([]float32, s.lenW())
	x, y := make([]float32, s.lenX()), make([]float32, s.lenY())
	f := c.Pack(nil, w)
	for what, fn := range map[string]func(){
		"no images":       func() { NewConv(ConvShape{0, 4, 4, 2, 3, 3, 1, 1}) },
		"large filter":    func() { NewConvT(ConvShape{1, 4, 4, 2, 3, 7, 1, 1}) },
		"no stride":       func() { NewConvW(ConvShape{1, 4, 4, 2, 3, 3, 0, 1}) },
		"short weights":   func() { c.Pack(nil, w[1:]) },
		"short input":     func() { c.Run(y, x[1:], f, false) },
		"short output":    func() { c.Run(y[1:], x, f, false) },
		"foreign filter":  func() { c.Run(y, x, new(Filter), false) },
		"short gradient":  func() { NewConvW(s).Run(w[1:], x, y) },
		"missing scratch": func() { c.Part(y, x, f, 0, false, nil) },
	} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			fn()
		})
	}
}

func ExampleConv() {
	// The sum of the 3x3 neighbourhood of each pixel of a 3x4 image of ones.
	s := ConvShape{N: 1, H: 3, W: 4, Ci: 1, Co: 1, K: 3, Stride: 1, Pad: 1}
	x, y, w := make([]float32, 12), make([]float32, 12), make([]float32, 9)
	for _, v := range [][]float32{x, w} {
		for i := range v {
			v[i] = 1
		}
	}
	c := NewConv(s)
	c.Run(y, x, c.Pack(nil, w), false)
	for i := range 3 {
		fmt.Println(y[4*i:][:4])
	}
	// Output:
	// [4 6 6 4]
	// [6 9 9 6]
	// [4 6 6 4]
}

// Plans that say that they pack alike do, for planes of any size, and others do not say so.
func TestPacksLike(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, k := range []int{3, 5} {
			small := ConvShape{N: 1, H: 40, W: 36, Ci: 32, Co: 48, K: k, Stride: 1, Pad: k / 2}
			large, other := small, small
			large.H, large.W = 100, 68
			other.Co = 40
			w := make([]float32, small.lenW())
			for i := range w {
				w[i] = float32(rng.NormFloat64())
			}
			for _, plan := range []func(ConvShape) *Conv{NewConv, NewConvT} {
				a, b, c := plan(small), plan(large), plan(other)
				if got := a.PacksLike(b); got != (a.Winograd() && b.Winograd()) {
					t.Errorf("%v and %v: alike %v", small, large, got)
				}
				if a.PacksLike(b) && !slices.Equal(a.Pack(nil, w).w, b.Pack(nil, w).w) {
					t.Errorf("%v and %v pack in different ways", small, large)
				}
				if a.PacksLike(c) {
					t.Errorf("%v and %v pack alike", small, other)
				}
			}
			if NewConv(small).PacksLike(NewConvT(small)) {
				t.Errorf("%v: an adjoint packs alike", small)
			}
		}
	})
}
