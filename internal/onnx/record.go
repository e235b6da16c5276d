package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/network"
)

// Options describe the picture that a network is recorded for.
type Options struct {
	// Height and Width fix the picture's size; 0 for any.
	Height, Width int
	// Unit is the picture value of one network unit: f(y) = Unit grad psi(y/Unit),
	// psi(y) = Unit^2 psi(y/Unit).
	Unit float64
}

// Record returns the graph of a network: input y, N x C x H x W in picture units,
// outputs f of the same shape and psi of N.
//
// Where the size is not fixed, it is recorded at the size of the constants below,
// 1 more than a multiple of every cell there can be. There a margin at the far edge
// that fills a picture up to whole cells of c pixels is c-1 larger than that at the
// near edge, and a map of the plane is all ones or the fraction of each cell inside
// the picture. These are the two ways in which a network depends on the size, and
// the graph computes them from the size that it is given. Any other number that
// depends on the size is an error.
func Record(def network.Definition, weights map[string][]float32, o Options) (m *Model, err error) {
	r := &recorder{Options: o, def: def, weights: weights, made: map[string]string{}}
	r.fixed = o.Height > 0
	r.rows, r.cols = o.Height, o.Width
	if !r.fixed {
		r.rows, r.cols = anyHeight, anyWidth
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case refusal:
			m, err = nil, fmt.Errorf("onnx: %s", string(e))
		default:
			panic(e)
		}
	}()
	f := r.def.Record(r).(*tensor)
	return r.finish(f), nil
}

// The size at which networks for any size are recorded: two numbers that are 1
// modulo 256, and far enough apart not to be mistaken for each other.
const (
	anyHeight = 257
	anyWidth  = 513
)

// A refusal is why a network cannot be recorded.
type refusal string

func refuse(format string, args ...any) { panic(refusal(fmt.Sprintf(format, args...))) }

// A recorder makes the graph. Values are N x C x H x W, the format's order; planes
// are (N*C) x 1 x H x W.
type recorder struct {
	Options
	def        network.Definition
	weights    map[string][]float32
	fixed      bool
	rows, cols int // of the picture, when recording
	graph      Graph
	made       map[string]string // values that are used again, by what they are
	input      *tensor
	psi        string // the sum of the energies so far
	last       int
}

var _ network.Recorder = (*recorder)(nil)

// A tensor is a value: a node's output, or a weight, whose layout depends on its
// use.
type tensor struct {
	network.Dims
	name  string
	param string
}

func of(v network.Value) *tensor { return v.(*tensor) }

// planes reports whether a value holds planes, one a channel of the picture.
func (r *recorder) planes(t *tensor) bool { return t.N == r.def.Channels && t.C == 1 && t.N > 1 }

// node adds a node and returns its output.
func (r *recorder) node(op string, inputs []string, attrs ...Attr) string {
	r.last++
	name := fmt.Sprintf("%s_%d", op, r.last)
	r.graph.Nodes = append(r.graph.Nodes, Node{Op: op, Inputs: inputs, Outputs: []string{name}, Attrs: attrs})
	return name
}

// once returns what make made for a key, made once.
func (r *recorder) once(key string, make func() string) string {
	name, ok := r.made[key]
	if !ok {
		name = make()
		r.made[key] = name
	}
	return name
}

func in(names ...string) []string              { return names }
func intAttr(name string, v int) Attr          { return Attr{Name: name, Kind: Int, I: int64(v)} }
func textAttr(name, v string) Attr             { return Attr{Name: name, Kind: Text, S: v} }
func intsAttr(name string, v ...int64) Attr    { return Attr{Name: name, Kind: Ints, Ints: v} }
func (t *tensor) like(name string) *tensor     { return &tensor{Dims: t.Dims, name: name} }
func with(d network.Dims, name string) *tensor { return &tensor{Dims: d, name: name} }

