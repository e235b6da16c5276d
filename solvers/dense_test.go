package solvers

import (
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/operators"
)

// dense is a small matrix as an operator; direct gives it a closed form.
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

// gram is A'A + rho I.
func (d dense) gram(rho float64) [][]float64 {
	g := make([][]float64, d.n)
	for i := range g {
		g[i] = make([]float64, d.n)
		for j := range g[i] {
			for k := range d.m {
				g[i][j] += d.a[k*d.n+i] * d.a[k*d.n+j]
			}
		}
		g[i][i] += rho
	}
	return g
}

// direct is a dense that is a NormalSolver, by Gaussian elimination.
type direct struct{ dense }

func (d direct) SolveNormal(dst, b []float32, rho float64) {
	r := make([]float64, d.n)
	for i, v := range b {
		r[i] = float64(v)
	}
	for i, v := range eliminate(d.gram(rho), r) {
		dst[i] = float32(v)
	}
}

// eliminate solves a x = b with partial pivoting; a and b are overwritten.
func eliminate(a [][]float64, b []float64) []float64 {
	n := len(b)
	for k := range n {
		p := k
		for i := k; i < n; i++ {
			if math.Abs(a[i][k]) > math.Abs(a[p][k]) {
				p = i
			}
		}
		a[k], a[p] = a[p], a[k]
		b[k], b[p] = b[p], b[k]
		for i := k + 1; i < n; i++ {
			f := a[i][k] / a[k][k]
			for j := k; j < n; j++ {
				a[i][j] -= f * a[k][j]
			}
			b[i] -= f * b[k]
		}
	}
	for i := n - 1; i >= 0; i-- {
		for j := i + 1; j < n; j++ {
			b[i] -= a[i][j] * b[j]
		}
		b[i] /= a[i][i]
	}
	return b
}

func randomVec(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 2))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func apply(a operators.Linear, x []float32) []float32 {
	y := make([]float32, a.Codomain().Len())
	a.Apply(y, x)
	return y
}

func relative(a, b []float32) float64 { return dist(a, b) / (1e-30 + norm2(b)) }

// framelet is a small learned-prior stand-in with everything known: on rows
// of n samples, psi(y) = m/2 ||y||^2 + (1-m) sum_k s(|w_k y|), w the
// undecimated Haar frame of one level (details and averages, a Parseval frame)
// and s even, convex and smooth, s'(t) = Gain max(t - Edge softly...) for the
// details, t for the averages. Its gain exceeds 1 around the edge when Gain
// does, where R is non-convex; far out it is exactly 1, so that R is bounded
// below.
type framelet struct {
	m, edge, gain float64
	calls         *int
}

// gate is s'(t) and s(t) for a detail: 0.05 t up to edge, then slope gain
// until it meets t, then t.
func (f framelet) gate(t float64) (s, ds float64) {
	const low = 0.05
	a := math.Abs(t)
	join := f.edge * (f.gain - low) / (f.gain - 1) // where the middle piece meets t
	switch {
	case a <= f.edge:
		return low * a * a / 2, low * t
	case a <= join:
		u := a - f.edge
		return low*f.edge*f.edge/2 + low*f.edge*u + f.gain*u*u/2, math.Copysign(low*f.edge+f.gain*u, t)
	}
	u := join - f.edge
	base := low*f.edge*f.edge/2 + low*f.edge*u + f.gain*u*u/2
	return base + (a*a-join*join)/2, t
}

// eval is psi and its gradient in float64.
func (f framelet) eval(y []float64) (psi float64, g []float64) {
	n := len(y)
	g = make([]float64, n)
	for i, v := range y {
		psi += f.m * v * v / 2
		g[i] = f.m * v
	}
	k := 1 - f.m
	for i := range y {
		j := (i + 1) % n
		avg, det := (y[i]+y[j])/2, (y[i]-y[j])/2
		s, ds := f.gate(det)
		psi += k * (avg*avg/2 + s)
		g[i] += k * (avg + ds) / 2
		g[j] += k * (avg - ds) / 2
	}
	return psi, g
}

func (f framelet) Eval(dst, y []float32) float64 {
	if f.calls != nil {
		*f.calls++
	}
	z := make([]float64, len(y))
	for i, v := range y {
		z[i] = float64(v)
	}
	psi, g := f.eval(z)
	for i, v := range g {
		dst[i] = float32(v)
	}
	return psi
}

func (f framelet) StrongConvexity() float64     { return f.m }
func (f framelet) BoundedBelow() (bool, string) { return true, "" }
