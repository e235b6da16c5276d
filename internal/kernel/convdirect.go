package kernel

// naiveConv is the direct sum, a part an output row.
type naiveConv struct {
	s ConvShape
	t bool
}

func newDirect(s ConvShape) convImpl  { return naiveConv{s, false} }
func newDirectT(s ConvShape) convImpl { return naiveConv{s, true} }

func (c naiveConv) packLen() int { return c.s.lenW() }

func (c naiveConv) pack(dst, w []float32) { copy(dst, w) }

func (c naiveConv) parts() int {
	if c.t {
		return c.s.N * c.s.H
	}
	oh, _ := c.s.Out()
	return c.s.N * oh
}

func (c naiveConv) rows(part int) (lo, hi int) { return part, part + 1 }

func (c naiveConv) scratchLen() int { return 0 }

func (c naiveConv) part(dst, x, f []float32, part int, acc bool, _ []float32) {
	s := c.s
	oh, ow := s.Out()
	if c.t {
		n, iy := part/s.H, part%s.H
		row := dst[part*s.W*s.Ci:][:s.W*s.Ci]
		if !acc {
			clear(row)
		}
		for ky := range s.K {
			oy := iy + s.Pad - ky
			if oy < 0 || oy%s.Stride != 0 || oy/s.Stride >= oh {
				continue
			}
			oy /= s.Stride
			for ox := range ow {
				g := x[((n*oh+oy)*ow+ox)*s.Co:][:s.Co]
				for kx := range s.K {
					ix := ox*s.Stride + kx - s.Pad
					if ix < 0 || ix >= s.W {
						continue
					}
					d := row[ix*s.Ci:][:s.Ci]
					for ci := range d {
						w := f[((ky*s.K+kx)*s.Ci+ci)*s.Co:][:len(g)]
						var a float32
						for co, v := range g {
							a += v * w[co]
						}
						d[ci] += a
					}
				}
			}
		}
		return
	}
	n, oy := part/oh, part%oh
	row := dst[part*ow*s.Co:][:ow*s.Co]
	if !acc {
		clear(row)
	}
	for ky := range s.K {
		iy := oy*s.Stride + ky - s.Pad
		if iy < 0 || iy >= s.H {
			continue
		}
		for ox := range ow {
			d := row[ox*s.Co:][:s.Co]
			for kx := range s.K {
				ix := ox*s.Stride + kx - s.Pad
				if ix < 0 || ix >= s.W {
					continue
				}
				for ci, v := range x[((n*s.H+iy)*s.W+ix)*s.Ci:][:s.Ci] {
					for co, w := range f[((ky*s.K+kx)*s.Ci+ci)*s.Co:][:len(d)] {
						d[co] += v * w
					}
				}
			}
		}
	}
}
