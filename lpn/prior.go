package lpn

import (
	"fmt"
	"math"
	"sync"

	"github.com/lpn-imaging/lpn/solvers"
)

// A Prior is g = Weight*R, R the function of which a network f = grad psi is
// the proximal operator, as the solvers want it. With tau = t*Weight,
//
//	prox_{t g}(v) = f(y),   y = argmin (1-tau) psi(y) + tau/2 ||y||^2 - <v,y>,
//
// as the gradient of R at x = f(y) is y - x, so that v - x = tau (y - x).
//
// At tau = 1 this is f(v): one evaluation of the network. For tau < 1 it is a strongly
// convex problem, with a condition number of at most ((1-tau) Lip(f) + tau) / ((1-tau)
// m + tau), m the modulus of psi, and is solved by L-BFGS. For tau > 1 the problem has
// the same minimal value (by Toland's duality) and is bounded below where R is, but it
// is convex only if Lip(f) < tau/(tau-1); otherwise the result is a critical point of
// tau R + 1/2||x-v||^2, and ProxCertificate reports this.
//
// A Prior is a value: copy it freely. It is safe for concurrent use unless it
// was made by WarmStarted.
type Prior struct {
	// Psi is the potential: a *Bound, or a result of Scaled, Mix or Ensemble.
	Psi solvers.Potential
	// Weight is lambda. Default 1. The statistical one for noise of standard
	// deviation s and a prior trained at sigma is s^2/sigma^2.
	Weight float64
	// Tol is the relative residual at which inner problems stop. Default 1e-5.
	Tol float64
	// MaxCalls bounds the evaluations of one inner problem. Default 1000.
	MaxCalls int
	// LipF is an upper bound on Lip(f), for ProxCertificate at tau > 1. Default: that
	// of Psi, if it is a solvers.Lipschitzer.
	LipF float64

	warm *warmStart
}

var (
	_ solvers.ValuedProx     = Prior{}
	_ solvers.StronglyConvex = Prior{}
	_ solvers.Bounded        = Prior{}
)

// warmStart remembers the dual point of the last prox.
type warmStart struct {
	sync.Mutex
	y []float32
}

// WarmStarted returns a copy of p that starts each inner problem from the dual point of
// the one before: for a solver that calls it many times at points that move little.
func (p Prior) WarmStarted() Prior {
	p.warm = &warmStart{}
	return p
}

func (p Prior) weight() float64 {
	if p.Weight == 0 {
		return 1
	}
	return p.Weight
}

func (p Prior) tol() float64 {
	if p.Tol == 0 {
		return 1e-5
	}
	return p.Tol
}

func (p Prior) maxCalls() int {
	if p.MaxCalls == 0 {
		return 1000
	}
	return p.MaxCalls
}

// unitTau is how close to 1 tau counts as 1.
const unitTau = 1e-9

// Prox writes prox_{t Weight R}(v) to dst, which may equal v.
func (p Prior) Prox(dst, v []float32, t float64) { p.ProxValue(dst, v, t) }

// ProxValue is Prox, and returns Weight R at the point it wrote, up to the error from
// the tolerance of the inner problem. It panics unless t*Weight is positive.
func (p Prior) ProxValue(dst, v []float32, t float64) (g float64) {
	tau := t * p.weight()
	if !(tau > 0) || math.IsInf(tau, 1) {
		panic(fmt.Sprintf("lpn: Prior.Prox: strength %v, want it positive", tau))
	}
	n := len(v)
	y, x := borrow(n), borrow(n)
	defer giveBack(y, x)
	copy(y, v)
	var psi float64
	if math.Abs(tau-1) <= unitTau {
		psi = p.Psi.Eval(x, y)
	} else {
		if p.warm != nil {
			p.warm.Lock()
			if len(p.warm.y) == n {
				copy(y, p.warm.y)
			}
			p.warm.Unlock()
		}
		goal := p.tol() * scaleOf(v)
		psi = legendre{psi: p.Psi, a: 1 - tau, b: tau, v: v}.solve(y, x, goal, p.maxCalls()).psi
	}
	if p.warm != nil {
		p.warm.Lock()
		p.warm.y = append(p.warm.y[:0], y...)
		p.warm.Unlock()
	}
	g = p.weight() * (dot(y, x) - dot(x, x)/2 - psi)
	copy(dst, x)
	return g
}

