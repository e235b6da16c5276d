package plot

import (
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/sbinet/npyio/npz"
)

// A Figure is one panel: Lines, Boxes, Heat, Contours or Sheet.
type Figure interface {
	drawn
	// columns are the numbers drawn, for CSV and npz.
	columns() []column
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

// Formats are the extensions that Write understands, without the dot: drawings, and the
// numbers alone. The small program has only the numbers.
var Formats = append(slices.Clone(drawings), "csv", "npz")

// Drawn reports whether files of a format are drawings; the others have the numbers.
func Drawn(format string) bool { return format != "csv" && format != "npz" }

// FormatOf is the format of a file by its extension.
func FormatOf(path string) (string, error) {
	ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	if !slices.Contains(Formats, ext) {
		return "", fmt.Errorf("%s: a figure goes to a %s file%s", path, listed(Formats), Without)
	}
	return ext, nil
}

// listed are formats in words.
func listed(formats []string) string {
	n := len(formats) - 1
	return "." + strings.Join(formats[:n], ", .") + " or ." + formats[n]
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
	switch {
	case !slices.Contains(Formats, format):
		return fmt.Errorf("unknown format %q; want %s%s", format, listed(Formats), Without)
	case format == "csv":
		return writeCSV(w, figures)
	case format == "npz":
		return writeNPZ(w, figures)
	}
	return s.render(w, format, figures)
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

// A Heat is a map of one value a pixel, row 0 at the top.
type Heat struct {
	Title string
	// Label names the values, with their unit, at the colour bar.
	Label string
	H, W  int
	// Values holds pixel (y,x) at y*W+x.
	Values []float64
	// Lo and Hi are the ends of the colour scale. Default (both 0): the least
	// and largest value, or symmetric about 0 if there are both signs; the
	// outermost half percent of the values is clipped.
	Lo, Hi float64
	// Picture, if given, is shown next to the map, under PictureTitle.
	Picture      operators.Image
	PictureTitle string
}

func (h Heat) columns() []column {
	x, y := column{name: "x"}, column{name: "y"}
	for i := range h.Values {
		x.values, y.values = append(x.values, float64(i%h.W)), append(y.values, float64(i/h.W))
	}
	return []column{x, y, {name: orElse(h.Label, "value"), values: h.Values}}
}

// Contours are lines of equal height of Z over a rectangle, over a heat map of
// it.
type Contours struct {
	Title, X, Y, Label string
	// XS and YS are the grid's coordinates, ascending and evenly spaced;
	// Z[j*len(XS)+i] is the height at (XS[i], YS[j]). Heights that are no
	// number leave holes.
	XS, YS, Z []float64
	// Levels is the number of lines. Default 12.
	Levels int
	// Marks are points to label.
	Marks []Mark
}

// A Mark is a labelled point.
type Mark struct {
	Name string
	X, Y float64
}

func (c Contours) columns() []column {
	x, y := column{name: orElse(c.X, "x")}, column{name: orElse(c.Y, "y")}
	for i := range c.Z {
		x.values = append(x.values, c.XS[i%len(c.XS)])
		y.values = append(y.values, c.YS[i/len(c.XS)])
	}
	return []column{x, y, {name: orElse(c.Label, "z"), values: c.Z}}
}

// A Sheet is a contact sheet: rows of captioned pictures.
type Sheet struct {
	Title string
	Rows  [][]Cell
}

// A Cell is one picture of a sheet; the samples, nominally in [0,1], are
// clipped. With Signed they are differences, shown blue to red through gray
// over +-Top; Top 0 stands for the largest 99.5%.
type Cell struct {
	Caption string
	Picture operators.Image
	Signed  bool
	Top     float64
	// Frame, where it is not empty, is outlined: what another cell zooms into.
	Frame image.Rectangle
}

// ErrorMap is the cell of a's difference from b, averaged over the channels;
// its caption ends with the scale.
func ErrorMap(caption string, a, b operators.Image) Cell {
	d := operators.NewImage(operators.Shape{C: 1, H: a.H, W: a.W})
	for i := range a.Pix {
		d.Pix[i%(a.H*a.W)] += (a.Pix[i] - b.Pix[i]) / float32(a.C)
	}
	c := Cell{Picture: d, Signed: true}
	c.Top = c.top()
	c.Caption = fmt.Sprintf("%s (±%.2g)", caption, c.Top)
	return c
}

// Zoomed is the h x w crop of a cell's picture at row y and column x.
func Zoomed(caption string, c Cell, y, x, h, w int) Cell {
	m := c.Picture
	h, w = min(h, m.H), min(w, m.W)
	y, x = max(0, min(y, m.H-h)), max(0, min(x, m.W-w))
	out := operators.NewImage(operators.Shape{C: m.C, H: h, W: w})
	for k := range m.C {
		for i := range h {
			copy(out.Pix[(k*h+i)*w:(k*h+i+1)*w], m.Pix[(k*m.H+y+i)*m.W+x:])
		}
	}
	return Cell{Caption: caption, Picture: out, Signed: c.Signed, Top: c.Top}
}

// Busiest is the top left corner of the h x w window of a picture with the
// largest variance: the one worth zooming into.
func Busiest(m operators.Image, h, w int) (y, x int) {
	h, w = min(h, m.H), min(w, m.W)
	best := -1.0
	step := max(1, min(h, w)/4)
	for i := 0; i+h <= m.H; i += step {
		for j := 0; j+w <= m.W; j += step {
			s, q := 0.0, 0.0
			for a := i; a < i+h; a++ {
				for b := j; b < j+w; b++ {
					v := float64(m.Pix[a*m.W+b])
					s += v
					q += v * v
				}
			}
			n := float64(h * w)
			if v := q/n - s*s/n/n; v > best {
				best, y, x = v, i, j
			}
		}
	}
	return y, x
}

// top is the end of a signed cell's scale.
func (c Cell) top() float64 {
	if c.Top > 0 {
		return c.Top
	}
	vs := make([]float64, len(c.Picture.Pix))
	for i, v := range c.Picture.Pix {
		vs[i] = math.Abs(float64(v))
	}
	return math.Max(quantile(vs, 0.995), 1e-6)
}

func (s Sheet) columns() []column {
	c := column{name: "caption"}
	for _, row := range s.Rows {
		for _, cell := range row {
			c.text = append(c.text, cell.Caption)
		}
	}
	return []column{c}
}
