// Package goldentest keeps numbers that the Go side computed for tests in other
// languages: NumPy archives in the tree, which
//
//	go test ./... -run Golden -update
//
// writes. Without the flag the test that made them checks that they are still what it
// computes.
package goldentest

import (
	"archive/zip"
	"bytes"
	"flag"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/npy"
)

var update = flag.Bool("update", false, "write the golden files anew")

// An Array is floats with their dims, or a text where Data is nil.
type Array struct {
	Dims []int
	Data []float32
	Text string
}

// Floats are numbers in double precision as an Array.
func Floats(v []float64) Array {
	a := Array{Dims: []int{len(v)}, Data: make([]float32, len(v))}
	for i, x := range v {
		a.Data[i] = float32(x)
	}
	return a
}

// Archive compares an archive at path with what arrays says it holds, each number to
// tol times the largest of its array, or writes it.
func Archive(t *testing.T, path string, arrays map[string]Array, tol float64) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, write(t, arrays), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, path)
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Sorted(maps.Keys(arrays))) {
		t.Fatalf("%s holds %v: write it anew with -update", path, names)
	}
	for name, want := range arrays {
		a := got[name]
		if a.Text != want.Text || len(a.Data) != len(want.Data) || want.Data != nil && !slices.Equal(a.Dims, want.Dims) {
			t.Errorf("%s: %s has dims %v or another text: write it anew with -update", path, name, a.Dims)
			continue
		}
		worst, top := 0.0, 1e-6
		for i, v := range want.Data {
			worst = max(worst, math.Abs(float64(v-a.Data[i])))
			top = max(top, math.Abs(float64(v)))
		}
		if !(worst <= tol*top) {
			t.Errorf("%s: %s differs by %.2g of %.2g: write it anew with -update, and see that the other side agrees", path, name, worst, top)
		}
	}
}

func write(t *testing.T, arrays map[string]Array) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		e, err := z.Create(name + ".npy")
		if err == nil {
			if a := arrays[name]; a.Data == nil {
				err = npy.WriteText(e, a.Text)
			} else {
				err = npy.WriteFloats(e, a.Dims, a.Data)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t *testing.T, path string) map[string]Array {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatalf("%v: -update writes it", err)
	}
	defer z.Close()
	arrays := map[string]Array{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		a, err := readArray(r)
		if err != nil {
			t.Fatalf("%s: %s: %v", path, f.Name, err)
		}
		arrays[strings.TrimSuffix(f.Name, ".npy")] = a
	}
	return arrays
}

func readArray(r io.Reader) (a Array, err error) {
	h, err := npy.ReadHeader(r)
	if err != nil {
		return a, err
	}
	if h.Kind == npy.Text {
		a.Text, err = h.ReadText(r)
		return a, err
	}
	n, _ := h.Len(1 << 24)
	a.Dims = h.Shape
	a.Data, err = h.Floats(r, n)
	return a, err
}
