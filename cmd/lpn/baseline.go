package main

import (
	"context"
	"math"
	"strings"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// A baseline restores y = A x + noise without a learned prior. Its weight is
// strength times the statistical one.
type baseline func(ctx context.Context, m measured, a operators.Linear, noise, strength float64) ([]float32, error)

// baselines are the classical methods that eval compares with. Their weights
// follow from the noise alone, as the statistical ones of a prior of fixed
// scale; tune finds the strengths that suit the images and the operator.
var baselines = map[string]baseline{
	"input":    inputBaseline,
	"wiener":   wienerBaseline,
	"tv":       tvBaseline(false),
	"tv-aniso": tvBaseline(true),
	"wavelet":  waveletBaseline,
}

var (
	baselineNames = []string{"input", "wiener", "tv", "tv-aniso", "wavelet"}
	// tunable are the baselines that have a strength.
	tunable = baselineNames[1:]
)

// baselineTrials is how many strengths are tried to tune a baseline: enough to
// find the best of a range of 1:2500 to 10%.
const baselineTrials = 14

// parseBaselines reads a list of names.
func parseBaselines(list string) ([]string, error) {
	var names []string
	for _, n := range strings.Split(list, ",") {
		if n = strings.TrimSpace(n); n == "" {
			continue
		}
		if baselines[n] == nil {
			return nil, usagef("--baseline: unknown method %q%s; want %s", n, suggest(n, baselineNames), strings.Join(baselineNames, ", "))
		}
		names = append(names, n)
	}
	return names, nil
}

// inputBaseline is the measurement itself where it has the scene's shape,
// else the adjoint's picture A'y.
func inputBaseline(_ context.Context, m measured, a operators.Linear, _, _ float64) ([]float32, error) {
	x := make([]float32, m.scene.Len())
	if m.y.Shape == m.scene {
		copy(x, m.y.Pix)
	} else {
		a.Adjoint(x, m.y.Pix)
	}
	return x, nil
}

// wienerWeight takes the gradients of pictures to be of variance 0.01.
func wienerWeight(noise float64) float64 { return 100 * math.Pow(max(noise, leastNoise), 2) }

// wienerBaseline is the quadratic estimate at strength times that weight.
func wienerBaseline(_ context.Context, m measured, a operators.Linear, noise, strength float64) ([]float32, error) {
	x := make([]float32, m.scene.Len())
	solvers.Tikhonov{A: a, Mu: strength * wienerWeight(noise)}.Solve(x, m.y.Pix)
	return x, nil
}

// tvBaseline takes the gradients of pictures to be Laplacian of scale 0.13: their
// lengths, or their two parts.
func tvBaseline(anisotropic bool) baseline {
	return func(ctx context.Context, m measured, a operators.Linear, noise, strength float64) ([]float32, error) {
		w := strength * math.Pow(max(noise, leastNoise), 2) / 0.13
		return convex(ctx, m, a, noise, &solvers.TV{Shape: m.scene, Weight: w, Anisotropic: anisotropic, Warm: true})
	}
}

// waveletBaseline takes wavelet details to be Laplacian of scale 0.065.
func waveletBaseline(ctx context.Context, m measured, a operators.Linear, noise, strength float64) ([]float32, error) {
	w := strength * math.Pow(max(noise, leastNoise), 2) / 0.065
	return convex(ctx, m, a, noise, solvers.Wavelet{Shape: m.scene, Weight: w})
}

// convex minimises the fidelity plus g from the Wiener estimate.
func convex(ctx context.Context, m measured, a operators.Linear, noise float64, g solvers.Prox) ([]float32, error) {
	x0, err := wienerBaseline(ctx, m, a, noise, 1)
	if err != nil {
		return nil, err
	}
	h := &solvers.LeastSquares{A: a, Y: m.y.Pix}
	r, err := solvers.Solve(ctx, solvers.APGD{H: h, G: g}, x0, solvers.Stop{MaxIters: 500, RelChange: 2e-5})
	return r.X, err
}
