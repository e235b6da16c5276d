package metrics

import (
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// scaleWeights are the exponents of the five scales, from fine to coarse (Wang, Simoncelli &
// Bovik 2003, section 3.2).
var scaleWeights = [...]float64{0.0448, 0.2856, 0.3001, 0.2363, 0.1333}

// The Gaussian window of a scale: 11 samples wide, standard deviation 1.5.
const gaussianWindow = 11

var gaussianWeights = func() (g [gaussianWindow]float64) {
	sum := 0.0
	for i := range g {
		d := float64(i-gaussianWindow/2) / 1.5
		g[i] = math.Exp(-d * d / 2)
		sum += g[i]
	}
	for i := range g {
		g[i] /= sum
	}
	return g
}()

// MultiscaleSide is the least height and width of a picture that [MSSSIM] measures: its
// coarsest scale, a 16th of the size, just holds a window.
const MultiscaleSide = gaussianWindow << (len(scaleWeights) - 1)

// MSSSIM is the multi-scale structural similarity of two pictures of shape s (Wang,
// Simoncelli & Bovik 2003, equation 7 with the weights of section 3.2),
//
//	l_5^0.1333 prod_j cs_j^w_j,  w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333.
//
// cs_j is the mean at scale j of contrast times structure, (2 s_ab + C2)/(s_a^2 + s_b^2 + C2),
// over Gaussian windows (11x11, deviation 1.5) wholly inside the picture; at the fifth scale the
// mean is of luminance, contrast and structure, as in the authors' program. From scale to
// scale means of 2x2 samples take the place of the picture; an odd last row or column is left out. K1 = 0.01,
// K2 = 0.03, data range 1; the mean over channels. est is clipped to [0,1]. A negative
// mean counts as 0. NaN when a side is below [MultiscaleSide], 176.
func MSSSIM(ref, est []float32, s operators.Shape) float64 {
	checkLen(len(ref), s.Len())
	checkLen(len(est), s.Len())
	if min(s.H, s.W) < MultiscaleSide {
		return math.NaN()
	}
	sum := 0.0
	for c := range s.C {
		a, b := make([]float64, s.H*s.W), make([]float64, s.H*s.W)
		for i := range a {
			a[i], b[i] = float64(ref[c*s.H*s.W+i]), clip(est[c*s.H*s.W+i])
		}
		sum += multiscalePlane(a, b, s.H, s.W)
	}
	return sum / float64(s.C)
}

func multiscalePlane(a, b []float64, h, w int) float64 {
	product := 1.0
	for j, weight := range scaleWeights {
		full, cs := similarity(a, b, h, w)
		if j == len(scaleWeights)-1 {
			return product * math.Pow(max(full, 0), weight)
		}
		product *= math.Pow(max(cs, 0), weight)
		a, b = halve(a, h, w), halve(b, h, w)
		h, w = h/2, w/2
	}
	return product
}

// similarity is the mean over the windows of luminance, contrast and structure, and that of
// contrast and structure alone.
func similarity(a, b []float64, h, w int) (full, cs float64) {
	const c1, c2 = 0.01 * 0.01, 0.03 * 0.03
	product := func(x, y []float64) []float64 {
		p := make([]float64, len(x))
		for i, v := range x {
			p[i] = v * y[i]
		}
		return windows(p, h, w)
	}
	ma, mb := windows(a, h, w), windows(b, h, w)
	aa, bb, ab := product(a, a), product(b, b), product(a, b)
	for i, u := range ma {
		v := mb[i]
		c := (2*(ab[i]-u*v) + c2) / (aa[i] - u*u + bb[i] - v*v + c2)
		cs += c
		full += c * (2*u*v + c1) / (u*u + v*v + c1)
	}
	n := float64(len(ma))
	return full / n, cs / n
}

// windows are the Gaussian means of x around every sample whose window lies inside.
func windows(x []float64, h, w int) []float64 {
	const r = gaussianWindow - 1
	rows := make([]float64, h*(w-r))
	for y := range h {
		in, out := x[y*w:(y+1)*w], rows[y*(w-r):(y+1)*(w-r)]
		for i := range out {
			for k, g := range gaussianWeights {
				out[i] += g * in[i+k]
			}
		}
	}
	w -= r
	out := make([]float64, (h-r)*w)
	for y := range h - r {
		for k, g := range gaussianWeights {
			in := rows[(y+k)*w : (y+k+1)*w]
			for i, v := range in {
				out[y*w+i] += g * v
			}
		}
	}
	return out
}

// halve takes the means of 2x2 samples.
func halve(x []float64, h, w int) []float64 {
	out := make([]float64, (h/2)*(w/2))
	for y := range h / 2 {
		for i := range w / 2 {
			p := 2*y*w + 2*i
			out[y*(w/2)+i] = (x[p] + x[p+1] + x[p+w] + x[p+w+1]) / 4
		}
	}
	return out
}
