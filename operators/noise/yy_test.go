package noise

import (
	"fmt"
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
)

func TestYY(t *testing.T) {
	for _, n := range []string{"00_b", "01_c"} {
		x := rd("../../../shared/data/camera/x" + n[:2] + ".png")
		y := rd("../../../shared/data/camera/y" + n + ".png")
		ps := patches(y)
		f := newFit(ps, 3)
		for range rounds {
			f.choose(ps)
			f.measure(ps)
		}
		d := operators.NewImage(x.Shape)
		for i := range d.Pix {
			d.Pix[i] = y.Pix[i] - x.Pix[i]
		}
		plan := kernel.NewDCT2(8, 8)
		for c := range 3 {
			var p [64]float64
			cnt := 0.0
			b := make([]float32, 64)
			for yy := 0; yy+8 <= d.H; yy += 3 {
				for xx := 0; xx+8 <= d.W; xx += 3 {
					for i := range 8 {
						copy(b[i*8:i*8+8], d.Pix[(c*d.H+yy+i)*d.W+xx:])
					}
					plan.Forward(b, b)
					cnt++
					for k, v := range b {
						p[k] += float64(v * v)
					}
				}
			}
			m := 0.0
			for k := range p {
				p[k] /= cnt
				m += p[k] / 64
			}
			fmt.Printf("%s c%d true dev %.2f scale %.2f curve %.2f\n", n, c, 255*math.Sqrt(m), 255*f.scale[c], f.curve.Y)
			for k := range 40 {
				fmt.Printf(" %5.2f/%5.2f", f.power[c][k]*f.scale[c]*f.scale[c]*255*255, p[k]*255*255)
				if k%8 == 7 {
					fmt.Println()
				}
			}
		}
	}
}
