package blind

import (
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// A scale is the blind problem at one resolution, in the gradients of the picture
// y_f = k * x_f + n, f = 1, 2 for the two directions.
type scale struct {
	*canvas
	side   int
	fields [2]field
	least  float64 // lambda is at least that
	lambda float64 // variance of n
	k      operators.Kernel
}

// A field is one derivative of the scene.
type field struct {
	y, mask []float32 // measured derivative, and where it was measured
	seen    float64
	x       []float32 // posterior mean
	z       []float32 // posterior variance
	gamma   []float32 // prior variance
	d       []float32 // sum of k^2 over what was measured of a pixel
}

// newScale is the problem of a plane and a kernel of side taps.
func newScale(p plane, side int) *scale {
	s := &scale{canvas: newCanvas(p.h, p.w, side), side: side, least: 2 * square(caution*p.noise)}
	m := side / 2
	for f := range s.fields {
		q := &s.fields[f]
		n := s.len()
		q.y, q.mask = make([]float32, n), make([]float32, n)
		q.x, q.z, q.gamma, q.d = make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		step, dy, dx := 1, 0, 1
		if f == 1 {
			step, dy, dx = p.w, 1, 0
		}
		for i := range p.h - dy {
			for j := range p.w - dx {
				at := i*p.w + j
				if !p.ok[at] || !p.ok[at+step] {
					continue
				}
				to := (i+m)*s.w + j + m
				q.y[to], q.mask[to] = p.pix[at+step]-p.pix[at], 1
				q.seen++
			}
		}
	}
	return s
}

// reset forgets the scene: every variance is that of the measured gradients.
func (s *scale) reset() {
	s.lambda = s.least
	for f := range s.fields {
		e := &s.fields[f]
		clear(e.x)
		v := float32(max(dot(e.y, e.y)/max(e.seen, 1), 1e-12))
		for i := range e.gamma {
			e.gamma[i] = v
		}
	}
}

// latent is the step in the scene: with the kernel and the variances gamma fixed
// the posterior mean solves
//
//	(K'MK + lambda/gamma) x = K'M y,
//
// M the mask, by conjugate gradients with the diagonal as preconditioner; the
// posterior variances are z = lambda/(d + lambda/gamma), d the diagonal of K'MK;
// and then gamma = x^2 + z.
func (s *scale) latent() {
	gain := s.gain(s.k)
	sq := operators.Kernel{H: s.side, W: s.side, Taps: make([]float64, len(s.k.Taps))}
	for i, t := range s.k.Taps {
		sq.Taps[i] = t * t
	}
	sgain := s.gain(sq)
	n := s.len()
	r, p, q, w, inv := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	lambda := float32(s.lambda)
	for f := range s.fields {
		e := &s.fields[f]
		s.correlate(e.d, e.mask, sgain)
		for i := range w {
			e.d[i] = max(e.d[i], 0)
			w[i] = lambda / e.gamma[i]
			inv[i] = 1 / (e.d[i] + w[i])
		}
		normal := func(dst, x []float32) {
			s.convolve(dst, x, gain)
			for i, m := range e.mask {
				dst[i] *= m
			}
			s.correlate(dst, dst, gain)
			for i, v := range x {
				dst[i] += w[i] * v
			}
		}
		normal(q, e.x)
		s.correlate(r, e.y, gain)
		for i := range r {
			r[i] -= q[i]
			p[i] = inv[i] * r[i]
		}
		copy(q, p)
		rz := dot(r, p)
		start := rz
		for range cg {
			if rz <= 1e-6*start || rz == 0 {
				break
			}
			normal(q, p)
			a := float32(rz / dot(p, q))
			for i := range p {
				e.x[i] += a * p[i]
				r[i] -= a * q[i]
			}
			next := 0.0
			for i, v := range r {
				next += float64(v) * float64(v) * float64(inv[i])
			}
			b := float32(next / rz)
			rz = next
			for i, v := range r {
				p[i] = inv[i]*v + b*p[i]
			}
		}
		for i := range e.z {
			e.z[i] = lambda * inv[i]
			e.gamma[i] = e.x[i]*e.x[i] + e.z[i]
		}
	}
}

// residual writes M(k*x - y) of a field.
func (s *scale) residual(dst []float32, f int, gain []complex64) {
	e := &s.fields[f]
	s.convolve(dst, e.x, gain)
	for i, m := range e.mask {
		dst[i] = m*dst[i] - e.y[i]
	}
}

// kernel is the step in the kernel: on the simplex it minimises
//
//	sum_f ||M(k*x_f - y_f)||^2 + ridge ||k||^2,
//
// by a Newton step whose matrix is the correlation of the fields, the constraint
// kept by accelerated projected gradients inside. A ridge of 0 stands for the sum
// of the posterior variances z.
func (s *scale) kernel(iters int, ridge float64) {
	n := s.len()
	power := make([]complex64, len(s.freq))
	spectra := [2][]complex64{}
	zsum := ridge
	for f := range s.fields {
		spectra[f] = s.transform(s.fields[f].x)
		for i, v := range spectra[f] {
			power[i] += complex(real(v)*real(v)+imag(v)*imag(v), 0)
		}
		for i, z := range s.fields[f].z {
			if ridge == 0 && s.fields[f].mask[i] > 0 {
				zsum += float64(z)
			}
		}
	}
	corr := make([]float32, n)
	s.fft.Inverse(corr, power)
	t := newToeplitz(s.side, corr, s.h, s.w)
	res := make([]float32, n)
	gain := s.gain(s.k)
	g := make([]float64, len(s.k.Taps))
	for f := range s.fields {
		s.residual(res, f, gain)
		s.correlate(res, res, spectra[f])
		for i := range s.side {
			for j := range s.side {
				g[i*s.side+j] += float64(res[wrap(i-s.side/2, s.h)*s.w+wrap(j-s.side/2, s.w)])
			}
		}
	}
	for i, v := range s.k.Taps {
		g[i] += zsum * v
	}
	s.k.Taps = projectedNewton(t, g, s.k.Taps, zsum, iters)
}

// projectedNewton minimises g'(k-k0) + 1/2 (k-k0)'(T + ridge)(k-k0) on the
// simplex by FISTA (Beck & Teboulle 2009) with restarts.
func projectedNewton(t *toeplitz, g, k0 []float64, ridge float64, iters int) []float64 {
	n := len(k0)
	step := 1 / (t.norm + ridge)
	k, v, last, d, h := append([]float64(nil), k0...), append([]float64(nil), k0...), make([]float64, n), make([]float64, n), make([]float64, n)
	theta := 1.0
	for range iters {
		for i := range d {
			d[i] = v[i] - k0[i]
		}
		t.apply(h, d)
		copy(last, k)
		for i := range k {
			k[i] = v[i] - step*(g[i]+h[i]+ridge*d[i])
		}
		ontoSimplex(k)
		up := 0.0
		for i := range k {
			up += (v[i] - k[i]) * (k[i] - last[i])
		}
		if up > 0 {
			theta = 1
		}
		next := (1 + math.Sqrt(1+4*theta*theta)) / 2
		b := (theta - 1) / next
		theta = next
		for i := range v {
			v[i] = k[i] + b*(k[i]-last[i])
		}
	}
	return k
}

// level is the step in the variance of the noise, its posterior mean
//
//	lambda = sum_f (||M(k*x_f - y_f)||^2 + sum_i d_i z_i)/n.
func (s *scale) level() {
	gain := s.gain(s.k)
	res := make([]float32, s.len())
	e, n := 0.0, 0.0
	for f := range s.fields {
		s.residual(res, f, gain)
		e += dot(res, res) + dot(s.fields[f].d, s.fields[f].z)
		n += s.fields[f].seen
	}
	s.lambda = max(s.least, e/max(n, 1))
}
