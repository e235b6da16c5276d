package flags

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// What no flag says, the file of --params does; what neither says is the default.
func TestRecipe(t *testing.T) {
	tuned := write(t, "tuned.json", `{"operator":"denoise","boundary":"symmetric","noise":0.1,"images":1,"seed":0,"trials":1,"psnr":30,
		"prior":"gray-25","solver":"admm","strength":1.5,"scale":2,"rho":0.3}`)
	for _, c := range []struct {
		flags Recipe
		want  restore.Options
		prior string
	}{
		{Recipe{}, restore.Options{Solver: "bpg"}, ""},
		{Recipe{Params: tuned}, restore.Options{Solver: "admm", Strength: 1.5, Scale: 2, Rho: 0.3}, "gray-25"},
		{Recipe{Params: tuned, Strength: "1", Scale: 3, Rho: 4, Prior: "gray-50"}, restore.Options{Solver: "admm", Strength: 1, Scale: 3, Rho: 4}, "gray-50"},
		{Recipe{Params: tuned, Solver: "bpg"}, restore.Options{Solver: "bpg", Strength: 1.5, Scale: 2}, "gray-25"},
		{Recipe{Strength: "discrepancy", Memory: "1MiB"}, restore.Options{Solver: "bpg", Strength: 1, Discrepancy: true, Memory: 1 << 20}, ""},
	} {
		got, err := c.flags.Choice()
		if err != nil {
			t.Fatalf("%+v: %v", c.flags, err)
		}
		o := got.Options
		same := o.Solver == c.want.Solver && o.Strength == c.want.Strength && o.Scale == c.want.Scale && o.Rho == c.want.Rho &&
			o.Discrepancy == c.want.Discrepancy && o.Memory == c.want.Memory
		if !same || got.PriorName != c.prior {
			t.Errorf("%+v: prior %q, %+v; want %q, %+v", c.flags, got.PriorName, o, c.prior, c.want)
		}
	}
}

// An error names its flag, without dashes.
func TestErrors(t *testing.T) {
	choice := func(s Recipe) error { _, err := s.Choice(); return err }
	opened := func(name string) error { c := Choice{PriorName: name}; return c.Open() }
	_, tol := Tol(1)
	_, scale := Range("3:2")
	_, wide := Range("-1e308:1e308")
	big := filepath.Join(t.TempDir(), "k.npy")
	if err := imageio.WriteArray(big, &imageio.Array{Shape: []int{401, 401}, Data: make([]float32, 401*401)}); err != nil {
		t.Fatal(err)
	}
	_, kernel := Kernel(big)
	for _, c := range []struct {
		flag, says string
		err        error
	}{
		{"solver", `did you mean "admm"`, choice(Recipe{Solver: "adm"})},
		{"strength", "not a number", choice(Recipe{Strength: "much"})},
		{"strength", "positive", choice(Recipe{Strength: "0"})},
		{"strength", "positive", choice(Recipe{Strength: "-1"})},
		{"step", "admm has --rho", choice(Recipe{Solver: "admm", Step: 1})},
		{"rho", "bpg has --step", choice(Recipe{Rho: 1})},
		{"memory", "much", choice(Recipe{Memory: "much"})},
		{"iters", "at least 1", choice(Recipe{Iters: -1})},
		{"params", "nothing.json", choice(Recipe{Params: "nothing.json"})},
		{"params", "unknown field", choice(Recipe{Params: write(t, "p.json", `{"strenght":1}`)})},
		{"prior", `did you mean "gray-25"`, opened("gray-26")},
		{"prior", "no such file", opened("./none.safetensors")},
		{"prior", "is a folder", opened(t.TempDir())},
		{"tol", "[0,1)", tol},
		{"range", "LO:HI", scale},
		{"range", "LO:HI", wide},
		{"psf-start", "k.npy", kernel},
	} {
		var e *Error
		if !errors.As(c.err, &e) || e.Flag != c.flag || !strings.HasPrefix(c.err.Error(), "--"+c.flag+": ") || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("error %v, want one of --%s that says %q", c.err, c.flag, c.says)
		}
	}
	if v, err := Tol(0); v != -1 || err != nil {
		t.Errorf("--tol 0 is %v, %v; want -1, never", v, err)
	}
	for name, open := range map[string]func(string) error{
		"Kernel":      func(p string) error { _, err := Kernel(p); return err },
		"Weights":     func(p string) error { _, err := Weights(p); return err },
		"File":        func(p string) error { _, err := File(p); return err },
		"Mask":        func(p string) error { _, err := Mask(p); return err },
		"Array":       func(p string) error { _, err := Array(p); return err },
		"Measurement": func(p string) error { _, err := Measurement(p); return err },
	} {
		if err := open(filepath.Join("nowhere", "a.npy")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("%s of a file that is not there: %v", name, err)
		}
	}
}

// A picture of two integers is a mask, numbers are weights, and gaps weigh nothing.
func TestWeights(t *testing.T) {
	put := func(name string, bits int, pix ...float32) string {
		path := filepath.Join(t.TempDir(), name)
		p := &imageio.Picture{Image: operators.Image{Shape: operators.Shape{C: 1, H: 1, W: len(pix)}, Pix: pix}, Bits: bits}
		if err := imageio.Write(path, p, imageio.Options{Bits: bits}); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string][]float32{
		put("mask.png", 8, 0, 0.5019608, 0.5019608):  {0, 1, 1},
		put("three.png", 8, 0, 0.2, 1):               {0, 0.2, 1},
		put("numbers.npy", 32, 0, 3, 7):              {0, 3, 7},
		write(t, "table.txt", "0 2.5 4\n"):           {0, 2.5, 4},
		put("mask.tif", 16, 0, 0.25, 0.25):           {0, 1, 1},
		put("numbers.tif", 32, 0.5, 1.5, float32(0)): {0.5, 1.5, 0},
	} {
		w, err := Weights(path)
		if err != nil || !slices.Equal(w.Pix, want) {
			t.Errorf("%s: %v, %v; want %v", filepath.Base(path), w.Pix, err, want)
		}
	}
}
