package main

import (
	"context"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/restore"
)

// undoJPEG undoes the rounding of a small JPEG file before it is enlarged, where every
// sample counts alike. It returns what was done, "" for nothing.
func (o restoreOptions) undoJPEG(ctx context.Context, p *imageio.Picture, m *restore.Problem) (string, error) {
	if !o.undoesJPEG() {
		return "", nil
	}
	line, err := measured.UndoJPEG(ctx, m, p, o.scale, o.solver.Options)
	return line, asUsage(err)
}

// undoesJPEG says that the flags leave open what a small JPEG file is enlarged from.
func (o restoreOptions) undoesJPEG() bool { return o.solver.noise == nil && o.observed.none() }
