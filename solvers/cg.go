package solvers

import "math"

// CG solves M x = b for a symmetric positive definite M by conjugate
// gradients (Hestenes & Stiefel 1952; Golub & Van Loan, 11.3):
//
//	alpha = <r,r>/<p,Mp>;  x += alpha p;  r -= alpha Mp
//	beta = <r+,r+>/<r,r>;  p = r+ + beta p
//
// Vectors are float32, scalars float64; relative residuals below about 1e-6
// are out of reach of single precision and are not asked for.
type CG struct {
	// Apply writes M x to dst.
	Apply func(dst, x []float32)
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
	n := len(x)
	r, p, q := borrow(n), borrow(n), borrow(n)
	defer giveBack(r, p, q)
	scale := norm2(b)
	if scale == 0 {
		clear(x)
		return 0, 0
	}
	c.Apply(r, x)
	sub(r, b, r)
	copy(p, r)
	rr := dot(r, r)
	for iters = 0; iters < limit && math.Sqrt(rr) > tol*scale; iters++ {
		c.Apply(q, p)
		pq := dot(p, q)
		if !(pq > 0) {
			break
		}
		alpha := rr / pq
		axpy(alpha, p, x)
		axpy(-alpha, q, r)
		next := dot(r, r)
		addScaled(p, r, next/rr, p)
		rr = next
	}
	return iters, math.Sqrt(rr) / scale
}
