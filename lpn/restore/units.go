package restore

import (
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/unitrange"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// A Range holds the samples that are black and white: the prior is applied to
// (v-Lo)/(Hi-Lo) for a sample v of the scene. Priors are trained on samples in [0,1]; numbers
// in other units - counts, attenuations, Hounsfield units - are mapped there, and
// the result is mapped back. The zero Range is none.
type Range struct{ Lo, Hi float64 }

// Unit is the range of an image file's integers.
var Unit = Range{0, 1}

// IsZero reports whether r is no range.
func (r Range) IsZero() bool { return r == Range{} }

func (r Range) span() float64 { return r.Hi - r.Lo }

// valid reports whether r maps to [0,1] at all.
func (r Range) valid() bool {
	return r.span() > 0 && !math.IsInf(r.span(), 0) && math.Abs(r.Lo) <= math.MaxFloat32
}

// back maps an image from [0,1] to the range, in place.
func (r Range) back(x []float32) {
	if r == Unit {
		return
	}
	for i, v := range x {
		x[i] = float32(r.Lo + r.span()*float64(v))
	}
}

// robust is the range of samples without the darkest and the brightest
// thousandth, the zero Range where they are all equal or none is finite.
func robust(x []float32) Range {
	const most = 1 << 18 // enough to find quantiles by
	step := max(1, len(x)/most)
	var v []float32
	for i := 0; i < len(x); i += step {
		if !math.IsNaN(float64(x[i])) && !math.IsInf(float64(x[i]), 0) {
			v = append(v, x[i])
		}
	}
	if len(v) == 0 {
		return Range{}
	}
	var r Range
	if r.Lo, r.Hi = unitrange.Robust(v); !r.valid() {
		return Range{}
	}
	return r
}

// likeUnit reports whether a scene with these samples is taken to be in [0,1] already.
func (r Range) likeUnit() bool { return unitrange.Like(r.Lo, r.Hi) }

// Suits reports whether samples, mapped by the range, look like those of a picture in
// [0,1]: none is far outside, and they are not all in a small part.
func (r Range) Suits(x []float32) bool {
	s := robust(x)
	return r.valid() && !s.IsZero() && Range{(s.Lo - r.Lo) / r.span(), (s.Hi - r.Lo) / r.span()}.likeUnit()
}

// mostlyDark reports whether three quarters of the samples lie in the darkest tenth of the
// range, as between stars or beads.
func (r Range) mostlyDark(x []float32) bool {
	limit, dark := float32(r.Lo+r.span()/10), 0
	for _, v := range x {
		if v < limit {
			dark++
		}
	}
	return 4*dark > 3*len(x)
}

// decideRange finds the range of the scene where the problem does not tell, and
// takes the problem to [0,1].
func (p *Plan) decideRange() error {
	p.judgeMask()
	if err := p.findRange(); err != nil {
		return err
	}
	if err := p.normalise(); err != nil {
		return err
	}
	p.blank()
	return nil
}

// findRange finds the range of the scene where the problem does not tell: the robust
// one, so that the same measurement in other units gives the same image in those units.
// A prior of the options that knows other things than photographs, such as digits, has
// units of its own: for it, samples whose noise is given are taken to be in [0,1] where
// they look like it.
func (p *Plan) findRange() error {
	switch r := p.problem.Range; {
	case p.policy.rounded:
		if !r.IsZero() && r != Unit {
			return &OptionError{"range", "goes with other pictures; a JPEG file's is from 0 to 1"}
		}
		p.Range = Unit
		return nil
	case !r.IsZero():
		if !r.valid() {
			return &OptionError{"range", fmt.Sprintf("from %v to %v; want two finite numbers, the first below the second", r.Lo, r.Hi)}
		}
		p.Range = r
		return nil
	case p.Operator.ImageShaped():
		r = robust(p.known().Pix)
		special := !p.options.Prior.IsZero() && !p.options.Prior.Natural
		if r.likeUnit() && p.problem.Noise != nil && special || r.IsZero() {
			r = Unit
		}
		p.Range = r
		p.lights = r != Unit && p.policy.start == startQuadratic && r.mostlyDark(p.known().Pix)
		return nil
	}
	// What is not an image has the range of the scene that explains it.
	a, err := p.problem.build(p.Scene)
	if err != nil {
		return err
	}
	p.Range = Unit
	x := make([]float32, p.Scene.Len())
	norm := operators.Norm(a)
	solvers.Tikhonov{A: a, Mu: 1e-2 * norm * norm, Tol: 1e-2}.Solve(x, p.problem.Y.Pix)
	if r := robust(x); !r.IsZero() {
		p.Range = r
	}
	return nil
}

// normalise takes the measurement, and the truth, from the range to [0,1]:
// y - Lo A1 over the span. The noise follows in decideNoise.
func (p *Plan) normalise() error {
	r := p.Range
	if r == Unit {
		return nil
	}
	dark := []float32{float32(r.Lo)} // Lo A1, one number where A1 is 1
	if r.Lo != 0 && !p.passesConstants() {
		a, err := p.problem.build(p.Scene)
		if err != nil {
			return err
		}
		flat := make([]float32, a.Domain().Len())
		for i := range flat {
			flat[i] = float32(r.Lo)
		}
		dark = make([]float32, a.Codomain().Len())
		a.Apply(dark, flat)
	}
	p.problem.Y = shifted(p.problem.Y, dark, r.span())
	if t := p.problem.Truth; t != nil {
		n := shifted(*t, []float32{float32(r.Lo)}, r.span())
		p.problem.Truth = &n
	}
	return nil
}

// passesConstants reports whether A takes a constant scene to a constant
// measurement of the same value.
func (p *Plan) passesConstants() bool {
	return p.policy.alone || p.policy.windows && p.Operator.Boundary() != operators.Zero
}

// shifted is (m-dark)/span.
func shifted(m operators.Image, dark []float32, span float64) operators.Image {
	out := operators.Image{Shape: m.Shape, Pix: make([]float32, len(m.Pix))}
	for i, v := range m.Pix {
		out.Pix[i] = float32(float64(v-dark[i%len(dark)]) / span)
	}
	return out
}

// decideChannels reduces a colour measurement with equal channels, as a gray scan
// stored in colour, to one of them. Every operator treats channels alike.
func (p *Plan) decideChannels() {
	y := p.problem.Y
	if p.policy.rounded {
		p.grayJPEG()
		return
	}
	if p.Scene.C != 3 || len(y.Pix) != y.Len() || !equalChannels(y) {
		return
	}
	n := y.H * y.W
	if m := p.problem.Missing; m != nil {
		if !slices.Equal(m[:n], m[n:2*n]) || !slices.Equal(m[:n], m[2*n:]) {
			return
		}
		p.problem.Missing = m[:n]
	}
	if m, ok := p.problem.Noise.(noise.Map); ok && len(m.Deviation.Pix) == 3*n {
		if !equalChannels(m.Deviation) {
			return
		}
		p.problem.Noise = noise.Map{Deviation: operators.Image{Shape: operators.Shape{C: 1, H: y.H, W: y.W}, Pix: m.Deviation.Pix[:n]}}
	}
	p.Gray = true
	p.problem.Y = operators.Image{Shape: operators.Shape{C: 1, H: y.H, W: y.W}, Pix: y.Pix[:n]}
	p.Scene.C, p.problem.Scene.C = 1, 1
	if t := p.problem.Truth; t != nil && t.C == 3 {
		p.problem.Truth = &operators.Image{Shape: operators.Shape{C: 1, H: t.H, W: t.W}, Pix: t.Pix[:t.H*t.W]}
	}
}

// equalChannels reports whether an image is a gray one in colour.
func equalChannels(m operators.Image) bool {
	return m.C == 3 && slices.Equal(m.Plane(0), m.Plane(1)) && slices.Equal(m.Plane(0), m.Plane(2))
}
