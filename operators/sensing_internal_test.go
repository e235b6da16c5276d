package operators

import (
	"archive/zip"
	"io"
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/internal/npy"
)

// goldenNPZ reads the arrays of an .npz in testdata.
func goldenNPZ(t *testing.T, file string) map[string][]float32 {
	t.Helper()
	z, err := zip.OpenReader("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string][]float32{}
	for _, e := range z.File {
		name := e.Name[:len(e.Name)-len(".npy")]
		err := withArray(&z.Reader, name, func(h npy.Header, n int, r io.Reader) error {
			v, err := h.Floats(r, n)
			out[name] = v
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The numbers are those of the operator's published implementation.
func TestCirculantGolden(t *testing.T) {
	g := goldenNPZ(t, "circulant.npz")
	rows := make([]int32, len(g["indices"]))
	for i, v := range g["indices"] {
		rows[i] = int32(v)
	}
	a := newCirculant(Shape{1, 32, 32}, g["filter"], g["sign"], rows)
	y, x := make([]float32, len(rows)), make([]float32, 32*32)
	a.Apply(y, g["x"])
	if d := maxDiff(y, g["y"]); d > 1e-5 {
		t.Errorf("measurements differ by %.2g", d)
	}
	a.Adjoint(x, g["y"])
	if d := maxDiff(x, g["adjoint"]); d > 1e-5 {
		t.Errorf("adjoint differs by %.2g", d)
	}
}

func TestWalshHadamard(t *testing.T) {
	for n := 1; n <= 64; n *= 2 {
		for k := range n {
			x := make([]float32, n)
			x[k] = 1
			walshHadamard(x)
			for i, v := range x {
				want := float32(1)
				for b := i & k; b > 0; b &= b - 1 {
					want = -want
				}
				if v != want {
					t.Fatalf("n=%d: W(%d,%d) = %v, want %v", n, i, k, v, want)
				}
			}
		}
	}
}

// The largest singular values of random operators lie close together.
func TestLanczosNorm(t *testing.T) {
	a, err := NewCirculant(Shape{2, 24, 24}, 0.25, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := PowerNorm(a, 5000, 1e-10, 1)
	if got := a.Norm(); got < want*(1-1e-5) || got > want*(1+2e-3) {
		t.Errorf("circulant: norm %v, want %v", got, want)
	}
	g, err := NewGaussianSensing(Shape{1, 20, 20}, 0.25, 2)
	if err != nil {
		t.Fatal(err)
	}
	want = PowerNorm(g, 5000, 1e-10, 1)
	if got := g.Norm(); got < want*(1-1e-5) || got > want*(1+2e-3) {
		t.Errorf("gaussian: norm %v, want %v", got, want)
	}
	// Fewer dimensions than steps.
	tiny, err := NewGaussianSensing(Shape{1, 1, 3}, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	want = PowerNorm(tiny, 5000, 1e-10, 1)
	if got := tiny.Norm(); math.Abs(got-want) > 2e-3*want {
		t.Errorf("tiny: norm %v, want %v", got, want)
	}
}
