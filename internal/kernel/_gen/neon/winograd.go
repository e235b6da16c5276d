package main

import (
	"fmt"
	"math"
)

// winograd writes the transforms and the matrix products of Winograd's
// F(4x4,3x3), F(4x4,5x5) and strided convolutions; see winograd.go, winofive.go and
// winostride.go in package kernel for what they compute.
func winograd(dir string) error {
	f := newFile("winograd")
	three(f)
	five(f)
	strides(f)
	for r := 1; r <= 6; r++ {
		product(f, r, 4)
		sum(f, r, 4)
	}
	for r := 1; r <= 4; r++ {
		product(f, r, 6)
	}
	dots(f)
	return f.write(dir)
}

// multiples is the registers 0, s, 2s, ..., n of them.
func (r *routine) multiples(s gp, n int) []gp {
	m := make([]gp, n)
	for i := 1; i < n; i++ {
		if i == 1 {
			m[i] = s
			continue
		}
		m[i] = r.gp()
		r.p("ADD %v, %v, %v", s, m[i-1], m[i])
	}
	return m
}

func (w width) loadStep(p gp, m []gp, i int) vec {
	if i == 0 {
		return w.load(p, 0)
	}
	return w.loadAt(p, m[i])
}

func (w width) storeStep(v vec, p gp, m []gp, i int) {
	if i == 0 {
		w.store(v, p, 0)
	} else {
		w.storeAt(v, p, m[i])
	}
}

// An into is how a result v is combined with what was there.
type into struct {
	name, doc string
	with      func(r *routine, v, old vec)
}

var intos = []into{
	{"", "", nil},
	{"Add", ", added to dst", func(r *routine, v, old vec) { r.fadd(v, old, v) }},
	{"Mul", ", multiplied with dst", func(r *routine, v, old vec) { r.fmul(v, old, v) }},
}

// both puts e+k*o at i and e-k*o at i+1. It spoils e.
func (r *routine) both(e, o vec, k float64, put func(i int, v vec), i int) {
	put(i, r.sum(e, k, o))
	r.plus(e, -k, o)
	put(i+1, e)
}

// A transform takes the values of a line of a tile to those of another, and may
// spoil the former.
type transform struct {
	from, to int
	line     func(r *routine, d []vec, put func(i int, v vec))
}

var inputLine = transform{6, 6, func(r *routine, d []vec, put func(i int, v vec)) {
	// pair is d4-k*d2 +- w*(d3-k*d1).
	pair := func(i int, k, w float64) {
		r.scope(func() { r.both(r.sum(d[4], -k, d[2]), r.sum(d[3], -k, d[1]), w, put, i) })
	}
	pair(1, 2, math.Sqrt2/2)
	pair(3, 0.5, math.Sqrt2)
	r.plus(d[4], -2.5, d[2])
	r.plus(d[4], 1, d[0])
	put(0, d[4])
	r.plus(d[5], -2.5, d[3])
	r.plus(d[5], 1, d[1])
	put(5, d[5])
}}

var outputLine = transform{6, 4, func(r *routine, m []vec, put func(i int, v vec)) {
	s1, d1 := r.sum(m[1], 1., m[2]), r.sum(m[1], -1., m[2])
	s2, d2 := r.sum(m[3], 1., m[4]), r.sum(m[3], -1., m[4])
	r.plus(m[0], 1, s1)
	r.plus(m[0], 1, s2)
	put(0, m[0])
	r.plus(m[5], math.Sqrt2/4, d1)
	r.plus(m[5], 2*math.Sqrt2, d2)
	put(3, m[5])
	r.scaled(d1, math.Sqrt2/2)
	r.plus(d1, math.Sqrt2, d2)
	put(1, d1)
	r.scaled(s1, 0.5)
	r.plus(s1, 2, s2)
	put(2, s1)
}}

var filterLine = transform{3, 6, func(r *routine, g []vec, put func(i int, v vec)) {
	put(0, g[0])
	put(5, g[2])
	s := r.sum(g[0], 0.5, g[2])
	r.scaled(s, -2./3)
	r.both(s, g[1], -math.Sqrt2/3, put, 1)
	r.scaled(g[0], 1./6)
	r.plus(g[0], 1./3, g[2])
	r.both(g[0], g[1], math.Sqrt2/6, put, 3)
}}

