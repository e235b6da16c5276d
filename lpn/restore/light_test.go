package restore_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/lpn/restore"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

// lamps is a dark scene with bright spots, where light and numbers differ most.
func lamps(h, w int) operators.Image {
	m := blobs(h, w)
	for i := range m.Pix {
		y, x := float64(i/w), float64(i%w)
		m.Pix[i] *= 0.5
		if math.Mod(x, 17) < 4 && math.Mod(y, 19) < 5 {
			m.Pix[i] = 0.95
		}
	}
	return m
}

// TestSimulateLight: what an operator on light measures of two plain halves is, behind
// the blur's reach, the halves, and between them the curve of sRGB (IEC 61966-2-1) of
// mixed light, not the mean of the numbers. Operators that are no optics are refused.
func TestSimulateLight(t *testing.T) {
	spec, err := operators.ParseSpec("sr:factor=2")
	if err != nil {
		t.Fatal(err)
	}
	mask, err := operators.ParseSpec("inpaint:ratio=0.5")
	if err != nil {
		t.Fatal(err)
	}
	scene := operators.NewImage(operators.Shape{C: 3, H: 4, W: 6})
	for i := range scene.Pix {
		if i%6 < 3 {
			scene.Pix[i] = 0.8
		}
	}
	e, err := restore.SimulateLight(scene, spec, restore.LightLinear, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	light := math.Pow((0.8+0.055)/1.055, 2.4) / 2
	want := []float64{0.8, 1.055*math.Pow(light, 1/2.4) - 0.055, 0}
	for i, v := range e.Problem.Y.Pix {
		if math.Abs(float64(v)-want[i%3]) > 1e-5 {
			t.Errorf("sample %d is %v, want %v", i, v, want[i%3])
		}
	}
	if e.Problem.Light != restore.LightLinear {
		t.Errorf("the problem's light is %q", e.Problem.Light)
	}
	var bad *restore.OptionError
	if _, err := restore.SimulateLight(scene, mask, restore.LightLinear, nil, nil); !errors.As(err, &bad) || bad.Option != "light" {
		t.Errorf("inpaint: %v", err)
	}
	if _, err := restore.SimulateLight(scene, spec, restore.LightAuto, nil, nil); !errors.As(err, &bad) || bad.Option != "light" {
		t.Errorf("auto: %v", err)
	}
}

// TestLight: of a scene blurred in linear light and of one blurred in its numbers, each
// is found out, and restored better than by the other.
func TestLight(t *testing.T) {
	spec, err := operators.ParseSpec("blur:gaussian,sigma=1.5")
	if err != nil {
		t.Fatal(err)
	}
	truth := lamps(64, 72)
	a, err := spec.Build(truth.Shape)
	if err != nil {
		t.Fatal(err)
	}
	for _, light := range []restore.Light{restore.LightNumbers, restore.LightLinear} {
		x, y := truth.Clone(), operators.NewImage(truth.Shape)
		if light == restore.LightLinear {
			solvers.Decode(x.Pix, x.Pix)
		}
		a.Apply(y.Pix, x.Pix)
		if light == restore.LightLinear {
			solvers.Encode(y.Pix, y.Pix)
		}
		operators.AddGaussian(y.Pix, y.Pix, 0.01, rand.New(rand.NewPCG(1, 2)))
		p := restore.Problem{Y: y, Operator: spec, Noise: noise.White{Sigma: 0.01}, Range: restore.Unit}
		got := map[restore.Light]float64{}
		for _, as := range []restore.Light{restore.LightNumbers, restore.LightLinear, restore.LightAuto} {
			p.Light = as
			plan, err := restore.New(p, restore.Options{Choose: priors.For, Threads: 1, Iters: 25})
			if err != nil {
				t.Fatal(err)
			}
			if as == restore.LightAuto {
				if plan.Light != light || plan.LightLine == "" {
					t.Errorf("blurred in %q: found %q, %s", light, plan.Light, plan.LightLine)
				}
				continue
			}
			r, err := plan.Solve(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if as == restore.LightLinear && r.Certified {
				t.Error("linear light is certified")
			}
			for k := range r.Trace[1:] {
				if r.Trace[k+1].Objective > r.Trace[k].Objective*(1+1e-6) {
					t.Errorf("the objective rises at %d", k+1)
				}
			}
			got[as] = restore.Compare(truth, r.Image).PSNR
		}
		other := restore.LightLinear
		if light == other {
			other = restore.LightNumbers
		}
		if got[light] < got[other]+1 {
			t.Errorf("blurred in %q: %.2f dB, by the other %.2f", light, got[light], got[other])
		}
	}
	for text, says := range map[string]string{"denoise": "not with denoise", "inpaint:ratio=0.5": "not with inpaint"} {
		other, err := operators.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = restore.New(restore.Problem{Y: truth, Operator: other, Light: restore.LightLinear, Noise: noise.White{Sigma: 0.01}, Range: restore.Unit}, restore.Options{Choose: priors.For})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestVarying: a blur that varies is undone better as what it is than by its middle.
func TestVarying(t *testing.T) {
	truth := lamps(48, 64)
	mosaic := operators.NewImage(operators.Shape{C: 1, H: 11, W: 33})
	for q, sigma := range []float64{0.7, 1.4, 2.1} {
		k, err := operators.GaussianKernel(sigma, 11)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range k.Taps {
			mosaic.Pix[i/11*33+q*11+i%11] = float32(v)
		}
	}
	spec, err := operators.ParseSpec("blur:kernel=m,grid=3x1")
	if err != nil {
		t.Fatal(err)
	}
	e, err := restore.Simulate(truth, spec.WithData(mosaic), noise.White{Sigma: 0.005}, rand.New(rand.NewPCG(3, 4)))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := psnrOf(t, e.Problem, truth)
	if e.Problem.Operator, err = operators.ParseSpec("blur:gaussian,sigma=1.4"); err != nil {
		t.Fatal(err)
	}
	plan, err := restore.New(e.Problem, restore.Options{Choose: priors.For, Threads: 1, Iters: 60})
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if other := restore.Compare(truth, r.Image).PSNR; got < other+1 {
		t.Errorf("varying: %.2f dB, one kernel %.2f", got, other)
	}
}

// TestClippedLamps: lamps many times as bright as white, moved and clipped. With the
// kernel that moved them their streaks go from the dark parts around them.
func TestClippedLamps(t *testing.T) {
	spec, err := operators.ParseSpec("blur:motion,length=15,angle=30")
	if err != nil {
		t.Fatal(err)
	}
	truth := blobs(128, 128)
	lamp := func(i int) (inside, near bool) {
		for _, c := range [][3]float64{{30, 40, 2.5}, {80, 70, 3}, {60, 104, 2}, {104, 25, 2}} {
			d := math.Hypot(float64(i/128)-c[0], float64(i%128)-c[1])
			inside, near = inside || d <= c[2], near || d <= c[2]+2
		}
		return inside, near
	}
	for i := range truth.Pix {
		truth.Pix[i] *= 0.15
	}
	light := truth.Clone()
	solvers.Decode(light.Pix, light.Pix)
	for i := range light.Pix {
		if in, _ := lamp(i); in {
			light.Pix[i] = 8
		}
	}
	a, err := spec.Build(truth.Shape)
	if err != nil {
		t.Fatal(err)
	}
	y := operators.NewImage(truth.Shape)
	a.Apply(y.Pix, light.Pix)
	solvers.Encode(y.Pix, y.Pix)
	noise.White{Sigma: 0.004}.Sample(y.Pix, y.Pix, y.Shape, rand.New(rand.NewPCG(3, 4)))
	for i, v := range y.Pix {
		y.Pix[i] = float32(math.Round(255*float64(min(max(v, 0), 1))) / 255)
	}
	plan, err := restore.New(restore.Problem{Y: y, Operator: spec, Noise: noise.White{Sigma: 0.004}, Light: restore.LightAuto, Range: restore.Unit}, restore.Options{Choose: priors.For})
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	dark := func(x operators.Image) float64 {
		sum, n := 0.0, 0.0
		for i, v := range x.Pix {
			if _, near := lamp(i); !near {
				sum += math.Pow(float64(min(max(v, 0), 1)-truth.Pix[i]), 2)
				n++
			}
		}
		return math.Sqrt(sum / n)
	}
	before, after := dark(y), dark(r.Image)
	t.Logf("dark parts: %.4f, after %.4f; %v; %q; suspect %q", before, after, r.LeftAlone, r.Note, r.Suspect)
	if !(after < before/4) {
		t.Errorf("dark parts are %.4f from the truth, the measurement's %.4f; %s", after, before, r.Note)
	}
}
