package main

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/flags"
	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// holed is a picture in which a cross is missing, with the mask in several guises.
func holed(t *testing.T) (truth, holes string, masks map[string]string) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	p := picture(1, 32, 36, 8)
	truth = save(t, at("truth.png"), p)
	known := make([]bool, len(p.Pix))
	for i := range known {
		y, x := i/36, i%36
		known[i] = (y < 14 || y > 16) && (x < 17 || x > 19)
	}
	mask := func(name string, high float32, bits int) string {
		m := picture(1, 32, 36, bits)
		for i, k := range known {
			m.Pix[i] = 0
			if k {
				m.Pix[i] = high
			}
		}
		return save(t, at(name), m)
	}
	masks = map[string]string{"255": mask("m255.png", 1, 8), "1": mask("m1.png", 1./255, 8), "float": mask("m.npy", 7, 32)}
	see := picture(1, 32, 36, 8)
	see.Alpha = make([]uint16, len(known))
	for i, k := range known {
		if k {
			see.Alpha[i] = 0xffff
		}
	}
	masks["alpha"] = save(t, at("alpha.png"), see)
	for i, k := range known {
		if !k {
			p.Pix[i] = 0
		}
	}
	return truth, save(t, at("holes.png"), p), masks
}

// TestMasks: whatever stands for white, and transparency, are the same mask, for inpaint
// and for weights; and so are a transparent picture and one with NaN that are asked for
// what is missing.
func TestMasks(t *testing.T) {
	truth, holes, masks := holed(t)
	out := func(args ...string) *imageio.Picture {
		to := filepath.Join(t.TempDir(), "o.npy")
		must(t, slices.Concat([]string{"restore", "--quiet", "--iters", "40", "--noise", "0.002"}, args, []string{"-o", to})...)
		return load(t, to)
	}
	want := out("--operator", "inpaint:mask="+masks["255"], holes)
	if d := distance(want.Pix, load(t, truth).Pix); d > 0.1 {
		t.Errorf("inpainted %.3g from the truth", d)
	}
	for name, m := range masks {
		if d := distance(want.Pix, out("--operator", "inpaint:mask="+m, holes).Pix); d > 1e-6 {
			t.Errorf("mask %s: %.3g from that of 255", name, d)
		}
		if d := distance(want.Pix, out("--weights", m, holes).Pix); d > 2e-3 && name != "float" {
			t.Errorf("weights %s: %.3g from the mask", name, d)
		}
	}
	see := load(t, masks["alpha"])
	if got := out("--missing", "alpha", masks["alpha"]); distance(want.Pix, got.Pix) > 2e-3 || got.Alpha != nil {
		t.Error("transparent pixels are not filled")
	}
	nan := picture(1, 32, 36, 32)
	for i, a := range see.Alpha {
		if a == 0 {
			nan.Pix[i] = float32(math.NaN())
		}
	}
	path := filepath.Join(t.TempDir(), "nan.npy")
	save(t, path, nan)
	// The range of an array is not known, that of 8 bits is.
	if d := distance(want.Pix, out("--missing", "nan", "--range", "0:1", path).Pix); d > 5e-3 {
		t.Errorf("NaN: %.3g from the mask", d)
	}
	for args, says := range map[string]string{
		"--missing nans": `did you mean "nan"`,
		"--light liner":  `did you mean "linear"`,
		"--light linear": "not with denoise",
		"--weights " + filepath.Join(filepath.Dir(truth), "none.npy"): "none.npy",
		"--weights " + masks["float"] + " --noise poisson:gain=0.01":  "--weights: goes with",
	} {
		code, _, errOut := call(t, slices.Concat([]string{"restore", "-o", path + ".out.npy"}, strings.Fields(args), []string{holes})...)
		if code == exitOK || !strings.Contains(errOut, says) {
			t.Errorf("%s: exit %d, %q", args, code, errOut)
		}
	}
}

// TestResampling: a small picture comes back at the size that is asked for, the opacity
// with it, and what is odd with a kernel is said.
func TestResampling(t *testing.T) {
	dir := t.TempDir()
	small := picture(3, 20, 24, 8)
	small.Alpha = make([]uint16, 20*24)
	for i := range small.Alpha {
		small.Alpha[i] = uint16(min(0xffff, i*257))
	}
	in := save(t, filepath.Join(dir, "s.png"), small)
	for spec, size := range map[string][2]int{"sr:factor=1.5": {30, 36}, "sr:to=60x40": {40, 60}, "sr:factor=2x1.5,kernel=lanczos3": {30, 48}} {
		to := filepath.Join(dir, "o.png")
		must(t, "restore", "--quiet", "--force", "--iters", "5", "--operator", spec, in, "-o", to)
		if p := load(t, to); p.H != size[0] || p.W != size[1] || len(p.Alpha) != p.H*p.W {
			t.Errorf("%s: %dx%d with %d of alpha, want %dx%d", spec, p.W, p.H, len(p.Alpha), size[1], size[0])
		}
	}
	if code, _, errOut := call(t, "restore", "--operator", "sr:to=10x10", in, "-o", filepath.Join(dir, "no.png")); code == exitOK || !strings.Contains(errOut, "1 to 16 times as large") {
		t.Errorf("made smaller: %q", errOut)
	}
	k := picture(1, 9, 9, 32)
	for i := range k.Pix {
		y, x := float64(i/9-2), float64(i%9-4)
		k.Pix[i] = float32(math.Exp(-(x*x + y*y) / 3))
	}
	kernel := save(t, filepath.Join(dir, "k.npy"), k)
	code, _, errOut := call(t, "restore", "--force", "--iters", "3", "--noise", "0.01", "--operator", "blur:kernel="+kernel, in, "-o", filepath.Join(dir, "b.png"))
	if code != exitOK || !strings.Contains(errOut, "centroid lies -1.9") || !strings.Contains(errOut, "light: ") {
		t.Errorf("exit %d, %q", code, errOut)
	}
	if _, _, errOut := call(t, "restore", "--force", "--iters", "3", "--noise", "0.01", "--operator", "blur:kernel="+kernel+",centre", "--light", "srgb", in, "-o", filepath.Join(dir, "b.png")); strings.Contains(errOut, "centroid") || strings.Contains(errOut, "light: ") {
		t.Errorf("mended, and said still: %q", errOut)
	}
}

// TestTransparentMask: opacity is read from masks only.
func TestTransparentMask(t *testing.T) {
	_, _, masks := holed(t)
	m, err := flags.Mask(masks["alpha"])
	if err != nil || m.Shape != (operators.Shape{C: 1, H: 32, W: 36}) || m.Pix[15*36] != 0 || m.Pix[0] != 1 {
		t.Errorf("mask %v, %v", m.Shape, err)
	}
	k, err := openOperatorFile(masks["alpha"])
	if err != nil || k.Pix[15*36] == 0 {
		t.Errorf("a kernel takes opacity: %v", err)
	}
}
