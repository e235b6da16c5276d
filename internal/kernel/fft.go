package kernel

import "math"

// Fourier transforms work on 16 signals at a time, interleaved: point p of
// the block d is 32 numbers, d[32p:32p+16] the real parts of the 16 signals
// and d[32p+16:32p+32] their imaginary parts. A butterfly is then the same few
// additions and products on whole vectors, with one twiddle factor for all.
const (
	fftLanes = 16
	fftPoint = 2 * fftLanes
)

// fftLine is the plan of the complex transform of n points, mixed radix,
// decimation in time (Cooley & Tukey 1965): the points are loaded in digit
// reversed order and every pass works in place.
type fftLine struct {
	n      int
	pos    []int32 // sample t is loaded at point pos[t]
	passes []fftPass
	count  []int32 // 0, 1, 2, ...: the positions of a natural order
	chirp  *chirp  // if n has a large prime factor
	size   int     // length of the block d that run needs
	extra  int     // length of the scratch e that run and the moves need
}

// fftPass joins r transforms of m points into one of r*m:
//
//	d[k+qm] = sum over j of exp(-2 pi i jk/(rm)) exp(-2 pi i jq/r) d[k+jm]
type fftPass struct {
	r, m int
	tw   []float32 // real and imaginary part of exp(-2 pi i jk/(rm)) at 2((r-1)k+j-1), j = 1..r-1
	trig []float32 // odd radices above 5: cos and sin of 2 pi jq/r at 2(h(q-1)+j-1), j and q = 1..h, h = (r-1)/2
}

// fftPrime is the largest prime factor that is transformed by its definition
// and not as a convolution.
const fftPrime = 163

func newFFTLine(n int) *fftLine {
	if n < 1 {
		panic("kernel: transform of no points")
	}
	f := &fftLine{n: n, pos: make([]int32, n), size: n * fftPoint, extra: 2 * (n/2 + 1) * fftPoint}
	for t := range n {
		f.count = append(f.count, int32(t))
	}
	radices, rest := fftFactor(n)
	if rest > 1 {
		f.chirp = newChirp(n)
		f.size = 2 * f.chirp.line.size
		for t := range f.pos {
			f.pos[t] = int32(f.chirp.line.n + t)
		}
		return f
	}
	m := 1
	for _, r := range radices {
		f.passes = append(f.passes, newFFTPass(r, m))
		m *= r
	}
	for t := range f.pos {
		p, rest, m := 0, t, n
		for i := len(radices) - 1; i >= 0; i-- {
			m /= radices[i]
			p += rest % radices[i] * m
			rest /= radices[i]
		}
		f.pos[t] = int32(p)
	}
	return f
}

// fftFactor splits n into radices and a rest without factors up to fftPrime.
func fftFactor(n int) (radices []int, rest int) {
	for n%8 == 0 && n != 16 {
		radices, n = append(radices, 8), n/8
	}
	for n%4 == 0 {
		radices, n = append(radices, 4), n/4
	}
	for p := 2; p <= fftPrime; p++ {
		for n%p == 0 {
			radices, n = append(radices, p), n/p
		}
	}
	return radices, n
}

func newFFTPass(r, m int) fftPass {
	p := fftPass{r: r, m: m}
	for k := range m {
		for j := 1; j < r; j++ {
			c, s := unitRoot(j*k, r*m)
			p.tw = append(p.tw, c, -s)
		}
	}
	if r > 5 && r != 8 {
		for q := 1; q <= r/2; q++ {
			for j := 1; j <= r/2; j++ {
				c, s := unitRoot(j*q, r)
				p.trig = append(p.trig, c, s)
			}
		}
	}
	return p
}

// unitRoot returns the cosine and the sine of 2 pi j/n.
func unitRoot(j, n int) (c, s float32) {
	sin, cos := math.Sincos(2 * math.Pi * float64(j%n) / float64(n))
	return float32(cos), float32(sin)
}

