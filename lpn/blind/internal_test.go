package blind

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// TestOntoSimplex: the projection is the nearest point: no random point of
// the simplex is nearer, and the conditions of Karush, Kuhn and Tucker hold.
func TestOntoSimplex(t *testing.T) {
	rng := rand.New(rand.NewPCG(0, 1))
	for range 50 {
		v := make([]float64, 1+rng.IntN(12))
		for i := range v {
			v[i] = 2 * rng.NormFloat64()
		}
		p := slices.Clone(v)
		ontoSimplex(p)
		sum, shift := 0.0, math.NaN()
		for i, u := range p {
			sum += u
			if u > 0 {
				if s := v[i] - u; !math.IsNaN(shift) && math.Abs(s-shift) > 1e-9 {
					t.Fatalf("%v -> %v: not one multiplier", v, p)
				}
				shift = v[i] - u
			}
		}
		for i, u := range p {
			if u < 0 || u == 0 && v[i] > shift+1e-9 {
				t.Fatalf("%v -> %v", v, p)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("%v -> %v of sum %v", v, p, sum)
		}
	}
}

// TestKernelStep: with the scene known and no noise the kernel step finds the
// kernel.
func TestKernelStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	const n, side = 48, 5
	k := newKernel(side)
	for i := range k.Taps {
		k.Taps[i] = max(rng.NormFloat64(), 0)
	}
	normalise(k)
	scene := operators.NewImage(operators.Shape{C: 1, H: n + side - 1, W: n + side - 1})
	for i := range scene.Pix {
		scene.Pix[i] = float32(rng.Float64())
	}
	a, err := operators.NewBlur(scene.Shape, k, operators.Valid)
	if err != nil {
		t.Fatal(err)
	}
	p := plane{h: n, w: n, pix: make([]float32, n*n), ok: slices.Repeat([]bool{true}, n*n), noise: 1e-4}
	a.Apply(p.pix, scene.Pix)
	s := newScale(p, side)
	for i := range scene.H {
		for j := range scene.W - 1 {
			s.fields[0].x[i*s.w+j] = scene.Pix[i*scene.W+j+1] - scene.Pix[i*scene.W+j]
			if i < scene.H-1 {
				s.fields[1].x[i*s.w+j] = scene.Pix[(i+1)*scene.W+j] - scene.Pix[i*scene.W+j]
			}
		}
	}
	s.k = newKernel(side)
	for i := range s.k.Taps {
		s.k.Taps[i] = 1. / side / side
	}
	for range 6 {
		s.kernel(200, 1e-9)
	}
	for i, v := range s.k.Taps {
		if math.Abs(v-k.Taps[i]) > 2e-3 { // the canvas reaches beyond what was measured, the Newton matrix is not exact
			t.Errorf("tap %d: %v, want %v", i, v, k.Taps[i])
		}
	}
}

// TestLatent: the posterior mean solves its equation, checked by a dense matrix.
func TestLatent(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	const n, side = 8, 3
	p := plane{h: n, w: n, pix: make([]float32, n*n), ok: slices.Repeat([]bool{true}, n*n), noise: 0.05}
	for i := range p.pix {
		p.pix[i] = float32(rng.Float64())
	}
	s := newScale(p, side)
	s.k = newKernel(side)
	for i := range s.k.Taps {
		s.k.Taps[i] = rng.Float64()
	}
	normalise(s.k)
	s.reset()
	gamma := slices.Clone(s.fields[0].gamma)
	for range 8 { // gamma is restored: the same equation from a better start
		s.latent()
		copy(s.fields[0].gamma, gamma)
	}
	// K'M(Kx - y) + lambda x/gamma = 0, by direct sums.
	e := s.fields[0]
	at := func(i, j int) int { return wrap(i, s.h)*s.w + wrap(j, s.w) }
	r := make([]float64, s.len())
	for i := range s.h {
		for j := range s.w {
			v := -float64(e.y[at(i, j)])
			for a := range side {
				for b := range side {
					v += s.k.Taps[a*side+b] * float64(e.x[at(i-a+1, j-b+1)])
				}
			}
			r[at(i, j)] = v * float64(e.mask[at(i, j)])
		}
	}
	for i := range s.h {
		for j := range s.w {
			v := s.lambda * float64(e.x[at(i, j)]) / float64(gamma[at(i, j)])
			for a := range side {
				for b := range side {
					v += s.k.Taps[a*side+b] * r[at(i+a-1, j+b-1)]
				}
			}
			if math.Abs(v) > 1e-4 {
				t.Fatalf("the equation at (%d,%d) is off by %v", i, j, v)
			}
		}
	}
}

// TestSpectrumGain: the mean of |K|^2 in cells of a Gaussian is that of its
// closed form.
func TestSpectrumGain(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	const n = 64
	p := plane{h: n, w: n, pix: make([]float32, n*n)}
	for i := range p.pix {
		p.pix[i] = float32(rng.NormFloat64())
	}
	s := powerOf(p)
	mean := 0.0
	for _, c := range s.cells {
		mean += c.power / float64(len(s.cells))
	}
	if math.Abs(mean-1) > 0.1 {
		t.Errorf("white noise of variance 1 has the power %v", mean)
	}
	for i, g := range s.gain(gaussianOf(1.2)) {
		w := s.cells[i].w
		want := math.Exp(-square(1.2 * w))
		if math.Abs(g-want) > 0.02 { // cells have a width
			t.Errorf("gain %v at %v, want %v", g, w, want)
		}
	}
}

