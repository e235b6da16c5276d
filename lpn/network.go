package lpn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A Network is an input-convex function psi with its weights. It is immutable
// and safe for concurrent use; On binds it to a picture size.
type Network struct {
	cfg    Config
	params map[string][]float32
	meta   map[string]string
	growth func() float64 // GrowthBound, measured once
}

// New returns a network with random weights drawn from rng.
func New(cfg Config, rng *rand.Rand) (*Network, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	params := map[string][]float32{}
	for _, s := range cfg.Params() {
		params[s.Name] = cfg.initial(s, rng)
	}
	if cfg.Pyramid != nil {
		cfg.initGateBias(params)
	}
	cfg.Project(params)
	return FromParams(cfg, params)
}

// FromParams returns a network with the given weights, which must satisfy the
// constraints of cfg.Params; the slices are kept, not copied.
func FromParams(cfg Config, params map[string][]float32) (*Network, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for _, s := range cfg.Params() {
		w, ok := params[s.Name]
		if !ok {
			return nil, fmt.Errorf("lpn: weight %s is missing", s.Name)
		}
		if len(w) != s.Len() {
			return nil, fmt.Errorf("lpn: weight %s has %d elements, want %d", s.Name, len(w), s.Len())
		}
		for i, v := range w {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("lpn: weight %s[%d] is %v", s.Name, i, v)
			}
			if s.Constraint == NonNegative && v < 0 {
				return nil, fmt.Errorf("lpn: weight %s[%d] is %v: convexity needs it non-negative", s.Name, i, v)
			}
		}
	}
	return newNetwork(cfg, params, nil), nil
}

func newNetwork(cfg Config, params map[string][]float32, meta map[string]string) *Network {
	n := &Network{cfg: cfg, params: params, meta: meta}
	n.growth = sync.OnceValue(n.measureGrowth)
	return n
}

// Config returns the network's description.
func (n *Network) Config() Config { return n.cfg }

func (n *Network) specs() map[string]ParamSpec {
	m := map[string]ParamSpec{}
	for _, s := range n.cfg.Params() {
		m[s.Name] = s
	}
	return m
}

// Params returns the weights by name. They must not be modified.
func (n *Network) Params() map[string][]float32 { return n.params }

// Project restores the constraints of cfg.Params on weights that a training
// step has moved.
func (c Config) Project(params map[string][]float32) {
	for _, s := range c.Params() {
		if s.Constraint == NonNegative {
			kernel.Ramp(params[s.Name], params[s.Name])
		}
	}
	c.projectEqualities(params)
}

// projectEqualities restores the constraints other than the signs.
func (c Config) projectEqualities(params map[string][]float32) {
	gain := 0.0
	for _, s := range c.Params() {
		w := params[s.Name]
		switch s.Constraint {
		case ZeroMean:
			c.centre(s, w)
		case UnitGain:
			sum := 0.0
			for _, v := range w {
				sum += float64(v)
			}
			gain += sum * sum
		}
	}
	if gain > 0 {
		k := float32(1 / math.Sqrt(gain))
		for _, s := range c.Params() {
			if s.Constraint == UnitGain {
				for i := range params[s.Name] {
					params[s.Name][i] *= k
				}
			}
		}
	}
}

// centre takes the mean of every output filter over each plane of the picture
// away.
func (c Config) centre(s ParamSpec, w []float32) {
	ci, co := s.Dims[2], s.Dims[3]
	per := ci / c.Channels // channels that one plane became
	for k := range co {
		for plane := range c.Channels {
			each := func(f func(i int)) {
				for tap := range s.Dims[0] * s.Dims[1] {
					for q := plane * per; q < (plane+1)*per; q++ {
						f((tap*ci+q)*co + k)
					}
				}
			}
			sum, n := 0.0, 0.0
			each(func(i int) { sum += float64(w[i]); n++ })
			each(func(i int) { w[i] -= float32(sum / n) })
		}
	}
}

