package solvers

import (
	"fmt"
	"math"
	"sync"

	"github.com/lpn-imaging/lpn/operators"
)

// Quantised is the fidelity of numbers that were rounded to multiples of a step, as in
// a JPEG file: the truth is within half a step of the rounded number, up to the noise
// before the rounding. With u = A x,
//
//	h(x) = sum_i softplus((u_i - y_i - q_i/2)/s_i) + softplus((y_i - q_i/2 - u_i)/s_i),
//
// softplus(t) = log(1 + e^t): two walls, of a box as wide as the step, that are s wide
// themselves. Up to a constant it is -log of the probability that u plus logistic noise
// of scale s (standard deviation pi s/sqrt 3) is rounded to y, so it is the likelihood
// of noise and rounding together. It is convex and smooth, close to 0 inside the box
// and linear far outside, so that a wrong number counts little; its gradient has the
// Lipschitz constant ||A||^2 max 1/(2 s^2). As s tends to 0 it becomes a box.
//
// It is used by address, and is safe for concurrent use.
type Quantised struct {
	A operators.Linear
	// Y are the rounded numbers, of A's codomain.
	Y []float32
	// Step is q, Scale is s, one a number, positive.
	Step, Scale []float32

	normOnce sync.Once
	lip      float64
}

var (
	_ Smooth        = (*Quantised)(nil)
	_ ValueGradient = (*Quantised)(nil)
	_ Prox          = (*Quantised)(nil)
	_ Lipschitzer   = (*Quantised)(nil)
	_ Hessian       = (*Quantised)(nil)
	_ NewtonSolver  = (*Quantised)(nil)
)

func (h *Quantised) separable() separable {
	return separable{h.A, func(i int, u float64) (v, d1, d2 float64) {
		return walls(u-float64(h.Y[i]), float64(h.Step[i])/2, float64(h.Scale[i]))
	}}
}

// walls is softplus((d-half)/s) + softplus((-d-half)/s) with its first two
// derivatives in d.
func walls(d, half, s float64) (v, d1, d2 float64) {
	up, down := math.Exp((math.Abs(d)-half)/s), math.Exp((-math.Abs(d)-half)/s)
	v = math.Log1p(down)
	if above := (math.Abs(d) - half) / s; above > 30 {
		v += above
		up = math.Exp(30)
	} else {
		v += math.Log1p(up)
	}
	p, q := up/(1+up), down/(1+down)
	return v, math.Copysign((p-q)/s, d), (p/(1+up) + q/(1+down)) / (s * s)
}

// Value is h(x).
func (h *Quantised) Value(x []float32) float64 { return h.separable().value(x) }

// Gradient is that of Value.
func (h *Quantised) Gradient(dst, x []float32) { h.ValueGradient(dst, x) }

// ValueGradient is Value and Gradient at the price of the latter.
func (h *Quantised) ValueGradient(dst, x []float32) float64 {
	return h.separable().valueGradient(dst, x)
}

// HessianAt returns the product with the Hessian at x.
func (h *Quantised) HessianAt(x []float32) func(dst, v []float32) {
	return h.separable().hessianAt(x)
}

// SolveAt solves (H(x) + c I) d = g to a few percent.
func (h *Quantised) SolveAt(d, x, g []float32, c float64) {
	h.separable().newton(d, x, g, c, 0.05, 40)
}

// Lipschitz is ||A||^2 max 1/(2 s^2).
func (h *Quantised) Lipschitz() float64 {
	h.normOnce.Do(func() {
		n := operators.Norm(h.A)
		if _, exact := h.A.(operators.Normer); !exact {
			n *= 1.01
		}
		least := float32(math.Inf(1))
		for i, s := range h.Scale {
			if !(s > 0) || !(h.Step[i] > 0) {
				panic(fmt.Sprintf("solvers: Quantised: number %d has the step %v and the scale %v, want both positive", i, h.Step[i], s))
			}
			least = min(least, s)
		}
		h.lip = n * n / (2 * float64(least) * float64(least))
	})
	return h.lip
}

// Convex reports true.
func (h *Quantised) Convex() bool { return true }

// Prox minimises t h(x) + 1/2||x-v||^2 by damped Newton steps, to a gradient of
// 1e-5 relative to its two terms.
func (h *Quantised) Prox(dst, v []float32, t float64) { h.separable().prox(dst, v, t) }
