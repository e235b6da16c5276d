package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The routines of strided convolutions. Along an axis of nine places the first
// five are F(4,2), at the points +-sqrt(1/2), +-sqrt(2) and infinity, and the
// last four direct.

// walk is the addresses p, p+s, p+2s, ..., visited in order.
func walk(p, s reg.Register, n int, visit func(i int, m Mem)) {
	at := GP64()
	MOVQ(p, at)
	for i := range n {
		visit(i, Mem{Base: at})
		if i < n-1 {
			ADDQ(s, at)
		}
	}
}

// nine is the place of element (i,j) of a half-transformed tile.
func (t target) nine(p reg.Register, i, j int) Mem { return Mem{Base: p, Disp: (9*i + j) * 4 * t.w} }

// strideInput writes the transforms of 9x9 inputs, or of the adjoint's 5x5.
func strideInput(t target, adj bool) {
	name, size := "strideInput", 9
	if adj {
		name, size = "strideInputT", 5
	}
	end := start(t, name, "(v, x, tmp *float32, n, pixel, row, plane int)",
		fmt.Sprintf("%s is the transform of one %dx%d tile of n channels; v is padded to whole vectors.", name, size, size))
	v, x, tmp, n := arg("v"), arg("x"), arg("tmp"), arg("n")
	pixel, row, plane := bytes("pixel"), bytes("row"), bytes("plane")
	half, r := t.konst(0.5), t.konst(2.5)
	p, q := t.konst(math.Sqrt2/2), t.konst(math.Sqrt2)
	// winograd transforms d; put takes the results.
	winograd := func(d [5]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		pair := func(i int, d0, d1, d2, d3, w reg.VecVirtual) {
			a, e, o := t.vec(), t.vec(), t.vec()
			VMOVAPS(d0, a)
			VFNMADD231PS(half, d2, a)
			VMOVAPS(d1, e)
			VFNMADD231PS(half, d3, e)
			VMOVAPS(a, o)
			VFMADD231PS(w, e, o)
			put(i, o)
			VFNMADD231PS(w, e, a)
			put(i+1, a)
		}
		pair(0, d[0], d[1], d[2], d[3], q)
		pair(2, d[2], d[3], d[0], d[1], p)
		VFNMADD231PS(r, d[2], d[4])
		VADDPS(d[0], d[4], d[4])
		put(4, d[4])
	}
	outer := func(i int) (k int, ok bool) { // which of the five inputs i is
		if adj {
			return i, true
		}
		return i / 2, i%2 == 0
	}
	middle := func(i int) (k int, ok bool) { // which of the four
		if adj {
			return i, i < 4
		}
		return i / 2, i%2 == 1
	}
	channels(t, n, func(l tail) {
		column := GP64()
		MOVQ(x, column)
		for j := range size {
			var d [5]reg.VecVirtual
			walk(column, row, size, func(i int, m Mem) {
				v := l.load(m)
				if k, ok := middle(i); ok {
					VMOVUPS(v, t.nine(tmp, 5+k, j))
				}
				if k, ok := outer(i); ok {
					d[k] = v
				}
			})
			winograd(d, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.nine(tmp, i, j)) })
			if j < size-1 {
				ADDQ(pixel, column)
			}
		}
		to := GP64()
		MOVQ(v, to)
		for i := range 9 {
			var d [5]reg.VecVirtual
			var mid [4]reg.VecVirtual
			for j := range size {
				if k, ok := outer(j); ok {
					d[k] = load(t, t.nine(tmp, i, j))
				}
			}
			winograd(d, func(_ int, v reg.VecVirtual) {
				VMOVUPS(v, Mem{Base: to})
				ADDQ(plane, to)
			})
			for j := range size {
				if k, ok := middle(j); ok {
					mid[k] = load(t, t.nine(tmp, i, j))
					VMOVUPS(mid[k], Mem{Base: to})
					if i < 8 || k < 3 {
						ADDQ(plane, to)
					}
				}
			}
		}
		ADDQ(U32(4*t.w), x)
		ADDQ(U32(4*t.w), v)
	})
	end()
}

