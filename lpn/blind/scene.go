package blind

import (
	"math"
	"slices"
)

// What 108 photographs of bsds500, of those for training and none that validates, say of
// the logarithm of a scene's power at frequency w (radians a pixel) in direction t:
//
//	s(w,t) = level - slope log w - native w^2 + axes cos 4t - 0.04 cos 4t log w + smooth(log w) + direction(log w, t) + rough,
//
// a Gaussian process. slope, native and the level have means and deviations; native is the
// square of the Gaussian blur that sharp photographs seem to have, lens, demosaicking and
// file together; axes is the share of horizontal and vertical lines. smooth, direction and
// rough are processes of mean 0 with the covariances of scene.covariance. The numbers are
// those of largest likelihood, rounded, but for the level, which is left open, and
// directionWidth, the best of three.
const (
	levelMean, levelSpread   = -4, 5
	slopeMean, slopeSpread   = 1.98, 0.33
	nativeMean, nativeSpread = 0.133, 0.068 // pixels squared
	axesMean, axesFall       = 0.27, 0.04
	smoothSpread             = 0.145
	directionSpread          = 0.435 // the same at all frequencies
	directionWander          = 0.4   // changing with the frequency
	directionWidth           = 0.5   // of 2 sin(angle between)
	octave                   = 0.77  // of log w, over which smooth and direction change
	roughSpread              = 0.058

	// noiseDoubt is the deviation of the logarithm of the noise's power about what the
	// estimate of the noise says.
	noiseDoubt = 0.07
	// windowed is by how much the Blackman window reduces the number of independent
	// frequencies.
	windowed = 3
)

// A scene is what is known of the log power of a scene in the cells of a spectrum before
// they are looked at: a mean and a covariance, n x n by rows.
type scene struct {
	mean, covariance []float64
}

func sceneOf(cells []cell) scene {
	n := len(cells)
	out := scene{make([]float64, n), make([]float64, n*n)}
	angle := func(c cell) float64 { return (float64(c.sector)+0.5)/sectors*math.Pi - math.Pi/2 }
	for i, a := range cells {
		u, ww := math.Log(a.w), a.w*a.w
		out.mean[i] = levelMean - slopeMean*u - nativeMean*ww + math.Cos(4*angle(a))*(axesMean-axesFall*u)
		for j, b := range cells[:i+1] {
			v := math.Log(b.w)
			near := math.Exp(-math.Abs(u-v) / octave)
			along := math.Exp(-2 * square(math.Sin(angle(a)-angle(b))/directionWidth))
			c := square(levelSpread) + square(slopeSpread)*u*v + square(nativeSpread)*ww*b.w*b.w +
				square(smoothSpread)*near + along*(square(directionSpread)+square(directionWander)*near)
			if i == j {
				c += square(roughSpread)
			}
			out.covariance[i*n+j], out.covariance[j*n+i] = c, c
		}
	}
	return out
}

// A reading is the most probable scene and noise of a measured spectrum seen through a kernel.
type reading struct {
	dual  []float64 // C^-1 (s - mean), C the covariance
	scene []float64 // s
	noise float64   // t
}

// surprise is -2 log p(P | kernel), up to a constant, of the powers P measured in the
// cells, where
//
//	log P = log(q exp(s) + exp(t)) + e,
//
// q is the kernel's |K|^2 in the cell, s the scene, Gaussian as above, t the log power of the noise,
// Gaussian about its estimate, and e the scatter of a mean over few frequencies. s and t
// are integrated over by Laplace's approximation, which takes the measurement for linear
// about their most probable values. Gauss-Newton steps find those, halved until they help; they
// begin where r stands and leave r there.
func (s spectrum) surprise(q []float64, r *reading) float64 {
	n := len(s.cells)
	prior := s.scene
	level := math.Log(s.noise + 1e-12)
	if r.scene == nil {
		*r = reading{make([]float64, n), slices.Clone(prior.mean), level}
	}
	scatter := make([]float64, n)
	for i, c := range s.cells {
		scatter[i] = windowed/square(c.weight) + 1e-6
	}
	// far is -2 log p(P, s, t | kernel), which the most probable s and t make least.
	far := func(r reading) float64 {
		sum, t := square((r.noise-level)/noiseDoubt), math.Exp(r.noise)
		for i, c := range s.cells {
			sum += square(math.Log(c.power/(q[i]*math.Exp(r.scene[i])+t)))/scatter[i] + r.dual[i]*(r.scene[i]-prior.mean[i])
		}
		return sum
	}
	bend, noisy, left := make([]float64, n), make([]float64, n), make([]float64, n)
	chol, z := make([]float64, n*n), make([]float64, n)
	full, next := reading{make([]float64, n), make([]float64, n), 0}, reading{make([]float64, n), make([]float64, n), 0}
	value, now := 0.0, far(*r)
	for range 20 {
		t := math.Exp(r.noise)
		for i, c := range s.cells {
			m := q[i] * math.Exp(r.scene[i])
			bend[i], noisy[i] = m/(m+t), t/(m+t)
			left[i] = math.Log(c.power/(m+t)) + bend[i]*(r.scene[i]-prior.mean[i]) + noisy[i]*(r.noise-level)
		}
		for i := range n {
			for j := range i + 1 {
				chol[i*n+j] = bend[i]*prior.covariance[i*n+j]*bend[j] + square(noiseDoubt)*noisy[i]*noisy[j]
			}
			chol[i*n+i] += scatter[i]
		}
		value = cholesky(chol, n)
		copy(z, left)
		solve(chol, z, n)
		full.noise = level
		for i := range n {
			value += left[i] * z[i]
			full.dual[i] = bend[i] * z[i]
			full.noise += square(noiseDoubt) * noisy[i] * z[i]
		}
		for i := range n {
			full.scene[i] = prior.mean[i]
			for j, v := range prior.covariance[i*n : (i+1)*n] {
				full.scene[i] += v * full.dual[j]
			}
		}
		before := now
		for step := 1.0; step > 1e-3; step /= 2 {
			for i := range n {
				next.dual[i] = r.dual[i] + step*(full.dual[i]-r.dual[i])
				next.scene[i] = r.scene[i] + step*(full.scene[i]-r.scene[i])
			}
			next.noise = r.noise + step*(full.noise-r.noise)
			if f := far(next); f < now {
				*r, next, now = next, *r, f
				break
			}
		}
		if before-now < 1e-3 {
			break
		}
	}
	return value
}

// cholesky replaces the lower half of a symmetric positive definite n x n matrix by its factor L, LL' = m,
// and returns log det m.
func cholesky(m []float64, n int) float64 {
	logs := 0.0
	for i := range n {
		row := m[i*n : i*n+i+1]
		for j := range row {
			other := m[j*n : j*n+j+1]
			t := row[j]
			for k := range j {
				t -= row[k] * other[k]
			}
			if i != j {
				row[j] = t / other[j]
				continue
			}
			row[i] = math.Sqrt(max(t, 1e-12))
			logs += 2 * math.Log(row[i])
		}
	}
	return logs
}

// solve replaces z by the solution of LL'x = z.
func solve(l, z []float64, n int) {
	for i := range n {
		for k, v := range l[i*n : i*n+i] {
			z[i] -= v * z[k]
		}
		z[i] /= l[i*n+i]
	}
	for i := n - 1; i >= 0; i-- {
		z[i] /= l[i*n+i]
		for k, v := range l[i*n : i*n+i] {
			z[k] -= v * z[i]
		}
	}
}
