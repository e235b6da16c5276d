package noise

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/fraction"
	"github.com/lpn-imaging/lpn/internal/spell"
	"github.com/lpn-imaging/lpn/operators"
)

// Auto is the text that asks for Find.
const Auto = "auto"

// Parse reads a noise model:
//
//	0.05  25/255                      white, of this standard deviation
//	poisson:gain=G[,read=R][,black=K] counts
//	camera:a=A,b=B[,black=K]          variance A (m-K) + B^2
//	map:FILE.npy                      a deviation a sample; open reads it
//	FILE.json                         what Marshal wrote
//	auto                              a nil Model: to be estimated
//
// Numbers are in units of the samples. An error is one line that says what would
// be right. open may be nil where map is not wanted.
func Parse(text string, open func(path string) (operators.Image, error)) (Model, error) {
	text = strings.TrimSpace(text)
	name, rest, _ := strings.Cut(text, ":")
	switch {
	case text == Auto:
		return nil, nil
	case strings.HasSuffix(strings.ToLower(text), ".json"):
		data, err := os.ReadFile(text)
		if err != nil {
			var p *fs.PathError
			if errors.As(err, &p) {
				err = p.Err
			}
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		m, err := Unmarshal(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		return m, nil
	case name == "map" && rest != "":
		if open == nil {
			return nil, fmt.Errorf("%s: maps of deviations are not read here", text)
		}
		d, err := open(rest)
		if err != nil {
			return nil, err
		}
		m := Map{d}
		return m, valid(m)
	case name == "poisson":
		v, err := keys(rest, []string{"gain", "read", "black"}, 1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		m := Poisson{v[0], v[1], v[2]}
		return m, valid(m)
	case name == "camera":
		v, err := keys(rest, []string{"a", "b", "black"}, 2)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		m := Camera{v[0], v[1], v[2]}
		return m, valid(m)
	}
	if v, ok := fraction.Parse(text); ok && v >= 0 && v <= math.MaxFloat32 {
		m := White{v}
		return m, valid(m)
	}
	return nil, fmt.Errorf("%q is not a number in [0,1], a fraction like 25/255, or auto%s; nor poisson:gain=G[,read=R], camera:a=A,b=B, map:FILE.npy or FILE.json",
		text, spell.Hint(name, []string{Auto, "poisson", "camera", "map"}))
}

// keys reads "a=1,b=2": the first need of them must be there, the rest are 0.
func keys(text string, names []string, need int) ([]float64, error) {
	out := make([]float64, len(names))
	seen := make([]bool, len(names))
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(part, "=")
		key = strings.TrimSpace(key)
		if part == "" {
			continue
		}
		k := slices.Index(names, key)
		if k < 0 {
			return nil, fmt.Errorf("unknown key %q%s; want %s", key, spell.Hint(key, names), strings.Join(names, ", "))
		}
		v, ok := fraction.Parse(value)
		if !ok || seen[k] {
			return nil, fmt.Errorf("%s: want one number", part)
		}
		out[k], seen[k] = v, true
	}
	for k := range need {
		if !seen[k] {
			return nil, fmt.Errorf("%s is missing", names[k])
		}
	}
	return out, nil
}

// valid reports what is wrong with the numbers of a model.
func valid(m Model) error {
	bad := func(v float64) bool { return !(v >= 0) || v > math.MaxFloat32 }
	switch m := m.(type) {
	case White:
		if bad(m.Sigma) {
			return fmt.Errorf("a deviation of %v; want a number of at least 0", m.Sigma)
		}
	case Poisson:
		if bad(m.Gain) || m.Gain < math.SmallestNonzeroFloat32 || bad(m.Read) || bad(math.Abs(m.Black)) {
			return fmt.Errorf("%v; want a gain above 0, a read noise of at least 0 and a finite black level", m)
		}
	case Camera:
		if bad(m.A) || bad(m.B) || bad(math.Abs(m.Black)) {
			return fmt.Errorf("%v; want a and b of at least 0 and a finite black level", m)
		}
	case Curve:
		if len(m.Channels) == 0 {
			return errors.New("a curve without channels")
		}
		for _, l := range m.Channels {
			ok := len(l.X) > 0 && len(l.X) == len(l.Y) && !slices.ContainsFunc(l.Y, bad)
			for k, x := range l.X {
				ok = ok && !bad(math.Abs(x)) && (k == 0 || x > l.X[k-1])
			}
			if !ok {
				return errors.New("a curve wants ascending brightnesses x and as many deviations y of at least 0")
			}
		}
	case Map:
		if len(m.Deviation.Pix) != m.Deviation.Len() || m.Deviation.C < 1 || m.Deviation.H < 1 || m.Deviation.W < 1 {
			return fmt.Errorf("a map of %v with %d deviations", m.Deviation.Shape, len(m.Deviation.Pix))
		}
		for _, d := range m.Deviation.Pix {
			if bad(float64(d)) {
				return fmt.Errorf("a map with a deviation of %v; want numbers of at least 0", d)
			}
		}
	case Correlated:
		if err := valid(m.Model); err != nil {
			return err
		}
		return m.Spectrum.check()
	}
	return nil
}

// A record is a model in JSON.
type record struct {
	Kind       string          `json:"kind"`
	Parameters json.RawMessage `json:"parameters"`
	Spectrum   *Spectrum       `json:"spectrum,omitempty"`
	// Confidence is that of an estimate, in [0,1].
	Confidence *float64 `json:"confidence,omitempty"`
}

// A mapRecord holds little-endian float32 deviations.
type mapRecord struct {
	C    int    `json:"channels"`
	H    int    `json:"height"`
	W    int    `json:"width"`
	Data string `json:"data"`
}

type whiteRecord struct {
	Sigma float64 `json:"sigma"`
}

type poissonRecord struct {
	Gain  float64 `json:"gain"`
	Read  float64 `json:"read"`
	Black float64 `json:"black"`
}

type cameraRecord struct {
	A     float64 `json:"a"`
	B     float64 `json:"b"`
	Black float64 `json:"black"`
}

type curveRecord struct {
	Channels []Line `json:"channels"`
}

// Marshal writes a model as {"kind", "parameters", "spectrum", "confidence"};
// confidence in [0,1] is that of an estimate, a negative one is left out.
func Marshal(m Model, confidence float64) ([]byte, error) {
	var r record
	if confidence >= 0 {
		r.Confidence = &confidence
	}
	if c, ok := m.(Correlated); ok {
		r.Spectrum, m = &c.Spectrum, c.Model
	}
	var p any
	switch m := m.(type) {
	case White:
		r.Kind, p = "white", whiteRecord(m)
	case Poisson:
		r.Kind, p = "poisson", poissonRecord(m)
	case Camera:
		r.Kind, p = "camera", cameraRecord(m)
	case Curve:
		r.Kind, p = "curve", curveRecord(m)
	case Map:
		raw := make([]byte, 0, 4*len(m.Deviation.Pix))
		for _, d := range m.Deviation.Pix {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(d))
		}
		d := m.Deviation
		r.Kind, p = "map", mapRecord{d.C, d.H, d.W, base64.StdEncoding.EncodeToString(raw)}
	default:
		return nil, fmt.Errorf("noise: a model of type %T has no JSON", m)
	}
	var err error
	if r.Parameters, err = json.Marshal(p); err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// Unmarshal reads what Marshal wrote, and refuses numbers that make no model.
func Unmarshal(data []byte) (Model, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, errors.New("not a noise model in JSON")
	}
	m, err := r.model()
	if err != nil {
		return nil, err
	}
	if r.Spectrum != nil {
		m = Correlated{m, *r.Spectrum}
	}
	return m, valid(m)
}

func (r record) model() (Model, error) {
	kinds := []string{"white", "poisson", "camera", "curve", "map"}
	read := func(p any) error {
		if json.Unmarshal(r.Parameters, p) != nil {
			return fmt.Errorf("the parameters of %q cannot be read", r.Kind)
		}
		return nil
	}
	switch r.Kind {
	case "white":
		var p whiteRecord
		err := read(&p)
		return White(p), err
	case "poisson":
		var p poissonRecord
		err := read(&p)
		return Poisson(p), err
	case "camera":
		var p cameraRecord
		err := read(&p)
		return Camera(p), err
	case "curve":
		var p curveRecord
		err := read(&p)
		return Curve(p), err
	case "map":
		var p mapRecord
		if err := read(&p); err != nil {
			return nil, err
		}
		raw, err := base64.StdEncoding.DecodeString(p.Data)
		if err != nil || p.C < 1 || p.H < 1 || p.W < 1 || p.C > len(raw)/4/p.H/p.W || len(raw) != 4*p.C*p.H*p.W {
			return nil, errors.New("the map's data does not have channels x height x width numbers")
		}
		d := operators.NewImage(operators.Shape{C: p.C, H: p.H, W: p.W})
		for i := range d.Pix {
			d.Pix[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return Map{d}, nil
	}
	return nil, fmt.Errorf("unknown kind %q%s; want %s", r.Kind, spell.Hint(r.Kind, kinds), strings.Join(kinds, ", "))
}
