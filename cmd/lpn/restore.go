package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/internal/sysmem"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/urfave/cli/v2"
)

type restoreOptions struct {
	inputs    []string
	spec      operators.Spec
	named     bool // --operator was given
	byFile    bool // no operator was given: the tables of a JPEG file decide
	solver    solverChoice
	observed  observation
	reference string
	trace     string
	plot      string
	sheet     string
	style     plot.Style
	gray      bool
	plan      bool // only say what was decided
	psfOut    string
	psfStart  string
	scale     restore.Range // what is black and white; zero: found out
	page      pageChoice
	out       outputOptions
	batch     batchOptions
	gate      *gate // of the jobs that run at a time
}

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "restore images or measurement files",
		ArgsUsage: "INPUT...",
		Description: "Give it a photograph and nothing else. It finds the noise of the picture, or what JPEG took\n" +
			"from it, and repairs that; what needs no repair comes back as it is, and a line says so.\n" +
			"--strength 0.5 removes less and --strength 2 more; --plan says what would be done and why. docs/photos.md\n" +
			"shows the kinds of pictures. A blur, a smaller size or missing pixels are named with --operator.\n\n" +
			"A JPEG file decides by its tables: noise above the errors of its rounding is removed from the\n" +
			"decoded picture; else the rounding is undone, --operator jpeg; and a file with nothing to undo,\n" +
			"or that the prior contradicts, is left as it is. --operator denoise denoises in any case.\n\n" +
			"--json says what was done: \"choice\" why the operator is what it is, \"noise_line\" what noise was\n" +
			"found, \"note\" what was changed on the way, \"left_alone\" that the result is the input, and \"suspect\"\n" +
			"why the result should not be trusted.\n\n" +
			"What is minimised is 1/2||Ax-y||^2 + lambda R(scale x)/scale^2, R the prior trained at noise level\n" +
			"sigma, lambda = strength c (scale noise/sigma)^2. c is 1 but for blur, sr and tomo, where it\n" +
			"grows with the part of the scene that the noise leaves. Sensing (cs) is taken to have\n" +
			"a noise of 0.005 at least, and begins with problems of larger scale. jpeg minimises -log of the\n" +
			"probability of what the file kept, plus lambda R(scale x)/scale^2 with lambda = strength c\n" +
			"(scale/sigma)^2. lpn tune finds better parameters for a given operator, noise and kind of image\n" +
			"than the defaults.\n\n" +
			operatorsHelp + "\n\n" +
			"Examples:\n" +
			"lpn restore photo.jpg\n" +
			"lpn restore photos/ -o clean/\n" +
			"lpn restore --operator blur:auto shaken.jpg -o sharp.png\n" +
			"lpn restore --operator sr:factor=2 small.png -o large.png\n" +
			"lpn restore --noise 25/255 noisy.png -o clean.png\n" +
			"lpn restore --boundary valid --operator blur:kernel=psf.npy photos/ -o restored/",
		Flags: common(slices.Concat(operatorFlags(), solverFlags(), figureFlags(), []cli.Flag{
			memoryFlag(),
		}, observationFlags(), []cli.Flag{
			&cli.StringFlag{Name: "reference", Usage: "compare with the true picture `FILE`, or those of the same names in a folder: adds PSNR and SSIM"},
			&cli.StringFlag{Name: "psf-out", Usage: "write the kernel that blur:auto finds to `FILE`.npy"},
			&cli.StringFlag{Name: "psf-start", Usage: "begin the search of blur:auto with the kernel in `FILE`"},
			&cli.StringFlag{Name: "trace", Usage: "write a row for each iteration to `FILE`.csv"},
			&cli.StringFlag{Name: "plot", Usage: "draw the convergence to `FILE`.png, .svg or .pdf"},
			&cli.StringFlag{Name: "sheet", Usage: "write input, result, reference, error and a zoomed crop side by side to `FILE`.png, .svg or .pdf"},
			&cli.BoolFlag{Name: "gray", Usage: "convert to luma (BT.601) first"},
			&cli.IntFlag{Name: "page", Usage: "restore only page `N` of a TIFF, stack or animation, counted from 1 (default: every page, into one file)"},
			&cli.StringFlag{Name: "range", Usage: "the numbers in the file that are black and white, `LO:HI`", DefaultText: "full scale of integers; estimated for floats, and of 16 bits where the upper two are not used"},
			&cli.BoolFlag{Name: "plan", Usage: "only print what would be done: noise, prior, weight, solver, memory"},
		}, batchFlags(), outputFlags("_lpn"))...),
		Action: action(func(c *cli.Context, con *console) error {
			spec, err := operatorFrom(c, con)
			if err != nil {
				return err
			}
			solver, err := solverFrom(c)
			if err != nil {
				return err
			}
			scale, err := rangeFrom(c)
			if err != nil {
				return err
			}
			style, err := styleFrom(c)
			if err != nil {
				return err
			}
			observed, err := observationFrom(c)
			if err != nil {
				return err
			}
			if spec.Auto() && !c.IsSet("boundary") {
				spec = spec.WithBoundary(operators.Valid) // nothing is known beyond the frame of a photograph
			}
			o := restoreOptions{
				inputs:    c.Args().Slice(),
				spec:      spec,
				named:     c.IsSet("operator"),
				byFile:    !c.IsSet("operator") && !c.IsSet("params") && !solver.Discrepancy && scale.IsZero(),
				solver:    solver,
				observed:  observed,
				reference: c.String("reference"),
				trace:     c.String("trace"),
				plot:      c.String("plot"),
				sheet:     c.String("sheet"),
				style:     style,
				gray:      c.Bool("gray"),
				plan:      c.Bool("plan"),
				page:      pageChoice{number: c.Int("page"), gaps: observed.missing == "nan"},
				psfOut:    c.String("psf-out"),
				psfStart:  c.String("psf-start"),
				scale:     scale,
				out:       outputFrom(c),
			}
			if o.batch, err = batchFrom(c, con, spec.File(), strings.TrimPrefix(c.String("noise"), "map:")); err != nil {
				return err
			}
			return o.run(c.Context, con)
		}),
	}
}

