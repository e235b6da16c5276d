package flags

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
)

// Opener is how the file that a spec names is read: File, but Mask for a mask.
func Opener(spec operators.Spec) func(path string) (operators.Image, error) {
	if spec.Masked() {
		return Mask
	}
	return File
}

// File reads a file that a spec or a model of noise names, such as a kernel, a mask,
// angles or coil maps: an image, a .npy array or a table of numbers in text. Colour
// becomes luma, complex numbers pairs of channels. If there is no such file the error
// wraps fs.ErrNotExist.
func File(path string) (operators.Image, error) {
	if noPicture(path) {
		return Array(path)
	}
	p, err := imageio.Read(path)
	var bad *imageio.Error
	switch {
	case err == nil:
		return p.Luma().Image, nil
	case !errors.As(err, &bad):
		return operators.Image{}, err
	}
	m, terr := imageio.ReadTable(path)
	if errors.Is(terr, imageio.ErrNoTable) {
		return operators.Image{}, err // it looked like an image: say what is wrong with it
	}
	return m, terr
}

// Mask reads a mask. Of a picture of which a part is transparent the opacity counts, not
// what the transparent pixels hold.
func Mask(path string) (operators.Image, error) {
	if p, err := imageio.Read(path); err == nil && measured.HasHoles(p) {
		return opacity(p), nil
	}
	return File(path)
}

// opacity is the alpha channel as a picture in [0,1].
func opacity(p *imageio.Picture) operators.Image {
	m := operators.NewImage(operators.Shape{C: 1, H: p.H, W: p.W})
	for i, a := range p.Alpha {
		m.Pix[i] = float32(a) / 0xffff
	}
	return m
}

// Array reads a .npy array, whatever its shape.
func Array(path string) (operators.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return operators.Image{}, fmt.Errorf("%s: %w", path, atomicfile.Reason(err))
	}
	defer f.Close()
	m, err := operators.ReadArray(f)
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
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

// Weights reads --weights: the inverse variances of samples. A picture of two integers,
// one of them 0, is a mask. If there is no such file the error wraps fs.ErrNotExist.
func Weights(path string) (operators.Image, error) {
	p, err := imageio.Read(path)
	switch {
	case errors.As(err, new(*imageio.Error)):
		return File(path)
	case err != nil:
		return operators.Image{}, err
	case measured.HasHoles(p):
		return opacity(p), nil
	}
	if p.C > 1 && p.Bits < 32 {
		p = p.Luma()
	}
	for i, gone := range p.Missing {
		if gone {
			p.Pix[i] = 0
		}
	}
	if p.Bits < 32 {
		maskToOne(p.Pix)
	}
	return p.Image, nil
}

// maskToOne makes the larger of two values 1 where the other is 0.
func maskToOne(x []float32) {
	top := float32(0)
	for _, v := range x {
		top = max(top, v)
	}
	for _, v := range x {
		if v != 0 && v != top {
			return
		}
	}
	for i, v := range x {
		if v != 0 {
			x[i] = 1
		}
	}
}

// Kernel reads --psf-start, nil for "".
func Kernel(path string) (*operators.Kernel, error) {
	if path == "" {
		return nil, nil
	}
	m, err := File(path)
	if err != nil {
		return nil, err
	}
	k, err := operators.NewKernel(m)
	if err == nil && max(k.H, k.W) > blind.MaxSize {
		err = fmt.Errorf("a kernel of %dx%d taps; want at most %d a side", k.W, k.H, blind.MaxSize)
	}
	if err != nil {
		return nil, bad("psf-start", "%s: %w", path, err)
	}
	return &k, nil
}

// Measurement reads a measurement file, and the files that it names. If one is not there
// the error wraps fs.ErrNotExist.
func Measurement(path string) (operators.Measurement, error) {
	f, err := os.Open(path)
	if err != nil {
		return operators.Measurement{}, fmt.Errorf("%s: %w", path, atomicfile.Reason(err))
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return operators.Measurement{}, err
	}
	m, err := operators.ReadMeasurement(f, st.Size())
	if err == nil {
		m.Spec, err = m.Spec.Load(Opener(m.Spec))
	}
	if err == nil {
		m, _, err = m.Settle()
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}
