// Command noisejudge prints how well noise is found and removed where the truth is
// known:
//
//	noisejudge levels DIR      white noise of 2 to 50/255 on the gray pictures of DIR:
//	                           as they are, with a flat bar and with a clipped part
//	noisejudge camera DIR      xNN.png against yNN_*: what Find and Treat make of it,
//	                           against the best single white level
//	noisejudge counts X Y      photon counts Y of the picture X, both .npy
//
// -every N takes every N-th picture.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

func main() {
	every := flag.Int("every", 1, "take every N-th picture")
	flag.Parse()
	var err error
	switch args := flag.Args(); {
	case len(args) == 2 && args[0] == "levels":
		err = levels(args[1], *every)
	case len(args) == 2 && args[0] == "camera":
		err = camera(args[1], *every)
	case len(args) == 3 && args[0] == "counts":
		err = counts(args[1], args[2])
	default:
		err = fmt.Errorf("want levels DIR, camera DIR or counts X Y")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "noisejudge:", err)
		os.Exit(1)
	}
}

func read(path string) (operators.Image, error) {
	p, err := imageio.Read(path)
	if err != nil {
		return operators.Image{}, fmt.Errorf("%s: %w", path, err)
	}
	return p.Image, nil
}

// levels prints the errors of the level of white noise.
func levels(dir string, every int) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.png"))
	if err != nil || len(files) == 0 {
		return cmp.Or(err, fmt.Errorf("%s: no .png files", dir))
	}
	spoils := []struct {
		name string
		do   func(x operators.Image)
	}{
		{"as it is", func(operators.Image) {}},
		{"a fifth flat", func(x operators.Image) { paint(x, x.H*4/5, x.H, 0.5) }},
		{"a fifth clipped", func(x operators.Image) { paint(x, 0, x.H/5, 1) }},
	}
	for _, spoil := range spoils {
		for _, sigma := range []float64{2, 5, 10, 25, 50} {
			rng := rand.New(rand.NewPCG(0, 0))
			n, beyond, sum, worst := 0, 0, 0.0, 0.0
			for i := 0; i < len(files); i += every {
				x, err := read(files[i])
				if err != nil {
					return err
				}
				operators.AddGaussian(x.Pix, x.Pix, sigma/255, rng)
				spoil.do(x)
				for k, v := range x.Pix { // as a file has it
					x.Pix[k] = float32(math.Round(255*float64(min(max(v, 0), 1)))) / 255
				}
				e := math.Abs(noise.Find(x, noise.Hints{}).Deviation*255/sigma - 1)
				n, sum, worst = n+1, sum+e, max(worst, e)
				if e > 0.1 {
					beyond++
				}
			}
			fmt.Printf("%-16s %2g/255: mean error %4.1f%%, largest %5.1f%%, %d of %d beyond 10%%\n", spoil.name, sigma, 100*sum/float64(n), 100*worst, beyond, n)
		}
	}
	return nil
}

func paint(x operators.Image, from, to int, v float32) {
	for i := from * x.W; i < to*x.W; i++ {
		x.Pix[i] = v
	}
}

// camera compares with the best single level.
func camera(dir string, every int) error {
	files, err := filepath.Glob(filepath.Join(dir, "y*"))
	if err != nil || len(files) == 0 {
		return cmp.Or(err, fmt.Errorf("%s: no files y*", dir))
	}
	sums := map[string][4]float64{}
	for i := 0; i < len(files); i += every {
		name := filepath.Base(files[i])
		scene, kind, _ := strings.Cut(strings.TrimPrefix(name, "y"), "_")
		x, err := read(filepath.Join(dir, "x"+scene+".png"))
		if err != nil {
			return err
		}
		y, err := read(files[i])
		if err != nil {
			return err
		}
		h := noise.Hints{}
		if _, q, ok := strings.Cut(kind, "_q"); ok {
			fmt.Sscanf(q, "%d", &h.Quality)
		}
		e := noise.Find(y, h)
		in, best, at := metrics.PSNR(x.Pix, y.Pix), 0.0, 0.0
		out := make([]float32, len(y.Pix))
		for _, level := range []float64{2, 3.5, 5, 7, 10, 14, 20, 28, 40, 56} {
			if err := denoise(out, y, level/255); err != nil {
				return err
			}
			if p := metrics.PSNR(x.Pix, out); p > best {
				best, at = p, level
			}
		}
		if err := treat(out, y, e); err != nil {
			return err
		}
		got := metrics.PSNR(x.Pix, out)
		fmt.Printf("%-14s input %.2f, best single level %2g/255 %.2f, found %.2f dB; %s\n", name, in, at, best, got, e.Line)
		s := sums[kind]
		sums[kind] = [4]float64{s[0] + 1, s[1] + in, s[2] + best, s[3] + got}
	}
	kinds := slices.Sorted(func(yield func(string) bool) {
		for k := range sums {
			if !yield(k) {
				return
			}
		}
	})
	for _, k := range kinds {
		s := sums[k]
		fmt.Printf("%-10s input %.2f, best single level %.2f, found %.2f dB (%+.2f)\n", k, s[1]/s[0], s[2]/s[0], s[3]/s[0], (s[3]-s[2])/s[0])
	}
	return nil
}

// counts restores photon counts.
func counts(truth, measured string) error {
	x, err := read(truth)
	if err != nil {
		return err
	}
	y, err := read(measured)
	if err != nil {
		return err
	}
	e := noise.Find(y, noise.Hints{})
	out := make([]float32, len(y.Pix))
	if err := treat(out, y, e); err != nil {
		return err
	}
	fmt.Printf("%s\ninput %.2f, found %.2f dB\n", e.Line, metrics.PSNR(x.Pix, y.Pix), metrics.PSNR(x.Pix, out))
	return nil
}

// treat restores y with the noise that was found.
func treat(out []float32, y operators.Image, e noise.Estimate) error {
	if e.White < 0.3/255 {
		copy(out, y.Pix)
		return nil
	}
	t := e.Treat(y)
	if t.Strength == 1 {
		if err := denoise(out, t.Y, t.Level); err != nil {
			return err
		}
		t.Back(out, out)
		return nil
	}
	psi, err := prior(y.Shape, t.Level)
	if err != nil {
		return err
	}
	r, err := solvers.Solve(context.Background(), solvers.BPG{
		H:   &solvers.Weighted{A: operators.NewIdentity(y.Shape), Y: t.Y.Pix, S: noise.Freeze(t.Model, t.Y.Pix, y.Shape)},
		Psi: psi, Lambda: t.Strength / (t.Level * t.Level), Start: t.Y.Pix,
	}, t.Y.Pix, solvers.Stop{MaxIters: 15, RelChange: 1e-4})
	if err != nil {
		return err
	}
	if !r.Certified {
		fmt.Println("not certified:", r.Uncertified)
	}
	t.Back(out, r.X)
	return nil
}

// denoise is one evaluation of the prior for a level.
func denoise(out []float32, y operators.Image, level float64) error {
	psi, err := prior(y.Shape, level)
	if err == nil {
		psi.Eval(out, y.Pix)
	}
	return err
}

var bound = map[string]*lpn.Bound{}

// prior is the built-in one for a level, scaled to it.
func prior(s operators.Shape, level float64) (solvers.Potential, error) {
	p := priors.For(s.C, level)
	key := p.Name + s.String()
	if bound[key] == nil {
		net, err := p.Network()
		if err != nil {
			return nil, err
		}
		if bound[key], err = net.On(s); err != nil {
			return nil, err
		}
	}
	return lpn.Scaled(bound[key], p.Sigma/level), nil
}
