package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The constants repeat those of pointwise_act.go, where they are explained.
var (
	expPoly   = []float64{0.0013814560370519757, 0.008368735201656818, 0.04166838899254799, 0.1666652113199234, 0.4999999403953552, 1, 1}
	exp2Poly  = []float64{0.00015321095997933298, 0.0013390202075242996, 0.009618526324629784, 0.05550362542271614, 0.24022647738456726, 0.6931471824645996, 1}
	log1pPoly = []float64{0.005364826414734125, -0.03006579913198948, 0.07920454442501068, -0.13753803074359894, 0.1915365606546402, -0.24857163429260254, 0.3332132399082184, -0.49999648332595825, 1}
)

const (
	log2e  = 1.4426950408889634
	ln2Hi  = 0.693359375
	ln2Lo  = -0.00021219444170128554
	magic  = 3 << 22 // 1.5*2^23: the units digit is the last bit
	floor  = -60     // the least exponent of the activations
	floor2 = -86     // the same of powers of two
)

// Long chains of operations go over several vectors in turn: while one waits
// for its last result the others have theirs.
type vecs []reg.VecVirtual

func (f *fn) vecs(n int) vecs {
	v := make(vecs, n)
	for i := range v {
		v[i] = f.vec()
	}
	return v
}

// chains is k with AVX2; with AVX-512 constants take most of the registers.
func (f *fn) chains(k int) int {
	if f.w == 16 {
		return 1
	}
	return k
}

// each calls op for one vector after the other.
func (v vecs) each(op func(i int, v reg.VecVirtual)) {
	for i, v := range v {
		op(i, v)
	}
}

// exp returns exp(x) for x in [-87, 88], and destroys x. With bias 127 the
// power of two is made in one step; with 126 it is half of it, and the result
// is right up to the largest float32 and 0 below the smallest.
func (f *fn) exp(x vecs, bias float64) vecs {
	m, p := f.vecs(len(x)), f.vecs(len(x))
	m.each(func(_ int, m reg.VecVirtual) { VMOVUPS(f.k(magic+bias), m) })
	x.each(func(i int, x reg.VecVirtual) { VFMADD231PS(f.k(log2e), x, m[i]) })
	m.each(func(i int, m reg.VecVirtual) { VSUBPS(f.k(magic+bias), m, p[i]) })
	x.each(func(i int, x reg.VecVirtual) { VFNMADD231PS(f.k(ln2Hi), p[i], x) })
	x.each(func(i int, x reg.VecVirtual) { VFNMADD231PS(f.k(ln2Lo), p[i], x) })
	f.horner(p, x, expPoly)
	m.each(func(_ int, m reg.VecVirtual) { VPSLLD(U8(23), m, m) })
	if bias == 126 {
		p.each(func(_ int, p reg.VecVirtual) { VADDPS(p, p, p) })
	}
	p.each(func(i int, p reg.VecVirtual) { VMULPS(m[i], p, p) })
	return p
}

// expConsts names the constants of exp before a loop.
func (f *fn) expConsts(bias float64) {
	for _, c := range append([]float64{magic + bias, log2e, ln2Hi, ln2Lo}, expPoly...) {
		f.k(c)
	}
}

func (f *fn) horner(p, x vecs, c []float64) {
	p.each(func(_ int, p reg.VecVirtual) { VMOVUPS(f.k(c[0]), p) })
	for _, v := range c[1:] {
		p.each(func(i int, p reg.VecVirtual) { VFMADD213PS(f.k(v), x[i], p) })
	}
}

// log1p returns log(1+t) for t in [0,1].
func (f *fn) log1p(t vecs) vecs {
	p := f.vecs(len(t))
	f.horner(p, t, log1pPoly)
	p.each(func(i int, p reg.VecVirtual) { VMULPS(t[i], p, p) })
	return p
}

func (f *fn) use(c ...float64) {
	for _, v := range c {
		f.k(v)
	}
}

const signBit = 1 << 31

