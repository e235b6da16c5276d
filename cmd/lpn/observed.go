package main

import (
	"errors"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
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

// open reads the weights. A picture of two integers, one of them 0, is a mask.
func (o *observation) open() error {
	if o.path == "" {
		return nil
	}
	p, err := imageio.Read(o.path)
	var bad *imageio.Error
	switch {
	case errors.As(err, &bad):
		if o.weights, err = openOperatorFile(o.path); err != nil {
			return err
		}
	case err != nil:
		return missing(err)
	case measured.HasHoles(p):
		o.weights = opacity(p)
	default:
		if p.C > 1 && p.Bits < 32 {
			p = p.Luma()
		}
		o.weights = p.Image
		for i, gone := range p.Missing {
			if gone {
				o.weights.Pix[i] = 0
			}
		}
		if p.Bits < 32 {
			maskToOne(o.weights.Pix)
		}
	}
	return nil
}

// maskToOne makes the larger of two values 1 where the other is 0.
func maskToOne(x []float32) {
	top := float32(0)
	for _, v := range x {
		top = max(top, v)
	}
	for _, v := range x {
		if v != 0 && v != top {
			return
		}
	}
	for i, v := range x {
		if v != 0 {
			x[i] = 1
		}
	}
}

// apply gives a problem read from a picture its missing samples and weights, and takes
// the marks of the former off the picture.
func (o observation) apply(m *restore.Problem, p *imageio.Picture) error {
	measured.Observe(m, p, o.light, o.missing)
	if o.path == "" {
		return nil
	}
	sigma := 0.0
	if m.Noise != nil {
		w, white := m.Noise.(noise.White)
		if !white {
			return usagef("--weights goes with --noise auto or a number: another model says the variances itself")
		}
		sigma = w.Sigma
	}
	var err error
	*m, err = m.Weighted(o.weights, sigma)
	return asUsage(err)
}

// none says that every sample counts alike.
func (o observation) none() bool { return o.path == "" && o.missing == "" }
