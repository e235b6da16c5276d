package operators

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/gonum/mat"
)

// findCentre is the number of the detector whose ray goes through the axis of rotation.
//
// The centre of mass of a view of a parallel beam that covers the whole scene is that
// of the scene, projected: c + X cos(theta) - Y sin(theta) (the Helgason-Ludwig
// conditions of order 1; Natterer, 1986, II.4). Least squares over the views give c.
// Where views are cut off, it is the centre with which the views of one half turn go on
// as those of the other, mirrored (see seamCentre).
// Of a fan, it is the centre with which the rays that were measured from both ends
// agree best. Where no ray comes twice, it is the one whose
// filtered back-projection has the least below zero (Donath, Beckmann, Schreyer, J.
// Opt. Soc. Am. A 23, 2006: Q_IN), as a scene has nothing there; of views that are cut
// off, that says nothing, and the centre is an error.
func findCentre(m Measurement) (float64, error) {
	n := m.Y.W
	if n < 4 || m.Y.H < 3 {
		return 0, fmt.Errorf("centre=auto wants at least 3 views of 4 detectors; give its number")
	}
	parallel := m.Spec.parallel()
	if parallel {
		mass, ok := massCentre(m)
		seam, seen := seamCentre(m)
		switch {
		case ok && !(seen && seam.rules(mass, clearly)):
			return mass, nil
		case seen:
			return seam.centre, nil
		}
	}
	if cutOff(m.Y) && (parallel || !comesTwice(m)) {
		return 0, fmt.Errorf("centre=auto: the object reaches beyond the detectors, and the views of one half turn do not go on as those of the other: nothing tells the axis; give its number")
	}
	return searchCentre(m)
}

// parallel reports whether the rays of a tomograph are parallel.
func (sp Spec) parallel() bool {
	beam := sp.Get("geometry")
	return beam == "" || beam == Parallel.String()
}

// An Axis is the axis of rotation as a sinogram shows it, by the number of the detector
// whose ray goes through it.
type Axis struct {
	Centre  float64 // what the views show
	Assumed float64 // what the spec comes to
	// Sure says that the centres of mass of the views and their mirror images agree.
	// Else only the latter speak.
	Sure bool
}

// String says what was found instead of what.
func (a Axis) String() string {
	if a.Sure {
		return fmt.Sprintf("the axis of rotation is seen by detector %.2f, and taken to be there, not at %g, the middle", a.Centre, a.Assumed)
	}
	return fmt.Sprintf("rays that were measured from both ends, or views half a turn apart, show the axis of rotation at detector %.1f and not at %g, the middle: try centre=auto, or check the angles", a.Centre, a.Assumed)
}

// leastOff is how far from the assumed axis another must be to be told, in detectors.
const leastOff = 0.2

// SeenAxis looks whether the axis, which the spec does not say, lies where it is assumed. ok is
// false where the spec says it, where the views show the assumed one, and where they do not
// tell. Of a fan, only the rays that were measured from both ends speak, and nothing is sure.
func (sp Spec) SeenAxis(y Image, scene Shape, weights []float32) (a Axis, ok bool) {
	if sp.Name() != "tomo" || sp.Get("centre") != "" || sp.Get("offset") != "" {
		return a, false
	}
	g, err := sp.geometry(scene)
	if err != nil || scene.C*len(g.Angles)*g.Detectors != len(y.Pix) || len(g.Angles) < 3 || g.Detectors < 16 {
		return a, false
	}
	y.Shape = Shape{scene.C, len(g.Angles), g.Detectors}
	m := Measurement{Y: y, Spec: sp.withCentre(g.Centre(), g.Detectors), Scene: scene, Weights: weights}
	if !sp.parallel() {
		return fanAxis(m, g)
	}
	seam, ok := seamCentre(m)
	a = Axis{Centre: seam.centre, Assumed: g.Centre()}
	if !ok || !seam.rules(a.Assumed, worse) {
		return a, false
	}
	if mass, ok := massCentre(m); ok && math.Abs(mass-seam.centre) < leastOff && math.Abs(mass-a.Assumed) > leastOff {
		a.Centre, a.Sure = mass, true
	}
	return a, a.Sure || seam.rules(a.Assumed, clearly)
}

