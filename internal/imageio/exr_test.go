package imageio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/operators"
)

// TestEXR reads what the library of OpenEXR wrote.
func TestEXR(t *testing.T) {
	type formula = func(c, y, x int) float64
	half, float := typedBase("f2"), typedBase("f4")
	coarse := func(c, y, x int) float64 { return math.Floor(base(0, y, x, 0) / 64) }
	tiles := func(c, y, x int) float64 { return math.Floor((float(c, y, x) + 2) / 2) }
	mixed := func(c, y, x int) float64 {
		if c == 1 {
			return float(c, y, x)
		}
		return half(c, y, x)
	}
	for _, c := range []struct {
		names  string
		c      int
		number string
		want   formula
	}{
		{"half-none half-rle half-zips half-zip half-piz upwards", 3, "f2", half},
		{"float-none float-rle float-zips float-zip float-piz", 1, "f4", float},
		{"coarse-none coarse-rle coarse-zips coarse-zip coarse-piz", 1, "f4", coarse},
		{"tiles-none tiles-rle tiles-zip tiles-piz", 3, "f4", tiles},
		{"uint", 1, "u4", typedBase("u4")},
		{"mixed", 3, "f4", mixed},
	} {
		for _, name := range strings.Fields(c.names) {
			p := readOther(t, name+".exr")
			compare(t, name, p, c.c, c.want)
			if p.Number != c.number || !p.Linear || !p.Native() || p.Alpha != nil {
				t.Errorf("%s: numbers %s, linear %v, alpha %v", name, p.Number, p.Linear, p.Alpha != nil)
			}
		}
	}
	p := readOther(t, "many.exr")
	if p.Shape != (operators.Shape{C: 1, H: 32, W: 600}) {
		t.Fatal(p.Shape)
	}
	for k, v := range p.Pix {
		if want := uint32(0x3f800000 + 3*k + k%7); math.Float32bits(v) != want {
			t.Fatalf("sample %d is %x, want %x", k, math.Float32bits(v), want)
		}
	}
}

// TestEXRWindow: a crop keeps its place, opacity is taken out of the samples and put in
// again, and what else the file says comes back.
func TestEXRWindow(t *testing.T) {
	p := readOther(t, "window.exr")
	compare(t, "window", p, 3, typedBase("f4"))
	for i, a := range p.Alpha {
		if want := []uint16{13107, 65535, 0}[i%otherW%3]; a != want {
			t.Fatalf("opacity %d is %d, want %d", i, a, want)
		}
	}
	if p.Meta.DPI != [2]float64{300, 150} {
		t.Errorf("%v dpi", p.Meta.DPI)
	}
	q := rewritten(t, p, Options{Format: "exr"})
	compare(t, "window again", q, 3, typedBase("f4"))
	f := q.Meta.origin.(*exrFile)
	if f.data != image.Rect(-3, 5, otherW-3, 5+otherH) || f.display != image.Rect(0, 0, 40, 30) {
		t.Errorf("windows %v and %v", f.data, f.display)
	}
	if fmt.Sprint(q.Alpha) != fmt.Sprint(p.Alpha) || q.Meta.DPI != p.Meta.DPI {
		t.Errorf("opacity or %v dpi did not come back", q.Meta.DPI)
	}
	found := map[string]string{}
	for _, a := range f.kept {
		found[a.name] = a.kind + string(a.value)
	}
	if found["comments"] != "stringa crop" || found["aNameThatIsLongerThanThirtyOneLetters"] == "" {
		t.Errorf("attributes %q", found)
	}
	// Twice the size, it is a picture of its own.
	large := q.With(operators.NewImage(operators.Shape{C: 3, H: 2 * q.H, W: 2 * q.W}), false)
	r := rewritten(t, large, Options{Format: "exr"})
	if f := r.Meta.origin.(*exrFile); f.data != image.Rect(0, 0, large.W, large.H) || f.display != f.data || r.Meta.DPI != [2]float64{600, 300} {
		t.Errorf("windows %v and %v, %v dpi", f.data, f.display, r.Meta.DPI)
	}
}

