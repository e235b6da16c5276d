package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// Compressed sensing takes m = round(ratio H W) numbers, at least one, from
// each channel, all channels alike: the codomain is C x 1 x m.

func checkSensing(s Shape, ratio float64) (m int, err error) {
	if err := checkShape(s); err != nil {
		return 0, err
	}
	if !(ratio > 0 && ratio <= 1) {
		return 0, fmt.Errorf("operators: sensing ratio %v; want measurements per pixel, in (0,1]", ratio)
	}
	n := s.H * s.W
	return max(1, int(math.Round(ratio*float64(n)))), nil
}

// randomSigns draws n signs.
func randomSigns(n int, rng *rand.Rand) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(2*int(rng.Uint64()>>63) - 1)
	}
	return s
}

// randomRows draws m of n indices without replacement.
func randomRows(n, m int, rng *rand.Rand) []int32 {
	rows := make([]int32, m)
	for i, v := range rng.Perm(n)[:m] {
		rows[i] = int32(v)
	}
	return rows
}

// planes is what the sensing operators share: the same map on each channel.
type planes struct{ domain, codomain Shape }

// Domain is the shape of x.
func (p *planes) Domain() Shape { return p.domain }

// Codomain is the shape of y.
func (p *planes) Codomain() Shape { return p.codomain }

func (p *planes) check(op string, codomain, domain []float32) {
	checkLen(op, len(codomain), p.codomain.Len())
	checkLen(op, len(domain), p.domain.Len())
}

// each calls f with every channel of the measurements and of the image.
func (p *planes) each(y, x []float32, f func(y, x []float32)) {
	m, n := len(y)/p.domain.C, p.domain.H*p.domain.W
	for c := range p.domain.C {
		f(y[c*m:(c+1)*m], x[c*n:(c+1)*n])
	}
}

// Circulant is compressed sensing by a random convolution,
//
//	y(i) = (1/sqrt n) sum over t of h(k(i)-t mod n) s(t) x(t),  n = H W,
//
// with x in row order, random signs s, a filter h of n independent numbers
// from N(0,1), and m places k without repetition: A = R F'diag(Fh) F diag(s)
// with the orthonormal transform F. It is the operator with which the learned
// proximal networks were tried (Fang, Buchanan, Sulam, ICLR 2024); see Romberg
// (SIAM J. Imaging Sci. 2, 2009) for the theory.
type Circulant struct {
	planes
	sign    []float32
	rows    []int32
	conv    *circularConv
	scratch sync.Pool // of *[]float32, H*W long
	norm    func() float64
}

// NewCirculant draws the operator for scenes of shape s. ratio is the number of
// measurements per pixel, in (0,1].
func NewCirculant(s Shape, ratio float64, seed uint64) (*Circulant, error) {
	m, err := checkSensing(s, ratio)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x63697263))
	n := s.H * s.W
	sign, rows := randomSigns(n, rng), randomRows(n, m, rng)
	filter := make([]float32, n)
	for i := range filter {
		filter[i] = float32(rng.NormFloat64())
	}
	return newCirculant(s, filter, sign, rows), nil
}

func newCirculant(s Shape, filter, sign []float32, rows []int32) *Circulant {
	a := &Circulant{planes: planes{s, Shape{s.C, 1, len(rows)}}, sign: sign, rows: rows}
	a.conv = newCircularConv(filter)
	a.scratch.New = func() any { p := make([]float32, s.H*s.W); return &p }
	a.norm = sync.OnceValue(func() float64 {
		plane := a
		if s.C > 1 {
			plane = newCirculant(Shape{1, s.H, s.W}, filter, sign, rows)
		}
		return lanczosNorm(plane, 60, 1)
	})
	return a
}

// Norm is ||A||, the same for any number of channels, by 60 steps of the
// Lanczos method at the first call.
func (a *Circulant) Norm() float64 { return a.norm() }

// Apply writes the measurements of x to dst.
func (a *Circulant) Apply(dst, x []float32) {
	a.check("Circulant.Apply", dst, x)
	p := a.scratch.Get().(*[]float32)
	defer a.scratch.Put(p)
	t := *p
	a.each(dst, x, func(y, x []float32) {
		for i, s := range a.sign {
			t[i] = s * x[i]
		}
		a.conv.filter(t, false)
		for i, k := range a.rows {
			y[i] = t[k]
		}
	})
}

