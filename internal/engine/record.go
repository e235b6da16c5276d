package engine

import (
	"fmt"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
)

// A Recorder is a network.Recorder that lists the operations. It decides nothing:
// the passes do.
type Recorder struct {
	params  map[string]*value
	picture network.Dims
	inputs  []*value
	ops     []*op
}

var _ network.Recorder = (*Recorder)(nil)

// NewRecorder returns a recorder over weights, by name, in the layout of params,
// for inputs of the given dims: planes, (N*C,H,W,1).
func NewRecorder(params []network.Param, weights map[string][]float32, input network.Dims) *Recorder {
	r := &Recorder{params: map[string]*value{}, picture: input}
	for _, p := range params {
		r.params[p.Name] = &value{dims: p.Shape(), fixed: true, data: weights[p.Name], stage: -1}
	}
	return r
}

// Input is the first input.
func (r *Recorder) Input() network.Value {
	if len(r.inputs) == 0 {
		r.NewInput()
	}
	return r.inputs[0]
}

// NewInput adds an input of the dims of the first.
func (r *Recorder) NewInput() network.Value {
	v := &value{dims: r.picture, stage: -1}
	r.inputs = append(r.inputs, v)
	return v
}

func (r *Recorder) Param(name string) network.Value {
	v := r.params[name]
	if v == nil {
		panic("engine: no parameter " + name)
	}
	return v
}

func (r *Recorder) Dims(v network.Value) network.Dims { return v.(*value).dims }

// write adds an operation with one output of dims d.
func (r *Recorder) write(o *op, d network.Dims) *value {
	v := &value{dims: d, by: o, stage: -1}
	o.out = []*value{v}
	r.ops = append(r.ops, o)
	return v
}

// each adds a function of the rows of x, to rows of c channels.
func (r *Recorder) each(o *op, x network.Value, c int, f func(dst, x []float32)) network.Value {
	v := x.(*value)
	o.in, o.each = []*value{v}, f
	d := v.dims
	d.C = c
	return r.write(o, d)
}

// same is each, to as many channels.
func (r *Recorder) same(o *op, x network.Value, f func(dst, x []float32)) network.Value {
	return r.each(o, x, x.(*value).dims.C, f)
}

// zip adds a function of the rows of x and y.
func (r *Recorder) zip(k kind, x, y network.Value, f func(dst, x, y []float32)) network.Value {
	u, v := x.(*value), y.(*value)
	if u.dims.N*u.dims.H != v.dims.N*v.dims.H || u.dims.W != v.dims.W || u.dims.C != v.dims.C {
		panic(fmt.Sprintf("engine: operands of dims %v and %v", u.dims, v.dims))
	}
	return r.write(&op{kind: k, in: []*value{u, v}, zip: f}, u.dims)
}

// resample adds a function of each picture, given as slices, and of the rows of the input
// that some of its rows are made of.
func (r *Recorder) resample(x network.Value, d network.Dims, reach func(r Range) Range, f func(dst, x []float32)) network.Value {
	return r.write(&op{kind: resample, in: []*value{x.(*value)}, picture: f, reach: reach}, d)
}

// cells adds a resampling whose rows, k at a time, are made of the same l rows of the
// input; f computes so many rows.
func (r *Recorder) cells(x network.Value, d network.Dims, k, l int, f func(dst, x []float32, rows int)) network.Value {
	o := &op{kind: resample, in: []*value{x.(*value)}, some: f}
	o.picture = func(dst, x []float32) { f(dst, x, d.H) }
	o.reach = func(r Range) Range { return Range{r.Lo / k * l, (r.Hi + k - 1) / k * l} }
	return r.write(o, d)
}

// sameRows is the reach of what moves samples within rows.
func sameRows(r Range) Range { return r }

func convShape(d network.Dims, w *value, g network.Geom) kernel.ConvShape {
	return kernel.ConvShape{N: d.N, H: d.H, W: d.W, Ci: w.dims.W, Co: w.dims.C, K: g.K, Stride: g.Stride, Pad: g.Pad}
}

