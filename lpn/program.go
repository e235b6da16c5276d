package lpn

import (
	"fmt"
	"runtime"
	"slices"
	"sort"

	"github.com/lpn-imaging/lpn/internal/arena"
	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A program is a network laid out for one geometry: the recorded operations
// grouped into stages, with every buffer placed in one arena. It is immutable;
// an exec runs it.
//
// A stage is at most one operation that mixes rows (a convolution, or several
// that are added; a resampling), followed by operations that work on each row
// alone. A part of a stage does all of them on a few rows, which thus stay in
// cache; parts write disjoint rows, and the cut depends on the geometry only, so
// the result has the same bits on any number of threads.
type program struct {
	inputs []*node
	out    *node
	stages []*stage
	arena  int     // float32s
	local  int     // float32s of row-local scratch a worker needs
	conv   int     // float32s of convolution scratch a worker needs
	n      int     // pictures in a batch
	bias   float64 // the constant part of psi, per picture
}

// A node is one value: a constant, or a buffer filled by one operation.
type node struct {
	dims  Dims
	konst []float32 // a constant's elements
	outer *outer    // a constant kept factored
	def   int       // the stage that fills it, -1 for inputs
	reads int       // how many operations read it
	local bool      // lives within one part of one stage, in a worker's scratch
	off   int       // place in the arena or the scratch

	expandOf *node // the value that this one repeats, if it is an Expand
	per      int
	order1   *node // the derivative computed along with this value's operand
	biasOf   *node // the value to which a bias was added, if this is the sum
	bias     []float32
}

// An outer is a constant m[p]*c[k].
type outer struct{ m, c []float32 }

// A rowOp computes rows [lo,hi) of its outputs from the same rows of its inputs.
type rowOp struct {
	out []*node
	in  []*node
	run func(x *exec, worker, lo, hi int)
	// inPlace says that an output may be an input of the same dims.
	inPlace bool
	product bool // the one output is the product of the two inputs
}

// A stage is described at program.
type stage struct {
	rows, width int // the grid of the row-wise operations: N*H rows
	per         int // rows a part, when there is no convolution
	step        int // rows that the row-wise operations do one after the other
	parts       int
	in          []*node // what the head reads
	out         *node   // what the head writes
	beside      *node   // what it writes besides, or nil
	whole       bool    // the head is cut in its own way: no row-wise operations here
	convs       []conv  // the head, if it is a convolution: the sum of these
	acc         bool    // the first adds to out, too, which it also reads
	factor      *node   // what the convolution is multiplied with, in its place
	part        func(x *exec, worker, part int)
	ops         []rowOp
}

// A conv is a convolution of a stage, or an adjoint.
type conv struct {
	*kernel.Conv
	f      *kernel.Filter
	in     *node
	beside *node // the channels by themselves, or nil

	shape kernel.ConvShape
	adj   bool
	w     []float32
}

func (s *stage) bounds(part int) (lo, hi int) {
	if len(s.convs) > 0 {
		return s.convs[0].Rows(part)
	}
	return part * s.per, min(s.rows, (part+1)*s.per)
}

// steps visits the rows of a part, as many at a time as stay in cache with what
// is made of them.
func (s *stage) steps(part int, visit func(lo, hi int)) {
	for lo, hi := s.bounds(part); lo < hi; lo += s.step {
		visit(lo, min(hi, lo+s.step))
	}
}

// An exec runs a program in memory that it may share with others, one at a
// time.
type exec struct {
	*program
	*memory
	sums  [][]float64 // by stage, then part, then picture: partial sums of psi
	stage int         // the current one
	psi   []float64
}

// memory is what execs of one session share.
type memory struct {
	arena []float32
	local [][]float32
	conv  [][]float32
	pool  *kernel.Pool
}

func newSession(ps []*program, threads int) *session {
	m := &memory{pool: kernel.NewPool(threads)}
	arena, local, conv := 0, 0, 0
	for _, p := range ps {
		arena, local, conv = max(arena, p.arena), max(local, p.local), max(conv, p.conv)
	}
	m.arena = make([]float32, arena)
	for range m.pool.Workers() {
		m.local = append(m.local, make([]float32, local))
		m.conv = append(m.conv, make([]float32, conv))
	}
	s := &session{psi: make([]float64, ps[0].n)}
	for _, p := range ps {
		x := &exec{program: p, memory: m, psi: make([]float64, p.n)}
		for _, st := range p.stages {
			x.sums = append(x.sums, make([]float64, st.parts*p.n))
		}
		s.execs = append(s.execs, x)
	}
	// The workers know the pool only, so a session that nobody holds is freed
	// and takes them along.
	runtime.AddCleanup(s, func(p *kernel.Pool) { p.Close() }, m.pool)
	return s
}

// Part runs one part of the current stage.
func (x *exec) Part(worker, part int) {
	s := x.stages[x.stage]
	for i, c := range s.convs {
		var beside []float32
		if c.beside != nil {
			beside = x.buf(c.beside)
		}
		into := kernel.IntoNew
		switch {
		case s.factor != nil:
			into = kernel.IntoProduct
		case s.acc || i > 0:
			into = kernel.IntoSum
		}
		c.PartInto(x.buf(s.out), x.buf(c.in), beside, c.f, part, into, x.memory.conv[worker])
	}
	if s.part != nil {
		s.part(x, worker, part)
		if s.whole {
			return
		}
	}
	s.steps(part, func(lo, hi int) {
		for i := range s.ops {
			s.ops[i].run(x, worker, lo, hi)
		}
	})
}

// run evaluates the program, whose inputs have been filled. It leaves psi, one
// a picture, in x.psi.
func (x *exec) run() {
	for i, s := range x.stages {
		x.stage = i
		clear(x.sums[i])
		x.pool.Do(x, s.parts)
	}
	for i := range x.psi {
		x.psi[i] = x.bias
	}
	for _, sums := range x.sums {
		for i, v := range sums {
			x.psi[i%x.n] += v
		}
	}
}

// buf is the whole buffer of n.
func (x *exec) buf(n *node) []float32 {
	if n.konst != nil {
		return n.konst
	}
	return x.memory.arena[n.off : n.off+n.dims.Len()]
}

// rows holds rows [lo,hi) of n.
func (x *exec) rows(n *node, worker, lo, hi int) []float32 {
	k := n.dims.W * n.dims.C
	switch {
	case n.konst != nil:
		return n.konst[lo*k : hi*k]
	case n.local:
		return x.memory.local[worker][n.off : n.off+(hi-lo)*k]
	}
	return x.memory.arena[n.off+lo*k : n.off+hi*k]
}

// A builder is the Recorder that lays out a program.
type builder struct {
	params map[string][]float32
	specs  map[string]ParamSpec
	direct bool     // no Winograd
	dims   Dims     // of the input planes
	core   *[2]span // rows and columns whose terms psi counts; nil for all
	p      *program
}

func (b *builder) Input() Value {
	if len(b.p.inputs) == 0 {
		b.addInput()
	}
	return b.p.inputs[0]
}

// addInput makes a further input of the dims of the picture.
func (b *builder) addInput() *node {
	n := &node{dims: b.dims, def: -1}
	b.p.inputs = append(b.p.inputs, n)
	return n
}

func (b *builder) Param(name string) Value {
	data, ok := b.params[name]
	if !ok {
		panic("lpn: no parameter " + name)
	}
	d := b.specs[name].Dims
	if len(d) == 1 {
		return &node{dims: Dims{1, 1, 1, d[0]}, konst: data, def: -1}
	}
	return &node{dims: Dims{d[0], d[1], d[2], d[3]}, konst: data, def: -1}
}

func (b *builder) Dims(v Value) Dims { return v.(*node).dims }

// material returns v as a node with elements, expanding a factored or repeated
// constant.
func (b *builder) material(v Value) *node {
	n := v.(*node)
	if e := n.expandOf; e != nil && e.konst != nil && n.konst == nil {
		n.konst = make([]float32, n.dims.Len())
		kernel.Expand(n.konst, e.konst, n.per)
	}
	if n.outer != nil && n.konst == nil {
		o := n.outer
		k := make([]float32, len(o.m)*len(o.c))
		kernel.Outer(k, o.m, o.c)
		n.konst = make([]float32, 0, n.dims.Len())
		for range n.dims.N {
			n.konst = append(n.konst, k...)
		}
	}
	return n
}

// head starts a stage with an operation that mixes rows.
func (b *builder) head(d Dims, parts int, in *node) (*stage, *node) {
	out := &node{dims: d, def: len(b.p.stages)}
	s := &stage{rows: d.N * d.H, width: d.W, step: rowsOf(d, stepFloats), parts: parts, in: []*node{in}, out: out, whole: true}
	b.p.stages = append(b.p.stages, s)
	in.reads++
	return s, out
}

// resample starts a stage whose operation treats each picture on its own,
// given as slices.
func (b *builder) resample(v Value, d Dims, f func(dst, x []float32)) *node {
	in := b.material(v)
	s, out := b.head(d, min(d.N, in.dims.N), in)
	s.part = func(x *exec, _, i int) {
		o, n := x.buf(out), x.buf(in)
		k, m := len(o)/s.parts, len(n)/s.parts
		f(o[i*k:(i+1)*k], n[i*m:(i+1)*m])
	}
	return out
}

// partFloats is about how many elements a part of a stage without convolution
// works on: few enough to stay in the second-level cache with some operands.
// stepFloats is the same of a step.
const partFloats, stepFloats = 1 << 14, 1 << 12

// rowsOf is how many rows of d are so many floats, or one.
func rowsOf(d Dims, floats int) int { return max(1, floats/(d.W*max(d.C, 16))) }

// rowwise appends an operation, whose outputs lie on the grid of d, to the
// stage that makes its last input, or to a new one.
func (b *builder) rowwise(d Dims, op rowOp) {
	ready := -1
	for _, i := range op.in {
		ready = max(ready, i.def)
		i.reads++
	}
	if ready < 0 || b.p.stages[ready].whole || b.p.stages[ready].rows != d.N*d.H || b.p.stages[ready].width != d.W {
		per := min(d.H, rowsOf(d, partFloats))
		rows := d.N * d.H
		b.p.stages = append(b.p.stages, &stage{rows: rows, width: d.W, per: per, step: rowsOf(d, stepFloats), parts: (rows + per - 1) / per})
		ready = len(b.p.stages) - 1
	}
	s := b.p.stages[ready]
	s.ops = append(s.ops, op)
	for _, o := range op.out {
		o.def = ready
	}
}

// unary appends a function from the rows of x to rows of c channels, folding
// constants.
func (b *builder) unary(v Value, c int, f func(dst, x []float32)) *node {
	n := b.material(v)
	d := n.dims
	d.C = c
	out := &node{dims: d, def: -1}
	if n.konst != nil {
		out.konst = make([]float32, d.Len())
		f(out.konst, n.konst)
		return out
	}
	b.rowwise(d, rowOp{out: []*node{out}, in: []*node{n}, inPlace: true, run: func(x *exec, w, lo, hi int) {
		f(x.rows(out, w, lo, hi), x.rows(n, w, lo, hi))
	}})
	return out
}

func (b *builder) pointwise(v Value, f func(dst, x []float32)) *node {
	return b.unary(v, v.(*node).dims.C, f)
}

func (b *builder) binary(u, v Value, f func(dst, x, y []float32)) *node {
	m, n := b.material(u), b.material(v)
	if m.dims.N*m.dims.H != n.dims.N*n.dims.H || m.dims.W != n.dims.W {
		panic(fmt.Sprintf("lpn: operands of dims %v and %v", m.dims, n.dims))
	}
	out := &node{dims: m.dims, def: -1}
	if m.konst != nil && n.konst != nil {
		out.konst = make([]float32, len(m.konst))
		f(out.konst, m.konst, n.konst)
		return out
	}
	b.rowwise(m.dims, rowOp{out: []*node{out}, in: []*node{m, n}, inPlace: true, run: func(x *exec, w, lo, hi int) {
		f(x.rows(out, w, lo, hi), x.rows(m, w, lo, hi), x.rows(n, w, lo, hi))
	}})
	return out
}

// pair appends an operation that computes a function of v and its derivative at
// once from n, either of which may turn out to be unread.
func (b *builder) pair(v, n *node, c0 int, f func(z, s, x []float32)) (z *node) {
	z = &node{dims: n.dims, def: -1}
	z.dims.C = c0
	v.order1 = &node{dims: n.dims, def: -1}
	s := v.order1
	b.rowwise(n.dims, rowOp{out: []*node{z, s}, in: []*node{n}, inPlace: true, run: func(x *exec, w, lo, hi int) {
		var zs, ss []float32
		if z.reads > 0 {
			zs = x.rows(z, w, lo, hi)
		}
		if s.reads > 0 {
			ss = x.rows(s, w, lo, hi)
		}
		f(zs, ss, x.rows(n, w, lo, hi))
	}})
	return z
}

// conv starts a stage with c, to an output of dims d.
func (b *builder) conv(k *kernel.Conv, c conv, d Dims) *node {
	s, out := b.head(d, k.Parts(), c.in)
	s.convs, s.whole = []conv{b.plan(k, c)}, false
	return out
}

// plan completes c by its plan.
func (b *builder) plan(k *kernel.Conv, c conv) conv {
	c.Conv, c.f = k, k.Pack(nil, c.w)
	b.p.conv = max(b.p.conv, k.ScratchLen())
	return c
}

// join returns wide and few as one convolution, the channels of few being those of
// beside, and says whether that pays.
func (b *builder) join(wide, few conv, beside *node) (c conv, ok bool) {
	s := wide.shape
	s.Ci = few.shape.Ci
	if b.direct || s != few.shape || wide.adj != few.adj || wide.beside != nil {
		return c, false
	}
	plan := kernel.NewConvBeside
	if wide.adj {
		plan = kernel.NewConvTBeside
	}
	s.Ci += wide.shape.Ci
	k := plan(s, few.shape.Ci)
	if k == nil {
		return c, false
	}
	c = conv{in: wide.in, beside: beside, shape: s, adj: wide.adj}
	taps := s.K * s.K
	m, n := len(wide.w)/taps, len(few.w)/taps
	for i := range taps {
		c.w = append(append(c.w, wide.w[i*m:(i+1)*m]...), few.w[i*n:(i+1)*n]...)
	}
	return b.plan(k, c), true
}

// convRows appends a 1x1 convolution, which mixes channels only, as a row-wise
// operation; plan makes its plan for a number of rows.
func (b *builder) convRows(in, w *node, c int, plan func(rows int) *kernel.Conv) Value {
	type packed struct {
		*kernel.Conv
		f *kernel.Filter
	}
	byRows := map[int]packed{}
	out := b.unary(in, c, nil)
	s := b.p.stages[out.def]
	for part := range s.parts {
		s.steps(part, func(lo, hi int) {
			if _, ok := byRows[hi-lo]; !ok {
				k := plan(hi - lo)
				byRows[hi-lo] = packed{k, k.Pack(nil, w.konst)}
				b.p.conv = max(b.p.conv, k.ScratchLen())
			}
		})
	}
	op := &s.ops[len(s.ops)-1]
	op.inPlace = false // it reads all channels of a pixel for each that it writes
	op.run = func(x *exec, worker, lo, hi int) {
		k := byRows[hi-lo]
		dst, src := x.rows(out, worker, lo, hi), x.rows(in, worker, lo, hi)
		for part := range k.Parts() {
			k.Part(dst, src, k.f, part, false, x.memory.conv[worker])
		}
	}
	return out
}

// pixelwise says whether a convolution mixes channels only.
func (g Geom) pixelwise() bool { return g.K == 1 && g.Stride == 1 && g.Pad == 0 }

func convShape(d Dims, w *node, g Geom) kernel.ConvShape {
	return kernel.ConvShape{N: d.N, H: d.H, W: d.W, Ci: w.dims.W, Co: w.dims.C, K: g.K, Stride: g.Stride, Pad: g.Pad}
}

func (b *builder) Conv(xv, wv Value, g Geom) Value {
	x, w := b.material(xv), wv.(*node)
	s := convShape(x.dims, w, g)
	if w.dims.W != x.dims.C {
		panic(fmt.Sprintf("lpn: filter of dims %v on input %v", w.dims, x.dims))
	}
	oh, ow := s.Out()
	if g.pixelwise() && x.konst == nil {
		return b.convRows(x, w, s.Co, func(rows int) *kernel.Conv {
			return kernel.NewConvDirect(kernel.ConvShape{N: 1, H: rows, W: s.W, Ci: s.Ci, Co: s.Co, K: 1, Stride: 1})
		})
	}
	make := kernel.NewConv
	if b.direct {
		make = kernel.NewConvDirect
	}
	return b.conv(make(s), conv{in: x, shape: s, w: w.konst}, Dims{s.N, oh, ow, s.Co})
}

func (b *builder) ConvT(yv, wv Value, g Geom, h, width int) Value {
	y, w := b.material(yv), wv.(*node)
	d := Dims{y.dims.N, h, width, w.dims.W}
	s := convShape(d, w, g)
	if g.pixelwise() && y.konst == nil {
		return b.convRows(y, w, s.Ci, func(rows int) *kernel.Conv {
			return kernel.NewConvTDirect(kernel.ConvShape{N: 1, H: rows, W: s.W, Ci: s.Ci, Co: s.Co, K: 1, Stride: 1})
		})
	}
	make := kernel.NewConvT
	if b.direct {
		make = kernel.NewConvTDirect
	}
	c := conv{in: y, shape: s, adj: true, w: w.konst}
	// Another adjoint of y may do this one along with it.
	for i, st := range b.p.stages {
		if len(st.convs) == 1 && st.convs[0].in == y && st.beside == nil && len(st.ops) == 0 {
			out := &node{dims: d, def: i}
			if both, ok := b.join(st.convs[0], c, out); ok {
				st.convs[0], st.parts, st.beside = both, both.Parts(), out
				return out
			}
		}
	}
	return b.conv(make(s), c, d)
}

func (b *builder) Bias(x, bias Value) Value {
	k := bias.(*node).konst
	n := b.material(x)
	out := b.pointwise(n, func(dst, x []float32) { kernel.AddBias(dst, x, k) })
	out.biasOf, out.bias = n, k
	return out
}

func (b *builder) Act(v Value, a Activation, order int) Value {
	n := b.material(v)
	switch {
	case order == 0 && n.konst == nil && n.order1 == nil:
		if n.biasOf != nil && a.Kind == Softplus { // the sum may then remain unread
			bias, beta := kernel.NewBias(n.bias), float32(a.Beta)
			return b.pair(n, n.biasOf, n.dims.C, func(z, s, x []float32) { kernel.SoftplusBias(z, s, x, bias, beta) })
		}
		return b.pair(n, n, n.dims.C, a.pair())
	case order == 1 && n.order1 != nil:
		return n.order1
	}
	return b.pointwise(v, a.Apply(order))
}

// pair computes a and its derivative; either destination may be nil.
func (a Activation) pair() func(z, s, x []float32) {
	beta := float32(a.Beta)
	switch a.Kind {
	case HardGate:
		return kernel.HardGate
	case Huber:
		return func(z, s, x []float32) { kernel.Huber(z, s, x, beta) }
	}
	return func(z, s, x []float32) { kernel.Softplus(z, s, x, beta) }
}

// Apply returns the order-th derivative of a as a function of slices.
func (a Activation) Apply(order int) func(dst, x []float32) {
	pair := a.pair()
	switch order {
	case 0:
		return func(dst, x []float32) { pair(dst, nil, x) }
	case 1:
		return func(dst, x []float32) { pair(nil, dst, x) }
	case 2:
		switch a.Kind {
		case HardGate:
			return kernel.HardGateD2
		case Huber:
			return func(dst, x []float32) { kernel.HuberD2(dst, x, float32(a.Beta)) }
		}
		return func(dst, x []float32) { kernel.SoftplusD2(dst, x, float32(a.Beta)) }
	}
	panic(fmt.Sprintf("lpn: no derivative of order %d", order))
}

// accumulate lets the convolution that makes v, the last thing recorded, add
// to u, itself the bare result of a convolution, instead of writing a map that
// is read once. Few channels do so in one convolution with the others, a direct sum
// part by part, in the stage of both.
func (b *builder) accumulate(u, v *node) bool {
	fresh := func(n *node) *stage {
		if n.reads > 0 || n.def < 0 {
			return nil
		}
		if s := b.p.stages[n.def]; len(s.convs) > 0 && s.out == n && !s.acc && s.beside == nil {
			return s
		}
		return nil
	}
	s, first := fresh(v), fresh(u)
	if u == v || s == nil || v.def != len(b.p.stages)-1 || len(s.ops) > 0 || first == nil || u.dims != v.dims {
		return false
	}
	s.out, u.def = u, v.def
	if len(s.convs) == 1 && len(first.ops) == 0 {
		var both []conv
		last := s.convs[0]
		if len(first.convs) == 1 {
			if c, ok := b.join(first.convs[0], last, last.in); ok {
				both = []conv{c}
			}
		}
		if c := last.Like(first.convs[0].Conv); c != nil && both == nil {
			last.Conv = c
			b.p.conv = max(b.p.conv, c.ScratchLen())
			both = append(first.convs, last)
		}
		if both != nil {
			s.convs, s.parts = both, both[0].Parts()
			s.in = append(first.in, s.in...)
			first.in, first.out, first.convs, first.parts = nil, nil, nil, 0
			return true
		}
	}
	s.acc, s.in = true, append(s.in, u)
	u.reads++
	return true
}

func (b *builder) Add(u, v Value) Value {
	if m, n := u.(*node), v.(*node); b.accumulate(m, n) {
		return m
	}
	o := v.(*node).outer
	if o == nil {
		return b.binary(u, v, kernel.Add)
	}
	n := b.material(u)
	out := &node{dims: n.dims, def: -1}
	b.rowwise(n.dims, rowOp{out: []*node{out}, in: []*node{n}, inPlace: true, run: func(x *exec, w, lo, hi int) {
		d, row := n.dims, n.dims.W*n.dims.C
		dst, src := x.rows(out, w, lo, hi), x.rows(n, w, lo, hi)
		for lo < hi { // the map m is the same for every picture
			k := min(hi-lo, d.H-lo%d.H)
			kernel.AddOuter(dst[:k*row], src[:k*row], o.m[lo%d.H*d.W:][:k*d.W], o.c)
			dst, src, lo = dst[k*row:], src[k*row:], lo+k
		}
	}})
	return out
}

func (b *builder) Mul(u, v Value) Value {
	n := v.(*node)
	if o := u.(*node).outer; o != nil && n.konst == nil && !slices.ContainsFunc(o.m, func(m float32) bool { return m != 1 }) {
		return b.pointwise(n, func(dst, x []float32) { kernel.MulChannel(dst, x, o.c) })
	}
	if n.expandOf == nil {
		out := b.binary(u, v, kernel.Mul)
		if out.konst == nil {
			ops := b.p.stages[out.def].ops
			ops[len(ops)-1].product = true
		}
		return out
	}
	return b.binary(u, n.expandOf, func(dst, x, y []float32) { kernel.ExpandMul(dst, x, y, n.per) })
}

func (b *builder) Scale(x Value, k float64) Value {
	return b.pointwise(x, func(dst, x []float32) { kernel.Scale(dst, x, float32(k)) })
}

func (b *builder) HalfSquare(x Value) Value { return b.pointwise(x, kernel.HalfSquare) }
func (b *builder) Exp(x Value) Value        { return b.pointwise(x, kernel.Exp) }

func (b *builder) LogSumExp(v Value, per int) Value {
	n := b.material(v)
	return b.pair(n, n, n.dims.C/per, func(z, s, x []float32) { kernel.LogSumExp(z, s, x, per) })
}

func (b *builder) Softmax(v Value, per int) Value {
	if n := v.(*node); n.order1 != nil {
		return n.order1
	}
	return b.pointwise(v, func(dst, x []float32) { kernel.LogSumExp(nil, dst, x, per) })
}

func (b *builder) Expand(v Value, per int) Value {
	n := b.material(v)
	if n.konst != nil { // most often read by Mul, which repeats it itself
		d := n.dims
		d.C *= per
		return &node{dims: d, def: -1, expandOf: n, per: per}
	}
	out := b.unary(n, n.dims.C*per, func(dst, x []float32) { kernel.Expand(dst, x, per) })
	out.expandOf, out.per = n, per
	return out
}

func (b *builder) GroupSum(v Value, per int) Value {
	return b.unary(v, v.(*node).dims.C/per, func(dst, x []float32) { kernel.GroupSum(dst, x, per) })
}

func (b *builder) Outer(m []float32, c Value, like Dims) Value {
	k := c.(*node).konst
	return &node{dims: Dims{like.N, like.H, like.W, len(k)}, outer: &outer{m, k}, def: -1}
}

func (b *builder) AvgPool(v Value) Value {
	d := b.Dims(v)
	return b.resample(v, Dims{d.N, d.H / 2, d.W / 2, d.C}, func(dst, x []float32) {
		kernel.AvgPool(dst, x, 1, d.H, d.W, d.C)
	})
}

func (b *builder) AvgPoolT(v Value) Value {
	d := b.Dims(v)
	d.H, d.W = 2*d.H, 2*d.W
	return b.resample(v, d, func(dst, x []float32) { kernel.AvgPoolT(dst, x, 1, d.H, d.W, d.C) })
}

func (b *builder) PadSym(v Value, p Margins) Value {
	d := b.Dims(v)
	return b.resample(v, Dims{d.N, d.H + p.Top + p.Bottom, d.W + p.Left + p.Right, 1}, func(dst, x []float32) {
		kernel.PadSym(dst, x, 1, d.H, d.W, p.Top, p.Bottom, p.Left, p.Right)
	})
}

func (b *builder) PadSymT(v Value, p Margins) Value {
	d := b.Dims(v)
	d.H, d.W = d.H-p.Top-p.Bottom, d.W-p.Left-p.Right
	return b.resample(v, d, func(dst, x []float32) {
		kernel.PadSymT(dst, x, 1, d.H, d.W, p.Top, p.Bottom, p.Left, p.Right)
	})
}

func (b *builder) Interleave(v Value, c int) Value {
	d := b.Dims(v)
	if c == 1 {
		return v
	}
	return b.resample(v, Dims{d.N / c, d.H, d.W, c}, func(dst, x []float32) {
		kernel.Interleave(dst, x, 1, d.H, d.W, c)
	})
}

func (b *builder) Deinterleave(v Value) Value {
	d := b.Dims(v)
	if d.C == 1 {
		return v
	}
	return b.resample(v, Dims{d.N * d.C, d.H, d.W, 1}, func(dst, x []float32) {
		kernel.Deinterleave(dst, x, 1, d.H, d.W, d.C)
	})
}

func (b *builder) SpaceToDepth(v Value, r int) Value {
	d := b.Dims(v)
	return b.resample(v, Dims{d.N, d.H / r, d.W / r, d.C * r * r}, func(dst, x []float32) {
		kernel.SpaceToDepth(dst, x, 1, d.H, d.W, d.C, r)
	})
}

func (b *builder) DepthToSpace(v Value, r int) Value {
	d := b.Dims(v)
	d = Dims{d.N, d.H * r, d.W * r, d.C / (r * r)}
	return b.resample(v, d, func(dst, x []float32) { kernel.DepthToSpace(dst, x, 1, d.H, d.W, d.C, r) })
}

func (b *builder) Resize(v Value, h, w int) Value {
	d := b.Dims(v)
	return b.resample(v, Dims{d.N, h, w, d.C}, func(dst, x []float32) {
		kernel.Resize(dst, x, 1, d.H, d.W, d.C, h, w)
	})
}

func (b *builder) ResizeT(v Value, h, w int) Value {
	d := b.Dims(v)
	return b.resample(v, Dims{d.N, h, w, d.C}, func(dst, x []float32) {
		kernel.ResizeT(dst, x, 1, h, w, d.C, d.H, d.W)
	})
}

func (b *builder) Energy(k float64, u, v Value) {
	m, n := b.material(u), v.(*node)
	d := m.dims
	in := []*node{m}
	if n.outer == nil && n != m {
		in = append(in, n)
	}
	picture := d.H * (d.N / b.p.n) // rows of one picture, all planes
	y0, y1, x0, x1 := b.counted(d)
	b.rowwise(d, rowOp{in: in, run: func(x *exec, w, lo, hi int) {
		sums := x.sums[x.stage][x.stages[x.stage].partAt(lo)*x.n:]
		xs, ys := x.rows(m, w, lo, hi), []float32(nil)
		if n.outer == nil {
			ys = x.rows(n, w, lo, hi)
		}
		dot := func(from, to, at int) float64 { // pixels of this part; at is from's place in the plane
			if n.outer != nil {
				return kernel.DotOuter(xs[from*d.C:to*d.C], n.outer.m[at:at+to-from], n.outer.c)
			}
			return kernel.Dot(xs[from*d.C:to*d.C], ys[from*d.C:to*d.C])
		}
		for row := lo; row < hi; {
			y := row % d.H
			if x0 == 0 && x1 == d.W && y0 == 0 && y1 == d.H {
				rows := min(hi-row, d.H-y)
				sums[row/picture] += k * dot((row-lo)*d.W, (row-lo+rows)*d.W, y*d.W)
				row += rows
				continue
			}
			if y >= y0 && y < y1 {
				sums[row/picture] += k * dot((row-lo)*d.W+x0, (row-lo)*d.W+x1, y*d.W+x0)
			}
			row++
		}
	}})
}

// counted is the range of rows and columns of a grid whose terms psi counts:
// those of the core. Grids are the picture itself, or its cells.
func (b *builder) counted(d Dims) (y0, y1, x0, x1 int) {
	if b.core == nil {
		return 0, d.H, 0, d.W
	}
	on := func(s span, picture, grid int) (int, int) {
		n, px := s.hi-s.lo, 1
		for grid*px < picture {
			px *= 2
		}
		if s.keepHi == n { // up to the border, where the last cell may stick out
			return s.keepLo / px, grid
		}
		return s.keepLo / px, s.keepHi / px
	}
	y0, y1 = on(b.core[0], b.dims.H, d.H)
	x0, x1 = on(b.core[1], b.dims.W, d.W)
	return y0, y1, x0, x1
}

func (s *stage) partAt(lo int) int {
	if len(s.convs) == 0 {
		return lo / s.per
	}
	return sort.Search(s.parts, func(p int) bool { l, _ := s.bounds(p); return l > lo }) - 1
}

// GateGain is described at BoundRecorder.
func (b *builder) GateGain(w, c Value, per int) Value {
	n, weight := w.(*node), b.material(c).konst
	ci, co := n.dims.W, n.dims.C
	out := &node{dims: Dims{1, 1, 1, ci}, def: -1, konst: make([]float32, ci)}
	for i := 0; i < len(n.konst); i += per {
		m := slices.Max(n.konst[i : i+per])
		out.konst[i/co%ci] += weight[i%co/per] * m
	}
	return out
}

// Sum takes constants only: the biases at the network's end.
func (b *builder) Sum(v Value) {
	o := v.(*node).outer
	for _, m := range o.m {
		for _, c := range o.c {
			b.p.bias += float64(m) * float64(c)
		}
	}
}

// finish closes the program: it drops what nobody reads and places the
// buffers.
func (b *builder) finish(out Value) *program {
	p := b.p
	p.out = b.material(out)
	p.out.reads++
	// Last things first: an operation dropped may leave another unread.
	for _, s := range slices.Backward(p.stages) {
		var kept []rowOp
		for _, op := range slices.Backward(s.ops) {
			if op.out != nil && !slices.ContainsFunc(op.out, func(n *node) bool { return n.reads > 0 }) {
				for _, n := range op.in {
					n.reads--
				}
				continue
			}
			kept = append(kept, op)
		}
		slices.Reverse(kept)
		s.ops = kept
		if len(s.ops) == 0 && (s.out == nil || s.out.reads == 0) && (s.beside == nil || s.beside.reads == 0) {
			for _, n := range s.in {
				n.reads--
			}
			s.in, s.out, s.beside, s.part, s.parts = nil, nil, nil, nil, 0
		}
	}
	p.stages = slices.DeleteFunc(p.stages, func(s *stage) bool { return s.parts == 0 })
	for _, s := range p.stages {
		s.multiply()
	}
	p.place()
	return p
}

// multiply lets the convolution of a stage, if all that becomes of it is a product
// with a map made earlier that is not needed again, multiply that map where it is.
func (s *stage) multiply() {
	if len(s.convs) != 1 || s.acc || s.out.reads != 1 || !s.convs[0].Winograd() {
		return
	}
	k := slices.IndexFunc(s.ops, func(op rowOp) bool { return op.product && slices.Contains(op.in, s.out) })
	if k < 0 {
		return
	}
	op := s.ops[k]
	factor := op.in[0]
	if factor == s.out {
		factor = op.in[1]
	}
	made := slices.ContainsFunc(s.ops, func(op rowOp) bool { return slices.Contains(op.out, factor) })
	if factor.konst != nil || factor.def < 0 || made || factor.reads != 1 || factor.dims != s.out.dims || slices.Contains(s.in, factor) {
		return
	}
	s.factor, s.out, s.in = factor, op.out[0], append(s.in, factor)
	s.ops = slices.Delete(s.ops, k, k+1)
}

// place assigns memory: values that live within one stage go to the workers'
// scratch, one step high; the others to the arena, each at the
// lowest place free for as long as it lives, or where a value lies that it is
// made from, or that the same rows were made from before, if that one is not
// needed again.
func (p *program) place() {
	type span struct {
		n           *node
		first, last int
	}
	var spans []span
	at := map[*node]int{}
	add := func(n *node, def int) {
		if _, ok := at[n]; !ok && n.konst == nil && n.outer == nil {
			at[n] = len(spans)
			spans = append(spans, span{n, def, def})
		}
	}
	read := func(n *node, stage int) {
		if i, ok := at[n]; ok {
			spans[i].last = max(spans[i].last, stage)
		}
	}
	for _, n := range p.inputs {
		add(n, -1)
	}
	for i, s := range p.stages {
		if s.out != nil {
			add(s.out, i)
		}
		if s.beside != nil {
			add(s.beside, i)
		}
		for _, n := range s.in {
			read(n, i)
		}
		for _, op := range s.ops {
			for _, n := range op.in {
				read(n, i)
			}
			for _, n := range op.out {
				if n.reads > 0 {
					add(n, i)
				}
			}
		}
	}
	read(p.out, len(p.stages))

	for i, s := range p.stages {
		rows := min(s.rows, s.step)
		off := 0
		for _, op := range s.ops {
			for _, n := range op.out {
				j, ok := at[n]
				if ok && spans[j].last == i {
					n.local, n.off = true, off
					off += (rows*n.dims.W*n.dims.C + 15) &^ 15
				}
			}
		}
		p.local = max(p.local, off)
	}
	lies := map[*node]*node{} // where that one lay
	// inherit puts n where m lay, which is no longer needed.
	inherit := func(n, m *node) {
		root := m
		if lies[m] != nil {
			root = lies[m]
		}
		last := spans[at[n]].last
		lies[n] = root
		spans[at[root]].last = last
		spans[at[m]].last = last // has its heir
	}
	for i, s := range p.stages {
		if s.factor != nil {
			inherit(s.out, s.factor)
		}
		for k, op := range s.ops {
			if !op.inPlace {
				continue
			}
			for _, n := range op.out {
				if _, ok := at[n]; !ok || n.local {
					continue
				}
				// An operand, or what the stage no longer needs.
				done := slices.Clone(op.in)
				for _, o := range s.ops[:k] {
					done = append(done, o.in...)
				}
				for _, m := range done {
					l, ok := at[m]
					if !ok || m.local || m.dims != n.dims || spans[l].first < 0 || spans[l].last != i || slices.Contains(s.in, m) ||
						slices.ContainsFunc(s.ops[k+1:], func(o rowOp) bool { return slices.Contains(o.in, m) }) {
						continue
					}
					inherit(n, m)
					break
				}
			}
		}
	}
	var placed []*arena.Span
	var owners []*node
	for _, s := range spans {
		if !s.n.local && lies[s.n] == nil {
			placed = append(placed, &arena.Span{Len: s.n.dims.Len(), First: s.first, Last: s.last})
			owners = append(owners, s.n)
		}
	}
	p.arena = arena.Place(placed)
	for i, s := range placed {
		owners[i].off = s.Off
	}
	for n, root := range lies {
		n.off = root.off
	}
}
