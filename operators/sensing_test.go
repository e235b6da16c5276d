package operators_test

import (
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/operatortest"
)

// sensing makes each kind of compressed sensing.
var sensing = map[string]func(s operators.Shape, ratio float64, seed uint64) (operators.Linear, error){
	"circulant": func(s operators.Shape, ratio float64, seed uint64) (operators.Linear, error) {
		return operators.NewCirculant(s, ratio, seed)
	},
	"hadamard": operators.NewHadamard,
	"fourier":  operators.NewPartialFourier,
	"gaussian": func(s operators.Shape, ratio float64, seed uint64) (operators.Linear, error) {
		return operators.NewGaussianSensing(s, ratio, seed)
	},
}

func TestSensingConformance(t *testing.T) {
	for kind, make := range sensing {
		for _, s := range []operators.Shape{{C: 1, H: 16, W: 16}, {C: 3, H: 13, W: 9}, {C: 1, H: 21, W: 30}, {C: 2, H: 1, W: 7}} {
			for _, ratio := range []float64{0.1, 0.5, 1} {
				a, err := make(s, ratio, 4)
				if err != nil {
					t.Fatal(err)
				}
				t.Run(kind+"/"+s.String(), func(t *testing.T) { operatortest.TestLinear(t, a) })
			}
		}
	}
}

// A A' = I for the orthonormal kinds: y comes back from A A'y.
func TestSensingRowsOrthonormal(t *testing.T) {
	for _, kind := range []string{"hadamard", "fourier"} {
		for _, s := range []operators.Shape{{C: 1, H: 16, W: 32}, {C: 2, H: 8, W: 8}} {
			for _, ratio := range []float64{0.05, 0.3, 1} {
				a, err := sensing[kind](s, ratio, 9)
				if err != nil {
					t.Fatal(err)
				}
				y := make([]float32, a.Codomain().Len())
				for i := range y {
					y[i] = float32(math.Sin(float64(i * i)))
				}
				x, back := make([]float32, s.Len()), make([]float32, len(y))
				a.Adjoint(x, y)
				a.Apply(back, x)
				for i := range y {
					if math.Abs(float64(back[i]-y[i])) > 1e-5 {
						t.Fatalf("%s %v ratio %v: A A'y differs at %d: %v, want %v", kind, s, ratio, i, back[i], y[i])
					}
				}
			}
		}
	}
}

func TestSensingReproducible(t *testing.T) {
	s := operators.Shape{C: 1, H: 12, W: 10}
	for kind, make := range sensing {
		var runs [3][]float32
		for i, seed := range []uint64{1, 1, 2} {
			a, err := make(s, 0.25, seed)
			if err != nil {
				t.Fatal(err)
			}
			runs[i] = measure(a)
		}
		if !equal(runs[0], runs[1]) {
			t.Errorf("%s: the same seed gives another operator", kind)
		}
		if equal(runs[0], runs[2]) {
			t.Errorf("%s: another seed gives the same operator", kind)
		}
	}
}

func measure(a operators.Linear) []float32 {
	x := make([]float32, a.Domain().Len())
	for i := range x {
		x[i] = float32(i%7) - 2.5
	}
	y := make([]float32, a.Codomain().Len())
	a.Apply(y, x)
	return y
}

func equal(a, b []float32) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestSensingErrors(t *testing.T) {
	s := operators.Shape{C: 1, H: 8, W: 8}
	for kind, make := range sensing {
		for _, ratio := range []float64{0, -1, 1.5, math.NaN()} {
			if _, err := make(s, ratio, 0); err == nil {
				t.Errorf("%s: ratio %v: no error", kind, ratio)
			}
		}
		if _, err := make(operators.Shape{C: 1}, 0.5, 0); err == nil {
			t.Errorf("%s: empty shape: no error", kind)
		}
	}
	if _, err := operators.NewGaussianSensing(operators.Shape{C: 1, H: 256, W: 256}, 0.5, 0); err == nil {
		t.Error("gaussian: 32768 x 65536: no error")
	}
}

func TestRadonConformance(t *testing.T) {
	for _, s := range []operators.Shape{{C: 1, H: 16, W: 16}, {C: 2, H: 23, W: 31}, {C: 1, H: 1, W: 9}} {
		for _, detectors := range []int{0, 1, 12, 60} {
			for _, span := range []float64{60, 180, 360} {
				a, err := operators.NewRadon(s, 13, detectors, span)
				if err != nil {
					t.Fatal(err)
				}
				t.Run(s.String(), func(t *testing.T) { operatortest.TestLinear(t, a) })
			}
		}
	}
	for _, c := range []struct {
		angles, detectors int
		span              float64
	}{{0, 5, 180}, {5, -1, 180}, {5, 5, 0}, {5, 5, 361}, {5, 5, math.NaN()}} {
		if _, err := operators.NewRadon(operators.Shape{C: 1, H: 8, W: 8}, c.angles, c.detectors, c.span); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}
