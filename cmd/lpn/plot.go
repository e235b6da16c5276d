package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/lpn-imaging/lpn/solvers"
)

// plotFormat is png or svg, by the file's extension.
func plotFormat(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".png", ".svg":
		return ext[1:], nil
	}
	return "", usagef("%s: a plot goes to a .png or .svg file", path)
}

// plotTrace draws a run's convergence: the objective, the residual and, with a
// reference, the PSNR over the iterations.
func plotTrace(w io.Writer, format string, trace []solvers.TracePoint) error {
	var panels []*plot.Plot
	for _, s := range []struct {
		label string
		log   bool
		value func(solvers.TracePoint) float64
	}{
		{"objective", false, func(t solvers.TracePoint) float64 { return t.Objective }},
		{"residual", true, func(t solvers.TracePoint) float64 { return t.Residual }},
		{"PSNR (dB)", false, func(t solvers.TracePoint) float64 { return t.PSNR }},
	} {
		var points plotter.XYs
		for _, t := range trace {
			if v := s.value(t); !math.IsNaN(v) && !math.IsInf(v, 0) && (!s.log || v > 0) {
				points = append(points, plotter.XY{X: float64(t.K), Y: v})
			}
		}
		if len(points) == 0 {
			continue
		}
		p := plot.New()
		p.Y.Label.Text = s.label
		if s.log {
			p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		dots.Radius = vg.Points(1.5)
		p.Add(plotter.NewGrid(), line, dots)
		panels = append(panels, p)
	}
	if len(panels) == 0 {
		return fmt.Errorf("the run has nothing to plot")
	}
	panels[len(panels)-1].X.Label.Text = "iteration"
	return drawColumn(w, format, panels)
}

// drawColumn draws panels under each other with their axes aligned.
func drawColumn(w io.Writer, format string, panels []*plot.Plot) error {
	width, height := vg.Length(16)*vg.Centimeter, vg.Length(6*len(panels))*vg.Centimeter
	var canvas interface {
		vg.CanvasSizer
		io.WriterTo
	}
	if format == "svg" {
		canvas = vgsvg.New(width, height)
	} else {
		canvas = vgimg.PngCanvas{Canvas: vgimg.New(width, height)}
	}
	grid := make([][]*plot.Plot, len(panels))
	for i, p := range panels {
		grid[i] = []*plot.Plot{p}
	}
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadX: vg.Millimeter, PadY: 2 * vg.Millimeter, PadTop: 2 * vg.Millimeter, PadBottom: 2 * vg.Millimeter, PadLeft: 2 * vg.Millimeter, PadRight: 4 * vg.Millimeter}
	for i, row := range plot.Align(grid, tiles, draw.New(canvas)) {
		panels[i].Draw(row[0])
	}
	_, err := canvas.WriteTo(w)
	return err
}
