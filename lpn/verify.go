package lpn

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/internal/lanczos"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// A Certificate is the evidence that a potential's gradient f is an exact proximal
// operator, of a function with a minimum. The signs of the weights, the gain bound and
// the bound on Lip(f) are proved: they hold for every picture. The rest is measured at
// probes. Unknown numbers are nil.
type Certificate struct {
	// OK says that the certificate holds; Reasons names what does not hold.
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons"`
	// ConvexWeights says that every weight that must not be negative is not; nil for a
	// potential that is not one network.
	ConvexWeights *bool `json:"convex_weights"`
	// GradientError compares psi(b)-psi(a) with the integral of <f,dy> from a
	// to b, relative to ||b-a|| ||f(b)-f(a)||.
	GradientError float64 `json:"gradient_error"`
	// JacobianAsymmetry is the largest |<u,Jv> - <v,Ju>| / (||u|| ||Jv|| +
	// ||v|| ||Ju||).
	JacobianAsymmetry float64 `json:"jacobian_asymmetry"`
	// JacobianMinEig is the smallest Ritz value of J = Hess psi found, at
	// least StrongConvexity up to rounding.
	JacobianMinEig  float64 `json:"jacobian_min_eig"`
	StrongConvexity float64 `json:"strong_convexity"`
	// Lipschitz is the largest Ritz value of J found, a lower bound on Lip(f);
	// LipschitzBound is an upper bound for pictures with samples in LipschitzBox, or
	// for all pictures if that is nil.
	Lipschitz      float64     `json:"lipschitz"`
	LipschitzBound *float64    `json:"lipschitz_bound"`
	LipschitzBox   *[2]float64 `json:"lipschitz_box"`
	// GainBound is the g for which psi(y) <= g/2||y||^2 + constant: at most 1
	// means that R is bounded below.
	GainBound *float64 `json:"growth"`
	// FenchelGap is the largest violation of psi(y) + psi*(x) >= <x,y>, or of
	// equality where x = f(y), relative to the terms.
	FenchelGap float64 `json:"fenchel_gap"`
	// InversionResidual is the largest relative ||f(y')-x|| for x = f(y).
	InversionResidual float64 `json:"inversion_residual"`
	// PsiConvexityViolations counts the segments, random and found by
	// descent, on which psi is not convex; PsiConvexity is the least
	// <f(a)-f(b),a-b>/||a-b||^2.
	PsiConvexityViolations int     `json:"psi_convexity_violations"`
	PsiConvexity           float64 `json:"psi_convexity"`
	// DescentViolations counts the steps of proximal gradient descent that
	// raised its objective.
	DescentViolations int `json:"descent_violations"`
	// StripeGain is the largest gain of f about a flat picture that ascents from fixed and
	// random waves of all directions, colours and amplitudes found, at StripeWave: see
	// WaveSearch. StripeMargin is the lowest R at f of such a wave, less R at the flat
	// picture. Nil if the pictures are too small for waves.
	StripeGain   *float64 `json:"stripe_gain"`
	StripeWave   *Wave    `json:"stripe_wave"`
	StripeMargin *float64 `json:"stripe_margin"`
	// Probes counts the points and segments at which something was measured,
	// on pictures of Shape.
	Probes int    `json:"probes"`
	Shape  [3]int `json:"shape"`
	Seed   uint64 `json:"seed"`
}

// What a certificate tolerates: the rounding of single precision, and of
// finite differences where a potential has no Hess.
const (
	tolGradient   = 1e-2
	tolSymmetry   = 1e-3
	tolDifference = 3e-2
	tolEigen      = 1e-3
	tolFenchel    = 1e-4
	tolInversion  = 1e-4
	tolGain       = 1e-3
)

// Probing says at which points a certificate is measured.
type Probing struct {
	// Seed of all that is random.
	Seed uint64
	// Sigma is the scale of noise and steps. Default 0.1; for Network.Verify that of
	// the network.
	Sigma float64
	// Pictures are probes besides the synthetic ones.
	Pictures [][]float32
	// Searches is the number of searches by descent for segments. Default 6.
	Searches int
	// Box are the samples' bounds for Network.Verify's bound on Lip(f).
	// Default [-0.5,1.5].
	Box [2]float64
}

