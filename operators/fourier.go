package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// MRI is single-coil Cartesian magnetic resonance imaging of a real image: the
// orthonormal Fourier transform on some rows of k-space,
//
//	y(k,v) = 1/sqrt(HW) sum over (i,j) of x(i,j) exp(-2 pi i (u(k) i/H + v j/W)),
//
// v = 0..W-1, for the measured rows u(0) < u(1) < ... (frequency 0 is row 0).
// The complex numbers are kept as two channels: a scene of C x H x W gives 2C x
// rows x W, channel 2c the real and 2c+1 the imaginary parts of channel c.
//
// For a real image A'A is a convolution, with the transfer function
// (m(u)+m(-u))/2, m the indicator of the measured rows; so the norm and
// SolveNormal are exact for any choice of rows.
type MRI struct {
	domain, codomain Shape
	rows             []int32
	weight           []float32 // (m(u)+m(-u))/2, H of them
	fft              *kernel.FFT2
	scratch          sync.Pool // of *[]complex64, H*(W/2+1) long
}

// NewMRI draws round(H/accel) rows, at least one, of scenes of shape s: the
// round(center*H) rows nearest to frequency 0, and the others at random without
// repetition (Zbontar et al., arXiv 1811.08839). accel is at least 1, center in [0,1];
// it is an error if the centre alone has more rows.
func NewMRI(s Shape, accel, center float64, seed uint64) (*MRI, error) {
	rows, err := drawRows(s, accel, center, seed)
	if err != nil {
		return nil, err
	}
	return NewMRIRows(s, rows)
}

// drawRows are the rows of NewMRI.
func drawRows(s Shape, accel, center float64, seed uint64) ([]int32, error) {
	if err := checkShape(s); err != nil {
		return nil, err
	}
	if !(accel >= 1 && accel <= float64(s.H)) {
		return nil, fmt.Errorf("operators: acceleration %v; want a number from 1 to the %d rows", accel, s.H)
	}
	if !(center >= 0 && center <= 1) {
		return nil, fmt.Errorf("operators: centre fraction %v; want a number in [0,1]", center)
	}
	total := max(1, int(math.Round(float64(s.H)/accel)))
	middle := int(math.Round(center * float64(s.H)))
	if middle > total {
		return nil, fmt.Errorf("operators: the centre takes %d of %d rows, but acceleration %v leaves %d; want a smaller centre or acceleration", middle, s.H, accel, total)
	}
	// Rows by distance from frequency 0: 0, 1, -1, 2, -2, ...
	near := make([]int32, s.H)
	for i := range near {
		near[i] = int32((i + 1) / 2)
		if i%2 == 0 && i > 0 {
			near[i] = int32(s.H - i/2)
		}
	}
	rng := rand.New(rand.NewPCG(seed, 0x6d7269))
	rest := near[middle:]
	rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return near[:total], nil
}

// NewMRIRows returns the operator that measures the given rows of k-space, each
// in [0, s.H) and given once.
func NewMRIRows(s Shape, rows []int32) (*MRI, error) {
	if err := checkShape(s); err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("operators: no rows of k-space; want at least one")
	}
	a := &MRI{domain: s, codomain: Shape{2 * s.C, len(rows), s.W}, rows: slices.Sorted(slices.Values(rows))}
	a.weight = make([]float32, s.H)
	for i, u := range a.rows {
		if u < 0 || int(u) >= s.H || i > 0 && u == a.rows[i-1] {
			return nil, fmt.Errorf("operators: row %d of k-space is out of range or given twice; want each in 0..%d once", u, s.H-1)
		}
		a.weight[u] += 0.5
		a.weight[(s.H-int(u))%s.H] += 0.5
	}
	a.fft = kernel.NewFFT2(s.H, s.W)
	a.scratch.New = func() any { z := make([]complex64, s.H*(s.W/2+1)); return &z }
	return a, nil
}

// Domain is the shape of the scene.
func (a *MRI) Domain() Shape { return a.domain }

// Codomain is 2C x rows x W.
func (a *MRI) Codomain() Shape { return a.codomain }

// Rows lists the measured rows of k-space in ascending order.
func (a *MRI) Rows() []int32 { return slices.Clone(a.rows) }

