package docstest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ourFiles are the Go files of the module that are not tests, by path from the
// root.
func ourFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || path != root && strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") && path != root):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// commentCode lists the indented pieces of the documentation comments of a file
// that are Go.
func commentCode(t *testing.T, path string) []block {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, group := range f.Comments {
		for _, b := range new(comment.Parser).Parse(group.Text()).Content {
			if code, ok := b.(*comment.Code); ok {
				text := regexp.MustCompile(`(?m)^\s*\.\.\.(\s.*)?$`).ReplaceAllString(code.Text, "")
				if isGo(text) {
					all = append(all, block{path, set.Position(group.Pos()).Line, text})
				}
			}
		}
	}
	return all
}

// isGo reports whether a piece of a comment is Go and no formula.
func isGo(text string) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+text+"}\n", 0)
	return err == nil && (strings.Contains(text, ":=") || regexp.MustCompile(`\b(restore|train|priors|explore|operators|solvers|noise|lpn)\.[A-Z]`).MatchString(text))
}

// importsOf are the import lines that a piece needs.
func importsOf(text string, packages map[string]string) string {
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+text+"}\n", 0)
	if err != nil {
		return ""
	}
	var used []string
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Obj == nil && packages[x.Name] != "" {
				used = append(used, fmt.Sprintf("import %q\n", packages[x.Name]))
			}
		}
		return true
	})
	slices.Sort(used)
	return strings.Join(slices.Compact(used), "")
}

// context are the complaints about a piece that its surroundings would settle: names
// that it takes from there or leaves to them.
var context = regexp.MustCompile(`undefined: ([a-z]\w*|[A-Z])$|declared and not used|is not used$|missing return$|too many errors`)

// TestCommentsCompile: Go in the documentation comments uses what there is, as it is.
func TestCommentsCompile(t *testing.T) {
	packages := map[string]string{"context": "context", "fmt": "fmt", "os": "os", "log": "log", "rand": "math/rand/v2", "image": "image"}
	var pieces []block
	for _, path := range ourFiles(t) {
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		if dir = filepath.ToSlash(dir); !strings.HasPrefix(dir, "cmd/") && dir != "." {
			packages[filepath.Base(dir)] = module + "/" + dir
		}
		pieces = append(pieces, commentCode(t, path)...)
	}
	if len(pieces) < 5 {
		t.Fatalf("only %d pieces of Go in the comments", len(pieces))
	}
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	temp, virtual := t.TempDir(), filepath.Join(here, "internal", "docstest", "pieces")
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	where := map[string]block{}
	for i, p := range pieces {
		name := fmt.Sprintf("piece%d.go", i)
		text := "package pieces\n" + importsOf(p.text, packages) + "func _() error {\n" + p.text + "\n}\n"
		real := filepath.Join(temp, name)
		if err := os.WriteFile(real, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(virtual, name)] = real
		where[name] = p
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(file, list, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", file, "-gcflags=-e", "-o", os.DevNull, "./internal/docstest/pieces")
	cmd.Dir = here
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		m := regexp.MustCompile(`(piece\d+\.go):\d+:\d+: (.*)`).FindStringSubmatch(line)
		switch {
		case m == nil && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "\t"):
			t.Errorf("go build: %s (%v)", line, err)
		case m != nil && !context.MatchString(m[2]):
			t.Errorf("%v: %s\n%s", where[m[1]], m[2], where[m[1]].text)
		}
	}
}

// TestNamesOfTests: the tests that the documentation names exist.
func TestNamesOfTests(t *testing.T) {
	declared, name := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`), regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	known := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			known[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range name.FindAllString(string(text), -1) {
			if !known[n] {
				t.Errorf("%s names %s, which does not exist", f, n)
			}
		}
	}
}
