package network

import (
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A Definition is a network without weights.
type Definition struct {
	// Channels is the number of planes of a picture.
	Channels int
	// Params lists the weights in their fixed order.
	Params []Param
	// Record writes f = grad psi, in network units, to r, and returns it as
	// planes. The terms of psi go to r.Energy and r.Sum.
	Record func(r Recorder) Value
}

// A Param names one weight tensor, its dims and its constraint. Filters are
// (K, K, Ci, Co) with Co fastest, vectors (C).
type Param struct {
	Name       string
	Dims       []int
	Constraint Constraint
}

// Len is the number of elements.
func (p Param) Len() int {
	n := 1
	for _, d := range p.Dims {
		n *= d
	}
	return n
}

// Shape is the dims of p as a Value.
func (p Param) Shape() Dims {
	if len(p.Dims) == 1 {
		return Dims{1, 1, 1, p.Dims[0]}
	}
	return Dims{p.Dims[0], p.Dims[1], p.Dims[2], p.Dims[3]}
}

// A Constraint is what a weight must satisfy; training restores it after
// every step and loading checks it.
type Constraint int

const (
	Free        Constraint = iota
	NonNegative            // every element >= 0: convexity rests on it
	ZeroMean               // every output filter sums to 0 over each plane of the picture
	UnitGain               // the filters so marked, together, pass the constant with gain 1
)

func (c Constraint) String() string {
	return [...]string{"free", "non-negative", "zero-mean", "unit-gain"}[c]
}

// Project restores the constraints on weights that a training step has moved.
func (d Definition) Project(params map[string][]float32) {
	for _, p := range d.Params {
		if p.Constraint == NonNegative {
			kernel.Ramp(params[p.Name], params[p.Name])
		}
	}
	d.ProjectEqualities(params)
}

// ProjectEqualities restores the constraints other than the signs.
func (d Definition) ProjectEqualities(params map[string][]float32) {
	gain := 0.0
	for _, p := range d.Params {
		w := params[p.Name]
		switch p.Constraint {
		case ZeroMean:
			d.centre(p, w)
		case UnitGain:
			sum := 0.0
			for _, v := range w {
				sum += float64(v)
			}
			gain += sum * sum
		}
	}
	if gain > 0 {
		k := float32(1 / math.Sqrt(gain))
		for _, p := range d.Params {
			if p.Constraint == UnitGain {
				for i := range params[p.Name] {
					params[p.Name][i] *= k
				}
			}
		}
	}
}

// centre takes the mean of every output filter over each plane of the picture
// away.
func (d Definition) centre(p Param, w []float32) {
	ci, co := p.Dims[2], p.Dims[3]
	per := ci / d.Channels // channels that one plane became
	for k := range co {
		for plane := range d.Channels {
			each := func(f func(i int)) {
				for tap := range p.Dims[0] * p.Dims[1] {
					for q := plane * per; q < (plane+1)*per; q++ {
						f((tap*ci+q)*co + k)
					}
				}
			}
			sum, n := 0.0, 0.0
			each(func(i int) { sum += float64(w[i]); n++ })
			each(func(i int) { w[i] -= float32(sum / n) })
		}
	}
}

// ProjectGradient takes from gradients, at weights that satisfy the equality
// constraints, what Project would undo: they become the gradients of the loss as
// a function of unconstrained weights that are centred and normalised before
// use. Without it that part, which is large since pictures are far from zero
// mean, would set the step of an optimiser that normalises its steps.
func (d Definition) ProjectGradient(grads, params map[string][]float32) {
	var along float64 // <gradient, filters>
	gains := map[string]float64{}
	for _, p := range d.Params {
		g, w := grads[p.Name], params[p.Name]
		switch p.Constraint {
		case ZeroMean:
			d.centre(p, g)
		case UnitGain:
			for i, v := range w {
				along += float64(v) * float64(g[i])
				gains[p.Name] += float64(v)
			}
		}
	}
	for name, gain := range gains {
		for i := range grads[name] {
			grads[name][i] -= float32(along * gain)
		}
	}
}
