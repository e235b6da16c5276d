package train

import (
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/lpn"
)

const (
	ceiling = 0.98 // below 1: the probe is small, and a power iterate lags
	rise    = 100
)

// A growth is the penalty that keeps the prior well posed. With Q the operator
// of lpn.Config.RecordGrowth, psi <= 1/2<x,Qx> + constant, and R is bounded
// below when Q <= I. The penalty asks strong signals to pass unchanged and no
// direction to grow:
//
//	frame * mean((Q r - r)^2) + norm(t) * max(0, <v,Qv>-ceiling)^2
//
// for a fresh white picture r every step and v a running power iterate. norm
// grows by a factor of rise from the first step to the last, so that the
// network settles below the bound while it still learns: a scaling afterwards
// costs tenths of a decibel.
type growth struct {
	*graph
	filters     *shared // packed only when they are used
	frame, norm float64
	every       uint64 // steps between two runs, made up for by the weights
	seed        uint64
	step, steps uint64
	size        int
	top         float64 // the last <v,Qv>
	err         error
}

func newGrowth(cfg lpn.Config, params map[string][]float32, frame, norm float64, seed uint64, steps int) (*growth, error) {
	// The probes must hold the widest filters; larger ones are used less often.
	levels := max(2, len(cfg.Pyramid.Levels))
	side := 8 << levels
	s := newShared(params)
	b := newBuilder(cfg, s, lpn.Dims{N: 2 * cfg.Channels, H: side, W: side, C: 1})
	g := &growth{filters: s, every: 1 << (2 * (levels - 2)), seed: seed, steps: uint64(steps), size: cfg.Channels * side * side}
	g.frame, g.norm = frame*float64(g.every), norm*float64(g.every)
	var err error
	if g.graph, err = b.compile(cfg.RecordGrowth(b), g.eval, g.grad); err != nil {
		return nil, err
	}
	g.fill(g.input[g.size:2*g.size], math.MaxUint64)
	unit(g.input[g.size : 2*g.size])
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

// draw takes the probe of the current step: a resumed run draws the same.
func (g *growth) draw() {
	g.fill(g.input[:g.size], g.step)
	copy(g.extra, g.input)
}

func (g *growth) eval(in [][]float32) float64 {
	q, x, n := in[0], in[1], g.size
	g.top = kernel.Dot(q[n:], x[n:])
	over := max(0, g.top-ceiling)
	return g.frame*kernel.SquaredError(q[:n], x[:n])/float64(n) + g.weight()*over*over
}

func (g *growth) weight() float64 {
	return g.norm * math.Pow(rise, float64(g.step)/float64(g.steps))
}

func (g *growth) grad(dst []float32, in [][]float32) {
	q, x, n := in[0], in[1], g.size
	k := float32(2 * g.frame / float64(n))
	for i := range n {
		dst[i] = k * (q[i] - x[i])
	}
	kernel.Scale(dst[n:], x[n:], float32(2*g.weight()*max(0, kernel.Dot(q[n:], x[n:])-ceiling)))
}

func (g *growth) run() {
	g.draw()
	g.filters.pack()
	_, g.err = g.graph.run()
}

// due says whether the penalty takes part in the current step.
func (g *growth) due() bool { return g != nil && g.step%g.every == 0 }

// turn makes the next probes: a new r, and v <- Qv/||Qv||.
func (g *growth) turn() {
	v := g.input[g.size : 2*g.size]
	copy(v, g.out.node.Value().Data().([]float32)[g.size:2*g.size])
	unit(v)
}
