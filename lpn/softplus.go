package lpn

import "fmt"

func (c Config) softplusParams() []ParamSpec {
	s := c.Softplus
	var ps []ParamSpec
	ci := c.Channels
	for k, l := range s.Layers {
		con := NonNegative
		if k == 0 {
			con = Free
		}
		ps = append(ps, ParamSpec{fmt.Sprintf("lin.%d.weight", k), []int{l.K, l.K, ci, l.Width}, con})
		if k == 0 && s.FirstBias {
			ps = append(ps, ParamSpec{"lin.0.bias", []int{l.Width}, Free})
		}
		if k > 0 {
			ps = append(ps,
				ParamSpec{fmt.Sprintf("res.%d.weight", k-1), []int{l.K, l.K, c.Channels, l.Width}, Free},
				ParamSpec{fmt.Sprintf("res.%d.bias", k-1), []int{l.Width}, Free})
		}
		ci = l.Width
	}
	n := len(s.Layers)
	ps = append(ps, ParamSpec{fmt.Sprintf("lin.%d.weight", n), []int{1, 1, ci, 1}, NonNegative})
	if s.LastBias {
		ps = append(ps, ParamSpec{fmt.Sprintf("lin.%d.bias", n), []int{1}, Free})
	}
	if s.LinearTerm {
		ps = append(ps,
			ParamSpec{fmt.Sprintf("res.%d.weight", n-1), []int{1, 1, c.Channels, 1}, Free},
			ParamSpec{fmt.Sprintf("res.%d.bias", n-1), []int{1}, Free})
	}
	return ps
}

// recordSoftplus writes the network of SoftplusConfig. With p_k the argument
// of the k-th softplus, the gradient is the backward recursion
//
//	u_K = w . s'(p_K),   u_{k-1} = (W_{k-1}' u_k) . s'(p_{k-1}),
//	f   = sum_k H_k' u_k + v + alpha x.
func (c Config) recordSoftplus(r Recorder) Value {
	s := c.Softplus
	act := Activation{Kind: Softplus, Beta: s.Beta}
	planes := r.Input()
	x := r.Interleave(planes, c.Channels)
	full := r.Dims(x)
	n := len(s.Layers)

	in := make([]Dims, n)  // dims of the input of layer k
	p := make([]Value, n)  // arguments of the softplus
	xs := make([]Value, n) // x at the size of that input
	z := x
	for k, l := range s.Layers {
		g := Geom{l.K, l.Stride, l.Pad}
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

	ones := func(d Dims) []float32 {
		m := make([]float32, d.H*d.W)
		for i := range m {
			m[i] = 1
		}
		return m
	}
	d := r.Dims(z)
	last := fmt.Sprintf("lin.%d", n)
	w := r.Outer(ones(d), r.Param(last+".weight"), d)
	r.Energy(1, z, w)
	if s.LastBias {
		r.Sum(r.Outer(ones(d), r.Param(last+".bias"), d))
	}
	var f Value
	if s.LinearTerm {
		v := fmt.Sprintf("res.%d", n-1)
		f = r.Outer(ones(full), r.Param(v+".weight"), full)
		r.Energy(1, x, f)
		r.Sum(r.Outer(ones(full), r.Param(v+".bias"), full))
	}
	add := func(v Value) {
		if f == nil {
			f = v
		} else {
			f = r.Add(f, v)
		}
	}
	u := r.Mul(w, r.Act(p[n-1], act, 1))
	for k := n - 1; k >= 0; k-- {
		l := s.Layers[k]
		g := Geom{l.K, l.Stride, l.Pad}
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
