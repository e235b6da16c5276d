package restore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// held is a Source that is in memory after all.
type held struct{ operators.Image }

func (m held) Shape() operators.Shape { return m.Image.Shape }

func (m held) ReadAt(dst operators.Image, y, x int) error {
	for c := range dst.C {
		for r := range dst.H {
			copy(dst.Plane(c)[r*dst.W:(r+1)*dst.W], m.Plane(c)[(y+r)*m.W+x:])
		}
	}
	return nil
}

// inColour is a picture with three channels, c of which are its own noise.
func inColour(p restore.Problem, c int) restore.Problem {
	rng := rand.New(rand.NewPCG(8, 8))
	m := operators.NewImage(operators.Shape{C: 3, H: p.Y.H, W: p.Y.W})
	for k := range 3 {
		for i, v := range p.Y.Pix {
			m.Plane(k)[i] = v
			if k < c {
				m.Plane(k)[i] += float32(0.01 * rng.NormFloat64())
			}
		}
	}
	p.Y, p.Scene = m, operators.Shape{}
	return p
}

// A plan over a source makes what the plan of the whole makes in the same windows, bit
// for bit, where it is decided on all of it; and joined by rows it is the same again.
func TestSource(t *testing.T) {
	ctx := context.Background()
	denoise := noisy(t, "denoise", 170)
	units := denoise // floats of some unit, their range to be found
	units.Y, units.Range, units.Noise = denoise.Y.Clone(), restore.Range{}, noise.White{Sigma: 18}
	for i, v := range units.Y.Pix {
		units.Y.Pix[i] = 300*v - 1000
	}
	photons := denoise
	photons.Noise = noise.Poisson{Gain: 0.004}
	given := denoise
	given.Noise = noise.White{Sigma: 0.06}
	colour := inColour(given, 3)
	gray := inColour(given, 0)
	valid := noisy(t, "blur:gaussian,sigma=1", 420)
	valid.Operator, valid.Scene = valid.Operator.WithBoundary(operators.Valid), operators.Shape{}
	for name, p := range map[string]restore.Problem{
		"auto": denoise, "given": given, "units": units, "photons": photons, "colour": colour, "gray in colour": gray, "valid": valid,
	} {
		options := restore.Options{Choose: priors.For, Iters: 1}
		part, err := restore.New(p, options)
		if err != nil {
			t.Fatal(err)
		}
		over, err := part.Over(held{p.Y}, 96)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		options.Window = 96
		whole, err := restore.New(p, options)
		if err != nil {
			t.Fatal(err)
		}
		want, err := whole.Solve(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := over.Solve(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if over.Windows.Count < 3 || *over.Windows != *whole.Windows || over.Prior != whole.Prior || over.Gray != whole.Gray {
			t.Errorf("%s: windows %v, prior %s, gray %v; of the whole %v, %s, %v", name, over.Windows, over.Prior, over.Gray, whole.Windows, whole.Prior, whole.Gray)
		}
		if got.Image.Shape != want.Image.Shape || !slices.Equal(got.Image.Pix, want.Image.Pix) || got.Suspect != want.Suspect {
			t.Errorf("%s: %v, suspect %q; of the whole %v, suspect %q, and not the same bits", name, got.Image.Shape, got.Suspect, want.Image.Shape, want.Suspect)
		}
		rows := operators.NewImage(want.Image.Shape)
		at := 0
		settled, err := over.Settle(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := settled.JoinRows(cores(ctx, settled), func(m operators.Image) error {
			for c := range m.C {
				copy(rows.Plane(c)[at*m.W:], m.Plane(c))
			}
			at += m.H
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if at != rows.H || !slices.Equal(rows.Pix, want.Image.Pix) {
			t.Errorf("%s: %d rows joined of %d, or not the same bits", name, at, rows.H)
		}
		stop := errors.New("full")
		if _, err := settled.JoinRows(cores(ctx, settled), func(operators.Image) error { return stop }); err != stop {
			t.Errorf("%s: error %v, want that of put", name, err)
		}
	}
}

// cores solves the windows of a plan one by one.
func cores(ctx context.Context, p *restore.Plan) func(func(restore.Core, error) bool) {
	return func(yield func(restore.Core, error) bool) {
		for k := range p.Windows.Count {
			if !yield(p.SolveCore(ctx, k)) {
				return
			}
		}
	}
}

// What a sample shows does not make a colour picture gray, and what cannot be cut is
// refused.
func TestSourceIsNotItsSample(t *testing.T) {
	p := noisy(t, "denoise", 170)
	p.Noise = noise.White{Sigma: 0.06}
	whole := inColour(p, 0)
	whole.Y.Plane(2)[len(p.Y.Pix)-1] += 0.5 // in the last pixel
	part := inColour(p, 0)
	plan, err := restore.New(part, restore.Options{Choose: priors.For})
	if err != nil {
		t.Fatal(err)
	}
	over, err := plan.Over(held{whole.Y}, 96)
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Gray || over.Gray || over.Scene.C != 3 || over.PerChannel {
		t.Errorf("gray %v of the sample, %v of the whole with %d channels by the prior %s", plan.Gray, over.Gray, over.Scene.C, over.Prior)
	}
	mapped := p
	mapped.Noise = noise.Map{Deviation: operators.Image{Shape: p.Y.Shape, Pix: slices.Repeat([]float32{0.06}, p.Y.Len())}}
	small := p
	for what, p := range map[string]restore.Problem{"a map": mapped, "one window": small, "sr": noisy(t, "sr:factor=2", 100)} {
		plan, err := restore.New(p, restore.Options{Choose: priors.For, Iters: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plan.Over(held{p.Y}, 4096); !errors.As(err, new(*restore.MemoryError)) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

// failing is a source whose lower half cannot be read.
type failing struct{ held }

var errLost = errors.New("lost")

func (m failing) ReadAt(dst operators.Image, y, x int) error {
	if y+dst.H > m.H/2 {
		return fmt.Errorf("row %d: %w", y+dst.H, errLost)
	}
	return m.held.ReadAt(dst, y, x)
}

func TestSourceFails(t *testing.T) {
	p := noisy(t, "denoise", 170)
	p.Noise = noise.White{Sigma: 0.06}
	plan, err := restore.New(p, restore.Options{Choose: priors.For})
	if err != nil {
		t.Fatal(err)
	}
	over, err := plan.Over(failing{held{p.Y}}, 96)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := over.Solve(context.Background(), nil); !errors.Is(err, errLost) {
		t.Errorf("error %v, want that of the source", err)
	}
}

// A residual is compared with the noise alike, whether the picture is solved whole or in
// windows; and correlated noise is removed in windows, too.
func TestWindowsAreSuspect(t *testing.T) {
	ctx := context.Background()
	p := noisy(t, "blur:gaussian,sigma=1", 1000)
	p.Noise = noise.White{Sigma: 0.025} // less than half of what there is
	for _, window := range []int{0, 96} {
		plan, err := restore.New(p, restore.Options{Choose: priors.For, Window: window, Iters: 1, Strength: 1})
		if err != nil {
			t.Fatal(err)
		}
		r, err := plan.Solve(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Suspect == "" {
			t.Errorf("windows of %d: noise of more than twice the given is not suspect", window)
		}
	}
	q := noisy(t, "denoise", 800)
	q.Noise = nil
	rng := rand.New(rand.NewPCG(4, 2))
	raw := make([]float64, q.Y.Len()+q.Y.W+1)
	for i := range raw {
		raw[i] = rng.NormFloat64()
	}
	for i := range q.Y.Pix { // each sample shares its noise with those beside and below
		x, y := i%q.Y.W, i/q.Y.W
		clean := 0.5 + 0.2*math.Sin(float64(y)/30) + 0.2*math.Cos(float64(x)/25)
		q.Y.Pix[i] = float32(clean + 0.03*(raw[i]+raw[i+1]+raw[i+q.Y.W]+raw[i+q.Y.W+1]))
	}
	plan, err := restore.New(q, restore.Options{Choose: priors.For, Window: 96, Iters: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, correlated := plan.NoiseModel.(noise.Correlated); !correlated || plan.Windows == nil {
		t.Fatalf("the noise is %v, windows %v", plan.NoiseModel, plan.Windows)
	}
	if _, err := plan.Solve(ctx, nil); err != nil {
		t.Error(err)
	}
}
