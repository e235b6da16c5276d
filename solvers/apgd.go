package solvers

import (
	"iter"
	"math"
)

// APGD is accelerated proximal gradient descent, safe for non-convex g (Li &
// Lin 2015, nonmonotone test replaced by descent):
//
//	y_k = x_k + ((t_{k-1}-1)/t_k) (x_k - x_{k-1})
//	z_{k+1} = prox_{eta g}(y_k - eta grad h(y_k))
//	t_{k+1} = (1 + sqrt(1 + 4 t_k^2)) / 2
//	x_{k+1} = z_{k+1}                             if F(z_{k+1}) <= F(x_k) - delta ||z_{k+1} - y_k||^2
//	          prox_{eta g}(x_k - eta grad h(x_k)) otherwise, with t restarted at 1
//
// on F(x) = h(x) + g(x), delta = 1e-4/eta. An iteration takes one prox, or two if the
// extrapolation is rejected. The momentum is also restarted when it points uphill, <y_k
// - z_{k+1}, z_{k+1} - x_k> > 0 (O'Donoghue & Candes 2015).
//
// Certified under the conditions of PGD; F never rises. If G is not a ValuedProx, F is
// unknown, only the uphill test restarts, and a non-convex G is not certified.
//
// Residual is ||z_{k+1} - y_k|| / (eta ||grad h(y_k)||).
type APGD struct {
	// H is the fidelity, G the prior.
	H Smooth
	G Prox
	// Step is eta; 0: as in PGD. Search: as in PGD, but the step never becomes larger.
	Step   float64
	Search bool
}

var (
	_ Method    = APGD{}
	_ Certifier = APGD{}
	_ descender = APGD{}
)

func (APGD) descends() {}

// Certificate checks eta <= 1/L and the prior.
func (p APGD) Certificate() (bool, string) {
	if _, ok := p.G.(ValuedProx); !ok && !isConvex(p.G) {
		return false, "the prior has no value to safeguard the acceleration with"
	}
	return gradientCertificate(p.H, p.G, p.Step, p.Search)
}

// Steps runs from x0; see Method.
func (p APGD) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		n := len(x0)
		x, y, z, grad, v := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		copy(x, x0)
		copy(y, x0)
		eta, search := firstStep(p.H, p.Step, p.Search, x)
		_, valued := p.G.(ValuedProx)
		// step is one prox-gradient step from a point, into z.
		step := func(from []float32) (h, g, res float64) {
			at := valueGradient(p.H, grad, from)
			for try := 0; ; try++ {
				addScaled(v, from, -eta, grad)
				g = proxValue(p.G, z, v, eta)
				h = p.H.Value(z)
				if !search || try == 60 || under(at, h, grad, z, from, eta) {
					return h, g, ratio(dist(z, from), eta*norm2(grad))
				}
				eta /= 2
			}
		}
		t, last := 1.0, math.Inf(1)
		for k := 1; ; k++ {
			h, g, res := step(y)
			moved := dist(z, y)
			if valued && t > 1 && !(h+g <= last-1e-4/eta*moved*moved) {
				t = 1
				h, g, res = step(x)
				copy(y, x)
			}
			uphill := 0.0
			for i, u := range z {
				uphill += (float64(y[i]) - float64(u)) * (float64(u) - float64(x[i]))
			}
			if uphill > 0 {
				t = 1
			}
			tNext := (1 + math.Sqrt(1+4*t*t)) / 2
			beta := float32((t - 1) / tNext)
			for i, u := range z {
				y[i] = u + beta*(u-x[i])
			}
			x, z = z, x
			t, last = tNext, h+g
			if !yield(Iterate{K: k, X: x, Objective: h + g, Data: h, Prior: g, Residual: res}) {
				return
			}
		}
	}
}
