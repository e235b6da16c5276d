package solvers

import (
	"fmt"
	"iter"
	"math"
)

// PGD is proximal gradient descent (Combettes & Wajs 2005; for non-convex g,
// Attouch, Bolte & Svaiter 2013),
//
//	x_{k+1} = prox_{eta g}(x_k - eta grad h(x_k)),
//
// on F(x) = h(x) + g(x). With g = lambda R and eta lambda = 1 this is the
// plug-and-play step x_{k+1} = f(x_k - eta grad h(x_k)) of Fang, Buchanan &
// Sulam (2024).
//
// Certified when eta <= 1/L, L = Lip(grad h), and g is convex or exact and bounded
// below: F then falls at every iteration and the limit points are critical. Otherwise
// it runs without a certificate; with Search it needs no L.
//
// Residual is ||x_{k+1} - x_k|| / (eta ||grad h(x_k)||), the gradient mapping
// relative to the gradient.
type PGD struct {
	// H is the fidelity, G the prior. F is known where G is a ValuedProx.
	H Smooth
	G Prox
	// Step is eta. 0: 1/L where H knows L, otherwise found by Search from the
	// step of Barzilai & Borwein (1988) along the first gradient.
	Step float64
	// Search takes Step as a first guess. In each iteration it is enlarged by a tenth
	// and then halved until h is below its quadratic model at the new point (Beck &
	// Teboulle 2009).
	Search bool
}

var (
	_ Method     = PGD{}
	_ Certifier  = PGD{}
	_ descender  = PGD{}
	_ ValuedProx = Box{}
)

func (PGD) descends() {}

// stepFor resolves the zero values of Step and Search.
func stepFor(h Smooth, step float64, search bool) (float64, bool) {
	if step > 0 {
		return step, search
	}
	if l := lipschitz(h); finite(l) && l > 0 {
		return 1 / l, search
	}
	return 1, true
}

// firstStep is stepFor, but where nothing says how large a step may be it is
// that of Barzilai & Borwein at x.
func firstStep(h Smooth, step float64, search bool, x []float32) (float64, bool) {
	eta, search := stepFor(h, step, search)
	if step == 0 && !finite(lipschitz(h)) {
		grad := borrow(len(x))
		defer giveBack(grad)
		h.Gradient(grad, x)
		eta = barzilai(h, x, grad)
	}
	return eta, search
}

// barzilai is <s,s>/<s,z> for the change z of the gradient over a short step s
// against it from x, whose gradient is grad: the inverse of h's curvature there.
// It is 1 where h does not curve.
func barzilai(h Smooth, x, grad []float32) float64 {
	size := norm2(grad)
	if size == 0 {
		return 1
	}
	p, g := borrow(len(x)), borrow(len(x))
	defer giveBack(p, g)
	addScaled(p, x, -1e-2*max(norm2(x), 1)/size, grad)
	h.Gradient(g, p)
	ss, sz := 0.0, 0.0
	for i, u := range p {
		s := float64(u) - float64(x[i])
		ss += s * s
		sz += s * (float64(g[i]) - float64(grad[i]))
	}
	if eta := ss / sz; eta > 0 && finite(eta) {
		return eta
	}
	return 1
}

// Certificate checks eta <= 1/L and the prior.
func (p PGD) Certificate() (bool, string) { return gradientCertificate(p.H, p.G, p.Step, p.Search) }

func gradientCertificate(h Smooth, g Prox, step float64, search bool) (bool, string) {
	step, search = stepFor(h, step, search)
	if !search {
		l := lipschitz(h)
		if !finite(l) {
			return false, "the fidelity has no known Lipschitz constant"
		}
		if step*l > 1+1e-9 {
			return false, fmt.Sprintf("step %.3g is above 1/L = %.3g", step, 1/l)
		}
	}
	return priorHolds(g, false)
}

// Steps runs from x0; see Method.
func (p PGD) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		n := len(x0)
		x, next, grad, v := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		copy(x, x0)
		eta, search := firstStep(p.H, p.Step, p.Search, x)
		h := valueGradient(p.H, grad, x)
		for k := 1; ; k++ {
			if search && k > 1 {
				eta *= 1.1
			}
			var g, hNext float64
			for try := 0; ; try++ {
				addScaled(v, x, -eta, grad)
				g = proxValue(p.G, next, v, eta)
				if !search {
					break
				}
				hNext = p.H.Value(next)
				if under(h, hNext, grad, next, x, eta) || try == 60 {
					break
				}
				eta /= 2
			}
			moved, slope := dist(next, x), norm2(grad)
			x, next = next, x
			h = valueGradient(p.H, grad, x)
			it := Iterate{K: k, X: x, Objective: h + g, Data: h, Prior: g, Residual: ratio(moved, eta*slope)}
			if !yield(it) {
				return
			}
		}
	}
}

// under reports whether h(z) <= h(x) + <grad, z-x> + ||z-x||^2/(2 eta), up to
// rounding.
func under(h, hz float64, grad, z, x []float32, eta float64) bool {
	lin, sq := 0.0, 0.0
	for i, g := range grad {
		d := float64(z[i]) - float64(x[i])
		lin += float64(g) * d
		sq += d * d
	}
	return hz <= h+lin+sq/(2*eta)+1e-7*math.Abs(h)
}

func proxValue(g Prox, dst, v []float32, t float64) float64 {
	if vp, ok := g.(ValuedProx); ok {
		return vp.ProxValue(dst, v, t)
	}
	g.Prox(dst, v, t)
	return unset()
}

// ratio is a/b with 0/0 = 0.
func ratio(a, b float64) float64 {
	if a == 0 {
		return 0
	}
	return a / b
}
