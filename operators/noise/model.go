package noise

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/lpn-imaging/lpn/operators"
)

// A Model says how a measurement y differs from its mean m, the picture that
// the camera would give without noise. Slices hold the samples of a picture of
// shape s; dst may equal mean. Models are immutable.
type Model interface {
	// String is the model as Parse reads it, or words where it has no such
	// text.
	fmt.Stringer
	// Variance writes the variance of each sample, in squared units of the
	// samples, at the mean m.
	Variance(dst, mean []float32, s operators.Shape)
	// Sample writes a measurement of mean m. Nothing is clipped.
	Sample(dst, mean []float32, s operators.Shape, rng *rand.Rand)
	// NegLogLikelihood is -log p(y | m), in nats.
	NegLogLikelihood(y, mean []float32, s operators.Shape) float64
	// Scaled is the model of (y-lo)/(hi-lo): of the same measurement in other
	// units.
	Scaled(lo, hi float64) Model
}

var (
	_ Model = White{}
	_ Model = Poisson{}
	_ Model = Camera{}
	_ Model = Curve{}
	_ Model = Map{}
)

// White is independent Gaussian noise of standard deviation Sigma >= 0
// everywhere.
type White struct{ Sigma float64 }

func (w White) String() string { return format(w.Sigma) }

// Variance is Sigma^2.
func (w White) Variance(dst, mean []float32, s operators.Shape) {
	check("White", s, dst, mean)
	for i := range dst {
		dst[i] = float32(w.Sigma * w.Sigma)
	}
}

// Sample adds Sigma times a standard normal number.
func (w White) Sample(dst, mean []float32, s operators.Shape, rng *rand.Rand) {
	check("White", s, dst, mean)
	operators.AddGaussian(dst, mean, w.Sigma, rng)
}

// NegLogLikelihood is the Gaussian's; see Model.
func (w White) NegLogLikelihood(y, mean []float32, s operators.Shape) float64 {
	return gaussianNLL(w, y, mean, s)
}

// Scaled divides Sigma by hi-lo.
func (w White) Scaled(lo, hi float64) Model { return White{w.Sigma / span(lo, hi)} }

// Poisson is counting noise: y = Black + Gain k + Read n, where k is a Poisson
// count of mean (m-Black)/Gain and n a standard normal number. So the variance
// is Gain (m-Black) + Read^2. Below Black nothing is counted.
type Poisson struct {
	// Gain > 0 is what one count adds to a sample.
	Gain float64
	// Read >= 0 is the deviation of the Gaussian part.
	Read float64
	// Black is the value of a sample without any count.
	Black float64
}

func (p Poisson) String() string {
	return "poisson:gain=" + format(p.Gain) + optional("read", p.Read) + optional("black", p.Black)
}

// Variance is Gain (m-Black)+ + Read^2.
func (p Poisson) Variance(dst, mean []float32, s operators.Shape) {
	Camera{A: p.Gain, B: p.Read, Black: p.Black}.Variance(dst, mean, s)
}

// Sample draws the counts, then the Gaussian part.
func (p Poisson) Sample(dst, mean []float32, s operators.Shape, rng *rand.Rand) {
	check("Poisson", s, dst, mean)
	g, b := float32(p.Gain), float32(p.Black)
	for i, m := range mean {
		dst[i] = (m - b) / g
	}
	operators.AddPoisson(dst, dst, 1, rng)
	for i, k := range dst {
		dst[i] = b + g*k
	}
	if p.Read > 0 {
		operators.AddGaussian(dst, dst, p.Read, rng)
	}
}

// NegLogLikelihood is -log of the probability of a count, or, with Read > 0, of
// the density of y: sum over k of Poisson(k) Normal(y; Black + Gain k, Read^2).
// Without Read, a sample that is no whole number of counts has the continuous
// extension by the gamma function.
func (p Poisson) NegLogLikelihood(y, mean []float32, s operators.Shape) float64 {
	check("Poisson", s, y, mean)
	sum := 0.0
	for i, v := range y {
		k := (float64(v) - p.Black) / p.Gain
		mu := max((float64(mean[i])-p.Black)/p.Gain, 0)
		if p.Read == 0 {
			sum -= logPoisson(k, mu)
		} else {
			sum -= logCounts(k, mu, p.Read/p.Gain) - math.Log(p.Gain)
		}
	}
	return sum
}

// logPoisson is log(mu^k e^-mu / Gamma(k+1)).
func logPoisson(k, mu float64) float64 {
	switch {
	case k < 0:
		return math.Inf(-1)
	case mu == 0 && k == 0:
		return 0
	}
	lg, _ := math.Lgamma(k + 1)
	return k*math.Log(mu) - mu - lg
}

