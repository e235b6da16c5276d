package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

var special = []float32{0, float32(math.Copysign(0, -1)), 1, -1, 1e-40, -3e-42, 1e-30, -1e-30, 60, -60, 87, -88, 100, -100, 1e10, -1e10, 3e38, -3e38,
	float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}

// wild is numbers of all magnitudes.
func wild(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		switch rng.IntN(4) {
		case 0:
			x[i] = special[rng.IntN(len(special))]
		case 1:
			x[i] = float32(rng.NormFloat64() * math.Pow(10, float64(rng.IntN(20)-10)))
		default:
			x[i] = float32(3 * rng.NormFloat64())
		}
	}
	return x
}

// An elementwise routine and what it computes, with mag the magnitude that
// the error is relative to (nil: the result).
type elementwise struct {
	name string
	tol  float64
	run  func(dst, x, y []float32)
	ref  func(d, x, y float64) float64
	mag  func(d, x, y float64) float64
}

const beta = 10.0
const threshold = 2.0 // a power of two: what is divided by it stays exact

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

var elementwises = []elementwise{
	{"Add", 1e-7, Add, func(d, x, y float64) float64 { return x + y }, nil},
	{"Mul", 1e-7, Mul, func(d, x, y float64) float64 { return x * y }, nil},
	{"MulAdd", 2e-7, MulAdd, func(d, x, y float64) float64 { return d + x*y },
		func(d, x, y float64) float64 { return math.Abs(d) + math.Abs(x*y) }},
	{"Scale", 1e-7, func(d, x, y []float32) { Scale(d, x, 1.5) }, func(d, x, y float64) float64 { return 1.5 * x }, nil},
	{"Axpy", 2e-7, func(d, x, y []float32) { Axpy(d, -1.5, x) }, func(d, x, y float64) float64 { return d - 1.5*x },
		func(d, x, y float64) float64 { return math.Abs(d) + math.Abs(1.5*x) }},
	{"Ramp", 0, func(d, x, y []float32) { Ramp(d, x) }, func(d, x, y float64) float64 { return max(x, 0) }, nil},
	{"HalfSquare", 2e-7, func(d, x, y []float32) { HalfSquare(d, x) }, func(d, x, y float64) float64 { return x * x / 2 }, nil},
	{"Exp", 3e-7, func(d, x, y []float32) { Exp(d, x) }, func(d, x, y float64) float64 { return math.Exp(x) }, nil},
	{"Softplus", 4e-7, func(d, x, y []float32) { Softplus(d, y, x, beta) }, func(d, x, y float64) float64 { return softplus(beta*x) / beta },
		func(d, x, y float64) float64 { return max(1/beta, math.Abs(x)) }},
	{"SoftplusZ", 4e-7, func(d, x, y []float32) { Softplus(d, nil, x, beta) }, func(d, x, y float64) float64 { return softplus(beta*x) / beta },
		func(d, x, y float64) float64 { return max(1/beta, math.Abs(x)) }},
	{"Sigmoid", 4e-7, func(d, x, y []float32) { Softplus(y, d, x, beta) }, func(d, x, y float64) float64 { return sigmoid(beta * x) }, one},
	{"SigmoidS", 4e-7, func(d, x, y []float32) { Softplus(nil, d, x, beta) }, func(d, x, y float64) float64 { return sigmoid(beta * x) }, one},
	{"SoftplusD2", 4e-7, func(d, x, y []float32) { SoftplusD2(d, x, beta) },
		func(d, x, y float64) float64 { return beta * sigmoid(beta*x) * sigmoid(-beta*x) },
		func(d, x, y float64) float64 { return beta }},
	{"HardGate", 2e-7, func(d, x, y []float32) { HardGate(d, y, x) }, hardGate, mag1},
	{"HardGateZ", 2e-7, func(d, x, y []float32) { HardGate(d, nil, x) }, hardGate, mag1},
	{"HardGate1", 2e-7, func(d, x, y []float32) { HardGate(y, d, x) }, hardGate1, one},
	{"HardGate1S", 2e-7, func(d, x, y []float32) { HardGate(nil, d, x) }, hardGate1, one},
	{"Huber", 3e-7, func(d, x, y []float32) { Huber(d, y, x, threshold) }, huber, nil},
	{"HuberZ", 3e-7, func(d, x, y []float32) { Huber(d, nil, x, threshold) }, huber, nil},
	{"Huber1", 0, func(d, x, y []float32) { Huber(y, d, x, threshold) }, huber1, nil},
	{"Huber1S", 0, func(d, x, y []float32) { Huber(nil, d, x, threshold) }, huber1, nil},
	{"HuberD2", 0, func(d, x, y []float32) { HuberD2(d, x, threshold) }, func(d, x, y float64) float64 {
		switch {
		case x != x:
			return x
		case math.Abs(x) < threshold:
			return 1
		}
		return 0
	}, nil},
	{"HardGateD2", 0, func(d, x, y []float32) { HardGateD2(d, x) }, func(d, x, y float64) float64 {
		switch {
		case x != x:
			return x
		case math.Abs(x) < 1:
			return 0.5
		}
		return 0
	}, nil},
}

