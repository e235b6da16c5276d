package restore

import (
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// This file looks at a result as a stranger would. A certificate says that the
// solver did what a theorem says; it says nothing of whether operator, noise level
// and prior belong to the image. These checks do: a result that contradicts the
// measurement, or that no image looks like, is suspect.

// An examination is what the residual r = A x - y and the result x show. Numbers
// of windows add up.
type examination struct {
	samples      float64 // of y that count
	energy       float64 // sum of squares of r over the level
	along        float64 // sum of r_i r_j over neighbours, over the level
	neighbours   float64
	lo, hi       float64 // of x as it is written
	prior, plain float64 // R of x, and of flat scenes of its means; NaN: unknown
	moved, kept  float64 // of rounded numbers: see strained
	// loudest is the mean power of r over the level in the ring of frequencies where that
	// is largest; 0: unknown. A strength is chosen by it; sums over windows do not have it.
	loudest float64
	// echo is the correlation of the spectrum of x with that of the blur; 0: unknown. As loudest.
	echo float64
}

func newExamination() examination {
	return examination{lo: math.Inf(1), hi: math.Inf(-1)}
}

func (e *examination) add(f examination) {
	e.samples += f.samples
	e.energy += f.energy
	e.along += f.along
	e.neighbours += f.neighbours
	e.lo, e.hi = min(e.lo, f.lo), max(e.hi, f.hi)
	e.prior += f.prior
	e.plain += f.plain
	e.moved += f.moved
	e.kept += f.kept
}

// numbers are the fields but loudest and echo, for a file; examinationOf takes them back.
func (e examination) numbers() [10]float64 {
	return [...]float64{e.samples, e.energy, e.along, e.neighbours, e.lo, e.hi, e.prior, e.plain, e.moved, e.kept}
}

func examinationOf(v [10]float64) examination {
	return examination{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], 0, 0}
}

// ratio is the root mean square of the residual in units of the level.
func (e examination) ratio() float64 { return math.Sqrt(e.energy / max(e.samples, 1)) }

// quantum is the deviation of rounding to 8 bits: a residual as small is no sign of
// anything.
const quantum = 1. / 255 / 3.4641016

// examine measures a result.
func (p *Plan) examine(a operators.Linear, y operators.Image, psi solvers.Potential, r solvers.Result) examination {
	e := newExamination()
	level := max(p.level(), quantum)
	x := r.X // as it is written
	if p.policy.rounded {
		x = slices.Clone(x)
		clip(x)
	}
	ax := x // A x
	if _, ok := a.(*operators.Identity); !ok {
		ax = make([]float32, len(y.Pix))
		p.apply(ax, a, y, x)
	}
	residual := func(dst []float32, at int) {
		n := copy(dst, ax[at:])
		kernel.Axpy(dst[:n], -1, y.Pix[at:][:n])
		kernel.Scale(dst[:n], dst[:n], float32(1/level))
		if p.Saturated { // a clipped sample says that it was at least, or at most, so large
			for i, v := range y.Pix[at:][:n] {
				if d := dst[i]; v >= 1 && d > 0 || v <= 0 && d < 0 {
					dst[i] = 0
				}
			}
		}
	}
	if q, ok := a.(operators.Quantiser); ok {
		e.moved, e.kept = p.beyondSteps(ax, y.Pix, q)
		residual = func(dst []float32, at int) { copy(dst, ax[at:]) }
	}
	e.samples = float64(len(y.Pix) - p.problem.unweighted() - p.holes)
	if p.Operator.ImageShaped() && y.Len() == len(y.Pix) {
		e.images(y.Shape, residual)
		if p.policy.deblurs && p.mayRise() {
			e.loudest = loudest(y.Shape, residual)
			e.echo = p.echoOf(r.X, a.Domain())
		}
	} else {
		line := make([]float32, len(y.Pix))
		residual(line, 0)
		for _, v := range line {
			e.energy += float64(v) * float64(v)
		}
	}
	written := extent(x)
	e.lo, e.hi = written.Lo, written.Hi
	e.prior, e.plain = math.NaN(), math.NaN()
	if n := len(r.Trace); n > 0 && p.Lambda > 0 {
		e.prior = r.Trace[n-1].Prior / p.Lambda
		if p.tilt != nil && len(p.tilt) == len(r.X) {
			e.prior += kernel.Dot(p.tilt, r.X)
		}
		e.plain = p.flatValue(psi, r.X, a.Domain())
	}
	return e
}

