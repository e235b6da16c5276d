package train

import (
	"fmt"
	"hash"
	"hash/fnv"
	"slices"

	"github.com/chewxy/hm"
	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/lpn"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// vector is the type of every node: the dims N,H,W,C are kept on our side, so
// that gorgonia handles flat vectors only.
var vector = G.TensorType{Dims: 1, Of: tensor.Float32}

// sums is the engine of every tensor here. Gorgonia itself adds the gradients
// that reach a value by several ways, and its loop adds one element at a time.
type sums struct {
	tensor.StdEng
	*trace
}

// Add is a+b.
func (e sums) Add(a, b tensor.Tensor, opts ...tensor.FuncOpt) (tensor.Tensor, error) {
	c, err := e.add(a, b, opts)
	if err == nil {
		z, _ := c.Data().([]float32)
		x, _ := a.Data().([]float32)
		y, _ := b.Data().([]float32)
		e.note(z, x, y)
	}
	return c, err
}

// add adds in vectors where the result has a place of its own.
func (e sums) add(a, b tensor.Tensor, opts []tensor.FuncOpt) (tensor.Tensor, error) {
	dst, incr := tensor.ParseFuncOpts(opts...).IncrReuse()
	x, okX := a.Data().([]float32)
	y, okY := b.Data().([]float32)
	if dst != nil && !incr && okX && okY {
		if z, ok := dst.Data().([]float32); ok && len(z) == len(x) && len(z) == len(y) {
			kernel.Add(z, x, y)
			return dst, nil
		}
	}
	return e.StdEng.Add(a, b, opts...)
}

// dense is a vector over data.
func (b *builder) dense(data []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(data)), tensor.WithBacking(data), tensor.WithEngine(b.engine))
}

// An op is one node of the gorgonia graph: a function of flat vectors that
// owns its output. Its derivative is written with other ops of this package,
// so that one symbolic Grad reaches every weight.
type op struct {
	name string
	id   int // gorgonia merges nodes with equal hashes: every op is its own
	dst  *tensor.Dense
	out  []float32
	wrt  []bool
	run  func(dst []float32, in [][]float32)
	diff func(in []*value, out *value, grad *value) []*value
	b    *builder
	args [][]float32
}

func (o *op) Arity() int { return len(o.wrt) }

func (o *op) Type() hm.Type {
	t := make([]hm.Type, len(o.wrt)+1)
	for i := range t {
		t[i] = vector
	}
	return hm.NewFnType(t...)
}

func (o *op) InferShape(...G.DimSizer) (tensor.Shape, error) { return tensor.Shape{len(o.out)}, nil }

func (o *op) Do(in ...G.Value) (_ G.Value, err error) {
	defer func() { // a panic in gorgonia's goroutine could not be caught
		if r := recover(); r != nil {
			err = fmt.Errorf("train: %s: %v", o.name, r)
		}
	}()
	for i, v := range in {
		o.args[i] = v.Data().([]float32)
	}
	o.run(o.out, o.args)
	o.b.engine.note(o.out, o.args...)
	return o.dst, nil
}

func (o *op) ReturnsPtr() bool      { return true }
func (o *op) CallsExtern() bool     { return false }
func (o *op) OverwritesInput() int  { return -1 }
func (o *op) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%s#%d", o.name, o.id) }
func (o *op) String() string        { return fmt.Sprintf("%s#%d", o.name, o.id) }
func (o *op) DiffWRT(int) []bool    { return o.wrt }
func (o *op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *op) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	b := o.b
	vs := make([]*value, len(in))
	for i, n := range in {
		vs[i] = b.values[n]
	}
	y := b.values[out]
	g := b.values[grad]
	if g == nil { // a sum that gorgonia made
		g = &value{node: grad, dims: y.dims, needs: true}
		b.values[grad] = g
	}
	nodes := make(G.Nodes, len(in))
	for i, v := range o.diff(vs, y, g) {
		if v != nil && o.wrt[i] {
			nodes[i] = v.node
		}
	}
	return nodes, b.err
}

