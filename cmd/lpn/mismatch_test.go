package main

import (
	"path/filepath"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// TestMismatch: an operator or a noise level that is not quite that of the
// measurement costs quality, but paints nothing: no picture ends more than
// 1.5 dB below its measurement. docs/mismatch.sh prints the whole table.
func TestMismatch(t *testing.T) {
	slow(t)
	const motion, gauss = "blur:motion,length=9,angle=30", "blur:gaussian,sigma=1.6"
	cases := []struct{ was, noise, told, toldNoise string }{
		{motion, "0.01", "blur:motion,length=9,angle=15", "0.01"},
		{motion, "0.01", "blur:motion,length=11,angle=32", "0.005"},
		{motion, "0.01", "blur:motion,length=7,angle=28", "0.02"},
		{gauss, "0.01", "blur:gaussian,sigma=2", "0.005"},
		{gauss, "0.004", "blur:gaussian,sigma=1.2", "0.004"},
		{"denoise", "25/255", "denoise", "12.5/255"},
		{"denoise", "15/255", "denoise", "30/255"},
	}
	for _, name := range []string{"still-life-gray", "still-life"} {
		clean, err := imageio.Read(filepath.Join("..", "..", "assets", "images", name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		truth := save(t, filepath.Join(dir, "truth.png"), square(clean, 80, 60, 96))
		for _, c := range cases {
			measured := filepath.Join(dir, "measured.png")
			must(t, "degrade", "--force", "--bits", "16", "--seed", "1", "--operator", c.was, "--noise", c.noise, truth, "-o", measured)
			r := asJSON[struct {
				PSNR  float64 `json:"psnr"`
				Input float64 `json:"input_psnr"`
			}](t, must(t, "restore", "--json", "--force", "--operator", c.told, "--noise", c.toldNoise, "--reference", truth, measured,
				"-o", filepath.Join(dir, "restored.png")))
			t.Logf("%s: %s, %s restored as %s, %s: %+.2f dB", name, c.was, c.noise, c.told, c.toldNoise, r.PSNR-r.Input)
			if r.PSNR-r.Input < -1.5 {
				t.Errorf("%s: %s, %s restored as %s, %s: %.2f dB from %.2f", name, c.was, c.noise, c.told, c.toldNoise, r.PSNR, r.Input)
			}
		}
	}
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