var gradientLine = transform{4, 6, func(r *routine, y []vec, put func(i int, v vec)) {
	put(0, y[0])
	put(5, y[3])
	// pair is y0+k*y2 +- w*(y1+k*y3).
	pair := func(i int, k, w float64) {
		r.scope(func() { r.both(r.sum(y[0], k, y[2]), r.sum(y[1], k, y[3]), w, put, i) })
	}
	pair(1, 0.5, math.Sqrt2/2)
	pair(3, 2, math.Sqrt2)
}}

var weightsLine = transform{6, 3, func(r *routine, p []vec, put func(i int, v vec)) {
	s1, d1 := r.sum(p[1], 1., p[2]), r.sum(p[2], -1., p[1])
	s2, d2 := r.sum(p[3], 1., p[4]), r.sum(p[3], -1., p[4])
	r.plus(p[0], -2./3, s1)
	r.plus(p[0], 1./6, s2)
	put(0, p[0])
	r.scaled(d2, math.Sqrt2/6)
	r.plus(d2, math.Sqrt2/3, d1)
	put(1, d2)
	r.plus(s2, -1, s1)
	r.plus(p[5], 1./3, s2)
	put(2, p[5])
}}

// A side is one of the two tiles of a transform: places, plane apart, or pixels of
// a picture, or the taps of filters of k x k.
type side struct{ k int }

var places, pixels = side{-1}, side{0}

func taps(k int) side { return side{k} }

func (s side) args() string {
	switch s {
	case places:
		return "plane"
	case pixels:
		return "pixel, row"
	}
	return "tap"
}

// distances is those down and across a tile of so many columns.
func (s side) distances(r *routine, columns int) (down, across gp) {
	switch s {
	case places:
		across = r.bytes("plane")
		return r.times(across, columns), across
	case pixels:
		across = r.bytes("pixel")
		return r.bytes("row"), across
	}
	across = r.bytes("tap")
	return r.times(across, columns), across
}

// routine writes the transform of tiles of n channels, columns first.
func (t transform) routine(f *file, name, doc string, dst, src string, to, from side, into into) {
	name += into.name + "NEON"
	outside := to
	if to == places {
		outside = from
	}
	f.routine(name, fmt.Sprintf("(%s, %s, tmp *float32, n, %s, plane int)", dst, src, outside.args()), name+" is "+doc+into.doc, func(r *routine) {
		d, s, tmp, n := r.arg(dst), r.arg(src), r.arg("tmp"), r.arg("n")
		fromDown, fromAcross := from.distances(r, t.from)
		toDown, toAcross := to.distances(r, t.to)
		fromDowns, toAcrosses := r.multiples(fromDown, t.from), r.multiples(toAcross, t.to)
		half := func(i, j int) int { return 16 * (i*t.from + j) } // in tmp
		p := r.gp()
		r.channels(n, func(w width) {
			r.mov(s, p)
			for j := range t.from {
				r.scope(func() {
					x := make([]vec, t.from)
					for i := range x {
						x[i] = w.loadStep(p, fromDowns, i)
					}
					t.line(r, x, func(i int, v vec) { r.stq(v, tmp, half(i, j)) })
				})
				r.add(p, fromAcross)
			}
			r.mov(d, p)
			for i := range t.to {
				r.scope(func() {
					x := r.vecs(t.from)
					r.ldMany(x, tmp, half(i, 0))
					t.line(r, x, func(j int, v vec) {
						if into.with != nil {
							r.scope(func() { into.with(r, v, w.loadStep(p, toAcrosses, j)) })
						}
						w.storeStep(v, p, toAcrosses, j)
					})
				})
				r.add(p, toDown)
			}
			r.add(s, w.bytes())
			r.add(d, w.bytes())
		})
	})
}

// three writes the transforms of F(4x4,3x3).
func three(f *file) {
	inputLine.routine(f, "winoInput", "the transform of one 6x6 tile of n channels", "v", "x", places, pixels, intos[0])
	gradientLine.routine(f, "winoGradient", "the transform of one 4x4 tile of n channels", "v", "y", places, pixels, intos[0])
	filterLine.routine(f, "winoFilter", "the transform of the 3x3 filters of n channels", "u", "w", places, taps(3), intos[0])
	weightsLine.routine(f, "winoWeights", "the 3x3 filters of n channels", "w", "m", taps(3), places, intos[0])
	for _, into := range intos {
		outputLine.routine(f, "winoOutput", "the 4x4 outputs of one tile of n channels", "dst", "m", pixels, places, into)
	}
}