// A value is a node with its dims.
type value struct {
	node  *G.Node
	dims  network.Dims
	in    []*value
	needs bool // depends on a weight
	name  string

	// Values that are not made until somebody needs them whole: Expand and
	// Outer, which usually disappear into the product or sum around them.
	expandOf *value
	per      int
	m        []float32
	c        *value
}

// shared is what the graphs of all workers have in common: the convolution
// plans and the filters packed once a step.
type shared struct {
	params map[string][]float32
	convs  map[convKey]*packed
	list   []*packed // the same, as they are packed
}

func newShared(params map[string][]float32) *shared {
	return &shared{params: params, convs: map[convKey]*packed{}}
}

type convKey struct {
	param     string
	transpose bool
	shape     kernel.ConvShape
}

type packed struct {
	conv   *kernel.Conv
	filter *kernel.Filter
	weight []float32
}

func (s *shared) get(k convKey) *packed {
	p := s.convs[k]
	if p == nil {
		p = &packed{weight: s.params[k.param]}
		if k.transpose {
			p.conv = kernel.NewConvT(k.shape)
		} else {
			p.conv = kernel.NewConv(k.shape)
		}
		p.filter = p.conv.Pack(nil, p.weight)
		s.convs[k] = p
		s.list = append(s.list, p)
	}
	return p
}

// Part packs one of them.
func (s *shared) Part(_, part int) {
	p := s.list[part]
	p.filter = p.conv.Pack(p.filter, p.weight)
}

// A builder is the Recorder that adds nodes to a gorgonia graph.
type builder struct {
	*shared
	g       *G.ExprGraph
	specs   map[string]network.Param
	input   *value
	weights map[string]*value
	values  map[*G.Node]*value
	memo    map[memoKey]*value
	scratch []float32
	ops     []*op
	engine  sums
	next    int
	err     error
}

type memoKey struct {
	of    *value
	act   network.Activation
	order int
	per   int
}

var _ network.Recorder = (*builder)(nil)

func newBuilder(cfg lpn.Config, s *shared, input network.Dims) *builder {
	b := &builder{shared: s, g: G.NewGraph(), specs: map[string]network.Param{},
		weights: map[string]*value{}, values: map[*G.Node]*value{}, memo: map[memoKey]*value{}, engine: sums{trace: new(trace)}}
	for _, p := range cfg.Definition().Params {
		b.specs[p.Name] = p
	}
	b.input = b.leaf("x", input, nil, false)
	return b
}

// length is the length of the vector that holds d: at least 2, since gorgonia
// takes a vector of length 1 for a scalar.
func length(d network.Dims) int { return max(2, d.Len()) }

// leaf makes an input node over data, which is shared and must have room for
// length(d) elements, or over new memory.
func (b *builder) leaf(name string, d network.Dims, data []float32, needs bool) *value {
	if data == nil {
		data = make([]float32, length(d))
	}
	data = data[:length(d)]
	t := b.dense(data)
	n := G.NewVector(b.g, tensor.Float32, G.WithShape(length(d)), G.WithName(name), G.WithValue(t))
	v := &value{node: n, dims: d, needs: needs, name: name}
	b.values[n] = v
	return v
}

// data is the memory of a leaf.
func (v *value) data() []float32 { return v.node.Value().Data().([]float32) }

// apply adds an op with one output of dims d.
func (b *builder) apply(name string, d network.Dims, in []*value, run func(dst []float32, in [][]float32), diff func(in []*value, out, grad *value) []*value) *value {
	if b.err != nil {
		return in[0]
	}
	b.next++
	o := &op{name: name, id: b.next, out: make([]float32, length(d)), run: run, diff: diff, b: b, args: make([][]float32, len(in))}
	o.dst = b.dense(o.out)
	b.ops = append(b.ops, o)
	v := &value{dims: d, in: in}
	nodes := make([]*G.Node, len(in))
	for i, x := range in {
		nodes[i] = x.node
		o.wrt = append(o.wrt, x.needs && diff != nil)
		v.needs = v.needs || x.needs
	}
	v.node, b.err = G.ApplyOp(o, nodes...)
	b.values[v.node] = v
	return v
}

