package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// flush makes denormals count as zero; the function it returns restores the
// old state and must be called before every return.
func flush() (restore func()) {
	csr := AllocLocal(8)
	old, tmp := csr, csr.Offset(4)
	STMXCSR(old)
	g := GP32()
	MOVL(old, g)
	ORL(U32(0x8040), g)
	MOVL(g, tmp)
	LDMXCSR(tmp)
	return func() { LDMXCSR(old) }
}

// genFiveOutput is the output transform of F(2x2,5x5): for each of n channels
// the 2x2 outputs A'mA of a 6x6 tile of products, whose places lie plane
// floats apart. Neighbouring outputs are pixel floats apart, rows row.
func genFiveOutput(s isa, add bool) {
	name := "fiveOutput" + s.name()
	if add {
		name = "fiveOutputAdd" + s.name()
	}
	TEXT(name, NOSPLIT, "func(dst, m *float32, n, pixel, row, plane int)")
	dst, m := Load(Param("dst"), GP64()), Load(Param("m"), GP64())
	n := Load(Param("n"), GP64())
	pixel, row, plane := Load(Param("pixel"), GP64()), Load(Param("row"), GP64()), Load(Param("plane"), GP64())
	restore := flush()
	for _, r := range []reg.Register{pixel, row, plane} {
		SHLQ(U8(2), r)
	}
	plane3, plane6 := GP64(), GP64()
	LEAQ(Mem{Base: plane, Index: plane, Scale: 2}, plane3)
	LEAQ(Mem{Base: plane3, Index: plane3, Scale: 1}, plane6)
	channels(s, name, n, func(mask reg.Register) {

		// line is the two values of a line of six.
		line := func(load func(i int) (v reg.VecVirtual, mem Op)) (o0, o1 reg.VecVirtual) {
			vec := func(i int) reg.VecVirtual { v, _ := load(i); return v }
			a := vec(1)
			b := s.vec()
			_, m2 := load(2)
			VSUBPS(m2, a, b)
			VADDPS(m2, a, a)
			c := vec(3)
			d := s.vec()
			_, m4 := load(4)
			VSUBPS(m4, c, d)
			VADDPS(m4, c, c)
			VADDPS(c, a, a)
			_, m0 := load(0)
			VADDPS(m0, a, a)
			VADDPS(d, d, d)
			VADDPS(d, b, b)
			_, m5 := load(5)
			VADDPS(m5, b, b)
			return a, b
		}
		// The columns: t[j] is made of places j, 6+j, ..., 30+j.
		t := make([][2]reg.VecVirtual, 6)
		p, p3 := GP64(), GP64()
		MOVQ(m, p)
		for j := range t {
			LEAQ(Mem{Base: p, Index: plane6, Scale: 2}, p3)
			ADDQ(plane6, p3)
			o0, o1 := line(func(i int) (reg.VecVirtual, Op) {
				mem := Mem{Base: p}
				switch i {
				case 1, 2:
					mem = Mem{Base: p, Index: plane6, Scale: uint8(i)}
				case 3:
					mem = Mem{Base: p3}
				case 4, 5:
					mem = Mem{Base: p3, Index: plane6, Scale: uint8(i - 3)}
				}
				if i == 1 || i == 3 {
					v := s.vec()
					s.load(mem, v)
					return v, nil
				}
				return nil, mem
			})
			t[j] = [2]reg.VecVirtual{o0, o1}
			if j < 5 {
				ADDQ(plane, p)
			}
		}
		for i := range 2 {
			d := GP64()
			MOVQ(dst, d)
			if i == 1 {
				ADDQ(row, d)
			}
			o0, o1 := line(func(k int) (reg.VecVirtual, Op) { return t[k][i], t[k][i] })
			for j, o := range []reg.VecVirtual{o0, o1} {
				mem := Mem{Base: d}
				if j == 1 {
					mem = Mem{Base: d, Index: pixel, Scale: 1}
				}
				if add {
					v := s.vec()
					s.loadMasked(mem, mask, v)
					VADDPS(v, o, o)
				}
				s.storeMasked(o, mask, mem)
			}
		}
		ADDQ(U32(s.width()), dst)
		ADDQ(U32(s.width()), m)
	})
	VZEROUPPER()
	restore()
	RET()
}

