package train

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

func tinyPyramid(channels int, gate string) lpn.Config {
	c := lpn.Pyramid(channels, 0.1)
	c.Pyramid.Gate, c.Pyramid.Group, c.Pyramid.LowpassSize = gate, 4, 5
	c.Pyramid.Levels = []lpn.PyramidLevel{
		{Maps: 3, WK: 3, Features: 8, AK: 3, NK: 1},
		{Maps: 4, WK: 3, Features: 8, AK: 3, NK: 3},
	}
	return c
}

// slope is the directional derivative of loss in one weight along d, by a
// central difference over rel of the weight's norm either way.
func slope(t *testing.T, params map[string][]float32, name string, d []float32, rel float64, loss func() float64) float64 {
	t.Helper()
	w := params[name]
	eps := rel * norm(w)
	if eps == 0 {
		eps = rel
	}
	keep := append([]float32(nil), w...)
	at := func(k float64) float64 {
		for i := range w {
			w[i] = keep[i] + float32(k)*d[i]
		}
		return loss()
	}
	s := (at(eps) - at(-eps)) / (2 * eps)
	copy(w, keep)
	return s
}

// Gradients of every weight, of the smooth losses and of the gain penalty, agree
// with central differences. Both are float32: a difference of losses of order
// one over 2e-2 is good to about 1e-3 of the largest slope.
func TestGradientIsSlope(t *testing.T) {
	near := tinyPyramid(1, "lse")
	near.Pyramid.Threshold = 1.5 // within what the samples bring
	cfgs := map[string]lpn.Config{
		"reach": near, "lse": tinyPyramid(1, "lse"), "hard": tinyPyramid(1, "hard"), "colour": tinyPyramid(3, "lse"),
		"softplus": lpn.SoftplusAny(1, 5, 3, 0.1), "digits": lpn.MNIST(3),
	}
	for name, cfg := range cfgs {
		for _, kind := range []Loss{L2, PM} { // L1 has kinks; the golden values cover it
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(7, uint64(len(name))))
				net, err := lpn.New(cfg, rng)
				if err != nil {
					t.Fatal(err)
				}
				shape := modelShape{3, 13, 18, 1}
				if cfg.Height > 0 {
					shape.h, shape.w = cfg.Height, cfg.Width
				}
				m, err := newModel(cfg, net.Params(), shape, 2, 1)
				if err != nil {
					t.Fatal(err)
				}
				defer m.close()
				x := make([]float32, shape.n*cfg.Channels*shape.h*shape.w)
				y := make([]float32, len(x))
				for i := range x {
					x[i] = rng.Float32()
					y[i] = x[i] + 0.1*float32(rng.NormFloat64())
				}
				gamma := 0.3 * math.Sqrt(float64(len(x)/shape.n))
				loss := func() float64 {
					v, err := m.gradient(y, x, kind, gamma)
					if err != nil {
						t.Fatal(err)
					}
					return v
				}
				loss()
				type pair struct{ got, want float64 }
				all := map[string]pair{}
				top := 0.0
				grads := map[string][]float32{}
				for _, s := range m.specs {
					grads[s.Name] = append([]float32(nil), m.grads[s.Name]...)
				}
				for _, s := range m.specs {
					g := grads[s.Name]
					size := norm(g)
					if size == 0 {
						continue
					}
					// Along the gradient, where the slope is largest, plus noise
					// so that a permuted gradient would show.
					d := make([]float32, len(g))
					got := 0.0
					for i := range d {
						d[i] = float32(float64(g[i])/size + 0.3*rng.NormFloat64()/math.Sqrt(float64(len(d))))
						got += float64(g[i]) * float64(d[i])
					}
					all[s.Name] = pair{got, slope(t, m.params, s.Name, d, 1e-2, loss)}
					top = max(top, math.Abs(got))
				}
				if len(all) < 4 {
					t.Fatalf("only %d weights have gradients", len(all))
				}
				for name, p := range all {
					if math.Abs(p.got-p.want) > 0.02*math.Abs(p.want)+2e-3*top {
						t.Errorf("%s: slope %.5g by gradient, %.5g by difference", name, p.got, p.want)
					}
				}
			})
		}
	}
}

