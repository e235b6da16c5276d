package noise

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
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
	// Gray says that the picture's channels are equal.
	Gray bool
	// Line says all that in words, levels in 255ths of the range 0 to 1.
	Line string
}

const (
	step     = 2     // of the blocks' grid
	most     = 30000 // about so many positions
	fewest   = 40    // positions to estimate anything from
	share    = 0.008 // of the positions of a brightness that are taken for flat
	binned   = 800   // positions that make a bin of brightness
	mostBins = 10
	rounds   = 4
	wider    = 8 // times as many positions show what texture adds

	plainRise  = 0.1 // of the energy with the choice, without texture
	evenness   = 1.7 // times the median energy of flat positions: no more than they have
	outlier    = 1.5 // times the median energy: no flat position
	fallWeight = 3.0
)

// A patch is one block position: in each channel its mean and its cosines.
type patch struct {
	ok   [3]bool
	mean [3]float32
	luma float32
	coef [3][Side * Side]float32
	// around are the patches beside it that do not overlap it, own its energy
	// relative to the model, rank the mean of theirs.
	around    []int
	own, rank float64
}

// patches cuts the blocks that can say something about noise: without samples at
// the ends of the range where they pile up, without flat areas (bars,
// letterboxes, drawings) and without repeated lines. zeros: the lower end is no
// clipping, as in counts.
func patches(m operators.Image, zeros bool) []patch {
	if m.H < Side || m.W < Side {
		return nil
	}
	stride := step
	for (m.H/stride)*(m.W/stride) > most {
		if stride++; stride%2 == 0 {
			stride++
		}
	}
	dead := make([]*counts, m.C)
	eachPlane(m, func(c int, p []float32) { dead[c] = silent(p, m.H, m.W, zeros) })
	plan := kernel.NewDCT2(Side, Side)
	var out []patch
	rows, cols := (m.H-Side)/stride+1, (m.W-Side)/stride+1
	at := make([]int, rows*cols) // 1 + the patch there
	for y := 0; y+Side <= m.H; y += stride {
		for x := 0; x+Side <= m.W; x += stride {
			var p patch
			n := 0
			for c := range m.C {
				if dead[c].in(y, x) > 0 || repeated(m.Plane(c)[y*m.W+x:], m.W) {
					continue
				}
				b := p.coef[c][:]
				for i := range Side {
					copy(b[i*Side:(i+1)*Side], m.Pix[(c*m.H+y+i)*m.W+x:])
				}
				plan.Forward(b, b)
				p.ok[c] = true
				p.mean[c] = b[0] / Side
				p.luma += p.mean[c]
				n++
			}
			if n > 0 && p.luma-p.luma == 0 {
				p.luma /= float32(n)
				out = append(out, p)
				at[y/stride*cols+x/stride] = len(out)
			}
		}
	}
	far := (Side + stride - 1) / stride
	for k, i := range at {
		if i == 0 {
			continue
		}
		p := &out[i-1]
		r, c := k/cols, k%cols
		for _, q := range [][2]int{{r - far, c}, {r + far, c}, {r, c - far}, {r, c + far}} {
			if q[0] >= 0 && q[0] < rows && q[1] >= 0 && q[1] < cols && at[q[0]*cols+q[1]] > 0 {
				p.around = append(p.around, at[q[0]*cols+q[1]]-1)
			}
		}
	}
	return slices.Clip(out)
}

// repeated reports two equal neighbouring rows or columns in the block that
// begins p, of a plane of width w.
func repeated(p []float32, w int) bool {
	for i := range Side - 1 {
		row, col := true, true
		for j := range Side {
			row = row && p[i*w+j] == p[(i+1)*w+j]
			col = col && p[j*w+i] == p[j*w+i+1]
		}
		if row || col {
			return true
		}
	}
	return false
}

