package solvers

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/minimise"
)

// A Param is one positive quantity for Tune to choose, searched on a
// logarithmic scale between Lo and Hi.
type Param struct {
	Name   string
	Lo, Hi float64
	// Start is the first guess of a search in several parameters. Default:
	// the geometric mean of Lo and Hi.
	Start float64
}

func (p Param) start() float64 {
	if p.Start > 0 {
		return p.Start
	}
	return math.Sqrt(p.Lo * p.Hi)
}

// A Trial is one point that Tune tried.
type Trial struct {
	Params []float64
	Score  float64
}

// Tune looks for the parameters of highest score (a mean PSNR, say) with at
// most budget evaluations: golden-section search for one parameter (Kiefer
// 1953), which assumes a single peak, Nelder & Mead's simplex (1965) for
// several, both on log parameters. It uses no randomness: the same score
// function gives the same answer. It returns the best trial and all of them
// in order; an error of score, or the end of ctx, ends the search with the
// trials made.
func Tune(ctx context.Context, params []Param, budget int, score func(p []float64) (float64, error)) (best Trial, trials []Trial, err error) {
	if len(params) == 0 || budget < 1 {
		return best, nil, fmt.Errorf("solvers: Tune needs at least one parameter and one evaluation")
	}
	for _, p := range params {
		if !(p.Lo > 0 && p.Hi > p.Lo && p.start() >= p.Lo && p.start() <= p.Hi) {
			return best, nil, fmt.Errorf("solvers: parameter %s: want 0 < Lo <= Start <= Hi and Lo < Hi, have %g, %g, %g", p.Name, p.Lo, p.start(), p.Hi)
		}
	}
	// loss is minus the score at log parameters; outside the box it is that
	// of the nearest point plus the distance, so that the simplex turns back.
	loss := func(logs []float64) float64 {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || len(trials) >= budget {
			return math.Inf(1)
		}
		at := make([]float64, len(logs))
		out := 0.0
		for i, l := range logs {
			lo, hi := math.Log(params[i].Lo), math.Log(params[i].Hi)
			q := min(max(l, lo), hi)
			out += math.Abs(l - q)
			at[i] = math.Exp(q)
		}
		var v float64
		if v, err = score(at); err != nil {
			return math.Inf(1)
		}
		trials = append(trials, Trial{at, v})
		if len(trials) == 1 || v > best.Score {
			best = trials[len(trials)-1]
		}
		return -v + out
	}
	if len(params) == 1 {
		const close = 0.01 // of the logarithm: 1%
		minimise.Golden(math.Log(params[0].Lo), math.Log(params[0].Hi), budget, close, func(l float64) float64 { return loss([]float64{l}) })
		return best, trials, err
	}
	start := make([]float64, len(params))
	for i, p := range params {
		start[i] = math.Log(p.start())
	}
	simplex(start, 0.7, budget, loss)
	return best, trials, err
}

// simplex is Nelder & Mead's search from start, with the usual reflection,
// expansion, contraction and shrinkage by 1, 2, 1/2, 1/2, for about n
// evaluations or until the corners are within 1% of each other.
func simplex(start []float64, size float64, n int, f func([]float64) float64) {
	type corner struct {
		x []float64
		f float64
	}
	d := len(start)
	cs := make([]corner, d+1)
	for i := range cs {
		x := slices.Clone(start)
		if i > 0 {
			x[i-1] += size
		}
		cs[i] = corner{x, f(x)}
	}
	for used := d + 1; used < n; {
		slices.SortStableFunc(cs, func(a, b corner) int {
			switch {
			case a.f < b.f:
				return -1
			case a.f > b.f:
				return 1
			}
			return 0
		})
		spread := 0.0
		centre := make([]float64, d)
		for _, c := range cs[:d] {
			for j := range centre {
				centre[j] += c.x[j] / float64(d)
			}
		}
		worst := &cs[d]
		for j := range centre {
			spread = max(spread, math.Abs(worst.x[j]-cs[0].x[j]))
		}
		if spread < 0.01 {
			return
		}
		// along is the point centre + k (centre - worst).
		along := func(k float64) corner {
			x := make([]float64, d)
			for j := range x {
				x[j] = centre[j] + k*(centre[j]-worst.x[j])
			}
			used++
			return corner{x, f(x)}
		}
		r := along(1)
		switch {
		case r.f < cs[0].f:
			if e := along(2); e.f < r.f {
				r = e
			}
			*worst = r
		case r.f < cs[d-1].f:
			*worst = r
		default:
			k := -0.5
			if r.f < worst.f {
				k = 0.5
			}
			if c := along(k); c.f < min(r.f, worst.f) {
				*worst = c
				continue
			}
			for i := range cs[1:] {
				c := &cs[i+1]
				for j := range c.x {
					c.x[j] = (c.x[j] + cs[0].x[j]) / 2
				}
				c.f = f(c.x)
				used++
			}
		}
	}
}
