package kernel

import "sync"

// A ConvW is the plan of a convolution's gradient in its weights,
//
//	dw[ky,kx,ci,co] = sum over n,i,j of x[n, i*Stride+ky-Pad, j*Stride+kx-Pad, ci] * g[n,i,j,co]
//
// with x (N,H,W,Ci) and g (N,OH,OW,Co). It is immutable and safe for
// concurrent use.
type ConvW struct {
	s       ConvShape
	scratch sync.Pool
}

// NewConvW plans the weight gradient of the convolution of shape s.
func NewConvW(s ConvShape) *ConvW {
	s.check()
	c := &ConvW{s: s}
	c.scratch.New = func() any {
		b := make([]float32, c.ScratchLen())
		return &b
	}
	return c
}

// Parts is the number of parts of the work. It depends on the shape alone.
func (c *ConvW) Parts() int { return c.s.K * c.s.K }

// ScratchLen is the length of the scratch of one worker.
func (c *ConvW) ScratchLen() int { return 0 }

// Part overwrites one part of dw; parts write disjoint weights, each summed
// over the whole batch in a fixed order.
func (c *ConvW) Part(dw, x, g []float32, part int, scratch []float32) {
	s := c.s
	if len(dw) != s.lenW() || len(x) != s.lenX() || len(g) != s.lenY() {
		panic("kernel: wrong length of a convolution's data")
	}
	oh, ow := s.Out()
	ky, kx := part/s.K, part%s.K
	dw = dw[part*s.Ci*s.Co:][:s.Ci*s.Co]
	clear(dw)
	for n := range s.N {
		for oy := range oh {
			iy := oy*s.Stride + ky - s.Pad
			if iy < 0 || iy >= s.H {
				continue
			}
			for ox := range ow {
				ix := ox*s.Stride + kx - s.Pad
				if ix < 0 || ix >= s.W {
					continue
				}
				gp := g[((n*oh+oy)*ow+ox)*s.Co:][:s.Co]
				for ci, v := range x[((n*s.H+iy)*s.W+ix)*s.Ci:][:s.Ci] {
					d := dw[ci*s.Co:][:len(gp)]
					for co, u := range gp {
						d[co] += v * u
					}
				}
			}
		}
	}
}

// Run computes all parts in this goroutine.
func (c *ConvW) Run(dw, x, g []float32) {
	s := c.scratch.Get().(*[]float32)
	for p := range c.Parts() {
		c.Part(dw, x, g, p, *s)
	}
	c.scratch.Put(s)
}
