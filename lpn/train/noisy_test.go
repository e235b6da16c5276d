package train

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// TestSteinIsUnbiased: for a linear f, f(y) = a y, the mean of the estimate is the squared
// error in closed form, ||(a-1) x||^2 + a^2 sigma^2 n, with noise added up to sigma.
func TestSteinIsUnbiased(t *testing.T) {
	const a, sigma = 0.7, 0.2
	shape := operators.Shape{C: 1, H: 32, W: 32}
	clean := make([]float32, shape.Len())
	energy := 0.0
	for i := range clean {
		clean[i] = 0.5 + 0.4*float32(math.Sin(float64(i)/9))
		energy += float64(clean[i]) * float64(clean[i])
	}
	n := float64(len(clean))
	want := (a-1)*(a-1)*energy/n + a*a*sigma*sigma
	for _, m := range []noise.Model{noise.White{Sigma: 0.1}, noise.White{Sigma: sigma}, noise.Poisson{Gain: 0.03}, noise.Camera{A: 0.02, B: 0.05}} {
		source := Noisy{Source: fixed{shape, clean, m}, Noise: m, Seed: 3}
		y, z, c := make([]float32, len(clean)), make([]float32, len(clean)), make([]float32, len(clean))
		f, target := make([]float32, 2*len(clean)), make([]float32, 2*len(clean))
		mean := 0.0
		const steps = 200
		for step := range steps {
			if err := source.Stein(y, z, c, sigma, step); err != nil {
				t.Fatal(err)
			}
			for i := range y {
				f[i] = a * y[i]
				f[len(y)+i] = a * (y[i] + steinStep*c[i])
			}
			copy(target, z)
			copy(target[len(z):], c)
			mean += steinSum(f, target, len(y)) / n / steps
		}
		if math.Abs(mean-want) > 0.01*want {
			t.Errorf("%v: the estimate is %.5f in the mean, the error %.5f", m, mean, want)
		}
	}
}

// TestSteinOfCorrelatedNoise: for f a mean of 3x3 samples, the mean of the estimate is that of
// the squared error, which is measured with the clean picture. By the trace of white noise of
// the same variance it would be another.
func TestSteinOfCorrelatedNoise(t *testing.T) {
	shape := operators.Shape{C: 1, H: 32, W: 32}
	n := shape.Len()
	falling := noise.Flat(1)
	for k := range falling.Power {
		u, v := k/noise.Side, k%noise.Side
		falling.Power[k] = math.Exp(-float64(u*u+v*v) / 8)
	}
	falling, _ = falling.Normalised()
	m := noise.Correlated{Model: noise.White{Sigma: 0.1}, Spectrum: falling}
	clean := make([]float32, n)
	for i := range clean {
		clean[i] = 0.5 + 0.3*float32(math.Sin(float64(i%32)/2)*math.Cos(float64(i/32)/3))
	}
	average := func(dst, src []float32) {
		for i := range dst {
			y, x, sum := i/32, i%32, float32(0)
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					sum += src[min(max(y+dy, 0), 31)*32+min(max(x+dx, 0), 31)]
				}
			}
			dst[i] = sum / 9
		}
	}
	source := Noisy{Source: fixed{shape, clean, m}, Noise: m, Seed: 3}
	y, z, c, moved := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	f, target := make([]float32, 2*n), make([]float32, 2*n)
	const steps = 300
	var estimate, truth float64
	for step := range steps {
		if err := source.Stein(y, z, c, 0.1, step); err != nil {
			t.Fatal(err)
		}
		for i := range moved {
			moved[i] = y[i] + steinStep*c[i]
		}
		average(f[:n], y)
		average(f[n:], moved)
		copy(target, z)
		copy(target[n:], c)
		estimate += steinSum(f, target, n) / float64(n*steps)
		for i, v := range clean {
			truth += float64(f[i]-v) * float64(f[i]-v) / float64(n*steps)
		}
	}
	white := truth + 2*0.01/9 - 2*correlationOf(m, clean, shape, average) // tr(S A)/n of white noise is 0.01/9
	if math.Abs(estimate-truth) > 0.03*truth || math.Abs(white-truth) < 0.3*truth {
		t.Errorf("the estimate is %.5f in the mean, the error %.5f; %.5f if the noise were white", estimate, truth, white)
	}
}

// correlationOf is the mean of <n, A n> a sample for noise n of a model.
func correlationOf(m noise.Model, clean []float32, s operators.Shape, a func(dst, src []float32)) float64 {
	rng := rand.New(rand.NewPCG(11, 12))
	n, an := make([]float32, len(clean)), make([]float32, len(clean))
	sum := 0.0
	const draws = 100
	for range draws {
		m.Sample(n, clean, s, rng)
		for i, v := range clean {
			n[i] -= v
		}
		a(an, n)
		for i, v := range n {
			sum += float64(v*an[i]) / float64(draws*len(n))
		}
	}
	return sum
}

// fixed is a source of one picture with fresh noise in every step.
type fixed struct {
	shape operators.Shape
	clean []float32
	noise noise.Model
}