// fanAxis is SeenAxis of a fan of the complete geometry g.
func fanAxis(m Measurement, g Geometry) (a Axis, ok bool) {
	const views = 64 // of parallel rays, enough to tell
	rows := smoothRows(m.Y.Plane(0), m.Weights, g.Detectors)
	score := func(c float64) (float64, bool) {
		h := g
		h.Offset = g.Spacing * (float64(g.Detectors/2) - c)
		f, err := NewTomograph(Shape{1, 1, 1}, h)
		if err != nil {
			return 0, false
		}
		return newRebinningTo(f.(*Fan), views).disagreement(rows, g.Detectors)
	}
	a = Axis{Centre: g.Centre(), Assumed: g.Centre()}
	here, ok := score(a.Assumed)
	if !ok {
		return a, false
	}
	best := here
	for step := max(1, float64(g.Detectors)/64); step > 0.05; step /= 5 {
		for at, k := a.Centre, -8; k <= 8; k++ {
			c := at + float64(k)*step
			if v, ok := score(c); ok && v < best {
				best, a.Centre = v, c
			}
		}
	}
	const leastOfFan = 0.3
	return a, math.Abs(a.Centre-a.Assumed) > leastOfFan && here > clearly*best
}

// WithAxis is the spec with the axis that a shows, for scenes of a shape.
func (sp Spec) WithAxis(a Axis, scene Shape) Spec {
	g, err := sp.geometry(scene)
	if err != nil {
		return sp
	}
	return sp.withCentre(a.Centre, g.Detectors)
}

func (sp Spec) withCentre(c float64, detectors int) Spec {
	return sp.with("detectors", strconv.Itoa(detectors)).with("centre", strconv.FormatFloat(c, 'f', 2, 64))
}

// A seam is where the views of one half turn go on as those of the other, mirrored.
type seam struct {
	centre, error float64 // the axis, and the standard error of it
	score         func(c float64) (residual, energy float64)
}

// rules reports whether c is surely not the axis: it is surely standard errors away, and
// there the seam is so many times as large.
func (s seam) rules(c, larger float64) bool {
	here, _ := s.score(c)
	least, _ := s.score(s.centre)
	return math.Abs(c-s.centre) > max(leastOff, surely*s.error) && here > larger*least
}

// What rules an axis out: worse where the centres of mass say the same, clearly where
// nothing else does.
const surely, worse, clearly = 6, 1.5, 4

// mostSeam is how many times what three neighbouring views differ by they may differ at the
// seam.
const mostSeam = 3

