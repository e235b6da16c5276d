package operators_test

import (
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/operatortest"
)

// grow is a grid of Gaussians that widen to the right and downwards.
func grow(t *testing.T, rows, cols, size int) [][]operators.Kernel {
	t.Helper()
	all := make([][]operators.Kernel, rows)
	for p := range rows {
		for q := range cols {
			k, err := operators.GaussianKernel(0.7+0.4*float64(p)+0.3*float64(q), size)
			if err != nil {
				t.Fatal(err)
			}
			all[p] = append(all[p], k)
		}
	}
	return all
}

func TestVaryingBlurConformance(t *testing.T) {
	for _, b := range []operators.Boundary{operators.Symmetric, operators.Circular, operators.Zero, operators.Valid} {
		for _, s := range []operators.Shape{{C: 1, H: 31, W: 40}, {C: 3, H: 17, W: 12}} {
			for _, g := range [][2]int{{1, 1}, {2, 3}, {3, 1}} {
				a, err := operators.NewVaryingBlur(s, grow(t, g[0], g[1], 5), b)
				if err != nil {
					t.Fatal(err)
				}
				operatortest.TestLinear(t, a)
			}
		}
	}
}

// TestVaryingBlurDefinition: a point at the middle of a cell becomes the cell's kernel,
// one between two middles their mean, and equal kernels are a blur.
func TestVaryingBlurDefinition(t *testing.T) {
	s := operators.Shape{C: 1, H: 20, W: 42}
	kernels := grow(t, 1, 3, 7)
	a, err := operators.NewVaryingBlur(s, kernels, operators.Zero)
	if err != nil {
		t.Fatal(err)
	}
	x, y := operators.NewImage(s), operators.NewImage(s)
	// Cells of 14 columns: their middles are 6.5, 20.5, 34.5.
	for at, weights := range map[int][3]float64{
		2: {1, 0, 0}, 20: {0.5 / 14, 1 - 0.5/14, 0}, 24: {0, 10.5 / 14, 3.5 / 14}, 40: {0, 0, 1},
	} {
		clear(x.Pix)
		x.Pix[9*s.W+at] = 1
		a.Apply(y.Pix, x.Pix)
		for i := range y.Pix {
			r, c := i/s.W-9+3, i%s.W-at+3
			want := 0.0
			for q, w := range weights {
				if r >= 0 && r < 7 && c >= 0 && c < 7 {
					want += w * kernels[0][q].Taps[r*7+c]
				}
			}
			if math.Abs(float64(y.Pix[i])-want) > 1e-6 {
				t.Fatalf("a point at column %d gives %v at (%d,%d), want %v", at, y.Pix[i], i/s.W, i%s.W, want)
			}
		}
	}
	one := kernels[0][1]
	same := [][]operators.Kernel{{one, one}, {one, one}}
	for _, b := range []operators.Boundary{operators.Symmetric, operators.Circular, operators.Valid} {
		a, err := operators.NewVaryingBlur(s, same, b)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := operators.NewBlur(s, one, b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range x.Pix {
			x.Pix[i] = float32((i * i) % 31)
		}
		got, want := operators.NewImage(a.Codomain()), operators.NewImage(plain.Codomain())
		a.Apply(got.Pix, x.Pix)
		plain.Apply(want.Pix, x.Pix)
		for i := range want.Pix {
			if math.Abs(float64(got.Pix[i]-want.Pix[i])) > 1e-4 {
				t.Fatalf("%v: sample %d is %v, of one kernel %v", b, i, got.Pix[i], want.Pix[i])
			}
		}
	}
	if _, err := operators.NewVaryingBlur(s, [][]operators.Kernel{{one}, {one, one}}, operators.Zero); err == nil {
		t.Error("rows of different lengths are taken")
	}
}

// TestVaryingSpec: a mosaic of two kernels, and what is wrong with one of three columns.
func TestVaryingSpec(t *testing.T) {
	file := operators.NewImage(operators.Shape{C: 1, H: 5, W: 10})
	for i := range file.Pix {
		file.Pix[i] = float32(1 + i%10/5*(i%5))
	}
	sp, err := operators.ParseSpec("blur:kernel=m.npy,grid=2x1")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := sp.Load(func(string) (operators.Image, error) { return file, nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, local := loaded.Support(); local {
		t.Error("a blur that varies is cut into windows")
	}
	y := operators.Shape{C: 1, H: 12, W: 16}
	for b := operators.Symmetric; b <= operators.Valid; b++ {
		scene, err := loaded.WithBoundary(b).Scene(y)
		if err != nil {
			t.Fatal(err)
		}
		a, err := loaded.WithBoundary(b).Build(scene)
		if err != nil || a.Codomain() != y {
			t.Errorf("%v: %v", b, err)
		}
	}
	if lines := loaded.Remarks(); len(lines) != 1 {
		t.Errorf("remarks %q, want the centroid of the second kernel", lines)
	}
	bad, err := operators.ParseSpec("blur:kernel=m.npy,grid=3x1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bad.WithData(file).Build(y); err == nil {
		t.Error("10 columns are cut into 3 kernels")
	}
}
