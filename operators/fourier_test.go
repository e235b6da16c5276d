package operators_test

import (
	"math"
	"math/cmplx"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/operatortest"
)

func TestMRIConformance(t *testing.T) {
	for _, s := range []operators.Shape{{C: 1, H: 16, W: 16}, {C: 3, H: 13, W: 9}, {C: 1, H: 8, W: 27}, {C: 1, H: 21, W: 1}} {
		for _, accel := range []float64{1, 2, 4} {
			a, err := operators.NewMRI(s, accel, 0.1, 5)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(s.String(), func(t *testing.T) { operatortest.TestLinear(t, a) })
		}
		// No row together with its mirror image: the norm is sqrt(1/2).
		a, err := operators.NewMRIRows(s, []int32{1, 3})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(s.String(), func(t *testing.T) { operatortest.TestLinear(t, a) })
	}
}

func TestMRIAgainstDefinition(t *testing.T) {
	s := operators.Shape{C: 2, H: 6, W: 5}
	a, err := operators.NewMRI(s, 2, 0.3, 1)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, s.Len())
	for i := range x {
		x[i] = float32(math.Cos(float64(i * i)))
	}
	y := make([]float32, a.Codomain().Len())
	a.Apply(y, x)
	rows := a.Rows()
	for c := range s.C {
		for k, u := range rows {
			for v := range s.W {
				var z complex128
				for i := range s.H {
					for j := range s.W {
						phase := float64(int(u)*i)/float64(s.H) + float64(v*j)/float64(s.W)
						z += complex(float64(x[(c*s.H+i)*s.W+j]), 0) * cmplx.Exp(complex(0, -2*math.Pi*phase))
					}
				}
				z /= complex(math.Sqrt(float64(s.H*s.W)), 0)
				at := func(part int) float64 { return float64(y[((2*c+part)*len(rows)+k)*s.W+v]) }
				if d := cmplx.Abs(z - complex(at(0), at(1))); d > 1e-6 {
					t.Errorf("channel %d, row %d, column %d: off by %.2g", c, u, v, d)
				}
			}
		}
	}
}

func TestMRIRows(t *testing.T) {
	a, err := operators.NewMRI(operators.Shape{C: 1, H: 100, W: 4}, 4, 0.08, 3)
	if err != nil {
		t.Fatal(err)
	}
	if n := a.Codomain().H; n != 25 {
		t.Errorf("%d rows, want 25", n)
	}
	has := map[int32]bool{}
	for _, u := range a.Rows() {
		has[u] = true
	}
	for _, u := range []int32{0, 1, 2, 3, 4, 97, 98, 99} {
		if !has[u] {
			t.Errorf("row %d of the centre is not measured", u)
		}
	}
}

func TestMRIErrors(t *testing.T) {
	s := operators.Shape{C: 1, H: 20, W: 10}
	for _, c := range []struct{ accel, center float64 }{{0.5, 0}, {21, 0}, {math.NaN(), 0}, {4, -0.1}, {4, 2}, {4, 0.5}, {2, math.NaN()}} {
		if _, err := operators.NewMRI(s, c.accel, c.center, 0); err == nil {
			t.Errorf("accel %v, center %v: no error", c.accel, c.center)
		}
	}
	for _, rows := range [][]int32{nil, {20}, {-1}, {3, 3}} {
		if _, err := operators.NewMRIRows(s, rows); err == nil {
			t.Errorf("rows %v: no error", rows)
		}
	}
}
