package noise

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// After the change of scale the deviation is Level at every brightness, and what
// Inverse makes of the mean there is the mean before: within 6% and 0.003, which
// is what a curve that bends costs. Backward undoes Forward.
func TestStabiliser(t *testing.T) {
	const n = 20000
	s := operators.Shape{C: 1, H: 1, W: n}
	curve := Curve{[]Line{{X: []float64{0, 0.3, 1}, Y: []float64{0.03, 0.05, 0.02}}}}
	for _, m := range []Model{Camera{A: 0.004, B: 0.01}, curve, Poisson{Gain: 0.05}, Poisson{Gain: 0.02, Read: 0.05}} {
		st := NewStabiliser(m, 1, 0, 1, false)
		rng := rand.New(rand.NewPCG(1, 2))
		for _, mean := range []float64{0.2, 0.4, 0.6, 0.8} {
			x, y := make([]float32, n), make([]float32, n)
			for i := range x {
				x[i] = float32(mean)
			}
			m.Sample(y, x, s, rng)
			given := slices.Clone(y)
			st.Forward(y, y)
			again := make([]float32, n)
			st.Backward(again, y)
			for i, v := range given {
				if math.Abs(float64(again[i]-v)) > 1e-5 {
					t.Fatalf("%v: %g goes to %g and comes back as %g", m, v, y[i], again[i])
				}
			}
			sum, square := 0.0, 0.0
			for _, v := range y {
				sum += float64(v) / n
				square += float64(v) * float64(v) / n
			}
			if d := math.Sqrt(square - sum*sum); math.Abs(d/st.Level-1) > 0.06 {
				t.Errorf("%v at %g: deviation %g, want %g", m, mean, d, st.Level)
			}
			back := []float32{float32(sum)}
			st.Inverse(back, back)
			if math.Abs(float64(back[0])-mean) > 0.003 {
				t.Errorf("%v at %g: comes back as %g", m, mean, back[0])
			}
		}
	}
}

// A treatment of white noise changes nothing.
func TestTreatWhite(t *testing.T) {
	y := operators.NewImage(operators.Shape{C: 1, H: 4, W: 4})
	y.Pix[3] = 0.7
	tr := Treat(White{0.1}, y, 0, 1, true)
	if tr.Level != 0.1 && math.Abs(tr.Level-0.1) > 1e-8 || tr.Strength != 1 || tr.Stabiliser != nil {
		t.Errorf("%+v", tr)
	}
	x := make([]float32, 16)
	tr.Back(x, tr.Y.Pix)
	if x[3] != 0.7 {
		t.Errorf("comes back as %g", x[3])
	}
}

// What lies far beyond white, as a star does, comes back; of a measurement within
// [0,1], which was clipped there, nothing comes back from beyond.
func TestTreatBeyond(t *testing.T) {
	curve := Curve{[]Line{{X: []float64{0, 1}, Y: []float64{0.01, 0.03}}}}
	e := Estimate{Model: curve, Deviation: 0.02, White: 0.02}
	y := operators.NewImage(operators.Shape{C: 1, H: 16, W: 16})
	for i := range y.Pix {
		y.Pix[i] = 0.5
	}
	for _, peak := range []float32{1, 5} {
		y.Pix[7] = peak
		tr := e.Treat(y)
		x := make([]float32, y.Len())
		tr.Back(x, tr.Y.Pix)
		if math.Abs(float64(x[7]/peak-1)) > 0.1 || x[7] > 1 && peak == 1 {
			t.Errorf("%g comes back as %g", peak, x[7])
		}
		tr.Y.Pix[7] += 0.5
		if tr.Back(x, tr.Y.Pix); peak == 1 && x[7] > 1 {
			t.Errorf("of a clipped measurement %g comes back", x[7])
		}
	}
}

// The fidelity of correlated noise believes a part of its correlation: between that of
// the model and none, with the same deviation.
func TestTreatTrusted(t *testing.T) {
	y := operators.NewImage(operators.Shape{C: 3, H: 16, W: 16})
	for i := range y.Pix {
		y.Pix[i] = 0.5
	}
	for _, sigma := range []float64{4. / 255, 12. / 255, 30. / 255} {
		c := Correlated{White{sigma}, falling(3)}
		tr := Treat(c, y, 0, 1, true)
		model, part := tr.Model.(Correlated), tr.Trusted.(Correlated)
		if got, want := RMS(part, y.Pix, y.Shape), RMS(model, y.Pix, y.Shape); math.Abs(got/want-1) > 1e-6 {
			t.Errorf("deviation %g, of the model %g", got, want)
		}
		share := trusted(tr.Level / correlatedLevel)
		if share < 0.25 || share > 0.5 {
			t.Errorf("%g/255: a share of %g", 255*sigma, share)
		}
		flat := Flat(3)
		for i, p := range part.Spectrum.Power {
			if want := share*model.Spectrum.Power[i] + (1-share)*flat.Power[i]; math.Abs(p-want) > 1e-12 {
				t.Fatalf("power %g, want %g", p, want)
			}
		}
	}
}
