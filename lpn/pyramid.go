package lpn

import (
	"fmt"

	"github.com/lpn-imaging/lpn/internal/network"
)

// pyramidParams lists the weights: levels from the finest, then the low-pass.
func (c Config) pyramidParams() []network.Param {
	p := c.Pyramid
	var ps []network.Param
	add := func(con network.Constraint, name string, k int, dims ...int) {
		ps = append(ps, network.Param{Name: fmt.Sprintf("%s.%d", name, k), Dims: dims, Constraint: con})
	}
	ci := c.Channels
	for l, v := range p.Levels {
		con := network.Free
		if l == 0 {
			con = network.ZeroMean // g_1 is 0 for a constant, and so is every feature
		}
		groups := v.Features / p.Group
		add(con, "W", l, v.WK, v.WK, 4*ci, v.Maps)
		add(network.Free, "A", l, v.AK, v.AK, v.Maps, v.Features)
		add(network.NonNegative, "N", l, v.NK, v.NK, v.Features, v.Features)
		if l > 0 {
			add(network.NonNegative, "T", l, 1, 1, p.Levels[l-1].Features/p.Group, v.Features)
		}
		add(network.Free, "b", l, v.Features)
		add(network.Free, "logc", l, groups)
		add(network.Free, "loga", l, v.Features)
		ci = v.Maps
	}
	for k := range p.Lowpass {
		add(network.UnitGain, "V", k, p.LowpassSize, p.LowpassSize, 1, 1)
	}
	return ps
}

// valid is a K x K convolution of what is there, same one that keeps the size.
func valid(k int) network.Geom { return network.Geom{K: k, Stride: 1} }
func same(k int) network.Geom  { return network.Geom{K: k, Stride: 1, Pad: k / 2} }

// ones is a map of ones of the plane of d.
func ones(d network.Dims) []float32 {
	m := make([]float32, d.H*d.W)
	for i := range m {
		m[i] = 1
	}
	return m
}

// pyramidMargins is the padding that makes an h x w picture fit: WK/2 cells of
// 2 pixels for the first, valid, convolution, and on the right and bottom up
// to a multiple of 2^levels.
func (c Config) pyramidMargins(h, w int) network.Margins {
	m := c.Pyramid.Levels[0].WK / 2 * 2
	cell := 1 << len(c.Pyramid.Levels)
	up := func(n int) int { return (n + cell - 1) / cell * cell }
	return network.Margins{Top: m, Bottom: m + up(h) - h, Left: m, Right: m + up(w) - w}
}

// cellWeights is the fraction of each cell of size px that lies inside an
// h x w picture, on a grid of rows x cols cells.
func cellWeights(rows, cols, px, h, w int) []float32 {
	inside := func(i, n int) float32 { return float32(min(px, max(0, n-i*px))) / float32(px) }
	m := make([]float32, rows*cols)
	for y := range rows {
		for x := range cols {
			m[y*cols+x] = inside(y, h) * inside(x, w)
		}
	}
	return m
}

// pyramidStep is the geometry of W_l, and the height and width of what it works on,
// for a picture of h x w.
func (c Config) pyramidStep(l, h, w int) (g network.Geom, height, width int) {
	m := c.pyramidMargins(h, w)
	k := c.Pyramid.Levels[l].WK
	if l == 0 {
		return valid(k), (h + m.Top + m.Bottom) / 2, (w + m.Left + m.Right) / 2
	}
	return same(k), (h + m.Bottom - m.Top) / (2 << l), (w + m.Right - m.Left) / (2 << l)
}

// pyramidLinear writes the linear part: g_l and h_l of every level.
func (c Config) pyramidLinear(r network.Recorder, planes network.Value) (g, h []network.Value) {
	d := r.Dims(planes)
	x := r.Interleave(r.PadSym(planes, c.pyramidMargins(d.H, d.W)), c.Channels)
	for l, v := range c.Pyramid.Levels {
		step, _, _ := c.pyramidStep(l, d.H, d.W)
		x = r.Conv(r.SpaceToDepth(x, 2), r.Param(fmt.Sprintf("W.%d", l)), step)
		g = append(g, x)
		h = append(h, r.Conv(x, r.Param(fmt.Sprintf("A.%d", l)), same(v.AK)))
	}
	return g, h
}

// pyramidLinearT writes the adjoint of pyramidLinear: features gh back to
// planes of the size of d.
func (c Config) pyramidLinearT(r network.Recorder, gh []network.Value, d network.Dims) network.Value {
	p := c.Pyramid
	var up network.Value
	for l := len(p.Levels) - 1; l >= 0; l-- {
		f := r.Dims(gh[l])
		a := r.ConvT(gh[l], r.Param(fmt.Sprintf("A.%d", l)), same(p.Levels[l].AK), f.H, f.W)
		if up != nil {
			a = r.Add(a, up)
		}
		step, height, width := c.pyramidStep(l, d.H, d.W)
		up = r.DepthToSpace(r.ConvT(a, r.Param(fmt.Sprintf("W.%d", l)), step, height, width), 2)
	}
	return r.PadSymT(r.Deinterleave(up), c.pyramidMargins(d.H, d.W))
}

