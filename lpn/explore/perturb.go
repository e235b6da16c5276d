package explore

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/operators"
)

// A Perturbation changes a picture by a level: the direction of a path.
type Perturbation interface {
	// Kind is its name, as "noise".
	Kind() string
	// Parameter is what a level means, with its unit.
	Parameter() string
	// Levels are default levels, ascending from 0, the picture itself.
	Levels() []float64
	// Check returns an error if pictures of shape s cannot be changed by a level, a
	// *LevelError if the reason is the level.
	Check(s operators.Shape, level float64) error
	// Apply writes x changed by the level to dst, which must not overlap it. It panics
	// if Check returns an error.
	Apply(dst, x operators.Image, level float64)
}

// Perturbations has one of each kind, in the order of names, with zero fields: set the
// seed of Noise and the other picture of Mix.
func Perturbations() []Perturbation {
	return []Perturbation{Blur{}, Dim{}, Mix{}, Noise{}, Occlusion{}, Rotation{}}
}

// A LevelError says that a kind of perturbation does not have a level.
type LevelError struct {
	Kind  string
	Level float64
	Want  string
}

func (e *LevelError) Error() string { return fmt.Sprintf("%g; %s wants %s", e.Level, e.Kind, e.Want) }

// atLeast0 refuses negative levels and what is no number.
func atLeast0(p Perturbation, level float64) error {
	if !(level >= 0) || math.IsInf(level, 1) {
		return &LevelError{p.Kind(), level, "levels of at least 0"}
	}
	return nil
}

// isFinite refuses levels that are no number.
func isFinite(p Perturbation, level float64) error {
	if math.IsNaN(level) || math.IsInf(level, 0) {
		return &LevelError{p.Kind(), level, "a finite level"}
	}
	return nil
}

// must makes the errors of Check panics.
func must(err error) {
	if err != nil {
		panic("explore: " + err.Error())
	}
}

// Noise adds level times n, n Gaussian of deviation 1 and the same at every
// level.
type Noise struct{ Seed uint64 }

// Kind is "noise".
func (Noise) Kind() string { return "noise" }

// Parameter is the deviation, in samples.
func (Noise) Parameter() string { return "noise, standard deviation" }

// Levels go to 0.2.
func (Noise) Levels() []float64 { return []float64{0, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2} }

// Check requires levels of at least 0.
func (p Noise) Check(_ operators.Shape, level float64) error { return atLeast0(p, level) }

// Apply writes dst = x + level n.
func (p Noise) Apply(dst, x operators.Image, level float64) {
	must(p.Check(x.Shape, level))
	rng := rand.New(rand.NewPCG(p.Seed, 0x70617468))
	for i, v := range x.Pix {
		dst.Pix[i] = v + float32(level*rng.NormFloat64())
	}
}

// Blur is by a Gaussian, the borders mirrored.
type Blur struct{}

// Kind is "blur".
func (Blur) Kind() string { return "blur" }

// Parameter is the Gaussian's standard deviation in pixels.
func (Blur) Parameter() string { return "Gaussian blur (pixels)" }

// Levels go to 3 pixels.
func (Blur) Levels() []float64 { return []float64{0, 0.5, 1, 1.5, 2, 2.5, 3} }

// Check requires levels from 0 to what the largest kernel holds.
func (p Blur) Check(_ operators.Shape, level float64) error {
	if err := atLeast0(p, level); err != nil || level == 0 {
		return err
	}
	if 2*math.Ceil(3*level)+1 > operators.MaxKernel {
		return &LevelError{p.Kind(), level, fmt.Sprintf("at most %d pixels", (operators.MaxKernel-1)/6)}
	}
	return nil
}

// Apply convolves x with the Gaussian of the level.
func (p Blur) Apply(dst, x operators.Image, level float64) {
	must(p.Check(x.Shape, level))
	if level == 0 {
		copy(dst.Pix, x.Pix)
		return
	}
	k, err := operators.GaussianKernel(level, 0)
	must(err)
	a, err := operators.NewBlur(x.Shape, k, operators.Symmetric)
	must(err)
	a.Apply(dst.Pix, x.Pix)
}

// Mix goes from x towards another picture.
type Mix struct{ With operators.Image }

// Kind is "mix".
func (Mix) Kind() string { return "mix" }

// Parameter is the other picture's share.
func (Mix) Parameter() string { return "share of the other picture" }

// Levels go from 0 to 1.
func (Mix) Levels() []float64 { return []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1} }

