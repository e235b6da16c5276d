package train_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/lpn-imaging/lpn/operators"
)

// edges is a Source of pictures of one edge each, at a random place.
type edges struct{}

func (edges) Shape() operators.Shape { return operators.Shape{C: 1, H: 16, W: 16} }

func (edges) Batch(dst []float32, step int) error {
	rng := rand.New(rand.NewPCG(5, uint64(step)))
	for p := 0; p < len(dst); p += 256 {
		at := rng.IntN(16)
		for i := range 256 {
			dst[p+i] = 0.3
			if i%16 >= at {
				dst[p+i] = 0.7
			}
		}
	}
	return nil
}

// Anything that yields samples can be learned from. The result is always an
// exact proximal operator, however short the training.
func ExampleRun() {
	o := train.Options{
		Config: lpn.SoftplusAny(1, 16, 2, 0.1), Source: edges{}, Batch: 4,
		Plan: train.Plan{{Loss: train.L2, Steps: 20, Rate: 1e-3, Cosine: true}},
	}
	r, err := train.Run(context.Background(), o)
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Steps, "steps")

	// The same seed gives the same weights, on any number of threads.
	o.Threads = 1
	again, err := train.Run(context.Background(), o)
	if err != nil {
		panic(err)
	}
	w, v := r.Network.Params(), again.Network.Params()
	same := true
	for name := range w {
		same = same && slices.Equal(w[name], v[name])
	}
	fmt.Println("same bits:", same)
	// Output:
	// 20 steps
	// same bits: true
}

func ExampleParsePlan() {
	p, err := train.ParsePlan("l2:20k@4e-3,warmup=0.05,cosine;pm:5k@1e-4,gamma=0.08")
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Steps(), "steps")
	for _, step := range []int{0, 1000, 10500, 20000} {
		stage, _, _ := p.At(step)
		fmt.Printf("%5d %s %.1e\n", step, stage.Loss, p.RateAt(step))
	}
	// Output:
	// 25000 steps
	//     0 l2 4.0e-06
	//  1000 l2 4.0e-03
	// 10500 l2 2.0e-03
	// 20000 pm 1.0e-04
}

func ExamplePaper() {
	for _, s := range train.Paper(40000) {
		fmt.Printf("%s: %d steps at %g, gamma %.2f\n", s.Loss, s.Steps, s.Rate, s.Gamma)
	}
	// Output:
	// l1: 20000 steps at 0.001, gamma 0.00
	// pm: 5000 steps at 0.0001, gamma 0.64
	// pm: 5000 steps at 0.0001, gamma 0.32
	// pm: 5000 steps at 0.0001, gamma 0.16
	// pm: 5000 steps at 0.0001, gamma 0.08
}
