package imageio

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// coefficientFiles are what Pillow (libjpeg-turbo) wrote, each with what it reads
// of it in a PNG.
func coefficientFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/coefficients/*.jpg")
	if err != nil || len(files) == 0 {
		t.Fatal("no files: ", err)
	}
	return files
}

func decodeFile(t testing.TB, name string) ([]byte, *Coefficients) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := DecodeCoefficients(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return data, c
}

// The picture of the coefficients is the one that libjpeg makes, which rounds in
// each of its steps.
func TestCoefficientsAsLibjpeg(t *testing.T) {
	for _, name := range coefficientFiles(t) {
		_, c := decodeFile(t, name)
		want, err := Read(strings.TrimSuffix(name, ".jpg") + ".png")
		if err != nil {
			t.Fatal(err)
		}
		got := c.Decode()
		if got.Shape != want.Shape {
			t.Fatalf("%s: %v, want %v", name, got.Shape, want.Shape)
		}
		worst, sum := 0.0, 0.0
		for i, v := range got.Pix {
			d := 255 * math.Abs(min(max(float64(v), 0), 1)-float64(want.Pix[i]))
			worst, sum = max(worst, d), sum+d
		}
		if mean := sum / float64(len(got.Pix)); worst > 3 || mean > 0.55 {
			t.Errorf("%s: off by up to %.2f levels, %.2f in the mean", name, worst, mean)
		}
	}
}

// planesOf are the planes that Go's decoder makes.
func planesOf(t testing.TB, data []byte) (pix [][]byte, stride []int) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	switch m := img.(type) {
	case *image.Gray:
		return [][]byte{m.Pix}, []int{m.Stride}
	case *image.YCbCr:
		return [][]byte{m.Y, m.Cb, m.Cr}, []int{m.YStride, m.CStride, m.CStride}
	}
	t.Skipf("%T", img)
	return nil, nil
}

// samePlanes compares the inverse cosine transform of the coefficients with the
// planes of Go's decoder, whole blocks, which rounds to integers.
func samePlanes(t *testing.T, name string, data []byte, c *Coefficients) {
	t.Helper()
	pix, stride := planesOf(t, data)
	a, err := operators.NewJPEG(c.Shape, c.Format)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for p := range c.Format.Planes {
		rows, cols := a.Blocks(p)
		// A gray picture of the plane's size has the plane for coefficients.
		plane := operators.JPEGFormat{Planes: []operators.JPEGPlane{{Down: 1, Across: 1, Step: c.Format.Planes[p].Step}}}
		b, err := operators.NewJPEG(operators.Shape{C: 1, H: 8 * rows, W: 8 * cols}, plane)
		if err != nil {
			t.Fatal(err)
		}
		n := 64 * rows * cols
		x := make([]float32, n)
		b.Adjoint(x, c.Y()[at:at+n]) // of whole blocks, the inverse
		at += n
		for i := range 8 * rows {
			for j := range 8 * cols {
				v := 255 * float64(x[i*8*cols+j])
				if p > 0 {
					v += 128
				}
				got, want := min(max(v, 0), 255), float64(pix[p][i*stride[p]+j])
				if math.Abs(got-want) > 1.5 {
					t.Fatalf("%s: plane %d (%d,%d) is %.2f, Go's decoder has %v", name, p, i, j, got, want)
				}
			}
		}
	}
}

func TestCoefficientsAsGo(t *testing.T) {
	for _, name := range coefficientFiles(t) {
		if strings.Contains(name, "rgb") {
			continue // no planes
		}
		data, c := decodeFile(t, name)
		samePlanes(t, name, data, c)
	}
	// What Go's encoder writes, at odd sizes.
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][2]int{{1, 1}, {8, 8}, {17, 16}, {33, 65}} {
		for _, quality := range []int{1, 50, 100} {
			m := image.NewRGBA(image.Rect(0, 0, size[0], size[1]))
			for i := range m.Pix {
				m.Pix[i] = byte(rng.Uint32())
			}
			var b bytes.Buffer
			if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			c, err := DecodeCoefficients(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if c.Format.Quality() != quality {
				t.Errorf("quality %d is taken for %d", quality, c.Format.Quality())
			}
			samePlanes(t, "Go's", b.Bytes(), c)
		}
	}
}

// Quality, cells and colours are those that the files were written with.
func TestCoefficientsFormat(t *testing.T) {
	want := map[string]struct {
		quality, down, across int
		rgb                   bool
	}{
		"420": {60, 2, 2, false}, "420-progressive": {85, 2, 2, false}, "422-restarts": {40, 1, 2, false},
		"444-progressive": {97, 1, 1, false}, "rgb": {80, 1, 1, true}, "gray-progressive": {30, 0, 0, false}, "gray-98": {98, 0, 0, false},
	}
	for _, name := range coefficientFiles(t) {
		_, c := decodeFile(t, name)
		w := want[strings.TrimSuffix(filepath.Base(name), ".jpg")]
		f := c.Format
		if f.Quality() != w.quality || f.RGB != w.rgb {
			t.Errorf("%s: quality %d, RGB %v; want %+v", name, f.Quality(), f.RGB, w)
		}
		if w.down == 0 {
			if len(f.Planes) != 1 {
				t.Errorf("%s: %d planes, want 1", name, len(f.Planes))
			}
			continue
		}
		for i, p := range f.Planes[1:] {
			if p.Down != w.down || p.Across != w.across {
				t.Errorf("%s: plane %d has cells of %dx%d", name, i+1, p.Down, p.Across)
			}
		}
	}
}

func TestCoefficientsDamaged(t *testing.T) {
	data, _ := decodeFile(t, "testdata/coefficients/420.jpg")
	for n := range len(data) - 2 {
		if _, err := DecodeCoefficients(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for a JPEG", n, len(data))
		}
	}
	cmyk, err := os.ReadFile("testdata/cmyk.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeCoefficients(cmyk); err == nil || !strings.Contains(err.Error(), "CMYK") {
		t.Errorf("CMYK: %v", err)
	}
}

// FuzzCoefficients: there are coefficients that make a picture, or one line.
func FuzzCoefficients(f *testing.F) {
	seeds(f, ".jpg")
	for _, name := range coefficientFiles(f) {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if cfg, err := jpeg.DecodeConfig(bytes.NewReader(data)); err == nil && cfg.Width*cfg.Height > 1<<18 {
			t.Skip() // honestly large pictures only slow the search down
		}
		c, err := DecodeCoefficients(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of more than one line: %q", err)
			}
			return
		}
		for i, v := range c.Decode().Pix {
			if v-v != 0 {
				t.Fatalf("sample %d is %v", i, v)
			}
		}
	})
}
