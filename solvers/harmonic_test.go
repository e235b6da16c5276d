package solvers_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// A ramp is harmonic, so that it is its own fill: in holes of any size, at a border along
// the ramp, and where nearly nothing but the columns at its ends is known. A constant is
// one from a single sample.
func TestHarmonicRamp(t *testing.T) {
	const h, w = 97, 130
	s := operators.Shape{C: 1, H: h, W: w}
	ramp := func(i int) float64 { return 3 + 7*float64(i%w)/w }
	for name, c := range map[string]struct {
		known func(y, x int) bool
		truth func(i int) float64
	}{
		"hole of 8":     {func(y, x int) bool { return y < 40 || y >= 48 || x < 60 || x >= 68 }, ramp},
		"hole of 80":    {func(y, x int) bool { return y < 9 || y >= 89 || x < 30 || x >= 110 }, ramp},
		"at the border": {func(y, x int) bool { return y >= 60 || x < 30 || x >= 110 }, ramp},
		"ends":          {func(_, x int) bool { return x == 0 || x == w-1 }, ramp},
		"one pixel":     {func(y, x int) bool { return y == 5 && x == 120 }, func(int) float64 { return -250 }},
	} {
		x, known := make([]float32, s.Len()), make([]bool, s.Len())
		for i := range x {
			if known[i] = c.known(i/w, i%w); known[i] {
				x[i] = float32(c.truth(i))
			} else {
				x[i] = float32(math.NaN()) // which does not count
			}
		}
		solvers.Harmonic(x, s, known)
		for i, v := range x {
			if d := math.Abs(float64(v) - c.truth(i)); !(d <= 1e-4*math.Abs(c.truth(i))) {
				t.Errorf("%s: sample %d,%d is %g, want %g", name, i/w, i%w, v, c.truth(i))
				break
			}
		}
	}
}

// The fill is that of a direct solver of the equations, in each plane; one without a known
// sample gets the mean of those that are known. Known samples stay.
func TestHarmonicDirect(t *testing.T) {
	s := operators.Shape{C: 3, H: 11, W: 14}
	n := s.H * s.W
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 9))
		share := []float64{0.02, 0.1, 0.3, 0.6, 0.9, 0.97}[seed]
		x, known := make([]float32, s.Len()), make([]bool, s.Len())
		sum, count := 0.0, 0
		for i := range x {
			x[i] = float32(rng.NormFloat64())
			if known[i] = i < 2*n && (rng.Float64() < share || i%n == 7); known[i] {
				sum += float64(x[i])
				count++
			}
		}
		want := make([]float64, s.Len())
		for c := range 2 {
			a, b := mat.NewDense(n, n, nil), mat.NewVecDense(n, nil)
			for i := range n {
				if known[c*n+i] {
					a.Set(i, i, 1)
					b.SetVec(i, float64(x[c*n+i]))
					continue
				}
				for _, d := range [][2]int{{0, 1}, {0, -1}, {1, 0}, {-1, 0}} {
					if y, z := i/s.W+d[0], i%s.W+d[1]; y >= 0 && y < s.H && z >= 0 && z < s.W {
						a.Set(i, i, a.At(i, i)+1)
						a.Set(i, y*s.W+z, -1)
					}
				}
			}
			var u mat.VecDense
			if err := u.SolveVec(a, b); err != nil {
				t.Fatal(err)
			}
			copy(want[c*n:], u.RawVector().Data)
		}
		for i := 2 * n; i < 3*n; i++ {
			want[i] = sum / float64(count)
		}
		before := append([]float32(nil), x...)
		solvers.Harmonic(x, s, known)
		for i, v := range x {
			if known[i] && v != before[i] {
				t.Fatalf("%g known: known sample %d became %g from %g", share, i, v, before[i])
			}
			if math.Abs(float64(v)-want[i]) > 2e-5 {
				t.Fatalf("%g known: sample %d is %g, want %g", share, i, v, want[i])
			}
		}
	}
	x := []float32{1, 2}
	solvers.Harmonic(x, operators.Shape{C: 1, H: 1, W: 2}, []bool{false, false})
	if x[0] != 1 || x[1] != 2 {
		t.Error("nothing is known, and it is filled with", x)
	}
}
