package restore

import (
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// This file prepares measurements of which samples are missing or weighted.

// Weighted returns the problem with the inverse variances w of Y's samples, in units of
// Y: one for each sample, or one for each pixel if Y has several channels. A sample of
// weight 0 is missing. With sigma = 0 the weights are absolute, the deviation of a
// sample being 1/sqrt(w); otherwise they are relative, and the deviation is
// sigma/sqrt(w). If all weights are 0 or 1 and sigma = 0, they are a mask and say
// nothing about the noise. If all that are not 0 are equal, the noise is white. The error is an *OptionError about a bad weight or the
// number of weights.
func (p Problem) Weighted(w operators.Image, sigma float64) (Problem, error) {
	n, repeat := len(p.Y.Pix), 1
	if w.C == 1 && w.H == p.Y.H && w.W == p.Y.W {
		repeat = p.Y.C
	}
	if len(w.Pix)*repeat != n {
		return p, &OptionError{"weights", fmt.Sprintf("%v for a measurement %v; want one for each sample or pixel", w.Shape, p.Y.Shape)}
	}
	missing := make([]bool, n)
	deviation := operators.NewImage(p.Y.Shape)
	mask, some, even, first := true, false, true, 0.0
	for i := range missing {
		v := float64(w.Pix[i%len(w.Pix)])
		if !(v >= 0) || math.IsInf(v, 0) {
			return p, &OptionError{"weights", fmt.Sprintf("%v of sample %d; want finite numbers of at least 0", v, i)}
		}
		missing[i] = v == 0
		some = some || v == 0
		mask = mask && (v == 0 || v == 1)
		if v > 0 {
			if first == 0 {
				first = v
			}
			even = even && v == first
			deviation.Pix[i] = float32(1 / math.Sqrt(v))
		}
	}
	if some {
		if p.Missing != nil {
			for i, gone := range p.Missing {
				missing[i] = missing[i] || gone
			}
		}
		p.Missing = missing
	}
	switch {
	case mask && sigma == 0:
		return p, nil
	case sigma == 0:
		sigma = 1
	}
	if even && first > 0 {
		p.Noise = noise.White{Sigma: sigma / math.Sqrt(first)}
		return p, nil
	}
	for i := range deviation.Pix {
		deviation.Pix[i] *= float32(sigma)
	}
	p.Noise = noise.Map{Deviation: deviation}
	return p, nil
}

// decideMissing counts the samples that the problem says are missing, and sets them to 0.
// Missing samples of what is only noisy make it an inpainting.
func (p *Plan) decideMissing() error {
	m := p.problem.Missing
	if m != nil && len(m) != len(p.problem.Y.Pix) {
		return &OptionError{"missing", fmt.Sprintf("%d for a measurement of %d samples; want one for each", len(m), len(p.problem.Y.Pix))}
	}
	if !slices.Contains(m, true) {
		p.problem.Missing = nil
		return nil
	}
	if p.policy.rounded {
		return &OptionError{"missing", "samples of a JPEG file are not missing: want another operator"}
	}
	p.Missing = count(m)
	if p.Missing == len(m) {
		return &OptionError{"missing", "every sample is; want some that are known"}
	}
	p.problem.Y = p.problem.Y.Clone()
	for i, gone := range m {
		if gone {
			p.problem.Y.Pix[i] = 0
		}
	}
	if p.policy.alone {
		p.policy = policies["inpaint"]
		p.Start = string(p.policy.start)
	}
	p.policy.windows = false
	return nil
}

// fills reports whether the prior fills gaps: there the measurement itself is no
// estimate of the scene.
func (p *Plan) fills() bool { return p.Missing > 0 || p.Operator.Masked() }

func count(m []bool) int {
	n := 0
	for _, v := range m {
		if v {
			n++
		}
	}
	return n
}

// known is the measurement with NaN for samples that are not known, the measurement
// itself where all are.
func (p *Plan) known() operators.Image {
	gone := p.hidden()
	if gone == nil {
		return p.problem.Y
	}
	y := p.problem.Y.Clone()
	for i := range y.Pix {
		if gone[i] {
			y.Pix[i] = float32(math.NaN())
		}
	}
	return y
}

// hidden marks the samples that are not known, those of the problem and those that the
// operator masks; nil: there are none.
func (p *Plan) hidden() []bool {
	if !p.Operator.Masked() {
		return p.problem.Missing
	}
	a, err := p.Operator.Build(p.Scene)
	if err != nil {
		return p.problem.Missing
	}
	y, mask := p.problem.Y, a.(*operators.Mask)
	gone := make([]bool, y.Len())
	for i := range gone {
		at := i % (y.H * y.W)
		gone[i] = !mask.Kept(at/y.W, at%y.W) || p.problem.Missing != nil && p.problem.Missing[i]
	}
	return gone
}

// blank sets what is hidden to 0, where it says nothing, and counts it: files hold
// anything in the place of what is masked.
func (p *Plan) blank() {
	gone := p.hidden()
	if gone == nil {
		return
	}
	p.holes = count(gone)
	p.problem.Y = p.problem.Y.Clone()
	for i, g := range gone {
		if g {
			p.problem.Y.Pix[i] = 0
		}
	}
}

// fitMap gives a map of deviations of one channel to all channels, and refuses one of
// another size.
func (p *Plan) fitMap() error {
	m, ok := p.problem.Noise.(noise.Map)
	if !ok || m.Deviation.Shape == p.problem.Y.Shape {
		return nil
	}
	d, y := m.Deviation, p.problem.Y.Shape
	if len(d.Pix)*y.C != y.Len() && len(d.Pix) != y.Len() {
		return &OptionError{"noise", fmt.Sprintf("a map of %v deviations for a measurement %v; want one for each sample or pixel", d.Shape, y)}
	}
	all := operators.NewImage(y)
	for i := range all.Pix {
		all.Pix[i] = d.Pix[i%len(d.Pix)]
	}
	p.problem.Noise = noise.Map{Deviation: all}
	return nil
}
