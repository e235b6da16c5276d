package proxtest

import (
	"testing"

	"github.com/lpn-imaging/lpn/solvers"
)

// failures counts what a check reports.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.n++ }

// wrong is a wrong prox: the soft threshold, times k, at t plus dt.
type wrong struct {
	k  float32
	dt float64
}

func (w wrong) Prox(dst, v []float32, t float64) {
	solvers.L1{}.Prox(dst, v, t+w.dt)
	for i := range dst {
		dst[i] *= w.k
	}
}
func (w wrong) Value(x []float32) float64 { return solvers.L1{}.Value(x) }

type lyingValue struct{ solvers.L1 }

func (l lyingValue) ProxValue(dst, v []float32, t float64) float64 {
	return 1.01 * l.L1.ProxValue(dst, v, t)
}

// TestCheckCatches: the conformance test passes a prox and fails each kind of
// wrong one.
func TestCheckCatches(t *testing.T) {
	for _, c := range []struct {
		p  solvers.Prox
		ok bool
	}{
		{solvers.L1{}, true},
		{wrong{1, 0}, true},
		{wrong{1.2, 0}, false},
		{wrong{-1, 0}, false},
		{wrong{1, 0.1}, false},
		{lyingValue{}, false},
	} {
		f := &failures{TB: t}
		Check(f, c.p, Options{Convex: true})
		if (f.n == 0) != c.ok {
			t.Errorf("%T%v: %d failures reported", c.p, c.p, f.n)
		}
	}
}
