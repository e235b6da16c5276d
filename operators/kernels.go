package operators

import (
	"fmt"
	"math"
)

// MaxKernel is the largest height and width of a blur kernel.
const MaxKernel = 1023

// A Kernel is a point-spread function. Its centre is tap (H/2, W/2), integer division,
// as in scipy.ndimage.convolve.
type Kernel struct {
	H, W int
	// Taps holds the weights; tap (y,x) is Taps[y*W+x].
	Taps []float64
}

// GaussianKernel samples exp(-(x^2+y^2)/(2 sigma^2)) on a size x size grid,
// normalised to sum 1. sigma is in pixels; size is odd, 0 means
// 2*ceil(3*sigma)+1.
func GaussianKernel(sigma float64, size int) (Kernel, error) {
	if !(sigma > 0) || math.IsInf(sigma, 0) {
		return Kernel{}, fmt.Errorf("operators: Gaussian kernel: sigma %v; want a positive number of pixels", sigma)
	}
	if size == 0 {
		if sigma > MaxKernel {
			return Kernel{}, fmt.Errorf("operators: Gaussian kernel: sigma %v needs more than %d taps", sigma, MaxKernel)
		}
		size = 2*int(math.Ceil(3*sigma)) + 1
	}
	if err := checkKernelSize(size); err != nil {
		return Kernel{}, err
	}
	if size%2 == 0 {
		return Kernel{}, fmt.Errorf("operators: Gaussian kernel: size %d is even; want an odd number", size)
	}
	g, r := make([]float64, size), size/2
	for i := range g {
		d := float64(i-r) / sigma
		g[i] = math.Exp(-d * d / 2)
	}
	return outer(g).normalised()
}

// UniformKernel is the size x size box with equal weights.
func UniformKernel(size int) (Kernel, error) {
	if err := checkKernelSize(size); err != nil {
		return Kernel{}, err
	}
	g := make([]float64, size)
	for i := range g {
		g[i] = 1
	}
	return outer(g).normalised()
}

// MotionKernel is the trace of a point that moves length pixels along a
// straight line at angle degrees, counter-clockwise from the x axis: each tap
// is the length of the line inside its pixel, over the whole length.
func MotionKernel(length, angle float64) (Kernel, error) {
	if !(length > 0) || length > MaxKernel-2 || math.IsNaN(angle) || math.IsInf(angle, 0) {
		return Kernel{}, fmt.Errorf("operators: motion kernel: length %v at angle %v; want a length in (0,%d] pixels and a finite angle in degrees",
			length, angle, MaxKernel-2)
	}
	sin, cos := math.Sincos(math.Mod(angle, 360) * math.Pi / 180)
	// Snap the axes, so that 90 degrees is one column and not almost one.
	if math.Abs(sin) < 1e-12 {
		sin = 0
	}
	if math.Abs(cos) < 1e-12 {
		cos = 0
	}
	dx, dy := length*cos/2, -length*sin/2
	k := newKernel(2*halfSide(dy)+1, 2*halfSide(dx)+1)
	for i := range k.H {
		for j := range k.W {
			cy, cx := float64(i-k.H/2), float64(j-k.W/2)
			lo, hi := clipLine(dx, cx-0.5, cx+0.5, -1, 1)
			lo, hi = clipLine(dy, cy-0.5, cy+0.5, lo, hi)
			k.Taps[i*k.W+j] = max(0, hi-lo)
		}
	}
	return k.normalised()
}

// halfSide is how many pixels from the centre's a point at distance d lies.
func halfSide(d float64) int {
	return int(math.Ceil(math.Abs(d) - 0.5 - 1e-9))
}

// clipLine narrows [lo,hi] to the t with a <= t*d < b.
func clipLine(d, a, b, lo, hi float64) (float64, float64) {
	if d == 0 {
		if a <= 0 && 0 < b {
			return lo, hi
		}
		return 0, 0
	}
	t0, t1 := a/d, b/d
	return max(lo, min(t0, t1)), min(hi, max(t0, t1))
}

// DiskKernel is a disk of the given radius in pixels (defocus); each tap is
// the area of the disk inside its pixel.
func DiskKernel(radius float64) (Kernel, error) {
	if !(radius > 0) || radius > MaxKernel/2 {
		return Kernel{}, fmt.Errorf("operators: disk kernel: radius %v; want a number of pixels in (0,%d]", radius, MaxKernel/2)
	}
	r := halfSide(radius)
	k := newKernel(2*r+1, 2*r+1)
	for i := range k.H {
		for j := range k.W {
			y, x := float64(i-r), float64(j-r)
			k.Taps[i*k.W+j] = max(0, quadrant(radius, x+0.5, y+0.5)-quadrant(radius, x-0.5, y+0.5)-
				quadrant(radius, x+0.5, y-0.5)+quadrant(radius, x-0.5, y-0.5))
		}
	}
	return k.normalised()
}

