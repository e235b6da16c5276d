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

// Part is the plan of restoring the pixels of r alone, a part of the frame, at another
// strength, with the noise, the prior and the scale of brightness that p decided for the
// whole. Its result is of r's size. It is for looking at what a strength does: the numbers are those of the
// whole image up to the influence of what lies more than a few pixels outside. Only local
// operators whose result lies on the grid of the measurement have parts (denoise, inpaint
// and blurs), and noise that is not given sample by sample; others are an error.
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
	q.a, q.problem.Y, q.problem.Truth = a, part, nil
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

// Residual is what the result leaves of the measurement, (y - A x)/Level in the shape of y,
// whitened where the noise is correlated or of several deviations: white noise of deviation
// about 1 where operator, noise and prior belong to the measurement. It is on the scale of
// brightness on which the problem was solved. It has no samples where there is nothing to
// compare with: of results in windows, of rounded numbers, and without noise.
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
