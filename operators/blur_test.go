package operators

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

type goldenArray struct {
	Shape []int
	Data  []float64
}

func golden(t *testing.T, name string) map[string]goldenArray {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]goldenArray
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (g goldenArray) floats() []float32 {
	p := make([]float32, len(g.Data))
	for i, v := range g.Data {
		p[i] = float32(v)
	}
	return p
}

// conv ways by force, whatever newValidConv would pick.
func forced(a *blur, way string) {
	h, w := a.canvas.H, a.canvas.W
	switch way {
	case "direct":
		a.conv = newDirectConv(h, w, a.kernel)
	case "separable":
		u, v, ok := a.kernel.factors()
		if !ok {
			panic("not separable")
		}
		a.conv = newSeparableConv(h, w, u, v)
	case "spectral":
		a.conv = newSpectralConv(h, w, a.kernel)
	}
}

// The values are scipy.ndimage.convolve's; float32 sums of 25 products of
// numbers below 1 keep 1e-6.
func TestBlurGolden(t *testing.T) {
	g := golden(t, "blur.json")
	k := Kernel{5, 5, g["kernel"].Data}
	if own, err := GaussianKernel(1, 5); err != nil || maxDiff64(own.Taps, k.Taps) > 1e-15 {
		t.Errorf("GaussianKernel(1, 5) differs from the golden kernel by %g, %v", maxDiff64(own.Taps, k.Taps), err)
	}
	x := g["x"].floats()
	s := Shape{1, 24, 20}
	for _, b := range []Boundary{Circular, Reflect, Symmetric, Replicate, Zero} {
		for _, way := range []string{"", "direct", "separable", "spectral"} {
			var a Linear
			a, err := NewBlur(s, k, b)
			if way != "" {
				f := newBlur(s, k, b)
				forced(f, way)
				a = f
			}
			if err != nil {
				t.Fatal(err)
			}
			y := make([]float32, s.Len())
			a.Apply(y, x)
			if d := maxDiff(y, g[b.String()].floats()); d > 1e-6 {
				t.Errorf("%v %s: differs from scipy by %g", b, way, d)
			}
		}
	}
	// The valid part of the full convolution.
	a, err := NewBlur(s, k, Valid)
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float32, a.Codomain().Len())
	a.Apply(y, x)
	full := g["full"].Data
	for i := range 20 {
		for j := range 16 {
			if d := math.Abs(float64(y[i*16+j]) - full[(i+4)*24+j+4]); d > 1e-6 {
				t.Fatalf("valid (%d,%d) differs by %g", i, j, d)
			}
		}
	}
}

// blurByForce evaluates the formula in NewBlur's doc in float64.
func blurByForce(x []float32, s Shape, k Kernel, b Boundary) []float64 {
	out := s
	if b == Valid {
		out.H, out.W = s.H-k.H+1, s.W-k.W+1
	}
	y := make([]float64, out.Len())
	for c := range s.C {
		for i := range out.H {
			for j := range out.W {
				sum := 0.0
				for a := range k.H {
					for e := range k.W {
						r, q := i+k.H/2-a, j+k.W/2-e
						if b == Valid {
							r, q = i+k.H-1-a, j+k.W-1-e
						}
						r, q = stepTo(b, r, s.H), stepTo(b, q, s.W)
						if r >= 0 && q >= 0 {
							sum += k.Taps[a*k.W+e] * float64(x[(c*s.H+r)*s.W+q])
						}
					}
				}
				y[(c*out.H+i)*out.W+j] = sum
			}
		}
	}
	return y
}

// stepTo finds the source of sample i by walking, one fold at a time.
func stepTo(b Boundary, i, n int) int {
	for i < 0 || i >= n {
		switch b {
		case Circular:
			if i < 0 {
				i += n
			} else {
				i -= n
			}
		case Symmetric:
			if i < 0 {
				i = -1 - i
			} else {
				i = 2*n - 1 - i
			}
		case Reflect:
			switch {
			case n == 1:
				i = 0
			case i < 0:
				i = -i
			default:
				i = 2*n - 2 - i
			}
		case Replicate:
			if i < 0 {
				i = 0
			} else {
				i = n - 1
			}
		default:
			return -1
		}
	}
	return i
}

