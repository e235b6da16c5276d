package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
)

// npyFile is a .npy of any header with some bytes after it.
func npyFile(descr, shape string, data int) []byte {
	h := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape)
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(h)), byte(len(h)>>8))
	return append(append(b, h...), make([]byte, data)...)
}

// tensorFile is a safetensors file of any header with some bytes after it.
func tensorFile(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

// TestHostileFiles: what a file promises is checked against what it holds, and
// each bad file gives exactly one line, exit code 1 and no output.
func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	good := save(t, filepath.Join(dir, "good.png"), picture(1, 16, 12, 8))
	raw, _ := os.ReadFile(good)
	pr := prior(t)
	weights, _ := os.ReadFile(pr)

	put("nan.npy", append(npyFile("<f4", "(1, 2)", 4), 0, 0, 0xc0, 0x7f))
	put("inf.npy", append(npyFile("<f4", "(1, 2)", 4), 0, 0, 0x80, 0x7f))
	put("pixels.npy", npyFile("<f4", "(1152921504606846976, 1)", 64))
	put("long.npy", npyFile("<f4", "(30000, 30000)", 64))
	put("object.npy", npyFile("|O", "(2, 2)", 64))
	put("cut.png", raw[:len(raw)/2])
	put("tail.png", append(slices.Clone(raw[:8]), make([]byte, 100)...))
	huge := slices.Clone(raw)
	copy(huge[16:], "\x00\x00\x75\x30\x00\x00\x75\x30") // 30000x30000
	binary.BigEndian.PutUint32(huge[29:], crc(huge[12:29]))
	put("huge.png", huge)

	flipped := slices.Clone(weights)
	flipped[len(flipped)-5] ^= 1
	put("flipped.safetensors", flipped)
	put("cut.safetensors", weights[:len(weights)-7])
	put("tensors.safetensors", tensorFile(`{"w":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4611686018427387904]}}`, 8))
	put("shapes.safetensors", tensorFile(`{"w":{"dtype":"F32","shape":[1073741824,1073741824,1073741824],"data_offsets":[0,8]}}`, 8))
	put("header.safetensors", append([]byte{0, 0, 0, 0, 0, 0, 0, 0x10}, make([]byte, 64)...))
	put("twice.safetensors", tensorFile(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))
	put("other.safetensors", tensorFile(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))
	put("weights.pt", append([]byte("\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."), 0))
	put("bomb.npz", bomb(t, 100<<20))
	put("vast.npz", archive(t, map[string][]byte{"operator.npy": operatorArray(`{"spec":"denoise","scene":[1,1,1152921504606846976],"boundary":"symmetric"}`), "y.npy": npyFile("<f4", "(2, 2)", 16)}))
	put("many.npz", archive(t, map[string][]byte{"operator.npy": operatorArray(`{"spec":"denoise","scene":[1,2,2],"boundary":"symmetric"}`), "y.npy": npyFile("<f4", "(1152921504606846976,)", 16)}))
	put("spec.npz", archive(t, map[string][]byte{"operator.npy": operatorArray(`{"spec":"frobnicate","scene":[1,2,2],"boundary":"symmetric"}`), "y.npy": npyFile("<f4", "(2, 2)", 16)}))
	put("empty.npz", archive(t, nil))
	before, _ := os.ReadDir(dir)

	for _, c := range []struct{ file, how, want string }{
		{"nan.npy", "restore", "D/nan.npy: not an image that lpn reads: sample 1 is NaN: every sample must be a finite number"},
		{"inf.npy", "restore", "D/inf.npy: not an image that lpn reads: sample 1 is +Inf: every sample must be a finite number"},
		{"pixels.npy", "restore", "D/pixels.npy: not an image that lpn reads: a .npy of shape (1152921504606846976, 1) has more than the limit of 2^31 samples"},
		{"long.npy", "restore", "D/long.npy: not an image that lpn reads: damaged .npy: shape 30000x30000 of <f4 wants 3600000000 bytes, the file has 64"},
		{"object.npy", "restore", `D/object.npy: a .npy of type "|O" is not supported: save the numbers as float32, uint8 or uint16`},
		{"cut.png", "restore", "D/cut.png: not an image that lpn reads: damaged PNG: invalid format: not enough pixel data"},
		{"tail.png", "restore", "D/tail.png: not an image that lpn reads: damaged PNG: invalid format: invalid checksum"},
		{"huge.png", "restore", fmt.Sprintf("D/huge.png: not an image that lpn reads: the header promises 30000x30000 pixels, which %d bytes cannot hold", len(raw))},
		{"flipped.safetensors", "prior", "D/flipped.safetensors: safetensors: corrupted checkpoint: the checksum does not match the content"},
		{"cut.safetensors", "prior", "the file is cut short"},
		{"tensors.safetensors", "prior", `D/tensors.safetensors: safetensors: tensor "w": shape [1152921504606846976] is out of range`},
		{"shapes.safetensors", "prior", `D/shapes.safetensors: safetensors: tensor "w": shape [1073741824 1073741824 1073741824] is out of range`},
		{"header.safetensors", "prior", "D/header.safetensors: safetensors: not a safetensors file: header of 1152921504606846976 bytes in a file of 72 (at most 16777216)"},
		{"twice.safetensors", "prior", `D/twice.safetensors: safetensors: the name "w" stands twice in the header`},
		{"other.safetensors", "prior", "D/other.safetensors: no lpn.config in the metadata: not a prior made by lpn"},
		{"weights.pt", "import", "D/weights.pt"},
		{"bomb.npz", "restore", "-fold"},
		{"vast.npz", "restore", "D/vast.npz: measurement file: operator: scene 1x1x1152921504606846976; want [C,H,W] of at least 1 and at most 268435456 samples"},
		{"many.npz", "restore", "D/many.npz: measurement file: y: "},
		{"spec.npz", "restore", `D/spec.npz: measurement file: operator: operator "frobnicate": unknown operator "frobnicate"`},
		{"empty.npz", "restore", `D/empty.npz: measurement file: no array "operator" in it; want y and operator`},
	} {
		file, out := filepath.Join(dir, c.file), filepath.Join(dir, "out.png")
		args := map[string][]string{
			"restore": {"restore", "--prior", pr, "--noise", "0.1", file, "-o", out},
			"prior":   {"restore", "--prior", file, "--noise", "0.1", good, "-o", out},
			"import":  {"import", file, "-o", filepath.Join(dir, "out"+priorExt)},
		}[c.how]
		code, stdout, stderr := call(t, args...)
		want := "lpn: " + strings.ReplaceAll(c.want, "D/", dir+string(filepath.Separator))
		switch {
		case code != exitFailed || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "lpn: "+file):
			t.Errorf("%s: exit %d, %q, %q", c.file, code, stdout, stderr)
		case strings.HasPrefix(c.want, "D/") && !strings.HasPrefix(stderr, want), !strings.Contains(stderr, strings.TrimPrefix(want, "lpn: ")):
			t.Errorf("%s: %q; want %q", c.file, stderr, want)
		}
	}
	if after, _ := os.ReadDir(dir); len(after) != len(before) {
		t.Errorf("files were left: %v", after)
	}

	// In a batch each is named, and the good ones are written.
	batch := filepath.Join(t.TempDir(), "out")
	code, _, stderr := call(t, "restore", "--prior", pr, "--noise", "0.1", "--iters", "2", dir, "-o", batch)
	if code != exitPartly || !strings.Contains(stderr, "inputs failed") {
		t.Errorf("batch: exit %d: %s", code, stderr)
	}
	for _, name := range []string{"nan.npy", "cut.png", "huge.png", "bomb.npz", "pixels.npy"} {
		if !strings.Contains(stderr, name) {
			t.Errorf("batch: %s is not named", name)
		}
	}
	if found, _ := os.ReadDir(batch); len(found) != 1 {
		t.Errorf("batch: wrote %v", found)
	}
}

