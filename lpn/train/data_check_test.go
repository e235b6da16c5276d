package train

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// countFiles writes n pictures of counts between about 100 and 4000: TIFFs of 16 bits, of
// which they take a sixteenth, or arrays of floats.
func countFiles(t *testing.T, n int, ext string) string {
	t.Helper()
	dir := t.TempDir()
	for k := range n {
		m := image.NewGray16(image.Rect(0, 0, 48, 40))
		x := operators.NewImage(operators.Shape{C: 1, H: 40, W: 48})
		for i := range x.Pix {
			v := 100 + (i*37+k*911)%3901
			m.SetGray16(i%48, i/48, color.Gray16{Y: uint16(v)})
			x.Pix[i] = float32(v)
		}
		path := filepath.Join(dir, fmt.Sprintf("%d%s", k, ext))
		var err error
		if ext == ".npy" {
			err = imageio.WriteArray(path, &imageio.Array{Shape: []int{40, 48}, Data: x.Pix})
		} else {
			writeImage(t, path, m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRange: the same counts have the same range and the same samples in every type of
// number, in memory or not.
func TestRange(t *testing.T) {
	var first []float32
	for _, c := range []struct {
		ext    string
		budget int64
	}{{".png", 0}, {".npy", 0}, {".png", 1}, {".npy", 1}} {
		m, err := OpenImages([]string{countFiles(t, 6, c.ext)}, DataOptions{Patch: 16, Budget: c.budget})
		if err != nil {
			t.Fatal(err)
		}
		r := m.Range()
		if math.Abs(r.Lo-104) > 5 || math.Abs(r.Hi-3996) > 5 {
			t.Errorf("%s: range %v, want about 104:3996", c.ext, r)
		}
		x, err := m.Image(2)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = x.Pix
		}
		for i, v := range x.Pix {
			if math.Abs(float64(v-first[i])) > 2e-3 {
				t.Fatalf("%s: sample %d is %v, want %v", c.ext, i, v, first[i])
			}
		}
		s := &Sampler{Images: m, Patch: 16}
		batch := make([]float32, 256)
		if err := s.Batch(batch, 0); err != nil {
			t.Fatal(err)
		}
		if lo, hi := slices.Min(batch), slices.Max(batch); lo < -0.01 || hi > 1.01 || hi < 0.8 {
			t.Errorf("%s: patches from %v to %v", c.ext, lo, hi)
		}
		given, err := OpenImages([]string{countFiles(t, 1, c.ext)}, DataOptions{Range: Range{0, 4000}, Budget: c.budget})
		if err != nil {
			t.Fatal(err)
		}
		if x, _ := given.Image(0); math.Abs(float64(x.Pix[0])-0.025) > 1e-4 {
			t.Errorf("%s: 100 of 4000 is %v", c.ext, x.Pix[0])
		}
	}
	m, err := OpenImages([]string{manyPNG(t, 3, 20, 20)}, DataOptions{})
	if err != nil || !m.Range().IsZero() {
		t.Errorf("8-bit pictures have the range %v: %v", m.Range(), err)
	}
}

// TestStackOfIntegers: a NumPy array of unsigned 16-bit counts is a stack like one of floats.
func TestStackOfIntegers(t *testing.T) {
	head := "{'descr': '<u2', 'fortran_order': False, 'shape': (5, 20, 24), }"
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), byte(len(head)>>8))
	b = append(b, head...)
	for i := range 5 * 20 * 24 {
		v := 50 + (i*37)%951
		b = append(b, byte(v), byte(v>>8))
	}
	path := filepath.Join(t.TempDir(), "stack.npy")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := OpenImages([]string{path}, DataOptions{Patch: 16})
	if err != nil || m.Len() != 5 || !strings.HasSuffix(m.Name(4), "stack.npy#4") {
		t.Fatalf("%v pictures: %v", m.Len(), err)
	}
	r := m.Range()
	x, err := m.Image(1)
	if err != nil {
		t.Fatal(err)
	}
	if v, want := float64(x.Pix[3]), (float64(50+((480+3)*37)%951)-r.Lo)/(r.Hi-r.Lo); math.Abs(v-want) > 1e-4 || r.Lo < 50 || r.Hi > 1000 {
		t.Errorf("sample %v, want %v; range %v", v, want, r)
	}
}

// TestChannels: half of the pictures in colour make a colour set, gray ones stored in
// colour do not count.
func TestChannels(t *testing.T) {
	dir := t.TempDir()
	add := func(name string, colour bool) {
		m := image.NewNRGBA(image.Rect(0, 0, 20, 20))
		for i := range 400 {
			c := color.NRGBA{uint8(i), uint8(i), uint8(i), 255}
			if colour {
				c.R += 90
			}
			m.SetNRGBA(i%20, i/20, c)
		}
		writeImage(t, filepath.Join(dir, name), m)
	}
	check := func(want int) {
		t.Helper()
		m, err := OpenImages([]string{dir}, DataOptions{})
		if err != nil || m.Channels() != want {
			t.Errorf("%d channels, want %d: %v", m.Channels(), want, err)
		}
		if x, err := m.Image(0); err != nil || x.C != want {
			t.Errorf("a picture of %v: %v", x.Shape, err)
		}
	}
	add("a.png", true)
	add("b.png", false)
	check(3)
	add("c.png", false)
	check(1)
}

func TestSplitGroups(t *testing.T) {
	m := &Images{channels: 1, skipped: &skipList{}}
	for i := range 12 {
		name := fmt.Sprintf("d/%d/p%d.png", i/3, i)
		m.list = append(m.list, &picture{name: name, file: name, r: &raster{c: 1, h: 1, w: 1, u8: []uint8{0}}})
	}
	a, b := m.SplitBy(4, func(name string) string { return filepath.Dir(name) })
	if a.Len() != 9 || b.Len() != 3 || b.Name(0) != "d/3/p9.png" {
		t.Errorf("%d and %d pictures, first %s", a.Len(), b.Len(), b.Name(0))
	}
	a, b, err := m.SplitList([]string{"p4.png", "2/p7.png"})
	if err != nil || a.Len() != 10 || b.Len() != 2 || b.Name(1) != "d/2/p7.png" {
		t.Errorf("%d and %d pictures: %v", a.Len(), b.Len(), err)
	}
	if _, _, err := m.SplitList([]string{"4.png"}); err == nil {
		t.Error("4.png is there as a part of a name only")
	}
}

// TestHash: it is of the contents, wherever they lie.
func TestHash(t *testing.T) {
	hash := func(dir string) string {
		m, err := OpenImages([]string{dir}, DataOptions{})
		if err != nil {
			t.Fatal(err)
		}
		h, err := m.Hash()
		if err != nil || len(h) != 64 {
			t.Fatal(h, err)
		}
		return h
	}
	a, b := manyPNG(t, 3, 20, 20), manyPNG(t, 3, 20, 20)
	if hash(a) != hash(b) {
		t.Error("two copies differ")
	}
	writePNG(t, filepath.Join(b, "p01.png"), 20, 20, func(y, x int) uint8 { return uint8(y * x) })
	if hash(a) == hash(b) {
		t.Error("other pictures have the same hash")
	}
}

// TestCheck: each flaw is found, named and dealt with.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	wavy := func(k int) func(y, x int) uint8 {
		return func(y, x int) uint8 {
			return uint8(128 + 60*math.Sin(float64(x+k)/9)*math.Cos(float64(y)/7) + 30*math.Sin(float64(x*y)/300))
		}
	}
	for k := range 4 {
		writePNG(t, filepath.Join(dir, fmt.Sprintf("fine%d.png", k)), 96, 96, wavy(10*k))
	}
	writePNG(t, filepath.Join(dir, "twin.png"), 96, 96, wavy(0))
	writePNG(t, filepath.Join(dir, "flat.png"), 96, 96, func(y, x int) uint8 { return 77 })
	writePNG(t, filepath.Join(dir, "white.png"), 96, 96, func(y, x int) uint8 {
		if x > 60 {
			return 255
		}
		return wavy(3)(y, x)
	})
	writePNG(t, filepath.Join(dir, "small.png"), 9, 96, wavy(5))
	m := image.NewGray(image.Rect(0, 0, 96, 96))
	for i := range m.Pix {
		m.Pix[i] = wavy(50)(i/96, i%96) + uint8((i*i*31)%23) // texture, for the blocks
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 15}); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "jpeg.jpg"), b.Bytes(), 0o666)
	decoded, err := jpeg.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	writeImage(t, filepath.Join(dir, "wasjpeg.png"), decoded)

	images, err := OpenImages([]string{dir}, DataOptions{Patch: 16})
	if err != nil {
		t.Fatal(err)
	}
	kept, c, err := images.Check(0)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range c.Picture {
		got[filepath.Base(v.Name)] = v.String()
	}
	for name, want := range map[string]string{"fine0.png": "fine", "twin.png": "duplicate of fine0.png", "flat.png": "flat",
		"white.png": "clipped 3", "jpeg.jpg": "JPEG quality 1", "wasjpeg.png": "JPEG blocks, "} {
		if !strings.HasPrefix(got[name], want) {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	// Of a picture that was a JPEG file once, only the blocks tell.
	if x, _ := images.Image(slices.IndexFunc(images.list, func(p *picture) bool { return filepath.Base(p.name) == "wasjpeg.png" })); blockiness(x) < blockyAbove {
		t.Errorf("blockiness of a decoded JPEG: %.2f", blockiness(x))
	}
	if x, _ := images.Image(0); blockiness(x) > 1.1 {
		t.Errorf("blockiness of a picture without blocks: %.2f", blockiness(x))
	}
	if c.Pictures != 10 || kept.Len() != c.Kept || c.Kept != 7 {
		t.Errorf("%d pictures, %d kept: %+v", c.Pictures, c.Kept, c.Findings)
	}
	for _, f := range c.Findings {
		if f.Kind == FlawTiny && (f.Count != 1 || filepath.Base(f.Example) != "small.png") {
			t.Errorf("%+v", f)
		}
	}
}
