package kernel

// A directConv computes a convolution, or its adjoint, as the direct sum. It
// is a small matrix product for each tap: broadcast pixels times rows of the
// filter. In channels-last order the taps of one filter row meet a contiguous
// run of the input, so the product has only two loops inside, over filter rows
// and along the run.
//
// The adjoint of a convolution of stride s is s*s convolutions of stride 1,
// one for each residue of the output's row and column modulo s, with the
// filter's taps of that residue flipped and its channels swapped (Dumoulin and
// Visin, A guide to convolution arithmetic, 2016, chapter 4).
//
// With few output channels a vector would be mostly empty: then group
// neighbouring output pixels share it. The filter is repeated, shifted by a
// pixel each time, with zeros around.
type directConv struct {
	eng    *engine
	shape  ConvShape // of the weights
	adj    bool
	n      int // images
	ih, iw int // input
	ci     int
	oh, ow int // output
	co     int
	step   int // between a phase's output pixels
	stride int // between the input pixels of neighbouring output pixels
	group  int
	phases []convPhase
	cols   []colBlock
	packed int

	nparts  int  // parts of an image, or of all of them if flat
	flat    bool // pointwise: the batch is one long row
	rowMany int  // rows of the caller's output in one row of ours
	copied  bool // input rows are copied into scratch with their padding
	left    int  // columns of padding on the left of the copy
	pitch   int  // floats in a row of the copy
	height  int  // rows of the copy, at most
	tall    bool // the rows of a tile are output rows, not columns

	cuts [][2]int // the parts' output rows, if they are those of another plan
}

// A convPhase is one convolution of stride 1 or more: output pixel
// (y0+step*i, x0+step*j) is the sum over taps (u,v) of w[ky(u),kx(v)] times
// input (i*stride+u-top, j*stride+v-left).
type convPhase struct {
	y0, x0    int
	oh, ow    int
	kh, kw    int
	top, left int
	ky, kx    []int
	weights   int // where its packed filter begins
	chunks    []chunk
}

// A chunk is a part of the sum whose weights stay in the first-level cache
// while the pixels go by.
type chunk struct{ u, nu, t, nt int }

// l1Weights is how many floats of weights a chunk may have: half of a 48 KB
// first-level cache.
const l1Weights = 6 << 10

// A part has partWork multiplications or more, to be worth waking a worker, and
// partPixels output pixels or more, so that reading the weights is shared.
const (
	partWork   = 2 << 20
	partPixels = 12
)

// pointwise returns s with a convolution whose filter is as large as its image
// (a dense layer) turned into one that sees the whole image as one pixel. The
// data and the weights are the same numbers in the same order.
func pointwise(s ConvShape) ConvShape {
	if oh, ow := s.Out(); oh == 1 && ow == 1 && s.Pad == 0 && s.H == s.K && s.W == s.K {
		return ConvShape{N: s.N, H: 1, W: 1, Ci: s.K * s.K * s.Ci, Co: s.Co, K: 1, Stride: 1}
	}
	return s
}

func newDirect(s ConvShape) convImpl {
	s = pointwise(s)
	oh, ow := s.Out()
	c := &directConv{
		shape: s, n: s.N, ih: s.H, iw: s.W, ci: s.Ci, oh: oh, ow: ow, co: s.Co,
		step: 1, stride: s.Stride, rowMany: 1,
	}
	k := make([]int, s.K)
	for i := range k {
		k[i] = i
	}
	c.phases = []convPhase{{oh: oh, ow: ow, top: s.Pad, left: s.Pad, ky: k, kx: k}}
	c.plan()
	return c
}

func newDirectT(s ConvShape) convImpl {
	height := s.H
	s = pointwise(s)
	oh, ow := s.Out()
	c := &directConv{
		shape: s, adj: true, n: s.N, ih: oh, iw: ow, ci: s.Co, oh: s.H, ow: s.W, co: s.Ci,
		step: s.Stride, stride: 1, rowMany: height / s.H,
	}
	// residue is the phase r of one axis: its first output, number of outputs,
	// padding and taps.
	residue := func(r, size int) (first, count, pad int, taps []int) {
		first = ((r-s.Pad)%s.Stride + s.Stride) % s.Stride
		count = max(0, (size-first+s.Stride-1)/s.Stride)
		for k := r; k < s.K; k += s.Stride {
			taps = append([]int{k}, taps...)
		}
		return first, count, len(taps) - 1 - (first+s.Pad-r)/s.Stride, taps
	}
	for ry := range s.Stride {
		for rx := range s.Stride {
			var p convPhase
			p.y0, p.oh, p.top, p.ky = residue(ry, s.H)
			p.x0, p.ow, p.left, p.kx = residue(rx, s.W)
			if p.oh > 0 && p.ow > 0 {
				c.phases = append(c.phases, p)
			}
		}
	}
	c.plan()
	return c
}

