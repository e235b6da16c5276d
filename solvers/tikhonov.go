package solvers

import "github.com/lpn-imaging/lpn/operators"

// Tikhonov is the quadratic baseline
//
//	argmin_x 1/2||A x - y||^2 + Mu/2 ||grad x||^2 + Rho/2 ||x||^2,
//
// grad the forward differences of neighbouring pixels with no difference
// across the frame. With Mu = 0 it is ridge regression, in closed form where
// A is an operators.NormalSolver; with Mu > 0 it is the Wiener filter of a
// picture whose power spectrum falls as 1/|frequency|^2, by conjugate
// gradients, preconditioned by A's closed form where there is one.
type Tikhonov struct {
	A operators.Linear
	// Mu is the weight of the gradient, Rho that of the picture. Rho = 0 is taken as
	// 1e-6 ||A||^2, so that the system is definite.
	Mu, Rho float64
	// Tol and MaxIters are those of conjugate gradients; 1e-5 and 200. Tomography needs
	// such a small Tol, because the mean of a picture contributes far more to A'y than
	// its edges.
	Tol      float64
	MaxIters int
}

// Solve writes the minimiser for measurement y to dst.
func (t Tikhonov) Solve(dst, y []float32) {
	clear(dst)
	t.SolveFrom(dst, y)
}

// SolveFrom is Solve with dst as the starting point of conjugate gradients.
func (t Tikhonov) SolveFrom(dst, y []float32) {
	s := t.A.Domain()
	checkLen("Tikhonov.Solve", len(dst), s.Len())
	checkLen("Tikhonov.Solve", len(y), t.A.Codomain().Len())
	rho := t.Rho
	if rho == 0 {
		l := operators.Norm(t.A)
		rho = 1e-6 * l * l
	}
	b := borrow(len(dst))
	defer giveBack(b)
	t.A.Adjoint(b, y)
	if ns, ok := t.A.(operators.NormalSolver); ok && t.Mu == 0 {
		ns.SolveNormal(dst, b, rho)
		return
	}
	m := borrow(len(y))
	defer giveBack(m)
	tol, limit := t.Tol, t.MaxIters
	if tol == 0 {
		tol = 1e-5
	}
	if limit == 0 {
		limit = 200
	}
	c := operators.CG{
		Apply: func(dst, x []float32) {
			t.A.Apply(m, x)
			t.A.Adjoint(dst, m)
			axpy(dst, rho, x)
			addLaplacian(dst, x, s, t.Mu)
		},
		Precondition: normalPreconditioner(t.A, rho, t.Mu),
		Tol:          tol, MaxIters: limit,
	}
	c.Solve(dst, b)
}

// addLaplacian is dst += mu D'D x, D the forward differences, per channel.
func addLaplacian(dst, x []float32, s operators.Shape, mu float64) {
	if mu == 0 {
		return
	}
	k := float32(mu)
	for c := range s.C {
		for i := range s.H {
			row := (c*s.H + i) * s.W
			for j := range s.W {
				p := row + j
				u, a := x[p], float32(0)
				if j > 0 {
					a += u - x[p-1]
				}
				if j+1 < s.W {
					a += u - x[p+1]
				}
				if i > 0 {
					a += u - x[p-s.W]
				}
				if i+1 < s.H {
					a += u - x[p+s.W]
				}
				dst[p] += k * a
			}
		}
	}
}
