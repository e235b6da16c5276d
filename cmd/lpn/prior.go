package main

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

func priorCommand() *cli.Command {
	return &cli.Command{
		Name:        "prior",
		Usage:       "explore a learned log-prior",
		Subcommands: []*cli.Command{priorValueCommand(), priorPathCommand(), priorMapCommand(), priorCurveCommand(), priorSliceCommand()},
		Action: func(c *cli.Context) error {
			return usagef("prior wants one of: value, path, map, curve, slice (lpn help prior)")
		},
	}
}

type priorValueOptions struct {
	inputs  []string
	prior   string
	gray    bool
	recurse bool
}

func priorValueCommand() *cli.Command {
	return &cli.Command{
		Name:      "value",
		Usage:     "the prior R of images, with what is certain of it",
		ArgsUsage: "INPUT...",
		Description: "R(x) is found by inverting the network, f(y) = x. The value is a lower bound, by at\n" +
			"most the gap; R/sigma^2 is the negative log-prior up to a constant.\n\n" +
			"Example: lpn prior value --json photo.png",
		Flags: common(
			&cli.StringFlag{Name: "prior", Usage: "`NAME` of a built-in prior, or a file", DefaultText: "the built-in one that fits the channels"},
			&cli.BoolFlag{Name: "gray", Usage: "convert to luma (BT.601) first"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "look into the folders below a folder"}),
		Action: action(func(c *cli.Context, con *console) error {
			o := priorValueOptions{c.Args().Slice(), c.String("prior"), c.Bool("gray"), c.Bool("recursive")}
			return o.run(c.Context, con)
		}),
	}
}

// A priorValue is what JSON shows of R at an image.
type priorValue struct {
	Input      string `json:"input"`
	Prior      string `json:"prior"`
	Value      number `json:"value"`
	Residual   number `json:"residual"`
	Gap        number `json:"gap"`
	Iterations int    `json:"iterations"`
	InRange    bool   `json:"in_range"`
}

func (o priorValueOptions) run(ctx context.Context, con *console) error {
	inputs, batch, err := expand(o.inputs, o.recurse, imageio.Extensions, "")
	if err != nil {
		return err
	}
	if o.prior != "" {
		if _, err := openPrior(o.prior); err != nil {
			return err
		}
	}
	var jobs []job
	for _, in := range inputs {
		jobs = append(jobs, job{in, ""})
	}
	return con.each(ctx, jobs, batch, false, "evaluating", func(_ context.Context, j job) (any, string, error) {
		v, err := o.value(con, j.path)
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

func (o priorValueOptions) value(con *console, path string) (priorValue, error) {
	p, err := readPicture(con, path)
	if err != nil {
		return priorValue{}, err
	}
	if o.gray {
		p = p.Luma()
	}
	name := o.prior
	var net *lpn.Network
	if name == "" {
		name, net, err = choosePrior(p.C, 25./255)
	} else {
		net, err = openPrior(name)
	}
	if err != nil {
		return priorValue{}, err
	}
	psi, err := bind(net, p.Shape)
	if err != nil {
		return priorValue{}, fmt.Errorf("%s: prior %s: %w", path, name, err)
	}
	v := lpn.Prior{Psi: psi}.At(slices.Clone(p.Pix))
	if !v.InRange {
		v.R = math.NaN()
	}
	return priorValue{path, name, number(v.R), number(v.Residual), number(v.Gap), v.Iterations, v.InRange}, nil
}

// bind binds a network to a scene: as it is, or a gray network to each
// channel of a colour scene.
func bind(net *lpn.Network, s operators.Shape, opts ...lpn.Option) (*lpn.Bound, error) {
	c := net.Config().Channels
	switch {
	case c == s.C:
	case c == 1:
		opts = append(opts, lpn.Batch(s.C))
		s.C = 1
	default:
		return nil, usagef("it is for %d channels, the picture has %d", c, s.C)
	}
	return net.On(s, opts...)
}
