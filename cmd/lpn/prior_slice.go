package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/urfave/cli/v2"
)

type sliceOptions struct {
	explorer
	input string
	dirs  [2]string
	span  float64
	grid  int
	spec  operators.Spec
	noise float64 // 0: the prior alone
}

func priorSliceCommand() *cli.Command {
	return &cli.Command{
		Name:      "slice",
		Usage:     "draw the prior on a plane through an image",
		ArgsUsage: "INPUT",
		Description: "Draws contours of R/sigma^2 at x + a u + b v. A direction is noise, blur, grad (against the\n" +
			"gradient of the prior) or a file (towards that image). The directions are made orthogonal and as\n" +
			"long as noise at the prior's sigma. --noise adds the fidelity to a measurement of the image; the\n" +
			"sum is the objective that a solver minimises.\n\n" +
			"Example: lpn prior slice --crop 64 --dirs noise,blur photo.png -o slice.png",
		Flags: explorerFlags(
			&cli.StringFlag{Name: "dirs", Value: "noise,blur", Usage: "`U,V`, the directions"},
			&cli.Float64Flag{Name: "span", Value: 1, Usage: "a and b run from -`S` to S"},
			&cli.IntFlag{Name: "grid", Value: 15, Usage: "`N` steps along each direction"},
			&cli.StringFlag{Name: "operator", Value: "denoise", Usage: "`SPEC` of the measurement"},
			&cli.StringFlag{Name: "boundary", Value: "symmetric", Usage: "boundary `B` of a blur"},
			&cli.StringFlag{Name: "noise", Usage: "add the fidelity to a measurement of the image with noise `S`"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one image"); err != nil {
				return err
			}
			e, err := explorerFrom(c)
			if err != nil {
				return err
			}
			o := sliceOptions{explorer: e, input: c.Args().First(), span: c.Float64("span"), grid: c.Int("grid")}
			u, v, ok := strings.Cut(c.String("dirs"), ",")
			switch {
			case !ok || u == "" || v == "":
				return usagef("--dirs: %q; want two directions as noise,blur", c.String("dirs"))
			case !(o.span > 0 && o.span < 1e4):
				return usagef("--span: %v; want a positive number", o.span)
			case o.grid < 3 || o.grid > 200:
				return usagef("--grid: %d; want 3 to 200", o.grid)
			case len(o.out) == 0:
				return usagef("slice wants -o FILE.png (or .svg, .pdf, .csv, .npz)")
			}
			o.dirs = [2]string{u, v}
			if c.String("noise") == "" {
				unused(c, con, "there is a measurement only with --noise", "operator", "boundary")
			} else {
				var ok bool
				if o.noise, ok = parseLevel(c.String("noise")); !ok || !(o.noise > 0) {
					return usagef("--noise: %q; want a positive number in (0,1] or a fraction like 25/255", c.String("noise"))
				}
				if o.spec, err = operatorFrom(c, con); err != nil {
					return err
				}
			}
			return o.run(c.Context, con)
		}),
	}
}

func (o sliceOptions) run(ctx context.Context, con *console) error {
	prior, x, err := o.openAt(con, o.input)
	if err != nil {
		return err
	}
	plane := explore.Plane{Span: o.span, Grid: o.grid}
	if plane.U, err = o.direction(con, 0, x); err != nil {
		return err
	}
	if plane.V, err = o.direction(con, 1, x); err != nil {
		return err
	}
	if plane.Fidelity, err = o.fidelity(x); err != nil {
		return err
	}
	bar := con.progress("slicing", o.grid)
	defer bar.end()
	r, err := explore.Slice(ctx, prior, x, plane, func(done, _ int) { bar.at(done, "") })
	var flat *explore.PlaneError
	switch {
	case errors.As(err, &flat):
		return usagef("--dirs: %w", err)
	case err != nil:
		return named(o.input, err)
	}
	if lost := r.OutOfRange(); lost > 0 {
		con.remark("%d of %d points are out of the network's range and left out", lost, len(r.Z))
	}
	if err := o.write(explore.DataOf(r), plot.Slice(r)); err != nil {
		return err
	}
	if con.json {
		return con.printJSON(struct {
			Input string          `json:"input"`
			Prior string          `json:"prior"`
			A     explore.Numbers `json:"a"`
			B     explore.Numbers `json:"b"`
			Z     explore.Numbers `json:"z"`
		}{Input: o.input, Prior: r.Prior, A: r.A, B: r.B, Z: r.Z})
	}
	return nil
}

// direction is axis k of the plane through x.
func (o sliceOptions) direction(con *console, k int, x operators.Image) (explore.Direction, error) {
	switch name := o.dirs[k]; name {
	case "noise":
		return explore.Random(o.seed + uint64(k)), nil
	case "grad":
		return explore.Descent(), nil
	case "blur":
		return explore.Smoothing(1.5), nil
	default:
		to, err := o.picture(con, name, x.C)
		if err == nil && to.Shape != x.Shape {
			err = fmt.Errorf("%s is %v, the image %v: --crop makes them one size", name, to.Shape, x.Shape)
		}
		return explore.Towards(name, to), err
	}
}

// fidelity is that of a simulated measurement of x, in nats; nil without --noise.
func (o sliceOptions) fidelity(x operators.Image) (func(x []float32) float64, error) {
	if o.noise == 0 {
		return nil, nil
	}
	spec, err := o.spec.Load(fileOpener(o.spec))
	if err != nil {
		return nil, usageError{err}
	}
	a, err := spec.Build(x.Shape)
	if err != nil {
		return nil, usageError{err}
	}
	y := make([]float32, a.Codomain().Len())
	a.Apply(y, x.Pix)
	rng := rand.New(rand.NewPCG(o.seed, 0x6e6f697365))
	for i := range y {
		y[i] += float32(o.noise * rng.NormFloat64())
	}
	h := &solvers.LeastSquares{A: a, Y: y}
	return func(x []float32) float64 { return h.Value(x) / (o.noise * o.noise) }, nil
}
