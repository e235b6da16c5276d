package main

import (
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/internal/othertest"
)

// TestMeasureDocs runs every example of docs/measure.md, from its Python to the
// restored file.
func TestMeasureDocs(t *testing.T) {
	slow(t)
	python := othertest.NumPy(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "measure.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	sections := strings.Split(string(text), "```python\n")[1:]
	commands := 0
	for _, s := range sections {
		program, rest, _ := strings.Cut(s, "```")
		if said, err := exec.Command(python, "-c", program).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		for line := range strings.Lines(rest) {
			words := strings.Fields(line)
			if !strings.HasPrefix(line, "    lpn ") {
				continue
			}
			commands++
			args := words[1:]
			if args[0] == "restore" {
				args = append(args, "--iters", "8")
			}
			must(t, args...)
		}
	}
	if commands < 6 {
		t.Errorf("only %d commands", commands)
	}
}

// TestMeasure: what the numbers are is found in them, a wrong layout is refused, and the
// unit of the result is the one that was asked for.
func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	truth := save(t, filepath.Join(dir, "truth.png"), picture(1, 32, 32, 8))
	degradedTo := filepath.Join(dir, "d.npz")
	must(t, "degrade", "--operator", "tomo:angles=40", "--noise", "0.1", truth, "-o", degradedTo)
	y := filepath.Join(dir, "y.npz")
	out := must(t, "measure", "--json", "--operator", "tomo:angles=40", "--scene", "32x32", degradedTo, "-o", y)
	r := asJSON[measuredFile](t, out)
	if r.Scene != [3]int{1, 32, 32} || !strings.HasPrefix(r.Operator, "tomo:angles=40,detectors=46") || r.Noise == nil || *r.Noise < 0.05 || *r.Noise > 0.3 {
		t.Errorf("%+v", r)
	}
	plain := filepath.Join(dir, "x.npy")
	for args, want := range map[string]bool{"": false, "--operator=tomo:angles=40": false, "--operator=denoise": true} {
		all := slices.DeleteFunc([]string{"restore", "--force", "--iters", "5", args, y, "-o", plain}, func(s string) bool { return s == "" })
		if code, _, stderr := call(t, all...); code != exitOK || strings.Contains(stderr, "does not count") != want {
			t.Errorf("%q beside the file's operator: exit %d, %q", args, code, stderr)
		}
	}
	hu := filepath.Join(dir, "hu.npz")
	must(t, "measure", "--operator", "tomo:angles=40", "--scene", "32x32", "--units", "HU", "--water", "0.5", degradedTo, "-o", hu)
	must(t, "restore", "--iters", "5", hu, "-o", filepath.Join(dir, "hu.npy"))
	a, b := load(t, plain), load(t, filepath.Join(dir, "hu.npy"))
	for i, v := range a.Pix {
		if d := 1000*(v/0.5-1) - b.Pix[i]; d > 0.1 || d < -0.1 {
			t.Fatalf("pixel %d: %v in the scene's unit, %v HU", i, v, b.Pix[i])
		}
	}
	// NaN is a ray that was not measured.
	sinogram, err := readMeasurement(degradedTo)
	if err != nil {
		t.Fatal(err)
	}
	sinogram.Y.Pix[17] = float32(math.NaN())
	gaps := filepath.Join(dir, "gaps.npy")
	if err := writeFile(gaps, func(w io.Writer) error {
		return npy.WriteFloats(w, []int{sinogram.Y.H, sinogram.Y.W}, sinogram.Y.Pix)
	}); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := call(t, "measure", "--operator", "tomo:angles=40", gaps, "-o", filepath.Join(dir, "no.npz")); code == exitOK || !strings.Contains(stderr, "number 17 is NaN") || !strings.Contains(stderr, "--missing nan") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	filled := filepath.Join(dir, "gaps.npz")
	if said := must(t, "measure", "--missing", "nan", "--operator", "tomo:angles=40", gaps, "-o", filled); !strings.Contains(said, "1 numbers are missing") {
		t.Errorf("%s", said)
	}
	if m, err := readMeasurement(filled); err != nil || m.Weights == nil || m.Weights[17] != 0 || m.Weights[18] != 1 {
		t.Errorf("%v: weights %v", err, m.Weights)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"measure", degradedTo}, "what was measured?"},
		{[]string{"measure", "--missing", "0", "--operator", "tomo:angles=40", gaps}, "want nan"},
		{[]string{"measure", "--missing", "nan", "--operator", "tomo:angles=40", degradedTo}, "a .npy file"},
		{[]string{"measure", "--missing", "nan", "--operator", "sr:factor=2", gaps}, "lpn restore --missing nan"},
		{[]string{"measure", "--missing", "nan", "--operator", "mri:accel=2", gaps}, "mask=detect"},
		{[]string{"measure", "--operator", "tomo:angles=46", degradedTo}, "transposed"},
		{[]string{"measure", "--operator", "tomo:angles=40", "--counts", degradedTo}, "--flat"},
		{[]string{"measure", "--operator", "tomo:angles=40", "--units", "HU", degradedTo}, "--water"},
		{[]string{"measure", "--operator", "tomo:angles=40", "--scene", "32", degradedTo}, "--scene"},
		{[]string{"measure", "--operator", "tomo:angles=40", "--array", "z", degradedTo}, "--array"},
		{[]string{"restore", "--operator", "tomo:angles=40", truth, "-o", plain + ".png"}, "lpn measure --operator tomo:angles=40"},
	} {
		if c.args[0] == "measure" {
			c.args = append(c.args, "-o", filepath.Join(dir, "no.npz"))
		}
		code, _, stderr := call(t, c.args...)
		if code == exitOK || !strings.Contains(stderr, c.want) {
			t.Errorf("lpn %v: exit %d: %q; want %q", c.args, code, stderr, c.want)
		}
	}
}

