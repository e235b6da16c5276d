package imageio

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"

	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/operators"
)

// A Picture is an image with what its file said besides the samples.
type Picture struct {
	operators.Image
	// Bits is the depth of the file's samples: 8, 16, or 32 for floats.
	Bits int
	// Alpha is nil, or the opacity of pixel (y,x) at [y*W+x], 65535 being
	// opaque. Samples are not premultiplied by it. An 8-bit file's values are
	// repeated into both bytes, so they return exactly.
	Alpha []uint16
	// ICC is the embedded colour profile, nil when there is none.
	ICC []byte
	// JPEG is what the file kept of the picture, nil where it was no JPEG of
	// one or three components.
	JPEG *Coefficients
	// Format is the format of the file it was read from: png, jpeg, tiff,
	// bmp, webp, gif or npy.
	Format string
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
	return &q
}

// Extensions are those of the files that Read reads, in lower case, by which a
// folder is searched.
var Extensions = []string{".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".npy"}

// maxSamples is the largest picture that is read: more samples than this do
// not fit the sizes that the formats and the solvers can handle.
const maxSamples = 1 << 31

// An Error is a file that cannot be read as a picture.
type Error struct {
	Name string // the file, as the caller named it
	Err  error  // what is wrong with it
}

func (e *Error) Error() string { return e.Name + ": not an image that lpn reads: " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Read reads the picture in the file at path. The error is an [*Error] when
// the file was there but is no picture.
func Read(path string) (*Picture, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Decode(f, path)
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

// reason strips the operation and path that os puts before an error.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}

// Decode reads a picture from r, which name describes in errors.
func Decode(r io.Reader, name string) (*Picture, error) {
	p, err := decode(r)
	if err != nil {
		return nil, &Error{name, err}
	}
	return p, nil
}

func decode(r io.Reader) (*Picture, error) {
	size := remaining(r)
	head := make([]byte, magicLen)
	n, err := io.ReadFull(r, head)
	switch {
	case n == 0 && err == io.EOF:
		return nil, errors.New("the file is empty")
	case err != nil && err != io.ErrUnexpectedEOF:
		return nil, reason(err)
	}
	head = head[:n]
	r = io.MultiReader(bytes.NewReader(head), r)
	// Arrays are streamed: at 8 bytes a sample they are the largest files.
	if bytes.HasPrefix(head, []byte(npy.Magic)) {
		return decodeNpy(r, size)
	}
	// A stream that is no picture may have no end.
	if sniff(head) == nil {
		return nil, errNoPicture
	}
	data, err := readAll(r, size)
	if err != nil {
		return nil, reason(err)
	}
	return decodeRaster(data)
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
	if h <= 0 || w <= 0 {
		return fmt.Errorf("the header gives a size of %dx%d pixels", w, h)
	}
	if int64(w) > maxSamples/int64(h)/int64(channels) {
		return fmt.Errorf("%dx%d pixels are more than the limit of 2^31 samples", w, h)
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
