package lpn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/proxtest"
)

// soft is the potential of the soft threshold at 1, of R = |x|: convex, not
// strongly.
type soft struct{}

func (soft) Eval(dst, y []float32) (psi float64) {
	for i, v := range y {
		d := math.Max(math.Abs(float64(v))-1, 0)
		psi += d * d / 2
		dst[i] = float32(math.Copysign(d, float64(v)))
	}
	return psi
}
func (soft) Lipschitz() float64           { return 1 }
func (soft) BoundedBelow() (bool, string) { return true, "" }

// squash is a potential whose gradient tanh has the range (-1,1).
type squash struct{}

func (squash) Eval(dst, y []float32) (psi float64) {
	for i, v := range y {
		psi += math.Log(math.Cosh(float64(v)))
		dst[i] = float32(math.Tanh(float64(v)))
	}
	return psi
}

// randomNet is a network with random weights, of which R is bounded below
// (gates a third as strong as the initial ones see to it).
func randomNet(t testing.TB, cfg Config, seed uint64) *Network {
	t.Helper()
	n, err := New(cfg, rand.New(rand.NewPCG(seed, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Pyramid != nil {
		n = n.gatesScaled(0.3)
	}
	return n
}

// smallPyramid is a pyramid that evaluates in no time.
func smallPyramid() Config {
	c := Pyramid(1, 0.1)
	c.Alpha = 0.05
	c.Pyramid.Slack = 0.1
	c.Pyramid.Group = 4
	c.Pyramid.LowpassSize = 5
	c.Pyramid.Levels = []PyramidLevel{
		{Maps: 4, WK: 3, Features: 8, AK: 3, NK: 1},
		{Maps: 4, WK: 3, Features: 8, AK: 3, NK: 3},
	}
	return c
}

// tinyBound is a softplus network for three numbers.
func tinyBound(t testing.TB) *Bound {
	c := Dense(3, 8, 2)
	c.Alpha = 0.1
	c.Softplus.Beta = 3
	return bound(t, randomNet(t, c, 3), operators.Shape{C: 3, H: 1, W: 1})
}

func bound(t testing.TB, n *Network, s operators.Shape, opts ...Option) *Bound {
	t.Helper()
	b, err := n.On(s, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func randomVec(n int, sd float64, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 2))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(sd * rng.NormFloat64())
	}
	return x
}

// TestPriorSoft: other strengths of |x| are the soft threshold there, on both
// sides of 1, and R is |x|.
func TestPriorSoft(t *testing.T) {
	v := []float32{-3, -1.2, -0.4, 0, 0.3, 0.9, 1.7, 2.5}
	for _, w := range []float64{1, 0.5, 3} {
		for _, tau := range []float64{0.1, 0.5, 1, 1.5, 2} {
			p := Prior{Psi: soft{}, Weight: w, Tol: 1e-6}
			x := make([]float32, len(v))
			g := p.ProxValue(x, v, tau/w)
			sum := 0.0
			for i, u := range v {
				want := math.Copysign(math.Max(math.Abs(float64(u))-tau, 0), float64(u))
				if math.Abs(float64(x[i])-want) > 1e-5 {
					t.Errorf("tau %g: prox(%g) = %g, want %g", tau, u, x[i], want)
				}
				sum += math.Abs(want)
			}
			if math.Abs(g-w*sum) > 1e-4 {
				t.Errorf("tau %g: value %g, want %g", tau, g, w*sum)
			}
			if ok, why := p.ProxCertificate(tau / w); !ok {
				t.Errorf("tau %g: not certified: %s", tau, why)
			}
		}
	}
	for _, x := range v {
		if r := (Prior{Psi: soft{}}).At([]float32{x}); !r.InRange || math.Abs(r.R-math.Abs(float64(x))) > 1e-5 || !math.IsInf(r.Gap, 1) {
			t.Errorf("R(%g) = %+v", x, r)
		}
	}
}

// TestPriorOneCall: at strength 1 the prox is one evaluation, f itself.
func TestPriorOneCall(t *testing.T) {
	b := tinyBound(t)
	c := &counted{Potential: b}
	v := randomVec(3, 1, 1)
	x, want := make([]float32, 3), make([]float32, 3)
	Prior{Psi: c, Weight: 0.25}.Prox(x, v, 4)
	b.Eval(want, v)
	if c.calls != 1 || fmt.Sprint(x) != fmt.Sprint(want) {
		t.Errorf("%d calls, %v, want %v", c.calls, x, want)
	}
}

type counted struct {
	solvers.Potential
	calls int
}

func (c *counted) Eval(dst, y []float32) float64 {
	c.calls++
	return c.Potential.Eval(dst, y)
}

// TestPriorProx: brute force finds no better point, with R by inversion.
func TestPriorProx(t *testing.T) {
	b := tinyBound(t)
	for _, w := range []float64{1, 0.3} {
		p := Prior{Psi: b, Weight: w, Tol: 1e-6}
		for _, q := range []Prior{p, p.WarmStarted()} {
			proxtest.Check(t, q, proxtest.Options{N: 3, Scale: 2, Points: 6, Tol: 1e-3,
				Strengths: []float64{0.1 / w, 0.6 / w, 1 / w},
				Value:     func(x []float32) float64 { return p.At(x).R }})
		}
	}
	p := Prior{Psi: b}
	if ok, _ := p.ProxCertificate(50); ok {
		t.Error("a strength of 50 certified without a bound on Lip(f)")
	}
}

// TestPriorAt: R at f(y), for known y, is what Fenchel's equality says; the
// value at a point found loosely is below it by at most the gap.
func TestPriorAt(t *testing.T) {
	s := operators.Shape{C: 1, H: 12, W: 16}
	for name, b := range map[string]*Bound{
		"dense":   tinyBound(t),
		"pyramid": bound(t, randomNet(t, smallPyramid(), 5), s),
	} {
		n := b.len()
		y, x := randomVec(n, 0.3, 7), make([]float32, n)
		psi := b.Eval(x, y)
		want := dot(y, x) - dot(x, x)/2 - psi
		scale := math.Abs(dot(y, x)) + dot(x, x)/2 + math.Abs(psi)
		v := Prior{Psi: b}.At(x)
		if !v.InRange || v.Residual > 1e-5 || math.Abs(v.R-want) > 1e-5*scale+v.Gap {
			t.Errorf("%s: R = %+v, want %g", name, v, want)
		}
		if d := relative(v.Dual, y); d > 0.02 {
			t.Errorf("%s: the dual point is off by %g", name, d)
		}
		loose := Prior{Psi: b, Tol: 0.05}.At(x)
		if loose.R > want+1e-5*scale || loose.R < want-loose.Gap-1e-5*scale {
			t.Errorf("%s: the loose value %g is not within %g below %g", name, loose.R, loose.Gap, want)
		}
		if loose.Calls >= v.Calls {
			t.Errorf("%s: %d calls for 0.05, %d for 1e-5", name, loose.Calls, v.Calls)
		}
	}
}

// TestPriorGradient: grad R(x) = y - x.
func TestPriorGradient(t *testing.T) {
	p := Prior{Psi: tinyBound(t), Tol: 1e-6}
	x := make([]float32, 3)
	p.Psi.Eval(x, randomVec(3, 1, 9))
	y := p.At(x).Dual
	for i := range x {
		const h = 0.02
		up, down := append([]float32(nil), x...), append([]float32(nil), x...)
		up[i] += h
		down[i] -= h
		got := (p.At(up).R - p.At(down).R) / (2 * h)
		if want := float64(y[i] - x[i]); math.Abs(got-want) > 0.01*(1+math.Abs(want)) {
			t.Errorf("dR/dx_%d = %g, y - x = %g", i, got, want)
		}
	}
}

func TestPriorOutOfRange(t *testing.T) {
	p := Prior{Psi: squash{}}
	if v := p.At([]float32{0.5}); !v.InRange || math.Abs(float64(v.Dual[0])-math.Atanh(0.5)) > 1e-4 {
		t.Errorf("0.5: %+v", v)
	}
	if v := p.At([]float32{1.5}); v.InRange || !math.IsNaN(v.R) || v.Dual != nil {
		t.Errorf("1.5 is out of range: %+v", v)
	}
}

// TestPriorMany: batches and paths agree with single points.
func TestPriorMany(t *testing.T) {
	s := operators.Shape{C: 1, H: 8, W: 8}
	p := Prior{Psi: bound(t, randomNet(t, smallPyramid(), 5), s, Threads(1))}
	a, b := randomVec(s.Len(), 0.2, 1), randomVec(s.Len(), 0.2, 2)
	var xs [][]float32
	for k := range 5 {
		x := make([]float32, len(a))
		for i := range x {
			x[i] = a[i] + float32(k)/20*(b[i]-a[i])
		}
		xs = append(xs, x)
	}
	each, along := p.AtEach(xs), slices.Collect(p.Along(slices.Values(xs)))
	calls := [2]int{}
	for i, x := range xs {
		one := p.At(x)
		if each[i].R != one.R || math.Abs(along[i].R-one.R) > 1e-5*math.Abs(one.R)+one.Gap {
			t.Errorf("point %d: %g alone, %g in a batch, %g on a path", i, one.R, each[i].R, along[i].R)
		}
		calls[0] += each[i].Calls
		calls[1] += along[i].Calls
	}
	if calls[1] >= calls[0] {
		t.Errorf("%d calls on a path, %d from scratch", calls[1], calls[0])
	}
}

func ExamplePrior_At() {
	net, _ := New(Dense(2, 16, 2), rand.New(rand.NewPCG(1, 1)))
	b, _ := net.On(operators.Shape{C: 2, H: 1, W: 1})
	x := make([]float32, 2)
	b.Eval(x, []float32{1, -2})
	v := Prior{Psi: b}.At(x)
	fmt.Println(v.InRange, v.Residual < 1e-5)
	// Output: true true
}

// TestDecompose: the parts sum to R, and for |x| they are |x_i|.
func TestDecompose(t *testing.T) {
	s := operators.Shape{C: 1, H: 12, W: 16}
	b := bound(t, randomNet(t, smallPyramid(), 5), s)
	y, x := randomVec(s.Len(), 0.2, 7), make([]float32, s.Len())
	p := Prior{Psi: b, Weight: 0.5}
	psi := b.Eval(x, y)
	want := 0.5 * (dot(y, x) - dot(x, x)/2 - psi)
	parts, missed := p.Decompose(y, 1)
	sum := 0.0
	for _, v := range parts {
		sum += v
	}
	if math.Abs(sum-want) > 1e-6*math.Abs(want) || math.Abs(missed) > 0.01*math.Abs(want) {
		t.Errorf("the parts sum to %g, R is %g, the quadrature missed %g", sum, want, missed)
	}
	symmetric := []float32{2, -2, 4, -4}
	parts, _ = Prior{Psi: soft{}}.Decompose(symmetric, 1)
	for i, v := range symmetric {
		if want := math.Abs(float64(v)) - 1; math.Abs(parts[i]-want) > 0.02 {
			t.Errorf("part %d is %g, want %g", i, parts[i], want)
		}
	}
}

// TestFits: a picture smaller than the filters that see it is refused, not a
// panic of the convolution; one pixel more is not.
func TestFits(t *testing.T) {
	cfg := Config{Channels: 1, Sigma: 0.1, Unit: 0.1, Softplus: &SoftplusConfig{Beta: 10,
		Layers: []Layer{{Width: 2, K: 3, Stride: 2, Pad: 0}, {Width: 2, K: 4, Stride: 1, Pad: 1}}}}
	net, err := New(cfg, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.On(operators.Shape{C: 1, H: 4, W: 9}); err == nil || !strings.Contains(err.Error(), "4x9 pixels is too small for the filters of layer 1") {
		t.Errorf("4x9: %v", err)
	}
	b, err := net.On(operators.Shape{C: 1, H: 5, W: 9})
	if err != nil {
		t.Fatal(err)
	}
	b.Eval(make([]float32, 45), make([]float32, 45))
	cfg.Height, cfg.Width = 4, 4
	if err := cfg.Validate(); err == nil {
		t.Error("a network for pictures that it cannot see is valid")
	}
}
