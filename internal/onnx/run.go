package onnx

import (
	"fmt"
	"math"
	"slices"
)

// An Array is a tensor of the evaluation, row-major: floats in double precision, or
// integers.
type Array struct {
	Dims []int
	Data []float64
	// Whole says that the elements are integers: they divide and round as such.
	Whole bool
}

// Run evaluates the graph: inputs and outputs by name. It knows the operators that
// Record uses, in the version Opset of their specification, and computes in float64,
// one element after the other.
func (m *Model) Run(inputs map[string]Array) (out map[string]Array, err error) {
	if m.Opset != Opset {
		return nil, fmt.Errorf("onnx: operators of version %d, want %d", m.Opset, Opset)
	}
	values := map[string]Array{}
	for _, t := range m.Graph.Weights {
		values[t.Name] = constant(t)
	}
	for _, p := range m.Graph.Inputs {
		x, ok := inputs[p.Name]
		if !ok || !p.fits(x.Dims) {
			return nil, fmt.Errorf("onnx: input %s of dims %v, want %v", p.Name, x.Dims, p.Dims)
		}
		values[p.Name] = x
	}
	// A graph from a file can be anything: what does not fit is an error here.
	at := ""
	defer func() {
		if e := recover(); e != nil {
			out, err = nil, fmt.Errorf("onnx: %s: %v", at, e)
		}
	}()
	for _, n := range m.Graph.Nodes {
		at = n.Op
		op, ok := operators[n.Op]
		if !ok {
			return nil, fmt.Errorf("onnx: operator %q is not known here", n.Op)
		}
		in := make([]Array, len(n.Inputs))
		for i, name := range n.Inputs {
			if in[i], ok = values[name]; !ok {
				return nil, fmt.Errorf("onnx: %s wants %q, which nothing computes before it", n.Op, name)
			}
		}
		if len(n.Outputs) != 1 {
			return nil, fmt.Errorf("onnx: %s of %d outputs", n.Op, len(n.Outputs))
		}
		values[n.Outputs[0]] = op(attributes(n.Attrs), in)
	}
	out = map[string]Array{}
	for _, p := range m.Graph.Outputs {
		x, ok := values[p.Name]
		if !ok {
			return nil, fmt.Errorf("onnx: nothing computes the output %q", p.Name)
		}
		out[p.Name] = x
	}
	return out, nil
}

func (p Port) fits(dims []int) bool {
	if len(dims) != len(p.Dims) {
		return false
	}
	for i, d := range p.Dims {
		if dims[i] < 1 || d > 0 && d != dims[i] {
			return false
		}
	}
	return true
}

func constant(t Tensor) Array {
	a := Array{Dims: t.Dims, Whole: t.Floats == nil}
	for _, v := range t.Floats {
		a.Data = append(a.Data, float64(v))
	}
	for _, v := range t.Ints {
		a.Data = append(a.Data, float64(v))
	}
	return a
}

// attributes finds a node's constants by name.
type attributes []Attr

func (a attributes) find(name string) (Attr, bool) {
	i := slices.IndexFunc(a, func(x Attr) bool { return x.Name == name })
	if i < 0 {
		return Attr{}, false
	}
	return a[i], true
}

func (a attributes) int(name string, without int) int {
	if x, ok := a.find(name); ok {
		return int(x.I)
	}
	return without
}

// pair is an attribute of one number an axis of the plane.
func (a attributes) pair(name string, without int) [2]int {
	if x, ok := a.find(name); ok {
		return [2]int{int(x.Ints[0]), int(x.Ints[1])}
	}
	return [2]int{without, without}
}

func (a attributes) must(name, text string) {
	if x, _ := a.find(name); x.S != text {
		panic(fmt.Sprintf("%s is %q, want %q", name, x.S, text))
	}
}

// ints are the elements as integers.
func (a Array) ints() []int {
	v := make([]int, len(a.Data))
	for i, x := range a.Data {
		v[i] = int(x)
	}
	return v
}

func (a Array) int() int { return int(a.Data[0]) }

func count(dims []int) int {
	n := 1
	for _, d := range dims {
		if d < 0 || d > 0 && n > mostElements/d {
			panic(fmt.Sprintf("dims %v", dims))
		}
		n *= d
	}
	return n
}

