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
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// scanOf measures a scene of two squares, scaled by gain.
func scanOf(t *testing.T, spec string, gain float64, deviation float64) (restore.Problem, operators.Image) {
	t.Helper()
	sp, err := operators.ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	x := operators.NewImage(operators.Shape{C: 1, H: 32, W: 32})
	for i := range x.Pix {
		if r, c := i/32, i%32; r > 5 && r < 26 && c > 7 && c < 24 {
			x.Pix[i] = 0.5
			if r > 12 && r < 18 && c > 10 && c < 16 {
				x.Pix[i] = 0.9
			}
		}
	}
	a, err := sp.Build(x.Shape)
	if err != nil {
		t.Fatal(err)
	}
	y := operators.NewImage(a.Codomain())
	a.Apply(y.Pix, x.Pix)
	operators.AddGaussian(y.Pix, y.Pix, deviation, rand.New(rand.NewPCG(1, 1)))
	for i := range y.Pix {
		y.Pix[i] *= float32(gain)
	}
	return restore.Problem{Y: y, Operator: sp, Scene: x.Shape, Noise: noise.White{Sigma: gain * deviation}}, x
}

func solved(t *testing.T, p restore.Problem) []float32 {
	t.Helper()
	plan, err := restore.New(p, restore.Options{Prior: priors.Gray15()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.Image.Pix
}

// TestPictureUnits: a picture in any unit, with its noise given in that unit or found,
// gives the same picture in that unit, to 1e-4 of its range.
func TestPictureUnits(t *testing.T) {
	for _, text := range []string{"denoise", "blur:gaussian,sigma=1.2", "sr:factor=2", "inpaint:ratio=0.5"} {
		spec, err := operators.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		e, err := restore.Simulate(blobs(72, 64), spec, noise.White{Sigma: 0.02}, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		for _, given := range []bool{true, false} {
			var first []float32
			for _, unit := range []struct{ gain, offset float64 }{{1, 0}, {1000, 0}, {0.05, 0}, {700, -400}} {
				p := e.Problem
				p.Y, p.Range, p.Noise = p.Y.Clone(), restore.Range{}, nil
				for i, v := range p.Y.Pix {
					p.Y.Pix[i] = float32(unit.gain*float64(v) + unit.offset)
				}
				if given {
					p.Noise = noise.White{Sigma: 0.02 * unit.gain}
				}
				plan, err := restore.New(p, restore.Options{Choose: priors.For, Threads: 1, Iters: 10})
				if err != nil {
					t.Fatal(err)
				}
				r, err := plan.Solve(context.Background(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = r.Image.Pix
				}
				for i, v := range r.Image.Pix {
					if d := (float64(v)-unit.offset)/unit.gain - float64(first[i]); math.Abs(d) > 1e-4 {
						t.Errorf("%s, noise given: %v: in the unit %+v pixel %d is off by %.2g", text, given, unit, i, d)
						break
					}
				}
			}
		}
	}
}

// The same numbers in any unit give the same picture in that unit, and lengths in
// millimetres the same as lengths in pixels.
func TestScanUnits(t *testing.T) {
	const spec = "tomo:angles=40,detectors=46,spacing=1"
	p, _ := scanOf(t, spec, 1, 0.05)
	want := solved(t, p)
	same := func(name string, got []float32, gain float64) {
		t.Helper()
		sum := 0.0
		for i, v := range got {
			d := float64(v)/gain - float64(want[i])
			sum += d * d / float64(len(got))
		}
		if e := math.Sqrt(sum); e > 1e-4 {
			t.Errorf("%s: off by %.2g of the range", name, e)
		}
	}
	q, _ := scanOf(t, spec, 333, 0.05)
	same("times 333", solved(t, q), 333)
	// In pixels of 0.25 mm the integrals are a quarter, of the same scene.
	mm, err := operators.ParseSpec("tomo:angles=40,detectors=46,spacing=0.25,pixel=0.25")
	if err != nil {
		t.Fatal(err)
	}
	m, _ := scanOf(t, spec, 0.25, 0.05)
	m.Operator = mm
	same("in mm", solved(t, m), 1)
}

// Rays of weight 0 may hold anything.
func TestScanWeights(t *testing.T) {
	p, x := scanOf(t, "tomo:angles=40,detectors=46", 1, 0.05)
	p.Range = restore.Unit
	p.Weights = make([]float32, len(p.Y.Pix))
	for i := range p.Weights {
		if p.Weights[i] = 1; i%46 == 20 {
			p.Weights[i], p.Y.Pix[i] = 0, 1000
		}
	}
	if v := metrics.PSNR(x.Pix, solved(t, p)); v < 30 {
		t.Errorf("dead detectors cost too much: %.2f dB", v)
	}
	p.Noise = nil // found in the numbers that count
	if v := metrics.PSNR(x.Pix, solved(t, p)); v < 28 {
		t.Errorf("noise found: %.2f dB", v)
	}
	p.Weights = p.Weights[1:]
	if _, err := restore.New(p, restore.Options{Prior: priors.Gray15()}); err == nil {
		t.Error("too few weights are taken")
	}
}

// TestUnequalRays: equal weights weigh the prior as none do; rays of weights 1 and 9 by
// (mean of the roots)^2/mean = 0.8 of what those of weight 5 do.
func TestUnequalRays(t *testing.T) {
	p, _ := scanOf(t, "tomo:angles=12", 1, 0.1)
	weight := func(w func(i int) float32) float64 {
		q := p
		if w != nil {
			q.Weights = make([]float32, len(p.Y.Pix))
			for i := range q.Weights {
				q.Weights[i] = w(i)
			}
		}
		plan, err := restore.New(q, restore.Options{Prior: priors.Gray15()})
		if err != nil {
			t.Fatal(err)
		}
		return plan.Weight
	}
	if none, equal := weight(nil), weight(func(int) float32 { return 1 }); math.Abs(equal/none-1) > 1e-3 {
		t.Errorf("equal weights: %.4g, none: %.4g", equal, none)
	}
	// The weighted operator resolves a little less, so that the factor is below 0.8.
	five := weight(func(int) float32 { return 5 })
	if unequal := weight(func(i int) float32 { return float32(1 + 8*(i%2)) }) / five; unequal < 0.7 || unequal > 0.81 {
		t.Errorf("weights of 1 and 9: a factor of %.4g", unequal)
	}
}
