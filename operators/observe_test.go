package operators_test

import (
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/operatortest"
)

func TestObserve(t *testing.T) {
	s := operators.Shape{C: 2, H: 9, W: 11}
	k, err := operators.GaussianKernel(1, 5)
	if err != nil {
		t.Fatal(err)
	}
	blur, err := operators.NewBlur(s, k, operators.Reflect)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []operators.Linear{blur, operators.NewIdentity(s)} {
		keep := make([]bool, s.Len())
		if _, err := operators.Observe(a, keep); err == nil {
			t.Error("nothing is observed")
		}
		for i := range keep {
			keep[i] = i%3 > 0
		}
		o, err := operators.Observe(a, keep)
		if err != nil {
			t.Fatal(err)
		}
		operatortest.TestLinear(t, o)
		x, y := operators.NewImage(s), operators.NewImage(s)
		for i := range x.Pix {
			x.Pix[i] = 1
		}
		o.Apply(y.Pix, x.Pix)
		for i, v := range y.Pix {
			if (v == 0) == keep[i] {
				t.Fatalf("sample %d is %v", i, v)
			}
		}
	}
}
