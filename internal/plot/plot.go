package plot

import (
	"encoding/csv"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sbinet/npyio/npz"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Figure is one panel: Lines, Boxes, Heat, Contours or Sheet.
type Figure interface {
	panel() (panel, error)
	// columns are the numbers drawn, for CSV and npz.
	columns() []column
}

// A panel is drawn on its own canvas, with an optional colour bar beside it.
type panel struct {
	main   *plot.Plot
	bar    *plot.Plot
	aspect float64 // height over width of what is drawn; 0: the default
	grid   [][]*plot.Plot
}

// A column is a named list; columns of one length share the rows of a table.
type column struct {
	name   string
	text   []string // labels, in CSV only
	values []float64
}

// Palette holds the colours of Okabe & Ito (2008) in the order of use.
var Palette = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{230, 159, 0, 255}, {86, 180, 233, 255}, {0, 0, 0, 255},
}

// Formats are the extensions that Write understands, without the dot.
var Formats = []string{"png", "svg", "csv", "npz"}

// FormatOf is the format that a file's extension asks for.
func FormatOf(path string) (string, error) {
	ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	if !slices.Contains(Formats, ext) {
		return "", fmt.Errorf("%s: a figure goes to a .png, .svg, .csv or .npz file", path)
	}
	return ext, nil
}

// Write renders figures in one of Formats, under each other. CSV takes the
// figures' tables one after the other with an empty line between, npz the
// numbers of all, named after the figure's number where there are several.
func Write(w io.Writer, format string, figures ...Figure) error {
	if len(figures) == 0 {
		return fmt.Errorf("nothing to draw")
	}
	switch format {
	case "csv":
		return writeCSV(w, figures)
	case "npz":
		return writeNPZ(w, figures)
	case "png", "svg":
		return render(w, format, figures)
	}
	return fmt.Errorf("unknown format %q; want png, svg, csv or npz", format)
}

const (
	width  = 16 * vg.Centimeter
	height = 8 * vg.Centimeter
	barWid = 2.4 * vg.Centimeter
	dpi    = 150
)

func render(w io.Writer, format string, figures []Figure) error {
	panels := make([]panel, len(figures))
	heights := make([]vg.Length, len(figures))
	var total vg.Length
	for i, f := range figures {
		p, err := f.panel()
		if err != nil {
			return err
		}
		panels[i] = p
		heights[i] = height
		if p.aspect > 0 {
			wide := width
			if p.bar != nil {
				wide -= barWid
			}
			heights[i] = vg.Length(p.aspect) * wide
		}
		total += heights[i]
	}
	var c interface {
		vg.CanvasSizer
		io.WriterTo
	}
	if format == "svg" {
		c = vgsvg.New(width, total)
	} else {
		c = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, total), vgimg.UseDPI(dpi))}
	}
	all := draw.New(c)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	// The left edges of the axes line up.
	var left vg.Length
	for _, p := range panels {
		if p.main != nil && p.aspect == 0 {
			left = max(left, leftOf(p.main))
		}
	}
	top := total
	for i, p := range panels {
		area := draw.Crop(all, 0, 0, top-heights[i], 0)
		area.Max.Y = top
		top -= heights[i]
		pad := 2 * vg.Millimeter
		area = draw.Crop(area, pad, -pad, pad, -pad)
		switch {
		case p.grid != nil:
			drawGrid(area, p.grid)
			continue
		case p.bar != nil:
			right := area
			right.Min.X = area.Max.X - barWid + 4*vg.Millimeter
			p.bar.Draw(draw.Crop(right, 0, 0, vg.Centimeter, -8*vg.Millimeter))
			area.Max.X -= barWid
		case p.aspect == 0:
			area.Min.X += left - leftOf(p.main)
		}
		p.main.Draw(area)
	}
	_, err := c.WriteTo(w)
	return err
}

// leftOf is the room that the labels of the y axis take.
func leftOf(p *plot.Plot) vg.Length {
	c := draw.New(vgimg.New(width, height))
	return p.DataCanvas(c).Min.X - c.Min.X
}

