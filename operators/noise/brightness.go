package noise

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/operators"
)

const (
	brightGroups = 6    // of blocks, by brightness
	brightFewest = 1500 // blocks of a group
	// The relative error of the deviation in a group: brightError, and brightRough times
	// what its roughness is above brightSmooth. Rougher groups than brightRoughest say
	// nothing.
	brightError, brightRough, brightSmooth, brightRoughest = 0.08, 0.5, 0.8, 2
	// brightOutlier bounds what a group adds to chi^2: texture makes an outlier.
	brightOutlier = 0.8
	// Groups say nothing either whose flat blocks differ in energy, relative to its mean, by
	// a standard deviation of more than brightSpread: noise alone has 0.31.
	brightSpread = 0.6
	// One level is taken where the deviations at both ends differ by less than the factor
	// brightChange, or where the line explains no more than brightSure of chi^2. Noise that
	// rises by more than mostRising or falls by more than mostFalling is none: text is such.
	brightChange, brightSure, mostRising, mostFalling = 1.4, 6, 10, 3
)

// FindByBrightness estimates white noise that depends on the brightness, in a picture or in
// a blurred one whose samples are about in [0,1]. ok is false where noise of one level, which
// FindWhite measures, explains it about as well.
func FindByBrightness(m operators.Image) (c Curve, ok bool) {
	line, ok := brightness(blockEnergies(m, silence(m, false), 0), large(m))
	if !ok {
		return Curve{}, false
	}
	return Curve{slices.Repeat([]Line{line}, m.C)}, true
}

// brightness measures white noise that depends on the brightness: the blocks of FindWhite,
// which it sorts, in groups of about the same mean, each for itself, and through their
// variances the line
//
//	v(m) = a m + b,
//
// which counting and reading give (Foi et al., IEEE Trans. Image Processing 17, 2008). A
// group counts for less where its flattest blocks hold texture. ok is false where one
// level explains the groups about as well.
func brightness(blocks []blockEnergy, large bool) (deviation Line, ok bool) {
	groups := brightnessGroups(blocks, large)
	if len(groups) < 3 {
		return Line{}, false
	}
	// The variances at both ends, of all those on a grid of their logarithms.
	const tries, widest = 40, 3.2
	middle := math.Log(groups[len(groups)/2].variance)
	level, least, from, to := math.Inf(1), math.Inf(1), 0.0, 0.0
	for i := -tries; i <= tries; i++ {
		p := middle + widest*float64(i)/tries
		level = min(level, misfit(groups, p, p))
		for j := -tries; j <= tries; j++ {
			q := middle + widest*float64(j)/tries
			if chi := misfit(groups, p, q); chi < least {
				least, from, to = chi, p, q
			}
		}
	}
	change := math.Exp((to - from) / 2)
	if level-least < brightSure || max(change, 1/change) < brightChange || change > mostRising || change < 1./mostFalling {
		return Line{}, false
	}
	// Half as far beyond the groups as they reach, and there not below a third of the
	// lower end.
	const places = 17
	first, last := groups[0].mean, groups[len(groups)-1].mean
	for k := range places {
		t := 2*float64(k)/(places-1) - 0.5
		v := max((1-t)*math.Exp(from)+t*math.Exp(to), math.Exp(min(from, to))/9)
		deviation.X = append(deviation.X, first+t*(last-first))
		deviation.Y = append(deviation.Y, math.Sqrt(v))
	}
	return deviation, true
}

// A brightnessGroup is what blocks of about the same mean say of the noise there. weight
// is one over the variance of the logarithm of variance.
type brightnessGroup struct{ mean, variance, weight float64 }

// large reports whether a picture has so many pixels that sorting its blocks takes time.
func large(m operators.Image) bool { return m.H*m.W >= 1<<22 }

// brightnessGroups is by ascending mean. Which of several blocks of one mean come before a
// border between groups depends on how they are sorted.
func brightnessGroups(blocks []blockEnergy, large bool) (groups []brightnessGroup) {
	n := min(brightGroups, len(blocks)/brightFewest)
	if large {
		blocks = byMean(blocks, n)
	} else {
		slices.SortFunc(blocks, compareMeans)
	}
	of := make([]brightnessGroup, n) // without weight: says nothing
	var all sync.WaitGroup
	for k := range of {
		all.Go(func() {
			part := blocks[k*len(blocks)/n : (k+1)*len(blocks)/n]
			flat := flattest(part)
			sigma, rough := whiteOf(flat, len(part), false)
			mean, spread := meanSpread(flat[:flatBlocks(len(part), estNear)])
			if sigma == 0 || sigma > loudest || rough > brightRoughest || spread > brightSpread {
				return
			}
			e := 2 * (brightError + brightRough*max(rough-brightSmooth, 0))
			of[k] = brightnessGroup{mean, sigma * sigma, 1 / (e * e)}
		})
	}
	all.Wait()
	for _, g := range of {
		if g.weight > 0 && (len(groups) == 0 || g.mean > groups[len(groups)-1].mean) {
			groups = append(groups, g)
		}
	}
	return groups
}

func compareMeans(a, b blockEnergy) int { return cmp.Compare(a.mean, b.mean) }

// byMean is the blocks in n groups as large as each other, of ascending means. Within a group
// they are in no order: they go to bins by their means, and only the bins that a border
// between groups goes through are sorted.
func byMean(blocks []blockEnergy, n int) []blockEnergy {
	if n < 2 {
		return blocks
	}
	const bins = 1 << 12
	lo, hi := blocks[0].mean, blocks[0].mean
	for _, b := range blocks {
		lo, hi = min(lo, b.mean), max(hi, b.mean)
	}
	scale := (bins - 1) / (hi - lo)
	if !(scale > 0 && scale <= math.MaxFloat32) { // all are equal, or no two are near
		slices.SortFunc(blocks, compareMeans)
		return blocks
	}
	bin := func(b *blockEnergy) int { return int((b.mean - lo) * scale) }
	var begin [bins + 1]int
	for i := range blocks {
		begin[bin(&blocks[i])+1]++
	}
	for k := range bins {
		begin[k+1] += begin[k]
	}
	out, next := make([]blockEnergy, len(blocks)), begin
	for i := range blocks {
		at := &next[bin(&blocks[i])]
		out[*at] = blocks[i]
		*at++
	}
	for k := 1; k < n; k++ {
		at := bin(&out[k*len(out)/n])
		slices.SortFunc(out[begin[at]:begin[at+1]], compareMeans)
	}
	return out
}

// meanSpread is the mean brightness of blocks and the standard deviation of their high
// energies relative to the mean of these.
func meanSpread(blocks []blockEnergy) (mean, spread float64) {
	sum, square, n := 0.0, 0.0, float64(len(blocks))
	for _, b := range blocks {
		mean += float64(b.mean) / n
		h := float64(b.high[0] + b.high[1])
		sum, square = sum+h, square+h*h
	}
	return mean, math.Sqrt(max(square*n/(sum*sum)-1, 0))
}

// misfit is chi^2 of the groups for the line from the variance exp(from) at the first to
// exp(to) at the last, outliers bounded.
func misfit(groups []brightnessGroup, from, to float64) (chi float64) {
	first, last := groups[0].mean, groups[len(groups)-1].mean
	for _, g := range groups {
		t := (g.mean - first) / (last - first)
		r := math.Log(g.variance / ((1-t)*math.Exp(from) + t*math.Exp(to)))
		chi += g.weight * r * r / (1 + r*r/(brightOutlier*brightOutlier))
	}
	return chi
}
