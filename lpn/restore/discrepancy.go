package restore

import (
	"math"
	"slices"

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
//	||A x - y||^2 = m s^2,
//
// m the number of samples and s the deviation of the noise. The residual grows with the
// strength, so a secant in the logarithms, kept within a bracket, finds it. It returns
// the plan with that strength.
func (p *Plan) byDiscrepancy(a operators.Linear, y operators.Image, psi solvers.Potential, minimise minimiser) (*Plan, solvers.Result, error) {
	r, err := minimise(p, y)
	if !p.options.Discrepancy || err != nil || p.Lambda == 0 {
		return p, r, err
	}
	q := p
	excess := func(q *Plan, r solvers.Result) float64 { // logarithm of the ratio
		ratio := 0.0
		if p.treatment != nil { // the noise is known on the scale of the image itself
			ratio = p.removed(y.Pix, r.X) * p.Range.span() / p.Noise
		} else {
			ratio = q.examine(a, y, psi, r).ratio()
		}
		return 2 * math.Log(max(ratio, 1e-6))
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

// removed is the root mean square of what a result x takes from a treated measurement
// y, on the image's own scale of brightness.
func (p *Plan) removed(y, x []float32) float64 {
	y, x = slices.Clone(y), slices.Clone(x)
	p.treatment.Back(x, x)
	if s := p.treatment.Stabiliser; s != nil {
		s.Backward(y, y)
	}
	sum := 0.0
	for i, v := range y {
		sum += float64(x[i]-v) * float64(x[i]-v)
	}
	return math.Sqrt(sum / float64(len(x)))
}

// restored is a restoration at another strength.
func (p *Plan) restored(strength float64, y operators.Image, minimise minimiser) (*Plan, solvers.Result, error) {
	q := *p
	q.Lambda *= strength / p.Strength
	q.Strength = strength
	r, err := minimise(&q, y)
	return &q, r, err
}
