package engine

import (
	"fmt"
	"strings"
	"sync"

	"github.com/lpn-imaging/lpn/internal/network"
)

// A Plan is a list of operations laid out for one geometry: stages, and a place
// for every value. It is immutable; a Session runs it.
type Plan struct {
	inputs     []*value
	out        *value
	stages     []*stage
	arenaLen   int          // float32s
	scratchLen int          // float32s of the row-wise operations' scratch, per worker
	convLen    int          // float32s of the convolutions' scratch, per worker
	pictures   int          // in a batch
	constant   float64      // what psi has besides its sums, per picture
	size       network.Dims // of the input
	core       *[2]Range
	packed     sync.Once // the filters, when a session is made
}

// A Range is a stretch of rows or columns, from Lo to before Hi.
type Range struct{ Lo, Hi int }

// Len is how many they are.
func (r Range) Len() int { return r.Hi - r.Lo }

// Options say what a plan is for.
type Options struct {
	// Pictures is how many the planes of the input are, one after the other. psi
	// is kept for each. Default 1.
	Pictures int
	// Direct avoids the Winograd algorithm, whose rounding error is about ten
	// times that of the plain sum.
	Direct bool
	// Core are the rows and columns of the picture whose terms psi counts.
	// Default: all.
	Core *[2]Range
}

// Compile ends the recording and makes a plan of it, whose output is out.
func (r *Recorder) Compile(out network.Value, o Options) *Plan {
	p := &Plan{inputs: r.inputs, out: out.(*value), pictures: max(o.Pictures, 1), size: r.picture, core: o.Core}
	ops, psi := fold(r.ops)
	p.constant = psi
	ops = prune(ops, p.out)
	ops = fuse(ops, p.out, o.Direct)
	p.stages = group(ops)
	n := readers(ops, p.out)
	for _, s := range p.stages {
		s.multiply(n)
	}
	p.arenaLen, p.scratchLen = place(p.inputs, p.stages, p.out)
	for _, s := range p.stages {
		s.all(p.prepare)
	}
	if p.out.fixed {
		p.out.elements()
	}
	return p
}

// prepare computes the fixed values that o reads, and makes room for its
// convolutions.
func (p *Plan) prepare(o *op) {
	for _, v := range o.in {
		if v.fixed {
			v.elements()
		}
	}
	for _, t := range o.terms {
		if t.plan != nil {
			p.convLen = max(p.convLen, t.plan.ScratchLen())
		}
	}
	for _, t := range o.rows {
		p.convLen = max(p.convLen, t.plan.ScratchLen())
	}
}

// Pack packs the filters of plans before a session does, each once: those that are the same
// in the first or in like, which may be nil, such as of one network on pictures of other
// sizes, are not in memory twice.
func Pack(like *Plan, plans ...*Plan) {
	for _, p := range plans {
		if like == nil {
			like = plans[0]
		}
		p.pack(like)
		like = plans[0]
	}
}

// pack packs the filters, once, or takes those of q, which are packed.
func (p *Plan) pack(q *Plan) {
	p.packed.Do(func() {
		mine, theirs := p.terms(), q.terms()
		for i, t := range mine {
			var like *term
			if q != p && len(theirs) == len(mine) {
				like = theirs[i]
			}
			if t.plan != nil {
				t.pack(like)
			}
		}
		for _, s := range p.stages {
			s.all(func(o *op) {
				for _, t := range o.rows {
					t.pack(nil)
				}
			})
		}
	})
}

// terms lists the convolutions of all stages.
func (p *Plan) terms() (all []*term) {
	for _, s := range p.stages {
		s.all(func(o *op) {
			for i := range o.terms {
				all = append(all, &o.terms[i])
			}
		})
	}
	return all
}

// Len is the length of the arena, in float32s.
func (p *Plan) Len() int { return p.arenaLen }

// String lists the operations, stage by stage.
func (p *Plan) String() string {
	var b strings.Builder
	var ops []*op
	for _, s := range p.stages {
		s.all(func(o *op) { ops = append(ops, o) })
	}
	lines := strings.SplitAfter(list(p.inputs, ops), "\n")
	for i, s := range p.stages {
		fmt.Fprintf(&b, "stage %d, %d parts\n", i, s.parts)
		s.all(func(*op) {
			b.WriteString("  " + lines[0])
			lines = lines[1:]
		})
	}
	return b.String()
}
