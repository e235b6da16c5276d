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
	lanes := GP64()
	Label("next_" + name)
	MOVQ(U32(s.width()/4), lanes)
	CMPQ(n, lanes)
	CMOVQLT(n, lanes)
	mask := s.setMask(copyOf(lanes))

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
	SUBQ(lanes, n)
	JG(LabelRef("next_" + name))
	VZEROUPPER()
	restore()
	RET()
}

func copyOf(r reg.GPVirtual) reg.GPVirtual {
	c := GP64()
	MOVQ(r, c)
	return c
}
