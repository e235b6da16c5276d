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
			if j >= 4 { // what the next tile has more
				u := GP64()
				LEAQ(Mem{Base: p, Index: pixel, Scale: 4}, u)
				w := GP64()
				rows.second(u, w)
				for i := range 8 {
					PREFETCHT0(rows.at(u, w, i))
				}
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

// collect puts the n sums over the points p of x[p]*p^k, and if lagrange of
// x[p]*p^k/d, of which infinity has the last alone. It spoils x.
func collect(t target, x [8]reg.VecVirtual, n int, lagrange bool, put func(k int, v reg.VecVirtual)) {
	// Of a pair, even powers take the sum and odd ones the difference.
	var parity [2][3]reg.VecVirtual
	for i, a := range pairs {
		s, d := add(t, x[2*i+1], x[2*i+2]), x[2*i+1]
		VSUBPS(x[2*i+2], d, d)
		if lagrange {
			VMULPS(many(a.d), s, s)
			VMULPS(many(a.d), d, d)
		}
		parity[0][i], parity[1][i] = s, d
	}
	for _, k := range []int{0, n - 1} {
		v := x[0]
		if k > 0 {
			v = x[7]
		}
		for i, a := range pairs {
			plus(v, math.Pow(a.p, float64(k)), parity[k%2][i])
		}
		put(k, v)
	}
	for k := 1; k < n-1; k++ {
		of := parity[k%2]
		v := of[0] // its last use
		if k+2 < n-1 {
			v = t.vec()
			VMOVAPS(of[0], v)
		}
		for i, a := range pairs[1:] {
			plus(v, math.Pow(a.p, float64(k)), of[i+1])
		}
		put(k, v)
	}
}

// spread puts at each point p the sum of y[k]*p^k, and if lagrange that over d.
func spread(t target, y []reg.VecVirtual, lagrange bool, put func(i int, v reg.VecVirtual)) {
	put(0, y[0])
	put(7, y[len(y)-1])
	for i, a := range pairs {
		// powers is the sum of y[k]*p^(k-first) for every other k.
		powers := func(first int) reg.VecVirtual {
			v := t.vec()
			VMOVAPS(y[first], v)
			for k := first + 2; k < len(y); k += 2 {
				plus(v, math.Pow(a.p, float64(k-first)), y[k])
			}
			return v
		}
		e, o, p := powers(0), powers(1), a.p
		if lagrange {
			VMULPS(many(a.d), e, e)
			p *= a.d
		}
		both(t, e, o, p, put, 2*i+1)
	}
}

// fromTile writes the transform of 8x8 places of m, plane apart, to size x size
// values at dst, column and row apart.
func fromTile(t target, size int, lagrange bool, into into, dst, m, tmp, n, plane, column, row reg.GPVirtual) {
	planes, columns := newAn8(times(plane, 8)), newAn8(column)
	channels(t, n, func(l tail) {
		p, q := GP64(), GP64()
		MOVQ(m, p)
		for j := range 8 {
			planes.second(p, q)
			var d [8]reg.VecVirtual
			for i := range d {
				d[i] = load(t, planes.at(p, q, i))
			}
			collect(t, d, size, lagrange, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.at8(tmp, i, j)) })
			if j < 7 {
				ADDQ(plane, p)
			}
		}
		MOVQ(dst, p)
		for i := range size {
			var d [8]reg.VecVirtual
			for j := range d {
				d[j] = load(t, t.at8(tmp, i, j))
			}
			columns.second(p, q)
			if !lagrange {
				u := GP64()
				LEAQ(Mem{Base: q, Index: column, Scale: 4}, u)
				for j := range 4 { // of the tile after the next
					PREFETCHT0(columns.at(u, u, j))
				}
			}
			collect(t, d, size, lagrange, func(j int, v reg.VecVirtual) {
				to := columns.at(p, q, j)
				into.with(l, to, v)
				l.store(v, to)
			})
			if i < size-1 {
				ADDQ(row, p)
			}
		}
		ADDQ(U32(4*t.w), dst)
		ADDQ(U32(4*t.w), m)
	})
}

// toTile writes the transform of size x size values at x, column and row apart,
// to 8x8 places of v, plane apart.
func toTile(t target, size int, lagrange bool, v, x, tmp, n, plane, column, row reg.GPVirtual) {
	planes := newAn8(plane)
	channels(t, n, func(l tail) {
		p, q := GP64(), GP64()
		MOVQ(x, p)
		for j := range size {
			y := make([]reg.VecVirtual, size)
			walk(p, row, size, func(i int, m Mem) { y[i] = l.load(m) })
			spread(t, y, lagrange, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.at8(tmp, i, j)) })
			if j < size-1 {
				ADDQ(column, p)
			}
		}
		MOVQ(v, p)
		for i := range 8 {
			planes.second(p, q)
			y := make([]reg.VecVirtual, size)
			for j := range y {
				y[j] = load(t, t.at8(tmp, i, j))
			}
			spread(t, y, lagrange, func(j int, v reg.VecVirtual) { VMOVUPS(v, planes.at(p, q, j)) })
			planes.second(q, p)
		}
		ADDQ(U32(4*t.w), x)
		ADDQ(U32(4*t.w), v)
	})
}

// five writes the transforms of F(4x4,5x5).
func five(t target) {
	fiveInput(t)
	for _, into := range intos {
		name := "fiveOutput" + into.name
		doc := name + " is the 4x4 outputs A'mA of one tile of n channels" + into.doc + "."
		end := start(t, name, "(dst, m, tmp *float32, n, pixel, row, plane int)", doc)
		fromTile(t, 4, false, into, arg("dst"), arg("m"), arg("tmp"), arg("n"), bytes("plane"), bytes("pixel"), bytes("row"))
		end()
	}
	end := start(t, "fiveWeights", "(w, m, tmp *float32, n, tap, plane int)", "fiveWeights is the 5x5 filters G'mG of n channels.")
	tap := bytes("tap")
	fromTile(t, 5, true, intos[0], arg("w"), arg("m"), arg("tmp"), arg("n"), bytes("plane"), tap, times(tap, 5))
	end()
	end = start(t, "fiveFilter", "(u, w, tmp *float32, n, tap, plane int)",
		"fiveFilter is the transform GgG' of the 5x5 filters of n channels; u is padded to whole vectors.")
	tap = bytes("tap")
	toTile(t, 5, true, arg("u"), arg("w"), arg("tmp"), arg("n"), bytes("plane"), tap, times(tap, 5))
	end()
	end = start(t, "fiveGradient", "(v, y, tmp *float32, n, pixel, row, plane int)",
		"fiveGradient is the transform AyA' of one 4x4 tile of n channels; v is padded to whole vectors.")
	toTile(t, 4, false, arg("v"), arg("y"), arg("tmp"), arg("n"), bytes("plane"), bytes("pixel"), bytes("row"))
	end()
}
