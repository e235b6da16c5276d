package restore

import (
	"context"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// Tuned is what Tune found.
type Tuned struct {
	// Options are those that Tune was given, with Strength, Scale and, for a solver
	// that has one, Rho as found.
	Options Options
	// Prior is the name of the prior in use.
	Prior string
	// PSNR is the mean over the examples, in decibels; Trials were made.
	PSNR   float64
	Trials int
}

// Tune searches for the strength, the scale and, for admm, hqs and drs, the
// penalty rho of the highest mean PSNR over examples, with at most budget trials
// and without derivatives (solvers.Tune). progress, which may be nil, is called
// after each trial.
func Tune(ctx context.Context, examples []Example, o Options, budget int, progress func(trial int, psnr float64)) (Tuned, error) {
	o = o.withDefaults()
	space := []solvers.Param{{Name: "strength", Lo: 0.05, Hi: 20, Start: 1}, {Name: "scale", Lo: 0.25, Hi: 8, Start: 1}}
	if TakesRho(o.Solver) {
		space = append(space, solvers.Param{Name: "rho", Lo: 1e-3, Hi: 1e2, Start: 1})
	}
	with := func(v []float64) Options {
		t := o
		t.Strength, t.Scale = v[0], v[1]
		if len(v) > 2 {
			t.Rho = v[2]
		}
		return t
	}
	found := Tuned{}
	best, trials, err := solvers.Tune(ctx, space, budget, counted(progress, func(v []float64) (float64, error) {
		return meanPSNR(examples, func(e Example) (operators.Image, error) {
			plan, err := New(e.Problem, with(v))
			if err != nil {
				return operators.Image{}, err
			}
			found.Prior = plan.Prior
			r, err := plan.Solve(ctx, nil)
			return r.Image, err
		})
	}))
	if err != nil {
		return Tuned{}, err
	}
	found.Options, found.PSNR, found.Trials = with(best.Params), best.Score, len(trials)
	return found, nil
}

// TuneBaseline searches for the strength of a baseline of the highest mean PSNR
// over examples, as Tune does.
func TuneBaseline(ctx context.Context, examples []Example, name string, budget int, progress func(trial int, psnr float64)) (strength float64, err error) {
	space := []solvers.Param{{Name: name, Lo: 0.02, Hi: 50}}
	best, _, err := solvers.Tune(ctx, space, budget, counted(progress, func(v []float64) (float64, error) {
		return meanPSNR(examples, func(e Example) (operators.Image, error) {
			return e.Problem.Baseline(ctx, name, v[0])
		})
	}))
	if err != nil {
		return 0, err
	}
	return best.Params[0], nil
}

// counted is score with progress told of each trial.
func counted(progress func(trial int, psnr float64), score func(v []float64) (float64, error)) func(v []float64) (float64, error) {
	n := 0
	return func(v []float64) (float64, error) {
		psnr, err := score(v)
		n++
		if progress != nil {
			progress(n, psnr)
		}
		return psnr, err
	}
}

// meanPSNR is the mean over the examples of what restore makes of them.
func meanPSNR(examples []Example, restore func(Example) (operators.Image, error)) (float64, error) {
	sum := 0.0
	for _, e := range examples {
		x, err := restore(e)
		if err != nil {
			return 0, err
		}
		sum += metrics.PSNR(e.Truth.Pix, x.Pix)
	}
	return sum / float64(len(examples)), nil
}
