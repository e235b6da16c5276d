package engine

import (
	"slices"

	"github.com/lpn-imaging/lpn/internal/network"
)

// This file shares rows between windows that lie below one another. A window of a
// picture is evaluated with a margin on all sides, so two neighbours would compute the
// same rows of most values. A strip computes only the rows that the strip above has not,
// and takes the others over from it. Which rows these are follows, backwards from the
// rows of the result, from what each operation reads.

// A Strip says which rows of its values the run of a plan computes, below those that
// the strip above it has computed.
type Strip struct {
	stages []stripStage
	kept   []int // float32s that are kept of each value for the next strip, at most
}

// A stripStage is what a strip does of one stage.
type stripStage struct {
	planes   bool   // there are several, or the stage is plain: see there
	rows     Range  // that are computed
	counted  Range  // those of them that psi counts
	parts    []int  // that have them
	over, on []band // that it takes over, and hands on
	beyond   []band // that blocks read below what is known: the last row again
}

// A band is some rows of the k-th value, in the order of the plan.
type band struct {
	v    *value
	k    int
	rows Range
}

// blockRows is the height of the blocks of a convolution, within which everything rounds
// together.
const blockRows = 4

// Strips cuts up the work of plans for windows that lie below one another: window i
// begins at row at[i] of the picture, which is a row of every grid, and the cores adjoin.
// It returns nil if the plans do not list the same operations, or a window begins too
// late to know the rows that it reads.
func Strips(plans []*Plan, at []int) []*Strip {
	for _, p := range plans {
		if !p.matches(plans[0]) {
			return nil
		}
	}
	done := make([]int, len(plans[0].stages)) // rows of the picture's grid
	kept := make([]int, len(plans[0].values()))
	var strips []*Strip
	for i, p := range plans {
		s := p.strip(at[i], done)
		if s == nil {
			return nil
		}
		s.kept = kept
		if i > 0 { // the one above hands on what this one takes over
			above := plans[i-1].values()
			for k := range s.stages {
				for _, b := range s.stages[k].over {
					moved := (at[i] - at[i-1]) / p.px(b.v)
					up := &strips[i-1].stages[k]
					up.on = append(up.on, band{above[b.k], b.k, Range{b.rows.Lo + moved, b.rows.Hi + moved}})
					kept[b.k] = max(kept[b.k], b.rows.Len()*b.v.rowLen())
				}
			}
		}
		strips = append(strips, s)
	}
	return strips
}

// Kept is how many float32s a session keeps for the next strip.
func (s *Strip) Kept() (n int) {
	for _, k := range s.kept {
		n += k
	}
	return n
}

// Rows is how many rows of a picture the work of a strip is worth, the products of its
// convolutions.
func (p *Plan) Rows(s *Strip) float64 {
	work, row := 0.0, 0.0
	for i, st := range p.stages {
		if !st.convolves() {
			continue
		}
		grid, products := st.grid(), 0.0
		for _, t := range st.head.terms {
			products += float64(t.shape.Ci * t.shape.Co * t.shape.K * t.shape.K * grid.dims.W * grid.dims.N)
		}
		work += products * float64(s.stages[i].rows.Len())
		row += products / float64(p.px(grid))
	}
	return work / row
}

// values lists what the operations make.
func (p *Plan) values() (all []*value) {
	for _, s := range p.stages {
		all = append(all, s.values()...)
	}
	return all
}

func (s *stage) values() (all []*value) {
	s.all(func(o *op) {
		for _, v := range o.out {
			if v != nil {
				all = append(all, v)
			}
		}
	})
	return all
}

// matches reports whether p lists the operations of q for a window as wide.
func (p *Plan) matches(q *Plan) bool {
	if len(p.stages) != len(q.stages) || p.pictures != 1 {
		return false
	}
	for i, s := range p.stages {
		a, b := s.values(), q.stages[i].values()
		if len(a) != len(b) || len(s.ops) != len(q.stages[i].ops) {
			return false
		}
		for k := range a {
			u, v := a[k].dims, b[k].dims
			if u.N != v.N || u.W != v.W || u.C != v.C || a[k].by.kind != b[k].by.kind {
				return false
			}
		}
	}
	return true
}

// rowLen is the length of a row of v.
func (v *value) rowLen() int { return v.dims.W * v.dims.C }

// px is how many rows of the picture a row of v stands for.
func (p *Plan) px(v *value) int { return pixels(p.size.H, v.dims.H) }

// pixels is how many pixels of a picture's side a cell of a grid has.
func pixels(picture, grid int) int {
	px := 1
	for grid*px < picture {
		px *= 2
	}
	return px
}

// cover is the least range that has both.
func (r Range) cover(q Range) Range {
	switch {
	case r.Len() <= 0:
		return q
	case q.Len() <= 0:
		return r
	}
	return Range{min(r.Lo, q.Lo), max(r.Hi, q.Hi)}
}

// within is r without what is outside [0,n).
func (r Range) within(n int) Range { return Range{max(r.Lo, 0), min(r.Hi, n)} }

// A wish is which rows of a value are read: the exact ones go into the result; near ones
// round together with those in a block, so they must be nearly right; and from the rest near
// ones are made.
type wish struct{ exact, near, rest Range }

func (w wish) cover(v wish) wish {
	return wish{w.exact.cover(v.exact), w.near.cover(v.near), w.rest.cover(v.rest)}
}

