package main

import (
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
)

func TestMedianAndRound(t *testing.T) {
	if m := median([]float64{5, 1, 2}); m != 2 {
		t.Errorf("median of 3 is %v", m)
	}
	if m := median([]float64{4, 1, 2, 9}); m != 3 {
		t.Errorf("median of 4 is %v", m)
	}
	for in, want := range map[float64]float64{0: 0, 1234.6: 1235, 0.00123456: 0.001235, 99996: 100000} {
		if got := round(in); math.Abs(got-want) > 1e-9*want {
			t.Errorf("round(%v) = %v", in, got)
		}
	}
}

func TestMissingPython(t *testing.T) {
	r := measure(regexp.MustCompile("FFT"), []string{"/no/such/python"}, 1, 1)
	if len(r.Rows) != 0 || !strings.Contains(r.Missing, "PyTorch is missing") || !strings.Contains(r.Missing, "SciPy is missing") {
		t.Errorf("%+v", r)
	}
}

// A row of our own needs no Python.
func TestRow(t *testing.T) {
	cfg := lpn.SoftplusAny(1, 4, 2, 0.1)
	one := func() (side, error) { return bound(cfg, 8, 1) }
	row, err := versus("x", one, one).measure(nil, 1)
	if err != nil || row.Name != "x" || !(row.Ratio > 0) {
		t.Errorf("%+v, %v", row, err)
	}
	b := stepThreads("y", cfg, 2, 8)
	if row, err := b.measure(nil, 1); err != nil || !(row.Ours > 0) {
		t.Errorf("%+v, %v", row, err)
	}
}

// Both sides compute the same, where PyTorch is there to ask.
func TestAgreement(t *testing.T) {
	p, err := startPeer([]string{"python3", "/usr/bin/python3"})
	if err != nil {
		t.Skip(err)
	}
	defer p.close()
	if p.Torch == "" {
		t.Skip("no PyTorch")
	}
	hard := lpn.Pyramid(3, 0.1)
	hard.Pyramid.Gate = "hard"
	defer func(e bool) { eagerOnly = e }(eagerOnly)
	eagerOnly = true
	for _, b := range []bench{
		prox("odd size", lpn.Pyramid(1, 0.1), 35, 1),
		prox("hard gates, colour", hard, 24, 1),
		prox("the paper's", lpn.Paper128(1, 4), 128, 1),
		step("step", lpn.Pyramid(1, 0.1), 2, 16, 1),
		step("step of a softplus network", lpn.SoftplusAny(3, 8, 3, 0.1), 2, 12, 1),
	} {
		c, err := b.setup(p)
		if err != nil {
			t.Errorf("%s: %v", b.name, err)
			continue
		}
		c.done()
	}
}

func TestAgreeRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	os.WriteFile(path, make([]byte, 8), 0o666)
	if err := agree([]float32{1, 1}, path); err == nil || !strings.Contains(err.Error(), "different things") {
		t.Errorf("got %v", err)
	}
	if err := agree([]float32{1}, path); err == nil {
		t.Error("wrong length accepted")
	}
}

// The fan in NumPy and ours compute the same, in both directions.
func TestFanAgreement(t *testing.T) {
	p, err := startPeer([]string{"python3", "/usr/bin/python3"})
	if err != nil {
		t.Skip(err)
	}
	defer p.close()
	if p.Scipy == "" {
		t.Skip("no SciPy")
	}
	for _, what := range []string{"projection", "back-projection"} {
		c, err := fan(what, 33, 20).setup(p)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		c.done()
	}
}

// Each denoiser that is installed takes noise away and keeps the picture as it lies in
// memory. The networks have random weights: they only have to answer.
func TestDenoisers(t *testing.T) {
	p, err := startPeer([]string{"python3", "/usr/bin/python3"})
	if err != nil {
		t.Skip(err)
	}
	defer p.close()
	defer func(e bool) { eagerOnly = e }(eagerOnly)
	eagerOnly = true
	picture := image.NewGray(image.Rect(0, 0, 48, 40))
	for i := range picture.Pix {
		if i%48 > i/48 {
			picture.Pix[i] = 200
		}
	}
	for _, channels := range []int{1, 3} {
		in := photoOf(picture, channels, 40, 48)
		before := in.psnr(in.noisy)
		for _, m := range methods {
			x, _, err := m.denoised(p, in, 0.7, 1)
			switch {
			case err != nil:
				t.Logf("%s is missing here: %v", m.label, err)
			case m.publishedGray == 0 && in.psnr(x) < before+1:
				t.Errorf("%s, %d channels: %.2f dB after, %.2f before", m.label, channels, in.psnr(x), before)
			}
		}
	}
}

// A photograph is continued by mirroring, planes one after the other.
func TestPhotoOf(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	m.SetNRGBA(0, 0, color.NRGBA{255, 0, 51, 255})
	m.SetNRGBA(1, 0, color.NRGBA{0, 102, 0, 255})
	got := photoOf(m, 3, 1, 4).clean
	want := []float32{1, 0, 0, 1, 0, 0.4, 0.4, 0, 0.2, 0, 0, 0.2}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
