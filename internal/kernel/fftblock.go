package kernel

import "unsafe"

// The functions below move signals between arrays and blocks of 16 of them.
// re and im start at the real and imaginary parts of point 0; given the other
// way round they exchange the parts, which turns a transform into its inverse.
// Missing signals are zero. Strides are in samples.

const complexBytes, floatBytes = 8, 4

// loadCols loads the columns 0..lanes-1 of src, f.n rows, to the points f.pos.
func (f *fftLine) loadCols(re, im []float32, src []complex64, stride, lanes int) {
	_ = src[(f.n-1)*stride+lanes-1]
	if v := fftVec(); v != nil && lanes == fftLanes {
		v.loadCols(&re[0], &im[0], &src[0], stride*complexBytes, &f.pos[0], f.n)
		return
	}
	for t, at := range f.pos {
		p, q := re[at*fftPoint:][:fftLanes], im[at*fftPoint:][:fftLanes]
		clear(p[lanes:])
		clear(q[lanes:])
		for l, z := range src[t*stride : t*stride+lanes] {
			p[l], q[l] = real(z), imag(z)
		}
	}
}

// storeCols stores k times the points 0..f.n-1 as columns of dst.
func (f *fftLine) storeCols(dst []complex64, stride, lanes int, re, im []float32, k float32) {
	_ = dst[(f.n-1)*stride+lanes-1]
	if v := fftVec(); v != nil && lanes == fftLanes {
		v.storeCols(&dst[0], stride*complexBytes, &re[0], &im[0], f.n, k)
		return
	}
	for t := range f.n {
		row := dst[t*stride : t*stride+lanes]
		p, q := re[t*fftPoint:], im[t*fftPoint:]
		for l := range row {
			row[l] = complex(k*p[l], k*q[l])
		}
	}
}

// fftLoadRows loads the first len(pos) samples of lanes rows of src to the
// points pos.
func fftLoadRows(re, im []float32, pos []int32, src []complex64, stride, lanes int) {
	done := 0
	if v := fftVec(); v != nil && lanes == fftLanes && len(pos) >= 8 {
		_ = src[(lanes-1)*stride+len(pos)-1]
		done = len(pos) &^ 7
		v.loadRows(&re[0], &im[0], &src[0], stride*complexBytes, &pos[0], done/8)
	}
	for t := done; t < len(pos); t++ {
		p, q := re[pos[t]*fftPoint:][:fftLanes], im[pos[t]*fftPoint:][:fftLanes]
		clear(p[lanes:])
		clear(q[lanes:])
		for l := range lanes {
			z := src[l*stride+t]
			p[l], q[l] = real(z), imag(z)
		}
	}
}

// fftStoreRows stores k times the points 0..n-1 as rows of dst.
func fftStoreRows(dst []complex64, stride, lanes, n int, re, im []float32, k float32) {
	done := 0
	if v := fftVec(); v != nil && lanes == fftLanes && n >= 8 {
		_ = dst[(lanes-1)*stride+n-1]
		done = n &^ 7
		v.storeRows((*float32)(unsafe.Pointer(&dst[0])), stride*complexBytes, &re[0], &im[0], fftPoint*floatBytes, fftPoint*floatBytes, done/8, k)
	}
	for l := range lanes {
		row := dst[l*stride : l*stride+n]
		for t := done; t < n; t++ {
			row[t] = complex(k*re[t*fftPoint+l], k*im[t*fftPoint+l])
		}
	}
}

// fftLoadReal loads the first len(pos) samples of up to 32 real rows of src to
// the points pos, the first 16 rows as real parts and the others as imaginary
// parts.
func fftLoadReal(d []float32, pos []int32, src []float32, stride, rows int) {
	for _, part := range [][]float32{d, d[fftLanes:]} {
		lanes := max(0, min(rows, fftLanes))
		done := 0
		if v := fftVec(); v != nil && lanes == fftLanes && len(pos) >= 16 {
			_ = src[(lanes-1)*stride+len(pos)-1]
			done = len(pos) &^ 15
			v.loadReal(&part[0], &src[0], stride*floatBytes, &pos[0], done/16)
		}
		for t := done; t < len(pos); t++ {
			p := part[pos[t]*fftPoint:][:fftLanes]
			clear(p[lanes:])
			for l := range lanes {
				p[l] = src[l*stride+t]
			}
		}
		rows -= lanes
		if rows > 0 {
			src = src[lanes*stride:]
		}
	}
}

// fftStoreReal stores n samples of up to 32 real rows of dst, times k: sample
// 2i is point i of a, sample 2i+1 point i of b. Real parts are the first 16
// rows, imaginary parts the others; with exchange it is the other way round.
func fftStoreReal(dst []float32, stride, rows, n int, a, b fftPoints, exchange bool, k float32) {
	parts := [2]int{0, fftLanes}
	if exchange {
		parts = [2]int{fftLanes, 0}
	}
	for _, part := range parts {
		lanes := min(rows, fftLanes)
		if lanes <= 0 {
			return
		}
		done := 0
		if v := fftVec(); v != nil && lanes == fftLanes && n >= 16 {
			_ = dst[(lanes-1)*stride+n-1]
			done = n &^ 15
			v.storeRows(&dst[0], stride*floatBytes, &a.d[a.first*fftPoint+part], &b.d[b.first*fftPoint+part],
				a.step*fftPoint*floatBytes, b.step*fftPoint*floatBytes, done/16, k)
		}
		for t := done; t < n; t++ {
			p := a
			if t%2 == 1 {
				p = b
			}
			from := p.d[(p.first+t/2*p.step)*fftPoint+part:]
			for l := range lanes {
				dst[l*stride+t] = k * from[l]
			}
		}
		rows -= lanes
		if rows > 0 {
			dst = dst[lanes*stride:]
		}
	}
}

