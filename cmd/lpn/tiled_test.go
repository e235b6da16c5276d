package main

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// large is a picture larger than the memory that the tests give it.
func large(t *testing.T, dir string, c, h, w int) string {
	t.Helper()
	p := picture(c, h, w, 8)
	rng := rand.New(rand.NewPCG(4, 2))
	for i := range p.Pix {
		p.Pix[i] += 0.1 * float32(rng.NormFloat64())
	}
	return save(t, filepath.Join(dir, "y.npy"), p)
}

// TestTiledDenoise: where denoising is one evaluation of the network, windows
// give the picture that the whole gives.
func TestTiledDenoise(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	pr := prior(t)
	whole, tiled := filepath.Join(dir, "whole.npy"), filepath.Join(dir, "tiled.npy")
	for _, c := range []int{1, 3} {
		y := large(t, dir, c, 451, 420)
		args := []string{"restore", "--json", "--force", "--prior", pr, "--noise", "0.1", y, "-o"}
		w := asJSON[restored](t, must(t, append(args, whole)...))
		code, stdout, stderr := call(t, append(args, tiled, "--memory", "1M")...)
		if code != exitOK || !strings.Contains(stderr, " windows of ") || !strings.Contains(stderr, "(--memory)") {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		r := asJSON[restored](t, stdout)
		if !r.Certified || !r.Converged || !w.Certified || r.Iterations != 1 || w.Iterations != 1 {
			t.Errorf("%+v\n%+v", r, w)
		}
		if d := distance(load(t, whole).Pix, load(t, tiled).Pix); d > 1e-6 {
			t.Errorf("%d channels: windows are off by %v", c, d)
		}
	}
	// Another strength iterates: equal up to the influence of the cuts.
	y := large(t, dir, 1, 151, 120)
	args := []string{"restore", "--json", "--force", "--prior", pr, "--noise", "0.1", "--strength", "0.5", "--tol", "1e-5", y, "-o"}
	must(t, append(args, whole)...)
	r := asJSON[restored](t, must(t, append(args, tiled, "--memory", "1M")...))
	if d := distance(load(t, whole).Pix, load(t, tiled).Pix); r.Certified || d > 1e-4 {
		t.Errorf("strength 0.5: certified %v, off by %v", r.Certified, d)
	}
}

// TestTiledDeblur: under every boundary the windows differ from the whole by
// less than half an 8-bit level anywhere, and by a hundredth of one on average.
func TestTiledDeblur(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	pr := prior(t)
	truth := save(t, filepath.Join(dir, "truth.png"), picture(1, 120, 90, 8))
	for _, c := range []struct{ spec, boundary string }{
		{"blur:gaussian,sigma=1.2", "symmetric"},
		{"blur:gaussian,sigma=1.2", "valid"},
		{"blur:motion,length=9,angle=30", "replicate"},
	} {
		y, whole, tiled := filepath.Join(dir, "y.npy"), filepath.Join(dir, "whole.npy"), filepath.Join(dir, "tiled.npy")
		must(t, "degrade", "--force", "--operator", c.spec, "--boundary", c.boundary, "--noise", "0.02", truth, "-o", y)
		args := []string{"restore", "--json", "--force", "--prior", pr, "--operator", c.spec, "--boundary", c.boundary, "--noise", "0.02", "--strength", "1", "--tol", "1e-4", y, "-o"}
		must(t, append(args, whole)...)
		code, stdout, stderr := call(t, append(args, tiled, "--memory", "1M")...)
		if code != exitOK || !strings.Contains(stderr, " windows of ") {
			t.Fatalf("%v: exit %d: %s", c, code, stderr)
		}
		r := asJSON[restored](t, stdout)
		if r.Certified || !strings.Contains(r.Uncertified, "influence of the cuts") {
			t.Errorf("%v: %+v", c, r)
		}
		a, b := load(t, whole), load(t, tiled)
		if a.Shape != b.Shape {
			t.Fatalf("%v: %v in windows, %v as a whole", c, b.Shape, a.Shape)
		}
		mean := 0.0
		for i, v := range a.Pix {
			mean += math.Abs(float64(v-b.Pix[i])) / float64(len(a.Pix))
		}
		d := distance(a.Pix, b.Pix)
		t.Logf("%v: %.2g levels, mean %.2g", c, 255*d, 255*mean)
		if 255*d > 0.5 || 255*mean > 0.02 {
			t.Errorf("%v: windows are off by %.3g levels, %.3g on average", c, 255*d, 255*mean)
		}
	}
}

// TestTooLarge: what can be solved neither as a whole nor in windows is refused
// before it takes the memory.
func TestTooLarge(t *testing.T) {
	dir := t.TempDir()
	pr := prior(t)
	y := large(t, dir, 1, 451, 420)
	out := filepath.Join(dir, "x.npy")
	for _, c := range []struct{ args, want string }{
		{"--operator inpaint:ratio=0.5", "only denoise, blur and jpeg are cut into windows"},
		{"--operator sr:factor=2", "only denoise, blur and jpeg are cut into windows"},
		{"--operator blur:gaussian,sigma=1 --boundary circular", "where opposite edges meet"},
	} {
		args := append([]string{"restore", "--prior", pr, "--noise", "0.1", "--memory", "1M", y, "-o", out}, strings.Fields(c.args)...)
		code, _, stderr := call(t, args...)
		if code != exitFailed || !strings.Contains(stderr, c.want) || !strings.HasPrefix(stderr, "lpn: "+y+": restoring ") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d: %s", c.args, code, stderr)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--memory", "much"}, `--memory: "much" is not a size such as 512M or 4GiB`},
		{[]string{"--memory", "1M", "--trace", filepath.Join(dir, "t.csv")}, "want the picture solved as a whole, which takes about "},
	} {
		code, _, stderr := call(t, append([]string{"restore", "--prior", pr, "--noise", "0.1", y, "-o", out}, c.args...)...)
		if code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d: %s", c.args, code, stderr)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("an output was written")
	}
}

// TestInterruptTiles: Ctrl-C between windows writes nothing.
func TestInterruptTiles(t *testing.T) {
	dir := t.TempDir()
	y := large(t, dir, 1, 451, 420)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code, _, stderr := callWith(t, ctx, nil, "restore", "--quiet", "--prior", prior(t), "--noise", "0.1", "--memory", "1M", y, "-o", filepath.Join(dir, "x.npy"))
	if code != exitInterrupt || stderr != "lpn: interrupted\n" {
		t.Errorf("exit %d: %q", code, stderr)
	}
}
