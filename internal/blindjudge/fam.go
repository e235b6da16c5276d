package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/blind"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

func fam(files []string, _ float64) {
	ids := []int{5, 45, 85, 125, 165, 205, 245, 285, 325, 365, 405, 425}
	if os.Getenv("SEL") != "" {
		sel(files)
		return
	}
	for _, kind := range []string{"gaussian", "disk"} {
		n5, n10, in, n := 0, 0, 0, 0
		for _, theta := range []float64{0.01, 0.8, 1.5, 3, 6} {
			for _, sigma := range []float64{.005, .03} {
				fmt.Printf("%s %.1f %.3f:", kind, theta, sigma)
				for _, id := range ids {
					p, err := imageio.Read(files[id])
					check(err)
					var k operators.Kernel
					if kind == "disk" {
						k, _ = operators.DiskKernel(theta)
					} else {
						k, _ = operators.GaussianKernel(theta, 0)
					}
					luma := p.Luma().Image
					x := crop(luma, min(luma.H, 255+k.H-1), min(luma.W, 255+k.W-1))
					a, err := operators.NewBlur(x.Shape, k, operators.Valid)
					check(err)
					y := operators.NewImage(a.Codomain())
					a.Apply(y.Pix, x.Pix)
					rng := rand.New(rand.NewPCG(uint64(id), 5))
					for i := range y.Pix {
						y.Pix[i] += float32(sigma * rng.NormFloat64())
					}
					v, lo, hi, _ := blind.Spectral(y.Pix, y.H, y.W, noise.FindWhite(y), kind)
					if theta < 0.1 {
						fmt.Printf(" %.2f", v)
						continue
					}
					fmt.Printf(" %.2f", v/theta)
					n++
					if math.Abs(v/theta-1) < .05 {
						n5++
					}
					if math.Abs(v/theta-1) < .1 {
						n10++
					}
					if lo <= theta && theta <= hi {
						in++
					}
				}
				fmt.Println()
			}
		}
		fmt.Println(kind, "within 5%", float64(n5)/float64(n), "10%", float64(n10)/float64(n), "in interval", float64(in)/float64(n))
	}
}

func sel(files []string) {
	for _, spec := range []string{"denoise", "blur:gaussian,sigma=1", "blur:gaussian,sigma=2.5", "blur:disk,radius=3", "blur:motion,length=9,angle=30", "blur:motion,length=20,angle=70"} {
		for _, id := range []int{5, 85, 165, 245} {
			p, err := imageio.Read(files[id])
			check(err)
			sp, err := operators.ParseSpec(spec)
			check(err)
			sp = sp.WithBoundary(operators.Valid)
			kh, kw, _ := sp.Support()
			x := crop(p.Luma().Image, 255+kh-1, 255+kw-1)
			a, err := sp.Build(x.Shape)
			check(err)
			y := operators.NewImage(a.Codomain())
			a.Apply(y.Pix, x.Pix)
			rng := rand.New(rand.NewPCG(uint64(id), 5))
			for i := range y.Pix {
				y.Pix[i] += float32(.01 * rng.NormFloat64())
			}
			t := time.Now()
			e, err := blind.Find(y, blind.Options{})
			fmt.Println(spec, id, e, err, time.Since(t).Seconds())
		}
	}
}
