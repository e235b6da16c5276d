package train

import (
	"fmt"

	"github.com/lpn-imaging/lpn/internal/arena"
	G "gorgonia.org/gorgonia"
)

// A trace is what the run of a graph writes and reads, in order.
type trace struct {
	on    bool
	steps []access
}

// An access is the first elements of vectors that one operation uses.
type access []*float32

// note notes an operation, if the trace is on; out may be nil.
func (t *trace) note(out []float32, in ...[]float32) {
	if !t.on {
		return
	}
	var a access
	for _, x := range append(in[:len(in):len(in)], out) {
		if len(x) > 0 {
			a = append(a, &x[0])
		}
	}
	t.steps = append(t.steps, a)
}

// place moves the outputs of the ops, which the graph was built with one by one,
// into one piece of memory in which those that are not needed at the same time
// share their places: 7 MB and not 21 for two pictures of 48x48 and the priors'
// network. The machine runs the same instructions in the same order on the same
// vectors every time, so one run shows who uses what. A vector that gorgonia uses
// again for a sum of its own is in use until then.
func (b *builder) place(g *graph, sub *G.ExprGraph) error {
	b.engine.on = true
	_, err := g.run()
	b.engine.on = false
	steps := b.engine.steps
	b.engine.steps = nil
	if err != nil {
		return err
	}
	calls := 0
	for _, n := range sub.AllNodes() {
		if op := n.Op(); op != nil && op.Arity() > 0 && (!n.IsScalar() || op == G.Op(g.loss)) {
			calls++
		}
	}
	if calls != len(steps) {
		return fmt.Errorf("train: gorgonia made %d operations of a graph of %d", len(steps), calls)
	}
	spans := map[*float32]*arena.Span{}
	for _, o := range b.ops {
		spans[&o.out[0]] = &arena.Span{Len: len(o.out), First: -1}
	}
	for i, step := range steps {
		for _, p := range step {
			if s := spans[p]; s != nil {
				if s.First < 0 {
					s.First = i
				}
				s.Last = i
			}
		}
	}
	for _, x := range g.byName { // read when the run is over
		if s := spans[&g.grads[x.name][0]]; s != nil {
			s.Last = len(steps)
		}
	}
	var used []*arena.Span
	var ops []*op
	for _, o := range b.ops {
		if s := spans[&o.out[0]]; s.First >= 0 {
			used, ops = append(used, s), append(ops, o)
		}
	}
	memory := make([]float32, arena.Place(used))
	for i, o := range ops {
		s := used[i]
		o.out = memory[s.Off:][:s.Len:s.Len]
		o.dst = b.dense(o.out)
	}
	b.ops = nil
	return nil
}
