package noise

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
)

// Side is the number of frequencies of a Spectrum in each direction.
const Side = 8

// A Spectrum is the correlation of stationary noise, of variance 1 in every
// channel, by frequency: at the frequency of pi u/8 a row and pi v/8 a column the
// channels have the covariance matrix
//
//	P(u,v) [a][b] = Power[((u*8+v)*C+a)*C+b],
//
// symmetric and positive definite, 0 <= u, v < 8. Between frequencies it is
// bilinear, beyond 7 constant; the mean of P[a][a] over all frequencies of a
// picture is about 1. It is the same for rising and falling diagonals, so that
// the cosine transform (DCT-II) of a picture diagonalises it: noise that is
// mirrored at the frame.
type Spectrum struct {
	C     int       `json:"channels"`
	Power []float64 `json:"power"`
}

// Flat is the spectrum of white noise, independent between channels.
func Flat(channels int) Spectrum {
	s := Spectrum{channels, make([]float64, Side*Side*channels*channels)}
	for k := range Side * Side {
		for a := range channels {
			s.At(k/Side, k%Side)[a*channels+a] = 1
		}
	}
	return s
}

// At is the covariance of the channels at frequency (u,v), row after row.
func (s Spectrum) At(u, v int) []float64 {
	n := s.C * s.C
	return s.Power[(u*Side+v)*n : (u*Side+v+1)*n]
}

// frequency places line i of n of a cosine transform among the frequencies: it
// is (1-t) times frequency lo and t times the one after.
func frequency(i, n int) (lo int, t float64) {
	x := float64(i) * Side / float64(n)
	lo = min(int(x), Side-2)
	return lo, min(x-float64(lo), 1)
}

// interpolate writes the matrix at coefficient (i,j) of an h x w transform.
func (s Spectrum) interpolate(dst []float64, i, h, j, w int) {
	u, p := frequency(i, h)
	v, q := frequency(j, w)
	a, b, c, d := s.At(u, v), s.At(u, v+1), s.At(u+1, v), s.At(u+1, v+1)
	for k := range dst {
		dst[k] = (1-p)*((1-q)*a[k]+q*b[k]) + p*((1-q)*c[k]+q*d[k])
	}
}

// Normalised returns the spectrum of the same correlation with variance 1 in
// every channel, and the deviations it had. A channel without variance becomes
// white.
func (s Spectrum) Normalised() (Spectrum, []float64) {
	dev := make([]float64, s.C)
	const n = 4 * Side // the interpolation's mean over a fine grid
	m := make([]float64, s.C*s.C)
	for i := range n * n {
		s.interpolate(m, i/n, n, i%n, n)
		for a := range s.C {
			dev[a] += m[a*s.C+a] / (n * n)
		}
	}
	for a, v := range dev {
		dev[a] = math.Sqrt(max(v, 0))
	}
	out := Flat(s.C)
	for k := range Side * Side {
		from, to := s.At(k/Side, k%Side), out.At(k/Side, k%Side)
		for a := range s.C {
			for b := range s.C {
				if d := dev[a] * dev[b]; d > 0 {
					to[a*s.C+b] = from[a*s.C+b] / d
				}
			}
		}
	}
	return out, dev
}

// check reports what is wrong with a spectrum that was read.
func (s Spectrum) check() error {
	if s.C < 1 || s.C > 3 || len(s.Power) != Side*Side*s.C*s.C {
		return fmt.Errorf("a spectrum of %d channels with %d numbers; want 1 to 3 channels and %d numbers a pair of them", s.C, len(s.Power), Side*Side)
	}
	l := make([]float64, s.C*s.C)
	for k := range Side * Side {
		copy(l, s.At(k/Side, k%Side))
		for a := range s.C {
			for b := range a {
				if l[a*s.C+b] != l[b*s.C+a] {
					return fmt.Errorf("the spectrum is not symmetric at frequency (%d,%d)", k/Side, k%Side)
				}
			}
		}
		if !cholesky(l, s.C) {
			return fmt.Errorf("the spectrum is not positive at frequency (%d,%d)", k/Side, k%Side)
		}
	}
	return nil
}

// cholesky replaces a symmetric n x n matrix by its lower factor L, LL' = m, and
// reports whether it is positive definite.
func cholesky(m []float64, n int) bool {
	for i := range n {
		for j := range i + 1 {
			t := m[i*n+j]
			for k := range j {
				t -= m[i*n+k] * m[j*n+k]
			}
			if i != j {
				m[i*n+j] = t / m[j*n+j]
				continue
			}
			if !(t > 0) || math.IsInf(t, 1) {
				return false
			}
			m[i*n+i] = math.Sqrt(t)
		}
		for j := i + 1; j < n; j++ {
			m[i*n+j] = 0
		}
	}
	return true
}

