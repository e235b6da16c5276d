package main

import (
	"context"
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/explore"
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
		Usage:     "compare f, psi and R of a prior for numbers with the truth for Laplace data",
		ArgsUsage: "PRIOR...",
		Description: "Compares a prior for numbers with the truth for data of density exp(-|x|/b)/(2b) and the prior's\n" +
			"noise sigma. The references are the maximum a posteriori (a soft threshold at sigma^2/b), the\n" +
			"posterior mean and median (by quadrature), and R = sigma^2 |x|/b. It prints the largest distance\n" +
			"of f from each, and the error of R after its minimum is subtracted. Several priors are drawn in\n" +
			"one figure.\n\n" +
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
			o := curveOptions{explorer: e, priors: priors, from: c.Float64("from"), to: c.Float64("to"), n: c.Int("points"), laplace: c.Float64("laplace")}
			switch {
			case !(o.to > o.from) || math.IsInf(o.to-o.from, 0):
				return usagef("--from %v --to %v: want an interval", o.from, o.to)
			case o.n < 2 || o.n > 100000:
				return usagef("--points: %d; want 2 to 100000", o.n)
			case !(o.laplace > 0):
				return usagef("--laplace: %v; want a positive number", o.laplace)
			}
			unused(c, con, "curve draws numbers", "crop")
			return o.run(c.Context, con)
		}),
	}
}

// A curve is what JSON shows of a prior for numbers.
type curve struct {
	Prior       string          `json:"prior"`
	X           explore.Numbers `json:"x"`
	F           explore.Numbers `json:"f"`
	Psi         explore.Numbers `json:"psi"`
	R           explore.Numbers `json:"r"`
	MaxError    explore.Number  `json:"f_max_error"` // from the soft threshold
	MeanError   explore.Number  `json:"f_mean_error"`
	MedianError explore.Number  `json:"f_median_error"`
	RMSE        explore.Number  `json:"r_rmse"`
	Lost        int             `json:"out_of_range"`
}

func (o curveOptions) run(ctx context.Context, con *console) error {
	xs := make([]float64, o.n)
	for k := range xs {
		xs[k] = o.from + (o.to-o.from)*float64(k)/float64(o.n-1)
	}
	var (
		results []explore.CurveResult
		curves  []curve
		truth   explore.Laplace
	)
	for _, name := range o.priors {
		net, err := openPrior(name)
		if err != nil {
			return err
		}
		c := net.Config()
		if c.Channels != 1 || c.Height != 1 || c.Width != 1 {
			return usagef("%s is a prior for pictures: curve wants one for numbers (1x1 pixels)", name)
		}
		if truth.Sigma != 0 && truth.Sigma != c.Sigma {
			return usagef("%s has another noise level than %s: draw them apart", name, o.priors[0])
		}
		truth = explore.Laplace{B: o.laplace, Sigma: c.Sigma}
		r, err := explore.Curve(ctx, o.combined(explore.Of(name, net)), xs)
		if err != nil {
			return err
		}
		e := truth.Errors(r)
		results = append(results, r)
		curves = append(curves, curve{
			Prior: name, X: r.X, F: r.F, Psi: r.Psi, R: r.R,
			MaxError: e.MAP, MeanError: e.Mean, MedianError: e.Median, RMSE: e.R, Lost: r.OutOfRange(),
		})
	}
	if err := o.write(explore.DataOf(results...), plot.Curves(truth, results...)...); err != nil {
		return err
	}
	if con.json {
		if len(curves) == 1 {
			return con.printJSON(curves[0])
		}
		return con.printJSON(struct {
			Priors []curve `json:"priors"`
		}{Priors: curves})
	}
	for _, c := range curves {
		_, err := fmt.Fprintf(con.out, "%s: max|f - soft| = %.4f, max|f - mean| = %.4f, max|f - median| = %.4f, RMSE of R = %.4f on [%g, %g], %d points out of range\n",
			c.Prior, c.MaxError, c.MeanError, c.MedianError, c.RMSE, o.from, o.to, c.Lost)
		if err != nil {
			return err
		}
	}
	return nil
}
