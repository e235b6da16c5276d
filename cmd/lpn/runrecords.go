package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"image"
	"io"
	"math"
	"path/filepath"
	"strconv"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// This file writes what --trace, --plot and --sheet ask for: the records of a run of
// lpn restore.

// checkRecords checks where the trace, the plot and the sheet go.
func (o restoreOptions) checkRecords(jobs []job, batch bool) error {
	names := []string{"--trace", "--plot", "--sheet"}
	to := []string{o.trace, o.plot, o.sheet}
	for i, path := range to {
		switch {
		case path == "":
			continue
		case batch:
			return usagef("--trace, --plot and --sheet go with one input")
		}
		for _, other := range []string{jobs[0].path, jobs[0].to, o.reference, o.solver.PriorName, o.spec.File()} {
			if sameFile(path, other) || filepath.Clean(path) == filepath.Clean(other) {
				return usagef("%s would be written over %s", path, other)
			}
		}
		for k := range i {
			if to[k] != "" && filepath.Clean(to[k]) == filepath.Clean(path) {
				return usagef("%s and %s both write %s", names[k], names[i], path)
			}
		}
		may := mayDraw
		if i == 0 { // the trace is always a table
			may = mayWrite
		}
		if err := may(path, o.out.force); err != nil {
			return err
		}
	}
	return nil
}

// record writes the trace and the plot of a run.
func (o restoreOptions) record(trace []solvers.TracePoint) error {
	if o.trace != "" {
		if err := writeFile(o.trace, func(w io.Writer) error { return writeTrace(w, trace) }); err != nil {
			return err
		}
	}
	if o.plot != "" {
		steps := make([]plot.Step, len(trace))
		for i, t := range trace {
			steps[i] = plot.Step{K: t.K, Objective: t.Objective, Residual: t.Residual, PSNR: t.PSNR}
		}
		return drawTo(o.plot, o.style, plot.Convergence(steps)...)
	}
	return nil
}

// contact writes the contact sheet of a run.
func (o restoreOptions) contact(m restore.Problem, result operators.Image, truth *operators.Image) error {
	if o.sheet == "" {
		return nil
	}
	var whole []plot.Cell
	add := func(name string, p operators.Image) {
		if truth != nil && p.Shape == truth.Shape {
			if v := metrics.PSNR(truth.Pix, p.Pix); !math.IsInf(v, 1) {
				name += fmt.Sprintf(", %.2f dB", v)
			}
		}
		whole = append(whole, plot.Cell{Caption: name, Picture: p})
	}
	shown := result // what is zoomed into
	if m.Operator.ImageShaped() {
		add("input", m.Y)
	}
	add("result", result)
	if truth != nil {
		shown = *truth
		whole = append(whole, plot.Cell{Caption: "reference", Picture: *truth})
		whole = append(whole, plot.ErrorMap("result - reference", result, *truth))
	}
	h, w := max(1, result.H/4), max(1, result.W/4)
	y, x := plot.Busiest(shown, h, w)
	var crops []plot.Cell
	for k, c := range whole {
		if c.Picture.H == result.H && c.Picture.W == result.W {
			whole[k].Frame = image.Rect(x, y, x+w, y+h)
			crops = append(crops, plot.Zoomed("", c, y, x, h, w))
		} else { // a small measurement has its crop too
			a, b := c.Picture.H, c.Picture.W
			at := image.Rect(x*b/result.W, y*a/result.H, (x+w)*b/result.W, (y+h)*a/result.H)
			if !at.Empty() {
				whole[k].Frame = at
				crops = append(crops, plot.Zoomed("", c, at.Min.Y, at.Min.X, at.Dy(), at.Dx()))
			}
		}
	}
	return drawTo(o.sheet, o.style, plot.Sheet{Rows: [][]plot.Cell{whole, crops}})
}

// writeTrace writes one row an iteration.
func writeTrace(w io.Writer, trace []solvers.TracePoint) error {
	b := bufio.NewWriter(w)
	c := csv.NewWriter(b)
	c.Write([]string{"iter", "seconds", "objective", "data", "prior", "residual", "psnr"})
	for _, t := range trace {
		row := []string{strconv.Itoa(t.K)}
		for _, v := range []float64{t.Seconds, t.Objective, t.Data, t.Prior, t.Residual, t.PSNR} {
			cell := ""
			if !math.IsNaN(v) {
				cell = strconv.FormatFloat(v, 'g', 10, 64)
			}
			row = append(row, cell)
		}
		c.Write(row)
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return err
	}
	return b.Flush()
}
