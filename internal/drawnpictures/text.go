package main

import (
	"image"
	"math"
	"math/rand/v2"
	"strings"
	"sync"

	"codeberg.org/go-fonts/liberation/liberationmonoregular"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"codeberg.org/go-fonts/liberation/liberationserifbold"
	"codeberg.org/go-fonts/liberation/liberationserifitalic"
	"codeberg.org/go-fonts/liberation/liberationserifregular"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/gofont/gosmallcaps"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

var fonts = sync.OnceValue(func() []*opentype.Font {
	var all []*opentype.Font
	for _, ttf := range [][]byte{
		liberationserifregular.TTF, liberationserifitalic.TTF, liberationserifbold.TTF, liberationsansregular.TTF,
		liberationmonoregular.TTF, goregular.TTF, gobold.TTF, gosmallcaps.TTF,
	} {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic(err) // the fonts are part of the program
		}
		all = append(all, f)
	}
	return all
})

// page draws a part of a scanned page: lines of print, with a heading or a rule here and
// there, ink that spreads unevenly, uneven paper unevenly lit, askew by up to 1.5 degrees,
// blurred by 0.5 to 0.9 pixels.
func page(rng *rand.Rand) *plane {
	const fine = 2 // the page is printed on a finer grid than it is scanned on
	w := fine * (side + 32)
	ink := printed(w, fine, rng).blur(0.8)
	rough := texture(w, w, 1.5, rng)
	mottle := texture(w, w, 3, rng)
	fibre, pulp := texture(w, w, 1.2, rng), texture(w, w, 8, rng)

	paper := between(rng, 0.85, 0.95)
	density := between(rng, 0.75, 0.93)
	fibres, pulps := between(rng, 0.003, 0.012), between(rng, 0.002, 0.01)
	lightX, lightY := between(rng, -0.05, 0.05), between(rng, -0.05, 0.05)
	sheet := newPlane(w, w)
	for i := range sheet.v {
		x, y := float64(i%w)/float64(w)-0.5, float64(i/w)/float64(w)-0.5
		covered := 1 / (1 + math.Exp(-12*(ink.v[i]-0.5+0.06*rough.v[i])))
		reflected := paper + fibres*fibre.v[i] + pulps*pulp.v[i] + lightX*x + lightY*y
		sheet.v[i] = reflected * (1 - covered*density*(1+0.04*mottle.v[i]))
	}
	sheet = sheet.blur(fine * between(rng, 0.5, 0.9))

	out := newPlane(side, side)
	sin, cos := math.Sincos(between(rng, -1.5, 1.5) * math.Pi / 180)
	middle := float64(w-1) / 2
	for i := range out.v {
		x, y := fine*(float64(i%side)-float64(side-1)/2), fine*(float64(i/side)-float64(side-1)/2)
		out.v[i] = sheet.at(middle+cos*x-sin*y, middle+sin*x+cos*y)
	}
	return out
}

// printed is the ink, from 0 to 1, on w x w points, fine of them to a pixel of the scan.
func printed(w, fine int, rng *rand.Rand) *plane {
	canvas := image.NewAlpha(image.Rect(0, 0, w, w))
	body := fonts()[rng.IntN(len(fonts()))]
	size := between(rng, 11, 24) * float64(fine)
	left := int(between(rng, -0.3, 0.3) * float64(w))
	for y := between(rng, -0.5, 1) * size; y < float64(w)+size; {
		face, height := body, size
		if rng.IntN(12) == 0 {
			face, height = fonts()[rng.IntN(len(fonts()))], 1.6*size
		}
		f, err := opentype.NewFace(face, &opentype.FaceOptions{Size: height, DPI: 72})
		if err != nil {
			panic(err)
		}
		y += 1.25 * height
		d := font.Drawer{Dst: canvas, Src: image.Opaque, Face: f, Dot: fixed.P(left, int(y))}
		d.DrawString(sentence(rng))
		switch rng.IntN(20) {
		case 0: // the end of a paragraph
			y += 0.8 * size
		case 1: // a rule
			thick := fine + rng.IntN(2*fine)
			for r := range thick {
				for x := max(left, 0); x < w; x++ {
					if row := int(y+0.5*size) + r; row >= 0 && row < w {
						canvas.Pix[row*canvas.Stride+x] = 255
					}
				}
			}
			y += 0.8 * size
		}
	}
	ink := newPlane(w, w)
	for i := range ink.v {
		ink.v[i] = float64(canvas.Pix[i/w*canvas.Stride+i%w]) / 255
	}
	return ink
}

// sentence is words of no language, as long as a line may be.
func sentence(rng *rand.Rand) string {
	onsets := strings.Split("b c d f g h l m n p r s t v w st tr ch pl qu", " ")
	vowels := strings.Split("a e i o u ai ea io ou y", " ")
	codas := strings.Split("n r s t l m nd st ng ck x", " ")
	pick := func(of []string) string { return of[rng.IntN(len(of))] }
	var s strings.Builder
	for s.Len() < 90 {
		word := ""
		if rng.IntN(9) == 0 {
			for range 1 + rng.IntN(4) {
				word += string(rune('0' + rng.IntN(10)))
			}
		} else {
			for range 1 + rng.IntN(3) {
				word += pick(onsets) + pick(vowels)
			}
			if rng.IntN(2) == 0 {
				word += pick(codas)
			}
		}
		if rng.IntN(7) == 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		if rng.IntN(8) == 0 {
			word += pick([]string{",", ".", ";", ":", "!", ")"})
		}
		s.WriteString(word + " ")
	}
	return s.String()
}