// forwardSolve solves L z = z, backSolve L'z = z.
func forwardSolve(l, z []float64, n int) {
	for i := range n {
		for k := range i {
			z[i] -= l[i*n+k] * z[k]
		}
		z[i] /= l[i*n+i]
	}
}

func backSolve(l, z []float64, n int) {
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			z[i] -= l[k*n+i] * z[k]
		}
		z[i] /= l[i*n+i]
	}
}

// Correlated is Gaussian noise with the variance of a Model and the correlation
// of a Spectrum: n = D^1/2 C^1/2 z, z white. What the Model says of the shape of
// the distribution does not matter.
type Correlated struct {
	Model
	Spectrum Spectrum
}

var _ Model = Correlated{}

func (c Correlated) String() string { return c.Model.String() + ", correlated" }

// Sample draws n = D^1/2 C^1/2 z.
func (c Correlated) Sample(dst, mean []float32, s operators.Shape, rng *rand.Rand) {
	check("Correlated", s, dst, mean)
	n := make([]float32, len(mean))
	for i := range n {
		n[i] = float32(rng.NormFloat64())
	}
	v := make([]float32, len(mean))
	c.Variance(v, mean, s)
	newFilter(c.Spectrum, s, nil).colour(n, n)
	for i, m := range mean {
		dst[i] = m + float32(math.Sqrt(float64(v[i])))*n[i]
	}
}

// NegLogLikelihood is 1/2||S^-1/2 (y-m)||^2 + 1/2 log det(2 pi S).
func (c Correlated) NegLogLikelihood(y, mean []float32, s operators.Shape) float64 {
	return Freeze(c, mean, s).NegLogLikelihood(y, mean)
}

// Scaled scales the variance; the correlation has no units.
func (c Correlated) Scaled(lo, hi float64) Model {
	return Correlated{c.Model.Scaled(lo, hi), c.Spectrum}
}

// A filter has a function of a stationary covariance at every frequency of a
// picture.
type filter struct {
	s    operators.Shape
	plan *kernel.DCT2
	// l holds at every frequency (i,j) the factor of E P E, LL', as C*C numbers;
	// e is the deviation of each channel.
	l []float64
}

// newFilter plans for pictures of shape s; dev scales the channels, nil means 1.
func newFilter(sp Spectrum, s operators.Shape, dev []float64) *filter {
	if sp.C != s.C {
		panic(fmt.Sprintf("noise: a spectrum of %d channels for a picture of %v", sp.C, s))
	}
	n := sp.C * sp.C
	f := &filter{s, kernel.NewDCT2(s.H, s.W), make([]float64, s.H*s.W*n)}
	for i := range s.H {
		for j := range s.W {
			m := f.l[(i*s.W+j)*n : (i*s.W+j+1)*n]
			sp.interpolate(m, i, s.H, j, s.W)
			for k := range m {
				if dev != nil {
					m[k] *= dev[k/sp.C] * dev[k%sp.C]
				}
			}
			if !cholesky(m, sp.C) {
				panic(fmt.Sprintf("noise: the spectrum is not positive near (%d,%d)", i, j))
			}
		}
	}
	return f
}

// each transforms x, passes the channels of every frequency with the factor L to
// do, and transforms back.
func (f *filter) each(dst, x []float32, do func(l, z []float64)) {
	n, c := f.s.H*f.s.W, f.s.C
	for a := range c {
		f.plan.Forward(dst[a*n:(a+1)*n], x[a*n:(a+1)*n])
	}
	z := make([]float64, c)
	for k := range n {
		for a := range c {
			z[a] = float64(dst[a*n+k])
		}
		do(f.l[k*c*c:(k+1)*c*c], z)
		for a, v := range z {
			dst[a*n+k] = float32(v)
		}
	}
	for a := range c {
		f.plan.Inverse(dst[a*n:(a+1)*n], dst[a*n:(a+1)*n])
	}
}

// colour gives white noise the covariance: L z at every frequency.
func (f *filter) colour(dst, x []float32) {
	c := f.s.C
	f.each(dst, x, func(l, z []float64) {
		for i := c - 1; i >= 0; i-- {
			t := 0.0
			for k := range i + 1 {
				t += l[i*c+k] * z[k]
			}
			z[i] = t
		}
	})
}
