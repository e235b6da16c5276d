package kernel

import "math"

// Exp is dst = exp(x). Results below the smallest normal float32 are 0, and
// the largest relative error is about 2e-7.
func Exp(dst, x []float32) {
	same(len(dst), len(x))
	if expVec(dst, x) {
		return
	}
	for i, v := range x {
		dst[i] = exp32(v)
	}
}

// exp32 is the exponential in float32: exp(x) = 2^n exp(r), with
// |r| <= log(2)/2 and a polynomial for exp(r).
func exp32(x float32) float32 {
	return float32(math.Exp(float64(x)))
}

// log1p32 is log(1+t) for t in [0,1].
func log1p32(t float32) float32 {
	return float32(math.Log1p(float64(t)))
}

// actFloor is the least exponent that the activations use: exp(-60) is far
// below the resolution of float32 beside 1, and far above the denormal
// numbers, which would slow down everything that is computed from them.
const actFloor = -60

// Softplus is z = log(1+exp(beta*x))/beta and s = 1/(1+exp(-beta*x)), its
// derivative. z or s may be nil, and either may be x. Errors are about
// 4e-7 relative to max(1/beta, |x|) and 1.
func Softplus(z, s, x []float32, beta float32) {
	if z != nil {
		same(len(x), len(z))
	}
	if s != nil {
		same(len(x), len(s))
	}
	if softplusVec(z, s, x, beta) {
		return
	}
	inv := 1 / beta
	for i, v := range x {
		v *= beta
		t := exp32(max(-abs32(v), actFloor))
		if z != nil {
			z[i] = (max(v, 0) + log1p32(t)) * inv
		}
		if s != nil {
			if v < 0 {
				s[i] = t / (1 + t)
			} else {
				s[i] = 1 / (1 + t)
			}
		}
	}
}

// SoftplusD2 is the second derivative of the softplus: dst = beta*s*(1-s)
// with s = 1/(1+exp(-beta*x)).
func SoftplusD2(dst, x []float32, beta float32) {
	same(len(dst), len(x))
	if softplusD2Vec(dst, x, beta) {
		return
	}
	for i, v := range x {
		t := exp32(max(-abs32(beta*v), actFloor))
		u := 1 / (1 + t)
		dst[i] = beta * (t * u * u)
	}
}

// HardGate is z = 0 below -1, (x+1)^2/4 on [-1,1] and x above, and its
// derivative s = clamp(x/2+1/2, 0, 1). z or s may be nil, and either may
// be x.
func HardGate(z, s, x []float32) {
	if z != nil {
		same(len(x), len(z))
	}
	if s != nil {
		same(len(x), len(s))
	}
	if hardGateVec(z, s, x) {
		return
	}
	for i, v := range x {
		h := min(max(0.5*v+0.5, 0), 1)
		if z != nil {
			z[i] = h*h + max(v-1, 0)
		}
		if s != nil {
			s[i] = h
		}
	}
}

// HardGateD2 is the second derivative of HardGate: 1/2 on (-1,1), else 0.
func HardGateD2(dst, x []float32) {
	same(len(dst), len(x))
	if hardGateD2Vec(dst, x) {
		return
	}
	for i, v := range x {
		switch {
		case v != v:
			dst[i] = v
		case v > -1 && v < 1:
			dst[i] = 0.5
		default:
			dst[i] = 0
		}
	}
}

// LogSumExp is, for each run of per elements of x, z = log(sum(exp(x))) (one
// value a run, so len(z) = len(x)/per) and s = exp(x-z), the softmax, which is
// its gradient. The largest element of a run is subtracted first, so nothing
// overflows. z or s may be nil; s may be x; z may not overlap x or s.
func LogSumExp(z, s, x []float32, per int) {
	whole(len(x), per)
	if z != nil {
		same(len(x), per*len(z))
	}
	if s != nil {
		same(len(x), len(s))
	}
	if logSumExpVec(z, s, x, per) {
		return
	}
	for j := range len(x) / per {
		r := x[j*per : (j+1)*per]
		top := r[0]
		for _, v := range r {
			top = max(top, v)
		}
		var sum float32
		if s == nil {
			for _, v := range r {
				sum += exp32(max(v-top, actFloor))
			}
		} else {
			d := s[j*per : (j+1)*per]
			for i, v := range r {
				e := exp32(max(v-top, actFloor))
				d[i] = e
				sum += e
			}
			k := 1 / sum
			for i := range d {
				d[i] *= k
			}
		}
		if z != nil {
			z[j] = top + float32(math.Log(float64(sum)))
		}
	}
}

// SoftmaxGrad applies the derivative of the softmax, which is symmetric:
// dst = s*(g - sum(g*s)), the sum being over each run of per elements. s is
// the softmax; dst may be s or g.
func SoftmaxGrad(dst, s, g []float32, per int) {
	whole(len(dst), per)
	same(len(dst), len(s), len(g))
	if softmaxGradVec(dst, s, g, per) {
		return
	}
	for j := 0; j < len(dst); j += per {
		d, p, q := dst[j:j+per], s[j:j+per], g[j:j+per]
		var sum float32
		for i, v := range p {
			sum += v * q[i]
		}
		for i, v := range p {
			d[i] = v * (q[i] - sum)
		}
	}
}

func abs32(x float32) float32 {
	return math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
}
