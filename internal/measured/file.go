package measured

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// Problem is what a measurement file asks for.
func Problem(m operators.Measurement) restore.Problem {
	p := restore.Problem{Y: m.Y, Operator: m.Spec, Scene: m.Scene, Weights: m.Weights, Range: restore.Range{Lo: m.Black, Hi: m.White}}
	if !math.IsNaN(m.Noise) {
		p.Noise = noise.White{Sigma: m.Noise}
	}
	return p
}

// Result is a restored scene x of a measurement file in the measurement's units; of a
// complex one, its magnitude.
func Result(m operators.Measurement, x operators.Image) operators.Image {
	if m.Spec.Complex() {
		out := operators.NewImage(operators.Shape{C: 1, H: x.H, W: x.W})
		for i := range out.Pix {
			out.Pix[i] = float32(math.Hypot(float64(x.Plane(0)[i]), float64(x.Plane(1)[i])))
		}
		x = out
	}
	m.Result(x.Pix)
	return x
}

// Truth is the part of the true picture t that the result of m, a problem of p, is
// compared with. Unless p is stored turned, m.Truth becomes it.
func Truth(t, p *imageio.Picture, m *restore.Problem) (*imageio.Picture, error) {
	h, w := m.Operator.Frame(m.Y.Shape, m.Scene)
	turned := m.Operator.Rounded() && p.JPEG != nil && p.JPEG.Orientation != 1
	if turned { // the scene is the picture as it is stored
		h, w = p.H, p.W
	}
	want := operators.Shape{C: m.Scene.C, H: h, W: w}
	// Under the boundary valid a measurement covers the middle of the truth.
	if t.H >= h && t.W >= w && t.H <= m.Scene.H && t.W <= m.Scene.W && t.C == want.C {
		t = t.With(restore.Centre(t.Image, h, w), true)
	}
	if t.Shape != want {
		return nil, fmt.Errorf("the reference is %v, the result %v (channels x height x width)", t.Shape, want)
	}
	if !turned {
		m.Truth = &t.Image
	}
	return t, nil
}
