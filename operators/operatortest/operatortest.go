// Package operatortest checks that a linear operator keeps the promises of
// operators.Linear, in the way testing/fstest checks a file system. Call
// TestLinear from a test of your own operator:
//
//	func TestMyCamera(t *testing.T) {
//		operatortest.TestLinear(t, NewMyCamera(operators.Shape{C: 1, H: 17, W: 24}))
//	}
package operatortest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// Tolerance is the relative error allowed to sums of float32 products; the
// sums are compared in float64. Transforms of up to a million samples keep
// well within it.
const Tolerance = 2e-5

// TestLinear runs every check on a: <Ax,y> = <x,A'y>, linearity of both
// directions, inputs left alone, dst overwritten whatever it held, the same
// result from goroutines that share a, panics on wrong lengths; where a is an
// operators.Normer that no vector is stretched beyond the norm, and that the
// power method comes near it; where it is an operators.NormalSolver that the
// solution satisfies (A'A + rho I) x = b, also with dst equal to b.
func TestLinear(t testing.TB, a operators.Linear) {
	t.Helper()
	if err := Check(a); err != nil {
		t.Error(err)
	}
}

// Check is TestLinear for use outside tests: it returns the first promise
// found broken, or nil.
func Check(a operators.Linear) error {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, f := range []func(operators.Linear, *rand.Rand) error{
		checkAdjoint, checkLinearity, checkInputs, checkConcurrency, checkLengths, checkNorm, checkNormal,
	} {
		if err := f(a, rng); err != nil {
			return fmt.Errorf("%T %v -> %v: %w", a, a.Domain(), a.Codomain(), err)
		}
	}
	return nil
}

func checkAdjoint(a operators.Linear, rng *rand.Rand) error {
	for range 4 {
		x, y := random(rng, a.Domain().Len()), random(rng, a.Codomain().Len())
		ax, aty := apply(a, x), adjoint(a, y)
		left, right := dot(ax, y), dot(x, aty)
		scale := norm(ax)*norm(y) + norm(x)*norm(aty)
		if !(math.Abs(left-right) <= Tolerance*scale) {
			return fmt.Errorf("<Ax,y> = %.9g but <x,A'y> = %.9g", left, right)
		}
	}
	return nil
}

func checkLinearity(a operators.Linear, rng *rand.Rand) error {
	for name, f := range map[string]func([]float32) []float32{
		"Apply":   func(x []float32) []float32 { return apply(a, x) },
		"Adjoint": func(y []float32) []float32 { return adjoint(a, y) },
	} {
		n := a.Domain().Len()
		if name == "Adjoint" {
			n = a.Codomain().Len()
		}
		p, q, s := random(rng, n), random(rng, n), make([]float32, n)
		for i := range s {
			s[i] = 2*p[i] - 0.75*q[i]
		}
		fp, fq, fs := f(p), f(q), f(s)
		diff := make([]float32, len(fs))
		for i := range diff {
			diff[i] = fs[i] - (2*fp[i] - 0.75*fq[i])
		}
		if !(norm(diff) <= Tolerance*(2*norm(fp)+norm(fq))) {
			return fmt.Errorf("%s(2p - 0.75q) differs from its parts by %.3g", name, norm(diff))
		}
		if z := f(make([]float32, n)); norm(z) != 0 {
			return fmt.Errorf("%s(0) has norm %.3g", name, norm(z))
		}
	}
	return nil
}

func checkInputs(a operators.Linear, rng *rand.Rand) error {
	x, y := random(rng, a.Domain().Len()), random(rng, a.Codomain().Len())
	x0, y0 := slices.Clone(x), slices.Clone(y)
	apply(a, x)
	adjoint(a, y)
	if !slices.Equal(x, x0) {
		return errors.New("x is changed by Apply")
	}
	if !slices.Equal(y, y0) {
		return errors.New("y is changed by Adjoint")
	}
	return nil
}

func checkConcurrency(a operators.Linear, rng *rand.Rand) error {
	x, y := random(rng, a.Domain().Len()), random(rng, a.Codomain().Len())
	ax, aty := apply(a, x), adjoint(a, y)
	var wg sync.WaitGroup
	same := make([]bool, 4)
	for i := range same {
		wg.Go(func() {
			same[i] = slices.Equal(apply(a, x), ax) && slices.Equal(adjoint(a, y), aty)
		})
	}
	wg.Wait()
	if slices.Contains(same, false) {
		return fmt.Errorf("goroutines that share the operator get different results")
	}
	return nil
}

