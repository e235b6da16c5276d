package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func arithmetic(t target) {
	binary := func(name, doc string, op func(f *fn, l lanes, d, x, y reg.Register) reg.VecVirtual) {
		f := start(t, name, "(dst, x, y []float32)", doc)
		d, x, y, n := ptr("dst"), ptr("x"), ptr("y"), length("dst")
		f.loop(n, 4, func(l lanes) { l.store(op(f, l, d, x, y), d) })
		f.end()
	}
	binary("add", "dst = x + y", func(f *fn, l lanes, d, x, y reg.Register) reg.VecVirtual {
		v := l.load(x)
		VADDPS(l.load(y), v, v)
		return v
	})
	binary("mul", "dst = x*y", func(f *fn, l lanes, d, x, y reg.Register) reg.VecVirtual {
		v := l.load(x)
		VMULPS(l.load(y), v, v)
		return v
	})
	binary("mulAdd", "dst += x*y", func(f *fn, l lanes, d, x, y reg.Register) reg.VecVirtual {
		v := l.load(d)
		VFMADD231PS(l.load(y), l.load(x), v)
		return v
	})

	f := start(t, "scale", "(dst, x []float32, k float32)", "dst = k*x")
	d, x, n, k := ptr("dst"), ptr("x"), length("dst"), f.arg("k")
	f.loop(n, 4, func(l lanes) {
		v := l.load(x)
		VMULPS(k, v, v)
		l.store(v, d)
	})
	f.end()

	f = start(t, "axpy", "(dst []float32, k float32, x []float32)", "dst += k*x")
	d, x, n, k = ptr("dst"), ptr("x"), length("dst"), f.arg("k")
	f.loop(n, 4, func(l lanes) {
		v := l.load(d)
		VFMADD231PS(l.load(x), k, v)
		l.store(v, d)
	})
	f.end()

	f = start(t, "halfSquare", "(dst, x []float32)", "dst = x*x/2")
	d, x, n = ptr("dst"), ptr("x"), length("dst")
	half := f.k(0.5)
	f.loop(n, 4, func(l lanes) {
		v, u := l.load(x), f.vec()
		VMULPS(half, v, u)
		VMULPS(v, u, u)
		l.store(u, d)
	})
	f.end()

	f = start(t, "ramp", "(dst, x []float32)", "dst = max(x, 0)")
	d, x, n = ptr("dst"), ptr("x"), length("dst")
	zero := f.vec()
	VXORPS(zero, zero, zero)
	f.loop(n, 4, func(l lanes) {
		v := l.load(x)
		VMAXPS(v, zero, v) // the second source, here v, wins if it is NaN
		l.store(v, d)
	})
	f.end()

	f = start(t, "blend", "(dst, p, q, r, s []float32, kp, kq, kr, ks float32)", "dst = kp*p + kq*q + kr*r + ks*s")
	d, n = ptr("dst"), length("dst")
	in := []reg.GPVirtual{ptr("p"), ptr("q"), ptr("r"), ptr("s")}
	by := []reg.VecVirtual{f.arg("kp"), f.arg("kq"), f.arg("kr"), f.arg("ks")}
	f.loop(n, 1, func(l lanes) {
		v := l.load(in[0])
		VMULPS(by[0], v, v)
		for i := 1; i < 4; i++ {
			VFMADD231PS(l.load(in[i]), by[i], v)
		}
		l.store(v, d)
	})
	f.end()

	f = start(t, "adamStep", "(w, g, m, v []float32, k *float32)", "one update of Adam")
	w, g, m, v := ptr("w"), ptr("g"), ptr("m"), ptr("v")
	n = length("w")
	kp := intArg("k")
	var c [7]reg.VecVirtual // b1, a1, b2, a2, lr, c2, eps
	for i := range c {
		c[i] = f.at(kp, i)
	}
	f.loop(n, 1, func(l lanes) {
		gi, t := l.load(g), f.vec()
		VMULPS(c[1], gi, t)
		mi := l.load(m)
		VFMADD213PS(t, c[0], mi)
		l.store(mi, m)
		VMULPS(gi, gi, gi)
		VMULPS(c[3], gi, gi)
		vi := l.load(v)
		VFMADD213PS(gi, c[2], vi)
		l.store(vi, v)
		VMULPS(c[5], vi, vi)
		VSQRTPS(vi, vi)
		VADDPS(c[6], vi, vi)
		VMULPS(c[4], mi, mi)
		VDIVPS(vi, mi, mi)
		wi := l.load(w)
		VSUBPS(mi, wi, wi)
		l.store(wi, w)
	})
	f.end()
}