// counts is a summed-area table. floor and ceiling are the ends at which samples are
// clipped, infinite where none are.
type counts struct {
	w              int
	sum            []int32 // (h+1) x (w+1)
	floor, ceiling float32
}

// in is the number of marked samples in the block at (y,x).
func (c *counts) in(y, x int) int32 {
	w := c.w + 1
	return c.sum[(y+Side)*w+x+Side] - c.sum[y*w+x+Side] - c.sum[(y+Side)*w+x] + c.sum[y*w+x]
}

// silent marks the samples of a plane that say nothing: in a flat 4x4 area, at an
// end of the range that more than one in 500 reaches, or not finite.
func silent(p []float32, h, w int, zeros bool) *counts {
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range p {
		if v == v { // not missing
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	nlo, nhi := 0, 0
	for _, v := range p {
		if v == lo {
			nlo++
		}
		if v == hi {
			nhi++
		}
	}
	floor, ceiling := float32(math.Inf(-1)), float32(math.Inf(1))
	if !zeros && 500*nlo > len(p) {
		floor = lo
	}
	if 500*nhi > len(p) {
		ceiling = hi
	}
	mark := make([]bool, len(p))
	for i, v := range p {
		mark[i] = v-v != 0 || v <= floor || v >= ceiling
	}
	const side = 4
	run := make([]int, w) // rows above with the same 4 samples
	for y := range h {
		for x := 0; x+side <= w; x++ {
			q := p[y*w+x:][:side]
			if q[0] != q[1] || q[0] != q[2] || q[0] != q[3] {
				run[x] = 0
				continue
			}
			if y > 0 && run[x] > 0 && p[(y-1)*w+x] != q[0] {
				run[x] = 0
			}
			if run[x]++; run[x] >= side {
				for i := range side {
					for j := range side {
						mark[(y-i)*w+x+j] = true
					}
				}
			}
		}
	}
	c := &counts{w, make([]int32, (h+1)*(w+1)), floor, ceiling}
	for y := range h {
		line := int32(0)
		for x := range w {
			if mark[y*w+x] {
				line++
			}
			c.sum[(y+1)*(w+1)+x+1] = c.sum[y*(w+1)+x+1] + line
		}
	}
	return c
}

// A fit is the state of the estimate: the variance of coefficient k of channel c
// at brightness m is curve(m)^2 * scale[c]^2 * power[c][k].
type fit struct {
	channels int
	curve    Line
	scale    [3]float64
	power    [3][Side * Side]float64
	bins     []bin
	// cross are the products of channels a and b at frequency k, [k][a*3+b],
	// relative to their deviations.
	cross [Side * Side][9]float64
	// seen is the number of flat blocks that each channel was measured by.
	seen [3]int
}

// A bin is the positions of one brightness.
type bin struct {
	// by are the positions, those in the flattest surroundings first, flat how
	// many of them are taken for flat and median their median energy.
	by     []int
	flat   int
	median float64
	// texture is the spread of the energies of flat positions, beyond what noise
	// alone has, and how much larger they are in a wider choice.
	texture float64
	// fall is how much more the spectrum of its flat positions falls than that of
	// the bin where it falls least: texture falls, and noise has one spectrum.
	fall float64
	// even is the share of all its positions with no more energy than flat ones
	// have: large where there is little else than noise.
	even float64
}

// trust is the weight of what is measured in a bin.
func (b bin) trust() float64 {
	t := 0.02 + b.texture*b.texture
	return math.Exp(-fallWeight*b.fall) / (t * t) * (0.01 + b.even*b.even)
}

// counted are the frequencies whose energy counts: not the lowest, which hold
// shading.
func counted(k int) bool { return k/Side+k%Side >= 2 }

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
	e := find(m, h)
	if h.Quality > 0 && m.C == 3 && !e.Gray && e.Confidence < certain {
		// Little noise is left in the chroma of a JPEG file, and what texture has
		// there misleads.
		y := h.Luma
		if y.H != m.H || y.W != m.W {
			y = luma(m)
		}
		if l := find(y, h); l.Confidence > e.Confidence {
			return l
		}
	}
	return e
}

// certain is the confidence above which another estimate is not asked for.
const certain = 0.95

// luma is that of BT.601.
func luma(m operators.Image) operators.Image {
	out := operators.NewImage(operators.Shape{C: 1, H: m.H, W: m.W})
	for i := range out.Pix {
		out.Pix[i] = 0.299*m.Plane(0)[i] + 0.587*m.Plane(1)[i] + 0.114*m.Plane(2)[i]
	}
	return out
}

// find is Find of these samples alone.
func find(m operators.Image, h Hints) Estimate {
	e := Estimate{}
	if m.C == 3 && slices.Equal(m.Plane(0), m.Plane(1)) && slices.Equal(m.Plane(0), m.Plane(2)) {
		e.Gray = true
		m = operators.Image{Shape: operators.Shape{C: 1, H: m.H, W: m.W}, Pix: m.Plane(0)}
	}
	unit := quantum(m.Pix)
	ps := patches(m, unit > 0)
	if len(ps) < fewest {
		if differenceNoise(m) > 0 { // not a drawing, where most neighbours are equal
			e.White = FindWhite(m)
		}
		e.Model, e.Deviation = White{e.White}, e.White
		e.Line = fmt.Sprintf("noise: about %.2g/255, but hardly a part of the picture to measure it by", 255*e.White)
		return e
	}
	f := newFit(ps, m.C)
	for range rounds {
		f.choose(ps)
		f.measure(ps)
	}
	e.describe(m, f, unit, h)
	return e
}

func newFit(ps []patch, channels int) *fit {
	f := &fit{channels: channels, curve: Line{[]float64{0}, []float64{1}}}
	for c := range channels {
		f.scale[c] = 1
		for k := range f.power[c] {
			f.power[c][k] = 1
		}
	}
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(ps[a].luma, ps[b].luma) })
	n := min(max(len(ps)/binned, 1), mostBins)
	for b := range n {
		of := order[b*len(ps)/n : (b+1)*len(ps)/n]
		f.bins = append(f.bins, bin{by: of, flat: max(int(share*float64(len(of))), min(16, len(of)))})
	}
	return f
}

