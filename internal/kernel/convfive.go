package kernel

// A fiveConv computes a 5x5 convolution of stride 1, or its adjoint, by
// Winograd's algorithm F(2x2,5x5) on the same 6x6 tiles, and the same points
// 0, 1, -1, 2, -2 and infinity, as F(4x4,3x3): with d a tile of the input and
// g a filter,
//
//	the 2x2 outputs = A' [sum over ci of (G g G') * (B' d B)] A.
//
// It needs 36 multiplications for 4 outputs, not 100. See winograd for the
// transform B and the source.
type fiveConv struct {
	level  Level
	eng    *engine
	adj    bool
	n      int // images
	ih, iw int // input
	ci     int
	oh, ow int // output
	co     int
	pad    int
	grid   fiveGrid
	cols   []colBlock
	starts []int // where the packed filters of a block begin
	packed int
	cip    int // ci in whole vectors

	pitch          int // floats in a row of the padded input
	vPlane, mPlane int // between the 36 places of tiles and of products
}

// A fiveGrid is the 2x2 tiles of an output: tall of them down, wide across.
// They are computed in bands of rows, high at most, and if these are long also
// of columns, band at most.
type fiveGrid struct{ tall, wide, bands, high, band int }

// fiveTiles is about how many tiles are in work at a time: their transforms fit
// the second-level cache.
const fiveTiles = 48

func newFiveGrid(oh, ow int) fiveGrid {
	g := fiveGrid{tall: (oh + 1) / 2, wide: (ow + 1) / 2}
	pieces := (g.wide + 2*fiveTiles - 1) / (2 * fiveTiles)
	g.band = (g.wide + pieces - 1) / pieces
	high := max(1, fiveTiles/g.wide)
	g.bands = (g.tall + high - 1) / high
	g.high = (g.tall + g.bands - 1) / g.bands
	return g
}

// rows is the rows of tiles of band i.
func (g fiveGrid) rows(i int) (lo, hi int) { return g.tall * i / g.bands, g.tall * (i + 1) / g.bands }

// most is how many tiles are in work at a time, at most.
func (g fiveGrid) most() int { return g.high * g.band }

// pitch is the length of a row of c channels of the input with its padding.
func (g fiveGrid) pitch(c int) int { return (2*g.wide + 4) * c }

// pad copies the input that rows [lo,hi) of tiles see, zero outside the image x
// of h rows of w pixels of c channels.
func (g fiveGrid) pad(dst, x []float32, lo, hi, h, w, c, pad int) {
	for i := range 2*(hi-lo) + 4 {
		d := dst[i*g.pitch(c):][:g.pitch(c)]
		if y := 2*lo - pad + i; y < 0 || y >= h {
			clear(d)
		} else {
			padCopy(d, x[y*w*c:][:w*c], -pad*c)
		}
	}
}

func newFive(s ConvShape, adj bool) *fiveConv {
	oh, ow := s.Out()
	c := &fiveConv{
		level: level, eng: &engines[level], adj: adj,
		n: s.N, ih: s.H, iw: s.W, ci: s.Ci, oh: oh, ow: ow, co: s.Co, pad: s.Pad,
	}
	if adj {
		c.ih, c.iw, c.ci, c.oh, c.ow, c.co, c.pad = oh, ow, s.Co, s.H, s.W, s.Ci, 4-s.Pad
	}
	c.grid = newFiveGrid(c.oh, c.ow)
	c.cip = (c.ci + 15) / 16 * 16
	c.pitch = c.grid.pitch(c.ci)
	c.cols = c.eng.blocks(c.co)
	wide := 0
	for _, b := range c.cols {
		c.starts = append(c.starts, c.packed)
		c.packed += 36 * fivePlane(c.ci*b.vecs*c.eng.lanes)
		wide = max(wide, b.vecs*c.eng.lanes)
	}
	c.vPlane = fivePlane(c.grid.most() * c.cip)
	c.mPlane = fivePlane(c.grid.most() * wide)
	return c
}

// fivePlane rounds n up to an odd number of cache lines, lest the 36 places
// compete for the same lines of the cache.
func fivePlane(n int) int { return ((n+15)/16 | 1) * 16 }

// useFive says whether the algorithm pays.
func useFive(s ConvShape) bool {
	oh, ow := s.Out()
	return s.K == 5 && s.Stride == 1 && s.Pad <= 4 && level != Generic &&
		s.Ci >= 16 && s.Co >= 16 && s.Ci*s.Co >= 512 && min(s.H, s.W, oh, ow) >= 4
}

// The packed filters are, for each block, 36 planes (ci,width), and then for an
// adjoint the turned and transposed weights, which only pack reads.
func (c *fiveConv) packLen() int {
	n := c.packed + fiveTmp
	if c.adj {
		n += 25 * c.ci * c.co
	}
	return n
}

func (c *fiveConv) pack(dst, w []float32) {
	tmp := dst[c.packed:][:fiveTmp]
	n := c.ci * c.co
	if c.adj {
		t := dst[c.packed+fiveTmp:]
		for k := range 25 {
			transpose(t[k*n:(k+1)*n], w[(24-k)*n:(25-k)*n], c.co, c.ci)
		}
		w = t
	}
	for i, b := range c.cols {
		width := b.vecs * c.eng.lanes
		plane := fivePlane(c.ci * width)
		for k := range c.ci {
			fiveFilter(c.level, dst[c.starts[i]+k*width:], w[k*c.co+b.from:], tmp, b.width, n, plane)
		}
	}
}

