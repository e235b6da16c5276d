package train

import (
	"context"
	"errors"
	"math"
)

// A RatePoint is a step of a learning-rate range test: its rate, and the average loss
// over the steps so far, in which the last ones count most.
type RatePoint struct{ Rate, Loss float64 }

// FindRate makes a learning-rate range test (Smith 2017): steps at rates that grow
// geometrically from lo to hi, ended early when the loss is four times the least. It
// returns the course, and a third of the rate with the least loss, which is a good
// largest rate for a plan that warms up and falls to zero. It uses only the loss of the
// first stage of the options' plan.
func FindRate(ctx context.Context, o Options, lo, hi float64, steps int) (course []RatePoint, rate float64, err error) {
	o.Checkpoint, o.Resume, o.Valid = "", false, nil
	o.Plan = Plan{o.Plan[0]}
	o.Plan[0].Steps = steps
	s, err := newRun(o)
	if err != nil {
		return nil, 0, err
	}
	defer s.m.close()
	const keep = 0.95
	mean, least := 0.0, math.Inf(1)
	for t := range steps {
		if ctx.Err() != nil {
			return course, rate, ctx.Err()
		}
		at := lo * math.Pow(hi/lo, float64(t)/float64(max(1, steps-1)))
		loss, _, err := s.advance(at)
		if errors.Is(err, ErrDiverged) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		mean = keep*mean + (1-keep)*loss
		smooth := mean / (1 - math.Pow(keep, float64(t+1)))
		course = append(course, RatePoint{at, smooth})
		if t > steps/10 && smooth < least {
			least, rate = smooth, at/3
		}
		if t > steps/10 && smooth > 4*least {
			break
		}
		if o.Progress != nil {
			o.Progress(Progress{Step: t + 1, Steps: steps, Loss: loss, Rate: at, PSNR: math.NaN()})
		}
	}
	return course, rate, nil
}
