package proxtest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lpn-imaging/lpn/solvers"
)

// Options say what is known of the function whose prox is tested.
type Options struct {
	// N is the number of samples the prox works on. Default 3.
	N int
	// Seed of the random points. Default 0.
	Seed uint64
	// Scale is the standard deviation of the random points. Default 1.
	Scale float64
	// Strengths are the t at which to test. Default 0.1, 1 and 10.
	Strengths []float64
	// Convex asks for firm non-expansiveness; the default is the weaker
	// monotonicity, which every prox has.
	Convex bool
	// Value is g. Without it only what needs no value is tested; where the
	// prox has a method Value(x []float32) float64 that is the default.
	Value func(x []float32) float64
	// Tol is the relative tolerance of every comparison. Default 1e-4: float32
	// samples, and a prox computed by iterations.
	Tol float64
	// Points is the number of random points. Default 20.
	Points int
}

func (o Options) filled(p solvers.Prox) Options {
	if o.N == 0 {
		o.N = 3
	}
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.Strengths == nil {
		o.Strengths = []float64{0.1, 1, 10}
	}
	if o.Tol == 0 {
		o.Tol = 1e-4
	}
	if o.Points == 0 {
		o.Points = 20
	}
	if v, ok := p.(interface{ Value(x []float32) float64 }); ok && o.Value == nil {
		o.Value = v.Value
	}
	return o
}

// Check runs all tests that o gives the means for.
func Check(t testing.TB, p solvers.Prox, o Options) {
	t.Helper()
	o = o.filled(p)
	rng := rand.New(rand.NewPCG(o.Seed, 0x70726f78))
	for _, s := range o.Strengths {
		var before, beforeP []float32
		for range o.Points {
			v := o.random(rng)
			x := make([]float32, o.N)
			kept := append([]float32(nil), v...)
			p.Prox(x, v, s)
			for i := range v {
				if v[i] != kept[i] {
					t.Errorf("t=%g: the prox changed its argument", s)
					break
				}
			}
			inPlace(t, p, x, v, s, o)
			if before != nil {
				monotone(t, v, before, x, beforeP, s, o)
			}
			before, beforeP = v, x
			if o.Value != nil {
				Argmin(t, p, v, s, rng, o)
				envelope(t, p, v, s, rng, o)
				value(t, p, v, s, o)
			}
		}
	}
}

func (o Options) random(rng *rand.Rand) []float32 {
	v := make([]float32, o.N)
	for i := range v {
		v[i] = float32(o.Scale * rng.NormFloat64())
	}
	return v
}

func inPlace(t testing.TB, p solvers.Prox, x, v []float32, s float64, o Options) {
	t.Helper()
	y := append([]float32(nil), v...)
	p.Prox(y, y, s)
	for i := range y {
		if math.Abs(float64(y[i]-x[i])) > o.Tol*o.Scale {
			t.Errorf("t=%g: in place the prox of %v is %v, else %v", s, v, y, x)
			return
		}
	}
}

// monotone checks <p(u)-p(v), u-v> >= 0, and >= ||p(u)-p(v)||^2 (Moreau 1965)
// for a convex function.
func monotone(t testing.TB, u, v, pu, pv []float32, s float64, o Options) {
	t.Helper()
	in, sq, scale := 0.0, 0.0, 0.0
	for i := range u {
		a, b := float64(u[i])-float64(v[i]), float64(pu[i])-float64(pv[i])
		in += a * b
		sq += b * b
		scale += a * a
	}
	if in < -o.Tol*scale {
		t.Errorf("t=%g: not monotone: <p(u)-p(v), u-v> = %g at u=%v v=%v", s, in, u, v)
	}
	if o.Convex && sq > in+o.Tol*scale {
		t.Errorf("t=%g: not firmly non-expansive: ||p(u)-p(v)||^2 = %g > <p(u)-p(v), u-v> = %g at u=%v v=%v", s, sq, in, u, v)
	}
}

