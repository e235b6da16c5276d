// Command winograd writes winograd_amd64.s and its Go declarations: the
// transforms and the matrix products of Winograd's F(4x4,3x3) and F(4x4,5x5), of
// their weight gradients, and of strided convolutions, for AVX2 with FMA3 and
// for AVX-512.
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A target is one of the two instruction sets.
type target struct {
	name string
	w    int // float32 in a vector
}

func (t target) vec() reg.VecVirtual {
	if t.w == 16 {
		return ZMM()
	}
	return YMM()
}

var labels int

func label(s string) string {
	labels++
	return fmt.Sprintf("%s%d", s, labels)
}

// start opens a routine in which denormal numbers count as zero; end closes
// it.
func start(t target, name, sig, doc string) (end func()) {
	TEXT(name+t.name, NOSPLIT, "func"+sig)
	Doc(doc)
	Pragma("noescape")
	m := AllocLocal(8)
	r := GP32()
	STMXCSR(m)
	MOVL(m, r)
	ORL(U32(0x8040), r)
	MOVL(r, m.Offset(4))
	LDMXCSR(m.Offset(4))
	return func() {
		LDMXCSR(m)
		VZEROUPPER()
		RET()
	}
}

func arg(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

// bytes is an argument that counts floats, in bytes.
func bytes(name string) reg.GPVirtual {
	r := arg(name)
	SHLQ(U8(2), r)
	return r
}

func times(r reg.GPVirtual, k int) reg.GPVirtual {
	p := GP64()
	IMUL3Q(U32(uint32(k)), r, p)
	return p
}

var tables = map[uint32]Mem{}

func (t target) konst(x float64) reg.VecVirtual {
	b := math.Float32bits(float32(x))
	m, ok := tables[b]
	if !ok {
		m = GLOBL(fmt.Sprintf("w%08x", b), RODATA|NOPTR)
		DATA(0, U32(b))
		tables[b] = m
	}
	v := t.vec()
	VBROADCASTSS(m, v)
	return v
}

// six is the addresses p, p+s, ..., p+5s.
type six struct{ s, s3, s5 reg.GPVirtual }

func newSix(s reg.GPVirtual) six { return six{s, times(s, 3), times(s, 5)} }

func (x six) at(p reg.Register, i int) Mem {
	switch i {
	case 0:
		return Mem{Base: p}
	case 1, 2, 4:
		return Mem{Base: p, Index: x.s, Scale: uint8(i)}
	case 3:
		return Mem{Base: p, Index: x.s3, Scale: 1}
	}
	return Mem{Base: p, Index: x.s5, Scale: 1}
}

// A tail reads and writes vectors of which the last may be partly in use.
type tail struct {
	t    target
	mask Op // nil if all lanes are
}

// channels writes the loop over n channels, a vector at a time; body moves the
// pointers on. Masks are cheap with AVX-512. With AVX2 only what is left in the
// end has one, as some AMD processors are slow at them.
func channels(t target, n reg.GPVirtual, body func(l tail)) {
	top, rest, done := label("channels"), label("rest"), label("done")
	Label(top)
	if t.w == 16 {
		m, full, k := GP32(), GP32(), K()
		MOVL(I32(-1), full)
		MOVL(I32(-1), m)
		BZHIL(n.As32(), m, m) // n modulo 256: n is at most 16 when it matters
		CMPQ(n, U32(16))
		CMOVLGE(full, m)
		KMOVW(m, k)
		body(tail{t, k})
		SUBQ(U32(t.w), n)
		JG(LabelRef(top))
		return
	}
	if maskTable == nil {
		g := GLOBL("lanemask", RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(uint32(int32(i-8)>>31)))
		}
		maskTable = &g
	}
	CMPQ(n, U32(8))
	JLT(LabelRef(rest))
	body(tail{t, nil})
	SUBQ(U32(8), n)
	JG(LabelRef(top))
	JMP(LabelRef(done))
	Label(rest)
	p, mask := GP64(), YMM()
	LEAQ(maskTable.Offset(32), p)
	NEGQ(n)
	VMOVDQU(Mem{Base: p, Index: n, Scale: 4}, mask)
	body(tail{t, mask})
	Label(done)
}

var maskTable *Mem

