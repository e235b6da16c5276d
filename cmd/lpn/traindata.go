//go:build !small

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lpn-imaging/lpn/internal/plot"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A dataSet is what train learns from.
type dataSet struct {
	training, held *train.Images
	second         *train.Images // other exposures of the training pictures; nil without
	clean          bool          // the held-back pictures have no noise
	noise          noise.Model   // of the pictures in [0,1]; nil for clean ones
	patch          int
	data           train.Data
}

func (s dataSet) channels() int {
	if s.training == nil {
		return 1
	}
	return s.training.Channels()
}

// mostChecked is how many pictures are looked at before a training where not all are in
// memory.
const mostChecked = 256

// open opens the pictures for a recipe, says what they are like, and holds some back.
func (o *trainOptions) open(con *console, p train.Preset) (set dataSet, err error) {
	if set.patch, err = o.patchFor(p); err != nil {
		return set, err
	}
	channels := o.channels
	if n, fixed := o.fixedChannels(); fixed {
		channels = n
	}
	opts := train.DataOptions{Channels: channels, Patch: set.patch, Range: train.Range(o.scale)}
	all, err := openImages(con, o.data, func(paths []string) (*train.Images, error) { return train.OpenImages(paths, opts) })
	if err != nil {
		return set, err
	}
	kept, found, err := all.Check(mostChecked)
	if err != nil {
		return set, strip(err, "train: ")
	}
	o.remarkData(con, channels, found)
	if o.pairs == "" {
		all = kept // pairs go by their order
	}
	var second *train.Images
	like := func(paths []string) (*train.Images, error) {
		return all.Like(paths, train.DataOptions{Patch: set.patch})
	}
	if o.pairs != "" {
		if second, err = openImages(con, o.pairs, like); err != nil {
			return set, err
		}
		if err := o.paired(all, second); err != nil {
			return set, err
		}
	}
	if err := o.findNoise(con, all, &set); err != nil {
		return set, err
	}
	set.data = train.Data{Path: o.data, Valid: o.valid, Pairs: o.pairs, Split: o.split, Range: all.Range().String(),
		Recorrupted: o.recorrupt, Findings: found.Findings}
	if set.noise != nil {
		if set.data.Noise, err = noise.Marshal(set.noise, -1); err != nil {
			return set, err
		}
	}
	if set.data.Hash, err = all.Hash(); err != nil {
		return set, strip(err, "train: ")
	}
	set.training, set.held, set.second = all, nil, second
	switch {
	case o.valid != "":
		set.clean = true
		set.held, err = openImages(con, o.valid, like)
	default:
		set.clean = set.noise == nil
		if set.training, set.held, err = o.divide(all); err == nil && second != nil {
			set.second, _, err = o.divide(second)
		}
	}
	if err != nil {
		return set, err
	}
	set.data.Training, set.data.Held = set.training.Len(), min(set.held.Len(), mostHeld)
	return set, nil
}

// paired refuses exposures that are not one for each picture: the pictures at the same
// place in both sets are of the same scene.
func (o *trainOptions) paired(first, second *train.Images) error {
	if a, b := first.Len(), second.Len(); a != b {
		return usagef("--pairs: %d pictures in %s, %d in %s: want one for each", b, o.pairs, a, o.data)
	}
	if s := slices.Concat(first.Skipped(), second.Skipped()); len(s) > 0 {
		return usagef("--pairs: %s cannot be used, and pairs go by their order: %s", s[0].Path, s[0].Reason)
	}
	for i := range first.Len() {
		x, err := first.Image(i)
		if err != nil {
			return err
		}
		y, err := second.Image(i)
		if err != nil {
			return err
		}
		if x.Shape != y.Shape {
			return usagef("--pairs: %s is %v, %s %v: want one size", first.Name(i), x.Shape, second.Name(i), y.Shape)
		}
	}
	return nil
}

