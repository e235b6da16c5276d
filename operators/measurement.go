package operators

import (
	"archive/zip"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/npy"
)

// MaxSamples is the largest number of samples of a measurement or scene that
// is read from a file.
const MaxSamples = 1 << 28

// A Measurement is what a camera gave and how. Files of it are NumPy .npz
// archives of two arrays: y, the numbers, and operator, a JSON string,
//
//	{"spec": "cs:ratio=0.25", "scene": [1, 256, 256], "boundary": "symmetric", "noise": 0.01}
//
// in which boundary (default symmetric) and noise may be missing. A third
// array, file, holds the kernel or mask where the spec names one by a file, without
// which that file is needed to restore the measurement, or the tables of a JPEG. From Python:
//
//	np.savez("y.npz", y=y.astype(np.float32), operator=json.dumps({...}))
//
// and np.load("y.npz") reads what WriteMeasurement wrote.
type Measurement struct {
	// Y is the measured data. Its shape is the operator's codomain, though
	// only the number of samples must agree with it.
	Y Image
	// Spec is the operator, with its boundary and, where it names a kernel or
	// mask file, the content of that file.
	Spec Spec
	// Scene is the operator's domain.
	Scene Shape
	// Noise is the standard deviation of the noise in the units of Y; NaN
	// where it is not known.
	Noise float64
}

// Build makes the operator and checks that Y is a measurement of it. Where the
// file came without the kernel or mask, Spec.Load is to be called before.
func (m Measurement) Build() (Linear, error) {
	a, err := m.Spec.Build(m.Scene)
	if err != nil {
		return nil, err
	}
	if n := a.Codomain().Len(); n != len(m.Y.Pix) {
		return nil, fmt.Errorf("measurement of %d numbers; %s of a scene %v gives %d", len(m.Y.Pix), m.Spec, m.Scene, n)
	}
	return a, nil
}

// operatorJSON is the text of the array operator.
type operatorJSON struct {
	Spec     fileSpec `json:"spec"`
	Scene    [3]int   `json:"scene"`
	Boundary string   `json:"boundary,omitempty"`
	Noise    *float64 `json:"noise,omitempty"`
}

// A fileSpec is a spec in a file. An sr with a kernel but no alignment is on the
// grid of NewDownsample, as files had it before there was another.
type fileSpec struct{ Spec }

func (s *fileSpec) UnmarshalText(b []byte) error {
	text := string(b)
	if strings.HasPrefix(text, "sr:") && strings.Contains(text, "kernel=") && !strings.Contains(text, "align=") {
		if sp, err := ParseSpec(text + ",align=corner"); err == nil {
			s.Spec = sp
			return nil
		}
	}
	return s.Spec.UnmarshalText(b)
}

// WriteMeasurement writes m as .npz. The same m gives the same bytes. It is an
// error if Spec names a file and does not hold its content: what is written can
// be restored wherever it goes.
func WriteMeasurement(w io.Writer, m Measurement) error {
	checkLen("WriteMeasurement", len(m.Y.Pix), m.Y.Len())
	file := m.Spec.Data()
	if m.Spec.TakesData() && file.Pix == nil {
		return fmt.Errorf("operators: measurement of %s without the content of %s", m.Spec, cmp.Or(m.Spec.File(), "its tables"))
	}
	o := operatorJSON{Spec: fileSpec{m.Spec}, Scene: [3]int{m.Scene.C, m.Scene.H, m.Scene.W}, Boundary: m.Spec.Boundary().String()}
	if !math.IsNaN(m.Noise) {
		o.Noise = &m.Noise
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	// Stored, as numpy.savez does: noise does not shrink.
	floats := func(name string, v Image) error {
		e, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return err
		}
		return npy.WriteFloats(e, v.dims(), v.Pix)
	}
	if err := floats("y.npy", m.Y); err != nil {
		return err
	}
	if file.Pix != nil {
		if err := floats("file.npy", file); err != nil {
			return err
		}
	}
	e, err := z.CreateHeader(&zip.FileHeader{Name: "operator.npy", Method: zip.Store})
	if err != nil {
		return err
	}
	if err := npy.WriteText(e, string(text)); err != nil {
		return err
	}
	return z.Close()
}

// dims leaves leading ones out.
func (s Shape) dims() []int {
	switch {
	case s.C != 1:
		return []int{s.C, s.H, s.W}
	case s.H != 1:
		return []int{s.H, s.W}
	}
	return []int{s.W}
}

// ReadMeasurement reads a .npz of size bytes. Arrays may be of any number
// type and order, compressed or not. Sizes are checked before memory is
// taken: at most MaxSamples numbers, and no entry that unpacks to more than
// 64 MiB at over 100 times its packed size.
func ReadMeasurement(r io.ReaderAt, size int64) (Measurement, error) {
	m, err := readMeasurement(r, size)
	if err != nil {
		return Measurement{}, fmt.Errorf("measurement file: %w", err)
	}
	return m, nil
}

func readMeasurement(r io.ReaderAt, size int64) (Measurement, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return Measurement{}, errors.New("not a .npz archive")
	}
	var text string
	err = withArray(z, "operator", func(h npy.Header, n int, r io.Reader) (err error) {
		if n != 1 || h.Size > 1<<18 {
			return fmt.Errorf("%d strings of %d bytes; want one JSON string of at most %d", n, h.Size, 1<<18)
		}
		text, err = h.ReadText(r)
		return err
	})
	if err != nil {
		return Measurement{}, err
	}
	m, err := parseOperatorJSON(text)
	if err != nil {
		return Measurement{}, fmt.Errorf("operator: %w", err)
	}
	err = withArray(z, "y", readInto(&m.Y))
	if err == nil && m.Spec.TakesData() && hasArray(z, "file") {
		var file Image
		err = withArray(z, "file", readInto(&file))
		m.Spec = m.Spec.WithData(file)
	}
	return m, err
}

