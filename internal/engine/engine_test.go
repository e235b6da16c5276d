package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"

	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/internal/network/plain"
)

// A script records something; d are the dims of its input.
type script struct {
	d       network.Dims
	params  []network.Param
	weights map[string][]float32
	record  func(r network.Recorder) network.Value
}

func random(rng *rand.Rand, n int, sd float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(sd * rng.NormFloat64())
	}
	return x
}

// weight adds a parameter of random elements and returns its name.
func (s *script) weight(rng *rand.Rand, sd float64, dims ...int) string {
	p := network.Param{Name: fmt.Sprintf("w%d", len(s.params)), Dims: dims}
	s.params = append(s.params, p)
	s.weights[p.Name] = random(rng, p.Len(), sd)
	return p.Name
}

// recorder returns one for the script.
func (s *script) recorder() *Recorder { return NewRecorder(s.params, s.weights, s.d) }

// A step adds a value to those recorded so far.
type step func(r network.Recorder, v []network.Value) network.Value

// randomScript draws a program of n operations, of the kind that networks are made of.
// A plain recorder runs along, to keep the numbers of order one.
func randomScript(rng *rand.Rand, n int) *script {
	s := &script{d: network.Dims{N: 2 * 2, H: 8 + 4*rng.IntN(4), W: 8 + 4*rng.IntN(3), C: 1}, weights: map[string][]float32{}}
	var steps []step
	vs := []network.Value{plain.Of(s.d, random(rng, s.d.Len(), 1))}
	plainly := func() *plain.Recorder { return plain.New(s.d, s.params, s.weights, nil) }
	try := func(f step) {
		vs = append(vs, f(plainly(), vs))
		steps = append(steps, f)
	}
	dims := func(i int) network.Dims { return plainly().Dims(vs[i]) }
	tame := func() {
		top := 0.0
		for _, x := range plain.Data(vs[len(vs)-1]) {
			top = max(top, math.Abs(x))
		}
		if i := len(vs) - 1; top > 3 {
			try(func(r network.Recorder, v []network.Value) network.Value { return r.Scale(v[i], 3/top) })
		}
	}
	try(func(r network.Recorder, v []network.Value) network.Value { return r.Interleave(v[0], 2) })
	for len(steps) < n {
		i := len(vs) - 1 - rng.IntN(min(4, len(vs)-1)) // a recent one
		d := dims(i)
		if rng.IntN(5) == 0 { // or the picture itself, whose few channels networks add
			i, d = 1, dims(1)
		}
		g := network.Geom{K: 1 + 2*rng.IntN(3), Stride: 1}
		g.Pad = g.K / 2
		co := []int{1, 2, 4, 16}[rng.IntN(4)]
		per := []int{1, 2, 4}[rng.IntN(3)]
		kind := []network.ActKind{network.Softplus, network.HardGate, network.Huber}[rng.IntN(3)]
		a := network.Activation{Kind: kind, Beta: 2}
		same := -1 // another value of the same dims
		for j := range vs[:i] {
			if j > 0 && dims(j) == d {
				same = j
			}
		}
		m := random(rng, d.H*d.W, 1)
		if rng.IntN(2) == 0 {
			for i := range m {
				m[i] = 1
			}
		}
		switch rng.IntN(20) {
		case 0, 1, 2:
			w := s.weight(rng, 1/math.Sqrt(float64(g.K*g.K*d.C)), g.K, g.K, d.C, co)
			try(func(r network.Recorder, v []network.Value) network.Value { return r.Conv(v[i], r.Param(w), g) })
		case 3, 4, 5:
			again := rng.IntN(2) == 0
			if again { // and another one of the same, as in layers that see the picture
				g, co = network.Geom{K: 3, Stride: 1, Pad: 1}, 16
				u, from := s.weight(rng, 1/math.Sqrt(float64(d.C)), 1, 1, d.C, 16), i
				try(func(r network.Recorder, v []network.Value) network.Value {
					return r.Conv(v[from], r.Param(u), network.Geom{K: 1, Stride: 1})
				})
				i = len(vs) - 1
				d = dims(i)
			}
			w := s.weight(rng, 1/math.Sqrt(float64(g.K*g.K*d.C)), g.K, g.K, co, d.C)
			try(func(r network.Recorder, v []network.Value) network.Value {
				return r.ConvT(v[i], r.Param(w), g, d.H, d.W)
			})
			if again {
				u := s.weight(rng, 1/math.Sqrt(float64(g.K*g.K*d.C)), g.K, g.K, 2, d.C)
				try(func(r network.Recorder, v []network.Value) network.Value {
					return r.ConvT(v[i], r.Param(u), g, d.H, d.W)
				})
			}
		case 6, 7: // a layer that sees the picture, too
			j, e := 1, dims(1)
			if e.H != d.H || e.W != d.W || e.N != d.N {
				continue
			}
			w, u := s.weight(rng, 0.2, g.K, g.K, d.C, co), s.weight(rng, 0.2, g.K, g.K, e.C, co)
			b := s.weight(rng, 0.3, co)
			try(func(r network.Recorder, v []network.Value) network.Value {
				return r.Bias(r.Add(r.Conv(v[i], r.Param(w), g), r.Conv(v[j], r.Param(u), g)), r.Param(b))
			})
			k := len(vs) - 1
			try(func(r network.Recorder, v []network.Value) network.Value { return r.Act(v[k], a, 0) })
			try(func(r network.Recorder, v []network.Value) network.Value { return r.Act(v[k], a, 1) })
		case 8, 9:
			order := rng.IntN(3)
			if kind == network.HardGate || kind == network.Huber {
				order = min(order, 1) // the second derivative jumps
			}
			try(func(r network.Recorder, v []network.Value) network.Value { return r.Act(v[i], a, order) })
		case 10, 11:
			if same < 0 {
				continue
			}
			try(func(r network.Recorder, v []network.Value) network.Value { return r.Add(v[i], v[same]) })
		case 12, 13:
			if same < 0 {
				continue
			}
			try(func(r network.Recorder, v []network.Value) network.Value { return r.Mul(v[i], v[same]) })
		case 14:
			if d.C%per != 0 {
				continue
			}
			try(func(r network.Recorder, v []network.Value) network.Value {
				z := r.LogSumExp(v[i], per)
				return r.Mul(r.Softmax(v[i], per), r.Expand(z, per))
			})
		case 15:
			if d.C%per != 0 {
				continue
			}
			try(func(r network.Recorder, v []network.Value) network.Value { return r.GroupSum(v[i], per) })
		case 16:
			c := s.weight(rng, 0.5, d.C)
			try(func(r network.Recorder, v []network.Value) network.Value {
				o := r.Outer(m, r.Exp(r.Param(c)), d)
				return r.Add(r.Mul(o, v[i]), o)
			})
		case 17:
			if d.H%2+d.W%2 > 0 {
				continue
			}
			try(func(r network.Recorder, v []network.Value) network.Value { return r.AvgPoolT(r.AvgPool(v[i])) })
		case 18:
			if d.C%4 > 0 {
				continue
			}
			try(func(r network.Recorder, v []network.Value) network.Value { return r.DepthToSpace(v[i], 2) })
		case 19:
			if same < 0 {
				continue
			}
			k, c := rng.NormFloat64(), s.weight(rng, 0.5, d.C)
			try(func(r network.Recorder, v []network.Value) network.Value {
				r.Energy(k, v[i], v[same])
				r.Energy(k, v[i], r.Outer(m, r.Param(c), d))
				return r.HalfSquare(v[i])
			})
		}
		tame()
	}
	s.record = func(r network.Recorder) network.Value {
		v := []network.Value{r.Input()}
		for _, f := range steps {
			v = append(v, f(r, v))
		}
		return v[len(v)-1]
	}
	return s
}

