package kernel

import (
	"math"
	"sync"
)

// DCT2 is the plan of the two-dimensional orthonormal cosine transform of
// h x w samples, type II forward and III inverse, in float32. A plan is
// immutable and safe for concurrent use.
type DCT2 struct {
	h, w       int
	rows, cols *dctLine
	scratch    sync.Pool // of *fftScratch
}

// NewDCT2 plans the transform of h x w samples, h, w >= 1.
func NewDCT2(h, w int) *DCT2 {
	p := &DCT2{h: h, w: w, rows: newDCTLine(w), cols: newDCTLine(h)}
	p.scratch.New = func() any { return newFFTScratch(0, p.rows.line, p.cols.line) }
	return p
}

// Forward writes
//
//	dst(u,v) = a(u)b(v) sum over (i,j) of src(i,j) cos(pi u(2i+1)/2h) cos(pi v(2j+1)/2w),
//
// a(0) = sqrt(1/h), a(u) = sqrt(2/h), and b alike with w. dst may be src.
func (p *DCT2) Forward(dst, src []float32) {
	checkLens("DCT2.Forward", len(dst), p.h*p.w, len(src), p.h*p.w)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	for i := 0; i < p.h; i += fftPoint {
		n := min(p.h-i, fftPoint)
		fftLoadReal(s.d, p.rows.pos, src[i*p.w:], p.w, n)
		p.rows.forward(s)
		fftStoreReal(dst[i*p.w:], p.w, n, p.w, fftPoints{s.d, 0, 2}, fftPoints{s.d, min(1, p.w-1), 2}, false, 1)
	}
	for j := 0; j < p.w; j += fftPoint {
		n := min(p.w-j, fftPoint)
		for t, at := range p.cols.pos {
			point := s.d[at*fftPoint:][:fftPoint]
			clear(point[copy(point, dst[t*p.w+j:][:n]):])
		}
		p.cols.forward(s)
		for t := range p.h {
			copy(dst[t*p.w+j:][:n], s.d[t*fftPoint:])
		}
	}
}

// Inverse is the inverse, and the transpose, of Forward. dst may be src.
func (p *DCT2) Inverse(dst, src []float32) {
	checkLens("DCT2.Inverse", len(dst), p.h*p.w, len(src), p.h*p.w)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	for i := 0; i < p.h; i += fftPoint {
		n := min(p.h-i, fftPoint)
		fftLoadReal(s.e, p.rows.line.count, src[i*p.w:], p.w, n)
		p.rows.inverse(s)
		// Even samples ascend, odd ones descend; see dctLine.
		fftStoreReal(dst[i*p.w:], p.w, n, p.w, fftPoints{s.d, 0, 1}, fftPoints{s.d, p.w - 1, -1}, true, 1)
	}
	for j := 0; j < p.w; j += fftPoint {
		n := min(p.w-j, fftPoint)
		for t := range p.h {
			point := s.e[t*fftPoint:][:fftPoint]
			clear(point[copy(point, dst[t*p.w+j:][:n]):])
		}
		p.cols.inverse(s)
		for t, at := range p.cols.at {
			point := s.d[at*fftPoint:][:fftPoint]
			row := dst[t*p.w+j:][:n]
			if k := copy(row, point[fftLanes:]); k < n {
				copy(row[k:], point[:fftLanes])
			}
		}
	}
}

// dctLine transforms 32 real signals of n samples, two in one complex signal, by
// a complex transform of n points of the samples in another order: the even ones
// ascending, then the odd ones descending (Makhoul 1980).
type dctLine struct {
	line *fftLine
	at   []int32   // the place of sample t in that order
	pos  []int32   // where sample t is loaded: line.pos[at[t]]
	zero float32   // sqrt(1/n)
	w    []float32 // of k = 1..n/2: c(k), s(k), c(n-k), s(n-k), with c - is = exp(pi i k/2n)/sqrt(2n)
}

func newDCTLine(n int) *dctLine {
	f := &dctLine{line: newFFTLine(n), at: make([]int32, n), pos: make([]int32, n)}
	for t := range n {
		f.at[t] = int32(t / 2)
		if t%2 == 1 {
			f.at[t] = int32(n - 1 - t/2)
		}
		f.pos[t] = f.line.pos[f.at[t]]
	}
	a := math.Sqrt(1 / float64(2*n))
	f.zero = float32(math.Sqrt(1 / float64(n)))
	for k := 1; k <= n/2; k++ {
		for _, k := range []int{k, n - k} {
			sin, cos := math.Sincos(math.Pi * float64(k) / float64(2*n))
			f.w = append(f.w, float32(a*cos), float32(-a*sin))
		}
	}
	return f
}

// forward transforms the signals loaded to s.d by pos in place. With Z the
// transform of a + ib, twice that of a is Z(k) + conj Z(n-k), and its product
// with c + is has the real part wanted.
func (f *dctLine) forward(s *fftScratch) {
	f.line.run(s.d, s.e)
	for l := range fftPoint {
		s.d[l] *= f.zero
	}
	n := f.line.n
	if n == 1 {
		return
	}
	if v := fftVec(); v != nil {
		v.dctSplit(&s.d[fftPoint], &s.d[(n-1)*fftPoint], &f.w[0], n/2)
		return
	}
	for k := 1; k <= n/2; k++ {
		zr, zi := fftAt(s.d, k)
		yr, yi := fftAt(s.d, n-k)
		w := f.w[4*(k-1) : 4*k]
		for l := range fftLanes {
			pr, pi := zr[l]+yr[l], zi[l]+yi[l]
			qr, qi := zi[l]-yi[l], yr[l]-zr[l]
			zr[l], zi[l] = w[0]*pr-w[1]*qr, w[0]*pi-w[1]*qi
			yr[l], yi[l] = w[2]*pr+w[3]*qr, w[2]*pi+w[3]*qi
		}
	}
}

// inverse undoes forward, from s.e in natural order to s.d in the order of at,
// with the parts exchanged. The transform of the reordered signal is
// (X(k) - i X(n-k)) (c - is).
func (f *dctLine) inverse(s *fftScratch) {
	n := f.line.n
	re, im := fftAt(s.d, int(f.line.pos[0]))
	xr, xi := fftAt(s.e, 0)
	for l := range fftLanes {
		re[l], im[l] = f.zero*xi[l], f.zero*xr[l]
	}
	if n > 1 {
		f.join(s.d, s.e)
	}
	f.line.run(s.d, s.e)
}

func (f *dctLine) join(d, e []float32) {
	n := f.line.n
	if v := fftVec(); v != nil {
		v.dctJoin(&d[0], &e[fftPoint], &e[(n-1)*fftPoint], &f.line.pos[1], &f.line.pos[n-1], &f.w[0], n/2)
		return
	}
	for k := 1; k <= n/2; k++ {
		xr, xi := fftAt(e, k)
		yr, yi := fftAt(e, n-k)
		zi, zr := fftAt(d, int(f.line.pos[k]))
		ui, ur := fftAt(d, int(f.line.pos[n-k]))
		w := f.w[4*(k-1) : 4*k]
		for l := range fftLanes {
			p, q := xr[l]+yi[l], xi[l]-yr[l]
			zr[l], zi[l] = w[0]*p+w[1]*q, w[0]*q-w[1]*p
			p, q = yr[l]+xi[l], yi[l]-xr[l]
			ur[l], ui[l] = w[2]*p+w[3]*q, w[2]*q-w[3]*p
		}
	}
}
