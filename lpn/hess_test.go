package lpn

import (
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// Hess is the derivative of f: central differences of f agree with it to the
// error of a float32 difference quotient.
func TestHessIsDerivative(t *testing.T) {
	nets := map[string]Config{
		"pyramid": Pyramid(1, 0.1), "natural": Natural(3, 0.1),
		"softplus": SoftplusAny(1, 8, 3, 0.1), "mnist": MNIST(4),
	}
	for name, cfg := range nets {
		for _, shape := range []operators.Shape{{C: cfg.Channels, H: 21, W: 30}, {C: cfg.Channels, H: 203, W: 70}} {
			if cfg.Height > 0 {
				shape.H, shape.W = cfg.Height, cfg.Width
			}
			net, err := New(cfg, rand.New(rand.NewPCG(1, 2)))
			if err != nil {
				t.Fatal(err)
			}
			b, err := net.On(shape, Direct())
			if err != nil {
				t.Fatal(err)
			}
			y, v := picture(shape, 1), picture(shape, 2)
			n := len(y)
			plus, minus, fp, fm, h := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			const eps = 1e-2
			for i := range y {
				plus[i], minus[i] = y[i]+eps*v[i], y[i]-eps*v[i]
			}
			b.Eval(fp, plus)
			b.Eval(fm, minus)
			b.Hess(h, y, v)
			for i := range fp {
				fp[i] = (fp[i] - fm[i]) / (2 * eps)
			}
			if e := relative(h, fp); e > 2e-3 {
				t.Errorf("%s on %v: Hess v is off by %.2g relative", name, shape, e)
			}
		}
	}
}
