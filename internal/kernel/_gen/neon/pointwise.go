package main

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
	chains = 4       // long chains of operations go over so many vectors in turn
)

// pointwise writes the routines over flat slices; see pointwise.go,
// pointwise_act.go and resize.go in package kernel for what they compute.
func pointwise(dir string) error {
	f := newFile("pointwise")
	arithmetic(f)
	rows(f)
	reductions(f)
	activations(f)
	groups(f)
	cells(f)
	moves(f)
	return f.write(dir)
}

// A span is some vectors, or one number, at one place of all the slices.
type span struct {
	width
	k int // vectors
}

func (s span) load(p gp) []vec {
	if s.n == 4 {
		v := s.r.vecs(s.k)
		s.r.ldMany(v, p, 0)
		return v
	}
	return []vec{s.width.load(p, 0)}
}

func (s span) store(v []vec, p gp) {
	if s.n == 4 {
		s.r.stMany(v, p, 0)
	} else {
		s.width.store(v[0], p, 0)
	}
}

// elements writes the loop over n numbers: k vectors at a time, then one by one,
// then numbers. It moves the pointers on and destroys n.
func (r *routine) elements(n gp, k int, pointers []gp, body func(s span)) {
	done := r.label("done")
	for i, s := range []span{{width{r, 4}, k}, {width{r, 4}, 1}, {width{r, 1}, 1}} {
		if i == 1 && k == 1 {
			continue
		}
		count := s.n * s.k
		top, next := r.label("loop"), r.label("next")
		if i == 2 {
			next = done
		}
		r.p("SUBS $%d, %v", count, n)
		r.p("BLT %s", next)
		r.here(top)
		r.scope(func() { body(s) })
		for _, p := range pointers {
			r.add(p, 4*count)
		}
		r.p("SUBS $%d, %v", count, n)
		r.p("BGE %s", top)
		if i < 2 {
			r.here(next)
			r.p("ADDS $%d, %v", count, n)
			r.p("BEQ %s", done)
		}
	}
	r.here(done)
}

// simple writes a routine of the slices dst, x and perhaps y, of the same length.
func simple(f *file, name, sig, doc string, k int, body func(r *routine, s span, dst gp, in []gp)) {
	f.routine(name+"NEON", sig, name+"NEON is "+doc, func(r *routine) {
		var pointers []gp
		for _, arg := range []string{"dst", "x", "y"} {
			if _, ok := r.params[arg+"_base"]; ok {
				pointers = append(pointers, r.ptr(arg))
			}
		}
		n := r.length("dst")
		r.elements(n, k, pointers, func(s span) { body(r, s, pointers[0], pointers[1:]) })
	})
}

