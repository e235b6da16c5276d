// Command photos makes the pictures of docs/photos.md and prints the command of each with
// the line that it printed:
//
//	photos LPN STILL-LIFE.png FOLDER
//
// Every input is made here, of a rendered still life or drawn, so that all may be published.
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/internal/scenes"
	"github.com/lpn-imaging/lpn/operators"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "photos: want LPN STILL-LIFE.png FOLDER")
		os.Exit(2)
	}
	if err := all(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "photos:", err)
		os.Exit(1)
	}
}

// A story is a picture, what is done to it, and which part of it is shown.
type story struct {
	input string // the name of the file
	make  func(path string) error
	args  []string        // of lpn restore, before the input
	show  image.Rectangle // empty: all of it
	gain  float64         // what numbers are multiplied by where they are shown
}

func all(lpn, still, folder string) error {
	photo, err := imageio.Read(still)
	if err != nil {
		return err
	}
	scene := photo.Image
	books, fruit := cut(scene, 240, 70, 240, 176), cut(scene, 110, 150, 240, 168)
	stories := []story{
		{input: "indoors.jpg", make: asJPEG(camera(books, 1, 0.012), 90)},
		{input: "forwarded.jpg", make: asJPEG(books, 15)},
		{input: "old-print.png", make: asPNG(print(fruit))},
		{input: "shaken.png", make: asPNG(shaken(cut(scene, 0, 0, scene.W, scene.H-1))), args: []string{"--operator", "blur:auto"}, show: image.Rect(240, 70, 480, 246)},
		{input: "small.png", make: asPNG(shrunk(books, 2)), args: []string{"--operator", "sr:factor=2"}},
		{input: "window.png", make: asPNG(noisy(brightened(fruit, 2.2), 0.05))},
		{input: "cells.tif", make: cells, gain: 65535. / 40},
		{input: "holiday.png", make: asPNG(shrunk(scene, 2))},
		{input: "screenshot.jpg", make: asJPEG(operators.FromImage(scenes.Screenshot(240, 168, books.Image())), 90)},
	}
	work, err := os.MkdirTemp("", "photos")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	for _, s := range stories {
		if err := s.tell(lpn, work, folder); err != nil {
			return fmt.Errorf("%s: %w", s.input, err)
		}
	}
	return nil
}

// tell makes the input, restores it and draws both side by side.
func (s story) tell(lpn, work, folder string) error {
	in := filepath.Join(work, s.input)
	if err := s.make(in); err != nil {
		return err
	}
	args := append(append([]string{"restore"}, s.args...), s.input)
	c := exec.Command(lpn, args...)
	var said bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = work, &said, &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("%w\n%s", err, said.Bytes())
	}
	fmt.Printf("    lpn %s\n", strings.Join(args, " "))
	for line := range strings.Lines(said.String()) {
		if !strings.HasPrefix(line, "restoring: ") { // progress
			fmt.Printf("    %s", line)
		}
	}
	stem := strings.TrimSuffix(s.input, filepath.Ext(s.input))
	before, err := imageio.Read(in)
	if err != nil {
		return err
	}
	after, err := imageio.Read(filepath.Join(work, stem+"_lpn"+filepath.Ext(s.input)))
	if err != nil {
		return err
	}
	left := before.Image
	if k := after.W / before.W; k > 1 {
		left = repeated(left, k)
	}
	if s.show.Empty() {
		s.show = image.Rect(0, 0, after.W, after.H)
	}
	size, err := pair(filepath.Join(folder, stem+".jpg"), left, after.Image, s.show, max(s.gain, 1))
	fmt.Printf("(%s.jpg: %d KB)\n\n", stem, size/1000)
	return err
}

// pair writes parts of two pictures side by side, and returns the size of the file.
func pair(path string, a, b operators.Image, show image.Rectangle, gain float64) (int, error) {
	const gap = 6
	w, h := show.Dx(), show.Dy()
	m := scenes.Flat(2*w+gap, h, color.White)
	for k, p := range []operators.Image{a, b} {
		for y := range h {
			for x := range w {
				v := func(c int) uint8 {
					return uint8(math.Round(255 * min(max(gain*float64(p.At(c%p.C, show.Min.Y+y, show.Min.X+x)), 0), 1)))
				}
				m.Set(k*(w+gap)+x, y, color.RGBA{v(0), v(1), v(2), 255})
			}
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 90}); err != nil {
		return 0, err
	}
	return out.Len(), os.WriteFile(path, out.Bytes(), 0o666)
}

func asPNG(m operators.Image) func(string) error {
	return func(path string) error {
		var out bytes.Buffer
		if err := png.Encode(&out, m.Image()); err != nil {
			return err
		}
		return os.WriteFile(path, out.Bytes(), 0o666)
	}
}

func asJPEG(m operators.Image, quality int) func(string) error {
	return func(path string) error {
		return imageio.Write(path, &imageio.Picture{Image: m, Bits: 8}, imageio.Options{Quality: quality})
	}
}