// conv adds a convolution or an adjoint, of shape s.
func (r *Recorder) conv(x, w *value, s kernel.ConvShape, adjoint bool, d network.Dims) network.Value {
	return r.write(&op{kind: conv, in: []*value{x}, terms: []term{{shape: s, adjoint: adjoint, w: w.elements(), in: x}}}, d)
}

func (r *Recorder) Conv(xv, wv network.Value, g network.Geom) network.Value {
	x, w := xv.(*value), wv.(*value)
	if w.dims.W != x.dims.C {
		panic(fmt.Sprintf("engine: filter of dims %v on input %v", w.dims, x.dims))
	}
	s := convShape(x.dims, w, g)
	h, width := s.Out()
	return r.conv(x, w, s, false, network.Dims{N: s.N, H: h, W: width, C: s.Co})
}

func (r *Recorder) ConvT(yv, wv network.Value, g network.Geom, h, width int) network.Value {
	y, w := yv.(*value), wv.(*value)
	d := network.Dims{N: y.dims.N, H: h, W: width, C: w.dims.W}
	return r.conv(y, w, convShape(d, w, g), true, d)
}

func (r *Recorder) Bias(x, b network.Value) network.Value {
	c := b.(*value).elements()
	return r.same(&op{kind: bias, c: c}, x, func(dst, x []float32) { kernel.AddBias(dst, x, c) })
}

func (r *Recorder) Act(x network.Value, a network.Activation, order int) network.Value {
	return r.same(&op{kind: act, act: a, order: order}, x, a.Apply(order))
}

func (r *Recorder) Add(x, y network.Value) network.Value { return r.zip(add, x, y, kernel.Add) }
func (r *Recorder) Mul(x, y network.Value) network.Value { return r.zip(mul, x, y, kernel.Mul) }

func (r *Recorder) Scale(x network.Value, k float64) network.Value {
	return r.same(&op{kind: scale}, x, func(dst, x []float32) { kernel.Scale(dst, x, float32(k)) })
}

func (r *Recorder) HalfSquare(x network.Value) network.Value {
	return r.same(&op{kind: half}, x, kernel.HalfSquare)
}

func (r *Recorder) Exp(x network.Value) network.Value { return r.same(&op{kind: exp}, x, kernel.Exp) }

func (r *Recorder) LogSumExp(x network.Value, per int) network.Value {
	return r.each(&op{kind: logSumExp, per: per}, x, r.Dims(x).C/per, func(dst, x []float32) { kernel.LogSumExp(dst, nil, x, per) })
}

func (r *Recorder) Softmax(x network.Value, per int) network.Value {
	return r.same(&op{kind: softmax, per: per}, x, func(dst, x []float32) { kernel.LogSumExp(nil, dst, x, per) })
}

func (r *Recorder) Expand(x network.Value, per int) network.Value {
	return r.each(&op{kind: expand, per: per}, x, r.Dims(x).C*per, func(dst, x []float32) { kernel.Expand(dst, x, per) })
}

func (r *Recorder) GroupSum(x network.Value, per int) network.Value {
	return r.each(&op{kind: groupSum, per: per}, x, r.Dims(x).C/per, func(dst, x []float32) { kernel.GroupSum(dst, x, per) })
}

func (r *Recorder) Outer(m []float32, c network.Value, like network.Dims) network.Value {
	v := c.(*value)
	like.C = v.dims.Len()
	return r.write(&op{kind: outer, in: []*value{v}, m: m}, like)
}

func (r *Recorder) AvgPool(x network.Value) network.Value {
	d := r.Dims(x)
	return r.cells(x, network.Dims{N: d.N, H: d.H / 2, W: d.W / 2, C: d.C}, 1, 2, func(dst, x []float32, rows int) {
		kernel.AvgPool(dst, x, 1, 2*rows, d.W, d.C)
	})
}

func (r *Recorder) AvgPoolT(x network.Value) network.Value {
	d := r.Dims(x)
	d.H, d.W = 2*d.H, 2*d.W
	return r.cells(x, d, 2, 1, func(dst, x []float32, rows int) { kernel.AvgPoolT(dst, x, 1, rows, d.W, d.C) })
}