// run transforms the block d, loaded by pos, in place; the result is in
// natural order. e is scratch.
func (f *fftLine) run(d, e []float32) {
	if f.chirp != nil {
		f.chirp.run(d, e, f.count)
		return
	}
	for i := range f.passes {
		f.passes[i].run(d[:f.n*fftPoint], e)
	}
}

// run does the pass; sums is scratch of at least r-1 points.
func (p *fftPass) run(d, sums []float32) {
	blocks := len(d) / (p.r * p.m * fftPoint)
	if v := fftVec(); v != nil {
		switch {
		case p.trig != nil:
			v.passOdd(&d[0], &p.tw[0], &p.trig[0], &sums[0], p.m, blocks, p.r/2)
		case p.m == 1:
			v.first[p.r](&d[0], blocks)
		default:
			v.pass[p.r](&d[0], &p.tw[0], p.m, blocks)
		}
		return
	}
	switch p.r {
	case 2:
		p.run2(d)
	case 3:
		p.run3(d)
	case 4:
		p.run4(d)
	case 5:
		p.run5(d)
	case 8:
		p.run8(d)
	default:
		p.runOdd(d, sums)
	}
}

// fftRoutines is the assembly for one instruction set. Strides and steps are
// in bytes, pos in points; see the Go functions that call them.
type fftRoutines struct {
	first     [9]func(d *float32, blocks int)        // by radix, m = 1
	pass      [9]func(d, tw *float32, m, blocks int) // by radix
	passOdd   func(d, tw, trig, sums *float32, m, blocks, half int)
	loadCols  func(re, im *float32, src *complex64, stride int, pos *int32, n int)
	storeCols func(dst *complex64, stride int, re, im *float32, n int, k float32)
	loadReal  func(d, src *float32, stride int, pos *int32, groups int)
	loadRows  func(re, im *float32, src *complex64, stride int, pos *int32, groups int)
	storeRows func(dst *float32, stride int, a, b *float32, stepA, stepB, groups int, k float32)
	split     func(b, z, y *float32, n int)
	join      func(d, a, b *float32, pos, neg *int32, n int)
	twist     func(dre, dim *float32, pos *int32, sre, sim, w *float32, n int)
	dctSplit  func(z, y, w *float32, n int)
	dctJoin   func(d, a, b *float32, pos, neg *int32, w *float32, n int)
	mul       func(dst, x, y *complex64, n int)
	mulConj   func(dst, x, y *complex64, n int)
	width     int // complex numbers of a vector
}

type fftLane = [fftLanes]float32

// at returns point i of d.
func fftAt(d []float32, i int) (re, im *fftLane) {
	p := d[i*fftPoint : (i+1)*fftPoint]
	return (*fftLane)(p[:fftLanes]), (*fftLane)(p[fftLanes:])
}

func (p *fftPass) run2(d []float32) {
	m := p.m
	for b := 0; b < len(d)/fftPoint; b += 2 * m {
		for k := range m {
			ar, ai := fftAt(d, b+k)
			br, bi := fftAt(d, b+k+m)
			wr, wi := p.tw[2*k], p.tw[2*k+1]
			for l := range fftLanes {
				r, i := br[l]*wr-bi[l]*wi, br[l]*wi+bi[l]*wr
				br[l], bi[l] = ar[l]-r, ai[l]-i
				ar[l], ai[l] = ar[l]+r, ai[l]+i
			}
		}
	}
}

