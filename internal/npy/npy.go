package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Magic is what an array begins with.
const Magic = "\x93NUMPY"

// maxHeader is far above what NumPy writes for a plain array, in bytes.
const maxHeader = 1 << 16

// maxDims is the most dimensions that NumPy's arrays had when the format was
// made.
const maxDims = 32

// ErrShort is the error for a stream that ends before the array does.
var ErrShort = errors.New("damaged .npy: it ends too early")

// ErrMagic is the error for a stream that does not begin with Magic.
var ErrMagic = errors.New("not a .npy file")

// A Kind is the sort of an array's elements.
type Kind byte

// The kinds. Other is what is not read: objects, records, dates.
const (
	Other   Kind = 0
	Float   Kind = 'f'
	Int     Kind = 'i'
	Uint    Kind = 'u'
	Bool    Kind = 'b'
	Complex Kind = 'c'
	Text    Kind = 'U' // UTF-32
	Bytes   Kind = 'S' // text in bytes
)

// A Header describes an array; it precedes the data.
type Header struct {
	// Descr is the type as the file writes it, such as "<f4". That of records
	// begins with a bracket.
	Descr string
	Kind  Kind
	// Size is the length of an element in bytes.
	Size int
	// Fortran says that the first index runs fastest.
	Fortran bool
	Shape   []int
	// Before is the number of bytes up to the data.
	Before int

	order binary.ByteOrder
}

// ReadHeader reads up to the data. The error is one line: ErrMagic, ErrShort,
// a failure of r, or what is wrong with the header.
func ReadHeader(r io.Reader) (Header, error) {
	var pre [12]byte
	if _, err := io.ReadFull(r, pre[:10]); err != nil {
		return Header{}, short(err)
	}
	if string(pre[:6]) != Magic {
		return Header{}, ErrMagic
	}
	before, n := 10, int64(binary.LittleEndian.Uint16(pre[8:]))
	switch pre[6] {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(r, pre[10:]); err != nil {
			return Header{}, short(err)
		}
		before, n = 12, int64(binary.LittleEndian.Uint32(pre[8:]))
	default:
		return Header{}, fmt.Errorf("damaged .npy: version %d.%d is unknown", pre[6], pre[7])
	}
	if n > maxHeader {
		return Header{}, fmt.Errorf("damaged .npy: a header of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return Header{}, short(err)
	}
	h, ok := parse(strings.TrimSpace(string(text)))
	if !ok {
		return Header{}, fmt.Errorf("damaged .npy: header %.80q", strings.TrimSpace(string(text)))
	}
	h.Before = before + len(text)
	return h, nil
}

// short is ErrShort for the end of a stream.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrShort
	}
	return err
}

// parse reads {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
func parse(text string) (h Header, ok bool) {
	fields, ok := dictionary(text)
	if !ok {
		return h, false
	}
	switch fields["fortran_order"] {
	case "True":
		h.Fortran = true
	case "False":
	default:
		return h, false
	}
	if h.Descr = fields["descr"]; !strings.HasPrefix(h.Descr, "[") {
		h.Descr = strings.Trim(h.Descr, `'"`)
	}
	if h.Descr == "" {
		return h, false
	}
	h.readType()
	tuple := fields["shape"]
	if !strings.HasPrefix(tuple, "(") || !strings.HasSuffix(tuple, ")") {
		return h, false
	}
	for _, part := range strings.Split(tuple[1:len(tuple)-1], ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSuffix(part, "L")) // as Python 2 writes it
		if err != nil || n < 0 {
			return h, false
		}
		h.Shape = append(h.Shape, n)
	}
	return h, len(h.Shape) <= maxDims
}

// dictionary takes a Python dictionary of plain values, tuples and lists apart.
func dictionary(text string) (fields map[string]string, ok bool) {
	if !strings.HasPrefix(text, "{") || !strings.HasSuffix(text, "}") {
		return nil, false
	}
	fields = map[string]string{}
	for s := strings.TrimSpace(text[1 : len(text)-1]); s != ""; {
		key, rest, found := strings.Cut(s, ":")
		key = strings.Trim(strings.TrimSpace(key), `'"`)
		if !found || fields[key] != "" {
			return nil, false
		}
		rest = strings.TrimSpace(rest)
		end := strings.IndexByte(rest, ',')
		for open, close := range map[string]string{"(": ")", "[": "]"} {
			if strings.HasPrefix(rest, open) {
				if end = strings.Index(rest, close) + 1; end == 0 {
					return nil, false
				}
			}
		}
		if end < 0 {
			end = len(rest)
		}
		fields[key] = strings.TrimSpace(rest[:end])
		s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest[end:]), ","))
	}
	return fields, true
}

