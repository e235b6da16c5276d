package lpn

import (
	"iter"
	"math"
	"runtime"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/scratch"
	"github.com/lpn-imaging/lpn/solvers"
)

// A PriorValue is the value of R at a point x, with its errors.
type PriorValue struct {
	// R is the prior's value in the potential's units, Weight times <y,x> - 1/2||x||^2
	// - psi(y): a lower bound, by at most Gap. NaN if InRange is false.
	R float64 `json:"value"`
	// Residual is ||f(y)-x|| / max(||x||, 0.1 sqrt(n)): relative, except for pictures
	// so dark that rounding dominates.
	Residual float64 `json:"residual"`
	// Gap is Weight ||f(y)-x||^2/(2m), m the modulus of psi; +Inf if m is not known to
	// be positive.
	Gap float64 `json:"gap"`
	// Iterations and Calls count steps and evaluations of the network.
	Iterations int `json:"iterations"`
	Calls      int `json:"calls"`
	// InRange says that a y with f(y) = x was found, to a residual of 100 Tol. With m >
	// 0 every x is in the range of f, but for an x far from all pictures the y may not
	// be found in single precision.
	InRange bool `json:"in_range"`
	// Dual is that y; grad R(x) = y - x. It is nil if InRange is false.
	Dual []float32 `json:"-"`
}

// At evaluates R at x: it inverts f there, y = argmin psi(y) - <x,y>, by
// L-BFGS from y = x.
func (p Prior) At(x []float32) PriorValue { return p.AtFrom(x, nil) }

// AtFrom is At from the guess y of the dual point, for instance that of a point nearby;
// nil means x.
func (p Prior) AtFrom(x, y []float32) PriorValue {
	dual := make([]float32, len(x))
	if y == nil {
		y = x
	}
	copy(dual, y)
	fx := borrow(len(x))
	defer giveBack(fx)
	goal := p.tol() * scaleOf(x)
	s := legendre{psi: p.Psi, a: 1, v: x}.solve(dual, fx, goal, p.maxCalls())
	v := PriorValue{R: math.NaN(), Residual: s.grad / scaleOf(x), Iterations: s.iterations, Calls: s.calls, Gap: math.Inf(1)}
	if m := p.StrongConvexity(); m > 0 {
		v.Gap = p.weight() * s.grad * s.grad / (2 * m)
	}
	if v.InRange = v.Residual <= 100*p.tol(); v.InRange {
		v.R = p.weight() * (dot(dual, x) - dot(x, x)/2 - s.psi)
		v.Dual = dual
	}
	return v
}

// AtEach is At for many points, on all cores. Bind the network with Threads(1) for it.
// The values do not depend on the number of cores.
func (p Prior) AtEach(xs [][]float32) []PriorValue {
	vs := make([]PriorValue, len(xs))
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), len(xs)) {
		wg.Go(func() {
			for i := range next {
				vs[i] = p.At(xs[i])
			}
		})
	}
	for i := range xs {
		next <- i
	}
	close(next)
	wg.Wait()
	return vs
}

// Along is At for points that follow each other on a path, each started from the dual
// point of the one before, moved like the point. A point is evaluated when the loop
// reaches it; the caller may reuse its slice for the next one.
func (p Prior) Along(xs iter.Seq[[]float32]) iter.Seq[PriorValue] {
	return func(yield func(PriorValue) bool) {
		var last, y []float32 // the point before, and its dual; y nil: not known
		for x := range xs {
			var from []float32
			if y != nil {
				from = make([]float32, len(x))
				for k := range from {
					from[k] = y[k] + x[k] - last[k]
				}
			}
			v := p.AtFrom(x, from)
			last, y = append(last[:0], x...), v.Dual
			if !yield(v) {
				return
			}
		}
	}
}

// scaleOf is what a residual at x is relative to.
func scaleOf(x []float32) float64 {
	return max(math.Sqrt(dot(x, x)), 0.1*math.Sqrt(float64(len(x))))
}

// A legendre is the problem min a psi(y) + b/2||y||^2 - <v,y>, of gradient
// a f(y) + b y - v: the inversion of f at a=1, b=0, and the prox of another
// strength.
type legendre struct {
	psi  solvers.Potential
	a, b float64
	v    []float32
}

// eval writes f(y) and the gradient at y.
func (q legendre) eval(f, g, y []float32) (psi float64) {
	psi = q.psi.Eval(f, y)
	a, b := float32(q.a), float32(q.b)
	for i, u := range f {
		g[i] = a*u + b*y[i] - q.v[i]
	}
	return psi
}

// A solved is how a legendre ended.
type solved struct {
	psi, grad         float64 // psi(y), the gradient's norm at y
	iterations, calls int
}

// lbfgsMemory is the number of steps remembered: the network costs so much
// more than a pass over a vector that a long memory pays.
const lbfgsMemory = 20

