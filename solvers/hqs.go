package solvers

import (
	"iter"
	"math"
)

// HQS is half-quadratic splitting (Geman & Yang 1995),
//
//	x_{k+1} = prox_{F/rho_k}(z_k) = argmin F(x) + rho_k/2 ||x - z_k||^2
//	z_{k+1} = prox_{G/rho_k}(x_{k+1}),    rho_{k+1} = min(Factor rho_k, Max)
//
// At fixed rho (Factor 1) it is alternating minimisation of
// F(x) + G(z) + rho/2 ||x-z||^2, which never rises; that minimiser tends to
// the one of F + G as rho grows, and the schedule follows it there.
//
// Certified, for the objective at the final rho, when G is convex or exact
// and bounded below: every step is an exact minimisation. The Objective it
// reports is F(z) + G(z).
//
// The iterate is z. Residual is ||z_{k+1} - z_k|| / ||z_{k+1}||.
type HQS struct {
	// F is the fidelity (a WarmProx is started from the previous x), G the
	// prior.
	F, G Prox
	// Rho is rho_1. 0: L/10 where F knows L, otherwise 0.1.
	Rho float64
	// Factor multiplies rho in each iteration. 0: 1.1; 1: fixed rho.
	Factor float64
	// Max bounds rho. 0: 100 times the first.
	Max float64
}

var (
	_ Method    = HQS{}
	_ Certifier = HQS{}
)

func (q HQS) schedule() (rho, factor, top float64) {
	rho, factor, top = q.Rho, q.Factor, q.Max
	if rho == 0 {
		rho = 0.1
		if l := lipschitz(q.F); finite(l) && l > 0 {
			rho *= l
		}
	}
	if factor == 0 {
		factor = 1.1
	}
	if top == 0 {
		top = 100 * rho
	}
	return rho, factor, top
}

// Certificate checks the prior.
func (q HQS) Certificate() (bool, string) {
	if _, factor, _ := q.schedule(); factor < 1 {
		return false, "a penalty that falls has no theorem"
	}
	return priorHolds(q.G, false)
}

// Steps runs from z = x0; see Method.
func (q HQS) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		n := len(x0)
		x, z, old := make([]float32, n), make([]float32, n), make([]float32, n)
		copy(x, x0)
		copy(z, x0)
		rho, factor, top := q.schedule()
		for k := 1; ; k++ {
			proxFrom(q.F, x, z, 1/rho)
			old, z = z, old
			g := proxValue(q.G, z, x, 1/rho)
			h := valueOf(q.F, z)
			if !yield(Iterate{K: k, X: z, Objective: h + g, Data: h, Prior: g,
				Residual: ratio(dist(z, old), norm2(z))}) {
				return
			}
			rho = math.Max(rho, math.Min(rho*factor, top))
		}
	}
}
