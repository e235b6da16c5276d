package operators

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

func relDiff(got, want []float32) float64 {
	d, s := 0.0, 0.0
	for i := range got {
		e := float64(got[i]) - float64(want[i])
		d += e * e
		s += float64(want[i]) * float64(want[i])
	}
	return math.Sqrt(d / s)
}

// scikit-image samples every ray at unit steps, ours once a row: they agree to
// the error of either.
func TestRadonGolden(t *testing.T) {
	g := goldenNPZ(t, "radon.npz")
	r, err := NewRadon(Shape{1, 128, 128}, 180, 128, 180)
	if err != nil {
		t.Fatal(err)
	}
	y, want := make([]float32, 180*128), make([]float32, 180*128)
	r.Apply(y, g["image"])
	for d := range 128 {
		for a := range 180 {
			want[a*128+d] = g["sinogram"][d*180+a]
		}
	}
	e := relDiff(y, want)
	t.Logf("sinogram: %.3g from scikit-image's", e)
	if e > 0.01 {
		t.Errorf("sinogram is %.2g from scikit-image's", e)
	}
	x := make([]float32, 128*128)
	psnr := func(x []float32) float64 {
		d := 0.0
		for i := range x {
			e := float64(x[i]) - float64(g["image"][i])
			d += e * e
		}
		return -10 * math.Log10(d/float64(len(x)))
	}
	theirs := psnr(g["fbp"])
	NewFBP(r, Ramp).Reconstruct(x, y)
	t.Logf("reconstruction: PSNR %.2f, scikit-image's %.2f", psnr(x), theirs)
	if psnr(x) < theirs {
		t.Errorf("PSNR %.2f, scikit-image's %.2f", psnr(x), theirs)
	}
	NewFBP(r, Ramp).Reconstruct(x, want)
	t.Logf("from scikit-image's sinogram: PSNR %.2f, difference %.2g", psnr(x), relDiff(x, g["fbp"]))
	if e := relDiff(x, g["fbp"]); e > 0.01 {
		t.Errorf("reconstruction is %.2g from scikit-image's", e)
	}
}

// The line integrals of a Gaussian of width w at (y0,x0) are Gaussians in t, at
// x0 cos - y0 sin, with the factor sqrt(2 pi) w. Linear interpolation widens them
// by about 1/(8 w^2), 0.3% here.
func TestRadonGaussians(t *testing.T) {
	const width = 6.0
	s := Shape{1, 101, 80}
	spots := [][2]float64{{0, 0}, {-17.3, 8.1}, {20.6, -11.7}}
	gauss := func(d float64) float64 { return math.Exp(-d * d / (2 * width * width)) }
	x := make([]float32, s.Len())
	for i := range s.H {
		for j := range s.W {
			for _, p := range spots {
				x[i*s.W+j] += float32(gauss(float64(i-s.H/2)-p[0]) * gauss(float64(j-s.W/2)-p[1]))
			}
		}
	}
	for _, c := range []struct {
		span      float64
		detectors int
	}{{120, 0}, {180, 0}, {360, 0}, {180, 60}} {
		span := c.span
		r, err := NewRadon(s, 300, c.detectors, span)
		if err != nil {
			t.Fatal(err)
		}
		n := r.Codomain().W
		y, want := make([]float32, r.Codomain().Len()), make([]float32, r.Codomain().Len())
		r.Apply(y, x)
		for i := range want {
			sin, cos := math.Sincos(r.Angle(i/n) * math.Pi / 180)
			for _, p := range spots {
				want[i] += float32(math.Sqrt(2*math.Pi) * width * gauss(r.Offset(i%n)-p[1]*cos+p[0]*sin))
			}
		}
		if e := relDiff(y, want); e > 0.004 {
			t.Errorf("%v: sinogram is off by %.2g", c, e)
		}
		for _, w := range []Window{Ramp, Hann} {
			back := make([]float32, len(x))
			NewFBP(r, w).Reconstruct(back, y)
			if e := relDiff(back, x); span >= 180 && e > 0.02*r.g.Spacing*r.g.Spacing {
				t.Errorf("%v, %v: reconstruction is off by %.2g", c, w, e)
			}
		}
	}
}

func TestRadonThreads(t *testing.T) {
	r, err := NewRadon(Shape{2, 61, 47}, 37, 0, 180)
	if err != nil {
		t.Fatal(err)
	}
	run := func(threads int) (y, x, b []float32) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		x = make([]float32, r.Domain().Len())
		for i := range x {
			x[i] = float32(math.Sin(float64(i)))
		}
		y, b = make([]float32, r.Codomain().Len()), make([]float32, len(x))
		r.Apply(y, x)
		NewFBP(r, Hann).Reconstruct(b, y)
		r.Adjoint(x, y)
		return y, x, b
	}
	y1, x1, b1 := run(1)
	y4, x4, b4 := run(4)
	if maxDiff(y1, y4) != 0 || maxDiff(x1, x4) != 0 || maxDiff(b1, b4) != 0 {
		t.Error("the numbers depend on the number of threads")
	}
}

