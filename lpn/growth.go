package lpn

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// The bound is measured on a square picture of growthSide pixels. On larger
// ones it is a little larger still, as slower waves fit; growthMargin covers
// that (measured on shipped priors up to 256 pixels: 0.0006) and what the
// Lanczos method is short of.
const (
	growthSide   = 128
	growthMargin = 8e-4
)

// GrowthBound returns the largest eigenvalue of the operator Q of
// Config.RecordGrowth: psi(y) <= bound/2 ||y||^2 + constant. At most 1 means
// that R is bounded below (Toland's duality, inf R = inf 1/2||y||^2 - psi(y)).
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
	p := b.finish(n.cfg.RecordGrowth(b))
	s := newSession([]*program{p}, 1)
	return &growthOperator{s, s.execs[0]}
}

// A growthOperator is Q on one picture size.
type growthOperator struct {
	s *session
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
	n := g.x.inputs[0].dims.Len()
	rng := rand.New(rand.NewPCG(1, 0x67726f77))
	q := make([]float64, n)
	for i := range q {
		q[i] = rng.NormFloat64()
	}
	return lanczos(q, steps, func(dst, x []float64) {
		in, out := make([]float32, n), make([]float32, n)
		for i, v := range x {
			in[i] = float32(v)
		}
		g.apply(out, in)
		for i, v := range out {
			dst[i] = float64(v)
		}
	})
}

// lanczos returns the largest Ritz value of a symmetric map after some steps: an
// estimate of its largest eigenvalue from below, whose error falls like the
// square of the residual.
func lanczos(q []float64, steps int, apply func(dst, x []float64)) float64 {
	scale := func(x []float64, k float64) {
		for i := range x {
			x[i] *= k
		}
	}
	dot := func(x, y []float64) float64 {
		s := 0.0
		for i, v := range x {
			s += v * y[i]
		}
		return s
	}
	scale(q, 1/math.Sqrt(dot(q, q)))
	basis := [][]float64{slices.Clone(q)}
	var alpha, beta []float64
	w := make([]float64, len(q))
	for k := range min(steps, len(q)) {
		apply(w, basis[k])
		alpha = append(alpha, dot(w, basis[k]))
		for range 2 {
			for _, v := range basis {
				d := dot(w, v)
				for i := range w {
					w[i] -= d * v[i]
				}
			}
		}
		b := math.Sqrt(dot(w, w))
		beta = append(beta, b)
		if b < 1e-10 {
			break
		}
		next := slices.Clone(w)
		scale(next, 1/b)
		basis = append(basis, next)
	}
	m := len(alpha)
	t := mat.NewSymDense(m, nil)
	for i := range m {
		t.SetSym(i, i, alpha[i])
		if i > 0 {
			t.SetSym(i-1, i, beta[i-1])
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(t, false) {
		return math.NaN()
	}
	return eig.Values(nil)[m-1]
}

// dimming is how far beyond the bound WellPosed mends by passing the whole
// picture a little less, constants too: 0.002 of a picture's value is far below
// the noise, while taking as much from the slow waves by the gates alone would
// close them.
const dimming = 2e-3

// WellPosed returns the network changed so that GrowthBound is at most 1: the
// weights c and a of its gates are multiplied by one factor, at most 1, which is
// returned, and then all but the alpha term of psi by another, at least
// 1-dimming. A network that satisfies the bound is returned as it is.
func (n *Network) WellPosed() (*Network, float64) {
	const enough = 1 + dimming
	best, lo, hi := n, 1.0, 1.0
	if n.GrowthBound() <= 1 {
		return n, 1
	}
	if n.GrowthBound() > enough {
		// Training ends close to the bound, so look there first.
		best, lo = nil, 0
		for d := 0.005; best == nil; d *= 2 {
			lo = max(0, 1-d)
			if s := n.gatesScaled(lo); lo == 0 || s.GrowthBound() <= enough {
				best = s
			} else {
				hi = lo
			}
		}
		for hi-lo > 5e-4 {
			k := (lo + hi) / 2
			if s := n.gatesScaled(k); s.GrowthBound() <= enough {
				lo, best = k, s
			} else {
				hi = k
			}
		}
	}
	return best.dimmed(), lo
}

// dimmed multiplies all but the alpha term of psi by the factor that brings the
// bound to 1.
func (n *Network) dimmed() *Network {
	bound, alpha := n.GrowthBound(), n.cfg.Alpha
	if n.cfg.Pyramid == nil || bound <= 1 {
		return n
	}
	k := (1 - alpha) / (bound - alpha) * (1 - 1e-5) // room for rounding
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
