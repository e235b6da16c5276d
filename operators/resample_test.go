package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestResampleAsPillow: pictures made smaller are those of Pillow, in floats and, to
// a rounding, in its 8 bits, and for Area those of OpenCV (testdata/resample.py).
func TestResampleAsPillow(t *testing.T) {
	g := goldenNPZ(t, "resample.npz")
	s := Shape{1, 45, 56}
	for _, size := range [][2]int{{28, 15}, {37, 30}, {19, 45}, {14, 11}} {
		for _, f := range filters {
			a, err := NewResample(s, size[1], size[0], f)
			if err != nil {
				t.Fatal(err)
			}
			y := make([]float32, a.Codomain().Len())
			a.Apply(y, g["picture"])
			name := fmt.Sprintf("%s-%dx%d", f, size[0], size[1])
			worst, steps := 0.0, 0.0
			for i, v := range y {
				worst = max(worst, math.Abs(float64(v-g[name][i])))
				if eight := g[name+"-8"]; eight != nil {
					steps = max(steps, math.Abs(math.Round(min(max(float64(v), 0), 255))-float64(eight[i])))
				}
			}
			if worst > 2e-4 || steps > 1 {
				t.Errorf("%s: %.3g from theirs in floats, %v levels in 8 bits", name, worst, steps)
			}
		}
	}
}

// TestResampleAsImageMagick: pictures made smaller are those of ImageMagick, to the
// roundings of its 16 bits after each axis, and of its 8 bits, where it drops the
// fraction. Without a filter it takes Lanczos; its -scale is Area (testdata/imagemagick.py).
func TestResampleAsImageMagick(t *testing.T) {
	g := goldenNPZ(t, "imagemagick.npz")
	picture := goldenNPZ(t, "resample.npz")["picture"]
	names := map[string]Filter{"area": Area, "box": Box, "bilinear": Bilinear, "bicubic": Bicubic, "lanczos3": Lanczos3, "unnamed": Lanczos3}
	for _, size := range [][2]int{{37, 30}, {14, 11}} {
		for name, f := range names {
			a, err := NewResample(Shape{1, 45, 56}, size[1], size[0], f)
			if err != nil {
				t.Fatal(err)
			}
			y := make([]float32, a.Codomain().Len())
			a.Apply(y, picture)
			name = fmt.Sprintf("%s-%dx%d", name, size[0], size[1])
			worst, steps := 0.0, 0.0
			for i, v := range y {
				v := min(max(float64(v), 0), 255)
				worst = max(worst, math.Abs(v-float64(g[name][i])/257))
				if eight := g[name+"-8"]; eight != nil {
					steps = max(steps, math.Abs(math.Floor(v)-float64(eight[i])))
				}
			}
			if worst > 1.1/257 || steps > 1 {
				t.Errorf("%s: %.3g from theirs in 16 bits, %v levels in 8 bits", name, worst, steps)
			}
		}
	}
}

// TestInterpolateAsPillow: and enlarged by cubic interpolation.
func TestInterpolateAsPillow(t *testing.T) {
	g := goldenNPZ(t, "resample.npz")
	a, err := NewResample(Shape{1, 45, 56}, 30, 37, Lanczos3)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 45*56)
	a.(Interpolator).Interpolate(x, g["area-37x30"])
	for i, v := range x {
		if d := math.Abs(float64(v - g["enlarged"][i])); d > 2e-4 {
			t.Fatalf("pixel %d is %v, Pillow's %v", i, v, g["enlarged"][i])
		}
	}
}

// TestResampleDefinition compares with the sum of the doc, also across the frame, and
// for a Gaussian.
func TestResampleDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n, m = 23, 9
	x := make([]float32, n)
	for i := range x {
		x[i] = rng.Float32()
	}
	a, err := NewResample(Shape{1, 1, n}, 1, m, GaussianFilter(1.7))
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float32, m)
	a.Apply(y, x)
	const f = float64(n) / m
	for k := range m {
		sum, weights := 0.0, 0.0
		for i := range n {
			d := float64(i) - (f*float64(k) + (f-1)/2)
			if math.Abs(d) <= 3*1.7 {
				w := math.Exp(-d * d / (2 * 1.7 * 1.7))
				sum, weights = sum+w*float64(x[i]), weights+w
			}
		}
		if want := sum / weights; math.Abs(float64(y[k])-want) > 1e-6 {
			t.Errorf("sample %d is %v, want %v", k, y[k], want)
		}
	}
	// The mean of the pixels under a sample, whatever the filter, of a plane.
	for _, f := range append(filters, GaussianFilter(0)) {
		a, _ := NewResample(Shape{1, 40, 60}, 20, 20, f)
		x, y := NewImage(a.Domain()), NewImage(a.Codomain())
		for i := range x.Pix {
			x.Pix[i] = float32(2*(i%60) + 7*(i/60))
		}
		a.Apply(y.Pix, x.Pix)
		if got, want := y.At(0, 9, 9), float32(2*28+7*18.5); math.Abs(float64(got-want)) > 1e-3 {
			t.Errorf("%s: the sample at (9,9) lies at %v, want %v", f, got, want)
		}
	}
}

