package priors

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/internal/goldentest"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

// TestPythonGolden: f and psi of every shipped prior on a small picture, R of some,
// with its residual and gap, and the prox at half strength, for the tests in python/.
func TestPythonGolden(t *testing.T) {
	out := map[string]goldentest.Array{}
	for _, p := range All() {
		net, err := p.Network()
		if err != nil {
			t.Fatal(err)
		}
		c := net.Config()
		s := operators.Shape{C: c.Channels, H: 13, W: 19}
		if c.Height > 0 {
			s = operators.Shape{C: c.Channels, H: c.Height, W: c.Width}
		}
		b, err := net.On(s, lpn.Direct())
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		y := make([]float32, s.Len())
		for i := range y {
			edge := 0.2 + 0.6*float64(i/5%2)
			y[i] = float32(edge + c.Sigma*rng.NormFloat64())
		}
		f := make([]float32, len(y))
		psi := b.Eval(f, y)
		dims := []int{s.C, s.H, s.W}
		out[p.Name+".y"], out[p.Name+".f"] = goldentest.Array{Dims: dims, Data: y}, goldentest.Array{Dims: dims, Data: f}
		out[p.Name+".psi"] = goldentest.Floats([]float64{psi})
		if !slices.Contains([]string{"gray-25", "colour-15", "digits"}, p.Name) {
			continue
		}
		prior := lpn.Prior{Psi: b, Tol: 1e-6}
		v := prior.At(f)
		if math.IsNaN(v.R) {
			t.Fatalf("%s: %+v", p.Name, v)
		}
		x := make([]float32, len(y))
		lpn.Prior{Psi: b, Tol: 1e-6}.Prox(x, y, 0.5)
		out[p.Name+".R"] = goldentest.Floats([]float64{v.R})
		out[p.Name+".prox"] = goldentest.Array{Dims: dims, Data: x}
	}
	goldentest.Archive(t, filepath.Join("..", "..", "python", "tests", "data", "priors.npz"), out, 1e-4)
}
