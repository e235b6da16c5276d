package kernel

import "sync"

// FFT2 is the plan of a two-dimensional Fourier transform of real images of
// h x w samples in float32. Sizes whose prime factors are 2, 3 and 5 are the
// fastest; every size works. A plan is immutable and safe for concurrent use.
// The relative error (in the 2-norm) is about 1e-7 log2(hw).
type FFT2 struct {
	h, w    int
	rows    *fftLine
	cols    *fftLine
	scratch sync.Pool // of *fftScratch
}

type fftScratch struct {
	d    []float32
	freq []complex64
}

// NewFFT2 plans the transform of h x w samples, h, w >= 1.
func NewFFT2(h, w int) *FFT2 {
	p := &FFT2{h: h, w: w, rows: newFFTLine(w), cols: newFFTLine(h)}
	p.scratch.New = func() any {
		return &fftScratch{make([]float32, max(p.rows.size, p.cols.size)), make([]complex64, h*(w/2+1))}
	}
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
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	d := s.d[:p.rows.size]
	for i := 0; i < p.h; i += fftPoint {
		n := min(p.h-i, fftPoint)
		p.rows.loadReal(d, src[i*p.w:], p.w, n)
		p.rows.run(d)
		p.rows.storeHalf(dst[i*wc:], wc, n, d)
	}
	transformCols(p.cols, dst, dst, wc, s.d, false, 1)
}

// Inverse writes the real image whose transform is src, including the factor
// 1/(hw). The parts of src that the symmetry of a real image's transform
// forbids are ignored as numpy.fft.irfft2 does.
func (p *FFT2) Inverse(dst []float32, src []complex64) {
	wc := p.w/2 + 1
	checkLens("FFT2.Inverse", len(dst), p.h*p.w, len(src), p.h*wc)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	transformCols(p.cols, s.freq, src, wc, s.d, true, 1)
	d := s.d[:p.rows.size]
	k := 1 / (float32(p.h) * float32(p.w))
	for i := 0; i < p.h; i += fftPoint {
		n := min(p.h-i, fftPoint)
		p.rows.loadHalf(d, s.freq[i*wc:], wc, n)
		p.rows.run(d)
		p.rows.storeRealSwapped(dst[i*p.w:], p.w, n, d, k)
	}
}

// transformCols transforms the columns of src, cols of them, times k; with
// swap it is the inverse transform without its factor. dst may be src.
func transformCols(f *fftLine, dst, src []complex64, cols int, d []float32, swap bool, k float32) {
	d = d[:f.size]
	for j := 0; j < cols; j += fftLanes {
		n := min(cols-j, fftLanes)
		f.loadCols(d, src[j:], cols, n, swap)
		f.run(d)
		f.storeCols(dst[j:], cols, n, d, swap, k)
	}
}

func transformRows(f *fftLine, dst, src []complex64, rows int, d []float32, swap bool, k float32) {
	d = d[:f.size]
	for i := 0; i < rows; i += fftLanes {
		n := min(rows-i, fftLanes)
		f.loadRows(d, src[i*f.n:], f.n, n, swap)
		f.run(d)
		f.storeRows(dst[i*f.n:], f.n, n, d, swap, k)
	}
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
	p.scratch.New = func() any { return &fftScratch{d: make([]float32, max(p.rows.size, p.cols.size))} }
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

func (p *CFFT2) transform(dst, src []complex64, swap bool, k float32) {
	checkLens("CFFT2", len(dst), p.h*p.w, len(src), p.h*p.w)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	transformRows(p.rows, dst, src, p.h, s.d, swap, k)
	transformCols(p.cols, dst, dst, p.w, s.d, swap, 1)
}

func checkLens(op string, dst, wantDst, src, wantSrc int) {
	if dst != wantDst || src != wantSrc {
		panic("kernel: " + op + ": slice of the wrong length")
	}
}
