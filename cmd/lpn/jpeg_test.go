package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/scenes"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// jpegScenes are what people keep in JPEG files.
func jpegScenes(t *testing.T) map[string]*image.RGBA {
	t.Helper()
	const n = 96
	photo := scenes.Flat(n, n, color.White)
	m := load(t, "../../assets/images/still-life.png")
	for y := range n {
		for x := range n {
			v := func(c int) uint8 { return uint8(math.Round(255 * float64(m.At(c, 150+y, 200+x)))) }
			photo.Set(x, y, color.RGBA{v(0), v(1), v(2), 255})
		}
	}
	return map[string]*image.RGBA{
		"text": scenes.Text(n, n), "drawing": scenes.Drawing(n, n), "photo": photo,
		"screenshot": scenes.Screenshot(n, n, photo), "flat": scenes.Flat(n, n, color.RGBA{128, 200, 90, 255}),
	}
}

// TestJPEGNeverWorse: what kind of picture a JPEG file holds, and at whatever
// quality, its restoration at the defaults is as close to the picture as the file,
// to 0.05 dB, and closer where it is a photograph.
func TestJPEGNeverWorse(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	for name, m := range jpegScenes(t) {
		truth := filepath.Join(dir, name+".npy")
		p := &imageio.Picture{Image: operators.FromImage(m), Bits: 8}
		save(t, truth, p)
		for _, quality := range []int{10, 40, 75, 90, 95, 100} {
			file := filepath.Join(dir, fmt.Sprintf("%s-%d.jpg", name, quality))
			var b bytes.Buffer
			if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(dir, "out.png")
			r := asJSON[restored](t, must(t, "restore", "--json", "--force", "--reference", truth, file, "-o", out))
			if !strings.HasPrefix(r.Choice, fmt.Sprintf("jpeg of quality %d:", quality)) {
				t.Errorf("%s, quality %d: %q", name, quality, r.Choice)
			}
			before, after := psnr(t, truth, file), psnr(t, truth, out)
			if after < before-0.05 {
				t.Errorf("%s, quality %d: %.2f -> %.2f dB: %s", name, quality, before, after, r.Choice)
			}
			if name == "photo" && after < before+0.4 {
				t.Errorf("%s, quality %d: %.2f -> %.2f dB, certified %v: %s", name, quality, before, after, r.Certified, r.Choice)
			}
		}
	}
}

