package kernel

// The functions below move signals between arrays and blocks of 16 of them.
// Missing signals are zero.

// loadCols loads columns 0..lanes-1 of src, n rows of stride samples; with
// swap the real and imaginary parts are exchanged.
func (f *fftLine) loadCols(d []float32, src []complex64, stride, lanes int, swap bool) {
	re, im := 0, fftLanes
	if swap {
		re, im = im, re
	}
	for t, at := range f.pos {
		p := d[at*fftPoint : (at+1)*fftPoint]
		if lanes < fftLanes {
			clear(p)
		}
		for l, z := range src[t*stride : t*stride+lanes] {
			p[re+l], p[im+l] = real(z), imag(z)
		}
	}
}

// storeCols is the inverse of loadCols, in natural order, times k.
func (f *fftLine) storeCols(dst []complex64, stride, lanes int, d []float32, swap bool, k float32) {
	re, im := 0, fftLanes
	if swap {
		re, im = im, re
	}
	for t := range f.n {
		p := d[t*fftPoint : (t+1)*fftPoint]
		row := dst[t*stride : t*stride+lanes]
		for l := range row {
			row[l] = complex(k*p[re+l], k*p[im+l])
		}
	}
}

// loadRows loads rows 0..lanes-1 of src.
func (f *fftLine) loadRows(d []float32, src []complex64, stride, lanes int, swap bool) {
	re, im := 0, fftLanes
	if swap {
		re, im = im, re
	}
	if lanes < fftLanes {
		clear(d)
	}
	for l := range lanes {
		for t, z := range src[l*stride : l*stride+f.n] {
			at := int(f.pos[t]) * fftPoint
			d[at+re+l], d[at+im+l] = real(z), imag(z)
		}
	}
}

// storeRows is the inverse of loadRows, in natural order, times k.
func (f *fftLine) storeRows(dst []complex64, stride, lanes int, d []float32, swap bool, k float32) {
	re, im := 0, fftLanes
	if swap {
		re, im = im, re
	}
	for l := range lanes {
		row := dst[l*stride : l*stride+f.n]
		for t := range row {
			at := t * fftPoint
			row[t] = complex(k*d[at+re+l], k*d[at+im+l])
		}
	}
}

// loadReal loads up to 32 real rows of src, the first 16 as real parts and the
// others as imaginary parts.
func (f *fftLine) loadReal(d, src []float32, stride, rows int) {
	if rows < fftPoint {
		clear(d)
	}
	for l := range rows {
		for t, v := range src[l*stride : l*stride+f.n] {
			d[int(f.pos[t])*fftPoint+l] = v
		}
	}
}

// storeReal is the inverse of loadReal, in natural order, times k, with the
// parts exchanged.
func (f *fftLine) storeRealSwapped(dst []float32, stride, rows int, d []float32, k float32) {
	for l := range rows {
		row := dst[l*stride : l*stride+f.n]
		from := (l + fftLanes) % fftPoint
		for t := range row {
			row[t] = k * d[t*fftPoint+from]
		}
	}
}

// storeHalf stores the transforms of the rows loaded by loadReal, n/2+1
// samples each: with z = a + ib, A(k) = (Z(k)+conj Z(n-k))/2 and
// B(k) = (Z(k)-conj Z(n-k))/2i.
func (f *fftLine) storeHalf(dst []complex64, stride, rows int, d []float32) {
	for k := range f.n/2 + 1 {
		zr, zi := fftAt(d, k)
		yr, yi := fftAt(d, (f.n-k)%f.n)
		for l := range min(rows, fftLanes) {
			dst[l*stride+k] = complex(0.5*(zr[l]+yr[l]), 0.5*(zi[l]-yi[l]))
		}
		for l := range max(rows-fftLanes, 0) {
			dst[(l+fftLanes)*stride+k] = complex(0.5*(zi[l]+yi[l]), 0.5*(yr[l]-zr[l]))
		}
	}
}

// loadHalf loads half spectra, n/2+1 samples each, as Z = A + iB with the
// parts exchanged. The imaginary part of the samples that must be real (the
// first, and the last if n is even) is ignored.
func (f *fftLine) loadHalf(d []float32, src []complex64, stride, rows int) {
	if rows < fftPoint {
		clear(d)
	}
	for k := range f.n/2 + 1 {
		zi, zr := fftAt(d, int(f.pos[k]))
		yi, yr := fftAt(d, int(f.pos[(f.n-k)%f.n]))
		single := 2*k == f.n || k == 0
		for l := range min(rows, fftLanes) {
			a := src[l*stride+k]
			var b complex64
			if l+fftLanes < rows {
				b = src[(l+fftLanes)*stride+k]
			}
			if single {
				zr[l], zi[l] = real(a), real(b)
				continue
			}
			zr[l], zi[l] = real(a)-imag(b), imag(a)+real(b)
			yr[l], yi[l] = real(a)+imag(b), real(b)-imag(a)
		}
	}
}
