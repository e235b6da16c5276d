package npy

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sbinet/npyio"
)

// read reads an array of numbers.
func read(b []byte) (Header, []complex64, error) {
	r := bytes.NewReader(b)
	h, err := ReadHeader(r)
	if err != nil {
		return h, nil, err
	}
	n, ok := h.Len(1 << 20)
	if !ok {
		return h, nil, errors.New("too large")
	}
	v, err := h.Complexes(r, n)
	return h, v, err
}

// file is an array of any header and data.
func file(version byte, dict string, data ...byte) []byte {
	b := append([]byte(Magic), version, 0, byte(len(dict)), byte(len(dict)>>8))
	if version > 1 {
		b = append(b, 0, 0)
	}
	return append(append(b, dict...), data...)
}

// TestTypes: what NumPy wrote (testdata/dtypes.py) in every type, byte order,
// memory order and version reads as the numbers that it was given.
func TestTypes(t *testing.T) {
	x := []float64{0, 1, 2, 100, 3, -5, 7, 11, 64, 0.5, 90, 127, 13, 17, 19, 23, 29, 31, -37, 41, 43, 47, 53, 59}
	z, err := zip.OpenReader("testdata/dtypes.npz")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, e := range z.File {
		var kind, end, order string
		var version byte
		if _, err := fmt.Sscanf(e.Name, "%s %s %s %d", &kind, &end, &order, &version); err != nil {
			t.Fatal(err)
		}
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		h, v, err := read(b)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		wide := h.Size > 1 // a byte has no order
		if b[6] != version || !strings.HasSuffix(h.Descr, kind) || wide && strings.HasPrefix(h.Descr, ">") != (end == "big") ||
			h.Fortran != (order == "F") || h.Tuple() != "(2, 3, 4)" {
			t.Errorf("%s: reads as version %d, %+v", e.Name, b[6], h)
		}
		want := make([]complex64, len(x))
		for i, v := range x {
			switch h.Kind {
			case Int:
				v = math.Trunc(v)
			case Uint:
				v = math.Trunc(math.Abs(v))
			case Bool:
				v = math.Ceil(min(1, math.Abs(v)))
			}
			want[i] = complex(float32(v), 0)
			if h.Kind == Complex {
				want[i] = complex(float32(v), float32(x[(i+12)%24])) // the halves change places
			}
		}
		if !slices.Equal(v, want) {
			t.Errorf("%s: %v, want %v", e.Name, v, want)
		}
		if h.Kind == Complex {
			continue
		}
		for name, f := range map[string]func(r io.Reader) ([]float32, error){
			"Floats":     func(r io.Reader) ([]float32, error) { return h.Floats(r, 24) },
			"FloatsInto": func(r io.Reader) ([]float32, error) { return h.FloatsInto(make([]float32, 24), r) },
		} {
			got, err := f(bytes.NewReader(b[h.Before:]))
			if err != nil || len(got) != 24 {
				t.Fatalf("%s: %s: %d numbers, %v", e.Name, name, len(got), err)
			}
			for i, v := range got {
				if v != real(want[i]) {
					t.Fatalf("%s: %s: number %d is %v, want %v", e.Name, name, i, v, real(want[i]))
				}
			}
		}
	}
	if len(z.File) != 14*2*2*3 {
		t.Errorf("%d arrays", len(z.File))
	}
}

