package lpn

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// A Wave is a pattern that repeats about a flat picture of 1/2. At i rows and k
// columns from the picture's middle it adds to plane c
//
//	Amplitude Mix[c] s(2 pi (FY i + FX k) + Phase),   s(u) = tanh(Sharp sin u)/tanh(Sharp),
//
// a sine squared off. A board is multiplied by the same pattern at right angles. The
// mean of each plane is subtracted.
type Wave struct {
	// FY and FX are in cycles per pixel, of size at most 1/2. A very slow wave is a
	// ramp.
	FY float64 `json:"fy"`
	FX float64 `json:"fx"`
	// Phase is in radians.
	Phase float64 `json:"phase"`
	// Amplitude is that of the strongest plane, for pictures in [0,1].
	Amplitude float64 `json:"amplitude"`
	// Mix holds a factor for each plane, the largest of size 1.
	Mix []float64 `json:"mix"`
	// Sharp is from 0, a sine, to MostSharp, nearly a square wave.
	Sharp float64 `json:"sharp"`
	Board bool    `json:"board,omitempty"`
}

// The waves that a search considers: amplitudes, from nearly nothing to the whole range
// of pictures, and sharpness.
const (
	LeastAmplitude = 0.02
	MostAmplitude  = 0.5
	MostSharp      = 6.0
)

// slowest is the longest period looked at, in pixels.
const slowest = 40

// RandomWave draws a wave for pictures of the given planes. Half of them run along
// rows, columns or diagonals, where pictures have their edges and networks their
// largest gains. In colour half are in one plane, or in two planes with opposite signs.
// Strong waves are more frequent than weak ones.
func RandomWave(rng *rand.Rand, channels int) Wave {
	w := Wave{Phase: 2 * math.Pi * rng.Float64(), Board: rng.IntN(6) == 0, Mix: make([]float64, channels)}
	w.Amplitude = LeastAmplitude * math.Pow(MostAmplitude/LeastAmplitude, math.Sqrt(rng.Float64()))
	if rng.IntN(2) == 0 {
		w.Sharp = MostSharp * rng.Float64()
	}
	switch k := rng.IntN(8); {
	case k < 4: // all octaves alike, in the main directions
		f := math.Pow(slowest/2, -rng.Float64()) / 2
		w.FY, w.FX = math.Sincos(math.Pi / 4 * float64(k))
		if rng.IntN(8) == 0 { // as fast as there is
			f = 0.5 / max(math.Abs(w.FY), math.Abs(w.FX))
		}
		w.FY, w.FX = f*w.FY, f*w.FX
	case k < 6: // in all directions
		f := math.Pow(slowest/2, -rng.Float64()) / 2
		w.FY, w.FX = math.Sincos(math.Pi * rng.Float64())
		w.FY, w.FX = f*w.FY, f*w.FX
	default: // all frequencies alike
		w.FY, w.FX = rng.Float64()-0.5, 0.5*rng.Float64()
	}
	switch k := rng.IntN(channels); rng.IntN(6) {
	case 0:
		w.Mix[k] = 1
	case 1, 2:
		w.Mix[k], w.Mix[(k+1)%channels] = -1, 1
	case 3, 4:
		for c := range w.Mix {
			w.Mix[c] = rng.NormFloat64()
		}
	default:
		for c := range w.Mix {
			w.Mix[c] = 1
		}
	}
	return w.within()
}

// within returns the wave with every number in its range.
func (w Wave) within() Wave {
	w.FY, w.FX = min(0.5, max(-0.5, w.FY)), min(0.5, max(-0.5, w.FX))
	if p := w.Period(); !(p <= slowest) {
		k := p / slowest
		w.FY, w.FX = k*w.FY, k*w.FX
	}
	w.Amplitude = min(MostAmplitude, max(LeastAmplitude, w.Amplitude))
	w.Sharp = min(MostSharp, max(0, w.Sharp))
	top := 1e-9
	for _, m := range w.Mix {
		top = max(top, math.Abs(m))
	}
	mix := make([]float64, len(w.Mix))
	for c, m := range w.Mix {
		mix[c] = m / top
	}
	w.Mix = mix
	return w
}

// Period is the wave's length in pixels.
func (w Wave) Period() float64 { return 1 / math.Hypot(w.FY, w.FX) }

// String describes the wave in one line.
func (w Wave) String() string {
	kind := "stripes"
	if w.Board {
		kind = "a board"
	}
	s := fmt.Sprintf("%s of period %.1f, %.0f degrees, amplitude %.2f, sharpness %.1f", kind, w.Period(),
		math.Atan2(w.FY, w.FX)*180/math.Pi, w.Amplitude, w.Sharp)
	if len(w.Mix) > 1 {
		s += fmt.Sprintf(", planes %.2f", w.Mix)
	}
	return s
}

