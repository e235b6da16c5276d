package restore_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// TestDiscrepancy: the residual is as large as the noise, whether that was given or found, and
// where the noise is clipped.
func TestDiscrepancy(t *testing.T) {
	x := operators.NewImage(operators.Shape{C: 1, H: 96, W: 96})
	for i := range x.Pix {
		r, c := i/x.W, i%x.W
		x.Pix[i] = 0.3 + 0.4*float32(r)/float32(x.H)
		if (r/24+c/24)%2 == 0 {
			x.Pix[i] = 0.6
		}
	}
	const sigma = 0.08
	y := operators.NewImage(x.Shape)
	operators.AddGaussian(y.Pix, x.Pix, sigma, rand.New(rand.NewPCG(4, 4)))
	for i := range y.H / 3 * y.W {
		y.Pix[i] = max(y.Pix[i], 0.3) - 0.3 // the dark third is clipped
	}
	for _, given := range []noise.Model{noise.White{Sigma: sigma}, nil} {
		p, err := restore.New(restore.Problem{Y: y, Noise: given, Range: restore.Unit}, restore.Options{Choose: priors.For, Discrepancy: true})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Solve(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i, v := range y.Pix {
			d := float64(v - r.Image.Pix[i])
			sum += d * d
		}
		if rms := math.Sqrt(sum / float64(len(y.Pix))); math.Abs(rms/p.Noise-1) > 0.03 {
			t.Errorf("%s: residual %.4f, noise %.4f at strength %.3g", fmt.Sprint(given), rms, p.Noise, r.Strength)
		}
	}
}

// TestDiscrepancyInWindows: a picture in windows, alike everywhere, gets about the
// strength of the whole picture, also where its noise is stabilised.
func TestDiscrepancyInWindows(t *testing.T) {
	x := operators.NewImage(operators.Shape{C: 1, H: 320, W: 320})
	for i := range x.Pix {
		x.Pix[i] = 0.35
		if (i/x.W/16+i%x.W/16)%2 == 0 {
			x.Pix[i] = 0.65
		}
	}
	model := noise.Camera{A: 0.004, B: 0.0004}
	y := operators.NewImage(x.Shape)
	model.Sample(y.Pix, x.Pix, x.Shape, rand.New(rand.NewPCG(5, 5)))
	var strengths []float64
	for _, window := range []int{0, 200} {
		o := restore.Options{Choose: priors.For, Discrepancy: true, Window: window}
		p, err := restore.New(restore.Problem{Y: y, Noise: model, Range: restore.Unit}, o)
		if err != nil {
			t.Fatal(err)
		}
		if (p.Windows != nil) != (window > 0) {
			t.Fatalf("window %d: %v", window, p.Windows)
		}
		if window > 0 {
			if p, err = p.Settle(context.Background()); err != nil {
				t.Fatal(err)
			}
			strengths = append(strengths, p.Strength)
			continue
		}
		r, err := p.Solve(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		strengths = append(strengths, r.Strength)
	}
	if math.Abs(math.Log(strengths[1]/strengths[0])) > 0.2 || strengths[0] == 1 {
		t.Errorf("strength %.3g of the whole picture, %.3g of its middle window", strengths[0], strengths[1])
	}
}
