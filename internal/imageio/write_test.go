package imageio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"image/png"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/image/tiff"

	"github.com/lpn-imaging/lpn/operators"
)

func TestAdlerJoin(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	b := make([]byte, 300000)
	for i := range b {
		b[i] = byte(rng.Uint32() | 0xf0)
	}
	for _, n := range []int{0, 1, 5551, 65521, 200000, len(b)} {
		got := adlerJoin(adler32.Checksum(b[:n]), adler32.Checksum(b[n:]), len(b)-n)
		if want := adler32.Checksum(b); got != want {
			t.Errorf("joined at %d: %08x, want %08x", n, got, want)
		}
	}
}

// photo is smooth with noise, like a photograph, large enough for several
// blocks.
func photo(c, h, w int) *Picture {
	p := &Picture{Image: operators.NewImage(operators.Shape{C: c, H: h, W: w}), Bits: 8}
	rng := rand.New(rand.NewPCG(2, 0))
	for k := range c {
		for y := range h {
			for x := range w {
				p.Plane(k)[y*w+x] = float32(0.5 + 0.4*math.Sin(float64(x)/40+float64(k))*math.Cos(float64(y)/60) + 0.01*rng.NormFloat64())
			}
		}
	}
	return p
}

// TestManyBlocks: a picture of several deflated blocks is read by the standard
// decoders and is the same on any number of workers.
func TestManyBlocks(t *testing.T) {
	p := photo(3, 400, 700)
	for _, compression := range []string{"fast", "small"} {
		for _, bits := range []int{8, 16} {
			var first []byte
			for _, workers := range []int{1, 3} {
				var b bytes.Buffer
				if err := Encode(&b, p, Options{Format: "png", Bits: bits, Compression: compression, Workers: workers}); err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = b.Bytes()
				} else if !bytes.Equal(first, b.Bytes()) {
					t.Errorf("%s, %d bits: the bytes depend on the number of workers", compression, bits)
				}
			}
			m, err := png.Decode(bytes.NewReader(first)) // checks both checksums
			if err != nil {
				t.Fatal(err)
			}
			q := fromImage(m, false, false)
			for i, v := range q.Pix {
				if want := float32(level(p.Pix[i], q.Scale)) / float32(q.Scale); v != want {
					t.Fatalf("sample %d is %v, want %v", i, v, want)
				}
			}
		}
		var b bytes.Buffer
		if err := Encode(&b, p, Options{Format: "tiff", Compression: compression, Workers: 3}); err != nil {
			t.Fatal(err)
		}
		m, err := tiff.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		q := fromImage(m, false, false)
		for i, v := range q.Pix {
			if want := float32(level(p.Pix[i], 255)) / 255; v != want {
				t.Fatalf("TIFF sample %d is %v, want %v", i, v, want)
			}
		}
	}
}

// TestFilters compares each filter with the definition of the PNG
// specification, byte by byte.
func TestFilters(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	row, prior, got := make([]byte, 37), make([]byte, 37), make([]byte, 37)
	for i := range row {
		row[i], prior[i] = byte(rng.Uint32()), byte(rng.Uint32())
	}
	for _, bpp := range []int{1, 3, 8} {
		for kind := range byte(5) {
			filter(got, row, prior, bpp, kind)
			for i := range row {
				var a, b, c int
				b = int(prior[i])
				if i >= bpp {
					a, c = int(row[i-bpp]), int(prior[i-bpp])
				}
				paeth := c
				dist := func(v int) float64 { return math.Abs(float64(a + b - c - v)) }
				if dist(a) <= dist(b) && dist(a) <= dist(c) {
					paeth = a
				} else if dist(b) <= dist(c) {
					paeth = b
				}
				if want := row[i] - byte([]int{0, a, b, (a + b) / 2, paeth}[kind]); got[i] != want {
					t.Fatalf("filter %d, %d bytes a pixel, byte %d: %d, want %d", kind, bpp, i, got[i], want)
				}
			}
		}
	}
}

