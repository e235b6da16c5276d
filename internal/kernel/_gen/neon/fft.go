package main

import (
	"fmt"
	"math"
)

const (
	part  = 64       // bytes of the real (or imaginary) parts of a point
	point = 2 * part // bytes of a point
)

// fft writes the passes of the Fourier transforms on 16 interleaved signals, and the
// moves between arrays and blocks; see fft.go, fftblock.go and dct.go in package
// kernel for what they compute.
func fft(dir string) error {
	f := newFile("fft")
	for _, n := range []int{2, 3, 4, 5, 8} {
		pass(f, n, true)
		pass(f, n, false)
	}
	passOdd(f)
	columns(f)
	transposed(f)
	spectra(f)
	complexProducts(f)
	return f.write(dir)
}

// cpx is a vector of complex numbers, the parts apart.
type cpx struct{ re, im vec }

func (r *routine) cpx() cpx { return cpx{r.vec(), r.vec()} }

func (r *routine) cload(p gp, off int) cpx {
	z := r.cpx()
	r.ldq(z.re, p, off)
	r.ldq(z.im, p, off+part)
	return z
}

func (r *routine) cstore(z cpx, p gp, off int) {
	r.stq(z.re, p, off)
	r.stq(z.im, p, off+part)
}

// ctimes is z times the complex number of two lanes, in new registers.
func (r *routine) ctimes(z cpx, re, im lane) cpx {
	p := r.cpx()
	r.fmulLane(p.re, z.re, re)
	r.fmlsLane(p.re, z.im, im)
	r.fmulLane(p.im, z.im, re)
	r.fmlaLane(p.im, z.re, im)
	return p
}

// join is a+b and a-b, in new registers.
func (r *routine) join(a, b cpx) (sum, diff cpx) {
	sum, diff = r.cpx(), r.cpx()
	r.fadd(sum.re, a.re, b.re)
	r.fadd(sum.im, a.im, b.im)
	r.fsub(diff.re, a.re, b.re)
	r.fsub(diff.im, a.im, b.im)
	return sum, diff
}

// joinI is a-ib and a+ib.
func (r *routine) joinI(a, b cpx) (minus, plus cpx) {
	minus, plus = r.cpx(), r.cpx()
	r.fadd(minus.re, a.re, b.im)
	r.fsub(minus.im, a.im, b.re)
	r.fsub(plus.re, a.re, b.im)
	r.fadd(plus.im, a.im, b.re)
	return minus, plus
}

// free gives back registers.
func (r *routine) free(z ...cpx) {
	for _, z := range z {
		r.vecUsed[z.re], r.vecUsed[z.im] = false, false
	}
}

// quarters calls body for each vector of the 16 lanes, with its offset in a part.
func (r *routine) quarters(body func(off int)) {
	for off := 0; off < part; off += 16 {
		r.scope(func() { body(off) })
	}
}

