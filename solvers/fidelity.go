package solvers

import (
	"math"
	"sync"

	"github.com/lpn-imaging/lpn/operators"
)

// A ValueGradient computes h(x) and its gradient together, for less than both cost
// separately. Methods use it if a Smooth has it.
type ValueGradient interface {
	ValueGradient(dst, x []float32) float64
}

// A Lipschitzer knows a Lipschitz constant L of its gradient.
type Lipschitzer interface{ Lipschitz() float64 }

// A WarmProx is a Prox that is computed by iterations from a first guess, which dst
// holds on entry. dst must not overlap v.
type WarmProx interface {
	ProxFrom(dst, v []float32, t float64)
}

// A Hessian is a twice differentiable function: HessianAt returns the product
// v -> H(x) v with its Hessian at x, valid until x is changed; dst must not
// overlap v.
type Hessian interface {
	HessianAt(x []float32) func(dst, v []float32)
}

// A CurvatureSolver solves (H + c I) d = g in closed form for a constant Hessian H, c >
// 0; dst may equal g. HasCurvature says whether it can; SolveCurvature panics if it
// cannot.
type CurvatureSolver interface {
	HasCurvature() bool
	SolveCurvature(dst, g []float32, c float64)
}

// A CurvaturePreconditioner returns a map close to the inverse of H + rho I + mu D'D, D
// the differences of neighbouring pixels, symmetric positive definite, for conjugate
// gradients; nil if it has none.
type CurvaturePreconditioner interface {
	Preconditioner(rho, mu float64) func(dst, r []float32)
}

// A NewtonSolver solves (H(x) + c I) d = g, with H its Hessian at x, to a few percent:
// g -> d must be a positive definite map that tends to g/c as c grows.
type NewtonSolver interface {
	SolveAt(d, x, g []float32, c float64)
}

func preconditioner(h any, rho, mu float64) func(dst, r []float32) {
	if p, ok := h.(CurvaturePreconditioner); ok {
		return p.Preconditioner(rho, mu)
	}
	return nil
}

func valueGradient(h Smooth, dst, x []float32) float64 {
	if vg, ok := h.(ValueGradient); ok {
		return vg.ValueGradient(dst, x)
	}
	h.Gradient(dst, x)
	return h.Value(x)
}

func proxFrom(p Prox, dst, v []float32, t float64) {
	if w, ok := p.(WarmProx); ok {
		w.ProxFrom(dst, v, t)
		return
	}
	p.Prox(dst, v, t)
}

// LeastSquares is the Gaussian fidelity h(x) = 1/2||A x - y||^2: a Smooth of
// gradient A'(A x - y) and Lipschitz constant ||A||^2, and a Prox. It is used
// by address, and is safe for concurrent use.
type LeastSquares struct {
	A operators.Linear
	// Y is the measurement, of A's codomain.
	Y []float32
	// Tol and MaxIters are those of the conjugate gradients that compute the
	// prox of an operator without closed form. Defaults 1e-5 and 50.
	Tol      float64
	MaxIters int

	normOnce sync.Once
	lip      float64
	atyOnce  sync.Once
	aty      []float32
}

var (
	_ Smooth          = (*LeastSquares)(nil)
	_ ValueGradient   = (*LeastSquares)(nil)
	_ WarmProx        = (*LeastSquares)(nil)
	_ CurvatureSolver = (*LeastSquares)(nil)
	_ Hessian         = (*LeastSquares)(nil)

	_ CurvaturePreconditioner = (*LeastSquares)(nil)
)

// Value is 1/2||A x - y||^2.
func (h *LeastSquares) Value(x []float32) float64 {
	r := borrow(len(h.Y))
	defer giveBack(r)
	h.A.Apply(r, x)
	sub(r, r, h.Y)
	return dot(r, r) / 2
}

// Gradient is A'(A x - y).
func (h *LeastSquares) Gradient(dst, x []float32) { h.ValueGradient(dst, x) }

// ValueGradient is Value and Gradient at the price of the latter.
func (h *LeastSquares) ValueGradient(dst, x []float32) float64 {
	r := borrow(len(h.Y))
	defer giveBack(r)
	h.A.Apply(r, x)
	sub(r, r, h.Y)
	h.A.Adjoint(dst, r)
	return dot(r, r) / 2
}

// Lipschitz is ||A||^2, computed once; 1% is added to the norm where it is
// only estimated.
func (h *LeastSquares) Lipschitz() float64 {
	h.normOnce.Do(func() {
		n := operators.Norm(h.A)
		if _, exact := h.A.(operators.Normer); !exact {
			n *= 1.01
		}
		h.lip = n * n
	})
	return h.lip
}