func (f fixed) Shape() operators.Shape { return f.shape }

func (f fixed) Batch(dst []float32, step int) error {
	rng := rand.New(rand.NewPCG(9, uint64(step)))
	for i := 0; i < len(dst); i += len(f.clean) {
		f.noise.Sample(dst[i:i+len(f.clean)], f.clean, f.shape, rng)
	}
	return nil
}

// TestRecorruptedNoiseIsApart: the noise of input and target is uncorrelated, that of the
// input white of the level asked for.
func TestRecorruptedNoiseIsApart(t *testing.T) {
	const sigma = 0.3
	shape := operators.Shape{C: 1, H: 64, W: 64}
	clean := make([]float32, shape.Len())
	for i := range clean {
		clean[i] = float32(i%64) / 63
	}
	for _, m := range []noise.Model{noise.White{Sigma: 0.2}, noise.Camera{A: 0.03, B: 0.05}} {
		source := Recorrupted{Source: fixed{shape, clean, m}, Noise: m, Seed: 3}
		y, x := make([]float32, len(clean)), make([]float32, len(clean))
		var cross, variance, bias float64
		const steps = 50
		for step := range steps {
			if err := source.Pairs(y, x, sigma, step); err != nil {
				t.Fatal(err)
			}
			for i, v := range clean {
				cross += float64(y[i]-v) * float64(x[i]-v)
				variance += float64(y[i]-v) * float64(y[i]-v)
				bias += float64(x[i] - v)
			}
		}
		n := float64(steps * len(clean))
		if r := cross / n / (sigma * sigma); math.Abs(r) > 0.02 {
			t.Errorf("%v: correlation %.3f", m, r)
		}
		if s := math.Sqrt(variance / n); math.Abs(s-sigma) > 0.01*sigma {
			t.Errorf("%v: input noise of %.4f, want %.4f", m, s, sigma)
		}
		if b := bias / n; math.Abs(b) > 0.005 {
			t.Errorf("%v: the target is off by %.4f", m, b)
		}
	}
	weak := Recorrupted{Source: fixed{shape, clean, noise.White{Sigma: 0.4}}, Noise: noise.White{Sigma: 0.4}}
	if err := weak.Pairs(make([]float32, len(clean)), make([]float32, len(clean)), sigma, 0); err == nil {
		t.Error("noise above sigma was accepted")
	}
}

// cliffs are pictures of one edge each, at a random place.
type cliffs struct{ shape operators.Shape }

func (c cliffs) Shape() operators.Shape { return c.shape }

func (c cliffs) Batch(dst []float32, step int) error {
	rng := rand.New(rand.NewPCG(5, uint64(step)))
	for p := 0; p < len(dst); p += c.shape.Len() {
		at := rng.IntN(c.shape.W)
		for i := range c.shape.Len() {
			dst[p+i] = 0.3
			if i%c.shape.W >= at {
				dst[p+i] = 0.7
			}
		}
	}
	return nil
}

// noisyCliffs are cliffs with white noise.
type noisyCliffs struct {
	cliffs
	sigma float64
	seed  uint64
}

func (c noisyCliffs) Batch(dst []float32, step int) error {
	c.cliffs.Batch(dst, step)
	rng := rand.New(rand.NewPCG(c.seed, uint64(step)))
	for i := range dst {
		dst[i] += float32(c.sigma * rng.NormFloat64())
	}
	return nil
}