func arithmetic(f *file) {
	// each calls op with the vectors of dst, x and y.
	each := func(v []vec, op func(i int, v vec)) {
		for i, v := range v {
			op(i, v)
		}
	}
	simple(f, "add", "(dst, x, y []float32)", "dst = x + y", 4, func(r *routine, s span, d gp, in []gp) {
		v, y := s.load(in[0]), s.load(in[1])
		each(v, func(i int, v vec) { r.fadd(v, v, y[i]) })
		s.store(v, d)
	})
	simple(f, "mul", "(dst, x, y []float32)", "dst = x*y", 4, func(r *routine, s span, d gp, in []gp) {
		v, y := s.load(in[0]), s.load(in[1])
		each(v, func(i int, v vec) { r.fmul(v, v, y[i]) })
		s.store(v, d)
	})
	simple(f, "mulAdd", "(dst, x, y []float32)", "dst += x*y", 4, func(r *routine, s span, d gp, in []gp) {
		v, x, y := s.load(d), s.load(in[0]), s.load(in[1])
		each(v, func(i int, v vec) { r.fmla(v, x[i], y[i]) })
		s.store(v, d)
	})
	simple(f, "halfSquare", "(dst, x []float32)", "dst = x*x/2", 4, func(r *routine, s span, d gp, in []gp) {
		v := s.load(in[0])
		each(v, func(_ int, v vec) {
			t := r.vec()
			r.fmulLane(t, v, r.one(0.5))
			r.fmul(v, v, t)
		})
		s.store(v, d)
	})
	simple(f, "ramp", "(dst, x []float32)", "dst = max(x, 0)", 4, func(r *routine, s span, d gp, in []gp) {
		v := s.load(in[0])
		each(v, func(_ int, v vec) { r.fmax(v, v, r.all(0)) })
		s.store(v, d)
	})

	f.routine("scaleNEON", "(dst, x []float32, k float32)", "scaleNEON is dst = k*x", func(r *routine) {
		d, x, n, k := r.ptr("dst"), r.ptr("x"), r.length("dst"), r.number("k")
		r.elements(n, 4, []gp{d, x}, func(s span) {
			v := s.load(x)
			each(v, func(_ int, v vec) { r.fmul(v, v, k) })
			s.store(v, d)
		})
	})
	f.routine("axpyNEON", "(dst []float32, k float32, x []float32)", "axpyNEON is dst += k*x", func(r *routine) {
		d, x, n, k := r.ptr("dst"), r.ptr("x"), r.length("dst"), r.number("k")
		r.elements(n, 4, []gp{d, x}, func(s span) {
			v, u := s.load(d), s.load(x)
			each(v, func(i int, v vec) { r.fmla(v, u[i], k) })
			s.store(v, d)
		})
	})
	f.routine("blendNEON", "(dst, p, q, r, s []float32, kp, kq, kr, ks float32)", "blendNEON is dst = kp*p + kq*q + kr*r + ks*s", func(r *routine) {
		d, n := r.ptr("dst"), r.length("dst")
		in := []gp{r.ptr("p"), r.ptr("q"), r.ptr("r"), r.ptr("s")}
		by := []vec{r.number("kp"), r.number("kq"), r.number("kr"), r.number("ks")}
		r.elements(n, 2, append([]gp{d}, in...), func(s span) {
			v := s.load(in[0])
			each(v, func(_ int, v vec) { r.fmul(v, v, by[0]) })
			for k := 1; k < 4; k++ {
				u := s.load(in[k])
				each(v, func(i int, v vec) { r.fmla(v, u[i], by[k]) })
			}
			s.store(v, d)
		})
	})
	f.routine("adamStepNEON", "(w, g, m, v []float32, k *float32)", "adamStepNEON is one update of Adam", func(r *routine) {
		w, g, m, v, n, k := r.ptr("w"), r.ptr("g"), r.ptr("m"), r.ptr("v"), r.length("w"), r.arg("k")
		var c [7]vec // b1, a1, b2, a2, lr, c2, eps
		for i := range c {
			c[i] = r.constant()
			r.lds(c[i], k, 4*i)
			r.dup(c[i], lane{c[i], 0})
		}
		r.elements(n, 1, []gp{w, g, m, v}, func(s span) {
			gi, mi, vi, wi := s.load(g), s.load(m), s.load(v), s.load(w)
			each(gi, func(i int, g vec) {
				m, v, w := mi[i], vi[i], wi[i]
				r.fmul(m, m, c[0])
				r.fmla(m, g, c[1])
				r.fmul(g, g, g)
				r.fmul(v, v, c[2])
				r.fmla(v, g, c[3])
				t, u := r.vec(), r.vec()
				r.fmul(t, v, c[5])
				r.fsqrt(t, t)
				r.fadd(t, t, c[6])
				r.fmul(u, m, c[4])
				r.fdiv(u, u, t)
				r.fsub(w, w, u)
			})
			s.store(mi, m)
			s.store(vi, v)
			s.store(wi, w)
		})
	})
}

// rows writes the routines that combine rows with one value a channel.
func rows(f *file) {
	for _, op := range []struct {
		name, vector, doc string
		with              func(r *routine, v, b vec)
	}{
		{"addBias", "b", "dst[i] = x[i] + b[i%len(b)]", func(r *routine, v, b vec) { r.fadd(v, v, b) }},
		{"mulChannel", "c", "dst[i] = x[i]*c[i%len(c)]", func(r *routine, v, b vec) { r.fmul(v, v, b) }},
	} {
		f.routine(op.name+"NEON", "(dst, x, "+op.vector+" []float32)", op.name+"NEON is "+op.doc, func(r *routine) {
			d, x, b, n, c := r.ptr("dst"), r.ptr("x"), r.ptr(op.vector), r.length("dst"), r.length(op.vector)
			row, left, top, end := r.gp(), r.gp(), r.label("row"), r.label("end")
			r.p("CBZ %v, %s", n, end)
			r.here(top)
			r.mov(b, row)
			r.mov(c, left)
			r.elements(left, 4, []gp{d, x, row}, func(s span) {
				v, u := s.load(x), s.load(row)
				for i := range v {
					op.with(r, v[i], u[i])
				}
				s.store(v, d)
			})
			r.p("SUBS %v, %v", c, n)
			r.p("BNE %s", top)
			r.here(end)
		})
	}

	f.routine("channelSumNEON", "(dst *float64, x *float32, rows, stride int)",
		"channelSumNEON is dst[c] += the sum over rows of x[row*stride+c], for 16 channels", func(r *routine) {
			d, x, n, stride := r.arg("dst"), r.arg("x"), r.arg("rows"), r.bytes("stride")
			acc, v, t := r.vecs(8), r.vecs(4), r.vec()
			r.ldMany(acc, d, 0)
			r.repeat(n, func() {
				r.ldMany(v, x, 0)
				for i, v := range v {
					r.fcvtl(t, v)
					r.fadd2(acc[2*i], acc[2*i], t)
					r.fcvtl2(t, v)
					r.fadd2(acc[2*i+1], acc[2*i+1], t)
				}
				r.add(x, stride)
			})
			r.stMany(acc, d, 0)
		})
}

