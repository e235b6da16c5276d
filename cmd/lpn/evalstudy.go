package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/urfave/cli/v2"
)

// many is the value of a flag that may be given several times. Its text is the last.
type many struct {
	all      []string
	fallback string
}

// Set adds a value.
func (m *many) Set(text string) error {
	m.all = append(m.all, text)
	return nil
}

func (m *many) String() string {
	if len(m.all) == 0 {
		return m.fallback
	}
	return m.all[len(m.all)-1]
}

// values are all that were given, or the default.
func (m *many) values() []string {
	if len(m.all) == 0 {
		return []string{m.fallback}
	}
	return m.all
}

// repeatable lets some flags be given several times.
func repeatable(flags []cli.Flag, names ...string) []cli.Flag {
	out := slices.Clone(flags)
	for i, f := range out {
		if s, ok := f.(*cli.StringFlag); ok && slices.Contains(names, s.Name) {
			out[i] = &cli.GenericFlag{Name: s.Name, Aliases: s.Aliases, Usage: s.Usage + "; may be repeated, to compare",
				DefaultText: cmp.Or(s.DefaultText, s.Value), Value: &many{fallback: s.Value}}
		}
	}
	return out
}

// valuesOf are the values of a repeatable flag.
func valuesOf(c *cli.Context, name string) []string { return c.Generic(name).(*many).values() }

// A study is eval with more than one prior, operator or noise level, or with the results
// of other programs.
type study struct {
	evalOptions
	operators []operators.Spec
	noises    []noise.Model
	levels    []string // the noises, as they were written
	priors    []string
	results   []string // NAME=DIR
	table     string
	plot      string
	style     plot.Style
}

// A method is one column of a study.
type method struct {
	name    string
	prior   int    // of priors, -1 for none
	results string // a folder of pictures
}

func (s study) methods() (out []method, err error) {
	for i, p := range s.priors {
		name := "default"
		if p != "" {
			name = strings.TrimSuffix(filepath.Base(p), priorExt)
		}
		out = append(out, method{name: name, prior: i})
	}
	for _, text := range s.results {
		name, dir, ok := strings.Cut(text, "=")
		if !ok {
			name, dir = filepath.Base(text), text
		}
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			return nil, usagef("--results: %s is not a folder", dir)
		}
		out = append(out, method{name: name, prior: -1, results: dir})
	}
	for _, name := range s.baseline {
		out = append(out, method{name: name, prior: -1})
	}
	for i, m := range out {
		if slices.ContainsFunc(out[:i], func(o method) bool { return o.name == m.name }) {
			return nil, usagef("two methods are called %q: give --results as NAME=DIR, or rename a file", m.name)
		}
	}
	return out, nil
}

func (s study) run(ctx context.Context, con *console) error {
	methods, err := s.methods()
	if err != nil {
		return err
	}
	inputs, _, err := expand(s.dirs, s.recurse, imageio.Extensions, "")
	if err != nil {
		return err
	}
	if err := s.checkOutputs(); err != nil {
		return err
	}
	if len(s.results) > 0 && len(s.operators)*len(s.noises) > 1 {
		return usagef("--results are of one operator and one noise level")
	}
	solvers := make([]solverChoice, len(s.priors))
	for i, p := range s.priors {
		solvers[i] = s.solver
		if solvers[i].PriorName = p; p != "" {
			if err := solvers[i].open(); err != nil {
				return err
			}
		}
	}
	var names, conditions []string
	for _, m := range methods {
		names = append(names, m.name)
	}
	for i, spec := range s.operators {
		if s.operators[i], err = spec.Load(fileOpener(spec)); err != nil {
			return err
		}
		for _, level := range s.levels {
			conditions = append(conditions, fmt.Sprintf("%s, noise %s", spec, level))
		}
	}
	pictures := make([]string, len(inputs))
	for i, in := range inputs {
		pictures[i] = filepath.ToSlash(in.rel)
	}
	all := restore.NewStudy(conditions, names, pictures)
	failed := []failure{}
	bar := con.progress("evaluating", len(inputs)*len(conditions))
	defer bar.end()
	for k, in := range inputs {
		for i, spec := range s.operators {
			for j, n := range s.noises {
				c := i*len(s.noises) + j
				err := s.one(ctx, con, in, spec, n, methods, solvers, func(m int, q restore.Quality) { all.Quality[c][m][k] = q })
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					con.complain("%v", err)
					failed = append(failed, failure{in.path, err.Error()})
				}
				bar.at(k*len(conditions)+c+1, "")
			}
		}
	}
	bar.end()
	return s.write(con, all, failed, len(inputs)*len(conditions))
}

