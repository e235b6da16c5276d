package solvers

import (
	"iter"
	"math"
)

// BPG is Bregman proximal gradient descent in the geometry of a learned
// prior (Bauschke, Bolte & Teboulle 2017; Bolte, Sabach, Teboulle &
// Vaisbourd 2018, with psi* = R + 1/2||.||^2 as the reference function). Its
// variable is the dual point y, of which x = f(y) = grad psi(y) is the
// picture:
//
//	x_k = f(y_k)
//	g_k = grad h(x_k) + lambda (y_k - x_k)        (the gradient of F at x_k)
//	y_{k+1} = y_k - P g_k,   P = I/c or (H + c I)^-1
//
// on F(x) = h(x) + lambda R(x), for any lambda > 0: the weight is free of the
// step. An iteration is one evaluation of the network, and F costs nothing:
// R(x) = <y,x> - 1/2||x||^2 - psi(y), grad R(x) = y - x.
//
// With P = I/c this is Bregman descent of step 1/c; F falls whenever
// c >= L = lambda + max(0, ||A||^2 - lambda) Lip(f). Where h has a fast solver
// for its curvature H = A'A (a CurvatureSolver), P = (H + c I)^-1 is used; at
// c = lambda that is ADMM in the order x,u,z with rho = lambda, written in
// y = x + u, and as c grows it becomes Bregman descent again. So the search
// for c, which demands that F fall enough (Armijo's rule on the free F), runs
// between the fast method and the safe one.
//
// Certified when psi is strongly convex, R is bounded below and lambda > 0:
// F falls at every iteration and the limit points are critical. Outside it
// runs and says so.
//
// Residual is ||g_k|| / (||grad h(x_k)|| + lambda ||y_k - x_k||).
type BPG struct {
	// H is the fidelity h.
	H Smooth
	// Psi is the prior's potential.
	Psi Potential
	// Lambda is the weight of R; s^2/sigma^2 is the statistical one for noise
	// of standard deviation s and a prior trained at sigma.
	Lambda float64
	// Step is the first 1/c. 0: chosen from H and Lambda.
	Step float64
	// LipF bounds Lip(f); only the first step depends on it. Default 1.
	LipF float64
	// Fixed keeps P = I/c with c = 1/Step throughout, without search.
	Fixed bool
	// Start is the first dual point. Default x0.
	Start []float32
}

var (
	_ Method    = BPG{}
	_ Certifier = BPG{}
	_ descender = BPG{}
)

func (BPG) descends() {}

// Certificate checks the prior and, for a fixed step, that it is at most 1/L.
func (b BPG) Certificate() (bool, string) {
	if !(b.Lambda > 0) {
		return false, "the weight lambda must be positive"
	}
	if b.Fixed {
		return false, "a fixed step is not certified"
	}
	return priorHolds(b.Psi, true)
}

// dualPoint is y with everything that follows from it.
type dualPoint struct {
	y, x, g []float32
	h, r, f float64
	// noise bounds the rounding error of f; scale is the residual's
	// denominator.
	noise, scale float64
}

func newDualPoint(n int) *dualPoint {
	return &dualPoint{y: make([]float32, n), x: make([]float32, n), g: make([]float32, n)}
}

// eval fills p from p.y.
func (b BPG) eval(p *dualPoint) {
	psi := b.Psi.Eval(p.x, p.y)
	p.h = valueGradient(b.H, p.g, p.x)
	gh := norm2(p.g)
	xx, yx, dd := 0.0, 0.0, 0.0
	l := float32(b.Lambda)
	for i, x := range p.x {
		y := p.y[i]
		d := y - x
		xx += float64(x) * float64(x)
		yx += float64(y) * float64(x)
		dd += float64(d) * float64(d)
		p.g[i] += l * d
	}
	p.r = yx - xx/2 - psi
	p.f = p.h + b.Lambda*p.r
	p.noise = 3e-7 * (p.h + b.Lambda*(math.Abs(yx)+xx/2+math.Abs(psi)))
	p.scale = gh + b.Lambda*math.Sqrt(dd)
}

// Steps runs from y = Start; see Method. The first iterate is f(Start). The
// sequence ends by itself where no step lowers F by more than rounding.
func (b BPG) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		n := len(x0)
		at, next := newDualPoint(n), newDualPoint(n)
		copy(at.y, x0)
		if b.Start != nil {
			checkLen("BPG.Start", len(b.Start), n)
			copy(at.y, b.Start)
		}
		d := make([]float32, n)
		b.eval(at)
		c, metric := b.first()
		for k := 1; ; k++ {
			it := Iterate{K: k, X: at.x, Objective: at.f, Data: at.h, Prior: b.Lambda * at.r,
				Residual: ratio(norm2(at.g), at.scale)}
			if !yield(it) {
				return
			}
			accepted := false
			for try := range 40 {
				if metric {
					b.H.(CurvatureSolver).SolveCurvature(d, at.g, c)
					addScaled(next.y, at.y, -1, d)
				} else {
					addScaled(next.y, at.y, -1/c, at.g)
				}
				b.eval(next)
				if b.Fixed || fell(at, next) {
					accepted = true
					if try == 0 && !b.Fixed {
						c = max(b.Lambda, 0.7*c)
					}
					break
				}
				c *= 3
			}
			if !accepted {
				return
			}
			at, next = next, at
		}
	}
}

// first chooses the first c, and whether h's curvature is used.
func (b BPG) first() (c float64, metric bool) {
	if s, ok := b.H.(CurvatureSolver); ok && !b.Fixed {
		metric = s.HasCurvature()
	}
	if b.Step > 0 {
		return 1 / b.Step, metric
	}
	if metric {
		return b.Lambda, metric
	}
	l := lipschitz(b.H)
	if !finite(l) {
		l = 1
	}
	lf := b.LipF
	if lf == 0 {
		lf = 1
	}
	return b.Lambda + max(0, l-b.Lambda)*lf, metric
}

// fell is Armijo's rule from p to q: F falls by at least a hundredth of what
// its gradient promises. A difference of F within rounding is replaced by the
// trapezoidal rule on the gradient, which is exact for a quadratic F.
func fell(p, q *dualPoint) bool {
	if !finite(q.f) {
		return false
	}
	slope, after := 0.0, 0.0
	for i, u := range q.x {
		d := float64(u) - float64(p.x[i])
		slope += float64(p.g[i]) * d
		after += float64(q.g[i]) * d
	}
	df := q.f - p.f
	if math.Abs(df) <= p.noise {
		df = (slope + after) / 2
	}
	return slope < 0 && df <= 0.01*slope
}
