package operators

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// findCentre is the number of the detector whose ray goes through the axis of rotation.
//
// The centre of mass of a view of a parallel beam that covers the whole scene is that
// of the scene, projected: c + X cos(theta) - Y sin(theta) (the Helgason-Ludwig
// conditions of order 1; Natterer, 1986, II.4). Least squares over the views give c.
// Of a fan, it is the centre with which the rays that were measured from both ends
// agree best. Where views are cut off, or no ray comes twice, it is the one whose
// filtered back-projection has the least below zero (Donath, Beckmann, Schreyer, J.
// Opt. Soc. Am. A 23, 2006: Q_IN), as a scene has nothing there.
func findCentre(m Measurement) (float64, error) {
	n := m.Y.W
	if n < 4 || m.Y.H < 3 {
		return 0, fmt.Errorf("centre=auto wants at least 3 views of 4 detectors; give its number")
	}
	if beam := m.Spec.Get("geometry"); beam == "" || beam == Parallel.String() {
		if c, ok := massCentre(m); ok {
			return c, nil
		}
	}
	return searchCentre(m)
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
	var x mat.VecDense
	if variation(sums) > 0.02 || x.SolveVec(a, b) != nil {
		return 0, false
	}
	var r mat.VecDense
	r.MulVec(a, &x)
	r.SubVec(&r, b)
	deviation := mat.Norm(&r, 2) / math.Sqrt(float64(h))
	c := x.AtVec(0)
	return c, deviation < 0.5 && c > 0.1*float64(w) && c < 0.9*float64(w)
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
