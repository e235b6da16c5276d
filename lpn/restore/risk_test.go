package restore

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
	"github.com/lpn-imaging/lpn/solvers/metrics"
)

// Of an image whose left half is flat and whose right half is a board, 1 and 2.5 are
// taken; an image of few blocks has no quarters.
func TestTaken(t *testing.T) {
	x, y := operators.NewImage(operators.Shape{C: 2, H: 40, W: 64}), operators.NewImage(operators.Shape{C: 2, H: 40, W: 64})
	for i := range x.Pix {
		taken := float32(1)
		if i%64 >= 32 {
			x.Pix[i], taken = float32(i%2), 2.5
		}
		y.Pix[i] = x.Pix[i] + taken
	}
	if smooth, rough := taken(slices.Values([]denoised{whole(y, x.Pix)})); math.Abs(smooth-1) > 1e-6 || math.Abs(rough-6.25) > 1e-5 {
		t.Errorf("%g and %g, want 1 and 6.25", smooth, rough)
	}
	few := operators.NewImage(operators.Shape{C: 1, H: 24, W: 24})
	x.Pix = make([]float32, few.Len())
	few.Pix[5] = 24
	if smooth, rough := taken(slices.Values([]denoised{whole(few, x.Pix)})); math.Abs(smooth-1) > 1e-6 || rough != smooth {
		t.Errorf("of few blocks %g and %g, want 1", smooth, rough)
	}
}

