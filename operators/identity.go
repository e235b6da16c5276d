package operators

import "fmt"

// Identity is A = I, the operator of plain denoising.
type Identity struct{ shape Shape }

// NewIdentity returns the identity on images of shape s.
func NewIdentity(s Shape) *Identity { return &Identity{s} }

// Domain is the shape of x.
func (a *Identity) Domain() Shape { return a.shape }

// Codomain is the shape of y, the same.
func (a *Identity) Codomain() Shape { return a.shape }

// Apply copies x to dst.
func (a *Identity) Apply(dst, x []float32) {
	checkLen("Identity.Apply dst", len(dst), a.shape.Len())
	checkLen("Identity.Apply x", len(x), a.shape.Len())
	copy(dst, x)
}

// Adjoint copies y to dst.
func (a *Identity) Adjoint(dst, y []float32) {
	checkLen("Identity.Adjoint dst", len(dst), a.shape.Len())
	checkLen("Identity.Adjoint y", len(y), a.shape.Len())
	copy(dst, y)
}

// Norm is 1.
func (a *Identity) Norm() float64 { return 1 }

// SolveNormal computes dst = b / (1 + rho).
func (a *Identity) SolveNormal(dst, b []float32, rho float64) {
	checkLen("Identity.SolveNormal dst", len(dst), a.shape.Len())
	checkLen("Identity.SolveNormal b", len(b), a.shape.Len())
	k := float32(1 / (1 + rho))
	for i, v := range b {
		dst[i] = k * v
	}
}

func checkShape(s Shape) error {
	if s.C < 1 || s.H < 1 || s.W < 1 {
		return fmt.Errorf("operators: shape %v is empty; want at least 1x1x1", s)
	}
	return nil
}

var (
	_ Linear       = (*Identity)(nil)
	_ Normer       = (*Identity)(nil)
	_ NormalSolver = (*Identity)(nil)
)

// denoise is the zero Spec.
var denoise Spec

func init() {
	f := register(&family{
		name: "denoise", place: 1, forms: []*form{{}},
		build:   func(_ Spec, s Shape) (Linear, error) { return NewIdentity(s), nil },
		scene:   sameShape,
		support: onePixel,
	})
	denoise = f.forms[0].spec(nil)
}
