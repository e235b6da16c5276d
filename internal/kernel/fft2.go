package kernel

import "sync"

// FFT2 is the plan of a two-dimensional Fourier transform of real images of
// h x w samples in float32. Sizes whose prime factors are 2, 3 and 5 are the
// fastest; every size works. A plan is immutable and safe for concurrent use.
// The relative error (in the 2-norm) is below 5e-7.
type FFT2 struct {
	h, w    int
	rows    *RowFFT
	cols    *fftLine
	scratch sync.Pool // of *fftScratch
}

type fftScratch struct {
	d, e []float32
	freq []complex64
}

func newFFTScratch(freq int, lines ...*fftLine) *fftScratch {
	size, extra := 0, 0
	for _, f := range lines {
		size, extra = max(size, f.size), max(extra, f.extra)
	}
	return &fftScratch{make([]float32, size), make([]float32, extra), make([]complex64, freq)}
}

// NewFFT2 plans the transform of h x w samples, h, w >= 1.
func NewFFT2(h, w int) *FFT2 {
	p := &FFT2{h: h, w: w, rows: NewRowFFT(w), cols: newFFTLine(h)}
	p.scratch.New = func() any { return newFFTScratch(h*(w/2+1), p.cols) }
	return p
}

// Forward writes the transform of src, h rows of w samples,
//
//	dst(u,v) = sum over (i,j) of src(i,j) exp(-2 pi i (ui/h + vj/w))
//
// for v = 0..w/2 (rounded down): h rows of w/2+1 samples. The others follow
// from dst(h-u,w-v) = conj dst(u,v).
func (p *FFT2) Forward(dst []complex64, src []float32) {
	wc := p.w/2 + 1
	checkLens("FFT2.Forward", len(dst), p.h*wc, len(src), p.h*p.w)
	p.rows.Forward(dst, src, p.h)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	p.cols.transformCols(dst, dst, wc, s, false, 1)
}

// Inverse writes the real image whose transform is src, including the factor
// 1/(hw). The parts of src that the symmetry of a real image's transform
// forbids are ignored as numpy.fft.irfft2 does.
func (p *FFT2) Inverse(dst []float32, src []complex64) {
	wc := p.w/2 + 1
	checkLens("FFT2.Inverse", len(dst), p.h*p.w, len(src), p.h*wc)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	p.cols.transformCols(s.freq, src, wc, s, true, 1/float32(p.h))
	p.rows.Inverse(dst, s.freq, p.h)
}

// transformCols transforms the columns of src, f.n rows of cols samples, times
// k; the inverse transform (without its factor) if inverse. dst may be src.
func (f *fftLine) transformCols(dst, src []complex64, cols int, s *fftScratch, inverse bool, k float32) {
	re, im := s.parts(inverse)
	for j := 0; j < cols; j += fftLanes {
		n := min(cols-j, fftLanes)
		f.loadCols(re, im, src[j:], cols, n)
		f.run(s.d, s.e)
		f.storeCols(dst[j:], cols, n, re, im, k)
	}
}

// transformRows is transformCols for rows.
func (f *fftLine) transformRows(dst, src []complex64, rows int, s *fftScratch, inverse bool, k float32) {
	re, im := s.parts(inverse)
	for i := 0; i < rows; i += fftLanes {
		n := min(rows-i, fftLanes)
		fftLoadRows(re, im, f.pos, src[i*f.n:], f.n, n)
		f.run(s.d, s.e)
		fftStoreRows(dst[i*f.n:], f.n, n, f.n, re, im, k)
	}
}

// parts returns where real and imaginary parts go: exchanged for the inverse.
func (s *fftScratch) parts(inverse bool) (re, im []float32) {
	if inverse {
		return s.d[fftLanes:], s.d
	}
	return s.d, s.d[fftLanes:]
}

// CFFT2 is the plan of a two-dimensional Fourier transform of complex arrays
// of h x w samples; otherwise like FFT2.
type CFFT2 struct {
	h, w    int
	rows    *fftLine
	cols    *fftLine
	scratch sync.Pool // of *fftScratch
}

// NewCFFT2 plans the transform of h x w samples, h, w >= 1.
func NewCFFT2(h, w int) *CFFT2 {
	p := &CFFT2{h: h, w: w, rows: newFFTLine(w), cols: newFFTLine(h)}
	p.scratch.New = func() any { return newFFTScratch(0, p.rows, p.cols) }
	return p
}

// Forward writes the unnormalised transform of src,
//
//	dst(u,v) = sum over (i,j) of src(i,j) exp(-2 pi i (ui/h + vj/w)).
//
// dst may be src.
func (p *CFFT2) Forward(dst, src []complex64) { p.transform(dst, src, false, 1) }

// Inverse writes the inverse transform of src, including the factor 1/(hw).
// dst may be src.
func (p *CFFT2) Inverse(dst, src []complex64) {
	p.transform(dst, src, true, 1/(float32(p.h)*float32(p.w)))
}

func (p *CFFT2) transform(dst, src []complex64, inverse bool, k float32) {
	checkLens("CFFT2", len(dst), p.h*p.w, len(src), p.h*p.w)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	p.rows.transformRows(dst, src, p.h, s, inverse, k)
	p.cols.transformCols(dst, dst, p.w, s, inverse, 1)
}

func checkLens(op string, dst, wantDst, src, wantSrc int) {
	if dst != wantDst || src != wantSrc {
		panic("kernel: " + op + ": slice of the wrong length")
	}
}
