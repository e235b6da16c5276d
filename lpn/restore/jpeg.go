package restore

import (
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// This file restores pictures from JPEG files. The measurement are the rounded
// cosines of the file, its fidelity is the likelihood of the rounding
// (solvers.Quantised), and what the prior's level and weight are follows from the
// quantisation tables.

// tableLevel is the level of the prior for a file with these tables, of a picture
// without noise. It grows more slowly than the steps: the best levels were 4, 4,
// 7, 12, 15, 18, 20 and 25/255 at the qualities 98, 95, 90, 75, 60, 40, 20 and
// 10, each flat within a factor of 1.5.
func tableLevel(f operators.JPEGFormat) float64 {
	return min(max(7.3*math.Pow(255*f.Rounding(), 0.45), 4), 25) / 255
}

// jpegLevel is the level for a picture that had noise of that level before.
func jpegLevel(f operators.JPEGFormat, noise float64) float64 {
	return math.Hypot(tableLevel(f), noise)
}

// jpegWeight multiplies 1/level^2. For noise it is the statistical weight, 1. For
// rounding alone it was best at 0.1 for the qualities 5 and 10, of level 25/255,
// and at 0.2 to 0.3 from 60 on: the level is that of a prior which draws over the
// edges of blocks, not that of the errors. Between the two it is weighted by the
// squares of both levels.
func jpegWeight(f operators.JPEGFormat, noise float64) float64 {
	level := tableLevel(f)
	rounding := 0.1 * math.Pow(25./255/level, 0.65)
	return (rounding*level*level + noise*noise) / (level*level + noise*noise)
}

// quantised is the fidelity of a JPEG file. The walls are as soft as what
// is not known of the encoder: its arithmetic, of about half a level, and its way
// of rounding, which need not be to the nearest number; and as the noise that the
// picture had before, of the plan's level, whose logistic equivalent has the scale
// sqrt(3)/pi of its deviation.
func (p *Plan) quantised(a operators.Quantiser, y operators.Image) fidelity {
	return &solvers.Quantised{A: a, Y: y.Pix, Step: a.Steps(), Scale: p.softness(a)}
}

// softness is the scale of the walls of each number.
func (p *Plan) softness(a operators.Quantiser) []float32 {
	const perStep, least = 0.08, 0.41 / 255
	s := a.Steps()
	square := a.RowSquares()
	for i, q := range s {
		n := math.Sqrt(3*float64(square[i])) / math.Pi * p.Level
		s[i] = float32(math.Hypot(perStep*float64(q)+least, n))
	}
	return s
}

// beyondSteps turns u = A x into how far each number lies beyond what is rounded
// to y, in deviations of the walls. Of the frequencies of luma that the file kept,
// those not rounded to 0, it counts how many there are and sums the squares of u - y
// in steps. Colour is left out: encoders make it small in many ways, and in fine
// quantisation that difference is most of what there is.
func (p *Plan) beyondSteps(u, y []float32, a operators.Quantiser) (moved, kept float64) {
	s := p.softness(a)
	luma := len(u)
	if j, ok := a.(*operators.JPEG); ok {
		rows, cols := j.Blocks(0)
		luma = 64 * rows * cols
	}
	for i, q := range a.Steps() {
		d := u[i] - y[i]
		if i < luma && i%64 != 0 && y[i] != 0 {
			moved += float64(d/q) * float64(d/q)
			kept++
		}
		out := d - min(max(d, -q/2), q/2)
		u[i] = out / (s[i] * math.Pi / float32(math.Sqrt(3)))
	}
	return moved, kept
}

// mostStrain is how far, root mean square and in steps, a result may lie from the
// frequencies of luma that a file kept. The truth lies 1/sqrt(12) = 0.29 from them.
// An estimate of it, being a mean, lies closer: at 0.1 to 0.22 in a photograph. In text,
// drawings and screens it lies farther, at 0.33 and more from a quality of 40 on: there
// the prior knows the picture less well than the file, and the result is worse.
const mostStrain = 0.3

// strained reports whether a result of a picture without noise lies so far from
// what the file kept that the decoded picture is the better one. Where the file
// kept nothing but means, there is nothing to be won.
func (p *Plan) strained(e examination) bool {
	return p.careful && p.Level == 0 && e.moved >= mostStrain*mostStrain*e.kept
}

// giveWay makes the decoded picture the result.
func (p *Plan) giveWay(r *Result) error {
	m, err := p.decoded()
	if err != nil {
		return err
	}
	r.X, r.Suspect, r.LeftAlone, r.Note = nil, "", true, "left as it is: the prior contradicts the file, as it does in text and drawings"
	r.Certified, r.Uncertified = false, "the result is the decoded picture, no minimiser"
	for i, v := range m.Pix { // to the levels of 8 bits, which may be exact
		m.Pix[i] = float32(math.Round(255*float64(v))) / 255
	}
	r.Image = p.given(m)
	return nil
}

// clip takes samples to black and white.
func clip(x []float32) {
	for i, v := range x {
		x[i] = min(max(v, 0), 1)
	}
}

// decoded is the picture that an ordinary decoder makes of the measurement.
func (p *Plan) decoded() (operators.Image, error) {
	a, err := p.problem.build(p.Scene)
	if err != nil {
		return operators.Image{}, err
	}
	m := operators.NewImage(p.Scene)
	a.(operators.Quantiser).Decode(m.Pix, p.problem.Y.Pix)
	return m, nil
}

// fine reports whether a file has nothing to undo: all planes of the decoded
// picture that are not empty at full size, with errors below a third of a level.
func fine(f operators.JPEGFormat, decoded operators.Image) bool {
	if luma, ok := f.Luma(); ok && equalChannels(decoded) {
		f = luma
	}
	for _, p := range f.Planes {
		if p.Down > 1 || p.Across > 1 {
			return false
		}
	}
	return f.Rounding() < 0.35/255
}

// decideNoiseBefore takes the noise that a picture had before it was encoded, or
// finds it.
func (p *Plan) decideNoiseBefore() error {
	m, err := p.decoded()
	if err != nil {
		return err
	}
	if p.problem.Noise == nil {
		f, _ := p.Operator.JPEG(p.Scene.C)
		e, noisy := noiseBefore(f, m)
		p.NoiseModel, p.Estimated, p.Confidence = noise.White{}, true, e.Confidence
		if noisy {
			p.NoiseModel, p.NoiseLine, p.Level, p.Noise = noise.White{Sigma: e.White}, e.Line, e.White, e.Deviation
		}
		return nil
	}
	p.NoiseModel, p.Confidence = p.problem.Noise, -1
	p.Level = deviation(p.NoiseModel, m)
	p.Noise = p.Level
	if !(p.Level <= 1) {
		return &OptionError{"noise", fmt.Sprintf("%q is not a number in [0,1], a fraction like 25/255, or auto", p.problem.Noise)}
	}
	return nil
}

// leastSeen is the deviation of the least noise that is told from detail in a
// file: below, what is won by taking it away is less than what a wrong estimate
// costs.
const leastSeen = 3. / 255

// noiseBefore is the noise of a decoded picture. noisy is false where it is not
// above what the rounding took, and cannot be told from it, and where it is not
// found in every part of the picture, as noise is.
func noiseBefore(f operators.JPEGFormat, decoded operators.Image) (e noise.Estimate, noisy bool) {
	e = noise.Find(decoded, noise.Hints{Quality: f.Quality()})
	ratio := uniform
	if e.Confidence > sure && e.Deviation > plenty {
		ratio = nearlyUniform
	}
	return e, e.Confidence > likely && e.Deviation > max(1.5*f.Rounding(), leastSeen) && everywhere(decoded, ratio)
}

// Where plenty of noise is found with the confidence sure, blocks need only be nearly
// alike to have it everywhere.
const (
	uniform, nearlyUniform = 1.8, 1.95
	sure, plenty           = 0.9, 6. / 255
	// likely is the confidence below which noise is taken for texture.
	likely = 0.5
)

// everywhere reports whether the blocks of a picture are alike in the frequencies
// below the middle, the lowest left out: of the blocks that are not clipped, the
// quietest fiftieth have more than 1/ratio of the deviation of the quietest quarter.
// With noise they have 1/1.35 to 1/1.6 of it, in photographs without 1/1.8 and
// less, in graphics none.
func everywhere(m operators.Image, ratio float64) bool {
	gray := operators.NewImage(operators.Shape{C: 1, H: m.H / 8 * 8, W: m.W / 8 * 8})
	for i := range gray.Pix {
		at := i/gray.W*m.W + i%gray.W
		for c := range m.C {
			gray.Pix[i] += m.Pix[c*m.H*m.W+at] / float32(m.C)
		}
	}
	f, err := operators.StandardJPEG(1, 50, 444)
	if err != nil || gray.Len() == 0 {
		return false
	}
	a, err := operators.NewJPEG(gray.Shape, f)
	if err != nil {
		return false
	}
	y := make([]float32, gray.Len())
	a.Apply(y, gray.Pix)
	var energy []float64
	for block := range len(y) / 64 {
		row, col := block/(gray.W/8)*8, block%(gray.W/8)*8
		clipped := false
		for i := range 64 {
			v := gray.Pix[(row+i/8)*gray.W+col+i%8]
			clipped = clipped || v <= 2./255 || v >= 253./255
		}
		if clipped {
			continue
		}
		e := 0.0
		for i, v := range y[64*block:][:64] {
			if sum := i/8 + i%8; sum >= 3 && sum <= 5 {
				e += float64(v) * float64(v)
			}
		}
		energy = append(energy, e)
	}
	const fewestBlocks = 50
	if len(energy) < fewestBlocks {
		return false
	}
	slices.Sort(energy)
	return ratio*ratio*energy[len(energy)/50] > energy[len(energy)/4]
}

// rounding is the level of the errors of a JPEG file that is to be enlarged, or whose blur is
// to be undone; 0 for other measurements. They are no white noise, and no estimate of it
// sees them, as a file drops the high frequencies where that looks. Of blurred pictures some
// came out 6 dB below their file without it. Four small pictures saved at the qualities 40, 75 and 90
// came out the same to 0.02 dB as without it, in two thirds of the iterations, and
// five of the twelve were no longer suspect.
func (p *Plan) rounding() float64 {
	if !(p.Operator.Resamples() || p.policy.deblurs) || p.problem.Hints.Quality == 0 {
		return 0
	}
	f, err := operators.StandardJPEG(p.problem.Y.C, p.problem.Hints.Quality, 444)
	if err != nil {
		return 0
	}
	return f.Rounding()
}

// A JPEGChoice says how to restore a JPEG file.
type JPEGChoice struct {
	// Operator is jpeg, with the tables, or denoise.
	Operator operators.Spec
	// Noise is what Problem.Noise should be.
	Noise noise.Model
	// Line says the choice in words.
	Line string
}

// ChooseJPEG decides how to restore a JPEG file of that format from the decoded
// picture, best neither rounded nor clipped. If the noise exceeds the errors of
// rounding, it is removed from the decoded picture. Otherwise the errors of rounding
// are undone. A file with neither is left as it is. given is the model of the noise
// that the caller wants, nil for none.
func ChooseJPEG(f operators.JPEGFormat, decoded operators.Image, given noise.Model) JPEGChoice {
	quality := fmt.Sprintf("jpeg of quality %d", f.Quality())
	rounding := f.Rounding()
	if given != nil {
		if level := deviation(given, decoded); level > rounding {
			return JPEGChoice{Noise: given, Line: quality + ": the noise is more than its artefacts, and is removed from the decoded picture"}
		}
	} else if e, noisy := noiseBefore(f, decoded); noisy {
		return JPEGChoice{Line: fmt.Sprintf("%s: noise of about %.2g/255 is more than its artefacts of about %.2g, and is removed from the decoded picture", quality, 255*e.Deviation, 255*rounding)}
	} else if fine(f, decoded) {
		return JPEGChoice{Noise: noise.White{}, Line: quality + ": nothing to undo, it is left as it is"}
	} else {
		given = noise.White{}
	}
	return JPEGChoice{Operator: operators.JPEGSpec(f), Noise: given, Line: quality + ": its artefacts are undone"}
}

// grayJPEG keeps the luma alone of a JPEG file in colour that has no colour.
func (p *Plan) grayJPEG() {
	f, ok := p.Operator.JPEG(p.Scene.C)
	if !ok || len(f.Planes) != 3 {
		return
	}
	luma, ok := f.Luma()
	scene := operators.Shape{C: 1, H: p.Scene.H, W: p.Scene.W}
	a, err := operators.NewJPEG(scene, luma)
	if err != nil || !ok || len(p.problem.Y.Pix) < a.Codomain().Len() {
		return
	}
	y := operators.Image{Shape: a.Codomain(), Pix: p.problem.Y.Pix[:a.Codomain().Len()]}
	for _, v := range p.problem.Y.Pix[y.Len():] {
		if v != 0 {
			return
		}
	}
	p.Gray = true
	p.Operator = p.Operator.WithData(luma.Table())
	p.problem.Operator, p.problem.Y, p.problem.Scene, p.Scene = p.Operator, y, scene, scene
	if t := p.problem.Truth; t != nil && t.C == 3 {
		p.problem.Truth = &operators.Image{Shape: operators.Shape{C: 1, H: t.H, W: t.W}, Pix: t.Pix[:t.H*t.W]}
	}
}
