package plot

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"github.com/lpn-imaging/lpn/operators"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

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
}

func (h Heat) scale() (palette.ColorMap, error) {
	if len(h.Values) != h.H*h.W || len(h.Values) == 0 {
		return nil, fmt.Errorf("a map of %d values, want %dx%d", len(h.Values), h.H, h.W)
	}
	lo, hi := h.Lo, h.Hi
	if lo == 0 && hi == 0 {
		lo, hi = span(h.Values)
	}
	return colours(lo, hi), nil
}

// colours is a scale from lo to hi, of two hues where 0 lies between.
func colours(lo, hi float64) palette.ColorMap {
	if lo < 0 && hi > 0 {
		m := moreland.SmoothBlueRed()
		top := math.Max(-lo, hi)
		m.SetMin(-top)
		m.SetMax(top)
		return m
	}
	m := moreland.ExtendedBlackBody()
	if !(hi > lo) {
		hi = lo + 1
	}
	m.SetMin(lo)
	m.SetMax(hi)
	return m
}

// span is the range of the finite values without the outermost half percent.
func span(vs []float64) (lo, hi float64) {
	var kept []float64
	for _, v := range vs {
		if finite(v) {
			kept = append(kept, v)
		}
	}
	if len(kept) == 0 {
		return 0, 1
	}
	return quantile(kept, 0.005), quantile(kept, 0.995)
}

func (h Heat) panel() (panel, error) {
	m, err := h.scale()
	if err != nil {
		return panel{}, err
	}
	img := image.NewRGBA(image.Rect(0, 0, h.W, h.H))
	for i, v := range h.Values {
		img.Set(i%h.W, i/h.W, at(m, v))
	}
	p := plot.New()
	p.Title.Text = h.Title
	p.HideAxes()
	p.Add(plotter.NewImage(enlarge(img), 0, 0, float64(h.W), float64(h.H)))
	return panel{main: p, bar: bar(m, h.Label), aspect: float64(h.H) / float64(h.W)}, nil
}

func (h Heat) columns() []column {
	x, y := column{name: "x"}, column{name: "y"}
	for i := range h.Values {
		x.values, y.values = append(x.values, float64(i%h.W)), append(y.values, float64(i/h.W))
	}
	return []column{x, y, {name: orElse(h.Label, "value"), values: h.Values}}
}

// at is the colour of v, clipped to the scale; gray where v is no number.
func at(m palette.ColorMap, v float64) color.Color {
	if math.IsNaN(v) {
		return color.Gray{128}
	}
	c, err := m.At(math.Min(m.Max(), math.Max(m.Min(), v)))
	if err != nil {
		return color.Gray{128}
	}
	return c
}

// enlarge repeats pixels until the longer side has at least 512, so that
// viewers do not smooth them.
func enlarge(m image.Image) image.Image {
	b := m.Bounds()
	k := 1 + 511/max(b.Dx(), b.Dy())
	if k == 1 {
		return m
	}
	out := image.NewRGBA(image.Rect(0, 0, k*b.Dx(), k*b.Dy()))
	for y := range k * b.Dy() {
		for x := range k * b.Dx() {
			out.Set(x, y, m.At(b.Min.X+x/k, b.Min.Y+y/k))
		}
	}
	return out
}

// bar is a colour bar.
func bar(m palette.ColorMap, label string) *plot.Plot {
	p := plot.New()
	p.HideX()
	p.Y.Label.Text = label
	p.Y.Padding = 0
	p.Add(&plotter.ColorBar{ColorMap: m, Vertical: true})
	return p
}

