package restore

import (
	"context"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// A baseline restores y = A x + noise without a learned prior, by a classical
// one whose weight is strength times the statistical one.
type baseline func(ctx context.Context, y operators.Image, a operators.Linear, level, strength float64) ([]float32, error)

var baselines = map[string]baseline{
	"input":    inputBaseline,
	"wiener":   wienerBaseline,
	"tv":       tvBaseline(false),
	"tv-aniso": tvBaseline(true),
	"wavelet":  waveletBaseline,
}

var baselineNames = []string{"input", "wiener", "tv", "tv-aniso", "wavelet"}

// Baselines lists the classical methods: input (the measurement itself, enlarged if it
// is smaller, or A'y), wiener (a quadratic prior of the gradients), tv and tv-aniso
// (total variation, isotropic and anisotropic) and wavelet. Their weights follow from
// the noise alone, like the statistical weight of a prior of fixed scale. TuneBaseline
// finds the best strengths for given images and an operator.
func Baselines() []string { return slices.Clone(baselineNames) }

// Tunable reports whether a baseline has a strength.
func Tunable(name string) bool { return name != "input" && baselines[name] != nil }

// Baseline restores a problem with samples in [0,1] and known noise by a baseline at
// strength times its statistical weight, and returns the frame. It panics if the name
// is not in Baselines.
func (p Problem) Baseline(ctx context.Context, name string, strength float64) (operators.Image, error) {
	scene, err := p.scene()
	if err != nil {
		return operators.Image{}, err
	}
	a, err := p.build(scene)
	if err != nil {
		return operators.Image{}, err
	}
	x, err := baselines[name](ctx, p.Y, a, deviation(p.Noise, p.Y), strength)
	if err != nil {
		return operators.Image{}, err
	}
	h, w := p.Operator.Frame(p.Y.Shape, scene)
	return Centre(operators.Image{Shape: scene, Pix: x}, h, w), nil
}

// deviation is the standard deviation of the noise of a measurement, root mean
// square over its samples.
func deviation(m noise.Model, y operators.Image) float64 {
	if w, white := m.(noise.White); white {
		return w.Sigma
	}
	return noise.RMS(m, y.Pix, y.Shape)
}

// inputBaseline is the measurement itself where it has the scene's shape, what a
// decoder makes of a file, a small picture enlarged by cubic interpolation, else A'y.
func inputBaseline(_ context.Context, y operators.Image, a operators.Linear, _, _ float64) ([]float32, error) {
	x := make([]float32, a.Domain().Len())
	if q, ok := a.(operators.Quantiser); ok {
		q.Decode(x, y.Pix)
	} else if up, ok := a.(operators.Interpolator); ok {
		up.Interpolate(x, y.Pix)
	} else if y.Shape == a.Domain() {
		copy(x, y.Pix)
	} else {
		a.Adjoint(x, y.Pix)
	}
	return x, nil
}

// wienerWeight takes the gradients of images to be of variance 0.01.
func wienerWeight(level float64) float64 { return 100 * math.Pow(max(level, noiseFloor), 2) }

// wienerBaseline is the quadratic estimate at strength times that weight.
func wienerBaseline(_ context.Context, y operators.Image, a operators.Linear, level, strength float64) ([]float32, error) {
	x := make([]float32, a.Domain().Len())
	if s, ok := a.(operators.Selector); ok {
		fillFrom(x, y, a, selected(s, len(y.Pix)), nil, strength*wienerWeight(level))
		return x, nil
	}
	solvers.Tikhonov{A: a, Mu: strength * wienerWeight(level)}.Solve(x, y.Pix)
	return x, nil
}

// tvBaseline takes the gradients of images to be Laplacian of scale 0.13: their
// lengths, or their two parts.
func tvBaseline(anisotropic bool) baseline {
	return func(ctx context.Context, y operators.Image, a operators.Linear, level, strength float64) ([]float32, error) {
		w := strength * math.Pow(max(level, noiseFloor), 2) / 0.13
		return convex(ctx, y, a, level, &solvers.TV{Shape: a.Domain(), Weight: w, Anisotropic: anisotropic, Warm: true})
	}
}

// waveletBaseline takes wavelet details to be Laplacian of scale 0.065.
func waveletBaseline(ctx context.Context, y operators.Image, a operators.Linear, level, strength float64) ([]float32, error) {
	w := strength * math.Pow(max(level, noiseFloor), 2) / 0.065
	return convex(ctx, y, a, level, solvers.Wavelet{Shape: a.Domain(), Weight: w})
}

// convex minimises the fidelity plus g from the quadratic estimate.
func convex(ctx context.Context, y operators.Image, a operators.Linear, level float64, g solvers.Prox) ([]float32, error) {
	x0, err := wienerBaseline(ctx, y, a, level, 1)
	if err != nil {
		return nil, err
	}
	h := &solvers.LeastSquares{A: a, Y: y.Pix}
	r, err := solvers.Solve(ctx, solvers.APGD{H: h, G: g}, x0, solvers.Stop{MaxIters: 500, RelChange: 2e-5})
	return r.X, err
}
