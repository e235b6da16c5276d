package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// readNumbers reads the numbers that another machine made, as they are: a .npy or one
// array of a .npz, also complex, a picture in the file's own units, or a table in text.
// array names the array of a .npz, "" chooses.
func readNumbers(path, array string) (operators.Image, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case ext == ".npy":
		m, err := flags.Array(path)
		return m, missing(err)
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
