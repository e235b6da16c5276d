package explore

import (
	"context"

	"github.com/lpn-imaging/lpn/operators"
)

// A MapResult is R/sigma^2 of a picture as a sum over the pixels.
type MapResult struct {
	Prior string `json:"prior"`
	// Unit is that of Values, Total, Gap and Quadrature: "nats".
	Unit   string `json:"unit"`
	Height int    `json:"height"`
	Width  int    `json:"width"`
	// Values holds the part of pixel (y,x) at y*Width+x, all channels together.
	// The parts sum to Total.
	Values Numbers `json:"values"`
	// Total is R/sigma^2 of the picture, a lower bound by at most Gap; Residual is
	// that of the inversion, relative.
	Total    Number `json:"total"`
	Residual Number `json:"residual"`
	Gap      Number `json:"gap"`
	// Quadrature is the error of the rule of 8 points that splits psi. It is divided
	// evenly among all pixels.
	Quadrature Number `json:"quadrature"`
}

// Map splits R/sigma^2 at x into one part for each pixel (lpn.Prior.Decompose) and
// smooths them with a Gaussian of deviation smooth, in pixels; 0 does not smooth. The
// error is a *RangeError if the picture is out of the range of f.
func Map(ctx context.Context, p Prior, x operators.Image, smooth float64) (MapResult, error) {
	plane := operators.Shape{C: 1, H: x.H, W: x.W}
	if err := (Blur{}).Check(plane, smooth); err != nil {
		return MapResult{}, err
	}
	prior, v, err := p.at(ctx, x)
	if err != nil {
		return MapResult{}, err
	}
	parts, missed := prior.Decompose(v.Dual, x.C)
	if err := ctx.Err(); err != nil {
		return MapResult{}, err
	}
	unit := p.nats()
	pixel := operators.NewImage(plane)
	for i, r := range parts {
		pixel.Pix[i%len(pixel.Pix)] += float32(r / unit)
	}
	if smooth > 0 {
		m := operators.NewImage(plane)
		Blur{}.Apply(m, pixel, smooth)
		pixel = m
	}
	r := MapResult{Prior: p.Name, Unit: "nats", Height: x.H, Width: x.W, Values: make(Numbers, plane.Len()),
		Total: Number(v.R / unit), Residual: Number(v.Residual), Gap: Number(v.Gap / unit), Quadrature: Number(missed / unit)}
	sum := 0.0
	for i, part := range pixel.Pix {
		r.Values[i] = float64(part)
		sum += r.Values[i]
	}
	// The last digits of single precision are shared by all.
	for i := range r.Values {
		r.Values[i] += (v.R/unit - sum) / float64(len(r.Values))
	}
	return r, nil
}
