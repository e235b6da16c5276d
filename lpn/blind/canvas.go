package blind

import (
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
)

// A canvas is the grid of h x w pixels on which the scene is estimated: the
// picture and half a kernel around it, so that nothing has to be assumed of what
// lies beyond the frame. Convolutions on it wrap around; what wraps is never
// compared with the picture.
type canvas struct {
	h, w int
	fft  *kernel.FFT2
	freq []complex64 // scratch
}

// newCanvas makes room for a picture of h x w samples and a kernel of side taps.
func newCanvas(h, w, side int) *canvas {
	c := &canvas{h: evenFFT(h + side - 1), w: evenFFT(w + side - 1)}
	c.fft = kernel.NewFFT2(c.h, c.w)
	c.freq = make([]complex64, c.h*(c.w/2+1))
	return c
}

// evenFFT is the smallest even size of at least n of which transforms are fast.
func evenFFT(n int) int { return 2 * kernel.FFTSize((n+1)/2) }

func (c *canvas) len() int { return c.h * c.w }

// transform is the Fourier transform of a field.
func (c *canvas) transform(x []float32) []complex64 {
	f := make([]complex64, len(c.freq))
	c.fft.Forward(f, x)
	return f
}

// gain is the transfer function of the convolution with k, its middle tap at 0.
func (c *canvas) gain(k operators.Kernel) []complex64 {
	return c.transform(placed(k, c.h, c.w))
}

// placed is a kernel on a field of h x w that wraps around, its middle tap at 0.
func placed(k operators.Kernel, h, w int) []float32 {
	x := make([]float32, h*w)
	for i := range k.H {
		for j := range k.W {
			x[wrap(i-k.H/2, h)*w+wrap(j-k.W/2, w)] += float32(k.Taps[i*k.W+j])
		}
	}
	return x
}

func wrap(i, n int) int { return ((i % n) + n) % n }

// convolve writes the convolution of x with the kernel of a gain; dst may be x.
func (c *canvas) convolve(dst, x []float32, gain []complex64) {
	c.fft.Forward(c.freq, x)
	for i, g := range gain {
		c.freq[i] *= g
	}
	c.fft.Inverse(dst, c.freq)
}

// correlate is the adjoint of convolve; dst may be x.
func (c *canvas) correlate(dst, x []float32, gain []complex64) {
	c.fft.Forward(c.freq, x)
	for i, g := range gain {
		c.freq[i] *= complex(real(g), -imag(g))
	}
	c.fft.Inverse(dst, c.freq)
}

func dot(a, b []float32) float64 { return kernel.Dot(a, b) }

func square(x float64) float64 { return x * x }

func odd(x float64) int { return 2*int(math.Round((x-1)/2)) + 1 }
