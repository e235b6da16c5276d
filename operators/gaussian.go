package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"
)

// MaxGaussian is the largest number of entries of a GaussianSensing matrix.
const MaxGaussian = 1 << 25

// GaussianSensing is compressed sensing by a dense matrix, m x n with n = H W,
// of independent numbers from N(0,1/n); rows have a length of about 1 (Candes
// and Tao 2006). It takes 4mn bytes.
type GaussianSensing struct {
	planes
	a    blas32.General
	norm func() float64

	mu     sync.Mutex
	gram   *mat.SymDense // A A'
	rho    float64
	factor mat.Cholesky // of A A' + rho I
	y, x   []float32
	z      *mat.VecDense
}

// NewGaussianSensing draws the matrix for scenes of shape s. ratio is the
// number of measurements per pixel, in (0,1]. It returns an error if the matrix
// would have more than MaxGaussian entries.
func NewGaussianSensing(s Shape, ratio float64, seed uint64) (*GaussianSensing, error) {
	m, err := checkSensing(s, ratio)
	if err != nil {
		return nil, err
	}
	n := s.H * s.W
	if n > MaxGaussian/m {
		return nil, fmt.Errorf("operators: a dense matrix of %d x %d is too large; want at most %d entries, or another kind of sensing", m, n, MaxGaussian)
	}
	rng := rand.New(rand.NewPCG(seed, 0x67617573))
	g := &GaussianSensing{planes: planes{s, Shape{s.C, 1, m}}}
	g.a = blas32.General{Rows: m, Cols: n, Stride: n, Data: make([]float32, m*n)}
	k := 1 / math.Sqrt(float64(n))
	for i := range g.a.Data {
		g.a.Data[i] = float32(k * rng.NormFloat64())
	}
	g.norm = sync.OnceValue(func() float64 {
		plane := &GaussianSensing{planes: planes{Shape{1, s.H, s.W}, Shape{1, 1, m}}, a: g.a}
		return lanczosNorm(plane, 60, 1)
	})
	return g, nil
}

// Norm is ||A||, about 1 + sqrt(m/n), by 60 steps of the Lanczos method at the
// first call.
func (g *GaussianSensing) Norm() float64 { return g.norm() }

// Apply writes the measurements of x to dst.
func (g *GaussianSensing) Apply(dst, x []float32) {
	g.check("GaussianSensing.Apply", dst, x)
	g.each(dst, x, func(y, x []float32) { g.gemv(blas.NoTrans, y, x) })
}

// Adjoint writes A'y to dst.
func (g *GaussianSensing) Adjoint(dst, y []float32) {
	g.check("GaussianSensing.Adjoint", y, dst)
	g.each(y, dst, func(y, x []float32) { g.gemv(blas.Trans, x, y) })
}

func (g *GaussianSensing) gemv(t blas.Transpose, dst, src []float32) {
	clear(dst)
	blas32.Gemv(t, 1, g.a, blas32.Vector{N: len(src), Inc: 1, Data: src}, 0, blas32.Vector{N: len(dst), Inc: 1, Data: dst})
}

// SolveNormal writes the solution of (A'A + rho I) x = b to dst, by Woodbury's
// identity: x = (b - A'(A A' + rho I)^-1 A b)/rho. The m x m factorisation is
// kept for the last rho.
func (g *GaussianSensing) SolveNormal(dst, b []float32, rho float64) {
	checkLen("GaussianSensing.SolveNormal dst", len(dst), g.domain.Len())
	checkLen("GaussianSensing.SolveNormal b", len(b), g.domain.Len())
	g.mu.Lock()
	defer g.mu.Unlock()
	g.factorise(rho)
	n, y, z, back := g.a.Cols, g.y, g.z, g.x
	for c := range g.domain.C {
		plane := b[c*n : (c+1)*n]
		g.gemv(blas.NoTrans, y, plane)
		for i, v := range y {
			z.SetVec(i, float64(v))
		}
		g.factor.SolveVecTo(z, z) // an error only warns of a large condition number
		for i := range y {
			y[i] = float32(z.AtVec(i))
		}
		g.gemv(blas.Trans, back, y)
		out := dst[c*n : (c+1)*n]
		for i, v := range back {
			out[i] = float32((float64(plane[i]) - float64(v)) / rho)
		}
	}
}

func (g *GaussianSensing) factorise(rho float64) {
	m := g.a.Rows
	if g.gram == nil {
		wide := mat.NewDense(m, g.a.Cols, nil)
		for i, v := range g.a.Data {
			wide.Set(i/g.a.Cols, i%g.a.Cols, float64(v))
		}
		g.y, g.x, g.z = make([]float32, m), make([]float32, g.a.Cols), mat.NewVecDense(m, nil)
		g.gram = mat.NewSymDense(m, nil)
		g.gram.SymOuterK(1, wide)
	}
	if rho == g.rho {
		return
	}
	shifted := mat.NewSymDense(m, nil)
	shifted.CopySym(g.gram)
	for i := range m {
		shifted.SetSym(i, i, shifted.At(i, i)+rho)
	}
	g.factor.Factorize(shifted)
	g.rho = rho
}
