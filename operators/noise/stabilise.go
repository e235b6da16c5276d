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

	g    Line // on a grid a little beyond Lo..Hi, linear beyond
	back Line // from E g(y) to m
}

// leastDeviation is the part of the mean deviation below which the curve counts
// as this part: where there is next to no noise g must not be vertical.
const leastDeviation = 0.1

// NewStabiliser makes the stabiliser of a deviation d over the range lo to hi of
// brightness, outside of which samples are taken to be clipped where clipped.
func NewStabiliser(d func(mean float64) float64, lo, hi float64, clipped bool) *Stabiliser {
	const n, margin = 512, 64
	h := span(lo, hi) / n
	s := &Stabiliser{Lo: lo, Hi: hi}
	mean := 0.0
	for i := range n {
		mean += d(lo+(float64(i)+0.5)*h) / n
	}
	at := func(t float64) float64 { return max(d(t), leastDeviation*mean, 1e-12*(hi-lo)) }
	sum := 0.0
	for i := -margin; i <= n+margin; i++ {
		s.g.X = append(s.g.X, lo+float64(i)*h)
		s.g.Y = append(s.g.Y, sum)
		sum += h / at(lo+(float64(i)+0.5)*h)
	}
	zero := s.g.Y[margin]
	s.Level = 1 / (s.g.Y[margin+n] - zero)
	for i := range s.g.Y {
		s.g.Y[i] = (s.g.Y[i] - zero) * s.Level
	}
	// E g(y) at each point of the grid, by the trapezoidal rule over 4 deviations.
	last := math.Inf(-1)
	for i := margin / 2; i <= n+margin+margin/2-margin; i++ {
		m := s.g.X[i]
		dev, e, w := d(m), 0.0, 0.0
		for z := -4.0; z <= 4; z += 0.25 {
			y := m + dev*z
			if clipped {
				y = min(max(y, lo), hi)
			}
			p := math.Exp(-z * z / 2)
			e, w = e+p*s.at(y), w+p
		}
		if e /= w; e > last+1e-9 {
			s.back.X, s.back.Y = append(s.back.X, e), append(s.back.Y, m)
			last = e
		}
	}
	return s
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

// Inverse writes the m whose E g(y) is u. dst may equal u.
func (s *Stabiliser) Inverse(dst, u []float32) {
	for i, v := range u {
		dst[i] = float32(extended(s.back, float64(v)))
	}
}

// Pooled is the root mean square over channels of a model's deviation at a mean
// common to all samples.
func Pooled(m Model, channels int) func(mean float64) float64 {
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
// differ in and the correlation stay. The deviations of the channels are those at
// the brightness of each sample, averaged.
func (s *Stabiliser) Stabilised(m Model, y operators.Image) (operators.Image, Model) {
	out := operators.NewImage(y.Shape)
	s.Forward(out.Pix, y.Pix)
	v := make([]float32, y.Len())
	m.Variance(v, y.Pix, y.Shape)
	pooled := make([]float32, y.Len())
	slope := s.slopes(pooled, y.Pix)
	c := Curve{make([]Line, y.C)}
	n := y.H * y.W
	for a := range y.C {
		sum := 0.0
		for i := a * n; i < (a+1)*n; i++ {
			sum += float64(v[i]) * float64(slope[i]) * float64(slope[i])
		}
		c.Channels[a] = Line{[]float64{0}, []float64{math.Sqrt(sum / float64(n))}}
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
