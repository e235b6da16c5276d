package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/othertest"
	"github.com/urfave/cli/v2"
)

// TestDocs keeps docs/cli.md and docs/lpn.1 what the commands say; with
// -update it writes them.
func TestDocs(t *testing.T) {
	for kind, file := range map[string]string{"markdown": "cli.md", "man": "lpn.1"} {
		got := must(t, "docs", kind)
		path := filepath.Join("..", "..", "docs", file)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("docs/%s is not what the commands say: go generate ./cmd/lpn (%v)", file, err)
		}
	}
	if code, _, stderr := call(t, "docs", "html"); code != exitUsage || !strings.Contains(stderr, "want markdown or man") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestEveryCommandIsExplained: usage, an example that is a command line of
// this program with flags it has, and a line for each flag.
func TestEveryCommandIsExplained(t *testing.T) {
	app := newApp(nil, nil, nil)
	all := sections(app.Commands, "")
	if len(all) < 12 {
		t.Fatalf("%d commands", len(all))
	}
	for _, s := range all {
		if s.Usage == "" {
			t.Errorf("lpn %s: no usage", s.name)
		}
		if len(s.Subcommands) == 0 && len(s.examples) == 0 {
			t.Errorf("lpn %s: no example in its help", s.name)
		}
		for _, e := range s.examples {
			_, line, found := strings.Cut(e, "lpn ")
			if !found {
				t.Errorf("lpn %s: the example %q does not run lpn", s.name, e)
				continue
			}
			line, _, _ = strings.Cut(strings.NewReplacer(")", "", "'", "").Replace(line), " > ")
			if _, err := arrange(app, strings.Fields(line)); err != nil {
				t.Errorf("lpn %s: the example %q: %v", s.name, e, err)
			}
		}
		for _, f := range s.flags {
			if f.text == "" {
				t.Errorf("lpn %s: nothing about %s", s.name, f.spelling)
			}
		}
	}
	for _, f := range all[0].Flags {
		if _, ok := f.(cli.DocGenerationFlag); !ok {
			t.Errorf("%v cannot be documented", f.Names())
		}
	}
}

// TestMan: the page is one that man can set.
func TestMan(t *testing.T) {
	man := othertest.Program(t, "man")
	path, err := filepath.Abs(filepath.Join("..", "..", "docs", "lpn.1"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(man, "--warnings", "-l", path)
	cmd.Env = append(os.Environ(), "MANPAGER=cat", "MANWIDTH=200", "LC_ALL=C.UTF-8")
	var warnings bytes.Buffer
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || len(out) < 1000 {
		t.Skipf("man does not work here: %v", err)
	}
	if warnings.Len() > 0 || !bytes.Contains(out, []byte("restore")) {
		t.Errorf("%s", warnings.Bytes())
	}
}

// TestStructuredLogs: with --log-format json every line on stderr is one JSON
// object, the last error included.
func TestStructuredLogs(t *testing.T) {
	dir := t.TempDir()
	in := save(t, filepath.Join(dir, "in", "a.png"), picture(3, 16, 16, 8))
	os.WriteFile(filepath.Join(dir, "in", "b.png"), []byte("no picture"), 0o666)
	for _, flag := range [][]string{{"--log-format", "json"}, {"--log-format=json"}, {"--log", "json"}, {"--log=json"}} {
		args := append([]string{"restore", "--force", "--prior", prior(t), "--noise", "0.1", "--iters", "2", filepath.Dir(in), "-o", filepath.Join(dir, "out")}, flag...)
		code, _, stderr := call(t, args...)
		if code != exitPartly {
			t.Errorf("exit %d: %s", code, stderr)
		}
		levels := ""
		for line := range strings.Lines(stderr) {
			var l struct{ Time, Level, Msg string }
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Msg == "" || strings.HasPrefix(l.Msg, "lpn: ") {
				t.Errorf("%q: %v", line, err)
			}
			levels += l.Level + " "
		}
		if levels != "INFO WARN ERROR " {
			t.Errorf("levels %q in %s", levels, stderr)
		}
	}
	if code, _, stderr := call(t, "degrade", "--log-format", "xml", in, "-o", filepath.Join(dir, "x.png")); code != exitUsage || !strings.Contains(stderr, `--log-format: "xml"; want text or json`) {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
