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

// readMeasurement reads a measurement file.
func readMeasurement(path string) (restore.Problem, error) {
	f, err := os.Open(path)
	if err != nil {
		return restore.Problem{}, fmt.Errorf("%s: %w", path, cause(err))
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return restore.Problem{}, err
	}
	m, err := operators.ReadMeasurement(f, st.Size())
	if err != nil {
		return restore.Problem{}, fmt.Errorf("%s: %w", path, err)
	}
	spec, err := m.Spec.Load(fileOpener(m.Spec))
	if err != nil {
		return restore.Problem{}, fmt.Errorf("%s: %w", path, err)
	}
	p := restore.Problem{Y: m.Y, Operator: spec, Scene: m.Scene}
	if !math.IsNaN(m.Noise) {
		p.Noise = noise.White{Sigma: m.Noise}
	}
	return p, nil
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
