package lpn

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/engine"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/operators"
)

// LipschitzBound returns an upper bound on the Lipschitz constant of f, the
// largest eigenvalue of Hess psi, for pictures of shape s whose samples lie
// between lo and hi.
//
// A softplus network has a bound that does not depend on lo and hi. Because the slopes
// of the softplus are in [0,1], its curvatures in [0,beta/4], and the weights W_k and w
// are not negative, every element of Hess psi is at most that of
//
//	P = alpha I + sum_k J_k' diag(beta/4 u_k) J_k,
//	J_1 = |H_0|,  J_{k+1} = W_k J_k + |H_k|,   u_K = w,  u_{k-1} = W_{k-1}'u_k,
//
// interval arithmetic that the signs make as cheap as an evaluation, and
// max (P v)_i/v_i bounds the largest eigenvalue for any positive v (Collatz
// 1942, Wielandt 1950): v comes from a few power iterations.
//
// In a pyramid of gated energies f turns, where two gates of one log-sum-exp
// balance, from one slope to another within a distance that shrinks as the
// contrast grows. In a box |e'(h_k)| <= H_k, by the l1 norms of the filters and
// the threshold of the energies (by the latter alone in a box without end), and the
// Cauchy-Schwarz inequality on dp_j = sum_k N_jk e'(h_k) dh_k + ... bounds what
// the turning gates add by a diagonal form in dh:
//
//	Hess psi <= sum_l A_l'(D_l + D'_l)A_l + (1-alpha-slack) V'V + alpha I,
//	E_j = sum_k N_jk H_k^2 + sum_m T_jm max_{i in m} E_i   (the level below),
//	D'_k = sum_g max_{j in g} (w_g E_j + kappa_g) N_jk,
//
// D_l the largest slope of psi in q_l, w_g the largest weight of gate group g and
// kappa_g what the level above passes down by T in the same way. The largest eigenvalue
// of this fixed operator is computed as GainBound's is. It is far from tight, because
// gates rarely turn together.
func (n *Network) LipschitzBound(s operators.Shape, lo, hi float64) (float64, error) {
	if !(hi > lo) {
		return 0, fmt.Errorf("lpn: the box [%v,%v] is empty", lo, hi)
	}
	if _, err := n.On(s); err != nil {
		return 0, err
	}
	if n.cfg.Softplus != nil {
		return n.softplusLipschitz(s), nil
	}
	half := (hi - lo) / 2 / n.cfg.Unit
	if math.IsInf(half, 1) && n.cfg.Pyramid.Threshold == 0 {
		return half, nil
	}
	return n.pyramidLipschitz(s, half), nil
}

// absolute returns a recorder for pictures of shape s over the weights' absolute
// values.
func (n *Network) absolute(s operators.Shape) *engine.Recorder {
	weights := map[string][]float32{}
	for name, w := range n.params {
		a := make([]float32, len(w))
		for i, v := range w {
			a[i] = float32(math.Abs(float64(v)))
		}
		weights[name] = a
	}
	return engine.NewRecorder(n.cfg.Definition().Params, weights, network.Dims{N: s.C, H: s.H, W: s.W, C: 1})
}

func (n *Network) softplusLipschitz(s operators.Shape) float64 {
	r := n.absolute(s)
	g := newOperator(r.Compile(n.cfg.recordSoftplusBound(r), engine.Options{}))
	in := make([]float32, s.Len())
	out := make([]float32, s.Len())
	v := make([]float64, len(in))
	for i := range v {
		v[i] = 1
	}
	best := math.Inf(1)
	for range 12 {
		for i, u := range v {
			in[i] = float32(u)
		}
		g.apply(out, in)
		worst, top := 0.0, 0.0
		for i, w := range out {
			worst = max(worst, float64(w)/v[i])
			top = max(top, float64(w))
		}
		best = min(best, worst)
		for i, w := range out {
			v[i] = max(float64(w)/top, 1e-6) // stays positive
		}
	}
	return best * (1 + 1e-4) // single precision
}

