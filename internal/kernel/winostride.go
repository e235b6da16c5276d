package kernel

import "math"

// A winoStride computes a 3x3 convolution of stride 2 and padding 1, or its
// adjoint. Along one axis the outer taps meet every other pixel of the input,
// a filter of two taps and stride 1, and the middle tap meets the pixels
// between them. For four outputs the former takes five products by Winograd's
// algorithm F(4,2), the latter four, nine together instead of twelve; in two
// dimensions 81 instead of 144. The middle tap is the same for its four
// places, so there are 6x6 different transformed weights, not 9x9.
//
// F(4,2) evaluates at +-sqrt(1/2), +-sqrt(2) and infinity; the errors are
// about those of the direct sum.
//
// The adjoint is the like: of each axis of x every other pixel is a sum of two
// taps, the others are one product. It has the filters turned by half a circle
// and the channels swapped.
type winoStride struct {
	level  Level
	adj    bool
	n      int // images
	ih, iw int // input
	ci     int
	oh, ow int // output
	co     int
	ty, tx int // tiles in an image, down and across
	in     int // rows and columns of the input of a tile
	inStep int // from tile to tile in the input
	out    int // rows and columns of the output of a tile
	tiles  int // tiles that are in work at a time
	per    int // rows of tiles in a part
	blocks []winoBlock
	packed int
	cip    int // ci and co in whole vectors
	cop    int
	vPlane int // between the 81 places
	mPlane int
}

// stridePlaces is the number of products of a tile.
const stridePlaces = 81

// strideTmp is what a transform needs.
const strideTmp = stridePlaces * winoLane

func newWinoStride(s ConvShape, adj bool) *winoStride {
	oh, ow := s.Out()
	c := &winoStride{level: level, adj: adj, n: s.N}
	if adj {
		c.ih, c.iw, c.ci, c.oh, c.ow, c.co = oh, ow, s.Co, s.H, s.W, s.Ci
		c.in, c.inStep, c.out = 5, 4, 8
	} else {
		c.ih, c.iw, c.ci, c.oh, c.ow, c.co = s.H, s.W, s.Ci, oh, ow, s.Co
		c.in, c.inStep, c.out = 9, 8, 4
	}
	c.ty, c.tx = (c.oh+c.out-1)/c.out, (c.ow+c.out-1)/c.out
	all := c.n * c.ty * c.tx
	c.tiles = min(max(all/12, 12), 24)
	if 36*c.ci*c.co > 1<<19 { // filters that leave the second-level cache
		c.tiles = min(max(all/4, 32), 64)
	}
	c.per = (c.tiles + c.tx - 1) / c.tx
	c.tiles = min(c.tiles, all)
	c.cip = (c.ci + winoLane - 1) / winoLane * winoLane
	c.blocks = productBlocks(c.level, c.co)
	for i := range c.blocks {
		b := &c.blocks[i]
		b.weights, b.plane = c.packed, apart(c.ci*b.width)
		c.packed += 36 * b.plane
	}
	c.cop = (c.co + winoLane - 1) / winoLane * winoLane
	c.vPlane, c.mPlane = apart(c.tiles*c.cip), apart(c.tiles*c.cop)
	return c
}

// useWinoStride says whether the algorithm pays; see useWinograd.
func useWinoStride(s ConvShape, adj bool) bool {
	if s.K != 3 || s.Stride != 2 || s.Pad != 1 || s.Ci < 16 || s.Co < 16 {
		return false
	}
	c := newWinoStride(s, adj)
	tiles := c.n * c.ty * c.tx
	read := 36 * c.ci * c.co * 2
	if 4*36*c.ci*c.co > 3<<19 {
		read *= 4 // beyond the second-level cache
	}
	oh, ow := s.Out()
	cost := tiles*(stridePlaces*c.ci*c.co+900*(c.cip+c.cop)+4000) + c.parts()*read
	return 115*cost < 100*9*s.N*oh*ow*s.Ci*s.Co
}

func (c *winoStride) packLen() int {
	n := c.packed + strideTmp
	if c.adj {
		n += 9 * c.ci * c.co
	}
	return n
}

func (c *winoStride) pack(dst, w []float32) {
	tmp := dst[c.packed:][:strideTmp]
	n := c.ci * c.co
	if c.adj {
		t := dst[c.packed+strideTmp:]
		for k := range 9 {
			transpose(t[k*n:(k+1)*n], w[(8-k)*n:(9-k)*n], c.co, c.ci)
		}
		w = t
	}
	for _, b := range c.blocks {
		for k := range c.ci {
			strideFilter(c.level, dst[b.weights+k*b.width:], w[k*c.co+b.from:], tmp, b.used, n, b.plane)
		}
	}
}

