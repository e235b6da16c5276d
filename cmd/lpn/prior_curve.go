package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

type curveOptions struct {
	explorer
	priors   []string
	from, to float64
	n        int
	laplace  float64 // b, the scale of the data
}

func priorCurveCommand() *cli.Command {
	return &cli.Command{
		Name:      "curve",
		Usage:     "f, psi and R of a prior for numbers, beside the truth for Laplace data",
		ArgsUsage: "PRIOR...",
		Description: "The references are for data of density exp(-|x|/b)/(2b) and the prior's noise sigma: the\n" +
			"maximum a posteriori, a soft threshold at sigma^2/b; the posterior mean and median, by\n" +
			"quadrature; and R = sigma^2 |x|/b. The largest distance of f from each is printed, and the\n" +
			"error of R, its minimum subtracted. Several priors are drawn beside each other.\n\n" +
			"Examples:\n" +
			"lpn prior curve laplace -o curve.png\n" +
			"lpn prior curve laplace l1" + priorExt + " l2" + priorExt + " -o losses.svg",
		Flags: explorerFlags(
			&cli.Float64Flag{Name: "from", Value: -3, Usage: "least `X`"},
			&cli.Float64Flag{Name: "to", Value: 3, Usage: "largest `X`"},
			&cli.IntFlag{Name: "points", Value: 121, Usage: "`N` points"},
			&cli.Float64Flag{Name: "laplace", Value: 1, Usage: "scale `B` of the Laplace distribution"}),
		Action: action(func(c *cli.Context, con *console) error {
			e, err := explorerFrom(c)
			if err != nil {
				return err
			}
			priors := c.Args().Slice()
			if e.prior != "" {
				priors = append(priors, e.prior)
			}
			if len(priors) == 0 {
				return usagef("curve wants a prior, built in or a file")
			}
			o := curveOptions{e, priors, c.Float64("from"), c.Float64("to"), c.Int("points"), c.Float64("laplace")}
			switch {
			case !(o.to > o.from) || math.IsInf(o.to-o.from, 0):
				return usagef("--from %v --to %v: want an interval", o.from, o.to)
			case o.n < 2 || o.n > 100000:
				return usagef("--points: %d; want 2 to 100000", o.n)
			case !(o.laplace > 0):
				return usagef("--laplace: %v; want a positive number", o.laplace)
			}
			return o.run(c.Context, con)
		}),
	}
}

// A curve is what JSON shows of a prior for numbers.
type curve struct {
	Prior string   `json:"prior"`
	X     []number `json:"x"`
	F     []number `json:"f"`
	Psi   []number `json:"psi"`
	R     []number `json:"r"`
	// MaxError is max |f - soft threshold|, MeanError and MedianError the same
	// for the posterior mean and median, RMSE that of R, its minimum
	// subtracted, against sigma^2 |x|/b, over the points in range.
	MaxError    number `json:"f_max_error"`
	MeanError   number `json:"f_mean_error"`
	MedianError number `json:"f_median_error"`
	RMSE        number `json:"r_rmse"`
	Lost        int    `json:"out_of_range"`
}

func (o curveOptions) run(_ context.Context, con *console) error {
	var curves []curve
	sigma := 0.0
	for _, name := range o.priors {
		net, err := openPrior(name)
		if err != nil {
			return err
		}
		c := net.Config()
		if c.Channels != 1 || c.Height != 1 || c.Width != 1 {
			return usagef("%s is a prior for pictures: curve wants one for numbers (1x1 pixels)", name)
		}
		if sigma != 0 && sigma != c.Sigma {
			return usagef("%s has another noise level than %s: draw them apart", name, o.priors[0])
		}
		sigma = c.Sigma
		prior, err := o.bind(net, operators.Shape{C: 1, H: 1, W: 1}, 1)
		if err != nil {
			return err
		}
		curves = append(curves, o.evaluate(name, prior, sigma))
	}
	if err := o.write(o.figures(curves, sigma)...); err != nil {
		return err
	}
	if con.json {
		if len(curves) == 1 {
			return con.printJSON(curves[0])
		}
		return con.printJSON(struct {
			Priors []curve `json:"priors"`
		}{curves})
	}
	for _, c := range curves {
		_, err := fmt.Fprintf(con.out, "%s: max|f - soft| = %.4f, max|f - mean| = %.4f, max|f - median| = %.4f, RMSE of R = %.4f on [%g, %g], %d points out of range\n",
			c.Prior, float64(c.MaxError), float64(c.MeanError), float64(c.MedianError), float64(c.RMSE), o.from, o.to, c.Lost)
		if err != nil {
			return err
		}
	}
	return nil
}