// channels writes the routines that combine rows with one value a channel.
func channels(t target) {
	rows := func(name, vector, doc string, op func(a Op, b, c Op)) {
		f := start(t, name, "(dst, x, "+vector+" []float32)", doc)
		d, x, b, n, c := ptr("dst"), ptr("x"), ptr(vector), length("dst"), length(vector)
		top, done := label("row"), label("end")
		Label(top)
		TESTQ(n, n)
		JZ(LabelRef(done))
		left := GP64()
		MOVQ(c, left)
		f.loop(left, 4, func(l lanes) {
			v := l.load(x)
			if l.mask == nil {
				op(l.mem(b), v, v)
			} else {
				op(l.load(b), v, v)
			}
			l.store(v, d)
		})
		LEAQ(Mem{Base: d, Index: c, Scale: 4}, d)
		LEAQ(Mem{Base: x, Index: c, Scale: 4}, x)
		SUBQ(c, n)
		JMP(LabelRef(top))
		Label(done)
		f.end()
	}
	rows("addBias", "b", "dst[i] = x[i] + b[i%len(b)]", func(a Op, b, c Op) { VADDPS(a, b, c) })
	rows("mulChannel", "c", "dst[i] = x[i]*c[i%len(c)]", func(a Op, b, c Op) { VMULPS(a, b, c) })

	f := start(t, "channelSum", "(dst *float64, x *float32, rows, stride int)",
		"dst[c] += the sum over rows of x[row*stride+c], for 16 channels")
	d, x, n, s := intArg("dst"), intArg("x"), intArg("rows"), intArg("stride")
	SHLQ(U8(2), s)
	acc := make([]reg.VecVirtual, 2*16/f.w)
	for i := range acc {
		acc[i] = f.vec()
		VMOVUPD(Mem{Base: d, Disp: 4 * f.w * i}, acc[i])
	}
	top, done := label("row"), label("end")
	Label(top)
	TESTQ(n, n)
	JZ(LabelRef(done))
	for i := range acc {
		v := f.vec()
		VCVTPS2PD(Mem{Base: x, Disp: 2 * f.w * i}, v)
		VADDPD(v, acc[i], acc[i])
	}
	ADDQ(s, x)
	DECQ(n)
	JMP(LabelRef(top))
	Label(done)
	for i := range acc {
		VMOVUPD(acc[i], Mem{Base: d, Disp: 4 * f.w * i})
	}
	f.end()
}

// reductions writes the sums of 16 interleaved lanes; lengths are multiples
// of 16.
func reductions(t target) {
	sum := func(name, doc string, op func(f *fn, x, y, acc reg.VecVirtual)) {
		f := start(t, name, "(sum *float64, x, y []float32)", doc)
		d, x, y, n := intArg("sum"), ptr("x"), ptr("y"), length("x")
		acc := make([]reg.VecVirtual, 2*16/f.w)
		for i := range acc {
			acc[i] = f.vec()
			VMOVUPD(Mem{Base: d, Disp: 4 * f.w * i}, acc[i])
		}
		top, done := label("loop"), label("end")
		Label(top)
		TESTQ(n, n)
		JZ(LabelRef(done))
		for i := range acc {
			u, v := f.vec(), f.vec()
			VCVTPS2PD(Mem{Base: x, Disp: 2 * f.w * i}, u)
			VCVTPS2PD(Mem{Base: y, Disp: 2 * f.w * i}, v)
			op(f, u, v, acc[i])
		}
		ADDQ(U32(64), x)
		ADDQ(U32(64), y)
		SUBQ(U32(16), n)
		JMP(LabelRef(top))
		Label(done)
		for i := range acc {
			VMOVUPD(acc[i], Mem{Base: d, Disp: 4 * f.w * i})
		}
		f.end()
	}
	sum("dot", "sum[i%16] += x[i]*y[i]", func(f *fn, x, y, acc reg.VecVirtual) {
		VFMADD231PD(y, x, acc) // the product is exact in float64
	})
	sum("squaredError", "sum[i%16] += (x[i]-y[i])*(x[i]-y[i])", func(f *fn, x, y, acc reg.VecVirtual) {
		VSUBPD(y, x, x)
		VMULPD(x, x, x)
		VADDPD(x, acc, acc)
	})
	sum("absError", "sum[i%16] += |x[i]-y[i]|", func(f *fn, x, y, acc reg.VecVirtual) {
		VSUBPD(y, x, x)
		VPSLLQ(U8(1), x, x)
		VPSRLQ(U8(1), x, x)
		VADDPD(x, acc, acc)
	})
}

