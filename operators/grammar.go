package operators

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lpn-imaging/lpn/internal/fraction"
	"github.com/lpn-imaging/lpn/internal/spell"
)

// This file reads the language of specs, NAME[:VARIANT][,key=value...]. What
// there is to write comes from the operators themselves: each registers a
// family from the file in which it is made.

// A family is what the language knows of one operator: how it is written and
// what becomes of it.
type family struct {
	name  string
	place int // among the names that messages list
	// forms are the ways to write it, in the order in which messages list them.
	forms []*form
	// choose finds the variant among the keys; nil: it is after the colon.
	choose func(args []arg) string
	// example is what a message shows where choose is set.
	example string

	// boundary says that what lies beyond the frame matters, of every form.
	boundary bool
	// rounded, masked and integrals are Spec.Rounded, Masked and LineIntegrals.
	rounded, masked, integrals bool
	// check says whether what the spec's file held will do; nil where no form
	// names a file.
	check func(m Image) error
	// build makes the operator for scenes of shape s. The spec's file is loaded.
	build func(sp Spec, s Shape) (Linear, error)
	// scene is the shape of the scene behind a measurement that is a picture;
	// nil: it is no picture.
	scene func(sp Spec, measured Shape) (Shape, error)
	// support is Spec.Support where it is local; nil: it is not.
	support func(sp Spec) (h, w int, err error)
	// settle is Measurement.Settle where the numbers may come in several layouts,
	// or say what the spec leaves open; nil: they do not. The spec's files are
	// loaded.
	settle func(m Measurement) (Measurement, []string, error)
	// noise is Spec.FindNoise; nil: the numbers do not tell it.
	noise func(sp Spec, y Image, scene Shape, weights []float32) (float64, bool)
}

// A form is one way to write an operator.
type form struct {
	*family
	variant string
	fields  []field
	// complete fills in what depends on other keys and checks what goes
	// together; nil: nothing does.
	complete func(v values) error
	// kernel makes the blur kernel, where the operator has one.
	kernel func(sp Spec) (Kernel, error)
	// bounded says likewise of this form.
	bounded bool
	// tables says whether the spec needs tables for data that no file is named
	// for; nil: it does not.
	tables func(sp Spec) bool
	// either says that the keys are alternatives.
	either bool
}

// values are the values of a form by key, in canonical form.
type values map[string]string

// families is the language, in the order of place.
var families []*family

// register adds an operator to the language. It is called by init functions.
func register(f *family) *family {
	for _, w := range f.forms {
		w.family = f
	}
	at, taken := slices.BinarySearchFunc(families, f.place, func(g *family, place int) int { return g.place - place })
	if taken || slices.ContainsFunc(families, func(g *family) bool { return g.name == f.name }) {
		panic("operators: " + f.name + " is registered in a place that is taken")
	}
	families = slices.Insert(families, at, f)
	return f
}

type fieldKind int

const (
	number fieldKind = iota
	count
	seed
	file
	choice
	factors // one number or two, 1.5x2: along x, then y
	pixels  // two whole numbers, 640x480: of columns, then rows
)

// A field is a key of a form.
type field struct {
	key     string
	kind    fieldKind
	lo, hi  float64
	open    bool     // lo itself is too small
	def     string   // what it is where it is not given; "" may stay out
	word    string   // a word in place of a number, and the value of a key alone
	need    bool     // must be given
	choices []string // of a choice
	words   []string // taken instead of a value: the measurement tells it
	files   bool     // takes a file's name instead of a count
	// check says whether what the file held will do; nil: family.check does.
	check func(m Image) error
}

// names says whether a value names a file.
func (d field) names(value string) bool {
	if d.files {
		_, err := strconv.Atoi(value)
		return err != nil
	}
	return d.kind == file && !slices.Contains(d.words, value)
}

// held says whether the text of the spec does not hold what a value means: a file, or
// what the measurement tells.
func (d field) held(value string) bool { return d.kind == file || d.names(value) }

// seedField is the key of what is drawn at random.
var seedField = field{key: "seed", kind: seed, hi: 1 << 53, def: "0"}

