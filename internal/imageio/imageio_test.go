package imageio

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/operators"
)

// reference is what ImageMagick made of a file: 23x17 RGBA, 16 bits a sample.
func reference(t *testing.T, name string) []uint16 {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]uint16, len(b)/2)
	for i := range out {
		out[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return out
}

// TestReadOthers reads files written by ImageMagick 6.9, libtiff and cwebp and
// compares with ImageMagick's own decoding.
func TestReadOthers(t *testing.T) {
	for _, c := range []struct {
		name    string
		c, bits int
		alpha   bool
		tol     float64 // in 8-bit levels; other decoders may upsample chroma
	}{
		{"rgb8.png", 3, 8, false, 0},
		{"rgb16.png", 3, 16, false, 0},
		{"gray8.png", 1, 8, false, 0},
		{"gray16.png", 1, 16, false, 0},
		{"bilevel.png", 1, 8, false, 0},
		{"interlaced.png", 3, 8, false, 0},
		{"rgba8.png", 3, 8, true, 0},
		{"rgba16.png", 3, 16, true, 0},
		{"graya8.png", 1, 8, true, 0},
		{"palette.png", 3, 8, false, 0},
		{"palettea.png", 3, 8, true, 0},
		{"rgb8-lzw.tif", 3, 8, false, 0},
		{"big.tif", 3, 8, false, 0},
		{"rgb16-big.tif", 3, 16, false, 0},
		{"gray16.tif", 1, 16, false, 0},
		{"rgba8.tif", 3, 8, true, 0},
		{"fax.tif", 1, 8, false, 0},
		{"tiled.tif", 3, 8, false, 0},
		{"planar.tif", 3, 8, false, 0},
		{"rgb8.bmp", 3, 8, false, 0},
		{"gray8.bmp", 1, 8, false, 0},
		{"frame.gif", 3, 8, false, 0},
		{"palettea.gif", 3, 8, true, 0},
		{"rgb8.webp", 3, 8, false, 0},
		{"rgba8.webp", 3, 8, true, 0},
		{"gray.jpg", 1, 8, false, 1},
		{"baseline.jpg", 3, 8, false, 4},
		{"progressive.jpg", 3, 8, false, 4},
		{"cmyk.jpg", 3, 8, false, 4},
		{"lossy.webp", 3, 8, false, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Read(filepath.Join("testdata", c.name))
			if err != nil {
				t.Fatal(err)
			}
			if p.C != c.c || p.H != 17 || p.W != 23 || p.Bits != c.bits || (p.Alpha != nil) != c.alpha {
				t.Fatalf("%v, %d bits, alpha %v; want %d channels, %d bits, alpha %v",
					p.Shape, p.Bits, p.Alpha != nil, c.c, c.bits, c.alpha)
			}
			ref := reference(t, c.name)
			var sum, worst float64
			for i := range p.H * p.W {
				if c.alpha && p.Alpha[i] != ref[4*i+3] {
					t.Fatalf("alpha at %d: %d, want %d", i, p.Alpha[i], ref[4*i+3])
				}
				if c.alpha && p.Alpha[i] == 0 {
					continue // colour under full transparency is nobody's promise
				}
				for k := range 3 {
					d := math.Abs(float64(p.Plane(min(k, p.C-1))[i])-float64(ref[4*i+k])/65535) * 255
					sum += d
					worst = max(worst, d)
				}
			}
			mean := sum / float64(3*p.H*p.W)
			if c.tol == 0 && worst > 1e-4 || c.tol > 0 && mean > c.tol {
				t.Errorf("mean difference %.3f levels, largest %.3f, want %g", mean, worst, c.tol)
			}
		})
	}
}

