package operators_test

import (
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// TestGoImage: samples survive the way through Go's images exactly, and the
// colours are those of the image.
func TestGoImage(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []int{1, 3} {
		m := operators.NewImage(operators.Shape{C: c, H: 5, W: 7})
		for i := range m.Pix {
			m.Pix[i] = float32(rng.IntN(1<<16)) / 65535
		}
		if back := operators.FromImage(m.Image()); back.Shape != m.Shape || !slices.Equal(back.Pix, m.Pix) {
			t.Errorf("%d planes do not come back", c)
		}
	}
	g := image.NewNRGBA(image.Rect(3, 2, 5, 3)) // bounds that do not begin at 0
	g.SetNRGBA(4, 2, color.NRGBA{R: 255, G: 51, B: 0, A: 128})
	if m := operators.FromImage(g); m.Shape != (operators.Shape{C: 3, H: 1, W: 2}) || m.Pix[1] != 1 || m.Pix[3] != 0.2 || m.Pix[5] != 0 {
		t.Errorf("%v", m)
	}
	over := operators.Image{Shape: operators.Shape{C: 1, H: 1, W: 2}, Pix: []float32{-3, 2}}
	if got := operators.FromImage(over.Image()); got.Pix[0] != 0 || got.Pix[1] != 1 {
		t.Errorf("not clipped: %v", got.Pix)
	}
}
