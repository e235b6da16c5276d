package main

import (
	"bytes"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

// readTable reads the last column of a CSV file as its sum and its rows.
func readTable(t *testing.T, path string) (head []string, rows [][]string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

func TestPriorPath(t *testing.T) {
	dir, pr := t.TempDir(), prior(t)
	a := save(t, filepath.Join(dir, "in", "a.png"), picture(1, 16, 20, 8))
	b := save(t, filepath.Join(dir, "in", "b.png"), picture(3, 16, 20, 8))
	type result struct {
		Levels []float64 `json:"levels"`
		Mean   []float64 `json:"mean"`
		SD     []float64 `json:"sd"`
		Images []struct {
			Values   []float64 `json:"values"`
			Residual float64   `json:"residual"`
		} `json:"images"`
	}
	for _, kind := range perturbationNames() {
		out := filepath.Join(dir, kind)
		args := []string{"prior", "path", "--json", "--prior", pr, "--perturb", kind, "--levels", "0:0.4:3", a, b, "-o", out + ".png", "-o", out + ".csv"}
		r := asJSON[result](t, must(t, args...))
		if len(r.Mean) != 3 || len(r.Images) != 2 || r.Images[0].Residual > 1e-4 {
			t.Fatalf("%s: %+v", kind, r)
		}
		for k := range r.Mean {
			u, v := r.Images[0].Values[k], r.Images[1].Values[k]
			if math.Abs(r.Mean[k]-(u+v)/2) > 1e-9 || math.Abs(r.SD[k]-math.Abs(u-v)/2) > 1e-9 {
				t.Errorf("%s: mean %g sd %g of %g and %g", kind, r.Mean[k], r.SD[k], u, v)
			}
		}
		// A row is a level of a picture.
		if head, rows := readTable(t, out+".csv"); len(rows) != 6 || head[1] != "picture" || rows[3][4] == "" || math.Abs(parse(t, rows[4][4])-r.Images[1].Values[1]) > 1e-9 {
			t.Errorf("%s: %q %q", kind, head, rows)
		}
		if kind == "noise" {
			if code, _, _ := call(t, args...); code != exitUsage {
				t.Errorf("overwriting without --force: exit %d", code)
			}
		}
	}
	// The start of a path is the value itself.
	v := asJSON[struct {
		Value float64 `json:"value"`
	}](t, must(t, "prior", "value", "--json", "--prior", pr, a))
	r := asJSON[result](t, must(t, "prior", "path", "--json", "--prior", pr, "--levels", "0", a))
	sigma := testNet().Config().Sigma
	if want := v.Value / (sigma * sigma * 16 * 20); math.Abs(r.Mean[0]-want) > 1e-6*math.Abs(want) {
		t.Errorf("R/sigma^2 a sample is %g on the path, %g by value", r.Mean[0], want)
	}
	if out := must(t, "prior", "path", "--prior", pr, "--overlay", pr, "--relative", "--scale", "2", "--ensemble", "--crop", "12", "--levels", "0,0.1", a); !strings.Contains(out, "0.1") {
		t.Errorf("table %q", out)
	}
	must(t, "prior", "path", "--prior", pr, "--box", "--levels", "0,0.1", a, b, "-o", filepath.Join(dir, "box.svg"))
	// Values of several images leave no file behind, and none is missed.
	if out := must(t, "prior", "value", "--prior", pr, a, b); strings.Count(out, "R = ") != 2 {
		t.Errorf("values of two images: %q", out)
	}
}

// TestPriorPathIDX: images of an idx file are those of picture files.
func TestPriorPathIDX(t *testing.T) {
	dir, pr := t.TempDir(), prior(t)
	const n, side = 3, 12
	data := []byte{0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, side, 0, 0, 0, side}
	var want string
	for k := range n {
		p := picture(1, side, side, 8)
		for i := range p.Pix {
			q := byte(37*i + 11*k)
			p.Pix[i] = float32(q) / 255
			data = append(data, q)
		}
		if k == 1 {
			want = save(t, filepath.Join(dir, "second.png"), p)
		}
	}
	file := filepath.Join(dir, "some-idx3-ubyte")
	if err := os.WriteFile(file, data, 0o666); err != nil {
		t.Fatal(err)
	}
	type result struct {
		Mean   []float64
		Images []struct{ Values []float64 }
	}
	path := func(args ...string) result {
		return asJSON[result](t, must(t, append([]string{"prior", "path", "--json", "--prior", pr, "--perturb", "blur", "--levels", "0,1"}, args...)...))
	}
	two := path("--images", "2", "--examples", file, "-o", filepath.Join(dir, "p.png"))
	one := path(want)
	if len(two.Images) != 2 || math.Abs(two.Images[1].Values[1]-one.Mean[1]) > 1e-6 {
		t.Errorf("%+v from the idx file, %+v from the picture", two, one)
	}
}

// TestPriorMap: the parts written sum to R/sigma^2.
func TestPriorMap(t *testing.T) {
	dir, pr := t.TempDir(), prior(t)
	a := save(t, filepath.Join(dir, "a.png"), picture(1, 16, 20, 8))
	out := filepath.Join(dir, "m")
	v := asJSON[struct {
		Value float64 `json:"value"`
	}](t, must(t, "prior", "map", "--json", "--prior", pr, a, "-o", out+".png", "-o", out+".csv", "-o", out+".npz"))
	_, rows := readTable(t, out+".csv")
	sum := 0.0
	for _, r := range rows {
		sum += parse(t, r[3])
	}
	if len(rows) != 16*20 || math.Abs(sum-v.Value) > 1e-6*math.Abs(v.Value) {
		t.Errorf("%d parts sum to %g, want %g", len(rows), sum, v.Value)
	}
}

func parse(t *testing.T, s string) float64 {
	t.Helper()
	l, err := parseLevels(s)
	if err != nil || len(l) != 1 {
		t.Fatalf("%q is no number", s)
	}
	return l[0]
}

// TestPriorSlice: the middle of the plane is the image.
func TestPriorSlice(t *testing.T) {
	dir, pr := t.TempDir(), prior(t)
	a := save(t, filepath.Join(dir, "a.png"), picture(1, 12, 12, 8))
	v := asJSON[struct {
		Value float64 `json:"value"`
	}](t, must(t, "prior", "map", "--json", "--prior", pr, a, "-o", filepath.Join(dir, "m.csv")))
	type slice struct {
		A []float64 `json:"a"`
		Z []float64 `json:"z"`
	}
	for _, dirs := range []string{"noise,blur", "grad,noise"} {
		s := asJSON[slice](t, must(t, "prior", "slice", "--json", "--force", "--prior", pr, "--grid", "5", "--dirs", dirs, a, "-o", filepath.Join(dir, "s.png")))
		if len(s.Z) != 25 || s.A[2] != 0 || math.Abs(s.Z[12]-v.Value) > 1e-5*math.Abs(v.Value) {
			t.Errorf("%s: R is %g in the middle, %g at the image", dirs, s.Z[12], v.Value)
		}
	}
	h := asJSON[slice](t, must(t, "prior", "slice", "--json", "--prior", pr, "--grid", "3", "--operator", "blur:gaussian,sigma=1", "--noise", "0.1", a, "-o", filepath.Join(dir, "h.csv")))
	if h.Z[4] <= v.Value {
		t.Errorf("with the fidelity %g, without %g", h.Z[4], v.Value)
	}
}

func TestPriorCurve(t *testing.T) {
	cfg := lpn.Dense(1, 10, 2)
	n, err := lpn.New(cfg, rand.New(rand.NewPCG(3, 1)))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pr := filepath.Join(dir, "one"+priorExt)
	if err := n.Save(pr, false); err != nil {
		t.Fatal(err)
	}
	c := asJSON[struct {
		X   []float64  `json:"x"`
		F   []float64  `json:"f"`
		R   []*float64 `json:"r"`
		Max float64    `json:"f_max_error"`
	}](t, must(t, "prior", "curve", "--json", pr, "--points", "5", "-o", filepath.Join(dir, "c.png")))
	b, err := n.On(operators.Shape{C: 1, H: 1, W: 1})
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for i, x := range c.X {
		f := []float32{float32(x)}
		b.Eval(f, f)
		if math.Abs(c.F[i]-float64(f[0])) > 1e-6 {
			t.Errorf("f(%g) = %g, want %g", x, c.F[i], f[0])
		}
		worst = math.Max(worst, math.Abs(float64(f[0])-math.Copysign(math.Max(math.Abs(x)-1, 0), x)))
	}
	if len(c.X) != 5 || math.Abs(worst-c.Max) > 1e-6 {
		t.Errorf("%d points, error %g, want %g", len(c.X), c.Max, worst)
	}
	if out := must(t, "prior", "curve", pr, pr, "--points", "5", "-o", filepath.Join(dir, "two.svg")); strings.Count(out, "max|f - soft|") != 2 {
		t.Errorf("two priors: %q", out)
	}
}

// TestLaplacePrior: the shipped prior of Laplace data against the closed form.
func TestLaplacePrior(t *testing.T) {
	c := asJSON[curve](t, must(t, "prior", "curve", "--json", filepath.Join("..", "..", "assets", "priors", "laplace"+priorExt)))
	if c.MaxError > 0.1 || c.RMSE > 0.06 || c.Lost > 0 || c.MedianError < 3*c.MaxError {
		t.Errorf("max|f - soft| %g, of the median %g, RMSE of R %g, %d points lost", c.MaxError, c.MedianError, c.RMSE, c.Lost)
	}
}

func TestPriorRefuses(t *testing.T) {
	dir, pr := t.TempDir(), prior(t)
	a := save(t, filepath.Join(dir, "a.png"), picture(1, 12, 12, 8))
	for _, c := range []struct{ args, want string }{
		{"path --perturb nose A", `unknown "nose" (did you mean "noise"?)`},
		{"path --levels 1,x A", `"1,x"`},
		{"path --levels 0:1:1 A", "0:1:1"},
		{"path --perturb mix A", "another picture"},
		{"path --box --overlay x A", "--box"},
		{"path A -o x.gif", ".png"},
		{"path --scale 0 A", "--scale"},
		{"path --crop -1 A", "--crop"},
		{"map A", "-o"},
		{"map A --smooth -1 -o x.png", "--smooth"},
		{"slice A --dirs noise -o x.png", "--dirs"},
		{"slice A --grid 1 -o x.png", "--grid"},
		{"slice A --noise auto -o x.png", "--noise"},
		{"slice A", "-o"},
		{"curve", "wants a prior"},
		{"curve --points 1", "--points"},
	} {
		args := append([]string{"prior"}, strings.Fields(strings.ReplaceAll(c.args, " A", " "+a))...)
		code, _, stderr := call(t, append(args, "--prior", pr)...)
		if c.args == "curve" {
			code, _, stderr = call(t, args...)
		}
		if code != exitUsage || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("prior %s: exit %d, %q, want %q", c.args, code, stderr, c.want)
		}
	}
	// A prior for pictures has no curve.
	if code, _, stderr := call(t, "prior", "curve", pr); code != exitUsage || !strings.Contains(stderr, "for pictures") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

// TestValueOfFolder: what writes no files loses none.
func TestValueOfFolder(t *testing.T) {
	dir := t.TempDir()
	save(t, filepath.Join(dir, "a.png"), picture(1, 8, 8, 8))
	save(t, filepath.Join(dir, "b.png"), picture(1, 9, 8, 8))
	code, stdout, stderr := call(t, "prior", "value", "--quiet", "--prior", prior(t), dir)
	if code != exitOK || stderr != "" || strings.Count(stdout, "\n") != 2 {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}
