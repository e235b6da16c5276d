package lanczos

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// symmetric is a random symmetric matrix with these eigenvalues, and its map.
func symmetric(values []float64, rng *rand.Rand) (*mat.SymDense, func(dst, x []float32)) {
	n := len(values)
	random := mat.NewDense(n, n, nil)
	for i := range n {
		for j := range n {
			random.Set(i, j, rng.NormFloat64())
		}
	}
	var qr mat.QR
	qr.Factorize(random)
	var q, a mat.Dense
	qr.QTo(&q)
	a.Product(&q, mat.NewDiagDense(n, values), q.T())
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i + 1 {
			s.SetSym(i, j, a.At(i, j))
		}
	}
	return s, func(dst, x []float32) {
		for i := range n {
			sum := 0.0
			for j := range n {
				sum += s.At(i, j) * float64(x[j])
			}
			dst[i] = float32(sum)
		}
	}
}

func start(n int, rng *rand.Rand) []float32 {
	q := make([]float32, n)
	for i := range q {
		q[i] = float32(rng.NormFloat64())
	}
	return q
}

// TestRun compares with the eigenvalues that a matrix was made of.
func TestRun(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 60)
	for i := range values {
		values[i] = math.Sin(float64(i)) * 0.5
	}
	values[0], values[1] = -1.5, 2
	_, apply := symmetric(values, rng)
	for _, full := range []bool{true, false} {
		r, ok := Run(start(60, rng), 40, full, apply)
		if !ok {
			t.Fatal("not finite")
		}
		if lo, hi := r.Values[0], r.Values[len(r.Values)-1]; math.Abs(lo+1.5) > 1e-4 || math.Abs(hi-2) > 1e-4 {
			t.Errorf("full %v: from %v to %v; want -1.5 to 2", full, lo, hi)
		}
		if !full {
			continue
		}
		x, ax := r.Lowest(), make([]float32, 60)
		apply(ax, x)
		for i := range x {
			if d := math.Abs(float64(ax[i]) + 1.5*float64(x[i])); d > 1e-3 {
				t.Fatalf("A x is off -1.5 x by %v at %d", d, i)
			}
		}
	}
}

// TestResidual: an eigenvalue lies within the residual of the largest Ritz value, also
// after few steps.
func TestResidual(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	values := make([]float64, 50)
	for i := range values {
		values[i] = 1 + float64(i)/50
	}
	_, apply := symmetric(values, rng)
	for steps := 1; steps < 20; steps++ {
		r, ok := Run(start(50, rng), steps, false, apply)
		near := math.Inf(1)
		for _, v := range values {
			near = min(near, math.Abs(v-r.Values[len(r.Values)-1]))
		}
		if !ok || near > r.Residual+1e-5 {
			t.Errorf("%d steps: the nearest eigenvalue is %v away, the residual says %v", steps, near, r.Residual)
		}
	}
}

// TestInvariant: the multiple of the identity is known after one step, a vector of one
// number needs no second.
func TestInvariant(t *testing.T) {
	twice := func(dst, x []float32) {
		for i, v := range x {
			dst[i] = 2 * v
		}
	}
	for _, n := range []int{1, 5} {
		r, ok := Run(start(n, rand.New(rand.NewPCG(5, 6))), 10, true, twice)
		if !ok || len(r.Values) != 1 || math.Abs(r.Values[0]-2) > 1e-6 || r.Residual > 1e-5 {
			t.Errorf("n=%d: %+v", n, r)
		}
	}
	_, ok := Run([]float32{1, 2}, 2, true, func(dst, _ []float32) { dst[0], dst[1] = float32(math.NaN()), 0 })
	if ok {
		t.Error("NaN passes for a spectrum")
	}
}

func ExampleRun() {
	// Second differences of 100 numbers, zero beyond: the largest eigenvalue is
	// 2 + 2 cos(pi/101) = 3.999.
	apply := func(dst, x []float32) {
		for i := range x {
			dst[i] = 2 * x[i]
			if i > 0 {
				dst[i] -= x[i-1]
			}
			if i+1 < len(x) {
				dst[i] -= x[i+1]
			}
		}
	}
	q := make([]float32, 100)
	q[0] = 1
	r, _ := Run(q, 100, true, apply)
	fmt.Printf("%.3f\n", r.Values[len(r.Values)-1])
	// Output: 3.999
}