func randomKernel(rng *rand.Rand, h, w int) Kernel {
	k := newKernel(h, w)
	for i := range k.Taps {
		k.Taps[i] = rng.Float64()
	}
	k, err := k.normalised()
	if err != nil {
		panic(err)
	}
	return k
}

// Every boundary, way, parity and proportion, kernels larger than the picture
// included.
func TestBlurByForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, size := range [][4]int{{7, 9, 3, 3}, {8, 6, 4, 2}, {5, 5, 1, 1}, {1, 1, 3, 5}, {1, 6, 5, 3}, {4, 3, 9, 11}, {13, 16, 2, 5}} {
		s := Shape{2, size[0], size[1]}
		k := randomKernel(rng, size[2], size[3])
		for b := Symmetric; b <= Valid; b++ {
			if b == Valid && (k.H > s.H || k.W > s.W) {
				continue
			}
			for _, way := range []string{"direct", "spectral", "native"} {
				var a Linear
				f := newBlur(s, k, b)
				forced(f, way)
				a = f
				if way == "native" && b == Circular {
					c := newCircularBlur(s, k)
					c.direct = false
					a = c
				}
				x := randomSlice(rng, s.Len())
				y := make([]float32, a.Codomain().Len())
				a.Apply(y, x)
				for i, want := range blurByForce(x, s, k, b) {
					if math.Abs(float64(y[i])-want) > 3e-6 {
						t.Errorf("%v, kernel %dx%d, %v, %s: y[%d] = %v, want %v", s, k.H, k.W, b, way, i, y[i], want)
						break
					}
				}
			}
		}
	}
}

func TestBlurValidTooLarge(t *testing.T) {
	k, _ := UniformKernel(5)
	if _, err := NewBlur(Shape{1, 4, 9}, k, Valid); err == nil {
		t.Error("a kernel larger than the scene is taken")
	}
}

// Grids moved over a long canvas give what the sum gives.
func TestSpectralTiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	k := randomKernel(rng, 6, 9)
	for _, size := range [][2]int{{2100, 9}, {7, 2500}, {1300, 1100}} {
		s := Shape{1, size[0], size[1]}
		a, b := newBlur(s, k, Zero), newBlur(s, k, Zero)
		forced(a, "direct")
		forced(b, "spectral")
		if p := b.conv.(*spectralConv).plans; p.h >= b.canvas.H && p.w >= b.canvas.W {
			t.Errorf("%v: one grid %dx%d", s, p.h, p.w)
		}
		x := randomSlice(rng, s.Len())
		y, z := make([]float32, s.Len()), make([]float32, s.Len())
		a.Apply(y, x)
		b.Apply(z, x)
		if d := maxDiff(y, z); d > 5e-6 {
			t.Errorf("%v: Apply differs by %g", s, d)
		}
		a.Adjoint(y, x)
		b.Adjoint(z, x)
		if d := maxDiff(y, z); d > 5e-6 {
			t.Errorf("%v: Adjoint differs by %g", s, d)
		}
	}
}

// The closed forms solve what conjugate gradients solve.
func TestBlurSolveNormalAgainstCG(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	k, _ := GaussianKernel(1.3, 0)
	s := Shape{2, 15, 22}
	for _, b := range []Boundary{Circular, Symmetric} {
		a, err := NewBlur(s, k, b)
		if err != nil {
			t.Fatal(err)
		}
		rhs, x, z := randomSlice(rng, s.Len()), make([]float32, s.Len()), make([]float32, s.Len())
		a.(NormalSolver).SolveNormal(x, rhs, 0.1)
		if _, r := (CG{Apply: Normal(a, 0.1), Tol: 1e-6, MaxIters: 200}).Solve(z, rhs); r > 1e-6 {
			t.Errorf("%v: CG stopped at %g", b, r)
		}
		// Both are within 1e-5 of the exact solution, whose condition is 11.
		if d := maxDiff(x, z); d > 2e-4 {
			t.Errorf("%v: closed form and CG differ by %g", b, d)
		}
	}
}