// Adjoint writes A'y to dst.
func (a *Circulant) Adjoint(dst, y []float32) {
	a.check("Circulant.Adjoint", y, dst)
	a.each(y, dst, func(y, x []float32) {
		clear(x)
		for i, k := range a.rows {
			x[k] = y[i]
		}
		a.conv.filter(x, true)
		for i, s := range a.sign {
			x[i] *= s
		}
	})
}

// circularConv convolves n samples, periodic, with a filter over sqrt(n).
type circularConv struct {
	n       int
	real    *kernel.RFFT1 // n even
	full    *kernel.FFT1  // n odd
	gain    []complex64
	scratch sync.Pool // of *[]complex64
}

func newCircularConv(filter []float32) *circularConv {
	n := len(filter)
	c := &circularConv{n: n}
	if n%2 == 0 {
		c.real = kernel.NewRFFT1(n)
		c.gain = make([]complex64, n/2+1)
		c.real.Forward(c.gain, filter)
	} else {
		c.full = kernel.NewFFT1(n)
		c.gain = make([]complex64, n)
		for i, v := range filter {
			c.gain[i] = complex(v, 0)
		}
		c.full.Forward(c.gain, c.gain)
	}
	k := complex(float32(1/math.Sqrt(float64(n))), 0)
	for i := range c.gain {
		c.gain[i] *= k
	}
	c.scratch.New = func() any { z := make([]complex64, len(c.gain)); return &z }
	return c
}

// filter convolves x in place, or correlates (the adjoint).
func (c *circularConv) filter(x []float32, adjoint bool) {
	p := c.scratch.Get().(*[]complex64)
	defer c.scratch.Put(p)
	z := *p
	if c.real != nil {
		c.real.Forward(z, x)
	} else {
		for i, v := range x {
			z[i] = complex(v, 0)
		}
		c.full.Forward(z, z)
	}
	if adjoint {
		kernel.MulConj(z, z, c.gain)
	} else {
		kernel.MulComplex(z, z, c.gain)
	}
	if c.real != nil {
		c.real.Inverse(x, z)
		return
	}
	c.full.Inverse(z, z)
	for i, v := range z {
		x[i] = real(v)
	}
}

// hadamard is compressed sensing by a scrambled Hadamard transform: A = R W E
// diag(s), with random signs s, E the embedding of n = H W samples in the next
// power of two N, W the orthonormal Walsh-Hadamard transform of N points, and
// R the choice of m of its rows.
type hadamard struct {
	planes
	sign    []float32
	rows    []int32
	n2      int       // N
	scratch sync.Pool // of *[]float32, N long
}

// NewHadamard draws a scrambled Hadamard operator for scenes of shape s,
//
//	y(i) = (1/sqrt N) sum over t of (-1)^popcount(k(i) & t) s(t) x(t)
//
// with x in row order, random signs s and m rows k below N, the power of two
// next to H*W, without repetition (Gan, Do, Tran, EUSIPCO 2008, with signs for
// the permutation). ratio is the number of measurements per pixel, in (0,1].
// Where H*W is a power of two, A A' = I and the result is a Normer and a
// NormalSolver.
func NewHadamard(s Shape, ratio float64, seed uint64) (Linear, error) {
	m, err := checkSensing(s, ratio)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x68616461))
	n := s.H * s.W
	n2 := 1
	for n2 < n {
		n2 *= 2
	}
	a := &hadamard{planes: planes{s, Shape{s.C, 1, m}}, n2: n2}
	a.sign, a.rows = randomSigns(n, rng), randomRows(n2, m, rng)
	a.scratch.New = func() any { p := make([]float32, n2); return &p }
	if n == n2 {
		return newTightFrame(a), nil
	}
	return a, nil
}

// Apply writes the measurements of x to dst.
func (a *hadamard) Apply(dst, x []float32) {
	a.check("Hadamard.Apply", dst, x)
	p := a.scratch.Get().(*[]float32)
	defer a.scratch.Put(p)
	t := *p
	k := float32(1 / math.Sqrt(float64(a.n2)))
	a.each(dst, x, func(y, x []float32) {
		for i, s := range a.sign {
			t[i] = s * x[i]
		}
		clear(t[len(x):])
		walshHadamard(t)
		for i, r := range a.rows {
			y[i] = k * t[r]
		}
	})
}