// A restored is a restored image.
type restored struct{ measured.Record }

func (o restoreOptions) run(ctx context.Context, con *console) error {
	if o.page.number < 0 {
		return usagef("--page: %d; want 1 or more", o.page.number)
	}
	if err := o.out.check(con); err != nil {
		return err
	}
	exts := append(slices.Clone(imageio.Extensions), measurementExt)
	inputs, batch, err := o.batch.inputs(con, o.inputs, o.out.recurse, exts, o.out.to)
	if err != nil {
		return err
	}
	if o.reference != "" && len(inputs) > 0 {
		if _, err := referenceFor(o.reference, inputs[0]); err != nil && !batch {
			return usagef("--reference: %s: %v", o.reference, cause(err))
		}
	}
	if o.plan { // nothing is written, so nothing is in the way
		o.out.force = true
	}
	jobs, err := o.out.plan(inputs, batch, o.batch.shard, "_lpn", pictureExt, o.out.fitsPicture)
	if err != nil {
		return err
	}
	if err := o.checkRecords(jobs, batch); err != nil {
		return err
	}
	// What is wrong with a kernel file or a prior is wrong with every input.
	if o.spec, err = o.spec.Load(fileOpener(o.spec)); err != nil {
		return err
	}
	for _, line := range o.spec.Remarks() {
		con.remark("%s: %s", o.spec.File(), line)
	}
	if err := o.solver.open(); err != nil {
		return err
	}
	if err := o.observed.open(); err != nil {
		return err
	}
	if err := o.checkPSF(jobs, batch); err != nil {
		return err
	}
	if o.plan {
		return o.plans(ctx, con, jobs, batch)
	}
	if batch && o.out.to != "-" {
		o.batch = o.batch.byCores()
		o.gate = newGate(claim{runtime.GOMAXPROCS(0), o.memory()})
	} else {
		o.batch.jobs = 1
	}
	return con.each(ctx, jobs, runOfJobs{"restoring", batch, o.out.skip, o.batch}, func(ctx context.Context, j job) (any, string, error) {
		return o.restorePages(ctx, con, j, batch)
	})
}

// memory is what all jobs together may take.
func (o restoreOptions) memory() int64 {
	if o.solver.Memory > 0 {
		return o.solver.Memory
	}
	if r := sysmem.Available(); r.Source != "" {
		return r.Available / 4 * 3
	}
	return 3 << 30
}

// smallPixels and smallFile bound the pictures of which several are restored at a
// time, on a core each. On larger ones all cores work together.
const smallPixels, smallFile = 1 << 20, 1 << 19

