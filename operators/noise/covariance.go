package noise

import (
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// A Covariance is the covariance S of a measurement's noise, frozen at one mean:
//
//	S = D^1/2 C D^1/2,
//
// D the variances, C the correlation; what solvers need of it is its inverse. It
// is immutable and safe for concurrent use. dst may equal the input.
type Covariance struct {
	shape operators.Shape
	// dev is sqrt(D) a sample; nil where every channel has one deviation, which
	// f has then.
	dev []float32
	f   *filter   // nil: C = I
	one []float64 // the deviation of each channel where dev and f are nil
	top float64   // ||S^-1||
}

// leastShare bounds the weight of samples almost without noise: no deviation
// counts as less than this part of the root mean square, so that S can be
// inverted.
const leastShare = 1e-3

// Freeze evaluates a model at a mean: y itself, or better a smooth estimate of A
// x. It panics on a model without any noise.
func Freeze(m Model, mean []float32, s operators.Shape) *Covariance {
	check("Freeze", s, mean)
	v := make([]float32, len(mean))
	m.Variance(v, mean, s)
	sum := 0.0
	for _, x := range v {
		sum += float64(x)
	}
	if !(sum > 0) {
		panic("noise: Freeze: a model without noise has no inverse covariance")
	}
	least := float32(leastShare * leastShare * sum / float64(len(v)))
	plain := true // one deviation a channel
	for i, x := range v {
		v[i] = max(x, least)
		plain = plain && v[i] == v[i/(s.H*s.W)*s.H*s.W]
	}
	c := &Covariance{shape: s}
	c.one = make([]float64, s.C)
	for a := range c.one {
		c.one[a] = math.Sqrt(float64(v[a*s.H*s.W]))
		c.top = max(c.top, 1/(c.one[a]*c.one[a]))
	}
	if !plain {
		c.dev, c.one, c.top = v, nil, 0
		for i, x := range v {
			c.dev[i] = float32(math.Sqrt(float64(x)))
			c.top = max(c.top, 1/float64(x))
		}
	}
	if k, ok := m.(Correlated); ok {
		c.f = newFilter(k.Spectrum, s, c.one)
		if !plain {
			c.top *= c.f.top()
		} else {
			c.top = c.f.top()
		}
	}
	return c
}

// top is the largest eigenvalue of S^-1: bounded at each frequency by the trace.
func (f *filter) top() float64 {
	c, top := f.s.C, 0.0
	z := make([]float64, c)
	for k := range f.s.H * f.s.W {
		l, trace := f.l[k*c*c:(k+1)*c*c], 0.0
		for a := range c {
			clear(z)
			z[a] = 1
			forwardSolve(l, z, c)
			for _, v := range z {
				trace += v * v
			}
		}
		top = max(top, trace)
	}
	return top
}

// Shape is the measurement's.
func (c *Covariance) Shape() operators.Shape { return c.shape }

// Bound is an upper bound on ||S^-1||.
func (c *Covariance) Bound() float64 { return c.top }

// Whiten writes W r, W'W = S^-1: noise becomes white, of deviation 1.
func (c *Covariance) Whiten(dst, r []float32) {
	c.divide(dst, r)
	if c.f != nil {
		c.f.each(dst, dst, func(l, z []float64) { forwardSolve(l, z, c.shape.C) })
	}
}

// Precision writes S^-1 r.
func (c *Covariance) Precision(dst, r []float32) {
	c.divide(dst, r)
	if c.f != nil {
		c.f.each(dst, dst, func(l, z []float64) {
			forwardSolve(l, z, c.shape.C)
			backSolve(l, z, c.shape.C)
		})
		if c.dev != nil {
			c.divide(dst, dst)
		}
		return
	}
	c.divide(dst, dst)
}

// divide writes D^-1/2 r; where f has the deviations it copies.
func (c *Covariance) divide(dst, r []float32) {
	check("Covariance", c.shape, dst, r)
	n := c.shape.H * c.shape.W
	switch {
	case c.dev != nil:
		for i, v := range r {
			dst[i] = v / c.dev[i]
		}
	case c.f != nil:
		copy(dst, r)
	default:
		for i, v := range r {
			dst[i] = v / float32(c.one[i/n])
		}
	}
}

// Closed reports whether Solve has a closed form: for independent noise, and for
// correlated noise of one deviation a channel.
func (c *Covariance) Closed() bool { return c.dev == nil || c.f == nil }

// Diagonal reports whether the noise of each sample is independent.
func (c *Covariance) Diagonal() bool { return c.f == nil }

// Solve writes (S^-1 + rho I)^-1 b, rho >= 0, where Closed; it panics elsewhere.
func (c *Covariance) Solve(dst, b []float32, rho float64) {
	check("Covariance.Solve", c.shape, dst, b)
	n, ch := c.shape.H*c.shape.W, c.shape.C
	switch {
	case !c.Closed():
		panic("noise: Covariance.Solve: no closed form for correlated noise of varying deviation")
	case c.f == nil:
		for i, v := range b {
			var d float64
			if c.dev != nil {
				d = float64(c.dev[i])
			} else {
				d = c.one[i/n]
			}
			dst[i] = float32(float64(v) * d * d / (1 + rho*d*d))
		}
		return
	}
	// With LL' = S: (S^-1 + rho I)^-1 = L (I + rho L'L)^-1 L'.
	m, t := make([]float64, ch*ch), make([]float64, ch)
	c.f.each(dst, b, func(l, z []float64) {
		for i := range ch {
			t[i] = 0
			for k := i; k < ch; k++ {
				t[i] += l[k*ch+i] * z[k]
			}
			for j := range ch {
				s := 0.0
				for k := max(i, j); k < ch; k++ {
					s += l[k*ch+i] * l[k*ch+j]
				}
				m[i*ch+j] = rho * s
			}
			m[i*ch+i]++
		}
		cholesky(m, ch)
		forwardSolve(m, t, ch)
		backSolve(m, t, ch)
		for i := range ch {
			z[i] = 0
			for k := range i + 1 {
				z[i] += l[i*ch+k] * t[k]
			}
		}
	})
}

// NegLogLikelihood is 1/2||W (y-m)||^2 + 1/2 log det(2 pi S).
func (c *Covariance) NegLogLikelihood(y, mean []float32) float64 {
	check("Covariance.NegLogLikelihood", c.shape, y, mean)
	r := make([]float32, len(y))
	for i, v := range y {
		r[i] = v - mean[i]
	}
	c.Whiten(r, r)
	sum := float64(len(y)) * math.Log(2*math.Pi) / 2
	for _, v := range r {
		sum += float64(v) * float64(v) / 2
	}
	n := c.shape.H * c.shape.W
	if c.f != nil {
		for k := range n {
			for a := range c.shape.C {
				sum += math.Log(c.f.l[k*c.shape.C*c.shape.C+a*c.shape.C+a])
			}
		}
	} else if c.dev == nil {
		for _, d := range c.one {
			sum += float64(n) * math.Log(d)
		}
	}
	for _, d := range c.dev {
		sum += math.Log(float64(d))
	}
	return sum
}