// Verify makes the certificate of a network on pictures of shape s.
func (n *Network) Verify(s operators.Shape, o Probing) (Certificate, error) {
	b, err := n.On(s)
	if err != nil {
		return Certificate{}, err
	}
	if o.Sigma == 0 {
		o.Sigma = n.cfg.Sigma
	}
	if o.Box == [2]float64{} {
		o.Box = [2]float64{-0.5, 1.5}
	}
	c := verify(b, s, o)
	if err := n.MeasureStripes(&c); err != nil {
		return c, err
	}
	signs := true
	for _, p := range n.cfg.Definition().Params {
		for i, v := range n.params[p.Name] {
			if p.Constraint == network.NonNegative && v < 0 {
				if signs {
					c.fail("weight %s[%d] is %v: convexity needs it non-negative", p.Name, i, v)
				}
				signs = false
			}
		}
	}
	c.ConvexWeights = &signs
	gain := n.measureGain()
	c.GainBound = &gain
	if ok, _ := b.BoundedBelow(); ok && gain > 1 {
		c.fail("psi may grow like %.5g/2 ||y||^2, above what its file claims: R may be unbounded below", gain)
	}
	bound, err := n.LipschitzBound(s, o.Box[0], o.Box[1])
	if err != nil {
		return c, err
	}
	c.LipschitzBound = &bound
	if n.cfg.Pyramid != nil {
		box := o.Box
		c.LipschitzBox = &box
	}
	if bound < c.Lipschitz*(1-1e-3) && c.LipschitzBox == nil {
		c.fail("Lip(f) is at least %.4g, above its bound %.4g", c.Lipschitz, bound)
	}
	return c, nil
}

// MeasureStripes searches for waves on pictures larger than the receptive field of f,
// and sets the fields of the certificate about them. Verify does the same;
// MeasureStripes serves for old certificates without these fields. A gain above 1 does
// not fail the certificate of a network for pictures of one size, whose pictures need
// not be flat anywhere. A negative margin does not fail that of a network that is not a
// pyramid: f then depends on the brightness of a flat picture, and R may prefer a wave
// of another brightness.
func (n *Network) MeasureStripes(c *Certificate) error {
	s := operators.Shape{C: n.cfg.Channels, H: n.cfg.Height, W: n.cfg.Width}
	if n.cfg.Height == 0 {
		s.H, s.W = stripeSide, stripeSide
	}
	b, err := n.On(s)
	if err != nil {
		return err
	}
	c.stripes(b, s, c.Seed)
	if n.cfg.Height == 0 {
		c.holdStripes()
	}
	if m := c.StripeMargin; m != nil && *m < 0 && n.cfg.Pyramid != nil {
		c.fail("R prefers a wave to a flat picture, by %.3g", -*m)
	}
	return nil
}

// Pictures of stripeSide pixels are larger than the receptive fields of the built-in
// priors; waves need leastStripeSide.
const (
	stripeSide      = 64
	leastStripeSide = 24
)

// stripes looks for the wave of the largest gain.
func (c *Certificate) stripes(psi solvers.Potential, s operators.Shape, seed uint64) {
	if min(s.H, s.W) < leastStripeSide {
		return
	}
	w, gain, margin := NewWaveSearch(psi, s).Worst(rand.New(rand.NewPCG(seed, 0x73747269706573)), 128, 24, 20)
	if math.IsNaN(gain) || math.IsInf(margin, 0) {
		c.fail("f of a wave is not a number")
		return
	}
	c.StripeGain, c.StripeWave, c.StripeMargin = &gain, &w, &margin
}

// holdStripes fails a certificate whose waves are too strong.
func (c *Certificate) holdStripes() {
	if c.StripeGain != nil && *c.StripeGain > 1 {
		c.fail("f amplifies waves by up to %.4f: %v", *c.StripeGain, *c.StripeWave)
	}
}

// Certificate returns the certificate stored with the network, if any.
func (n *Network) Certificate() (c Certificate, ok bool) {
	text := n.Meta(keyCertificate)
	return c, text != "" && json.Unmarshal([]byte(text), &c) == nil
}

// WithCertificate returns the network with c stored in its file's metadata.
func (n *Network) WithCertificate(c Certificate) (*Network, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return n.WithMeta(keyCertificate, string(text)), nil
}

func (c *Certificate) fail(format string, args ...any) {
	c.OK = false
	c.Reasons = append(c.Reasons, fmt.Sprintf(format, args...))
}

// Verify makes the certificate of any potential on pictures of shape s: of a network,
// or of the results of Scaled, Mix and Ensemble.
func Verify(psi solvers.Potential, s operators.Shape, o Probing) Certificate {
	c := verify(psi, s, o)
	c.stripes(psi, s, o.Seed)
	c.holdStripes()
	return c
}