func TestTransformsDoNotAllocate(t *testing.T) {
	s := Shape{1, 32, 40}
	radon, _ := NewRadon(s, 20, 0, 180)
	circulant, _ := NewCirculant(s, 0.3, 1)
	hadamard, _ := NewHadamard(s, 0.3, 1)
	fourier, _ := NewPartialFourier(s, 0.3, 1)
	mri, _ := NewMRI(s, 4, 0.1, 1)
	for _, a := range []Linear{radon, circulant, hadamard, fourier, mri} {
		x, y := make([]float32, s.Len()), make([]float32, a.Codomain().Len())
		if n := testing.AllocsPerRun(20, func() {
			a.Apply(y, x)
			a.Adjoint(x, y)
		}); n > 0 {
			t.Errorf("%T: %v allocations a run", a, n)
		}
	}
}

// Places are kept with 32 bits after the point; a ray that should end on the
// last sample may be computed to end just beyond it. Nothing may be read or
// written out of bounds, whatever the sizes.
func FuzzRadon(f *testing.F) {
	f.Add(uint8(5), uint8(9), uint8(7), uint8(4), uint16(180))
	f.Add(uint8(1), uint8(1), uint8(90), uint8(200), uint16(360))
	f.Fuzz(func(t *testing.T, h, w, angles, detectors uint8, span uint16) {
		s := Shape{1, int(h)%64 + 1, int(w)%64 + 1}
		r, err := NewRadon(s, int(angles)%64+1, int(detectors), float64(span%360)+1)
		if err != nil {
			t.Fatal(err)
		}
		x, y := make([]float32, s.Len()), make([]float32, r.Codomain().Len())
		for i := range x {
			x[i] = 1
		}
		r.Apply(y, x)
		sum := 0.0
		for _, v := range y {
			sum += float64(v)
		}
		r.Adjoint(x, y)
		back, yy := 0.0, 0.0
		for _, v := range x {
			back += float64(v)
		}
		for _, v := range y {
			yy += float64(v) * float64(v)
		}
		// <1, A'A 1> = |A 1|^2
		if math.Abs(back-yy) > 1e-5*yy {
			t.Errorf("<1,A'A1> = %v, |A1|^2 = %v", back, yy)
		}
		NewFBP(r, Hann).Reconstruct(x, y)
	})
}

func BenchmarkRadon(b *testing.B) {
	r, _ := NewRadon(Shape{1, 512, 512}, 200, 512, 180)
	x, y := make([]float32, r.Domain().Len()), make([]float32, r.Codomain().Len())
	f := NewFBP(r, Ramp)
	b.Run("forward", func(b *testing.B) {
		for b.Loop() {
			r.Apply(y, x)
		}
	})
	b.Run("adjoint", func(b *testing.B) {
		for b.Loop() {
			r.Adjoint(x, y)
		}
	})
	b.Run("fbp", func(b *testing.B) {
		for b.Loop() {
			f.Reconstruct(x, y)
		}
	})
}

// The ramp makes conjugate gradients several times shorter, is symmetric and
// positive, and the solution is the same.
func TestRadonPreconditioner(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, span := range []float64{180, 90} {
		r, err := NewRadon(Shape{2, 128, 120}, 80, 0, span)
		if err != nil {
			t.Fatal(err)
		}
		n := r.Domain().Len()
		x, b := randomSlice(rng, n), make([]float32, n)
		Normal(r, 0.01)(b, x)
		var iters [2]int
		for i, p := range []func(dst, b []float32){nil, func(dst, b []float32) { r.PreconditionNormal(dst, b, 0.01, 0) }} {
			got := make([]float32, n)
			iters[i], _ = CG{Apply: Normal(r, 0.01), Precondition: p, Tol: 1e-3, MaxIters: 500}.Solve(got, b)
		}
		if span == 180 && iters[1]*3 > iters[0] {
			t.Errorf("%d iterations, preconditioned %d", iters[0], iters[1])
		}
		u, v := make([]float32, n), make([]float32, n)
		r.PreconditionNormal(u, x, 0.3, 0.1)
		r.PreconditionNormal(v, b, 0.3, 0.1)
		if p, q := dot(u, b), dot(x, v); math.Abs(p-q) > 1e-4*math.Abs(p) || dot(u, x) <= 0 {
			t.Errorf("<Px,b> = %v, <x,Pb> = %v, <Px,x> = %v", p, q, dot(u, x))
		}
	}
}
