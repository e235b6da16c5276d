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
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Figure is one panel: Lines, Boxes, Heat, Contours or Sheet.
type Figure interface {
	panel(l layout) (panel, error)
	// columns are the numbers drawn, for CSV and npz.
	columns() []column
}

// A panel is a plot in axes, or what draw draws, height tall.
type panel struct {
	main   *plot.Plot
	height vg.Length // of what draw draws
	draw   func(draw.Canvas)
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
var Formats = []string{"png", "svg", "pdf", "csv", "npz"}

// Drawn reports whether files of a format are drawings; the others have the numbers.
func Drawn(format string) bool { return format != "csv" && format != "npz" }

// FormatOf is the format of a file by its extension.
func FormatOf(path string) (string, error) {
	ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	if !slices.Contains(Formats, ext) {
		return "", fmt.Errorf("%s: a figure goes to a .png, .svg, .pdf, .csv or .npz file", path)
	}
	return ext, nil
}

// A Style is how figures are set for the page that they go to. The zero Style is for a
// screen or a report.
type Style struct {
	// Width is that of the figure in millimetres. Default 160.
	Width float64
	// FontSize is that of labels in points; other text keeps its proportion to it.
	// Default 10.
	FontSize float64
	// Bare leaves titles and captions to the text around the figure.
	Bare bool
}

// Write renders figures of the zero Style; see Style.Write.
func Write(w io.Writer, format string, figures ...Figure) error {
	return Style{}.Write(w, format, figures...)
}

// Write renders figures in one of Formats, under each other. CSV takes the
// figures' tables one after the other with an empty line between, npz the
// numbers of all, named after the figure's number where there are several.
func (s Style) Write(w io.Writer, format string, figures ...Figure) error {
	if len(figures) == 0 {
		return fmt.Errorf("nothing to draw")
	}
	switch format {
	case "csv":
		return writeCSV(w, figures)
	case "npz":
		return writeNPZ(w, figures)
	case "png", "svg", "pdf":
		return s.layout().render(w, format, figures)
	}
	return fmt.Errorf("unknown format %q; want png, svg, pdf, csv or npz", format)
}

const (
	pad = 3 * vg.Millimeter
	dpi = 150
)

// A layout is a Style with its defaults, in lengths.
type layout struct {
	width vg.Length
	font  float64 // of all text, relative to the default
	bare  bool
}

func (s Style) layout() layout {
	l := layout{width: 16 * vg.Centimeter, font: 1, bare: s.Bare}
	if s.Width > 0 {
		l.width = vg.Length(s.Width) * vg.Millimeter
	}
	if s.FontSize > 0 {
		l.font = s.FontSize / 10
	}
	return l
}

// inner is the width that a panel has, height that of a plot in axes.
func (l layout) inner() vg.Length  { return l.width - 2*pad }
func (l layout) height() vg.Length { return l.width/2 + vg.Length(l.font-1)*2*vg.Centimeter }

// caption is the room of a line of text, bar that of a colour bar to the right of a map.
func (l layout) caption() vg.Length { return vg.Length(l.font) * 5 * vg.Millimeter }
func (l layout) bar() vg.Length     { return 7*vg.Millimeter + vg.Length(l.font)*15*vg.Millimeter }

// title is a title, or a caption, as far as the style shows any.
func (l layout) title(s string) string {
	if l.bare {
		return ""
	}
	return s
}

// sans is the face of all text.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

func init() { plot.DefaultFont, plotter.DefaultFont = sans, sans }

func (l layout) style(size float64, x text.XAlignment, y text.YAlignment) text.Style {
	return text.Style{Color: color.Black, Font: font.From(sans, vg.Points(l.font*size)), XAlign: x, YAlign: y, Handler: plot.DefaultTextHandler}
}

// write puts text at a point.
func (l layout) write(c draw.Canvas, at vg.Point, s string, size float64, x text.XAlignment, y text.YAlignment) {
	if s != "" {
		c.FillText(l.style(size, x, y), at, s)
	}
}

func (l layout) render(w io.Writer, format string, figures []Figure) error {
	panels := make([]panel, len(figures))
	total := pad
	for i, f := range figures {
		p, err := f.panel(l)
		if err != nil {
			return err
		}
		if p.main != nil {
			p.height = l.height()
		}
		panels[i] = p
		total += p.height + pad
	}
	var c interface {
		vg.CanvasSizer
		io.WriterTo
	}
	switch format {
	case "svg":
		c = vgsvg.New(l.width, total)
	case "pdf":
		c = newPDF(l.width, total)
	default:
		c = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(l.width, total), vgimg.UseDPI(dpi))}
	}
	all := draw.New(c)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	// The left edges of the axes line up.
	var left vg.Length
	for _, p := range panels {
		if p.main != nil {
			left = max(left, l.leftOf(p.main))
		}
	}
	top := total - pad
	for _, p := range panels {
		area := all
		area.Min, area.Max = vg.Point{X: pad, Y: top - p.height}, vg.Point{X: l.width - pad, Y: top}
		top -= p.height + pad
		if p.draw != nil {
			p.draw(area)
			continue
		}
		area.Min.X += left - l.leftOf(p.main)
		p.main.Draw(area)
	}
	_, err := c.WriteTo(w)
	return err
}

