package restore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// Progress is the state of a running restoration.
type Progress struct {
	// Window is the number of the current window, counted from 0, of Windows. A problem
	// that is solved as a whole is one window.
	Window, Windows int
	// Iterate is the solver's, within the window. Its X must not be kept.
	solvers.Iterate

	plan *Plan // as it is carried out
}

// Image is the iterate as the result would be: the frame, in units of the measurement.
// It has no samples if the problem is solved in windows.
func (p Progress) Image() operators.Image {
	if p.Windows > 1 {
		return operators.Image{}
	}
	return p.plan.frame(p.X)
}

// A Result is the outcome of a restoration.
type Result struct {
	// Image is the restored frame. It may share memory with X.
	Image operators.Image
	// Seconds is the time that it took.
	Seconds float64
	// Suspect is one line on why the result should not be trusted, "" if there is no
	// reason. It is independent of Certified: a theorem covers the solver, not the
	// choice of operator and noise.
	Suspect string
	// Strength is that of the Options, or a better one that was found; then Note has
	// the reason.
	Strength float64
	Note     string
	// LeftAlone says that the result is the measurement itself, or what a decoder makes
	// of it: there was nothing to repair, or no way of doing so without harm.
	LeftAlone bool
	// Result has the solver's report: whether it converged and was certified, the
	// objective, the trace. In windows, Iterations is the largest, Objective is
	// NaN, and X and Trace are nil.
	solvers.Result

	plan *Plan // as it was carried out; nil in windows
}

// Solve restores the plan's problem. If ctx ends, it ends early with the error of ctx.
// It calls progress, which may be nil, in this goroutine at every iteration.
func (p *Plan) Solve(ctx context.Context, progress func(Progress)) (Result, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	if p.Windows != nil {
		return p.solveWindows(ctx, progress)
	}
	start := time.Now()
	if why := p.foreign(); why != "" {
		return p.refused(why, start), ctx.Err()
	}
	y, truth := p.problem.Y, p.problem.Truth
	minimise := func(p *Plan, y operators.Image) (solvers.Result, error) {
		return p.minimise(ctx, p.a, y, p.psi, truth, func(it solvers.Iterate) {
			progress(Progress{Windows: 1, Iterate: it, plan: p})
		})
	}
	s, err := p.solve(ctx, minimise, p.a, y, p.psi)
	if q := p.inLight(s); err == nil && q != nil {
		if other, err := q.solve(ctx, minimise, p.a, y, p.psi); err == nil && other.plan.Strength < s.plan.Strength &&
			other.plan.implausible(other.examination, other.plan.expectedBy(other.examination, y.Pix)) == "" {
			s = other
			s.note = strings.TrimSuffix("in linear light, as the numbers as they are contradict the blur; "+s.note, "; ")
		}
	}
	out := Result{Result: s.Result, Strength: s.plan.Strength, plan: s.plan}
	if err != nil {
		return out, err
	}
	out.Image = s.plan.frame(s.plan.kept(s.X, y))
	out.Suspect = cmp.Or(p.inverted, p.unrelated(), s.plan.verdict(s.examination, p.expectedBy(s.examination, y.Pix)), p.axisDoubt)
	out.Note = strings.TrimSuffix(strings.TrimPrefix(p.AxisLine+"; "+s.note, "; "), "; ")
	s.plan.sayLeftAlone(&out)
	if note := s.plan.overstated(); note != "" {
		out.Note = note
	}
	if p.strained(s.examination) {
		if err := p.giveWay(&out); err != nil {
			return out, err
		}
	}
	s.plan.doubtBlur(&out, s.plan.implausible(s.examination, p.expectedBy(s.examination, y.Pix)) != "")
	out.Seconds = time.Since(start).Seconds()
	return out, nil
}

// sayLeftAlone says of a result that nothing was taken from the measurement.
func (p *Plan) sayLeftAlone(r *Result) {
	r.LeftAlone = p.Lambda == 0 && p.policy.alone
	if r.LeftAlone && r.Note == "" {
		r.Note = "left as it is: no noise to remove"
	}
}

