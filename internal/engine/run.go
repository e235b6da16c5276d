package engine

import (
	"runtime"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
)

// A Session is the memory in which one goroutine runs plans, one at a time.
type Session struct {
	pool *kernel.Pool
	runs []*run
	kept [][]float32 // by value: the rows that one strip hands to the next
	len  int         // of the arena
	memory
}

// memory is what the plans of a session share.
type memory struct {
	arena   []float32
	scratch [][]float32 // by worker, of row-wise operations
	conv    [][]float32 // by worker, of convolutions
}

// A run is one plan in the memory of a session.
type run struct {
	*Plan
	*memory
	sums  [][]float64 // by stage, then part, then picture: partial sums of psi
	stage int         // the current one
	strip *stripStage // what is done of it; nil: everything
	psi   []float64
}

// NewSession returns a session for plans on so many threads; 0 or less means one
// for each core.
func NewSession(threads int, plans ...*Plan) *Session {
	s := &Session{pool: kernel.NewPool(threads)}
	Pack(nil, plans...)
	scratch, conv := 0, 0
	for _, p := range plans {
		s.len, scratch, conv = max(s.len, p.arenaLen), max(scratch, p.scratchLen), max(conv, p.convLen)
	}
	for range s.pool.Workers() {
		s.scratch = append(s.scratch, make([]float32, scratch))
		s.conv = append(s.conv, make([]float32, conv))
	}
	for _, p := range plans {
		r := &run{Plan: p, memory: &s.memory, psi: make([]float64, p.pictures)}
		for _, st := range p.stages {
			r.sums = append(r.sums, make([]float64, st.parts*p.pictures))
		}
		s.runs = append(s.runs, r)
	}
	// The workers know the pool only, so a session that nobody holds is freed
	// and takes them along.
	runtime.AddCleanup(s, func(p *kernel.Pool) { p.Close() }, s.pool)
	return s
}

// Len is the length of the arena, in float32s.
func (s *Session) Len() int { return s.len }

// Use lets the session work in an arena of Len float32s or more, until the next call. Its
// contents do not matter. A session without one makes its own.
func (s *Session) Use(arena []float32) { s.arena = arena }

// Input is the memory of the i-th input of a plan, to be filled before each run.
func (s *Session) Input(plan, i int) []float32 {
	r := s.runs[plan]
	if s.arena == nil {
		s.arena = make([]float32, s.len)
	}
	return r.whole(r.inputs[i])
}

// Output is the memory in which a run leaves its result, until the next run.
func (s *Session) Output(plan int) []float32 {
	r := s.runs[plan]
	return r.whole(r.out)
}

// Psi is what the last run of a plan has summed up, one number a picture.
func (s *Session) Psi(plan int) []float64 { return s.runs[plan].psi }

// Run evaluates a plan, whose inputs have been filled.
func (s *Session) Run(plan int) { s.RunStrip(plan, nil) }

// RunStrip is Run for one of the strips of a picture, after the strip above it: the
// output has the rows of the core only. Without a strip it is Run.
func (s *Session) RunStrip(plan int, p *Strip) {
	r := s.runs[plan]
	if p != nil {
		s.keep(p)
	}
	for i, st := range r.stages {
		r.stage, r.strip = i, nil
		n := st.parts
		if p != nil {
			r.strip = &p.stages[i]
			n = len(r.strip.parts)
		}
		clear(r.sums[i])
		s.pool.Do(r, n)
		if p != nil {
			s.handOver(r, p)
		}
	}
	for i := range r.psi {
		r.psi[i] = r.constant
	}
	for _, sums := range r.sums {
		for i, v := range sums {
			r.psi[i%r.pictures] += v
		}
	}
}

// keep makes room for what is kept between strips.
func (s *Session) keep(p *Strip) {
	s.kept = append(s.kept, make([][]float32, max(0, len(p.kept)-len(s.kept)))...)
	for k, n := range p.kept {
		if len(s.kept[k]) < n {
			s.kept[k] = make([]float32, n)
		}
	}
}

// handOver takes over the rows that the strip above has kept of a stage's values, and
// keeps those that the next one wants.
func (s *Session) handOver(r *run, p *Strip) {
	for _, b := range r.strip.over {
		copy(r.rows(b.v, 0, b.rows.Lo, b.rows.Hi), s.kept[b.k])
	}
	for _, b := range r.strip.beyond {
		last := r.rows(b.v, 0, b.rows.Lo-1, b.rows.Lo)
		for i := range b.rows.Len() {
			copy(r.rows(b.v, 0, b.rows.Lo+i, b.rows.Lo+i+1), last)
		}
	}
	for _, b := range r.strip.on {
		copy(s.kept[b.k], r.rows(b.v, 0, b.rows.Lo, b.rows.Hi))
	}
}

// Part runs one part of the current stage, of those that a strip has.
func (r *run) Part(worker, part int) {
	s := r.stages[r.stage]
	if r.strip != nil {
		part = r.strip.parts[part]
	}
	if o := s.head; o != nil {
		switch {
		case o.kind == resample && s.per > 0:
			lo, hi := s.bounds(part)
			if r.strip != nil && !r.strip.planes {
				lo, hi = max(lo, r.strip.rows.Lo), min(hi, r.strip.rows.Hi)
			}
			from := o.reach(Range{lo, hi})
			o.some(r.rows(o.out[0], worker, lo, hi), r.rows(o.in[0], worker, from.Lo, from.Hi), hi-lo)
			return
		case o.kind == resample:
			r.picture(o, part, s.parts)
			return
		}
		r.convolve(o, worker, part)
	}
	s.steps(part, func(lo, hi int) {
		for _, o := range s.ops {
			r.do(o, worker, lo, hi)
		}
	})
}