func (l tail) load(m Mem) reg.VecVirtual {
	v := l.t.vec()
	switch {
	case l.mask == nil:
		VMOVUPS(m, v)
	case l.t.w == 16:
		VMOVUPS_Z(m, l.mask, v)
	default:
		VMASKMOVPS(m, l.mask, v)
	}
	return v
}

func (l tail) store(v reg.VecVirtual, m Mem) {
	switch {
	case l.mask == nil:
		VMOVUPS(v, m)
	case l.t.w == 16:
		VMOVUPS(v, l.mask, m)
	default:
		VMASKMOVPS(v, l.mask, m)
	}
}

func load(t target, m Mem) reg.VecVirtual {
	v := t.vec()
	VMOVUPS(m, v)
	return v
}

func sub(t target, a, b reg.VecVirtual) reg.VecVirtual { // a-b
	v := t.vec()
	VSUBPS(b, a, v)
	return v
}

func add(t target, a, b reg.VecVirtual) reg.VecVirtual {
	v := t.vec()
	VADDPS(b, a, v)
	return v
}

// tmp is the place of element (i,j) of the half-transformed tile.
func (t target) tmp(p reg.Register, i, j int) Mem { return Mem{Base: p, Disp: (6*i + j) * 4 * t.w} }

// A line is the transform of six values; put takes the results.
type line = func(d [6]reg.VecVirtual, put func(i int, v reg.VecVirtual))

func inputLine(t target) line {
	half, two, r := t.konst(0.5), t.konst(2), t.konst(2.5)
	p, q := t.konst(math.Sqrt2/2), t.konst(math.Sqrt2)
	return func(d [6]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		// pair is d4-k*d2 +- w*(d3-k*d1).
		pair := func(i int, k, w reg.VecVirtual) {
			a, b, o := t.vec(), t.vec(), t.vec()
			VMOVAPS(d[4], a)
			VFNMADD231PS(k, d[2], a)
			VMOVAPS(d[3], b)
			VFNMADD231PS(k, d[1], b)
			VMOVAPS(a, o)
			VFMADD231PS(w, b, o)
			put(i, o)
			VFNMADD231PS(w, b, a)
			put(i+1, a)
		}
		pair(1, two, p)
		pair(3, half, q)
		VFNMADD231PS(r, d[2], d[4])
		VADDPS(d[0], d[4], d[4]) // d0-2.5d2+d4
		put(0, d[4])
		VFNMADD231PS(r, d[3], d[5])
		VADDPS(d[1], d[5], d[5]) // d1-2.5d3+d5
		put(5, d[5])
	}
}

// input writes the transform B'dB of 6x6 tiles.
func input(t target) {
	end := start(t, "winoInput", "(v, x, tmp *float32, n, pixel, row, plane int)",
		"winoInput is the transform of one 6x6 tile of n channels; v is padded to whole vectors.")
	v, x, tmp, n := arg("v"), arg("x"), arg("tmp"), arg("n")
	pixels, row := newSix(bytes("pixel")), bytes("row")
	plane := bytes("plane")
	planes := newSix(times(plane, 6))
	line := inputLine(t)
	channels(t, n, func(l tail) {
		p := GP64()
		MOVQ(x, p)
		// Rows first: the pixels of a column are often a multiple of 4096 bytes
		// apart, which is slow to read on some AMD processors.
		for i := range 6 {
			var d [6]reg.VecVirtual
			for j := range d {
				d[j] = l.load(pixels.at(p, j))
			}
			q := GP64()
			LEAQ(Mem{Base: p, Index: pixels.s, Scale: 4}, q)
			for j := 2; j < 6; j++ { // what the next tile has more
				PREFETCHT0(pixels.at(q, j))
			}
			line(d, func(j int, v reg.VecVirtual) { VMOVUPS(v, t.tmp(tmp, j, i)) })
			if i < 5 {
				ADDQ(row, p)
			}
		}
		MOVQ(v, p)
		for j := range 6 {
			var d [6]reg.VecVirtual
			for i := range d {
				d[i] = load(t, t.tmp(tmp, j, i))
			}
			line(d, func(i int, v reg.VecVirtual) { VMOVUPS(v, planes.at(p, i)) })
			if j < 5 {
				ADDQ(plane, p)
			}
		}
		ADDQ(U32(4*t.w), x)
		ADDQ(U32(4*t.w), v)
	})
	end()
}

// An into is how a result v is combined with what is at to.
type into struct {
	name, doc string
	with      func(l tail, to Mem, v reg.VecVirtual)
}

