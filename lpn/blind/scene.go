package blind

import (
	"bytes"
	_ "embed"
	"math"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/internal/npy"
)

// What photographs say of the logarithm of a scene's power in the cells of a spectrum: a Gaussian vector, its mean
// and covariance those of the photographs of bsds500 for training, of which every 20th was left out: see
// TestFitScenes. For c cells the file holds their numbers (cell.at), the mean, and the lower half of the covariance
// by rows.
//
//go:embed scenes.npy
var scenesFile []byte

// scenes is the table: where a cell stands in it, the mean, the covariance.
var scenes = sync.OnceValue(func() (t struct {
	place            map[int]int
	mean, covariance []float64
}) {
	r := bytes.NewReader(scenesFile)
	h, err := npy.ReadHeader(r)
	if err != nil {
		panic(err)
	}
	v, err := h.Floats(r, h.Shape[0])
	if err != nil {
		panic(err)
	}
	n := int((math.Sqrt(25+8*float64(len(v))) - 5) / 2) // v holds 2n + n(n+1)/2
	t.place, t.mean, t.covariance = map[int]int{}, make([]float64, n), make([]float64, n*n)
	low := v[2*n:]
	for i := range n {
		t.place[int(v[i])], t.mean[i] = i, float64(v[n+i])
		for j := range i + 1 {
			c := float64(low[i*(i+1)/2+j])
			t.covariance[i*n+j], t.covariance[j*n+i] = c, c
		}
	}
	return t
})

const (
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

// sceneOf looks the cells up, which must be in the table; doubt and rough are those of the noise.
func sceneOf(cells []cell, doubt, rough float64) scene {
	n, t := len(cells), scenes()
	out := scene{make([]float64, n), make([]float64, n*n), make([]float64, n*n)}
	for i, a := range cells {
		at := t.place[a.at]
		out.mean[i] = t.mean[at]
		for j, b := range cells[:i+1] {
			c := t.covariance[at*len(t.mean)+t.place[b.at]]
			out.covariance[i*n+j], out.covariance[j*n+i] = c, c
			c = square(doubt) + square(rough)*math.Exp(-math.Abs(math.Log(a.w/b.w))/roughOctave)
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
