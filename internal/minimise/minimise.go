// Package minimise finds minima of functions that give values and no derivatives.
package minimise

import "math"

// Golden searches for the minimum of f on [lo,hi] by golden-section search (Kiefer
// 1953), which assumes that f falls and then rises. It evaluates f at most n times,
// twice at least, and stops when the interval that holds the minimum is no longer than
// tol. It returns the best of the last two points, and f there.
func Golden(lo, hi float64, n int, tol float64, f func(float64) float64) (x, value float64) {
	inv := (math.Sqrt(5) - 1) / 2
	a, b := hi-inv*(hi-lo), lo+inv*(hi-lo)
	fa, fb := f(a), f(b)
	for k := 2; k < n && hi-lo > tol; k++ {
		if fa <= fb {
			hi, b, fb = b, a, fa
			a = hi - inv*(hi-lo)
			fa = f(a)
		} else {
			lo, a, fa = a, b, fb
			b = lo + inv*(hi-lo)
			fb = f(b)
		}
	}
	if fa <= fb {
		return a, fa
	}
	return b, fb
}
