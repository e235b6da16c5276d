package operators

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Spec names an operator independently of the picture's size, such as
// "blur:gaussian,sigma=1.6", together with its boundary and the content of the file
// that it names. ParseSpec makes one, and its documentation lists the language; the
// zero Spec is denoise. A Spec is a value: methods that set something return another
// Spec.
//
// The text names the operator alone: String and MarshalText leave out the data and the
// boundary, which files and command lines give separately. Specs can be compared with
// ==; data that was loaded twice counts as different.
type Spec struct {
	form     *form
	text     string // canonical
	boundary Boundary
	data     *contents // nil: nothing is loaded
}

// contents are what a spec's text does not hold, by key: what its files held, what
// the measurement told; the tables of a JPEG file have the key "".
type contents map[string]Image

// ParseSpec reads an operator spec, NAME[:VARIANT][,key=value...]:
//
//	denoise                                  identity
//	blur:gaussian,sigma=S[,size=N]           N odd; default 2*ceil(3 S)+1
//	blur:uniform,size=N
//	blur:motion,length=L[,angle=DEGREES]     default 0, along x
//	blur:disk,radius=R
//	blur:kernel=FILE[,background=B][,centre]     without a background in parts of its
//	                                         largest value, or auto; its centroid made
//	                                         its centre: see Kernel.Report
//	blur:kernel=FILE,grid=CxR[,...]          varies: the file is a mosaic of C by R
//	                                         kernels; see NewVaryingBlur
//	blur:auto[,kind=free|gaussian|disk|motion][,size=N]  found in the picture, N odd
//	cs:ratio=R[,seed=N][,kind=circulant|hadamard|fourier|gaussian]
//	inpaint:mask=FILE                        white is known
//	inpaint:ratio=R[,seed=N]                 the fraction of pixels kept
//	sr:factor=F                              made smaller F-fold, as 2, 1.5 or, along
//	                                         x and y, 1.5x2; or
//	sr:to=WxH                                the size of the scene in pixels, with
//	  [,kernel=area|box|bilinear|bicubic|lanczos3]   default area; see NewResample
//	  [,kernel=gaussian[,sigma=S]]                   default half the factor
//	  [,kernel=uniform|motion|disk|FILE][,its keys]  whole factors; see Kernel.Centred
//	sr:factor=N,align=corner[,kernel=gaussian|uniform|motion|disk|FILE][,its keys]
//	                                         every N-th sample from the first on, as
//	                                         papers have it: see NewDownsample;
//	                                         default gaussian, sigma=N/2
//	tomo:angles=N[,detectors=N][,span=DEGREES]  default: all rays that meet the scene
//	tomo:angles=N|FILE[,detectors=N][,spacing=S][,offset=O][,centre=C|auto][,pixel=P]
//	    [,geometry=parallel|fan-flat|fan-curved,source=D,detector=D]
//	                                         see Geometry; FILE lists degrees, centre is
//	                                         the detector of the ray through the axis
//	mri:accel=A[,seed=N][,center=FRACTION]   rows drawn at random: see NewMRI
//	mri:mask=FILE|detect[,coils=FILE|estimate][,centred=true|false][,phase=none|smooth|free]
//	                                         see NewSENSE; what is left out, detect and
//	                                         estimate are found by Measurement.Settle
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

// A SpecError says that a text is not the spec of an operator.
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

// Unit is the unit of length of line integrals: the side of a pixel if the spec gives
// it, else 1.
func (sp Spec) Unit() float64 {
	if sp.Get("pixel") == "" {
		return 1
	}
	return sp.float("pixel")
}

// TakesBoundary says whether the operator depends on how the scene continues beyond the
// frame.
func (sp Spec) TakesBoundary() bool {
	f := sp.orDenoise().form
	return f.boundary || f.bounded
}

// Boundary is how a blur continues the image beyond the frame; Symmetric for operators
// without a boundary.
func (sp Spec) Boundary() Boundary { return sp.boundary }

// WithBoundary returns sp with the boundary b, or sp itself if it has no boundary.
func (sp Spec) WithBoundary(b Boundary) Spec {
	if sp.TakesBoundary() {
		sp.boundary = b
	}
	return sp
}

// File is the first file that the spec names, such as a kernel or mask, "" if it names
// none.
func (sp Spec) File() string {
	for _, d := range sp.held() {
		if v := sp.Get(d.key); d.names(v) {
			return v
		}
	}
	return ""
}

// held lists the fields whose values the text does not hold.
func (sp Spec) held() (all []field) {
	sp = sp.orDenoise()
	for _, d := range sp.form.fields {
		if v := sp.Get(d.key); v != "" && d.held(v) {
			all = append(all, d)
		}
	}
	return all
}

// Load reads every file that the spec names with open, which decides about formats, and
// returns the spec with their content. It returns the errors of open unchanged, and
// also an error if the content is not a kernel, mask or list. It does not read again
// what the spec already holds.
func (sp Spec) Load(open func(path string) (Image, error)) (Spec, error) {
	for _, d := range sp.held() {
		path := sp.Get(d.key)
		if _, have := sp.Content(d.key); have || !d.names(path) {
			continue
		}
		m, err := open(path)
		if err != nil {
			return sp, err
		}
		check := d.check
		if check == nil {
			check = sp.form.check
		}
		if err := check(m); err != nil {
			return sp, sp.wrap(err)
		}
		sp = sp.WithContent(d.key, m)
	}
	return sp, nil
}

