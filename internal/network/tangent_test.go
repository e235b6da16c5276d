package network_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/internal/network/plain"
)

// everything records every operation but one or the other that only moves samples,
// nonlinear ones with values that matter, and returns planes.
func everything(r network.Recorder) network.Value {
	same := network.Geom{K: 3, Stride: 1, Pad: 1}
	m := network.Margins{Top: 1, Bottom: 1, Left: 2, Right: 2}
	d := r.Dims(r.Input())
	x := r.Interleave(r.Input(), 2)
	h := r.Bias(r.Conv(x, r.Param("w"), same), r.Param("b"))
	z, s := r.Act(h, network.Activation{Kind: network.Softplus, Beta: 2}, 0), r.Act(h, network.Activation{Kind: network.Softplus, Beta: 2}, 1)
	z = r.Add(r.Mul(z, s), r.Act(h, network.Activation{Kind: network.Huber, Beta: 0.5}, 0))
	z = r.Add(z, r.Act(h, network.Activation{Kind: network.HardGate}, 1))
	z = r.Add(z, r.Mul(r.Softmax(h, 2), r.Expand(r.LogSumExp(h, 2), 2)))
	z = r.Add(z, r.Expand(r.GroupSum(r.HalfSquare(h), 2), 2))
	one := make([]float32, 8*6)
	for i := range one {
		one[i] = float32(i) / 48
	}
	z = r.Add(z, r.Mul(h, r.Outer(one, r.Exp(r.Param("b")), r.Dims(h))))
	z = r.Add(z, r.AvgPoolT(r.AvgPool(r.Scale(h, 3))))
	z = r.Add(z, r.DepthToSpace(r.SpaceToDepth(h, 2), 2))
	z = r.Add(z, r.ResizeT(r.Resize(h, 4, 3), 8, 6))
	r.Energy(1, z, z)
	f := r.Deinterleave(r.ConvT(z, r.Param("w"), same, d.H, d.W))
	return r.PadSymT(r.PadSym(f, m), m)
}

// TestTangent compares with central differences in float64.
func TestTangent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	d := network.Dims{N: 4, H: 8, W: 6, C: 1}
	params := []network.Param{{Name: "w", Dims: []int{3, 3, 2, 4}}, {Name: "b", Dims: []int{4}}}
	weights := map[string][]float32{"w": random(72), "b": random(4)}
	y, v := random(d.Len()), random(d.Len())
	const eps = 1.0 / (1 << 12) // y and v are moved without rounding, nearly
	at := func(k float32) []float64 {
		x := make([]float32, len(y))
		for i := range x {
			x[i] = y[i] + k*eps*v[i]
		}
		return plain.Data(everything(plain.New(d, params, weights, x)))
	}
	up, down := at(1), at(-1)
	got := plain.Data(network.Tangent(plain.New(d, params, weights, y), plain.Of(d, v), everything))
	diff, size := 0.0, 0.0
	for i, g := range got {
		w := (up[i] - down[i]) / (2 * eps)
		diff += (g - w) * (g - w)
		size += w * w
	}
	if e := math.Sqrt(diff / size); !(e < 1e-3) { // the kinks of Huber and the hard gate
		t.Errorf("the tangent is off by %.2g of the difference quotient", e)
	}
}

// TestProject: the constraints hold afterwards, and what it does again is nothing.
func TestProject(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	d := network.Definition{Channels: 2, Params: []network.Param{
		{Name: "n", Dims: []int{5}, Constraint: network.NonNegative},
		{Name: "z", Dims: []int{3, 3, 8, 3}, Constraint: network.ZeroMean},
		{Name: "u", Dims: []int{5, 5, 1, 1}, Constraint: network.UnitGain},
		{Name: "v", Dims: []int{5, 5, 1, 1}, Constraint: network.UnitGain},
	}}
	w := map[string][]float32{}
	for _, p := range d.Params {
		for range p.Len() {
			w[p.Name] = append(w[p.Name], float32(rng.NormFloat64()))
		}
	}
	d.Project(w)
	for i, v := range w["n"] {
		if v < 0 {
			t.Errorf("n[%d] is %v", i, v)
		}
	}
	for k := range 3 {
		var sums [2]float64 // channels 0 to 3 are the first plane's
		for i := k; i < len(w["z"]); i += 3 {
			sums[i/3%8/4] += float64(w["z"][i])
		}
		if math.Abs(sums[0])+math.Abs(sums[1]) > 1e-5 {
			t.Errorf("filter %d sums to %v", k, sums)
		}
	}
	gain := 0.0
	for _, name := range []string{"u", "v"} {
		sum := 0.0
		for _, x := range w[name] {
			sum += float64(x)
		}
		gain += sum * sum
	}
	if math.Abs(gain-1) > 1e-6 {
		t.Errorf("the gain is %v", gain)
	}
	// The gradient of <c,Project(w)> in w, by central differences along v.
	c, v := map[string][]float32{}, map[string][]float32{}
	for _, p := range d.Params {
		for range p.Len() {
			c[p.Name] = append(c[p.Name], float32(rng.NormFloat64()))
			v[p.Name] = append(v[p.Name], float32(rng.NormFloat64()))
		}
	}
	const eps = 1.0 / (1 << 8)
	at := func(k float32) (sum float64) {
		moved := map[string][]float32{}
		for name, x := range w {
			for i := range x {
				moved[name] = append(moved[name], x[i]+k*eps*v[name][i])
			}
		}
		d.ProjectEqualities(moved)
		for name, x := range moved {
			for i := range x {
				sum += float64(c[name][i]) * float64(x[i])
			}
		}
		return sum
	}
	want := (at(1) - at(-1)) / (2 * eps)
	d.ProjectGradient(c, w)
	got := 0.0
	for name, x := range c {
		for i := range x {
			got += float64(x[i]) * float64(v[name][i])
		}
	}
	if math.Abs(got-want) > 2e-3*math.Abs(want) {
		t.Errorf("the gradient along v is %v, and the difference quotient %v", got, want)
	}
}
