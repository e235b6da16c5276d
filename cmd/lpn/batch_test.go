package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lpn-imaging/lpn/internal/measured"
)

// smallPictures writes n small pictures into a folder.
func smallPictures(t *testing.T, n int) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	for i := range n {
		p := picture(1, 24, 20, 8)
		for k := range p.Pix {
			p.Pix[k] = float32((k*(i+3))%251) / 255
		}
		names = append(names, save(t, filepath.Join(dir, fmt.Sprintf("p%02d.png", i)), p))
	}
	return dir, names
}

func lines(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var l map[string]any
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		all = append(all, l)
	}
	return all
}

// However jobs come, they never have more than there is, and each gets its turn.
func TestGate(t *testing.T) {
	g := newGate(claim{4, 100})
	var cores, bytes, done atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			want := claim{1 + i%3, int64(10 * (i % 7))}
			if i%20 == 0 {
				want = claim{1000, 1 << 40} // more than there is
			}
			leave := g.enter(want)
			want = claim{min(want.cores, 4), min(want.bytes, 100)}
			if c, b := cores.Add(int64(want.cores)), bytes.Add(want.bytes); c > 4 || b > 100 {
				t.Errorf("%d cores and %d bytes are in use", c, b)
			}
			cores.Add(-int64(want.cores))
			bytes.Add(-want.bytes)
			done.Add(1)
			leave()
		})
	}
	all.Wait()
	if done.Load() != 200 || g.free != g.all {
		t.Errorf("%d of 200 done, %+v left of %+v", done.Load(), g.free, g.all)
	}
}

// Pictures restored side by side are those restored alone, and are told of in order.
func TestJobs(t *testing.T) {
	dir, names := smallPictures(t, 9)
	net := prior(t)
	a, b := t.TempDir(), t.TempDir()
	one := must(t, "restore", "--prior", net, "--noise", "0.1", "--jobs", "1", dir, "-o", a+"/")
	many := must(t, "restore", "--prior", net, "--noise", "0.1", "--jobs", "4", "--threads", "4", "--json-lines", dir, "-o", b+"/")
	for i, text := range strings.Split(strings.TrimSpace(many), "\n") {
		if r := asJSON[restored](t, text); r.Input != names[i] {
			t.Errorf("line %d is of %s", i, r.Input)
		}
		x, err := os.ReadFile(filepath.Join(a, filepath.Base(names[i])))
		y, err2 := os.ReadFile(filepath.Join(b, filepath.Base(names[i])))
		if err != nil || err2 != nil || !bytes.Equal(x, y) {
			t.Errorf("%s: %v, %v, or another picture", names[i], err, err2)
		}
	}
	if n := strings.Count(one, "\n"); n != len(names) {
		t.Errorf("%d lines", n)
	}
}

// The shards of a list are disjoint and make it up, and none minds what others
// have written.
func TestShards(t *testing.T) {
	dir, names := smallPictures(t, 7)
	to := t.TempDir() + "/"
	seen := map[string]int{}
	for i := 1; i <= 3; i++ {
		out := must(t, "restore", "--prior", prior(t), "--noise", "0.1", "--shard", fmt.Sprintf("%d/3", i), "--json-lines", dir, "-o", to)
		for _, text := range strings.Split(strings.TrimSpace(out), "\n") {
			seen[asJSON[restored](t, text).Input]++
		}
	}
	for _, n := range names {
		if seen[n] != 1 {
			t.Errorf("%s was restored %d times", n, seen[n])
		}
	}
	if code, _, err := call(t, "restore", "--shard", "4/3", dir); code != exitUsage || !strings.Contains(err, "4/3") {
		t.Errorf("shard 4 of 3: %d, %s", code, err)
	}
	must(t, "restore", "--shard", "9/9", dir, "-o", to) // an empty one
}

func TestFilesFrom(t *testing.T) {
	dir, names := smallPictures(t, 4)
	t.Chdir(dir)
	if err := os.MkdirAll("sub", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(names[3], filepath.Join("sub", "p00.png")); err != nil { // a name twice, in two folders
		t.Fatal(err)
	}
	rel := []string{"p00.png", "p01.png", "sub/p00.png"}
	flags := []string{"restore", "--prior", prior(t), "--noise", "0.1", "--files-from", "-"}
	code, _, errs := callWith(t, context.Background(), []byte(strings.Join(rel, "\n")+"\n\n"), append(flags, "-o", "out/")...)
	if code != exitOK {
		t.Fatalf("%d: %s", code, errs)
	}
	for _, name := range rel {
		if _, err := os.Stat(filepath.Join("out", name)); err != nil {
			t.Error(err)
		}
	}
	// Ended by zeros; one that is missing fails alone.
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte("p01.png\x00missing.png\x00sub/p00.png\x00"), 0o666); err != nil {
		t.Fatal(err)
	}
	code, _, errs = call(t, append(flags[:len(flags)-1], list, "-o", "out2/")...)
	if code != exitPartly || !strings.Contains(errs, "missing.png") {
		t.Errorf("%d: %s", code, errs)
	}
	if _, err := os.Stat("out2/sub/p00.png"); err != nil {
		t.Error(err)
	}
}

