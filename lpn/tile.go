package lpn

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/internal/engine"
	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
	"github.com/lpn-imaging/lpn/operators"
)

// This file evaluates pictures in tiles. In a fully convolutional network f
// at a pixel depends on y within halo pixels only. A tile is evaluated together with
// that margin, and only the core is kept. So the numbers are those of the whole
// picture, and the memory is bounded.

// ReceptiveField returns the receptive field of f: f at a pixel depends on the image
// within halo pixels of it, in rows and in columns. A window whose corner is at
// multiples of pitch has the same cells at every level, and the same 4x4 blocks of
// cells for the Winograd algorithm, as the image. So its numbers are those of the
// image, except in its outer halo pixels. ok is false for networks of one size, or with
// strides that fit no window.
func (c Config) ReceptiveField() (halo, pitch int, ok bool) {
	if c.Height > 0 {
		return 0, 0, false
	}
	if c.Softplus != nil {
		for _, l := range c.Softplus.Layers {
			if l.Stride != 1 || 2*l.Pad != l.K-1 {
				return 0, 0, false
			}
			halo += 2 * l.Pad
		}
		return (halo + 3) &^ 3, 4, true
	}
	levels := c.Pyramid.Levels
	n := len(levels)
	field := make([]int, n) // of h_l in x
	gate := make([]int, n)  // of p_l in x
	maps := 0
	for l, v := range levels {
		px := 2 << l
		maps += v.WK / 2 * px
		field[l] = maps + v.AK/2*px + px
		gate[l] = field[l] + v.NK/2*px
		if l > 0 {
			gate[l] = max(gate[l], gate[l-1]+px)
		}
	}
	above := 0 // of u_{l+1} in x, seen from level l
	for l := n - 1; l >= 0; l-- {
		px := 2 << l
		u := max(gate[l], above)
		halo = max(halo, u+levels[l].NK/2*px+field[l])
		above = u + px
	}
	halo = max(halo, 2*(c.Pyramid.LowpassSize/2))
	pitch = 4 << n
	return (halo + pitch - 1) / pitch * pitch, pitch, true
}

// A span is a stretch of rows or columns: the window that is evaluated and,
// relative to it, the core that is kept.
type span struct {
	lo, hi int
	keep   engine.Range
}

// spans cuts n into windows of cores of size core, with so many pixels before and after.
// The first core is so much longer.
func spans(n, core, longer, before, halo int) []span {
	var out []span
	for at, end := 0, core+longer; at < n; at, end = end, end+core {
		s := span{lo: max(0, at-before), hi: min(n, end+halo)}
		s.keep = engine.Range{Lo: at - s.lo, Hi: min(n, end) - s.lo}
		out = append(out, s)
	}
	return out
}

// A cut is a way of cutting a picture into rows of tiles that take over what those above
// have computed. Convolutions round blocks of four rows together, and a block that a border
// goes through is computed twice: how many that are depends on where it goes through the
// grid.
type cut struct {
	row   int     // of the grid, counted from a multiple of pitch, where a core begins
	above int     // rows of a window above its core
	again float64 // rows of the picture that a cut makes work for, besides its own
}

// measureCuts finds the cuts whose tiles know all that they need, at 16 places of the grid.
func (n *Network) measureCuts() (cuts []cut) {
	halo, pitch, ok := n.cfg.ReceptiveField()
	if !ok {
		return nil
	}
	const places = 16
	core := (halo + pitch - 1) / pitch * pitch
	build := func(h, _ int, core *[2]engine.Range) *engine.Plan {
		r := n.recorder(network.Dims{N: n.cfg.Channels, H: h, W: pitch, C: 1})
		return r.Compile(n.cfg.Definition().Record(r), engine.Options{Core: core})
	}
	b := &Bound{net: n, geometry: geometry{shape: operators.Shape{C: n.cfg.Channels, H: 5 * core, W: pitch}, n: 1}}
	for row := 0; row < pitch; row += max(1, pitch/places) {
		for above := row; above <= row+pitch; above += pitch {
			c := cut{row: row, above: above}
			if l := b.tiles(core, pitch, c, halo, build); l != nil && l.tiles[2].strip != nil {
				t := l.tiles[2] // none of those at the ends
				c.again = l.plans[t.plan].Rows(t.strip) - float64(core)
				cuts = append(cuts, c)
				break
			}
		}
	}
	return cuts
}

// A tile is one window of the picture.
type tile struct {
	y, x  span
	plan  int           // index into layout.plans
	strip *engine.Strip // what is not known from the tile above; nil: everything
}

// A layout is how a picture is evaluated: the tiles, and one plan for each
// different kind of tile.
type layout struct {
	net   *Network
	tiles []tile
	plans []*engine.Plan
	own   Workspace // of bounds that have none
	mu    sync.Mutex
	free  []*session // of past evaluations, for the next one
}

// layouts keeps the last layouts for small pictures, which take longer to make than to
// evaluate: a batch often has many of one size.
type layouts struct {
	mu   sync.Mutex
	kept []keptLayout // the last one used is the last
}

