package network

// A Value is a handle to one intermediate of a recorded computation. It is
// made by a Recorder and means something only to that Recorder.
type Value any

// A Recorder is what a network is written against: the few linear maps and
// pointwise functions from which psi and grad psi are built. The engine
// implements it by a list of operations, lpn/train by nodes of a gorgonia
// graph, Tangent by recording each operation's derivative with it; the
// network's definition exists once.
//
// Every value is a tensor of dims N,H,W,C with channels last: element
// (n,y,x,c) is at ((n*H+y)*W+x)*C+c. A picture of C channels enters as C
// planes, dims (N*C,H,W,1), which is exactly the planar layout of
// operators.Image.
//
// The family is closed under differentiation: the derivative of every method
// is written with the others (the adjoint of Conv is ConvT, and so on) and
// with the few extra operations that lpn/train adds.
type Recorder interface {
	// Input is the picture in network units, as planes: (N*C,H,W,1).
	Input() Value
	// Param is a weight by name, in the layout of its Param.
	Param(name string) Value
	// Dims returns the dims of v.
	Dims(v Value) Dims

	// Conv is the cross-correlation of x with w, zero padded by g.Pad on
	// every side, at stride g.Stride; w is (K,K,Ci,Co), Co fastest.
	Conv(x, w Value, g Geom) Value
	// ConvT is the adjoint of Conv in x: it maps back to dims of the given
	// height and width.
	ConvT(y, w Value, g Geom, h, width int) Value
	// Bias adds b[c] to channel c.
	Bias(x, b Value) Value
	// Act applies the order-th derivative of a to every element.
	Act(x Value, a Activation, order int) Value
	// Add is x+y, Mul is x*y elementwise, Scale is k*x.
	Add(x, y Value) Value
	Mul(x, y Value) Value
	Scale(x Value, k float64) Value
	// HalfSquare is x*x/2.
	HalfSquare(x Value) Value
	// Exp is the exponential (of a parameter).
	Exp(x Value) Value

	// LogSumExp maps each run of per consecutive channels to
	// log(sum(exp)); Softmax maps it to its gradient.
	LogSumExp(x Value, per int) Value
	Softmax(x Value, per int) Value
	// Expand repeats each channel per times, GroupSum is its adjoint.
	Expand(x Value, per int) Value
	GroupSum(x Value, per int) Value
	// Outer is m[y*W+x]*c[k], of dims (N,H,W,len c): a fixed map of the
	// plane times a parameter vector.
	Outer(m []float32, c Value, like Dims) Value

	// AvgPool averages 2x2 cells; AvgPoolT is its adjoint (a quarter of
	// each value to the four pixels under it).
	AvgPool(x Value) Value
	AvgPoolT(x Value) Value
	// PadSym extends each plane by half-sample symmetric reflection;
	// PadSymT is its adjoint (reflect and add).
	PadSym(x Value, p Margins) Value
	PadSymT(x Value, p Margins) Value
	// Interleave turns (N*c,H,W,1) planes into (N,H,W,c) channels,
	// Deinterleave turns them back.
	Interleave(x Value, c int) Value
	Deinterleave(x Value) Value
	// SpaceToDepth turns r x r blocks into channels: channel c*r*r+dy*r+dx
	// of the result is channel c at offset (dy,dx). DepthToSpace inverts it.
	SpaceToDepth(x Value, r int) Value
	DepthToSpace(x Value, r int) Value
	// Resize is bilinear interpolation to h x w with half-pixel centres and
	// no antialiasing; ResizeT is its adjoint, back to h x w.
	Resize(x Value, h, w int) Value
	ResizeT(x Value, h, w int) Value

	// Energy adds k*<x,y>, per sample, to psi, and Sum adds the sum of x.
	// Recorders that need only the gradient ignore both.
	Energy(k float64, x, y Value)
	Sum(x Value)
}

// Dims are the dims of a Value, channels last.
type Dims struct{ N, H, W, C int }

// Len is the number of elements.
func (d Dims) Len() int { return d.N * d.H * d.W * d.C }

// A Geom is the geometry of a K x K convolution.
type Geom struct{ K, Stride, Pad int }

// Margins are the rows and columns that padding adds.
type Margins struct{ Top, Bottom, Left, Right int }
