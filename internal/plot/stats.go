package plot

import (
	"slices"
)

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
	return courses("iteration", steps, func(s Step) float64 { return float64(s.K) }, []course[Step]{
		{"objective", false, func(s Step) float64 { return s.Objective }},
		{"residual (relative)", true, func(s Step) float64 { return s.Residual }},
		{"PSNR (dB)", false, func(s Step) float64 { return s.PSNR }},
	})
}

// A Validation is what training knows at one of its validations; NaN is
// unknown.
type Validation struct{ Step, Loss, Gain, PSNR float64 }

// Learning are the figures of a training: loss, the largest gain of strong waves and PSNR on the
// held-back pictures over the steps.
func Learning(vs []Validation) []Figure {
	return courses("step", vs, func(v Validation) float64 { return v.Step }, []course[Validation]{
		{"loss of one batch", true, func(v Validation) float64 { return v.Loss }},
		{"largest gain of waves", false, func(v Validation) float64 { return v.Gain }},
		{"held-back PSNR (dB)", false, func(v Validation) float64 { return v.PSNR }},
	})
}

// A course is one quantity in the course of a run.
type course[T any] struct {
	label string
	log   bool
	value func(T) float64
}

// courses draws those quantities that are known, one figure each, over a common
// axis.
func courses[T any](x string, steps []T, at func(T) float64, cs []course[T]) []Figure {
	var figures []Figure
	for _, c := range cs {
		l := Lines{Y: c.label, LogY: c.log, Series: []Series{{Points: len(steps) < 60}}}
		known := false
		for _, t := range steps {
			v := c.value(t)
			known = known || finite(v) && (!c.log || v > 0)
			l.Series[0].X = append(l.Series[0].X, at(t))
			l.Series[0].Y = append(l.Series[0].Y, v)
		}
		if known {
			figures = append(figures, l)
		}
	}
	if n := len(figures); n > 0 {
		l := figures[n-1].(Lines)
		l.X = x
		figures[n-1] = l
	}
	return figures
}
