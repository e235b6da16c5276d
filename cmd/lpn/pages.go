package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
)

// A pageChoice is the page of an input that is worked on: of a TIFF, a stack, a
// volume or an animation.
type pageChoice struct {
	number int  // --page, counted from 1; 0 for all of them
	gaps   bool // NaN marks missing samples

	file *imageio.File // the open input
	at   int           // the page of it, from 0
	put  func(p *imageio.Picture) error
}

// read reads the page of an input.
func (c pageChoice) read(con *console, path string) (*imageio.Picture, error) {
	if c.file != nil {
		return c.file.Page(c.at)
	}
	f, err := openPages(con, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if c.gaps {
		f.TakeGaps()
	}
	if err := c.check(path, f); err != nil {
		return nil, err
	}
	return f.Page(max(c.number, 1) - 1)
}

func (c pageChoice) check(path string, f *imageio.File) error {
	if c.number > f.Pages() {
		return usagef("--page %d: %s has %d", c.number, path, f.Pages())
	}
	return nil
}

// reference reads the same page of a reference that has as many, else its only
// or first one.
func (c pageChoice) reference(con *console, path string) (*imageio.Picture, error) {
	f, err := openPages(con, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if c.file != nil && f.Pages() == c.file.Pages() {
		return f.Page(c.at)
	}
	if f.Pages() > 1 {
		con.remark("%s: only the first of %d pages is compared with", path, f.Pages())
	}
	return f.Page(0)
}

// put writes a restored picture, or hands it to the file of its pages.
func (o restoreOptions) put(con *console, to string, p *imageio.Picture) error {
	if err := o.remarkClipped(con, to, p); err != nil {
		return err
	}
	if o.page.put != nil {
		return o.page.put(p)
	}
	return o.out.writePicture(con, to, p)
}

// remarkClipped says what the file cannot hold, beyond the little that a
// restoration goes past black and white.
func (o restoreOptions) remarkClipped(con *console, to string, p *imageio.Picture) error {
	opts, err := o.out.writeTo(to)
	if err != nil {
		return err
	}
	const little, few = 0.02, 1e-3
	if share := imageio.Clipped(p, opts, little); share >= few {
		low, high := p.Extent()
		con.remark("%s: %.3g%% of the samples, which go from %.4g to %.4g, lie outside what it holds and are clipped: .npy and .tif with --bits 32 keep them",
			to, 100*share, low, high)
	}
	return nil
}

// A restoredPages is what JSON shows of an input of several pages.
type restoredPages struct {
	Input  string     `json:"input"`
	Output string     `json:"output"`
	Pages  []restored `json:"pages"`
}

// restorePages restores an input: its picture, the page that --page names, or
// every page, which go into one file again.
func (o restoreOptions) restorePages(ctx context.Context, con *console, j job, batch bool) (any, string, error) {
	single := func(o restoreOptions) (any, string, error) {
		r, err := o.restore(ctx, con, j, batch)
		if err != nil {
			return nil, "", err
		}
		return r, r.line(), nil
	}
	if isMeasurement(j.path) {
		_, leave := o.enter(nil)
		defer leave()
		return single(o)
	}
	if err := o.wantPicture(j.path); err != nil {
		return nil, "", err
	}
	f, err := openPages(con, j.path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	if o.page.gaps {
		f.TakeGaps()
	}
	if err := o.page.check(j.path, f); err != nil {
		return nil, "", err
	}
	o.page.file = f
	o, leave := o.enter(f)
	defer leave()
	n := f.Pages()
	opts, err := o.out.writeTo(j.to)
	if err != nil {
		return nil, "", err
	}
	if opts.Format == "dicom" && (f.Format != "dicom" || o.spec.Resamples() || o.gray || o.page.number > 0 && n > 1) {
		return nil, "", usagef("%s: DICOM is written only of all that was read from DICOM, at the size that it had: use .tif or .npy", j.to)
	}
	if n == 1 || o.page.number > 0 {
		o.page.at = max(o.page.number, 1) - 1
		return single(o)
	}
	if o.trace != "" || o.plot != "" || o.sheet != "" {
		return nil, "", usagef("--trace, --plot and --sheet go with one picture, %s has %d pages: choose one by --page", j.path, n)
	}
	if !imageio.KeepsPages(opts.Format) {
		return nil, "", usagef("%s: %s holds one picture, %s has %d pages: choose one by --page, or write .tif, .npy or .png (animated)", j.to, opts.Format, j.path, n)
	}
	all := restoredPages{Input: j.path, Output: j.to}
	var lines []string
	pages := func(yield func(*imageio.Picture, error) bool) {
		for i := range n {
			page := o
			var made *imageio.Picture
			page.page.at = i
			page.page.put = func(p *imageio.Picture) error { made = p; return nil }
			r, err := page.restore(ctx, con, j, batch)
			if err != nil {
				yield(nil, fmt.Errorf("page %d: %w", i+1, err))
				return
			}
			all.Pages = append(all.Pages, r)
			lines = append(lines, fmt.Sprintf("page %d of %d: %s", i+1, n, r.line()))
			if !yield(made, nil) {
				return
			}
		}
	}
	if err := o.out.writePages(con, j.to, n, pages); err != nil {
		return nil, "", err
	}
	return all, strings.Join(lines, "\n"), nil
}
