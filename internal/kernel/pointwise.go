package kernel

import "math"

//go:generate go -C _gen run ./pointwise -out ../pointwise_amd64.s -stubs ../pointwise_stubs_amd64.go -pkg kernel

// The routines of this file work on flat slices. Unless a comment says
// otherwise all slices of a call have the same length, and dst may be the
// same slice as an input (partly overlapping slices are not allowed). Wrong
// lengths panic. NaN in gives NaN out.

func same(n int, m ...int) {
	for _, k := range m {
		if k != n {
			panic("kernel: slices of different lengths")
		}
	}
}

// whole panics unless n is a multiple of per.
func whole(n, per int) {
	if per <= 0 || n%per != 0 {
		panic("kernel: length is not a whole number of runs")
	}
}

// Add is dst = x + y.
func Add(dst, x, y []float32) {
	same(len(dst), len(x), len(y))
	if addVec(dst, x, y) {
		return
	}
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}

// Mul is dst = x*y, element by element.
func Mul(dst, x, y []float32) {
	same(len(dst), len(x), len(y))
	if mulVec(dst, x, y) {
		return
	}
	for i := range dst {
		dst[i] = x[i] * y[i]
	}
}

// MulAdd is dst += x*y, element by element.
func MulAdd(dst, x, y []float32) {
	same(len(dst), len(x), len(y))
	if mulAddVec(dst, x, y) {
		return
	}
	for i := range dst {
		dst[i] += x[i] * y[i]
	}
}

// Scale is dst = k*x.
func Scale(dst, x []float32, k float32) {
	same(len(dst), len(x))
	if scaleVec(dst, x, k) {
		return
	}
	for i := range dst {
		dst[i] = k * x[i]
	}
}

// Axpy is dst += k*x.
func Axpy(dst []float32, k float32, x []float32) {
	same(len(dst), len(x))
	if axpyVec(dst, k, x) {
		return
	}
	for i := range dst {
		dst[i] += k * x[i]
	}
}

// Ramp is dst = max(x, 0); NaN stays.
func Ramp(dst, x []float32) {
	same(len(dst), len(x))
	if rampVec(dst, x) {
		return
	}
	for i, v := range x {
		dst[i] = max(v, 0)
	}
}

// HalfSquare is dst = x*x/2.
func HalfSquare(dst, x []float32) {
	same(len(dst), len(x))
	if halfSquareVec(dst, x) {
		return
	}
	for i := range dst {
		dst[i] = 0.5 * x[i] * x[i]
	}
}

// AddBias is dst[i] = x[i] + b[i%len(b)]: x is rows of len(b) channels.
func AddBias(dst, x, b []float32) {
	same(len(dst), len(x))
	whole(len(x), len(b))
	if addBiasVec(dst, x, b) {
		return
	}
	for i := 0; i < len(x); i += len(b) {
		d, r := dst[i:i+len(b)], x[i:i+len(b)]
		for c, v := range b {
			d[c] = r[c] + v
		}
	}
}

// MulChannel is dst[i] = x[i]*c[i%len(c)]: x is rows of len(c) channels.
func MulChannel(dst, x, c []float32) {
	same(len(dst), len(x))
	whole(len(x), len(c))
	if mulChannelVec(dst, x, c) {
		return
	}
	for i := 0; i < len(x); i += len(c) {
		d, r := dst[i:i+len(c)], x[i:i+len(c)]
		for j, v := range c {
			d[j] = r[j] * v
		}
	}
}

// ChannelSum adds to dst[c] the sum over the rows of x of channel c; x is
// rows of len(dst) channels.
func ChannelSum(dst []float64, x []float32) {
	c := len(dst)
	whole(len(x), c)
	if c < lanes && lanes%c == 0 { // some rows side by side
		var sums [lanes]float64
		n := len(x) &^ (lanes - 1)
		channelSum(sums[:], x[:n])
		for i, v := range x[n:] {
			sums[i] += float64(v)
		}
		for i, v := range sums {
			dst[i%c] += v
		}
		return
	}
	channelSum(dst, x)
}

func channelSum(dst []float64, x []float32) {
	if channelSumVec(dst, x) {
		return
	}
	for i := 0; i < len(x); i += len(dst) {
		r := x[i : i+len(dst)]
		for c := range dst {
			dst[c] += float64(r[c])
		}
	}
}