// plan fills in what follows from the geometry.
func (c *directConv) plan() {
	c.eng = &engines[level]
	lanes := c.eng.lanes
	c.group = 1
	if c.step == 1 {
		kw := len(c.phases[0].kx)
		best := float64(kw)
		for g := 2; g*c.co <= lanes; g++ {
			if cost := float64(kw+(g-1)*c.stride) / float64(g); cost < 0.9*best {
				best, c.group = cost, g
			}
		}
	}
	c.cols = c.eng.blocks(c.group * c.co)
	vecs := 0
	for _, b := range c.cols {
		vecs += b.vecs
	}

	inside := true // no output needs padding
	lo, hi := 0, c.iw
	macs := 0 // of an image
	for i := range c.phases {
		p := &c.phases[i]
		p.kh, p.kw = len(p.ky), len(p.kx)
		if p.kh == 0 {
			p.kw = 0
		}
		if p.kw == 0 {
			continue
		}
		p.weights = c.packed
		p.chunks = c.chunks(p)
		c.packed += p.kh * c.run(p) * vecs * lanes
		macs += p.oh * p.ow * p.kh * p.kw * c.ci * c.co
		groups := (p.ow + c.group - 1) / c.group
		last := (groups*c.group-1)*c.stride + p.kw - p.left
		lo, hi = min(lo, -p.left), max(hi, last)
		inside = inside && p.top <= 0 && p.left <= 0 && last <= c.iw && (p.oh-1)*c.stride+p.kh-p.top <= c.ih
	}
	c.copied = !inside
	c.left, c.pitch = -lo, (hi-lo)*c.ci

	p := &c.phases[0]
	c.flat = inside && c.step == 1 && c.stride == 1 && p.kh == 1 && p.kw == 1 && c.group == 1 && c.iw == c.ow && c.ih == c.oh
	rows := c.oh
	if c.flat {
		rows *= c.n
	}
	per := max(1, partWork/max(1, macs/c.oh), (partPixels+c.ow-1)/c.ow)
	if !c.flat {
		groups, vecs := (p.ow+c.group-1)/c.group, c.cols[0].vecs
		// Rows that stay in the first-level cache, or one tile.
		high := max(1, min(per, max(c.eng.rows[vecs], l1Weights/c.pitch-p.kh), rows)/c.step)
		if c.tall = 5*groups*c.eng.cost(high, vecs) < 4*high*c.eng.cost(groups, vecs); c.tall {
			per = high * c.step
			// An odd number of cache lines, lest the rows of a tile compete
			// for the same place in the cache.
			c.pitch = (c.pitch+15)/16*16 | 16
		}
	}
	c.nparts = (rows + per - 1) / per
	if c.copied {
		for i := range c.nparts {
			lo, hi := c.inputRows(c.partRows(i))
			c.height = max(c.height, hi-lo)
		}
	}
}

// like returns c in other parts, given by their output rows of all the images,
// or nil if it cannot be cut so.
func (c *directConv) like(cuts [][2]int) *directConv {
	if c.flat || c.rowMany != 1 || cuts[len(cuts)-1][1] != c.n*c.oh {
		return nil
	}
	k := *c
	k.cuts, k.height = cuts, 0
	if k.copied {
		for i := range cuts {
			k.images(i, func(_, lo, hi int) {
				from, to := k.inputRows(lo, hi)
				k.height = max(k.height, to-from)
			})
		}
	}
	return &k
}

// images visits the images that a part has rows of, and those rows.
func (c *directConv) images(part int, visit func(n, lo, hi int)) {
	if c.cuts == nil {
		lo, hi := c.partRows(part % c.nparts)
		visit(part/c.nparts, lo, hi)
		return
	}
	for lo, end := c.cuts[part][0], c.cuts[part][1]; lo < end; {
		n := lo / c.oh
		hi := min(end, (n+1)*c.oh)
		visit(n, lo-n*c.oh, hi-n*c.oh)
		lo = hi
	}
}

