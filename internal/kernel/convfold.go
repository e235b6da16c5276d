package kernel

// A foldConvT computes the adjoint of a convolution that has few input
// channels, where a direct sum would leave most of a vector empty. First
// the weights meet each pixel of the gradient y,
//
//	z[p, (ky,kx,ci)] = sum over co of y[p,co] * w[ky,kx,ci,co],
//
// which is one matrix product with full vectors, and then z is added up at
// the shifts of the taps. It is the direct sum in another order.
type foldConvT struct {
	eng    *engine
	s      ConvShape
	oh, ow int
	taps   int // K*K*Ci
	cols   []colBlock
	width  int // taps in whole vectors
	pixels int // ow in whole blocks of a transposition
	per    int // output rows in a part, about
	nparts int // of an image
	most   int // output rows in a part, at most
}

// foldTaps is the most that a fold can have for K*K*Ci.
const foldTaps = 64

func newFoldT(s ConvShape) *foldConvT {
	c := &foldConvT{eng: &engines[level], s: s, taps: s.K * s.K * s.Ci}
	c.oh, c.ow = s.Out()
	c.cols = c.eng.blocks(c.taps)
	for _, b := range c.cols {
		c.width += b.vecs * c.eng.lanes
	}
	c.pixels = (c.ow + 7) &^ 7
	// A part repeats the products of K-1 rows of its neighbours: large parts
	// are best, but a picture should make some.
	c.per = max(8, s.H/6)
	if s.N >= 4 {
		c.per = max(c.per, 64)
	}
	c.nparts = (s.H + c.per - 1) / c.per
	c.most = (s.H + c.nparts - 1) / c.nparts
	return c
}

// useFoldT says whether the algorithm pays.
func useFoldT(s ConvShape) bool {
	_, ow := s.Out()
	return level != Generic && s.K > 1 && s.K*s.K*s.Ci <= foldTaps && s.Co >= 16 && s.Co*ow >= 1024
}

func (c *foldConvT) packLen() int { return c.s.Co * c.width }

// pack turns w (taps,co) into (co,taps) for each block of columns.
func (c *foldConvT) pack(dst, w []float32) {
	clear(dst)
	for _, b := range c.cols {
		width := b.vecs * c.eng.lanes
		for t := range b.width {
			for k, v := range w[(b.from+t)*c.s.Co:][:c.s.Co] {
				dst[k*width+t] = v
			}
		}
		dst = dst[c.s.Co*width:]
	}
}

func (c *foldConvT) parts() int { return c.s.N * c.nparts }

func (c *foldConvT) rows(part int) (lo, hi int) {
	n, i := part/c.nparts, part%c.nparts
	return n*c.s.H + c.s.H*i/c.nparts, n*c.s.H + c.s.H*(i+1)/c.nparts
}

func (c *foldConvT) scratchLen() int {
	return 2*c.pixels*c.width + c.most*c.s.Ci*c.s.W
}

func (c *foldConvT) part(dst, y, f []float32, part int, acc bool, scratch []float32) {
	s := c.s
	lo, hi := c.rows(part)
	n := part / c.nparts
	dst = dst[lo*s.W*s.Ci : hi*s.W*s.Ci]
	lo, hi = lo-n*s.H, hi-n*s.H
	z, scratch := scratch[:c.pixels*c.width], scratch[c.pixels*c.width:]
	zt, scratch := scratch[:c.pixels*c.width], scratch[c.pixels*c.width:]
	// The sums, row by row, a row of W for each channel.
	sums := scratch[:(hi-lo)*s.Ci*s.W]
	if s.Ci == 1 && !acc {
		sums = dst
	}
	clear(sums)
	t := tile{di: c.width, si: s.Co, ta: 1, nt: s.Co, nu: 1, lanes: c.eng.lanes}
	for i := max(0, (lo+s.Pad-s.K+s.Stride)/s.Stride); i < c.oh && i*s.Stride-s.Pad < hi; i++ {
		from := f
		for _, b := range c.cols {
			t.dst, t.a, t.b, t.tb = z[b.from:], y[(n*c.oh+i)*c.ow*s.Co:], from, b.vecs*c.eng.lanes
			c.eng.run(&t, c.ow, b.vecs)
			from = from[s.Co*b.vecs*c.eng.lanes:]
		}
		transpose(zt, z, c.pixels, c.width)
		for ky := range s.K {
			r := i*s.Stride + ky - s.Pad
			if r < lo || r >= hi {
				continue
			}
			for kx := range s.K {
				from, to := clip(kx-s.Pad, s.W, s.Stride, c.ow)
				if from == to {
					continue
				}
				for ci := range s.Ci {
					d := sums[((r-lo)*s.Ci+ci)*s.W+from*s.Stride+kx-s.Pad:]
					row := zt[((ky*s.K+kx)*s.Ci+ci)*c.pixels:][from:to]
					if s.Stride == 1 {
						Add(d[:len(row)], d[:len(row)], row)
						continue
					}
					for j, v := range row {
						d[j*s.Stride] += v
					}
				}
			}
		}
	}
	switch {
	case s.Ci == 1 && acc:
		Add(dst, dst, sums)
	case s.Ci > 1:
		for r := range hi - lo {
			for ci := range s.Ci {
				d := dst[r*s.W*s.Ci+ci:]
				for j, v := range sums[(r*s.Ci+ci)*s.W:][:s.W] {
					if acc {
						v += d[j*s.Ci]
					}
					d[j*s.Ci] = v
				}
			}
		}
	}
}