// ProjectGradient takes from gradients, at weights that satisfy the equality
// constraints, what Project would undo: they become the gradients of the loss as
// a function of unconstrained weights that are centred and normalised before
// use. Without it that part, which is large since pictures are far from zero
// mean, would set the step of an optimiser that normalises its steps.
func (c Config) ProjectGradient(grads, params map[string][]float32) {
	var along float64 // <gradient, filters>
	gains := map[string]float64{}
	for _, s := range c.Params() {
		g, w := grads[s.Name], params[s.Name]
		switch s.Constraint {
		case ZeroMean:
			c.centre(s, g)
		case UnitGain:
			for i, v := range w {
				along += float64(v) * float64(g[i])
				gains[s.Name] += float64(v)
			}
		}
	}
	for name, gain := range gains {
		for i := range grads[name] {
			grads[name][i] -= float32(along * gain)
		}
	}
}

// initial draws the starting value of one weight.
func (c Config) initial(s ParamSpec, rng *rand.Rand) []float32 {
	w := make([]float32, s.Len())
	if c.Softplus != nil {
		c.initSoftplus(s, w, rng)
	} else {
		c.initPyramid(s, w, rng)
	}
	return w
}

// initGateBias sets each gate's threshold to three quarters of the energy that
// features of unit variance would bring it.
func (c Config) initGateBias(params map[string][]float32) {
	for l := range c.Pyramid.Levels {
		b, n := params[fmt.Sprintf("b.%d", l)], params[fmt.Sprintf("N.%d", l)]
		for i, v := range n {
			b[i%len(b)] -= 0.75 * v
		}
	}
}

// initSoftplus follows the reference code: uniform of PyTorch's default width
// for the free maps, exp of a Gaussian scaled to keep the forward pass of
// order one for the non-negative ones.
func (c Config) initSoftplus(s ParamSpec, w []float32, rng *rand.Rand) {
	if strings.HasSuffix(s.Name, "bias") {
		return
	}
	fan := float64(s.Len() / s.Dims[len(s.Dims)-1])
	for i := range w {
		if s.Constraint == NonNegative {
			w[i] = float32(math.Exp(0.5*rng.NormFloat64()) / fan)
		} else {
			w[i] = float32((2*rng.Float64() - 1) / math.Sqrt(fan))
		}
	}
}

// initPyramid draws filters of unit norm, gates that mostly look at their own
// feature with random reach, and low-pass filters near the box.
func (c Config) initPyramid(s ParamSpec, w []float32, rng *rand.Rand) {
	p := c.Pyramid
	switch kind, _, _ := strings.Cut(s.Name, "."); kind {
	case "W", "A":
		co := s.Dims[3]
		for k := range co {
			mean, norm := 0.0, 0.0
			n := len(w) / co
			for i := k; i < len(w); i += co {
				w[i] = float32(rng.NormFloat64())
				mean += float64(w[i]) / float64(n)
			}
			for i := k; i < len(w); i += co {
				if s.Constraint == ZeroMean {
					w[i] -= float32(mean)
				}
				norm += float64(w[i]) * float64(w[i])
			}
			for i := k; i < len(w); i += co {
				w[i] /= float32(math.Sqrt(norm))
			}
		}
	case "N":
		taps, n := s.Dims[0]*s.Dims[1], s.Dims[2]
		for i := range w {
			w[i] = float32(rng.Float64() * 0.02 / float64(taps))
		}
		for j := range n { // gate j
			reach := rng.Float64()
			for k := range n {
				if rng.Float64() < reach {
					w[(taps/2*n+k)*n+j] += 0.9
				}
			}
		}
	case "T":
		for i := range w {
			w[i] = float32(rng.Float64() * 0.02 / 64)
		}
	case "logc":
		for i := range w {
			w[i] = float32(math.Log(0.05 * 1.1 / float64(p.Levels[0].Features/p.Group)))
		}
	case "loga":
		for i := range w {
			w[i] = float32(math.Log(0.005))
		}
	case "V":
		area := float64(p.LowpassSize * p.LowpassSize)
		for i := range w {
			w[i] = float32(1/area + 0.002*rng.NormFloat64())
		}
	}
}