// Arithmetic of two numbers in float64.

func (r *routine) fcvtl(d, a vec)    { r.two(0x0e617800, "FCVTL.2D.2S", d, a) }
func (r *routine) fcvtl2(d, a vec)   { r.two(0x4e617800, "FCVTL2.2D.4S", d, a) }
func (r *routine) fadd2(d, a, b vec) { r.three2(0x4e60d400, "FADD", d, a, b) }
func (r *routine) fsub2(d, a, b vec) { r.three2(0x4ee0d400, "FSUB", d, a, b) }
func (r *routine) fmul2(d, a, b vec) { r.three2(0x6e60dc00, "FMUL", d, a, b) }
func (r *routine) fmla2(d, a, b vec) { r.three2(0x4e60cc00, "FMLA", d, a, b) }
func (r *routine) fabs2(d, a vec)    { r.two(0x4ee0f800, "FABS.2D", d, a) }

func (r *routine) three2(code uint32, name string, d, a, b vec) {
	r.word(code|uint32(b)<<16|uint32(a)<<5|uint32(d), "%s V%d.2D, V%d.2D, V%d.2D", name, int(d), int(a), int(b))
}

// reductions writes the sums of 16 interleaved lanes; lengths are multiples of 16.
func reductions(f *file) {
	for _, sum := range []struct {
		name, doc string
		op        func(r *routine, acc, x, y vec)
	}{
		{"dot", "sum[i%16] += x[i]*y[i]", func(r *routine, acc, x, y vec) { r.fmla2(acc, x, y) }}, // the product is exact in float64
		{"squaredError", "sum[i%16] += (x[i]-y[i])*(x[i]-y[i])", func(r *routine, acc, x, y vec) {
			r.fsub2(x, x, y)
			r.fmul2(x, x, x)
			r.fadd2(acc, acc, x)
		}},
		{"absError", "sum[i%16] += |x[i]-y[i]|", func(r *routine, acc, x, y vec) {
			r.fsub2(x, x, y)
			r.fabs2(x, x)
			r.fadd2(acc, acc, x)
		}},
	} {
		f.routine(sum.name+"NEON", "(sum *float64, x, y []float32)", sum.name+"NEON is "+sum.doc, func(r *routine) {
			d, x, y, n := r.arg("sum"), r.ptr("x"), r.ptr("y"), r.length("x")
			acc, u, v := r.vecs(8), r.vecs(4), r.vecs(4)
			r.ldMany(acc, d, 0)
			r.p("LSR $4, %v, %v", n, n)
			r.repeat(n, func() {
				r.ldMany(u, x, 0)
				r.ldMany(v, y, 0)
				for i := range u {
					r.scope(func() {
						a, b := r.vec(), r.vec()
						r.fcvtl(a, u[i])
						r.fcvtl(b, v[i])
						sum.op(r, acc[2*i], a, b)
						r.fcvtl2(a, u[i])
						r.fcvtl2(b, v[i])
						sum.op(r, acc[2*i+1], a, b)
					})
				}
				r.add(x, 64)
				r.add(y, 64)
			})
			r.stMany(acc, d, 0)
		})
	}
}

// horner is the polynomial of x with the coefficients c, highest first, in new
// registers.
func (r *routine) horner(x []vec, c []float64) []vec {
	p, next := r.vecs(len(x)), r.vecs(len(x))
	for i, v := range x { // the first two
		r.load(p[i], c[1])
		r.fmlaLane(p[i], v, r.one(c[0]))
	}
	for _, k := range c[2:] {
		for i := range x {
			r.load(next[i], k)
		}
		for i, v := range x {
			r.fmla(next[i], p[i], v)
		}
		p, next = next, p
	}
	for _, v := range next {
		r.vecUsed[v] = false
	}
	return p
}

