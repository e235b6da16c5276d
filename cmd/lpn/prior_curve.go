package main

import (
	"context"
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

type curveOptions struct {
	explorer
	from, to float64
	n        int
	laplace  float64 // b, the scale of the data
}

func priorCurveCommand() *cli.Command {
	return &cli.Command{
		Name:      "curve",
		Usage:     "f, psi and R of a prior for numbers, beside the truth for Laplace data",
		ArgsUsage: "[PRIOR]",
		Description: "The references are for data of density exp(-|x|/b)/(2b) and the prior's noise sigma: the\n" +
			"maximum a posteriori, a soft threshold at sigma^2/b; the posterior mean and median, by\n" +
			"quadrature; and R = sigma^2 |x|/b.\n\n" +
			"Example: lpn prior curve laplace" + priorExt + " -o curve.png",
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
			switch {
			case c.NArg() == 1 && e.prior == "":
				e.prior = c.Args().First()
			case c.NArg() > 0 || e.prior == "":
				return usagef("curve wants one prior, built in or a file")
			}
			o := curveOptions{e, c.Float64("from"), c.Float64("to"), c.Int("points"), c.Float64("laplace")}
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
	// MaxError is max |f - soft threshold|, RMSE that of R, its minimum
	// subtracted, against sigma^2 |x|/b, over the points in range.
	MaxError number `json:"f_max_error"`
	RMSE     number `json:"r_rmse"`
	Lost     int    `json:"out_of_range"`
}

func (o curveOptions) run(_ context.Context, con *console) error {
	net, err := openPrior(o.prior)
	if err != nil {
		return err
	}
	c := net.Config()
	if c.Channels != 1 || c.Height != 1 || c.Width != 1 {
		return usagef("%s is a prior for pictures: curve wants one for numbers (1x1 pixels)", o.prior)
	}
	prior, err := o.bind(net, operators.Shape{C: 1, H: 1, W: 1}, 1)
	if err != nil {
		return err
	}
	v := o.evaluate(prior, c.Sigma)
	if err := o.write(v.figures...); err != nil {
		return err
	}
	v.curve.Prior = o.prior
	if con.json {
		return con.printJSON(v.curve)
	}
	_, err = fmt.Fprintf(con.out, "max|f - soft| = %.4f, RMSE of R = %.4f on [%g, %g], %d points out of range\n",
		float64(v.MaxError), float64(v.RMSE), o.from, o.to, v.Lost)
	return err
}

type curveResult struct {
	curve
	figures []plot.Figure
}

func (o curveOptions) evaluate(prior lpn.Prior, sigma float64) curveResult {
	threshold := sigma * sigma / o.laplace
	var out curveResult
	var x, f, psi, r, soft, mean, median, abs []float64
	buf := make([]float32, 1)
	least := math.Inf(1)
	for i := range o.n {
		u := o.from + (o.to-o.from)*float64(i)/float64(o.n-1)
		p := prior.Psi.Eval(buf, []float32{float32(u)})
		s := math.Copysign(math.Max(math.Abs(u)-threshold, 0), u)
		m, d := laplacePosterior(u, o.laplace, sigma)
		x, f, psi, soft = append(x, u), append(f, float64(buf[0])), append(psi, p), append(soft, s)
		mean, median, abs = append(mean, m), append(median, d), append(abs, threshold*math.Abs(u))
		out.MaxError = number(math.Max(float64(out.MaxError), math.Abs(float64(buf[0])-s)))
		at := prior.At([]float32{float32(u)})
		if !at.InRange {
			out.Lost++
		} else {
			least = math.Min(least, at.R)
		}
		r = append(r, at.R)
	}
	sum, n := 0.0, 0.0
	for i := range r {
		r[i] -= least
		if !math.IsNaN(r[i]) {
			sum += (r[i] - abs[i]) * (r[i] - abs[i])
			n++
		}
		out.X, out.F = append(out.X, number(x[i])), append(out.F, number(f[i]))
		out.Psi, out.R = append(out.Psi, number(psi[i])), append(out.R, number(r[i]))
	}
	out.RMSE = number(math.Sqrt(sum / n))
	out.figures = []plot.Figure{
		plot.Lines{X: "y", Y: "f(y)", Legend: "left", Series: []plot.Series{
			{Name: "network", X: x, Y: f},
			{Name: "soft threshold (MAP)", X: x, Y: soft},
			{Name: "posterior mean", X: x, Y: mean},
			{Name: "posterior median", X: x, Y: median},
		}},
		plot.Lines{X: "x", Y: "R(x), minimum subtracted", Legend: "bottom-left", Series: []plot.Series{
			{Name: "network", X: x, Y: r}, {Name: "sigma²|x|/b", X: x, Y: abs, Dashed: true},
		}},
		plot.Lines{X: "y", Y: "psi(y)", Series: []plot.Series{{X: x, Y: psi}}},
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
