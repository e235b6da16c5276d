package checkpoint

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
)

// This file reads and writes the safetensors format: eight bytes of header
// length N (little endian), N bytes of JSON
//
//	{"__metadata__":{"key":"value"},"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},...}
//
// and the tensors' bytes, row-major, little endian, without gaps.
// github.com/nlpodyssey/safetensors reads it too; it is not used because it
// wants the whole file as one byte slice and hands out views of it, accepts a
// name twice, and has no half precision, all of which would have to be built
// around it.

// A Tensor is a named array of float32, row-major: the last dim varies
// fastest. A scalar has an empty Shape and one element.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// shapeLen is the product of a shape's dims.
func shapeLen(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

const (
	maxHeader   = 16 << 20       // bytes of JSON
	maxDims     = 8              // of one tensor
	maxElements = 1 << 40        // of one tensor, before its bytes are compared with the file
	checksumKey = "lpn.sha256"   // metadata: hex digest of names, shapes, metadata and data
	metadataKey = "__metadata__" // reserved by the format
)

// ErrCorrupted reports a file whose checksum does not match its content.
var ErrCorrupted = errors.New("corrupted checkpoint: the checksum does not match the content")

// ReadFile reads the safetensors file at path: its tensors in file order
// and its metadata. F32, F16, BF16, F64 and I64 are converted to float32 (F64
// is rounded, an I64 that float32 cannot hold is an error). Where the metadata
// holds a checksum it is verified, and a mismatch is an ErrCorrupted. Memory
// is bounded by the size of the file, whatever its header says.
func ReadFile(path string) ([]Tensor, map[string]string, error) {
	var tensors []Tensor
	var meta map[string]string
	err := Open(path, func(r io.ReaderAt, size int64) (err error) {
		tensors, meta, err = Read(r, size)
		return err
	})
	return tensors, meta, err
}

// Open calls read with the file at path and its size, and puts the path before
// the error that it returns.
func Open(path string, read func(r io.ReaderAt, size int64) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := read(f, st.Size()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// WriteFile writes tensors as F32 and meta, with a checksum added, to the
// safetensors file at path, whole or not at all.
func WriteFile(path string, tensors []Tensor, meta map[string]string) error {
	return atomicfile.Write(path, func(w io.Writer) error { return Write(w, tensors, meta, nil) })
}

// entry is one line of the header.
type entry struct {
	name    string
	dtype   string
	shape   []int
	from, n int64 // bytes in the data section
}

var dtypeSize = map[string]int64{"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8}

// Read is ReadFile on the first size bytes of r.
func Read(r io.ReaderAt, size int64) ([]Tensor, map[string]string, error) {
	var head [8]byte
	if size < 8 {
		return nil, nil, fmt.Errorf("safetensors: %d bytes are too few for a header", size)
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, nil, fmt.Errorf("safetensors: header: %w", err)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, nil, fmt.Errorf("safetensors: not a safetensors file: header of %d bytes in a file of %d (at most %d)", n, size, maxHeader)
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil && !(err == io.EOF && n == 0) {
		return nil, nil, fmt.Errorf("safetensors: header: %w", err)
	}
	table, meta, err := parseHeader(text)
	if err != nil {
		return nil, nil, fmt.Errorf("safetensors: %w", err)
	}
	base := 8 + int64(n)
	if err := checkTable(table, size-base); err != nil {
		return nil, nil, fmt.Errorf("safetensors: %w", err)
	}
	sum := newChecksum(table, meta)
	out := make([]Tensor, len(table))
	for i, e := range table {
		raw := make([]byte, e.n)
		if _, err := r.ReadAt(raw, base+e.from); err != nil && e.n > 0 {
			return nil, nil, fmt.Errorf("safetensors: tensor %q: %w", e.name, err)
		}
		sum.Write(raw)
		data, err := decode(raw, e.dtype)
		if err != nil {
			return nil, nil, fmt.Errorf("safetensors: tensor %q: %w", e.name, err)
		}
		out[i] = Tensor{Name: e.name, Shape: e.shape, Data: data}
	}
	if want, ok := meta[checksumKey]; ok {
		if !strings.EqualFold(want, hex.EncodeToString(sum.Sum(nil))) {
			return nil, nil, fmt.Errorf("safetensors: %w", ErrCorrupted)
		}
		delete(meta, checksumKey)
	}
	return out, meta, nil
}

// parseHeader reads the header's JSON as a stream, which is how a name that
// stands there twice is seen.
func parseHeader(text []byte) ([]entry, map[string]string, error) {
	meta := map[string]string{}
	var table []entry
	seen := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, errors.New("the header is not a JSON object")
	}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, nil, fmt.Errorf("the header is not JSON: %v", err)
		}
		if seen[name] {
			return nil, nil, fmt.Errorf("the name %q stands twice in the header", name)
		}
		seen[name] = true
		if name == metadataKey {
			if err := d.Decode(&meta); err != nil {
				return nil, nil, fmt.Errorf("the metadata is not a table of strings: %v", err)
			}
			continue
		}
		var v struct {
			Dtype   string  `json:"dtype"`
			Shape   []int64 `json:"shape"`
			Offsets []int64 `json:"data_offsets"`
		}
		if err := d.Decode(&v); err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %v", name, err)
		}
		e, err := newEntry(name, v.Dtype, v.Shape, v.Offsets)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		table = append(table, e)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("the header is not JSON: %v", err)
	}
	if len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return nil, nil, errors.New("the header goes on after its JSON object")
	}
	if meta == nil { // "__metadata__":null
		meta = map[string]string{}
	}
	return table, meta, nil
}