func pagesOf(all ...*Picture) iter.Seq2[*Picture, error] {
	return func(yield func(*Picture, error) bool) {
		for _, p := range all {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// TestWritePages: pages come back in order from each format that holds them.
func TestWritePages(t *testing.T) {
	for _, c := range []struct {
		format      string
		bits, depth int // of the pictures, and what comes back
	}{
		{"tiff", 8, 8}, {"tiff", 16, 16}, {"tiff", 32, 32}, {"png", 8, 8}, {"png", 16, 16}, {"npy", 32, 32},
	} {
		for _, channels := range []int{1, 3} {
			var all []*Picture
			for i := range 3 {
				p := photo(channels, 9, 11)
				p.Bits, p.Delay = c.bits, time.Duration(i+1)*50*time.Millisecond
				p.Meta.DPI = [2]float64{200, 100}
				for k := range p.Pix {
					p.Pix[k] = (p.Pix[k] + float32(i)) / 3
					if c.depth < 32 {
						scale := float32(int(1)<<c.depth - 1)
						p.Pix[k] = float32(math.Round(float64(p.Pix[k]*scale))) / scale
					}
				}
				all = append(all, p)
			}
			var b bytes.Buffer
			if err := EncodePages(&b, 3, pagesOf(all...), Options{Format: c.format}); err != nil {
				t.Fatal(c, err)
			}
			f, err := NewFile(&b, c.format)
			if err != nil {
				t.Fatal(c, err)
			}
			if f.Pages() != 3 {
				t.Fatalf("%v: %d pages", c, f.Pages())
			}
			for p, err := range f.All() {
				if err != nil {
					t.Fatal(c, err)
				}
				want := all[p.Page]
				if p.Shape != want.Shape || p.Bits != c.depth {
					t.Fatalf("%v: page %v of %d bits", c, p.Shape, p.Bits)
				}
				for i := range p.Pix {
					if d := math.Abs(float64(p.Pix[i] - want.Pix[i])); d > 1e-7 {
						t.Fatalf("%v: page %d is off by %v", c, p.Page, d)
					}
				}
				if c.format == "png" && p.Delay != want.Delay {
					t.Errorf("page %d is shown for %v, want %v", p.Page, p.Delay, want.Delay)
				}
				if c.format != "npy" && math.Abs(p.Meta.DPI[0]-200) > 0.02 {
					t.Errorf("%v: %v dpi", c, p.Meta.DPI)
				}
			}
		}
	}
	// An error of the pages, and a wrong number of them, is an error.
	fail := errors.New("no more")
	for want, pages := range map[error]iter.Seq2[*Picture, error]{
		fail: func(yield func(*Picture, error) bool) { _ = yield(photo(1, 2, 2), nil) && yield(nil, fail) },
		nil:  pagesOf(photo(1, 2, 2)),
	} {
		err := EncodePages(io.Discard, 2, pages, Options{Format: "tiff"})
		if err == nil || want != nil && err != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if err := EncodePages(io.Discard, 2, pagesOf(photo(1, 2, 2), photo(1, 2, 2)), Options{Format: "jpeg"}); err == nil {
		t.Error("a JPEG of two pages")
	}
	if err := EncodePages(io.Discard, 2, pagesOf(photo(1, 2, 2), photo(1, 2, 3)), Options{Format: "png"}); err == nil {
		t.Error("an animated PNG of two sizes")
	}
}

func TestClipped(t *testing.T) {
	p := &Picture{Image: operators.Image{Shape: operators.Shape{C: 1, H: 1, W: 8}, Pix: []float32{-0.5, -0.001, 0, 0.5, 1, 1.001, 1.01, 3000}}}
	for format, want := range map[string]float64{"png": 3. / 8, "tiff": 3. / 8, "npy": 0} {
		if got := Clipped(p, Options{Format: format}, 0); got != want {
			t.Errorf("%s: %v, want %v", format, got, want)
		}
	}
	p.Bits = 32 // goes into a TIFF as floats, into a PNG with 16 bits
	for format, want := range map[string]float64{"png": 5. / 8, "tiff": 0} {
		if got := Clipped(p, Options{Format: format}, 0); got != want {
			t.Errorf("%s of floats: %v, want %v", format, got, want)
		}
	}
	for _, b := range []int{0, 32} {
		var out bytes.Buffer
		if err := Encode(&out, p, Options{Format: "tiff", Bits: b}); err != nil {
			t.Fatal(err)
		}
		q, err := Decode(&out, "floats")
		if err != nil || fmt.Sprint(q.Pix) != fmt.Sprint(p.Pix) {
			t.Errorf("%v, %v; want %v", q.Pix, err, p.Pix)
		}
	}
}

// BenchmarkWrite writes a 12-megapixel colour picture.
func BenchmarkWrite(b *testing.B) {
	p := photo(3, 3000, 4000)
	for _, format := range []string{"png", "tiff"} {
		for _, compression := range []string{"fast", "small"} {
			for _, workers := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/%s/workers=%d", format, compression, workers), func(b *testing.B) {
					n := counter(0)
					b.SetBytes(int64(len(p.Pix)))
					for range b.N {
						n = 0
						if err := Encode(&n, p, Options{Format: format, Compression: compression, Workers: workers}); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(n)/float64(len(p.Pix)), "bytes/sample")
				})
			}
		}
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// Four bytes at a time are filtered as one by one.
func TestPaethFour(t *testing.T) {
	check := func(x, a, b, c [4]byte) {
		le := binary.LittleEndian
		var got [4]byte
		le.PutUint32(got[:], paethFour(le.Uint32(x[:]), le.Uint32(a[:]), le.Uint32(b[:]), le.Uint32(c[:])))
		for i := range got {
			if want := x[i] - paeth(a[i], b[i], c[i]); got[i] != want {
				t.Fatalf("%d with %d to the left, %d above and %d above left: %d, want %d", x[i], a[i], b[i], c[i], got[i], want)
			}
		}
	}
	ends := []byte{0, 1, 127, 128, 254, 255}
	for _, a := range ends {
		for _, b := range ends {
			for _, c := range ends {
				check([4]byte{7, 0, 255, 128}, [4]byte{a, b, c, a}, [4]byte{b, c, a, b}, [4]byte{c, a, b, c})
			}
		}
	}
	rng := rand.New(rand.NewPCG(4, 5))
	for range 200000 {
		var v [4][4]byte
		for i := range v {
			binary.LittleEndian.PutUint32(v[i][:], rng.Uint32())
		}
		check(v[0], v[1], v[2], v[3])
	}
}
