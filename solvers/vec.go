package solvers

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/scratch"
)

// borrow returns n samples of any content, giveBack ends the loan.
func borrow(n int) []float32   { return scratch.Borrow(n) }
func giveBack(bs ...[]float32) { scratch.GiveBack(bs...) }

func checkLen(what string, got, want int) {
	if got != want {
		panic(fmt.Sprintf("solvers: %s: slice of length %d, want %d", what, got, want))
	}
}

// dot is <a,b>, accumulated in float64.
func dot(a, b []float32) float64 { return kernel.Dot(a, b) }

func norm2(a []float32) float64 { return math.Sqrt(dot(a, a)) }

// dist is ||a-b||.
func dist(a, b []float32) float64 { return math.Sqrt(kernel.SquaredError(a, b)) }

// axpy is dst += k x.
func axpy(dst []float32, k float64, x []float32) { kernel.Axpy(dst, float32(k), x) }

// times is dst = x k, sample by sample; dst may equal x or k.
func times(dst, x, k []float32) {
	for i, v := range x {
		dst[i] = v * k[i]
	}
}

// addScaled is dst = x + k d; dst may equal x or d.
func addScaled(dst, x []float32, k float64, d []float32) {
	x, d = x[:len(dst)], d[:len(dst)]
	q := float32(k)
	for i := range dst {
		dst[i] = x[i] + q*d[i]
	}
}

func sub(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// unset is a number that a method does not know.
func unset() float64 { return math.NaN() }