func newEntry(name, dtype string, shape, offsets []int64) (entry, error) {
	size, ok := dtypeSize[dtype]
	if !ok {
		return entry{}, fmt.Errorf("dtype %q is not one of F32, F16, BF16, F64, I64", dtype)
	}
	if len(shape) > maxDims {
		return entry{}, fmt.Errorf("%d dims, at most %d", len(shape), maxDims)
	}
	e := entry{name: name, dtype: dtype, shape: make([]int, len(shape))}
	n := int64(1)
	for i, d := range shape {
		if d < 0 || d > maxElements || n > maxElements/max(d, 1) {
			return entry{}, fmt.Errorf("shape %v is out of range", shape)
		}
		n *= d
		e.shape[i] = int(d)
	}
	if len(offsets) != 2 || offsets[0] < 0 || offsets[1] < offsets[0] {
		return entry{}, fmt.Errorf("data_offsets %v are not a range", offsets)
	}
	e.from, e.n = offsets[0], offsets[1]-offsets[0]
	if e.n != n*size {
		return entry{}, fmt.Errorf("shape %v of %s needs %d bytes, data_offsets span %d", shape, dtype, n*size, e.n)
	}
	return e, nil
}

// checkTable sorts the table by offset and demands that the tensors tile the
// data section: no overlap, no hole, nothing beyond the end.
func checkTable(table []entry, size int64) error {
	slices.SortStableFunc(table, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.n, b.n))
	})
	at := int64(0)
	for _, e := range table {
		switch {
		case e.from < at:
			return fmt.Errorf("tensor %q overlaps the one before it", e.name)
		case e.from > at:
			return fmt.Errorf("%d bytes before tensor %q belong to no tensor", e.from-at, e.name)
		}
		at += e.n
		if at > size {
			return fmt.Errorf("tensor %q ends at byte %d of %d: the file is cut short", e.name, at, size)
		}
	}
	if at != size {
		return fmt.Errorf("%d bytes after the last tensor belong to no tensor", size-at)
	}
	return nil
}

