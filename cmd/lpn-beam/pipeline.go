package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

// This file is the pipeline. Elements are strings, those of structs as JSON: every runner
// can carry them, and people can read them.

// The functions are called by reflection: an element is a file or a window, so a call
// costs nothing, and the calls that register.DoFn6x1 generates took a minute to compile.
func init() {
	for _, fn := range []any{listFn{}, inputsFn{}, placeFn{}, recordsFn{}, dueFn{}, restoreFn{}, solveFn{}, joinFn{}, shardFn{}, manifestFn{}, sweepFn{}} {
		beam.RegisterType(reflect.TypeOf(fn))
	}
}

// What a run counts, over all workers. A runner that does an element twice may count
// it twice; the manifest does not.
var (
	countFiles    = beam.NewCounter("lpn", "files")
	countFailed   = beam.NewCounter("lpn", "failed")
	countSkipped  = beam.NewCounter("lpn", "skipped")
	countSuspects = beam.NewCounter("lpn", "suspects")
	countWindows  = beam.NewCounter("lpn", "windows")
	spreadKilo    = beam.NewDistribution("lpn", "kilopixels")
	spreadMilli   = beam.NewDistribution("lpn", "milliseconds")
)

// scratch is the folder of the output for what a run needs until it has ended.
const scratch = ".lpn-beam"

// build adds the pipeline to a scope: from patterns, to the files of the output folder.
func build(s beam.Scope, settings Settings, patterns []string) {
	listed := beam.ParDo(s.Scope("List"), &listFn{}, beam.CreateList(s, patterns))
	inputs := beam.ParDo(s.Scope("Inputs"), &inputsFn{settings}, beam.Reshuffle(s, listed))
	placed := beam.ParDo(s.Scope("Place"), &placeFn{settings}, beam.GroupByKey(s, inputs))
	known := beam.ParDo(s.Scope("Known"), &recordsFn{settings}, beam.Create(s, "manifest*.jsonl", scratch+"/journal/*.jsonl"))
	due, skipped := beam.ParDo2(s.Scope("Due"), &dueFn{settings}, beam.CoGroupByKey(s, placed, known))
	restored, windows := beam.ParDo2(s.Scope("Restore"), &restoreFn{Settings: settings}, beam.Reshuffle(s, due))
	solved := beam.ParDo(s.Scope("Solve"), &solveFn{settings}, beam.Reshuffle(s, windows))
	joined := beam.ParDo(s.Scope("Join"), &joinFn{settings}, beam.GroupByKey(s, solved))
	records := beam.Flatten(s, skipped, restored, joined)
	sharded := beam.ParDo(s.Scope("Shard"), &shardFn{settings}, beam.GroupByKey(s, records))
	written := beam.ParDo(s.Scope("Manifest"), &manifestFn{settings}, beam.GroupByKey(s, sharded))
	beam.ParDo0(s.Scope("Sweep"), &sweepFn{settings}, beam.GroupByKey(s, written))
}

// listFn expands patterns to names of files, and of files that list files, each as a
// File in JSON.
type listFn struct{}

func (*listFn) ProcessElement(ctx context.Context, pattern string, emit func(string)) error {
	return expand(ctx, pattern, func(f File) { emit(text(f)) })
}

// isList reports whether a file names inputs, one a line.
func isList(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".txt" || ext == ".jsonl"
}

// inputsFn keys inputs by the place that they ask for, and reads files that list inputs:
// lines of names, or of objects with a field input, as in a manifest.
type inputsFn struct{ Settings Settings }

func (fn *inputsFn) ProcessElement(ctx context.Context, file string, emit func(string, string)) error {
	f := parse[File](file)
	put := func(f File) { emit(fn.Settings.place(f, false), text(f)) }
	if !isList(f.Path) {
		put(f)
		return nil
	}
	b, err := getBytes(ctx, f.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	for name := range listed(b) {
		put(File{name, strings.TrimPrefix(name, scheme(name))})
	}
	return nil
}

// listed yields the inputs of a file that lists them.
func listed(b []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range bytes.Lines(b) {
			name := strings.TrimSpace(string(line))
			var r Record
			if strings.HasPrefix(name, "{") && json.Unmarshal(line, &r) == nil {
				name = r.Input
			}
			if name != "" && !yield(name) {
				return
			}
		}
	}
}

