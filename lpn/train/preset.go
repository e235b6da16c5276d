package train

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/lpn"
)

// A Preset is a complete recipe but for the data: the one line with which a
// shipped prior was made.
type Preset struct {
	Doc         string
	Config      lpn.Config
	Patch       int
	Batch       int
	Plan        Plan
	Beta2       float64
	Clip        float64
	EMA         float64
	GainPenalty float64
	From        string // the built-in prior it starts from, "" for none
	Laplace     bool   // trained on Laplace samples, not on pictures
	Upright     bool   // the pictures have an up: no flips and rotations
}

// Options returns the recipe as options; the caller adds the source.
func (p Preset) Options() Options {
	return Options{Config: p.Config, Plan: p.Plan, Batch: p.Batch,
		Beta2: p.Beta2, Clip: p.Clip, EMA: p.EMA, GainPenalty: p.GainPenalty}
}

// PresetNames lists the presets.
func PresetNames() []string { return slices.Sorted(maps.Keys(presets(1))) }

// PresetNamed returns a preset. channels matters to the presets quick and
// full, the others are for pictures of one kind.
func PresetNamed(name string, channels int) (Preset, error) {
	p, ok := presets(channels)[name]
	if !ok {
		return p, fmt.Errorf("train: no preset %q; there are %s", name, strings.Join(PresetNames(), ", "))
	}
	return p, nil
}

func presets(channels int) map[string]Preset {
	natural := func(cfg lpn.Config, steps int, rate float64, from, doc string) Preset {
		return Preset{Doc: doc, Config: cfg, Patch: 48, Batch: 4, From: from,
			Plan:  Plan{{Loss: L2, Steps: steps, Rate: rate, Warmup: 0.05, Cosine: true}},
			Beta2: 0.99, Clip: 0.5, EMA: 0.995, GainPenalty: 50}
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
