package train

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Pairer is a Source that yields both sides of the training pairs, for pictures that
// exist only with noise.
type Pairer interface {
	Source
	// Pairs fills y with the inputs of the network in a step, which include noise of
	// level sigma, and x with the targets of its outputs; both as Batch does.
	Pairs(y, x []float32, sigma float64, step int) error
}

// A Steiner is a Source of noisy pictures for estimating the squared error against the
// clean ones: see Noisy.
type Steiner interface {
	Source
	// Stein fills y with the inputs of the network, z with the noisy pictures, and c
	// with noise of the same covariance as theirs.
	Stein(y, z, c []float32, sigma float64, step int) error
}

var (
	_ Steiner = Noisy{}
	_ Pairer  = Recorrupted{}
	_ Pairer  = Exposures{}
)

// Noisy is a Source whose pictures z = x + n have noise n of covariance S. The input of
// the network is
//
//	y = z + w,   w ~ N(0, sigma^2 I - S)
//
// so it still learns to remove white noise of level sigma. The training minimises an
// unbiased estimate of its error (Stein 1981; Ramani et al. 2008 by a random direction;
// Metzler et al. 2018 and Zhussip et al. 2019 for training):
//
//	E||f(y)-x||^2 = E[ ||f(y)-z||^2 + 2 tr(S df/dy) ] - tr S
//	tr(S df/dy)  ~= <c, f(y+hc) - f(y)>/h,   c ~ N(0, S)
//
// which costs two evaluations of the network for each sample. If S depends on the
// brightness, as for counts, it is that at the noisy picture. Where it exceeds sigma^2,
// no noise is added. Nothing is added to correlated noise: the network then learns to
// remove that noise instead of white noise. It is an exact proximal operator in every
// case.
type Noisy struct {
	Source
	// Noise is the model of the noise in the samples, in their units.
	Noise noise.Model
	// Seed selects the noise that is added.
	Seed uint64
}

// Stein implements Steiner.
func (n Noisy) Stein(y, z, c []float32, sigma float64, step int) error {
	if err := n.Batch(z, step); err != nil {
		return err
	}
	each(n.Source, len(z), func(lo, hi, index int) {
		whiten(y[lo:hi], z[lo:hi], n.Noise, n.Shape(), sigma, n.Seed, step, index)
		likeNoise(c[lo:hi], z[lo:hi], n.Noise, n.Shape(), n.Seed, step, index)
	})
	return nil
}

// Recorrupted is a Source of noisy pictures z = x + n, like Noisy, that learns from
// pairs made from each of them (Pang, Zheng, Quan & Ji 2021; here with an input of
// white noise): with S the diagonal covariance of n, B = (sigma^2 I - S)^(1/2) and v ~
// N(0, I)
//
//	y = z + B v,   target z - S B^-1 v
//
// The noise of both is uncorrelated, so the best f for the target is the best for x. It
// costs one evaluation of the network, and serves for any loss that a mean minimises.
// But sigma must exceed the noise of the pictures; a factor of 1.4 is best.
type Recorrupted struct {
	Source
	Noise noise.Model
	Seed  uint64
}

// Pairs implements Pairer.
func (r Recorrupted) Pairs(y, x []float32, sigma float64, step int) error {
	if _, correlated := r.Noise.(noise.Correlated); correlated {
		return fmt.Errorf("train: recorrupted pairs want noise without correlation, not %s", r.Noise)
	}
	if err := r.Batch(x, step); err != nil {
		return err
	}
	v := make([]float32, r.Shape().Len())
	var err error
	each(r.Source, len(x), func(lo, hi, index int) {
		rng := newStream(r.Seed, purposeNoise, step, index)
		defer rng.free()
		r.Noise.Variance(v, x[lo:hi], r.Shape())
		for i, s := range v {
			b := math.Sqrt(sigma*sigma - float64(s))
			if !(b > 0.1*sigma) {
				err = fmt.Errorf("train: recorrupted pairs want a sigma above the noise of the pictures: %.4g is not above %.4g", sigma, math.Sqrt(float64(s)))
				return
			}
			g := rng.NormFloat64()
			y[lo+i] = x[lo+i] + float32(b*g)
			x[lo+i] -= float32(float64(s) / b * g)
		}
	})
	return err
}

