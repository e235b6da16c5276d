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
	// floorDoubt and floorRough are those of a floor that is not white, the same at all frequencies and
	// changing over them.
	floorDoubt, floorRough = 0.3, 0.15
	roughOctave            = 0.3
	// windowed is by how much the Blackman window reduces the number of independent
	// frequencies.
	windowed = 3
)

// A scene is what is known of the log power in the cells of a spectrum before they are looked at:
// of the scene a mean and a covariance, of the noise the covariance about what the cells say; n x n by rows.
type scene struct {
	mean, covariance, noise []float64
}

func sceneOf(cells []cell, doubt, rough float64) scene {
	n := len(cells)
	out := scene{make([]float64, n), make([]float64, n*n), make([]float64, n*n)}
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
			c = square(doubt) + square(rough)*math.Exp(-math.Abs(u-v)/roughOctave)
			if i == j {
				c += square(rough)
			}
			out.noise[i*n+j], out.noise[j*n+i] = c, c
		}
	}
	return out
}

// A reading is the most probable scene and noise of a measured spectrum seen through a kernel.
type reading struct {
	scene, noise guess
}

// A guess is a Gaussian vector: its departure from the mean, and that multiplied by the inverse of the covariance.
type guess struct{ value, dual []float64 }

func newGuess(n int) guess { return guess{make([]float64, n), make([]float64, n)} }

// distance is -2 log of the probability, up to a constant.
func (g guess) distance() float64 {
	sum := 0.0
	for i, v := range g.value {
		sum += v * g.dual[i]
	}
	return sum
}

// between writes the vector at a share of the way from a to b.
func (g guess) between(a, b guess, share float64) {
	for i := range g.value {
		g.value[i] = a.value[i] + share*(b.value[i]-a.value[i])
		g.dual[i] = a.dual[i] + share*(b.dual[i]-a.dual[i])
	}
}

// fill sets the value to the covariance times the dual.
func (g guess) fill(covariance []float64) {
	n := len(g.value)
	for i := range n {
		g.value[i] = 0
		for j, v := range covariance[i*n : (i+1)*n] {
			g.value[i] += v * g.dual[j]
		}
	}
}

// surprise is -2 log p(P | kernel), up to a constant, of the powers P measured in the
// cells, where
//
//	log P = log(q exp(s) + exp(t)) + e,
//
// q is the kernel's |K|^2 in the cell, s the scene and t the log power of the noise, Gaussian
// as above, and e the scatter of a mean over few frequencies. s and t
// are integrated over by Laplace's approximation, which takes the measurement for linear
// about their most probable values. Gauss-Newton steps find those, halved until they help; they
// begin where r stands and leave r there.
//
// q may be unsure: its logarithm then has the variances loose, each on its own; nil for none.
func (s spectrum) surprise(q, loose []float64, r *reading) float64 {
	n := len(s.cells)
	prior := s.scene
	if loose != nil {
		prior.covariance = slices.Clone(prior.covariance)
		for i, v := range loose {
			prior.covariance[i*n+i] += v
		}
	}
	if r.scene.value == nil {
		*r = reading{newGuess(n), newGuess(n)}
	}
	scatter := make([]float64, n)
	for i, c := range s.cells {
		scatter[i] = windowed/square(c.weight) + 1e-6
	}
	seen := func(r reading, i int) (scene, noise float64) {
		return q[i] * math.Exp(prior.mean[i]+r.scene.value[i]), (s.cells[i].noise + 1e-12) * math.Exp(r.noise.value[i])
	}
	// far is -2 log p(P, s, t | kernel), which the most probable s and t make least.
	far := func(r reading) float64 {
		sum := r.scene.distance() + r.noise.distance()
		for i, c := range s.cells {
			m, t := seen(r, i)
			sum += square(math.Log(c.power/(m+t))) / scatter[i]
		}
		return sum
	}
	bend, noisy, left := make([]float64, n), make([]float64, n), make([]float64, n)
	chol, z := make([]float64, n*n), make([]float64, n)
	full, next := reading{newGuess(n), newGuess(n)}, reading{newGuess(n), newGuess(n)}
	value, now := 0.0, far(*r)
	for range 20 {
		for i, c := range s.cells {
			m, t := seen(*r, i)
			bend[i], noisy[i] = m/(m+t), t/(m+t)
			left[i] = math.Log(c.power/(m+t)) + bend[i]*r.scene.value[i] + noisy[i]*r.noise.value[i]
		}
		for i := range n {
			for j := range i + 1 {
				chol[i*n+j] = bend[i]*prior.covariance[i*n+j]*bend[j] + noisy[i]*prior.noise[i*n+j]*noisy[j]
			}
			chol[i*n+i] += scatter[i]
		}
		value = cholesky(chol, n)
		copy(z, left)
		solve(chol, z, n)
		for i := range n {
			value += left[i] * z[i]
			full.scene.dual[i], full.noise.dual[i] = bend[i]*z[i], noisy[i]*z[i]
		}
		full.scene.fill(prior.covariance)
		full.noise.fill(prior.noise)
		before := now
		for step := 1.0; step > 1e-3; step /= 2 {
			next.scene.between(r.scene, full.scene, step)
			next.noise.between(r.noise, full.noise, step)
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
