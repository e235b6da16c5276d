package blind

import "math"

// What 108 photographs of bsds500, of those for training and none that validates, say of
// the logarithm of a scene's power at frequency w (radians a pixel) in direction t:
//
//	s(w,t) = level - slope log w - native w^2 + axes cos 4t - 0.04 cos 4t log w + smooth(log w) + direction(log w, t) + rough,
//
// a Gaussian process. slope, native and the level have means and deviations; native is the
// square of the Gaussian blur that sharp photographs seem to have, lens, demosaicking and
// file together; axes is the share of horizontal and vertical lines. smooth, direction and
// rough are processes of mean 0 with the covariances of scene.covariance. All numbers are
// those of largest likelihood, but for the level, which is left open.
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

// A reading is what a measured spectrum says of a scene seen through a kernel: the most
// probable log power in every cell, and that of the noise.
type reading struct {
	scene []float64
	noise float64
}

// surprise is -2 log p(P | kernel), up to a constant, of the powers P measured in the
// cells, where
//
//	log P = log(q exp(s) + exp(t)) + e,
//
// q the kernel's |K|^2 in the cell, s the scene, Gaussian as above, t the log power of the noise,
// Gaussian about its estimate, and e the scatter of a mean over few frequencies. s and t
// are integrated over by Laplace's approximation: the measurement is linear in them about
// their most probable values, which Gauss-Newton steps find, from where r stands; r is left there.
func (s spectrum) surprise(q []float64, r *reading) float64 {
	n := len(s.cells)
	prior := s.scene
	level := math.Log(s.noise + 1e-12)
	if r.scene == nil {
		r.scene, r.noise = append([]float64(nil), prior.mean...), level
	}
	bend, noisy, left := make([]float64, n), make([]float64, n), make([]float64, n)
	chol, z := make([]float64, n*n), make([]float64, n)
	value := 0.0
	for range 12 {
		t := math.Exp(r.noise)
		for i, c := range s.cells {
			m := q[i] * math.Exp(r.scene[i])
			v := m + t
			bend[i], noisy[i] = m/v, t/v
			left[i] = math.Log(c.power/v) + bend[i]*(r.scene[i]-prior.mean[i]) + noisy[i]*(r.noise-level)
		}
		for i, c := range s.cells {
			for j := range i + 1 {
				chol[i*n+j] = bend[i]*prior.covariance[i*n+j]*bend[j] + square(noiseDoubt)*noisy[i]*noisy[j]
			}
			chol[i*n+i] += windowed/square(c.weight) + 1e-6
		}
		logs := cholesky(chol, n)
		copy(z, left)
		solve(chol, z, n)
		value = logs
		for i := range z {
			value += left[i] * z[i]
		}
		next := level
		for i := range z {
			next += square(noiseDoubt) * noisy[i] * z[i]
			z[i] *= bend[i]
		}
		far := math.Abs(next - r.noise)
		moved := left // what is left is not needed any more
		for i := range moved {
			row := prior.covariance[i*n : (i+1)*n]
			moved[i] = prior.mean[i] - r.scene[i]
			for j, v := range row {
				moved[i] += v * z[j]
			}
			far = max(far, math.Abs(moved[i]))
		}
		step := min(1, 2/far)
		r.noise += step * (next - r.noise)
		for i, d := range moved {
			r.scene[i] += step * d
		}
		if far < 1e-3 {
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
