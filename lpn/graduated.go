package lpn

import (
	"context"
	"math"

	"github.com/lpn-imaging/lpn/solvers"
)

// Graduated finds a starting point for
//
//	F(x) = h(x) + lambda R(x)
//
// where R is far from convex and the data are few, so that a solver ends in the
// nearest of many minima: undersampled measurements, whose quadratic estimate
// is full of aliases much larger than the noise that the prior knows. It
// solves a chain of problems of decreasing scale and weight (graduated
// non-convexity: Blake & Zisserman 1987), each begun where the one before
// ended,
//
//	F_j(x) = h(x) + lambda_j R(s_j x)/s_j^2,  s_j = s_0^(1-j/n),  lambda_j = lambda_0^(1-j/n) lambda^(j/n),
//
// j = 0 to n-1, by BPG. The point is what F itself, j = n, is to begin with:
// its solver and what that certifies are not touched.
type Graduated struct {
	// H is the fidelity h, Psi the potential of R, Lambda its weight in F.
	H      solvers.Smooth
	Psi    solvers.Potential
	Lambda float64
	// Scale is s_0: below 1 the prior takes noise for larger than it is.
	// Default 1/4.
	Scale float64
	// First is lambda_0, not below Lambda. Default 1/16, for measurements whose
	// rows are about of length 1.
	First float64
	// Stages is n. Default 2.
	Stages int
	// Iters bounds the iterations of a stage. Default 16.
	Iters int
	// RelChange ends a stage. Default 1e-3.
	RelChange float64
}

// Start returns the point reached from x0, x0 itself where no stage makes a
// finite step. The error is ctx's.
func (g Graduated) Start(ctx context.Context, x0 []float32) ([]float32, error) {
	scale, first, n, iters, tol := g.Scale, g.First, g.Stages, g.Iters, g.RelChange
	if scale == 0 {
		scale = 0.25
	}
	if first == 0 {
		first = 1. / 16
	}
	if n == 0 {
		n = 2
	}
	if iters == 0 {
		iters = 16
	}
	if tol == 0 {
		tol = 1e-3
	}
	first = max(first, g.Lambda)
	x := x0
	for j := range n {
		t := float64(j) / float64(n)
		m := solvers.BPG{
			H:      g.H,
			Psi:    Scaled(g.Psi, math.Pow(scale, 1-t)),
			Lambda: math.Pow(first, 1-t) * math.Pow(g.Lambda, t),
		}
		r, err := solvers.Solve(ctx, m, x, solvers.Stop{MaxIters: iters, RelChange: tol})
		if ctx.Err() != nil {
			return x, ctx.Err()
		}
		if err != nil {
			return x, nil
		}
		x = r.X
	}
	return x, nil
}
