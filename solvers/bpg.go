package solvers

import (
	"cmp"
	"fmt"
	"iter"
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// BPG minimises F(x) = h(x) + lambda R(x) for a learned prior R, at any weight lambda >
// 0, with one evaluation of the network for each iteration. It is the default solver.
//
// Its variable is the dual point y, of which x = f(y) = grad psi(y) is the
// picture. There both R and its gradient are free,
//
//	R(x) = <y,x> - 1/2||x||^2 - psi(y),   grad R(x) = y - x,
//
// and a step goes against the gradient of F at x:
//
//	x_k = f(y_k)
//	g_k = grad h(x_k) + lambda (y_k - x_k)
//	y_{k+1} = y_k - P g_k
//
// # The textbook step
//
// P = I/c is Bregman proximal gradient descent (Bauschke, Bolte & Teboulle
// 2017; Bolte, Sabach, Teboulle & Vaisbourd 2018) with the reference function
// psi* = R + 1/2||.||^2: F is L-smooth relative to it with
// L = lambda + max(0, Lip(grad h) - lambda) Lip(f), and falls for c >= L.
// Step > 0 runs this, with c = 1/Step.
//
// # The default step
//
// P = (H + c I)^-1, H the Hessian of h (A'A for LeastSquares): in closed form where h
// is a CurvatureSolver, by a few conjugate gradients where it is a Hessian, and I/c
// otherwise. At c = lambda this is ADMM in the order x,z,u with rho = lambda, written
// in y = x + u (or Douglas-Rachford splitting with the network first); as c grows it
// becomes the textbook step. The search for c runs between the fast method and the safe
// one: c starts at lambda, and is tripled until
//
//	F(x_{k+1}) - F(x_k) <= <g_k, x_{k+1} - x_k> / 100    and
//	-<g_k, x_{k+1} - x_k> >= m ||g_k||^2 / (10 (c + Lip(grad h))),
//
// with m the modulus of psi; afterwards it falls again.
//
// # The step for images
//
// Where Scene is given, another P is tried first. Newton's step for x is -(H + lambda
// Q)^-1 g, Q the Hessian of R, and that of y, as dy = (I + Q) dx,
//
//	P = (I + Q) (H + lambda Q)^-1.
//
// Near an image Q grows with the square of the frequency, as that of a quadratic penalty
// of the differences D of neighbouring pixels: Q is taken to be I/5 + kappa D'D, with
// the kappa for which it has the observed share of grad R at the first iterate x_1,
//
//	kappa = <y_1 - x_1, x_1> / ||D x_1||^2,
//
// means of planes left out, at least Kappa, and P is applied by conjugate gradients. If this
// step fails the test above, its change of g is put into the memory of steps, from which
// the next one is taken; if that fails too, the method takes the step of the last section.
//
// From the second iteration on, the step is taken from the minimiser of F's
// quadratic model over the last three steps, as conjugate gradients do with
// one: with dy, dx, dg their changes of y, x and g,
//
//	y_{k+1} = y' - P g',  y' = y_k - sum gamma_i dy_i,  g' = g_k - sum gamma_i dg_i,
//
// gamma such that <dx_i, g'> = 0. If that step fails the test, the method drops the
// memory of steps and takes the plain step.
//
// # Certificate
//
// When lambda > 0, psi is m-strongly convex with m > 0, R is bounded below and grad h
// is Lipschitz. Then for c large enough every step passes the test (P g tends to g/c,
// and x moves by at least m/c ||g|| along -g), so c stays bounded; summing the two
// inequalities, the sum of ||g_k||^2 is finite: grad F(x_k) tends to 0 and F falls at
// every iteration. A fixed Step is certified when LipF is given and Step <= 1/L.
// Otherwise the method runs without a certificate.
//
// Residual is ||g_k|| / (||grad h(x_k)|| + lambda ||y_k - x_k||).
type BPG struct {
	// H is the fidelity h.
	H Smooth
	// Psi is the prior's potential.
	Psi Potential
	// Lambda is the weight of R; s^2/sigma^2 is the statistical one for noise
	// of standard deviation s and a prior trained at sigma.
	Lambda float64
	// Step, if positive, takes the textbook step 1/c = Step throughout,
	// without search or acceleration.
	Step float64
	// LipF is a bound on Lip(f), for the certificate of a fixed Step and as
	// the first guess of c where h has no Hessian. Default 1, not certified.
	LipF float64
	// Inner bounds the conjugate gradients of a fidelity that has a Hessian but
	// no closed form. Default 40; negative: P = I/c.
	Inner int
	// Scene is the shape of x, if that is an image, for the step for images.
	Scene operators.Shape
	// Kappa is the least kappa of the step for images. Default 0.1, which does for blurs; 1
	// is better for line integrals.
	Kappa float64
	// Start is the first dual point. The default is x0 - grad h(x0)/lambda, which is
	// the dual point of x0 if x0 is critical, moved towards x0 to within a quarter of
	// its norm.
	Start []float32
}

var (
	_ Method    = BPG{}
	_ Certifier = BPG{}
	_ descender = BPG{}
)

func (BPG) descends() {}

// Certificate checks the prior, the fidelity and a fixed step.
func (b BPG) Certificate() (bool, string) {
	if !(b.Lambda > 0) {
		return false, fmt.Sprintf("the weight lambda is %g, want it positive", b.Lambda)
	}
	l := lipschitz(b.H)
	if !finite(l) {
		return false, "the fidelity has no known Lipschitz constant"
	}
	if b.Step > 0 {
		if b.LipF == 0 {
			return false, "a fixed step needs a bound on Lip(f)"
		}
		if rel := b.Lambda + max(0, l-b.Lambda)*b.LipF; b.Step*rel > 1+1e-9 {
			return false, fmt.Sprintf("step %.3g is above 1/L = %.3g", b.Step, 1/rel)
		}
	}
	return priorHolds(b.Psi, true)
}

// dualPoint is y with everything that follows from it.
type dualPoint struct {
	y, x, g      []float32
	h, psi, r, f float64
	// noise is about the rounding error of h + lambda psi (networks of single
	// precision err by 2e-8 to 5e-8 of psi), scale is the residual's
	// denominator, gg is ||g||^2.
	noise, scale, gg float64
}

func newDualPoint(n int) *dualPoint {
	return &dualPoint{y: make([]float32, n), x: make([]float32, n), g: make([]float32, n)}
}

// eval fills p from p.y: the iteration's one network call.
func (b BPG) eval(p *dualPoint) {
	p.psi = b.Psi.Eval(p.x, p.y)
	p.h = valueGradient(b.H, p.g, p.x)
	gh := norm2(p.g)
	xx, yx, dd := 0.0, 0.0, 0.0
	l := float32(b.Lambda)
	for i, x := range p.x {
		y := p.y[i]
		d := y - x
		xx += float64(x) * float64(x)
		yx += float64(y) * float64(x)
		dd += float64(d) * float64(d)
		p.g[i] += l * d
	}
	p.r = yx - xx/2 - p.psi
	p.f = p.h + b.Lambda*p.r
	p.noise = 3e-8 * (math.Abs(p.h) + b.Lambda*math.Abs(p.psi))
	p.scale = gh + b.Lambda*math.Sqrt(dd)
	p.gg = dot(p.g, p.g)
}

// metric is how P is applied.
type metric int

const (
	scalar metric = iota // P = I/c
	closed               // a CurvatureSolver
	krylov               // conjugate gradients on a Hessian
)

// Steps runs from x0; see Method and Start. The first iterate is f(Start). The sequence
// ends when no step lowers F by more than rounding.
func (b BPG) Steps(x0 []float32) iter.Seq[Iterate] {
	return func(yield func(Iterate) bool) {
		s := b.begin(x0)
		for k := 1; ; k++ {
			p := s.at
			it := Iterate{K: k, X: p.x, Objective: p.f, Data: p.h, Prior: b.Lambda * p.r,
				Residual: ratio(math.Sqrt(p.gg), p.scale)}
			if !yield(it) || !s.advance() {
				return
			}
		}
	}
}

// bpgState is one run.
type bpgState struct {
	BPG
	kind metric
	// c is the damping, relax its factor after a step that passed at once.
	c, relax float64
	// m is psi's modulus, l is Lip(grad h), 0 where unknown.
	m, l float64
	// kappa is the weight of D'D in Q, 0 without the step for images.
	kappa    float64
	at, next *dualPoint
	past     *subspace
	y, g, d  []float32
}

func (b BPG) begin(x0 []float32) *bpgState {
	n := len(x0)
	vec := func() []float32 { return make([]float32, n) }
	s := &bpgState{BPG: b, at: newDualPoint(n), next: newDualPoint(n),
		past: newSubspace(n), y: vec(), g: vec(), d: vec(), relax: 0.7}
	s.start(x0)
	if c, ok := b.Psi.(StronglyConvex); ok {
		s.m = c.StrongConvexity()
	}
	s.l = lipschitz(b.H)
	if c, ok := b.H.(CurvatureSolver); ok && c.HasCurvature() {
		s.kind = closed
	} else if _, ok := b.H.(Hessian); ok {
		s.kind = krylov
	}
	s.c = b.Lambda
	switch {
	case b.Step > 0:
		s.kind, s.c = scalar, 1/b.Step
	case b.Inner < 0 || s.kind == scalar:
		// Here c must reach the largest curvature: let it down slowly.
		s.kind, s.relax = scalar, 0.9
		if finite(s.l) {
			s.c += max(0, s.l-b.Lambda) * max(b.LipF, 1)
		}
	}
	b.eval(s.at)
	if s.kind != scalar && b.Scene.Len() == n && takesImages(b.H) {
		s.kappa = smoothness(s.at, b.Scene, cmp.Or(b.Kappa, 0.1))
	}
	return s
}

// start writes the first dual point.
func (s *bpgState) start(x0 []float32) {
	if s.Start != nil {
		checkLen("BPG.Start", len(s.Start), len(x0))
		copy(s.at.y, s.Start)
		return
	}
	s.H.Gradient(s.g, x0)
	k := 1 / s.Lambda
	if g, far := norm2(s.g), norm2(x0)/4; k*g > far {
		k = far / g
	}
	addScaled(s.at.y, x0, -k, s.g)
}

// advance makes one step, or reports that none lowers F.
func (s *bpgState) advance() bool {
	if s.Step > 0 {
		addScaled(s.next.y, s.at.y, -s.Step, s.at.g)
		s.eval(s.next)
		s.at, s.next = s.next, s.at
		return true
	}
	for try := range 14 {
		images := s.kappa > 0 && try < 2
		s.propose(images)
		s.eval(s.next)
		if s.passes() {
			if try == 0 {
				s.c = max(s.Lambda, s.relax*s.c)
			}
			s.past.push(s.at, s.next)
			s.at, s.next = s.next, s.at
			return true
		}
		switch {
		case images && try == 0 && finite(s.next.f):
			s.past.push(s.at, s.next)
		case s.past.n > 0:
			s.past.forget()
		case !images:
			s.c *= 3
		}
	}
	return false
}

// propose writes the next dual point, by the step for images or by that with c.
func (s *bpgState) propose(images bool) {
	s.past.minimise(s.y, s.g, s.at)
	switch {
	case images:
		s.newton()
	case s.kind == closed:
		s.H.(CurvatureSolver).SolveCurvature(s.d, s.g, s.c)
	case s.kind == krylov:
		s.krylov()
	default:
		clear(s.d)
		axpy(s.d, 1/s.c, s.g)
	}
	addScaled(s.next.y, s.y, -1, s.d)
}

// krylov solves (H + c I) d = g to a few percent, from 0: d is then a positive
// definite map of g whatever the preconditioner, and tends to g/c.
func (s *bpgState) krylov() {
	if n, ok := s.H.(NewtonSolver); ok {
		n.SolveAt(s.d, s.at.x, s.g, s.c)
		return
	}
	s.solve(s.d, s.c, 0, 0.05)
}

// leastCurvature is Q of a constant image. That of trained networks is 0.02 to 0.08; where
// the blur of an image is undone, such small ones make steps that are too long.
const leastCurvature = 0.2

// takesImages reports whether the step for images is for h: where H + c I has a closed
// form and H + mu D'D has none, that is as good and cheaper.
func takesImages(h Smooth) bool {
	if _, own := h.(NewtonSolver); own {
		return false
	}
	if c, ok := h.(CurvatureSolver); ok && c.HasCurvature() {
		l, ok := h.(*LeastSquares)
		if !ok {
			return false
		}
		_, knows := l.A.(operators.NormalPreconditioner)
		return knows
	}
	_, ok := h.(Hessian)
	return ok
}

// newton is the step for images, d = (I + Q) (H + lambda Q)^-1 g.
func (s *bpgState) newton() {
	dx := borrow(len(s.d))
	defer giveBack(dx)
	s.solve(dx, s.Lambda*leastCurvature, s.Lambda*s.kappa, 0.1)
	clear(s.d)
	axpy(s.d, 1+leastCurvature, dx)
	addLaplacian(s.d, dx, s.Scene, s.kappa)
}

// solve solves (H + rho I + mu D'D) d = g to a relative residual of tol, from 0.
func (s *bpgState) solve(d []float32, rho, mu, tol float64) {
	inner := s.Inner
	if inner == 0 {
		inner = 40
	}
	product := s.H.(Hessian).HessianAt(s.at.x)
	clear(d)
	operators.CG{
		Apply: func(dst, v []float32) {
			product(dst, v)
			axpy(dst, rho, v)
			addLaplacian(dst, v, s.Scene, mu)
		},
		Precondition: preconditioner(s.H, rho, mu),
		Tol:          tol, MaxIters: inner,
	}.Solve(d, s.g)
}

// smoothness is kappa = <y - x, x> / ||D x||^2 of an image x, its planes without their
// means, and at least least; 0 where that is no weight.
func smoothness(p *dualPoint, scene operators.Shape, least float64) float64 {
	share, rough := 0.0, 0.0
	lx := borrow(len(p.x))
	defer giveBack(lx)
	clear(lx)
	addLaplacian(lx, p.x, scene, 1)
	n := scene.H * scene.W
	for c := range scene.C {
		mean := 0.0
		for _, v := range p.x[c*n : (c+1)*n] {
			mean += float64(v) / float64(n)
		}
		for i := c * n; i < (c+1)*n; i++ {
			x := float64(p.x[i])
			share += (float64(p.y[i]) - x) * (x - mean)
			rough += float64(lx[i]) * x
		}
	}
	if k := share / rough; k > 0 && finite(k) {
		return min(max(k, least), 100)
	}
	return 0
}

// passes is the test of the doc on the step from at to next. The change of F
// is that of h and psi, and of inner products whose differences are summed
// pixel by pixel, which keeps their precision. psi and h being convex, it lies
// between <g_k, dx> - lambda/2 ||dx||^2 and <g_{k+1}, dx> + lambda/2 ||dx||^2:
// where that interval is as narrow as the rounding of psi, its middle (the
// trapezoidal rule, exact for a quadratic F) is the better estimate.
func (s *bpgState) passes() bool {
	p, q := s.at, s.next
	if !finite(q.f) {
		return false
	}
	slope, after, dual, dd := 0.0, 0.0, 0.0, 0.0
	for i, u := range q.x {
		xp, xq := float64(p.x[i]), float64(u)
		yp, yq := float64(p.y[i]), float64(q.y[i])
		d := xq - xp
		slope += float64(p.g[i]) * d
		after += float64(q.g[i]) * d
		dual += (yq-yp)*xq + (yp-(xp+xq)/2)*d
		dd += d * d
	}
	fall := q.h - p.h + s.Lambda*(dual-(q.psi-p.psi))
	if (after-slope+s.Lambda*dd)/2 <= p.noise {
		fall = (slope + after) / 2
	}
	least := 0.0
	if finite(s.l) {
		least = 0.1 * s.m * p.gg / (s.c + s.l)
	}
	return slope <= 0 && fall <= 0.01*slope && -slope >= least
}