// scalar is a float constant, ints are integer ones: a vector, or one number
// without dims.
func (r *recorder) scalar(v float64) string {
	return r.once(fmt.Sprint("float ", v), func() string {
		return r.constant(Tensor{Dims: []int{}, Floats: []float32{float32(v)}})
	})
}

func (r *recorder) ints(v ...int64) string {
	return r.once(fmt.Sprint("ints ", v), func() string {
		return r.constant(Tensor{Dims: []int{len(v)}, Ints: v})
	})
}

func (r *recorder) int(v int) string {
	return r.once(fmt.Sprint("int ", v), func() string {
		return r.constant(Tensor{Dims: []int{}, Ints: []int64{int64(v)}})
	})
}

func (r *recorder) constant(t Tensor) string {
	if t.Name == "" {
		t.Name = fmt.Sprintf("const_%d", len(r.graph.Weights))
	}
	r.graph.Weights = append(r.graph.Weights, t)
	return t.Name
}

func (r *recorder) Input() network.Value {
	if r.input == nil {
		y := r.node("Mul", in("y", r.scalar(1/r.Unit)))
		r.input = with(network.Dims{N: r.def.Channels, H: r.rows, W: r.cols, C: 1}, y)
		if r.def.Channels > 1 {
			r.input.name = r.reshape(y, -1, 1, 0, 0)
		}
	}
	return r.input
}

// reshape gives a value other dims: 0 for one that stays, -1 for what is left.
func (r *recorder) reshape(x string, dims ...int64) string {
	return r.node("Reshape", in(x, r.ints(dims...)))
}

func (r *recorder) Param(name string) network.Value {
	for _, p := range r.def.Params {
		if p.Name == name {
			return &tensor{Dims: p.Shape(), param: name}
		}
	}
	panic("onnx: no weight " + name)
}

func (r *recorder) Dims(v network.Value) network.Dims { return of(v).Dims }

// filters is a weight as both Conv and ConvTranspose want it, Co x Ci x K x K.
func (r *recorder) filters(w network.Value) string {
	t := of(w)
	return r.once("filters "+t.param, func() string {
		k, ci, co := t.N, t.W, t.C
		data := make([]float32, 0, t.Len())
		for o := range co {
			for i := range ci {
				for tap := range k * t.H {
					data = append(data, r.weights[t.param][(tap*ci+i)*co+o])
				}
			}
		}
		return r.constant(Tensor{Name: t.param, Dims: []int{co, ci, k, t.H}, Floats: data})
	})
}

// channels is a vector of one number a channel, 1 x C x 1 x 1: a weight, or what was
// computed from one.
func (r *recorder) channels(v network.Value) string {
	t := of(v)
	if t.param == "" {
		return t.name
	}
	return r.once("channels "+t.param, func() string {
		return r.constant(Tensor{Name: t.param + ".channels", Dims: []int{1, t.Len(), 1, 1}, Floats: slices.Clone(r.weights[t.param])})
	})
}

func convAttrs(g network.Geom) []Attr {
	k, s, p := int64(g.K), int64(g.Stride), int64(g.Pad)
	return []Attr{intsAttr("kernel_shape", k, k), intsAttr("strides", s, s), intsAttr("pads", p, p, p, p)}
}

func (r *recorder) Conv(x, w network.Value, g network.Geom) network.Value {
	if !r.fixed && g.Stride > 1 {
		refuse("a network of stride %d for pictures of any size: its adjoint depends on whether the size is even", g.Stride)
	}
	t := of(x)
	size := func(n int) int { return (n+2*g.Pad-g.K)/g.Stride + 1 }
	d := network.Dims{N: t.N, H: size(t.H), W: size(t.W), C: of(w).C}
	return with(d, r.node("Conv", in(t.name, r.filters(w)), convAttrs(g)...))
}

