package metrics

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/sbinet/npyio/npz"
)

// scikit-image 0.19.3's values for the pictures of the golden tests.
const (
	grayPSNR, graySSIM = 26.25850919832724, 0.562462753949078
	rgbPSNR, rgbSSIM   = 20.23227826683264, 0.43246448296269263
)

func check(t *testing.T, ref, est []float32, s operators.Shape, psnr, ssim float64) {
	t.Helper()
	if got := PSNR(ref, est); math.Abs(got-psnr) > 1e-4 {
		t.Errorf("PSNR %v, scikit-image has %v", got, psnr)
	}
	if got := SSIM(ref, est, s); math.Abs(got-ssim) > 1e-4 {
		t.Errorf("SSIM %v, scikit-image has %v", got, ssim)
	}
}

// testdata/gray.gz: 256x256 reference bytes (to be divided by 255), then as
// many float32 of the test picture, little endian.
func grayPair(t testing.TB) (ref, est []float32) {
	f, err := os.Open("testdata/gray.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 256*256)
	if _, err := io.ReadFull(z, b); err != nil {
		t.Fatal(err)
	}
	ref, est = make([]float32, len(b)), make([]float32, len(b))
	for i, v := range b {
		ref[i] = float32(float64(v) / 255)
	}
	if err := binary.Read(z, binary.LittleEndian, est); err != nil {
		t.Fatal(err)
	}
	return ref, est
}

func TestGoldenGray(t *testing.T) {
	ref, est := grayPair(t)
	check(t, ref, est, operators.Shape{C: 1, H: 256, W: 256}, grayPSNR, graySSIM)
}

func TestGoldenColour(t *testing.T) {
	r, err := npz.Open(filepath.Join("..", "..", "..", "shared", "golden", "metrics", "metrics.npz"))
	if err != nil {
		t.Skip("the colour pair is not beside the repository")
	}
	defer r.Close()
	s := operators.Shape{C: 3, H: 321, W: 481}
	planar := func(name string) []float32 {
		var x []float32
		if err := r.Read(name, &x); err != nil {
			t.Fatal(err)
		}
		m := operators.NewImage(s)
		for i := range s.H * s.W {
			for c := range s.C {
				m.Plane(c)[i] = x[i*s.C+c]
			}
		}
		return m.Pix
	}
	ref, est := planar("rgb_ref.npy"), planar("rgb_test.npy")
	check(t, ref, est, s, rgbPSNR, rgbSSIM)
	// Without the odd row and column, which pytorch-msssim treats otherwise.
	even := operators.Shape{C: 3, H: 320, W: 480}
	var evenRef, evenEst []float32
	for c := range s.C {
		evenRef, evenEst = append(evenRef, cut(ref, s.W, c*s.H, 0, even.H, even.W)...), append(evenEst, cut(est, s.W, c*s.H, 0, even.H, even.W)...)
	}
	if got := MSSSIM(evenRef, evenEst, even); math.Abs(got-0.8458396547628816) > 1e-5 {
		t.Errorf("MS-SSIM %v, pytorch-msssim has 0.84584", got)
	}
}

// TestSSIMByDefinition compares the sliding sums with each window's own
// moments, on sizes down to one window.
func TestSSIMByDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []operators.Shape{{C: 1, H: 7, W: 7}, {C: 2, H: 9, W: 16}, {C: 1, H: 20, W: 7}} {
		a, b := make([]float32, s.Len()), make([]float32, s.Len())
		for i := range a {
			a[i] = rng.Float32()
			b[i] = a[i] + 0.3*float32(rng.NormFloat64()) // leaves [0,1]
		}
		want, n := 0.0, 0
		for c := range s.C {
			for y := 0; y+7 <= s.H; y++ {
				for x := 0; x+7 <= s.W; x++ {
					want += window(a, b, s, c, y, x)
					n++
				}
			}
		}
		if got := SSIM(a, b, s); math.Abs(got-want/float64(n)) > 1e-9 {
			t.Errorf("%v: SSIM %v, by definition %v", s, got, want/float64(n))
		}
		if got := SSIM(a, a, s); math.Abs(got-1) > 1e-12 {
			t.Errorf("%v: SSIM of equal pictures is %v", s, got)
		}
	}
	if s := (operators.Shape{C: 1, H: 6, W: 9}); !math.IsNaN(SSIM(make([]float32, 54), make([]float32, 54), s)) {
		t.Error("a picture smaller than the window has an SSIM")
	}
}

func window(a, b []float32, s operators.Shape, c, y0, x0 int) float64 {
	var p, q []float64
	for y := y0; y < y0+7; y++ {
		for x := x0; x < x0+7; x++ {
			i := (c*s.H+y)*s.W + x
			p = append(p, float64(a[i]))
			q = append(q, float64(min(max(b[i], 0), 1)))
		}
	}
	mean := func(x []float64) float64 {
		m := 0.0
		for _, v := range x {
			m += v / 49
		}
		return m
	}
	cov := func(x, y []float64) float64 {
		mx, my, s := mean(x), mean(y), 0.0
		for i := range x {
			s += (x[i] - mx) * (y[i] - my)
		}
		return s / 48
	}
	mp, mq := mean(p), mean(q)
	return (2*mp*mq + 1e-4) * (2*cov(p, q) + 9e-4) /
		((mp*mp + mq*mq + 1e-4) * (cov(p, p) + cov(q, q) + 9e-4))
}

func TestPSNREqual(t *testing.T) {
	x := []float32{0, 0.5, 1}
	if !math.IsInf(PSNR(x, x), 1) {
		t.Error("the PSNR of equal pictures is finite")
	}
	// Overshoot is clipped before it is compared.
	if !math.IsInf(PSNR(x, []float32{-1, 0.5, 7}), 1) {
		t.Error("the estimate was not clipped")
	}
}

func BenchmarkSSIM(b *testing.B) {
	ref, est := grayPair(b)
	for b.Loop() {
		SSIM(ref, est, operators.Shape{C: 1, H: 256, W: 256})
	}
}

func ExamplePSNR() {
	truth := []float32{0.2, 0.4, 0.6, 0.8}
	estimate := []float32{0.3, 0.3, 0.7, 0.7}
	fmt.Printf("%.1f dB\n", PSNR(truth, estimate))
	// Output: 20.0 dB
}
