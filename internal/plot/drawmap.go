//go:build !small

package plot

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func (h Heat) scale() (*scale, error) {
	if len(h.Values) != h.H*h.W || len(h.Values) == 0 {
		return nil, fmt.Errorf("a map of %d values, want %dx%d", len(h.Values), h.H, h.W)
	}
	lo, hi := h.Lo, h.Hi
	if lo == 0 && hi == 0 {
		lo, hi = span(h.Values)
		// A few values a little below 0 do not make a map of two signs.
		if lo < 0 && -lo > 0.05*hi && hi > 0 {
			lo, hi = -math.Max(-lo, hi), math.Max(-lo, hi)
		} else if hi > 0 {
			return growing(lo, hi), nil
		}
	}
	return colours(lo, hi), nil
}

// A scale gives values from lo to hi the colours of a table.
type scale struct {
	lo, hi float64
	table  [256]color.RGBA
}

func newScale(m palette.ColorMap, lo, hi float64) *scale {
	if !(hi > lo) {
		hi = lo + 1
	}
	s := &scale{lo: lo, hi: hi}
	m.SetMin(0)
	m.SetMax(float64(len(s.table) - 1))
	for k := range s.table {
		c, err := m.At(float64(k))
		if err != nil {
			panic(err) // k is within the map
		}
		s.table[k] = color.RGBAModel.Convert(c).(color.RGBA)
	}
	return s
}

// at is the colour of v, clipped to the scale; gray where v is no number.
func (s *scale) at(v float64) color.RGBA {
	if math.IsNaN(v) {
		return color.RGBA{200, 200, 200, 255}
	}
	k := (v - s.lo) / (s.hi - s.lo) * float64(len(s.table)-1)
	return s.table[int(math.Min(math.Max(k+0.5, 0), float64(len(s.table)-1)))]
}

// colours is a scale from lo to hi, of two hues where 0 lies between.
func colours(lo, hi float64) *scale {
	if lo < 0 && hi > 0 {
		top := math.Max(-lo, hi)
		return newScale(moreland.SmoothBlueRed(), -top, top)
	}
	return growing(lo, hi)
}

// Colours are those of a map from its least to its largest value: of growing lightness,
// or of two hues around gray for values of both signs. Both are even to the eye and told
// apart by the colour-blind.
func Colours(signed bool) [256]color.RGBA {
	if signed {
		return colours(-1, 1).table
	}
	return growing(0, 1).table
}