func (b *builder) of(v network.Value) *value {
	x := v.(*value)
	if x.node == nil {
		if x.expandOf != nil {
			*x = *b.expand(x.expandOf, x.per)
		} else {
			*x = *b.outer(x.m, x.c, x.dims)
		}
		b.values[x.node] = x
	}
	return x
}

func (b *builder) Input() network.Value { return b.input }

func (b *builder) Param(name string) network.Value {
	if v := b.weights[name]; v != nil {
		return v
	}
	s, ok := b.specs[name]
	if !ok {
		panic("train: no parameter " + name)
	}
	d := network.Dims{N: 1, H: 1, W: 1, C: s.Dims[0]}
	if len(s.Dims) == 4 {
		d = network.Dims{N: s.Dims[0], H: s.Dims[1], W: s.Dims[2], C: s.Dims[3]}
	}
	v := b.leaf(name, d, b.params[name], true)
	b.weights[name] = v
	return v
}

func (b *builder) Dims(v network.Value) network.Dims { return v.(*value).dims }

func (b *builder) grow(n int) {
	if n > len(b.scratch) {
		b.scratch = make([]float32, n)
	}
}

func (b *builder) convShape(x network.Dims, w *value, g network.Geom) kernel.ConvShape {
	return kernel.ConvShape{N: x.N, H: x.H, W: x.W, Ci: w.dims.W, Co: w.dims.C, K: g.K, Stride: g.Stride, Pad: g.Pad}
}

func (b *builder) Conv(xv, wv network.Value, g network.Geom) network.Value {
	x, w := b.of(xv), wv.(*value)
	s := b.convShape(x.dims, w, g)
	h, width := s.Out()
	return b.applyConv("conv", convKey{w.name, false, s}, network.Dims{N: s.N, H: h, W: width, C: s.Co}, x, w,
		func(in []*value, _, grad *value) []*value {
			return []*value{b.convT(grad, w, s), b.convW(in[0], grad, w, s)}
		})
}

func (b *builder) ConvT(yv, wv network.Value, g network.Geom, h, width int) network.Value {
	y, w := b.of(yv), wv.(*value)
	d := network.Dims{N: y.dims.N, H: h, W: width, C: w.dims.W}
	return b.convT(y, w, b.convShape(d, w, g))
}

// convT is ConvT of a known shape.
func (b *builder) convT(y, w *value, s kernel.ConvShape) *value {
	g := network.Geom{K: s.K, Stride: s.Stride, Pad: s.Pad}
	return b.applyConv("convT", convKey{w.name, true, s}, network.Dims{N: s.N, H: s.H, W: s.W, C: s.Ci}, y, w,
		func(in []*value, _, grad *value) []*value {
			return []*value{b.Conv(grad, w, g).(*value), b.convW(grad, in[0], w, s)}
		})
}

func (b *builder) applyConv(name string, k convKey, d network.Dims, x, w *value, diff func(in []*value, out, grad *value) []*value) *value {
	p := b.get(k)
	b.grow(p.conv.ScratchLen())
	n := d.Len()
	return b.apply(name, d, []*value{x, w}, func(dst []float32, in [][]float32) {
		src := in[0][:x.dims.Len()]
		for i := range p.conv.Parts() {
			p.conv.Part(dst[:n], src, p.filter, i, false, b.scratch)
		}
	}, diff)
}

// convW is the gradient of <conv(x,w), g> in w.
func (b *builder) convW(x, g, w *value, s kernel.ConvShape) *value {
	c := kernel.NewConvW(s)
	b.grow(c.ScratchLen())
	n := w.dims.Len()
	return b.apply("convW", w.dims, []*value{x, g}, func(dst []float32, in [][]float32) {
		for i := range c.Parts() {
			c.Part(dst[:n], in[0][:x.dims.Len()], in[1][:g.dims.Len()], i, b.scratch)
		}
	}, nil)
}

// unary applies f to rows of channels.
func (b *builder) unary(name string, x *value, d network.Dims, f func(dst, x []float32), diff func(x, y, g *value) *value) *value {
	var back func(in []*value, out, grad *value) []*value
	if diff != nil {
		back = func(in []*value, out, grad *value) []*value { return []*value{diff(in[0], out, grad)} }
	}
	n, m := d.Len(), x.dims.Len()
	return b.apply(name, d, []*value{x}, func(dst []float32, in [][]float32) { f(dst[:n], in[0][:m]) }, back)
}

