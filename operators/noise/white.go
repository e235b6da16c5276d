package noise

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/operators"
)

const (
	estSide   = 8       // side of the blocks
	estSplit  = 9       // frequencies (u,v) with u+v of at least this are high
	estBlocks = 1 << 18 // at most about so many blocks of a plane
	estFew    = 100     // the estimate is not made of fewer
	estNear   = 0.005   // the share of the blocks that are taken for flat
	estLow    = 42      // the number of low frequencies of a block
	estWide   = 0.04    // the share that shows what texture adds
	estShare  = 0.1     // of all blocks; where fewer hold noise alone, others count
	estSilent = 6       // samples that may be clipped in them
)

// bandStarts are the sums u+v at which the bands begin, highest band first.
var bandStarts = [2]int{11, estSplit}

// FindWhite estimates the standard deviation of white Gaussian noise in a
// picture, in units of its samples, after Ponomarenko et al. (2007) as analysed
// by Colom and Buades (Image Processing On Line 3, 2013): of all overlapping
// 8x8 blocks, those with the least energy at low frequencies are flat, and what
// they hold at high frequencies is noise. The choice and the estimate rest on
// different coefficients, which are independent in white noise, so that
// choosing does not bias.
//
// Where even the flattest blocks hold texture their energy is too high, and what
// is taken off is judged by two marks of texture: its energy falls from the
// high frequencies to the highest, among the 4% flattest blocks (a) and among
// the 0.5% (b), and grows from the latter to the former (c), all as logarithms of
// ratios of mean squares,
//
//	log var = log(energy of the 0.5%) - 2.33 (a-0.05)+ - 2.28 (b-0.2)+ + 0.63 (c-0.05)+ - 0.023,
//
// (t)+ = max(t,0), fitted on 100 photographs with noise of 2, 5 and 20/255.
//
// Blocks that say nothing are left out, unless too few others remain: with
// samples at an end of the range where they pile up, as clipping took their
// noise, with flat areas and with repeated lines. Channels are pooled. Noise that is not
// white (demosaicking, JPEG, resizing) is underestimated; a measurement that is no
// picture is not for this function. Missing samples are NaN: blocks with one are left
// out. Without a single 8x8 block of finite samples the estimate comes from second
// differences in the flattest tiles, and of a picture of few pixels from neighbouring
// differences; one pixel gives 0, and so do gaps that leave fewer than 32 neighbours.
func FindWhite(m operators.Image) float64 {
	sigma, _ := findWhite(m)
	return sigma
}

// findWhite is FindWhite, and how much more energy than at a high frequency the
// flattest blocks have at a low one: about 1 where they hold white noise alone, 3.5
// and more where they hold texture alone. It is 0 where it is not known.
func findWhite(m operators.Image) (sigma, roughness float64) {
	if len(m.Pix) != m.Len() {
		panic(fmt.Sprintf("noise: FindWhite: %d samples for a picture of %v", len(m.Pix), m.Shape))
	}
	dead := silence(m, false)
	return findWhiteIn(m, dead, blockEnergies(m, dead, 0))
}

// findWhiteIn is findWhite, given the samples that say nothing and the blocks without any.
func findWhiteIn(m operators.Image, dead []*marks, blocks []blockEnergy) (sigma, roughness float64) {
	rows, cols, step := blockGrid(m.Shape)
	few := float64(len(blocks)*step*step) < estShare*float64(m.C*rows*cols)
	if few {
		blocks = blockEnergies(m, dead, estSilent)
	}
	if len(blocks) < estFew {
		blocks = blockEnergies(m, dead, estSide*estSide)
	}
	if len(blocks) == 0 {
		if sigma, ok := gappyNoise(m); ok {
			return sigma, 0
		}
		return differenceNoise(m), 0
	}
	return whiteOf(flattest(blocks), len(blocks), few)
}