// pass writes the pass of radix n; without twiddle factors if first (m = 1).
func pass(f *file, n int, first bool) {
	if first {
		name := fmt.Sprintf("fftPass%dFirstNEON", n)
		f.routine(name, "(d *float32, blocks int)", fmt.Sprintf("%s is the pass of radix %d that comes first", name, n), func(r *routine) {
			d, blocks := r.arg("d"), r.arg("blocks")
			r.repeat(blocks, func() {
				r.quarters(func(off int) {
					x := make([]cpx, n)
					for j := range x {
						x[j] = r.cload(d, off+j*point)
					}
					for q, z := range r.butterfly(x) {
						r.cstore(z, d, off+q*point)
					}
				})
				r.add(d, n*point)
			})
		})
		return
	}
	name := fmt.Sprintf("fftPass%dNEON", n)
	f.routine(name, "(d, tw *float32, m, blocks int)", fmt.Sprintf("%s is the pass of radix %d", name, n), func(r *routine) {
		tw, m, blocks := r.arg("tw"), r.arg("m"), r.arg("blocks")
		step, k, w := r.gp(), r.gp(), r.gp()
		r.p("LSL $7, %v, %v", m, step)
		p := make([]gp, n) // the points
		for j := range p {
			if p[j] = r.gp(); j == 0 {
				r.argTo(p[0], "d")
			} else {
				r.p("ADD %v, %v, %v", step, p[j-1], p[j])
			}
		}
		r.p("MOVD $%d, %v", n-1, w)
		r.p("MUL %v, %v, %v", w, step, step) // from a block's end to the next
		factors := r.vecs((2*(n-1) + 3) / 4)
		factor := func(i int) lane { return lane{factors[i/4], i % 4} }
		r.repeat(blocks, func() {
			r.mov(m, k)
			r.mov(tw, w)
			r.repeat(k, func() {
				for i, v := range factors {
					r.row(v, w, min(4, 2*(n-1)-4*i))
					r.add(w, 4*min(4, 2*(n-1)-4*i))
				}
				r.quarters(func(off int) {
					x := make([]cpx, n)
					for j := range x {
						x[j] = r.cload(p[j], off)
						if j > 0 {
							z := r.ctimes(x[j], factor(2*j-2), factor(2*j-1))
							r.free(x[j])
							x[j] = z
						}
					}
					for q, z := range r.butterfly(x) {
						r.cstore(z, p[q], off)
					}
				})
				for _, p := range p {
					r.add(p, point)
				}
			})
			for _, p := range p {
				r.add(p, step)
			}
		})
	})
}

// butterfly transforms len(x) points; it may spoil x.
func (r *routine) butterfly(x []cpx) []cpx {
	switch len(x) {
	case 2:
		a, b := r.join(x[0], x[1])
		return []cpx{a, b}
	case 3:
		sum, v := r.join(x[1], x[2])
		u := cpx{r.sum(x[0].re, -0.5, sum.re), r.sum(x[0].im, -0.5, sum.im)}
		r.scaled(v.re, math.Sqrt(3)/2)
		r.scaled(v.im, math.Sqrt(3)/2)
		r.fadd(x[0].re, x[0].re, sum.re)
		r.fadd(x[0].im, x[0].im, sum.im)
		minus, plus := r.joinI(u, v)
		return []cpx{x[0], minus, plus}
	case 4:
		e, f := r.join(x[0], x[2])
		r.free(x[0], x[2])
		g, h := r.join(x[1], x[3])
		r.free(x[1], x[3])
		y0, y2 := r.join(e, g)
		r.free(e, g)
		y1, y3 := r.joinI(f, h)
		r.free(f, h)
		return []cpx{y0, y1, y2, y3}
	case 5:
		return r.butterfly5(x)
	}
	// Of eight, a is the transform of the even points and b of the odd ones: point q
	// is a + exp(-pi i q/4) b, point q+4 the difference.
	a := r.butterfly([]cpx{x[0], x[2], x[4], x[6]})
	b := r.butterfly([]cpx{x[1], x[3], x[5], x[7]})
	y := make([]cpx, 8)
	for q, z := range a {
		switch q {
		case 0:
			y[0], y[4] = r.join(z, b[0])
		case 2:
			y[2], y[6] = r.joinI(z, b[2])
		default:
			// With t = (re+im, im-re) of b, point 1 has a+ht; with t = (im-re,
			// im+re), point 3 has a+h conj(t).
			sum, diff := r.vec(), r.vec()
			r.fadd(sum, b[q].re, b[q].im)
			r.fsub(diff, b[q].im, b[q].re)
			r.free(b[q])
			h, t := math.Sqrt(0.5), cpx{sum, diff}
			sign := 1.
			if q == 3 {
				t, sign = cpx{diff, sum}, -1
			}
			y[q+4] = cpx{r.sum(z.re, -h, t.re), r.sum(z.im, -sign*h, t.im)}
			r.plus(z.re, h, t.re)
			r.plus(z.im, sign*h, t.im)
			y[q] = z
			r.free(t)
			continue
		}
		r.free(z, b[q])
	}
	return y
}

