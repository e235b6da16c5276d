package noise

import (
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/operators"
)

// A Stabiliser is a change g of the scale of brightness after which the
// deviation of the noise no longer depends on the brightness,
//
//	g(m) = Level * integral of 1/d(t) dt from Lo to m,   g(Hi) - g(Lo) = 1,
//
// d the deviation at mean t (Anscombe's transform, 1948, for any curve): noise of
// d(m) at m becomes noise of about Level at g(m). A prior for noise of one level
// then fits the whole picture, and what it makes of g(y) goes back by Inverse,
// which undoes not g but m -> E g(y), so that nothing is biased (Mäkitalo & Foi,
// IEEE Trans. Image Processing 20, 2011).
type Stabiliser struct {
	// Lo and Hi are mapped to 0 and 1.
	Lo, Hi float64
	// Level is the deviation after the change.
	Level float64

	clipped bool
	g       Line // on a grid a little beyond Lo..Hi, linear beyond
	back    Line // from E g(y) to m
}

// leastDeviation is the part of the mean deviation below which the curve counts
// as this part: where there is next to no noise g must not be vertical.
const leastDeviation = 0.1

// grid is the number of intervals of a stabiliser from Lo to Hi, margin that of
// those beyond either.
const grid, margin = 512, 64

// NewStabiliser makes the stabiliser of a model whose noise depends on the
// brightness, for pictures with so many channels and brightnesses between lo and
// hi. d is the root mean square over the channels. With clipped, samples of the
// measurement beyond lo and hi are taken to have been moved there.
//
// Of Poisson g is Anscombe's root, sqrt(k + 3/8 + (Read/Gain)^2) of k counts, and
// the mean that Inverse undoes the exact one. It panics on a Map, which is no
// function of the brightness.
func NewStabiliser(m Model, channels int, lo, hi float64, clipped bool) *Stabiliser {
	if c, ok := m.(Correlated); ok {
		m = c.Model
	}
	h := span(lo, hi) / grid
	s := &Stabiliser{Lo: lo, Hi: hi, clipped: clipped}
	d := pooled(m, channels)
	p, counts := m.(Poisson)
	if counts {
		r := p.Read / p.Gain
		for i := -margin; i <= grid+margin; i++ {
			x := lo + float64(i)*h
			s.g.X = append(s.g.X, x)
			s.g.Y = append(s.g.Y, 2*math.Sqrt(max((x-p.Black)/p.Gain+0.375+r*r, 0)))
		}
	} else {
		mean := 0.0
		for i := range grid {
			mean += d(lo+(float64(i)+0.5)*h) / grid
		}
		sum := 0.0
		for i := -margin; i <= grid+margin; i++ {
			s.g.X = append(s.g.X, lo+float64(i)*h)
			s.g.Y = append(s.g.Y, sum)
			sum += h / max(d(lo+(float64(i)+0.5)*h), leastDeviation*mean, 1e-12*(hi-lo))
		}
	}
	zero := s.g.Y[margin]
	s.Level = 1 / (s.g.Y[margin+grid] - zero)
	for i := range s.g.Y {
		s.g.Y[i] = (s.g.Y[i] - zero) * s.Level
	}
	last := math.Inf(-1)
	for i := margin / 2; i <= grid+margin+margin/2; i++ {
		x := s.g.X[i]
		var e float64
		if counts {
			e = s.meanOfCounts(p, x)
		} else {
			e = s.mean(x, d(x), clipped)
		}
		if e > last+1e-9 {
			s.back.X, s.back.Y = append(s.back.X, e), append(s.back.Y, x)
			last = e
		}
	}
	return s
}

// mean is E g(y) of Gaussian noise of deviation dev at x, by the trapezoidal rule
// over 4 deviations.
func (s *Stabiliser) mean(x, dev float64, clipped bool) float64 {
	e, w := 0.0, 0.0
	for z := -4.0; z <= 4; z += 0.25 {
		y := x + dev*z
		if clipped {
			y = min(max(y, s.Lo), s.Hi)
		}
		p := math.Exp(-z * z / 2)
		e, w = e+p*s.at(y), w+p
	}
	return e / w
}