func checkLengths(a operators.Linear, _ *rand.Rand) error {
	n, m := a.Domain().Len(), a.Codomain().Len()
	for _, c := range []struct {
		what string
		f    func()
	}{
		{"Apply with a short dst", func() { a.Apply(make([]float32, m-1), make([]float32, n)) }},
		{"Apply with a long dst", func() { a.Apply(make([]float32, m+1), make([]float32, n)) }},
		{"Apply with a short x", func() { a.Apply(make([]float32, m), make([]float32, n-1)) }},
		{"Apply with a long x", func() { a.Apply(make([]float32, m), make([]float32, n+1)) }},
		{"Adjoint with a short dst", func() { a.Adjoint(make([]float32, n-1), make([]float32, m)) }},
		{"Adjoint with a long dst", func() { a.Adjoint(make([]float32, n+1), make([]float32, m)) }},
		{"Adjoint with a short y", func() { a.Adjoint(make([]float32, n), make([]float32, m-1)) }},
		{"Adjoint with a long y", func() { a.Adjoint(make([]float32, n), make([]float32, m+1)) }},
	} {
		if !panics(c.f) {
			return fmt.Errorf("%s does not panic", c.what)
		}
	}
	return nil
}

func checkNorm(a operators.Linear, rng *rand.Rand) error {
	n, ok := a.(operators.Normer)
	if !ok {
		return nil
	}
	bound := n.Norm()
	for range 4 {
		x := random(rng, a.Domain().Len())
		if got := norm(apply(a, x)); !(got <= bound*norm(x)*(1+Tolerance)) {
			return fmt.Errorf("norm %.6g, but a vector is stretched by %.6g", bound, got/norm(x))
		}
	}
	power := operators.PowerNorm(a, 60, 1e-6, 3)
	if !(power <= bound*(1+Tolerance)) || power < 0.8*bound {
		return fmt.Errorf("norm %.6g, but the power method finds %.6g", bound, power)
	}
	return nil
}

func checkNormal(a operators.Linear, rng *rand.Rand) error {
	s, ok := a.(operators.NormalSolver)
	if !ok {
		return nil
	}
	for _, rho := range []float64{1e-2, 0.3, 10} {
		b := random(rng, a.Domain().Len())
		b0 := slices.Clone(b)
		x := filled(len(b))
		s.SolveNormal(x, b, rho)
		if !slices.Equal(b, b0) {
			return fmt.Errorf("SolveNormal changed b")
		}
		r := adjoint(a, apply(a, x))
		for i := range r {
			r[i] += float32(rho)*x[i] - b[i]
		}
		// The solution is up to 1/rho times as large as b, and so is its rounding.
		if !(norm(r) <= 10*Tolerance*(norm(b)+norm(x))) {
			return fmt.Errorf("SolveNormal with rho %g leaves a residual of %.3g relative", rho, norm(r)/norm(b))
		}
		s.SolveNormal(b, b, rho)
		if !slices.Equal(b, x) {
			return fmt.Errorf("SolveNormal in place differs from SolveNormal")
		}
	}
	return nil
}

func apply(a operators.Linear, x []float32) []float32 {
	dst := filled(a.Codomain().Len())
	a.Apply(dst, x)
	return dst
}

func adjoint(a operators.Linear, y []float32) []float32 {
	dst := filled(a.Domain().Len())
	a.Adjoint(dst, y)
	return dst
}

// filled returns n samples that no operator may let through.
func filled(n int) []float32 {
	p := make([]float32, n)
	for i := range p {
		p[i] = float32(math.NaN())
	}
	return p
}

func random(rng *rand.Rand, n int) []float32 {
	p := make([]float32, n)
	for i := range p {
		p[i] = float32(rng.NormFloat64())
	}
	return p
}

func dot(a, b []float32) float64 {
	s := 0.0
	for i, v := range a {
		s += float64(v) * float64(b[i])
	}
	return s
}

func norm(a []float32) float64 { return math.Sqrt(dot(a, a)) }

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}