func (b *builder) binary(name string, x, y *value, d network.Dims, f func(dst, x, y []float32), diff func(in []*value, out, grad *value) []*value) *value {
	n, m, k := d.Len(), x.dims.Len(), y.dims.Len()
	return b.apply(name, d, []*value{x, y}, func(dst []float32, in [][]float32) { f(dst[:n], in[0][:m], in[1][:k]) }, diff)
}

func (b *builder) Bias(xv, bv network.Value) network.Value {
	return b.binary("bias", b.of(xv), bv.(*value), xv.(*value).dims, kernel.AddBias, func(in []*value, _, g *value) []*value {
		return []*value{g, b.channelSum(g, nil)}
	})
}

// channelSum is sum over pixels of m[p]*g[p,k]; m nil means 1.
func (b *builder) channelSum(g *value, m []float32) *value {
	c := g.dims.C
	sum := make([]float64, c)
	return b.unary("channelSum", g, network.Dims{N: 1, H: 1, W: 1, C: c}, func(dst, x []float32) {
		clear(sum)
		if m == nil {
			kernel.ChannelSum(sum, x)
		} else {
			for k := len(m) * c; len(x) > 0; x = x[k:] {
				kernel.ChannelSumOuter(sum, x[:k], m)
			}
		}
		for k, v := range sum {
			dst[k] = float32(v)
		}
	}, nil)
}

func (b *builder) Act(xv network.Value, a network.Activation, order int) network.Value {
	x := b.of(xv)
	k := memoKey{x, a, order, 0}
	if v := b.memo[k]; v != nil {
		return v
	}
	v := b.unary("act", x, x.dims, a.Apply(order), func(x, _, g *value) *value {
		if order == 1 { // nobody else asks for the second derivative
			return b.curvature(x, g, a)
		}
		return b.Mul(g, b.Act(x, a, order+1)).(*value)
	})
	b.memo[k] = v
	return v
}

// pieceFloats is how many elements stay in the first-level cache with what is made of
// them.
const pieceFloats = 1024

// curvature is g times the second derivative of a at x.
func (b *builder) curvature(x, g *value, a network.Activation) *value {
	second := a.Apply(2)
	return b.binary("curvature", x, g, x.dims, func(dst, x, g []float32) {
		for i := 0; i < len(dst); i += pieceFloats {
			j := min(i+pieceFloats, len(dst))
			second(dst[i:j], x[i:j])
			kernel.Mul(dst[i:j], dst[i:j], g[i:j])
		}
	}, nil)
}

func (b *builder) Add(xv, yv network.Value) network.Value {
	y := yv.(*value)
	if y.node == nil && y.c != nil {
		x, m, c := b.of(xv), y.m, y.c
		return b.binary("addOuter", x, c, x.dims, func(dst, x, c []float32) {
			k := len(m) * len(c)
			for i := 0; i < len(x); i += k {
				kernel.AddOuter(dst[i:i+k], x[i:i+k], m, c)
			}
		}, func(_ []*value, _, g *value) []*value { return []*value{g, b.channelSum(g, m)} })
	}
	x := b.of(xv)
	return b.binary("add", x, b.of(y), x.dims, kernel.Add, func(_ []*value, _, g *value) []*value { return []*value{g, g} })
}

func (b *builder) Mul(xv, yv network.Value) network.Value {
	x, y := b.of(xv), yv.(*value)
	if y.node == nil && y.expandOf != nil {
		per := y.per
		return b.expandMul(x, b.of(y.expandOf), per)
	}
	y = b.of(y)
	return b.binary("mul", x, y, x.dims, kernel.Mul, func(in []*value, _, g *value) []*value {
		return []*value{b.when(x.needs, func() network.Value { return b.Mul(g, in[1]) }), b.when(y.needs, func() network.Value { return b.Mul(g, in[0]) })}
	})
}

// when builds a derivative only if somebody asks for it: gorgonia would run
// it all the same.
func (b *builder) when(needs bool, f func() network.Value) *value {
	if !needs {
		return nil
	}
	return f().(*value)
}