func crc(b []byte) uint32 {
	table := uint32(0xffffffff)
	for _, v := range b {
		table ^= uint32(v)
		for range 8 {
			table = table>>1 ^ 0xedb88320&-(table&1)
		}
	}
	return ^table
}

func archive(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb is a .npz of zeros that unpacks a thousandfold.
func bomb(t *testing.T, size int) []byte {
	return archive(t, map[string][]byte{
		"operator.npy": operatorArray(`{"spec":"denoise","scene":[1,2,2],"boundary":"symmetric"}`),
		"y.npy":        npyFile("<f4", fmt.Sprintf("(%d,)", size/4), size),
	})
}

// operatorArray is a text as NumPy stores a string of no dimensions.
func operatorArray(text string) []byte {
	b := npyFile(fmt.Sprintf("<U%d", len(text)), "()", 0)
	for _, r := range text {
		b = binary.LittleEndian.AppendUint32(b, uint32(r))
	}
	return b
}

// TestStayInside: no name of a file and no link leads an output out of the
// folder that the command line names.
func TestStayInside(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	p := picture(1, 8, 8, 8)
	good := save(t, in("in/a.png"), p)
	save(t, in("dots/b.png"), p)
	os.Rename(in("dots/b.png"), in("dots/...png")) // its name without extension is ".."
	save(t, in("tree/sub/c.png"), p)
	for _, d := range []string{"out", "elsewhere", "out2"} {
		os.Mkdir(in(d), 0o777)
	}
	links := os.Symlink(in("elsewhere"), in("out/sub")) == nil && os.Symlink(in("elsewhere"), in("out2/a")) == nil &&
		os.Symlink(os.DevNull, in("out2/a.png")) == nil
	for _, c := range []struct {
		links bool
		args  []string
		want  string
	}{
		{false, []string{in("dots/...png"), "-o", in("out/{name}/x.png")}, "lies outside the folder " + in("out")},
		{false, []string{good, "-o", in("out") + "/{name}/../../x{ext}"}, "lies outside the folder " + in("out")},
		{false, []string{good, "-o", in("out") + "/{name}/../../elsewhere/{name}{ext}"}, "lies outside the folder " + in("out")},
		{true, []string{"-r", in("tree"), "-o", in("out")}, in("out/sub") + " is a symbolic link: outputs stay inside " + in("out")},
		{true, []string{good, "-o", in("out2/{name}/x.png")}, in("out2/a") + " is a symbolic link: outputs stay inside " + in("out2")},
		{true, []string{good, "-o", in("out2/{name}{ext}")}, in("out2/a.png") + " is a symbolic link: outputs stay inside " + in("out2")},
		{true, []string{in("in"), "--force", "-o", in("out2")}, in("out2/a.png") + " is a symbolic link: outputs stay inside " + in("out2")},
	} {
		if c.links && !links {
			continue
		}
		code, _, stderr := call(t, append([]string{"degrade"}, c.args...)...)
		if code != exitUsage || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q; want %q", c.args, code, stderr, c.want)
		}
	}
	if files, _ := os.ReadDir(in("elsewhere")); len(files) != 0 {
		t.Errorf("written outside: %v", files)
	}
	// The folder that a template names itself may lie anywhere.
	must(t, "degrade", good, "-o", in("in/../out/{name}_1{ext}"))
	must(t, "degrade", good, "-o", "{dir}/../out/{name}_2{ext}")
	must(t, "degrade", good, "-o", in("out/{name}/{name}{ext}"))
	for _, f := range []string{"out/a_1.png", "out/a_2.png", "out/a/a.png"} {
		load(t, in(f))
	}
}

