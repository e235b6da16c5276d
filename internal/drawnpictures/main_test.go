package main

import (
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestPictures: a picture is a function of its number, has the levels of its kind - dark print
// on bright paper, light on a dark ground - and differs from the next.
func TestPictures(t *testing.T) {
	for kind, want := range map[string]struct{ mean, low, high float64 }{
		"text":  {0.75, 0.35, 0.8},
		"cells": {0.15, 0.1, 0.4},
	} {
		draw := func(k uint64) *plane { return kinds[kind](rand.New(rand.NewPCG(k, 1))) }
		a, again, b := draw(3), draw(3), draw(4)
		var mean, same, other float64
		low, high := math.Inf(1), math.Inf(-1)
		for i, v := range a.v {
			mean += v / float64(len(a.v))
			same += math.Abs(v - again.v[i])
			other += math.Abs(v-b.v[i]) / float64(len(a.v))
			low, high = min(low, v), max(high, v)
		}
		if len(a.v) != side*side || same != 0 || other < 0.02 {
			t.Errorf("%s: %d samples, differs from itself by %v, from the next by %v", kind, len(a.v), same, other)
		}
		if math.Abs(mean-want.mean) > 0.15 || low < 0 || low > want.low || high < want.high {
			t.Errorf("%s: mean %.3f from %.3f to %.3f", kind, mean, low, high)
		}
	}
}

// TestBlur: the sum stays, and the variance grows by sigma^2.
func TestBlur(t *testing.T) {
	p := newPlane(41, 41)
	p.v[20*41+20] = 1
	var sum, second float64
	for i, v := range p.blur(2).v {
		sum += v
		second += v * float64((i%41-20)*(i%41-20))
	}
	if math.Abs(sum-1) > 1e-12 || math.Abs(second-4) > 0.15 { // cut at 3 sigma
		t.Errorf("sum %v, variance %v", sum, second)
	}
}

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := run("cells", dir, 1); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "cells-0000.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p, err := png.Decode(f); err != nil || p.Bounds().Dx() != side {
		t.Errorf("%v, %v", p.Bounds(), err)
	}
	if run("trees", dir, 1) == nil || run("text", "", 1) == nil {
		t.Error("a kind that there is not, or no folder, was accepted")
	}
}
