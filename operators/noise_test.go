package operators

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The mean and variance of a Poisson variable are both its rate: within five
// standard errors of each on every branch of the sampler.
func TestPoissonMoments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 40000
	for _, mu := range []float64{0.01, 1, 9.9, 10.1, 50, 1e4, 1e7, 3e9} {
		s, ss := 0.0, 0.0
		for range n {
			d := poisson(mu, rng) - mu
			s += d
			ss += d * d
		}
		mean, variance := s/n, ss/n
		if e := math.Sqrt(mu / n); math.Abs(mean) > 5*e {
			t.Errorf("rate %g: mean off by %g, standard error %g", mu, mean, e)
		}
		// The fourth central moment is 3 mu^2 + mu.
		if e := math.Sqrt((2*mu*mu + mu) / n); math.Abs(variance-mu) > 5*e {
			t.Errorf("rate %g: variance %g, standard error %g", mu, variance, e)
		}
	}
}

// The probabilities of single counts, on both sides of the switch at 10.
func TestPoissonDistribution(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n = 100000
	for _, mu := range []float64{3, 12, 30} {
		hist := make([]float64, 200)
		for range n {
			hist[int(poisson(mu, rng))]++
		}
		chi, freedom := 0.0, 0.0
		for k := range hist {
			lg, _ := math.Lgamma(float64(k) + 1)
			want := n * math.Exp(float64(k)*math.Log(mu)-mu-lg)
			if want > 10 {
				chi += (hist[k] - want) * (hist[k] - want) / want
				freedom++
			}
		}
		if chi > freedom+5*math.Sqrt(2*freedom) {
			t.Errorf("rate %g: chi-square %.1f at %.0f degrees of freedom", mu, chi, freedom)
		}
	}
}

func TestAddPoissonEdges(t *testing.T) {
	x := []float32{-1, 0, float32(math.NaN()), float32(math.Inf(1)), 1e30, 1}
	y := make([]float32, len(x))
	AddPoisson(y, x, 100, rand.New(rand.NewPCG(1, 1)))
	if y[0] != 0 || y[1] != 0 || y[2] == y[2] || !math.IsInf(float64(y[3]), 1) || math.Abs(float64(y[4])/1e30-1) > 1e-6 {
		t.Errorf("%v gives %v", x, y)
	}
}

func TestNoiseSeeded(t *testing.T) {
	x := make([]float32, 100)
	for i := range x {
		x[i] = float32(i) / 100
	}
	for name, add := range map[string]func(dst, x []float32, rng *rand.Rand){
		"gaussian": func(dst, x []float32, rng *rand.Rand) { AddGaussian(dst, x, 0.1, rng) },
		"poisson":  func(dst, x []float32, rng *rand.Rand) { AddPoisson(dst, x, 50, rng) },
	} {
		a, b := make([]float32, 100), slices.Clone(x)
		add(a, x, rand.New(rand.NewPCG(7, 0)))
		add(b, b, rand.New(rand.NewPCG(7, 0)))
		if !slices.Equal(a, b) {
			t.Errorf("%s: the same seed gives other noise in place", name)
		}
		add(b, x, rand.New(rand.NewPCG(8, 0)))
		if slices.Equal(a, b) {
			t.Errorf("%s: another seed gives the same noise", name)
		}
	}
}

func TestAddGaussianMoments(t *testing.T) {
	const n = 100000
	x := make([]float32, n)
	AddGaussian(x, x, 0.2, rand.New(rand.NewPCG(5, 6)))
	s, ss := 0.0, 0.0
	for _, v := range x {
		s += float64(v)
		ss += float64(v) * float64(v)
	}
	if math.Abs(s/n) > 5*0.2/math.Sqrt(n) || math.Abs(math.Sqrt(ss/n)/0.2-1) > 5/math.Sqrt(2*n) {
		t.Errorf("mean %g, standard deviation %g", s/n, math.Sqrt(ss/n))
	}
}