func (p *fftPass) run3(d []float32) {
	const s = 0.86602540378443864676
	m := p.m
	for b := 0; b < len(d)/fftPoint; b += 3 * m {
		for k := range m {
			xr, xi := fftAt(d, b+k)
			yr, yi := fftAt(d, b+k+m)
			zr, zi := fftAt(d, b+k+2*m)
			w := p.tw[4*k : 4*k+4]
			for l := range fftLanes {
				ar, ai := yr[l]*w[0]-yi[l]*w[1], yr[l]*w[1]+yi[l]*w[0]
				br, bi := zr[l]*w[2]-zi[l]*w[3], zr[l]*w[3]+zi[l]*w[2]
				sr, si := ar+br, ai+bi
				tr, ti := s*(ar-br), s*(ai-bi)
				ur, ui := xr[l]-0.5*sr, xi[l]-0.5*si
				xr[l], xi[l] = xr[l]+sr, xi[l]+si
				yr[l], yi[l] = ur+ti, ui-tr
				zr[l], zi[l] = ur-ti, ui+tr
			}
		}
	}
}

func (p *fftPass) run4(d []float32) {
	m := p.m
	for b := 0; b < len(d)/fftPoint; b += 4 * m {
		for k := range m {
			r0, i0 := fftAt(d, b+k)
			r1, i1 := fftAt(d, b+k+m)
			r2, i2 := fftAt(d, b+k+2*m)
			r3, i3 := fftAt(d, b+k+3*m)
			w := p.tw[6*k : 6*k+6]
			for l := range fftLanes {
				ar, ai := r1[l]*w[0]-i1[l]*w[1], r1[l]*w[1]+i1[l]*w[0]
				br, bi := r2[l]*w[2]-i2[l]*w[3], r2[l]*w[3]+i2[l]*w[2]
				cr, ci := r3[l]*w[4]-i3[l]*w[5], r3[l]*w[5]+i3[l]*w[4]
				er, ei := r0[l]+br, i0[l]+bi
				fr, fi := r0[l]-br, i0[l]-bi
				gr, gi := ar+cr, ai+ci
				hr, hi := ar-cr, ai-ci
				r0[l], i0[l] = er+gr, ei+gi
				r1[l], i1[l] = fr+hi, fi-hr
				r2[l], i2[l] = er-gr, ei-gi
				r3[l], i3[l] = fr-hi, fi+hr
			}
		}
	}
}

func (p *fftPass) run5(d []float32) {
	const (
		c1 = 0.30901699437494742410
		c2 = -0.80901699437494742410
		s1 = 0.95105651629515357212
		s2 = 0.58778525229247312917
	)
	m := p.m
	for b := 0; b < len(d)/fftPoint; b += 5 * m {
		for k := range m {
			r0, i0 := fftAt(d, b+k)
			r1, i1 := fftAt(d, b+k+m)
			r2, i2 := fftAt(d, b+k+2*m)
			r3, i3 := fftAt(d, b+k+3*m)
			r4, i4 := fftAt(d, b+k+4*m)
			w := p.tw[8*k : 8*k+8]
			for l := range fftLanes {
				ar, ai := r1[l]*w[0]-i1[l]*w[1], r1[l]*w[1]+i1[l]*w[0]
				br, bi := r2[l]*w[2]-i2[l]*w[3], r2[l]*w[3]+i2[l]*w[2]
				cr, ci := r3[l]*w[4]-i3[l]*w[5], r3[l]*w[5]+i3[l]*w[4]
				dr, di := r4[l]*w[6]-i4[l]*w[7], r4[l]*w[7]+i4[l]*w[6]
				er, ei, fr, fi := ar+dr, ai+di, ar-dr, ai-di
				gr, gi, hr, hi := br+cr, bi+ci, br-cr, bi-ci
				ur, ui := r0[l]+c1*er+c2*gr, i0[l]+c1*ei+c2*gi
				vr, vi := r0[l]+c2*er+c1*gr, i0[l]+c2*ei+c1*gi
				sr, si := s1*fr+s2*hr, s1*fi+s2*hi
				tr, ti := s2*fr-s1*hr, s2*fi-s1*hi
				r0[l], i0[l] = r0[l]+er+gr, i0[l]+ei+gi
				r1[l], i1[l] = ur+si, ui-sr
				r4[l], i4[l] = ur-si, ui+sr
				r2[l], i2[l] = vr+ti, vi-tr
				r3[l], i3[l] = vr-ti, vi+tr
			}
		}
	}
}

