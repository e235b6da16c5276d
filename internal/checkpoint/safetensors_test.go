package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

func st(header string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func readST(b []byte) ([]Tensor, map[string]string, error) {
	return Read(bytes.NewReader(b), int64(len(b)))
}

// A file written by hand from the format's description.
func TestSafetensorsByHand(t *testing.T) {
	b := st(`{"b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},"__metadata__":{"k":"v"},`+
		`"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"i":{"dtype":"I64","shape":[],"data_offsets":[12,20]},`+
		`"d":{"dtype":"F64","shape":[1],"data_offsets":[20,28]},"h":{"dtype":"BF16","shape":[1],"data_offsets":[28,30]}} `,
		0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, // 1, -2
		0x00, 0x3c, 0x01, 0x00, // 1, 2^-24
		0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // -2
		0, 0, 0, 0, 0, 0, 0xe0, 0x3f, // 0.5
		0x40, 0x40) // 3
	got, meta, err := readST(b)
	if err != nil {
		t.Fatal(err)
	}
	want := []Tensor{
		{"a", []int{2, 1}, []float32{1, -2}},
		{"b", []int{2}, []float32{1, 1.0 / (1 << 24)}},
		{"i", []int{}, []float32{-2}},
		{"d", []int{1}, []float32{0.5}},
		{"h", []int{1}, []float32{3}},
	}
	if !slices.EqualFunc(got, want, equalTensor) || meta["k"] != "v" || len(meta) != 1 {
		t.Fatalf("got %v %v", got, meta)
	}
}

func equalTensor(a, b Tensor) bool {
	same := func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) }
	return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) && slices.EqualFunc(a.Data, b.Data, same)
}