// picture resamples one picture of so many.
func (r *run) picture(o *op, i, n int) {
	dst, src := r.whole(o.out[0]), r.whole(o.in[0])
	k, m := len(dst)/n, len(src)/n
	o.picture(dst[i*k:(i+1)*k], src[i*m:(i+1)*m])
}

// convolve does one part of all the convolutions of o.
func (r *run) convolve(o *op, worker, part int) {
	into := o.into
	for i := range o.terms {
		t := &o.terms[i]
		var beside []float32
		if t.beside != nil {
			beside = r.whole(t.beside)
		}
		t.plan.PartInto(r.whole(o.out[0]), r.whole(t.in), beside, t.filter, part, into, r.conv[worker])
		into = kernel.IntoSum
	}
}

// do computes rows [lo,hi) of a row-wise operation.
func (r *run) do(o *op, worker, lo, hi int) {
	switch {
	case o.each != nil:
		o.each(r.rows(o.out[0], worker, lo, hi), r.rows(o.in[0], worker, lo, hi))
	case o.zip != nil:
		o.zip(r.rows(o.out[0], worker, lo, hi), r.rows(o.in[0], worker, lo, hi), r.rows(o.in[1], worker, lo, hi))
	case o.twin != nil:
		o.twin(r.rows(o.out[0], worker, lo, hi), r.rows(o.out[1], worker, lo, hi), r.rows(o.in[0], worker, lo, hi))
	case o.kind == pixelConv:
		t := o.rows[hi-lo]
		dst, src := r.rows(o.out[0], worker, lo, hi), r.rows(o.in[0], worker, lo, hi)
		for part := range t.plan.Parts() {
			t.plan.Part(dst, src, t.filter, part, false, r.conv[worker])
		}
	case o.kind == addOuter:
		r.addOuter(o, worker, lo, hi)
	case o.kind == energy:
		r.energy(o, worker, lo, hi)
	}
}

// addOuter adds m[p]*c[k], whose map m is the same for every picture.
func (r *run) addOuter(o *op, worker, lo, hi int) {
	d := o.in[0].dims
	row := d.W * d.C
	dst, src := r.rows(o.out[0], worker, lo, hi), r.rows(o.in[0], worker, lo, hi)
	for lo < hi {
		k := min(hi-lo, d.H-lo%d.H)
		kernel.AddOuter(dst[:k*row], src[:k*row], o.m[lo%d.H*d.W:][:k*d.W], o.c)
		dst, src, lo = dst[k*row:], src[k*row:], lo+k
	}
}

// energy adds k*<x,y> of rows [lo,hi), as far as they are in the core, to psi.
func (r *run) energy(o *op, worker, lo, hi int) {
	x, d := o.in[0], o.in[0].dims
	sums := r.sums[r.stage][r.stages[r.stage].partAt(lo)*r.pictures:]
	picture := d.H * (d.N / r.pictures) // rows of one picture, all planes
	rows, cols := r.counted(d)
	if r.strip != nil && !r.strip.planes {
		rows = r.strip.counted
	}
	xs, ys := r.rows(x, worker, lo, hi), []float32(nil)
	if o.c == nil {
		ys = r.rows(o.in[1], worker, lo, hi)
	}
	// dot is the sum over pixels; at is the place of the first in the plane.
	dot := func(from, to, at int) float64 {
		if o.c != nil {
			return kernel.DotOuter(xs[from*d.C:to*d.C], o.m[at:at+to-from], o.c)
		}
		return kernel.Dot(xs[from*d.C:to*d.C], ys[from*d.C:to*d.C])
	}
	for row := lo; row < hi; {
		y := row % d.H
		if whole := (Range{0, d.W}); cols == whole && rows == (Range{0, d.H}) {
			n := min(hi-row, d.H-y)
			sums[row/picture] += o.k * dot((row-lo)*d.W, (row-lo+n)*d.W, y*d.W)
			row += n
			continue
		}
		if y >= rows.Lo && y < rows.Hi {
			sums[row/picture] += o.k * dot((row-lo)*d.W+cols.Lo, (row-lo)*d.W+cols.Hi, y*d.W+cols.Lo)
		}
		row++
	}
}

// counted is the range of rows and columns of a grid whose terms psi counts:
// those of the core. Grids are the picture itself, or its cells.
func (p *Plan) counted(d network.Dims) (rows, cols Range) {
	if p.core == nil {
		return Range{0, d.H}, Range{0, d.W}
	}
	on := func(core Range, picture, grid int) Range {
		px := pixels(picture, grid)
		if core.Hi == picture { // up to the border, where the last cell may stick out
			return Range{core.Lo / px, grid}
		}
		return Range{core.Lo / px, core.Hi / px}
	}
	return on(p.core[0], p.size.H, d.H), on(p.core[1], p.size.W, d.W)
}

// whole is the whole memory of v.
func (r *run) whole(v *value) []float32 {
	if v.fixed {
		return v.data
	}
	return r.arena[v.off : v.off+v.dims.Len()]
}

// rows holds rows [lo,hi) of v, nothing if v is nil.
func (r *run) rows(v *value, worker, lo, hi int) []float32 {
	if v == nil {
		return nil
	}
	k := v.dims.W * v.dims.C
	switch {
	case v.fixed:
		return v.data[lo*k : hi*k]
	case v.local:
		return r.scratch[worker][v.off : v.off+(hi-lo)*k]
	}
	return r.arena[v.off+lo*k : v.off+hi*k]
}