// TestReduced: a ramp stays a ramp, and noise falls as it should.
func TestReduced(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	const n = 90
	p := plane{h: n, w: n, pix: make([]float32, n*n), ok: slices.Repeat([]bool{true}, n*n), noise: 0.1}
	for i := range p.pix {
		p.pix[i] = float32(0.01*float64(i%n) + 0.1*rng.NormFloat64())
	}
	q := p.reduced(3)
	mean, sq, m := 0.0, 0.0, 0.0
	for i := 3; i < q.h-3; i++ {
		for j := 3; j < q.w-3; j++ {
			d := float64(q.pix[i*q.w+j]) - 0.01*(3*float64(j)+1)
			mean, sq, m = mean+d, sq+d*d, m+1
		}
	}
	if d := math.Sqrt(sq / m); math.Abs(mean/m) > 0.003 || math.Abs(d/q.noise-1) > 0.2 {
		t.Errorf("offset %v, deviation %v; want 0, %v", mean/m, d, q.noise)
	}
}

// TestSurprise: with next to no noise the measurement is linear in the scene, and the
// surprise of two cells is that of a Gaussian of two numbers, in closed form.
func TestSurprise(t *testing.T) {
	cells := []cell{{w: 0.5, power: 0.02, weight: 9, sector: 1, at: rings + 14, noise: 1e-11}, {w: 1.4, power: 0.004, weight: 12, sector: 3, at: 3*rings + 22, noise: 1e-11}}
	s := spectrum{cells: cells, scene: sceneOf(cells, noiseDoubt, 0)}
	q := []float64{0.8, 0.3}
	c := s.scene.covariance
	a, b, d := c[0]+3./81+1e-6, c[1], c[3]+3./144+1e-6
	y := [2]float64{}
	for i := range y {
		y[i] = math.Log(cells[i].power/q[i]) - s.scene.mean[i]
	}
	det := a*d - b*b
	want := (d*y[0]*y[0]-2*b*y[0]*y[1]+a*y[1]*y[1])/det + math.Log(det)
	var r reading
	if got := s.surprise(q, nil, &r); math.Abs(got-want) > 1e-4*math.Abs(want) {
		t.Errorf("surprise %v, want %v", got, want)
	}
}

// TestSettleByMost: one window that fits no kernel does not make two blurred ones sharp.
func TestSettleByMost(t *testing.T) {
	window := func(sharp, free float64) part {
		p := part{surprise: map[Kind]float64{Sharp: sharp, Free: free}, fits: map[Kind][]fit{}, kernels: map[Kind]operators.Kernel{}}
		for _, k := range []Kind{Gaussian, Disk, Motion} {
			p.surprise[k], p.fits[k] = free+100, []fit{{0.5, 0.4, 0.6}, {}}
		}
		p.kernels[Free], p.kernels[Sharp] = newKernel(5), newKernel(1)
		p.kernels[Free].Taps[10], p.kernels[Free].Taps[14], p.kernels[Sharp].Taps[0] = 0.5, 0.5, 1
		return p
	}
	if e := settle([]part{window(150, 10), window(150, 10), window(980, 990)}, 0, Options{}); e.Kind != Free {
		t.Errorf("%v; want a free kernel", e)
	}
	if e := settle([]part{window(15, 10), window(15, 10), window(1000, 990)}, 0, Options{}); e.Kind != Sharp {
		t.Errorf("%v; want a sharp picture", e)
	}
	w := window(150, 100) // a Gaussian does not explain the zeros of a disk, and is found narrow
	w.surprise[Disk], w.fits[Disk] = 10, []fit{{4, 3.9, 4.1}}
	if e := settle([]part{w}, 0, Options{}); e.Kind != Disk {
		t.Errorf("%v; want a disk of 4 pixels", e)
	}
	w.fits[Disk] = []fit{{0.7, 0.6, 0.8}}
	if e := settle([]part{w}, 0, Options{}); e.Kind != Sharp {
		t.Errorf("%v for a disk of 0.7 pixels; want a sharp picture", e)
	}
}

// TestPool: of two windows the one with the right kernel lends it to the other; they do not vary, for that one does
// not believe in its own. Where each has the right one for itself they do.
func TestPool(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 8))
	x := operators.NewImage(operators.Shape{C: 1, H: 160, W: 160})
	for range 300 {
		y0, x0, v := rng.IntN(x.H), rng.IntN(x.W), rng.Float32()
		for i := y0; i < min(y0+4+rng.IntN(30), x.H); i++ {
			for j := x0; j < min(x0+25, x.W); j++ {
				x.Pix[i*x.W+j] = v
			}
		}
	}
	window := func(blur, found operators.Kernel) part {
		a, err := operators.NewBlur(x.Shape, blur, operators.Valid)
		if err != nil {
			t.Fatal(err)
		}
		y := operators.NewImage(a.Codomain())
		a.Apply(y.Pix, x.Pix)
		for i := range y.Pix {
			y.Pix[i] += float32(0.005 * rng.NormFloat64())
		}
		p, _ := planeOf(y, 0.005)
		s := powerOf(p)
		return part{spectrum: s, surprise: map[Kind]float64{Free: s.surpriseOf(Free, found)}, kernels: map[Kind]operators.Kernel{Free: found}}
	}
	row, column := newKernel(9), newKernel(9)
	for i := range 9 {
		row.Taps[4*9+i], column.Taps[i*9+4] = 1./9, 1./9
	}
	parts := []part{window(row, column), window(row, row)}
	best, pooled := pool(parts)
	if own := parts[0].surprise[Free]; best != 1 || pooled[0].surprise[Free] >= own {
		t.Errorf("window %d is best; the wrong kernel's surprise is %v, the right one's %v", best, own, pooled[0].surprise[Free])
	}
	if vary(parts, Free) {
		t.Error("two windows of one blur are said to vary")
	}
	if !vary([]part{window(row, row), window(column, column)}, Free) {
		t.Error("a row and a column are not said to vary")
	}
}
