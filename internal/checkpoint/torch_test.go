package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sbinet/npyio/npz"
)

// The weights in the .pt are those in the .npz, written by NumPy.
func TestTorchGolden(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		hidden, in int
		tensors    int
	}{
		{"lpn1d", TorchDense, 50, 1, 16},
		{"lpn_mnist", TorchMNIST, 6, 1, 14},
		{"lpn_128", Torch128, 4, 3, 22},
	} {
		got, err := ReadTorchFile("../../lpn/testdata/golden/" + c.name + ".pt")
		if err != nil {
			t.Fatal(err)
		}
		kind, hidden, in, err := RecogniseTorch(got)
		if err != nil || kind != c.kind || hidden != c.hidden || in != c.in || len(got) != c.tensors {
			t.Errorf("%s: recognised as %s, hidden %d, in %d, %d tensors, error %v", c.name, kind, hidden, in, len(got), err)
		}
		z, err := npz.Open("../../lpn/testdata/golden/" + c.name + ".npz")
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, key := range z.Keys() {
			name, ok := strings.CutPrefix(strings.TrimSuffix(key, ".npy"), "w.")
			if !ok {
				continue
			}
			var want []float32
			if err := z.Read(key, &want); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got[name].Shape, z.Header(key).Descr.Shape) || !slices.Equal(got[name].Data, want) {
				t.Errorf("%s: %s differs", c.name, name)
			}
			// Element by element: ours at (y,x,i,o) is theirs at (o,i,y,x).
			ours := FromTorch(got, kind)[name]
			if len(ours.Shape) != 4 {
				continue
			}
			h, w, ci, co := ours.Shape[0], ours.Shape[1], ours.Shape[2], ours.Shape[3]
			for k, v := range want {
				x, y, i, o := k%w, k/w%h, k/w/h%ci, k/w/h/ci
				if ours.Data[((y*w+x)*ci+i)*co+o] != v {
					t.Fatalf("%s: %s: permuted wrongly at %d", c.name, name, k)
				}
			}
		}
	}
	m, _ := ReadTorchFile("../../lpn/testdata/golden/lpn_mnist.pt")
	if s := FromTorch(m, TorchMNIST)["lin.4.weight"].Shape; !slices.Equal(s, []int{7, 7, 6, 64}) {
		t.Errorf("the dense layer of mnist has shape %v", s)
	}
}

// Every kind of storage and view, in the zip format, in the older one (with
// names behind "module." and the table under state_dict) and with protocol 4.
func TestTorchKinds(t *testing.T) {
	plain := make([]float32, 24)
	transposed := make([]float32, 24)
	for i := range plain {
		plain[i] = float32(i)
		transposed[(i%4*2+i/12)*3+i/4%3] = float32(i)
	}
	want := map[string]Tensor{
		"plain":      {"", []int{2, 3, 4}, plain},
		"transposed": {"", []int{4, 2, 3}, transposed},
		"slice":      {"", []int{2, 2}, []float32{16, 18, 20, 22}},
		"half":       {"", []int{3}, []float32{1, -0.5, 65504}},
		"bf16":       {"", []int{2}, []float32{3, -1.5}},
		"double":     {"", []int{1}, []float32{0.5}},
		"long":       {"", []int{}, []float32{7}},
		"int":        {"", []int{1}, []float32{-3}},
		"byte":       {"", []int{1}, []float32{255}},
		"bool":       {"", []int{2}, []float32{1, 0}},
		"empty":      {"", []int{0, 3}, []float32{}},
		"param":      {"", []int{1}, []float32{2}},
	}
	for _, file := range []string{"kinds", "legacy", "protocol4"} {
		got, err := ReadTorchFile("testdata/torch/" + file + ".pt")
		if err != nil {
			t.Error(err)
			continue
		}
		for name, w := range want {
			g := got[name]
			if !slices.Equal(g.Shape, w.Shape) || !slices.Equal(g.Data, w.Data) {
				t.Errorf("%s: %s is %v", file, name, g)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d tensors, want %d", file, len(got), len(want))
		}
	}
	got, err := ReadTorchFile("testdata/torch/training.pt")
	if err != nil || len(got) != 2 || !slices.Equal(got["0.bias"].Data, []float32{1.999, 1.999}) {
		t.Errorf("training.pt: %v, error %v", got, err)
	}
}

func TestTorchRefuses(t *testing.T) {
	for file, want := range map[string]string{
		"torch/evil.pt":   `class "posix.system"`,
		"torch/module.pt": "state_dict",
		"../../../lpn/testdata/golden/lpn1d.json": "neither a zip archive",
		"../../../lpn/testdata/golden/lpn1d.npz":  "without data.pkl",
	} {
		_, err := ReadTorchFile("testdata/" + file)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one with %q", file, err, want)
		}
	}
	if _, err := os.Stat("/tmp/lpn-evil"); err == nil {
		t.Error("a checkpoint ran a command")
	}
	for _, c := range []struct{ program, want string }{
		{"\x80\x02X\xff\xff\xff\xff", "cut short"},
		{"\x80\x02" + strings.Repeat("(", 1000), "too deeply"},
		{"\x80\x02ctorch\n", "cut short"},
		{"\x80\x02)\x81.", "instruction 0x81"},
		{"\x80\x02}", "without an end"},
		{"\x80\x02t.", "malformed"},
		{"\x80\x02\x95\xff\xff\xff\xff\xff\xff\xff\xff", "cut short"},
		{"\x80\x02K\x01.", "no tensors"},
		{"\x80\x02\x8a\x00.", "malformed"}, // gopickle panics here
	} {
		b := torchZip(map[string][]byte{"x/data.pkl": []byte(c.program)})
		_, err := ReadTorch(bytes.NewReader(b), int64(len(b)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got error %v, want one with %q", c.program, err, c.want)
		}
	}
}

func torchZip(records map[string][]byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, data := range records {
		f, _ := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		f.Write(data)
	}
	w.Close()
	return b.Bytes()
}

// tensorPickle is {"w": tensor} with the given storage size, offset, size and
// stride, as torch.save would write it.
func tensorPickle(n, offset, size, stride int) []byte {
	num := func(v int) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(v))) }
	return []byte("\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(" +
		"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + num(n) + "tQ" +
		num(offset) + num(size) + "\x85" + num(stride) + "\x85\x89)tRs.")
}

