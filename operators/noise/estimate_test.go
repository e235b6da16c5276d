package noise

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// noisy is the rendered picture in colour with noise of a model, in 8 bits.
func noisy(m Model, channels int) operators.Image {
	x := operators.NewImage(operators.Shape{C: channels, H: 200, W: 240})
	for c := range channels {
		copy(x.Plane(c), rendered(200, 240).Pix)
	}
	m.Sample(x.Pix, x.Pix, x.Shape, rand.New(rand.NewPCG(1, 2)))
	return x
}

func eightBits(x operators.Image) operators.Image {
	for i, v := range x.Pix {
		x.Pix[i] = float32(math.Round(255*float64(min(max(v, 0), 1))) / 255)
	}
	return x
}

func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got/want-1) > share {
		t.Errorf("%s: %g, want %g within %g%%", what, got, want, 100*share)
	}
}

// White noise is found within 10% beside a flat bar, a letterbox, a clipped part
// and a constant channel.
func TestFindWhiteBesideFlats(t *testing.T) {
	for name, spoil := range map[string]func(x operators.Image){
		"nothing":   func(x operators.Image) {},
		"bar":       func(x operators.Image) { fill(x, 0, 160, 200, 0.6) },
		"letterbox": func(x operators.Image) { fill(x, 0, 0, 20, 16./255); fill(x, 0, 180, 200, 16./255) },
		"clipped":   func(x operators.Image) { fill(x, 0, 0, 40, 1) },
	} {
		for _, channels := range []int{1, 3} {
			for _, sigma := range []float64{5. / 255, 20. / 255} {
				x := noisy(White{sigma}, channels)
				for c := range channels {
					spoil(operators.Image{Shape: operators.Shape{C: 1, H: x.H, W: x.W}, Pix: x.Plane(c)})
				}
				e := Find(eightBits(x), Hints{})
				if _, ok := e.Model.(White); !ok {
					t.Errorf("%s: %v", name, e.Line)
				}
				near(t, name, e.White, sigma, 0.1)
			}
		}
	}
	x := noisy(White{0.08}, 3)
	fill(operators.Image{Shape: operators.Shape{C: 1, H: x.H, W: x.W}, Pix: x.Plane(2)}, 0, 0, 200, 0.8)
	near(t, "constant channel", Find(eightBits(x), Hints{}).White, 0.08, 0.1)
}

func fill(x operators.Image, c, from, to int, v float32) {
	p := x.Plane(c)[from*x.W : to*x.W]
	for i := range p {
		p[i] = v
	}
}

// Correlated noise that falls with the brightness: its deviation within 20%, as
// such, and the curve.
func TestFindCorrelated(t *testing.T) {
	curve := Curve{[]Line{{X: []float64{0.2, 0.9}, Y: []float64{0.06, 0.03}}}}
	x := noisy(Correlated{curve, falling(3)}, 3)
	e := Find(eightBits(x), Hints{})
	if !e.Correlated || e.Confidence < 0.9 {
		t.Fatalf("%v, confidence %g", e.Line, e.Confidence)
	}
	near(t, "deviation", e.Deviation, RMS(curve, x.Pix, x.Shape), 0.2)
	line := e.Model.(Correlated).Model.(Curve).Line(0)
	if r := line.At(0.25) / line.At(0.8); r < 1.3 {
		t.Errorf("the curve falls by %g, want 1.6", r)
	}
	if !strings.Contains(e.Line, "falling with brightness") || !strings.Contains(e.Line, "correlated") {
		t.Error(e.Line)
	}
}

// Counts are known by their unit and their variance.
func TestFindCounts(t *testing.T) {
	e := Find(noisy(Poisson{Gain: 0.07}, 1), Hints{})
	p, ok := e.Model.(Poisson)
	if !ok {
		t.Fatalf("%v: %v", e.Model, e.Line)
	}
	near(t, "gain", p.Gain, 0.07, 1e-3)
}

// Counts of cells on a dark ground, which are all texture, are known as well; the same
// numbers with white noise in place of that of counting are not counts.
func TestFindCountsInTexture(t *testing.T) {
	const unit = 1. / 40
	counts, other := operators.NewImage(operators.Shape{C: 1, H: 200, W: 220}), operators.NewImage(operators.Shape{C: 1, H: 200, W: 220})
	for i := range counts.Pix {
		r, c := float64(i/220), float64(i%220)
		counts.Pix[i] = 2.5 * unit
		if math.Mod(r, 50) < 25 != (math.Mod(c, 44) < 22) {
			counts.Pix[i] = float32(unit * (16 + 13*math.Sin(r*0.9)*math.Sin(c*0.7)))
		}
	}
	rng := rand.New(rand.NewPCG(6, 7))
	White{3 * unit}.Sample(other.Pix, counts.Pix, counts.Shape, rng)
	Poisson{Gain: unit}.Sample(counts.Pix, counts.Pix, counts.Shape, rng)
	for i, v := range other.Pix {
		other.Pix[i] = float32(unit * math.Round(float64(max(v, 0))/unit))
	}
	e := Find(counts, Hints{})
	p, ok := e.Model.(Poisson)
	if !ok {
		t.Fatalf("counts: %v", e.Line)
	}
	near(t, "gain", p.Gain, unit, 1e-3)
	if _, ok := Find(other, Hints{}).Model.(Poisson); ok {
		t.Error("white noise in whole numbers is taken for that of counting")
	}
}

