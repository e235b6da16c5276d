package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
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
		Usage:     "where in an image the prior is surprised",
		ArgsUsage: "INPUT",
		Description: "Splits R/sigma^2 into one part a pixel; the parts sum to it exactly. Smoothing moves\n" +
			"parts to their neighbours and keeps the sum.\n\n" +
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
			o := mapOptions{e, c.Args().First(), c.Float64("smooth")}
			if !(o.smooth >= 0 && o.smooth <= 50) {
				return usagef("--smooth: %v; want a number from 0 to 50", o.smooth)
			}
			if len(o.out) == 0 {
				return usagef("map wants -o FILE.png (or .svg, .csv, .npz)")
			}
			return o.run(c.Context, con)
		}),
	}
}

// at opens a picture and evaluates R there; a point out of reach is an error.
func (e explorer) at(con *console, path string) (string, *lpn.Network, operators.Image, lpn.Prior, lpn.PriorValue, error) {
	var none lpn.PriorValue
	p, err := readPicture(con, path)
	if err != nil {
		return "", nil, operators.Image{}, lpn.Prior{}, none, missing(err)
	}
	name, net, err := e.open(e.prior, p.C)
	if err != nil {
		return name, nil, operators.Image{}, lpn.Prior{}, none, err
	}
	x, err := e.picture(con, path, net.Config().Channels)
	if err != nil {
		return name, net, x, lpn.Prior{}, none, err
	}
	prior, err := e.bind(net, x.Shape, 0)
	if err != nil {
		return name, net, x, prior, none, fmt.Errorf("%s: prior %s: %w", path, name, err)
	}
	v := prior.At(x.Pix)
	if !v.InRange {
		return name, net, x, prior, v, fmt.Errorf("%s: out of the network's reach: residual %.2g after %d calls", path, v.Residual, v.Calls)
	}
	return name, net, x, prior, v, nil
}

func (o mapOptions) run(_ context.Context, con *console) error {
	name, net, x, prior, v, err := o.at(con, o.input)
	if err != nil {
		return err
	}
	parts, missed := prior.Decompose(v.Dual, x.C)
	unit := net.Config().Sigma * net.Config().Sigma
	pixel := operators.NewImage(operators.Shape{C: 1, H: x.H, W: x.W})
	for i, r := range parts {
		pixel.Pix[i%len(pixel.Pix)] += float32(r / unit)
	}
	if o.smooth > 0 {
		if pixel, err = perturbed(pixel, operators.Image{}, "blur", o.smooth, 0); err != nil {
			return err
		}
	}
	values := make([]float64, len(pixel.Pix))
	sum := 0.0
	for i, r := range pixel.Pix {
		values[i] = float64(r)
		sum += values[i]
	}
	// The last digits of single precision are shared by all.
	for i := range values {
		values[i] += (v.R/unit - sum) / float64(len(values))
	}
	heat := plot.Heat{Label: "R/σ² per pixel (nats)", H: x.H, W: x.W, Values: values, Title: name,
		Picture: x, PictureTitle: filepath.Base(o.input)}
	if err := o.write(heat); err != nil {
		return err
	}
	if con.json {
		return con.printJSON(struct {
			Input    string `json:"input"`
			Prior    string `json:"prior"`
			Value    number `json:"value"`
			Residual number `json:"residual"`
			Missed   number `json:"quadrature"`
		}{o.input, name, number(v.R / unit), number(v.Residual), number(missed / unit)})
	}
	con.remark("%s: R/sigma² = %.6g over %d pixels, residual %.2g", o.input, v.R/unit, len(values), v.Residual)
	return nil
}

type sliceOptions struct {
	explorer
	input string
	dirs  [2]string
	span  float64
	grid  int
	spec  operators.Spec
	noise float64 // negative: the prior alone
}

func priorSliceCommand() *cli.Command {
	return &cli.Command{
		Name:      "slice",
		Usage:     "the prior on a plane through an image",
		ArgsUsage: "INPUT",
		Description: "Contours of R/sigma^2 at x + a u + b v. A direction is noise, blur, grad (against the\n" +
			"prior's gradient) or a file, the direction towards that picture; they are made orthogonal\n" +
			"and of the length of noise at the prior's sigma. With --noise the fidelity to a measurement\n" +
			"of the image is added: the landscape that a solver walks.\n\n" +
			"Example: lpn prior slice --crop 64 --dirs noise,blur photo.png -o slice.png",
		Flags: explorerFlags(
			&cli.StringFlag{Name: "dirs", Value: "noise,blur", Usage: "`U,V`, the directions"},
			&cli.Float64Flag{Name: "span", Value: 1, Usage: "a and b run from -`S` to S"},
			&cli.IntFlag{Name: "grid", Value: 15, Usage: "`N` steps each way"},
			&cli.StringFlag{Name: "operator", Value: "denoise", Usage: "`SPEC` of the measurement"},
			&cli.StringFlag{Name: "boundary", Value: "symmetric", Usage: "boundary `B` of a blur"},
			&cli.StringFlag{Name: "noise", Usage: "noise `S` of the measurement; adds its fidelity"}),
		Action: action(func(c *cli.Context, con *console) error {
			if err := wantArgs(c, 1, "one image"); err != nil {
				return err
			}
			e, err := explorerFrom(c)
			if err != nil {
				return err
			}
			o := sliceOptions{explorer: e, input: c.Args().First(), span: c.Float64("span"), grid: c.Int("grid"), noise: -1}
			u, v, ok := strings.Cut(c.String("dirs"), ",")
			switch {
			case !ok || u == "" || v == "":
				return usagef("--dirs: %q; want two directions as noise,blur", c.String("dirs"))
			case !(o.span > 0 && o.span < 1e4):
				return usagef("--span: %v; want a positive number", o.span)
			case o.grid < 3 || o.grid > 200:
				return usagef("--grid: %d; want 3 to 200", o.grid)
			case len(o.out) == 0:
				return usagef("slice wants -o FILE.png (or .svg, .csv, .npz)")
			}
			o.dirs = [2]string{u, v}
			if c.String("noise") != "" {
				if o.noise, err = parseNoise(c.String("noise")); err != nil {
					return err
				}
				if o.noise == restore.Auto || o.noise == 0 {
					return usagef("--noise: want a positive number here")
				}
				if o.spec, err = parseOperator(c.String("operator"), c.String("boundary")); err != nil {
					return err
				}
			}
			return o.run(c.Context, con)
		}),
	}
}

