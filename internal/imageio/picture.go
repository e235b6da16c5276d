package imageio

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"time"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
	"github.com/lpn-imaging/lpn/operators"
)

// A Picture is an image with what its file said besides the samples.
type Picture struct {
	operators.Image
	// Bits is the depth that the picture is worth: 8, 16, or 32 for floats and
	// for integers that [0,1] does not fit.
	Bits int
	// Number is the type of the file's numbers as NumPy names it: u1, u2, i2,
	// i4, f4, ...; empty for a picture that came from no file.
	Number string
	// Scale turns samples into the file's numbers: number = Scale * Pix. It is
	// 255 or 65535 for unsigned integers of up to 16 bits, which are divided by
	// their largest value, and 1 for all others, which are taken as they are:
	// signed and 32-bit integers, floats, the Hounsfield units of DICOM, the
	// physical values of FITS.
	Scale float64
	// Low and High are the ends of the scale that the file declares, in the
	// units of Pix: 0 and 1 for unsigned integers of up to 16 bits, the bounds
	// of the type for other integers, both 0 for floats: there only the samples
	// tell (see [Picture.Extent]).
	Low, High float64
	// Linear says that the samples are proportional to light, as in PFM and OpenEXR.
	Linear bool
	// Alpha is nil, or the opacity of pixel (y,x) at [y*W+x], 65535 being
	// opaque. Samples are not premultiplied by it. An 8-bit file's values are
	// repeated into both bytes, so they return exactly.
	Alpha []uint16
	// Missing is nil, or says for each sample whether the file had no number
	// there (NaN, BLANK, a GIS file's no-data value). Pix then holds that of a
	// neighbour, and a TIFF of floats, FITS, PFM or OpenEXR is written with NaN again.
	Missing []bool
	// ICC is the embedded colour profile, nil when there is none.
	ICC []byte
	// JPEG is what the file kept of the picture, nil where it was no JPEG of
	// one or three components.
	JPEG *Coefficients
	// Meta is what else the file says.
	Meta Meta
	// Format is the format of the file it was read from, such as png or fits.
	Format string
	// Page is the number of the page, from 0, and Pages how many the file has.
	Page, Pages int
	// Delay is how long the page of an animation is shown.
	Delay time.Duration
}

// Native reports whether Pix holds the numbers of the file in units of its
// own, so that [0,1] means nothing in particular.
func (p *Picture) Native() bool { return p.Number != "" && (p.Low != 0 || p.High != 1) }

// Extent returns the least and the largest sample that is not missing.
func (p *Picture) Extent() (low, high float32) {
	first := true
	for i, v := range p.Pix {
		switch {
		case p.Missing != nil && p.Missing[i]:
		case first:
			low, high, first = v, v, false
		default:
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

// typed notes the type of the file's numbers: u, i or f with its bits.
func (p *Picture) typed(kind byte, bits int) {
	p.Number = string(kind) + string('0'+rune((bits+7)/8))
	p.Bits, p.Scale, p.Low, p.High = 32, 1, 0, 0
	switch {
	case kind == 'f':
	case kind == 'i':
		p.Low, p.High = -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1)-1
	case bits > 16:
		p.High = math.Ldexp(1, bits) - 1
	default:
		p.Bits, p.Scale, p.High = 8, math.Ldexp(1, bits)-1, 1
		if bits > 8 {
			p.Bits = 16
		}
	}
}

// absent finds the samples that are no numbers (NaN) or stand for none, and
// gives them the values of neighbours. Infinity is an error.
func (p *Picture) absent(none []byte) error {
	value, known := noData(none)
	for i, v := range p.Pix {
		switch {
		case v != v, known && float32(math.Round(float64(v)*p.Scale)) == value && p.Scale != 1, known && v == value && p.Scale == 1:
			if p.Missing == nil {
				p.Missing = make([]bool, len(p.Pix))
			}
			p.Missing[i] = true
		case v-v != 0:
			return fmt.Errorf("sample %d is %v: every sample must be a finite number", i, v)
		}
	}
	if p.Missing == nil {
		return nil
	}
	n := p.H * p.W
	for c := range p.C {
		fillMissing(p.Plane(c), p.Missing[c*n:(c+1)*n], p.W)
	}
	return nil
}

// fillMissing gives each missing sample the value of the one before it in its
// row, else the one behind it, and a row without any that of the row above,
// else below; 0 where nothing is known.
func fillMissing(pix []float32, missing []bool, w int) {
	rows := len(pix) / w
	known := make([]bool, rows)
	for y := range rows {
		row, gone := pix[y*w:(y+1)*w], missing[y*w:(y+1)*w]
		last := -1
		for x := range row {
			switch {
			case !gone[x]:
				for k := last + 1; k < x && last < 0; k++ {
					row[k] = row[x]
				}
				last, known[y] = x, true
			case last >= 0:
				row[x] = row[last]
			default:
				row[x] = 0
			}
		}
	}
	above := -1
	for y := range rows {
		switch {
		case known[y]:
			for k := 0; k < y && above < 0; k++ {
				copy(pix[k*w:(k+1)*w], pix[y*w:(y+1)*w])
			}
			above = y
		case above >= 0:
			copy(pix[y*w:(y+1)*w], pix[above*w:(above+1)*w])
		}
	}
}

// Gray reports whether p has one channel.
func (p *Picture) Gray() bool { return p.C == 1 }

// Luma returns p as a gray picture, 0.299 R + 0.587 G + 0.114 B (BT.601);
// p itself when it is gray already.
func (p *Picture) Luma() *Picture {
	if p.Gray() {
		return p
	}
	q := *p
	q.Image = operators.NewImage(operators.Shape{C: 1, H: p.H, W: p.W})
	r, g, b := p.Plane(0), p.Plane(1), p.Plane(2)
	for i := range q.Pix {
		q.Pix[i] = float32(0.299*float64(r[i]) + 0.587*float64(g[i]) + 0.114*float64(b[i]))
	}
	q.ICC = nil
	if p.JPEG != nil {
		q.JPEG = p.JPEG.Luma()
	}
	if p.Missing != nil {
		n := p.H * p.W
		q.Missing = make([]bool, n)
		for i, gone := range p.Missing {
			q.Missing[i%n] = q.Missing[i%n] || gone
		}
	}
	return &q
}

// Extensions are those of the files that Read reads, in lower case, by which a
// folder is searched.
var Extensions = append([]string{".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".npy",
	".pgm", ".ppm", ".pfm", ".exr", ".fits", ".fit", ".fts", ".dcm"}, avifExtensions...)

// maxSamples is the largest picture that is read: more samples than this do
// not fit the sizes that the formats and the solvers can handle.
const maxSamples = 1 << 31

// An Error is a file that cannot be read as a picture.
type Error struct {
	Name string // the file, as the caller named it
	Err  error  // what is wrong with it, or an [Unsupported]
}

func (e *Error) Error() string {
	var u *Unsupported
	if errors.As(e.Err, &u) {
		return e.Name + ": " + e.Err.Error()
	}
	return e.Name + ": not an image that lpn reads: " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// An Unsupported is a sound file of a kind that is not read.
type Unsupported struct {
	What   string // such as "an AVIF picture"
	Advice string // what to do about it
}

func (u *Unsupported) Error() string { return u.What + " is not supported: " + u.Advice }

func unsupported(what, advice string) error { return &Unsupported{what, advice} }

// Read reads the picture in the file at path, the first page of several. The
// error is an [*Error] when the file was there but is no picture.
func Read(path string) (*Picture, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Page(0)
}

// open opens path for reading, with errors that name the file once.
func open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, reason(err))
	}
	if st, err := f.Stat(); err == nil && st.IsDir() {
		f.Close()
		return nil, fmt.Errorf("%s: is a folder, not a file", path)
	}
	return f, nil
}

