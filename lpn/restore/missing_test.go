package restore_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// blobs is a picture of smooth and sharp parts.
func blobs(h, w int) operators.Image {
	m := operators.NewImage(operators.Shape{C: 1, H: h, W: w})
	for i := range m.Pix {
		y, x := float64(i/w), float64(i%w)
		v := 0.45 + 0.2*math.Sin(x/9)*math.Cos(y/11)
		if math.Hypot(y-float64(h)/2, x-float64(w)/3) < float64(h)/5 {
			v += 0.25
		}
		m.Pix[i] = float32(v)
	}
	return m
}

// restored restores and returns the PSNR.
func psnrOf(t *testing.T, p restore.Problem, truth operators.Image) (float64, *restore.Plan) {
	t.Helper()
	plan, err := restore.New(p, restore.Options{Choose: priors.For, Threads: 1, Iters: 60})
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Suspect != "" {
		t.Errorf("%s: suspect: %s", p.Operator, r.Suspect)
	}
	return metrics.PSNR(truth.Pix, r.Image.Pix), plan
}

// TestMissing: what stands in missing samples changes nothing, in units of any kind;
// with the identity it is an inpainting.
func TestMissing(t *testing.T) {
	truth := blobs(48, 56)
	rng := rand.New(rand.NewPCG(1, 2))
	keep := make([]bool, truth.Len())
	for i := range keep {
		keep[i] = rng.Float64() < 0.6
	}
	y := truth.Clone()
	operators.AddGaussian(y.Pix, y.Pix, 0.01, rng)
	missing := make([]bool, len(keep))
	mask := operators.NewImage(truth.Shape)
	for i, k := range keep {
		missing[i] = !k
		if k {
			mask.Pix[i] = 1
		} else {
			y.Pix[i] = float32(rng.NormFloat64())
		}
	}
	p := restore.Problem{Y: y, Missing: missing, Noise: noise.White{Sigma: 0.01}, Range: restore.Unit}
	got, plan := psnrOf(t, p, truth)
	if plan.Missing != countTrue(missing) {
		t.Errorf("%d missing, want %d", plan.Missing, countTrue(missing))
	}
	spec, err := operators.ParseSpec("inpaint:mask=m")
	if err != nil {
		t.Fatal(err)
	}
	blank := y.Clone()
	for i, k := range keep {
		if !k {
			blank.Pix[i] = 0
		}
	}
	want, _ := psnrOf(t, restore.Problem{Y: blank, Operator: spec.WithData(mask), Noise: p.Noise, Range: restore.Unit}, truth)
	if math.Abs(got-want) > 0.05 || got < 35 {
		t.Errorf("missing samples: %.2f dB, inpaint %.2f", got, want)
	}
	if auto, plan := psnrOf(t, restore.Problem{Y: y, Missing: missing, Range: restore.Unit}, truth); auto < got-1 || plan.Noise < 0.005 || plan.Noise > 0.02 {
		t.Errorf("noise found: %.2f dB for %.4f, given 0.01 %.2f", auto, plan.Noise, got)
	}
	// In other units the missing numbers are not zero.
	scaled := y.Clone()
	for i := range scaled.Pix {
		scaled.Pix[i] = 1000 + 500*scaled.Pix[i]
	}
	plan, err = restore.New(restore.Problem{Y: scaled, Missing: missing, Noise: noise.White{Sigma: 5}}, restore.Options{Choose: priors.For, Threads: 1, Iters: 60})
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Image.Pix {
		r.Image.Pix[i] = (r.Image.Pix[i] - 1000) / 500
	}
	if other := metrics.PSNR(truth.Pix, r.Image.Pix); other < got-1 {
		t.Errorf("in other units: %.2f dB, not %.2f", other, got)
	}
}