// exp is exp(x) for x in [-87, 88], in new registers; it destroys x. With bias 127
// the power of two is made in one step; with 126 it is half of it, and the result is
// right up to the largest float32 and 0 below the smallest.
func (r *routine) exp(x []vec, bias float64) []vec {
	m := r.vecs(len(x))
	for i, v := range x {
		r.movv(m[i], r.all(magic+bias))
		r.fmlaLane(m[i], v, r.one(log2e))
	}
	r.scope(func() {
		n := r.vecs(len(x))
		for i, v := range x {
			r.fsub(n[i], m[i], r.all(magic+bias))
			r.fmlsLane(v, n[i], r.one(ln2Hi))
			r.fmlsLane(v, n[i], r.one(ln2Lo))
		}
	})
	p := r.horner(x, expPoly)
	for i, p := range p {
		r.shl(m[i], m[i], 23)
		if bias == 126 {
			r.fadd(p, p, p)
		}
		r.fmul(p, p, m[i])
	}
	return p
}

func (r *routine) shl(d, a vec, n int)  { r.p("VSHL $%d, %s, %s", n, a.s4(), d.s4()) }
func (r *routine) ushr(d, a vec, n int) { r.p("VUSHR $%d, %s, %s", n, a.s4(), d.s4()) }
func (r *routine) and(d, a, b vec)      { r.p("VAND %s, %s, %s", b.b16(), a.b16(), d.b16()) }
func (r *routine) or(d, a, b vec)       { r.p("VORR %s, %s, %s", b.b16(), a.b16(), d.b16()) }

// choose sets mask to a where its bits are 1 and to b where they are 0.
func (r *routine) choose(mask, a, b vec) { r.p("VBSL %s, %s, %s", b.b16(), a.b16(), mask.b16()) }

// log1p is log(1+t) for t in [0,1], in new registers.
func (r *routine) log1p(t []vec) []vec {
	p := r.horner(t, log1pPoly)
	for i, p := range p {
		r.fmul(p, p, t[i])
	}
	return p
}

const signBit = 1 << 31

// decay is 2^-|v|, the exponent no less than floor2, in new registers; it destroys v.
func (r *routine) decay(v []vec) []vec {
	m := r.vecs(len(v))
	for i, v := range v {
		r.or(v, v, r.allBits(signBit))
		r.fmax(v, v, r.all(floor2))
		r.fadd(m[i], v, r.all(magic+127))
	}
	r.scope(func() {
		n := r.vecs(len(v))
		for i, v := range v {
			r.fsub(n[i], m[i], r.all(magic+127))
			r.fsub(v, v, n[i])
		}
	})
	p := r.horner(v, exp2Poly)
	for i, p := range p {
		r.shl(m[i], m[i], 23)
		r.fmul(p, p, m[i])
	}
	for _, v := range m {
		r.vecUsed[v] = false
	}
	return p
}

// activation writes one in three variants: name stores its value z and its slope s,
// nameZ and nameS one of them. z and s are -1 where they are not wanted.
func activation(f *file, name, args, doc string, body func(r *routine, n, x, z, s gp)) {
	for _, variant := range []string{"", "Z", "S"} {
		list := map[string]string{"": "z, s, x", "Z": "z, x", "S": "s, x"}[variant]
		name := name + variant + "NEON"
		f.routine(name, "("+list+" []float32"+args+")", name+" is "+doc, func(r *routine) {
			z, s := gp(-1), gp(-1)
			if variant != "S" {
				z = r.ptr("z")
			}
			if variant != "Z" {
				s = r.ptr("s")
			}
			x, n := r.ptr("x"), r.length("x")
			body(r, n, x, z, s)
		})
	}
}

// wanted is the pointers that are not -1.
func wanted(p ...gp) (w []gp) {
	for _, g := range p {
		if g >= 0 {
			w = append(w, g)
		}
	}
	return w
}