func (r *routine) butterfly5(x []cpx) []cpx {
	e, f := r.join(x[1], x[4])
	r.free(x[1], x[4])
	g, h := r.join(x[2], x[3])
	r.free(x[2], x[3])
	c1, c2 := math.Cos(2*math.Pi/5), math.Cos(4*math.Pi/5)
	s1, s2 := math.Sin(2*math.Pi/5), math.Sin(4*math.Pi/5)
	u := cpx{r.sum(x[0].re, c1, e.re, c2, g.re), r.sum(x[0].im, c1, e.im, c2, g.im)}
	v := cpx{r.sum(x[0].re, c2, e.re, c1, g.re), r.sum(x[0].im, c2, e.im, c1, g.im)}
	for _, z := range []cpx{e, g} {
		r.fadd(x[0].re, x[0].re, z.re)
		r.fadd(x[0].im, x[0].im, z.im)
	}
	r.free(e, g)
	turned := func(a float64, y cpx, b float64, z cpx) cpx { // ay+bz
		t := r.cpx()
		r.fmulLane(t.re, y.re, r.one(a))
		r.fmulLane(t.im, y.im, r.one(a))
		r.plus(t.re, b, z.re)
		r.plus(t.im, b, z.im)
		return t
	}
	p, q := turned(s1, f, s2, h), turned(s2, f, -s1, h)
	r.free(f, h)
	y1, y4 := r.joinI(u, p)
	r.free(u, p)
	y2, y3 := r.joinI(v, q)
	return []cpx{x[0], y1, y2, y3, y4}
}

// passOdd writes the pass of any odd radix by the definition. sums has room for 4
// vectors of 16 for each of half pairs; trig holds, for q and j from 1 to half, cos
// and sin of 2 pi jq/(2 half+1).
func passOdd(f *file) {
	const most = 4 // outputs and their mirror images at a time
	f.routine("fftPassOddNEON", "(d, tw, trig, sums *float32, m, blocks, half int)", "fftPassOddNEON is the pass of radix 2*half+1", func(r *routine) {
		d, w, sums, m, blocks, half := r.arg("d"), r.gp(), r.arg("sums"), r.arg("m"), r.arg("blocks"), r.arg("half")
		step, far, row := r.gp(), r.gp(), r.gp()
		r.p("LSL $7, %v, %v", m, step)
		r.p("MUL %v, %v, %v", half, step, far)
		r.p("LSL $1, %v, %v", far, far) // from point 0 to the last
		r.p("LSL $3, %v, %v", half, row)
		k, n, lo, hi, at, q, t, next := r.gp(), r.gp(), r.gp(), r.gp(), r.gp(), r.gp(), r.gp(), r.gp()
		r.repeat(blocks, func() {
			r.argTo(w, "tw")
			r.mov(m, k)
			r.repeat(k, func() {
				// Sums and differences of the points j and r-j.
				w2 := next
				r.p("ADD %v<<1, %v, %v", row, w, w2)
				r.sub(w2, 8)
				r.mov(d, lo)
				r.p("ADD %v, %v, %v", far, d, hi)
				r.mov(sums, at)
				r.mov(half, n)
				r.repeat(n, func() {
					r.add(lo, step)
					r.scope(func() {
						a, b := r.vec(), r.vec()
						r.row(a, w, 2)
						r.row(b, w2, 2)
						r.quarters(func(off int) {
							x := r.ctimes(r.cload(lo, off), lane{a, 0}, lane{a, 1})
							y := r.ctimes(r.cload(hi, off), lane{b, 0}, lane{b, 1})
							sum, diff := r.join(x, y)
							r.cstore(sum, at, off)
							r.cstore(diff, at, off+point)
						})
					})
					r.sub(hi, step)
					r.add(at, 2*point)
					r.add(w, 8)
					r.sub(w2, 8)
				})
				r.add(w, row) // half of the factors are behind w

				// Outputs q and r-q, some q at a time; then point 0.
				r.mov(d, lo)
				r.p("ADD %v, %v, %v", far, d, hi)
				r.mov(half, q)
				r.argTo(next, "trig")
				for _, size := range []int{most, 1} {
					top, done := r.label("outputs"), r.label("done")
					r.here(top)
					r.p("CMP $%d, %v", size, q)
					r.p("BLT %s", done)
					r.quarters(func(off int) {
						u, v := make([]cpx, size), make([]cpx, size)
						for i := range size {
							u[i], v[i] = r.cload(d, off), r.cpx()
							r.zero(v[i].re)
							r.zero(v[i].im)
						}
						r.mov(next, t)
						r.mov(sums, at)
						r.mov(half, n)
						r.repeat(n, func() {
							r.scope(func() {
								a, b := r.cload(at, off), r.cload(at, off+point)
								from := r.copy(t)
								c := r.vec()
								for i := range size {
									r.row(c, from, 2)
									r.fmlaLane(u[i].re, a.re, lane{c, 0})
									r.fmlaLane(u[i].im, a.im, lane{c, 0})
									r.fmlaLane(v[i].re, b.re, lane{c, 1})
									r.fmlaLane(v[i].im, b.im, lane{c, 1})
									if i < size-1 {
										r.add(from, row)
									}
								}
								r.add(t, 8)
								r.add(at, 2*point)
							})
						})
						x, y := r.copy(lo), r.copy(hi)
						for i := range size {
							r.scope(func() {
								minus, plus := r.joinI(u[i], v[i])
								r.add(x, step)
								r.cstore(minus, x, off)
								r.cstore(plus, y, off)
								r.sub(y, step)
							})
						}
					})
					for range size {
						r.add(lo, step)
						r.sub(hi, step)
						r.add(next, row)
					}
					r.sub(q, size)
					r.p("JMP %s", top)
					r.here(done)
				}
				r.scope(func() {
					var z []cpx
					for off := 0; off < part; off += 16 {
						z = append(z, r.cload(d, off))
					}
					r.mov(sums, at)
					r.mov(half, n)
					r.repeat(n, func() {
						for i, z := range z {
							r.scope(func() {
								s := r.cload(at, 16*i)
								r.fadd(z.re, z.re, s.re)
								r.fadd(z.im, z.im, s.im)
							})
						}
						r.add(at, 2*point)
					})
					for i, z := range z {
						r.cstore(z, d, 16*i)
					}
				})
				r.add(d, point)
			})
			r.add(d, far)
		})
	})
}