func (b *builder) expandMul(x, v *value, per int) *value {
	return b.binary("expandMul", x, v, x.dims, func(dst, x, v []float32) { kernel.ExpandMul(dst, x, v, per) },
		func(in []*value, _, g *value) []*value {
			return []*value{
				b.when(x.needs, func() network.Value { return b.expandMul(g, v, per) }),
				b.when(v.needs, func() network.Value { return b.GroupSum(b.Mul(g, x), per) }),
			}
		})
}

func (b *builder) Scale(xv network.Value, k float64) network.Value {
	x := b.of(xv)
	return b.unary("scale", x, x.dims, func(dst, x []float32) { kernel.Scale(dst, x, float32(k)) },
		func(_, _, g *value) *value { return b.Scale(g, k).(*value) })
}

func (b *builder) HalfSquare(xv network.Value) network.Value {
	x := b.of(xv)
	return b.unary("halfSquare", x, x.dims, kernel.HalfSquare, func(x, _, g *value) *value { return b.Mul(g, x).(*value) })
}

func (b *builder) Exp(xv network.Value) network.Value {
	x := b.of(xv)
	return b.unary("exp", x, x.dims, kernel.Exp, func(_, y, g *value) *value { return b.Mul(g, y).(*value) })
}

func (b *builder) LogSumExp(xv network.Value, per int) network.Value {
	x := b.of(xv)
	d := x.dims
	d.C /= per
	return b.unary("logSumExp", x, d, func(dst, x []float32) { kernel.LogSumExp(dst, nil, x, per) },
		func(x, _, g *value) *value { return b.expandMul(b.Softmax(x, per).(*value), g, per) })
}

func (b *builder) Softmax(xv network.Value, per int) network.Value {
	x := b.of(xv)
	k := memoKey{of: x, per: per}
	if v := b.memo[k]; v != nil {
		return v
	}
	v := b.unary("softmax", x, x.dims, func(dst, x []float32) { kernel.LogSumExp(nil, dst, x, per) },
		func(_, s, g *value) *value {
			return b.binary("softmaxGrad", s, g, s.dims, func(dst, s, g []float32) { kernel.SoftmaxGrad(dst, s, g, per) }, nil)
		})
	b.memo[k] = v
	return v
}

func (b *builder) Expand(v network.Value, per int) network.Value {
	x := b.of(v)
	d := x.dims
	d.C *= per
	return &value{dims: d, needs: x.needs, expandOf: x, per: per}
}

func (b *builder) expand(x *value, per int) *value {
	d := x.dims
	d.C *= per
	return b.unary("expand", x, d, func(dst, x []float32) { kernel.Expand(dst, x, per) },
		func(_, _, g *value) *value { return b.GroupSum(g, per).(*value) })
}

func (b *builder) GroupSum(v network.Value, per int) network.Value {
	x := b.of(v)
	d := x.dims
	d.C /= per
	return b.unary("groupSum", x, d, func(dst, x []float32) { kernel.GroupSum(dst, x, per) },
		func(_, _, g *value) *value { return b.expand(g, per) })
}

func (b *builder) Outer(m []float32, cv network.Value, like network.Dims) network.Value {
	c := b.of(cv)
	like.C = c.dims.Len()
	return &value{dims: like, needs: c.needs, m: m, c: c}
}

func (b *builder) outer(m []float32, c *value, d network.Dims) *value {
	return b.unary("outer", c, d, func(dst, c []float32) {
		k := len(m) * len(c)
		for i := 0; i < len(dst); i += k {
			kernel.Outer(dst[i:i+k], m, c)
		}
	}, func(c, _, g *value) *value {
		s := b.channelSum(g, m)
		s.dims = c.dims
		return s
	})
}

// resample adds a linear map of each picture and its adjoint.
func (b *builder) resample(name string, xv network.Value, d network.Dims, f func(dst, x []float32), adjoint func(g *value) network.Value) network.Value {
	return b.unary(name, b.of(xv), d, f, func(_, _, g *value) *value { return adjoint(g).(*value) })
}