// cells writes 2x2 pooling of rows of c channels, c a multiple of the width.
func cells(t target) {
	f := start(t, "avgPoolRow", "(dst, a, b []float32, c int)", "dst = the mean of the 2x2 cells of the rows a and b")
	d, a, b, n, c := ptr("dst"), ptr("a"), ptr("b"), length("dst"), intArg("c")
	quarter := f.k(0.25)
	SHLQ(U8(2), c) // bytes
	top, inner, done := label("pixel"), label("loop"), label("end")
	left := GP64()
	Label(top)
	TESTQ(n, n)
	JZ(LabelRef(done))
	MOVQ(c, left)
	Label(inner)
	{
		u, v := f.vec(), f.vec()
		VMOVUPS(Mem{Base: a}, u)
		VADDPS(Mem{Base: a, Index: c, Scale: 1}, u, u)
		VMOVUPS(Mem{Base: b}, v)
		VADDPS(Mem{Base: b, Index: c, Scale: 1}, v, v)
		VADDPS(v, u, u)
		VMULPS(quarter, u, u)
		VMOVUPS(u, Mem{Base: d})
	}
	for _, p := range []reg.GPVirtual{d, a, b} {
		ADDQ(U32(4*f.w), p)
	}
	SUBQ(U32(f.w), n)
	SUBQ(U32(4*f.w), left)
	JNZ(LabelRef(inner))
	ADDQ(c, a)
	ADDQ(c, b)
	JMP(LabelRef(top))
	Label(done)
	f.end()

	f = start(t, "avgPoolTRow", "(a, b, x []float32, c int)", "the 2x2 cells of the rows a and b = x/4")
	a, b, x := ptr("a"), ptr("b"), ptr("x")
	n, c = length("x"), intArg("c")
	quarter = f.k(0.25)
	SHLQ(U8(2), c)
	top, inner, done = label("pixel"), label("loop"), label("end")
	left = GP64()
	Label(top)
	TESTQ(n, n)
	JZ(LabelRef(done))
	MOVQ(c, left)
	Label(inner)
	u := f.vec()
	VMOVUPS(Mem{Base: x}, u)
	VMULPS(quarter, u, u)
	for _, p := range []reg.GPVirtual{a, b} {
		VMOVUPS(u, Mem{Base: p})
		VMOVUPS(u, Mem{Base: p, Index: c, Scale: 1})
	}
	for _, p := range []reg.GPVirtual{x, a, b} {
		ADDQ(U32(4*f.w), p)
	}
	SUBQ(U32(f.w), n)
	SUBQ(U32(4*f.w), left)
	JNZ(LabelRef(inner))
	ADDQ(c, a)
	ADDQ(c, b)
	JMP(LabelRef(top))
	Label(done)
	f.end()
}

