package restore

import (
	"context"
	"fmt"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// A Light says what an operator acts on.
type Light string

const (
	// LightNumbers means the numbers of the measurement themselves: those of a
	// detector, or of a picture that a program has blurred or made smaller.
	LightNumbers Light = ""
	// LightLinear means the light behind the sRGB numbers of a photograph, which is
	// what a lens blurs.
	LightLinear Light = "linear"
	// LightAuto means whichever of the two explains the measurement better.
	LightAuto Light = "auto"
)

// blursLight reports whether an operator may act on light: blur and sr.
func blursLight(s operators.Spec) bool {
	w := policyOf(s)
	return w.windows && !w.alone && !w.rounded || s.Resamples()
}

func notOnLight(s operators.Spec) error {
	return &OptionError{"light", fmt.Sprintf("linear goes with blur and sr, not with %s", s.Name())}
}

// decideLight checks Problem.Light, and finds it where it is LightAuto: a part of the
// measurement is restored both ways, and the lower objective, of the same prior and the
// same noise, is that of the likelier scene. The difference may be small, but of 20
// blurred photographs none was told wrong by more than four digits show.
func (p *Plan) decideLight() error {
	want := p.problem.Light
	if want == LightNumbers {
		return nil
	}
	_, white := p.NoiseModel.(noise.White)
	can := blursLight(p.Operator)
	switch {
	case want != LightLinear && want != LightAuto:
		return &OptionError{"light", fmt.Sprintf("%q; want linear, or srgb for the numbers as they are", want)}
	case want == LightAuto && (!can || !white || p.Solver != "bpg" || p.Lambda == 0 || p.Operator.Resamples()):
		return nil
	case !can:
		return notOnLight(p.Operator)
	case !white:
		return &OptionError{"light", "linear goes with white noise: give a number"}
	case p.Solver != "bpg":
		return &OptionError{"light", "linear goes with the solver bpg"}
	case want == LightLinear:
		p.Light, p.LightLine = LightLinear, "linear, given"
		return nil
	}
	numbers, err := p.lightObjective(LightNumbers)
	if err != nil {
		return nil // a kernel as large as the picture: nothing to try on
	}
	linear, err := p.lightObjective(LightLinear)
	if err != nil {
		return err
	}
	p.LightLine = fmt.Sprintf("the numbers as they are (srgb): linear light explains them less well (objective %.5g against %.5g)", linear, numbers)
	if linear < numbers {
		p.Light = LightLinear
		p.LightLine = fmt.Sprintf("linear: it explains the picture better than its numbers as they are (objective %.5g against %.5g)", linear, numbers)
	}
	return nil
}

// inLight is the plan in linear light where the light was to be found, samples were clipped,
// and the solution s in the numbers as they are contradicts the blur; else nil. The part of
// the picture with the highest contrast, by which the light was chosen, is then that of
// clipped lamps, which say little.
func (p *Plan) inLight(s solution) *Plan {
	if p.Light != LightNumbers || p.LightLine == "" || !p.Saturated || s.plan.Strength < 0.99*strongest || !s.plan.raised {
		return nil
	}
	q := *p
	q.Light = LightLinear
	return &q
}

// lightObjective is the least objective of the part of the measurement of the highest
// contrast.
func (p *Plan) lightObjective(l Light) (float64, error) {
	const side, iters = 112, 25
	y := busiest(p.problem.Y, side)
	q := *p
	q.Light, q.Iters, q.Missing, q.policy.start = l, iters, 0, startQuadratic
	spec := p.Operator.WithBoundary(operators.Valid)
	scene, err := spec.Scene(y.Shape)
	if err != nil {
		return 0, err
	}
	a, err := spec.Build(scene)
	if err != nil {
		return 0, err
	}
	q.Scene = scene
	psi, err := q.potential(scene)
	if err != nil {
		return 0, err
	}
	q.free = false
	r, err := q.minimise(context.Background(), a, y, psi, nil, func(solvers.Iterate) {})
	return r.Objective, err
}

// busiest is the part of an image, side pixels wide and high, whose samples vary most:
// where the curve of sRGB matters.
func busiest(m operators.Image, side int) operators.Image {
	h, w := min(side, m.H), min(side, m.W)
	best, at := -1.0, [2]int{}
	for y := 0; y+h <= m.H; y += max(1, min(h/2, m.H-h)) {
		for x := 0; x+w <= m.W; x += max(1, min(w/2, m.W-w)) {
			sum, square := 0.0, 0.0
			for r := 0; r < h; r += 2 {
				for _, v := range m.Pix[(y+r)*m.W+x:][:w] {
					sum += float64(v)
					square += float64(v) * float64(v)
				}
			}
			n := float64((h + 1) / 2 * w)
			if v := square - sum*sum/n; v > best {
				best, at = v, [2]int{y, x}
			}
		}
	}
	out := operators.NewImage(operators.Shape{C: m.C, H: h, W: w})
	for c := range m.C {
		for r := range h {
			copy(out.Plane(c)[r*w:(r+1)*w], m.Plane(c)[(at[0]+r)*m.W+at[1]:])
		}
	}
	return out
}

// developed is the fidelity in linear light.
func (p *Plan) developed(a operators.Linear, y operators.Image) *solvers.Developed {
	return &solvers.Developed{A: a, Y: y.Pix, Saturated: p.Saturated}
}

// apply writes what the camera would make of a scene x: A x, in linear light developed
// again.
func (p *Plan) apply(dst []float32, a operators.Linear, y operators.Image, x []float32) {
	if p.Light == LightLinear {
		p.developed(a, y).Measure(dst, x)
		return
	}
	a.Apply(dst, x)
}

// developedStart is the quadratic estimate in linear light.
func (p *Plan) developedStart(ctx context.Context, y operators.Image, a operators.Linear) ([]float32, error) {
	light := y.Clone()
	solvers.Decode(light.Pix, light.Pix)
	x, err := p.quadratic(ctx, light, a)
	if err == nil {
		solvers.Encode(x, x)
	}
	return x, err
}
