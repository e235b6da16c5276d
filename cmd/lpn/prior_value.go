package main

import (
	"context"
	"fmt"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/urfave/cli/v2"
)

type priorValueOptions struct {
	inputs  []string
	prior   string
	gray    bool
	recurse bool
}

func priorValueCommand() *cli.Command {
	return &cli.Command{
		Name:      "value",
		Usage:     "print the value of the prior R for images, with its error bound",
		ArgsUsage: "INPUT...",
		Description: "R(x) is found by inverting the network, f(y) = x. The value is a lower bound; R(x) is above\n" +
			"it by at most the gap. R/sigma^2 is the negative log-prior up to a constant.\n\n" +
			"Example: lpn prior value --json photo.png",
		Flags: common(
			&cli.StringFlag{Name: "prior", Usage: "`NAME` of a built-in prior, or a file", DefaultText: "the built-in one that fits the channels"},
			&cli.BoolFlag{Name: "gray", Usage: "convert to luma (BT.601) first"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "also work on the folders below a folder"}),
		Action: action(func(c *cli.Context, con *console) error {
			o := priorValueOptions{inputs: c.Args().Slice(), prior: c.String("prior"), gray: c.Bool("gray"), recurse: c.Bool("recursive")}
			return o.run(c.Context, con)
		}),
	}
}

// A priorValue is what JSON shows of R at an image.
type priorValue struct {
	Input      string         `json:"input"`
	Prior      string         `json:"prior"`
	Value      explore.Number `json:"value"`
	Residual   explore.Number `json:"residual"`
	Gap        explore.Number `json:"gap"`
	Iterations int            `json:"iterations"`
	InRange    bool           `json:"in_range"`
}

func (o priorValueOptions) run(ctx context.Context, con *console) error {
	inputs, batch, err := expand(o.inputs, o.recurse, imageio.Extensions, "")
	if err != nil {
		return err
	}
	if o.prior != "" {
		if _, err := findPrior(o.prior); err != nil {
			return err
		}
	}
	var jobs []job
	for _, in := range inputs {
		jobs = append(jobs, job{input: in})
	}
	return con.each(ctx, jobs, runOfJobs{what: "evaluating", batch: batch}, func(ctx context.Context, j job) (any, string, error) {
		v, err := o.value(ctx, con, j.path)
		if err != nil {
			return nil, "", err
		}
		line := fmt.Sprintf("%s: R = %.6g, gap at most %.2g, residual %.2g, %d iterations", j.path, v.Value, v.Gap, v.Residual, v.Iterations)
		if !v.InRange {
			line = fmt.Sprintf("%s: no y with f(y) = x was found: residual %.2g after %d iterations", j.path, v.Residual, v.Iterations)
		}
		return v, line, nil
	})
}

func (o priorValueOptions) value(ctx context.Context, con *console, path string) (priorValue, error) {
	p, err := readPicture(con, path)
	if err != nil {
		return priorValue{}, err
	}
	if o.gray {
		p = p.Luma()
	}
	prior, channels, err := openFor(o.prior, p.C)
	if err != nil {
		return priorValue{}, err
	}
	if channels != 1 && channels != p.C {
		return priorValue{}, usagef("%s: %w", path, &restore.ChannelsError{Prior: prior.Name, Want: channels, Have: p.C})
	}
	v, err := explore.Value(ctx, prior, p.Image)
	return priorValue{
		Input: path, Prior: v.Prior, Value: v.R, Residual: v.Residual, Gap: v.Gap, Iterations: v.Iterations, InRange: v.InRange,
	}, named(path, err)
}
