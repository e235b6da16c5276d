package restore

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// disc is a bright disc with a dark one in it.
func disc(side int) operators.Image {
	m := operators.NewImage(operators.Shape{C: 1, H: side, W: side})
	n := float64(side)
	for i := range m.Pix {
		y, x := float64(i/side), float64(i%side)
		if math.Hypot(y-n/2, x-n/2) < 0.4*n {
			m.Pix[i] = 0.5
		}
		if math.Hypot(y-0.4*n, x-0.6*n) < 0.1*n {
			m.Pix[i] = 0.1
		}
	}
	return m
}

func measured(t *testing.T, spec string, scene operators.Image, level float64) *Example {
	t.Helper()
	sp, err := operators.ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Simulate(scene, sp, noise.White{Sigma: level}, rand.New(rand.NewPCG(3, 4)))
	if err != nil {
		t.Fatal(err)
	}
	return &e
}

// TestStepsForIntegrals: the step for images is taken where integrals determine the scene
// and there is noise, also of lengths in millimetres, and never elsewhere.
func TestStepsForIntegrals(t *testing.T) {
	scene := disc(48)
	for _, c := range []struct {
		spec  string
		noise float64
		want  bool
	}{
		{"tomo:angles=40", 0.1, true},
		{"tomo:angles=40,pixel=0.5,spacing=0.5", 0.1, true},
		{"tomo:angles=60,geometry=fan-flat,source=200,detector=50", 0.1, true},
		{"tomo:angles=40", 0.001, false},
		{"tomo:angles=8", 0.1, false},
		{"tomo:angles=40,span=120", 0.1, false},
		{"tomo:angles=40,detectors=10", 0.1, false},
		{"blur:gaussian,sigma=1", 0.1, false},
		{"cs:ratio=0.5", 0.1, false},
	} {
		plan, err := New(measured(t, c.spec, scene, c.noise).Problem, Options{Prior: priors.CT()})
		if err != nil {
			t.Fatal(err)
		}
		if got := plan.determined(); got != c.want || (plan.Distance > 0) != got {
			t.Errorf("%s, noise %v, lambda %.3g: %v, distance %v", c.spec, c.noise, plan.Lambda, got, plan.Distance)
		}
	}
}

// TestIntegralsEndEarly: where the iterations end by themselves, many more gain nothing.
func TestIntegralsEndEarly(t *testing.T) {
	scene := disc(48)
	for _, spec := range []string{"tomo:angles=40", "tomo:angles=40,pixel=0.5,spacing=0.5"} {
		e := measured(t, spec, scene, 0.1)
		var psnr [2]float64
		var iters [2]int
		for i, tol := range []float64{0, 1e-6} {
			plan, err := New(e.Problem, Options{Prior: priors.CT(), Tol: tol})
			if err != nil {
				t.Fatal(err)
			}
			r, err := plan.Solve(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Certified {
				t.Errorf("%s: %s", spec, r.Uncertified)
			}
			psnr[i], iters[i] = metrics.PSNR(scene.Pix, r.Image.Pix), r.Iterations
		}
		if psnr[0] < psnr[1]-0.05 || iters[0] >= iters[1] {
			t.Errorf("%s: %.2f dB after %d iterations, %.2f after %d", spec, psnr[0], iters[0], psnr[1], iters[1])
		}
		t.Logf("%s: %.2f dB after %d iterations, %.2f after %d", spec, psnr[0], iters[0], psnr[1], iters[1])
	}
}

func TestWidestGap(t *testing.T) {
	for _, c := range []struct {
		degrees []float64
		want    float64
	}{
		{[]float64{0, 45, 90, 135}, 45},
		{[]float64{350, 80, -45}, 90},
		{[]float64{7}, 180},
		{[]float64{0, 90, 180, 270}, 90},
	} {
		if got := widestGap(c.degrees) * 180 / math.Pi; math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v: %v degrees, want %v", c.degrees, got, c.want)
		}
	}
}

// TestAxis: an axis that the views surely show is used where the operator does not say it, with
// a note, and the result is that of the operator that says it; a right sinogram, and what the
// operator says, stay as they are.
func TestAxis(t *testing.T) {
	const side, detectors, off = 48, 72, 1.5
	scene := disc(side)
	solved := func(spec string, y operators.Image) (*Plan, Result) {
		t.Helper()
		sp, err := operators.ParseSpec(spec)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := New(Problem{Y: y, Operator: sp, Scene: scene.Shape, Noise: noise.White{Sigma: 0.1}}, Options{Prior: priors.CT(), Iters: 30})
		if err != nil {
			t.Fatal(err)
		}
		r, err := plan.Solve(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return plan, r
	}
	y := measured(t, "tomo:angles=60,detectors=72,centre=37.5", scene, 0.1).Problem.Y
	found, r := solved("tomo:angles=60,detectors=72", y)
	if got := found.tomograph().Geometry().Centre(); math.Abs(got-detectors/2-off) > 0.05 || found.AxisLine == "" || r.Note != found.AxisLine || r.Suspect != "" {
		t.Errorf("the axis at %v, %q; %q %q", got, found.AxisLine, r.Note, r.Suspect)
	}
	_, told := solved("tomo:angles=60,detectors=72,centre=37.5", y)
	wrong, bad := solved("tomo:angles=60,detectors=72,centre=36", y)
	psnr := func(r Result) float64 { return metrics.PSNR(scene.Pix, r.Image.Pix) }
	if wrong.AxisLine != "" || psnr(told)-psnr(r) > 0.3 || psnr(r)-psnr(bad) < 3 {
		t.Errorf("found %.2f dB, told %.2f, as the spec says %.2f %q", psnr(r), psnr(told), psnr(bad), wrong.AxisLine)
	}
	right := measured(t, "tomo:angles=60", scene, 0.1).Problem.Y
	plan, r := solved("tomo:angles=60", right)
	if plan.AxisLine != "" || plan.axisDoubt != "" || plan.Operator.String() != "tomo:angles=60,span=180" || r.Note != "" {
		t.Errorf("a right sinogram: %q %q %s %q", plan.AxisLine, plan.axisDoubt, plan.Operator, r.Note)
	}
	// Cut off, only the seam of the views speaks.
	y = measured(t, "tomo:angles=60,span=360,detectors=30,centre=17", scene, 0.1).Problem.Y
	plan, r = solved("tomo:angles=60,span=360,detectors=30", y)
	if plan.AxisLine != "" || plan.axisDoubt == "" || r.Suspect == "" {
		t.Errorf("cut off: %q %q %q", plan.AxisLine, plan.axisDoubt, r.Suspect)
	}
}
