package main

import (
	"fmt"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// measured prints what comes out of the inputs of a folder of cases that other machines
// measured: small pictures, masks, files of kernels, scans.
func (j judge) measured(dir string) error {
	fmt.Println("| case | wanted | got | right |")
	fmt.Println("|---|---|---|---|")
	for _, c := range []func(judge, string) error{
		judge.enlarged, judge.opacity, judge.masks, judge.weights, judge.kernelFiles, judge.transposed, judge.ownScans, judge.units, judge.attenuation,
	} {
		if err := c(j, dir); err != nil {
			return err
		}
	}
	return nil
}

// enlarged: pictures that are means of blocks of a larger one.
func (j judge) enlarged(dir string) error {
	dir = filepath.Join(dir, "sr-half-pixel")
	for _, f := range []int{2, 4} {
		truth := filepath.Join(dir, fmt.Sprintf("truth%d.png", f))
		cubic, _, err := distance(truth, filepath.Join(dir, fmt.Sprintf("bicubic%d.png", f)))
		if err != nil {
			return err
		}
		for _, kernel := range []string{"", fmt.Sprintf(",kernel=uniform,size=%d", f)} {
			for _, flags := range [][]string{{"--noise", "0.01"}, nil} {
				op := fmt.Sprintf("sr:factor=%d%s", f, kernel)
				r, err := j.one(filepath.Join(dir, fmt.Sprintf("small_box%d.png", f)), append(flags, "--operator", op, "--reference", truth)...)
				if err != nil {
					return err
				}
				verdict(strings.Join(append([]string{op}, flags...), " "), fmt.Sprintf("above %.2f dB, the cubic enlargement", cubic), r.PSNR > cubic, "%.2f dB", r.PSNR)
			}
		}
	}
	return nil
}

// opacity: a disc cut out by alpha, whose edge is smooth.
func (j judge) opacity(dir string) error {
	r, err := j.one(filepath.Join(dir, "alpha-sr-blocks", "a.png"), "--operator", "sr:factor=2", "--noise", "0.01")
	if err != nil {
		return err
	}
	f, err := os.Open(r.Output)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		return err
	}
	sum, blocks := 0.0, true
	alpha := func(x, y int) float64 { return float64(color.NRGBA64Model.Convert(m.At(x, y)).(color.NRGBA64).A) / 257 }
	for y := range 128 {
		for x := range 128 {
			d := alpha(x, y) - 255*min(1, max(0, 48.5-math.Hypot(float64(y)-63.5, float64(x)-63.5)))
			sum += d * d
			blocks = blocks && alpha(x, y) == alpha(x&^1, y&^1)
		}
	}
	rms := math.Sqrt(sum / (128 * 128))
	verdict("opacity, 2-fold", "smooth, at most 9.9 of 255 from the truth, as by cubic interpolation", !blocks && rms < 9.9, "%.1f, blocks %v", rms, blocks)
	return nil
}

// masks: the same mask in three kinds of file.
func (j judge) masks(dir string) error {
	dir = filepath.Join(dir, "inpaint-masks")
	truth, file := filepath.Join(dir, "truth.png"), filepath.Join(dir, "i.png")
	for _, c := range []struct {
		mask  string
		noise []string
	}{{"mask255.png", []string{"--noise", "0"}}, {"mask01.png", []string{"--noise", "0"}}, {"mask_alpha.png", []string{"--noise", "0"}}, {"mask255.png", nil}} {
		r, err := j.one(file, append(c.noise, "--operator", "inpaint:mask="+filepath.Join(dir, c.mask), "--reference", truth)...)
		if err != nil {
			return err
		}
		verdict(strings.Join(append([]string{"inpaint:mask=" + c.mask}, c.noise...), " "), "40.5 dB", r.PSNR >= 40.5, "%.2f dB", r.PSNR)
	}
	return nil
}

// weights: the same holes as weights of 0, as a mask of weights and as NaN.
func (j judge) weights(dir string) error {
	dir = filepath.Join(dir, "inpaint-masks")
	y, err := read(filepath.Join(dir, "i.png"))
	if err != nil {
		return err
	}
	mask, err := read(filepath.Join(dir, "mask255.png"))
	if err != nil {
		return err
	}
	truth, err := read(filepath.Join(dir, "truth.png"))
	if err != nil {
		return err
	}
	gaps, weights := y.Image.Clone(), operators.NewImage(y.Shape)
	for i, v := range mask.Pix {
		if v < 0.5 {
			gaps.Pix[i] = float32(math.NaN())
		} else {
			weights.Pix[i] = 1e6
		}
	}
	for name, m := range map[string]operators.Image{"y.npy": y.Image, "nan.npy": gaps, "weights.npy": weights, "truth.npy": truth.Image} {
		if err := j.save(name, m); err != nil {
			return err
		}
	}
	for _, c := range [][]string{
		{"y.npy", "--weights", filepath.Join(j.work, "weights.npy")},
		{"y.npy", "--weights", filepath.Join(dir, "mask255.png")},
		{"nan.npy", "--missing", "nan"},
	} {
		r, err := j.one(filepath.Join(j.work, c[0]), append(c[1:], "--reference", filepath.Join(j.work, "truth.npy"))...)
		if err != nil {
			return err
		}
		verdict("holes by "+c[1]+" "+filepath.Base(c[2]), "40.5 dB, as by inpaint", r.PSNR >= 40.5, "%.2f dB", r.PSNR)
	}
	return nil
}

