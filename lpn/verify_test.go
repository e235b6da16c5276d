package lpn

import (
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/engine"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

var small = operators.Shape{C: 1, H: 16, W: 12}

func TestVerifyHolds(t *testing.T) {
	any := SoftplusAny(1, 6, 2, 0.1)
	any.Alpha = 0.05
	for name, n := range map[string]*Network{
		"pyramid":  randomNet(t, smallPyramid(), 5),
		"softplus": randomNet(t, any, 6),
	} {
		c, err := n.Verify(small, Probing{})
		if err != nil {
			t.Fatal(err)
		}
		if !c.OK {
			t.Errorf("%s: %v", name, c.Reasons)
		}
		if !*c.ConvexWeights || c.JacobianMinEig < 0.049 || c.Lipschitz > *c.LipschitzBound || *c.GainBound > 1 {
			t.Errorf("%s: %+v, Lipschitz bound %g", name, c, *c.LipschitzBound)
		}
		again, _ := n.Verify(small, Probing{})
		a, _ := json.Marshal(c)
		b, _ := json.Marshal(again)
		if string(a) != string(b) {
			t.Errorf("%s: the same seed gave another certificate", name)
		}
	}
}

// TestVerifyAlgebra: what the algebra makes passes the same test.
func TestVerifyAlgebra(t *testing.T) {
	net, other := randomNet(t, smallPyramid(), 5), randomNet(t, smallPyramid(), 6)
	a, b := bound(t, net, small), bound(t, other, small)
	e, err := Ensemble(func(s operators.Shape) (solvers.Potential, error) { return net.On(s) }, small)
	if err != nil {
		t.Fatal(err)
	}
	for name, psi := range map[string]solvers.Potential{
		"scaled":   Scaled(a, 2),
		"mixed":    Mix([]solvers.Potential{a, b}, []float64{0.3, 0.7}),
		"ensemble": e,
		"soft":     soft{}, // no Hess
	} {
		if c := Verify(psi, small, Probing{}); !c.OK {
			t.Errorf("%s: %v", name, c.Reasons)
		}
	}
}

// TestVerifyNegativeWeight: one negative weight is seen by the signs, and a
// network whose signs nobody can see by its convexity.
func TestVerifyNegativeWeight(t *testing.T) {
	for name, weight := range map[string]string{"pyramid": "N.0", "softplus": "lin.1.weight"} {
		cfg := smallPyramid()
		if name == "softplus" {
			cfg = SoftplusAny(1, 6, 2, 0.1)
			cfg.Alpha = 0.05
		}
		n := randomNet(t, cfg, 5)
		params := map[string][]float32{}
		for k, w := range n.params {
			params[k] = slices.Clone(w)
		}
		params[weight][3] = -300
		broken := newNetwork(cfg, params, nil)
		c, err := broken.Verify(small, Probing{})
		if err != nil {
			t.Fatal(err)
		}
		if c.OK || *c.ConvexWeights || !strings.Contains(strings.Join(c.Reasons, ";"), weight+"[3]") {
			t.Errorf("%s: %v", name, c.Reasons)
		}
		blind := Verify(opaque{bound(t, broken, small)}, small, Probing{})
		if blind.OK || blind.PsiConvexityViolations == 0 {
			t.Errorf("%s: no violation of convexity found: %v", name, blind.Reasons)
		}
	}
}

// opaque hides all but Eval.
type opaque struct{ solvers.Potential }

// patched denoises overlapping patches and averages each pixel by its number
// of patches: not the gradient of anything.
type patched struct {
	b *Bound
	s operators.Shape
}

func (p patched) Eval(dst, y []float32) (psi float64) {
	side := p.b.Shape().H
	sum, count := make([]float32, len(y)), make([]float32, len(y))
	in := make([]float32, side*side)
	for i := 0; i+side <= p.s.H; i += side / 2 {
		for j := 0; j+side <= p.s.W; j += side / 2 {
			for k := range in {
				in[k] = y[(i+k/side)*p.s.W+j+k%side]
			}
			psi += p.b.Eval(in, in) / 4
			for k, v := range in {
				at := (i+k/side)*p.s.W + j + k%side
				sum[at] += v
				count[at]++
			}
		}
	}
	for i := range dst {
		dst[i] = sum[i] / count[i]
	}
	return psi
}

func TestVerifyPatched(t *testing.T) {
	s := operators.Shape{C: 1, H: 24, W: 24}
	p := patched{bound(t, randomNet(t, smallPyramid(), 5), operators.Shape{C: 1, H: 8, W: 8}), s}
	c := Verify(p, s, Probing{})
	if c.OK || c.GradientError <= tolGradient || c.JacobianAsymmetry <= tolDifference {
		t.Errorf("a patch-averaged denoiser passed: %+v", c)
	}
}

// TestVerifyUnbounded: gates that grow too fast, for ever, are refused.
func TestVerifyUnbounded(t *testing.T) {
	cfg := smallPyramid()
	cfg.Pyramid.Threshold = 0
	n := randomNet(t, cfg, 5).gatesScaled(40)
	c, err := n.Verify(small, Probing{})
	if err != nil {
		t.Fatal(err)
	}
	if c.OK || *c.GainBound <= 1 {
		t.Errorf("growth %g passed", *c.GainBound)
	}
}

func TestCertificateStored(t *testing.T) {
	n := randomNet(t, smallPyramid(), 5)
	if _, ok := n.Certificate(); ok {
		t.Error("a certificate out of nowhere")
	}
	c, err := n.Verify(small, Probing{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.WithCertificate(c)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "p.safetensors")
	if err := m.Save(path, false); err != nil {
		t.Fatal(err)
	}
	back, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := back.Certificate()
	if !ok || got.Probes != c.Probes || *got.GainBound != *c.GainBound || got.OK != c.OK {
		t.Errorf("stored %+v, read %+v", c, got)
	}
}

// TestLipschitzBound: above every slope of f between points of the box, and
// close to the truth where that is known: one softplus has the slope
// beta/4 h^2 w + alpha.
func TestLipschitzBound(t *testing.T) {
	cfg := Dense(1, 1, 1)
	cfg.Alpha, cfg.Softplus.Beta = 0.1, 6
	params := map[string][]float32{}
	for _, p := range cfg.Definition().Params {
		params[p.Name] = make([]float32, p.Len())
	}
	params["lin.0.weight"][0], params["lin.1.weight"][0] = -2, 0.5
	n, err := FromParams(cfg, params)
	if err != nil {
		t.Fatal(err)
	}
	s := operators.Shape{C: 1, H: 1, W: 1}
	if l, err := n.LipschitzBound(s, 0, 1); err != nil || math.Abs(l-(6.0/4*4*0.5+0.1)) > 1e-3 {
		t.Errorf("Lip(f) <= %g (%v), want 3.1", l, err)
	}
	for _, gate := range []string{"lse", "hard"} {
		c := smallPyramid()
		c.Pyramid.Gate = gate
		n := randomNet(t, c, 4)
		b := bound(t, n, small)
		l, err := n.LipschitzBound(small, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if everywhere, err := n.LipschitzBound(small, math.Inf(-1), math.Inf(1)); err != nil || !(everywhere >= l) || math.IsInf(everywhere, 1) {
			t.Errorf("%s: %g (%v) everywhere, %g in a box", gate, everywhere, err, l)
		}
		narrow, _ := n.LipschitzBound(small, 0.45, 0.55)
		if narrow >= l {
			t.Errorf("%s: %g on a narrow box, %g on a wide one", gate, narrow, l)
		}
		for k := range 30 {
			y, z := make([]float32, small.Len()), make([]float32, small.Len())
			for i, v := range randomVec(small.Len(), 0.3, uint64(k)) {
				y[i] = min(1, max(0, 0.5+v))
			}
			for i, v := range randomVec(small.Len(), 0.01, uint64(k+100)) {
				z[i] = min(1, max(0, y[i]+v))
			}
			d := make([]float32, len(y))
			move(d, y, -1, z)
			step := norm(d)
			b.Eval(y, y)
			b.Eval(z, z)
			move(d, y, -1, z)
			if norm(d) > l*step {
				t.Errorf("%s: a slope of %g, above %g", gate, norm(d)/step, l)
			}
		}
	}
}

// TestFeatureBounds: against the sum of |h_k| over all pictures with one
// pixel set, which is what a picture of the right signs reaches.
func TestFeatureBounds(t *testing.T) {
	n := randomNet(t, smallPyramid(), 5)
	s := operators.Shape{C: n.cfg.Channels, H: 40, W: 36}
	for l, norms := range n.featureBounds(s, 0.5) {
		r := n.recorder(network.Dims{N: s.C, H: s.H, W: s.W, C: 1})
		_, h := n.cfg.pyramidLinear(r, r.Input())
		o := newOperator(r.Compile(h[l], engine.Options{}))
		in, out := o.Input(0, 0), o.Output(0)
		var sums []float64
		for i := range s.Len() {
			clear(in)
			in[i] = 0.5
			o.Run(0)
			if sums == nil {
				sums = make([]float64, len(out))
			}
			for k, v := range out {
				sums[k] += math.Abs(float64(v))
			}
		}
		for k, bound := range norms {
			top := 0.0
			for at := k; at < len(sums); at += len(norms) {
				top = max(top, sums[at])
			}
			if top > bound*(1+1e-4) || bound > 1.5*top {
				t.Errorf("level %d: |h_%d| reaches %g, bounded by %g", l, k, top, bound)
			}
		}
	}
}
