// Command fft writes the assembly of the Fourier transforms: passes of each
// radix on 16 interleaved signals, and the moves between arrays and blocks.
// Package kernel has the same in Go (fft.go, fftblock.go).
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	part  = 64       // bytes of the real (or imaginary) parts of a point
	point = 2 * part // bytes of a point
)

func main() {
	ConstraintExpr("!noasm")
	for _, s := range []isa{{"avx512", 64}, {"avx2", 32}} {
		for _, r := range []int{2, 3, 4, 5, 8} {
			s.pass(r, true)
			s.pass(r, false)
		}
		s.passOdd()
		s.loadCols()
		s.storeCols()
		s.loadReal()
		s.loadRows()
		s.storeRows()
		s.split()
		s.join()
		s.twist()
		s.dctSplit()
		s.dctJoin()
		s.mul(false)
		s.mul(true)
	}
	Generate()
}

// An isa is a vector width with its instructions.
type isa struct {
	name  string
	width int // bytes of a vector
}

func (s isa) vec() reg.VecVirtual {
	if s.width == 64 {
		return ZMM()
	}
	return YMM()
}

func (s isa) text(name, args string) {
	TEXT("fft"+name+"_"+s.name, NOSPLIT, "func("+args+")")
	Pragma("noescape")
}

func (s isa) load(m Mem) reg.VecVirtual {
	v := s.vec()
	VMOVUPS(m, v)
	return v
}

func (s isa) bcast(m Mem) reg.VecVirtual {
	v := s.vec()
	VBROADCASTSS(m, v)
	return v
}

func (s isa) add(a, b reg.VecVirtual) reg.VecVirtual {
	v := s.vec()
	VADDPS(b, a, v)
	return v
}

func (s isa) sub(a, b reg.VecVirtual) reg.VecVirtual {
	v := s.vec()
	VSUBPS(b, a, v)
	return v
}

func (s isa) mul2(a, b reg.VecVirtual) reg.VecVirtual {
	v := s.vec()
	VMULPS(b, a, v)
	return v
}

// fma returns a + k*b in a new register.
func (s isa) fma(a, k, b reg.VecVirtual) reg.VecVirtual {
	v := s.vec()
	VMOVAPS(a, v)
	VFMADD231PS(k, b, v)
	return v
}

// fnma returns a - k*b in a new register.
func (s isa) fnma(a, k, b reg.VecVirtual) reg.VecVirtual {
	v := s.vec()
	VMOVAPS(a, v)
	VFNMADD231PS(k, b, v)
	return v
}

// cpx is a vector of complex numbers, the parts apart.
type cpx struct{ re, im reg.VecVirtual }

func (s isa) cadd(a, b cpx) cpx { return cpx{s.add(a.re, b.re), s.add(a.im, b.im)} }
func (s isa) csub(a, b cpx) cpx { return cpx{s.sub(a.re, b.re), s.sub(a.im, b.im)} }

// caddMulI returns a + ib, csubMulI a - ib.
func (s isa) caddMulI(a, b cpx) cpx { return cpx{s.sub(a.re, b.im), s.add(a.im, b.re)} }
func (s isa) csubMulI(a, b cpx) cpx { return cpx{s.add(a.re, b.im), s.sub(a.im, b.re)} }

func (s isa) cload(m Mem) cpx {
	return cpx{s.load(m), s.load(m.Offset(part))}
}

func (s isa) cstore(z cpx, m Mem) {
	VMOVUPS(z.re, m)
	VMOVUPS(z.im, m.Offset(part))
}

// ctimes returns z times the complex number at w.
func (s isa) ctimes(z cpx, w Mem) cpx {
	re, im := s.vec(), s.vec()
	if s.width == 64 {
		VMULPS_BCST(w.Offset(4), z.im, re)
		VMULPS_BCST(w, z.im, im)
		VFMSUB231PS_BCST(w, z.re, re)
		VFMADD231PS_BCST(w.Offset(4), z.re, im)
		return cpx{re, im}
	}
	wr, wi := s.bcast(w), s.bcast(w.Offset(4))
	VMULPS(wi, z.im, re)
	VMULPS(wr, z.im, im)
	VFMSUB231PS(wr, z.re, re)
	VFMADD231PS(wi, z.re, im)
	return cpx{re, im}
}

var constants = map[float64]Mem{}

// constant returns a vector of k.
func (s isa) constant(k float64) reg.VecVirtual {
	m, ok := constants[k]
	if !ok {
		m = GLOBL(fmt.Sprintf("fftConst%d", len(constants)), 8|16) // RODATA|NOPTR
		DATA(0, F32(k))
		constants[k] = m
	}
	return s.bcast(m)
}

