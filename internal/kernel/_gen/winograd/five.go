package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The transforms of F(4x4,5x5), on 8x8 tiles, at the points 0, 1, -1, 2, -2,
// 1/2, -1/2 and infinity, in this order.

// A pair is the points p and -p. Of the other pairs' squares sum and product
// are s and t; 1/d is the denominator of Lagrange's polynomial at p.
type pair struct{ p, s, t, d float64 }

var pairs = [3]pair{
	{1, 4.25, 1, -2. / 9},
	{2, 1.25, 0.25, 1. / 90},
	{0.5, 5, 4, 32. / 45},
}

var vectors = map[uint32]Mem{}

// many is a constant in every lane of a vector in memory: eight values and
// what is made of them leave few registers.
func many(x float64) Mem {
	b := math.Float32bits(float32(x))
	m, ok := vectors[b]
	if !ok {
		m = GLOBL(fmt.Sprintf("v%08x", b), RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(b))
		}
		vectors[b] = m
	}
	return m
}

// plus adds k*x to a, whose register it keeps.
func plus(a reg.VecVirtual, k float64, x reg.VecVirtual) {
	switch k {
	case 1:
		VADDPS(x, a, a)
	case -1:
		VSUBPS(x, a, a)
	default:
		VFMADD231PS(many(k), x, a)
	}
}

// sumOf is x0 + sum of k*x, in a register of its own.
func sumOf(t target, x0 reg.VecVirtual, terms ...any) reg.VecVirtual {
	v := t.vec()
	if k := terms[0].(float64); k == 1 || k == -1 {
		if k == 1 {
			VADDPS(terms[1].(reg.VecVirtual), x0, v)
		} else {
			VSUBPS(terms[1].(reg.VecVirtual), x0, v)
		}
		terms = terms[2:]
	} else {
		VMOVAPS(x0, v)
	}
	for ; len(terms) > 0; terms = terms[2:] {
		plus(v, terms[0].(float64), terms[1].(reg.VecVirtual))
	}
	return v
}

// both puts e+p*o at i and e-p*o at i+1, and spoils e.
func both(t target, e, o reg.VecVirtual, p float64, put func(i int, v reg.VecVirtual), i int) {
	put(i, sumOf(t, e, p, o))
	plus(e, -p, o)
	put(i+1, e)
}

// at8 is the place of element (i,j) of a half-transformed tile.
func (t target) at8(p reg.Register, i, j int) Mem { return Mem{Base: p, Disp: (8*i + j) * 4 * t.w} }

// an8 is the eight addresses p, p+s, ..., p+7s, where q is p+4s.
type an8 struct{ s, s3 reg.GPVirtual }

func newAn8(s reg.GPVirtual) an8 { return an8{s, times(s, 3)} }

// second is q for p.
func (x an8) second(p, q reg.Register) { LEAQ(Mem{Base: p, Index: x.s, Scale: 4}, q) }

func (x an8) at(p, q reg.Register, i int) Mem {
	m := Mem{Base: p}
	if i >= 4 {
		m.Base = q
	}
	switch i % 4 {
	case 1, 2:
		m.Index, m.Scale = x.s, uint8(i%4)
	case 3:
		m.Index, m.Scale = x.s3, 1
	}
	return m
}

// fiveInput writes the transform B'dB of 8x8 tiles.
func fiveInput(t target) {
	end := start(t, "fiveInput", "(v, x, tmp *float32, n, pixel, row, plane int)",
		"fiveInput is the transform of one 8x8 tile of n channels; v is padded to whole vectors.")
	v, x, tmp, n := arg("v"), arg("x"), arg("tmp"), arg("n")
	pixel := bytes("pixel")
	rows, planes := newAn8(bytes("row")), newAn8(bytes("plane"))
	line := func(d [8]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		for k, a := range pairs {
			e := sumOf(t, d[6], a.t, d[2], -a.s, d[4])
			o := sumOf(t, d[5], a.t, d[1], -a.s, d[3])
			both(t, e, o, a.p, put, 2*k+1)
		}
		VSUBPS(d[6], d[0], d[0])
		VSUBPS(d[2], d[4], d[4])
		plus(d[0], 5.25, d[4])
		put(0, d[0]) // d0-d6+5.25(d4-d2)
		VSUBPS(d[1], d[7], d[7])
		VSUBPS(d[5], d[3], d[3])
		plus(d[7], 5.25, d[3])
		put(7, d[7]) // d7-d1+5.25(d3-d5)
	}
	channels(t, n, func(l tail) {
		p, q := GP64(), GP64()
		MOVQ(x, p)
		for j := range 8 {
			rows.second(p, q)
			var d [8]reg.VecVirtual
			for i := range d {
				d[i] = l.load(rows.at(p, q, i))
			}
			line(d, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.at8(tmp, i, j)) })
			if j < 7 {
				ADDQ(pixel, p)
			}
		}
		MOVQ(v, p)
		for i := range 8 {
			planes.second(p, q)
			var d [8]reg.VecVirtual
			for j := range d {
				d[j] = load(t, t.at8(tmp, i, j))
			}
			line(d, func(j int, v reg.VecVirtual) { VMOVUPS(v, planes.at(p, q, j)) })
			planes.second(q, p)
		}
		ADDQ(U32(4*t.w), x)
		ADDQ(U32(4*t.w), v)
	})
	end()
}