func TestCGWarm(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	k, _ := MotionKernel(5, 30)
	a, err := NewBlur(Shape{1, 20, 20}, k, Replicate)
	if err != nil {
		t.Fatal(err)
	}
	b, x := randomSlice(rng, 400), make([]float32, 400)
	cold, _ := CG{Apply: Normal(a, 0.01), MaxIters: 500}.Solve(x, b)
	warm, r := CG{Apply: Normal(a, 0.01), Tol: 2e-5, MaxIters: 500}.Solve(x, b)
	if cold == 0 || warm != 0 || r > 2e-5 {
		t.Errorf("cold %d iterations, warm %d with residual %g", cold, warm, r)
	}
}

// Norms against the power method on the matrix; bounds lie above it, by less
// than a percent here.
func TestBlurNorm(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	gauss, _ := GaussianKernel(1.5, 0)
	motion, _ := MotionKernel(7, 40)
	signed := randomKernel(rng, 5, 4)
	signed.Taps[3] -= 0.4
	for _, k := range []Kernel{gauss, motion, signed} {
		for b := Symmetric; b <= Valid; b++ {
			a, err := NewBlur(Shape{1, 30, 26}, k, b)
			if err != nil {
				t.Fatal(err)
			}
			got, want := Norm(a), PowerNorm(a, 3000, 1e-9, 2)
			if got < want*(1-1e-5) || got > want*1.05 {
				t.Errorf("kernel %dx%d, %v: Norm %.6f, power method %.6f", k.H, k.W, b, got, want)
			}
		}
	}
}