func (b *builder) AvgPool(v network.Value) network.Value {
	d := b.Dims(v)
	return b.resample("avgPool", v, network.Dims{N: d.N, H: d.H / 2, W: d.W / 2, C: d.C},
		func(dst, x []float32) { kernel.AvgPool(dst, x, d.N, d.H, d.W, d.C) }, func(g *value) network.Value { return b.AvgPoolT(g) })
}

func (b *builder) AvgPoolT(v network.Value) network.Value {
	d := b.Dims(v)
	d.H, d.W = 2*d.H, 2*d.W
	return b.resample("avgPoolT", v, d,
		func(dst, x []float32) { kernel.AvgPoolT(dst, x, d.N, d.H, d.W, d.C) }, func(g *value) network.Value { return b.AvgPool(g) })
}

func (b *builder) PadSym(v network.Value, p network.Margins) network.Value {
	d := b.Dims(v)
	return b.resample("padSym", v, network.Dims{N: d.N, H: d.H + p.Top + p.Bottom, W: d.W + p.Left + p.Right, C: 1},
		func(dst, x []float32) { kernel.PadSym(dst, x, d.N, d.H, d.W, p.Top, p.Bottom, p.Left, p.Right) },
		func(g *value) network.Value { return b.PadSymT(g, p) })
}

func (b *builder) PadSymT(v network.Value, p network.Margins) network.Value {
	d := b.Dims(v)
	d.H, d.W = d.H-p.Top-p.Bottom, d.W-p.Left-p.Right
	return b.resample("padSymT", v, d,
		func(dst, x []float32) { kernel.PadSymT(dst, x, d.N, d.H, d.W, p.Top, p.Bottom, p.Left, p.Right) },
		func(g *value) network.Value { return b.PadSym(g, p) })
}

func (b *builder) Interleave(v network.Value, c int) network.Value {
	if c == 1 {
		return v
	}
	d := b.Dims(v)
	d.N, d.C = d.N/c, c
	return b.resample("interleave", v, d,
		func(dst, x []float32) { kernel.Interleave(dst, x, d.N, d.H, d.W, c) }, func(g *value) network.Value { return b.Deinterleave(g) })
}

func (b *builder) Deinterleave(v network.Value) network.Value {
	d := b.Dims(v)
	if d.C == 1 {
		return v
	}
	return b.resample("deinterleave", v, network.Dims{N: d.N * d.C, H: d.H, W: d.W, C: 1},
		func(dst, x []float32) { kernel.Deinterleave(dst, x, d.N, d.H, d.W, d.C) }, func(g *value) network.Value { return b.Interleave(g, d.C) })
}

func (b *builder) SpaceToDepth(v network.Value, r int) network.Value {
	d := b.Dims(v)
	return b.resample("spaceToDepth", v, network.Dims{N: d.N, H: d.H / r, W: d.W / r, C: d.C * r * r},
		func(dst, x []float32) { kernel.SpaceToDepth(dst, x, d.N, d.H, d.W, d.C, r) }, func(g *value) network.Value { return b.DepthToSpace(g, r) })
}

func (b *builder) DepthToSpace(v network.Value, r int) network.Value {
	d := b.Dims(v)
	d = network.Dims{N: d.N, H: d.H * r, W: d.W * r, C: d.C / (r * r)}
	return b.resample("depthToSpace", v, d,
		func(dst, x []float32) { kernel.DepthToSpace(dst, x, d.N, d.H, d.W, d.C, r) }, func(g *value) network.Value { return b.SpaceToDepth(g, r) })
}

func (b *builder) Resize(v network.Value, h, w int) network.Value {
	d := b.Dims(v)
	return b.resample("resize", v, network.Dims{N: d.N, H: h, W: w, C: d.C},
		func(dst, x []float32) { kernel.Resize(dst, x, d.N, d.H, d.W, d.C, h, w) }, func(g *value) network.Value { return b.ResizeT(g, d.H, d.W) })
}

func (b *builder) ResizeT(v network.Value, h, w int) network.Value {
	d := b.Dims(v)
	return b.resample("resizeT", v, network.Dims{N: d.N, H: h, W: w, C: d.C},
		func(dst, x []float32) { kernel.ResizeT(dst, x, d.N, h, w, d.C, d.H, d.W) }, func(g *value) network.Value { return b.Resize(g, d.H, d.W) })
}

