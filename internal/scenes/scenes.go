// Package scenes draws pictures that nobody photographed: what people keep in files and a
// restoration must leave alone. Tests and measurements use them.
package scenes

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"math/rand/v2"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Text is a page of small black letters on white.
func Text(w, h int) *image.RGBA {
	m := Flat(w, h, color.White)
	words := []string{"of", "what", "was", "written", "and", "has", "to", "stay", "as", "it", "is"}
	for i := range (h - 5) / 13 {
		s := fmt.Sprintf("line %d: text", i)
		for k := i; ; k++ {
			longer := s + " " + words[k%len(words)]
			if 3+7*len(longer) > w {
				break
			}
			s = longer
		}
		write(m, 12+13*i, color.Black, s)
	}
	return m
}

// Drawing has flat colours, a black outline and hard edges.
func Drawing(w, h int) *image.RGBA {
	m := Flat(w, h, color.RGBA{250, 246, 230, 255})
	for y := range h {
		for x := range w {
			u, v := 96*float64(x)/float64(w), 96*float64(y)/float64(h)
			switch r := math.Hypot(u-40, v-36); {
			case r < 24:
				m.Set(x, y, color.RGBA{220, 60, 40, 255})
			case r < 27:
				m.Set(x, y, color.Black)
			case u+2*v > 200:
				m.Set(x, y, color.RGBA{40, 90, 200, 255})
			}
		}
	}
	return m
}

// Screenshot is a window with a title, letters, a gradient and the upper left part
// of a photograph.
func Screenshot(w, h int, photo image.Image) *image.RGBA {
	m := Flat(w, h, color.Gray{240})
	draw.Draw(m, image.Rect(0, 0, w, 16), image.NewUniform(color.RGBA{45, 80, 160, 255}), image.Point{}, draw.Src)
	write(m, 12, color.White, "File  Edit")
	write(m, 34, color.Gray{30}, "an item")
	draw.Draw(m, image.Rect(w/12, h/2, w*7/12, h*15/16), photo, photo.Bounds().Min, draw.Src)
	left := w * 5 / 8
	for x := range w / 3 {
		c := color.RGBA{uint8(255 * 3 * x / w), uint8(128 * 3 * x / w), 90, 255}
		draw.Draw(m, image.Rect(left+x, h*5/12, left+x+1, h*15/16), image.NewUniform(c), image.Point{}, draw.Src)
	}
	return m
}

// Stars are points of light on a dark sky, one to 150 pixels.
func Stars(w, h int) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, w, h))
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range m.Pix {
		m.Pix[i] = 8
	}
	for range w * h / 150 {
		m.SetGray(rng.IntN(w), rng.IntN(h), color.Gray{uint8(40 + rng.IntN(215))})
	}
	return m
}

// Gravel is stones of at least so many and up to so many pixels over one another, each of
// one colour with a shade across: discs whose density falls with the cube of the radius ("dead
// leaves": Lee, Mumford & Huang, IJCV 2001). It has hardly a flat part. A pixel is the mean of
// 3x3 places. rng places the stones.
func Gravel(w, h int, least, most float64, rng *rand.Rand) *image.RGBA {
	const fine = 3
	seen := make([][3]float64, fine*h*fine*w)
	for free := len(seen); free > 0; {
		r := fine * least / math.Sqrt(1-rng.Float64()*(1-least*least/(most*most)))
		x0, y0, v := rng.Float64()*float64(fine*w), rng.Float64()*float64(fine*h), 0.2+0.6*rng.Float64()
		across, down := 0.5*rng.Float64()-0.25, 0.5*rng.Float64()-0.25
		tint := [3]float64{0.9 + 0.2*rng.Float64(), 1, 0.9 + 0.2*rng.Float64()}
		for y := max(int(y0-r), 0); y < min(int(y0+r)+1, fine*h); y++ {
			for x := max(int(x0-r), 0); x < min(int(x0+r)+1, fine*w); x++ {
				u, t := (float64(x)-x0)/r, (float64(y)-y0)/r
				if at := &seen[y*fine*w+x]; u*u+t*t <= 1 && at[1] == 0 {
					free--
					for c := range at {
						at[c] = tint[c] * max(v+across*u+down*t, 0.01)
					}
				}
			}
		}
	}
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			var sum [3]float64
			for k := range fine * fine {
				for c, v := range seen[(fine*y+k/fine)*fine*w+fine*x+k%fine] {
					sum[c] += v / (fine * fine)
				}
			}
			level := func(c int) uint8 { return uint8(math.Round(255 * min(sum[c], 1))) }
			m.SetRGBA(x, y, color.RGBA{level(0), level(1), level(2), 255})
		}
	}
	return m
}

// Flat is one colour.
func Flat(w, h int, c color.Color) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	return m
}

// write sets a line of letters at height y.
func write(m draw.Image, y int, c color.Color, s string) {
	d := font.Drawer{Dst: m, Src: image.NewUniform(c), Face: basicfont.Face7x13, Dot: fixed.P(3, y)}
	d.DrawString(s)
}