func activations(f *file) {
	simple(f, "exp", "(dst, x []float32)", "dst = exp(x)", chains, func(r *routine, s span, d gp, in []gp) {
		v := s.load(in[0])
		for _, v := range v {
			r.fmax(v, v, r.all(-87.34))
			r.fmin(v, v, r.all(89))
		}
		s.store(r.exp(v, 126), d)
	})

	activation(f, "softplus", ", bias *float32, period int, scale, inv float32", "z = log(1+2^(scale*v))*inv, s = 1/(1+2^(-scale*v)) of v = x+bias, bias repeating after period floats, a multiple of biasStep", func(r *routine, n, x, z, s gp) {
		bias, period := r.arg("bias"), r.arg("period")
		r.p("ADD %v<<2, %v, %v", period, bias, period)
		b := r.copy(bias)
		scale := r.number("scale")
		var inv vec
		if z >= 0 {
			inv = r.number("inv")
		}
		r.elements(n, chains, wanted(x, z, s), func(sp span) {
			x0 := sp.load(x)
			r.scope(func() {
				by := sp.load(b)
				for i, v := range x0 {
					r.fadd(v, v, by[i])
				}
			})
			r.add(b, sp.bytes()*len(x0))
			r.p("CMP %v, %v", period, b)
			r.p("CSEL EQ, %v, %v, %v", bias, b, b)
			v := r.vecs(len(x0))
			for i := range v {
				r.fmul(v[i], x0[i], scale)
			}
			e := r.decay(v)
			for _, v := range v {
				r.vecUsed[v] = false
			}
			if s >= 0 {
				r.scope(func() {
					num := r.vecs(len(e))
					den := r.vec()
					for i, e := range e {
						r.fadd(den, e, r.all(1))
						r.cmlt0(num[i], x0[i])
						r.choose(num[i], e, r.all(1))
						r.fdiv(num[i], num[i], den)
					}
					sp.store(num, s)
				})
			}
			if z >= 0 {
				p := r.log1p(e)
				for i, v := range x0 {
					r.fmax(v, v, r.all(0))
					r.fmla(v, p[i], inv)
				}
				sp.store(x0, z)
			}
		})
	})

	f.routine("softplusD2NEON", "(dst, x []float32, scale, beta float32)", "softplusD2NEON is dst = beta*s*(1-s), s = 1/(1+2^(-scale*x))", func(r *routine) {
		d, x, n := r.ptr("dst"), r.ptr("x"), r.length("dst")
		scale, beta := r.number("scale"), r.number("beta")
		r.elements(n, chains, []gp{d, x}, func(s span) {
			v := s.load(x)
			for _, v := range v {
				r.fmul(v, v, scale)
			}
			e, den := r.decay(v), r.vec()
			for _, e := range e {
				r.fadd(den, e, r.all(1))
				r.fmul(den, den, den)
				r.fmul(e, e, beta)
				r.fdiv(e, e, den)
			}
			s.store(e, d)
		})
	})

	activation(f, "hardGate", "", "s = clamp(x/2+1/2, 0, 1), z = s*s + max(x-1, 0)", func(r *routine, n, x, z, s gp) {
		r.elements(n, chains, wanted(x, z, s), func(sp span) {
			v := sp.load(x)
			h := r.vecs(len(v))
			for i, v := range v {
				r.movv(h[i], r.all(0.5))
				r.fmlaLane(h[i], v, lane{r.all(0.5), 0})
				r.fmax(h[i], h[i], r.all(0))
				r.fmin(h[i], h[i], r.all(1))
			}
			if s >= 0 {
				sp.store(h, s)
			}
			if z >= 0 {
				for i, v := range v {
					r.fsub(v, v, r.all(1))
					r.fmax(v, v, r.all(0))
					r.fmla(v, h[i], h[i])
				}
				sp.store(v, z)
			}
		})
	})

	activation(f, "huber", ", threshold float32", "s = clamp(x, -threshold, threshold), z = s*(x - s/2)", func(r *routine, n, x, z, s gp) {
		hi, lo := r.number("threshold"), r.constant()
		r.fneg(lo, hi)
		r.elements(n, chains, wanted(x, z, s), func(sp span) {
			v := sp.load(x)
			h := r.vecs(len(v))
			for i, v := range v {
				r.fmax(h[i], v, lo)
				r.fmin(h[i], h[i], hi)
			}
			if s >= 0 {
				sp.store(h, s)
			}
			if z >= 0 {
				for i, v := range v {
					r.plus(v, -0.5, h[i])
					r.fmul(v, v, h[i])
				}
				sp.store(v, z)
			}
		})
	})

	simple(f, "hardGateD2", "(dst, x []float32)", "dst = 1/2 on (-1,1), else 0", chains, func(r *routine, s span, d gp, in []gp) {
		v := s.load(in[0])
		for _, v := range v {
			r.scope(func() {
				a, ok := r.vec(), r.vec()
				r.fabs(a, v)
				r.fcmgt(a, r.all(1), a)
				r.and(a, a, r.all(0.5))
				r.fcmeq(ok, v, v) // not if v is NaN, which stays
				r.choose(ok, a, v)
				r.movv(v, ok)
			})
		}
		s.store(v, d)
	})
}

// fold combines the 16 numbers of v with op, and with pairs the neighbours in a
// vector; the result is in every lane of a new register.
func (r *routine) fold(v []vec, op, pairs func(d, a, b vec)) vec {
	d := r.vec()
	r.scope(func() {
		t := r.vec()
		op(d, v[0], v[1])
		op(t, v[2], v[3])
		op(d, d, t)
	})
	pairs(d, d, d)
	pairs(d, d, d)
	return d
}

