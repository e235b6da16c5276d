package train

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/lpn"
)

// A Preset is a complete recipe except for the data, such as that of a built-in prior.
type Preset struct {
	Doc         string     `json:"doc,omitempty"`
	Config      lpn.Config `json:"config"`
	Patch       int        `json:"patch,omitempty"` // 0: the network's own size
	Batch       int        `json:"batch"`
	Plan        Plan       `json:"plan"`
	Beta2       float64    `json:"beta2,omitempty"`
	Clip        float64    `json:"clip,omitempty"`
	EMA         float64    `json:"ema,omitempty"`
	GainPenalty float64    `json:"gain_penalty,omitempty"`
	From        string     `json:"from,omitempty"`    // the built-in prior it starts from, "" for none
	Laplace     bool       `json:"laplace,omitempty"` // trained on Laplace samples, not on pictures
	Upright     bool       `json:"upright,omitempty"` // the pictures have an up: no flips and rotations
}

// Options returns the recipe as options; the caller adds the source.
func (p Preset) Options() Options {
	return Options{Config: p.Config, Plan: p.Plan, Batch: p.Batch,
		Beta2: p.Beta2, Clip: p.Clip, EMA: p.EMA, GainPenalty: p.GainPenalty}
}

// For returns the recipe for another network, trained as its kind requires: a pyramid
// with the gain penalty, also if p has none.
func (p Preset) For(c lpn.Config) Preset {
	p.Config = c
	if c.Pyramid != nil && p.GainPenalty == 0 {
		q := pyramid(c, 0, 0)
		p.Beta2, p.Clip, p.EMA, p.GainPenalty = q.Beta2, q.Clip, q.EMA, q.GainPenalty
	}
	if c.Pyramid == nil && p.GainPenalty > 0 {
		p.Beta2, p.Clip, p.EMA, p.GainPenalty = 0, 0, 0, 0
	}
	return p
}

// pyramid is how pyramids are trained: squared error at a rate that warms up and
// falls to zero, and the penalty that keeps them from amplifying strong waves.
func pyramid(c lpn.Config, steps int, rate float64) Preset {
	return Preset{Config: c, Patch: 48, Batch: 4,
		Plan:  Plan{{Loss: L2, Steps: steps, Rate: rate, Warmup: 0.05, Cosine: true}},
		Beta2: 0.99, Clip: 0.5, EMA: 0.995, GainPenalty: 50}
}

// archs are the networks by name, each with the recipe that suits it.
var archs = map[string]func(channels int, sigma float64) Preset{
	"pyramid": func(channels int, sigma float64) Preset { return pyramid(lpn.Pyramid(channels, sigma), 25000, 3e-3) },
	"natural": func(channels int, sigma float64) Preset { return pyramid(lpn.Natural(channels, sigma), 30000, 4e-3) },
	"softplus": func(channels int, sigma float64) Preset {
		return Preset{Config: lpn.SoftplusAny(channels, 64, 4, sigma), Batch: 16, Patch: 48, Plan: Paper(20000)}
	},
	"mnist": func(_ int, sigma float64) Preset {
		return Preset{Config: lpn.MNIST(64), Batch: 200, Plan: Paper(40000), Upright: true}.at(sigma)
	},
	"paper128": func(channels int, sigma float64) Preset {
		return Preset{Config: lpn.Paper128(channels, 256), Batch: 64, Plan: Paper(40000)}.at(sigma)
	},
	"laplace": func(_ int, sigma float64) Preset {
		return Preset{Config: lpn.Dense(1, 50, 4), Batch: 2000, Patch: 1, Plan: Paper(40000), Laplace: true}.at(sigma)
	},
}

// at is the recipe at another noise level.
func (p Preset) at(sigma float64) Preset {
	p.Config.Sigma = sigma
	return p
}

// ArchNames lists the names of networks for ArchNamed.
func ArchNames() []string { return slices.Sorted(maps.Keys(archs)) }

// ArchNamed returns a network by name for pictures of the given channels and noise
// level, with its recipe. The networks of the paper have a fixed number of channels:
// see Config.Channels.
func ArchNamed(name string, channels int, sigma float64) (Preset, error) {
	arch, ok := archs[name]
	if !ok {
		return Preset{}, fmt.Errorf("train: no network %q; there are %s", name, strings.Join(ArchNames(), ", "))
	}
	return arch(channels, sigma), nil
}

// PresetNames lists the presets.
func PresetNames() []string { return slices.Sorted(maps.Keys(presets(1))) }

// PresetNamed returns a preset. channels matters for the presets quick and full; the
// others are for pictures of one kind.
func PresetNamed(name string, channels int) (Preset, error) {
	p, ok := presets(channels)[name]
	if !ok {
		return p, fmt.Errorf("train: no preset %q; there are %s", name, strings.Join(PresetNames(), ", "))
	}
	return p, nil
}

func presets(channels int) map[string]Preset {
	natural := func(cfg lpn.Config, steps int, rate float64, from, doc string) Preset {
		p := pyramid(cfg, steps, rate)
		p.From, p.Doc = from, doc
		return p
	}
	shipped := func(channels int, doc string) Preset {
		return natural(lpn.Natural(channels, 25./255), 50000, 4e-3, "", doc)
	}
	laplace := lpn.Dense(1, 32, 3)
	laplace.Softplus.Beta = 20
	m := map[string]Preset{
		"quick": natural(lpn.Pyramid(channels, 25./255), 12000, 3e-3, "", "one's own pictures, gray or colour, in minutes"),
		"full":  shipped(channels, "one's own pictures, gray or colour, as the shipped priors are trained: an hour or two"),
		"ct": natural(lpn.Natural(1, 10./255), 6000, 1.5e-3, "gray-25",
			"chest CT slices, sigma 10/255, from the prior of natural pictures"),
		"laplace": {
			Doc: "scalars from a Laplace distribution, sigma 1 (Fang, Buchanan & Sulam 2024, figure 2)", Laplace: true,
			Config: laplace, Patch: 1, Batch: 8000, Beta2: 0.999, EMA: 0.998,
			Plan: Plan{
				{Loss: L1, Steps: 1500, Rate: 5e-3},
				{Loss: PM, Steps: 1500, Rate: 5e-3, Gamma: 0.5},
				{Loss: PM, Steps: 2000, Rate: 5e-3, Gamma: 0.25},
				{Loss: PM, Steps: 3000, Rate: 4e-3, Gamma: 0.12},
				{Loss: PM, Steps: 8000, Rate: 4e-3, Gamma: 0.08, Cosine: true},
			},
		},
		"digits": {
			Doc:    "28x28 digits, sigma 0.1, the paper's network and schedule with 32 channels",
			Config: lpn.MNIST(32), Patch: 28, Batch: 64, Plan: Paper(3000), Beta2: 0.999, Upright: true,
		},
	}
	for channels, name := range map[int]string{1: "gray", 3: "colour"} {
		m[name+"-25"] = shipped(channels, "natural pictures, sigma 25/255, from scratch")
		for s, from := range map[int]int{1: 5, 2: 5, 5: 25, 15: 25, 50: 25} {
			m[fmt.Sprintf("%s-%02d", name, s)] = natural(lpn.Natural(channels, float64(s)/255), 6000, 1.5e-3, fmt.Sprintf("%s-%02d", name, from),
				fmt.Sprintf("natural pictures, sigma %d/255, from the prior at %d/255", s, from))
		}
	}
	return m
}