func TestReadNumpy(t *testing.T) {
	ramp := func(c, y, x int) float64 { return float64((y*5+x)*3+c)/32 - 0.5 }
	level := func(scale float64) func(c, y, x int) float64 {
		return func(c, y, x int) float64 { return float64((y*5+x)*3+c) * scale }
	}
	for _, c := range []struct {
		name    string
		c, bits int
		want    func(c, y, x int) float64
	}{
		{"f4-hwc.npy", 3, 32, ramp},
		{"f8be-hwc.npy", 3, 32, ramp},
		{"f4-chw-fortran.npy", 3, 32, ramp},
		{"f8-hw.npy", 1, 32, ramp},
		{"f4be-hw-fortran.npy", 1, 32, ramp},
		{"v2.npy", 1, 32, ramp},
		{"u1-hwc.npy", 3, 8, level(4. / 255)},
		{"u2-hwc.npy", 3, 16, level(1000. / 65535)},
		{"u2be-hw1.npy", 1, 16, level(1000. / 65535)},
		{"bool-hw.npy", 1, 8, func(c, y, x int) float64 { return float64(3 * (y*5 + x) % 2) }},
	} {
		p, err := Read(filepath.Join("testdata", c.name))
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Shape != (operators.Shape{C: c.c, H: 4, W: 5}) || p.Bits != c.bits {
			t.Errorf("%s: %v, %d bits", c.name, p.Shape, p.Bits)
			continue
		}
		for k := range p.C {
			for y := range p.H {
				for x := range p.W {
					if got, want := p.At(k, y, x), float32(c.want(k, y, x)); math.Abs(float64(got-want)) > 1e-7 {
						t.Fatalf("%s: sample (%d,%d,%d) is %v, want %v", c.name, k, y, x, got, want)
					}
				}
			}
		}
	}
}

func TestReadArray(t *testing.T) {
	for _, name := range []string{"fourd.npy", "fourd-fortran.npy"} {
		a, err := ReadArray("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(a.Shape) != "[2 3 4 5]" {
			t.Fatalf("%s: shape %v", name, a.Shape)
		}
		for i, v := range a.Data {
			if v != float32(i) {
				t.Fatalf("%s: element %d is %v", name, i, v)
			}
		}
	}
	if a, err := ReadArray("testdata/scalar.npy"); err != nil || len(a.Shape) != 0 || a.Data[0] != 2 {
		t.Errorf("scalar: %v, %v", a, err)
	}
	if _, err := ReadArray("testdata/i8.npy"); err == nil || !strings.Contains(err.Error(), "want float32") {
		t.Errorf("int64: %v", err)
	}
	for _, shape := range [][]int{{}, {1}, {7}, {7, 1}, {2, 3, 4, 5}, {0, 3}} {
		a := &Array{Shape: shape, Data: []float32{}}
		n := 1
		for _, d := range shape {
			n *= d
		}
		for i := range n {
			a.Data = append(a.Data, float32(i)-0.25)
		}
		path := filepath.Join(t.TempDir(), "a.npy")
		if err := WriteArray(path, a); err != nil {
			t.Fatal(err)
		}
		b, err := ReadArray(path)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(b.Shape, b.Data) != fmt.Sprint(shape, a.Data) {
			t.Errorf("%v %v came back as %v %v", shape, a.Data, b.Shape, b.Data)
		}
		if st, _ := os.Stat(path); (st.Size()-4*int64(n))%64 != 0 {
			t.Errorf("%v: samples at %d, not aligned to 64", shape, st.Size()-4*int64(n))
		}
	}
}

// randomPicture has samples on the levels of its depth.
func randomPicture(c, h, w, bits int, alpha bool) *Picture {
	rng := rand.New(rand.NewPCG(1, uint64(c*h*w+bits)))
	p := &Picture{Image: operators.NewImage(operators.Shape{C: c, H: h, W: w}), Bits: bits}
	for i := range p.Pix {
		p.Pix[i] = float32(rng.IntN(1<<bits)) / float32(int(1)<<bits-1)
	}
	if alpha {
		p.Alpha = make([]uint16, h*w)
		for i := range p.Alpha {
			p.Alpha[i] = uint16(rng.IntN(1 << 16))
			if bits == 8 {
				p.Alpha[i] = p.Alpha[i] >> 8 * 0x101
			}
		}
	}
	return p
}

