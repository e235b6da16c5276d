package lpn

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/engine"
	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/lanczos"
	"github.com/lpn-imaging/lpn/internal/network"
)

// The bound is measured on a square picture of gainSide pixels. On larger
// ones it is a little larger still, as slower waves fit; gainMargin covers
// that (measured on shipped priors up to 256 pixels: 0.0006) and what the
// Lanczos method is short of.
const (
	gainSide   = 128
	gainMargin = 8e-4
)

// GainBound returns a g with psi(y) <= g/2 ||y||^2 + C(1 + ||y||), the largest
// eigenvalue of a fixed operator. If g is below 1, R is bounded below (Toland's
// duality, inf R = inf 1/2||y||^2 - psi(y)). For the softplus networks psi grows
// linearly except for its quadratic term, and the bound is Alpha.
func (n *Network) GainBound() float64 { return n.gain() }

func (n *Network) measureGain() float64 {
	if n.cfg.Pyramid == nil {
		return n.cfg.Alpha
	}
	return n.gainOperator(gainSide).largest(50) + gainMargin
}

// gainOperator lays Q out for pictures of the given side: the fixed symmetric
// positive semi-definite operator
//
//	Q = sum_l A_l' D_l A_l + (1-alpha-slack) V'V + alpha I
//
// for which psi(x) <= 1/2<x,Qx> + a linear function of |x|. Here A_l is the linear
// map from x to h_l and D_l the largest slope of psi in h_l^2/2: 0 where the
// energies have a threshold, beyond which they grow linearly.
func (n *Network) gainOperator(side int) operator {
	if n.cfg.Pyramid.Threshold == 0 {
		return n.diagonalOperator(n.openGates(), side)
	}
	r := n.recorder(network.Dims{N: n.cfg.Channels, H: side, W: side, C: 1})
	return newOperator(r.Compile(n.cfg.pyramidLowpass(r, r.Input()), engine.Options{}))
}

// diagonalOperator lays out sum_l A_l' diag(d_l) A_l + (1-alpha-slack) V'V + alpha I
// for pictures of the given side, d_l one weight a feature.
func (n *Network) diagonalOperator(d [][]float32, side int) operator {
	c := n.cfg
	params, weights := slices.Clone(c.Definition().Params), maps.Clone(n.params)
	name := func(l int) string { return fmt.Sprintf("diagonal.%d", l) }
	for l, w := range d {
		params = append(params, network.Param{Name: name(l), Dims: []int{len(w)}})
		weights[name(l)] = w
	}
	r := engine.NewRecorder(params, weights, network.Dims{N: c.Channels, H: side, W: side, C: 1})
	x := r.Input()
	_, h := c.pyramidLinear(r, x)
	for l := range h {
		f := r.Dims(h[l])
		h[l] = r.Mul(h[l], r.Outer(ones(f), r.Param(name(l)), f))
	}
	return newOperator(r.Compile(r.Add(c.pyramidLinearT(r, h, r.Dims(x)), c.pyramidLowpass(r, x)), engine.Options{}))
}

// openGates returns the diagonals D_l of quadratic energies: the slopes of psi in
// each feature's energy with the gates open, one of a group or, where they are
// independent, all.
func (n *Network) openGates() [][]float32 {
	p := n.cfg.Pyramid
	d := make([][]float32, len(p.Levels))
	var above []float32 // what the level above adds to each gate's weight
	for l := len(p.Levels) - 1; l >= 0; l-- {
		param := func(name string) []float32 { return n.params[fmt.Sprintf("%s.%d", name, l)] }
		weight := exps(param("logc"))
		for g, w := range above {
			weight[g] += float32(0.25 * w)
		}
		f := p.Levels[l].Features
		d[l] = p.passed(param("N"), f, weight)
		for k, a := range exps(param("loga")) {
			d[l][k] += a
		}
		if l > 0 {
			above = p.passed(param("T"), p.Levels[l-1].Features/p.Group, weight)
		}
	}
	return d
}

// passed sums, for each of the ci inputs of the gates' map w, over taps and groups
// the group's weight times the largest w in it.
func (p *PyramidConfig) passed(w []float32, ci int, weight []float32) []float32 {
	per := p.perGate()
	co := len(weight) * p.Group
	out := make([]float32, ci)
	for i := 0; i < len(w); i += per {
		out[i/co%ci] += weight[i%co/p.Group] * slices.Max(w[i:i+per])
	}
	return out
}

// perGate is how many features share what a gate lets through: a hard gate is open
// on its own.
func (p *PyramidConfig) perGate() int {
	if p.Gate == "hard" {
		return 1
	}
	return p.Group
}

func exps(x []float32) []float32 {
	y := make([]float32, len(x))
	kernel.Exp(y, x)
	return y
}

// An operator is a linear map of pictures, laid out.
type operator struct{ *engine.Session }

func newOperator(p *engine.Plan) operator { return operator{engine.NewSession(1, p)} }

// apply writes the image of x to dst.
func (o operator) apply(dst, x []float32) {
	copy(o.Input(0, 0), x)
	o.Run(0)
	copy(dst, o.Output(0))
}

// largest is the largest eigenvalue of a symmetric operator by the Lanczos method
// (Golub & Van Loan, 10.1) with full reorthogonalisation, from a fixed random
// start.
func (o operator) largest(steps int) float64 {
	rng := rand.New(rand.NewPCG(1, 0x67726f77))
	q := make([]float32, len(o.Input(0, 0)))
	for i := range q {
		q[i] = float32(rng.NormFloat64())
	}
	ritz, ok := lanczos.Run(q, steps, true, o.apply)
	if !ok {
		return math.NaN()
	}
	return ritz.Values[len(ritz.Values)-1]
}

// room is how far below 1 WellPosed stays, so that the bound holds with the
// rounding of every processor.
const room = 2e-5

// WellPosed returns the network with GainBound below 1: it multiplies all of psi except
// the alpha term by one factor. A network that satisfies the bound is returned
// unchanged; one whose energies have a threshold does so, up to the rounding of its
// weights.
func (n *Network) WellPosed() *Network {
	bound, alpha := n.GainBound(), n.cfg.Alpha
	if n.cfg.Pyramid == nil || bound <= 1-room {
		return n
	}
	k := (1 - room - gainMargin - alpha) / (bound - gainMargin - alpha)
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
