package solvers

import (
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// A separable fidelity is a sum of convex functions of one number of the
// measurement each, h(x) = sum_i phi_i((A x)_i): white noise of any kind.
type separable struct {
	a operators.Linear
	// phi returns phi_i(u) and its first two derivatives.
	phi func(i int, u float64) (v, d1, d2 float64)
}

// valueGradient writes A'phi'(A x) and returns h(x).
func (h separable) valueGradient(dst, x []float32) float64 {
	u := borrow(h.a.Codomain().Len())
	defer giveBack(u)
	sum := h.slopes(u, x)
	h.a.Adjoint(dst, u)
	return sum
}

// slopes writes phi'(A x) and returns h(x).
func (h separable) slopes(u, x []float32) float64 {
	h.a.Apply(u, x)
	sum := 0.0
	for i, s := range u {
		v, d, _ := h.phi(i, float64(s))
		sum += v
		u[i] = float32(d)
	}
	return sum
}

// value is h(x).
func (h separable) value(x []float32) float64 {
	u := borrow(h.a.Codomain().Len())
	defer giveBack(u)
	return h.slopes(u, x)
}

// curvatures writes phi”(A x).
func (h separable) curvatures(u, x []float32) {
	h.a.Apply(u, x)
	for i, s := range u {
		_, _, d := h.phi(i, float64(s))
		u[i] = float32(d)
	}
}

// hessianAt returns v -> A'W A v, W = diag phi”(A x).
func (h separable) hessianAt(x []float32) func(dst, v []float32) {
	w := make([]float32, h.a.Codomain().Len())
	h.curvatures(w, x)
	return func(dst, v []float32) {
		m := borrow(len(w))
		defer giveBack(m)
		h.a.Apply(m, v)
		times(m, m, w)
		h.a.Adjoint(dst, m)
	}
}

// prox minimises t h(x) + 1/2||x-v||^2 by damped Newton steps, each solved by
// conjugate gradients, to a gradient of 1e-5 relative to its two terms.
func (h separable) prox(dst, v []float32, t float64) {
	n := len(v)
	checkLen("prox", len(dst), n)
	x, g, d, z := borrow(n), borrow(n), borrow(n), borrow(n)
	defer giveBack(x, g, d, z)
	copy(x, v)
	eval := func(x []float32) float64 {
		sum := h.valueGradient(g, x)
		addScaled(g, x, t, g)
		axpy(g, -1, v)
		r := dist(x, v)
		return t*sum + r*r/2
	}
	f := eval(x)
	for range 100 {
		// At the solution t grad h and x - v cancel.
		if norm2(g) <= 1e-5*dist(x, v)+1e-7*norm2(v) {
			break
		}
		h.newton(d, x, g, 1/t, 1e-3, 50)
		// d solves (H + I/t) d = g: the step of t h is d/t.
		slope := -dot(g, d) / t
		copy(z, x)
		step, fell := 1.0, false
		for range 30 {
			addScaled(x, z, -step/t, d)
			next := eval(x)
			if next <= f+1e-4*step*slope {
				f, fell = next, true
				break
			}
			step /= 2
		}
		if !fell {
			copy(x, z)
			break
		}
	}
	copy(dst, x)
}

// newton solves (A'W A + c I) d = g, W = diag phi”(A x), to tol relative by at
// most iters conjugate gradients. Where the rows of A are nearly orthogonal,
// A A' ~ G, they run among the measurements, on
//
//	(c I + W^1/2 A A' W^1/2) t = W^1/2 A g,   d = (g - A'W^1/2 t)/c
//
// (Woodbury), preconditioned by c + W G: a handful whatever W is.
func (h separable) newton(d, x, g []float32, c, tol float64, iters int) {
	o, ok := h.a.(operators.NearlyOrthogonal)
	if !ok {
		product := h.hessianAt(x)
		clear(d)
		operators.CG{Tol: tol, MaxIters: iters, Apply: func(dst, v []float32) {
			product(dst, v)
			axpy(dst, c, v)
		}}.Solve(d, g)
		return
	}
	m := h.a.Codomain().Len()
	w, t, b, p := borrow(m), borrow(m), borrow(m), borrow(m)
	defer giveBack(w, t, b, p)
	h.curvatures(w, x)
	square := o.RowSquares()
	h.a.Apply(b, g)
	for i, k := range w {
		p[i] = 1 / (float32(c) + k*square[i])
		w[i] = float32(math.Sqrt(float64(k)))
		b[i] *= w[i]
	}
	back := borrow(len(x))
	defer giveBack(back)
	clear(t)
	operators.CG{Tol: tol, MaxIters: iters,
		Apply: func(dst, v []float32) {
			times(dst, v, w)
			h.a.Adjoint(back, dst)
			h.a.Apply(dst, back)
			times(dst, dst, w)
			axpy(dst, c, v)
		},
		Precondition: func(dst, r []float32) { times(dst, r, p) },
	}.Solve(t, b)
	times(t, t, w)
	h.a.Adjoint(d, t)
	for i, v := range g {
		d[i] = (v - d[i]) / float32(c)
	}
}