// choose sorts each bin by the energy around its positions.
func (f *fit) choose(ps []patch) {
	for i := range ps {
		p := &ps[i]
		sum, count := 0.0, 0.0
		for c := range f.channels {
			if p.ok[c] && f.scale[c] > 0 {
				d := f.curve.At(float64(p.mean[c])) * f.scale[c]
				sum += f.energy(p, c) / (d * d)
				count++
			}
		}
		p.own = math.Inf(1)
		if count > 0 {
			p.own = sum / count
		}
	}
	for i := range ps {
		p := &ps[i]
		p.rank = math.Inf(1)
		if n := len(p.around); n > 1 {
			p.rank = 0
			for _, k := range p.around {
				p.rank += ps[k].own / float64(n)
			}
		}
	}
	least := math.Inf(1)
	for b := range f.bins {
		bin := &f.bins[b]
		slices.SortFunc(bin.by, func(a, b int) int { return cmp.Compare(ps[a].rank, ps[b].rank) })
		f.judge(bin, ps)
		least = min(least, bin.fall)
	}
	for b := range f.bins {
		f.bins[b].fall -= least
	}
}

// energy is that of a channel of a block relative to the powers, 1 on average
// where it holds the noise of deviation 1. Frequencies of next to no noise, which
// hold what leaks to them, count for little.
func (f *fit) energy(p *patch, c int) float64 {
	sum, of := 0.0, 0.0
	for k, x := range p.coef[c] {
		if counted(k) {
			w := 1 / (f.power[c][k] + 0.3)
			sum += w * float64(x) * float64(x)
			of += w * f.power[c][k]
		}
	}
	return sum / of
}

