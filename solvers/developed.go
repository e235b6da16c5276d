package solvers

import (
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// Developed is the fidelity of a measurement whose operator acts on light, not on the
// numbers of a picture, which are encoded by the curve of sRGB (IEC 61966-2-1): with
// e the encoding and d = e^-1, both applied to each sample,
//
//	h(x) = 1/2 ||e(A d(x)) - y||^2,
//
// so noise that is white in the picture is white here, and the prior is applied to the
// numbers on which it was trained. Samples of y at 0 or 1 count as in Saturated. Beyond
// [0,1] the curve continues with its slope at the ends. h is smooth but not convex, and
// its gradient has no global Lipschitz constant: BPG lowers the objective, but
// certifies nothing. Its Hessian is that of Gauss and Newton, J'J with J = e' A d'.
type Developed struct {
	A operators.Linear
	// Y is the measurement, of A's codomain.
	Y []float32
	// Saturated says that samples at 0 and 1 were clipped.
	Saturated bool
}

var (
	_ Smooth        = (*Developed)(nil)
	_ ValueGradient = (*Developed)(nil)
	_ Hessian       = (*Developed)(nil)
)

// the curve of sRGB
const (
	toe      = 0.0031308 // light below which the curve is a line of this slope
	toeSlope = 12.92
	offset   = 0.055
	power    = 2.4
)

// Encode writes the numbers of sRGB for light u; dst may equal u.
func Encode(dst, u []float32) {
	for i, v := range u {
		dst[i], _ = encode(v)
	}
}

// Decode writes the light of numbers of sRGB; dst may equal x.
func Decode(dst, x []float32) {
	for i, v := range x {
		dst[i], _ = decode(v)
	}
}

// encode is e(u) and e'(u).
func encode(u float32) (v, d float32) {
	switch t := float64(u); {
	case t <= toe:
		return toeSlope * u, toeSlope
	case t < 1:
		p := math.Pow(t, 1/power)
		return float32((1+offset)*p - offset), float32((1 + offset) / power * p / t)
	}
	const end = (1 + offset) / power
	return 1 + end*(u-1), end
}

// decode is d(x) and d'(x).
func decode(x float32) (v, d float32) {
	switch t := float64(x); {
	case t <= toeSlope*toe:
		return x / toeSlope, 1. / toeSlope
	case t < 1:
		b := (t + offset) / (1 + offset)
		p := math.Pow(b, power)
		return float32(p), float32(power * p / b / (1 + offset))
	}
	const end = power / (1 + offset)
	return 1 + end*(x-1), end
}

// residual writes e(A d(x)) - y to r, d'(x) to dx and e'(A d(x)) to du, 0 where a sample
// says nothing.
func (h *Developed) residual(r, dx, du, x []float32) {
	light := borrow(len(x))
	defer giveBack(light)
	for i, v := range x {
		light[i], dx[i] = decode(v)
	}
	h.A.Apply(r, light)
	for i, u := range r {
		v, d := encode(u)
		r[i], du[i] = v-h.Y[i], d
		if h.Saturated && (h.Y[i] >= 1 && r[i] > 0 || h.Y[i] <= 0 && r[i] < 0) {
			r[i], du[i] = 0, 0
		}
	}
}

// Value is h(x).
func (h *Developed) Value(x []float32) float64 {
	r, du, dx := borrow(len(h.Y)), borrow(len(h.Y)), borrow(len(x))
	defer giveBack(r, du, dx)
	h.residual(r, dx, du, x)
	return dot(r, r) / 2
}

// Gradient is J'(e(A d(x)) - y).
func (h *Developed) Gradient(dst, x []float32) { h.ValueGradient(dst, x) }

// ValueGradient is Value and Gradient at the price of the latter.
func (h *Developed) ValueGradient(dst, x []float32) float64 {
	r, du, dx := borrow(len(h.Y)), borrow(len(h.Y)), borrow(len(x))
	defer giveBack(r, du, dx)
	h.residual(r, dx, du, x)
	value := dot(r, r) / 2
	times(r, r, du)
	h.A.Adjoint(dst, r)
	times(dst, dst, dx)
	return value
}

// HessianAt returns v -> J'J v.
func (h *Developed) HessianAt(x []float32) func(dst, v []float32) {
	r, du, dx := make([]float32, len(h.Y)), make([]float32, len(h.Y)), make([]float32, len(x))
	h.residual(r, dx, du, x)
	return func(dst, v []float32) {
		m, w := borrow(len(h.Y)), borrow(len(v))
		defer giveBack(m, w)
		times(w, v, dx)
		h.A.Apply(m, w)
		times(m, m, du)
		times(m, m, du)
		h.A.Adjoint(dst, m)
		times(dst, dst, dx)
	}
}

// Measure writes e(A d(x)).
func (h *Developed) Measure(dst, x []float32) {
	light := borrow(len(x))
	defer giveBack(light)
	Decode(light, x)
	h.A.Apply(dst, light)
	Encode(dst, dst)
}