// transpose writes the transpose of 8 rows.
func transpose(t target) {
	f := start(t, "transpose8", "(dst, x *float32, blocks, dstPitch, xPitch int)",
		"transpose8 turns 8 rows of 8*blocks columns into rows of 8")
	d, x, n, dp, xp := intArg("dst"), intArg("x"), intArg("blocks"), intArg("dstPitch"), intArg("xPitch")
	SHLQ(U8(2), dp)
	SHLQ(U8(2), xp)
	row := func(p, pitch, p3 reg.GPVirtual, i int) Mem {
		m := Mem{Base: p}
		switch i {
		case 1, 2, 4:
			m.Index, m.Scale = pitch, uint8(i)
		case 3:
			m.Index, m.Scale = p3, 1
		case 6:
			m.Index, m.Scale = p3, 2
		}
		return m
	}
	d3, x3, d4, x4 := GP64(), GP64(), GP64(), GP64()
	LEAQ(Mem{Base: dp, Index: dp, Scale: 2}, d3)
	LEAQ(Mem{Base: xp, Index: xp, Scale: 2}, x3)
	top := label("block")
	Label(top)
	LEAQ(Mem{Base: d, Index: dp, Scale: 4}, d4)
	LEAQ(Mem{Base: x, Index: xp, Scale: 4}, x4)
	var a, b [8]reg.VecVirtual
	for i := range a {
		a[i] = YMM()
		if i < 4 {
			VMOVUPS(row(x, xp, x3, i), a[i])
		} else {
			VMOVUPS(row(x4, xp, x3, i-4), a[i])
		}
	}
	for i := range b {
		b[i] = YMM()
	}
	for i := 0; i < 8; i += 2 {
		VUNPCKLPS(a[i+1], a[i], b[i])
		VUNPCKHPS(a[i+1], a[i], b[i+1])
	}
	for i := 0; i < 8; i += 4 {
		VSHUFPS(U8(0x44), b[i+2], b[i], a[i])
		VSHUFPS(U8(0xee), b[i+2], b[i], a[i+1])
		VSHUFPS(U8(0x44), b[i+3], b[i+1], a[i+2])
		VSHUFPS(U8(0xee), b[i+3], b[i+1], a[i+3])
	}
	for i := range 4 {
		VPERM2F128(U8(0x20), a[i+4], a[i], b[i])
		VPERM2F128(U8(0x31), a[i+4], a[i], b[i+4])
	}
	for i := range b {
		if i < 4 {
			VMOVUPS(b[i], row(d, dp, d3, i))
		} else {
			VMOVUPS(b[i], row(d4, dp, d3, i-4))
		}
	}
	ADDQ(U32(32), x)
	LEAQ(Mem{Base: d, Index: dp, Scale: 8}, d)
	DECQ(n)
	JNZ(LabelRef(top))
	f.end()
}

// blocks writes the exchange of 2x2 blocks of pixels with channels, for whole
// quadruples of channels: a 4x4 transpose for each.
func blocks(t target) {
	for _, inverse := range []bool{false, true} {
		name, sig, doc := "spaceToDepth2", "(d, a, b *float32, pixels, c int)",
			"spaceToDepth2 turns the 2x2 blocks of the rows a and b into pixels of d"
		if inverse {
			name, doc = "depthToSpace2", "depthToSpace2 is the inverse of spaceToDepth2: it reads d and writes a and b"
		}
		f := start(t, name, sig, doc)
		d, a, b, n, c := intArg("d"), intArg("a"), intArg("b"), intArg("pixels"), intArg("c")
		bytes, left := GP64(), GP64()
		MOVQ(c, bytes)
		SHLQ(U8(2), bytes)
		top, inner := label("pixel"), label("quad")
		Label(top)
		MOVQ(bytes, left)
		Label(inner)
		far := []Mem{{Base: a}, {Base: a, Index: bytes, Scale: 1}, {Base: b}, {Base: b, Index: bytes, Scale: 1}}
		near := []Mem{{Base: d}, {Base: d, Disp: 16}, {Base: d, Disp: 32}, {Base: d, Disp: 48}}
		from, to := far, near
		if inverse {
			from, to = near, far
		}
		var x, y [4]reg.VecVirtual
		for i := range x {
			x[i], y[i] = XMM(), XMM()
			VMOVUPS(from[i], x[i])
		}
		VUNPCKLPS(x[1], x[0], y[0])
		VUNPCKHPS(x[1], x[0], y[1])
		VUNPCKLPS(x[3], x[2], y[2])
		VUNPCKHPS(x[3], x[2], y[3])
		VUNPCKLPD(y[2], y[0], x[0])
		VUNPCKHPD(y[2], y[0], x[1])
		VUNPCKLPD(y[3], y[1], x[2])
		VUNPCKHPD(y[3], y[1], x[3])
		for i := range x {
			VMOVUPS(x[i], to[i])
		}
		ADDQ(U32(64), d)
		ADDQ(U32(16), a)
		ADDQ(U32(16), b)
		SUBQ(U32(16), left)
		JNZ(LabelRef(inner))
		ADDQ(bytes, a)
		ADDQ(bytes, b)
		DECQ(n)
		JNZ(LabelRef(top))
		f.end()
	}
}

