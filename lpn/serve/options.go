package serve

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/measured"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// Options are those of lpn restore, by the names of its flags. If a flag takes a file,
// the option takes the id of a picture or the name of a file in the folder.
type Options struct {
	Operator string `json:"operator,omitempty"`
	Boundary string `json:"boundary,omitempty"`
	// Noise is a number, or what --noise takes.
	Noise  text     `json:"noise,omitempty"`
	Prior  string   `json:"prior,omitempty"`
	Solver string   `json:"solver,omitempty"`
	Iters  int      `json:"iters,omitempty"`
	Tol    *float64 `json:"tol,omitempty"`
	Step   float64  `json:"step,omitempty"`
	Rho    float64  `json:"rho,omitempty"`
	// Strength is a number, or "discrepancy".
	Strength text    `json:"strength,omitempty"`
	Scale    float64 `json:"scale,omitempty"`
	Ensemble bool    `json:"ensemble,omitempty"`
	Tile     int     `json:"tile,omitempty"`
	Gray     bool    `json:"gray,omitempty"`
	Range    string  `json:"range,omitempty"`
	// Light is linear, srgb or auto (the default); Missing is nan or alpha.
	Light   string `json:"light,omitempty"`
	Missing string `json:"missing,omitempty"`
	// Page is the page of an uploaded file of several, from 1.
	Page int `json:"page,omitempty"`
	// Format, Bits and Quality are those of the picture in the answer.
	Format  string `json:"format,omitempty"`
	Bits    int    `json:"bits,omitempty"`
	Quality int    `json:"quality,omitempty"`
}

// A text is a string that JSON may give as a number.
type text string

// UnmarshalJSON takes a string or a number.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*t = text(s)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("%s is neither a number nor a string", b)
	}
	*t = text(n)
	return nil
}

// badSpec is an error of operators.ParseSpec as one of the request.
func badSpec(err error) error {
	if e := (*operators.SpecError)(nil); errors.As(err, &e) {
		return bad("operator: %q: %w", e.Text, e.Reason)
	}
	return bad("operator: %w", err)
}

// options are those of the reading of a picture, and of the library.
func (s *Server) options(o Options) (c measured.Choice, ro restore.Options, err error) {
	fail := func(err error) (measured.Choice, restore.Options, error) { return c, ro, err }
	c.ByFile = o.Operator == "" && o.Strength != "discrepancy" && o.Range == "" && o.Missing == ""
	if _, ok := measured.Lights[cmp.Or(o.Light, "auto")]; !ok {
		return fail(bad("light: %q; want linear, srgb or auto", o.Light))
	}
	if o.Missing != "" && o.Missing != "nan" && o.Missing != "alpha" {
		return fail(bad("missing: %q; want nan or alpha", o.Missing))
	}
	if o.Operator != "" {
		if c.Spec, err = operators.ParseSpec(o.Operator); err != nil {
			return fail(badSpec(err))
		}
	}
	if o.Boundary != "" {
		b, err := operators.ParseBoundary(o.Boundary)
		if err != nil {
			return fail(bad("%s", err))
		}
		c.Spec = c.Spec.WithBoundary(b)
	} else if c.Spec.Auto() {
		c.Spec = c.Spec.WithBoundary(operators.Valid) // nothing is known beyond the frame of a photograph
	}
	if c.Spec, err = c.Spec.Load(s.openFile); err != nil {
		return fail(bad("operator: %s", err))
	}
	if c.Noise, err = s.noise(string(o.Noise)); err != nil {
		return fail(err)
	}
	if o.Range != "" {
		lo, hi, _ := strings.Cut(o.Range, ":")
		c.Range.Lo, err = strconv.ParseFloat(lo, 64)
		if err == nil {
			c.Range.Hi, err = strconv.ParseFloat(hi, 64)
		}
		if err != nil || !(c.Range.Lo < c.Range.Hi) || math.IsInf(c.Range.Hi-c.Range.Lo, 0) {
			return fail(bad("range: %q; want LO:HI, two numbers of which the first is smaller, as 0:4095", o.Range))
		}
	}
	ro, err = s.solver(o)
	c.Prior = ro.Prior
	return c, ro, err
}

// solver are the options of the library.
func (s *Server) solver(o Options) (ro restore.Options, err error) {
	ro = restore.Options{
		Choose: priors.For, Solver: o.Solver, Iters: o.Iters, Step: o.Step, Rho: o.Rho, Scale: o.Scale,
		Ensemble: o.Ensemble, Tile: o.Tile, Memory: s.config.Memory / int64(s.config.Jobs),
	}
	if o.Prior != "" {
		if ro.Prior, err = s.prior(o.Prior); err != nil {
			return ro, err
		}
	}
	switch {
	case o.Strength == "discrepancy":
		ro.Discrepancy, ro.Strength = true, 1
	case o.Strength != "":
		if ro.Strength, err = strconv.ParseFloat(string(o.Strength), 64); err != nil || !(ro.Strength > 0) {
			return ro, bad("strength: %q is not a positive number, nor discrepancy", o.Strength)
		}
	}
	if o.Tol != nil {
		if ro.Tol = *o.Tol; ro.Tol == 0 {
			ro.Tol = -1 // never stop
		}
	}
	if o.Iters < 0 || o.Iters > mostIters {
		return ro, bad("iters: %d; want 1 to %d", o.Iters, mostIters)
	}
	return ro, ro.Validate()
}