// Adjoint writes A'y to dst.
func (a *hadamard) Adjoint(dst, y []float32) {
	a.check("Hadamard.Adjoint", y, dst)
	p := a.scratch.Get().(*[]float32)
	defer a.scratch.Put(p)
	t := *p
	k := float32(1 / math.Sqrt(float64(a.n2)))
	a.each(y, dst, func(y, x []float32) {
		clear(t)
		for i, r := range a.rows {
			t[r] = k * y[i]
		}
		walshHadamard(t)
		for i, s := range a.sign {
			x[i] = s * t[i]
		}
	})
}

// walshHadamard transforms a power of two of samples in place, unnormalised,
// in natural (Hadamard) order; two stages in one pass.
func walshHadamard(t []float32) {
	h := 1
	for ; 4*h <= len(t); h *= 4 {
		for b := 0; b < len(t); b += 4 * h {
			p, q := t[b:b+h], t[b+h:b+2*h]
			r, s := t[b+2*h:b+3*h], t[b+3*h:b+4*h]
			for i := range p {
				u, v, w, z := p[i]+q[i], p[i]-q[i], r[i]+s[i], r[i]-s[i]
				p[i], q[i], r[i], s[i] = u+w, v+z, u-w, v-z
			}
		}
	}
	if h < len(t) {
		p, q := t[:h], t[h:]
		for i := range p {
			p[i], q[i] = p[i]+q[i], p[i]-q[i]
		}
	}
}

// tightFrame adds to an operator with A A' = I what follows from it: the norm
// is 1 and, by Woodbury's identity, (A'A + rho I)^-1 = (I - A'A/(1+rho))/rho.
type tightFrame struct {
	Linear
	scratch sync.Pool // of *frameWork
}

type frameWork struct{ x, y []float32 }

func newTightFrame(a Linear) *tightFrame {
	t := &tightFrame{Linear: a}
	t.scratch.New = func() any {
		return &frameWork{make([]float32, a.Domain().Len()), make([]float32, a.Codomain().Len())}
	}
	return t
}

// Norm is 1.
func (t *tightFrame) Norm() float64 { return 1 }

// SolveNormal writes the solution of (A'A + rho I) x = b to dst.
func (t *tightFrame) SolveNormal(dst, b []float32, rho float64) {
	checkLen("SolveNormal dst", len(dst), len(b))
	w := t.scratch.Get().(*frameWork)
	defer t.scratch.Put(w)
	t.Apply(w.y, b)
	t.Adjoint(w.x, w.y)
	k, r := float32(1/(1+rho)), float32(1/rho)
	for i, v := range w.x {
		dst[i] = r * (b[i] - k*v)
	}
}

// partialFourier is compressed sensing by some of the Fourier coefficients.
type partialFourier struct {
	planes
	fft     *kernel.FFT2
	freqs   []coefficient
	scratch sync.Pool // of *[]complex64, H*(W/2+1) long
}

// A coefficient is a frequency of the half spectrum: one number if it is its
// own mirror image, and two, real and imaginary part, if not. Kept as numbers
// of an orthonormal basis, they are the transform times forward; the inverse
// transform wants them times back, which counts the mirror images in it.
type coefficient struct {
	at            int32
	single        bool
	forward, back float32
}

// NewPartialFourier draws an operator that measures m of the n = H W numbers of
// the orthonormal real Fourier transform: for a frequency k and its mirror
// image -k the real and the imaginary part of
//
//	sqrt(2/n) sum over (i,j) of x(i,j) exp(-2 pi i (k1 i/H + k2 j/W)),
//
// and for k = -k the one real number, without the factor sqrt 2. Frequency 0 is always
// measured; the others are drawn without repetition with weights 1/(1/64 + |k|^2), k in
// cycles per pixel over 0.5, as pictures have most of their energy at low frequencies
// (Lustig, Donoho, Pauly, MRM 58, 2007). Pairs stay together, so there can be one
// number more than ratio says. ratio is the number of measurements per pixel, in (0,1].
// A A' = I: the result is a Normer and a NormalSolver.
func NewPartialFourier(s Shape, ratio float64, seed uint64) (Linear, error) {
	m, err := checkSensing(s, ratio)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x66726571))
	a := &partialFourier{fft: kernel.NewFFT2(s.H, s.W)}
	count := 0
	for _, f := range drawFrequencies(s.H, s.W, rng) {
		if count >= m {
			break
		}
		a.freqs = append(a.freqs, f)
		count += f.numbers()
	}
	a.planes = planes{s, Shape{s.C, 1, count}}
	a.scratch.New = func() any { z := make([]complex64, s.H*(s.W/2+1)); return &z }
	return newTightFrame(a), nil
}

