package solvers

import (
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

func TestCG(t *testing.T) {
	d := randomDense(12, 10, 3)
	b := randomVec(10, 4)
	rhs := make([]float64, 10)
	for i, v := range b {
		rhs[i] = float64(v)
	}
	want := eliminate(d.gram(0.1), rhs)
	m := make([]float32, 12)
	c := operators.CG{Tol: 1e-6, Apply: func(dst, x []float32) {
		d.Apply(m, x)
		d.Adjoint(dst, m)
		axpy(dst, 0.1, x)
	}}
	run := func(name string, c operators.CG, start []float32) int {
		t.Helper()
		iters, res := c.Solve(start, b)
		worst := 0.0
		for i, v := range start {
			worst = max(worst, math.Abs(float64(v)-want[i]))
		}
		// Residual 1e-6 times the condition number, about 100.
		if worst > 1e-4 || res > 1e-6 {
			t.Errorf("%s: off by %.2g, residual %.2g", name, worst, res)
		}
		return iters
	}
	cold := run("cold", c, make([]float32, 10))
	warm := make([]float32, 10)
	for i := range warm {
		warm[i] = float32(want[i] + 1e-4)
	}
	if n := run("warm", c, warm); n >= cold {
		t.Errorf("%d iterations from near the solution, %d from 0", n, cold)
	}
	// The inverse of the diagonal, and the inverse itself.
	pc := c
	pc.Precondition = func(dst, r []float32) { direct{d}.SolveNormal(dst, r, 0.1) }
	if n := run("preconditioned", pc, make([]float32, 10)); n > 2 {
		t.Errorf("%d iterations with the inverse as preconditioner", n)
	}
	x := randomVec(10, 1)
	if n, r := c.Solve(x, make([]float32, 10)); n != 0 || r != 0 || norm2(x) != 0 {
		t.Error("M x = 0 is not solved by 0")
	}
}

// smooths are the fidelities with a point inside their domain.
func smooths() map[string]Smooth {
	d := randomDense(9, 6, 5)
	for i, v := range d.a {
		d.a[i] = math.Abs(v)
	}
	counts := []float32{0, 1, 2, 0.5, 3, 0, 1, 4, 0.2}
	ls := &LeastSquares{A: d, Y: counts}
	return map[string]Smooth{
		"LeastSquares":       ls,
		"Poisson":            &Poisson{A: d, Y: counts, Background: 0.1},
		"Poisson, no offset": &Poisson{A: d, Y: counts},
		"Quantised": &Quantised{A: d, Y: counts,
			Step:  []float32{1, 0.2, 3, 1, 0.5, 1, 2, 1, 0.1},
			Scale: []float32{0.1, 0.3, 0.2, 0.5, 0.4, 1, 0.2, 0.1, 0.2}},
		"BoxPenalty": BoxPenalty{Lo: -0.5, Hi: 0.25, Weight: 3},
		"Sum":        Sum{ls, BoxPenalty{Weight: 0.7}},
	}
}

func TestSmoothDerivatives(t *testing.T) {
	for name, h := range smooths() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(4) {
				x := randomVec(6, seed+10)
				for i := range x {
					x[i] = x[i]/2 + 0.6
				}
				dir := randomVec(6, seed+20)
				g := make([]float32, 6)
				v := valueGradient(h, g, x)
				if w := h.Value(x); math.Abs(v-w) > 1e-6*math.Abs(w) {
					t.Errorf("ValueGradient says %v, Value %v", v, w)
				}
				// Central differences: the error is the rounding of the
				// values over the step plus the square of the step.
				const e = 1e-2
				at := func(k float64) float64 {
					z := make([]float32, 6)
					addScaled(z, x, k, dir)
					return h.Value(z)
				}
				got, want := dot(g, dir), (at(e)-at(-e))/(2*e)
				if math.Abs(got-want) > 1e-2*(math.Abs(want)+norm2(g)) {
					t.Errorf("slope %v, by differences %v", got, want)
				}
				hess, ok := h.(Hessian)
				if !ok {
					continue
				}
				p, g1 := make([]float32, 6), make([]float32, 6)
				hess.HessianAt(x)(p, dir)
				z := make([]float32, 6)
				addScaled(z, x, 1e-3, dir)
				h.Gradient(g1, z)
				for i := range g1 {
					g1[i] = (g1[i] - g[i]) / 1e-3
				}
				if dist(p, g1) > 3e-2*(norm2(p)+norm2(dir)) {
					t.Errorf("Hessian product %v, by differences %v", p, g1)
				}
				if l := h.(Lipschitzer).Lipschitz(); norm2(p) > l*norm2(dir)*(1+1e-6) {
					t.Errorf("||H v|| = %v ||v||, Lipschitz says %v", norm2(p)/norm2(dir), l)
				}
			}
		})
	}
}

