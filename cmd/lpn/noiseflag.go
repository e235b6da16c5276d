package main

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/fraction"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/urfave/cli/v2"
)

// parseNoise reads --noise as a model of noise, nil for auto.
func parseNoise(s string) (noise.Model, error) {
	m, err := noise.Parse(s, openOperatorFile)
	if err != nil {
		return nil, usagef("--noise: %w", err)
	}
	return m, nil
}

// simulable refuses noise that cannot be added to what spec measures of samples in
// [0,1]; auto is no answer there, as the command in whose words says.
func simulable(m noise.Model, spec operators.Spec, why string) error {
	if m == nil {
		return usagef("--noise: %s want a number in [0,1] or a fraction like 25/255", why)
	}
	if w, white := m.(noise.White); white && w.Sigma > 1 && spec.ImageShaped() {
		return usagef("--noise: %q is not a number in [0,1], a fraction like 25/255, or auto", w)
	}
	return nil
}

// whiteLevel is the level of white noise, NaN of any other.
func whiteLevel(m noise.Model) float64 {
	if w, white := m.(noise.White); white {
		return w.Sigma
	}
	return math.NaN()
}

// noiseText is a model for people.
func noiseText(m noise.Model) string {
	if w, white := m.(noise.White); white {
		return fmt.Sprintf("%.4g", w.Sigma)
	}
	return m.String()
}

// parseLevel reads a noise level in [0,1]: a number or a fraction.
func parseLevel(s string) (float64, bool) {
	v, ok := fraction.Parse(s)
	return v, ok && v >= 0 && v <= 1
}

// rangeFrom is what --range says.
func rangeFrom(c *cli.Context) (restore.Range, error) {
	r, err := flags.Range(c.String("range"))
	return r, asUsage(err)
}
