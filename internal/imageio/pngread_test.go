package imageio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image/png"
	"math/rand/v2"
	"slices"
	"testing"
)

// rawPNG is a PNG of random pixels whose rows have the filters in turn, in IDAT chunks of
// at most so many bytes.
func rawPNG(rng *rand.Rand, w, h int, depth, kind byte, bpp, most int, extra ...chunk) []byte {
	var raw []byte
	prior := make([]byte, w*bpp)
	for y := range h {
		row := make([]byte, w*bpp)
		for i := range row {
			row[i] = byte(100 + rng.IntN(50) + 60*(i/40%2))
		}
		f := make([]byte, len(row))
		filter(f, row, prior, bpp, byte(y%5))
		raw = append(append(raw, byte(y%5)), f...)
		prior = row
	}
	var b bytes.Buffer
	b.WriteString(pngSignature)
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	writeChunk(&b, "IHDR", append(head, depth, kind, 0, 0, 0))
	for _, c := range extra {
		writeChunk(&b, c.kind, c.body)
	}
	for part := range slices.Chunk(zlibStream(raw, 5), most) {
		writeChunk(&b, "IDAT", part)
	}
	writeChunk(&b, "IEND", nil)
	return b.Bytes()
}

// byLibrary decodes a PNG with the standard library.
func byLibrary(data []byte) (*Picture, error) {
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	n := readPNGNotes(data)
	return fromImage(img, n.gray, n.alpha), nil
}

// samePicture compares what the two decoders read.
func samePicture(p, q *Picture) error {
	if p.Shape != q.Shape || !slices.Equal(p.Pix, q.Pix) || !slices.Equal(p.Alpha, q.Alpha) || p.Bits != q.Bits || p.Number != q.Number || p.Scale != q.Scale {
		return fmt.Errorf("%v of %d bits, the library reads %v of %d bits", p.Shape, p.Bits, q.Shape, q.Bits)
	}
	return nil
}

// Plain PNGs are decoded to what the standard library reads.
func TestPlainPNG(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	for kind, bpp := range map[byte]int{pngGray: 1, pngRGB: 3, pngRGBA: 4} {
		for _, size := range [][2]int{{1, 1}, {7, 11}, {300, 20}, {1200, 900}} {
			data := rawPNG(rng, size[0], size[1], 8, kind, bpp, 5000)
			want, err := byLibrary(data)
			if err != nil {
				t.Fatal(err)
			}
			p := readPlainPNG(data)
			if p == nil {
				t.Fatalf("type %d, %v: not decoded", kind, size)
			}
			if err := samePicture(p, want); err != nil {
				t.Errorf("type %d, %v: %v", kind, size, err)
			}
		}
	}
}

// What is not plain, and what is damaged, is left to the standard library.
func TestNotPlainPNG(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	good := rawPNG(rng, 40, 30, 8, pngRGB, 3, 1000)
	changed := func(at int, fix bool) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		if fix { // the checksum of the header
			binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
		}
		return b
	}
	for name, data := range map[string][]byte{
		"16 bits":          rawPNG(rng, 40, 30, 16, pngRGB, 6, 1000),
		"gray with alpha":  rawPNG(rng, 40, 30, 8, pngGrayAlpha, 2, 1000),
		"transparent":      rawPNG(rng, 40, 30, 8, pngRGB, 3, 1000, chunk{"tRNS", make([]byte, 6)}),
		"interlaced":       changed(28, true),
		"cut off":          good[:len(good)-20],
		"without an end":   good[:len(good)-12],
		"a wrong checksum": changed(60, false),
		"a wrong size":     changed(19, true),
		"a wrong height":   changed(23, true),
		"no PNG":           good[1:],
		"empty":            nil,
	} {
		if readPlainPNG(data) != nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

func FuzzPlainPNG(f *testing.F) {
	seeds(f, ".png")
	rng := rand.New(rand.NewPCG(6, 8))
	f.Add(rawPNG(rng, 9, 12, 8, pngRGBA, 4, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		if cfg, err := png.DecodeConfig(bytes.NewReader(b)); err == nil && cfg.Width*cfg.Height > 1<<20 {
			t.Skip()
		}
		p := readPlainPNG(b)
		if p == nil {
			return
		}
		check(t, p, nil)
		if want, err := byLibrary(b); err == nil {
			if err := samePicture(p, want); err != nil {
				t.Error(err)
			}
		}
	})
}

func BenchmarkReadPNG(b *testing.B) {
	data := rawPNG(rand.New(rand.NewPCG(1, 1)), 2000, 1500, 8, pngRGB, 3, 1<<15)
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			readPlainPNG(data)
		}
	})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			byLibrary(data)
		}
	})
}

// A page can be read again, and the header too, though the bytes of the file went with the
// first reading.
func TestPageTwice(t *testing.T) {
	for _, name := range []string{"rgb8.png", "palette.png", "baseline.jpg"} {
		f, err := Open("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		first, err := f.Page(0)
		if err != nil {
			t.Fatal(err)
		}
		if s := f.src.(*single); s.data != nil {
			t.Errorf("%s: %d bytes are kept", name, len(s.data))
		}
		again, err := f.Page(0)
		if err != nil {
			t.Fatalf("%s again: %v", name, err)
		}
		if err := samePicture(again, first); err != nil {
			t.Errorf("%s again: %v", name, err)
		}
		if h, w, ok := f.Size(); !ok || h*w == 0 || f.Samples(0) == 0 {
			t.Errorf("%s: %dx%d pixels, %d samples", name, w, h, f.Samples(0))
		}
		f.Close()
	}
}