// evaluate runs a plan of two pictures on y, in memory full of NaNs.
func evaluate(p *Plan, threads int, y []float32) (f []float32, psi []float64) {
	s := NewSession(threads, p)
	nan := float32(math.NaN())
	for _, m := range append(append([][]float32{s.arena}, s.scratch...), s.conv...) {
		for i := range m {
			m[i] = nan
		}
	}
	copy(s.Input(0, 0), y)
	s.Run(0)
	return slices.Clone(s.Output(0)), slices.Clone(s.Psi(0))
}

// distance is ||x-y||/||y||, or more where both are small.
func distance(x []float32, y []float64) float64 {
	diff, size := 0.0, 1e-6
	for i, v := range x {
		d := float64(v) - y[i]
		diff += d * d
		size += y[i] * y[i]
	}
	return math.Sqrt(diff / size)
}

const scripts = 50

// TestPlain compares random programs with what plain loops in float64 make of them.
func TestPlain(t *testing.T) {
	for seed := range uint64(scripts) {
		s := randomScript(rand.New(rand.NewPCG(seed, 1)), 3+int(seed)%25)
		y := random(rand.New(rand.NewPCG(seed, 2)), s.d.Len(), 1)
		ref := plain.New(s.d, s.params, s.weights, y)
		want := plain.Data(s.record(ref))
		for _, o := range []Options{{Pictures: 2}, {Pictures: 2, Direct: true}} {
			r := s.recorder()
			p := r.Compile(s.record(r), o)
			f, psi := evaluate(p, 1, y)
			if e := distance(f, want); !(e < 2e-4) {
				t.Errorf("seed %d, %+v: f is off by %.2g\n%v", seed, o, e, p)
			}
			if off := math.Abs(psi[0] + psi[1] - ref.Psi); !(off < 1e-4*(math.Abs(psi[0])+math.Abs(psi[1])+1000)) {
				t.Errorf("seed %d, %+v: psi is %v, want %v\n%v", seed, o, psi[0]+psi[1], ref.Psi, p)
			}
		}
	}
}