// channels writes the loop over n channels, a vector at a time; body moves the
// pointers on. With AVX2 only what is left in the end has a mask: see isa.
func channels(s isa, name string, n reg.Register, body func(mask reg.Register)) {
	lanes := U32(s.width() / 4)
	Label("next_" + name)
	if s.masksAll() {
		left := GP64()
		MOVQ(lanes, left)
		CMPQ(n, left)
		CMOVQLT(n, left)
		body(s.setMask(left))
		SUBQ(lanes, n)
		JG(LabelRef("next_" + name))
		return
	}
	CMPQ(n, lanes)
	JLT(LabelRef("rest_" + name))
	body(nil)
	SUBQ(lanes, n)
	JG(LabelRef("next_" + name))
	JMP(LabelRef("done_" + name))
	Label("rest_" + name)
	body(s.setMask(n))
	Label("done_" + name)
}

func copyOf(r reg.Register) reg.GPVirtual {
	c := GP64()
	MOVQ(r, c)
	return c
}

// constants is a table of float32 in the code, of which load broadcasts one.
var constants struct {
	mem Mem
	at  map[float32]int
}

func defineConstants(values ...float32) {
	constants.mem = GLOBL("convConsts", 8|16) // RODATA|NOPTR
	constants.at = map[float32]int{}
	for i, v := range values {
		DATA(4*i, F32(v))
		constants.at[v] = 4 * i
	}
}

func konst(s isa, v float32) reg.VecVirtual {
	r := s.vec()
	VBROADCASTSS(constants.mem.Offset(constants.at[v]), r)
	return r
}

func scaled(s isa, a, k reg.VecVirtual) reg.VecVirtual {
	r := s.vec()
	VMULPS(k, a, r)
	return r
}

func sum(s isa, a reg.VecVirtual, b Op) reg.VecVirtual {
	r := s.vec()
	VADDPS(b, a, r)
	return r
}

func diff(s isa, a reg.VecVirtual, b Op) reg.VecVirtual {
	r := s.vec()
	VSUBPS(b, a, r)
	return r
}

// fma is a*k + b.
func fma(s isa, a, k, b reg.VecVirtual) reg.VecVirtual {
	r := s.vec()
	VMOVAPS(b, r)
	VFMADD231PS(k, a, r)
	return r
}

// genFiveGradient is v = A g A' for the 2x2 pixels of g, pixel and row floats
// apart, of each of n channels; v has whole vectors, plane floats apart.
func genFiveGradient(s isa) {
	name := "fiveGradient" + s.name()
	TEXT(name, NOSPLIT, "func(v, y *float32, n, pixel, row, plane int)")
	v, g := Load(Param("v"), GP64()), Load(Param("y"), GP64())
	n := Load(Param("n"), GP64())
	pixel, row, plane := Load(Param("pixel"), GP64()), Load(Param("row"), GP64()), Load(Param("plane"), GP64())
	restore := flush()
	for _, r := range []reg.Register{pixel, row, plane} {
		SHLQ(U8(2), r)
	}
	line := func(y0, y1 reg.VecVirtual) [6]reg.VecVirtual {
		two := sum(s, y1, y1)
		return [6]reg.VecVirtual{y0, sum(s, y0, y1), diff(s, y0, y1), sum(s, y0, two), diff(s, y0, two), y1}
	}
	channels(s, name, n, func(mask reg.Register) {
		p := copyOf(g)
		var y [2][2]reg.VecVirtual
		for i := range 2 {
			for j := range 2 {
				y[i][j] = s.vec()
				m := Mem{Base: p}
				if j == 1 {
					m = Mem{Base: p, Index: pixel, Scale: 1}
				}
				s.loadMasked(m, mask, y[i][j])
			}
			if i == 0 {
				ADDQ(row, p)
			}
		}
		// Rows of the transform one at a time, for the sake of registers.
		d := copyOf(v)
		for i := range 6 {
			part := func(j int) reg.VecVirtual {
				switch a, b := y[0][j], y[1][j]; i {
				case 0:
					return a
				case 1:
					return sum(s, a, b)
				case 2:
					return diff(s, a, b)
				case 3:
					return sum(s, a, sum(s, b, b))
				case 4:
					return diff(s, a, sum(s, b, b))
				default:
					return b
				}
			}
			for _, o := range line(part(0), part(1)) {
				s.store(o, Mem{Base: d})
				ADDQ(plane, d)
			}
		}
		ADDQ(U32(s.width()), v)
		ADDQ(U32(s.width()), g)
	})
	VZEROUPPER()
	restore()
	RET()
}