// flattest is the share estWide of blocks with the least energy at low frequencies, in its
// order.
func flattest(blocks []blockEnergy) []blockEnergy {
	const every = 64 // gives a bound for most of them
	n := flatBlocks(len(blocks), estWide)
	var lows []float32
	for i := 0; i < len(blocks); i += every {
		lows = append(lows, blocks[i].low)
	}
	slices.Sort(lows)
	most := lows[min(len(lows)-1, 3*n/(2*every)+2)]
	flat := make([]blockEnergy, 0, 2*n)
	for _, b := range blocks {
		if b.low <= most {
			flat = append(flat, b)
		}
	}
	if len(flat) < n {
		flat = slices.Clone(blocks)
	}
	slices.SortFunc(flat, func(a, b blockEnergy) int { return cmp.Compare(a.low, b.low) })
	return flat[:n]
}

// whiteOf is findWhite from the flattest of so many blocks. censored: there are clipped
// samples in them.
func whiteOf(flat []blockEnergy, blocks int, censored bool) (sigma, roughness float64) {
	nearest := flat[:flatBlocks(blocks, estNear)]
	near, wide := meanHigh(nearest), meanHigh(flat)
	if near[1] == 0 {
		return 0, 0
	}
	above := func(x, y, least float64) float64 { return max(math.Log(x/max(y, 1e-30))-least, 0) }
	a, b, c := above(wide[1], wide[0], 0.05), above(near[1], near[0], 0.2), above(wide[1], near[1], 0.05)
	low := 0.0
	for _, b := range nearest {
		low += float64(b.low) / float64(len(nearest))
	}
	variance := near[1] * math.Exp(0.63*c-2.33*a-2.28*b-0.023)
	return unclipped(math.Sqrt(variance), nearest, censored), low / estLow / near[1]
}

// unclipped is the deviation of Gaussian noise whose deviation in blocks is sigma, after
// samples were clipped, or were left out with their block if censored is false.
func unclipped(sigma float64, blocks []blockEnergy, censored bool) float64 {
	s := sigma
	for range 20 {
		kept := 0.0
		for _, b := range blocks {
			kept += clippedVariance(float64(b.above)/s, censored) * clippedVariance(float64(b.below)/s, censored) / float64(len(blocks))
		}
		next := sigma / math.Sqrt(max(kept, 0.25))
		if next == s {
			break
		}
		s = next
	}
	return s
}

// clippedVariance is the variance V of a standard Gaussian z of which only z > -a is seen
// or, if censored, of max(z,-a), for the distance d of its mean from its end. With phi and
// Phi those of the standard Gaussian, h = phi(a)/Phi(a) and g = phi(a) - a Phi(-a),
//
//	truncated  d = a + h,  V = 1 - a h - h^2
//	censored   d = a + g,  V = Phi(a) - a phi(a) + a^2 Phi(-a) - g^2.
func clippedVariance(d float64, censored bool) float64 {
	if d > 5 {
		return 1
	}
	at := func(a float64) (mean, variance float64) {
		phi, below := math.Exp(-a*a/2)/math.Sqrt(2*math.Pi), math.Erfc(a/math.Sqrt2)/2
		if censored {
			g := phi - a*below
			return g, 1 - below - a*phi + a*a*below - g*g
		}
		h := phi / (1 - below)
		return h, 1 - a*h - h*h
	}
	lo, hi := -5.0, 5.0
	for range 30 {
		a := (lo + hi) / 2
		if mean, _ := at(a); a+mean < d {
			lo = a
		} else {
			hi = a
		}
	}
	_, v := at(lo)
	return v
}

// flatBlocks is how many of so many blocks a share of them is.
func flatBlocks(blocks int, share float64) int {
	return min(max(int(share*float64(blocks)), estFew), blocks)
}

// meanHigh is the mean of the high energies of blocks.
func meanHigh(blocks []blockEnergy) (m [len(bandStarts)]float64) {
	for _, b := range blocks {
		for i, v := range b.high {
			m[i] += float64(v) / float64(len(blocks))
		}
	}
	return m
}

// A blockEnergy is the sum of squares at the low frequencies of a block, the
// constant left out, and their mean over each set of high ones. Its mean is that far
// above the lower end and below the upper one, at which samples are clipped.
type blockEnergy struct {
	low, mean    float32
	above, below float32
	high         [len(bandStarts)]float32
}

