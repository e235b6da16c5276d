// Package lanczos finds the extreme eigenvalues of a symmetric map that is known by
// what it does to a vector.
package lanczos

import (
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"gonum.org/v1/gonum/mat"
)

// A Ritz is what some steps of the Lanczos method know of a symmetric map A of n
// dimensions: T = Q'AQ, tridiagonal, of the basis Q of the Krylov space of the start.
type Ritz struct {
	// Values are the eigenvalues of T in ascending order. They lie within the
	// spectrum of A.
	Values []float64
	// Residual bounds the distance of the largest value from an eigenvalue of A.
	Residual float64

	basis [][]float32 // Q; nil where it was not kept
	s     mat.Dense   // the eigenvectors of T
}

// invariant is the norm of what a step leaves, in units of the largest element of T,
// below which the Krylov space is taken to be invariant.
const invariant = 1e-6

// Run makes steps steps of the Lanczos method (Golub & Van Loan, Matrix Computations,
// section 10.1) from the vector q, which it changes; fewer where they find an
// invariant space. apply writes A x to dst.
//
// With full, every vector is orthogonalised against all before, twice; that keeps
// steps vectors in memory, and Lowest is known. Without, the method is the recurrence
// of three vectors, whose largest values are as good and may come several times.
//
// ok is false where the numbers are not finite.
func Run(q []float32, steps int, full bool, apply func(dst, x []float32)) (r Ritz, ok bool) {
	steps = min(steps, len(q))
	normalise(q)
	v, last, w := q, make([]float32, len(q)), make([]float32, len(q))
	if full {
		r.basis = [][]float32{q}
	}
	t := mat.NewSymDense(steps, nil)
	k, beta, largest := 0, 0.0, 0.0
	for {
		apply(w, v)
		alpha := kernel.Dot(v, w)
		t.SetSym(k, k, alpha)
		k++
		if full {
			for range 2 {
				for _, b := range r.basis {
					kernel.Axpy(w, float32(-kernel.Dot(w, b)), b)
				}
			}
		} else {
			kernel.Axpy(w, float32(-alpha), v)
			kernel.Axpy(w, float32(-beta), last)
		}
		beta = math.Sqrt(kernel.Dot(w, w))
		largest = max(largest, math.Abs(alpha))
		if !(beta > invariant*largest) || k == steps {
			break
		}
		t.SetSym(k-1, k, beta)
		largest = max(largest, beta)
		last, v, w = v, w, last
		normalise(v)
		if full {
			r.basis = append(r.basis, v)
			w = make([]float32, len(q))
		}
	}
	var e mat.EigenSym
	if !e.Factorize(t.SliceSym(0, k), true) {
		return r, false
	}
	r.Values = e.Values(nil)
	e.VectorsTo(&r.s)
	r.Residual = beta * math.Abs(r.s.At(k-1, k-1))
	return r, !math.IsNaN(r.Values[0]) && !math.IsNaN(r.Values[k-1])
}

// Lowest is the Ritz vector of the least value, of norm 1. It panics where Run was
// not full.
func (r Ritz) Lowest() []float32 {
	if r.basis == nil {
		panic("lanczos: no basis was kept")
	}
	x := make([]float32, len(r.basis[0]))
	for i := range r.Values {
		kernel.Axpy(x, float32(r.s.At(i, 0)), r.basis[i])
	}
	return x
}

// normalise scales a vector to norm 1; zero stays.
func normalise(x []float32) {
	if n := math.Sqrt(kernel.Dot(x, x)); n > 0 {
		kernel.Scale(x, x, float32(1/n))
	}
}
