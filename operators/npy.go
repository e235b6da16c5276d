package operators

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// npyHeader is what the head of a .npy stream says of its array (NumPy
// Enhancement Proposal 1).
type npyHeader struct {
	order   binary.ByteOrder
	kind    byte // 'f', 'u', 'i', 'b', 'U', 'S'
	size    int  // bytes an element
	fortran bool
	shape   []int
}

const npyMagic = "\x93NUMPY"

// maxNpyHeader is far above what NumPy writes for a plain array.
const maxNpyHeader = 1 << 16

// readNpyHeader reads the head. The header's own length is bounded; the size
// of the array it promises is for the caller to check, see npyHeader.len.
func readNpyHeader(r io.Reader) (npyHeader, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:6]) != npyMagic {
		return npyHeader{}, errors.New("not a .npy array")
	}
	n := 0
	switch head[6] {
	case 1:
		var b [2]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return npyHeader{}, errShortArray
		}
		n = int(binary.LittleEndian.Uint16(b[:]))
	case 2, 3:
		var b [4]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return npyHeader{}, errShortArray
		}
		if v := binary.LittleEndian.Uint32(b[:]); v <= maxNpyHeader {
			n = int(v)
		} else {
			return npyHeader{}, fmt.Errorf(".npy header of %d bytes; want at most %d", v, maxNpyHeader)
		}
	default:
		return npyHeader{}, fmt.Errorf(".npy version %d; want 1, 2 or 3", head[6])
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return npyHeader{}, errShortArray
	}
	return parseNpyHeader(string(text))
}

var errShortArray = errors.New("the array is cut short")

// parseNpyHeader reads the dictionary, such as
// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
func parseNpyHeader(text string) (npyHeader, error) {
	h := npyHeader{order: binary.LittleEndian}
	descr, ok := pyValue(text, "descr")
	descr, quoted := pyString(descr)
	if !ok || !quoted {
		return h, errors.New(".npy header without a plain 'descr'; structured arrays are not read")
	}
	if err := h.readType(descr); err != nil {
		return h, err
	}
	switch order, _ := pyValue(text, "fortran_order"); {
	case strings.HasPrefix(order, "False"):
	case strings.HasPrefix(order, "True"):
		h.fortran = true
	default:
		return h, errors.New(".npy header without 'fortran_order'")
	}
	shape, _ := pyValue(text, "shape")
	body, _, closed := strings.Cut(strings.TrimPrefix(shape, "("), ")")
	if !strings.HasPrefix(shape, "(") || !closed {
		return h, errors.New(".npy header without a 'shape'")
	}
	for _, f := range strings.Split(body, ",") {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(f, "L"), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt {
			return h, fmt.Errorf(".npy shape (%s); want whole numbers", clip(body))
		}
		h.shape = append(h.shape, int(n))
	}
	return h, nil
}

// pyValue returns the text after 'key':.
func pyValue(text, key string) (string, bool) {
	for _, q := range []string{"'", `"`} {
		if _, v, ok := strings.Cut(text, q+key+q); ok {
			v, ok := strings.CutPrefix(strings.TrimSpace(v), ":")
			return strings.TrimSpace(v), ok
		}
	}
	return "", false
}

// pyString reads a quoted string off the front of s.
func pyString(s string) (string, bool) {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return "", false
	}
	v, _, ok := strings.Cut(s[1:], s[:1])
	return v, ok
}

func (h *npyHeader) readType(descr string) error {
	bad := fmt.Errorf(".npy type %q; want float32, float64, an integer, bool or text", clip(descr))
	s := descr
	switch {
	case strings.HasPrefix(s, ">"):
		h.order = binary.BigEndian
		s = s[1:]
	case strings.HasPrefix(s, "<"), strings.HasPrefix(s, "|"), strings.HasPrefix(s, "="):
		s = s[1:]
	}
	if len(s) < 2 {
		return bad
	}
	n, err := strconv.ParseUint(s[1:], 10, 24)
	if err != nil {
		return bad
	}
	h.kind, h.size = s[0], int(n)
	switch {
	case h.kind == 'f' && (n == 4 || n == 8):
	case (h.kind == 'u' || h.kind == 'i') && (n == 1 || n == 2 || n == 4 || n == 8):
	case h.kind == 'b' && n == 1:
	case h.kind == 'S':
	case h.kind == 'U':
		h.size *= 4
	default:
		return bad
	}
	return nil
}