// Convex reports true.
func (h *LeastSquares) Convex() bool { return true }

// Prox solves (A'A + I/t) x = A'y + v/t: in closed form where A is an
// operators.NormalSolver, otherwise by conjugate gradients from v.
func (h *LeastSquares) Prox(dst, v []float32, t float64) {
	checkLen("LeastSquares.Prox", len(dst), len(v))
	copy(dst, v)
	h.proxFrom(dst, v, t, len(dst) > 0 && &dst[0] == &v[0])
}

// ProxFrom is Prox with dst as the starting point of conjugate gradients.
func (h *LeastSquares) ProxFrom(dst, v []float32, t float64) {
	checkLen("LeastSquares.ProxFrom", len(dst), len(v))
	h.proxFrom(dst, v, t, false)
}

func (h *LeastSquares) proxFrom(dst, v []float32, t float64, aliased bool) {
	aty := h.adjointData()
	if s, ok := h.A.(operators.NormalSolver); ok {
		addScaled(dst, aty, 1/t, v)
		s.SolveNormal(dst, dst, 1/t)
		return
	}
	b := borrow(len(v))
	defer giveBack(b)
	addScaled(b, aty, 1/t, v)
	h.solve(dst, b, 1/t)
}

// HasCurvature reports whether A is an operators.NormalSolver.
func (h *LeastSquares) HasCurvature() bool {
	_, ok := h.A.(operators.NormalSolver)
	return ok
}

// SolveCurvature solves (A'A + c I) d = g.
func (h *LeastSquares) SolveCurvature(dst, g []float32, c float64) {
	h.A.(operators.NormalSolver).SolveNormal(dst, g, c)
}

// Preconditioner is that of A.
func (h *LeastSquares) Preconditioner(rho, mu float64) func(dst, r []float32) {
	return normalPreconditioner(h.A, rho, mu)
}

// normalPreconditioner is that of A if A is an operators.NormalPreconditioner. Of a
// NormalSolver it is the inverse with mu I in the place of mu D'D; else nil.
func normalPreconditioner(a operators.Linear, rho, mu float64) func(dst, r []float32) {
	switch a := a.(type) {
	case operators.NormalPreconditioner:
		return func(dst, r []float32) { a.PreconditionNormal(dst, r, rho, mu) }
	case operators.NormalSolver:
		return func(dst, r []float32) { a.SolveNormal(dst, r, rho+mu) }
	}
	return nil
}

// HessianAt returns v -> A'A v.
func (h *LeastSquares) HessianAt([]float32) func(dst, v []float32) {
	return func(dst, v []float32) {
		m := borrow(len(h.Y))
		defer giveBack(m)
		h.A.Apply(m, v)
		h.A.Adjoint(dst, m)
	}
}

// solve improves dst towards (A'A + rho I) x = b by conjugate gradients.
func (h *LeastSquares) solve(dst, b []float32, rho float64) {
	limit := h.MaxIters
	if limit == 0 {
		limit = 50
	}
	product := h.HessianAt(nil)
	operators.CG{
		Apply: func(dst, x []float32) {
			product(dst, x)
			axpy(dst, rho, x)
		},
		Precondition: h.Preconditioner(rho, 0),
		Tol:          h.Tol, MaxIters: limit,
	}.Solve(dst, b)
}

func (h *LeastSquares) adjointData() []float32 {
	h.atyOnce.Do(func() {
		h.aty = make([]float32, h.A.Domain().Len())
		h.A.Adjoint(h.aty, h.Y)
	})
	return h.aty
}

// Poisson is the Kullback-Leibler fidelity of counting noise,
//
//	h(x) = sum_i kl(y_i, s_i),  s = A x + b,  kl(y,s) = s - y + y log(y/s),
//
// for measurements y >= 0 in units in which one unit of s is one unit of y (counts
// divided by the gain). Below s = e, with e the background b (1e-3 when b is 0), kl is
// continued by its second-order Taylor polynomial at e: so h is convex and smooth
// everywhere, it is the exact likelihood wherever A x >= 0 (when b > 0), and its
// gradient has the Lipschitz constant ||A||^2 max_i(y_i)/e^2. That constant is far
// above the curvature in practice, so use methods that search for their step
// (PGD.Search, BPG). It is used by address and is safe for concurrent use.
type Poisson struct {
	A operators.Linear
	// Y is the measurement, of A's codomain, every sample >= 0.
	Y []float32
	// Background is the known constant b >= 0 added to A x. Default 0.
	Background float64

	normOnce sync.Once
	norm     float64
}

