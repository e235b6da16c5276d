package lpn

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// firm is the potential of an almost hard threshold at 1: f(y) is 0.02 y up to
// 1, rises with a slope of 4 until it meets y, then is y.
type firm struct{}

func (firm) Eval(dst, y []float32) (psi float64) {
	const low, gain = 0.02, 4
	join := (gain - low) / (gain - 1)
	for i, v := range y {
		t := math.Abs(float64(v))
		switch {
		case t <= 1:
			psi += low * t * t / 2
			t *= low
		case t <= join:
			psi += low/2 + low*(t-1) + gain*(t-1)*(t-1)/2
			t = low + gain*(t-1)
		default:
			psi += low/2 + low*(join-1) + gain*(join-1)*(join-1)/2 + (t*t-join*join)/2
		}
		dst[i] = float32(math.Copysign(t, float64(v)))
	}
	return psi
}
func (firm) StrongConvexity() float64     { return 0.02 }
func (firm) BoundedBelow() (bool, string) { return true, "" }

// TestGraduated recovers pairs of spikes among 14 samples from 7 random
// measurements, and compares with a search through all pairs. The last problem
// is the same with and without the chain before it.
func TestGraduated(t *testing.T) {
	s := operators.Shape{C: 1, H: 1, W: 14}
	const trials = 40
	plain, graduated := 0, 0
	for k := range uint64(trials) {
		a, err := operators.NewGaussianSensing(s, 0.5, k)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(k, 4))
		truth := make([]float32, s.Len())
		for _, i := range rng.Perm(len(truth))[:2] {
			truth[i] = float32(math.Copysign(2+rng.Float64(), rng.Float64()-0.5))
		}
		y := make([]float32, a.Codomain().Len())
		a.Apply(y, truth)
		want := bestPair(a, y)
		h := &solvers.LeastSquares{A: a, Y: y}
		psi := Scaled(firm{}, 4)
		m := solvers.BPG{H: h, Psi: psi, Lambda: 1e-3}
		found := func(x0 []float32) int {
			r, err := solvers.Solve(context.Background(), m, x0, solvers.Stop{MaxIters: 200, RelChange: 1e-6})
			if err != nil {
				t.Fatal(err)
			}
			if !r.Certified {
				t.Errorf("problem %d: not certified: %s", k, r.Uncertified)
			}
			for i, v := range r.X {
				if math.Abs(float64(v)-want[i]) > 0.1 {
					return 0
				}
			}
			return 1
		}
		x0 := make([]float32, s.Len())
		solvers.Tikhonov{A: a, Rho: 1e-2}.Solve(x0, y)
		plain += found(x0)
		x0, err = Graduated{H: h, Psi: psi, Lambda: m.Lambda, Stages: 4}.Start(context.Background(), x0)
		if err != nil {
			t.Fatal(err)
		}
		graduated += found(x0)
	}
	t.Logf("of %d pairs: %d plain, %d graduated", trials, plain, graduated)
	if graduated < plain+trials/10 {
		t.Errorf("of %d pairs %d are found from a graduated start, %d without", trials, graduated, plain)
	}
}

// bestPair is the least-squares fit of y by two columns of A that fits best.
func bestPair(a operators.Linear, y []float32) []float64 {
	n := a.Domain().Len()
	cols := make([][]float32, n)
	for i := range cols {
		e := make([]float32, n)
		e[i] = 1
		cols[i] = make([]float32, len(y))
		a.Apply(cols[i], e)
	}
	least := math.Inf(1)
	best := make([]float64, n)
	for i := range n {
		for j := range i {
			p, q, r := dot(cols[i], cols[i]), dot(cols[i], cols[j]), dot(cols[j], cols[j])
			u, v := dot(cols[i], y), dot(cols[j], y)
			det := p*r - q*q
			x, z := (r*u-q*v)/det, (p*v-q*u)/det
			if miss := dot(y, y) - u*x - v*z; miss < least {
				least = miss
				clear(best)
				best[i], best[j] = x, z
			}
		}
	}
	return best
}

func TestGraduatedIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := operators.Shape{C: 1, H: 4, W: 4}
	h := &solvers.LeastSquares{A: operators.NewIdentity(s), Y: make([]float32, s.Len())}
	if _, err := (Graduated{H: h, Psi: firm{}, Lambda: 0.1}).Start(ctx, make([]float32, s.Len())); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}
