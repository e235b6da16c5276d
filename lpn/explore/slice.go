package explore

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
)

// A Direction is one axis of a plane through a picture.
type Direction struct {
	// Name is what results call it.
	Name string
	// Vector returns the direction at the picture x, of any length but 0; y is
	// the dual point, f(y) = x.
	Vector func(x operators.Image, y []float32) ([]float32, error)
}

// Random is a direction of independent Gaussian samples.
func Random(seed uint64) Direction {
	return Direction{"noise", func(x operators.Image, _ []float32) ([]float32, error) {
		rng := rand.New(rand.NewPCG(seed, 0x736c696365))
		d := make([]float32, x.Len())
		for i := range d {
			d[i] = float32(rng.NormFloat64())
		}
		return d, nil
	}}
}

// Descent is against the gradient of R, which is y - x.
func Descent() Direction {
	return Direction{"grad", func(x operators.Image, y []float32) ([]float32, error) {
		return minus(x.Pix, y), nil
	}}
}

// Smoothing is towards the picture blurred by a Gaussian of deviation sigma, in
// pixels.
func Smoothing(sigma float64) Direction {
	return Direction{"blur", func(x operators.Image, _ []float32) ([]float32, error) {
		if err := (Blur{}).Check(x.Shape, sigma); err != nil {
			return nil, err
		}
		m := operators.NewImage(x.Shape)
		Blur{}.Apply(m, x, sigma)
		return minus(m.Pix, x.Pix), nil
	}}
}

// Towards is towards another picture of the same shape.
func Towards(name string, other operators.Image) Direction {
	return Direction{name, func(x operators.Image, _ []float32) ([]float32, error) {
		if other.Shape != x.Shape {
			return nil, fmt.Errorf("%s is %v, the image %v", name, other.Shape, x.Shape)
		}
		return minus(other.Pix, x.Pix), nil
	}}
}

// minus is a - b.
func minus(a, b []float32) []float32 {
	d := make([]float32, len(a))
	for i := range d {
		d[i] = a[i] - b[i]
	}
	return d
}

// A Plane is a set of pictures x + a u + b v, and what to evaluate there.
type Plane struct {
	// U and V are the directions. v is made orthogonal to u, and both get the length of
	// noise at the prior's sigma, sigma sqrt(n) for n samples.
	U, V Direction
	// Span S: a and b run from -S to S. Default 1.
	Span float64
	// Grid is the number of values of a, and of b: at least 2. Default 15.
	Grid int
	// Fidelity, if not nil, is added, in nats. With h(x)/s^2 for a measurement with
	// noise of deviation s, the sum is the objective of a solver.
	Fidelity func(x []float32) float64
}

// A PlaneError says that two directions do not span a plane: Direction is zero
// or, up to rounding, along Other.
type PlaneError struct{ Direction, Other string }

func (e *PlaneError) Error() string {
	return fmt.Sprintf("%s does not span a plane with %s", e.Direction, e.Other)
}

// A SliceResult is R/sigma^2 on a plane through a picture, which is at (0,0).
type SliceResult struct {
	Prior string `json:"prior"`
	// U and V name the directions.
	U string `json:"u"`
	V string `json:"v"`
	// Length is that of u and of v: one unit of A and B, in samples.
	Length float64 `json:"length"`
	// Unit is that of Z and Gaps, "nats".
	Unit string `json:"unit"`
	// Fidelity says that Z holds h/s^2 + R/sigma^2, not R/sigma^2 alone.
	Fidelity bool `json:"fidelity"`
	// A and B are the coordinates, ascending; the other lists have the point
	// (A[i],B[j]) at j*len(A)+i.
	A Numbers `json:"a"`
	B Numbers `json:"b"`
	// Z is a lower bound by at most the gap; NaN for a point out of range.
	Z         Numbers `json:"z"`
	Residuals Numbers `json:"residuals"`
	Gaps      Numbers `json:"gaps"`

	centre operators.Image
	axes   [2][]float32
}

// At is the picture x + a u + b v.
func (r SliceResult) At(a, b float64) operators.Image {
	m := operators.NewImage(r.centre.Shape)
	for i, v := range r.centre.Pix {
		m.Pix[i] = v + float32(a)*r.axes[0][i] + float32(b)*r.axes[1][i]
	}
	return m
}