// compile is Compile with other passes between fold and stage.
func compile(s *script, passes func(ops []*op, out *value) []*op) *Plan {
	r := s.recorder()
	p := &Plan{out: s.record(r).(*value), pictures: 2, size: r.picture, inputs: r.inputs}
	ops, psi := fold(r.ops)
	p.constant = psi
	ops = passes(prune(ops, p.out), p.out)
	p.stages = group(ops)
	p.arenaLen, p.scratchLen = place(p.inputs, p.stages, p.out)
	for _, st := range p.stages {
		st.all(p.prepare)
	}
	return p
}

// TestFusePasses runs each pass of fuse alone and compares with the list as it was
// recorded: the same bits where the arithmetic stays the same.
func TestFusePasses(t *testing.T) {
	direct := func(ops []*op, _ *value) []*op { plan(ops, true); return ops }
	wino := func(ops []*op, _ *value) []*op { plan(ops, false); return ops }
	for name, c := range map[string]struct {
		from, to func(ops []*op, out *value) []*op
		bound    float64
	}{
		"twins":            {direct, func(ops []*op, out *value) []*op { return direct(twins(ops), out) }, 0},
		"biasIntoSoftplus": {direct, func(ops []*op, out *value) []*op { biasIntoSoftplus(ops); return direct(prune(ops, out), out) }, 0},
		"absorb":           {direct, func(ops []*op, out *value) []*op { absorb(ops); return direct(prune(ops, out), out) }, 1e-6},
		"joinAdjoints":     {wino, func(ops []*op, out *value) []*op { return joinAdjoints(wino(ops, out), false) }, 1e-4},
		"addConvs":         {wino, func(ops []*op, out *value) []*op { return addConvs(wino(ops, out), out, false) }, 1e-4},
	} {
		changed := 0
		for seed := range uint64(scripts) {
			s := randomScript(rand.New(rand.NewPCG(seed, 1)), 3+int(seed)%25)
			y := random(rand.New(rand.NewPCG(seed, 2)), s.d.Len(), 1)
			p, q := compile(s, c.from), compile(s, c.to)
			if p.String() != q.String() {
				changed++
			}
			want, _ := evaluate(p, 1, y)
			wide := make([]float64, len(want))
			for i, v := range want {
				wide[i] = float64(v)
			}
			got, _ := evaluate(q, 1, y)
			if e := distance(got, wide); !(e <= c.bound) {
				t.Errorf("%s, seed %d: f moves by %.2g\n%v%v", name, seed, e, p, q)
			}
		}
		if changed == 0 {
			t.Errorf("%s changed none of the programs", name)
		}
	}
}

