package blind

import (
	"cmp"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

const (
	blockSide  = 32
	half       = blockSide/2 + 1
	slowestAt  = 0.7  // radians a pixel: below, a block is judged; above, its noise is measured
	flattest   = 0.02 // share of the blocks that counts
	fewBlocks  = 24   // at least
	manyBlocks = 400  // from which on they need not overlap
	quiet      = 3e-3 // white noise above that is believed
)

// A floor is the power of a picture's noise at the frequencies (2 pi i/blockSide, 2 pi j/blockSide), the same in
// all four quadrants. That of a file that was compressed or resized is not the same at all frequencies: JPEG drops
// the highest, where an estimate of white noise looks, and those off the axes.
type floor [half][half]float64

// floorOf is the mean power of the blocks with least energy at low frequencies; nil in a picture of few blocks, and
// where white noise was found: where no block is flat, as in foliage, that is the better estimate.
// Below slowestAt, by which the blocks were chosen, it is that of the next frequencies.
func (p plane) floorOf() *floor {
	if p.noise > quiet {
		return nil
	}
	const n = blockSide
	step := n
	if (p.h/n)*(p.w/n) < manyBlocks {
		step = n / 2
	}
	type block struct {
		low  float64
		y, x int
	}
	var all []block
	b := newBlockWork()
	for y := 0; y+n <= p.h; y += step {
		for x := 0; x+n <= p.w; x += step {
			if !b.transform(p, y, x) {
				continue
			}
			low := 0.0
			for u := range n {
				for v := range half {
					if frequency(u, v) <= slowestAt {
						low += b.power(u, v)
					}
				}
			}
			if low > 0 { // a block of one colour is no photograph
				all = append(all, block{low, y, x})
			}
		}
	}
	if len(all) < fewBlocks {
		return nil
	}
	slices.SortFunc(all, func(a, b block) int { return cmp.Compare(a.low, b.low) })
	all = all[:max(fewBlocks, int(flattest*float64(len(all))))]
	out := new(floor)
	for _, c := range all {
		b.transform(p, c.y, c.x)
		for u := range n {
			for v := range half {
				i := min(u, n-u)
				share := 1 / float64(len(all))
				if i > 0 && i < n/2 {
					share /= 2
				}
				out[i][v] += share * b.power(u, v)
			}
		}
	}
	next, count := 0.0, 0.0
	for u := range half {
		for v := range half {
			if w := frequency(u, v); w > slowestAt && w < 1.4*slowestAt {
				next, count = next+out[u][v], count+1
			}
		}
	}
	for u := range half {
		for v := range half {
			if frequency(u, v) <= slowestAt {
				out[u][v] = next / count
			}
		}
	}
	return out
}

// fast is the mean over the upper half of the frequencies of an axis.
func (f *floor) fast() float64 {
	sum, count := 0.0, 0.0
	for u := range half {
		for v := range half {
			if max(u, v) >= half/2 {
				sum, count = sum+f[u][v], count+1
			}
		}
	}
	return sum / count
}

// frequency is the length of the frequency (u,v) of a block, in radians a pixel.
func frequency(u, v int) float64 {
	return 2 * math.Pi / blockSide * math.Hypot(float64(min(u, blockSide-u)), float64(v))
}

// at is the floor at the frequency (fy,fx), in radians a pixel, bilinear.
func (f *floor) at(fy, fx float64) float64 {
	split := func(w float64) (int, float64) {
		t := min(math.Abs(w)*blockSide/(2*math.Pi), half-1)
		i := min(int(t), half-2)
		return i, t - float64(i)
	}
	i, a := split(fy)
	j, b := split(fx)
	return (1-a)*((1-b)*f[i][j]+b*f[i][j+1]) + a*((1-b)*f[i+1][j]+b*f[i+1][j+1])
}

// A blockWork transforms blocks through a Blackman window.
type blockWork struct {
	fft            *kernel.FFT2
	window         []float64
	weight, energy float64 // sums over a block of the window and of its square
	pix            []float32
	freq           []complex64
}

func newBlockWork() blockWork {
	b := blockWork{kernel.NewFFT2(blockSide, blockSide), blackman(blockSide), 0, 0, make([]float32, blockSide*blockSide), make([]complex64, blockSide*half)}
	for _, v := range b.window {
		b.weight, b.energy = b.weight+v, b.energy+v*v
	}
	b.weight, b.energy = square(b.weight), square(b.energy)
	return b
}

// transform takes the block at (y,x), without its mean; it reports whether all of its samples count.
func (b blockWork) transform(p plane, y, x int) bool {
	mean := 0.0
	for i := range blockSide {
		for j := range blockSide {
			at := (y+i)*p.w + x + j
			if !p.ok[at] {
				return false
			}
			mean += b.window[i] * b.window[j] * float64(p.pix[at]) / b.weight
		}
	}
	for i := range blockSide {
		for j := range blockSide {
			b.pix[i*blockSide+j] = float32(b.window[i] * b.window[j] * (float64(p.pix[(y+i)*p.w+x+j]) - mean))
		}
	}
	b.fft.Forward(b.freq, b.pix)
	return true
}

func (b blockWork) power(u, v int) float64 {
	z := b.freq[u*half+v]
	return (square(float64(real(z))) + square(float64(imag(z)))) / b.energy
}
