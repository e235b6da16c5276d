package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Spec names an operator independently of the picture's size, such as
// "blur:gaussian,sigma=1.6". It is made by ParseSpec, whose doc lists the
// language, and is always valid; the zero Spec is denoise. Specs can be
// compared with ==, and are written to JSON as their string.
type Spec struct {
	form *form
	text string // canonical
}

// A form is one way to write an operator.
type form struct {
	name, variant string
	fields        []field
	boundary      bool // the boundary goes with it
	image         bool // the measurement is a picture
}

type fieldKind int

const (
	number fieldKind = iota
	count
	seed
	file
	choice
)

// A field is a key of a form.
type field struct {
	key     string
	kind    fieldKind
	lo, hi  float64
	open    bool     // lo itself is too small
	def     string   // what it is where it is not given; "" may stay out
	need    bool     // must be given
	choices []string // of a choice
}

var (
	gaussianFields = []field{
		{key: "sigma", kind: number, hi: 170, open: true, need: true},
		{key: "size", kind: count, lo: 1, hi: MaxKernel},
	}
	uniformFields = []field{{key: "size", kind: count, lo: 1, hi: MaxKernel, need: true}}
	motionFields  = []field{
		{key: "length", kind: number, hi: MaxKernel - 2, open: true, need: true},
		{key: "angle", kind: number, lo: -360, hi: 360, def: "0"},
	}
	diskFields = []field{{key: "radius", kind: number, hi: MaxKernel / 2, open: true, need: true}}
	seedField  = field{key: "seed", kind: seed, hi: 1 << 53, def: "0"}
	factor     = field{key: "factor", kind: count, lo: 1, hi: MaxFactor, need: true}
)

// forms is the language. An sr form is picked by its kernel.
var forms = []*form{
	{name: "denoise", image: true},
	{name: "blur", variant: "gaussian", fields: gaussianFields, boundary: true, image: true},
	{name: "blur", variant: "uniform", fields: uniformFields, boundary: true, image: true},
	{name: "blur", variant: "motion", fields: motionFields, boundary: true, image: true},
	{name: "blur", variant: "disk", fields: diskFields, boundary: true, image: true},
	{name: "blur", fields: []field{{key: "kernel", kind: file, need: true}}, boundary: true, image: true},
	{name: "cs", fields: []field{
		{key: "ratio", kind: number, hi: 1, open: true, need: true},
		seedField,
		{key: "kind", kind: choice, def: "circulant", choices: []string{"circulant", "hadamard", "fourier", "gaussian"}},
	}},
	{name: "inpaint", image: true, fields: []field{
		{key: "mask", kind: file},
		{key: "ratio", kind: number, hi: 1, open: true},
		{key: "seed", kind: seed, hi: 1 << 53},
	}},
	srForm("gaussian", gaussianFields),
	srForm("uniform", uniformFields),
	srForm("motion", motionFields),
	srForm("disk", diskFields),
	srForm("", nil),
	{name: "tomo", fields: []field{
		{key: "angles", kind: count, lo: 1, hi: 1 << 14, need: true},
		{key: "detectors", kind: count, lo: 1, hi: 1 << 15},
		{key: "span", kind: number, hi: 360, open: true, def: "180"},
	}},
	{name: "mri", fields: []field{
		{key: "accel", kind: number, lo: 1, hi: 64, need: true},
		seedField,
		{key: "center", kind: number, hi: 1, def: "0.08"},
	}},
}

