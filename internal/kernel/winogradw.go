package kernel

// A winogradW computes the weight gradient of a 3x3 or 5x5 convolution of stride
// 1. What the convolution does to a filter g and a tile d of its input,
//
//	A' [(G g G') * (B' d B)] A,
//
// is linear in g; the gradient is the adjoint of that, summed over the tiles:
// with y a 4x4 tile of the output's gradient,
//
//	dg = G' [sum over tiles of (B' d B) * (A y A')] G.
//
// The sums over the tiles, for all pairs of channels, are matrix products, one
// for each place of the tile.
type winogradW struct {
	*winoAlg
	level  Level
	s      ConvShape
	oh, ow int
	ty, tx int // tiles in an image, down and across
	tiles  int // tiles that are in work at a time
	in     []winoBlock
	out    []winoBlock
	panel  int // output channels in a product
	// The distances of the places of the transformed inputs, gradients and
	// sums.
	vPlane, gPlane, mPlane int
}

func newWinogradW(s ConvShape) *winogradW {
	c := &winogradW{winoAlg: winoAlgFor(s.K), level: level, s: s}
	c.oh, c.ow = s.Out()
	c.ty, c.tx = (c.oh+3)/4, (c.ow+3)/4
	c.tiles = min(64, s.N*c.ty*c.tx)
	// A part has its own transforms: large blocks of channels share them, but
	// small ones make more parts.
	inMost, outMost := 2, 4
	if s.Ci > 64 {
		inMost = 4
	}
	c.in, c.out = winoBlocks(s.Ci, inMost), winoBlocks(s.Co, outMost)
	c.panel = winoLane
	if c.level == AVX512 {
		c.panel = outMost * winoLane
	}
	width := func(b []winoBlock) int { return b[len(b)-1].width }
	c.vPlane, c.gPlane = apart(c.tiles*width(c.in)), apart(c.tiles*width(c.out))
	c.mPlane = apart(width(c.in) * width(c.out))
	return c
}

// productBlocks cuts n channels into blocks for products: of up to four vectors
// of winoLane with AVX-512, and else of one, or the last of one and a half.
func productBlocks(l Level, n int) []winoBlock {
	if l == AVX512 {
		return winoBlocks(n, 4)
	}
	b := winoBlocks(n, 1)
	if k := len(b) - 1; l != Generic && k > 0 && b[k].used <= winoLane/2 {
		b[k-1].used += b[k].used
		b[k-1].width += winoLane / 2
		b = b[:k]
	}
	return b
}

// even cuts n rows into blocks of most or fewer: more blocks of r rows and then
// few of r-1.
func even(n, most int) (r, more, few int) {
	blocks := (n + most - 1) / most
	r = (n + blocks - 1) / blocks
	few = r*blocks - n
	return r, blocks - few, few
}

// winoBlocks cuts n channels into even blocks of at most most vectors.
func winoBlocks(n, most int) (b []winoBlock) {
	vecs := (n + winoLane - 1) / winoLane
	k := (vecs + most - 1) / most
	for i := range k {
		from, to := vecs*i/k*winoLane, vecs*(i+1)/k*winoLane
		b = append(b, winoBlock{from: from, used: min(to, n) - from, width: to - from})
	}
	return b
}

// useWinogradW says whether the algorithm pays, by a count like that of
// useWinograd.
func useWinogradW(s ConvShape) bool {
	if s.K != 3 || s.Stride != 1 {
		oh, ow := s.Out()
		return useFive(s) && s.N*oh*ow >= 64 // the filters' own transform takes its time
	}
	c := newWinogradW(s)
	tiles := s.N * c.ty * c.tx
	border := s.N * min(2*(c.ty+c.tx), c.ty*c.tx) * 3000
	cost := 0
	for _, i := range c.in {
		for _, o := range c.out {
			cost += tiles*(36*i.width*o.width+400*i.width+300*o.width+2000) + border + 36*i.width*o.width*14
		}
	}
	return 115*cost < 100*9*s.N*c.oh*c.ow*s.Ci*s.Co
}

func (c *winogradW) parts() int { return len(c.in) * len(c.out) }

func (c *winogradW) scratchLen() int {
	return c.places()*(c.vPlane+c.gPlane+c.mPlane+4*winoLane) + c.tmp() + 16
}

