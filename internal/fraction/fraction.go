// Package fraction reads numbers as people type them: 0.1 or 25/255.
package fraction

import (
	"math"
	"strconv"
	"strings"
)

// Parse reads a decimal number or a quotient of two, with spaces around either. The
// result is finite; ok is false for text that is no such number.
func Parse(text string) (v float64, ok bool) {
	over, under, quotient := strings.Cut(text, "/")
	v, err := strconv.ParseFloat(strings.TrimSpace(over), 64)
	if err == nil && quotient {
		var d float64
		d, err = strconv.ParseFloat(strings.TrimSpace(under), 64)
		v /= d
	}
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}