// enter waits until there is room for a file, and returns the options for it and
// what ends its stay. f is nil for a measurement.
func (o restoreOptions) enter(f *imageio.File) (restoreOptions, func()) {
	if o.gate == nil {
		return o, func() {}
	}
	want := o.gate.all
	if samples, ok := smallSamples(f); ok && o.batch.jobs > 1 {
		want = claim{max(1, want.cores/o.batch.jobs), restore.MostMemory(samples)}
		if want.bytes <= o.gate.all.bytes { // the gate limits the memory
			o.solver.Memory = math.MaxInt64 / 4
			o.solver.Threads, o.out.workers = want.cores, want.cores
		}
	}
	return o, o.gate.enter(want)
}

// smallSamples is about how many samples a small picture has; ok is false for others.
func smallSamples(f *imageio.File) (n int, ok bool) {
	if f == nil || f.Pages() > 1 {
		return 0, false
	}
	if h, w, ok := f.Size(); ok {
		return 3 * h * w, h*w <= smallPixels
	}
	return int(f.Bytes()), f.Bytes() <= smallFile
}

// planned is what JSON shows of a plan.
type planned struct {
	Input  string        `json:"input"`
	Choice string        `json:"choice,omitempty"`
	Plan   *restore.Plan `json:"plan"`
}

// plans prints the plan of every input.
func (o restoreOptions) plans(ctx context.Context, con *console, jobs []job, batch bool) error {
	for i := range jobs {
		jobs[i].to = "" // nothing is written
	}
	return con.each(ctx, jobs, runOfJobs{what: "planning", batch: batch}, func(ctx context.Context, j job) (any, string, error) {
		in, err := o.read(ctx, con, j.path)
		if err != nil {
			return nil, "", err
		}
		choice := in.choice
		if o.undoesJPEG() && !isMeasurement(j.path) {
			if line := measured.UndoneFirst(&in.problem, in.picture); line != "" {
				choice = line
			}
		}
		plan, err := newPlan(in.problem, o.solver.Options)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", j.path, err)
		}
		text := j.path + "\n"
		if choice != "" {
			text += choice + "\n"
		}
		return planned{j.path, choice, plan}, text + strings.TrimSuffix(plan.String(), "\n"), nil
	})
}

// restore restores one input.
func (o restoreOptions) restore(ctx context.Context, con *console, j job, batch bool) (restored, error) {
	named := func(err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%s: %w", j.path, err)
	}
	in, err := o.read(ctx, con, j.path)
	if err != nil {
		return restored{}, err
	}
	p, m, choice := in.picture, in.problem, in.choice
	if line, err := o.undoJPEG(ctx, p, &m); err != nil {
		return restored{}, named(err)
	} else if line != "" {
		choice = line
	}
	truth, err := o.truth(con, j, p, &m)
	if err != nil {
		return restored{}, err
	}
	large := m.Y.Len() >= 1<<22
	defer collectOften(large)()
	plan, err := newPlan(m, o.solver.Options)
	if err != nil {
		return restored{}, named(err)
	}
	if plan.Windows != nil && (o.trace != "" || o.plot != "" || o.sheet != "") {
		return restored{}, named(usagef("--trace, --plot and --sheet want the picture solved as a whole, which takes about %s of memory; %s are available (%s)",
			sysmem.FormatSize(plan.Memory.Need), sysmem.FormatSize(plan.Memory.Available), plan.Memory.Source))
	}
	con.remarkPlan(j.path, plan)
	s, err := solve(ctx, con, plan, batch)
	if err != nil {
		return restored{}, named(err)
	}
	if s.Note != "" {
		con.remark("%s: %s", j.path, s.Note)
	}
	record, err := measured.RecordOf(j.path, j.to, choice, plan, s)
	if err != nil {
		return restored{}, named(err)
	}
	r := restored{record}
	s.Image = measured.Upright(p, m, s.Image)
	shown := m // in the sheet
	if m.Operator.Rounded() && p.JPEG != nil {
		shown.Operator, shown.Y = operators.Spec{}, p.Image
	}
	if in.result != nil {
		s.Image = in.result(s.Image)
	}
	result := p.With(s.Image, !m.Operator.Resamples())
	if truth != nil {
		q, err := measure(truth, result, false)
		if err != nil {
			return restored{}, named(err)
		}
		r.PSNR, r.SSIM = &q.PSNR, &q.SSIM
		if q, err := measure(truth, p, false); err == nil {
			r.InputPSNR = &q.PSNR
		}
	}
	if err := ctx.Err(); err != nil { // nothing is written after Ctrl-C
		return restored{}, err
	}
	if err := o.record(s.Trace); err != nil {
		return restored{}, err
	}
	if err := o.contact(shown, s.Image, m.Truth); err != nil {
		return restored{}, err
	}
	if large { // what the network took serves to write the file
		runtime.GC()
	}
	return r, o.put(con, j.to, result)
}

