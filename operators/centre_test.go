package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// seenSinogram is a sinogram of discs in closed form, of a parallel beam.
func seenSinogram(t *testing.T, angles []float64, detectors int, centre, deviation float64) Image {
	t.Helper()
	g := Geometry{Angles: angles, Detectors: detectors, Spacing: 1, Pixel: 1, Offset: float64(detectors/2) - centre}
	y := NewImage(Shape{1, len(angles), detectors})
	for i, c := range []disc{{-9, 6, 17}, {14, -11, 8}, {-2, 9, 3}} {
		for k, v := range closedForm(g, c) {
			y.Pix[k] += v * [...]float32{1, 0.7, -0.6}[i]
		}
	}
	AddGaussian(y.Pix, y.Pix, deviation, rand.New(rand.NewPCG(5, uint64(detectors))))
	return y
}

// TestSeenAxis: an axis that is not where it is assumed is seen, one that is there is not, nor
// one that the spec says, and what else is wrong with a sinogram is not taken for it.
func TestSeenAxis(t *testing.T) {
	scene := Shape{1, 80, 80}
	const quiet, told, sure = 0, 1, 2
	half, turn := equalAngles(60, 180), equalAngles(90, 360)
	constant := func(y Image) {
		for i := range y.Pix {
			y.Pix[i] += 0.5
		}
	}
	dead := func(y Image) {
		for i := 31; i < len(y.Pix); i += y.W {
			y.Pix[i] = 0
		}
	}
	for _, c := range []struct {
		name      string
		angles    []float64
		detectors int
		off       float64
		noise     float64
		more      string
		change    func(y Image)
		weighted  bool
		want      int
	}{
		{name: "right, half a turn", angles: half, detectors: 100, want: quiet},
		{name: "right, noise", angles: half, detectors: 100, noise: 1, want: quiet},
		{name: "right, much noise", angles: half, detectors: 100, noise: 6, want: quiet},
		{name: "right, a turn", angles: turn, detectors: 101, noise: 0.3, want: quiet},
		{name: "right, irregular", angles: irregular(70, 180), detectors: 100, noise: 0.3, want: quiet},
		{name: "right, cut off", angles: half, detectors: 46, noise: 0.1, want: quiet},
		{name: "right, a constant", angles: half, detectors: 100, noise: 0.1, change: constant, want: quiet},
		{name: "right, a dead detector", angles: half, detectors: 100, noise: 0.1, change: dead, want: quiet},
		{name: "right, a dead detector without weight", angles: half, detectors: 100, noise: 0.1, change: dead, weighted: true, want: quiet},
		{name: "half a detector off", angles: half, detectors: 100, off: 0.5, noise: 0.1, want: sure},
		{name: "one off", angles: half, detectors: 100, off: -1, noise: 0.3, want: sure},
		{name: "one off, noise", angles: turn, detectors: 100, off: 1, noise: 1, want: sure},
		{name: "seven off, irregular", angles: irregular(70, 180), detectors: 121, off: 7.3, noise: 0.3, want: sure},
		{name: "off, a dead detector without weight", angles: half, detectors: 100, off: 1, noise: 0.1, change: dead, weighted: true, want: sure},
		{name: "off, cut off", angles: turn, detectors: 46, off: 3, noise: 0.1, want: told},
		{name: "off, a wedge is missing", angles: equalAngles(60, 120), detectors: 100, off: 3, noise: 0.1, want: quiet},
		{name: "off, as the spec says", angles: half, detectors: 100, off: 3, noise: 0.1, more: ",centre=50", want: quiet},
		{name: "off, by an offset", angles: half, detectors: 100, off: 3, noise: 0.1, more: ",offset=0.1", want: quiet},
	} {
		middle := float64(c.detectors / 2)
		y := seenSinogram(t, c.angles, c.detectors, middle+c.off, c.noise)
		if c.change != nil {
			c.change(y)
		}
		var weights []float32
		if c.weighted {
			weights = slices.Repeat([]float32{2}, len(y.Pix))
			for i := 31; i < len(weights); i += y.W {
				weights[i] = 0
			}
		}
		sp, err := ParseSpec(fmt.Sprintf("tomo:angles=a.txt,detectors=%d%s", c.detectors, c.more))
		if err != nil {
			t.Fatal(err)
		}
		sp = sp.WithContent("angles", angleImage(c.angles))
		a, ok := sp.SeenAxis(y, scene, weights)
		got := quiet
		switch {
		case ok && a.Sure:
			got = sure
		case ok:
			got = told
		}
		if got != c.want || ok && (math.Abs(a.Centre-middle-c.off) > 0.15 || a.Assumed != middle) {
			t.Errorf("%s: %d, %+v; want %d, %v", c.name, got, a, c.want, middle+c.off)
		}
		if !ok {
			continue
		}
		whole, err := sp.WithAxis(a, scene).Build(scene)
		if err != nil {
			t.Fatal(err)
		}
		if got := whole.(Tomograph).Geometry().Centre(); math.Abs(got-a.Centre) > 0.005 {
			t.Errorf("%s: the spec has the axis at %v; want %v", c.name, got, a.Centre)
		}
	}
}

