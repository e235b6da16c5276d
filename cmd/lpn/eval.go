package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/urfave/cli/v2"
)

type evalOptions struct {
	dirs     []string
	spec     operators.Spec
	solver   solverChoice
	seed     uint64
	baseline []string
	// strengths are those of the baselines; 1 where there is none.
	strengths map[string]float64
	tuneOn    string
	set       tuneSet
	gray      bool
	light     restore.Light
	recurse   bool
	csv       string
	force     bool
}

func evalCommand() *cli.Command {
	return &cli.Command{
		Name:      "eval",
		Usage:     "degrade and restore every image, print a table of PSNR, SSIM and MS-SSIM",
		ArgsUsage: "DIR...",
		Description: "Adds noise of level --noise, which the solver knows, and restores. If you give more than one\n" +
			"prior, operator or noise level, or results of other programs, the table is a comparison: it has\n" +
			"paired differences from the first method, with 95% intervals by the bootstrap over pictures. To\n" +
			"compare another program, let it restore what lpn degrade makes with the same --seed.\n\n" +
			"Examples:\n" +
			"lpn eval --noise 25/255 --gray set12/\n" +
			"lpn eval --noise 15/255 --noise 25/255 --prior gray-25 --prior mine" + priorExt + " --table t.tex set12/\n" +
			"lpn eval --noise 25/255 --results bm3d=out/ --plot t.png set12/\n" +
			"lpn eval --operator sr:factor=2 --noise 0.01 --baseline tv,wavelet --tune-on train/ set12/",
		Flags: common(slices.Concat(repeatable(slices.Concat(operatorFlags(), solverFlags()), "operator", "noise", "prior"), tuneSetFlags(), figureFlags(), []cli.Flag{
			simulatedLightFlag(),
			&cli.BoolFlag{Name: "gray", Usage: "convert to luma (BT.601) first"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "also work on the folders below a folder"},
			&cli.StringFlag{Name: "baseline", Usage: "also restore with these methods, a `LIST` of " + strings.Join(restore.Baselines(), ", ")},
			&cli.StringFlag{Name: "tune-on", Usage: "first tune the strength of each baseline on the clean images in `DIR`; that of the prior stays"},
			&cli.GenericFlag{Name: "results", Value: &many{}, Usage: "also score the pictures that another program restored, of the same names in a folder, `NAME=DIR`; may be repeated"},
			&cli.StringFlag{Name: "csv", Usage: "also write the table to `FILE`.csv"},
			&cli.StringFlag{Name: "table", Usage: "write the table of a comparison to `FILE`.txt, .md, .tex or .csv"},
			&cli.StringFlag{Name: "plot", Usage: "draw a comparison to `FILE`.png, .svg or .pdf"},
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
			if !c.IsSet("noise") {
				solver.noise = noise.White{Sigma: 25. / 255}
			}
			if err := simulable(solver.noise, spec, "eval adds the noise, so auto is no answer:"); err != nil {
				return err
			}
			names, err := parseBaselines(c.String("baseline"))
			if err != nil {
				return err
			}
			set, err := tuneSetFrom(c, spec)
			if err != nil {
				return err
			}
			light, err := simulatedLight(c)
			if err != nil {
				return err
			}
			o := evalOptions{
				dirs:      c.Args().Slice(),
				spec:      spec,
				solver:    solver,
				seed:      c.Uint64("seed"),
				baseline:  names,
				strengths: solver.Params.Baselines,
				tuneOn:    c.String("tune-on"),
				set:       set,
				gray:      c.Bool("gray"),
				light:     light,
				recurse:   c.Bool("recursive"),
				csv:       c.String("csv"),
				force:     c.Bool("force"),
			}
			if s, err := studyFrom(c, o); err != nil || s != nil {
				if err != nil {
					return err
				}
				return s.run(c.Context, con)
			}
			return o.run(c.Context, con)
		}),
	}
}

// studyFrom is the comparison that the flags ask for, nil for none.
func studyFrom(c *cli.Context, o evalOptions) (*study, error) {
	s := &study{evalOptions: o, priors: valuesOf(c, "prior"), table: c.String("table"), plot: c.String("plot")}
	var err error
	if s.style, err = styleFrom(c); err != nil {
		return nil, err
	}
	if c.IsSet("results") {
		s.results = valuesOf(c, "results")
	}
	operators, noises := valuesOf(c, "operator"), valuesOf(c, "noise")
	if len(s.priors) < 2 && len(operators) < 2 && len(noises) < 2 && len(s.results) == 0 && s.table == "" && s.plot == "" {
		return nil, nil
	}
	if o.tuneOn != "" {
		return nil, usagef("--tune-on goes with one prior, operator and noise level, without --table, --plot and --results")
	}
	for _, text := range operators {
		spec, err := parseOperator(text, c.String("boundary"))
		if err != nil {
			return nil, err
		}
		s.operators = append(s.operators, spec)
	}
	for _, text := range noises {
		model, err := parseNoise(text)
		if err != nil {
			return nil, err
		}
		if !c.IsSet("noise") {
			model, text = o.solver.noise, "25/255"
		}
		for _, spec := range s.operators {
			if err := simulable(model, spec, "eval adds the noise, so auto is no answer:"); err != nil {
				return nil, err
			}
		}
		s.noises, s.levels = append(s.noises, model), append(s.levels, text)
	}
	return s, nil
}

// An evalRow is one image of the table.
type evalRow struct {
	Name string `json:"name"`
	quality
	Seconds number `json:"seconds"`
	// Baselines are the other methods' results.
	Baselines map[string]quality `json:"baselines,omitempty"`
}

// An evalMean is the mean over the images.
type evalMean struct {
	quality
	Baselines map[string]quality `json:"baselines,omitempty"`
}

// An evalResult is what --json prints.
type evalResult struct {
	Mean   evalMean  `json:"mean"`
	Images []evalRow `json:"images"`
	// Strengths are the tuned strengths of the baselines.
	Strengths map[string]float64 `json:"strengths,omitempty"`
	Failed    []failure          `json:"failed"`
}

func (o evalOptions) run(ctx context.Context, con *console) error {
	inputs, _, err := expand(o.dirs, o.recurse, imageio.Extensions, "")
	if err != nil {
		return err
	}
	if o.csv != "" {
		if err := mayWrite(o.csv, o.force); err != nil {
			return err
		}
	}
	if o.spec, err = o.spec.Load(fileOpener(o.spec)); err != nil {
		return err
	}
	if err := o.solver.open(); err != nil {
		return err
	}
	if o.tuneOn != "" {
		t := tuneOptions{dirs: []string{o.tuneOn}, spec: o.spec, solver: o.solver, seed: o.seed,
			set: o.set, trials: baselineTrials, baseline: o.baseline, gray: o.gray, light: o.light, recurse: o.recurse}
		examples, err := t.examples(con)
		if err != nil {
			return err
		}
		if o.strengths, err = t.searchBaselines(ctx, con, examples); err != nil {
			return err
		}
		con.remark("strengths tuned on %d images: %s", len(examples), strengthsText(o.strengths))
	}
	all := evalResult{Strengths: o.strengths, Images: []evalRow{}, Failed: []failure{}}
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
	all.Mean = o.mean(all.Images)
	if o.csv != "" {
		if err := writeFile(o.csv, func(w io.Writer) error { return o.writeCSV(w, all.Images) }); err != nil {
			return err
		}
	}
	if con.json {
		err = con.printJSON(all)
	} else {
		err = o.print(con, all)
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
	e, err := restore.SimulateLight(p.Image, o.spec, o.light, o.solver.noise, noiseRNG(o.seed))
	if err != nil {
		return fail(asUsage(err))
	}
	strengths := map[string]float64{}
	for _, name := range o.baseline {
		strengths[name] = 1
		if tuned, ok := o.strengths[name]; ok {
			strengths[name] = tuned
		}
	}
	r, err := restore.Evaluate(ctx, e, o.solver.Options, strengths)
	if err != nil {
		return fail(asUsage(err))
	}
	row := evalRow{Name: filepath.ToSlash(in.rel), quality: asQuality(r.Quality), Seconds: number(r.Seconds), Baselines: map[string]quality{}}
	for name, q := range r.Baselines {
		row.Baselines[name] = asQuality(q)
	}
	return row, nil
}

// mean averages what is finite, NaN when nothing is.
func (o evalOptions) mean(rows []evalRow) evalMean {
	avg := func(get func(evalRow) quality) quality {
		var all []restore.Quality
		for _, r := range rows {
			q := get(r)
			all = append(all, restore.Quality{PSNR: float64(q.PSNR), SSIM: float64(q.SSIM), MSSSIM: float64(q.MSSSIM)})
		}
		return asQuality(restore.MeanQuality(all))
	}
	m := evalMean{avg(func(r evalRow) quality { return r.quality }), map[string]quality{}}
	for _, name := range o.baseline {
		m.Baselines[name] = avg(func(r evalRow) quality { return r.Baselines[name] })
	}
	return m
}

func (o evalOptions) print(con *console, all evalResult) error {
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "image\tPSNR\tSSIM\tMS-SSIM\tseconds\t")
	for _, name := range o.baseline {
		fmt.Fprintf(w, "%s PSNR\t%s SSIM\t%s MS-SSIM\t", name, name, name)
	}
	fmt.Fprintln(w)
	cells := func(q quality) string {
		return decimals(q.PSNR, 2) + "\t" + decimals(q.SSIM, 4) + "\t" + decimals(q.MSSSIM, 4) + "\t"
	}
	line := func(name string, q quality, seconds string, others map[string]quality) {
		fmt.Fprint(w, name, "\t", cells(q), seconds, "\t")
		for _, name := range o.baseline {
			fmt.Fprint(w, cells(others[name]))
		}
		fmt.Fprintln(w)
	}
	for _, r := range all.Images {
		line(r.Name, r.quality, fmt.Sprintf("%.2f", r.Seconds), r.Baselines)
	}
	line("mean", all.Mean.quality, "", all.Mean.Baselines)
	return w.Flush()
}

func (o evalOptions) writeCSV(w io.Writer, rows []evalRow) error {
	b := bufio.NewWriter(w)
	c := csv.NewWriter(b)
	head := []string{"name", "psnr", "ssim", "msssim", "seconds"}
	for _, name := range o.baseline {
		head = append(head, "psnr_"+name, "ssim_"+name, "msssim_"+name)
	}
	c.Write(head)
	text := func(n number) string { return strconv.FormatFloat(float64(n), 'f', 6, 64) }
	for _, r := range rows {
		row := []string{r.Name, text(r.PSNR), text(r.SSIM), text(r.MSSSIM), text(r.Seconds)}
		for _, name := range o.baseline {
			row = append(row, text(r.Baselines[name].PSNR), text(r.Baselines[name].SSIM), text(r.Baselines[name].MSSSIM))
		}
		c.Write(row)
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return err
	}
	return b.Flush()
}
