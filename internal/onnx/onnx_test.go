package onnx_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/internal/network/plain"
	"github.com/lpn-imaging/lpn/internal/onnx"
	"github.com/lpn-imaging/lpn/lpn"
)

// small is a pyramid of two levels with filters of all sizes.
func small(channels int, gate string, change func(p *lpn.PyramidConfig)) lpn.Config {
	c := lpn.Config{Channels: channels, Sigma: 0.1, Unit: 0.1, Alpha: 0.02,
		Pyramid: &lpn.PyramidConfig{Gate: gate, Group: 2, Lowpass: 2, LowpassSize: 5, Threshold: 2, Slack: 1e-3,
			Levels: []lpn.PyramidLevel{{Maps: 3, WK: 3, Features: 4, AK: 3, NK: 1}, {Maps: 2, WK: 5, Features: 6, AK: 1, NK: 3}}}}
	if change != nil {
		change(c.Pyramid)
	}
	return c
}

func softplus(channels int, change func(c *lpn.Config)) lpn.Config {
	c := lpn.SoftplusAny(channels, 4, 3, 0.2)
	change(&c)
	return c
}

var configs = map[string]lpn.Config{
	"gray":        small(1, "lse", nil),
	"colour":      small(3, "lse", nil),
	"hard gates":  small(1, "hard", nil),
	"quadratic":   small(1, "lse", func(p *lpn.PyramidConfig) { p.Threshold = 0 }),
	"four levels": small(1, "lse", func(p *lpn.PyramidConfig) { p.Levels = append(p.Levels, p.Levels[1], p.Levels[1]) }),
	"wide margin": small(1, "lse", func(p *lpn.PyramidConfig) { p.Levels[0].WK, p.LowpassSize = 7, 11 }),
	"softplus":    softplus(3, func(c *lpn.Config) { c.Softplus.LastBias, c.Softplus.LinearTerm = true, true }),
	"dense":       lpn.Dense(4, 5, 3),
	"resampled": softplus(1, func(c *lpn.Config) {
		c.Height, c.Width = 11, 10
		c.Softplus.Layers[1].Stride, c.Softplus.Layers[2].Stride = 2, 2
	}),
	"fixed pyramid": func() lpn.Config { c := small(3, "lse", nil); c.Height, c.Width = 9, 14; return c }(),
}

