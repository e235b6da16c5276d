package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/operators"
)

// readNumbers reads the numbers that another machine made, as they are: a .npy or one
// array of a .npz, also complex, a picture in the file's own units, or a table in text.
// array names the array of a .npz, "" chooses.
func readNumbers(path, array string) (operators.Image, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case ext == ".npy":
		return readRaw(path)
	case ext == measurementExt:
		return readArchive(path, array)
	}
	p, err := imageio.Read(path)
	if err != nil {
		return openOperatorFile(path)
	}
	for i := range p.Pix {
		p.Pix[i] *= float32(p.Scale)
	}
	return p.Image, nil
}

// readGaps reads the numbers of a .npy file in which NaN marks what was not measured. It
// sets them to 0, and returns 0 for each of them and 1 for every other number.
func readGaps(path string) (m operators.Image, known []float32, err error) {
	f, err := os.Open(path)
	if err != nil {
		return m, nil, missing(fmt.Errorf("%s: %w", path, cause(err)))
	}
	defer f.Close()
	if m, err = operators.ReadGaps(f); err != nil {
		return m, nil, fmt.Errorf("%s: %w", path, err)
	}
	known = make([]float32, len(m.Pix))
	for i, v := range m.Pix {
		switch {
		case math.IsInf(float64(v), 0):
			return m, nil, fmt.Errorf("%s: number %d is %v; want finite numbers, or NaN where nothing was measured", path, i, v)
		case v == v:
			known[i] = 1
		default:
			m.Pix[i] = 0
		}
	}
	return m, known, nil
}

// readRaw reads a .npy array, whatever its shape.
func readRaw(path string) (operators.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return operators.Image{}, missing(fmt.Errorf("%s: %w", path, cause(err)))
	}
	defer f.Close()
	m, err := operators.ReadArray(f)
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// usualNames are those of arrays of measurements, in the order in which they are looked
// for.
var usualNames = []string{"y", "kspace", "sinogram", "data"}

// readArchive reads one array of a .npz: the named one, the only one, or the first
// of usualNames.
func readArchive(path, array string) (operators.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return operators.Image{}, missing(fmt.Errorf("%s: %w", path, cause(err)))
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return operators.Image{}, err
	}
	all, err := operators.ReadArrays(f, st.Size())
	if err != nil {
		return operators.Image{}, fmt.Errorf("%s: %w", path, err)
	}
	names := slices.Sorted(maps.Keys(all))
	for _, name := range usualNames {
		if array == "" && slices.Contains(names, name) {
			array = name
		}
	}
	if array == "" && len(names) == 1 {
		array = names[0]
	}
	m, have := all[array]
	switch {
	case have:
		return m, nil
	case array == "":
		return m, usagef("%s holds the arrays %s: choose one by --array NAME", path, strings.Join(names, ", "))
	}
	return m, usagef("--array: %q is not in %s, which holds %s", array, path, strings.Join(names, ", "))
}

// noPicture reports whether a .npy holds what no picture is: complex numbers, a list, or
// a stack of other than gray or colour planes.
func noPicture(path string) bool {
	if !strings.EqualFold(filepath.Ext(path), ".npy") {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	h, err := npy.ReadHeader(f)
	if err != nil {
		return false
	}
	n := len(h.Shape)
	colour := []int{1, 3, 4}
	return h.Kind == npy.Complex || n == 1 ||
		n == 3 && !slices.Contains(colour, h.Shape[0]) && !slices.Contains(colour, h.Shape[2])
}
