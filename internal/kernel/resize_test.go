package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// adjoint checks <A x, y> = <x, A'y>.
func adjoint(t *testing.T, name string, nx, ny int, rng *rand.Rand, forward, back func(dst, x []float32)) {
	t.Helper()
	x, y := normal(rng, nx), normal(rng, ny)
	ax, ay := normal(rng, ny), normal(rng, nx) // whatever was there before
	forward(ax, x)
	back(ay, y)
	a, b := Dot(ax, y), Dot(x, ay)
	if math.Abs(a-b) > 1e-5*math.Sqrt(Dot(ax, ax)*Dot(y, y)+1) {
		t.Fatalf("%s: <Ax,y> = %g, <x,A'y> = %g", name, a, b)
	}
}

func TestAvgPool(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for _, c := range []int{1, 2, 3, 7, 8, 16, 24, 32, 33} {
			n, h, w := 2, 4, 6
			x, dst := normal(rng, n*h*w*c), make([]float32, n*h*w*c/4)
			AvgPool(dst, x, n, h, w, c)
			for i, got := range dst {
				k, u, y := i%c, i/c%(w/2), i/c/(w/2)
				var want float64
				for d := range 4 {
					want += float64(x[((2*y+d/2)*w+2*u+d%2)*c+k]) / 4
				}
				if math.Abs(float64(got)-want) > 1e-6 {
					t.Fatalf("c=%d: %g, want %g", c, got, want)
				}
			}
			adjoint(t, fmt.Sprint("AvgPool c=", c), n*h*w*c, n*h*w*c/4, rng,
				func(d, x []float32) { AvgPool(d, x, n, h, w, c) }, func(d, x []float32) { AvgPoolT(d, x, n, h, w, c) })
		}
	})
}

func TestSpaceToDepth(t *testing.T) {
	levels(t, func(t *testing.T) {
		testSpaceToDepth(t, 2, 6, 9, 2, 3)
		for _, c := range []int{1, 2, 3, 4, 5, 8, 20, 32} {
			testSpaceToDepth(t, 2, 6, 10, c, 2)
		}
	})
}

func testSpaceToDepth(t *testing.T, n, h, w, c, r int) {
	x, dst, back := make([]float32, n*h*w*c), make([]float32, n*h*w*c), make([]float32, n*h*w*c)
	for i := range x {
		x[i] = float32(i)
	}
	SpaceToDepth(dst, x, n, h, w, c, r)
	for p := range n {
		for y := range h {
			for u := range w {
				for k := range c {
					got := dst[((p*(h/r)+y/r)*(w/r)+u/r)*c*r*r+k*r*r+(y%r)*r+u%r]
					if want := x[((p*h+y)*w+u)*c+k]; got != want {
						t.Fatalf("%g, want %g", got, want)
					}
				}
			}
		}
	}
	DepthToSpace(back, dst, n, h, w, c, r)
	if SquaredError(back, x) != 0 {
		t.Error("DepthToSpace is not the inverse")
	}
}

func TestInterleave(t *testing.T) {
	levels(t, testInterleave)
}

func testInterleave(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []int{1, 2, 3, 4, 8, 15, 16, 33, 64} {
		n, h, w := 2, 5, 7
		x, dst, back := normal(rng, n*h*w*c), make([]float32, n*h*w*c), make([]float32, n*h*w*c)
		Interleave(dst, x, n, h, w, c)
		for p := range n {
			for i := range h * w {
				for k := range c {
					if got, want := dst[(p*h*w+i)*c+k], x[(p*c+k)*h*w+i]; got != want {
						t.Fatalf("c=%d: %g, want %g", c, got, want)
					}
				}
			}
		}
		Deinterleave(back, dst, n, h, w, c)
		if SquaredError(back, x) != 0 {
			t.Errorf("c=%d: Deinterleave is not the inverse", c)
		}
	}
}

func TestPadSym(t *testing.T) {
	dst := make([]float32, 12)
	PadSym(dst, []float32{1, 2, 3}, 1, 1, 3, 0, 0, 4, 5)
	if fmt.Sprint(dst) != "[3 3 2 1 1 2 3 3 2 1 1 2]" {
		t.Error(dst)
	}
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 50 {
			n, h, w := 1+rng.IntN(2), 1+rng.IntN(20), 1+rng.IntN(20)
			a, b, c, d := rng.IntN(30), rng.IntN(10), rng.IntN(10), rng.IntN(30)
			adjoint(t, "PadSym", n*h*w, n*(h+a+b)*(w+c+d), rng,
				func(y, x []float32) { PadSym(y, x, n, h, w, a, b, c, d) },
				func(y, x []float32) { PadSymT(y, x, n, h, w, a, b, c, d) })
		}
	})
}

