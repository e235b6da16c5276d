package main

import (
	"context"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/restore"
)

// undoJPEG undoes the rounding of a small JPEG file before it is enlarged, where the
// noise is to be found: enlarged, blocks would be edges. It returns what was done, ""
// for nothing.
func (o restoreOptions) undoJPEG(ctx context.Context, p *imageio.Picture, m *restore.Problem) (string, error) {
	if p.JPEG == nil || !m.Operator.Resamples() || o.solver.noise != nil || !o.observed.none() {
		return "", nil
	}
	// Above, what is undone goes with detail: docs/pictures.md has the figures.
	const most = 75
	if p.JPEG.Format.Quality() > most {
		return "", nil
	}
	c := restore.ChooseJPEG(p.JPEG.Format, p.Image, nil)
	if !c.Operator.Rounded() {
		return "", nil
	}
	first, err := measured.Read(ctx, p, measured.Choice{Spec: c.Operator, Noise: c.Noise, Range: o.scale})
	if err != nil {
		return "", err
	}
	plan, err := newPlan(first.Problem, o.solver.Options)
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
