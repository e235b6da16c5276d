package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/flags"
)

// tuneInputs are a folder of clean pictures and a prior.
func tuneInputs(t *testing.T) (dir, pr string) {
	t.Helper()
	dir, pr = t.TempDir(), prior(t)
	for i := range 3 {
		p := picture(1, 20+2*i, 24, 8)
		save(t, filepath.Join(dir, fmt.Sprintf("%d.png", i)), p)
	}
	return dir, pr
}

// The same seed gives the same file; what it holds is better than the statistical weight
// on the pictures it was tuned on, and is what restore and eval use.
func TestTune(t *testing.T) {
	slow(t)
	dir, pr := tuneInputs(t)
	to := filepath.Join(t.TempDir(), "p.json")
	args := []string{"--operator", "blur:uniform,size=3", "--noise", "0.02", "--prior", pr, "--iters", "10"}
	tune := append([]string{"tune", "--trials", "8", "--crop", "0", "--images", "2", "--seed", "5", "--baseline", "tv,wiener"}, args...)
	must(t, append(tune, "-o", to, dir)...)
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	if again := must(t, append(tune, dir)...); asJSON[params](t, again).PSNR != asJSON[params](t, string(text)).PSNR {
		t.Errorf("the same seed gives %s, then %s", text, again)
	}
	p := asJSON[params](t, string(text))
	if p.Images != 2 || p.Trials != 8 || p.Solver != "bpg" || p.Prior != pr || len(p.Baselines) != 2 || p.Strength <= 0 || p.Scale <= 0 {
		t.Errorf("%+v", p)
	}
	// Tuned on all three, evaluated on them with the same noise: no worse.
	must(t, append(append([]string{"tune", "--force", "--trials", "8", "--crop", "0", "--images", "0", "--quiet", "-o", to}, args...), dir)...)
	mean := func(more ...string) float64 {
		out := must(t, append(append(append([]string{"eval", "--json"}, args...), more...), dir)...)
		return asJSON[struct{ Mean struct{ PSNR float64 } }](t, out).Mean.PSNR
	}
	if tuned, plain := mean("--params", to), mean("--strength", "1"); tuned < plain-0.3 {
		t.Errorf("tuned %.3f dB, default %.3f", tuned, plain)
	}
	// Flags go before the file.
	if a, b := mean("--params", to, "--strength", "3", "--scale", "2"), mean("--strength", "3", "--scale", "2"); a != b {
		t.Errorf("with flags %v dB, without the file %v", a, b)
	}
	y, x := filepath.Join(t.TempDir(), "y.npy"), filepath.Join(t.TempDir(), "x.npy")
	must(t, "degrade", "--operator", "blur:uniform,size=3", filepath.Join(dir, "0.png"), "-o", y)
	out := must(t, append(append([]string{"restore", "--json", "--params", to}, args...), y, "-o", x)...)
	if r := asJSON[struct{ Scale float64 }](t, out); r.Scale != asJSON[params](t, read(t, to)).Scale {
		t.Errorf("restored at scale %v", r.Scale)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A wrong file is one line and exit code 2.
func TestParamsRefused(t *testing.T) {
	dir, pr := tuneInputs(t)
	for text, want := range map[string]string{
		`{"strength": -1}`:            "strength is -1",
		`{"rho": 1e99}`:               "rho is 1e+99",
		`{"baselines": {"tvv": 1}}`:   "unknown baseline",
		`{"colour": 1}`:               "colour",
		`[1, 2]`:                      "lpn tune wrote",
		`{"solver": "sgd"}`:           "unknown solver",
		`{"prior": "no/such/prior"}`:  "no such file",
		`{"strength": 1, "scale": 0.`: "want a file that lpn tune wrote",
	} {
		path := filepath.Join(t.TempDir(), "p.json")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		args := []string{"eval", "--noise", "0.1", "--params", path, dir}
		if !strings.Contains(text, "prior") {
			args = append(args, "--prior", pr)
		}
		code, out, errOut := call(t, args...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, want) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%s: exit %d, %q, %q; want %q", text, code, out, errOut, want)
		}
	}
	if code, _, errOut := call(t, "restore", "--params", "nowhere.json", filepath.Join(dir, "0.png"), "-o", filepath.Join(t.TempDir(), "x.png")); code != exitUsage || !strings.Contains(errOut, "nowhere.json") {
		t.Errorf("exit %d, %q", code, errOut)
	}
}

// --tune-on finds strengths for the baselines that beat the untuned ones on
// the same pictures.
func TestEvalTuneOn(t *testing.T) {
	slow(t)
	dir, pr := tuneInputs(t)
	type result struct {
		Mean struct {
			Baselines map[string]struct{ PSNR float64 }
		}
		Strengths map[string]float64
	}
	args := []string{"eval", "--json", "--quiet", "--noise", "0.05", "--prior", pr, "--iters", "2", "--baseline", "input,wavelet,wiener", dir}
	plain := asJSON[result](t, must(t, args...))
	tuned := asJSON[result](t, must(t, append([]string{args[0], "--tune-on", dir}, args[1:]...)...))
	if len(plain.Strengths) != 0 || len(tuned.Strengths) != 2 {
		t.Errorf("strengths %v, tuned %v", plain.Strengths, tuned.Strengths)
	}
	for _, name := range []string{"wavelet", "wiener"} {
		// The noise is drawn anew, so a little less is possible.
		if a, b := tuned.Mean.Baselines[name].PSNR, plain.Mean.Baselines[name].PSNR; a < b-0.1 {
			t.Errorf("%s: tuned %.2f dB, untuned %.2f", name, a, b)
		}
	}
}

// A measurement file of a kernel from a file is restored without that file.
func TestMeasurementBringsKernel(t *testing.T) {
	dir, pr := t.TempDir(), prior(t)
	in := save(t, filepath.Join(dir, "in.png"), picture(1, 20, 20, 8))
	kernel := filepath.Join(dir, "psf.txt")
	if err := os.WriteFile(kernel, []byte("1 2 1\n2 4 2\n1 2 1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	y := filepath.Join(dir, "y.npz")
	must(t, "degrade", "--operator", "blur:kernel="+kernel, "--noise", "0.01", in, "-o", y)
	restore := func(to string) []byte {
		must(t, "restore", "--prior", pr, "--iters", "5", y, "-o", filepath.Join(dir, to))
		return []byte(read(t, filepath.Join(dir, to)))
	}
	with := restore("a.png")
	if err := os.Remove(kernel); err != nil {
		t.Fatal(err)
	}
	if string(restore("b.png")) != string(with) {
		t.Error("another picture without the kernel file")
	}
}

// What flags.ReadParams reads is what tune writes.
func TestParamsRoundTrip(t *testing.T) {
	p := params{Operator: "denoise", Boundary: "circular", Noise: 0.1, Images: 3, Seed: 4, Trials: 5, PSNR: 30,
		Prior: "a", Solver: "admm", Strength: 1.5, Scale: 2, Rho: 3, Baselines: map[string]float64{"tv": 0.5}}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	got, err := flags.ReadParams(path)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(p) {
		t.Errorf("%+v comes back as %+v, %v", p, got, err)
	}
}