// fiveOutput writes the output transform A'mA.
func fiveOutput(t target, acc bool) {
	name, doc := "fiveOutput", "fiveOutput is the 4x4 outputs of one tile of n channels."
	if acc {
		name, doc = "fiveOutputAdd", "fiveOutputAdd is fiveOutput added to dst."
	}
	end := start(t, name, "(dst, m, tmp *float32, n, pixel, row, plane int)", doc)
	dst, m, tmp, n := arg("dst"), arg("m"), arg("tmp"), arg("n")
	pixels, row := newAn8(bytes("pixel")), bytes("row")
	plane := bytes("plane")
	planes := newAn8(times(plane, 8))
	line := func(m [8]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		var s, d [3]reg.VecVirtual
		for k := range s {
			s[k], d[k] = add(t, m[2*k+1], m[2*k+2]), m[2*k+1]
			VSUBPS(m[2*k+2], d[k], d[k])
		}
		for k := range s {
			plus(m[0], 1, s[k])
		}
		put(0, m[0])
		plus(m[7], 1, d[0])
		plus(m[7], 8, d[1])
		plus(m[7], 1./8, d[2])
		put(3, m[7])
		plus(d[0], 2, d[1])
		plus(d[0], 1./2, d[2])
		put(1, d[0])
		plus(s[0], 4, s[1])
		plus(s[0], 1./4, s[2])
		put(2, s[0])
	}
	channels(t, n, func(l tail) {
		p, q := GP64(), GP64()
		MOVQ(m, p)
		for j := range 8 {
			planes.second(p, q)
			var d [8]reg.VecVirtual
			for i := range d {
				d[i] = load(t, planes.at(p, q, i))
			}
			line(d, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.at8(tmp, i, j)) })
			if j < 7 {
				ADDQ(plane, p)
			}
		}
		MOVQ(dst, p)
		for i := range 4 {
			var d [8]reg.VecVirtual
			for j := range d {
				d[j] = load(t, t.at8(tmp, i, j))
			}
			pixels.second(p, q)
			for j := range 4 { // the next tile's
				PREFETCHT0(pixels.at(q, q, j))
			}
			line(d, func(j int, v reg.VecVirtual) {
				to := pixels.at(p, p, j)
				if acc {
					VADDPS(l.load(to), v, v)
				}
				l.store(v, to)
			})
			if i < 3 {
				ADDQ(row, p)
			}
		}
		ADDQ(U32(4*t.w), dst)
		ADDQ(U32(4*t.w), m)
	})
	end()
}

// fiveFilter writes the filter transform GgG'.
func fiveFilter(t target) {
	end := start(t, "fiveFilter", "(u, w, tmp *float32, n, tap, plane int)",
		"fiveFilter is the transform of the 5x5 filters of n channels; u is padded to whole vectors.")
	u, w, tmp, n := arg("u"), arg("w"), arg("tmp"), arg("n")
	tap := bytes("tap")
	taps5 := times(tap, 5)
	planes := newAn8(bytes("plane"))
	line := func(g [5]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		put(0, g[0])
		put(7, g[4])
		for k, a := range pairs {
			// (g0 + p^2 g2 + p^4 g4)/d and (g1 + p^2 g3)p/d
			e := sumOf(t, g[0], a.p*a.p, g[2], a.p*a.p*a.p*a.p, g[4])
			VMULPS(many(a.d), e, e)
			o := sumOf(t, g[1], a.p*a.p, g[3])
			both(t, e, o, a.p*a.d, put, 2*k+1)
		}
	}
	channels(t, n, func(l tail) {
		at := GP64()
		MOVQ(w, at)
		for j := range 5 {
			var g [5]reg.VecVirtual
			walk(at, taps5, 5, func(i int, m Mem) { g[i] = l.load(m) })
			line(g, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.at8(tmp, i, j)) })
			ADDQ(tap, at)
		}
		p, q := GP64(), GP64()
		MOVQ(u, p)
		for i := range 8 {
			planes.second(p, q)
			var g [5]reg.VecVirtual
			for j := range g {
				g[j] = load(t, t.at8(tmp, i, j))
			}
			line(g, func(j int, v reg.VecVirtual) { t.storeAhead(v, planes.at(p, q, j)) })
			planes.second(q, p)
		}
		ADDQ(U32(4*t.w), w)
		ADDQ(U32(4*t.w), u)
	})
	end()
}