// at is the k-th point.
func (o curveOptions) at(k int) float64 {
	return o.from + (o.to-o.from)*float64(k)/float64(o.n-1)
}

// truth is what is known at u of Laplace data.
func (o curveOptions) truth(u, sigma float64) (soft, mean, median, r float64) {
	threshold := sigma * sigma / o.laplace
	mean, median = laplacePosterior(u, o.laplace, sigma)
	return math.Copysign(math.Max(math.Abs(u)-threshold, 0), u), mean, median, threshold * math.Abs(u)
}

func (o curveOptions) evaluate(name string, prior lpn.Prior, sigma float64) curve {
	out := curve{Prior: name}
	buf := make([]float32, 1)
	least := math.Inf(1)
	var soft, mean, median float64
	r, abs := make([]float64, o.n), make([]float64, o.n)
	for i := range o.n {
		u := o.at(i)
		p := prior.Psi.Eval(buf, []float32{float32(u)})
		f := float64(buf[0])
		s, m, d, a := o.truth(u, sigma)
		soft, mean, median = math.Max(soft, math.Abs(f-s)), math.Max(mean, math.Abs(f-m)), math.Max(median, math.Abs(f-d))
		abs[i] = a
		out.X, out.F, out.Psi = append(out.X, number(u)), append(out.F, number(f)), append(out.Psi, number(p))
		at := prior.At([]float32{float32(u)})
		if !at.InRange {
			out.Lost++
		} else {
			least = math.Min(least, at.R)
		}
		r[i] = at.R
	}
	sum, n := 0.0, 0.0
	for i := range r {
		r[i] -= least
		if !math.IsNaN(r[i]) {
			sum += (r[i] - abs[i]) * (r[i] - abs[i])
			n++
		}
		out.R = append(out.R, number(r[i]))
	}
	out.MaxError, out.MeanError, out.MedianError = number(soft), number(mean), number(median)
	out.RMSE = number(math.Sqrt(sum / n))
	return out
}

func (o curveOptions) figures(curves []curve, sigma float64) []plot.Figure {
	var x, soft, mean, median, abs []float64
	for i := range o.n {
		u := o.at(i)
		s, m, d, a := o.truth(u, sigma)
		x, soft, mean, median, abs = append(x, u), append(soft, s), append(mean, m), append(median, d), append(abs, a)
	}
	f := plot.Lines{X: "y", Y: "f(y)"}
	r := plot.Lines{X: "x", Y: "R(x) - min R"}
	psi := plot.Lines{X: "y", Y: "ψ(y) - min ψ"}
	if sigma == 1 {
		r.Y += " (nats)" // R/sigma² is the negative log-prior
	}
	for _, c := range curves {
		name := strings.TrimSuffix(filepath.Base(c.Prior), priorExt)
		f.Series = append(f.Series, plot.Series{Name: name, X: x, Y: floats(c.F)})
		r.Series = append(r.Series, plot.Series{Name: name, X: x, Y: floats(c.R)})
		psi.Series = append(psi.Series, plot.Series{Name: name, X: x, Y: aboveLeast(floats(c.Psi))})
	}
	f.Series = append(f.Series, plot.Series{Name: "soft threshold (MAP)", X: x, Y: soft, Reference: true},
		plot.Series{Name: "posterior mean", X: x, Y: mean, Reference: true},
		plot.Series{Name: "posterior median", X: x, Y: median, Reference: true})
	r.Series = append(r.Series, plot.Series{Name: "σ²|x|/b", X: x, Y: abs, Reference: true})
	if len(curves) == 1 {
		psi.Series[0].Name = ""
	}
	return []plot.Figure{f, r, psi}
}

// aboveLeast subtracts the least from all.
func aboveLeast(vs []float64) []float64 {
	least := slices.Min(vs)
	for i := range vs {
		vs[i] -= least
	}
	return vs
}

func floats(vs []number) []float64 {
	out := make([]float64, len(vs))
	for i, v := range vs {
		out[i] = float64(v)
	}
	return out
}

// laplacePosterior is the mean and the median of x given y = x + noise of
// standard deviation sigma, for x of density exp(-|x|/b)/(2b): by Simpson's
// rule on [y-r, y+r] cut at 0, where the density has its kink.
func laplacePosterior(y, b, sigma float64) (mean, median float64) {
	r := 9*sigma + sigma*sigma/b
	density := func(x float64) float64 {
		d := (y - x) / sigma
		return math.Exp(-d*d/2 - (math.Abs(x)-math.Abs(y))/b)
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