// leftOf is the room that the labels of the y axis take.
func (l layout) leftOf(p *plot.Plot) vg.Length {
	c := draw.New(vgimg.New(l.width, l.height()))
	return p.DataCanvas(c).Min.X - c.Min.X
}

// ticks are at multiples of 1, 2 or 5 times a power of ten.
type ticks struct{}

func (ticks) Ticks(lo, hi float64) []plot.Tick {
	if !(hi > lo) || math.IsInf(hi-lo, 0) {
		return plot.DefaultTicks{}.Ticks(lo, hi)
	}
	step := math.Pow(10, math.Floor(math.Log10(hi-lo))-1)
	for k := 0; (hi-lo)/step > 7.5; k++ {
		step *= [3]float64{2, 2.5, 2}[k%3]
	}
	places, verb := max(0, int(math.Ceil(-math.Log10(step)-1e-9))), byte('f')
	if math.Max(math.Abs(lo), math.Abs(hi)) >= 1e6 || places > 4 {
		places, verb = -1, 'g'
	}
	var out []plot.Tick
	for k := math.Ceil(lo/step - 1e-9); k*step <= hi+1e-9*step; k++ {
		v := k * step
		if verb == 'g' {
			v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64)
		}
		out = append(out, plot.Tick{Value: v, Label: strconv.FormatFloat(v+0, verb, places, 64)})
	}
	return out
}

// logTicks are powers of ten with multiples between, of which 1, 2 and 5 are labelled
// where there are less than two decades; even ones where less than three of those fit.
type logTicks struct{}

func (logTicks) Ticks(lo, hi float64) []plot.Tick {
	labelled := func(k int) bool { return k == 1 }
	if hi < 100*lo {
		labelled = func(k int) bool { return k == 1 || k == 2 || k == 5 }
	}
	var out []plot.Tick
	labels := 0
	for e := math.Floor(math.Log10(lo)); e <= math.Log10(hi); e++ {
		for k := 1; k < 10; k++ {
			v := float64(k) * math.Pow(10, e)
			if v < lo*(1-1e-9) || v > hi*(1+1e-9) {
				continue
			}
			t := plot.Tick{Value: v}
			if labelled(k) {
				t.Label = strconv.FormatFloat(v, 'g', 6, 64)
				labels++
			}
			out = append(out, t)
		}
	}
	if labels < 3 && hi < 100*lo {
		return ticks{}.Ticks(lo, hi)
	}
	return out
}

// axes is a plot with labels and a grid.
func (l layout) axes(title, x, y string, logX, logY bool) *plot.Plot {
	p := plot.New()
	for _, s := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		s.Font.Size *= vg.Length(l.font)
	}
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = l.title(title), x, y
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks{}, ticks{}
	if logX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, logTicks{}
	}
	if logY {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, logTicks{}
	}
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = color.Gray{225}, color.Gray{225}
	p.Add(g)
	p.Legend.TextStyle.Font.Size = vg.Points(10 * l.font)
	p.Legend.Padding = vg.Millimeter
	return p
}

// A Series is a line, or points, or both.
type Series struct {
	Name string
	X, Y []float64
	// Lo and Hi, where given, bound a band around the line.
	Lo, Hi []float64
	// Points marks the samples. Reference draws a thin gray line, each of a
	// figure with other dashes: the truth that the others are held against.
	Points, Reference bool
}

// Lines are series over a common axis. Samples that are not finite, or not
// positive on a logarithmic axis, are left out.
type Lines struct {
	Title, X, Y string
	LogX, LogY  bool
	Series      []Series
}

