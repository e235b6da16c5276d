package imageio

import (
	"bytes"
	"errors"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// cutOut is a part of a picture.
func cutOut(p *Picture, r image.Rectangle) *Picture {
	q := *p
	q.Image = operators.NewImage(operators.Shape{C: p.C, H: r.Dy(), W: r.Dx()})
	q.Missing, q.Alpha = nil, nil
	for c := range p.C {
		for y := range q.H {
			at := (r.Min.Y+y)*p.W + r.Min.X
			copy(q.Plane(c)[y*q.W:(y+1)*q.W], p.Plane(c)[at:])
			if p.Missing != nil {
				q.Missing = append(q.Missing, p.Missing[c*p.H*p.W+at:][:q.W]...)
			}
			if c == 0 && p.Alpha != nil {
				q.Alpha = append(q.Alpha, p.Alpha[at:][:q.W]...)
			}
		}
	}
	return &q
}

// same tells what differs between a part and what is cut out of the whole, "" for
// nothing; samples that are missing have other neighbours in a part.
func same(part, want *Picture) string {
	switch {
	case part.Shape != want.Shape:
		return "shape"
	case !slices.Equal(part.Alpha, want.Alpha):
		return "opacity"
	case part.Missing != nil && !slices.Equal(part.Missing, want.Missing), part.Missing == nil && slices.Contains(want.Missing, true):
		return "missing"
	case part.Bits != want.Bits, part.Number != want.Number, part.Scale != want.Scale, part.Low != want.Low, part.High != want.High,
		!bytes.Equal(part.ICC, want.ICC), part.Meta.DPI != want.Meta.DPI:
		return "notes"
	}
	for i, v := range part.Pix {
		if v != want.Pix[i] && (part.Missing == nil || !part.Missing[i]) {
			return "samples"
		}
	}
	return ""
}

// A part of a mapped file is that part of the picture as it is read whole, for every
// layout of TIFF and .npy that is mapped; and those that are not say so.
func TestMapped(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	mapped := map[string]bool{}
	for _, pattern := range []string{"*.tif", "*.npy", "*.png", "other/*.tif", "other/*.npy"} {
		names, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			whole, err := Read(name)
			m, merr := Map(name)
			if err != nil {
				if merr == nil {
					m.Close()
				}
				continue
			}
			if merr != nil {
				var u *Unsupported
				if !errors.As(merr, &u) {
					t.Errorf("%s: read, but mapped: %v", name, merr)
				}
				continue
			}
			mapped[filepath.Base(name)] = true
			if m.Shape() != whole.Shape || (m.Frame.Alpha != nil) != (whole.Alpha != nil) {
				t.Errorf("%s: %v mapped, opacity %v; %v read", name, m.Shape(), m.Frame.Alpha != nil, whole.Shape)
			}
			parts := []image.Rectangle{image.Rect(0, 0, whole.W, whole.H)}
			for range 20 {
				x, y := rng.IntN(whole.W), rng.IntN(whole.H)
				parts = append(parts, image.Rect(x, y, x+1+rng.IntN(whole.W-x), y+1+rng.IntN(whole.H-y)))
			}
			for _, r := range parts {
				p, err := m.Part(r)
				if err != nil {
					t.Fatalf("%s: %v: %v", name, r, err)
				}
				if d := same(p, cutOut(whole, r)); d != "" {
					t.Errorf("%s: %v is not that part of the picture: other %s", name, r, d)
					break
				}
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, name := range []string{"tiled.tif", "rgba8.tif", "rgb8-lzw.tif", "u1-hwc.npy", "u1-tiled-planar.tif", "f4-pred.tif", "f8-hw.npy"} {
		if !mapped[name] {
			t.Errorf("%s is not mapped", name)
		}
	}
	if mapped["f4be-hw-fortran.npy"] || mapped["rgb8.png"] {
		t.Error("a PNG, or an array in Fortran order, is mapped")
	}
}

// sparse writes an .npy of bytes of which the disk holds none but the first.
func sparse(t *testing.T, h, w int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sparse.npy")
	head := "{'descr': '|u1', 'fortran_order': False, 'shape': (" + strconv.Itoa(h) + ", " + strconv.Itoa(w) + "), }"
	head += strings.Repeat(" ", 117-len(head)) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00\x76\x00"), head...)
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(b))+int64(h)*int64(w)); err != nil {
		t.Skip("no sparse files here: ", err)
	}
	return path
}

// Of a picture of 3.6 gigapixels, more than can be read as a whole, parts are read, and
// they alone take memory.
func TestMappedGiant(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("64 bits are wanted")
	}
	const side = 60000
	path := sparse(t, side, side)
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "2^31") {
		t.Fatalf("as a whole: error %v", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{51}, 128+int64(side-1)*side+side-1); err != nil { // the last pixel
		t.Fatal(err)
	}
	m, err := Map(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p, err := m.Part(image.Rect(side-300, side-200, side, side))
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Sample(2048)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := len(p.Pix); p.Pix[n-1] != 0.2 || p.Pix[n-2] != 0 {
		t.Errorf("the last pixels are %v and %v, want 0 and 0.2", p.Pix[n-2], p.Pix[n-1])
	}
	if last := s.Pix[len(s.Pix)-1]; s.H != 2048 || s.W != 2048 || last != 0.2 {
		t.Errorf("a sample of %dx%d pixels that ends with %v", s.W, s.H, last)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<28 {
		t.Errorf("%d MiB were allocated", taken>>20)
	}
}

// A file that is cut off while it is read is an error, not the end of the program.
func TestMappedCutOff(t *testing.T) {
	path := sparse(t, 3000, 3000)
	m, err := Map(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	var bad *Error
	if _, err := m.Part(image.Rect(0, 2000, 3000, 3000)); !errors.As(err, &bad) {
		t.Errorf("error %v", err)
	}
}

// Written by rows, a file is that of the whole picture, byte by byte.
func TestWriteRows(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name           string
		channels, bits int
		alpha, missing bool
	}{
		{"a.npy", 1, 8, false, false}, {"a.npy", 3, 32, false, false},
		{"a.tif", 1, 8, false, false}, {"a.tif", 3, 16, true, false}, {"a.tif", 1, 32, false, true}, {"a.tif", 1, 8, true, false},
		{"a.png", 3, 8, true, false},
	} {
		p := &Picture{Image: operators.NewImage(operators.Shape{C: c.channels, H: 1100, W: 700}), Bits: c.bits}
		for i := range p.Pix {
			p.Pix[i] = rng.Float32()
		}
		if c.alpha {
			p.Alpha = make([]uint16, p.H*p.W)
			for i := range p.Alpha {
				p.Alpha[i] = uint16(rng.Uint32())
			}
		}
		if c.missing {
			p.Missing = make([]bool, len(p.Pix))
			for i := range p.Missing {
				p.Missing[i] = rng.IntN(9) == 0
			}
		}
		whole, rows := filepath.Join(dir, "whole-"+c.name), filepath.Join(dir, c.name)
		if err := Write(whole, p, Options{}); err != nil {
			t.Fatal(err)
		}
		frame := *p
		frame.Pix, frame.Missing = nil, nil
		if c.alpha {
			frame.Alpha = []uint16{}
		}
		bands := func(yield func(*Picture, error) bool) {
			for _, y := range [][2]int{{0, 3}, {3, 1000}, {1000, 1001}, {1001, 1100}} {
				if !yield(cutOut(p, image.Rect(0, y[0], p.W, y[1])), nil) {
					return
				}
			}
		}
		if err := WriteRows(rows, &frame, bands, Options{}); err != nil {
			t.Fatal(err)
		}
		a, err := os.ReadFile(whole)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(rows)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%+v: other bytes than of the whole picture", c)
		}
		short := func(yield func(*Picture, error) bool) { yield(cutOut(p, image.Rect(0, 0, p.W, 9)), nil) }
		if err := WriteRows(rows, &frame, short, Options{}); err == nil {
			t.Errorf("%s: 9 rows of %d were written", c.name, p.H)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Whatever the bytes, a part that is mapped is that of the picture as it is read whole.
func FuzzMapped(f *testing.F) {
	seeds(f, ".tif", ".npy")
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &Mapped{name: "f"}
		if err := m.open(bytes.NewReader(b), int64(len(b))); err != nil || m.Shape().Len() > 1<<20 {
			t.Skip()
		}
		s := m.Shape()
		r := image.Rect(s.W/3, s.H/4, s.W, s.H-s.H/4)
		part, perr := m.Part(r)
		whole, err := Decode(bytes.NewReader(b), "f")
		if err == nil && perr != nil {
			t.Fatalf("%v: %v", r, perr)
		}
		if err == nil {
			if d := same(part, cutOut(whole, r)); d != "" {
				t.Fatalf("%v: other %s", r, d)
			}
		}
	})
}
