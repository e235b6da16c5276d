package restore

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// An Example is a problem whose answer is known.
type Example struct {
	// Truth is the frame of the scene.
	Truth operators.Image
	// Problem is a measurement of the scene.
	Problem Problem
}

// Simulate measures a scene with samples in [0,1]: y = A x + noise, drawn from rng. A
// nil model means no noise. For an operator that rounds, y = round(A(x + noise)).
func Simulate(scene operators.Image, spec operators.Spec, model noise.Model, rng *rand.Rand) (Example, error) {
	return SimulateLight(scene, spec, LightNumbers, model, rng)
}

// SimulateLight is Simulate of an operator that acts on light: with LightLinear,
// y = e(A d(x)) + noise, where e is the curve of sRGB and d its inverse
// (solvers.Developed), and light is that of the Problem. The error is an *OptionError for
// another light than LightNumbers and LightLinear, and for an operator that is neither blur
// nor sr.
func SimulateLight(scene operators.Image, spec operators.Spec, light Light, model noise.Model, rng *rand.Rand) (Example, error) {
	if light != LightNumbers && light != LightLinear {
		return Example{}, &OptionError{"light", fmt.Sprintf("%q; want linear, or srgb for the numbers as they are", light)}
	}
	if light == LightLinear && !blursLight(spec) {
		return Example{}, notOnLight(spec)
	}
	a, err := spec.Build(scene.Shape)
	if err != nil {
		return Example{}, err
	}
	y := operators.NewImage(a.Codomain())
	add := func(m operators.Image) {
		if model != nil {
			model.Sample(m.Pix, m.Pix, m.Shape, rng)
		}
	}
	if q, ok := a.(operators.Quantiser); ok {
		x := scene.Clone()
		add(x)
		a.Apply(y.Pix, x.Pix)
		q.Quantise(y.Pix, y.Pix)
	} else if light == LightLinear {
		(&solvers.Developed{A: a, Y: y.Pix}).Measure(y.Pix, scene.Pix)
		add(y)
	} else {
		a.Apply(y.Pix, scene.Pix)
		add(y)
	}
	if model == nil {
		model = noise.White{}
	}
	h, w := spec.Frame(y.Shape, scene.Shape)
	return Example{
		Truth:   Centre(scene, h, w),
		Problem: Problem{Y: y, Operator: spec, Scene: scene.Shape, Noise: model, Range: Unit, Light: light},
	}, nil
}

// A Quality is how close an estimate is to the truth: PSNR in decibels at a data
// range of 1, SSIM and multi-scale SSIM, as package metrics defines them. MSSSIM is NaN for
// pictures with a side below [metrics.MultiscaleSide].
type Quality struct{ PSNR, SSIM, MSSSIM float64 }

// Compare is the quality of an estimate with the shape of the truth.
func Compare(truth, estimate operators.Image) Quality {
	return Quality{
		PSNR:   metrics.PSNR(truth.Pix, estimate.Pix),
		SSIM:   metrics.SSIM(truth.Pix, estimate.Pix, truth.Shape),
		MSSSIM: metrics.MSSSIM(truth.Pix, estimate.Pix, truth.Shape),
	}
}

// An Evaluation is how well an example was restored.
type Evaluation struct {
	Quality
	Seconds float64
	// Baselines are the results of classical methods by name.
	Baselines map[string]Quality
}

// Evaluate restores an example with the prior, and with each baseline in strengths at
// its strength.
func Evaluate(ctx context.Context, e Example, o Options, strengths map[string]float64) (Evaluation, error) {
	plan, err := New(e.Problem, o)
	if err != nil {
		return Evaluation{}, err
	}
	r, err := plan.Solve(ctx, nil)
	if err != nil {
		return Evaluation{}, err
	}
	out := Evaluation{Compare(e.Truth, r.Image), r.Seconds, map[string]Quality{}}
	for name, strength := range strengths {
		x, err := e.Problem.Baseline(ctx, name, strength)
		if err != nil {
			return out, err
		}
		out.Baselines[name] = Compare(e.Truth, x)
	}
	return out, nil
}
