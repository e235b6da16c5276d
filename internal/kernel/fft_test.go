package kernel

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"
)

// Sizes with every kind of factor: 2..5, odd primes by definition, and primes
// and products that need a convolution.
var fftSizes = func() []int {
	var s []int
	for n := 1; n <= 70; n++ {
		s = append(s, n)
	}
	return append(s, 97, 101, 107, 127, 128, 163, 167, 180, 211, 243, 256, 321, 400, 481, 512)
}()

// fftTol bounds the relative error in the 2-norm: rounding grows with the
// number of passes, and transforms by convolution make three.
const fftTol = 1e-6

func relError[T float32 | complex64](got []T, want []complex128) float64 {
	d, s := 0.0, 0.0
	for i, g := range got {
		z := complex128(toComplex(g))
		d += sqAbs(z - want[i])
		s += sqAbs(want[i])
	}
	return math.Sqrt(d / max(s, 1e-300))
}

func toComplex[T float32 | complex64](v T) complex128 {
	switch v := any(v).(type) {
	case float32:
		return complex(float64(v), 0)
	case complex64:
		return complex128(v)
	}
	panic("unreachable")
}

func sqAbs(z complex128) float64 { return real(z)*real(z) + imag(z)*imag(z) }

func randomReal(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func randomComplex(n int, seed uint64) []complex64 {
	x := randomReal(2*n, seed)
	z := make([]complex64, n)
	for i := range z {
		z[i] = complex(x[2*i], x[2*i+1])
	}
	return z
}

// gonumFFT2 is the two-dimensional transform by gonum in double precision.
func gonumFFT2(src []complex128, h, w int) []complex128 {
	dst := make([]complex128, h*w)
	rows, cols := fourier.NewCmplxFFT(w), fourier.NewCmplxFFT(h)
	for i := range h {
		rows.Coefficients(dst[i*w:(i+1)*w], src[i*w:(i+1)*w])
	}
	col := make([]complex128, h)
	for j := range w {
		for i := range h {
			col[i] = dst[i*w+j]
		}
		cols.Coefficients(col, col)
		for i := range h {
			dst[i*w+j] = col[i]
		}
	}
	return dst
}

func widen[T float32 | complex64](x []T) []complex128 {
	z := make([]complex128, len(x))
	for i, v := range x {
		z[i] = toComplex(v)
	}
	return z
}

// atLevels runs f with each instruction set that this machine has.
func atLevels(t *testing.T, f func(t *testing.T)) {
	for _, l := range Levels() {
		restore := SetLevel(l)
		t.Run(l.String(), f)
		restore()
	}
}

func checkFFT2(t *testing.T, h, w int) {
	t.Helper()
	x := randomReal(h*w, uint64(h*1000+w))
	keep := append([]float32(nil), x...)
	p := NewFFT2(h, w)
	wc := w/2 + 1
	got := make([]complex64, h*wc)
	p.Forward(got, x)
	full := gonumFFT2(widen(x), h, w)
	want := make([]complex128, h*wc)
	for i := range h {
		copy(want[i*wc:(i+1)*wc], full[i*w:])
	}
	if e := relError(got, want); e > fftTol {
		t.Errorf("%dx%d: Forward: relative error %.2g", h, w, e)
	}
	freq := append([]complex64(nil), got...)
	back := make([]float32, h*w)
	p.Inverse(back, got)
	if e := relError(back, widen(keep)); e > 2*fftTol {
		t.Errorf("%dx%d: Inverse(Forward): relative error %.2g", h, w, e)
	}
	for i := range x {
		if x[i] != keep[i] {
			t.Fatalf("%dx%d: Forward changed its source", h, w)
		}
	}
	for i := range freq {
		if freq[i] != got[i] {
			t.Fatalf("%dx%d: Inverse changed its source", h, w)
		}
	}
}

func TestFFT2AgainstGonum(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		for i, n := range fftSizes {
			checkFFT2(t, 3, n)
			checkFFT2(t, n, 4)
			checkFFT2(t, n, fftSizes[(i*31+7)%70])
		}
		checkFFT2(t, 321, 481)
	})
}

