package kernel

import "sync"

// A ConvW is the plan of a convolution's gradient in its weights,
//
//	dw[ky,kx,ci,co] = sum over n,i,j of x[n, i*Stride+ky-Pad, j*Stride+kx-Pad, ci] * g[n,i,j,co]
//
// with x (N,H,W,Ci) and g (N,OH,OW,Co). It is immutable and safe for
// concurrent use.
type ConvW struct {
	impl    convWImpl
	shape   ConvShape
	scratch sync.Pool // of *[]float32, for Run
}

// convWImpl is one way to compute a weight gradient. Implementations are
// immutable.
type convWImpl interface {
	parts() int
	scratchLen() int
	part(dw, x, g []float32, part int, scratch []float32)
}

// NewConvW plans the weight gradient of the convolution of shape s. Where it
// pays, the plan uses Winograd's algorithm, whose error is some ten times that
// of the direct sum.
func NewConvW(s ConvShape) *ConvW {
	s.check()
	if useWinogradW(s) {
		return newConvW(s, newWinogradW(s))
	}
	return NewConvWDirect(s)
}

// NewConvWDirect is NewConvW by the direct sum, always.
func NewConvWDirect(s ConvShape) *ConvW {
	s.check()
	return newConvW(s, newDirectW(s))
}

func newConvW(s ConvShape, impl convWImpl) *ConvW {
	c := &ConvW{impl: impl, shape: s}
	c.scratch.New = func() any {
		b := make([]float32, impl.scratchLen())
		return &b
	}
	return c
}

// Parts is the number of parts of the work. It depends on the shape alone.
func (c *ConvW) Parts() int { return c.impl.parts() }

// ScratchLen is the length of the scratch of one worker.
func (c *ConvW) ScratchLen() int { return c.impl.scratchLen() }

// Part overwrites one part of dw. Parts write disjoint weights, each summed
// over the whole batch in a fixed order; scratch is of length ScratchLen at
// least.
func (c *ConvW) Part(dw, x, g []float32, part int, scratch []float32) {
	if len(dw) != c.shape.lenW() || len(x) != c.shape.lenX() || len(g) != c.shape.lenY() {
		panic("kernel: wrong length of a convolution's data")
	}
	c.impl.part(dw, x, g, part, scratch)
}

// Run computes all parts in this goroutine.
func (c *ConvW) Run(dw, x, g []float32) {
	s := c.scratch.Get().(*[]float32)
	for p := range c.Parts() {
		c.Part(dw, x, g, p, *s)
	}
	c.scratch.Put(s)
}

// A directW computes a weight gradient as the direct sum. For one tap it is the
// matrix product x'g with the pixels as the inner index, and the same register
// tile as in a convolution computes it: rows are input channels, columns output
// channels. It goes over the pixels in bands that stay in the first-level cache
// while all the tiles of a part read them.
type directW struct {
	s     ConvShape
	eng   *engine
	mode  wMode
	work  []wPart
	bandH int // rows of a band, at most
	bandW int // columns of a band, at most
	sums  int // floats of scratch for sums that are not yet in order
	need  int // floats of scratch
}

// A wMode is a way to make tiles of the weights.
type wMode struct {
	// swap has the output channels as rows and the input channels as columns:
	// better when the output channels do not fill a vector.
	swap bool
	// run takes the taps of a filter row together, as if they were input
	// channels; rows of x are then padded on the left and right in scratch.
	run bool
	// group, if not 0, is for single channels: so many neighbouring pixels of
	// g are rows and the window of x that they touch are columns; a weight is
	// the sum of a diagonal.
	group int
}

// A wPart is the weights of filter row ky, input channels [k0,k1) (of all
// taps, or of a run) and output channels [c0,c1).
type wPart struct{ ky, k0, k1, c0, c1 int }

// wParts is the number of parts to aim at.
const wParts = 12

func newDirectW(s ConvShape) *directW {
	s = pointwise(s)
	if s.K == 1 && s.Stride == 1 && s.Pad == 0 {
		s = ConvShape{N: 1, H: 1, W: s.N * s.H * s.W, Ci: s.Ci, Co: s.Co, K: 1, Stride: 1}
	}
	c := &directW{s: s, eng: &engines[level]}
	c.mode = c.chooseMode()
	c.cut()
	return c
}

func (c *directW) chooseMode() (best wMode) {
	s := c.s
	if s.Ci == 1 && s.Co == 1 && s.Stride == 1 && s.K > 1 {
		for nv := 1; nv <= min(2, c.eng.maxVecs()); nv++ {
			if g := min(c.eng.rows[nv], nv*c.eng.lanes-s.K+1); g >= 4 {
				return wMode{group: g}
			}
		}
	}
	costOf := func(rows, cols int) int { return c.eng.cost(rows, (cols+c.eng.lanes-1)/c.eng.lanes) }
	cost := s.K * costOf(s.Ci, s.Co)
	try := func(m wMode, v int) {
		if v < cost {
			cost, best = v, m
		}
	}
	// Putting the sums of swapped tiles in order costs about as much as one
	// more channel.
	try(wMode{swap: true}, s.K*(costOf(s.Co, s.Ci)+1))
	if s.K > 1 {
		pad := 0
		if s.Pad > 0 {
			pad = s.Ci + 4
		}
		try(wMode{run: true}, costOf(s.K*s.Ci, s.Co)+pad)
		try(wMode{run: true, swap: true}, costOf(s.Co, s.K*s.Ci)+pad)
	}
	return best
}