// fixedChannels are those of a network that is for pictures of one kind.
func (o *trainOptions) fixedChannels() (int, bool) {
	gray, err1 := o.recipe(1, nil)
	colour, err2 := o.recipe(3, nil)
	return gray.Config.Channels, err1 == nil && err2 == nil && gray.Config.Channels == colour.Config.Channels
}

// openImages opens pictures and says which are left out.
func openImages(con *console, path string, open func(paths []string) (*train.Images, error)) (*train.Images, error) {
	m, err := open([]string{path})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("%s: no such file or folder", path)
	}
	if err != nil {
		return nil, strip(err, "train: ")
	}
	skipped := m.Skipped()
	for i, s := range skipped {
		if i == 10 {
			con.remark("and %d more", len(skipped)-i)
			break
		}
		con.remark("%s is left out: %s", s.Path, s.Reason)
	}
	return m, nil
}

// remarkData says what was found of the pictures and decided about them.
func (o *trainOptions) remarkData(con *console, asked int, c *train.Check) {
	switch gray := c.Looked - c.Colour; {
	case c.Channels == 1 && c.Colour > 0 && asked == 1:
		con.remark("%d of %d pictures are in colour: a gray prior learns from their luma", c.Colour, c.Looked)
	case c.Channels == 1 && c.Colour > 0:
		con.remark("a gray prior: %d of %d pictures are in colour (--channels 3 for a colour prior)", c.Colour, c.Looked)
	case c.Channels == 3 && asked == 0:
		con.remark("a colour prior: %d of %d pictures are in colour (--channels 1 for a gray prior)", c.Colour, c.Looked)
	case c.Channels == 3 && gray > 0:
		con.remark("%d of %d pictures are gray: a colour prior learns from three equal channels", gray, c.Looked)
	}
	if r := c.Range; !r.IsZero() {
		con.remark("black is %.6g and white %.6g in the numbers of the files (--range LO:HI for others); the prior's file says so, and restore goes by it", r.Lo, r.Hi)
	}
	for _, f := range c.Findings {
		if f.Kind != train.FlawUnreadable && f.Kind != train.FlawTiny && (f.Kind != train.FlawNoisy || o.noisy == "" && o.pairs == "") {
			con.remark("%s: %d of %d pictures, %s (%s)", f.Kind, f.Count, c.Pictures, f.Done, filepath.Base(f.Example))
		}
	}
}

// patchFor is the side of the patches.
func (o *trainOptions) patchFor(p train.Preset) (int, error) {
	patch, c := o.patch, p.Config
	switch {
	case c.Height != c.Width:
		return 0, usagef("the network is for %dx%d pixels: training wants square patches", c.Width, c.Height)
	case c.Height > 0 && patch != 0 && patch != c.Height:
		return 0, usagef("--patch: %d; the network is for %dx%d pixels", patch, c.Width, c.Height)
	case c.Height > 0:
		patch = c.Height
	case patch == 0:
		patch = max(p.Patch, 16)
	}
	if err := c.Fits(patch, patch); err != nil {
		return 0, usagef("--patch: %w", strip(err, "lpn: "))
	}
	return patch, nil
}

// heldBack is that every so many pictures are held back for validation, of which at most
// mostHeld are looked at, the middle of those with sides above heldSide.
const (
	heldBack = 20
	mostHeld = 64
	heldSide = 512
)

// divide holds back what --split says.
func (o *trainOptions) divide(m *train.Images) (training, held *train.Images, err error) {
	kind, list, _ := strings.Cut(o.split, ":")
	file := func(name string) string { name, _, _ = strings.Cut(name, "#"); return name }
	switch kind {
	case "picture":
		training, held = m.Split(heldBack)
	case "file":
		training, held = m.SplitBy(heldBack, file)
	case "folder":
		training, held = m.SplitBy(heldBack, func(name string) string { return path.Dir(filepath.ToSlash(file(name))) })
	case "list":
		data, err := os.ReadFile(list)
		if err != nil {
			return nil, nil, missing(fmt.Errorf("--split: %s: %w", list, cause(err)))
		}
		names, err := listedNames(data)
		if err != nil {
			return nil, nil, usagef("--split: %s: %v", list, err)
		}
		if training, held, err = m.SplitList(names); err != nil {
			return nil, nil, usagef("--split: %w", strip(err, "train: "))
		}
	default:
		return nil, nil, usagef("--split: %q; want picture, file, folder or list:FILE", o.split)
	}
	return training, held, nil
}