// TestFidelityProx: t grad h(x) + x - v vanishes at the prox, whichever way it
// is computed.
func TestFidelityProx(t *testing.T) {
	d := randomDense(9, 6, 5)
	for i, v := range d.a {
		d.a[i] = math.Abs(v)
	}
	y := []float32{0, 1, 2, 0.5, 3, 0, 1, 4, 0.2}
	steps := []float32{1, 0.2, 3, 1, 0.5, 1, 2, 1, 0.1}
	scales := []float32{0.1, 0.3, 0.2, 0.5, 0.4, 1, 0.2, 0.1, 0.2}
	type fidelity interface {
		Smooth
		Prox
	}
	for name, h := range map[string]fidelity{
		"closed form": &LeastSquares{A: direct{d}, Y: y},
		"CG":          &LeastSquares{A: d, Y: y, Tol: 1e-6},
		"Poisson":     &Poisson{A: d, Y: y, Background: 0.05},
		"Quantised":   &Quantised{A: d, Y: y, Step: steps, Scale: scales},
	} {
		for _, s := range []float64{0.01, 1, 30} {
			v := randomVec(6, 7)
			x, g := make([]float32, 6), make([]float32, 6)
			h.Prox(x, v, s)
			h.Gradient(g, x)
			r := 0.0
			for i := range g {
				r += math.Pow(s*float64(g[i])+float64(x[i])-float64(v[i]), 2)
			}
			h.Gradient(g, v)
			if r = math.Sqrt(r); r > 1e-4*(s*norm2(g)+1) {
				t.Errorf("%s, t=%g: gradient %g at the prox", name, s, r)
			}
			z := append([]float32(nil), v...)
			h.Prox(z, z, s)
			if dist(z, x) > 1e-4 {
				t.Errorf("%s, t=%g: in place %v, else %v", name, s, z, x)
			}
			if w, ok := h.(WarmProx); ok {
				z := randomVec(6, 99)
				w.ProxFrom(z, v, s)
				if relative(z, x) > 1e-3 {
					t.Errorf("%s, t=%g: from a guess %v, else %v", name, s, z, x)
				}
			}
		}
	}
}

// TestPoissonProxClosed: with A = I the prox is the root of a quadratic,
// ((v-t) + sqrt((v-t)^2 + 4 t y))/2 where there is no background.
func TestPoissonProxClosed(t *testing.T) {
	s := operators.Shape{C: 1, H: 1, W: 5}
	h := &Poisson{A: operators.NewIdentity(s), Y: []float32{0.5, 1, 2, 3, 10}}
	v := []float32{0.4, -1, 2, 5, 8}
	x := make([]float32, 5)
	for _, tt := range []float64{0.1, 1, 4} {
		h.Prox(x, v, tt)
		for i := range x {
			b := float64(v[i]) - tt
			want := (b + math.Sqrt(b*b+4*tt*float64(h.Y[i]))) / 2
			if math.Abs(float64(x[i])-want) > 1e-4*(1+want) {
				t.Errorf("t=%g: prox(%v) = %v, want %v", tt, v[i], x[i], want)
			}
		}
	}
}

func TestTikhonov(t *testing.T) {
	const n = 12
	d := randomDense(9, n, 8)
	y := randomVec(9, 1)
	rhs := func() []float64 {
		b := make([]float32, n)
		d.Adjoint(b, y)
		r := make([]float64, n)
		for i, v := range b {
			r[i] = float64(v)
		}
		return r
	}
	for _, c := range []struct {
		name    string
		a       operators.Linear
		mu, rho float64
	}{
		{"ridge, closed", direct{d}, 0, 0.3},
		{"ridge, CG", d, 0, 0.3},
		{"gradient, CG", d, 0.5, 0.01},
		{"gradient, preconditioned", direct{d}, 0.5, 0.01},
	} {
		g := d.gram(c.rho)
		for i := range n - 1 { // a row of n pixels: D'D is tridiagonal
			g[i][i] += c.mu
			g[i+1][i+1] += c.mu
			g[i][i+1] -= c.mu
			g[i+1][i] -= c.mu
		}
		want := eliminate(g, rhs())
		x := make([]float32, n)
		Tikhonov{A: c.a, Mu: c.mu, Rho: c.rho, Tol: 1e-6}.Solve(x, y)
		for i := range x {
			if math.Abs(float64(x[i])-want[i]) > 1e-4 {
				t.Errorf("%s: x[%d] = %v, want %v", c.name, i, x[i], want[i])
				break
			}
		}
	}
}
