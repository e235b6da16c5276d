package restore

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
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

// gaps marks the samples of a scene that are known; nil where there is no gap, or the
// measurement is not on the grid of the scene.
func (p *Plan) gaps(y operators.Image, a operators.Linear) []bool {
	m := p.problem.Missing
	if s, ok := a.(operators.Selector); ok {
		known := selected(s, len(y.Pix))
		if slices.Contains(known, false) {
			return known
		}
		return nil
	}
	if m == nil || len(m) != len(y.Pix) || !p.Operator.ImageShaped() {
		return nil
	}
	known := make([]bool, len(m))
	for i, gone := range m {
		known[i] = !gone
	}
	return known
}

// quadratic is the quadratic estimate of a scene, begun in its gaps with a harmonic fill.
func (p *Plan) quadratic(ctx context.Context, y operators.Image, a operators.Linear) ([]float32, error) {
	known := p.gaps(y, a)
	if known == nil {
		return wienerBaseline(ctx, y, a, p.Level, 1)
	}
	var up operators.Interpolator
	if whole, err := p.problem.complete(a.Domain()); err == nil {
		up, _ = whole.(operators.Interpolator)
	}
	x := make([]float32, a.Domain().Len())
	fillFrom(x, y, a, known, up, wienerWeight(p.Level))
	return x, ctx.Err()
}

// selected marks the samples that are measured.
func selected(s operators.Selector, n int) []bool {
	known := make([]bool, n)
	for i := range known {
		known[i] = s.Selects(i)
	}
	return known
}

// fillFrom writes to x the quadratic estimate for the weight mu of a scene of which some
// samples of y are known, an image of it: conjugate gradients from the harmonic fill of
// the gaps. From black they end before a large gap is filled, and a weight of x itself
// draws it towards black. up enlarges y if it is smaller.
func fillFrom(x []float32, y operators.Image, a operators.Linear, known []bool, up operators.Interpolator, mu float64) {
	scene := a.Domain()
	whole := y.Clone()
	solvers.Harmonic(whole.Pix, y.Shape, known)
	switch {
	case y.Shape == scene:
		copy(x, whole.Pix)
	case up != nil:
		up.Interpolate(x, whole.Pix)
	case y.C == scene.C && y.H <= scene.H && y.W <= scene.W: // the middle of the scene
		inside := make([]bool, len(x))
		dy, dx := Margin(scene.H-y.H), Margin(scene.W-y.W)
		for i, v := range whole.Pix {
			at := (i/(y.H*y.W)*scene.H+dy+i/y.W%y.H)*scene.W + dx + i%y.W
			x[at], inside[at] = v, true
		}
		solvers.Harmonic(x, scene, inside)
	}
	solvers.Tikhonov{A: a, Mu: mu, Rho: leastRho * mu}.SolveFrom(x, y.Pix)
}

// leastRho is the weight of a scene with gaps itself, in parts of that of its gradient: it
// draws no gap of less than thousands of pixels towards black.
const leastRho = 1e-8

// tiltGaps takes the prior's pull to black out of the gaps. For R to have a minimum f
// lowers the brightness of a constant image, by q = 0.001 of it. Known samples hold
// against that, but where a gap is wide or hardly anything is known nothing does: of 26
// known pixels in 25600 the fill became half as bright as the picture. There R is tilted,
//
//	R(x) - <v,x>,  v = q m in the gaps and 0 elsewhere,
//
// m the harmonic fill: the pull, the gradient q x of R, is then to m.
func (p *Plan) tiltGaps() error {
	y := p.problem.Y
	known := p.gaps(y, p.a)
	if known == nil || y.Shape != p.Scene || p.net.GainBound() >= 1 {
		return nil
	}
	q, err := p.pull()
	if err != nil || q == 0 {
		return err
	}
	m := y.Clone()
	solvers.Harmonic(m.Pix, y.Shape, known)
	for i, k := range known {
		if m.Pix[i] *= float32(q); k {
			m.Pix[i] = 0
		}
	}
	p.tilt, p.psi = m.Pix, lpn.Tilted(p.psi, m.Pix)
	return nil
}