func drawGrid(c draw.Canvas, grid [][]*plot.Plot) {
	rows := vg.Length(len(grid))
	h := (c.Max.Y - c.Min.Y) / rows
	for i, row := range grid {
		w := (c.Max.X - c.Min.X) / vg.Length(len(row))
		for j, p := range row {
			if p == nil {
				continue
			}
			area := c
			area.Min.X += vg.Length(j) * w
			area.Max.X = area.Min.X + w - vg.Millimeter
			area.Max.Y -= vg.Length(i) * h
			area.Min.Y = area.Max.Y - h + vg.Millimeter
			p.Draw(area)
		}
	}
}

// axes is a plot with labels and a grid.
func axes(title, x, y string, logX, logY bool) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	if logX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	if logY {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = color.Gray{225}, color.Gray{225}
	p.Add(g)
	p.Legend.Padding = vg.Millimeter
	return p
}

// A Series is a line, or points, or both.
type Series struct {
	Name string
	X, Y []float64
	// Lo and Hi, where given, bound a band around the line.
	Lo, Hi []float64
	// Points marks the samples; Dashed draws the line dashed.
	Points, Dashed bool
}

// Lines are series over a common axis. Samples that are not finite, or not
// positive on a logarithmic axis, are left out.
type Lines struct {
	Title, X, Y string
	LogX, LogY  bool
	Series      []Series
	// Legend places the legend at "left" or, by default, "right", top
	// either way; with "bottom-left" and "bottom-right" at the bottom.
	Legend string
}

func (l Lines) panel() (panel, error) {
	p := axes(l.Title, l.X, l.Y, l.LogX, l.LogY)
	p.Legend.Top = !strings.HasPrefix(l.Legend, "bottom")
	p.Legend.Left = strings.HasSuffix(l.Legend, "left")
	drawn := 0
	for k, s := range l.Series {
		if len(s.X) != len(s.Y) {
			return panel{}, fmt.Errorf("series %q has %d x and %d y", s.Name, len(s.X), len(s.Y))
		}
		hue := Palette[k%len(Palette)]
		if len(s.Lo) == len(s.X) && len(s.Hi) == len(s.X) && len(s.X) > 1 {
			var edge plotter.XYs
			for i, x := range s.X {
				edge = l.keep(edge, x, s.Lo[i])
			}
			for i := range s.X {
				j := len(s.X) - 1 - i
				edge = l.keep(edge, s.X[j], s.Hi[j])
			}
			if len(edge) > 2 {
				band, err := plotter.NewPolygon(edge)
				if err != nil {
					return panel{}, err
				}
				band.Color = color.NRGBA{hue.R, hue.G, hue.B, 50}
				band.LineStyle.Width = 0
				p.Add(band)
			}
		}
		var at plotter.XYs
		for i, x := range s.X {
			at = l.keep(at, x, s.Y[i])
		}
		if len(at) == 0 {
			continue
		}
		drawn++
		line, dots, err := plotter.NewLinePoints(at)
		if err != nil {
			return panel{}, err
		}
		line.Color, dots.Color = hue, hue
		line.Width = vg.Points(1.6)
		dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(2.2)
		if s.Dashed {
			line.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
		} else if k > 0 && len(l.Series) > 2 {
			line.Dashes = [][]vg.Length{nil, {vg.Points(8), vg.Points(2)}, {vg.Points(2), vg.Points(2)}, {vg.Points(8), vg.Points(2), vg.Points(2), vg.Points(2)}}[k%4]
		}
		p.Add(line)
		if s.Points || len(at) == 1 {
			p.Add(dots)
		}
		if s.Name != "" {
			p.Legend.Add(s.Name, line)
		}
	}
	if drawn == 0 {
		return panel{}, fmt.Errorf("nothing to draw: no finite numbers in %q", l.Y)
	}
	return panel{main: p}, nil
}

