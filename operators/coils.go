package operators

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"gonum.org/v1/gonum/mat"
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
// measured at the places of mask, in the layout of NewSENSE, by ESPIRiT (Uecker et al.,
// Magn. Reson. Med. 71, 2014): the windows of w x w places of the calibration region, all
// coils in one vector, lie in a space of few dimensions. With P the projection to it,
// averaged over the windows that cover a place, k-space satisfies
//
//	y_i(q) = 1/w^2 sum over j,d,e of P((i,d),(j,e)) y_j(q + e - d),
//
// so that at pixel x the maps are the eigenvector, of eigenvalue 1, of the matrix
//
//	G_ij(x) = 1/w^2 sum over d,e of P((i,d),(j,e)) exp(-2 pi i (e-d) x).
//
// The sum of the squares of the maps is 1. The maps contain the smooth part of the
// scene's phase, so the scene is its magnitude times the rest of the phase. It is an
// error if there is no calibration region: frequencies around 0 that were all measured.
func EstimateCoils(y Image, mask []bool, centred bool) (Image, error) {
	if y.C%2 != 0 || len(mask) != y.H*y.W {
		panic("operators: EstimateCoils: want pairs of channels, and a mask of their size")
	}
	g := grid{y, mask, centred}
	low, err := g.smooth()
	if err != nil {
		return Image{}, err
	}
	taps, radius, err := g.relations()
	if err != nil {
		return Image{}, err
	}
	const steps = 12
	h, w, k := y.H, y.W, g.coils()
	out := NewImage(y.Shape)
	side := 2*radius + 1
	row := make([][]complex128, k*k) // of G, a sum over columns still to be taken
	m := make([]complex128, k*k)
	v, next := make([]complex128, k), make([]complex128, k)
	turnY, turnX := make([]complex128, side), make([]complex128, side)
	for i := range h {
		turns(turnY, i, h, centred)
		for ij, t := range taps {
			row[ij] = make([]complex128, side)
			for n, z := range t {
				row[ij][n%side] += z * turnY[n/side]
			}
		}
		for j := range w {
			turns(turnX, j, w, centred)
			for ij, t := range row {
				m[ij] = 0
				for n, z := range t {
					m[ij] += z * turnX[n]
				}
			}
			p := i*w + j
			for c := range k {
				v[c] = complex128(low[c][p])
			}
			for range steps {
				for a := range k {
					next[a] = 0
					for b := range k {
						next[a] += m[a*k+b] * v[b]
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
	}
	return out, nil
}

// turns are exp(-2 pi i d x/n) for d from -radius to radius, x the place of pixel i from
// the image's origin.
func turns(dst []complex128, i, n int, centred bool) {
	x := float64(i)
	if centred {
		x -= float64(n / 2)
	}
	radius := len(dst) / 2
	for k := range dst {
		sin, cos := math.Sincos(-2 * math.Pi * float64(k-radius) * x / float64(n))
		dst[k] = complex(cos, sin)
	}
}

// explained is the least singular value, relative to the largest, of a direction that
// counts as signal.
const explained = 0.02

// relations are the sums of P((i,d),(j,e))/w^2 over d and e with the same e - d, from
// -radius to radius along both axes, for each pair of coils i and j.
func (g grid) relations() (taps [][]complex128, radius int, err error) {
	a, b, err := g.calibration()
	if err != nil {
		return nil, 0, err
	}
	// As wide as keeps the eigenproblem below 300 and some windows in the region.
	k, w := g.coils(), 6
	for w > 2 && (k*w*w > 300 || w > a+1 || w > b+1) {
		w--
	}
	n := k * w * w
	var e mat.EigenSym
	if !e.Factorize(g.products(a, b, w), true) {
		return nil, 0, fmt.Errorf("the calibration region has no eigenvectors")
	}
	values := e.Values(nil)
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	first := 0
	for first < 2*n && values[first] < explained*explained*values[2*n-1] {
		first++
	}
	kept := vectors.Slice(0, 2*n, first, 2*n)
	var p mat.Dense
	p.Mul(kept, kept.T())
	side := 2*w - 1
	taps = make([][]complex128, k*k)
	for i := range k {
		for j := range k {
			t := make([]complex128, side*side)
			for d := range w * w {
				for q := range w * w {
					r, c := i*w*w+d, j*w*w+q
					dy, dx := q/w-d/w+w-1, q%w-d%w+w-1
					t[dy*side+dx] += complex(p.At(r, c)/float64(w*w), p.At(n+r, c)/float64(w*w))
				}
			}
			taps[i*k+j] = t
		}
	}
	return taps, w - 1, nil
}

// products are the sums over the w x w windows of the region -a..a, -b..b of z z*, z all
// coils of a window in one vector. The Hermitian matrix X + iY is kept as the symmetric
// [X -Y; Y X], which has each of its eigenvalues twice.
func (g grid) products(a, b, w int) *mat.SymDense {
	k := g.coils()
	n := k * w * w
	windows := mat.NewDense(2*(2*a+2-w)*(2*b+2-w), 2*n, nil) // z and iz, a row each
	row := 0
	for u := -a; u+w-1 <= a; u++ {
		for v := -b; v+w-1 <= b; v++ {
			z, iz := windows.RawRowView(row), windows.RawRowView(row+1)
			row += 2
			for c := range k {
				re, im := g.y.Plane(2*c), g.y.Plane(2*c+1)
				for d := range w * w {
					p, i := g.place(u+d/w, v+d%w), c*w*w+d
					z[i], z[n+i] = float64(re[p]), float64(im[p])
					iz[i], iz[n+i] = -z[n+i], z[i]
				}
			}
		}
	}
	cov := mat.NewSymDense(2*n, nil)
	cov.SymOuterK(1, windows.T())
	return cov
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

// realShare is the part of the energy that the imaginary part of a real scene may have.
const realShare = 0.01

// withPhase multiplies coil maps by the smooth phase of the scene that they and the
// calibration region show; maps without samples are one coil of sensitivity 1.
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
