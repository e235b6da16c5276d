package operators

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A grid is k-space on its whole grid, measured at the places of mask.
type grid struct {
	y       Image // 2 coils x H x W
	mask    []bool
	centred bool
}

func (g grid) coils() int { return g.y.C / 2 }

// place is where frequency (u,v), from -H/2 and -W/2 on, lies.
func (g grid) place(u, v int) int {
	h, w := g.y.H, g.y.W
	if g.centred {
		u, v = u+h/2, v+w/2
	}
	return (u+h)%h*w + (v+w)%w
}

// calibrationHalf bounds the calibration region to frequencies up to it: sensitivities
// and phases are smooth.
const calibrationHalf = 16

// leastCalibration is the least half size of a calibration region.
const leastCalibration = 3

// calibration is the largest region of frequencies -a..a, -b..b that was measured
// wholly.
func (g grid) calibration() (a, b int, err error) {
	full := func(a, b int) bool {
		if a > min(calibrationHalf, (g.y.H-1)/2) || b > min(calibrationHalf, (g.y.W-1)/2) {
			return false
		}
		for u := -a; u <= a; u++ {
			for v := -b; v <= b; v++ {
				if !g.mask[g.place(u, v)] {
					return false
				}
			}
		}
		return true
	}
	if !full(0, 0) {
		return 0, 0, fmt.Errorf("frequency 0 was not measured: there is no calibration region, give the coils' maps")
	}
	for grown := true; grown; {
		grown = false
		if full(a+1, b) {
			a, grown = a+1, true
		}
		if full(a, b+1) {
			b, grown = b+1, true
		}
	}
	if a < min(leastCalibration, (g.y.H-1)/2) || b < min(leastCalibration, (g.y.W-1)/2) {
		return 0, 0, fmt.Errorf("only %d x %d frequencies around 0 were measured wholly; want %d x %d to calibrate by, or the coils' maps",
			2*a+1, 2*b+1, 2*leastCalibration+1, 2*leastCalibration+1)
	}
	return a, b, nil
}

// smooth are the coils' images of the calibration region alone, under a Hann window,
// in the scene's pixels.
func (g grid) smooth() ([][]complex64, error) {
	a, b, err := g.calibration()
	if err != nil {
		return nil, err
	}
	h, w := g.y.H, g.y.W
	hann := func(u, a int) float64 { return (1 + math.Cos(math.Pi*float64(u)/float64(a+1))) / 2 }
	fft := kernel.NewCFFT2(h, w)
	scale := math.Sqrt(float64(h * w))
	var out [][]complex64
	for c := range g.coils() {
		re, im := g.y.Plane(2*c), g.y.Plane(2*c+1)
		z := make([]complex64, h*w)
		for u := -a; u <= a; u++ {
			for v := -b; v <= b; v++ {
				p, k := g.place(u, v), float32(scale*hann(u, a)*hann(v, b))
				z[(u+h)%h*w+(v+w)%w] = complex(k*re[p], k*im[p])
			}
		}
		fft.Inverse(z, z)
		if g.centred {
			moved := make([]complex64, len(z))
			for i, v := range z {
				moved[(i/w+h/2)%h*w+(i%w+w/2)%w] = v
			}
			z = moved
		}
		out = append(out, z)
	}
	return out, nil
}