// meanOfCounts is E g(y) of counts of mean x, and read noise.
func (s *Stabiliser) meanOfCounts(p Poisson, x float64) float64 {
	mu := (x - p.Black) / p.Gain
	if mu <= 0 || mu > 400 { // nothing to count; normal enough
		return s.mean(x, math.Sqrt(p.Gain*max(x-p.Black, 0)+p.Read*p.Read), false)
	}
	e, w := 0.0, 0.0
	for k := 0.0; k < mu+8*math.Sqrt(mu)+12; k++ {
		q := math.Exp(logPoisson(k, mu))
		y := p.Black + p.Gain*k
		if p.Read == 0 {
			e += q * s.at(y)
		} else {
			e += q * s.mean(y, p.Read, false)
		}
		w += q
	}
	return e / w
}

// at is g, continued linearly.
func (s *Stabiliser) at(m float64) float64 { return extended(s.g, m) }

// extended is a line continued by its first and last slope.
func extended(l Line, x float64) float64 {
	n := len(l.X)
	if n < 2 {
		return l.At(x)
	}
	k, _ := slices.BinarySearch(l.X, x)
	k = min(max(k, 1), n-1)
	t := (x - l.X[k-1]) / (l.X[k] - l.X[k-1])
	return l.Y[k-1] + t*(l.Y[k]-l.Y[k-1])
}

// Forward writes g(y) of each sample. dst may equal y.
func (s *Stabiliser) Forward(dst, y []float32) {
	for i, v := range y {
		dst[i] = float32(s.at(float64(v)))
	}
}

// Backward writes the y whose g(y) is u. dst may equal u.
func (s *Stabiliser) Backward(dst, u []float32) {
	back := Line{X: s.g.Y, Y: s.g.X}
	for i, v := range u {
		dst[i] = float32(extended(back, float64(v)))
	}
}

// Inverse writes the m whose E g(y) is u. dst may equal u. Where measurements are
// clipped, E g(y) hardly moves with an m beyond Lo and Hi, so that m stays between.
func (s *Stabiliser) Inverse(dst, u []float32) {
	lo, hi := math.Inf(-1), math.Inf(1)
	if s.clipped {
		lo, hi = s.Lo, s.Hi
	}
	for i, v := range u {
		dst[i] = float32(min(max(extended(s.back, float64(v)), lo), hi))
	}
}

// pooled is the root mean square over channels of a model's deviation at a mean
// common to all samples.
func pooled(m Model, channels int) func(mean float64) float64 {
	s := operators.Shape{C: channels, H: 1, W: 1}
	return func(mean float64) float64 {
		x := make([]float32, channels)
		for i := range x {
			x[i] = float32(mean)
		}
		return RMS(m, x, s)
	}
}

// Stabilised writes a measurement and its noise on the scale of a stabiliser:
// the noise of the result no longer depends on the brightness, what the channels
// differ in and the correlation stay. The deviations of the channels, averaged over
// the brightnesses of the picture, have the root mean square Level.
func (s *Stabiliser) Stabilised(m Model, y operators.Image) (operators.Image, Model) {
	out := operators.NewImage(y.Shape)
	s.Forward(out.Pix, y.Pix)
	v := make([]float32, y.Len())
	m.Variance(v, y.Pix, y.Shape)
	pooled := make([]float32, y.Len())
	slope := s.slopes(pooled, y.Pix)
	c := Curve{make([]Line, y.C)}
	n := y.H * y.W
	all := 0.0
	for a := range y.C {
		sum := 0.0
		for i := a * n; i < (a+1)*n; i++ {
			sum += float64(v[i]) * float64(slope[i]) * float64(slope[i])
		}
		all += sum / float64(y.Len())
		c.Channels[a] = Line{[]float64{0}, []float64{math.Sqrt(sum / float64(n))}}
	}
	for _, l := range c.Channels {
		l.Y[0] *= s.Level / math.Sqrt(all)
	}
	if k, ok := m.(Correlated); ok {
		return out, Correlated{c, k.Spectrum}
	}
	return out, c
}

// slopes writes g'(y) = Level/d(y) of each sample.
func (s *Stabiliser) slopes(dst, y []float32) []float32 {
	h := s.g.X[1] - s.g.X[0]
	last := len(s.g.X) - 2
	for i, v := range y {
		k := min(max(int((float64(v)-s.g.X[0])/h), 0), last)
		dst[i] = float32((s.g.Y[k+1] - s.g.Y[k]) / h)
	}
	return dst
}