// TestInputsAreSafe: an input is never an output, whatever name or link it
// goes by, and whichever flag says so.
func TestInputsAreSafe(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	a, b := save(t, in("a.png"), picture(1, 8, 8, 8)), save(t, in("b.png"), picture(1, 9, 9, 8))
	pr := prior(t)
	os.Link(a, in("hard.png"))
	os.Symlink(a, in("soft.png"))
	before, _ := os.ReadFile(a)
	for _, c := range []struct{ args, want string }{
		{"degrade --force A -o A", "A would overwrite itself"},
		{"degrade --force A -o DIR/./a.png", "A would overwrite itself"},
		{"degrade --force A -o DIR/hard.png", "A would overwrite itself"},
		{"degrade --force A -o DIR/soft.png", "A would overwrite itself"},
		{"degrade --force A B -o DIR", "A would overwrite itself"},
		{"degrade --force A B -o {dir}/{name}{ext}", "A would overwrite itself"},
		{"degrade --force B A -o {dir}/a{ext}", "B would overwrite the input A"},
		{"restore --force --prior PRIOR A -o DIR/o.png --trace A", "A would be written over A"},
		{"restore --force --prior PRIOR A -o DIR/o.png --plot DIR/o.png", "DIR/o.png would be written over DIR/o.png"},
		{"restore --force --prior PRIOR A -o DIR/o.png --plot PRIOR", "PRIOR would be written over PRIOR"},
		{"restore --force --prior PRIOR A -o DIR/o.png --plot DIR/t.png --trace DIR/t.png", "both write DIR/t.png"},
		{"train --data A -o DIR/p.safetensors --log DIR/p.safetensors", "-o and --log are both DIR/p.safetensors"},
		{"train --force --data A -o A", "-o and --data are both A"},
	} {
		r := strings.NewReplacer("DIR", dir, "PRIOR", pr)
		var args []string
		for _, w := range strings.Fields(c.args) {
			switch w {
			case "A":
				w = a
			case "B":
				w = b
			}
			args = append(args, r.Replace(w))
		}
		want := strings.NewReplacer("DIR", dir, "PRIOR", pr, "the input A", "the input "+a, "A would", a+" would", "B would", b+" would", "over A", "over "+a, "both A", "both "+a).Replace(c.want)
		code, _, stderr := call(t, args...)
		if code != exitUsage || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("lpn %s: exit %d, %q; want %q", c.args, code, stderr, want)
		}
	}
	if after, _ := os.ReadFile(a); !bytes.Equal(before, after) {
		t.Error("an input was overwritten")
	}
}

