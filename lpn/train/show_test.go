package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// TestShow: the pictures that are shown have the PSNR of the validation, and of noisy ones
// nothing is claimed to be clean.
func TestShow(t *testing.T) {
	net, err := lpn.New(lpn.SoftplusAny(1, 6, 2, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	shape := operators.Shape{C: 1, H: 48, W: 40}
	o := Options{Seed: 3, Threads: 1}
	for i := range 3 {
		x := operators.NewImage(shape)
		folds{shape}.Batch(x.Pix, i)
		o.Valid = append(o.Valid, x)
	}
	shown, err := o.Show(net, 8)
	if err != nil || len(shown) != 3 {
		t.Fatalf("%d pictures of 3: %v", len(shown), err)
	}
	sum := 0.0
	for _, s := range shown {
		sum += psnr(s.Denoised.Pix, s.Clean.Pix) / 3
	}
	if want, err := o.Measure(net); err != nil || math.Abs(sum-want) > 1e-6 {
		t.Errorf("%.4f dB, the validation has %.4f: %v", sum, want, err)
	}
	o.ValidNoise = noise.White{Sigma: 0.05}
	shown, err = o.Show(net, 1)
	if err != nil || len(shown) != 1 || len(shown[0].Clean.Pix) != 0 || &shown[0].Noisy.Pix[0] == &o.Valid[0].Pix[0] || shown[0].Noisy.Pix[7] != o.Valid[0].Pix[7] {
		t.Errorf("of a noisy picture: %d shown, %v", len(shown), err)
	}
}
