package operators_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// A measurement file of a JPEG carries its tables, whatever they are.
func TestJPEGMeasurement(t *testing.T) {
	f := standardJPEG(t, 3, 35, 422)
	f.Planes[1].Step[7] = 300
	f.RGB = true
	s := operators.Shape{C: 3, H: 20, W: 27}
	a := newJPEG(t, s, f)
	spec := operators.JPEGSpec(f)
	m := operators.Measurement{Y: operators.NewImage(a.Codomain()), Spec: spec, Scene: s, Noise: math.NaN()}
	for i := range m.Y.Pix {
		m.Y.Pix[i] = float32(i%17) / 17
	}
	var b bytes.Buffer
	if err := operators.WriteMeasurement(&b, m); err != nil {
		t.Fatal(err)
	}
	got, err := operators.ReadMeasurement(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	g, ok := got.Spec.JPEG(3)
	if !ok || !g.RGB || len(g.Planes) != 3 || g.Planes[1] != f.Planes[1] {
		t.Fatalf("%v %+v", ok, g)
	}
	built, err := got.Build()
	if err != nil {
		t.Fatal(err)
	}
	x, want, have := make([]float32, s.Len()), make([]float32, a.Codomain().Len()), make([]float32, a.Codomain().Len())
	for i := range x {
		x[i] = float32(i%29) / 29
	}
	a.Apply(want, x)
	built.Apply(have, x)
	for i, v := range have {
		if v != want[i] {
			t.Fatalf("number %d: %v, want %v", i, v, want[i])
		}
	}

	bare, err := operators.ParseSpec("jpeg")
	if err != nil {
		t.Fatal(err)
	}
	m.Spec = bare
	if err := operators.WriteMeasurement(&b, m); err == nil || !strings.Contains(err.Error(), "tables") {
		t.Errorf("without tables: %v", err)
	}
	if _, err := bare.Build(s); err == nil || !strings.Contains(err.Error(), "tables") {
		t.Errorf("without tables: %v", err)
	}
	bad := f.Table()
	bad.Pix[5] = 0.5
	if _, err := bare.WithData(bad).Build(s); err == nil {
		t.Error("a step of half a level was taken")
	}
}

// The measurement of a part is the part of the measurement.
func TestJPEGCut(t *testing.T) {
	for _, sub := range []int{444, 420, 411} {
		f := standardJPEG(t, 3, 50, sub)
		s := operators.Shape{C: 3, H: 101, W: 130}
		a := newJPEG(t, s, f)
		g := a.Grid()
		if want := map[int]int{444: 8, 420: 16, 411: 32}[sub]; g != want {
			t.Errorf("%d: grid %d, want %d", sub, g, want)
		}
		x := operators.NewImage(s)
		for i := range x.Pix {
			x.Pix[i] = float32(i%23) / 23
		}
		y := make([]float32, a.Codomain().Len())
		a.Apply(y, x.Pix)
		top, left := g, 2*g
		for _, hw := range [][2]int{{s.H - top, s.W - left}, {g, s.W - left}, {s.H - top, g}} {
			part := operators.NewImage(operators.Shape{C: 3, H: hw[0], W: hw[1]})
			for i := range part.Pix {
				c, r, q := i/(part.H*part.W), i/part.W%part.H, i%part.W
				part.Pix[i] = x.At(c, top+r, left+q)
			}
			b := newJPEG(t, part.Shape, f)
			got, want := make([]float32, b.Codomain().Len()), make([]float32, b.Codomain().Len())
			b.Apply(want, part.Pix)
			a.Cut(got, y, b, top, left)
			for i, v := range got {
				if math.Abs(float64(v-want[i])) > 1e-5 {
					t.Fatalf("%d, part %v: number %d is %v, want %v", sub, part.Shape, i, v, want[i])
				}
			}
		}
	}
}
