package blind

import (
	"context"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/minimise"
	"github.com/lpn-imaging/lpn/operators"
)

// A spectrum is the power of a window of the picture over frequency, averaged in
// cells of a polar grid: sectors of direction by rings of equal ratio.
type spectrum struct {
	cells []cell
	scene scene
	h, w  int
	index []int16 // the cell of each frequency, -1 for none
	fft   *kernel.FFT2
}

// A cell is the mean of the power over count frequencies near radius w, in
// radians a pixel, in a sector of directions, and the power of the noise there.
type cell struct {
	w, power, weight float64
	noise            float64
	sector, at       int
}

const (
	sectors = 8
	rings   = 28
	slowest = 0.1 // radians a pixel
	fastest = 3.0

	// usual is the power with which the spectra of photographs fall, steadiness how
	// strongly others are doubted, native the deviation in pixels of the Gaussian that
	// sharp photographs seem to be blurred by: 36 training photographs have 1.0 to 3.0,
	// mean 2.1, and 0.18 to 0.59, mean 0.33.
	usual      = 2.1
	steadiness = 10
	native     = 0.3
)

// powerOf measures the spectrum in the cells in which scenes are known.
func powerOf(p plane) spectrum {
	out := measured(p)
	out.cells = slices.DeleteFunc(out.cells, func(c cell) bool { _, ok := scenes().place[c.at]; return !ok })
	doubt, rough := noiseDoubt, 0.0
	if p.floor != nil {
		doubt, rough = floorDoubt, floorRough
	}
	out.scene = sceneOf(out.cells, doubt, rough)
	return out
}

// measured is the spectrum seen through a Blackman window, whose leakage falls
// faster than any blur's transfer function is deep.
func measured(p plane) spectrum {
	h, w := p.h, p.w
	mean := 0.0
	for _, v := range p.pix {
		mean += float64(v)
	}
	mean /= float64(len(p.pix))
	wy, wx := blackman(h), blackman(w)
	x := make([]float32, h*w)
	energy := 0.0
	for i := range h {
		for j := range w {
			t := wy[i] * wx[j]
			x[i*w+j] = float32(t * (float64(p.pix[i*w+j]) - mean))
			energy += t * t
		}
	}
	f := make([]complex64, h*(w/2+1))
	out := spectrum{h: h, w: w, fft: kernel.NewFFT2(h, w)}
	out.fft.Forward(f, x)
	out.index = make([]int16, len(f))
	var total, logs, counts, noises [sectors * rings]float64
	for u := range h {
		for v := range w/2 + 1 {
			at := cellOf(u, v, h, w)
			out.index[u*(w/2+1)+v] = int16(at)
			if at < 0 {
				continue
			}
			z := f[u*(w/2+1)+v]
			total[at] += float64(real(z))*float64(real(z)) + float64(imag(z))*float64(imag(z))
			fy, fx := 2*math.Pi*float64(min(u, h-u))/float64(h), 2*math.Pi*float64(v)/float64(w)
			logs[at] += math.Log(math.Hypot(fy, fx))
			if p.floor != nil {
				noises[at] += p.floor.at(fy, fx)
			}
			counts[at]++
		}
	}
	for at, n := range counts {
		if n > 3 {
			c := cell{w: math.Exp(logs[at] / n), power: total[at] / n / energy, weight: math.Sqrt(n), noise: square(p.noise), sector: at / rings, at: at}
			if p.floor != nil {
				c.noise = noises[at] / n
			}
			out.cells = append(out.cells, c)
		}
	}
	return out
}

// blackman is the Blackman window of n samples.
func blackman(n int) []float64 {
	b := make([]float64, n)
	for i := range b {
		t := 2 * math.Pi * (float64(i) + 1) / (float64(n) + 1)
		b[i] = 0.42 - 0.5*math.Cos(t) + 0.08*math.Cos(2*t)
	}
	return b
}

// misfit is how far the spectrum is from that of a scene blurred by a kernel,
//
//	min over a_s, alpha of sum weight (log P - log(a_s w^-alpha |H(w)|^2 |K(w)|^2 + noise))^2
//	                       + steadiness (alpha - usual)^2,
//
// with one amplitude a direction: the spectra of scenes fall like a power of the
// frequency (Field 1987), in every picture another, and H is what lens and file
// blur a sharp photograph.
func (s spectrum) misfit(k operators.Kernel) float64 {
	h := s.gain(k)
	for i, c := range s.cells {
		h[i] *= math.Exp(-square(native * c.w))
	}
	_, best := minimise.Golden(1, 4, 14, 0, func(alpha float64) float64 {
		return s.misfitAt(h, alpha) + steadiness*square(alpha-usual)
	})
	return best
}

// looseness is the share of a free kernel's energy that is error.
const looseness = 0.04

