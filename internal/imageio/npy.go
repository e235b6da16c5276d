package imageio

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"math/bits"
	"strings"

	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/operators"
)

// An Array is an N-dimensional array of float32, last index fastest.
type Array struct {
	Shape []int
	Data  []float32
}

// ReadArray reads a .npy file of float16, float32 or float64 and any shape, in
// either byte order and either memory order. NaN and infinity are refused.
func ReadArray(path string) (*Array, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := DecodeArray(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// DecodeArray reads a .npy array as [ReadArray] does.
func DecodeArray(r io.Reader) (*Array, error) {
	a, err := readNpyHeader(r, remaining(r), maxSamples)
	if err != nil {
		return nil, err
	}
	if a.Kind != npy.Float {
		return nil, fmt.Errorf("its samples are of type %s: want float32 or float64", a.Descr)
	}
	data, err := a.read(r, a.count)
	if err != nil {
		return nil, err
	}
	return &Array{a.Shape, data}, nil
}

// WriteArray writes a to path as a float32 .npy file, all of it or nothing.
func WriteArray(path string, a *Array) error {
	return Atomic(path, func(w io.Writer) error { return EncodeArray(w, a) })
}

// EncodeArray writes a as a float32 .npy array, version 1.0, little-endian.
func EncodeArray(w io.Writer, a *Array) error { return npy.WriteFloats(w, a.Shape, a.Data) }

// A stream is an array whose samples are still to be read.
type stream struct {
	npy.Header
	count int
	whole bool // the stream is known to hold all of it
	gaps  bool // NaN is taken
}

// readNpyHeader reads up to the samples, at most so many. size is the length of the
// stream, -1 when it is not known.
func readNpyHeader(r io.Reader, size int64, most int) (*stream, error) {
	h, err := npy.ReadHeader(r)
	if err != nil {
		return nil, reason(err)
	}
	switch {
	case strings.HasPrefix(h.Descr, "["):
		return nil, unsupported("a .npy of records", "save the numbers as float32, uint8 or uint16")
	case h.Kind == npy.Complex:
		return nil, unsupported("a .npy of complex numbers ("+h.Descr+")", "save the magnitude, or real and imaginary part as two arrays")
	case h.Kind == npy.Float, h.Kind == npy.Bool, h.Kind == npy.Uint, h.Kind == npy.Int:
	default:
		return nil, unsupported(fmt.Sprintf("a .npy of type %.20q", h.Descr), "save the numbers as float32, uint8 or uint16")
	}
	n, ok := h.Len(most)
	if !ok {
		return nil, fmt.Errorf("a .npy of shape %s has more than the limit of 2^%d samples", h.Tuple(), bits.Len(uint(most))-1)
	}
	a := &stream{Header: h, count: n, whole: size >= 0}
	if left := size - int64(h.Before); a.whole && int64(n)*int64(h.Size) > left {
		return nil, fmt.Errorf("damaged .npy: shape %s of %s wants %d bytes, the file has %d",
			a.dims(), h.Descr, int64(n)*int64(h.Size), max(left, 0))
	}
	return a, nil
}

// dims is the shape as 2x3.
func (a *stream) dims() string {
	if len(a.Shape) == 0 {
		return "()"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(a.Shape), " ", "x"), "[]")
}

// scale is what the samples are divided by: the largest number of unsigned
// integers of up to 16 bits.
func (a *stream) scale() float64 {
	if a.Kind == npy.Uint && a.Size <= 2 {
		return math.Ldexp(1, 8*a.Size) - 1
	}
	return 1
}

// read reads n samples, last index fastest: unsigned integers of up to 16 bits
// divided by their largest value, all others as they are. NaN, where it is not a gap,
// and infinity are refused.
func (a *stream) read(r io.Reader, n int) (data []float32, err error) {
	if a.whole {
		data, err = a.FloatsInto(make([]float32, n), r)
	} else {
		data, err = a.Floats(r, n)
	}
	if err != nil {
		return nil, reason(err)
	}
	if white := float32(a.scale()); white != 1 {
		for i, v := range data {
			data[i] = v / white
		}
		return data, nil
	}
	for i, v := range data {
		if v-v != 0 && !(a.gaps && v != v) {
			return nil, fmt.Errorf("sample %d is %v: every sample must be a finite number", i, v)
		}
	}
	return data, nil
}

// An npySource is an array of one picture or a stack of them.
type npySource struct {
	*stream
	r      io.ReaderAt
	pages  int
	shape  operators.Shape
	last   bool // the channels are the last index
	alpha  bool // and behind them is opacity
	sorted []float32
}

// limitNpy ends a stream where the array in it ends.
func limitNpy(r io.Reader) (io.Reader, error) {
	var head bytes.Buffer
	a, err := readNpyHeader(io.TeeReader(r, &head), -1, maxSamples)
	if err != nil {
		return nil, err
	}
	return io.MultiReader(&head, io.LimitReader(r, int64(a.count)*int64(a.Size))), nil
}

// openNpy takes an array for HxW, HxWxC, CxHxW, or pages of it, NxHxW,
// NxHxWxC, NxCxHxW, with C of 1 or 3, the channels last when either could be
// meant; and unsigned integers of HxWx2 and HxWx4 for gray and colour with
// opacity.
func openNpy(r io.ReaderAt, size int64) (source, error) {
	s, err := openNpyOf(r, size, maxSamples)
	if err != nil {
		return nil, err
	}
	if err := checkSize(s.shape.C, s.shape.H, s.shape.W, math.MaxInt64, 1); err != nil {
		return nil, err
	}
	return s, nil
}

// openNpyOf is openNpy of at most so many samples.
func openNpyOf(r io.ReaderAt, size int64, most int) (*npySource, error) {
	a, err := readNpyHeader(io.NewSectionReader(r, 0, size), size, most)
	if err != nil {
		return nil, err
	}
	s := &npySource{stream: a, r: r, pages: 1}
	isC := func(n int) bool { return n == 1 || n == 3 }
	levels := a.scale() != 1
	switch d := a.Shape; {
	case len(d) == 2:
		s.shape = operators.Shape{C: 1, H: d[0], W: d[1]}
	case len(d) == 3 && isC(d[2]):
		s.shape, s.last = operators.Shape{C: d[2], H: d[0], W: d[1]}, true
	case len(d) == 3 && isC(d[0]):
		s.shape = operators.Shape{C: d[0], H: d[1], W: d[2]}
	case len(d) == 3 && levels && (d[2] == 2 || d[2] == 4):
		s.shape, s.last, s.alpha = operators.Shape{C: d[2] - 1, H: d[0], W: d[1]}, true, true
	case len(d) == 3 && d[2] > 4:
		s.pages, s.shape = d[0], operators.Shape{C: 1, H: d[1], W: d[2]}
	case len(d) == 4 && isC(d[3]):
		s.pages, s.shape, s.last = d[0], operators.Shape{C: d[3], H: d[1], W: d[2]}, true
	case len(d) == 4 && isC(d[1]):
		s.pages, s.shape = d[0], operators.Shape{C: d[1], H: d[2], W: d[3]}
	default:
		return nil, fmt.Errorf("an array of shape %s: want HxW, HxWxC or CxHxW with C 1 or 3, or pages of them", a.dims())
	}
	if s.pages < 1 {
		return nil, errors.New("a stack of no pages")
	}
	return s, nil
}

func (s *npySource) Pages() int { return s.pages }

// samples reads those of page i.
func (s *npySource) samples(i int) ([]float32, error) {
	n := s.count / s.pages
	at := int64(s.Before)
	if s.Fortran && s.pages > 1 { // a page lies in all parts of the file
		if s.sorted == nil {
			data, err := s.read(io.NewSectionReader(s.r, at, int64(s.count)*int64(s.Size)), s.count)
			if err != nil {
				return nil, err
			}
			s.sorted = data
		}
		return append([]float32(nil), s.sorted[i*n:(i+1)*n]...), nil
	}
	size := int64(n) * int64(s.Size)
	return s.read(io.NewSectionReader(s.r, at+int64(i)*size, size), n)
}

func (s *npySource) Page(i int) (*Picture, error) {
	data, err := s.samples(i)
	if err != nil {
		return nil, err
	}
	return s.picture(data, s.shape)
}

// interleaved is how many samples of a pixel lie together.
func (s *npySource) interleaved() int {
	switch {
	case s.alpha:
		return s.shape.C + 1
	case s.last:
		return s.shape.C
	}
	return 1
}

// window reads a part of the only page of an array in C order.
func (s *npySource) window(r image.Rectangle) (*Picture, error) {
	n := s.interleaved()
	planes := 1
	if n == 1 {
		planes = s.shape.C
	}
	row := r.Dx() * n
	data := make([]float32, 0, planes*r.Dy()*row)
	for c := range planes {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			at := ((int64(c)*int64(s.shape.H)+int64(y))*int64(s.shape.W) + int64(r.Min.X)) * int64(n)
			size := int64(s.Size)
			v, err := s.read(io.NewSectionReader(s.r, int64(s.Before)+at*size, int64(row)*size), row)
			if err != nil {
				return nil, fmt.Errorf("row %d: %w", y, err)
			}
			data = append(data, v...)
		}
	}
	return s.picture(data, operators.Shape{C: s.shape.C, H: r.Dy(), W: r.Dx()})
}