func huber(d, x, y float64) float64 {
	if a := math.Abs(x); a > threshold {
		return threshold * (a - threshold/2)
	}
	return x * x / 2
}

func huber1(d, x, y float64) float64 { return min(max(x, -threshold), threshold) }

func one(d, x, y float64) float64  { return 1 }
func mag1(d, x, y float64) float64 { return max(1, math.Abs(x)) }

func hardGate(d, x, y float64) float64 {
	switch {
	case x < -1:
		return 0
	case x <= 1:
		return (x + 1) * (x + 1) / 4
	}
	return x
}

func hardGate1(d, x, y float64) float64 { return min(max(x/2+0.5, 0), 1) }

// tiny is the slack for results that one side counts as zero.
const tiny = 4e-38

// near says whether got is want up to tol*mag; results that overflow float32
// must be infinite, except that rounding decides just below the limit.
func near(got float32, want, tol, mag float64) bool {
	g := float64(got)
	switch {
	case math.IsNaN(want):
		return g != g
	case math.Abs(want) > math.MaxFloat32*(1-1e-6):
		return g*want > 0 && math.Abs(g) > math.MaxFloat32*(1-1e-5)
	}
	return math.Abs(g-want) <= tol*mag+tiny
}

func TestElementwise(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, e := range elementwises {
			rng := rand.New(rand.NewPCG(1, 2))
			for n := range 101 {
				checkElementwise(t, e, rng, n, wild)
				checkElementwise(t, e, rng, n, normal)
			}
			checkElementwise(t, e, rng, 5000, normal)
		}
	})
}

func checkElementwise(t *testing.T, e elementwise, rng *rand.Rand, n int, gen func(*rand.Rand, int) []float32) {
	t.Helper()
	x, y, d := gen(rng, n), gen(rng, n), gen(rng, n)
	const guard = 12345
	buf := append(append([]float32{guard}, d...), guard)
	dst := buf[1 : n+1]
	scratch := append([]float32(nil), y...)
	e.run(dst, x, scratch)
	if buf[0] != guard || buf[n+1] != guard {
		t.Fatalf("%s: n=%d: wrote outside dst", e.name, n)
	}
	for i := range dst {
		if !e.accepts(dst[i], float64(d[i]), float64(x[i]), float64(y[i])) &&
			!e.accepts(dst[i], flush(d[i]), flush(x[i]), flush(y[i])) {
			t.Fatalf("%s: n=%d: at d=%g x=%g y=%g got %g", e.name, n, d[i], x[i], y[i], dst[i])
		}
	}
}