// Content is the content of the file of a key, or what the measurement told in its
// place. The samples belong to the spec and must not be changed.
func (sp Spec) Content(key string) (m Image, ok bool) {
	if sp.data != nil {
		m, ok = (*sp.data)[key]
	}
	return m, ok
}

// WithContent returns the spec with m as the content of the file of a key, for instance
// from a measurement file. Build checks it. A spec without a file for the key is
// returned unchanged.
func (sp Spec) WithContent(key string, m Image) Spec {
	checkLen("WithContent", len(m.Pix), m.Len())
	if !slices.Contains(sp.Contents(), key) {
		return sp
	}
	held := contents{key: m}
	if sp.data != nil {
		for k, v := range *sp.data {
			if k != key {
				held[k] = v
			}
		}
	}
	sp.data = &held
	return sp
}

// Contents lists the keys for which the spec holds data, or needs data before it can
// build.
func (sp Spec) Contents() (keys []string) {
	for _, d := range sp.held() {
		keys = append(keys, d.key)
	}
	if sp = sp.orDenoise(); sp.form.tables != nil && sp.form.tables(sp) {
		keys = append(keys, "")
	}
	return keys
}

// Data is the Content of the first of Contents, an image without samples if nothing is
// loaded.
func (sp Spec) Data() Image {
	keys := sp.Contents()
	if len(keys) == 0 {
		return Image{}
	}
	m, _ := sp.Content(keys[0])
	return m
}

// TakesData says whether the operator needs data besides the text of the spec: the
// content of a file, the tables of a JPEG file, or the kernel of a blur that is found
// in the picture.
func (sp Spec) TakesData() bool { return len(sp.Contents()) > 0 }

// WithData is WithContent of the first of Contents. With an image without samples it
// returns the spec without data. A spec that takes no data is returned unchanged.
func (sp Spec) WithData(m Image) Spec {
	checkLen("WithData", len(m.Pix), m.Len())
	switch keys := sp.Contents(); {
	case len(keys) == 0:
	case len(m.Pix) == 0:
		sp.data = nil
	default:
		return sp.WithContent(keys[0], m)
	}
	return sp
}

// loaded is an error where Load is still to be called.
func (sp Spec) loaded() error {
	for _, key := range sp.Contents() {
		if _, have := sp.Content(key); have {
			continue
		}
		value := sp.Get(key)
		d, _ := sp.form.field(key)
		switch {
		case key == "" && sp.Auto():
			return fmt.Errorf("the kernel is not found yet; want a picture to find it in")
		case key == "":
			return fmt.Errorf("there are no tables; want a JPEG file, or %s:quality=Q", sp.Name())
		case d.names(value):
			return fmt.Errorf("%s is not loaded", value)
		}
		return fmt.Errorf("%s=%s wants a measurement that tells it", key, value)
	}
	return nil
}

// with is the spec with another value of a key; what it holds stays.
func (sp Spec) with(key, value string) Spec {
	all := values{}
	for _, d := range sp.form.fields {
		if v := sp.Get(d.key); v != "" {
			all[d.key] = v
		}
	}
	all[key] = value
	if value == "" {
		delete(all, key)
	}
	out := sp.form.spec(all)
	out.boundary, out.data = sp.boundary, sp.data
	return out
}

// without is the spec without a key.
func (sp Spec) without(key string) Spec { return sp.with(key, "") }

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

// ImageShaped says whether the measurement is a picture, for an image file; others go
// to measurement files.
func (sp Spec) ImageShaped() bool { return sp.orDenoise().form.scene != nil }

// Masked says whether the measurement is the scene with some pixels unknown. Then the
// spec's file, if it names one, is the mask.
func (sp Spec) Masked() bool { return sp.orDenoise().form.masked }

// LineIntegrals says whether the measurement consists of integrals along rays, as in
// tomography.
func (sp Spec) LineIntegrals() bool { return sp.orDenoise().form.integrals }

// Scene is the shape of the scene behind a picture-shaped measurement: the
// measurement's own, larger by the kernel under the boundary Valid, and factor times as
// large for sr. It is an error for other operators, whose measurement does not tell the
// scene.
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
	return sp.ImageShaped() && (err != nil || s != probe)
}

// Fit returns the spec for a measurement of that shape. If the spec gives the size of
// the scene in pixels (sr:to=WxH), the result has the factors instead. Other specs are
// returned unchanged.
func (sp Spec) Fit(measured Shape) (Spec, error) {
	if sp.Get("to") == "" {
		return sp, nil
	}
	scene, err := sp.Scene(measured)
	if err != nil {
		return sp, err
	}
	fit, err := ParseSpec(strings.Replace(sp.text, "to="+sp.Get("to"),
		fmt.Sprintf("factor=%d/%dx%d/%d", scene.W, measured.W, scene.H, measured.H), 1))
	fit.boundary, fit.data = sp.boundary, sp.data
	return fit, err
}

// Frame is the size in pixels of the part of the scene that the measurement is a
// picture of: all of the scene, except under the boundary Valid, where the scene is
// larger on all sides. Its place follows from the centre of the kernel: of k-1 extra
// rows, k-1-k/2 come before it and k/2 after.
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
