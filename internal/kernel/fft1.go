package kernel

import (
	"math"
	"sync"
	"unsafe"
)

// FFT1 is the plan of the Fourier transform of n complex numbers, in float32.
// n = n1 n2 is split near its square root, so that long transforms too run on
// 16 signals at a time (Bailey 1990); a prime n is slow. A plan is immutable
// and safe for concurrent use.
type FFT1 struct {
	n          int
	cols, rows *fftLine
	tw         []complex64 // exp(-2 pi i jk/n) at row j = 0..n1-1, column k = 0..n2-1
	scratch    sync.Pool   // of *fftScratch
}

// NewFFT1 plans the transform of n >= 1 numbers.
func NewFFT1(n int) *FFT1 {
	n1 := 1
	for d := 1; d*d <= n; d++ {
		if n%d == 0 {
			n1 = d
		}
	}
	n2 := n / n1
	p := &FFT1{n: n, cols: newFFTLine(n1), rows: newFFTLine(n2), tw: make([]complex64, 0, n)}
	for j := range n1 {
		for k := range n2 {
			c, s := unitRoot(j*k, n)
			p.tw = append(p.tw, complex(c, -s))
		}
	}
	p.scratch.New = func() any { return newFFTScratch(n, p.cols, p.rows) }
	return p
}

// Forward writes dst(k) = sum over t of src(t) exp(-2 pi i kt/n). dst may be
// src.
func (p *FFT1) Forward(dst, src []complex64) { p.transform(dst, src, false, 1) }

// Inverse is the inverse of Forward, including the factor 1/n. dst may be src.
func (p *FFT1) Inverse(dst, src []complex64) { p.transform(dst, src, true, 1/float32(p.n)) }

func (p *FFT1) transform(dst, src []complex64, inverse bool, k float32) {
	checkLens("FFT1", len(dst), p.n, len(src), p.n)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	n1, n2 := p.cols.n, p.rows.n
	p.cols.transformCols(s.freq, src, n2, s, inverse, k)
	if inverse {
		MulConj(s.freq, s.freq, p.tw)
	} else {
		MulComplex(s.freq, s.freq, p.tw)
	}
	re, im := s.parts(inverse)
	for i := 0; i < n1; i += fftLanes {
		n := min(n1-i, fftLanes)
		fftLoadRows(re, im, p.rows.pos, s.freq[i*n2:], n2, n)
		p.rows.run(s.d, s.e)
		p.rows.storeCols(dst[i:], n1, n, re, im, 1)
	}
}

// RFFT1 is the plan of the Fourier transform of n real numbers, n even, in
// float32. A plan is immutable and safe for concurrent use.
type RFFT1 struct {
	n       int
	half    *FFT1
	tw      []complex64 // exp(-2 pi i k/n), k = 0..n/4
	scratch sync.Pool   // of *[]complex64
}

// NewRFFT1 plans the transform of n numbers, n even and at least 2.
func NewRFFT1(n int) *RFFT1 {
	if n < 2 || n%2 != 0 {
		panic("kernel: RFFT1 of an odd number of samples")
	}
	p := &RFFT1{n: n, half: NewFFT1(n / 2)}
	for k := range n/4 + 1 {
		sin, cos := math.Sincos(2 * math.Pi * float64(k) / float64(n))
		p.tw = append(p.tw, complex(float32(cos), float32(-sin)))
	}
	p.scratch.New = func() any { s := make([]complex64, n/2); return &s }
	return p
}

