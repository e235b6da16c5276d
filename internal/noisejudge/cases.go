package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
)

// cases prints what comes out of the inputs of a folder of cases, and what is right.
func (j judge) cases(dir string) error {
	fmt.Println("| case | wanted | got | right |")
	fmt.Println("|---|---|---|---|")
	for _, c := range []func(judge, string) error{
		judge.flatParts, judge.cameraCase, judge.grayInColour, judge.lowNoise, judge.photons, judge.units, judge.attenuation, judge.clipping, judge.saturated,
	} {
		if err := c(j, dir); err != nil {
			return err
		}
	}
	return nil
}

func verdict(name, wanted string, right bool, got string, args ...any) {
	word := "yes"
	if !right {
		word = "NO"
	}
	fmt.Printf("| %s | %s | %s | %s |\n", name, wanted, fmt.Sprintf(got, args...), word)
}

// one restores one file.
func (j judge) one(file string, flags ...string) (result, error) {
	r, err := j.restore([]string{file}, flags...)
	if err != nil {
		return result{}, err
	}
	return r[0], nil
}

// flatParts: noise of 0.08 everywhere but in a part that is flat.
func (j judge) flatParts(dir string) error {
	dir = filepath.Join(dir, "auto-noise-flat-region")
	for _, name := range []string{"databar", "letterbox", "flatblue"} {
		file, truth := filepath.Join(dir, name+".png"), filepath.Join(dir, name+"_truth.png")
		found, err := j.one(file, "--reference", truth)
		if err != nil {
			return err
		}
		given, err := j.one(file, "--reference", truth, "--noise", "0.08")
		if err != nil {
			return err
		}
		verdict("flat part: "+name, "noise of 0.07 to 0.09; at most 0.5 dB below the run with 0.08 given",
			found.Noise > 0.07 && found.Noise < 0.09 && found.PSNR > given.PSNR-0.5,
			"%.3f; %.2f dB, given %.2f", found.Noise, found.PSNR, given.PSNR)
	}
	return nil
}

// cameraCase: noise before demosaicking and before JPEG.
func (j judge) cameraCase(dir string) error {
	dir = filepath.Join(dir, "camera-noise-auto")
	for _, name := range []string{"bayer.png", "jpeg50.jpg"} {
		file, truth := filepath.Join(dir, name), filepath.Join(dir, stem(name)+"_truth.png")
		r, err := j.one(file, "--reference", truth)
		if err != nil {
			return err
		}
		there := math.Pow(10, -r.InputPSNR/20)
		verdict("camera: "+name, fmt.Sprintf("noise within 30%% of the %.3f that is there, and less of it after", there),
			math.Abs(r.Noise/there-1) < 0.3 && r.PSNR > r.InputPSNR+1,
			"%.3f; %.2f -> %.2f dB", r.Noise, r.InputPSNR, r.PSNR)
	}
	return nil
}

func (j judge) grayInColour(dir string) error {
	dir = filepath.Join(dir, "gray-saved-as-rgb")
	r, err := j.one(filepath.Join(dir, "rgb.png"), "--reference", filepath.Join(dir, "truth_rgb.png"))
	if err != nil {
		return err
	}
	p, err := read(r.Output)
	if err != nil {
		return err
	}
	tint := float32(0)
	for i, v := range p.Plane(0) {
		tint = max(tint, max(v, p.Plane(p.C - 1)[i])-min(v, p.Plane(p.C - 1)[i]))
	}
	verdict("gray stored as colour", "34.1 dB, and channels that are equal", r.PSNR > 34.05 && tint == 0, "%.2f dB, channels differ by %g", r.PSNR, tint)
	return nil
}

func (j judge) lowNoise(dir string) error {
	dir = filepath.Join(dir, "low-noise-destroys")
	for _, name := range []string{"text", "scene"} {
		r, err := j.one(filepath.Join(dir, name+".png"))
		if err != nil {
			return err
		}
		d, _, err := distance(r.Input, r.Output)
		if err != nil {
			return err
		}
		again, err := j.one(r.Output)
		if err != nil {
			return err
		}
		e, _, err := distance(again.Input, again.Output)
		if err != nil {
			return err
		}
		verdict("clean "+name, "50 dB or the same, also in a second pass", d >= 50 && e >= 50, "%s, second pass %s", decibels(d), decibels(e))
	}
	truth, file := filepath.Join(dir, "scene0.npy"), filepath.Join(dir, "scene_low.npy")
	r, err := j.one(file, "--reference", truth, "--noise", "0.002")
	if err != nil {
		return err
	}
	verdict("noise of 0.002 given", "54 dB", r.PSNR >= 54, "%.2f -> %.2f dB", r.InputPSNR, r.PSNR)
	if r, err = j.one(file, "--reference", truth); err != nil {
		return err
	}
	verdict("noise of 0.002, not given", "not below the file", r.PSNR >= r.InputPSNR, "%.2f -> %.2f dB", r.InputPSNR, r.PSNR)
	return nil
}

