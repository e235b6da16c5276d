package operators

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// disc is a disc of value 1 around (y,x), in pixels from the axis, as a picture
// whose pixels are the share that it covers.
type disc struct{ y, x, r float64 }

func (c disc) draw(s Shape) []float32 {
	const sub = 8
	out := make([]float32, s.Len())
	for i := range s.H {
		for j := range s.W {
			n := 0
			for k := range sub * sub {
				dy := float64(i-s.H/2) + (float64(k/sub)+.5)/sub - .5 - c.y
				dx := float64(j-s.W/2) + (float64(k%sub)+.5)/sub - .5 - c.x
				if dy*dy+dx*dx < c.r*c.r {
					n++
				}
			}
			out[i*s.W+j] = float32(n) / (sub * sub)
		}
	}
	return out
}

// chord is the length in the disc of the line through (py,px) along (uy,ux).
func (c disc) chord(py, px, uy, ux float64) float64 {
	d := math.Abs((c.y-py)*ux-(c.x-px)*uy) / math.Hypot(uy, ux)
	return 2 * math.Sqrt(max(0, c.r*c.r-d*d))
}

// angles are n irregular angles over span degrees.
func irregular(n int, span float64) []float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]float64, n)
	for i := range out {
		out[i] = span * (float64(i) + rng.Float64()) / float64(n)
	}
	return out
}

// closedForm is the sinogram of a disc, by the rays' points as the Geometry's
// documentation has them.
func closedForm(g Geometry, c disc) []float32 {
	c = disc{c.y * g.Pixel, c.x * g.Pixel, c.r * g.Pixel}
	var out []float32
	for _, a := range g.Angles {
		sin, cos := math.Sincos(a * math.Pi / 180)
		for d := range g.Detectors {
			s := g.Spacing*float64(d-g.Detectors/2) + g.Offset
			var l float64
			switch g.Beam {
			case Parallel:
				l = c.chord(-s*sin, s*cos, cos, sin)
			case FanFlat:
				py, px := -g.Source*cos, -g.Source*sin
				l = c.chord(py, px, g.Detector*cos-s*sin-py, g.Detector*sin+s*cos-px)
			case FanCurved:
				gamma := a*math.Pi/180 + s/(g.Source+g.Detector)
				l = c.chord(-g.Source*cos, -g.Source*sin, math.Cos(gamma), math.Sin(gamma))
			}
			out = append(out, float32(l))
		}
	}
	return out
}

var geometries = []struct {
	name string
	g    Geometry
	// sinogram and picture are how far the sinogram of a disc may be from the closed
	// form, and the reconstruction from the disc, relative.
	sinogram, picture float64
}{
	{"parallel, irregular", Geometry{Angles: irregular(150, 180)}, 0.015, 0.12},
	{"parallel, offset, fine detectors", Geometry{Angles: irregular(150, 360), Spacing: 0.7, Offset: 3.3, Detectors: 240}, 0.015, 0.12},
	{"parallel in mm", Geometry{Angles: equalAngles(120, 180), Pixel: 0.25, Offset: -1}, 0.015, 0.12},
	{"fan, flat", Geometry{Beam: FanFlat, Angles: equalAngles(200, 360), Source: 200, Detector: 150}, 0.015, 0.12},
	{"fan, curved", Geometry{Beam: FanCurved, Angles: irregular(200, 360), Source: 200, Detector: 150}, 0.015, 0.12},
	{"fan, flat, in mm, detector at the axis", Geometry{Beam: FanFlat, Angles: equalAngles(200, 360), Source: 60, Pixel: 0.4, Offset: 1}, 0.015, 0.12},
	{"fan, curved, short scan", Geometry{Beam: FanCurved, Angles: equalAngles(180, 230), Source: 200, Detector: 200}, 0.015, 0.13},
}

// Every geometry gives the chords of a disc, and its reconstruction the disc.
func TestTomographDiscs(t *testing.T) {
	s := Shape{1, 100, 90}
	c := disc{-12.3, 9.4, 20.2}
	x := c.draw(s)
	for _, e := range geometries {
		a, err := NewTomograph(s, e.g)
		if err != nil {
			t.Fatal(err)
		}
		y := make([]float32, a.Codomain().Len())
		a.Apply(y, x)
		want := closedForm(a.Geometry(), c)
		if d := relDiff(y, want); !(d < e.sinogram) {
			t.Errorf("%s: the sinogram is off by %.3g", e.name, d)
		}
		back := make([]float32, len(x))
		a.Reconstruct(back, want, Ramp)
		if d := relDiff(back, x); !(d < e.picture) {
			t.Errorf("%s: the reconstruction is off by %.3g", e.name, d)
		}
	}
}

// A fan from far away is a parallel beam.
func TestFanFarAway(t *testing.T) {
	s := Shape{2, 40, 51}
	angles := irregular(17, 360)
	far, err := NewTomograph(s, Geometry{Beam: FanFlat, Angles: angles, Detectors: 61, Source: 1e6, Detector: 10, Offset: 0.4})
	if err != nil {
		t.Fatal(err)
	}
	near, err := NewTomograph(s, Geometry{Angles: angles, Detectors: 61, Offset: 0.4})
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, s.Len())
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range x {
		x[i] = rng.Float32()
	}
	y, want := make([]float32, near.Codomain().Len()), make([]float32, near.Codomain().Len())
	far.Apply(y, x)
	near.Apply(want, x)
	if d := relDiff(y, want); d > 1e-3 {
		t.Errorf("off by %.3g", d)
	}
}

