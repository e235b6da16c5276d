package operators

import "math"

// SolveNormalCG solves (A'A + rho I) x = b by conjugate gradients from the x
// in dst on entry (zero it for a cold start), until the residual is below tol
// times ||b|| or iters iterations are done. It returns the iterations done and
// the relative residual reached, both of the recurrence. dst must not overlap
// b.
func SolveNormalCG(a Linear, dst, b []float32, rho, tol float64, iters int) (int, float64) {
	n := a.Domain().Len()
	checkLen("SolveNormalCG dst", len(dst), n)
	checkLen("SolveNormalCG b", len(b), n)
	scale := math.Sqrt(dot(b, b))
	if scale == 0 {
		clear(dst)
		return 0, 0
	}
	y := make([]float32, a.Codomain().Len())
	r, p, q := make([]float32, n), make([]float32, n), make([]float32, n)
	normal := func(dst, x []float32) {
		a.Apply(y, x)
		a.Adjoint(dst, y)
		for i, v := range x {
			dst[i] += float32(rho) * v
		}
	}
	normal(r, dst)
	for i, v := range b {
		r[i] = v - r[i]
	}
	copy(p, r)
	rr := dot(r, r)
	k := 0
	for ; k < iters && math.Sqrt(rr) > tol*scale; k++ {
		normal(q, p)
		pq := dot(p, q)
		if !(pq > 0) {
			break
		}
		step := float32(rr / pq)
		for i := range dst {
			dst[i] += step * p[i]
			r[i] -= step * q[i]
		}
		next := dot(r, r)
		beta := float32(next / rr)
		rr = next
		for i := range p {
			p[i] = r[i] + beta*p[i]
		}
	}
	return k, math.Sqrt(rr) / scale
}

// dot is the inner product, accumulated in float64.
func dot(a, b []float32) float64 {
	s := 0.0
	for i, v := range a {
		s += float64(v) * float64(b[i])
	}
	return s
}
