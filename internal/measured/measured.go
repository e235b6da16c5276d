// Package measured takes a picture file for the measurement that it is, for the command
// and the server: what the file says decides where nobody else did.
package measured

import (
	"fmt"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Choice is what was asked for.
type Choice struct {
	// Spec is the operator. ByFile says that nobody asked for it: a JPEG file decides
	// itself.
	Spec   operators.Spec
	ByFile bool
	// Noise is the model of the noise, nil for an estimate.
	Noise noise.Model
	// Range is what is black and white in the file's numbers; zero: found out.
	Range restore.Range
}

// An OperatorError is an operator that the picture is no measurement of.
type OperatorError struct{ Reason string }

func (e *OperatorError) Error() string { return e.Reason }

// Problem is the restoration of p, and in words why, where the file decided.
func Problem(p *imageio.Picture, c Choice) (m restore.Problem, why string, err error) {
	if c.ByFile && p.JPEG != nil {
		j := restore.ChooseJPEG(p.JPEG.Format, p.Image, c.Noise)
		c.Spec, c.Noise, why = j.Operator, j.Noise, j.Line
	}
	if c.Spec.Name() == "jpeg" {
		m, err = rounded(p, c)
		return m, why, err
	}
	if !c.Spec.ImageShaped() {
		return m, "", &OperatorError{fmt.Sprintf("--operator %s is not measured into a picture", c.Spec.Name())}
	}
	scene, err := c.Spec.Scene(p.Shape)
	if err != nil {
		return m, "", err
	}
	m = restore.Problem{Y: p.Image, Operator: c.Spec, Scene: scene, Noise: c.Noise, Range: c.Range}
	if p.JPEG != nil {
		m.Hints.Quality = p.JPEG.Format.Quality()
	}
	switch {
	case !c.Range.IsZero(): // in the file's numbers, of which some were divided by their largest
		m.Range = restore.Range{Lo: c.Range.Lo / p.Scale, Hi: c.Range.Hi / p.Scale}
	case p.Bits < 32:
		m.Range = restore.Unit // integers have a full scale
	}
	return m, why, nil
}

// rounded is the problem of what a JPEG file kept.
func rounded(p *imageio.Picture, c Choice) (restore.Problem, error) {
	switch {
	case c.Spec.Get("quality") != "":
		return restore.Problem{}, &OperatorError{fmt.Sprintf("--operator %s measures; a file says its tables itself: --operator jpeg", c.Spec)}
	case p.JPEG == nil:
		return restore.Problem{}, &OperatorError{"--operator jpeg wants a JPEG file of one component or three, baseline or progressive"}
	}
	y := p.JPEG.Y()
	return restore.Problem{
		Y:        operators.Image{Shape: operators.Shape{C: 1, H: 1, W: len(y)}, Pix: y},
		Operator: operators.JPEGSpec(p.JPEG.Format),
		Scene:    p.JPEG.Shape,
		Noise:    c.Noise,
		Range:    c.Range,
	}, nil
}

// Picture is the result x of m, a problem of p, as a picture with what p came with.
func Picture(p *imageio.Picture, m restore.Problem, x operators.Image) *imageio.Picture {
	if m.Operator.Name() == "jpeg" && p.JPEG != nil {
		x = p.JPEG.Upright(x)
	}
	return p.With(x, !m.Operator.Resamples())
}
