// Command pointwise writes pointwise_amd64.s and its Go declarations: the
// elementwise routines of internal/kernel for AVX2 with FMA3 and for AVX-512.
// One description of each routine serves both.
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

var avx2, avx512 = target{"AVX2", 8}, target{"AVX512", 16}

func (t target) vec() reg.VecVirtual {
	if t.w == 16 {
		return ZMM()
	}
	return YMM()
}

// A fn is the routine being written.
type fn struct {
	target
	mxcsr  Mem
	consts map[uint32]Op
}

// start opens a routine. Denormal numbers count as zero in it: a product of
// denormals is a hundred times slower than one of normal numbers.
func start(t target, name, sig, doc string) *fn {
	TEXT(name+t.name, NOSPLIT, "func"+sig)
	Doc(doc)
	Pragma("noescape")
	f := &fn{target: t, consts: map[uint32]Op{}}
	f.mxcsr = AllocLocal(8)
	r := GP32()
	STMXCSR(f.mxcsr)
	MOVL(f.mxcsr, r)
	ORL(U32(0x8040), r) // flush to zero, denormals are zero
	MOVL(r, f.mxcsr.Offset(4))
	LDMXCSR(f.mxcsr.Offset(4))
	return f
}

func (f *fn) end() {
	LDMXCSR(f.mxcsr)
	VZEROUPPER()
	RET()
}

func ptr(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name).Base(), r)
	return r
}

func length(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name).Len(), r)
	return r
}

func intArg(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

// arg is a float32 argument in all lanes.
func (f *fn) arg(name string) reg.VecVirtual {
	m, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := f.vec()
	VBROADCASTSS(m.Addr, v)
	return v
}

// at is element i of a *float32 argument's block, in all lanes.
func (f *fn) at(p reg.GPVirtual, i int) reg.VecVirtual {
	v := f.vec()
	VBROADCASTSS(Mem{Base: p, Disp: 4 * i}, v)
	return v
}

var tables = map[string]Mem{}

// table is eight copies of a constant in memory.
func table(bits uint32) Mem {
	name := fmt.Sprintf("k%08x", bits)
	if m, ok := tables[name]; ok {
		return m
	}
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(bits))
	}
	tables[name] = m
	return m
}

// bits is a constant as an operand: a register where there are 32 of them,
// else memory. All constants of a routine must be named before its loop.
func (f *fn) bits(b uint32) Op {
	if o, ok := f.consts[b]; ok {
		return o
	}
	var o Op = table(b)
	if f.w == 16 {
		v := f.vec()
		VBROADCASTSS(o, v)
		o = v
	}
	f.consts[b] = o
	return o
}

func (f *fn) k(x float64) Op { return f.bits(math.Float32bits(float32(x))) }

// reg is a constant in a register.
func (f *fn) reg(x float64) reg.VecVirtual {
	if v, ok := f.k(x).(reg.VecVirtual); ok {
		return v
	}
	v := f.vec()
	VMOVUPS(f.k(x), v)
	return v
}

// lanes reads and writes the vectors at one place of the slices.
type lanes struct {
	f    *fn
	i    reg.GPVirtual // byte offset
	disp int
	mask Op // nil, or the lanes in use
}

func (l lanes) mem(p reg.Register) Mem { return Mem{Base: p, Index: l.i, Scale: 1, Disp: l.disp} }

func (l lanes) load(p reg.Register) reg.VecVirtual {
	v := l.f.vec()
	switch {
	case l.mask == nil:
		VMOVUPS(l.mem(p), v)
	case l.f.w == 16:
		VMOVUPS_Z(l.mem(p), l.mask, v)
	default:
		VMASKMOVPS(l.mem(p), l.mask, v)
	}
	return v
}

func (l lanes) store(v Op, p reg.Register) {
	switch {
	case l.mask == nil:
		VMOVUPS(v, l.mem(p))
	case l.f.w == 16:
		VMOVUPS(v, l.mask, l.mem(p))
	default:
		VMASKMOVPS(v, l.mask, l.mem(p))
	}
}

// tailMask is the first n lanes, n at most w.
func (f *fn) tailMask(n reg.GPVirtual) Op {
	if f.w == 16 {
		m, k := GP32(), K()
		MOVL(I32(-1), m)
		BZHIL(n.As32(), m, m)
		KMOVW(m, k)
		return k
	}
	if maskTable == nil {
		t := GLOBL("mask", RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(uint32(int32(i-8)>>31)))
		}
		maskTable = &t
	}
	p, o, v := GP64(), GP64(), YMM()
	LEAQ(*maskTable, p)
	MOVQ(U32(8), o)
	SUBQ(n, o)
	VMOVDQU(Mem{Base: p, Index: o, Scale: 4}, v)
	return v
}

var maskTable *Mem

var labels int

func label(s string) string {
	labels++
	return fmt.Sprintf("%s%d", s, labels)
}

// places are some lanes that are worked on together.
type places []lanes

func (l places) load(p reg.Register) vecs {
	v := make(vecs, len(l))
	for i := range v {
		v[i] = l[i].load(p)
	}
	return v
}

func (l places) store(v vecs, p reg.Register) {
	for i := range v {
		l[i].store(v[i], p)
	}
}

// loop runs body over n elements, unroll vectors at a time. It destroys n.
func (f *fn) loop(n reg.GPVirtual, unroll int, body func(l lanes)) {
	i := GP64()
	XORQ(i, i)
	f.loopFrom(i, n, unroll, body)
}

func (f *fn) loopFrom(i, n reg.GPVirtual, unroll int, body func(l lanes)) {
	f.together(i, n, unroll, func(ls places) {
		for _, l := range ls {
			body(l)
		}
	})
}

// loopTogether is loop with one body for all the vectors of a step.
func (f *fn) loopTogether(n reg.GPVirtual, k int, body func(ls places)) {
	i := GP64()
	XORQ(i, i)
	f.together(i, n, k, body)
}

func (f *fn) together(i, n reg.GPVirtual, k int, body func(ls places)) {
	done := label("done")
	steps := []int{k, 1}
	if k == 1 {
		steps = steps[1:]
	}
	for _, u := range steps {
		top, next := label("loop"), label("next")
		Label(top)
		CMPQ(n, U32(u*f.w))
		JLT(LabelRef(next))
		ls := make(places, u)
		for j := range ls {
			ls[j] = lanes{f: f, i: i, disp: 4 * f.w * j}
		}
		body(ls)
		ADDQ(U32(4*u*f.w), i)
		SUBQ(U32(u*f.w), n)
		JMP(LabelRef(top))
		Label(next)
	}
	TESTQ(n, n)
	JZ(LabelRef(done))
	body(places{{f: f, i: i, mask: f.tailMask(n)}})
	Label(done)
}

func main() {
	ConstraintExpr("amd64,!noasm")
	for _, t := range []target{avx2, avx512} {
		arithmetic(t)
		channels(t)
		reductions(t)
		activations(t)
		cells(t)
		groups(t)
	}
	transpose(avx2)
	blocks(avx2)
	interpolate(avx2)
	interpolateNear(avx2, 8)
	interpolateNear(avx512, 32)
	Generate()
}