// TestMeasureAxis: an axis that is not in the middle is found, said and kept in the file, and
// one that is stated stays. Restoring another operator than that of the file is remarked.
func TestMeasureAxis(t *testing.T) {
	dir := t.TempDir()
	scene := picture(1, 48, 48, 8)
	for i := range scene.Pix {
		if math.Hypot(float64(i/48-24), float64(i%48-24)) > 18 {
			scene.Pix[i] = 0
		}
	}
	truth := save(t, filepath.Join(dir, "truth.png"), scene)
	y := filepath.Join(dir, "y.npz")
	must(t, "degrade", "--operator", "tomo:angles=60,detectors=70,centre=36.5", "--noise", "0.1", truth, "-o", y)
	to := filepath.Join(dir, "m.npz")
	if said := must(t, "measure", "--operator", "tomo:angles=60", y, "-o", to); !strings.Contains(said, "seen by detector 36.") || !strings.Contains(said, "not at 35, the middle") {
		t.Errorf("%s", said)
	}
	m, err := readMeasurement(to)
	if c, parse := strconv.ParseFloat(m.Spec.Get("centre"), 64); err != nil || parse != nil || math.Abs(c-36.5) > 0.06 {
		t.Errorf("%s %v %v", m.Spec, err, parse)
	}
	must(t, "measure", "--force", "--operator", "tomo:angles=60,centre=35", y, "-o", to)
	if m, err := readMeasurement(to); err != nil || m.Spec.Get("centre") != "35" {
		t.Errorf("%s %v", m.Spec, err)
	}
	for spec, want := range map[string]bool{"tomo:angles=60": false, "tomo:angles=61": true, "sr:factor=2": true} {
		code, _, stderr := call(t, "restore", "--force", "--iters", "2", "--operator", spec, to, "-o", filepath.Join(dir, "x.npy"))
		if code != exitOK || strings.Contains(stderr, "--operator "+spec) != want {
			t.Errorf("%s: exit %d, %s", spec, code, stderr)
		}
	}
}