// reason is an error of os without operation and path.
func reason(err error) error { return atomicfile.Reason(err) }

// Decode reads a picture from r, which name describes in errors.
func Decode(r io.Reader, name string) (*Picture, error) {
	f, err := NewFile(r, name)
	if err != nil {
		return nil, err
	}
	return f.Page(0)
}

// readAll is io.ReadAll for a stream of size bytes, -1 when unknown, which it
// reads without growing the memory step by step.
func readAll(r io.Reader, size int64) ([]byte, error) {
	var b bytes.Buffer
	if size > 0 && size <= maxFile {
		b.Grow(int(size) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(r, maxFile+1))
	if err == nil && n > maxFile {
		err = fmt.Errorf("longer than the limit of %d GiB", maxFile>>30)
	}
	return b.Bytes(), err
}

// maxFile is the longest raster file that is read, in bytes.
const maxFile = 8 << 30

// remaining is the number of bytes left in r, -1 when it cannot tell.
func remaining(r io.Reader) int64 {
	switch r := r.(type) {
	case interface{ Len() int }: // bytes.Reader, bytes.Buffer, strings.Reader
		return int64(r.Len())
	case *os.File:
		st, err := r.Stat()
		if err != nil || !st.Mode().IsRegular() {
			return -1
		}
		at, err := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return -1
		}
		return st.Size() - at
	}
	return -1
}

// checkSize refuses a header that promises more than maxSamples, or more
// pixels than bytes of data could encode at perByte pixels each.
func checkSize(channels, h, w int, bytes, perByte int64) error {
	if h > 0 && int64(w) > maxSamples/int64(h)/int64(channels) {
		return fmt.Errorf("%dx%d pixels are more than the limit of 2^31 samples", w, h)
	}
	return checkPromise(h, w, bytes, perByte)
}

// checkPromise is checkSize for pictures of any size.
func checkPromise(h, w int, bytes, perByte int64) error {
	if h <= 0 || w <= 0 {
		return fmt.Errorf("the header gives a size of %dx%d pixels", w, h)
	}
	if int64(h)*int64(w)/perByte > bytes {
		return fmt.Errorf("the header promises %dx%d pixels, which %d bytes cannot hold", w, h, bytes)
	}
	return nil
}

// channelsOf is 1 for gray colour models, 3 for all others.
func channelsOf(cfg image.Config) int {
	if isGray(cfg.ColorModel) {
		return 1
	}
	return 3
}

// With is p with other samples. What goes with them follows where the size changed: of a
// picture that was cut (crop), the opacity of the middle, of k extra rows k - (k+1)/2 before
// it; of one that was scaled, the opacity interpolated like a gray picture, aligned with
// the colours, and the resolution.
func (p *Picture) With(m operators.Image, crop bool) *Picture {
	q := *p
	q.Image = m
	if m.Shape == p.Shape {
		return &q
	}
	q.Missing = nil
	if m.H == p.H && m.W == p.W {
		return &q
	}
	if !crop {
		q.Meta.Scale(float64(m.W)/float64(p.W), float64(m.H)/float64(p.H))
		q.Alpha = ResizeAlpha(p.Alpha, p.H, p.W, m.H, m.W)
		return &q
	}
	if p.Alpha == nil {
		return &q
	}
	q.Alpha = make([]uint16, m.H*m.W)
	before := func(k int) int { return k - (k+1)/2 }
	dy, dx := before(p.H-m.H), before(p.W-m.W)
	for y := range m.H {
		copy(q.Alpha[y*m.W:(y+1)*m.W], p.Alpha[(y+dy)*p.W+dx:])
	}
	return &q
}
