package operators

import (
	"fmt"
	"math"
)

// Transmission has the counts of the detectors without an object in the beam, Flat, and
// without a beam, Dark. Each is one number, a row with a number for each detector,
// frames of such rows, whose mean counts, or a number for each ray. Dark without
// samples is 0.
type Transmission struct{ Flat, Dark Image }

// leastCount is what a ray is taken to have counted that counted less: of a ray without
// photons the integral is unknown, but large.
const leastCount = 0.5

// Integrals converts counts n, angles x detectors, to line integrals of the
// attenuation,
//
//	y = log((Flat - Dark)/(n - Dark)),
//
// and computes 1/variance of each for Poisson counts,
//
//	1/var y = (n - Dark)^2/n,
//
// about the number of photons that went through (Sauer and Bouman, IEEE Trans. Signal
// Processing 41, 1993). A detector that counts nothing without an object is dead: its
// rays have the weight 0.
func (t Transmission) Integrals(n Image) (y Image, weights []float32, err error) {
	checkLen("Transmission.Integrals", len(n.Pix), n.Len())
	flat, err := fieldOf(t.Flat, n.Shape, "flat field")
	if err != nil {
		return y, nil, err
	}
	dark := func(int) float64 { return 0 }
	if len(t.Dark.Pix) > 0 {
		if dark, err = fieldOf(t.Dark, n.Shape, "dark field"); err != nil {
			return y, nil, err
		}
	}
	y, weights = NewImage(n.Shape), make([]float32, len(n.Pix))
	dead, below := 0, 0
	for i, v := range n.Pix {
		open := flat(i) - dark(i)
		if !(open > 0) {
			dead++
			continue
		}
		c := float64(v) - dark(i)
		if c < leastCount {
			c = min(leastCount, open)
			below++
		}
		y.Pix[i] = float32(math.Log(open / c))
		weights[i] = float32(c * c / max(c, float64(v)))
	}
	switch {
	case dead == len(n.Pix):
		return y, nil, fmt.Errorf("the flat field is nowhere above the dark field")
	case 2*below > len(n.Pix):
		return y, nil, fmt.Errorf("%.3g%% of the rays counted less than one photon; want counts, not line integrals", 100*float64(below)/float64(len(n.Pix)))
	}
	return y, weights, nil
}

// fieldOf is a flat or dark field at each ray of a sinogram of shape s.
func fieldOf(m Image, s Shape, what string) (func(i int) float64, error) {
	for i, v := range m.Pix {
		if !(v >= 0) || math.IsInf(float64(v), 1) {
			return nil, fmt.Errorf("the %s is %v at %d; want counts", what, v, i)
		}
	}
	list := m.C == 1 && (m.H == 1 || m.W == 1)
	switch {
	case m.Len() == 1:
		return func(int) float64 { return float64(m.Pix[0]) }, nil
	case m.Shape == s:
		return func(i int) float64 { return float64(m.Pix[i]) }, nil
	case m.C == 1 && m.W == s.W || list && m.Len() == s.W:
		mean := make([]float64, s.W)
		for i, v := range m.Pix {
			mean[i%s.W] += float64(v) * float64(s.W) / float64(m.Len())
		}
		return func(i int) float64 { return mean[i%s.W] }, nil
	}
	return nil, fmt.Errorf("a %s of %v for counts of %v; want one number, %d detectors, frames of them, or all rays", what, m.Shape, s, s.W)
}

// Spread repeats weights for a measurement of shape s. Weights of one channel serve for
// every channel, those of one row or a list for every row; weights for all samples are
// returned as they are.
func Spread(w Image, s Shape) ([]float32, error) {
	list := w.C == 1 && (w.H == 1 || w.W == 1)
	var at func(i int) int
	n := s.H * s.W
	switch {
	case w.Shape == s || len(w.Pix) == s.Len() && list:
		at = func(i int) int { return i }
	case w.C == 1 && w.H == s.H && w.W == s.W:
		at = func(i int) int { return i % n }
	case list && w.Len() == s.W:
		at = func(i int) int { return i % s.W }
	case w.C == 1 && w.H == s.W && w.W == s.H:
		return nil, fmt.Errorf("weights of %dx%d are transposed: the measurement is %dx%d (numpy: w.T)", w.H, w.W, s.H, s.W)
	default:
		return nil, fmt.Errorf("weights of %v for a measurement of %v; want one for each sample, or a list of %d", w.Shape, s, s.W)
	}
	out := make([]float32, s.Len())
	for i := range out {
		out[i] = w.Pix[at(i)]
	}
	return out, checkWeights(out, Image{s, out})
}
