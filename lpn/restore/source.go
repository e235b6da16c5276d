package restore

import (
	"fmt"
	"slices"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Source is a measurement that is too large to be held, and is read window by window.
// Goroutines may share it, and it says the same every time.
type Source interface {
	Shape() operators.Shape
	// ReadAt fills dst, of as many channels, with the samples from row y and column x on.
	ReadAt(dst operators.Image, y, x int) error
}

// Over is the plan of a measurement that is too large to be held. p is the plan of a
// sample of it, such as squares from all over it: what p decided - noise, range, light,
// the scale of brightness - holds for src, and what must hold everywhere, that the
// channels are equal, is looked up in all of it. The rest is as New decides it for windows
// as wide as window, halo included (Options.Window). Only the operators that are cut into
// windows go over a Source, with noise that is not given sample by sample; others are a
// *MemoryError, and so is a picture that one window covers. An error of src is returned.
func (p *Plan) Over(src Source, window int) (*Plan, error) {
	s := src.Shape()
	q := *p
	q.source, q.a, q.psi, q.Windows = src, nil, nil, nil
	q.options.Window = window
	q.problem.Y, q.problem.Truth, q.problem.Scene = operators.Image{Shape: s}, nil, operators.Shape{}
	if q.Gray {
		equal, err := alike(src)
		if err != nil {
			return nil, err
		}
		if q.Gray = equal; equal {
			q.problem.Y.C = 1
		}
	}
	q.untreated = q.problem.Y
	var err error
	if q.Scene, err = q.problem.scene(); err != nil {
		return nil, err
	}
	q.FrameH, q.FrameW = q.Operator.Frame(q.problem.Y.Shape, q.Scene)
	whole := func(why string) error { return &MemoryError{q.Scene, q.Memory, why} }
	model := q.NoiseModel
	if c, ok := model.(noise.Correlated); ok {
		model = c.Model
	}
	switch _, mapped := model.(noise.Map); {
	case q.problem.Missing != nil || mapped:
		return nil, whole("what is told sample by sample is not cut into windows")
	case q.Range.Lo != 0 && !q.passesConstants():
		return nil, whole("beyond whose edges lies black, is not cut into windows")
	case q.policy.rounded:
		return nil, whole("a JPEG file is read as a whole")
	}
	for _, decide := range []func() error{q.decidePrior, q.decideMemory, q.decideWeight} {
		if err := decide(); err != nil {
			return nil, err
		}
	}
	if q.Windows == nil {
		return nil, whole("it is not cut into windows")
	}
	q.Why = q.reasons()
	return &q, q.bind()
}

// read fills dst with the samples of the source from row y and column x on, as the
// problem has them: in the range, on the scale of the treatment, one channel where the
// source's are equal.
func (p *Plan) read(dst operators.Image, y, x int) error {
	all := dst
	if p.Gray {
		all = operators.NewImage(operators.Shape{C: p.source.Shape().C, H: dst.H, W: dst.W})
	}
	if err := p.source.ReadAt(all, y, x); err != nil {
		return err
	}
	copy(dst.Pix, all.Pix)
	if p.Range != Unit {
		copy(dst.Pix, shifted(dst, []float32{float32(p.Range.Lo)}, p.Range.span()).Pix)
	}
	if p.treatment != nil && p.treatment.Stabiliser != nil {
		p.treatment.Stabiliser.Forward(dst.Pix, dst.Pix)
	}
	return nil
}

// alike reports whether the channels of a source are equal everywhere.
func alike(src Source) (bool, error) {
	const side = 1024
	s := src.Shape()
	for y := 0; y < s.H; y += side {
		for x := 0; x < s.W; x += side {
			m := operators.NewImage(operators.Shape{C: s.C, H: min(side, s.H-y), W: min(side, s.W-x)})
			if err := src.ReadAt(m, y, x); err != nil {
				return false, fmt.Errorf("at row %d, column %d: %w", y, x, err)
			}
			for c := range s.C {
				if !slices.Equal(m.Plane(c), m.Plane(0)) {
					return false, nil
				}
			}
		}
	}
	return true, nil
}