// TestFloat16 compares with the values of the standard's table and, for all
// normal numbers, with a float32 of the same bits.
func TestFloat16(t *testing.T) {
	for u, want := range map[uint16]float64{0: 0, 1: 0x1p-24, 0x03ff: 0x3ffp-24, 0x3555: 0.333251953125, 0xc000: -2, 0x7bff: 65504,
		0x7c00: math.Inf(1), 0xfc00: math.Inf(-1)} {
		if got := Float16(u); got != want {
			t.Errorf("%#04x is %v, want %v", u, got, want)
		}
	}
	if !math.IsNaN(Float16(0x7e00)) || !math.Signbit(Float16(0x8000)) {
		t.Error("NaN or -0")
	}
	for u := range 0x7c00 {
		if u < 0x400 {
			continue
		}
		want := math.Float32frombits(uint32(u>>10+112)<<23 | uint32(u&1023)<<13)
		if got := Float16(uint16(u)); got != float64(want) {
			t.Fatalf("%#04x is %v, want %v", u, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	good := "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"
	with := func(old, new string) []byte { return file(1, strings.Replace(good, old, new, 1), 0, 0, 0, 0) }
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":      {nil, "ends too early"},
		"text":       {[]byte("hello, world"), "not a .npy"},
		"version":    {file(4, good), "version 4.0"},
		"cut head":   {file(1, good)[:20], "ends too early"},
		"cut length": {file(2, good)[:11], "ends too early"},
		"cut data":   {file(1, good, 0, 0), "ends too early"},
		"vast head":  {[]byte(Magic + "\x02\x00\xff\xff\xff\xff"), "header of 4294967295 bytes"},
		"no dict":    {file(1, "whatever"), "damaged .npy: header"},
		"twice":      {file(1, strings.Replace(good, "'shape'", "'descr': '<f4', 'shape'", 1)), "damaged .npy: header"},
		"no order":   {with("'fortran_order': False, ", ""), "damaged .npy: header"},
		"order":      {with("False", "Maybe"), "damaged .npy: header"},
		"no type":    {with("'descr': '<f4', ", ""), "damaged .npy: header"},
		"no shape":   {with("(1,)", "7"), "damaged .npy: header"},
		"negative":   {with("(1,)", "(-1,)"), "damaged .npy: header"},
		"overflow":   {with("(1,)", "(9223372036854775808,)"), "damaged .npy: header"},
		"dims":       {with("(1,)", "("+strings.Repeat("1,", 33)+")"), "damaged .npy: header"},
		"large":      {with("(1,)", "(1073741824, 1073741824, 1073741824)"), "too large"},
		"objects":    {with("<f4", "|O8"), `type "|O8"`},
		"records":    {with("'<f4'", "[('a', '<f4')]"), "type"},
		"long float": {with("<f4", "<f16"), `type "<f16"`},
		"strings":    {with("<f4", "<U1"), "text where numbers"},
	} {
		_, v, err := read(c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v; want %q", name, v, err, c.want)
		}
	}
	h := Header{Kind: Complex, Size: 8}
	if _, err := h.Floats(bytes.NewReader(nil), 1); err == nil {
		t.Error("complex numbers read as real ones")
	}
	if _, err := h.ReadText(bytes.NewReader(nil)); err == nil {
		t.Error("complex numbers read as text")
	}
	if n, ok := (Header{Shape: []int{1 << 40, 0, 1 << 40}}).Len(1); n != 0 || !ok {
		t.Error("an empty array has elements")
	}
}

// TestWrite: another program's reader sees what was written.
func TestWrite(t *testing.T) {
	v := make([]float32, 3*7*1000)
	for i := range v {
		v[i] = float32(i) / 3
	}
	for _, shape := range [][]int{{len(v)}, {3, 7000}, {3, 7, 1000}} {
		var b bytes.Buffer
		if err := WriteFloats(&b, shape, v); err != nil {
			t.Fatal(err)
		}
		if (b.Len()-4*len(v))%64 != 0 {
			t.Errorf("a head of %d bytes", b.Len()-4*len(v))
		}
		r, err := npyio.NewReader(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		var got []float32
		if err := r.Read(&got); err != nil || !slices.Equal(r.Header.Descr.Shape, shape) || !slices.Equal(got, v) {
			t.Errorf("%v reads as %v, %v", shape, r.Header.Descr.Shape, err)
		}
	}
	for _, s := range []string{"", "plain", `{"a": "größer ∇"}`} {
		var b bytes.Buffer
		if err := WriteText(&b, s); err != nil {
			t.Fatal(err)
		}
		h, err := ReadHeader(&b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.ReadText(&b); err != nil || got != s {
			t.Errorf("%q reads as %q, %v", s, got, err)
		}
	}
}

func Example() {
	var b bytes.Buffer
	if err := WriteFloats(&b, []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}); err != nil {
		panic(err)
	}
	h, err := ReadHeader(&b)
	if err != nil {
		panic(err)
	}
	n, _ := h.Len(1 << 28)
	v, err := h.Floats(&b, n)
	fmt.Println(h.Descr, h.Tuple(), v, err)
	// Output: <f4 (2, 3) [1 2 3 4 5 6] <nil>
}

func FuzzNpy(f *testing.F) {
	var numbers, text bytes.Buffer
	WriteFloats(&numbers, []int{2, 1}, []float32{1, 2})
	WriteText(&text, "abc")
	f.Add(numbers.Bytes())
	f.Add(text.Bytes())
	f.Add([]byte(Magic + "\x02\x00\xff\xff\xff\xff"))
	f.Add(file(1, "{'descr': '>c8', 'fortran_order': True, 'shape': (1, 2), }", make([]byte, 16)...))
	f.Add(file(3, "{'descr': '<f2', 'fortran_order': True, 'shape': (2, 1), }", 0, 60, 0, 124))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		h, err := ReadHeader(r)
		if err == nil {
			n, ok := h.Len(1 << 20)
			switch {
			case !ok:
			case h.Kind == Text || h.Kind == Bytes:
				_, err = h.ReadText(r)
			case h.Kind == Complex:
				var v []complex64
				if v, err = h.Complexes(r, n); err == nil && len(v) != n {
					t.Errorf("%d numbers of %d", len(v), n)
				}
			default:
				var v []float32
				if v, err = h.Floats(r, n); err == nil && len(v) != n {
					t.Errorf("%d numbers of %d", len(v), n)
				}
			}
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("an error of several lines: %q", err)
		}
	})
}

// TestWriteDoubles: another program's reader sees float64 arrays and lists of texts.
func TestWriteDoubles(t *testing.T) {
	v := []float64{1, -2.5, 3e300, 4, 5, 6}
	var b bytes.Buffer
	if err := WriteDoubles(&b, []int{2, 3}, v); err != nil {
		t.Fatal(err)
	}
	r, err := npyio.NewReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	var got []float64
	if err := r.Read(&got); err != nil || !slices.Equal(r.Header.Descr.Shape, []int{2, 3}) || !slices.Equal(got, v) {
		t.Errorf("%v reads as %v, %v", r.Header.Descr.Shape, got, err)
	}
	b.Reset()
	if err := WriteTexts(&b, []string{"größe", "", "∇"}); err != nil {
		t.Fatal(err)
	}
	h, err := ReadHeader(&b)
	if err != nil || h.Kind != Text || h.Tuple() != "(3,)" || b.Len() != 3*5*4 {
		t.Errorf("%v %s, %d bytes of text: %v", h.Kind, h.Tuple(), b.Len(), err)
	}
}
