package lpn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"weak"

	"github.com/lpn-imaging/lpn/internal/engine"
	"github.com/lpn-imaging/lpn/internal/network"
)

// A Network is an input-convex function psi with its weights. It is immutable
// and safe for concurrent use; On binds it to a picture size.
type Network struct {
	cfg    Config
	params map[string][]float32
	meta   map[string]string
	gain   func() float64 // GainBound, measured once
	small  *layouts
	cuts   func() []cut // measureCuts, once
	packed *packed
}

// New returns a network with random weights drawn from rng.
func New(cfg Config, rng *rand.Rand) (*Network, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	params := map[string][]float32{}
	for _, s := range cfg.Definition().Params {
		params[s.Name] = cfg.initial(s, rng)
	}
	if cfg.Pyramid != nil {
		cfg.initGateBias(params)
	}
	cfg.Definition().Project(params)
	return FromParams(cfg, params)
}

// FromParams returns a network with the given weights, whose names, lengths and signs
// must be those of cfg. It keeps the slices and does not copy them.
func FromParams(cfg Config, params map[string][]float32) (*Network, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for _, s := range cfg.Definition().Params {
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
			if s.Constraint == network.NonNegative && v < 0 {
				return nil, fmt.Errorf("lpn: weight %s[%d] is %v: convexity needs it non-negative", s.Name, i, v)
			}
		}
	}
	return newNetwork(cfg, params, nil), nil
}

func newNetwork(cfg Config, params map[string][]float32, meta map[string]string) *Network {
	n := &Network{cfg: cfg, params: params, meta: meta, small: &layouts{}, packed: &packed{}}
	n.gain = sync.OnceValue(n.measureGain)
	n.cuts = sync.OnceValue(n.measureCuts)
	return n
}

// packed is a plan of a network whose filters are packed, for other plans to share, as long
// as it is in use.
type packed struct {
	mu   sync.Mutex
	plan weak.Pointer[engine.Plan]
}

// pack packs the filters of plans of the network.
func (n *Network) pack(plans []*engine.Plan) {
	n.packed.mu.Lock()
	defer n.packed.mu.Unlock()
	engine.Pack(n.packed.plan.Value(), plans...)
	n.packed.plan = weak.Make(plans[0])
}

// Config returns the network's description.
func (n *Network) Config() Config { return n.cfg }

// recorder returns an engine's recorder over the weights for planes of dims d.
func (n *Network) recorder(d network.Dims) *engine.Recorder {
	return engine.NewRecorder(n.cfg.Definition().Params, n.params, d)
}

// Params returns the weights by name. They must not be modified.
func (n *Network) Params() map[string][]float32 { return n.params }

// initial draws the starting value of one weight.
func (c Config) initial(s network.Param, rng *rand.Rand) []float32 {
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
func (c Config) initSoftplus(s network.Param, w []float32, rng *rand.Rand) {
	if strings.HasSuffix(s.Name, "bias") {
		return
	}
	fan := float64(s.Len() / s.Dims[len(s.Dims)-1])
	for i := range w {
		if s.Constraint == network.NonNegative {
			w[i] = float32(math.Exp(0.5*rng.NormFloat64()) / fan)
		} else {
			w[i] = float32((2*rng.Float64() - 1) / math.Sqrt(fan))
		}
	}
}

// initPyramid draws filters of unit norm, gates that each look at a random share of
// the features, and low-pass filters near the box.
func (c Config) initPyramid(s network.Param, w []float32, rng *rand.Rand) {
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
				if s.Constraint == network.ZeroMean {
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
			share := rng.Float64()
			for k := range n {
				if rng.Float64() < share {
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