func (r *recorder) ConvT(y, w network.Value, g network.Geom, h, width int) network.Value {
	t := of(y)
	// Rows and columns that no position of the filter reached as the end of a stride.
	over := func(n, to int) int64 { return int64(to - (g.Stride*(n-1) + g.K - 2*g.Pad)) }
	oh, ow := over(t.H, h), over(t.W, width)
	if oh < 0 || ow < 0 || oh >= int64(g.Stride) || ow >= int64(g.Stride) {
		refuse("the adjoint of a convolution from %dx%d to %dx%d", t.H, t.W, h, width)
	}
	attrs := convAttrs(g)
	if oh+ow > 0 {
		attrs = append(attrs, intsAttr("output_padding", oh, ow))
	}
	d := network.Dims{N: t.N, H: h, W: width, C: of(w).W}
	return with(d, r.node("ConvTranspose", in(t.name, r.filters(w)), attrs...))
}

func (r *recorder) Bias(x, b network.Value) network.Value {
	return of(x).like(r.node("Add", in(of(x).name, r.channels(b))))
}

func (r *recorder) add(x, y string) string { return r.node("Add", in(x, y)) }
func (r *recorder) mul(x, y string) string { return r.node("Mul", in(x, y)) }
func (r *recorder) sub(x, y string) string { return r.node("Sub", in(x, y)) }

// scale is k x.
func (r *recorder) scale(x string, k float64) string {
	if k == 1 {
		return x
	}
	return r.mul(x, r.scalar(k))
}

func (r *recorder) clip(x string, lo, hi float64) string {
	return r.once(fmt.Sprint("clip ", x, lo, hi), func() string {
		return r.node("Clip", in(x, r.scalar(lo), r.scalar(hi)))
	})
}

func (r *recorder) Act(v network.Value, a network.Activation, order int) network.Value {
	x := of(v).name
	var out string
	switch {
	case a.Kind == network.Softplus && order == 0:
		out = r.scale(r.node("Softplus", in(r.scale(x, a.Beta))), 1/a.Beta)
	case a.Kind == network.Softplus && order == 1:
		out = r.node("Sigmoid", in(r.scale(x, a.Beta)))
	case a.Kind == network.Huber && order == 0: // c(x - c/2), c = clip(x)
		c := r.clip(x, -a.Beta, a.Beta)
		out = r.mul(c, r.sub(x, r.scale(c, 0.5)))
	case a.Kind == network.Huber && order == 1:
		out = r.clip(x, -a.Beta, a.Beta)
	case a.Kind == network.HardGate && order <= 1: // g(x + 1 - g), g = clip(x/2+1/2)
		half := r.once("half "+x, func() string { return r.add(r.scale(x, 0.5), r.scalar(0.5)) })
		if out = r.clip(half, 0, 1); order == 0 {
			out = r.mul(out, r.sub(r.add(x, r.scalar(1)), out))
		}
	default:
		panic(fmt.Sprintf("onnx: no derivative of order %d", order))
	}
	return of(v).like(out)
}

func (r *recorder) Add(x, y network.Value) network.Value {
	return of(x).like(r.add(of(x).name, of(y).name))
}

func (r *recorder) Mul(x, y network.Value) network.Value {
	return of(x).like(r.mul(of(x).name, of(y).name))
}

func (r *recorder) Scale(x network.Value, k float64) network.Value {
	return of(x).like(r.scale(of(x).name, k))
}

func (r *recorder) HalfSquare(x network.Value) network.Value {
	return of(x).like(r.scale(r.mul(of(x).name, of(x).name), 0.5))
}

func (r *recorder) Exp(v network.Value) network.Value {
	return with(network.Dims{N: 1, H: 1, W: 1, C: of(v).C}, r.node("Exp", in(r.channels(v))))
}

// groups is x with its channels in groups of per, N x G x per x H x W.
func (r *recorder) groups(t *tensor, per int) string {
	return r.once(fmt.Sprint("groups ", t.name, per), func() string {
		return r.node("Reshape", in(t.name, r.node("Concat", in(r.ints(0, int64(t.C/per), int64(per)), r.plane(t.name)), intAttr("axis", 0))))
	})
}