var (
	_ Smooth        = (*Poisson)(nil)
	_ ValueGradient = (*Poisson)(nil)
	_ Prox          = (*Poisson)(nil)
	_ Lipschitzer   = (*Poisson)(nil)
	_ Hessian       = (*Poisson)(nil)
)

func (h *Poisson) edge() float64 {
	if h.Background > 0 {
		return h.Background
	}
	return 1e-3
}

// kl returns the value and the first two derivatives in s, continued below e.
func kl(y, s, e float64) (v, d1, d2 float64) {
	at := max(s, e)
	v, d1 = at-y, 1.0
	if y > 0 {
		v += y * math.Log(y/at)
		d1 -= y / at
		d2 = y / (at * at)
	}
	if s < e {
		w := s - e
		v += d1*w + d2*w*w/2
		d1 += d2 * w
	}
	return v, d1, d2
}

func (h *Poisson) separable() separable {
	e := h.edge()
	return separable{h.A, func(i int, u float64) (v, d1, d2 float64) { return kl(float64(h.Y[i]), u+h.Background, e) }}
}

// Value is the divergence at x, 0 where A x + b = y.
func (h *Poisson) Value(x []float32) float64 { return h.separable().value(x) }

// Gradient is A'(1 - y/(A x + b)), continued.
func (h *Poisson) Gradient(dst, x []float32) { h.ValueGradient(dst, x) }

// ValueGradient is Value and Gradient at the price of the latter.
func (h *Poisson) ValueGradient(dst, x []float32) float64 {
	return h.separable().valueGradient(dst, x)
}

// HessianAt returns v -> A'D A v, D the second derivatives of kl at A x + b.
func (h *Poisson) HessianAt(x []float32) func(dst, v []float32) { return h.separable().hessianAt(x) }

// Lipschitz is ||A||^2 max(y)/e^2.
func (h *Poisson) Lipschitz() float64 {
	h.normOnce.Do(func() {
		h.norm = operators.Norm(h.A)
		if _, exact := h.A.(operators.Normer); !exact {
			h.norm *= 1.01
		}
	})
	top := 0.0
	for _, y := range h.Y {
		top = max(top, float64(y))
	}
	e := h.edge()
	return h.norm * h.norm * top / (e * e)
}

// Convex reports true.
func (h *Poisson) Convex() bool { return true }

// Prox minimises t h(x) + 1/2||x-v||^2 by damped Newton steps, each solved by
// conjugate gradients on I + t A'D A with D = diag of the second derivatives,
// to a gradient of 1e-5 relative to its two terms.
func (h *Poisson) Prox(dst, v []float32, t float64) { h.separable().prox(dst, v, t) }

// Sum is a sum of smooth functions.
type Sum []Smooth

// Value is the sum of the values.
func (s Sum) Value(x []float32) float64 {
	v := 0.0
	for _, h := range s {
		v += h.Value(x)
	}
	return v
}

// Gradient is the sum of the gradients.
func (s Sum) Gradient(dst, x []float32) { s.ValueGradient(dst, x) }

// ValueGradient is Value and Gradient together.
func (s Sum) ValueGradient(dst, x []float32) float64 {
	clear(dst)
	t := borrow(len(dst))
	defer giveBack(t)
	v := 0.0
	for _, h := range s {
		v += valueGradient(h, t, x)
		axpy(dst, 1, t)
	}
	return v
}

// HessianAt is the sum of the Hessians of the terms that have one.
func (s Sum) HessianAt(x []float32) func(dst, v []float32) {
	var parts []func(dst, v []float32)
	for _, h := range s {
		if t, ok := h.(Hessian); ok {
			parts = append(parts, t.HessianAt(x))
		}
	}
	return func(dst, v []float32) {
		clear(dst)
		t := borrow(len(v))
		defer giveBack(t)
		for _, p := range parts {
			p(t, v)
			axpy(dst, 1, t)
		}
	}
}

// Lipschitz is the sum of the constants, infinite if one is unknown.
func (s Sum) Lipschitz() float64 {
	l := 0.0
	for _, h := range s {
		l += lipschitz(h)
	}
	return l
}

// Convex reports whether every term says that it is convex.
func (s Sum) Convex() bool {
	for _, h := range s {
		if !isConvex(h) {
			return false
		}
	}
	return true
}

// lipschitz is h's own constant, or +Inf.
func lipschitz(h any) float64 {
	if l, ok := h.(Lipschitzer); ok {
		return l.Lipschitz()
	}
	return math.Inf(1)
}