// images adds up the residual of an image, row by row.
func (e *examination) images(s operators.Shape, residual func(dst []float32, at int)) {
	line, above := make([]float32, s.W), make([]float32, s.W)
	for row := range s.C * s.H {
		residual(line, row*s.W)
		e.energy += kernel.Dot(line, line)
		e.along += kernel.Dot(line[1:], line[:s.W-1])
		e.neighbours += float64(s.W - 1)
		if row%s.H > 0 {
			e.along += kernel.Dot(line, above)
			e.neighbours += float64(s.W)
		}
		line, above = above, line
	}
}

// ringTile is the side of the tiles of a residual whose spectra are averaged, rings is the
// number of rings of frequencies, from 0.02 to 0.5 cycles a pixel.
const ringTile, rings = 64, 10

// loudest is the largest mean power of an image in a ring of frequencies, by the
// periodograms of tiles through a Hann window (Welch 1967): 1 at all of them for white noise
// of deviation 1. It is 0 where the image is smaller than a tile.
func loudest(s operators.Shape, read func(dst []float32, at int)) float64 {
	const n, half = ringTile, ringTile/2 + 1
	if s.H < n || s.W < n {
		return 0
	}
	window, energy := hann(n), 0.0
	for _, v := range window {
		energy += float64(v) * float64(v)
	}
	fft, pix, freq := kernel.NewFFT2(n, n), make([]float32, n*n), make([]complex64, n*half)
	var power, count [rings]float64
	down, across := s.H/n, s.W/n
	place := func(i, tiles, length int) int { // tiles from end to end
		return i * (length - n) / max(tiles-1, 1)
	}
	for t := range s.C * down * across {
		top := t/(down*across)*s.H + place(t/across%down, down, s.H)
		for i := range n {
			row := pix[i*n : (i+1)*n]
			read(row, (top+i)*s.W+place(t%across, across, s.W))
			for j := range row {
				row[j] *= window[i] * window[j]
			}
		}
		fft.Forward(freq, pix)
		for u := range n {
			for v := range half {
				f := math.Hypot(float64(min(u, n-u)), float64(v)) / n
				if k := int((f - 0.02) / 0.048); f >= 0.02 && k < rings {
					z := freq[u*half+v]
					power[k] += float64(real(z))*float64(real(z)) + float64(imag(z))*float64(imag(z))
					count[k]++
				}
			}
		}
	}
	most := 0.0
	for k := range power {
		most = max(most, power[k]/count[k]/(energy*energy))
	}
	return most
}

// flatSide bounds the sides of the flat scene that a result is compared with.
const flatSide = 64

// flatValue is R at f(m), m the scene with each plane of x at its mean: a flat
// image or nearly. R of a large flat scene is that of a smaller one, by area, but
// for its frame.
func (p *Plan) flatValue(psi solvers.Potential, x []float32, scene operators.Shape) float64 {
	small := scene
	if p.net.Config().Height == 0 {
		small.H, small.W = min(scene.H, flatSide), min(scene.W, flatSide)
	}
	if small != scene || p.tilt != nil {
		if q, err := p.potential(small); err == nil {
			psi = q
		} else {
			small = scene
		}
	}
	m, f := make([]float32, small.Len()), make([]float32, small.Len())
	n, k := scene.H*scene.W, small.H*small.W
	for c := range scene.C {
		sum := 0.0
		for _, v := range x[c*n:][:n] {
			sum += float64(v)
		}
		for i := range k {
			m[c*k+i] = float32(sum / float64(n))
		}
	}
	value := -psi.Eval(f, m)
	for i, v := range m {
		value += float64(v)*float64(f[i]) - float64(f[i])*float64(f[i])/2
	}
	return value * float64(n) / float64(k)
}

