package blind_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
)

// A picture that is out of focus by a disk of 4 pixels.
func ExampleFind() {
	k, err := operators.DiskKernel(4)
	if err != nil {
		panic(err)
	}
	y := blurredBlocks(k, 200, 0.005)
	e, err := blind.Find(context.Background(), y, blind.Options{Kind: blind.Disk})
	if err != nil {
		panic(err)
	}
	p := e.Parameters[0]
	fmt.Printf("%s of %s %.0f\n", e.Kind, p.Name, p.Value)
	fmt.Println(e.Operator(operators.Valid).Name())
	// Output:
	// disk of radius 4
	// blur
}

// blurredBlocks is a scene of overlapping blocks of random gray, seen
// through a kernel with noise: side pixels a side.
func blurredBlocks(k operators.Kernel, side int, sigma float64) operators.Image {
	rng := rand.New(rand.NewPCG(1, 2))
	x := operators.NewImage(operators.Shape{C: 1, H: side + k.H - 1, W: side + k.W - 1})
	for range 400 {
		h, w := 4+int(40*rng.Float64()*rng.Float64()), 4+int(40*rng.Float64()*rng.Float64())
		y0, x0, v := rng.IntN(x.H), rng.IntN(x.W), float32(0.1+0.8*rng.Float64())
		for i := y0; i < min(y0+h, x.H); i++ {
			for j := x0; j < min(x0+w, x.W); j++ {
				x.Pix[i*x.W+j] = v
			}
		}
	}
	a, err := operators.NewBlur(x.Shape, k, operators.Valid)
	if err != nil {
		panic(err)
	}
	y := operators.NewImage(a.Codomain())
	a.Apply(y.Pix, x.Pix)
	for i := range y.Pix {
		y.Pix[i] += float32(sigma * rng.NormFloat64())
	}
	return y
}
