package lpn

import (
	"image"
	"image/color"
	_ "image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lpn-imaging/lpn/operators"
	"gonum.org/v1/gonum/optimize"
)

// A rival inverts f at x, from y, and returns the relative residual it
// reached, after how many evaluations of f and products with its Jacobian.
type rival func(b *Bound, x, y []float32, goal float64) (residual float64, evals, products int)

var rivals = []struct {
	name string
	run  rival
}{
	{"L-BFGS(20)", func(b *Bound, x, y []float32, goal float64) (float64, int, int) {
		s := legendre{psi: b, a: 1, v: x}.solve(y, make([]float32, len(x)), goal, 1000)
		return s.grad, s.calls, 0
	}},
	{"nonlinear CG", conjugate},
	{"Newton-CG", newton},
	{"Barzilai-Borwein", barzilai},
	{"gonum L-BFGS(15)", func(b *Bound, x, y []float32, goal float64) (float64, int, int) {
		return gonumSolve(b, x, y, goal, &optimize.LBFGS{Store: 15})
	}},
	{"gonum CG", func(b *Bound, x, y []float32, goal float64) (float64, int, int) {
		return gonumSolve(b, x, y, goal, &optimize.CG{})
	}},
}

// conjugate is nonlinear conjugate gradients in the variant of Hager & Zhang
// (2005), with a secant step on the slope.
func conjugate(b *Bound, x, y []float32, goal float64) (float64, int, int) {
	n := len(x)
	q := legendre{psi: b, a: 1, v: x}
	f, g, next, gn, d := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	q.eval(f, g, y)
	calls, t := 1, 1.0
	for i := range d {
		d[i] = -g[i]
	}
	for norm(g) > goal && calls < 1000 {
		slope0 := dot(g, d)
		for range 10 {
			for i := range next {
				next[i] = y[i] + float32(t)*d[i]
			}
			q.eval(f, gn, next)
			calls++
			slope := dot(gn, d)
			if math.Abs(slope) <= 0.3*-slope0 {
				break
			}
			t *= min(5, max(0.1, slope0/(slope0-slope)))
			if slope < slope0 {
				t *= 5
			}
		}
		z := make([]float32, n)
		for i := range z {
			z[i] = gn[i] - g[i]
		}
		dz := dot(d, z)
		beta := max(0, (dot(z, gn)-2*dot(d, gn)*dot(z, z)/dz)/dz)
		old := slope0
		for i := range d {
			d[i] = -gn[i] + float32(beta)*d[i]
		}
		if dot(gn, d) >= 0 {
			for i := range d {
				d[i] = -gn[i]
			}
		}
		t *= min(2, max(0.2, old/dot(gn, d)))
		copy(y, next)
		g, gn = gn, g
	}
	return norm(g), calls, 0
}

// newton is an inexact Newton method: conjugate gradients on the Hessian to a
// forcing term that falls with the gradient (Eisenstat & Walker 1996), and
// halved steps while the residual grows.
func newton(b *Bound, x, y []float32, goal float64) (float64, int, int) {
	n := len(x)
	q := legendre{psi: b, a: 1, v: x}
	f, g, next, gn, d := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	q.eval(f, g, y)
	evals, products := 1, 0
	first := norm(g)
	for norm(g) > goal && evals+products < 1000 {
		clear(d)
		operators.CG{Apply: func(dst, v []float32) { b.Hess(dst, y, v); products++ },
			Tol: min(0.3, max(0.5*goal/norm(g), math.Sqrt(norm(g)/first)/3)), MaxIters: 60}.Solve(d, g)
		for t := 1.0; ; t /= 2 {
			for i := range next {
				next[i] = y[i] - float32(t)*d[i]
			}
			q.eval(f, gn, next)
			evals++
			// The slope along the step must not have turned too far.
			if -dot(gn, d) <= 0.5*dot(g, d) || t < 1e-3 {
				break
			}
		}
		copy(y, next)
		g, gn = gn, g
	}
	return norm(g), evals, products
}

// barzilai takes the steps of Barzilai & Borwein (1988), without a search.
func barzilai(b *Bound, x, y []float32, goal float64) (float64, int, int) {
	n := len(x)
	q := legendre{psi: b, a: 1, v: x}
	f, g, gn := make([]float32, n), make([]float32, n), make([]float32, n)
	q.eval(f, g, y)
	calls, t := 1, 1.0
	for norm(g) > goal && calls < 1000 {
		axpy(y, -t, g)
		q.eval(f, gn, y)
		calls++
		sz, zz := 0.0, 0.0
		for i := range g {
			z := float64(gn[i]) - float64(g[i])
			sz -= t * float64(g[i]) * z
			zz += z * z
		}
		t = sz / zz
		g, gn = gn, g
	}
	return norm(g), calls, 0
}