// groups writes the routines over runs of 16 channels.
func groups(f *file) {
	f.routine("expand16NEON", "(dst, x []float32)", "expand16NEON is dst[i] = x[i/16]", func(r *routine) {
		d, x, n, v := r.ptr("dst"), r.ptr("x"), r.length("x"), r.vec()
		r.repeat(n, func() {
			r.p("FMOVS.P 4(%v), %s", x, v.f())
			r.dup(v, lane{v, 0})
			r.stMany([]vec{v, v, v, v}, d, 0)
			r.add(d, 64)
		})
	})
	f.routine("expandMul16NEON", "(dst, s, v []float32)", "expandMul16NEON is dst[i] = s[i]*v[i/16]", func(r *routine) {
		d, s, x, n := r.ptr("dst"), r.ptr("s"), r.ptr("v"), r.length("v")
		v, k := r.vecs(4), r.vec()
		r.repeat(n, func() {
			r.p("FMOVS.P 4(%v), %s", x, k.f())
			r.ldMany(v, s, 0)
			for _, v := range v {
				r.fmulLane(v, v, lane{k, 0})
			}
			r.stMany(v, d, 0)
			r.add(s, 64)
			r.add(d, 64)
		})
	})
	f.routine("groupSum16NEON", "(dst, x []float32)", "groupSum16NEON is dst[j] = the sum of x[16*j:16*j+16]", func(r *routine) {
		d, x, n, v := r.ptr("dst"), r.ptr("x"), r.length("dst"), r.vecs(4)
		r.repeat(n, func() {
			r.scope(func() {
				r.ldMany(v, x, 0)
				sum := r.fold(v, r.fadd, r.faddp)
				r.p("FMOVS.P %s, 4(%v)", sum.f(), d)
				r.add(x, 64)
			})
		})
	})
	f.routine("softmaxGrad16NEON", "(dst, s, g []float32)", "softmaxGrad16NEON is dst = s*(g - sum(g*s)) over runs of 16", func(r *routine) {
		d, s, g, n := r.ptr("dst"), r.ptr("s"), r.ptr("g"), r.length("dst")
		r.p("LSR $4, %v, %v", n, n)
		p, q, v := r.vecs(4), r.vecs(4), r.vecs(4)
		r.repeat(n, func() {
			r.scope(func() {
				r.ldMany(p, s, 0)
				r.ldMany(q, g, 0)
				for i := range v {
					r.fmul(v[i], p[i], q[i])
				}
				sum := r.fold(v, r.fadd, r.faddp)
				for i := range v {
					r.fsub(q[i], q[i], sum)
					r.fmul(q[i], q[i], p[i])
				}
				r.stMany(q, d, 0)
				for _, p := range []gp{s, g, d} {
					r.add(p, 64)
				}
			})
		})
	})

	for _, variant := range []struct {
		name, args string
		z, s       bool
	}{{"logSumExp16", "z, s, x", true, true}, {"logSumExpZ16", "z, x", true, false}, {"softmax16", "s, x", false, true}} {
		name := variant.name + "NEON"
		f.routine(name, "("+variant.args+" []float32)", name+" is z = log(sum(exp(x))), s = exp(x-z) over runs of 16", func(r *routine) {
			var z, s gp
			if variant.z {
				z = r.ptr("z")
			}
			if variant.s {
				s = r.ptr("s")
			}
			x, n := r.ptr("x"), r.length("x")
			r.p("LSR $4, %v, %v", n, n)
			// softmax does one run, and keeps its largest number and its sum.
			softmax := func(keep func(top, sum vec)) {
				r.scope(func() {
					v := r.vecs(4)
					r.ldMany(v, x, 0)
					r.add(x, 64)
					top := r.fold(v, r.fmax, r.fmaxp)
					for _, v := range v {
						r.fsub(v, v, top)
						r.fmax(v, v, r.all(floor))
					}
					e := r.exp(v, 127)
					sum := r.fold(e, r.fadd, r.faddp)
					if variant.s {
						k := r.vec()
						r.fdiv(k, r.all(1), sum)
						for _, e := range e {
							r.fmul(e, e, k)
						}
						r.stMany(e, s, 0)
						r.add(s, 64)
					}
					keep(top, sum)
				})
			}
			if !variant.z {
				r.repeat(n, func() { softmax(func(top, sum vec) {}) })
				return
			}
			// Four runs share their logarithms.
			tops, sums := r.vec(), r.vec()
			end := r.label("end")
			for _, k := range []int{4, 1} {
				top, next := r.label("runs"), r.label("next")
				r.here(top)
				r.p("SUBS $%d, %v", k, n)
				r.p("BLT %s", next)
				for i := range k {
					softmax(func(top, sum vec) {
						r.p("VMOV V%d.S[0], V%d.S[%d]", int(top), int(tops), i)
						r.p("VMOV V%d.S[0], V%d.S[%d]", int(sum), int(sums), i)
					})
				}
				r.scope(func() {
					// log(sum) = e*log(2) + log(1+t), sum = 2^e (1+t)
					e, t := r.vec(), r.vec()
					r.ushr(e, sums, 23)
					r.scvtf(e, e)
					r.fsub(e, e, r.all(127))
					r.and(t, sums, r.allBits(0x7fffff))
					r.or(t, t, r.all(1))
					r.fsub(t, t, r.all(1))
					p := r.log1p([]vec{t})[0]
					r.plus(p, 0.6931471805599453, e)
					r.fsub(t, sums, sums) // 0, or NaN
					r.fadd(p, p, t)
					r.fadd(p, p, tops)
					if k == 4 {
						r.stq(p, z, 0)
					} else {
						r.sts(p, z, 0)
					}
					r.add(z, 4*k)
				})
				r.p("JMP %s", top)
				r.here(next)
				r.p("ADDS $%d, %v", k, n)
				r.p("BEQ %s", end)
			}
			r.here(end)
		})
	}
}