func (l Lines) panel(page layout) (panel, error) {
	p := page.axes(l.Title, l.X, l.Y, l.LogX, l.LogY)
	drawn, data, references := 0, 0, 0
	for _, s := range l.Series {
		if len(s.X) != len(s.Y) {
			return panel{}, fmt.Errorf("series %q has %d x and %d y", s.Name, len(s.X), len(s.Y))
		}
		hue := Palette[data%len(Palette)]
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
		line.Width = vg.Points(1.8)
		dots.Shape, dots.Radius = glyphs[data%len(glyphs)], vg.Points(2.6)
		if s.Reference {
			line.Color, line.Width = color.Gray{60}, vg.Points(1.1)
			line.Dashes = dashes[references%len(dashes)]
			references++
		} else {
			data++
		}
		p.Add(line)
		shown := []plot.Thumbnailer{line}
		if s.Points || len(at) == 1 {
			p.Add(dots)
			shown = append(shown, dots)
		}
		if s.Name != "" {
			p.Legend.Add(s.Name, shown...)
		}
	}
	if drawn == 0 {
		return panel{}, fmt.Errorf("nothing to draw: no finite numbers in %q", l.Y)
	}
	if !l.LogY && p.Y.Max > p.Y.Min {
		margin := 0.04 * (p.Y.Max - p.Y.Min)
		p.Y.Min, p.Y.Max = p.Y.Min-margin, p.Y.Max+margin
	}
	l.placeLegend(p, page)
	return panel{main: p}, nil
}

var (
	glyphs = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}}
	dashes = [][]vg.Length{{vg.Points(6), vg.Points(3)}, {vg.Points(1.5), vg.Points(2)}, {vg.Points(6), vg.Points(2), vg.Points(1.5), vg.Points(2)}}
)

// placeLegend puts the legend into the corner with the least in it, and makes
// room at the top where every corner has something.
func (l Lines) placeLegend(p *plot.Plot, page layout) {
	names, wide := 0, vg.Length(0)
	for _, s := range l.Series {
		if s.Name != "" {
			names++
			wide = max(wide, p.Legend.TextStyle.Width(s.Name))
		}
	}
	if names == 0 {
		return
	}
	p.Legend.XOffs, p.Legend.YOffs = 0, -2*vg.Millimeter
	w := min(0.95, float64((wide+1.2*vg.Centimeter)/(page.width-2.5*vg.Centimeter)))
	h := min(0.6, float64(vg.Length(names)*vg.Length(page.font)*5.2*vg.Millimeter/(page.height()-1.6*vg.Centimeter)))
	best, least := 0, -1
	corners := [][2]bool{{true, true}, {true, false}, {false, false}, {false, true}} // top, left
	for k, corner := range corners {
		inside := 0
		for _, s := range l.Series {
			for _, ys := range [][]float64{s.Y, s.Lo, s.Hi} {
				for i := 0; i+1 < len(ys) && len(ys) == len(s.X); i++ {
					for f := 0.0; f <= 1; f += 0.125 {
						x, y := s.X[i]+f*(s.X[i+1]-s.X[i]), ys[i]+f*(ys[i+1]-ys[i])
						if !finite(x) || !finite(y) || l.LogX && x <= 0 || l.LogY && y <= 0 {
							continue
						}
						u, v := p.X.Norm(x), p.Y.Norm(y)
						if (corner[0] && v > 1-h || !corner[0] && v < h) && (corner[1] && u < w || !corner[1] && u > 1-w) {
							inside++
						}
					}
				}
			}
		}
		if least < 0 || inside < least {
			best, least = k, inside
		}
	}
	p.Legend.Top, p.Legend.Left = corners[best][0], corners[best][1]
	if !p.Legend.Top {
		p.Legend.YOffs = vg.Millimeter
	}
	if !p.Legend.Left {
		p.Legend.XOffs = -2 * vg.Millimeter
	}
	if least > 0 && !l.LogY {
		p.Legend.Top, p.Legend.YOffs = true, -vg.Millimeter
		p.Y.Max += (p.Y.Max - p.Y.Min) * h / (1 - h)
	}
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

// A Group is one box; its label is on the x axis.
type Group struct {
	Label  string
	Values []float64
}

func (b Boxes) panel(l layout) (panel, error) {
	p := l.axes(b.Title, b.X, b.Y, false, false)
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
		wide := min(vg.Points(28), l.inner()*0.5/vg.Length(len(b.Groups)))
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
	p.X.Min, p.X.Max = -0.6, float64(len(labels))-0.4
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