// direction is one axis of the plane.
func (o sliceOptions) direction(con *console, name string, net *lpn.Network, x operators.Image, dual []float32, seed uint64) ([]float32, error) {
	d := make([]float32, x.Len())
	to := operators.Image{}
	var err error
	switch name {
	case "noise":
		rng := rand.New(rand.NewPCG(seed, 0x736c696365))
		for i := range d {
			d[i] = float32(rng.NormFloat64())
		}
		return d, nil
	case "grad":
		for i := range d {
			d[i] = x.Pix[i] - dual[i]
		}
		return d, nil
	case "blur":
		to, err = perturbed(x, to, "blur", 1.5, 0)
	default:
		if to, err = o.picture(con, name, net.Config().Channels); err == nil && to.Shape != x.Shape {
			err = fmt.Errorf("%s is %v, the image %v: --crop makes them one size", name, to.Shape, x.Shape)
		}
	}
	if err != nil {
		return nil, err
	}
	for i := range d {
		d[i] = to.Pix[i] - x.Pix[i]
	}
	return d, nil
}

func (o sliceOptions) run(ctx context.Context, con *console) error {
	name, net, x, prior, v, err := o.at(con, o.input)
	if err != nil {
		return err
	}
	sigma := net.Config().Sigma
	length := sigma * math.Sqrt(float64(x.Len()))
	var axes [2][]float32
	for k := range axes {
		if axes[k], err = o.direction(con, o.dirs[k], net, x, v.Dual, o.seed+uint64(k)); err != nil {
			return err
		}
	}
	if k := dot(axes[0], axes[0]); k > 0 {
		k = dot(axes[0], axes[1]) / k
		for i := range axes[1] {
			axes[1][i] -= float32(k) * axes[0][i]
		}
	}
	for k := range axes {
		n := math.Sqrt(dot(axes[k], axes[k]))
		if !(n > 1e-6*length) {
			return usagef("--dirs: %s does not span a plane with %s", o.dirs[k], o.dirs[1-k])
		}
		for i := range axes[k] {
			axes[k][i] *= float32(length / n)
		}
	}
	h, err := o.fidelity(x)
	if err != nil {
		return err
	}
	label, unit := "R/σ² (nats)", sigma*sigma
	if h != nil {
		label = "h/s² + R/σ² (nats)"
	}
	axis := func(dir string) string { return fmt.Sprintf("towards %s (σ√n)", filepath.Base(dir)) }
	fig := plot.Contours{X: axis(o.dirs[0]), Y: axis(o.dirs[1]), Label: label, Marks: []plot.Mark{{Name: "image"}}}
	for i := range o.grid {
		c := o.span * (2*float64(i)/float64(o.grid-1) - 1)
		fig.XS, fig.YS = append(fig.XS, c), append(fig.YS, c)
	}
	bar := con.progress("slicing", o.grid)
	defer bar.end()
	lost := 0
	for j, b := range fig.YS {
		if err := ctx.Err(); err != nil {
			return err
		}
		var row [][]float32
		for _, a := range fig.XS {
			p := make([]float32, x.Len())
			for i := range p {
				p[i] = x.Pix[i] + float32(a)*axes[0][i] + float32(b)*axes[1][i]
			}
			row = append(row, p)
		}
		for i, v := range prior.Along(row) {
			z := v.R / unit
			if h != nil {
				z += h.Value(row[i]) / (o.noise * o.noise)
			}
			if !v.InRange {
				lost++
			}
			fig.Z = append(fig.Z, z)
		}
		bar.at(j+1, "")
	}
	if lost > 0 {
		con.remark("%d of %d points are out of the network's reach and left out", lost, len(fig.Z))
	}
	// Where the least of the grid is.
	low := 0
	for k, v := range fig.Z {
		if v < fig.Z[low] || math.IsNaN(fig.Z[low]) {
			low = k
		}
	}
	if a, b := fig.XS[low%o.grid], fig.YS[low/o.grid]; a != 0 || b != 0 {
		fig.Marks = append(fig.Marks, plot.Mark{Name: "least", X: a, Y: b})
	}
	if err := o.write(fig); err != nil {
		return err
	}
	if con.json {
		var z []number
		for _, v := range fig.Z {
			z = append(z, number(v))
		}
		return con.printJSON(struct {
			Input string    `json:"input"`
			Prior string    `json:"prior"`
			A     []float64 `json:"a"`
			B     []float64 `json:"b"`
			Z     []number  `json:"z"`
		}{o.input, name, fig.XS, fig.YS, z})
	}
	return nil
}

// fidelity is that of a simulated measurement of x, nil without --noise.
func (o sliceOptions) fidelity(x operators.Image) (solvers.Smooth, error) {
	if o.noise < 0 {
		return nil, nil
	}
	spec, err := o.spec.Load(openOperatorFile)
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
	return &solvers.LeastSquares{A: a, Y: y}, nil
}

// dot is <a,b>.
func dot(a, b []float32) (s float64) {
	for i, v := range a {
		s += float64(v) * float64(b[i])
	}
	return s
}
