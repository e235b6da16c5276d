package restore

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// TestUnrelated: numbers of another seed or kind, or in another order, have nothing in common with
// what the operator makes of pictures; its own have, also of a faint scene, of stripes, of colour
// and in noise. Of noise alone nothing is said.
func TestUnrelated(t *testing.T) {
	const side = 48
	kinds := []string{"circulant", "hadamard", "fourier", "gaussian"}
	stripes := operators.NewImage(operators.Shape{C: 1, H: side, W: side})
	for i := range stripes.Pix {
		stripes.Pix[i] = float32(0.5 + 0.4*math.Sin(float64(i%side)*1.3+float64(i/side)*0.4))
	}
	faint := disc(side)
	for i := range faint.Pix {
		faint.Pix[i] = 0.45 + 0.1*faint.Pix[i]
	}
	colour := operators.Image{Shape: operators.Shape{C: 3, H: side, W: side}, Pix: slices.Concat(disc(side).Pix, stripes.Pix, faint.Pix)}
	says := func(p Problem, text string) string {
		t.Helper()
		sp, err := operators.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		p.Operator, p.Range = sp, Range{} // which is found
		plan, err := New(p, Options{Prior: priors.CT()})
		if err != nil {
			t.Fatal(err)
		}
		return plan.unrelated()
	}
	for name, scene := range map[string]operators.Image{"disc": disc(side), "faint": faint, "stripes": stripes, "colour": colour} {
		for k, kind := range kinds {
			for _, deviation := range []float64{0, 0.03} {
				if deviation == 0 && name != "disc" {
					continue
				}
				spec := "cs:ratio=0.25,seed=3,kind=" + kind
				p := measured(t, spec, scene, deviation).Problem
				p.Noise = noise.White{Sigma: deviation}
				if why := says(p, spec); why != "" {
					t.Errorf("%s, %s, noise %v: %s", name, spec, deviation, why)
				}
				// All but few numbers are in the noise.
				quiet := kind == "fourier" && (name == "faint" || name == "stripes")
				others := []string{"cs:ratio=0.25,seed=4,kind=" + kind}
				if other := kinds[(k+1)%4]; other != "fourier" && kind != "fourier" { // which have one number more
					others = append(others, "cs:ratio=0.25,seed=3,kind="+other)
				}
				for _, other := range others {
					if quiet {
						continue
					}
					if says(p, other) == "" {
						t.Errorf("%s, noise %v: %s taken for %s", name, deviation, spec, other)
					}
				}
				rand.New(rand.NewPCG(1, 2)).Shuffle(len(p.Y.Pix), func(i, j int) { p.Y.Pix[i], p.Y.Pix[j] = p.Y.Pix[j], p.Y.Pix[i] })
				if says(p, spec) == "" && !quiet {
					t.Errorf("%s, %s, noise %v: in another order, and nothing is said", name, spec, deviation)
				}
			}
		}
	}
	black := operators.NewImage(operators.Shape{C: 1, H: side, W: side})
	p := measured(t, "cs:ratio=0.25", black, 0.03).Problem
	if why := says(p, "cs:ratio=0.25"); why != "" {
		t.Errorf("noise alone: %s", why)
	}
}

// TestUnrelatedIsSuspect: the verdict is that of the result.
func TestUnrelatedIsSuspect(t *testing.T) {
	p := measured(t, "cs:ratio=0.3,seed=3", disc(32), 0.01).Problem
	p.Range = Range{}
	for seed, want := range map[int]bool{3: false, 4: true} {
		var err error
		if p.Operator, err = operators.ParseSpec(fmt.Sprintf("cs:ratio=0.3,seed=%d", seed)); err != nil {
			t.Fatal(err)
		}
		plan, err := New(p, Options{Prior: priors.CT()})
		if err != nil {
			t.Fatal(err)
		}
		r, err := plan.Solve(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(r.Suspect, "seed, kind or ratio"); got != want {
			t.Errorf("seed %d: %q", seed, r.Suspect)
		}
	}
}
