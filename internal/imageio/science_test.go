package imageio

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func hounsfield(c, y, x int) float64 {
	v := math.Floor((base(0, y, x, 0)*200 - 20000) / 16)
	return min(max(v+1024, 0), 4095) - 1024
}

// TestDICOM reads what pydicom wrote, in every encoding, as the quantity that
// was measured.
func TestDICOM(t *testing.T) {
	for _, name := range []string{"ct-explicit", "ct-implicit", "ct-big", "ct-deflated", "ct-rle", "ct-ljpeg"} {
		p := readOther(t, name+".dcm")
		compare(t, name, p, 1, hounsfield)
		if p.Low != -1024 || p.High != 4095-1024 || p.Bits != 32 || !p.Native() {
			t.Errorf("%s: from %v to %v, %d bits", name, p.Low, p.High, p.Bits)
		}
		if p.Meta.DPI != [2]float64{25.4 / 0.25, 25.4 / 0.5} {
			t.Errorf("%s: %v dpi", name, p.Meta.DPI)
		}
	}
	for _, name := range []string{"rgb-rle", "rgb-planar"} {
		p := readOther(t, name+".dcm")
		compare(t, name, p, 3, typedBase("u1"))
		if p.Native() {
			t.Errorf("%s: %v to %v", name, p.Low, p.High)
		}
	}
	compare(t, "signed", readOther(t, "signed.dcm"), 1, func(c, y, x int) float64 { return 0.5*typedBase("i2")(c, y, x) + 10 })
	for _, name := range []string{"enhanced", "enhanced-implicit"} {
		f, err := Open("testdata/other/" + name + ".dcm")
		if err != nil {
			t.Fatal(err)
		}
		if f.Pages() != 3 {
			t.Fatalf("%s: %d pages", name, f.Pages())
		}
		for p, err := range f.All() {
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name, p, 1, func(c, y, x int) float64 {
				return float64(p.Page+1)*257*base(0, y, x, p.Page) - 10*float64(p.Page)
			})
		}
	}
	_, err := Read("testdata/other/ct-jpegls.dcm")
	if err == nil || !strings.HasSuffix(err.Error(), "a DICOM file compressed by JPEG-LS is not supported: unpack it first, for example with gdcmconv --raw") {
		t.Error(err)
	}
}

// TestWriteDICOM: the file comes back with new numbers, in their units, and
// with all else that it said.
func TestWriteDICOM(t *testing.T) {
	for _, name := range []string{"ct-explicit", "ct-implicit", "ct-big", "ct-deflated", "ct-rle", "ct-ljpeg", "signed", "enhanced", "enhanced-implicit", "rgb-rle", "rgb-planar"} {
		f, err := Open("testdata/other/" + name + ".dcm")
		if err != nil {
			t.Fatal(err)
		}
		var all []*Picture
		for p, err := range f.All() {
			if err != nil {
				t.Fatal(err)
			}
			for i := range p.Pix {
				if p.C == 1 {
					p.Pix[i] += 3
				} else {
					p.Pix[i] = 1 - p.Pix[i]
				}
			}
			all = append(all, p)
		}
		var b bytes.Buffer
		if err := EncodePages(&b, len(all), pagesOf(all...), Options{Format: "dicom"}); err != nil {
			t.Fatal(name, err)
		}
		g, err := NewFile(&b, name)
		if err != nil {
			t.Fatal(err)
		}
		for q, err := range g.All() {
			if err != nil {
				t.Fatal(err)
			}
			p := all[q.Page]
			d := p.Meta.origin.(*dicomPage)
			n := 0
			for i := range p.Pix {
				want := float64(p.Pix[i])
				if p.C == 1 {
					want = math.Round((want-d.intercept)/d.slope)*d.slope + d.intercept
					want = min(max(want, p.Low), p.High)
				}
				if d.padded && math.Abs((float64(p.Pix[i])-3-d.intercept)/d.slope-float64(d.padding)) < 1e-6 {
					want = float64(p.Pix[i]) - 3
					n++
				}
				if math.Abs(float64(q.Pix[i])-want) > 1e-5*math.Abs(want)+1e-5 {
					t.Fatalf("%s: sample %d is %v, want %v", name, i, q.Pix[i], want)
				}
			}
			if d.padded != (n > 0) {
				t.Errorf("%s: %d samples of padding", name, n)
			}
			r := q.Meta.origin.(*dicomPage)
			if v := dcmFind(r.set, 0x00100010).text(); v != "Nobody^Made" {
				t.Errorf("%s: patient %q", name, v)
			}
			if v := dcmFind(r.set, dcmImageType).text(); v != `DERIVED\PRIMARY\AXIAL` {
				t.Errorf("%s: type %q", name, v)
			}
			was, now := dcmFind(d.set, dcmInstance).text(), dcmFind(r.set, dcmInstance).text()
			if was == now || !strings.HasPrefix(now, "2.25.") || len(now) > 64 || dcmFind(r.meta, dcmMetaInstance).text() != now {
				t.Errorf("%s: instance %q was %q", name, now, was)
			}
		}
	}
	p := readOther(t, "ct-explicit.dcm")
	p.Pix[0], p.Pix[1] = 1e6, -1e6
	if got := Clipped(p, Options{Format: "dicom"}, 0); got != 2/float64(len(p.Pix)) {
		t.Errorf("clipped %v", got)
	}
	p.Meta.origin = nil
	if err := Encode(io.Discard, p, Options{Format: "dicom"}); err == nil || !strings.Contains(err.Error(), "read from DICOM") {
		t.Error(err)
	}
}