func parseSpec(s string) (Spec, error) {
	if len(s) > 4096 {
		return Spec{}, fmt.Errorf("longer than 4096 bytes")
	}
	name, rest, hasArgs := strings.Cut(strings.TrimSpace(s), ":")
	op, err := findFamily(name)
	if err != nil {
		return Spec{}, err
	}
	variant, args, err := splitArgs(rest, hasArgs && rest != "")
	if err != nil {
		return Spec{}, err
	}
	f, err := op.pick(variant, args)
	if err != nil {
		return Spec{}, err
	}
	v, err := f.read(args)
	if err != nil {
		return Spec{}, err
	}
	return f.spec(v), nil
}

func findFamily(name string) (*family, error) {
	var names []string
	for _, f := range families {
		if f.name == name {
			return f, nil
		}
		names = append(names, f.name)
	}
	return nil, fmt.Errorf("unknown operator %q%s; want %s", clip(name), spell.Hint(name, names), strings.Join(names, ", "))
}

type arg struct{ key, value string }

// alone is the value of a key without one; no value that is written has a zero byte.
const alone = "\x00"

// splitArgs takes "variant,key=value,..." apart.
func splitArgs(s string, some bool) (variant string, args []arg, err error) {
	for first := true; some; first = false {
		end := strings.IndexAny(s, ",=")
		if end < 0 {
			end = len(s)
		}
		word := strings.TrimSpace(s[:end])
		if end == len(s) || s[end] == ',' {
			switch {
			case word == "":
				return "", nil, fmt.Errorf("%q; want key=value", word)
			case first:
				variant = word
			default:
				args = append(args, arg{word, alone})
			}
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

// pick finds the form that the variant, or the keys, ask for.
func (f *family) pick(variant string, args []arg) (*form, error) {
	if f.choose != nil {
		if variant != "" {
			return nil, fmt.Errorf("%q; want key=value, as in %s", clip(variant), f.example)
		}
		variant = f.choose(args)
		return f.forms[slices.IndexFunc(f.forms, func(w *form) bool { return w.variant == variant })], nil
	}
	var variants []string
	var keyed *form
	for _, w := range f.forms {
		switch {
		case w.variant == variant && (variant != "" || len(f.forms) == 1 || given(args, w.file())):
			return w, nil
		case w.variant == "":
			keyed = w
		default:
			variants = append(variants, w.variant)
		}
	}
	if len(variants) == 0 {
		return nil, fmt.Errorf("%q; want %s", clip(variant), keyed.usage())
	}
	if variant == "" {
		return nil, fmt.Errorf("which %s? want %s or %s", f.name, strings.Join(variants, ", "), keyed.usage())
	}
	return nil, fmt.Errorf("unknown kind of %s %q%s; want %s or %s", f.name, clip(variant),
		spell.Hint(variant, variants), strings.Join(variants, ", "), keyed.usage())
}

func given(args []arg, key string) bool {
	return slices.ContainsFunc(args, func(a arg) bool { return a.key == key })
}

// file is the key that names a file, "" where none does.
func (f *form) file() string {
	for _, d := range f.fields {
		if d.kind == file {
			return d.key
		}
	}
	return ""
}

// usage shows the form's keys.
func (f *form) usage() string {
	parts := []string{}
	for _, d := range f.fields {
		if d.word != "" || d.kind == pixels {
			continue // says more of a file
		}
		v := "N"
		switch d.kind {
		case file:
			v = "FILE"
		case choice:
			v = strings.Join(d.choices, "|")
		}
		if d.files {
			v += "|FILE"
		}
		v = strings.Join(append([]string{v}, d.words...), "|")
		parts = append(parts, d.key+"="+v)
	}
	sep := ","
	if f.either {
		sep = " or "
	}
	return strings.Join(parts, sep)
}

// read checks the values and returns them by key, defaults filled in.
func (f *form) read(args []arg) (values, error) {
	all := values{}
	for _, a := range args {
		d, err := f.field(a.key)
		if a.value == alone && d.word == "" {
			return nil, fmt.Errorf("%q; want key=value", clip(a.key))
		}
		if err != nil {
			return nil, err
		}
		if _, twice := all[a.key]; twice {
			return nil, fmt.Errorf("%s is given twice", a.key)
		}
		if a.value == alone {
			a.value = d.word
		}
		v, err := d.read(a.value)
		if err != nil {
			return nil, err
		}
		all[a.key] = v
	}
	if f.complete != nil {
		if err := f.complete(all); err != nil {
			return nil, err
		}
	}
	for _, d := range f.fields {
		if _, given := all[d.key]; given {
			continue
		}
		if d.need {
			return nil, fmt.Errorf("%s is missing; want %s", d.key, d.want())
		}
		if d.def != "" {
			all[d.key] = d.def
		}
	}
	return all, nil
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
	return field{}, fmt.Errorf("unknown key %q%s; want %s", clip(key), spell.Hint(key, keys), strings.Join(keys, ", "))
}

// read checks one value and returns it in canonical form.
func (d field) read(value string) (string, error) {
	bad := func() error { return fmt.Errorf("%s=%q; want %s", d.key, clip(value), d.want()) }
	if value == d.word && value != "" || slices.Contains(d.words, value) {
		return value, nil
	}
	if _, err := strconv.ParseFloat(value, 64); d.files && err != nil && value != "" {
		return value, nil
	}
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
		return "", fmt.Errorf("%s=%q%s; want %s", d.key, clip(value), spell.Hint(value, d.choices), d.want())
	case number:
		v, ok := fraction.Parse(value)
		if !ok || !(v >= d.lo && v <= d.hi) || d.open && v == d.lo {
			return "", bad()
		}
		return formatNumber(v), nil
	case factors, pixels:
		x, y, err := d.readPair(value)
		if err != nil {
			return "", bad()
		}
		if x == y && d.kind == factors {
			return formatNumber(x), nil
		}
		return formatNumber(x) + "x" + formatNumber(y), nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || float64(n) < d.lo || float64(n) > d.hi {
		return "", bad()
	}
	return strconv.FormatInt(n, 10), nil
}

// readPair reads two numbers with an x between them, of factors also one that
// stands for both.
func (d field) readPair(value string) (x, y float64, err error) {
	a, b, two := strings.Cut(value, "x")
	if !two && d.kind == factors {
		b = a
	}
	for _, part := range []struct {
		text string
		v    *float64
	}{{a, &x}, {b, &y}} {
		v, ok := fraction.Parse(part.text)
		if !ok || !(v >= d.lo && v <= d.hi) || d.kind == pixels && v != math.Trunc(v) {
			return 0, 0, fmt.Errorf("not %s", d.want())
		}
		*part.v = v
	}
	return x, y, nil
}

// want says what would be right.
func (d field) want() string {
	text := d.wantValue()
	if d.files {
		text += ", or a file name"
	}
	for _, w := range d.words {
		text += ", or " + w
	}
	return text
}

func (d field) wantValue() string {
	switch d.kind {
	case factors:
		return fmt.Sprintf("a number from %g to %g, or two as 1.5x2, along x and y", d.lo, d.hi)
	case pixels:
		return "a width and a height as 1920x1080"
	case file:
		return "a file name"
	case choice:
		return strings.Join(d.choices, ", ")
	case number:
		bracket := "["
		if d.open {
			bracket = "("
		}
		or := ""
		if d.word != "" {
			or = ", or " + d.word
		}
		return fmt.Sprintf("a number in %s%g,%g]%s", bracket, d.lo, d.hi, or)
	case seed:
		return "a whole number of at least 0"
	}
	return fmt.Sprintf("a whole number from %g to %g", d.lo, d.hi)
}

func formatNumber(v float64) string { return strconv.FormatFloat(v+0, 'g', -1, 64) }

// spec writes the values down in the form's order.
func (f *form) spec(all values) Spec {
	var parts []string
	if f.variant != "" && f.choose == nil {
		parts = append(parts, f.variant)
	}
	for _, d := range f.fields {
		v, ok := all[d.key]
		if !ok {
			continue
		}
		if d.names(v) {
			v = quoteFile(v)
		}
		parts = append(parts, d.key+"="+v)
	}
	text := f.name
	if len(parts) > 0 {
		text += ":" + strings.Join(parts, ",")
	}
	return Spec{form: f, text: text}
}

// quoteFile quotes a file name that would not survive as it is.
func quoteFile(s string) string {
	odd := func(r rune) bool { return r == ',' || r == '"' || !unicode.IsPrint(r) }
	if strings.IndexFunc(s, odd) >= 0 || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return strconv.QuoteToASCII(s)
	}
	return s
}