func (e elementwise) accepts(got float32, d, x, y float64) bool {
	want := e.ref(d, x, y)
	mag := math.Abs(want)
	if e.mag != nil {
		mag = e.mag(d, x, y)
	}
	if e.mag != nil && mag > math.MaxFloat32 {
		return true // a term overflows: infinity, NaN and the sum are all right
	}
	return near(got, want, e.tol, mag)
}

// flush is x, or zero if x is denormal.
func flush(x float32) float64 {
	if math.Abs(float64(x)) < 0x1p-126 {
		return 0
	}
	return float64(x)
}

// In place must be the same as out of place.
func TestElementwiseAlias(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, n := range []int{1, 7, 16, 63, 64, 65, 100} {
			x, y := normal(rng, n), normal(rng, n)
			for _, e := range elementwises {
				if e.name == "MulAdd" || e.name == "Axpy" {
					continue
				}
				want := make([]float32, n)
				e.run(want, x, append([]float32(nil), y...))
				got := append([]float32(nil), x...)
				e.run(got, got, append([]float32(nil), y...))
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("%s: dst = x gives %g, not %g", e.name, got[i], want[i])
					}
				}
			}
			z, s, both := make([]float32, n), make([]float32, n), append([]float32(nil), x...)
			Softplus(z, s, x, beta)
			Softplus(s, both, both, beta)
			for i := range z {
				if z[i] != s[i] {
					t.Fatal("Softplus: s = x changes z")
				}
			}
		}
	})
}

// A bias is what AddBias adds, for any number of channels and in place.
func TestSoftplusBias(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, c := range []int{1, 3, 8, 16, 24, 64, 65} {
			for _, pixels := range []int{1, 2, 5, 9} {
				x, b := normal(rng, c*pixels), normal(rng, c)
				bias := NewBias(b)
				biased := make([]float32, len(x))
				AddBias(biased, x, b)
				want := [2][]float32{make([]float32, len(x)), make([]float32, len(x))}
				Softplus(want[0], want[1], biased, beta)
				clear(b) // NewBias copies
				got := [4][]float32{append([]float32(nil), x...), make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(x))}
				SoftplusBias(got[2], nil, x, bias, beta)
				SoftplusBias(nil, got[3], x, bias, beta)
				SoftplusBias(got[0], got[1], got[0], bias, beta)
				for k, g := range got {
					for i, v := range g {
						if v != want[k%2][i] {
							t.Fatalf("%d channels, %d pixels: result %d[%d] is %g, want %g", c, pixels, k, i, v, want[k%2][i])
						}
					}
				}
			}
		}
	})
}

// The activations must be monotone and within their limits.
func TestActivationLimits(t *testing.T) {
	levels(t, func(t *testing.T) {
		const n = 4001
		x, z, s := make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range x {
			x[i] = float32(i-2000) / 100
		}
		Softplus(z, s, x, beta)
		for i := 1; i < n; i++ {
			if z[i] < z[i-1]*(1-1e-6) || s[i] < s[i-1]*(1-1e-6) || s[i] > 1 || s[i] <= 0 || z[i] <= 0 {
				t.Fatalf("at %g: z %g after %g, s %g after %g", x[i], z[i], z[i-1], s[i], s[i-1])
			}
		}
	})
}

func TestChannels(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for c := 1; c <= 100; c++ {
			rows := rng.IntN(40)
			x, b := normal(rng, rows*c), normal(rng, c)
			add, mul := make([]float32, rows*c), make([]float32, rows*c)
			AddBias(add, x, b)
			MulChannel(mul, x, b)
			sum, want := make([]float64, c), make([]float64, c)
			for i := range sum {
				sum[i] = rng.NormFloat64()
			}
			copy(want, sum)
			ChannelSum(sum, x)
			for i := range x {
				if add[i] != x[i]+b[i%c] || mul[i] != x[i]*b[i%c] {
					t.Fatalf("c=%d: element %d: %g, %g", c, i, add[i], mul[i])
				}
				want[i%c] += float64(x[i])
			}
			for i := range want {
				if math.Abs(sum[i]-want[i]) > 1e-13 {
					t.Fatalf("c=%d: sum %g, want %g", c, sum[i], want[i])
				}
			}
		}
	})
}