func TestFFT2ForbiddenParts(t *testing.T) {
	// numpy.fft.irfft2 drops the imaginary parts of the first and, for an even
	// number, last column after the column transform; so an arbitrary src has a
	// defined result: the real part of the complex inverse of its completion.
	for _, s := range [][2]int{{6, 8}, {5, 7}, {4, 2}, {3, 1}} {
		h, w := s[0], s[1]
		wc := w/2 + 1
		src := randomComplex(h*wc, 5)
		got := make([]float32, h*w)
		NewFFT2(h, w).Inverse(got, src)
		cols := fourier.NewCmplxFFT(h)
		half := make([]complex128, h*wc)
		for j := range wc {
			col := make([]complex128, h)
			for i := range h {
				col[i] = complex128(src[i*wc+j])
			}
			cols.Sequence(col, col)
			for i := range h {
				half[i*wc+j] = col[i]
			}
		}
		want := make([]complex128, h*w)
		for i := range h {
			for j := range w {
				sum := 0.0
				for k := range wc {
					v := real(half[i*wc+k] * cmplx.Exp(complex(0, 2*math.Pi*float64(j*k)/float64(w))))
					if k > 0 && 2*k != w {
						v *= 2
					} else {
						v = real(half[i*wc+k]) * math.Cos(2*math.Pi*float64(j*k)/float64(w))
					}
					sum += v
				}
				want[i*w+j] = complex(sum/float64(h*w), 0)
			}
		}
		if e := relError(got, want); e > fftTol {
			t.Errorf("%dx%d: relative error %.2g", h, w, e)
		}
	}
}

func TestCFFT2AgainstGonum(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		for i, n := range fftSizes {
			h, w := n, fftSizes[(i*17+3)%70]
			x := randomComplex(h*w, uint64(i))
			p := NewCFFT2(h, w)
			got := make([]complex64, h*w)
			p.Forward(got, x)
			if e := relError(got, gonumFFT2(widen(x), h, w)); e > fftTol {
				t.Errorf("%dx%d: Forward: relative error %.2g", h, w, e)
			}
			p.Inverse(got, got)
			if e := relError(got, widen(x)); e > 2*fftTol {
				t.Errorf("%dx%d: Inverse(Forward): relative error %.2g", h, w, e)
			}
		}
	})
}

func TestFFT1AgainstGonum(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		for _, n := range append(fftSizes, 784, 4096, 3*1024, 81*81, 128*128, 67*68) {
			x := randomComplex(n, uint64(n))
			want := gonumFFT2(widen(x), 1, n)
			got := make([]complex64, n)
			p := NewFFT1(n)
			p.Forward(got, x)
			if e := relError(got, want); e > fftTol {
				t.Errorf("%d: Forward: relative error %.2g", n, e)
			}
			p.Inverse(got, got)
			if e := relError(got, widen(x)); e > 2*fftTol {
				t.Errorf("%d: Inverse(Forward): relative error %.2g", n, e)
			}
			if n%2 != 0 {
				continue
			}
			r := randomReal(n, uint64(n))
			half := make([]complex64, n/2+1)
			q := NewRFFT1(n)
			q.Forward(half, r)
			if e := relError(half, gonumFFT2(widen(r), 1, n)[:n/2+1]); e > fftTol {
				t.Errorf("%d: real Forward: relative error %.2g", n, e)
			}
			back := make([]float32, n)
			q.Inverse(back, half)
			if e := relError(back, widen(r)); e > 2*fftTol {
				t.Errorf("%d: real Inverse(Forward): relative error %.2g", n, e)
			}
		}
	})
}

func TestRowFFTAgainstGonum(t *testing.T) {
	for _, n := range []int{1, 2, 9, 64, 367} {
		for _, rows := range []int{1, 5, 16, 17, 32, 70} {
			x := randomReal(n*rows, uint64(n))
			got := make([]complex64, rows*(n/2+1))
			p := NewRowFFT(n)
			p.Forward(got, x, rows)
			var want []complex128
			for i := range rows {
				want = append(want, gonumFFT2(widen(x[i*n:(i+1)*n]), 1, n)[:n/2+1]...)
			}
			if e := relError(got, want); e > fftTol {
				t.Errorf("%d rows of %d: Forward: relative error %.2g", rows, n, e)
			}
			back := make([]float32, n*rows)
			p.Inverse(back, got, rows)
			if e := relError(back, widen(x)); e > 2*fftTol {
				t.Errorf("%d rows of %d: Inverse: relative error %.2g", rows, n, e)
			}
		}
	}
}

func TestMulComplex(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		for n := range 40 {
			x, y, got := randomComplex(n, 1), randomComplex(n, 2), make([]complex64, n)
			want, wantConj := make([]complex128, n), make([]complex128, n)
			for i := range n {
				want[i] = complex128(x[i]) * complex128(y[i])
				wantConj[i] = complex128(x[i]) * cmplx.Conj(complex128(y[i]))
			}
			MulComplex(got, x, y)
			if e := relError(got, want); e > 2e-7 {
				t.Errorf("MulComplex of %d: relative error %.2g", n, e)
			}
			MulConj(got, x, y)
			if e := relError(got, wantConj); e > 2e-7 {
				t.Errorf("MulConj of %d: relative error %.2g", n, e)
			}
		}
	})
}

