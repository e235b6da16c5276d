// Package proxtest tests whether a map is a prox. Use it for your own prior.
//
//	func TestMyPrior(t *testing.T) {
//		proxtest.Check(t, myPrior, proxtest.Options{N: 3, Convex: true, Value: g})
//	}
//
// prox_{t g}(v) = argmin_x t g(x) + 1/2||x-v||^2 is tested against brute
// force (no nearby or random point has a lower energy, which needs few
// samples), for monotonicity and, when g is convex, firm non-expansiveness
// (Moreau 1965), for the gradient of its Moreau envelope, for the value that a
// solvers.ValuedProx returns, and for being computed in place.
package proxtest
