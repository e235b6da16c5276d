// Package measured takes a picture file for the measurement that it is, for the command
// and the server: what the file says decides if the options do not.
package measured

import (
	"context"
	"fmt"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Choice has the options of the user.
type Choice struct {
	// Spec is the operator. ByFile says that the user gave none: a JPEG file decides
	// itself.
	Spec   operators.Spec
	ByFile bool
	// Noise is the model of the noise, nil for an estimate.
	Noise noise.Model
	// Range is what is black and white in the file's numbers; zero: that of the prior's
	// data, where Prior has one, else it is found out.
	Range restore.Range
	// Prior is that of the options, zero for none.
	Prior priors.Prior
	// Start is where the search of blur:auto begins, nil for no guess.
	Start *operators.Kernel
}

// A Reading is a picture as the problem that it is.
type Reading struct {
	restore.Problem
	// Choice says why the operator is what it is, "" where the file did not decide.
	Choice string
	// Remarks are what people should know, a line each.
	Remarks []string
}

// An OperatorError is an operator that the picture cannot be a measurement of.
type OperatorError struct {
	Operator operators.Spec
	Reason   string // a clause that follows the operator
}

func (e *OperatorError) Error() string { return fmt.Sprintf("operator %v %s", e.Operator, e.Reason) }

// Read is the restoration of p. It looks for a blur until ctx is done.
func Read(ctx context.Context, p *imageio.Picture, c Choice) (r Reading, err error) {
	if c.ByFile && p.JPEG != nil {
		j := restore.ChooseJPEG(p.JPEG.Format, p.JPEG.Decode(), c.Noise)
		c.Spec, c.Noise, r.Choice = j.Operator, j.Noise, j.Line
	}
	if c.Spec.Rounded() {
		r.Problem, err = rounded(p, c)
		return r, err
	}
	if !c.Spec.ImageShaped() {
		return r, &OperatorError{c.Spec, "is not measured into a picture"}
	}
	spec, err := c.Spec.Fit(p.Shape)
	if err != nil {
		return r, err
	}
	r.Problem = restore.Problem{Y: p.Image, Operator: spec, Noise: c.Noise}
	if p.JPEG != nil {
		r.Hints.Quality = p.JPEG.Format.Quality()
		if l := p.JPEG.Luma(); l != nil && c.Noise == nil {
			r.Hints.Luma = l.Decode()
		}
	}
	var remark string
	if r.Range, remark, err = scale(p, c); err != nil {
		return r, err
	}
	if remark != "" {
		r.Remarks = append(r.Remarks, remark)
	}
	if !spec.Auto() {
		r.Scene, err = spec.Scene(p.Shape)
		return r, err
	}
	if r.Problem, err = restore.FindBlur(ctx, r.Problem, c.Start); err != nil {
		return r, err
	}
	const doubtful = 0.5
	if b := r.Blur; b.Confidence < doubtful {
		r.Remarks = append(r.Remarks, fmt.Sprintf("the blur is not sure (%v): compare the result with the picture", b))
	}
	return r, nil
}

// scale is what is black and white in p's samples; zero: to be found out.
func scale(p *imageio.Picture, c Choice) (r restore.Range, remark string, err error) {
	if !c.Range.IsZero() {
		return ofSamples(p, c.Range), "", nil
	}
	if p.Bits < 32 && !deep(p) {
		r = restore.Unit // integers have a full scale
	}
	if c.Prior.IsZero() {
		return r, "", nil
	}
	net, err := c.Prior.Network()
	if err != nil {
		return r, "", err
	}
	lo, hi, ok := net.Range()
	if !ok {
		return r, "", nil
	}
	trained := ofSamples(p, restore.Range{Lo: lo, Hi: hi})
	if !trained.Suits(p.Pix) {
		return r, fmt.Sprintf("its numbers are not those of the prior, trained on %.6g to %.6g: they are mapped by themselves (--range LO:HI for others)", lo, hi), nil
	}
	return trained, "", nil
}

// deep reports whether a file of 16 bits has numbers of 14 bits or fewer, as detectors
// store them: its full scale says nothing.
func deep(p *imageio.Picture) bool {
	if p.Bits != 16 {
		return false
	}
	_, hi := p.Extent()
	return hi <= 0.25
}

// ofSamples is a range in the file's numbers as one of p's samples, which may be those
// numbers divided by their largest.
func ofSamples(p *imageio.Picture, r restore.Range) restore.Range {
	return restore.Range{Lo: r.Lo / p.Scale, Hi: r.Hi / p.Scale}
}

// rounded is the problem of what a JPEG file kept.
func rounded(p *imageio.Picture, c Choice) (restore.Problem, error) {
	switch {
	case c.Spec.Get("quality") != "":
		return restore.Problem{}, &OperatorError{c.Spec, "simulates a file; a JPEG file has its own tables: want operator jpeg"}
	case p.JPEG == nil:
		return restore.Problem{}, &OperatorError{c.Spec, "wants a JPEG file of one component or three, baseline or progressive"}
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

// Upright is a restored scene x of m, a problem of p, turned as the file says.
func Upright(p *imageio.Picture, m restore.Problem, x operators.Image) operators.Image {
	if m.Operator.Rounded() && p.JPEG != nil {
		return p.JPEG.Upright(x)
	}
	return x
}

// Picture is a restored scene x of m, a problem of p, as a picture with what p came with.
func Picture(p *imageio.Picture, m restore.Problem, x operators.Image) *imageio.Picture {
	return p.With(Upright(p, m, x), !m.Operator.Resamples())
}
