package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// winoTol is the largest error, relative to the root of the sum of the squares
// of the products, with a floor: the transforms add terms that cancel, so it is
// larger than that of the direct sum. The largest error measured on normal
// numbers, relative to the root mean square of the result, is 6e-6 for 64
// channels and 1e-5 for 256 (direct: 1e-6); the root mean square error is 8e-7
// and 1.5e-6 (direct: 2e-7).
const winoTol = 1e-5

// checkClose compares plans of s with the definition and returns the largest error,
// relative to the root of the sum of the squares of the products, with a floor where
// padding leaves few of them. It may be tol. weights may be nil.
func checkClose(t *testing.T, s ConvShape, tol float64, seed uint64, forward, adjoint convImpl, weights convWImpl) (worst float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
	type sums struct{ sum, size []float64 }
	zeros := func(n int) sums { return sums{make([]float64, n), make([]float64, n)} }
	fy, fx, fw := zeros(len(y)), zeros(len(x)), zeros(len(w))
	add := func(to sums, i int, a, b float32) {
		p := float64(a) * float64(b)
		to.sum[i] += p
		to.size[i] += p * p
	}
	eachTerm(s, func(iy, ix, iw int) {
		add(fy, iy, x[ix], w[iw])
		add(fx, ix, y[iy], w[iw])
		add(fw, iw, x[ix], y[iy])
	})
	check := func(what string, got, old []float32, want sums, terms int) {
		t.Helper()
		floor := math.Sqrt(float64(terms))
		for i, v := range got {
			sum := want.sum[i]
			if old != nil {
				sum += float64(old[i])
			}
			err := math.Abs(float64(v)-sum) / (math.Sqrt(want.size[i]) + floor)
			if worst = max(worst, err); !(err <= tol) {
				t.Fatalf("%+v: %s: element %d is %g, want %g", s, what, i, v, sum)
			}
		}
	}
	run := func(what string, c *Conv, in, old []float32, want sums) {
		t.Helper()
		checkRows(t, c, len(old))
		f := c.Pack(c.Pack(nil, w), w)
		terms := s.K * s.K * min(s.Ci, s.Co)
		dst := append([]float32(nil), old...)
		c.Run(dst, in, f, false)
		check(what, dst, nil, want, terms)
		copy(dst, old)
		c.Run(dst, in, f, true)
		check(what+", added", dst, old, want, terms)
		if !c.Winograd() {
			return
		}
		scratch := make([]float32, c.ScratchLen())
		copy(dst, old)
		for p := range c.Parts() {
			c.PartInto(dst, in, nil, f, p, IntoProduct, scratch)
		}
		for i, v := range old {
			dst[i] /= v // normal numbers: not 0
		}
		check(what+", multiplied", dst, nil, want, terms)
	}
	run("forward", newConv(s, forward, len(x), len(y)), x, y, fy)
	run("adjoint", newConv(s, adjoint, len(y), len(x)), y, x, fx)
	if weights != nil {
		dw := append([]float32(nil), w...)
		newConvW(s, weights).Run(dw, x, y)
		check("weight gradient", dw, nil, fw, len(y)/s.Co)
	}
	return worst
}

func checkWinograd(t *testing.T, s ConvShape, tol float64, seed uint64) (worst float64) {
	t.Helper()
	worst = checkClose(t, s, tol, seed, newWinograd(s, false, 0), newWinograd(s, true, 0), newWinogradW(s))
	if n := 1 + int(seed%mostBeside); n < s.Ci {
		worst = max(worst, checkClose(t, s, tol, seed, besides{newWinograd(s, false, n)}, besides{newWinograd(s, true, n)}, nil))
	}
	return worst
}

// besides is a plan with channels beside as one without.
type besides struct{ w *winograd }

func (c besides) packLen() int          { return c.w.packLen() }
func (c besides) pack(dst, w []float32) { c.w.pack(dst, w) }
func (c besides) parts() int            { return c.w.parts() }
func (c besides) rows(p int) (int, int) { return c.w.rows(p) }
func (c besides) scratchLen() int       { return c.w.scratchLen() }

