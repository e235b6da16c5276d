package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// Every flag of lpn restore is here, or docs/scale.md says what stands for it.
func TestSameFlags(t *testing.T) {
	all := string(bytesOf(t, "../../docs/cli.md"))
	_, section, _ := strings.Cut(all, "\n## lpn restore\n")
	section, _, _ = strings.Cut(section, "\n## ")
	restores := regexp.MustCompile("(?m)^\\| `--([a-z-]+)").FindAllStringSubmatch(section, -1)
	if len(restores) < 40 {
		t.Fatalf("docs/cli.md has %d flags of lpn restore", len(restores))
	}
	_, table, _ := strings.Cut(string(bytesOf(t, "../../docs/scale.md")), "| not there |")
	table, _, _ = strings.Cut(table, "\n\n")
	var s Settings
	ours := flag.NewFlagSet("", flag.PanicOnError)
	s.register(ours)
	for _, m := range restores {
		here, told := ours.Lookup(m[1]) != nil, strings.Contains(table, "`--"+m[1]+"`")
		if here == told {
			t.Errorf("--%s: a flag %v, and in the table of docs/scale.md %v; want one of the two", m[1], here, told)
		}
	}
}

// A file of --weights says which samples are missing, of --params how to solve, --page
// which page: to the bits of a run of the library that is told so.
func TestNewFlags(t *testing.T) {
	in := t.TempDir()
	a := noisy(t, filepath.Join(in, "a.png"), 1, 40, 44, 1)
	b := noisy(t, filepath.Join(in, "b.png"), 1, 40, 44, 2)
	stack := filepath.Join(in, "stack.tif")
	err := imageio.WritePages(stack, 2, func(yield func(*imageio.Picture, error) bool) { _ = yield(a, nil) && yield(b, nil) }, imageio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mask := operators.NewImage(a.Shape)
	for i := range mask.Pix {
		mask.Pix[i] = float32(min(1, i%5))
	}
	weights := filepath.Join(t.TempDir(), "mask.png")
	if err := imageio.Write(weights, &imageio.Picture{Image: mask, Bits: 8}, imageio.Options{}); err != nil {
		t.Fatal(err)
	}
	params := filepath.Join(t.TempDir(), "tuned.json")
	if err := os.WriteFile(params, []byte(`{"operator":"denoise","boundary":"symmetric","noise":0.06,"images":1,"seed":0,"trials":1,"psnr":30,"prior":"gray-15","strength":3}`), 0o666); err != nil {
		t.Fatal(err)
	}
	tuned, err := priors.Open("gray-15")
	if err != nil {
		t.Fatal(err)
	}
	masked := restore.Problem{Y: a.Image, Noise: noise.White{Sigma: 0.06}, Range: restore.Unit, Light: restore.LightAuto}
	if masked, err = masked.Weighted(mask, 0.06); err != nil {
		t.Fatal(err)
	}
	plan, err := restore.New(masked, restore.Options{Choose: priors.For})
	if err != nil {
		t.Fatal(err)
	}
	filled, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var png bytes.Buffer
	if err := imageio.Encode(&png, a.With(filled.Image, true), imageio.Options{Format: "png", Quality: 95, Compression: "fast"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Settings)
		input  string
		want   []byte
	}{
		"--weights": {func(s *Settings) { s.Weights = weights }, "a.png", png.Bytes()},
		"--params":  {func(s *Settings) { s.Params = params }, "a.png", local(t, a, restore.Options{Prior: tuned, Strength: 3}, "png")},
		"--page":    {func(s *Settings) { s.Page, s.Format = 2, "png" }, "stack.tif", local(t, b, restore.Options{}, "png")},
	} {
		s := defaults(t.TempDir())
		c.change(&s)
		f := File{filepath.Join(in, c.input), c.input}
		to := s.place(f, false)
		r, _ := s.restore(context.Background(), f, to)
		if r.Error != nil {
			t.Errorf("%s: %s", name, r.line())
		} else if !bytes.Equal(bytesOf(t, to), c.want) {
			t.Errorf("%s: not the bits of the library", name)
		}
	}
	for name, change := range map[string]func(*Settings){
		"has 2":                      func(s *Settings) { s.Page = 3 },
		"took longer than 1ns":       func(s *Settings) { s.Timeout = 1 },
		"want one for each sample":   func(s *Settings) { s.Weights = stack; s.Giant = 1e-3 },
		"no such reference":          func(s *Settings) { s.Reference = in + "/sub" },
		"the reference is 1x30x30":   func(s *Settings) { s.Reference = filepath.Join(in, "small.png") },
		"holds one picture, the inp": func(s *Settings) { s.Format = "jpeg" },
	} {
		noisy(t, filepath.Join(in, "small.png"), 1, 30, 30, 2)
		s := defaults(t.TempDir())
		change(&s)
		if s.Weights != "" {
			s.Weights = filepath.Join(in, "small.png")
		}
		f := File{stack, "stack.tif"}
		if r, _ := s.restore(context.Background(), f, s.place(f, false)); r.Error == nil || !strings.Contains(*r.Error, name) {
			t.Errorf("want an error that says %q: %s", name, r.line())
		}
	}
}

// The records have what a comparison of the files themselves gives.
func TestReference(t *testing.T) {
	in, truth, out := t.TempDir(), t.TempDir(), t.TempDir()
	p := noisy(t, filepath.Join(in, "sub/a.png"), 1, 60, 64, 1)
	clean := operators.NewImage(p.Shape)
	for i := range clean.Pix {
		y, x := i/64, i%64
		clean.Pix[i] = float32(0.5 + 0.2*math.Sin(float64(y)/7) + 0.2*math.Cos(float64(x)/5))
	}
	if err := os.MkdirAll(filepath.Join(truth, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := imageio.Write(filepath.Join(truth, "sub/a.npy"), &imageio.Picture{Image: clean, Bits: 32}, imageio.Options{}); err != nil {
		t.Fatal(err)
	}
	s := defaults(out)
	s.Reference = truth
	_, records := runOn(t, s, in)
	r := records[filepath.Join(in, "sub/a.png")]
	if r.PSNR == nil || r.SSIM == nil || r.InputPSNR == nil {
		t.Fatalf("not compared: %s", r.line())
	}
	x, err := imageio.Read(filepath.Join(out, "sub/a.png"))
	if err != nil {
		t.Fatal(err)
	}
	// The file is rounded to 8 bits, the record is of what was rounded.
	if want := metrics.PSNR(clean.Pix, x.Pix); math.Abs(float64(*r.PSNR)-want) > 0.05 {
		t.Errorf("PSNR %.3f, of the files %.3f", *r.PSNR, want)
	}
	if want := metrics.PSNR(clean.Pix, p.Pix); math.Abs(float64(*r.InputPSNR)-want) > 1e-9 || want >= float64(*r.PSNR) {
		t.Errorf("PSNR of the input %.6f, of the files %.6f, of the result %.3f", *r.InputPSNR, want, *r.PSNR)
	}
	// A comparison makes no other output: a run without is not done again.
	s.Reference = ""
	if n, _ := runOn(t, s, in); n["skipped"] != 1 {
		t.Errorf("without --reference: counted %v, want 1 skipped", n)
	}
}

// A measurement file is an input as any other.
func TestMeasurement(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	p := noisy(t, filepath.Join(in, "a.png"), 1, 40, 40, 1)
	spec, err := operators.ParseSpec("inpaint:ratio=0.7,seed=1")
	if err != nil {
		t.Fatal(err)
	}
	e, err := restore.Simulate(p.Image, spec, nil, nil)
	if err == nil {
		err = writeMeasurement(filepath.Join(in, "b.npz"), operators.Measurement{Y: e.Problem.Y, Spec: spec, Scene: p.Shape, Noise: 0.02})
	}
	if err != nil {
		t.Fatal(err)
	}
	s := defaults(out)
	s.Noise = ""
	n, records := runOn(t, s, in)
	r := records[filepath.Join(in, "b.npz")]
	if n["files"] != 2 || r.Error != nil || r.Output != filepath.Join(out, "b.png") || r.Noise != 0.02 {
		t.Fatalf("counted %v: %s", n, r.line())
	}
	plan, err := restore.New(restore.Problem{Y: e.Problem.Y, Operator: spec, Scene: p.Shape, Noise: noise.White{Sigma: 0.02}, Light: restore.LightNumbers}, restore.Options{Choose: priors.For})
	if err != nil {
		t.Fatal(err)
	}
	x, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := imageio.Read(r.Output)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range x.Image.Pix {
		if v = min(max(v, 0), 1); math.Abs(float64(v-got.Pix[i])) > 0.5/65535+1e-6 {
			t.Fatalf("sample %d is %v, the library's %v", i, got.Pix[i], v)
		}
	}
}

func writeMeasurement(path string, m operators.Measurement) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return operators.WriteMeasurement(f, m)
}

// A file of a flag that a worker lacks, or has otherwise, fails the inputs with the
// reason and the machine's name; the job goes on, and a later run does them.
func TestWorkerWithoutFile(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	noisy(t, filepath.Join(in, "a.png"), 1, 40, 40, 1)
	noisy(t, filepath.Join(in, "giant.npy"), 1, 170, 210, 2)
	kernel := filepath.Join(t.TempDir(), "psf.npy")
	put := func(tap float32) {
		if err := imageio.WriteArray(kernel, &imageio.Array{Shape: []int{3, 3}, Data: []float32{0, tap, 0, tap, 1 - 4*tap, tap, 0, tap, 0}}); err != nil {
			t.Fatal(err)
		}
	}
	put(0.1)
	s := defaults(out)
	s.Operator, s.Iters, s.Giant, s.Window = "blur:kernel="+kernel, 2, 0.03, 128
	began := sealed(t, s)
	host, _ := os.Hostname()
	check := func(what, reason string) {
		t.Helper()
		n, records := runSealed(t, began, in)
		if n["files"] != 0 || n["failed"] != 2 || len(records) != 2 {
			t.Fatalf("%s: counted %v", what, n)
		}
		for _, r := range records {
			if r.Error == nil || !strings.Contains(*r.Error, reason) || !strings.Contains(*r.Error, host) {
				t.Errorf("%s: %s", what, r.line())
			}
		}
		if got := strings.Count(string(bytesOf(t, filepath.Join(out, "failed.jsonl"))), reason); got != 2 {
			t.Errorf("%s: failed.jsonl has it %d times, want 2", what, got)
		}
	}
	if err := os.Remove(kernel); err != nil {
		t.Fatal(err)
	}
	check("missing", "--operator: "+kernel)
	if line, err := began.tally(context.Background()); err != nil || !strings.HasSuffix(line, ": 2 inputs, 0 suspect, 2 failed") {
		t.Errorf("the manifest is told as %q, %v", line, err)
	}
	put(0.2)
	check("another", "is another here")
	// A window whose worker lacks the file fails its picture, in one line.
	w := began.assemble(context.Background(), filepath.Join(out, "giant.npy"), []Window{{File: File{filepath.Join(in, "giant.npy"), "giant.npy"}, Error: "worker on x: no file"}})
	if w.Error == nil || *w.Error != "window 0: worker on x: no file" {
		t.Errorf("a window: %s", w.line())
	}
	put(0.1)
	if n, _ := runSealed(t, began, in); n["files"] != 2 || n["failed"] != 0 {
		t.Errorf("with the file: counted %v, want 2 files", n)
	}
}

// Names of files in flags are absolute for the workers, whose working folder is another.
func TestAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"k.npy", "v.npy", "w.png", "p.json", "mine.safetensors"} {
		if err := os.WriteFile(name, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s := Settings{Operator: "blur:kernel=k.npy,centre", Noise: "map:v.npy", Weights: "w.png", Output: "out", Start: "k.npy", Reference: "gs://b/truth"}
	s.Params, s.Prior = "p.json", "mine.safetensors"
	if err := s.absolute(); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	got := []string{s.Operator, s.Noise, s.Weights, s.Output, s.Start, s.Reference, s.Params, s.Prior}
	want := []string{"blur:kernel=" + at("k.npy") + ",centre", "map:" + at("v.npy"), at("w.png"), at("out"), at("k.npy"), "gs://b/truth", at("p.json"), at("mine.safetensors")}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s = Settings{Output: "out", Noise: "0.1"}
	s.Prior = "gray-25"
	if err := s.absolute(); err != nil || s.Prior != "gray-25" || s.Noise != "0.1" || s.Operator != "" {
		t.Errorf("%+v, %v", s, err)
	}
}

// --tol means what it does to lpn restore, and settings survive the way to a worker.
func TestFlagValues(t *testing.T) {
	var s Settings
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(new(bytes.Buffer))
	s.register(f)
	if err := f.Parse([]string{"-tol", "0", "-o", "there", "-timeout", "90s", "--psf-start", "k.npy", "-strength", "2"}); err != nil {
		t.Fatal(err)
	}
	if s.Tol != -1 || s.Output != "there" || s.Timeout != 90*time.Second || s.Start != "k.npy" || s.Strength != "2" {
		t.Errorf("%+v", s)
	}
	if err := f.Parse([]string{"-tol", "1"}); err == nil || !strings.Contains(err.Error(), "[0,1)") {
		t.Errorf("--tol 1: %v", err)
	}
	b, err := json.Marshal(s)
	var again Settings
	if err == nil {
		err = json.Unmarshal(b, &again)
	}
	if err != nil || again != s {
		t.Errorf("%+v, %v; want %+v", again, err, s)
	}
}

func ExampleSettings() {
	s := Settings{Output: "gs://bucket/out"}
	fmt.Println(s.place(File{Path: "gs://bucket/in/scans/a.gif", Below: "scans/a.gif"}, false))
	// Output: gs://bucket/out/scans/a.png
}