var intos = []into{
	{"", "", func(l tail, to Mem, v reg.VecVirtual) {}},
	{"Add", ", added to dst", func(l tail, to Mem, v reg.VecVirtual) { VADDPS(l.load(to), v, v) }},
	{"Mul", ", multiplied with dst", func(l tail, to Mem, v reg.VecVirtual) { VMULPS(l.load(to), v, v) }},
}

// output writes the output transform A'mA.
func output(t target) {
	for _, into := range intos {
		name := "winoOutput" + into.name
		doc := name + " is the 4x4 outputs of one tile of n channels" + into.doc + "."
		end := start(t, name, "(dst, m, tmp *float32, n, pixel, row, plane int)", doc)
		dst, m, tmp, n := arg("dst"), arg("m"), arg("tmp"), arg("n")
		pixels, row := newSix(bytes("pixel")), bytes("row")
		plane := bytes("plane")
		planes := newSix(times(plane, 6))
		half, two := t.konst(0.5), t.konst(2)
		p1, q1, p3, q3 := t.konst(math.Sqrt2/2), t.konst(math.Sqrt2), t.konst(math.Sqrt2/4), t.konst(2*math.Sqrt2)
		line := func(m [6]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
			s1, d1 := add(t, m[1], m[2]), sub(t, m[1], m[2])
			s2, d2 := add(t, m[3], m[4]), sub(t, m[3], m[4])
			VADDPS(s1, m[0], m[0])
			VADDPS(s2, m[0], m[0])
			put(0, m[0])
			VFMADD231PS(p3, d1, m[5])
			VFMADD231PS(q3, d2, m[5])
			VMULPS(p1, d1, d1)
			VFMADD231PS(q1, d2, d1)
			put(1, d1)
			VMULPS(half, s1, s1)
			VFMADD231PS(two, s2, s1)
			put(2, s1)
			put(3, m[5])
		}
		ahead := times(pixels.s, 8)
		channels(t, n, func(l tail) {
			p := GP64()
			MOVQ(m, p)
			for j := range 6 {
				var d [6]reg.VecVirtual
				for i := range d {
					d[i] = load(t, planes.at(p, i))
				}
				line(d, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.tmp(tmp, i, j)) })
				if j < 5 {
					ADDQ(plane, p)
				}
			}
			MOVQ(dst, p)
			for i := range 4 {
				var d [6]reg.VecVirtual
				for j := range d {
					d[j] = load(t, t.tmp(tmp, i, j))
				}
				q := GP64()
				MOVQ(ahead, q)
				ADDQ(p, q)
				for j := range 4 { // of the tile after the next
					PREFETCHT0(pixels.at(q, j))
				}
				line(d, func(j int, v reg.VecVirtual) {
					to := pixels.at(p, j)
					into.with(l, to, v)
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
}

// filter writes the filter transform GgG'.
func filter(t target) {
	end := start(t, "winoFilter", "(u, w, tmp *float32, n, tap, plane int)",
		"winoFilter is the transform of the 3x3 filters of n channels; u is padded to whole vectors.")
	u, w, tmp, n := arg("u"), arg("w"), arg("tmp"), arg("n")
	tap := bytes("tap")
	taps3 := times(tap, 3)
	planes := newSix(bytes("plane"))
	planes6 := times(planes.s, 6)
	half, third, sixth, m23 := t.konst(0.5), t.konst(1./3), t.konst(1./6), t.konst(-2./3)
	p, q := t.konst(math.Sqrt2/3), t.konst(math.Sqrt2/6)
	line := func(g [3]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		put(0, g[0])
		s, a, b, e := t.vec(), t.vec(), t.vec(), t.vec()
		VMOVAPS(g[0], s)
		VFMADD231PS(half, g[2], s)
		VMULPS(m23, s, s)
		VMULPS(p, g[1], a)
		put(1, sub(t, s, a))
		put(2, add(t, s, a))
		VMULPS(sixth, g[0], b)
		VFMADD231PS(third, g[2], b)
		VMULPS(q, g[1], e)
		put(3, add(t, b, e))
		put(4, sub(t, b, e))
		put(5, g[2])
	}
	channels(t, n, func(l tail) {
		at := GP64()
		MOVQ(w, at)
		for j := range 3 {
			row := GP64()
			MOVQ(at, row)
			var g [3]reg.VecVirtual
			for i := range g {
				g[i] = l.load(Mem{Base: row})
				if i < 2 {
					ADDQ(taps3, row)
				}
			}
			line(g, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.tmp(tmp, i, j)) })
			ADDQ(tap, at)
		}
		MOVQ(u, at)
		for i := range 6 {
			var g [3]reg.VecVirtual
			for j := range g {
				g[j] = load(t, t.tmp(tmp, i, j))
			}
			line(g, func(j int, v reg.VecVirtual) {
				VMOVUPS(v, planes.at(at, j))
				PREFETCHT0(planes.at(at, j).Offset(128)) // where later filters go
			})
			if i < 5 {
				ADDQ(planes6, at)
			}
		}
		ADDQ(U32(4*t.w), w)
		ADDQ(U32(4*t.w), u)
	})
	end()
}

// A loop is over matrices at m, a and b, in the routine's frame.
type loop struct{ m, a, b, left Mem }

// loopOver opens a loop over as many as the argument n says.
func loopOver(n string) *loop {
	mem := AllocLocal(32)
	l := &loop{mem, mem.Offset(8), mem.Offset(16), mem.Offset(24)}
	MOVQ(arg("m"), l.m)
	MOVQ(arg("a"), l.a)
	MOVQ(arg("b"), l.b)
	MOVQ(arg(n), l.left)
	return l
}

// end goes back to top with m, a and b moved on by the arguments.
func (l *loop) end(top, m, a, b string) {
	ADDQ(bytes(m), l.m)
	ADDQ(bytes(a), l.a)
	ADDQ(bytes(b), l.b)
	DECQ(l.left)
	JNZ(LabelRef(top))
}

// at is a pointer from the routine's frame.
func at(m Mem) reg.GPVirtual {
	r := GP64()
	MOVQ(m, r)
	return r
}

// accumulators is r x v registers. Avo takes those that are zeroed to be in use
// before, so that all blocks of rows must have the same.
func accumulators(t target, r, v int) [][]reg.VecVirtual {
	acc := make([][]reg.VecVirtual, r)
	for i := range acc {
		acc[i] = make([]reg.VecVirtual, v)
		for j := range acc[i] {
			acc[i][j] = t.vec()
		}
	}
	return acc
}

// begin sets the accumulators to zero, or to what lies at m if the argument acc is
// not zero.
func begin(t target, acc [][]reg.VecVirtual, m reg.Register) {
	for i := range acc {
		for j := range acc[i] {
			VXORPS(acc[i][j].AsX(), acc[i][j].AsX(), acc[i][j].AsX())
		}
	}
	zero, flag := label("zero"), arg("acc")
	TESTQ(flag, flag)
	JEQ(LabelRef(zero))
	for i := range acc {
		for j, a := range acc[i] {
			VMOVUPS(Mem{Base: m, Disp: 4 * t.w * (i*len(acc[i]) + j)}, a)
		}
	}
	Label(zero)
}

// write stores the accumulators at m, which it moves on.
func write(t target, acc [][]reg.VecVirtual, m reg.Register) {
	v := len(acc[0])
	for i := range acc {
		for j := range acc[i] {
			VMOVUPS(acc[i][j], Mem{Base: m, Disp: 4 * t.w * (i*v + j)})
		}
	}
	ADDQ(U32(4*t.w*v*len(acc)), m)
}

// unrolled writes a loop over n steps, four at a time and then the rest one by one;
// body takes how many.
func unrolled(n reg.Register, body func(steps int)) {
	for _, steps := range []int{4, 1} {
		top, out := label("k"), label("rest")
		Label(top)
		CMPQ(n, U32(steps))
		JLT(LabelRef(out))
		body(steps)
		SUBQ(U32(steps), n)
		JMP(LabelRef(top))
		Label(out)
	}
}

// outer adds to the accumulators the products of the values at from(i) with step u
// of the panel at q.
func outer(t target, acc [][]reg.VecVirtual, q reg.Register, u int, from func(i int) Mem) {
	v := len(acc[0])
	b := make([]reg.VecVirtual, v)
	for j := range b {
		b[j] = load(t, Mem{Base: q, Disp: 4 * t.w * (u*v + j)})
	}
	for i := range acc {
		x := t.vec()
		VBROADCASTSS(from(i), x)
		for j := range b {
			VFMADD231PS(b[j], x, acc[i][j])
		}
	}
}

// blocks writes the loop over as many blocks of rows as the argument name says.
func blocks(name string, body func()) {
	top, done := label("block"), label("done")
	n := arg(name)
	TESTQ(n, n)
	JEQ(LabelRef(done))
	Label(top)
	body()
	DECQ(n)
	JNZ(LabelRef(top))
	Label(done)
}

// product writes the matrix products of blocks of r rows, and then of r-1, with a
// panel of v vectors, one for each place. The sums stay in registers. Meanwhile it
// fetches the panel of the next product into the second-level cache, a little with
// every step.
func product(t target, r, v int) {
	end := start(t, fmt.Sprintf("winoProduct%dx%d", r, v),
		"(m, a, b *float32, ahead, k, more, few, pitch, acc, places, mPlane, aPlane, bPlane int)",
		fmt.Sprintf("winoProduct%dx%d is m = a*b, or m += a*b if acc is not 0, for more blocks of %d rows of a and few of one less, k columns pitch floats apart from row to row, and %d columns of b, and so for places. It fetches what lies ahead of b.", r, v, r, v*t.w))
	place := loopOver("places")
	s := bytes("pitch")
	s3 := times(s, 3)
	lines := (t.w*v + 31) / 32 // a step in four: the panel in eight blocks
	top := label("place")
	Label(top)
	m, a, b := at(place.m), at(place.a), at(place.b)
	next := bytes("ahead")
	ADDQ(b, next)
	all := accumulators(t, r, v)
	for i, r := range []int{r, r - 1} {
		if r == 0 {
			continue
		}
		blocks([]string{"more", "few"}[i], func() {
			acc := all[:r]
			begin(t, acc, m)
			p0, p1, q, n := GP64(), GP64(), GP64(), arg("k")
			MOVQ(a, p0)
			if r > 3 {
				LEAQ(Mem{Base: a, Index: s3, Scale: 1}, p1)
			}
			MOVQ(b, q)
			unrolled(n, func(steps int) {
				for u := range steps {
					outer(t, acc, q, u, func(i int) Mem {
						from := Mem{Base: p0, Disp: 4 * u}
						if i >= 3 {
							from.Base = p1
						}
						if i%3 > 0 {
							from.Index, from.Scale = s, uint8(i%3)
						}
						return from
					})
					if steps == 4 && u < lines {
						PREFETCHT1(Mem{Base: next, Disp: 64 * u})
					}
				}
				if steps == 4 {
					ADDQ(U32(64*lines), next)
				}
				ADDQ(U32(4*steps), p0)
				if r > 3 {
					ADDQ(U32(4*steps), p1)
				}
				ADDQ(U32(4*t.w*v*steps), q)
			})
			write(t, acc, m)
			if r > 3 {
				LEAQ(Mem{Base: a, Index: s3, Scale: 1}, a)
			}
			for range r - r/4*3 {
				ADDQ(s, a)
			}
		})
	}
	place.end(top, "mPlane", "aPlane", "bPlane")
	end()
}

// dots writes the products of the rows of a with one vector, for each place.
func dots(t target) {
	end := start(t, "winoDots", "(m, a, b *float32, rows, k, pitch, places, mPlane, aPlane, bPlane int)",
		"winoDots is m[i] = the sum over k of a[i][k]*b[k] for rows rows of a, pitch floats apart and read in whole vectors, and so for places.")
	place := loopOver("places")
	s := bytes("pitch")
	s3 := times(s, 3)
	top := label("place")
	Label(top)
	m, a, rows := at(place.m), at(place.a), arg("rows")
	for _, r := range []int{4, 1} {
		block, next := label("dots"), label("next")
		Label(block)
		CMPQ(rows, U32(r))
		JLT(LabelRef(next))
		p, q, n := GP64(), at(place.b), arg("k")
		MOVQ(a, p)
		sums := accumulators(t, r, 1)
		for _, v := range sums {
			VXORPS(v[0].AsX(), v[0].AsX(), v[0].AsX())
		}
		k := label("k")
		Label(k)
		b := load(t, Mem{Base: q})
		from := []Mem{{Base: p}, {Base: p, Index: s, Scale: 1}, {Base: p, Index: s, Scale: 2}, {Base: p, Index: s3, Scale: 1}}
		for i, v := range sums {
			VFMADD231PS(from[i], b, v[0])
		}
		ADDQ(U32(4*t.w), p)
		ADDQ(U32(4*t.w), q)
		SUBQ(U32(t.w), n)
		JG(LabelRef(k))
		half := make([]reg.VecVirtual, r)
		for i, v := range sums {
			half[i] = v[0]
			if t.w == 16 {
				half[i] = YMM()
				VEXTRACTF64X4(U8(1), v[0], half[i])
				VADDPS(v[0].AsY(), half[i], half[i])
			}
		}
		if r == 4 {
			VHADDPS(half[1], half[0], half[0])
			VHADDPS(half[3], half[2], half[2])
			VHADDPS(half[2], half[0], half[0])
		} else {
			VHADDPS(half[0], half[0], half[0])
			VHADDPS(half[0], half[0], half[0])
		}
		x := XMM()
		VEXTRACTF128(U8(1), half[0], x)
		VADDPS(half[0].AsX(), x, x)
		if r == 4 {
			VMOVUPS(x, Mem{Base: m})
			LEAQ(Mem{Base: a, Index: s, Scale: 4}, a)
		} else {
			VMOVSS(x, Mem{Base: m})
			ADDQ(s, a)
		}
		ADDQ(U32(4*r), m)
		SUBQ(U32(r), rows)
		JMP(LabelRef(block))
		Label(next)
	}
	place.end(top, "mPlane", "aPlane", "bPlane")
	end()
}

// gradient writes the transform AgA' of tiles of the output's gradient.
func gradient(t target) {
	end := start(t, "winoGradient", "(v, y, tmp *float32, n, pixel, row, plane int)",
		"winoGradient is the transform of one 4x4 tile of n channels; v is padded to whole vectors.")
	v, g, tmp, n := arg("v"), arg("y"), arg("tmp"), arg("n")
	pixels, row := newSix(bytes("pixel")), bytes("row")
	plane := bytes("plane")
	planes := newSix(times(plane, 6))
	half, two := t.konst(0.5), t.konst(2)
	p1, q1 := t.konst(math.Sqrt2/2), t.konst(math.Sqrt2)
	line := func(y [4]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		put(0, y[0])
		put(5, y[3])
		// pair is y0+k*y2 +- w*(y1+k*y3).
		pair := func(i int, k, w reg.VecVirtual) {
			a, b, o := t.vec(), t.vec(), t.vec()
			VMOVAPS(y[0], a)
			VFMADD231PS(k, y[2], a)
			VMOVAPS(y[1], b)
			VFMADD231PS(k, y[3], b)
			VMOVAPS(a, o)
			VFMADD231PS(w, b, o)
			put(i, o)
			VFNMADD231PS(w, b, a)
			put(i+1, a)
		}
		pair(1, half, p1)
		pair(3, two, q1)
	}
	channels(t, n, func(l tail) {
		p := GP64()
		MOVQ(g, p)
		for i := range 4 { // rows first, as those of the input
			var y [4]reg.VecVirtual
			for j := range y {
				y[j] = l.load(pixels.at(p, j))
			}
			q := GP64()
			LEAQ(Mem{Base: p, Index: pixels.s, Scale: 4}, q)
			for j := range y { // of the next tile
				PREFETCHT0(pixels.at(q, j))
			}
			line(y, func(j int, v reg.VecVirtual) { VMOVUPS(v, t.tmp(tmp, j, i)) })
			if i < 3 {
				ADDQ(row, p)
			}
		}
		MOVQ(v, p)
		for j := range 6 {
			var y [4]reg.VecVirtual
			for i := range y {
				y[i] = load(t, t.tmp(tmp, j, i))
			}
			line(y, func(i int, v reg.VecVirtual) { VMOVUPS(v, planes.at(p, i)) })
			if j < 5 {
				ADDQ(plane, p)
			}
		}
		ADDQ(U32(4*t.w), g)
		ADDQ(U32(4*t.w), v)
	})
	end()
}

// weights writes the transform G'mG of the sums to the 3x3 filters.
func weights(t target) {
	end := start(t, "winoWeights", "(w, m, tmp *float32, n, tap, plane int)",
		"winoWeights is the 3x3 filters of n channels.")
	w, m, tmp, n := arg("w"), arg("m"), arg("tmp"), arg("n")
	tap, plane := bytes("tap"), bytes("plane")
	taps3 := times(tap, 3)
	planes := newSix(times(plane, 6))
	third, sixth, c23 := t.konst(1./3), t.konst(1./6), t.konst(2./3)
	p3, q6 := t.konst(math.Sqrt2/3), t.konst(math.Sqrt2/6)
	line := func(p [6]reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		s1, d1 := add(t, p[1], p[2]), sub(t, p[2], p[1])
		s2, d2 := add(t, p[3], p[4]), sub(t, p[3], p[4])
		VFNMADD231PS(c23, s1, p[0])
		VFMADD231PS(sixth, s2, p[0])
		put(0, p[0])
		VMULPS(q6, d2, d2)
		VFMADD231PS(p3, d1, d2)
		put(1, d2)
		VSUBPS(s1, s2, s2)
		VFMADD231PS(third, s2, p[5])
		put(2, p[5])
	}
	channels(t, n, func(l tail) {
		p := GP64()
		MOVQ(m, p)
		for j := range 6 {
			var d [6]reg.VecVirtual
			for i := range d {
				d[i] = load(t, planes.at(p, i))
			}
			line(d, func(i int, v reg.VecVirtual) { VMOVUPS(v, t.tmp(tmp, i, j)) })
			if j < 5 {
				ADDQ(plane, p)
			}
		}
		MOVQ(w, p)
		for i := range 3 {
			var d [6]reg.VecVirtual
			for j := range d {
				d[j] = load(t, t.tmp(tmp, i, j))
			}
			line(d, func(j int, v reg.VecVirtual) {
				to := Mem{Base: p}
				if j > 0 {
					to.Index, to.Scale = tap, uint8(j)
				}
				l.store(v, to)
			})
			if i < 2 {
				ADDQ(taps3, p)
			}
		}
		ADDQ(U32(4*t.w), w)
		ADDQ(U32(4*t.w), m)
	})
	end()
}

// sum writes the products of the transpose of a panel of r columns, by blocks,
// and then of r-1, with a panel of v vectors, for some panels.
func sum(t target, r, v int) {
	end := start(t, fmt.Sprintf("winoSum%dx%d", r, v),
		"(m, a, b *float32, k, more, few, pitch, acc, panels, mStep, aStep, bStep int)",
		fmt.Sprintf("winoSum%dx%d is m = a'*b, or m += a'*b if acc is not 0, for more blocks of %d columns of a and few of one less, k rows pitch floats apart, and %d columns of b, and so for panels.", r, v, r, v*t.w))
	panel := loopOver("panels")
	s := bytes("pitch")
	s3, s4 := times(s, 3), times(s, 4)
	top := label("panel")
	Label(top)
	m, a, b := at(panel.m), at(panel.a), at(panel.b)
	all := accumulators(t, r, v)
	for i, r := range []int{r, r - 1} {
		if r == 0 {
			continue
		}
		blocks([]string{"more", "few"}[i], func() {
			acc := all[:r]
			begin(t, acc, m)
			p, q, n := GP64(), GP64(), arg("k")
			MOVQ(a, p)
			MOVQ(b, q)
			unrolled(n, func(steps int) {
				for u := range steps {
					outer(t, acc, q, u, func(i int) Mem {
						from := Mem{Base: p, Disp: 4 * i}
						switch u {
						case 1, 2:
							from.Index, from.Scale = s, uint8(u)
						case 3:
							from.Index, from.Scale = s3, 1
						}
						return from
					})
				}
				if steps == 4 {
					ADDQ(s4, p)
				} else {
					ADDQ(s, p)
				}
				ADDQ(U32(4*t.w*v*steps), q)
			})
			write(t, acc, m)
			ADDQ(U32(4*r), a)
		})
	}
	panel.end(top, "mStep", "aStep", "bStep")
	end()
}

func main() {
	ConstraintExpr("amd64,!noasm")
	for _, t := range []target{{"AVX2", 8}, {"AVX512", 16}} {
		input(t)
		output(t)
		filter(t)
		gradient(t)
		weights(t)
		dots(t)
		five(t)
		strideFilter(t)
		for _, adj := range []bool{false, true} {
			strideInput(t, adj)
			strideOutput(t, adj, false)
			strideOutput(t, adj, true)
		}
		widths := []int{2}
		if t.w == 16 {
			widths = []int{1, 2, 3, 4}
		} else {
			for r := 1; r <= 4; r++ {
				product(t, r, 3)
			}
		}
		for _, v := range widths {
			for r := 1; r <= 6; r++ {
				product(t, r, v)
				sum(t, r, v)
			}
		}
	}
	Generate()
}