// TestGraphIsTheNetwork: what is read back of the graph computes what the network's
// definition says, at sizes that fill no cell, smaller than the margins, and of a
// batch.
func TestGraphIsTheNetwork(t *testing.T) {
	for name, c := range configs {
		net, err := lpn.New(c, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := net.WithMeta("licence", "none").WriteONNX(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m, err := onnx.Unmarshal(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if m.Opset != onnx.Opset || m.Producer != "lpn" || m.Note("licence") != "none" || m.Note("sigma") == "" || m.Note("lpn.config") == "" {
			t.Errorf("%s: %d, %q, %v", name, m.Opset, m.Producer, m.Notes)
		}
		sizes := [][2]int{{1, 1}, {2, 7}, {13, 8}, {17, 21}}
		if c.Height > 0 {
			sizes = [][2]int{{c.Height, c.Width}}
		}
		for _, s := range sizes {
			compare(t, name, net, m, s[0], s[1])
		}
	}
}

func compare(t *testing.T, name string, net *lpn.Network, m *onnx.Model, h, w int) {
	t.Helper()
	c := net.Config()
	rng := rand.New(rand.NewPCG(3, uint64(h*w)))
	const batch = 2
	size := c.Channels * h * w
	y := onnx.Array{Dims: []int{batch, c.Channels, h, w}, Data: make([]float64, batch*size)}
	units := make([]float32, batch*size)
	for i := range y.Data {
		units[i] = float32(3 * rng.NormFloat64())
		y.Data[i] = float64(units[i]) * c.Unit
	}
	out, err := m.Run(map[string]onnx.Array{"y": y})
	if err != nil {
		t.Fatalf("%s at %dx%d: %v", name, h, w, err)
	}
	f, psi := out["f"], out["psi"]
	if !slices.Equal(f.Dims, y.Dims) || !slices.Equal(psi.Dims, []int{batch}) {
		t.Fatalf("%s at %dx%d: f of %v, psi of %v", name, h, w, f.Dims, psi.Dims)
	}
	for n := range batch {
		def := c.Definition()
		r := plain.New(network.Dims{N: c.Channels, H: h, W: w, C: 1}, def.Params, net.Params(), units[n*size:(n+1)*size])
		want := plain.Data(def.Record(r))
		worst := 0.0
		for i, v := range want {
			worst = max(worst, math.Abs(v*c.Unit-f.Data[n*size+i]))
		}
		// Constants such as 1/unit are rounded to float32.
		if !(worst < 1e-6) || !(math.Abs(psi.Data[n]-r.Psi*c.Unit*c.Unit) < 1e-6*max(1, math.Abs(r.Psi))) {
			t.Errorf("%s at %dx%d: f is off by %g, psi %v, want %v", name, h, w, worst, psi.Data[n], r.Psi*c.Unit*c.Unit)
		}
	}
}

func TestPorts(t *testing.T) {
	for name, want := range map[string][]int{"colour": {0, 3, 0, 0}, "resampled": {0, 1, 11, 10}} {
		m := record(t, configs[name])
		in, f, psi := m.Graph.Inputs[0], m.Graph.Outputs[0], m.Graph.Outputs[1]
		if in.Name != "y" || f.Name != "f" || psi.Name != "psi" || !slices.Equal(in.Dims, want) || !slices.Equal(f.Dims, want) || !slices.Equal(psi.Dims, []int{0}) {
			t.Errorf("%s: %+v, %+v, %+v", name, in, f, psi)
		}
		if in.Names[0] != "N" || want[2] == 0 && (in.Names[2] != "H" || in.Names[3] != "W") {
			t.Errorf("%s: dims are called %q", name, in.Names)
		}
	}
}

// record returns the graph of a random network, after a way through bytes.
func record(t *testing.T, c lpn.Config) *onnx.Model {
	t.Helper()
	net, err := lpn.New(c, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Record(c.Definition(), net.Params(), onnx.Options{Height: c.Height, Width: c.Width, Unit: c.Unit})
	if err != nil {
		t.Fatal(err)
	}
	again, err := onnx.Unmarshal(m.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Marshal(), again.Marshal()) {
		t.Error("what was read back is written differently")
	}
	return again
}

// TestNodesAreInOrder: every node comes after what it reads, every name is made
// once, and nothing is computed for nobody.
func TestNodesAreInOrder(t *testing.T) {
	for name, c := range configs {
		m := record(t, c)
		known, read := map[string]bool{"y": true}, map[string]bool{"f": true, "psi": true}
		for _, w := range m.Graph.Weights {
			if known[w.Name] {
				t.Errorf("%s: %q stands twice", name, w.Name)
			}
			known[w.Name] = true
		}
		for _, n := range m.Graph.Nodes {
			for _, x := range n.Inputs {
				if read[x] = true; !known[x] {
					t.Errorf("%s: %s reads %q before it is there", name, n.Op, x)
				}
			}
			if known[n.Outputs[0]] {
				t.Errorf("%s: %q is made twice", name, n.Outputs[0])
			}
			known[n.Outputs[0]] = true
		}
		for x := range known {
			if !read[x] {
				t.Errorf("%s: nobody reads %q", name, x)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	c := lpn.SoftplusAny(1, 4, 2, 0.1)
	c.Softplus.Layers[1].Stride = 2
	net, err := lpn.New(c, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := net.WriteONNX(&b); err == nil || !strings.Contains(err.Error(), "any size") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	if b.Len() > 0 {
		t.Error("something was written")
	}
}

// TestBytes compares with bytes made with the Python package onnx 1.23:
//
//	node = helper.make_node("Add", ["y", "c"], ["f"])
//	node.attribute.extend([helper.make_attribute("axis", -1), helper.make_attribute("pads", [0, 300]),
//	    helper.make_attribute("mode", "CRD"), helper.make_attribute("k", 0.5)])
//	...
//	model.SerializeToString().hex()
func TestBytes(t *testing.T) {
	m := &onnx.Model{Producer: "lpn", Opset: onnx.Opset, Notes: []onnx.Note{{Key: "sigma", Value: "0.1"}}, Graph: onnx.Graph{
		Name: "lpn",
		Nodes: []onnx.Node{{Op: "Add", Inputs: []string{"y", "c"}, Outputs: []string{"f"}, Attrs: []onnx.Attr{
			{Name: "axis", Kind: onnx.Int, I: -1}, {Name: "pads", Kind: onnx.Ints, Ints: []int64{0, 300}},
			{Name: "mode", Kind: onnx.Text, S: "CRD"}, {Name: "k", Kind: onnx.Float, F: 0.5}}}},
		Weights: []onnx.Tensor{{Name: "c", Dims: []int{2}, Floats: []float32{1, -2}}, {Name: "i", Dims: []int{1}, Ints: []int64{-3}}},
		Inputs:  []onnx.Port{{Name: "y", Dims: []int{0, 2}, Names: []string{"N", ""}}},
		Outputs: []onnx.Port{{Name: "f", Dims: []int{0, 2}, Names: []string{"N", ""}}},
	}}
	want, err := hex.DecodeString(strings.ReplaceAll(golden, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := onnx.Unmarshal(want)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := onnx.Unmarshal(m.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(theirs, ours) || !reflect.DeepEqual(ours, m) {
		t.Errorf("read from Python\n%+v\nread from Go\n%+v\nmade\n%+v", theirs, ours, m)
	}
}

func FuzzUnmarshal(f *testing.F) {
	seed, _ := hex.DecodeString(strings.ReplaceAll(golden, "\n", ""))
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnx.Unmarshal(b)
		if err != nil {
			return
		}
		again, err := onnx.Unmarshal(m.Marshal())
		if err != nil || !bytes.Equal(again.Marshal(), m.Marshal()) {
			t.Errorf("read, written and read: %v", err)
		}
	})
}

// TestRunOfDamagedGraphs: an error, whatever does not fit.
func TestRunOfDamagedGraphs(t *testing.T) {
	y := map[string]onnx.Array{"y": {Dims: []int{1, 1, 6, 7}, Data: make([]float64, 42)}}
	for name, damage := range map[string]func(m *onnx.Model){
		"version":  func(m *onnx.Model) { m.Opset = 99 },
		"operator": func(m *onnx.Model) { m.Graph.Nodes[3].Op = "Bake" },
		"order":    func(m *onnx.Model) { slices.Reverse(m.Graph.Nodes) },
		"output":   func(m *onnx.Model) { m.Graph.Outputs[0].Name = "g" },
		"input":    func(m *onnx.Model) { m.Graph.Inputs[0].Dims[1] = 3 },
		"dims": func(m *onnx.Model) {
			for i := range m.Graph.Weights {
				if w := &m.Graph.Weights[i]; len(w.Dims) == 4 {
					w.Dims[0], w.Dims[1] = w.Dims[1], w.Dims[0]
				}
			}
		},
	} {
		m := record(t, configs["gray"])
		damage(m)
		if out, err := m.Run(y); err == nil || out != nil {
			t.Errorf("%s: no error", name)
		}
	}
}

const golden = `080812036c706e3aaa010a510a01790a016312016622034164642a140a046178697318ffffffffffffffffff01a001022a0e
0a0470616473400040ac02a001072a0e0a046d6f64652203435244a001032a0b0a016b150000003fa0010112036c706e2a11
080210014201634a080000803f000000c02a11080110074201694a08fdffffffffffffff5a140a0179120f0a0d080112090a
0312014e0a02080262140a0166120f0a0d080112090a0312014e0a02080242040a001011720c0a057369676d611203302e31`
