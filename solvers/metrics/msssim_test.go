package metrics

import (
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

// TestMSSSIMGolden compares with pytorch-msssim 1.0.0 in double precision,
// ms_ssim(est.clip(0, 1), ref, data_range=1.0), a channel at a time. Its window is of single precision.
// It pads odd sides where the authors' program leaves the last row out, so the sides are even
// at every scale.
func TestMSSSIMGolden(t *testing.T) {
	ref, est := grayPair(t)
	whole := operators.Shape{C: 1, H: 256, W: 256}
	negative, grey := make([]float32, len(ref)), make([]float32, len(ref))
	for i, v := range ref {
		negative[i], grey[i] = 1-v, 0.5
	}
	for _, c := range []struct {
		what     string
		ref, est []float32
		s        operators.Shape
		want     float64
	}{
		{"noisy", ref, est, whole, 0.9058162903198549},
		{"part", cut(ref, 256, 7, 11, 208, 176), cut(est, 256, 7, 11, 208, 176), operators.Shape{C: 1, H: 208, W: 176}, 0.9174089876232082},
		{"negative", ref, negative, whole, 0},
		{"flat", ref, grey, whole, 0.2310035204285611},
		{"equal", ref, ref, whole, 1},
	} {
		if got := MSSSIM(c.ref, c.est, c.s); math.Abs(got-c.want) > 1e-5 {
			t.Errorf("%s: MS-SSIM %.9f, pytorch-msssim has %.9f", c.what, got, c.want)
		}
	}
}

// cut is the part of h x w samples from (y, x) on of a picture of a width.
func cut(pix []float32, width, y, x, h, w int) (out []float32) {
	for i := y; i < y+h; i++ {
		out = append(out, pix[i*width+x:i*width+x+w]...)
	}
	return out
}

// TestMSSSIMByDefinition compares with each window's own moments, two channels of odd sides.
func TestMSSSIMByDefinition(t *testing.T) {
	ref, est := grayPair(t)
	const h, w = 183, 177
	s := operators.Shape{C: 2, H: h, W: w}
	a := append(cut(ref, 256, 0, 0, h, w), cut(ref, 256, 60, 70, h, w)...)
	b := append(cut(est, 256, 0, 0, h, w), cut(est, 256, 60, 70, h, w)...)
	want := 0.0
	for c := range s.C {
		want += multiscaleByDefinition(a[c*h*w:(c+1)*h*w], b[c*h*w:(c+1)*h*w], h, w) / float64(s.C)
	}
	if got := MSSSIM(a, b, s); math.Abs(got-want) > 1e-9 {
		t.Errorf("MS-SSIM %.12f, by definition %.12f", got, want)
	}
}

func multiscaleByDefinition(ref, est []float32, h, w int) float64 {
	a, b := make([]float64, h*w), make([]float64, h*w)
	for i := range a {
		a[i], b[i] = float64(ref[i]), min(max(float64(est[i]), 0), 1)
	}
	result := 1.0
	for scale, exponent := range []float64{0.0448, 0.2856, 0.3001, 0.2363, 0.1333} {
		sum, n := 0.0, 0
		for y := 0; y+11 <= h; y++ {
			for x := 0; x+11 <= w; x++ {
				var total, ma, mb, va, vb, vab float64
				each := func(f func(g, u, v float64)) {
					for i := range 11 {
						for j := range 11 {
							p := (y+i)*w + x + j
							f(math.Exp(-float64((i-5)*(i-5)+(j-5)*(j-5))/(2*1.5*1.5)), a[p], b[p])
						}
					}
				}
				each(func(g, u, v float64) { total += g; ma += g * u; mb += g * v })
				ma, mb = ma/total, mb/total
				each(func(g, u, v float64) {
					va += g / total * (u - ma) * (u - ma)
					vb += g / total * (v - mb) * (v - mb)
					vab += g / total * (u - ma) * (v - mb)
				})
				value := (2*vab + 9e-4) / (va + vb + 9e-4)
				if scale == 4 {
					value *= (2*ma*mb + 1e-4) / (ma*ma + mb*mb + 1e-4)
				}
				sum += value
				n++
			}
		}
		result *= math.Pow(sum/float64(n), exponent)
		var na, nb []float64
		for y := 0; y+1 < h; y += 2 {
			for x := 0; x+1 < w; x += 2 {
				p := y*w + x
				na = append(na, (a[p]+a[p+1]+a[p+w]+a[p+w+1])/4)
				nb = append(nb, (b[p]+b[p+1]+b[p+w]+b[p+w+1])/4)
			}
		}
		a, b, h, w = na, nb, h/2, w/2
	}
	return result
}

func TestMSSSIMSmall(t *testing.T) {
	for side, want := range map[int]bool{MultiscaleSide - 1: false, MultiscaleSide: true} {
		s := operators.Shape{C: 1, H: 200, W: side}
		x := make([]float32, s.Len())
		if got := !math.IsNaN(MSSSIM(x, x, s)); got != want {
			t.Errorf("200x%d: measured %v, want %v", side, got, want)
		}
	}
}

func BenchmarkMSSSIM(b *testing.B) {
	ref, est := grayPair(b)
	for b.Loop() {
		MSSSIM(ref, est, operators.Shape{C: 1, H: 256, W: 256})
	}
}
