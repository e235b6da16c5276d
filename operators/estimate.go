package operators

import (
	"cmp"
	"math"
	"slices"
)

const (
	estSide   = 8       // side of the blocks
	estSplit  = 9       // frequencies (u,v) with u+v of at least this are high
	estBlocks = 1 << 17 // about how many blocks a plane gives
	estShare  = 0.005   // share of them taken for flat
	estFlat   = 256     // but at least so many
)

// EstimateNoise estimates the standard deviation of white Gaussian noise in a
// picture, in units of its samples, by the method of Ponomarenko et al. (2007)
// as analysed by Colom and Buades (Image Processing On Line 3, 2013): of all
// overlapping 8x8 blocks, those with the least energy at low frequencies are
// flat, and what they hold at high frequencies is noise. The choice and the
// estimate rest on different coefficients, which in white noise are
// independent, so that choosing does not bias.
//
// Blocks with samples of exactly 0 or 1 are left out, as clipping took their
// noise, unless too few others remain. Channels are pooled. Noise that is not
// white (demosaicking, JPEG, resizing) is underestimated; a measurement with
// missing pixels, or one that is no picture, is not for this function. Without
// a single 8x8 block of finite samples the estimate comes from neighbouring
// differences; a picture of one pixel gives 0.
func EstimateNoise(m Image) float64 {
	checkLen("EstimateNoise", len(m.Pix), m.Len())
	blocks := blockEnergies(m, true)
	if len(blocks) < estFlat {
		blocks = blockEnergies(m, false)
	}
	if len(blocks) == 0 {
		return differenceNoise(m)
	}
	slices.SortFunc(blocks, func(a, b blockEnergy) int { return cmp.Compare(a.low, b.low) })
	n := max(int(estShare*float64(len(blocks))), min(estFlat, len(blocks)))
	sum := 0.0
	for _, b := range blocks[:n] {
		sum += float64(b.high)
	}
	return math.Sqrt(sum / float64(n))
}

// A blockEnergy is the sum of squares at the low frequencies of a block, the
// constant left out, and their mean at the high ones.
type blockEnergy struct{ low, high float32 }

// blockEnergies lists the blocks of all planes on a grid that gives about
// estBlocks of each.
func blockEnergies(m Image, unclipped bool) []blockEnergy {
	rows, cols := m.H-estSide+1, m.W-estSide+1
	if rows < 1 || cols < 1 {
		return nil
	}
	step := max(1, int(math.Ceil(math.Sqrt(float64(rows)*float64(cols)/estBlocks))))
	basis := cosineBasis()
	var out []blockEnergy
	for c := range m.C {
		p := m.Plane(c)
		for y := 0; y < rows; y += step {
			for x := 0; x < cols; x += step {
				if b, ok := basis.energy(p[y*m.W+x:], m.W, unclipped); ok {
					out = append(out, b)
				}
			}
		}
	}
	return out
}

// A blockBasis holds the orthonormal cosines a(u) cos(pi u (2i+1)/16) at
// [i][u].
type blockBasis [estSide][estSide]float32

func cosineBasis() *blockBasis {
	var b blockBasis
	for i := range estSide {
		for u := range estSide {
			a := math.Sqrt(2.0 / estSide)
			if u == 0 {
				a = math.Sqrt(1.0 / estSide)
			}
			b[i][u] = float32(a * math.Cos(math.Pi*float64(u*(2*i+1))/(2*estSide)))
		}
	}
	return &b
}

// energy transforms the block at the start of p, whose rows are w apart. It
// reports false where the block has a sample that is not finite, or, if it
// must be unclipped, one of exactly 0 or 1.
func (b *blockBasis) energy(p []float32, w int, unclipped bool) (blockEnergy, bool) {
	var t [estSide][estSide]float32
	mean := p[0] // taken off first: the constant must not cost digits
	for i := range estSide {
		var row [estSide]float32
		for j, v := range p[i*w : i*w+estSide] {
			if unclipped && (v == 0 || v == 1) {
				return blockEnergy{}, false
			}
			v -= mean
			for u := range row {
				row[u] += v * b[j][u]
			}
		}
		for u := range estSide {
			k := b[i][u]
			for v := range row {
				t[u][v] += k * row[v]
			}
		}
	}
	var e blockEnergy
	n := 0
	for u := range estSide {
		for v := range estSide {
			s := t[u][v] * t[u][v]
			if u+v >= estSplit {
				e.high += s
				n++
			} else if u+v > 0 {
				e.low += s
			}
		}
	}
	e.high /= float32(n)
	sum := float64(e.low) + float64(e.high)
	return e, !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

// differenceNoise is the median absolute difference of neighbours, scaled to
// the standard deviation that it has in white Gaussian noise.
func differenceNoise(m Image) float64 {
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
	d = slices.DeleteFunc(d, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2] / (0.6744897501960817 * math.Sqrt2)
}