// verify is Verify without waves.
func verify(psi solvers.Potential, s operators.Shape, o Probing) Certificate {
	if o.Sigma == 0 {
		o.Sigma = 0.1
	}
	if o.Searches == 0 {
		o.Searches = 6
	}
	v := verifier{psi: psi, s: s, o: o, rng: rand.New(rand.NewPCG(o.Seed, 0x766572696679)),
		Certificate: Certificate{OK: true, Reasons: []string{}, StrongConvexity: strongConvexity(psi), JacobianMinEig: math.Inf(1),
			PsiConvexity: math.Inf(1), Shape: [3]int{s.C, s.H, s.W}, Seed: o.Seed}}
	points := v.points()
	v.gradient(points)
	worst := v.convexity(points)
	v.jacobian(append(points[:min(4, len(points))], worst...))
	if v.PsiConvexityViolations > 0 {
		v.fail("psi is not convex on %d segments; the worst has <f(a)-f(b),a-b>/||a-b||^2 = %.3g", v.PsiConvexityViolations, v.PsiConvexity)
	}
	v.duality(points)
	v.descent(points)
	if !v.finite() {
		v.fail("a measurement is not a number")
		v.clean()
	}
	if ok, why := boundedBelow(psi); !ok {
		v.fail("%s", why)
	}
	return v.Certificate
}

type verifier struct {
	Certificate
	psi solvers.Potential
	s   operators.Shape
	o   Probing
	rng *rand.Rand
}

func (v *verifier) n() int { return v.s.Len() }

func (v *verifier) noise(sd float64) []float32 {
	x := make([]float32, v.n())
	for i := range x {
		x[i] = float32(sd * v.rng.NormFloat64())
	}
	return x
}

// points are pictures, clean, noisy and far from any picture.
func (v *verifier) points() [][]float32 {
	n, sigma := v.n(), v.o.Sigma
	shapes := make([]float32, n) // a bright disc on a ramp with stripes
	board := make([]float32, n)
	for i := range shapes {
		y, x := i/v.s.W%v.s.H, i%v.s.W
		dy, dx := float64(y)/float64(v.s.H)-0.5, float64(x)/float64(v.s.W)-0.5
		shapes[i] = float32(0.4 + 0.3*dx)
		if dy*dy+dx*dx < 0.06 {
			shapes[i] = 0.9
		}
		if dy > 0.2 && x/3%2 == 0 {
			shapes[i] -= 0.3
		}
		board[i] = float32((x + y) % 2)
	}
	pictures := append([][]float32{shapes}, v.o.Pictures...)
	var ps [][]float32
	for _, p := range pictures {
		for _, k := range []float64{0, 1, 3} {
			q := v.noise(k * sigma)
			axpy(q, 1, p)
			ps = append(ps, q)
		}
	}
	return append(ps, v.noise(sigma), v.noise(1), board, v.noise(5))
}

// gaussLegendre are nodes and weights of five points on [0,1].
var gaussLegendre = [5][2]float64{
	{0.046910077030668, 0.118463442528095}, {0.230765344947158, 0.239314335249683}, {0.5, 0.284444444444444},
	{0.769234655052842, 0.239314335249683}, {0.953089922969332, 0.118463442528095},
}

// gradient integrates f along short segments.
func (v *verifier) gradient(points [][]float32) {
	n := v.n()
	y, f, a, b := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	for _, p := range points {
		d := v.noise(0.1 * v.o.Sigma)
		pa := v.psi.Eval(a, p)
		move(y, p, 1, d)
		pb := v.psi.Eval(b, y)
		sum := 0.0
		for _, g := range gaussLegendre {
			move(y, p, g[0], d)
			v.psi.Eval(f, y)
			sum += g[1] * dot(f, d)
		}
		rounding := 1e-6*(math.Abs(pa)+math.Abs(pb)) + 1e-6*norm(f)*norm(d)
		off := max(0, math.Abs(pb-pa-sum)-rounding)
		move(f, b, -1, a)
		v.GradientError = max(v.GradientError, off/(norm(d)*norm(f)+1e-30))
		v.Probes++
	}
	if !(v.GradientError <= tolGradient) {
		v.fail("f is not the gradient of psi: along a segment they differ by %.3g", v.GradientError)
	}
}

// move writes dst = x + k d.
func move(dst, x []float32, k float64, d []float32) {
	q := float32(k)
	for i := range dst {
		dst[i] = x[i] + q*d[i]
	}
}

