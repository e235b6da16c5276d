package kernel

import (
	"math"
	"slices"
)

// Exp is dst = exp(x), with a relative error of about 1e-7. Results below
// 1.7e-38 are 0.
func Exp(dst, x []float32) {
	same(len(dst), len(x))
	if expVec(dst, x) {
		return
	}
	for i, v := range x {
		dst[i] = exp32(min(max(v, -87.34), 89))
	}
}

// exp32 is exp(x) for x in [-87.34, 89]: 2^n exp(r) with |r| <= log(2)/2,
// where exp(r) = 1 + r + r*r*q(r) and q is the polynomial of the least
// relative error, 3e-9. n*ln2Hi is exact. Half of 2^n is made from its bits,
// so that the largest n needs no special case, and the smallest gives 0.
func exp32(x float32) float32 {
	const (
		log2e = 1.4426950408889634
		ln2Hi = 0.693359375
		ln2Lo = -0.00021219444170128554
		// Added to a number, it leaves the number, rounded, in the last bits;
		// 126 makes them the exponent of half the power of two.
		magic = 3<<22 + 126
	)
	m := float32(x*log2e) + magic
	n := m - magic
	r := (x - float32(n*ln2Hi)) - float32(n*ln2Lo)
	p := float32(0.0013814560370519757)
	p = float32(p*r) + 0.008368735201656818
	p = float32(p*r) + 0.04166838899254799
	p = float32(p*r) + 0.1666652113199234
	p = float32(p*r) + 0.4999999403953552
	p = float32(p*r) + 1
	p = float32(p*r) + 1
	return (p + p) * math.Float32frombits(math.Float32bits(m)<<23)
}

// decay32 is 2^-|x|, or 2^-86 if that is more. It is made like exp32, but in
// powers of two n needs no constants: what x has of an error is small where it
// is large.
func decay32(x float32) float32 {
	const (
		least = -86 // 2^-86 is about exp(actFloor)
		magic = 3<<22 + 127
	)
	x = max(-abs32(x), least)
	m := x + magic
	r := x - (m - magic)
	p := float32(0.00015321095997933298)
	p = float32(p*r) + 0.0013390202075242996
	p = float32(p*r) + 0.009618526324629784
	p = float32(p*r) + 0.05550362542271614
	p = float32(p*r) + 0.24022647738456726
	p = float32(p*r) + 0.6931471824645996
	p = float32(p*r) + 1
	return p * math.Float32frombits(math.Float32bits(m)<<23)
}

// log1p32 is log(1+t) for t in [0,1]: t + t*t*q(t), where q is the polynomial
// of the least relative error, 3e-8.
func log1p32(t float32) float32 {
	p := float32(0.005364826414734125)
	p = float32(p*t) - 0.03006579913198948
	p = float32(p*t) + 0.07920454442501068
	p = float32(p*t) - 0.13753803074359894
	p = float32(p*t) + 0.1915365606546402
	p = float32(p*t) - 0.24857163429260254
	p = float32(p*t) + 0.3332132399082184
	p = float32(p*t) - 0.49999648332595825
	p = float32(p*t) + 1
	return p * t
}

// actFloor is the least exponent that the activations use: exp(-60) is far
// below the resolution of float32 near 1, and far above the denormal
// numbers, which would slow down everything that is computed from them.
const actFloor = -60

// Softplus is z = log(1+exp(beta*x))/beta and s = 1/(1+exp(-beta*x)), its
// derivative. z or s may be nil, and either may be x. Errors are about
// 4e-7 relative to max(1/beta, |x|) and 1.
func Softplus(z, s, x []float32, beta float32) { SoftplusBias(z, s, x, noBias, beta) }

// A Bias is a number for each channel, for SoftplusBias.
type Bias struct {
	c    []float32
	many []float32 // c, repeated
}

// biasStep is how many elements the vectors of a step have at most: the repeated
// biases are a multiple, so that no step restarts in its middle.
const biasStep = 48

var noBias = NewBias(make([]float32, 1))

// NewBias prepares a copy of c.
func NewBias(c []float32) *Bias {
	b := &Bias{c: slices.Clone(c)}
	for len(b.many) == 0 || len(b.many)%biasStep != 0 {
		b.many = append(b.many, c...)
	}
	return b
}

// SoftplusBias is Softplus of x[i] + c[i%len(c)], where the bias is made of c.
func SoftplusBias(z, s, x []float32, bias *Bias, beta float32) {
	if z != nil {
		same(len(x), len(z))
	}
	if s != nil {
		same(len(x), len(s))
	}
	if softplusVec(z, s, x, bias.many, beta) {
		return
	}
	scale, inv := beta*math.Log2E, 1/beta
	for i, v := range x {
		v += bias.c[i%len(bias.c)]
		t := decay32(scale * v)
		if z != nil {
			z[i] = max(v, 0) + log1p32(t)*inv
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
	scale := beta * math.Log2E
	for i, v := range x {
		t := decay32(scale * v)
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

// Huber is z = x*x/2 within +-threshold and threshold*(|x|-threshold/2) beyond, and its
// derivative s = clamp(x, -threshold, threshold). z or s may be nil, and either may be
// x.
func Huber(z, s, x []float32, threshold float32) {
	if z != nil {
		same(len(x), len(z))
	}
	if s != nil {
		same(len(x), len(s))
	}
	if huberVec(z, s, x, threshold) {
		return
	}
	for i, v := range x {
		h := min(max(v, -threshold), threshold)
		if z != nil {
			z[i] = h * (v - 0.5*h)
		}
		if s != nil {
			s[i] = h
		}
	}
}

// HuberD2 is the second derivative of Huber: 1 on (-threshold,threshold), else 0.
func HuberD2(dst, x []float32, threshold float32) {
	Scale(dst, x, 1/threshold)
	HardGateD2(dst, dst)
	Scale(dst, dst, 2)
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
	if s == nil {
		for j := range z {
			z[j] = logSumExp(x[j*per : (j+1)*per])
		}
		return
	}
	for j := 0; j < len(x); j += per {
		top := largest(x[j : j+per])
		for i, v := range x[j : j+per] {
			s[j+i] = max(v-top, actFloor)
		}
		if z != nil {
			z[j/per] = top
		}
	}
	Exp(s, s)
	for j := 0; j < len(s); j += per {
		d := s[j : j+per]
		var sum float32
		for _, e := range d {
			sum += e
		}
		k := 1 / sum
		for i := range d {
			d[i] *= k
		}
		if z != nil {
			z[j/per] += float32(math.Log(float64(sum)))
		}
	}
}

func largest(x []float32) float32 {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	return top
}

// logSumExp is log(sum(exp(x))).
func logSumExp(x []float32) float32 {
	top := largest(x)
	var block [64]float32
	var sum float32
	for len(x) > 0 {
		b := block[:min(len(x), len(block))]
		for i := range b {
			b[i] = max(x[i]-top, actFloor)
		}
		Exp(b, b)
		for _, e := range b {
			sum += e
		}
		x = x[len(b):]
	}
	return top + float32(math.Log(float64(sum)))
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
