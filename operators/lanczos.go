package operators

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// lanczosNorm estimates ||A|| by steps steps of Lanczos on A'A from a random
// start (Golub and Van Loan, 10.1), which converges where the power method is
// still far off: when the largest singular values lie close together, as those
// of random matrices do. The residual of the largest Ritz value is added, so
// that the result is rarely below the norm.
func lanczosNorm(a Linear, steps int, seed uint64) float64 {
	rng := rand.New(rand.NewPCG(seed, 0x6c616e63))
	n := a.Domain().Len()
	steps = min(steps, n)
	v, last, w := make([]float32, n), make([]float32, n), make([]float32, n)
	y := make([]float32, a.Codomain().Len())
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	normalise(v)
	var alpha, beta []float64
	for range steps {
		a.Apply(y, v)
		a.Adjoint(w, y)
		al, be := dot(v, w), 0.0
		if len(beta) > 0 {
			be = beta[len(beta)-1]
		}
		for i := range w {
			w[i] -= float32(al)*v[i] + float32(be)*last[i]
		}
		be = math.Sqrt(dot(w, w))
		alpha, beta = append(alpha, al), append(beta, be)
		if be <= 1e-6*al {
			break
		}
		last, v, w = v, w, last
		normalise(v)
	}
	k := len(alpha)
	t := mat.NewSymDense(k, nil)
	for i := range k {
		t.SetSym(i, i, alpha[i])
		if i > 0 {
			t.SetSym(i-1, i, beta[i-1])
		}
	}
	var e mat.EigenSym
	if !e.Factorize(t, true) {
		return PowerNorm(a, 1000, 1e-9, seed)
	}
	var s mat.Dense
	e.VectorsTo(&s)
	residual := beta[k-1] * math.Abs(s.At(k-1, k-1))
	return math.Sqrt(max(0, e.Values(nil)[k-1]) + residual)
}
