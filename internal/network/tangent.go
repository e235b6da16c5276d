package network

// Tangent writes to r, with what record writes, the derivative of all of it along
// the direction t of the input, and returns the derivative of the result:
// forward-mode differentiation (Wengert 1964). With a network's f = grad psi, it
// is Hess psi(y) t. Energies are left out.
func Tangent(r Recorder, t Value, record func(Recorder) Value) Value {
	return record(dual{r, t}).(pair).t
}

// A dual is a Recorder whose values are pairs.
type dual struct {
	Recorder
	tangent Value
}

// A pair is a value with its derivative, nil where it does not depend on the
// input.
type pair struct{ v, t Value }

func (d dual) Input() Value                 { return pair{d.Recorder.Input(), d.tangent} }
func (d dual) Param(name string) Value      { return pair{v: d.Recorder.Param(name)} }
func (d dual) Dims(v Value) Dims            { return d.Recorder.Dims(v.(pair).v) }
func (d dual) Energy(float64, Value, Value) {}
func (d dual) Sum(Value)                    {}

// linear applies a linear map to the value and to the tangent.
func (d dual) linear(x Value, f func(Value) Value) Value {
	p := x.(pair)
	out := pair{v: f(p.v)}
	if p.t != nil {
		out.t = f(p.t)
	}
	return out
}

// chain applies a function whose derivative at x is g, elementwise.
func (d dual) chain(x Value, f, g func(Value) Value) Value {
	p := x.(pair)
	out := pair{v: f(p.v)}
	if p.t != nil {
		out.t = d.Recorder.Mul(g(p.v), p.t)
	}
	return out
}

func (d dual) Conv(x, w Value, g Geom) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.Conv(v, w.(pair).v, g) })
}

func (d dual) ConvT(y, w Value, g Geom, h, width int) Value {
	return d.linear(y, func(v Value) Value { return d.Recorder.ConvT(v, w.(pair).v, g, h, width) })
}

func (d dual) Bias(x, b Value) Value {
	p := x.(pair)
	return pair{d.Recorder.Bias(p.v, b.(pair).v), p.t}
}

func (d dual) Act(x Value, a Activation, order int) Value {
	return d.chain(x,
		func(v Value) Value { return d.Recorder.Act(v, a, order) },
		func(v Value) Value { return d.Recorder.Act(v, a, order+1) })
}

func (d dual) sum(s, t Value) Value {
	if s == nil || t == nil {
		if s == nil {
			return t
		}
		return s
	}
	return d.Recorder.Add(s, t)
}

func (d dual) Add(x, y Value) Value {
	p, q := x.(pair), y.(pair)
	return pair{d.Recorder.Add(p.v, q.v), d.sum(p.t, q.t)}
}

func (d dual) Mul(x, y Value) Value {
	p, q := x.(pair), y.(pair)
	var a, b Value
	if p.t != nil {
		a = d.Recorder.Mul(p.t, q.v)
	}
	if q.t != nil {
		b = d.Recorder.Mul(p.v, q.t)
	}
	return pair{d.Recorder.Mul(p.v, q.v), d.sum(a, b)}
}

func (d dual) Scale(x Value, k float64) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.Scale(v, k) })
}

func (d dual) HalfSquare(x Value) Value {
	return d.chain(x, d.Recorder.HalfSquare, func(v Value) Value { return v })
}

func (d dual) Exp(x Value) Value { return d.chain(x, d.Recorder.Exp, d.Recorder.Exp) }

func (d dual) LogSumExp(x Value, per int) Value {
	p := x.(pair)
	out := pair{v: d.Recorder.LogSumExp(p.v, per)}
	if p.t != nil {
		out.t = d.Recorder.GroupSum(d.Recorder.Mul(d.Recorder.Softmax(p.v, per), p.t), per)
	}
	return out
}

// Softmax has the derivative s.(t - sum of s.t over the group).
func (d dual) Softmax(x Value, per int) Value {
	r, p := d.Recorder, x.(pair)
	s := r.Softmax(p.v, per)
	if p.t == nil {
		return pair{v: s}
	}
	st := r.Mul(s, p.t)
	mean := r.Mul(s, r.Expand(r.GroupSum(st, per), per))
	return pair{s, r.Add(st, r.Scale(mean, -1))}
}

func (d dual) Expand(x Value, per int) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.Expand(v, per) })
}

func (d dual) GroupSum(x Value, per int) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.GroupSum(v, per) })
}

func (d dual) Outer(m []float32, c Value, like Dims) Value {
	return pair{v: d.Recorder.Outer(m, c.(pair).v, like)}
}

func (d dual) AvgPool(x Value) Value  { return d.linear(x, d.Recorder.AvgPool) }
func (d dual) AvgPoolT(x Value) Value { return d.linear(x, d.Recorder.AvgPoolT) }

func (d dual) PadSym(x Value, p Margins) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.PadSym(v, p) })
}

func (d dual) PadSymT(x Value, p Margins) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.PadSymT(v, p) })
}

func (d dual) Interleave(x Value, c int) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.Interleave(v, c) })
}

func (d dual) Deinterleave(x Value) Value { return d.linear(x, d.Recorder.Deinterleave) }

func (d dual) SpaceToDepth(x Value, r int) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.SpaceToDepth(v, r) })
}

func (d dual) DepthToSpace(x Value, r int) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.DepthToSpace(v, r) })
}

func (d dual) Resize(x Value, h, w int) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.Resize(v, h, w) })
}

func (d dual) ResizeT(x Value, h, w int) Value {
	return d.linear(x, func(v Value) Value { return d.Recorder.ResizeT(v, h, w) })
}
