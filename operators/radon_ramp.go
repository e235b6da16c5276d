package operators

import (
	"math"
	"sync"
)

// newRadonRamp is A'A in the Fourier domain: projecting and smearing back
// over all directions convolves with 1/r, a gain of 1/|frequency| (Natterer,
// The Mathematics of Computerized Tomography, II.1). Its inverse is the ramp
// of filtered back-projection.
func newRadonRamp(s Shape, density float64) *circulant {
	p := &circulant{newSpectrum(s.H, s.W), make([]float32, 0, s.H*(s.W/2+1))}
	least := 0.5 / float64(max(s.H, s.W)) // the picture ends: no lower frequencies
	for u := range s.H {
		fu := float64(min(u, s.H-u)) / float64(s.H)
		for v := range s.W/2 + 1 {
			f := math.Hypot(fu, float64(v)/float64(s.W))
			p.gain = append(p.gain, float32(density/math.Pi/max(f, least)))
		}
	}
	return p
}

// onceRamp makes the ramp at its first use. Its density is the views times
// the rays a pixel of the scene's, each of which counts in g's length.
func onceRamp(s Shape, g Geometry) func() *circulant {
	density := float64(len(g.Angles)) * g.magnification() * g.Pixel / g.Spacing * g.Pixel * g.Pixel
	return sync.OnceValue(func() *circulant { return newRadonRamp(s, density) })
}
