package operators

import (
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/internal/lanczos"
)

// lanczosNorm estimates ||A|| by that many steps of the Lanczos method on A'A from a
// random start. It converges where the power method is still far off: when the largest
// singular values lie close together, as those of random matrices do. The residual of
// the largest Ritz value is added, so that the result is rarely below the norm.
func lanczosNorm(a Linear, steps int, seed uint64) float64 {
	rng := rand.New(rand.NewPCG(seed, 0x6c616e63))
	v, y := make([]float32, a.Domain().Len()), make([]float32, a.Codomain().Len())
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	r, ok := lanczos.Run(v, steps, false, func(dst, x []float32) {
		a.Apply(y, x)
		a.Adjoint(dst, y)
	})
	if !ok {
		return PowerNorm(a, 1000, 1e-9, seed)
	}
	return math.Sqrt(max(0, r.Values[len(r.Values)-1]) + r.Residual)
}
