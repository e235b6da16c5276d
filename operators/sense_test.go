package operators

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"
)

// birdcage are k smooth maps around a scene, with a sum of squares of 1.
func birdcage(s Shape, k int) Image {
	m := NewImage(Shape{2 * k, s.H, s.W})
	for i := range s.H {
		for j := range s.W {
			y, x := float64(i)/float64(s.H)-.5, float64(j)/float64(s.W)-.5
			v := make([]complex128, k)
			for c := range v {
				sin, cos := math.Sincos(2 * math.Pi * float64(c) / float64(k))
				d := math.Hypot(y-.7*sin, x-.7*cos)
				v[c] = cmplx.Rect(1/(0.2+d*d), 1.5*(y*cos-x*sin)+float64(c))
			}
			unit(v)
			for c, z := range v {
				m.Plane(2 * c)[i*s.W+j], m.Plane(2*c + 1)[i*s.W+j] = float32(real(z)), float32(imag(z))
			}
		}
	}
	return m
}

// rowMask keeps every step-th row and middle rows around frequency 0.
func rowMask(s Shape, step, middle int, centred bool) []bool {
	m := make([]bool, s.H*s.W)
	for p := range m {
		u := p / s.W
		if centred {
			u = (u - s.H/2 + s.H) % s.H
		}
		m[p] = u%step == 0 || min(u, s.H-u) <= middle/2
	}
	return m
}

// The operator is the dense matrix of its formula.
func TestSENSEDense(t *testing.T) {
	for _, c := range []struct {
		s       Shape
		coils   int
		centred bool
	}{
		{Shape{1, 6, 5}, 3, false}, {Shape{2, 5, 6}, 2, true}, {Shape{1, 7, 4}, 0, true}, {Shape{2, 4, 4}, 0, false},
	} {
		s := c.s
		maps := Image{}
		if c.coils > 0 {
			maps = birdcage(s, c.coils)
		}
		mask := make([]bool, s.H*s.W)
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range mask {
			mask[i] = rng.Float64() < 0.6
		}
		a, err := NewSENSE(s, maps, mask, c.centred)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float32, s.Len())
		for i := range x {
			x[i] = rng.Float32()
		}
		y := NewImage(a.Codomain())
		a.Apply(y.Pix, x)
		i0, j0 := 0, 0
		if c.centred {
			i0, j0 = s.H/2, s.W/2
		}
		n, at := s.H*s.W, 0
		for p, on := range mask {
			if !on {
				continue
			}
			for coil := range max(c.coils, 1) {
				want := complex128(0)
				for q := range n {
					v := complex(float64(x[q]), 0)
					if s.C == 2 {
						v = complex(float64(x[q]), float64(x[n+q]))
					}
					if c.coils > 0 {
						v *= complex(float64(maps.Plane(2 * coil)[q]), float64(maps.Plane(2*coil + 1)[q]))
					}
					turns := float64((p/s.W-i0)*(q/s.W-i0))/float64(s.H) + float64((p%s.W-j0)*(q%s.W-j0))/float64(s.W)
					want += v * cmplx.Rect(1/math.Sqrt(float64(n)), -2*math.Pi*turns)
				}
				got := complex(float64(y.Plane(2 * coil)[at]), float64(y.Plane(2*coil + 1)[at]))
				if cmplx.Abs(got-want) > 1e-5 {
					t.Fatalf("%v: coil %d, place %d: %v, want %v", c, coil, p, got, want)
				}
			}
			at++
		}
	}
}

// A mask of rows and no coils is NewMRIRows.
func TestSENSEIsMRI(t *testing.T) {
	s := Shape{1, 16, 12}
	rows := []int32{0, 1, 3, 9, 15}
	mask := make([]bool, s.Len())
	for _, u := range rows {
		for v := range s.W {
			mask[int(u)*s.W+v] = true
		}
	}
	a, err := NewSENSE(s, Image{}, mask, false)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewMRIRows(s, rows)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, s.Len())
	for i := range x {
		x[i] = float32(math.Sin(float64(i * i)))
	}
	y, want := make([]float32, a.Codomain().Len()), make([]float32, b.Codomain().Len())
	a.Apply(y, x)
	b.Apply(want, x)
	if d := relDiff(y, want); d > 1e-6 {
		t.Errorf("off by %.2g", d)
	}
	p, q := make([]float32, s.Len()), make([]float32, s.Len())
	a.(NormalSolver).SolveNormal(p, x, 0.3)
	b.SolveNormal(q, x, 0.3)
	if d := relDiff(p, q); d > 1e-6 || math.Abs(Norm(a)-Norm(b)) > 1e-6 {
		t.Errorf("normal equations off by %.2g, norm %v and %v", d, Norm(a), Norm(b))
	}
}