// opened is a network whose gates pass so much that waves are amplified.
func opened(t *testing.T, channels int, gate string) (lpn.Config, map[string][]float32) {
	t.Helper()
	cfg := tinyPyramid(channels, gate)
	net, err := lpn.New(cfg, rand.New(rand.NewPCG(3, 4)))
	if err != nil {
		t.Fatal(err)
	}
	params := map[string][]float32{}
	for name, w := range net.Params() {
		params[name] = append([]float32(nil), w...)
		for i := range params[name] {
			switch name[0] {
			case 'l': // logc and loga
				params[name][i] += 3
			case 'T': // so that it matters
				params[name][i] *= 30
			}
		}
	}
	return cfg, params
}

func TestGrowthGradientIsSlope(t *testing.T) {
	for _, gate := range []string{"lse", "hard"} {
		cfg, params := opened(t, 1, gate)
		g := newGainPenalty(cfg, params, 5, 1)
		run := func() float64 { g.known = nil; return g.run() }
		if run(); g.top <= 1 {
			t.Fatalf("%s: the largest gain is %v: the penalty is idle", gate, g.top)
		}
		for name, grad := range g.grads {
			grad = append([]float32(nil), grad...)
			size := norm(grad)
			if size == 0 {
				t.Errorf("%s: no gradient for %s", gate, name)
				continue
			}
			d := make([]float32, len(grad))
			for i := range d {
				d[i] = grad[i] / float32(size)
			}
			if want := slope(t, params, name, d, 2e-4, run); math.Abs(size-want) > 0.03*want {
				t.Errorf("%s/%s: slope %.5g by gradient, %.5g by difference", gate, name, size, want)
			}
			run()
		}
	}
}

// TestStrongGain: the gain of a strong wave by transfer functions is that of
// the network itself on a picture of it.
func TestStrongGain(t *testing.T) {
	for _, channels := range []int{1, 3} {
		for _, gate := range []string{"lse", "hard"} {
			cfg, params := opened(t, channels, gate)
			cfg.Pyramid.Threshold = 0
			net, err := lpn.FromParams(cfg, params)
			if err != nil {
				t.Fatal(err)
			}
			shape := operators.Shape{C: channels, H: 128, W: 128}
			b, err := net.On(shape)
			if err != nil {
				t.Fatal(err)
			}
			search := lpn.NewWaveSearch(b, shape)
			s := newStrong(cfg, params)
			for _, w := range []lpn.Wave{{FY: 0.031, FX: 0.117}, {FY: -0.21, FX: 0.043}, {FX: 0.081}, {FY: 0.33, FX: 0.41},
				{FY: 0.031, FX: 0.117, Sharp: 1}, {FY: -0.01, FX: 0.043, Sharp: 2}, {FX: 0.081, Sharp: 1.5}} {
				w.Amplitude, w.Mix = 1e4, []float64{1, -0.3, 0.6}[:channels]
				mix := make([]complex128, channels)
				for c := range mix {
					mix[c] = complex(w.Mix[c], 0)
				}
				want, _ := search.Gain(w)
				s.waves(w.FY, w.FX, []float64{1})
				if w.Sharp > 0 {
					s.waves(w.FY, w.FX, series(w.Sharp, harmonics))
				}
				if got := s.gain(unit(mix)); math.Abs(got-want) > 0.02*want {
					t.Errorf("%d planes, %s, %v: gain %.4f by transfer functions, %.4f of the picture", channels, gate, w, got, want)
				}
			}
			for _, r := range [][3]int{{0, 1, 12}, {1, 0, 8}, {1, 1, 6}, {1, -1, 16}, {1, 2, 10}, {0, 1, 4}} {
				n := (distinct(r[0], r[1], r[2]) + 1) / 4
				profile := series(2, min(n, harmonics))
				mix := unit([]complex128{1, -0.3, 0.6}[:channels])
				s.repeat(r[0], r[1], r[2], 0.7, profile)
				got := s.gain(mix)
				want := strongGain(b, shape, s, mix, 0.7)
				if math.Abs(got-want) > 0.005*want {
					t.Errorf("%d planes, %s, %v: gain %.4f by transfer functions, %.4f of the picture", channels, gate, r, got, want)
				}
			}
		}
	}
}