// address is base plus the point that the i-th number at pos names, in to.
func (r *routine) address(to, base, pos gp, i int) {
	r.p("MOVW %d(%v), %v", 4*i, pos, to)
	r.p("ADD %v<<7, %v, %v", to, base, to)
}

// columns writes the moves of 16 complex columns.
func columns(f *file) {
	f.routine("fftLoadColsNEON", "(re, im *float32, src *complex64, stride int, pos *int32, n int)", "fftLoadColsNEON takes 16 complex columns apart", func(r *routine) {
		re, im, src, stride, pos, n := r.arg("re"), r.arg("im"), r.arg("src"), r.arg("stride"), r.arg("pos"), r.arg("n")
		toRe, toIm, p := r.gp(), r.gp(), r.gp()
		v := r.vecs(8)
		r.repeat(n, func() {
			r.address(toRe, re, pos, 0)
			r.address(toIm, im, pos, 0)
			r.mov(src, p)
			for i := range 4 {
				r.p("VLD2.P 32(%v), [%s, %s]", p, v[2*i].s4(), v[2*i+1].s4())
			}
			r.stMany([]vec{v[0], v[2], v[4], v[6]}, toRe, 0)
			r.stMany([]vec{v[1], v[3], v[5], v[7]}, toIm, 0)
			r.add(src, stride)
			r.add(pos, 4)
		})
	})
	f.routine("fftStoreColsNEON", "(dst *complex64, stride int, re, im *float32, n int, k float32)", "fftStoreColsNEON writes k times 16 complex columns", func(r *routine) {
		dst, stride, re, im, n := r.arg("dst"), r.arg("stride"), r.arg("re"), r.arg("im"), r.arg("n")
		k, p, v := r.number("k"), r.gp(), r.vecs(8)
		r.repeat(n, func() {
			r.ldMany([]vec{v[0], v[2], v[4], v[6]}, re, 0)
			r.ldMany([]vec{v[1], v[3], v[5], v[7]}, im, 0)
			r.mov(dst, p)
			for i := range 4 {
				r.fmul(v[2*i], v[2*i], k)
				r.fmul(v[2*i+1], v[2*i+1], k)
				r.p("VST2.P [%s, %s], 32(%v)", v[2*i].s4(), v[2*i+1].s4(), p)
			}
			r.add(re, point)
			r.add(im, point)
			r.add(dst, stride)
		})
	})
}