func (c *winogradW) part(dw, x, g []float32, part int, scratch []float32) {
	in, out := c.in[part%len(c.in)], c.out[part/len(c.in)]
	scratch = aligned(scratch)
	places := c.places()
	v, scratch := scratch[:places*c.vPlane], scratch[places*c.vPlane:]
	w, scratch := scratch[:places*c.gPlane], scratch[places*c.gPlane:]
	m, scratch := scratch[:places*c.mPlane], scratch[places*c.mPlane:]
	tmp, tile := scratch[:c.tmp()], scratch[c.tmp():]
	panel := min(c.panel, out.width)
	n := c.s.N * c.ty * c.tx
	chunks := (n + c.tiles - 1) / c.tiles
	for i := range chunks {
		from, to := n*i/chunks, n*(i+1)/chunks
		for t := from; t < to; t++ {
			c.tile(v[(t-from)*in.width:], x, t, in, tmp, tile)
			c.tileGradient(w[(t-from)*panel:], g, t, out, panel, tmp, tile)
		}
		for k := range places {
			winoSum(c.level, m[k*c.mPlane:], v[k*c.vPlane:], w[k*c.gPlane:], to-from, in.used, in.width, panel, i,
				out.width/panel, panel*in.width, 0, panel*c.tiles)
		}
	}
	s := c.s
	for j := 0; j < out.width; j += panel {
		for i := range in.used {
			c.weights(c.level, dw[(in.from+i)*s.Co+out.from+j:], m[j*in.width+i*panel:], tmp, min(panel, out.used-j), s.Ci*s.Co, c.mPlane)
		}
	}
}

// tile transforms channels b of tile t of the input.
func (c *winogradW) tile(v, x []float32, t int, b winoBlock, tmp, tile []float32) {
	s := c.s
	img, y, u := c.place(t)
	y, u = y-s.Pad, u-s.Pad
	x = x[img*s.H*s.W*s.Ci:][:s.H*s.W*s.Ci]
	if y >= 0 && u >= 0 && y+c.side <= s.H && u+c.side <= s.W {
		c.input(c.level, v, x[(y*s.W+u)*s.Ci+b.from:], tmp, b.used, s.Ci, s.W*s.Ci, c.vPlane)
		return
	}
	gather(tile, x, c.side, y, u, s.H, s.W, s.Ci, b)
	c.input(c.level, v, tile, tmp, b.used, b.used, c.side*b.used, c.vPlane)
}

// tileGradient transforms channels b of tile t of the output's gradient, panel by
// panel.
func (c *winogradW) tileGradient(w, g []float32, t int, b winoBlock, panel int, tmp, tile []float32) {
	img, y, u := c.place(t)
	co := c.s.Co
	g = g[img*c.oh*c.ow*co:][:c.oh*c.ow*co]
	pixel, row := co, c.ow*co
	if y+4 <= c.oh && u+4 <= c.ow {
		g = g[(y*c.ow+u)*co+b.from:]
	} else {
		gather(tile, g, 4, y, u, c.oh, c.ow, co, b)
		g, pixel, row = tile, b.used, 4*b.used
	}
	for j := 0; j < b.used; j += panel {
		c.gradient(c.level, w[j*c.tiles:], g[j:], tmp, min(panel, b.used-j), pixel, row, c.gPlane)
	}
}

// place is the image and the first output row and column of tile t.
func (c *winogradW) place(t int) (img, y, x int) {
	r := t / c.tx
	return r / c.ty, 4 * (r % c.ty), 4 * (t % c.tx)
}

// gather copies the channels b of the size x size pixels at (y,u) of an image
// (h,w,c), zero outside it.
func gather(tile, x []float32, size, y, u, h, w, c int, b winoBlock) {
	from, to := max(u, 0), min(u+size, w)
	n := b.used
	for i := range size {
		d := tile[i*size*n:][:size*n]
		if y+i < 0 || y+i >= h || from >= to {
			clear(d)
			continue
		}
		clear(d[:(from-u)*n])
		src := x[((y+i)*w+from)*c+b.from:]
		if n == c {
			copy(d[(from-u)*n:(to-u)*n], src)
		} else {
			for j := range to - from {
				copy(d[(from-u+j)*n:][:n], src[j*c:])
			}
		}
		clear(d[(to-u)*n:])
	}
}
