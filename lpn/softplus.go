package lpn

import (
	"fmt"

	"github.com/lpn-imaging/lpn/internal/network"
)

// softplusParams lists the weights, under the names of the reference code.
func (c Config) softplusParams() []network.Param {
	s := c.Softplus
	var ps []network.Param
	add := func(con network.Constraint, k int, name string, dims ...int) {
		ps = append(ps, network.Param{Name: fmt.Sprintf(name, k), Dims: dims, Constraint: con})
	}
	ci := c.Channels
	for k, l := range s.Layers {
		con := network.NonNegative
		if k == 0 {
			con = network.Free
		}
		add(con, k, "lin.%d.weight", l.K, l.K, ci, l.Width)
		if k == 0 && s.FirstBias {
			add(network.Free, 0, "lin.%d.bias", l.Width)
		}
		if k > 0 {
			add(network.Free, k-1, "res.%d.weight", l.K, l.K, c.Channels, l.Width)
			add(network.Free, k-1, "res.%d.bias", l.Width)
		}
		ci = l.Width
	}
	n := len(s.Layers)
	add(network.NonNegative, n, "lin.%d.weight", 1, 1, ci, 1)
	if s.LastBias {
		add(network.Free, n, "lin.%d.bias", 1)
	}
	if s.LinearTerm {
		add(network.Free, n-1, "res.%d.weight", 1, 1, c.Channels, 1)
		add(network.Free, n-1, "res.%d.bias", 1)
	}
	return ps
}

// geom is the geometry of the layer's convolutions.
func (l Layer) geom() network.Geom { return network.Geom{K: l.K, Stride: l.Stride, Pad: l.Pad} }

// recordSoftplus writes the network of SoftplusConfig. With p_k the argument
// of the k-th softplus, the gradient is the backward recursion
//
//	u_K = w . s'(p_K),   u_{k-1} = (W_{k-1}' u_k) . s'(p_{k-1}),
//	f   = sum_k H_k' u_k + v + alpha x.
func (c Config) recordSoftplus(r network.Recorder) network.Value {
	s := c.Softplus
	act := network.Activation{Kind: network.Softplus, Beta: s.Beta}
	planes := r.Input()
	x := r.Interleave(planes, c.Channels)
	full := r.Dims(x)
	n := len(s.Layers)

	in := make([]network.Dims, n)  // dims of the input of layer k
	p := make([]network.Value, n)  // arguments of the softplus
	xs := make([]network.Value, n) // x at the size of that input
	z := x
	for k, l := range s.Layers {
		g := l.geom()
		in[k] = r.Dims(z)
		a := r.Conv(z, r.Param(fmt.Sprintf("lin.%d.weight", k)), g)
		switch {
		case k > 0:
			xs[k] = x
			if in[k].H != full.H || in[k].W != full.W {
				xs[k] = r.Resize(x, in[k].H, in[k].W)
			}
			a = r.Add(a, r.Conv(xs[k], r.Param(fmt.Sprintf("res.%d.weight", k-1)), g))
			a = r.Bias(a, r.Param(fmt.Sprintf("res.%d.bias", k-1)))
		case s.FirstBias:
			a = r.Bias(a, r.Param("lin.0.bias"))
		}
		p[k] = a
		z = r.Act(a, act, 0)
	}

	d := r.Dims(z)
	last := fmt.Sprintf("lin.%d", n)
	w := r.Outer(ones(d), r.Param(last+".weight"), d)
	r.Energy(1, z, w)
	if s.LastBias {
		r.Sum(r.Outer(ones(d), r.Param(last+".bias"), d))
	}
	var f network.Value
	if s.LinearTerm {
		v := fmt.Sprintf("res.%d", n-1)
		f = r.Outer(ones(full), r.Param(v+".weight"), full)
		r.Energy(1, x, f)
		r.Sum(r.Outer(ones(full), r.Param(v+".bias"), full))
	}
	add := func(v network.Value) {
		if f == nil {
			f = v
		} else {
			f = r.Add(f, v)
		}
	}
	u := r.Mul(w, r.Act(p[n-1], act, 1))
	for k := n - 1; k >= 0; k-- {
		l := s.Layers[k]
		g := l.geom()
		if k == 0 {
			add(r.ConvT(u, r.Param("lin.0.weight"), g, full.H, full.W))
			break
		}
		back := r.ConvT(u, r.Param(fmt.Sprintf("lin.%d.weight", k)), g, in[k].H, in[k].W)
		h := r.ConvT(u, r.Param(fmt.Sprintf("res.%d.weight", k-1)), g, in[k].H, in[k].W)
		if xs[k] != x {
			h = r.ResizeT(h, full.H, full.W)
		}
		add(h)
		u = r.Mul(back, r.Act(p[k-1], act, 1))
	}
	if c.Alpha > 0 {
		r.Energy(c.Alpha/2, x, x)
		add(r.Scale(x, c.Alpha))
	}
	return r.Deinterleave(f)
}

// Dense is the paper's dense network for vectors of length in, held as the
// channels of one pixel: layers hidden layers after the first.
func Dense(in, hidden, layers int) Config {
	ls := make([]Layer, layers)
	for i := range ls {
		ls[i] = Layer{Width: hidden, K: 1, Stride: 1}
	}
	return Config{Name: "dense", Channels: in, Height: 1, Width: 1, Sigma: 1, Unit: 1,
		Softplus: &SoftplusConfig{Beta: 10, Layers: ls, LinearTerm: true}}
}

// MNIST is the paper's network for 28x28 digits.
func MNIST(hidden int) Config {
	conv := func(s int) Layer { return Layer{Width: hidden, K: 3, Stride: s, Pad: 1} }
	return Config{Name: "lpn_mnist", Channels: 1, Height: 28, Width: 28, Sigma: 0.1, Unit: 1, Alpha: 0.02,
		Softplus: &SoftplusConfig{Beta: 10, Layers: []Layer{conv(1), conv(2), conv(1), conv(2), {Width: 64, K: 7, Stride: 1}}}}
}

// Paper128 is the paper's network for 128x128 pictures.
func Paper128(channels, hidden int) Config {
	conv := func(s int) Layer { return Layer{Width: hidden, K: 3, Stride: s, Pad: 1} }
	return Config{Name: "lpn_128", Channels: channels, Height: 128, Width: 128, Sigma: 0.05, Unit: 1, Alpha: 2e-6,
		Softplus: &SoftplusConfig{Beta: 100, FirstBias: true, LastBias: true,
			Layers: []Layer{conv(1), conv(2), conv(1), conv(2), conv(1), conv(2), {Width: 64, K: 16, Stride: 1}}}}
}

// SoftplusAny is the paper's recipe made fully convolutional: depth layers of
// width channels, 3x3, stride 1, psi summed over positions; any picture size.
func SoftplusAny(channels, width, depth int, sigma float64) Config {
	layers := make([]Layer, depth)
	for i := range layers {
		layers[i] = Layer{Width: width, K: 3, Stride: 1, Pad: 1}
	}
	return Config{Name: "softplus", Channels: channels, Sigma: sigma, Unit: sigma, Alpha: 0.01,
		Softplus: &SoftplusConfig{Beta: 10, Layers: layers, FirstBias: true}}
}
