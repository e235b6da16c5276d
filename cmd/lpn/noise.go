package main

import (
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/lpn/restore"
)

// parseNoise reads --noise: a number in [0,1], a fraction, or "auto".
func parseNoise(s string) (float64, error) {
	if s == "auto" {
		return restore.Auto, nil
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