func (r *Recorder) PadSym(x network.Value, p network.Margins) network.Value {
	d := r.Dims(x)
	// Rows beyond a border are those as far within it.
	reach := func(r Range) Range {
		r = Range{r.Lo - p.Top, r.Hi - p.Top}
		if r.Lo < 0 {
			r.Hi = max(r.Hi, p.Top)
		}
		if r.Hi > d.H {
			r.Lo = min(r.Lo, d.H-p.Bottom)
		}
		return r
	}
	return r.resample(x, network.Dims{N: d.N, H: d.H + p.Top + p.Bottom, W: d.W + p.Left + p.Right, C: 1}, reach, func(dst, x []float32) {
		kernel.PadSym(dst, x, 1, d.H, d.W, p.Top, p.Bottom, p.Left, p.Right)
	})
}

func (r *Recorder) PadSymT(x network.Value, p network.Margins) network.Value {
	d := r.Dims(x)
	d.H, d.W = d.H-p.Top-p.Bottom, d.W-p.Left-p.Right
	// The rows beyond a border are added to those as far within it.
	reach := func(r Range) Range {
		lo, hi := r.Lo+p.Top, r.Hi+p.Top
		if r.Lo < p.Top {
			lo = -p.Top
		}
		if r.Hi > d.H-p.Bottom {
			hi = p.Top + d.H + p.Bottom
		}
		return Range{lo, hi}
	}
	return r.resample(x, d, reach, func(dst, x []float32) {
		kernel.PadSymT(dst, x, 1, d.H, d.W, p.Top, p.Bottom, p.Left, p.Right)
	})
}

func (r *Recorder) Interleave(x network.Value, c int) network.Value {
	d := r.Dims(x)
	if c == 1 {
		return x
	}
	return r.resample(x, network.Dims{N: d.N / c, H: d.H, W: d.W, C: c}, sameRows, func(dst, x []float32) {
		kernel.Interleave(dst, x, 1, d.H, d.W, c)
	})
}

func (r *Recorder) Deinterleave(x network.Value) network.Value {
	d := r.Dims(x)
	if d.C == 1 {
		return x
	}
	return r.resample(x, network.Dims{N: d.N * d.C, H: d.H, W: d.W, C: 1}, sameRows, func(dst, x []float32) {
		kernel.Deinterleave(dst, x, 1, d.H, d.W, d.C)
	})
}

func (r *Recorder) SpaceToDepth(x network.Value, k int) network.Value {
	d := r.Dims(x)
	return r.cells(x, network.Dims{N: d.N, H: d.H / k, W: d.W / k, C: d.C * k * k}, 1, k, func(dst, x []float32, rows int) {
		kernel.SpaceToDepth(dst, x, 1, k*rows, d.W, d.C, k)
	})
}

func (r *Recorder) DepthToSpace(x network.Value, k int) network.Value {
	d := r.Dims(x)
	d = network.Dims{N: d.N, H: d.H * k, W: d.W * k, C: d.C / (k * k)}
	return r.cells(x, d, k, 1, func(dst, x []float32, rows int) { kernel.DepthToSpace(dst, x, 1, rows, d.W, d.C, k) })
}

func (r *Recorder) Resize(x network.Value, h, w int) network.Value {
	d := r.Dims(x)
	all := func(Range) Range { return Range{0, d.H} }
	return r.resample(x, network.Dims{N: d.N, H: h, W: w, C: d.C}, all, func(dst, x []float32) {
		kernel.Resize(dst, x, 1, d.H, d.W, d.C, h, w)
	})
}

func (r *Recorder) ResizeT(x network.Value, h, w int) network.Value {
	d := r.Dims(x)
	all := func(Range) Range { return Range{0, d.H} }
	return r.resample(x, network.Dims{N: d.N, H: h, W: w, C: d.C}, all, func(dst, x []float32) {
		kernel.ResizeT(dst, x, 1, h, w, d.C, d.H, d.W)
	})
}

func (r *Recorder) Energy(k float64, x, y network.Value) {
	r.ops = append(r.ops, &op{kind: energy, in: []*value{x.(*value), y.(*value)}, k: k})
}

func (r *Recorder) Sum(x network.Value) {
	r.ops = append(r.ops, &op{kind: total, in: []*value{x.(*value)}})
}