func TestResize(t *testing.T) {
	// torch.nn.functional.interpolate(torch.tensor([[[[1.,2.],[3.,5.]]]]),
	// size=(4,4), mode="bilinear", align_corners=False), by hand.
	dst := make([]float32, 16)
	Resize(dst, []float32{1, 2, 3, 5}, 1, 2, 2, 1, 4, 4)
	if fmt.Sprint(dst) != "[1 1.25 1.75 2 1.5 1.8125 2.4375 2.75 2.5 2.9375 3.8125 4.25 3 3.5 4.5 5]" {
		t.Error(dst)
	}
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 100 {
			n, c := 1+rng.IntN(2), 1+rng.IntN(40)
			h, w, oh, ow := 1+rng.IntN(12), 1+rng.IntN(12), 1+rng.IntN(12), 1+rng.IntN(12)
			x, dst := normal(rng, n*h*w*c), make([]float32, n*oh*ow*c)
			Resize(dst, x, n, h, w, c, oh, ow)
			for i, got := range dst {
				k, u, y, p := i%c, i/c%ow, i/c/ow%oh, i/c/ow/oh
				want := 0.0
				for dy := range h {
					for dx := range w {
						want += hat(y, dy, h, oh) * hat(u, dx, w, ow) * float64(x[((p*h+dy)*w+dx)*c+k])
					}
				}
				if math.Abs(float64(got)-want) > 1e-5 {
					t.Fatalf("%dx%d to %dx%d: %g, want %g", h, w, oh, ow, got, want)
				}
			}
			adjoint(t, "Resize", len(x), len(dst), rng,
				func(d, x []float32) { Resize(d, x, n, h, w, c, oh, ow) },
				func(d, x []float32) { ResizeT(d, x, n, h, w, c, oh, ow) })
		}
	})
}

// hat is the weight of sample i of n in sample o of out, from the definition:
// a triangle around the half-pixel centre, which is clamped to the samples.
func hat(o, i, n, out int) float64 {
	at := min(max((float64(o)+0.5)*float64(n)/float64(out)-0.5, 0), float64(n-1))
	return max(0, 1-math.Abs(at-float64(i)))
}

// FuzzInterpolate compares every level with the sum in float64.
func FuzzInterpolate(f *testing.F) {
	f.Add(uint64(1), uint8(30), 1.3, 1.3)
	f.Add(uint64(2), uint8(17), -0.77, 1.0)
	f.Add(uint64(3), uint8(8), 0.0, 2.5)
	f.Add(uint64(4), uint8(0), 1.0, 1.0)
	f.Add(uint64(5), uint8(40), 0.55, 1.9)
	f.Add(uint64(7), uint8(40), -1.0, 1.0)
	f.Fuzz(func(t *testing.T, seed uint64, n uint8, step, slope float64) {
		if !(math.Abs(step) <= 8) || !(slope >= 1 && slope <= 8) {
			t.Skip()
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		at := 3 * rng.Float64()
		if step < 0 {
			at -= step * float64(n)
		}
		// With and without the samples that are read and not used.
		src := normal(rng, int(at+math.Abs(step)*float64(n))+3+int(seed%2)*33)
		was := normal(rng, int(n))
		k := float32(slope)
		for _, l := range Levels() {
			restore := SetLevel(l)
			got := slices.Clone(was)
			Interpolate(got, src, at, step, k)
			restore()
			for i, v := range got {
				p := at + float64(i)*step
				j := int(math.Floor(p))
				fr := p - math.Floor(p)
				want := float64(was[i]) + max(0, 1-slope*fr)*float64(src[j]) + max(0, 1-slope*(1-fr))*float64(src[j+1])
				if math.Abs(float64(v)-want) > 1e-5*slope {
					t.Errorf("%v, element %d at %g: %g, want %g", l, i, p, v, want)
				}
			}
		}
	})
}

func TestInterpolatePanics(t *testing.T) {
	for name, at := range map[string]float64{"before": -0.5, "behind": 7.5} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s the line: no panic", name)
				}
			}()
			Interpolate(make([]float32, 2), make([]float32, 9), at, 1, 1)
		}()
	}
}
