package operators

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/lpn-imaging/lpn/internal/npy"
)

// MaxSamples is the largest number of samples of a measurement or scene that
// is read from a file.
const MaxSamples = 1 << 28

// A Measurement is the data of a camera and how they were measured. Its files are NumPy
// .npz archives of two arrays: y, the numbers, and operator, a JSON string,
//
//	{"spec": "cs:ratio=0.25", "scene": [1, 256, 256], "boundary": "symmetric", "noise": 0.01}
//
// in which boundary (default symmetric) and noise may be missing. The fields below
// explain them, and also range, units, gain and offset. A third array, file, holds the
// kernel or mask that the spec names by a file, or the tables of a JPEG; without it a
// restoration needs that file. For tomo and mri the arrays are called angles, mask and
// coils. The array weights may be missing. Complex numbers become pairs of channels,
// real and imaginary parts. From Python:
//
//	np.savez("y.npz", y=y.astype(np.float32), operator=json.dumps({...}))
//
// and np.load("y.npz") reads what WriteMeasurement wrote.
type Measurement struct {
	// Y is the measured data, in one of the layouts that Settle takes; then of the
	// operator's codomain.
	Y Image
	// Spec is the operator, with its boundary and, where it names files, their
	// content.
	Spec Spec
	// Scene is the operator's domain. Default: found by Settle.
	Scene Shape
	// Noise is the standard deviation of the noise in the units of Y, NaN if it is not
	// known. With Weights it is that of a sample of weight 1.
	Noise float64
	// Weights are 1/variance of Y's samples, in its order and up to a common factor, 0
	// for samples that were not measured. nil means that all are 1.
	Weights []float32
	// Black and White are the range of the scene, both 0 if it is not known.
	Black, White float64
	// Units is the unit of Gain x + Offset for a scene x. A Gain of 0 means 1.
	Units        string
	Gain, Offset float64
}

// Result converts a restored scene to m's Units, in place.
func (m Measurement) Result(x []float32) {
	if m.Gain == 0 || m.Gain == 1 && m.Offset == 0 {
		return
	}
	for i, v := range x {
		x[i] = float32(m.Gain*float64(v) + m.Offset)
	}
}

// Settle returns the measurement in the layout of its operator's codomain. It finds in
// the numbers what the spec and the scene leave open, such as centre=auto or
// mask=detect, and returns a line of plain words for each finding. It is an error if
// the layout of the numbers does not fit the operator. The files that the spec names
// must have been loaded. A settled measurement is returned unchanged.
func (m Measurement) Settle() (Measurement, []string, error) {
	sp := m.Spec.orDenoise()
	if sp.form.settle == nil {
		if m.Scene.Len() == 0 {
			scene, err := m.Spec.Scene(m.Y.Shape)
			if err != nil {
				return m, nil, err
			}
			m.Scene = scene
		}
		return m, nil, nil
	}
	for _, d := range sp.held() {
		if v := sp.Get(d.key); d.names(v) {
			if _, have := sp.Content(d.key); !have {
				return m, nil, sp.wrap(fmt.Errorf("%s is not loaded", v))
			}
		}
	}
	out, notes, err := sp.form.settle(m)
	if err != nil {
		return m, nil, sp.wrap(err)
	}
	return out, notes, nil
}

// Build makes the operator and checks that Y has the shape of its measurement. If the
// file has no kernel or mask, call Spec.Load and Settle before.
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
	// Range is black and white of the scene; Units, Gain and Offset say what a result
	// is in.
	Range  *[2]float64 `json:"range,omitempty"`
	Units  string      `json:"units,omitempty"`
	Gain   float64     `json:"gain,omitempty"`
	Offset float64     `json:"offset,omitempty"`
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

