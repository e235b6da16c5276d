package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/urfave/cli/v2"
)

// A manifestLine is what a manifest holds of one file.
type manifestLine struct {
	Input  string `json:"input"`
	Output string `json:"output"`
	// InputSHA256 and OutputSHA256 are of the files, in hexadecimal.
	InputSHA256  string `json:"input_sha256,omitempty"`
	OutputSHA256 string `json:"output_sha256,omitempty"`
	// SettingsSHA256 is of Settings as they stand in the line.
	SettingsSHA256 string   `json:"settings_sha256"`
	Settings       settings `json:"settings"`
	Time           string   `json:"time"`
	Seconds        number   `json:"seconds"`
	// Result is what --json shows of the file; nil where Error says what went wrong.
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// settings are what decides a result besides the input.
type settings struct {
	Command string         `json:"command"`
	Version string         `json:"version"`
	Flags   map[string]any `json:"flags"`
	// Files are the hashes of the files that flags name.
	Files map[string]string `json:"files,omitempty"`
}

// besides are flags that change no result.
var besides = []string{
	"json", "quiet", "threads", "log-format",
	"output", "force", "skip-existing", "recursive", "reference", "trace", "plot", "sheet", "plan", "memory", "tile",
	"files-from", "shard", "jobs", "timeout", "manifest", "retry-failed", "json-lines",
}

// settingsOf are those of a command line. files are named within its flags; a flag
// whose whole value is a file is known as such.
func settingsOf(c *cli.Context, files []string) settings {
	s := settings{Command: c.Command.Name, Version: version(), Flags: map[string]any{}}
	files = slices.Clone(files)
	for _, f := range c.Command.Flags {
		if name := f.Names()[0]; c.IsSet(name) && !slices.Contains(besides, name) {
			value := fmt.Sprint(c.Value(name))
			s.Flags[name] = value
			files = append(files, value)
		}
	}
	for _, path := range files {
		if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() { // a pipe is read but once
			continue
		}
		if sum, err := measured.SHA256(path); err == nil {
			if s.Files == nil {
				s.Files = map[string]string{}
			}
			s.Files[path] = sum
		}
	}
	return s
}

// sum is the hash of the settings as JSON, whose maps are sorted.
func (s settings) sum() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// A manifest is an open manifest file; nil is none.
type manifest struct {
	settings settings
	sum      string
	past     map[string]pastLine // by output
	mu       sync.Mutex
	file     *os.File
	failed   error // of the first line that could not be written
}

// A pastLine is what is remembered of an earlier line.
type pastLine struct{ input, inputSum, outputSum, settingsSum string }

// openManifest opens the manifest to add to, and reads it if outputs that exist
// are passed over.
func (r runOfJobs) openManifest() (*manifest, error) {
	if r.manifest == "" {
		return nil, nil
	}
	m := &manifest{settings: r.settings, sum: r.settings.sum(), past: map[string]pastLine{}}
	torn := false // the last line has no end: the program was killed
	if r.skip {
		err := eachLine(r.manifest, func(l manifestLine) {
			if l.Error == "" { // what failed has left the output as it was
				m.past[l.Output] = pastLine{l.Input, l.InputSHA256, l.OutputSHA256, l.SettingsSHA256}
			}
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("--manifest: %v", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(r.manifest), 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w", r.manifest, cause(err))
	}
	f, err := os.OpenFile(r.manifest, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be written: %w", r.manifest, cause(err))
	}
	if st, err := f.Stat(); err == nil && st.Size() > 0 {
		last := make([]byte, 1)
		_, err := f.ReadAt(last, st.Size()-1)
		torn = err == nil && last[0] != '\n'
	}
	if m.file = f; torn {
		_, err = f.WriteString("\n")
	}
	return m, err
}

// eachLine calls f on the lines of a manifest. One that is cut off is passed over.
func eachLine(path string, f func(manifestLine)) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, cause(err))
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<16)
	for n := 1; ; n++ {
		text, err := r.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: %w", path, cause(err))
		}
		var l manifestLine
		switch jerr := json.Unmarshal(text, &l); {
		case len(bytes.TrimSpace(text)) == 0:
		case jerr == nil && l.Input != "":
			f(l)
		case n == 1 && err == nil: // another file
			return fmt.Errorf("%s: its first line is none of a manifest", path)
		}
		if err == io.EOF {
			return nil
		}
	}
}