// logCounts is the logarithm of the density at v of a Poisson count of mean mu
// plus a normal number of deviation r. The terms further than 9 deviations from
// both the counts' and the normal's centre are left out.
func logCounts(v, mu, r float64) float64 {
	sd := math.Sqrt(mu)
	lo := math.Floor(max(0, min(v-9*r, mu-9*sd)))
	hi := math.Ceil(max(v+9*r, mu+9*sd+20))
	if hi-lo > 1e5 { // here the sum is normal to rounding
		t := mu + r*r
		return -(v-mu)*(v-mu)/(2*t) - math.Log(2*math.Pi*t)/2
	}
	terms := make([]float64, 0, int(hi-lo)+1)
	for k := lo; k <= hi; k++ {
		z := (v - k) / r
		terms = append(terms, logPoisson(k, mu)-z*z/2)
	}
	top := slices.Max(terms)
	sum := 0.0
	for _, t := range terms {
		sum += math.Exp(t - top)
	}
	return top + math.Log(sum) - math.Log(r*math.Sqrt(2*math.Pi))
}

// Scaled divides gain, read noise and what exceeds lo by hi-lo.
func (p Poisson) Scaled(lo, hi float64) Model {
	g := span(lo, hi)
	return Poisson{p.Gain / g, p.Read / g, (p.Black - lo) / g}
}

// Camera is independent Gaussian noise of variance A (m-Black)+ + B^2, the
// usual approximation of photons and read noise in linear light (Foi et al.,
// IEEE Trans. Image Processing 17, 2008). A, B >= 0.
type Camera struct{ A, B, Black float64 }

func (c Camera) String() string {
	return "camera:a=" + format(c.A) + ",b=" + format(c.B) + optional("black", c.Black)
}

// Variance is A (m-Black)+ + B^2.
func (c Camera) Variance(dst, mean []float32, s operators.Shape) {
	check("Camera", s, dst, mean)
	a, b, black := float32(c.A), float32(c.B*c.B), float32(c.Black)
	for i, m := range mean {
		dst[i] = a*max(m-black, 0) + b
	}
}

// Sample adds independent normal numbers.
func (c Camera) Sample(dst, mean []float32, s operators.Shape, rng *rand.Rand) {
	sampleGaussian(c, dst, mean, s, rng)
}

// NegLogLikelihood is the Gaussian's; see Model.
func (c Camera) NegLogLikelihood(y, mean []float32, s operators.Shape) float64 {
	return gaussianNLL(c, y, mean, s)
}

// Scaled divides A by hi-lo, B and what exceeds lo likewise.
func (c Camera) Scaled(lo, hi float64) Model {
	g := span(lo, hi)
	return Camera{c.A / g, c.B / g, (c.Black - lo) / g}
}

// Curve is independent Gaussian noise whose deviation is a function of the
// mean, one for each channel: what a developed photograph has.
type Curve struct{ Channels []Line }

// A Line is a function on the real numbers: linear between points, constant
// beyond them. X ascends; Y, of the same length of at least 1, is not negative.
type Line struct {
	X []float64 `json:"x"`
	Y []float64 `json:"y"`
}

// At is the function at x.
func (l Line) At(x float64) float64 {
	n := len(l.X)
	k, _ := slices.BinarySearch(l.X, x)
	switch {
	case k == 0:
		return l.Y[0]
	case k == n:
		return l.Y[n-1]
	}
	t := (x - l.X[k-1]) / (l.X[k] - l.X[k-1])
	return l.Y[k-1] + t*(l.Y[k]-l.Y[k-1])
}

func (c Curve) String() string {
	lo, hi := math.Inf(1), 0.0
	for _, l := range c.Channels {
		lo, hi = min(lo, slices.Min(l.Y)), max(hi, slices.Max(l.Y))
	}
	return fmt.Sprintf("a curve from %.3g to %.3g", lo, hi)
}

// Line is the curve of channel c: the only one serves all channels.
func (c Curve) Line(channel int) Line { return c.Channels[channel%len(c.Channels)] }

// Variance is the squared deviation at the mean.
func (c Curve) Variance(dst, mean []float32, s operators.Shape) {
	check("Curve", s, dst, mean)
	if n := len(c.Channels); n != 1 && n != s.C {
		panic(fmt.Sprintf("noise: curves of %d channels for a picture of %d", n, s.C))
	}
	n := s.H * s.W
	for k := range s.C {
		at := c.Line(k).variance()
		for i, m := range mean[k*n : (k+1)*n] {
			dst[k*n+i] = at(m)
		}
	}
}

// variance is the square of the line, with the values at the levels of 8 bits, which most
// images have, at hand.
func (l Line) variance() func(m float32) float32 {
	square := func(m float32) float32 {
		d := l.At(float64(m))
		return float32(d * d)
	}
	var levels [256]float32
	for i := range levels {
		levels[i] = square(float32(i) / 255)
	}
	return func(m float32) float32 {
		if v := int(m*255 + 0.5); v >= 0 && v < len(levels) && float32(v)/255 == m {
			return levels[v]
		}
		return square(m)
	}
}