// The sums have the same bits at every level, and agree with plain loops.
func TestReductions(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for n := range 101 {
		x, y := normal(rng, n), normal(rng, n)
		var dot, sq, ab float64
		for i := range x {
			p, q := float64(x[i]), float64(y[i])
			dot += p * q
			sq += (p - q) * (p - q)
			ab += math.Abs(p - q)
		}
		var first [3]float64
		for _, l := range Levels() {
			restore := SetLevel(l)
			got := [3]float64{Dot(x, y), SquaredError(x, y), AbsError(x, y)}
			restore()
			if l == Generic {
				first = got
			}
			if got != first {
				t.Fatalf("n=%d: %v at level %v, %v at generic", n, got, l, first)
			}
			for i, want := range []float64{dot, sq, ab} {
				if math.Abs(got[i]-want) > 1e-13*float64(n+1) {
					t.Fatalf("n=%d: sum %d is %g, want %g", n, i, got[i], want)
				}
			}
		}
	}
}

func TestGroups(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(9, 10))
		for _, per := range []int{1, 2, 3, 4, 5, 8, 15, 16, 17, 32, 33} {
			for runs := range 36 {
				checkGroups(t, rng, per, runs)
			}
		}
	})
}

func checkGroups(t *testing.T, rng *rand.Rand, per, runs int) {
	t.Helper()
	n := per * runs
	x, g, v := normal(rng, n), normal(rng, n), normal(rng, runs)
	for i := range x {
		x[i] *= 20
	}
	expanded, product, sums := make([]float32, n), make([]float32, n), make([]float32, runs)
	Expand(expanded, v, per)
	ExpandMul(product, g, v, per)
	GroupSum(sums, g, per)
	z, s := make([]float32, runs), make([]float32, n)
	LogSumExp(z, s, x, per)
	zOnly, sOnly := make([]float32, runs), append([]float32(nil), x...)
	LogSumExp(zOnly, nil, x, per)
	LogSumExp(nil, sOnly, sOnly, per)
	grad := make([]float32, n)
	SoftmaxGrad(grad, s, g, per)
	for j := range runs {
		top, sum, want := math.Inf(-1), 0.0, 0.0
		for _, u := range x[j*per : (j+1)*per] {
			top = max(top, float64(u))
		}
		for i := j * per; i < (j+1)*per; i++ {
			sum += math.Exp(float64(x[i]) - top)
			want += float64(g[i])
		}
		if math.Abs(float64(sums[j])-want) > 1e-5 {
			t.Fatalf("per=%d: sum %g, want %g", per, sums[j], want)
		}
		lse := top + math.Log(sum)
		if math.Abs(float64(z[j])-lse) > 4e-7*max(1, math.Abs(lse)) || zOnly[j] != z[j] {
			t.Fatalf("per=%d runs=%d run %d: log-sum-exp %g and %g, want %g", per, runs, j, z[j], zOnly[j], lse)
		}
		mean := 0.0
		for i := j * per; i < (j+1)*per; i++ {
			mean += math.Exp(float64(x[i])-lse) * float64(g[i])
		}
		for i := j * per; i < (j+1)*per; i++ {
			p := math.Exp(float64(x[i]) - lse)
			if math.Abs(float64(s[i])-p) > 1e-6 || s[i] != sOnly[i] {
				t.Fatalf("per=%d: softmax %g and %g, want %g", per, s[i], sOnly[i], p)
			}
			if w := p * (float64(g[i]) - mean); math.Abs(float64(grad[i])-w) > 4e-6 {
				t.Fatalf("per=%d: softmax gradient %g, want %g", per, grad[i], w)
			}
			if expanded[i] != v[j] || product[i] != v[j]*g[i] {
				t.Fatalf("per=%d: expand %g, product %g", per, expanded[i], product[i])
			}
		}
	}
}

