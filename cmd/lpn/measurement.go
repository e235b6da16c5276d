package main

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

const measurementExt = ".npz"

func isMeasurement(path string) bool { return strings.EqualFold(filepath.Ext(path), measurementExt) }

// readMeasurement reads a measurement file, and the files that it names.
func readMeasurement(path string) (operators.Measurement, error) {
	f, err := os.Open(path)
	if err != nil {
		return operators.Measurement{}, fmt.Errorf("%s: %w", path, cause(err))
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return operators.Measurement{}, err
	}
	m, err := operators.ReadMeasurement(f, st.Size())
	if err == nil {
		m.Spec, err = m.Spec.Load(fileOpener(m.Spec))
	}
	if err == nil {
		m, _, err = m.Settle()
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// problemOf is what a measurement file asks for.
func problemOf(m operators.Measurement) restore.Problem {
	p := restore.Problem{Y: m.Y, Operator: m.Spec, Scene: m.Scene, Weights: m.Weights, Range: restore.Range{Lo: m.Black, Hi: m.White}}
	if !math.IsNaN(m.Noise) {
		p.Noise = noise.White{Sigma: m.Noise}
	}
	return p
}

// referenceFor finds the true picture of an input: the file itself, or the
// file of the same name in a folder.
func referenceFor(reference string, in input) (string, error) {
	st, err := os.Stat(reference)
	if err != nil || !st.IsDir() {
		return reference, err
	}
	path := filepath.Join(reference, in.rel)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	for _, ext := range imageio.Extensions {
		if _, err := os.Stat(stem + ext); err == nil {
			return stem + ext, nil
		}
	}
	return "", fmt.Errorf("%s: %w", path, fs.ErrNotExist)
}