func angleImage(angles []float64) Image {
	m := NewImage(Shape{1, 1, len(angles)})
	for i, a := range angles {
		m.Pix[i] = float32(a)
	}
	return m
}

// TestCentreOfCutOff: the axis of views that are cut off is found where they meet their mirror
// images, and refused where they do not.
func TestCentreOfCutOff(t *testing.T) {
	for _, c := range []struct {
		angles []float64
		near   float64 // 0: an error
	}{
		{equalAngles(60, 180), 0.2},
		{equalAngles(90, 360), 0.1},
		{irregular(80, 180), 0.2},
		{equalAngles(60, 120), 0},
	} {
		sp, err := ParseSpec("tomo:angles=a.txt,centre=auto")
		if err != nil {
			t.Fatal(err)
		}
		m := Measurement{Y: seenSinogram(t, c.angles, 40, 22.3, 0.1), Spec: sp.WithContent("angles", angleImage(c.angles))}
		settled, _, err := m.Settle()
		if c.near == 0 {
			if err == nil || !strings.Contains(err.Error(), "reaches beyond the detectors") {
				t.Errorf("%d views that are cut off: %s, %v; want an error", len(c.angles), settled.Spec, err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
		} else if got := settled.Spec.float("centre"); math.Abs(got-22.3) > c.near {
			t.Errorf("%d views that are cut off: %v, want 22.3", len(c.angles), got)
		}
	}
}

// TestSeenAxisOfFan: a fan over a whole turn shows its axis by the rays that it measures twice.
func TestSeenAxisOfFan(t *testing.T) {
	scene := Shape{1, 80, 80}
	for _, beam := range []string{"fan-flat", "fan-curved"} {
		for _, c := range []struct {
			off, noise, span float64
			want             bool
		}{{0, 0.1, 360, false}, {0, 1, 360, false}, {1, 0.1, 360, true}, {-4, 1, 360, true}, {1, 0.1, 120, false}} {
			sp, err := ParseSpec(fmt.Sprintf("tomo:angles=90,detectors=140,span=%g,geometry=%s,source=150,detector=80", c.span, beam))
			if err != nil {
				t.Fatal(err)
			}
			g, err := sp.geometry(scene)
			if err != nil {
				t.Fatal(err)
			}
			g.Offset = -c.off * g.Spacing
			y := NewImage(Shape{1, 90, 140})
			for i, d := range []disc{{-9, 6, 17}, {14, -11, 8}} {
				for k, v := range closedForm(g, d) {
					y.Pix[k] += v * [...]float32{1, 0.7}[i]
				}
			}
			AddGaussian(y.Pix, y.Pix, c.noise, rand.New(rand.NewPCG(5, 6)))
			a, ok := sp.SeenAxis(y, scene, nil)
			if ok != c.want || a.Sure || ok && math.Abs(a.Centre-70-c.off) > 0.2 {
				t.Errorf("%s, %+v: %v %+v", beam, c, ok, a)
			}
		}
	}
}