func (c besides) part(dst, x, f []float32, part int, acc bool, scratch []float32) {
	// Part of the channels of each pixel of v, which has n, moved from or to p.
	move := func(v []float32, n, from, to int, p []float32, back bool) {
		for i := range len(v) / n {
			a, b := v[i*n+from:i*n+to], p[i*(to-from):][:to-from]
			if back {
				a, b = b, a
			}
			copy(b, a)
		}
	}
	if !c.w.adj {
		n := c.w.ci
		m := n - c.w.beside
		main, e := make([]float32, len(x)/n*m), make([]float32, len(x)/n*c.w.beside)
		move(x, n, 0, m, main, false)
		move(x, n, m, n, e, false)
		into := IntoNew
		if acc {
			into = IntoSum
		}
		c.w.partInto(dst, main, e, f, part, into, scratch)
		return
	}
	n := c.w.co + c.w.beside
	main, e := make([]float32, len(dst)/n*c.w.co), make([]float32, len(dst)/n*c.w.beside)
	c.w.partInto(main, x, e, f, part, IntoNew, scratch)
	lo, hi := c.w.rows(part)
	row := c.w.ow * n
	old := append([]float32(nil), dst[lo*row:hi*row]...)
	main, e = main[lo*c.w.ow*c.w.co:hi*c.w.ow*c.w.co], e[lo*c.w.ow*c.w.beside:hi*c.w.ow*c.w.beside]
	move(dst[lo*row:hi*row], n, 0, c.w.co, main, true)
	move(dst[lo*row:hi*row], n, c.w.co, n, e, true)
	if acc {
		Add(dst[lo*row:hi*row], dst[lo*row:hi*row], old)
	}
}

var winoCases = []ConvShape{
	{1, 1, 1, 1, 1, 3, 1, 1},
	{1, 3, 3, 1, 1, 3, 1, 0},
	{1, 6, 6, 16, 16, 3, 1, 0},
	{2, 7, 9, 3, 5, 3, 1, 1},
	{3, 12, 12, 64, 32, 3, 1, 1},
	{1, 13, 10, 17, 33, 3, 1, 1},
	{1, 8, 8, 20, 80, 3, 1, 2},
	{2, 5, 18, 24, 66, 3, 1, 0},
	{1, 6, 7, 8, 50, 3, 1, 3},
	{1, 6, 7, 18, 16, 3, 1, 5},
	{1, 3, 200, 16, 16, 3, 1, 1},
	{1, 30, 4, 16, 16, 3, 1, 1},
}

func TestWinograd(t *testing.T) {
	levels(t, func(t *testing.T) {
		worst := 0.0
		for i, s := range winoCases {
			worst = max(worst, checkWinograd(t, s, winoTol, uint64(i)))
		}
		t.Logf("largest error %.1e", worst)
	})
}

func FuzzWinograd(f *testing.F) {
	f.Add(uint8(1), uint8(12), uint8(14), uint8(16), uint8(20), uint8(1), uint64(1))
	f.Fuzz(func(t *testing.T, n, h, w, ci, co, pad uint8, seed uint64) {
		s := ConvShape{1 + int(n)%3, 1 + int(h)%20, 1 + int(w)%40, 1 + int(ci)%40, 1 + int(co)%80, 3, 1, int(pad) % 5}
		if s.H+2*s.Pad < 3 || s.W+2*s.Pad < 3 {
			t.Skip()
		}
		levels(t, func(t *testing.T) { checkWinograd(t, s, winoTol, seed) })
	})
}