// A pair is the points p and -p of F(4x4,5x5). Of the other pairs' squares sum and
// product are s and t; 1/d is the denominator of Lagrange's polynomial at p.
type pair struct{ p, s, t, d float64 }

var pairs = [3]pair{
	{1, 4.25, 1, -2. / 9},
	{2, 1.25, 0.25, 1. / 90},
	{0.5, 5, 4, 32. / 45},
}

var fiveInputLine = transform{8, 8, func(r *routine, d []vec, put func(i int, v vec)) {
	for k, a := range pairs {
		r.scope(func() {
			e := r.sum(d[6], a.t, d[2], -a.s, d[4])
			o := r.sum(d[5], a.t, d[1], -a.s, d[3])
			r.both(e, o, a.p, put, 2*k+1)
		})
	}
	r.plus(d[0], -1, d[6])
	r.plus(d[4], -1, d[2])
	r.plus(d[0], 5.25, d[4])
	put(0, d[0]) // d0-d6+5.25(d4-d2)
	r.plus(d[7], -1, d[1])
	r.plus(d[3], -1, d[5])
	r.plus(d[7], 5.25, d[3])
	put(7, d[7]) // d7-d1+5.25(d3-d5)
}}

// collect puts the n sums over the points p of x[p]*p^k, and if lagrange of
// x[p]*p^k/d, of which infinity has the last alone.
func collect(n int, lagrange bool) transform {
	return transform{8, n, func(r *routine, x []vec, put func(k int, v vec)) {
		// Of a pair, even powers take the sum and odd ones the difference.
		var parity [2][3]vec
		for i, a := range pairs {
			s, d := r.sum(x[2*i+1], 1., x[2*i+2]), x[2*i+1]
			r.plus(d, -1, x[2*i+2])
			if lagrange {
				r.scaled(s, a.d)
				r.scaled(d, a.d)
			}
			parity[0][i], parity[1][i] = s, d
		}
		for k := range n {
			r.scope(func() {
				of := parity[k%2]
				var v vec
				switch k {
				case 0:
					v = r.sum(x[0], 1., of[0])
				case n - 1:
					v = r.sum(x[7], 1., of[0])
				default:
					v = r.vec()
					r.movv(v, of[0])
				}
				for i, a := range pairs[1:] {
					r.plus(v, math.Pow(a.p, float64(k)), of[i+1])
				}
				put(k, v)
			})
		}
	}}
}

// spread puts at each point p the sum of y[k]*p^k, and if lagrange that over d.
func spread(n int, lagrange bool) transform {
	return transform{n, 8, func(r *routine, y []vec, put func(i int, v vec)) {
		put(0, y[0])
		put(7, y[n-1])
		for i, a := range pairs {
			r.scope(func() {
				// powers is the sum of y[k]*p^(k-first) for every other k.
				powers := func(first int) vec {
					v := r.vec()
					r.movv(v, y[first])
					for k := first + 2; k < n; k += 2 {
						r.plus(v, math.Pow(a.p, float64(k-first)), y[k])
					}
					return v
				}
				e, o, p := powers(0), powers(1), a.p
				if lagrange {
					r.scaled(e, a.d)
					p *= a.d
				}
				r.both(e, o, p, put, 2*i+1)
			})
		}
	}}
}

// five writes the transforms of F(4x4,5x5), at the points 0, 1, -1, 2, -2, 1/2, -1/2
// and infinity, in this order.
func five(f *file) {
	fiveInputLine.routine(f, "fiveInput", "the transform of one 8x8 tile of n channels", "v", "x", places, pixels, intos[0])
	spread(4, false).routine(f, "fiveGradient", "the transform of one 4x4 tile of n channels", "v", "y", places, pixels, intos[0])
	spread(5, true).routine(f, "fiveFilter", "the transform of the 5x5 filters of n channels", "u", "w", places, taps(5), intos[0])
	collect(5, true).routine(f, "fiveWeights", "the 5x5 filters of n channels", "w", "m", taps(5), places, intos[0])
	for _, into := range intos {
		collect(4, false).routine(f, "fiveOutput", "the 4x4 outputs of one tile of n channels", "dst", "m", pixels, places, into)
	}
}