func rewritten(t *testing.T, p *Picture, o Options) *Picture {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, p, o); err != nil {
		t.Fatal(err)
	}
	q, err := Decode(&b, "again")
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestEXRDepth: halves stay halves where they hold the samples, and NaN stays NaN.
func TestEXRDepth(t *testing.T) {
	p := readOther(t, "half-zip.exr")
	p.Pix[5] = 60000
	if q := rewritten(t, p, Options{Format: "exr"}); q.Number != "f2" || fmt.Sprint(q.Pix) != fmt.Sprint(p.Pix) {
		t.Errorf("halves became %s", q.Number)
	}
	p.Pix[5] = 70000
	if q := rewritten(t, p, Options{Format: "exr"}); q.Number != "f4" || fmt.Sprint(q.Pix) != fmt.Sprint(p.Pix) {
		t.Errorf("large numbers became %s", q.Number)
	}
	if q := rewritten(t, p, Options{Format: "exr", Bits: 16}); q.Number != "f2" || q.Pix[5] != maxHalf {
		t.Errorf("%s of %v", q.Number, q.Pix[5])
	}
	if share := Clipped(p, Options{Format: "exr", Bits: 16}, 0); share != 1/float64(len(p.Pix)) {
		t.Errorf("%v clipped", share)
	}
	p = readOther(t, "nan.exr")
	for i, gone := range p.Missing {
		if y, x := i/otherW, i%otherW; gone != (y >= 3 && y < 5 && x >= 2 && x < 6) {
			t.Fatalf("(%d,%d): missing is %v", y, x, gone)
		}
	}
	if q := rewritten(t, p, Options{Format: "exr"}); fmt.Sprint(q.Missing) != fmt.Sprint(p.Missing) {
		t.Error("missing samples did not come back")
	}
	if q := rewritten(t, readOther(t, "uint.exr"), Options{Format: "exr"}); q.Meta.origin.(*exrFile).channels[0].name != "id" {
		t.Error("the channel lost its name")
	}
	// Colours of 8 bits are floats in OpenEXR, the numbers that they were.
	rgb := readOther(t, "meta.png")
	if q := rewritten(t, rgb, Options{Format: "exr"}); q.Number != "f4" || fmt.Sprint(q.Pix) != fmt.Sprint(rgb.Pix) {
		t.Errorf("8 bits became %s", q.Number)
	}
}

// TestHalf compares with the values of all halves: each is written as itself, and numbers
// between two as the nearer one, the even one of two that are as near.
func TestHalf(t *testing.T) {
	for u := range 0x7bff {
		v, next := float32(npy.Float16(uint16(u))), float32(npy.Float16(uint16(u+1)))
		middle := float32((float64(v) + float64(next)) / 2)
		even := uint16(u + u&1)
		for _, c := range []struct {
			v    float32
			want uint16
		}{{v, uint16(u)}, {-v, uint16(u) | 0x8000}, {middle, even}, {math.Nextafter32(middle, 0), uint16(u)}, {math.Nextafter32(middle, 1e6), uint16(u + 1)}} {
			if got := half(c.v); got != c.want {
				t.Fatalf("%v is %#x, want %#x", c.v, got, c.want)
			}
		}
	}
	for v, want := range map[float32]uint16{65504: 0x7bff, 1e30: 0x7bff, float32(math.Inf(-1)): 0xfbff} {
		if got := half(v); got != want {
			t.Errorf("%v is %#x, want %#x", v, got, want)
		}
	}
	if v := npy.Float16(half(float32(math.NaN()))); v == v {
		t.Errorf("NaN is %v", v)
	}
}

