package lpn

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// The bound is measured on a square picture of growthSide pixels. On larger
// ones it is a little larger still, as slower waves fit; growthMargin covers
// that (measured on shipped priors up to 256 pixels: 0.0006) and what the
// Lanczos method is short of.
const (
	growthSide   = 128
	growthMargin = 8e-4
)

// GrowthBound returns the largest eigenvalue g of the operator Q of
// recordGrowth: psi(y) <= g/2 ||y||^2 + C(1 + ||y||). Below 1, R is bounded
// below (Toland's duality, inf R = inf 1/2||y||^2 - psi(y)).
// For the softplus networks psi grows linearly but for its quadratic term,
// and the bound is Alpha.
func (n *Network) GrowthBound() float64 { return n.growth() }

func (n *Network) measureGrowth() float64 {
	if n.cfg.Pyramid == nil {
		return n.cfg.Alpha
	}
	return n.growthOperator(growthSide).largest(50) + growthMargin
}

// growthOperator lays Q out for pictures of the given side.
func (n *Network) growthOperator(side int) *growthOperator {
	b := &builder{params: n.params, specs: n.specs(), dims: Dims{n.cfg.Channels, side, side, 1}, p: &program{n: 1}}
	p := b.finish(n.cfg.recordGrowth(b))
	s := newSession([]*program{p}, 1)
	return &growthOperator{s, s.execs[0]}
}

// A growthOperator is Q on one picture size.
type growthOperator struct {
	s *session // keeps the workers of x
	x *exec
}

func (g *growthOperator) apply(dst, x []float32) {
	copy(g.x.buf(g.x.inputs[0]), x)
	g.x.run()
	copy(dst, g.x.buf(g.x.out))
}

// largest is the largest eigenvalue by the Lanczos method (Golub & Van Loan,
// 10.1) with full reorthogonalisation, from a fixed random start.
func (g *growthOperator) largest(steps int) float64 {
	rng := rand.New(rand.NewPCG(1, 0x67726f77))
	q := make([]float32, g.x.inputs[0].dims.Len())
	for i := range q {
		q[i] = float32(rng.NormFloat64())
	}
	_, top, _ := ritz(q, steps, g.apply)
	return top
}

// room is how far below 1 WellPosed stays, so that the bound holds with the
// rounding of every processor.
const room = 2e-5

// WellPosed returns the network with GrowthBound below 1: all but the alpha
// term of psi is multiplied by one factor. A network that satisfies the bound,
// as one whose energies have a reach does up to the rounding of its weights, is
// returned as it is.
func (n *Network) WellPosed() *Network {
	bound, alpha := n.GrowthBound(), n.cfg.Alpha
	if n.cfg.Pyramid == nil || bound <= 1-room {
		return n
	}
	k := (1 - room - growthMargin - alpha) / (bound - growthMargin - alpha)
	out := n.gatesScaled(k)
	p := *n.cfg.Pyramid
	p.Slack = 1 - alpha - k*(1-alpha-p.Slack)
	out.cfg.Pyramid = &p
	return out
}

// gatesScaled multiplies the weights of all gates by k.
func (n *Network) gatesScaled(k float64) *Network {
	params := map[string][]float32{}
	for name, w := range n.params {
		if strings.HasPrefix(name, "log") {
			w = slices.Clone(w)
			for i := range w {
				w[i] += float32(math.Log(max(k, 1e-30)))
			}
		}
		params[name] = w
	}
	return newNetwork(n.cfg, params, n.meta)
}
