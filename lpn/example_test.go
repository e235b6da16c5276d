package lpn_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// A disc on a shaded ground.
func disc(s operators.Shape) operators.Image {
	x := operators.NewImage(s)
	for i := range s.H {
		for j := range s.W {
			v := 0.2 + 0.3*float64(i)/float64(s.H)
			if math.Hypot(float64(i-s.H/2), float64(j-s.W/2)) < float64(s.H)/4 {
				v = 0.8
			}
			x.Pix[i*s.W+j] = float32(v)
		}
	}
	return x
}

// A picture is blurred and noisy; a shipped prior and the default solver
// bring it back.
func Example() {
	truth := disc(operators.Shape{C: 1, H: 64, W: 64})

	// The camera.
	spec, _ := operators.ParseSpec("blur:gaussian,sigma=1.6")
	camera, _ := spec.Build(truth.Shape)
	y := operators.NewImage(camera.Codomain())
	camera.Apply(y.Pix, truth.Pix)
	operators.AddGaussian(y.Pix, y.Pix, 0.01, rand.New(rand.NewPCG(0, 0)))

	// The prior.
	net, _ := priors.Gray25().Network()
	psi, _ := net.On(truth.Shape)

	// The way back.
	sigma := net.Config().Sigma
	result, _ := solvers.Solve(context.Background(), solvers.BPG{
		H:      &solvers.LeastSquares{A: camera, Y: y.Pix},
		Psi:    psi,
		Lambda: 0.01 * 0.01 / (sigma * sigma),
	}, y.Pix, solvers.Stop{MaxIters: 50})

	before, after := metrics.PSNR(truth.Pix, y.Pix), metrics.PSNR(truth.Pix, result.X)
	fmt.Println("3 dB better:", after > before+3)
	// Output: 3 dB better: true
}

// small is a network with random weights on 16x16 pictures.
func small() *lpn.Bound {
	net, err := lpn.New(lpn.Pyramid(1, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		panic(err)
	}
	b, err := net.WellPosed().On(operators.Shape{C: 1, H: 16, W: 16})
	if err != nil {
		panic(err)
	}
	return b
}

// With x = f(v), R(x) = <v,x> - 1/2||x||^2 - psi(v) comes for free. Anywhere
// else R is found by inverting f, and the value comes with a bound on its
// error.
func ExamplePrior_At() {
	b := small()
	p := lpn.Prior{Psi: b}
	v := disc(b.Shape())
	x := make([]float32, len(v.Pix))
	free := p.ProxValue(x, v.Pix, 1)
	found := p.At(x)
	fmt.Println("in range:", found.InRange)
	fmt.Println("same value:", math.Abs(found.R-free) <= found.Gap+1e-5*math.Abs(free))
	// Output:
	// in range: true
	// same value: true
}

// A network is the prox of one function R; Prior has the prox of t R for any
// t. A stronger one leaves less of the prior's value.
func ExamplePrior_ProxValue() {
	b := small()
	p := lpn.Prior{Psi: b}
	v := disc(b.Shape())
	x := make([]float32, len(v.Pix))
	last := math.Inf(1)
	for _, t := range []float64{0.1, 0.3, 1} {
		r := p.ProxValue(x, v.Pix, t)
		fmt.Println(t, r < last)
		last = r
	}
	// Output:
	// 0.1 true
	// 0.3 true
	// 1 true
}

// The Jacobian of f is symmetric, as f is a gradient.
func ExampleBound_Hess() {
	b := small()
	n := b.Shape().Len()
	rng := rand.New(rand.NewPCG(3, 4))
	y, u, v := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range n {
		y[i], u[i], v[i] = rng.Float32(), rng.Float32()-0.5, rng.Float32()-0.5
	}
	ju, jv := make([]float32, n), make([]float32, n)
	b.Hess(ju, y, u)
	b.Hess(jv, y, v)
	var vJu, uJv, uJu float64
	for i := range n {
		vJu += float64(v[i] * ju[i])
		uJv += float64(u[i] * jv[i])
		uJu += float64(u[i] * ju[i])
	}
	fmt.Println("symmetric:", math.Abs(vJu-uJv) < 1e-4*uJu, "positive:", uJu > 0)
	// Output: symmetric: true positive: true
}

// Scaled changes the noise level that a prior expects: f_s(y) = f(s y)/s.
func ExampleScaled() {
	b := small()
	v := disc(b.Shape())
	x := make([]float32, len(v.Pix))
	for _, s := range []float64{2, 1, 0.5} { // noise of sigma/s
		lpn.Scaled(b, s).Eval(x, v.Pix)
		change := 0.0
		for i := range x {
			change += math.Pow(float64(x[i]-v.Pix[i]), 2)
		}
		fmt.Printf("sigma %.2f: changes the picture: %v\n", b.Network().Config().Sigma/s, change > 0)
	}
	// Output:
	// sigma 0.05: changes the picture: true
	// sigma 0.10: changes the picture: true
	// sigma 0.20: changes the picture: true
}

// The ensemble over the symmetries of the square turns with the picture, as
// the network alone does not.
func ExampleEnsemble() {
	b := small()
	e, err := lpn.Ensemble(func(s operators.Shape) (solvers.Potential, error) { return b.Network().On(s) }, b.Shape())
	if err != nil {
		panic(err)
	}
	y := disc(b.Shape())
	turn := func(x []float32) []float32 { // mirror the columns
		out := make([]float32, len(x))
		for i := range x {
			out[i] = x[i/16*16+15-i%16]
		}
		return out
	}
	far := func(psi solvers.Potential) float64 {
		f, g := make([]float32, len(y.Pix)), make([]float32, len(y.Pix))
		psi.Eval(f, turn(y.Pix))
		psi.Eval(g, y.Pix)
		d := 0.0
		for i, v := range turn(g) {
			d = max(d, math.Abs(float64(v-f[i])))
		}
		return d
	}
	fmt.Println("network:", far(b) < 1e-5, "ensemble:", far(e) < 1e-5)
	// Output: network: false ensemble: true
}
