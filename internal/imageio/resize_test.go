package imageio

import (
	"fmt"
	"math"
	"testing"
)

// TestResizeAlpha compares with Pillow's bicubic interpolation.
func TestResizeAlpha(t *testing.T) {
	alpha := make([]uint16, otherH*otherW)
	for i := range alpha {
		alpha[i] = uint16(200*base(0, i/otherW, i%otherW, 0) + 5000)
	}
	for _, size := range [][2]int{{34, 46}, {25, 60}, {9, 11}} {
		ref := readOther(t, fmt.Sprintf("bicubic-%d.npy", size[0]))
		got := ResizeAlpha(alpha, otherH, otherW, size[0], size[1])
		for i, v := range got {
			want := min(max(200*float64(ref.Pix[i])+5000, 0), 65535)
			if math.Abs(float64(v)-want) > 0.6 {
				t.Fatalf("%v: pixel %d is %d, want %.2f", size, i, v, want)
			}
		}
	}
	if ResizeAlpha(nil, 2, 2, 4, 4) != nil {
		t.Error("opacity out of nothing")
	}
}