// strideOutput writes the transforms to 4x4 outputs, or to the adjoint's 8x8.
func strideOutput(t target, adj, acc bool) {
	name, size := "strideOutput", 4
	if adj {
		name, size = "strideOutputT", 8
	}
	doc := fmt.Sprintf("%s is the %dx%d outputs of one tile of n channels.", name, size, size)
	if acc {
		doc = name + "Add is " + name + " added to dst."
		name += "Add"
	}
	end := start(t, name, "(dst, m, tmp *float32, n, pixel, row, plane int)", doc)
	dst, m, tmp, n := arg("dst"), arg("m"), arg("tmp"), arg("n")
	pixel, row, plane := bytes("pixel"), bytes("row"), bytes("plane")
	plane9 := times(plane, 9)
	half, two := t.konst(0.5), t.konst(2)
	p1, q1, p3, q3 := t.konst(math.Sqrt2/2), t.konst(math.Sqrt2), t.konst(math.Sqrt2/4), t.konst(2*math.Sqrt2)
	winograd := func(m [5]reg.VecVirtual) [4]reg.VecVirtual {
		s1, d1 := add(t, m[0], m[1]), sub(t, m[0], m[1])
		s2, d2 := add(t, m[2], m[3]), sub(t, m[2], m[3])
		VADDPS(s1, s2, m[0])
		VFMADD231PS(p3, d1, m[4])
		VFMADD231PS(q3, d2, m[4])
		VMULPS(p1, d1, d1)
		VFMADD231PS(q1, d2, d1)
		VMULPS(half, s1, s1)
		VFMADD231PS(two, s2, s1)
		return [4]reg.VecVirtual{m[0], d1, s1, m[4]}
	}
	channels(t, n, func(l tail) {
		column := GP64()
		MOVQ(m, column)
		for j := range 9 {
			var d [5]reg.VecVirtual
			var o [4]reg.VecVirtual
			last := 9
			if adj {
				last = 5 // the others are read below
			}
			walk(column, plane9, last, func(i int, m Mem) {
				if i < 5 {
					d[i] = load(t, m)
				}
				if i == 4 {
					o = winograd(d)
				}
				if i > 4 {
					VADDPS(m, o[i-5], o[i-5])
				}
			})
			for i, v := range o {
				VMOVUPS(v, t.nine(tmp, i, j))
			}
			if j < 8 {
				ADDQ(plane, column)
			}
		}
		put := func(v reg.VecVirtual, to Mem) {
			if acc {
				VADDPS(l.load(to), v, v)
			}
			l.store(v, to)
		}
		to := GP64()
		MOVQ(dst, to)
		if !adj {
			for i := range 4 {
				var d [5]reg.VecVirtual
				for j := range d {
					d[j] = load(t, t.nine(tmp, i, j))
				}
				o := winograd(d)
				walk(to, pixel, 4, func(j int, m Mem) {
					VADDPS(t.nine(tmp, i, 5+j), o[j], o[j])
					put(o[j], m)
				})
				if i < 3 {
					ADDQ(row, to)
				}
			}
		} else {
			from := GP64() // row 5 of the places, and on
			MOVQ(times(plane, 45), from)
			ADDQ(m, from)
			for i := range 8 {
				var d [5]reg.VecVirtual
				var mid [4]reg.VecVirtual
				if i%2 == 1 {
					for j := range d {
						d[j] = load(t, t.nine(tmp, i/2, j))
					}
				} else {
					for j := range d {
						d[j] = load(t, Mem{Base: from})
						ADDQ(plane, from)
					}
				}
				o := winograd(d)
				walk(to, pixel, 8, func(j int, m Mem) {
					switch {
					case j%2 == 1:
						put(o[j/2], m)
					case i%2 == 1:
						mid[j/2] = load(t, t.nine(tmp, i/2, 5+j/2))
						put(mid[j/2], m)
					default:
						mid[j/2] = load(t, Mem{Base: from})
						ADDQ(plane, from)
						put(mid[j/2], m)
					}
				})
				if i < 7 {
					ADDQ(row, to)
				}
			}
		}
		ADDQ(U32(4*t.w), dst)
		ADDQ(U32(4*t.w), m)
	})
	end()
}

// strideFilter writes the transform of the weights.
func strideFilter(t target) {
	end := start(t, "strideFilter", "(u, w, tmp *float32, n, tap, plane int)",
		"strideFilter is the transform of the 3x3 filters of n channels; u is padded to whole vectors.")
	u, w, tmp, n := arg("u"), arg("w"), arg("tmp"), arg("n")
	tap, plane := bytes("tap"), bytes("plane")
	taps3 := times(tap, 3)
	third, m23, p := t.konst(1./3), t.konst(2./3), t.konst(math.Sqrt2/3)
	line := func(g [3]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		a, b, e := t.vec(), t.vec(), t.vec()
		VMULPS(p, g[2], e)
		VMULPS(m23, g[0], a)
		put(0, add(t, a, e))
		put(1, sub(t, a, e))
		VMULPS(third, g[0], b)
		put(2, add(t, b, e))
		put(3, sub(t, b, e))
		put(4, g[2])
		put(5, g[1])
	}
	channels(t, n, func(l tail) {
		column := GP64()
		MOVQ(w, column)
		for j := range 3 {
			var g [3]reg.VecVirtual
			walk(column, taps3, 3, func(i int, m Mem) { g[i] = l.load(m) })
			line(g, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.nine(tmp, i, j)) })
			ADDQ(tap, column)
		}
		to := GP64()
		MOVQ(u, to)
		for i := range 6 {
			var g [3]reg.VecVirtual
			for j := range g {
				g[j] = load(t, t.nine(tmp, i, j))
			}
			line(g, func(_ int, v reg.VecVirtual) {
				VMOVUPS(v, Mem{Base: to})
				ADDQ(plane, to)
			})
		}
		ADDQ(U32(4*t.w), w)
		ADDQ(U32(4*t.w), u)
	})
	end()
}