// Sample adds independent normal numbers.
func (c Curve) Sample(dst, mean []float32, s operators.Shape, rng *rand.Rand) {
	sampleGaussian(c, dst, mean, s, rng)
}

// NegLogLikelihood is the Gaussian's; see Model.
func (c Curve) NegLogLikelihood(y, mean []float32, s operators.Shape) float64 {
	return gaussianNLL(c, y, mean, s)
}

// Scaled moves and divides both axes.
func (c Curve) Scaled(lo, hi float64) Model {
	g := span(lo, hi)
	out := Curve{make([]Line, len(c.Channels))}
	for i, l := range c.Channels {
		for k := range l.X {
			out.Channels[i].X = append(out.Channels[i].X, (l.X[k]-lo)/g)
			out.Channels[i].Y = append(out.Channels[i].Y, l.Y[k]/g)
		}
	}
	return out
}

// Map is independent Gaussian noise with a deviation of its own for each
// sample.
type Map struct{ Deviation operators.Image }

func (m Map) String() string { return fmt.Sprintf("a map of %v deviations", m.Deviation.Shape) }

// Variance is the squared map; it panics on a picture of another shape.
func (m Map) Variance(dst, mean []float32, s operators.Shape) {
	check("Map", s, dst, mean)
	if m.Deviation.Shape != s {
		panic(fmt.Sprintf("noise: a map of %v for a picture of %v", m.Deviation.Shape, s))
	}
	for i, d := range m.Deviation.Pix {
		dst[i] = d * d
	}
}

// Sample adds independent normal numbers.
func (m Map) Sample(dst, mean []float32, s operators.Shape, rng *rand.Rand) {
	sampleGaussian(m, dst, mean, s, rng)
}

// NegLogLikelihood is the Gaussian's; see Model.
func (m Map) NegLogLikelihood(y, mean []float32, s operators.Shape) float64 {
	return gaussianNLL(m, y, mean, s)
}

// Scaled divides the deviations by hi-lo.
func (m Map) Scaled(lo, hi float64) Model {
	g := float32(span(lo, hi))
	d := m.Deviation.Clone()
	for i := range d.Pix {
		d.Pix[i] /= g
	}
	return Map{d}
}

// RMS is the root mean square of the deviations that a model has at a mean: the
// one number for "how much noise".
func RMS(m Model, mean []float32, s operators.Shape) float64 {
	if w, ok := m.(White); ok {
		return w.Sigma
	}
	sum := 0.0
	if c, ok := m.(Curve); ok { // of a large image, too, without more memory
		for k := range s.C {
			at, n := c.Line(k).variance(), s.H*s.W
			for _, v := range mean[k*n : (k+1)*n] {
				sum += float64(at(v))
			}
		}
		return math.Sqrt(sum / float64(max(len(mean), 1)))
	}
	v := make([]float32, len(mean))
	m.Variance(v, mean, s)
	for _, x := range v {
		sum += float64(x)
	}
	return math.Sqrt(sum / float64(max(len(v), 1)))
}

// sampleGaussian adds independent normal numbers of the model's variance.
func sampleGaussian(m Model, dst, mean []float32, s operators.Shape, rng *rand.Rand) {
	v := make([]float32, len(mean))
	m.Variance(v, mean, s)
	for i, x := range mean {
		dst[i] = float32(float64(x) + math.Sqrt(float64(v[i]))*rng.NormFloat64())
	}
}

// gaussianNLL is sum of (y-m)^2/2v + log(2 pi v)/2. Where v is 0 the density is
// infinite at y = m and 0 elsewhere.
func gaussianNLL(m Model, y, mean []float32, s operators.Shape) float64 {
	check("NegLogLikelihood", s, y, mean)
	v := make([]float32, len(mean))
	m.Variance(v, mean, s)
	sum := 0.0
	for i, x := range v {
		d, u := float64(y[i])-float64(mean[i]), float64(x)
		if u == 0 {
			if d != 0 {
				return math.Inf(1)
			}
			return math.Inf(-1)
		}
		sum += d*d/(2*u) + math.Log(2*math.Pi*u)/2
	}
	return sum
}

func check(what string, s operators.Shape, slices ...[]float32) {
	for _, p := range slices {
		if len(p) != s.Len() {
			panic(fmt.Sprintf("noise: %s: slice of length %d for a picture of %v", what, len(p), s))
		}
	}
}

func span(lo, hi float64) float64 {
	if g := hi - lo; g > 0 && !math.IsInf(g, 1) {
		return g
	}
	panic(fmt.Sprintf("noise: Scaled: the range %v to %v is empty", lo, hi))
}

func format(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func optional(key string, v float64) string {
	if v == 0 {
		return ""
	}
	return "," + key + "=" + format(v)
}
