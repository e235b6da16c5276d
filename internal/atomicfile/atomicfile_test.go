package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func put(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	holds := func(path, want string) {
		t.Helper()
		if b, err := os.ReadFile(path); string(b) != want {
			t.Errorf("%s holds %q, %v, want %q", filepath.Base(path), b, err, want)
		}
	}
	if err := Write(path, put("first")); err != nil {
		t.Fatal(err)
	}
	holds(path, "first")
	broken := errors.New("broken")
	if err := Write(path, func(w io.Writer) error { put("half")(w); return broken }); err != broken {
		t.Errorf("error %v", err)
	}
	func() {
		defer func() { recover() }()
		Write(path, func(w io.Writer) error { panic("bug") })
	}()
	holds(path, "first")
	// More than a buffer.
	long := strings.Repeat("0123456789", 20000)
	if err := Write(path, put(long)); err != nil {
		t.Fatal(err)
	}
	holds(path, long)
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestErrors: what goes wrong names the path that was asked for.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "no", "x"): "create " + filepath.Join(dir, "no", "x") + ": ",
		dir:                           "write " + dir + ": is a folder, not a file",
	} {
		err := Write(path, put("x"))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := Write(filepath.Join(dir, "no", "x"), nil); !errors.Is(err, fs.ErrNotExist) || !os.IsNotExist(err) {
		t.Errorf("missing folder: %v", err)
	}
	// A failure of the temporary file itself.
	path := filepath.Join(dir, "x")
	err := Write(path, func(w io.Writer) error {
		left, _ := os.ReadDir(dir)
		return &fs.PathError{Op: "write", Path: filepath.Join(dir, left[0].Name()), Err: errors.New("full")}
	})
	if err == nil || err.Error() != "write "+path+": full" {
		t.Errorf("%v", err)
	}
}

// TestNoRegularFile: a link is replaced, never followed, and a device is
// written to.
func TestNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	if err := Write(os.DevNull, put("x")); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode().IsRegular() {
		t.Error("a device was replaced by a file")
	}
	other, link := filepath.Join(dir, "other.txt"), filepath.Join(dir, "link.txt")
	os.WriteFile(other, []byte("other"), 0o600)
	if err := os.Symlink(other, link); err != nil {
		t.Skip(err)
	}
	if err := Write(link, put("new")); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(other); string(b) != "other" {
		t.Errorf("the link was followed: %q", b)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}

func ExampleWrite() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a.txt")
	err = Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "all of it")
		return err
	})
	b, _ := os.ReadFile(path)
	fmt.Println(string(b), err)
	// Output: all of it <nil>
}
