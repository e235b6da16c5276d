package operators

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// The crossings between the sum and the transform, from which fftTaps comes.
func BenchmarkValidConv(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{3, 5, 7, 9, 11, 15, 25, 51} {
		s := Shape{1, 512, 512}
		gauss, _ := GaussianKernel(float64(size)/6, size)
		for _, way := range []string{"direct", "separable", "spectral"} {
			if way == "direct" && size > 15 {
				continue
			}
			a := newBlur(s, gauss, Symmetric)
			forced(a, way)
			x, y := randomSlice(rng, s.Len()), make([]float32, s.Len())
			b.Run(fmt.Sprintf("%s/%d/apply", way, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					a.Apply(y, x)
				}
			})
			b.Run(fmt.Sprintf("%s/%d/adjoint", way, size), func(b *testing.B) {
				for b.Loop() {
					a.Adjoint(y, x)
				}
			})
		}
	}
}

func BenchmarkSolveNormal(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := Shape{1, 512, 512}
	k, _ := GaussianKernel(1.6, 0)
	for _, bound := range []Boundary{Circular, Symmetric} {
		a, err := NewBlur(s, k, bound)
		if err != nil {
			b.Fatal(err)
		}
		x, y := randomSlice(rng, s.Len()), make([]float32, s.Len())
		b.Run(bound.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.(NormalSolver).SolveNormal(y, x, 0.1)
			}
		})
	}
}