// transposed writes the moves of 16 rows, in squares of 4x4 numbers.
func transposed(f *file) {
	w := func(r *routine) width { return width{r, 4} }
	load := func(name, sig, doc string, bases []string, perGroup int) {
		f.routine(name, sig, name+" "+doc, func(r *routine) {
			var base []gp
			for _, b := range bases {
				base = append(base, r.arg(b))
			}
			src, stride, pos, n := r.arg("src"), r.arg("stride"), r.arg("pos"), r.arg("groups")
			down, down4, p := r.multiples(stride, 4), r.times(stride, 4), r.gp()
			to := []gp{r.gp(), r.gp(), r.gp(), r.gp()}
			r.repeat(n, func() {
				for col := 0; col < 16; col += 4 {
					for j := range to {
						r.address(to[j], base[j%len(base)], pos, (col+j)/len(base))
					}
					r.p("ADD $%d, %v, %v", 4*col, src, p)
					for row := 0; row < 16; row += 4 {
						r.scope(func() {
							var v []vec
							for i := range 4 {
								v = append(v, w(r).loadStep(p, down, i))
							}
							for j, v := range r.turn(v) {
								r.stq(v, to[j], 4*row)
							}
						})
						r.add(p, down4)
					}
				}
				r.add(src, 64)
				r.add(pos, 4*perGroup)
			})
		})
	}
	load("fftLoadRealNEON", "(d, src *float32, stride int, pos *int32, groups int)",
		"moves 16 rows of 16*groups numbers to one part of the points pos", []string{"d"}, 16)
	load("fftLoadRowsNEON", "(re, im *float32, src *complex64, stride int, pos *int32, groups int)",
		"moves 16 rows of 8*groups complex numbers to the points pos", []string{"re", "im"}, 8)

	f.routine("fftStoreRowsNEON", "(dst *float32, stride int, a, b *float32, stepA, stepB, groups int, k float32)",
		"fftStoreRowsNEON writes k times 16*groups numbers to each of 16 rows; number 2i of all the rows lies at a, stepA bytes after the one before, and 2i+1 at b", func(r *routine) {
			dst, stride, a, b, n := r.arg("dst"), r.arg("stride"), r.arg("a"), r.arg("b"), r.arg("groups")
			stepA, stepB, k := r.arg("stepA"), r.arg("stepB"), r.number("k")
			down, down4, p, a1, b1 := r.multiples(stride, 4), r.times(stride, 4), r.gp(), r.gp(), r.gp()
			r.repeat(n, func() {
				for row := 0; row < 16; row += 4 {
					r.p("ADD $%d, %v, %v", 4*row, dst, p)
					r.p("ADD %v, %v, %v", stepA, a, a1)
					r.p("ADD %v, %v, %v", stepB, b, b1)
					for col := 0; col < 16; col += 4 {
						r.scope(func() {
							v := []vec{w(r).load(a, 4*col), w(r).load(b, 4*col), w(r).load(a1, 4*col), w(r).load(b1, 4*col)}
							for _, v := range v {
								r.fmul(v, v, k)
							}
							for j, v := range r.turn(v) {
								w(r).storeStep(v, p, down, j)
							}
						})
						r.add(p, down4)
					}
					r.p("ADD %v, %v, %v", stepA, a1, a)
					r.p("ADD %v, %v, %v", stepB, b1, b)
				}
				r.add(dst, 64)
			})
		})
}