// A solution is a solver's result with what it shows.
type solution struct {
	solvers.Result
	examination
	plan *Plan  // with the strength that was used
	note string // what was changed on the way
}

// strongest is the strength up to which a result is tried again.
const strongest = 64

// A minimiser solves a plan's problem with the measurement y.
type minimiser func(p *Plan, y operators.Image) (solvers.Result, error)

// solve restores y = A x by the given minimisation. Unless the strength was asked
// for, a result that no image looks like, or that leaves much more than noise
// unexplained, is tried again at a larger one: the solver has divided by what the
// operator, which is not that of the measurement, wrongly counts as nearly zero.
func (p *Plan) solve(ctx context.Context, minimise minimiser, a operators.Linear, y operators.Image, psi solvers.Potential) (solution, error) {
	if p.gently() {
		return p.solveGently(ctx, minimise, a, y)
	}
	q, r, err := p.byDiscrepancy(a, y, psi, minimise)
	if err != nil {
		return solution{plan: q, Result: r}, err
	}
	s := solution{Result: r, examination: q.examine(a, y, psi, r), plan: q}
	for range mostTries {
		factor, why := p.raise(s, p.expectedBy(s.examination, y.Pix))
		if why == "" {
			break
		}
		if q, r, err = s.plan.restored(factor*s.plan.Strength, y, minimise); err != nil {
			return s, err
		}
		q.raised = true
		s = solution{Result: r, examination: q.examine(a, y, psi, r), plan: q}
		s.note = fmt.Sprintf("regularised %.3g times as much as the noise asks for: with less, %s", q.Strength/p.Strength, why)
	}
	return s, nil
}

// mostTries bounds the restorations at a larger strength, or at a lower level.
const mostTries = 3

// removable is the root mean square of what may be taken from an image whose noise
// was estimated: a little more than the noise where there is little of it, which is
// hard to tell from texture, and up to 1.4 times as much where there is plenty, or where it is
// surely that of a sensor, which estimates miss a part of. Fitted on simulated camera images.
func (p *Plan) removable() float64 {
	plenty := max(min(max((255*p.deviation-4)/4, 0), 1), p.sensor)
	return max((1.1+0.3*plenty)*p.deviation, quantum)
}

// gently reports whether an image is denoised for a lower level where texture would go with the noise: because the level
// was estimated, or is not the one that was given.
func (p *Plan) gently() bool {
	return p.treatment != nil && p.gentle && (p.Estimated || p.told > 0)
}

// solveGently denoises an image whose noise was estimated. A denoiser takes away no
// more than the noise, rather less; where more is taken, or the image seems no closer
// to the truth, texture went with it, and it is denoised again for a lower level, or
// left as it is in the end.
func (p *Plan) solveGently(ctx context.Context, minimise minimiser, a operators.Linear, y operators.Image) (solution, error) {
	first := *p
	q, note := &first, ""
	for try := 0; ; try++ {
		var err error
		if q.psi, err = q.potential(a.Domain()); err != nil {
			return solution{plan: q}, err
		}
		r, err := minimise(q, y)
		s := solution{Result: r, plan: q, note: note}
		if err != nil || q.Lambda == 0 {
			return s, err
		}
		s.examination = q.examine(a, y, q.psi, r)
		taken, most := s.ratio()*max(q.level(), quantum), p.removable()
		faint := q.faint(r.X)
		if taken <= most && s.ratio() <= unexplained && !faint {
			if helped, err := q.helped(ctx, y, r.X, minimise); helped || err != nil {
				return s, err
			}
		}
		lower := *q
		lower.Level = q.Level * max(0.25, min(0.7, math.Pow(most/taken, 1.5)))
		if try == mostTries || faint { // the measurement itself, on its own scale
			lower.Level, lower.treatment, lower.problem.Y = 0, nil, p.untreated
		}
		if err := lower.decidePrior(); err != nil {
			return s, err
		}
		if err := lower.decideWeight(); err != nil {
			return s, err
		}
		if !lower.affordable(a.Domain()) { // the measurement itself, after all
			lower.Level, lower.Lambda, lower.treatment, lower.problem.Y = 0, 0, nil, p.untreated
		}
		if q = &lower; q.Windows == nil {
			y = q.problem.Y
		}
		switch {
		case faint:
			note = "so little noise may be texture: left as it is"
		case q.Level == 0:
			note = "texture would go with the noise: left as it is"
		default:
			note = fmt.Sprintf("texture would go with the noise: denoised for %.3g only", q.Level*p.Range.span())
		}
	}
}