// The projected gradient is that of the loss as a function of free weights
// which Project makes satisfy the equality constraints.
func TestProjectGradient(t *testing.T) {
	cfg := tinyPyramid(3, "lse")
	rng := rand.New(rand.NewPCG(1, 9))
	net, err := lpn.New(cfg, rng)
	if err != nil {
		t.Fatal(err)
	}
	params := map[string][]float32{}
	grads := map[string][]float32{}
	coef := map[string][]float32{} // a loss that is linear in the weights
	for _, s := range cfg.Definition().Params {
		params[s.Name] = append([]float32(nil), net.Params()[s.Name]...)
		for range s.Len() {
			coef[s.Name] = append(coef[s.Name], float32(rng.NormFloat64())+3)
		}
		grads[s.Name] = append([]float32(nil), coef[s.Name]...)
	}
	cfg.Definition().ProjectGradient(grads, params)
	loss := func() float64 {
		p := map[string][]float32{}
		for name, w := range params {
			p[name] = append([]float32(nil), w...)
		}
		cfg.Definition().Project(p)
		v := 0.0
		for name, w := range p {
			for i := range w {
				v += float64(coef[name][i]) * float64(w[i])
			}
		}
		return v
	}
	for _, name := range []string{"W.0", "V.0", "V.1"} {
		d := make([]float32, len(params[name]))
		got := 0.0
		for i := range d {
			d[i] = float32(rng.NormFloat64())
			got += float64(d[i]) * float64(grads[name][i])
		}
		want := slope(t, params, name, d, 1e-2, loss)
		if math.Abs(got-want) > 2e-3*math.Abs(want)+2e-2 {
			t.Errorf("%s: slope %.5g by gradient, %.5g by difference", name, got, want)
		}
	}
}

// The ops of a graph share memory: nothing of one batch may be left to the next.
func TestGradientForgets(t *testing.T) {
	for _, cfg := range []lpn.Config{lpn.Natural(1, 0.1), lpn.SoftplusAny(2, 8, 3, 0.1)} {
		rng := rand.New(rand.NewPCG(1, 2))
		net, err := lpn.New(cfg, rng)
		if err != nil {
			t.Fatal(err)
		}
		m, err := newModel(cfg, net.Params(), modelShape{4, 32, 32, 1}, 2, 2)
		if err != nil {
			t.Fatal(err)
		}
		defer m.close()
		batch := func() (y, x []float32) {
			for range 4 * 32 * 32 * cfg.Channels {
				x = append(x, rng.Float32())
				y = append(y, x[len(x)-1]+0.1*float32(rng.NormFloat64()))
			}
			return y, x
		}
		y, x := batch()
		run := func(y, x []float32) (float64, map[string][]float32) {
			loss, err := m.gradient(y, x, L2, 0)
			if err != nil {
				t.Fatal(err)
			}
			grads := map[string][]float32{}
			for name, g := range m.grads {
				grads[name] = slices.Clone(g)
			}
			return loss, grads
		}
		loss, grads := run(y, x)
		other, _ := run(batch())
		again, gradsAgain := run(y, x)
		if other == loss {
			t.Fatal("two batches have the same loss")
		}
		if again != loss {
			t.Errorf("loss %g, then %g", loss, again)
		}
		for name, g := range grads {
			if !slices.Equal(g, gradsAgain[name]) {
				t.Errorf("the gradient in %s has changed", name)
			}
		}
	}
}