// plane is the height and width of a value, as a vector.
func (r *recorder) plane(x string) string {
	return r.once("plane "+x, func() string {
		return r.node("Shape", in(x), intAttr("start", 2), intAttr("end", 4))
	})
}

// flat is the reverse of groups: c channels, the size of the value t.
func (r *recorder) flat(x string, t *tensor, c int) string {
	return r.node("Reshape", in(x, r.node("Concat", in(r.ints(0, int64(c)), r.plane(t.name)), intAttr("axis", 0))))
}

// exponentials are, for the groups of t: their largest element, exp(t - largest),
// and the sum of that.
func (r *recorder) exponentials(t *tensor, per int) (top, exp, sum string) {
	key := fmt.Sprint(t.name, " ", per)
	top = r.once("top "+key, func() string {
		return r.node("ReduceMax", in(r.groups(t, per)), intsAttr("axes", 2), intAttr("keepdims", 1))
	})
	exp = r.once("exp "+key, func() string { return r.node("Exp", in(r.sub(r.groups(t, per), top))) })
	sum = r.once("sum "+key, func() string { return r.node("ReduceSum", in(exp, r.ints(2)), intAttr("keepdims", 1)) })
	return top, exp, sum
}

func (r *recorder) LogSumExp(v network.Value, per int) network.Value {
	t := of(v)
	top, _, sum := r.exponentials(t, per)
	d := t.Dims
	d.C /= per
	return with(d, r.flat(r.add(top, r.node("Log", in(sum))), t, d.C))
}

func (r *recorder) Softmax(v network.Value, per int) network.Value {
	t := of(v)
	_, exp, sum := r.exponentials(t, per)
	return t.like(r.flat(r.node("Div", in(exp, sum)), t, t.C))
}

func (r *recorder) Expand(v network.Value, per int) network.Value {
	t := of(v)
	d := t.Dims
	d.C *= per
	pick := make([]int64, d.C)
	for i := range pick {
		pick[i] = int64(i / per)
	}
	return with(d, r.node("Gather", in(t.name, r.ints(pick...)), intAttr("axis", 1)))
}

func (r *recorder) GroupSum(v network.Value, per int) network.Value {
	t := of(v)
	d := t.Dims
	d.C /= per
	return with(d, r.flat(r.node("ReduceSum", in(r.groups(t, per), r.ints(2)), intAttr("keepdims", 1)), t, d.C))
}

func (r *recorder) Outer(m []float32, c network.Value, like network.Dims) network.Value {
	vector := r.channels(c)
	d := network.Dims{N: 1, H: like.H, W: like.W, C: of(c).Len()}
	return with(d, r.mul(r.planeMap(m, like.H, like.W), vector))
}

// planeMap is a fixed map of the plane, 1 x 1 x H x W.
func (r *recorder) planeMap(m []float32, h, w int) string {
	if r.fixed {
		return r.constant(Tensor{Dims: []int{1, 1, h, w}, Floats: slices.Clone(m)})
	}
	if !slices.ContainsFunc(m, func(v float32) bool { return v != 1 }) {
		if h != r.rows || w != r.cols {
			refuse("a map of ones of another size than the picture's")
		}
		shape := r.node("Concat", in(r.ints(1, 1), r.plane("y")), intAttr("axis", 0))
		return r.node("Expand", in(r.scalar(1), shape))
	}
	for px := 2; px <= 256; px *= 2 { // cells of px pixels
		if cellsMatch(m, h, w, px, r.rows, r.cols) {
			return r.once(fmt.Sprint("cells ", px, h), func() string {
				grid := h * px // the picture's height, filled up to whole cells of the coarsest level
				return r.mul(r.inside(2, px, grid-r.rows+1, []int64{1, 1, -1, 1}), r.inside(3, px, w*px-r.cols+1, []int64{1, 1, 1, -1}))
			})
		}
	}
	refuse("a map of %dx%d that is no fraction of cells inside the picture", h, w)
	return ""
}

