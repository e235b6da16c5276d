package imageio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/operators"
)

// The .npy format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html

const npyMagic = "\x93NUMPY"

// An Array is an N-dimensional array of float32, last index fastest.
type Array struct {
	Shape []int
	Data  []float32
}

// ReadArray reads a .npy file of float32 or float64 and any shape, in either
// byte order and either memory order. NaN and infinity are refused.
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
	size := remaining(r)
	h, size, err := readNpyHeader(r, size)
	if err != nil {
		return nil, err
	}
	if h.kind != 'f' {
		return nil, fmt.Errorf("its samples are of type %s: want float32 or float64", h.descr)
	}
	data, err := h.read(r, size)
	if err != nil {
		return nil, err
	}
	return &Array{h.shape, data}, nil
}

// WriteArray writes a to path as a float32 .npy file, all of it or nothing.
func WriteArray(path string, a *Array) error {
	return Atomic(path, func(w io.Writer) error { return EncodeArray(w, a) })
}

// EncodeArray writes a as a float32 .npy array, version 1.0, little-endian.
func EncodeArray(w io.Writer, a *Array) error {
	n := 1
	dims := make([]string, len(a.Shape))
	for i, d := range a.Shape {
		n *= d
		dims[i] = strconv.Itoa(d)
	}
	if n != len(a.Data) {
		panic(fmt.Sprintf("imageio: array of shape %v has %d samples", a.Shape, len(a.Data)))
	}
	shape := strings.Join(dims, ", ")
	if len(dims) == 1 {
		shape += ","
	}
	header := "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }"
	total := len(npyMagic) + 4 + len(header) + 1
	header += strings.Repeat(" ", (64-total%64)%64) + "\n"
	b := bufio.NewWriterSize(w, 1<<16)
	b.WriteString(npyMagic + "\x01\x00")
	b.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(header))))
	b.WriteString(header)
	var s [4]byte
	for _, v := range a.Data {
		binary.LittleEndian.PutUint32(s[:], math.Float32bits(v))
		b.Write(s[:])
	}
	return b.Flush()
}

// An npySource is an array that is a picture.
type npySource struct {
	r    io.ReaderAt
	size int64
}

func openNpy(r io.ReaderAt, size int64) (source, error) { return &npySource{r, size}, nil }

func (s *npySource) Pages() int { return 1 }

func (s *npySource) Page(int) (*Picture, error) {
	return decodeNpy(io.NewSectionReader(s.r, 0, s.size), s.size)
}

// An npyWriter writes gray pictures as HxW, colour as HxWx3, and several pages
// as one array with the page as its first index.
type npyWriter struct {
	w     io.Writer
	pages int
}

func (e *npyWriter) close() error { return nil }

func (e *npyWriter) page(p *Picture) error {
	if p.Gray() {
		return EncodeArray(e.w, &Array{[]int{p.H, p.W}, p.Pix})
	}
	data := make([]float32, len(p.Pix))
	for c := range p.C {
		for i, v := range p.Plane(c) {
			data[i*p.C+c] = v
		}
	}
	return EncodeArray(e.w, &Array{[]int{p.H, p.W, p.C}, data})
}

// decodeNpy reads a picture: HxW, HxWxC or CxHxW with C of 1 or 3, the
// channels last when either could be meant. size is the stream's length, -1
// when unknown.
func decodeNpy(r io.Reader, size int64) (*Picture, error) {
	h, size, err := readNpyHeader(r, size)
	if err != nil {
		return nil, err
	}
	p := &Picture{Format: "npy", Bits: 8 * h.width}
	if h.kind == 'f' {
		p.Bits = 32
	}
	s, last := operators.Shape{}, false
	isC := func(n int) bool { return n == 1 || n == 3 }
	switch d := h.shape; {
	case len(d) == 2:
		s = operators.Shape{C: 1, H: d[0], W: d[1]}
	case len(d) == 3 && isC(d[2]):
		s, last = operators.Shape{C: d[2], H: d[0], W: d[1]}, true
	case len(d) == 3 && isC(d[0]):
		s = operators.Shape{C: d[0], H: d[1], W: d[2]}
	default:
		return nil, fmt.Errorf("an array of shape %s: want HxW, HxWxC or CxHxW with C 1 or 3", h.dims())
	}
	if err := checkSize(s.C, s.H, s.W, math.MaxInt64, 1); err != nil {
		return nil, err
	}
	data, err := h.read(r, size)
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

// An npyHeader is what stands before the samples.
type npyHeader struct {
	descr   string // as in the file
	kind    byte   // f, u or b
	width   int    // bytes a sample
	order   binary.ByteOrder
	fortran bool
	shape   []int
	count   int
}

func (h *npyHeader) dims() string {
	if len(h.shape) == 0 {
		return "()"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(h.shape), " ", "x"), "[]")
}