// strideInputLine takes the inputs of every other place to F(4,2), at the points
// +-sqrt(1/2), +-sqrt(2) and infinity, and leaves the others as they are; those of
// the adjoint are the same.
func strideInputLine(adj bool) transform {
	from := 9
	if adj {
		from = 5
	}
	return transform{from, 9, func(r *routine, all []vec, put func(i int, v vec)) {
		d, middle := all, all
		if !adj {
			d, middle = nil, nil
			for i, v := range all {
				if i%2 == 0 {
					d = append(d, v)
				} else {
					middle = append(middle, v)
				}
			}
		}
		for i, v := range middle[:4] {
			put(5+i, v)
		}
		pair := func(i int, d0, d1, d2, d3 vec, w float64) {
			r.scope(func() { r.both(r.sum(d0, -0.5, d2), r.sum(d1, -0.5, d3), w, put, i) })
		}
		pair(0, d[0], d[1], d[2], d[3], math.Sqrt2)
		pair(2, d[2], d[3], d[0], d[1], math.Sqrt2/2)
		r.plus(d[4], -2.5, d[2])
		r.plus(d[4], 1, d[0])
		put(4, d[4])
	}}
}

func strideOutputLine(adj bool) transform {
	to := 4
	if adj {
		to = 8
	}
	return transform{9, to, func(r *routine, m []vec, put func(i int, v vec)) {
		s1, d1 := r.sum(m[0], 1., m[1]), r.sum(m[0], -1., m[1])
		s2, d2 := r.sum(m[2], 1., m[3]), r.sum(m[2], -1., m[3])
		r.fadd(m[0], s1, s2)
		r.plus(m[4], math.Sqrt2/4, d1)
		r.plus(m[4], 2*math.Sqrt2, d2)
		r.scaled(d1, math.Sqrt2/2)
		r.plus(d1, math.Sqrt2, d2)
		r.scaled(s1, 0.5)
		r.plus(s1, 2, s2)
		for i, v := range []vec{m[0], d1, s1, m[4]} {
			if adj {
				put(2*i, m[5+i])
				put(2*i+1, v)
			} else {
				r.plus(v, 1, m[5+i])
				put(i, v)
			}
		}
	}}
}

var strideFilterLine = transform{3, 6, func(r *routine, g []vec, put func(i int, v vec)) {
	put(4, g[2])
	put(5, g[1])
	e, b := r.vec(), r.vec()
	r.fmulLane(e, g[2], r.one(math.Sqrt2/3))
	r.fmulLane(b, g[0], r.one(1./3))
	r.scaled(g[0], 2./3)
	r.both(g[0], e, 1, put, 0)
	r.both(b, e, 1, put, 2)
}}

// strides writes the transforms of strided convolutions.
func strides(f *file) {
	strideInputLine(false).routine(f, "strideInput", "the transform of one 9x9 tile of n channels", "v", "x", places, pixels, intos[0])
	strideInputLine(true).routine(f, "strideInputT", "the transform of one 5x5 tile of n channels", "v", "x", places, pixels, intos[0])
	for _, into := range intos[:2] {
		strideOutputLine(false).routine(f, "strideOutput", "the 4x4 outputs of one tile of n channels", "dst", "m", pixels, places, into)
		strideOutputLine(true).routine(f, "strideOutputT", "the 8x8 outputs of one tile of n channels", "dst", "m", pixels, places, into)
	}
	strideFilterLine.routine(f, "strideFilter", "the transform of the 3x3 filters of n channels", "u", "w", places, taps(3), intos[0])
}

// over writes the loop over matrices at m, a and b, as many as the argument n says;
// the distances are arguments.
func (r *routine) over(n, mStep, aStep, bStep string, body func(m, a, b gp)) {
	m, a, b, left := r.arg("m"), r.arg("a"), r.arg("b"), r.arg(n)
	step := r.gp()
	r.repeat(left, func() {
		body(m, a, b)
		for _, s := range []struct {
			p  gp
			by string
		}{{m, mStep}, {a, aStep}, {b, bStep}} {
			r.argTo(step, s.by)
			r.p("ADD %v<<2, %v, %v", step, s.p, s.p)
		}
	})
}