func decode(raw []byte, dtype string) ([]float32, error) {
	le := binary.LittleEndian
	out := make([]float32, int64(len(raw))/dtypeSize[dtype])
	for i := range out {
		switch dtype {
		case "F32":
			out[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
		case "F16":
			out[i] = halfToFloat(le.Uint16(raw[2*i:]))
		case "BF16":
			out[i] = math.Float32frombits(uint32(le.Uint16(raw[2*i:])) << 16)
		case "F64":
			out[i] = float32(math.Float64frombits(le.Uint64(raw[8*i:])))
		case "I64":
			v := int64(le.Uint64(raw[8*i:]))
			// MaxInt64 rounds up to 2^63, which does not convert back.
			if out[i] = float32(v); out[i] == 1<<63 || int64(out[i]) != v {
				return nil, fmt.Errorf("the integer %d does not fit float32", v)
			}
		}
	}
	return out, nil
}

// Write writes tensors and meta with a checksum of both. Tensors
// for which half returns true (nil: none) are stored as F16, rounded to
// nearest even; one that holds a finite value beyond 65504 is refused. The
// F32 tensors come first, so that all data stays aligned.
func Write(w io.Writer, tensors []Tensor, meta map[string]string, half func(name string) bool) error {
	order := make([]Tensor, 0, len(tensors))
	isHalf := func(t Tensor) bool { return half != nil && half(t.Name) }
	for _, pass := range []bool{false, true} {
		for _, t := range tensors {
			if isHalf(t) == pass {
				order = append(order, t)
			}
		}
	}
	table := make([]entry, len(order))
	seen := map[string]bool{metadataKey: true}
	at := int64(0)
	for i, t := range order {
		if seen[t.Name] {
			return fmt.Errorf("safetensors: the name %q is reserved or stands twice", t.Name)
		}
		seen[t.Name] = true
		if len(t.Data) != shapeLen(t.Shape) || len(t.Shape) > maxDims {
			return fmt.Errorf("safetensors: tensor %q of shape %v holds %d values", t.Name, t.Shape, len(t.Data))
		}
		e := entry{name: t.Name, dtype: "F32", shape: t.Shape, from: at}
		if isHalf(t) {
			e.dtype = "F16"
			if v, ok := fitsHalf(t.Data); !ok {
				return fmt.Errorf("safetensors: tensor %q: %g does not fit half precision", t.Name, v)
			}
		}
		e.n = int64(len(t.Data)) * dtypeSize[e.dtype]
		at += e.n
		table[i] = e
	}
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]string{}
	}
	delete(meta, checksumKey)
	sum := newChecksum(table, meta)
	for i, t := range order {
		if err := encode(sum, t.Data, table[i].dtype); err != nil {
			return err
		}
	}
	meta[checksumKey] = hex.EncodeToString(sum.Sum(nil))
	head, err := formatHeader(table, meta)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for i, t := range order {
		if err := encode(w, t.Data, table[i].dtype); err != nil {
			return err
		}
	}
	return nil
}

// formatHeader returns the length and the JSON, padded with spaces so that
// the data starts at a multiple of eight.
func formatHeader(table []entry, meta map[string]string) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 8))
	text, err := json.Marshal(meta)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(b, `{"%s":%s`, metadataKey, text)
	for _, e := range table {
		name, err := json.Marshal(e.name)
		if err != nil {
			return nil, err
		}
		shape, _ := json.Marshal(append([]int{}, e.shape...))
		fmt.Fprintf(b, `,%s:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, name, e.dtype, shape, e.from, e.from+e.n)
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-8 > maxHeader {
		return nil, fmt.Errorf("header of %d bytes, at most %d", b.Len()-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), nil
}

func encode(w io.Writer, data []float32, dtype string) error {
	le := binary.LittleEndian
	buf := make([]byte, 0, 1<<14)
	for len(data) > 0 {
		k := min(len(data), cap(buf)/4)
		buf = buf[:0]
		for _, v := range data[:k] {
			if dtype == "F16" {
				buf = le.AppendUint16(buf, floatToHalf(v))
			} else {
				buf = le.AppendUint32(buf, math.Float32bits(v))
			}
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		data = data[k:]
	}
	return nil
}

// newChecksum starts the digest with everything but the data: a flipped digit
// in a shape or in the network's configuration is as wrong as one in a weight.
func newChecksum(table []entry, meta map[string]string) hash.Hash {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		if k != checksumKey {
			fmt.Fprintf(h, "%q=%q\n", k, meta[k])
		}
	}
	for _, e := range table {
		fmt.Fprintf(h, "%q %s %v\n", e.name, e.dtype, e.shape)
	}
	return h
}

// halfToFloat converts IEEE 754 binary16 to float32, exactly.
func halfToFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10&31), uint32(h&1023)
	switch exp {
	case 0: // zero and subnormals: frac * 2^-24, exact in float32
		v := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(v))
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// floatToHalf rounds to the nearest binary16, ties to even; beyond its range
// the result is an infinity, and a NaN stays one.
func floatToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00
	case b >= 0x477ff000: // 65520 and above round to infinity
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: subnormal, a multiple of 2^-24
		v := math.Float32frombits(b)
		return sign | uint16(math.RoundToEven(float64(v)*(1<<24)))
	}
	b += 0xfff + b>>13&1 // round to 10 bits of fraction; a carry moves the exponent
	return sign | uint16(b>>13-112<<10)
}

// RoundHalf rounds w, in place, to what half precision holds.
func RoundHalf(w []float32) {
	for i, v := range w {
		w[i] = halfToFloat(floatToHalf(v))
	}
}

// fitsHalf reports the first finite value that half precision would make
// infinite.
func fitsHalf(data []float32) (float32, bool) {
	for _, v := range data {
		if floatToHalf(v)&0x7fff == 0x7c00 && !math.IsInf(float64(v), 0) {
			return v, false
		}
	}
	return 0, true
}
