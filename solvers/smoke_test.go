package solvers

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// dense is a small matrix as an operator.
type dense struct {
	m, n int
	a    []float64
}

func randomDense(m, n int, seed uint64) dense {
	rng := rand.New(rand.NewPCG(seed, 1))
	d := dense{m, n, make([]float64, m*n)}
	for i := range d.a {
		d.a[i] = rng.NormFloat64() / math.Sqrt(float64(m))
	}
	return d
}

func (d dense) Domain() operators.Shape   { return operators.Shape{C: 1, H: 1, W: d.n} }
func (d dense) Codomain() operators.Shape { return operators.Shape{C: 1, H: 1, W: d.m} }
func (d dense) Apply(dst, x []float32) {
	for i := range d.m {
		s := 0.0
		for j := range d.n {
			s += d.a[i*d.n+j] * float64(x[j])
		}
		dst[i] = float32(s)
	}
}
func (d dense) Adjoint(dst, y []float32) {
	for j := range d.n {
		s := 0.0
		for i := range d.m {
			s += d.a[i*d.n+j] * float64(y[i])
		}
		dst[j] = float32(s)
	}
}

func TestSmoke(t *testing.T) {
	a := randomDense(12, 8, 1)
	y := make([]float32, 12)
	for i := range y {
		y[i] = float32(i%3) - 0.7
	}
	h := &LeastSquares{A: a, Y: y}
	box := Box{-0.1, 0.3}
	x0 := make([]float32, 8)
	p, err := Solve(context.Background(), PGD{H: h, G: box}, x0, Stop{MaxIters: 2000, RelChange: 1e-7})
	if err != nil {
		t.Fatal(err)
	}
	q, err := Solve(context.Background(), ADMM{F: h, G: box}, x0, Stop{MaxIters: 2000, Gradient: 1e-6})
	if err != nil {
		t.Fatal(err)
	}
	if d := dist(p.X, q.X); d > 1e-4 || !p.Certified || !q.Certified {
		t.Errorf("PGD and ADMM differ by %g; %+v %+v", d, p.Reason, q.Reason)
	}
}