// begin sets the sums to zero, or to what lies at m if acc is not zero.
func (r *routine) begin(all []vec, m, acc gp) {
	load, done := r.label("load"), r.label("begun")
	r.p("CBNZ %v, %s", acc, load)
	for _, v := range all {
		r.zero(v)
	}
	r.p("JMP %s", done)
	r.here(load)
	r.ldMany(all, m, 0)
	r.here(done)
}

// outer adds to the sums, v for each of some numbers, the products of those with
// the panel's vectors at q, which it moves on.
func (r *routine) outer(sums []vec, v int, numbers []lane, q gp, b []vec) {
	for j := 0; j < v; j += 2 {
		r.p("FLDPQ.P 32(%v), (%s, %s)", q, b[0].f(), b[1].f())
		for i, x := range numbers {
			for k := range 2 {
				r.fmlaLane(sums[i*v+j+k], b[k], x)
			}
		}
	}
}

// product writes the matrix products of blocks of n rows, and then of n-1, with a
// panel of v vectors, one for each place. The sums stay in registers.
func product(f *file, n, v int) {
	name := fmt.Sprintf("winoProduct%dx%dNEON", n, v)
	doc := fmt.Sprintf("%s is m = a*b, or m += a*b if acc is not 0, for more blocks of %d rows of a and few of one less, k columns pitch floats apart from row to row, and %d columns of b, and so for places", name, n, 4*v)
	f.routine(name, "(m, a, b *float32, k, more, few, pitch, acc, places, mPlane, aPlane, bPlane int)", doc, func(r *routine) {
		s, acc := r.bytes("pitch"), r.arg("acc")
		m, a, q, k, blocks := r.gp(), r.gp(), r.gp(), r.gp(), r.gp()
		rows := make([]gp, n)
		for i := range rows {
			rows[i] = r.gp()
		}
		all, x, b := r.vecs(n*v), r.vecs(n), r.vecs(2)
		r.over("places", "mPlane", "aPlane", "bPlane", func(m0, a0, b0 gp) {
			r.mov(m0, m)
			r.mov(a0, a)
			for i, n := range []int{n, n - 1} {
				if n == 0 {
					continue
				}
				r.argTo(blocks, []string{"more", "few"}[i])
				r.repeat(blocks, func() {
					for i := range n {
						r.mov(a, rows[i])
						r.add(a, s)
					}
					sums := all[:n*v]
					r.begin(sums, m, acc)
					r.mov(b0, q)
					r.argTo(k, "k")
					// Four columns of a at a time, and then one by one.
					top, single, next := r.label("four"), r.label("single"), r.label("next")
					r.p("SUBS $4, %v", k)
					r.p("BLT %s", next)
					r.here(top)
					for i := range n {
						r.p("FMOVQ.P 16(%v), %s", rows[i], x[i].f())
					}
					for u := range 4 {
						r.outer(sums, v, lanesOf(x[:n], u), q, b)
					}
					r.p("SUBS $4, %v", k)
					r.p("BGE %s", top)
					r.here(next)
					r.p("ADDS $4, %v", k)
					done := r.label("done")
					r.p("BEQ %s", done)
					r.here(single)
					for i := range n {
						r.p("FMOVS.P 4(%v), %s", rows[i], x[i].f())
					}
					r.outer(sums, v, lanesOf(x[:n], 0), q, b)
					r.p("SUBS $1, %v", k)
					r.p("BNE %s", single)
					r.here(done)
					r.stMany(sums, m, 0)
					r.add(m, 16*v*n)
				})
			}
		})
	})
}

// lanesOf is lane i of each register.
func lanesOf(v []vec, i int) []lane {
	l := make([]lane, len(v))
	for k := range l {
		l[k] = lane{v[k], i}
	}
	return l
}

