package restore_test

import (
	"context"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// scene is a smooth picture with an edge.
func partScene(c, h, w int) operators.Image {
	m := operators.NewImage(operators.Shape{C: c, H: h, W: w})
	for i := range m.Pix {
		y, x := i/w%h, i%w
		v := 0.4 + 0.2*math.Sin(float64(x)/7) + 0.1*math.Cos(float64(y)/5)
		if x > y {
			v += 0.2
		}
		m.Pix[i] = float32(v)
	}
	return m
}

// A part is the part of the whole, at the strength asked for.
func TestPart(t *testing.T) {
	spec, err := operators.ParseSpec("blur:gaussian,sigma=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []operators.Spec{{}, spec, spec.WithBoundary(operators.Valid)} {
		e, err := restore.Simulate(partScene(1, 96, 112), spec, noise.White{Sigma: 0.05}, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		e.Problem.Range = restore.Unit
		const strength = 2
		solve := func(p *restore.Plan, err error) operators.Image {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Solve(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return r.Image
		}
		options := restore.Options{Prior: priors.Gray15(), Strength: strength}
		whole := solve(restore.New(e.Problem, options))
		options.Strength = 1
		plan, err := restore.New(e.Problem, options)
		if err != nil {
			t.Fatal(err)
		}
		at := image.Rect(20, 31, 70, 71)
		part := solve(plan.Part(at, strength))
		if part.H != at.Dy() || part.W != at.Dx() {
			t.Fatalf("%v: a part of %dx%d pixels", spec, part.W, part.H)
		}
		worst := 0.0
		for y := range part.H {
			for x := range part.W {
				worst = max(worst, math.Abs(float64(part.At(0, y, x)-whole.At(0, y+at.Min.Y, x+at.Min.X))))
			}
		}
		// A tenth of the noise: what the kernel sees of beyond the window is left out.
		if worst > 5e-3 {
			t.Errorf("%v: a pixel of the part is %.2g off that of the whole", spec, worst)
		}
		if _, err := plan.Part(image.Rect(90, 0, 130, 20), 1); err == nil {
			t.Errorf("%v: a part beyond the frame", spec)
		}
		if _, err := plan.Part(at, 0); err == nil {
			t.Errorf("%v: a part at strength 0", spec)
		}
	}
}

// Global operators have no parts.
func TestPartOfTheWholeOnly(t *testing.T) {
	spec, err := operators.ParseSpec("cs:ratio=0.5")
	if err != nil {
		t.Fatal(err)
	}
	e, err := restore.Simulate(partScene(1, 32, 32), spec, noise.White{Sigma: 0.05}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	e.Problem.Noise = noise.White{Sigma: 0.05}
	plan, err := restore.New(e.Problem, restore.Options{Prior: priors.Gray15()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Part(image.Rect(0, 0, 8, 8), 1); err == nil {
		t.Error("a part of a compressed measurement")
	}
}

// What is left of a measurement whose noise is known is about that noise.
func TestResidual(t *testing.T) {
	e, err := restore.Simulate(partScene(1, 96, 96), operators.Spec{}, noise.White{Sigma: 0.06}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range []noise.Model{noise.White{Sigma: 0.06}, noise.Camera{A: 1e-9, B: 0.06}} {
		e.Problem.Noise, e.Problem.Range = model, restore.Unit
		plan, err := restore.New(e.Problem, restore.Options{Prior: priors.Gray15()})
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		result, err := plan.Solve(context.Background(), func(p restore.Progress) {
			if m := p.Image(); m.Shape != e.Truth.Shape || len(m.Pix) != m.Len() {
				t.Errorf("%v: an iterate %v", model, m.Shape)
			}
			seen++
		})
		if err != nil {
			t.Fatal(err)
		}
		if seen == 0 {
			t.Errorf("%v: no iterate was seen", model)
		}
		w := noise.WhitenessOf(result.Residual())
		if w.Deviation > 1.05 || w.Deviation < 0.8 || math.Abs(w.Correlation) > 0.2 { // a denoiser leaves a little
			t.Errorf("%v: a residual of deviation %.3g, correlation %.3g; want about 1 and 0", model, w.Deviation, w.Correlation)
		}
	}
}

func BenchmarkPart256(b *testing.B) {
	e, err := restore.Simulate(partScene(1, 512, 512), operators.Spec{}, noise.White{Sigma: 0.06}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		b.Fatal(err)
	}
	plan, err := restore.New(e.Problem, restore.Options{Prior: priors.Gray15()})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("plan", func(b *testing.B) {
		for range b.N {
			plan.Part(image.Rect(100, 100, 356, 356), 2)
		}
	})
	b.Run("first", func(b *testing.B) {
		for range b.N {
			p, _ := plan.Part(image.Rect(100, 100, 356, 356), 2)
			ctx, cancel := context.WithCancel(context.Background())
			p.Solve(ctx, func(restore.Progress) { cancel() })
		}
	})
}
