package solvers

import "github.com/lpn-imaging/lpn/operators"

// DB4 returns the scaling filter of Daubechies' wavelet with four vanishing
// moments (Daubechies 1988, table 1), 8 taps of unit norm.
func DB4() []float64 {
	return []float64{
		0.2303778133088965, 0.7148465705529157, 0.6308807679298589, -0.027983769416859854,
		-0.18703481171909309, 0.030841381835560764, 0.0328830116668852, -0.010597401785069032,
	}
}

// Haar returns the two-tap scaling filter.
func Haar() []float64 {
	const r = 0.70710678118654752
	return []float64{r, r}
}

// Wavelet is Weight times the l1 norm of the details of a picture in an
// orthonormal wavelet basis; the coarsest approximation is free. Its prox is
// exact: transform, soft threshold at t Weight, transform back (Donoho &
// Johnstone 1994).
//
// Rows and columns are extended periodically. If the length is odd, the last sample
// becomes one more approximation coefficient, so the transform is orthogonal for any
// size.
type Wavelet struct {
	Shape operators.Shape
	// Weight multiplies the norm. Default 1.
	Weight float64
	// Levels of the transform. 0: as many as leave both sides at least 8, at
	// most 4.
	Levels int
	// Filter is the scaling filter, of even length and orthonormal to its
	// even shifts. Default DB4.
	Filter []float64
}

var _ ValuedProx = Wavelet{}

// Convex reports true.
func (w Wavelet) Convex() bool { return true }

func (w Wavelet) weight() float64 {
	if w.Weight == 0 {
		return 1
	}
	return w.Weight
}

func (w Wavelet) levels() int {
	if w.Levels > 0 {
		return w.Levels
	}
	k := 0
	for h, v := w.Shape.H, w.Shape.W; k < 4 && min(h, v) >= 16; k++ {
		h, v = (h+1)/2, (v+1)/2
	}
	return k
}

// filters returns the low- and high-pass taps, g_k = (-1)^k h_{n-1-k}.
func (w Wavelet) filters() (lo, hi []float32) {
	f := w.Filter
	if f == nil {
		f = DB4()
	}
	lo, hi = make([]float32, len(f)), make([]float32, len(f))
	for k := range f {
		lo[k] = float32(f[k])
		hi[k] = float32(f[len(f)-1-k])
		if k%2 == 1 {
			hi[k] = -hi[k]
		}
	}
	return lo, hi
}

// Prox is ProxValue without the value.
func (w Wavelet) Prox(dst, v []float32, t float64) { w.ProxValue(dst, v, t) }

// ProxValue writes argmin_x t g(x) + 1/2||x-v||^2 to dst, which may equal v,
// and returns g of it.
func (w Wavelet) ProxValue(dst, v []float32, t float64) float64 {
	checkLen("Wavelet.Prox", len(v), w.Shape.Len())
	checkLen("Wavelet.Prox", len(dst), len(v))
	copy(dst, v)
	w.Forward(dst)
	sum := w.details(dst, func(row []float32) float64 {
		return softThreshold(row, row, t*w.weight())
	})
	w.Inverse(dst)
	return w.weight() * sum
}

// Value is Weight times the l1 norm of x's details.
func (w Wavelet) Value(x []float32) float64 {
	checkLen("Wavelet.Value", len(x), w.Shape.Len())
	c := borrow(len(x))
	defer giveBack(c)
	copy(c, x)
	w.Forward(c)
	return w.weight() * w.details(c, L1{}.Value)
}

// details sums f over the runs of detail coefficients: all but the upper left
// corner of each channel.
func (w Wavelet) details(c []float32, f func(row []float32) float64) float64 {
	h, v := w.Shape.H, w.Shape.W
	for range w.levels() {
		h, v = (h+1)/2, (v+1)/2
	}
	sum := 0.0
	for q := range w.Shape.C {
		for i := range w.Shape.H {
			row := c[(q*w.Shape.H+i)*w.Shape.W:][:w.Shape.W]
			if i < h {
				row = row[v:]
			}
			sum += f(row)
		}
	}
	return sum
}

// Forward replaces the picture by its coefficients, in the usual pyramid:
// approximation in the upper left corner, (H+1)/2^k by (W+1)/2^k, details
// around it.
func (w Wavelet) Forward(x []float32) {
	lo, hi := w.filters()
	h, v := w.Shape.H, w.Shape.W
	for range w.levels() {
		w.lines(x, h, v, func(out, in []float32) { analyse(out, in, lo, hi) }, true)
		h, v = (h+1)/2, (v+1)/2
	}
}

// Inverse replaces the coefficients by the picture.
func (w Wavelet) Inverse(x []float32) {
	lo, hi := w.filters()
	n := w.levels()
	hs, vs := make([]int, n), make([]int, n)
	h, v := w.Shape.H, w.Shape.W
	for k := range n {
		hs[k], vs[k] = h, v
		h, v = (h+1)/2, (v+1)/2
	}
	for k := n - 1; k >= 0; k-- {
		w.lines(x, hs[k], vs[k], func(out, in []float32) { synthesise(out, in, lo, hi) }, false)
	}
}

// lines applies f to every row and column of the upper left h x v corner of
// each channel, rows first or last.
func (w Wavelet) lines(x []float32, h, v int, f func(out, in []float32), rowsFirst bool) {
	n := max(h, v)
	in, out := borrow(n), borrow(n)
	defer giveBack(in, out)
	for c := range w.Shape.C {
		plane := x[c*w.Shape.H*w.Shape.W:][:w.Shape.H*w.Shape.W]
		rows := func() {
			for i := range h {
				row := plane[i*w.Shape.W:][:v]
				copy(in, row)
				f(row, in[:v])
			}
		}
		if rowsFirst {
			rows()
		}
		for j := range v {
			for i := range h {
				in[i] = plane[i*w.Shape.W+j]
			}
			f(out[:h], in[:h])
			for i := range h {
				plane[i*w.Shape.W+j] = out[i]
			}
		}
		if !rowsFirst {
			rows()
		}
	}
}

// analyse is one periodic level: out = [approximation | detail].
func analyse(out, in, lo, hi []float32) {
	n := len(in) &^ 1
	half := (len(in) + 1) / 2
	hi = hi[:len(lo)]
	for i := 0; i < n/2; i++ {
		var a, d float32
		if 2*i+len(lo) <= n {
			for k, u := range in[2*i:][:len(lo)] {
				a += lo[k] * u
				d += hi[k] * u
			}
		} else {
			for k := range lo {
				u := in[(2*i+k)%n]
				a += lo[k] * u
				d += hi[k] * u
			}
		}
		out[i], out[half+i] = a, d
	}
	if len(in)&1 == 1 {
		out[half-1] = in[len(in)-1]
	}
}

// synthesise is the transpose, hence the inverse, of analyse.
func synthesise(out, in, lo, hi []float32) {
	n := len(in) &^ 1
	half := (len(in) + 1) / 2
	hi = hi[:len(lo)]
	clear(out)
	for i := 0; i < n/2; i++ {
		a, d := in[i], in[half+i]
		if 2*i+len(lo) <= n {
			to := out[2*i:][:len(lo)]
			for k := range to {
				to[k] += lo[k]*a + hi[k]*d
			}
			continue
		}
		for k := range lo {
			out[(2*i+k)%n] += lo[k]*a + hi[k]*d
		}
	}
	if len(in)&1 == 1 {
		out[len(in)-1] = in[half-1]
	}
}