// TestLossless decodes each predictor of lossless JPEG as libjpeg wrote it.
func TestLossless(t *testing.T) {
	for k := 1; k <= 7; k++ {
		data, err := os.ReadFile(fmt.Sprintf("testdata/other/predictor%d.jpg", k))
		if err != nil {
			t.Fatal(err)
		}
		v, err := decodeLossless(data, otherW, otherH, 1)
		if err != nil {
			t.Fatal(k, err)
		}
		for i := range v {
			if want := hounsfield(0, i/otherW, i%otherW) + 1024; float64(v[i]) != want {
				t.Fatalf("predictor %d: sample %d is %d, want %v", k, i, v[i], want)
			}
		}
		if _, err := decodeLossless(data[:len(data)/2], otherW, otherH, 1); err == nil {
			t.Errorf("predictor %d: half of it was read", k)
		}
	}
}

// TestFITS reads what astropy wrote.
func TestFITS(t *testing.T) {
	for _, kind := range []string{"u1", "i2", "i4", "f4", "f8", "u2"} {
		p := readOther(t, kind+".fits")
		compare(t, kind, p, 1, typedBase(kind))
		if !p.Native() || p.Bits != 32 {
			t.Errorf("%s: %d bits, native %v", kind, p.Bits, p.Native())
		}
	}
	if p := readOther(t, "u2.fits"); p.Low != 0 || p.High != 65535 {
		t.Errorf("unsigned 16 bits: from %v to %v", p.Low, p.High)
	}
	compare(t, "i8", readOther(t, "i8.fits"), 1, func(c, y, x int) float64 { return 1e9 * base(c, y, x, 0) })
	// Scaled, with a number for none, behind a table.
	p := readOther(t, "scaled.fits")
	blank := base(0, 2, 3, 0)
	for y := range p.H {
		for x := range p.W {
			i := y*p.W + x
			if gone := base(0, y, x, 0) == blank; p.Missing[i] != gone {
				t.Fatalf("(%d,%d): missing is %v", y, x, p.Missing[i])
			} else if want := 0.5*typedBase("i2")(0, y, x) + 100.25; !gone && float64(p.Pix[i]) != want {
				t.Fatalf("(%d,%d) is %v, want %v", y, x, p.Pix[i], want)
			}
		}
	}
	_, err := Read("testdata/other/packed.fits")
	if err == nil || !strings.Contains(err.Error(), "a compressed FITS picture is not supported: unpack it first, for example with funpack") {
		t.Error(err)
	}
	// A cube comes back, with its holes and its cards.
	f, err := Open("testdata/other/cube.fits")
	if err != nil {
		t.Fatal(err)
	}
	if f.Pages() != 3 {
		t.Fatalf("%d pages", f.Pages())
	}
	var b bytes.Buffer
	if err := EncodePages(&b, 3, f.All(), Options{Format: "fits"}); err != nil {
		t.Fatal(err)
	}
	if b.Len()%fitsBlock != 0 || !bytes.Contains(b.Bytes(), []byte("OBJECT  = 'M 31''s halo'")) {
		t.Errorf("%d bytes, object lost", b.Len())
	}
	g, err := NewFile(&b, "again")
	if err != nil {
		t.Fatal(err)
	}
	for p, err := range g.All() {
		if err != nil {
			t.Fatal(err)
		}
		for y := range p.H {
			for x := range p.W {
				i := y*p.W + x
				gone := p.Page == 1 && y == 4 && x == 5
				if p.Missing != nil && p.Missing[i] != gone || gone && p.Missing == nil {
					t.Fatalf("page %d (%d,%d): missing is wrong", p.Page, y, x)
				}
				if want := base(0, y, x, p.Page)/32 - 2; !gone && float64(p.Pix[i]) != want {
					t.Fatalf("page %d (%d,%d) is %v, want %v", p.Page, y, x, p.Pix[i], want)
				}
			}
		}
	}
}

