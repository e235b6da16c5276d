package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// AddGaussian writes dst = x + sigma n with n standard normal, drawn from rng
// in order. sigma is in units of the samples, at least 0. Nothing is clipped.
// dst may equal x.
func AddGaussian(dst, x []float32, sigma float64, rng *rand.Rand) {
	checkLen("AddGaussian dst", len(dst), len(x))
	if !(sigma >= 0) || math.IsInf(sigma, 0) {
		panic(fmt.Sprintf("operators: AddGaussian: sigma %v, want a finite number of at least 0", sigma))
	}
	for i, v := range x {
		dst[i] = float32(float64(v) + sigma*rng.NormFloat64())
	}
}

// AddPoisson writes dst = Poisson(peak x)/peak: photon counting, where the value 1
// means peak photons. Negative samples count no photons. The result is not clipped, so
// bright parts keep their fluctuation. NaN stays NaN. dst may equal x.
func AddPoisson(dst, x []float32, peak float64, rng *rand.Rand) {
	checkLen("AddPoisson dst", len(dst), len(x))
	if !(peak > 0) || math.IsInf(peak, 0) {
		panic(fmt.Sprintf("operators: AddPoisson: peak %v, want a positive finite number", peak))
	}
	for i, v := range x {
		dst[i] = float32(poisson(peak*float64(v), rng) / peak)
	}
}

// poisson draws from the Poisson distribution with mean mu: by products of
// uniforms below 10, by Hörmann's transformed rejection PTRS above
// (Insurance: Mathematics and Economics 12, 1993), as the rounded normal
// beyond 1e9, where the two agree to float32.
func poisson(mu float64, rng *rand.Rand) float64 {
	switch {
	case math.IsNaN(mu) || math.IsInf(mu, 1):
		return mu
	case mu <= 0:
		return 0
	case mu < 10:
		limit, k := math.Exp(-mu), 0.0
		for p := rng.Float64(); p > limit; p *= rng.Float64() {
			k++
		}
		return k
	case mu > 1e9:
		return math.Round(mu + math.Sqrt(mu)*rng.NormFloat64())
	}
	b := 0.931 + 2.53*math.Sqrt(mu)
	a := -0.059 + 0.02483*b
	invAlpha := 1.1239 + 1.1328/(b-3.4)
	vr := 0.9277 - 3.6224/(b-2)
	logMu := math.Log(mu)
	for {
		u, v := rng.Float64()-0.5, rng.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mu + 0.43)
		if us >= 0.07 && v <= vr {
			return k
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		lg, _ := math.Lgamma(k + 1)
		if math.Log(v*invAlpha/(a/(us*us)+b)) <= k*logMu-mu-lg {
			return k
		}
	}
}
