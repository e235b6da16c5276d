package train

import (
	"math"
	"math/cmplx"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/lpn"
)

// ceiling is the gain that a strong wave may have. It is below 1, as pictures
// bring more than waves, and the less the noise the nearer: what there is
// beside noise should pass. A period beyond 20 pixels, such as the slope of a
// sky, may have more in proportion.
func ceiling(sigma, period float64) float64 {
	return 1 - 0.03*math.Sqrt(sigma)*min(1, 20/period)
}

// probes is how many waves the penalty looks at in a step, turns how often it
// turns their colour to where their gain is larger.
const (
	probes = 8
	turns  = 2
)

// A gainPenalty is the penalty that keeps f from amplifying waves, which a solver
// would paint wherever the measurement does not see them: R has its low places
// among pictures only if it climbs with every wave. It is
//
//	norm * sum over probes of max(0, gain - ceiling)^2
//
// with the gain of a strong wave of fresh direction, period and profile and, in
// colour, the mixture of planes of the largest gain: see strong.
type gainPenalty struct {
	*strong
	norm float64
	seed uint64
	step uint64
	top  float64 // the largest gain of the last probes
}

func newGainPenalty(cfg lpn.Config, params map[string][]float32, norm float64, seed uint64) *gainPenalty {
	return &gainPenalty{strong: newStrong(cfg, params), norm: norm, seed: seed}
}

// run leaves the gradient of the penalty of the current step in grads and
// returns the penalty. A resumed run draws the same waves.
func (g *gainPenalty) run() float64 {
	rng := rand.New(rand.NewPCG(g.seed, g.step))
	g.clear()
	g.top = 0
	loss := 0.0
	for range probes {
		period := g.wave(rng)
		mix := make([]complex128, g.cfg.Channels)
		for c := range mix {
			mix[c] = complex(rng.NormFloat64(), rng.NormFloat64())
		}
		gain := g.gain(g.worst(unit(mix), turns))
		g.top = max(g.top, gain)
		if over := gain - ceiling(g.cfg.Sigma, period); over > 0 {
			loss += g.norm * over * over
			g.slope(2 * g.norm * over)
		}
	}
	return loss
}

// wave draws the wave to look at and returns its period. Half of the waves
// repeat after a few pixels, most of those along rows, columns and diagonals.
func (g *gainPenalty) wave(rng *rand.Rand) (period float64) {
	w := lpn.RandomWave(rng, 1)
	if rng.IntN(2) == 0 {
		profile := series(w.Sharp, harmonics)
		if w.Sharp == 0 {
			profile = profile[:1]
		}
		g.look(w.FY, w.FX, profile)
		return w.Period()
	}
	n := 4 + rng.IntN(longest-3)
	d := [...][2]int{{0, 1}, {1, 0}, {1, 1}, {1, -1}, {1, 2}, {2, -1}}[rng.IntN(6)]
	profile := []float64{1}
	if w.Sharp > 0 { // the harmonics below the half of what it repeats after
		profile = series(w.Sharp, min(harmonics, (distinct(d[0], d[1], n)+1)/4))
	}
	g.repeat(d[0], d[1], n, w.Phase, profile)
	return float64(n) / math.Hypot(float64(d[0]), float64(d[1]))
}

// unit scales a vector to length 1.
func unit(m []complex128) []complex128 {
	sum := 0.0
	for _, v := range m {
		sum += real(v)*real(v) + imag(v)*imag(v)
	}
	u := make([]complex128, len(m))
	for i, v := range m {
		u[i] = v / complex(math.Sqrt(sum), 0)
	}
	return u
}

// series returns the first n odd harmonics of a sine squared off, of sum of squares 1.
func series(sharp float64, n int) []float64 {
	const steps = 256
	sharp = max(sharp, 1e-3)
	a, sum := make([]float64, n), 0.0
	for n := range a {
		for i := range steps {
			u := 2 * math.Pi * (float64(i) + 0.5) / steps
			a[n] += math.Tanh(sharp*math.Cos(u)) * math.Cos(odd(n)*u)
		}
		sum += a[n] * a[n]
	}
	for n := range a {
		a[n] /= math.Sqrt(sum)
	}
	return a
}

// cis is exp(i u).
func cis(u float64) complex128 { return cmplx.Rect(1, u) }
