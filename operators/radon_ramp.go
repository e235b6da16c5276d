package operators

import (
	"math"
	"sync"
)

// radonRamp is A'A in the Fourier domain: projecting and smearing back
// over all directions convolves with 1/r, a gain of 1/|frequency| (Natterer,
// The Mathematics of Computerized Tomography, II.1). Its inverse is the ramp
// of filtered back-projection.
type radonRamp struct {
	plans *spectrum
	gain  []float32
}

func newRadonRamp(s Shape, density float64) *radonRamp {
	p := &radonRamp{newSpectrum(s.H, s.W), make([]float32, 0, s.H*(s.W/2+1))}
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
func onceRamp(s Shape, g Geometry) func() *radonRamp {
	density := float64(len(g.Angles)) * g.magnification() * g.Pixel / g.Spacing * g.Pixel * g.Pixel
	return sync.OnceValue(func() *radonRamp { return newRadonRamp(s, density) })
}

// precondition divides by the gain plus rho.
func (p *radonRamp) precondition(dst, b []float32, s Shape, rho float64) {
	checkLen("PreconditionNormal dst", len(dst), s.Len())
	checkLen("PreconditionNormal b", len(b), s.Len())
	w := p.plans.get()
	defer p.plans.put(w)
	n := s.H * s.W
	for c := range s.C {
		w.fft.Forward(w.freq, b[c*n:(c+1)*n])
		for i, g := range p.gain {
			k := 1 / (g + float32(rho))
			w.freq[i] = complex(k*real(w.freq[i]), k*imag(w.freq[i]))
		}
		w.fft.Inverse(dst[c*n:(c+1)*n], w.freq)
	}
}
