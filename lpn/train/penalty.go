package train

import (
	"math"
	"math/cmplx"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/lpn"
)

// The gain that a strong wave may have: below 1 by margin, as pictures bring
// more than waves, and by less in proportion for a wave of a period beyond
// slow pixels, such as the slope of a sky.
const (
	margin = 0.02
	slow   = 8
)

// probes is how many waves the penalty looks at in a step, turns how often it
// turns their colour to where their gain is larger.
const (
	probes = 12
	turns  = 3
)

// A gainPenalty is the penalty that keeps f from amplifying waves, which a solver
// would paint wherever the measurement does not see them: R has its low places
// among pictures only if it climbs with every wave. It is
//
//	norm * sum over probes of max(0, gain - ceiling)^2
//
// with the gain of a strong sine of fresh direction, period and, in colour, the
// mixture of planes of the largest gain: see strong.
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
		w := lpn.RandomWave(rng, g.cfg.Channels)
		mix := make([]complex128, g.cfg.Channels)
		for c := range mix {
			mix[c] = complex(rng.NormFloat64(), rng.NormFloat64())
		}
		gain := g.gain(w.FY, w.FX, unit(mix))
		for range turns {
			if len(mix) > 1 {
				gain = g.gain(w.FY, w.FX, unit(g.slope(0, nil)))
			}
		}
		g.top = max(g.top, gain)
		if over := gain - 1 + margin*min(1, slow/w.Period()); over > 0 {
			loss += g.norm * over * over
			g.slope(2*g.norm*over, g.grads)
		}
	}
	return loss
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

// cis is exp(i u).
func cis(u float64) complex128 { return cmplx.Rect(1, u) }