// Expand is dst[i] = x[i/per]; len(dst) = per*len(x), and dst may not overlap
// x.
func Expand(dst, x []float32, per int) {
	whole(len(dst), per)
	same(len(dst), per*len(x))
	if expandVec(dst, x, per) {
		return
	}
	for i, v := range x {
		d := dst[i*per : (i+1)*per]
		for j := range d {
			d[j] = v
		}
	}
}

// GroupSum is the adjoint of Expand: dst[j] is the sum of the run
// x[j*per:(j+1)*per]. dst may be the start of x.
func GroupSum(dst, x []float32, per int) {
	whole(len(x), per)
	same(len(x), per*len(dst))
	if groupSumVec(dst, x, per) {
		return
	}
	for j := range dst {
		var s float32
		for _, v := range x[j*per : (j+1)*per] {
			s += v
		}
		dst[j] = s
	}
}

// ExpandMul is dst[i] = s[i]*v[i/per]; len(v) = len(dst)/per. dst may be s.
func ExpandMul(dst, s, v []float32, per int) {
	whole(len(dst), per)
	same(len(dst), len(s), per*len(v))
	if expandMulVec(dst, s, v, per) {
		return
	}
	for j, k := range v {
		d, r := dst[j*per:(j+1)*per], s[j*per:(j+1)*per]
		for i := range d {
			d[i] = k * r[i]
		}
	}
}

// Outer is dst[p*len(c)+k] = m[p]*c[k]; dst may not overlap m or c.
func Outer(dst, m, c []float32) {
	same(len(dst), len(m)*len(c))
	for p, v := range m {
		Scale(dst[p*len(c):(p+1)*len(c)], c, v)
	}
}

// lanes is the number of partial sums of Dot and its kin: element i goes to
// sum i%lanes, in float64, and the sums are added in a fixed tree. Every
// level keeps this order, so all return the same bits.
const lanes = 16

func addLanes(s *[lanes]float64) float64 {
	for k := lanes / 2; k > 0; k /= 2 {
		for i := range k {
			s[i] += s[i+k]
		}
	}
	return s[0]
}

// Dot is the inner product of x and y, accumulated in float64.
func Dot(x, y []float32) float64 {
	same(len(x), len(y))
	var s [lanes]float64
	n := dotVec(&s, x, y)
	for i := n; i < len(x); i++ {
		s[i%lanes] += float64(x[i]) * float64(y[i])
	}
	return addLanes(&s)
}

// SquaredError is the sum of (x-y)*(x-y), accumulated in float64.
func SquaredError(x, y []float32) float64 {
	same(len(x), len(y))
	var s [lanes]float64
	n := squaredErrorVec(&s, x, y)
	for i := n; i < len(x); i++ {
		d := float64(x[i]) - float64(y[i])
		s[i%lanes] += float64(d * d)
	}
	return addLanes(&s)
}

// AbsError is the sum of |x-y|, accumulated in float64.
func AbsError(x, y []float32) float64 {
	same(len(x), len(y))
	var s [lanes]float64
	n := absErrorVec(&s, x, y)
	for i := n; i < len(x); i++ {
		s[i%lanes] += math.Abs(float64(x[i]) - float64(y[i]))
	}
	return addLanes(&s)
}

// AdamStep is one update of Adam (Kingma and Ba, 2015, algorithm 1, as
// PyTorch writes it), in place:
//
//	m = b1*m + (1-b1)*g
//	v = b2*v + (1-b2)*g*g
//	w = w - lr*(m/c1)/(sqrt(v/c2)+eps)
//
// with the bias corrections c1 = 1-b1^t and c2 = 1-b2^t of step t.
func AdamStep(w, g, m, v []float32, lr, b1, b2, eps, c1, c2 float32) {
	same(len(w), len(g), len(m), len(v))
	k := adam{b1, 1 - b1, b2, 1 - b2, lr / c1, 1 / c2, eps}
	if adamVec(w, g, m, v, &k) {
		return
	}
	for i, gi := range g {
		m[i] = k.b1*m[i] + k.a1*gi
		v[i] = k.b2*v[i] + k.a2*gi*gi
		w[i] -= k.lr * m[i] / (sqrt32(k.c2*v[i]) + k.eps)
	}
}

// adam is the constants of AdamStep in the order that the assembly reads.
type adam struct{ b1, a1, b2, a2, lr, c2, eps float32 }

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
