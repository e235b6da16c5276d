package main

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/operators"
)

// auto asks for the noise level to be estimated.
const auto = -1

// parseNoise reads --noise: a number in [0,1], a fraction, or "auto".
func parseNoise(s string) (float64, error) {
	if s == "auto" {
		return auto, nil
	}
	num, den, isFraction := strings.Cut(s, "/")
	v, err := strconv.ParseFloat(num, 64)
	if err == nil && isFraction {
		var d float64
		d, err = strconv.ParseFloat(den, 64)
		v /= d
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, usagef("--noise: %q is not a number in [0,1], a fraction like 25/255, or auto", s)
	}
	return v, nil
}

// estimateNoise estimates the standard deviation of white Gaussian noise in a
// picture: the median absolute value of the finest diagonal coefficients of
// the Daubechies-2 wavelet over 0.6745 (Donoho & Johnstone 1994), least of
// the channels. The coefficients of blocks that hold no noise at all - clipped
// sky, missing pixels - are left out. ok is false when too few remain.
func estimateNoise(m operators.Image) (sigma float64, ok bool) {
	// High-pass filter of Daubechies-2, unit norm.
	var g [4]float64
	r := math.Sqrt(3)
	for i, v := range []float64{1 - r, -(3 - r), 3 + r, -(1 + r)} {
		g[i] = v / (4 * math.Sqrt2)
	}
	best := math.Inf(1)
	for c := range m.C {
		var d []float64
		for y := 0; y+4 <= m.H; y += 2 {
			for x := 0; x+4 <= m.W; x += 2 {
				sum, flat := 0.0, true
				first := m.At(c, y, x)
				for j, gj := range g {
					for i, gi := range g {
						v := m.At(c, y+j, x+i)
						flat = flat && v == first
						sum += gj * gi * float64(v)
					}
				}
				if !flat {
					d = append(d, math.Abs(sum))
				}
			}
		}
		if len(d) < 64 {
			continue
		}
		slices.Sort(d)
		best = min(best, d[len(d)/2]/0.6745)
	}
	return min(best, 1), !math.IsInf(best, 1)
}