// run is the length of a filter row of phase p.
func (c *directConv) run(p *convPhase) int { return (p.kw + (c.group-1)*c.stride) * c.ci }

// chunks cuts the sum of phase p.
func (c *directConv) chunks(p *convPhase) (cs []chunk) {
	vecs := 0
	for _, b := range c.cols {
		vecs = max(vecs, b.vecs)
	}
	run, most := c.run(p), max(1, l1Weights/(vecs*c.eng.lanes))
	if run <= most {
		n := min(p.kh, (p.kh*run+most-1)/most)
		for i := range n {
			u := p.kh * i / n
			cs = append(cs, chunk{u, p.kh*(i+1)/n - u, 0, run})
		}
		return cs
	}
	n := (run + most - 1) / most
	for u := range p.kh {
		for i := range n {
			t := run * i / n
			cs = append(cs, chunk{u, 1, t, run*(i+1)/n - t})
		}
	}
	return cs
}

func (c *directConv) packLen() int { return c.packed }

// pack writes, for each phase and block of columns, the rows of the filter
// along the run, each padded to whole vectors.
func (c *directConv) pack(dst, w []float32) {
	clear(dst)
	s := c.shape
	for i := range c.phases {
		p := &c.phases[i]
		to := p.weights
		for _, b := range c.cols {
			for _, ky := range p.ky {
				for px := range p.kw + (c.group-1)*c.stride {
					if p.kw == 0 {
						continue
					}
					for g := range c.group {
						v := px - g*c.stride
						if v < 0 || v >= p.kw {
							continue
						}
						tap := w[(ky*s.K+p.kx[v])*s.Ci*s.Co:][:s.Ci*s.Co]
						c.packTap(dst[to+g*c.co:], tap, b)
					}
					to += c.ci * b.vecs * c.eng.lanes
				}
			}
		}
	}
}

// packTap writes the columns of block b of one tap (Ci,Co), or its transpose.
func (c *directConv) packTap(dst, tap []float32, b colBlock) {
	pitch := b.vecs * c.eng.lanes
	n := min(b.width, c.co)
	for k := range c.ci {
		row := dst[k*pitch:][:n]
		if c.adj {
			for j := range row {
				row[j] = tap[(b.from+j)*c.ci+k]
			}
		} else {
			copy(row, tap[k*c.co+b.from:])
		}
	}
}

func (c *directConv) parts() int {
	switch {
	case c.cuts != nil:
		return len(c.cuts)
	case c.flat:
		return c.nparts
	}
	return c.n * c.nparts
}

func (c *directConv) rows(part int) (lo, hi int) {
	if c.cuts != nil {
		return c.cuts[part][0], c.cuts[part][1]
	}
	n := 0
	if !c.flat {
		n, part = part/c.nparts, part%c.nparts
	}
	lo, hi = c.partRows(part)
	return (n*c.oh + lo) * c.rowMany, (n*c.oh + hi) * c.rowMany
}

// partRows is the output rows of part i of an image, or of the batch if flat.
func (c *directConv) partRows(i int) (lo, hi int) {
	rows := c.oh
	if c.flat {
		rows *= c.n
	}
	return rows * i / c.nparts, rows * (i + 1) / c.nparts
}

// phaseRows is the rows of phase p among the output rows [lo, hi).
func (c *directConv) phaseRows(p *convPhase, lo, hi int) (from, to int) {
	up := func(y int) int { return max(0, y-p.y0+c.step-1) / c.step }
	return up(lo), up(hi)
}

// inputRows is the input rows, some of them perhaps outside the image, that
// the output rows [lo, hi) need.
func (c *directConv) inputRows(lo, hi int) (from, to int) {
	first := true
	for i := range c.phases {
		p := &c.phases[i]
		a, b := c.phaseRows(p, lo, hi)
		if a == b || p.kw == 0 {
			continue
		}
		a, b = a*c.stride-p.top, (b-1)*c.stride-p.top+p.kh
		if first {
			from, to, first = a, b, false
		}
		from, to = min(from, a), max(to, b)
	}
	return from, to
}

func (c *directConv) scratchLen() int { return c.height * c.pitch }

