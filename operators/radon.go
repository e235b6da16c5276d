package operators

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// Radon is the parallel-beam Radon transform: the line integrals
//
//	y(a,d) = integral over s of x(cy + s cos(theta) - t sin(theta), cx + s sin(theta) + t cos(theta)) ds
//
// with x(row, column), theta the angle of view a, t = Spacing (d - detectors/2) +
// Offset with half the detectors rounded down, and the centre (cy,cx) = (H/2, W/2)
// rounded down; the value of a pixel is that at its index. With equal angles and a
// spacing of 1 these are the conventions of scikit-image's radon, whose sinogram is the
// transpose. A scene of C x H x W gives C x angles x detectors.
//
// A ray is sampled once in every row, or once in every column, whichever it
// crosses more steeply, with linear interpolation between the two pixels there
// (Joseph, IEEE Trans. Med. Imaging 1, 1982). The adjoint is the exact
// transpose. No matrix is stored; both directions use all cores, with the same
// bits on any number of them.
type Radon struct {
	beams
	views        []view
	byRow, byCol []int32   // the views sampled in rows, and in columns
	scratch      sync.Pool // of *radonWork
}

// A view is one angle. Its rays are sampled on lines i: rows, or columns as
// rows of the transposed picture. Ray d meets line i at place
//
//	origin + i*shift + d*step
//
// and counts weight times the value there.
type view struct {
	origin, shift, step float64
	weight              float32
	columns             bool
	sin, cos            float64
}

// NewRadon returns the transform of scenes of shape s at angles angles, equally spaced
// over span degrees from 0 (end excluded), with detectors rays each, a pixel apart. If
// so few do not span the circle inscribed in the scene, min(H,W), they are spread over
// the diagonal of the scene and so measure all of it. detectors = 0 means as many as
// the diagonal is long. NewTomograph takes any geometry.
func NewRadon(s Shape, angles, detectors int, span float64) (*Radon, error) {
	g, err := equalGeometry(s, angles, detectors, span)
	if err != nil {
		return nil, err
	}
	return newRadon(s, g), nil
}

// equalGeometry is the geometry of NewRadon.
func equalGeometry(s Shape, angles, detectors int, span float64) (Geometry, error) {
	if angles < 1 || detectors < 0 {
		return Geometry{}, fmt.Errorf("operators: %d angles and %d detectors; want at least 1 and 0", angles, detectors)
	}
	if !(span > 0 && span <= 360) {
		return Geometry{}, fmt.Errorf("operators: span of %v degrees; want a number in (0,360]", span)
	}
	g := Geometry{Angles: equalAngles(angles, span), Detectors: detectors, Spacing: 1}
	if detectors > 0 && detectors < min(s.H, s.W) {
		g.Spacing = math.Hypot(float64(s.H), float64(s.W)) / float64(detectors)
	}
	return g.complete(s)
}

// newRadon takes a complete geometry.
func newRadon(s Shape, g Geometry) *Radon {
	r := &Radon{beams: newBeams(s, g, func(s Shape) Linear { return newRadon(s, g) })}
	for a, angle := range g.Angles {
		v := newView(s, g.s(0)/g.Pixel, g.Spacing/g.Pixel, angle)
		v.weight *= float32(g.Pixel)
		r.views = append(r.views, v)
		if v.columns {
			r.byCol = append(r.byCol, int32(a))
		} else {
			r.byRow = append(r.byRow, int32(a))
		}
	}
	r.scratch.New = func() any { return newRadonWork(r) }
	return r
}

// newView is the view at an angle of rays at t0, t0+pitch, and on, in pixels.
func newView(s Shape, t0, pitch, degrees float64) view {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	cy, cx := float64(s.H/2), float64(s.W/2)
	v := view{sin: sin, cos: cos}
	if math.Abs(cos) >= math.Abs(sin) {
		// Column of the ray in row i: cx + t/cos + (i-cy) tan.
		v.step, v.shift, v.weight = pitch/cos, sin/cos, float32(1/math.Abs(cos))
		v.origin = cx + t0/cos - cy*v.shift
		return v
	}
	// Row of the ray in column j: cy - t/sin + (j-cx) cot.
	v.columns = true
	v.step, v.shift, v.weight = -pitch/sin, cos/sin, float32(1/math.Abs(sin))
	v.origin = cy - t0/sin - cx*v.shift
	return v
}

// Angle returns the angle of view a in degrees.
func (r *Radon) Angle(a int) float64 { return r.g.Angles[a] }

// Offset returns t of detector d, from the centre.
func (r *Radon) Offset(d int) float64 { return r.g.s(float64(d)) }

// Reconstruct is NewFBP(r, w).Reconstruct.
func (r *Radon) Reconstruct(dst, y []float32, w Window) { NewFBP(r, w).Reconstruct(dst, y) }

// Apply writes the sinogram of x to dst.
func (r *Radon) Apply(dst, x []float32) {
	checkLen("Radon.Apply dst", len(dst), r.codomain.Len())
	checkLen("Radon.Apply x", len(x), r.domain.Len())
	w := r.scratch.Get().(*radonWork)
	defer r.scratch.Put(w)
	n, m := r.domain.H*r.domain.W, r.codomain.H*r.codomain.W
	for c := range r.domain.C {
		w.load(x[c*n : (c+1)*n])
		w.y = dst[c*m : (c+1)*m]
		w.do(w.forward, len(r.views))
	}
	w.y = nil
}

