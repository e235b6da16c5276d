package operators

import (
	"cmp"
	"math"
	"slices"
)

// FindNoise estimates the deviation of white noise from a measurement that is not a
// picture, of a settled spec. ok is false if the numbers do not tell it. weights are
// those of a Measurement, and the deviation is that of weight 1.
//
// For a sinogram it uses the fourth differences of neighbouring rays, because line
// integrals are smooth; for k-space the numbers of the highest frequencies, where
// scenes have hardly any energy. It is the median of their sizes over 0.6745, because
// outliers are detail (Donoho and Johnstone, Biometrika 81, 1994).
func (sp Spec) FindNoise(y Image, scene Shape, weights []float32) (deviation float64, ok bool) {
	f := sp.orDenoise().form
	if f.noise == nil {
		return 0, false
	}
	return f.noise(sp, y, scene, weights)
}

// fewForNoise is the number of samples below which nothing is estimated.
const fewForNoise = 64

// deviationOf is the deviation of normal numbers by the median of their sizes.
func deviationOf(v []float64) (float64, bool) {
	if len(v) < fewForNoise {
		return 0, false
	}
	for i := range v {
		v[i] = math.Abs(v[i])
	}
	slices.Sort(v)
	return v[len(v)/2] / 0.6745, true
}

func tomoNoise(sp Spec, y Image, scene Shape, weights []float32) (float64, bool) {
	a, err := sp.Build(scene)
	if err != nil || a.Codomain().Len() != len(y.Pix) {
		return 0, false
	}
	n := a.Codomain().W
	gain := math.Sqrt(1 + 16 + 36 + 16 + 1)
	var v []float64
	for row := 0; row < len(y.Pix); row += n {
		line := y.Pix[row : row+n]
		for d := 2; d+2 < n; d++ {
			k := 1.0
			if weights != nil {
				if k = math.Sqrt(float64(weights[row+d])); k == 0 {
					continue
				}
			}
			diff := float64(line[d-2]) - 4*float64(line[d-1]) + 6*float64(line[d]) - 4*float64(line[d+1]) + float64(line[d+2])
			v = append(v, k*diff/gain)
		}
	}
	return deviationOf(v)
}

func mriNoise(sp Spec, y Image, scene Shape, _ []float32) (float64, bool) {
	mask, err := sp.Places(scene)
	if err != nil {
		return 0, false
	}
	a, err := sp.Build(scene)
	if err != nil || a.Codomain().Len() != len(y.Pix) {
		return 0, false
	}
	cy, cx := 0, 0
	if sp.Get("centred") == "true" {
		cy, cx = scene.H/2, scene.W/2
	}
	far := func(i, c, n int) float64 { // from frequency 0, over the largest
		d := (i - c + n) % n
		return 2 * float64(min(d, n-d)) / float64(n)
	}
	type place struct {
		at  int
		far float64
	}
	var places []place
	for p, on := range mask {
		if on {
			places = append(places, place{len(places), math.Hypot(far(p/scene.W, cy, scene.H), far(p%scene.W, cx, scene.W))})
		}
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(b.far, a.far) })
	places = places[:max(len(places)/8, min(len(places), fewForNoise))]
	planes := a.Codomain().C
	n := len(y.Pix) / planes
	var v []float64
	for c := range planes {
		for _, p := range places {
			v = append(v, float64(y.Pix[c*n+p.at]))
		}
	}
	return deviationOf(v)
}
