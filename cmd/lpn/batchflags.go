package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// batchOptions say how many inputs are gone through.
type batchOptions struct {
	filesFrom string // a file of names, or "-"
	shard     shard
	jobs      int // at a time
	timeout   time.Duration
	manifest  string // what was done, a line a file
	retry     string // a manifest whose failures are the inputs
	jsonLines bool
	settings  settings
}

func batchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "files-from", Usage: "also work on the files named in `LIST`, one on each line or ended by zero bytes; - is stdin"},
		&cli.StringFlag{Name: "shard", Usage: "work on inputs I, I+N, I+2N, ... only, `I/N`; in a job array each task has its own I from 1 to N"},
		&cli.IntFlag{Name: "jobs", Usage: "work on `N` small pictures at a time; a large picture gets all cores", DefaultText: "as many as cores"},
		&cli.DurationFlag{Name: "timeout", Usage: "give up on an input after `D`, such as 90s or 5m; checked between iterations"},
		&cli.StringFlag{Name: "manifest", Usage: "append a line of JSON for each input to `FILE`.jsonl: hashes, settings, result or error. With it, --skip-existing skips an output only if it was made from the same input with the same settings, replaces it if it is out of date, and keeps it and reports a failure if it was changed since"},
		&cli.StringFlag{Name: "retry-failed", Usage: "work on the inputs that failed according to the manifest `FILE`.jsonl, and append the results to it"},
		&cli.BoolFlag{Name: "json-lines", Usage: "print a line of JSON on stdout for each input when it is done"},
	}
}

// batchFrom reads the flags. files are named within other flags, as in map:FILE: the
// content of all files that flags name is part of the settings.
func batchFrom(c *cli.Context, con *console, files ...string) (o batchOptions, err error) {
	o = batchOptions{
		filesFrom: c.String("files-from"), jobs: c.Int("jobs"), timeout: c.Duration("timeout"),
		manifest: c.String("manifest"), retry: c.String("retry-failed"), jsonLines: c.Bool("json-lines"),
	}
	switch {
	case o.jobs < 0 || o.jobs > mostThreads:
		return o, usagef("--jobs: %d; want 1 to %d, or 0 for as many as cores", o.jobs, mostThreads)
	case c.IsSet("timeout") && o.timeout <= 0:
		return o, usagef("--timeout: %s; want a positive time", o.timeout)
	case o.jsonLines && con.json:
		return o, usagef("--json prints one object, --json-lines one a line: choose")
	}
	if o.shard, err = parseShard(c.String("shard")); err != nil {
		return o, err
	}
	con.json = con.json || o.jsonLines
	if o.manifest == "" {
		o.manifest = o.retry
	}
	if o.manifest != "" {
		o.settings = settingsOf(c, files)
	}
	return o, nil
}

// workers is how many jobs run at a time.
func (o batchOptions) workers() int {
	if o.jobs == 0 {
		return 1
	}
	return o.jobs
}

// byCores makes as many jobs run at a time as there are cores, unless --jobs is given.
func (o batchOptions) byCores() batchOptions {
	if o.jobs == 0 {
		o.jobs = runtime.GOMAXPROCS(0)
	}
	return o
}

// limit is the time that a job has.
func (o batchOptions) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, o.timeout)
}

// A shard is the i-th of n parts of the inputs, counted from 1; the zero shard is
// all of them.
type shard struct{ i, n int }

func parseShard(text string) (shard, error) {
	if text == "" {
		return shard{}, nil
	}
	a, b, ok := strings.Cut(text, "/")
	i, err := strconv.Atoi(a)
	n, err2 := strconv.Atoi(b)
	if !ok || err != nil || err2 != nil || i < 1 || i > n {
		return shard{}, usagef("--shard: %q; want I/N with I from 1 to N, as 3/8", text)
	}
	return shard{i, n}, nil
}

// has reports whether input k, counted from 0, belongs to the shard.
func (s shard) has(k int) bool { return s.n == 0 || k%s.n == s.i-1 }

// inputs are the arguments, the listed files and the failures of a manifest. rest
// is false where there is nothing but the arguments.
func (o batchOptions) inputs(con *console, args []string, recurse bool, exts []string, skip string) (inputs []input, batch bool, err error) {
	if o.filesFrom == "" && o.retry == "" {
		return expand(args, recurse, exts, skip)
	}
	if len(args) > 0 {
		if inputs, _, err = expand(args, recurse, exts, skip); err != nil {
			return nil, false, err
		}
		if inputs[0].path == "-" {
			return nil, false, usagef("- (stdin) goes alone, not with other inputs")
		}
	}
	if o.filesFrom != "" {
		listed, err := listedFiles(con, o.filesFrom)
		if err != nil {
			return nil, false, err
		}
		inputs = append(inputs, listed...)
	}
	if o.retry != "" {
		failed, err := failedOf(o.retry)
		if err != nil {
			return nil, false, err
		}
		if inputs = append(inputs, failed...); len(inputs) == 0 {
			return nil, true, nil
		}
	}
	if len(inputs) == 0 {
		return nil, false, usagef("--files-from %s names no file", o.filesFrom)
	}
	return inputs, true, nil
}

// listedFiles are the names in a list. They are opened when it is their turn: one
// that is missing fails alone.
func listedFiles(con *console, list string) ([]input, error) {
	var data []byte
	var err error
	if list == "-" {
		data, err = io.ReadAll(con.in)
	} else {
		data, err = os.ReadFile(list)
	}
	if err != nil {
		return nil, usagef("--files-from: %s: %v", list, cause(err))
	}
	names, err := listedNames(data)
	var inputs []input
	for _, name := range names {
		inputs = append(inputs, listedInput(name))
	}
	return inputs, err
}

// listedNames are those in a list, ended by lines or by zero bytes.
func listedNames(data []byte) (names []string, err error) {
	split := bufio.ScanLines
	if bytes.IndexByte(data, 0) >= 0 {
		split = scanZeros
	}
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, len(data)+1)
	s.Split(split)
	for s.Scan() {
		if name := s.Text(); name != "" {
			names = append(names, name)
		}
	}
	return names, s.Err()
}

// listedInput is a file by its name in a list: below the current folder its place
// in the tree is kept.
func listedInput(path string) input {
	if clean := filepath.Clean(path); filepath.IsLocal(clean) {
		return input{path: path, rel: clean}
	}
	return input{path: path, rel: filepath.Base(path)}
}

// scanZeros splits at zero bytes, as find -print0 ends names.
func scanZeros(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), bytes.TrimRight(data, "\r\n"), nil
	}
	return 0, nil, nil
}

// rate says how fast a batch goes.
func rate(done int, in time.Duration) string {
	switch s := in.Seconds(); {
	case done == 0 || s <= 0:
		return ""
	case float64(done) >= s:
		return fmt.Sprintf("%.3g a second", float64(done)/s)
	default:
		return fmt.Sprintf("%.3g s each", s/float64(done))
	}
}