// convexity looks for segments [y-d,y+d] on which psi is not convex: random
// ones, and such as gradient descent on
//
//	(psi(y+d) + psi(y-d) - 2 psi(y)) / ||d||^2
//
// finds from them. Its gradient is f(y+d)+f(y-d)-2f(y) in y and f(y+d)-f(y-d)
// in d. It returns where the least and, by ascent, the largest slopes are.
func (v *verifier) convexity(points [][]float32) [][]float32 {
	for _, p := range points {
		for _, k := range []float64{0.1, 1, 5} {
			v.segment(p, v.noise(k*v.o.Sigma))
		}
	}
	var ends [][]float32
	for k := range v.o.Searches {
		y := append([]float32(nil), points[k%len(points)]...)
		d := v.noise([]float64{0.1, 0.5, 2}[k%3] * v.o.Sigma)
		sign := 1.0 // descent; every third search climbs instead
		if k%3 == 2 {
			sign = -1
		}
		v.search(y, d, sign)
		ends = append(ends, y)
	}
	return ends
}

// segment tests [y-d,y+d] and returns f at its ends.
func (v *verifier) segment(y, d []float32) (up, down []float32) {
	n := v.n()
	a, b := make([]float32, n), make([]float32, n)
	move(a, y, 1, d)
	move(b, y, -1, d)
	pa, pb := v.psi.Eval(a, a), v.psi.Eval(b, b)
	mid := make([]float32, n)
	pm := v.psi.Eval(mid, y)
	v.Probes++
	dd, slope := dot(d, d), dot(a, d)-dot(b, d)
	rounding := 1e-6 * (norm(a) + norm(b)) * math.Sqrt(dd)
	q := slope / (2 * dd)
	v.PsiConvexity = min(v.PsiConvexity, q)
	bend := pa + pb - 2*pm
	if slope < -rounding || bend < -2e-6*(math.Abs(pa)+math.Abs(pb)+2*math.Abs(pm))-rounding {
		v.PsiConvexityViolations++
	}
	for i := range mid { // now the gradient in y
		mid[i] = a[i] + b[i] - 2*mid[i]
	}
	for i := range a { // and in d
		a[i] -= b[i]
	}
	return mid, a
}

// search moves y and d by normalised gradient steps, down for sign 1.
func (v *verifier) search(y, d []float32, sign float64) {
	const steps = 12
	length := norm(d)
	far := v.o.Sigma * math.Sqrt(float64(v.n()))
	for k := range steps {
		gy, gd := v.segment(y, d)
		fall := 1 - float64(k)/steps
		if s := norm(gy); s > 0 {
			axpy(y, -sign*0.3*fall*far/s, gy)
		}
		// At fixed length the direction turns to where psi bends least.
		axpy(gd, -dot(gd, d)/dot(d, d), d)
		if s := norm(gd); s > 0 {
			axpy(d, -sign*0.5*fall*length/s, gd)
		}
		scaleTo(d, d, length/max(norm(d), 1e-30))
	}
}

// jacobian measures symmetry and the extreme eigenvalues of J.
func (v *verifier) jacobian(points [][]float32) {
	n := v.n()
	_, exact := v.psi.(Curved)
	tol := tolSymmetry
	if !exact {
		tol = tolDifference
	}
	product := func(dst, y, d []float32) { hessian(v.psi, dst, y, d, 0.02*v.o.Sigma) }
	u, ju, jv := make([]float32, n), make([]float32, n), make([]float32, n)
	for _, p := range points {
		for range 2 {
			a, d := v.noise(1), v.noise(1)
			product(ju, p, a)
			product(jv, p, d)
			off := math.Abs(dot(a, jv)-dot(d, ju)) * math.Sqrt(float64(n))
			v.JacobianAsymmetry = max(v.JacobianAsymmetry, off/(norm(a)*norm(jv)+norm(d)*norm(ju)+1e-30))
			v.Probes++
		}
		ritz, ok := lanczos.Run(v.noise(1), 30, true, func(dst, d []float32) { product(dst, p, d) })
		if !ok {
			v.JacobianMinEig, v.Lipschitz = math.NaN(), math.NaN()
			break
		}
		v.JacobianMinEig = min(v.JacobianMinEig, ritz.Values[0])
		v.Lipschitz = max(v.Lipschitz, ritz.Values[len(ritz.Values)-1])
		lowest := ritz.Lowest()
		// Where psi bends least, look along the direction in which it does.
		for _, k := range []float64{0.3, 0.03} {
			scaleTo(u, lowest, k*v.o.Sigma*math.Sqrt(float64(n))/max(norm(lowest), 1e-30))
			v.segment(p, u)
		}
	}
	if !(v.JacobianAsymmetry <= tol) {
		v.fail("the Jacobian is not symmetric: <u,Jv> and <v,Ju> differ by %.3g", v.JacobianAsymmetry)
	}
	if least := -tol * max(1, v.Lipschitz); !(v.JacobianMinEig >= least) {
		v.fail("the Jacobian has the eigenvalue %.3g", v.JacobianMinEig)
	} else if exact && v.JacobianMinEig < v.StrongConvexity-tolEigen*max(1, v.Lipschitz) {
		v.fail("psi claims to be %.3g-strongly convex, and its Hessian has the eigenvalue %.3g", v.StrongConvexity, v.JacobianMinEig)
	}
}

