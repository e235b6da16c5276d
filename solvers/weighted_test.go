package solvers

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// gentle is a spectrum that falls by a factor of 9.
func gentle() noise.Spectrum {
	s := noise.Flat(1)
	for k := range s.Power {
		s.Power[k] = 0.2 + 1.6*math.Exp(-float64(k/noise.Side+k%noise.Side)/4)
	}
	s, _ = s.Normalised()
	return s
}

// models are noise of each kind for pictures of shape s, of deviation about 0.05.
func models(s operators.Shape) map[string]noise.Model {
	d := operators.NewImage(s)
	for i := range d.Pix {
		d.Pix[i] = 0.03 + 0.04*float32(i%5)/4
	}
	curve := noise.Curve{Channels: []noise.Line{{X: []float64{0, 1}, Y: []float64{0.04, 0.07}}}}
	return map[string]noise.Model{
		"white":      noise.White{Sigma: 0.05},
		"poisson":    noise.Poisson{Gain: 0.004, Read: 0.03},
		"camera":     noise.Camera{A: 0.004, B: 0.03},
		"curve":      curve,
		"map":        noise.Map{Deviation: d},
		"correlated": noise.Correlated{Model: noise.White{Sigma: 0.05}, Spectrum: gentle()},
		"both":       noise.Correlated{Model: curve, Spectrum: gentle()},
	}
}

// disc16 is the picture of these tests.
func disc16() []float32 {
	x := make([]float32, 256)
	for i := range x {
		if y, k := i/16, i%16; (y-7)*(y-7)+(k-8)*(k-8) < 30 {
			x[i] = 0.8
		}
	}
	return x
}