// strip decides what the window at row `at` of the picture computes. done are the rows of
// each stage's grid that are known, of the picture's grid, before and after. It returns nil
// if the window does not begin early enough.
func (p *Plan) strip(at int, done []int) *Strip {
	s := &Strip{stages: make([]stripStage, len(p.stages))}
	wishes := map[*value]wish{}
	core := Range{0, p.size.H}
	if p.core != nil {
		core = p.core[0]
	}
	wishes[p.out] = wish{core, core, core}
	place := make([]int, len(p.stages)) // of a stage's first value among all
	for i, st := range p.stages {
		if i+1 < len(place) {
			place[i+1] = place[i] + len(st.values())
		}
		s.stages[i].planes = st.plain() || st.grid().dims.N > 1
	}
	for i := len(p.stages) - 1; i >= 0; i-- {
		st, t, grid := p.stages[i], &s.stages[i], p.stages[i].grid()
		var w wish
		for _, v := range st.values() {
			w = w.cover(wishes[v])
		}
		for _, o := range st.ops {
			if o.kind == energy {
				rows, _ := p.counted(o.in[0].dims)
				w = w.cover(wish{rows, rows, rows})
			}
		}
		first := 0 // row that is not known
		if !st.plain() {
			shift := at / p.px(grid)
			first = done[i] - shift
			done[i] = max(done[i], w.exact.Hi+shift)
		}
		t.counted = Range{max(first, w.exact.Lo), w.exact.Hi}
		if t.counted.Len() <= 0 {
			t.counted = Range{}
		}
		exact := st.blocks(t.counted, grid.dims.H) // as a whole
		t.rows = exact.cover(st.blocks(Range{max(first, w.near.Lo), w.near.Hi}, grid.dims.H))
		switch {
		case st.plain():
			t.rows = w.exact.cover(w.near).cover(w.rest)
			exact, t.counted = t.rows, t.rows
		case t.planes:
			exact, t.rows = t.counted, t.counted
		case t.rows.Len() <= 0:
			t.rows = Range{first, first}
		}
		t.parts = st.partsOf(t.rows, grid.dims)
		for k, v := range st.values() {
			need := wishes[v].rest
			if st.plain() || need.Len() <= 0 {
				continue
			}
			if need.Lo < first {
				if v.dims.N > 1 {
					return nil
				}
				t.over = append(t.over, band{v, place[i] + k, Range{need.Lo, min(first, need.Hi)}})
			}
			if need.Hi > t.rows.Hi && !t.planes {
				t.beyond = append(t.beyond, band{v, place[i] + k, Range{t.rows.Hi, need.Hi}})
			}
		}
		if t.rows.Len() == 0 {
			continue
		}
		early := false
		st.all(func(o *op) {
			for _, v := range o.in {
				if v.fixed || v.stage == i {
					continue
				}
				h, rest := v.dims.H, o.field(v, t.rows)
				early = early || rest.Lo < 0 && at > 0
				wishes[v] = wishes[v].cover(wish{o.field(v, t.counted).within(h), o.field(v, exact).within(h), rest.within(h)})
			}
		})
		if early {
			return nil
		}
	}
	return s
}

// grid is a value with the rows of the stage.
func (s *stage) grid() *value {
	if s.head != nil {
		return s.head.out[0]
	}
	if o := s.ops[0]; o.kind == energy || o.twin != nil {
		return o.in[0]
	} else {
		return o.out[0]
	}
}

// plain reports whether a stage mixes planes, or all rows, of what depends on the input
// alone. Every strip computes the rows that it reads anew.
func (s *stage) plain() bool {
	if s.grid().dims.N == 1 && (s.head == nil || s.head.kind != resample || s.head.some != nil) {
		return false
	}
	plain, own := true, s.values()
	s.all(func(o *op) {
		for _, v := range o.in {
			plain = plain && (v.fixed || v.stage < 0 || v.plain || slices.Contains(own, v))
		}
	})
	for _, v := range own {
		v.plain = plain
	}
	return plain
}

// blocks is rows extended to whole blocks of a grid of n rows.
func (s *stage) blocks(r Range, n int) Range {
	if r.Len() <= 0 {
		return Range{}
	}
	return Range{r.Lo / blockRows * blockRows, min(n, (r.Hi+blockRows-1)/blockRows*blockRows)}
}

// partsOf is the parts that have some rows of every plane of a grid.
func (s *stage) partsOf(r Range, d network.Dims) (parts []int) {
	for part := range s.parts {
		lo, hi := part*d.H, (part+1)*d.H // of a resampling of planes
		if s.convolves() || s.per > 0 {
			lo, hi = s.bounds(part)
		}
		for n := lo / d.H; n*d.H < hi; n++ {
			if r.Len() > 0 && lo < n*d.H+r.Hi && n*d.H+r.Lo < hi {
				parts = append(parts, part)
				break
			}
		}
	}
	return parts
}

// field is the rows of v, one of its inputs, from which o makes the rows r.
func (o *op) field(v *value, r Range) (f Range) {
	if r.Len() <= 0 {
		return Range{}
	}
	switch o.kind {
	case conv:
		for _, t := range o.terms {
			if t.in == v || t.beside == v {
				f = f.cover(t.field(r))
			}
		}
		if o.onto == v {
			f = f.cover(r)
		}
		return f
	case resample:
		return o.reach(r)
	}
	return r
}

// field is the rows of the input from which a convolution makes the rows r.
func (t *term) field(r Range) Range {
	k, step, pad := t.shape.K, t.shape.Stride, t.shape.Pad
	if t.adjoint { // row i goes to the rows from i*step-pad on
		return Range{(max(r.Lo+pad-k+1, 0) + step - 1) / step, (r.Hi-1+pad)/step + 1}
	}
	return Range{r.Lo*step - pad, (r.Hi-1)*step - pad + k}
}
