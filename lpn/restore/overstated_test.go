package restore_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// TestOverstated: a level of noise that is twice what a picture shows is remarked on, the right one and half of
// it are not.
func TestOverstated(t *testing.T) {
	for given, want := range map[float64]bool{0.06: false, 0.03: false, 0.12: true} {
		p := noisy(t, "denoise", 150) // with noise of 0.06
		p.Noise = noise.White{Sigma: given}
		plan, err := restore.New(p, restore.Options{Choose: priors.For})
		if err != nil {
			t.Fatal(err)
		}
		r, err := plan.Solve(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(r.Note, "that was given"); got != want {
			t.Errorf("noise of 0.06 given as %v: note %q", given, r.Note)
		}
	}
}

// TestOverstatedFlat: noise that is told of a picture without any is remarked on.
func TestOverstatedFlat(t *testing.T) {
	p := noisy(t, "denoise", 150)
	for i := range p.Y.Pix {
		p.Y.Pix[i] = 0.5
	}
	p.Noise = noise.White{Sigma: 0.05}
	plan, err := restore.New(p, restore.Options{Choose: priors.For})
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Note, "hardly any noise, not the 0.05") {
		t.Errorf("note %q", r.Note)
	}
}

// TestThinLights: lines that are brighter than all of a blurred measurement are no sign of a wrong blur, where
// nothing says what white is.
func TestThinLights(t *testing.T) {
	sp, err := operators.ParseSpec("blur:gaussian,sigma=1.6")
	if err != nil {
		t.Fatal(err)
	}
	x := operators.NewImage(operators.Shape{C: 1, H: 128, W: 128})
	for i := range x.Pix {
		row, col := i/x.W, i%x.W
		x.Pix[i] = 50
		if (row+2*col)%61 < 2 || (3*row-col+256)%97 < 2 {
			x.Pix[i] = 1000
		}
	}
	e, err := restore.Simulate(x, sp, noise.White{Sigma: 1}, rand.New(rand.NewPCG(3, 4)))
	if err != nil {
		t.Fatal(err)
	}
	e.Problem.Range, e.Problem.Noise = restore.Range{}, nil // both to be found
	plan, err := restore.New(e.Problem, restore.Options{Choose: priors.For})
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if most, was := slices.Max(r.Image.Pix), slices.Max(e.Problem.Y.Pix); r.LeftAlone || r.Suspect != "" || most < 1.2*was {
		t.Errorf("the brightest sample is %v, %v of the measurement: %s", most, was, r.Suspect)
	}
}
