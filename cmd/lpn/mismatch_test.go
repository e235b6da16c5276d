package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// TestMismatch: an operator or a noise level that is not quite that of the
// measurement costs quality, but paints nothing: no picture ends more than
// 1.2 dB below its measurement. docs/mismatch.sh prints the whole table.
func TestMismatch(t *testing.T) {
	slow(t)
	const motion, gauss = "blur:motion,length=9,angle=30", "blur:gaussian,sigma=1.6"
	cases := []struct{ was, noise, told, toldNoise string }{
		{motion, "0.01", "blur:motion,length=9,angle=15", "0.01"},
		{motion, "0.01", "blur:motion,length=11,angle=32", "0.005"},
		{motion, "0.01", "blur:motion,length=7,angle=28", "0.02"},
		{gauss, "0.01", "blur:gaussian,sigma=2", "0.005"},
		{gauss, "0.004", "blur:gaussian,sigma=1.2", "0.004"},
		{gauss, "0.01", "blur:gaussian,sigma=3.2", "0.01"},
		{motion, "0.01", "blur:motion,length=18,angle=30", "0.01"},
		{"blur:disk,radius=2", "0.004", "blur:disk,radius=4", "0.004"},
		// With little noise the residual of a wrong kernel is noise, too.
		{motion, "0.002", "blur:motion,length=9,angle=15", "auto"},
		{motion, "0.002", "blur:motion,length=9,angle=60", "auto"},
		{motion, "0.002", "blur:motion,length=5,angle=30", "auto"},
		{motion, "0.002", gauss, "auto"},
		{gauss, "0.002", "blur:gaussian,sigma=2", "auto"},
		{"blur:disk,radius=3", "0.002", "blur:disk,radius=3.5", "auto"},
		{"denoise", "25/255", "denoise", "12.5/255"},
		{"denoise", "15/255", "denoise", "30/255"},
	}
	for _, name := range []string{"still-life-gray", "still-life"} {
		dir := t.TempDir()
		truth := stillLife(t, dir, name, 96)
		for _, c := range cases {
			measured := filepath.Join(dir, "measured.png")
			must(t, "degrade", "--force", "--bits", "16", "--seed", "1", "--operator", c.was, "--noise", c.noise, truth, "-o", measured)
			r := asJSON[struct {
				PSNR  float64 `json:"psnr"`
				Input float64 `json:"input_psnr"`
			}](t, must(t, "restore", "--json", "--force", "--operator", c.told, "--noise", c.toldNoise, "--reference", truth, measured,
				"-o", filepath.Join(dir, "restored.png")))
			t.Logf("%s: %s, %s restored as %s, %s: %+.2f dB", name, c.was, c.noise, c.told, c.toldNoise, r.PSNR-r.Input)
			if r.PSNR-r.Input < -1.2 {
				t.Errorf("%s: %s, %s restored as %s, %s: %.2f dB from %.2f", name, c.was, c.noise, c.told, c.toldNoise, r.PSNR, r.Input)
			}
		}
	}
}

// TestNoiseToldTooLarge: a picture that is told much more noise than it surely shows is denoised as one whose noise was
// not told; not where a strength is asked for.
func TestNoiseToldTooLarge(t *testing.T) {
	slow(t)
	for _, name := range []string{"still-life-gray", "still-life"} {
		dir := t.TempDir()
		truth := filepath.Join("..", "..", "assets", "images", name+".png")
		measured, out := filepath.Join(dir, "measured.png"), filepath.Join(dir, "restored.png")
		gain := func(args ...string) float64 {
			args = append([]string{"restore", "--json", "--force", "--reference", truth, measured, "-o", out}, args...)
			r := asJSON[struct {
				PSNR  float64 `json:"psnr"`
				Input float64 `json:"input_psnr"`
			}](t, must(t, args...))
			return r.PSNR - r.Input
		}
		for _, c := range []struct{ was, told string }{{"5/255", "10/255"}, {"4/255", "12/255"}, {"15/255", "50/255"}} {
			must(t, "degrade", "--force", "--seed", "1", "--operator", "denoise", "--noise", c.was, truth, "-o", measured)
			found, told, all := gain(), gain("--noise", c.told), gain("--noise", c.told, "--strength", "1")
			if told < found-0.1 || told < -0.7 || told < all+1 {
				t.Errorf("%s: %s told %s: %+.2f dB, %+.2f not told, %+.2f for all that was told", name, c.was, c.told, told, found, all)
			}
		}
	}
}

