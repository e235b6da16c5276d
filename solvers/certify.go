package solvers

import "fmt"

// A Certifier says, before it runs, whether its parameters meet the condition of its
// convergence theorem: ok, or why not. The methods of this package implement it.
// Methods learn about priors through StronglyConvex, Bounded and Convexer.
type Certifier interface {
	Certificate() (ok bool, why string)
}

// StronglyConvex is implemented by learned priors: the modulus m of the
// potential psi whose gradient is the prox (psi - m/2||.||^2 is convex). A
// positive modulus makes that prox invertible, and R differentiable on its
// range.
type StronglyConvex interface{ StrongConvexity() float64 }

// Bounded is implemented by priors that know whether R has a lower bound, and
// why not.
type Bounded interface{ BoundedBelow() (bool, string) }

// Convexer is implemented by functions that know whether they are convex.
type Convexer interface{ Convex() bool }

func isConvex(g any) bool {
	c, ok := g.(Convexer)
	return ok && c.Convex()
}

// priorHolds checks what every theorem here asks of a non-convex prior.
func priorHolds(g any, strong bool) (bool, string) {
	if isConvex(g) {
		return true, ""
	}
	if strong {
		s, ok := g.(StronglyConvex)
		if !ok {
			return false, "the prior does not say whether its potential is strongly convex"
		}
		if m := s.StrongConvexity(); !(m > 0) {
			return false, fmt.Sprintf("the prior's potential is not strongly convex (modulus %g)", m)
		}
	}
	b, ok := g.(Bounded)
	if !ok {
		return false, "the prior does not say whether it is bounded below"
	}
	if ok, why := b.BoundedBelow(); !ok {
		return false, "the prior is not bounded below: " + why
	}
	return true, ""
}