// genFiveWeights is the 5x5 weights G'mG, tap floats apart, of each of n
// channels; m has whole vectors, plane floats apart, and tmp room for 30.
func genFiveWeights(s isa) {
	name := "fiveWeights" + s.name()
	TEXT(name, NOSPLIT, "func(dw, m, tmp *float32, n, tap, plane int)")
	dw, m, tmp := Load(Param("dw"), GP64()), Load(Param("m"), GP64()), Load(Param("tmp"), GP64())
	n := Load(Param("n"), GP64())
	tap, plane := Load(Param("tap"), GP64()), Load(Param("plane"), GP64())
	restore := flush()
	for _, r := range []reg.Register{tap, plane} {
		SHLQ(U8(2), r)
	}
	plane6 := GP64()
	LEAQ(Mem{Base: plane, Index: plane, Scale: 2}, plane6)
	ADDQ(plane6, plane6)
	sixth, r24, quarter := konst(s, -1./6), konst(s, 1./24), konst(s, 1./4)
	two, four, eight, sixteen := konst(s, 2), konst(s, 4), konst(s, 8), konst(s, 16)
	line := func(x func(i int) reg.VecVirtual) [5]reg.VecVirtual {
		m1, m2 := x(1), x(2)
		a, b := scaled(s, sum(s, m1, m2), sixth), scaled(s, diff(s, m1, m2), sixth)
		m3, m4 := x(3), x(4)
		e, f := scaled(s, sum(s, m3, m4), r24), scaled(s, diff(s, m3, m4), r24)
		return [5]reg.VecVirtual{
			fma(s, x(0), quarter, sum(s, a, e)),
			fma(s, f, two, b),
			fma(s, e, four, a),
			fma(s, f, eight, b),
			sum(s, fma(s, e, sixteen, a), x(5)),
		}
	}
	channels(s, name, n, func(mask reg.Register) {
		at := func(i, j int) Mem { return Mem{Base: tmp, Disp: (6*i + j) * s.width()} }
		p, p3 := copyOf(m), GP64()
		for j := range 6 {
			LEAQ(Mem{Base: p, Index: plane6, Scale: 2}, p3)
			ADDQ(plane6, p3)
			for i, o := range line(func(i int) reg.VecVirtual {
				base, k := p, i
				if i >= 3 {
					base, k = p3, i-3
				}
				v := s.vec()
				if k == 0 {
					s.load(Mem{Base: base}, v)
				} else {
					s.load(Mem{Base: base, Index: plane6, Scale: uint8(k)}, v)
				}
				return v
			}) {
				s.store(o, at(i, j))
			}
			ADDQ(plane, p)
		}
		d := copyOf(dw)
		for i := range 5 {
			for _, o := range line(func(k int) reg.VecVirtual {
				v := s.vec()
				s.load(at(i, k), v)
				return v
			}) {
				s.storeMasked(o, mask, Mem{Base: d})
				ADDQ(tap, d)
			}
		}
		ADDQ(U32(s.width()), dw)
		ADDQ(U32(s.width()), m)
	})
	VZEROUPPER()
	restore()
	RET()
}

