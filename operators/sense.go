package operators

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// SENSE is Cartesian magnetic resonance imaging with receiver coils of known
// sensitivities (Pruessmann et al., Magn. Reson. Med. 42, 1999): coil c measures,
// at the places k of a mask,
//
//	y(c,k) = 1/sqrt(HW) sum over (i,j) of S(c,i,j) x(i,j) exp(-2 pi i (u (i-i0)/H + v (j-j0)/W)).
//
// Place (p,q) of the mask is frequency (u,v) = (p,q), with i0 = j0 = 0; centred, it is
// (p - H/2, q - W/2) with (i0,j0) = (H/2, W/2), rounded down.
//
// A scene of 1 x H x W is real, one of 2 x H x W complex, with channels for both parts.
// The codomain is 2 coils x 1 x places: channel 2c has the real and 2c+1 the imaginary
// parts of coil c, at the places of the mask row by row. For a real scene the maps may
// contain its phase.
type SENSE struct {
	domain, codomain Shape
	coils            [][]complex64 // S(c), in the order of the transform's samples; nil: one coil of sensitivity 1
	at               []int32       // the transform's sample of each place
	from             []int32       // the scene's pixel of each of the transform's samples; nil: the same
	fft              *kernel.CFFT2
	scratch          sync.Pool // of *senseWork
	norm             func() float64
}

// NewSENSE returns the operator on scenes of shape s, of one channel or two. maps has
// the sensitivities as pairs of channels, 2 coils x H x W; without samples there is one
// coil with the sensitivity 1 everywhere, and the result is a NormalSolver. mask has
// H*W entries.
func NewSENSE(s Shape, maps Image, mask []bool, centred bool) (Linear, error) {
	if err := checkShape(s); err != nil {
		return nil, err
	}
	if s.C > 2 {
		return nil, fmt.Errorf("operators: MRI of a scene of %d channels; want 1, real, or 2, complex", s.C)
	}
	n := s.H * s.W
	checkLen("NewSENSE", len(mask), n)
	a := &SENSE{domain: s, fft: kernel.NewCFFT2(s.H, s.W)}
	cy, cx := 0, 0
	if centred {
		cy, cx = s.H/2, s.W/2
	}
	for p := range mask {
		if mask[p] {
			u, v := (p/s.W-cy+s.H)%s.H, (p%s.W-cx+s.W)%s.W
			a.at = append(a.at, int32(u*s.W+v))
		}
	}
	if len(a.at) == 0 {
		return nil, fmt.Errorf("operators: the mask measures no place of k-space")
	}
	if centred {
		a.from = make([]int32, n)
		for i := range n {
			a.from[i] = int32((i/s.W+cy)%s.H*s.W + (i%s.W+cx)%s.W)
		}
	}
	k := 1
	if len(maps.Pix) > 0 {
		if maps.C%2 != 0 || maps.H != s.H || maps.W != s.W {
			return nil, fmt.Errorf("operators: coil maps of %v; want complex numbers, coils x %d x %d", maps.Shape, s.H, s.W)
		}
		k = maps.C / 2
		top := float32(0)
		for c := range k {
			re, im := maps.Plane(2*c), maps.Plane(2*c+1)
			z := make([]complex64, n)
			for i := range z {
				j := a.pixel(i)
				z[i] = complex(re[j], im[j])
				top = max(top, abs32(re[j]), abs32(im[j]))
			}
			a.coils = append(a.coils, z)
		}
		if top == 0 {
			return nil, fmt.Errorf("operators: the coil maps are 0 everywhere")
		}
	}
	a.codomain = Shape{2 * k, 1, len(a.at)}
	a.scratch.New = func() any { return newSenseWork(a) }
	if a.coils == nil {
		return newConvolutionSENSE(a), nil
	}
	a.norm = sync.OnceValue(func() float64 { return lanczosNorm(a, 40, 1) })
	return a, nil
}

func abs32(v float32) float32 { return max(v, -v) }

// pixel is the scene's pixel at sample i of the transform.
func (a *SENSE) pixel(i int) int {
	if a.from == nil {
		return i
	}
	return int(a.from[i])
}

// Domain is the shape of the scene.
func (a *SENSE) Domain() Shape { return a.domain }

// Codomain is 2 coils x 1 x places.
func (a *SENSE) Codomain() Shape { return a.codomain }

// Norm is ||A||, by 40 steps of the Lanczos method at the first call.
func (a *SENSE) Norm() float64 { return a.norm() }

// senseWork has an array of k-space for each coil.
type senseWork struct {
	a    *SENSE
	z    [][]complex64
	x, y []float32
	crew
	forward, adjoint, sum func(part int)
}

func newSenseWork(a *SENSE) *senseWork {
	w := &senseWork{a: a}
	for range a.codomain.C / 2 {
		w.z = append(w.z, make([]complex64, a.domain.H*a.domain.W))
	}
	w.crew.init()
	w.forward, w.adjoint, w.sum = w.measure, w.image, w.combine
	return w
}

