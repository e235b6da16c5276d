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
		if h, w := a.Samples(c); h != 8*rows || w != 8*cols {
			t.Fatalf("plane %d has %dx%d samples, want %dx%d", c, h, w, 8*rows, 8*cols)
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

// A decoder rounds and clips; Recover finds what it had.
func TestJPEGRecover(t *testing.T) {
	s := operators.Shape{C: 1, H: 64, W: 64}
	scenes := map[string]func(rng *rand.Rand, i, j int) float64{
		"noise": func(rng *rand.Rand, _, _ int) float64 { return 0.5 + 0.1*rng.NormFloat64() },
		"ramp":  func(_ *rand.Rand, i, j int) float64 { return 0.1 + float64(i+j)/180 },
		// Letters ring beyond black and white, where decoders clip.
		"text": func(_ *rand.Rand, i, j int) float64 { return float64((i/5*7 + j/3*5) % 3 & 1) },
	}
	for name, scene := range scenes {
		for _, quality := range []int{5, 20, 50, 75, 90, 96} {
			rng := rand.New(rand.NewPCG(3, 4))
			a := newJPEG(t, s, standardJPEG(t, 1, quality, 420))
			x := operators.NewImage(s)
			for i := range x.Pix {
				x.Pix[i] = float32(math.Round(255*min(max(scene(rng, i/64, i%64), 0), 1)) / 255)
			}
			want := make([]float32, 64*64)
			a.Apply(want, x.Pix)
			a.Quantise(want, want)
			samples := make([]byte, 64*64)
			a.Adjoint(x.Pix, want) // its inverse: one plane of whole blocks
			for i, v := range x.Pix {
				samples[i] = byte(math.Round(255 * min(max(float64(v), 0), 1)))
			}
			got := make([]float32, 64*64)
			a.Recover(got, 0, samples, 64)
			wrong := 0
			for i, v := range got {
				if math.Abs(float64(v-want[i])) > 1e-4 {
					wrong++
				}
			}
			// Without clipping and with steps above 1 nothing is lost.
			if limit := map[bool]int{true: 0, false: len(got) / 10}[quality <= 90 && name != "text"]; wrong > limit {
				t.Errorf("%s, quality %d: %d of %d coefficients are wrong", name, quality, wrong, len(got))
			}
		}
	}
}
