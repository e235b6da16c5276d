package restore

import (
	"fmt"
	"image"

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
	// Blur is what FindBlur found of the operator; nil where it was given.
	Blur *blind.Estimate
	// Scene is the shape of x. Default: what the operator says of Y's shape
	// (Spec.Scene).
	Scene operators.Shape
	// Noise is the model of the noise in units of Y; nil asks for an estimate from
	// Y.
	Noise noise.Model
	// Light is what the operator acts on, for blur and sr. Default: the numbers.
	Light Light
	// Missing is nil, or says of each sample of Y that it is not known: whatever Y
	// has there counts for nothing, and the prior fills the gap. With the identity that
	// is inpainting.
	Missing []bool
	// Hints are what is known of Y's file, for the estimate.
	Hints noise.Hints
	// Range is what the prior sees as black and white, in units of the scene. The
	// zero Range asks for it to be found out.
	Range Range
	// Truth is x where it is known, cropped to the frame. It changes nothing but
	// the PSNR in the trace.
	Truth *operators.Image
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
	return a, nil
}

// Centre cuts the middle h x w pixels out of an image: the part of a scene that
// a measurement with the boundary valid covers. It returns m itself where
// nothing is cut.
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

// Margin is how many of the extra rows or columns of a scene lie before its
// frame: k-1-k/2 for a kernel of k = extra+1 taps, centred at tap k/2.
func Margin(extra int) int { return extra - (extra+1)/2 }