func (f coefficient) numbers() int {
	if f.single {
		return 1
	}
	return 2
}

// drawFrequencies lists the frequencies of the half plane in a random order in
// which low ones tend to come first: sorted by u^(1/w), u uniform (Efraimidis
// and Spirakis 2006).
func drawFrequencies(h, w int, rng *rand.Rand) []coefficient {
	wc := w/2 + 1
	n := float64(h * w)
	var freqs []coefficient
	var keys []float64
	for i := range h {
		for j := range wc {
			edge := j == 0 || 2*j == w // the column holds both k and -k
			if edge && 2*i > h {
				continue
			}
			f := coefficient{at: int32(i*wc + j), forward: float32(math.Sqrt(2 / n)), back: float32(math.Sqrt(n / 2))}
			if edge {
				f.back = float32(math.Sqrt(2 * n))
				if i == 0 || 2*i == h {
					f.single, f.forward, f.back = true, float32(math.Sqrt(1/n)), float32(math.Sqrt(n))
				}
			}
			ky, kx := 2*float64(min(i, h-i))/float64(h), 2*float64(j)/float64(w)
			key := -math.Log(1-rng.Float64()) * (1.0/64 + ky*ky + kx*kx)
			if i == 0 && j == 0 {
				key = -1
			}
			freqs, keys = append(freqs, f), append(keys, key)
		}
	}
	sort.Sort(byKey{freqs, keys})
	return freqs
}

type byKey struct {
	freqs []coefficient
	keys  []float64
}

func (b byKey) Len() int           { return len(b.keys) }
func (b byKey) Less(i, j int) bool { return b.keys[i] < b.keys[j] }
func (b byKey) Swap(i, j int) {
	b.freqs[i], b.freqs[j] = b.freqs[j], b.freqs[i]
	b.keys[i], b.keys[j] = b.keys[j], b.keys[i]
}

// Apply writes the measurements of x to dst.
func (a *partialFourier) Apply(dst, x []float32) {
	a.check("PartialFourier.Apply", dst, x)
	p := a.scratch.Get().(*[]complex64)
	defer a.scratch.Put(p)
	a.each(dst, x, func(y, x []float32) {
		a.fft.Forward(*p, x)
		i := 0
		for _, f := range a.freqs {
			z := (*p)[f.at]
			y[i] = f.forward * real(z)
			i++
			if !f.single {
				y[i] = f.forward * imag(z)
				i++
			}
		}
	})
}

// Adjoint writes A'y to dst.
func (a *partialFourier) Adjoint(dst, y []float32) {
	a.check("PartialFourier.Adjoint", y, dst)
	p := a.scratch.Get().(*[]complex64)
	defer a.scratch.Put(p)
	a.each(y, dst, func(y, x []float32) {
		clear(*p)
		i := 0
		for _, f := range a.freqs {
			if f.single {
				(*p)[f.at] = complex(f.back*y[i], 0)
				i++
				continue
			}
			(*p)[f.at] = complex(f.back*y[i], f.back*y[i+1])
			i += 2
		}
		a.fft.Inverse(x, *p)
	})
}

func init() {
	register(&family{
		name: "cs", place: 3,
		forms: []*form{{fields: []field{
			{key: "ratio", kind: number, hi: 1, open: true, need: true},
			seedField,
			{key: "kind", kind: choice, def: "circulant", choices: []string{"circulant", "hadamard", "fourier", "gaussian"}},
		}}},
		build: func(sp Spec, s Shape) (Linear, error) {
			switch ratio := sp.float("ratio"); sp.Get("kind") {
			case "hadamard":
				return NewHadamard(s, ratio, sp.seed())
			case "fourier":
				return NewPartialFourier(s, ratio, sp.seed())
			case "gaussian":
				return NewGaussianSensing(s, ratio, sp.seed())
			default:
				return NewCirculant(s, ratio, sp.seed())
			}
		},
	})
}
