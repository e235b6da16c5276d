package main

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/scenes"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// harmScenes are the kinds of pictures that people have, clean.
func harmScenes(t *testing.T) map[string]operators.Image {
	t.Helper()
	all := map[string]operators.Image{"stars": operators.FromImage(scenes.Stars(96, 96))}
	for name, m := range jpegScenes(t) {
		all[name] = operators.FromImage(m)
	}
	gravel := operators.FromImage(scenes.Gravel(128, 96, 1, 8, rand.New(rand.NewPCG(1, 2))))
	all["gravel"] = gravel
	all["gray gravel"] = operators.Image{Shape: operators.Shape{C: 1, H: gravel.H, W: gravel.W}, Pix: gravel.Plane(1)}
	photo := shrunk(load(t, "../../assets/images/still-life.png").Image, 4) // whose grain is gone
	all["photo"] = photo
	all["gray photo"] = operators.Image{Shape: operators.Shape{C: 1, H: photo.H, W: photo.W}, Pix: photo.Plane(1)}
	equal := operators.NewImage(photo.Shape)
	for c := range 3 {
		copy(equal.Plane(c), photo.Plane(1))
	}
	all["gray photo in colour"] = equal
	return all
}

// shrunk is the picture of the means of n x n samples.
func shrunk(m operators.Image, n int) operators.Image {
	out := operators.NewImage(operators.Shape{C: m.C, H: m.H / n, W: m.W / n})
	for c := range out.C {
		for y := range out.H {
			for x := range out.W {
				sum := float32(0)
				for i := range n * n {
					sum += m.At(c, y*n+i/n, x*n+i%n)
				}
				out.Plane(c)[y*out.W+x] = sum / float32(n*n)
			}
		}
	}
	return out
}

// TestNeverWorse: whatever the kind of picture, the level of its noise and the
// format of its file, its restoration at the defaults is as close to the truth as
// the file, to 0.05 dB; a clean file comes out at 50 dB or more. Sigma 0 is without noise,
// a negative one photons that make noise of this deviation at white.
func TestNeverWorse(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	formats := []struct {
		ext  string
		bits int
	}{{".png", 8}, {".tif", 16}, {".npy", 32}, {".tif", 32}}
	k := 0
	all := harmScenes(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		x := all[name]
		truth := save(t, filepath.Join(dir, "truth.npy"), &imageio.Picture{Image: x, Bits: 32})
		for _, sigma := range []float64{0, 0.001, 0.002, 0.004, 0.008, 0.02, 0.05, -0.04} {
			format := formats[k%len(formats)]
			k++
			y := operators.NewImage(x.Shape)
			rng := rand.New(rand.NewPCG(uint64(k), 1))
			switch {
			case sigma > 0:
				noise.White{Sigma: sigma}.Sample(y.Pix, x.Pix, x.Shape, rng)
			case sigma < 0:
				noise.Camera{A: sigma * sigma, B: 0.002}.Sample(y.Pix, x.Pix, x.Shape, rng)
			default:
				copy(y.Pix, x.Pix)
			}
			file := save(t, filepath.Join(dir, fmt.Sprint(k)+format.ext), &imageio.Picture{Image: y, Bits: format.bits})
			out := filepath.Join(dir, "out.npy")
			r := asJSON[restored](t, must(t, "restore", "--json", "--force", "--range", "0:"+top(format.ext, format.bits), file, "-o", out))
			before, after := closeness(t, truth, file), closeness(t, truth, out)
			if after < before-0.05 && after < 60 || sigma == 0 && after < 50 {
				t.Errorf("%s, noise %g, %d bits%s: %.2f -> %.2f dB, noise %.4f found", name, sigma, format.bits, format.ext, before, after, r.Noise)
			}
			if name == "photo" && sigma >= 0.05 && after < before+1.5 {
				t.Errorf("%s, noise %g, %d bits%s: only %.2f -> %.2f dB", name, sigma, format.bits, format.ext, before, after)
			}
		}
	}
}

// top is white in the numbers of a file.
func top(ext string, bits int) string {
	if bits == 32 {
		return "1"
	}
	return fmt.Sprint(1<<bits - 1)
}

