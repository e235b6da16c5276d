package lpn

import (
	"fmt"
	"sync"

	"github.com/lpn-imaging/lpn/internal/engine"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// A Bound is a network bound to a picture size, in picture units: psi and its
// gradient f as functions of pictures whose samples are nominally in [0,1].
// It is immutable and safe for concurrent use.
type Bound struct {
	net *Network
	geometry
	work *Workspace // nil: the layout's own
	eval func() *layout
	hess func() *layout
}

// A geometry is all that a layout depends on, besides the network.
type geometry struct {
	shape   operators.Shape
	n       int
	threads int
	direct  bool
	tile    int
	memory  int64
}

var _ solvers.Potential = (*Bound)(nil)

// An Option adjusts how a network is evaluated.
type Option func(*Bound)

// Threads sets how many cores one evaluation uses; the default, 0, is all of
// them. The result has the same bits for any number.
func Threads(n int) Option { return func(b *Bound) { b.threads = n } }

// Batch makes every evaluation process n pictures, one after the other in the slices;
// psi is then their sum.
func Batch(n int) Option { return func(b *Bound) { b.n = n } }

// Direct avoids the Winograd algorithm, whose rounding error is about ten
// times that of the plain sum.
func Direct() Option { return func(b *Bound) { b.direct = true } }

// Tile cuts pictures into tiles of n x n pixels, rounded to the network's grid; the
// default depends on the memory. The numbers stay the same.
func Tile(n int) Option { return func(b *Bound) { b.tile = n } }

// Memory sets about how many bytes an evaluation may take; a larger picture is
// evaluated in tiles. The default is 1152 MiB.
func Memory(bytes int64) Option { return func(b *Bound) { b.memory = bytes } }

// In takes the memory of evaluations from w, and gives it back after each.
func In(w *Workspace) Option { return func(b *Bound) { b.work = w } }

// On binds the network to pictures of shape s.
func (n *Network) On(s operators.Shape, opts ...Option) (*Bound, error) {
	c := n.cfg
	switch {
	case s.C != c.Channels:
		return nil, fmt.Errorf("lpn: channels: the prior wants %d, the image has %d", c.Channels, s.C)
	case s.H < 1 || s.W < 1:
		return nil, fmt.Errorf("lpn: a picture of %dx%d pixels", s.H, s.W)
	case c.Height > 0 && (s.H != c.Height || s.W != c.Width):
		return nil, fmt.Errorf("lpn: the prior is made for %dx%d pictures, not %dx%d", c.Height, c.Width, s.H, s.W)
	}
	if err := c.Fits(s.H, s.W); err != nil {
		return nil, err
	}
	b := &Bound{net: n, geometry: geometry{shape: s, n: 1}}
	for _, o := range opts {
		o(b)
	}
	b.eval = sync.OnceValue(func() *layout {
		return n.small.of(b.geometry, func() *layout {
			return b.newLayout(func(r *engine.Recorder) network.Value { return n.cfg.Definition().Record(r) })
		})
	})
	b.hess = sync.OnceValue(func() *layout {
		return b.newLayout(func(r *engine.Recorder) network.Value {
			r.Input()
			return network.Tangent(r, r.NewInput(), n.cfg.Definition().Record)
		})
	})
	return b, nil
}

// Shape is the shape of one picture.
func (b *Bound) Shape() operators.Shape { return b.shape }

// Network returns the network.
func (b *Bound) Network() *Network { return b.net }

func (b *Bound) len() int { return b.n * b.shape.Len() }

// Eval writes f(y) to dst and returns psi(y), with
// psi(y) = Unit^2 psi_net(y/Unit) so that f = grad psi. dst may equal y.
func (b *Bound) Eval(dst, y []float32) float64 { return b.evalScaled(dst, y, 1) }

// evalScaled writes f(s y)/s to dst and returns psi(s y)/s^2 (see Scaled).
func (b *Bound) evalScaled(dst, y []float32, s float64) float64 {
	sum := 0.0
	b.evaluate(dst, y, s, func(_ int, psi float64) { sum += psi })
	return sum / (s * s)
}

// EvalEach is Eval for a batch, writing psi of each picture to psi.
func (b *Bound) EvalEach(dst, y []float32, psi []float64) {
	b.evaluate(dst, y, 1, func(i int, v float64) { psi[i] = v })
}

func (b *Bound) evaluate(dst, y []float32, scale float64, psi func(i int, v float64)) {
	b.check(dst)
	b.check(y)
	l := b.eval()
	s := l.session(b.threads)
	u := b.net.cfg.Unit
	l.run(s, b.work, b.shape, dst, float32(scale/u), y)
	for i, v := range s.psi {
		psi(i, u*u*v)
	}
	l.release(s)
}

// Hess writes Hess psi(y) v, the Jacobian of f at y applied to v, to dst,
// which may equal y or v.
func (b *Bound) Hess(dst, y, v []float32) {
	b.check(dst)
	b.check(y)
	b.check(v)
	l := b.hess()
	s := l.session(b.threads)
	l.run(s, b.work, b.shape, dst, float32(1/b.net.cfg.Unit), y, v)
	l.release(s)
}

func (b *Bound) check(x []float32) {
	if len(x) != b.len() {
		panic(fmt.Sprintf("lpn: slice of length %d, want %d", len(x), b.len()))
	}
}

// StrongConvexity is the modulus m of psi: psi - m/2||.||^2 is convex.
func (b *Bound) StrongConvexity() float64 { return b.net.cfg.Alpha }

// BoundedBelow reports whether R has a minimum, and if not why.
func (b *Bound) BoundedBelow() (bool, string) {
	g := b.net.GainBound()
	if g <= 1 {
		return true, ""
	}
	return false, fmt.Sprintf("the prior's R is not known to be bounded below: psi may grow like %.3g/2 ||y||^2", g)
}