type keptLayout struct {
	geometry
	make func() *layout // once
}

// mostKept is how many layouts are kept, smallSamples up to how many samples.
const mostKept, smallSamples = 2, 1 << 15

// of is the layout for g, which build makes if it is not kept.
func (l *layouts) of(g geometry, build func() *layout) *layout {
	if g.shape.Len() > smallSamples/g.n {
		return build()
	}
	l.mu.Lock()
	k := slices.IndexFunc(l.kept, func(k keptLayout) bool { return k.geometry == g })
	found := keptLayout{g, sync.OnceValue(build)}
	if k >= 0 {
		found = l.kept[k]
		l.kept = slices.Delete(l.kept, k, k+1)
	}
	l.kept = append(l.kept, found)
	if len(l.kept) > mostKept {
		l.kept = slices.Delete(l.kept, 0, 1)
	}
	l.mu.Unlock()
	return found.make()
}

// tileBytes is the memory that an evaluation may take before the picture is
// cut, unless the caller says otherwise.
const tileBytes = 1152 << 20

// newLayout decides on the tiles and makes their plans; record writes the
// function to be evaluated.
func (b *Bound) newLayout(record func(*engine.Recorder) network.Value) *layout {
	h, w := b.shape.H, b.shape.W
	build := func(h, w int, core *[2]engine.Range) *engine.Plan {
		r := b.net.recorder(network.Dims{N: b.n * b.shape.C, H: h, W: w, C: 1})
		return r.Compile(record(r), engine.Options{Pictures: b.n, Direct: b.direct, Core: core})
	}
	coreH, coreW := h, w
	var c cut
	halo, pitch, ok := b.net.cfg.ReceptiveField()
	if ok && b.n == 1 {
		coreH, coreW, c = b.core(halo, pitch, func() float64 {
			const side = 128
			return 4 * float64(build(side, side, nil).Len()) / (side * side)
		})
	}
	for ; coreH < h && c.above < halo; c.above += pitch { // the cuts are those of an evaluation
		if l := b.tiles(coreH, coreW, c, halo, build); l != nil {
			return l
		}
	}
	return b.tiles(coreH, coreW, cut{above: halo}, halo, build)
}

// tiles cuts the picture into cores of coreH x coreW, with c.above pixels above them and halo
// on the other sides. Less above than the halo is enough if a tile takes over what the one
// above it has computed; tiles returns nil if it is not.
func (b *Bound) tiles(coreH, coreW int, c cut, halo int, build func(h, w int, core *[2]engine.Range) *engine.Plan) *layout {
	l := &layout{net: b.net}
	type kind struct {
		h, w int
		core [2]engine.Range
	}
	kinds := map[kind]int{}
	h, w := b.shape.H, b.shape.W
	for _, x := range spans(w, coreW, 0, halo, halo) {
		var column []*engine.Plan
		var at []int
		for _, y := range spans(h, coreH, c.row, c.above, halo) {
			kind := kind{y.hi - y.lo, x.hi - x.lo, [2]engine.Range{y.keep, x.keep}}
			i, ok := kinds[kind]
			if !ok {
				i = len(l.plans)
				kinds[kind] = i
				core := &kind.core
				if y.keep.Len() == h && x.keep.Len() == w {
					core = nil
				}
				l.plans = append(l.plans, build(kind.h, kind.w, core))
			}
			l.tiles = append(l.tiles, tile{y: y, x: x, plan: i})
			column, at = append(column, l.plans[i]), append(at, y.lo)
		}
		if len(column) == 1 {
			continue
		}
		strips := engine.Strips(column, at)
		if strips == nil && c.above < halo {
			return nil
		}
		for i, s := range strips {
			l.tiles[len(l.tiles)-len(column)+i].strip = s
		}
	}
	return l
}

// core chooses the size of a tile's core: the whole picture if it fits the memory, else
// the cut that evaluates the fewest pixels in windows that fit. Tiles in a column share
// their rows, but for those of the cut; between columns the margins are evaluated twice.
func (b *Bound) core(halo, pitch int, perPixel func() float64) (h, w int, c cut) {
	h, w = b.shape.H, b.shape.W
	cuts := func() []cut {
		if all := b.net.cuts(); len(all) > 0 {
			return all
		}
		return []cut{{above: halo, again: 2 * float64(halo)}}
	}
	if b.tile > 0 {
		down := func(n int) int { return max(pitch, n/pitch*pitch) }
		least := slices.MinFunc(cuts(), func(a, b cut) int { return cmp.Compare(a.again, b.again) })
		return min(h, down(b.tile)), min(w, down(b.tile)), least
	}
	limit := b.memory
	if limit <= 0 {
		limit = tileBytes
	}
	if float64(h)*float64(w)*64 <= float64(limit) && h*w <= 1<<20 {
		return h, w, c
	}
	pixels := float64(limit) / perPixel()
	if float64(h)*float64(w) <= pixels {
		return h, w, c
	}
	// A core of less than half a margin is never worth it; if memory is too
	// small even for that one, it is taken all the same.
	least := max(pitch, halo/2/pitch*pitch)
	bestH, bestW, bestCut, best := min(h, least), min(w, least), cuts()[0], math.Inf(1)
	for _, c := range cuts() {
		for ny := 1; ny <= (h+least-1)/least; ny++ {
			for nx := 1; nx <= (w+least-1)/least; nx++ {
				ch, cw := even(h, ny, pitch), even(w, nx, pitch)
				rows := min(h, ch+c.above+halo) + min(ny-1, 1)*halo/2 // which is about what is kept for the next tile
				if float64(rows)*float64(window(w, cw, halo)) > pixels {
					continue
				}
				if total := (float64(h) + c.again*float64(ny-1)) * float64(w+2*halo*(nx-1)); total < best {
					bestH, bestW, bestCut, best = ch, cw, c, total
				}
				break // more pieces in this row of choices only add margins
			}
		}
	}
	return bestH, bestW, bestCut
}