// readNpyHeader reads up to the samples; it returns what is left of size
// (-1 when unknown).
func readNpyHeader(r io.Reader, size int64) (*npyHeader, int64, error) {
	var pre [12]byte
	if _, err := io.ReadFull(r, pre[:10]); err != nil {
		return nil, 0, early(err)
	}
	if string(pre[:6]) != npyMagic {
		return nil, 0, errors.New("not a .npy file")
	}
	read := int64(10)
	n := int64(binary.LittleEndian.Uint16(pre[8:]))
	switch pre[6] {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(r, pre[10:12]); err != nil {
			return nil, 0, early(err)
		}
		read += 2
		n = int64(binary.LittleEndian.Uint32(pre[8:]))
	default:
		return nil, 0, fmt.Errorf("damaged .npy: version %d.%d is unknown", pre[6], pre[7])
	}
	const most = 1 << 16
	if n > most {
		return nil, 0, fmt.Errorf("damaged .npy: a header of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, 0, early(err)
	}
	read += n
	h, err := parseNpyHeader(string(text))
	if err != nil {
		return nil, 0, err
	}
	if size < 0 {
		return h, -1, nil
	}
	if left := size - read; int64(h.count)*int64(h.width) > left {
		return nil, 0, fmt.Errorf("damaged .npy: shape %s of %s wants %d bytes, the file has %d",
			h.dims(), h.descr, int64(h.count)*int64(h.width), max(left, 0))
	}
	return h, size - read, nil
}

func early(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("damaged .npy: it ends too early")
	}
	return reason(err)
}

// parseNpyHeader parses {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
func parseNpyHeader(text string) (*npyHeader, error) {
	bad := func() (*npyHeader, error) {
		return nil, fmt.Errorf("damaged .npy: header %.80q", strings.TrimSpace(text))
	}
	s := strings.TrimSpace(text)
	if !strings.HasPrefix(s, "{") || !strings.HasSuffix(s, "}") {
		return bad()
	}
	s = strings.TrimSpace(s[1 : len(s)-1])
	fields := map[string]string{}
	for s != "" {
		key, rest, ok := strings.Cut(s, ":")
		key = strings.Trim(strings.TrimSpace(key), `'"`)
		if !ok || fields[key] != "" {
			return bad()
		}
		rest = strings.TrimSpace(rest)
		end := strings.IndexByte(rest, ',')
		if strings.HasPrefix(rest, "(") || strings.HasPrefix(rest, "[") {
			close := strings.IndexAny(rest, ")]")
			if close < 0 {
				return bad()
			}
			end = close + 1
		}
		if end < 0 {
			end = len(rest)
		}
		fields[key] = strings.TrimSpace(rest[:end])
		s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest[end:]), ","))
	}
	h := &npyHeader{order: binary.LittleEndian, count: 1}
	switch fields["fortran_order"] {
	case "True":
		h.fortran = true
	case "False":
	default:
		return bad()
	}
	if strings.HasPrefix(fields["descr"], "[") {
		return nil, errors.New("a .npy of records: want float32, float64, uint8 or uint16")
	}
	h.descr = strings.Trim(fields["descr"], `'"`)
	d := h.descr
	if strings.HasPrefix(d, ">") {
		h.order = binary.BigEndian
	}
	switch strings.TrimLeft(d, "<>=|") {
	case "f4", "f8", "u1", "u2", "b1":
		h.kind, h.width = d[len(d)-2], int(d[len(d)-1]-'0')
	case "":
		return bad()
	default:
		return nil, fmt.Errorf("a .npy of type %.20q: want float32, float64, uint8 or uint16", d)
	}
	tuple := fields["shape"]
	if !strings.HasPrefix(tuple, "(") || !strings.HasSuffix(tuple, ")") {
		return bad()
	}
	for _, part := range strings.Split(tuple[1:len(tuple)-1], ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(part, "L"), 10, 64)
		if err != nil || n < 0 {
			return bad()
		}
		if n > maxSamples || n > 0 && int64(h.count) > maxSamples/n {
			return nil, fmt.Errorf("a .npy of shape %s has more than the limit of 2^31 samples", tuple)
		}
		h.shape = append(h.shape, int(n))
		h.count *= int(n)
	}
	if len(h.shape) > 32 {
		return bad()
	}
	return h, nil
}

// read reads the samples, last index fastest, as float32: floats as they are,
// integers divided by their largest value. size is the bytes left in r, -1
// when unknown; then memory grows only as data arrives.
func (h *npyHeader) read(r io.Reader, size int64) ([]float32, error) {
	data := make([]float32, 0, min(h.count, 1<<20))
	if size >= 0 {
		data = make([]float32, 0, h.count)
	}
	buf := make([]byte, 8*4096)
	for left := h.count; left > 0; {
		n := min(left, 4096)
		b := buf[:n*h.width]
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, early(err)
		}
		for i := range n {
			v := h.sample(b[i*h.width:])
			if v-v != 0 {
				return nil, fmt.Errorf("sample %d is %v: every sample must be a finite number", len(data), v)
			}
			data = append(data, v)
		}
		left -= n
	}
	if h.fortran {
		data = transposed(data, h.shape)
	}
	return data, nil
}

func (h *npyHeader) sample(b []byte) float32 {
	switch {
	case h.kind == 'f' && h.width == 4:
		return math.Float32frombits(h.order.Uint32(b))
	case h.kind == 'f':
		return float32(math.Float64frombits(h.order.Uint64(b)))
	case h.kind == 'b':
		return min(float32(b[0]), 1)
	case h.width == 1:
		return float32(b[0]) / 255
	}
	return float32(h.order.Uint16(b)) / 65535
}

// transposed turns data with its first index fastest into last index fastest.
func transposed(data []float32, shape []int) []float32 {
	out := make([]float32, len(data))
	at := make([]int, len(shape))
	stride := make([]int, len(shape)) // in the result
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = n
		n *= shape[i]
	}
	to := 0
	for _, v := range data {
		out[to] = v
		for i := range at {
			at[i]++
			to += stride[i]
			if at[i] < shape[i] {
				break
			}
			to -= stride[i] * shape[i]
			at[i] = 0
		}
	}
	return out
}
