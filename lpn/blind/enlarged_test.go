package blind

import (
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// enlargedBy enlarges a picture to n x n pixels by linear or cubic (Catmull-Rom) interpolation, pixel centres as areas have them.
func enlargedBy(x operators.Image, n int, cubic bool) operators.Image {
	out := operators.NewImage(operators.Shape{C: 1, H: n, W: n})
	weight := func(t float64) float64 {
		t = max(t, -t)
		switch {
		case !cubic:
			return max(1-t, 0)
		case t < 1:
			return 1 - 2.5*t*t + 1.5*t*t*t
		case t < 2:
			return 2 - 4*t + 2.5*t*t - 0.5*t*t*t
		}
		return 0
	}
	f := float64(x.W) / float64(n)
	for i := range out.Pix {
		y0, x0 := (float64(i/n)+0.5)*f-0.5, (float64(i%n)+0.5)*f-0.5
		sum := 0.0
		for r := int(y0) - 2; r <= int(y0)+3; r++ {
			for c := int(x0) - 2; c <= int(x0)+3; c++ {
				at := min(max(r, 0), x.H-1)*x.W + min(max(c, 0), x.W-1)
				sum += weight(y0-float64(r)) * weight(x0-float64(c)) * float64(x.Pix[at])
			}
		}
		out.Pix[i] = float32(sum)
	}
	return out
}

// TestEnlarged: the period of an interpolation is found, in noise, too; blurred and sharp scenes have none.
func TestEnlarged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	scene := func(n int) operators.Image { // disks over one another
		x := operators.NewImage(operators.Shape{C: 1, H: n, W: n})
		for range 200 {
			cy, cx, r, v := rng.Float64()*float64(n), rng.Float64()*float64(n), 1+rng.Float64()*float64(n)/16, rng.Float32()
			for i := range x.Pix {
				if dy, dx := float64(i/n)-cy, float64(i%n)-cx; dy*dy+dx*dx < r*r {
					x.Pix[i] = v
				}
			}
		}
		return x
	}
	check := func(what string, x operators.Image, noise float64, want int) {
		for i := range x.Pix {
			v := float64(x.Pix[i]) + noise*rng.NormFloat64()
			x.Pix[i] = float32(int(255*v+0.5)) / 255
		}
		p, _ := planeOf(x, 0)
		if got := p.enlarged(); got != want {
			t.Errorf("%s: period %d, want %d", what, got, want)
		}
	}
	for _, noise := range []float64{0, 0.8 / 255} {
		for _, cubic := range []bool{false, true} {
			check("twice", enlargedBy(scene(96), 192, cubic), noise, 2)
			check("one and a half times", enlargedBy(scene(128), 192, cubic), noise, 3)
			check("three times", enlargedBy(scene(64), 192, cubic), noise, 3)
		}
		check("sharp", scene(192), noise, 0)
		for _, spec := range []string{"blur:gaussian,sigma=1.2", "blur:motion,length=7,angle=0", "blur:disk,radius=2"} {
			s, err := operators.ParseSpec(spec)
			if err != nil {
				t.Fatal(err)
			}
			x := scene(192)
			a, err := s.Build(x.Shape)
			if err != nil {
				t.Fatal(err)
			}
			y := operators.NewImage(a.Codomain())
			a.Apply(y.Pix, x.Pix)
			check(spec, y, noise, 0)
		}
	}
}
