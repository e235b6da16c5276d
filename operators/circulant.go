package operators

import "math"

// A circulant is the gain of an A'A that convolves, or nearly, in the Fourier domain of
// the scene.
type circulant struct {
	plans *spectrum
	gain  []float32 // h x (w/2+1)
}

// precondition divides every plane by the gain plus rho plus mu times that of D'D, D the
// differences of neighbouring pixels around the torus.
func (p *circulant) precondition(dst, b []float32, s Shape, rho, mu float64) {
	checkLen("PreconditionNormal dst", len(dst), s.Len())
	checkLen("PreconditionNormal b", len(b), s.Len())
	w := p.plans.get()
	defer p.plans.put(w)
	rows, cols := roughness(s.H, s.H, 2*math.Pi, mu), roughness(s.W/2+1, s.W, 2*math.Pi, mu)
	n, m := s.H*s.W, s.W/2+1
	for c := range s.C {
		w.fft.Forward(w.freq, b[c*n:(c+1)*n])
		for u, r := range rows {
			r += float32(rho)
			freq := w.freq[u*m : (u+1)*m]
			for v, g := range p.gain[u*m : (u+1)*m] {
				k := 1 / (g + r + cols[v])
				freq[v] = complex(k*real(freq[v]), k*imag(freq[v]))
			}
		}
		w.fft.Inverse(dst[c*n:(c+1)*n], w.freq)
	}
}

// roughness lists the first k eigenvalues mu (2 - 2 cos(turn u/n)) of mu times the
// squared differences along a line of n samples: around a circle with a turn of 2 pi,
// mirrored at the ends with pi.
func roughness(k, n int, turn, mu float64) []float32 {
	l := make([]float32, k)
	for u := range l {
		l[u] = float32(mu * (2 - 2*math.Cos(turn*float64(u)/float64(n))))
	}
	return l
}
