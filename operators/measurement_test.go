package operators

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/internal/othertest"
	"github.com/sbinet/npyio/npz"
)

func exampleMeasurement(t testing.TB, noise float64) Measurement {
	t.Helper()
	s, err := ParseSpec("blur:uniform,size=3")
	if err != nil {
		t.Fatal(err)
	}
	y := NewImage(Shape{2, 3, 5})
	rng := rand.New(rand.NewPCG(1, 9))
	for i := range y.Pix {
		y.Pix[i] = float32(rng.NormFloat64())
	}
	return Measurement{Y: y, Spec: s.WithBoundary(Valid), Scene: Shape{2, 5, 7}, Noise: noise}
}

func written(t testing.TB, m Measurement) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteMeasurement(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMeasurementRoundTrip(t *testing.T) {
	for _, noise := range []float64{0, 0.01, math.NaN()} {
		m := exampleMeasurement(t, noise)
		b := written(t, m)
		got, err := ReadMeasurement(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if got.Y.Shape != m.Y.Shape || maxDiff(got.Y.Pix, m.Y.Pix) != 0 || got.Spec != m.Spec || got.Scene != m.Scene ||
			got.Noise != noise && !(math.IsNaN(got.Noise) && math.IsNaN(noise)) {
			t.Errorf("%+v comes back as %+v", m, got)
		}
		if _, err := got.Build(); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(b, written(t, m)) {
			t.Error("the same measurement gives other bytes")
		}
	}
	m := exampleMeasurement(t, 0)
	m.Scene.W++
	if _, err := m.Build(); err == nil || !strings.Contains(err.Error(), "30 numbers") {
		t.Error("a measurement of the wrong size builds:", err)
	}
}

// An independent reader sees the numbers.
func TestMeasurementNpyio(t *testing.T) {
	m := exampleMeasurement(t, 0)
	b := written(t, m)
	z, err := npz.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var y []float32
	if err := z.Read("y.npy", &y); err != nil {
		t.Fatal(err)
	}
	if h := z.Header("y.npy"); fmt.Sprint(h.Descr.Shape) != "[2 3 5]" || maxDiff(y, m.Y.Pix) != 0 {
		t.Errorf("npyio reads %v: %v", h, y)
	}
}

// NumPy reads what we write and we read what NumPy writes, in its types and
// orders, compressed and not.
func TestMeasurementNumPy(t *testing.T) {
	python := othertest.NumPy(t)
	dir := t.TempDir()
	m := exampleMeasurement(t, 0.02)
	if err := os.WriteFile(filepath.Join(dir, "in.npz"), written(t, m), 0o666); err != nil {
		t.Fatal(err)
	}
	script := `
import numpy as np, json
z = np.load("in.npz")
y, o = z["y"], json.loads(str(z["operator"]))
assert y.shape == (2, 3, 5) and y.dtype == np.float32, y
assert o == {"spec": "blur:uniform,size=3", "scene": [2, 5, 7], "boundary": "valid", "noise": 0.02}, o
for i, a in enumerate([y, y.astype(">f8"), np.asfortranarray(y), y.astype(np.float64)]):
    [np.savez, np.savez_compressed][i % 2]("out%d.npz" % i, operator=json.dumps(o), y=a)
np.savez("out4.npz", y=(100*y).astype(np.int16), operator=json.dumps(o).encode())
`
	cmd := exec.Command(python, "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i := range 5 {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("out%d.npz", i)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadMeasurement(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Errorf("file %d: %v", i, err)
			continue
		}
		want := m.Y.Clone()
		if i == 4 {
			for j, v := range want.Pix {
				want.Pix[j] = float32(int16(100 * v))
			}
		}
		if got.Y.Shape != m.Y.Shape || maxDiff(got.Y.Pix, want.Pix) != 0 || got.Spec != m.Spec || got.Noise != 0.02 {
			t.Errorf("file %d reads as %+v", i, got)
		}
	}
}

// entry is a member of a hand-made archive.
type entry struct {
	name string
	data []byte
	pack bool
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Store}
		if e.pack {
			h.Method = zip.Deflate
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func textArray(s string) []byte {
	var b bytes.Buffer
	_ = npy.WriteText(&b, s) // a Buffer takes everything
	return b.Bytes()
}

func floatArray(shape []int, v ...float32) []byte {
	var b bytes.Buffer
	_ = npy.WriteFloats(&b, shape, v) // a Buffer takes everything
	return b.Bytes()
}

// npyHead is the head of an array of any type and size.
func npyHead(descr string, shape []int) []byte {
	dims := strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", ", ") + ","
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, strings.TrimPrefix(dims, ","))
	return append([]byte{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, byte(len(dict)), 0}, dict...)
}

func TestMeasurementRefused(t *testing.T) {
	good := textArray(`{"spec":"denoise","scene":[1,1,2]}`)
	y := floatArray([]int{2}, 1, 2)
	nan := float32(math.NaN())
	op := func(s string) []byte {
		return archive(t, entry{name: "operator.npy", data: textArray(s)}, entry{name: "y.npy", data: y})
	}
	dat := func(b []byte) []byte {
		return archive(t, entry{name: "operator.npy", data: good}, entry{name: "y.npy", data: b})
	}
	bomb := append(npyHead("<f4", []int{17 << 20}), make([]byte, 68<<20)...)
	broken := dat(y)
	broken[bytes.Index(broken, []byte("\x00\x00\x80?"))]++
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":        {nil, "not a .npz"},
		"text":         {[]byte("hello"), "not a .npz"},
		"no operator":  {archive(t, entry{name: "y.npy", data: y}), `no array "operator"`},
		"no y":         {archive(t, entry{name: "operator.npy", data: good}), `no array "y"`},
		"2^60":         {dat(npyHead("<f4", []int{1 << 30, 1 << 30})), "at most"},
		"overflow":     {dat(npyHead("<f4", []int{1 << 62, 4, 4})), "at most"},
		"promise":      {dat(npyHead("<f4", []int{1 << 20})), "cut short"},
		"no number":    {dat(floatArray([]int{0})), "want numbers"},
		"4-D":          {dat(floatArray([]int{1, 1, 1, 2}, 1, 2)), "one, two or three"},
		"NaN":          {dat(floatArray([]int{2}, 1, nan)), "number 1 is NaN"},
		"objects":      {dat(npyHead("|O", []int{2})), `"|O"`},
		"long text":    {archive(t, entry{name: "operator.npy", data: npyHead("<U16000000", nil)}), "cut short"},
		"text as y":    {dat(textArray("abc")), "text where numbers"},
		"numbers":      {archive(t, entry{name: "operator.npy", data: floatArray(nil, 1)}), "numbers where text"},
		"bomb":         {archive(t, entry{"operator.npy", good, false}, entry{"y.npy", bomb, true}), "100-fold"},
		"checksum":     {broken, "damaged"},
		"no JSON":      {op(`{spec`), "is not JSON"},
		"no spec":      {op(`{"scene":[1,1,2]}`), `no "spec"`},
		"bad spec":     {op(`{"spec":"blurr","scene":[1,1,2]}`), "did you mean"},
		"wrong type":   {op(`{"spec":"denoise","scene":"big"}`), "scene"},
		"no scene":     {op(`{"spec":"denoise"}`), "[C,H,W]"},
		"huge scene":   {op(`{"spec":"denoise","scene":[1,1048576,1048576]}`), "at most"},
		"bad boundary": {op(`{"spec":"denoise","scene":[1,1,2],"boundary":"zro"}`), `did you mean "zero"`},
		"bad noise":    {op(`{"spec":"denoise","scene":[1,1,2],"noise":-1}`), "noise -1"},
	} {
		_, err := ReadMeasurement(bytes.NewReader(c.file), int64(len(c.file)))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzReadMeasurement(f *testing.F) {
	f.Add(written(f, exampleMeasurement(f, 0.1)))
	f.Add(archive(f, entry{"operator.npy", textArray(`{"spec":"denoise","scene":[1,1,2]}`), true}, entry{"y.npy", floatArray([]int{2}, 1, 2), true}))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ReadMeasurement(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		again := written(t, m)
		if _, err := ReadMeasurement(bytes.NewReader(again), int64(len(again))); err != nil {
			t.Errorf("what was read cannot be written and read: %v", err)
		}
	})
}

// A kernel or mask from a file travels with the measurement.
func TestMeasurementHoldsFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 9))
	for _, c := range []struct {
		spec string
		file Shape
	}{
		{"blur:kernel=psf.npy", Shape{1, 3, 3}},
		{"sr:factor=2,kernel=psf.npy", Shape{1, 3, 5}},
		{"inpaint:mask=mask.png", Shape{1, 6, 8}},
	} {
		s, err := ParseSpec(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		m := Measurement{Spec: s.WithBoundary(Circular), Scene: Shape{1, 6, 8}, Noise: 0.01}
		file := NewImage(c.file)
		for i := range file.Pix {
			file.Pix[i] = float32(rng.Float64())
		}
		if a, err := m.Build(); err == nil || a != nil {
			t.Errorf("%s: a measurement without its file builds", c.spec)
		}
		with, err := m.Spec.Load(func(string) (Image, error) { return file, nil })
		if err != nil {
			t.Fatal(err)
		}
		a, err := with.Build(m.Scene)
		if err != nil {
			t.Fatal(err)
		}
		x := randomSlice(rng, m.Scene.Len())
		m.Y = NewImage(a.Codomain())
		a.Apply(m.Y.Pix, x)
		if err := WriteMeasurement(io.Discard, m); err == nil || !strings.Contains(err.Error(), s.File()) {
			t.Errorf("%s: written without its file: %v", c.spec, err)
		}
		m.Spec = with
		b := written(t, m)
		got, err := ReadMeasurement(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		again, err := got.Build()
		if err != nil {
			t.Fatal(err)
		}
		y := make([]float32, len(m.Y.Pix))
		if again.Apply(y, x); maxDiff(y, m.Y.Pix) != 0 {
			t.Errorf("%s: the operator read back is another", c.spec)
		}
	}
}

// What is read of an archive of any arrays is finite, of its shape and not empty.
func FuzzReadArrays(f *testing.F) {
	complexes := []byte(npy.Magic + "\x01\x00\x46\x00{'descr': '<c8', 'fortran_order': False, 'shape': (1, 2), }           \n")
	complexes = append(complexes, make([]byte, 16)...)
	f.Add(archive(f, entry{"k.npy", complexes, true}, entry{"y.npy", floatArray([]int{2}, 1, 2), false}, entry{"t.npy", textArray("{}"), true}))
	f.Add(written(f, exampleMeasurement(f, 0.1)))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := ReadArrays(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for name, m := range all {
			if len(m.Pix) == 0 || len(m.Pix) != m.Len() || checkFinite(m.Pix) != nil {
				t.Errorf("%q: %v with %d numbers", name, m.Shape, len(m.Pix))
			}
		}
	})
}

// What parses as a measurement's JSON is one that can be written: no number of it is out
// of range.
func FuzzParseMeasurement(f *testing.F) {
	f.Add(`{"spec":"denoise","scene":[1,1,2],"noise":0.1,"range":[0,2],"units":"HU","gain":52083,"offset":-1000}`)
	f.Add(`{"spec":"sr:factor=2,kernel=gaussian","scene":[1,4,4],"boundary":"circular"}`)
	f.Add(`{"spec":"tomo:angles=3"}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMeasurement(text)
		if err != nil {
			return
		}
		if m.Noise < 0 || m.Black > m.White || m.Scene.Len() < 0 || m.Scene.Len() > MaxSamples || len(m.Units) > 32 {
			t.Errorf("%q: %+v", text, m)
		}
		if again, err := ParseSpec(m.Spec.String()); err != nil || again.String() != m.Spec.String() {
			t.Errorf("%q: spec %v: %v", text, m.Spec, err)
		}
	})
}