// readType reads Descr; what is not known stays Other.
func (h *Header) readType() {
	s := h.Descr
	h.order = binary.LittleEndian
	switch {
	case strings.HasPrefix(s, ">"):
		h.order, s = binary.BigEndian, s[1:]
	case strings.HasPrefix(s, "<"), strings.HasPrefix(s, "|"), strings.HasPrefix(s, "="):
		s = s[1:]
	}
	if len(s) < 2 {
		return
	}
	n, err := strconv.ParseUint(s[1:], 10, 24)
	if err != nil {
		return
	}
	known := false
	switch k := Kind(s[0]); k {
	case Float:
		known = n == 2 || n == 4 || n == 8
	case Int, Uint:
		known = n == 1 || n == 2 || n == 4 || n == 8
	case Bool:
		known = n == 1
	case Complex:
		known = n == 8 || n == 16
	case Bytes:
		known = true
	case Text:
		known, n = true, 4*n
	}
	if known {
		h.Kind, h.Size = Kind(s[0]), int(n)
	}
}

// Len is the number of elements; ok is false where there are more than limit.
func (h Header) Len(limit int) (n int, ok bool) {
	n = 1
	for _, d := range h.Shape {
		if d == 0 {
			return 0, true
		}
	}
	for _, d := range h.Shape {
		if n > limit/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// Tuple is the shape as Python writes it: (2, 3), (2,) or ().
func (h Header) Tuple() string { return tuple(h.Shape) }

func tuple(shape []int) string {
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	list := strings.Join(dims, ", ")
	if len(dims) == 1 {
		list += ","
	}
	return "(" + list + ")"
}

// chunk is how many elements are read at a time.
const chunk = 1 << 12

// Floats reads the n = Len real numbers of the array as float32 in C order,
// integers as their value and bool as 0 and 1. Memory grows with the data that
// arrives. It returns ErrShort where the data ends early, and an error for
// text, complex numbers and Other.
func (h Header) Floats(r io.Reader, n int) ([]float32, error) {
	if err := h.real(); err != nil {
		return nil, err
	}
	out := make([]float32, 0, min(n, 1<<20))
	err := h.each(r, n, func(b []byte) {
		at := len(out)
		out = slices.Grow(out, len(b)/h.Size)[:at+len(b)/h.Size]
		h.floats(out[at:], b)
	})
	if err != nil {
		return nil, err
	}
	return Ordered(h, out), nil
}

// FloatsInto is Floats for a stream that is known to hold the whole array: it
// takes the memory at once.
func (h Header) FloatsInto(dst []float32, r io.Reader) ([]float32, error) {
	if err := h.real(); err != nil {
		return nil, err
	}
	rest := dst
	err := h.each(r, len(dst), func(b []byte) {
		n := len(b) / h.Size
		h.floats(rest[:n], b)
		rest = rest[n:]
	})
	if err != nil {
		return nil, err
	}
	return Ordered(h, dst), nil
}

// Complexes reads the n = Len numbers of an array as complex64 in C order; real
// ones have no imaginary part. Otherwise it is Floats.
func (h Header) Complexes(r io.Reader, n int) ([]complex64, error) {
	if h.Kind != Complex {
		if err := h.real(); err != nil {
			return nil, err
		}
	}
	out := make([]complex64, 0, min(n, 1<<19))
	half := Header{Kind: Float, Size: h.Size / 2, order: h.order}
	err := h.each(r, n, func(b []byte) {
		for ; len(b) > 0; b = b[h.Size:] {
			if h.Kind == Complex {
				out = append(out, complex(float32(half.number(b)), float32(half.number(b[half.Size:]))))
			} else {
				out = append(out, complex(float32(h.number(b)), 0))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return Ordered(h, out), nil
}

// real is an error unless the elements are real numbers.
func (h Header) real() error {
	switch h.Kind {
	case Float, Int, Uint, Bool:
		return nil
	case Text, Bytes:
		return errors.New("text where numbers are wanted")
	case Complex:
		return errors.New("complex numbers where real ones are wanted")
	}
	return fmt.Errorf("a .npy of type %.20q where numbers are wanted", h.Descr)
}

// each reads n elements and calls f with the bytes of some after the others.
func (h Header) each(r io.Reader, n int, f func(b []byte)) error {
	buf := make([]byte, min(n, chunk)*h.Size)
	for n > 0 {
		b := buf[:min(n, chunk)*h.Size]
		if _, err := io.ReadFull(r, b); err != nil {
			return short(err)
		}
		f(b)
		n -= len(b) / h.Size
	}
	return nil
}

// floats writes the numbers in b to dst. The types of pictures have loops of
// their own.
func (h Header) floats(dst []float32, b []byte) {
	big := h.order == binary.BigEndian
	switch {
	case h.Kind == Float && h.Size == 4 && !big:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case h.Kind == Float && h.Size == 8 && !big:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
		}
	case h.Kind == Uint && h.Size == 2 && !big:
		for i := range dst {
			dst[i] = float32(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case h.Kind == Uint && h.Size == 1:
		for i := range dst {
			dst[i] = float32(b[i])
		}
	default:
		for i := range dst {
			dst[i] = float32(h.number(b[i*h.Size:]))
		}
	}
}

// number is the real number that b begins with.
func (h Header) number(b []byte) float64 {
	var u uint64
	switch h.Size {
	case 1:
		u = uint64(b[0])
	case 2:
		u = uint64(h.order.Uint16(b))
	case 4:
		u = uint64(h.order.Uint32(b))
	case 8:
		u = h.order.Uint64(b)
	}
	switch h.Kind {
	case Float:
		switch h.Size {
		case 2:
			return Float16(uint16(u))
		case 4:
			return float64(math.Float32frombits(uint32(u)))
		}
		return math.Float64frombits(u)
	case Int:
		shift := 64 - 8*h.Size
		return float64(int64(u<<shift) >> shift)
	case Bool:
		return float64(min(u, 1))
	}
	return float64(u)
}

// Float16 is the value of an IEEE 754 binary16: one bit of sign, five of
// exponent, ten of fraction.
func Float16(u uint16) float64 {
	exp, frac := int(u>>10&31), float64(u&1023)
	v := math.Inf(1)
	switch {
	case exp == 0:
		v = math.Ldexp(frac, -24)
	case exp < 31:
		v = math.Ldexp(frac+1024, exp-25)
	case frac != 0:
		v = math.NaN()
	}
	if u>>15 == 1 {
		return -v
	}
	return v
}

// Ordered returns v, the elements in the order of the file, in C order: v
// itself where it is in it.
func Ordered[T any](h Header, v []T) []T {
	if !h.Fortran || len(h.Shape) < 2 {
		return v
	}
	out := make([]T, len(v))
	at := make([]int, len(h.Shape))
	stride := make([]int, len(h.Shape)) // in the result
	n := 1
	for i := len(h.Shape) - 1; i >= 0; i-- {
		stride[i] = n
		n *= h.Shape[i]
	}
	to := 0
	for _, x := range v {
		out[to] = x
		for i := range at {
			at[i]++
			to += stride[i]
			if at[i] < h.Shape[i] {
				break
			}
			to -= stride[i] * h.Shape[i]
			at[i] = 0
		}
	}
	return out
}

// ReadText reads a single text. It returns ErrShort where it ends early, and an
// error for numbers.
func (h Header) ReadText(r io.Reader) (string, error) {
	if h.Kind != Text && h.Kind != Bytes {
		return "", errors.New("numbers where text is wanted")
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(h.Size)))
	if err != nil {
		return "", err
	}
	if len(b) < h.Size {
		return "", ErrShort
	}
	if h.Kind == Bytes {
		return strings.TrimRight(string(b), "\x00"), nil
	}
	var s strings.Builder
	for ; len(b) > 0; b = b[4:] {
		s.WriteRune(rune(h.order.Uint32(b)))
	}
	return strings.TrimRight(s.String(), "\x00"), nil
}

// head is the head of a little-endian array in C order, as NumPy writes it:
// version 1.0, padded so that the data begins at a multiple of 64.
func head(descr string, shape []int) []byte {
	dict := "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + tuple(shape) + ", }"
	dict += strings.Repeat(" ", 63-(len(Magic)+4+len(dict))%64) + "\n"
	b := append([]byte(Magic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	return append(b, dict...)
}

// WriteFloats writes v, last index fastest, as a float32 array of the given
// shape.
func WriteFloats(w io.Writer, shape []int, v []float32) error {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(v) {
		panic(fmt.Sprintf("npy: an array of shape %v has %d numbers", shape, len(v)))
	}
	if err := WriteHead(w, shape); err != nil {
		return err
	}
	return WriteData(w, v)
}

// WriteHead begins a float32 array of the given shape, whose numbers are to
// follow by [WriteData].
func WriteHead(w io.Writer, shape []int) error {
	_, err := w.Write(head("<f4", shape))
	return err
}

// WriteData writes the next numbers of a float32 array, last index fastest.
func WriteData(w io.Writer, v []float32) error {
	buf := make([]byte, 0, 4*min(len(v), 4*chunk))
	for len(v) > 0 {
		n := min(len(v), 4*chunk)
		buf = buf[:0]
		for _, x := range v[:n] {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x))
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

// WriteText writes s as an array of no dimensions, type U.
func WriteText(w io.Writer, s string) error {
	runes := []rune(s)
	b := head("<U"+strconv.Itoa(len(runes)), nil)
	for _, r := range runes {
		b = binary.LittleEndian.AppendUint32(b, uint32(r))
	}
	_, err := w.Write(b)
	return err
}

// WriteDoubles writes v, last index fastest, as a float64 array of the given shape.
func WriteDoubles(w io.Writer, shape []int, v []float64) error {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(v) {
		panic(fmt.Sprintf("npy: an array of shape %v has %d numbers", shape, len(v)))
	}
	b := head("<f8", shape)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	_, err := w.Write(b)
	return err
}

// WriteTexts writes a list of texts as an array of one dimension, type U.
func WriteTexts(w io.Writer, texts []string) error {
	most := 1 // NumPy has no texts of no size in arrays
	for _, s := range texts {
		most = max(most, utf8.RuneCountInString(s))
	}
	b := head("<U"+strconv.Itoa(most), []int{len(texts)})
	for _, s := range texts {
		n := 0
		for _, r := range s {
			b = binary.LittleEndian.AppendUint32(b, uint32(r))
			n++
		}
		b = append(b, make([]byte, 4*(most-n))...)
	}
	_, err := w.Write(b)
	return err
}
