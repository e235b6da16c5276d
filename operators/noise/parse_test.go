package noise

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

func TestParse(t *testing.T) {
	open := func(path string) (operators.Image, error) {
		if path != "d.npy" {
			return operators.Image{}, errors.New(path + ": no such file")
		}
		return testMap.Deviation, nil
	}
	for text, want := range map[string]Model{
		"0.05":                               White{0.05},
		"25/250":                             White{0.1},
		"0":                                  White{0},
		" 10 ":                               White{10},
		"poisson:gain=0.1":                   Poisson{Gain: 0.1},
		"poisson:gain=1/10,read=2,black=-1":  Poisson{0.1, 2, -1},
		"camera:a=.01,b=0.02":                Camera{A: 0.01, B: 0.02},
		"camera:a=0.01, b=0.02, black=0.125": Camera{0.01, 0.02, 0.125},
		"map:d.npy":                          testMap,
		"auto":                               nil,
	} {
		got, err := Parse(text, open)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
		switch got.(type) {
		case White, Poisson, Camera: // the texts of these are read back
			again, err := Parse(got.String(), nil)
			if err != nil || again != got {
				t.Errorf("%q: %q is read as %v, %v", text, got.String(), again, err)
			}
		}
	}
	for text, part := range map[string]string{
		"poison:gain=1":         `did you mean "poisson"?`,
		"atuo":                  `did you mean "auto"?`,
		"-1":                    "0",
		"nan":                   "not a number",
		"1/0":                   "not a number",
		"":                      "not a number",
		"poisson":               "gain is missing",
		"poisson:gain=0":        "gain above 0",
		"poisson:gian=1":        `did you mean "gain"?`,
		"poisson:gain=1,gain=2": "want one number",
		"camera:a=1":            "b is missing",
		"camera:a=1,b=x":        "want one number",
		"camera:a=-1,b=0":       "at least 0",
		"map:e.npy":             "no such file",
		"there-is-no-such.json": "no such file",
	} {
		_, err := Parse(text, open)
		if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v; want one line with %q", text, err, part)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, m := range []Model{White{0.1}, Poisson{0.1, 0.2, -0.3}, Camera{A: 0.01, B: 0.02}, testCurve, testMap,
		Correlated{White{0.1}, falling(3)}, Correlated{testCurve, falling(1)}} {
		data, err := Marshal(m, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "n.json")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(path, nil); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%v: %v, %v from %s", m, got, err, data)
		}
	}
	for text, part := range map[string]string{
		`{`:                "not a noise model",
		`{"kind":"whit"}`:  `did you mean "white"?`,
		`{"kind":"white"}`: "cannot be read",
		`{"kind":"white","parameters":{"sigma":-1}}`:                                                          "at least 0",
		`{"kind":"curve","parameters":{"channels":[{"x":[1,0],"y":[1,1]}]}}`:                                  "ascending",
		`{"kind":"curve","parameters":{"channels":[]}}`:                                                       "without channels",
		`{"kind":"map","parameters":{"channels":1,"height":2,"width":2,"data":""}}`:                           "does not have",
		`{"kind":"map","parameters":{"channels":4611686018427387904,"height":4,"width":4,"data":"AAAAAA=="}}`: "does not have",
		`{"kind":"white","parameters":{"sigma":1},"spectrum":{"channels":1,"power":[1]}}`:                     "a spectrum of 1 channels",
	} {
		if _, err := Unmarshal([]byte(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v; want %q", text, err, part)
		}
	}
}

// What is read is a model that can be used, or an error of one line.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0.05", "25/255", "auto", "poisson:gain=0.1,read=2", "camera:a=1,b=2,black=3", "map:x", ",=:/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.HasSuffix(strings.ToLower(strings.TrimSpace(text)), ".json") {
			return // reads files
		}
		m, err := Parse(text, nil)
		if err == nil && m != nil {
			use(m)
		}
		if err != nil && strings.Count(err.Error(), "\n") > strings.Count(text, "\n") {
			t.Errorf("%q: %q", text, err)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	for _, m := range []Model{White{0.1}, Poisson{0.1, 0.2, 0}, testCurve, testMap, Correlated{testCurve, falling(1)}} {
		data, _ := Marshal(m, -1)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := Unmarshal(data); err == nil {
			use(m)
			if _, err := Marshal(m, 1); err != nil {
				t.Error(err)
			}
		}
	})
}

// use evaluates a model where its shape allows.
func use(m Model) {
	s := operators.Shape{C: 1, H: 1, W: 2}
	base := m
	if c, ok := m.(Correlated); ok {
		if base = c.Model; c.Spectrum.C != 1 {
			return
		}
	}
	switch b := base.(type) {
	case Map:
		if b.Deviation.Len() > 1000 {
			return
		}
		s = b.Deviation.Shape
	case Curve:
		s.C = len(b.Channels)
	}
	x := make([]float32, s.Len())
	if c, ok := m.(Correlated); ok && c.Spectrum.C != s.C {
		return
	}
	m.Variance(x, x, s)
}
