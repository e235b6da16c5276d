package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Mask is inpainting: A = diag(m) with m in {0,1}; a missing pixel is measured
// as 0, in every channel.
type Mask struct {
	shape Shape
	keep  []bool // h x w
}

// NewMask returns the operator that keeps the pixels of shape s at which keep (s.H*s.W
// entries) is set. It returns an error if no pixel is kept.
func NewMask(s Shape, keep []bool) (*Mask, error) {
	if err := checkShape(s); err != nil {
		return nil, err
	}
	checkLen("NewMask", len(keep), s.H*s.W)
	for _, k := range keep {
		if k {
			return &Mask{s, append([]bool(nil), keep...)}, nil
		}
	}
	return nil, fmt.Errorf("operators: the mask keeps no pixel of %dx%d", s.H, s.W)
}

// NewMaskImage returns the operator that keeps the pixels at which m, averaged over
// its channels, is at least half of its largest value: white is known, black is
// missing, whether white is 255, 1 or true. The height and width must be those of s.
func NewMaskImage(s Shape, m Image) (*Mask, error) {
	if m.H != s.H || m.W != s.W {
		return nil, fmt.Errorf("operators: mask of %dx%d for a picture of %dx%d; want the same size", m.H, m.W, s.H, s.W)
	}
	sum, white := make([]float64, s.H*s.W), 0.0
	for i := range sum {
		for c := range m.C {
			sum[i] += float64(m.Plane(c)[i])
		}
		if math.IsNaN(sum[i]) {
			return nil, fmt.Errorf("operators: mask pixel (%d,%d) is not a number", i/s.W, i%s.W)
		}
		white = max(white, sum[i])
	}
	keep := make([]bool, len(sum))
	for i, v := range sum {
		keep[i] = white > 0 && v >= white/2
	}
	return NewMask(s, keep)
}

// NewRandomMask keeps round(ratio*H*W) pixels, at least one, drawn without
// replacement. ratio is the fraction that is KEPT, in (0,1].
func NewRandomMask(s Shape, ratio float64, rng *rand.Rand) (*Mask, error) {
	if err := checkShape(s); err != nil {
		return nil, err
	}
	if !(ratio > 0 && ratio <= 1) {
		return nil, fmt.Errorf("operators: mask ratio %v; want the fraction of pixels kept, in (0,1]", ratio)
	}
	n := s.H * s.W
	keep := make([]bool, n)
	for _, i := range rng.Perm(n)[:max(1, int(math.Round(ratio*float64(n))))] {
		keep[i] = true
	}
	return NewMask(s, keep)
}

// Domain is the shape of x.
func (a *Mask) Domain() Shape { return a.shape }

// Codomain is the shape of y, the same.
func (a *Mask) Codomain() Shape { return a.shape }

// Kept says whether pixel (y,x) is measured.
func (a *Mask) Kept(y, x int) bool { return a.keep[y*a.shape.W+x] }

// Selects reports whether sample i is kept.
func (a *Mask) Selects(i int) bool { return a.keep[i%len(a.keep)] }

// Apply copies the known pixels of x to dst and blackens the others.
func (a *Mask) Apply(dst, x []float32) {
	checkLen("Mask.Apply dst", len(dst), a.shape.Len())
	checkLen("Mask.Apply x", len(x), a.shape.Len())
	n := len(a.keep)
	for c := range a.shape.C {
		d, s := dst[c*n:(c+1)*n], x[c*n:(c+1)*n]
		for i, k := range a.keep {
			if k {
				d[i] = s[i]
			} else {
				d[i] = 0
			}
		}
	}
}

// Adjoint is Apply: A is symmetric.
func (a *Mask) Adjoint(dst, y []float32) { a.Apply(dst, y) }

// Norm is 1.
func (a *Mask) Norm() float64 { return 1 }

// SolveNormal divides by m + rho.
func (a *Mask) SolveNormal(dst, b []float32, rho float64) {
	checkLen("Mask.SolveNormal dst", len(dst), a.shape.Len())
	checkLen("Mask.SolveNormal b", len(b), a.shape.Len())
	known, missing := float32(1/(1+rho)), float32(1/rho)
	n := len(a.keep)
	for c := range a.shape.C {
		d, s := dst[c*n:(c+1)*n], b[c*n:(c+1)*n]
		for i, k := range a.keep {
			if k {
				d[i] = known * s[i]
			} else {
				d[i] = missing * s[i]
			}
		}
	}
}

var (
	_ Linear       = (*Mask)(nil)
	_ Normer       = (*Mask)(nil)
	_ NormalSolver = (*Mask)(nil)
)

func init() {
	register(&family{
		name: "inpaint", place: 4, masked: true,
		forms: []*form{{
			fields: []field{
				{key: "mask", kind: file},
				{key: "ratio", kind: number, hi: 1, open: true},
				{key: "seed", kind: seed, hi: 1 << 53},
			},
			complete: completeMask,
			either:   true,
		}},
		check: func(m Image) error {
			_, err := NewMaskImage(Shape{1, m.H, m.W}, m)
			return err
		},
		build: func(sp Spec, s Shape) (Linear, error) {
			if sp.File() != "" {
				return NewMaskImage(s, sp.Data())
			}
			return NewRandomMask(s, sp.float("ratio"), rand.New(rand.NewPCG(sp.seed(), 0x6d61736b)))
		},
		scene:   sameShape,
		support: onePixel,
	})
}

// completeMask checks that either a file or a ratio is given.
func completeMask(v values) error {
	_, mask := v["mask"]
	_, ratio := v["ratio"]
	_, seed := v["seed"]
	switch {
	case mask == ratio:
		return fmt.Errorf("want either mask=FILE or ratio=R")
	case mask && seed:
		return fmt.Errorf("seed goes with ratio, not with mask")
	case ratio && !seed:
		v["seed"] = "0"
	}
	return nil
}