// WriteMeasurement writes m as .npz. The same m gives the same bytes. It is an error if
// Spec names a file and does not hold its content. So the written file holds all that a
// restoration needs.
func WriteMeasurement(w io.Writer, m Measurement) error {
	checkLen("WriteMeasurement", len(m.Y.Pix), m.Y.Len())
	if err := m.Spec.loaded(); err != nil {
		return fmt.Errorf("operators: measurement of %s without the content of its file: %w", m.Spec, err)
	}
	if m.Weights != nil {
		checkLen("WriteMeasurement weights", len(m.Weights), m.Y.Len())
	}
	o := operatorJSON{Spec: fileSpec{m.Spec}, Scene: [3]int{m.Scene.C, m.Scene.H, m.Scene.W}, Boundary: m.Spec.Boundary().String(),
		Units: m.Units, Gain: m.Gain, Offset: m.Offset}
	if !math.IsNaN(m.Noise) {
		o.Noise = &m.Noise
	}
	if m.Black != 0 || m.White != 0 {
		o.Range = &[2]float64{m.Black, m.White}
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
	if m.Weights != nil {
		if err := floats("weights.npy", Image{m.Y.Shape, m.Weights}); err != nil {
			return err
		}
	}
	for _, key := range m.Spec.Contents() {
		content, _ := m.Spec.Content(key)
		if err := floats(m.Spec.array(key)+".npy", content); err != nil {
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

// array is the name of the array that holds the content of a key.
func (sp Spec) array(key string) string {
	if sp.orDenoise().form.settle != nil {
		return key
	}
	return "file"
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

// ReadArrays reads the arrays of numbers in a .npz of size bytes, by name, as ReadArray
// does; arrays of text are left out. Sizes are checked as by ReadMeasurement.
func ReadArrays(r io.ReaderAt, size int64) (map[string]Image, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, errors.New("not a .npz archive")
	}
	all := map[string]Image{}
	for _, e := range z.File {
		name := strings.TrimSuffix(e.Name, ".npy")
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("two arrays %q", clip(name))
		}
		var m Image
		err := withArray(z, name, func(h npy.Header, n int, r io.Reader) error {
			if h.Kind == npy.Text || h.Kind == npy.Bytes {
				return nil
			}
			return readInto(&m)(h, n, r)
		})
		if err != nil {
			return nil, err
		}
		if len(m.Pix) > 0 {
			all[name] = m
		}
	}
	return all, nil
}

// ReadMeasurement reads a .npz of size bytes. Arrays may be of any number type and
// order, compressed or not. Sizes are checked before memory is allocated: at most
// MaxSamples numbers, and no entry that unpacks to more than 64 MiB and 100 times its
// packed size.
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
	m, err := ParseMeasurement(text)
	if err != nil {
		return Measurement{}, fmt.Errorf("operator: %w", err)
	}
	if err := withArray(z, "y", readInto(&m.Y)); err != nil {
		return m, err
	}
	if hasArray(z, "weights") {
		var w Image
		if err := withArray(z, "weights", readInto(&w)); err != nil {
			return m, err
		}
		if err := checkWeights(w.Pix, m.Y); err != nil {
			return m, err
		}
		m.Weights = w.Pix
	}
	missing := false
	for _, key := range m.Spec.Contents() {
		name := m.Spec.array(key)
		if !hasArray(z, name) {
			value := m.Spec.Get(key)
			d, _ := m.Spec.form.field(key)
			missing = missing || key == "" || d.names(value)
			continue
		}
		var content Image
		if err := withArray(z, name, readInto(&content)); err != nil {
			return m, err
		}
		m.Spec = m.Spec.WithContent(key, content)
	}
	if missing { // the caller may have the file
		return m, nil
	}
	m, _, err = m.Settle()
	return m, err
}

// checkWeights refuses what are no precisions of y's samples.
func checkWeights(w []float32, y Image) error {
	if len(w) != len(y.Pix) {
		return fmt.Errorf("%d weights for %d samples; want one for each", len(w), len(y.Pix))
	}
	some := false
	for i, v := range w {
		if err := checkWeight(i, v); err != nil {
			return err
		}
		some = some || v > 0
	}
	if !some {
		return errors.New("all weights are 0: nothing was measured")
	}
	return nil
}

// checkWeight refuses what is no precision.
func checkWeight(i int, v float32) error {
	if !(v >= 0) || math.IsInf(float64(v), 1) {
		return fmt.Errorf("weight %d is %v; want 1/variance, at least 0", i, v)
	}
	return nil
}

// readInto reads an array of finite numbers into an image.
func readInto(m *Image) func(h npy.Header, n int, r io.Reader) error {
	return func(h npy.Header, n int, r io.Reader) error {
		if err := readAny(m)(h, n, r); err != nil {
			return err
		}
		return checkFinite(m.Pix)
	}
}

// readAny is readInto of any numbers.
func readAny(m *Image) func(h npy.Header, n int, r io.Reader) error {
	return func(h npy.Header, n int, r io.Reader) error {
		if n == 0 || len(h.Shape) > 3 {
			return fmt.Errorf("shape %v; want numbers in one, two or three dimensions", h.Shape)
		}
		if h.Kind == npy.Complex {
			z, err := h.Complexes(r, n)
			if err != nil {
				return err
			}
			if *m = channelPairs(shapeOf(h.Shape), z); m.Len() > MaxSamples {
				return fmt.Errorf("%d complex numbers; want at most %d", n, MaxSamples/2)
			}
			return nil
		}
		v, err := h.Floats(r, n)
		if err != nil {
			return err
		}
		*m = Image{shapeOf(h.Shape), v}
		return nil
	}
}

// checkFinite refuses NaN and infinity.
func checkFinite(v []float32) error {
	for i, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return &FiniteError{i, x}
		}
	}
	return nil
}