// len is the number of elements, or an error where they or their bytes exceed
// limit.
func (h npyHeader) len(limit int) (int, error) {
	n := 1
	for _, d := range h.shape {
		if d == 0 {
			return 0, nil
		}
		if n > limit/d {
			return 0, fmt.Errorf("an array of %v elements; want at most %d", h.shape, limit)
		}
		n *= d
	}
	return n, nil
}

// readFloats reads n numbers as float32. Memory grows with the data that
// really arrives, not with what the header promises.
func (h npyHeader) readFloats(r io.Reader, n int) ([]float32, error) {
	if h.kind == 'U' || h.kind == 'S' {
		return nil, errors.New("text where numbers are wanted")
	}
	const chunk = 1 << 14
	buf := make([]byte, min(n, chunk)*h.size)
	out := make([]float32, 0, min(n, 16*chunk))
	for len(out) < n {
		b := buf[:min(n-len(out), chunk)*h.size]
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, shortOr(err)
		}
		for ; len(b) > 0; b = b[h.size:] {
			out = append(out, h.number(b))
		}
	}
	return out, nil
}

// shortOr turns the end of the data into errShortArray.
func shortOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShortArray
	}
	return err
}

func (h npyHeader) number(b []byte) float32 {
	var u uint64
	switch h.size {
	case 1:
		u = uint64(b[0])
	case 2:
		u = uint64(h.order.Uint16(b))
	case 4:
		u = uint64(h.order.Uint32(b))
	case 8:
		u = h.order.Uint64(b)
	}
	switch {
	case h.kind == 'f' && h.size == 4:
		return math.Float32frombits(uint32(u))
	case h.kind == 'f':
		return float32(math.Float64frombits(u))
	case h.kind == 'i':
		shift := 64 - 8*h.size
		return float32(int64(u<<shift) >> shift)
	}
	return float32(u)
}

// readText reads one string of the types U (UTF-32) or S (bytes).
func (h npyHeader) readText(r io.Reader) (string, error) {
	if h.kind != 'U' && h.kind != 'S' {
		return "", errors.New("numbers where text is wanted")
	}
	b := make([]byte, h.size)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", shortOr(err)
	}
	if h.kind == 'S' {
		return strings.TrimRight(string(b), "\x00"), nil
	}
	var s strings.Builder
	for ; len(b) > 0; b = b[4:] {
		s.WriteRune(rune(h.order.Uint32(b)))
	}
	return strings.TrimRight(s.String(), "\x00"), nil
}

// npyHead is the head of a little-endian array in C order, as NumPy writes it:
// padded so that the data begins at a multiple of 64.
func npyHead(descr string, shape []int) []byte {
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	list := strings.Join(dims, ", ")
	if len(dims) == 1 {
		list += ","
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, list)
	pad := 63 - (10+len(dict))%64
	dict += strings.Repeat(" ", pad) + "\n"
	head := append([]byte(npyMagic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(dict)))
	return append(head, dict...)
}

func writeNpyFloats(w io.Writer, shape []int, v []float32) error {
	if _, err := w.Write(npyHead("<f4", shape)); err != nil {
		return err
	}
	const chunk = 1 << 14
	buf := make([]byte, 0, 4*min(len(v), chunk))
	for len(v) > 0 {
		n := min(len(v), chunk)
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

func writeNpyText(w io.Writer, s string) error {
	runes := []rune(s)
	b := npyHead("<U"+strconv.Itoa(len(runes)), nil)
	for _, r := range runes {
		b = binary.LittleEndian.AppendUint32(b, uint32(r))
	}
	_, err := w.Write(b)
	return err
}