// Check requires the other picture in the shape of the first.
func (p Mix) Check(s operators.Shape, level float64) error {
	if p.With.Shape != s || len(p.With.Pix) != s.Len() {
		return fmt.Errorf("to mix them both pictures must have one shape, not %v and %v", s, p.With.Shape)
	}
	return isFinite(p, level)
}

// Apply writes dst = x + level (With - x).
func (p Mix) Apply(dst, x operators.Image, level float64) {
	must(p.Check(x.Shape, level))
	for i, v := range x.Pix {
		dst.Pix[i] = v + float32(level)*(p.With.Pix[i]-v)
	}
}

// Dim lowers the intensity.
type Dim struct{}

// Kind is "intensity".
func (Dim) Kind() string { return "intensity" }

// Parameter is the fraction that is removed.
func (Dim) Parameter() string { return "dimmed by the fraction" }

// Levels go to 0.6.
func (Dim) Levels() []float64 { return []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6} }

// Check requires a finite level.
func (p Dim) Check(_ operators.Shape, level float64) error { return isFinite(p, level) }

// Apply writes dst = (1-level) x.
func (p Dim) Apply(dst, x operators.Image, level float64) {
	must(p.Check(x.Shape, level))
	for i, v := range x.Pix {
		dst.Pix[i] = v * float32(1-level)
	}
}

// Rotation turns a picture about its centre, anticlockwise, with bilinear
// interpolation, which blurs a little, and mirrored borders.
type Rotation struct{}

// Kind is "rotation".
func (Rotation) Kind() string { return "rotation" }

// Parameter is the angle in degrees.
func (Rotation) Parameter() string { return "rotation (degrees)" }

// Levels go to 45 degrees.
func (Rotation) Levels() []float64 { return []float64{0, 5, 10, 15, 20, 30, 45} }

// Check requires a finite level.
func (p Rotation) Check(_ operators.Shape, level float64) error { return isFinite(p, level) }

// Apply writes x turned by level degrees.
func (p Rotation) Apply(dst, x operators.Image, level float64) {
	must(p.Check(x.Shape, level))
	if level == 0 {
		copy(dst.Pix, x.Pix)
		return
	}
	sin, cos := math.Sincos(level * math.Pi / 180)
	cy, cx := float64(x.H-1)/2, float64(x.W-1)/2
	mirror := func(i, n int) int {
		i = ((i % (2 * n)) + 2*n) % (2 * n)
		return min(i, 2*n-1-i)
	}
	for i := range x.H {
		for j := range x.W {
			dv, du := float64(i)-cy, float64(j)-cx
			sv, su := cy+cos*dv+sin*du, cx-sin*dv+cos*du
			v0, u0 := math.Floor(sv), math.Floor(su)
			v, u := float32(sv-v0), float32(su-u0)
			a, b := mirror(int(v0), x.H), mirror(int(v0)+1, x.H)
			l, r := mirror(int(u0), x.W), mirror(int(u0)+1, x.W)
			for c := range x.C {
				p := x.Plane(c)
				dst.Pix[(c*x.H+i)*x.W+j] = (1-v)*((1-u)*p[a*x.W+l]+u*p[a*x.W+r]) + v*((1-u)*p[b*x.W+l]+u*p[b*x.W+r])
			}
		}
	}
}

// Occlusion puts a gray square over the middle.
type Occlusion struct{}

// Kind is "occlusion".
func (Occlusion) Kind() string { return "occlusion" }

// Parameter is the side of the square, as a fraction of the shorter side.
func (Occlusion) Parameter() string { return "side of a gray square, fraction of the picture's" }

// Levels go to one half.
func (Occlusion) Levels() []float64 { return []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5} }

// Check requires levels of at least 0.
func (p Occlusion) Check(_ operators.Shape, level float64) error { return atLeast0(p, level) }

// Apply writes x with 0.5 inside the square.
func (p Occlusion) Apply(dst, x operators.Image, level float64) {
	must(p.Check(x.Shape, level))
	copy(dst.Pix, x.Pix)
	side := int(math.Round(level * float64(min(x.H, x.W))))
	top, left := (x.H-side)/2, (x.W-side)/2
	for c := range x.C {
		for i := max(0, top); i < min(x.H, top+side); i++ {
			for j := max(0, left); j < min(x.W, left+side); j++ {
				dst.Pix[(c*x.H+i)*x.W+j] = 0.5
			}
		}
	}
}