// pyramidLowpass writes (1-alpha-slack) sum_k V_k'V_k x + alpha x, and its
// energy.
func (c Config) pyramidLowpass(r network.Recorder, x network.Value) network.Value {
	p := c.Pyramid
	d := r.Dims(x)
	gain := 1 - c.Alpha - p.Slack
	k := p.LowpassSize
	m := network.Margins{Top: k / 2, Bottom: k / 2, Left: k / 2, Right: k / 2}
	g := valid(k)
	xp := r.PadSym(x, m)
	var sum network.Value
	for i := range p.Lowpass {
		v := r.Param(fmt.Sprintf("V.%d", i))
		y := r.Conv(xp, v, g)
		r.Energy(gain/2, y, y)
		t := r.ConvT(y, v, g, d.H+k-1, d.W+k-1)
		if sum == nil {
			sum = t
		} else {
			sum = r.Add(sum, t)
		}
	}
	r.Energy(c.Alpha/2, x, x)
	return r.Add(r.Scale(r.PadSymT(sum, m), gain), r.Scale(x, c.Alpha))
}

// recordPyramid writes the network of PyramidConfig. With s_l the gradient of
// the gate at p_l, the gradient of psi is, from the last level down,
//
//	v_l = w c_l + avgpool'(T_{l+1}' u_{l+1}),   u_l = s_l . expand(v_l),
//	gh_l = (N_l' u_l + w a_l) . e'(h_l),
//
// pushed through the adjoint of the linear part, plus the low-pass term.
func (c Config) recordPyramid(r network.Recorder) network.Value {
	p := c.Pyramid
	n := len(p.Levels)
	x := r.Input()
	d := r.Dims(x)
	_, h := c.pyramidLinear(r, x)

	s := make([]network.Value, n)
	e1 := make([]network.Value, n) // the derivative of the energies
	wc := make([]network.Value, n)
	wa := make([]network.Value, n)
	var z network.Value
	for l, v := range p.Levels {
		f := r.Dims(h[l])
		var q network.Value
		q, e1[l] = c.energy(r, h[l])
		gate := r.Conv(q, r.Param(fmt.Sprintf("N.%d", l)), same(v.NK))
		if l > 0 {
			gate = r.Add(gate, r.Conv(r.AvgPool(z), r.Param(fmt.Sprintf("T.%d", l)), same(1)))
		}
		gate = r.Bias(gate, r.Param(fmt.Sprintf("b.%d", l)))
		z, s[l] = c.gate(r, gate)
		w := cellWeights(f.H, f.W, 2<<l, d.H, d.W)
		wc[l] = r.Outer(w, r.Exp(r.Param(fmt.Sprintf("logc.%d", l))), r.Dims(z))
		wa[l] = r.Outer(w, r.Exp(r.Param(fmt.Sprintf("loga.%d", l))), f)
		r.Energy(1, z, wc[l])
		r.Energy(1, q, wa[l])
	}

	gh := make([]network.Value, n)
	v := wc[n-1]
	for l := n - 1; l >= 0; l-- {
		lev := p.Levels[l]
		f := r.Dims(h[l])
		u := r.Mul(s[l], r.Expand(v, p.Group))
		gain := r.ConvT(u, r.Param(fmt.Sprintf("N.%d", l)), same(lev.NK), f.H, f.W)
		gh[l] = r.Mul(r.Add(gain, wa[l]), e1[l])
		if l > 0 {
			t := r.ConvT(u, r.Param(fmt.Sprintf("T.%d", l)), same(1), f.H, f.W)
			v = r.Add(r.AvgPoolT(t), wc[l-1])
		}
	}
	return r.Add(c.pyramidLinearT(r, gh, d), c.pyramidLowpass(r, x))
}

// energy writes the features' energy and its derivative.
func (c Config) energy(r network.Recorder, h network.Value) (q, e1 network.Value) {
	if c.Pyramid.Threshold == 0 {
		return r.HalfSquare(h), h
	}
	a := network.Activation{Kind: network.Huber, Beta: c.Pyramid.Threshold}
	return r.Act(h, a, 0), r.Act(h, a, 1)
}

// gate writes the gate's value, one a group, and its gradient.
func (c Config) gate(r network.Recorder, p network.Value) (z, s network.Value) {
	if c.Pyramid.Gate == "hard" {
		a := network.Activation{Kind: network.HardGate}
		return r.GroupSum(r.Act(p, a, 0), c.Pyramid.Group), r.Act(p, a, 1)
	}
	return r.LogSumExp(p, c.Pyramid.Group), r.Softmax(p, c.Pyramid.Group)
}

// contrast is the threshold of the energies, in units of a picture's range. A
// feature is a zero-mean filter of about unit norm.
const contrast = 4

// Pyramid is the two-level pyramid of gated energies for pictures of the given
// channels and noise level.
func Pyramid(channels int, sigma float64) Config {
	return Config{Name: "pyramid", Channels: channels, Sigma: sigma, Unit: sigma, Alpha: 0.01,
		Pyramid: &PyramidConfig{Gate: "lse", Group: 16, Lowpass: 2, LowpassSize: 9, Threshold: contrast / sigma, Slack: 1e-3,
			Levels: []PyramidLevel{
				{Maps: 16, WK: 3, Features: 64, AK: 5, NK: 1},
				{Maps: 32, WK: 3, Features: 64, AK: 5, NK: 3},
			}}}
}

// Natural is the three-level pyramid of the built-in priors of natural pictures.
func Natural(channels int, sigma float64) Config {
	c := Pyramid(channels, sigma)
	c.Name = "natural"
	c.Pyramid.Levels = []PyramidLevel{
		{Maps: 24, WK: 3, Features: 96, AK: 5, NK: 1},
		{Maps: 32, WK: 3, Features: 128, AK: 5, NK: 3},
		{Maps: 32, WK: 3, Features: 96, AK: 5, NK: 3},
	}
	if channels > 1 {
		c.Pyramid.Levels[0].Maps = 32
	}
	return c
}
