package operators

import (
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/scratch"
)

// CG solves M x = b for a symmetric positive definite M by conjugate
// gradients (Hestenes & Stiefel 1952; Golub & Van Loan, 11.3 and 11.5):
//
//	alpha = <r,z>/<p,Mp>;  x += alpha p;  r -= alpha Mp
//	z = P r;  beta = <r+,z+>/<r,z>;  p = z+ + beta p
//
// Vectors are float32, scalars float64; relative residuals below about 1e-6
// are out of reach of single precision.
type CG struct {
	// Apply writes M x to dst. Normal makes it for A'A + rho I.
	Apply func(dst, x []float32)
	// Precondition writes P r, P symmetric positive definite and close to the
	// inverse of M, to dst. Default: P = I.
	Precondition func(dst, r []float32)
	// Tol stops at ||Mx-b|| <= Tol ||b||. Default 1e-5.
	Tol float64
	// MaxIters bounds the iterations. Default 100.
	MaxIters int
}

// Solve improves x, which holds the starting point on entry (the warm start), and
// returns the number of iterations and the relative residual of the recurrence. x must
// not overlap b.
func (c CG) Solve(x, b []float32) (iters int, residual float64) {
	checkLen("CG.Solve", len(b), len(x))
	tol, limit := c.Tol, c.MaxIters
	if tol == 0 {
		tol = 1e-5
	}
	if limit == 0 {
		limit = 100
	}
	scale := math.Sqrt(dot(b, b))
	if scale == 0 {
		clear(x)
		return 0, 0
	}
	n := len(x)
	r, p, q := scratch.Borrow(n), scratch.Borrow(n), scratch.Borrow(n)
	defer scratch.GiveBack(r, p, q)
	z := r
	if c.Precondition != nil {
		own := scratch.Borrow(n)
		defer scratch.GiveBack(own)
		z = own
	}
	precondition := func() {
		if c.Precondition != nil {
			c.Precondition(z, r)
		}
	}
	if dot(x, x) == 0 { // M 0 = 0
		copy(r, b)
	} else {
		c.Apply(r, x)
		for i, v := range b {
			r[i] = v - r[i]
		}
	}
	precondition()
	copy(p, z)
	rz, size := dot(r, z), math.Sqrt(dot(r, r))
	for iters = 0; iters < limit && size > tol*scale; iters++ {
		c.Apply(q, p)
		pq := dot(p, q)
		if !(pq > 0) {
			break
		}
		alpha := float32(rz / pq)
		for i, v := range p {
			x[i] += alpha * v
			r[i] -= alpha * q[i]
		}
		if size = math.Sqrt(dot(r, r)); size <= tol*scale {
			iters++
			break
		}
		precondition()
		next := dot(r, z)
		beta := float32(next / rz)
		for i, v := range z {
			p[i] = v + beta*p[i]
		}
		rz = next
	}
	return iters, size / scale
}

// Normal returns x -> (A'A + rho I) x, not safe for concurrent use. With CG it solves
// the normal equations of operators that are not a NormalSolver.
func Normal(a Linear, rho float64) func(dst, x []float32) {
	y := make([]float32, a.Codomain().Len())
	return func(dst, x []float32) {
		a.Apply(y, x)
		a.Adjoint(dst, y)
		kernel.Axpy(dst, float32(rho), x)
	}
}

// dot is the inner product, accumulated in float64.
func dot(a, b []float32) float64 { return kernel.Dot(a, b) }
