package noise

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/operators"
)

// Hints are what is known of a file besides its samples. The zero value is that
// nothing is known.
type Hints struct {
	// Quality of JPEG, 1 to 100 as libjpeg counts; 0: no JPEG.
	Quality int
	// Luma is that of a JPEG in colour as it was decoded, neither rounded nor clipped.
	// If it is empty, or of another size, the luma of the samples takes its place.
	Luma operators.Image
}

// An Estimate is what Find knows of the noise of a picture.
type Estimate struct {
	// Model is the noise: White, or a Curve, Correlated or not. Of a picture
	// whose channels are equal it is the model of one of them. Where texture cannot
	// be told from correlated noise it is less than what was measured, down to
	// White{0}.
	Model Model
	// Deviation is the root mean square of the noise over the picture.
	Deviation float64
	// White is the level of white noise for which a restoration does about as
	// well as with the Model: above Deviation where the noise is correlated.
	White float64
	// Confidence is from 0, nothing found to measure noise by, to 1.
	Confidence float64
	// Correlated says that neighbours share noise. Rising is the deviation of the
	// bright half over that of the dark one.
	Correlated bool
	Rising     float64
	// Independent is how sure it is that correlated noise is that of a sensor and not texture,
	// because the channels have noise of their own, from 0 to 1.
	Independent float64
	// Gray says that the picture's channels are equal.
	Gray bool
	// texture is the deviation of what may be correlated noise or texture and is left.
	texture float64
	// Line says all that in words, levels in 255ths of the range 0 to 1.
	Line string
}

// Find estimates the noise of a picture whose samples are about in [0,1], after
// Colom & Buades (IPOL 3, 2013) and Lebrun, Colom & Morel (IPOL 5, 2015): of the
// 8x8 blocks of each brightness those are flat around which there is the least
// energy, and what they hold is noise, by frequency. A block is judged by those
// beside it, whose noise is independent of its own, so that choosing does not bias;
// energies are relative to the noise found in the round before. White noise is measured
// by FindWhite, which corrects for texture; where its blocks say that it changes with the
// brightness, it is a Curve.
func Find(m operators.Image, h Hints) Estimate {
	if len(m.Pix) != m.Len() {
		panic(fmt.Sprintf("noise: Find: %d samples for a picture of %v", len(m.Pix), m.Shape))
	}
	e, texture := find(m, h, nil)
	if h.Quality > 0 && m.C == 3 && !e.Gray && e.Confidence < certain {
		// Little noise is left in the chroma of a JPEG file, and what texture has
		// there misleads.
		y := h.Luma
		if y.H != m.H || y.W != m.W {
			y = luma(m)
		}
		if l, _ := find(y, h, &texture); l.Confidence > e.Confidence {
			return l
		}
	}
	return e
}

const (
	// certain is the confidence above which another estimate is not asked for.
	certain = 0.95
	// doubtful is how much may speak for texture where correlated noise is taken.
	doubtful = 0.5
)

// luma is that of BT.601.
func luma(m operators.Image) operators.Image {
	out := operators.NewImage(operators.Shape{C: 1, H: m.H, W: m.W})
	for i := range out.Pix {
		out.Pix[i] = 0.299*m.Plane(0)[i] + 0.587*m.Plane(1)[i] + 0.114*m.Plane(2)[i]
	}
	return out
}

// find is Find of these samples alone. texture is how much speaks for it and not for
// correlated noise, from 0 to 1; known, if not nil, is what it is already known to be.
func find(m operators.Image, h Hints, known *float64) (e Estimate, texture float64) {
	independent := 0.0
	if m.C == 3 && slices.Equal(m.Plane(0), m.Plane(1)) && slices.Equal(m.Plane(0), m.Plane(2)) {
		e.Gray = true
		m = operators.Image{Shape: operators.Shape{C: 1, H: m.H, W: m.W}, Pix: m.Plane(0)}
	}
	l := levelsOf(m)
	eight, unit := l != nil || eightBit(m), 0.0
	if !eight {
		unit = quantum(m.Pix)
	}
	var dead []*marks
	if l != nil {
		dead = l.silence()
	} else {
		dead = silence(m, unit > 0)
	}
	var blocks []blockEnergy // of those that describe takes
	var energies sync.WaitGroup
	if unit == 0 {
		energies.Go(func() { blocks = blockEnergies(m, dead, 0) })
	}
	ps := patches(m, dead)
	if len(ps) < fewest {
		energies.Wait()
		if differenceNoise(m) > 0 { // not a drawing, where most neighbours are equal
			e.White = FindWhite(m)
		}
		e.Model, e.Deviation = White{e.White}, e.White
		e.Line = fmt.Sprintf("noise: about %s/255, but hardly a part of the picture to measure it by", of255(255*e.White))
		return e, 0
	}
	f := newFit(ps, m.C)
	for range rounds {
		f.choose(ps)
		f.measure(ps)
	}
	energies.Wait()
	if unit > 0 {
		dead = silence(m, false)
		blocks = blockEnergies(m, dead, 0)
	}
	if known != nil {
		texture = *known
	} else {
		texture, independent = f.texture(ps, h.Quality)
	}
	e.describe(m, l, f, dead, blocks, eight, unit, texture, h)
	if e.Correlated {
		e.Independent = independent
	}
	return e, texture
}

