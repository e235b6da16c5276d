package operators

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A Window damps the high frequencies of filtered back-projection.
type Window int

const (
	Ramp Window = iota // none: the filter |f| alone
	Hann               // |f| (1+cos(2 pi f))/2, for noisy data
)

func (w Window) String() string {
	if w < Ramp || w > Hann {
		return fmt.Sprintf("Window(%d)", int(w))
	}
	return [...]string{"ramp", "hann"}[w]
}

// FBP is filtered back-projection, the classical inverse of the Radon
// transform (Kak and Slaney, Principles of Computerized Tomographic Imaging,
// 1988, ch. 3): every view is filtered with |f|, and pixel (i,j) becomes the sum
// over the views of the filtered view at
//
//	t = (j-cx) cos(theta) - (i-cy) sin(theta),
//
// linearly interpolated, times the view's share of the half circle: on each side half
// of the way to the next view, modulo 180 degrees. Pixels further from the centre than
// any ray are 0.
type FBP struct {
	r    *Radon
	fft  *kernel.RowFFT
	n    int       // length of a padded view
	gain []float32 // n/2+1
	arc  []float32 // the share of each view, in radians
}

// NewFBP prepares the filter for r.
func NewFBP(r *Radon, w Window) *FBP {
	// Padding to twice the length keeps the filter from wrapping around.
	n := kernel.FFTSize(max(64, 2*r.codomain.W+2))
	f := &FBP{r: r, fft: kernel.NewRowFFT(n), n: n}
	// The ramp is sampled in space and transformed: sampled in frequency its
	// mean would be wrong (ibid., eq. 61).
	h := make([]float32, n)
	h[0] = 0.25
	for t := 1; t <= n/2; t += 2 {
		v := float32(-1 / (math.Pi * math.Pi * float64(t) * float64(t)))
		h[t], h[n-t] = v, v
	}
	freq := make([]complex64, n/2+1)
	f.fft.Forward(freq, h, 1)
	for _, a := range arcs(r.g.Angles, 180) {
		f.arc = append(f.arc, float32(a*math.Pi/180))
	}
	for k, z := range freq {
		g := float64(real(z)) / r.g.Spacing
		if w == Hann {
			g *= (1 + math.Cos(2*math.Pi*float64(k)/float64(n))) / 2
		}
		f.gain = append(f.gain, float32(g))
	}
	return f
}

// Reconstruct writes the picture of the sinogram y to dst; their shapes are the
// operator's domain and codomain.
func (f *FBP) Reconstruct(dst, y []float32) {
	checkLen("FBP.Reconstruct dst", len(dst), f.r.domain.Len())
	checkLen("FBP.Reconstruct y", len(y), f.r.codomain.Len())
	s, views, n := f.r.domain, f.r.codomain.H, f.r.codomain.W
	b := &backprojection{f: f, padded: make([]float32, views*f.n)}
	b.crew.init()
	freq := make([]complex64, views*len(f.gain))
	for c := range s.C {
		clear(b.padded)
		for a := range views {
			kernel.Scale(b.padded[a*f.n+1:][:n], y[(c*views+a)*n:(c*views+a+1)*n], f.arc[a])
		}
		f.fft.Forward(freq, b.padded, views)
		for i := range freq {
			g := f.gain[i%len(f.gain)]
			freq[i] = complex(g*real(freq[i]), g*imag(freq[i]))
		}
		f.fft.Inverse(b.padded, freq, views)
		b.dst = dst[c*s.H*s.W : (c+1)*s.H*s.W]
		b.do(b.rows, blocks(s.H))
	}
}

type backprojection struct {
	f      *FBP
	padded []float32
	dst    []float32
	crew
}

// rows computes one block of rows.
func (b *backprojection) rows(part int) {
	s, n, g := b.f.r.domain, b.f.r.codomain.W, b.f.r.g
	first := part * radonBlock
	last := min(first+radonBlock, s.H)
	clear(b.dst[first*s.W : last*s.W])
	for a := range b.f.r.views {
		v := &b.f.r.views[a]
		// The filtered view goes on beyond the detectors; one place of it is
		// needed, as the circle reaches from detector 0 to n if n is even.
		line := b.padded[a*b.f.n:][:b.f.n]
		// Pixel j of row i meets detector origin + i*shift + j*step.
		step, shift := v.cos*g.Pixel/g.Spacing, -v.sin*g.Pixel/g.Spacing
		origin := g.Centre() - float64(s.W/2)*step - float64(s.H/2)*shift
		if math.Abs(step) < 1e-9 {
			step = 1e-9 // nothing of a pixel, but divisible
		}
		for i := first; i < last; i++ {
			start := origin + float64(i)*shift
			lo, hi := hits(start, step, 0, float64(n), s.W)
			if lo < hi {
				kernel.Interpolate(b.dst[i*s.W+lo:i*s.W+hi], line, start+float64(lo)*step+1, step, 1)
			}
		}
	}
	radius := max(math.Abs(g.s(0)), math.Abs(g.s(float64(n-1)))) / g.Pixel
	for i := first; i < last; i++ {
		for j := range s.W {
			if math.Hypot(float64(i-s.H/2), float64(j-s.W/2)) > radius {
				b.dst[i*s.W+j] = 0
			}
		}
	}
}
