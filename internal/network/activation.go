package network

import (
	"fmt"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// An Activation is a convex scalar function together with its derivatives.
type Activation struct {
	Kind ActKind
	Beta float64 // sharpness of the softplus, threshold of Huber; unused by HardGate
}

// ActKind names an activation.
type ActKind int

const (
	// Softplus is log(1+exp(beta x))/beta. Order 1 is the sigmoid
	// s = 1/(1+exp(-beta x)), order 2 is beta*s*(1-s).
	Softplus ActKind = iota
	// HardGate is the integral of the hard sigmoid clamp(x/2+1/2, 0, 1):
	// 0 below -1, (x+1)^2/4 on [-1,1], x above. Order 1 is the hard sigmoid,
	// order 2 is 1/2 on (-1,1) and 0 elsewhere.
	HardGate
	// Huber is x^2/2 within +-beta and beta(|x|-beta/2) beyond. Order 1 is
	// clamp(x, -beta, beta), order 2 is 1 on (-beta,beta) and 0 elsewhere.
	Huber
)

// WithSlope returns the function that computes a in z and its derivative in s, of
// which either may be nil.
func (a Activation) WithSlope() func(z, s, x []float32) {
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
	both, beta := a.WithSlope(), float32(a.Beta)
	switch order {
	case 0:
		return func(dst, x []float32) { both(dst, nil, x) }
	case 1:
		return func(dst, x []float32) { both(nil, dst, x) }
	case 2:
		switch a.Kind {
		case HardGate:
			return kernel.HardGateD2
		case Huber:
			return func(dst, x []float32) { kernel.HuberD2(dst, x, beta) }
		}
		return func(dst, x []float32) { kernel.SoftplusD2(dst, x, beta) }
	}
	panic(fmt.Sprintf("network: no derivative of order %d", order))
}