func fakeProfile(space string, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	copy(b[16:], space)
	return b
}

// TestRoundTrip: what is written comes back exactly, by lpn and, for its
// samples, by the standard decoders.
func TestRoundTrip(t *testing.T) {
	for _, format := range []string{"png", "tiff", "npy"} {
		for _, c := range []int{1, 3} {
			for _, bits := range []int{8, 16} {
				for _, alpha := range []bool{false, true} {
					for _, size := range [][2]int{{1, 1}, {13, 9}, {3, 700}} {
						if alpha && format == "npy" {
							continue
						}
						p := randomPicture(c, size[0], size[1], bits, alpha)
						name := fmt.Sprintf("%s %v %d bits alpha %v", format, p.Shape, bits, alpha)
						path := filepath.Join(t.TempDir(), "p."+format)
						if err := Write(path, p, Options{}); err != nil {
							t.Fatal(name, err)
						}
						q, err := Read(path)
						if err != nil {
							t.Fatal(name, err)
						}
						if format == "tiff" && c == 1 && alpha {
							q = q.Luma() // written as colour
						}
						if q.Shape != p.Shape || format != "npy" && q.Bits != bits || (q.Alpha != nil) != alpha {
							t.Fatalf("%s: came back as %v, %d bits, alpha %v", name, q.Shape, q.Bits, q.Alpha != nil)
						}
						for i := range p.Pix {
							if d := p.Pix[i] - q.Pix[i]; d > 1e-7 || d < -1e-7 {
								t.Fatalf("%s: sample %d: %v became %v", name, i, p.Pix[i], q.Pix[i])
							}
						}
						for i := range p.Alpha {
							if p.Alpha[i] != q.Alpha[i] {
								t.Fatalf("%s: alpha %d: %d became %d", name, i, p.Alpha[i], q.Alpha[i])
							}
						}
					}
				}
			}
		}
	}
}

func TestNpyIsNotClipped(t *testing.T) {
	p := &Picture{Image: operators.Image{Shape: operators.Shape{C: 1, H: 1, W: 3}, Pix: []float32{-1.5, 0.1, 7}}, Bits: 32}
	path := filepath.Join(t.TempDir(), "p.npy")
	if err := Write(path, p, Options{}); err != nil {
		t.Fatal(err)
	}
	q, err := Read(path)
	if err != nil || fmt.Sprint(q.Pix) != fmt.Sprint(p.Pix) {
		t.Errorf("%v, %v; want %v", q.Pix, err, p.Pix)
	}
	// An integer file clips.
	path = filepath.Join(t.TempDir(), "p.png")
	if err := Write(path, p, Options{Bits: 16}); err != nil {
		t.Fatal(err)
	}
	q, err = Read(path)
	if err != nil || q.Pix[0] != 0 || q.Pix[2] != 1 || q.Bits != 16 {
		t.Errorf("%v, %v", q, err)
	}
}

func TestProfile(t *testing.T) {
	for _, c := range []struct {
		format, space string
		channels, n   int
	}{
		{"png", "RGB ", 3, 500}, {"png", "GRAY", 1, 128},
		{"tiff", "RGB ", 3, 501}, {"tiff", "GRAY", 1, 128},
		{"jpeg", "RGB ", 3, 3000}, {"jpeg", "GRAY", 1, 300}, {"jpeg", "RGB ", 3, 200000},
	} {
		p := randomPicture(c.channels, 8, 9, 8, false)
		p.ICC = fakeProfile(c.space, c.n)
		var b bytes.Buffer
		if err := Encode(&b, p, Options{Format: c.format}); err != nil {
			t.Fatal(err)
		}
		q, err := Decode(&b, c.format)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(q.ICC, p.ICC) {
			t.Errorf("%s: profile of %d bytes came back with %d", c.format, len(p.ICC), len(q.ICC))
		}
	}
	// A colour profile does not belong to a gray picture.
	p := randomPicture(3, 4, 4, 8, false)
	p.ICC = fakeProfile("RGB ", 200)
	if profileFor(p) == nil || profileFor(p.Luma()) != nil {
		t.Error("the profile of a colour picture must not survive its conversion to gray")
	}
	p.C, p.Pix, p.ICC = 1, p.Pix[:16], fakeProfile("RGB ", 200)
	if profileFor(p) != nil {
		t.Error("an RGB profile went with a gray picture")
	}
}

