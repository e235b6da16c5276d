package imageio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
)

// Options say how a picture is written. The zero value keeps what the picture
// came with.
type Options struct {
	// Format is png, jpeg, tiff, npy, pfm, exr, fits or dicom; by default the path's
	// extension says.
	Format string
	// Bits is 8, 16 or, in a TIFF, 32 for floats. By default that of the
	// picture, with 16 in a PNG for pictures of 32. OpenEXR has 16 for half
	// floats, by default where the picture came with them and they hold its
	// samples, or 32. JPEG has 8, the other formats floats or what they were
	// read with.
	Bits int
	// Quality is JPEG's, 1 to 100, by default 95.
	Quality int
	// Compression of PNG, TIFF and OpenEXR is fast, the default, or small.
	Compression string
	// Workers is the number of goroutines that compress, by default all cores.
	Workers int
}

func (o Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// bits is the depth that p is written with, 32 for floats.
func (o Options) bits(p *Picture) (int, error) {
	switch o.Format {
	case "jpeg":
		return 8, nil
	case "npy", "pfm", "fits", "dicom":
		return 32, nil
	case "exr":
		switch {
		case o.Bits == 8:
			return 0, errors.New("OpenEXR has 16 or 32 bits a sample, half floats or floats")
		case o.Bits == 16, o.Bits == 0 && p.Number == "f2" && clipped(p, -maxHalf, maxHalf) == 0:
			return 16, nil
		}
		return 32, nil
	}
	switch {
	case o.Bits == 32 && o.Format == "png":
		return 0, errors.New("PNG has 8 or 16 bits a sample: use .tif or .npy for floats")
	case o.Bits == 8, o.Bits == 16, o.Bits == 32:
		return o.Bits, nil
	case o.Bits != 0:
		return 0, fmt.Errorf("%d bits a sample: use 8 or 16, or 32 in a TIFF", o.Bits)
	case p.Bits == 32 && o.Format == "tiff":
		return 32, nil
	case p.Bits >= 16:
		return 16, nil
	}
	return 8, nil
}

// Clipped is the share of p's samples, from 0 to 1, that lie outside what a
// file written with o can hold by more than a part margin of its range, and
// come out as its nearest number. Those less than half a level outside are
// rounded, not clipped.
func Clipped(p *Picture, o Options, margin float64) float64 {
	bits, err := o.bits(p)
	if err != nil || len(p.Pix) == 0 {
		return 0
	}
	low, high := 0.0, 1.0
	switch half := 0.5 / (math.Ldexp(1, bits) - 1); {
	case o.Format == "dicom":
		low, high = dicomRange(p)
	case o.Format == "exr" && bits == 16:
		low, high = -maxHalf, maxHalf
	case bits == 32:
		return 0
	default:
		low, high = -half, 1+half
	}
	if extra := margin * (high - low); extra > 0 && !math.IsInf(extra, 0) {
		low, high = low-extra, high+extra
	}
	return float64(clipped(p, low, high)) / float64(len(p.Pix))
}

// clipped is how many samples lie outside of low to high.
func clipped(p *Picture, low, high float64) (n int) {
	for _, v := range p.Pix {
		if float64(v) < low || float64(v) > high {
			n++
		}
	}
	return n
}

// written are the formats that can be written, with their extensions; the
// first is given to new files.
var written = []struct {
	name       string
	extensions []string
}{
	{"png", []string{".png", ".apng"}},
	{"jpeg", []string{".jpg", ".jpeg", ".jpe", ".jfif"}},
	{"tiff", []string{".tif", ".tiff"}},
	{"npy", []string{".npy"}},
	{"pfm", []string{".pfm"}},
	{"exr", []string{".exr"}},
	{"fits", []string{".fits", ".fit", ".fts"}},
	{"dicom", []string{".dcm"}},
}

// FormatOf returns the format that a path's extension names among those that
// can be written: png, jpeg, tiff, npy, pfm, exr, fits or dicom.
func FormatOf(path string) (string, error) {
	ext := strings.ToLower(filepath.Ext(path))
	for _, f := range written {
		if slices.Contains(f.extensions, ext) {
			return f.name, nil
		}
	}
	if ext == "" {
		return "", fmt.Errorf("%s: no extension says which format to write: use .png, .jpg, .tif or .npy", path)
	}
	return "", fmt.Errorf("%s: cannot write %s: use .png, .jpg, .tif or .npy", path, ext)
}

// ExtensionOf returns the extension of new files of a format that can be
// written, such as ".jpg" for jpeg; "" for others.
func ExtensionOf(format string) string {
	for _, f := range written {
		if f.name == format {
			return f.extensions[0]
		}
	}
	return ""
}

// KeepsAlpha reports whether a format can hold an alpha channel.
func KeepsAlpha(format string) bool {
	return format == "png" || format == "tiff" || format == "exr"
}

// KeepsPages reports whether a format can hold several pages: TIFF, .npy,
// FITS, DICOM, and PNG as an animation.
func KeepsPages(format string) bool { return format != "jpeg" && format != "pfm" && format != "exr" }

// Write writes p to path, all of it or nothing (see [Atomic]).
func Write(path string, p *Picture, o Options) error {
	return WritePages(path, 1, one(p), o)
}

// Encode writes p to w; o.Format must be set.
func Encode(w io.Writer, p *Picture, o Options) error { return EncodePages(w, 1, one(p), o) }

func one(p *Picture) iter.Seq2[*Picture, error] {
	return func(yield func(*Picture, error) bool) { yield(p, nil) }
}

// WritePages writes n pages to one file, all of it or nothing: a TIFF of n
// pages, an array of n slices, an animated PNG. A page is asked for when those
// before it are written, so one at a time is in memory. An error that pages
// yields is returned.
func WritePages(path string, n int, pages iter.Seq2[*Picture, error], o Options) error {
	if o.Format == "" {
		format, err := FormatOf(path)
		if err != nil {
			return err
		}
		o.Format = format
	}
	return Atomic(path, func(w io.Writer) error { return EncodePages(w, n, pages, o) })
}

// A pageWriter writes pages one by one.
type pageWriter interface {
	page(p *Picture) error
	close() error
}

// EncodePages writes n pages to w as [WritePages] does; o.Format must be set.
func EncodePages(w io.Writer, n int, pages iter.Seq2[*Picture, error], o Options) error {
	if o.Compression != "" && o.Compression != "fast" && o.Compression != "small" {
		return fmt.Errorf("compression %q: use fast or small", o.Compression)
	}
	if n > 1 && !KeepsPages(o.Format) {
		return fmt.Errorf("%s holds one picture, not %d pages: use .tif, .npy or .png", title(o.Format), n)
	}
	b := bufio.NewWriterSize(w, 1<<16)
	var to pageWriter
	done := 0
	for p, err := range pages {
		if err != nil {
			return err
		}
		if done == n {
			return fmt.Errorf("more than %d pages", n)
		}
		for i, v := range p.Pix {
			if v != v && o.Format != "npy" {
				return fmt.Errorf("the picture has samples that are not numbers (NaN), the first is %d", i)
			}
		}
		if to == nil {
			if to, err = newPageWriter(b, p, n, o); err != nil {
				return err
			}
		}
		if err := to.page(p); err != nil {
			return err
		}
		done++
	}
	if done < n || to == nil {
		return fmt.Errorf("%d of %d pages", done, n)
	}
	if err := to.close(); err != nil {
		return err
	}
	return b.Flush()
}

func newPageWriter(w io.Writer, first *Picture, n int, o Options) (pageWriter, error) {
	bits, err := o.bits(first)
	if err != nil {
		return nil, err
	}
	switch o.Format {
	case "png":
		return &pngWriter{w: w, o: o, bits: bits, pages: n}, nil
	case "tiff":
		return &tiffWriter{w: w, o: o, bits: bits, left: n}, nil
	case "jpeg":
		return &jpegWriter{w, o.Quality}, nil
	case "npy":
		return &npyWriter{w: w, pages: n}, nil
	case "pfm":
		return &pfmWriter{w}, nil
	case "exr":
		return &exrWriter{w, o, bits}, nil
	case "dicom":
		return &dicomWriter{w: w, pages: n}, nil
	case "fits":
		return &fitsWriter{w: w, pages: n}, nil
	}
	return nil, fmt.Errorf("cannot write format %q: use png, jpeg, tiff or npy", o.Format)
}

// level is v in [0,1], clipped and rounded to 0..max.
func level(v float32, max float64) uint32 {
	switch x := float64(v)*max + 0.5; {
	case !(x > 0): // NaN as well
		return 0
	case x >= max+0.5:
		return uint32(max)
	default:
		return uint32(x)
	}
}

// A packer lays rows of a picture out as the numbers of a file, interleaved,
// alpha last.
type packer struct {
	p      *Picture
	bits   int  // 8 or 16 for unsigned integers, 32 for floats
	little bool // byte order
	colour bool // three channels, whatever the picture has
	alpha  bool // opacity, opaque when the picture has none
}

func newPacker(p *Picture, bits int) *packer {
	return &packer{p: p, bits: bits, colour: p.C == 3, alpha: p.Alpha != nil}
}

func (k *packer) channels() int {
	n := 1
	if k.colour {
		n = 3
	}
	if k.alpha {
		n++
	}
	return n
}

func (k *packer) pixelBytes() int { return k.channels() * k.bits / 8 }

// row writes row y to dst, p.W*pixelBytes() long.
func (k *packer) row(dst []byte, y int) {
	n, w := k.channels(), k.p.W
	colours := n
	if k.alpha {
		colours--
		for x := range w {
			a := uint16(0xffff)
			if k.p.Alpha != nil {
				a = k.p.Alpha[y*w+x]
			}
			if k.bits == 32 {
				k.put(dst, x*n+colours, math.Float32bits(float32(a)/65535))
			} else {
				k.put(dst, x*n+colours, uint32(a)>>(16-k.bits))
			}
		}
	}
	for c := range colours {
		from := min(c, k.p.C-1)
		row := k.p.Plane(from)[y*w : (y+1)*w]
		switch k.bits {
		case 8:
			at := dst[c:]
			for x, v := range row {
				if u := float64(v)*255 + 0.5; u >= 0 && u < 256 { // level, where nothing is clipped
					at[x*n] = byte(u)
				} else {
					at[x*n] = byte(level(v, 255))
				}
			}
		case 16:
			for x, v := range row {
				k.put(dst, x*n+c, level(v, 65535))
			}
		case 32:
			for x, v := range row {
				if m := k.p.Missing; m != nil && m[(from*k.p.H+y)*w+x] {
					v = float32(math.NaN())
				}
				k.put(dst, x*n+c, math.Float32bits(v))
			}
		}
	}
}

func (k *packer) put(dst []byte, i int, v uint32) {
	switch {
	case k.bits == 8:
		dst[i] = byte(v)
	case k.bits == 16 && k.little:
		binary.LittleEndian.PutUint16(dst[2*i:], uint16(v))
	case k.bits == 16:
		binary.BigEndian.PutUint16(dst[2*i:], uint16(v))
	case k.little:
		binary.LittleEndian.PutUint32(dst[4*i:], v)
	default:
		binary.BigEndian.PutUint32(dst[4*i:], v)
	}
}

// profileFor is p's profile if it is one for as many channels as p has: a
// picture that was made gray, or came from CMYK, has lost its profile's
// colour space.
func profileFor(p *Picture) []byte {
	want := "RGB "
	if p.Gray() {
		want = "GRAY"
	}
	if len(p.ICC) < 128 || string(p.ICC[16:20]) != want {
		return nil
	}
	return p.ICC
}

// Atomic is [atomicfile.Write] with errors of this package's form, one line
// that begins with the path.
func Atomic(path string, write func(io.Writer) error) error {
	err := atomicfile.Write(path, write)
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Op == "create" && pe.Path == path {
		return fmt.Errorf("%s: cannot be written: %w", path, pe.Err)
	}
	return fmt.Errorf("%s: %w", path, reason(err))
}
