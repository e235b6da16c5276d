package operators

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
)

// A Beam is the shape of the beam of a tomograph.
type Beam int

const (
	Parallel  Beam = iota // rays side by side, as of a synchrotron
	FanFlat               // rays from a point to a straight detector
	FanCurved             // rays from a point to a detector on an arc around it
)

var beamNames = []string{"parallel", "fan-flat", "fan-curved"}

func (b Beam) String() string {
	if b < Parallel || b > FanCurved {
		return fmt.Sprintf("Beam(%d)", int(b))
	}
	return beamNames[b]
}

// A Geometry says where the rays of a tomograph run. The axis of rotation goes through
// pixel (H/2, W/2), rounded down; the value of a pixel is that at its index. With
//
//	u = (cos theta, sin theta),  e = (-sin theta, cos theta)  in (row, column),
//	s(d) = Spacing (d - Detectors/2) + Offset,  half the detectors rounded down,
//
// ray d of the view at theta runs in a parallel beam along u through the point
// s(d) e; in a fan from the source at -Source u to the point Detector u + s(d) e,
// or on a curved detector to the point of the arc around the source at the angle
// s(d)/(Source+Detector) from u. So a fan of a distant source is a parallel beam.
// The file docs/measure.md translates the conventions of other programs.
type Geometry struct {
	Beam Beam
	// Angles are the views' theta in degrees, in any order.
	Angles []float64
	// Detectors is the number of rays a view. Default: as many as see all of the
	// scene.
	Detectors int
	// Spacing is the distance of neighbouring detectors, along the arc where it is
	// curved. Default: such that the rays are a pixel apart at the axis.
	Spacing float64
	// Offset moves all detectors along e. It is Spacing (Detectors/2 - c) if detector c
	// measures the ray through the axis.
	Offset float64
	// Source and Detector are the distances of a fan's source and detector from the
	// axis; Detector may be 0.
	Source, Detector float64
	// Pixel is the side of a pixel in the unit of all other lengths and of the line
	// integrals. Default 1.
	Pixel float64
}

// Centre is the number of the detector, counted from 0, that measures the ray through
// the axis.
func (g Geometry) Centre() float64 { return float64(g.Detectors/2) - g.Offset/g.Spacing }

// magnification is how much larger the shadow on the detector is than the object at
// the axis.
func (g Geometry) magnification() float64 {
	if g.Beam == Parallel {
		return 1
	}
	return (g.Source + g.Detector) / g.Source
}

// complete checks g for scenes of shape s and fills in what is left open.
func (g Geometry) complete(s Shape) (Geometry, error) {
	if err := checkShape(s); err != nil {
		return g, err
	}
	if g.Pixel == 0 {
		g.Pixel = 1
	}
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	radius := math.Hypot(float64(s.H), float64(s.W)) / 2 * g.Pixel
	switch {
	case len(g.Angles) == 0 || g.Detectors < 0:
		return g, fmt.Errorf("operators: %d angles and %d detectors; want at least 1 and 0", len(g.Angles), g.Detectors)
	case !(g.Pixel > 0) || !finite(g.Pixel):
		return g, fmt.Errorf("operators: pixels of side %v; want a positive length", g.Pixel)
	case !(g.Spacing >= 0) || !finite(g.Spacing):
		return g, fmt.Errorf("operators: detectors %v apart; want a positive distance", g.Spacing)
	case !finite(g.Offset):
		return g, fmt.Errorf("operators: detector offset %v; want a finite length", g.Offset)
	case g.Beam != Parallel && (!(g.Source > radius) || !finite(g.Source)):
		return g, fmt.Errorf("operators: source %v from the axis; want it outside the scene, further than %.4g", g.Source, radius)
	case g.Beam != Parallel && (!(g.Detector >= 0) || !finite(g.Detector)):
		return g, fmt.Errorf("operators: detector %v from the axis; want a distance of at least 0", g.Detector)
	}
	for i, a := range g.Angles {
		if !finite(a) {
			return g, fmt.Errorf("operators: angle %d is %v; want degrees", i, a)
		}
	}
	if g.Spacing == 0 {
		g.Spacing = g.Pixel * g.magnification()
	}
	if rays := g.Spacing / g.Pixel / g.magnification(); !(rays >= 1e-3 && rays <= 1e3) {
		return g, fmt.Errorf("operators: rays %.3g pixels apart at the axis; want about one: check the lengths and their unit", rays)
	}
	if g.Detectors == 0 {
		half := radius
		switch g.Beam {
		case FanFlat:
			half = (g.Source + g.Detector) * math.Tan(math.Asin(radius/g.Source))
		case FanCurved:
			half = (g.Source + g.Detector) * math.Asin(radius/g.Source)
		}
		g.Detectors = int(math.Ceil(2 * (half + math.Abs(g.Offset)) / g.Spacing))
	}
	if g.Detectors > 1<<15 || len(g.Angles) > 1<<14 {
		return g, fmt.Errorf("operators: %d angles of %d detectors; want at most %d and %d", len(g.Angles), g.Detectors, 1<<14, 1<<15)
	}
	g.Angles = slices.Clone(g.Angles)
	return g, nil
}

// s is the place of detector d along the detector.
func (g Geometry) s(d float64) float64 { return g.Spacing*(d-float64(g.Detectors/2)) + g.Offset }

