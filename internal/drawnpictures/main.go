// Command drawnpictures draws pictures of a kind that the shipped priors were not trained
// on, for docs/finetune.sh. They are simulated: no page was scanned and no cell was seen.
//
//	drawnpictures text DIR    scans of printed pages
//	drawnpictures cells DIR   fluorescence micrographs of cells
//
// It writes -count pictures of 256x256 gray pixels, 16 bits each, to DIR. Picture k of a kind is a
// function of k alone.
package main

import (
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// side is the width and height of a picture in pixels.
const side = 256

var kinds = map[string]func(*rand.Rand) *plane{"text": page, "cells": cells}

func main() {
	count := flag.Int("count", 220, "draw `N` pictures")
	flag.Parse()
	if err := run(flag.Arg(0), flag.Arg(1), *count); err != nil {
		fmt.Fprintln(os.Stderr, "drawnpictures:", err)
		os.Exit(1)
	}
}

func run(kind, dir string, count int) error {
	draw := kinds[kind]
	if draw == nil || dir == "" {
		return fmt.Errorf("want text DIR or cells DIR")
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for k := range count {
		if err := write(filepath.Join(dir, fmt.Sprintf("%s-%04d.png", kind, k)), draw(rand.New(rand.NewPCG(uint64(k), 1)))); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, p *plane) error {
	out := image.NewGray16(image.Rect(0, 0, p.w, p.h))
	for i, v := range p.v {
		out.SetGray16(i%p.w, i/p.w, color.Gray16{Y: uint16(math.Round(65535 * min(max(v, 0), 1)))})
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, out); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// A plane is w*h values by rows.
type plane struct {
	w, h int
	v    []float64
}

func newPlane(w, h int) *plane { return &plane{w, h, make([]float64, w*h)} }

// at is the value at (x, y) by bilinear interpolation; beyond the edge it is that of the edge.
func (p *plane) at(x, y float64) float64 {
	x, y = min(max(x, 0), float64(p.w-1)), min(max(y, 0), float64(p.h-1))
	x0, y0 := int(x), int(y)
	x1, y1 := min(x0+1, p.w-1), min(y0+1, p.h-1)
	a, b := x-float64(x0), y-float64(y0)
	return (1-b)*((1-a)*p.v[y0*p.w+x0]+a*p.v[y0*p.w+x1]) + b*((1-a)*p.v[y1*p.w+x0]+a*p.v[y1*p.w+x1])
}

// blur is p convolved with a Gaussian of a standard deviation of sigma pixels, cut at 3 sigma, p continued by its edge.
func (p *plane) blur(sigma float64) *plane {
	r := int(math.Ceil(3 * sigma))
	kernel := make([]float64, 2*r+1)
	sum := 0.0
	for i := range kernel {
		d := float64(i-r) / sigma
		kernel[i] = math.Exp(-d * d / 2)
		sum += kernel[i]
	}
	pass := func(src *plane, dx, dy int) *plane {
		dst := newPlane(src.w, src.h)
		for y := range src.h {
			for x := range src.w {
				s := 0.0
				for i, k := range kernel {
					s += k * src.v[min(max(y+dy*(i-r), 0), src.h-1)*src.w+min(max(x+dx*(i-r), 0), src.w-1)]
				}
				dst.v[y*src.w+x] = s / sum
			}
		}
		return dst
	}
	return pass(pass(p, 1, 0), 0, 1)
}

// texture is Gaussian noise of standard deviation 1, smooth over sigma pixels.
func texture(w, h int, sigma float64, rng *rand.Rand) *plane {
	t := newPlane(w, h)
	for i := range t.v {
		t.v[i] = rng.NormFloat64()
	}
	t = t.blur(sigma)
	square := 0.0
	for _, v := range t.v {
		square += v * v
	}
	scale := 1 / math.Sqrt(square/float64(len(t.v)))
	for i := range t.v {
		t.v[i] *= scale
	}
	return t
}

// between is a random number in [lo, hi).
func between(rng *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*rng.Float64() }
