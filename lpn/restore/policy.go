package restore

import (
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// A policy is what an operator needs of the choices that the theory leaves
// open. The values were fitted on held-back training images; docs/results.md
// has the measurements.
type policy struct {
	// start is the first estimate.
	start startKind
	// level is the noise level that the prior is scaled to, for a measurement
	// with that noise of a scene with so many channels.
	level func(noise float64, channels int) float64
	// alone says that noise is all there is to undo. Then a prior that was asked
	// for is scaled to the level too, and at the statistical weight the minimiser
	// is one evaluation of the network.
	alone bool
	// leastNoise is the least noise that the weight is computed for.
	leastNoise float64
	// weight multiplies the statistical weight.
	weight func(p Problem, a operators.Linear, noise float64) float64
	// estimable says that the noise can be estimated from the measurement.
	estimable bool
	// windows says that a problem too large for its memory can be cut into
	// windows.
	windows bool
	// rounded says that the measurement are the numbers of a JPEG file: the operator
	// is a Quantiser, and the noise is what the picture had before.
	rounded bool
	// deblurs says that the measurement is blurred.
	deblurs bool
	// integrals says that the measurement are line integrals.
	integrals bool
	// sensing says that the numbers of the measurement are random sums over the scene.
	sensing bool
	// tol ends the iterations where the options do not say; 0: their default.
	tol float64
	// whole says that a crop of the scene would be another problem.
	whole bool
}

type startKind string

const (
	startMeasured  startKind = "the measurement"
	startDecoded   startKind = "the decoded picture"
	startQuadratic startKind = "the quadratic estimate"
	startGraduated startKind = "the quadratic estimate, improved by graduated problems"
)

// noiseFloor is the noise level below which the weight no longer falls: without
// noise there would be no prior at all.
const noiseFloor = 1e-3

// sensingNoise is the least noise that sensing is taken to have: what a prior
// misses of a scene counts like noise when nearly all of it has to come from the
// prior. Of chest CT sensed at 1/16 and 1/4 with noise 0.001, the weight for
// 0.003, 0.005 and 0.01 gives 34.6, 34.8 and 34.1 dB and, at 1/4, for 0.002 and
// 0.005, 41.6 and 42.0.
const sensingNoise = 5e-3

// policies has a row for each operator.
var policies = map[string]policy{
	"denoise": {start: startMeasured, level: own, weight: one, leastNoise: 0, alone: true, estimable: true, windows: true},
	"blur":    {start: startQuadratic, deblurs: true, level: spread, weight: byResolution, leastNoise: noiseFloor, estimable: true, windows: true},
	// Stopped early, the same numbers in other units end 1e-3 of the range apart, and 3e-5
	// here.
	"sr":      {start: startQuadratic, level: spread, weight: byResolution, leastNoise: noiseFloor, estimable: true, tol: 1e-5},
	"inpaint": {start: startQuadratic, level: filling, weight: one, leastNoise: noiseFloor, estimable: true},
	"cs":      {start: startGraduated, level: spread, weight: one, leastNoise: sensingNoise, sensing: true, whole: true},
	// The same, without the step for images.
	"tomo": {start: startQuadratic, integrals: true, level: integrated, weight: byRays, leastNoise: noiseFloor, whole: true, tol: 1e-5},
	"jpeg": {start: startDecoded, rounded: true, tol: 1e-3, windows: true},
	"mri":  {start: startQuadratic, level: spread, weight: one, leastNoise: noiseFloor, whole: true},
}

// policyOf is the row of an operator.
func policyOf(s operators.Spec) policy {
	p, ok := policies[s.Name()]
	if !ok {
		panic("restore: no policy for the operator " + s.Name())
	}
	return p
}

// priorLevel is the level that the prior is scaled to.
func (p *Plan) priorLevel() float64 {
	if f, ok := p.Operator.JPEG(p.Scene.C); ok && p.policy.rounded {
		return jpegLevel(f, p.Level)
	}
	return p.policy.level(p.level(), p.Scene.C)
}

// WholeScene reports whether an operator measures a scene as a whole. Then a crop of
// the scene is another problem.
func WholeScene(s operators.Spec) bool { return policyOf(s).whole }

// OnlyNoise reports whether noise is all that an operator's measurement suffers from, so
// that the measurement is itself a noisy image of the scene.
func OnlyNoise(s operators.Spec) bool { return policyOf(s).alone }

// own is the level of an image that is only noisy: its noise. At the statistical
// weight that is one evaluation of the network.
func own(noise float64, _ int) float64 { return noise }

// spread is the level for operators that spread and amplify the noise: they do
// best with a prior for much more of it. Means over six crops, in dB, at noise
// 0.01 and the best strength, level 25/255, 18/255, 12/255 and 9/255: Gaussian
// blur of 1.6 pixels 27.43, 27.44, 27.43, 27.34; motion 29.93, 29.93, 29.73,
// 29.48; super-resolution 28.15, 28.17, 28.14, 28.10; at noise 0.03 the motion
// 26.06, 25.93, 25.39, 24.86; inpainting, sensing and MRI differ by less than
// 0.1 at the first two.
func spread(noise float64, _ int) float64 { return max(noise, 25./255) }

// filling is the level for gaps between known samples. Means over eight held-back
// pictures, in dB, at noise 0 and 0.01, the gray prior at 15/255 scaled to 18/255 and that
// at 25/255: four fifths known 37.6, 35.4 and 37.5, 35.2; half of them 31.1, 30.5 and 31.0,
// 30.4; a fifth 25.0, 24.9 in both. Of colour, the prior at 25/255 is 0.01 to 0.1 dB better.
func filling(noise float64, channels int) float64 {
	if channels == 1 {
		return max(noise, 18./255)
	}
	return spread(noise, channels)
}

// integrated is the level for line integrals, whose noise is not the picture's: it adds
// up over hundreds of pixels. Means over three crops of 160 pixels of ct-lung/train, 120
// angles, in dB, at noise 0.1, 0.3 and 1 by level: 15/255 44.6, 40.7, 35.5; 25/255 43.4,
// 39.4, 35.3; 50/255 41.7, 36.3, 31.4; the noise's own, where larger, 43.4, 34.6, 23.1.
func integrated(float64, int) float64 { return 15. / 255 }

func one(Problem, operators.Linear, float64) float64 { return 1 }

// byResolution is byResolutionOf of the operator on a scene of fixed size, so
// that all images, and all windows of one, have the same weight.
func byResolution(p Problem, a operators.Linear, noise float64) float64 {
	const side = 160
	fixed, err := p.Operator.WithBoundary(operators.Circular).Build(operators.Shape{C: 1, H: side, W: side})
	if err != nil {
		return 1 // a kernel larger than that
	}
	return byResolutionOf(p, fixed, noise)
}

// byResolutionOf grows with the resolved part of the scene. The statistical
// weight takes the noise to be white where the prior looks; after a blur is
// undone, it is not. The best factors for two motions, a Gaussian blur of 1.6
// pixels and super-resolution at noise from 0.005 to 0.05, between 0.5 and 2,
// all follow the resolved part: 0.48, 0.7, 1.2 and 1.8 at 0.06, 0.11, 0.25 and
// 0.5 of it, within 15%. Tomography of 200 angles, which resolves nearly all,
// gains 3 dB by a factor of 2.5. For other operators 0.7 to 1.4 differ by less
// than 0.1 dB.
func byResolutionOf(_ Problem, a operators.Linear, noise float64) float64 {
	return 2.75 * math.Pow(resolved(a, noise), 0.62)
}

// byRays is byResolutionOf for line integrals. Of rays of unequal weight w those of little
// weight resolve less than their mean says: it is multiplied by (mean of sqrt(w))^2 / mean
// of w, 1 for equal weights. Of photons, 0.66 to 0.8, where the best factors for two doses
// on a slice of ct-lung/train are 0.5 to 0.7: 38.9 and 34.7 dB in place of 38.5 and 34.1.
func byRays(p Problem, a operators.Linear, noise float64) float64 {
	c, n, sum, roots := byResolutionOf(p, a, noise), 0.0, 0.0, 0.0
	for _, w := range p.Weights {
		if w > 0 {
			n, sum, roots = n+1, sum+float64(w), roots+math.Sqrt(float64(w))
		}
	}
	if n > 0 {
		c *= roots * roots / n / sum
	}
	return c
}

// resolved is the part of the scene's degrees of freedom that a Wiener filter
// takes from the measurement, not from its model of images,
//
//	r = tr W A / n,  W = (A'A + mu D'D)^-1 A',
//
// by the estimate <z, W A z>/n with random signs z (Hutchinson 1990), to about 2%.
func resolved(a operators.Linear, noise float64) float64 {
	rng := rand.New(rand.NewPCG(0, 0x7265736f))
	z, x, y := make([]float32, a.Domain().Len()), make([]float32, a.Domain().Len()), make([]float32, a.Codomain().Len())
	for i := range z {
		z[i] = float32(2*int(rng.Uint64()>>63) - 1)
	}
	a.Apply(y, z)
	solvers.Tikhonov{A: a, Mu: wienerWeight(noise), Tol: 2e-2}.Solve(x, y)
	sum := 0.0
	for i, v := range x {
		sum += float64(v) * float64(z[i])
	}
	return min(max(sum/float64(len(z)), 0.01), 1)
}
