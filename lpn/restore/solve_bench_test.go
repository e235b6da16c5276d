package restore_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// BenchmarkSolve decides and solves, on one thread, and reports the iterations.
func BenchmarkSolve(b *testing.B) {
	for _, c := range []struct {
		name, spec string
		side       int
		noise      float64
		prior      priors.Prior
	}{
		{"gaussian/256", "blur:gaussian,sigma=1.6", 256, 0.01, priors.Gray25()},
		{"motion/256", "blur:motion,length=9,angle=30", 256, 0.01, priors.Gray25()},
		{"tomo/512", "tomo:angles=200,detectors=400", 512, 0.1, priors.CT()},
	} {
		b.Run(c.name, func(b *testing.B) {
			spec, err := operators.ParseSpec(c.spec)
			if err != nil {
				b.Fatal(err)
			}
			e, err := restore.Simulate(blobs(c.side, c.side), spec, noise.White{Sigma: c.noise}, rand.New(rand.NewPCG(1, 2)))
			if err != nil {
				b.Fatal(err)
			}
			iters := 0
			for b.Loop() {
				plan, err := restore.New(e.Problem, restore.Options{Prior: c.prior, Threads: 1})
				if err != nil {
					b.Fatal(err)
				}
				r, err := plan.Solve(context.Background(), nil)
				if err != nil {
					b.Fatal(err)
				}
				iters = r.Iterations
			}
			b.ReportMetric(float64(iters), "iterations")
		})
	}
}
