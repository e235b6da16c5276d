package train

import (
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/lpn"
)

// A growth is the penalty that keeps f from amplifying what is stronger than
// pictures are. Beyond the reach of its energies psi grows slowly enough for R
// to be bounded below whatever the weights; the penalty sees to it that R has
// its low places among pictures, and not where contrast is largest:
//
//	frame * mean((f(t r)/t - r)^2) + norm * max(0, <v, f(t v)>/(t ||v||^2) - 1)^2
//
// for a fresh white picture r every step, v a running power iterate as large as
// r, and t an amplitude between that of pictures and several times that.
type growth struct {
	*graph
	filters     *shared // packed only when they are used
	frame, norm float64
	every       uint64 // steps between two runs, made up for by the weights
	seed        uint64
	step        uint64
	size        int
	least       float64 // the amplitude of pictures, in network units
	t           float64
	top         float64 // the last <v, f(t v)>/(t ||v||^2)
	v           []float32
	err         error
}

func newGrowth(cfg lpn.Config, params map[string][]float32, frame, norm float64, seed uint64) (*growth, error) {
	// The probes must hold the widest filters; larger ones are used less often.
	levels := max(2, len(cfg.Pyramid.Levels))
	side := 8 << levels
	s := newShared(params)
	b := newBuilder(cfg, s, lpn.Dims{N: 2 * cfg.Channels, H: side, W: side, C: 1})
	g := &growth{filters: s, every: 1 << (2 * (levels - 2)), seed: seed, size: cfg.Channels * side * side, least: 1 / cfg.Unit}
	g.frame, g.norm = frame*float64(g.every), norm*float64(g.every)
	var err error
	if g.graph, err = b.compile(cfg.Record(b), g.eval, g.grad); err != nil {
		return nil, err
	}
	g.v = make([]float32, g.size)
	g.fill(g.v, rand.New(rand.NewPCG(seed, math.MaxUint64)))
	return g, nil
}

func (g *growth) fill(x []float32, rng *rand.Rand) {
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
}

// draw makes the probes of the current step: a resumed run draws the same.
func (g *growth) draw() {
	rng := rand.New(rand.NewPCG(g.seed, g.step))
	g.t = g.least * (1 + 3*rng.Float64())
	r := g.extra[:g.size]
	g.fill(r, rng)
	kernel.Scale(g.input[:g.size], r, float32(g.t))
	kernel.Scale(g.input[g.size:2*g.size], g.v, float32(g.t))
}

func (g *growth) eval(in [][]float32) float64 {
	f, r, n := in[0], in[1], g.size
	k := 1 / g.t
	g.top = k * kernel.Dot(f[n:], g.v) / float64(n)
	sum := 0.0
	for i := range n {
		d := float64(f[i])*k - float64(r[i])
		sum += d * d
	}
	over := max(0, g.top-1)
	return g.frame*sum/float64(n) + g.norm*over*over
}

func (g *growth) grad(dst []float32, in [][]float32) {
	f, r, n := in[0], in[1], g.size
	k := float32(1 / g.t)
	c := float32(2 * g.frame / (g.t * float64(n)))
	for i := range n {
		dst[i] = c * (k*f[i] - r[i])
	}
	top := kernel.Dot(f[n:], g.v) / (g.t * float64(n))
	kernel.Scale(dst[n:], g.v, float32(2*g.norm*max(0, top-1)/(g.t*float64(n))))
}

func (g *growth) run() {
	g.draw()
	g.filters.pack()
	_, g.err = g.graph.run()
}

// due says whether the penalty takes part in the current step.
func (g *growth) due() bool { return g != nil && g.step%g.every == 0 }

// turn makes the next power iterate: v <- f(t v), of length sqrt(n).
func (g *growth) turn() {
	f := g.out.node.Value().Data().([]float32)[g.size : 2*g.size]
	kernel.Scale(g.v, f, float32(math.Sqrt(float64(g.size)/max(kernel.Dot(f, f), 1e-30))))
}