// raise is the factor by which a restoration is to be stronger, and why; no reason
// where it is to stay. What an operator that is not quite right leaves unexplained
// counts like noise: the level of both is the residual's.
func (p *Plan) raise(s solution, before Range) (factor float64, why string) {
	q := s.plan
	if !q.mayRise() {
		return 1, ""
	}
	if q.implausible(s.examination, before) != "" {
		return 8, "the result is like no image"
	}
	if s.samples < fewest {
		return 1, ""
	}
	// The level that the strength already allows for.
	used := max(q.Strength/p.Strength, 1)
	if loud := s.loudest / max(louder*used, 1); loud > tooLoud && math.Sqrt(s.loudest) > s.ratio() {
		return min(loud, strongest/q.Strength), fmt.Sprintf("the residual is %.3g times the noise at some frequencies", math.Sqrt(s.loudest))
	}
	if excess := s.ratio() / math.Sqrt(used); excess > unexplained {
		return min(excess*excess, strongest/q.Strength), fmt.Sprintf("the residual is %.3g times the noise", s.ratio())
	}
	if s.echo < leastEcho {
		return min(8, strongest/q.Strength), "the result has waves that the blur hides"
	}
	return 1, ""
}

const (
	// tooLoud is how many times that of the noise the power of the residual may be at some
	// frequencies where a blur was undone. By the right operator and the right noise it is at most 1.2, in
	// files whose noise is not the same at all frequencies, as after JPEG, up to 130, and
	// by a wrong operator from 1.2 on.
	tooLoud = 2.5
	// louder is what it grows by with the strength: at 8 and 30 times the statistical
	// weight the right operator leaves 4 to 5 and 14 to 28 times the power of the noise.
	louder = 0.7
)

// unexplained is how many times the noise a residual must be to count as more than
// noise.
const unexplained = 1.25

// mayRise reports whether a stronger restoration may be tried.
func (p *Plan) mayRise() bool { return p.free && p.Lambda > 0 && p.Strength < strongest }

// expected is the range that a measurement speaks for: its own, without an end where
// samples were clipped. The picture in a file of 8 bits was within black and white.
func (p *Plan) expected(y []float32) Range { return p.expectedOf(extent(y)) }

// expectedBy is expected as far as it matters for what a result shows: one that does not
// leave black and white is within any expectation, and the measurement need not be read.
func (p *Plan) expectedBy(e examination, y []float32) Range {
	if below, above := p.mostBeyond(); !Unit.beyond(e.lo, e.hi, below, above) {
		return Unit
	}
	return p.expected(y)
}

// expectedOf is expected of the extent of a measurement. Lights on a dark sky become
// brighter when a blur is undone, as bright as all the light that they lost, and the
// prior, which knows no points, lets the sky around them ring; so do lamps that were clipped, in
// linear light. Where white is only the brightest of a blurred measurement, the scene may be brighter.
func (p *Plan) expectedOf(r Range) Range {
	if p.policy.rounded {
		return Unit
	}
	if p.Saturated && r.Hi >= 1 || p.lights || p.policy.deblurs && p.Range != Unit {
		r.Hi = math.Inf(1)
	}
	if p.lights || p.Light == LightLinear && p.Saturated && r.Hi >= 1 {
		r.Lo--
	}
	return r
}

// extent is the range of samples, of NaNs if one is no number.
func extent(x []float32) Range {
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range x {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
		if v != v {
			return Range{math.NaN(), math.NaN()}
		}
	}
	return Range{float64(lo), float64(hi)}
}

