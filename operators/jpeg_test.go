package operators_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/operatortest"
)

func standardJPEG(t testing.TB, channels, quality, subsampling int) operators.JPEGFormat {
	t.Helper()
	f, err := operators.StandardJPEG(channels, quality, subsampling)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newJPEG(t testing.TB, s operators.Shape, f operators.JPEGFormat) *operators.JPEG {
	t.Helper()
	a, err := operators.NewJPEG(s, f)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestJPEGConforms(t *testing.T) {
	for _, hw := range [][2]int{{16, 32}, {17, 23}, {5, 3}, {33, 64}} {
		for _, sub := range []int{444, 422, 420, 440, 411} {
			s := operators.Shape{C: 3, H: hw[0], W: hw[1]}
			t.Run(fmt.Sprint(s, sub), func(t *testing.T) { operatortest.TestLinear(t, newJPEG(t, s, standardJPEG(t, 3, 50, sub))) })
		}
		s := operators.Shape{C: 1, H: hw[0], W: hw[1]}
		t.Run(s.String(), func(t *testing.T) { operatortest.TestLinear(t, newJPEG(t, s, standardJPEG(t, 1, 50, 420))) })
		f := standardJPEG(t, 3, 50, 444)
		f.RGB = true
		s.C = 3
		t.Run(s.String()+" RGB", func(t *testing.T) { operatortest.TestLinear(t, newJPEG(t, s, f)) })
	}
}

// The sum of ITU-T T.81, A.3.3, over the samples of T.871's colours.
func TestJPEGByItsDefinition(t *testing.T) {
	s := operators.Shape{C: 3, H: 21, W: 19}
	rng := rand.New(rand.NewPCG(1, 2))
	x := operators.NewImage(s)
	for i := range x.Pix {
		x.Pix[i] = rng.Float32()
	}
	a := newJPEG(t, s, standardJPEG(t, 3, 50, 420))
	got := make([]float32, a.Codomain().Len())
	a.Apply(got, x.Pix)
	colour := [3][3]float64{{0.299, 0.587, 0.114}, {-0.168736, -0.331264, 0.5}, {0.5, -0.418688, -0.081312}}
	at := 0
	for c, cell := range []int{1, 2, 2} {
		sample := func(i, j int) float64 {
			sum := 0.0
			for di := range cell {
				for dj := range cell {
					y, x0 := min(i*cell+di, s.H-1), min(j*cell+dj, s.W-1)
					for k, w := range colour[c] {
						sum += w * float64(x.At(k, y, x0))
					}
				}
			}
			return sum / float64(cell*cell)
		}
		rows, cols := (s.H+8*cell-1)/(8*cell), (s.W+8*cell-1)/(8*cell)
		if h, w := a.Blocks(c); h != rows || w != cols {
			t.Fatalf("plane %d has %dx%d blocks, want %dx%d", c, h, w, rows, cols)
		}
		for b := range rows * cols {
			for u := range 8 {
				for v := range 8 {
					sum := 0.0
					for i := range 8 {
						for j := range 8 {
							sum += sample(b/cols*8+i, b%cols*8+j) *
								math.Cos(float64((2*i+1)*u)*math.Pi/16) * math.Cos(float64((2*j+1)*v)*math.Pi/16)
						}
					}
					scale := 0.25
					if u == 0 {
						scale /= math.Sqrt2
					}
					if v == 0 {
						scale /= math.Sqrt2
					}
					if d := math.Abs(scale*sum - float64(got[at])); d > 2e-5 {
						t.Fatalf("plane %d, block %d, frequency (%d,%d): %g, want %g", c, b, u, v, got[at], scale*sum)
					}
					at++
				}
			}
		}
	}
	if at != len(got) {
		t.Errorf("%d coefficients, want %d", len(got), at)
	}
}

func TestJPEGRowSquares(t *testing.T) {
	s := operators.Shape{C: 3, H: 32, W: 32}
	a := newJPEG(t, s, standardJPEG(t, 3, 50, 420))
	square := a.RowSquares()
	x := make([]float32, s.Len())
	y := make([]float32, a.Codomain().Len())
	for _, i := range []int{0, 9, 700, 1024, 1100, 1300, 1500} {
		clear(y)
		y[i] = 1
		a.Adjoint(x, y)
		sum := 0.0
		for _, v := range x {
			sum += float64(v) * float64(v)
		}
		if math.Abs(sum-float64(square[i])) > 1e-5 {
			t.Errorf("row %d has the square %g, want %g", i, square[i], sum)
		}
	}
}

// Multiples that Dequantise takes for coefficients are those that Quantise finds.
func TestJPEGDequantise(t *testing.T) {
	for _, rgb := range []bool{false, true} {
		f := standardJPEG(t, 3, 60, 444)
		f.RGB = rgb
		a := newJPEG(t, operators.Shape{C: 3, H: 19, W: 30}, f)
		k := make([]int16, a.Codomain().Len())
		for i := range k {
			k[i] = int16(i%7 - 3)
		}
		y, z := make([]float32, len(k)), make([]float32, len(k))
		a.Dequantise(y, k)
		a.Quantise(z, y)
		steps := a.Steps()
		for i, v := range z {
			if math.Abs(float64(v-y[i])) > 1e-5 {
				t.Fatalf("RGB %v: coefficient %d is %v, rounded %v", rgb, i, y[i], v)
			}
			zero := float32(0) // of all three planes of RGB, and of luma
			if i%64 == 0 && (rgb || i < len(y)/3) {
				zero = 8 * 128. / 255
			}
			if want := zero + float32(k[i])*steps[i]; math.Abs(float64(v-want)) > 1e-5 {
				t.Fatalf("RGB %v: coefficient %d is %v, want %v", rgb, i, y[i], want)
			}
		}
	}
}

// Decode inverts Apply where nothing is averaged, and follows straight lines
// where it is, but for the two cells at either end.
func TestJPEGDecode(t *testing.T) {
	for _, sub := range []int{444, 422, 420, 440, 411} {
		s := operators.Shape{C: 3, H: 21, W: 45}
		x := operators.NewImage(s)
		for i := range x.Pix {
			c, y, z := i/(s.H*s.W), i/s.W%s.H, i%s.W
			x.Pix[i] = float32(0.2 + 0.01*float64(y) + 0.004*float64(c+1)*float64(z))
			if sub == 444 {
				x.Pix[i] += float32(0.1 * math.Sin(float64(i*i)))
			}
		}
		a := newJPEG(t, s, standardJPEG(t, 3, 50, sub))
		y, got := make([]float32, a.Codomain().Len()), make([]float32, s.Len())
		a.Apply(y, x.Pix)
		a.Decode(got, y)
		for i, v := range got {
			y, z := i/s.W%s.H, i%s.W
			if sub != 444 && (y < 4 || y >= s.H-4 || z < 8 || z >= s.W-8) {
				continue
			}
			if math.Abs(float64(v-x.Pix[i])) > 1e-5 {
				t.Fatalf("%d: sample %d is %v, want %v", sub, i, v, x.Pix[i])
			}
		}
	}
}

// The quality by which a table was made is found again.
func TestJPEGQuality(t *testing.T) {
	for q := 1; q <= 100; q++ {
		got := standardJPEG(t, 3, q, 420).Quality()
		if want := q; got != want && !(q == 1 && got == 2 || q == 2 && got == 1) && standardJPEG(t, 1, got, 420).Planes[0].Step != standardJPEG(t, 1, q, 420).Planes[0].Step {
			t.Errorf("quality %d is taken for %d", want, got)
		}
	}
}