// fftPoints are the points first, first+step, ... of d.
type fftPoints struct {
	d           []float32
	first, step int
}

// storeHalf stores the transforms of the rows loaded by fftLoadReal, n/2+1
// samples each: with z = a + ib, A(k) = (Z(k)+conj Z(n-k))/2 and
// B(k) = (Z(k)-conj Z(n-k))/2i. d is changed; e is scratch.
func (f *fftLine) storeHalf(dst []complex64, stride, rows int, d, e []float32) {
	h := f.n / 2
	copy(e[:fftLanes], d[fftLanes:fftPoint])
	clear(d[fftLanes:fftPoint])
	clear(e[fftLanes:fftPoint])
	if h > 0 {
		fftSplit(e[fftPoint:], d, f.n, h)
	}
	fftStoreRows(dst, stride, min(rows, fftLanes), h+1, d, d[fftLanes:], 1)
	if rows > fftLanes {
		fftStoreRows(dst[fftLanes*stride:], stride, rows-fftLanes, h+1, e, e[fftLanes:], 1)
	}
}

// fftSplit replaces Z(k) in d by A(k) and writes B(k) to b, k = 1..h.
func fftSplit(b, d []float32, n, h int) {
	if v := fftVec(); v != nil {
		v.split(&b[0], &d[fftPoint], &d[(n-1)*fftPoint], h)
		return
	}
	for k := 1; k <= h; k++ {
		zr, zi := fftAt(d, k)
		yr, yi := fftAt(d, n-k)
		br, bi := fftAt(b, k-1)
		for l := range fftLanes {
			pr, pi, qr, qi := 0.5*zr[l], 0.5*zi[l], 0.5*yr[l], 0.5*yi[l]
			zr[l], zi[l] = pr+qr, pi-qi
			br[l], bi[l] = pi+qi, qr-pr
		}
	}
}

// loadHalf loads half spectra, n/2+1 samples each, as Z = A + iB with the
// parts exchanged, to the points f.pos. The imaginary part of the samples that
// must be real (the first, and the last if n is even) is ignored. e is scratch.
func (f *fftLine) loadHalf(d []float32, src []complex64, stride, rows int, e []float32) {
	h := f.n / 2
	a, b := e[:(h+1)*fftPoint], e[(h+1)*fftPoint:2*(h+1)*fftPoint]
	count := f.count[:h+1]
	fftLoadRows(a, a[fftLanes:], count, src, stride, min(rows, fftLanes))
	if rows > fftLanes {
		fftLoadRows(b, b[fftLanes:], count, src[fftLanes*stride:], stride, rows-fftLanes)
	} else {
		clear(b)
	}
	f.joinSingle(d, a, b, 0)
	pairs := (f.n - 1) / 2
	if pairs > 0 {
		f.join(d, a[fftPoint:], b[fftPoint:], pairs)
	}
	if f.n%2 == 0 {
		f.joinSingle(d, a, b, h)
	}
}

// joinSingle writes sample k, a real number of each signal, with the parts
// exchanged.
func (f *fftLine) joinSingle(d, a, b []float32, k int) {
	im, re := fftAt(d, int(f.pos[k]))
	ar, _ := fftAt(a, k)
	br, _ := fftAt(b, k)
	*re, *im = *ar, *br
}

// join writes the samples 1..pairs, at a and b, and their mirror images.
func (f *fftLine) join(d, a, b []float32, pairs int) {
	if v := fftVec(); v != nil {
		v.join(&d[0], &a[0], &b[0], &f.pos[1], &f.pos[f.n-1], pairs)
		return
	}
	for i := range pairs {
		zi, zr := fftAt(d, int(f.pos[1+i]))
		yi, yr := fftAt(d, int(f.pos[f.n-1-i]))
		ar, ai := fftAt(a, i)
		br, bi := fftAt(b, i)
		for l := range fftLanes {
			zr[l], zi[l] = ar[l]-bi[l], ai[l]+br[l]
			yr[l], yi[l] = ar[l]+bi[l], br[l]-ai[l]
		}
	}
}

// MulComplex sets dst = x*y sample by sample. dst may be x or y. Different
// lengths panic.
func MulComplex(dst, x, y []complex64) {
	checkLens("MulComplex", len(dst), len(y), len(x), len(y))
	done := 0
	if v := fftVec(); v != nil && len(x) >= v.width {
		done = len(x) - len(x)%v.width
		v.mul(&dst[0], &x[0], &y[0], done)
	}
	for i := done; i < len(x); i++ {
		dst[i] = x[i] * y[i]
	}
}

// MulConj sets dst = x*conj(y) sample by sample. dst may be x or y. Different
// lengths panic.
func MulConj(dst, x, y []complex64) {
	checkLens("MulConj", len(dst), len(y), len(x), len(y))
	done := 0
	if v := fftVec(); v != nil && len(x) >= v.width {
		done = len(x) - len(x)%v.width
		v.mulConj(&dst[0], &x[0], &y[0], done)
	}
	for i := done; i < len(x); i++ {
		dst[i] = x[i] * complex(real(y[i]), -imag(y[i]))
	}
}