// Fill writes what the wave adds to a flat picture of shape s.
func (w Wave) Fill(dst []float32, s operators.Shape) {
	for i := range s.H {
		for k := range s.W {
			v, _ := w.at(float64(i-s.H/2), float64(k-s.W/2))
			for c := range s.C {
				dst[(c*s.H+i)*s.W+k] = float32(w.Amplitude * w.Mix[c] * v)
			}
		}
	}
	centrePlanes(dst, s)
}

// centrePlanes takes the mean of each plane away.
func centrePlanes(x []float32, s operators.Shape) {
	n := s.H * s.W
	for c := range s.C {
		p, sum := x[c*n:(c+1)*n], 0.0
		for _, v := range p {
			sum += float64(v)
		}
		for i := range p {
			p[i] -= float32(sum / float64(n))
		}
	}
}

// The numbers of a wave that an ascent moves, before those of Mix.
const (
	byFY = iota
	byFX
	byPhase
	bySharp
	byAmplitude
	byMix
)

// at is the wave of amplitude 1 at a pixel and its derivatives by FY to Sharp.
func (w Wave) at(y, x float64) (v float64, by [4]float64) {
	a, da, dk := squared(2*math.Pi*(w.FY*y+w.FX*x)+w.Phase, w.Sharp)
	if !w.Board {
		return a, [4]float64{2 * math.Pi * da * y, 2 * math.Pi * da * x, da, dk}
	}
	b, db, dl := squared(2*math.Pi*(w.FX*y-w.FY*x)+w.Phase, w.Sharp)
	return a * b, [4]float64{2 * math.Pi * (da*b*y - a*db*x), 2 * math.Pi * (da*b*x + a*db*y), da*b + a*db, dk*b + a*dl}
}

// squared is s(u) of Wave and its derivatives by u and by sharp.
func squared(u, sharp float64) (s, byU, byK float64) {
	sin, cos := math.Sincos(u)
	if sharp < 1e-3 {
		return sin, cos, 0
	}
	top, t := math.Tanh(sharp), math.Tanh(sharp*sin)
	return t / top, (1 - t*t) * sharp * cos / top, (1-t*t)*sin/top - t*(1-top*top)/(top*top)
}

// A WaveSearch looks for the waves that f = grad psi amplifies most. The gain
// of a wave g about a flat picture b is
//
//	<g, f(b+g) - f(b)> / ||g||^2,
//
// summed away from the borders. While it is below 1, R climbs as g grows: the slope of
// R at f(y) is y - f(y). If the gain is above 1, R prefers a stronger wave, and a
// solver paints it wherever the measurement does not contradict it. It is not safe for
// concurrent use.
type WaveSearch struct {
	psi           solvers.Potential
	s             operators.Shape
	flat          []float32 // f of the flat picture
	r             float64   // R there
	rounding      float64   // what differences of R are uncertain by
	y, g, f, d, h []float32
}

// flatLevel is the flat picture about which waves are looked at.
const flatLevel = 0.5

// NewWaveSearch prepares a search on pictures of shape s, which should be larger than
// the receptive field of f: gains are taken from the middle half of rows and columns.
func NewWaveSearch(psi solvers.Potential, s operators.Shape) *WaveSearch {
	t := &WaveSearch{psi: psi, s: s}
	for _, p := range []*[]float32{&t.flat, &t.y, &t.g, &t.f, &t.d, &t.h} {
		*p = make([]float32, s.Len())
	}
	t.r = t.eval(t.flat)
	t.rounding = math.Abs(dot(t.flat, t.flat)/2-t.r) * 0x1p-21 // psi has single precision
	return t
}

// eval writes f(b+g) to dst and returns R there.
func (t *WaveSearch) eval(dst []float32) float64 {
	for i, v := range t.g {
		t.y[i] = flatLevel + v
	}
	psi := t.psi.Eval(dst, t.y)
	return dot(dst, t.y) - dot(dst, dst)/2 - psi
}

// middle calls do for every element away from the borders.
func (t *WaveSearch) middle(do func(i int)) {
	for c := range t.s.C {
		for y := t.s.H / 4; y < t.s.H-t.s.H/4; y++ {
			for x := t.s.W / 4; x < t.s.W-t.s.W/4; x++ {
				do((c*t.s.H+y)*t.s.W + x)
			}
		}
	}
}

// Gain returns the gain of w, and by how much R at f of the wave exceeds R at
// f of the flat picture: 0 where the difference is within the rounding of psi.
func (t *WaveSearch) Gain(w Wave) (gain, above float64) {
	w.Fill(t.g, t.s)
	if above = t.eval(t.f) - t.r; math.Abs(above) < t.rounding {
		above = 0
	}
	along, energy := 0.0, 1e-30
	t.middle(func(i int) {
		g := float64(t.g[i])
		along += g * (float64(t.f[i]) - float64(t.flat[i]))
		energy += g * g
	})
	return along / energy, above
}

