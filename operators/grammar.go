package operators

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

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
	// choose finds the variant among the keys; nil: it stands after the colon.
	choose func(args []arg) string
	// example is what a message shows where choose is set.
	example string

	// boundary says that what lies beyond the frame matters.
	boundary bool
	// rounded says that a measurement are numbers rounded to steps.
	rounded bool
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
	// tables says whether the spec wants tables for data that no file is named
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

// pick finds the form that the variant, or the keys, ask for.
func (f *family) pick(variant string, args []arg) (*form, error) {
	if f.choose != nil {
		if variant != "" {
			return nil, fmt.Errorf("%q; want key=value, as in %s", clip(variant), f.example)
		}
		variant = f.choose(args)
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
		if err != nil {
			return nil, err
		}
		if _, twice := all[a.key]; twice {
			return nil, fmt.Errorf("%s is given twice", a.key)
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
		if d.kind == file {
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