// closeness is the PSNR of a file against a truth, in dB; 200 at most.
func closeness(t *testing.T, truth, path string) float64 {
	t.Helper()
	a, b := load(t, truth), load(t, path)
	sum := 0.0
	for i, v := range a.Pix {
		d := float64(v - b.Pix[i%len(b.Pix)])
		sum += d * d
	}
	return min(-10*math.Log10(sum/float64(len(a.Pix))), 200)
}

// TestNoiseCommand: the noise that was added is found, and the model that is
// written restores as the estimate does.
func TestNoiseCommand(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	x := operators.NewImage(operators.Shape{C: 3, H: 160, W: 200})
	for i := range x.Pix { // a ramp, with a bar across
		x.Pix[i] = 0.1 + 0.8*float32(i%x.W)/float32(x.W)
		if row := i / x.W % x.H; row > 60 && row < 80 {
			x.Pix[i] = 1 - x.Pix[i]
		}
	}
	y := operators.NewImage(x.Shape)
	noise.Camera{A: 0.008, B: 0.004}.Sample(y.Pix, x.Pix, x.Shape, rand.New(rand.NewPCG(1, 2)))
	in := save(t, filepath.Join(dir, "y.png"), &imageio.Picture{Image: y, Bits: 8})
	model, drawing := filepath.Join(dir, "n.json"), filepath.Join(dir, "n.svg")
	r := asJSON[noiseReport](t, must(t, "noise", "--json", in, "-o", model, "--plot", drawing))
	want := noise.RMS(noise.Camera{A: 0.008, B: 0.004}, x.Pix, x.Shape)
	if math.Abs(r.Deviation/want-1) > 0.15 {
		t.Errorf("deviation %.4f, want %.4f", r.Deviation, want)
	}
	if d := r.Deviations[0]; len(d) != brightnesses || d[12] < 1.2*d[3] {
		t.Errorf("it does not rise with the brightness: %v", d)
	}
	if svg, err := os.ReadFile(drawing); err != nil || !strings.Contains(string(svg), "brightness") {
		t.Errorf("nothing is drawn: %v", err)
	}
	a, b := filepath.Join(dir, "a.png"), filepath.Join(dir, "b.png")
	must(t, "restore", in, "-o", a)
	must(t, "restore", "--noise", model, in, "-o", b)
	if d := closeness(t, a, b); d < 45 {
		t.Errorf("given back, the model restores another picture: %.1f dB", d)
	}
	if code, _, line := call(t, "noise", in, "-o", model); code != exitUsage {
		t.Errorf("exit %d for a file that exists: %s", code, line)
	}
}

// TestTwelveBits: a file of 16 bits whose numbers have 12 is restored like the same picture
// that uses all of them.
func TestTwelveBits(t *testing.T) {
	dir := t.TempDir()
	photo := shrunk(load(t, "../../assets/images/still-life.png").Image, 4)
	x := operators.Image{Shape: operators.Shape{C: 1, H: photo.H, W: photo.W}, Pix: photo.Plane(1)}
	y := operators.NewImage(x.Shape)
	operators.AddGaussian(y.Pix, x.Pix, 0.05, rand.New(rand.NewPCG(3, 3)))
	gains := [2]float64{}
	for k, top := range []float32{1, 1. / 16} {
		truth, noisy := operators.NewImage(x.Shape), operators.NewImage(x.Shape)
		for i := range x.Pix {
			truth.Pix[i], noisy.Pix[i] = top*x.Pix[i], top*min(max(y.Pix[i], 0), 1)
		}
		truthFile := save(t, filepath.Join(dir, fmt.Sprint("truth", k, ".tif")), &imageio.Picture{Image: truth, Bits: 16})
		file := save(t, filepath.Join(dir, fmt.Sprint(k, ".tif")), &imageio.Picture{Image: noisy, Bits: 16})
		out := filepath.Join(dir, fmt.Sprint("out", k, ".tif"))
		r := asJSON[restored](t, must(t, "restore", "--json", file, "-o", out))
		gains[k] = closeness(t, truthFile, out) - closeness(t, truthFile, file)
		if r.NoiseLine == "" || r.LeftAlone {
			t.Errorf("numbers to %g: %+v", 65535*top, r)
		}
	}
	if gains[0] < 2 || math.Abs(gains[1]-gains[0]) > 0.3 {
		t.Errorf("gains of %.2f dB in 16 bits, %.2f in 12", gains[0], gains[1])
	}
}