// cellsMatch says whether m is, cell by cell of px pixels, the fraction inside a
// picture.
func cellsMatch(m []float32, h, w, px, rows, cols int) bool {
	inside := func(i, n int) float64 { return float64(min(px, max(0, n-i*px))) / float64(px) }
	for y := range h {
		for x := range w {
			if math.Abs(inside(y, rows)*inside(x, cols)-float64(m[y*w+x])) > 1e-6 {
				return false
			}
		}
	}
	return true
}

// inside is, along an axis of the picture filled up to whole cells of fill pixels,
// the fraction of each piece of px pixels that lies inside.
func (r *recorder) inside(axis, px, fill int, dims []int64) string {
	n := r.size(axis)
	starts := r.node("Range", in(r.int(0), r.add(n, r.filling(axis, fill)), r.int(px)))
	left := r.node("Max", in(r.int(0), r.sub(n, starts)))
	count := r.node("Cast", in(r.node("Min", in(r.int(px), left))), intAttr("to", typeFloat))
	return r.reshape(r.scale(count, 1/float64(px)), dims...)
}

// size is the picture's height (axis 2) or width (axis 3).
func (r *recorder) size(axis int) string {
	return r.once(fmt.Sprint("size ", axis), func() string {
		return r.node("Gather", in(r.node("Shape", in("y")), r.int(axis)), intAttr("axis", 0))
	})
}

// filling is how many pixels are missing to whole cells along an axis.
func (r *recorder) filling(axis, cell int) string {
	return r.once(fmt.Sprint("filling ", axis, cell), func() string {
		return r.node("Mod", in(r.sub(r.int(0), r.size(axis)), r.int(cell)))
	})
}

func (r *recorder) AvgPool(v network.Value) network.Value {
	d := of(v).Dims
	d.H, d.W = d.H/2, d.W/2
	return with(d, r.node("AveragePool", in(of(v).name), intsAttr("kernel_shape", 2, 2), intsAttr("strides", 2, 2)))
}

func (r *recorder) AvgPoolT(v network.Value) network.Value {
	t := of(v)
	d := t.Dims
	d.H, d.W = 2*d.H, 2*d.W
	// Each value four times: repeated along the channels, then spread.
	pick := make([]int64, 4*t.C)
	for i := range pick {
		pick[i] = int64(i / 4)
	}
	x := r.node("Gather", in(r.scale(t.name, 0.25), r.ints(pick...)), intAttr("axis", 1))
	return with(d, r.node("DepthToSpace", in(x), intAttr("blocksize", 2), textAttr("mode", "CRD")))
}

// A side is how an axis of the picture is extended: near and far are margins, and
// with cell > 1 the far one is larger by what is missing to whole cells.
type side struct{ axis, near, far, cell int }

// sides recognises the margins of a picture of h x w.
func (r *recorder) sides(p network.Margins, h, w int) [2]side {
	if h != r.rows || w != r.cols {
		refuse("padding of something of another size than the picture's")
	}
	s := [2]side{{2, p.Top, p.Bottom, 1}, {3, p.Left, p.Right, 1}}
	if r.fixed {
		return s
	}
	for i := range s {
		if extra := s[i].far - s[i].near; extra > 0 {
			s[i].far, s[i].cell = s[i].near, extra+1
		}
		if c := s[i].cell; c&(c-1) != 0 || c > 256 || s[i].far != s[i].near {
			refuse("margins %+v that do not fill a picture up to whole cells", p)
		}
	}
	return s
}