// TestPlaces looks at every two values: they may share memory if their lives do not
// meet, or if one takes the place of the other in the stage that makes it.
func TestPlaces(t *testing.T) {
	heirs := 0
	for seed := range uint64(scripts) {
		s := randomScript(rand.New(rand.NewPCG(seed, 1)), 3+int(seed)%25)
		r := s.recorder()
		p := r.Compile(s.record(r), Options{Pictures: 2})
		all := lives(p.inputs, p.stages, p.out)
		for i, a := range all {
			if a.v.local {
				if a.first != a.last {
					t.Errorf("seed %d: a local value lives from stage %d to %d", seed, a.first, a.last)
				}
				continue
			}
			if a.v.off+a.v.dims.Len() > p.Len() {
				t.Errorf("seed %d: a value beyond the arena", seed)
			}
			for _, b := range all[:i] {
				apart := a.v.off+a.v.dims.Len() <= b.v.off || b.v.off+b.v.dims.Len() <= a.v.off
				if b.v.local || apart || a.last < b.first || b.last < a.first {
					continue
				}
				if heirs++; a.v.off != b.v.off || a.v.dims != b.v.dims || a.first != b.last {
					t.Errorf("seed %d: values of stages %d-%d and %d-%d share memory\n%v", seed, b.first, b.last, a.first, a.last, p)
				}
			}
		}
	}
	if heirs == 0 {
		t.Error("no value has taken the place of another")
	}
}

// TestStages: the parts of a stage, and the steps of a part, are all its rows once.
func TestStages(t *testing.T) {
	for seed := range uint64(scripts) {
		s := randomScript(rand.New(rand.NewPCG(seed, 1)), 3+int(seed)%25)
		r := s.recorder()
		for i, st := range r.Compile(s.record(r), Options{Pictures: 2}).stages {
			if st.head != nil && st.head.kind == resample {
				continue
			}
			next := 0
			for part := range st.parts {
				st.steps(part, func(lo, hi int) {
					if lo != next || hi <= lo || st.partAt(lo) != part {
						t.Errorf("seed %d, stage %d, part %d: rows %d to %d after %d", seed, i, part, lo, hi, next)
					}
					next = hi
				})
			}
			if next != st.rows {
				t.Errorf("seed %d, stage %d: %d rows of %d", seed, i, next, st.rows)
			}
		}
	}
}

// TestThreads: the same bits on any number of threads.
func TestThreads(t *testing.T) {
	for seed := range uint64(scripts / 3) {
		s := randomScript(rand.New(rand.NewPCG(seed, 1)), 3+int(seed)%25)
		y := random(rand.New(rand.NewPCG(seed, 2)), s.d.Len(), 1)
		r := s.recorder()
		p := r.Compile(s.record(r), Options{Pictures: 2})
		f, psi := evaluate(p, 1, y)
		for _, threads := range []int{2, 3} {
			if g, again := evaluate(p, threads, y); !slices.Equal(f, g) || !slices.Equal(psi, again) {
				t.Errorf("seed %d: other bits on %d threads", seed, threads)
			}
		}
	}
}