const (
	// Correlated noise is believed where blocks no rougher than the flat ones make
	// up this share of the picture, and not where less than that.
	doubted, believed         = 0.12, 0.32
	doubtedGray, believedGray = 0.25, 0.55
	// The powers of texture fall faster than those of noise: middle over low.
	steep, gentle = 0.05, 0.15
	// negligible is the correlated noise of good photographs as they are.
	negligible = 0.7 / 255
	// whiteShare is how much of the deviation white noise of the level of the
	// highest frequencies explains where noise is taken for white.
	whiteShare, whiteShareGray = 0.2, 0.12
	// clearly is how much more than white noise correlated noise must be to be believed
	// where there is white noise too.
	clearly = 2.2
	// White noise is believed where the flattest blocks hold less energy at a low
	// frequency than the first times that at a high one, and not where they hold more
	// than the second times that: see findWhite.
	smoothBlocks, roughBlocks = 1.9, 3.5
	// mixed and drawing are the shares of a picture without any noise from which the
	// rest is doubted, and not believed, to have it everywhere.
	mixed, drawing = 0.35, 0.5
	// Noise that is nearly white is measured by the flat blocks where blocks no rougher
	// make up mostly all of a picture, its power at low frequencies is between slightly
	// and textured, above which it is that of texture, and there is more to little times
	// as much as white noise.
	mostly, slightly, textured, more, little = 0.5, 1.08, 1.2, 1.1, 1.35
	// loudest is more than the noise of any photograph: text is louder.
	loudest = 0.15
	// quantised is the power of high over low frequencies below which JPEG must have
	// taken them.
	quantised = 0.018
)

// ramp is 0 below lo, 1 above hi.
func ramp(x, lo, hi float64) float64 { return min(max((x-lo)/(hi-lo), 0), 1) }

// drawn is the share of a picture where neighbours are equal in a row and a column of
// a colour that is not an end of the range: no noise was there, as in a drawing or on a
// screen. l are the levels of m, or nil.
func drawn(m operators.Image, l *levels) float64 {
	of := make([]int, m.C)
	eachPlane(m, func(c int, p []float32) {
		if l != nil {
			of[c] = l.drawn(c)
			return
		}
		lo, hi := ends(p)
		for y := 1; y < m.H; y++ {
			above, row := p[(y-1)*m.W:][:m.W], p[y*m.W:][:m.W]
			for x := 1; x < len(row); x++ {
				if v := row[x]; v == row[x-1] && v == above[x] && v == above[x-1] && v > lo && v < hi {
					of[c]++
				}
			}
		}
	})
	n := 0
	for _, k := range of {
		n += k
	}
	return float64(n) / float64(len(m.Pix))
}

// ends are the least and the largest sample, NaN where there is one.
func ends(p []float32) (lo, hi float32) {
	lo, hi = float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range p {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
		if v != v {
			return v, v
		}
	}
	return lo, hi
}