// phantom is a scene of discs, 0 outside.
func phantom(s Shape) []float32 {
	r := float64(min(s.H, s.W))
	x := disc{0, 0, .42 * r}.draw(s)
	for _, d := range []struct {
		disc
		v float32
	}{{disc{-.15 * r, .1 * r, .1 * r}, -.5}, {disc{.1 * r, -.12 * r, .15 * r}, .4}, {disc{.2 * r, .2 * r, .05 * r}, .7}} {
		for i, v := range d.draw(s) {
			x[i] += d.v * v
		}
	}
	return x
}

// kspace measures a scene on the whole grid, 0 where the mask is not.
func kspace(t *testing.T, s Shape, maps Image, mask []bool, centred bool, x []float32, noise float64) Image {
	t.Helper()
	a, err := NewSENSE(s, maps, mask, centred)
	if err != nil {
		t.Fatal(err)
	}
	packed := NewImage(a.Codomain())
	a.Apply(packed.Pix, x)
	AddGaussian(packed.Pix, packed.Pix, noise, rand.New(rand.NewPCG(7, 7)))
	y := NewImage(Shape{packed.C, s.H, s.W})
	for c := range packed.C {
		k := 0
		for p, on := range mask {
			if on {
				y.Plane(c)[p] = packed.Plane(c)[k]
				k++
			}
		}
	}
	return y
}

func TestEstimateCoils(t *testing.T) {
	s := Shape{1, 64, 60}
	maps, x := birdcage(s, 6), phantom(s)
	for _, centred := range []bool{false, true} {
		mask := rowMask(s, 4, 16, centred)
		y := kspace(t, s, maps, mask, centred, x, 0.01)
		got, err := EstimateCoils(y, mask, centred)
		if err != nil {
			t.Fatal(err)
		}
		// The true maps, with the phase of the first coil's taken to be the estimate's.
		worst := 0.0
		for p, v := range x {
			if v < 0.3 {
				continue
			}
			inner := complex128(0)
			for c := range 6 {
				a := complex(float64(maps.Plane(2 * c)[p]), float64(maps.Plane(2*c + 1)[p]))
				b := complex(float64(got.Plane(2 * c)[p]), float64(got.Plane(2*c + 1)[p]))
				inner += cmplx.Conj(a) * b
			}
			worst = max(worst, 1-cmplx.Abs(inner), math.Abs(cmplx.Phase(inner))/5)
		}
		if worst > 0.03 {
			t.Errorf("centred %v: maps off by %.3g", centred, worst)
		}
	}
	if _, err := EstimateCoils(NewImage(Shape{4, 16, 16}), make([]bool, 256), false); err == nil || !strings.Contains(err.Error(), "calibration region") {
		t.Error("no calibration region:", err)
	}
}

