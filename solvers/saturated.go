package solvers

import (
	"sync"

	"github.com/lpn-imaging/lpn/operators"
)

// Saturated is the Gaussian fidelity of a measurement that was clipped to [Lo,Hi]. For
// a sample at an end, every truth there or beyond fits:
//
//	h(x) = 1/2 sum_i r_i^2,   r = A x - y,
//	       with max(r_i, 0) in the place of r_i where y_i <= Lo,
//	       and  min(r_i, 0) where y_i >= Hi.
//
// Lamps in a night picture are such samples: without clipping they would contradict
// every blur. It is convex and smooth, with the Lipschitz constant ||A||^2, and equals
// LeastSquares if no sample is at an end. It is used by address, and is safe for
// concurrent use.
type Saturated struct {
	A operators.Linear
	// Y is the measurement, of A's codomain.
	Y []float32
	// Lo and Hi are the ends of the range.
	Lo, Hi float32

	once sync.Once
	lip  float64
}

var (
	_ Smooth                  = (*Saturated)(nil)
	_ ValueGradient           = (*Saturated)(nil)
	_ Prox                    = (*Saturated)(nil)
	_ Lipschitzer             = (*Saturated)(nil)
	_ Hessian                 = (*Saturated)(nil)
	_ CurvaturePreconditioner = (*Saturated)(nil)
)

func (h *Saturated) separable() separable {
	return separable{h.A, func(i int, u float64) (v, d1, d2 float64) {
		y := h.Y[i]
		r := u - float64(y)
		if y >= h.Hi && r > 0 || y <= h.Lo && r < 0 {
			return 0, 0, 0
		}
		return r * r / 2, r, 1
	}}
}

// Value is h(x).
func (h *Saturated) Value(x []float32) float64 { return h.separable().value(x) }

// Gradient is that of Value.
func (h *Saturated) Gradient(dst, x []float32) { h.ValueGradient(dst, x) }

// ValueGradient is Value and Gradient at the price of the latter.
func (h *Saturated) ValueGradient(dst, x []float32) float64 {
	return h.separable().valueGradient(dst, x)
}

// HessianAt returns the product with the Hessian at x.
func (h *Saturated) HessianAt(x []float32) func(dst, v []float32) {
	return h.separable().hessianAt(x)
}

// Preconditioner is that of A. It ignores the samples at an end.
func (h *Saturated) Preconditioner(rho, mu float64) func(dst, r []float32) {
	return normalPreconditioner(h.A, rho, mu)
}

// Prox minimises t h(x) + 1/2||x-v||^2 by Newton's method.
func (h *Saturated) Prox(dst, v []float32, t float64) { h.separable().prox(dst, v, t) }

// Convex reports true.
func (h *Saturated) Convex() bool { return true }

// Lipschitz is ||A||^2; 1% is added to the norm where it is only estimated.
func (h *Saturated) Lipschitz() float64 {
	h.once.Do(func() { h.lip = (&LeastSquares{A: h.A, Y: h.Y}).Lipschitz() })
	return h.lip
}
