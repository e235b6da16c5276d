package imageio

import (
	"errors"
	"fmt"
	"io"
	"math"
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
	a, err := readNpyHeader(r, remaining(r))
	if err != nil {
		return nil, err
	}
	if a.Kind != npy.Float {
		return nil, fmt.Errorf("its samples are of type %s: want float32 or float64", a.Descr)
	}
	data, err := a.read(r)
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

// encodeNpyPicture writes a gray picture as HxW, colour as HxWx3.
func encodeNpyPicture(w io.Writer, p *Picture) error {
	if p.Gray() {
		return EncodeArray(w, &Array{[]int{p.H, p.W}, p.Pix})
	}
	data := make([]float32, len(p.Pix))
	for c := range p.C {
		for i, v := range p.Plane(c) {
			data[i*p.C+c] = v
		}
	}
	return EncodeArray(w, &Array{[]int{p.H, p.W, p.C}, data})
}

// decodeNpy reads a picture: HxW, HxWxC or CxHxW with C of 1 or 3, the
// channels last when either could be meant. size is the stream's length, -1
// when unknown.
func decodeNpy(r io.Reader, size int64) (*Picture, error) {
	a, err := readNpyHeader(r, size)
	if err != nil {
		return nil, err
	}
	p := &Picture{Format: "npy", Bits: 8 * a.Size}
	if a.Kind == npy.Float {
		p.Bits = 32
	}
	s, last := operators.Shape{}, false
	isC := func(n int) bool { return n == 1 || n == 3 }
	switch d := a.Shape; {
	case len(d) == 2:
		s = operators.Shape{C: 1, H: d[0], W: d[1]}
	case len(d) == 3 && isC(d[2]):
		s, last = operators.Shape{C: d[2], H: d[0], W: d[1]}, true
	case len(d) == 3 && isC(d[0]):
		s = operators.Shape{C: d[0], H: d[1], W: d[2]}
	default:
		return nil, fmt.Errorf("an array of shape %s: want HxW, HxWxC or CxHxW with C 1 or 3", a.dims())
	}
	if err := checkSize(s.C, s.H, s.W, math.MaxInt64, 1); err != nil {
		return nil, err
	}
	data, err := a.read(r)
	if err != nil {
		return nil, err
	}
	p.Image = operators.Image{Shape: s, Pix: data}
	if last && s.C > 1 {
		p.Image = operators.NewImage(s)
		for c := range s.C {
			for i := range p.Plane(c) {
				p.Plane(c)[i] = data[i*s.C+c]
			}
		}
	}
	return p, nil
}

// A stream is an array whose samples are still to be read.
type stream struct {
	npy.Header
	count int
	whole bool // the stream is known to hold all of it
}

// readNpyHeader reads up to the samples. size is the length of the stream, -1
// when it is not known.
func readNpyHeader(r io.Reader, size int64) (*stream, error) {
	h, err := npy.ReadHeader(r)
	if err != nil {
		return nil, reason(err)
	}
	if strings.HasPrefix(h.Descr, "[") {
		return nil, errors.New("a .npy of records: want float32, float64, uint8 or uint16")
	}
	switch {
	case h.Kind == npy.Float, h.Kind == npy.Bool, h.Kind == npy.Uint && h.Size <= 4:
	default:
		return nil, fmt.Errorf("a .npy of type %.20q: want float32, float64, uint8 or uint16", h.Descr)
	}
	n, ok := h.Len(maxSamples)
	if !ok {
		return nil, fmt.Errorf("a .npy of shape %s has more than the limit of 2^31 samples", h.Tuple())
	}
	a := &stream{h, n, size >= 0}
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

// read reads the samples, last index fastest: floats as they are, integers
// divided by their largest value. NaN and infinity are refused.
func (a *stream) read(r io.Reader) (data []float32, err error) {
	if a.whole {
		data, err = a.FloatsInto(make([]float32, a.count), r)
	} else {
		data, err = a.Floats(r, a.count)
	}
	if err != nil {
		return nil, reason(err)
	}
	if a.Kind == npy.Uint {
		white := float32(math.Ldexp(1, 8*a.Size) - 1)
		for i, v := range data {
			data[i] = v / white
		}
		return data, nil
	}
	for i, v := range data {
		if v-v != 0 {
			return nil, fmt.Errorf("sample %d is %v: every sample must be a finite number", i, v)
		}
	}
	return data, nil
}
