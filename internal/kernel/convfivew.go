package kernel

// A fiveW computes the weight gradient of a 5x5 convolution of stride 1 by the
// adjoint of F(2x2,5x5) in the filter: with d a 6x6 tile of the input and y a
// 2x2 tile of the output's gradient,
//
//	dg = G' [sum over tiles of (B' d B) * (A y A')] G.
//
// The sums over the tiles, for all pairs of channels, are 36 matrix products.
type fiveW struct {
	level Level
	eng   *engine
	s     ConvShape
	oh    int
	ow    int
	grid  fiveGrid
	in    []colBlock // blocks of input channels; vecs is not used
	out   []colBlock // blocks of output channels

	cip                    int // channels of a block of in, in whole vectors
	vPlane, gPlane, mPlane int // between the 36 places of input, gradient and sums
}

func newFiveW(s ConvShape) *fiveW {
	c := &fiveW{level: level, eng: &engines[level], s: s}
	c.oh, c.ow = s.Out()
	c.grid = newFiveGrid(c.oh, c.ow)
	c.out = c.eng.blocks(s.Co)
	// Every part transforms its own tiles, so few parts are best, but one is
	// not many.
	n := max(1, s.Ci/32)
	most := 0
	for i := range n {
		from, to := s.Ci*i/n, s.Ci*(i+1)/n
		c.in = append(c.in, colBlock{from: from, width: to - from})
		most = max(most, to-from)
	}
	c.cip = (most + 15) / 16 * 16
	c.vPlane = fivePlane(c.grid.most() * c.cip)
	c.gPlane = fivePlane(c.grid.most() * c.out[len(c.out)-1].vecs * c.eng.lanes)
	c.mPlane = fivePlane(most * c.out[len(c.out)-1].vecs * c.eng.lanes)
	return c
}

// useFiveW says whether the algorithm pays.
func useFiveW(s ConvShape) bool { return useFive(s) }

func (c *fiveW) parts() int { return len(c.in) * len(c.out) }

func (c *fiveW) scratchLen() int {
	return 36*(c.vPlane+c.gPlane+c.mPlane) + fiveTmp + 4*c.s.Co + (2*c.grid.high+4)*c.grid.pitch(c.s.Ci)
}

func (c *fiveW) part(dw, x, g []float32, part int, scratch []float32) {
	s, in, out := c.s, c.in[part/len(c.out)], c.out[part%len(c.out)]
	width := out.vecs * c.eng.lanes
	v, scratch := scratch[:36*c.vPlane], scratch[36*c.vPlane:]
	gt, scratch := scratch[:36*c.gPlane], scratch[36*c.gPlane:]
	m, scratch := scratch[:36*c.mPlane], scratch[36*c.mPlane:]
	tmp, scratch := scratch[:fiveTmp], scratch[fiveTmp:]
	corner, padded := scratch[:4*s.Co], scratch[4*s.Co:]
	pitch := c.grid.pitch(s.Ci)

	t := tile{di: width, si: 1, ta: c.cip, tb: width, nu: 1, lanes: c.eng.lanes}
	for img := range s.N {
		xi := x[img*s.H*s.W*s.Ci:][:s.H*s.W*s.Ci]
		gi := g[img*c.oh*c.ow*s.Co:][:c.oh*c.ow*s.Co]
		for band := range c.grid.bands {
			lo, hi := c.grid.rows(band)
			c.grid.pad(padded, xi, lo, hi, s.H, s.W, s.Ci, s.Pad)
			for left := 0; left < c.grid.wide; left += c.grid.band {
				right := min(left+c.grid.band, c.grid.wide)
				k := 0
				for i := lo; i < hi; i++ {
					for j := left; j < right; j++ {
						winoInput(c.level, v[k*c.cip:], padded[2*(i-lo)*pitch+2*j*s.Ci+in.from:], tmp, in.width, s.Ci, pitch, c.vPlane)
						c.gradient(gt[k*width:], gi, 2*i, 2*j, out, corner)
						k++
					}
				}
				t.nt = k
				for p := range 36 {
					t.dst, t.a, t.b = m[p*c.mPlane:], v[p*c.vPlane:], gt[p*c.gPlane:]
					c.eng.run(&t, in.width, out.vecs)
				}
				t.acc = 1
			}
		}
	}
	for k := range in.width {
		fiveWeights(c.level, dw[(in.from+k)*s.Co+out.from:], m[k*width:], tmp, out.width, s.Ci*s.Co, c.mPlane)
	}
}

// gradient transforms the tile of g at (y,u), zero outside the image.
func (c *fiveW) gradient(v, g []float32, y, u int, out colBlock, corner []float32) {
	co := c.s.Co
	at := (y*c.ow+u)*co + out.from
	if y+2 <= c.oh && u+2 <= c.ow {
		fiveGradient(c.level, v, g[at:], out.width, co, c.ow*co, c.gPlane)
		return
	}
	corner = corner[:4*out.width]
	clear(corner)
	for i := range min(2, c.oh-y) {
		for j := range min(2, c.ow-u) {
			copy(corner[(2*i+j)*out.width:][:out.width], g[at+(i*c.ow+j)*co:])
		}
	}
	fiveGradient(c.level, v, corner, out.width, out.width, 2*out.width, c.gPlane)
}

// fiveGradientGo is v[6*i+j][k] = (AgA')[i][j] of channel k.
func fiveGradientGo(v, g []float32, n, pixel, row, plane int) {
	line := func(a, b float32) [6]float32 { return [6]float32{a, a + b, a - b, a + 2*b, a - 2*b, b} }
	for k := range n {
		l, r := line(g[k], g[k+row]), line(g[k+pixel], g[k+row+pixel])
		for i := range 6 {
			for j, o := range line(l[i], r[i]) {
				v[(6*i+j)*plane+k] = o
			}
		}
	}
}

// fiveWeightsGo is dw[5*i+j][k] = (G'mG)[i][j] of channel k.
func fiveWeightsGo(dw, m []float32, n, tap, plane int) {
	line := func(m0, m1, m2, m3, m4, m5 float32) [5]float32 {
		a, b := (m1+m2)*(-1./6), (m1-m2)*(-1./6)
		e, f := (m3+m4)*(1./24), (m3-m4)*(1./24)
		return [5]float32{m0/4 + a + e, b + 2*f, a + 4*e, b + 8*f, a + 16*e + m5}
	}
	for k := range n {
		var t [6][5]float32 // t[j][i]
		for j := range t {
			p := m[k+j*plane:]
			t[j] = line(p[0], p[6*plane], p[12*plane], p[18*plane], p[24*plane], p[30*plane])
		}
		for i := range 5 {
			for j, o := range line(t[0][i], t[1][i], t[2][i], t[3][i], t[4][i], t[5][i]) {
				dw[(5*i+j)*tap+k] = o
			}
		}
	}
}