func ptr(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

// halves calls f for each vector of the 16 lanes, with its offset in a part.
func (s isa) halves(f func(off int)) {
	for off := 0; off < part; off += s.width {
		f(off)
	}
}

// pass writes the pass of radix r; without twiddle factors if first (m = 1).
func (s isa) pass(r int, first bool) {
	name := fmt.Sprintf("Pass%d", r)
	if first {
		name += "First"
		s.text(name, "d *float32, blocks int")
	} else {
		s.text(name, "d, tw *float32, m, blocks int")
	}
	d, blocks := ptr("d"), ptr("blocks")
	if first {
		Label("block")
		s.halves(func(off int) {
			at := func(j int) Mem { return Mem{Base: d, Disp: off + j*point} }
			s.inPlace(r, at, func(j int) cpx { return s.cload(at(j)) })
		})
		ADDQ(I32(r*point), d)
		DECQ(blocks)
		JNZ(LabelRef("block"))
		VZEROUPPER()
		RET()
		return
	}
	tw, m := ptr("tw"), ptr("m")
	st := GP64()
	MOVQ(m, st)
	SHLQ(U8(7), st)
	var st3, st5, st7 reg.GPVirtual
	if r > 3 {
		st3 = GP64()
		LEAQ(Mem{Base: st, Index: st, Scale: 2}, st3)
	}
	if r > 5 {
		st5, st7 = GP64(), GP64()
		LEAQ(Mem{Base: st, Index: st, Scale: 4}, st5)
		LEAQ(Mem{Base: st3, Index: st, Scale: 4}, st7)
	}
	at := func(j, off int) Mem {
		switch j {
		case 0:
			return Mem{Base: d, Disp: off}
		case 3:
			return Mem{Base: d, Index: st3, Scale: 1, Disp: off}
		case 5:
			return Mem{Base: d, Index: st5, Scale: 1, Disp: off}
		case 6:
			return Mem{Base: d, Index: st3, Scale: 2, Disp: off}
		case 7:
			return Mem{Base: d, Index: st7, Scale: 1, Disp: off}
		}
		return Mem{Base: d, Index: st, Scale: uint8(j), Disp: off}
	}
	k, w := GP64(), GP64()
	Label("block")
	MOVQ(m, k)
	MOVQ(tw, w)
	Label("point")
	s.halves(func(off int) {
		here := func(j int) Mem { return at(j, off) }
		s.inPlace(r, here, func(j int) cpx {
			if j == 0 {
				return s.cload(here(0))
			}
			return s.ctimes(s.cload(here(j)), Mem{Base: w, Disp: 8 * (j - 1)})
		})
	})
	ADDQ(I32(point), d)
	ADDQ(I32(8*(r-1)), w)
	DECQ(k)
	JNZ(LabelRef("point"))
	for i := 1; i < r; i++ {
		ADDQ(st, d)
	}
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}

// inPlace transforms the r points at(0..r-1), read by load.
func (s isa) inPlace(r int, at func(int) Mem, load func(int) cpx) {
	if r == 8 {
		s.inPlace8(at, load)
		return
	}
	x := make([]cpx, r)
	for j := range x {
		x[j] = load(j)
	}
	for q, z := range s.butterfly(x) {
		s.cstore(z, at(q))
	}
}

// inPlace8 joins the transforms a of the even points and b of the odd ones:
// point q is a + exp(-pi i q/4) b, point q+4 the difference. With 16 registers
// a waits in memory, where the outputs come last.
func (s isa) inPlace8(at func(int) Mem, load func(int) cpx) {
	wait := [4]int{0, 4, 2, 6}
	a := s.butterfly([]cpx{load(0), load(2), load(4), load(6)})
	if s.width < 64 {
		for q, z := range a {
			s.cstore(z, at(wait[q]))
		}
	}
	b := s.butterfly([]cpx{load(1), load(3), load(5), load(7)})
	h := s.constant(math.Sqrt(0.5))
	for _, q := range []int{1, 3, 0, 2} {
		z := a[q]
		if s.width < 64 {
			z = s.cload(at(wait[q]))
		}
		y := b[q]
		switch q {
		case 1:
			y = cpx{s.add(y.re, y.im), s.sub(y.im, y.re)}
		case 3: // with the imaginary part negated
			y = cpx{s.sub(y.im, y.re), s.add(y.im, y.re)}
		}
		var p, m cpx
		switch q {
		case 0:
			p, m = s.cadd(z, y), s.csub(z, y)
		case 2:
			p, m = s.csubMulI(z, y), s.caddMulI(z, y)
		case 1:
			p = cpx{s.fma(z.re, h, y.re), s.fma(z.im, h, y.im)}
			m = cpx{s.fnma(z.re, h, y.re), s.fnma(z.im, h, y.im)}
		case 3:
			p = cpx{s.fma(z.re, h, y.re), s.fnma(z.im, h, y.im)}
			m = cpx{s.fnma(z.re, h, y.re), s.fma(z.im, h, y.im)}
		}
		s.cstore(p, at(q))
		s.cstore(m, at(q+4))
	}
}

// butterfly transforms len(x) points.
func (s isa) butterfly(x []cpx) []cpx {
	switch len(x) {
	case 2:
		return []cpx{s.cadd(x[0], x[1]), s.csub(x[0], x[1])}
	case 3:
		sum, diff := s.cadd(x[1], x[2]), s.csub(x[1], x[2])
		h, k := s.constant(-0.5), s.constant(math.Sqrt(3)/2)
		u := cpx{s.fma(x[0].re, h, sum.re), s.fma(x[0].im, h, sum.im)}
		v := cpx{s.mul2(k, diff.re), s.mul2(k, diff.im)}
		return []cpx{s.cadd(x[0], sum), s.csubMulI(u, v), s.caddMulI(u, v)}
	case 4:
		e, f := s.cadd(x[0], x[2]), s.csub(x[0], x[2])
		g, h := s.cadd(x[1], x[3]), s.csub(x[1], x[3])
		return []cpx{s.cadd(e, g), s.csubMulI(f, h), s.csub(e, g), s.caddMulI(f, h)}
	case 5:
		return s.butterfly5(x)
	}
	panic("radix")
}

func (s isa) butterfly5(x []cpx) []cpx {
	e, f := s.cadd(x[1], x[4]), s.csub(x[1], x[4])
	g, h := s.cadd(x[2], x[3]), s.csub(x[2], x[3])
	c1, c2 := s.constant(math.Cos(2*math.Pi/5)), s.constant(math.Cos(4*math.Pi/5))
	u := cpx{s.fma(x[0].re, c1, e.re), s.fma(x[0].im, c1, e.im)}
	VFMADD231PS(c2, g.re, u.re)
	VFMADD231PS(c2, g.im, u.im)
	v := cpx{s.fma(x[0].re, c2, e.re), s.fma(x[0].im, c2, e.im)}
	VFMADD231PS(c1, g.re, v.re)
	VFMADD231PS(c1, g.im, v.im)
	for _, z := range []cpx{e, g} {
		VADDPS(z.re, x[0].re, x[0].re)
		VADDPS(z.im, x[0].im, x[0].im)
	}
	s1, s2 := s.constant(math.Sin(2*math.Pi/5)), s.constant(math.Sin(4*math.Pi/5))
	p := cpx{s.mul2(s1, f.re), s.mul2(s1, f.im)}
	VFMADD231PS(s2, h.re, p.re)
	VFMADD231PS(s2, h.im, p.im)
	q := cpx{s.mul2(s2, f.re), s.mul2(s2, f.im)}
	VFNMADD231PS(s1, h.re, q.re)
	VFNMADD231PS(s1, h.im, q.im)
	return []cpx{x[0], s.csubMulI(u, p), s.csubMulI(v, q), s.caddMulI(v, q), s.caddMulI(u, p)}
}

// passOdd writes the pass of any odd radix r = 2 half + 1 by the definition.
// sums has room for 4 vectors of 16 for each of half pairs; trig holds, for
// q = 1..half and j = 1..half, cos and sin of 2 pi jq/r.
func (s isa) passOdd() {
	s.text("PassOdd", "d, tw, trig, sums *float32, m, blocks, half int")
	d, half, sums := ptr("d"), ptr("half"), ptr("sums")
	st := ptr("m")
	SHLQ(U8(7), st)
	blocks, k, w := AllocLocal(8), AllocLocal(8), AllocLocal(8)
	n := GP64()
	Load(Param("blocks"), n)
	MOVQ(n, blocks)
	Label("block")
	Load(Param("m"), n)
	MOVQ(n, k)
	Load(Param("tw"), n)
	MOVQ(n, w)
	Label("point")

	// Sums and differences of the points j and r-j.
	lo, hi, sm, w1, w2 := GP64(), GP64(), GP64(), GP64(), GP64()
	MOVQ(w, w1)
	// hi = d + (r-1) m = d + 2 half m; w2 = w + 8(2 half - 1).
	MOVQ(half, hi)
	IMULQ(st, hi)
	LEAQ(Mem{Base: d, Index: hi, Scale: 2}, hi)
	MOVQ(half, w2)
	SHLQ(U8(4), w2)
	LEAQ(Mem{Base: w1, Index: w2, Scale: 1, Disp: -8}, w2)
	MOVQ(d, lo)
	MOVQ(sums, sm)
	MOVQ(half, n)
	Label("pair")
	ADDQ(st, lo)
	s.halves(func(off int) {
		x := s.ctimes(s.cload(Mem{Base: lo, Disp: off}), Mem{Base: w1})
		y := s.ctimes(s.cload(Mem{Base: hi, Disp: off}), Mem{Base: w2})
		s.cstore(s.cadd(x, y), Mem{Base: sm, Disp: off})
		s.cstore(s.csub(x, y), Mem{Base: sm, Disp: off + point})
	})
	SUBQ(st, hi)
	ADDQ(I32(2*point), sm)
	ADDQ(I32(8), w1)
	SUBQ(I32(8), w2)
	DECQ(n)
	JNZ(LabelRef("pair"))
	// The next point's factors: half of these r-1 are behind w.
	MOVQ(half, n)
	LEAQ(Mem{Base: w1, Index: n, Scale: 8}, w1)
	MOVQ(w1, w)

	// Outputs q and r-q, a tile of q at a time; then point 0.
	MOVQ(d, lo)
	MOVQ(half, hi)
	IMULQ(st, hi)
	LEAQ(Mem{Base: d, Index: hi, Scale: 2}, hi)
	row, q, t := GP64(), GP64(), GP64()
	MOVQ(half, row)
	SHLQ(U8(3), row) // bytes of a row of trig
	MOVQ(half, q)
	tile := 2
	if s.width == 64 {
		tile = 4
	}
	next := ptr("trig")
	for _, size := range []int{tile, 1} {
		loop, done := fmt.Sprintf("tile%d", size), fmt.Sprintf("done%d", size)
		Label(loop)
		CMPQ(q, U8(size))
		JLT(LabelRef(done))
		s.halves(func(off int) {
			u, v := make([]cpx, size), make([]cpx, size)
			for i := range size {
				u[i] = s.cload(Mem{Base: d, Disp: off})
				v[i] = cpx{s.vec(), s.vec()}
				VXORPS(v[i].re, v[i].re, v[i].re)
				VXORPS(v[i].im, v[i].im, v[i].im)
			}
			MOVQ(next, t)
			MOVQ(sums, sm)
			MOVQ(half, n)
			row3 := GP64()
			LEAQ(Mem{Base: row, Index: row, Scale: 2}, row3)
			inner := fmt.Sprintf("inner%d_%d", size, off)
			Label(inner)
			a, b := s.cload(Mem{Base: sm, Disp: off}), s.cload(Mem{Base: sm, Disp: off + point})
			for i := range size {
				mem := Mem{Base: t, Index: row, Scale: uint8(i)}
				switch i {
				case 0:
					mem = Mem{Base: t}
				case 3:
					mem = Mem{Base: t, Index: row3, Scale: 1}
				}
				c := s.bcast(mem)
				VFMADD231PS(c, a.re, u[i].re)
				VFMADD231PS(c, a.im, u[i].im)
				c = s.bcast(mem.Offset(4))
				VFMADD231PS(c, b.re, v[i].re)
				VFMADD231PS(c, b.im, v[i].im)
			}
			ADDQ(I32(8), t)
			ADDQ(I32(2*point), sm)
			DECQ(n)
			JNZ(LabelRef(inner))
			x, y := GP64(), GP64()
			MOVQ(lo, x)
			MOVQ(hi, y)
			for i := range size {
				ADDQ(st, x)
				s.cstore(s.csubMulI(u[i], v[i]), Mem{Base: x, Disp: off})
				s.cstore(s.caddMulI(u[i], v[i]), Mem{Base: y, Disp: off})
				SUBQ(st, y)
			}
		})
		for range size {
			ADDQ(st, lo)
			SUBQ(st, hi)
			ADDQ(row, next)
		}
		SUBQ(I32(size), q)
		JMP(LabelRef(loop))
		Label(done)
	}
	s.halves(func(off int) {
		z := s.cload(Mem{Base: d, Disp: off})
		MOVQ(sums, sm)
		MOVQ(half, n)
		inner := fmt.Sprintf("zero_%d", off)
		Label(inner)
		VADDPS(Mem{Base: sm, Disp: off}, z.re, z.re)
		VADDPS(Mem{Base: sm, Disp: off + part}, z.im, z.im)
		ADDQ(I32(2*point), sm)
		DECQ(n)
		JNZ(LabelRef(inner))
		s.cstore(z, Mem{Base: d, Disp: off})
	})
	ADDQ(I32(point), d)
	DECQ(k)
	JNZ(LabelRef("point"))
	// d += (r-1) m points
	MOVQ(half, n)
	IMULQ(st, n)
	LEAQ(Mem{Base: d, Index: n, Scale: 2}, d)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}

// loadCols takes 16 complex columns apart.
func (s isa) loadCols() {
	s.text("LoadCols", "re, im *float32, src *complex64, stride int, pos *int32, n int")
	re, im, src, stride, pos, n := ptr("re"), ptr("im"), ptr("src"), ptr("stride"), ptr("pos"), ptr("n")
	even, odd := s.index("fftEven", func(i int) int { return 2 * i }), s.index("fftOdd", func(i int) int { return 2*i + 1 })
	Label("row")
	i := GP64()
	MOVLQSX(Mem{Base: pos}, i)
	SHLQ(U8(7), i)
	s.halves(func(off int) {
		a, b := s.load(Mem{Base: src, Disp: 2 * off}), s.load(Mem{Base: src, Disp: 2*off + s.width})
		x, y := s.vec(), s.vec()
		if s.width == 64 {
			VMOVAPS(a, x)
			VPERMT2PS(b, even, x)
			VMOVAPS(a, y)
			VPERMT2PS(b, odd, y)
		} else {
			VSHUFPS(U8(0x88), b, a, x)
			VSHUFPS(U8(0xdd), b, a, y)
			VPERMPD(U8(0xd8), x, x)
			VPERMPD(U8(0xd8), y, y)
		}
		VMOVUPS(x, Mem{Base: re, Index: i, Scale: 1, Disp: off})
		VMOVUPS(y, Mem{Base: im, Index: i, Scale: 1, Disp: off})
	})
	ADDQ(stride, src)
	ADDQ(I32(4), pos)
	DECQ(n)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// index returns a vector of 16 indices, with AVX-512 only.
func (s isa) index(name string, f func(int) int) reg.VecVirtual {
	if s.width < 64 {
		return nil
	}
	m := GLOBL(name, 8|16) // RODATA|NOPTR
	for i := range 16 {
		DATA(4*i, U32(f(i)))
	}
	v := s.vec()
	VMOVDQU32(m, v)
	return v
}

func (s isa) storeCols() {
	s.text("StoreCols", "dst *complex64, stride int, re, im *float32, n int, k float32")
	re, im, dst, stride, n := ptr("re"), ptr("im"), ptr("dst"), ptr("stride"), ptr("n")
	k := s.vec()
	kx := Load(Param("k"), XMM())
	VBROADCASTSS(kx, k)
	lo, hi := s.index("fftLow", func(i int) int { return i/2 + i%2*16 }), s.index("fftHigh", func(i int) int { return 8 + i/2 + i%2*16 })
	Label("row")
	s.halves(func(off int) {
		x, y := s.load(Mem{Base: re, Disp: off}), s.load(Mem{Base: im, Disp: off})
		VMULPS(k, x, x)
		VMULPS(k, y, y)
		a, b := s.vec(), s.vec()
		if s.width == 64 {
			VMOVAPS(x, a)
			VPERMT2PS(y, lo, a)
			VMOVAPS(x, b)
			VPERMT2PS(y, hi, b)
		} else {
			VPERMPD(U8(0xd8), x, x)
			VPERMPD(U8(0xd8), y, y)
			VUNPCKLPS(y, x, a)
			VUNPCKHPS(y, x, b)
		}
		VMOVUPS(a, Mem{Base: dst, Disp: 2 * off})
		VMOVUPS(b, Mem{Base: dst, Disp: 2*off + s.width})
	})
	ADDQ(I32(point), re)
	ADDQ(I32(point), im)
	ADDQ(stride, dst)
	DECQ(n)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// transpose of a square of vectors.
func (s isa) transpose(r []reg.VecVirtual) []reg.VecVirtual {
	n := len(r)
	a := make([]reg.VecVirtual, n)
	for i := 0; i < n; i += 2 {
		a[i], a[i+1] = s.vec(), s.vec()
		VUNPCKLPS(r[i+1], r[i], a[i])
		VUNPCKHPS(r[i+1], r[i], a[i+1])
	}
	// b[4i+j]: in each 128-bit lane l, element 4l+j of rows 4i..4i+3.
	b := make([]reg.VecVirtual, n)
	for i := 0; i < n; i += 4 {
		for j := range 4 {
			b[i+j] = s.vec()
		}
		VUNPCKLPD(a[i+2], a[i], b[i])
		VUNPCKHPD(a[i+2], a[i], b[i+1])
		VUNPCKLPD(a[i+3], a[i+1], b[i+2])
		VUNPCKHPD(a[i+3], a[i+1], b[i+3])
	}
	c := make([]reg.VecVirtual, n)
	if n == 8 {
		for j := range 4 {
			c[j], c[4+j] = s.vec(), s.vec()
			VPERM2F128(U8(0x20), b[4+j], b[j], c[j])
			VPERM2F128(U8(0x31), b[4+j], b[j], c[4+j])
		}
		return c
	}
	for j := range 4 {
		p, q, u, v := s.vec(), s.vec(), s.vec(), s.vec()
		VSHUFF32X4(U8(0x88), b[4+j], b[j], p)    // lanes 0, 2 of rows 0..7
		VSHUFF32X4(U8(0xdd), b[4+j], b[j], q)    // lanes 1, 3
		VSHUFF32X4(U8(0x88), b[12+j], b[8+j], u) // rows 8..15
		VSHUFF32X4(U8(0xdd), b[12+j], b[8+j], v)
		for l, m := range [][2]reg.VecVirtual{{p, u}, {q, v}} {
			c[4*l+j], c[4*(l+2)+j] = s.vec(), s.vec()
			VSHUFF32X4(U8(0x88), m[1], m[0], c[4*l+j])
			VSHUFF32X4(U8(0xdd), m[1], m[0], c[4*(l+2)+j])
		}
	}
	return c
}

// tiles calls f for each square of vectors in 16 x 16 numbers, with the row
// and column of its corner.
func (s isa) tiles(f func(n, row, col int)) {
	n := s.width / 4
	for row := 0; row < 16; row += n {
		for col := 0; col < 16; col += n {
			f(n, row, col)
		}
	}
}

// rows16 returns the address of column 0 of rows 0..15 from base, stride apart.
type rows16 struct{ base, stride, stride3, base4, base8, base12 reg.GPVirtual }

func newRows16(base, stride reg.GPVirtual) rows16 {
	r := rows16{base: base, stride: stride, stride3: GP64(), base4: GP64(), base8: GP64(), base12: GP64()}
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, r.stride3)
	LEAQ(Mem{Base: base, Index: stride, Scale: 4}, r.base4)
	LEAQ(Mem{Base: base, Index: stride, Scale: 8}, r.base8)
	LEAQ(Mem{Base: r.base4, Index: stride, Scale: 8}, r.base12)
	return r
}

func (r rows16) at(i, disp int) Mem {
	m := Mem{Base: []reg.GPVirtual{r.base, r.base4, r.base8, r.base12}[i/4], Disp: disp}
	switch i % 4 {
	case 1, 2:
		m.Index, m.Scale = r.stride, uint8(i%4)
	case 3:
		m.Index, m.Scale = r.stride3, 1
	}
	return m
}

func (r rows16) advance(bytes int) {
	for _, b := range []reg.GPVirtual{r.base, r.base4, r.base8, r.base12} {
		ADDQ(I32(bytes), b)
	}
}

// loadReal moves 16 rows of 16 groups numbers to one part of the points pos.
func (s isa) loadReal() {
	s.text("LoadReal", "d, src *float32, stride int, pos *int32, groups int")
	d, src, stride, pos, n := ptr("d"), ptr("src"), ptr("stride"), ptr("pos"), ptr("groups")
	rows := newRows16(src, stride)
	i := GP64()
	Label("group")
	s.tiles(func(size, row, col int) {
		r := make([]reg.VecVirtual, size)
		for j := range r {
			r[j] = s.load(rows.at(row+j, 4*col))
		}
		for j, v := range s.transpose(r) {
			MOVLQSX(Mem{Base: pos, Disp: 4 * (col + j)}, i)
			SHLQ(U8(7), i)
			VMOVUPS(v, Mem{Base: d, Index: i, Scale: 1, Disp: 4 * row})
		}
	})
	rows.advance(64)
	ADDQ(I32(64), pos)
	DECQ(n)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// loadRows moves 16 rows of 8 groups complex numbers to the points pos.
func (s isa) loadRows() {
	s.text("LoadRows", "re, im *float32, src *complex64, stride int, pos *int32, groups int")
	re, im, src, stride, pos, n := ptr("re"), ptr("im"), ptr("src"), ptr("stride"), ptr("pos"), ptr("groups")
	rows := newRows16(src, stride)
	i := GP64()
	Label("group")
	s.tiles(func(size, row, col int) {
		r := make([]reg.VecVirtual, size)
		for j := range r {
			r[j] = s.load(rows.at(row+j, 4*col))
		}
		for j, v := range s.transpose(r) {
			MOVLQSX(Mem{Base: pos, Disp: 4 * ((col + j) / 2)}, i)
			SHLQ(U8(7), i)
			base := re
			if j%2 == 1 {
				base = im
			}
			VMOVUPS(v, Mem{Base: base, Index: i, Scale: 1, Disp: 4 * row})
		}
	})
	rows.advance(64)
	ADDQ(I32(32), pos)
	DECQ(n)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// storeRows writes k times 16 groups numbers to each of 16 rows; number 2i of
// all the rows lies at a, stepA bytes after the one before, and 2i+1 at b.
func (s isa) storeRows() {
	s.text("StoreRows", "dst *float32, stride int, a, b *float32, stepA, stepB, groups int, k float32")
	dst, stride, a, b, n := ptr("dst"), ptr("stride"), ptr("a"), ptr("b"), ptr("groups")
	stepA, stepB := ptr("stepA"), ptr("stepB")
	rows := newRows16(dst, stride)
	k := s.vec()
	kx := Load(Param("k"), XMM())
	VBROADCASTSS(kx, k)
	Label("group")
	s.tiles(func(size, row, col int) {
		// A row of the tile is a column of dst.
		x, y := GP64(), GP64()
		if row == 0 {
			MOVQ(a, x)
			MOVQ(b, y)
		} else {
			LEAQ(Mem{Base: a, Index: stepA, Scale: 4}, x)
			LEAQ(Mem{Base: b, Index: stepB, Scale: 4}, y)
		}
		r := make([]reg.VecVirtual, size)
		for j := 0; j < size; j += 2 {
			r[j], r[j+1] = s.load(Mem{Base: x, Disp: 4 * col}), s.load(Mem{Base: y, Disp: 4 * col})
			VMULPS(k, r[j], r[j])
			VMULPS(k, r[j+1], r[j+1])
			ADDQ(stepA, x)
			ADDQ(stepB, y)
		}
		for j, v := range s.transpose(r) {
			VMOVUPS(v, rows.at(col+j, 4*row))
		}
	})
	LEAQ(Mem{Base: a, Index: stepA, Scale: 8}, a)
	LEAQ(Mem{Base: b, Index: stepB, Scale: 8}, b)
	rows.advance(64)
	DECQ(n)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// split takes apart the transforms of two real signals, Z = A + iB: z and y
// point at Z(k) and Z(-k); A replaces Z(k), B goes to b. n points, k ascending.
func (s isa) split() {
	s.text("Split", "b, z, y *float32, n int")
	b, z, y, n := ptr("b"), ptr("z"), ptr("y"), ptr("n")
	h := s.constant(0.5)
	Label("point")
	s.halves(func(off int) {
		p, q := s.cload(Mem{Base: z, Disp: off}), s.cload(Mem{Base: y, Disp: off})
		for _, v := range []reg.VecVirtual{p.re, p.im, q.re, q.im} {
			VMULPS(h, v, v)
		}
		s.cstore(cpx{s.add(p.re, q.re), s.sub(p.im, q.im)}, Mem{Base: z, Disp: off})
		s.cstore(cpx{s.add(p.im, q.im), s.sub(q.re, p.re)}, Mem{Base: b, Disp: off})
	})
	ADDQ(I32(point), z)
	ADDQ(I32(point), b)
	SUBQ(I32(point), y)
	DECQ(n)
	JNZ(LabelRef("point"))
	VZEROUPPER()
	RET()
}

// join is the inverse: Z(k) = A + iB and Z(-k) = conj A + i conj B go, parts
// exchanged, to the points at pos of d; pos ascends for k, neg descends for -k.
func (s isa) join() {
	s.text("Join", "d, a, b *float32, pos, neg *int32, n int")
	d, a, b, pos, neg, n := ptr("d"), ptr("a"), ptr("b"), ptr("pos"), ptr("neg"), ptr("n")
	Label("point")
	i, j := GP64(), GP64()
	MOVLQSX(Mem{Base: pos}, i)
	SHLQ(U8(7), i)
	MOVLQSX(Mem{Base: neg}, j)
	SHLQ(U8(7), j)
	s.halves(func(off int) {
		p, q := s.cload(Mem{Base: a, Disp: off}), s.cload(Mem{Base: b, Disp: off})
		z := s.caddMulI(p, q)
		s.cstore(cpx{z.im, z.re}, Mem{Base: d, Index: i, Scale: 1, Disp: off})
		s.cstore(cpx{s.sub(q.re, p.im), s.add(p.re, q.im)}, Mem{Base: d, Index: j, Scale: 1, Disp: off})
	})
	ADDQ(I32(point), a)
	ADDQ(I32(point), b)
	ADDQ(I32(4), pos)
	SUBQ(I32(4), neg)
	DECQ(n)
	JNZ(LabelRef("point"))
	VZEROUPPER()
	RET()
}

// twist multiplies n points by a complex number each.
func (s isa) twist() {
	s.text("Twist", "dre, dim *float32, pos *int32, sre, sim, w *float32, n int")
	dre, dim, pos, sre, sim, w, n := ptr("dre"), ptr("dim"), ptr("pos"), ptr("sre"), ptr("sim"), ptr("w"), ptr("n")
	Label("point")
	i := GP64()
	MOVLQSX(Mem{Base: pos}, i)
	SHLQ(U8(7), i)
	s.halves(func(off int) {
		z := cpx{s.load(Mem{Base: sre, Disp: off}), s.load(Mem{Base: sim, Disp: off})}
		z = s.ctimes(z, Mem{Base: w})
		VMOVUPS(z.re, Mem{Base: dre, Index: i, Scale: 1, Disp: off})
		VMOVUPS(z.im, Mem{Base: dim, Index: i, Scale: 1, Disp: off})
	})
	for _, p := range []reg.GPVirtual{sre, sim} {
		ADDQ(I32(point), p)
	}
	ADDQ(I32(8), w)
	ADDQ(I32(4), pos)
	DECQ(n)
	JNZ(LabelRef("point"))
	VZEROUPPER()
	RET()
}

// combine returns the number at w times v, plus or minus (as sign) that at w2
// times v2.
func (s isa) combine(w Mem, v reg.VecVirtual, sign int, w2 Mem, v2 reg.VecVirtual) reg.VecVirtual {
	sum := s.mul2(s.bcast(w), v)
	if sign > 0 {
		VFMADD231PS(s.bcast(w2), v2, sum)
	} else {
		VFNMADD231PS(s.bcast(w2), v2, sum)
	}
	return sum
}

// dctSplit turns Z(k) at z and Z(-k) at y into the cosine transforms of the
// two real signals; w holds cos and sin for k and for -k. n points, k ascending.
func (s isa) dctSplit() {
	s.text("DCTSplit", "z, y, w *float32, n int")
	z, y, w, n := ptr("z"), ptr("y"), ptr("w"), ptr("n")
	c, sn, cm, sm := Mem{Base: w}, Mem{Base: w, Disp: 4}, Mem{Base: w, Disp: 8}, Mem{Base: w, Disp: 12}
	Label("point")
	s.halves(func(off int) {
		p, q := s.cload(Mem{Base: z, Disp: off}), s.cload(Mem{Base: y, Disp: off})
		sum := s.cadd(p, q)
		d := cpx{s.sub(p.im, q.im), s.sub(q.re, p.re)}
		s.cstore(cpx{s.combine(c, sum.re, -1, sn, d.re), s.combine(c, sum.im, -1, sn, d.im)}, Mem{Base: z, Disp: off})
		s.cstore(cpx{s.combine(cm, sum.re, 1, sm, d.re), s.combine(cm, sum.im, 1, sm, d.im)}, Mem{Base: y, Disp: off})
	})
	ADDQ(I32(point), z)
	SUBQ(I32(point), y)
	ADDQ(I32(16), w)
	DECQ(n)
	JNZ(LabelRef("point"))
	VZEROUPPER()
	RET()
}

// dctJoin is the inverse: from X(k) at a and X(-k) at b to the points at pos
// and neg of d, parts exchanged.
func (s isa) dctJoin() {
	s.text("DCTJoin", "d, a, b *float32, pos, neg *int32, w *float32, n int")
	d, a, b, pos, neg, w, n := ptr("d"), ptr("a"), ptr("b"), ptr("pos"), ptr("neg"), ptr("w"), ptr("n")
	c, sn, cm, sm := Mem{Base: w}, Mem{Base: w, Disp: 4}, Mem{Base: w, Disp: 8}, Mem{Base: w, Disp: 12}
	i, j := GP64(), GP64()
	Label("point")
	MOVLQSX(Mem{Base: pos}, i)
	SHLQ(U8(7), i)
	MOVLQSX(Mem{Base: neg}, j)
	SHLQ(U8(7), j)
	s.halves(func(off int) {
		x, y := s.cload(Mem{Base: a, Disp: off}), s.cload(Mem{Base: b, Disp: off})
		p, q := s.add(x.re, y.im), s.sub(x.im, y.re)
		s.cstore(cpx{s.combine(c, q, -1, sn, p), s.combine(c, p, 1, sn, q)}, Mem{Base: d, Index: i, Scale: 1, Disp: off})
		p, q = s.add(y.re, x.im), s.sub(y.im, x.re)
		s.cstore(cpx{s.combine(cm, q, -1, sm, p), s.combine(cm, p, 1, sm, q)}, Mem{Base: d, Index: j, Scale: 1, Disp: off})
	})
	ADDQ(I32(point), a)
	SUBQ(I32(point), b)
	ADDQ(I32(4), pos)
	SUBQ(I32(4), neg)
	ADDQ(I32(16), w)
	DECQ(n)
	JNZ(LabelRef("point"))
	VZEROUPPER()
	RET()
}

// mul multiplies n interleaved complex numbers, n a multiple of the vector,
// by others or by their conjugates.
func (s isa) mul(conj bool) {
	name := "Mul"
	if conj {
		name = "MulConj"
	}
	s.text(name, "dst, x, y *complex64, n int")
	dst, x, y, n := ptr("dst"), ptr("x"), ptr("y"), ptr("n")
	Label("loop")
	a, b := s.load(Mem{Base: x}), s.load(Mem{Base: y})
	// re even, im odd: xr yr -+ xi yi, xi yr +- xr yi.
	re, im, swap := s.vec(), s.vec(), s.vec()
	VMOVSLDUP(b, re)
	VMOVSHDUP(b, im)
	VPERMILPS(U8(0xb1), a, swap)
	VMULPS(im, swap, swap)
	if conj {
		VFMSUBADD213PS(swap, a, re)
	} else {
		VFMADDSUB213PS(swap, a, re)
	}
	VMOVUPS(re, Mem{Base: dst})
	for _, p := range []reg.GPVirtual{dst, x, y} {
		ADDQ(I32(s.width), p)
	}
	SUBQ(I32(s.width/8), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