// interpolate reads pairs of samples one by one, which is faster than gathering
// them on all processors, and weighs eight at a time.
func interpolate(t target) {
	f := start(t, "interpolate", "(dst, src *float32, blocks int, p, inc int64, slope float32)",
		"interpolate adds src at the places p, p+inc, ... in units of 2^-32 to 8*blocks elements of dst; see Interpolate")
	dst, src, n := intArg("dst"), intArg("src"), intArg("blocks")
	p, inc := intArg("p"), intArg("inc")
	slope, one, unit, zero := f.arg("slope"), f.reg(1), f.reg(1./(1<<24)), f.vec()
	rest := f.vec() // 1-slope
	VSUBPS(slope, one, rest)
	VXORPS(zero, zero, zero)
	// The fractions of the eight places.
	places := AllocLocal(32)
	q := GP64()
	MOVQ(p, q)
	for k := range 8 {
		MOVL(q.As32(), places.Offset(4*k))
		ADDQ(inc, q)
	}
	fraction, eight := f.vec(), f.vec()
	VMOVDQU(places, fraction)
	MOVL(inc.As32(), q.As32())
	SHLL(U8(3), q.As32())
	MOVL(q.As32(), places)
	VPBROADCASTD(places, eight)

	top := label("loop")
	Label(top)
	var pairs [4]reg.VecVirtual // of places 0 and 1, 2 and 3, 4 and 5, 6 and 7
	for k := range 8 {
		i := GP64()
		MOVQ(p, i)
		SHRQ(U8(32), i)
		ADDQ(inc, p)
		m := Mem{Base: src, Index: i, Scale: 4}
		if k%2 == 0 {
			pairs[k/2] = XMM()
			VMOVSD(m, pairs[k/2])
		} else {
			VMOVHPS(m, pairs[k/2], pairs[k/2])
		}
	}
	a, b := f.vec(), f.vec()
	VINSERTF128(U8(1), pairs[2], pairs[0].AsY(), a)
	VINSERTF128(U8(1), pairs[3], pairs[1].AsY(), b)
	left, right := f.vec(), f.vec()
	VSHUFPS(U8(0x88), b, a, left)
	VSHUFPS(U8(0xdd), b, a, right)
	w0, w1 := f.vec(), f.vec()
	VPSRLD(U8(8), fraction, w0)
	VPADDD(eight, fraction, fraction)
	VCVTDQ2PS(w0, w0)
	VMULPS(unit, w0, w0)
	VMULPS(slope, w0, w0)
	hats(w0, w1, rest, one, zero)
	addBlock(f, dst, n, top, w0, left, w1, right)
	f.end()
}

// hats makes the weights of two neighbours: w0 = max(0, 1-w0) and w1 = max(0, w0+rest) of
// slope times the fraction in w0.
func hats(w0, w1, rest, one, zero reg.VecVirtual) {
	VADDPS(rest, w0, w1)
	VSUBPS(w0, one, w0)
	VMAXPS(zero, w0, w0)
	VMAXPS(zero, w1, w1)
}

// addBlock adds w0 left + w1 right to a block of eight at dst, and ends the loop over n blocks.
func addBlock(f *fn, dst, n reg.GPVirtual, top string, w0, left, w1, right reg.VecVirtual) {
	sum := f.vec()
	VMOVUPS(Mem{Base: dst}, sum)
	VFMADD231PS(w0, left, sum)
	VFMADD231PS(w1, right, sum)
	VMOVUPS(sum, Mem{Base: dst})
	ADDQ(U8(4*f.w), dst)
	DECQ(n)
	JNZ(LabelRef(top))
}