func TestFFT2Parseval(t *testing.T) {
	h, w := 48, 90
	x := randomReal(h*w, 3)
	z := make([]complex64, h*(w/2+1))
	NewFFT2(h, w).Forward(z, x)
	sx, sz := 0.0, 0.0
	for _, v := range x {
		sx += float64(v) * float64(v)
	}
	for i, v := range z {
		k := 2.0
		if j := i % (w/2 + 1); j == 0 || 2*j == w {
			k = 1
		}
		sz += k * sqAbs(complex128(v))
	}
	if e := math.Abs(sz/float64(h*w)/sx - 1); e > 1e-6 {
		t.Errorf("energy changed by %.2g", e)
	}
}

func TestDCT2AgainstDefinition(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		for _, s := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {3, 5}, {8, 8}, {7, 16}, {33, 17}, {40, 48}, {11, 67}, {101, 3}} {
			h, w := s[0], s[1]
			x := randomReal(h*w, uint64(h))
			got := make([]float32, h*w)
			p := NewDCT2(h, w)
			p.Forward(got, x)
			basis := func(n, k, t int) float64 {
				a := math.Sqrt(2 / float64(n))
				if k == 0 {
					a = math.Sqrt(1 / float64(n))
				}
				return a * math.Cos(math.Pi*float64(k*(2*t+1))/float64(2*n))
			}
			want := make([]complex128, h*w)
			for u := range h {
				for v := range w {
					sum := 0.0
					for i := range h {
						for j := range w {
							sum += basis(h, u, i) * basis(w, v, j) * float64(x[i*w+j])
						}
					}
					want[u*w+v] = complex(sum, 0)
				}
			}
			if e := relError(got, want); e > fftTol {
				t.Errorf("%dx%d: Forward: relative error %.2g", h, w, e)
			}
			p.Inverse(got, got)
			if e := relError(got, widen(x)); e > 2*fftTol {
				t.Errorf("%dx%d: Inverse(Forward): relative error %.2g", h, w, e)
			}
		}
	})
}

func TestFFT2DoesNotAllocate(t *testing.T) {
	p, q := NewFFT2(20, 34), NewDCT2(20, 34)
	x, z := randomReal(20*34, 1), make([]complex64, 20*18)
	if n := testing.AllocsPerRun(20, func() {
		p.Forward(z, x)
		p.Inverse(x, z)
		q.Forward(x, x)
		q.Inverse(x, x)
	}); n > 0 {
		t.Errorf("%v allocations a run", n)
	}
}

func BenchmarkFFT2(b *testing.B) {
	for _, s := range [][2]int{{128, 128}, {256, 256}, {512, 512}, {321, 481}, {320, 480}} {
		h, w := s[0], s[1]
		p := NewFFT2(h, w)
		x, z := randomReal(h*w, 1), make([]complex64, h*(w/2+1))
		b.Run(fmt.Sprintf("forward/%dx%d", h, w), func(b *testing.B) {
			for b.Loop() {
				p.Forward(z, x)
			}
		})
		b.Run(fmt.Sprintf("inverse/%dx%d", h, w), func(b *testing.B) {
			for b.Loop() {
				p.Inverse(x, z)
			}
		})
	}
}

func FuzzFFT2(f *testing.F) {
	f.Add(uint8(3), uint8(5))
	f.Add(uint8(211), uint8(16))
	f.Fuzz(func(t *testing.T, h, w uint8) {
		if h == 0 || w == 0 {
			return
		}
		for _, l := range Levels() {
			restore := SetLevel(l)
			checkFFT2(t, int(h), int(w))
			restore()
		}
	})
}

func BenchmarkDCT2(b *testing.B) {
	for _, s := range [][2]int{{256, 256}, {512, 512}, {321, 481}} {
		h, w := s[0], s[1]
		p := NewDCT2(h, w)
		x, z := randomReal(h*w, 1), make([]float32, h*w)
		b.Run(fmt.Sprintf("forward/%dx%d", h, w), func(b *testing.B) {
			for b.Loop() {
				p.Forward(z, x)
			}
		})
		b.Run(fmt.Sprintf("inverse/%dx%d", h, w), func(b *testing.B) {
			for b.Loop() {
				p.Inverse(z, x)
			}
		})
	}
}

func BenchmarkRFFT1(b *testing.B) {
	const n = 512 * 512
	p := NewRFFT1(n)
	x, z := randomReal(n, 1), make([]complex64, n/2+1)
	b.Run("forward", func(b *testing.B) {
		for b.Loop() {
			p.Forward(z, x)
		}
	})
	b.Run("inverse", func(b *testing.B) {
		for b.Loop() {
			p.Inverse(x, z)
		}
	})
}