// strongGain is the gain of a strong wave that begins at a phase, from a
// picture of it: of its middle, a whole number of periods.
func strongGain(b *lpn.Bound, shape operators.Shape, s *strong, mix []complex128, start float64) float64 {
	x, f := make([]float32, shape.Len()), make([]float32, shape.Len())
	for i := range x {
		c, row, col := i/(shape.H*shape.W), i/shape.W%shape.H, i%shape.W
		for n, a := range s.profile {
			x[i] += float32(1e4 * a * real(mix[c]*cis(odd(n)*(start+2*math.Pi*(s.fy*float64(row)+s.fx*float64(col))))))
		}
	}
	b.Eval(f, x)
	along, energy := 0.0, 0.0
	for i := range x {
		row, col := i/shape.W%shape.H, i%shape.W
		if row >= 40 && row < 88 && col >= 40 && col < 88 {
			along += float64(f[i]) * float64(x[i])
			energy += float64(x[i]) * float64(x[i])
		}
	}
	return along / energy
}

// TestWorstMixture: no mixture of planes, drawn or one plane alone, has a larger
// gain than the one found.
func TestWorstMixture(t *testing.T) {
	cfg, params := opened(t, 3, "lse")
	s := newStrong(cfg, params)
	rng := rand.New(rand.NewPCG(5, 5))
	draw := func() []complex128 {
		m := make([]complex128, 3)
		for c := range m {
			m[c] = complex(rng.NormFloat64(), rng.NormFloat64())
		}
		return unit(m)
	}
	for range 5 {
		w := lpn.RandomWave(rng, 3)
		s.waves(w.FY, w.FX, series(1+w.Sharp, harmonics))
		top := s.gain(s.worst(draw(), 20))
		for range 100 {
			if g := s.gain(draw()); g > top*(1+1e-4) {
				t.Errorf("%v: a mixture has gain %.5f, the worst found %.5f", w, g, top)
			}
		}
	}
}

// TestSurvey: the survey remembers waves with a gain as large as any of many drawn ones, but
// for what a frequency between two of the lattice has more, and the network itself has the
// gain of the first.
func TestSurvey(t *testing.T) {
	cfg, params := opened(t, 3, "lse")
	g := newGainPenalty(cfg, params, 1, 1)
	g.survey()
	if len(g.known) == 0 || len(g.known) > remembered || !slices.IsSortedFunc(g.known, func(a, b probe) int { return cmp.Compare(b.over, a.over) }) {
		t.Fatalf("%d waves remembered, in order or not", len(g.known))
	}
	known := slices.Clone(g.known)
	rng := rand.New(rand.NewPCG(8, 1))
	for range 400 {
		if p := g.look(g.draw(rng)); float64(p.over) > 1.05*float64(known[0].over) {
			t.Errorf("drawn: %+v; the survey's highest: %+v", p, known[0])
		}
	}
	cfg.Pyramid.Threshold = 0
	net, err := lpn.FromParams(cfg, params)
	if err != nil {
		t.Fatal(err)
	}
	shape := operators.Shape{C: 3, H: 128, W: 128}
	b, err := net.On(shape)
	if err != nil {
		t.Fatal(err)
	}
	p := known[0]
	period := g.set(p)
	mix := make([]complex128, 3)
	for c, m := range p.mix {
		mix[c] = complex128(m)
	}
	got := float64(p.over) + ceiling(cfg.Sigma, period)
	want := strongGain(b, shape, g.strong, mix, float64(p.start))
	if math.Abs(got-want) > 0.02*want {
		t.Errorf("%+v: gain %.4f, of the picture %.4f", p, got, want)
	}
}
