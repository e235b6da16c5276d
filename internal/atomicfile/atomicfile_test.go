package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	write := func(s string, fail error) error {
		return Write(path, func(w io.Writer) error {
			io.WriteString(w, s)
			return fail
		})
	}
	if err := write("one", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := write("two", broken); err != broken {
		t.Fatalf("got %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "one" {
		t.Errorf("a failed save left %q", b)
	}
	if err := write("three", nil); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "three" {
		t.Errorf("got %q", b)
	}
	if l, _ := os.ReadDir(dir); len(l) != 1 {
		t.Errorf("%d files left, want 1", len(l))
	}
	if err := Write(filepath.Join(dir, "no", "x"), nil); !os.IsNotExist(err) {
		t.Errorf("missing folder: %v", err)
	}
}
