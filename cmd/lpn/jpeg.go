package main

import (
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
