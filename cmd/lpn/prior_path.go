package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

type pathOptions struct {
	explorer
	inputs   []string
	kind     explore.Perturbation
	levels   []float64
	with     string
	overlay  []string
	relative bool
	boxes    bool
	recurse  bool
	examples bool
	images   int              // of an idx file
	stacks   map[string]stack // idx files by path
}

func perturbationNames() []string {
	var names []string
	for _, k := range explore.Perturbations() {
		names = append(names, k.Kind())
	}
	return names
}

func priorPathCommand() *cli.Command {
	return &cli.Command{
		Name:      "path",
		Usage:     "draw the prior along a path of changed images",
		ArgsUsage: "INPUT...",
		Description: "Changes each image step by step and evaluates R/sigma^2 a sample, the negative log-prior\n" +
			"up to a constant. Many images give a mean and a standard deviation.\n\n" +
			"Examples:\n" +
			"lpn prior path --perturb noise photos/ -o noise.png -o noise.csv\n" +
			"lpn prior path --perturb blur --levels 0,1,2 photo.png\n" +
			"lpn prior path --perturb mix --with other.png photo.png -o mix.svg",
		Flags: explorerFlags(
			&cli.StringFlag{Name: "perturb", Value: "noise", Usage: "`KIND` of change: " + strings.Join(perturbationNames(), ", ")},
			&cli.StringFlag{Name: "levels", Usage: "`LEVELS` of the change, as 0,1,2 or FROM:TO:COUNT"},
			&cli.StringFlag{Name: "with", Usage: "the image `FILE` to mix with (default: the next input)"},
			&cli.StringSliceFlag{Name: "overlay", Usage: "also draw the prior `NAME`, or a file; may be repeated"},
			&cli.BoolFlag{Name: "relative", Usage: "subtract each image's value at the first level"},
			&cli.BoolFlag{Name: "box", Usage: "draw boxes (median, quartiles) instead of mean and deviation"},
			&cli.BoolFlag{Name: "examples", Usage: "show the first image at some of the levels above the curve"},
			&cli.IntFlag{Name: "images", Value: 100, Usage: "use the first `N` images of an idx file (the format of MNIST)"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "also work on the folders below a folder"}),
		Action: action(func(c *cli.Context, con *console) error {
			e, err := explorerFrom(c)
			if err != nil {
				return err
			}
			o := pathOptions{
				explorer: e, inputs: c.Args().Slice(), with: c.String("with"), overlay: c.StringSlice("overlay"),
				relative: c.Bool("relative"), boxes: c.Bool("box"), examples: c.Bool("examples"), images: c.Int("images"), recurse: c.Bool("recursive"),
			}
			for _, k := range explore.Perturbations() {
				if k.Kind() == c.String("perturb") {
					o.kind = k
				}
			}
			if o.kind == nil {
				return usagef("--perturb: unknown %q%s; want %s", c.String("perturb"), suggest(c.String("perturb"), perturbationNames()), strings.Join(perturbationNames(), ", "))
			}
			if o.levels = o.kind.Levels(); c.String("levels") != "" {
				if o.levels, err = parseLevels(c.String("levels")); err != nil {
					return err
				}
			}
			if err := checkLevels(o.kind, o.levels); err != nil {
				return err
			}
			if o.kind.Kind() != "mix" {
				unused(c, con, "it goes with --perturb mix", "with")
			}
			if o.images < 1 {
				return usagef("--images: %d; want a positive number", o.images)
			}
			if o.boxes && len(o.overlay) > 0 {
				return usagef("--box draws one prior: leave out --overlay")
			}
			return o.run(c.Context, con)
		}),
	}
}

// checkLevels refuses levels that a kind of change cannot take.
func checkLevels(by explore.Perturbation, levels []float64) error {
	var bad *explore.LevelError
	for _, l := range levels {
		if errors.As(by.Check(operators.Shape{}, l), &bad) {
			return usagef("--levels: %w", bad)
		}
	}
	return nil
}

// parseLevels reads 0,1,2 or FROM:TO:COUNT.
func parseLevels(s string) ([]float64, error) {
	bad := usagef("--levels: %q; want numbers as 0,0.1,0.2 or FROM:TO:COUNT", s)
	number := func(s string) (float64, bool) {
		v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		return v, err == nil && !math.IsNaN(v) && math.Abs(v) < 1e6
	}
	if parts := strings.Split(s, ":"); len(parts) == 3 {
		from, ok1 := number(parts[0])
		to, ok2 := number(parts[1])
		n, err := strconv.Atoi(parts[2])
		if !ok1 || !ok2 || err != nil || n < 2 || n > 10000 {
			return nil, bad
		}
		var ls []float64
		for k := range n {
			ls = append(ls, from+(to-from)*float64(k)/float64(n-1))
		}
		return ls, nil
	}
	var ls []float64
	for _, p := range strings.Split(s, ",") {
		v, ok := number(p)
		if !ok {
			return nil, bad
		}
		ls = append(ls, v)
	}
	return ls, nil
}

// A pathReport is what JSON shows of one prior.
type pathReport struct {
	Prior  string          `json:"prior"`
	Levels explore.Numbers `json:"levels"`
	Mean   explore.Numbers `json:"mean"`
	SD     explore.Numbers `json:"sd"`
	Images []pathImage     `json:"images"`
}

// A pathImage is one image's values; null where a point is out of range.
type pathImage struct {
	Input    string          `json:"input"`
	Values   explore.Numbers `json:"values"`
	Residual explore.Number  `json:"residual"` // the largest
}