func (c *winoStride) parts() int { return (c.n*c.ty + c.per - 1) / c.per }

func (c *winoStride) rows(part int) (lo, hi int) {
	row := func(t int) int { return t/c.ty*c.oh + c.out*(t%c.ty) }
	n := c.n * c.ty
	return row(n * part / c.parts()), row(n * (part + 1) / c.parts())
}

func (c *winoStride) scratchLen() int {
	return stridePlaces*(c.vPlane+c.mPlane) + strideTmp + c.tileLen() + 16
}

// tileLen is the size of a tile of the input at the border, or of the output.
func (c *winoStride) tileLen() int { return max(c.in*c.in*c.ci, c.out*c.out*c.co) }

func (c *winoStride) part(dst, x, f []float32, part int, acc bool, scratch []float32) {
	n := c.n * c.ty
	from, to := n*part/c.parts()*c.tx, n*(part+1)/c.parts()*c.tx
	chunks := (to - from + c.tiles - 1) / c.tiles
	scratch = aligned(scratch)
	v, scratch := scratch[:stridePlaces*c.vPlane], scratch[stridePlaces*c.vPlane:]
	m, scratch := scratch[:stridePlaces*c.mPlane], scratch[stridePlaces*c.mPlane:]
	tmp, tile := scratch[:strideTmp], scratch[strideTmp:][:c.tileLen()]
	for i := range chunks {
		from, to := from+(to-from)*i/chunks, from+(to-from)*(i+1)/chunks
		for t := from; t < to; t++ {
			c.input(v[(t-from)*c.cip:], x, t, tmp, tile)
		}
		c.products(m, v, f, to-from)
		for t := from; t < to; t++ {
			c.output(dst, m, t, t-from, to-from, acc, tmp, tile)
		}
	}
}

// place is the image and the row and column of tile t.
func (c *winoStride) place(t int) (img, i, j int) {
	r := t / c.tx
	return r / c.ty, r % c.ty, t % c.tx
}

func (c *winoStride) input(v, x []float32, t int, tmp, tile []float32) {
	img, i, j := c.place(t)
	y, u := c.inStep*i, c.inStep*j
	if !c.adj {
		y, u = y-1, u-1
	}
	row := c.iw * c.ci
	x = x[img*c.ih*row:][:c.ih*row]
	if y >= 0 && u >= 0 && y+c.in <= c.ih && u+c.in <= c.iw {
		strideInput(c.level, c.adj, v, x[y*row+u*c.ci:], tmp, c.ci, c.ci, row, c.vPlane)
		return
	}
	gather(tile, x, c.in, y, u, c.ih, c.iw, c.ci, winoBlock{used: c.ci})
	strideInput(c.level, c.adj, v, tile, tmp, c.ci, c.ci, c.in*c.ci, c.vPlane)
}

// products is the sums over the channels for n tiles. The places that share their
// weights go together, and all outputs of a place, so that neither the weights nor
// the transformed tiles have to come from afar twice.
func (c *winoStride) products(m, v, f []float32, n int) {
	for p := range 36 {
		rows, cols := stridePlace(p/6), stridePlace(p%6)
		for _, b := range c.blocks {
			for r := rows[0]; r < rows[1]; r++ {
				at := 9*r + cols[0]
				winoPanels(c.level, m[at*c.mPlane+b.from*n:], v[at*c.vPlane:], f[b.weights+p*b.plane:],
					36*b.plane, n, c.ci, c.cip, b.width, cols[1]-cols[0], c.mPlane, c.vPlane, 0)
			}
		}
	}
}

// stridePlace is the places of an axis of the products that share weight i of
// the six.
func stridePlace(i int) [2]int {
	if i < 5 {
		return [2]int{i, i + 1}
	}
	return [2]int{5, 9}
}