// decay returns 2^-|v|, the exponent no less than least, and destroys v.
func (f *fn) decay(v vecs, least reg.VecVirtual) vecs {
	m, p := f.vecs(len(v)), f.vecs(len(v))
	v.each(func(_ int, v reg.VecVirtual) { VORPS(f.bits(signBit), v, v) })
	v.each(func(_ int, v reg.VecVirtual) { VMAXPS(v, least, v) }) // the second source, here v, wins if it is NaN
	v.each(func(i int, v reg.VecVirtual) { VADDPS(f.k(magic+127), v, m[i]) })
	m.each(func(i int, m reg.VecVirtual) { VSUBPS(f.k(magic+127), m, p[i]) })
	v.each(func(i int, v reg.VecVirtual) { VSUBPS(p[i], v, v) })
	f.horner(p, v, exp2Poly)
	m.each(func(_ int, m reg.VecVirtual) { VPSLLD(U8(23), m, m) })
	p.each(func(i int, p reg.VecVirtual) { VMULPS(m[i], p, p) })
	return p
}

// decayConsts names the constants of decay before a loop.
func (f *fn) decayConsts() {
	f.use(append([]float64{magic + 127}, exp2Poly...)...)
	f.bits(signBit)
}

// activation writes one in three variants: name stores its value z and its
// slope s, nameZ and nameS one of them. body is called after the pointers are
// loaded; z and s are nil where they are not wanted.
func activation(t target, name, args, doc string, body func(f *fn, n reg.GPVirtual, x, z, s reg.Register)) {
	for _, variant := range []string{"", "Z", "S"} {
		var list string
		if variant != "S" {
			list += "z, "
		}
		if variant != "Z" {
			list += "s, "
		}
		f := start(t, name+variant, "("+list+"x []float32"+args+")", doc)
		var z, s reg.Register
		if variant != "S" {
			z = ptr("z")
		}
		if variant != "Z" {
			s = ptr("s")
		}
		x, n := ptr("x"), length("x")
		body(f, n, x, z, s)
		f.end()
	}
}