func TestLogSumExpExtremes(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, per := range []int{3, 16} {
			x, z, s := make([]float32, 3*per), make([]float32, 3), make([]float32, 3*per)
			for i := range x[:2*per] {
				x[i] = []float32{3e38, -3e38}[i/per]
			}
			x[2*per+1] = float32(math.NaN())
			LogSumExp(z, s, x, per)
			if z[0] != 3e38 || z[1] != -3e38 || z[2] == z[2] || s[0] != 1/float32(per) || s[2*per] == s[2*per] {
				t.Errorf("per=%d: %v %v", per, z, s)
			}
		}
	})
}

func TestOuter(t *testing.T) {
	dst := make([]float32, 6)
	Outer(dst, []float32{1, 10}, []float32{1, 2, 3})
	if fmt.Sprint(dst) != "[1 2 3 10 20 30]" {
		t.Error(dst)
	}
}

func TestOuterSums(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(13, 14))
		for _, c := range []int{1, 3, 4, 16, 64, 96, 300} {
			m := []float32{0, 0.5, 1, 1, 1, 1, 0.25, 0.25, 0}
			x, k := normal(rng, len(m)*c), normal(rng, c)
			sum, dst, sums := 0.0, make([]float32, len(x)), make([]float64, c)
			want := make([]float64, c)
			for i, v := range x {
				sum += float64(v) * float64(m[i/c]) * float64(k[i%c])
				want[i%c] += float64(v) * float64(m[i/c])
			}
			if got := DotOuter(x, m, k); math.Abs(got-sum) > 1e-12 {
				t.Errorf("c=%d: dot %g, want %g", c, got, sum)
			}
			ChannelSumOuter(sums, x, m)
			AddOuter(dst, x, m, k)
			for i, v := range dst {
				if math.Abs(float64(v)-float64(x[i])-float64(m[i/c])*float64(k[i%c])) > 1e-6 {
					t.Fatalf("c=%d: sum %g", c, v)
				}
				if math.Abs(sums[i%c]-want[i%c]) > 1e-12 {
					t.Fatalf("c=%d: channel sum %g, want %g", c, sums[i%c], want[i%c])
				}
			}
			if testing.AllocsPerRun(3, func() { DotOuter(x, m, k) }) != 0 {
				t.Error("DotOuter allocates")
			}
		}
	})
}

func TestAdamStep(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(11, 12))
		const lr, b1, b2, eps = 1e-2, 0.9, 0.999, 1e-8
		for n := range 101 {
			w, m, v := normal(rng, n), make([]float32, n), make([]float32, n)
			want, m64, v64 := make([]float64, n), make([]float64, n), make([]float64, n)
			for i := range w {
				want[i] = float64(w[i])
			}
			for step := 1; step <= 3; step++ {
				g := normal(rng, n)
				c1, c2 := 1-math.Pow(b1, float64(step)), 1-math.Pow(b2, float64(step))
				AdamStep(w, g, m, v, lr, b1, b2, eps, float32(c1), float32(c2))
				for i := range w {
					q := float64(g[i])
					m64[i] = b1*m64[i] + (1-b1)*q
					v64[i] = b2*v64[i] + (1-b2)*q*q
					want[i] -= lr * (m64[i] / c1) / (math.Sqrt(v64[i]/c2) + eps)
					// 1-b2 in float32 is off by 3e-5 of itself, c2 likewise.
					if math.Abs(float64(w[i])-want[i]) > 2e-6 {
						t.Fatalf("n=%d step %d: %g, want %g", n, step, w[i], want[i])
					}
				}
			}
		}
	})
}