// judge looks for texture in what a bin takes for flat.
func (f *fit) judge(bin *bin, ps []patch) {
	own := func(n int) []float64 {
		e := make([]float64, n)
		for k, i := range bin.by[:n] {
			e[k] = ps[i].own
		}
		slices.Sort(e)
		return e
	}
	near, wide := own(bin.flat), own(min(wider*bin.flat, len(bin.by)))
	bin.median = max(near[len(near)/2], 1e-30)
	rise := math.Log(max(wide[len(wide)/2], 1e-30) / bin.median)
	// Half of the distance of the quantiles at 16 and 84%.
	spread := math.Log(max(near[len(near)*84/100], 1e-30)/max(near[len(near)*16/100], 1e-30)) / 2
	n := 0.0
	for _, i := range bin.by {
		if ps[i].own < evenness*bin.median {
			n++
		}
	}
	bin.even = n / float64(len(bin.by))
	var band, count [2]float64 // energies at low and high frequencies
	for _, i := range bin.by[:bin.flat] {
		if ps[i].own > outlier*bin.median {
			continue
		}
		for c := range f.channels {
			if !ps[i].ok[c] || f.scale[c] == 0 {
				continue
			}
			d := f.curve.At(float64(ps[i].mean[c])) * f.scale[c]
			for k, v := range ps[i].coef[c] {
				s, at := k/Side+k%Side, 0
				if s < 2 || s == 6 || s > 11 {
					continue
				}
				if s > 6 {
					at = 1
				}
				band[at] += float64(v) * float64(v) / (d * d * f.power[c][k])
				count[at]++
			}
		}
	}
	free := float64(f.channels * Side * Side / 4)
	bin.texture = math.Hypot(max(rise-plainRise, 0), math.Sqrt(max(spread*spread-2/free-0.03, 0)))
	bin.fall = math.Log(max(band[0], 1e-30) / max(count[0], 1) * max(count[1], 1) / max(band[1], 1e-30))
}

// measure fits curve, scales and powers to the flat positions of all bins.
func (f *fit) measure(ps []patch) {
	var power [3][Side * Side]float64
	var weight [3]float64
	var cross [Side * Side][9]float64
	all := 0.0
	f.seen = [3]int{}
	for _, bin := range f.bins {
		w := bin.trust()
		for _, i := range bin.by[:bin.flat] {
			p := &ps[i]
			if p.own > outlier*bin.median {
				continue
			}
			for c := range f.channels {
				if !p.ok[c] || f.scale[c] == 0 {
					continue
				}
				d := f.curve.At(float64(p.mean[c])) * f.scale[c]
				weight[c] += w
				f.seen[c]++
				for k, v := range p.coef[c] {
					power[c][k] += w * float64(v) * float64(v) / (d * d)
				}
			}
			if f.channels == 3 && p.ok[0] && p.ok[1] && p.ok[2] {
				all += w
				for a := range 3 {
					for b := range a {
						d := w / (f.curve.At(float64(p.mean[a])) * f.curve.At(float64(p.mean[b])))
						for k := range p.coef[a] {
							cross[k][a*3+b] += d * float64(p.coef[a][k]) * float64(p.coef[b][k])
						}
					}
				}
			}
		}
	}
	for c := range f.channels {
		p := &power[c]
		lowest(p)
		mean := 0.0
		for _, v := range p {
			mean += v / (Side * Side)
		}
		if !(mean > 0) || weight[c] == 0 {
			f.scale[c] = 0
			continue
		}
		for k, v := range p {
			f.power[c][k] = max(v/mean, 1e-3)
		}
	}
	for k := range cross {
		for i, v := range cross[k] {
			f.cross[k][i] = v / max(all, 1e-30)
		}
	}
	f.fitCurve(ps)
}

// mostRise bounds the deviation at one brightness by so many times the least at any.
// What is measured above that is edges and texture, as in a page of text.
const mostRise = 5