// recordSoftplusBound writes P x; the recorder's weights are absolute values.
func (c Config) recordSoftplusBound(r network.Recorder) network.Value {
	s := c.Softplus
	x := r.Interleave(r.Input(), c.Channels)
	full := r.Dims(x)
	n := len(s.Layers)
	in := make([]network.Dims, n)
	a := make([]network.Value, n)
	lin := func(k int) network.Value { return r.Param(fmt.Sprintf("lin.%d.weight", k)) }
	res := func(k int) network.Value { return r.Param(fmt.Sprintf("res.%d.weight", k-1)) }
	geom := func(k int) network.Geom { return s.Layers[k].geom() }
	z := x
	for k := range n {
		in[k] = r.Dims(z)
		a[k] = r.Conv(z, lin(k), geom(k))
		if k > 0 {
			xs := x
			if in[k].H != full.H || in[k].W != full.W {
				xs = r.Resize(x, in[k].H, in[k].W)
			}
			a[k] = r.Add(a[k], r.Conv(xs, res(k), geom(k)))
		}
		z = a[k]
	}
	d := r.Dims(z)
	u := r.Outer(ones(d), lin(n), d)
	var back, sum network.Value
	for k := n - 1; k >= 0; k-- {
		t := r.Scale(r.Mul(a[k], u), s.Beta/4)
		if back != nil {
			t = r.Add(t, back)
		}
		if k == 0 {
			t = r.ConvT(t, lin(0), geom(0), full.H, full.W)
		} else {
			back = r.ConvT(t, lin(k), geom(k), in[k].H, in[k].W)
			// Outer is a constant: give ConvT a value to work on.
			u = r.ConvT(r.Add(u, r.Scale(a[k], 0)), lin(k), geom(k), in[k].H, in[k].W)
			t = r.ConvT(t, res(k), geom(k), in[k].H, in[k].W)
			if in[k].H != full.H || in[k].W != full.W {
				t = r.ResizeT(t, full.H, full.W)
			}
		}
		if sum == nil {
			sum = t
		} else {
			sum = r.Add(sum, t)
		}
	}
	return r.Deinterleave(r.Add(sum, r.Scale(x, c.Alpha)))
}

// pyramidLipschitz is LipschitzBound for pictures within +-half network units
// of some constant.
func (n *Network) pyramidLipschitz(s operators.Shape, half float64) float64 {
	p := n.cfg.Pyramid
	levels := len(p.Levels)
	top := n.featureBounds(s, half)
	if p.Threshold > 0 {
		for _, r := range top {
			for k := range r {
				r[k] = min(r[k], p.Threshold)
			}
		}
	}

	// Energies E_j from the first level up, and their largest by group (the
	// sum where each gate of a group is open on its own).
	energy := make([][]float64, levels)
	var below []float64
	for l, v := range p.Levels {
		f := v.Features
		e := make([]float64, f)
		for i, w := range n.params[fmt.Sprintf("N.%d", l)] {
			k, j := i/f%f, i%f
			e[j] += float64(w) * top[l][k] * top[l][k]
		}
		if l > 0 {
			for i, w := range n.params[fmt.Sprintf("T.%d", l)] {
				e[i%f] += float64(w) * below[i/f]
			}
		}
		below = make([]float64, f/p.Group)
		for j, u := range e {
			if p.Gate == "hard" {
				below[j/p.Group] += u
			} else {
				below[j/p.Group] = max(below[j/p.Group], u)
			}
		}
		energy[l] = e
	}

	// Slopes and curvatures from the last level down.
	diagonal := make([][]float32, levels)
	above, kappa := make([]float64, p.Levels[levels-1].Features/p.Group), make([]float64, p.Levels[levels-1].Features/p.Group)
	for l := levels - 1; l >= 0; l-- {
		f := p.Levels[l].Features
		slope, turn := make([]float64, f), make([]float64, f) // a gate's weights
		for j := range f {
			g := j / p.Group
			slope[j] = math.Exp(float64(n.params[fmt.Sprintf("logc.%d", l)][g])) + above[g]
			// A hard gate's slope changes by at most 1/2 per unit.
			bend := 1.0
			if p.Gate == "hard" {
				bend = 0.5
			}
			turn[j] = bend*slope[j]*energy[l][j] + kappa[g]
		}
		d := make([]float32, f)
		for k, v := range n.params[fmt.Sprintf("loga.%d", l)] {
			d[k] = float32(math.Exp(float64(v)))
		}
		for k, v := range p.overGates(n.params[fmt.Sprintf("N.%d", l)], f, f, slope, turn) {
			d[k] += float32(v)
		}
		diagonal[l] = d
		if l > 0 {
			t := n.params[fmt.Sprintf("T.%d", l)]
			zero := make([]float64, f)
			above, kappa = p.overGates(t, len(t)/f, f, slope, zero), p.overGates(t, len(t)/f, f, zero, turn)
			for m := range above {
				above[m] /= 4
				kappa[m] /= 4
			}
		}
	}

	return n.diagonalOperator(diagonal, gainSide).largest(60)
}

