package main

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

// This file measures the command from file to file beside its network alone.

const (
	networkFlag = "measure-network"
	filePrior   = "assets/priors/colour-15.safetensors"
	filePicture = "assets/images/still-life.png"
	fileNoise   = 15
)

// A cost is what a process took.
type cost struct{ seconds, wall, mib float64 }

func (c cost) String() string {
	return fmt.Sprintf("%6.2f s of the processor, %6.2f s, %5.0f MiB", c.seconds, c.wall, c.mib)
}

// fileMain compares, in turn, lpn restore of a noisy colour picture of w x h pixels, PNG to
// PNG, with one evaluation of its prior on as many. Both run in a process of their own, on
// all cores.
func fileMain(w, h, rounds int) error {
	dir, err := os.MkdirTemp("", "peerbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "lpn")
	build := exec.Command("go", "build", "-o", exe, "./cmd/lpn")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("run it in the folder of the module: %w", err)
	}
	in, out := filepath.Join(dir, "noisy.png"), filepath.Join(dir, "clean.png")
	if err := noisyPicture(in, w, h); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	sides := []struct {
		name string
		args []string
	}{
		{"the network alone", []string{self, networkFlag, fmt.Sprintf("%dx%d", w, h)}},
		{"restore, noise given", []string{exe, "restore", "-q", "--force", "--noise", fmt.Sprintf("%d/255", fileNoise), in, "-o", out}},
		{"restore, noise found", []string{exe, "restore", "-q", "--force", in, "-o", out}},
	}
	for range rounds {
		var first cost
		for i, s := range sides {
			c, err := run(s.args)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if i == 0 {
				first = c
			}
			fmt.Printf("%-21s %v, ratio %.2f\n", s.name, c, c.seconds/first.seconds)
		}
	}
	return nil
}

// run runs a command, whose output is its cost if it measures itself.
func run(args []string) (cost, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	begin := time.Now()
	b, err := cmd.Output()
	if err != nil {
		return cost{}, err
	}
	c := cost{seconds: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), wall: time.Since(begin).Seconds()}
	c.mib = float64(peakKiB(cmd.ProcessState)) / 1024
	if args[1] == networkFlag {
		_, err = fmt.Sscan(string(b), &c.seconds, &c.wall)
	}
	return c, err
}

// networkMain prints the seconds of the processor, and of the clock, that the prior takes on
// a picture of the size.
func networkMain(size string) int {
	var w, h int
	if _, err := fmt.Sscanf(size, "%dx%d", &w, &h); err != nil {
		fmt.Fprintln(os.Stderr, "peerbench:", err)
		return 1
	}
	net, err := lpn.Open(filePrior)
	if err == nil {
		s := operators.Shape{C: 3, H: h, W: w}
		var b *lpn.Bound
		if b, err = net.On(s); err == nil {
			y, x := random(s.Len(), 3), make([]float32, s.Len())
			t, from := processTime(), time.Now()
			b.Eval(x, y)
			fmt.Println((processTime() - t).Seconds(), time.Since(from).Seconds())
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "peerbench:", err)
	return 1
}

// noisyPicture writes a photograph, mirrored until it has the size, with white noise.
func noisyPicture(path string, w, h int) error {
	m, err := readPicture(filepath.FromSlash(filePicture))
	if err != nil {
		return err
	}
	at := mirrored(m)
	rng := rand.New(rand.NewPCG(7, 7))
	noisy := func(v uint8) uint8 { return uint8(min(max(float64(v)+fileNoise*rng.NormFloat64()+0.5, 0), 255)) }
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := at(y, x)
			out.SetRGBA(x, y, color.RGBA{noisy(c.R), noisy(c.G), noisy(c.B), 255})
		}
	}
	to, err := os.Create(path)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(to, out); err != nil {
		return err
	}
	return to.Close()
}

// readPicture reads a PNG file.
func readPicture(path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// mirrored is the picture by row and column, continued by mirroring.
func mirrored(m image.Image) func(y, x int) color.NRGBA {
	b := m.Bounds()
	photo := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(photo, photo.Bounds(), m, b.Min, draw.Src)
	mirror := func(i, n int) int {
		if i %= 2 * n; i >= n {
			i = 2*n - 1 - i
		}
		return i
	}
	return func(y, x int) color.NRGBA { return photo.NRGBAAt(mirror(x, b.Dx()), mirror(y, b.Dy())) }
}