// cut makes the parts and sizes the bands and the scratch.
func (c *directW) cut() {
	s, e := c.s, c.eng
	oh, ow := s.Out()
	if g := c.mode.group; g > 0 {
		for ky := range s.K {
			c.work = append(c.work, wPart{ky, 0, 1, 0, 1})
		}
		long := c.groups() * g
		c.bandW, c.bandH = ow, max(1, min(oh, l1Weights/long))
		c.sums = g * (g + s.K - 1)
		c.need = c.sums + c.bandH*(2*long+s.K-1)
		return
	}
	ks := s.Ci
	if c.mode.run {
		ks *= s.K
	}
	rows, cols := ks, s.Co
	if c.mode.swap {
		rows, cols = cols, rows
	}
	vecs := (cols + e.lanes - 1) / e.lanes
	wide := (vecs + e.maxVecs() - 1) / e.maxVecs()
	nv := (vecs + wide - 1) / wide
	// At least three tiles of a part share a band.
	tall := max(1, (rows+e.rows[nv]-1)/e.rows[nv]*c.taps()/3)
	tall = min(tall, rows, (wParts+s.K*wide-1)/(s.K*wide))
	for ky := range s.K {
		for i := range wide {
			j0, j1 := vecs*i/wide*e.lanes, min(vecs*(i+1)/wide*e.lanes, cols)
			for j := range tall {
				i0, i1 := rows*j/tall, rows*(j+1)/tall
				if c.mode.swap {
					c.work = append(c.work, wPart{ky, j0, j1, i0, i1})
					c.sums = max(c.sums, (j1-j0)*(i1-i0)*c.taps())
				} else {
					c.work = append(c.work, wPart{ky, i0, i1, j0, j1})
				}
			}
		}
	}
	pixels := min(256, l1Weights/(nv*e.lanes))
	c.bandW = (ow + pixels - 1) / pixels // bands side by side
	c.bandW = (ow + c.bandW - 1) / c.bandW
	c.bandH = min(oh, max(1, pixels/c.bandW))
	c.need = c.sums
	if c.copied() {
		c.need += c.bandH * c.runPitch()
	}
}

// taps is how many products of channels a part makes.
func (c *directW) taps() int {
	if c.mode.run {
		return 1
	}
	return c.s.K
}

// copied tells whether runs need a copy of x with padding.
func (c *directW) copied() bool { return c.mode.run && c.s.Pad > 0 }

// runPitch is the length of a row of that copy.
func (c *directW) runPitch() int { return ((c.bandW-1)*c.s.Stride + c.s.K) * c.s.Ci }

// groups is how many groups of pixels a row of g makes, the last perhaps not
// full.
func (c *directW) groups() int {
	_, ow := c.s.Out()
	return (ow + c.mode.group - 1) / c.mode.group
}

func (c *directW) parts() int { return len(c.work) }

func (c *directW) scratchLen() int { return c.need }