// hessian writes Hess psi(y) d to dst: exactly where psi can, else by a
// difference of f over steps of root mean square h.
func hessian(psi solvers.Potential, dst, y, d []float32, h float64) {
	if curved, ok := psi.(Curved); ok {
		curved.Hess(dst, y, d)
		return
	}
	n := len(y)
	h *= math.Sqrt(float64(n)) / max(norm(d), 1e-30)
	a, b := borrow(n), borrow(n)
	defer giveBack(a, b)
	move(a, y, h, d)
	move(b, y, -h, d)
	psi.Eval(a, a)
	psi.Eval(b, b)
	for i := range dst {
		dst[i] = (a[i] - b[i]) / float32(2*h)
	}
}

// duality inverts f where the answer is known, and checks the inequality of
// Fenchel and Young there.
func (v *verifier) duality(points [][]float32) {
	n := v.n()
	x := make([]float32, n)
	prior := Prior{Psi: v.psi}
	other, fo := points[0], make([]float32, n)
	po := v.psi.Eval(fo, other)
	for _, y := range points[:min(6, len(points))] {
		psi := v.psi.Eval(x, y)
		at := prior.At(x)
		v.Probes++
		v.InversionResidual = max(v.InversionResidual, at.Residual)
		if !at.InRange {
			continue
		}
		conjugate := at.R + dot(x, x)/2 // psi*(x), from below
		scale := math.Abs(psi) + math.Abs(dot(x, y)) + dot(x, x)/2 + 1e-30
		v.FenchelGap = max(v.FenchelGap, math.Abs(psi+conjugate-dot(x, y))/scale,
			-(po+conjugate-dot(x, other))/(scale+math.Abs(po)))
	}
	if !(v.InversionResidual <= tolInversion) {
		v.fail("f cannot be inverted: the residual is %.3g", v.InversionResidual)
	}
	if !(v.FenchelGap <= tolFenchel) {
		v.fail("psi and its conjugate miss Fenchel's inequality by %.3g", v.FenchelGap)
	}
}

// descent runs x <- f(x - eta (x - v)) from a noisy picture: with eta < 1 it
// must lower eta/2||x-v||^2 + R(x) at every step.
func (v *verifier) descent(points [][]float32) {
	const eta = 0.7
	n := v.n()
	y, x := make([]float32, n), make([]float32, n)
	for _, p := range points[1:3] {
		copy(x, p)
		last := math.Inf(1)
		for range 10 {
			for i := range y {
				y[i] = x[i] - eta*(x[i]-p[i])
			}
			psi := v.psi.Eval(x, y)
			xy, xx := dot(x, y), dot(x, x)
			f := xy - xx/2 - psi
			for i := range x {
				d := float64(x[i]) - float64(p[i])
				f += eta / 2 * d * d
			}
			v.Probes++
			if f > last+1e-6*(math.Abs(xy)+xx+math.Abs(psi)) {
				v.DescentViolations++
			}
			last = f
		}
	}
	if v.DescentViolations > 0 {
		v.fail("proximal gradient descent raised its objective in %d steps", v.DescentViolations)
	}
}

func (v *verifier) measured() []*float64 {
	return []*float64{&v.GradientError, &v.JacobianAsymmetry, &v.JacobianMinEig, &v.Lipschitz, &v.FenchelGap, &v.InversionResidual, &v.PsiConvexity}
}

func (v *verifier) finite() bool {
	for _, m := range v.measured() {
		if math.IsNaN(*m) || math.IsInf(*m, 0) {
			return false
		}
	}
	return true
}

// clean leaves numbers that JSON can hold.
func (v *verifier) clean() {
	for _, m := range v.measured() {
		if math.IsNaN(*m) || math.IsInf(*m, 0) {
			*m = math.MaxFloat64
		}
	}
}
