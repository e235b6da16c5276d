//go:build !small

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/lpn/train"
	"github.com/lpn-imaging/lpn/operators"
)

// Of the held-back pictures the first mostShown are written, the middle shownSide pixels
// of a side, shownGap pixels apart.
const (
	mostShown = 3
	shownSide = 160
	shownGap  = 4
)

// showPictures returns what writes the held-back pictures of each validation to the folder
// of the log. Those of another training go if they may.
func (o *trainOptions) showPictures(t train.Options) (func(step int, net *lpn.Network) error, error) {
	dir := trimExt(o.log, ".csv") + "-pictures"
	if o.resume == "" {
		old, err := filepath.Glob(filepath.Join(dir, "step-*.png"))
		if err != nil {
			return nil, err
		}
		if len(old) > 0 && !o.force {
			return nil, usagef("%s has the pictures of another training: --force replaces them", dir)
		}
		for _, name := range old {
			if err := os.Remove(name); err != nil {
				return nil, fmt.Errorf("%s: %w", name, cause(err))
			}
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, cause(err))
	}
	return func(step int, net *lpn.Network) error {
		shown, err := t.Show(net, mostShown)
		if err != nil || len(shown) == 0 {
			return err
		}
		m := sideBySide(shown)
		p := &imageio.Picture{Image: m, Bits: 8, Scale: 255, High: 1, Format: "png"}
		name := filepath.Join(dir, fmt.Sprintf("step-%08d.png", step))
		if err := imageio.Write(name, p, imageio.Options{}); err != nil {
			return fmt.Errorf("%s: %w", name, cause(err))
		}
		return nil
	}, nil
}

// sideBySide has a row for each picture: with noise, denoised and, where it is known, clean.
func sideBySide(shown []train.Shown) operators.Image {
	var rows [][]operators.Image
	for _, s := range shown {
		row := []operators.Image{s.Noisy, s.Denoised}
		if len(s.Clean.Pix) > 0 {
			row = append(row, s.Clean)
		}
		for k, m := range row {
			row[k] = restore.Centre(m, min(m.H, shownSide), min(m.W, shownSide))
		}
		rows = append(rows, row)
	}
	out := operators.NewImage(operators.Shape{C: rows[0][0].C})
	for _, row := range rows {
		out.H += row[0].H + shownGap
		out.W = max(out.W, len(row)*(row[0].W+shownGap)-shownGap)
	}
	out.H -= shownGap
	out.Pix = make([]float32, out.Len())
	for i := range out.Pix {
		out.Pix[i] = 1
	}
	top := 0
	for _, row := range rows {
		for k, m := range row {
			left := k * (m.W + shownGap)
			for c := range m.C {
				for y := range m.H {
					copy(out.Plane(c)[(top+y)*out.W+left:], m.Plane(c)[y*m.W:][:m.W])
				}
			}
		}
		top += row[0].H + shownGap
	}
	return out
}