// minimise minimises 1/2||A x - y||^2 + Lambda R_Scale(x), psi the potential of
// R_Scale.
func (p *Plan) minimise(ctx context.Context, a operators.Linear, y operators.Image, psi solvers.Potential, truth *operators.Image, see func(solvers.Iterate)) (solvers.Result, error) {
	if p.Lambda == 0 {
		return unchanged(y, truth), ctx.Err()
	}
	h, method, exact := p.methodFor(a, y, psi)
	if f, ok := h.(fidelity); ok && p.isProx(f) {
		return p.evaluate(ctx, f, y, psi, truth, see)
	}
	stop := solvers.Stop{MaxIters: p.Iters, RelChange: p.Tol, Objective: p.Fall}
	if p.Tol > 0 {
		stop.Gradient = 1e-9 // a minimum that the first step finds needs no second
	}
	if truth != nil && truth.Len() == a.Domain().Len() {
		stop.Reference = truth.Pix
	}
	integrals := p.determined()
	if integrals {
		stop.Distance = p.Distance
	}
	x0, err := p.start(ctx, a, y, h, psi)
	if err != nil {
		return solvers.Result{}, err
	}
	if b, ok := method.(solvers.BPG); ok && integrals {
		b.Scene, b.Start, b.Kappa = a.Domain(), x0, 1
		method = b
	} else if ok && p.noisyBlur() && p.Light != LightLinear {
		b.Scene = a.Domain()
		method = b
	}
	method = solvers.Watch(method, see)
	if p.mayRise() {
		method = hopeful{method, p.expected(y.Pix)}
	}
	r, err := solvers.Solve(ctx, method, x0, stop)
	if err != nil {
		return r, err
	}
	if ok, why := exact(); !ok && r.Certified {
		r.Certified, r.Uncertified = false, why
	}
	return r, nil
}

// methodFor is the solver of a measurement with its fidelity; exact as method has it.
func (p *Plan) methodFor(a operators.Linear, y operators.Image, psi solvers.Potential) (h solvers.Smooth, m solvers.Method, exact func() (bool, string)) {
	if p.Light == LightLinear {
		h := p.developed(a, y)
		return h, solvers.BPG{H: h, Psi: psi, Lambda: p.Lambda, Step: p.Step}, func() (bool, string) { return true, "" }
	}
	f := p.fidelity(a, y)
	m, exact = p.method(f, psi)
	return f, m, exact
}

// noisyBlur reports whether the measurement is blurred and has noise. Then bpg takes the
// step for images (see solvers.BPG) and ends early. With less noise a shake needs as many of
// these steps, and some images are 0.3 dB worse where the iterations end early.
func (p *Plan) noisyBlur() bool { return p.policy.deblurs && p.Level >= blurNoise }

// blurNoise is the least noise of a noisy blur.
const blurNoise = 0.0075

// toleranceOfBlur is the change at which the iterations for a noisy blur end: 0.3 times the noise,
// at most 3e-3.
func toleranceOfBlur(noise float64) float64 { return 0.3 * min(noise, 0.01) }

// isProx reports whether the minimiser is the prox of R_Scale at the measurement,
// h being the fidelity.
func (p *Plan) isProx(h fidelity) bool {
	l, ok := h.(*solvers.LeastSquares)
	if !ok || !p.oneEvaluation() || float32(p.Lambda) != 1 {
		return false
	}
	_, identity := l.A.(*operators.Identity)
	return identity
}

