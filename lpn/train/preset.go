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
	Doc     string
	Config  lpn.Config
	Patch   int
	Batch   int
	Plan    Plan
	Beta2   float64
	Clip    float64
	EMA     float64
	Frame   float64
	Growth  float64
	From    string // the built-in prior it starts from, "" for none
	Laplace bool   // trained on Laplace samples, not on pictures
}

// Options returns the recipe as options; the caller adds the source.
func (p Preset) Options() Options {
	return Options{Config: p.Config, Plan: p.Plan, Batch: p.Batch,
		Beta2: p.Beta2, Clip: p.Clip, EMA: p.EMA, Frame: p.Frame, Growth: p.Growth}
}

// PresetNames lists the presets.
func PresetNames() []string { return slices.Sorted(maps.Keys(presets())) }

// PresetNamed returns a preset.
func PresetNamed(name string) (Preset, error) {
	p, ok := presets()[name]
	if !ok {
		return p, fmt.Errorf("train: no preset %q; there are %s", name, strings.Join(PresetNames(), ", "))
	}
	return p, nil
}

func presets() map[string]Preset {
	m := map[string]Preset{}
	pyramid := func(channels int, sigma float64, steps int, rate float64, from, doc string) Preset {
		cfg := lpn.Pyramid3(channels, sigma)
		return Preset{Doc: doc, Config: cfg, Patch: 48, Batch: 4, From: from,
			Plan:  Plan{{Loss: L2, Steps: steps, Rate: rate, Warmup: 0.05, Cosine: true}},
			Beta2: 0.99, Clip: 0.5, EMA: 0.995, Frame: 0.3, Growth: 0.1}
	}
	for channels, name := range map[int]string{1: "gray", 3: "colour"} {
		m[name+"-25"] = pyramid(channels, 25./255, 60000, 4e-3, "", "natural pictures, sigma 25/255, from scratch")
		for _, s := range []int{5, 15, 50} {
			m[fmt.Sprintf("%s-%d", name, s)] = pyramid(channels, float64(s)/255, 12000, 1.5e-3, name+"-25",
				fmt.Sprintf("natural pictures, sigma %d/255, from the prior at 25/255", s))
		}
	}
	return m
}