func TestPointwisePanics(t *testing.T) {
	a, b := make([]float32, 4), make([]float32, 6)
	for name, f := range map[string]func(){
		"Add":       func() { Add(a, a, b) },
		"AddBias":   func() { AddBias(b, b, a) },
		"Expand":    func() { Expand(b, a, 2) },
		"LogSumExp": func() { LogSumExp(nil, a, a, 3) },
		"Softplus":  func() { Softplus(b, nil, a, 1) },
		"Dot":       func() { Dot(a, b) },
		"AvgPool":   func() { AvgPool(a, b, 1, 3, 2, 1) },
		"PadSym":    func() { PadSym(b, a, 1, 2, 2, 1, 1, 0, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f()
		}()
	}
}

func FuzzElementwise(f *testing.F) {
	f.Add(uint64(1), uint8(33))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		for _, l := range Levels() {
			restore := SetLevel(l)
			rng := rand.New(rand.NewPCG(seed, 0))
			for _, e := range elementwises {
				checkElementwise(t, e, rng, int(n), wild)
			}
			checkGroups(t, rng, 1+int(seed%40), int(n%40))
			restore()
		}
	})
}

func TestPointwiseAllocs(t *testing.T) {
	levels(t, func(t *testing.T) {
		x, y, z, s := make([]float32, 256), make([]float32, 256), make([]float32, 16), make([]float64, 16)
		if n := testing.AllocsPerRun(10, func() {
			for _, e := range elementwises {
				e.run(x, y, y)
			}
			LogSumExp(z, x, y, 16)
			LogSumExp(nil, x, y, 8)
			SoftmaxGrad(x, x, y, 16)
			ChannelSum(s, x)
			Dot(x, y)
			AdamStep(x, y, x, y, 1, 1, 1, 1, 1, 1)
			Resize(x, y, 1, 4, 4, 16, 4, 4)
			PadSymT(x, y, 1, 16, 16, 0, 0, 0, 0)
		}); n != 0 {
			t.Errorf("%g allocations", n)
		}
	})
}

func BenchmarkPointwise(b *testing.B) {
	const n = 1 << 15 // fits the second-level cache
	rng := rand.New(rand.NewPCG(1, 1))
	x, y, z := normal(rng, n), normal(rng, n), normal(rng, n)
	g := make([]float32, n/16)
	sums := make([]float64, 64)
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"Add", func() { Add(z, x, y) }},
		{"MulAdd", func() { MulAdd(z, x, y) }},
		{"AddBias64", func() { AddBias(z, x, g[:64]) }},
		{"ChannelSum64", func() { ChannelSum(sums, x) }},
		{"Dot", func() { Dot(x, y) }},
		{"Exp", func() { Exp(z, x) }},
		{"Softplus", func() { Softplus(y, z, x, 10) }},
		{"SoftplusZ", func() { Softplus(z, nil, x, 10) }},
		{"Sigmoid", func() { Softplus(nil, z, x, 10) }},
		{"SoftplusD2", func() { SoftplusD2(z, x, 10) }},
		{"HardGate", func() { HardGate(y, z, x) }},
		{"Huber", func() { Huber(y, z, x, threshold) }},
		{"LogSumExp16", func() { LogSumExp(g, z, x, 16) }},
		{"Softmax16", func() { LogSumExp(nil, z, x, 16) }},
		{"SoftmaxGrad16", func() { SoftmaxGrad(z, x, y, 16) }},
		{"GroupSum16", func() { GroupSum(g, x, 16) }},
		{"AvgPool64", func() { AvgPool(z[:n/4], x, 1, 16, 32, 64) }},
		{"Resize64", func() { Resize(z[:n/4], x, 1, 16, 32, 64, 8, 16) }},
		{"Interleave3", func() { Interleave(z[:3*8192], x[:3*8192], 1, 64, 128, 3) }},
		{"PadSym", func() { PadSym(z[:146*146], x[:128*128], 1, 128, 128, 9, 9, 9, 9) }},
	} {
		for _, l := range Levels() {
			b.Run(c.name+"/"+l.String(), func(b *testing.B) {
				defer SetLevel(l)()
				b.ReportAllocs()
				for b.Loop() {
					c.run()
				}
				b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N)/n*1e6, "ms/M")
			})
		}
	}
}