// A Tomograph measures line integrals of a scene: *Radon or *Fan.
type Tomograph interface {
	Linear
	Normer
	NormalPreconditioner
	// Geometry is where the rays run, with nothing left open.
	Geometry() Geometry
	// Reconstruct writes the filtered back-projection of the sinogram y to dst.
	Reconstruct(dst, y []float32, w Window)
}

// beams is what every Tomograph knows of itself.
type beams struct {
	domain, codomain Shape
	g                Geometry
	norm             func() float64
	ramp             func() *circulant
}

// newBeams takes a complete geometry, and what makes the tomograph of another scene.
func newBeams(s Shape, g Geometry, of func(Shape) Linear) beams {
	return beams{
		domain: s, codomain: Shape{s.C, len(g.Angles), g.Detectors}, g: g,
		norm: sync.OnceValue(func() float64 { return positiveNorm(of(Shape{1, s.H, s.W}), 100, 1e-3) }),
		ramp: onceRamp(s, g),
	}
}

// Domain is the shape of the scene.
func (b *beams) Domain() Shape { return b.domain }

// Codomain is C x angles x detectors.
func (b *beams) Codomain() Shape { return b.codomain }

// Geometry is where the rays run.
func (b *beams) Geometry() Geometry { return b.g }

// Norm is an upper bound of ||A|| that is at most 0.1% above it. The first call
// takes as long as a few applications and adjoints.
func (b *beams) Norm() float64 { return b.norm() }

// PreconditionNormal is a NormalPreconditioner: the circular filter 1/(angles/(pitch pi
// |frequency|) + rho + mu |D|^2), of a parallel beam with the rays at the axis. It assumes that
// the rays cover the scene and come from all directions. If they do not, it is still
// definite, but further from the inverse.
func (b *beams) PreconditionNormal(dst, v []float32, rho, mu float64) {
	b.ramp().precondition(dst, v, b.domain, rho, mu)
}

// crossed is one plane of a scene in rows and, transposed, in columns, with pad zeros
// at both ends of every line: a ray is sampled in one or the other.
type crossed struct {
	h, w, pad int
	row, col  []float32 // h lines of w+2 pad samples, w of h+2 pad
}

func newCrossed(s Shape, pad int) crossed {
	return crossed{s.H, s.W, pad, make([]float32, s.H*(s.W+2*pad)), make([]float32, s.W*(s.H+2*pad))}
}

// load takes a plane in.
func (c *crossed) load(x []float32) {
	m, n := c.w+2*c.pad, c.h+2*c.pad
	for i := range c.h {
		src := x[i*c.w : (i+1)*c.w]
		line := c.row[i*m : (i+1)*m]
		clear(line[:c.pad])
		copy(line[c.pad:], src)
		clear(line[c.pad+c.w:])
		for j, v := range src {
			c.col[j*n+c.pad+i] = v
		}
	}
	for j := range c.w {
		line := c.col[j*n : (j+1)*n]
		clear(line[:c.pad])
		clear(line[c.pad+c.h:])
	}
}

// store writes the sum of what rows and columns hold to x.
func (c *crossed) store(x []float32) {
	m, n := c.w+2*c.pad, c.h+2*c.pad
	for i := range c.h {
		dst := x[i*c.w : (i+1)*c.w]
		copy(dst, c.row[i*m+c.pad:])
		for j := range dst {
			dst[j] += c.col[j*n+c.pad+i]
		}
	}
}

// NewTomograph returns the line integrals of scenes of shape s along the rays of g,
// in units of the scene times g's length: a sinogram of C x angles x detectors.
func NewTomograph(s Shape, g Geometry) (Tomograph, error) {
	g, err := g.complete(s)
	if err != nil {
		return nil, err
	}
	if g.Beam == Parallel {
		return newRadon(s, g), nil
	}
	return newFan(s, g), nil
}

// equalAngles are n angles over span degrees from 0, the end excluded.
func equalAngles(n int, span float64) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = span * float64(i) / float64(n)
	}
	return all
}

// around are the angles modulo period degrees, and the numbers of the views in their
// order.
func around(angles []float64, period float64) (at []float64, order []int) {
	at, order = make([]float64, len(angles)), make([]int, len(angles))
	for i, a := range angles {
		at[i], order[i] = modulo(a, period), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	return at, order
}

// modulo is a in [0,period).
func modulo(a, period float64) float64 {
	if a = math.Mod(a, period); a < 0 {
		a += period
	}
	return a
}

// A gap wider than this many times the median is one in which nothing was measured.
const wideGap = 4

// arcs are the parts of a circle of period degrees that the angles stand for, in
// degrees: half of the way to the neighbours on either side, and where a neighbour
// is far away, half of the usual way.
func arcs(angles []float64, period float64) []float64 {
	n := len(angles)
	if n == 1 {
		return []float64{period}
	}
	at, order := around(angles, period)
	gap := make([]float64, n) // from order[k] to order[k+1]
	for k, i := range order {
		next := order[(k+1)%n]
		gap[k] = at[next] - at[i]
		if k == n-1 {
			gap[k] += period
		}
	}
	usual := slices.Sorted(slices.Values(gap))[n/2]
	out := make([]float64, n)
	for k := range gap {
		if usual > 0 && gap[k] > wideGap*usual {
			gap[k] = usual
		}
	}
	for k, i := range order {
		out[i] = (gap[k] + gap[(k+n-1)%n]) / 2
	}
	return out
}