// solve moves y to the minimiser and writes f(y) to f, by L-BFGS (Liu &
// Nocedal 1989; Nocedal & Wright, algorithm 7.4). The line search looks at
// slopes only, as values of a nearly solved problem differ by less than their
// rounding error: a convex function has fallen where its slope along the
// step is still negative, and the search ends when the slope has shrunk to
// nine tenths, whatever its sign. The first step of length 1 from y=v leads
// to the second order guess v + (v - f(v)) of the dual point.
//
// It ends when the gradient's norm is at most goal, after maxCalls calls, or
// when 25 steps in a row have not lowered the least norm seen by 3%
// (rounding is all that is left); y is the best point found.
func (q legendre) solve(y, f []float32, goal float64, maxCalls int) solved {
	n := len(y)
	g, d, next, gn, fn, bestY := borrow(n), borrow(n), borrow(n), borrow(n), borrow(n), borrow(n)
	var mem history
	defer func() { mem.free(); giveBack(g, d, next, gn, fn, bestY) }()

	s := solved{calls: 1}
	s.psi = q.eval(f, g, y)
	s.grad = norm(g)
	best, stale, fresh := s, 0, math.Inf(1)
	copy(bestY, y)
	for s.grad > goal && s.calls < maxCalls && !math.IsNaN(s.grad) {
		if stale == 25 {
			// A memory of old slopes can be to blame: once more without it.
			if best.grad > 0.5*fresh {
				break
			}
			fresh, stale = best.grad, 0
			copy(y, bestY)
			s.psi = q.eval(f, g, y)
			s.calls++
			s.grad = norm(g)
			mem.free()
		}
		mem.direction(d, g, 1/(q.a+q.b))
		slope0 := dot(g, d)
		if !(slope0 < 0) {
			mem.free()
			continue
		}
		// Bracket [lo,hi] of the slope's zero, slopes at its ends.
		lo, hi, sLo, sHi, t := 0.0, math.Inf(1), slope0, 0.0, 1.0
		for {
			for i := range next {
				next[i] = y[i] + float32(t)*d[i]
			}
			s.psi = q.eval(fn, gn, next)
			s.calls++
			slope := dot(gn, d)
			if math.Abs(slope) <= 0.9*-slope0 || s.calls >= maxCalls {
				break
			}
			if slope < 0 {
				lo, sLo = t, slope
			} else {
				hi, sHi = t, slope
			}
			if math.IsInf(hi, 1) {
				t *= min(10, max(2, slope0/(slope0-slope)))
				continue
			}
			u := lo + (hi-lo)*sLo/(sLo-sHi)
			if margin := 0.1 * (hi - lo); !(u > lo+margin && u < hi-margin) {
				u = (lo + hi) / 2
			}
			if hi-lo < 1e-6*hi {
				break
			}
			t = u
		}
		mem.push(t, d, gn, g)
		copy(y, next)
		g, gn = gn, g
		s.iterations++
		s.grad = norm(g)
		if s.grad < 0.97*best.grad {
			stale = 0
		} else {
			stale++
		}
		if s.grad < best.grad {
			best = s
			copy(bestY, y)
			copy(f, fn)
		}
	}
	best.iterations, best.calls = s.iterations, s.calls
	copy(y, bestY)
	return best
}

// A history is the last steps s and changes z of the gradient.
type history struct {
	s, z [][]float32
	rho  []float64 // 1/<s,z>
}

// push remembers the step t d and the change of the gradient.
func (m *history) push(t float64, d, after, before []float32) {
	n := len(d)
	var s, z []float32
	if len(m.s) == lbfgsMemory {
		s, z = m.s[0], m.z[0]
		m.s, m.z, m.rho = m.s[1:], m.z[1:], m.rho[1:]
	} else {
		s, z = borrow(n), borrow(n)
	}
	for i := range s {
		s[i] = float32(t) * d[i]
		z[i] = after[i] - before[i]
	}
	sz := dot(s, z)
	if !(sz > 1e-12*math.Sqrt(dot(s, s)*dot(z, z))) {
		giveBack(s, z)
		return
	}
	m.s, m.z, m.rho = append(m.s, s), append(m.z, z), append(m.rho, 1/sz)
}

// direction writes d = -H g by the two-loop recursion, H_0 = h I before
// anything is remembered.
func (m *history) direction(d, g []float32, h float64) {
	for i, v := range g {
		d[i] = -v
	}
	var alpha [lbfgsMemory]float64
	for i := len(m.s) - 1; i >= 0; i-- {
		alpha[i] = m.rho[i] * dot(m.s[i], d)
		axpy(d, -alpha[i], m.z[i])
	}
	if k := len(m.s) - 1; k >= 0 {
		h = 1 / (m.rho[k] * dot(m.z[k], m.z[k]))
	}
	for i := range d {
		d[i] *= float32(h)
	}
	for i := range m.s {
		axpy(d, alpha[i]-m.rho[i]*dot(m.z[i], d), m.s[i])
	}
}

func (m *history) free() {
	giveBack(m.s...)
	giveBack(m.z...)
	m.s, m.z, m.rho = nil, nil, nil
}

// borrow returns n samples of any content, giveBack ends the loan.
func borrow(n int) []float32   { return scratch.Borrow(n) }
func giveBack(bs ...[]float32) { scratch.GiveBack(bs...) }

// dot is <a,b>, accumulated in float64.
func dot(a, b []float32) float64 { return kernel.Dot(a, b) }

func norm(a []float32) float64 { return math.Sqrt(dot(a, a)) }

// axpy is dst += k x.
func axpy(dst []float32, k float64, x []float32) { kernel.Axpy(dst, float32(k), x) }