// pull is the part of the brightness of a constant image that f takes from its middle; 0
// where it is more than that of the networks of images, or negative.
func (p *Plan) pull() (float64, error) {
	small := operators.Shape{C: p.Scene.C, H: min(p.Scene.H, flatSide), W: min(p.Scene.W, flatSide)}
	if p.net.Config().Height != 0 {
		small = p.Scene
	}
	psi, err := p.potential(small)
	if err != nil {
		return 0, err
	}
	const gray = 0.5
	f := make([]float32, small.Len())
	for i := range f {
		f[i] = gray
	}
	psi.Eval(f, f)
	mean := 0.0
	for c := range small.C {
		mean += float64(f[(c*small.H+small.H/2)*small.W+small.W/2]) / float64(small.C)
	}
	if q := gray/mean - 1; q > 0 && q < mostPull {
		return q, nil
	}
	return 0, nil
}

// mostPull bounds the pull that is taken out.
const mostPull = 0.01

// keepsKnown reports whether known samples of a scene with gaps stay as they are: with no
// noise to speak of there is nothing in them to mend.
func (p *Plan) keepsKnown() bool {
	least := quantum
	if p.Estimated {
		least = leastNoise
	}
	_, ok := p.a.(operators.Selector)
	return ok && p.fills() && p.Level < least
}

// kept is a solution with the known samples where they stay.
func (p *Plan) kept(x []float32, y operators.Image) []float32 {
	if x == nil || !p.keepsKnown() {
		return x
	}
	a, x := p.a.(operators.Selector), slices.Clone(x)
	for i := range x {
		if a.Selects(i) {
			x[i] = y.Pix[i]
		}
	}
	return x
}

const (
	// oneColour is how far from their median the samples of one colour may lie, in parts of
	// the range of the picture, and oneColourJPEG in a JPEG file.
	oneColour, oneColourJPEG = 2. / 255, 12. / 255
	// fewestKnown is the number of known, and of missing, pixels below which a mask is not judged.
	fewestKnown = 64
)

// judgeMask finds out whether a mask is surely inverted: what it calls known is all one
// colour, and what it calls missing is a picture in which that colour and any other
// are rare. No picture can be made of one colour, so nothing is lost. A picture whose gaps
// were painted, or hold what was there before, has a picture in what is known.
func (p *Plan) judgeMask() {
	gone := p.hidden()
	if gone == nil || !p.Operator.Masked() {
		return
	}
	y := p.problem.Y
	span := extent(y.Pix).span()
	if !(span > 0) || math.IsInf(span, 0) {
		return
	}
	tol := oneColour * span
	if p.problem.Hints.Quality != 0 {
		tol = oneColourJPEG * span
	}
	var known, missing []int // pixels
	for i := range y.H * y.W {
		if gone[i] {
			missing = append(missing, i)
		} else {
			known = append(known, i)
		}
	}
	if len(known) < fewestKnown || len(missing) < fewestKnown {
		return
	}
	// of is the share of pixels that have a colour.
	of := func(pixels []int, colour []float32) float64 {
		same := 0
		for _, i := range pixels {
			alike := true
			for c, v := range colour {
				alike = alike && math.Abs(float64(y.Plane(c)[i]-v)) <= tol
			}
			if alike {
				same++
			}
		}
		return float64(same) / float64(len(pixels))
	}
	paint := medianColour(y, known)
	if of(known, paint) >= 0.99 && of(missing, paint) < 0.25 && of(missing, medianColour(y, missing)) < 0.5 {
		p.inverted = "what the mask calls known is all one colour, and what it calls missing is a picture: invert the mask"
	}
}

// medianColour is the median of each channel of some pixels.
func medianColour(y operators.Image, pixels []int) []float32 {
	colour, v := make([]float32, y.C), make([]float32, len(pixels))
	for c := range colour {
		for k, i := range pixels {
			v[k] = y.Plane(c)[i]
		}
		slices.Sort(v)
		colour[c] = v[len(v)/2]
	}
	return colour
}