func srForm(kernel string, fields []field) *form {
	f := &form{name: "sr", variant: kernel, boundary: true, image: true, fields: []field{factor}}
	if kernel == "" {
		f.fields = append(f.fields, field{key: "kernel", kind: file, need: true})
	} else {
		f.fields = append(f.fields, field{key: "kernel", kind: choice, choices: []string{kernel}, def: kernel})
	}
	f.fields = append(f.fields, fields...)
	return f
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
//
// Lengths are in pixels. A number may be written as a fraction, 1/4. A file
// name with a comma or a quote in it is written as a quoted Go string. The
// error is one line that names the bad value and what would be right.
func ParseSpec(s string) (Spec, error) {
	sp, err := parseSpec(s)
	if err != nil {
		return Spec{}, fmt.Errorf("operator %q: %w", clip(s), err)
	}
	return sp, nil
}

func parseSpec(s string) (Spec, error) {
	if len(s) > 4096 {
		return Spec{}, fmt.Errorf("longer than 4096 bytes")
	}
	name, rest, hasArgs := strings.Cut(strings.TrimSpace(s), ":")
	if err := checkName(name); err != nil {
		return Spec{}, err
	}
	variant, args, err := splitArgs(rest, hasArgs && rest != "")
	if err != nil {
		return Spec{}, err
	}
	f, err := pickForm(name, variant, args)
	if err != nil {
		return Spec{}, err
	}
	values, err := f.read(args)
	if err != nil {
		return Spec{}, err
	}
	return f.spec(values), nil
}

func checkName(name string) error {
	names := specNames()
	for _, n := range names {
		if n == name {
			return nil
		}
	}
	return fmt.Errorf("unknown operator %q%s; want %s", clip(name), DidYouMean(name, names), strings.Join(names, ", "))
}

// specNames lists the operators in the order of ParseSpec's doc.
func specNames() []string {
	var names []string
	for _, f := range forms {
		if len(names) == 0 || names[len(names)-1] != f.name {
			names = append(names, f.name)
		}
	}
	return names
}

type arg struct{ key, value string }

// splitArgs takes "variant,key=value,..." apart.
func splitArgs(s string, some bool) (variant string, args []arg, err error) {
	for first := true; some; first = false {
		end := strings.IndexAny(s, ",=")
		if end < 0 {
			end = len(s)
		}
		word := strings.TrimSpace(s[:end])
		if end == len(s) || s[end] == ',' {
			if !first || word == "" {
				return "", nil, fmt.Errorf("%q; want key=value", clip(word))
			}
			variant = word
			some = end < len(s)
			s = s[min(end+1, len(s)):]
			continue
		}
		var value string
		value, s, some, err = splitValue(s[end+1:])
		if err != nil {
			return "", nil, fmt.Errorf("%q: %w", clip(word), err)
		}
		args = append(args, arg{word, value})
	}
	return variant, args, nil
}

// splitValue takes a value, quoted or not, off the front of s; more says
// whether a comma followed it.
func splitValue(s string) (value, rest string, more bool, err error) {
	if strings.HasPrefix(s, `"`) {
		q, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", "", false, fmt.Errorf("the quoted value does not end; want \"...\"")
		}
		if value, err = strconv.Unquote(q); err != nil {
			return "", "", false, err
		}
		rest = s[len(q):]
		if rest != "" && rest[0] != ',' {
			return "", "", false, fmt.Errorf("%q after the quoted value; want a comma", clip(rest))
		}
		return value, strings.TrimPrefix(rest, ","), rest != "", nil
	}
	value, rest, more = strings.Cut(s, ",")
	return strings.TrimSpace(value), rest, more, nil
}

// pickForm finds the form that the variant, or the kernel of an sr, asks for.
func pickForm(name, variant string, args []arg) (*form, error) {
	if name == "sr" {
		if variant != "" {
			return nil, fmt.Errorf("%q; want key=value, as in sr:factor=2", clip(variant))
		}
		variant = srKernel(args)
	}
	var variants []string
	var keyed *form
	for _, f := range forms {
		if f.name != name {
			continue
		}
		if f.variant == variant && (variant != "" || name != "blur" || has(args, "kernel")) {
			return f, nil
		}
		if f.variant == "" {
			keyed = f
		} else {
			variants = append(variants, f.variant)
		}
	}
	if len(variants) == 0 {
		return nil, fmt.Errorf("%q; want %s", clip(variant), keyed.usage())
	}
	if variant == "" {
		return nil, fmt.Errorf("which %s? want %s or %s", name, strings.Join(variants, ", "), keyed.usage())
	}
	return nil, fmt.Errorf("unknown kind of %s %q%s; want %s or %s", name, clip(variant),
		DidYouMean(variant, variants), strings.Join(variants, ", "), keyed.usage())
}