// TestLists shows what the passes make of what the networks record.
func TestLists(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := &script{d: network.Dims{N: 2, H: 12, W: 12, C: 1}, weights: map[string][]float32{}}
	first := s.weight(rng, 1, 3, 3, 1, 16)
	wide, few := s.weight(rng, 1, 3, 3, 16, 16), s.weight(rng, 1, 3, 3, 1, 16)
	b, c := s.weight(rng, 1, 16), s.weight(rng, 1, 16)
	pixels := s.weight(rng, 1, 1, 1, 16, 16)
	g := network.Geom{K: 3, Stride: 1, Pad: 1}
	soft := network.Activation{Kind: network.Softplus, Beta: 1}
	ones := slices.Repeat([]float32{1}, 144)
	for _, x := range []struct {
		name   string
		direct bool
		record func(r *Recorder, x network.Value) network.Value
		want   string
	}{
		{"a layer that sees the picture", false, func(r *Recorder, x network.Value) network.Value {
			z := r.Conv(x, r.Param(first), g)
			return r.Act(r.Bias(r.Add(r.Conv(z, r.Param(wide), g), r.Conv(x, r.Param(few), g)), r.Param(b)), soft, 0)
		}, `stage 0, 2 parts
  %0 = conv x0 3x3
stage 1, 2 parts
  %1 = conv %0 x0 3x3 beside
  %2 - = act and slope %1
`},
		{"the same by plain sums", true, func(r *Recorder, x network.Value) network.Value {
			z := r.Conv(x, r.Param(first), g)
			return r.Act(r.Add(r.Conv(z, r.Param(wide), g), r.Conv(x, r.Param(few), g)), soft, 0)
		}, `stage 0, 2 parts
  %0 = conv x0 3x3
stage 1, 2 parts
  %1 = conv %0 x0 3x3 + 3x3
  %2 = act %1
`},
		{"its adjoint, times a slope", false, func(r *Recorder, x network.Value) network.Value {
			z := r.Conv(x, r.Param(first), g)
			r.Energy(1, r.Act(z, soft, 0), r.Outer(ones, r.Param(c), r.Dims(z)))
			s := r.Act(z, soft, 1)
			u := r.Mul(r.Outer(ones, r.Exp(r.Param(c)), r.Dims(z)), r.HalfSquare(z))
			back, h := r.ConvT(u, r.Param(wide), g, 12, 12), r.ConvT(u, r.Param(few), g, 12, 12)
			return r.Add(h, r.ConvT(r.Mul(back, s), r.Param(first), g, 12, 12))
		}, `stage 0, 2 parts
  %0 = conv x0 3x3
  %1 %2 = act and slope %0
  energy %1
  %3 = half square %0
  %4 = scale %3
stage 1, 2 parts
  %5 %6 = conv %4 %2 adjoint 3x3 beside multiplied onto %2
stage 2, 2 parts
  %7 = conv %5 adjoint 3x3
  %8 = add %6 %7
`},
		{"what nobody reads, and gates", false, func(r *Recorder, x network.Value) network.Value {
			z := r.Conv(x, r.Param(first), g)
			r.Exp(z)
			q := r.Conv(z, r.Param(pixels), network.Geom{K: 1, Stride: 1})
			v := r.GroupSum(r.LogSumExp(q, 4), 2)
			return r.Mul(r.Softmax(q, 4), r.Expand(v, 8))
		}, `stage 0, 2 parts
  %0 = conv x0 3x3
  %1 = pixels %0 1x1
  %2 %3 = log sum exp and slope %1
  %4 = group sum %2
  %5 = expand mul %3 %4
`},
	} {
		r := s.recorder()
		got := r.Compile(x.record(r, r.Input()), Options{Direct: x.direct}).String()
		if got = parts.ReplaceAllString(got, ", 2 parts"); got != x.want {
			t.Errorf("%s:\n%swant\n%s", x.name, got, x.want)
		}
	}
}

// parts depend on the instruction set.
var parts = regexp.MustCompile(`, \d+ parts`)

// TestCore: psi of two halves is that of the whole, on the picture's own grid and on
// its cells.
func TestCore(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := &script{d: network.Dims{N: 2, H: 16, W: 12, C: 1}, weights: map[string][]float32{}}
	w := s.weight(rng, 1, 3, 3, 2, 5)
	s.record = func(r network.Recorder) network.Value {
		z := r.Conv(r.Interleave(r.Input(), 2), r.Param(w), network.Geom{K: 3, Stride: 1, Pad: 1})
		r.Energy(1, z, z)
		p := r.AvgPool(z)
		r.Energy(2, p, p)
		return z
	}
	y := random(rng, s.d.Len(), 1)
	psi := func(core *[2]Range) float64 {
		r := s.recorder()
		_, psi := evaluate(r.Compile(s.record(r), Options{Core: core}), 1, y)
		return psi[0]
	}
	whole := psi(nil)
	sum := 0.0
	for _, rows := range []Range{{0, 6}, {6, 16}} {
		for _, cols := range []Range{{0, 8}, {8, 12}} {
			sum += psi(&[2]Range{rows, cols})
		}
	}
	if math.Abs(sum-whole) > 1e-9*whole {
		t.Errorf("the parts have %v, the whole %v", sum, whole)
	}
}
