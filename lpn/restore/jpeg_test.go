package restore

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/lpn/priors"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
	"github.com/lpn-imaging/lpn/solvers"
)

func jpegSpec(t *testing.T, text string) operators.Spec {
	t.Helper()
	spec, err := operators.ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// scene is a picture of soft shapes with edges.
func scene(s operators.Shape) operators.Image {
	m := operators.NewImage(s)
	for i := range m.Pix {
		c, y, x := i/(s.H*s.W), float64(i/s.W%s.H), float64(i%s.W)
		v := 0.5 + 0.25*math.Sin(x/9+float64(c)/2)*math.Cos(y/7)
		if math.Hypot(x-40, y-30) < 18 {
			v = 0.75 - 0.1*float64(c)
		}
		if math.Mod(x+2*y, 50) < 3 {
			v -= 0.3
		}
		m.Pix[i] = float32(min(max(v, 0), 1))
	}
	return m
}

// TestJPEGWindows: the measurement of a window is that of its part of the scene.
func TestJPEGWindows(t *testing.T) {
	for _, text := range []string{"jpeg:quality=100,subsampling=420", "jpeg:quality=100,subsampling=411"} {
		spec := jpegSpec(t, text)
		x := scene(operators.Shape{C: 3, H: 105, W: 131})
		a, err := spec.Build(x.Shape)
		if err != nil {
			t.Fatal(err)
		}
		y := operators.NewImage(a.Codomain())
		a.Apply(y.Pix, x.Pix)
		p := &Plan{Operator: spec, Scene: x.Shape, FrameH: x.H, FrameW: x.W, problem: Problem{Y: y, Operator: spec, Scene: x.Shape}}
		back := operators.NewImage(x.Shape)
		for _, r := range spans(x.H, 64, 32) {
			for _, c := range spans(x.W, 64, 32) {
				a, want, err := p.window(r, c)
				if err != nil {
					t.Fatal(err)
				}
				part := operators.NewImage(a.Domain())
				for k := range 3 {
					for i := range part.H {
						copy(part.Pix[(k*part.H+i)*part.W:][:part.W], x.Pix[(k*x.H+r.lo+i)*x.W+c.lo:])
					}
				}
				got := operators.NewImage(a.Codomain())
				a.Apply(got.Pix, part.Pix)
				if got.Shape != want.Shape || distance(got.Pix, want.Pix) > 1e-5 {
					t.Fatalf("%s: window %v %v: measured %v, want %v", text, r, c, got.Shape, want.Shape)
				}
				p.core(part.Pix, r, c).keep(back, 0)
			}
		}
		if !slices.Equal(x.Pix, back.Pix) {
			t.Errorf("%s: the cores do not make the image", text)
		}
	}
}

// TestJPEG: the artefacts of rounding become less, in a run that a theorem covers;
// of a gray picture in colour one channel is restored; and what nobody asked to
// restore more gently is the decoded picture where the prior strains the file.
func TestJPEG(t *testing.T) {
	s := operators.Shape{C: 3, H: 64, W: 80}
	x := scene(s)
	gray := x.Clone()
	copy(gray.Plane(1), gray.Plane(0))
	copy(gray.Plane(2), gray.Plane(0))
	for name, x := range map[string]operators.Image{"colour": x, "gray": gray} {
		for _, text := range []string{"jpeg:quality=15", "jpeg:quality=60,subsampling=444"} {
			e, err := Simulate(x, jpegSpec(t, text), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			e.Problem.Truth = &x
			plan, err := New(e.Problem, Options{Choose: priors.For})
			if err != nil {
				t.Fatal(err)
			}
			r, err := plan.Solve(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			decoded, err := e.Problem.Baseline(context.Background(), "input", 1)
			if err != nil {
				t.Fatal(err)
			}
			before, after := Compare(x, decoded), Compare(x, r.Image)
			if after.PSNR < before.PSNR+0.5 || !r.Certified || !r.Converged || r.Suspect != "" || plan.Gray != (name == "gray") {
				t.Errorf("%s, %s: %.2f -> %.2f dB, certified %v, converged %v, suspect %q, gray %v", name, text, before.PSNR, after.PSNR, r.Certified, r.Converged, r.Suspect, plan.Gray)
			}
		}
	}

	// Random signs at full contrast are no picture.
	rng := rand.New(rand.NewPCG(3, 4))
	odd := operators.NewImage(operators.Shape{C: 1, H: 48, W: 48})
	for i := range odd.Pix {
		odd.Pix[i] = float32(rng.Uint64() & 1)
	}
	e, err := Simulate(odd, jpegSpec(t, "jpeg:quality=85"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.Problem.Noise = noise.White{}
	decoded, err := e.Problem.Baseline(context.Background(), "input", 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, strength := range []float64{0, 1} {
		plan, err := New(e.Problem, Options{Choose: priors.For, Strength: strength})
		if err != nil {
			t.Fatal(err)
		}
		r, err := plan.Solve(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		left := distance(r.Image.Pix, decoded.Pix) < 0.51/255 && strings.HasPrefix(r.Note, "left as it is") && !r.Certified
		if left != (strength == 0) {
			t.Errorf("strength %v: note %q, off by %v", strength, r.Note, distance(r.Image.Pix, decoded.Pix))
		}
	}
}

// TestJPEGInWindows: what is cut for want of memory is restored like the whole.
func TestJPEGInWindows(t *testing.T) {
	x := scene(operators.Shape{C: 1, H: 100, W: 230})
	e, err := Simulate(x, jpegSpec(t, "jpeg:quality=20"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.Problem.Noise = noise.White{}
	plan, err := New(e.Problem, Options{Choose: priors.For})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := plan.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	cut := *plan
	halo, pitch, err := cut.halo()
	if err != nil {
		t.Fatal(err)
	}
	if halo%8 != 0 || pitch%8 != 0 {
		t.Errorf("halo %d and pitch %d: no whole blocks", halo, pitch)
	}
	cut.Windows = &Windows{Side: (128 + pitch - 1) / pitch * pitch, Halo: halo}
	got, err := cut.Solve(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if q := Compare(whole.Image, got.Image); q.PSNR < 45 {
		t.Errorf("in windows it is another picture: %.1f dB", q.PSNR)
	}
}

// TestChooseJPEG: noise above the artefacts is removed, artefacts are undone
// otherwise, and a file without either is left alone.
func TestChooseJPEG(t *testing.T) {
	s := operators.Shape{C: 3, H: 160, W: 160}
	x := scene(s)
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range x.Pix { // a fine texture in one half of it: no noise
		if y, c := i/s.W%s.H, i%s.W; c < 80 {
			x.Pix[i] += 0.04 * float32(math.Sin(float64(c))*math.Cos(1.3*float64(y)))
		}
	}
	noisy := x.Clone()
	(noise.White{Sigma: 12. / 255}).Sample(noisy.Pix, x.Pix, s, rng)
	format := func(quality, subsampling int) operators.JPEGFormat {
		f, err := operators.StandardJPEG(3, quality, subsampling)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, c := range []struct {
		name     string
		f        operators.JPEGFormat
		decoded  operators.Image
		given    noise.Model
		operator string
		noise    noise.Model
		line     string
	}{
		{"artefacts", format(30, 420), x, nil, "jpeg", noise.White{}, "jpeg of quality 30: its artefacts are undone"},
		{"chroma", format(100, 420), x, nil, "jpeg", noise.White{}, "jpeg of quality 100: its artefacts are undone"},
		{"fine", format(99, 444), x, nil, "denoise", noise.White{}, "jpeg of quality 99: nothing to undo"},
		{"noisy", format(90, 420), noisy, nil, "denoise", nil, "jpeg of quality 90: noise of about"},
		{"given", format(90, 420), x, noise.White{Sigma: 0.05}, "denoise", noise.White{Sigma: 0.05}, "jpeg of quality 90: the noise is more"},
		{"little given", format(20, 420), x, noise.White{Sigma: 0.01}, "jpeg", noise.White{Sigma: 0.01}, "jpeg of quality 20: its artefacts"},
	} {
		got := ChooseJPEG(c.f, c.decoded, c.given)
		if got.Operator.Name() != c.operator || got.Noise != c.noise || !strings.HasPrefix(got.Line, c.line) {
			t.Errorf("%s: %s, noise %v: %s", c.name, got.Operator, got.Noise, got.Line)
		}
	}
}

// What is written of a JPEG file lies within black and white, so that a minimiser does
// not is nothing against the result; of another operator it is.
func TestBeyondIsOfWhatIsWritten(t *testing.T) {
	x := scene(operators.Shape{C: 3, H: 48, W: 48})
	for text, suspect := range map[string]bool{"jpeg:quality=30": false, "blur:gaussian,sigma=1": true} {
		e, err := Simulate(x, jpegSpec(t, text), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		e.Problem.Noise = noise.White{Sigma: 0.02}
		p, err := New(e.Problem, Options{Choose: priors.For})
		if err != nil {
			t.Fatal(err)
		}
		far := slices.Clone(x.Pix)
		far[0], far[1] = -0.9, 1.9
		s := p.examine(p.a, p.problem.Y, p.psi, solvers.Result{X: far})
		if why := p.implausible(s, p.expected(p.problem.Y.Pix)); strings.Contains(why, "reaches from") != suspect {
			t.Errorf("%s: from %v to %v: %q", text, s.lo, s.hi, why)
		}
		if far[0] != -0.9 || far[1] != 1.9 {
			t.Errorf("%s: the result was changed", text)
		}
	}
}
