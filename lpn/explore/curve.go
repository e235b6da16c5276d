package explore

import (
	"context"
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// A CurveResult is a prior for numbers, pictures of one sample, at a list of
// numbers. Element k of every list belongs to X[k].
type CurveResult struct {
	Prior string `json:"prior"`
	// Sigma is the noise level of the prior, in the unit of X.
	Sigma float64 `json:"sigma"`
	X     Numbers `json:"x"`
	// F is f(x), Psi is psi(x).
	F   Numbers `json:"f"`
	Psi Numbers `json:"psi"`
	// R is R(x) less the least value of the list, in the squared unit of X: R/Sigma^2
	// is in nats. NaN if no y with f(y) = x was found.
	R Numbers `json:"r"`
	// Residuals are |f(y)-x|, relative to |x|; Gaps are bounds on how much too low R
	// is.
	Residuals Numbers `json:"residuals"`
	Gaps      Numbers `json:"gaps"`
}

// Curve evaluates f, psi and R of a prior for numbers at each of xs.
func Curve(ctx context.Context, p Prior, xs []float64) (CurveResult, error) {
	prior, err := p.on(ctx, operators.Shape{C: 1, H: 1, W: 1}, 1)
	if err != nil {
		return CurveResult{}, err
	}
	r := CurveResult{Prior: p.Name, Sigma: p.Sigma}
	least := math.Inf(1)
	f := make([]float32, 1)
	for _, x := range xs {
		psi := prior.Psi.Eval(f, []float32{float32(x)})
		v := prior.At([]float32{float32(x)})
		if err := ctx.Err(); err != nil {
			return CurveResult{}, err
		}
		if v.InRange {
			least = math.Min(least, v.R)
		}
		r.X, r.F, r.Psi, r.R = append(r.X, x), append(r.F, float64(f[0])), append(r.Psi, psi), append(r.R, v.R)
		r.Residuals, r.Gaps = append(r.Residuals, v.Residual), append(r.Gaps, v.Gap)
	}
	for i := range r.R {
		r.R[i] -= least
	}
	return r, nil
}

// OutOfRange counts the points without a value of R.
func (r CurveResult) OutOfRange() int {
	n := 0
	for _, v := range r.R {
		if math.IsNaN(v) {
			n++
		}
	}
	return n
}

// Laplace is the truth for data of density exp(-|x|/B)/(2B) with Gaussian noise of
// standard deviation Sigma, to compare with a prior that learned from such data.
type Laplace struct{ B, Sigma float64 }

// MAP is the maximum a posteriori at y, a soft threshold at Sigma^2/B:
//
//	argmin_x (x-y)^2/2 + Sigma^2 |x|/B = sign(y) max(|y| - Sigma^2/B, 0).
func (l Laplace) MAP(y float64) float64 {
	return math.Copysign(math.Max(math.Abs(y)-l.threshold(), 0), y)
}

// R is Sigma^2 |x|/B, of which MAP is the proximal operator. R/Sigma^2 is the
// negative logarithm of the density less its minimum.
func (l Laplace) R(x float64) float64 { return l.threshold() * math.Abs(x) }

func (l Laplace) threshold() float64 { return l.Sigma * l.Sigma / l.B }

// Posterior is the mean and the median of x given y: by Simpson's rule on
// [y-r, y+r], r = 9 Sigma + Sigma^2/B, cut at 0, where the density has its kink.
func (l Laplace) Posterior(y float64) (mean, median float64) {
	r := 9*l.Sigma + l.Sigma*l.Sigma/l.B
	density := func(x float64) float64 {
		d := (y - x) / l.Sigma
		return math.Exp(-d*d/2 - (math.Abs(x)-math.Abs(y))/l.B)
	}
	lo, hi := y-r, y+r
	pieces := [][2]float64{{lo, hi}}
	if lo < 0 && hi > 0 {
		pieces = [][2]float64{{lo, 0}, {0, hi}}
	}
	const steps = 4000
	mass, first := 0.0, 0.0
	var ends, masses []float64 // the distribution function, for the median
	for _, p := range pieces {
		h := (p[1] - p[0]) / steps
		for k := range steps {
			a := p[0] + h*float64(k)
			fa, fm, fb := density(a), density(a+h/2), density(a+h)
			mass += h / 6 * (fa + 4*fm + fb)
			first += h / 6 * (a*fa + 4*(a+h/2)*fm + (a+h)*fb)
			ends, masses = append(ends, a+h), append(masses, mass)
		}
	}
	for i, m := range masses {
		if m >= mass/2 {
			before, from := 0.0, lo
			if i > 0 {
				before, from = masses[i-1], ends[i-1]
			}
			return first / mass, from + (ends[i]-from)*(mass/2-before)/(m-before)
		}
	}
	return first / mass, hi
}

// A LaplaceError is how far a prior is from the truth for Laplace data.
type LaplaceError struct {
	// MAP, Mean and Median are max |f - MAP| and the same for the posterior mean
	// and median, over all points.
	MAP    Number `json:"map"`
	Mean   Number `json:"mean"`
	Median Number `json:"median"`
	// R is the root mean square error of R, its minimum subtracted, over the
	// points in range.
	R Number `json:"r"`
}

// Errors compares a curve with the truth.
func (l Laplace) Errors(c CurveResult) LaplaceError {
	var e [3]float64
	sum, n := 0.0, 0.0
	for i, x := range c.X {
		mean, median := l.Posterior(x)
		for k, truth := range [3]float64{l.MAP(x), mean, median} {
			e[k] = math.Max(e[k], math.Abs(c.F[i]-truth))
		}
		if d := c.R[i] - l.R(x); !math.IsNaN(d) {
			sum += d * d
			n++
		}
	}
	return LaplaceError{MAP: Number(e[0]), Mean: Number(e[1]), Median: Number(e[2]), R: Number(math.Sqrt(sum / n))}
}
