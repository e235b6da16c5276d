// Package solvers recovers a picture x from a measurement y = A x + noise by
// minimising
//
//	F(x) = h(x) + g(x),
//
// the sum of a fidelity h, which is small if A x explains y, and a prior g, which is
// small if x looks like a picture.
//
// # Parts
//
// A fidelity is a [Smooth] (value and gradient), a prior a [Prox] (the map
// v -> argmin t g(x) + 1/2||x-v||^2), a learned prior a [Potential] psi whose
// gradient is a prox. [LeastSquares] and [Poisson] are fidelities; [TV],
// [Wavelet], [L1] and [Box] are classical priors; learned ones come from
// package lpn. A [Method] puts two of them together; its fields are its
// parameters, its documentation the recurrence, the objective and the
// condition under which convergence is certified:
//
//	PGD    x+ = prox_{eta g}(x - eta grad h(x))
//	APGD   the same, accelerated, never rising
//	ADMM   x, multiplier, z: both parts by their prox
//	HQS    half-quadratic splitting
//	DRS    Douglas-Rachford splitting
//	BPG    descent in a learned prior's own geometry: any weight, one network
//	       call an iteration
//
// # Running
//
// [Method.Steps] is the loop, an iterator that the caller ends:
//
//	for it := range m.Steps(x0) {
//		if it.Residual < 1e-4 || it.K == 100 {
//			break
//		}
//	}
//
// [Solve] is that loop with stopping rules, a deadline, a trace and a check for
// divergence. It reports whether a tolerance was met (Converged) and whether the
// method's theorem applied (Certified). A method also runs outside its theorem; then
// the result is not certified.
//
// Pictures are []float32 of any length; only priors that need a grid know a shape. Sums
// are accumulated in float64. Use modifies nothing: several methods may share
// fidelities and priors, and you may range over the Steps of a Method any number of
// times.
package solvers