// Settle finds the mask, the middle, the maps and the phase, and the normal equations
// then give the scene.
func TestSettleMRI(t *testing.T) {
	s := Shape{1, 64, 60}
	maps, x := birdcage(s, 6), phantom(s)
	// The scene with a smooth phase.
	both, phase := NewImage(Shape{2, s.H, s.W}), make([]float64, s.Len())
	for i, v := range x {
		phase[i] = 0.8 + 1.5*float64(i/s.W)/float64(s.H)
		both.Pix[i], both.Pix[s.Len()+i] = v*float32(math.Cos(phase[i])), v*float32(math.Sin(phase[i]))
	}
	for _, c := range []struct {
		spec    string
		centred bool
		coils   bool
		complex bool // the scene has a phase
		want    string
		near    float64
	}{
		{"mri:mask=detect", true, false, false, "mri:mask=detect,centred=true,phase=none", 1},
		{"mri:mask=detect", false, false, true, "mri:mask=detect,coils=estimate,centred=false,phase=none", 1},
		{"mri:mask=rows.npy,coils=maps.npy", true, true, false, "mri:mask=rows.npy,coils=maps.npy,centred=true,phase=none", 0.03},
		{"mri:mask=rows.npy,coils=maps.npy", false, true, true, "mri:mask=rows.npy,coils=maps.npy,centred=false,phase=none", 0.08},
		{"mri:mask=detect,coils=estimate", true, true, true, "mri:mask=detect,coils=estimate,centred=true,phase=none", 0.1},
		{"mri:mask=detect,coils=maps.npy,phase=free", true, true, true, "mri:mask=detect,coils=maps.npy,centred=true,phase=free", 0.03},
	} {
		step, used := 2, Image{}
		if c.coils {
			used, step = maps, 3
		}
		mask := rowMask(s, step, 16, c.centred)
		scene, pix := s, x
		if c.complex {
			scene, pix = both.Shape, both.Pix
		}
		y := kspace(t, scene, used, mask, c.centred, pix, 1e-3)
		sp, err := ParseSpec(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		rows := NewImage(Shape{1, 1, s.H})
		for i := range rows.Pix {
			if mask[i*s.W] {
				rows.Pix[i] = 255
			}
		}
		if sp, err = sp.Load(func(path string) (Image, error) {
			if path == "rows.npy" {
				return rows, nil
			}
			return maps, nil
		}); err != nil {
			t.Fatal(err)
		}
		m := Measurement{Y: y, Spec: sp, Noise: math.NaN()}
		settled, notes, err := m.Settle()
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		if got := settled.Spec.String(); got != c.want {
			t.Errorf("%s settles as %s, want %s; %q", c.spec, got, c.want, notes)
		}
		again, _, err := settled.Settle()
		if err != nil || again.Spec != settled.Spec || again.Y.Shape != settled.Y.Shape {
			t.Errorf("%s: settles twice: %v %v", c.spec, again.Spec, err)
		}
		a, err := settled.Build()
		if err != nil {
			t.Error(err)
			continue
		}
		// Least squares, from the magnitude's side.
		b, got := make([]float32, a.Domain().Len()), make([]float32, a.Domain().Len())
		a.Adjoint(b, settled.Y.Pix)
		CG{Apply: Normal(a, 1e-3), Tol: 1e-5, MaxIters: 200}.Solve(got, b)
		want := x
		if a.Domain().C == 2 {
			want = both.Pix
		}
		if d := relDiff(got, want); d > c.near {
			t.Errorf("%s: scene off by %.3g", c.spec, d)
		}
	}
}

func TestMRILayouts(t *testing.T) {
	s := Shape{1, 40, 24}
	maps, x := birdcage(s, 4), phantom(s)
	mask := rowMask(s, 2, 8, false)
	y := kspace(t, s, maps, mask, false, x, 0)
	spec := func(text string, content Image) Spec {
		sp, err := ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		if sp, err = sp.Load(func(string) (Image, error) { return content, nil }); err != nil {
			t.Fatal(err)
		}
		return sp
	}
	shifted := NewImage(Shape{1, s.H, s.W})
	for p, on := range mask {
		if on {
			shifted.Pix[(p/s.W+s.H/2)%s.H*s.W+p%s.W] = 1
		}
	}
	last := Image{Shape{2 * 40, 24, 4}, y.Pix}
	for _, c := range []struct {
		spec Spec
		y    Image
		want string
	}{
		{spec("mri:mask=detect", Image{}), y, "4 coils; want coils=FILE"},
		{spec("mri:mask=detect,coils=estimate", Image{}), last, "the coils last"},
		{spec("mri:mask=detect,coils=estimate", Image{}), Image{Shape{1, 40, 24}, y.Plane(0)}, "want complex"},
		{spec("mri:mask=m.npy,coils=estimate", shifted), y, "fftshift"},
		{spec("mri:mask=m.npy,coils=estimate", Image{Shape{1, 1, 3}, []float32{1, 0, 1}}), y, "a list of its 40 rows"},
		{spec("mri:mask=detect,coils=c.npy", birdcage(Shape{1, 24, 40}, 4)), y, "transposed"},
		{spec("mri:mask=detect,coils=c.npy", birdcage(s, 3)), y, "coil maps of 3 x 40 x 24"},
	} {
		m := Measurement{Y: c.y, Spec: c.spec}
		if _, _, err := m.Settle(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %v: %v; want %q", c.spec, c.y.Shape, err, c.want)
		}
	}
}