// Forward writes dst(k) = sum over t of src(t) exp(-2 pi i kt/n), k = 0..n/2:
// n/2+1 numbers.
func (p *RFFT1) Forward(dst []complex64, src []float32) {
	checkLens("RFFT1.Forward", len(dst), p.n/2+1, len(src), p.n)
	m := p.n / 2
	z := dst[:m]
	// Even samples are the real, odd samples the imaginary parts.
	p.half.Forward(z, unsafe.Slice((*complex64)(unsafe.Pointer(&src[0])), m))
	z0 := z[0]
	dst[0], dst[m] = complex(real(z0)+imag(z0), 0), complex(real(z0)-imag(z0), 0)
	// X(k) = (Z(k)+conj Z(m-k))/2 - i exp(-2 pi i k/n) (Z(k)-conj Z(m-k))/2, in
	// parts: the compiler multiplies complex64 in double precision.
	for k := 1; k <= m/2; k++ {
		a, b, w := z[k], z[m-k], p.tw[k]
		er, ei := 0.5*(real(a)+real(b)), 0.5*(imag(a)-imag(b))
		dr, di := 0.5*(imag(a)+imag(b)), -0.5*(real(a)-real(b))
		or, oi := dr*real(w)-di*imag(w), dr*imag(w)+di*real(w)
		dst[k], dst[m-k] = complex(er+or, ei+oi), complex(er-or, oi-ei)
	}
}

// Inverse is the inverse of Forward, including the factor 1/n. The imaginary
// parts of src(0) and src(n/2), which are zero in the transform of real
// numbers, are ignored. src is untouched.
func (p *RFFT1) Inverse(dst []float32, src []complex64) {
	checkLens("RFFT1.Inverse", len(dst), p.n, len(src), p.n/2+1)
	m := p.n / 2
	s := p.scratch.Get().(*[]complex64)
	defer p.scratch.Put(s)
	z := *s
	lo, hi := real(src[0]), real(src[m])
	z[0] = complex(0.5*(lo+hi), 0.5*(lo-hi))
	for k := 1; k <= m/2; k++ {
		a, b, w := src[k], src[m-k], p.tw[k]
		er, ei := 0.5*(real(a)+real(b)), 0.5*(imag(a)-imag(b))
		dr, di := -0.5*(imag(a)+imag(b)), 0.5*(real(a)-real(b))
		or, oi := dr*real(w)+di*imag(w), di*real(w)-dr*imag(w)
		z[k], z[m-k] = complex(er+or, ei+oi), complex(er-or, oi-ei)
	}
	p.half.Inverse(unsafe.Slice((*complex64)(unsafe.Pointer(&dst[0])), m), z)
}

// RowFFT is the plan of the Fourier transforms of the rows of a real array, n
// samples each, in float32. A plan is immutable and safe for concurrent use.
type RowFFT struct {
	line    *fftLine
	scratch sync.Pool // of *fftScratch
}

// NewRowFFT plans the transform of rows of n >= 1 samples.
func NewRowFFT(n int) *RowFFT {
	p := &RowFFT{line: newFFTLine(n)}
	p.scratch.New = func() any { return newFFTScratch(0, p.line) }
	return p
}

// Forward writes the transforms of rows rows of n samples, as rows of n/2+1
// samples: dst(i,k) = sum over t of src(i,t) exp(-2 pi i kt/n).
func (p *RowFFT) Forward(dst []complex64, src []float32, rows int) {
	n, m := p.line.n, p.line.n/2+1
	checkLens("RowFFT.Forward", len(dst), rows*m, len(src), rows*n)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	for i := 0; i < rows; i += fftPoint {
		k := min(rows-i, fftPoint)
		fftLoadReal(s.d, p.line.pos, src[i*n:], n, k)
		p.line.run(s.d, s.e)
		p.line.storeHalf(dst[i*m:], m, k, s.d, s.e)
	}
}

// Inverse is the inverse of Forward, including the factor 1/n.
func (p *RowFFT) Inverse(dst []float32, src []complex64, rows int) {
	n, m := p.line.n, p.line.n/2+1
	checkLens("RowFFT.Inverse", len(dst), rows*n, len(src), rows*m)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	for i := 0; i < rows; i += fftPoint {
		k := min(rows-i, fftPoint)
		p.line.loadHalf(s.d, src[i*m:], m, k, s.e)
		p.line.run(s.d, s.e)
		fftStoreReal(dst[i*n:], n, k, n, fftPoints{s.d, 0, 2}, fftPoints{s.d, min(1, n-1), 2}, true, 1/float32(n))
	}
}
