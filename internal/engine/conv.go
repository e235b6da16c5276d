package engine

import (
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A term is one convolution, or adjoint, of a sum.
type term struct {
	shape   kernel.ConvShape
	adjoint bool
	w       []float32 // (K,K,Ci,Co)
	in      *value
	beside  *value // the channels by themselves, or nil: a second input, or output of an adjoint

	plan   *kernel.Conv
	filter *kernel.Filter
}

// pack brings the weights into the order in which the plan reads them; those of like, which
// may be nil, are taken over if they are the same.
func (t *term) pack(like *term) {
	if like != nil && t.plan.PacksLike(like.plan) && slices.Equal(t.w, like.w) {
		t.filter = like.filter
		return
	}
	t.filter = t.plan.Pack(nil, t.w)
}

// pixelwise says whether t mixes channels only.
func (t *term) pixelwise() bool {
	s := t.shape
	return s.K == 1 && s.Stride == 1 && s.Pad == 0
}

// plan chooses how each convolution is done: by its own algorithm, or, where it
// mixes channels only, row by row.
func plan(ops []*op, direct bool) {
	for _, o := range ops {
		if o.kind != conv {
			continue
		}
		t := &o.terms[0]
		switch {
		case t.pixelwise() && !t.in.fixed:
			o.kind = pixelConv
		case t.adjoint && direct:
			t.plan = kernel.NewConvTDirect(t.shape)
		case t.adjoint:
			t.plan = kernel.NewConvT(t.shape)
		case direct:
			t.plan = kernel.NewConvDirect(t.shape)
		default:
			t.plan = kernel.NewConv(t.shape)
		}
	}
}

// ofRows plans a 1x1 convolution of so many rows.
func (t *term) ofRows(n int) *term {
	s := kernel.ConvShape{N: 1, H: n, W: t.shape.W, Ci: t.shape.Ci, Co: t.shape.Co, K: 1, Stride: 1}
	r := &term{shape: s, adjoint: t.adjoint, w: t.w}
	if r.plan = kernel.NewConvDirect(s); t.adjoint {
		r.plan = kernel.NewConvTDirect(s)
	}
	return r
}

// join returns wide and few as one convolution, the channels of few being those of
// beside, and says whether that pays.
func join(wide, few term, beside *value) (t term, ok bool) {
	s := wide.shape
	s.Ci = few.shape.Ci
	if s != few.shape || wide.adjoint != few.adjoint || wide.beside != nil {
		return t, false
	}
	plan := kernel.NewConvBeside
	if wide.adjoint {
		plan = kernel.NewConvTBeside
	}
	s.Ci += wide.shape.Ci
	t = term{shape: s, adjoint: wide.adjoint, in: wide.in, beside: beside, plan: plan(s, few.shape.Ci)}
	if t.plan == nil {
		return t, false
	}
	taps := s.K * s.K
	m, n := len(wide.w)/taps, len(few.w)/taps
	for i := range taps {
		t.w = append(append(t.w, wide.w[i*m:(i+1)*m]...), few.w[i*n:(i+1)*n]...)
	}
	return t, true
}

// joinAdjoints lets an adjoint do another one, to few channels, of the same value
// along with it.
func joinAdjoints(ops []*op, direct bool) []*op {
	if direct {
		return ops
	}
	var rest []*op
next:
	for _, o := range ops {
		if o.kind == conv && o.terms[0].adjoint {
			for _, first := range rest {
				if first.kind != conv || len(first.out) > 1 || first.in[0] != o.in[0] {
					continue
				}
				if both, ok := join(first.terms[0], o.terms[0], o.out[0]); ok {
					first.terms[0] = both
					first.out = append(first.out, o.out[0])
					o.out[0].by = first
					continue next
				}
			}
		}
		rest = append(rest, o)
	}
	return rest
}

// addConvs adds convolutions where they are made, if nothing else reads them: few
// channels in one convolution with the others, a direct sum part by part behind the
// other, and otherwise one onto the map of the other.
func addConvs(ops []*op, out *value, direct bool) []*op {
	n := readers(ops, out)
	bare := func(v *value) *op {
		if o := v.made(conv); o != nil && n[v] == 1 && len(o.out) == 1 && o.onto == nil {
			return o
		}
		return nil
	}
	gone := map[*op]bool{}
	for _, o := range ops {
		if o.kind != add || o.in[0] == o.in[1] || o.in[0].dims != o.in[1].dims {
			continue
		}
		first, last := bare(o.in[0]), bare(o.in[1])
		if first == nil || last == nil || slices.Index(ops, first) > slices.Index(ops, last) {
			continue
		}
		gone[o] = true
		if len(last.terms) == 1 && sumTerms(first, last, direct) {
			gone[first] = true
		} else {
			last.onto, last.into = first.out[0], kernel.IntoSum
			last.in = append(slices.Clone(last.in), last.onto)
		}
		last.out = o.out
		o.out[0].by = last
	}
	return slices.DeleteFunc(slices.Clone(ops), func(o *op) bool { return gone[o] })
}

// sumTerms makes last, which is one convolution, the sum of first and last, if they
// can be done part by part.
func sumTerms(first, last *op, direct bool) bool {
	t := last.terms[0]
	if len(first.terms) == 1 && !t.adjoint && !direct {
		if both, ok := join(first.terms[0], t, t.in); ok {
			last.terms = []term{both}
			last.in = append(slices.Clone(first.in), last.in...)
			return true
		}
	}
	if t.plan = t.plan.Like(first.terms[0].plan); t.plan == nil {
		return false
	}
	last.terms = append(slices.Clone(first.terms), t)
	last.in = append(slices.Clone(first.in), last.in...)
	return true
}
