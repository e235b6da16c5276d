package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn"
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

// Gradients of every weight, of the smooth losses and of the growth penalty, agree
// with central differences. Both are float32: a difference of losses of order
// one over 2e-2 is good to about 1e-3 of the largest slope.
func TestGradientIsSlope(t *testing.T) {
	near := tinyPyramid(1, "lse")
	near.Pyramid.Reach = 1.5 // within what the samples bring
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
				shape := modelShape{3, 13, 18}
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

func TestGrowthGradientIsSlope(t *testing.T) {
	for _, gate := range []string{"lse", "hard"} {
		cfg := tinyPyramid(1, gate)
		rng := rand.New(rand.NewPCG(3, 4))
		net, err := lpn.New(cfg, rng)
		if err != nil {
			t.Fatal(err)
		}
		m, err := newModel(cfg, net.Params(), modelShape{1, 16, 16}, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer m.close()
		for _, w := range []string{"logc.0", "logc.1"} { // open the gates: the norm term must bite
			for i := range m.params[w] {
				m.params[w][i] += 3
			}
		}
		g, err := newGrowth(cfg, m.params, 0.3, 5, 1)
		if err != nil {
			t.Fatal(err)
		}
		loss := func() float64 {
			g.filters.pack()
			v, err := g.graph.run()
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		g.cfg.Unit = 1 / 2.5 // where the gates turn, so that their thresholds matter
		if err := g.search(); err != nil {
			t.Fatal(err)
		}
		g.draw()
		loss()
		if g.top <= 1 {
			t.Fatalf("%s: <v,f(tv)>/t = %v: the norm term is idle", gate, g.top)
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
			// T is so small that its step must be long to show.
			rel := 1e-4
			if strings.HasPrefix(name, "T") {
				rel = 1e-2
			}
			if want := slope(t, m.params, name, d, rel, loss); math.Abs(size-want) > 0.03*want {
				t.Errorf("%s/%s: slope %.5g by gradient, %.5g by difference", gate, name, size, want)
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
	for _, s := range cfg.Params() {
		params[s.Name] = append([]float32(nil), net.Params()[s.Name]...)
		for range s.Len() {
			coef[s.Name] = append(coef[s.Name], float32(rng.NormFloat64())+3)
		}
		grads[s.Name] = append([]float32(nil), coef[s.Name]...)
	}
	cfg.ProjectGradient(grads, params)
	loss := func() float64 {
		p := map[string][]float32{}
		for name, w := range params {
			p[name] = append([]float32(nil), w...)
		}
		cfg.Project(p)
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
		m, err := newModel(cfg, net.Params(), modelShape{4, 32, 32}, 2, 2)
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
