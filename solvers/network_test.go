package solvers_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// smallNetworks are networks of both kinds with random weights, made
// well-posed: exact proxes of priors that are bounded below.
func smallNetworks(t *testing.T) map[string]*lpn.Network {
	t.Helper()
	pyramid := lpn.Pyramid(1, 0.1)
	pyramid.Alpha = 0.05
	pyramid.Pyramid.Slack = 0.05
	pyramid.Pyramid.Group = 4
	pyramid.Pyramid.LowpassSize = 5
	pyramid.Pyramid.Levels = []lpn.PyramidLevel{
		{Maps: 4, WK: 3, Features: 8, AK: 3, NK: 1},
		{Maps: 4, WK: 3, Features: 8, AK: 3, NK: 3},
	}
	softplus := lpn.SoftplusAny(1, 4, 2, 0.1)
	softplus.Alpha = 0.1
	nets := map[string]*lpn.Network{}
	for name, c := range map[string]lpn.Config{"pyramid": pyramid, "softplus": softplus} {
		n, err := lpn.New(c, rand.New(rand.NewPCG(3, 4)))
		if err != nil {
			t.Fatal(err)
		}
		if nets[name] = n.WellPosed(); nets[name].GainBound() > 1 {
			t.Fatalf("%s: growth bound %v", name, nets[name].GainBound())
		}
	}
	return nets
}

// disc is a bright disc with a dark bar.
func disc(s operators.Shape) []float32 {
	x := make([]float32, s.Len())
	for i := range x {
		r, c := i/s.W-s.H/2, i%s.W-s.W/2
		x[i] = 0.2
		if r*r+c*c < s.H*s.H/10 && c != 2 {
			x[i] = 0.8
		}
	}
	return x
}

// A scene is a row of the table: an operator and its boundary.
type scene struct {
	op       string
	boundary operators.Boundary
}

var table = []scene{
	{"denoise", operators.Symmetric},
	{"blur:gaussian,sigma=1", operators.Circular},
	{"blur:gaussian,sigma=1", operators.Symmetric},
	{"blur:uniform,size=3", operators.Valid},
	{"inpaint:ratio=0.5", operators.Symmetric},
	{"sr:factor=2", operators.Symmetric},
	{"sr:factor=2,align=corner", operators.Circular},
	{"cs:ratio=0.5", operators.Symmetric},
	{"cs:ratio=0.5,kind=hadamard", operators.Symmetric},
	{"cs:ratio=0.5,kind=fourier", operators.Symmetric},
	{"tomo:angles=12,detectors=36", operators.Symmetric},
	{"mri:accel=2", operators.Symmetric},
}

// measure builds the operator and measures x with it.
func (c scene) measure(t *testing.T, x []float32, s operators.Shape, noise float64) (operators.Linear, []float32) {
	t.Helper()
	sp, err := operators.ParseSpec(c.op)
	if err != nil {
		t.Fatal(err)
	}
	a, err := sp.WithBoundary(c.boundary).Build(s)
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float32, a.Codomain().Len())
	a.Apply(y, x)
	operators.AddGaussian(y, y, noise, rand.New(rand.NewPCG(1, 2)))
	return a, y
}

