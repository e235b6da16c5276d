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
	// Step is the distance of two levels of the file, 1/255 for 8 bits in [0,1];
	// 0: unknown or none.
	Step float64
}

// An Estimate is what Find knows of the noise of a picture.
type Estimate struct {
	// Model is the noise: White, or a Curve, Correlated or not. Of a picture
	// whose channels are equal it is the model of one of them.
	Model Model
	// Deviation is the root mean square of the noise over the picture.
	Deviation float64
	// White is the level of white noise for which a restoration does about as
	// well as with the Model: above Deviation where the noise is correlated.
	White float64
	// Confidence is from 0, nothing found to measure noise by, to 1.
	Confidence float64
	// Correlated and Rising say what the model is beside white: Rising is the
	// deviation of the bright half over that of the dark one.
	Correlated bool
	Rising     float64
	// Gray: the picture's channels are equal.
	Gray bool
	// Line says all that in words, levels in 255ths of the range 0 to 1.
	Line string
}

const (
	step     = 2     // of the blocks' grid
	most     = 30000 // about so many positions
	fewest   = 40    // positions to estimate anything from
	share    = 0.008 // of the positions of a brightness that are taken for flat
	binned   = 1500  // positions that make a bin of brightness
	mostBins = 10
	rounds   = 4
	wider    = 8 // times as many positions show what texture adds

	plainGrowth = 0.1 // of the energy with the choice, without texture
	outlier     = 1.5 // times the median energy: no flat position
	fallWeight  = 3.0
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
// letterboxes, drawings) and without repeated lines.
func patches(m operators.Image) []patch {
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
	for c := range dead {
		dead[c] = silent(m.Plane(c), m.H, m.W)
	}
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

// counts is a summed-area table.
type counts struct {
	w   int
	sum []int32 // (h+1) x (w+1)
}

// in is the number of marked samples in the block at (y,x).
func (c *counts) in(y, x int) int32 {
	w := c.w + 1
	return c.sum[(y+Side)*w+x+Side] - c.sum[y*w+x+Side] - c.sum[(y+Side)*w+x] + c.sum[y*w+x]
}

// silent marks the samples of a plane that say nothing: in a flat 4x4 area, at an
// end of the range that more than one in 500 reaches, or not finite.
func silent(p []float32, h, w int) *counts {
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range p {
		lo, hi = min(lo, v), max(hi, v)
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
	mark := make([]bool, len(p))
	for i, v := range p {
		mark[i] = v-v != 0 || v == lo && 500*nlo > len(p) || v == hi && 500*nhi > len(p)
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
	c := &counts{w, make([]int32, (h+1)*(w+1))}
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
}

// trust is the weight of what is measured in a bin.
func (b bin) trust() float64 {
	t := 0.02 + b.texture*b.texture
	return math.Exp(-fallWeight*b.fall) / (t * t)
}

// counted are the frequencies whose energy counts: not the lowest, which hold
// shading.
func counted(k int) bool { return k/Side+k%Side >= 2 }

// Find estimates the noise of a picture whose samples are about in [0,1], after
// Colom & Buades (IPOL 3, 2013) and Lebrun, Colom & Morel (IPOL 5, 2015): of the
// 8x8 blocks of each brightness those are flat around which there is the least
// energy, and what they hold is noise, by frequency. A block is judged by those
// beside it, whose noise is independent of its own, so that choosing does not bias;
// energies are relative to the noise found in the round before. White noise of one level is measured by FindWhite, which corrects
// for texture.
func Find(m operators.Image, h Hints) Estimate {
	if len(m.Pix) != m.Len() {
		panic(fmt.Sprintf("noise: Find: %d samples for a picture of %v", len(m.Pix), m.Shape))
	}
	e := Estimate{}
	if m.C == 3 && slices.Equal(m.Plane(0), m.Plane(1)) && slices.Equal(m.Plane(0), m.Plane(2)) {
		e.Gray = true
		m = operators.Image{Shape: operators.Shape{C: 1, H: m.H, W: m.W}, Pix: m.Plane(0)}
	}
	ps := patches(m)
	if len(ps) < fewest {
		e.Model, e.Line = White{}, "noise: none found (no part of the picture to measure it by)"
		return e
	}
	f := newFit(ps, m.C)
	for range rounds {
		f.choose(ps)
		f.measure(ps)
	}
	e.describe(m, f, ps, h)
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
			if !p.ok[c] || f.scale[c] == 0 {
				continue
			}
			d := f.curve.At(float64(p.mean[c])) * f.scale[c]
			for k := range p.coef[c] {
				if counted(k) {
					v := float64(p.coef[c][k])
					sum += v * v / (d * d * f.power[c][k])
					count++
				}
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
	growth := math.Log(max(wide[len(wide)/2], 1e-30) / bin.median)
	// Half of the distance of the quantiles at 16 and 84%.
	spread := math.Log(max(near[len(near)*84/100], 1e-30)/max(near[len(near)*16/100], 1e-30)) / 2
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
	free := float64(f.channels * Side * Side / 2)
	bin.texture = math.Hypot(max(growth-plainGrowth, 0), math.Sqrt(max(spread*spread-2/free-0.03, 0)))
	bin.fall = math.Log(max(band[0], 1e-30) / max(count[0], 1) * max(count[1], 1) / max(band[1], 1e-30))
}

// measure fits curve, scales and powers to the flat positions of all bins.
func (f *fit) measure(ps []patch) {
	var power [3][Side * Side]float64
	var weight [3]float64
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
				for k, v := range p.coef[c] {
					power[c][k] += w * float64(v) * float64(v) / (d * d)
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
	f.fitCurve(ps)
}

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
				v, n := 0.0, 0.0
				for k, x := range p.coef[c] {
					if counted(k) {
						v += float64(x) * float64(x) / f.power[c][k]
						n++
					}
				}
				samples = append(samples, sample{float64(p.mean[c]), v / n, bin.trust(), c})
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
	knots := min(max(len(samples)/60, 1), mostBins)
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

// model is the fit as a Model for pictures of its channels.
func (f *fit) model() Correlated {
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

func (e *Estimate) describe(m operators.Image, f *fit, ps []patch, h Hints) {
	model := f.model()
	e.Deviation = RMS(model.Model, m.Pix, m.Shape)
	low, middle, high := f.bands()
	dark, bright := f.curve.At(f.curve.X[0]), f.curve.At(f.curve.X[len(f.curve.X)-1])
	e.Rising = bright / dark
	e.Correlated = high < 0.6*middle
	e.Model = model
	e.White = e.Deviation * math.Sqrt(max(low, middle, 1))
	e.Confidence = 1
	e.Line = fmt.Sprintf("noise: about %.1f/255 (low %.2f middle %.2f high %.2f rising %.2f)", 255*e.Deviation, low, middle, high, e.Rising)
}
