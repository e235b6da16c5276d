package restore

import (
	"fmt"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Problem is a measurement y = A x + noise of an unknown scene x.
type Problem struct {
	// Y is the measurement. Only the number of its samples must be that of the
	// operator's codomain.
	Y operators.Image
	// Operator is A, with its boundary and the content of its file. The zero
	// Spec is the identity: y is a noisy image.
	Operator operators.Spec
	// Scene is the shape of x. Default: what the operator says of Y's shape
	// (Spec.Scene).
	Scene operators.Shape
	// Noise is the model of the noise in units of Y; nil asks for an estimate from
	// Y.
	Noise noise.Model
	// Hints are what is known of Y's file, for the estimate.
	Hints noise.Hints
	// Range holds the samples that are black and white, in units of the scene. The
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
	out := operators.NewImage(operators.Shape{C: m.C, H: h, W: w})
	dy, dx := Margin(m.H-h), Margin(m.W-w)
	for c := range m.C {
		for y := range h {
			copy(out.Plane(c)[y*w:(y+1)*w], m.Plane(c)[(y+dy)*m.W+dx:])
		}
	}
	return out
}

// Margin is how many of the extra rows or columns of a scene lie before its
// frame: k-1-k/2 for a kernel of k = extra+1 taps, centred at tap k/2.
func Margin(extra int) int { return extra - (extra+1)/2 }
