package kernel

import (
	"fmt"
	"sync"
)

// A ConvShape is the geometry of a convolution (a cross-correlation, as in
// every deep-learning library) of x (N,H,W,Ci) to y (N,OH,OW,Co), channels
// last, with a KxK filter w (K,K,Ci,Co), zero padding Pad on all four sides
// and stride Stride:
//
//	y[n,i,j,co] = sum over ky,kx,ci of x[n, i*Stride+ky-Pad, j*Stride+kx-Pad, ci] * w[ky,kx,ci,co]
type ConvShape struct{ N, H, W, Ci, Co, K, Stride, Pad int }

// Out returns the height and width of y.
func (s ConvShape) Out() (oh, ow int) {
	return (s.H+2*s.Pad-s.K)/s.Stride + 1, (s.W+2*s.Pad-s.K)/s.Stride + 1
}

func (s ConvShape) check() {
	if s.N < 1 || s.H < 1 || s.W < 1 || s.Ci < 1 || s.Co < 1 || s.K < 1 || s.Stride < 1 || s.Pad < 0 ||
		s.H+2*s.Pad < s.K || s.W+2*s.Pad < s.K {
		panic(fmt.Sprintf("kernel: impossible convolution %+v", s))
	}
}

// lenX, lenY and lenW are the sizes of x, y and w.
func (s ConvShape) lenX() int { return s.N * s.H * s.W * s.Ci }
func (s ConvShape) lenY() int { oh, ow := s.Out(); return s.N * oh * ow * s.Co }
func (s ConvShape) lenW() int { return s.K * s.K * s.Ci * s.Co }

// A Filter holds the weights of one convolution in the order its plan reads
// them. It belongs to the plan that packed it.
type Filter struct{ w []float32 }

// grow makes the filter n long, reusing its memory when it fits. The contents
// are undefined.
func (f *Filter) grow(n int) {
	if cap(f.w) < n {
		f.w = make([]float32, n)
	}
	f.w = f.w[:n]
}

// convImpl is one way to compute a convolution or its adjoint. Implementations
// are immutable.
type convImpl interface {
	// packLen is the length of a packed filter; pack writes it.
	packLen() int
	pack(dst, w []float32)
	parts() int
	rows(part int) (lo, hi int)
	scratchLen() int
	part(dst, x, f []float32, part int, acc bool, scratch []float32)
}

// A Conv is the plan of one convolution or of its adjoint. It is immutable and
// safe for concurrent use.
type Conv struct {
	impl          convImpl
	shape         ConvShape
	lenIn, lenOut int
	lenBeside     int
	scratch       sync.Pool // of *[]float32, for Run
}

// NewConv plans y = conv(x, w) for the instruction set in use. Where it pays,
// for filters of 3x3 and 5x5, the plan uses Winograd's algorithm, whose error is
// some ten times that of the direct sum.
func NewConv(s ConvShape) *Conv {
	s.check()
	if useWinograd(s, false) {
		return newConv(s, newWinograd(s, false, 0), s.lenX(), s.lenY())
	}
	if useWinoStride(s, false) {
		return newConv(s, newWinoStride(s, false), s.lenX(), s.lenY())
	}
	return NewConvDirect(s)
}

// NewConvT plans the adjoint in x of NewConv(s): it takes y (N,OH,OW,Co) to
// x (N,H,W,Ci). It chooses an algorithm like NewConv.
func NewConvT(s ConvShape) *Conv {
	s.check()
	if useWinograd(s, true) {
		return newConv(s, newWinograd(s, true, 0), s.lenY(), s.lenX())
	}
	if useWinoStride(s, true) {
		return newConv(s, newWinoStride(s, true), s.lenY(), s.lenX())
	}
	return NewConvTDirect(s)
}

// NewConvDirect is NewConv by the direct sum, always.
func NewConvDirect(s ConvShape) *Conv {
	s.check()
	return newConv(s, newDirect(s), s.lenX(), s.lenY())
}

// NewConvTDirect is NewConvT by the direct sum, always.
func NewConvTDirect(s ConvShape) *Conv {
	s.check()
	if useFoldT(s) {
		return newConv(s, newFoldT(s), s.lenY(), s.lenX())
	}
	return newConv(s, newDirectT(s), s.lenY(), s.lenX())
}

// NewConvBeside is NewConv for 3x3 with the last n of the s.Ci channels of x in a tensor of
// their own, e (N,H,W,n), beside x (N,H,W,Ci-n): networks whose every layer convolves the
// picture, too, have few channels there. It returns nil where that does not pay.
func NewConvBeside(s ConvShape, n int) *Conv { return newBeside(s, n, false) }

// NewConvTBeside plans the adjoint of NewConvBeside(s, n), with two outputs.
func NewConvTBeside(s ConvShape, n int) *Conv { return newBeside(s, n, true) }