// sum writes the products of the transpose of a panel of n columns, by blocks, and
// then of n-1, with a panel of v vectors, for some panels.
func sum(f *file, n, v int) {
	name := fmt.Sprintf("winoSum%dx%dNEON", n, v)
	doc := fmt.Sprintf("%s is m = a'*b, or m += a'*b if acc is not 0, for more blocks of %d columns of a and few of one less, k rows pitch floats apart, and %d columns of b, and so for panels", name, n, 4*v)
	f.routine(name, "(m, a, b *float32, k, more, few, pitch, acc, panels, mStep, aStep, bStep int)", doc, func(r *routine) {
		s, acc := r.bytes("pitch"), r.arg("acc")
		m, a, p, p4, q, k, blocks := r.gp(), r.gp(), r.gp(), r.gp(), r.gp(), r.gp(), r.gp()
		all, x, b := r.vecs(n*v), r.vecs(2), r.vecs(2)
		r.over("panels", "mStep", "aStep", "bStep", func(m0, a0, b0 gp) {
			r.mov(m0, m)
			r.mov(a0, a)
			for i, n := range []int{n, n - 1} {
				if n == 0 {
					continue
				}
				r.argTo(blocks, []string{"more", "few"}[i])
				r.repeat(blocks, func() {
					sums := all[:n*v]
					r.begin(sums, m, acc)
					r.mov(a, p)
					r.p("ADD $16, %v, %v", a, p4)
					r.mov(b0, q)
					r.argTo(k, "k")
					r.repeat(k, func() {
						r.row(x[0], p, min(n, 4))
						r.row(x[1], p4, n-4)
						numbers := make([]lane, n)
						for i := range numbers {
							numbers[i] = lane{x[i/4], i % 4}
						}
						r.outer(sums, v, numbers, q, b)
						r.add(p, s)
						if n > 4 {
							r.add(p4, s)
						}
					})
					r.stMany(sums, m, 0)
					r.add(m, 16*v*n)
					r.add(a, 4*n)
				})
			}
		})
	})
}

// row loads n numbers, 4 at most.
func (r *routine) row(v vec, p gp, n int) {
	switch n {
	case 4:
		r.ldq(v, p, 0)
	case 3:
		r.p("FMOVD (%v), %s", p, v.f())
		r.scope(func() {
			third := r.gp()
			r.p("ADD $8, %v, %v", p, third)
			r.p("VLD1 (%v), V%d.S[2]", third, int(v))
		})
	case 2:
		r.p("FMOVD (%v), %s", p, v.f())
	case 1:
		r.lds(v, p, 0)
	}
}

// dots writes the products of the rows of a with one vector, for each place.
func dots(f *file) {
	f.routine("winoDotsNEON", "(m, a, b *float32, rows, k, pitch, places, mPlane, aPlane, bPlane int)",
		"winoDotsNEON is m[i] = the sum over k of a[i][k]*b[k] for rows rows of a, pitch floats apart, and so for places", func(r *routine) {
			s := r.bytes("pitch")
			m, a, q, n, left := r.gp(), r.gp(), r.gp(), r.gp(), r.gp()
			p := []gp{r.gp(), r.gp(), r.gp(), r.gp()}
			sums, b, x := r.vecs(4), r.vec(), r.vecs(4)
			r.over("places", "mPlane", "aPlane", "bPlane", func(m0, a0, b0 gp) {
				r.mov(m0, m)
				r.mov(a0, a)
				r.argTo(left, "rows")
				for _, rows := range []int{4, 1} {
					block, next := r.label("dots"), r.label("next")
					r.here(block)
					r.p("CMP $%d, %v", rows, left)
					r.p("BLT %s", next)
					for i := range rows {
						r.mov(a, p[i])
						r.add(a, s)
						r.zero(sums[i])
					}
					r.mov(b0, q)
					r.argTo(n, "k")
					for _, k := range []int{4, 1} {
						top, out := r.label("k"), r.label("out")
						load := map[int]string{4: "FMOVQ.P 16", 1: "FMOVS.P 4"}[k]
						r.here(top)
						r.p("SUBS $%d, %v", k, n)
						r.p("BLT %s", out)
						r.p("%s(%v), %s", load, q, b.f())
						for i := range rows {
							r.p("%s(%v), %s", load, p[i], x[i].f())
							r.fmla(sums[i], x[i], b)
						}
						r.p("JMP %s", top)
						r.here(out)
						r.add(n, k)
					}
					if rows == 4 {
						r.faddp(sums[0], sums[0], sums[1])
						r.faddp(sums[2], sums[2], sums[3])
						r.faddp(sums[0], sums[0], sums[2])
						r.stq(sums[0], m, 0)
					} else {
						r.faddp(sums[0], sums[0], sums[0])
						r.faddp(sums[0], sums[0], sums[0])
						r.sts(sums[0], m, 0)
					}
					r.add(m, 4*rows)
					r.sub(left, rows)
					r.p("JMP %s", block)
					r.here(next)
				}
			})
		})
}