// evaluate is minimise where the minimiser is x = f_Scale(y): what BPG comes to in
// its first iteration, without its vectors. There
//
//	R(x) = <y,x> - 1/2||x||^2 - psi(y),  and the gradient of the objective is 0.
func (p *Plan) evaluate(ctx context.Context, h fidelity, y operators.Image, psi solvers.Potential, truth *operators.Image, see func(solvers.Iterate)) (solvers.Result, error) {
	if err := ctx.Err(); err != nil {
		return solvers.Result{}, err
	}
	start := time.Now()
	r := solvers.Result{X: make([]float32, y.Len()), Iterations: 1, Kept: 1, Converged: true, Reason: "one evaluation of the prior is the minimum"}
	r.Certified, r.Uncertified = solvers.BPG{H: h, Psi: psi, Lambda: p.Lambda}.Certificate()
	r.Prior = -psi.Eval(r.X, y.Pix)
	size := 0.0
	const part = 1 << 12 // which stays in cache
	for x, y := r.X, y.Pix; len(x) > 0; {
		n := min(len(x), part)
		square := kernel.Dot(x[:n], x[:n])
		size += square
		r.Data += kernel.SquaredError(y[:n], x[:n]) / 2
		r.Prior += kernel.Dot(y[:n], x[:n]) - square/2
		x, y = x[n:], y[n:]
	}
	r.Prior *= p.Lambda
	r.Objective = r.Data + r.Prior
	at := solvers.TracePoint{
		K: 1, Seconds: time.Since(start).Seconds(), Objective: r.Objective, Data: r.Data, Prior: r.Prior, PSNR: math.NaN(),
		Change: math.Sqrt(2 * r.Data / max(size, math.SmallestNonzeroFloat64)),
	}
	if truth != nil && truth.Len() == y.Len() {
		at.PSNR = metrics.PSNR(truth.Pix, r.X)
	}
	r.Trace = []solvers.TracePoint{at}
	if math.IsNaN(r.Objective) || math.IsInf(r.Objective, 0) {
		return r, fmt.Errorf("solvers: no finite iterate: the objective is %g", r.Objective)
	}
	see(solvers.Iterate{K: 1, X: r.X, Objective: r.Objective, Data: r.Data, Prior: r.Prior})
	return r, ctx.Err()
}

// unchanged is the result without noise: the fidelity alone is minimal at the
// measurement.
func unchanged(y operators.Image, truth *operators.Image) solvers.Result {
	at := solvers.TracePoint{K: 1, PSNR: math.NaN()}
	if truth != nil && truth.Len() == y.Len() {
		at.PSNR = metrics.PSNR(truth.Pix, y.Pix)
	}
	return solvers.Result{
		X: slices.Clone(y.Pix), Iterations: 1, Converged: true, Certified: true,
		Reason: "without noise the measurement is the image", Trace: []solvers.TracePoint{at},
	}
}

// hopeful is a method that ends where its iterates have left the range that a
// plausible result has.
type hopeful struct {
	solvers.Method
	before Range
}

// patience is how many iterations an iterate has to come back.
const patience = 8

func (m hopeful) Steps(x0 []float32) iter.Seq[solvers.Iterate] {
	return func(yield func(solvers.Iterate) bool) {
		for it := range m.Method.Steps(x0) {
			if !yield(it) {
				return
			}
			if it.K%patience == 0 {
				if r := extent(it.X); m.before.beyond(r.Lo, r.Hi, mostBeyond, mostBeyond) {
					return
				}
			}
		}
	}
}

// Certificate is the method's own.
func (m hopeful) Certificate() (bool, string) {
	if c, ok := m.Method.(solvers.Certifier); ok {
		return c.Certificate()
	}
	return false, "the method knows no theorem"
}

// A fidelity is what a solver asks of h.
type fidelity interface {
	solvers.Smooth
	solvers.Prox
	solvers.Lipschitzer
}

// fidelity is 1/2||A x - y||^2, or with noise of another kind than white
// Level^2/2 (A x - y)'S^-1(A x - y), S its covariance at a smooth estimate of A x:
// white noise of the level has the same objective in both. Of rounded numbers it is
// the likelihood of their rounding.
func (p *Plan) fidelity(a operators.Linear, y operators.Image) fidelity {
	if q, ok := a.(operators.Quantiser); ok {
		return p.quantised(q, y)
	}
	model := p.model()
	if p.treatment != nil {
		model = p.treatment.Trusted
	}
	if white(model) {
		if p.Saturated {
			return &solvers.Saturated{A: a, Y: y.Pix, Lo: 0, Hi: 1}
		}
		return &solvers.LeastSquares{A: a, Y: y.Pix}
	}
	// In units of the level S is S/Level^2.
	mean := smoothed(y)
	for i, v := range mean {
		mean[i] = float32(float64(v) / p.Level)
	}
	s := noise.Freeze(model.Scaled(0, p.Level), mean, y.Shape)
	return &solvers.Weighted{A: a, Y: y.Pix, S: s}
}