// describe decides what the noise is. l are the levels of m, or nil. eight: the samples have
// 8 bits. texture is that of find.
func (e *Estimate) describe(m operators.Image, l *levels, f *fit, dead []*marks, blocks []blockEnergy, eight bool, unit, texture float64, h Hints) {
	white, roughness := findWhiteIn(m, dead, blocks)
	if eight { // rounding is no noise
		white = math.Sqrt(max(white*white-1./255/255/12, 0))
	}
	everywhere := func() float64 { // how much white noise is believed
		return 1 - max(ramp(roughness, smoothBlocks, roughBlocks), ramp(drawn(m, l), mixed, drawing))
	}
	model := f.model()
	low, middle, high := f.bands()
	if high < 0.5*middle {
		settle(model.Model.(Curve))
	}
	var found float64
	if l != nil {
		found = l.rms(model.Model.(Curve))
	} else {
		found = RMS(model.Model, m.Pix, m.Shape)
	}
	even, lo, hi, explained := 0.0, doubted, believed, whiteShare
	if m.C == 1 && h.Quality == 0 { // rarely from a camera as it is
		lo, hi, explained = doubtedGray, believedGray, whiteShareGray
	}
	for _, b := range f.bins {
		even += b.even / float64(len(f.bins))
	}
	e.Confidence = ramp(even, lo, hi) * ramp(middle/low, steep, gentle) * (1 - texture)
	line := model.Model.(Curve).Channels[0]
	e.Rising = line.At(line.X[len(line.X)-1]) / line.At(line.X[0])
	switch {
	case unit > 0 && counting(f.raw, f.scale[0], unit):
		e.Model = Poisson{Gain: unit}
		e.Deviation = RMS(e.Model, m.Pix, m.Shape)
		e.White, e.Confidence = e.Deviation, 1
	case white > explained*found && !(m.C > 1 && e.Confidence > 0.9 && high < 0.5*middle && found > max(clearly*white, 5./255)):
		e.Model, e.Deviation, e.White = White{white}, white, white
		by, varies := brightness(blocks, large(m))
		if e.Confidence > 0.9 && even > mostly && found > more*white && found < little*white && low > slightly && low < textured {
			// A little correlation looks like texture to FindWhite, which takes it off.
			e.Deviation, e.White = found, found*math.Sqrt(low)
			e.Model = White{e.White}
		}
		e.Rising = 1
		if varies {
			e.Model = Curve{slices.Repeat([]Line{by}, m.C)}
			e.Deviation = RMS(e.Model, m.Pix, m.Shape)
			e.White, e.Rising = e.Deviation, by.At(0.75)/by.At(0.25)
		}
		e.Confidence = everywhere()
		e.White *= e.Confidence
	default:
		e.Correlated = true
		left := found * e.Confidence
		left = math.Sqrt(max(left*left-negligible*negligible, 0))
		if left <= white || found > loudest || texture > doubtful {
			e.Model, e.Deviation, e.White, e.Correlated = White{white}, white, white*everywhere(), false
			if texture > doubtful {
				e.texture = found
			}
			break
		}
		for _, l := range model.Model.(Curve).Channels {
			for i := range l.Y {
				l.Y[i] *= left / found
			}
		}
		e.Model, e.Deviation = model, left
		e.White = left * math.Sqrt(max(low, 1))
		if h.Quality > 0 || high < quantised*low {
			// The high frequencies of the noise are quantised away, and those of
			// the picture with them: a spectrum would say that they can be
			// trusted.
			e.Model = model.Model
			e.White = jpegLevel(left, h.Quality)
		}
	}
	if gap := gap(m, l); gap > 1.5/255 && e.Deviation < gap {
		if _, counts := e.Model.(Poisson); !counts {
			e.Model, e.White, e.Confidence, e.Correlated, e.Rising = White{e.Deviation}, 0, 0, false, 1
		}
	}
	e.Line = e.words(h)
}

