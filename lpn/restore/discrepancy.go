package restore

import (
	"math"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

const (
	// discrepancyReach bounds the strengths that are tried, either way from 1.
	discrepancyReach = 16
	// discrepancyClose is when the residual's energy is the noise's.
	discrepancyClose = 0.03
	// discrepancyTries bounds the restorations.
	discrepancyTries = 8
)

// byDiscrepancy restores y = A x by the given minimisation and, where the options ask for
// it, searches for the strength at which the residual is as large as the noise
// (Morozov 1966),
//
//	||A x - y||^2 = m Level^2,
//
// m the number of samples: the residual grows with the strength, so a secant in the
// logarithms, kept within a bracket, finds it. It returns the plan with that
// strength.
func (p *Plan) byDiscrepancy(a operators.Linear, y operators.Image, psi solvers.Potential, minimise minimiser) (*Plan, solvers.Result, error) {
	r, err := minimise(p, y)
	if !p.options.Discrepancy || err != nil || p.Lambda == 0 {
		return p, r, err
	}
	q := p
	excess := func(q *Plan, r solvers.Result) float64 { // logarithm of the ratio
		e := q.examine(a, y, psi, r)
		return math.Log(max(e.energy/e.samples, 1e-12))
	}
	lo, hi := math.Inf(-1), math.Inf(1) // brackets of the logarithm of the strength
	at := math.Log(p.Strength)
	before, last := math.NaN(), math.NaN()
	for range discrepancyTries {
		now := excess(q, r)
		if math.Abs(now) < discrepancyClose {
			break
		}
		if now > 0 {
			hi = at
		} else {
			lo = at
		}
		slope := (now - last) / (at - before)
		if !(slope > 0.05) {
			slope = 0.5
		}
		next := at - now/slope
		if next <= lo || next >= hi {
			next = (max(lo, -math.Log(discrepancyReach)) + min(hi, math.Log(discrepancyReach))) / 2
		}
		next = min(max(next, -math.Log(discrepancyReach)), math.Log(discrepancyReach))
		if math.Abs(next-at) < 1e-3 {
			break // the end of the range
		}
		before, last, at = at, now, next
		if q, r, err = p.restored(math.Exp(at), y, minimise); err != nil {
			break
		}
	}
	return q, r, err
}

// restored is a restoration at another strength.
func (p *Plan) restored(strength float64, y operators.Image, minimise minimiser) (*Plan, solvers.Result, error) {
	q := *p
	q.Lambda *= strength / p.Strength
	q.Strength = strength
	r, err := minimise(&q, y)
	return &q, r, err
}
