package solvers

import "iter"

// A Smooth is a differentiable function h with its gradient. Value and
// Gradient do not modify x; dst must not overlap x.
type Smooth interface {
	Value(x []float32) float64
	Gradient(dst, x []float32)
}

// A Prox evaluates prox_{t g}(v) = argmin_x t g(x) + 1/2||x-v||^2 into dst,
// for t > 0. dst may equal v.
type Prox interface {
	Prox(dst, v []float32, t float64)
}

// A ValuedProx also returns g at the point it computed, at no further cost.
type ValuedProx interface {
	Prox
	ProxValue(dst, v []float32, t float64) (g float64)
}

// A Potential is a differentiable convex function psi; its gradient f is, by
// Gribonval & Nikolova (2020), the proximal operator of a function R:
// f(y) = argmin_x 1/2||x-y||^2 + R(x).
type Potential interface {
	// Eval writes f(y) = grad psi(y) to dst and returns psi(y).
	// dst may equal y. Safe for concurrent use.
	Eval(dst, y []float32) (psi float64)
}

// An Iterate is the state of a Method after an iteration.
type Iterate struct {
	// K is the iteration's number, from 1.
	K int
	// X is the current estimate. It belongs to the method: read it before
	// asking for the next iterate, copy it to keep it.
	X []float32
	// Objective is F at X, Data the fidelity's part of it and Prior the
	// rest; NaN where the method does not know it.
	Objective, Data, Prior float64
	// Residual is a relative measure of optimality, which the method's documentation
	// defines; NaN if unknown.
	Residual float64
}

// A Method yields iterates from x0 for as long as the caller wants them: the
// loop, its stopping rule and its records belong to the caller.
type Method interface {
	Steps(x0 []float32) iter.Seq[Iterate]
}
