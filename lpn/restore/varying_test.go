package restore_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// Noise that depends on the brightness is found in an image and in a blurred one, and the
// result is within 0.3 dB of that for which its law was given.
func TestFoundByBrightness(t *testing.T) {
	law := noise.Camera{A: 0.02, B: 0.0003}
	x := operators.NewImage(operators.Shape{C: 1, H: 160, W: 170})
	for i := range x.Pix {
		x.Pix[i] = float32(0.1 + 0.8*float64(i%x.W)/float64(x.W))
		if (i/x.W/20+i%x.W/30)%2 == 0 {
			x.Pix[i] = 0.7 * x.Pix[i]
		}
	}
	for _, spec := range []string{"denoise", "blur:gaussian,sigma=1.2"} {
		sp, err := operators.ParseSpec(spec)
		if err != nil {
			t.Fatal(err)
		}
		e, err := restore.Simulate(x, sp, law, rand.New(rand.NewPCG(5, 6)))
		if err != nil {
			t.Fatal(err)
		}
		closeness := func(model noise.Model) float64 {
			p := e.Problem
			p.Range, p.Noise = restore.Unit, model
			plan, err := restore.New(p, restore.Options{Choose: priors.For, Iters: 20, Strength: 1})
			if err != nil {
				t.Fatal(err)
			}
			if _, varies := plan.NoiseModel.(noise.Curve); model == nil && !varies {
				t.Errorf("%s: found %T", spec, plan.NoiseModel)
			}
			r, err := plan.Solve(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for i, v := range r.X {
				d := float64(v) - float64(x.Pix[i])
				sum += d * d / float64(x.Len())
			}
			return -10 * math.Log10(sum)
		}
		if found, given := closeness(nil), closeness(law); found < given-0.3 {
			t.Errorf("%s: %.2f dB, with the law given %.2f", spec, found, given)
		}
	}
}
