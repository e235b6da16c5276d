package noise

import (
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
)

// PeriodSide is the number of frequencies of a Whiteness in each direction.
const PeriodSide = 32

// A Whiteness says how much a residual is like white noise.
type Whiteness struct {
	// Deviation is the root mean square of the residual.
	Deviation float64 `json:"deviation"`
	// Correlation is that of neighbouring samples along rows and columns, 0 of white
	// noise.
	Correlation float64 `json:"correlation"`
	// Spectrum is the mean periodogram of blocks of PeriodSide x PeriodSide pixels in a
	// Hann window, that overlap by half (Welch 1967), all channels together. The element
	// at row v and column u, at v*PeriodSide+u, belongs to the frequencies
	// (v-PeriodSide/2)/PeriodSide and (u-PeriodSide/2)/PeriodSide cycles a pixel. White
	// noise of deviation s has s^2 everywhere. Nil of a picture smaller than a block.
	Spectrum []float64 `json:"spectrum"`
	// Radial is the mean of Spectrum by the length of the frequency: element k over
	// lengths from (k-1/2)/PeriodSide to (k+1/2)/PeriodSide.
	Radial []float64 `json:"radial"`
}

// WhitenessOf measures a residual.
func WhitenessOf(r operators.Image) Whiteness {
	var w Whiteness
	var energy, along, pairs float64
	for c := range r.C {
		plane := r.Plane(c)
		for y := range r.H {
			row := plane[y*r.W:][:r.W]
			for x, v := range row {
				energy += float64(v) * float64(v)
				if x > 0 {
					along += float64(v) * float64(row[x-1])
					pairs++
				}
				if y > 0 {
					along += float64(v) * float64(plane[(y-1)*r.W+x])
					pairs++
				}
			}
		}
	}
	if n := float64(r.Len()); n > 0 && energy > 0 {
		w.Deviation = math.Sqrt(energy / n)
		if pairs > 0 {
			w.Correlation = along / pairs / (energy / n)
		}
	}
	if r.H >= PeriodSide && r.W >= PeriodSide {
		w.Spectrum = periodogram(r)
		w.Radial = radial(w.Spectrum)
	}
	return w
}

// periodogram is Whiteness.Spectrum.
func periodogram(r operators.Image) []float64 {
	const n, half = PeriodSide, PeriodSide / 2
	var hann [n]float64
	var weight float64
	for i := range hann {
		hann[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/n)
		weight += hann[i] * hann[i]
	}
	fft := kernel.NewFFT1(n)
	sum := make([]float64, n*n)
	block, line, out := make([]complex64, n*n), make([]complex64, n), make([]complex64, n)
	blocks := 0
	for c := range r.C {
		plane := r.Plane(c)
		for y := 0; y+n <= r.H; y += half {
			for x := 0; x+n <= r.W; x += half {
				for i := range n {
					for j := range n {
						line[j] = complex(float32(float64(plane[(y+i)*r.W+x+j])*hann[i]*hann[j]), 0)
					}
					fft.Forward(block[i*n:][:n], line)
				}
				for j := range n {
					for i := range n {
						line[i] = block[i*n+j]
					}
					fft.Forward(out, line)
					for i, v := range out {
						a, b := float64(real(v)), float64(imag(v))
						sum[(i+half)%n*n+(j+half)%n] += a*a + b*b
					}
				}
				blocks++
			}
		}
	}
	for i := range sum {
		sum[i] /= float64(blocks) * weight * weight
	}
	return sum
}

// radial is Whiteness.Radial.
func radial(spectrum []float64) []float64 {
	const n, half = PeriodSide, PeriodSide / 2
	sum, count := make([]float64, half+1), make([]float64, half+1)
	for i := range n {
		for j := range n {
			if k := int(math.Hypot(float64(i-half), float64(j-half)) + 0.5); k <= half {
				sum[k] += spectrum[i*n+j]
				count[k]++
			}
		}
	}
	for k := range sum {
		sum[k] /= count[k]
	}
	return sum
}
