package main

import (
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// crop cuts the middle.
func crop(m operators.Image, h, w int) operators.Image {
	out := operators.NewImage(operators.Shape{C: 1, H: h, W: w})
	for i := range h {
		copy(out.Pix[i*w:(i+1)*w], m.Pix[(i+(m.H-h)/2)*m.W+(m.W-w)/2:])
	}
	return out
}

func similarity(a, b operators.Kernel) float64 {
	na, nb := 0.0, 0.0
	for _, t := range a.Taps {
		na += t * t
	}
	for _, t := range b.Taps {
		nb += t * t
	}
	best := 0.0
	for dy := -12; dy <= 12; dy++ {
		for dx := -12; dx <= 12; dx++ {
			s := 0.0
			for i := range a.H {
				for j := range a.W {
					y, x := i-a.H/2+b.H/2+dy, j-a.W/2+b.W/2+dx
					if y >= 0 && y < b.H && x >= 0 && x < b.W {
						s += a.Taps[i*a.W+j] * b.Taps[y*b.W+x]
					}
				}
			}
			best = max(best, s)
		}
	}
	return best / math.Sqrt(na*nb)
}

func main() {
	sigma := flag.Float64("noise", 0.01, "")
	flag.Parse()
	ids := []int{259, 279}
	if os.Getenv("ONE") != "" {
		ids = []int{319}
	}
	if os.Getenv("ALL") != "" {
		ids = []int{239, 259, 279, 319}
	}
	files, _ := filepath.Glob(flag.Arg(1) + "/*.jpg")
	if os.Getenv("FAM") != "" {
		fam(files, *sigma)
		return
	}
	var grid []operators.Kernel
	mean := 0.0
	n := 0
	for _, id := range ids {
		p, err := imageio.Read(files[id])
		check(err)
		fmt.Printf("%-14s", filepath.Base(files[id]))
		for ki := range 8 {
			kp, err := imageio.Read(fmt.Sprintf("%s/levin%d.npy", flag.Arg(0), ki))
			check(err)
			k, err := operators.NewKernel(kp.Image)
			check(err)
			x := crop(p.Luma().Image, 255+k.H-1, 255+k.W-1)
			a, err := operators.NewBlur(x.Shape, k, operators.Valid)
			check(err)
			y := operators.NewImage(a.Codomain())
			a.Apply(y.Pix, x.Pix)
			rng := rand.New(rand.NewPCG(uint64(id), uint64(ki)))
			for i := range y.Pix {
				y.Pix[i] += float32(*sigma * rng.NormFloat64())
			}
			t := time.Now()
			est, err := blind.Find(y, blind.Options{Kind: blind.Free})
			check(err)
			e := est.Kernel
			s := similarity(e, k)
			fmt.Printf(" %.3f(%.1fs)", s, time.Since(t).Seconds())
			if os.Getenv("ER") != "" {
				fmt.Printf("[%.2f]", ratio(x, y, k, e, *sigma))
			}
			grid = append(grid, k, e)
			mean += s
			n++
		}
		fmt.Println()
	}
	fmt.Println("mean", mean/float64(n))
	m := image.NewGray(image.Rect(0, 0, 16*29, 4*29))
	for g, k := range grid {
		top := 0.0
		for _, t := range k.Taps {
			top = max(top, t)
		}
		for i := range k.H {
			for j := range k.W {
				m.SetGray(g%16*29+j+(29-k.W)/2, g/16*29+i+(29-k.H)/2, color.Gray{uint8(255 * math.Sqrt(k.Taps[i*k.W+j]/top))})
			}
		}
	}
	f, _ := os.Create("/tmp/blind-grid.png")
	png.Encode(f, m)
	f.Close()
}

// ratio is the error ratio.
func ratio(x, y operators.Image, k, e operators.Kernel, sigma float64) float64 {
	truth := crop(x, y.H, y.W)
	errorOf := func(k operators.Kernel) float64 {
		spec, err := operators.ParseSpec("blur:kernel=psf.npy")
		check(err)
		m := operators.NewImage(operators.Shape{C: 1, H: k.H, W: k.W})
		for i, t := range k.Taps {
			m.Pix[i] = float32(t)
		}
		spec = spec.WithBoundary(operators.Valid).WithData(m)
		plan, err := restore.New(restore.Problem{Y: y, Operator: spec, Noise: noise.White{Sigma: sigma}, Range: restore.Unit}, restore.Options{Choose: priors.For, Iters: 40, Threads: 1})
		check(err)
		r, err := plan.Solve(context.Background(), nil)
		check(err)
		best := math.Inf(1)
		const reach, edge = 8, 20
		for dy := -reach; dy <= reach; dy++ {
			for dx := -reach; dx <= reach; dx++ {
				s := 0.0
				for i := edge; i < truth.H-edge; i++ {
					for j := edge; j < truth.W-edge; j++ {
						d := float64(r.Image.Pix[(i+dy)*truth.W+j+dx] - truth.Pix[i*truth.W+j])
						s += d * d
					}
				}
				best = min(best, s)
			}
		}
		return best
	}
	return errorOf(e) / errorOf(k)
}
