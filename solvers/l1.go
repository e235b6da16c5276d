package solvers

import "math"

// L1 is g(x) = Weight sum_i |x_i|; its prox is the soft threshold at
// t Weight. The zero value has weight 1.
type L1 struct {
	// Weight multiplies the norm. Default 1.
	Weight float64
}

var _ ValuedProx = L1{}

// Prox is sign(v) max(|v| - t Weight, 0); dst may equal v.
func (l L1) Prox(dst, v []float32, t float64) { l.ProxValue(dst, v, t) }

// ProxValue is Prox and g at its result.
func (l L1) ProxValue(dst, v []float32, t float64) float64 {
	w := l.Weight
	if w == 0 {
		w = 1
	}
	return w * softThreshold(dst, v, t*w)
}

// Value is Weight ||x||_1.
func (l L1) Value(x []float32) float64 {
	w := l.Weight
	if w == 0 {
		w = 1
	}
	s := 0.0
	for _, u := range x {
		s += math.Abs(float64(u))
	}
	return w * s
}

// Convex reports true.
func (l L1) Convex() bool { return true }

// softThreshold shrinks v by t into dst and returns ||dst||_1.
func softThreshold(dst, v []float32, t float64) float64 {
	k := float32(t)
	s := 0.0
	for i, u := range v[:len(dst)] {
		switch {
		case u > k:
			u -= k
			s += float64(u)
		case u < -k:
			u += k
			s -= float64(u)
		default:
			u = 0
		}
		dst[i] = u
	}
	return s
}