// slope is the derivative of the gain by the numbers of w, from that by g,
//
//	(m (f(b+g) - f(b)) + J m g - 2 gain m g) / <m g, g>,
//
// m being 1 away from the borders and J = Hess psi at b+g. Gain has just been
// called for w.
func (t *WaveSearch) slope(w Wave, gain float64) []float64 {
	clear(t.d)
	energy := 1e-30
	t.middle(func(i int) {
		t.d[i] = t.g[i]
		energy += float64(t.g[i]) * float64(t.g[i])
	})
	hessian(t.psi, t.h, t.y, t.d, 0.01)
	t.middle(func(i int) { t.h[i] += t.f[i] - t.flat[i] - float32(2*gain)*t.g[i] })
	centrePlanes(t.h, t.s) // the adjoint of doing so to the wave
	by := make([]float64, byMix+t.s.C)
	for i := range t.s.H {
		for k := range t.s.W {
			v, slopes := w.at(float64(i-t.s.H/2), float64(k-t.s.W/2))
			for c := range t.s.C {
				e := float64(t.h[(c*t.s.H+i)*t.s.W+k]) / energy
				for j, q := range slopes {
					by[j] += e * w.Amplitude * w.Mix[c] * q
				}
				by[byAmplitude] += e * w.Mix[c] * v
				by[byMix+c] += e * w.Amplitude * v
			}
		}
	}
	return by
}

// Climb moves w uphill for at most steps steps, and returns the wave with the largest
// gain, and the gain.
func (t *WaveSearch) Climb(w Wave, steps int) (Wave, float64) {
	gain, _ := t.Gain(w)
	var by []float64
	for stride := 0.5; steps > 0 && stride > 1e-3; steps-- {
		if by == nil {
			by = t.slope(w, gain)
		}
		next := w.moved(by, stride, t.s)
		if g, _ := t.Gain(next); g > gain {
			w, gain, by = next, g, nil
			stride = min(1, 1.5*stride)
		} else {
			stride /= 3
		}
	}
	return w, gain
}

// moved goes along a slope, each number in its own measure: a period over the
// picture, a radian, a third of the amplitude and so on; stride is the length of the step in these measures.
func (w Wave) moved(by []float64, stride float64, s operators.Shape) Wave {
	measure := func(j int) float64 {
		switch j {
		case byFY:
			return 0.5 / float64(s.H)
		case byFX:
			return 0.5 / float64(s.W)
		case byAmplitude:
			return w.Amplitude / 2
		case byMix, byMix + 1, byMix + 2:
			return 0.5
		}
		return 1
	}
	total := 1e-30
	for j, v := range by {
		total += v * v * measure(j) * measure(j)
	}
	step := func(j int) float64 { return stride * by[j] * measure(j) * measure(j) / math.Sqrt(total) }
	w.Mix = append([]float64(nil), w.Mix...)
	w.FY += step(byFY)
	w.FX += step(byFX)
	w.Phase += step(byPhase)
	w.Sharp += step(bySharp)
	w.Amplitude += step(byAmplitude)
	for c := range w.Mix {
		w.Mix[c] += step(byMix + c)
	}
	return w.within()
}

// grid are waves that fit the grid of pixels: along rows, columns and diagonals, sines and
// square waves, at two phases.
func grid() (all []Wave) {
	for _, period := range []float64{2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24} {
		for _, d := range [][2]float64{{0, 1}, {1, 0}, {1, 1}, {1, -1}} {
			for _, sharp := range []float64{0, MostSharp} {
				for _, phase := range []float64{0.7, 0.7 + math.Pi/2} {
					all = append(all, Wave{FY: d[0] / period, FX: d[1] / period, Phase: phase, Amplitude: 0.4, Sharp: sharp})
				}
			}
		}
	}
	return all
}

// WaveFrequencies are frequencies {FY, FX} of all sines, in cycles per pixel, so close that a
// filter of 14 pixels resonates at one of them if it does anywhere.
func WaveFrequencies() (all [][2]float64) {
	const n = 28
	for i := -n/2 + 1; i <= n/2; i++ {
		for k := range n/2 + 1 {
			if k > 0 || i > 0 {
				all = append(all, [2]float64{float64(i) / n, float64(k) / n})
			}
		}
	}
	return all
}