func (j judge) photons(dir string) error {
	dir = filepath.Join(dir, "photon-noise")
	r, err := j.one(filepath.Join(dir, "photons.npy"), "--reference", filepath.Join(dir, "truth.npy"))
	if err != nil {
		return err
	}
	verdict("photon counts, 10 at white", "29 dB", r.PSNR >= 29, "%.2f -> %.2f dB; %s", r.InputPSNR, r.PSNR, r.said())
	return nil
}

// units: the same blurred picture in the unit range, times 1000 and times 0.05.
func (j judge) units(dir string) error {
	dir = filepath.Join(dir, "units-not-0-1")
	truth, err := read(filepath.Join(dir, "truth.npy"))
	if err != nil {
		return err
	}
	for _, u := range []struct {
		file string
		unit float64
	}{{"blur.npy", 1}, {"blur_x1000.npy", 1000}, {"blur_x005.npy", 0.05}} {
		r, err := j.one(filepath.Join(dir, u.file), "--operator", "blur:gaussian,sigma=1.6")
		if err != nil {
			return err
		}
		d, err := inUnit(r.Output, truth.Pix, u.unit)
		if err != nil {
			return err
		}
		verdict(fmt.Sprintf("blur, in units of %g", u.unit), "32.3 dB", d >= 32.3, "%.2f dB", d)
	}
	return nil
}

// attenuation: a scan in [0,1] and in attenuation a pixel.
func (j judge) attenuation(dir string) error {
	dir = filepath.Join(dir, "ct-attenuation-units")
	truth, err := read(filepath.Join(dir, "truth.npy"))
	if err != nil {
		return err
	}
	for _, u := range []struct {
		file string
		unit float64
	}{{"unit.npz", 1}, {"mu.npz", 0.03}} {
		to := filepath.Join(j.work, stem(u.file)+".npy")
		if _, remarks, err := j.run("restore", "--quiet", filepath.Join(dir, u.file), "-o", to); err != nil {
			return fmt.Errorf("%s: %w\n%s", u.file, err, remarks)
		}
		d, err := inUnit(to, truth.Pix, u.unit)
		if err != nil {
			return err
		}
		verdict(fmt.Sprintf("tomography, in units of %g", u.unit), "36.9 dB", d >= 36.9, "%.2f dB", d)
	}
	return nil
}

// inUnit is the PSNR of a file against a truth, its numbers divided by a unit.
func inUnit(path string, truth []float32, unit float64) (float64, error) {
	p, err := read(path)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for i, v := range truth {
		d := float64(p.Pix[i])*p.Scale/unit - float64(v)
		sum += d * d
	}
	return -10 * math.Log10(sum/float64(len(truth))), nil
}

// clipping: what a file cannot hold is said.
func (j judge) clipping(dir string) error {
	dir = filepath.Join(dir, "silent-clipping")
	for _, c := range []struct{ in, out string }{{"counts.npy", "c.png"}, {"slice2.npz", "s.tif"}} {
		to := filepath.Join(j.work, c.out)
		_, remarks, err := j.run("restore", filepath.Join(dir, c.in), "-o", to)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", c.in, err, remarks)
		}
		p, err := read(to)
		if err != nil {
			return err
		}
		said := ""
		for line := range strings.Lines(string(remarks)) {
			if _, after, ok := strings.Cut(strings.TrimSpace(line), c.out+": "); ok && strings.Contains(line, "clipped") {
				said = after
			}
		}
		verdict("clipped by "+c.out, "16 bits, and a line that says how much is clipped", p.Bits == 16 && strings.Contains(said, "%"), "%d bits; %s", p.Bits, said)
	}
	return nil
}

// saturated: lamps in the dark, moved, and clipped at white.
func (j judge) saturated(dir string) error {
	dir = filepath.Join(dir, "saturated-lights")
	file := filepath.Join(dir, "night.png")
	r, err := j.one(file, "--operator", "blur:kernel="+filepath.Join(dir, "k.npy"), "--noise", "0.004")
	if err != nil {
		return err
	}
	truth, err := read(filepath.Join(dir, "truth.npy"))
	if err != nil {
		return err
	}
	dark := func(path string) (float64, error) { // off the lamps
		p, err := read(path)
		if err != nil {
			return 0, err
		}
		sum, n := 0.0, 0
		for i, v := range truth.Pix {
			y, x := float64(i/truth.W), float64(i%truth.W)
			lit := false
			for _, lamp := range [][3]float64{{30, 40, 2.5}, {80, 70, 3}, {60, 100, 2}, {100, 25, 2}} {
				lit = lit || math.Hypot(y-lamp[0], x-lamp[1]) <= lamp[2]+2
			}
			if !lit {
				sum, n = sum+float64(p.Pix[i]-v)*float64(p.Pix[i]-v), n+1
			}
		}
		return math.Sqrt(sum / float64(n)), nil
	}
	before, err := dark(file)
	if err != nil {
		return err
	}
	after, err := dark(r.Output)
	if err != nil {
		return err
	}
	verdict("lamps clipped at white", "error of the dark not above the blurred picture's", after <= before, "%.3f, blurred %.3f", after, before)
	return nil
}
