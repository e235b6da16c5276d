package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/memfs"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

func TestMain(m *testing.M) { ptest.MainWithDefault(m, "prism") }

// defaults are the settings without flags but for the noise.
func defaults(out string) Settings {
	var s Settings
	s.register(flag.NewFlagSet("", flag.PanicOnError))
	s.Noise, s.Output = "0.06", out
	return s
}

// noisy writes a noisy picture and returns it as it is read.
func noisy(t *testing.T, path string, c, h, w int, seed uint64) *imageio.Picture {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	m := operators.NewImage(operators.Shape{C: c, H: h, W: w})
	for i := range m.Pix {
		y, x := i/w%h, i%w
		m.Pix[i] = float32(0.5 + 0.2*math.Sin(float64(y)/7) + 0.2*math.Cos(float64(x)/5) + 0.06*rng.NormFloat64())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := imageio.Write(path, &imageio.Picture{Image: m, Bits: 8}, imageio.Options{}); err != nil {
		t.Fatal(err)
	}
	p, err := imageio.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// local is what the library makes of a picture, without Beam: the bytes of the file
// that it is written to.
func local(t *testing.T, p *imageio.Picture, o restore.Options, format string) []byte {
	t.Helper()
	o.Choose = priors.For
	m := restore.Problem{Y: p.Image, Noise: noise.White{Sigma: 0.06}}
	if p.Bits < 32 { // what is black and white in an array is found
		m.Range = restore.Unit
	}
	plan, err := restore.New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	q := *p
	q.Image = r.Image
	var b bytes.Buffer
	if err := imageio.Encode(&b, &q, imageio.Options{Format: format, Quality: 95, Compression: "fast"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// run runs the pipeline on Prism and returns its counters and the manifest by input.
func runOn(t *testing.T, s Settings, patterns ...string) (map[string]int64, map[string]Record) {
	t.Helper()
	return runSealed(t, sealed(t, s), patterns...)
}

// sealed are settings as a run hands them to its workers.
func sealed(t *testing.T, s Settings) Settings {
	t.Helper()
	s, err := s.Sealed()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func runSealed(t *testing.T, s Settings, patterns ...string) (map[string]int64, map[string]Record) {
	t.Helper()
	p, scope := beam.NewPipelineWithRoot()
	build(scope, s, patterns)
	result, err := ptest.RunWithMetrics(p)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]Record{}
	for shard := range s.Shards {
		b, err := getBytes(context.Background(), s.manifest("manifest", shard))
		if os.IsNotExist(err) && s.Shards > 1 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			var r Record
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatalf("manifest: %v: %s", err, line)
			}
			if _, twice := records[r.Input]; twice {
				t.Errorf("%s is twice in the manifest", r.Input)
			}
			records[r.Input] = r
		}
	}
	return counters(result.Metrics()), records
}

func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A folder is restored to the bits of a local run, failures are told and stop nothing,
// and what is done is not done again: unless the input, the output or the settings have
// changed.
func TestArchive(t *testing.T) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	want := map[string][]byte{}
	for i, name := range []string{"a.png", "b.png", "sub/c.png", "sub/deep/a.tif"} {
		p := noisy(t, filepath.Join(in, name), 1+i%2*2, 40+i, 52, uint64(i))
		format := strings.TrimPrefix(filepath.Ext(name), ".")
		want[name] = local(t, p, restore.Options{}, strings.Replace(format, "tif", "tiff", 1))
	}
	for name, content := range map[string]string{"bad.png": "no picture", "empty.jpg": "", ".hidden.png": "x"} {
		if err := os.WriteFile(filepath.Join(in, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s := defaults(out)
	n, records := runOn(t, s, in)
	if n["files"] != 4 || n["failed"] != 2 || n["skipped"] != 0 {
		t.Errorf("counted %v, want 4 files and 2 failed", n)
	}
	if len(records) != 6 {
		t.Errorf("%d records, want 6", len(records))
	}
	for name, b := range want {
		if !bytes.Equal(bytesOf(t, filepath.Join(out, name)), b) {
			t.Errorf("%s: not the bits of a local run", name)
		}
		r := records[filepath.Join(in, name)]
		sum, err := measured.SHA256(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if r.Error != nil || r.OutputSHA256 != sum || r.Noise != 0.06 || r.OutputBytes != int64(len(b)) {
			t.Errorf("%s: record %+v", name, r)
		}
	}
	for _, name := range []string{"bad.png", "empty.jpg"} {
		r := records[filepath.Join(in, name)]
		if r.Error == nil || strings.Contains(*r.Error, "\n") || *r.Error == "" {
			t.Errorf("%s: record %+v, want a reason in one line", name, r)
		}
		if !strings.Contains(string(bytesOf(t, filepath.Join(out, "failed.jsonl"))), name) {
			t.Errorf("failed.jsonl lacks %s", name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(out, scratch)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	// One is touched, one has another content, one output is gone.
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(in, "a.png"), later, later); err != nil {
		t.Fatal(err)
	}
	p := noisy(t, filepath.Join(in, "b.png"), 1, 44, 52, 99)
	if err := os.Remove(filepath.Join(out, "sub/c.png")); err != nil {
		t.Fatal(err)
	}
	n, records = runOn(t, s, in)
	if n["files"] != 2 || n["skipped"] != 2 || n["failed"] != 2 || len(records) != 6 {
		t.Errorf("again: counted %v, %d records, want 2 files, 2 skipped, 2 failed, 6 records", n, len(records))
	}
	if !bytes.Equal(bytesOf(t, filepath.Join(out, "b.png")), local(t, p, restore.Options{}, "png")) {
		t.Error("b.png: the changed input was not restored")
	}
	// A run for one input keeps the records of the others; other settings skip nothing.
	s.Strength = "2"
	n, records = runOn(t, s, filepath.Join(in, "a.p*"))
	if n["files"] != 1 || n["skipped"] != 0 || len(records) != 6 {
		t.Errorf("other settings: counted %v, %d records, want 1 file and 6 records", n, len(records))
	}
}

// A job that was killed before its manifest goes on where its journal ends.
func TestJournal(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	noisy(t, filepath.Join(in, "a.png"), 1, 40, 40, 1)
	noisy(t, filepath.Join(in, "b.png"), 1, 40, 40, 2)
	s := sealed(t, defaults(out))
	r, windows := s.restore(context.Background(), File{filepath.Join(in, "a.png"), "a.png"}, filepath.Join(out, "a.png"))
	if r.Error != nil || windows != 0 {
		t.Fatalf("%+v", r)
	}
	fn := restoreFn{Settings: s, pending: []string{r.line()}}
	if err := fn.journal(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n, records := runOn(t, s, in); n["skipped"] != 1 || n["files"] != 1 || len(records) != 2 {
		t.Errorf("counted %v, want 1 skipped and 1 file", n)
	}
}

// Giant pictures are mapped, and restored in windows that are elements of their own: to
// the bits of one process that holds them. A rerun skips them. A picture that cannot be
// mapped is restored whole.
func TestGiant(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	s := defaults(out)
	s.Giant, s.Window, s.Shards = 0.02, 96, 3
	want := map[string][]byte{}
	for i, name := range []string{"gray.tif", "gray.npy", "colour.tif", "whole.png"} {
		p := noisy(t, filepath.Join(in, name), 1+i/2*2%4, 170, 210, uint64(i))
		format := strings.Replace(strings.TrimPrefix(filepath.Ext(name), "."), "tif", "tiff", 1)
		o := restore.Options{Window: 96}
		if format == "png" {
			o.Window = 0
		}
		want[name] = local(t, p, o, format)
	}
	noisy(t, filepath.Join(in, "small.tif"), 1, 40, 40, 8)
	n, records := runOn(t, s, in)
	windows := 0
	for name, b := range want {
		r := records[filepath.Join(in, name)]
		if windows += r.Windows; r.Error != nil || (r.Windows >= 6) != (name != "whole.png") {
			t.Errorf("%s: record %s", name, r.line())
			continue
		}
		if !bytes.Equal(bytesOf(t, filepath.Join(out, name)), b) {
			t.Errorf("%s: not the bits of one process", name)
		}
	}
	// The local runner may stop a worker before it has asked for its last counters.
	for try := 0; try < 3 && n["windows"] < int64(windows); try++ {
		again := s
		again.Output = t.TempDir()
		n, _ = runOn(t, again, in)
	}
	if n["files"] != 5 || n["failed"] != 0 || n["windows"] != int64(windows) {
		t.Errorf("counted %v, want 5 files and %d windows", n, windows)
	}
	if left, _ := filepath.Glob(filepath.Join(out, scratch)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if n, _ := runOn(t, s, in); n["skipped"] != 5 || n["windows"] != 0 {
		t.Errorf("again: counted %v, want 5 skipped", n)
	}
}

// The noise of a giant is found by a sample, and its opacity and gaps are kept; one that
// is damaged in the middle is a record with the reason.
func TestGiantFound(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	p := noisy(t, filepath.Join(in, "alpha.tif"), 3, 150, 180, 3)
	p.Alpha = make([]uint16, p.H*p.W)
	for i := range p.Alpha {
		p.Alpha[i] = uint16(i % 256 * 257)
	}
	if err := imageio.Write(filepath.Join(in, "alpha.tif"), p, imageio.Options{}); err != nil {
		t.Fatal(err)
	}
	gaps := noisy(t, filepath.Join(in, "gaps.tif"), 1, 150, 180, 4)
	gaps.Bits, gaps.Missing = 32, make([]bool, len(gaps.Pix))
	for i := range gaps.Missing {
		gaps.Missing[i] = i%97 == 0
	}
	if err := imageio.Write(filepath.Join(in, "gaps.tif"), gaps, imageio.Options{Bits: 32}); err != nil {
		t.Fatal(err)
	}
	noisy(t, filepath.Join(in, "damaged.npy"), 1, 150, 180, 5)
	b := bytesOf(t, filepath.Join(in, "damaged.npy"))
	copy(b[len(b)-4:], []byte{0, 0, 0xc0, 0x7f}) // NaN
	if err := os.WriteFile(filepath.Join(in, "damaged.npy"), b, 0o666); err != nil {
		t.Fatal(err)
	}
	s := defaults(out)
	s.Giant, s.Window, s.Noise = 0.02, 64, "auto"
	n, records := runOn(t, s, in)
	if n["files"] != 2 || n["failed"] != 1 {
		t.Fatalf("counted %v", n)
	}
	if r := records[filepath.Join(in, "alpha.tif")]; r.Windows < 4 || math.Abs(r.Noise-0.06) > 0.01 {
		t.Errorf("%s, want noise of 0.06", r.line())
	}
	for name, want := range map[string]*imageio.Picture{"alpha.tif": p, "gaps.tif": gaps} {
		got, err := imageio.Read(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if got.Shape != want.Shape || !slices.Equal(got.Missing, want.Missing) || got.Alpha != nil != (want.Alpha != nil) {
			t.Errorf("%s: other shape, gaps or opacity than the input", name)
		}
		for i, a := range want.Alpha {
			if got.Alpha[i]>>8 != a>>8 {
				t.Fatalf("%s: opacity %d of pixel %d, want %d", name, got.Alpha[i], i, a)
			}
		}
	}
	if r := records[filepath.Join(in, "damaged.npy")]; r.Error == nil || !strings.Contains(*r.Error, "NaN") {
		t.Errorf("a sample that is no number: %s", r.line())
	}
}

// Inputs that ask for one place get two, or one of them fails; neither is lost.
func TestSamePlace(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	noisy(t, filepath.Join(in, "x/a.png"), 1, 32, 32, 1)
	noisy(t, filepath.Join(in, "x/a.tif"), 1, 32, 32, 2)
	noisy(t, filepath.Join(in, "y/a.png"), 1, 32, 32, 3)
	s := defaults(out)
	s.Format = "png"
	n, records := runOn(t, s, filepath.Join(in, "x"), filepath.Join(in, "y"), filepath.Join(in, "x"))
	if n["files"] != 2 || n["failed"] != 1 || len(records) != 3 {
		t.Fatalf("counted %v, records %v", n, records)
	}
	if r := records[filepath.Join(in, "x/a.tif")]; r.Output != filepath.Join(out, "a.tif.png") {
		t.Errorf("a.tif went to %s", r.Output)
	}
	if r := records[filepath.Join(in, "y/a.png")]; r.Error == nil || !strings.Contains(*r.Error, "already") {
		t.Errorf("the second a.png: %+v", r)
	}
}

// Files in a store, here Beam's in memory, are read and written by its file systems,
// and a list of them, or a manifest, is an input.
func TestStoreAndList(t *testing.T) {
	dir := t.TempDir()
	p := noisy(t, filepath.Join(dir, "a.png"), 1, 36, 36, 5)
	memfs.Write("memfs://bucket/in/a.png", bytesOf(t, filepath.Join(dir, "a.png")))
	memfs.Write("memfs://bucket/lists/one.jsonl", []byte("{\"input\":\"memfs://bucket/in/a.png\"}\n\nmemfs://bucket/in/none.png\n"))
	n, records := runOn(t, defaults("memfs://bucket/out"), "memfs://bucket/lists/*.jsonl")
	if n["files"] != 1 || n["failed"] != 1 {
		t.Fatalf("counted %v", n)
	}
	r := records["memfs://bucket/in/a.png"]
	b, err := getBytes(context.Background(), r.Output)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, local(t, p, restore.Options{}, "png")) {
		t.Errorf("%s: not the bits of a local run", r.Output)
	}
	if r := records["memfs://bucket/in/none.png"]; r.Error == nil {
		t.Errorf("a missing file: %+v", r)
	}
}

// The same against a store of $LPN_STORE, such as s3://bucket, or a program that stands
// for one (docs/scale.md): a picture, a giant, a rerun, and nothing left behind.
func TestStore(t *testing.T) {
	store := os.Getenv("LPN_STORE")
	if store == "" {
		t.Skip("wants $LPN_STORE, the name of a store: docs/scale.md")
	}
	ctx, dir, at := context.Background(), t.TempDir(), join(store, fmt.Sprintf("test-%d", time.Now().UnixNano()))
	want := map[string][]byte{}
	for i, name := range []string{"a.png", "giant.npy"} {
		p := noisy(t, filepath.Join(dir, name), 1, 40+130*i, 52+158*i, 1)
		want[name] = local(t, p, restore.Options{Window: 96 * i}, strings.TrimPrefix(filepath.Ext(name), "."))
		if err := putBytes(ctx, join(at, "in", name), bytesOf(t, filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	s := defaults(join(at, "out"))
	s.Giant, s.Window = 0.02, 96
	_, records := runOn(t, s, join(at, "in/*"))
	for name, b := range want {
		r := records[join(at, "in", name)]
		got, err := getBytes(ctx, join(at, "out", name))
		if err != nil || !bytes.Equal(got, b) || (r.Windows > 0) != (name == "giant.npy") {
			t.Errorf("%s: not the bits of a local run: %v, %s", name, err, r.line())
		}
	}
	if _, again := runOn(t, s, join(at, "in/*")); len(again) != 2 || again[join(at, "in/a.png")] != records[join(at, "in/a.png")] {
		t.Errorf("a rerun does again what is done: %v", again)
	}
	if left, err := list(ctx, join(at, "out", scratch, "*/*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The pages of a TIFF stay pages, and a picture of several is not written as one.
func TestPages(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	var pages []*imageio.Picture
	for i := range 3 {
		pages = append(pages, noisy(t, filepath.Join(in, "page.png"), 1, 33, 35, uint64(i)))
	}
	tif := filepath.Join(in, "stack.tif")
	err := imageio.WritePages(tif, 3, func(yield func(*imageio.Picture, error) bool) {
		for _, p := range pages {
			if !yield(p, nil) {
				return
			}
		}
	}, imageio.Options{Compression: "fast"})
	if err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(in, "*.gif")
	if n, records := runOn(t, defaults(out), tif, none); n["files"] != 1 || records[none].Error == nil {
		t.Fatalf("counted %v, records %v", n, records)
	}
	f, err := imageio.Open(filepath.Join(out, "stack.tif"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Pages() != 3 {
		t.Errorf("%d pages, want 3", f.Pages())
	}
	s := defaults(t.TempDir())
	s.Format = "jpeg"
	if _, records := runOn(t, s, tif); records[tif].Error == nil {
		t.Error("three pages went into a JPEG file")
	}
}

// What is wrong with every input is said before the job begins.
func TestSettings(t *testing.T) {
	for what, change := range map[string]func(*Settings){
		"--output":   func(s *Settings) { s.Output = "" },
		"--operator": func(s *Settings) { s.Operator = "blurr" },
		"--noise":    func(s *Settings) { s.Noise = "much" },
		"--prior":    func(s *Settings) { s.Prior = "nobody" },
		"--strength": func(s *Settings) { s.Strength = "x" },
		"--range":    func(s *Settings) { s.Range = "3:2" },
		"--format":   func(s *Settings) { s.Format = "doc" },
		"--bits":     func(s *Settings) { s.Bits = 7 },
		"--memory":   func(s *Settings) { s.Memory = "much" },
		"--boundary": func(s *Settings) { s.Boundary = "wall" },
		"--light":    func(s *Settings) { s.Light = "dark" },
		"--missing":  func(s *Settings) { s.Missing = "some" },
		"--solver":   func(s *Settings) { s.Solver = "none" },
		"--weights":  func(s *Settings) { s.Weights = "none.npy" },
		"--params":   func(s *Settings) { s.Params = "none.json" },
		"--page":     func(s *Settings) { s.Page = -1 },
		"--timeout":  func(s *Settings) { s.Timeout = -1 },
		"blur:auto":  func(s *Settings) { s.Start = "psf.npy" },
	} {
		s := defaults("out")
		change(&s)
		if _, err := s.open(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	a, b := defaults("x"), defaults("y")
	b.Threads = 3
	c := defaults("x")
	c.Solver = "pgd"
	ids := make([]string, 3)
	for i, s := range []Settings{a, b, c} {
		ids[i] = sealed(t, s).ID
	}
	if ids[0] != ids[1] || ids[0] == ids[2] {
		t.Errorf("ids %v: want the first two alike, and the third not", ids)
	}
}

func TestPlace(t *testing.T) {
	s := Settings{Output: "gs://b/out"}
	for _, c := range []struct {
		below, format, want, whole string
	}{
		{"a/b.png", "", "gs://b/out/a/b.png", "gs://b/out/a/b.png.png"},
		{"b.gif", "", "gs://b/out/b.png", "gs://b/out/b.gif.png"},
		{"../../b.tif", "npy", "gs://b/out/b.npy", "gs://b/out/b.tif.npy"},
	} {
		s.Format = c.format
		f := File{Path: c.below, Below: c.below}
		if got, whole := s.place(f, false), s.place(f, true); got != c.want || whole != c.whole {
			t.Errorf("%+v: %s and %s", c, got, whole)
		}
	}
	for pattern, want := range map[string]string{"a/b/*.png": "a/b/", "*.png": "", "gs://b/x/**.png": "gs://b/x/", "/a/b.png": "/a/"} {
		if got := base(pattern); got != want {
			t.Errorf("base of %s: %q, want %q", pattern, got, want)
		}
	}
}

// Whatever a list holds, its names come out without the space around them.
func FuzzListed(f *testing.F) {
	f.Add([]byte("a.png\n{\"input\":\"b\"}\r\n\n"))
	f.Add([]byte("{\"input\":"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name := range listed(b) {
			if name == "" || strings.ContainsAny(name, "\n") && !bytes.Contains(b, []byte(`\n`)) && !bytes.Contains(b, []byte(`\u`)) {
				t.Fatalf("name %q of %q", name, b)
			}
		}
	})
}

func ExampleRecord() {
	r := Record{Input: "a.png", Output: "out/a.png", Settings: "7"}
	fmt.Println(r.failed(fmt.Errorf("damaged png:\nno end")).line())
	// Output: {"input":"a.png","output":"out/a.png","seconds":0,"noise":0,"suspect":null,"settings":"7","error":"damaged png: no end"}
}