func activations(t target) {
	f := start(t, "exp", "(dst, x []float32)", "dst = exp(x)")
	d, x, n := ptr("dst"), ptr("x"), length("dst")
	f.expConsts(126)
	lo, hi := f.reg(-87.34), f.reg(89)
	f.loopTogether(n, f.chains(4), func(l places) {
		v := l.load(x)
		v.each(func(_ int, v reg.VecVirtual) { VMAXPS(v, lo, v) })
		v.each(func(_ int, v reg.VecVirtual) { VMINPS(v, hi, v) })
		l.store(f.exp(v, 126), d)
	})
	f.end()

	activation(t, "softplus", ", bias *float32, period int, scale, inv float32", "z = log(1+2^(scale*v))*inv, s = 1/(1+2^(-scale*v)) of v = x+bias, bias repeating after period floats, a multiple of biasStep", func(f *fn, n reg.GPVirtual, x, z, s reg.Register) {
		bias, period := intArg("bias"), intArg("period")
		SHLQ(U8(2), period)
		ADDQ(bias, period)
		b := GP64()
		MOVQ(bias, b)
		scale := f.arg("scale")
		f.decayConsts()
		least := f.reg(floor2)
		one := f.reg(1)
		var inv reg.VecVirtual
		if z != nil {
			inv = f.arg("inv")
			f.use(log1pPoly...)
		}
		f.loopTogether(n, f.chains(3), func(l places) {
			x0 := l.load(x)
			v := f.vecs(len(x0))
			x0.each(func(i int, x0 reg.VecVirtual) { VADDPS(Mem{Base: b, Disp: 4 * f.w * i}, x0, x0) })
			ADDQ(U32(4*f.w*len(x0)), b)
			CMPQ(b, period)
			CMOVQEQ(bias, b)
			x0.each(func(i int, x0 reg.VecVirtual) { VMULPS(scale, x0, v[i]) })
			e := f.decay(v, least)
			if s != nil {
				num := f.vecs(len(e))
				e.each(func(i int, e reg.VecVirtual) {
					num, den := num[i], f.vec()
					VADDPS(one, e, den)
					if f.w == 16 {
						k := K()
						VPMOVD2M(x0[i], k)
						VMOVAPS(one, num)
						VMOVAPS(e, k, num)
					} else {
						VBLENDVPS(x0[i], e, one, num)
					}
					VDIVPS(den, num, num)
				})
				l.store(num, s)
			}
			if z != nil {
				p := f.log1p(e)
				zero := f.vec()
				VXORPS(zero, zero, zero)
				x0.each(func(_ int, x0 reg.VecVirtual) { VMAXPS(x0, zero, x0) })
				x0.each(func(i int, x0 reg.VecVirtual) { VFMADD231PS(inv, p[i], x0) })
				l.store(x0, z)
			}
		})
	})

	f = start(t, "softplusD2", "(dst, x []float32, scale, beta float32)", "dst = beta*s*(1-s), s = 1/(1+2^(-scale*x))")
	d, x, n = ptr("dst"), ptr("x"), length("dst")
	scale, beta := f.arg("scale"), f.arg("beta")
	f.decayConsts()
	least := f.reg(floor2)
	one := f.k(1)
	f.loopTogether(n, f.chains(3), func(l places) {
		v := l.load(x)
		v.each(func(_ int, v reg.VecVirtual) { VMULPS(scale, v, v) })
		e := f.decay(v, least)
		e.each(func(_ int, e reg.VecVirtual) {
			den := f.vec()
			VADDPS(one, e, den)
			VMULPS(den, den, den)
			VMULPS(beta, e, e)
			VDIVPS(den, e, e)
		})
		l.store(e, d)
	})
	f.end()

	activation(t, "hardGate", "", "s = clamp(x/2+1/2, 0, 1), z = s*s + max(x-1, 0)", func(f *fn, n reg.GPVirtual, x, z, s reg.Register) {
		half, one, zero := f.reg(0.5), f.reg(1), f.vec()
		VXORPS(zero, zero, zero)
		f.loop(n, 2, func(l lanes) {
			v, h := l.load(x), f.vec()
			VMOVAPS(half, h)
			VFMADD231PS(half, v, h)
			VMAXPS(h, zero, h)
			VMINPS(h, one, h)
			if s != nil {
				l.store(h, s)
			}
			if z != nil {
				VSUBPS(one, v, v)
				VMAXPS(v, zero, v)
				VFMADD231PS(h, h, v)
				l.store(v, z)
			}
		})
	})

	activation(t, "huber", ", threshold float32", "s = clamp(x, -threshold, threshold), z = s*(x - s/2)", func(f *fn, n reg.GPVirtual, x, z, s reg.Register) {
		hi := f.arg("threshold")
		lo, half := f.vec(), f.k(0.5)
		VXORPS(lo, lo, lo)
		VSUBPS(hi, lo, lo)
		f.loop(n, 4, func(l lanes) {
			v, h := l.load(x), f.vec()
			// The operand that is not a number comes second, and stays.
			VMAXPS(v, lo, h)
			VMINPS(h, hi, h)
			if s != nil {
				l.store(h, s)
			}
			if z != nil {
				VFNMADD231PS(half, h, v)
				VMULPS(h, v, v)
				l.store(v, z)
			}
		})
	})

	f = start(t, "hardGateD2", "(dst, x []float32)", "dst = 1/2 on (-1,1), else 0")
	d, x, n = ptr("dst"), ptr("x"), length("dst")
	half, unit := f.k(0.5), f.k(1)
	f.bits(signBit)
	f.loop(n, 2, func(l lanes) {
		v, a := l.load(x), f.vec()
		VORPS(f.bits(signBit), v, a)
		VADDPS(unit, a, a) // 1-|x|
		// The half where 1-|x| > 0; NaN where x is NaN; else 0.
		if f.w == 16 {
			zero, r := f.vec(), f.vec()
			VXORPS(zero, zero, zero)
			in, nan := K(), K()
			VCMPPS(U8(30), zero, a, in)
			VCMPPS(U8(3), v, v, nan)
			VMOVAPS_Z(half, in, r)
			VMOVAPS(v, nan, r)
			l.store(r, d)
		} else {
			zero, m := f.vec(), f.vec()
			VXORPS(zero, zero, zero)
			VCMPPS(U8(30), zero, a, m)
			VANDPS(half, m, m)
			VCMPPS(U8(3), v, v, a)
			VANDPS(v, a, a)
			VORPS(a, m, m)
			l.store(m, d)
		}
	})
	f.end()
}