// collectOften gives back what reading a large picture took, and makes the garbage
// collector run at a tenth more than what lives until the function that it returns is
// called. A large picture makes few objects, so it costs next to nothing.
func collectOften(large bool) (before func()) {
	if !large {
		return func() {}
	}
	debug.FreeOSMemory()
	old := debug.SetGCPercent(10)
	return func() { debug.SetGCPercent(old) }
}

// remarkPlan reports decisions of a plan that the user should know.
func (con *console) remarkPlan(name string, p *restore.Plan) {
	if p.PerChannel {
		con.remarkOnce("the prior %s is gray: a colour picture is restored channel by channel", p.Prior)
	}
	if p.LightLine != "" {
		con.remark("%s: light: %s", name, p.LightLine)
	}
	need, available := sysmem.FormatSize(p.Memory.Need), sysmem.FormatSize(p.Memory.Available)
	switch w := p.Windows; {
	case w != nil:
		con.remark("%s: solved in %d windows of %d pixels that overlap by %d: as a whole it would take about %s of memory, %s are available (%s)",
			name, w.Count, w.Side, 2*w.Halo, need, available, p.Memory.Source)
	case p.Scene.Len() >= 1<<24:
		con.remark("%s: solved as a whole: about %s of memory, %s are available (%s)", name, need, available, p.Memory.Source)
	}
}

// solve carries a plan out, with a progress bar unless a batch has its own.
func solve(ctx context.Context, con *console, p *restore.Plan, batch bool) (restore.Result, error) {
	if p.Windows != nil {
		return solveWindows(ctx, con, p, batch)
	}
	if batch {
		return p.Solve(ctx, nil)
	}
	bar := con.progress("restoring", p.Iters)
	defer bar.end()
	return p.Solve(ctx, func(at restore.Progress) {
		detail := ""
		if !math.IsNaN(at.Objective) {
			detail = fmt.Sprintf("objective %.6g", at.Objective)
		}
		bar.at(at.K, detail)
	})
}

// solveWindows carries out a plan in windows within its memory.
func solveWindows(ctx context.Context, con *console, p *restore.Plan, batch bool) (restore.Result, error) {
	if old := debug.SetMemoryLimit(-1); old == math.MaxInt64 {
		var heap runtime.MemStats
		runtime.ReadMemStats(&heap)
		debug.SetMemoryLimit(p.Memory.CollectorLimit(p.Scene, int64(heap.HeapAlloc)))
		defer debug.SetMemoryLimit(old)
	}
	if batch {
		return p.Solve(ctx, nil)
	}
	const parts = 100 // of the progress of one window
	bar := con.progress("restoring", p.Windows.Count*parts)
	defer bar.end()
	return p.Solve(ctx, func(at restore.Progress) {
		bar.at(at.Window*parts+min(parts-1, at.K*parts/p.Iters), fmt.Sprintf("tile %d of %d", at.Window+1, at.Windows))
	})
}

// line is what people see of a restored image.
func (r restored) line() string {
	choice := ""
	if r.Choice != "" {
		choice = r.Choice + "; "
	}
	found := fmt.Sprintf("noise %.4g, ", r.Noise)
	if r.NoiseLine != "" {
		found = r.NoiseLine + "; "
	}
	done := fmt.Sprintf("%s with %s, %d iterations in %.1f s", r.Solver, r.Prior, r.Iterations, r.Seconds)
	if r.LeftAlone {
		done = "left as it is"
	}
	s := fmt.Sprintf("%s -> %s: %s%s%s", r.Input, r.Output, choice, found, done)
	if r.PSNR != nil {
		s += ", PSNR "
		if r.InputPSNR != nil {
			s += fmt.Sprintf("%.2f -> ", *r.InputPSNR)
		}
		s += fmt.Sprintf("%.2f dB, SSIM %.4f", *r.PSNR, *r.SSIM)
	}
	switch {
	case !r.Certified && !r.LeftAlone:
		s += " (not certified: " + r.Uncertified + ")"
	case r.Suspect != nil && r.Certified:
		s += " (certified)"
	}
	if r.Suspect != nil {
		s += " SUSPECT: " + *r.Suspect
	}
	return s
}