func newBeside(s ConvShape, n int, adj bool) *Conv {
	s.check()
	main := s
	main.Ci -= n
	if s.K != 3 || n > mostBeside || main.Ci < winoLane || !useWinograd(main, adj) {
		return nil
	}
	c := newConv(s, newWinograd(s, adj, n), main.lenX(), s.lenY())
	if adj {
		c.lenIn, c.lenOut = c.lenOut, c.lenIn
	}
	c.lenBeside = s.N * s.H * s.W * n
	return c
}

// mostBeside is up to how many channels by themselves cost little.
const mostBeside = 4

// Like returns c, a direct sum, cut into the parts of lead, whose output has as
// many rows: a worker can then add one to the other while it is in cache. Filters
// packed for c are good for it. It is nil where c cannot be cut so.
func (c *Conv) Like(lead *Conv) *Conv {
	d, ok := c.impl.(*directConv)
	if !ok {
		return nil
	}
	cuts := make([][2]int, lead.Parts())
	for i := range cuts {
		cuts[i][0], cuts[i][1] = lead.Rows(i)
	}
	if d = d.like(cuts); d == nil {
		return nil
	}
	return newConv(c.shape, d, c.lenIn, c.lenOut)
}

func newConv(s ConvShape, impl convImpl, in, out int) *Conv {
	c := &Conv{impl: impl, shape: s, lenIn: in, lenOut: out}
	c.scratch.New = func() any {
		b := make([]float32, impl.scratchLen())
		return &b
	}
	return c
}

// Pack returns w, in the order (K,K,Ci,Co) also for an adjoint, packed for
// this plan. It reuses dst where its memory fits; dst may be nil.
func (c *Conv) Pack(dst *Filter, w []float32) *Filter {
	if len(w) != c.shape.lenW() {
		panic("kernel: wrong length of a convolution's weights")
	}
	if dst == nil {
		dst = new(Filter)
	}
	dst.grow(c.impl.packLen())
	c.impl.pack(dst.w, w)
	return dst
}

// PacksLike reports whether c and d pack the same weights into the same filter, as far as is
// known: those of Winograd's algorithm, which are large, whatever the size of the picture.
func (c *Conv) PacksLike(d *Conv) bool {
	v, ok := c.impl.(*winograd)
	w, also := d.impl.(*winograd)
	return ok && also && v.winoAlg == w.winoAlg && v.level == w.level && v.adj == w.adj &&
		v.ci == w.ci && v.co == w.co && v.beside == w.beside
}

// Parts is the number of parts of the work. It depends on the shape alone.
func (c *Conv) Parts() int { return c.impl.parts() }

// Rows returns the output rows [lo, hi) that a part writes, counted over all
// the images of the batch.
func (c *Conv) Rows(part int) (lo, hi int) { return c.impl.rows(part) }

// ScratchLen is the length of the scratch of one worker.
func (c *Conv) ScratchLen() int { return c.impl.scratchLen() }

// Part computes one part of dst from the whole of x, or with acc adds it to
// dst. Parts write disjoint rows; scratch is of length ScratchLen at least.
func (c *Conv) Part(dst, x []float32, f *Filter, part int, acc bool, scratch []float32) {
	c.check(dst, x, nil, f)
	c.impl.part(dst, x, f.w, part, acc, scratch)
}

// Into says how a result is written.
type Into int

const (
	IntoNew     Into = iota // instead of what was there
	IntoSum                 // added to it
	IntoProduct             // multiplied with it
)

func (i Into) put(dst *float32, v float32) {
	switch i {
	case IntoNew:
		*dst = v
	case IntoSum:
		*dst += v
	case IntoProduct:
		*dst *= v
	}
}

// Winograd says whether c is that algorithm, at stride 1. The others cannot
// multiply.
func (c *Conv) Winograd() bool {
	_, ok := c.impl.(*winograd)
	return ok
}

// PartInto is Part with all that can become of the result, and with e, the channels
// beside or nil: the second input or, of an adjoint, the second output, which is
// always new.
func (c *Conv) PartInto(dst, x, e []float32, f *Filter, part int, into Into, scratch []float32) {
	c.check(dst, x, e, f)
	w, ok := c.impl.(*winograd)
	switch {
	case ok:
		w.partInto(dst, x, e, f.w, part, into, scratch)
	case into == IntoProduct:
		panic("kernel: only Winograd's algorithm multiplies")
	default:
		c.impl.part(dst, x, f.w, part, into == IntoSum, scratch)
	}
}

func (c *Conv) check(dst, x, e []float32, f *Filter) {
	if len(dst) != c.lenOut || len(x) != c.lenIn || len(e) != c.lenBeside {
		panic("kernel: wrong length of a convolution's data")
	}
	if len(f.w) != c.impl.packLen() {
		panic("kernel: a filter packed by another plan")
	}
}

// Run computes all parts in this goroutine.
func (c *Conv) Run(dst, x []float32, f *Filter, acc bool) {
	s := c.scratch.Get().(*[]float32)
	for p := range c.Parts() {
		c.Part(dst, x, f, p, acc, *s)
	}
	c.scratch.Put(s)
}
