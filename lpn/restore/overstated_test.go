package restore_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
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
