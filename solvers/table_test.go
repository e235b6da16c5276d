package solvers

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// exact is g = lambda R for framelet's R; its prox at t = 1/lambda is one
// evaluation of f, and it knows no other.
type exact struct {
	framelet
	lambda float64
}

func (e exact) Prox(dst, v []float32, t float64) { e.ProxValue(dst, v, t) }

func (e exact) ProxValue(dst, v []float32, t float64) float64 {
	if math.Abs(t*e.lambda-1) > 1e-9 {
		panic("exact: the prox is known at t = 1/lambda only")
	}
	kept := append([]float32(nil), v...)
	psi := e.Eval(dst, v)
	return e.lambda * (dot(kept, dst) - dot(dst, dst)/2 - psi)
}

// photons weighs the rays of a tomograph as counts do: fewer where the scene is dense, and
// none on a dead detector.
func photons(s operators.Shape) func(operators.Spec) (operators.Linear, error) {
	return func(sp operators.Spec) (operators.Linear, error) {
		a, err := sp.Build(s)
		if err != nil {
			return nil, err
		}
		w := make([]float32, a.Codomain().Len())
		for i := range w {
			if d := i % a.Codomain().W; d != 7 {
				w[i] = float32(1.5 - math.Exp(-math.Pow(float64(d-12)/6, 2)))
			}
		}
		return operators.Weigh(a, w)
	}
}

// coilMaps are those of three coils around the scene.
func coilMaps(s operators.Shape) operators.Image {
	m := operators.NewImage(operators.Shape{C: 6, H: s.H, W: s.W})
	for c := range 3 {
		sin, cos := math.Sincos(2 * math.Pi * float64(c) / 3)
		for p := range s.H * s.W {
			y, x := float64(p/s.W)/float64(s.H)-.5, float64(p%s.W)/float64(s.W)-.5
			size := math.Exp(-(math.Pow(y-sin, 2) + math.Pow(x-cos, 2)))
			m.Plane(2 * c)[p], m.Plane(2*c + 1)[p] = float32(size*math.Cos(x+float64(c))), float32(size*math.Sin(x+float64(c)))
		}
	}
	return m
}

// mosaic are four kernels of 5 x 5 taps, wider from part to part of the field.
func mosaic() operators.Image {
	m := operators.NewImage(operators.Shape{C: 1, H: 10, W: 10})
	for i := range m.Pix {
		part, y, x := i/50*2+i%10/5, float64(i/10%5-2), float64(i%5-2)
		m.Pix[i] = float32(math.Exp(-(y*y + x*x) / (1 + float64(part))))
	}
	return m
}

