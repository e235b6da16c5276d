package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/restore"
)

// This file is the work on one element, without Beam: a file, a window of a giant, the
// joining of its windows.

// done reports whether a record of an earlier run makes it unnecessary to restore a
// file: it has the same settings and no error, the input is what it was, by size and
// time or by content, and the output is there.
func (w *worker) done(ctx context.Context, f File, to string, r Record) bool {
	if r.Settings != w.id || r.Error != nil || r.Input != f.Path || r.Output != to {
		return false
	}
	out, err := statOf(ctx, to)
	if err != nil || out.size != r.OutputBytes {
		return false
	}
	in, err := statOf(ctx, f.Path)
	if err != nil || in.size != r.InputBytes {
		return false
	}
	if r.InputTime != "" && r.InputTime == timeText(in.time) {
		return true
	}
	local, release, err := fetch(ctx, f.Path)
	if err != nil {
		return false
	}
	defer release()
	sum, err := sumOf(local)
	return err == nil && sum == r.InputSHA256
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// begin is the record of an input with what is known before the work, and the input
// readable by path.
func (w *worker) begin(ctx context.Context, f File, to string) (r Record, local string, release func(), err error) {
	r = Record{Input: f.Path, Output: to, Settings: w.id}
	in, err := statOf(ctx, f.Path)
	if err != nil {
		return r, "", nil, err
	}
	r.InputBytes, r.InputTime = in.size, timeText(in.time)
	if local, release, err = fetch(ctx, f.Path); err != nil {
		return r, "", nil, err
	}
	if r.InputSHA256, err = sumOf(local); err != nil {
		release()
	}
	return r, local, release, err
}

// failed is the record of a failure.
func (r Record) failed(err error) Record {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	r.Error, r.OutputSHA256, r.OutputBytes = &text, "", 0
	return r
}

// restore restores a file. Of a giant picture it returns the number of its windows
// instead, and writes nothing. What goes wrong is in the record, but for the end of ctx.
func (w *worker) restore(ctx context.Context, f File, to string) (r Record, windows int) {
	r, local, release, err := w.begin(ctx, f, to)
	if err != nil {
		return r.failed(err), 0
	}
	defer release()
	file, err := imageio.Open(local)
	if err != nil {
		return r.failed(named(err, local, f.Path)), 0
	}
	defer file.Close()
	var plan *restore.Plan
	pages := func(yield func(*imageio.Picture, error) bool) {
		for i := range file.Pages() {
			p, err := file.Page(i)
			if err == nil {
				plan, p, err = w.page(ctx, p, &r, file.Pages() == 1)
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
	err = w.put(ctx, to, file.Pages(), pages, &r)
	switch {
	case errors.Is(err, errGiant):
		return r, plan.Windows.Count
	case err != nil:
		return r.failed(named(err, local, f.Path)), 0
	}
	return r, 0
}

// errGiant says that a picture is to be restored in windows by all workers.
var errGiant = errors.New("a giant picture")

// page restores one page and adds it to the record.
func (w *worker) page(ctx context.Context, p *imageio.Picture, r *Record, alone bool) (*restore.Plan, *imageio.Picture, error) {
	if w.Gray {
		p = p.Luma()
	}
	r.Megapixels += float64(p.H) * float64(p.W) / 1e6
	in, err := measured.Read(p, w.choice)
	if err != nil {
		return nil, nil, err
	}
	m := in.Problem
	options := w.options
	giant := alone && float64(p.H)*float64(p.W) > w.Giant*1e6
	if giant {
		options.Window = w.Window
	}
	plan, err := restore.New(m, options)
	if err != nil {
		return plan, nil, err
	}
	if giant && plan.Windows != nil {
		return plan, nil, errGiant
	}
	s, err := plan.Solve(ctx, nil)
	if err != nil {
		return plan, nil, err
	}
	r.restored(plan, s)
	return plan, measured.Picture(p, m, s.Image), nil
}

// restored notes what came of a page.
func (r *Record) restored(plan *restore.Plan, s restore.Result) {
	if r.Noise == 0 && !math.IsNaN(plan.Noise) && !math.IsInf(plan.Noise, 0) {
		r.Noise = plan.Noise
	}
	r.Seconds += s.Seconds
	if s.Suspect != "" && r.Suspect == nil {
		r.Suspect = &s.Suspect
	}
}

// put writes the pages of an output.
func (w *worker) put(ctx context.Context, to string, n int, pages func(func(*imageio.Picture, error) bool), r *Record) error {
	format, err := imageio.FormatOf(to)
	if err != nil {
		return err
	}
	options := w.write
	options.Format = format
	if n > 1 && !imageio.KeepsPages(format) {
		return fmt.Errorf("%s holds one picture, the input has %d pages", format, n)
	}
	return put(ctx, to, func(path string) error {
		if err := imageio.WritePages(path, n, pages, options); err != nil {
			return err
		}
		sum, err := sumOf(path)
		if err != nil {
			return err
		}
		st, err := statOf(ctx, path)
		r.OutputSHA256, r.OutputBytes = sum, st.size
		return err
	})
}

// named is an error that names an input as it was asked for, not its copy here.
func named(err error, local, path string) error {
	if local == path {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), local, path))
}

// A giant is a giant picture with its settled plan.
type giant struct {
	plan    *restore.Plan
	picture *imageio.Picture
	problem restore.Problem
	record  Record
}

// giants keeps the last giant, which takes gigabytes and a window's time to settle.
type giants struct {
	mu   sync.Mutex
	file File
	last *giant
}

// giant opens a giant picture.
func (w *worker) giant(ctx context.Context, f File, to string) (*giant, error) {
	w.giants.mu.Lock()
	defer w.giants.mu.Unlock()
	if w.giants.last != nil && w.giants.file == f {
		return w.giants.last, nil
	}
	w.giants.last = nil // its memory goes first
	r, local, release, err := w.begin(ctx, f, to)
	if err != nil {
		return nil, err
	}
	defer release()
	p, err := imageio.Read(local)
	if err != nil {
		return nil, named(err, local, f.Path)
	}
	if w.Gray {
		p = p.Luma()
	}
	g := &giant{picture: p, record: r}
	in, err := measured.Read(p, w.choice)
	if err != nil {
		return nil, err
	}
	g.problem = in.Problem
	options := w.options
	options.Window = w.Window
	if g.plan, err = restore.New(g.problem, options); err != nil {
		return nil, err
	}
	if g.plan.Windows == nil {
		return nil, errors.New("the picture has changed: it is no giant any more")
	}
	if g.plan, err = g.plan.Settle(ctx); err != nil {
		return nil, err
	}
	g.record.Windows = g.plan.Windows.Count
	g.record.Megapixels = float64(p.H) * float64(p.W) / 1e6
	w.giants.file, w.giants.last = f, g
	return g, nil
}

// A Window is one window of a giant picture: which, where its core lies when it is
// solved, and how long it took. Error is why it is not.
type Window struct {
	File    File
	Number  int
	Core    string
	Seconds float64
	Error   string
}

// solve restores one window and writes its core, which an earlier run may have done.
func (w *worker) solve(ctx context.Context, v Window, to string) (Window, error) {
	g, err := w.giant(ctx, v.File, to)
	if err != nil {
		return v, err
	}
	key := sha256.Sum256([]byte(to + "\n" + w.id + "\n" + g.record.InputSHA256))
	v.Core = join(w.Output, scratch, "cores", hex.EncodeToString(key[:16]), fmt.Sprintf("%d.core", v.Number))
	if st, err := statOf(ctx, v.Core); err == nil && st.size > 0 {
		return v, nil
	}
	start := time.Now()
	core, err := g.plan.SolveCore(ctx, v.Number)
	if err != nil {
		return v, err
	}
	b, err := core.MarshalBinary()
	if err != nil {
		return v, err
	}
	v.Seconds = time.Since(start).Seconds()
	return v, putBytes(ctx, v.Core, b)
}

// assemble puts the windows of a giant picture together.
func (w *worker) assemble(ctx context.Context, to string, windows []Window) Record {
	slices.SortFunc(windows, func(a, b Window) int { return a.Number - b.Number })
	f := windows[0].File
	none := Record{Input: f.Path, Output: to, Settings: w.id}
	for _, v := range windows {
		if v.Error != "" {
			return none.failed(fmt.Errorf("window %d: %s", v.Number, v.Error))
		}
	}
	g, err := w.giant(ctx, f, to)
	if err != nil {
		return none.failed(err)
	}
	r := g.record
	s, err := g.plan.Join(func(yield func(restore.Core, error) bool) {
		for _, v := range windows {
			var c restore.Core
			b, err := getBytes(ctx, v.Core)
			if err == nil {
				err = c.UnmarshalBinary(b)
			}
			s := err == nil
			if !yield(c, err) || !s {
				return
			}
			r.Seconds += v.Seconds
		}
	})
	if err != nil {
		return r.failed(err)
	}
	r.restored(g.plan, s)
	whole := measured.Picture(g.picture, g.problem, s.Image)
	if err := w.put(ctx, to, 1, func(yield func(*imageio.Picture, error) bool) { yield(whole, nil) }, &r); err != nil {
		return r.failed(err)
	}
	return r
}
