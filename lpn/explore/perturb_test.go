package explore

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// applied is x changed by a level.
func applied(by Perturbation, x operators.Image, level float64) operators.Image {
	m := operators.NewImage(x.Shape)
	by.Apply(m, x, level)
	return m
}

// TestPerturbations: level 0 is the picture itself, x stays as it is, and the
// levels to begin with ascend from 0.
func TestPerturbations(t *testing.T) {
	x := picture(1, operators.Shape{C: 3, H: 8, W: 11})
	before := x.Clone()
	var names []string
	for _, p := range Perturbations() {
		if m, ok := p.(Mix); ok {
			m.With = picture(2, x.Shape)
			p = m
		}
		names = append(names, p.Kind())
		ls := p.Levels()
		if ls[0] != 0 || !slices.IsSorted(ls) || p.Parameter() == "" {
			t.Errorf("%s: levels %v of %q", p.Kind(), ls, p.Parameter())
		}
		if m := applied(p, x, 0); !slices.Equal(m.Pix, x.Pix) {
			t.Errorf("%s changes a picture by nothing", p.Kind())
		}
		if m := applied(p, x, ls[len(ls)-1]); slices.Equal(m.Pix, x.Pix) || !slices.Equal(x.Pix, before.Pix) {
			t.Errorf("%s leaves its picture as it is, or changes the one it was given", p.Kind())
		}
		var bad *LevelError
		if err := p.Check(x.Shape, math.NaN()); !errors.As(err, &bad) || bad.Kind != p.Kind() {
			t.Errorf("%s by NaN: %v", p.Kind(), err)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("not in order: %v", names)
	}
	for _, c := range []struct {
		p     Perturbation
		level float64
	}{{Noise{}, -1}, {Blur{}, -1}, {Blur{}, 171}, {Occlusion{}, -0.1}, {Dim{}, math.Inf(1)}, {Noise{}, math.Inf(1)}} {
		if err := c.p.Check(x.Shape, c.level); !errors.As(err, new(*LevelError)) {
			t.Errorf("%s by %g: %v", c.p.Kind(), c.level, err)
		}
	}
	if err := (Blur{}).Check(x.Shape, 170); err != nil {
		t.Error(err)
	}
	if err := (Mix{With: picture(1, operators.Shape{C: 1, H: 2, W: 2})}).Check(x.Shape, 0.5); err == nil || errors.As(err, new(*LevelError)) {
		t.Errorf("mixing two shapes: %v", err)
	}
}

// TestNoise: its deviation is the level's, and its pattern the seed's.
func TestNoise(t *testing.T) {
	x := operators.NewImage(operators.Shape{C: 1, H: 100, W: 100})
	m := applied(Noise{Seed: 1}, x, 0.2)
	sum := 0.0
	for _, v := range m.Pix {
		sum += float64(v) * float64(v)
	}
	near(t, "deviation", math.Sqrt(sum/1e4), 0.2, 0.03)
	if slices.Equal(m.Pix, applied(Noise{Seed: 2}, x, 0.2).Pix) {
		t.Error("two seeds, one noise")
	}
	for i, v := range applied(Noise{Seed: 1}, x, 0.1).Pix {
		if math.Abs(float64(2*v-m.Pix[i])) > 1e-6 {
			t.Fatal("half the level is not half the noise")
		}
	}
}

// TestBlur: against the sum over a mirrored picture.
func TestBlur(t *testing.T) {
	x := picture(1, operators.Shape{C: 1, H: 7, W: 9})
	const sigma = 0.9
	mirror := func(i, n int) int {
		for i < 0 || i >= n {
			if i < 0 {
				i = -1 - i
			} else {
				i = 2*n - 1 - i
			}
		}
		return i
	}
	m := applied(Blur{}, x, sigma)
	for i := range x.H {
		for j := range x.W {
			sum, weight := 0.0, 0.0
			for a := -3; a <= 3; a++ {
				for b := -3; b <= 3; b++ {
					w := math.Exp(-float64(a*a+b*b) / (2 * sigma * sigma))
					sum += w * float64(x.At(0, mirror(i+a, x.H), mirror(j+b, x.W)))
					weight += w
				}
			}
			if math.Abs(float64(m.At(0, i, j))-sum/weight) > 1e-5 {
				t.Fatalf("pixel %d,%d is %g, want %g", i, j, m.At(0, i, j), sum/weight)
			}
		}
	}
}

// TestMixDimOcclusion: by their formulas.
func TestMixDimOcclusion(t *testing.T) {
	x, y := picture(1, operators.Shape{C: 2, H: 8, W: 10}), picture(2, operators.Shape{C: 2, H: 8, W: 10})
	mixed, dimmed, hidden := applied(Mix{With: y}, x, 0.25), applied(Dim{}, x, 0.25), applied(Occlusion{}, x, 0.5)
	for c := range 2 {
		for i := range 8 {
			for j := range 10 {
				v := float64(x.At(c, i, j))
				square := v
				if i >= 2 && i < 6 && j >= 3 && j < 7 {
					square = 0.5
				}
				if math.Abs(float64(mixed.At(c, i, j))-(0.75*v+0.25*float64(y.At(c, i, j)))) > 1e-6 ||
					math.Abs(float64(dimmed.At(c, i, j))-0.75*v) > 1e-6 || float64(hidden.At(c, i, j)) != square {
					t.Fatalf("sample %d,%d,%d: %g, %g, %g of %g", c, i, j, mixed.At(c, i, j), dimmed.At(c, i, j), hidden.At(c, i, j), v)
				}
			}
		}
	}
}

// TestRotation: a quarter turn of a square is the transpose mirrored, and a
// small turn of a plane ramp a plane ramp.
func TestRotation(t *testing.T) {
	x := picture(1, operators.Shape{C: 1, H: 9, W: 9})
	m := applied(Rotation{}, x, 90)
	for i := range 9 {
		for j := range 9 {
			if d := m.At(0, i, j) - x.At(0, j, 8-i); d > 1e-5 || d < -1e-5 {
				t.Fatalf("pixel %d,%d is off by %g", i, j, d)
			}
		}
	}
	ramp := operators.NewImage(operators.Shape{C: 1, H: 15, W: 15})
	for i := range ramp.Pix {
		ramp.Pix[i] = float32(i % 15)
	}
	m = applied(Rotation{}, ramp, 20)
	sin, cos := math.Sincos(20 * math.Pi / 180)
	for i := 4; i < 11; i++ {
		for j := 4; j < 11; j++ {
			want := 7 + cos*float64(j-7) - sin*float64(i-7)
			if math.Abs(float64(m.At(0, i, j))-want) > 1e-4 {
				t.Fatalf("pixel %d,%d is %g, want %g", i, j, m.At(0, i, j), want)
			}
		}
	}
}