// fitCurve fits curve and scales to the flat positions.
func (f *fit) fitCurve(ps []patch) {
	type sample struct {
		m, v, w float64
		c       int
	}
	var samples []sample
	for _, bin := range f.bins {
		for _, i := range bin.by[:bin.flat] {
			p := &ps[i]
			if p.own > outlier*bin.median {
				continue
			}
			for c := range f.channels {
				if !p.ok[c] || f.scale[c] == 0 {
					continue
				}
				samples = append(samples, sample{float64(p.mean[c]), f.energy(p, c), bin.trust(), c})
			}
		}
	}
	if len(samples) == 0 {
		return
	}
	// Scales: the weighted mean of v over the curve.
	var num, den [3]float64
	for _, s := range samples {
		d := f.curve.At(s.m)
		num[s.c] += s.w * s.v / (d * d)
		den[s.c] += s.w
	}
	for c := range f.channels {
		f.scale[c] = 0
		if den[c] > 0 {
			f.scale[c] = math.Sqrt(num[c] / den[c])
		}
	}
	// The curve: means in windows of equal population, then smoothed.
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(a.m, b.m) })
	knots := min(max(len(samples)/20, 1), mostBins)
	var x, y, w []float64
	for k := range knots {
		part := samples[k*len(samples)/knots : (k+1)*len(samples)/knots]
		var m, v, sw float64
		for _, s := range part {
			if f.scale[s.c] == 0 {
				continue
			}
			m += s.w * s.m
			v += s.w * s.v / (f.scale[s.c] * f.scale[s.c])
			sw += s.w
		}
		if sw > 0 && v > 0 && (len(x) == 0 || m/sw > x[len(x)-1]+1e-6) {
			x, y, w = append(x, m/sw), append(y, math.Log(v/sw)/2), append(w, sw/float64(len(part)))
		}
	}
	if len(x) == 0 {
		return
	}
	least := slices.Min(y)
	for i := range y { // beyond, there are edges and texture, not noise
		y[i] = min(y[i], least+math.Log(mostRise))
	}
	smooth(y, w)
	f.curve = Line{x, make([]float64, len(y))}
	for i, v := range y {
		f.curve.Y[i] = math.Exp(v)
	}
}

// lowest bounds the powers at the lowest frequencies, where flat blocks have
// shading, by what the ones around them lead to: exp(a - b (u^2+v^2)), fitted
// to those with u+v of 2 to 4.
func lowest(p *[Side * Side]float64) {
	var n, sx, sy, sxx, sxy float64
	for u := range 5 {
		for v := range 5 - u {
			if q := p[u*Side+v]; u+v >= 2 && q > 0 {
				x, y := float64(u*u+v*v), math.Log(q)
				n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
			}
		}
	}
	if n < 6 {
		return
	}
	b := max(-(n*sxy-sx*sy)/(n*sxx-sx*sx), 0)
	a := (sy + b*sx) / n
	p[0] = math.Exp(a)
	p[1], p[Side] = min(p[1], math.Exp(a-b)), min(p[Side], math.Exp(a-b))
	p[Side+1] = min(p[Side+1], math.Exp(a-2*b))
}

// smooth replaces y by the minimiser z of
//
//	sum w (y-z)^2 + 0.1 (first differences of z)^2 + (second differences)^2,
//
// the points taken for equidistant, weights relative to their largest: a point
// that cannot be trusted takes the values beside it.
func smooth(y, w []float64) {
	n := len(y)
	top := slices.Max(w)
	a, b := make([]float64, n*n), make([]float64, n)
	for i := range n {
		a[i*n+i] = w[i]/top + 1e-6
		b[i] = (w[i]/top + 1e-6) * y[i]
	}
	for _, d := range [][]float64{{math.Sqrt(0.1), -math.Sqrt(0.1)}, {1, -2, 1}} {
		for i := 0; i+len(d) <= n; i++ {
			for p := range d {
				for q := range d {
					a[(i+p)*n+i+q] += d[p] * d[q]
				}
			}
		}
	}
	cholesky(a, n)
	forwardSolve(a, b, n)
	backSolve(a, b, n)
	copy(y, b)
}