// run makes 16 floats: one register, or two.
func (f *fn) run() vecs { return f.vecs(16 / f.w) }

func (f *fn) loadRun(p reg.Register) vecs {
	v := f.run()
	for i := range v {
		VMOVUPS(Mem{Base: p, Disp: 4 * f.w * i}, v[i])
	}
	return v
}

func storeRun(v vecs, p reg.Register) {
	for i := range v {
		VMOVUPS(v[i], Mem{Base: p, Disp: 64 / len(v) * i})
	}
}

// fold combines the 16 elements of v with op; the result is in every lane.
func (f *fn) fold(v vecs, op func(a, b, c Op)) reg.VecVirtual {
	r, u := f.vec(), f.vec()
	if f.w == 16 {
		VSHUFF32X4(U8(0x4e), v[0], v[0], u)
		op(u, v[0], r)
		VSHUFF32X4(U8(0xb1), r, r, u)
	} else {
		op(v[1], v[0], r)
		VPERM2F128(U8(0x01), r, r, u)
	}
	op(u, r, r)
	VPERMILPS(U8(0x4e), r, u)
	op(u, r, r)
	VPERMILPS(U8(0xb1), r, u)
	op(u, r, r)
	return r
}

func vmax(a, b, c Op) { VMAXPS(a, b, c) }
func vadd(a, b, c Op) { VADDPS(a, b, c) }

// runs calls body n times.
func runs(n reg.GPVirtual, body func()) {
	top, done := label("run"), label("end")
	Label(top)
	TESTQ(n, n)
	JZ(LabelRef(done))
	body()
	DECQ(n)
	JMP(LabelRef(top))
	Label(done)
}