func has(args []arg, key string) bool {
	for _, a := range args {
		if a.key == key {
			return true
		}
	}
	return false
}

// srKernel is the variant of the blur inside an sr: "" for a kernel from a
// file.
func srKernel(args []arg) string {
	for _, a := range args {
		if a.key != "kernel" {
			continue
		}
		for _, f := range forms {
			if f.name == "sr" && f.variant == a.value {
				return a.value
			}
		}
		return ""
	}
	return "gaussian"
}

// usage shows the form's keys.
func (f *form) usage() string {
	parts := []string{}
	for _, d := range f.fields {
		v := "N"
		switch d.kind {
		case file:
			v = "FILE"
		case choice:
			v = strings.Join(d.choices, "|")
		}
		parts = append(parts, d.key+"="+v)
	}
	sep := ","
	if f.name == "inpaint" {
		sep = " or "
	}
	return strings.Join(parts, sep)
}

// read checks the values and returns them by key, defaults filled in.
func (f *form) read(args []arg) (map[string]string, error) {
	values := map[string]string{}
	for _, a := range args {
		d, err := f.field(a.key)
		if err != nil {
			return nil, err
		}
		if _, twice := values[a.key]; twice {
			return nil, fmt.Errorf("%s is given twice", a.key)
		}
		v, err := d.read(a.value)
		if err != nil {
			return nil, err
		}
		values[a.key] = v
	}
	if err := f.complete(values); err != nil {
		return nil, err
	}
	for _, d := range f.fields {
		if _, given := values[d.key]; given {
			continue
		}
		if d.need {
			return nil, fmt.Errorf("%s is missing; want %s", d.key, d.want())
		}
		if d.def != "" {
			values[d.key] = d.def
		}
	}
	return values, nil
}

func (f *form) field(key string) (field, error) {
	var keys []string
	for _, d := range f.fields {
		if d.key == key {
			return d, nil
		}
		keys = append(keys, d.key)
	}
	if len(keys) == 0 {
		return field{}, fmt.Errorf("%s takes no %q", f.name, clip(key))
	}
	return field{}, fmt.Errorf("unknown key %q%s; want %s", clip(key), DidYouMean(key, keys), strings.Join(keys, ", "))
}

// complete fills in what depends on other keys and checks what goes together.
func (f *form) complete(values map[string]string) error {
	if f.name == "inpaint" {
		_, mask := values["mask"]
		_, ratio := values["ratio"]
		_, seed := values["seed"]
		switch {
		case mask == ratio:
			return fmt.Errorf("want either mask=FILE or ratio=R")
		case mask && seed:
			return fmt.Errorf("seed goes with ratio, not with mask")
		case ratio && !seed:
			values["seed"] = "0"
		}
	}
	if f.variant != "gaussian" {
		return nil
	}
	if n, ok := values["factor"]; ok && f.name == "sr" {
		if _, given := values["sigma"]; !given {
			k, _ := strconv.ParseFloat(n, 64)
			values["sigma"] = formatNumber(k / 2)
		}
	}
	size, given := values["size"]
	if given {
		if n, _ := strconv.Atoi(size); n%2 == 0 {
			return fmt.Errorf("size=%s is even; want an odd number of taps", size)
		}
		return nil
	}
	if s, ok := values["sigma"]; ok {
		sigma, _ := strconv.ParseFloat(s, 64)
		values["size"] = strconv.Itoa(2*int(math.Ceil(3*sigma)) + 1)
	}
	return nil
}

