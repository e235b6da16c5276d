package solvers

import "math"

// CG solves M x = b for a symmetric positive definite M by conjugate
// gradients (Hestenes & Stiefel 1952; Golub & Van Loan, 11.3 and 11.5):
//
//	alpha = <r,z>/<p,Mp>;  x += alpha p;  r -= alpha Mp
//	z = P r;  beta = <r+,z+>/<r,z>;  p = z+ + beta p
//
// Vectors are float32, scalars float64; relative residuals below about 1e-6
// are out of reach of single precision.
type CG struct {
	// Apply writes M x to dst.
	Apply func(dst, x []float32)
	// Precondition writes P r, P symmetric positive definite and close to the
	// inverse of M, to dst. Default: P = I.
	Precondition func(dst, r []float32)
	// Tol stops at ||Mx-b|| <= Tol ||b||. Default 1e-5.
	Tol float64
	// MaxIters bounds the iterations. Default 100.
	MaxIters int
}

// Solve improves x, which holds the starting point on entry (the warm start),
// and returns the iterations made and the relative residual reached, as the
// recurrence sees it.
func (c CG) Solve(x, b []float32) (iters int, residual float64) {
	checkLen("CG.Solve", len(b), len(x))
	tol, limit := c.Tol, c.MaxIters
	if tol == 0 {
		tol = 1e-5
	}
	if limit == 0 {
		limit = 100
	}
	scale := norm2(b)
	if scale == 0 {
		clear(x)
		return 0, 0
	}
	n := len(x)
	r, p, q, z := borrow(n), borrow(n), borrow(n), borrow(n)
	defer giveBack(r, p, q, z)
	precondition := c.Precondition
	if precondition == nil {
		precondition = func(dst, r []float32) { copy(dst, r) }
	}
	c.Apply(r, x)
	sub(r, b, r)
	precondition(z, r)
	copy(p, z)
	rz, size := dot(r, z), norm2(r)
	for iters = 0; iters < limit && size > tol*scale; iters++ {
		c.Apply(q, p)
		pq := dot(p, q)
		if !(pq > 0) {
			break
		}
		alpha := rz / pq
		axpy(alpha, p, x)
		axpy(-alpha, q, r)
		size = math.Sqrt(dot(r, r))
		precondition(z, r)
		next := dot(r, z)
		addScaled(p, z, next/rz, p)
		rz = next
	}
	return iters, size / scale
}