// TestEverySolverOnEveryOperator runs the table on a small picture with a
// small non-convex prior. At the weight lambda = 1.05 ||A||^2 all methods are
// inside their theorems; BPG is at a small weight too. Certified: F falls at
// every iteration where the theorem says so, the limit is critical, and it is
// better than the start.
func TestEverySolverOnEveryOperator(t *testing.T) {
	s := operators.Shape{C: 1, H: 16, W: 16}
	truth := make([]float32, s.Len())
	for i := range truth {
		if y, x := i/16, i%16; (y-7)*(y-7)+(x-8)*(x-8) < 30 {
			truth[i] = 0.8
		}
	}
	psi := framelet{m: 0.1, edge: 0.1, gain: 1.3}
	type row struct {
		op       string
		boundary operators.Boundary
		// as makes of the spec what is measured with more data, where there is any.
		as func(operators.Spec) (operators.Linear, error)
	}
	content := func(key string, m operators.Image) func(operators.Spec) (operators.Linear, error) {
		return func(sp operators.Spec) (operators.Linear, error) { return sp.WithContent(key, m).Build(s) }
	}
	for _, spec := range []row{
		{op: "denoise", boundary: operators.Symmetric},
		{op: "blur:gaussian,sigma=1", boundary: operators.Circular},
		{op: "blur:gaussian,sigma=1", boundary: operators.Symmetric},
		{op: "blur:motion,length=5,angle=30", boundary: operators.Reflect},
		{op: "blur:uniform,size=3", boundary: operators.Valid},
		{op: "inpaint:ratio=0.5", boundary: operators.Symmetric},
		{op: "sr:factor=2", boundary: operators.Symmetric},
		{op: "sr:factor=1.5x2", boundary: operators.Symmetric},
		{op: "sr:factor=3x2,kernel=bicubic", boundary: operators.Symmetric},
		{op: "sr:factor=2,align=corner", boundary: operators.Circular},
		{op: "cs:ratio=0.5", boundary: operators.Symmetric},
		{op: "cs:ratio=0.5,kind=hadamard", boundary: operators.Symmetric},
		{op: "cs:ratio=0.5,kind=fourier", boundary: operators.Symmetric},
		{op: "cs:ratio=0.5,kind=gaussian", boundary: operators.Symmetric},
		{op: "tomo:angles=12,detectors=24", boundary: operators.Symmetric},
		{op: "mri:accel=2", boundary: operators.Symmetric},
		{op: "sr:factor=2,kernel=lanczos3", boundary: operators.Symmetric},
		{op: "sr:factor=2x1.5,kernel=bilinear", boundary: operators.Symmetric},
		{op: "sr:factor=2,kernel=gaussian", boundary: operators.Symmetric},
		{op: "tomo:angles=12,detectors=24,centre=10.7,spacing=0.8", boundary: operators.Symmetric},
		{op: "tomo:angles=12,detectors=24,geometry=fan-flat,source=30,detector=20", boundary: operators.Symmetric},
		{op: "tomo:angles=12,detectors=24,geometry=fan-curved,source=30,detector=20", boundary: operators.Symmetric},
		{op: "tomo:angles=14,detectors=24", boundary: operators.Symmetric, as: photons(s)},
		{op: "mri:accel=2,coils=maps", boundary: operators.Symmetric, as: content("coils", coilMaps(s))},
		{op: "blur:kernel=mosaic,grid=2x2", boundary: operators.Symmetric, as: content("kernel", mosaic())},
	} {
		t.Run(spec.op+" "+spec.boundary.String(), func(t *testing.T) {
			sp, err := operators.ParseSpec(spec.op)
			if err != nil {
				t.Fatal(err)
			}
			as := func(sp operators.Spec) (operators.Linear, error) { return sp.Build(s) }
			if spec.as != nil {
				as = spec.as
			}
			a, err := as(sp.WithBoundary(spec.boundary))
			if err != nil {
				t.Fatal(err)
			}
			y := apply(a, truth)
			operators.AddGaussian(y, y, 0.02, rand.New(rand.NewPCG(1, 2)))
			h := &LeastSquares{A: a, Y: y, Tol: 1e-6, MaxIters: 200}
			l := h.Lipschitz()
			x0 := make([]float32, s.Len())
			Tikhonov{A: a, Mu: 0.1 * l}.Solve(x0, y)
			for _, c := range []struct {
				name    string
				lambda  float64
				descend bool
				method  func(lambda float64) Method
			}{
				{"BPG", 0.01 * l, true, func(w float64) Method { return BPG{H: h, Psi: psi, Lambda: w} }},
				{"BPG, strong", 1.05 * l, true, func(w float64) Method { return BPG{H: h, Psi: psi, Lambda: w} }},
				{"BPG, textbook", 1.05 * l, true, func(w float64) Method { return BPG{H: h, Psi: psi, Lambda: w, Step: 1 / w, LipF: 1.3} }},
				{"PGD", 1.05 * l, true, func(w float64) Method { return PGD{H: h, G: exact{psi, w}, Step: 1 / w} }},
				{"APGD", 1.05 * l, true, func(w float64) Method { return APGD{H: h, G: exact{psi, w}, Step: 1 / w} }},
				{"ADMM", 1.05 * l, false, func(w float64) Method { return ADMM{F: h, G: exact{psi, w}, Rho: w} }},
				{"DRS", 1.05 * l, false, func(w float64) Method { return DRS{F: h, G: exact{psi, w}, T: 1 / w} }},
			} {
				r, err := Solve(context.Background(), c.method(c.lambda), x0, Stop{MaxIters: 400})
				if err != nil {
					t.Fatal(err)
				}
				if !r.Certified {
					t.Errorf("%s: not certified: %s", c.name, r.Uncertified)
				}
				if c.descend {
					rises(t, r.Trace, 1e-6)
				}
				if r.Objective > r.Trace[0].Objective {
					t.Errorf("%s: F went from %v to %v", c.name, r.Trace[0].Objective, r.Objective)
				}
				// x is critical when f(x - grad h(x)/lambda) = x.
				g, f := make([]float32, len(x0)), make([]float32, len(x0))
				h.Gradient(g, r.X)
				addScaled(g, r.X, -1/c.lambda, g)
				psi.Eval(f, g)
				if e := relative(f, r.X); e > 1e-3 {
					t.Errorf("%s: %.2g from critical after %d iterations: %s", c.name, e, r.Iterations, r.Reason)
				}
			}
		})
	}
}
