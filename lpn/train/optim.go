package train

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/lpn-imaging/lpn/internal/kernel"
)

// Adam is the optimiser of Kingma & Ba (2015), algorithm 1, as PyTorch writes
// it, over a list of weights:
//
//	m = b1 m + (1-b1) g
//	v = b2 v + (1-b2) g^2
//	w = w - rate * (m/(1-b1^t)) / (sqrt(v/(1-b2^t)) + eps)
type Adam struct {
	Beta1, Beta2, Eps float64
	// Step is t, the number of updates made.
	Step int
	// M and V are the moments, one slice for each weight.
	M, V [][]float32
	// Scale multiplies the rate of each weight; nil means 1 for all.
	Scale []float64
}

// NewAdam returns the optimiser for weights of the given lengths, with
// eps = 1e-8. Usual decays are 0.9 and 0.999; the pyramid is trained with 0.9
// and 0.99.
func NewAdam(lengths []int, beta1, beta2 float64) *Adam {
	if !(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1) {
		panic(fmt.Sprintf("train: Adam with decays %g and %g, want [0,1)", beta1, beta2))
	}
	a := &Adam{Beta1: beta1, Beta2: beta2, Eps: 1e-8}
	for _, n := range lengths {
		a.M = append(a.M, make([]float32, n))
		a.V = append(a.V, make([]float32, n))
	}
	return a
}

// Update moves the weights w against their gradients g.
func (a *Adam) Update(w, g [][]float32, rate float64) {
	if len(w) != len(a.M) || len(g) != len(a.M) {
		panic(fmt.Sprintf("train: Adam of %d weights given %d and %d gradients", len(a.M), len(w), len(g)))
	}
	a.Step++
	for i := range w {
		a.update(segment{i, 0, len(w[i])}, w, g, rate)
	}
}

// update moves one segment of the weights; the caller has counted the step.
func (a *Adam) update(s segment, w, g [][]float32, rate float64) {
	c1 := 1 - math.Pow(a.Beta1, float64(a.Step))
	c2 := 1 - math.Pow(a.Beta2, float64(a.Step))
	if a.Scale != nil {
		rate *= a.Scale[s.of]
	}
	kernel.AdamStep(s.in(w), s.in(g), s.in(a.M), s.in(a.V), float32(rate),
		float32(a.Beta1), float32(a.Beta2), float32(a.Eps), float32(c1), float32(c2))
}

// tensors returns the moments for a checkpoint, named after the weights:
// adam.m.NAME and adam.v.NAME. They share memory with a.
func (a *Adam) tensors(names []string) []checkpoint.Tensor {
	var out []checkpoint.Tensor
	for i, name := range names {
		out = append(out,
			checkpoint.Tensor{Name: "adam.m." + name, Shape: []int{len(a.M[i])}, Data: a.M[i]},
			checkpoint.Tensor{Name: "adam.v." + name, Shape: []int{len(a.V[i])}, Data: a.V[i]})
	}
	return out
}

// restore sets the moments and the step to those of a checkpoint.
func (a *Adam) restore(names []string, tensors []checkpoint.Tensor, step int) error {
	if err := restore("adam.m.", names, a.M, tensors); err != nil {
		return err
	}
	if err := restore("adam.v.", names, a.V, tensors); err != nil {
		return err
	}
	if step < 0 {
		return fmt.Errorf("train: checkpoint at step %d", step)
	}
	a.Step = step
	return nil
}

func restore(prefix string, names []string, dst [][]float32, tensors []checkpoint.Tensor) error {
	byName := map[string]checkpoint.Tensor{}
	for _, t := range tensors {
		byName[t.Name] = t
	}
	for i, name := range names {
		t, ok := byName[prefix+name]
		if !ok || len(t.Data) != len(dst[i]) {
			return fmt.Errorf("train: the checkpoint has no %s%s of %d values: it does not belong to this training", prefix, name, len(dst[i]))
		}
	}
	for i, name := range names {
		copy(dst[i], byName[prefix+name].Data)
	}
	return nil
}

// An EMA is the exponential moving average of the weights, often a better
// network than the last iterate (Polyak & Juditsky 1992). It is a convex
// combination of iterates, so convex constraints on them hold for it.
type EMA struct {
	Decay float64
	W     [][]float32
}

// NewEMA starts the average at w.
func NewEMA(w [][]float32, decay float64) *EMA {
	if !(decay >= 0 && decay < 1) {
		panic(fmt.Sprintf("train: EMA with decay %g, want [0,1)", decay))
	}
	e := &EMA{Decay: decay}
	for _, x := range w {
		e.W = append(e.W, append([]float32(nil), x...))
	}
	return e
}

// Update is W = Decay*W + (1-Decay)*w.
func (e *EMA) Update(w [][]float32) {
	for i := range w {
		e.update(segment{i, 0, len(w[i])}, w)
	}
}

func (e *EMA) update(s segment, w [][]float32) {
	a := s.in(e.W)
	kernel.Scale(a, a, float32(e.Decay))
	kernel.Axpy(a, float32(1-e.Decay), s.in(w))
}

// tensors returns the average for a checkpoint, as ema.NAME, sharing memory.
func (e *EMA) tensors(names []string) []checkpoint.Tensor {
	var out []checkpoint.Tensor
	for i, name := range names {
		out = append(out, checkpoint.Tensor{Name: "ema." + name, Shape: []int{len(e.W[i])}, Data: e.W[i]})
	}
	return out
}

// restore sets the average to that of a checkpoint.
func (e *EMA) restore(names []string, tensors []checkpoint.Tensor) error {
	return restore("ema.", names, e.W, tensors)
}
