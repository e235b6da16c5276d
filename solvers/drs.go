package solvers

import (
	"fmt"
	"iter"
)

// DRS is Douglas-Rachford splitting (Lions & Mercier 1979; for non-convex G,
// Li & Pong 2016 and Themelis & Patrinos 2020),
//
//	x_{k+1} = prox_{t F}(w_k)
//	z_{k+1} = prox_{t G}(2 x_{k+1} - w_k)
//	w_{k+1} = w_k + z_{k+1} - x_{k+1}
//
// on F(x) + G(x). With G = lambda R and t = 1/lambda the second line is one
// evaluation of the network.
//
// Certified when both are convex (any t), or when F is convex, t < 1/L with
// L = Lip(grad F), and G is the exact prox of a strongly convex potential and
// bounded below. F + G need not fall at every iteration.
//
// The iterate is z. Residual is ||z - x|| / ||z||.
type DRS struct {
	// F is the fidelity (a WarmProx is started from the previous x), G the
	// prior.
	F, G Prox
	// T is the step t. 0: 0.99/L where F knows L, otherwise 1.
	T float64
}

var (
	_ Method    = DRS{}
	_ Certifier = DRS{}
)

func (d DRS) step() float64 {
	if d.T > 0 {
		return d.T
	}
	if l := lipschitz(d.F); finite(l) && l > 0 {
		return 0.99 / l
	}
	return 1
}

// Certificate checks t against L and the prior.
func (d DRS) Certificate() (bool, string) {
	if isConvex(d.F) && isConvex(d.G) {
		return true, ""
	}
	if !isConvex(d.F) {
		return false, "the fidelity is not known to be convex"
	}
	l := lipschitz(d.F)
	if !finite(l) {
		return false, "the fidelity has no known Lipschitz constant"
	}
	if t := d.step(); t*l >= 1 {
		return false, fmt.Sprintf("t %.3g is not below 1/L = %.3g", t, 1/l)
	}
	return priorHolds(d.G, true)
}

// Steps runs from w = x0; see Method.
func (d DRS) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		n := len(x0)
		x, z, w, v := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		copy(x, x0)
		copy(w, x0)
		t := d.step()
		for k := 1; ; k++ {
			proxFrom(d.F, x, w, t)
			for i, u := range x {
				v[i] = 2*u - w[i]
			}
			g := proxValue(d.G, z, v, t)
			for i, u := range z {
				w[i] += u - x[i]
			}
			h := valueOf(d.F, z)
			if !yield(Iterate{K: k, X: z, Objective: h + g, Data: h, Prior: g,
				Residual: ratio(dist(z, x), norm2(z))}) {
				return
			}
		}
	}
}
