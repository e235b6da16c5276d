package operators

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// Photons of known means give integrals of the predicted deviation.
func TestTransmission(t *testing.T) {
	s := Shape{1, 200, 50}
	rng := rand.New(rand.NewPCG(1, 2))
	n, p := NewImage(s), make([]float32, s.Len())
	for i := range n.Pix {
		p[i] = float32(i%s.W) / 20
		n.Pix[i] = 4000*float32(math.Exp(-float64(p[i]))) + 100
	}
	AddPoisson(n.Pix, n.Pix, 1, rng)
	one := func(v float32) Image { return Image{Shape{1, 1, 1}, []float32{v}} }
	rows := NewImage(Shape{1, 3, s.W})
	for i := range rows.Pix {
		rows.Pix[i] = 4000 + float32(i/s.W)*100 // of mean 4100
	}
	for _, flat := range []Image{one(4100), rows} {
		y, w, err := Transmission{Flat: flat, Dark: one(100)}.Integrals(n)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i, v := range y.Pix {
			sum += float64(v-p[i]) * float64(v-p[i]) * float64(w[i]) / float64(len(w))
		}
		if math.Abs(sum-1) > 0.05 {
			t.Errorf("flat %v: squares of the errors are %.3g times the variances", flat.Shape, sum)
		}
	}
	dead := NewImage(Shape{1, 1, s.W})
	for i := 1; i < s.W; i++ {
		dead.Pix[i] = 4100
	}
	_, w, err := Transmission{Flat: dead}.Integrals(n)
	if err != nil || w[0] != 0 || w[1] == 0 {
		t.Error("a dead detector counts:", err)
	}
	for _, c := range []struct {
		flat Image
		want string
	}{{one(0), "nowhere above"}, {NewImage(Shape{1, 2, 7}), "a flat field of 1x2x7"}} {
		if _, _, err := (Transmission{Flat: c.flat}).Integrals(n); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.flat.Shape, err, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	s := Shape{2, 3, 4}
	w, err := Spread(Image{Shape{1, 1, 4}, []float32{0, 1, 2, 3}}, s)
	if err != nil || len(w) != 24 || w[6] != 2 || w[12] != 0 {
		t.Errorf("%v %v", w, err)
	}
	if _, err := Spread(NewImage(Shape{1, 4, 3}), s); err == nil || !strings.Contains(err.Error(), "transposed") {
		t.Error(err)
	}
	if _, err := Spread(NewImage(s), s); err == nil || !strings.Contains(err.Error(), "all weights are 0") {
		t.Error(err)
	}
}

// The noise of sinograms and of k-space is found to a few percent.
func TestFindNoise(t *testing.T) {
	s := Shape{1, 64, 64}
	x := phantom(s)
	m := tomoMeasurement(t, s, "tomo:angles=60", x, 0.5)
	if got, ok := m.Spec.FindNoise(m.Y, s, nil); !ok || math.Abs(got/0.5-1) > 0.15 {
		t.Errorf("sinogram: %v", got)
	}
	y := kspace(t, s, birdcage(s, 4), rowMask(s, 2, 16, true), true, x, 0.05)
	sp, _ := ParseSpec("mri:mask=detect,coils=estimate")
	k, _, err := Measurement{Y: y, Spec: sp, Noise: math.NaN()}.Settle()
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := k.Spec.FindNoise(k.Y, k.Scene, nil); !ok || math.Abs(got/0.05-1) > 0.15 {
		t.Errorf("k-space: %v", got)
	}
}

// The noise of k-space is found where small scenes have energy at all frequencies: beside
// the object, where whole rows were measured, or in what no scene gives to several coils.
func TestFindNoiseOfCoils(t *testing.T) {
	const side = 64
	s := Shape{1, side, side}
	x := phantom(s)
	points := make([]bool, side*side)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range points {
		v, u := i%side-side/2, i/side-side/2
		points[i] = rng.IntN(3) == 0 || max(v, -v, u, -u) < 9
	}
	for name, mask := range map[string][]bool{"rows": rowMask(s, 4, 14, true), "all": rowMask(s, 1, 14, true), "points": points} {
		for _, coils := range []int{1, 4, 8} {
			if coils == 1 && name == "points" {
				continue // one coil has only the highest frequencies to go by
			}
			for _, level := range []float64{0.003, 0.03} {
				sp, _ := ParseSpec("mri:mask=detect,coils=maps,phase=none")
				maps := birdcage(s, coils)
				sp = sp.WithContent("coils", maps)
				y := kspace(t, s, maps, mask, true, x, level)
				k, _, err := Measurement{Y: y, Spec: sp, Noise: math.NaN()}.Settle()
				if err != nil {
					t.Fatal(err)
				}
				if got, ok := k.Spec.FindNoise(k.Y, k.Scene, nil); !ok || got < 0.8*level || got > 1.6*level {
					t.Errorf("%d coils, %s, noise %g: found %.4g", coils, name, level, got)
				}
			}
		}
	}
}

// Coils with common noise become independent, of a mean variance that stays.
func TestWhiten(t *testing.T) {
	s := Shape{4, 40, 30}
	rng := rand.New(rand.NewPCG(4, 4))
	draw := func() Image {
		m := NewImage(s)
		for i := range s.H * s.W {
			a, b, c, d := rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()
			// Coil 2 is coil 1 turned by i, and noise of its own.
			for k, v := range []float64{a, b, -b + .5*c, a + .5*d} {
				m.Plane(k)[i] = float32(v)
			}
		}
		return m
	}
	sp, _ := ParseSpec("mri:mask=detect,coils=estimate")
	scan := draw()
	out, err := Measurement{Y: draw(), Spec: sp}.Whiten(scan)
	if err != nil {
		t.Fatal(err)
	}
	// The same numbers as a list for each coil.
	lists := NewImage(Shape{2, 2, s.H * s.W})
	for k := range 2 {
		for part := range 2 {
			copy(lists.Plane(part)[k*s.H*s.W:], scan.Plane(2*k+part))
		}
	}
	y := draw()
	a, _ := Measurement{Y: y, Spec: sp}.Whiten(scan)
	if b, err := (Measurement{Y: y, Spec: sp}).Whiten(lists); err != nil || relDiff(a.Y.Pix, b.Y.Pix) > 1e-6 {
		t.Errorf("a scan of lists: %v", err)
	}
	var p [4][4]float64
	for i := range 4 {
		for j := range 4 {
			p[i][j] = dot(out.Y.Plane(i), out.Y.Plane(j)) / float64(s.H*s.W)
		}
	}
	for i := range 4 {
		for j := range 4 {
			want := 0.0
			if i == j {
				want = (1 + 1.25) / 2
			}
			if math.Abs(p[i][j]-want) > 0.15 {
				t.Errorf("covariance of %d and %d is %.3g, want %.3g", i, j, p[i][j], want)
			}
		}
	}
	if _, err := (Measurement{Y: draw(), Spec: sp}).Whiten(NewImage(Shape{6, 9, 9})); err == nil {
		t.Error("a scan of other coils is taken")
	}
}

// Weigh is the row-scaled operator, and its adjoint fits.
func TestWeigh(t *testing.T) {
	s := Shape{1, 20, 20}
	r, err := NewRadon(s, 9, 0, 180)
	if err != nil {
		t.Fatal(err)
	}
	w := make([]float32, r.Codomain().Len())
	for i := range w {
		w[i] = float32(i % 4)
	}
	a, err := Weigh(r, w)
	if err != nil {
		t.Fatal(err)
	}
	x, y, plain, back := make([]float32, s.Len()), make([]float32, len(w)), make([]float32, len(w)), make([]float32, s.Len())
	for i := range x {
		x[i] = float32(math.Sin(float64(i)))
	}
	a.Apply(y, x)
	r.Apply(plain, x)
	for i, v := range plain {
		if d := math.Abs(float64(y[i]) - math.Sqrt(float64(w[i]))*float64(v)); d > 1e-4 {
			t.Fatalf("ray %d is off by %v", i, d)
		}
	}
	a.Adjoint(back, y)
	if l, r := dot(y, y), dot(back, x); math.Abs(l-r) > 1e-4*l {
		t.Errorf("<Ax,Ax> = %v, <A'Ax,x> = %v", l, r)
	}
	if _, ok := a.(NormalPreconditioner); !ok {
		t.Error("the preconditioner is lost")
	}
	if _, err := Weigh(r, w[1:]); err == nil {
		t.Error("too few weights are taken")
	}
}
