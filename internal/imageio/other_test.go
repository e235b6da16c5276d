package imageio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lpn-imaging/lpn/operators"
)

// The files of testdata/other were written by tifffile, Pillow and others:
// see testdata/make.py, whose formulas these are.

const otherH, otherW = 17, 23

func base(c, y, x, page int) float64 { return float64((37*y + 11*x + 101*c + y*x + 50*page) % 251) }

// typedBase is the base pattern as the numbers of a type.
func typedBase(kind string) func(c, y, x int) float64 {
	f := map[string][2]float64{"u1": {1, 0}, "u2": {257, 0}, "u4": {1000003, 0}, "i1": {1, -125}, "i2": {200, -20000},
		"i4": {1e7, -1e9}, "f2": {1. / 8, -10}, "f4": {1. / 32, -2}, "f8": {1. / 32, -2}}[kind]
	return func(c, y, x int) float64 { return base(c, y, x, 0)*f[0] + f[1] }
}

func readOther(t *testing.T, name string) *Picture {
	t.Helper()
	p, err := Read(filepath.Join("testdata/other", name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// compare checks every number of p against the file's.
func compare(t *testing.T, name string, p *Picture, c int, want func(c, y, x int) float64) {
	t.Helper()
	if p.Shape != (operators.Shape{C: c, H: otherH, W: otherW}) {
		t.Errorf("%s: %v", name, p.Shape)
		return
	}
	for k := range c {
		for y := range p.H {
			for x := range p.W {
				got, want := float64(p.At(k, y, x))*p.Scale, want(k, y, x)
				if math.Abs(got-want) > 1e-6*math.Abs(want)+1e-5 {
					t.Errorf("%s: number (%d,%d,%d) is %v, want %v", name, k, y, x, got, want)
					return
				}
			}
		}
	}
}

func TestTIFFOfOthers(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		channels   int
	}{
		{"u1.tif", "u1", 1}, {"u2.tif", "u2", 1}, {"u4.tif", "u4", 1}, {"i1.tif", "i1", 1}, {"i2.tif", "i2", 1}, {"i4.tif", "i4", 1},
		{"f2.tif", "f2", 1}, {"f4.tif", "f4", 1}, {"f8.tif", "f8", 1},
		{"f4-big.tif", "f4", 3}, {"f4-pred.tif", "f4", 3}, {"f8-pred.tif", "f8", 1}, {"f2-pred.tif", "f2", 1}, {"f4-tiled.tif", "f4", 1},
		{"u1-tiled-planar.tif", "u1", 3}, {"u2-planar.tif", "u2", 3}, {"u2-pred.tif", "u2", 3}, {"u2-pred-big.tif", "u2", 3},
		{"i2-packbits.tif", "i2", 1}, {"i4-bigtiff.tif", "i4", 1}, {"science-rgb.tif", "u2", 3}, {"u1-alpha.tif", "u1", 1}, {"pyramid.tif", "u1", 1},
	} {
		p := readOther(t, c.name)
		compare(t, c.name, p, c.channels, typedBase(c.kind))
		if p.Number != c.kind {
			t.Errorf("%s: numbers of type %q, want %q", c.name, p.Number, c.kind)
		}
		if want := map[byte]int{'1': 8, '2': 16}[c.kind[1]]; c.kind[0] == 'u' && want != 0 && (p.Bits != want || p.Native()) || c.kind[0] != 'u' && (p.Bits != 32 || !p.Native()) {
			t.Errorf("%s: %d bits, native %v", c.name, p.Bits, p.Native())
		}
		if p.Pages != 1 {
			t.Errorf("%s: %d pages", c.name, p.Pages)
		}
	}
	if p := readOther(t, "i2.tif"); p.Low != -32768 || p.High != 32767 {
		t.Errorf("int16 from %v to %v", p.Low, p.High)
	}
	compare(t, "white.tif", readOther(t, "white.tif"), 1, func(c, y, x int) float64 { return 255 - base(c, y, x, 0) })
	p := readOther(t, "u2-12bit.tif")
	compare(t, "u2-12bit.tif", p, 1, func(c, y, x int) float64 { return float64(int(base(c, y, x, 0)*257) >> 4) })
	if p.Scale != 4095 {
		t.Errorf("12 bits: scale %v", p.Scale)
	}
	p = readOther(t, "u1-alpha.tif")
	for i, a := range p.Alpha {
		if want := 65535 - uint16(p.Pix[i]*65535+0.5); a != want {
			t.Fatalf("alpha %d is %d, want %d", i, a, want)
		}
	}
	for _, name := range []string{"jpeg-ycbcr.tif", "jpeg-pillow.tif", "jpeg-gray-tiled.tif"} {
		p := readOther(t, name)
		if p.H != 64 || p.W != 48 {
			t.Fatalf("%s: %v", name, p.Shape)
		}
		worst := 0.0
		for c := range p.C {
			for y := range p.H {
				for x := range p.W {
					want := float64([]int{2*x + y, 255 - 3*y, 4 * x}[c])
					worst = max(worst, math.Abs(float64(p.At(c, y, x))*255-want))
				}
			}
		}
		if worst > 16 || name == "jpeg-gray-tiled.tif" && worst > 3 {
			t.Errorf("%s: %.1f levels off", name, worst)
		}
	}
}

// TestArraysOfNumPy: numbers of every type, and stacks.
func TestArraysOfNumPy(t *testing.T) {
	for _, kind := range []string{"i1", "i2", "i4", "u4", "f2"} {
		p := readOther(t, kind+".npy")
		compare(t, kind, p, 1, typedBase(kind))
		if p.Number != kind || !p.Native() || p.Bits != 32 {
			t.Errorf("%s: numbers of type %q, %d bits", kind, p.Number, p.Bits)
		}
	}
	compare(t, "i8", readOther(t, "i8be.npy"), 1, func(c, y, x int) float64 { return base(c, y, x, 0) - 125 })
	p := readOther(t, "rgba.npy")
	compare(t, "rgba", p, 3, typedBase("u1"))
	for i, v := range p.Plane(0) {
		if want := 65535 - uint16(v*65535+0.5); p.Alpha[i] != want {
			t.Fatalf("alpha %d is %d, want %d", i, p.Alpha[i], want)
		}
	}
	for name, want := range map[string][2]int{"stack": {4, 1}, "stack-fortran": {4, 1}, "stack-nhwc": {2, 3}, "stack-nchw": {2, 3}} {
		f, err := Open("testdata/other/" + name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Pages() != want[0] {
			t.Fatalf("%s: %d pages, want %d", name, f.Pages(), want[0])
		}
		for i := f.Pages() - 1; i >= 0; i-- {
			p, err := f.Page(i)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, fmt.Sprint(name, " page ", i), p, want[1], func(c, y, x int) float64 { return base(c, y, x, i) })
		}
	}
}

func TestNoData(t *testing.T) {
	p := readOther(t, "nodata.tif")
	n := 0
	for y := range p.H {
		for x := range p.W {
			gone := y == 0 && x == 0 || y >= 3 && y < 5 && x >= 2 && x < 6
			if p.Missing[y*p.W+x] != gone {
				t.Fatalf("(%d,%d): missing is %v", y, x, !gone)
			}
			want := typedBase("f4")(0, y, x)
			if gone { // the one before it in the row, or behind it
				n++
				if want = typedBase("f4")(0, y, 1); y == 0 {
					want = typedBase("f4")(0, 0, 1)
				}
			}
			if float64(p.At(0, y, x)) != want {
				t.Fatalf("(%d,%d) is %v, want %v", y, x, p.At(0, y, x), want)
			}
		}
	}
	if n != 9 {
		t.Fatalf("%d missing", n)
	}
	var b bytes.Buffer
	if err := Encode(&b, p, Options{Format: "tiff"}); err != nil {
		t.Fatal(err)
	}
	q, err := Decode(&b, "again")
	if err != nil || fmt.Sprint(q.Missing) != fmt.Sprint(p.Missing) {
		t.Errorf("%v: missing samples did not come back", err)
	}
}

// TestUnsupported: sound files that are not read are never called damaged.
func TestUnsupported(t *testing.T) {
	for name, want := range map[string]string{
		"c8.tif":   "a TIFF of complex numbers is not supported: save its magnitude",
		"zstd.tif": "a TIFF compressed by Zstandard is not supported: save it with LZW",
		"five.tif": "a TIFF of 5 channels is not supported: save each channel",
	} {
		_, err := Read("testdata/other/" + name)
		if err == nil || !strings.HasPrefix(err.Error(), "testdata/other/"+name+": "+want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	for head, want := range map[string]string{
		"\x00\x00\x00\x1cftypavis\x00\x00\x00\x00": "f: an animated AVIF picture is not supported: take its frames out as PNG first, for example with avifdec --index all",
		"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00": "f: a HEIC picture is not supported",
		"\xff\x0a\xfa\x1f\x01":                     "f: a JPEG XL picture is not supported",
		"II*\x00\x10\x00\x00\x00CR\x02\x00":        "f: a camera's raw picture (CR2) is not supported",
		"v/1\x01\x01\x00\x00\x00":                  "f: an OpenEXR file of version 1.0 is not supported",
		"\xff\xd8\xff\xf7\x00\x0b\x08":             "f: a JPEG-LS picture is not supported",
	} {
		_, err := Decode(strings.NewReader(head), "f")
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v; want %q", head, err, want)
		}
	}
}

// TestPages reads stacks and animations page by page, in any order.
func TestPages(t *testing.T) {
	rgb := func(page int) func(c, y, x int) float64 {
		return func(c, y, x int) float64 {
			k := page
			if page == 3 { // the third with a corner of the first
				if k = 2; y >= 3 && y < 7 && x >= 5 && x < 9 {
					k = 0
				}
			}
			v := base(0, y, x, k)
			return []float64{v, 255 - v, math.Floor(v / 2)}[c]
		}
	}
	gray := func(page int) func(c, y, x int) float64 {
		return func(c, y, x int) float64 { return base(c, y, x, page) }
	}
	deep := func(page int) func(c, y, x int) float64 {
		return func(c, y, x int) float64 { return 257 * base(c, y, x, page) }
	}
	for _, c := range []struct {
		name        string
		pages, c    int
		want        func(page int) func(c, y, x int) float64
		first, last time.Duration
	}{
		{"anim.png", 4, 3, rgb, 100e6, 400e6},
		{"anim.webp", 4, 3, rgb, 100e6, 400e6},
		{"anim.gif", 4, 3, rgb, 100e6, 400e6},
		{"anim-gray.png", 2, 1, gray, 0, 0},
		{"pages.tif", 4, 3, rgb, 0, 0},
		{"stack.tif", 3, 1, deep, 0, 0},
	} {
		f, err := Open("testdata/other/" + c.name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Pages() != c.pages {
			t.Fatalf("%s: %d pages, want %d", c.name, f.Pages(), c.pages)
		}
		for _, i := range []int{0, 1, c.pages - 1, c.pages - 1, 0, 1} {
			p, err := f.Page(i)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, fmt.Sprint(c.name, " page ", i), p, c.c, c.want(i))
			if p.Page != i || p.Pages != c.pages || p.Alpha != nil {
				t.Errorf("%s: page %d of %d, alpha %v", c.name, p.Page, p.Pages, p.Alpha != nil)
			}
			if i == 0 && p.Delay != c.first || i == c.pages-1 && p.Delay != c.last {
				t.Errorf("%s: page %d is shown for %v", c.name, i, p.Delay)
			}
		}
	}
}

// TestFramesOverEachOther compares with what Pillow shows.
func TestFramesOverEachOther(t *testing.T) {
	for name, shown := range map[string]string{"over-0.png": "over-0", "over-1.png": "over-1", "over.webp": "over-webp"} {
		ref := readOther(t, shown+".npy")
		f, err := Open("testdata/other/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if f.Pages()*otherH != ref.H {
			t.Fatalf("%s: %d pages, Pillow shows %d", name, f.Pages(), ref.H/otherH)
		}
		for p, err := range f.All() {
			if err != nil {
				t.Fatal(err)
			}
			for i := range otherH * otherW {
				want := ref.Pix[(p.Page*otherH*otherW+i)*4:][:4]
				a := float32(1)
				if p.Alpha != nil {
					a = float32(p.Alpha[i]) / 65535
				}
				if a != want[3] || a > 0 && (p.Plane(0)[i] != want[0] || p.Plane(1)[i] != want[1] || p.Plane(2)[i] != want[2]) {
					t.Fatalf("%s: page %d, pixel %d is %v %v %v %v, Pillow shows %v", name, p.Page, i, p.Plane(0)[i], p.Plane(1)[i], p.Plane(2)[i], a, want)
				}
			}
		}
	}
}

// TestFramesThatLeaveNothing: frames that are taken away again stand alone.
func TestFramesThatLeaveNothing(t *testing.T) {
	f, err := Open("testdata/other/over-2.png")
	if err != nil {
		t.Fatal(err)
	}
	for p, err := range f.All() {
		if err != nil {
			t.Fatal(err)
		}
		for y := range p.H {
			for x := range p.W {
				i, k := y*p.W+x, p.Page
				inside := y >= 2+3*k && y < 9+3*k && x >= 3 && x < 15
				if (p.Alpha[i] == 65535) != inside || inside && p.Pix[i]*255 != float32(80*k+40) {
					t.Fatalf("page %d (%d,%d): %v, opacity %d", k, y, x, p.Pix[i]*255, p.Alpha[i])
				}
			}
		}
	}
}

// TestMeta: orientation, resolution, EXIF and XMP of PNG, JPEG, WebP and TIFF
// that Pillow wrote are read, and come back from PNG, JPEG and TIFF.
func TestMeta(t *testing.T) {
	for _, name := range []string{"meta.png", "meta.jpg", "meta.webp", "meta.tif"} {
		p := readOther(t, name)
		if p.H != otherW || p.W != otherH {
			t.Fatalf("%s: %v: not turned", name, p.Shape)
		}
		// Orientation 6: the first row of the file is the right side.
		for y := range p.H {
			for x := range p.W {
				if d := float64(p.At(1, y, x))*255 - base(1, otherH-1-x, y, 0); math.Abs(d) > 1e-4 && name != "meta.jpg" {
					t.Fatalf("%s: (%d,%d) is off by %v", name, y, x, d)
				}
			}
		}
		if p.Meta.EXIF == nil || !bytes.Contains(p.Meta.EXIF, []byte("Model 7")) || !bytes.Contains(p.Meta.EXIF, []byte("2020:01:02 03:04:05")) ||
			name != "meta.tif" && !bytes.Contains(p.Meta.EXIF, []byte("2019:11:12 13:14:15")) {
			t.Errorf("%s: EXIF %q", name, p.Meta.EXIF)
		}
		if o := orientationOf(p.Meta.EXIF); o != 1 {
			t.Errorf("%s: the EXIF still says orientation %d", name, o)
		}
		if hasXMP := name == "meta.jpg" || name == "meta.webp"; hasXMP && !bytes.Contains(p.Meta.XMP, []byte(`tiff:Orientation="1"`)) {
			t.Errorf("%s: XMP %q", name, p.Meta.XMP)
		}
		if want := [2]float64{150, 300}; name != "meta.webp" && (math.Abs(p.Meta.DPI[0]-want[0]) > 0.02 || math.Abs(p.Meta.DPI[1]-want[1]) > 0.02) {
			t.Errorf("%s: %v dpi, want %v", name, p.Meta.DPI, want)
		}
		// Twice as large.
		q := *p
		q.Image = operators.NewImage(operators.Shape{C: 3, H: 2 * p.H, W: 2 * p.W})
		q.Meta.Scale(2, 2)
		for _, format := range []string{"png", "jpeg", "tiff"} {
			var b bytes.Buffer
			if err := Encode(&b, &q, Options{Format: format}); err != nil {
				t.Fatal(err)
			}
			r, err := Decode(&b, format)
			if err != nil {
				t.Fatal(err)
			}
			if r.H != q.H || r.W != q.W {
				t.Fatalf("%s as %s: %v, want %v", name, format, r.Shape, q.Shape)
			}
			if name != "meta.webp" && (math.Abs(r.Meta.DPI[0]-300) > 0.03 || math.Abs(r.Meta.DPI[1]-600) > 0.03) {
				t.Errorf("%s as %s: %v dpi", name, format, r.Meta.DPI)
			}
			block, d := exifBlock(r.Meta.EXIF)
			if block == nil {
				t.Fatalf("%s as %s: no EXIF", name, format)
			}
			if v := block.value(d.find(tagModel)); string(v) != "Model 7\x00" {
				t.Errorf("%s as %s: model %q", name, format, v)
			}
			if !bytes.Equal(r.Meta.XMP, q.Meta.XMP) {
				t.Errorf("%s as %s: XMP %q", name, format, r.Meta.XMP)
			}
			if name == "meta.tif" {
				continue // Pillow writes no EXIF directory into it
			}
			sub, err := block.directory(block.number(d, tagExif, -1))
			if err != nil {
				t.Fatalf("%s as %s: no EXIF directory: %v", name, format, err)
			}
			if w, h := block.number(sub, tagExifWidth, 0), block.number(sub, tagExifHeight, 0); w != int64(q.W) || h != int64(q.H) {
				t.Errorf("%s as %s: EXIF says %dx%d", name, format, w, h)
			}
			if v := block.rational(sub, 0x829a); v != 0.004 {
				t.Errorf("%s as %s: exposure %v", name, format, v)
			}
		}
	}
}

// TestPreviews: a preview of EXIF, which shows the picture as it was, is dropped,
// and one of a raw picture is not taken for it.
func TestPreviews(t *testing.T) {
	l := layout{order: binary.BigEndian}
	model := entry{tag: tagModel, kind: kindASCII, data: []byte("Model 7\x00")}
	exif := entry{tag: 0x9003, kind: kindASCII, data: []byte("2019:11:12 13:14:15\x00")}
	head := []byte("MM\x00*\x00\x00\x00\x08")
	main := l.withSubs(8, []entry{model, l.shorts(tagOrientation, 3)}, []entry{exif}, nil, 0)
	next := int64(len(head) + len(main))
	block := append(head, l.withSubs(8, []entry{model, l.shorts(tagOrientation, 3)}, []entry{exif}, nil, next)...)
	small := []entry{l.shorts(tagCompression, 6), l.longs(513, next+30), l.longs(514, 9)}
	block = append(append(block, l.directory(next, small, 0)...), "a preview"...)
	p := photo(1, 4, 5)
	p.Meta.EXIF = block
	p.finish(0)
	got := exifFor(p)
	if bytes.Contains(got, []byte("a preview")) || int64(len(got)) != next {
		t.Errorf("%d bytes of EXIF, want %d: %q", len(got), next, got)
	}
	b, d := exifBlock(got)
	if b == nil || d.next != 0 || b.number(d, tagOrientation, 0) != 1 || string(b.value(d.find(tagModel))) != "Model 7\x00" {
		t.Errorf("EXIF %q", got)
	}
	sub, err := b.directory(b.number(d, tagExif, 0))
	if err != nil || string(b.value(sub.find(0x9003))) != "2019:11:12 13:14:15\x00" {
		t.Errorf("%v: EXIF directory of %q", err, got)
	}
	// The preview of a raw picture, which itself is below it.
	raw := append([]byte("MM\x00*\x00\x00\x00\x08"), l.directory(8, []entry{
		l.longs(tagSubfile, 1), l.longs(tagWidth, 1), l.longs(tagHeight, 1), l.shorts(tagBits, 8), l.shorts(tagPhotometric, 1),
		l.longs(tagStripOffsets, 8), l.longs(tagStripCounts, 1), l.longs(tagSubIFDs, 8),
	}, 0)...)
	if _, err := Decode(bytes.NewReader(raw), "x.nef"); err == nil || !strings.HasPrefix(err.Error(), "x.nef: a camera's raw picture (TIFF) is not supported") {
		t.Error(err)
	}
}

func TestMissingInLuma(t *testing.T) {
	p := photo(3, 2, 2)
	p.Missing = make([]bool, 12)
	p.Missing[6] = true
	if got := p.Luma().Missing; fmt.Sprint(got) != "[false false true false]" {
		t.Error(got)
	}
}
