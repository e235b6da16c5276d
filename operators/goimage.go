package operators

import (
	"image"
	"image/color"
	"math"
)

// FromImage converts an image of Go's standard library to samples in [0,1]: one plane
// for gray images, else red, green and blue. Alpha is removed.
func FromImage(m image.Image) Image {
	b := m.Bounds()
	out := NewImage(Shape{C: 3, H: b.Dy(), W: b.Dx()})
	switch m.(type) {
	case *image.Gray, *image.Gray16:
		out = NewImage(Shape{C: 1, H: b.Dy(), W: b.Dx()})
	}
	i, plane := 0, out.H*out.W
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, b := straight(m.At(x, y))
			for k, v := range []uint16{r, g, b}[:out.C] {
				out.Pix[k*plane+i] = float32(v) / math.MaxUint16
			}
			i++
		}
	}
	return out
}

// straight is a colour without its alpha. Colours that are stored so already do
// not go through products with alpha, which would round.
func straight(c color.Color) (r, g, b uint16) {
	if n, ok := c.(color.NRGBA); ok {
		return uint16(n.R) * 0x101, uint16(n.G) * 0x101, uint16(n.B) * 0x101
	}
	n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	return n.R, n.G, n.B
}

// Image converts samples to an image of Go's standard library with 16 bits a
// sample, clipping to [0,1]: *image.Gray16 for one plane, *image.NRGBA64 for
// three. It panics on other numbers of planes.
func (m Image) Image() image.Image {
	level := func(plane, i int) uint16 {
		v := m.Pix[plane*m.H*m.W+i]
		return uint16(math.MaxUint16*min(max(v, 0), 1) + 0.5)
	}
	bounds := image.Rect(0, 0, m.W, m.H)
	switch m.C {
	case 1:
		out := image.NewGray16(bounds)
		for i := range m.H * m.W {
			out.SetGray16(i%m.W, i/m.W, color.Gray16{Y: level(0, i)})
		}
		return out
	case 3:
		out := image.NewNRGBA64(bounds)
		for i := range m.H * m.W {
			out.SetNRGBA64(i%m.W, i/m.W, color.NRGBA64{R: level(0, i), G: level(1, i), B: level(2, i), A: math.MaxUint16})
		}
		return out
	}
	panic("operators: Image of " + m.Shape.String() + ": want 1 or 3 planes")
}