func gonumSolve(b *Bound, x, y []float32, goal float64, m optimize.Method) (float64, int, int) {
	n := len(x)
	q := legendre{psi: b, a: 1, v: x}
	f, g, z := make([]float32, n), make([]float32, n), make([]float32, n)
	calls := 0
	var last []float64
	var value float64
	at := func(y64 []float64) {
		if last != nil && equal(last, y64) {
			return
		}
		last = append(last[:0], y64...)
		for i, v := range y64 {
			z[i] = float32(v)
		}
		calls++
		value = q.eval(f, g, z) - dot(x, z)
	}
	p := optimize.Problem{
		Func: func(y []float64) float64 { at(y); return value },
		Grad: func(grad, y []float64) {
			at(y)
			for i, v := range g {
				grad[i] = float64(v)
			}
		},
	}
	start := make([]float64, n)
	for i, v := range y {
		start[i] = float64(v)
	}
	best := math.Inf(1)
	optimize.Minimize(p, start, &optimize.Settings{
		GradientThreshold: 1e-300, MajorIterations: 600, FuncEvaluations: 1000, GradEvaluations: 1000,
		Converger: stopAt{func() bool { best = min(best, norm(g)); return best <= goal || calls > 1000 }},
	}, m)
	return best, calls, 0
}

type stopAt struct{ done func() bool }

func (s stopAt) Init(int) {}
func (s stopAt) Converged(*optimize.Location) optimize.Status {
	if s.done() {
		return optimize.Success
	}
	return optimize.NotTerminated
}

func equal(a, b []float64) bool {
	for i, v := range a {
		if v != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// trainedPrior opens the prior that the environment variable LPN_PRIOR names.
func trainedPrior(t testing.TB) *Network {
	t.Helper()
	path := os.Getenv("LPN_PRIOR")
	if path == "" {
		t.Skip("LPN_PRIOR names no trained prior of gray pictures")
	}
	n, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// photographs are the middles, side x side, of the first n of Set12.
func photographs(t testing.TB, n, side int) [][]float32 {
	t.Helper()
	dir := ".."
	var files []string
	for range 6 {
		if files, _ = filepath.Glob(filepath.Join(dir, "shared", "data", "set12", "*.png")); len(files) > 0 {
			break
		}
		dir = filepath.Join(dir, "..")
	}
	if len(files) == 0 {
		t.Skip("no photographs")
	}
	var xs [][]float32
	for _, name := range files[:min(n, len(files))] {
		r, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := image.Decode(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float32, side*side)
		b := m.Bounds()
		for i := range side {
			for j := range side {
				c := color.GrayModel.Convert(m.At(b.Min.X+b.Dx()/2-side/2+j, b.Min.Y+b.Dy()/2-side/2+i)).(color.Gray)
				x[i*side+j] = float32(c.Y) / 255
			}
		}
		xs = append(xs, x)
	}
	return xs
}

// BenchmarkInvert counts the network calls that each method takes to a
// relative residual of 1e-5 on 128x128 photographs:
//
//	LPN_PRIOR=gray-25.safetensors go test ./lpn -run xxx -bench Invert -benchtime 1x
//
// docs/explore.md has the table.
func BenchmarkInvert(b *testing.B) {
	net := trainedPrior(b)
	const side = 128
	on := bound(b, net, operators.Shape{C: 1, H: side, W: side})
	for _, r := range rivals {
		b.Run(r.name, func(b *testing.B) {
			evals, products, worst, n := 0, 0, 0.0, 0
			start := time.Now()
			for b.Loop() {
				for _, x := range photographs(b, 4, side) {
					y := append([]float32(nil), x...)
					res, e, p := r.run(on, x, y, 1e-5*scaleOf(x))
					evals, products, n = evals+e, products+p, n+1
					worst = max(worst, res/scaleOf(x))
				}
			}
			b.ReportMetric(float64(evals)/float64(n), "evals")
			b.ReportMetric(float64(products)/float64(n), "products")
			b.ReportMetric(worst, "worst-residual")
			b.ReportMetric(time.Since(start).Seconds()/float64(n), "s/picture")
		})
	}
}