// output makes the outputs of tile t, which is the k-th of n in work.
func (c *winoStride) output(dst, m []float32, t, k, n int, acc bool, tmp, tile []float32) {
	img, i, j := c.place(t)
	y, u := c.out*i, c.out*j
	d := dst[((img*c.oh+y)*c.ow+u)*c.co:]
	inside := y+c.out <= c.oh && u+c.out <= c.ow
	for _, b := range c.blocks {
		m := m[b.from*n+k*b.width:]
		if inside {
			strideOutput(c.level, c.adj, d[b.from:], m, tmp, b.used, c.co, c.ow*c.co, c.mPlane, acc)
		} else {
			strideOutput(c.level, c.adj, tile[b.from:], m, tmp, b.used, c.co, c.out*c.co, c.mPlane, false)
		}
	}
	if inside {
		return
	}
	w := min(c.out, c.ow-u) * c.co
	for k := range min(c.out, c.oh-y) {
		d, p := d[k*c.ow*c.co:][:w], tile[k*c.out*c.co:][:w]
		if acc {
			Add(d, d, p)
		} else {
			copy(d, p)
		}
	}
}

// The inner routines, in Go. Their assembly is in winograd_amd64.s and
// winograd_arm64.s.

// strideLine is F(4,2)'s transform of the input, and then the four values
// that the middle tap meets.
func strideLine(d0, d1, d2, d3, d4 float32, mid [4]float32) [9]float32 {
	a, e := d0-0.5*d2, math.Sqrt2*(d1-0.5*d3)
	b, f := d2-0.5*d0, (math.Sqrt2/2)*(d3-0.5*d1)
	return [9]float32{a + e, a - e, b + f, b - f, d4 - 2.5*d2 + d0, mid[0], mid[1], mid[2], mid[3]}
}

// strideInputGo is the transforms of the 9x9 inputs of n channels, or of the
// 5x5 inputs of the adjoint: v[9*i+j][k] of channel k.
func strideInputGo(adj bool, v, x []float32, n, pixel, row, plane int) {
	line := func(at func(i int) float32) [9]float32 {
		if adj {
			return strideLine(at(0), at(1), at(2), at(3), at(4), [4]float32{at(0), at(1), at(2), at(3)})
		}
		return strideLine(at(0), at(2), at(4), at(6), at(8), [4]float32{at(1), at(3), at(5), at(7)})
	}
	size := 9
	if adj {
		size = 5
	}
	for k := range n {
		var t [9][9]float32 // t[j][i]
		for j := range size {
			t[j] = line(func(i int) float32 { return x[i*row+j*pixel+k] })
		}
		for i := range 9 {
			for j, o := range line(func(j int) float32 { return t[j][i] }) {
				v[(9*i+j)*plane+k] = o
			}
		}
	}
}

// strideOutputGo is the 4x4 outputs of n channels, or the 8x8 of the adjoint.
func strideOutputGo(adj bool, dst, m []float32, n, pixel, row, plane int, acc bool) {
	size := 4
	if adj {
		size = 8
	}
	line := func(at func(i int) float32) (o [8]float32) {
		s1, d1, s2, d2 := at(0)+at(1), at(0)-at(1), at(2)+at(3), at(2)-at(3)
		for i, v := range [4]float32{
			s1 + s2, (math.Sqrt2/2)*d1 + math.Sqrt2*d2,
			0.5*s1 + 2*s2, (math.Sqrt2/4)*d1 + (2*math.Sqrt2)*d2 + at(4),
		} {
			if adj {
				o[2*i], o[2*i+1] = at(5+i), v
			} else {
				o[i] = v + at(5+i)
			}
		}
		return o
	}
	for k := range n {
		var t [9][8]float32 // t[j][i]
		for j := range t {
			t[j] = line(func(i int) float32 { return m[(9*i+j)*plane+k] })
		}
		for i := range size {
			o := line(func(j int) float32 { return t[j][i] })
			for j, v := range o[:size] {
				if at := i*row + j*pixel + k; acc {
					dst[at] += v
				} else {
					dst[at] = v
				}
			}
		}
	}
}

// strideFilterGo is the 6x6 transformed weights u[6*i+j][k] of channel k.
func strideFilterGo(u, w []float32, n, tap, plane int) {
	line := func(g0, g1, g2 float32) [6]float32 {
		e := g2 * (math.Sqrt2 / 3)
		return [6]float32{g0*(2./3) + e, g0*(2./3) - e, g0*(1./3) + e, g0*(1./3) - e, g2, g1}
	}
	for k := range n {
		var t [3][6]float32 // t[j][i]
		for j := range t {
			p := w[k+j*tap:]
			t[j] = line(p[0], p[3*tap], p[6*tap])
		}
		for i := range 6 {
			for j, o := range line(t[0][i], t[1][i], t[2][i]) {
				u[(6*i+j)*plane+k] = o
			}
		}
	}
}
