package restore

import (
	"context"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// A Plan is everything that was decided about a Problem before any work:
//
//	x = argmin 1/2||A x - y||^2 + Lambda R(Scale x)/Scale^2
//
// where Prior is the proximal operator of R. It can be printed and written as JSON. It
// is immutable: you can call Solve any number of times.
type Plan struct {
	// Operator and Boundary are what the camera did.
	Operator operators.Spec `json:"operator"`
	Boundary string         `json:"boundary,omitempty"`
	// Blur is the estimate of the operator from the picture, nil if it was given.
	Blur *blind.Estimate `json:"blur,omitempty"`
	// Scene is the shape of x; FrameH x FrameW pixels of it are the result.
	Scene  operators.Shape `json:"scene"`
	FrameH int             `json:"frame_h"`
	FrameW int             `json:"frame_w"`
	// Range holds the samples that are black and white. Level, Lambda and the objective
	// are in units of it.
	Range Range `json:"range"`
	// Saturated says that samples are at the ends of the range. For them the fidelity
	// accepts any truth there or beyond.
	Saturated bool `json:"saturated"`
	// Light is what the operator acts on, and LightLine the reason if Problem.Light
	// asked for a choice.
	Light     Light  `json:"light,omitempty"`
	LightLine string `json:"light_line,omitempty"`
	// AxisLine says which axis of rotation was found in a sinogram, where the Operator did not
	// say it and it is surely not the one that is assumed; Operator has it.
	AxisLine string `json:"axis_line,omitempty"`
	// Gray says that the channels of a colour measurement are equal. Then one is
	// restored, and repeated.
	Gray bool `json:"gray"`
	// Missing is the number of unknown samples.
	Missing int `json:"missing,omitempty"`
	// Noise is the standard deviation of the noise in units of y, root mean square
	// over the measurement; Estimated says that it was estimated from y.
	Noise     float64 `json:"noise"`
	Estimated bool    `json:"estimated"`
	// NoiseModel is the model of the noise in units of the range, and NoiseLine the
	// estimate in words.
	NoiseModel noise.Model `json:"-"`
	NoiseLine  string      `json:"noise_line,omitempty"`
	// Confidence is that of the estimate, from 0 to 1; -1 if the noise was given.
	Confidence float64 `json:"confidence"`
	// Level is the level of white noise for which the prior and its weight are chosen.
	// For white noise it is its standard deviation. For correlated noise, which looks
	// like texture to a prior, it is larger.
	Level float64 `json:"level"`
	// Prior is the name of the prior and Sigma the noise level at which it was trained.
	// PerChannel says that it is a gray prior, applied to each channel.
	Prior      string  `json:"prior"`
	Sigma      float64 `json:"sigma"`
	PerChannel bool    `json:"per_channel"`
	// Scale uses the prior as one for the level Sigma/Scale.
	Scale float64 `json:"scale"`
	// Lambda = Strength Weight (Level Scale/Sigma)^2 is the weight of the prior, with
	// Weight the operator's factor on the statistical weight. Level counts as at least
	// the operator's least noise.
	Lambda   float64 `json:"lambda"`
	Strength float64 `json:"strength"`
	Weight   float64 `json:"weight"`
	// Start is the first estimate.
	Start string `json:"start"`
	// Solver, Iters, Tol, Step, Rho and Ensemble are those of the Options, with
	// defaults filled in; Step and Rho of 0 are chosen from the operator. Fall, if positive,
	// ends the iterations too: when 5 of them lower the objective by less than that part of it.
	// Distance, if positive, does when those ahead change the image by less (see
	// solvers.Stop).
	Solver   string  `json:"solver"`
	Iters    int     `json:"iters"`
	Tol      float64 `json:"tol"`
	Fall     float64 `json:"fall,omitempty"`
	Distance float64 `json:"distance,omitempty"`
	Step     float64 `json:"step,omitempty"`
	Rho      float64 `json:"rho,omitempty"`
	Ensemble bool    `json:"ensemble,omitempty"`
	// Memory is what the restoration takes. Windows is how the image is cut to stay
	// within the memory, nil if it is solved as a whole.
	Memory  Memory   `json:"memory"`
	Windows *Windows `json:"windows,omitempty"`
	// Why has the reason of each choice.
	Why Reasons `json:"why"`

	problem Problem // normalised: in [0,1], one channel where Gray
	options Options
	policy  policy
	// treatment is the scale on which a noisy image is restored, nil for its own;
	// deviation is that of the noise there.
	treatment *noise.Treatment
	deviation float64
	patterned bool            // correlated noise was found, however it is treated
	sensor    float64         // noise.Estimate.Independent of it
	shown     float64         // the white noise that the image shows, where more was told
	told      float64         // the level that was given then; 0: what was given is believed
	untreated operators.Image // y on its own scale
	free      bool            // the strength may be raised where the result is implausible
	refusal   string          // why the blur is not undone, once a plan in windows is settled
	inverted  string          // why the mask is not that of the picture
	raised    bool            // and has been
	gentle    bool            // an image that loses more than noise is denoised less
	careful   bool            // a result that strains the file gives way to the decoded picture
	axisDoubt string          // why the axis of rotation that is assumed may be wrong
	holes     int             // samples that are not known
	lights    bool            // the measurement are lights on a dark sky
	part      image.Rectangle // of the scene that is the result, where the plan is a Part
	source    Source          // of y, where the plan goes over one; the problem's Y has no samples then
	net       *lpn.Network
	work      *lpn.Workspace    // of its evaluations
	a         operators.Linear  // of the whole scene; nil where there are Windows
	psi       solvers.Potential // likewise
	tilt      []float32         // of psi, nil without gaps: see tiltGaps
}

// New decides how to restore a problem. Its error is an *OptionError for a bad option,
// a *ChannelsError for a prior with other channels, a *MemoryError for a problem that
// is too large.
func New(p Problem, o Options) (*Plan, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	p, axisLine, axisDoubt := p.onAxis()
	found := 0.0 // the deviation that a measurement shows which is no picture
	if p.Noise == nil && !p.Operator.ImageShaped() {
		found, _ = p.Operator.FindNoise(p.Y, p.Scene, p.Weights)
		if found > 0 {
			p.Noise = noise.White{Sigma: found}
		}
	}
	p, err := p.plain()
	if err != nil {
		return nil, err
	}
	free := o.Strength == 0 && !o.Discrepancy
	o = o.withDefaults()
	if p, err = FindBlur(context.Background(), p, nil); err != nil {
		return nil, err
	}
	scene, err := p.scene()
	if err != nil {
		return nil, err
	}
	plan := &Plan{
		Operator: p.Operator, Scene: scene, Blur: p.Blur, AxisLine: axisLine, axisDoubt: axisDoubt,
		Strength: o.Strength, Solver: o.Solver, Iters: o.Iters, Tol: o.Tol, Step: o.Step, Rho: o.Rho, Ensemble: o.Ensemble,
		problem: p, options: o, policy: policyOf(p.Operator), work: &lpn.Workspace{},
	}
	plan.free = free && !plan.policy.whole && !plan.policy.alone && !plan.policy.rounded
	plan.gentle = free
	plan.careful = free && plan.policy.rounded
	plan.Estimated = found > 0
	if o.Discrepancy && plan.policy.rounded {
		return nil, &OptionError{"strength", "discrepancy wants a noise level; the error of rounding is not one: give a number"}
	}
	if p.Operator.TakesBoundary() {
		plan.Boundary = p.Operator.Boundary().String()
	}
	plan.Start = string(plan.policy.start)
	if o.tolByDefault && plan.policy.tol > 0 {
		plan.Tol = plan.policy.tol
	}
	if o.tolByDefault && o.Solver == "bpg" && p.Blur != nil && !plan.policy.alone {
		plan.Fall = foundFall
	}
	plan.FrameH, plan.FrameW = p.Operator.Frame(p.Y.Shape, scene)
	if err := plan.decideMissing(); err != nil {
		return nil, err
	}
	plan.decideChannels()
	if err := plan.fitMap(); err != nil {
		return nil, err
	}
	for _, decide := range []func() error{
		plan.decideRange, plan.decideSaturation, plan.decideNoise, plan.decidePrior, plan.decideMemory, plan.bind, plan.decideWeight, plan.decideLight,
	} {
		if err := decide(); err != nil {
			return nil, err
		}
	}
	switch {
	case !o.tolByDefault:
	case plan.determined():
		plan.Distance = imagesDistance
	case plan.noisyBlur() && o.Solver == "bpg" && plan.Light != LightLinear && p.Blur == nil:
		plan.Tol = toleranceOfBlur(plan.Level)
	}
	if plan.startsClipped(plan.problem.Y, plan.Scene) {
		plan.Start = string(startMeasured)
	}
	plan.Why = plan.reasons()
	return plan, nil
}

// A measurement is saturated where at least fewestAtEnd of its samples lie at an end
// of the range and at most mostAtEnd: a page of text is white, not overexposed.
const fewestAtEnd, mostAtEnd = 2e-4, 0.3

// decideSaturation finds out whether samples were clipped.
func (p *Plan) decideSaturation() error {
	if p.policy.alone || !p.Operator.ImageShaped() {
		return nil
	}
	at, known := [2]int{}, p.known()
	for _, v := range known.Pix {
		switch {
		case v == 0:
			at[0]++
		case v == 1:
			at[1]++
		case v < 0 || v > 1:
			return nil // nothing was clipped
		}
	}
	share := func(n int) float64 { return float64(n) / float64(len(p.problem.Y.Pix)) }
	lo, hi := share(at[0]), share(at[1])
	p.Saturated = max(lo, hi) >= fewestAtEnd && max(lo, hi) <= mostAtEnd
	return nil
}

// decideNoise takes the noise that is given, or estimates it.
func (p *Plan) decideNoise() error {
	y := p.problem.Y
	switch {
	case p.policy.rounded:
		return p.decideNoiseBefore()
	case p.problem.Noise != nil:
		p.NoiseModel, p.Confidence = p.problem.Noise.Scaled(p.Range.Lo, p.Range.Hi), -1
		if p.Estimated {
			p.Confidence = 0
		}
		p.Level = deviation(p.NoiseModel, y)
		p.Noise = p.Level * p.Range.span()
		if p.Range == Unit && !(p.Level <= 1) && p.Operator.ImageShaped() {
			return &OptionError{"noise", fmt.Sprintf("%q is not a number in [0,1], a fraction like 25/255, or auto", p.problem.Noise)}
		}
		p.doubt()
		p.compare()
		if _, white := p.NoiseModel.(noise.White); !white && p.policy.alone && p.Level > 0 {
			top := extent(y.Pix)
			clipped := p.Range == Unit && top.Lo >= 0 && top.Hi <= 1
			p.treat(noise.Treat(p.NoiseModel, y, min(0, top.Lo), max(1, top.Hi), clipped))
		}
	case !p.policy.estimable:
		return &OptionError{"noise", "auto wants a picture, or a file that says its noise; give a number in [0,1] or a fraction like 25/255"}
	case p.policy.alone:
		p.estimate(y)
	default:
		p.Level = noise.FindWhite(p.known())
		if r := p.rounding(); r > p.Level {
			p.Level, p.NoiseLine = r, fmt.Sprintf("what jpeg of quality %d took, more than the noise that is seen", p.problem.Hints.Quality)
		}
		if p.problem.Hints.Quality != 0 && p.policy.deblurs {
			if level := math.Hypot(p.rounding(), uneven*p.hiddenNoise()); level > p.Level {
				p.Level, p.NoiseLine = level, fmt.Sprintf("noise of about %.3g, by what jpeg of quality %d took and the frequencies that the blur hides", level*p.Range.span(), p.problem.Hints.Quality)
			}
		}
		if b := p.Blur; b != nil && b.Noise > p.Level*p.Range.span() {
			p.Level = b.Noise / p.Range.span()
			p.NoiseLine = fmt.Sprintf("noise of %.3g in the flattest parts, more than at the highest frequencies, which a compressed file drops", b.Noise)
		}
		p.NoiseModel, p.Estimated = noise.White{Sigma: p.Level}, true
		if c, ok := noise.FindByBrightness(p.known()); ok {
			if level := deviation(c, y); level > p.Level {
				p.NoiseModel, p.Level = c, level
				p.NoiseLine = fmt.Sprintf("noise of about %.3g, which changes with the brightness", level*p.Range.span())
			}
		}
		p.Noise = p.Level * p.Range.span()
	}
	return nil
}

// uneven is how much more noise than what a blur hides the picture of a JPEG file has, which is louder at the low
// frequencies: of 12 pictures, two blurs, three levels of noise and two qualities the mean gain was 2.93 dB with 1,
// 3.07 with 1.4 and 3.02 with 2.
const uneven = 1.4

// smallImage is the number of pixels below which there may be no part of an image to
// measure the noise of every brightness by. Below the deviation leastNoise, or the white
// level leastWhite, nothing is removed: what would be won cannot be seen, and there texture
// is taken for noise most easily.
const (
	smallImage = 64 * 64
	leastNoise = 0.9 / 255
	leastWhite = 0.6 / 255
)

// estimate finds the noise of an image, and how to take it away: on a scale of
// brightness where one level fits all of it, and with its correlation in the fidelity.
func (p *Plan) estimate(y operators.Image) {
	e := noise.Find(y, p.problem.Hints)
	if e.Deviation == 0 && y.H*y.W < smallImage {
		e.White = noise.FindWhite(y)
		e.Model, e.Deviation = noise.White{Sigma: e.White}, e.White
	}
	p.NoiseModel, p.NoiseLine, p.Confidence = e.Model, e.Line, e.Confidence
	p.Noise, p.Estimated = e.Deviation*p.Range.span(), true
	if e.Deviation < leastNoise || e.White < leastWhite {
		return // nothing to remove
	}
	p.patterned, p.sensor = e.Correlated, e.Independent
	p.treat(e.Treat(y))
}

// treat moves the problem to the scale of a treatment.
func (p *Plan) treat(t noise.Treatment) {
	p.treatment = &t
	p.Level, p.deviation = t.Level, deviation(t.Model, t.Y)
	p.untreated, p.problem.Y = p.problem.Y, t.Y
	if p.correlated() && p.options.itersByDefault {
		p.Iters = treatedIters
	}
	if truth := p.problem.Truth; truth != nil && t.Stabiliser != nil {
		n := operators.NewImage(truth.Shape)
		t.Stabiliser.Forward(n.Pix, truth.Pix)
		p.problem.Truth = &n
	}
}

// treatedIters is the default of Iters for an image whose noise is correlated: more
// change it by less than can be seen.
const treatedIters = 15

// doubted is how many times the given level an estimate must be to be believed
// instead.
const doubted = 1.5

// doubt compares the level that was given with what the measurement shows, where it
// is amplified: deblurring with half of the noise paints the other half. Where nothing
// is, in gaps and by resampling, fine texture that looks like noise must not be
// taken for it.
func (p *Plan) doubt() {
	_, white := p.NoiseModel.(noise.White)
	if !white || !p.free || !p.policy.estimable || p.fills() || p.Operator.Resamples() {
		return
	}
	if seen := noise.FindWhite(p.known()); seen > doubted*p.Level && seen > 2*quantum {
		p.NoiseLine = fmt.Sprintf("the measurement shows noise of %.3g where %.3g was given: it is taken to have what it shows", seen*p.Range.span(), p.Noise)
		p.Level = seen
	}
}

// level is the noise level that the weight is computed for.
func (p *Plan) level() float64 { return max(p.Level, p.policy.leastNoise) }

// mostScale bounds the scale that is chosen: beyond, the prior would see images of
// a contrast that it was not trained on. Where the noise asks for more, the weight
// falls instead.
const mostScale = 2

// decidePrior chooses the prior and its scale.
func (p *Plan) decidePrior() error {
	prior, err := p.options.prior(p.Scene.C, p.priorLevel())
	if err != nil {
		return err
	}
	if p.net, err = prior.Network(); err != nil {
		return err
	}
	c := p.net.Config()
	if c.Channels != p.Scene.C && c.Channels != 1 {
		return &ChannelsError{Prior: prior.Name, Want: c.Channels, Have: p.Scene.C}
	}
	p.Prior, p.Sigma, p.PerChannel = prior.Name, c.Sigma, c.Channels != p.Scene.C
	switch {
	case p.options.Scale != 0:
		p.Scale = p.options.Scale
	case p.options.Prior.IsZero() || p.policy.alone:
		p.Scale = min(mostScale, p.Sigma/p.priorLevel())
	default:
		p.Scale = 1 // a prior of the options is not scaled
	}
	return nil
}

// bind makes the operator and the potential of the whole scene; for a problem in
// windows each window has its own.
func (p *Plan) bind() (err error) {
	if p.Windows != nil {
		if p.policy.rounded {
			_, err := p.problem.build(p.Scene)
			return err
		}
		// The windows cut y as an image of the scene.
		scene, err := p.Operator.Scene(p.problem.Y.Shape)
		if err == nil && scene != p.Scene {
			err = fmt.Errorf("a measurement %v: %s of a scene %v has another shape", p.problem.Y.Shape, p.Operator, p.Scene)
		}
		return err
	}
	if p.a, err = p.problem.build(p.Scene); err != nil {
		return err
	}
	if p.psi, err = p.potential(p.Scene); err != nil {
		return err
	}
	return p.tiltGaps()
}

// potential is the prior's psi on scenes of a shape: a gray network is applied
// to each channel.
func (p *Plan) potential(scene operators.Shape) (solvers.Potential, error) {
	on := func(s operators.Shape) (solvers.Potential, error) {
		opts := []lpn.Option{lpn.Threads(p.options.Threads), lpn.Tile(p.options.Tile), lpn.Memory(p.Memory.arena), lpn.In(p.work)}
		if p.PerChannel {
			opts = append(opts, lpn.Batch(s.C))
			s.C = 1
		}
		return p.net.On(s, opts...)
	}
	psi, err := on(scene)
	if err == nil && p.Ensemble {
		psi, err = lpn.Ensemble(on, scene)
	}
	if err != nil {
		return nil, fmt.Errorf("prior %s: %w", p.Prior, err)
	}
	if p.Scale != 1 {
		psi = lpn.Scaled(psi, p.Scale)
	}
	return psi, nil
}

// decideWeight is the weight of the prior: lambda = c (scale noise/sigma)^2.
func (p *Plan) decideWeight() error {
	if p.policy.rounded { // the fidelity is a likelihood as it is
		f, _ := p.Operator.JPEG(p.Scene.C)
		p.Weight = jpegWeight(f, p.Level)
		p.Lambda = p.Strength * p.Weight * math.Pow(p.Scale/p.Sigma, 2)
		return nil
	}
	p.Weight = p.policy.weight(p.problem, p.a, p.level())
	if p.treatment != nil {
		p.Weight *= p.treatment.Strength
	}
	p.Lambda = p.Strength * p.Weight * math.Pow(p.level()*p.Scale/p.Sigma, 2)
	return nil
}

// frame is the part of a scene that is the result, in the units of the problem
// and with its channels.
func (p *Plan) frame(x []float32) operators.Image {
	if x == nil { // the solver failed
		return operators.Image{}
	}
	out := operators.Image{Shape: p.Scene, Pix: x}
	if p.policy.rounded || p.treatment != nil && p.treatment.Stabiliser != nil || p.Range != Unit {
		out.Pix = slices.Clone(x) // given works in place
	}
	if p.part.Empty() {
		out = Centre(out, p.FrameH, p.FrameW)
	} else {
		out = cut(out, p.part)
	}
	return p.given(out)
}

// GivenNoise is the model of the noise in units of the measurement, as a Problem
// takes it.
func (p *Plan) GivenNoise() noise.Model {
	return p.NoiseModel.Scaled(-p.Range.Lo/p.Range.span(), (1-p.Range.Lo)/p.Range.span())
}

// given takes a normalised frame back to the units and the channels of the
// problem; what was encoded in 8 bits lay within black and white. It may reuse the
// frame's memory.
func (p *Plan) given(m operators.Image) operators.Image {
	if p.policy.rounded {
		clip(m.Pix)
	}
	if p.treatment != nil {
		p.treatment.Back(m.Pix, m.Pix)
	}
	p.Range.back(m.Pix)
	if p.Gray {
		m.Pix = slices.Concat(m.Pix, m.Pix, m.Pix)
		m.C = 3
	}
	return m
}

// String is the plan as text: a line for each decision, with the reason below it.
func (p *Plan) String() string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", what, fmt.Sprintf(format, args...))
	}
	because := func(reason string) {
		if reason != "" {
			line("", "%s", reason)
		}
	}
	line("operator", "%s of a scene of %dx%d pixels, %s", p.Operator, p.Scene.W, p.Scene.H, channelCount(p.Scene.C))
	if p.Boundary != "" {
		line("boundary", "%s", p.Boundary)
	}
	if p.Blur != nil {
		line("blur", "%s, found in the picture", p.Blur)
		if p.policy.alone && p.Blur.Kind != blind.Sharp {
			line("", "not known well enough to be undone")
		}
	}
	if p.AxisLine != "" {
		line("axis", "%s", p.AxisLine)
	}
	from := "given"
	if p.Estimated {
		from = "estimated from the measurement"
	}
	line("noise", "%.4g, %s", p.Noise, from)
	if p.NoiseLine != "" {
		line("", "%s", p.NoiseLine)
	}
	if p.Range != Unit {
		line("range", "%.6g to %.6g is black to white", p.Range.Lo, p.Range.Hi)
		because(p.Why.Range)
	}
	if p.Saturated {
		line("clipped", "samples at black and white say only that the truth lies there or beyond")
	}
	if p.LightLine != "" {
		line("light", "%s", p.LightLine)
	}
	if p.Missing > 0 {
		line("missing", "%d samples, filled by the prior", p.Missing)
	}
	if p.inverted != "" {
		line("mask", "%s", p.inverted)
	}
	if p.Gray {
		line("channels", "equal: one is restored and repeated")
	}
	kind := ""
	if p.PerChannel {
		kind = ", gray, applied to each channel"
	}
	line("prior", "%s, trained at %.4g, scaled by %.4g to %.4g%s", p.Prior, p.Sigma, p.Scale, p.Sigma/p.Scale, kind)
	because(p.Why.Prior)
	because(p.Why.Scale)
	line("weight", "lambda %.4g = strength %.4g x %.4g of the operator x the statistical weight", p.Lambda, p.Strength, p.Weight)
	because(p.Why.Weight)
	line("start", "%s", p.Start)
	because(p.Why.Start)
	until := ""
	if p.Fall > 0 {
		until = fmt.Sprintf(", or until 5 of them lower the objective by less than %.2g of it", p.Fall)
	}
	if p.Distance > 0 {
		until = fmt.Sprintf(", or until those ahead change it by less than %.2g", p.Distance)
	}
	line("solver", "%s, at most %d iterations, to a change of %.2g%s", p.Solver, p.Iters, p.Tol, until)
	because(p.Why.Solver)
	because(p.Why.Iters)
	if w := p.Windows; w != nil {
		line("memory", "about %s as a whole, %s available (%s): cut into %d windows of %d pixels that overlap by %d",
			p.Memory.needText(), p.Memory.availableText(), p.Memory.Source, w.Count, w.Side, 2*w.Halo)
	} else {
		line("memory", "about %s", p.Memory.needText())
	}
	return b.String()
}

// A ChannelsError says that a prior is for another number of channels than the scene
// has.
type ChannelsError struct {
	Prior      string
	Want, Have int
}

func (e *ChannelsError) Error() string {
	return fmt.Sprintf("prior %s: it is for %s, the picture has %d", e.Prior, channelCount(e.Want), e.Have)
}