// A Treatment is how a noisy picture, A = I, is restored with a prior for white
// noise: on a scale of brightness where one level fits all of it.
type Treatment struct {
	// Y is the measurement on that scale, Model its noise there. Trusted is the model
	// that the fidelity weighs by: Model, its correlation weakened.
	Y              operators.Image
	Model, Trusted Model
	// Level is the noise level that the prior is to be taken for, Strength the
	// factor of the statistical weight 1/Level^2 of R beside a fidelity in units
	// of the noise (solvers.Weighted). With White noise and Strength 1 the
	// minimiser is one evaluation of the prior.
	Level, Strength float64
	// Stabiliser is the change of scale; nil where there is none.
	Stabiliser *Stabiliser
}

// correlatedLevel is the level of the prior for correlated noise over its
// deviation, as the prior takes correlated noise for texture.
const correlatedLevel = 2

// correlatedStrength is the factor of its weight: 1 up to a deviation of 3/255, 1.5 at
// 7/255, 2.8 from 12/255. They are those that did best on some scenes of simulated
// camera pictures.
func correlatedStrength(deviation float64) float64 {
	return 1 + 0.5*ramp(255*deviation, 3, 7) + 1.3*ramp(255*deviation, 7, 12)
}

// trusted is how much of a correlation is believed: 0.5 up to a deviation of 10/255,
// 0.25 from 16/255. A fidelity keeps what it finds at a frequency where it expects little
// noise, so an estimate that is too small there costs more than one that is too large. On
// simulated camera pictures of two kinds of demosaicking these shares did best.
func trusted(deviation float64) float64 { return 0.5 - 0.25*ramp(255*deviation, 10, 16) }

// weakened is the spectrum between that of white noise, share 0, and s, share 1.
func (s Spectrum) weakened(share float64) Spectrum {
	out := Flat(s.C)
	for i, p := range s.Power {
		out.Power[i] += share * (p - out.Power[i])
	}
	return out
}

// Treat prepares a measurement of brightness lo to hi with the noise m for
// restoration. Noise that depends on the brightness is stabilised; correlated noise
// stays so and is left to the fidelity; a Map is left to it too. It panics on a
// model without noise.
func Treat(m Model, y operators.Image, lo, hi float64, clipped bool) Treatment {
	t := Treatment{Y: y, Model: m, Strength: 1}
	base := m
	c, correlated := m.(Correlated)
	if correlated {
		base = c.Model
	}
	switch base.(type) {
	case White, Map:
	default:
		t.Stabiliser = NewStabiliser(m, y.C, lo, hi, clipped)
		t.Y, t.Model = t.Stabiliser.Stabilised(m, y)
	}
	t.Level = RMS(t.Model, t.Y.Pix, y.Shape)
	if !(t.Level > 0) {
		panic("noise: Treat: a model without noise")
	}
	if correlated {
		c := t.Model.(Correlated)
		t.Trusted = Correlated{c.Model, c.Spectrum.weakened(trusted(t.Level))}
		t.Level, t.Strength = correlatedLevel*t.Level, correlatedStrength(t.Level)
		return t
	}
	if t.Stabiliser != nil {
		t.Model = White{t.Level}
	}
	t.Trusted = t.Model
	return t
}

// Treat is the treatment of the picture y in which e was found, samples about in [0,1]:
// where none is beyond, they are taken to have been clipped there. e.White must not be 0.
func (e Estimate) Treat(y operators.Image) Treatment {
	beyond := slices.ContainsFunc(y.Pix, func(v float32) bool { return v < 0 || v > 1 })
	t := Treat(e.Model, y, 0, 1, !beyond)
	if _, ok := e.Model.(Correlated); !ok {
		t.Level *= e.White / e.Deviation
		t.Model = White{t.Level}
		t.Trusted = t.Model
	}
	return t
}

// Back writes a restored picture on the measurement's own scale. dst may equal x.
func (t Treatment) Back(dst, x []float32) {
	if t.Stabiliser == nil {
		copy(dst, x)
		return
	}
	t.Stabiliser.Inverse(dst, x)
}