// cells writes 2x2 pooling of rows of c channels, c a multiple of 4.
func cells(f *file) {
	f.routine("avgPoolRowNEON", "(dst, a, b []float32, c int)", "avgPoolRowNEON is dst = the mean of the 2x2 cells of the rows a and b", func(r *routine) {
		d, a, b, n, c := r.ptr("dst"), r.ptr("a"), r.ptr("b"), r.length("dst"), r.bytes("c")
		left, w := r.gp(), width{r, 4}
		top, inner, done := r.label("pixel"), r.label("inner"), r.label("done")
		r.p("CBZ %v, %s", n, done)
		r.here(top)
		r.mov(c, left)
		r.here(inner)
		r.scope(func() {
			u, v := w.load(a, 0), w.load(b, 0)
			r.fadd(u, u, w.loadAt(a, c))
			r.fadd(v, v, w.loadAt(b, c))
			r.fadd(u, u, v)
			r.scaled(u, 0.25)
			w.store(u, d, 0)
		})
		for _, p := range []gp{d, a, b} {
			r.add(p, 16)
		}
		r.sub(n, 4)
		r.p("SUBS $16, %v", left)
		r.p("BNE %s", inner)
		r.add(a, c)
		r.add(b, c)
		r.p("CBNZ %v, %s", n, top)
		r.here(done)
	})
	f.routine("avgPoolTRowNEON", "(a, b, x []float32, c int)", "avgPoolTRowNEON is the 2x2 cells of the rows a and b = x/4", func(r *routine) {
		a, b, x, n, c := r.ptr("a"), r.ptr("b"), r.ptr("x"), r.length("x"), r.bytes("c")
		left, w := r.gp(), width{r, 4}
		top, inner, done := r.label("pixel"), r.label("inner"), r.label("done")
		r.p("CBZ %v, %s", n, done)
		r.here(top)
		r.mov(c, left)
		r.here(inner)
		r.scope(func() {
			u := w.load(x, 0)
			r.scaled(u, 0.25)
			for _, p := range []gp{a, b} {
				w.store(u, p, 0)
				w.storeAt(u, p, c)
			}
		})
		for _, p := range []gp{x, a, b} {
			r.add(p, 16)
		}
		r.sub(n, 4)
		r.p("SUBS $16, %v", left)
		r.p("BNE %s", inner)
		r.add(a, c)
		r.add(b, c)
		r.p("CBNZ %v, %s", n, top)
		r.here(done)
	})
}

// turn is the transpose of the 4x4 numbers of x, in new registers.
func (r *routine) turn(x []vec) []vec {
	zip := func(a, b vec) (lo, hi vec) {
		lo, hi = r.vec(), r.vec()
		r.p("VZIP1 %s, %s, %s", b.s4(), a.s4(), lo.s4())
		r.p("VZIP2 %s, %s, %s", b.s4(), a.s4(), hi.s4())
		return lo, hi
	}
	a, b := zip(x[0], x[2])
	c, d := zip(x[1], x[3])
	y0, y1 := zip(a, c)
	y2, y3 := zip(b, d)
	return []vec{y0, y1, y2, y3}
}

