package lpn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lpn-imaging/lpn/operators"
)

func picture(s operators.Shape, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 5))
	x := make([]float32, s.Len())
	for i := range x {
		x[i] = float32(0.5+0.3*math.Sin(float64(i)/17)) + 0.1*float32(rng.NormFloat64())
	}
	return x
}

// A tiled evaluation gives the numbers of the whole picture, to the rounding
// that differently cut sums leave.
func TestTilesEqualWhole(t *testing.T) {
	cfgs := map[string]Config{
		"pyramid":  Pyramid(1, 0.1),
		"natural":  Natural(1, 0.1),
		"colour":   Pyramid(3, 0.1),
		"softplus": SoftplusAny(1, 8, 3, 0.1),
		"wide":     SoftplusAny(3, 32, 3, 0.1), // by Winograd's algorithm
	}
	hard := Pyramid(1, 0.1)
	hard.Pyramid.Gate = "hard"
	cfgs["hard"] = hard
	for name, cfg := range cfgs {
		for _, side := range []int{8, 32, 64} {
			t.Run(fmt.Sprintf("%s/%d", name, side), func(t *testing.T) {
				net, err := New(cfg, rand.New(rand.NewPCG(1, 2)))
				if err != nil {
					t.Fatal(err)
				}
				shape := operators.Shape{C: cfg.Channels, H: 203, W: 70}
				if side == 8 {
					shape.H, shape.W = 67, 41
				}
				y, v := picture(shape, 1), picture(shape, 2)
				whole, _ := net.On(shape)
				tiled, _ := net.On(shape, Tile(side))
				f, g := make([]float32, len(y)), slices.Clone(y)
				psi := whole.Eval(f, y)
				if got := tiled.Eval(g, g); math.Abs(got-psi) > 1e-6*math.Abs(psi) {
					t.Errorf("psi = %v in tiles, %v whole", got, psi)
				}
				if n := len(tiled.eval().tiles); n < 2 {
					t.Fatalf("%d tiles", n)
				}
				// 1e-6 of the largest value: a dozen roundings of float32.
				if e, top := distance(f, g); e > 1e-6*top {
					t.Errorf("f differs by %.2g of %.2g", e, top)
				}
				whole.Hess(f, y, v)
				tiled.Hess(g, y, v)
				if e, top := distance(f, g); e > 1e-6*top {
					t.Errorf("Hess differs by %.2g of %.2g", e, top)
				}
			})
		}
	}
}

// distance is the largest difference and the largest value.
func distance(a, b []float32) (diff, top float64) {
	for i := range a {
		diff = max(diff, math.Abs(float64(a[i])-float64(b[i])))
		top = max(top, math.Abs(float64(a[i])))
	}
	return diff, top
}

