package noise_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

func ExampleFindWhite() {
	rng := rand.New(rand.NewPCG(1, 2))
	m := operators.NewImage(operators.Shape{C: 1, H: 256, W: 256})
	for i := range m.Pix {
		m.Pix[i] = float32(i%256) / 512 // a ramp
	}
	operators.AddGaussian(m.Pix, m.Pix, 0.05, rng)
	fmt.Printf("%.2f\n", noise.FindWhite(m))
	// Output: 0.05
}