// TestEXRUnsupported: what is not read is sound, and says so.
func TestEXRUnsupported(t *testing.T) {
	for name, want := range map[string]string{
		"pxr24":  "an OpenEXR picture compressed by PXR24 is not supported: save it with ZIP or PIZ",
		"b44":    "an OpenEXR picture compressed by B44 is not supported",
		"dwaa":   "an OpenEXR picture compressed by DWAA is not supported",
		"htj2k":  "an OpenEXR picture compressed by HTJ2K is not supported",
		"depth":  "an OpenEXR picture of the channels B, G, R, Z is not supported",
		"chroma": "an OpenEXR picture with a channel of lower resolution, as of luminance and chroma, is not supported: save it as RGB",
		"parts":  "an OpenEXR file of several parts is not supported: save each part as a file of its own",
	} {
		path := "testdata/other/not-" + name + ".exr"
		if _, err := Read(path); err == nil || !strings.HasPrefix(err.Error(), path+": "+want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	whole, err := os.ReadFile("testdata/other/half-zip.exr")
	if err != nil {
		t.Fatal(err)
	}
	deep := bytes.Clone(whole)
	deep[5] |= 0x08
	if _, err := Decode(bytes.NewReader(deep), "f"); err == nil || !strings.HasPrefix(err.Error(), "f: a deep OpenEXR picture is not supported") {
		t.Error(err)
	}
}

// TestEXRDamaged: a file that was cut anywhere, and one with a wrong byte where it counts,
// is damaged; so is a header that promises more than there is.
func TestEXRDamaged(t *testing.T) {
	for _, name := range []string{"half-none", "half-rle", "half-zip", "coarse-piz", "tiles-piz"} {
		whole, err := os.ReadFile("testdata/other/" + name + ".exr")
		if err != nil {
			t.Fatal(err)
		}
		for n := 8; n < len(whole); n += 1 + n%13 {
			if _, err := Decode(bytes.NewReader(whole[:n]), "f"); err == nil || !strings.Contains(err.Error(), "damaged OpenEXR: ") && !strings.Contains(err.Error(), "cannot hold") {
				t.Fatalf("%s: %d of %d bytes: %v", name, n, len(whole), err)
			}
		}
	}
	whole, _ := os.ReadFile("testdata/other/half-zip.exr")
	change := func(at int, v byte) []byte {
		b := bytes.Clone(whole)
		b[at] ^= v
		return b
	}
	window := bytes.Index(whole, []byte("dataWindow")) + len("dataWindow\x00box2i\x00") + 4
	f := fileOfEXR(t, whole)
	block := int(binary.LittleEndian.Uint64(whole[f.offsets:]))
	unwritten := bytes.Clone(whole)
	clear(unwritten[f.offsets+8:][:8])
	huge := bytes.Clone(whole)
	copy(huge[window+8:], "\xff\xff\xff\x0f\xff\xff\xff\x0f")
	for want, b := range map[string][]byte{
		"damaged OpenEXR: a part of it was never written":         unwritten,
		"damaged OpenEXR: a part of it is not where it should be": change(block, 1),
		"damaged OpenEXR: a part of it is longer than its pixels": change(block+6, 1),
		"damaged OpenEXR: zlib: invalid checksum":                 change(block+8+int(binary.LittleEndian.Uint32(whole[block+4:]))-1, 1),
		"damaged OpenEXR: its header has no compression":          bytes.Replace(whole, []byte("compression\x00c"), []byte("compressioN\x00c"), 1),
		"more than the limit of 2^31 samples":                     huge,
	} {
		if _, err := Decode(bytes.NewReader(b), "f"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func fileOfEXR(t *testing.T, b []byte) *exrFile {
	t.Helper()
	s, err := openEXR(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*exrFile)
}

// TestOpenEXRReads: the library of OpenEXR reads what is written here, and what it packs
// with PIZ here and now is read as it was meant.
func TestOpenEXRReads(t *testing.T) {
	python := os.Getenv("LPN_PYTHON")
	if python == "" {
		python = "python3"
	}
	if exec.Command(python, "-c", "import OpenEXR, numpy; OpenEXR.OPENEXR_VERSION").Run() != nil {
		t.Skip("OpenEXR is not installed here for Python (LPN_PYTHON names the interpreter)")
	}
	dir := t.TempDir()
	for _, name := range []string{"half-piz", "float-zip", "window"} {
		if err := Write(filepath.Join(dir, name+".exr"), readOther(t, name+".exr"), Options{Compression: "small"}); err != nil {
			t.Fatal(err)
		}
	}
	script := `
import sys, os, numpy as np, OpenEXR as exr
there, here = sys.argv[1:]
for name in "half-piz", "float-zip", "window":
    a, b = [exr.File(os.path.join(d, name + ".exr"), separate_channels=True) for d in (there, here)]
    assert a.channels().keys() == b.channels().keys(), name
    for k, c in a.channels().items():
        d = b.channels()[k].pixels
        assert c.pixels.dtype == d.dtype, (name, k, d.dtype)
        assert np.allclose(c.pixels, d, rtol=1e-6, atol=1e-5 if k == "A" else 1e-6), (name, k, abs(c.pixels - d).max())
    x, y = a.header(), b.header()
    for k in set(x) - {"channels", "compression"}:
        assert np.all(np.array(x[k]) == np.array(y[k])), (name, k, x[k], y[k])
rng = np.random.default_rng(1)
for i, (h, w) in enumerate([(1, 1), (1, 70), (33, 1), (2, 3), (31, 64), (70, 129), (64, 700)]):
    ramp = np.cumsum(rng.integers(-3, 4, (h, w)), axis=1)
    v = [(ramp * 9 + 40000 + np.arange(h)[:, None] * 31) % 65536 * 3 + 2**30, ramp % 2, ramp * 0 + 77][i % 3]
    if i == 6:
        v = ramp % 40 + 3 * np.arange(h * w).reshape(h, w) + 2**30
    v = v.astype("u4").view("f4")
    exr.File({"compression": exr.PIZ_COMPRESSION, "type": exr.scanlineimage}, {"Y": v}).write(os.path.join(here, "piz%d.exr" % i))
    np.save(os.path.join(here, "piz%d.npy" % i), v)
`
	where, _ := filepath.Abs("testdata/other")
	if out, err := exec.Command(python, "-c", script, where, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i := range 7 {
		p, err := Read(filepath.Join(dir, fmt.Sprintf("piz%d.exr", i)))
		if err != nil {
			t.Error(err)
			continue
		}
		want, err := Read(filepath.Join(dir, fmt.Sprintf("piz%d.npy", i)))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range want.Pix {
			if p.Shape != want.Shape || math.Float32bits(p.Pix[k]) != math.Float32bits(v) {
				t.Errorf("piz%d: %v, sample %d is %v, want %v", i, p.Shape, k, p.Pix[k], v)
				break
			}
		}
	}
}