// groups writes the routines over runs of 16 channels.
func groups(t target) {
	f := start(t, "expand16", "(dst, x []float32)", "dst[i] = x[i/16]")
	d, x, n := ptr("dst"), ptr("x"), length("x")
	runs(n, func() {
		v := f.vec()
		VBROADCASTSS(Mem{Base: x}, v)
		for i := range 16 / f.w {
			VMOVUPS(v, Mem{Base: d, Disp: 4 * f.w * i})
		}
		ADDQ(U32(4), x)
		ADDQ(U32(64), d)
	})
	f.end()

	f = start(t, "expandMul16", "(dst, s, v []float32)", "dst[i] = s[i]*v[i/16]")
	d, s, x := ptr("dst"), ptr("s"), ptr("v")
	n = length("v")
	runs(n, func() {
		v, r := f.vec(), f.run()
		VBROADCASTSS(Mem{Base: x}, v)
		for i := range r {
			VMULPS(Mem{Base: s, Disp: 4 * f.w * i}, v, r[i])
		}
		storeRun(r, d)
		ADDQ(U32(4), x)
		ADDQ(U32(64), s)
		ADDQ(U32(64), d)
	})
	f.end()

	f = start(t, "groupSum16", "(dst, x []float32)", "dst[j] = the sum of x[16*j:16*j+16]")
	d, x, n = ptr("dst"), ptr("x"), length("dst")
	runs(n, func() {
		v := f.fold(f.loadRun(x), vadd)
		VMOVSS(v.AsX(), Mem{Base: d})
		ADDQ(U32(64), x)
		ADDQ(U32(4), d)
	})
	f.end()

	f = start(t, "softmaxGrad16", "(dst, s, g []float32)", "dst = s*(g - sum(g*s)) over runs of 16")
	d, s = ptr("dst"), ptr("s")
	g := ptr("g")
	n = length("dst")
	SHRQ(U8(4), n)
	runs(n, func() {
		p, q, v := f.loadRun(s), f.loadRun(g), f.run()
		for i := range v {
			VMULPS(p[i], q[i], v[i])
		}
		sum := f.fold(v, vadd)
		for i := range v {
			VSUBPS(sum, q[i], q[i])
			VMULPS(p[i], q[i], q[i])
		}
		storeRun(q, d)
		for _, r := range []reg.GPVirtual{s, g, d} {
			ADDQ(U32(64), r)
		}
	})
	f.end()

	for _, variant := range []struct {
		name string
		z, s bool
	}{{"logSumExp", true, true}, {"logSumExpZ", true, false}, {"softmax", false, true}} {
		var args string
		if variant.z {
			args += "z, "
		}
		if variant.s {
			args += "s, "
		}
		f := start(t, variant.name+"16", "("+args+"x []float32)", "z = log(sum(exp(x))), s = exp(x-z) over runs of 16")
		var z, s reg.GPVirtual
		if variant.z {
			z = ptr("z")
		}
		if variant.s {
			s = ptr("s")
		}
		x, n := ptr("x"), length("x")
		SHRQ(U8(4), n)
		f.expConsts(127)
		least, one := f.reg(floor), f.reg(1)
		// softmax handles one run; it returns the largest element and the
		// sum, each in all lanes.
		softmax := func() (top, sum reg.VecVirtual) {
			v := f.loadRun(x)
			top = f.fold(v, vmax)
			for i := range v {
				VSUBPS(top, v[i], v[i])
				VMAXPS(v[i], least, v[i])
			}
			e := f.exp(v, 127)
			sum = f.fold(e, vadd)
			if variant.s {
				k := f.vec()
				VDIVPS(sum, one, k)
				for i := range e {
					VMULPS(k, e[i], e[i])
				}
				storeRun(e, s)
				ADDQ(U32(64), s)
			}
			ADDQ(U32(64), x)
			return top, sum
		}
		if !variant.z {
			runs(n, func() { softmax() })
			f.end()
			continue
		}
		// As many runs at a time as fill a register with logarithms.
		f.use(log1pPoly...)
		f.use(0.6931471805599453, 127)
		f.bits(0x7fffff)
		f.bits(0x3f800000)
		tops, sums := AllocLocal(4*f.w), AllocLocal(4*f.w)
		block, inner, done := label("block"), label("inner"), label("done")
		take, i := GP64(), GP64()
		Label(block)
		TESTQ(n, n)
		JZ(LabelRef(done))
		MOVQ(U32(uint32(f.w)), take)
		CMPQ(n, take)
		CMOVQLT(n, take)
		SUBQ(take, n)
		XORQ(i, i)
		Label(inner)
		top, sum := softmax()
		VMOVSS(top.AsX(), tops.Idx(i, 4))
		VMOVSS(sum.AsX(), sums.Idx(i, 4))
		INCQ(i)
		CMPQ(i, take)
		JLT(LabelRef(inner))
		// log(sum) = e*log(2) + log(1+t), sum = 2^e (1+t)
		v, e, m := f.vec(), f.vec(), f.vec()
		VMOVUPS(sums, v)
		VPSRLD(U8(23), v, e)
		VCVTDQ2PS(e, e)
		VSUBPS(f.k(127), e, e)
		if f.w == 16 {
			VPANDD(f.bits(0x7fffff), v, m)
			VPORD(f.bits(0x3f800000), m, m)
		} else {
			VPAND(f.bits(0x7fffff), v, m)
			VPOR(f.bits(0x3f800000), m, m)
		}
		VSUBPS(one, m, m)
		p := f.log1p(vecs{m})[0]
		VFMADD231PS(f.k(0.6931471805599453), e, p)
		VSUBPS(v, v, v) // 0, or NaN
		VADDPS(v, p, p)
		VADDPS(tops, p, p)
		if mask := f.tailMask(take); f.w == 16 {
			VMOVUPS(p, mask, Mem{Base: z})
		} else {
			VMASKMOVPS(p, mask, Mem{Base: z})
		}
		ADDQ(U32(4*f.w), z)
		JMP(LabelRef(block))
		Label(done)
		f.end()
	}
}