// placeFn gives every input its place. Of inputs that ask for the same one, such as
// a.gif and a.png, those of another extension than the output's keep their whole name:
// a.gif.png.
type placeFn struct{ Settings Settings }

func (fn *placeFn) ProcessElement(place string, values func(*string) bool, emit func(string, string)) {
	files := collect(values)
	for _, v := range files {
		f := parse[File](v)
		if len(files) > 1 && !strings.EqualFold(filepath.Ext(f.Path), filepath.Ext(place)) {
			emit(fn.Settings.place(f, true), v)
		} else {
			emit(place, v)
		}
	}
}

// collect returns the values of a key, each once, in order.
func collect(next func(*string) bool) []string {
	var all []string
	for v := ""; next(&v); {
		all = append(all, v)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// recordsFn reads the records of earlier runs, keyed by their output.
type recordsFn struct{ Settings Settings }

func (fn *recordsFn) ProcessElement(ctx context.Context, pattern string, emit func(string, string)) error {
	names, err := list(ctx, join(fn.Settings.Output, pattern))
	if err != nil {
		return err
	}
	for _, name := range names {
		b, err := getBytes(ctx, name)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var r Record
			if json.Unmarshal(lines.Bytes(), &r) == nil && r.Output != "" {
				emit(r.Output, lines.Text())
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// dueFn passes on what has to be restored, and the records of what has not: of what is
// done, and of outputs of earlier runs that nobody asks for now.
type dueFn struct{ Settings Settings }

func (fn *dueFn) ProcessElement(ctx context.Context, place string, files, records func(*string) bool, due, record func(string, string)) error {
	known, asked := collect(records), collect(files)
	if len(asked) == 0 {
		at := max(0, slices.IndexFunc(known, func(k string) bool { return parse[Record](k).Error == nil }))
		record(place, known[at])
	}
	for i, v := range asked {
		f := parse[File](v)
		if i > 0 { // the first by name has the place
			r := fn.Settings.record(f, place)
			countFailed.Inc(ctx, 1)
			record(place, r.failed(fmt.Errorf("another input is written to %s already", place)).line())
			continue
		}
		at := slices.IndexFunc(known, func(k string) bool { return fn.Settings.done(ctx, f, place, parse[Record](k)) })
		if at < 0 {
			due(place, v)
			continue
		}
		countSkipped.Inc(ctx, 1)
		record(place, known[at])
	}
	return nil
}

// restoreFn restores files. Of giant pictures it passes on the windows.
type restoreFn struct {
	Settings Settings

	pending []string // records that the journal lacks
	since   time.Time
}

// The journal is written every so many records or so often: what a killed job loses of
// its work.
const (
	journalRecords = 64
	journalAfter   = 20 * time.Second
)

func (fn *restoreFn) StartBundle(func(string, string), func(string, string)) {
	fn.pending, fn.since = nil, time.Now()
}

func (fn *restoreFn) ProcessElement(ctx context.Context, place, file string, record, window func(string, string)) error {
	f := parse[File](file)
	r, windows := fn.Settings.restore(ctx, f, place)
	if err := ctx.Err(); err != nil {
		return err // the worker is ending, not the file
	}
	if windows > 0 {
		for k := range windows {
			window(place, text(Window{File: f, Number: k}))
		}
		return nil
	}
	count(ctx, r)
	record(place, r.line())
	fn.pending = append(fn.pending, r.line())
	if len(fn.pending) < journalRecords && time.Since(fn.since) < journalAfter {
		return nil
	}
	return fn.journal(ctx)
}

func (fn *restoreFn) FinishBundle(ctx context.Context, _, _ func(string, string)) error {
	return fn.journal(ctx)
}

// journal keeps the pending records in a file that is named by what it says.
func (fn *restoreFn) journal(ctx context.Context) error {
	if len(fn.pending) == 0 {
		return nil
	}
	b := []byte(strings.Join(fn.pending, "\n") + "\n")
	sum := sha256.Sum256(b)
	fn.pending, fn.since = nil, time.Now()
	return putBytes(ctx, join(fn.Settings.Output, scratch, "journal", hex.EncodeToString(sum[:16])+".jsonl"), b)
}

// count adds a record of this run to the counters.
func count(ctx context.Context, r Record) {
	if r.Error != nil {
		countFailed.Inc(ctx, 1)
		return
	}
	countFiles.Inc(ctx, 1)
	if r.Suspect != nil {
		countSuspects.Inc(ctx, 1)
	}
	spreadKilo.Update(ctx, int64(r.Megapixels*1000+0.5))
	spreadMilli.Update(ctx, int64(r.Seconds*1000+0.5))
}

// solveFn restores windows of giant pictures.
type solveFn struct{ Settings Settings }

func (fn *solveFn) ProcessElement(ctx context.Context, place, window string, emit func(string, string)) error {
	v, err := fn.Settings.solve(ctx, parse[Window](window), place)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		v.Error = err.Error()
	}
	countWindows.Inc(ctx, 1)
	emit(place, text(v))
	return nil
}

// joinFn puts the windows of a giant picture together.
type joinFn struct{ Settings Settings }

func (fn *joinFn) ProcessElement(ctx context.Context, place string, values func(*string) bool, emit func(string, string)) error {
	windows := map[int]Window{}
	for _, v := range collect(values) {
		x := parse[Window](v)
		windows[x.Number] = x
	}
	var all []Window
	for _, v := range windows {
		all = append(all, v)
	}
	r := fn.Settings.assemble(ctx, place, all)
	if err := ctx.Err(); err != nil {
		return err
	}
	count(ctx, r)
	emit(place, r.line())
	return nil
}

// shardFn spreads the records over the files of the manifest, each once.
type shardFn struct{ Settings Settings }

func (fn *shardFn) ProcessElement(place string, values func(*string) bool, emit func(int, string)) {
	h := fnv.New32a()
	h.Write([]byte(place))
	for _, v := range collect(values) {
		emit(int(h.Sum32()%uint32(fn.Settings.Shards)), v)
	}
}

// manifestFn writes one file of the manifest, ordered by input, and the file of its
// failures.
type manifestFn struct{ Settings Settings }

func (fn *manifestFn) ProcessElement(ctx context.Context, shard int, values func(*string) bool, emit func(int, int)) error {
	var records []Record
	for _, v := range collect(values) {
		records = append(records, parse[Record](v))
	}
	slices.SortStableFunc(records, func(a, b Record) int { return strings.Compare(a.Input, b.Input) })
	var manifest, failed strings.Builder
	for _, r := range records {
		manifest.WriteString(r.line() + "\n")
		if r.Error != nil {
			failed.WriteString(r.line() + "\n")
		}
	}
	if err := putBytes(ctx, fn.Settings.manifest("failed", shard), []byte(failed.String())); err != nil {
		return err
	}
	if err := putBytes(ctx, fn.Settings.manifest("manifest", shard), []byte(manifest.String())); err != nil {
		return err
	}
	emit(0, shard)
	return nil
}

// manifest is the name of a file of the manifest, or of the failures.
func (s Settings) manifest(name string, shard int) string {
	if s.Shards > 1 {
		name = fmt.Sprintf("%s-%05d-of-%05d", name, shard, s.Shards)
	}
	return join(s.Output, name+".jsonl")
}

// sweepFn removes what the run needed until all of the manifest was written.
type sweepFn struct{ Settings Settings }

func (fn *sweepFn) ProcessElement(ctx context.Context, _ int, _ func(*int) bool) error {
	for _, pattern := range []string{"journal/*.jsonl", "cores/*/*.core"} {
		names, err := list(ctx, join(fn.Settings.Output, scratch, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := remove(ctx, name); err != nil {
				return err
			}
			if scheme(name) == "" {
				os.Remove(filepath.Dir(name)) // unless another run writes there
			}
		}
	}
	if scheme(fn.Settings.Output) == "" {
		for _, dir := range []string{"journal", "cores", ""} {
			os.Remove(join(fn.Settings.Output, scratch, dir))
		}
	}
	return nil
}

// text and parse take a struct to an element and back.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and finite numbers
	}
	return string(b)
}

// parse panics where an element is none, which text made.
func parse[T any](s string) (v T) {
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		panic(fmt.Sprintf("%v: %.100s", err, s))
	}
	return v
}