// mostIters is far above what any picture takes.
const mostIters = 100_000

// prior is a prior by name. A path is none: the machine's files are not the client's.
func (s *Server) prior(name string) (priors.Prior, error) {
	for _, p := range s.config.Priors {
		if p.Name == name || path.Base(p.Name) == name {
			return p, nil
		}
	}
	p, err := priors.Open(name)
	if err != nil {
		return p, bad("prior: %s", err)
	}
	return p, nil
}

// noise reads a model of noise; "" and auto ask for an estimate.
func (s *Server) noise(t string) (noise.Model, error) {
	switch {
	case t == "":
		return nil, nil
	case strings.HasPrefix(strings.TrimSpace(t), "{"): // what noise_model of a result holds
		m, err := noise.Unmarshal([]byte(t))
		if err != nil {
			return nil, bad("noise: %s", err)
		}
		return m, nil
	case strings.HasSuffix(t, ".json"):
		return nil, bad("noise: %q; want the content of the file", t)
	}
	m, err := noise.Parse(t, s.openFile)
	if err != nil {
		return nil, bad("%s", err)
	}
	return m, nil
}

// openFile opens what an option names in place of a file: a picture by its id, or a file
// in the folder.
func (s *Server) openFile(name string) (operators.Image, error) {
	if it := s.items.get(name); it != nil && it.picture != nil {
		return it.picture.Luma().Image, nil
	}
	p, err := s.fromFolder(name, 1)
	if err != nil {
		return operators.Image{}, err
	}
	return p.Luma().Image, nil
}

// fromFolder reads a page of a picture in the folder.
func (s *Server) fromFolder(name string, page int) (*imageio.Picture, error) {
	if s.config.Folder == nil || !fs.ValidPath(name) {
		return nil, statusError{http.StatusNotFound, fmt.Errorf("no picture %q", name)}
	}
	f, err := s.config.Folder.Open(name)
	if err != nil {
		return nil, statusError{http.StatusNotFound, fmt.Errorf("no picture %q", name)}
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil, statusError{http.StatusNotFound, fmt.Errorf("no picture %q", name)}
	}
	if st.Size() > s.config.Upload {
		return nil, statusError{http.StatusRequestEntityTooLarge, fmt.Errorf("%s: longer than the limit of %d MB", name, s.config.Upload>>20)}
	}
	return s.decodePicture(f, path.Base(name), page)
}

// decodePicture reads a page of a file, if the store could hold it.
func (s *Server) decodePicture(r io.Reader, name string, page int) (*imageio.Picture, error) {
	f, err := imageio.NewFile(r, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if page = max(page, 1); page > f.Pages() {
		return nil, bad("page %d: %s has %d", page, name, f.Pages())
	}
	if n := f.Samples(page - 1); 4*n > s.items.limit/2 {
		return nil, statusError{http.StatusRequestEntityTooLarge, fmt.Errorf("%s: %d samples are more than the %d that there is room for", name, n, s.items.limit/8)}
	}
	return f.Page(page - 1)
}

// command is the command line that does the same.
func (s *Server) command(name string, o Options) string {
	words := []string{"lpn", "restore"}
	add := func(flag, value string) {
		if value != "" {
			words = append(words, "--"+flag, shellWord(value))
		}
	}
	number := func(flag string, v float64) {
		if v != 0 {
			add(flag, strconv.FormatFloat(v, 'g', -1, 64))
		}
	}
	operator := o.Operator
	if spec, err := operators.ParseSpec(operator); err == nil && spec.File() != "" {
		if it := s.items.get(spec.File()); it != nil { // people have it under its name
			operator = strings.Replace(operator, spec.File(), it.name, 1)
		}
	}
	add("operator", operator)
	add("boundary", o.Boundary)
	add("noise", string(o.Noise))
	add("prior", o.Prior)
	add("solver", o.Solver)
	number("iters", float64(o.Iters))
	if o.Tol != nil {
		add("tol", strconv.FormatFloat(*o.Tol, 'g', -1, 64))
	}
	number("step", o.Step)
	number("rho", o.Rho)
	add("strength", string(o.Strength))
	number("scale", o.Scale)
	number("tile", float64(o.Tile))
	if o.Ensemble {
		words = append(words, "--ensemble")
	}
	if o.Gray {
		words = append(words, "--gray")
	}
	add("range", o.Range)
	add("light", o.Light)
	add("missing", o.Missing)
	number("page", float64(o.Page))
	number("bits", float64(o.Bits))
	number("quality", float64(o.Quality))
	words = append(words, shellWord(name), "-o", shellWord(restoredName(name, o.Format)))
	return strings.Join(words, " ")
}

// restoredName is the name of a result as the command gives it.
func restoredName(name, format string) string {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	if format != "" {
		ext = imageio.ExtensionOf(format)
	} else if _, err := imageio.FormatOf(name); err != nil {
		ext = ".png"
	}
	return stem + "_lpn" + ext
}

// shellWord quotes a word where a shell would take it for something else.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:,=+@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 && s[0] != '-' {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// canonical are options as a key: equal where the options are.
func (o Options) canonical() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // of strings and finite numbers
	}
	return string(b)
}

// reading are the options that decide how a picture is read, as a key: all but the
// strength as a number, unless a small JPEG file is restored before it is enlarged.
func (o Options) reading() string {
	if o.Strength != "discrepancy" && !strings.HasPrefix(o.Operator, "sr") {
		o.Strength = ""
	}
	return o.canonical()
}