// scikit-image's radon at irregular angles, with an odd number of detectors.
func TestRadonIrregularGolden(t *testing.T) {
	g := goldenNPZ(t, "radon-angles.npz")
	angles := make([]float64, len(g["angles"]))
	for i, a := range g["angles"] {
		angles[i] = float64(a)
	}
	side := int(math.Sqrt(float64(len(g["image"]))))
	r, err := NewTomograph(Shape{1, side, side}, Geometry{Angles: angles, Detectors: side})
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float32, r.Codomain().Len())
	r.Apply(y, g["image"])
	if d := relDiff(y, g["sinogram"]); d > 0.01 {
		t.Errorf("%.3g from scikit-image's", d)
	}
}

// The ASTRA Toolbox's line projectors in three geometries, turned as docs/measure.md
// says: a fan's angles by 180 degrees, its detectors the other way round.
func TestAstraGolden(t *testing.T) {
	g := goldenNPZ(t, "astra.npz")
	angles := make([]float64, len(g["angles"]))
	turned := make([]float64, len(angles))
	for i, a := range g["angles"] {
		angles[i], turned[i] = float64(a), float64(a)+180
	}
	// ASTRA's axis goes through the middle of the picture: with an odd side that is
	// pixel H/2, too.
	s := Shape{1, 45, 45}
	half := func(n int, spacing float64) float64 { return spacing * (float64(n/2) - float64(n-1)/2) }
	for name, e := range map[string]Geometry{
		"parallel": {Angles: angles, Detectors: 64, Spacing: 1.1, Offset: half(64, 1.1)},
		"fanflat":  {Beam: FanFlat, Angles: turned, Detectors: 90, Spacing: 1.3, Offset: half(90, 1.3), Source: 100, Detector: 60},
	} {
		a, err := NewTomograph(s, e)
		if err != nil {
			t.Fatal(err)
		}
		y := make([]float32, a.Codomain().Len())
		a.Apply(y, g["image"])
		want := g[name]
		if e.Beam != Parallel {
			n := e.Detectors
			want = make([]float32, len(y))
			for i := range want {
				want[i] = g[name][i/n*n+n-1-i%n]
			}
		}
		if d := relDiff(y, want); d > 0.01 {
			t.Errorf("%s: %.3g from ASTRA's", name, d)
		}
	}
}

// tomoMeasurement is one of a scene, with noise.
func tomoMeasurement(t *testing.T, s Shape, text string, x []float32, deviation float64, angles ...float64) Measurement {
	t.Helper()
	sp, err := ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(angles) > 0 {
		list := make([]float32, len(angles))
		for i, a := range angles {
			list[i] = float32(a)
		}
		sp = sp.WithContent("angles", Image{Shape{1, 1, len(list)}, list})
	}
	a, err := sp.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	y := NewImage(a.Codomain())
	a.Apply(y.Pix, x)
	AddGaussian(y.Pix, y.Pix, deviation, rand.New(rand.NewPCG(5, 6)))
	return Measurement{Y: y, Spec: sp, Scene: s, Noise: math.NaN()}
}

func TestFindCentre(t *testing.T) {
	s := Shape{1, 80, 80}
	x := disc{-9, 6, 17}.draw(s)
	for i, v := range (disc{14, -11, 8}).draw(s) {
		x[i] += 0.7 * v
	}
	for _, c := range []struct {
		text, open string
		angles     []float64
		noise      float64
		want, near float64
	}{
		{"tomo:angles=60,detectors=100,centre=47.3", "tomo:angles=60,detectors=100,centre=auto", nil, 0.3, 47.3, 0.2},
		{"tomo:angles=a.txt,detectors=101,centre=56.8", "tomo:angles=a.txt,detectors=101,centre=auto", irregular(50, 180), 0.3, 56.8, 0.2},
		{"tomo:angles=90,detectors=140,centre=66.4,geometry=fan-flat,source=150,detector=80", "tomo:angles=90,detectors=140,centre=auto,geometry=fan-flat,source=150,detector=80", nil, 0.3, 66.4, 0.4},
		{"tomo:angles=90,detectors=46,centre=26", "tomo:angles=90,detectors=46,centre=auto", nil, 0.1, 26, 0.7}, // cut off
	} {
		m := tomoMeasurement(t, s, c.text, x, c.noise, c.angles...)
		open, err := ParseSpec(c.open)
		if err != nil {
			t.Fatal(err)
		}
		if list, have := m.Spec.Content("angles"); have {
			open = open.WithContent("angles", list)
		}
		m.Spec = open
		settled, notes, err := m.Settle()
		if err != nil {
			t.Errorf("%s: %v", c.open, err)
			continue
		}
		if got := settled.Spec.float("centre"); math.Abs(got-c.want) > c.near || len(notes) != 1 {
			t.Errorf("%s: centre %v, want %v; %q", c.text, got, c.want, notes)
		}
		if _, err := settled.Build(); err != nil {
			t.Error(err)
		}
	}
}

