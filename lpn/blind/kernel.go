package blind

import (
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
)

func newKernel(side int) operators.Kernel {
	return operators.Kernel{H: side, W: side, Taps: make([]float64, side*side)}
}

// ontoSimplex projects v onto {k : k >= 0, sum k = 1}: k = max(v - t, 0) with the
// one t that sums to 1 (Held, Wolfe & Crowder 1974).
func ontoSimplex(v []float64) {
	s := slices.Clone(v)
	slices.Sort(s)
	sum, t := 0.0, 0.0
	for i := len(s) - 1; i >= 0; i-- {
		sum += s[i]
		n := float64(len(s) - i)
		if u := (sum - 1) / n; s[i] > u {
			t = u
		} else {
			break
		}
	}
	for i := range v {
		v[i] = max(v[i]-t, 0)
	}
}

// toeplitz multiplies kernels of side taps by the matrix whose entry for two taps
// is the value of a correlation at their distance.
type toeplitz struct {
	side, n int
	fft     *kernel.FFT2
	gain    []float32
	grid    []float32
	freq    []complex64
	norm    float64 // an upper bound
}

// newToeplitz takes a correlation at lags up to side-1 from a field that wraps
// around.
func newToeplitz(side int, corr []float32, h, w int) *toeplitz {
	n := evenFFT(2*side - 1)
	t := &toeplitz{side: side, n: n, fft: kernel.NewFFT2(n, n), grid: make([]float32, n*n), freq: make([]complex64, n*(n/2+1))}
	for i := 1 - side; i < side; i++ {
		for j := 1 - side; j < side; j++ {
			t.grid[wrap(i, n)*n+wrap(j, n)] = corr[wrap(i, h)*w+wrap(j, w)]
		}
	}
	t.fft.Forward(t.freq, t.grid)
	t.gain = make([]float32, len(t.freq))
	for i, f := range t.freq {
		t.gain[i] = real(f)
		t.norm = max(t.norm, math.Abs(float64(real(f))))
	}
	return t
}

func (t *toeplitz) apply(dst, k []float64) {
	clear(t.grid)
	for i := range t.side {
		for j := range t.side {
			t.grid[i*t.n+j] = float32(k[i*t.side+j])
		}
	}
	t.fft.Forward(t.freq, t.grid)
	for i, g := range t.gain {
		t.freq[i] *= complex(g, 0)
	}
	t.fft.Inverse(t.grid, t.freq)
	for i := range t.side {
		for j := range t.side {
			dst[i*t.side+j] = float64(t.grid[i*t.n+j])
		}
	}
}

// centroid is the mean position of a kernel's weight, from its middle tap.
func centroid(k operators.Kernel) (y, x float64) {
	s := 0.0
	for i := range k.H {
		for j := range k.W {
			t := k.Taps[i*k.W+j]
			y += t * float64(i-k.H/2)
			x += t * float64(j-k.W/2)
			s += t
		}
	}
	return y / s, x / s
}

// shifted moves a kernel by whole taps; what leaves the support is lost.
func shifted(k operators.Kernel, dy, dx int) operators.Kernel {
	out := operators.Kernel{H: k.H, W: k.W, Taps: make([]float64, len(k.Taps))}
	for i := range k.H {
		for j := range k.W {
			if y, x := i+dy, j+dx; y >= 0 && y < k.H && x >= 0 && x < k.W {
				out.Taps[y*k.W+x] = k.Taps[i*k.W+j]
			}
		}
	}
	normalise(out)
	return out
}

// centred moves a kernel so that its centroid is within half a tap of its middle.
func centred(k operators.Kernel) operators.Kernel {
	y, x := centroid(k)
	return shifted(k, -int(math.Round(y)), -int(math.Round(x)))
}

func normalise(k operators.Kernel) {
	s := 0.0
	for _, t := range k.Taps {
		s += t
	}
	if s <= 0 {
		clear(k.Taps)
		k.Taps[k.H/2*k.W+k.W/2] = 1
		return
	}
	for i := range k.Taps {
		k.Taps[i] /= s
	}
}

// enlarged is a kernel on a grid finer by a factor, bilinear.
func enlarged(k operators.Kernel, side int, factor float64) operators.Kernel {
	out := newKernel(side)
	at := func(i, j int) float64 {
		if i < 0 || j < 0 || i >= k.H || j >= k.W {
			return 0
		}
		return k.Taps[i*k.W+j]
	}
	for i := range side {
		for j := range side {
			y := float64(i-side/2)/factor + float64(k.H/2)
			x := float64(j-side/2)/factor + float64(k.W/2)
			y0, x0 := math.Floor(y), math.Floor(x)
			fy, fx := y-y0, x-x0
			a, b := int(y0), int(x0)
			out.Taps[i*side+j] = (1-fy)*((1-fx)*at(a, b)+fx*at(a, b+1)) + fy*((1-fx)*at(a+1, b)+fx*at(a+1, b+1))
		}
	}
	normalise(out)
	return out
}

// cleaned leaves out taps below a share of the largest, and groups of connected
// taps that together weigh less than least.
func cleaned(k operators.Kernel, share, least float64) operators.Kernel {
	out := operators.Kernel{H: k.H, W: k.W, Taps: slices.Clone(k.Taps)}
	top := slices.Max(k.Taps)
	for i, t := range out.Taps {
		if t < share*top {
			out.Taps[i] = 0
		}
	}
	seen := make([]bool, len(out.Taps))
	for start, t := range out.Taps {
		if t == 0 || seen[start] {
			continue
		}
		group, weight := []int{start}, 0.0
		seen[start] = true
		for at := 0; at < len(group); at++ {
			i, j := group[at]/k.W, group[at]%k.W
			weight += out.Taps[group[at]]
			for a := max(i-1, 0); a <= min(i+1, k.H-1); a++ {
				for b := max(j-1, 0); b <= min(j+1, k.W-1); b++ {
					if n := a*k.W + b; !seen[n] && out.Taps[n] > 0 {
						seen[n] = true
						group = append(group, n)
					}
				}
			}
		}
		if weight < least {
			for _, n := range group {
				out.Taps[n] = 0
			}
		}
	}
	normalise(out)
	return out
}

// padded is a kernel in the middle of side x side taps; what does not fit is cut.
func padded(k operators.Kernel, side int) operators.Kernel {
	out := newKernel(side)
	for i := range k.H {
		for j := range k.W {
			y, x := i-k.H/2+side/2, j-k.W/2+side/2
			if y >= 0 && x >= 0 && y < side && x < side {
				out.Taps[y*side+x] = k.Taps[i*k.W+j]
			}
		}
	}
	normalise(out)
	return out
}