// interpolateNear takes the samples of a block by permutations of the span samples from its
// first place on, and of as many from the one after that: 8 of them in a register, or 32
// in two of sixteen. Places relative to the first sample have enough bits of
// index for the span, and the others of a word for the fraction.
func interpolateNear(t target, span int) {
	name := fmt.Sprintf("interpolate%d", span)
	f := start(t, name, "(dst, src *float32, blocks int, p, inc int64, slope float32)",
		fmt.Sprintf("%s is interpolate in blocks of %d, where abs(inc) is at most 2^32*%d/%d. It reads %d samples from the first of a block on.",
			name, t.w, span-1, t.w-1, span+1))
	whole := uint8(4)
	if span > 16 {
		whole = 5
	}
	dst, src, n := intArg("dst"), intArg("src"), intArg("blocks")
	p, inc := intArg("p"), intArg("inc")
	slope, one, zero, low := f.arg("slope"), f.reg(1), f.vec(), f.vec()
	unit := f.reg(1 / float64(uint64(1)<<(32-whole)))
	rest := f.vec() // 1-slope
	VSUBPS(slope, one, rest)
	VMULPS(unit, slope, unit)
	if t.w == 16 {
		VPXORD(zero, zero, zero)
		VPTERNLOGD(U8(0xff), low, low, low)
	} else {
		VXORPS(zero, zero, zero)
		VPCMPEQD(low, low, low)
	}
	VPSRLD(U8(whole), low, low)

	// The places of a block from its first sample, which is that of the last place if
	// inc < 0.
	local := AllocLocal(4 * t.w)
	back, at := GP64(), GP64()
	MOVQ(inc, back)
	SARQ(U8(63), back)
	ANDQ(inc, back) // min(inc, 0)
	IMUL3Q(U8(t.w-1), back, at)
	ADDQ(at, p)
	NEGQ(at)
	for k := range t.w {
		r := GP64()
		MOVQ(at, r)
		SHRQ(U8(whole), r)
		MOVL(r.As32(), local.Offset(4*k))
		ADDQ(inc, at)
	}
	move := func(from, to Op) {
		if t.w == 16 {
			VMOVDQU32(from, to)
		} else {
			VMOVDQU(from, to)
		}
	}
	place := f.vec()
	move(local, place)
	step := GP64()
	MOVQ(inc, step)
	IMUL3Q(U8(t.w), step, step)
	fraction, block := f.vec(), f.vec()
	MOVL(p.As32(), local)
	VPBROADCASTD(local, fraction)
	MOVL(step.As32(), local)
	VPBROADCASTD(local, block)

	top := label("loop")
	Label(top)
	i := GP64()
	MOVQ(p, i)
	SHRQ(U8(32), i)
	ADDQ(step, p)
	index, w0, w1 := f.vec(), f.vec(), f.vec()
	VPSRLD(U8(whole), fraction, w0)
	VPADDD(block, fraction, fraction)
	VPADDD(place, w0, w0)
	VPSRLD(U8(32-whole), w0, index)
	if t.w == 16 {
		VPANDD(low, w0, w0)
	} else {
		VPAND(low, w0, w0)
	}
	VCVTDQ2PS(w0, w0)
	VMULPS(unit, w0, w0)
	hats(w0, w1, rest, one, zero)
	left := f.pick(src, i, 0, index)
	right := f.pick(src, i, 4, index)
	addBlock(f, dst, n, top, w0, left, w1, right)
	f.end()
}

// pick reads the samples at disp bytes after sample i of src, and takes those of index.
func (f *fn) pick(src, i reg.GPVirtual, disp int, index reg.VecVirtual) reg.VecVirtual {
	part := func(k int) Mem { return Mem{Base: src, Index: i, Scale: 4, Disp: disp + 4*f.w*k} }
	if f.w == 16 {
		low, out := f.vec(), f.vec()
		VMOVUPS(part(0), low)
		VMOVDQA32(index, out)
		VPERMI2PS(part(1), low, out)
		return out
	}
	out := f.vec()
	VPERMPS(part(0), index, out)
	return out
}