func TestTorchViews(t *testing.T) {
	four := make([]byte, 16)
	for i := range 4 {
		binary.LittleEndian.PutUint32(four[4*i:], math.Float32bits(float32(i)))
	}
	read := func(n, offset, size, stride int, data []byte) (map[string]Tensor, error) {
		b := torchZip(map[string][]byte{"x/data.pkl": tensorPickle(n, offset, size, stride), "x/data/0": data})
		return ReadTorch(bytes.NewReader(b), int64(len(b)))
	}
	got, err := read(4, 1, 2, 2, four)
	if err != nil || !reflect.DeepEqual(got["w"].Data, []float32{1, 3}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, c := range [][4]int{
		{4, 1, 2, 3}, {4, 0, 5, 1}, {4, -1, 1, 1}, {4, 4, 1, 1}, {4, 0, -1, 1}, {4, 0, 2, -1},
		{4, 0, 1 << 30, 0}, {4, 0, 2, 1 << 30}, {5, 0, 1, 1}, {3, 0, 1, 1}, {1 << 30, 0, 1, 1},
	} {
		if got, err := read(c[0], c[1], c[2], c[3], four); err == nil {
			t.Errorf("%v was read as %v", c, got)
		}
	}
	// A small archive that unpacks to a large storage.
	if _, err := read(1<<24, 0, 1, 1, make([]byte, 1<<26)); err == nil || !strings.Contains(err.Error(), "larger than the file") {
		t.Errorf("zip bomb: %v", err)
	}
}

func TestRecogniseTorchRefuses(t *testing.T) {
	read := func() map[string]Tensor {
		m, err := ReadTorchFile("../../lpn/testdata/golden/lpn_mnist.pt")
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	check := func(what string, m map[string]Tensor, want string) {
		if _, _, _, err := RecogniseTorch(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", what, err, want)
		}
	}
	check("nothing", nil, "lin.0.weight")
	m := read()
	delete(m, "res.2.bias")
	check("missing", m, "no tensor res.2.bias")
	m = read()
	m["extra"] = Tensor{}
	check("extra", m, `"extra" is not part`)
	m = read()
	m["lin.3.weight"] = m["lin.4.weight"]
	check("shape", m, "lin.3.weight has shape [64 294], want [6 6 3 3]")
}

func FuzzTorch(f *testing.F) {
	for _, dir := range []string{"testdata/torch/*.pt", "../../lpn/testdata/golden/lpn1d.pt"} {
		names, _ := filepath.Glob(dir)
		for _, n := range names {
			if b, err := os.ReadFile(n); err == nil {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ReadTorch(bytes.NewReader(b), int64(len(b)))
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %q", err)
		}
		RecogniseTorch(m)
	})
}

// FuzzTorchPickle mutates the instructions alone, past the archive's CRC.
func FuzzTorchPickle(f *testing.F) {
	f.Add(tensorPickle(4, 1, 2, 2))
	f.Add(tensorPickle(4, 0, 4, 1))
	z, err := zip.OpenReader("testdata/torch/kinds.pt")
	if err != nil {
		f.Fatal(err)
	}
	p, err := readRecord(z.File[0], maxPickle)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p)
	f.Fuzz(func(t *testing.T, program []byte) {
		b := torchZip(map[string][]byte{"x/data.pkl": program, "x/data/0": make([]byte, 16), "x/data/1": make([]byte, 6)})
		m, _ := ReadTorch(bytes.NewReader(b), int64(len(b)))
		for name, x := range m {
			if len(x.Data) != shapeLen(x.Shape) {
				t.Errorf("%s: shape %v, %d values", name, x.Shape, len(x.Data))
			}
		}
	})
}
