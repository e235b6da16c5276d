//go:build !small

package plot

import (
	"fmt"
	"image"
	"image/color"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func (c Cell) image() *image.RGBA {
	m := c.Picture
	img := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	if c.Signed {
		scale := colours(-c.top(), c.top())
		for i := range m.H * m.W {
			img.SetRGBA(i%m.W, i/m.W, scale.at(float64(m.Pix[i])))
		}
		return img
	}
	for i := range m.H * m.W {
		var rgb [3]uint8
		for k := range rgb {
			v := m.Pix[min(k, m.C-1)*m.H*m.W+i]
			rgb[k] = uint8(255*min(1, max(0, v)) + 0.5)
		}
		img.SetRGBA(i%m.W, i/m.W, color.RGBA{rgb[0], rgb[1], rgb[2], 255})
	}
	return img
}

// gap lies between cells.
const gap = 2 * vg.Millimeter

func (s Sheet) panel(l layout) (panel, error) {
	cols := 0
	for _, row := range s.Rows {
		cols = max(cols, len(row))
	}
	if cols == 0 {
		return panel{}, fmt.Errorf("an empty contact sheet")
	}
	wide := min((l.inner()-vg.Length(cols-1)*gap)/vg.Length(cols), 7*vg.Centimeter)
	var tall, above []vg.Length // of each row, and the room for its captions
	var total vg.Length
	if l.title(s.Title) != "" {
		total = l.caption()
	}
	for i, row := range s.Rows {
		high, room := vg.Length(0), vg.Length(0)
		for j, c := range row {
			if l.title(c.Caption) != "" {
				room = l.caption()
			}
			if len(c.Picture.Pix) == 0 || len(c.Picture.Pix) != c.Picture.Len() {
				return panel{}, fmt.Errorf("cell %d,%d of the sheet holds no picture", i, j)
			}
			high = max(high, wide*vg.Length(c.Picture.H)/vg.Length(c.Picture.W))
		}
		tall, above = append(tall, high), append(above, room)
		total += room + high
		if i > 0 {
			total += gap
		}
	}
	return panel{height: total, draw: func(c draw.Canvas) {
		y := c.Max.Y
		if l.title(s.Title) != "" {
			l.write(c, vg.Point{X: c.Min.X, Y: y}, s.Title, 12, draw.XLeft, draw.YTop)
			y -= l.caption()
		}
		for i, row := range s.Rows {
			x := c.Min.X
			for _, cell := range row {
				l.write(c, vg.Point{X: x + wide/2, Y: y - above[i]/2}, l.title(cell.Caption), 9, draw.XCenter, draw.YCenter)
				m := cell.Picture
				h := wide * vg.Length(m.H) / vg.Length(m.W)
				box := vg.Rectangle{Min: vg.Point{X: x, Y: y - above[i] - h}, Max: vg.Point{X: x + wide, Y: y - above[i]}}
				c.DrawImage(box, enlarge(cell.image()))
				if f := cell.Frame; !f.Empty() {
					k := wide / vg.Length(m.W)
					outline(c, vg.Rectangle{
						Min: vg.Point{X: x + k*vg.Length(f.Min.X), Y: box.Max.Y - k*vg.Length(f.Max.Y)},
						Max: vg.Point{X: x + k*vg.Length(f.Max.X), Y: box.Max.Y - k*vg.Length(f.Min.Y)},
					}, Palette[4], vg.Points(1.2))
				}
				x += wide + gap
			}
			y -= above[i] + tall[i] + gap
		}
	}}, nil
}

// outline strokes a rectangle.
func outline(c draw.Canvas, r vg.Rectangle, hue color.Color, width vg.Length) {
	c.StrokeLines(draw.LineStyle{Color: hue, Width: width},
		[]vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}, r.Min})
}