// blockGrid is how many blocks a plane has, one a row and one a column, and of how many of
// both one is looked at.
func blockGrid(s operators.Shape) (rows, cols, step int) {
	rows, cols = s.H-estSide+1, s.W-estSide+1
	return rows, cols, max(1, int(math.Ceil(math.Sqrt(float64(rows)*float64(cols)/estBlocks))))
}

// blockEnergies lists the blocks of all planes on a grid that gives at most
// about estBlocks of each. Blocks with a sample that is not finite are left
// out, and those with more than most samples that say nothing of noise, which dead marks.
func blockEnergies(m operators.Image, dead []*marks, most int) []blockEnergy {
	rows, cols, step := blockGrid(m.Shape)
	if rows < 1 || cols < 1 {
		return nil
	}
	n := (rows + step - 1) / step * ((cols + step - 1) / step)
	planes, all := make([][]blockEnergy, m.C), make([]blockEnergy, m.C*n)
	eachPlane(m, func(c int, p []float32) {
		planes[c] = planeEnergies(all[c*n:c*n:(c+1)*n], p, m.H, m.W, step, dead[c], most)
	})
	out := all[:0]
	for _, p := range planes { // each goes to where it is, or before
		out = append(out, p...)
	}
	return out
}

// eachPlane calls f on all planes of a picture at once.
func eachPlane(m operators.Image, f func(c int, p []float32)) {
	var all sync.WaitGroup
	for c := range m.C {
		all.Go(func() { f(c, m.Plane(c)) })
	}
	all.Wait()
}

// planeEnergies is out and blockEnergies of one plane, with the first block of every step
// rows and columns.
func planeEnergies(out []blockEnergy, p []float32, h, w, step int, dead *marks, most int) []blockEnergy {
	basis := highCosines()
	var lines [estSide][]lineBands // of the last eight rows
	for i := range lines {
		lines[i] = make([]lineBands, (w-estSide+step)/step)
	}
	floor, ceiling := float32(math.Inf(-1)), float32(math.Inf(1))
	any := most >= estSide*estSide
	if !any {
		floor, ceiling = dead.floor, dead.ceiling
	}
	for y := range h {
		if y%step < estSide {
			for k := range lines[y%estSide] {
				x := k * step
				lines[y%estSide][k].read(p[y*w+x:y*w+x+estSide], basis)
			}
		}
		top := y - estSide + 1
		if top < 0 || top%step != 0 {
			continue
		}
		for k := range lines[0] {
			if !any && (dead.in(top, k*step) > most || repeated(p[top*w+k*step:], w)) {
				continue
			}
			if b, ok := energy(&lines, y+1, k, basis); ok {
				b.above, b.below = b.mean-floor, ceiling-b.mean
				out = append(out, b)
			}
		}
	}
	return out
}

// estFirst is the lowest frequency that is part of a high one.
const estFirst = estSplit - (estSide - 1)

// cosineTable holds the orthonormal cosines a(u) cos(pi u (2i+1)/16) at
// [u-estFirst][i].
type cosineTable [estSide - estFirst][estSide]float32

func highCosines() *cosineTable {
	var b cosineTable
	for k := range b {
		for i := range estSide {
			b[k][i] = float32(math.Sqrt(2.0/estSide) * math.Cos(math.Pi*float64((k+estFirst)*(2*i+1))/(2*estSide)))
		}
	}
	return &b
}

// lineBands is what a row of eight samples gives to its block.
type lineBands struct {
	sum, square float64
	freq        [estSide - estFirst]float32
}

func (l *lineBands) read(p []float32, basis *cosineTable) {
	p = p[:estSide]
	*l = lineBands{}
	for _, v := range p {
		d := float64(v) - 0.5
		l.sum += d
		l.square += d * d
	}
	for k := range basis {
		c := &basis[k]
		l.freq[k] = c[0]*p[0] + c[1]*p[1] + c[2]*p[2] + c[3]*p[3] + c[4]*p[4] + c[5]*p[5] + c[6]*p[6] + c[7]*p[7]
	}
}