func TestKernels(t *testing.T) {
	near := func(k Kernel, err error, want []float64) error {
		if err != nil {
			return err
		}
		if len(k.Taps) != len(want) || maxDiff64(k.Taps, want) > 1e-12 {
			return fmt.Errorf("got %dx%d %v, want %v", k.H, k.W, k.Taps, want)
		}
		return nil
	}
	third := 1.0 / 3
	k, err := MotionKernel(3, 0)
	if err := near(k, err, []float64{third, third, third}); err != nil || k.H != 1 {
		t.Error("motion 3 at 0:", err)
	}
	k, err = MotionKernel(3, 90)
	if err := near(k, err, []float64{third, third, third}); err != nil || k.W != 1 {
		t.Error("motion 3 at 90:", err)
	}
	// Up and to the right: the far end is above the centre, in the last column.
	k, err = MotionKernel(9, 30)
	if err != nil || k.Taps[k.W-1]+k.Taps[2*k.W-1] == 0 || k.Taps[0] != 0 {
		t.Error("motion 9 at 30 does not rise to the right", err)
	}
	k, err = MotionKernel(1, 0)
	if err := near(k, err, []float64{1}); err != nil {
		t.Error("motion 1:", err)
	}
	k, err = UniformKernel(2)
	if err := near(k, err, []float64{.25, .25, .25, .25}); err != nil {
		t.Error("uniform 2:", err)
	}
	// Disk taps against counting points on a fine grid.
	const r, fine = 3.3, 64
	k, err = DiskKernel(r)
	if err != nil || k.H != 7 {
		t.Fatal("disk:", k.H, err)
	}
	for i := range 7 {
		for j := range 7 {
			n := 0
			for p := range fine * fine {
				y := float64(i) - 3.5 + (float64(p/fine)+0.5)/fine
				x := float64(j) - 3.5 + (float64(p%fine)+0.5)/fine
				if x*x+y*y <= r*r {
					n++
				}
			}
			want := float64(n) / (fine * fine) / (math.Pi * r * r)
			if d := math.Abs(k.Taps[i*7+j] - want); d > 1e-3/(math.Pi*r*r) {
				t.Errorf("disk tap (%d,%d) is %g, counting gives %g", i, j, k.Taps[i*7+j], want)
			}
		}
	}
	for name, err := range map[string]error{
		"sigma 0":      second(GaussianKernel(0, 5)),
		"sigma NaN":    second(GaussianKernel(math.NaN(), 5)),
		"sigma 1e6":    second(GaussianKernel(1e6, 0)),
		"even size":    second(GaussianKernel(1, 4)),
		"size 0":       second(UniformKernel(0)),
		"size 1024":    second(UniformKernel(1024)),
		"length -1":    second(MotionKernel(-1, 0)),
		"angle inf":    second(MotionKernel(3, math.Inf(1))),
		"radius 0":     second(DiskKernel(0)),
		"empty":        second(NewKernel(Image{})),
		"zero sum":     second(NewKernel(Image{Shape{1, 1, 2}, []float32{1, -1}})),
		"negative sum": second(NewKernel(Image{Shape{1, 1, 2}, []float32{1, -2}})),
		"NaN":          second(NewKernel(Image{Shape{1, 1, 2}, []float32{1, float32(math.NaN())}})),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	k, err = NewKernel(Image{Shape{3, 1, 2}, []float32{1, 0, 2, 0, 3, 6}})
	if err := near(k, err, []float64{.5, .5}); err != nil {
		t.Error("colour kernel:", err)
	}
}

func second(_ Kernel, err error) error { return err }

func randomSlice(rng *rand.Rand, n int) []float32 {
	p := make([]float32, n)
	for i := range p {
		p[i] = float32(rng.NormFloat64())
	}
	return p
}

func maxDiff(a, b []float32) float64 {
	d := 0.0
	for i, v := range a {
		d = max(d, math.Abs(float64(v)-float64(b[i])))
	}
	return d
}

func maxDiff64(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	d := 0.0
	for i, v := range a {
		d = max(d, math.Abs(v-b[i]))
	}
	return d
}

// TestBlurPreconditioner: the map is the inverse of A'A + rho I + mu D'D where the boundary is
// a torus or a mirror, with D'D summed pixel by pixel, and symmetric and positive everywhere.
func TestBlurPreconditioner(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	s := Shape{2, 14, 17}
	gauss, err := GaussianKernel(1.2, 5)
	if err != nil {
		t.Fatal(err)
	}
	const rho, mu = 0.05, 0.7
	for _, b := range []Boundary{Circular, Symmetric, Zero, Valid} {
		for _, k := range []Kernel{gauss, randomKernel(rng, 3, 6)} {
			a, err := NewBlur(s, k, b)
			if err != nil {
				t.Fatal(err)
			}
			p := a.(NormalPreconditioner)
			n := s.Len()
			x, z := randomSlice(rng, n), randomSlice(rng, n)
			px, pz := make([]float32, n), make([]float32, n)
			p.PreconditionNormal(px, x, rho, mu)
			p.PreconditionNormal(pz, z, rho, mu)
			if u, v := dot(px, z), dot(x, pz); math.Abs(u-v) > 1e-4*(1+math.Abs(u)) || dot(px, x) <= 0 {
				t.Errorf("%v: <Px,z> = %v, <x,Pz> = %v, <Px,x> = %v", b, u, v, dot(px, x))
			}
			_, mirrored := a.(*cosineBlur)
			if b != Circular && !mirrored {
				continue
			}
			back := make([]float32, n)
			Normal(a, rho)(back, px)
			near := func(c, i, j, di, dj int) float32 {
				i, j = b.source(i+di, s.H), b.source(j+dj, s.W)
				return px[(c*s.H+i)*s.W+j]
			}
			for c := range s.C {
				for i := range s.H {
					for j := range s.W {
						at := (c*s.H+i)*s.W + j
						for _, d := range [][2]int{{0, 1}, {0, -1}, {1, 0}, {-1, 0}} {
							back[at] += mu * (px[at] - near(c, i, j, d[0], d[1]))
						}
					}
				}
			}
			if e := maxDiff(back, x); e > 1e-4 {
				t.Errorf("%v: off by %v", b, e)
			}
		}
	}
}