func reportOf(paths []explore.PathResult) pathReport {
	r := pathReport{Prior: paths[0].Prior, Levels: paths[0].Levels}
	r.Mean, r.SD = explore.Spread(paths)
	for _, p := range paths {
		r.Images = append(r.Images, pathImage{Input: p.Picture, Values: p.Values, Residual: explore.Number(slices.Max(p.Residuals))})
	}
	return r
}

func (o pathOptions) run(ctx context.Context, con *console) error {
	inputs, _, err := expand(o.inputs, o.recurse, imageio.Extensions, "")
	if err != nil {
		return err
	}
	if inputs, err = o.unpack(inputs); err != nil {
		return err
	}
	if _, mixes := o.kind.(explore.Mix); mixes && o.with == "" && len(inputs) < 2 {
		return usagef("mix wants another picture: --with FILE, or two inputs")
	}
	var results [][]explore.PathResult
	for _, name := range append([]string{o.prior}, o.overlay...) {
		paths, err := o.along(ctx, con, name, inputs)
		if err != nil {
			return err
		}
		results = append(results, paths)
	}
	var figures []plot.Figure
	if o.examples {
		x, by, err := o.load(con, inputs, 0, 0)
		if err != nil {
			return err
		}
		figures = append(figures, plot.PathExamples(x, by, o.levels, 7))
	}
	if o.boxes {
		figures = append(figures, plot.PathBoxes(results[0]))
	} else {
		figures = append(figures, plot.Paths(results...))
	}
	if err := o.write(explore.DataOf(slices.Concat(results...)...), figures...); err != nil {
		return err
	}
	var reports []pathReport
	for _, paths := range results {
		reports = append(reports, reportOf(paths))
	}
	if con.json {
		if len(reports) == 1 {
			return con.printJSON(reports[0])
		}
		return con.printJSON(struct {
			Priors []pathReport `json:"priors"`
		}{Priors: reports})
	}
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s", o.kind.Parameter())
	for _, r := range reports {
		fmt.Fprintf(w, "\t%s\tsd", r.Prior)
	}
	fmt.Fprintln(w)
	for k, l := range o.levels {
		fmt.Fprintf(w, "%.4g", l)
		for _, r := range reports {
			fmt.Fprintf(w, "\t%.5g\t%.3g", r.Mean[k], r.SD[k])
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// along evaluates one prior on the paths from all inputs.
func (o pathOptions) along(ctx context.Context, con *console, name string, inputs []input) ([]explore.PathResult, error) {
	first, err := o.read(con, inputs[0].path, 0)
	if err != nil {
		return nil, err
	}
	prior, channels, err := o.open(name, first.C)
	if err != nil {
		return nil, err
	}
	bar := con.progress("evaluating "+prior.Name, len(inputs))
	defer bar.end()
	paths, err := explore.Paths(ctx, prior, len(inputs), func(i int) (operators.Image, explore.Perturbation, error) {
		return o.load(con, inputs, i, channels)
	}, o.levels, func(done, _ int) { bar.at(done, "") })
	var of *explore.PictureError
	switch {
	case errors.As(err, &of):
		return nil, named(inputs[of.Index].path, of.Err)
	case err != nil:
		return nil, err
	}
	lost := 0
	for i := range paths {
		lost += paths[i].OutOfRange()
		if paths[i].Picture = inputs[i].path; o.relative {
			paths[i] = paths[i].Relative()
		}
	}
	if lost > 0 {
		con.remark("%s: %d points are out of the network's range and left out", prior.Name, lost)
	}
	return paths, nil
}

// load reads input i, and makes what changes it.
func (o pathOptions) load(con *console, inputs []input, i, channels int) (operators.Image, explore.Perturbation, error) {
	x, err := o.read(con, inputs[i].path, channels)
	if err != nil {
		return x, nil, err
	}
	switch o.kind.(type) {
	case explore.Noise:
		return x, explore.Noise{Seed: o.seed + uint64(i)}, nil
	case explore.Mix:
		with := o.with
		if with == "" {
			with = inputs[(i+1)%len(inputs)].path
		}
		other, err := o.read(con, with, channels)
		if err == nil && other.Shape != x.Shape {
			err = fmt.Errorf("to mix with %s both must have one size: %v and %v (--crop helps)", with, x.Shape, other.Shape)
		}
		return x, explore.Mix{With: other}, err
	}
	return x, o.kind, nil
}

// A stack is the images of an idx file.
type stack interface {
	Len() int
	Image(i int) (operators.Image, error)
}

// unpack opens idx files and names their images FILE#0 and so on.
func (o *pathOptions) unpack(inputs []input) ([]input, error) {
	var out []input
	for _, in := range inputs {
		if base := filepath.Base(in.path); !strings.Contains(base, "idx3") && filepath.Ext(base) != ".idx" {
			out = append(out, in)
			continue
		}
		images, err := openStack(in.path)
		if err != nil {
			return nil, err
		}
		if o.stacks == nil {
			o.stacks = map[string]stack{}
		}
		o.stacks[in.path] = images
		for i := range min(o.images, images.Len()) {
			out = append(out, input{path: fmt.Sprintf("%s#%d", in.path, i), rel: in.rel})
		}
	}
	return out, nil
}

// read is picture that also knows the images of idx files.
func (o pathOptions) read(con *console, path string, channels int) (operators.Image, error) {
	if k := strings.LastIndexByte(path, '#'); k > 0 && o.stacks[path[:k]] != nil {
		i, err := strconv.Atoi(path[k+1:])
		if err != nil {
			return operators.Image{}, err
		}
		m, err := o.stacks[path[:k]].Image(i)
		return o.cropped(m), err
	}
	return o.picture(con, path, channels)
}