// Project is the point (a,b) of the plane nearest to a picture of its shape, such as an
// iterate of a solver, and the distance of the picture from the plane, in units of
// Length.
func (r SliceResult) Project(m []float32) (a, b, off float64) {
	d := make([]float32, len(r.centre.Pix))
	for i, v := range r.centre.Pix {
		d[i] = m[i] - v
	}
	unit := r.Length * r.Length
	a, b = kernel.Dot(d, r.axes[0])/unit, kernel.Dot(d, r.axes[1])/unit
	return a, b, math.Sqrt(max(0, kernel.Dot(d, d)/unit-a*a-b*b))
}

// Slice evaluates R/sigma^2 on a grid of a plane through x, on all cores. Progress
// counts the rows of the grid. The error is a *RangeError if x is out of the range of
// f; other points may be.
func Slice(ctx context.Context, p Prior, x operators.Image, plane Plane, progress Progress) (SliceResult, error) {
	span, n := plane.Span, plane.Grid
	if span == 0 {
		span = 1
	}
	if n == 0 {
		n = 15
	}
	if n < 2 || !(span > 0) || math.IsInf(span, 1) {
		return SliceResult{}, fmt.Errorf("a plane of %dx%d points and span %v", n, n, span)
	}
	prior, v, err := p.at(ctx, x)
	if err != nil {
		return SliceResult{}, err
	}
	r := SliceResult{Prior: p.Name, U: plane.U.Name, V: plane.V.Name, Unit: "nats", Fidelity: plane.Fidelity != nil,
		Length: p.Sigma * math.Sqrt(float64(x.Len()))}
	axes, err := plane.axes(x, v.Dual, r.Length)
	if err != nil {
		return SliceResult{}, err
	}
	r.centre, r.axes = x, axes
	for i := range n {
		c := span * (2*float64(i)/float64(n-1) - 1)
		r.A, r.B = append(r.A, c), append(r.B, c)
	}
	unit := p.nats()
	for j, b := range r.B {
		points := row(x, axes, r.A, b)
		for v := range prior.Along(points.seq) {
			if err := ctx.Err(); err != nil {
				return SliceResult{}, err
			}
			z := v.R / unit
			if plane.Fidelity != nil {
				z += plane.Fidelity(points.at)
			}
			r.Z, r.Residuals, r.Gaps = append(r.Z, z), append(r.Residuals, v.Residual), append(r.Gaps, v.Gap/unit)
		}
		progress.at(j+1, n)
	}
	return r, ctx.Err()
}

// axes are u and v at x, orthogonal and of the given length.
func (p Plane) axes(x operators.Image, y []float32, length float64) (axes [2][]float32, err error) {
	names := [2]string{p.U.Name, p.V.Name}
	for k, d := range [2]Direction{p.U, p.V} {
		if axes[k], err = d.Vector(x, y); err != nil {
			return axes, err
		}
	}
	if k := kernel.Dot(axes[0], axes[0]); k > 0 {
		k = kernel.Dot(axes[0], axes[1]) / k
		for i := range axes[1] {
			axes[1][i] -= float32(k) * axes[0][i]
		}
	}
	for k := range axes {
		n := math.Sqrt(kernel.Dot(axes[k], axes[k]))
		if !(n > 1e-6*length) {
			return axes, &PlaneError{names[k], names[1-k]}
		}
		for i := range axes[k] {
			axes[k][i] *= float32(length / n)
		}
	}
	return axes, nil
}

// points are pictures that follow each other, each in the memory of the one
// before: at.
type points struct {
	at  []float32
	seq iter.Seq[[]float32]
}

// row are the pictures x + a u + b v for all of as.
func row(x operators.Image, axes [2][]float32, as []float64, b float64) points {
	at := make([]float32, x.Len())
	return points{at, func(yield func([]float32) bool) {
		for _, a := range as {
			for i := range at {
				at[i] = x.Pix[i] + float32(a)*axes[0][i] + float32(b)*axes[1][i]
			}
			if !yield(at) {
				return
			}
		}
	}}
}

// Least are the coordinates of the least value on the grid.
func (r SliceResult) Least() (a, b float64) {
	low := 0
	for k, v := range r.Z {
		if v < r.Z[low] || math.IsNaN(r.Z[low]) {
			low = k
		}
	}
	return r.A[low%len(r.A)], r.B[low/len(r.A)]
}

// OutOfRange counts the points without a value.
func (r SliceResult) OutOfRange() int {
	n := 0
	for _, v := range r.Z {
		if math.IsNaN(v) {
			n++
		}
	}
	return n
}