// A FiniteError says that a number of an array is NaN or infinite.
type FiniteError struct {
	Index int
	Value float32
}

func (e *FiniteError) Error() string {
	return fmt.Sprintf("number %d is %v; want finite numbers", e.Index, e.Value)
}

// channelPairs keeps complex numbers of shape s as real ones: channel 2c has the real
// and 2c+1 the imaginary parts of channel c.
func channelPairs(s Shape, z []complex64) Image {
	m := NewImage(Shape{2 * s.C, s.H, s.W})
	n := s.H * s.W
	for i, v := range z {
		c, k := i/n, i%n
		m.Pix[2*c*n+k], m.Pix[(2*c+1)*n+k] = real(v), imag(v)
	}
	return m
}

// ReadArray reads a NumPy .npy array of finite numbers, in one to three dimensions and
// of any number type and order. Complex numbers become pairs of channels: those of H x
// W an image of 2 x H x W, real and imaginary parts.
func ReadArray(r io.Reader) (Image, error) {
	m, err := ReadGaps(r)
	if err == nil {
		err = checkFinite(m.Pix)
	}
	return m, err
}

// ReadGaps is ReadArray of an array that may have NaN and infinity.
func ReadGaps(r io.Reader) (Image, error) {
	var m Image
	err := readHead(r, math.MaxInt64, readAny(&m))
	switch {
	case errors.Is(err, npy.ErrMagic):
		return m, errors.New("not a .npy array")
	case errors.Is(err, npy.ErrShort):
		return m, errShortArray
	}
	return m, err
}

// ParseMeasurement reads the JSON of a measurement file's array operator; Y remains to
// be set.
func ParseMeasurement(text string) (Measurement, error) {
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
	m := Measurement{Spec: o.Spec.Spec, Scene: Shape{o.Scene[0], o.Scene[1], o.Scene[2]}, Noise: math.NaN(), Units: o.Units}
	if err := checkScene(m.Scene); err != nil && (m.Scene != Shape{} || o.Spec.Spec.form.settle == nil) {
		return Measurement{}, err
	}
	b, err := ParseBoundary(o.Boundary)
	if err != nil {
		return Measurement{}, err
	}
	m.Spec = m.Spec.WithBoundary(b)
	if o.Range != nil {
		if m.Black, m.White = o.Range[0], o.Range[1]; !(m.Black < m.White) {
			return Measurement{}, fmt.Errorf("range %v; want black and white, the first below the second", *o.Range)
		}
	}
	if m.Gain, m.Offset = o.Gain, o.Offset; len(m.Units) > 32 || strings.ContainsFunc(m.Units, unicode.IsControl) {
		return Measurement{}, fmt.Errorf("units %q; want a word", clip(m.Units))
	}
	if o.Noise != nil {
		if m.Noise = *o.Noise; !(m.Noise >= 0) || m.Noise > math.MaxFloat32 {
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
