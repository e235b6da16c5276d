package flags

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/atomicfile"
	"github.com/lpn-imaging/lpn/lpn/explore"
	"github.com/lpn-imaging/lpn/lpn/restore"
)

// Params are what lpn tune found, and what --params takes: how to solve, and for people
// also what it was found on.
type Params struct {
	Operator   string         `json:"operator"`
	Boundary   string         `json:"boundary"`
	Noise      explore.Number `json:"noise"`
	NoiseModel string         `json:"noise_model,omitempty"`
	Images     int            `json:"images"`
	Seed       uint64         `json:"seed"`
	Trials     int            `json:"trials"`
	PSNR       explore.Number `json:"psnr"`
	// Prior and Solver are left out where only baselines were tuned.
	Prior    string  `json:"prior,omitempty"`
	Solver   string  `json:"solver,omitempty"`
	Strength float64 `json:"strength,omitempty"`
	Scale    float64 `json:"scale,omitempty"`
	Rho      float64 `json:"rho,omitempty"`
	// Baselines are the strengths of classical methods.
	Baselines map[string]float64 `json:"baselines,omitempty"`
}

// ReadParams reads a file that lpn tune wrote.
func ReadParams(path string) (Params, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Params{}, bad("params", "%s: %w", path, atomicfile.Reason(err))
	}
	p, err := ParseParams(text)
	if err != nil {
		return p, bad("params", "%s: %w; want a file that lpn tune wrote", path, err)
	}
	return p, nil
}

// ParseParams reads the text of such a file.
func ParseParams(text []byte) (Params, error) {
	var p Params
	if err := DecodeStrictly(text, &p); err != nil {
		return p, err
	}
	return p, p.check()
}

func (p Params) check() error {
	within := func(name string, v float64) error {
		if v != 0 && !(v > 0 && v <= math.MaxFloat32) {
			return fmt.Errorf("%s is %v; want a positive number", name, v)
		}
		return nil
	}
	for name, v := range p.Baselines {
		if !slices.Contains(restore.Baselines(), name) {
			return fmt.Errorf("unknown baseline %q; want %s", name, strings.Join(restore.Baselines(), ", "))
		}
		if err := within(name, v); err != nil {
			return err
		}
	}
	return cmp.Or(within("strength", p.Strength), within("scale", p.Scale), within("rho", p.Rho))
}

// DecodeStrictly decodes the one JSON value that text must be. An unknown name is an
// error, because it is most likely a typo.
func DecodeStrictly(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	switch err := d.Decode(v); {
	case err == io.EOF:
		return errors.New("the file is empty")
	case err != nil:
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	case len(bytes.TrimSpace(text[d.InputOffset():])) > 0:
		return errors.New("the file goes on after its JSON value")
	}
	return nil
}