func (b *builder) Energy(float64, network.Value, network.Value) {}
func (b *builder) Sum(network.Value)                            {}

// A scalarOp ends the graph: a loss, with its gradient.
type scalarOp struct {
	op
	eval func(in [][]float32) float64
	last float64
}

func (o *scalarOp) Type() hm.Type {
	t := make([]hm.Type, len(o.wrt)+1)
	for i := range t {
		t[i] = vector
	}
	t[len(o.wrt)] = tensor.Float32
	return hm.NewFnType(t...)
}

func (o *scalarOp) InferShape(...G.DimSizer) (tensor.Shape, error) { return tensor.ScalarShape(), nil }

func (o *scalarOp) Do(in ...G.Value) (G.Value, error) {
	for i, v := range in {
		o.args[i] = v.Data().([]float32)
	}
	o.last = o.eval(o.args)
	o.b.engine.note(nil, o.args...)
	f := G.F32(o.last)
	return &f, nil
}

// A graph is a compiled loss with the gradients of all its weights.
type graph struct {
	input  []float32 // the network's input, to be filled
	extra  []float32 // the loss's second operand (the clean pictures), to be filled
	out    *value    // what the network made of the input
	loss   *scalarOp
	grads  map[string][]float32 // after run
	byName []gradOf
	vm     G.VM
}

type gradOf struct {
	name string
	node *G.Node
	n    int
}

// compile ends the graph in a loss of (out, extra): eval computes it, grad
// its gradient in out.
func (b *builder) compile(out network.Value, eval func(in [][]float32) float64, grad func(dst []float32, in [][]float32)) (*graph, error) {
	f := b.of(out)
	extra := b.leaf("target", f.dims, nil, false)
	b.next++
	o := &scalarOp{op: op{name: "loss", id: b.next, wrt: []bool{true, false}, b: b, args: make([][]float32, 2)}}
	n := f.dims.Len()
	o.eval = func(in [][]float32) float64 { return eval([][]float32{in[0][:n], in[1][:n]}) }
	o.diff = func(in []*value, _, _ *value) []*value {
		return []*value{b.apply("lossGrad", f.dims, in, func(dst []float32, in [][]float32) {
			grad(dst[:n], [][]float32{in[0][:n], in[1][:n]})
		}, nil), nil}
	}
	cost, err := G.ApplyOp(o, f.node, extra.node)
	if err != nil {
		return nil, err
	}
	b.values[cost] = &value{node: cost}
	g := &graph{input: b.input.data(), extra: extra.data(), out: f, loss: o, grads: map[string][]float32{}}
	used := map[*value]bool{}
	f.mark(used)
	var names []string
	for name, v := range b.weights {
		if used[v] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var wrt []*G.Node
	for _, name := range names {
		wrt = append(wrt, b.weights[name].node)
	}
	nodes, err := G.Grad(cost, wrt...)
	if err != nil {
		return nil, fmt.Errorf("train: building the gradient: %w", err)
	}
	if b.err != nil {
		return nil, b.err
	}
	for i, name := range names {
		g.byName = append(g.byName, gradOf{name, nodes[i], b.weights[name].dims.Len()})
	}
	// The machine runs whatever it is given, so it is given only what leads
	// to the loss and its gradients.
	sub := b.g.ExactSubgraphRoots(append(nodes, cost)...)
	g.vm = G.NewTapeMachine(sub, G.WithEngine(b.engine))
	return g, b.place(g, sub)
}

// mark adds v and all it was made from to used.
func (v *value) mark(used map[*value]bool) {
	if !used[v] {
		used[v] = true
		for _, x := range v.in {
			x.mark(used)
		}
	}
}

// run evaluates loss and gradients.
func (g *graph) run() (float64, error) {
	g.vm.Reset()
	if err := g.vm.RunAll(); err != nil {
		return 0, err
	}
	for _, x := range g.byName {
		g.grads[x.name] = x.node.Value().Data().([]float32)[:x.n]
	}
	return g.loss.last, nil
}