// Norm is 1, or sqrt(1/2) where no row is measured together with its mirror
// image.
func (a *MRI) Norm() float64 { return math.Sqrt(float64(slices.Max(a.weight))) }

// planes calls f with the channels of x and of y, real and imaginary parts.
func (a *MRI) planes(x, y []float32, f func(x, re, im []float32)) {
	n, m := a.domain.H*a.domain.W, len(a.rows)*a.domain.W
	for c := range a.domain.C {
		f(x[c*n:(c+1)*n], y[2*c*m:(2*c+1)*m], y[(2*c+1)*m:(2*c+2)*m])
	}
}

// Apply writes the measurements of x to dst.
func (a *MRI) Apply(dst, x []float32) {
	checkLen("MRI.Apply dst", len(dst), a.codomain.Len())
	checkLen("MRI.Apply x", len(x), a.domain.Len())
	p := a.scratch.Get().(*[]complex64)
	defer a.scratch.Put(p)
	h, w, wc := a.domain.H, a.domain.W, a.domain.W/2+1
	k := float32(1 / math.Sqrt(float64(h*w)))
	a.planes(x, dst, func(x, re, im []float32) {
		a.fft.Forward(*p, x)
		for i, u := range a.rows {
			row := (*p)[int(u)*wc : (int(u)+1)*wc]
			mirror := (*p)[(h-int(u))%h*wc:]
			re, im := re[i*w:(i+1)*w], im[i*w:(i+1)*w]
			for v, z := range row {
				re[v], im[v] = k*real(z), k*imag(z)
			}
			for v := wc; v < w; v++ {
				z := mirror[w-v]
				re[v], im[v] = k*real(z), -k*imag(z)
			}
		}
	})
}

// Adjoint writes A'y to dst: the real part of the inverse transform of the
// measured rows, the others being zero.
func (a *MRI) Adjoint(dst, y []float32) {
	checkLen("MRI.Adjoint dst", len(dst), a.domain.Len())
	checkLen("MRI.Adjoint y", len(y), a.codomain.Len())
	p := a.scratch.Get().(*[]complex64)
	defer a.scratch.Put(p)
	h, w, wc := a.domain.H, a.domain.W, a.domain.W/2+1
	k := float32(0.5 * math.Sqrt(float64(h*w)))
	a.planes(dst, y, func(x, re, im []float32) {
		// Half the spectrum of the real part: (Y(u,v) + conj Y(-u,-v))/2.
		clear(*p)
		for i, u := range a.rows {
			row := (*p)[int(u)*wc : (int(u)+1)*wc]
			mirror := (*p)[(h-int(u))%h*wc:][:wc]
			re, im := re[i*w:(i+1)*w], im[i*w:(i+1)*w]
			for v := range row {
				row[v] += complex(k*re[v], k*im[v])
				t := (w - v) % w
				mirror[v] += complex(k*re[t], -k*im[t])
			}
		}
		a.fft.Inverse(x, *p)
	})
}

// SolveNormal writes the solution of (A'A + rho I) x = b to dst, a division in
// the Fourier domain.
func (a *MRI) SolveNormal(dst, b []float32, rho float64) {
	checkLen("MRI.SolveNormal dst", len(dst), a.domain.Len())
	checkLen("MRI.SolveNormal b", len(b), a.domain.Len())
	p := a.scratch.Get().(*[]complex64)
	defer a.scratch.Put(p)
	n, wc := a.domain.H*a.domain.W, a.domain.W/2+1
	for c := range a.domain.C {
		a.fft.Forward(*p, b[c*n:(c+1)*n])
		for u, m := range a.weight {
			k := float32(1 / (float64(m) + rho))
			row := (*p)[u*wc : (u+1)*wc]
			for v, z := range row {
				row[v] = complex(k*real(z), k*imag(z))
			}
		}
		a.fft.Inverse(dst[c*n:(c+1)*n], *p)
	}
}

var (
	_ Normer       = (*MRI)(nil)
	_ NormalSolver = (*MRI)(nil)
	_ NormalSolver = (*GaussianSensing)(nil)
	_ Linear       = (*Circulant)(nil)
)