// picture makes a picture of samples in the order of the file.
func (s *npySource) picture(data []float32, shape operators.Shape) (*Picture, error) {
	p := &Picture{}
	kind := byte(s.Kind)
	if s.Kind == npy.Bool {
		kind = 'u'
	}
	p.typed(kind, 8*s.Size)
	if s.Kind == npy.Bool {
		p.Number, p.Scale = "b1", 1
	}
	p.Image = operators.Image{Shape: shape, Pix: data}
	if c := s.interleaved(); c > 1 {
		p.Image = operators.NewImage(shape)
		for k := range shape.C {
			for i := range p.Plane(k) {
				p.Plane(k)[i] = data[i*c+k]
			}
		}
		if s.alpha {
			p.Alpha = make([]uint16, p.H*p.W)
			for i := range p.Alpha {
				p.Alpha[i] = uint16(data[i*c+c-1]*65535 + 0.5)
			}
		}
	}
	if s.gaps {
		return p, p.absent(nil)
	}
	return p, nil
}

// An npyWriter writes gray pictures as HxW, colour as HxWx3, and several pages
// as one array with the page as its first index (three gray ones as 3xHxWx1,
// for 3xHxW is colour). Missing samples keep the
// values that they were given, for an array with NaN is refused when it is read.
type npyWriter struct {
	w     io.Writer
	pages int
	first *Picture
}

func (e *npyWriter) close() error { return nil }

func (e *npyWriter) page(p *Picture) error {
	if e.first == nil {
		if err := e.head(p); err != nil {
			return err
		}
	} else if p.Shape != e.first.Shape {
		return fmt.Errorf("pages of %s and %s: an array has one size", sizeOf(e.first), sizeOf(p))
	}
	return e.rows(p)
}

// head begins the array, p being the first page or its Frame.
func (e *npyWriter) head(p *Picture) error {
	first := *p
	first.Pix = nil
	e.first = &first
	var shape []int
	if e.pages > 1 {
		shape = []int{e.pages}
	}
	shape = append(shape, p.H, p.W)
	if !p.Gray() || e.pages == 3 { // 3xHxW would be colour
		shape = append(shape, p.C)
	}
	return npy.WriteHead(e.w, shape)
}

// rows writes the rows of p.
func (e *npyWriter) rows(p *Picture) error {
	row := make([]float32, p.W*p.C)
	for y := range p.H {
		for c := range p.C {
			for x, v := range p.Plane(c)[y*p.W : (y+1)*p.W] {
				row[x*p.C+c] = v
			}
		}
		if err := npy.WriteData(e.w, row); err != nil {
			return err
		}
	}
	return nil
}