// mirror is, for each place along an extended axis of n pixels, the pixel that
// half-sample reflection finds there: with j = i mod 2n, min(j, 2n-1-j).
func (r *recorder) mirror(s side) string {
	return r.once(fmt.Sprint("mirror ", s), func() string {
		n := r.size(s.axis)
		end := r.add(n, r.int(s.far))
		if s.cell > 1 {
			end = r.add(end, r.filling(s.axis, s.cell))
		}
		twice := r.node("Mul", in(n, r.int(2)))
		j := r.node("Mod", in(r.node("Range", in(r.int(-s.near), end, r.int(1))), twice))
		return r.node("Min", in(j, r.sub(r.sub(twice, r.int(1)), j)))
	})
}

func (r *recorder) PadSym(v network.Value, p network.Margins) network.Value {
	t := of(v)
	x := t.name
	for _, s := range r.sides(p, t.H, t.W) {
		x = r.node("Gather", in(x, r.mirror(s)), intAttr("axis", s.axis))
	}
	d := t.Dims
	d.H, d.W = d.H+p.Top+p.Bottom, d.W+p.Left+p.Right
	return with(d, x)
}

// PadSymT adds the margins back: along each axis, the core plus the margins times a
// matrix of zeros and ones.
func (r *recorder) PadSymT(v network.Value, p network.Margins) network.Value {
	t := of(v)
	d := t.Dims
	d.H, d.W = d.H-p.Top-p.Bottom, d.W-p.Left-p.Right
	x := t.name
	for _, s := range r.sides(p, d.H, d.W) {
		n := r.node("Unsqueeze", in(r.size(s.axis), r.ints(0)))
		from, to := r.ints(int64(s.near)), r.node("Add", in(n, r.ints(int64(s.near))))
		cut := func(x string, lo, hi string, axis int) string {
			return r.node("Slice", in(x, lo, hi, r.ints(int64(axis))))
		}
		margins := func(x string, axis int) string {
			return r.node("Concat", in(cut(x, r.ints(0), from, axis), cut(x, to, r.ints(math.MaxInt32), axis)), intAttr("axis", axis))
		}
		places := r.node("Range", in(r.int(0), r.size(s.axis), r.int(1)))
		// Margins stand in rows below each other, or in columns.
		along, across := r.ints(1), r.ints(0)
		if s.axis == 3 {
			along, across = across, along
		}
		hit := r.node("Equal", in(r.node("Unsqueeze", in(places, along)), r.node("Unsqueeze", in(margins(r.mirror(s), 0), across))))
		matrix := r.node("Cast", in(hit), intAttr("to", typeFloat))
		pair := in(matrix, margins(x, s.axis))
		if s.axis == 3 {
			slices.Reverse(pair)
		}
		x = r.add(cut(x, from, to, s.axis), r.node("MatMul", pair))
	}
	return with(d, x)
}

func (r *recorder) Interleave(v network.Value, c int) network.Value {
	t := of(v)
	if c == 1 {
		return t
	}
	return with(network.Dims{N: t.N / c, H: t.H, W: t.W, C: c}, r.reshape(t.name, -1, int64(c), 0, 0))
}

func (r *recorder) Deinterleave(v network.Value) network.Value {
	t := of(v)
	if t.C == 1 {
		return t
	}
	return with(network.Dims{N: t.N * t.C, H: t.H, W: t.W, C: 1}, r.reshape(t.name, -1, 1, 0, 0))
}

// SpaceToDepth of the format puts the offset before the channel; the order of ours
// is restored by Gather.
func (r *recorder) SpaceToDepth(v network.Value, block int) network.Value {
	t := of(v)
	x := r.node("SpaceToDepth", in(t.name), intAttr("blocksize", block))
	d := network.Dims{N: t.N, H: t.H / block, W: t.W / block, C: t.C * block * block}
	if t.C > 1 {
		pick := make([]int64, d.C)
		for i := range pick {
			pick[i] = int64(i%(block*block)*t.C + i/(block*block))
		}
		x = r.node("Gather", in(x, r.ints(pick...)), intAttr("axis", 1))
	}
	return with(d, x)
}