func TestSafetensorsRefuses(t *testing.T) {
	f32 := func(name, offsets string) string {
		return `"` + name + `":{"dtype":"F32","shape":[1],"data_offsets":[` + offsets + `]}`
	}
	four := make([]byte, 4)
	eight := make([]byte, 8)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "too few"},
		{"long header", []byte{255, 255, 255, 255, 255, 255, 255, 255}, "header of"},
		{"no json", st("hello"), "not a JSON object"},
		{"twice", st("{"+f32("a", "0,4")+","+f32("a", "4,8")+"}", eight...), "twice"},
		{"overlap", st("{"+f32("a", "0,4")+","+f32("b", "2,6")+"}", eight...), "overlaps"},
		{"hole", st("{"+f32("a", "4,8")+"}", eight...), "belong to no tensor"},
		{"tail", st("{"+f32("a", "0,4")+"}", eight...), "belong to no tensor"},
		{"short", st("{"+f32("a", "0,4")+","+f32("b", "4,8")+"}", four...), "cut short"},
		{"backwards", st("{"+f32("a", "4,0")+"}", four...), "not a range"},
		{"2^60 values", st(`{"a":{"dtype":"F32","shape":[1073741824,1073741824],"data_offsets":[0,4]}}`, four...), "out of range"},
		{"shape and bytes", st(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, four...), "needs 8 bytes"},
		{"dtype", st(`{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,4]}}`, four...), "dtype"},
		{"trailing", st("{} {}"), "goes on"},
		{"unclosed", st(`{"a":`), "EOF"},
		{"meta", st(`{"__metadata__":{"a":1}}`), "metadata"},
		{"big integer", st(`{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`, 1, 0, 0, 1, 0, 0, 0, 0), "does not fit"},
	} {
		_, _, err := readST(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func randomTensors(rng *rand.Rand) []Tensor {
	var out []Tensor
	for i, shape := range [][]int{{3, 3, 2, 5}, {}, {0, 4}, {7}, {1, 9000}} {
		x := Tensor{Name: string(rune('a'+i)) + `."ü`, Shape: shape, Data: make([]float32, shapeLen(shape))}
		for j := range x.Data {
			x.Data[j] = float32(rng.NormFloat64())
		}
		out = append(out, x)
	}
	return out
}

func TestSafetensorsRoundTrip(t *testing.T) {
	in := randomTensors(rand.New(rand.NewPCG(1, 2)))
	in[0].Data[0], in[0].Data[1] = float32(math.NaN()), float32(math.Inf(-1))
	meta := map[string]string{"config": `{"a":"<b>"}`, "": "\x01"}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := WriteFile(path, in, meta); err != nil {
		t.Fatal(err)
	}
	out, m, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(in, out, equalTensor) || len(m) != 2 || m["config"] != meta["config"] || m[""] != "\x01" {
		t.Fatal("what was read is not what was written")
	}
	// F16 for one tensor: the rest stays exact, that one within 2^-11.
	var b bytes.Buffer
	if err := Write(&b, in, meta, func(n string) bool { return n == in[3].Name }); err != nil {
		t.Fatal(err)
	}
	out, _, err = readST(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	h := out[len(out)-1]
	if h.Name != in[3].Name {
		t.Fatalf("the half tensor is not last: %s", h.Name)
	}
	for i, v := range in[3].Data {
		if math.Abs(float64(h.Data[i]-v)) > math.Abs(float64(v))/2048 {
			t.Errorf("half of %g is %g", v, h.Data[i])
		}
	}
	in[3].Data[2] = 65520
	err = Write(io.Discard, in, meta, func(n string) bool { return n == in[3].Name })
	if err == nil || !strings.Contains(err.Error(), "65520 does not fit") {
		t.Errorf("overflow: %v", err)
	}
}

// Every flipped bit is noticed, wherever it is.
func TestSafetensorsChecksum(t *testing.T) {
	var b bytes.Buffer
	in := []Tensor{{"w", []int{2, 2}, []float32{1, 2, 3, 4}}}
	if err := Write(&b, in, map[string]string{"k": "v"}, nil); err != nil {
		t.Fatal(err)
	}
	data, head := 0, b.Len()-16
	for i := range b.Len() * 8 {
		c := bytes.Clone(b.Bytes())
		c[i/8] ^= 1 << (i % 8)
		out, meta, err := readST(c)
		if err == nil && i/8 < head {
			// A flip in the name of the checksum's key hides it, and one
			// in a digit's or key's letter case may change nothing.
			if _, ok := meta["k"]; ok && slices.EqualFunc(in, out, equalTensor) {
				continue
			}
		}
		if err == nil {
			t.Errorf("flip of bit %d went unnoticed", i)
		}
		if i/8 >= head {
			data++
			if !errors.Is(err, ErrCorrupted) {
				t.Errorf("flip in the data: %v", err)
			}
		}
	}
	if data != 128 {
		t.Fatalf("%d bits of data", data)
	}
}

func TestHalf(t *testing.T) {
	var all []float64 // finite halves, sorted
	for h := range 1 << 16 {
		f := halfToFloat(uint16(h))
		if f != f {
			if g := floatToHalf(f); halfToFloat(g) == halfToFloat(g) {
				t.Fatalf("NaN %04x became %04x", h, g)
			}
			continue
		}
		if g := floatToHalf(f); g != uint16(h) {
			t.Fatalf("%04x -> %g -> %04x", h, f, g)
		}
		if !math.IsInf(float64(f), 0) && h < 0x8000 {
			all = append(all, float64(f))
		}
	}
	if all[len(all)-1] != 65504 || all[1] != math.Ldexp(1, -24) || all[1024] != math.Ldexp(1, -14) {
		t.Fatal("landmarks of binary16 are wrong")
	}
	// Nearest by search; ties go to the even code, which is the index here.
	check := func(v float32) {
		i := sort.SearchFloat64s(all, float64(v))
		if i == len(all) {
			return
		}
		if i > 0 {
			lo, hi := float64(v)-all[i-1], all[i]-float64(v)
			if lo < hi || lo == hi && i%2 == 1 {
				i--
			}
		}
		if g := floatToHalf(v); int(g) != i {
			t.Fatalf("%g -> %04x, nearest is %04x", v, g, i)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range len(all) - 1 {
		mid := float32((all[i] + all[i+1]) / 2) // exact: 11 bits and one more
		check(mid)
		check(math.Nextafter32(mid, 0))
		check(math.Nextafter32(mid, 1e9))
		check(float32(all[i] + rng.Float64()*(all[i+1]-all[i])))
	}
	if floatToHalf(65519.996) != 0x7bff || floatToHalf(65520) != 0x7c00 || floatToHalf(-1e30) != 0xfc00 {
		t.Error("overflow")
	}
}

// Whatever is read can be written and read again to the same tensors.
func FuzzSafetensors(f *testing.F) {
	f.Add(st(`{}`))
	f.Add(st(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"b":"c"}}`, 1, 2, 3, 4))
	f.Add(st(`{"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}`, 1, 2, 3, 4))
	f.Add(st(`{"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}`, 255, 255, 255, 255, 255, 255, 255, 127))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, meta, err := readST(b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		var w bytes.Buffer
		if err := Write(&w, in, meta, nil); err != nil {
			t.Fatal(err)
		}
		out, m, err := readST(w.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(in, out, equalTensor) || len(m) != len(meta) {
			t.Error("not the same after a round trip")
		}
	})
}
