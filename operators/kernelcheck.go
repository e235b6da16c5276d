package operators

import (
	"fmt"
	"math"
	"slices"
)

// A KernelReport lists possible faults of a kernel that was measured or cut out of a
// picture.
type KernelReport struct {
	// Y and X are the distance of the centroid from the centre tap (H/2, W/2), in
	// pixels down and to the right, without the background. If it is an accident, the
	// restored picture moves by as much in the other direction.
	Y, X float64
	// Background is the level along the border if it is nearly constant, relative to
	// the largest tap; else 0. A kernel should fall to 0.
	Background float64
	// Negative is the share of the negative taps in the sum of absolute taps.
	Negative float64
	// Coarse is the gain at the highest frequencies along both axes, the smaller one,
	// of a kernel of more than one pixel. If it is not small, the kernel is finer than
	// its pixels, and the samples do not describe the optics completely.
	Coarse float64
}

// Report examines a kernel.
func (k Kernel) Report() KernelReport {
	r := KernelReport{Background: k.background()}
	m := k.less(r.Background)
	sum, y, x, negative, abs := 0.0, 0.0, 0.0, 0.0, 0.0
	var alternating [2]float64
	taps := 0
	for i, v := range m.Taps {
		sum += v
		y += v * float64(i/m.W-m.H/2)
		x += v * float64(i%m.W-m.W/2)
		alternating[0] += v * float64(1-2*(i/m.W%2))
		alternating[1] += v * float64(1-2*(i%m.W%2))
		if v != 0 {
			taps++
		}
	}
	for _, v := range k.Taps {
		negative += max(0, -v)
		abs += math.Abs(v)
	}
	if !(sum > 0) {
		return r
	}
	r.Y, r.X, r.Negative = y/sum, x/sum, negative/abs
	if taps > 1 {
		r.Coarse = min(math.Abs(alternating[0]), math.Abs(alternating[1])) / sum
	}
	return r
}

// Remarks are lines about the faults in a report, each with the key of a spec that
// corrects it.
func (r KernelReport) Remarks() []string {
	const off, level, negative, coarse = 0.3, 0.004, 0.01, 0.35
	var out []string
	if math.Hypot(r.Y, r.X) > off {
		out = append(out, fmt.Sprintf("the kernel's centroid lies %.3g rows and %.3g columns off its middle (down and right count positive), and the result moves by as much: if it should not, add centre", hundredths(r.Y), hundredths(r.X)))
	}
	if r.Background > level {
		out = append(out, fmt.Sprintf("the kernel's border is not 0 but %.2g%% of its largest value: if that is a background, add background=auto", 100*r.Background))
	}
	if r.Negative > negative {
		out = append(out, fmt.Sprintf("%.2g%% of the kernel is negative, which no optics are", 100*r.Negative))
	}
	if r.Coarse > coarse {
		out = append(out, fmt.Sprintf("the kernel passes %.2g%% of the finest detail: it is narrower than its pixels show", 100*r.Coarse))
	}
	return out
}

func hundredths(v float64) float64 { return math.Round(100*v)/100 + 0 }

// background is the median of the border in parts of the largest tap, where the border
// is constant to a fifth of it; else 0.
func (k Kernel) background() float64 {
	if k.H < 5 || k.W < 5 {
		return 0
	}
	var border []float64
	top := 0.0
	for i, v := range k.Taps {
		top = max(top, v)
		if y, x := i/k.W, i%k.W; y == 0 || x == 0 || y == k.H-1 || x == k.W-1 {
			border = append(border, v)
		}
	}
	slices.Sort(border)
	n := len(border)
	b := border[n/2]
	const most = 0.5
	if !(b > 0) || b > most*top || border[n-1-n/20]-border[n/20] > 0.4*b {
		return 0
	}
	return b / top
}

// less is the kernel without a background in parts of its largest tap; what lies below
// is 0.
func (k Kernel) less(background float64) Kernel {
	if background == 0 {
		return k
	}
	level := background * slices.Max(k.Taps)
	out := newKernel(k.H, k.W)
	for i, v := range k.Taps {
		out.Taps[i] = max(0, v-level)
	}
	return out
}

// Recentred returns the kernel moved so that its centroid is its centre tap, of odd
// sides. Lanczos3 interpolates between pixels; its undershoot is set to 0 if the kernel
// had no negative taps.
func (k Kernel) Recentred() Kernel {
	r := k.Report()
	halfSide := func(n int, d float64) int { // of the new kernel from its centre
		return max(n/2+int(math.Ceil(-min(d, 0)))+3, n-1-n/2+int(math.Ceil(max(d, 0)))+3)
	}
	ry, rx := halfSide(k.H, r.Y), halfSide(k.W, r.X)
	out := newKernel(2*ry+1, 2*rx+1)
	rows, cols := shifts(k.H, ry, r.Y), shifts(k.W, rx, r.X)
	across := newKernel(k.H, out.W)
	for j, taps := range cols {
		for c, w := range taps {
			for i := range k.H {
				across.Taps[i*out.W+j] += w * k.Taps[i*k.W+c]
			}
		}
	}
	for i, taps := range rows {
		for c, w := range taps {
			for j := range out.W {
				out.Taps[i*out.W+j] += w * across.Taps[c*out.W+j]
			}
		}
	}
	if k.nonNegative() {
		for i, v := range out.Taps {
			out.Taps[i] = max(0, v)
		}
	}
	return out.trimmed()
}

// shifts are, for each tap i of an axis of 2r+1 with its centre at r, the weights of the
// taps of an axis of n whose point n/2+d comes to the centre.
func shifts(n, r int, d float64) []map[int]float64 {
	if math.Abs(d-math.Round(d)) < 1e-3 {
		d = math.Round(d)
	}
	all := make([]map[int]float64, 2*r+1)
	for i := range all {
		at, sum := float64(i-r+n/2)+d, 0.0
		all[i] = map[int]float64{}
		for c := int(math.Ceil(at - 3)); c <= int(math.Floor(at+3)); c++ {
			w := lanczos3(at - float64(c))
			sum += w
			if c >= 0 && c < n && math.Abs(w) > 1e-12 {
				all[i][c] = w
			}
		}
		for c := range all[i] {
			all[i][c] /= sum
		}
	}
	return all
}

// trimmed leaves out the rows and columns at the border that hold nothing, alike on
// opposite sides.
func (k Kernel) trimmed() Kernel {
	const nothing = 1e-9
	top := slices.Max(k.Taps)
	y, x := 0, 0 // how far from the centre something is
	for i, v := range k.Taps {
		if math.Abs(v) > nothing*top {
			y, x = max(y, abs(i/k.W-k.H/2)), max(x, abs(i%k.W-k.W/2))
		}
	}
	out := newKernel(2*y+1, 2*x+1)
	for i := range out.H {
		copy(out.Taps[i*out.W:(i+1)*out.W], k.Taps[(i+k.H/2-y)*k.W+k.W/2-x:])
	}
	return out
}

// padded is the kernel with zeros around, its centre tap in its place, at least h x w
// taps.
func (k Kernel) padded(h, w int) Kernel {
	if k.H == h && k.W == w {
		return k
	}
	out := newKernel(h, w)
	for i := range k.H {
		copy(out.Taps[(i+h/2-k.H/2)*w+w/2-k.W/2:], k.Taps[i*k.W:(i+1)*k.W])
	}
	return out
}

func abs(n int) int { return max(n, -n) }