// model is the model of the noise on the scale on which the problem is solved.
func (p *Plan) model() noise.Model {
	if p.treatment != nil {
		return p.treatment.Model
	}
	return p.NoiseModel
}

// white reports whether a model is that of white noise.
func white(m noise.Model) bool {
	_, ok := m.(noise.White)
	return ok
}

// smoothed is an estimate of the mean of a measurement: the image without its
// finest detail, or the numbers themselves where they are no image.
func smoothed(y operators.Image) []float32 {
	out := slices.Clone(y.Pix)
	k, err := operators.GaussianKernel(1.5, 11)
	if err != nil || y.H < 3 || y.W < 3 {
		return out
	}
	if blur, err := operators.NewBlur(y.Shape, k, operators.Replicate); err == nil {
		blur.Apply(out, y.Pix)
	}
	return out
}

// method is the solver of h(x) + Lambda R_Scale(x). Where the step t of a prox is
// not given it is the largest certified one with t Lambda <= 1, the range in
// which the prox of t Lambda R is a convex problem; exact says whether the prox
// is exact at the step that was chosen.
func (p *Plan) method(h fidelity, psi solvers.Potential) (m solvers.Method, exact func() (bool, string)) {
	if p.Solver == "bpg" {
		return solvers.BPG{H: h, Psi: psi, Lambda: p.Lambda, Step: p.Step}, func() (bool, string) { return true, "" }
	}
	g := lpn.Prior{Psi: psi, Weight: p.Lambda}.WarmStarted()
	l := h.Lipschitz()
	step, rho := p.Step, p.Rho
	if step == 0 {
		step = min(1/l, 1/p.Lambda)
	}
	if rho == 0 {
		least := map[string]float64{"admm": 1.01 * l, "hqs": l / 10, "drs": l / 0.99}
		rho = max(least[p.Solver], p.Lambda)
	}
	switch p.Solver {
	case "pgd":
		m = solvers.PGD{H: h, G: g, Step: step}
	case "apgd":
		m = solvers.APGD{H: h, G: g, Step: step}
	case "admm":
		m, step = solvers.ADMM{F: h, G: g, Rho: rho}, 1/rho
	case "hqs":
		m, step = solvers.HQS{F: h, G: g, Rho: rho}, 1/rho
	case "drs":
		m, step = solvers.DRS{F: h, G: g, T: 1 / rho}, 1/rho
	}
	return m, func() (bool, string) { return g.ProxCertificate(step) }
}

// coarseNoise is the noise level of the first problem of a graduated start:
// about the spread of an image's samples.
const coarseNoise = 0.25

// start is the first estimate.
func (p *Plan) start(ctx context.Context, a operators.Linear, y operators.Image, h solvers.Smooth, psi solvers.Potential) ([]float32, error) {
	if p.policy.start == startMeasured || p.policy.start == startDecoded || p.startsClipped(y, a.Domain()) {
		return inputBaseline(ctx, y, a, p.Level, 1)
	}
	if p.Light == LightLinear {
		return p.developedStart(ctx, y, a)
	}
	if p.determined() {
		return p.startIntegrals(a, y), ctx.Err()
	}
	if p.noisyBlur() && p.Missing == 0 {
		x0 := make([]float32, a.Domain().Len())
		if y.Shape == a.Domain() {
			copy(x0, y.Pix)
		}
		solvers.Tikhonov{A: a, Mu: wienerWeight(p.Level), Tol: 1e-4}.SolveFrom(x0, y.Pix)
		return x0, ctx.Err()
	}
	x0, err := p.quadratic(ctx, y, a)
	if err == nil && p.policy.start == startGraduated {
		scale := min(1, p.Sigma/p.Scale/coarseNoise)
		x0, err = lpn.Graduated{H: h, Psi: psi, Lambda: p.Lambda, Scale: scale, Iters: min(16, p.Iters)}.Start(ctx, x0)
	}
	return x0, err
}

// startsClipped reports whether a scene begins with its measurement y because
// samples of that were clipped.
func (p *Plan) startsClipped(y operators.Image, scene operators.Shape) bool {
	return p.Saturated && y.Shape == scene && !p.fills()
}
