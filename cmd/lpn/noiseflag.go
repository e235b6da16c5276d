package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/fraction"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
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

// parseRange reads --range, LO:HI; "" is the zero Range.
func parseRange(s string) (restore.Range, error) {
	if s == "" {
		return restore.Range{}, nil
	}
	lo, hi, ok := strings.Cut(s, ":")
	l, errLo := strconv.ParseFloat(strings.TrimSpace(lo), 64)
	h, errHi := strconv.ParseFloat(strings.TrimSpace(hi), 64)
	if !ok || errLo != nil || errHi != nil || !(l < h) || math.IsInf(h-l, 0) {
		return restore.Range{}, usagef("--range: %q; want LO:HI, two numbers of which the first is smaller, as 0:4095", s)
	}
	return restore.Range{Lo: l, Hi: h}, nil
}
