package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// A Shape is the size of a planar image: C channels of H rows and W columns.
type Shape struct{ C, H, W int }

// Len is the number of samples, C*H*W.
func (s Shape) Len() int { return s.C * s.H * s.W }

// String writes the shape as CxHxW.
func (s Shape) String() string { return fmt.Sprintf("%dx%dx%d", s.C, s.H, s.W) }

// An Image is a planar picture of float32 samples, nominally in [0,1] but
// never clipped.
type Image struct {
	Shape
	// Pix holds the samples; sample (c,y,x) is Pix[(c*H+y)*W+x].
	Pix []float32
}

// NewImage returns a zero image of shape s.
func NewImage(s Shape) Image { return Image{Shape: s, Pix: make([]float32, s.Len())} }

// Plane returns channel c as a slice of H*W samples sharing the image's memory.
func (m Image) Plane(c int) []float32 { return m.Pix[c*m.H*m.W : (c+1)*m.H*m.W] }

// At returns sample (c,y,x).
func (m Image) At(c, y, x int) float32 { return m.Pix[(c*m.H+y)*m.W+x] }

// Clone returns a copy with its own samples.
func (m Image) Clone() Image {
	return Image{Shape: m.Shape, Pix: append([]float32(nil), m.Pix...)}
}

// A Linear is a linear map A from images of shape Domain to measurements of
// shape Codomain, with its adjoint A'. Implementations are immutable and safe
// for concurrent use. dst must not overlap the input; a slice of the wrong
// length panics.
type Linear interface {
	Domain() Shape
	Codomain() Shape
	Apply(dst, x []float32)   // dst = A x
	Adjoint(dst, y []float32) // dst = A'y
}

// A Normer knows its spectral norm ||A||, or an upper bound that is attained to
// rounding. Then solvers need not estimate it.
type Normer interface{ Norm() float64 }

// A NormalSolver solves (A'A + rho I) x = b in closed form, rho > 0.
// dst may equal b.
type NormalSolver interface {
	SolveNormal(dst, b []float32, rho float64)
}

// A NormalPreconditioner approximates (A'A + rho I + mu D'D)^-1 b, D the differences of
// neighbouring pixels, by a symmetric positive definite map, for conjugate gradients;
// rho > 0, mu >= 0, and dst may equal b.
type NormalPreconditioner interface {
	PreconditionNormal(dst, b []float32, rho, mu float64)
}

// A NearlyOrthogonal operator has rows that are nearly orthogonal to each other:
// A A' is close to the diagonal matrix of RowSquares, their squared lengths,
// one for each number of the codomain. The slice belongs to the operator.
type NearlyOrthogonal interface {
	RowSquares() []float32
}

// An Interpolator computes a simple estimate of the scene, such as a picture enlarged
// by cubic interpolation.
type Interpolator interface {
	Interpolate(dst, y []float32)
}

// A Quantiser measures numbers that are then rounded, as an encoder does: every
// number to a multiple of its step.
type Quantiser interface {
	Linear
	NearlyOrthogonal
	// Steps are the steps, one for each number of the codomain.
	Steps() []float32
	// Quantise rounds the numbers of y; dst may equal y.
	Quantise(dst, y []float32)
	// Decode writes the scene that an ordinary decoder makes of a measurement.
	Decode(dst, y []float32)
}

// Norm returns the spectral norm ||A||: that of a Normer, otherwise by the power method
// on A'A (Golub & Van Loan, 8.2), stopped when the Rayleigh quotient changes by less
// than 1e-6 relative. The estimate is a lower bound; certificates add 1%.
func Norm(a Linear) float64 {
	if n, ok := a.(Normer); ok {
		return n.Norm()
	}
	return PowerNorm(a, 200, 1e-6, 1)
}

// PowerNorm estimates ||A|| by the power method on A'A from a random start
// drawn from seed, with at most iters iterations, until the estimate of
// ||A||^2 changes by less than tol relative.
func PowerNorm(a Linear, iters int, tol float64, seed uint64) float64 {
	rng := rand.New(rand.NewPCG(seed, 0x6e6f726d))
	x := make([]float32, a.Domain().Len())
	y := make([]float32, a.Codomain().Len())
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	normalise(x)
	last := 0.0
	for range iters {
		a.Apply(y, x)
		s := 0.0
		for _, v := range y {
			s += float64(v) * float64(v)
		}
		if s == 0 {
			return 0
		}
		a.Adjoint(x, y)
		normalise(x)
		if math.Abs(s-last) <= tol*s {
			return math.Sqrt(s)
		}
		last = s
	}
	return math.Sqrt(last)
}

func normalise(x []float32) {
	s := 0.0
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	if s == 0 {
		return
	}
	k := float32(1 / math.Sqrt(s))
	for i := range x {
		x[i] *= k
	}
}

func checkLen(op string, got, want int) {
	if got != want {
		panic(fmt.Sprintf("operators: %s: slice of length %d, want %d", op, got, want))
	}
}