// growing is a scale of growing lightness from violet over green to yellow.
func growing(lo, hi float64) *scale {
	m, err := moreland.NewLuminance([]color.Color{
		color.RGBA{62, 12, 86, 255}, color.RGBA{60, 80, 138, 255}, color.RGBA{34, 142, 140, 255},
		color.RGBA{96, 200, 96, 255}, color.RGBA{252, 230, 40, 255}})
	if err != nil {
		panic(err) // the colours are constants
	}
	return newScale(m, lo, hi)
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

func (h Heat) panel(l layout) (panel, error) {
	m, err := h.scale()
	if err != nil {
		return panel{}, err
	}
	img := image.NewRGBA(image.Rect(0, 0, h.W, h.H))
	for i, v := range h.Values {
		img.SetRGBA(i%h.W, i/h.W, m.at(v))
	}
	beside := len(h.Picture.Pix) > 0
	wide := l.inner() - l.bar()
	if beside {
		wide = (wide - gap) / 2
	}
	wide = min(wide, 11*vg.Centimeter)
	tall := wide * vg.Length(h.H) / vg.Length(h.W)
	top := vg.Length(0)
	if l.title(h.Title+h.PictureTitle) != "" {
		top = l.caption()
	}
	return panel{height: top + max(tall, 3*vg.Centimeter), draw: func(c draw.Canvas) {
		x, y := c.Min.X, c.Max.Y-top
		if beside {
			t := wide * vg.Length(h.Picture.H) / vg.Length(h.Picture.W)
			c.DrawImage(vg.Rectangle{Min: vg.Point{X: x, Y: y - t}, Max: vg.Point{X: x + wide, Y: y}}, enlarge(Cell{Picture: h.Picture}.image()))
			l.write(c, vg.Point{X: x + wide/2, Y: c.Max.Y - top/2}, l.title(h.PictureTitle), 10, draw.XCenter, draw.YCenter)
			x += wide + gap
		}
		r := vg.Rectangle{Min: vg.Point{X: x, Y: y - tall}, Max: vg.Point{X: x + wide, Y: y}}
		c.DrawImage(r, enlarge(img))
		l.write(c, vg.Point{X: x + wide/2, Y: c.Max.Y - top/2}, l.title(h.Title), 10, draw.XCenter, draw.YCenter)
		l.drawBar(c, r, m, h.Label)
	}}, nil
}

// enlarge repeats pixels until the longer side has at least 512, so that
// viewers do not smooth them.
func enlarge(m *image.RGBA) *image.RGBA {
	b := m.Bounds()
	k := 1 + 511/max(b.Dx(), b.Dy())
	if k == 1 {
		return m
	}
	out := image.NewRGBA(image.Rect(0, 0, k*b.Dx(), k*b.Dy()))
	for y := range b.Dy() {
		row := out.Pix[y*k*out.Stride:][:out.Stride]
		for x := range b.Dx() {
			c := m.RGBAAt(b.Min.X+x, b.Min.Y+y)
			for i := range k {
				copy(row[4*(x*k+i):], []uint8{c.R, c.G, c.B, c.A})
			}
		}
		for i := 1; i < k; i++ {
			copy(out.Pix[(y*k+i)*out.Stride:], row)
		}
	}
	return out
}

// drawBar draws a colour bar to the right of r, as tall as r.
func (l layout) drawBar(c draw.Canvas, r vg.Rectangle, m *scale, label string) {
	const steps = 128
	x0 := r.Max.X + 3*vg.Millimeter
	x1 := x0 + 4*vg.Millimeter
	tall := r.Max.Y - r.Min.Y
	for k := range steps {
		y0 := r.Min.Y + tall*vg.Length(k)/steps
		y1 := min(r.Max.Y, y0+tall*1.5/steps) // overlap: no seams
		c.SetColor(m.at(m.lo + (m.hi-m.lo)*(float64(k)+0.5)/steps))
		c.Fill(vg.Rectangle{Min: vg.Point{X: x0, Y: y0}, Max: vg.Point{X: x1, Y: y1}}.Path())
	}
	black := draw.LineStyle{Color: color.Black, Width: vg.Points(0.5)}
	widest := vg.Length(0)
	for _, t := range (ticks{}).Ticks(m.lo, m.hi) {
		y := r.Min.Y + tall*vg.Length((t.Value-m.lo)/(m.hi-m.lo))
		c.StrokeLine2(black, x1, y, x1+vg.Millimeter, y)
		if t.Label != "" {
			l.write(c, vg.Point{X: x1 + 1.6*vg.Millimeter, Y: y}, t.Label, 9, draw.XLeft, draw.YCenter)
			s := l.style(9, draw.XLeft, draw.YCenter)
			widest = max(widest, s.Width(t.Label))
		}
	}
	s := l.style(10, draw.XCenter, draw.YBottom)
	s.Rotation = math.Pi / 2
	c.FillText(s, vg.Point{X: x1 + 2*vg.Millimeter + widest + 4*vg.Millimeter, Y: (r.Min.Y + r.Max.Y) / 2}, label)
}

// grid is a plotter.GridXYZ of the heights.
type grid struct{ Contours }

func (g grid) Dims() (c, r int) { return len(g.XS), len(g.YS) }

func (g grid) Z(c, r int) float64 { return g.Contours.Z[r*len(g.XS)+c] }

func (g grid) X(c int) float64 { return g.XS[c] }

func (g grid) Y(r int) float64 { return g.YS[r] }

// between interpolates the heights, u and v in [0,1] across the grid.
func (g grid) between(u, v float64) float64 {
	nx, ny := len(g.XS), len(g.YS)
	i, j := min(int(u*float64(nx-1)), nx-2), min(int(v*float64(ny-1)), ny-2)
	a, b := u*float64(nx-1)-float64(i), v*float64(ny-1)-float64(j)
	return (1-b)*((1-a)*g.Z(i, j)+a*g.Z(i+1, j)) + b*((1-a)*g.Z(i, j+1)+a*g.Z(i+1, j+1))
}

// A backdrop is the heat map under the contours.
type backdrop struct {
	grid
	m *scale
}

func (b backdrop) DataRange() (xmin, xmax, ymin, ymax float64) {
	return b.XS[0], b.XS[len(b.XS)-1], b.YS[0], b.YS[len(b.YS)-1]
}

func (b backdrop) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	x0, x1, y0, y1 := b.DataRange()
	r := vg.Rectangle{Min: vg.Point{X: x(x0), Y: y(y0)}, Max: vg.Point{X: x(x1), Y: y(y1)}}
	const w = 480
	step := (b.m.hi - b.m.lo) / 40
	h := max(2, int(w*float64((r.Max.Y-r.Min.Y)/(r.Max.X-r.Min.X))))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range h {
		for j := range w {
			// In steps, which a PNG holds in a fraction of the bytes.
			v := b.between(float64(j)/(w-1), 1-float64(i)/float64(h-1))
			img.SetRGBA(j, i, b.m.at(b.m.lo+step*(math.Floor((v-b.m.lo)/step)+0.5)))
		}
	}
	c.DrawImage(r, img)
}

