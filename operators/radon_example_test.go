package operators_test

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// A disk is projected to a sinogram and reconstructed.
func ExampleNewFBP() {
	scene := operators.NewImage(operators.Shape{C: 1, H: 64, W: 64})
	for i := range scene.Pix {
		if math.Hypot(float64(i/64-32), float64(i%64-32)) < 20 {
			scene.Pix[i] = 0.5
		}
	}
	a, err := operators.NewRadon(scene.Shape, 120, 0, 180)
	if err != nil {
		fmt.Println(err)
		return
	}
	y := operators.NewImage(a.Codomain())
	a.Apply(y.Pix, scene.Pix)
	x := operators.NewImage(scene.Shape)
	operators.NewFBP(a, operators.Hann).Reconstruct(x.Pix, y.Pix)
	fmt.Println("sinogram:", y.Shape)
	fmt.Printf("inside %.2f, outside %.2f\n", x.At(0, 32, 32), x.At(0, 32, 60))
	// Output:
	// sinogram: 1x120x91
	// inside 0.50, outside 0.00
}

// A quarter as many measurements as pixels, and their back-projection.
func ExampleNewCirculant() {
	s := operators.Shape{C: 3, H: 32, W: 32}
	a, err := operators.NewCirculant(s, 0.25, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Domain(), "->", a.Codomain())
	// Output: 3x32x32 -> 3x1x256
}

// A fourth of the rows of k-space.
func ExampleNewMRI() {
	a, err := operators.NewMRI(operators.Shape{C: 1, H: 128, W: 128}, 4, 0.08, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Codomain(), "norm", a.Norm())
	_, err = operators.NewMRI(operators.Shape{C: 1, H: 128, W: 128}, 8, 0.2, 0)
	fmt.Println(err)
	// Output:
	// 2x32x128 norm 1
	// operators: the centre takes 26 of 128 rows, but acceleration 8 leaves 16; want a smaller centre or acceleration
}