// readInto reads an array of finite numbers into an image.
func readInto(m *Image) func(h npy.Header, n int, r io.Reader) error {
	return func(h npy.Header, n int, r io.Reader) error {
		if n == 0 || len(h.Shape) > 3 {
			return fmt.Errorf("shape %v; want numbers in one, two or three dimensions", h.Shape)
		}
		v, err := h.Floats(r, n)
		if err != nil {
			return err
		}
		for i, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fmt.Errorf("number %d is %v; want finite numbers", i, x)
			}
		}
		*m = Image{shapeOf(h.Shape), v}
		return nil
	}
}

func parseOperatorJSON(text string) (Measurement, error) {
	var o operatorJSON
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			return Measurement{}, fmt.Errorf("%q is not JSON", clip(text))
		case errors.As(err, &kind):
			return Measurement{}, fmt.Errorf("%q in the JSON is a %s; want spec, scene [C,H,W], boundary, noise", kind.Field, kind.Value)
		}
		return Measurement{}, err
	}
	if o.Spec.form == nil {
		return Measurement{}, errors.New(`the JSON has no "spec"`)
	}
	m := Measurement{Spec: o.Spec.Spec, Scene: Shape{o.Scene[0], o.Scene[1], o.Scene[2]}, Noise: math.NaN()}
	if err := checkScene(m.Scene); err != nil {
		return Measurement{}, err
	}
	b, err := ParseBoundary(o.Boundary)
	if err != nil {
		return Measurement{}, err
	}
	m.Spec = m.Spec.WithBoundary(b)
	if o.Noise != nil {
		if m.Noise = *o.Noise; !(m.Noise >= 0) || m.Noise > 1e6 {
			return Measurement{}, fmt.Errorf("noise %v; want a standard deviation of at least 0", m.Noise)
		}
	}
	return m, nil
}

func checkScene(s Shape) error {
	left := MaxSamples
	for _, d := range []int{s.C, s.H, s.W} {
		if d < 1 || d > left {
			return fmt.Errorf("scene %v; want [C,H,W] of at least 1 and at most %d samples", s, MaxSamples)
		}
		left /= d
	}
	return nil
}

func hasArray(z *zip.Reader, name string) bool {
	return slices.ContainsFunc(z.File, func(e *zip.File) bool { return strings.TrimSuffix(e.Name, ".npy") == name })
}

// withArray opens the entry name.npy and passes its header, its number of
// elements and its data to f.
func withArray(z *zip.Reader, name string, f func(h npy.Header, n int, r io.Reader) error) error {
	for _, e := range z.File {
		if strings.TrimSuffix(e.Name, ".npy") != name {
			continue
		}
		if err := checkEntry(e); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r, err := e.Open()
		if err != nil {
			return fmt.Errorf("%s: damaged archive", name)
		}
		defer r.Close()
		if err := readArray(r, int64(e.UncompressedSize64), f); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("no array %q in it; want y and operator", name)
}

func checkEntry(e *zip.File) error {
	const small, ratio, npyHead = 64 << 20, 100, 1 << 16
	if e.UncompressedSize64 > 8*MaxSamples+npyHead {
		return fmt.Errorf("unpacks to %d bytes; want at most %d numbers", e.UncompressedSize64, MaxSamples)
	}
	if e.UncompressedSize64 > small && e.UncompressedSize64/ratio > e.CompressedSize64 {
		return fmt.Errorf("unpacks from %d to %d bytes, more than %d-fold", e.CompressedSize64, e.UncompressedSize64, ratio)
	}
	return nil
}

// readArray passes the array of an entry of size bytes to f.
func readArray(r io.Reader, size int64, f func(h npy.Header, n int, r io.Reader) error) error {
	err := readHead(r, size, f)
	switch {
	case errors.Is(err, npy.ErrMagic):
		return errors.New("not a .npy array")
	case errors.Is(err, npy.ErrShort):
		return errShortArray
	case errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat):
		return errors.New("damaged archive")
	case err != nil:
		return err
	}
	// The end of an entry is where its checksum is verified.
	if _, err := io.Copy(io.Discard, io.LimitReader(r, 1)); err != nil {
		return errors.New("damaged archive")
	}
	return nil
}

var errShortArray = errors.New("the array is cut short")

func readHead(r io.Reader, size int64, f func(h npy.Header, n int, r io.Reader) error) error {
	h, err := npy.ReadHeader(r)
	if err != nil {
		return err
	}
	if h.Kind == npy.Other {
		return fmt.Errorf(".npy type %q; want float32, float64, an integer, bool or text", clip(h.Descr))
	}
	n, ok := h.Len(MaxSamples)
	if !ok {
		return fmt.Errorf("an array of %v elements; want at most %d", h.Shape, MaxSamples)
	}
	if h.Size > 0 && int64(n) > size/int64(h.Size) {
		return errShortArray
	}
	return f(h, n, r)
}

func shapeOf(dims []int) Shape {
	s := []int{1, 1, 1}
	copy(s[3-len(dims):], dims)
	return Shape{s[0], s[1], s[2]}
}