// TestContradictedBlur: a kernel that cannot be that of the picture leaves it as it is, and
// says so; not where a strength is asked for.
func TestContradictedBlur(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	truth, measured, out := stillLife(t, dir, "still-life-gray", 128), filepath.Join(dir, "measured.npy"), filepath.Join(dir, "out.npy")
	must(t, "degrade", "--seed", "1", "--operator", "blur:gaussian,sigma=1", "--noise", "0.004", truth, "-o", measured)
	args := []string{"restore", "--json", "--force", "--operator", "blur:gaussian,sigma=2.5", "--noise", "0.004", measured, "-o", out}
	r := asJSON[restored](t, must(t, args...))
	if r.Suspect == nil || !strings.Contains(*r.Suspect, "not that of the measurement") || r.Certified {
		t.Errorf("%+v", r)
	}
	if d := distance(load(t, measured).Pix, load(t, out).Pix); d > 1e-6 {
		t.Errorf("the picture has changed by %v", d)
	}
	must(t, append(args, "--strength", "64")...)
	if d := distance(load(t, measured).Pix, load(t, out).Pix); d < 1e-3 {
		t.Error("a strength that was asked for has done nothing")
	}
}

// TestBlurredJPEG: a blurred picture with noise that was saved as JPEG, which takes the noise from
// the high frequencies by which it could be measured, is better for undoing the blur.
func TestBlurredJPEG(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	truth := stillLife(t, dir, "still-life-gray", 128)
	for _, c := range []struct {
		spec, noise, quality string
	}{
		{"blur:gaussian,sigma=1.6", "0.002", "60"},
		{"blur:gaussian,sigma=1.6", "0.01", "85"},
		{"blur:motion,length=9,angle=30", "0.002", "85"},
		{"blur:motion,length=9,angle=30", "0.03", "60"},
	} {
		measured := filepath.Join(dir, "measured.jpg")
		must(t, "degrade", "--force", "--seed", "1", "--operator", c.spec, "--noise", c.noise, "--quality", c.quality, truth, "-o", measured)
		r := asJSON[struct {
			PSNR  float64 `json:"psnr"`
			Input float64 `json:"input_psnr"`
		}](t, must(t, "restore", "--json", "--force", "--operator", c.spec, "--reference", truth, measured, "-o", filepath.Join(dir, "out.png")))
		t.Logf("%v: %.2f dB from %.2f", c, r.PSNR, r.Input)
		if r.PSNR < r.Input+0.5 {
			t.Errorf("%v: %.2f dB from %.2f", c, r.PSNR, r.Input)
		}
	}
}

// stillLife saves the square of side n of a picture of assets/images in dir.
func stillLife(t *testing.T, dir, name string, n int) string {
	t.Helper()
	return save(t, filepath.Join(dir, "truth.png"), square(load(t, filepath.Join("..", "..", "assets", "images", name+".png")), 80, 60, n))
}

// square is the square of side n at a row and column.
func square(p *imageio.Picture, row, col, n int) *imageio.Picture {
	q := &imageio.Picture{Image: operators.NewImage(operators.Shape{C: p.C, H: n, W: n}), Bits: p.Bits}
	for c := range p.C {
		for y := range n {
			copy(q.Plane(c)[y*n:][:n], p.Plane(c)[(row+y)*p.W+col:][:n])
		}
	}
	return q
}

// TestEnlarged: blur:auto takes the interpolation of an enlarged picture for no blur, and says what the picture is.
func TestEnlarged(t *testing.T) {
	slow(t)
	small, err := imaging.Open(filepath.Join("..", "..", "assets", "images", "still-life-gray.png"))
	if err != nil {
		t.Fatal(err)
	}
	w, dir := small.Bounds().Dx(), t.TempDir()
	small = imaging.Resize(small, w/2, 0, imaging.Lanczos)
	large, out := filepath.Join(dir, "large.png"), filepath.Join(dir, "out.png")
	if err := imaging.Save(imaging.Resize(small, w, 0, imaging.CatmullRom), large); err != nil {
		t.Fatal(err)
	}
	r := asJSON[restored](t, must(t, "restore", "--json", "--operator", "blur:auto", large, "-o", out))
	if !strings.Contains(r.Note, "enlarged") {
		t.Errorf("%+v", r)
	}
	if d := distance(load(t, large).Pix, load(t, out).Pix); d > 1e-6 {
		t.Errorf("the picture has changed by %v", d)
	}
}