// A manifest tells what was made of what; what is out of date is made again.
func TestManifest(t *testing.T) {
	dir, names := smallPictures(t, 3)
	bad := filepath.Join(dir, "q.png")
	if err := os.WriteFile(bad, []byte("\x89PNG\r\n\x1a\nrubbish"), 0o666); err != nil {
		t.Fatal(err)
	}
	to, net := t.TempDir(), prior(t)
	log := filepath.Join(to, "log", "m.jsonl")
	args := func(more ...string) []string {
		return append([]string{"restore", "--prior", net, "--noise", "0.1", dir, "-o", to, "--manifest", log, "--skip-existing"}, more...)
	}
	if code, _, errs := call(t, args()...); code != exitPartly {
		t.Fatalf("%d: %s", code, errs)
	}
	all := lines(t, log)
	if len(all) != 4 {
		t.Fatalf("%d lines", len(all))
	}
	for _, l := range all {
		if l["input"] == bad {
			if l["error"] == nil || l["result"] != nil {
				t.Errorf("the damaged file: %v", l)
			}
			continue
		}
		sum, err := measured.SHA256(l["input"].(string))
		sum2, err2 := measured.SHA256(l["output"].(string))
		if err != nil || err2 != nil || sum != l["input_sha256"] || sum2 != l["output_sha256"] {
			t.Errorf("hashes of %v", l)
		}
		if l["result"].(map[string]any)["noise"] != 0.1 || l["settings"].(map[string]any)["flags"].(map[string]any)["noise"] != "0.1" {
			t.Errorf("%v", l)
		}
	}
	again := func(what string, want int, more ...string) {
		t.Helper()
		before := len(lines(t, log))
		call(t, args(more...)...)
		if n := len(lines(t, log)) - before; n != want+1 { // the damaged one is tried each time
			t.Errorf("%s: %d files were worked on, want %d", what, n-1, want)
		}
	}
	again("nothing has changed", 0)
	again("another number of threads", 0, "--threads", "1")
	again("another noise", 3, "--noise", "0.2")
	again("the first noise", 3)
	save(t, names[1], picture(1, 24, 20, 8))
	again("another picture", 1)
	if err := os.Truncate(filepath.Join(to, filepath.Base(names[2])), 40); err != nil {
		t.Fatal(err)
	}
	// An output that is not what was made may be somebody's work: it is kept, and named.
	stands := func(what, path, want string) {
		t.Helper()
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		code, _, errs := call(t, args()...)
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) || code != exitPartly || !strings.Contains(errs, path+want) {
			t.Errorf("%s: %d, %q, %v", what, code, errs, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		again(what+", moved away", 1)
	}
	damaged := filepath.Join(to, filepath.Base(names[2]))
	stands("a damaged output", damaged, " has changed")
	foreign := filepath.Join(to, "z.png")
	names = append(names, save(t, filepath.Join(dir, "z.png"), picture(1, 24, 20, 8)))
	save(t, foreign, picture(1, 8, 8, 8))
	stands("a file of somebody's", foreign, " exists")
	// A line that was cut off is no harm.
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"input":"x`)
	f.Close()
	call(t, args()...)
	data, _ := os.ReadFile(log)
	if !bytes.Contains(data, []byte("{\"input\":\"x\n{\"input\":")) {
		t.Error("the line after the one that was cut off does not stand alone")
	}
	// What failed is tried again, and goes where it was to go.
	save(t, bad, picture(1, 24, 20, 8))
	out := must(t, "restore", "--prior", net, "--noise", "0.1", "--retry-failed", log, "--json-lines")
	if r := asJSON[restored](t, strings.TrimSpace(out)); r.Input != bad || r.Output != filepath.Join(to, "q.png") {
		t.Errorf("%+v", r)
	}
	if out := must(t, "restore", "--prior", net, "--noise", "0.1", "--retry-failed", log); out != "" {
		t.Errorf("tried again: %s", out)
	}
	if code, _, errs := call(t, "restore", "--retry-failed", names[0]); code != exitUsage {
		t.Errorf("a picture as a manifest: %d, %s", code, errs)
	}
}

// A file that takes too long fails alone.
func TestTimeout(t *testing.T) {
	dir, names := smallPictures(t, 2)
	save(t, names[0], picture(1, 300, 300, 8))
	code, _, errs := call(t, "restore", "--operator", "blur:gaussian,sigma=2", "--noise", "0.01", "--tol", "0", "--iters", "100000", "--timeout", "1s", names[0], "-o", filepath.Join(dir, "x.png"))
	if code != exitFailed || !strings.Contains(errs, "longer than 1s") {
		t.Errorf("%d: %s", code, errs)
	}
	if _, err := os.Stat(filepath.Join(dir, "x.png")); err == nil {
		t.Error("it was written all the same")
	}
}

// With outputs that exist and files that are alike in size, a batch must not compare
// every output with every input.
func TestInodes(t *testing.T) {
	dir, names := smallPictures(t, 3)
	link := filepath.Join(dir, "link.png")
	if err := os.Link(names[1], link); err != nil {
		t.Skip("no links here:", err)
	}
	var known inodes
	inputs := []input{{path: names[0]}, {path: names[1]}, {path: names[2]}}
	if err := known.noInput(link, inputs[0], inputs); err == nil {
		t.Error("a link to an input may be overwritten")
	}
	if err := known.noInput(names[0], inputs[0], inputs); err == nil {
		t.Error("an input may be overwritten")
	}
	if err := known.noInput(filepath.Join(dir, "new.png"), inputs[0], inputs); err != nil {
		t.Error(err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"input":"a.png","output":"b.png","error":"x"}` + "\n" + `{"input":"c`))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "m.jsonl")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		inputs, err := failedOf(path)
		for _, in := range inputs {
			if err != nil || in.path == "" || in.rel == "" {
				t.Fatalf("%+v, %v", in, err)
			}
		}
	})
}
