package noise

import (
	"cmp"
	"math"
	"slices"
)

const (
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

// A fit is the state of the estimate: the variance of coefficient k of channel c
// at brightness m is curve(m)^2 * scale[c]^2 * power[c][k].
type fit struct {
	channels int
	curve    Line
	raw      Line // the curve before it was smoothed
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
	w := f.weights()
	for i := range ps {
		p := &ps[i]
		sum, count := 0.0, 0.0
		for c := range f.channels {
			if p.ok[c] && f.scale[c] > 0 {
				d := f.curve.At(float64(p.mean[c])) * f.scale[c]
				sum += w[c].energy(p, c) / (d * d)
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

// energyWeights are what the squares at each frequency count for in the energy of a channel,
// and the sum that they have in noise of deviation 1.
type energyWeights struct {
	w  [Side * Side]float64
	of float64
}

// weights of the channels. Frequencies of next to no noise, which hold what leaks to them,
// count for little.
func (f *fit) weights() (all [3]energyWeights) {
	for c := range f.channels {
		e := &all[c]
		for k, power := range f.power[c] {
			if counted(k) {
				e.w[k] = 1 / (power + 0.3)
				e.of += e.w[k] * power
			}
		}
	}
	return all
}

// energy is that of a channel of a block relative to the powers, 1 on average
// where it holds the noise of deviation 1.
func (e *energyWeights) energy(p *patch, c int) float64 {
	sum := 0.0
	for k, x := range &p.coef[c] {
		sum += e.w[k] * float64(x) * float64(x)
	}
	return sum / e.of
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

const (
	// What is quiet is a quarter of the blocks of a brightness in colour, a tenth in gray.
	quiet, quietGray = 0.25, 0.1
	// Each pair: correlated noise is doubted where a number is above the first, and not believed
	// where it is above the second. spread is by how much the energies of quiet blocks
	// spread more than those of Gaussian noise, shared the correlation of channels, alike their
	// sum. JPEG has rounded chroma away, and coefficients to few values.
	spreadNoise, spreadTexture                 = 0.34, 0.4
	alikeNoise, alikeTexture                   = 0.9, 1.1
	sharedNoiseJPEG, sharedTextureJPEG         = 0.95, 0.99
	alikeNoiseJPEG, alikeTextureJPEG           = 1.17, 1.27
	spreadNoiseGray, spreadTextureGray         = 0.11, 0.17
	spreadNoiseGrayJPEG, spreadTextureGrayJPEG = 0.13, 0.21
	// The spread that JPEG adds to noise in gray, from the first quality down to the second.
	fineJPEG, coarseJPEG, coarseSpread = 85, 50, 0.18
	// The noise of a sensor is certain where alike is below the first.
	ownNoise, noOwnNoise = 0.45, 0.6
)

// texture is how much speaks for texture where the same could be correlated noise, from 0 to
// 1, and independent how sure it is that it is none. quality is that of JPEG, 0 of another
// file. An even texture, as that of gravel or grass, has as much energy in most blocks as
// in the quietest ones and passes for noise; but light and dark are the same in all
// channels, where those of a sensor have noise of their own, and the energies of its blocks
// spread more than those of Gaussian noise, of which a sum of n squares has the deviation
// sqrt(2/n) of its mean.
func (f *fit) texture(ps []patch, quality int) (texture, independent float64) {
	of := quiet
	if f.channels == 1 {
		of = quietGray
	}
	var shared, square float64 // sums of products of two channels, and of squares
	var spread, bins float64
	for _, bin := range f.bins {
		var own []float64
		for _, i := range bin.by[:max(int(of*float64(len(bin.by))), min(16, len(bin.by)))] {
			p := &ps[i]
			if !(p.own > 0) || math.IsInf(p.own, 1) {
				continue
			}
			own = append(own, math.Log(p.own))
			for a := range f.channels {
				for b := range a {
					if !p.ok[a] || !p.ok[b] || f.scale[a] == 0 || f.scale[b] == 0 {
						continue
					}
					for k := range p.coef[a] {
						if s := k/Side + k%Side; s >= 2 && s <= 8 {
							u, v := float64(p.coef[a][k])/f.scale[a], float64(p.coef[b][k])/f.scale[b]
							shared += u * v / p.own
							square += (u*u + v*v) / (2 * p.own)
						}
					}
				}
			}
		}
		if n := len(own); n > 8 {
			slices.Sort(own)
			// Half of the distance of the quantiles at 16 and 84%.
			spread += (own[n*84/100] - own[n*16/100]) / 2
			bins++
		}
	}
	if bins == 0 {
		return 0, 0
	}
	spread = spread/bins - math.Sqrt(2/f.freedom())
	shared /= max(square, 1e-30)
	jpeg := quality > 0
	switch alike := shared + spread; {
	case square == 0 && jpeg:
		more := coarseSpread * ramp(fineJPEG-float64(quality), 0, fineJPEG-coarseJPEG)
		return ramp(spread-more, spreadNoiseGrayJPEG, spreadTextureGrayJPEG), 0
	case square == 0:
		return ramp(spread, spreadNoiseGray, spreadTextureGray), 0
	case jpeg:
		return max(ramp(alike, alikeNoiseJPEG, alikeTextureJPEG), ramp(shared, sharedNoiseJPEG, sharedTextureJPEG)), 0
	default:
		return max(ramp(alike, alikeNoise, alikeTexture), ramp(spread, spreadNoise, spreadTexture)), 1 - ramp(alike, ownNoise, noOwnNoise)
	}
}

// freedom is the number of squares of one Gaussian in whose mean the spread is that of the
// energy of a block of noise.
func (f *fit) freedom() (n float64) {
	weights := f.weights()
	for c := range f.channels {
		if f.scale[c] == 0 {
			continue
		}
		e, square := weights[c], 0.0
		for k, w := range e.w {
			square += math.Pow(w*f.power[c][k], 2)
		}
		n += e.of * e.of / square
	}
	return max(n, 1)
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
	weights := f.weights()
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
				samples = append(samples, sample{float64(p.mean[c]), weights[c].energy(p, c), bin.trust(), c})
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
	f.raw = Line{x, make([]float64, len(y))}
	for i, v := range y {
		f.raw.Y[i] = math.Exp(v)
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