// EstimateCoils estimates the sensitivities of coils from k-space, 2 coils x H x W,
// measured at the places of mask, in the layout of NewSENSE: the largest eigenvector of
// the coils' covariance in a window of 5 x 5 pixels of the images of the calibration
// region (Walsh, Gmitro, Marcellin, Magn. Reson. Med. 43, 2000). The maps have a sum of
// squares of 1, and the smooth part of the scene's phase is in them: the scene is then
// its magnitude, times what is left of the phase. An error says where there is no
// calibration region: frequencies around 0 that were all measured.
func EstimateCoils(y Image, mask []bool, centred bool) (Image, error) {
	if y.C%2 != 0 || len(mask) != y.H*y.W {
		panic("operators: EstimateCoils: want pairs of channels, and a mask of their size")
	}
	g := grid{y, mask, centred}
	low, err := g.smooth()
	if err != nil {
		return Image{}, err
	}
	const half, steps = 2, 4
	h, w, k := y.H, y.W, g.coils()
	// cov[i*k+j] is the covariance of coils i and j, a pixel.
	cov := make([][]complex64, k*k)
	for i := range k {
		for j := range k {
			z := make([]complex64, h*w)
			for p := range z {
				a, b := low[i][p], low[j][p]
				z[p] = a * complex(real(b), -imag(b))
			}
			cov[i*k+j] = boxSum(z, h, w, half)
		}
	}
	out := NewImage(y.Shape)
	v, next := make([]complex128, k), make([]complex128, k)
	for p := range h * w {
		for c := range k {
			v[c] = complex128(low[c][p])
		}
		for range steps {
			for i := range k {
				next[i] = 0
				for j := range k {
					next[i] += complex128(cov[i*k+j][p]) * v[j]
				}
			}
			v, next = next, v
			unit(v)
		}
		// The phase that makes the scene real there.
		z := complex128(0)
		for c := range k {
			z += conj128(v[c]) * complex128(low[c][p])
		}
		turn := phaseOf(z)
		for c := range k {
			s := v[c] * turn
			out.Plane(2 * c)[p], out.Plane(2*c + 1)[p] = float32(real(s)), float32(imag(s))
		}
	}
	return out, nil
}

func conj128(z complex128) complex128 { return complex(real(z), -imag(z)) }

// phaseOf is z/|z|, 1 for 0.
func phaseOf(z complex128) complex128 {
	m := math.Hypot(real(z), imag(z))
	if m == 0 {
		return 1
	}
	return complex(real(z)/m, imag(z)/m)
}

// unit divides v by its norm.
func unit(v []complex128) {
	sum := 0.0
	for _, z := range v {
		sum += real(z)*real(z) + imag(z)*imag(z)
	}
	if sum == 0 {
		return
	}
	k := complex(1/math.Sqrt(sum), 0)
	for i := range v {
		v[i] *= k
	}
}

// boxSum sums over windows of 2 half + 1 squared, cut off at the frame.
func boxSum(z []complex64, h, w, half int) []complex64 {
	rows, out := make([]complex64, len(z)), make([]complex64, len(z))
	for i := range h {
		for j := range w {
			var s complex64
			for d := max(0, j-half); d <= min(w-1, j+half); d++ {
				s += z[i*w+d]
			}
			rows[i*w+j] = s
		}
	}
	for i := range h {
		for d := max(0, i-half); d <= min(h-1, i+half); d++ {
			for j := range w {
				out[i*w+j] += rows[d*w+j]
			}
		}
	}
	return out
}

// realShare is the part of the energy that the imaginary part of a real scene may have.
const realShare = 0.01

// withPhase multiplies coil maps by the smooth phase of the scene that they and the
// calibration region show; maps without samples are one coil that sees everything alike.
// needed is false where that scene is real, and not negative, as it is.
func (g grid) withPhase(maps Image) (out Image, needed bool, err error) {
	low, err := g.smooth()
	if err != nil {
		return maps, false, err
	}
	n := g.y.H * g.y.W
	if len(maps.Pix) == 0 {
		maps = NewImage(Shape{2, g.y.H, g.y.W})
		for p := range n {
			maps.Pix[p] = 1
		}
	}
	out = NewImage(maps.Shape)
	odd, all := 0.0, 0.0
	for p := range n {
		z := complex128(0)
		for c := range g.coils() {
			s := complex(float64(maps.Plane(2 * c)[p]), float64(maps.Plane(2*c + 1)[p]))
			z += conj128(s) * complex128(low[c][p])
		}
		all += real(z)*real(z) + imag(z)*imag(z)
		odd += imag(z)*imag(z) + min(0, real(z))*min(0, real(z))
		turn := phaseOf(z)
		for c := range g.coils() {
			s := complex(float64(maps.Plane(2 * c)[p]), float64(maps.Plane(2*c + 1)[p])) * turn
			out.Plane(2 * c)[p], out.Plane(2*c + 1)[p] = float32(real(s)), float32(imag(s))
		}
	}
	return out, odd > realShare*all, nil
}