// moves writes the routines that reorder and interpolate numbers.
func moves(f *file) {
	f.routine("transpose4NEON", "(dst, x *float32, blocks, dstPitch, xPitch int)", "transpose4NEON turns 4 rows of 4*blocks columns into rows of 4", func(r *routine) {
		d, x, n, dp, xp := r.arg("dst"), r.arg("x"), r.arg("blocks"), r.bytes("dstPitch"), r.bytes("xPitch")
		w := width{r, 4}
		from, to := r.multiples(xp, 4), r.multiples(dp, 4)
		r.repeat(n, func() {
			r.scope(func() {
				var v []vec
				for i := range 4 {
					v = append(v, w.loadStep(x, from, i))
				}
				for i, v := range r.turn(v) {
					w.storeStep(v, d, to, i)
				}
			})
			r.add(x, 16)
			r.p("ADD %v<<2, %v, %v", dp, d, d)
		})
	})
	for _, inverse := range []bool{false, true} {
		name, doc := "spaceToDepth2NEON", "turns the 2x2 blocks of the rows a and b into pixels of d"
		if inverse {
			name, doc = "depthToSpace2NEON", "is the inverse of spaceToDepth2NEON: it reads d and writes a and b"
		}
		f.routine(name, "(d, a, b *float32, pixels, c int)", name+" "+doc, func(r *routine) {
			d, a, b, n, c := r.arg("d"), r.arg("a"), r.arg("b"), r.arg("pixels"), r.bytes("c")
			w, left, inner := width{r, 4}, r.gp(), r.label("inner")
			r.repeat(n, func() {
				r.mov(c, left)
				r.here(inner)
				r.scope(func() {
					if inverse {
						v := r.vecs(4)
						r.ldMany(v, d, 0)
						v = r.turn(v)
						w.store(v[0], a, 0)
						w.storeAt(v[1], a, c)
						w.store(v[2], b, 0)
						w.storeAt(v[3], b, c)
					} else {
						v := []vec{w.load(a, 0), w.loadAt(a, c), w.load(b, 0), w.loadAt(b, c)}
						r.stMany(r.turn(v), d, 0)
					}
				})
				r.add(d, 64)
				r.add(a, 16)
				r.add(b, 16)
				r.p("SUBS $16, %v", left)
				r.p("BNE %s", inner)
				r.add(a, c)
				r.add(b, c)
			})
		})
	}
	f.routine("interpolateNEON", "(dst, src *float32, blocks int, p, inc int64, slope float32)",
		"interpolateNEON adds src at the places p, p+inc, ... in units of 2^-32 to 4*blocks elements of dst; see Interpolate", func(r *routine) {
			dst, src, n, p, inc := r.arg("dst"), r.arg("src"), r.arg("blocks"), r.arg("p"), r.arg("inc")
			slope, rest := r.number("slope"), r.constant()
			r.fsub(rest, r.all(1), slope)
			// The fractions of the four places, and what four steps add.
			fraction, four, i := r.vec(), r.vec(), r.copy(p)
			for k := range 4 {
				r.p("VMOV %v, V%d.S[%d]", i, int(fraction), k)
				r.add(i, inc)
			}
			r.p("LSL $2, %v, %v", inc, i)
			r.p("VDUP %v, %s", i, four.s4())
			r.repeat(n, func() {
				r.scope(func() {
					x := r.vecs(4)
					for _, v := range x {
						r.p("ASR $32, %v, %v", p, i)
						r.add(p, inc)
						r.p("ADD %v<<2, %v, %v", i, src, i)
						r.p("FMOVD (%v), %s", i, v.f())
					}
					pairs := func(op string, a, b vec, lanes string) vec {
						d := r.vec()
						r.p("%s V%d.%s, V%d.%s, V%d.%s", op, int(b), lanes, int(a), lanes, int(d), lanes)
						return d
					}
					a, b := pairs("VZIP1", x[0], x[1], "S4"), pairs("VZIP1", x[2], x[3], "S4")
					left, right := pairs("VZIP1", a, b, "D2"), pairs("VZIP2", a, b, "D2")
					w0, w1, sum := r.vec(), r.vec(), r.vec()
					r.ushr(w0, fraction, 8)
					r.p("VADD %s, %s, %s", four.s4(), fraction.s4(), fraction.s4())
					r.scvtf(w0, w0)
					r.scaled(w0, 1./(1<<24))
					r.fmul(w0, w0, slope)
					r.fadd(w1, w0, rest)
					r.fsub(w0, r.all(1), w0)
					r.fmax(w0, w0, r.all(0))
					r.fmax(w1, w1, r.all(0))
					r.ldq(sum, dst, 0)
					r.fmla(sum, left, w0)
					r.fmla(sum, right, w1)
					r.stq(sum, dst, 0)
					r.add(dst, 16)
				})
			})
		})
}
