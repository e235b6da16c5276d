package noise

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

var (
	testCurve = Curve{[]Line{{X: []float64{0.1, 0.5, 0.9}, Y: []float64{0.02, 0.06, 0.01}}}}
	testMap   = Map{operators.Image{Shape: operators.Shape{C: 1, H: 2, W: 3}, Pix: []float32{0.1, 0.2, 0.3, 0.01, 0.02, 0.03}}}
)

// falling is a spectrum like that of demosaicked noise, with channels that go
// together.
func falling(channels int) Spectrum {
	s := Flat(channels)
	for k := range Side * Side {
		u, v := float64(k/Side), float64(k%Side)
		p := s.At(k/Side, k%Side)
		for a := range channels {
			for b := range channels {
				r := math.Exp(-(u*u+v*v)/20) + 0.05
				if a != b {
					r *= 0.4
				}
				p[a*channels+b] = r * (1 + 0.2*float64(a+b))
			}
		}
	}
	s, _ = s.Normalised()
	return s
}

// The mean is kept and the variance is what the model says, within five standard
// errors, the kurtosis of the samples taken into account.
func TestSampleMoments(t *testing.T) {
	s := operators.Shape{C: 1, H: 2, W: 3}
	mean := []float32{0.05, 0.2, 0.4, 0.5, 0.75, 1.2}
	for _, m := range []Model{White{0.1}, Poisson{Gain: 0.1}, Poisson{Gain: 0.02, Read: 0.05, Black: 0.01},
		Camera{A: 0.01, B: 0.02, Black: 0.03}, testCurve, testMap, Correlated{testCurve, falling(1)}} {
		want := make([]float32, 6)
		m.Variance(want, mean, s)
		rng := rand.New(rand.NewPCG(1, 2))
		const n = 5000
		var s1, s2, s4 [6]float64
		y := make([]float32, 6)
		for range n {
			m.Sample(y, mean, s, rng)
			for i, v := range y {
				d := float64(v) - float64(mean[i])
				s1[i] += d / n
				s2[i] += d * d / n
				s4[i] += d * d * d * d / n
			}
		}
		if c, ok := m.(Correlated); ok {
			// The variance of a coarse picture is what its spectrum holds at its
			// frequencies, not exactly 1.
			f := newFilter(c.Spectrum, s, nil)
			for i := range want {
				e := make([]float32, 6)
				e[i] = 1
				f.each(e, e, func(l, z []float64) { z[0] *= l[0] * l[0] })
				want[i] *= e[i]
			}
		}
		for i, v := range want {
			w := float64(v)
			if math.Abs(s1[i]) > 5*math.Sqrt(w/n) {
				t.Errorf("%v: sample %d: mean off by %g", m, i, s1[i])
			}
			if e := 5 * math.Sqrt((s4[i]-s2[i]*s2[i])/n); math.Abs(s2[i]-w) > e {
				t.Errorf("%v: sample %d: variance %g, want %g within %g", m, i, s2[i], w, e)
			}
		}
	}
}

// The probabilities of counts sum to 1, densities integrate to 1, and both have
// the model's mean.
func TestLikelihoodIsNormalised(t *testing.T) {
	s := operators.Shape{C: 1, H: 1, W: 1}
	for _, c := range []struct {
		m    Model
		mean float32
		lo   float64
		step float64
	}{
		{White{0.1}, 0.4, -1, 1e-3},
		{Poisson{Gain: 0.125, Black: 1}, 1.5, 1, 0.125},
		{Poisson{Gain: 0.25, Read: 0.1}, 0.7, -1, 1e-3},
		{Poisson{Gain: 2e-3, Read: 0.1}, 0.7, -1, 2e-2},
		{Camera{A: 0.01, B: 0.05}, 0.7, -1, 1e-3},
		{testCurve, 0.3, -1, 1e-3},
	} {
		sum, first := 0.0, 0.0
		for y := c.lo; y < 4; y += c.step {
			p := math.Exp(-c.m.NegLogLikelihood([]float32{float32(y)}, []float32{c.mean}, s))
			if q, ok := c.m.(Poisson); !ok || q.Read > 0 {
				p *= c.step
			}
			sum += p
			first += p * y
		}
		if math.Abs(sum-1) > 1e-3 || math.Abs(first-float64(c.mean)) > 1e-3 {
			t.Errorf("%v at %g: total %v, mean %v", c.m, c.mean, sum, first)
		}
	}
}

// In other units the same measurement has the same likelihood, up to the change of
// volume, and the variance of its units.
func TestScaled(t *testing.T) {
	s := operators.Shape{C: 1, H: 2, W: 3}
	mean := []float32{0.55, 0.6, 0.7, 0.8, 0.9, 1}
	y := []float32{0.6, 0.6, 0.6, 0.8, 1, 1.2}
	const lo, hi = 0.5, 2.5
	move := func(x []float32) []float32 {
		out := make([]float32, len(x))
		for i, v := range x {
			out[i] = (v - lo) / (hi - lo)
		}
		return out
	}
	for _, m := range []Model{White{0.1}, Poisson{Gain: 0.2}, Poisson{Gain: 0.02, Read: 0.05, Black: 0.1},
		Camera{A: 0.01, B: 0.02}, testCurve, testMap, Correlated{Camera{A: 0.01, B: 0.02}, falling(1)}} {
		k := m.Scaled(lo, hi)
		v, w := make([]float32, 6), make([]float32, 6)
		m.Variance(v, mean, s)
		k.Variance(w, move(mean), s)
		for i := range v {
			if math.Abs(float64(w[i]*4/v[i])-1) > 1e-4 {
				t.Errorf("%v: variance %g becomes %g", m, v[i], w[i])
			}
		}
		a, b := m.NegLogLikelihood(y, mean, s), k.NegLogLikelihood(move(y), move(mean), s)
		want := 6 * math.Log(2)
		if p, ok := m.(Poisson); ok && p.Read == 0 {
			want = 0 // counts are counts
		}
		if math.Abs(a-b-want) > 1e-3 {
			t.Errorf("%v: -log p %g becomes %g, want %g less", m, a, b, want)
		}
	}
}

func TestLine(t *testing.T) {
	l := Line{X: []float64{1, 2, 4}, Y: []float64{3, 5, 4}}
	for _, c := range [][2]float64{{0, 3}, {1, 3}, {1.5, 4}, {2, 5}, {3, 4.5}, {4, 4}, {9, 4}} {
		if v := l.At(c[0]); v != c[1] {
			t.Errorf("at %g: %g, want %g", c[0], v, c[1])
		}
	}
}