// quadrant is the area of the disk of radius r inside the rectangle with the
// corners (0,0) and (x,y), negative where x and y have different signs.
func quadrant(r, x, y float64) float64 {
	sign := 1.0
	if x < 0 {
		x, sign = -x, -sign
	}
	if y < 0 {
		y, sign = -y, -sign
	}
	x, y = min(x, r), min(y, r)
	if x*x+y*y <= r*r {
		return sign * x * y
	}
	f := func(t float64) float64 {
		return (t*math.Sqrt(max(0, r*r-t*t)) + r*r*math.Asin(min(1, t/r))) / 2
	}
	xa := math.Sqrt(max(0, r*r-y*y))
	return sign * (xa*y + f(x) - f(xa))
}

// NewKernel makes a kernel from a picture, normalised to sum 1. Channels are averaged.
// It returns an error if a sample is not finite or the sum is not positive.
func NewKernel(m Image) (Kernel, error) {
	if err := checkShape(m.Shape); err != nil {
		return Kernel{}, err
	}
	if err := checkKernelSize(max(m.H, m.W)); err != nil {
		return Kernel{}, err
	}
	checkLen("NewKernel", len(m.Pix), m.Len())
	k := newKernel(m.H, m.W)
	for c := range m.C {
		for i, v := range m.Plane(c) {
			k.Taps[i] += float64(v)
		}
	}
	return k.normalised()
}

// clip shortens text that an error message repeats.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

func newKernel(h, w int) Kernel { return Kernel{h, w, make([]float64, h*w)} }

func checkKernelSize(size int) error {
	if size < 1 || size > MaxKernel {
		return fmt.Errorf("operators: kernel of %d taps a side; want 1 to %d", size, MaxKernel)
	}
	return nil
}

// outer is the square kernel g g'.
func outer(g []float64) Kernel {
	k := newKernel(len(g), len(g))
	for i, a := range g {
		for j, b := range g {
			k.Taps[i*k.W+j] = a * b
		}
	}
	return k
}

// normalised returns the kernel over its sum.
func (k Kernel) normalised() (Kernel, error) {
	sum, abs := 0.0, 0.0
	for i, v := range k.Taps {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return Kernel{}, fmt.Errorf("operators: kernel tap (%d,%d) is %v; want finite numbers", i/k.W, i%k.W, v)
		}
		sum += v
		abs += math.Abs(v)
	}
	if !(sum > 1e-6*abs) || math.IsInf(abs, 0) {
		return Kernel{}, fmt.Errorf("operators: kernel sums to %.3g; want a positive sum to normalise by", sum)
	}
	n := newKernel(k.H, k.W)
	for i, v := range k.Taps {
		n.Taps[i] = v / sum
	}
	return n, nil
}

// factors returns the column u and row v with k = u v', and whether the kernel
// is such a product to 1e-7 of its largest tap.
func (k Kernel) factors() (u, v []float64, ok bool) {
	top, at := 0.0, 0
	for i, t := range k.Taps {
		if math.Abs(t) > top {
			top, at = math.Abs(t), i
		}
	}
	py, px := at/k.W, at%k.W
	pivot := k.Taps[at]
	u, v = make([]float64, k.H), make([]float64, k.W)
	for i := range u {
		u[i] = k.Taps[i*k.W+px]
	}
	for j := range v {
		v[j] = k.Taps[py*k.W+j] / pivot
	}
	for i := range u {
		for j := range v {
			if math.Abs(k.Taps[i*k.W+j]-u[i]*v[j]) > 1e-7*top {
				return nil, nil, false
			}
		}
	}
	return u, v, true
}

// symmetric says whether the kernel is even in y and in x about its centre.
func (k Kernel) symmetric() bool {
	if k.H%2 == 0 || k.W%2 == 0 {
		return false
	}
	top := 0.0
	for _, t := range k.Taps {
		top = max(top, math.Abs(t))
	}
	same := func(a, b float64) bool { return math.Abs(a-b) <= 1e-7*top }
	for i := range k.H {
		for j := range k.W {
			t := k.Taps[i*k.W+j]
			if !same(t, k.Taps[(k.H-1-i)*k.W+j]) || !same(t, k.Taps[i*k.W+k.W-1-j]) {
				return false
			}
		}
	}
	return true
}

// nonNegative says whether no tap is below zero.
func (k Kernel) nonNegative() bool {
	for _, t := range k.Taps {
		if t < 0 {
			return false
		}
	}
	return true
}