// Adjoint writes A'y, the unfiltered back-projection, to dst.
func (r *Radon) Adjoint(dst, y []float32) {
	checkLen("Radon.Adjoint dst", len(dst), r.domain.Len())
	checkLen("Radon.Adjoint y", len(y), r.codomain.Len())
	w := r.scratch.Get().(*radonWork)
	defer r.scratch.Put(w)
	n, m := r.domain.H*r.domain.W, r.codomain.H*r.codomain.W
	for c := range r.domain.C {
		w.weigh(y[c*m : (c+1)*m])
		w.do(w.adjoint, blocks(r.domain.H)+blocks(r.domain.W))
		w.store(dst[c*n : (c+1)*n])
	}
}

// radonBlock is the number of lines that one part of the adjoint owns.
const radonBlock = 16

func blocks(lines int) int { return (lines + radonBlock - 1) / radonBlock }

// radonPad is the number of zeros on either side of a line: a ray may miss it,
// or a pixel a view, by one place, and a little more by rounding. Interpolate reads
// up to 32 samples that it does not need, which is faster.
const radonPad = 34

// radonWork is the scratch of one call, for the adjoint with the views in padded
// lines.
type radonWork struct {
	r *Radon
	crossed
	view []float32 // lines of as many samples as there are detectors, padded
	y    []float32 // the sinogram, in Apply
	crew
	forward, adjoint func(part int)
}

func newRadonWork(r *Radon) *radonWork {
	w := &radonWork{r: r, crossed: newCrossed(r.domain, radonPad),
		view: make([]float32, r.codomain.H*(r.codomain.W+2*radonPad)),
	}
	w.crew.init()
	w.forward, w.adjoint = w.project, w.backproject
	return w
}

// project computes view a.
func (w *radonWork) project(a int) {
	v := &w.r.views[a]
	n := w.r.codomain.W
	y := w.y[a*n : (a+1)*n]
	clear(y)
	lines, pix := w.r.domain.H, w.row
	if v.columns {
		lines, pix = w.r.domain.W, w.col
	}
	m := len(pix) / lines
	for i := range lines {
		start := v.origin + float64(i)*v.shift
		lo, hi := hits(start, v.step, -1, float64(m-2*radonPad), n)
		if lo < hi {
			kernel.Interpolate(y[lo:hi], pix[i*m:(i+1)*m], start+float64(lo)*v.step+radonPad, v.step, 1)
		}
	}
	for d := range y {
		y[d] *= v.weight
	}
}

// weigh copies the views of y, each times its weight, into padded lines.
func (w *radonWork) weigh(y []float32) {
	n := w.r.codomain.W
	for a := range w.r.views {
		line := w.view[a*(n+2*radonPad)+radonPad:][:n]
		kernel.Scale(line, y[a*n:(a+1)*n], w.r.views[a].weight)
	}
}

// backproject computes one block of rows, or of columns, from all the views:
// pixel j of line i takes from the rays that pass within a pixel of it, two at
// most, what it gives to them in project.
func (w *radonWork) backproject(part int) {
	views, lines, pix := w.r.byRow, w.r.domain.H, w.row
	if b := blocks(lines); part >= b {
		views, lines, pix = w.r.byCol, w.r.domain.W, w.col
		part -= b
	}
	m, n := len(pix)/lines, w.r.codomain.W
	pixels := m - 2*radonPad
	first := part * radonBlock
	last := min(first+radonBlock, lines)
	clear(pix[first*m : last*m])
	for _, a := range views {
		v := &w.r.views[a]
		slope := float32(math.Abs(v.step))
		y := w.view[int(a)*(n+2*radonPad):][:n+2*radonPad]
		// Ray d is at place origin + i*shift + d*step of the line, so pixel j is
		// at place (j - origin - i*shift)/step of the view.
		step := 1 / v.step
		for i := first; i < last; i++ {
			start := -(v.origin + float64(i)*v.shift) * step
			lo, hi := hits(start, step, -1, float64(n), pixels)
			if lo < hi {
				x := pix[i*m+radonPad:][:pixels]
				kernel.Interpolate(x[lo:hi], y, start+float64(lo)*step+radonPad, step, slope)
			}
		}
	}
}

// hits returns the range of the n places start, start+step, ... that lie
// strictly between first and last, up to rounding.
func hits(start, step, first, last float64, n int) (lo, hi int) {
	a, b := (first-start)/step, (last-start)/step
	if a > b {
		a, b = b, a
	}
	lo = int(math.Floor(min(max(a, -1), float64(n)))) + 1
	hi = int(math.Ceil(min(max(b, 0), float64(n))))
	return lo, hi
}

// A crew runs the parts of a task, which write disjoint memory, on all cores.
type crew struct {
	part  func(part int)
	parts int64
	next  atomic.Int64
	done  sync.WaitGroup
	work  func()
}

func (c *crew) init() {
	c.work = func() {
		c.drain()
		c.done.Done()
	}
}

func (c *crew) do(part func(part int), parts int) {
	c.part, c.parts = part, int64(parts)
	c.next.Store(0)
	helpers := min(runtime.GOMAXPROCS(0), parts) - 1
	c.done.Add(helpers)
	for range helpers {
		go c.work()
	}
	c.drain()
	c.done.Wait()
	c.part = nil
}

func (c *crew) drain() {
	for {
		i := c.next.Add(1) - 1
		if i >= c.parts {
			return
		}
		c.part(int(i))
	}
}