// complete gives a channel that could hardly be measured, clipped or constant nearly
// everywhere, the noise of the others: where it has none that does no harm.
func (f *fit) complete() {
	most, seen := slices.Max(f.scale[:f.channels]), slices.Max(f.seen[:])
	var power [Side * Side]float64
	n, sum := 0.0, 0.0
	good := func(c int) bool { return f.scale[c] >= 0.2*most && most > 0 && f.seen[c] >= max(8, seen/6) }
	for c := range f.channels {
		if good(c) {
			n++
			sum += f.scale[c]
			for k, v := range f.power[c] {
				power[k] += v
			}
		}
	}
	for c := range f.channels {
		if good(c) || n == 0 {
			continue
		}
		f.scale[c] = sum / n
		for k, v := range power {
			f.power[c][k] = v / n
			for b := range f.channels {
				f.cross[k][max(b, c)*3+min(b, c)] = 0
			}
		}
	}
}

// model is the fit as a Model for pictures of its channels.
func (f *fit) model() Correlated {
	f.complete()
	c := Curve{}
	sp := Flat(f.channels)
	for a := range f.channels {
		l := Line{slices.Clone(f.curve.X), slices.Clone(f.curve.Y)}
		for i := range l.Y {
			l.Y[i] *= f.scale[a]
		}
		c.Channels = append(c.Channels, l)
		for k := range Side * Side {
			sp.At(k/Side, k%Side)[a*f.channels+a] = f.power[a][k]
		}
	}
	// Correlations a little weaker than measured keep every matrix positive.
	const keep = 0.9
	for k := range Side * Side {
		p := sp.At(k/Side, k%Side)
		for a := range f.channels {
			for b := range a {
				if d := f.scale[a] * f.scale[b]; d > 0 {
					most := math.Sqrt(f.power[a][k] * f.power[b][k])
					r := keep * max(-most, min(most, f.cross[k][a*3+b]/d))
					if k/Side+k%Side < 2 { // shading, not noise
						r = 0
					}
					p[a*f.channels+b], p[b*f.channels+a] = r, r
				}
			}
		}
		for l := slices.Clone(p); !cholesky(l, f.channels); copy(l, p) {
			for i := range p {
				if i%(f.channels+1) != 0 {
					p[i] *= 0.7
				}
			}
		}
	}
	sp, dev := sp.Normalised()
	for a, l := range c.Channels {
		for i := range l.Y {
			l.Y[i] *= dev[a]
		}
	}
	return Correlated{c, sp}
}

