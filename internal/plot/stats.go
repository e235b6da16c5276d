package plot

import (
	"math"
	"slices"
)

// Spread summarises values: their mean and standard deviation. Values that
// are not finite are left out; without any, both are NaN.
func Spread(vs []float64) (mean, sd float64) {
	n, s, q := 0.0, 0.0, 0.0
	for _, v := range vs {
		if finite(v) {
			n++
			s += v
		}
	}
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	mean = s / n
	for _, v := range vs {
		if finite(v) {
			q += (v - mean) * (v - mean)
		}
	}
	return mean, math.Sqrt(q / n)
}

// quantile of finite values, by linear interpolation.
func quantile(vs []float64, p float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	at := p * float64(len(s)-1)
	i := int(at)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}

// A Step is what a solver shows of one iteration.
type Step struct {
	K                         int
	Objective, Residual, PSNR float64 // NaN where unknown
}

// Convergence are the figures of a run: objective, residual and, where a
// reference was given, PSNR over the iterations.
func Convergence(steps []Step) []Figure {
	var figures []Figure
	for _, s := range []struct {
		label string
		log   bool
		value func(Step) float64
	}{
		{"objective", false, func(s Step) float64 { return s.Objective }},
		{"residual (relative)", true, func(s Step) float64 { return s.Residual }},
		{"PSNR (dB)", false, func(s Step) float64 { return s.PSNR }},
	} {
		l := Lines{Y: s.label, LogY: s.log, Series: []Series{{Points: len(steps) < 60}}}
		known := false
		for _, t := range steps {
			v := s.value(t)
			known = known || finite(v) && (!s.log || v > 0)
			l.Series[0].X = append(l.Series[0].X, float64(t.K))
			l.Series[0].Y = append(l.Series[0].Y, v)
		}
		if known {
			figures = append(figures, l)
		}
	}
	if n := len(figures); n > 0 {
		l := figures[n-1].(Lines)
		l.X = "iteration"
		figures[n-1] = l
	}
	return figures
}
