package imageio

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
)

// Options say how a picture is written. The zero value keeps what the picture
// came with.
type Options struct {
	// Format is png, jpeg, tiff or npy; by default the path's extension says.
	Format string
	// Bits is 8 or 16; by default 16 for pictures of 16 bits, else 8. JPEG has
	// 8 and .npy is float32 whatever is asked.
	Bits int
	// Quality is JPEG's, 1 to 100, by default 95.
	Quality int
}

// formats are those that can be written, with their extensions; the first is
// given to new files.
var formats = []struct {
	name       string
	extensions []string
}{
	{"png", []string{".png"}},
	{"jpeg", []string{".jpg", ".jpeg", ".jpe"}},
	{"tiff", []string{".tif", ".tiff"}},
	{"npy", []string{".npy"}},
}

// FormatOf returns the format that a path's extension names among those that
// can be written: png, jpeg, tiff or npy.
func FormatOf(path string) (string, error) {
	ext := strings.ToLower(filepath.Ext(path))
	for _, f := range formats {
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
	for _, f := range formats {
		if f.name == format {
			return f.extensions[0]
		}
	}
	return ""
}

// KeepsAlpha reports whether a format can hold an alpha channel.
func KeepsAlpha(format string) bool { return format == "png" || format == "tiff" }

// Write writes p to path, all of it or nothing (see [Atomic]).
func Write(path string, p *Picture, o Options) error {
	if o.Format == "" {
		format, err := FormatOf(path)
		if err != nil {
			return err
		}
		o.Format = format
	}
	return Atomic(path, func(w io.Writer) error { return Encode(w, p, o) })
}

// Encode writes p to w; o.Format must be set.
func Encode(w io.Writer, p *Picture, o Options) error {
	if o.Format == "npy" {
		return encodeNpyPicture(w, p)
	}
	for _, v := range p.Pix {
		if v != v {
			return errors.New("the picture has samples that are not numbers (NaN)")
		}
	}
	bits := o.Bits
	switch bits {
	case 0:
		bits = 8
		if p.Bits == 16 {
			bits = 16
		}
	case 8, 16:
	default:
		return fmt.Errorf("%d bits a sample: use 8 or 16", bits)
	}
	switch o.Format {
	case "png":
		return encodePNG(w, p, bits)
	case "tiff":
		return encodeTIFF(w, p, bits)
	case "jpeg":
		quality := o.Quality
		if quality == 0 {
			quality = 95
		}
		if quality < 1 || quality > 100 {
			return fmt.Errorf("JPEG quality %d: use 1 to 100", quality)
		}
		if p.W > math.MaxUint16 || p.H > math.MaxUint16 {
			return errors.New("JPEG holds at most 65535x65535 pixels")
		}
		return encodeJPEG(w, p, quality)
	}
	return fmt.Errorf("cannot write format %q: use png, jpeg, tiff or npy", o.Format)
}

// level is v in [0,1], clipped and rounded to 0..max.
func level(v float32, max float64) uint32 {
	return uint32(math.Min(math.Max(float64(v), 0), 1)*max + 0.5)
}

// A packer lays rows of a picture out as the integers of a file, interleaved,
// alpha last.
type packer struct {
	p      *Picture
	bits   int
	little bool // byte order of 16-bit samples
	colour bool // three channels, whatever the picture has
}

func newPacker(p *Picture, bits int) *packer { return &packer{p: p, bits: bits, colour: p.C == 3} }

func (k *packer) channels() int {
	n := 1
	if k.colour {
		n = 3
	}
	if k.p.Alpha != nil {
		n++
	}
	return n
}

func (k *packer) pixelBytes() int { return k.channels() * k.bits / 8 }

// row writes row y to dst, p.W*pixelBytes() long.
func (k *packer) row(dst []byte, y int) {
	n, w := k.channels(), k.p.W
	colours := n
	if k.p.Alpha != nil {
		colours--
		for x, a := range k.p.Alpha[y*w : (y+1)*w] {
			k.put(dst, x*n+colours, uint32(a)>>(16-k.bits))
		}
	}
	for c := range colours {
		for x, v := range k.p.Plane(min(c, k.p.C-1))[y*w : (y+1)*w] {
			k.put(dst, x*n+c, level(v, float64(uint32(1)<<k.bits-1)))
		}
	}
}

func (k *packer) put(dst []byte, i int, v uint32) {
	switch {
	case k.bits == 8:
		dst[i] = byte(v)
	case k.little:
		dst[2*i], dst[2*i+1] = byte(v), byte(v>>8)
	default:
		dst[2*i], dst[2*i+1] = byte(v>>8), byte(v)
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
