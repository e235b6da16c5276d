// Command blindjudge prints how well a blur is found where the truth is known:
//
//	blindjudge levin KERNELS DIR    the kernels levin0.npy to levin7.npy, noise of 0.01, boundary
//	                                valid, free kernels: likeness of the kernels, and the error
//	                                ratio of Levin et al. (2009), squared error with the kernel that
//	                                was found over that with the true one, shifts aligned
//	blindjudge families DIR         Gaussians and disks of 0.8 to 6 pixels, noise of
//	                                0.005 to 0.03: the parameter over the true one
//	blindjudge kinds KERNELS DIR    the same kernels, a Gaussian and a disk in noise of 0.01: is the kind
//	                                found if none is asked for?
//	blindjudge large KERNELS DIR    the same, and no blur, in mosaics of 12 megapixels saved as JPEG
//	blindjudge sharp DIR            photographs as they are, and with noise: are they
//	                                left alone?
//
// DIR holds photographs, of which -pictures picks some by their number in the order of names; -side
// is that of the crop, 0 for whole pictures.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

func main() {
	pictures := flag.String("pictures", "239,259,279,319", "numbers of the photographs")
	side := flag.Int("side", 255, "side of the blurred crop; 0: the whole picture")
	which := flag.String("kernels", "0,1,2,3,4,5,6,7", "numbers of the kernels")
	ratios := flag.Bool("ratios", true, "restore, too: the error ratios")
	keep := flag.String("keep", "", "folder for the large photographs")
	seeds := flag.Int("seeds", 1, "number of large mosaics")
	flag.Parse()
	err := func() error {
		args := flag.Args()
		if len(args) == 3 && args[0] == "large" {
			return large(args[1], args[2], *keep, *seeds)
		}
		if len(args) < 2 {
			return fmt.Errorf("want levin, kinds or large KERNELS DIR, families DIR or sharp DIR")
		}
		x, err := read(args[len(args)-1], *pictures)
		if err != nil {
			return err
		}
		switch {
		case len(args) == 3 && args[0] == "levin":
			return levin(args[1], *which, x, *side, *ratios)
		case len(args) == 3 && args[0] == "kinds":
			return kinds(args[1], x, *side)
		case args[0] == "families":
			return families(x, *side)
		case args[0] == "sharp":
			return sharp(x, *side)
		}
		return fmt.Errorf("%q: want levin, families or sharp", args[0])
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "blindjudge:", err)
		os.Exit(1)
	}
}

// read is the luma of some of the photographs of a folder.
func read(dir, pictures string) ([]operators.Image, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
	if err != nil {
		return nil, err
	}
	var out []operators.Image
	for _, n := range strings.Split(pictures, ",") {
		i, err := strconv.Atoi(n)
		if err != nil || i < 0 || i >= len(files) {
			return nil, fmt.Errorf("picture %s of %d in %s", n, len(files), dir)
		}
		p, err := imageio.Read(files[i])
		if err != nil {
			return nil, err
		}
		out = append(out, p.Luma().Image)
	}
	return out, nil
}

// blurred is the middle of a photograph, and what a kernel and noise make of it:
// side pixels a side, or all that the kernel covers.
func blurred(m operators.Image, k operators.Kernel, side int, sigma float64, seed uint64) (x, y operators.Image, err error) {
	h, w := m.H-k.H+1, m.W-k.W+1
	if side > 0 {
		h, w = min(h, side), min(w, side)
	}
	scene := restore.Centre(m, h+k.H-1, w+k.W-1)
	a, err := operators.NewBlur(scene.Shape, k, operators.Valid)
	if err != nil {
		return x, y, err
	}
	y = operators.NewImage(a.Codomain())
	a.Apply(y.Pix, scene.Pix)
	rng := rand.New(rand.NewPCG(seed, 0x626c75))
	for i := range y.Pix {
		y.Pix[i] += float32(sigma * rng.NormFloat64())
	}
	return restore.Centre(scene, h, w), y, nil
}

// levinKernel reads one of the kernels of Levin et al.
func levinKernel(dir string, j int) (operators.Kernel, error) {
	p, err := imageio.Read(filepath.Join(dir, fmt.Sprintf("levin%d.npy", j)))
	if err != nil {
		return operators.Kernel{}, err
	}
	return operators.NewKernel(p.Image)
}

func levin(kernels, which string, pictures []operators.Image, side int, ratios bool) error {
	const sigma = 0.01
	var n, at3, at5 int
	likeness, slowest, least := 0.0, 0.0, math.Inf(1)
	for i, m := range pictures {
		for _, name := range strings.Split(which, ",") {
			j, err := strconv.Atoi(name)
			if err != nil {
				return err
			}
			k, err := levinKernel(kernels, j)
			if err != nil {
				return err
			}
			x, y, err := blurred(m, k, side, sigma, uint64(8*i+j))
			if err != nil {
				return err
			}
			start := time.Now()
			e, err := blind.Find(context.Background(), y, blind.Options{Kind: blind.Free})
			if err != nil {
				return err
			}
			seconds := time.Since(start).Seconds()
			slowest = max(slowest, seconds)
			l := blind.Likeness(e.Kernel, k)
			likeness += l
			n++
			fmt.Printf("picture %d, kernel %d: confidence %.3f, %.1f s, likeness %.3f", i, j, e.Confidence, seconds, l)
			if ratios {
				r, gain, err := ratio(x, y, k, e.Kernel, sigma)
				if err != nil {
					return err
				}
				fmt.Printf(", error ratio %.2f, %+.2f dB", r, gain)
				least = min(least, gain)
				if r <= 3 {
					at3++
				}
				if r <= 5 {
					at5++
				}
			}
			fmt.Println()
		}
	}
	fmt.Printf("%d cases: mean likeness %.3f, at most %.1f s", n, likeness/float64(n), slowest)
	if ratios {
		fmt.Printf(", success at 3: %.0f%%, at 5: %.0f%%, at least %+.2f dB over the picture as it was", 100*float64(at3)/float64(n), 100*float64(at5)/float64(n), least)
	}
	fmt.Println()
	return nil
}

