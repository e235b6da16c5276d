package restore

import (
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// Of an image whose left half is flat and whose right half is a board, of which 1 and
// 2.5 were taken, the unevenness is 2.5; of few blocks it is 1.
func TestUnevenness(t *testing.T) {
	x, y := operators.NewImage(operators.Shape{C: 2, H: 40, W: 64}), operators.NewImage(operators.Shape{C: 2, H: 40, W: 64})
	for i := range x.Pix {
		taken := float32(1)
		if i%64 >= 32 {
			x.Pix[i], taken = float32(i%2), 2.5
		}
		y.Pix[i] = x.Pix[i] + taken
	}
	if u := unevenness(y, x.Pix); math.Abs(u-2.5) > 1e-6 {
		t.Errorf("%g, want 2.5", u)
	}
	if u := unevenness(operators.NewImage(operators.Shape{C: 1, H: 24, W: 24}), make([]float32, 24*24)); u != 1 {
		t.Errorf("of few blocks %g", u)
	}
}
