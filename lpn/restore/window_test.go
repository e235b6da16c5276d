package restore

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/operatortest"
)

// TestWindows: a window's measurement is that of the image, for images that
// continue the scene beyond the window in any way.
func TestWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	for _, text := range []string{"denoise", "blur:gaussian,sigma=1", "blur:uniform,size=4", "blur:motion,length=7,angle=20"} {
		for _, boundary := range []operators.Boundary{operators.Symmetric, operators.Reflect, operators.Replicate, operators.Zero, operators.Valid} {
			spec, err := operators.ParseSpec(text)
			if err != nil {
				t.Fatal(err)
			}
			spec = spec.WithBoundary(boundary)
			x := operators.NewImage(operators.Shape{C: 2, H: 47, W: 38})
			for i := range x.Pix {
				x.Pix[i] = rng.Float32()
			}
			e, err := Simulate(x, spec, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			p := &Plan{Operator: spec, Scene: x.Shape, FrameH: e.Truth.H, FrameW: e.Truth.W, problem: e.Problem}
			if spec.TakesBoundary() {
				p.Boundary = boundary.String()
			}
			back := operators.NewImage(e.Truth.Shape)
			const side, halo = 16, 12
			for _, r := range spans(x.H, side, halo) {
				for _, c := range spans(x.W, side, halo) {
					a, want, err := p.window(r, c)
					if err != nil {
						t.Fatal(err)
					}
					part := operators.NewImage(a.Domain())
					for k := range 2 {
						for i := range part.H {
							copy(part.Pix[(k*part.H+i)*part.W:][:part.W], x.Pix[(k*x.H+r.lo+i)*x.W+c.lo:])
						}
					}
					got := operators.NewImage(a.Codomain())
					a.Apply(got.Pix, part.Pix)
					if got.Shape != want.Shape || distance(got.Pix, want.Pix) > 1e-5 {
						t.Fatalf("%s, %v: window %v %v: measured %v, want %v, off by %v", text, boundary, r, c, got.Shape, want.Shape, distance(got.Pix, want.Pix))
					}
					p.core(part.Pix, r, c).keep(back, 0)
					if r.lo > 0 && c.lo > 0 {
						operatortest.TestLinear(t, a)
					}
				}
			}
			if !slices.Equal(e.Truth.Pix, back.Pix) {
				t.Errorf("%s, %v: the cores do not make the image", text, boundary)
			}
		}
	}
}

// distance is the largest difference of two slices.
func distance(a, b []float32) float64 {
	d := 0.0
	for i, v := range a {
		d = max(d, math.Abs(float64(v-b[i])))
	}
	return d
}