// findNoise takes the noise that --noisy gives, or estimates it from some pictures.
func (o *trainOptions) findNoise(con *console, m *train.Images, set *dataSet) error {
	if o.record != nil && len(o.record.Data.Noise) > 0 {
		var err error
		set.noise, err = noise.Unmarshal(o.record.Data.Noise)
		return err
	}
	text := o.noisy
	if text == "" && o.pairs != "" {
		text = "auto"
	}
	if text == "" {
		return nil
	}
	model, err := noise.Parse(text, openOperatorFile)
	if err != nil {
		return usagef("--noisy: %w", err)
	}
	if model != nil {
		if err := ofAll(model, m.Channels()); err != nil {
			return err
		}
		if r := m.Range(); !r.IsZero() {
			model = model.Scaled(r.Lo, r.Hi)
		}
		set.noise = model
		return nil
	}
	const most = 24
	var all []noise.Estimate
	for i := 0; i < m.Len(); i += max(1, m.Len()/most) {
		x, err := m.Image(i)
		if err != nil {
			return err
		}
		all = append(all, noise.Find(x, noise.Hints{}))
	}
	slices.SortFunc(all, func(a, b noise.Estimate) int { return cmp.Compare(a.Deviation, b.Deviation) })
	e := all[len(all)/2]
	if set.noise = e.Model; e.Deviation == 0 {
		return usagef("--noisy: no noise was found; say what it is, as 25/255 or poisson:gain=G")
	}
	con.remark("the pictures' noise, of the median one: %s", e.Line)
	return nil
}

// ofAll refuses models that are not of all pictures of so many channels.
func ofAll(m noise.Model, channels int) error {
	if c, ok := m.(noise.Correlated); ok {
		m = c.Model
	}
	switch m := m.(type) {
	case noise.Map:
		return usagef("--noisy: a map is of one picture: say what the noise of all is, as 25/255 or poisson:gain=G")
	case noise.Curve:
		if n := len(m.Channels); n != 1 && n != channels {
			return usagef("--noisy: curves of %d channels, pictures of %d", n, channels)
		}
	}
	return nil
}

// moreNoise is how many times as much noise the pictures may have as the network is to
// remove: what an estimate may be off.
const moreNoise = 1.05

// feed makes the source and the validation pictures of a training.
func (o *trainOptions) feed(con *console, set dataSet, p train.Preset, t *train.Options) error {
	sampler := func(m *train.Images) *train.Sampler {
		return &train.Sampler{Images: m, Patch: set.patch, Seed: o.seed, Symmetries: !p.Upright}
	}
	t.Source = sampler(set.training)
	if set.noise != nil {
		if level := train.LevelOf(set.noise, set.training.Channels()); level > p.Config.Sigma*moreNoise {
			return usagef("the pictures have noise of %s, more than the %s that the network is to remove: want --sigma %s or more", levels(level), levels(p.Config.Sigma), levels(level))
		}
		switch {
		case set.second != nil:
			t.Source = train.Exposures{First: t.Source, Second: sampler(set.second), Noise: set.noise, Seed: o.seed}
		case o.recorrupt:
			t.Source = train.Recorrupted{Source: t.Source, Noise: set.noise, Seed: o.seed}
		default:
			t.Source = train.Noisy{Source: t.Source, Noise: set.noise, Seed: o.seed}
		}
		if !set.clean {
			t.ValidNoise = set.noise
		}
	}
	for i := range min(set.held.Len(), mostHeld) {
		x, err := set.held.Image(i)
		if err != nil {
			return err
		}
		if h := t.Config.Height; h > 0 {
			x = restore.Centre(x, h, h)
		}
		t.Valid = append(t.Valid, restore.Centre(x, min(x.H, heldSide), min(x.W, heldSide)))
	}
	con.remark("%d pictures to train on, %d to validate on, patches of %d pixels", set.training.Len(), len(t.Valid), set.patch)
	return nil
}