func (c *directW) part(dw, x, g []float32, part int, scratch []float32) {
	if c.mode.group > 0 {
		c.diagonals(dw, x, g, c.work[part].ky, scratch)
		return
	}
	s, p := c.s, c.work[part]
	oh, ow := s.Out()
	sums, padded := scratch[:c.sums], scratch[c.sums:]

	t := tile{}
	rows, cols := p.k1-p.k0, p.c1-p.c0
	t.di = s.Co
	if c.mode.swap {
		rows, cols = cols, rows
		t.di = cols
	}
	nv := (cols + c.eng.lanes - 1) / c.eng.lanes
	t.lanes = cols - (nv-1)*c.eng.lanes

	// out is where the sums of tap kx begin.
	out := func(kx int) []float32 {
		if c.mode.swap {
			return sums[kx*rows*cols:]
		}
		return dw[((p.ky*s.K+kx)*s.Ci+p.k0)*s.Co+p.c0:]
	}
	top, bottom := clip(p.ky-s.Pad, s.H, s.Stride, oh)
	for kx := range c.taps() {
		left, right := c.columns(kx)
		if top == bottom || left == right {
			for i := range rows {
				clear(out(kx)[i*t.di:][:cols])
			}
		}
	}
	for n := range s.N {
		for y := top; y < bottom; y += c.bandH {
			h := min(c.bandH, bottom-y)
			for from := 0; from < ow; from += c.bandW {
				to := min(from+c.bandW, ow)
				if c.copied() {
					c.copyRuns(padded, x[n*s.H*s.W*s.Ci:], y*s.Stride+p.ky-s.Pad, h, from, to)
				}
				for kx := range c.taps() {
					left, right := c.columns(kx)
					first := n == 0 && y == top && from <= left
					left, right = max(left, from), min(right, to)
					if left >= right {
						continue
					}
					gs := g[((n*oh+y)*ow+left)*s.Co+p.c0:]
					gPitch := ow * s.Co
					var xs []float32
					xPitch := s.Stride * s.W * s.Ci
					if c.copied() {
						xs, xPitch = padded[p.k0:], c.runPitch()
					} else {
						xs = x[((n*s.H+y*s.Stride+p.ky-s.Pad)*s.W+left*s.Stride+kx-s.Pad)*s.Ci+p.k0:]
					}
					t.nt, t.nu = right-left, h
					t.acc = 1
					if first {
						t.acc = 0
					}
					t.a, t.ta, t.ua, t.si = xs, s.Stride*s.Ci, xPitch, 1
					t.b, t.tb, t.ub = gs, s.Co, gPitch
					if c.mode.swap {
						t.a, t.b = t.b, t.a
						t.ta, t.tb = t.tb, t.ta
						t.ua, t.ub = t.ub, t.ua
					}
					t.dst = out(kx)
					c.eng.run(&t, rows, nv)
				}
			}
		}
	}
	if !c.mode.swap {
		return
	}
	for kx := range c.taps() {
		d := dw[((p.ky*s.K+kx)*s.Ci+p.k0)*s.Co+p.c0:]
		m := sums[kx*rows*cols:]
		for k := range cols {
			for o := range rows {
				d[k*s.Co+o] = m[o*cols+k]
			}
		}
	}
}

// columns is the output columns whose input at tap kx is inside the image.
func (c *directW) columns(kx int) (lo, hi int) {
	_, ow := c.s.Out()
	if c.mode.run {
		return 0, ow
	}
	return clip(kx-c.s.Pad, c.s.W, c.s.Stride, ow)
}

// clip is the range of j, within [0,n), in which 0 <= j*stride+shift < size.
func clip(shift, size, stride, n int) (lo, hi int) {
	lo = max(0, -shift+stride-1) / stride
	hi = max(0, size-shift+stride-1) / stride
	hi = min(hi, n)
	return min(lo, hi), hi
}

// copyRuns copies the h rows of x from row y in steps of the stride, as the
// output columns [from, to) need them, with zeros outside the image.
func (c *directW) copyRuns(dst, x []float32, y, h, from, to int) {
	s := c.s
	pitch, n := c.runPitch(), s.W*s.Ci
	for i := range h {
		padCopy(dst[i*pitch:][:((to-from-1)*s.Stride+s.K)*s.Ci], x[(y+i*s.Stride)*n:][:n], (from*s.Stride-s.Pad)*s.Ci)
	}
}

// padCopy sets dst[i] = src[i+at], zero outside src.
func padCopy(dst, src []float32, at int) {
	left := min(max(0, -at), len(dst))
	n := min(max(0, len(src)-(at+left)), len(dst)-left)
	clear(dst[:left])
	if n > 0 {
		copy(dst[left:], src[at+left:][:n])
	}
	clear(dst[left+n:])
}

// diagonals computes the weights of filter row ky of single channels. With m
// the product of groups of g and the windows of x from their first pixel,
//
//	m[i][j] = sum over groups p of g[p*group+i] * x[p*group+j]
//
// weight kx is the sum of m[i][i+kx] over i.
func (c *directW) diagonals(dw, x, g []float32, ky int, scratch []float32) {
	s, group, groups := c.s, c.mode.group, c.groups()
	oh, ow := s.Out()
	gPitch, xPitch, width := groups*group, groups*group+s.K-1, group+s.K-1
	m, scratch := scratch[:c.sums], scratch[c.sums:]
	gs, xs := scratch[:c.bandH*gPitch], scratch[c.bandH*gPitch:]
	nv := (width + c.eng.lanes - 1) / c.eng.lanes
	t := tile{
		di: width, si: 1,
		ta: group, ua: gPitch,
		tb: group, ub: xPitch,
		nt: groups, lanes: width - (nv-1)*c.eng.lanes,
	}
	clear(m)
	top, bottom := clip(ky-s.Pad, s.H, 1, oh)
	for n := range s.N {
		for y := top; y < bottom; y += c.bandH {
			h := min(c.bandH, bottom-y)
			for i := range h {
				padCopy(gs[i*gPitch:][:gPitch], g[(n*oh+y+i)*ow:][:ow], 0)
				padCopy(xs[i*xPitch:][:xPitch], x[(n*s.H+y+i+ky-s.Pad)*s.W:][:s.W], -s.Pad)
			}
			t.dst, t.a, t.b, t.nu, t.acc = m, gs, xs, h, 1
			c.eng.run(&t, group, nv)
		}
	}
	for kx := range s.K {
		sum := float32(0)
		for i := range group {
			sum += m[i*width+i+kx]
		}
		dw[ky*s.K+kx] = sum
	}
}
