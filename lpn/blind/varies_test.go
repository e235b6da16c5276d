package blind_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
)

// TestHalvesDiffer: a picture whose halves are out of focus by different disks is said to vary, one
// with the same disk in both is not.
func TestHalvesDiffer(t *testing.T) {
	disk := func(radius float64) operators.Image {
		k, err := operators.DiskKernel(radius)
		if err != nil {
			t.Fatal(err)
		}
		wide := operators.Kernel{H: 13, W: 13, Taps: make([]float64, 13*13)} // of one size: the same scene
		for i := range k.H {
			copy(wide.Taps[(i+6-k.H/2)*13+6-k.W/2:], k.Taps[i*k.W:(i+1)*k.W])
		}
		return blurredBlocks(wide, 240, 0.01)
	}
	left, right := disk(2.5), disk(5)
	if e := find(t, right, blind.Options{Kind: blind.Disk}); e.Varies {
		t.Errorf("%v of one disk: said to vary", e)
	}
	for i := range left.H {
		copy(left.Pix[i*left.W+left.W/2:(i+1)*left.W], right.Pix[i*left.W+left.W/2:])
	}
	if e := find(t, left, blind.Options{Kind: blind.Disk}); !e.Varies {
		t.Errorf("%v of halves of 2.5 and 5 pixels: not said to vary", e)
	}
}

// TestTurned: a camera that turns about its axis smears the corners by different strokes, and the middle by none.
func TestTurned(t *testing.T) {
	const side, angle, steps = 820, 0.04, 15
	rng := rand.New(rand.NewPCG(3, 9))
	x := operators.NewImage(operators.Shape{C: 1, H: side, W: side})
	for range 6000 {
		h, w, v := 4+rng.IntN(30), 4+rng.IntN(30), 0.1+0.8*rng.Float32()
		y0, x0 := rng.IntN(side), rng.IntN(side)
		for i := y0; i < min(y0+h, side); i++ {
			for j := x0; j < min(x0+w, side); j++ {
				x.Pix[i*side+j] = v
			}
		}
	}
	y := operators.NewImage(x.Shape)
	for s := range steps {
		sin, cos := math.Sincos(angle * (float64(s)/(steps-1) - 0.5))
		for i := range side {
			for j := range side {
				a, b := float64(i)-side/2, float64(j)-side/2
				u, v := cos*a-sin*b+side/2, sin*a+cos*b+side/2
				u, v = min(max(u, 0), side-1.001), min(max(v, 0), side-1.001)
				p, q := int(u), int(v)
				fu, fv := float32(u)-float32(p), float32(v)-float32(q)
				at := p*side + q
				y.Pix[i*side+j] += ((1-fu)*((1-fv)*x.Pix[at]+fv*x.Pix[at+1]) + fu*((1-fv)*x.Pix[at+side]+fv*x.Pix[at+side+1])) / steps
			}
		}
	}
	for i := range y.Pix {
		y.Pix[i] += float32(0.01 * rng.NormFloat64())
	}
	if e := find(t, y, blind.Options{Kind: blind.Free, Size: 13, Noise: 0.01}); !e.Varies {
		t.Errorf("%v: not said to vary", e)
	}
}
