package operators_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/operators"
)

func Example() {
	x := operators.NewImage(operators.Shape{C: 1, H: 1, W: 7})
	x.Pix[3] = 1
	k, err := operators.UniformKernel(3)
	if err != nil {
		panic(err)
	}
	a, err := operators.NewBlur(x.Shape, k, operators.Symmetric)
	if err != nil {
		panic(err)
	}
	y := operators.NewImage(a.Codomain())
	a.Apply(y.Pix, x.Pix)
	fmt.Printf("%.2f\n", y.Pix)
	fmt.Printf("norm %.3f\n", operators.Norm(a))
	// Output:
	// [0.00 0.00 0.33 0.33 0.33 0.00 0.00]
	// norm 1.000
}

func ExampleParseSpec() {
	s, err := operators.ParseSpec("blur:gaussian,sigma=1.6")
	if err != nil {
		panic(err)
	}
	fmt.Println(s)
	a, err := s.WithBoundary(operators.Valid).Build(operators.Shape{C: 3, H: 64, W: 80})
	if err != nil {
		panic(err)
	}
	fmt.Println(a.Domain(), "->", a.Codomain())
	_, err = operators.ParseSpec("blur:gausian,sigma=1.6")
	fmt.Println(err)
	// Output:
	// blur:gaussian,sigma=1.6,size=11
	// 3x64x80 -> 3x54x70
	// operator "blur:gausian,sigma=1.6": unknown kind of blur "gausian" (did you mean "gaussian"?); want gaussian, uniform, motion, disk, auto or kernel=FILE
}

func ExampleCompose() {
	scene := operators.Shape{C: 1, H: 32, W: 32}
	k, err := operators.MotionKernel(9, 45)
	if err != nil {
		panic(err)
	}
	blur, err := operators.NewBlur(scene, k, operators.Valid)
	if err != nil {
		panic(err)
	}
	mask, err := operators.NewRandomMask(blur.Codomain(), 0.5, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		panic(err)
	}
	a, err := operators.Compose(mask, blur) // first the blur, then the mask
	if err != nil {
		panic(err)
	}
	fmt.Println(a.Domain(), "->", a.Codomain())
	// Output: 1x32x32 -> 1x26x26
}

func ExampleCG() {
	k, err := operators.MotionKernel(3, 0)
	if err != nil {
		panic(err)
	}
	a, err := operators.NewBlur(operators.Shape{C: 1, H: 1, W: 5}, k, operators.Zero)
	if err != nil {
		panic(err)
	}
	b, x := []float32{1, 2, 3, 2, 1}, make([]float32, 5)
	n, _ := operators.CG{Apply: operators.Normal(a, 0.5)}.Solve(x, b)
	fmt.Printf("%.3f after %d iterations\n", x, n)
	// Output: [0.550 1.344 2.736 1.344 0.550] after 3 iterations
}

func ExampleWriteMeasurement() {
	spec, err := operators.ParseSpec("sr:factor=1.5x2,kernel=bicubic")
	if err != nil {
		panic(err)
	}
	scene := operators.Shape{C: 1, H: 8, W: 9}
	a, err := spec.Build(scene)
	if err != nil {
		panic(err)
	}
	var file bytes.Buffer
	err = operators.WriteMeasurement(&file, operators.Measurement{
		Y: operators.NewImage(a.Codomain()), Spec: spec, Scene: scene, Noise: 0.01})
	if err != nil {
		panic(err)
	}
	m, err := operators.ReadMeasurement(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Spec, m.Spec.Boundary(), m.Scene, m.Y.Shape, m.Noise)
	// Output: sr:factor=1.5x2,kernel=bicubic,align=centre symmetric 1x8x9 1x4x6 0.01
}