// mostElements bounds what a damaged file can ask for.
const mostElements = 1 << 28

func zeros(dims ...int) Array { return Array{Dims: dims, Data: make([]float64, count(dims))} }

// axis is an axis counted from 0, from one that may count from the end.
func (a Array) axis(k int) int {
	if k < 0 {
		k += len(a.Dims)
	}
	if k < 0 || k >= len(a.Dims) {
		panic(fmt.Sprintf("axis %d of dims %v", k, a.Dims))
	}
	return k
}

// around splits the dims at an axis: how many elements lie outside, along and inside.
func (a Array) around(axis int) (outer, n, inner int) {
	return count(a.Dims[:axis]), a.Dims[axis], count(a.Dims[axis+1:])
}

type operator func(at attributes, in []Array) Array

// operators are those of the specification (https://onnx.ai/onnx/operators/) that
// Record uses.
var operators = map[string]operator{
	"Add": both(func(x, y float64) float64 { return x + y }),
	"Sub": both(func(x, y float64) float64 { return x - y }),
	"Mul": both(func(x, y float64) float64 { return x * y }),
	"Div": both(func(x, y float64) float64 { return x / y }),
	"Min": both(math.Min),
	"Max": both(math.Max),
	// The sign is the divisor's.
	"Mod":   both(func(x, y float64) float64 { return x - y*math.Floor(x/y) }),
	"Equal": both(func(x, y float64) float64 { return map[bool]float64{true: 1}[x == y] }),

	"Exp":      one(math.Exp),
	"Log":      one(math.Log),
	"Sigmoid":  one(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
	"Softplus": one(func(x float64) float64 { return math.Log1p(math.Exp(-math.Abs(x))) + math.Max(x, 0) }),
	"Clip": func(_ attributes, in []Array) Array {
		return one(func(x float64) float64 { return math.Min(math.Max(x, in[1].Data[0]), in[2].Data[0]) })(nil, in)
	},
	"Cast": func(at attributes, in []Array) Array {
		return Array{in[0].Dims, in[0].Data, at.int("to", 0) == typeInt64}
	},

	"Reshape": reshape, "Unsqueeze": unsqueeze, "Expand": expand, "Concat": concat, "Slice": slice,
	"Gather": gather, "Shape": shape, "Range": arange,
	"ReduceSum": func(at attributes, in []Array) Array {
		return reduce(in[0], in[1].int(), at.int("keepdims", 1) == 1, 0, func(x, y float64) float64 { return x + y })
	},
	"ReduceMax": func(at attributes, in []Array) Array {
		axes, _ := at.find("axes")
		return reduce(in[0], int(axes.Ints[0]), at.int("keepdims", 1) == 1, math.Inf(-1), math.Max)
	},
	"MatMul": matMul, "Conv": conv, "ConvTranspose": convTranspose, "AveragePool": averagePool,
	"SpaceToDepth": spaceToDepth, "DepthToSpace": depthToSpace,
}

func one(f func(x float64) float64) operator {
	return func(_ attributes, in []Array) Array {
		out := zeros(in[0].Dims...)
		for i, x := range in[0].Data {
			out.Data[i] = f(x)
		}
		return out
	}
}

// broadcast is the dims to which two arrays are repeated: compared from the last,
// where one has a 1 or ends, the other's.
func broadcast(a, b []int) []int {
	out := make([]int, max(len(a), len(b)))
	for i := range out {
		x, y := 1, 1
		if k := i + len(a) - len(out); k >= 0 {
			x = a[k]
		}
		if k := i + len(b) - len(out); k >= 0 {
			y = b[k]
		}
		switch {
		case x == 1:
			out[i] = y
		case y == 1 || x == y:
			out[i] = x
		default:
			panic(fmt.Sprintf("dims %v and %v", a, b))
		}
	}
	return out
}

// spread calls f with the place in a of each element of dims, to which a is repeated.
func spread(a Array, dims []int, f func(i, from int)) {
	steps := make([]int, len(dims))
	step := 1
	for i := len(a.Dims) - 1; i >= 0; i-- {
		if a.Dims[i] != 1 {
			steps[i+len(dims)-len(a.Dims)] = step
		}
		step *= a.Dims[i]
	}
	at, place := make([]int, len(dims)), 0
	for i := range count(dims) {
		f(i, place)
		for k := len(dims) - 1; k >= 0; k-- {
			at[k]++
			place += steps[k]
			if at[k] < dims[k] {
				break
			}
			place -= at[k] * steps[k]
			at[k] = 0
		}
	}
}

func both(f func(x, y float64) float64) operator {
	return func(_ attributes, in []Array) Array {
		if in[0].Whole != in[1].Whole {
			panic("integers with floats")
		}
		dims := broadcast(in[0].Dims, in[1].Dims)
		out := zeros(dims...)
		out.Whole = in[0].Whole
		spread(in[0], dims, func(i, from int) { out.Data[i] = in[0].Data[from] })
		spread(in[1], dims, func(i, from int) { out.Data[i] = f(out.Data[i], in[1].Data[from]) })
		return out
	}
}

func reshape(_ attributes, in []Array) Array {
	dims := in[1].ints()
	known, left := 1, -1
	for i, d := range dims {
		switch d {
		case -1:
			left = i
			continue
		case 0:
			dims[i] = in[0].Dims[i]
		}
		known *= dims[i]
	}
	if left >= 0 {
		dims[left] = len(in[0].Data) / known
	}
	if count(dims) != len(in[0].Data) {
		panic(fmt.Sprintf("%v to %v", in[0].Dims, dims))
	}
	return Array{dims, in[0].Data, in[0].Whole}
}

func unsqueeze(_ attributes, in []Array) Array {
	return Array{slices.Insert(slices.Clone(in[0].Dims), in[1].int(), 1), in[0].Data, in[0].Whole}
}

func expand(_ attributes, in []Array) Array {
	out := zeros(broadcast(in[0].Dims, in[1].ints())...)
	out.Whole = in[0].Whole
	spread(in[0], out.Dims, func(i, from int) { out.Data[i] = in[0].Data[from] })
	return out
}

func concat(at attributes, in []Array) Array {
	k := in[0].axis(at.int("axis", 0))
	dims := slices.Clone(in[0].Dims)
	for _, a := range in[1:] {
		dims[k] += a.Dims[k]
	}
	out := Array{Dims: dims, Whole: in[0].Whole}
	outer, _, _ := in[0].around(k)
	for o := range outer {
		for _, a := range in {
			_, n, inner := a.around(k)
			out.Data = append(out.Data, a.Data[o*n*inner:(o+1)*n*inner]...)
		}
	}
	if len(out.Data) != count(dims) {
		panic("arrays of different dims")
	}
	return out
}

// slice cuts one axis, in steps of 1.
func slice(_ attributes, in []Array) Array {
	a, k := in[0], in[0].axis(in[3].int())
	outer, n, inner := a.around(k)
	place := func(v int) int {
		if v < 0 {
			v += n
		}
		return min(max(v, 0), n)
	}
	lo := place(in[1].int())
	hi := max(lo, place(in[2].int()))
	out := Array{Dims: slices.Clone(a.Dims), Whole: a.Whole}
	out.Dims[k] = hi - lo
	for o := range outer {
		out.Data = append(out.Data, a.Data[(o*n+lo)*inner:(o*n+hi)*inner]...)
	}
	return out
}

func gather(at attributes, in []Array) Array {
	a := in[0]
	k := a.axis(at.int("axis", 0))
	outer, n, inner := a.around(k)
	out := Array{Dims: slices.Concat(a.Dims[:k], in[1].Dims, a.Dims[k+1:]), Whole: a.Whole}
	out.Data = make([]float64, 0, count(out.Dims))
	for o := range outer {
		for _, i := range in[1].ints() {
			out.Data = append(out.Data, a.Data[(o*n+i)*inner:(o*n+i+1)*inner]...)
		}
	}
	return out
}

func shape(at attributes, in []Array) Array {
	dims := in[0].Dims[at.int("start", 0):at.int("end", len(in[0].Dims))]
	out := Array{Dims: []int{len(dims)}, Whole: true}
	for _, d := range dims {
		out.Data = append(out.Data, float64(d))
	}
	return out
}

func arange(_ attributes, in []Array) Array {
	start, limit, delta := in[0].Data[0], in[1].Data[0], in[2].Data[0]
	n := max(0, math.Ceil((limit-start)/delta))
	if !(n <= mostElements) {
		panic(fmt.Sprintf("from %v to %v by %v", start, limit, delta))
	}
	out := zeros(int(n))
	out.Whole = in[0].Whole
	for i := range out.Data {
		out.Data[i] = start + float64(i)*delta
	}
	return out
}

func reduce(a Array, axis int, keep bool, start float64, f func(x, y float64) float64) Array {
	k := a.axis(axis)
	outer, n, inner := a.around(k)
	dims := slices.Clone(a.Dims)
	if dims[k] = 1; !keep {
		dims = slices.Delete(dims, k, k+1)
	}
	out := zeros(dims...)
	for o := range outer {
		for i := range inner {
			v := start
			for j := range n {
				v = f(v, a.Data[(o*n+j)*inner+i])
			}
			out.Data[o*inner+i] = v
		}
	}
	return out
}

// matMul multiplies the last two dims; one of the arrays is a matrix.
func matMul(_ attributes, in []Array) Array {
	a, b := in[0], in[1]
	rows, mid, cols := a.Dims[len(a.Dims)-2], a.Dims[len(a.Dims)-1], b.Dims[len(b.Dims)-1]
	if b.Dims[len(b.Dims)-2] != mid || len(a.Dims) > 2 && len(b.Dims) > 2 {
		panic(fmt.Sprintf("%v times %v", a.Dims, b.Dims))
	}
	before := slices.Concat(a.Dims[:len(a.Dims)-2], b.Dims[:len(b.Dims)-2])
	out := zeros(append(before, rows, cols)...)
	for p := range count(before) {
		x, y := a.Data, b.Data
		if len(a.Dims) > 2 {
			x = x[p*rows*mid:]
		} else {
			y = y[p*mid*cols:]
		}
		z := out.Data[p*rows*cols:]
		for i := range rows {
			for k := range mid {
				for j := range cols {
					z[i*cols+j] += x[i*mid+k] * y[k*cols+j]
				}
			}
		}
	}
	return out
}

// windows visits the pairs of places of a convolution of k x k that is padded and
// strided: of the larger plane, (y,x) of big, and of the smaller one, small.
func windows(at attributes, k, big, small [2]int, visit func(tap, from, to int)) {
	s, p := at.pair("strides", 1), at.pair("pads", 0)
	for i := range small[0] {
		for j := range small[1] {
			for u := range k[0] {
				for v := range k[1] {
					y, x := i*s[0]+u-p[0], j*s[1]+v-p[1]
					if y >= 0 && y < big[0] && x >= 0 && x < big[1] {
						visit(u*k[1]+v, y*big[1]+x, i*small[1]+j)
					}
				}
			}
		}
	}
}

func plane(a Array) [2]int { return [2]int{a.Dims[2], a.Dims[3]} }

// last moves the axis of channels of N x C x plane to the end; first is its inverse.
func last(data []float64, c, plane int) []float64 {
	out := make([]float64, len(data))
	for i, v := range data {
		out[(i/plane/c*plane+i%plane)*c+i/plane%c] = v
	}
	return out
}

func first(data []float64, c, plane int) []float64 { return last(data, plane, c) }

// conv is a cross-correlation with w, Co x Ci x K x K.
func conv(at attributes, in []Array) Array {
	x, w := in[0], in[1]
	k, s, p := plane(w), at.pair("strides", 1), at.pair("pads", 0)
	big := plane(x)
	small := [2]int{(big[0]+2*p[0]-k[0])/s[0] + 1, (big[1]+2*p[1]-k[1])/s[1] + 1}
	n, co, ci := x.Dims[0], w.Dims[0], w.Dims[1]
	if ci != x.Dims[1] {
		panic(fmt.Sprintf("filters %v on %v", w.Dims, x.Dims))
	}
	out := zeros(n, co, small[0], small[1])
	nx, ny, nw := big[0]*big[1], small[0]*small[1], k[0]*k[1]
	pixels, taps := last(x.Data, ci, nx), last(w.Data, ci, nw)
	for i := range n {
		windows(at, k, big, small, func(tap, from, to int) {
			pixel := pixels[(i*nx+from)*ci:][:ci]
			for o := range co {
				sum := 0.0
				for c, v := range taps[(o*nw+tap)*ci:][:ci] {
					sum += v * pixel[c]
				}
				out.Data[(i*co+o)*ny+to] += sum
			}
		})
	}
	return out
}

// convTranspose is the adjoint of conv.
func convTranspose(at attributes, in []Array) Array {
	y, w := in[0], in[1]
	k, s, p, over := plane(w), at.pair("strides", 1), at.pair("pads", 0), at.pair("output_padding", 0)
	small := plane(y)
	big := [2]int{s[0]*(small[0]-1) + k[0] - 2*p[0] + over[0], s[1]*(small[1]-1) + k[1] - 2*p[1] + over[1]}
	n, co, ci := y.Dims[0], w.Dims[0], w.Dims[1]
	if co != y.Dims[1] {
		panic(fmt.Sprintf("filters %v on %v", w.Dims, y.Dims))
	}
	nx, ny, nw := big[0]*big[1], small[0]*small[1], k[0]*k[1]
	pixels, taps := make([]float64, count([]int{n, nx, ci})), last(w.Data, ci, nw)
	for i := range n {
		windows(at, k, big, small, func(tap, to, from int) {
			pixel := pixels[(i*nx+to)*ci:][:ci]
			for o := range co {
				u := y.Data[(i*co+o)*ny+from]
				for c, v := range taps[(o*nw+tap)*ci:][:ci] {
					pixel[c] += v * u
				}
			}
		})
	}
	return Array{Dims: []int{n, ci, big[0], big[1]}, Data: first(pixels, ci, nx)}
}

func averagePool(at attributes, in []Array) Array {
	k, x := at.pair("kernel_shape", 1), in[0]
	if at.pair("strides", 1) != k {
		panic("windows that overlap")
	}
	big := plane(x)
	small := [2]int{big[0] / k[0], big[1] / k[1]}
	out := zeros(x.Dims[0], x.Dims[1], small[0], small[1])
	for c := range x.Dims[0] * x.Dims[1] {
		windows(at, k, big, small, func(_, from, to int) {
			out.Data[c*small[0]*small[1]+to] += x.Data[c*big[0]*big[1]+from] / float64(k[0]*k[1])
		})
	}
	return out
}

// spaceToDepth puts pixel (u,v) of each block of channel c into channel
// (u*block+v)*C + c.
func spaceToDepth(at attributes, in []Array) Array {
	b, x := at.int("blocksize", 1), in[0]
	n, c, h, w := x.Dims[0], x.Dims[1], x.Dims[2], x.Dims[3]
	if h%b+w%b != 0 {
		panic(fmt.Sprintf("%v in blocks of %d", x.Dims, b))
	}
	out := zeros(n, c*b*b, h/b, w/b)
	for i, v := range x.Data {
		col, row, channel, picture := i%w, i/w%h, i/w/h%c, i/w/h/c
		to := (row%b*b+col%b)*c + channel
		out.Data[((picture*c*b*b+to)*(h/b)+row/b)*(w/b)+col/b] = v
	}
	return out
}

// depthToSpace, in the mode CRD, puts channel (c*block+u)*block + v into pixel (u,v)
// of the blocks of channel c.
func depthToSpace(at attributes, in []Array) Array {
	at.must("mode", "CRD")
	b, x := at.int("blocksize", 1), in[0]
	n, c, h, w := x.Dims[0], x.Dims[1], x.Dims[2], x.Dims[3]
	if c%(b*b) != 0 {
		panic(fmt.Sprintf("%v in blocks of %d", x.Dims, b))
	}
	out := zeros(n, c/b/b, h*b, w*b)
	for i, v := range x.Data {
		col, row, channel, picture := i%w, i/w%h, i/w/h%c, i/w/h/c
		u, t := channel/b%b, channel%b
		out.Data[((picture*(c/b/b)+channel/b/b)*h*b+row*b+u)*w*b+col*b+t] = v
	}
	return out
}
