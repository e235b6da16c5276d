package restore

import (
	"context"
	"strconv"

	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// FindBlur estimates the blur of a problem with the operator blur:auto from its
// picture. It returns the problem with that blur as its operator, under the same
// boundary, and with the estimate in Blur. A sharp picture becomes a problem of noise
// alone. Other problems are returned unchanged. start is a guess at the kernel, nil for
// none. New calls FindBlur unless the caller has; it cannot be stopped then. The error is
// a *blind.PictureError if the picture does not show its blur, or that of ctx.
func FindBlur(ctx context.Context, p Problem, start *operators.Kernel) (Problem, error) {
	if !p.Operator.Auto() {
		return p, nil
	}
	o := blind.Options{Kind: blind.Kind(p.Operator.Get("kind")), Start: start}
	o.Size, _ = strconv.Atoi(p.Operator.Get("size"))
	if o.Size > 0 {
		o.Kind = blind.Free
	}
	if p.Noise != nil {
		o.Noise = noise.RMS(p.Noise, p.Y.Pix, p.Y.Shape)
	}
	e, err := blind.Find(ctx, p.Y, o)
	if err != nil {
		return p, err
	}
	p.Blur, p.Operator, p.Scene = &e, e.Operator(p.Operator.Boundary()), operators.Shape{}
	p.Scene, err = p.scene()
	return p, err
}
