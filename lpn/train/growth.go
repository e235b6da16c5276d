package train

import (
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/lpn"
)

// probe is the side of the pictures on which the growth of psi is measured.
const probe = 32

// A growth is the penalty that keeps the prior well posed. With Q the operator
// of lpn.Config.RecordGrowth, psi <= 1/2<x,Qx> + constant, and R is bounded
// below when Q <= I. The penalty asks strong signals to pass unchanged and no
// direction to grow:
//
//	frame * mean((Q r - r)^2) + norm * max(0, <v,Qv>-1)^2
//
// for a fresh white picture r every step and v a running power iterate.
type growth struct {
	*graph
	frame, norm float64
	seed        uint64
	step        uint64
	size        int
	top         float64 // the last <v,Qv>
	err         error
}

func newGrowth(cfg lpn.Config, s *shared, frame, norm float64, seed uint64) (*growth, error) {
	b := newBuilder(cfg, s, lpn.Dims{N: 2 * cfg.Channels, H: probe, W: probe, C: 1})
	g := &growth{frame: frame, norm: norm, seed: seed, size: cfg.Channels * probe * probe}
	var err error
	if g.graph, err = b.compile(cfg.RecordGrowth(b), g.eval, g.grad); err != nil {
		return nil, err
	}
	g.fill(g.input[g.size:2*g.size], math.MaxUint64)
	unit(g.input[g.size : 2*g.size])
	g.draw()
	return g, nil
}

func (g *growth) fill(x []float32, step uint64) {
	rng := rand.New(rand.NewPCG(g.seed, step))
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
}

func unit(x []float32) {
	kernel.Scale(x, x, float32(1/math.Sqrt(max(kernel.Dot(x, x), 1e-30))))
}

// draw takes the probe of the current step, so that a resumed run draws the
// same.
func (g *growth) draw() {
	g.fill(g.input[:g.size], g.step)
	copy(g.extra, g.input)
}

func (g *growth) eval(in [][]float32) float64 {
	q, x, n := in[0], in[1], g.size
	g.top = kernel.Dot(q[n:], x[n:])
	over := max(0, g.top-1)
	return g.frame*kernel.SquaredError(q[:n], x[:n])/float64(n) + g.norm*over*over
}

func (g *growth) grad(dst []float32, in [][]float32) {
	q, x, n := in[0], in[1], g.size
	k := float32(2 * g.frame / float64(n))
	for i := range n {
		dst[i] = k * (q[i] - x[i])
	}
	kernel.Scale(dst[n:], x[n:], float32(2*g.norm*max(0, kernel.Dot(q[n:], x[n:])-1)))
}

func (g *growth) run() { _, g.err = g.graph.run() }

// turn makes the next step's probes: a new r, and v <- Qv/||Qv||.
func (g *growth) turn() {
	g.step++
	v := g.input[g.size : 2*g.size]
	copy(v, g.out.node.Value().Data().([]float32)[g.size:2*g.size])
	unit(v)
	g.draw()
}
