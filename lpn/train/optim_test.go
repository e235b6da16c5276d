package train

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/sbinet/npyio/npz"
)

// One step from PyTorch's gradients lands on PyTorch's weights.
func TestAdamGolden(t *testing.T) {
	for _, net := range []string{"lpn1d", "lpn_mnist"} {
		z, err := npz.Open(filepath.Join("..", "testdata", "golden", net+".npz"))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		read := func(key string) (x []float32) {
			if err := z.Read(key+".npy", &x); err != nil {
				t.Fatal(key, err)
			}
			return x
		}
		var names []string
		var w, g, want [][]float32
		var lengths []int
		for _, key := range z.Keys() {
			name, ok := strings.CutPrefix(strings.TrimSuffix(key, ".npy"), "adam1.")
			if !ok {
				continue
			}
			names = append(names, name)
			w = append(w, read("w."+name))
			g = append(g, read("grad_l1."+name))
			want = append(want, read("adam1."+name))
			lengths = append(lengths, len(w[len(w)-1]))
		}
		if len(names) < 10 {
			t.Fatalf("%s: only %v", net, names)
		}
		NewAdam(lengths, 0.9, 0.999).Update(w, g, 1e-3)
		for i, name := range names {
			for j, v := range w[i] {
				if strings.HasPrefix(name, "lin.") && !strings.HasPrefix(name, "lin.0.") && strings.HasSuffix(name, "weight") {
					v = max(v, 0)
				}
				// The step is 1e-3; float32 rounds weights near 1 to 6e-8.
				if d := math.Abs(float64(v - want[i][j])); d > 2e-7 {
					t.Fatalf("%s: %s[%d] is off by %g", net, name, j, d)
				}
			}
		}
	}
}

// Ten steps on a quadratic against the recurrence in float64, then a resumed
// optimiser that goes on exactly as the first.
func TestAdamRecurrenceAndResume(t *testing.T) {
	names := []string{"a", "b"}
	w := [][]float32{{1, -2, 3}, {0.5}}
	a := NewAdam([]int{3, 1}, 0.9, 0.99)
	ref, m, v := []float64{1, -2, 3, 0.5}, make([]float64, 4), make([]float64, 4)
	grad := func() [][]float32 { return [][]float32{{w[0][0], 2 * w[0][1], w[0][2] - 1}, {w[1][0]}} }
	step := func() { a.Update(w, grad(), 0.01) }
	for k := 1; k <= 10; k++ {
		g := []float64{ref[0], 2 * ref[1], ref[2] - 1, ref[3]}
		step()
		for i := range ref {
			m[i] = 0.9*m[i] + 0.1*g[i]
			v[i] = 0.99*v[i] + 0.01*g[i]*g[i]
			ref[i] -= 0.01 * (m[i] / (1 - math.Pow(0.9, float64(k)))) / (math.Sqrt(v[i]/(1-math.Pow(0.99, float64(k)))) + 1e-8)
		}
	}
	for i, x := range append(slices.Clone(w[0]), w[1]...) {
		if math.Abs(float64(x)-ref[i]) > 1e-5 {
			t.Errorf("weight %d is %v, want %v", i, x, ref[i])
		}
	}
	path := filepath.Join(t.TempDir(), "state")
	if err := checkpoint.WriteFile(path, a.tensors(names), nil); err != nil {
		t.Fatal(err)
	}
	saved := [][]float32{slices.Clone(w[0]), slices.Clone(w[1])}
	step()
	want := [][]float32{slices.Clone(w[0]), slices.Clone(w[1])}
	tensors, _, err := checkpoint.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, w = NewAdam([]int{3, 1}, 0.9, 0.99), saved
	if err := a.restore(names, tensors, 10); err != nil {
		t.Fatal(err)
	}
	step()
	if !slices.Equal(w[0], want[0]) || !slices.Equal(w[1], want[1]) {
		t.Error("the resumed optimiser goes elsewhere")
	}
	if err := a.restore([]string{"a", "c"}, tensors, 10); err == nil || !strings.Contains(err.Error(), "adam.m.c") {
		t.Errorf("missing tensor: %v", err)
	}
	if err := NewAdam([]int{3, 2}, 0.9, 0.99).restore(names, tensors, 10); err == nil {
		t.Error("wrong length accepted")
	}
}

// The norm is that of all gradients together, and clipping keeps their
// direction.
func TestClip(t *testing.T) {
	for _, c := range []struct{ limit, want float64 }{{0, 1}, {2, 1}, {0.25, 0.25}} { // in norms of the gradient
		s, err := newRun(quick(small(0.1), 2))
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		sum := 0.0
		var before []float32
		for _, g := range s.g {
			for i := range g {
				g[i] = float32(rng.NormFloat64())
				sum += float64(g[i]) * float64(g[i])
			}
			before = append(before, g...)
		}
		norm := s.m.norm()
		if math.Abs(norm-math.Sqrt(sum)) > 1e-9*norm {
			t.Errorf("norm %g, want %g", norm, math.Sqrt(sum))
		}
		s.o.Clip = c.limit * norm
		s.move(1e-3, norm)
		at := 0
		for _, g := range s.g {
			for _, v := range g {
				if want := c.want * float64(before[at]); math.Abs(float64(v)-want) > 1e-6*math.Abs(want) {
					t.Fatalf("limit %g: element %d is %g, want %g", c.limit, at, v, want)
				}
				at++
			}
		}
		s.g[0][0] = float32(math.NaN())
		if n := s.m.norm(); !math.IsNaN(n) {
			t.Errorf("norm %g of a gradient that is not a number", n)
		}
		s.m.close()
	}
}

func TestEMA(t *testing.T) {
	e := NewEMA([][]float32{{1}, {2, 2}}, 0.9)
	want := 1.0
	for k := range 50 {
		e.Update([][]float32{{float32(k)}, {2, 2}})
		want = 0.9*want + 0.1*float64(k)
	}
	if math.Abs(float64(e.W[0][0])-want) > 1e-4 || e.W[1][1] != 2 {
		t.Errorf("average %v, want %v", e.W, want)
	}
	f := NewEMA([][]float32{{0}, {0, 0}}, 0.9)
	if err := f.restore([]string{"x", "y"}, e.tensors([]string{"x", "y"})); err != nil || f.W[0][0] != e.W[0][0] {
		t.Errorf("restored %v, %v", f.W, err)
	}
}
