//go:build !small

package plot

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

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