// run8 joins the transforms a of the even points and b of the odd ones: point q
// is a + exp(-pi i q/4) b, point q+4 the difference.
func (p *fftPass) run8(d []float32) {
	const h = 0.70710678118654752440
	m := p.m
	for b := 0; b < len(d)/fftPoint; b += 8 * m {
		for k := range m {
			w := p.tw[14*k : 14*k+14]
			for j := 1; j < 8; j++ {
				re, im := fftAt(d, b+k+j*m)
				wr, wi := w[2*j-2], w[2*j-1]
				for l := range fftLanes {
					re[l], im[l] = re[l]*wr-im[l]*wi, re[l]*wi+im[l]*wr
				}
			}
			p.join4(d, b+k, 2*m)
			p.join4(d, b+k+m, 2*m)
			var y [8][2]fftLane
			for q := range 4 {
				ar, ai := fftAt(d, b+k+2*q*m)
				br, bi := fftAt(d, b+k+(2*q+1)*m)
				for l := range fftLanes {
					r, i := br[l], bi[l]
					switch q {
					case 1:
						r, i = h*(r+i), h*(i-r)
					case 2:
						r, i = i, -r
					case 3:
						r, i = h*(i-r), -h*(i+r)
					}
					y[q][0][l], y[q][1][l] = ar[l]+r, ai[l]+i
					y[q+4][0][l], y[q+4][1][l] = ar[l]-r, ai[l]-i
				}
			}
			for q := range y {
				re, im := fftAt(d, b+k+q*m)
				*re, *im = y[q][0], y[q][1]
			}
		}
	}
}

// join4 transforms 4 points, step apart.
func (p *fftPass) join4(d []float32, at, step int) {
	r0, i0 := fftAt(d, at)
	r1, i1 := fftAt(d, at+step)
	r2, i2 := fftAt(d, at+2*step)
	r3, i3 := fftAt(d, at+3*step)
	for l := range fftLanes {
		er, ei := r0[l]+r2[l], i0[l]+i2[l]
		fr, fi := r0[l]-r2[l], i0[l]-i2[l]
		gr, gi := r1[l]+r3[l], i1[l]+i3[l]
		hr, hi := r1[l]-r3[l], i1[l]-i3[l]
		r0[l], i0[l] = er+gr, ei+gi
		r1[l], i1[l] = fr+hi, fi-hr
		r2[l], i2[l] = er-gr, ei-gi
		r3[l], i3[l] = fr-hi, fi+hr
	}
}

// runOdd is the pass for any odd radix by the definition. The points j and
// r-j are joined first, which halves the products.
func (p *fftPass) runOdd(d, sums []float32) {
	r, m := p.r, p.m
	half := r / 2
	for b := 0; b < len(d)/fftPoint; b += r * m {
		for k := range m {
			zr, zi := fftAt(d, b+k)
			r0, i0 := *zr, *zi
			w := p.tw[2*(r-1)*k:]
			for j := 1; j <= half; j++ {
				ar, ai := fftAt(d, b+k+j*m)
				br, bi := fftAt(d, b+k+(r-j)*m)
				u, v := w[2*(j-1):2*j], w[2*(r-j-1):2*(r-j)]
				sr, si := fftAt(sums, 2*(j-1))
				tr, ti := fftAt(sums, 2*(j-1)+1)
				for l := range fftLanes {
					xr, xi := ar[l]*u[0]-ai[l]*u[1], ar[l]*u[1]+ai[l]*u[0]
					yr, yi := br[l]*v[0]-bi[l]*v[1], br[l]*v[1]+bi[l]*v[0]
					sr[l], si[l] = xr+yr, xi+yi
					tr[l], ti[l] = xr-yr, xi-yi
					zr[l] += xr + yr
					zi[l] += xi + yi
				}
			}
			for q := 1; q <= half; q++ {
				ur, ui := r0, i0
				var vr, vi fftLane
				trig := p.trig[2*half*(q-1) : 2*half*q]
				for j := range half {
					c, s := trig[2*j], trig[2*j+1]
					sr, si := fftAt(sums, 2*j)
					tr, ti := fftAt(sums, 2*j+1)
					for l := range fftLanes {
						ur[l] += c * sr[l]
						ui[l] += c * si[l]
						vr[l] += s * tr[l]
						vi[l] += s * ti[l]
					}
				}
				ar, ai := fftAt(d, b+k+q*m)
				br, bi := fftAt(d, b+k+(r-q)*m)
				for l := range fftLanes {
					ar[l], ai[l] = ur[l]+vi[l], ui[l]-vr[l]
					br[l], bi[l] = ur[l]-vi[l], ui[l]+vr[l]
				}
			}
		}
	}
}

