package train

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/goldentest"
	"github.com/lpn-imaging/lpn/lpn"
	"github.com/lpn-imaging/lpn/operators"
)

// folds is a source of pictures that a small network can learn something from:
// planes at random angles, folded into [0,1].
type folds struct{ shape operators.Shape }

func (f folds) Shape() operators.Shape { return f.shape }

func (f folds) Batch(dst []float32, step int) error {
	s, n := f.shape, f.shape.Len()
	for i := range len(dst) / n {
		rng := rand.New(rand.NewPCG(uint64(step), uint64(i)))
		for c := range s.C {
			a, b, o := 0.3*rng.NormFloat64(), 0.3*rng.NormFloat64(), rng.Float64()
			for p := range s.H * s.W {
				v := math.Mod(math.Abs(a*float64(p/s.W)+b*float64(p%s.W)+o), 2)
				dst[i*n+c*s.H*s.W+p] = float32(min(v, 2-v))
			}
		}
	}
	return nil
}

// TestPythonGolden: the batches, losses and weights of short trainings, for the
// trainer in python/ to make the same steps from.
func TestPythonGolden(t *testing.T) {
	tiny := func(channels int, gate string) lpn.Config {
		return lpn.Config{Channels: channels, Sigma: 0.1, Unit: 0.1, Alpha: 0.01, Pyramid: &lpn.PyramidConfig{
			Gate: gate, Group: 4, Lowpass: 2, LowpassSize: 5, Threshold: 15, Slack: 1e-3,
			Levels: []lpn.PyramidLevel{{Maps: 4, WK: 3, Features: 8, AK: 3, NK: 1}, {Maps: 4, WK: 3, Features: 8, AK: 3, NK: 3}}}}
	}
	strided := lpn.Config{Channels: 1, Height: 8, Width: 8, Sigma: 0.1, Unit: 0.5, Alpha: 0.02, Softplus: &lpn.SoftplusConfig{
		Beta: 10, FirstBias: true, LastBias: true, LinearTerm: true,
		Layers: []lpn.Layer{{Width: 6, K: 3, Stride: 1, Pad: 1}, {Width: 6, K: 3, Stride: 2, Pad: 1}, {Width: 5, K: 4, Stride: 1}}}}
	for name, o := range map[string]Options{
		"gray": {Config: tiny(1, "lse"), Source: folds{operators.Shape{C: 1, H: 11, W: 11}}, Batch: 3,
			Plan:  Plan{{Loss: L2, Steps: 12, Rate: 4e-3, Warmup: 0.25, Cosine: true}, {Loss: PM, Steps: 8, Rate: 1e-3, Gamma: 0.08}},
			Beta2: 0.99, Clip: 0.5, EMA: 0.9, GainPenalty: 50},
		"colour": {Config: tiny(3, "hard"), Source: folds{operators.Shape{C: 3, H: 8, W: 8}}, Batch: 2,
			Plan: Plan{{Loss: L1, Steps: 20, Rate: 3e-3, Sigma: 0.15}}, Beta2: 0.99, Clip: 0.5, EMA: 0.9, GainPenalty: 50},
		"strided": {Config: strided, Source: folds{operators.Shape{C: 1, H: 8, W: 8}}, Batch: 4,
			Plan: Plan{{Loss: L1, Steps: 10, Rate: 2e-3}, {Loss: PM, Steps: 10, Rate: 1e-3, Gamma: 0.1}}, Beta2: 0.999},
	} {
		goldentest.Archive(t, filepath.Join("..", "..", "python", "tests", "data", "train-"+name+".npz"), follow(t, o), 2e-4)
	}
}