// The halo is not larger than it must be by much: with half of it the tiles
// show. A test that could not fail would prove nothing.
func TestHaloIsNeeded(t *testing.T) {
	cfg := Pyramid(1, 0.1)
	net, err := New(cfg, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	halo, _, _ := cfg.ReceptiveField()
	s := operators.Shape{C: 1, H: 4 * halo, W: 8}
	b, _ := net.On(s)
	y := picture(s, 1)
	f, g := make([]float32, len(y)), make([]float32, len(y))
	b.Eval(f, y)
	at := 2*halo*8 + 3
	reach := func(d int) (moved bool) {
		z := slices.Clone(y)
		z[at+d*8] += 5
		b.Eval(g, z)
		return g[at] != f[at]
	}
	if !reach(halo / 2) {
		t.Errorf("a pixel %d away does not matter: halo %d is too wide", halo/2, halo)
	}
	if reach(halo) {
		t.Errorf("a pixel %d away matters: halo %d is too narrow", halo, halo)
	}
}

// The rows that tiles below one another work for are those of the picture, and at each cut so
// many more; where the grid is cut makes a difference.
func TestCuts(t *testing.T) {
	net, err := New(Pyramid(1, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	_, pitch, _ := net.cfg.ReceptiveField()
	least, most := math.Inf(1), 0.0
	for _, c := range net.cuts() {
		if c.row >= pitch || c.above < c.row || (c.above-c.row)%pitch != 0 {
			t.Errorf("%+v on a grid of %d", c, pitch)
		}
		least, most = min(least, c.again), max(most, c.again)
	}
	if !(least >= 0) || most < 1.5*least || most > 2*float64(pitch) {
		t.Errorf("from %v to %v rows at a cut, on a grid of %d", least, most, pitch)
	}
	b, _ := net.On(operators.Shape{C: 1, H: 20 * pitch, W: 64}, Tile(4*pitch))
	rows := 0.0
	l := b.eval()
	for _, v := range l.tiles {
		rows += l.plans[v.plan].Rows(v.strip)
	}
	cuts := float64(len(l.tiles) - 1)
	if want := float64(b.shape.H) + least*cuts; math.Abs(rows-want) > float64(pitch)/2 {
		t.Errorf("%v rows in %d tiles, want %v", rows, len(l.tiles), want)
	}
}

// Evaluations in one workspace take turns in the memory of the largest, whatever it holds,
// and give the numbers that they give by themselves.
func TestWorkspace(t *testing.T) {
	net, err := New(Pyramid(1, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	var w Workspace
	for _, c := range []struct {
		shape operators.Shape
		tile  int
	}{{operators.Shape{C: 1, H: 203, W: 70}, 32}, {operators.Shape{C: 1, H: 300, W: 300}, 0}, {operators.Shape{C: 1, H: 65, W: 130}, 64}} {
		for _, a := range w.free {
			for i := range a {
				a[i] = float32(math.NaN())
			}
		}
		y := picture(c.shape, 3)
		f, g := make([]float32, len(y)), make([]float32, len(y))
		alone, _ := net.On(c.shape, Tile(c.tile))
		within, _ := net.On(c.shape, Tile(c.tile), In(&w))
		if a, b := alone.Eval(f, y), within.Eval(g, y); a != b || !slices.Equal(f, g) {
			t.Errorf("%v: other numbers in a workspace, psi %v and %v", c.shape, b, a)
		}
		if len(w.free) != 1 {
			t.Errorf("%v: %d pieces of memory", c.shape, len(w.free))
		}
	}
	// Two at a time have memory each; who wants more than there is gets it instead.
	a, b := w.borrow(10), w.borrow(10)
	w.giveBack(a)
	w.giveBack(b)
	if &a[0] == &b[0] || len(w.free) != 2 {
		t.Fatal("two evaluations share memory")
	}
	if w.giveBack(w.borrow(len(a) + 1)); len(w.free) != 2 || len(w.free[1]) != len(a)+1 {
		t.Errorf("%d pieces of memory, want two", len(w.free))
	}
}

// The layouts of a network share its packed filters as long as one of them is in use.
func TestPackedOnce(t *testing.T) {
	net, err := New(Pyramid(1, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	eval := func(side int) (*Bound, int64) {
		var before, after runtime.MemStats
		b, _ := net.On(operators.Shape{C: 1, H: side, W: side})
		y := picture(b.Shape(), 1)
		runtime.ReadMemStats(&before)
		s := b.eval().session(1)
		runtime.ReadMemStats(&after)
		b.Eval(y, y)
		b.eval().release(s)
		return b, int64(after.TotalAlloc - before.TotalAlloc)
	}
	b, first := eval(192)
	_, second := eval(224)
	if second > first/2 {
		t.Errorf("a second session takes %d bytes, the first one took %d", second, first)
	}
	runtime.KeepAlive(b)
}

// A wide network of the paper's kind has everything that a stage can do at once:
// the picture beside the features, the slopes multiplied where they are. It gives
// the numbers of the plain sums, and the same bits on two threads.
func TestWideEqualsDirect(t *testing.T) {
	for _, channels := range []int{1, 3} {
		cfg := SoftplusAny(channels, 32, 3, 0.1)
		net, err := New(cfg, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		shape := operators.Shape{C: channels, H: 61, W: 46}
		y := picture(shape, 1)
		run := func(opts ...Option) ([]float32, float64) {
			b, err := net.On(shape, opts...)
			if err != nil {
				t.Fatal(err)
			}
			f := make([]float32, len(y))
			b.Eval(make([]float32, len(y)), picture(shape, 2)) // leaves its maps behind
			return f, b.Eval(f, y)
		}
		b, _ := net.On(shape)
		plan := b.eval().plans[0].String()
		beside, product := strings.Count(plan, "beside"), strings.Count(plan, "multiplied onto")
		if beside != 4 || product != 2 {
			t.Errorf("%d convolutions with the picture beside and %d with a product in place, want 4 and 2:\n%s", beside, product, plan)
		}
		f, psi := run(Threads(1))
		g, plain := run(Direct())
		if e, top := distance(f, g); e > 2e-6*top || math.Abs(psi-plain) > 1e-6*math.Abs(plain) {
			t.Errorf("%d channels: f differs by %.2g of %.2g, psi is %v and %v", channels, e, top, psi, plain)
		}
		h, again := run(Threads(2))
		if !slices.Equal(f, h) || psi != again {
			t.Errorf("%d channels: other bits on two threads", channels)
		}
	}
}

// Pictures of one size share a layout, the last two sizes are kept, and large ones are not.
func TestSmallLayouts(t *testing.T) {
	net, err := New(Pyramid(1, 0.1), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	on := func(side int, o ...Option) *layout {
		b, err := net.On(operators.Shape{C: 1, H: side, W: side}, o...)
		if err != nil {
			t.Fatal(err)
		}
		return b.eval()
	}
	first := on(16)
	if on(16) != first || on(16, Direct()) == first || on(16) != first {
		t.Error("a layout is made anew, or serves other options")
	}
	if on(20); on(24) == nil || on(16) == first {
		t.Error("more than two layouts are kept")
	}
	if large := on(256); on(256) == large {
		t.Error("a layout for a large picture is kept")
	}
}
