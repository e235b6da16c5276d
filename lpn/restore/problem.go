package restore

import (
	"fmt"
	"image"
	"math"

	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Problem is a measurement y = A x + noise of an unknown scene x.
type Problem struct {
	// Y is the measurement. Only the number of its samples must be that of the
	// operator's codomain.
	Y operators.Image
	// Operator is A, with its boundary and the content of its file. The zero
	// Spec is the identity: y is a noisy image. blur:auto is found in Y: see FindBlur.
	Operator operators.Spec
	// Blur is the estimate of FindBlur, nil if the operator was given.
	Blur *blind.Estimate
	// Scene is the shape of x. Default: Spec.Scene of Y's shape.
	Scene operators.Shape
	// Noise is the model of the noise in units of Y; nil asks for an estimate from
	// Y.
	Noise noise.Model
	// Light is what the operator acts on, for blur and sr. Default: the numbers.
	Light Light
	// Missing is nil, or says for each sample of Y whether it is unknown. The values of
	// unknown samples do not count, and the prior fills the gaps. With the identity
	// this is inpainting.
	Missing []bool
	// Weights are 1/variance of Y's samples up to a common factor, 0 for samples that
	// were not measured. Noise is the deviation of a sample of weight 1. nil means that
	// all are 1. They are for measurements that are not pictures.
	Weights []float32
	// Hints are facts about the file of Y that help to estimate the noise.
	Hints noise.Hints
	// Range holds the samples that are black and white, in units of the scene. The zero
	// Range asks New to find it.
	Range Range
	// Truth is x if it is known, cropped to the frame. It serves only for the PSNR in
	// the trace.
	Truth *operators.Image

	unit float64 // what y was divided by; 0: nothing
}

// scene is Scene or its default.
func (p Problem) scene() (operators.Shape, error) {
	if p.Scene.Len() > 0 {
		return p.Scene, nil
	}
	return p.Operator.Scene(p.Y.Shape)
}

// build makes the operator for the scene and checks that y is a measurement of
// it.
func (p Problem) build(scene operators.Shape) (operators.Linear, error) {
	a, err := p.complete(scene)
	if err != nil || p.Missing == nil {
		return a, err
	}
	keep := make([]bool, len(p.Missing))
	for i, gone := range p.Missing {
		keep[i] = !gone
	}
	return operators.Observe(a, keep)
}

// complete is the operator without regard to what is missing.
func (p Problem) complete(scene operators.Shape) (operators.Linear, error) {
	a, err := p.Operator.Build(scene)
	if err != nil {
		return nil, err
	}
	if n := a.Codomain().Len(); n != len(p.Y.Pix) {
		return nil, fmt.Errorf("a measurement of %d numbers: %s of a scene %v gives %d", len(p.Y.Pix), p.Operator, scene, n)
	}
	if p.unit != 0 {
		if a, err = operators.Scaled(1/p.unit, a); err != nil {
			return nil, err
		}
	}
	if p.Weights != nil {
		return operators.Weigh(a, p.Weights)
	}
	return a, nil
}

// plain is the problem with line integrals that count in pixels, not in millimetres, and
// with W^1/2 y for its measurement and noise of one deviation, the weights scaled to a
// mean of 1: whatever is done with A and y from here on is done with W^1/2 A and W^1/2 y.
func (p Problem) plain() (Problem, error) {
	mean := 1.
	if p.Weights != nil {
		if p.Operator.ImageShaped() || len(p.Weights) != len(p.Y.Pix) {
			return p, &OptionError{"weights", fmt.Sprintf("%d weights for %d samples of %s; want one for each of a measurement that is no picture", len(p.Weights), len(p.Y.Pix), p.Operator.Name())}
		}
		sum := 0.0
		for _, w := range p.Weights {
			sum += float64(w)
		}
		if mean = sum / float64(len(p.Weights)); !(mean > 0) || math.IsInf(mean, 1) {
			return p, &OptionError{"weights", "none is above 0"}
		}
	}
	unit := p.Operator.Unit()
	if unit == 1 && p.Weights == nil {
		return p, nil
	}
	y, w := operators.NewImage(p.Y.Shape), make([]float32, len(p.Weights))
	for i, v := range p.Weights {
		w[i] = float32(float64(v) / mean)
	}
	for i, v := range p.Y.Pix {
		y.Pix[i] = v / float32(unit)
		if p.Weights != nil {
			y.Pix[i] *= float32(math.Sqrt(float64(w[i])))
		}
	}
	p.Y = y
	if p.Weights != nil {
		p.Weights = w
	}
	if unit != 1 {
		p.unit = unit
	}
	if p.Noise != nil {
		p.Noise = p.Noise.Scaled(0, unit*math.Sqrt(mean))
	}
	return p, nil
}

// unweighted is the number of samples whose weight is 0.
func (p Problem) unweighted() int {
	n := 0
	for _, w := range p.Weights {
		if w == 0 {
			n++
		}
	}
	return n
}

// Centre cuts the middle h x w pixels out of an image: the part of a scene that a
// measurement with the boundary valid covers. It returns m itself if nothing is cut.
func Centre(m operators.Image, h, w int) operators.Image {
	if m.H == h && m.W == w {
		return m
	}
	dy, dx := Margin(m.H-h), Margin(m.W-w)
	return cut(m, image.Rect(dx, dy, dx+w, dy+h))
}

// cut is the part of an image in a rectangle within it.
func cut(m operators.Image, r image.Rectangle) operators.Image {
	out := operators.NewImage(operators.Shape{C: m.C, H: r.Dy(), W: r.Dx()})
	for c := range m.C {
		for y := range out.H {
			copy(out.Plane(c)[y*out.W:(y+1)*out.W], m.Plane(c)[(y+r.Min.Y)*m.W+r.Min.X:])
		}
	}
	return out
}

// Margin is how many of the extra rows or columns of a scene are before its frame:
// k-1-k/2 for a kernel of k = extra+1 taps, centred at tap k/2.
func Margin(extra int) int { return extra - (extra+1)/2 }