// spectra writes the routines on the spectra of two real signals, and on points.
func spectra(f *file) {
	f.routine("fftSplitNEON", "(b, z, y *float32, n int)",
		"fftSplitNEON takes apart the transforms of two real signals, Z = A + iB: z and y point at Z(k) and Z(-k); A replaces Z(k), B goes to b. n points, k ascending", func(r *routine) {
			b, z, y, n := r.arg("b"), r.arg("z"), r.arg("y"), r.arg("n")
			r.repeat(n, func() {
				r.quarters(func(off int) {
					p, q := r.cload(z, off), r.cload(y, off)
					for _, v := range []vec{p.re, p.im, q.re, q.im} {
						r.scaled(v, 0.5)
					}
					a, c := r.cpx(), r.cpx()
					r.fadd(a.re, p.re, q.re)
					r.fsub(a.im, p.im, q.im)
					r.fadd(c.re, p.im, q.im)
					r.fsub(c.im, q.re, p.re)
					r.cstore(a, z, off)
					r.cstore(c, b, off)
				})
				r.add(z, point)
				r.add(b, point)
				r.sub(y, point)
			})
		})
	f.routine("fftJoinNEON", "(d, a, b *float32, pos, neg *int32, n int)",
		"fftJoinNEON is the inverse of fftSplitNEON: Z(k) = A + iB and Z(-k) = conj A + i conj B go, parts exchanged, to the points at pos of d; pos ascends for k, neg descends for -k", func(r *routine) {
			d, a, b, pos, neg, n := r.arg("d"), r.arg("a"), r.arg("b"), r.arg("pos"), r.arg("neg"), r.arg("n")
			i, j := r.gp(), r.gp()
			r.repeat(n, func() {
				r.address(i, d, pos, 0)
				r.address(j, d, neg, 0)
				r.quarters(func(off int) {
					p, q := r.cload(a, off), r.cload(b, off)
					z, y := r.cpx(), r.cpx()
					r.fadd(z.re, p.im, q.re)
					r.fsub(z.im, p.re, q.im)
					r.fsub(y.re, q.re, p.im)
					r.fadd(y.im, p.re, q.im)
					r.cstore(z, i, off)
					r.cstore(y, j, off)
				})
				r.add(a, point)
				r.add(b, point)
				r.add(pos, 4)
				r.sub(neg, 4)
			})
		})
	f.routine("fftTwistNEON", "(dre, dim *float32, pos *int32, sre, sim, w *float32, n int)", "fftTwistNEON multiplies n points by a complex number each", func(r *routine) {
		dre, dim, pos, sre, sim, w, n := r.arg("dre"), r.arg("dim"), r.arg("pos"), r.arg("sre"), r.arg("sim"), r.arg("w"), r.arg("n")
		toRe, toIm, by := r.gp(), r.gp(), r.vec()
		r.repeat(n, func() {
			r.address(toRe, dre, pos, 0)
			r.address(toIm, dim, pos, 0)
			r.row(by, w, 2)
			r.quarters(func(off int) {
				z := r.cpx()
				r.ldq(z.re, sre, off)
				r.ldq(z.im, sim, off)
				z = r.ctimes(z, lane{by, 0}, lane{by, 1})
				r.stq(z.re, toRe, off)
				r.stq(z.im, toIm, off)
			})
			r.add(sre, point)
			r.add(sim, point)
			r.add(w, 8)
			r.add(pos, 4)
		})
	})

	// combine is k*v plus or minus (as sign) k2*v2.
	combine := func(r *routine, k lane, v vec, sign int, k2 lane, v2 vec) vec {
		sum := r.vec()
		r.fmulLane(sum, v, k)
		if sign > 0 {
			r.fmlaLane(sum, v2, k2)
		} else {
			r.fmlsLane(sum, v2, k2)
		}
		return sum
	}
	f.routine("fftDCTSplitNEON", "(z, y, w *float32, n int)",
		"fftDCTSplitNEON turns Z(k) at z and Z(-k) at y into the cosine transforms of the two real signals; w holds cos and sin for k and for -k. n points, k ascending", func(r *routine) {
			z, y, w, n, by := r.arg("z"), r.arg("y"), r.arg("w"), r.arg("n"), r.vec()
			c, s, c2, s2 := lane{by, 0}, lane{by, 1}, lane{by, 2}, lane{by, 3}
			r.repeat(n, func() {
				r.ldq(by, w, 0)
				r.quarters(func(off int) {
					p, q := r.cload(z, off), r.cload(y, off)
					sum, d := r.cpx(), r.cpx()
					r.fadd(sum.re, p.re, q.re)
					r.fadd(sum.im, p.im, q.im)
					r.fsub(d.re, p.im, q.im)
					r.fsub(d.im, q.re, p.re)
					r.cstore(cpx{combine(r, c, sum.re, -1, s, d.re), combine(r, c, sum.im, -1, s, d.im)}, z, off)
					r.cstore(cpx{combine(r, c2, sum.re, 1, s2, d.re), combine(r, c2, sum.im, 1, s2, d.im)}, y, off)
				})
				r.add(z, point)
				r.sub(y, point)
				r.add(w, 16)
			})
		})
	f.routine("fftDCTJoinNEON", "(d, a, b *float32, pos, neg *int32, w *float32, n int)",
		"fftDCTJoinNEON is the inverse of fftDCTSplitNEON: from X(k) at a and X(-k) at b to the points at pos and neg of d, parts exchanged", func(r *routine) {
			d, a, b, pos, neg, w, n := r.arg("d"), r.arg("a"), r.arg("b"), r.arg("pos"), r.arg("neg"), r.arg("w"), r.arg("n")
			i, j, by := r.gp(), r.gp(), r.vec()
			c, s, c2, s2 := lane{by, 0}, lane{by, 1}, lane{by, 2}, lane{by, 3}
			r.repeat(n, func() {
				r.address(i, d, pos, 0)
				r.address(j, d, neg, 0)
				r.ldq(by, w, 0)
				r.quarters(func(off int) {
					x, y := r.cload(a, off), r.cload(b, off)
					p, q := r.vec(), r.vec()
					r.fadd(p, x.re, y.im)
					r.fsub(q, x.im, y.re)
					r.cstore(cpx{combine(r, c, q, -1, s, p), combine(r, c, p, 1, s, q)}, i, off)
					r.fadd(p, y.re, x.im)
					r.fsub(q, y.im, x.re)
					r.cstore(cpx{combine(r, c2, q, -1, s2, p), combine(r, c2, p, 1, s2, q)}, j, off)
				})
				r.add(a, point)
				r.sub(b, point)
				r.add(pos, 4)
				r.sub(neg, 4)
				r.add(w, 16)
			})
		})
}