// Contours are lines of equal height of Z over a rectangle, over a heat map of
// it.
type Contours struct {
	Title, X, Y, Label string
	// XS and YS are the grid's coordinates, ascending; Z[j*len(XS)+i] is the
	// height at (XS[i], YS[j]). Heights that are no number leave holes.
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

// grid is a plotter.GridXYZ of the heights.
type grid struct{ Contours }

func (g grid) Dims() (c, r int)   { return len(g.XS), len(g.YS) }
func (g grid) Z(c, r int) float64 { return g.Contours.Z[r*len(g.XS)+c] }
func (g grid) X(c int) float64    { return g.XS[c] }
func (g grid) Y(r int) float64    { return g.YS[r] }

func (c Contours) panel() (panel, error) {
	if len(c.XS) < 2 || len(c.YS) < 2 || len(c.Z) != len(c.XS)*len(c.YS) {
		return panel{}, fmt.Errorf("contours of %d heights on a grid of %dx%d", len(c.Z), len(c.XS), len(c.YS))
	}
	lo, hi := span(c.Z)
	if !(hi > lo) {
		hi = lo + 1
	}
	n := c.Levels
	if n == 0 {
		n = 12
	}
	// Quantiles as levels: a steep wall then does not hide the valley.
	var heights, levels []float64
	for _, v := range c.Z {
		if finite(v) {
			heights = append(heights, v)
		}
	}
	for k := 1; k <= n && len(heights) > 0; k++ {
		v := quantile(heights, float64(k)/float64(n+1))
		if len(levels) == 0 || v > levels[len(levels)-1] {
			levels = append(levels, v)
		}
	}
	m := moreland.ExtendedBlackBody()
	m.SetMin(lo)
	m.SetMax(hi)
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	heat := plotter.NewHeatMap(grid{c}, m.Palette(255))
	heat.Min, heat.Max = lo, hi
	heat.Underflow, heat.Overflow = at(m, lo), at(m, hi)
	heat.NaN = color.Gray{200}
	p.Add(heat)
	if len(levels) > 0 && len(heights) == len(c.Z) {
		lines := plotter.NewContour(grid{c}, levels, nil)
		lines.LineStyles = []draw.LineStyle{{Color: color.White, Width: vg.Points(0.7)}}
		p.Add(lines)
	}
	for k, mark := range c.Marks {
		s, err := plotter.NewScatter(plotter.XYs{{X: mark.X, Y: mark.Y}})
		if err != nil {
			return panel{}, err
		}
		s.Color, s.Shape, s.Radius = color.White, draw.CrossGlyph{}, vg.Points(5)
		if k > 0 {
			s.Shape = draw.RingGlyph{}
		}
		p.Add(s)
		l, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: mark.X, Y: mark.Y}}, Labels: []string{mark.Name}})
		if err != nil {
			return panel{}, err
		}
		l.TextStyle[0].Color = color.White
		l.Offset = vg.Point{X: vg.Points(7), Y: vg.Points(4)}
		p.Add(l)
	}
	return panel{main: p, bar: bar(m, c.Label), aspect: 0.85}, nil
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
// over +-the largest 99.5%.
type Cell struct {
	Caption string
	Picture operators.Image
	Signed  bool
}

// ErrorMap is the cell of a's difference from b, averaged over the channels.
func ErrorMap(caption string, a, b operators.Image) Cell {
	d := operators.NewImage(operators.Shape{C: 1, H: a.H, W: a.W})
	for i := range a.Pix {
		d.Pix[i%(a.H*a.W)] += (a.Pix[i] - b.Pix[i]) / float32(a.C)
	}
	return Cell{caption, d, true}
}

// Zoomed is the cell of the h x w crop of a picture at row y and column x.
func Zoomed(caption string, m operators.Image, y, x, h, w int) Cell {
	h, w = min(h, m.H), min(w, m.W)
	y, x = max(0, min(y, m.H-h)), max(0, min(x, m.W-w))
	out := operators.NewImage(operators.Shape{C: m.C, H: h, W: w})
	for c := range m.C {
		for i := range h {
			copy(out.Pix[(c*h+i)*w:(c*h+i+1)*w], m.Pix[(c*m.H+y+i)*m.W+x:])
		}
	}
	return Cell{Caption: caption, Picture: out}
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

func (c Cell) image() image.Image {
	m := c.Picture
	img := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	if c.Signed {
		vs := make([]float64, len(m.Pix))
		for i, v := range m.Pix {
			vs[i] = math.Abs(float64(v))
		}
		top := math.Max(quantile(vs, 0.995), 1e-6)
		scale := colours(-top, top)
		for i := range m.H * m.W {
			img.Set(i%m.W, i/m.W, at(scale, float64(m.Pix[i])))
		}
		return img
	}
	for i := range m.H * m.W {
		var rgb [3]uint8
		for k := range rgb {
			v := m.Pix[min(k, m.C-1)*m.H*m.W+i]
			rgb[k] = uint8(255*min(1, max(0, v)) + 0.5)
		}
		img.Set(i%m.W, i/m.W, color.RGBA{rgb[0], rgb[1], rgb[2], 255})
	}
	return img
}

func (s Sheet) panel() (panel, error) {
	var g [][]*plot.Plot
	cols, tall := 0, 0.0
	for _, row := range s.Rows {
		cols = max(cols, len(row))
	}
	for i, row := range s.Rows {
		high := 0.0
		line := make([]*plot.Plot, cols)
		for j, c := range row {
			if len(c.Picture.Pix) == 0 || len(c.Picture.Pix) != c.Picture.Len() {
				return panel{}, fmt.Errorf("cell %d,%d of the sheet holds no picture", i, j)
			}
			h, w := float64(c.Picture.H), float64(c.Picture.W)
			high = max(high, h/w)
			p := plot.New()
			p.Title.Text = c.Caption
			p.HideAxes()
			p.X.Padding, p.Y.Padding = 0, 0
			p.Add(plotter.NewImage(enlarge(c.image()), 0, 0, w, h))
			line[j] = p
		}
		tall = max(tall, high)
		g = append(g, line)
	}
	if cols == 0 {
		return panel{}, fmt.Errorf("an empty contact sheet")
	}
	if s.Title != "" {
		g[0][0].Title.Text = s.Title + "\n" + g[0][0].Title.Text
	}
	captions := 0.09 // of a cell's width
	return panel{grid: g, aspect: float64(len(g)) * (tall + captions) / float64(cols)}, nil
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