const (
	// mostResidual is how many times the noise the residual may be: the energy of
	// white noise in a thousand samples is within 10% of its mean.
	mostResidual = 1.6
	// mostCorrelated is the correlation of neighbours in a residual that should be
	// white noise.
	mostCorrelated = 0.5
	// mostBeyond is how far beyond black and white a result may go that the
	// measurement does not ask for, in parts of the range, mostBeyondBlur where a blur with
	// noise was undone, and mostBelow how far below black where any was in a picture whose black and
	// white are known, but not in linear light, whose dark goes further: by the right operator
	// it is 0.2 at most. Thin lights may be brighter than all of the measurement.
	mostBeyond, mostBeyondBlur, mostBelow = 0.6, 0.35, 0.28
	// fewest is the number of samples below which nothing is concluded from sums over them.
	fewest = 256
)

// implausible is why no image looks like the result, "" where one may. before is
// the range of the measurement.
func (p *Plan) implausible(e examination, before Range) string {
	below, above := p.mostBeyond()
	switch {
	case p.Lambda == 0:
	case e.samples >= fewest && e.prior < e.plain-0.05*math.Abs(e.plain)-1e-3*e.samples*p.Scale*p.Sigma*p.Sigma:
		return fmt.Sprintf("the prior finds the result more likely than a flat image (R %.4g against %.4g): patterns that no image holds", e.prior, e.plain)
	case before.beyond(e.lo, e.hi, below, above):
		return fmt.Sprintf("the result reaches from %.3g to %.3g where black is 0 and white 1: the operator is not that of the measurement", e.lo, e.hi)
	}
	return ""
}

// mostBeyond is how far below black and above white a result may go.
func (p *Plan) mostBeyond() (below, above float64) {
	above = mostBeyond
	if p.noisyBlur() {
		above = mostBeyondBlur
	}
	if p.policy.deblurs && p.Light != LightLinear && p.Range == Unit {
		return mostBelow, above
	}
	return above, above
}

// beyond reports whether samples from lo to hi go further below or above than the
// measurement's range r asks for.
func (r Range) beyond(lo, hi, below, above float64) bool {
	return hi > max(1, r.Hi)+above || lo < min(0, r.Lo)-below
}

// verdict is why a result should not be trusted, "" where nothing speaks against
// it: that no image looks like it, or that it contradicts the measurement.
func (p *Plan) verdict(e examination, before Range) string {
	if why := p.implausible(e, before); why != "" {
		return why
	}
	if e.samples < fewest || p.Lambda == 0 {
		return ""
	}
	ratio := e.ratio()
	correlation := 0.0
	if e.energy > 0 {
		correlation = e.along / max(e.neighbours, 1) / (e.energy / e.samples)
	}
	white := !p.policy.alone && e.energy/e.samples > 0.25
	switch {
	case ratio > mostResidual:
		return fmt.Sprintf("the residual is %.3g times the noise: %s is not that of the measurement", ratio, p.blame())
	case white && correlation > mostCorrelated:
		return fmt.Sprintf("the residual is no noise (neighbours correlate by %.2f): %s is not that of the measurement", correlation, p.blame())
	}
	return ""
}

// blame names what a residual speaks against.
func (p *Plan) blame() string {
	switch {
	case p.policy.alone:
		return "the noise level"
	case p.Blur != nil:
		return "the blur that was found, or the noise level,"
	}
	return "the operator or the noise level"
}