// Exposures learns from two noisy pictures of each scene (Lehtinen et al. 2018): First
// and Second yield the same patch of both, with independent noise of zero mean. The
// input of the network is the first, with noise added to make white noise of level
// sigma; the output is compared with the second.
type Exposures struct {
	First, Second Source
	// Noise is that of the first, in units of the samples.
	Noise noise.Model
	Seed  uint64
}

// Shape is that of both sources.
func (e Exposures) Shape() operators.Shape { return e.First.Shape() }

// Batch fills dst with the first exposures.
func (e Exposures) Batch(dst []float32, step int) error { return e.First.Batch(dst, step) }

// Pairs implements Pairer.
func (e Exposures) Pairs(y, x []float32, sigma float64, step int) error {
	if err := e.First.Batch(x, step); err != nil {
		return err
	}
	each(e.First, len(x), func(lo, hi, index int) {
		whiten(y[lo:hi], x[lo:hi], e.Noise, e.Shape(), sigma, e.Seed, step, index)
	})
	return e.Second.Batch(x, step)
}

// noiseOf says how a source of this package deals with which noise, "" for clean pictures.
func noiseOf(s Source) string {
	switch s := s.(type) {
	case Noisy:
		return "Stein's estimate, " + s.Noise.String()
	case Recorrupted:
		return "recorrupted, " + s.Noise.String()
	case Exposures:
		return "exposures, " + s.Noise.String()
	}
	return ""
}

// each calls f for every sample of a batch of so many values.
func each(s Source, values int, f func(lo, hi, index int)) {
	n := s.Shape().Len()
	for i := range values / n {
		f(i*n, (i+1)*n, i)
	}
}

// whiten adds to a noisy picture z what its noise lacks to be white of level sigma.
func whiten(y, z []float32, m noise.Model, s operators.Shape, sigma float64, seed uint64, step, index int) {
	if _, correlated := m.(noise.Correlated); correlated {
		copy(y, z)
		return
	}
	rng := newStream(seed, purposeNoise, step, index)
	defer rng.free()
	m.Variance(y, z, s)
	for i, v := range y {
		y[i] = z[i] + float32(math.Sqrt(max(0, sigma*sigma-float64(v)))*rng.NormFloat64())
	}
}

// likeNoise fills c with noise of the covariance of a noisy picture's.
func likeNoise(c, z []float32, m noise.Model, s operators.Shape, seed uint64, step, index int) {
	rng := newStream(seed, purposeProbe, step, index)
	defer rng.free()
	if _, correlated := m.(noise.Correlated); correlated {
		m.Sample(c, z, s, rng.Rand)
		for i, v := range z {
			c[i] -= v
		}
		return
	}
	m.Variance(c, z, s)
	for i, v := range c {
		c[i] = float32(math.Sqrt(max(0, float64(v))) * rng.NormFloat64())
	}
}

// LevelOf is the level of white noise for a training from pictures with noise m and
// samples in [0,1]: the deviation of m at white, where models that rise with the
// brightness are largest. It is 0 without noise.
func LevelOf(m noise.Model, channels int) float64 {
	s := operators.Shape{C: channels, H: 1, W: 1}
	v, one := make([]float32, channels), make([]float32, channels)
	largest := float32(0)
	for _, bright := range []float32{0, 0.5, 1} {
		for i := range one {
			one[i] = bright
		}
		m.Variance(v, one, s)
		for _, x := range v {
			largest = max(largest, x)
		}
	}
	return math.Sqrt(float64(largest))
}