// read checks one value and returns it in canonical form.
func (d field) read(value string) (string, error) {
	bad := func() error { return fmt.Errorf("%s=%q; want %s", d.key, clip(value), d.want()) }
	switch d.kind {
	case file:
		if value == "" {
			return "", bad()
		}
		return value, nil
	case choice:
		for _, c := range d.choices {
			if c == value {
				return value, nil
			}
		}
		return "", fmt.Errorf("%s=%q%s; want %s", d.key, clip(value), DidYouMean(value, d.choices), d.want())
	case number:
		v, err := parseNumber(value)
		if err != nil || !(v >= d.lo && v <= d.hi) || d.open && v == d.lo {
			return "", bad()
		}
		return formatNumber(v), nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || float64(n) < d.lo || float64(n) > d.hi {
		return "", bad()
	}
	return strconv.FormatInt(n, 10), nil
}

// want says what would be right.
func (d field) want() string {
	switch d.kind {
	case file:
		return "a file name"
	case choice:
		return strings.Join(d.choices, ", ")
	case number:
		bracket := "["
		if d.open {
			bracket = "("
		}
		return fmt.Sprintf("a number in %s%g,%g]", bracket, d.lo, d.hi)
	case seed:
		return "a whole number of at least 0"
	}
	return fmt.Sprintf("a whole number from %g to %g", d.lo, d.hi)
}

// parseNumber reads a decimal number or a fraction of two.
func parseNumber(s string) (float64, error) {
	a, b, fraction := strings.Cut(s, "/")
	v, err := strconv.ParseFloat(a, 64)
	if err != nil || !fraction {
		return v, err
	}
	w, err := strconv.ParseFloat(b, 64)
	return v / w, err
}

func formatNumber(v float64) string { return strconv.FormatFloat(v+0, 'g', -1, 64) }

// spec writes the values down in the form's order.
func (f *form) spec(values map[string]string) Spec {
	var parts []string
	if f.variant != "" && f.name != "sr" {
		parts = append(parts, f.variant)
	}
	for _, d := range f.fields {
		v, ok := values[d.key]
		if !ok {
			continue
		}
		if d.kind == file {
			v = quoteFile(v)
		}
		parts = append(parts, d.key+"="+v)
	}
	text := f.name
	if len(parts) > 0 {
		text += ":" + strings.Join(parts, ",")
	}
	return Spec{f, text}
}

// quoteFile quotes a file name that would not survive as it is.
func quoteFile(s string) string {
	odd := func(r rune) bool { return r == ',' || r == '"' || !unicode.IsPrint(r) }
	if strings.IndexFunc(s, odd) >= 0 || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return strconv.QuoteToASCII(s)
	}
	return s
}

var denoiseSpec = Spec{forms[0], forms[0].name}

func (sp Spec) orDenoise() Spec {
	if sp.form == nil {
		return denoiseSpec
	}
	return sp
}

// String is the canonical form: keys in a fixed order, defaults written out,
// so that ParseSpec(s.String()) == s.
func (sp Spec) String() string { return sp.orDenoise().text }

// Name is the operator's name, such as "blur".
func (sp Spec) Name() string { return sp.orDenoise().form.name }

// TakesBoundary says whether the boundary matters.
func (sp Spec) TakesBoundary() bool { return sp.orDenoise().form.boundary }

// ImageShaped says whether the measurement is a picture, to be kept in an
// image file; the others go to measurement files.
func (sp Spec) ImageShaped() bool { return sp.orDenoise().form.image }

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

// File is the kernel or mask file that the spec names, "" where it names none.
func (sp Spec) File() string {
	for _, d := range sp.orDenoise().form.fields {
		if d.kind == file {
			return sp.Get(d.key)
		}
	}
	return ""
}