// complexProducts writes the products of n interleaved complex numbers, n a multiple
// of 4, with others or with their conjugates.
func complexProducts(f *file) {
	for _, conj := range []bool{false, true} {
		name, doc := "fftMulNEON", "dst = x*y"
		if conj {
			name, doc = "fftMulConjNEON", "dst = x*conj(y)"
		}
		f.routine(name, "(dst, x, y *complex64, n int)", name+" is "+doc, func(r *routine) {
			dst, x, y, n := r.arg("dst"), r.arg("x"), r.arg("y"), r.arg("n")
			a, b, z := r.cpx(), r.cpx(), r.cpx()
			r.p("LSR $2, %v, %v", n, n)
			r.repeat(n, func() {
				r.p("VLD2.P 32(%v), [%s, %s]", x, a.re.s4(), a.im.s4())
				r.p("VLD2.P 32(%v), [%s, %s]", y, b.re.s4(), b.im.s4())
				r.fmul(z.re, a.re, b.re)
				r.fmul(z.im, a.im, b.re)
				if conj {
					r.fmla(z.re, a.im, b.im)
					r.fmls(z.im, a.re, b.im)
				} else {
					r.fmls(z.re, a.im, b.im)
					r.fmla(z.im, a.re, b.im)
				}
				r.p("VST2.P [%s, %s], 32(%v)", z.re.s4(), z.im.s4(), dst)
			})
		})
	}
}