// Pictures without noise have none, or next to none.
func TestFindNothing(t *testing.T) {
	text := operators.NewImage(operators.Shape{C: 1, H: 80, W: 120})
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range text.Pix {
		text.Pix[i] = 1
		if i/120%12 < 8 && i%120%9 < 6 {
			text.Pix[i] = float32(rng.IntN(2))
		}
	}
	nan := rendered(40, 40)
	for i := range nan.Pix {
		nan.Pix[i] = float32(math.NaN())
	}
	for name, x := range map[string]operators.Image{
		"rendered":  eightBits(rendered(200, 240)),
		"text":      text,
		"black":     operators.NewImage(operators.Shape{C: 3, H: 50, W: 50}),
		"one pixel": operators.NewImage(operators.Shape{C: 1, H: 1, W: 1}),
		"nan":       nan,
	} {
		e := Find(x, Hints{})
		if !(e.White <= 0.6/255) || e.Line == "" {
			t.Errorf("%s: %g/255: %s", name, 255*e.White, e.Line)
		}
	}
}

// A gray picture stored as colour is one of gray.
func TestFindGray(t *testing.T) {
	g := noisy(White{0.05}, 1)
	x := operators.NewImage(operators.Shape{C: 3, H: g.H, W: g.W})
	for c := range 3 {
		copy(x.Plane(c), g.Pix)
	}
	a, b := Find(g, Hints{}), Find(x, Hints{})
	if !b.Gray || a.White != b.White || !strings.Contains(b.Line, "gray stored as colour") {
		t.Errorf("%+v, as colour %+v", a, b)
	}
}

// No picture, however small or odd, is more than it can take.
func FuzzFind(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, 9, 12, false)
	f.Add([]byte{0, 255}, 30, 30, true)
	f.Fuzz(func(t *testing.T, data []byte, h, w int, colour bool) {
		if h < 1 || w < 1 || h > 64 || w > 64 || len(data) == 0 {
			return
		}
		x := operators.NewImage(operators.Shape{C: 1, H: h, W: w})
		if colour {
			x = operators.NewImage(operators.Shape{C: 3, H: h, W: w})
		}
		for i := range x.Pix {
			x.Pix[i] = float32(data[(i*7+i/5)%len(data)]) / 255
		}
		if e := Find(x, Hints{}); !(e.White >= 0) || math.IsInf(e.White, 0) || e.Model == nil {
			t.Errorf("%+v", e)
		}
	})
}

// Of a JPEG whose samples tell little, as where all is texture, the luma is asked, the
// one that is given if it has the size.
func TestFindTakesLuma(t *testing.T) {
	texture := operators.NewImage(operators.Shape{C: 3, H: 200, W: 240})
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range texture.Pix { // a drawing: nothing to measure
		texture.Pix[i] = float32(rng.IntN(2)) * 0.9
	}
	luma := eightBits(noisy(White{0.05}, 1))
	e := Find(texture, Hints{Quality: 95, Luma: luma})
	near(t, "deviation by the luma", e.Deviation, 0.05, 0.1)
	if without := Find(texture, Hints{Quality: 95}); without.Confidence >= e.Confidence {
		t.Errorf("confidence %g without the luma, %g with it", without.Confidence, e.Confidence)
	}
	small := operators.Image{Shape: operators.Shape{C: 1, H: 100, W: 240}, Pix: luma.Pix[:100*240]}
	if other := Find(texture, Hints{Quality: 95, Luma: small}); other.Deviation == e.Deviation {
		t.Error("a luma of another size was taken")
	}
}

// The level for noise that JPEG went over lies between the deviation and the bound of
// the quality, and grows with the deviation and as the quality falls.
func TestJPEGLevel(t *testing.T) {
	for _, quality := range []int{0, 1, 40, 85, 100} {
		last := 0.0
		for d := 0.5 / 255; d < 60./255; d *= 1.2 {
			l := jpegLevel(d, quality)
			if l < d || l < last {
				t.Errorf("quality %d: level %g of deviation %g, %g of less", quality, l, d, last)
			}
			last = l
		}
	}
	if a, b := jpegLevel(5./255, 90), jpegLevel(5./255, 50); a >= b {
		t.Errorf("%g at quality 90, %g at 50", a, b)
	}
}

// A photograph rounded to 16 levels is not taken for a noisy one, one with more noise than
// their distance is.
func TestFindFewLevels(t *testing.T) {
	for _, c := range []struct {
		sigma float64
		found bool
	}{{0.02, false}, {0.1, true}} {
		x := noisy(White{c.sigma}, 1)
		for i, v := range x.Pix {
			x.Pix[i] = float32(math.Round(15*float64(min(max(v, 0), 1))) / 15)
		}
		if e := Find(x, Hints{}); e.White > 0 != c.found {
			t.Errorf("noise of %g: found %g, level %g", c.sigma, e.Deviation, e.White)
		}
	}
}

// TestLevelForPeople: no level is written with an exponent.
func TestLevelForPeople(t *testing.T) {
	for level, want := range map[float64]string{0.42: "0.42", 8.07: "8.1", 12.3: "12", 193: "193"} {
		if got := of255(level); got != want {
			t.Errorf("%v: %s, want %s", level, got, want)
		}
	}
}