// ratio is the error ratio of the kernel that was found, and what the restoration by it gains over y, in dB.
func ratio(x, y operators.Image, truth, found operators.Kernel, sigma float64) (ratio, gain float64, err error) {
	a, err := restored(y, found, sigma)
	if err != nil {
		return 0, 0, err
	}
	b, err := restored(y, truth, sigma)
	if err != nil {
		return 0, 0, err
	}
	e := squaredError(x, a)
	return e / squaredError(x, b), 10 * math.Log10(squaredError(x, y)/e), nil
}

// restored is y without the blur of a kernel.
func restored(y operators.Image, k operators.Kernel, sigma float64) (operators.Image, error) {
	spec, err := operators.ParseSpec("blur:kernel=psf.npy")
	if err != nil {
		return y, err
	}
	e := blind.Estimate{Kernel: k}
	spec = spec.WithBoundary(operators.Valid).WithData(e.Image())
	problem := restore.Problem{Y: y, Operator: spec, Noise: noise.White{Sigma: sigma}, Range: restore.Unit}
	plan, err := restore.New(problem, restore.Options{Choose: priors.For, Iters: 40, Threads: 1})
	if err != nil {
		return y, err
	}
	r, err := plan.Solve(context.Background(), nil)
	return r.Image, err
}

// squaredError compares y with x at the best shift.
func squaredError(x, y operators.Image) float64 {
	const most, edge = 8, 20
	best := math.Inf(1)
	for dy := -most; dy <= most; dy++ {
		for dx := -most; dx <= most; dx++ {
			sum := 0.0
			for i := edge; i < x.H-edge; i++ {
				for j := edge; j < x.W-edge; j++ {
					d := float64(y.Pix[(i+dy)*x.W+j+dx] - x.Pix[i*x.W+j])
					sum += d * d
				}
			}
			best = min(best, sum)
		}
	}
	return best
}

func families(pictures []operators.Image, side int) error {
	make := map[blind.Kind]func(float64) (operators.Kernel, error){
		blind.Gaussian: func(t float64) (operators.Kernel, error) { return operators.GaussianKernel(t, 0) },
		blind.Disk:     operators.DiskKernel,
	}
	for _, kind := range []blind.Kind{blind.Gaussian, blind.Disk} {
		n, within5, within10, inside := 0, 0, 0, 0
		for _, t := range []float64{0.8, 1.2, 2, 3, 4.5, 6} {
			for _, sigma := range []float64{0.005, 0.01, 0.03} {
				fmt.Printf("%s of %.1f, noise %.3f:", kind, t, sigma)
				for i, m := range pictures {
					k, err := make[kind](t)
					if err != nil {
						return err
					}
					_, y, err := blurred(m, k, side, sigma, uint64(i))
					if err != nil {
						return err
					}
					n++
					e, err := blind.Find(context.Background(), y, blind.Options{Kind: kind})
					if err != nil {
						fmt.Printf(" [%v]", err)
						continue
					}
					p := e.Parameters[0]
					off := math.Abs(p.Value/t - 1)
					fmt.Printf(" %.3f", p.Value/t)
					if off <= 0.05 {
						within5++
					}
					if off <= 0.1 {
						within10++
					}
					if p.Lo <= t && t <= p.Hi {
						inside++
					}
				}
				fmt.Println()
			}
		}
		share := func(a int) float64 { return 100 * float64(a) / float64(n) }
		fmt.Printf("%s: %d cases, within 5%% %.0f%%, within 10%% %.0f%%, the interval holds the truth %.0f%%\n", kind, n, share(within5), share(within10), share(inside))
	}
	return nil
}

func kinds(kernels string, pictures []operators.Image, side int) error {
	all, err := shots(kernels, []int{0})
	if err != nil {
		return err
	}
	n, right := 0, 0
	for i, m := range pictures {
		for j, s := range all[1:] {
			_, y, err := blurred(m, s.kernel, side, 0.01, uint64(100*i+j))
			if err != nil {
				return err
			}
			e, err := blind.Find(context.Background(), y, blind.Options{})
			if err != nil {
				return err
			}
			n++
			if s.tell(fmt.Sprintf("picture %d", i), e) {
				right++
			}
		}
	}
	fmt.Printf("kinds: %d of %d are right\n", right, n)
	return nil
}

func sharp(pictures []operators.Image, side int) error {
	point := operators.Kernel{H: 1, W: 1, Taps: []float64{1}}
	n, alone := 0, 0
	for i, m := range pictures {
		for _, sigma := range []float64{0, 0.01, 0.03} {
			_, y, err := blurred(m, point, side, sigma, uint64(i))
			if err != nil {
				return err
			}
			e, err := blind.Find(context.Background(), y, blind.Options{})
			if err != nil {
				return err
			}
			n++
			if e.Kind == blind.Sharp {
				alone++
			} else {
				fmt.Printf("picture %d, noise %.2f: %v\n", i, sigma, e)
			}
		}
	}
	fmt.Printf("sharp: %d of %d left alone\n", alone, n)
	return nil
}
