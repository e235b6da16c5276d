package operators

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"gonum.org/v1/gonum/mat"
)

// FindNoise estimates the deviation of white noise from a measurement that is not a
// picture, of a settled spec. ok is false if the numbers do not tell it. weights are
// those of a Measurement, and the deviation is that of weight 1.
//
// For a sinogram it uses the fourth differences of neighbouring rays, because line
// integrals are smooth; for k-space the numbers of the highest frequencies, where
// scenes have hardly any energy, or, where it is less, what is seen beside the object and
// what no scene gives to several coils. It is the median of their sizes over 0.6745,
// because outliers are detail (Donoho and Johnstone, Biometrika 81, 1994).
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

// mriNoise is the least of three estimates, none of which is far below the noise: each is
// above it by what it mistakes for noise of the scene.
func mriNoise(sp Spec, y Image, scene Shape, _ []float32) (float64, bool) {
	mask, err := sp.Places(scene)
	if err != nil {
		return 0, false
	}
	a, err := sp.Build(scene)
	if err != nil || a.Codomain().Len() != len(y.Pix) || a.Codomain().C%2 != 0 {
		return 0, false
	}
	g := unpack(y.Pix, a.Codomain().C, mask, scene, sp.Get("centred") == "true")
	best, ok := g.noiseFarOut()
	for _, other := range []func() (float64, bool){g.noiseOfBackground, g.noiseBeyondCoils} {
		if v, found := other(); found && v > 0 && (!ok || v < best) {
			best, ok = v, true
		}
	}
	return best, ok
}

// unpack puts the numbers of a mask's places on the whole grid: what pack is undone by.
func unpack(pix []float32, planes int, mask []bool, s Shape, centred bool) grid {
	g := grid{y: NewImage(Shape{planes, s.H, s.W}), mask: mask, centred: centred}
	k := 0
	for c := range planes {
		plane := g.y.Plane(c)
		for p, on := range mask {
			if on {
				plane[p] = pix[k]
				k++
			}
		}
	}
	return g
}

// distance is how far place i of an axis of n is from frequency 0, from 0 to 1.
func (g grid) distance(i, n int) float64 {
	if g.centred {
		i += n - n/2
	}
	i %= n
	return 2 * float64(min(i, n-i)) / float64(n)
}

// noiseFarOut is the noise of the eighth of the places that are farthest from frequency
// 0, where scenes have hardly any energy.
func (g grid) noiseFarOut() (float64, bool) {
	var places []int
	for p, on := range g.mask {
		if on {
			places = append(places, p)
		}
	}
	far := func(p int) float64 {
		return math.Hypot(g.distance(p/g.y.W, g.y.H), g.distance(p%g.y.W, g.y.W))
	}
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(far(b), far(a)) })
	places = places[:max(len(places)/8, min(len(places), fewForNoise))]
	var v []float64
	for c := range g.y.C {
		for _, p := range places {
			v = append(v, float64(g.y.Plane(c)[p]))
		}
	}
	return deviationOf(v)
}

// background is the part of the lines of a scene that is taken to hold nothing.
const background = 0.05

// noiseOfBackground is the noise beside the object. The Fourier transform along an axis
// of which whole lines were measured takes each line to places of the scene, and an object
// that does not fill its frame leaves some of them empty: those of the least energy, over
// the lines far from frequency 0 and all coils.
func (g grid) noiseOfBackground() (float64, bool) {
	best, ok := 0.0, false
	for _, columns := range []bool{false, true} {
		n, length := g.y.H, g.y.W // lines, and places on each
		at := func(line, i int) int { return line*g.y.W + i }
		if columns {
			n, length = length, n
			at = func(line, i int) int { return i*g.y.W + line }
		}
		var lines []int
		for line := range n {
			whole := true
			for i := range length {
				whole = whole && g.mask[at(line, i)]
			}
			if whole {
				lines = append(lines, line)
			}
		}
		slices.SortStableFunc(lines, func(a, b int) int { return cmp.Compare(g.distance(b, n), g.distance(a, n)) })
		lines = lines[:(len(lines)+1)/2]
		if len(lines)*g.y.C < fewForNoise/4 || float64(length)*background < 1 {
			continue
		}
		energy, z, fft := make([]float64, length), make([]complex64, length), kernel.NewFFT1(length)
		for c := 0; c < g.y.C; c += 2 {
			re, im := g.y.Plane(c), g.y.Plane(c+1)
			for _, line := range lines {
				for i := range z {
					z[i] = complex(re[at(line, i)], im[at(line, i)])
				}
				fft.Inverse(z, z) // 1/length of the sum
				for i, v := range z {
					energy[i] += float64(real(v))*float64(real(v)) + float64(imag(v))*float64(imag(v))
				}
			}
		}
		slices.Sort(energy)
		variance := energy[int(background*float64(length))] * float64(length) / float64(len(lines)*g.y.C)
		if v := math.Sqrt(variance); !ok || v < best {
			best, ok = v, true
		}
	}
	return best, ok
}

// beyond is the part of the dimensions of the windows of a calibration region that is
// taken to hold no signal.
const beyond = 0.15

// noiseBeyondCoils is the noise in the directions that the windows of the calibration
// region leave out. All coils see the same scene, so that these windows lie in a space of
// few dimensions (see EstimateCoils), and the least eigenvalues of their products are
// those of noise. They are compared with those of noise of deviation 1 in the same windows.
func (g grid) noiseBeyondCoils() (float64, bool) {
	a, b, err := g.calibration()
	if err != nil || g.coils() < 3 {
		return 0, false
	}
	w := min(4, a+1, b+1)
	for w > 1 && (g.coils()*w*w > 128 || 2*g.coils()*w*w > (2*a+2-w)*(2*b+2-w)) {
		w--
	}
	if 2*g.coils()*w*w > (2*a+2-w)*(2*b+2-w) {
		return 0, false
	}
	least := func(g grid) (sum float64, ok bool) {
		var e mat.EigenSym
		if !e.Factorize(g.products(a, b, w), false) {
			return 0, false
		}
		values := e.Values(nil)
		for _, v := range values[:max(2, int(beyond*float64(len(values))))] {
			sum += max(v, 0)
		}
		return sum, true
	}
	unit := grid{y: NewImage(g.y.Shape), mask: g.mask, centred: g.centred}
	AddGaussian(unit.y.Pix, unit.y.Pix, 1, rand.New(rand.NewPCG(0, 0x6d7269)))
	measured, ok1 := least(g)
	noise, ok2 := least(unit)
	return math.Sqrt(measured / noise), ok1 && ok2 && noise > 0
}
