package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
)

// This file is the work on one element, without Beam: a file, a window of a giant, the
// joining of its windows.

// done reports whether a record of an earlier run makes it unnecessary to restore a
// file: it has the same settings and no error, the input is what it was, by size and
// time or by content, and the output is there.
func (s Settings) done(ctx context.Context, f File, to string, r Record) bool {
	if r.Settings != s.ID || r.Error != nil || r.Input != f.Path || r.Output != to {
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
	sum, err := measured.SHA256(local)
	return err == nil && sum == r.InputSHA256
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// record is that of an input of which nothing is known.
func (s Settings) record(f File, to string) Record {
	return Record{Input: f.Path, Output: to, Settings: s.ID}
}

// begin is the record of an input with what is known before the work, and the input
// readable by path.
func (w *worker) begin(ctx context.Context, f File, to string) (r Record, local string, release func(), err error) {
	r = w.record(f, to)
	in, err := statOf(ctx, f.Path)
	if err != nil {
		return r, "", nil, err
	}
	r.InputBytes, r.InputTime = in.size, timeText(in.time)
	if local, release, err = fetch(ctx, f.Path); err != nil {
		return r, "", nil, err
	}
	if r.InputSHA256, err = measured.SHA256(local); err != nil {
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

// within is ctx that ends when the time for a file or a window is over. late is err where
// it did.
func (s Settings) within(ctx context.Context) (limited context.Context, stop func(), late func(err error) error) {
	if s.Timeout == 0 {
		return ctx, func() {}, func(err error) error { return err }
	}
	limited, stop = context.WithTimeout(ctx, s.Timeout)
	return limited, stop, func(err error) error {
		if err != nil && limited.Err() != nil && ctx.Err() == nil {
			return fmt.Errorf("took longer than %s (--timeout)", s.Timeout)
		}
		return err
	}
}

// restore restores a file. Of a giant picture it returns the number of its windows
// instead, and writes nothing. What goes wrong is in the record, but for the end of ctx.
func (s Settings) restore(ctx context.Context, f File, to string) (r Record, windows int) {
	ctx, stop, late := s.within(ctx)
	defer stop()
	w, err := s.here()
	if err != nil {
		return s.record(f, to).failed(err), 0
	}
	r, windows, err = w.restore(ctx, f, to)
	if err != nil {
		return r.failed(late(err)), 0
	}
	return r, windows
}

func (w *worker) restore(ctx context.Context, f File, to string) (r Record, windows int, err error) {
	r, local, release, err := w.begin(ctx, f, to)
	if err != nil {
		return r, 0, err
	}
	defer release()
	if isMeasurement(f.Path) {
		err = w.put(ctx, to, &r, func(path string, o imageio.Options) error {
			p, err := w.measurement(ctx, f, local, &r)
			if err != nil {
				return err
			}
			return imageio.Write(path, p, o)
		})
		return r, 0, named(err, local, f.Path)
	}
	g, err := w.over(ctx, local)
	if err != nil {
		return r, 0, named(err, local, f.Path)
	}
	if g != nil {
		defer g.Close()
		return r, g.plan.Windows.Count, nil
	}
	file, err := imageio.Open(local)
	if err != nil {
		return r, 0, named(err, local, f.Path)
	}
	defer file.Close()
	if w.Missing == "nan" {
		file.TakeGaps()
	}
	first, n := 0, file.Pages()
	if w.Page > n {
		return r, 0, fmt.Errorf("--page %d: %s has %d", w.Page, f.Path, n)
	}
	if w.Page > 0 {
		first, n = w.Page-1, 1
	}
	pages := func(yield func(*imageio.Picture, error) bool) {
		for i := first; i < first+n; i++ {
			p, err := file.Page(i)
			if err == nil {
				p, err = w.page(ctx, f, page{i, file.Pages()}, p, &r)
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
	err = w.put(ctx, to, &r, func(path string, o imageio.Options) error {
		if n > 1 && !imageio.KeepsPages(o.Format) {
			return fmt.Errorf("%s holds one picture, the input has %d pages", o.Format, n)
		}
		return imageio.WritePages(path, n, pages, o)
	})
	return r, 0, named(err, local, f.Path)
}

// A page is one of a file's: which, from 0, and of how many.
type page struct{ at, of int }

// page restores one page and adds it to the record.
func (w *worker) page(ctx context.Context, f File, at page, p *imageio.Picture, r *Record) (*imageio.Picture, error) {
	r.Megapixels += float64(p.H) * float64(p.W) / 1e6
	p, in, err := w.problem(ctx, p)
	if err != nil {
		return nil, err
	}
	m, choice := in.Problem, in.Choice
	if w.Missing == "" && w.weights == nil {
		line, err := measured.UndoJPEG(ctx, &m, p, w.choice.Range, w.options)
		if err != nil {
			return nil, err
		}
		choice = cmp.Or(line, choice)
	}
	return w.solution(ctx, f, at, p, m, choice, nil, r)
}

// isMeasurement reports whether an input is a measurement file, of lpn degrade or lpn
// measure.
func isMeasurement(name string) bool { return strings.EqualFold(path.Ext(name), ".npz") }

// measurement restores a measurement file.
func (w *worker) measurement(ctx context.Context, f File, local string, r *Record) (*imageio.Picture, error) {
	y, err := flags.Measurement(local)
	if err != nil {
		return nil, err
	}
	m := measured.Problem(y)
	if w.choice.Noise != nil {
		m.Noise = w.choice.Noise
	}
	if !w.choice.Range.IsZero() {
		m.Range = w.choice.Range
	}
	p := &imageio.Picture{Image: y.Y, Bits: 16}
	if err := w.observe(&m, p); err != nil {
		return nil, err
	}
	r.Megapixels = float64(m.Scene.H) * float64(m.Scene.W) / 1e6
	units := func(x operators.Image) operators.Image { return measured.Result(y, x) }
	return w.solution(ctx, f, page{0, 1}, p, m, "", units, r)
}

// solution is the restored picture of m, a problem of p, which it adds to the record.
// units makes what is written of a scene; nil: it is written as it is.
func (w *worker) solution(ctx context.Context, f File, at page, p *imageio.Picture, m restore.Problem, choice string,
	units func(operators.Image) operators.Image, r *Record) (*imageio.Picture, error) {
	truth, err := w.truth(ctx, f, at, p, &m)
	if err != nil {
		return nil, err
	}
	plan, err := restore.New(m, w.options)
	if err != nil {
		return nil, flags.Of(err)
	}
	s, err := plan.Solve(ctx, nil)
	if err != nil {
		return nil, err
	}
	r.Choice = cmp.Or(r.Choice, choice)
	r.restored(plan, s)
	x := measured.Picture(p, m, s.Image)
	if units != nil {
		x.Image = units(x.Image)
	}
	if truth != nil && r.PSNR == nil {
		if x.Shape != truth.Shape {
			return nil, fmt.Errorf("the reference is %v, the result %v (channels x height x width)", truth.Shape, x.Shape)
		}
		q := restore.Compare(truth.Image, x.Image)
		psnr, ssim := explore.Number(q.PSNR), explore.Number(q.SSIM)
		r.PSNR, r.SSIM = &psnr, &ssim
		if p.Shape == truth.Shape {
			before := explore.Number(restore.Compare(truth.Image, p.Image).PSNR)
			r.InputPSNR = &before
		}
	}
	return x, nil
}

// truth is what --reference says that a page truly is, and gives it to the problem; nil
// where it says nothing.
func (w *worker) truth(ctx context.Context, f File, at page, p *imageio.Picture, m *restore.Problem) (*imageio.Picture, error) {
	if w.Reference == "" {
		return nil, nil
	}
	name, err := w.referenceOf(ctx, f)
	if err != nil {
		return nil, err
	}
	local, release, err := fetch(ctx, name)
	if err != nil {
		return nil, err
	}
	defer release()
	file, err := imageio.Open(local)
	if err != nil {
		return nil, named(err, local, name)
	}
	defer file.Close()
	number := 0
	if file.Pages() == at.of {
		number = at.at
	}
	t, err := file.Page(number)
	if err != nil {
		return nil, named(err, local, name)
	}
	if w.Gray {
		t = t.Luma()
	}
	if t, err = measured.Truth(t, p, m); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// referenceOf is the file of the true picture: --reference itself, or the one at the same
// place in that folder.
func (s Settings) referenceOf(ctx context.Context, f File) (string, error) {
	if _, err := statOf(ctx, s.Reference); err == nil {
		return s.Reference, nil
	}
	name := join(s.Reference, f.Below)
	if _, err := statOf(ctx, name); err == nil {
		return name, nil
	}
	for _, ext := range imageio.Extensions {
		other := strings.TrimSuffix(name, path.Ext(name)) + ext
		if _, err := statOf(ctx, other); err == nil {
			return other, nil
		}
	}
	return "", fmt.Errorf("%s: no such reference", name)
}

// problem is a picture as it is restored, and the problem that it is.
func (w *worker) problem(ctx context.Context, p *imageio.Picture) (*imageio.Picture, measured.Reading, error) {
	if w.Gray {
		p = p.Luma()
	}
	in, err := measured.Read(ctx, p, w.choice)
	if err == nil {
		err = w.observe(&in.Problem, p)
	}
	return p, in, err
}

// observe says which samples of the problem m, read from p, count how much.
func (w *worker) observe(m *restore.Problem, p *imageio.Picture) (err error) {
	measured.Observe(m, p, w.light, w.Missing)
	if w.weights != nil {
		*m, err = measured.Weigh(*m, *w.weights)
	}
	return flags.Of(err)
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
	if r.Note == "" {
		r.Note = s.Note
	}
}

// put writes an output by write, and notes what it is.
func (w *worker) put(ctx context.Context, to string, r *Record, write func(path string, o imageio.Options) error) error {
	options := w.write
	var err error
	if options.Format, err = imageio.FormatOf(to); err != nil {
		return err
	}
	return put(ctx, to, func(path string) error {
		if err := write(path, options); err != nil {
			return err
		}
		sum, err := measured.SHA256(path)
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
	if err == nil || local == path {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), local, path))
}

// A giant is a giant picture: mapped, with the plan of its windows.
type giant struct {
	*imageio.Mapped
	gray   bool // it is restored as luma
	plan   *restore.Plan
	record Record
}

// sampleSide is the side of the sample that a giant picture is planned by.
const sampleSide = 2048

// over plans a giant picture, and is nil for every other: those that are not mapped, or
// not cut into windows, are restored as a whole.
func (w *worker) over(ctx context.Context, path string) (*giant, error) {
	m, err := imageio.Map(path)
	if err != nil || w.Missing != "" || w.weights != nil || w.Page > 1 || w.choice.Spec.Auto() || float64(m.Frame.H)*float64(m.Frame.W) <= w.Giant*1e6 {
		if err == nil {
			m.Close()
		}
		return nil, nil // what is wrong with the file, reading it as a whole says
	}
	g := &giant{Mapped: m, gray: w.Gray && m.Frame.C > 1}
	if err := g.decide(ctx, w); err != nil {
		m.Close()
		if errors.As(err, new(*restore.MemoryError)) {
			return nil, nil
		}
		return nil, err
	}
	return g, nil
}

// decide makes the plan, by a sample.
func (g *giant) decide(ctx context.Context, w *worker) error {
	sample, err := g.Sample(sampleSide)
	if err != nil {
		return err
	}
	_, in, err := w.problem(ctx, sample)
	if err != nil {
		return err
	}
	options := w.options
	options.Memory = 0 // the sample is small
	plan, err := restore.New(in.Problem, options)
	if err != nil {
		return err
	}
	g.plan, err = plan.Over(g, w.Window)
	return err
}

// Shape is that of the picture as it is restored.
func (g *giant) Shape() operators.Shape {
	s := g.Frame.Shape
	if g.gray {
		s.C = 1
	}
	return s
}

// ReadAt reads it so.
func (g *giant) ReadAt(dst operators.Image, y, x int) error {
	p, err := g.Part(image.Rect(x, y, x+dst.W, y+dst.H))
	if err != nil {
		return err
	}
	if g.gray {
		p = p.Luma()
	}
	copy(dst.Pix, p.Pix)
	return nil
}

// frame is the restored picture without its samples.
func (g *giant) frame() *imageio.Picture {
	p := g.Frame
	p.Shape = operators.Shape{C: g.Shape().C, H: g.plan.FrameH, W: g.plan.FrameW}
	if g.gray {
		p.ICC = nil // of colours
	}
	return &p
}

// rows are some restored rows, the first of which is y, with the opacity and the gaps
// that the file has there.
func (g *giant) rows(frame *imageio.Picture, m operators.Image, y int) (*imageio.Picture, error) {
	p := *frame
	p.Image = m
	if g.Frame.Alpha == nil && g.Frame.Bits < 32 {
		return &p, nil
	}
	at := image.Pt(restore.Margin(g.Frame.W-frame.W), restore.Margin(g.Frame.H-frame.H)+y)
	from, err := g.Part(image.Rectangle{Min: at, Max: at.Add(image.Pt(m.W, m.H))})
	if err != nil {
		return nil, err
	}
	if g.gray {
		from = from.Luma()
	}
	p.Alpha, p.Missing = from.Alpha, from.Missing
	return &p, nil
}

// giants keeps the last giant, which takes a window's time to settle.
type giants struct {
	mu   sync.Mutex
	file File
	stat stat
	last *giant
}

// giant opens a giant picture.
func (w *worker) giant(ctx context.Context, f File, to string) (*giant, error) {
	w.giants.mu.Lock()
	defer w.giants.mu.Unlock()
	st, err := statOf(ctx, f.Path)
	if err != nil {
		return nil, err
	}
	if w.giants.last != nil && w.giants.file == f && w.giants.stat == st {
		return w.giants.last, nil
	}
	w.giants.last = nil // closed when no window is being solved
	r, local, release, err := w.begin(ctx, f, to)
	if err != nil {
		return nil, err
	}
	defer release()
	g, err := w.over(ctx, local)
	if err != nil {
		return nil, named(err, local, f.Path)
	}
	if g == nil {
		return nil, errors.New("the picture has changed: it is no giant any more")
	}
	if g.plan, err = g.plan.Settle(ctx); err != nil {
		return nil, err
	}
	g.record = r
	g.record.Windows = g.plan.Windows.Count
	g.record.Megapixels = float64(g.Frame.H) * float64(g.Frame.W) / 1e6
	w.giants.file, w.giants.stat, w.giants.last = f, st, g
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
func (s Settings) solve(ctx context.Context, v Window, to string) (Window, error) {
	ctx, stop, late := s.within(ctx)
	defer stop()
	w, err := s.here()
	if err == nil {
		v, err = w.solve(ctx, v, to)
	}
	return v, late(err)
}

func (w *worker) solve(ctx context.Context, v Window, to string) (Window, error) {
	g, err := w.giant(ctx, v.File, to)
	if err != nil {
		return v, err
	}
	key := sha256.Sum256([]byte(to + "\n" + w.ID + "\n" + g.record.InputSHA256))
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
func (s Settings) assemble(ctx context.Context, to string, windows []Window) Record {
	slices.SortFunc(windows, func(a, b Window) int { return a.Number - b.Number })
	f := windows[0].File
	none := s.record(f, to)
	for _, v := range windows {
		if v.Error != "" {
			return none.failed(fmt.Errorf("window %d: %s", v.Number, v.Error))
		}
	}
	w, err := s.here()
	if err != nil {
		return none.failed(err)
	}
	g, err := w.giant(ctx, f, to)
	if err != nil {
		return none.failed(err)
	}
	r := g.record
	cores := func(yield func(restore.Core, error) bool) {
		for _, v := range windows {
			var c restore.Core
			b, err := getBytes(ctx, v.Core)
			if err == nil {
				err = c.UnmarshalBinary(b)
			}
			if !yield(c, err) || err != nil {
				return
			}
			r.Seconds += v.Seconds
		}
	}
	var result restore.Result
	frame := g.frame()
	bands := func(yield func(*imageio.Picture, error) bool) {
		at, enough := 0, errors.New("enough")
		result, err = g.plan.JoinRows(cores, func(m operators.Image) error {
			p, err := g.rows(frame, m, at)
			if at += m.H; err != nil {
				return err
			}
			if !yield(p, nil) {
				return enough
			}
			return nil
		})
		if err != nil && err != enough {
			yield(nil, err)
		}
	}
	err = w.put(ctx, to, &r, func(path string, o imageio.Options) error {
		return imageio.WriteRows(path, frame, bands, o)
	})
	if err != nil {
		return r.failed(err)
	}
	r.restored(g.plan, result)
	return r
}
