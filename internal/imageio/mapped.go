package imageio

import (
	"fmt"
	"image"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/lpn-imaging/lpn/operators"
)

// A Mapped is a picture of any size that is read part by part: an .npy in C order, or a
// TIFF whose tiles or strips are short, of one page and upright. The file is mapped into
// memory where the system can, so that of a picture of gigapixels only what is asked for
// is read and held. Goroutines may share it.
type Mapped struct {
	// Frame is the picture with its shape and all that its file says, without samples.
	// Its Alpha is empty, not nil, where the file has opacity.
	Frame Picture

	name  string
	part  func(r image.Rectangle) (*Picture, error)
	close func() error
}

// mostSamples bounds a Mapped: its samples can be counted, and their bytes.
const mostSamples = math.MaxInt / 16

// longestBlock is the longest tile or strip of a Mapped in bytes: all of it is decoded
// for a part of it.
const longestBlock = 256 << 20

// Map opens the file at path. An [*Unsupported] within the error says that the file is to
// be read as a whole, by [Open]: that it is of another format or has several pages.
func Map(path string) (*Mapped, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = unsupported("reading a part of what is no regular file", "read it as a whole")
	}
	if err != nil {
		f.Close()
		return nil, &Error{path, reason(err)}
	}
	r, unmap, err := mapFile(f, st.Size())
	if err != nil { // read here and there, it takes as little memory
		r, unmap = f, func() error { return nil }
	}
	m := &Mapped{name: path, close: sync.OnceValue(func() error {
		err := unmap()
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		return err
	})}
	if err := m.open(r, st.Size()); err != nil {
		m.close()
		return nil, &Error{path, err}
	}
	runtime.AddCleanup(m, func(end func() error) { end() }, m.close)
	return m, nil
}

// open finds out how the file is read, and reads all but the samples.
func (m *Mapped) open(r io.ReaderAt, size int64) error {
	head := make([]byte, min(size, magicLen))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return reason(err)
	}
	f, err := sniff(head)
	if err != nil {
		return err
	}
	var shape operators.Shape
	err = m.guarded(f.name, func() error {
		switch f.name {
		case "npy":
			shape, err = m.openNpy(r, size)
		case "tiff":
			shape, err = m.openTIFF(r, size)
		default:
			err = unsupported(fmt.Sprintf("reading a part of %s", title(f.name)), "use a tiled TIFF or .npy")
		}
		return err
	})
	if err != nil {
		return err
	}
	p, err := m.Part(image.Rect(0, 0, 1, 1))
	if err != nil {
		return err.(*Error).Err
	}
	m.Frame = *p
	m.Frame.Shape = operators.Shape{C: p.C, H: shape.H, W: shape.W}
	m.Frame.Pix, m.Frame.Missing, m.Frame.Format, m.Frame.Pages = nil, nil, f.name, 1
	if p.Alpha != nil {
		m.Frame.Alpha = []uint16{}
	}
	return nil
}

func (m *Mapped) openNpy(r io.ReaderAt, size int64) (operators.Shape, error) {
	s, err := openNpyOf(r, size, mostSamples)
	if err != nil {
		return operators.Shape{}, err
	}
	if s.Fortran && len(s.Shape) > 1 || s.pages != 1 {
		return operators.Shape{}, unsupported("reading a part of a .npy in Fortran order or of several pages", "save one picture in C order")
	}
	m.part = s.window
	return s.shape, checkPromise(s.shape.H, s.shape.W, math.MaxInt64, 1)
}