// save writes an array to the working folder.
func (j judge) save(name string, m operators.Image) error {
	return imageio.WriteArray(filepath.Join(j.work, name), &imageio.Array{Shape: []int{m.H, m.W}, Data: m.Pix})
}

// kernelFiles: one Gaussian in four files.
func (j judge) kernelFiles(dir string) error {
	dir = filepath.Join(dir, "psf-centre")
	for _, c := range []struct{ file, mend, says string }{
		{"clean.png", "", ""}, {"even.npy", ",centre", "centroid"}, {"off.npy", ",centre", "centroid"}, {"ped.png", ",background=auto", "background"},
	} {
		to := filepath.Join(j.work, "kernel.npy")
		op := "blur:kernel=" + filepath.Join(dir, c.file)
		got := func(op string) (psnr float64, remarks string, err error) {
			_, said, err := j.run("restore", "--force", "--operator", op, "--noise", "0.005", filepath.Join(dir, "b.npy"), "-o", to)
			if err != nil {
				return 0, "", fmt.Errorf("%s: %w\n%s", op, err, said)
			}
			psnr, _, err = distance(filepath.Join(dir, "truth.npy"), to)
			return psnr, string(said), err
		}
		before, said, err := got(op)
		if err != nil {
			return err
		}
		after, _, err := got(op + c.mend)
		if err != nil {
			return err
		}
		verdict("kernel "+c.file+c.mend, "said, and 34.4 dB when corrected", after >= 34.4 && strings.Contains(said, c.says), "%.2f dB, corrected %.2f", before, after)
	}
	return nil
}

// transposed: a sinogram of detectors x angles is refused by name.
func (j judge) transposed(dir string) error {
	dir = filepath.Join(dir, "sinogram-transposed")
	to := filepath.Join(j.work, "slice.npy")
	if _, said, err := j.run("restore", "--quiet", "--force", filepath.Join(dir, "ok.npz"), "-o", to); err != nil {
		return fmt.Errorf("ok.npz: %w\n%s", err, said)
	}
	d, _, err := distance(filepath.Join(dir, "truth.npy"), to)
	if err != nil {
		return err
	}
	_, said, err := j.run("restore", "--quiet", "--force", filepath.Join(dir, "T.npz"), "-o", to)
	verdict("sinogram transposed", "refused in one line that says so", err != nil && strings.Count(string(said), "\n") == 1 && strings.Contains(string(said), "transposed"),
		"as it is %.2f dB; turned: %q", d, strings.TrimSpace(string(said)))
	return nil
}

// ownScans: geometries and masks of one's own can be measured and restored.
func (j judge) ownScans(dir string) error {
	x := filepath.Join(dir, "own-scan-geometry", "x.npy")
	truth, err := read(x)
	if err != nil {
		return err
	}
	rows := operators.NewImage(operators.Shape{C: 1, H: 1, W: truth.H})
	var angles strings.Builder
	for i := range rows.Pix {
		u := min(i, truth.H-i)
		if u <= truth.H/16 || i%3 == 0 {
			rows.Pix[i] = 1
		}
		fmt.Fprintf(&angles, "%g\n", 180*math.Pow(float64(i)/float64(truth.H), 1.1))
	}
	if err := j.save("rows.npy", rows); err != nil {
		return err
	}
	list := filepath.Join(j.work, "angles.txt")
	if err := os.WriteFile(list, []byte(angles.String()), 0o666); err != nil {
		return err
	}
	scan, to := filepath.Join(j.work, "scan.npz"), filepath.Join(j.work, "scan.npy")
	for _, c := range []struct {
		op, noise string
	}{
		{"mri:mask=" + filepath.Join(j.work, "rows.npy"), "0.01"},
		{"tomo:angles=" + list, "0.1"},
		{"tomo:angles=90,detectors=96,centre=49.5", "0.1"},
		{fmt.Sprintf("tomo:angles=90,span=360,geometry=fan-flat,source=%d,detector=%d", 3*truth.W, 2*truth.W), "0.1"},
		{fmt.Sprintf("tomo:angles=90,span=360,geometry=fan-curved,source=%d,detector=%d", 3*truth.W, 2*truth.W), "0.1"},
	} {
		name := strings.ReplaceAll(c.op, j.work+string(filepath.Separator), "")
		for _, args := range [][]string{
			{"degrade", "--quiet", "--force", "--seed", "1", "--operator", c.op, "--noise", c.noise, x, "-o", scan},
			{"restore", "--quiet", "--force", scan, "-o", to},
		} {
			if _, said, err := j.run(args...); err != nil {
				return fmt.Errorf("%s: %w\n%s", name, err, said)
			}
		}
		d, _, err := distance(x, to)
		if err != nil {
			return err
		}
		verdict(name, "measured and restored", d >= 25, "%.2f dB", d)
	}
	return nil
}
