package restore_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// TestStars: points of light on a dark sky, in units of a detector, become much brighter
// than their blur. That is no fault: the strength stays, and no one is warned. With the
// kernel of another telescope it is one.
func TestStars(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	x := operators.NewImage(operators.Shape{C: 1, H: 56, W: 56})
	for range 9 {
		x.Pix[(8+rng.IntN(40))*x.W+8+rng.IntN(40)] = 3000
	}
	spec := func(sigma string) operators.Spec {
		s, err := operators.ParseSpec("blur:gaussian,sigma=" + sigma)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	e, err := restore.Simulate(x, spec("2"), noise.White{Sigma: 2}, rng)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sigma string
		right bool
	}{{"2", true}, {"3", false}} {
		p := e.Problem
		p.Range, p.Operator = restore.Range{}, spec(c.sigma)
		plan, err := restore.New(p, restore.Options{Choose: priors.For, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		r, err := plan.Solve(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if right := r.Suspect == "" && r.Strength == 1; right != c.right {
			t.Errorf("sigma=%s: strength %v, suspect: %s", c.sigma, r.Strength, r.Suspect)
		}
		if c.right && slices.Max(r.Image.Pix) < 2*slices.Max(p.Y.Pix) {
			t.Errorf("the brightest star is %v, in the measurement %v", slices.Max(r.Image.Pix), slices.Max(p.Y.Pix))
		}
	}
}

// outOfFocus is a scene of blocks through a disk of 3 pixels, in noise of 0.01.
func outOfFocus(t *testing.T) operators.Image {
	rng := rand.New(rand.NewPCG(1, 7))
	x := operators.NewImage(operators.Shape{C: 1, H: 120, W: 130})
	for range 300 {
		i0, j0, v := rng.IntN(x.H), rng.IntN(x.W), rng.Float32()
		for i := i0; i < min(i0+12, x.H); i++ {
			for j := j0; j < min(j0+15, x.W); j++ {
				x.Pix[i*x.W+j] = v
			}
		}
	}
	k, err := operators.DiskKernel(3)
	if err != nil {
		t.Fatal(err)
	}
	a, err := operators.NewBlur(x.Shape, k, operators.Valid)
	if err != nil {
		t.Fatal(err)
	}
	y := operators.NewImage(a.Codomain())
	a.Apply(y.Pix, x.Pix)
	for i := range y.Pix {
		y.Pix[i] += float32(0.01 * rng.NormFloat64())
	}
	return y
}

// TestFindBlur: blur:auto gives way to what the picture shows, with its boundary
// and scene; other operators stay.
func TestFindBlur(t *testing.T) {
	y := outOfFocus(t)
	auto, err := operators.ParseSpec("blur:auto,kind=disk")
	if err != nil {
		t.Fatal(err)
	}
	p, err := restore.FindBlur(context.Background(), restore.Problem{Y: y, Operator: auto.WithBoundary(operators.Valid)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kh, kw, local := p.Operator.Support()
	if p.Blur == nil || p.Blur.Kind != blind.Disk || !local || p.Operator.Boundary() != operators.Valid ||
		p.Scene != (operators.Shape{C: 1, H: y.H + kh - 1, W: y.W + kw - 1}) {
		t.Errorf("%v, %v of a scene %v", p.Blur, p.Operator, p.Scene)
	}
	same, err := restore.FindBlur(context.Background(), restore.Problem{Y: y}, nil)
	if err != nil || same.Blur != nil || same.Operator != (operators.Spec{}) {
		t.Errorf("%+v, %v; want the problem as it was", same.Operator, err)
	}
	if _, err := restore.FindBlur(context.Background(), restore.Problem{Y: operators.NewImage(operators.Shape{C: 1, H: 9, W: 9}), Operator: auto}, nil); err == nil {
		t.Error("no error of a picture of 9x9 pixels")
	}
}

// TestWrongBlur: a restoration by a kernel that is not that of the picture says so; if the kernel was found and not
// given, the picture stays as it is.
func TestWrongBlur(t *testing.T) {
	y := outOfFocus(t)
	wrong, err := operators.MotionKernel(21, 30)
	if err != nil {
		t.Fatal(err)
	}
	found := blind.Estimate{Kind: blind.Free, Kernel: wrong}
	solve := func(p restore.Problem) restore.Result {
		plan, err := restore.New(p, restore.Options{Choose: priors.For, Iters: 20, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		r, err := plan.Solve(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	p := restore.Problem{Y: y, Operator: found.Operator(operators.Valid), Noise: noise.White{Sigma: 0.01}, Range: restore.Unit}
	if r := solve(p); r.Suspect == "" {
		t.Errorf("the kernel that was given is not doubted: %q", r.Note)
	}
	p.Blur = &found
	if r := solve(p); !r.LeftAlone || !strings.HasPrefix(r.Note, "left as it is: ") || !slices.Equal(r.Image.Pix, y.Pix) {
		t.Errorf("left alone: %v, %q", r.LeftAlone, r.Note)
	}
}

// TestFoundBlurSettles: the restoration by a blur that was found ends when its objective has settled, close to the
// minimum; a tolerance that was asked for holds alone.
func TestFoundBlurSettles(t *testing.T) {
	k, err := operators.DiskKernel(3)
	if err != nil {
		t.Fatal(err)
	}
	found := blind.Estimate{Kind: blind.Free, Kernel: k}
	solve := func(tol float64) (*restore.Plan, restore.Result) {
		p := restore.Problem{Y: outOfFocus(t), Operator: found.Operator(operators.Valid), Blur: &found, Noise: noise.White{Sigma: 0.01}, Range: restore.Unit}
		plan, err := restore.New(p, restore.Options{Choose: priors.For, Tol: tol, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		r, err := plan.Solve(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return plan, r
	}
	plan, r := solve(0)
	if plan.Fall == 0 || !strings.HasPrefix(r.Reason, "objective settled") || !r.Certified {
		t.Errorf("fall %v; it ended because of %q, certified: %v", plan.Fall, r.Reason, r.Certified)
	}
	long, least := solve(1e-5)
	if long.Fall != 0 || r.Objective > 1.005*least.Objective || r.Iterations >= least.Iterations {
		t.Errorf("fall %v; objective %v after %d iterations, %v after %d", long.Fall, r.Objective, r.Iterations, least.Objective, least.Iterations)
	}
}

// TestFoundBlurNoise: where the search for the blur saw more noise than the highest frequencies show, as in a
// compressed file, the restoration is for that, in units of its range.
func TestFoundBlurNoise(t *testing.T) {
	k, err := operators.DiskKernel(3)
	if err != nil {
		t.Fatal(err)
	}
	y := outOfFocus(t)
	level := func(seen float64) float64 {
		found := blind.Estimate{Kind: blind.Free, Kernel: k, Noise: seen}
		p := restore.Problem{Y: y, Operator: found.Operator(operators.Valid), Blur: &found, Range: restore.Range{Lo: 0, Hi: 2}}
		plan, err := restore.New(p, restore.Options{Choose: priors.For, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		return plan.Level
	}
	if l := level(0.06); l != 0.03 {
		t.Errorf("level %v; want 0.03", l)
	}
	if own, little := level(0), level(0.001); own != little || own > 0.01 {
		t.Errorf("level %v, with noise of 0.001 seen %v; want that of the picture, 0.005", own, little)
	}
}

// TestFewSamplesAreBounded: of a picture with too few samples for a judgement of its residual, a result far beyond
// black and white is not kept either, or is called suspect.
func TestFewSamplesAreBounded(t *testing.T) {
	spec, err := operators.ParseSpec("blur:gaussian,sigma=6")
	if err != nil {
		t.Fatal(err)
	}
	y := blobs(14, 15)
	rng := rand.New(rand.NewPCG(3, 9))
	for i := range y.Pix {
		y.Pix[i] += float32(0.02 * rng.NormFloat64())
	}
	plan, err := restore.New(restore.Problem{Y: y, Operator: spec, Noise: noise.White{Sigma: 0.02}, Range: restore.Unit}, restore.Options{Choose: priors.For, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if lo, hi := slices.Min(r.Image.Pix), slices.Max(r.Image.Pix); r.Suspect == "" && (lo < -0.5 || hi > 1.5) {
		t.Errorf("samples from %v to %v, not suspect", lo, hi)
	}
}
