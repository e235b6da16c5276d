package lpn

import (
	"bytes"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/lpn-imaging/lpn/operators"
)

// tiny is a pyramid small enough for tests that measure the gain bound.
func tiny(channels int) Config {
	cfg := Pyramid(channels, 0.1)
	for i := range cfg.Pyramid.Levels {
		cfg.Pyramid.Levels[i] = PyramidLevel{Maps: 4, WK: 3, Features: 32, AK: 3, NK: 1}
	}
	return cfg
}

func TestSaveAndOpen(t *testing.T) {
	for name, cfg := range map[string]Config{"pyramid": tiny(1), "digits": MNIST(4), "paper": Paper128(1, 4)} {
		net, err := New(cfg, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		for _, half := range []bool{false, true} {
			want := net
			if half {
				want = net.Half()
			}
			path := filepath.Join(t.TempDir(), name)
			if err := want.WithMeta("lpn.note", "kept").Save(path, half); err != nil {
				t.Fatal(err)
			}
			got, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if got.Meta("lpn.note") != "kept" {
				t.Error("the note is lost")
			}
			for k, w := range want.Params() {
				// Projecting the equality constraints again moves a weight by
				// a rounding.
				for i, v := range got.Params()[k] {
					if math.Abs(float64(v-w[i])) > 1e-6 {
						t.Fatalf("%s half=%v: %s[%d] = %v, want %v", name, half, k, i, v, w[i])
					}
				}
			}
		}
	}
}

// A file with one weight of the wrong sign, or one that is not a number, is
// refused by name.
func TestOpenRefuses(t *testing.T) {
	net, err := New(Pyramid(1, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	for want, v := range map[string]float32{
		"weight N.0[3] is -0.5: convexity needs it non-negative": -0.5,
		"weight N.0[3] is NaN": float32(math.NaN()),
	} {
		keep := net.params["N.0"][3]
		net.params["N.0"][3] = v
		var b bytes.Buffer
		if err := net.Write(&b, false); err != nil {
			t.Fatal(err)
		}
		net.params["N.0"][3] = keep
		_, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// A file of a network that this version does not know is refused, not read as
// another one.
func TestOpenRefusesUnknown(t *testing.T) {
	net, err := New(tiny(1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := net.Save(path, false); err != nil {
		t.Fatal(err)
	}
	tensors, meta, err := checkpoint.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	meta[keyConfig] = strings.Replace(meta[keyConfig], `"reach"`, `"range"`, 1)
	if err := checkpoint.WriteFile(path, tensors, meta); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), `unknown field "range"`) {
		t.Errorf("error %v", err)
	}
}

// WellPosed makes the gain bound at most 1, and psi then indeed stays below
// 1/2||y||^2 plus a constant along random and flat directions. Energies with a
// threshold need no scaling for it, however wide their gates are.
func TestWellPosed(t *testing.T) {
	for _, threshold := range []float64{0, 40} {
		cfg := tiny(1)
		cfg.Pyramid.Threshold = threshold
		net, err := New(cfg, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		for name, w := range net.params { // open the gates wide
			if strings.HasPrefix(name, "logc") {
				for i := range w {
					w[i] += 3
				}
			}
		}
		if g := net.GainBound(); (g > 1) != (threshold == 0) {
			t.Fatalf("threshold %v: the fresh network has bound %v", threshold, g)
		}
		posed := net.WellPosed()
		if g := posed.GainBound(); g > 1 || (posed == net) != (threshold > 0) {
			t.Fatalf("threshold %v: bound %v after scaling", threshold, g)
		}
		stayBelow(t, posed, threshold)
	}
}

func stayBelow(t *testing.T, net *Network, threshold float64) {
	t.Helper()
	s := operators.Shape{C: 1, H: 32, W: 32}
	b, err := net.On(s)
	if err != nil {
		t.Fatal(err)
	}
	f := make([]float32, s.Len())
	for seed := range uint64(4) {
		x := picture(s, seed)
		if seed == 0 {
			for i := range x {
				x[i] = 1
			}
		}
		slack := func(scale float32) float64 { // 1/2||y||^2 - psi(y)
			y := make([]float32, len(x))
			n := 0.0
			for i, v := range x {
				y[i] = scale * v
				n += float64(y[i]) * float64(y[i]) / 2
			}
			return n - b.Eval(f, y)
		}
		if a, z := slack(1e3), slack(1e4); z < a {
			t.Errorf("threshold %v, seed %d: 1/2||y||^2 - psi falls from %.4g to %.4g as y grows", threshold, seed, a, z)
		}
	}
}
