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
	p.rows.forward(dst, src, p.w, 1, p.h, s)
	p.cols.forward(dst, dst, 1, p.w, p.w, s)
}

// Inverse is the inverse, and the transpose, of Forward. dst may be src.
func (p *DCT2) Inverse(dst, src []float32) {
	checkLens("DCT2.Inverse", len(dst), p.h*p.w, len(src), p.h*p.w)
	s := p.scratch.Get().(*fftScratch)
	defer p.scratch.Put(s)
	p.rows.inverse(dst, src, p.w, 1, p.h, s)
	p.cols.inverse(dst, dst, 1, p.w, p.w, s)
}

// dctLine transforms 32 signals of n samples, two in one complex signal, by a
// complex transform of n points (Makhoul 1980).
type dctLine struct {
	line *fftLine
	at   []int32   // sample t goes to place at[t]: the even ones ascending, then the odd ones descending
	w    []float32 // a(k) exp(-pi i k/2n), n complex numbers
}

func newDCTLine(n int) *dctLine {
	f := &dctLine{line: newFFTLine(n), at: make([]int32, n)}
	for t := range n {
		f.at[t] = int32(t / 2)
		if t%2 == 1 {
			f.at[t] = int32(n - 1 - t/2)
		}
	}
	for k := range n {
		a := math.Sqrt(2 / float64(n))
		if k == 0 {
			a = math.Sqrt(1 / float64(n))
		}
		sin, cos := math.Sincos(math.Pi * float64(k) / float64(2*n))
		f.w = append(f.w, float32(a*cos), float32(-a*sin))
	}
	return f
}

// forward transforms count signals; sample t of signal l is src[l*ls+t*ts].
func (f *dctLine) forward(dst, src []float32, ls, ts, count int, s *fftScratch) {
	n, d := f.line.n, s.d[:f.line.size]
	for l0 := 0; l0 < count; l0 += fftPoint {
		m := min(count-l0, fftPoint)
		if m < fftPoint {
			clear(d)
		}
		for t := range n {
			p := d[int(f.line.pos[f.at[t]])*fftPoint:]
			for l := range m {
				p[l] = src[(l0+l)*ls+t*ts]
			}
		}
		f.line.run(d, s.e)
		for k := range n {
			zr, zi := fftAt(d, k)
			yr, yi := fftAt(d, (n-k)%n)
			c, sn := 0.5*f.w[2*k], 0.5*f.w[2*k+1]
			for l := range m {
				i := l % fftLanes
				v := c*(zr[i]+yr[i]) - sn*(zi[i]-yi[i])
				if l >= fftLanes {
					v = c*(zi[i]+yi[i]) - sn*(yr[i]-zr[i])
				}
				dst[(l0+l)*ls+k*ts] = v
			}
		}
	}
}

// inverse undoes forward: the transform of the reordered signal is
// V(k) = (X(k) - i X(n-k)) exp(pi i k/2n), with X(n) = 0, in the scale of w.
func (f *dctLine) inverse(dst, src []float32, ls, ts, count int, s *fftScratch) {
	n, d := f.line.n, s.d[:f.line.size]
	for l0 := 0; l0 < count; l0 += fftPoint {
		m := min(count-l0, fftPoint)
		if m < fftPoint {
			clear(d)
		}
		// Scaled by 1/2 for the pair X(k), X(n-k) and by the orthonormal a(k).
		for k := range n {
			zi, zr := fftAt(d, int(f.line.pos[k])) // exchanged: the inverse transform
			c, sn := 0.5*f.w[2*k], 0.5*f.w[2*k+1]
			if k == 0 {
				c, sn = f.w[0], 0
			}
			for l := range min(m, fftLanes) {
				var ar, ai, br, bi float32
				ar, ai = dctTwist(src, (l0+l)*ls, ts, k, n, c, sn)
				if l+fftLanes < m {
					br, bi = dctTwist(src, (l0+l+fftLanes)*ls, ts, k, n, c, sn)
				}
				zr[l], zi[l] = ar-bi, ai+br
			}
		}
		f.line.run(d, s.e)
		for t := range n {
			p := d[int(f.at[t])*fftPoint:]
			for l := range m {
				dst[(l0+l)*ls+t*ts] = p[(l+fftLanes)%fftPoint]
			}
		}
	}
}

// dctTwist returns (X(k) - i X(n-k)) (c - i s), X(n) = 0.
func dctTwist(src []float32, base, ts, k, n int, c, s float32) (re, im float32) {
	x := src[base+k*ts]
	var y float32
	if k > 0 {
		y = src[base+(n-k)*ts]
	}
	return x*c - y*s, -x*s - y*c
}
