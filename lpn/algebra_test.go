package lpn

import (
	"math"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// gradientHolds compares f with central differences of psi, and Hess with
// those of f, along random directions.
func gradientHolds(t *testing.T, name string, psi solvers.Potential, n int) {
	t.Helper()
	y, d := randomVec(n, 0.3, 11), randomVec(n, 1, 12)
	f := make([]float32, n)
	psi.Eval(f, y)
	at := func(h float64) (float64, []float32) {
		z, g := make([]float32, n), make([]float32, n)
		for i := range z {
			z[i] = y[i] + float32(h)*d[i]
		}
		return psi.Eval(g, z), g
	}
	const h = 1e-3
	up, fu := at(h)
	down, fd := at(-h)
	if got, want := (up-down)/(2*h), dot(f, d); math.Abs(got-want) > 2e-3*(norm(f)*norm(d)) {
		t.Errorf("%s: the slope of psi is %g, <f,d> = %g", name, got, want)
	}
	c, ok := psi.(Curved)
	if !ok {
		t.Fatalf("%s is not Curved", name)
	}
	got, want := make([]float32, n), make([]float32, n)
	for i := range want {
		want[i] = (fu[i] - fd[i]) / (2 * h)
	}
	c.Hess(got, y, d)
	if e := relative(got, want); e > 0.02 {
		t.Errorf("%s: Hess is off by %g", name, e)
	}
	// In place, over y and over v.
	for _, over := range [][]float32{append([]float32(nil), y...), append([]float32(nil), d...)} {
		a, b := y, d
		if over[0] == y[0] {
			a = over
		} else {
			b = over
		}
		c.Hess(over, a, b)
		if e := relative(over, got); e > 1e-6 {
			t.Errorf("%s: Hess in place is off by %g", name, e)
		}
	}
	z := append([]float32(nil), y...)
	psi.Eval(z, z)
	if e := relative(z, f); e > 1e-6 {
		t.Errorf("%s: Eval in place is off by %g", name, e)
	}
}

func TestAlgebraGradients(t *testing.T) {
	s := operators.Shape{C: 1, H: 8, W: 12}
	net, other := randomNet(t, smallPyramid(), 5), randomNet(t, smallPyramid(), 6)
	a, b := bound(t, net, s), bound(t, other, s)
	e, err := Ensemble(func(s operators.Shape) (solvers.Potential, error) { return net.On(s) }, s)
	if err != nil {
		t.Fatal(err)
	}
	tilt := make([]float32, s.Len())
	for i := range tilt {
		tilt[i] = 0.3 * float32(math.Sin(float64(i)))
	}
	for name, psi := range map[string]solvers.Potential{
		"tilted":   Tilted(a, tilt),
		"bound":    a,
		"scaled":   Scaled(a, 1.7),
		"mixed":    Mix([]solvers.Potential{a, b}, []float64{1, 3}),
		"ensemble": e,
		"all":      Scaled(Mix([]solvers.Potential{e, Scaled(b, 0.5)}, []float64{0.5, 0.5}), 2),
	} {
		gradientHolds(t, name, psi, s.Len())
		p := Prior{Psi: psi}
		if ok, why := p.BoundedBelow(); !ok || math.Abs(p.StrongConvexity()-0.05) > 1e-9 {
			t.Errorf("%s: bounded below %v (%s), modulus %g", name, ok, why, p.StrongConvexity())
		}
	}
	if _, ok := Scaled(soft{}, 2).(Curved); ok {
		t.Error("a scaled potential without Hess claims one")
	}
}

// TestScaledValue: R_s(x) = R(s x)/s^2; the soft threshold at 1 becomes that
// at 1/s.
func TestScaledValue(t *testing.T) {
	const s = 2.5
	p := Scaled(soft{}, s)
	y, f := []float32{-2, -0.3, 0.5, 1}, make([]float32, 4)
	p.Eval(f, y)
	for i, v := range y {
		want := math.Copysign(math.Max(math.Abs(float64(v))-1/s, 0), float64(v))
		if math.Abs(float64(f[i])-want) > 1e-6 {
			t.Errorf("f(%g) = %g, want %g", v, f[i], want)
		}
	}
	b := tinyBound(t)
	x, sx := []float32{0.2, -0.1, 0.3}, []float32{0.2 * s, -0.1 * s, 0.3 * s}
	got, want := Prior{Psi: Scaled(b, s)}.At(x), Prior{Psi: b}.At(sx)
	if math.Abs(got.R-want.R/(s*s)) > 1e-4*math.Abs(got.R)+got.Gap {
		t.Errorf("R_s(x) = %g, R(sx)/s^2 = %g", got.R, want.R/(s*s))
	}
}

// TestTiltedValue: R_v(x) = R(x) - <v,x>, and the prox of |x| - v x is the soft threshold
// of y + v.
func TestTiltedValue(t *testing.T) {
	v, y, f := []float32{0.5, -2, 0}, []float32{1.25, 0.5, -3}, make([]float32, 3)
	Tilted(soft{}, v).Eval(f, y)
	if f[0] != 0.75 || f[1] != -0.5 || f[2] != -2 {
		t.Errorf("f = %v, want [0.75 -0.5 -2]", f)
	}
	b := tinyBound(t)
	x, v := []float32{0.2, -0.1, 0.3}, []float32{0.1, 0.2, -0.4}
	got, plain := Prior{Psi: Tilted(b, v)}.At(x), Prior{Psi: b}.At(x)
	want := plain.R - dot(v, x)
	if math.Abs(got.R-want) > 1e-4*(1+math.Abs(want))+got.Gap+plain.Gap {
		t.Errorf("R_v(x) = %g, R(x) - <v,x> = %g", got.R, want)
	}
}

// TestEnsembleEquivariant: f(T y) = T f(y) for each symmetry, here tested on a
// picture that is not square, against turning by hand.
func TestEnsembleEquivariant(t *testing.T) {
	net := randomNet(t, smallPyramid(), 5)
	bind := func(s operators.Shape) (solvers.Potential, error) { return net.On(s) }
	s := operators.Shape{C: 1, H: 8, W: 12}
	r := operators.Shape{C: 1, H: 12, W: 8}
	e, err := Ensemble(bind, s)
	if err != nil {
		t.Fatal(err)
	}
	turned, err := Ensemble(bind, r)
	if err != nil {
		t.Fatal(err)
	}
	y := randomVec(s.Len(), 0.3, 4)
	quarter := func(x []float32) []float32 { // 90 degrees anticlockwise
		z := make([]float32, len(x))
		for i := range s.H {
			for j := range s.W {
				z[(s.W-1-j)*s.H+i] = x[i*s.W+j]
			}
		}
		return z
	}
	f, g := make([]float32, len(y)), make([]float32, len(y))
	a := e.Eval(f, y)
	b := turned.Eval(g, quarter(y))
	if d := relative(g, quarter(f)); d > 1e-5 || math.Abs(a-b) > 1e-5*math.Abs(a) {
		t.Errorf("turned by 90 degrees the result is off by %g, psi %g and %g", d, a, b)
	}
	one := make([]float32, len(y))
	bound(t, net, s).Eval(one, y)
	if relative(one, f) < 1e-4 {
		t.Error("the ensemble is the network itself: nothing was tested")
	}
	if _, err := Ensemble(func(s operators.Shape) (solvers.Potential, error) {
		return randomNet(t, MNIST(2), 1).On(s)
	}, s); err == nil {
		t.Error("an ensemble on a shape the network cannot take")
	}
}

func TestAlgebraPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"scale 0":          func() { Scaled(soft{}, 0) },
		"tilt":             func() { Tilted(soft{}, make([]float32, 2)).Eval(make([]float32, 1), make([]float32, 1)) },
		"weights":          func() { Mix([]solvers.Potential{soft{}}, nil) },
		"negative weight":  func() { Mix([]solvers.Potential{soft{}, soft{}}, []float64{2, -1}) },
		"no weight":        func() { Mix([]solvers.Potential{soft{}}, []float64{0}) },
		"strength 0":       func() { Prior{Psi: soft{}}.Prox(make([]float32, 1), make([]float32, 1), 0) },
		"negative network": func() { Prior{Psi: soft{}, Weight: -1}.Prox(make([]float32, 1), make([]float32, 1), 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