// TestOnePixel: the smallest picture goes through every solver and boundary.
func TestOnePixel(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	pr := prior(t)
	y := save(t, filepath.Join(dir, "y.png"), picture(1, 1, 1, 8))
	for _, solver := range restore.Solvers() {
		for _, op := range [][]string{{"denoise", "symmetric"}, {"blur:gaussian,sigma=1", "circular"}, {"blur:gaussian,sigma=1", "replicate"}, {"blur:gaussian,sigma=1", "valid"}} {
			out := filepath.Join(dir, "x.npy")
			must(t, "restore", "--force", "--quiet", "--prior", pr, "--noise", "0.1", "--iters", "3", "--solver", solver, "--operator", op[0], "--boundary", op[1], y, "-o", out)
			if x := load(t, out); x.Shape != (operators.Shape{C: 1, H: 1, W: 1}) || math.IsNaN(float64(x.Pix[0])) {
				t.Errorf("%s, %v: %v", solver, op, x)
			}
		}
	}
	must(t, "restore", "--force", "--quiet", "--prior", pr, y, "-o", filepath.Join(dir, "x.png")) // noise: auto
}

// TestEndless: a stream without end that is no picture is refused at once, and
// one that never comes ends with Ctrl-C.
func TestEndless(t *testing.T) {
	code, _, stderr := callFrom(t, context.Background(), endless{}, "degrade", "-", "-o", "-", "--format", "png")
	if code != exitFailed || stderr != "lpn: stdin: not an image that lpn reads: neither PNG, JPEG, TIFF, BMP, WebP, GIF, .npy, DICOM, FITS, OpenEXR, AVIF nor PNM\n" {
		t.Errorf("exit %d: %q", code, stderr)
	}
	ctx, cancel := context.WithCancel(context.Background())
	never, w := io.Pipe()
	defer w.Close()
	go func() { // once it reads
		w.Write([]byte("\x89PNG"))
		cancel()
	}()
	code, _, stderr = callFrom(t, ctx, &patientReader{ctx: ctx, r: never}, "degrade", "-", "-o", "-", "--format", "png")
	if code != exitInterrupt || stderr != "lpn: interrupted\n" {
		t.Errorf("exit %d: %q", code, stderr)
	}
	// Without Ctrl-C it is a reader like any other.
	text := strings.Repeat("lpn reads ", 1000)
	got, err := io.ReadAll(&patientReader{ctx: context.Background(), r: iotestReader{strings.NewReader(text)}})
	if err != nil || string(got) != text {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(text))
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// iotestReader returns few bytes at a time.
type iotestReader struct{ io.Reader }

func (r iotestReader) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(7, len(b))]) }

