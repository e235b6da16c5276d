package main

import (
	"context"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
)

func isJPEG(s operators.Spec) bool { return s.Rounded() }

// readJPEG is the problem of a picture that was read from a JPEG file.
func (o restoreOptions) readJPEG(path string, p *imageio.Picture) (restore.Problem, error) {
	switch {
	case o.spec.Get("quality") != "":
		return restore.Problem{}, usagef("%s: --operator %s measures; a file says its tables itself: --operator jpeg", path, o.spec)
	case p.JPEG == nil:
		return restore.Problem{}, usagef("%s: --operator jpeg wants a JPEG file of one component or three, baseline or progressive", path)
	}
	y := p.JPEG.Y()
	return restore.Problem{
		Y:        operators.Image{Shape: operators.Shape{C: 1, H: 1, W: len(y)}, Pix: y},
		Operator: operators.JPEGSpec(p.JPEG.Format),
		Scene:    p.JPEG.Shape,
		Noise:    o.solver.noise,
		Range:    o.scale,
	}, nil
}

// undoJPEG undoes the rounding of a small JPEG file before it is enlarged, where the
// noise is to be found: enlarged, blocks would be edges. It returns what was done, ""
// for nothing.
func (o restoreOptions) undoJPEG(ctx context.Context, path string, p *imageio.Picture, m *restore.Problem) (string, error) {
	if p.JPEG == nil || m.Operator.Name() != "sr" || o.solver.noise != nil || !o.observed.none() {
		return "", nil
	}
	// Above, what is undone goes with detail: docs/pictures.md has the figures.
	const most = 75
	if p.JPEG.Format.Quality() > most {
		return "", nil
	}
	c := restore.ChooseJPEG(p.JPEG.Format, p.Image, nil)
	if !isJPEG(c.Operator) {
		return "", nil
	}
	first := o
	first.spec, first.solver.noise = c.Operator, c.Noise
	problem, err := first.readJPEG(path, p)
	if err != nil {
		return "", err
	}
	plan, err := newPlan(problem, first.solver.Options)
	if err != nil {
		return "", err
	}
	r, err := plan.Solve(ctx, nil)
	if err != nil {
		return "", err
	}
	if y := p.JPEG.Upright(r.Image); y.Shape == m.Y.Shape {
		m.Y = y
		return c.Line + " before it is enlarged", nil
	}
	return "", nil
}