// gap is the median difference of neighbouring levels of a picture, of the channel where it
// is least. Where it is more than the noise, rounding to few levels looks like noise. l are
// the levels of m, or nil.
func gap(m operators.Image, l *levels) float64 {
	const bins = 4096
	least := math.Inf(1)
	for c := range m.C {
		var used [bins]bool
		use := func(v float32) {
			if v >= 0 && v <= 1 {
				used[int(v*(bins-1)+0.5)] = true
			}
		}
		if l != nil {
			for k, n := range l.count[c] {
				if n > 0 {
					use(float32(k) / 255)
				}
			}
		} else {
			for _, v := range m.Plane(c) {
				use(v)
			}
		}
		var gaps []int
		last := -1
		for b, u := range used {
			if u && last >= 0 {
				gaps = append(gaps, b-last)
			}
			if u {
				last = b
			}
		}
		if len(gaps) > 0 {
			slices.Sort(gaps)
			least = min(least, float64(gaps[len(gaps)/2])/(bins-1))
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}

// jpegLevel is the level of white noise for which correlated noise that JPEG went over
// is best removed. Flat blocks show less than the noise that there was, the less the more
// was rounded away; in a picture that is all texture they show more. So the level grows
// with the error of rounding, and more slowly with the deviation, between 1.5 times the
// deviation and 36/255. It was fitted to the best levels on simulated camera pictures.
// A quality of 0 is a JPEG that is only suspected.
func jpegLevel(deviation float64, quality int) float64 {
	const most, least = 36. / 255, 1.5
	if quality == 0 {
		return deviation * min(3, max(most/deviation, 1))
	}
	f, err := operators.StandardJPEG(1, quality, 444)
	if err != nil {
		panic(err) // of a quality that no file has
	}
	level := 7. / 255 * math.Pow(255*f.Rounding(), 0.7) * math.Pow(255*deviation, 0.3)
	return max(min(max(level, least*deviation), most), deviation)
}

// settle takes the noise of a developed picture for no larger where it is brighter,
// but for a tenth: gamma compresses the bright, and what grows there is texture.
func settle(c Curve) {
	for _, l := range c.Channels {
		least := math.Inf(1)
		for i, v := range l.Y {
			l.Y[i] = min(v, 1.1*least)
			least = min(least, l.Y[i])
		}
	}
}

// eightBit reports whether all samples are multiples of 1/255 in [0,1].
func eightBit(m operators.Image) bool {
	of := make([]bool, m.C)
	eachPlane(m, func(c int, p []float32) {
		for _, v := range p {
			k := 255 * float64(v)
			if !(k >= 0 && k <= 255) || math.Abs(k-float64(int(k+0.5))) > 1e-3 {
				return
			}
		}
		of[c] = true
	})
	return !slices.Contains(of, false)
}

// quantum is the one number of which all samples are multiples, 0 where there is
// none of 1/400 of the largest at least or the samples are those of an 8-bit file.
func quantum(p []float32) float64 {
	top, least := 0.0, math.Inf(1)
	for _, v := range p {
		if !(v >= 0) || v-v != 0 {
			return 0
		}
		if top = max(top, float64(v)); v > 0 {
			least = min(least, float64(v))
		}
	}
	// The smallest sample may be a few quanta.
	for k := 1.0; k <= 16; k++ {
		if q := least / k; q >= top/400 && q < top && !slices.ContainsFunc(p, func(v float32) bool {
			t := float64(v) / q
			return math.Abs(t-math.Round(t)) > 1e-3
		}) {
			if math.Abs(q*255-math.Round(q*255)) < 1e-3 {
				return 0
			}
			return q
		}
	}
	return 0
}

// counting reports whether the variance is the mean times unit where it is least, to a
// third, and nowhere less. Elsewhere texture may add to it.
func counting(curve Line, scale, unit float64) bool {
	least := math.Inf(1)
	for i, m := range curve.X {
		if v := math.Pow(curve.Y[i]*scale, 2); m > 2*unit {
			least = min(least, v/(unit*m))
		}
	}
	return least > 0.7 && least < 1.4
}

// Doubtful reports whether what was found is hard to tell from texture.
func (e Estimate) Doubtful() bool { return e.Confidence < 0.5 }

// words is the line for people.
func (e *Estimate) words(h Hints) string {
	level := 255 * e.Deviation
	s := fmt.Sprintf("noise: about %s/255", of255(level))
	if level < 0.5 {
		s = "noise: next to none"
	} else {
		switch {
		case e.Rising > 1.35:
			s += ", rising with brightness"
		case e.Rising < 1/1.35:
			s += ", falling with brightness"
		}
		if p, ok := e.Model.(Poisson); ok {
			s += fmt.Sprintf(", that of counting, %.3g a count", p.Gain)
		}
		if e.Correlated {
			s += ", correlated as by demosaicking"
		}
	}
	if e.Gray {
		s += "; gray stored as colour"
	}
	if h.Quality > 0 {
		s += fmt.Sprintf("; JPEG of quality %d", h.Quality)
	}
	if e.Doubtful() {
		s += fmt.Sprintf(" (hard to tell from texture: --noise %.0f/255 to remove more)", math.Ceil(max(2*255*e.Deviation, 2*255*e.texture, 5)))
	}
	return s
}

// of255 is a level over 255 for people: 0.42, 8.1, 193.
func of255(level float64) string {
	if level >= 10 {
		return fmt.Sprintf("%.0f", level)
	}
	return fmt.Sprintf("%.2g", level)
}
