package restore

import (
	"context"
	"strconv"

	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// FindBlur returns the problem with the blur that its picture shows in place of
// blur:auto, which keeps its boundary, and what was found in Blur; other problems as
// they are. start is a guess at the kernel, nil for none. A sharp picture becomes
// one that is only noisy. New calls it where it was not called before, and cannot be stopped
// then. The error is a *blind.PictureError where the picture does not tell, or that of ctx,
// which is heeded within a second.
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