// seamCentre is the axis of a parallel beam by its mirror images. The view at theta + 180
// degrees is that at theta, mirrored about the axis. So the views and their mirror images
// are a full turn, in which every view is nearly the mean of its neighbours, as is any view
// among those that were measured: where views and images meet, in two places of a scan of half
// a turn and everywhere in one of a whole turn, this tells the axis. It does so of views that
// are cut off, and does not mind what is added to all of them. ok is false where nothing
// meets, or where the meeting views differ more than others do, as with wrong angles.
func seamCentre(m Measurement) (s seam, ok bool) {
	at, err := m.Spec.with("centre", "0").geometry(m.Scene)
	if err != nil {
		return s, false
	}
	n := m.Y.W
	rows := smoothRows(m.Y.Plane(0), m.Weights, n)
	type view struct {
		angle  float64
		row    []float32
		turned bool
	}
	var once, all []view
	for i, a := range at.Angles {
		row := rows[i*n : (i+1)*n]
		once = append(once, view{modulo(a, 360), row, false})
		all = append(all, once[i], view{modulo(a+180, 360), row, true})
	}
	type triple struct {
		a, b, c view
		w       float64 // of c in the mean
	}
	triples := func(v []view) (out []triple) {
		slices.SortStableFunc(v, func(a, b view) int { return cmp.Compare(a.angle, b.angle) })
		k := len(v)
		gap := make([]float64, k)
		for i := range v {
			gap[i] = modulo(v[(i+1)%k].angle-v[i].angle, 360)
		}
		usual := slices.Sorted(slices.Values(gap))[k/2]
		if usual == 0 {
			usual = slices.Max(gap)
		}
		for i := range v {
			before, after := gap[(i+k-1)%k], gap[i]
			if before > wideGap*usual || after > wideGap*usual {
				continue
			}
			w := 0.5
			if before+after > 0 {
				w = before / (before + after)
			}
			out = append(out, triple{v[(i+k-1)%k], v[i], v[(i+1)%k], w})
		}
		return out
	}
	between := triples(once)
	meeting := slices.DeleteFunc(triples(all), func(t triple) bool {
		return t.a.turned == t.b.turned && t.b.turned == t.c.turned
	})
	if len(meeting) == 0 || len(between) == 0 {
		return s, false
	}
	value := func(v view, p float64) float64 {
		d := min(int(p), n-2)
		return float64(v.row[d]) + (p-float64(d))*float64(v.row[d+1]-v.row[d])
	}
	score := func(t []triple, c float64) (residual, energy float64) {
		most := min(c, float64(n-1)-c) // what both see
		count := 0
		for _, t := range t {
			for d := math.Ceil(-most); d <= most; d++ {
				get := func(v view) float64 {
					if v.turned {
						return value(v, c-d)
					}
					return value(v, c+d)
				}
				b := get(t.b)
				if r := b - (1-t.w)*get(t.a) - t.w*get(t.c); r == r {
					residual += r * r
					energy += b * b
					count++
				}
			}
		}
		k := float64(max(count, 1))
		return residual / k, energy / k
	}
	thinned := func(t []triple, most int) []triple {
		for i := range min(most, len(t)) {
			t[i] = t[i*len(t)/min(most, len(t))]
		}
		return t[:min(most, len(t))]
	}
	meeting = thinned(meeting, 256)
	few := thinned(slices.Clone(meeting), 32)
	s.score = func(c float64) (residual, energy float64) { return score(meeting, c) }
	// Relative to what is seen, as there is nothing to differ in the air. What repeats itself
	// in the scene agrees with the axis elsewhere, too: the one nearest the middle is meant.
	best, middle := math.Inf(1), float64(n)/2
	for c := middle / 2; c <= middle*3/2; c += 0.5 {
		r, e := score(few, c)
		if r *= (1 + 8*math.Abs(c-middle)/float64(n)) / max(e, math.SmallestNonzeroFloat64); r < best {
			best, s.centre = r, c
		}
	}
	best = math.Inf(1)
	for at, k := s.centre, -10; k <= 10; k++ {
		if r, _ := s.score(at + float64(k)/10); r < best {
			best, s.centre = r, at+float64(k)/10
		}
	}
	// A parabola through three of them.
	const h = 0.25
	left, _ := s.score(s.centre - h)
	right, _ := s.score(s.centre + h)
	bend := (left + right - 2*best) / (h * h)
	if !(bend > 0) {
		return s, false
	}
	s.centre -= max(-h, min(h, (right-left)/(2*h)/bend))
	least, _ := s.score(s.centre)
	// The samples of three views in which the smoothing has left every third.
	count := float64(len(meeting)) * (2*min(s.centre, float64(n-1)-s.centre) + 1) / 3
	s.error = math.Sqrt(2 * least / (count * bend))
	usual, _ := score(between, float64(n-1)/2)
	return s, least <= mostSeam*usual
}

// smoothRows are the rows of n numbers without their finest detail, which noise is and
// interpolation changes; NaN beside numbers of weight 0.
func smoothRows(y, weights []float32, n int) []float32 {
	out := make([]float32, len(y))
	for i := range y {
		row, d := y[i/n*n:i/n*n+n], i%n
		sum := float32(0)
		for k, tap := range [...]float32{1, 4, 6, 4, 1} {
			e := max(0, min(n-1, d+k-2))
			sum += tap / 16 * row[e]
			if len(weights) == len(y) && weights[i-d+e] == 0 {
				sum = float32(math.NaN())
			}
		}
		out[i] = sum
	}
	return out
}

// cutOff reports whether the views of a sinogram do not end before the detectors do: what
// those at an end see on average is more than a tenth of the most.
func cutOff(y Image) bool {
	const part = 0.1
	mean := make([]float64, y.W)
	for i, v := range y.Plane(0) {
		mean[i%y.W] += float64(v)
	}
	return max(mean[0], mean[y.W-1]) > part*slices.Max(mean)
}

