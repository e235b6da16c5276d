package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

type evalOptions struct {
	dirs     []string
	spec     operators.Spec
	boundary string
	solver   solverOptions
	seed     uint64
	gray     bool
	recurse  bool
	csv      string
	force    bool
}

func evalCommand() *cli.Command {
	return &cli.Command{
		Name:      "eval",
		Usage:     "degrade and restore every image, table of PSNR and SSIM",
		ArgsUsage: "DIR...",
		Description: "The noise is known to the solver (--noise is what is added).\n\n" +
			"Example: lpn eval --noise 25/255 --gray set12/",
		Flags: common(slices.Concat(operatorFlags(), solverFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "gray", Usage: "convert to luma (BT.601) first"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "look into the folders below a folder"},
			&cli.StringFlag{Name: "csv", Usage: "also write the table to `FILE`.csv"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite outputs that exist"},
		})...),
		Action: action(func(c *cli.Context, con *console) error {
			spec, err := parseOperator(c.String("operator"), c.String("boundary"))
			if err != nil {
				return err
			}
			solver, err := solverFrom(c)
			if err != nil {
				return err
			}
			if solver.noise == auto {
				if c.IsSet("noise") {
					return usagef("--noise: eval adds the noise, so auto is no answer: want a number in [0,1] or a fraction like 25/255")
				}
				solver.noise = 25. / 255
			}
			o := evalOptions{c.Args().Slice(), spec, c.String("boundary"), solver, c.Uint64("seed"),
				c.Bool("gray"), c.Bool("recursive"), c.String("csv"), c.Bool("force")}
			return o.run(c.Context, con)
		}),
	}
}

// An evalRow is one image of the table.
type evalRow struct {
	Name    string `json:"name"`
	PSNR    number `json:"psnr"`
	SSIM    number `json:"ssim"`
	Seconds number `json:"seconds"`
}

// An evalResult is what --json prints.
type evalResult struct {
	Mean   quality   `json:"mean"`
	Images []evalRow `json:"images"`
	Failed []failure `json:"failed"`
}

func (o evalOptions) run(ctx context.Context, con *console) error {
	inputs, _, err := expand(o.dirs, o.recurse, imageExts, "")
	if err != nil {
		return err
	}
	if o.csv != "" {
		if err := mayWrite(o.csv, o.force); err != nil {
			return err
		}
	}
	if o.solver.prior != "" {
		if _, err := openPrior(o.solver.prior); err != nil {
			return err
		}
	}
	all := evalResult{Images: []evalRow{}, Failed: []failure{}}
	bar := con.progress("evaluating", len(inputs))
	defer bar.end()
	for i, in := range inputs {
		row, err := o.one(ctx, con, in)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			con.complain("%v", err)
			all.Failed = append(all.Failed, failure{in.path, err.Error()})
		default:
			all.Images = append(all.Images, row)
		}
		bar.at(i+1, "")
	}
	bar.end()
	all.Mean = mean(all.Images)
	if o.csv != "" {
		if err := writeFile(o.csv, all.writeCSV); err != nil {
			return err
		}
	}
	if con.json {
		err = con.printJSON(all)
	} else {
		err = all.print(con)
	}
	if err == nil && len(all.Failed) > 0 {
		err = partlyError{len(all.Failed), len(inputs)}
	}
	return err
}

// one degrades and restores an image.
func (o evalOptions) one(ctx context.Context, con *console, in input) (evalRow, error) {
	fail := func(err error) (evalRow, error) { return evalRow{}, fmt.Errorf("%s: %w", in.path, err) }
	p, err := readPicture(con, in.path)
	if err != nil {
		return evalRow{}, err
	}
	if o.gray {
		p = p.Luma()
	}
	y, err := degrade(p, o.spec, o.boundary, o.solver.noise, o.seed)
	if err != nil {
		return fail(err)
	}
	m := measured{y.Image, o.spec, o.boundary, p.Shape, o.solver.noise}
	s, err := o.solver.solve(ctx, con, m, nil, nil)
	if err != nil {
		return fail(err)
	}
	truth := &imageio.Picture{Image: centre(p.Image, s.image.H, s.image.W)}
	q, err := measure(truth, &imageio.Picture{Image: s.image}, false)
	if err != nil {
		return fail(err)
	}
	return evalRow{filepath.ToSlash(in.rel), q.PSNR, q.SSIM, number(s.seconds)}, nil
}

// mean averages what is finite, NaN when nothing is.
func mean(rows []evalRow) quality {
	avg := func(get func(evalRow) number) number {
		sum, n := 0.0, 0
		for _, r := range rows {
			if v := float64(get(r)); !math.IsNaN(v) && !math.IsInf(v, 0) {
				sum, n = sum+v, n+1
			}
		}
		return number(sum / float64(n))
	}
	return quality{avg(func(r evalRow) number { return r.PSNR }), avg(func(r evalRow) number { return r.SSIM })}
}

func (e evalResult) print(con *console) error {
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "image\tPSNR\tSSIM\tseconds\t")
	for _, r := range e.Images {
		fmt.Fprintf(w, "%s\t%.2f\t%.4f\t%.2f\t\n", r.Name, r.PSNR, r.SSIM, r.Seconds)
	}
	fmt.Fprintf(w, "mean\t%.2f\t%.4f\t\t\n", e.Mean.PSNR, e.Mean.SSIM)
	return w.Flush()
}

func (e evalResult) writeCSV(w io.Writer) error {
	b := bufio.NewWriter(w)
	c := csv.NewWriter(b)
	c.Write([]string{"name", "psnr", "ssim", "seconds"})
	text := func(n number) string { return strconv.FormatFloat(float64(n), 'f', 6, 64) }
	for _, r := range e.Images {
		c.Write([]string{r.Name, text(r.PSNR), text(r.SSIM), text(r.Seconds)})
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return err
	}
	return b.Flush()
}