// reportData prints what pictures are like, as something to learn from, and draws them.
func (o *trainOptions) reportData(con *console, dir string) error {
	p, err := o.recipe(max(1, o.channels), nil)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := mayDraw(o.out, o.force); err != nil {
			return err
		}
	}
	patch, err := o.patchFor(p)
	if err != nil {
		return err
	}
	m, err := train.OpenImages([]string{dir}, train.DataOptions{Channels: o.channels, Patch: patch, Range: train.Range(o.scale)})
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("%s: no such file or folder", dir)
	}
	if err != nil {
		return strip(err, "train: ")
	}
	_, c, err := m.Check(0)
	if err != nil {
		return strip(err, "train: ")
	}
	if o.out != "" {
		sheet, err := contactSheet(m, c)
		if err != nil {
			return err
		}
		if err := drawTo(o.out, o.style, sheet); err != nil {
			return err
		}
	}
	if con.json {
		return con.printJSON(c)
	}
	return printCheck(con.out, c)
}

func printCheck(out io.Writer, c *train.Check) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "pictures\t%d, %d to learn from\n", c.Pictures, c.Kept)
	fmt.Fprintf(w, "channels\t%d (%d of %d in colour)\n", c.Channels, c.Colour, c.Looked)
	fmt.Fprintf(w, "sizes\t%dx%d to %dx%d, %.3g million pixels in all\n", c.Smallest.W, c.Smallest.H, c.Largest.W, c.Largest.H, float64(c.Pixels)/1e6)
	if c.Range.IsZero() {
		fmt.Fprintf(w, "range\t0 to 1\n")
	} else {
		fmt.Fprintf(w, "range\t%.6g to %.6g\n", c.Range.Lo, c.Range.Hi)
	}
	fmt.Fprintf(w, "noise\t%s in the median\n", levels(c.Noise))
	if len(c.Findings) == 0 {
		fmt.Fprintf(w, "nothing wrong was found\n")
		return w.Flush()
	}
	fmt.Fprintf(w, "\nFOUND\tPICTURES\tFIRST\tDONE\n")
	for _, f := range c.Findings {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", f.Kind, f.Count, filepath.Base(f.Example), f.Done)
	}
	return w.Flush()
}

// contactSheet shows pictures that something is wrong with, then others, the middle of each.
func contactSheet(m *train.Images, c *train.Check) (plot.Sheet, error) {
	const columns, most, side = 6, 24, 128
	bad := slices.DeleteFunc(slices.Clone(c.Picture), func(v train.Verdict) bool { return len(v.Findings) == 0 })
	fine := slices.DeleteFunc(slices.Clone(c.Picture), func(v train.Verdict) bool { return len(v.Findings) > 0 })
	shown := append(bad[:min(len(bad), most/2)], fine[:min(len(fine), most/2)]...)
	sheet := plot.Sheet{Title: fmt.Sprintf("%d pictures, %d to learn from", c.Pictures, c.Kept)}
	for i, v := range shown {
		x, err := m.Image(v.Index)
		if err != nil {
			return sheet, err
		}
		caption, _, _ := strings.Cut(v.String(), ",") // there is room for one
		if len(caption) > 20 {
			caption = caption[:19] + "…"
		}
		if i%columns == 0 {
			sheet.Rows = append(sheet.Rows, nil)
		}
		row := &sheet.Rows[len(sheet.Rows)-1]
		*row = append(*row, plot.Cell{Caption: caption, Picture: middle(x, side)})
	}
	return sheet, nil
}

// middle is the middle of a picture, of so many pixels where it is as large.
func middle(x operators.Image, side int) operators.Image {
	side = min(side, x.H, x.W)
	return restore.Centre(x, side, side)
}