func (c *directConv) part(dst, x, f []float32, part int, acc bool, scratch []float32) {
	if c.flat {
		lo, hi := c.partRows(part)
		p := &c.phases[0]
		c.phase(p, dst[lo*c.ow*c.co:], x[lo*c.iw*c.ci:], f, 0, 0, 1, (hi-lo)*c.ow, acc)
		return
	}
	c.images(part, func(n, lo, hi int) { c.image(dst, x, f, n, lo, hi, acc, scratch) })
}

// image computes the output rows [lo,hi) of image n.
func (c *directConv) image(dst, x, f []float32, n, lo, hi int, acc bool, scratch []float32) {
	x = x[n*c.ih*c.iw*c.ci:][:c.ih*c.iw*c.ci]
	dst = dst[n*c.oh*c.ow*c.co:][:c.oh*c.ow*c.co]
	top, left, pitch := 0, 0, c.iw*c.ci
	if c.copied {
		from, to := c.inputRows(lo, hi)
		top, left, pitch = -from, c.left, c.pitch
		padRows(scratch, x, from, to, c.ih, c.iw*c.ci, c.left*c.ci, pitch)
		x = scratch
	}
	for i := range c.phases {
		p := &c.phases[i]
		a, b := c.phaseRows(p, lo, hi)
		if a == b {
			continue
		}
		d := dst[((p.y0+a*c.step)*c.ow+p.x0)*c.co:]
		if p.kw == 0 {
			if !acc {
				c.zero(p, d, b-a)
			}
			continue
		}
		at := (a*c.stride-p.top+top)*pitch + (left-p.left)*c.ci
		c.phase(p, d, x[at:], f, pitch, c.step*c.ow*c.co, b-a, p.ow, acc)
	}
}

// zero clears the pixels of rows of phase p, to which no tap contributes.
func (c *directConv) zero(p *convPhase, dst []float32, rows int) {
	for i := range rows {
		for j := range p.ow {
			clear(dst[(i*c.ow+j)*c.step*c.co:][:c.co])
		}
	}
}

// phase computes rows of width pixels each of phase p. Rows of the input lie
// pitch apart, those of the output outPitch.
func (c *directConv) phase(p *convPhase, dst, x, f []float32, pitch, outPitch, rows, width int, acc bool) {
	run := c.run(p)
	f = f[p.weights:]
	full, rest := width/c.group, width%c.group
	// Strides of a and dst from group to group and from row to row; the rows
	// of the tiles are the one, the loop below goes over the other.
	si, di := c.stride*c.group*c.ci, c.step*c.group*c.co
	sj, dj := c.stride*pitch, outPitch
	ni, nj := full, rows
	if c.tall {
		si, di, sj, dj, ni, nj = sj, dj, si, di, nj, ni
	}
	for _, b := range c.cols {
		wide := b.vecs * c.eng.lanes
		t := tile{di: di, si: si, ta: 1, tb: wide, ua: pitch, ub: run * wide}
		for k, ch := range p.chunks {
			t.nt, t.nu = ch.nt, ch.nu
			t.b = f[(ch.u*run+ch.t)*wide:]
			if k > 0 || acc {
				t.acc = 1
			}
			at := ch.u*pitch + ch.t
			if full > 0 {
				t.lanes = b.width - (b.vecs-1)*c.eng.lanes
				for j := range nj {
					t.a, t.dst = x[at+j*sj:], dst[j*dj+b.from:]
					c.eng.run(&t, ni, b.vecs)
				}
			}
			if rest > 0 {
				// The last group, of fewer pixels: as many lanes fewer.
				last := t
				last.lanes, last.si, last.di = rest*c.co, c.stride*pitch, outPitch
				last.a, last.dst = x[at+full*c.stride*c.group*c.ci:], dst[full*c.group*c.co:]
				c.eng.run(&last, rows, 1)
			}
		}
		f = f[p.kh*run*wide:]
	}
}

// padRows copies rows [from, to) of an image of h rows of n floats to rows of
// pitch floats, the first left of which stay empty. What is outside the image
// is zero.
func padRows(dst, x []float32, from, to, h, n, left, pitch int) {
	for y := from; y < to; y++ {
		d := dst[(y-from)*pitch:][:pitch]
		if y < 0 || y >= h {
			clear(d)
			continue
		}
		clear(d[:left])
		copy(d[left:], x[y*n:][:n])
		clear(d[left+n:])
	}
}
