package solvers

import (
	"math"
	"sync"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// Weighted is the Gaussian fidelity of noise of covariance S,
//
//	h(x) = 1/2 (A x - y)' S^-1 (A x - y),
//
// for noise with a different level in each sample, or with correlation between
// neighbours and channels. It is a Smooth of gradient A'S^-1(A x - y), with the
// Lipschitz constant ||A||^2 ||S^-1||, and a Prox, so every method takes it, and the
// theorems hold with S^-1/2 A in place of A. Because h is in units of the noise, the
// statistical weight of a prior trained at sigma is 1/sigma^2, and S = s^2 I gives
// LeastSquares/s^2.
//
// For A = I and a closed S (see noise.Covariance), and for A an operators.Selector and a
// diagonal S, the prox and the curvature are closed forms; elsewhere they take conjugate
// gradients. It is used by address, and is safe for concurrent use.
type Weighted struct {
	A operators.Linear
	// Y is the measurement, of A's codomain, S the covariance of its noise.
	Y []float32
	S *noise.Covariance
	// Tol and MaxIters are those of conjugate gradients. Defaults 1e-5 and 50.
	Tol      float64
	MaxIters int

	once sync.Once
	lip  float64
}

var (
	_ Smooth          = (*Weighted)(nil)
	_ ValueGradient   = (*Weighted)(nil)
	_ WarmProx        = (*Weighted)(nil)
	_ CurvatureSolver = (*Weighted)(nil)
	_ Hessian         = (*Weighted)(nil)
	_ Lipschitzer     = (*Weighted)(nil)
)

// Value is 1/2||S^-1/2 (A x - y)||^2.
func (h *Weighted) Value(x []float32) float64 {
	r := borrow(len(h.Y))
	defer giveBack(r)
	h.A.Apply(r, x)
	sub(r, r, h.Y)
	h.S.Whiten(r, r)
	return dot(r, r) / 2
}

// Gradient is A'S^-1(A x - y).
func (h *Weighted) Gradient(dst, x []float32) { h.ValueGradient(dst, x) }

// ValueGradient is Value and Gradient at the price of the latter.
func (h *Weighted) ValueGradient(dst, x []float32) float64 {
	r, w := borrow(len(h.Y)), borrow(len(h.Y))
	defer giveBack(r, w)
	h.A.Apply(r, x)
	sub(r, r, h.Y)
	h.S.Precision(w, r)
	h.A.Adjoint(dst, w)
	return dot(r, w) / 2
}

// Lipschitz is ||A||^2 ||S^-1||; 1% is added to the norm where it is only
// estimated.
func (h *Weighted) Lipschitz() float64 {
	h.once.Do(func() {
		n := operators.Norm(h.A)
		if _, exact := h.A.(operators.Normer); !exact {
			n *= 1.01
		}
		h.lip = n * n * h.S.Bound()
	})
	return h.lip
}

// Convex reports true.
func (h *Weighted) Convex() bool { return true }

// HasCurvature reports whether A'S^-1 A + c I has an inverse in closed form.
func (h *Weighted) HasCurvature() bool {
	switch h.A.(type) {
	case *operators.Identity:
		return h.S.Closed()
	case operators.Selector:
		return h.S.Diagonal()
	}
	return false
}

// SolveCurvature solves (A'S^-1 A + c I) d = g where HasCurvature; dst is not g.
func (h *Weighted) SolveCurvature(dst, g []float32, c float64) {
	h.S.Solve(dst, g, c)
	if s, ok := h.A.(operators.Selector); ok {
		for i, v := range g {
			if !s.Selects(i) {
				dst[i] = float32(float64(v) / c)
			}
		}
	}
}

// HessianAt returns v -> A'S^-1 A v.
func (h *Weighted) HessianAt([]float32) func(dst, v []float32) {
	return func(dst, v []float32) {
		m := borrow(len(h.Y))
		defer giveBack(m)
		h.A.Apply(m, v)
		h.S.Precision(m, m)
		h.A.Adjoint(dst, m)
	}
}

// Prox solves (A'S^-1 A + I/t) x = A'S^-1 y + v/t: in closed form where there is
// one, otherwise by conjugate gradients from v.
func (h *Weighted) Prox(dst, v []float32, t float64) {
	checkLen("Weighted.Prox", len(dst), len(v))
	kept := borrow(len(v))
	defer giveBack(kept)
	copy(kept, v)
	copy(dst, v)
	h.ProxFrom(dst, kept, t)
}

// ProxFrom is Prox with dst as the starting point of conjugate gradients.
func (h *Weighted) ProxFrom(dst, v []float32, t float64) {
	checkLen("Weighted.ProxFrom", len(dst), len(v))
	b, w := borrow(len(v)), borrow(len(h.Y))
	defer giveBack(b, w)
	h.S.Precision(w, h.Y)
	h.A.Adjoint(b, w)
	axpy(b, 1/t, v)
	if h.HasCurvature() {
		h.SolveCurvature(dst, b, 1/t)
		return
	}
	limit := h.MaxIters
	if limit == 0 {
		limit = 50
	}
	product := h.HessianAt(nil)
	operators.CG{
		Apply: func(dst, x []float32) {
			product(dst, x)
			axpy(dst, 1/t, x)
		},
		Tol: h.Tol, MaxIters: limit,
	}.Solve(dst, b)
}

// Discrepancy is ||S^-1/2 (A x - y)||^2 over the number of samples: about 1 if A x - y
// is the noise, and far below if the result contains the noise.
func (h *Weighted) Discrepancy(x []float32) float64 {
	return 2 * h.Value(x) / math.Max(1, float64(len(h.Y)))
}
