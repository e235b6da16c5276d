package engine

import "slices"

// fold marks as fixed what is made of the weights alone, and takes its operations
// out of the list: elements computes such a value if it is needed whole. It
// returns the rest of the list and the constant part of psi, per picture.
// Convolutions and resamplings are left as they are.
func fold(ops []*op) (rest []*op, psi float64) {
	for _, o := range ops {
		fixed := !slices.ContainsFunc(o.in, func(v *value) bool { return !v.fixed })
		switch {
		case o.kind == total:
			psi += sum(o.in[0])
		case fixed && (o.kind == outer || o.each != nil || o.zip != nil):
			o.out[0].fixed = true
		default:
			rest = append(rest, o)
		}
	}
	return rest, psi
}

// sum adds up one picture of an outer product, the only thing of which the
// networks take the sum.
func sum(v *value) (s float64) {
	o := v.made(outer)
	if o == nil || !v.fixed {
		panic("engine: the sum of what is not a fixed outer product")
	}
	ms, cs := o.factors()
	for _, m := range ms {
		for _, c := range cs {
			s += float64(m) * float64(c)
		}
	}
	return s
}

// prune takes out of the list what leads neither to out nor to psi, and of twins
// the half that is never read.
func prune(ops []*op, out *value) []*op {
	read := map[*value]bool{out: true}
	var rest []*op
	for _, o := range slices.Backward(ops) {
		if o.kind != energy && !slices.ContainsFunc(o.out, func(v *value) bool { return read[v] }) {
			continue
		}
		if o.twin != nil {
			for i, v := range o.out {
				if !read[v] {
					o.out[i] = nil
				}
			}
		}
		for _, v := range o.in {
			read[v] = true
		}
		rest = append(rest, o)
	}
	slices.Reverse(rest)
	return rest
}

// readers counts the operations that read each value; out is read once more.
func readers(ops []*op, out *value) map[*value]int {
	n := map[*value]int{out: 1}
	for _, o := range ops {
		for _, v := range o.in {
			n[v]++
		}
	}
	return n
}

// replace makes all readers of v read w.
func replace(ops []*op, v, w *value) {
	for _, o := range ops {
		for i, x := range o.in {
			if x == v {
				o.in[i] = w
			}
		}
		for i := range o.terms {
			if o.terms[i].in == v {
				o.terms[i].in = w
			}
		}
	}
}
