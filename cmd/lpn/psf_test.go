package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/blind"
)

// TestBlurAuto: a picture out of focus, of which nothing is said. psf tells the
// radius, restore comes nearer to the truth, and the kernel file is what another
// restoration takes.
func TestBlurAuto(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	truth := filepath.Join("..", "..", "assets", "images", "still-life.png")
	must(t, "degrade", "--operator", "blur:disk,radius=2.5", "--noise", "0.01", truth, "-o", in("blurred.png"))
	r := asJSON[foundPSF](t, must(t, "psf", "--json", "--kind", "disk", in("blurred.png"), "-o", in("psf.npy"), "--plot", in("psf.png")))
	if got := r.Parameters["radius"]; r.Kind != blind.Disk || math.Abs(got-2.5) > 0.25 || r.Sharp {
		t.Errorf("found %+v", r)
	}
	a, err := imageio.ReadArray(in("psf.npy"))
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, v := range a.Data {
		sum += float64(v)
	}
	if len(a.Shape) != 2 || a.Shape[0] != r.Size || math.Abs(sum-1) > 1e-5 {
		t.Errorf("kernel file %v of sum %v", a.Shape, sum)
	}
	if _, err := os.Stat(in("psf.png")); err != nil {
		t.Error(err)
	}
	got := asJSON[restored](t, must(t, "restore", "--json", "--operator", "blur:auto,kind=disk", "--iters", "12", "--reference", truth,
		"--psf-out", in("psf2.npy"), in("blurred.png"), "-o", in("restored.png")))
	if got.Blur == nil || !strings.HasPrefix(got.Operator, "blur:disk,radius=") {
		t.Errorf("operator %s, blur %v", got.Operator, got.Blur)
	}
	if got.PSNR == nil || got.InputPSNR == nil || *got.PSNR < *got.InputPSNR+0.5 {
		t.Errorf("PSNR %v of the blurred picture, %v of the restored one", got.InputPSNR, got.PSNR)
	}
	if plan := must(t, "restore", "--plan", "--operator", "blur:auto,kind=disk", in("blurred.png")); !strings.Contains(plan, "found in the picture") {
		t.Errorf("the plan does not say that the blur was found:\n%s", plan)
	}
}

// TestBlurAutoRefuses: what goes with blur:auto only, and what cannot be.
func TestBlurAutoRefuses(t *testing.T) {
	dir := t.TempDir()
	picture := filepath.Join("..", "..", "assets", "images", "still-life-blurred.png")
	to := filepath.Join(dir, "x.npy")
	for _, c := range []struct {
		want string
		code int
		args []string
	}{
		{"go with --operator blur:auto", exitUsage, []string{"restore", "--psf-out", to, picture, "-o", filepath.Join(dir, "r.png")}},
		{"a kernel goes to a .npy file", exitUsage, []string{"psf", picture, "-o", filepath.Join(dir, "x.png")}},
		{"size=8 is even", exitUsage, []string{"psf", "--size", "8", picture}},
		{"want free, gaussian, disk, motion", exitUsage, []string{"psf", "--kind", "round", picture}},
		{"goes with kind=free", exitUsage, []string{"restore", "--operator", "blur:auto,kind=disk,size=9", picture, "-o", filepath.Join(dir, "r.png")}},
		{"the kernel is not found yet", 1, []string{"degrade", "--operator", "blur:auto", picture, "-o", filepath.Join(dir, "r.png")}},
		{"no such file", exitUsage, []string{"psf", "--psf-start", filepath.Join(dir, "none.npy"), picture}},
	} {
		code, _, stderr := call(t, c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("lpn %s: exit %d: %s; want %d, %q", strings.Join(c.args, " "), code, stderr, c.code, c.want)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}