// bands are the mean powers of the middle and of the highest frequencies, all
// channels together.
func (f *fit) bands() (low, middle, high float64) {
	var n [3]float64
	for c := range f.channels {
		if f.scale[c] == 0 {
			continue
		}
		for k, p := range f.power[c] {
			switch s := k/Side + k%Side; {
			case s >= 2 && s <= 4:
				low, n[0] = low+p, n[0]+1
			case s >= 5 && s <= 8:
				middle, n[1] = middle+p, n[1]+1
			case s >= 10:
				high, n[2] = high+p, n[2]+1
			}
		}
	}
	return low / max(n[0], 1), middle / max(n[1], 1), high / max(n[2], 1)
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
// screen.
func drawn(m operators.Image) float64 {
	n := 0
	for c := range m.C {
		p := m.Plane(c)
		lo, hi := slices.Min(p), slices.Max(p)
		for i := m.W; i < len(p); i++ {
			if v := p[i]; i%m.W > 0 && v > lo && v < hi && v == p[i-1] && v == p[i-m.W] && v == p[i-m.W-1] {
				n++
			}
		}
	}
	return float64(n) / float64(len(m.Pix))
}

// describe decides what the noise is.
func (e *Estimate) describe(m operators.Image, f *fit, unit float64, h Hints) {
	white, roughness := findWhite(m)
	if eightBit(m.Pix) { // rounding is no noise
		white = math.Sqrt(max(white*white-1./255/255/12, 0))
	}
	model := f.model()
	low, middle, high := f.bands()
	if high < 0.5*middle {
		settle(model.Model.(Curve))
	}
	found := RMS(model.Model, m.Pix, m.Shape)
	even, lo, hi, explained := 0.0, doubted, believed, whiteShare
	if m.C == 1 && h.Quality == 0 { // rarely from a camera as it is
		lo, hi, explained = doubtedGray, believedGray, whiteShareGray
	}
	for _, b := range f.bins {
		even += b.even / float64(len(f.bins))
	}
	e.Confidence = ramp(even, lo, hi) * ramp(middle/low, steep, gentle)
	line := model.Model.(Curve).Channels[0]
	e.Rising = line.At(line.X[len(line.X)-1]) / line.At(line.X[0])
	switch {
	case unit > 0 && counting(f.curve, f.scale[0], unit):
		e.Model = Poisson{Gain: unit}
		e.Deviation = RMS(e.Model, m.Pix, m.Shape)
		e.White, e.Confidence = e.Deviation, 1
	case white > explained*found && !(m.C > 1 && e.Confidence > 0.9 && high < 0.5*middle && found > max(clearly*white, 5./255)):
		e.Model, e.Deviation, e.White = White{white}, white, white
		by, varies := brightness(m)
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
		e.Confidence = 1 - max(ramp(roughness, smoothBlocks, roughBlocks), ramp(drawn(m), mixed, drawing))
		e.White *= e.Confidence
	default:
		e.Correlated = true
		left := found * e.Confidence
		left = math.Sqrt(max(left*left-negligible*negligible, 0))
		if left <= white || found > loudest {
			e.Model, e.Deviation, e.White, e.Correlated = White{white}, white, white, false
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
	if gap := gap(m); gap > 1.5/255 && e.Deviation < gap {
		if _, counts := e.Model.(Poisson); !counts {
			e.Model, e.White, e.Confidence, e.Correlated, e.Rising = White{e.Deviation}, 0, 0, false, 1
		}
	}
	e.Line = e.words(h)
}

// gap is the median difference of neighbouring levels of a picture, of the channel where it
// is least. Where it is more than the noise, rounding to few levels looks like noise.
func gap(m operators.Image) float64 {
	const bins = 4096
	least := math.Inf(1)
	for c := range m.C {
		var used [bins]bool
		for _, v := range m.Plane(c) {
			if v >= 0 && v <= 1 {
				used[int(v*(bins-1)+0.5)] = true
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
func eightBit(p []float32) bool {
	for _, v := range p {
		k := 255 * float64(v)
		if !(k >= 0 && k <= 255) || math.Abs(k-math.Round(k)) > 1e-3 {
			return false
		}
	}
	return true
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

// counting reports whether the variance is the mean times unit wherever it was
// measured, within a third.
func counting(curve Line, scale, unit float64) bool {
	for i, m := range curve.X {
		v := math.Pow(curve.Y[i]*scale, 2)
		if r := v / (unit * m); m > 2*unit && (r < 0.7 || r > 1.4) {
			return false
		}
	}
	return true
}

// words is the line for people.
func (e *Estimate) words(h Hints) string {
	level := 255 * e.Deviation
	s := fmt.Sprintf("noise: about %.2g/255", level)
	if level >= 10 {
		s = fmt.Sprintf("noise: about %.0f/255", level)
	}
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
	if e.Confidence < 0.5 {
		s += fmt.Sprintf(" (hard to tell from texture: --noise %.0f/255 to remove more)", math.Ceil(max(2*255*e.Deviation, 5)))
	}
	return s
}