// TestMissingWeights: holes in weights that hardly differ are filled as those in white
// noise.
func TestMissingWeights(t *testing.T) {
	truth := blobs(48, 56)
	rng := rand.New(rand.NewPCG(7, 8))
	y, w := truth.Clone(), operators.NewImage(truth.Shape)
	missing := make([]bool, len(y.Pix))
	for i := range y.Pix {
		y.Pix[i] += float32(1e-3 * rng.NormFloat64())
		if missing[i] = i%4 == 1; !missing[i] {
			w.Pix[i] = 1e6 * (1 + 1e-3*float32(i%2))
		}
	}
	p := restore.Problem{Y: y, Range: restore.Unit, Missing: missing, Noise: noise.White{Sigma: 1e-3}}
	want, _ := psnrOf(t, p, truth)
	p.Missing = nil
	weighted, err := p.Weighted(w, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := psnrOf(t, weighted, truth); math.Abs(got-want) > 0.1 {
		t.Errorf("weighted %.2f dB, white %.2f", got, want)
	}
}

// TestMissingBlur: a blurred picture without a sixth of its samples.
func TestMissingBlur(t *testing.T) {
	truth := blobs(48, 56)
	spec, err := operators.ParseSpec("blur:gaussian,sigma=1.2")
	if err != nil {
		t.Fatal(err)
	}
	e, err := restore.Simulate(truth, spec, noise.White{Sigma: 0.005}, rand.New(rand.NewPCG(3, 4)))
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := psnrOf(t, e.Problem, truth)
	e.Problem.Missing = make([]bool, truth.Len())
	for i := range e.Problem.Missing {
		if i%7 == 3 {
			e.Problem.Missing[i] = true
			e.Problem.Y.Pix[i] = 9
		}
	}
	if got, _ := psnrOf(t, e.Problem, truth); got < whole-1.5 {
		t.Errorf("without a seventh of the samples: %.2f dB, with all %.2f", got, whole)
	}
}

// TestWeighted: noise of two levels, by weights, beats one level; a scale may be given
// apart; a mask says nothing of noise.
func TestWeighted(t *testing.T) {
	truth := blobs(48, 56)
	rng := rand.New(rand.NewPCG(5, 6))
	y, w := truth.Clone(), operators.NewImage(truth.Shape)
	for i := range y.Pix {
		sigma := 0.01
		if i/56 > 24 {
			sigma = 0.15
		}
		y.Pix[i] += float32(sigma * rng.NormFloat64())
		w.Pix[i] = float32(1 / (sigma * sigma))
	}
	p := restore.Problem{Y: y, Range: restore.Unit}
	absolute, err := p.Weighted(w, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, plan := psnrOf(t, absolute, truth)
	p.Noise = noise.White{Sigma: plan.Noise}
	single, _ := psnrOf(t, p, truth)
	if got < single+1 {
		t.Errorf("weighted %.2f dB, one level %.2f", got, single)
	}
	for i := range w.Pix {
		w.Pix[i] *= 0.01 * 0.01
	}
	relative, err := p.Weighted(w, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := psnrOf(t, relative, truth); math.Abs(again-got) > 0.01 {
		t.Errorf("relative weights: %.2f dB, absolute %.2f", again, got)
	}
	for i := range w.Pix {
		w.Pix[i] = float32(i % 2)
	}
	p.Noise = nil
	mask, err := p.Weighted(w, 0)
	if err != nil || mask.Noise != nil || countTrue(mask.Missing) != len(w.Pix)/2 {
		t.Errorf("a mask: noise %v, %d missing, %v", mask.Noise, countTrue(mask.Missing), err)
	}
	for i := range w.Pix {
		w.Pix[i] = float32(1e4 * (i % 2))
	}
	if even, err := p.Weighted(w, 0); err != nil || even.Noise != (noise.White{Sigma: 0.01}) || even.Missing == nil {
		t.Errorf("weights of 0 and 1e4: noise %v, %v", even.Noise, err)
	}
	w.Pix[7] = -1
	if _, err := p.Weighted(w, 0); err == nil || !strings.Contains(err.Error(), "sample 7") {
		t.Error("a negative weight is taken:", err)
	}
	if _, err := p.Weighted(operators.NewImage(operators.Shape{C: 1, H: 3, W: 3}), 0); err == nil || !strings.Contains(err.Error(), "1x3x3") {
		t.Error("weights of another size are taken:", err)
	}
	p.Missing = slices.Repeat([]bool{true}, len(y.Pix))
	if _, err := restore.New(p, restore.Options{Choose: priors.For}); err == nil {
		t.Error("nothing is known, and it is restored")
	}
}

func countTrue(m []bool) (n int) {
	for _, v := range m {
		if v {
			n++
		}
	}
	return n
}
