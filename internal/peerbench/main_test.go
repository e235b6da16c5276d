package main

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
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
