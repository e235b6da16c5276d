package main

import (
	"context"
	"fmt"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/urfave/cli/v2"
)

type importOptions struct {
	model, out         string
	beta, alpha, sigma float64
	force              bool
}

func importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "convert a checkpoint of the reference PyTorch code",
		ArgsUsage: "MODEL.pt",
		Description: "The file does not hold the sharpness, the strong convexity and the noise level. Without flags\n" +
			"they are the defaults of the reference code. Nothing in the file is executed.\n\n" +
			"Example: lpn import lpn_mnist.pt --sigma 0.1 -o mnist.safetensors",
		Flags: common(
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the prior to `FILE`.safetensors"},
			&cli.Float64Flag{Name: "beta", Usage: "sharpness `B` of the softplus (default: that of the reference code for this network)"},
			&cli.Float64Flag{Name: "alpha", Usage: "`A` in the term alpha ||x||^2 of the reference code (default: that of the reference code)"},
			&cli.Float64Flag{Name: "sigma", Value: 0.1, Usage: "noise level `S` at which the network was trained, in [0,1] units"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite an output that exists"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one .pt file"); err != nil {
				return err
			}
			o := importOptions{
				model: c.Args().First(), out: c.String("output"), force: c.Bool("force"),
				beta: c.Float64("beta"), alpha: c.Float64("alpha"), sigma: c.Float64("sigma"),
			}
			return o.run(c.Context, con)
		}),
	}
}

func (o importOptions) run(_ context.Context, con *console) error {
	switch {
	case o.out == "":
		return usagef("import wants -o PRIOR%s", priorExt)
	case sameFile(o.model, o.out):
		return usagef("%s would overwrite itself: choose another output", o.model)
	case !(o.sigma > 0 && o.sigma <= 1):
		return usagef("--sigma: %v; want a number in (0,1]", o.sigma)
	case o.beta < 0 || o.alpha < 0:
		return usagef("--beta and --alpha: want positive numbers")
	}
	if err := mayWrite(o.out, o.force); err != nil {
		return err
	}
	net, err := lpn.ImportTorch(o.model, o.beta, o.alpha, o.sigma)
	if err != nil {
		return missing(err)
	}
	if err := net.Save(o.out, false); err != nil {
		return fmt.Errorf("%s: %w", o.out, cause(err))
	}
	info := describe(o.out, net)
	if con.json {
		return con.printJSON(info)
	}
	con.remark("%s -> %s: %d parameters, for %d-channel images", o.model, o.out, info.Parameters, info.Channels)
	return nil
}
