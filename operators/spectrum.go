package operators

import (
	"math"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A spectrum holds what Fourier transforms of h x w planes need, one workspace
// a goroutine.
type spectrum struct {
	h, w int
	pool sync.Pool // of *spectrumWork
}

type spectrumWork struct {
	fft  *kernel.FFT2
	grid []float32   // h x w
	freq []complex64 // h x (w/2+1)
}

func newSpectrum(h, w int) *spectrum {
	s := &spectrum{h: h, w: w}
	plan := kernel.NewFFT2(h, w)
	s.pool.New = func() any {
		return &spectrumWork{plan, make([]float32, h*w), make([]complex64, h*(w/2+1))}
	}
	return s
}

func (s *spectrum) get() *spectrumWork  { return s.pool.Get().(*spectrumWork) }
func (s *spectrum) put(w *spectrumWork) { s.pool.Put(w) }

// load copies to the grid the part of an h x w plane that begins at (y,x), with
// zeros beyond its frame.
func (s *spectrum) load(grid, plane []float32, h, w, y, x int) {
	lo, hi := max(0, -x), min(s.w, w-x)
	for i := range s.h {
		row := grid[i*s.w : (i+1)*s.w]
		if y+i < 0 || y+i >= h || lo >= hi {
			clear(row)
			continue
		}
		clear(row[:lo])
		copy(row[lo:hi], plane[(y+i)*w+x+lo:])
		clear(row[hi:])
	}
}

// gain is the transfer function of a circular convolution on the grid with
// kernel k, whose tap (cy,cx) is its centre.
func (s *spectrum) gain(k Kernel, cy, cx int) []complex64 {
	w := s.get()
	defer s.put(w)
	clear(w.grid)
	for i := range k.H {
		for j := range k.W {
			w.grid[mod(i-cy, s.h)*s.w+mod(j-cx, s.w)] += float32(k.Taps[i*k.W+j])
		}
	}
	g := make([]complex64, len(w.freq))
	w.fft.Forward(g, w.grid)
	return g
}

// circularBlur is a blur with the circular boundary: a product of transforms.
type circularBlur struct {
	*blur       // the sum, where the kernel is small
	direct bool // use it
	plans  *spectrum
	gain   []complex64
}

func newCircularBlur(s Shape, k Kernel) *circularBlur {
	a := &circularBlur{direct: summed(k), plans: newSpectrum(s.H, s.W)}
	if a.direct {
		a.blur = newBlur(s, k, Circular)
	} else {
		a.blur = &blur{domain: s, codomain: s, kernel: k, boundary: Circular, torus: onceTorus(s, k)}
	}
	a.gain = a.plans.gain(k, k.H/2, k.W/2)
	a.norm = sync.OnceValue(func() float64 {
		top := 0.0
		for _, g := range a.gain {
			top = max(top, abs2(g))
		}
		return math.Sqrt(top)
	})
	return a
}

// Apply writes the blurred x to dst.
func (a *circularBlur) Apply(dst, x []float32) {
	if a.direct {
		a.blur.Apply(dst, x)
		return
	}
	checkLen("blur.Apply dst", len(dst), a.codomain.Len())
	checkLen("blur.Apply x", len(x), a.domain.Len())
	a.filter(dst, x, func(f []complex64) {
		for i, g := range a.gain {
			f[i] *= g
		}
	})
}

// Adjoint writes A'y to dst.
func (a *circularBlur) Adjoint(dst, y []float32) {
	if a.direct {
		a.blur.Adjoint(dst, y)
		return
	}
	checkLen("blur.Adjoint dst", len(dst), a.domain.Len())
	checkLen("blur.Adjoint y", len(y), a.codomain.Len())
	a.filter(dst, y, func(f []complex64) {
		for i, g := range a.gain {
			f[i] *= conj(g)
		}
	})
}

// SolveNormal divides by |K|^2 + rho in the Fourier domain.
func (a *circularBlur) SolveNormal(dst, b []float32, rho float64) {
	checkLen("blur.SolveNormal dst", len(dst), a.domain.Len())
	checkLen("blur.SolveNormal b", len(b), a.domain.Len())
	a.filter(dst, b, func(f []complex64) {
		for i, g := range a.gain {
			k := float32(1 / (abs2(g) + rho))
			f[i] = complex(k*real(f[i]), k*imag(f[i]))
		}
	})
}

// filter passes every plane through the Fourier domain.
func (a *circularBlur) filter(dst, x []float32, each func([]complex64)) {
	w := a.plans.get()
	defer a.plans.put(w)
	n := a.domain.H * a.domain.W
	for c := range a.domain.C {
		w.fft.Forward(w.freq, x[c*n:(c+1)*n])
		each(w.freq)
		w.fft.Inverse(dst[c*n:(c+1)*n], w.freq)
	}
}

// cosineBlur is a blur with the symmetric boundary and a kernel even in both
// directions: the cosine transform DCT-II diagonalises it.
type cosineBlur struct {
	*blur
	square []float32 // eigenvalues of A'A, h x w
	plan   *kernel.DCT2
	grid   sync.Pool // of *[]float32
}

func newCosineBlur(a *blur) *cosineBlur {
	h, w := a.domain.H, a.domain.W
	c := &cosineBlur{blur: a, square: cosineGain(a.kernel, h, w), plan: kernel.NewDCT2(h, w)}
	c.grid.New = func() any { p := make([]float32, h*w); return &p }
	top := 0.0
	for i, g := range c.square {
		c.square[i] = g * g
		top = max(top, math.Abs(float64(g)))
	}
	c.norm = func() float64 { return top }
	return c
}

// SolveNormal divides by lambda^2 + rho in the cosine domain.
func (a *cosineBlur) SolveNormal(dst, b []float32, rho float64) {
	checkLen("blur.SolveNormal dst", len(dst), a.domain.Len())
	checkLen("blur.SolveNormal b", len(b), a.domain.Len())
	p := a.grid.Get().(*[]float32)
	defer a.grid.Put(p)
	n := a.domain.H * a.domain.W
	for c := range a.domain.C {
		a.plan.Forward(*p, b[c*n:(c+1)*n])
		for i, s := range a.square {
			(*p)[i] *= 1 / (s + float32(rho))
		}
		a.plan.Inverse(dst[c*n:(c+1)*n], *p)
	}
}

// PreconditionNormal divides by lambda^2 + rho + mu |D|^2 in the cosine domain: the inverse.
func (a *cosineBlur) PreconditionNormal(dst, b []float32, rho, mu float64) {
	checkLen("PreconditionNormal dst", len(dst), a.domain.Len())
	checkLen("PreconditionNormal b", len(b), a.domain.Len())
	p := a.grid.Get().(*[]float32)
	defer a.grid.Put(p)
	h, w := a.domain.H, a.domain.W
	rows, cols := roughness(h, h, math.Pi, mu), roughness(w, w, math.Pi, mu)
	for c := range a.domain.C {
		a.plan.Forward(*p, b[c*h*w:(c+1)*h*w])
		for u, r := range rows {
			r += float32(rho)
			line := (*p)[u*w : (u+1)*w]
			for v, s := range a.square[u*w : (u+1)*w] {
				line[v] /= s + r + cols[v]
			}
		}
		a.plan.Inverse(dst[c*h*w:(c+1)*h*w], *p)
	}
}

// cosineGain lists the eigenvalues
//
//	lambda(u,v) = sum over (a,b) of k(a,b) cos(pi u a/h) cos(pi v b/w)
//
// of the symmetric blur, a and b counted from the kernel's centre.
func cosineGain(k Kernel, h, w int) []float32 {
	cy, cx := cosines(h, k.H), cosines(w, k.W)
	half := make([]float64, h*k.W)
	for u := range h {
		for a := range k.H {
			c := cy[u*k.H+a]
			for b := range k.W {
				half[u*k.W+b] += c * k.Taps[a*k.W+b]
			}
		}
	}
	g := make([]float32, h*w)
	for u := range h {
		for v := range w {
			s := 0.0
			for b, t := range half[u*k.W : (u+1)*k.W] {
				s += t * cx[v*k.W+b]
			}
			g[u*w+v] = float32(s)
		}
	}
	return g
}

// cosines is the n x k table of cos(pi u (a-k/2)/n).
func cosines(n, k int) []float64 {
	t := make([]float64, n*k)
	for u := range n {
		for a := range k {
			t[u*k+a] = math.Cos(math.Pi * float64(u*(a-k/2)%(2*n)) / float64(n))
		}
	}
	return t
}

var (
	_ NormalSolver = (*circularBlur)(nil)
	_ NormalSolver = (*cosineBlur)(nil)
)
