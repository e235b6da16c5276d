package noise

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// dense is S^-1 column by column, and its inverse by elimination.
func dense(c *Covariance) (p, s [][]float64) {
	n := c.Shape().Len()
	p = make([][]float64, n)
	for j := range n {
		e := make([]float32, n)
		e[j] = 1
		c.Precision(e, e)
		p[j] = make([]float64, n)
		for i, v := range e {
			p[j][i] = float64(v)
		}
	}
	return p, inverse(p)
}

func inverse(a [][]float64) [][]float64 {
	n := len(a)
	m := make([][]float64, n)
	for i := range m {
		m[i] = append(append([]float64{}, a[i]...), make([]float64, n)...)
		m[i][n+i] = 1
	}
	for k := range n {
		q := k
		for i := k; i < n; i++ {
			if math.Abs(m[i][k]) > math.Abs(m[q][k]) {
				q = i
			}
		}
		m[k], m[q] = m[q], m[k]
		for i := range n {
			if i == k {
				continue
			}
			f := m[i][k] / m[k][k]
			for j := range m[i] {
				m[i][j] -= f * m[k][j]
			}
		}
	}
	for k := range n {
		d := m[k][k]
		for j := range m[k] {
			m[k][j] /= d
		}
		m[k] = m[k][n:]
	}
	return m
}

func covariances() map[string]*Covariance {
	s := operators.Shape{C: 3, H: 4, W: 5}
	mean := make([]float32, s.Len())
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range mean {
		mean[i] = rng.Float32()
	}
	each := Curve{[]Line{{[]float64{0}, []float64{0.1}}, {[]float64{0}, []float64{0.3}}, {[]float64{0}, []float64{0.2}}}}
	return map[string]*Covariance{
		"white":      Freeze(White{0.2}, mean, s),
		"channels":   Freeze(each, mean, s),
		"camera":     Freeze(Camera{A: 0.05, B: 0.1}, mean, s),
		"correlated": Freeze(Correlated{each, falling(3)}, mean, s),
		"both":       Freeze(Correlated{Camera{A: 0.05, B: 0.1}, falling(3)}, mean, s),
	}
}

// S^-1 is symmetric and W'W, bounded by Bound; Solve is (S^-1 + rho I)^-1 and the
// likelihood that of the dense matrix.
func TestCovarianceAgainstDense(t *testing.T) {
	for name, c := range covariances() {
		n := c.Shape().Len()
		p, s := dense(c)
		rng := rand.New(rand.NewPCG(5, 6))
		x, w := make([]float32, n), make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		c.Whiten(w, x)
		quad, ww := 0.0, 0.0
		for i := range n {
			ww += float64(w[i]) * float64(w[i])
			for j := range n {
				if d := p[i][j] - p[j][i]; math.Abs(d) > 1e-4*c.Bound() {
					t.Fatalf("%s: S^-1 is not symmetric: %g", name, d)
				}
				quad += float64(x[i]) * p[i][j] * float64(x[j])
			}
		}
		if math.Abs(ww/quad-1) > 1e-4 {
			t.Errorf("%s: ||W x||^2 = %g, x'S^-1 x = %g", name, ww, quad)
		}
		// The largest eigenvalue by the power method.
		v, top := append([]float32{}, x...), 0.0
		for range 200 {
			c.Precision(v, v)
			top = 0
			for _, u := range v {
				top += float64(u) * float64(u)
			}
			top = math.Sqrt(top)
			for i := range v {
				v[i] /= float32(top)
			}
		}
		if top > c.Bound()*1.0001 {
			t.Errorf("%s: ||S^-1|| = %g above the bound %g", name, top, c.Bound())
		}
		// The likelihood: log det by the diagonal of elimination.
		zero := make([]float32, n)
		want := quad/2 + float64(n)*math.Log(2*math.Pi)/2 + logDet(s)/2
		if got := c.NegLogLikelihood(x, zero); math.Abs(got-want) > 1e-3*math.Abs(want) {
			t.Errorf("%s: -log p = %g, want %g", name, got, want)
		}
		if !c.Closed() {
			if name != "both" {
				t.Errorf("%s: not closed", name)
			}
			continue
		}
		const rho = 7
		c.Solve(w, x, rho)
		for i := range n {
			r := rho * float64(w[i])
			for j := range n {
				r += p[i][j] * float64(w[j])
			}
			if math.Abs(r-float64(x[i])) > 1e-3 {
				t.Fatalf("%s: (S^-1 + rho) d = %g, want %g", name, r, x[i])
			}
		}
	}
}

func logDet(a [][]float64) float64 {
	n, m := len(a), make([]float64, 0, len(a)*len(a))
	for i := range a {
		for j := range a {
			m = append(m, (a[i][j]+a[j][i])/2)
		}
	}
	if !cholesky(m, n) {
		return math.NaN()
	}
	s := 0.0
	for i := range n {
		s += 2 * math.Log(m[i*n+i])
	}
	return s
}

// The samples of correlated noise have the covariance whose inverse Precision is.
func TestCorrelatedSamples(t *testing.T) {
	s := operators.Shape{C: 2, H: 3, W: 4}
	mean := make([]float32, s.Len())
	for i := range mean {
		mean[i] = 0.2 + 0.03*float32(i)
	}
	m := Correlated{Camera{A: 0.5, B: 0.3}, falling(2)}
	_, want := dense(Freeze(m, mean, s))
	n := s.Len()
	got := make([]float64, n*n)
	rng := rand.New(rand.NewPCG(7, 8))
	y := make([]float32, n)
	const times = 5000
	for range times {
		m.Sample(y, mean, s, rng)
		for i := range y {
			y[i] -= mean[i]
		}
		for i, a := range y {
			for j, b := range y {
				got[i*n+j] += float64(a) * float64(b) / times
			}
		}
	}
	for i := range n {
		for j := range n {
			e := 5 * math.Sqrt((want[i][i]*want[j][j]+want[i][j]*want[i][j])/times)
			if math.Abs(got[i*n+j]-want[i][j]) > e {
				t.Fatalf("covariance of %d and %d: %g, want %g within %g", i, j, got[i*n+j], want[i][j], e)
			}
		}
	}
}

// The mean power of a normalised spectrum over the frequencies of a picture is 1.
func TestNormalised(t *testing.T) {
	s := falling(3)
	twice := Spectrum{3, append([]float64{}, s.Power...)}
	for i := range twice.Power {
		twice.Power[i] *= 4
	}
	n, dev := twice.Normalised()
	for a, d := range dev {
		if math.Abs(d-2) > 1e-9 {
			t.Errorf("channel %d: deviation %g, want 2", a, d)
		}
	}
	for i, p := range n.Power {
		if math.Abs(p-s.Power[i]) > 1e-9 {
			t.Fatalf("power %d: %g, want %g", i, p, s.Power[i])
		}
	}
	if err := n.check(); err != nil {
		t.Error(err)
	}
}