func (c Contours) panel(l layout) (panel, error) {
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
	m := growing(lo, hi)
	p := l.axes(c.Title, c.X, c.Y, false, false)
	p.Add(backdrop{grid{c}, m})
	if len(levels) > 0 && len(heights) == len(c.Z) {
		lines := plotter.NewContour(grid{c}, levels, nil)
		lines.LineStyles = nil
		for _, v := range levels { // light on dark, dark on light
			s := draw.LineStyle{Color: color.White, Width: vg.Points(0.8)}
			if v > lo+0.6*(hi-lo) {
				s.Color = color.Gray{50}
			}
			lines.LineStyles = append(lines.LineStyles, s)
		}
		p.Add(lines)
	}
	for k, mark := range c.Marks {
		// A dark rim keeps the mark visible on any colour.
		for _, rim := range []struct {
			hue   color.Color
			width vg.Length
		}{{color.Black, vg.Points(2.6)}, {color.White, vg.Points(1.3)}} {
			p.Add(pin{mark, k > 0, draw.LineStyle{Color: rim.hue, Width: rim.width}})
		}
	}
	const tall = 0.8 // of the width
	wide := l.inner() - l.bar()
	rule := l.title(fmt.Sprintf("contours: between two lie a %dth of the values on the grid", len(levels)+1))
	below := vg.Length(0)
	if rule != "" {
		below = l.caption()
	}
	return panel{height: tall*wide + below, draw: func(d draw.Canvas) {
		area := d
		area.Max.X -= l.bar()
		area.Min.Y += below
		l.write(d, vg.Point{X: d.Min.X, Y: d.Min.Y}, rule, 9, draw.XLeft, draw.YBottom)
		p.Draw(area)
		data := p.DataCanvas(area)
		for _, mark := range c.Marks {
			x, y := p.Transforms(&data)
			l.label(data, vg.Point{X: x(mark.X) + vg.Points(7), Y: y(mark.Y) + vg.Points(4)}, mark.Name)
		}
		l.drawBar(d, data.Rectangle, m, c.Label)
	}}, nil
}

// label writes white text with a dark rim.
func (l layout) label(c draw.Canvas, at vg.Point, text string) {
	s := l.style(10, draw.XLeft, draw.YBottom)
	s.Color = color.Black
	for _, d := range []vg.Point{{X: 1}, {X: -1}, {Y: 1}, {Y: -1}} {
		c.FillText(s, vg.Point{X: at.X + d.X*vg.Points(0.6), Y: at.Y + d.Y*vg.Points(0.6)}, text)
	}
	s.Color = color.White
	c.FillText(s, at, text)
}

// A pin is a cross or, if round, a ring at a mark.
type pin struct {
	Mark
	round bool
	style draw.LineStyle
}

func (m pin) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := vg.Point{X: x(m.X), Y: y(m.Y)}
	r := vg.Points(4.5)
	if !m.round {
		c.StrokeLines(m.style, []vg.Point{{X: at.X - r, Y: at.Y - r}, {X: at.X + r, Y: at.Y + r}}, []vg.Point{{X: at.X - r, Y: at.Y + r}, {X: at.X + r, Y: at.Y - r}})
		return
	}
	var ring []vg.Point
	for k := range 33 {
		sin, cos := math.Sincos(2 * math.Pi * float64(k) / 32)
		ring = append(ring, vg.Point{X: at.X + r*vg.Length(cos), Y: at.Y + r*vg.Length(sin)})
	}
	c.StrokeLines(m.style, ring)
}