// TestNetworksInEverySolver runs every solver on every operator with networks
// as priors. At the weight 1.05 ||A||^2 all are inside their theorems, with
// one network evaluation a prox; BPG runs at a small weight too. The methods
// that promise it never raise F by more than 1e-5 of its terms, all end below
// their first F, and at a picture x with ||grad h(x) + lambda grad R(x)|| below
// 1e-3 of its parts, as x = f(x - grad h(x)/lambda) says.
func TestNetworksInEverySolver(t *testing.T) {
	s := operators.Shape{C: 1, H: 24, W: 24}
	truth := disc(s)
	nets := smallNetworks(t)
	for _, spec := range table {
		a, y := spec.measure(t, truth, s, 0.02)
		h := &solvers.LeastSquares{A: a, Y: y, Tol: 1e-6, MaxIters: 200}
		l := h.Lipschitz()
		x0 := make([]float32, s.Len())
		solvers.Tikhonov{A: a, Mu: 0.1 * l}.Solve(x0, y)
		for kind, net := range nets {
			psi, err := net.On(s)
			if err != nil {
				t.Fatal(err)
			}
			strong := 1.05 * l
			g := lpn.Prior{Psi: psi, Weight: strong}
			for _, c := range []struct {
				name     string
				lambda   float64
				descends bool
				method   solvers.Method
			}{
				{"BPG at a small weight", 0.05 * l, true, solvers.BPG{H: h, Psi: psi, Lambda: 0.05 * l}},
				{"BPG", strong, true, solvers.BPG{H: h, Psi: psi, Lambda: strong}},
				{"PGD", strong, true, solvers.PGD{H: h, G: g, Step: 1 / strong}},
				{"APGD", strong, true, solvers.APGD{H: h, G: g, Step: 1 / strong}},
				{"ADMM", strong, false, solvers.ADMM{F: h, G: g, Rho: strong}},
				{"DRS", strong, false, solvers.DRS{F: h, G: g, T: 1 / strong}},
				{"HQS", strong, false, solvers.HQS{F: h, G: g, Rho: strong, Factor: 1}},
			} {
				name := spec.op + " " + spec.boundary.String() + ", " + kind + ", " + c.name
				r, err := solvers.Solve(context.Background(), c.method, x0, solvers.Stop{MaxIters: 300, RelChange: 3e-7})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if !r.Certified {
					t.Errorf("%s: not certified: %s", name, r.Uncertified)
				}
				if c.name == "HQS" {
					// It lowers F(x) + G(z) + rho/2 ||x-z||^2, and settles where
					// x and z have not met.
					if !(r.Residual < 1e-3) {
						t.Errorf("%s: residual %.2g", name, r.Residual)
					}
					continue
				}
				if first := r.Trace[0].Objective; r.Objective > first {
					t.Errorf("%s: F went from %v to %v", name, first, r.Objective)
				}
				for i := 1; c.descends && i < len(r.Trace); i++ {
					p, q := r.Trace[i-1], r.Trace[i]
					if q.Objective > p.Objective+1e-5*(math.Abs(p.Objective)+math.Abs(p.Data)+math.Abs(p.Prior)) {
						t.Errorf("%s: F rises from %v to %v at iteration %d", name, p.Objective, q.Objective, q.K)
						break
					}
				}
				if e := uncritical(psi, h, c.lambda, r.X); e > 1e-3 {
					t.Errorf("%s: %.2g from critical after %d iterations: %s", name, e, r.Iterations, r.Reason)
				}
			}
		}
	}
}

// uncritical is ||f(x - grad h(x)/lambda) - x|| relative to the step
// grad h(x)/lambda that the prior has to undo, and to x.
func uncritical(psi solvers.Potential, h solvers.Smooth, lambda float64, x []float32) float64 {
	g, f := make([]float32, len(x)), make([]float32, len(x))
	h.Gradient(g, x)
	var step, size, off float64
	for i, v := range x {
		d := float64(g[i]) / lambda
		g[i] = v - float32(d)
		step, size = step+d*d, size+float64(v)*float64(v)
	}
	psi.Eval(f, g)
	for i, v := range x {
		d := float64(f[i]) - float64(v)
		off += d * d
	}
	return math.Sqrt(off / max(step, size))
}

// TestRestores is the same table with the built-in prior at the statistical
// weight and the default solver: every estimate beats its starting point.
func TestRestores(t *testing.T) {
	net, err := priors.Gray25().Network()
	if err != nil {
		t.Fatal(err)
	}
	s := operators.Shape{C: 1, H: 32, W: 32}
	psi, err := net.On(s)
	if err != nil {
		t.Fatal(err)
	}
	truth := disc(s)
	const noise = 0.02
	for _, spec := range table {
		a, y := spec.measure(t, truth, s, noise)
		x0 := make([]float32, s.Len())
		solvers.Tikhonov{A: a, Mu: 100 * noise * noise}.Solve(x0, y)
		m := solvers.BPG{H: &solvers.LeastSquares{A: a, Y: y}, Psi: psi, Lambda: math.Pow(noise/net.Config().Sigma, 2)}
		r, err := solvers.Solve(context.Background(), m, x0, solvers.Stop{RelChange: 1e-4})
		if err != nil {
			t.Fatal(err)
		}
		if before, after := metrics.PSNR(truth, x0), metrics.PSNR(truth, r.X); after < before+1 {
			t.Errorf("%v: from %.2f to %.2f dB: %s", spec, before, after, r.Reason)
		}
	}
}
