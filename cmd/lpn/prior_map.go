package main

import (
	"context"
	"path/filepath"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/urfave/cli/v2"
)

type mapOptions struct {
	explorer
	input  string
	smooth float64
}

func priorMapCommand() *cli.Command {
	return &cli.Command{
		Name:      "map",
		Usage:     "show where in an image R is large",
		ArgsUsage: "INPUT",
		Description: "Splits R/sigma^2 into one part for each pixel; the parts sum to it exactly. Smoothing spreads\n" +
			"a part over its neighbours and keeps the sum.\n\n" +
			"Example: lpn prior map photo.png -o map.png",
		Flags: explorerFlags(
			&cli.Float64Flag{Name: "smooth", Value: 1.5, Usage: "standard deviation `S` of the smoothing, in pixels; 0: none"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one image"); err != nil {
				return err
			}
			e, err := explorerFrom(c)
			if err != nil {
				return err
			}
			o := mapOptions{explorer: e, input: c.Args().First(), smooth: c.Float64("smooth")}
			if !(o.smooth >= 0 && o.smooth <= 50) {
				return usagef("--smooth: %v; want a number from 0 to 50", o.smooth)
			}
			if len(o.out) == 0 {
				return usagef("map wants -o FILE.png (or .svg, .pdf, .csv, .npz)")
			}
			return o.run(c.Context, con)
		}),
	}
}

func (o mapOptions) run(ctx context.Context, con *console) error {
	prior, x, err := o.openAt(con, o.input)
	if err != nil {
		return err
	}
	r, err := explore.Map(ctx, prior, x, o.smooth)
	if err != nil {
		return named(o.input, err)
	}
	if err := o.write(explore.DataOf(r), plot.Map(r, x, filepath.Base(o.input))); err != nil {
		return err
	}
	if con.json {
		return con.printJSON(struct {
			Input    string         `json:"input"`
			Prior    string         `json:"prior"`
			Value    explore.Number `json:"value"`
			Residual explore.Number `json:"residual"`
			Missed   explore.Number `json:"quadrature"`
		}{Input: o.input, Prior: r.Prior, Value: r.Total, Residual: r.Residual, Missed: r.Quadrature})
	}
	con.remark("%s: R/sigma² = %.6g over %d pixels, residual %.2g", o.input, r.Total, len(r.Values), r.Residual)
	return nil
}