// TestPNM reads hand-written maps, and PFM as it is written.
func TestPNM(t *testing.T) {
	for text, want := range map[string]string{
		"P2 # a remark\n3 2\n9\n0 3 9\n 1 2 30":                        "[0 0.33333334 1 0.11111111 0.22222222 1]",
		"P5\n3 1\n255\n\x00\x33\xff":                                   "[0 0.2 1]",
		"P5\n2 1\n65535\n\x33\x33\xff\xff":                             "[0.2 1]",
		"P6\n2 1\n255\n\xff\x00\x33\x00\xff\x33":                       "[1 0 0 1 0.2 0.2]",
		"P3 1 1 5 1 2 5":                                               "[0.2 0.4 1]",
		"Pf\n1 2\n-1.0\n\x00\x00\x80\x3f\x00\x00\x00\xc0":              "[-2 1]", // the lowest row first
		"PF\n1 1\n1\n\x3f\x80\x00\x00\xc0\x00\x00\x00\x3f\x00\x00\x00": "[1 -2 0.5]",
	} {
		p, err := Decode(strings.NewReader(text), "map")
		if err != nil || fmt.Sprint(p.Pix) != want {
			t.Errorf("%q: %v, %v; want %s", text, p, err, want)
			continue
		}
		if strings.HasPrefix(text, "PF") || strings.HasPrefix(text, "Pf") {
			if !p.Linear || p.Format != "pfm" {
				t.Errorf("%q: linear %v, format %s", text, p.Linear, p.Format)
			}
			var b bytes.Buffer
			if err := Encode(&b, p, Options{Format: "pfm"}); err != nil {
				t.Fatal(err)
			}
			if q, err := Decode(&b, "again"); err != nil || fmt.Sprint(q.Shape, q.Pix) != fmt.Sprint(p.Shape, p.Pix) {
				t.Errorf("%v became %v, %v", p.Pix, q, err)
			}
		}
	}
	for text, want := range map[string]string{
		"P5\n3 2\n255\nabc": "cannot hold",
		"P5\n3 x\n255\nabc": "no number",
		"P5\n1 1\n0\na":     "no scale",
		"P2\n2 1\n9\n10":    "ends too early",
	} {
		if _, err := Decode(strings.NewReader(text), "map"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// TestOthersRead: pydicom, astropy, tifffile and Pillow, where they are
// installed, read what is written as it was meant.
func TestOthersRead(t *testing.T) {
	python := os.Getenv("LPN_PYTHON")
	if python == "" {
		python = "python3"
	}
	if exec.Command(python, "-c", "import pydicom, astropy, tifffile, PIL").Run() != nil {
		t.Skip("pydicom, astropy, tifffile and Pillow are not installed here (LPN_PYTHON names the interpreter)")
	}
	dir := t.TempDir()
	if err := Write(dir+"/a.dcm", readOther(t, "ct-rle.dcm"), Options{}); err != nil {
		t.Fatal(err)
	}
	cube, _ := Open("testdata/other/cube.fits")
	if err := WritePages(dir+"/a.fits", 3, cube.All(), Options{}); err != nil {
		t.Fatal(err)
	}
	cube, _ = Open("testdata/other/cube.fits")
	if err := WritePages(dir+"/a.tif", 3, cube.All(), Options{}); err != nil {
		t.Fatal(err)
	}
	anim, _ := Open("testdata/other/anim.gif")
	if err := WritePages(dir+"/a.png", 4, anim.All(), Options{}); err != nil {
		t.Fatal(err)
	}
	meta := readOther(t, "meta.jpg")
	for _, name := range []string{"/m.png", "/m.jpg", "/m.tif"} {
		if err := Write(dir+name, meta, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(python, "-c", `
import numpy as np, pydicom, tifffile
from astropy.io import fits
from PIL import Image
H, W = 17, 23
def base(page=0):
    y, x = np.mgrid[:H, :W]
    return (37 * y + 11 * x + y * x + 50 * page) % 251
d = pydicom.dcmread("a.dcm")
hu = ((base() * 200 - 20000) // 16 + 1024).clip(0, 4095) - 1024
assert (d.pixel_array * d.RescaleSlope + d.RescaleIntercept == hu).all()
assert d.PatientName == "Nobody^Made" and d.SOPInstanceUID == d.file_meta.MediaStorageSOPInstanceUID != "1.2.3.4"
want = np.stack([(base(k) / 32 - 2).astype("f4") for k in range(3)]); want[1, 4, 5] = np.nan
with fits.open("a.fits") as f:
    f.verify("exception")
    np.testing.assert_array_equal(f[0].data, want)
    assert f[0].header["OBJECT"] == "M 31's halo"
got = tifffile.imread("a.tif")
np.testing.assert_array_equal(got, want); assert got.dtype == np.float32
im = Image.open("a.png")
assert im.n_frames == 4
for k in range(3):
    im.seek(k)
    assert (np.asarray(im.convert("RGB"))[..., 0] == base(k)).all() and im.info["duration"] == 100 * (k + 1)
for n in ("m.png", "m.jpg", "m.tif"):
    im = Image.open(n); im.load(); e = im.getexif()
    assert e[0x110] == "Model 7" and e.get(0x112, 1) == 1, (n, dict(e))
    assert e.get_ifd(0x8769)[0x9003] == "2019:11:12 13:14:15", n
    assert abs(im.info["dpi"][0] - 150) < .1 and abs(im.info["dpi"][1] - 300) < .1, (n, im.info["dpi"])
    assert im.size == (17, 23)
`)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