// Load reads File with open; the Image is empty where there is no file.
func (sp Spec) Load(open func(path string) (Image, error)) (Image, error) {
	path := sp.File()
	if path == "" {
		return Image{}, nil
	}
	return load(open, path)
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

// Build makes the operator for scenes of shape s. boundary is one of
// ParseBoundary's names and goes with blur and sr; the others ignore it. open
// reads the picture, .npy or text file behind a kernel or mask; it may be nil
// for specs that name no file.
func (sp Spec) Build(s Shape, boundary string, open func(path string) (Image, error)) (Linear, error) {
	sp = sp.orDenoise()
	a, err := sp.build(s, boundary, open)
	if err == nil && a.Codomain().Len() > MaxSamples {
		err = fmt.Errorf("a measurement of %v; want at most %d numbers", a.Codomain(), MaxSamples)
	}
	if err != nil {
		return nil, fmt.Errorf("operator %q: %w", clip(sp.text), err)
	}
	return a, nil
}

func (sp Spec) build(s Shape, boundary string, open func(path string) (Image, error)) (Linear, error) {
	if err := checkScene(s); err != nil {
		return nil, err
	}
	b, err := ParseBoundary(boundary)
	if err != nil {
		return nil, err
	}
	switch sp.form.name {
	case "denoise":
		return NewIdentity(s), nil
	case "blur":
		k, err := sp.kernel(open)
		if err != nil {
			return nil, err
		}
		return NewBlur(s, k, b)
	case "sr":
		k, err := sp.kernel(open)
		if err != nil {
			return nil, err
		}
		return NewDownsample(s, k, b, sp.int("factor"))
	case "inpaint":
		if path := sp.Get("mask"); path != "" {
			m, err := load(open, path)
			if err != nil {
				return nil, err
			}
			return NewMaskImage(s, m)
		}
		return NewRandomMask(s, sp.float("ratio"), rand.New(rand.NewPCG(sp.seed(), 0x6d61736b)))
	case "cs":
		return sp.sensing(s)
	case "mri":
		return NewMRI(s, sp.float("accel"), sp.float("center"), sp.seed())
	case "tomo":
		return NewRadon(s, sp.int("angles"), sp.int("detectors"), sp.float("span"))
	}
	panic("operators: no constructor for " + sp.form.name)
}

// sensing makes the operator of a cs.
func (sp Spec) sensing(s Shape) (Linear, error) {
	switch ratio := sp.float("ratio"); sp.Get("kind") {
	case "hadamard":
		return NewHadamard(s, ratio, sp.seed())
	case "fourier":
		return NewPartialFourier(s, ratio, sp.seed())
	case "gaussian":
		return NewGaussianSensing(s, ratio, sp.seed())
	}
	return NewCirculant(s, sp.float("ratio"), sp.seed())
}

// kernel makes the blur kernel of a blur or an sr.
func (sp Spec) kernel(open func(path string) (Image, error)) (Kernel, error) {
	switch sp.form.variant {
	case "gaussian":
		return GaussianKernel(sp.float("sigma"), sp.int("size"))
	case "uniform":
		return UniformKernel(sp.int("size"))
	case "motion":
		return MotionKernel(sp.float("length"), sp.float("angle"))
	case "disk":
		return DiskKernel(sp.float("radius"))
	}
	m, err := load(open, sp.Get("kernel"))
	if err != nil {
		return Kernel{}, err
	}
	return NewKernel(m)
}

func load(open func(path string) (Image, error), path string) (Image, error) {
	if open == nil {
		return Image{}, fmt.Errorf("%s cannot be read here", path)
	}
	return open(path)
}

// SceneShape is the shape of the scene behind a picture-shaped measurement:
// the measurement's own, larger by the kernel under the boundary valid, and
// factor times as large for sr. For the other operators the measurement does
// not tell, and an error says so.
func (sp Spec) SceneShape(measured Shape, boundary string, open func(path string) (Image, error)) (Shape, error) {
	sp = sp.orDenoise()
	s, err := sp.sceneShape(measured, boundary, open)
	if err != nil {
		return Shape{}, fmt.Errorf("operator %q: %w", clip(sp.text), err)
	}
	return s, nil
}

func (sp Spec) sceneShape(measured Shape, boundary string, open func(path string) (Image, error)) (Shape, error) {
	b, err := ParseBoundary(boundary)
	if err != nil {
		return Shape{}, err
	}
	if !sp.form.image {
		return Shape{}, fmt.Errorf("a picture is not a measurement of %s; want a measurement file (.npz)", sp.form.name)
	}
	s := measured
	if sp.form.name == "sr" {
		f := sp.int("factor")
		s.H, s.W = s.H*f, s.W*f
	}
	if sp.form.boundary && b == Valid {
		k, err := sp.kernel(open)
		if err != nil {
			return Shape{}, err
		}
		s.H, s.W = s.H+k.H-1, s.W+k.W-1
	}
	return s, nil
}
