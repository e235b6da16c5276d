package main

import (
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/solvers"
)

// A weighted is g = lambda R as a prox, for the solvers that want one. With
// tau = t lambda,
//
//	prox_{t g}(v) = f(y),  y = argmin (1-tau) psi(y) + tau/2 ||y||^2 - <v,y>,
//
// which is f(v) itself at tau = 1 and a strongly convex problem for tau < 1,
// solved by Newton's method with conjugate gradients from the point of the
// call before. It serves one solver at a time.
type weighted struct {
	psi    *lpn.Bound
	lambda float64
	y      []float32 // of the last call; nil before the first
	f, d   []float32
}

// exactTau is how close to 1 tau counts as 1.
const exactTau = 1e-6

func newWeighted(psi *lpn.Bound, lambda float64, n int) *weighted {
	return &weighted{psi: psi, lambda: lambda, f: make([]float32, n), d: make([]float32, n)}
}

func (w *weighted) StrongConvexity() float64     { return w.psi.StrongConvexity() }
func (w *weighted) BoundedBelow() (bool, string) { return w.psi.BoundedBelow() }

func (w *weighted) Prox(dst, v []float32, t float64) { w.ProxValue(dst, v, t) }

// ProxValue writes the prox and returns lambda R at it,
// R(f(y)) = <y,f(y)> - 1/2||f(y)||^2 - psi(y).
func (w *weighted) ProxValue(dst, v []float32, t float64) float64 {
	tau := t * w.lambda
	if w.y == nil {
		w.y = append([]float32(nil), v...)
	}
	var psi float64
	if tau > 1-exactTau {
		copy(w.y, v)
		psi = w.psi.Eval(w.f, w.y)
	} else {
		psi = w.invert(v, tau)
	}
	copy(dst, w.f)
	return w.lambda * (dot(w.y, w.f) - dot(w.f, w.f)/2 - psi)
}

// invert moves y to the minimiser and f to grad psi there; it returns psi(y).
func (w *weighted) invert(v []float32, tau float64) (psi float64) {
	goal := 1e-10 * (dot(v, v) + 1e-12) // of the gradient's square
	grad := make([]float32, len(v))
	next := make([]float32, len(v))
	merit := func(y []float32, psi float64) float64 { return (1-tau)*psi + tau/2*dot(y, y) - dot(v, y) }
	psi = w.psi.Eval(w.f, w.y)
	for range 30 {
		for i := range grad {
			grad[i] = v[i] - float32(1-tau)*w.f[i] - float32(tau)*w.y[i]
		}
		g := dot(grad, grad)
		if g <= goal {
			break
		}
		clear(w.d)
		solvers.CG{Tol: 0.1, MaxIters: 30, Apply: func(dst, x []float32) {
			w.psi.Hess(dst, w.y, x)
			for i := range dst {
				dst[i] = float32(1-tau)*dst[i] + float32(tau)*x[i]
			}
		}}.Solve(w.d, grad)
		before, slope := merit(w.y, psi), dot(grad, w.d)
		step, done := 1.0, false
		for range 20 {
			for i := range next {
				next[i] = w.y[i] + float32(step)*w.d[i]
			}
			p := w.psi.Eval(w.f, next)
			if merit(next, p) <= before-1e-4*step*slope {
				w.y, next, psi, done = next, w.y, p, true
				break
			}
			step /= 2
		}
		if !done { // rounding is all that is left
			return w.psi.Eval(w.f, w.y)
		}
	}
	return psi
}

func dot(a, b []float32) (s float64) {
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}
