package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/gcs"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/s3"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
	"github.com/lpn-imaging/lpn/internal/imageio"
)

// This file reads and writes files here and in stores. A name with a scheme, such as
// gs://bucket/a.png, is Beam's to open (package filesystem); any other is a path.

// scheme is the scheme of a name with its slashes, "" of a path.
func scheme(name string) string {
	if i := strings.Index(name, "://"); i > 0 {
		return name[:i+3]
	}
	return ""
}

// join appends to a folder here or in a store.
func join(dir string, parts ...string) string {
	if s := scheme(dir); s != "" {
		return s + path.Join(append([]string{dir[len(s):]}, parts...)...)
	}
	return filepath.Join(append([]string{dir}, parts...)...)
}

// A stat is what is known of a file without reading it.
type stat struct {
	size int64
	time time.Time // zero where the store does not tell
}

func statOf(ctx context.Context, name string) (stat, error) {
	if scheme(name) == "" {
		st, err := os.Stat(name)
		if err != nil {
			return stat{}, err
		}
		if !st.Mode().IsRegular() {
			return stat{}, &fs.PathError{Op: "open", Path: name, Err: errors.New("is no regular file")}
		}
		return stat{st.Size(), st.ModTime()}, nil
	}
	store, err := filesystem.New(ctx, name)
	if err != nil {
		return stat{}, err
	}
	defer store.Close()
	st := stat{}
	if st.size, err = store.Size(ctx, name); err != nil {
		return st, err
	}
	if m, ok := store.(filesystem.LastModifiedGetter); ok {
		st.time, err = m.LastModified(ctx, name)
	}
	return st, err
}

// absolute is a name that means the same in every process: workers have working folders
// of their own.
func absolute(name string) (string, error) {
	if name == "" || scheme(name) != "" {
		return name, nil
	}
	return filepath.Abs(name)
}

// fetch makes a file readable by path: itself, or a copy that done removes.
func fetch(ctx context.Context, name string) (local string, done func(), err error) {
	if scheme(name) == "" {
		return name, func() {}, nil
	}
	store, err := filesystem.New(ctx, name)
	if err != nil {
		return "", nil, err
	}
	defer store.Close()
	r, err := store.OpenRead(ctx, name)
	if err != nil {
		return "", nil, err
	}
	defer r.Close()
	f, err := os.CreateTemp("", "lpn-*"+path.Ext(name))
	if err != nil {
		return "", nil, err
	}
	_, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(f.Name())
		return "", nil, err
	}
	return f.Name(), func() { os.Remove(f.Name()) }, nil
}

// put makes a file by write, which is given a path: all of it or nothing. Here, write
// itself writes under a temporary name and renames. In a store, an object appears when
// it is complete.
func put(ctx context.Context, name string, write func(path string) error) error {
	if scheme(name) == "" {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		return write(name)
	}
	dir, err := os.MkdirTemp("", "lpn-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	local := filepath.Join(dir, path.Base(name))
	if err := write(local); err != nil {
		return err
	}
	store, err := filesystem.New(ctx, name)
	if err != nil {
		return err
	}
	defer store.Close()
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := store.OpenWrite(ctx, name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return err // not closed: no object
	}
	return w.Close()
}

// putBytes writes a file of bytes, all of it or nothing.
func putBytes(ctx context.Context, name string, data []byte) error {
	return put(ctx, name, func(path string) error {
		return atomicfile.Write(path, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
	})
}

// getBytes reads a file whole.
func getBytes(ctx context.Context, name string) ([]byte, error) {
	store, err := filesystem.New(ctx, name)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return filesystem.Read(ctx, store, name)
}

// list expands a pattern.
func list(ctx context.Context, pattern string) ([]string, error) {
	store, err := filesystem.New(ctx, pattern)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return store.List(ctx, pattern)
}

// remove removes a file.
func remove(ctx context.Context, name string) error {
	store, err := filesystem.New(ctx, name)
	if err != nil {
		return err
	}
	defer store.Close()
	if r, ok := store.(filesystem.Remover); ok {
		return r.Remove(ctx, name)
	}
	return fmt.Errorf("%s: this store removes nothing", name)
}

// A File is an input: its name, and its place below what was asked for, which the
// output keeps.
type File struct{ Path, Below string }

// base is the part of a pattern before its first wildcard, up to a slash.
func base(pattern string) string {
	if i := strings.IndexAny(pattern, "*?["); i >= 0 {
		pattern = pattern[:i]
	}
	return pattern[:strings.LastIndexByte(filepath.ToSlash(pattern), '/')+1]
}

// expand calls found with the pictures that a pattern or a folder stands for.
func expand(ctx context.Context, pattern string, found func(File)) error {
	if st, err := os.Stat(pattern); scheme(pattern) == "" && err == nil && st.IsDir() {
		return filepath.WalkDir(pattern, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(d.Name(), ".") && p != pattern && d.IsDir():
				return fs.SkipDir
			case d.IsDir() || strings.HasPrefix(d.Name(), ".") || !isMeasurement(p) && !slices.Contains(imageio.Extensions, strings.ToLower(filepath.Ext(p))):
				return nil
			}
			below, err := filepath.Rel(pattern, p)
			found(File{p, filepath.ToSlash(below)})
			return err
		})
	}
	names, err := list(ctx, pattern)
	if err != nil {
		return err
	}
	from := base(pattern)
	if len(names) == 0 {
		names = []string{pattern} // nothing is there: a record says so
	}
	for _, name := range names {
		if st, err := os.Stat(name); scheme(name) == "" && err == nil && st.IsDir() {
			continue
		}
		below, ok := strings.CutPrefix(name, from)
		if !ok {
			below = path.Base(filepath.ToSlash(name))
		}
		found(File{name, below})
	}
	return nil
}

// place is where an input goes: its place below the output folder, with the extension
// of the output's format. whole keeps its own extension in the name, too.
func (s Settings) place(f File, whole bool) string {
	below := path.Clean("/" + filepath.ToSlash(f.Below))
	ext := path.Ext(below)
	out := ext
	if _, err := imageio.FormatOf(below); err != nil {
		out = ".png"
	}
	if s.Format != "" {
		out = imageio.ExtensionOf(s.Format)
	}
	if !whole {
		below = strings.TrimSuffix(below, ext)
	}
	return join(s.Output, below+out)
}
