package main

import (
	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

// An observation says what the samples of an input are: which count, and how much
// (--weights, --missing), and whether they stand for light (--light).
type observation struct {
	light   restore.Light
	path    string          // of the weights, "" for none
	weights operators.Image // of which open reads them
	missing string          // "", nan or alpha
}

func observationFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "weights", Usage: "the inverse variance of each sample or pixel, in `FILE`, of the size of the input; 0 means that the sample is missing. With --noise S a sample of weight 1 has noise S. A file of only 0 and 1 is a mask and says nothing about the noise"},
		&cli.StringFlag{Name: "light", Value: "auto", Usage: "what blur and sr act on: `L` is linear (the light behind the sRGB values, as in a camera), srgb (the values themselves), or auto (for a blurred picture of integers, the one that explains it better; else srgb)"},
		&cli.StringFlag{Name: "missing", Usage: "what marks missing samples, which the prior fills: `nan` (NaN or the blank value of the file) or alpha (transparent pixels)"},
	}
}

// simulatedLightFlag is --light of the commands that simulate measurements.
func simulatedLightFlag() cli.Flag {
	return &cli.StringFlag{Name: "light", Value: "srgb", Usage: "what blur and sr act on: `L` is srgb (the values themselves) or linear (the light behind them, as in a camera)"}
}

func simulatedLight(c *cli.Context) (restore.Light, error) {
	light, ok := measured.Lights[c.String("light")]
	if !ok || light == restore.LightAuto {
		return light, usagef("--light: %q%s; want linear or srgb", c.String("light"), suggest(c.String("light"), []string{"linear", "srgb"}))
	}
	return light, nil
}

func observationFrom(c *cli.Context) (observation, error) {
	o := observation{path: c.String("weights"), missing: c.String("missing")}
	if o.missing != "" && o.missing != "nan" && o.missing != "alpha" {
		return o, usagef("--missing: %q%s; want nan or alpha", o.missing, suggest(o.missing, []string{"nan", "alpha"}))
	}
	light, ok := measured.Lights[c.String("light")]
	if !ok {
		return o, usagef("--light: %q%s; want linear, srgb or auto", c.String("light"), suggest(c.String("light"), []string{"linear", "srgb", "auto"}))
	}
	o.light = light
	return o, nil
}

// open reads the weights.
func (o *observation) open() (err error) {
	if o.path != "" {
		o.weights, err = flags.Weights(o.path)
	}
	return missing(err)
}

// apply gives a problem read from a picture its missing samples and weights, and takes
// the marks of the former off the picture.
func (o observation) apply(m *restore.Problem, p *imageio.Picture) error {
	measured.Observe(m, p, o.light, o.missing)
	if o.path == "" {
		return nil
	}
	var err error
	*m, err = measured.Weigh(*m, o.weights)
	return asUsage(err)
}

// none says that every sample counts alike.
func (o observation) none() bool { return o.path == "" && o.missing == "" }