// Argmin checks that no point found by brute force beats p's: points on
// segments to v and to 0, coordinate moves and random moves of all sizes from
// a thousandth of Scale to 3 Scale. It needs o.Value; o's zero fields take
// their defaults.
func Argmin(t testing.TB, p solvers.Prox, v []float32, s float64, rng *rand.Rand, o Options) {
	t.Helper()
	o = o.filled(p)
	x := make([]float32, o.N)
	p.Prox(x, v, s)
	best := energy(o, x, v, s)
	tol := o.Tol * (math.Abs(best) + energy(o, v, v, s) + 1e-3*o.Scale*o.Scale)
	z := make([]float32, o.N)
	try := func(how string) bool {
		if e := energy(o, z, v, s); e < best-tol {
			t.Errorf("t=%g, v=%v: t g + 1/2||.-v||^2 is %g at the prox %v, %g at %v (%s)", s, v, best, x, e, z, how)
			return false
		}
		return true
	}
	for k := range 21 {
		w := float32(k) / 20
		for i := range z {
			z[i] = x[i] + w*(v[i]-x[i])
		}
		if !try("towards v") {
			return
		}
		for i := range z {
			z[i] = x[i] * (1 - w)
		}
		if !try("towards 0") {
			return
		}
	}
	for size := 3 * o.Scale; size > 1e-3*o.Scale; size /= 2 {
		for i := range z {
			for _, sign := range []float64{-1, 1} {
				copy(z, x)
				z[i] += float32(sign * size)
				if !try("coordinate move") {
					return
				}
			}
		}
		for range 20 {
			for i := range z {
				z[i] = x[i] + float32(size*rng.NormFloat64())
			}
			if !try("random move") {
				return
			}
		}
	}
}

func energy(o Options, x, v []float32, s float64) float64 {
	e := 0.0
	for i := range x {
		d := float64(x[i]) - float64(v[i])
		e += d * d / 2
	}
	return s*o.Value(x) + e
}

// envelope checks that the Moreau envelope M(v) = min t g(x) + 1/2||x-v||^2
// has the gradient v - p(v), by its slope along a random direction. A
// non-convex g has an envelope with kinks, where p jumps; so only a convex one
// is checked.
func envelope(t testing.TB, p solvers.Prox, v []float32, s float64, rng *rand.Rand, o Options) {
	t.Helper()
	if !o.Convex {
		return
	}
	d := o.random(rng)
	step := 0.02
	at := func(k float64) (m, slope float64) {
		u, x := make([]float32, o.N), make([]float32, o.N)
		for i := range u {
			u[i] = v[i] + float32(k*step)*d[i]
		}
		p.Prox(x, u, s)
		for i := range u {
			slope += (float64(u[i]) - float64(x[i])) * float64(d[i])
		}
		return energy(o, x, u, s), slope
	}
	m0, s0 := at(0)
	m1, s1 := at(1)
	// M is convex with a gradient that is 1-Lipschitz, so the difference lies
	// between the slopes at the ends.
	got := (m1 - m0) / step
	size := 0.0
	for _, u := range d {
		size += float64(u) * float64(u)
	}
	tol := o.Tol * (math.Abs(m0)/step + math.Abs(s0) + math.Abs(s1) + size)
	if got < s0-tol || got > s1+tol {
		t.Errorf("t=%g, v=%v: the envelope's slope is %g, v - p(v) says between %g and %g", s, v, got, s0, s1)
	}
}

// value checks what a ValuedProx returns.
func value(t testing.TB, p solvers.Prox, v []float32, s float64, o Options) {
	t.Helper()
	vp, ok := p.(solvers.ValuedProx)
	if !ok {
		return
	}
	x := make([]float32, o.N)
	got := vp.ProxValue(x, v, s)
	want := o.Value(x)
	if math.Abs(got-want) > o.Tol*(math.Abs(want)+1e-3*o.Scale) {
		t.Errorf("t=%g, v=%v: ProxValue returns g = %g, g at its point is %g", s, v, got, want)
	}
}
