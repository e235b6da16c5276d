package solvers

import (
	"fmt"
	"iter"
)

// ADMM is the alternating direction method of multipliers in the order of
// Fang, Buchanan & Sulam (2024), x before the multiplier before z:
//
//	x_{k+1} = prox_{F/rho}(z_k - u_k) = argmin F(x) + rho/2 ||x - z_k + u_k||^2
//	u_{k+1} = u_k + x_{k+1} - z_k
//	z_{k+1} = prox_{G/rho}(x_{k+1} + u_{k+1})
//
// on F(x) + G(x). With G = rho R the last step is one evaluation of the
// network, z = f(x + u).
//
// Certified when both are convex (any rho; Boyd et al. 2011), or when rho > L =
// Lip(grad F) and G is the exact prox of a strongly convex potential and bounded below
// (Themelis & Patrinos 2020; Fang et al. 2024). Otherwise it runs without a
// certificate. F need not fall at every iteration.
//
// The iterate is z. Residual is (||x-z|| + ||z_{k+1}-z_k||) / ||z||.
type ADMM struct {
	// F is the fidelity (a WarmProx is started from the previous x), G the
	// prior. The objective is known where F is a Smooth and G a ValuedProx.
	F, G Prox
	// Rho is the penalty. 0: 1.01 L where F knows L, otherwise 1.
	Rho float64
}

var (
	_ Method    = ADMM{}
	_ Certifier = ADMM{}
)

func (a ADMM) rho() float64 {
	if a.Rho > 0 {
		return a.Rho
	}
	if l := lipschitz(a.F); finite(l) && l > 0 {
		return 1.01 * l
	}
	return 1
}

// Certificate checks rho against L and the prior.
func (a ADMM) Certificate() (bool, string) {
	if isConvex(a.F) && isConvex(a.G) {
		return true, ""
	}
	l := lipschitz(a.F)
	if !finite(l) {
		return false, "the fidelity has no known Lipschitz constant"
	}
	if rho := a.rho(); rho <= l {
		return false, fmt.Sprintf("rho %.3g is not above ||A'A|| = %.3g", rho, l)
	}
	return priorHolds(a.G, true)
}

// Steps runs from z = x0, u = 0; see Method.
func (a ADMM) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		n := len(x0)
		x, z, u, v, old := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		copy(x, x0)
		copy(z, x0)
		rho := a.rho()
		for k := 1; ; k++ {
			sub(v, z, u)
			proxFrom(a.F, x, v, 1/rho)
			for i := range u {
				u[i] += x[i] - z[i]
				v[i] = x[i] + u[i]
			}
			old, z = z, old
			g := proxValue(a.G, z, v, 1/rho)
			h := valueOf(a.F, z)
			res := ratio(dist(x, z)+dist(z, old), norm2(z))
			if !yield(Iterate{K: k, X: z, Objective: h + g, Data: h, Prior: g, Residual: res}) {
				return
			}
		}
	}
}

// valueOf is f(x) where f has a value, NaN otherwise.
func valueOf(f any, x []float32) float64 {
	if v, ok := f.(interface{ Value(x []float32) float64 }); ok {
		return v.Value(x)
	}
	return unset()
}
