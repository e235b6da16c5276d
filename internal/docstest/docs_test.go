package docstest

import (
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

const (
	root   = "../.."
	module = "github.com/lpn-imaging/lpn"
)

// A block is a piece of Go in a Markdown file.
type block struct {
	file string
	line int
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

// blocks lists the Go in README.md and docs/.
func blocks(t *testing.T) []block {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, f := range append(files, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var in *block
		for i, line := range strings.Split(string(text), "\n") {
			switch {
			case in == nil && strings.HasPrefix(line, "```go"):
				in = &block{file: f, line: i + 1}
			case in != nil && strings.HasPrefix(line, "```"):
				all = append(all, *in)
				in = nil
			case in != nil:
				in.text += line + "\n"
			}
		}
	}
	return all
}

// flat takes indentation and empty lines off.
func flat(text string) string {
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

// TestSnippets: a piece of Go in the documentation is a whole program, which is
// built, or stands in an Example, which the tests run.
func TestSnippets(t *testing.T) {
	var examples strings.Builder
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "example_test.go") {
			var text []byte
			text, err = os.ReadFile(path)
			examples.WriteString(flat(string(text)) + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := blocks(t)
	if len(all) == 0 {
		t.Fatal("no Go in the documentation")
	}
	for _, b := range all {
		if strings.HasPrefix(b.text, "package main") {
			outside(t, b)
		} else if !strings.Contains(examples.String(), flat(b.text)) {
			t.Errorf("%v: neither a program nor a part of an Example:\n%s", b, b.text)
		}
	}
}

// outside builds a program in a module of its own that requires this one, and
// returns the path of the binary.
func outside(t *testing.T, b block) string {
	t.Helper()
	dir := t.TempDir()
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	// The same requirements, so that nothing has to be looked up.
	text := strings.Replace(string(mod), "module "+module, "module example.org/outside", 1) +
		fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, strconv.Quote(here))
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"go.mod": text, "go.sum": string(sum), "main.go": b.text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return build(t, dir, ".", b.String())
}

// build builds a command, without tables for debuggers, and returns the path of the
// binary.
func build(t *testing.T, dir, pkg, what string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-mod=mod", "-ldflags=-s -w", "-o", bin, pkg)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, out)
	}
	return bin
}

// program is the program in README.md, or one of docs/.
func program(t *testing.T, file string) block {
	t.Helper()
	for _, b := range blocks(t) {
		if filepath.Base(b.file) == file && strings.HasPrefix(b.text, "package main") {
			return b
		}
	}
	t.Fatalf("no program in %s", file)
	return block{}
}

// TestLibraryEqualsCommand: README's program and README's command give the same
// picture, objective and weight. The program is short, and the binary that embeds
// one prior is small.
func TestLibraryEqualsCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	b := program(t, "README.md")
	if n := strings.Count(b.text, "\n"); n > 40 {
		t.Errorf("%v has %d lines, want 40 at most", b, n)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`go run \./cmd/lpn (restore .*) -o restored.png`).FindStringSubmatch(string(text))
	if command == nil {
		t.Fatal("README.md has lost its command")
	}
	dir := t.TempDir()
	byCommand, byProgram := filepath.Join(dir, "command.png"), filepath.Join(dir, "program.png")
	args := append(strings.Fields(command[1]), "-o", byCommand, "--json", "--bits", "16")
	cmd := exec.Command(build(t, root, "./cmd/lpn", "cmd/lpn"), args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Objective, Lambda float64 }
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	bin := outside(t, b)
	cmd = exec.Command(bin, filepath.Join(root, args[1]), byProgram)
	if out, err = cmd.Output(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got struct{ Objective, Lambda float64 }
	if _, err := fmt.Sscanf(string(out), "lambda %g, objective %g", &got.Lambda, &got.Objective); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	if got != want {
		t.Errorf("the program has lambda %v and objective %v, the command %v and %v", got.Lambda, got.Objective, want.Lambda, want.Objective)
	}
	p, c := decode(t, byProgram), decode(t, byCommand)
	if p.Shape != c.Shape {
		t.Fatalf("the program makes %v, the command %v", p.Shape, c.Shape)
	}
	for i := range p.Pix {
		if math.Abs(float64(p.Pix[i]-c.Pix[i])) > 1.5/65535 { // one step of 16 bits
			t.Fatalf("sample %d: %v by the program, %v by the command", i, p.Pix[i], c.Pix[i])
		}
	}
}

func decode(t *testing.T, path string) operators.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return operators.FromImage(m)
}

// TestSmallBinary: a program that embeds one prior carries that one.
func TestSmallBinary(t *testing.T) {
	b := program(t, "library.md")
	st, err := os.Stat(outside(t, b))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v: %.1f MB", b, float64(st.Size())/1e6)
	if st.Size() >= 8e6 {
		t.Errorf("%v: a binary of %.1f MB, want less than 8", b, float64(st.Size())/1e6)
	}
}