// keep appends a sample that can be drawn.
func (l Lines) keep(at plotter.XYs, x, y float64) plotter.XYs {
	if !finite(x) || !finite(y) || l.LogX && x <= 0 || l.LogY && y <= 0 {
		return at
	}
	return append(at, plotter.XY{X: x, Y: y})
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (l Lines) columns() []column {
	names := column{name: "series"}
	xs, ys := column{name: orElse(l.X, "x")}, column{name: orElse(l.Y, "y")}
	lo, hi := column{name: "low"}, column{name: "high"}
	bands := false
	for _, s := range l.Series {
		for i := range s.X {
			names.text = append(names.text, s.Name)
			xs.values = append(xs.values, s.X[i])
			ys.values = append(ys.values, s.Y[i])
			a, b := math.NaN(), math.NaN()
			if len(s.Lo) == len(s.X) && len(s.Hi) == len(s.X) {
				a, b, bands = s.Lo[i], s.Hi[i], true
			}
			lo.values, hi.values = append(lo.values, a), append(hi.values, b)
		}
	}
	cs := []column{names, xs, ys}
	if bands {
		cs = append(cs, lo, hi)
	}
	return cs
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Boxes are box plots: median, quartiles, whiskers to the last value within
// 1.5 times the quartiles' distance, and the values beyond (Tukey).
type Boxes struct {
	Title, X, Y string
	Groups      []Group
}

// A Group is one box; its label stands on the x axis.
type Group struct {
	Label  string
	Values []float64
}

func (b Boxes) panel() (panel, error) {
	p := axes(b.Title, b.X, b.Y, false, false)
	var labels []string
	for k, g := range b.Groups {
		var vs plotter.Values
		for _, v := range g.Values {
			if finite(v) {
				vs = append(vs, v)
			}
		}
		labels = append(labels, g.Label)
		if len(vs) == 0 {
			continue
		}
		wide := min(vg.Points(28), vg.Length(float64(width)*0.5/float64(len(b.Groups))))
		box, err := plotter.NewBoxPlot(wide, float64(k), vs)
		if err != nil {
			return panel{}, err
		}
		hue := Palette[0]
		box.FillColor = color.NRGBA{hue.R, hue.G, hue.B, 90}
		p.Add(box)
	}
	if len(labels) == 0 {
		return panel{}, fmt.Errorf("nothing to draw: no groups")
	}
	p.NominalX(labels...)
	return panel{main: p}, nil
}

func (b Boxes) columns() []column {
	group, value := column{name: orElse(b.X, "group")}, column{name: orElse(b.Y, "value")}
	for _, g := range b.Groups {
		for _, v := range g.Values {
			group.text = append(group.text, g.Label)
			value.values = append(value.values, v)
		}
	}
	return []column{group, value}
}

func writeCSV(w io.Writer, figures []Figure) error {
	for i, f := range figures {
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		cs := f.columns()
		c := csv.NewWriter(w)
		var row []string
		rows := 0
		for _, k := range cs {
			row = append(row, k.name)
			rows = max(rows, len(k.text), len(k.values))
		}
		c.Write(row)
		for r := range rows {
			row = row[:0]
			for _, k := range cs {
				cell := ""
				switch {
				case r < len(k.text):
					cell = k.text[r]
				case r < len(k.values) && finite(k.values[r]):
					cell = strconv.FormatFloat(k.values[r], 'g', 10, 64)
				}
				row = append(row, cell)
			}
			c.Write(row)
		}
		c.Flush()
		if err := c.Error(); err != nil {
			return err
		}
	}
	return nil
}

func writeNPZ(w io.Writer, figures []Figure) error {
	z := npz.NewWriter(w)
	seen := map[string]bool{}
	for i, f := range figures {
		for _, c := range f.columns() {
			if c.values == nil {
				continue
			}
			name := plainName(c.name)
			if len(figures) > 1 {
				name = fmt.Sprintf("%d_%s", i+1, name)
			}
			for seen[name] {
				name += "_"
			}
			seen[name] = true
			if err := z.Write(name+".npy", c.values); err != nil {
				return err
			}
		}
	}
	return z.Close()
}

// plainName makes an axis label a name: what stands before the unit, in
// letters, digits and underscores.
func plainName(s string) string {
	s, _, _ = strings.Cut(s, "(")
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, strings.TrimSpace(s))
	return orElse(s, "values")
}