// fiveFilterGo is u[6*i+j][k] = (GgG')[i][j] of channel k.
func fiveFilterGo(u, w []float32, n, tap, plane int) {
	line := func(g0, g1, g2, g3, g4 float32) [6]float32 {
		a, b := (g0+g2+g4)*(-1./6), (g1+g3)*(-1./6)
		c, d := (g0+4*g2+16*g4)*(1./24), (g1+4*g3)*(1./12)
		return [6]float32{g0 / 4, a + b, a - b, c + d, c - d, g4}
	}
	for k := range n {
		var t [5][6]float32 // t[j][i]
		for j := range t {
			p := w[k+j*tap:]
			t[j] = line(p[0], p[5*tap], p[10*tap], p[15*tap], p[20*tap])
		}
		for i := range 6 {
			for j, o := range line(t[0][i], t[1][i], t[2][i], t[3][i], t[4][i]) {
				u[(6*i+j)*plane+k] = o
			}
		}
	}
}

func (c *fiveConv) parts() int { return c.n * c.grid.bands }

func (c *fiveConv) rows(part int) (lo, hi int) {
	lo, hi = c.grid.rows(part % c.grid.bands)
	n := part / c.grid.bands * c.oh
	return n + 2*lo, n + min(2*hi, c.oh)
}

// fiveTmp is what a transform needs.
const fiveTmp = 36 * 16

func (c *fiveConv) scratchLen() int {
	return 36*(c.vPlane+c.mPlane) + fiveTmp + 4*c.co + (2*c.grid.high+4)*c.pitch
}

func (c *fiveConv) part(dst, x, f []float32, part int, acc bool, scratch []float32) {
	var w fiveScratch
	w.v, scratch = scratch[:36*c.vPlane], scratch[36*c.vPlane:]
	w.m, scratch = scratch[:36*c.mPlane], scratch[36*c.mPlane:]
	w.tmp, scratch = scratch[:fiveTmp], scratch[fiveTmp:]
	w.corner, w.padded = scratch[:4*c.co], scratch[4*c.co:]
	lo, hi := c.grid.rows(part % c.grid.bands)
	img := part / c.grid.bands
	x = x[img*c.ih*c.iw*c.ci:][:c.ih*c.iw*c.ci]
	dst = dst[img*c.oh*c.ow*c.co:][:c.oh*c.ow*c.co]
	c.grid.pad(w.padded, x, lo, hi, c.ih, c.iw, c.ci, c.pad)
	for left := 0; left < c.grid.wide; left += c.grid.band {
		c.tiles(dst, f, lo, hi, left, min(left+c.grid.band, c.grid.wide), acc, &w)
	}
}

// fiveScratch is the memory of a worker: transformed tiles, products, the
// input's transform's own, the outputs of a tile that does not fit the image,
// and padded rows of the input.
type fiveScratch struct{ v, m, tmp, corner, padded []float32 }

// tiles computes the tiles of rows [lo,hi) and columns [left,right).
func (c *fiveConv) tiles(dst, f []float32, lo, hi, left, right int, acc bool, w *fiveScratch) {
	wide := right - left
	for i := range hi - lo {
		for j := range wide {
			winoInput(c.level, w.v[(i*wide+j)*c.cip:], w.padded[2*i*c.pitch+2*(left+j)*c.ci:], w.tmp, c.ci, c.ci, c.pitch, c.vPlane)
		}
	}
	for i, b := range c.cols {
		width := b.vecs * c.eng.lanes
		plane := fivePlane(c.ci * width)
		t := tile{di: width, si: c.cip, ta: 1, tb: width, nt: c.ci, nu: 1, lanes: c.eng.lanes}
		for k := range 36 {
			t.dst, t.a, t.b = w.m[k*c.mPlane:], w.v[k*c.vPlane:], f[c.starts[i]+k*plane:]
			c.eng.run(&t, (hi-lo)*wide, b.vecs)
		}
		for j := range (hi - lo) * wide {
			y, u := 2*(lo+j/wide), 2*(left+j%wide)
			d, p := dst[(y*c.ow+u)*c.co+b.from:], w.m[j*width:]
			if y+2 <= c.oh && u+2 <= c.ow {
				fiveOutput(c.level, d, p, b.width, c.co, c.ow*c.co, c.mPlane, acc)
				continue
			}
			fiveOutput(c.level, w.corner, p, b.width, b.width, 2*b.width, c.mPlane, false)
			for k := range min(2, c.oh-y) {
				for l := range min(2, c.ow-u) {
					d, p := d[(k*c.ow+l)*c.co:][:b.width], w.corner[(2*k+l)*b.width:][:b.width]
					if acc {
						Add(d, d, p)
					} else {
						copy(d, p)
					}
				}
			}
		}
	}
}

// fiveOutputGo is dst[i][j][k] = (A'mA)[i][j] of channel k, or is added to it.
func fiveOutputGo(dst, m []float32, n, pixel, row, plane int, acc bool) {
	line := func(m0, m1, m2, m3, m4, m5 float32) [2]float32 {
		return [2]float32{m0 + m1 + m2 + (m3 + m4), m1 - m2 + 2*(m3-m4) + m5}
	}
	for k := range n {
		var t [6][2]float32 // t[j][i]
		for j := range t {
			p := m[k+j*plane:]
			t[j] = line(p[0], p[6*plane], p[12*plane], p[18*plane], p[24*plane], p[30*plane])
		}
		for i := range 2 {
			for j, o := range line(t[0][i], t[1][i], t[2][i], t[3][i], t[4][i], t[5][i]) {
				if at := i*row + j*pixel + k; acc {
					dst[at] += o
				} else {
					dst[at] = o
				}
			}
		}
	}
}