// surpriseOf is the surprise of a kernel of a kind. The error E of a free one is spread evenly over the frequencies:
// its power, by Parseval, is looseness ||k||^2, and the logarithm of |K+E|^2 has about the variance 2 E^2/(|K|^2 + E^2).
func (s spectrum) surpriseOf(kind Kind, k operators.Kernel) float64 {
	q := s.gain(k)
	var loose []float64
	if kind == Free {
		e := 0.0
		for _, t := range k.Taps {
			e += looseness * t * t
		}
		loose = make([]float64, len(q))
		for i := range q {
			q[i] += e
			loose[i] = 2 * e / q[i]
		}
	}
	var r reading
	return s.surprise(q, loose, &r)
}

// gain is the mean of |K|^2 in each cell.
func (s spectrum) gain(k operators.Kernel) []float64 {
	f := make([]complex64, s.h*(s.w/2+1))
	s.fft.Forward(f, placed(k, s.h, s.w))
	var total, counts [sectors * rings]float64
	for i, at := range s.index {
		if at >= 0 {
			total[at] += float64(real(f[i]))*float64(real(f[i])) + float64(imag(f[i]))*float64(imag(f[i]))
			counts[at]++
		}
	}
	out := make([]float64, len(s.cells))
	for i, c := range s.cells {
		out[i] = total[c.at] / counts[c.at]
	}
	return out
}

// cellOf is the cell of frequency (u,v) of h x w, -1 outside the grid.
func cellOf(u, v, h, w int) int {
	fy := 2 * math.Pi * float64(u) / float64(h)
	if u > h/2 {
		fy -= 2 * math.Pi
	}
	fx := 2 * math.Pi * float64(v) / float64(w)
	r := math.Hypot(fy, fx)
	if r <= slowest || r >= fastest {
		return -1
	}
	s := int((math.Atan2(fy, fx)/math.Pi+0.5)*sectors) % sectors
	return s*rings + min(int(math.Log(r/slowest)/math.Log(fastest/slowest)*rings), rings-1)
}

func (s spectrum) misfitAt(h []float64, alpha float64) float64 {
	q := make([]float64, len(h))
	var num, den [sectors]float64
	for i, c := range s.cells {
		q[i] = h[i] * math.Pow(c.w, -alpha)
		num[c.sector] += c.weight * (c.power - c.noise)
		den[c.sector] += c.weight * q[i]
	}
	var a [sectors]float64
	for d := range a {
		a[d] = max(num[d], 1e-12) / max(den[d], 1e-300)
	}
	total := 0.0
	for try := range 16 {
		var up, down [sectors]float64
		total = 0
		for i, c := range s.cells {
			m := a[c.sector] * q[i]
			v := m + c.noise + 1e-12
			e := math.Log(c.power / v)
			total += c.weight * e * e
			up[c.sector] += c.weight * e * m / v
			down[c.sector] += c.weight * square(m/v)
		}
		if try == 15 {
			break
		}
		for d := range a {
			if down[d] > 0 {
				a[d] *= math.Exp(min(max(up[d]/down[d], -1), 1))
			}
		}
	}
	return total
}

func gaussianOf(t float64) operators.Kernel {
	k, err := operators.GaussianKernel(t, 0)
	if err != nil {
		panic(err)
	}
	return k
}

func diskOf(t float64) operators.Kernel {
	k, err := operators.DiskKernel(t)
	if err != nil {
		panic(err)
	}
	return k
}

// A fit is a parameter with the interval that its profile of the misfit allows.
type fit struct{ value, lo, hi float64 }

// fitted finds the parameter of a family between lo and hi that is least of a surprise. The
// interval is where twice the logarithm of the likelihood is within 3.84, which
// chi-squared with one degree of freedom exceeds in 5%, of its largest.
func (s spectrum) fitted(ctx context.Context, family func(float64) operators.Kernel, lo, hi float64) fit {
	const n = 40
	var r reading // every search begins with the scene of the kernel before, which is much the same
	f := func(t float64) float64 {
		if ctx.Err() != nil {
			return 0
		}
		return s.surprise(s.gain(family(math.Exp(t))), nil, &r)
	}
	step := math.Log(hi/lo) / n
	values := make([]float64, n+1)
	at := 0
	for i := range values {
		values[i] = f(math.Log(lo) + float64(i)*step)
		if values[i] < values[at] {
			at = i
		}
	}
	centre := math.Log(lo) + float64(at)*step
	t, best := minimise.Golden(centre-step, centre+step, 12, 0, f)
	limit := best + 3.84
	return fit{
		value: math.Exp(t),
		lo:    math.Exp(crossing(f, t, -step, math.Log(lo), limit)),
		hi:    math.Exp(crossing(f, t, step, math.Log(hi), limit)),
	}
}

// crossing is where f, going from t by steps, first exceeds a limit, or the end.
func crossing(f func(float64) float64, t, step, end, limit float64) float64 {
	for inside := func(t float64) bool { return (end-t)*step > 0 }; inside(t + step); t += step {
		if f(t+step) <= limit {
			continue
		}
		in, out := t, t+step
		for range 6 {
			if mid := (in + out) / 2; f(mid) <= limit {
				in = mid
			} else {
				out = mid
			}
		}
		return (in + out) / 2
	}
	return end
}