// even returns the core size that cuts n into pieces of about equal size.
func even(n, pieces, pitch int) int {
	per := (n + pieces - 1) / pieces
	return min(n, (per+pitch-1)/pitch*pitch)
}

// window is the largest window of cores of the given size.
func window(n, core, halo int) int {
	w := 0
	for _, s := range spans(n, core, 0, halo, halo) {
		w = max(w, s.hi-s.lo)
	}
	return w
}

// A session is what one goroutine evaluates a layout with.
type session struct {
	*engine.Session // of all the plans
	psi             []float64
	copyOf          []float32
}

func (l *layout) session(threads int) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		s := l.free[n-1]
		l.free = l.free[:n-1]
		return s
	}
	l.net.pack(l.plans)
	s := &session{Session: engine.NewSession(threads, l.plans...)}
	s.psi = make([]float64, len(s.Psi(0)))
	return s
}

func (l *layout) release(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, s)
}

// A Workspace lends memory to evaluations and takes it back. Networks that are bound In one
// and evaluated one after the other need only the memory of the largest. The zero value is
// ready, and safe for concurrent use.
type Workspace struct {
	mu   sync.Mutex
	free [][]float32 // by length
}

// borrow returns memory for n numbers or more.
func (w *Workspace) borrow(n int) []float32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := slices.IndexFunc(w.free, func(a []float32) bool { return len(a) >= n })
	if at >= 0 {
		a := w.free[at]
		w.free = slices.Delete(w.free, at, at+1)
		return a
	}
	if k := len(w.free); k > 0 { // the new one will do for what it did for
		w.free = slices.Delete(w.free, k-1, k)
	}
	return make([]float32, n)
}

func (w *Workspace) giveBack(a []float32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, _ := slices.BinarySearchFunc(w.free, len(a), func(b []float32, n int) int { return cmp.Compare(len(b), n) })
	w.free = slices.Insert(w.free, at, a)
}

// run evaluates the layout on the inputs, which are multiplied by scale, and
// writes the result, divided by it, to dst. psi, one a picture of the batch, in
// network units, is left in the session. It works in memory of w.
func (l *layout) run(s *session, w *Workspace, shape operators.Shape, dst []float32, scale float32, in ...[]float32) {
	if w == nil {
		w = &l.own
	}
	arena := w.borrow(s.Len())
	s.Use(arena)
	defer func() {
		s.Use(nil)
		w.giveBack(arena)
	}()
	clear(s.psi)
	if len(l.tiles) == 1 {
		for i, v := range in {
			kernel.Scale(s.Input(0, i), v, scale)
		}
		s.Run(0)
		kernel.Scale(dst, s.Output(0), 1/scale)
		copy(s.psi, s.Psi(0))
		return
	}
	for i := range in {
		if &in[i][0] == &dst[0] { // a tile reads what its neighbours have written
			s.copyOf = append(s.copyOf[:0], in[i]...)
			in[i] = s.copyOf
		}
	}
	for _, t := range l.tiles {
		h, w := t.y.hi-t.y.lo, t.x.hi-t.x.lo
		for i, v := range in {
			buf := s.Input(t.plan, i)
			for c := range shape.C {
				for r := range h {
					src := v[(c*shape.H+t.y.lo+r)*shape.W+t.x.lo:]
					kernel.Scale(buf[(c*h+r)*w:][:w], src[:w], scale)
				}
			}
		}
		s.RunStrip(t.plan, t.strip)
		buf, keep := s.Output(t.plan), t.x.keep.Len()
		for c := range shape.C {
			for r := t.y.keep.Lo; r < t.y.keep.Hi; r++ {
				to := dst[(c*shape.H+t.y.lo+r)*shape.W+t.x.lo+t.x.keep.Lo:]
				kernel.Scale(to[:keep], buf[(c*h+r)*w+t.x.keep.Lo:][:keep], 1/scale)
			}
		}
		for i, v := range s.Psi(t.plan) {
			s.psi[i] += v
		}
	}
}