// comesTwice reports whether a fan measures enough rays from both ends to tell its axis.
func comesTwice(m Measurement) bool {
	g, err := m.Spec.with("centre", formatNumber(float64(m.Y.W)/2)).geometry(m.Scene)
	if err != nil {
		return false
	}
	t, err := NewTomograph(m.Scene, g)
	if err != nil {
		return false
	}
	f, fan := t.(*Fan)
	if !fan {
		return false
	}
	_, ok := f.rebin().disagreement(m.Y.Plane(0), m.Y.W)
	return ok
}

// massCentre fits the centres of mass of the views; ok is false where they do not
// follow the law, as of views that are cut off.
func massCentre(m Measurement) (centre float64, ok bool) {
	at, err := m.Spec.with("centre", "0").geometry(m.Scene)
	if err != nil {
		return 0, false
	}
	h, w := m.Y.H, m.Y.W
	y := m.Y.Plane(0)
	if len(m.Weights) == len(y) && slices.Contains(m.Weights, 0) {
		y = bridged(y, m.Weights, w)
	}
	a, b := mat.NewDense(h, 3, nil), mat.NewVecDense(h, nil)
	sums := make([]float64, h)
	for i := range h {
		moment := 0.0
		for d, v := range y[i*w : (i+1)*w] {
			sums[i] += float64(v)
			moment += float64(d) * float64(v)
		}
		sin, cos := math.Sincos(at.Angles[i] * math.Pi / 180)
		a.SetRow(i, []float64{1, cos, sin})
		b.SetVec(i, moment/sums[i])
	}
	if h < 3 || variation(sums) > 0.02 {
		return 0, false
	}
	var qr mat.QR
	qr.Factorize(a)
	var x mat.VecDense
	if qr.SolveVecTo(&x, false, b) != nil {
		return 0, false
	}
	var r mat.VecDense
	r.MulVec(a, &x)
	r.SubVec(&r, b)
	deviation := mat.Norm(&r, 2) / math.Sqrt(float64(h))
	c := x.AtVec(0)
	return c, deviation < 0.5 && c > 0.1*float64(w) && c < 0.9*float64(w)
}

// bridged are the rows of w numbers with lines across those of weight 0, which have mass all
// the same.
func bridged(y, weights []float32, w int) []float32 {
	out := slices.Clone(y)
	for i := 0; i < len(y); i += w {
		last := -1 // that was measured
		for d := range w + 1 {
			if d < w && weights[i+d] == 0 {
				continue
			}
			for e := last + 1; e < d; e++ {
				switch {
				case last < 0 && d == w:
					out[i+e] = 0
				case last < 0:
					out[i+e] = y[i+d]
				case d == w:
					out[i+e] = y[i+last]
				default:
					f := float32(e-last) / float32(d-last)
					out[i+e] = (1-f)*y[i+last] + f*y[i+d]
				}
			}
			last = d
		}
	}
	return out
}

// searchCentre searches the middle half of the detectors, coarsely and then
// finer, on a scene of at most searchSide pixels.
func searchCentre(m Measurement) (float64, error) {
	const searchSide = 128
	plane := m.Y.Plane(0)
	scale := max(1, float64(max(m.Scene.H, m.Scene.W))/searchSide)
	scene := Shape{1, max(1, int(float64(m.Scene.H)/scale)), max(1, int(float64(m.Scene.W)/scale))}
	fault := func(c float64) (float64, error) {
		g, err := m.Spec.with("centre", formatNumber(c)).geometry(m.Scene)
		if err != nil {
			return 0, err
		}
		g.Pixel *= scale
		t, err := NewTomograph(scene, g)
		if err != nil {
			return 0, err
		}
		if f, fan := t.(*Fan); fan {
			if d, ok := f.rebin().disagreement(plane, m.Y.W); ok {
				return d, nil
			}
		}
		x := make([]float32, scene.Len())
		t.Reconstruct(x, plane, Hann)
		below, all := 0.0, 0.0
		for _, v := range x {
			all += math.Abs(float64(v))
			below += max(0, -float64(v))
		}
		return below / all, nil
	}
	n := float64(m.Y.W)
	best, at := math.Inf(1), n/2
	try := func(c float64) error {
		v, err := fault(c)
		if err == nil && v < best {
			best, at = v, c
		}
		return err
	}
	for step, width := n/32, n/4; step > 0.02; width, step = step, step/4 {
		middle := at
		for c := middle - width; c <= middle+width; c += step {
			if err := try(c); err != nil {
				return 0, err
			}
		}
	}
	return at, nil
}