func (r *recorder) DepthToSpace(v network.Value, block int) network.Value {
	t := of(v)
	d := network.Dims{N: t.N, H: t.H * block, W: t.W * block, C: t.C / (block * block)}
	return with(d, r.node("DepthToSpace", in(t.name), intAttr("blocksize", block), textAttr("mode", "CRD")))
}

// Resize multiplies by the two matrices of bilinear interpolation, whose transposes
// make the adjoint.
func (r *recorder) Resize(v network.Value, h, w int) network.Value {
	t := of(v)
	d := network.Dims{N: t.N, H: h, W: w, C: t.C}
	x := r.node("MatMul", in(r.bilinear(t.H, h, false), t.name))
	return with(d, r.node("MatMul", in(x, r.bilinear(t.W, w, true))))
}

func (r *recorder) ResizeT(v network.Value, h, w int) network.Value {
	t := of(v)
	d := network.Dims{N: t.N, H: h, W: w, C: t.C}
	x := r.node("MatMul", in(r.bilinear(h, t.H, true), t.name))
	return with(d, r.node("MatMul", in(x, r.bilinear(w, t.W, false))))
}

// bilinear is the matrix, to x from or transposed, that interpolates from samples at
// half-pixel centres.
func (r *recorder) bilinear(from, to int, transposed bool) string {
	if !r.fixed {
		refuse("a network that resamples pictures of any size")
	}
	return r.once(fmt.Sprint("bilinear ", from, to, transposed), func() string {
		m := Tensor{Dims: []int{to, from}, Floats: make([]float32, to*from)}
		if transposed {
			m.Dims = []int{from, to}
		}
		for o := range to {
			at := max(0, (float64(o)+0.5)*float64(from)/float64(to)-0.5)
			i := min(int(at), from-1)
			for k, weight := range []float64{1 - (at - float64(i)), at - float64(i)} {
				p := o*from + min(i+k, from-1)
				if transposed {
					p = min(i+k, from-1)*to + o
				}
				m.Floats[p] += float32(weight)
			}
		}
		return r.constant(m)
	})
}

func (r *recorder) Energy(k float64, x, y network.Value) {
	r.sum(k, of(x).like(r.mul(of(x).name, of(y).name)))
}

func (r *recorder) Sum(x network.Value) { r.sum(1, of(x)) }

// sum adds k times the sum over each picture to psi: axis by axis, since sums of
// sums round less.
func (r *recorder) sum(k float64, t *tensor) {
	x := t.name
	for _, axis := range []int64{3, 2} {
		x = r.node("ReduceSum", in(x, r.ints(axis)), intAttr("keepdims", 0))
	}
	if r.planes(t) {
		x = r.reshape(x, -1, int64(t.N))
	}
	x = r.scale(r.node("ReduceSum", in(x, r.ints(1)), intAttr("keepdims", 0)), k)
	if r.psi != "" {
		x = r.add(r.psi, x)
	}
	r.psi = x
}

// finish names the outputs.
func (r *recorder) finish(f *tensor) *Model {
	name := f.name
	if r.planes(f) {
		name = r.reshape(name, -1, int64(f.N), 0, 0)
	}
	end := func(op, x, by, out string) {
		r.graph.Nodes = append(r.graph.Nodes, Node{Op: op, Inputs: in(x, by), Outputs: []string{out}})
	}
	end("Mul", name, r.scalar(r.Unit), "f")
	end("Mul", r.psi, r.scalar(r.Unit*r.Unit), "psi")
	picture := Port{Dims: []int{0, r.def.Channels, r.Height, r.Width}, Names: []string{"N", "", "H", "W"}}
	y, out := picture, picture
	y.Name, out.Name = "y", "f"
	r.graph.Inputs = []Port{y}
	r.graph.Outputs = []Port{out, {Name: "psi", Dims: []int{0}, Names: []string{"N"}}}
	r.graph.Name = "lpn"
	return &Model{Opset: Opset, Graph: r.graph}
}