// WaveMixtures are mixtures of planes (see Wave.Mix) from which a few steps of a power
// iteration lead to that of the largest gain: gray, the first plane against the last, and these two
// against the one between.
func WaveMixtures(channels int) [][]float64 {
	gray, opposed, between := make([]float64, channels), make([]float64, channels), make([]float64, channels)
	for c := range gray {
		gray[c], between[c] = 1, -0.5
	}
	if channels == 1 {
		return [][]float64{gray}
	}
	opposed[0], opposed[channels-1], between[channels/2] = 1, -1, 1
	return [][]float64{gray, opposed, between}
}

// blend looks for the mixture of w's planes with the largest gain, by so many steps of the
// power iteration
//
//	m_c <- <p, f_c(b+g) - f_c(b)>,   g_c = m_c p,
//
// whose matrix is positive semidefinite where f is linear. It returns the best wave seen,
// its gain, and the lowest R relative to that of the flat picture.
func (t *WaveSearch) blend(w Wave, steps int) (best Wave, gain, lowest float64) {
	best = w
	gain, lowest = t.Gain(w)
	if t.s.C == 1 {
		return best, gain, lowest
	}
	n := t.s.H * t.s.W
	for range steps {
		strongest := 0
		for c, m := range w.Mix {
			if math.Abs(m) > math.Abs(w.Mix[strongest]) {
				strongest = c
			}
		}
		mix := make([]float64, t.s.C)
		t.middle(func(i int) {
			mix[i/n] += float64(t.g[strongest*n+i%n]) * float64(t.f[i]-t.flat[i])
		})
		w.Mix = mix
		w = w.within()
		g, above := t.Gain(w)
		if lowest = min(lowest, above); g > gain {
			best, gain = w, g
		}
	}
	return best, gain, lowest
}

// Worst climbs from the best of n random waves and of fixed ones: waves that fit the grid of
// pixels, and sines of all frequencies. It returns the wave with the largest gain, and the
// lowest R of all those waves relative to that of the flat picture.
func (t *WaveSearch) Worst(rng *rand.Rand, n, climbs, steps int) (worst Wave, gain, lowest float64) {
	type scored struct {
		Wave
		gain float64
	}
	var all []scored
	lowest, gain = math.Inf(1), math.Inf(-1)
	blend := func(w Wave, steps int) scored {
		w, g, above := t.blend(w, steps)
		lowest = min(lowest, above)
		return scored{w, g}
	}
	best := func(w Wave, steps int) {
		var tried []scored
		for _, w.Mix = range WaveMixtures(t.s.C) {
			tried = append(tried, blend(w, steps))
		}
		all = append(all, slices.MaxFunc(tried, func(a, b scored) int { return cmp.Compare(a.gain, b.gain) }))
	}
	for _, w := range grid() {
		best(w, 1)
	}
	for _, f := range WaveFrequencies() {
		best(Wave{FY: f[0], FX: f[1], Phase: 0.7, Amplitude: 0.4}, 0)
	}
	for range n {
		all = append(all, blend(RandomWave(rng, t.s.C), 0))
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(b.gain, a.gain) })
	for _, w := range all[:min(climbs, len(all))] {
		w := blend(w.Wave, 2)
		if top, g := t.Climb(w.Wave, steps); g > gain {
			worst, gain = top, g
		}
	}
	_, above := t.Gain(worst)
	return worst, gain, min(lowest, above)
}

// dampings bounds how often Damped measures and scales.
const dampings = 6

// searches is the number of searches, each from other random waves, that Damped
// believes.
const searches = 2

// worstOfSearches returns the largest gain and the lowest margin of a few searches.
func (n *Network) worstOfSearches(seed uint64) (gain, margin float64, err error) {
	margin = math.Inf(1)
	for k := range uint64(searches) {
		c := Certificate{Seed: seed + k}
		if err := n.MeasureStripes(&c); err != nil {
			return 0, 0, err
		}
		gain, margin = max(gain, *c.StripeGain), min(margin, *c.StripeMargin)
	}
	return gain, margin, nil
}

// Damped returns the network with its gates scaled until f amplifies no wave that the
// search of Verify finds: a factor of a percent or less for one trained under the gain
// penalty, which comes close to 1 but rarely below. The scaled weights stay
// non-negative, so f stays an exact proximal operator; constant images are denoised as
// before. A network without gates is returned unchanged.
func (n *Network) Damped(seed uint64) (*Network, error) {
	if n.cfg.Pyramid == nil || n.cfg.Height > 0 {
		return n, nil
	}
	room := 3e-4
	for range dampings {
		gain, margin, err := n.worstOfSearches(seed)
		if err != nil {
			return n, err
		}
		if gain <= 1 && margin >= 0 {
			break
		}
		n = n.gatesScaled(1 / (max(1, gain) + room))
		room *= 2 // slow waves pass by other ways than the gates, too
	}
	return n, nil
}