// TestSmallJPEG: a small file is enlarged from what undoing its rounding came to, where the
// rounding is coarse, with at least the noise that it was, and the plan says both. The
// result is nearer to the truth than cubic enlargement of the decoded file, and not suspect.
func TestSmallJPEG(t *testing.T) {
	dir := t.TempDir()
	scene := operators.FromImage(jpegScenes(t)["photo"])
	truth := save(t, filepath.Join(dir, "truth.npy"), &imageio.Picture{Image: scene, Bits: 8})
	small, err := operators.NewResample(scene.Shape, 48, 48, operators.Area)
	if err != nil {
		t.Fatal(err)
	}
	y := operators.NewImage(small.Codomain())
	small.Apply(y.Pix, scene.Pix)
	for _, quality := range []int{40, 90} {
		file := filepath.Join(dir, fmt.Sprintf("%d.jpg", quality))
		var b bytes.Buffer
		if err := jpeg.Encode(&b, y.Image(), &jpeg.Options{Quality: quality}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		plan := must(t, "restore", "--plan", "--operator", "sr:factor=2", file)
		undone := "its artefacts are undone before it is enlarged"
		if strings.Contains(plan, undone) != (quality == 40) || quality == 40 && !strings.Contains(plan, "what jpeg of quality 40 took") {
			t.Errorf("quality %d: %s", quality, plan)
		}
		out := filepath.Join(dir, "out.npy")
		r := asJSON[restored](t, must(t, "restore", "--json", "--force", "--iters", "15", "--operator", "sr:factor=2", file, "-o", out))
		if strings.Contains(r.Choice, undone) != (quality == 40) || r.Suspect != nil {
			t.Errorf("quality %d: %q, suspect %v", quality, r.Choice, r.Suspect)
		}
		decoded := load(t, file)
		cubic := operators.NewImage(scene.Shape)
		small.(operators.Interpolator).Interpolate(cubic.Pix, decoded.Pix)
		if before, after := metrics.PSNR(scene.Pix, cubic.Pix), psnr(t, truth, out); after < before+0.15 {
			t.Errorf("quality %d: %.2f dB, by cubic enlargement %.2f", quality, after, before)
		}
	}
}

// TestJPEGOperator: what the flags ask for is done, and a file with an orientation
// comes out upright.
func TestJPEGOperator(t *testing.T) {
	dir := t.TempDir()
	m := jpegScenes(t)["photo"].SubImage(image.Rect(0, 0, 40, 24))
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 30}); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain.jpg")
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	turned := filepath.Join(dir, "turned.jpg") // 6: to be turned clockwise
	for path, data := range map[string][]byte{
		plain:  b.Bytes(),
		turned: append([]byte("\xff\xd8\xff\xe1\x00"+string(rune(len(exif)+2))+exif), b.Bytes()[2:]...),
	} {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	restore := func(in string, flags ...string) (restored, *imageio.Picture) {
		t.Helper()
		out := filepath.Join(dir, "out.png")
		args := append([]string{"restore", "--json", "--force", in, "-o", out}, flags...)
		return asJSON[restored](t, must(t, args...)), load(t, out)
	}
	r, p := restore(plain, "--operator", "jpeg", "--noise", "0")
	if r.Operator != "jpeg" || r.Choice != "" || !r.Certified || p.Shape != (operators.Shape{C: 3, H: 24, W: 40}) {
		t.Errorf("%+v, %v", r, p.Shape)
	}
	_, q := restore(turned, "--operator", "jpeg", "--noise", "0")
	if q.Shape != (operators.Shape{C: 3, H: 40, W: 24}) {
		t.Fatalf("upright %v", q.Shape)
	}
	for i := range q.Pix {
		c, y, x := i/(q.H*q.W), i/q.W%q.H, i%q.W
		if q.Pix[i] != p.At(c, p.H-1-x, y) {
			t.Fatalf("sample (%d,%d,%d) is not that of the picture that lies", c, y, x)
		}
	}
	if r, _ := restore(plain, "--operator", "denoise", "--noise", "0.02"); r.Operator != "denoise" || r.Choice != "" {
		t.Errorf("denoise was asked for: %+v", r)
	}
	if _, p := restore(plain, "--operator", "jpeg", "--noise", "0", "--gray"); p.C != 1 {
		t.Errorf("gray: %v", p.Shape)
	}
	png := save(t, filepath.Join(dir, "p.png"), picture(3, 16, 16, 8))
	for want, args := range map[string][]string{
		"wants a JPEG file":            {png, "--operator", "jpeg"},
		"has its own tables":           {plain, "--operator", "jpeg:quality=30"},
		"discrepancy wants":            {plain, "--operator", "jpeg", "--strength", "discrepancy"},
		"linear goes with blur and sr": {plain, "--operator", "jpeg", "--light", "linear"},
		"is from 0 to 1":               {plain, "--operator", "jpeg", "--range", "0:200"},
		`want a whole number from 1 t`: {plain, "--operator", "jpeg:quality=200"},
	} {
		code, _, errOut := call(t, append([]string{"restore", "-o", filepath.Join(dir, "o.png")}, args...)...)
		if code != exitUsage || !strings.Contains(errOut, want) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%v: exit %d, %q; want %q", args, code, errOut, want)
		}
	}
}

// TestJPEGNote: a result that is the file as it came says so in its JSON; and a plan is
// made though the file that it would write is there.
func TestJPEGNote(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "text.jpg"), filepath.Join(dir, "text_lpn.jpg")
	var b bytes.Buffer
	if err := jpeg.Encode(&b, jpegScenes(t)["text"], &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	if r := asJSON[restored](t, must(t, "restore", "--json", in)); !strings.HasPrefix(r.Note, "left as it is") || r.Output != out {
		t.Errorf("%+v", r)
	}
	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if plan := must(t, "restore", "--plan", in); !strings.Contains(plan, "its artefacts are undone") {
		t.Errorf("%q", plan)
	}
	if after, err := os.ReadFile(out); err != nil || !bytes.Equal(before, after) {
		t.Errorf("planning wrote: %v", err)
	}
}

// TestDegradeJPEG: a simulated file carries its tables, and is restored without a
// flag.
func TestDegradeJPEG(t *testing.T) {
	dir := t.TempDir()
	p := picture(3, 24, 40, 8)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range p.Pix {
		p.Pix[i] += 0.02 * float32(rng.NormFloat64())
	}
	in := save(t, filepath.Join(dir, "in.npy"), p)
	y := filepath.Join(dir, "y.npz")
	must(t, "degrade", "--operator", "jpeg:quality=15,subsampling=422", in, "-o", y)
	var plan struct {
		Plan struct {
			Operator string
			Start    string
		}
	}
	if err := json.Unmarshal([]byte(must(t, "restore", "--json", "--plan", y)), &plan); err != nil {
		t.Fatal(err)
	}
	if plan.Plan.Operator != "jpeg:quality=15,subsampling=422" || plan.Plan.Start != "the decoded picture" {
		t.Errorf("%+v", plan)
	}
	out := filepath.Join(dir, "out.npy")
	must(t, "restore", y, "-o", out)
	if got := load(t, out).Shape; got != p.Shape {
		t.Errorf("restored %v, want %v", got, p.Shape)
	}
}