// What is no sinogram of the spec is refused by name.
func TestTomoLayouts(t *testing.T) {
	s := Shape{1, 40, 40}
	x := disc{3, -5, 12}.draw(s)
	transpose := func(m Image) Image {
		out := NewImage(Shape{1, m.W, m.H})
		for i, v := range m.Pix {
			out.Pix[i%m.W*m.H+i/m.W] = v
		}
		return out
	}
	reject := func(m Measurement, words ...string) {
		t.Helper()
		_, _, err := m.Settle()
		for _, w := range words {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s of %v: %v; want %q", m.Spec, m.Y.Shape, err, w)
			}
		}
	}
	m := tomoMeasurement(t, s, "tomo:angles=30,detectors=44", x, 0)
	y := m.Y
	if _, _, err := m.Settle(); err != nil {
		t.Error(err)
	}
	m.Y = transpose(y)
	reject(m, "transposed", "44x30", "30 angles x 44 detectors")
	m.Y = Image{Shape{1, 60, 22}, y.Pix}
	reject(m, "60x22", "30 angles x 44 detectors")
	m.Y = Image{Shape{1, 1, 1320}, y.Pix}
	if _, _, err := m.Settle(); err != nil {
		t.Error("a list of the numbers is refused:", err)
	}
	// A square one is known by its sums.
	m = tomoMeasurement(t, s, "tomo:angles=44,detectors=44", x, 0.05)
	if _, _, err := m.Settle(); err != nil {
		t.Error(err)
	}
	m.Y = transpose(m.Y)
	reject(m, "transposed", "columns")
	// The number of detectors, and the scene, come from the numbers.
	m = tomoMeasurement(t, s, "tomo:angles=30,detectors=44", x, 0)
	m.Spec, _ = ParseSpec("tomo:angles=30,pixel=0.5")
	m.Scene = Shape{}
	settled, notes, err := m.Settle()
	if err != nil || settled.Scene != (Shape{1, 44, 44}) || settled.Spec.String() != "tomo:angles=30,detectors=44,span=180,pixel=0.5" || len(notes) != 1 {
		t.Errorf("%v %s %q %v", settled.Scene, settled.Spec, notes, err)
	}
}

func TestTomoSpecErrors(t *testing.T) {
	for text, want := range map[string]string{
		"tomo:angles=a.txt,span=90":               "span goes with a number",
		"tomo:angles=9,offset=1,centre=3":         "want one of them",
		"tomo:angles=9,geometry=fan-flat":         "wants source=D and detector=D",
		"tomo:angles=9,source=100":                "go with geometry=fan-flat",
		"tomo:angles=9,geometry=fann":             "parallel, fan-flat, fan-curved",
		"tomo:angles=9,center=3":                  `did you mean "centre"`,
		"tomo:angles=9,centre=middle":             "or auto",
		"mri:mask=a.npy,accel=4":                  "either accel=A or mask=FILE",
		"mri:mask=a.npy,seed=4":                   "seed goes with accel",
		"mri:mask=detect,phase=rough":             "none, smooth, free",
		"mri:mask=detect,coils=":                  "a file name, or estimate",
		"tomo:angles=9,detectors=10,spacing=-0.1": "spacing",
	} {
		if _, err := ParseSpec(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"tomo:angles=9,geometry=fan-flat,source=10,detector=5": "outside the scene",
		"tomo:angles=9,centre=3":                               "detectors=N, too",
		"tomo:angles=9,centre=auto":                            "a measurement that tells it",
		"tomo:angles=9,spacing=1,pixel=10000":                  "check the lengths",
		"tomo:angles=list.txt":                                 "angle 1 is +Inf",
		"mri:mask=detect":                                      "a measurement that tells it",
	} {
		sp, err := ParseSpec(text)
		if err == nil {
			sp, err = sp.Load(func(path string) (Image, error) {
				if path != "list.txt" {
					return Image{}, errors.New(path)
				}
				return Image{Shape{1, 2, 1}, []float32{1, float32(math.Inf(1))}}, nil
			})
		}
		if err == nil {
			_, err = sp.Build(Shape{1, 40, 40})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

// 512 x 512 pixels and as many fan views of 729 rays.
func BenchmarkFan512(b *testing.B) {
	s := Shape{1, 512, 512}
	f, err := NewTomograph(s, Geometry{Beam: FanFlat, Angles: equalAngles(512, 360), Source: 1000, Detector: 500})
	if err != nil {
		b.Fatal(err)
	}
	x, y := make([]float32, s.Len()), make([]float32, f.Codomain().Len())
	for name, run := range map[string]func(){
		"project":     func() { f.Apply(y, x) },
		"backproject": func() { f.Adjoint(x, y) },
	} {
		b.Run(fmt.Sprintf("%s/%d rays", name, f.Codomain().W), func(b *testing.B) {
			for b.Loop() {
				run()
			}
		})
	}
}
