package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
)

// An input is a file to work on.
type input struct {
	path string // as it is opened and named; "-" for stdin
	rel  string // its place below the folder that was named; its base otherwise
	to   string // where it goes if -o does not say, "" for its own folder
}

// expand turns the arguments - files, folders, patterns, "-" - into files.
// batch says that there may be more than one. skip is a folder to leave out,
// the one that is written to.
func expand(args []string, recurse bool, exts []string, skip string) (inputs []input, batch bool, err error) {
	batch = len(args) > 1
	for _, a := range args {
		if a == "-" {
			if batch {
				return nil, false, usagef("- (stdin) goes alone, not with other inputs")
			}
			return []input{{path: "-", rel: "-"}}, false, nil
		}
		st, err := os.Stat(a)
		switch {
		case a == "":
			return nil, false, usagef("an input has no name: \"\"")
		case err == nil && st.IsDir():
			batch = true
			found, err := folder(a, recurse, exts, skip)
			if err != nil {
				return nil, false, err
			}
			inputs = append(inputs, found...)
		case err == nil:
			inputs = append(inputs, input{path: a, rel: filepath.Base(a)})
		case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(a, "*?["):
			batch = true
			found, gerr := filepath.Glob(a)
			if gerr != nil || len(found) == 0 {
				return nil, false, usagef("%s: no file matches", a)
			}
			for _, f := range found {
				if st, err := os.Stat(f); err == nil && !st.IsDir() {
					inputs = append(inputs, input{path: f, rel: filepath.Base(f)})
				}
			}
		default:
			return nil, false, usagef("%s: %v", a, cause(err))
		}
	}
	if len(inputs) == 0 {
		return nil, false, usagef("no input: name files, folders, patterns, or - for stdin")
	}
	return inputs, batch, nil
}

// folder lists the images in dir, those below it too if recurse, in order.
func folder(dir string, recurse bool, exts []string, skip string) ([]input, error) {
	var found []input
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != dir && (!recurse || hidden(d.Name()) || sameFile(path, skip)):
			return fs.SkipDir
		case d.IsDir() || hidden(d.Name()) || !slices.Contains(exts, strings.ToLower(filepath.Ext(path))):
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		found = append(found, input{path: path, rel: rel})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, cause(err))
	}
	if len(found) == 0 {
		hint := ""
		if !recurse {
			hint = " (-r looks into the folders below it)"
		}
		return nil, usagef("%s: no images in this folder%s", dir, hint)
	}
	return found, nil
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") && name != "." && name != ".." }

// sameFile reports whether both paths are there and the same.
func sameFile(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	sa, err := os.Stat(a)
	if err != nil {
		return false
	}
	sb, err := os.Stat(b)
	return err == nil && os.SameFile(sa, sb)
}

// cause strips the operation and path that package os puts before an error.
func cause(err error) error { return atomicfile.Reason(err) }

// missing makes an error about a file that was named on the command line and
// is not there a mistake in the command line.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{err}
	}
	return err
}
