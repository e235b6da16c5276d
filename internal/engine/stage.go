package engine

import (
	"slices"
	"sort"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
)

// A stage is at most one operation that mixes rows (a convolution, or several
// that are added; a resampling), followed by operations that work on each row
// alone. A part of a stage does all of them on a few rows, which thus stay in
// cache; parts write disjoint rows, and the cut depends on the geometry only, so
// the result has the same bits on any number of threads.
type stage struct {
	rows, width int // the grid of the row-wise operations: N*H rows
	per         int // rows a part, when there is no convolution and no resampling of whole pictures
	step        int // rows that the row-wise operations do one after the other
	parts       int
	head        *op   // a convolution, a resampling, or nil
	ops         []*op // row-wise; none follow a resampling, which is cut in its own way
}

// partFloats is about how many elements a part of a stage without convolution
// works on: few enough to stay in the second-level cache with some operands.
// stepFloats is the same of a step.
const partFloats, stepFloats = 1 << 14, 1 << 12

// cellFloats is about how many elements a part of a resampling makes, when its rows are
// apart: enough to be worth waking a worker.
const cellFloats = 1 << 16

// rowsOf is how many rows of d are so many floats, or one.
func rowsOf(d network.Dims, floats int) int { return max(1, floats/(d.W*max(d.C, 16))) }

// bounds are the rows of a part.
func (s *stage) bounds(part int) (lo, hi int) {
	if s.convolves() {
		return s.head.terms[0].plan.Rows(part)
	}
	return part * s.per, min(s.rows, (part+1)*s.per)
}

// steps visits the rows of a part, as many at a time as stay in cache with what
// is made of them.
func (s *stage) steps(part int, visit func(lo, hi int)) {
	for lo, hi := s.bounds(part); lo < hi; lo += s.step {
		visit(lo, min(hi, lo+s.step))
	}
}

// partAt is the part of row lo.
func (s *stage) partAt(lo int) int {
	if !s.convolves() {
		return lo / s.per
	}
	return sort.Search(s.parts, func(p int) bool { l, _ := s.bounds(p); return l > lo }) - 1
}

func (s *stage) convolves() bool { return s.head != nil && s.head.kind == conv }

// fits says whether row-wise operations on the grid of d may follow in s.
func (s *stage) fits(d network.Dims) bool {
	return (s.head == nil || s.convolves()) && s.rows == d.N*d.H && s.width == d.W
}

// group puts the operations into stages: each that mixes rows starts one, the
// others follow in that of the last input to be made, if they are on its grid.
func group(ops []*op) []*stage {
	var stages []*stage
	start := func(d network.Dims, parts int, head *op) *stage {
		s := &stage{rows: d.N * d.H, width: d.W, step: rowsOf(d, stepFloats), parts: parts, head: head}
		stages = append(stages, s)
		return s
	}
	for _, o := range ops {
		if !o.rowwise() {
			d := o.out[0].dims
			parts := min(d.N, o.in[0].dims.N) // of a resampling: pictures
			if o.kind == conv {
				parts = o.terms[0].plan.Parts()
			}
			s := start(d, parts, o)
			if o.some != nil && d.N == 1 {
				s.per = (max(1, cellFloats/(d.W*d.C)) + blockRows - 1) / blockRows * blockRows
				s.parts = (d.H + s.per - 1) / s.per
			}
			for _, v := range o.out {
				v.stage = len(stages) - 1
			}
			continue
		}
		d := o.grid()
		last := -1
		for _, v := range o.in {
			last = max(last, v.stage)
		}
		if last < 0 || !stages[last].fits(d) {
			per := min(d.H, rowsOf(d, partFloats))
			rows := d.N * d.H
			start(d, (rows+per-1)/per, nil).per = per
			last = len(stages) - 1
		}
		s := stages[last]
		s.ops = append(s.ops, o)
		if o.kind == pixelConv {
			o.rows = s.byRows(&o.terms[0])
		}
		for _, v := range o.out {
			if v != nil {
				v.stage = last
			}
		}
	}
	return stages
}

// grid is what a row-wise operation goes over.
func (o *op) grid() network.Dims {
	if o.kind == energy || o.twin != nil {
		return o.in[0].dims
	}
	return o.out[0].dims
}

// byRows plans a 1x1 convolution for every number of rows that a step may have.
func (s *stage) byRows(t *term) map[int]*term {
	plans := map[int]*term{}
	for part := range s.parts {
		s.steps(part, func(lo, hi int) {
			if plans[hi-lo] == nil {
				plans[hi-lo] = t.ofRows(hi - lo)
			}
		})
	}
	return plans
}

// multiply lets the convolution of a stage, if all that becomes of it is a product
// with a map made earlier that is not needed again, multiply that map where it is;
// n counts the readers of each value.
func (s *stage) multiply(n map[*value]int) {
	if !s.convolves() || len(s.head.terms) != 1 || s.head.onto != nil || n[s.head.out[0]] != 1 || !s.head.terms[0].plan.Winograd() {
		return
	}
	made := s.head.out[0]
	k := slices.IndexFunc(s.ops, func(o *op) bool { return o.kind == mul && o.reads(made) })
	if k < 0 {
		return
	}
	o := s.ops[k]
	factor := o.in[0]
	if factor == made {
		factor = o.in[1]
	}
	here := slices.ContainsFunc(s.ops, func(o *op) bool { return slices.Contains(o.out, factor) })
	if factor.fixed || factor.by == nil || here || n[factor] != 1 || factor.dims != made.dims || s.head.reads(factor) || slices.Contains(s.head.out, factor) {
		return
	}
	s.head.onto, s.head.into = factor, kernel.IntoProduct
	s.head.in = append(slices.Clone(s.head.in), factor)
	s.head.out[0] = o.out[0]
	s.ops = slices.Delete(s.ops, k, k+1)
}
