package restore

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// This file restores pictures from JPEG files. The measurement are the rounded
// cosines of the file, its fidelity is the likelihood of the rounding
// (solvers.Quantised), and what the prior's level and weight are follows from the
// quantisation tables.

// artefacts is the root mean square in the luma of the 15 lowest frequencies of
// what rounding takes away, in units of the samples: steps q are errors of q^2/12.
func artefacts(f operators.JPEGFormat) float64 {
	sum, n := 0.0, 0.0
	for k, q := range f.Planes[0].Step {
		if k/8+k%8 <= 4 {
			sum += float64(q) * float64(q) / 12
			n++
		}
	}
	return math.Sqrt(sum/n) / 255
}

// tableLevel is the level of the prior for a file with these tables, of a picture
// without noise. It grows more slowly than the steps: the best levels were 4, 4,
// 7, 12, 15, 18, 20 and 25/255 at the qualities 98, 95, 90, 75, 60, 40, 20 and
// 10, each flat within a factor of 1.5.
func tableLevel(f operators.JPEGFormat) float64 {
	return min(max(7.3*math.Pow(255*artefacts(f), 0.45), 4), 25) / 255
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
// to y, in deviations of the walls.
func (p *Plan) beyondSteps(u, y []float32, a operators.Quantiser) {
	s := p.softness(a)
	for i, q := range a.Steps() {
		d := u[i] - y[i]
		out := d - min(max(d, -q/2), q/2)
		u[i] = out / (s[i] * math.Pi / float32(math.Sqrt(3)))
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

// fine reports whether a file has nothing to undo: all planes at full size, with
// errors below half a level.
func fine(f operators.JPEGFormat) bool {
	for _, p := range f.Planes {
		if p.Down > 1 || p.Across > 1 {
			return false
		}
	}
	return artefacts(f) < 0.5/255
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
const leastSeen = 2. / 255

// noiseBefore is the noise of a decoded picture. noisy is false where it is less
// than what the rounding took: then it cannot be told from it.
func noiseBefore(f operators.JPEGFormat, decoded operators.Image) (e noise.Estimate, noisy bool) {
	e = noise.Find(decoded, noise.Hints{Quality: f.Quality()})
	return e, e.Confidence > 0 && e.Deviation > max(artefacts(f), leastSeen)
}

// A JPEGChoice is how a JPEG file is best restored.
type JPEGChoice struct {
	// Operator is jpeg, with the tables, or denoise.
	Operator operators.Spec
	// Noise is what Problem.Noise should be.
	Noise noise.Model
	// Line says it in words.
	Line string
}

// ChooseJPEG decides how to restore a JPEG file of that format, from what a decoder
// makes of it: noise above the errors of rounding is taken from the decoded
// picture; else the errors of rounding are undone; and a file without either is
// left alone. noise is the model that was asked for, nil for none.
func ChooseJPEG(f operators.JPEGFormat, decoded operators.Image, given noise.Model) JPEGChoice {
	quality := fmt.Sprintf("jpeg of quality %d", f.Quality())
	rounding := artefacts(f)
	if given != nil {
		if level := deviation(given, decoded); level > rounding {
			return JPEGChoice{Noise: given, Line: quality + ": the noise is more than its artefacts, and is removed from the decoded picture"}
		}
	} else if e, noisy := noiseBefore(f, decoded); noisy {
		return JPEGChoice{Line: fmt.Sprintf("%s: noise of about %.2g/255 is more than its artefacts of about %.2g, and is removed from the decoded picture", quality, 255*e.Deviation, 255*rounding)}
	} else if fine(f) {
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