// For operators that measure some samples as they are the curvature of independent noise
// is diagonal: 1/s^2 where a sample is measured, 0 elsewhere.
func TestWeightedSelectors(t *testing.T) {
	s := operators.Shape{C: 2, H: 8, W: 8}
	mask, keep := make([]bool, 64), make([]bool, 128)
	for i := range keep {
		mask[i%64] = i%64%3 > 0
		keep[i] = i%5 > 0
	}
	masked, err := operators.NewMask(s, mask)
	if err != nil {
		t.Fatal(err)
	}
	plain := operators.NewIdentity(s)
	observe := func(a operators.Linear) operators.Linear {
		o, err := operators.Observe(a, keep)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	deviation := models(s)["map"].(noise.Map)
	for name, c := range map[string]struct {
		a     operators.Linear
		known func(i int) bool
	}{
		"mask":          {masked, func(i int) bool { return mask[i%64] }},
		"observed":      {observe(plain), func(i int) bool { return keep[i] }},
		"mask observed": {observe(masked), func(i int) bool { return keep[i] && mask[i%64] }},
	} {
		h := &Weighted{A: c.a, Y: make([]float32, 128), S: noise.Freeze(deviation, make([]float32, 128), s)}
		if !h.HasCurvature() {
			t.Errorf("%s: no closed form", name)
			continue
		}
		const damping = 3e-4
		d, g := make([]float32, 128), make([]float32, 128)
		for i := range g {
			g[i] = float32(i%7) - 3
		}
		h.SolveCurvature(d, g, damping)
		for i, v := range d {
			want := float64(g[i]) / damping
			if c.known(i) {
				want = float64(g[i]) / (math.Pow(float64(deviation.Deviation.Pix[i]), -2) + damping)
			}
			if math.Abs(float64(v)-want) > 1e-5*math.Abs(want) {
				t.Errorf("%s: sample %d: %g, want %g", name, i, v, want)
				break
			}
		}
	}
}

// S = s^2 I gives LeastSquares/s^2: value, gradient and prox.
func TestWeightedWhite(t *testing.T) {
	s := operators.Shape{C: 1, H: 16, W: 16}
	for _, op := range []string{"denoise", "blur:gaussian,sigma=1"} {
		sp, err := operators.ParseSpec(op)
		if err != nil {
			t.Fatal(err)
		}
		a, err := sp.Build(s)
		if err != nil {
			t.Fatal(err)
		}
		x := disc16()
		y := apply(a, x)
		operators.AddGaussian(y, y, 0.1, rand.New(rand.NewPCG(1, 2)))
		const sd = 0.1
		w := &Weighted{A: a, Y: y, S: noise.Freeze(noise.White{Sigma: sd}, y, s), Tol: 1e-7, MaxIters: 200}
		l := &LeastSquares{A: a, Y: y}
		if u, v := w.Value(x), l.Value(x)/(sd*sd); math.Abs(u/v-1) > 1e-4 {
			t.Errorf("%s: value %g, want %g", op, u, v)
		}
		if u, v := w.Lipschitz(), l.Lipschitz()/(sd*sd); math.Abs(u/v-1) > 1e-4 {
			t.Errorf("%s: Lipschitz %g, want %g", op, u, v)
		}
		g, p, q := make([]float32, 256), make([]float32, 256), make([]float32, 256)
		l.Gradient(g, x)
		w.Gradient(p, x)
		for i := range g {
			g[i] /= sd * sd
		}
		if e := relative(p, g); e > 1e-4 {
			t.Errorf("%s: gradient off by %.2g", op, e)
		}
		w.Prox(p, x, 0.02)
		l.Prox(q, x, 0.02/(sd*sd))
		if e := relative(p, q); e > 1e-4 {
			t.Errorf("%s: prox off by %.2g", op, e)
		}
	}
}

// The gradient is that of the value, and the closed prox solves its equation.
func TestWeightedDerivatives(t *testing.T) {
	s := operators.Shape{C: 1, H: 16, W: 16}
	rng := rand.New(rand.NewPCG(3, 4))
	for name, m := range models(s) {
		x := disc16()
		y := make([]float32, 256)
		m.Sample(y, x, s, rng)
		h := &Weighted{A: operators.NewIdentity(s), Y: y, S: noise.Freeze(m, x, s), Tol: 1e-7, MaxIters: 300}
		d, up, down, g := make([]float32, 256), make([]float32, 256), make([]float32, 256), make([]float32, 256)
		for i := range d {
			d[i] = float32(rng.NormFloat64())
			up[i], down[i] = x[i]+0.01*d[i], x[i]-0.01*d[i]
		}
		h.Gradient(g, x)
		got, want := dot(g, d), (h.Value(up)-h.Value(down))/0.02
		if math.Abs(got-want) > 1e-3*norm2(g)*norm2(d) {
			t.Errorf("%s: slope %g, by differences %g", name, got, want)
		}
		// At p = prox_{t h}(x): t grad h(p) + p - x = 0.
		const step = 1e-3
		p := make([]float32, 256)
		h.Prox(p, x, step)
		h.Gradient(g, p)
		for i := range g {
			g[i] = step*g[i] + p[i] - x[i]
		}
		if e := norm2(g) / dist(p, x); e > 1e-3 {
			t.Errorf("%s: prox off by %.2g", name, e)
		}
		// The truth leaves what the noise is.
		if e := h.Discrepancy(x); e < 0.7 || e > 1.4 {
			t.Errorf("%s: discrepancy of the truth %g", name, e)
		}
	}
}

// Every method on every kind of noise: certified inside its theorem, F never
// rises, and the limit is critical.
func TestEverySolverOnEveryNoise(t *testing.T) {
	s := operators.Shape{C: 1, H: 16, W: 16}
	psi := framelet{m: 0.1, edge: 0.1, gain: 1.3}
	for _, op := range []string{"denoise", "blur:gaussian,sigma=1"} {
		sp, err := operators.ParseSpec(op)
		if err != nil {
			t.Fatal(err)
		}
		a, err := sp.Build(s)
		if err != nil {
			t.Fatal(err)
		}
		mean := apply(a, disc16())
		for name, m := range models(s) {
			y := make([]float32, 256)
			m.Sample(y, mean, s, rand.New(rand.NewPCG(5, 6)))
			h := &Weighted{A: a, Y: y, S: noise.Freeze(m, mean, s), Tol: 1e-6, MaxIters: 200}
			l := h.Lipschitz()
			for _, c := range []struct {
				name    string
				lambda  float64
				descend bool
				method  func(lambda float64) Method
			}{
				{"BPG", 0.05 * l, true, func(w float64) Method { return BPG{H: h, Psi: psi, Lambda: w} }},
				{"PGD", 1.05 * l, true, func(w float64) Method { return PGD{H: h, G: exact{psi, w}, Step: 1 / w} }},
				{"APGD", 1.05 * l, true, func(w float64) Method { return APGD{H: h, G: exact{psi, w}, Step: 1 / w} }},
				{"ADMM", 1.05 * l, false, func(w float64) Method { return ADMM{F: h, G: exact{psi, w}, Rho: w} }},
				{"DRS", 1.05 * l, false, func(w float64) Method { return DRS{F: h, G: exact{psi, w}, T: 1 / w} }},
			} {
				r, err := Solve(context.Background(), c.method(c.lambda), y, Stop{MaxIters: 300, Gradient: 1e-5})
				if err != nil {
					t.Fatal(err)
				}
				if !r.Certified {
					t.Errorf("%s, %s, %s: not certified: %s", op, name, c.name, r.Uncertified)
				}
				if c.descend {
					rises(t, r.Trace, 1e-6)
				}
				// x is critical when f(x - grad h(x)/lambda) = x.
				g, f := make([]float32, 256), make([]float32, 256)
				h.Gradient(g, r.X)
				addScaled(g, r.X, -1/c.lambda, g)
				psi.Eval(f, g)
				if e := relative(f, r.X); e > 2e-3 {
					t.Errorf("%s, %s, %s: %.2g from critical after %d iterations: %s", op, name, c.name, e, r.Iterations, r.Reason)
				}
			}
		}
	}
}
