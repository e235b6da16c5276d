package operators

import (
	"fmt"
	"strconv"
	"strings"
)

// A Spec names an operator independently of the picture's size, such as
// "blur:gaussian,sigma=1.6", together with the boundary under which it works
// and what the file that it names held. It is made by ParseSpec, whose doc
// lists the language; the zero Spec is denoise. A Spec is a value: the methods
// that set something return another.
//
// Text stands for the operator alone: String and MarshalText leave out the
// boundary, which files and command lines give separately, and the data. Specs
// can be compared with ==, where data that was loaded twice is not the same.
type Spec struct {
	form     *form
	text     string // canonical
	boundary Boundary
	data     *Image // what the file held; nil: not loaded
}

// ParseSpec reads an operator spec, NAME[:VARIANT][,key=value...]:
//
//	denoise                                  identity
//	blur:gaussian,sigma=S[,size=N]           N odd; default 2*ceil(3 S)+1
//	blur:uniform,size=N
//	blur:motion,length=L[,angle=DEGREES]     default 0, along x
//	blur:disk,radius=R
//	blur:kernel=FILE
//	cs:ratio=R[,seed=N][,kind=circulant|hadamard|fourier|gaussian]
//	inpaint:mask=FILE                        white is known
//	inpaint:ratio=R[,seed=N]                 the fraction of pixels kept
//	sr:factor=N[,kernel=gaussian|uniform|motion|disk|FILE][,the kernel's keys]
//	                                         default gaussian, sigma=N/2
//	tomo:angles=N[,detectors=N][,span=DEGREES]  default: all rays that meet the scene
//	mri:accel=A[,seed=N][,center=FRACTION]
//	jpeg                                     the tables are Data: see JPEGFormat.Table
//	jpeg:quality=Q[,subsampling=420|444|422|440|411]
//
// Lengths are in pixels. A number may be written as a fraction, 1/4. A file
// name with a comma or a quote in it is written as a quoted Go string. The
// boundary is Symmetric until WithBoundary sets another. The error is one line
// that names the bad value and what would be right.
func ParseSpec(s string) (Spec, error) {
	sp, err := parseSpec(s)
	if err != nil {
		return Spec{}, &SpecError{Text: clip(s), Reason: err}
	}
	return sp, nil
}

// A SpecError is a text that names no operator.
type SpecError struct {
	Text   string // the spec, cut where it is long
	Reason error  // the bad value and what would be right
}

func (e *SpecError) Error() string { return fmt.Sprintf("operator %q: %v", e.Text, e.Reason) }

// Unwrap returns Reason.
func (e *SpecError) Unwrap() error { return e.Reason }

func (sp Spec) orDenoise() Spec {
	if sp.form == nil {
		return denoise
	}
	return sp
}

// String is the canonical text: keys in a fixed order, defaults written out,
// so that ParseSpec(sp.String()) is sp, except for its boundary and data.
func (sp Spec) String() string { return sp.orDenoise().text }

// MarshalText writes String.
func (sp Spec) MarshalText() ([]byte, error) { return []byte(sp.String()), nil }

// UnmarshalText is ParseSpec.
func (sp *Spec) UnmarshalText(b []byte) error {
	p, err := ParseSpec(string(b))
	if err == nil {
		*sp = p
	}
	return err
}

// Name is the operator's name, such as "blur".
func (sp Spec) Name() string { return sp.orDenoise().form.name }

// Get returns the value of a key in canonical form, "" where it has none.
func (sp Spec) Get(key string) string {
	sp = sp.orDenoise()
	_, rest, some := strings.Cut(sp.text, ":")
	_, args, _ := splitArgs(rest, some)
	for _, a := range args {
		if a.key == key {
			return a.value
		}
	}
	return ""
}

func (sp Spec) float(key string) float64 {
	v, _ := strconv.ParseFloat(sp.Get(key), 64)
	return v
}

func (sp Spec) int(key string) int {
	v, _ := strconv.Atoi(sp.Get(key))
	return v
}

func (sp Spec) seed() uint64 {
	v, _ := strconv.ParseUint(sp.Get("seed"), 10, 64)
	return v
}

// TakesBoundary says whether what lies beyond the frame matters.
func (sp Spec) TakesBoundary() bool { return sp.orDenoise().form.boundary }

// Boundary is how a blur continues the image beyond the frame; Symmetric for operators that
// take no boundary.
func (sp Spec) Boundary() Boundary { return sp.boundary }

// WithBoundary returns sp under the boundary b, or sp itself where it takes
// none.
func (sp Spec) WithBoundary(b Boundary) Spec {
	if sp.TakesBoundary() {
		sp.boundary = b
	}
	return sp
}

// File is the kernel or mask file that the spec names, "" where it names none.
func (sp Spec) File() string {
	if key := sp.orDenoise().form.file(); key != "" {
		return sp.Get(key)
	}
	return ""
}

// Load reads File with open, which takes pictures, .npy arrays or what else
// the program likes, and returns the spec that holds what was read. It returns
// open's error as it is, and one of its own where a kernel or mask is none. A
// spec that names no file, or holds its data already, is returned as it is
// without a call of open.
func (sp Spec) Load(open func(path string) (Image, error)) (Spec, error) {
	path := sp.File()
	if path == "" || sp.data != nil {
		return sp, nil
	}
	m, err := open(path)
	if err != nil {
		return sp, err
	}
	if err := sp.form.check(m); err != nil {
		return sp, sp.wrap(err)
	}
	return sp.WithData(m), nil
}