// camera is a photograph of a scene: its light times exposure, as photons and the noise of
// reading, through a mosaic of filters, interpolated, and developed. What is above white is
// clipped.
func camera(scene operators.Image, exposure, perPhoton float64) operators.Image {
	const read = 0.004
	rng := rand.New(rand.NewPCG(3, 1))
	h, w := scene.H, scene.W
	raw := make([]float64, h*w)
	filter := func(y, x int) int { return [4]int{0, 1, 1, 2}[y&1<<1|x&1] }
	for i := range raw {
		v := exposure * light(float64(scene.Plane(filter(i/w, i%w))[i]))
		v += rng.NormFloat64() * math.Sqrt(perPhoton*v+read*read)
		raw[i] = min(max(v, 0), 1)
	}
	brighten := 1.0 // what a camera does with what is too dark
	if exposure < 1 {
		brighten = 1 / exposure
	}
	out := operators.NewImage(scene.Shape)
	for i := range raw {
		for c := range 3 {
			sum, weight := 0.0, 0.0
			for k := range 9 { // the mean of the nearest of that colour
				y, x := i/w+k/3-1, i%w+k%3-1
				if y < 0 || x < 0 || y >= h || x >= w || filter(y, x) != c || filter(i/w, i%w) == c && k != 4 {
					continue
				}
				sum, weight = sum+raw[y*w+x], weight+1
			}
			out.Plane(c)[i] = float32(numbers(min(brighten*sum/weight, 1)))
		}
	}
	return out
}

// light is what a number of sRGB stands for, and numbers is its inverse.
func light(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func numbers(v float64) float64 {
	if v <= 0.0031308 {
		return 12.92 * v
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// shaken is a scene that moved along a curve, with a little noise.
func shaken(scene operators.Image) operators.Image {
	out := operators.NewImage(scene.Shape)
	const steps = 60
	for k := range steps {
		t := float64(k) / (steps - 1)
		dx, dy := int(math.Round(9*t-4.5)), int(math.Round(3*math.Sin(3*t)-1))
		for c := range out.C {
			for i := range out.Plane(c) {
				y, x := min(max(i/out.W+dy, 0), out.H-1), min(max(i%out.W+dx, 0), out.W-1)
				out.Plane(c)[i] += scene.At(c, y, x) / steps
			}
		}
	}
	return noisy(out, 0.008)
}

// brightened is a scene with so many times its light.
func brightened(m operators.Image, times float64) operators.Image {
	out := operators.NewImage(m.Shape)
	for i, v := range m.Pix {
		out.Pix[i] = float32(numbers(min(times*light(float64(v)), 1)))
	}
	return out
}

// print is an old gray print with grain, scanned in colour.
func print(scene operators.Image) operators.Image {
	gray := operators.NewImage(operators.Shape{C: 1, H: scene.H, W: scene.W})
	for i := range gray.Pix {
		gray.Pix[i] = 0.12 + 0.8*(0.299*scene.Plane(0)[i]+0.587*scene.Plane(1)[i]+0.114*scene.Plane(2)[i])
	}
	gray = noisy(gray, 0.06)
	out := operators.NewImage(scene.Shape)
	for c := range 3 {
		copy(out.Plane(c), gray.Pix)
	}
	return out
}

// cells are counts of photons, 30 at the brightest, in a TIFF of integers.
func cells(path string) error {
	rng := rand.New(rand.NewPCG(5, 5))
	m := image.NewGray16(image.Rect(0, 0, 192, 160))
	type cell struct{ x, y, r float64 }
	var all []cell
	for range 26 {
		all = append(all, cell{192 * rng.Float64(), 160 * rng.Float64(), 7 + 9*rng.Float64()})
	}
	for y := range 160 {
		for x := range 192 {
			mean := 2.0
			for _, c := range all {
				r := math.Hypot(float64(x)-c.x, (float64(y)-c.y)*1.2) / c.r
				if r < 1 {
					mean += 5 + 14*math.Exp(-math.Pow((r-0.8)/0.12, 2)) + 11*math.Exp(-r*r*18)
				}
			}
			m.SetGray16(x, y, color.Gray16{uint16(poisson(mean, rng))})
		}
	}
	return imageio.Write(path, &imageio.Picture{Image: operators.FromImage(m), Bits: 16}, imageio.Options{})
}

// poisson draws a count.
func poisson(mean float64, rng *rand.Rand) int {
	n, p := 0, rng.Float64()
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= rng.Float64()
	}
	return n
}

func noisy(m operators.Image, sigma float64) operators.Image {
	out := operators.NewImage(m.Shape)
	operators.AddGaussian(out.Pix, m.Pix, sigma, rand.New(rand.NewPCG(2, 9)))
	for i, v := range out.Pix {
		out.Pix[i] = min(max(v, 0), 1)
	}
	return out
}

// shrunk is the picture of the means of n x n samples.
func shrunk(m operators.Image, n int) operators.Image {
	out := operators.NewImage(operators.Shape{C: m.C, H: m.H / n, W: m.W / n})
	for c := range out.C {
		for i := range out.Plane(c) {
			for k := range n * n {
				out.Plane(c)[i] += m.At(c, i/out.W*n+k/n, i%out.W*n+k%n) / float32(n*n)
			}
		}
	}
	return out
}

// repeated shows each pixel as n x n.
func repeated(m operators.Image, n int) operators.Image {
	out := operators.NewImage(operators.Shape{C: m.C, H: n * m.H, W: n * m.W})
	for c := range out.C {
		for i := range out.Plane(c) {
			out.Plane(c)[i] = m.At(c, i/out.W/n, i%out.W/n)
		}
	}
	return out
}

func cut(m operators.Image, x, y, w, h int) operators.Image {
	out := operators.NewImage(operators.Shape{C: m.C, H: h, W: w})
	for c := range out.C {
		for i := range out.Plane(c) {
			out.Plane(c)[i] = m.At(c, y+i/w, x+i%w)
		}
	}
	return out
}