func (m *Mapped) openTIFF(r io.ReaderAt, size int64) (operators.Shape, error) {
	none := operators.Shape{}
	src, err := openTIFF(r, size)
	if err != nil {
		return none, err
	}
	f := src.(*tiffFile)
	if f.Pages() != 1 {
		return none, unsupported("reading a part of a TIFF of several pages", "save one picture")
	}
	d, err := f.directory(f.pages[0])
	if err != nil {
		return none, damaged("TIFF", err)
	}
	k, err := f.layout(d)
	if err != nil {
		return none, err
	}
	if turned := f.number(d, tagOrientation, 1); turned > 1 || k.blockBytes() > longestBlock || k.h > mostSamples/k.w/k.channels {
		return none, unsupported("reading a part of a TIFF that is turned or has long strips", "save it in tiles")
	}
	m.part = func(r image.Rectangle) (*Picture, error) { return f.picture(d, k, r) }
	return operators.Shape{H: k.h, W: k.w}, nil
}

// guarded is the function of that name for memory that is a file: if that was cut off
// meanwhile, the system can give no bytes.
func (m *Mapped) guarded(format string, f func() error) error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return guarded(format, f)
}

// Shape is that of the picture.
func (m *Mapped) Shape() operators.Shape { return m.Frame.Shape }

// Part reads the pixels of r, with their opacity and what the file says. Samples that
// are missing get the values of neighbours in the part. It panics where r is empty or not
// within the picture; the error is an [*Error].
func (m *Mapped) Part(r image.Rectangle) (*Picture, error) {
	if s := m.Frame.Shape; r.Empty() || s.Len() > 0 && !r.In(image.Rect(0, 0, s.W, s.H)) {
		panic(fmt.Sprintf("imageio: a part %v of a picture of %dx%d pixels", r, s.W, s.H))
	}
	var p *Picture
	err := m.guarded(m.Frame.Format, func() (err error) {
		p, err = m.part(r)
		return err
	})
	if err != nil {
		return nil, &Error{m.name, err}
	}
	p.Format, p.Pages = m.Frame.Format, 1
	runtime.KeepAlive(m) // the mapping
	return p, nil
}

// ReadAt fills dst with the samples from row y and column x on. It panics where dst has
// other channels.
func (m *Mapped) ReadAt(dst operators.Image, y, x int) error {
	p, err := m.Part(image.Rect(x, y, x+dst.W, y+dst.H))
	if err != nil {
		return err
	}
	if p.Shape != dst.Shape {
		panic(fmt.Sprintf("imageio: %v samples into %v", p.Shape, dst.Shape))
	}
	copy(dst.Pix, p.Pix)
	return nil
}

// sampleSquare is the side of the squares of a sample.
const sampleSquare = 256

// Sample is a picture to decide by, of at most side x side pixels: the whole picture, or
// squares of 256 pixels from places evenly spread over it, put side by side.
func (m *Mapped) Sample(side int) (*Picture, error) {
	h, w := m.Frame.H, m.Frame.W
	if h <= side && w <= side {
		return m.Part(image.Rect(0, 0, w, h))
	}
	// Where the squares of one axis lie: side by side in the sample, and in the picture.
	places := func(n int) (at []int, length int) {
		if n <= side {
			return []int{0}, n
		}
		for i, k := 0, max(side/sampleSquare, 1); i < k; i++ {
			at = append(at, (n-sampleSquare)*i/max(k-1, 1))
		}
		return at, min(sampleSquare, n)
	}
	rows, sh := places(h)
	cols, sw := places(w)
	out := m.Frame
	out.Image = operators.NewImage(operators.Shape{C: m.Frame.C, H: len(rows) * sh, W: len(cols) * sw})
	out.Alpha = nil
	for i, y := range rows {
		for j, x := range cols {
			p, err := m.Part(image.Rect(x, y, x+sw, y+sh))
			if err != nil {
				return nil, err
			}
			for c := range out.C {
				for r := range sh {
					copy(out.Plane(c)[(i*sh+r)*out.W+j*sw:], p.Plane(c)[r*sw:(r+1)*sw])
				}
			}
		}
	}
	return &out, nil
}

// Close lets go of the file, which no goroutine may be reading; a Mapped that nobody has
// any more is closed by itself. Parts that were read stay.
func (m *Mapped) Close() error { return m.close() }
