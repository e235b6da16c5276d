package solvers_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/proxtest"
)

func TestClassicalProxes(t *testing.T) {
	shape := func(c, h, w int) operators.Shape { return operators.Shape{C: c, H: h, W: w} }
	for name, c := range map[string]struct {
		p solvers.Prox
		n int
	}{
		"l1":                {solvers.L1{Weight: 0.3}, 3},
		"haar 4x4":          {solvers.Wavelet{Shape: shape(1, 4, 4), Levels: 2, Filter: solvers.Haar()}, 16},
		"db4 9x8":           {solvers.Wavelet{Shape: shape(1, 9, 8), Levels: 1, Weight: 0.2}, 72},
		"tv row":            {&solvers.TV{Shape: shape(1, 1, 3), Tol: 1e-6, MaxIters: 2000}, 3},
		"tv isotropic":      {&solvers.TV{Shape: shape(1, 2, 2), Weight: 0.7, Tol: 1e-6, MaxIters: 2000}, 4},
		"tv anisotropic":    {&solvers.TV{Shape: shape(1, 2, 2), Anisotropic: true, Tol: 1e-6, MaxIters: 2000}, 4},
		"tv colour":         {&solvers.TV{Shape: shape(2, 2, 2), Tol: 1e-6, MaxIters: 2000}, 8},
		"tv coupled":        {&solvers.TV{Shape: shape(2, 2, 2), Coupled: true, Tol: 1e-6, MaxIters: 2000}, 8},
		"tv coupled, aniso": {&solvers.TV{Shape: shape(2, 2, 2), Coupled: true, Anisotropic: true, Tol: 1e-6, MaxIters: 2000}, 8},
		"tv warm":           {&solvers.TV{Shape: shape(1, 2, 3), Warm: true, Tol: 1e-6, MaxIters: 2000}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			proxtest.Check(t, c.p, proxtest.Options{N: c.n, Convex: true, Points: 6, Tol: 1e-3, Strengths: []float64{0.1, 1}})
		})
	}
	t.Run("box", func(t *testing.T) {
		b := solvers.Box{Lo: -0.5, Hi: 0.2}
		// The indicator is infinite outside, where the tests of values do not
		// make sense; its prox is still firmly non-expansive.
		proxtest.Check(t, b, proxtest.Options{Convex: true})
		x := make([]float32, 3)
		b.Prox(x, []float32{-3, 0.1, 4}, 1)
		if x[0] != -0.5 || x[1] != 0.1 || x[2] != 0.2 {
			t.Errorf("projection is %v", x)
		}
	})
}

// TestTVRow: on a row of two pixels the prox moves both towards their mean by
// t, not beyond it.
func TestTVRow(t *testing.T) {
	g := &solvers.TV{Shape: operators.Shape{C: 1, H: 1, W: 2}, Tol: 1e-7, MaxIters: 5000}
	x := make([]float32, 2)
	for _, c := range []struct{ a, b, t, wantA, wantB float64 }{
		{0, 1, 0.2, 0.2, 0.8}, {0, 1, 0.7, 0.5, 0.5}, {3, -1, 1, 2, 0},
	} {
		g.Prox(x, []float32{float32(c.a), float32(c.b)}, c.t)
		if math.Abs(float64(x[0])-c.wantA) > 1e-3 || math.Abs(float64(x[1])-c.wantB) > 1e-3 {
			t.Errorf("prox at t=%g of (%g,%g) is %v, want (%g,%g)", c.t, c.a, c.b, x, c.wantA, c.wantB)
		}
	}
}

func TestWaveletIsOrthogonal(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, s := range []operators.Shape{{C: 1, H: 32, W: 32}, {C: 3, H: 31, W: 17}, {C: 1, H: 1, W: 40}, {C: 2, H: 50, W: 33}} {
		for _, f := range [][]float64{nil, solvers.Haar()} {
			w := solvers.Wavelet{Shape: s, Filter: f}
			if s.H == 1 {
				w.Levels = 2
			}
			x := make([]float32, s.Len())
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			c := append([]float32(nil), x...)
			w.Forward(c)
			nx, nc := 0.0, 0.0
			for i := range x {
				nx += float64(x[i]) * float64(x[i])
				nc += float64(c[i]) * float64(c[i])
			}
			if math.Abs(nx-nc) > 1e-5*nx {
				t.Errorf("%v: ||Wx||^2 = %v, ||x||^2 = %v", s, nc, nx)
			}
			w.Inverse(c)
			for i := range x {
				if math.Abs(float64(c[i]-x[i])) > 1e-5 {
					t.Errorf("%v: the inverse misses sample %d: %v, want %v", s, i, c[i], x[i])
					break
				}
			}
		}
	}
}

// TestDB4VanishingMoments: away from the wrap, cubics have no details.
func TestDB4VanishingMoments(t *testing.T) {
	const n = 64
	w := solvers.Wavelet{Shape: operators.Shape{C: 1, H: 1, W: n}, Levels: 1}
	x := make([]float32, n)
	for i := range x {
		u := float64(i)/n - 0.4
		x[i] = float32(1 + u - 3*u*u + 2*u*u*u)
	}
	w.Forward(x)
	for i := n / 2; i < n-4; i++ {
		if math.Abs(float64(x[i])) > 1e-5 {
			t.Errorf("detail %d of a cubic is %v", i-n/2, x[i])
		}
	}
}