// failedOf lists the inputs whose last line in a manifest has an error.
func failedOf(path string) ([]input, error) {
	var order []string
	last := map[string]*input{}
	err := eachLine(path, func(l manifestLine) {
		if l.Error == "" {
			delete(last, l.Input)
			return
		}
		if _, again := last[l.Input]; !again {
			order = append(order, l.Input)
		}
		in := listedInput(l.Input)
		in.to = l.Output
		last[l.Input] = &in
	})
	if err != nil {
		return nil, usagef("--retry-failed: %v", err)
	}
	var inputs []input
	for _, name := range order {
		if in := last[name]; in != nil {
			inputs = append(inputs, *in)
			delete(last, name)
		}
	}
	return inputs, nil
}

// made reports whether the job is done already: its output is there and, where a
// manifest is kept, is what this input gave with these settings. An output that the
// manifest does not vouch for may be a person's, and is an error: it is not replaced.
func (m *manifest) made(j job) (bool, error) {
	if st, err := os.Stat(j.to); err != nil || !st.Mode().IsRegular() {
		return false, nil
	}
	if m == nil {
		return true, nil
	}
	was, known := m.past[j.to]
	out, err := measured.SHA256(j.to)
	switch {
	case err != nil:
		return false, fmt.Errorf("%s: %s: %w", j.path, j.to, cause(err))
	case !known:
		return false, fmt.Errorf("%s: %s exists, and is not in the manifest: it is kept; move it away to have it made", j.path, j.to)
	case out != was.outputSum:
		return false, fmt.Errorf("%s: %s has changed since it was made: it is kept; move it away to have it made anew", j.path, j.to)
	}
	return was.input == j.path && was.settingsSum == m.sum && m.hashInput(j) == was.inputSum, nil
}

// hashInput is the hash of a job's input, "" where no manifest is kept or the input
// cannot be read.
func (m *manifest) hashInput(j job) string {
	if m == nil {
		return ""
	}
	sum, _ := measured.SHA256(j.path)
	return sum
}

// record adds a line for the job, whose input had the given hash when work on it began.
// An error of the disk ends up in close.
func (m *manifest) record(j job, inputSum string, took time.Duration, o outcome) outcome {
	if m == nil {
		return o
	}
	l := manifestLine{Input: j.path, Output: j.to, SettingsSHA256: m.sum, Settings: m.settings,
		Time: time.Now().UTC().Format(time.RFC3339), Seconds: number(took.Seconds()), Result: o.result, InputSHA256: inputSum}
	if o.err != nil {
		l.Result, l.Error = nil, o.err.Error()
	}
	if o.err == nil {
		l.OutputSHA256, _ = measured.SHA256(j.to)
	}
	text, err := json.Marshal(l)
	if err == nil {
		// One write a line: those of other programs that add to the file do not
		// come between.
		m.mu.Lock()
		defer m.mu.Unlock()
		_, err = m.file.Write(append(text, '\n'))
	}
	if err != nil && m.failed == nil {
		m.failed = err
	}
	return o
}

// close closes the file, and says whether all lines are in it.
func (m *manifest) close() error {
	if m == nil || m.file == nil {
		return nil
	}
	name := m.file.Name()
	err := errors.Join(m.failed, m.file.Close())
	m.file = nil
	if err != nil {
		return fmt.Errorf("%s: %w", name, cause(err))
	}
	return nil
}
