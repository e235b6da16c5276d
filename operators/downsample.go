package operators

import (
	"fmt"
	"math"
	"sync"
)

// MaxFactor is the largest super-resolution factor.
const MaxFactor = 16

// decimation keeps every factor-th sample of every factor-th row, from (0,0).
type decimation struct {
	domain, codomain Shape
	factor           int
}

func newDecimation(s Shape, factor int) *decimation {
	return &decimation{s, Shape{s.C, (s.H + factor - 1) / factor, (s.W + factor - 1) / factor}, factor}
}

func (a *decimation) Domain() Shape   { return a.domain }
func (a *decimation) Codomain() Shape { return a.codomain }

func (a *decimation) Apply(dst, x []float32) {
	checkLen("Downsample.Apply dst", len(dst), a.codomain.Len())
	checkLen("Downsample.Apply x", len(x), a.domain.Len())
	a.each(func(low, high int) { dst[low] = x[high] })
}

func (a *decimation) Adjoint(dst, y []float32) {
	checkLen("Downsample.Adjoint dst", len(dst), a.domain.Len())
	checkLen("Downsample.Adjoint y", len(y), a.codomain.Len())
	clear(dst)
	a.each(func(low, high int) { dst[high] = y[low] })
}

// each calls f with the place of every kept sample in y and in x.
func (a *decimation) each(f func(low, high int)) {
	d, s := a.codomain, a.domain
	for c := range d.C {
		for i := range d.H {
			low, high := (c*d.H+i)*d.W, (c*s.H+i*a.factor)*s.W
			for j := range d.W {
				f(low+j, high+j*a.factor)
			}
		}
	}
}

// downsample is decimation after blur.
type downsample struct {
	composed
	norm func() float64
}

// NewDownsample returns the operator of super-resolution as papers simulate it: blur
// with kernel k under boundary b, then keep every factor-th sample in both directions,
// beginning with the first. Cameras and programs put the pixels of a smaller picture
// elsewhere: see NewResample, and Kernel.Centred for other kernels on their grid. The
// codomain has ceil(H/factor) x ceil(W/factor) samples, where HxW is what the blur
// gives. s is the shape of the scene, factor is 1 to MaxFactor.
//
// With the circular boundary and a factor that divides both sides of s, the
// result is a NormalSolver by folding of the Fourier transform (Zhao, Wei,
// Basarab, Dobigeon, Kouamé, Tourneret, IEEE Trans. Image Process. 25, 2016).
func NewDownsample(s Shape, k Kernel, b Boundary, factor int) (Linear, error) {
	if factor < 1 || factor > MaxFactor {
		return nil, fmt.Errorf("operators: super-resolution factor %d; want 1 to %d", factor, MaxFactor)
	}
	blur, err := NewBlur(s, k, b)
	if err != nil {
		return nil, err
	}
	dec := newDecimation(blur.Codomain(), factor)
	a := &downsample{}
	a.second, a.first = dec, blur
	n := blur.Codomain().Len()
	a.mid.New = func() any { p := make([]float32, n); return &p }
	if c, ok := blur.(*circularBlur); ok && s.H%factor == 0 && s.W%factor == 0 {
		return newFolded(a, c, factor), nil
	}
	a.norm = sync.OnceValue(func() float64 {
		if !k.nonNegative() {
			return PowerNorm(a, 300, 1e-7, 1)
		}
		if s.C == 1 {
			return positiveNorm(a, 50, 1e-3)
		}
		s.C = 1
		plane, err := NewDownsample(s, k, b, factor)
		if err != nil {
			panic(err) // the same succeeded above
		}
		return Norm(plane)
	})
	return a, nil
}

// Norm is ||A|| or a tight upper bound.
func (a *downsample) Norm() float64 { return a.norm() }

// folded solves the normal equations of circular super-resolution. With G the
// blur's transform and d = factor^2, A A' is diagonal on the small grid with
// the entries (sum over the d aliases of |G|^2)/d, and
//
//	x = (b - A'(A A' + rho I)^-1 A b) / rho.
type folded struct {
	*downsample
	blur   *circularBlur
	factor int
	energy []float32 // sum over the aliases of |G|^2, low.H x (low.W/2+1)
	alias  sync.Pool // of *[]complex64, as long
}

func newFolded(a *downsample, blur *circularBlur, factor int) *folded {
	f := &folded{downsample: a, blur: blur, factor: factor}
	hl, half := a.Codomain().H, a.Codomain().W/2+1
	f.energy = make([]float32, hl*half)
	f.alias.New = func() any { p := make([]complex64, hl*half); return &p }
	top := 0.0
	for ky := range hl {
		for kx := range half {
			e := 0.0
			f.aliases(ky, kx, func(at int, _ bool) { e += abs2(blur.gain[at]) })
			f.energy[ky*half+kx] = float32(e)
			top = max(top, e)
		}
	}
	norm := math.Sqrt(top) / float64(factor)
	f.norm = func() float64 { return norm }
	return f
}

// aliases calls f with the place, in the half spectrum of the large grid, of
// each frequency that decimation maps to (ky,kx), and whether it is stored as
// its conjugate.
func (f *folded) aliases(ky, kx int, g func(at int, conjugate bool)) {
	s, low := f.Domain(), f.Codomain()
	half := s.W/2 + 1
	for y := ky; y < s.H; y += low.H {
		for x := kx; x < s.W; x += low.W {
			if x < half {
				g(y*half+x, false)
			} else {
				g((s.H-y)%s.H*half+s.W-x, true)
			}
		}
	}
}

// SolveNormal folds, divides and unfolds in the Fourier domain.
func (f *folded) SolveNormal(dst, b []float32, rho float64) {
	checkLen("Downsample.SolveNormal dst", len(dst), f.Domain().Len())
	checkLen("Downsample.SolveNormal b", len(b), f.Domain().Len())
	p := f.alias.Get().(*[]complex64)
	defer f.alias.Put(p)
	f.blur.filter(dst, b, func(freq []complex64) {
		f.fold(*p, freq, rho)
		f.subtract(freq, *p, rho)
	})
}

// fold writes the transform of (A A' + rho I)^-1 A b.
func (f *folded) fold(low, freq []complex64, rho float64) {
	half := f.Codomain().W/2 + 1
	d := float64(f.factor * f.factor)
	for i := range low {
		var sum complex64
		f.aliases(i/half, i%half, func(at int, conjugate bool) {
			v := f.blur.gain[at] * freq[at]
			if conjugate {
				v = conj(v)
			}
			sum += v
		})
		k := float32(1 / (d*rho + float64(f.energy[i])))
		low[i] = complex(k*real(sum), k*imag(sum))
	}
}

// subtract turns the transform of b into that of (b - A'w)/rho.
func (f *folded) subtract(freq, low []complex64, rho float64) {
	s, l := f.Domain(), f.Codomain()
	half, lhalf := s.W/2+1, l.W/2+1
	k := float32(1 / rho)
	for y := range s.H {
		yl := y % l.H
		for x := range half {
			xl := x % l.W
			var w complex64
			if xl < lhalf {
				w = low[yl*lhalf+xl]
			} else {
				w = conj(low[(l.H-yl)%l.H*lhalf+l.W-xl])
			}
			at := y*half + x
			v := freq[at] - conj(f.blur.gain[at])*w
			freq[at] = complex(k*real(v), k*imag(v))
		}
	}
}

var (
	_ Normer       = (*downsample)(nil)
	_ NormalSolver = (*folded)(nil)
)