// one measures all methods on one picture under one condition.
func (s study) one(ctx context.Context, con *console, in input, spec operators.Spec, n noise.Model, methods []method, solvers []solverChoice, put func(m int, q restore.Quality)) error {
	p, err := readPicture(con, in.path)
	if err != nil {
		return err
	}
	if s.gray {
		p = p.Luma()
	}
	e, err := restore.SimulateLight(p.Image, spec, s.light, n, noiseRNG(s.seed))
	if err != nil {
		return fmt.Errorf("%s: %w", in.path, asUsage(err))
	}
	for i, m := range methods {
		var q restore.Quality
		switch {
		case m.results != "":
			q, err = s.foreign(con, m.results, in, e)
		case m.prior >= 0:
			var r restore.Evaluation
			r, err = restore.Evaluate(ctx, e, solvers[m.prior].Options, nil)
			q = r.Quality
		default:
			strength := cmp.Or(s.strengths[m.name], 1)
			var x operators.Image
			if x, err = e.Problem.Baseline(ctx, m.name, strength); err == nil {
				q = restore.Compare(e.Truth, x)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", in.path, m.name, asUsage(err))
		}
		put(i, q)
	}
	return nil
}

// foreign compares the picture of the same name in a folder, with any extension.
func (s study) foreign(con *console, dir string, in input, e restore.Example) (restore.Quality, error) {
	base := strings.TrimSuffix(in.rel, filepath.Ext(in.rel))
	for _, ext := range imageio.Extensions {
		path := filepath.Join(dir, base+ext)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		p, err := readPicture(con, path)
		if err != nil {
			return restore.Quality{}, err
		}
		if e.Truth.C == 1 {
			p = p.Luma()
		}
		if p.Shape != e.Truth.Shape {
			return restore.Quality{}, fmt.Errorf("%s is %v, the picture %v", path, p.Shape, e.Truth.Shape)
		}
		return restore.Compare(e.Truth, p.Image), nil
	}
	return restore.Quality{}, fmt.Errorf("no picture %s.* in %s", base, dir)
}

func (s study) checkOutputs() error {
	for _, to := range []string{s.csv, s.table} {
		if to != "" {
			if err := mayWrite(to, s.force); err != nil {
				return err
			}
		}
	}
	if s.table != "" && !slices.Contains(restore.StudyFormats(), tableFormat(s.table)) {
		return usagef("--table: %s: want an extension of .%s", s.table, strings.Join(restore.StudyFormats(), ", ."))
	}
	if s.plot != "" {
		return mayDraw(s.plot, s.force)
	}
	return nil
}

func tableFormat(path string) string {
	return strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
}

// rng draws the samples of the bootstrap.
func (s study) rng() *rand.Rand { return rand.New(rand.NewPCG(s.seed, 0x626f6f74)) }

func (s study) write(con *console, all *restore.Study, failed []failure, total int) error {
	if s.csv != "" {
		if err := writeFile(s.csv, func(w io.Writer) error { return all.Write(w, "csv", s.rng()) }); err != nil {
			return err
		}
	}
	if s.table != "" {
		if err := writeFile(s.table, func(w io.Writer) error { return all.Write(w, tableFormat(s.table), s.rng()) }); err != nil {
			return err
		}
	}
	if s.plot != "" {
		if err := drawTo(s.plot, s.style, studyFigures(all)...); err != nil {
			return err
		}
	}
	var err error
	if con.json {
		err = con.printJSON(studyJSON(all, s.rng(), failed))
	} else {
		err = all.Write(con.out, "txt", s.rng())
	}
	if err == nil && len(failed) > 0 {
		err = partlyError{len(failed), total}
	}
	return err
}

// A studyRow is a method under a condition as JSON shows it.
type studyRow struct {
	Method     string     `json:"method"`
	Mean       quality    `json:"mean"`
	Difference *number    `json:"difference,omitempty"` // of PSNR from the first method
	Interval   *[2]number `json:"interval,omitempty"`   // 95%
	Images     []quality  `json:"images"`
}

type studyCondition struct {
	Condition string     `json:"condition"`
	Methods   []studyRow `json:"methods"`
}

type studyResult struct {
	Images     []string         `json:"images"`
	Conditions []studyCondition `json:"conditions"`
	Failed     []failure        `json:"failed"`
}

func studyJSON(all *restore.Study, rng *rand.Rand, failed []failure) studyResult {
	out := studyResult{Images: all.Pictures, Failed: failed}
	for c, condition := range all.Conditions {
		sc := studyCondition{Condition: condition}
		for m, name := range all.Methods {
			row := studyRow{Method: name, Mean: asQuality(all.Mean(c, m))}
			for _, q := range all.Quality[c][m] {
				row.Images = append(row.Images, asQuality(q))
			}
			if m > 0 {
				d := all.Difference(c, 0, m, rng)
				diff := number(d.Mean)
				row.Difference, row.Interval = &diff, &[2]number{number(d.Low), number(d.High)}
			}
			sc.Methods = append(sc.Methods, row)
		}
		out.Conditions = append(out.Conditions, sc)
	}
	return out
}

// studyFigures are the PSNR of every picture by method, and how much it differs from the
// first's, one box a method; a pair of figures a condition.
func studyFigures(all *restore.Study) []plot.Figure {
	var out []plot.Figure
	for c, condition := range all.Conditions {
		psnr := plot.Boxes{Title: condition, Y: "PSNR (dB)"}
		diff := plot.Boxes{Y: "PSNR above " + all.Methods[0] + " (dB)"}
		for m, name := range all.Methods {
			var p, d []float64
			for k, q := range all.Quality[c][m] {
				p = append(p, q.PSNR)
				if v := q.PSNR - all.Quality[c][0][k].PSNR; !math.IsInf(v, 0) {
					d = append(d, v)
				}
			}
			psnr.Groups = append(psnr.Groups, plot.Group{Label: name, Values: p})
			if m > 0 {
				diff.Groups = append(diff.Groups, plot.Group{Label: name, Values: d})
			}
		}
		if out = append(out, psnr); len(diff.Groups) > 0 {
			out = append(out, diff)
		}
	}
	return out
}