// TestResampleNorm compares the norm with the singular values of the dense matrix.
func TestResampleNorm(t *testing.T) {
	for _, f := range append(filters, GaussianFilter(0), GaussianFilter(0.3)) {
		a, err := NewResample(Shape{1, 13, 11}, 6, 7, f)
		if err != nil {
			t.Fatal(err)
		}
		m := mat.NewDense(42, 143, nil)
		x, y := make([]float32, 143), make([]float32, 42)
		for j := range x {
			x[j] = 1
			a.Apply(y, x)
			x[j] = 0
			for i, v := range y {
				m.Set(i, j, float64(v))
			}
		}
		var svd mat.SVD
		svd.Factorize(m, mat.SVDNone)
		want := svd.Values(nil)[0]
		if got := Norm(a); got < want*(1-1e-6) || got > want*(1+1e-4) {
			t.Errorf("%s: norm %v, want %v", f, got, want)
		}
	}
}

// TestCentredKernels: an sr with a kernel of blur puts its samples where the filters
// do: a box of the factor's size is Area, and a plane keeps its place, whatever the
// parity of kernel and factor.
func TestCentredKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for factor := 2; factor <= 5; factor++ {
		s := Shape{1, 6 * factor, 7 * factor}
		x := NewImage(s)
		for i := range x.Pix {
			x.Pix[i] = rng.Float32()
		}
		apply := func(text string) Image {
			sp, err := ParseSpec(fmt.Sprintf(text, factor))
			if err != nil {
				t.Fatal(err)
			}
			a, err := sp.Build(s)
			if err != nil {
				t.Fatal(err)
			}
			y := NewImage(a.Codomain())
			a.Apply(y.Pix, x.Pix)
			return y
		}
		if d := relDiff(apply("sr:factor=%d,kernel=uniform,size=%[1]d").Pix, apply("sr:factor=%d").Pix); d > 1e-6 {
			t.Errorf("factor %d: the box differs from area by %.2g", factor, d)
		}
		for i := range x.Pix {
			x.Pix[i] = float32(2*(i%s.W) + 7*(i/s.W))
		}
		for size := 1; size <= 4; size++ {
			y := apply(fmt.Sprintf("sr:factor=%%d,kernel=uniform,size=%d", size))
			at := 3*float64(factor) + float64(factor-1)/2
			if got, want := float64(y.At(0, 3, 3)), 9*at; math.Abs(got-want) > 1e-3 {
				t.Errorf("factor %d, a box of %d: the sample at (3,3) lies at %v, want %v", factor, size, got, want)
			}
		}
	}
}

// TestFitResample: a size in pixels becomes the factors that lead to it.
func TestFitResample(t *testing.T) {
	sp, err := ParseSpec("sr:to=1920x1080,kernel=bicubic")
	if err != nil {
		t.Fatal(err)
	}
	y := Shape{3, 479, 641}
	fit, err := sp.Fit(y)
	if err != nil {
		t.Fatal(err)
	}
	scene, err := fit.Scene(y)
	if err != nil || scene != (Shape{3, 1080, 1920}) {
		t.Errorf("%s of %v comes from %v, %v", fit, y, scene, err)
	}
	if a, err := fit.Build(scene); err != nil || a.Codomain() != y {
		t.Errorf("%s: %v", fit, err)
	}
	if !sp.Resamples() || sp.TakesBoundary() {
		t.Error("sr:to resamples without a boundary")
	}
	if _, err := sp.Fit(Shape{3, 2000, 2000}); err == nil {
		t.Error("a picture is enlarged to fewer pixels")
	}
	if _, err := sp.Build(scene); err == nil {
		t.Error("an operator is built without a factor")
	}
	if other, err := fit.Fit(y); err != nil || other != fit {
		t.Error("a spec with a factor is changed")
	}
}