// Data is what File held, or the tables of a JPEG file; an image without samples
// where nothing is loaded. The samples are the spec's own and must not be
// changed.
func (sp Spec) Data() Image {
	if sp.data == nil {
		return Image{}
	}
	return *sp.data
}

// TakesData says whether the spec alone does not make the operator: it names a
// file, or is that of a JPEG file whose tables come with it.
func (sp Spec) TakesData() bool {
	sp = sp.orDenoise()
	return sp.File() != "" || sp.form.tables != nil && sp.form.tables(sp)
}

// WithData returns the spec that holds m for the content of File, as from a
// measurement file that carries it. Build says whether it will do. Without
// samples it is the spec that holds nothing; a spec that takes no data is
// returned as it is.
func (sp Spec) WithData(m Image) Spec {
	checkLen("WithData", len(m.Pix), m.Len())
	switch {
	case !sp.TakesData():
	case len(m.Pix) == 0:
		sp.data = nil
	default:
		sp.data = &m
	}
	return sp
}

// loaded is an error where Load is still to be called.
func (sp Spec) loaded() error {
	switch {
	case !sp.TakesData() || sp.data != nil:
		return nil
	case sp.File() != "":
		return fmt.Errorf("%s is not loaded", sp.File())
	}
	return fmt.Errorf("there are no tables; want a JPEG file, or %s:quality=Q", sp.Name())
}

// wrap puts the spec before an error.
func (sp Spec) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("operator %q: %w", clip(sp.text), err)
}

// Build makes the operator for scenes of the given shape. A kernel or mask
// from a file must have been loaded.
func (sp Spec) Build(scene Shape) (Linear, error) {
	sp = sp.orDenoise()
	a, err := sp.build(scene)
	if err != nil {
		return nil, sp.wrap(err)
	}
	return a, nil
}

func (sp Spec) build(scene Shape) (Linear, error) {
	if err := checkScene(scene); err != nil {
		return nil, err
	}
	if err := sp.loaded(); err != nil {
		return nil, err
	}
	a, err := sp.form.build(sp, scene)
	if err == nil && a.Codomain().Len() > MaxSamples {
		err = fmt.Errorf("a measurement of %v; want at most %d numbers", a.Codomain(), MaxSamples)
	}
	return a, err
}

// ImageShaped says whether the measurement is a picture, to be kept in an
// image file; the others go to measurement files.
func (sp Spec) ImageShaped() bool { return sp.orDenoise().form.scene != nil }

// Scene is the shape of the scene behind a picture-shaped measurement: the
// measurement's own, larger by the kernel under the boundary Valid, and factor
// times as large for sr. For the other operators the measurement does not
// tell, and an error says so.
func (sp Spec) Scene(measured Shape) (Shape, error) {
	sp = sp.orDenoise()
	if sp.form.scene == nil {
		return Shape{}, sp.wrap(fmt.Errorf("a picture is not a measurement of %s; want a measurement file (.npz)", sp.form.name))
	}
	s, err := sp.form.scene(sp, measured)
	if err != nil {
		return Shape{}, sp.wrap(err)
	}
	return s, nil
}

// Resamples says whether the measurement is a picture on another grid of pixels
// than the scene's, as with sr.
func (sp Spec) Resamples() bool {
	probe := Shape{C: 1, H: 1 << 10, W: 1 << 10}
	s, err := sp.WithBoundary(Symmetric).Scene(probe)
	return err == nil && s != probe
}

// Frame is the size in pixels of the part of the scene that the measurement is
// a picture of: all of the scene, except under the boundary Valid, where the
// scene reaches beyond on all sides. The frame lies where a kernel's centre
// does: of k-1 extra rows, k-1-k/2 come before it and k/2 after.
func (sp Spec) Frame(measured, scene Shape) (h, w int) {
	if sp.boundary != Valid {
		return scene.H, scene.W
	}
	// Under any other boundary the scene of this measurement is its frame.
	s, err := sp.WithBoundary(Symmetric).Scene(measured)
	if err != nil {
		return scene.H, scene.W
	}
	return min(s.H, scene.H), min(s.W, scene.W)
}

// Support is the size in pixels of the part of the scene on which one sample
// of the measurement depends: 1 x 1 for denoise and inpaint, the kernel for
// blur. Of k pixels along an axis, k-1-k/2 lie before the sample and k/2
// after; beyond the frame they are where the boundary puts them, on the
// opposite side with Circular. local is false, and the size 0, where a sample
// depends on far parts of the scene, or does not lie on the scene's grid (sr),
// or where the kernel's file is not loaded.
func (sp Spec) Support() (h, w int, local bool) {
	sp = sp.orDenoise()
	if sp.form.support == nil || sp.loaded() != nil {
		return 0, 0, false
	}
	h, w, err := sp.form.support(sp)
	if err != nil {
		return 0, 0, false
	}
	return h, w, true
}

// onePixel is the support where samples and pixels are the same.
func onePixel(Spec) (h, w int, err error) { return 1, 1, nil }

// sameShape is the scene where the measurement has its shape.
func sameShape(_ Spec, measured Shape) (Shape, error) { return measured, nil }

// kernel makes the blur kernel of a blur or an sr.
func (sp Spec) kernel() (Kernel, error) {
	if err := sp.loaded(); err != nil {
		return Kernel{}, err
	}
	return sp.form.kernel(sp)
}

// beyond is s and what a blur under sp's boundary needs of the scene around it.
func (sp Spec) beyond(s Shape) (Shape, error) {
	if sp.boundary != Valid {
		return s, nil
	}
	k, err := sp.kernel()
	if err != nil {
		return Shape{}, err
	}
	return Shape{s.C, s.H + k.H - 1, s.W + k.W - 1}, nil
}