// ProxCertificate reports whether Prox at t is the exact prox, up to Tol, or
// why that is not known.
func (p Prior) ProxCertificate(t float64) (bool, string) {
	tau := t * p.weight()
	if tau <= 1+unitTau {
		return true, ""
	}
	l := p.LipF
	if l == 0 {
		if k, ok := p.Psi.(solvers.Lipschitzer); ok {
			l = k.Lipschitz()
		}
	}
	switch {
	case l == 0 || math.IsInf(l, 1):
		return false, fmt.Sprintf("the prox at strength t*Weight = %.3g above 1 wants a bound on Lip(f), and none is known", tau)
	case l >= tau/(tau-1):
		return false, fmt.Sprintf("the prox at strength t*Weight = %.3g wants Lip(f) below %.3g, and only %.3g is known", tau, tau/(tau-1), l)
	}
	return true, ""
}

// StrongConvexity is the modulus m of psi, 0 if Psi does not know it. For t*Weight <= 1
// the potential of the prox is at least as convex (for m <= 1).
func (p Prior) StrongConvexity() float64 { return strongConvexity(p.Psi) }

// BoundedBelow reports whether R has a minimum, and if not why.
func (p Prior) BoundedBelow() (bool, string) { return boundedBelow(p.Psi) }

func strongConvexity(psi solvers.Potential) float64 {
	if s, ok := psi.(solvers.StronglyConvex); ok {
		return s.StrongConvexity()
	}
	return 0
}

func boundedBelow(psi solvers.Potential) (bool, string) {
	if b, ok := psi.(solvers.Bounded); ok {
		return b.BoundedBelow()
	}
	return false, "the potential does not say whether R is bounded below"
}

// Decompose splits Weight R at x = f(y), y the Dual of a PriorValue, into one part for
// each sample; the parts sum to R. It splits psi by integrating f from a flat picture,
// each plane's mean m,
//
//	psi(y) = psi(m) + sum_i (y-m)_i int_0^1 f(m + t(y-m))_i dt
//
// (integrated gradients: Sundararajan, Taly & Yan 2017), by 8 Gauss-Legendre
// nodes, and
//
//	R_i = y_i x_i - x_i^2/2 - psi_i,
//
// where psi(m) and the error of the quadrature are divided evenly among all samples;
// missed is that error. planes is the number of planes of a picture.
func (p Prior) Decompose(y []float32, planes int) (parts []float64, missed float64) {
	n := len(y)
	if planes < 1 || n%planes != 0 {
		panic(fmt.Sprintf("lpn: Decompose: %d samples in %d planes", n, planes))
	}
	x, flat, d, at := borrow(n), borrow(n), borrow(n), borrow(n)
	defer giveBack(x, flat, d, at)
	for c := range planes {
		plane := y[c*n/planes : (c+1)*n/planes]
		sum := 0.0
		for _, v := range plane {
			sum += float64(v)
		}
		for i := range plane {
			flat[c*n/planes+i] = float32(sum / float64(len(plane)))
		}
	}
	move(d, y, -1, flat)
	parts = make([]float64, n)
	for _, g := range gauss8 {
		for _, t := range []float64{(1 + g[0]) / 2, (1 - g[0]) / 2} {
			move(at, flat, t, d)
			p.Psi.Eval(at, at)
			for i, f := range at {
				parts[i] -= g[1] / 2 * float64(f) * float64(d[i])
			}
		}
	}
	constant := p.Psi.Eval(at, flat)
	missed = p.Psi.Eval(x, y) - constant
	for _, v := range parts {
		missed += v
	}
	share := (constant + missed) / float64(n)
	for i := range parts {
		xi, yi := float64(x[i]), float64(y[i])
		parts[i] = p.weight() * (parts[i] - share + yi*xi - xi*xi/2)
	}
	return parts, p.weight() * missed
}

// gauss8 are the nodes, on one side of 0, and weights of Gauss and Legendre's
// rule of 8 points on [-1,1].
var gauss8 = [4][2]float64{
	{0.1834346424956498, 0.3626837833783620}, {0.5255324099163290, 0.3137066458778873},
	{0.7966664774136267, 0.2223810344533745}, {0.9602898564975363, 0.1012285362903763},
}