// TestOrientation checks the eight EXIF orientations against their definition
// (Exif 2.3, tag 274), on blocks large enough to survive JPEG.
func TestOrientation(t *testing.T) {
	const n = 16 // a block's side
	m := image.NewRGBA(image.Rect(0, 0, 3*n, 2*n))
	for y := range 2 * n {
		for x := range 3 * n {
			v := uint8(40 * (y/n*3 + x/n))
			m.Set(x, y, color.RGBA{v, v, 255 - v, 255})
		}
	}
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, m, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	block := func(y, x int) float64 { return float64(40*(y*3+x)) / 255 }
	upright := map[int]func(y, x int) float64{ // block (y,x) of the upright picture
		1: func(y, x int) float64 { return block(y, x) },
		2: func(y, x int) float64 { return block(y, 2-x) },
		3: func(y, x int) float64 { return block(1-y, 2-x) },
		4: func(y, x int) float64 { return block(1-y, x) },
		5: func(y, x int) float64 { return block(x, y) },
		6: func(y, x int) float64 { return block(1-x, y) },
		7: func(y, x int) float64 { return block(1-x, 2-y) },
		8: func(y, x int) float64 { return block(x, 2-y) },
	}
	for o, want := range upright {
		exif := append([]byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), byte(o), 0, 0, 0, 0, 0, 0)
		var b bytes.Buffer
		s := &spliceWriter{w: &b, at: 2, insert: append([]byte{0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)}
		s.Write(plain.Bytes())
		p, err := Decode(&b, "o.jpg")
		if err != nil {
			t.Fatal(err)
		}
		h, w := 2, 3
		if o >= 5 {
			h, w = 3, 2
		}
		if p.H != h*n || p.W != w*n {
			t.Fatalf("orientation %d: %v", o, p.Shape)
		}
		for y := range h {
			for x := range w {
				if got := p.At(0, y*n+n/2, x*n+n/2); math.Abs(float64(got)-want(y, x)) > 0.03 {
					t.Errorf("orientation %d: block (%d,%d) is %.3f, want %.3f", o, y, x, got, want(y, x))
				}
			}
		}
	}
}

// TestGoEncoders reads what the Go encoders write.
func TestGoEncoders(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 6, 5))
	for i := range m.Pix {
		m.Pix[i] = byte(8 * i)
	}
	pal := image.NewPaletted(image.Rect(0, 0, 6, 5), color.Palette{color.Gray{0}, color.Gray{9}, color.NRGBA{7, 7, 7, 80}})
	for i := range pal.Pix {
		pal.Pix[i] = byte(i % 3)
	}
	for name, enc := range map[string]func(io.Writer) error{
		"gray png":                           func(w io.Writer) error { return png.Encode(w, m) },
		"gray bmp":                           func(w io.Writer) error { return bmp.Encode(w, m) },
		"gray tiff":                          func(w io.Writer) error { return tiff.Encode(w, m, nil) },
		"gray gif":                           func(w io.Writer) error { return gif.Encode(w, pal, nil) },
		"gray palette with transparency png": func(w io.Writer) error { return png.Encode(w, pal) },
	} {
		var b bytes.Buffer
		if err := enc(&b); err != nil {
			t.Fatal(err)
		}
		p, err := Decode(&b, name)
		if err != nil {
			t.Fatal(err)
		}
		if p.H != 5 || p.W != 6 || p.Bits != 8 {
			t.Fatalf("%s: %v", name, p.Shape)
		}
		if !p.Gray() && !strings.HasSuffix(name, "gif") {
			t.Errorf("%s: read as colour", name)
		}
		if strings.Contains(name, "palette") && (p.Alpha == nil || p.Alpha[2] != 80*0x101 || p.Pix[2] != 7./255) {
			t.Errorf("%s: %v %v", name, p.Pix[:3], p.Alpha)
		}
		if strings.HasPrefix(name, "gray ") && !strings.Contains(name, "gif") && !strings.Contains(name, "palette") && p.Pix[7] != 56./255 {
			t.Errorf("%s: %v", name, p.Pix)
		}
	}
}