// Apply writes the measurements of x to dst.
func (a *SENSE) Apply(dst, x []float32) {
	checkLen("SENSE.Apply dst", len(dst), a.codomain.Len())
	checkLen("SENSE.Apply x", len(x), a.domain.Len())
	w := a.scratch.Get().(*senseWork)
	defer a.scratch.Put(w)
	w.x, w.y = x, dst
	w.do(w.forward, len(w.z))
	w.x, w.y = nil, nil
}

// Adjoint writes A'y to dst: the sum over the coils of conj(S) times the inverse
// transform, its real part for a real scene.
func (a *SENSE) Adjoint(dst, y []float32) {
	checkLen("SENSE.Adjoint dst", len(dst), a.domain.Len())
	checkLen("SENSE.Adjoint y", len(y), a.codomain.Len())
	w := a.scratch.Get().(*senseWork)
	defer a.scratch.Put(w)
	w.x, w.y = dst, y
	w.do(w.adjoint, len(w.z))
	w.do(w.sum, blocks(a.domain.H))
	w.x, w.y = nil, nil
}

// measure computes the numbers of coil c.
func (w *senseWork) measure(c int) {
	a, z := w.a, w.z[c]
	n := len(z)
	for i := range z {
		j := a.pixel(i)
		v := complex(w.x[j], 0)
		if a.domain.C == 2 {
			v = complex(w.x[j], w.x[n+j])
		}
		if a.coils != nil {
			v *= a.coils[c][i]
		}
		z[i] = v
	}
	a.fft.Forward(z, z)
	k := float32(1 / math.Sqrt(float64(n)))
	m := len(a.at)
	re, im := w.y[2*c*m:][:m], w.y[(2*c+1)*m:][:m]
	for i, at := range a.at {
		re[i], im[i] = k*real(z[at]), k*imag(z[at])
	}
}

// image computes what coil c gives to the scene.
func (w *senseWork) image(c int) {
	a, z := w.a, w.z[c]
	m, k := len(a.at), float32(math.Sqrt(float64(len(z))))
	re, im := w.y[2*c*m:][:m], w.y[(2*c+1)*m:][:m]
	clear(z)
	for i, at := range a.at {
		z[at] = complex(k*re[i], k*im[i])
	}
	a.fft.Inverse(z, z)
	if a.coils == nil {
		return
	}
	for i, s := range a.coils[c] {
		z[i] *= complex(real(s), -imag(s))
	}
}

// combine adds the coils up in one block of the transform's rows.
func (w *senseWork) combine(part int) {
	a := w.a
	n := a.domain.H * a.domain.W
	for i := part * radonBlock * a.domain.W; i < min((part+1)*radonBlock*a.domain.W, n); i++ {
		sum := w.z[0][i]
		for _, z := range w.z[1:] {
			sum += z[i]
		}
		j := a.pixel(i)
		w.x[j] = real(sum)
		if a.domain.C == 2 {
			w.x[n+j] = imag(sum)
		}
	}
}

// convolutionSENSE is SENSE of one coil of sensitivity 1: A'A is a
// convolution, with the transfer function m(u), the indicator of the mask, or
// (m(u)+m(-u))/2 for a real scene.
type convolutionSENSE struct {
	*SENSE
	weight []float32
	work   sync.Pool // of *[]complex64
}

func newConvolutionSENSE(a *SENSE) *convolutionSENSE {
	h, w := a.domain.H, a.domain.W
	s := &convolutionSENSE{SENSE: a, weight: make([]float32, h*w)}
	for _, at := range a.at {
		if a.domain.C == 2 {
			s.weight[at] = 1
			continue
		}
		u, v := int(at)/w, int(at)%w
		s.weight[at] += 0.5
		s.weight[(h-u)%h*w+(w-v)%w] += 0.5
	}
	s.work.New = func() any { z := make([]complex64, h*w); return &z }
	return s
}

// Norm is 1, or sqrt(1/2) where the scene is real and no place is measured together
// with its mirror image.
func (s *convolutionSENSE) Norm() float64 { return math.Sqrt(float64(slices.Max(s.weight))) }

// SolveNormal writes the solution of (A'A + rho I) x = b to dst, a division in
// the Fourier domain.
func (s *convolutionSENSE) SolveNormal(dst, b []float32, rho float64) {
	checkLen("SENSE.SolveNormal dst", len(dst), s.domain.Len())
	checkLen("SENSE.SolveNormal b", len(b), s.domain.Len())
	p := s.work.Get().(*[]complex64)
	defer s.work.Put(p)
	z, n := *p, len(*p)
	for i := range z {
		z[i] = complex(b[i], 0)
		if s.domain.C == 2 {
			z[i] = complex(b[i], b[n+i])
		}
	}
	s.fft.Forward(z, z)
	for i, v := range z {
		k := float32(1 / (float64(s.weight[i]) + rho))
		z[i] = complex(k*real(v), k*imag(v))
	}
	s.fft.Inverse(z, z)
	for i, v := range z {
		dst[i] = real(v)
		if s.domain.C == 2 {
			dst[n+i] = imag(v)
		}
	}
}

var (
	_ Normer       = (*SENSE)(nil)
	_ NormalSolver = (*convolutionSENSE)(nil)
)