// TestLearnsFromNoise: from noisy pictures alone, in each of the three ways, a network
// comes close to one that learned from clean ones, far above doing nothing.
func TestLearnsFromNoise(t *testing.T) {
	const sigma = 0.1
	shape := operators.Shape{C: 1, H: 16, W: 16}
	white := noise.White{Sigma: sigma}
	train := func(s Source, level float64) float64 {
		cfg := lpn.Config{Channels: 1, Sigma: level, Unit: level, Alpha: 0.01, Pyramid: &lpn.PyramidConfig{
			Gate: "lse", Group: 4, Lowpass: 2, LowpassSize: 5, Threshold: 40, Slack: 1e-3,
			Levels: []lpn.PyramidLevel{{Maps: 4, WK: 3, Features: 16, AK: 3, NK: 1}}}}
		o := pyramid(cfg, 300, 1e-2).Options()
		o.Source, o.GainPenalty = s, 0
		for i := range 8 {
			x := make([]float32, shape.Len())
			cliffs{shape}.Batch(x, 10000+i)
			o.Valid = append(o.Valid, operators.Image{Shape: shape, Pix: x})
		}
		r, err := Run(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		return r.PSNR
	}
	noisy := noisyCliffs{cliffs{shape}, sigma, 1}
	clean := train(cliffs{shape}, sigma)
	t.Logf("clean %.2f dB", clean)
	if stein := train(Noisy{noisy, white, 5}, sigma); stein < clean-0.3 || stein < 24 {
		t.Errorf("%.2f dB by Stein's estimate, %.2f dB from clean pictures", stein, clean)
	}
	if pairs := train(Exposures{noisy, noisyCliffs{cliffs{shape}, sigma, 2}, white, 5}, sigma); pairs < clean-0.3 {
		t.Errorf("%.2f dB from two exposures, %.2f dB from clean pictures", pairs, clean)
	}
	strong := sigma * math.Sqrt2
	clean = train(cliffs{shape}, strong)
	if recorrupted := train(Recorrupted{noisy, white, 5}, strong); recorrupted < clean-0.3 {
		t.Errorf("%.2f dB from recorrupted pairs, %.2f dB from clean pictures", recorrupted, clean)
	}
}

// TestValidateNoisy: the estimate of the PSNR from noisy pictures is that of the clean
// ones.
func TestValidateNoisy(t *testing.T) {
	net, err := lpn.New(lpn.SoftplusAny(1, 6, 2, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	shape := operators.Shape{C: 1, H: 96, W: 96}
	var clean, noisy []operators.Image
	m := noise.White{Sigma: 0.1}
	for i := range 4 {
		x, z := operators.NewImage(shape), operators.NewImage(shape)
		folds{shape}.Batch(x.Pix, i)
		m.Sample(z.Pix, x.Pix, shape, rand.New(rand.NewPCG(7, uint64(i))))
		clean, noisy = append(clean, x), append(noisy, z)
	}
	truth, err := Validate(net, clean, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	estimate, err := ValidateNoisy(net, noisy, m, 1, 1)
	if err != nil || math.Abs(estimate-truth) > 0.2 {
		t.Errorf("%.3f dB by the estimate, %.3f dB in truth: %v", estimate, truth, err)
	}
}

// TestLossGradients: those of one's own loss and of Stein's estimate are their slopes.
func TestLossGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	draw := func() []float32 {
		v := make([]float32, 24)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	square := func(grad, f, x []float32) float64 {
		sum := 0.0
		for i := range f {
			d := float64(f[i] - x[i])
			sum += d * d
			grad[i] = float32(2 * d)
		}
		return sum
	}
	for _, l := range []lossFunc{{kind: Own, own: square, size: 6, total: 4, unit: 0.1}, {kind: stein, size: 6, total: 2, unit: 1}} {
		f, x, g, d := draw(), draw(), make([]float32, 24), draw()
		l.grad(g, [][]float32{f, x})
		const h = 1e-2
		at := func(k float32) float64 {
			moved := make([]float32, len(f))
			for i := range f {
				moved[i] = f[i] + k*d[i]
			}
			return l.eval([][]float32{moved, x})
		}
		want, got := (at(h)-at(-h))/(2*h), 0.0
		for i := range g {
			got += float64(g[i]) * float64(d[i])
		}
		if math.Abs(got-want) > 1e-3*(1+math.Abs(want)) {
			t.Errorf("%s: slope %.6f by gradient, %.6f by difference", l.kind, got, want)
		}
	}
}

// TestPatience: training ends when validations are no better, with the best network, and a
// plan that has no loss of its own is refused.
func TestPatience(t *testing.T) {
	shape := operators.Shape{C: 1, H: 8, W: 8}
	x := operators.NewImage(shape)
	folds{shape}.Batch(x.Pix, 77)
	o := Options{Config: lpn.SoftplusAny(1, 4, 2, 0.1), Source: folds{shape}, Batch: 2, Every: 1, Patience: 3,
		Plan: Plan{{Loss: L2, Steps: 500, Rate: 0.5}}, Valid: []operators.Image{x}}
	r, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	best := math.Inf(-1)
	for _, p := range r.Curve {
		best = max(best, float64(p.PSNR))
	}
	if r.Steps == 500 || r.PSNR != best || float64(r.Curve[len(r.Curve)-1].PSNR) > best-1e-9 {
		t.Errorf("%d steps, %.3f dB of at best %.3f", r.Steps, r.PSNR, best)
	}
	if again, err := Validate(r.Network, o.Valid, o.Seed, 1); err != nil || math.Abs(again-best) > 1e-3 {
		t.Errorf("the result has %.4f dB, the best had %.4f: %v", again, best, err)
	}
	o.Plan[0].Loss = Own
	if _, err := Run(context.Background(), o); err == nil {
		t.Error("no loss of one's own, and no error")
	}
}

// TestFindRate: the rate is below where the loss explodes, and not absurdly small.
func TestFindRate(t *testing.T) {
	o := Options{Config: lpn.SoftplusAny(1, 8, 2, 0.1), Source: folds{operators.Shape{C: 1, H: 12, W: 12}}, Batch: 2, Plan: Plan{{Loss: L2, Steps: 1, Rate: 1}}}
	course, rate, err := FindRate(context.Background(), o, 1e-5, 1, 150)
	if err != nil || len(course) < 20 || !(rate > 1e-4 && rate < 0.34) {
		t.Errorf("rate %v after %d steps: %v", rate, len(course), err)
	}
	for i, p := range course[1:] {
		if p.Rate <= course[i].Rate {
			t.Fatal("the rates do not grow")
		}
	}
}
