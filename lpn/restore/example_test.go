package restore_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// disc is a bright disc on a gray ground.
func disc(side int) operators.Image {
	m := operators.NewImage(operators.Shape{C: 1, H: side, W: side})
	for y := range side {
		for x := range side {
			m.Pix[y*side+x] = 0.4
			if dy, dx := 2*y-side, 2*x-side; 4*(dy*dy+dx*dx) < side*side {
				m.Pix[y*side+x] = 0.8
			}
		}
	}
	return m
}

func Example() {
	// The measurement: a blurred and noisy disc.
	blur, err := operators.ParseSpec("blur:gaussian,sigma=1.5")
	if err != nil {
		panic(err)
	}
	e, err := restore.Simulate(disc(64), blur, noise.White{Sigma: 0.02}, rand.New(rand.NewPCG(1, 0)))
	if err != nil {
		panic(err)
	}
	// The plan, and what comes of it.
	plan, err := restore.New(e.Problem, restore.Options{Prior: priors.Gray25()})
	if err != nil {
		panic(err)
	}
	result, err := plan.Solve(context.Background(), nil)
	if err != nil {
		panic(err)
	}
	before, after := restore.Compare(e.Truth, e.Problem.Y), restore.Compare(e.Truth, result.Image)
	fmt.Printf("%s by %s, certified: %v\n", plan.Prior, plan.Solver, result.Certified)
	fmt.Printf("closer to the truth by 3 dB or more: %v\n", after.PSNR > before.PSNR+3)
	// Output:
	// gray-25 by bpg, certified: true
	// closer to the truth by 3 dB or more: true
}

func ExampleNew() {
	y := disc(64)
	plan, err := restore.New(restore.Problem{Y: y, Range: restore.Unit, Noise: noise.White{Sigma: 10. / 255}}, restore.Options{Choose: priors.For})
	if err != nil {
		panic(err)
	}
	fmt.Print(plan)
	// Output:
	// operator  denoise of a scene of 64x64 pixels, 1 channel
	// noise     0.03922, given
	// prior     gray-15, trained at 0.05882, scaled by 1.5 to 0.03922
	//           chosen for 1 channel and the level 0.0392 of the noise
	//           to that level
	// weight    lambda 1 = strength 1 x 1 of the operator x the statistical weight
	//           the noise is taken away where it is white, so the statistical weight holds
	// start     the measurement
	//           the measurement is an image of the scene already
	// solver    bpg, at most 200 iterations, to a change of 0.0001
	//           bpg takes any weight for one evaluation of the network an iteration, and its objective falls at every step
	// memory    about 4.05 MiB
}

func ExampleEvaluate() {
	spec, err := operators.ParseSpec("denoise")
	if err != nil {
		panic(err)
	}
	e, err := restore.Simulate(disc(64), spec, noise.White{Sigma: 0.1}, rand.New(rand.NewPCG(1, 0)))
	if err != nil {
		panic(err)
	}
	r, err := restore.Evaluate(context.Background(), e, restore.Options{Choose: priors.For}, map[string]float64{"input": 1})
	if err != nil {
		panic(err)
	}
	fmt.Println("10 dB better than the input:", r.PSNR > r.Baselines["input"].PSNR+10)
	// Output: 10 dB better than the input: true
}
