package plot

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"github.com/lpn-imaging/lpn/operators"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

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

func (s Sheet) columns() []column {
	c := column{name: "caption"}
	for _, row := range s.Rows {
		for _, cell := range row {
			c.text = append(c.text, cell.Caption)
		}
	}
	return []column{c}
}

// outline strokes a rectangle.
func outline(c draw.Canvas, r vg.Rectangle, hue color.Color, width vg.Length) {
	c.StrokeLines(draw.LineStyle{Color: hue, Width: width},
		[]vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}, r.Min})
}
