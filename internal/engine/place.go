package engine

import (
	"slices"

	"github.com/lpn-imaging/lpn/internal/arena"
)

// A life is how long a value is needed.
type life struct {
	v           *value
	first, last int // stages, both included; -1 for an input's first
}

// lives lists the values that need memory, in the order in which they are made,
// with the stages from the one that makes them to the last that reads them.
func lives(inputs []*value, stages []*stage, out *value) []*life {
	var all []*life
	at := map[*value]*life{}
	add := func(v *value, stage int) {
		if v != nil && at[v] == nil && !v.fixed {
			at[v] = &life{v, stage, stage}
			all = append(all, at[v])
		}
	}
	read := func(v *value, stage int) {
		if l := at[v]; l != nil {
			l.last = max(l.last, stage)
		}
	}
	for _, v := range inputs {
		add(v, -1)
	}
	for i, s := range stages {
		s.all(func(o *op) {
			for _, v := range o.in {
				read(v, i)
			}
			for _, v := range o.out {
				add(v, i)
			}
		})
	}
	read(out, len(stages))
	return all
}

// all visits the operations of a stage, the head first.
func (s *stage) all(visit func(o *op)) {
	if s.head != nil {
		visit(s.head)
	}
	for _, o := range s.ops {
		visit(o)
	}
}

// place assigns memory: values that live within one stage go to the workers'
// scratch, one step high; the others to the arena, each at the lowest place free
// for as long as it lives, or where a value is that it is made from, or that the
// same rows were made from before, if that one is not needed again. It returns
// how many float32s the arena and the scratch hold.
func place(inputs []*value, stages []*stage, out *value) (memory, scratch int) {
	all := lives(inputs, stages, out)
	at := map[*value]*life{}
	for _, l := range all {
		at[l.v] = l
	}
	for i, s := range stages {
		scratch = max(scratch, s.placeLocals(i, at))
	}
	heirs := inherit(stages, at)
	var spans []*arena.Span
	var owners []*value
	for _, l := range all {
		if !l.v.local && heirs[l.v] == nil {
			spans = append(spans, &arena.Span{Len: l.v.dims.Len(), First: l.first, Last: l.last})
			owners = append(owners, l.v)
		}
	}
	memory = arena.Place(spans)
	for i, s := range spans {
		owners[i].off = s.Off
	}
	for v, from := range heirs {
		v.off = from.off
	}
	return memory, scratch
}

// placeLocals puts what lives within stage i into the scratch, one after the other,
// and returns how much that is.
func (s *stage) placeLocals(i int, at map[*value]*life) (n int) {
	rows := min(s.rows, s.step)
	for _, o := range s.ops {
		for _, v := range o.out {
			if v != nil && at[v].last == i {
				v.local, v.off = true, n
				n += (rows*v.dims.W*v.dims.C + 15) &^ 15
			}
		}
	}
	return n
}

// inherit finds the values that take the place of another one which is not needed
// any more, and returns whose: that of the first of a line of heirs, whose life
// becomes as long as theirs.
func inherit(stages []*stage, at map[*value]*life) map[*value]*value {
	heirs := map[*value]*value{}
	take := func(v, from *value) {
		root := from
		if heirs[from] != nil {
			root = heirs[from]
		}
		heirs[v] = root
		at[root].last = at[v].last
		at[from].last = at[v].last // it has its heir
	}
	for i, s := range stages {
		if s.head != nil && s.head.onto != nil {
			take(s.head.out[0], s.head.onto)
		}
		// free says whether the rows of v can go to a value of the same dims once
		// the first k operations are done.
		free := func(v, w *value, k int) bool {
			l := at[v]
			return l != nil && !v.local && v.dims == w.dims && l.first >= 0 && l.last == i &&
				(s.head == nil || !s.head.reads(v)) &&
				!slices.ContainsFunc(s.ops[k:], func(o *op) bool { return o.reads(v) })
		}
		for k, o := range s.ops {
			if !o.inPlace() {
				continue
			}
			for _, w := range o.out {
				if w == nil || w.local {
					continue
				}
				// An operand, or what the stage no longer needs.
				done := slices.Clone(o.in)
				for _, before := range s.ops[:k] {
					done = append(done, before.in...)
				}
				if j := slices.IndexFunc(done, func(v *value) bool { return free(v, w, k+1) }); j >= 0 {
					take(w, done[j])
				}
			}
		}
	}
	return heirs
}
