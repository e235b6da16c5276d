package engine

import (
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
)

// fuse makes one operation of several where that saves a pass over memory or a
// Winograd transform. direct keeps to the plain sums.
func fuse(ops []*op, out *value, direct bool) []*op {
	ops = twins(ops)
	biasIntoSoftplus(ops)
	absorb(ops)
	ops = prune(ops, out)
	plan(ops, direct)
	ops = joinAdjoints(ops, direct)
	return addConvs(ops, out, direct)
}

// A slope identifies twins: a function of one value, except for the order of
// its derivative.
type slope struct {
	kind kind
	x    *value
	act  network.Activation
	per  int
}

// order is that of the derivative, of a convex function that has a twin.
func (o *op) slope() (s slope, order int, ok bool) {
	switch {
	case o.kind == act && o.order < 2:
		return slope{act, o.in[0], o.act, 0}, o.order, true
	case o.kind == logSumExp:
		return slope{logSumExp, o.in[0], network.Activation{}, o.per}, 0, true
	case o.kind == softmax:
		return slope{logSumExp, o.in[0], network.Activation{}, o.per}, 1, true
	}
	return s, 0, false
}

// twins computes a convex function and its slope at once, where the list has both,
// and neither of them twice.
func twins(ops []*op) []*op {
	found := map[slope]*[2]*op{} // by order
	var rest []*op
	for _, o := range ops {
		s, order, ok := o.slope()
		if !ok {
			rest = append(rest, o)
			continue
		}
		both := found[s]
		if both == nil {
			both = new([2]*op)
			found[s] = both
		}
		if first := both[order]; first != nil {
			replace(ops, o.out[0], first.out[order*(len(first.out)-1)])
			continue
		}
		both[order] = o
		other := both[1-order]
		if other == nil {
			rest = append(rest, o)
			continue
		}
		z, d := both[0].out[0], both[1].out[0]
		other.out, other.each, other.order = []*value{z, d}, nil, 0
		if per := o.per; o.kind == act {
			other.twin = o.act.WithSlope()
		} else {
			other.kind, other.twin = logSumExp, func(z, s, x []float32) { kernel.LogSumExp(z, s, x, per) }
		}
		z.by, d.by = other, other
		both[0], both[1] = other, other
	}
	return rest
}

// biasIntoSoftplus adds a bias inside the softplus.
func biasIntoSoftplus(ops []*op) {
	for _, o := range ops {
		if o.kind != act || o.order != 0 || o.act.Kind != network.Softplus {
			continue
		}
		if b := o.in[0].made(bias); b != nil && !b.out[0].fixed {
			c, beta := kernel.NewBias(b.c), float32(o.act.Beta)
			o.in = b.in
			o.twin = func(z, s, x []float32) { kernel.SoftplusBias(z, s, x, c, beta) }
			if o.each = nil; len(o.out) == 1 {
				o.out = append(o.out, nil)
			}
		}
	}
}

// absorb lets products, sums and energies repeat channels or a map themselves,
// instead of reading what Expand or Outer wrote.
func absorb(ops []*op) {
	shade := func(m float32) bool { return m != 1 }
	for _, o := range ops {
		if o.kind != mul && o.kind != add && o.kind != energy {
			continue
		}
		x, y := o.in[0], o.in[1]
		product := x.made(outer)
		switch {
		case o.kind == mul && product != nil && x.fixed && !slices.ContainsFunc(product.m, shade):
			_, c := product.factors()
			o.kind, o.in, o.zip = scale, []*value{y}, nil
			o.each = func(dst, x []float32) { kernel.MulChannel(dst, x, c) }
		case o.kind == mul && y.made(expand) != nil:
			e := y.by
			o.kind, o.in = expandMul, []*value{x, e.in[0]}
			o.zip = func(dst, x, y []float32) { kernel.ExpandMul(dst, x, y, e.per) }
		case o.kind == add && y.made(outer) != nil && y.fixed:
			o.kind, o.in, o.zip = addOuter, []*value{x}, nil
			o.m, o.c = y.by.factors()
		case o.kind == energy && y.made(outer) != nil && y.fixed:
			o.in = []*value{x}
			o.m, o.c = y.by.factors()
		}
	}
}