// The parts may run in any order and on dirty scratch, and give the same bits
// as one after the other.
func TestWinogradParts(t *testing.T) {
	levels(t, func(t *testing.T) {
		s := ConvShape{3, 17, 30, 16, 40, 3, 1, 1}
		rng := rand.New(rand.NewPCG(1, 1))
		x, w := normal(rng, s.lenX()), normal(rng, s.lenW())
		c := newConv(s, newWinograd(s, false, 0), s.lenX(), s.lenY())
		f := c.Pack(nil, w)
		want, got := make([]float32, s.lenY()), make([]float32, s.lenY())
		c.Run(want, x, f, false)
		scratch := make([]float32, c.ScratchLen()+3)[3:]
		for i := range scratch {
			scratch[i] = float32(math.NaN())
		}
		if c.Parts() < 2 {
			t.Fatal("one part")
		}
		for p := c.Parts() - 1; p >= 0; p-- {
			c.Part(got, x, f, p, false, scratch)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("element %d: %g, then %g", i, want[i], got[i])
			}
		}
		d := newConvW(s, newWinogradW(s))
		dw := make([]float32, s.lenW())
		scratchW := make([]float32, d.ScratchLen()+1)[1:]
		if n := testing.AllocsPerRun(3, func() {
			c.Pack(f, w)
			c.Part(got, x, f, 0, true, scratch)
			d.Part(dw, x, want, 0, scratchW)
		}); n != 0 {
			t.Errorf("%g allocations", n)
		}
	})
}

// BenchmarkWinograd alternates with the direct sum; GFLOP/s count the direct
// sum's operations for both.
func BenchmarkWinograd(b *testing.B) {
	for _, s := range []ConvShape{
		{1, 128, 128, 64, 64, 3, 1, 1},
		{1, 64, 64, 256, 256, 3, 1, 1},
		{4, 64, 64, 64, 64, 3, 1, 1},
		{1, 64, 64, 64, 32, 3, 1, 1},
		{8, 12, 12, 64, 32, 3, 1, 1},
		{8, 12, 12, 64, 64, 3, 1, 1},
		{1, 16, 16, 64, 64, 3, 1, 1},
		{1, 8, 8, 64, 64, 3, 1, 1},
		{1, 32, 32, 256, 256, 3, 1, 1},
		{1, 16, 16, 256, 256, 3, 1, 1},
		{1, 64, 64, 16, 16, 3, 1, 1},
		{1, 64, 64, 32, 32, 3, 1, 1},
		{1, 64, 64, 16, 64, 3, 1, 1},
		{1, 64, 64, 64, 16, 3, 1, 1},
		{1, 64, 64, 8, 64, 3, 1, 1},
		{1, 64, 64, 48, 48, 3, 1, 1},
		{2, 12, 12, 128, 128, 3, 1, 1},
		{2, 64, 64, 64, 64, 3, 1, 1},
	} {
		for _, l := range Levels()[1:] {
			rng := rand.New(rand.NewPCG(1, 2))
			x, y, w := normal(rng, s.lenX()), normal(rng, s.lenY()), normal(rng, s.lenW())
			oh, ow := s.Out()
			flop := 2 * 9 * float64(s.Ci*s.Co) * float64(s.N*oh*ow)
			run := func(name string, plan func() func()) {
				b.Run(fmt.Sprintf("%d/%dx%d/%d-%d/%v/%s", s.N, s.H, s.W, s.Ci, s.Co, l, name), func(b *testing.B) {
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
			run("direct", func() func() {
				c := NewConvDirect(s)
				f := c.Pack(nil, w)
				return func() { c.Run(y, x, f, false) }
			})
			run("winograd", func() func() {
				c := newConv(s, newWinograd(s, false, 0), len(x), len(y))
				f := c.Pack(nil, w)
				return func() { c.Run(y, x, f, false) }
			})
			run("direct weights", func() func() {
				c := NewConvWDirect(s)
				return func() { c.Run(w, x, y) }
			})
			run("winograd weights", func() func() {
				c := newConvW(s, newWinogradW(s))
				return func() { c.Run(w, x, y) }
			})
			run("pack", func() func() {
				c := newConv(s, newWinograd(s, false, 0), len(x), len(y))
				f := c.Pack(nil, w)
				return func() { c.Pack(f, w) }
			})
			run("packT", func() func() {
				c := newConv(s, newWinograd(s, true, 0), len(y), len(x))
				f := c.Pack(nil, w)
				return func() { c.Pack(f, w) }
			})
		}
	}
}