// genFiveFilter is the transform GgG' of the 5x5 filters, whose taps lie tap
// floats apart, of each of n channels; u has whole vectors, plane floats apart,
// and tmp room for 30.
func genFiveFilter(s isa) {
	name := "fiveFilter" + s.name()
	TEXT(name, NOSPLIT, "func(u, w, tmp *float32, n, tap, plane int)")
	u, w, tmp := Load(Param("u"), GP64()), Load(Param("w"), GP64()), Load(Param("tmp"), GP64())
	n := Load(Param("n"), GP64())
	tap, plane := Load(Param("tap"), GP64()), Load(Param("plane"), GP64())
	restore := flush()
	for _, r := range []reg.Register{tap, plane} {
		SHLQ(U8(2), r)
	}
	tap5 := GP64()
	LEAQ(Mem{Base: tap, Index: tap, Scale: 4}, tap5)
	sixth, r24, r12, quarter := konst(s, -1./6), konst(s, 1./24), konst(s, 1./12), konst(s, 1./4)
	four, sixteen := konst(s, 4), konst(s, 16)
	line := func(x func(i int) reg.VecVirtual, put func(i int, v reg.VecVirtual)) {
		g0, g2, g4 := x(0), x(2), x(4)
		put(0, scaled(s, g0, quarter))
		put(5, g4)
		a := scaled(s, sum(s, sum(s, g0, g2), g4), sixth)
		e := scaled(s, fma(s, g4, sixteen, fma(s, g2, four, g0)), r24)
		g1, g3 := x(1), x(3)
		b := scaled(s, sum(s, g1, g3), sixth)
		put(1, sum(s, a, b))
		put(2, diff(s, a, b))
		f := scaled(s, fma(s, g3, four, g1), r12)
		put(3, sum(s, e, f))
		put(4, diff(s, e, f))
	}
	channels(s, name, n, func(mask reg.Register) {
		at := func(i, j int) Mem { return Mem{Base: tmp, Disp: (5*i + j) * s.width()} }
		p, q := copyOf(w), GP64()
		for j := range 5 {
			MOVQ(p, q)
			var g [5]reg.VecVirtual
			for i := range g {
				g[i] = s.vec()
				s.loadMasked(Mem{Base: q}, mask, g[i])
				if i < 4 {
					ADDQ(tap5, q)
				}
			}
			line(func(i int) reg.VecVirtual { return g[i] }, func(i int, v reg.VecVirtual) { s.store(v, at(i, j)) })
			ADDQ(tap, p)
		}
		plane3, plane5, plane6 := GP64(), GP64(), GP64()
		LEAQ(Mem{Base: plane, Index: plane, Scale: 2}, plane3)
		LEAQ(Mem{Base: plane, Index: plane, Scale: 4}, plane5)
		LEAQ(Mem{Base: plane3, Index: plane3, Scale: 1}, plane6)
		places := [6]reg.Register{1: plane, 2: plane, 3: plane3, 4: plane, 5: plane5}
		d := copyOf(u)
		for i := range 6 {
			line(func(j int) reg.VecVirtual {
				v := s.vec()
				s.load(at(i, j), v)
				return v
			}, func(j int, v reg.VecVirtual) {
				m := Mem{Base: d}
				if j > 0 {
					m.Index, m.Scale = places[j], 1
				}
				if j == 2 || j == 4 {
					m.Scale = uint8(j)
				}
				s.store(v, m)
			})
			if i < 5 {
				ADDQ(plane6, d)
			}
		}
		ADDQ(U32(s.width()), u)
		ADDQ(U32(s.width()), w)
	})
	VZEROUPPER()
	restore()
	RET()
}
