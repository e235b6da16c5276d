package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEvalCompares: two priors, two levels, a baseline and another program's results stand
// side by side; each has the numbers that eval alone gives it.
func TestEvalCompares(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	for i := range 3 {
		save(t, filepath.Join(data, fmt.Sprintf("%d.png", i)), picture(1, 40+4*i, 48, 8))
	}
	table, figure, csv := filepath.Join(dir, "t.tex"), filepath.Join(dir, "t.svg"), filepath.Join(dir, "t.csv")
	r := asJSON[studyResult](t, must(t, "eval", "--json", "--noise", "25/255", "--noise", "0.1", "--prior", "gray-25", "--prior", "gray-15",
		"--baseline", "wiener", "--table", table, "--plot", figure, "--csv", csv, data))
	if len(r.Conditions) != 2 || len(r.Conditions[0].Methods) != 3 || r.Conditions[0].Condition != "denoise, noise 25/255" {
		t.Fatalf("%+v", r)
	}
	for m, prior := range []string{"gray-25", "gray-15"} {
		alone := asJSON[evalResult](t, must(t, "eval", "--json", "--noise", "25/255", "--prior", prior, "--baseline", "wiener", data))
		if got, want := r.Conditions[0].Methods[m].Mean.PSNR, alone.Mean.PSNR; math.Abs(float64(got-want)) > 1e-9 {
			t.Errorf("%s: %v, alone %v", prior, got, want)
		}
		if got, want := r.Conditions[0].Methods[2].Mean, alone.Mean.Baselines["wiener"]; got.PSNR != want.PSNR || got.SSIM != want.SSIM {
			t.Errorf("wiener: %v, alone %v", got, want)
		}
	}
	second := r.Conditions[1].Methods[1]
	sum := 0.0
	for i, q := range second.Images {
		sum += float64(q.PSNR-r.Conditions[1].Methods[0].Images[i].PSNR) / 3
	}
	if d := float64(*second.Difference); math.Abs(d-sum) > 1e-9 || float64(second.Interval[0]) > d || float64(second.Interval[1]) < d {
		t.Errorf("difference %v in %v, want %v", d, second.Interval, sum)
	}
	for path, want := range map[string]string{table: `\toprule`, figure: "<svg", csv: "condition,method,picture"} {
		if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, %.60s", path, err, b)
		}
	}
	// The measurements of degrade, taken for another program's results: noise of 25/255.
	must(t, "degrade", "--noise", "25/255", "-o", filepath.Join(dir, "out", "{name}.npy"), data)
	text := must(t, "eval", "--noise", "25/255", "--results", "copy="+filepath.Join(dir, "out"), data)
	if !strings.Contains(text, "copy") || !strings.Contains(text, "20.") {
		t.Errorf("no results of the other program of about 20.2 dB:\n%s", text)
	}
	for args, want := range map[string]string{
		"--prior gray-25 --prior gray-25":                   "two methods are called",
		"--results " + dir + "/none":                        "not a folder",
		"--noise auto --noise 0.1":                          "auto is no answer",
		"--prior gray-25 --prior gray-15 --table DIR/x.pdf": "--table",
	} {
		if code, _, stderr := call(t, append(append([]string{"eval"}, strings.Fields(strings.ReplaceAll(args, "DIR", dir))...), data)...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("eval %s: exit %d, %q; want %q", args, code, stderr, want)
		}
	}
}
