package operators

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSpecTexts: what specs read as, and the words with which others are
// refused, are those of testdata/specs.txt, on which scripts may rely.
func TestSpecTexts(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "specs.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		in, _, _ := strings.Cut(lines.Text(), " -> ")
		text, err := strconv.Unquote(in)
		if err != nil {
			t.Fatal(err)
		}
		sp, err := ParseSpec(text)
		got := fmt.Sprintf("%q -> %q %v %v %v %q", text, sp, err, sp.TakesBoundary(), sp.ImageShaped(), sp.File())
		if got != lines.Text() {
			t.Errorf("got  %s\nwant %s", got, lines.Text())
		}
	}
	if n < 50 {
		t.Errorf("only %d specs", n)
	}
}

// TestMeasurementBytes: the files of testdata/measurements, which earlier
// versions wrote, read as they should, and the same bytes are written today.
func TestMeasurementBytes(t *testing.T) {
	for name, c := range map[string]struct {
		spec  string
		b     Boundary
		noise string
	}{
		"denoise":     {"denoise", Symmetric, "0.1"},
		"blur-valid":  {"blur:uniform,size=3", Valid, "NaN"},
		"sr-circular": {"sr:factor=2,kernel=gaussian,sigma=1,size=7,align=corner", Circular, "0"},
		"kernel-zero": {"blur:kernel=k.npy", Zero, "0.01"},
	} {
		file, err := os.ReadFile(filepath.Join("testdata", "measurements", name+".npz"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := ReadMeasurement(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, err := m.Build()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.Spec.String() != c.spec || m.Spec.Boundary() != c.b || fmt.Sprint(m.Noise) != c.noise ||
			m.Scene != (Shape{2, 6, 8}) || m.Y.Shape != a.Codomain() || m.Y.Pix[5] != float32(5)/7 {
			t.Errorf("%s reads as %v under %v, noise %v, scene %v, %v", name, m.Spec, m.Spec.Boundary(), m.Noise, m.Scene, m.Y.Shape)
		}
		if d := m.Spec.Data(); (m.Spec.File() != "") != (fmt.Sprint(d.Shape, d.Pix) == "1x2x3 [1 2 3 4 5 6]") {
			t.Errorf("%s: the file held %v %v", name, d.Shape, d.Pix)
		}
		// A file from before there was align.
		if !bytes.Equal(written(t, m), file) && name != "sr-circular" {
			t.Errorf("%s: other bytes are written", name)
		}
	}
}