func callFrom(t *testing.T, ctx context.Context, in io.Reader, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(ctx, args, in, &out, &errOut)
	return code, out.String(), errOut.String()
}

// TestMixedBatch: a prior that does not fit one picture does not stop the
// others.
func TestMixedBatch(t *testing.T) {
	dir := t.TempDir()
	three := filepath.Join(dir, "three"+priorExt)
	if err := randomNet(3).Save(three, false); err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(dir, "in", "a.png"), picture(1, 12, 12, 8))
	save(t, filepath.Join(dir, "in", "b.png"), picture(3, 12, 12, 8))
	code, stdout, stderr := call(t, "restore", "--json", "--prior", three, "--noise", "0.1", "--iters", "2", filepath.Join(dir, "in"), "-o", filepath.Join(dir, "out"))
	r := asJSON[struct {
		Results []restored
		Failed  []failure
	}](t, stdout)
	if code != exitPartly || len(r.Results) != 1 || len(r.Failed) != 1 || !strings.Contains(r.Failed[0].Error, "it is for 3 channels, the picture has 1") {
		t.Errorf("exit %d: %+v, %s", code, r, stderr)
	}
}

// TestWeightsKeepTheirSigns: weights that would break convexity are refused by
// everything that makes or opens a network, so they cannot be saved.
func TestWeightsKeepTheirSigns(t *testing.T) {
	cfg := testNet().Config()
	for _, s := range cfg.Definition().Params {
		if s.Constraint != network.NonNegative {
			continue
		}
		for _, bad := range []float32{-1e-3, float32(math.NaN()), float32(math.Inf(1))} {
			params := map[string][]float32{}
			for name, w := range testNet().Params() {
				params[name] = slices.Clone(w)
			}
			params[s.Name][0] = bad
			if _, err := lpn.FromParams(cfg, params); err == nil || !strings.Contains(err.Error(), s.Name+"[0]") {
				t.Errorf("%s[0] = %v: %v", s.Name, bad, err)
			}
		}
	}
	// Nor does a file made by other means bring them in.
	path := prior(t)
	tensors, meta, err := checkpoint.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range tensors {
		for _, s := range cfg.Definition().Params {
			if s.Name == tensors[i].Name && s.Constraint == network.NonNegative {
				tensors[i].Data[0] = -1
			}
		}
	}
	if err := checkpoint.WriteFile(path, tensors, meta); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := call(t, "info", path); code != exitFailed || !strings.Contains(stderr, "convexity needs it non-negative") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestDeterminism: the same bits on any number of cores for every solver; on
// other vector instructions, whose sums run in another order, the same picture
// to a tolerance far below the last of 8 bits.
func TestDeterminism(t *testing.T) {
	dir := t.TempDir()
	pr := prior(t)
	y := save(t, filepath.Join(dir, "y.png"), picture(1, 40, 33, 8))
	restored := func(solver string, more ...string) []float32 {
		out := filepath.Join(dir, "x.npy")
		must(t, append([]string{"restore", "--force", "--quiet", "--prior", pr, "--noise", "0.1", "--iters", "6", "--tol", "0", "--solver", solver,
			"--operator", "blur:gaussian,sigma=1.2", "--boundary", "replicate", y, "-o", out}, more...)...)
		return load(t, out).Pix
	}
	names := restore.Solvers()
	if testing.Short() {
		names = names[:1]
	}
	for _, solver := range names {
		one := restored(solver, "--threads", "1")
		for _, n := range []string{"2", "3"} {
			if !slices.Equal(one, restored(solver, "--threads", n)) {
				t.Errorf("%s: %s threads changed the result", solver, n)
			}
		}
		eachLevel(t, func(level string) {
			if d := distance(one, restored(solver)); d > 2e-4 {
				t.Errorf("%s: %s is off by %v", solver, level, d)
			}
		})
	}
}
