package kernel_test

import (
	"fmt"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

func ExampleSoftplus() {
	x := []float32{-1, 0, 1}
	z, s := make([]float32, 3), make([]float32, 3)
	kernel.Softplus(z, s, x, 10)
	fmt.Printf("%.5f\n%.5f\n", z, s)
	// Output:
	// [0.00000 0.06931 1.00000]
	// [0.00005 0.50000 0.99995]
}

func ExampleLogSumExp() {
	x := []float32{1, 1, 1, 1, 100, 0, 0, 0}
	z, s := make([]float32, 2), make([]float32, 8)
	kernel.LogSumExp(z, s, x, 4)
	fmt.Printf("%.4f\n%.2f\n", z, s)
	// Output:
	// [2.3863 100.0000]
	// [0.25 0.25 0.25 0.25 1.00 0.00 0.00 0.00]
}

func ExamplePadSym() {
	dst := make([]float32, 7)
	kernel.PadSym(dst, []float32{1, 2, 3}, 1, 1, 3, 0, 0, 2, 2)
	fmt.Println(dst)
	// Output: [2 1 1 2 3 3 2]
}

// A 3x3 convolution with a filter that sums, on a picture of ones.
func ExampleNewConv() {
	s := kernel.ConvShape{N: 1, H: 3, W: 3, Ci: 1, Co: 1, K: 3, Stride: 1, Pad: 1}
	x, y, w := make([]float32, 9), make([]float32, 9), make([]float32, 9)
	for i := range x {
		x[i], w[i] = 1, 1
	}
	c := kernel.NewConv(s)
	c.Run(y, x, c.Pack(nil, w), false)
	fmt.Println(y)
	// Output: [4 6 4 6 9 6 4 6 4]
}
