package restore

import (
	"fmt"
	"image"
	"math"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// partHalo is how far beyond a part its window reaches, at most: less than the network's
// receptive field, for speed. What lies further away moves a pixel by less than can be
// seen.
const partHalo = 16

// Part is a plan for the pixels of r alone, a part of the frame, at another strength.
// It keeps the noise, the prior and the scale of brightness that p decided for the
// whole. Its result has the size of r. Use it to see quickly what a strength does: the
// numbers are those of the whole image, except for the influence of pixels more than a
// few pixels outside of r. It returns an error unless the operator is local with its
// result on the grid of the measurement (denoise, inpaint and blurs), and if the noise
// is given for each sample.
func (p *Plan) Part(r image.Rectangle, strength float64) (*Plan, error) {
	kh, kw, local := p.Operator.Support()
	_, mapped := p.NoiseModel.(noise.Map)
	switch {
	case !local || p.policy.rounded || mapped:
		return nil, fmt.Errorf("%s has no parts that could be restored on their own", p.Operator)
	case !r.In(image.Rect(0, 0, p.FrameW, p.FrameH)) || r.Empty():
		return nil, fmt.Errorf("a part %v of a picture of %dx%d pixels", r, p.FrameW, p.FrameH)
	case !(strength > 0) || math.IsInf(strength, 1):
		return nil, &OptionError{"strength", fmt.Sprintf("%v; want a positive number", strength)}
	}
	dy, dx := Margin(p.Scene.H-p.FrameH), Margin(p.Scene.W-p.FrameW)
	_, pitch, err := p.halo()
	if err != nil {
		return nil, err
	}
	// Windows lie on the grid of the network's coarsest level, as in solveWindows.
	axis := func(lo, hi, n, k int) span {
		halo := partHalo
		if k > 1 {
			halo += 2 * k
		}
		return span{lo: max(0, lo-halo) / pitch * pitch, hi: min(n, hi+halo)}
	}
	y, x := axis(r.Min.Y+dy, r.Max.Y+dy, p.Scene.H, kh), axis(r.Min.X+dx, r.Max.X+dx, p.Scene.W, kw)
	q := *p
	a, part, err := p.window(y, x)
	if err != nil {
		return nil, err
	}
	q.a, q.problem.Y, q.problem.Truth, q.tilt = a, part, nil, nil
	q.Scene, q.Windows = a.Domain(), nil
	q.FrameH, q.FrameW = q.Scene.H, q.Scene.W
	q.Strength, q.Lambda = strength, p.Lambda*strength/p.Strength
	q.free, q.gentle, q.careful = false, false, false
	if q.psi, err = q.potential(q.Scene); err != nil {
		return nil, err
	}
	q.part = r.Add(image.Pt(dx-x.lo, dy-y.lo))
	return &q, nil
}

// Residual is (y - A x)/Level in the shape of y, whitened if the noise is correlated or
// has several deviations. If operator, noise and prior are right, it is white noise of
// deviation about 1. It is computed on the scale of brightness of the solver. It has no
// samples for results in windows, for rounded numbers, and without noise.
func (r Result) Residual() operators.Image {
	p := r.plan
	if p == nil || p.policy.rounded || !(p.Level > 0) || len(r.X) == 0 {
		return operators.Image{}
	}
	y := p.problem.Y
	out := operators.NewImage(y.Shape)
	p.apply(out.Pix, p.a, y, r.X)
	for i, v := range y.Pix {
		out.Pix[i] = v - out.Pix[i]
	}
	if model := p.model(); !white(model) {
		noise.Freeze(model, smoothed(y), y.Shape).Whiten(out.Pix, out.Pix)
		return out
	}
	for i := range out.Pix {
		out.Pix[i] /= float32(p.Level)
	}
	return out
}
