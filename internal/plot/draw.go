//go:build !small

package plot

import (
	"image/color"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// drawings are the formats that render has.
var drawings = []string{"png", "svg", "pdf"}

// Without says what is missing in the small program.
const Without = ""

// drawn is what a Figure has besides its numbers.
type drawn interface {
	panel(l layout) (panel, error)
}

// A panel is a plot in axes, or what draw draws, height tall.
type panel struct {
	main   *plot.Plot
	height vg.Length // of what draw draws
	draw   func(draw.Canvas)
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
func (l layout) inner() vg.Length { return l.width - 2*pad }

func (l layout) height() vg.Length { return l.width/2 + vg.Length(l.font-1)*2*vg.Centimeter }

// caption is the room of a line of text, bar that of a colour bar to the right of a map.
func (l layout) caption() vg.Length { return vg.Length(l.font) * 5 * vg.Millimeter }

func (l layout) bar() vg.Length { return 7*vg.Millimeter + vg.Length(l.font)*15*vg.Millimeter }

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

// render draws figures, one below the other.
func (s Style) render(w io.Writer, format string, figures []Figure) error {
	return s.layout().render(w, format, figures)
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