// fiveGradient writes the transform AgA' of tiles of the output's gradient.
func fiveGradient(t target) {
	end := start(t, "fiveGradient", "(v, y, tmp *float32, n, pixel, row, plane int)",
		"fiveGradient is the transform of one 4x4 tile of n channels; v is padded to whole vectors.")
	v, g, tmp, n := arg("v"), arg("y"), arg("tmp"), arg("n")
	pixel := bytes("pixel")
	rows, planes := newAn8(bytes("row")), newAn8(bytes("plane"))
	line := func(y [4]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		put(0, y[0])
		put(7, y[3])
		for k, a := range pairs {
			e := sumOf(t, y[0], a.p*a.p, y[2])
			o := sumOf(t, y[1], a.p*a.p, y[3])
			both(t, e, o, a.p, put, 2*k+1)
		}
	}
	channels(t, n, func(l tail) {
		p, q := GP64(), GP64()
		MOVQ(g, p)
		for j := range 4 {
			var y [4]reg.VecVirtual
			for i := range y {
				y[i] = l.load(rows.at(p, p, i))
			}
			line(y, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.at8(tmp, i, j)) })
			if j < 3 {
				ADDQ(pixel, p)
			}
		}
		MOVQ(v, p)
		for i := range 8 {
			planes.second(p, q)
			var y [4]reg.VecVirtual
			for j := range y {
				y[j] = load(t, t.at8(tmp, i, j))
			}
			line(y, func(j int, v reg.VecVirtual) { VMOVUPS(v, planes.at(p, q, j)) })
			planes.second(q, p)
		}
		ADDQ(U32(4*t.w), g)
		ADDQ(U32(4*t.w), v)
	})
	end()
}

// fiveWeights writes the transform G'mG of the sums to the 5x5 filters.
func fiveWeights(t target) {
	end := start(t, "fiveWeights", "(w, m, tmp *float32, n, tap, plane int)",
		"fiveWeights is the 5x5 filters of n channels.")
	w, m, tmp, n := arg("w"), arg("m"), arg("tmp"), arg("n")
	tap, plane := bytes("tap"), bytes("plane")
	planes := newAn8(times(plane, 8))
	line := func(m [8]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		var s, d [3]reg.VecVirtual
		for k, a := range pairs {
			s[k], d[k] = add(t, m[2*k+1], m[2*k+2]), m[2*k+1]
			VSUBPS(m[2*k+2], d[k], d[k])
			VMULPS(many(a.d), s[k], s[k])
			VMULPS(many(a.d), d[k], d[k])
			plus(m[0], 1, s[k])
		}
		put(0, m[0])
		put(1, sumOf(t, d[0], 2., d[1], 1./2, d[2]))
		plus(d[0], 8, d[1])
		plus(d[0], 1./8, d[2])
		put(3, d[0])
		plus(m[7], 1, s[0])
		plus(m[7], 16, s[1])
		plus(m[7], 1./16, s[2])
		put(4, m[7])
		plus(s[0], 4, s[1])
		plus(s[0], 1./4, s[2])
		put(2, s[0])
	}
	channels(t, n, func(l tail) {
		p, q := GP64(), GP64()
		MOVQ(m, p)
		for j := range 8 {
			planes.second(p, q)
			var d [8]reg.VecVirtual
			for i := range d {
				d[i] = load(t, planes.at(p, q, i))
			}
			line(d, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.at8(tmp, i, j)) })
			if j < 7 {
				ADDQ(plane, p)
			}
		}
		at := GP64()
		MOVQ(w, at)
		for i := range 5 {
			var d, o [8]reg.VecVirtual
			for j := range d {
				d[j] = load(t, t.at8(tmp, i, j))
			}
			line(d, func(j int, v reg.VecVirtual) { o[j] = v })
			for j := range 5 {
				l.store(o[j], Mem{Base: at})
				ADDQ(tap, at)
			}
		}
		ADDQ(U32(4*t.w), w)
		ADDQ(U32(4*t.w), m)
	})
	end()
}