// overGates sums, for each of the ci input channels k of w, over taps and groups
// the largest (slope_j + turn_j) w_kj in the group, j counting f gates; a hard
// gate is a group of its own.
func (p *PyramidConfig) overGates(w []float32, ci, f int, slope, turn []float64) []float64 {
	per := p.perGate()
	out := make([]float64, ci)
	for i := 0; i < len(w); i += f {
		for g := 0; g < f; g += per {
			top := 0.0
			for j := g; j < g+per; j++ {
				top = max(top, (slope[j]+turn[j])*float64(w[i+j]))
			}
			out[i/f%ci] += top
		}
	}
	return out
}

// featureBounds is the largest |h_k| of each level for pictures of shape s
// within +-half of a constant, which the first filters do not see: half times
// the largest l1 norm of the filter that leads from the picture to h_k. Near
// the border zero padding cuts the inner filters, so the norm is taken at every
// position of a picture just large enough to show all the ways of being cut.
func (n *Network) featureBounds(s operators.Shape, half float64) [][]float64 {
	p := n.cfg.Pyramid
	cell := 1 << len(p.Levels)
	up := func(k int) int { return (k + cell - 1) / cell * cell }
	var all [][]float64
	cut := 0 // how far from the border, in cells, g_l is cut
	for l, v := range p.Levels {
		if l > 0 {
			cut = v.WK/2 + (cut+1)/2
		}
		side := up((2*(v.AK/2+cut) + 1) * 2 << l)
		all = append(all, n.filterNorms(l, min(side, up(s.H)), min(side, up(s.W))))
		for k := range all[l] {
			all[l][k] *= half
		}
	}
	return all
}

// filterNorms is the largest l1 norm, over the positions in an h x w picture,
// of the map from the extended picture to each feature of level l.
func (n *Network) filterNorms(l, h, w int) []float64 {
	c, v := n.cfg, n.cfg.Pyramid.Levels[l]
	fh, fw := h/(2<<l), w/(2<<l)
	// A batch holds a one-hot input a feature.
	r := n.recorder(network.Dims{N: v.Features, H: fh, W: fw, C: v.Features})
	x := r.ConvT(r.Input(), r.Param(fmt.Sprintf("A.%d", l)), same(v.AK), fh, fw)
	for k := l; k >= 0; k-- {
		g, hh, ww := c.pyramidStep(k, h, w)
		x = r.DepthToSpace(r.ConvT(x, r.Param(fmt.Sprintf("W.%d", k)), g, hh, ww), 2)
	}
	o := newOperator(r.Compile(x, engine.Options{}))
	in, out := o.Input(0, 0), o.Output(0)
	top := make([]float64, v.Features)
	for at := range fh * fw {
		clear(in)
		for k := range top {
			in[(k*fh*fw+at)*v.Features+k] = 1
		}
		o.Run(0)
		for k := range top {
			sum := 0.0
			for _, u := range out[k*len(out)/len(top) : (k+1)*len(out)/len(top)] {
				sum += math.Abs(float64(u))
			}
			top[k] = max(top[k], sum*(1+1e-5)) // single precision
		}
	}
	return top
}
