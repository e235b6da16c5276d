package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

const measurementExt = ".npz"

func isMeasurement(path string) bool { return strings.EqualFold(filepath.Ext(path), measurementExt) }

// readMeasurement reads a measurement file, and the files that it names.
func readMeasurement(path string) (operators.Measurement, error) {
	m, err := flags.Measurement(path)
	return m, missing(err)
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
