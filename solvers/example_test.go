package solvers_test

import (
	"context"
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// A step edge seen with a pixel missing and noise, restored with total
// variation: the prox of the fidelity is in closed form, so ADMM needs no
// inner iterations but TV's.
func Example() {
	s := operators.Shape{C: 1, H: 1, W: 8}
	y := []float32{0.1, -0.1, 0, 0.1, 0.9, 1.1, 1, 0.9}
	m := solvers.ADMM{
		F:   &solvers.LeastSquares{A: operators.NewIdentity(s), Y: y},
		G:   &solvers.TV{Shape: s, Weight: 0.2, Tol: 1e-6},
		Rho: 1,
	}
	r, err := solvers.Solve(context.Background(), m, y, solvers.Stop{Gradient: 1e-5})
	if err != nil {
		panic(err)
	}
	for _, v := range r.X {
		fmt.Printf("%.2f ", v)
	}
	fmt.Println("certified:", r.Certified)
	// Output: 0.07 0.07 0.07 0.10 0.90 0.93 0.93 0.93 certified: true
}

// soft is psi(y) = 1/2 sum max(|y|-1,0)^2, whose gradient is the soft
// threshold at 1: the prox of R(x) = ||x||_1.
type soft struct{}

func (soft) Eval(dst, y []float32) (psi float64) {
	for i, v := range y {
		u := math.Copysign(max(math.Abs(float64(v))-1, 0), float64(v))
		dst[i] = float32(u)
		psi += u * u / 2
	}
	return psi
}

// Any potential is a prior at any weight: here R is the l1 norm and the weight
// 0.1, so the answer is the measurement moved by 0.1 towards 0.
func ExampleBPG() {
	s := operators.Shape{C: 1, H: 1, W: 4}
	y := []float32{0.05, -0.5, 0.8, 2}
	m := solvers.BPG{
		H:      &solvers.LeastSquares{A: operators.NewIdentity(s), Y: y},
		Psi:    soft{},
		Lambda: 0.1,
	}
	r, err := solvers.Solve(context.Background(), m, y, solvers.Stop{Gradient: 1e-5})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.2f\n", r.X)
	fmt.Println("certified:", r.Certified, "-", r.Uncertified)
	// Output:
	// [0.00 -0.40 0.70 1.90]
	// certified: false - the prior does not say whether its potential is strongly convex
}

// The loop belongs to the caller: Steps is an iterator.
func ExampleMethod() {
	s := operators.Shape{C: 1, H: 1, W: 3}
	m := solvers.PGD{
		H:    &solvers.LeastSquares{A: operators.NewIdentity(s), Y: []float32{3, 0.5, -2}},
		G:    solvers.L1{},
		Step: 0.5,
	}
	for it := range m.Steps(make([]float32, 3)) {
		if it.K%4 == 0 {
			fmt.Printf("%2d  F = %.4f\n", it.K, it.Objective)
		}
		if it.K == 12 {
			break
		}
	}
	// Output:
	//  4  F = 4.1348
	//  8  F = 4.1250
	// 12  F = 4.1250
}

func ExampleWatch() {
	s := operators.Shape{C: 1, H: 1, W: 2}
	m := solvers.Method(solvers.PGD{
		H: &solvers.LeastSquares{A: operators.NewIdentity(s), Y: []float32{2, -1}},
		G: solvers.Box{},
	})
	m = solvers.Watch(m, func(it solvers.Iterate) { fmt.Printf("%d: %v\n", it.K, it.X) })
	r, _ := solvers.Solve(context.Background(), m, make([]float32, 2), solvers.Stop{RelChange: 1e-6})
	fmt.Println(r.Converged, r.Reason)
	// Output:
	// 1: [1 0]
	// 2: [1 0]
	// true relative change 0 at most 1e-06
}

func ExampleTune() {
	// The score would be a mean PSNR on validation pictures.
	score := func(p []float64) (float64, error) { return 30 - math.Pow(math.Log10(p[0]/0.02), 2), nil }
	best, trials, err := solvers.Tune(context.Background(),
		[]solvers.Param{{Name: "strength", Lo: 1e-4, Hi: 1}}, 20, score)
	if err != nil {
		panic(err)
	}
	fmt.Printf("strength %.3f, %.2f dB after %d trials\n", best.Params[0], best.Score, len(trials))
	// Output: strength 0.020, 30.00 dB after 17 trials
}