// chirp transforms n points, n with a large prime factor, as a circular
// convolution with a chirp (Bluestein 1970): with w(t) = exp(-pi i t^2/n),
//
//	X(k) = w(k) sum over t of (x(t) w(t)) conj(w(k-t))
type chirp struct {
	n    int
	line *fftLine  // of at least 2n-1 points
	w    []float32 // n complex numbers
	gain []float32 // transform of conj(w), divided by the number of points
}

func newChirp(n int) *chirp {
	c := &chirp{n: n, line: newFFTLine(FFTSize(2*n - 1))}
	for t := range n {
		cos, sin := unitRoot(t*t%(2*n), 2*n)
		c.w = append(c.w, cos, -sin)
	}
	d := make([]float32, c.line.size)
	m := c.line.n
	for t := -n + 1; t < n; t++ {
		at := int(c.line.pos[(t+m)%m]) * fftPoint
		i := max(t, -t)
		d[at], d[at+fftLanes] = c.w[2*i], -c.w[2*i+1]
	}
	c.line.run(d, nil)
	for t := range m {
		c.gain = append(c.gain, d[t*fftPoint]/float32(m), d[t*fftPoint+fftLanes]/float32(m))
	}
	return c
}

// run transforms the n points that lie behind the first line.n points of d.
func (c *chirp) run(d, e []float32, count []int32) {
	m := c.line.n
	d, x := d[:m*fftPoint], d[m*fftPoint:]
	clear(d)
	fftTwist(d, d[fftLanes:], c.line.pos, x, x[fftLanes:], c.w)
	c.line.run(d, e)
	// The inverse is the transform with real and imaginary parts exchanged.
	fftTwist(x[fftLanes:], x, c.line.pos, d, d[fftLanes:], c.gain)
	c.line.run(x, e)
	fftTwist(d, d[fftLanes:], count, x[fftLanes:], x, c.w)
}

// fftTwist multiplies each point of the source by a complex number w and
// writes it to point pos of the destination. Real and imaginary parts of point
// 0 are at the start of the two slices.
func fftTwist(dre, dim []float32, pos []int32, sre, sim, w []float32) {
	n := len(w) / 2
	if v := fftVec(); v != nil {
		v.twist(&dre[0], &dim[0], &pos[0], &sre[0], &sim[0], &w[0], n)
		return
	}
	for t := range n {
		wr, wi := w[2*t], w[2*t+1]
		at := int(pos[t]) * fftPoint
		for l := range fftLanes {
			re, im := sre[t*fftPoint+l], sim[t*fftPoint+l]
			dre[at+l], dim[at+l] = re*wr-im*wi, re*wi+im*wr
		}
	}
}

// FFTSize returns the smallest size of at least n that has no prime factors
// above 5: transforms of such a size are the fastest.
func FFTSize(n int) int {
	for m := max(n, 1); ; m++ {
		r := m
		for _, p := range []int{2, 3, 5} {
			for r%p == 0 {
				r /= p
			}
		}
		if r == 1 {
			return m
		}
	}
}