// TestNearer: the estimate is the true difference of the squared errors, for
// denoisers that help and that harm, white noise and correlated noise.
func TestNearer(t *testing.T) {
	s := operators.Shape{C: 1, H: 96, W: 96}
	rng := rand.New(rand.NewPCG(1, 2))
	u := operators.NewImage(s)
	for i := range u.Pix { // detail of deviation 0.07 over a slope
		u.Pix[i] = 0.2 + 0.6*float32(i%s.W)/float32(s.W) + 0.1*float32(math.Sin(float64(i*i%97)))
	}
	k, err := operators.GaussianKernel(0.6, 5)
	if err != nil {
		t.Fatal(err)
	}
	blur, err := operators.NewBlur(s, k, operators.Replicate)
	if err != nil {
		t.Fatal(err)
	}
	falling := noise.Flat(1)
	for i := range noise.Side * noise.Side {
		falling.At(i/noise.Side, i%noise.Side)[0] = math.Exp(-float64(i/noise.Side*(i/noise.Side)+i%noise.Side*(i%noise.Side)) / 20)
	}
	falling, _ = falling.Normalised()
	for _, c := range []struct {
		name       string
		sigma      float64
		correlated bool
	}{{"little noise", 0.02, false}, {"some", 0.06, false}, {"plenty", 0.2, false}, {"correlated", 0.06, true}} {
		var model noise.Model = noise.White{Sigma: c.sigma}
		if c.correlated {
			model = noise.Correlated{Model: model, Spectrum: falling}
		}
		y := operators.NewImage(s)
		model.Sample(y.Pix, u.Pix, s, rng)
		// Blur, and a soft threshold of what it takes, is no linear denoiser.
		denoise := func(_ *Plan, y operators.Image) (solvers.Result, error) {
			x := make([]float32, s.Len())
			blur.Apply(x, y.Pix)
			for i, v := range x {
				d := float64(y.Pix[i] - v)
				x[i] += float32(math.Copysign(max(math.Abs(d)-1.5*c.sigma, 0), d))
			}
			return solvers.Result{X: x}, nil
		}
		p := &Plan{NoiseModel: model}
		r, _ := denoise(p, y)
		won, lost, v, err := p.nearer(slices.Values([]denoised{whole(y, r.X)}), denoise, func([]balance, float64) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		got := won - lost
		want := 0.0
		for i, v := range u.Pix {
			a, b := float64(y.Pix[i]-v), float64(r.X[i]-v)
			want += a*a - b*b
		}
		energy := c.sigma * c.sigma * float64(s.Len())
		t.Logf("%s: %.3f of the noise, true %.3f", c.name, got/energy, want/energy)
		if math.Abs(got-want) > 0.06*energy {
			t.Errorf("%s: %.3f of the noise nearer, true %.3f", c.name, got/energy, want/energy)
		}
		if math.Abs(v-c.sigma*c.sigma) > 0.05*c.sigma*c.sigma {
			t.Errorf("%s: variance %g, want %g", c.name, v, c.sigma*c.sigma)
		}
	}
}

// The sample of a large image decides like the whole of it.
func TestSample(t *testing.T) {
	m := operators.NewImage(operators.Shape{C: 2, H: 2000, W: 2500})
	for i := range m.Pix {
		m.Pix[i] = float32(i)
	}
	var parts []denoised
	for s := range sample(whole(m, m.Pix)) {
		parts = append(parts, whole(operators.Image{Shape: s.y.Shape, Pix: slices.Clone(s.y.Pix)}, slices.Clone(s.x)))
	}
	// The corners of the first are those of the image; every place is there once.
	at, end := func(i int) int { return i * (2000 - 256) / 3 }, func(i int) int { return i*(2500-256)/3 + 255 }
	for k, s := range parts {
		if s.y.Shape != (operators.Shape{C: 2, H: 512, W: 512}) || !slices.Equal(s.x, s.y.Pix) {
			t.Fatalf("part %d of %v", k, s.y.Shape)
		}
		for i := range 4 {
			got, want := s.y.Plane(1)[i/2*256*512+i%2*256+255], m.Plane(1)[at(i)*2500+end((i+k)%4)]
			if got != want {
				t.Errorf("part %d: the end of the first row of square %d is %g, want %g", k, i, got, want)
			}
		}
	}
	if got, want := parts[0].y.Plane(0)[512*512-1], m.Plane(0)[2000*2500-1]; len(parts) != 4 || got != want {
		t.Errorf("%d parts, the last pixel of the first is %g, want %g", len(parts), got, want)
	}
	denoise := &Plan{NoiseModel: noise.White{Sigma: 0.1}}
	denoise.policy.alone = true
	if denoise.onSample(operators.Shape{C: 3, H: 1500, W: 1500}) != nil {
		t.Error("a small image is sampled")
	}
	denoise.NoiseModel = noise.Poisson{Gain: 0.1}
	if denoise.onSample(m.Shape) != nil {
		t.Error("an image whose noise depends on the place is sampled")
	}
}

// Correlated noise is worth taking from 1.5/255; white noise always.
func TestFaint(t *testing.T) {
	y := operators.NewImage(operators.Shape{C: 1, H: 8, W: 8})
	x := make([]float32, y.Len())
	plan := &Plan{treatment: &noise.Treatment{Model: noise.Correlated{Model: noise.White{Sigma: 0.01}}}, untreated: y}
	for _, c := range []struct {
		change float32
		faint  bool
	}{{1.4 / 255, true}, {1.6 / 255, false}} {
		for i := range x {
			x[i] = c.change * float32(1-i%2*2)
		}
		if got := plan.faint(x); got != c.faint {
			t.Errorf("a change of %.1f/255: faint %v", 255*c.change, got)
		}
	}
	plan.treatment.Model = noise.White{Sigma: 0.01}
	if plan.faint(make([]float32, y.Len())) {
		t.Error("white noise is faint")
	}
}

// Noise of one deviation is the same everywhere, correlated or not; a curve's is not.
func TestStationary(t *testing.T) {
	flat := noise.Curve{Channels: []noise.Line{{X: []float64{0}, Y: []float64{0.02}}}}
	rising := noise.Curve{Channels: []noise.Line{{X: []float64{0, 1}, Y: []float64{0.01, 0.03}}}}
	for _, c := range []struct {
		model noise.Model
		want  bool
	}{
		{noise.White{Sigma: 0.1}, true},
		{flat, true},
		{noise.Correlated{Model: flat}, true},
		{rising, false},
		{noise.Correlated{Model: rising}, false},
		{noise.Poisson{Gain: 0.01}, false},
	} {
		if got := stationary(c.model); got != c.want {
			t.Errorf("%+v: %v", c.model, got)
		}
	}
}

// A sample is looked at to its end unless all of what was seen has clearly gained.
func TestGained(t *testing.T) {
	even := []balance{{3, 1}, {3.2, 1}, {2.9, 1}, {3.1, 1}}
	for _, c := range []struct {
		name     string
		quarters []balance
		factor   float64
		want     bool
	}{
		{"even", even, 1, true},
		{"even, less noise than was thought", even, 0.35, false},
		{"a loss", []balance{{1, 3}, {1, 3.2}, {1, 2.9}, {1, 3.1}}, 1, false},
		{"three of four", []balance{{3, 1}, {3, 1}, {3, 1}, {1, 1}}, 1, false},
		{"one gains a little less than a third", []balance{{4, 1}, {4, 1}, {4, 1}, {1.9, 1}}, 1, false},
		{"and a little more", []balance{{4, 1}, {4, 1}, {4, 1}, {2.1, 1}}, 1, true},
		{"seven of eight, and little", slices.Concat(even, []balance{{3, 1}, {3, 1}, {3, 1}, {1.2, 1}}), 1, true},
	} {
		if got := gained(c.quarters, c.factor); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	// Four parts of which the first is enough, and of which none is.
	y := operators.NewImage(operators.Shape{C: 1, H: 64, W: 64})
	p := &Plan{NoiseModel: noise.White{Sigma: 0.1}}
	parts := []denoised{whole(y, y.Pix), whole(y, y.Pix), whole(y, y.Pix), whole(y, y.Pix)}
	for _, stop := range []bool{true, false} {
		calls, seen := 0, 0
		_, _, v, err := p.nearer(slices.Values(parts), func(*Plan, operators.Image) (solvers.Result, error) {
			calls++
			return solvers.Result{X: y.Pix}, nil
		}, func(quarters []balance, _ float64) bool {
			seen = len(quarters)
			return stop
		})
		if want := map[bool]int{true: 1, false: 4}[stop]; err != nil || calls != want || seen != 4*want || math.Abs(v-0.01) > 1e-3 {
			t.Errorf("%d evaluations, %d quarters, variance %g, %v; want %d", calls, seen, v, err, want)
		}
	}
}

// TestUnframed: bars and frames are cut off, the air around a body is not.
func TestUnframed(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	y := operators.NewImage(operators.Shape{C: 3, H: 60, W: 80})
	fill := func(r image.Rectangle, in func(x, y int) bool) {
		for i := range y.Pix {
			y.Pix[i] = 1
			if row, col := i%(y.H*y.W)/y.W, i%y.W; (image.Point{X: col, Y: row}).In(r) && in(col, row) {
				y.Pix[i] = rng.Float32()
			}
		}
	}
	all := image.Rect(0, 0, y.W, y.H)
	for _, r := range []image.Rectangle{all, image.Rect(0, 10, 80, 50), image.Rect(7, 3, 79, 60), image.Rect(20, 20, 60, 40), image.Rect(0, 0, 50, 60)} {
		fill(r, func(int, int) bool { return true })
		if got := unframed(y); got != r {
			t.Errorf("%v within a frame: %v", r, got)
		}
	}
	fill(all, func(x, y int) bool { return (x-40)*(x-40)+(y-30)*(y-30) < 400 })
	if got := unframed(y); got != all {
		t.Errorf("a disk: %v", got)
	}
	fill(all, func(x, y int) bool { return false })
	if got := unframed(y); got != all {
		t.Errorf("nothing: %v", got)
	}
}

// TestLetterbox: the noise between two bars is taken away; the bars are flat, but no sign that the picture has none.
func TestLetterbox(t *testing.T) {
	spec, err := operators.ParseSpec("denoise")
	if err != nil {
		t.Fatal(err)
	}
	x := operators.NewImage(operators.Shape{C: 3, H: 144, W: 160})
	for i := range x.Pix {
		row, col := i%(x.H*x.W)/x.W, i%x.W
		x.Pix[i] = float32(0.5 + 0.2*math.Sin(float64(row)/9) + 0.1*math.Cos(float64(col)/5))
	}
	y := x.Clone()
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range y.Pix {
		if row := i % (x.H * x.W) / x.W; row < 28 || row >= 116 {
			x.Pix[i], y.Pix[i] = 0, 0
		} else {
			y.Pix[i] += float32(0.05 * rng.NormFloat64())
		}
	}
	plan, err := New(Problem{Y: y, Operator: spec, Range: Unit}, Options{Choose: priors.For})
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if before, after := metrics.PSNR(x.Pix, y.Pix), metrics.PSNR(x.Pix, r.Image.Pix); after < before+3 {
		t.Errorf("%.2f -> %.2f dB: %s", before, after, r.Note)
	}
}
