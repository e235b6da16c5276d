package noise

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/internal/scenes"
	"github.com/lpn-imaging/lpn/operators"
)

// gravel is that of scenes, in colour or gray.
func gravel(channels int, least, most float64, rng *rand.Rand) operators.Image {
	x := operators.FromImage(scenes.Gravel(160, 160, least, most, rng))
	if channels == 1 {
		return eightBits(luma(x))
	}
	return x
}

// An even texture is no noise: removing as much as would be found would take it away.
func TestTextureIsNoNoise(t *testing.T) {
	for seed := range uint64(4) {
		for _, channels := range []int{1, 3} {
			for _, most := range []float64{4, 8} {
				x := gravel(channels, 1, most, rand.New(rand.NewPCG(seed, 3)))
				e := Find(x, Hints{})
				if e.Correlated || e.White > 2./255 {
					t.Errorf("%d channels, up to %g pixels: %s", channels, most, e.Line)
				}
			}
		}
	}
}

// The same texture with the noise of a sensor that neighbours share is noisy.
func TestNoiseOnTexture(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 3))
	x := gravel(3, 8, 80, rng)
	n := operators.NewImage(x.Shape)
	White{20. / 255}.Sample(n.Pix, n.Pix, n.Shape, rng)
	sum := 0.0
	for c := range 3 {
		p, q := n.Plane(c), x.Plane(c)
		for i := range p[:len(p)-161] {
			d := (p[i] + p[i+1] + p[i+160] + p[i+161]) / 4
			q[i] += d
			sum += float64(d) * float64(d) / float64(3*len(p))
		}
	}
	e := Find(eightBits(x), Hints{})
	if !e.Correlated || e.Independent < 0.9 {
		t.Errorf("%s, independent %.2f", e.Line, e.Independent)
	}
	near(t, "deviation", e.Deviation, math.Sqrt(sum), 0.3)
}

// Nor is it after JPEG, whose rule is another.
func TestTextureInJPEG(t *testing.T) {
	for _, channels := range []int{1, 3} {
		for _, quality := range []int{70, 85, 95} {
			x := gravel(channels, 1, 8, rand.New(rand.NewPCG(1, 3)))
			picture := image.Image(image.NewGray(image.Rect(0, 0, x.W, x.H)))
			if channels == 3 {
				picture = image.NewRGBA(picture.Bounds())
			}
			for y := range x.H {
				for c := range x.W {
					level := func(k int) uint8 { return uint8(math.Round(255 * float64(x.At(k%channels, y, c)))) }
					picture.(draw.Image).Set(c, y, color.RGBA{level(0), level(1), level(2), 255})
				}
			}
			var b bytes.Buffer
			if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			stored, err := jpeg.Decode(&b)
			if err != nil {
				t.Fatal(err)
			}
			if e := Find(operators.FromImage(stored), Hints{Quality: quality}); e.Correlated || e.White > 2./255 {
				t.Errorf("%d channels, quality %d: %s", channels, quality, e.Line)
			}
		}
	}
}
