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
// when R is far from convex and there are few data, so that a solver ends in the
// nearest of many minima. Such are undersampled measurements: their quadratic estimate
// is full of aliases much larger than the noise for which the prior is made. It solves
// a chain of problems of decreasing scale and weight (graduated non-convexity: Blake &
// Zisserman 1987), each begun where the one before ended,
//
//	F_j(x) = h(x) + lambda_j R(s_j x)/s_j^2,  s_j = s_0^(1-j/n),  lambda_j = lambda_0^(1-j/n) lambda^(j/n),
//
// j = 0 to n-1, by BPG. The last point is the start for F itself, j = n, whose solver
// and certificate stay the same.
type Graduated struct {
	// H is the fidelity h, Psi the potential of R, Lambda its weight in F.
	H      solvers.Smooth
	Psi    solvers.Potential
	Lambda float64
	// Scale is s_0: below 1 the prior is one for more noise. Default 1/4.
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

// Start returns the last point of the chain from x0, or x0 itself if no stage makes a
// finite step. The error is that of ctx.
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