// follow runs a training and returns all that the other side needs.
func follow(t *testing.T, o Options) map[string]goldentest.Array {
	t.Helper()
	net, err := lpn.New(o.Config, rand.New(rand.NewPCG(5, 6)))
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range net.Params() { // so that some waves are amplified
		for i := range w {
			if strings.HasPrefix(name, "logc") {
				w[i] += 2
			}
		}
	}
	o.Start, o.Seed, o.Threads = net, 7, 1
	s, err := newRun(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.m.close()
	shape, steps := o.Source.Shape(), o.Plan.Steps()
	dims := func(more ...int) []int { return append([]int{steps}, more...) }
	x := goldentest.Array{Dims: dims(o.Batch, shape.C, shape.H, shape.W)}
	y, waves := x, waves(nil)
	if s.m.penalty != nil {
		waves = newWaves(steps, o.Config)
		s.m.penalty.step = 1 // no survey: which of its waves is first hangs on rounding
	}
	var losses []float64
	top := 0.0
	s.o.Progress = func(p Progress) {
		losses = append(losses, p.Loss)
		clean := make([]float32, o.Batch*shape.Len())
		noisy := make([]float32, len(clean))
		if err := o.Source.Batch(clean, p.Step-1); err != nil {
			t.Fatal(err)
		}
		stage, _, _ := o.Plan.At(p.Step - 1)
		sigma := stage.Sigma
		if sigma == 0 {
			sigma = o.Config.Sigma
		}
		for i := range o.Batch {
			lo, hi := i*shape.Len(), (i+1)*shape.Len()
			AddNoise(noisy[lo:hi], clean[lo:hi], sigma, o.Seed, p.Step-1, i)
		}
		x.Data, y.Data = append(x.Data, clean...), append(y.Data, noisy...)
		if s.m.penalty != nil {
			waves.note(s.m.penalty)
			top = max(top, p.Top)
		}
	}
	if _, err := s.loop(context.Background()); err != nil {
		t.Fatal(err)
	}
	out := map[string]goldentest.Array{"x": x, "y": y, "loss": goldentest.Floats(losses)}
	if s.m.penalty != nil {
		if top < 1 {
			t.Errorf("no wave has a gain above %.3f: the penalty does nothing", top)
		}
		for name, a := range waves {
			out["wave."+name] = *a
		}
	}
	text := func(v any) goldentest.Array {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return goldentest.Array{Text: string(b)}
	}
	out["config"] = text(o.Config)
	out["options"] = text(map[string]any{"plan": o.Plan.String(), "beta2": o.Beta2, "clip": o.Clip, "ema": o.EMA, "gain_penalty": o.GainPenalty})
	result, err := s.network()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range s.m.specs {
		out["start."+p.Name] = goldentest.Array{Dims: p.Dims, Data: net.Params()[p.Name]}
		out["last."+p.Name] = goldentest.Array{Dims: p.Dims, Data: s.w[i]}
		out["result."+p.Name] = goldentest.Array{Dims: p.Dims, Data: result.Params()[p.Name]}
	}
	return out
}

// waves are the waves of the penalty: for each step and wave the frequencies, the
// phase, the period, 0 where there are no more; the profile; the number of phases by
// level; the mixture of planes.
type waves map[string]*goldentest.Array

const mostWaves = fresh + again

func newWaves(steps int, c lpn.Config) waves {
	array := func(dims ...int) *goldentest.Array {
		return &goldentest.Array{Dims: append([]int{steps, mostWaves}, dims...)}
	}
	return waves{"place": array(4), "profile": array(harmonics), "phases": array(len(c.Pyramid.Levels)), "mix": array(c.Channels, 2)}
}

// note adds those of the last step.
func (w waves) note(g *gainPenalty) {
	add := func(name string, n int, v ...float64) {
		for _, x := range append(v, make([]float64, n-len(v))...) {
			w[name].Data = append(w[name].Data, float32(x))
		}
	}
	levels := len(g.cfg.Pyramid.Levels)
	for _, p := range g.last {
		period := g.set(p)
		add("place", 4, g.fy, g.fx, g.levels[0].start/2, period)
		add("profile", harmonics, g.profile...)
		var phases, mix []float64
		for _, l := range g.levels {
			phases = append(phases, float64(l.phases))
		}
		for _, m := range p.mix {
			mix = append(mix, float64(real(m)), float64(imag(m)))
		}
		add("phases", levels, phases...)
		add("mix", len(mix), mix...)
	}
	for range mostWaves - len(g.last) {
		add("place", 4)
		add("profile", harmonics)
		add("phases", levels)
		add("mix", 2*g.cfg.Channels)
	}
}
