// Package atomicfile writes files that are never half there.
//
//	err := atomicfile.Write("out.png", func(w io.Writer) error {
//		return png.Encode(w, m)
//	})
//
// Until the function has returned without an error and its data is on the
// disk, whatever was at out.png stays as it was.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Write calls write, with a buffered writer, to fill a temporary file next to
// path and, when all went well and the data is on the disk, gives it that
// name. On failure, or when write panics, nothing is left behind and an
// earlier file stays as it was. A path that is there and is no regular file (a
// device, a pipe) is written to directly.
//
// An error of write comes back as it is; the others are of type
// *[fs.PathError] and name path, never the temporary file. Its Op is "create"
// where there was nothing to write to.
func Write(path string, write func(io.Writer) error) error {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		if st.IsDir() {
			return &fs.PathError{Op: "write", Path: path, Err: errors.New("is a folder, not a file")}
		}
		return direct(path, write)
	}
	f, err := tempBeside(path)
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: Reason(err)}
	}
	done := false
	defer func() { // also when write panics
		if !done {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := fill(f, path, write); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: Reason(err)}
	}
	if err := f.Close(); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: Reason(err)}
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return &fs.PathError{Op: "rename", Path: path, Err: Reason(err)}
	}
	done = true
	syncDir(filepath.Dir(path))
	return nil
}

// direct writes to what is there.
func direct(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = fill(f, path, write)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// fill calls write with a buffer before f. Errors of f name path.
func fill(f *os.File, path string, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(f, 1<<16)
	err := write(b)
	if err == nil {
		err = b.Flush()
	}
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Path == f.Name() {
		pe.Path = path
	}
	return err
}

// Reason strips the operation and path that os puts before an error.
func Reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}

// tempBeside creates a new file in path's folder, with the permissions that
// the user's umask gives (os.CreateTemp would keep it private).
func tempBeside(path string) (*os.File, error) {
	for {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%012x.tmp", filepath.Base(path), rand.Uint64()>>16))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}

// syncDir makes the new name last. Not every file system can, and the data
// itself is safe already, so failing here is no error.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
