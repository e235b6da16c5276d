package lpn

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/internal/checkpoint"
	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/sbinet/npyio/npz"
)

// An archive is a golden .npz file.
type archive struct {
	t *testing.T
	r *npz.Reader
}

func openArchive(t *testing.T, name string) archive {
	t.Helper()
	r, err := npz.Open(filepath.Join("testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return archive{t, r}
}

func (a archive) shape(name string) []int { return a.r.Header(name + ".npy").Descr.Shape }

func (a archive) f32(name string) []float32 {
	a.t.Helper()
	var x []float32
	if err := a.r.Read(name+".npy", &x); err != nil {
		a.t.Fatalf("%s: %v", name, err)
	}
	return x
}

func (a archive) f64(name string) []float64 {
	a.t.Helper()
	var x []float64
	if err := a.r.Read(name+".npy", &x); err != nil {
		a.t.Fatalf("%s: %v", name, err)
	}
	return x
}

// weights returns the tensors whose names begin with prefix, without it.
func (a archive) weights(prefix string) map[string]checkpoint.Tensor {
	out := map[string]checkpoint.Tensor{}
	for _, key := range a.r.Keys() {
		if name, ok := strings.CutPrefix(strings.TrimSuffix(key, ".npy"), prefix); ok {
			shape := a.shape(prefix + name)
			if len(shape) == 0 {
				continue
			}
			out[name] = checkpoint.Tensor{Name: name, Shape: shape, Data: a.f32(prefix + name)}
		}
	}
	return out
}

// relative is ||a-b|| / ||b||.
func relative(a, b []float32) float64 {
	var d, n float64
	for i := range b {
		d += (float64(a[i]) - float64(b[i])) * (float64(a[i]) - float64(b[i]))
		n += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(d / n)
}

// levels calls f once for every instruction set of this machine.
func levels(t *testing.T, f func(t *testing.T)) {
	for _, l := range kernel.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			defer kernel.SetLevel(l)()
			f(t)
		})
	}
}

func goldenNet(t *testing.T, name string, w map[string]checkpoint.Tensor) *Network {
	t.Helper()
	beta := 10.0
	if name == "lpn_128" {
		beta = 100
	}
	n, err := fromTorch(w, beta, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGoldenPaperNetworks(t *testing.T) {
	for _, name := range []string{"lpn1d", "lpn_mnist", "lpn_128"} {
		a := openArchive(t, name+".npz")
		fromPT, err := checkpoint.ReadTorchFile(filepath.Join("testdata", "golden", name+".pt"))
		if err != nil {
			t.Fatal(err)
		}
		for kind, w := range map[string]map[string]checkpoint.Tensor{"npz": a.weights("w."), "pt": fromPT} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				levels(t, func(t *testing.T) {
					net := goldenNet(t, name, w)
					checkGolden(t, net, a.shape("y"), a.f32("y"), a.f32("f"), a.f32("psi"))
				})
			})
		}
	}
}

func checkGolden(t *testing.T, net *Network, shape []int, y, f, psi []float32) {
	t.Helper()
	s := operators.Shape{C: shape[1], H: 1, W: 1}
	if len(shape) == 4 {
		s.H, s.W = shape[2], shape[3]
	}
	for _, opts := range [][]Option{{Batch(shape[0])}, {Batch(shape[0]), Direct(), Threads(3)}} {
		b, err := net.On(s, opts...)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(y))
		gotPsi := make([]float64, shape[0])
		b.EvalEach(got, y, gotPsi)
		// Both sides are float32; 1e-5 is some hundred roundings.
		if e := relative(got, f); !(e <= 1e-5) {
			t.Errorf("f is off by %.2g relative", e)
		}
		for i := range psi {
			if e := math.Abs(gotPsi[i]-float64(psi[i])) / math.Abs(float64(psi[i])); !(e <= 1e-5) {
				t.Errorf("psi[%d] = %v, want %v", i, gotPsi[i], psi[i])
			}
		}
	}
}

// goldenPyramid maps the golden file's raw parameters to ours.
func goldenPyramid(t *testing.T, a archive) *Network {
	t.Helper()
	var logal float32
	if err := a.r.Read("w.logal.npy", &logal); err != nil {
		t.Fatal(err)
	}
	cfg := Pyramid(1, 25./255)
	cfg.Alpha = math.Exp(float64(logal))
	cfg.Pyramid.Slack = 0
	cfg.Unit = 1 // the golden pictures are in noise units
	params := map[string][]float32{}
	for name, x := range a.weights("w.") {
		kind, level, _ := strings.Cut(name, ".")
		if len(x.Shape) == 4 {
			x = checkpoint.HWIO(x)
		}
		switch kind {
		case "V":
			for k := range 2 {
				v := make([]float32, 81)
				for i := range v {
					v[i] = x.Data[i*2+k]
				}
				params[fmt.Sprintf("V.%d", k)] = v
			}
		case "T":
			params["T.1"] = x.Data
		case "c", "a":
			params["log"+kind+"."+level] = x.Data
		default:
			params[name] = slices.Clone(x.Data)
		}
	}
	cfg.Definition().ProjectEqualities(params)
	net, err := FromParams(cfg, params)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func TestGoldenPyramid(t *testing.T) {
	a := openArchive(t, "pyramid.npz")
	net := goldenPyramid(t, a)
	for _, kind := range []string{"even", "odd"} {
		t.Run(kind, func(t *testing.T) {
			levels(t, func(t *testing.T) {
				var psi []float32
				for _, v := range a.f64("psi_" + kind) {
					psi = append(psi, float32(v))
				}
				checkGolden(t, net, a.shape("x_"+kind), a.f32("x_"+kind), a.f32("f_"+kind), psi)
			})
		})
	}
}