// TestBad lists what must be refused, in one line that names the file.
func TestBad(t *testing.T) {
	pngBytes, _ := os.ReadFile("testdata/rgb8.png")
	tif, _ := os.ReadFile("testdata/gray16.tif")
	jpg, _ := os.ReadFile("testdata/baseline.jpg")
	array := func(descr, shape string) []byte {
		h := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape)
		return append([]byte(npy.Magic+"\x01\x00"+string([]byte{byte(len(h)), 0})+h), make([]byte, 64)...)
	}
	huge := append([]byte(nil), pngBytes...)
	copy(huge[16:], "\x00\x00\x4e\x20\x00\x00\x4e\x20") // 20000x20000 in a small file
	vast := append([]byte(nil), pngBytes...)
	copy(vast[16:], "\x00\xff\xff\xff\x00\xff\xff\xff")
	fix := func(b []byte) []byte { // IHDR's checksum
		copy(b[29:], binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b[12:29])))
		return b
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty.png", nil, "the file is empty"},
		{"text.png", []byte("hello, this is a text\n"), "neither PNG"},
		{"short.png", pngBytes[:60], "damaged PNG: it ends too early"},
		{"half.png", pngBytes[:len(pngBytes)/2], "damaged PNG"},
		{"signature.png", pngBytes[:8], "damaged PNG"},
		{"half.jpg", jpg[:len(jpg)/2], "damaged JPEG"},
		{"half.tif", tif[:len(tif)/2], "damaged TIFF"},
		{"huge.png", fix(huge), "which 702 bytes cannot hold"},
		{"vast.png", fix(vast), "limit of 2^31 samples"},
		{"vast.npy", array("<f4", "(1152921504606846976, 3)"), "limit of 2^31 samples"},
		{"many.npy", array("<f4", "(65536, 65536, 65536, 65536)"), "limit of 2^31 samples"},
		{"large.npy", array("<f4", "(10000, 10000)"), "wants 400000000 bytes"},
		{"negative.npy", array("<f4", "(-4, 4)"), "damaged .npy"},
		{"record.npy", []byte(npy.Magic + "\x01\x00\x43\x00{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2), }"), "damaged .npy"},
		{"header.npy", []byte(npy.Magic + "\x01\x00\x08\x00whatever"), "damaged .npy"},
		{"magic.npy", []byte(npy.Magic), "ends too early"},
		{"version.npy", []byte(npy.Magic + "\x09\x00\x08\x00whatever"), "version 9.0"},
		{"longheader.npy", []byte(npy.Magic + "\x02\x00\xff\xff\xff\x7f"), "header of"},
	} {
		p, err := Decode(bytes.NewReader(c.data), c.name)
		var bad *Error
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v, %v", c.name, p, err)
			continue
		}
		if s := err.Error(); !strings.HasPrefix(s, c.name+": not an image that lpn reads: ") || !strings.Contains(s, c.want) || strings.Contains(s, "\n") {
			t.Errorf("%s: %q; want %q", c.name, s, c.want)
		}
	}
	for name, want := range map[string]string{
		"nan.npy":    "every sample must be a finite number",
		"inf.npy":    "every sample must be a finite number",
		"c8.npy":     "<c8",
		"scalar.npy": "shape (): want HxW",
		"hw4.npy":    "shape 4x5x4: want HxW",
		"empty.npy":  "size of 5x0",
		"absent.png": "no such file",
		".":          "is a folder",
	} {
		if _, err := Read(filepath.Join("testdata", name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	// The length of a stream is not known beforehand.
	b := array("<f4", "(40000, 40000)")
	if _, err := Decode(io.MultiReader(bytes.NewReader(b)), "stream"); err == nil || !strings.Contains(err.Error(), "the file has 64") {
		t.Errorf("stream: %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	p := randomPicture(1, 2, 2, 8, false)
	nan := randomPicture(1, 2, 2, 8, false)
	nan.Pix[1] = float32(math.NaN())
	for _, c := range []struct {
		path string
		p    *Picture
		o    Options
		want string
	}{
		{"a.gif", p, Options{}, "cannot write .gif"},
		{"a", p, Options{}, "no extension"},
		{"a.png", p, Options{Bits: 12}, "12 bits"},
		{"a.jpg", p, Options{Quality: 101}, "quality 101"},
		{"a.png", nan, Options{}, "not numbers"},
		{"absent/a.png", p, Options{}, "cannot be written: no such file or directory"},
		{".", p, Options{Format: "png"}, "is a folder"},
	} {
		err := Write(filepath.Join(dir, c.path), c.p, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.path, err, c.want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestStandardDecoders(t *testing.T) {
	for _, alpha := range []bool{false, true} {
		p := randomPicture(3, 9, 11, 16, alpha)
		var b bytes.Buffer
		if err := Encode(&b, p, Options{Format: "png"}); err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		for y := range 9 {
			for x := range 11 {
				c := color.NRGBA64Model.Convert(m.At(x, y)).(color.NRGBA64)
				if want := uint16(p.At(1, y, x)*65535 + 0.5); c.G != want && c.A > 0 && !alpha {
					t.Fatalf("(%d,%d): %d, want %d", y, x, c.G, want)
				}
				if alpha && c.A != p.Alpha[y*11+x] {
					t.Fatalf("alpha (%d,%d): %d, want %d", y, x, c.A, p.Alpha[y*11+x])
				}
			}
		}
	}
}

func TestLuma(t *testing.T) {
	p := &Picture{Image: operators.Image{Shape: operators.Shape{C: 3, H: 1, W: 1}, Pix: []float32{0.5, 0.25, 1}}}
	if got, want := p.Luma().Pix[0], float32(0.299*0.5+0.587*0.25+0.114); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestNpyTypes: half precision, integers of 32 bits and signed ones, whose white
// nobody knows, are taken as they are; others are divided by their largest value.
func TestNpyTypes(t *testing.T) {
	array := func(descr string, data ...byte) []byte {
		h := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (1, 2), }", descr)
		return append([]byte(npy.Magic+"\x01\x00"+string([]byte{byte(len(h)), 0})+h), data...)
	}
	for _, c := range []struct {
		data []byte
		bits int
		want []float32
	}{
		{array("<f2", 0x00, 0xc0, 0x55, 0x35), 32, []float32{-2, 0.333251953125}},
		{array(">u4", 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), 32, []float32{1 << 31, 1<<32 - 1}},
		{array("<i2", 0, 0x80, 7, 0), 32, []float32{-32768, 7}},
		{array("|u1", 51, 255), 8, []float32{0.2, 1}},
	} {
		p, err := Decode(bytes.NewReader(c.data), "a")
		if err != nil || p.Bits != c.bits || !slices.Equal(p.Pix, c.want) {
			t.Errorf("%q: %v, %v; want %v", c.data[10:30], p, err, c.want)
		}
	}
}

// Samples tells from the header what Page will hold.
func TestSamples(t *testing.T) {
	names, err := filepath.Glob("testdata/other/*")
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, name := range names {
		f, err := Open(name)
		if err != nil {
			continue // not of a kind that is read
		}
		n := f.Samples(0)
		p, err := f.Page(0)
		f.Close()
		if err != nil || n == 0 {
			continue
		}
		known++
		// Colours that turn out to be gray are fewer.
		if int64(p.Len()) > n || int64(p.H)*int64(p.W) > n {
			t.Errorf("%s: %d samples, %d were said", name, p.Len(), n)
		}
	}
	if known < 20 {
		t.Errorf("%d files say how many samples they have", known)
	}
}
