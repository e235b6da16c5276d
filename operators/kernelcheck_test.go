package operators

import (
	"math"
	"strings"
	"testing"
)

// gaussianAt is a Gaussian of deviation sigma about the point (cy,cx) of an h x w grid.
func gaussianAt(h, w int, cy, cx, sigma float64) Kernel {
	k := newKernel(h, w)
	for i := range k.Taps {
		y, x := float64(i/w)-cy, float64(i%w)-cx
		k.Taps[i] = math.Exp(-(y*y + x*x) / (2 * sigma * sigma))
	}
	n, err := k.normalised()
	if err != nil {
		panic(err)
	}
	return n
}

func TestKernelReport(t *testing.T) {
	good := gaussianAt(15, 17, 7, 8, 1.6)
	pedestal := newKernel(15, 17)
	negative := newKernel(15, 17)
	for i, v := range good.Taps {
		pedestal.Taps[i] = v + 0.04*good.Taps[7*17+8]
		negative.Taps[i] = v
		if i/17 == 2 {
			negative.Taps[i] -= 0.002
		}
	}
	box, _ := UniformKernel(7)
	motion, _ := MotionKernel(9, 0)
	for name, c := range map[string]struct {
		k    Kernel
		says string
	}{
		"good":     {good, ""},
		"box":      {box, ""},
		"motion":   {motion, ""},
		"one":      {Kernel{1, 1, []float64{1}}, ""},
		"off":      {gaussianAt(21, 21, 7, 13, 1.6), "-3 rows and 3 columns"},
		"even":     {gaussianAt(16, 16, 7.5, 7.5, 1.6), "-0.5 rows and -0.5 columns"},
		"pedestal": {pedestal, "border is not 0 but 3."},
		"negative": {negative, "is negative"},
		"coarse":   {gaussianAt(5, 5, 2, 2, 0.4), "narrower"},
	} {
		lines := c.k.Report().Remarks()
		if c.says == "" && len(lines) > 0 || c.says != "" && (len(lines) != 1 || !strings.Contains(lines[0], c.says)) {
			t.Errorf("%s: %q, want %q", name, lines, c.says)
		}
	}
	// Taken out, a pedestal leaves the kernel, and does not move its centroid.
	off := gaussianAt(25, 25, 9, 14, 1.6)
	level := 0.1 * off.Taps[9*25+14]
	for i := range off.Taps {
		off.Taps[i] += level
	}
	r := off.Report()
	if math.Abs(r.Y+3) > 0.02 || math.Abs(r.X-2) > 0.02 || math.Abs(r.Background-0.1/1.1) > 1e-3 {
		t.Errorf("%+v", r)
	}
}

// TestRecentred compares with a Gaussian that was made at the centre.
func TestRecentred(t *testing.T) {
	want := gaussianAt(31, 31, 15, 15, 1.6)
	for _, c := range [][2]float64{{15, 15}, {12, 18}, {14.5, 15.5}, {13.3, 16.8}} {
		k := gaussianAt(31, 31, c[0], c[1], 1.6).Recentred()
		worst := 0.0
		for i := range want.H {
			for j := range want.W {
				y, x, got := i-15+k.H/2, j-15+k.W/2, 0.0
				if y >= 0 && y < k.H && x >= 0 && x < k.W {
					got = k.Taps[y*k.W+x]
				}
				worst = max(worst, math.Abs(got-want.Taps[i*want.W+j]))
			}
		}
		if limit := 0.01 * want.Taps[15*31+15]; worst > limit {
			t.Errorf("from %v: %.2g off, want below %.2g", c, worst, limit)
		}
		if r := k.Report(); math.Hypot(r.Y, r.X) > 0.03 {
			t.Errorf("from %v: the centroid is still at (%.3g,%.3g)", c, r.Y, r.X)
		}
	}
}

// TestMendedSpec: what a spec mends of its file is gone, and said no more.
func TestMendedSpec(t *testing.T) {
	k := gaussianAt(21, 21, 7, 13, 1.6)
	file := NewImage(Shape{1, 21, 21})
	for i, v := range k.Taps {
		file.Pix[i] = float32(v) + 0.002
	}
	for text, says := range map[string]int{
		"blur:kernel=k": 2, "blur:kernel=k,centre": 1, "blur:kernel=k,background=auto": 1,
		"blur:kernel=k,background=auto,centre": 0, "sr:factor=2,kernel=k,background,centre=auto": 0,
	} {
		sp, err := ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(sp.Remarks()) > 0 {
			t.Errorf("%s: remarks before the file is read", text)
		}
		if got := sp.WithData(file).Remarks(); len(got) != says && !strings.HasPrefix(text, "sr") || strings.HasPrefix(text, "sr") && len(got) > says {
			t.Errorf("%s: %q, want %d remarks", text, got, says)
		}
	}
}

// TestLargeKernels: from 3x3 to 201x201 taps, in space or by Fourier transforms, blur
// is the double sum.
func TestLargeKernels(t *testing.T) {
	const h, w = 36, 215
	x := NewImage(Shape{1, h, w})
	for i := range x.Pix {
		x.Pix[i] = float32((i*i)%97) / 97
	}
	for _, side := range []int{3, 9, 31, 101, 201} {
		k := gaussianAt(side, side, float64(side)/2-0.3, float64(side)/2-0.9, float64(side)/5)
		a, err := NewBlur(x.Shape, k, Replicate)
		if err != nil {
			t.Fatal(err)
		}
		y := NewImage(x.Shape)
		a.Apply(y.Pix, x.Pix)
		for _, at := range [][2]int{{0, 0}, {20, 110}, {35, 214}} {
			want := 0.0
			for i := range side {
				for j := range side {
					r := min(max(at[0]+side/2-i, 0), h-1)
					c := min(max(at[1]+side/2-j, 0), w-1)
					want += k.Taps[i*side+j] * float64(x.Pix[r*w+c])
				}
			}
			if got := float64(y.At(0, at[0], at[1])); math.Abs(got-want) > 1e-5 {
				t.Errorf("%dx%d taps: %v at %v, want %v", side, side, got, at, want)
			}
		}
	}
}
