package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
)

// This file reads the inputs of lpn restore, and their references.

// A reading is an input as the problem that it is.
type reading struct {
	picture *imageio.Picture // whose alpha, depth and profile the result keeps
	problem restore.Problem
	choice  string // what decided, where the file did
	// result makes what is written of a restored scene; nil: it is written as it is.
	result func(operators.Image) operators.Image
}

// read reads an input.
func (o restoreOptions) read(ctx context.Context, con *console, path string) (reading, error) {
	if isMeasurement(path) {
		m, err := readMeasurement(path)
		if err != nil {
			return reading{}, err
		}
		if o.named && !saysOf(o.spec, m.Spec) {
			con.remark("%s: the file says its operator, %s: that is undone, and --operator %s does not count", path, m.Spec, o.spec)
		}
		p := measured.Problem(m)
		p.Noise = o.solver.noiseOr(p.Noise)
		if !o.scale.IsZero() {
			p.Range = o.scale
		}
		picture := &imageio.Picture{Image: m.Y, Bits: 16}
		err = o.observed.apply(&p, picture)
		return reading{picture, p, "", func(x operators.Image) operators.Image { return measured.Result(m, x) }}, err
	}
	p, m, choice, err := o.readPicture(ctx, con, path)
	return reading{picture: p, problem: m, choice: choice}, err
}

// saysOf reports whether everything that the spec given says is in that of a file, too.
func saysOf(given, file operators.Spec) bool {
	says := strings.FieldsFunc(file.String(), func(r rune) bool { return r == ':' || r == ',' })
	for _, word := range strings.FieldsFunc(given.String(), func(r rune) bool { return r == ':' || r == ',' }) {
		if !slices.Contains(says, word) {
			return false
		}
	}
	return true
}

// wantPicture refuses an input of an operator whose measurements are no pictures, and says
// what to do with its numbers.
func (o restoreOptions) wantPicture(path string) error {
	if o.spec.ImageShaped() || o.spec.Rounded() {
		return nil
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	return usagef("%s: a measurement of %s is no picture: pack the numbers first, lpn measure --operator %s %s -o %s%s, and restore that",
		path, o.spec.Name(), o.spec, path, stem, measurementExt)
}

// readPicture reads a picture.
func (o restoreOptions) readPicture(ctx context.Context, con *console, path string) (p *imageio.Picture, m restore.Problem, choice string, err error) {
	if err = o.wantPicture(path); err != nil {
		return nil, m, "", err
	}
	if p, err = o.page.read(con, path); err != nil {
		return nil, m, "", err
	}
	if o.gray {
		p = p.Luma()
	}
	start, err := flags.Kernel(o.psfStart)
	if err != nil {
		return nil, m, "", asUsage(missing(err))
	}
	in, err := measured.Read(ctx, p, measured.Choice{
		Spec: o.spec, ByFile: o.byFile && o.observed.none(), Noise: o.solver.noise,
		Range: o.scale, Prior: o.solver.Prior, Start: start,
	})
	for _, line := range in.Remarks {
		con.remark("%s: %s", path, line)
	}
	if err == nil && in.Blur != nil && o.psfOut != "" && !o.plan {
		err = writePSF(o.psfOut, in.Blur)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
		if errors.As(err, new(*measured.OperatorError)) {
			err = usageError{err}
		}
		return nil, m, "", err
	}
	return p, in.Problem, in.Choice, o.observed.apply(&in.Problem, p)
}

// truth reads the reference of a job, nil when none is given, and gives it to the
// problem.
func (o restoreOptions) truth(con *console, j job, p *imageio.Picture, m *restore.Problem) (*imageio.Picture, error) {
	if o.reference == "" {
		return nil, nil
	}
	path, err := referenceFor(o.reference, j.input)
	if err != nil {
		return nil, err
	}
	t, err := o.page.reference(con, path)
	if err != nil {
		return nil, err
	}
	if o.gray {
		t = t.Luma()
	}
	if t, err = measured.Truth(t, p, m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}