// energy sums up block k of the eight lines, the first of which is
// lines[first%8]. The low frequencies have what is left of the squares after
// the constant and the high ones.
func energy(lines *[estSide][]lineBands, first, k int, basis *cosineTable) (blockEnergy, bool) {
	var e blockEnergy
	var sum, square float64
	var column [estSide - estFirst][estSide]float32
	for i := range estSide {
		l := &lines[(first+i)%estSide][k]
		sum += l.sum
		square += l.square
		for v, f := range l.freq {
			column[v][i] = f
		}
	}
	var bands [2*estSide - 1]float32 // by u+v
	for v := range column {
		p := &column[v]
		for u := len(column) - 1 - v; u < len(column); u++ {
			c := &basis[u]
			t := c[0]*p[0] + c[1]*p[1] + c[2]*p[2] + c[3]*p[3] + c[4]*p[4] + c[5]*p[5] + c[6]*p[6] + c[7]*p[7]
			bands[u+v+2*estFirst] += t * t
		}
	}
	high, count := float32(0), 0
	for s, i := len(bands)-1, 0; s >= estSplit; s-- {
		high += bands[s]
		count += len(bands) - s
		if s == bandStarts[i] {
			e.high[i] = high / float32(count)
			i++
		}
	}
	low := square - sum*sum/(estSide*estSide) - float64(high)
	e.low, e.mean = float32(low), float32(0.5+sum/(estSide*estSide))
	return e, !math.IsNaN(low) && !math.IsInf(low, 0)
}

// differenceNoise is the median absolute difference of neighbours, scaled to
// the standard deviation that it has in white Gaussian noise. Between gaps a few differences
// say nothing.
func differenceNoise(m operators.Image) float64 {
	var d []float64
	for c := range m.C {
		p := m.Plane(c)
		for i := range p {
			if i%m.W > 0 {
				d = append(d, math.Abs(float64(p[i])-float64(p[i-1])))
			}
			if i >= m.W {
				d = append(d, math.Abs(float64(p[i])-float64(p[i-m.W])))
			}
		}
	}
	all := len(d)
	d = slices.DeleteFunc(d, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	if len(d) == 0 || len(d) < all && len(d) < gapPairs*m.C {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2] / (0.6744897501960817 * math.Sqrt2)
}

const (
	gapTile  = 16   // side of the tiles
	gapFew   = 32   // second differences that a tile must have
	gapTiles = 20   // tiles that there must be
	gapNear  = 0.05 // the share of the tiles that is taken for flat
	gapBias  = 1.1  // what choosing the flattest takes away
	gapPairs = 32   // differences of neighbours that a channel must have
)

// gappyNoise estimates white noise from pictures in which samples are missing here and
// there: the second difference a - 2b + c of three neighbours in a row or a column has
// 6 times its variance. Of tiles of 16x16 samples, those with the least median of it are
// flat. ok is false where there are too few tiles.
func gappyNoise(m operators.Image) (sigma float64, ok bool) {
	var tiles, d []float64
	for c := range m.C {
		p := m.Plane(c)
		for y0 := 0; y0 < m.H; y0 += gapTile {
			for x0 := 0; x0 < m.W; x0 += gapTile {
				d = d[:0]
				for y := y0; y < min(y0+gapTile, m.H); y++ {
					for x := x0; x < min(x0+gapTile, m.W); x++ {
						i := y*m.W + x
						if x > x0+1 {
							d = append(d, math.Abs(float64(p[i])-2*float64(p[i-1])+float64(p[i-2])))
						}
						if y > y0+1 {
							d = append(d, math.Abs(float64(p[i])-2*float64(p[i-m.W])+float64(p[i-2*m.W])))
						}
					}
				}
				d = slices.DeleteFunc(d, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
				if len(d) >= gapFew {
					slices.Sort(d)
					tiles = append(tiles, d[len(d)/2]/(0.6744897501960817*math.Sqrt(6)))
				}
			}
		}
	}
	if len(tiles) < gapTiles {
		return 0, false
	}
	slices.Sort(tiles)
	return gapBias * tiles[int(gapNear*float64(len(tiles)))], true
}
