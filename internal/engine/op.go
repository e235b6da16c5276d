package engine

import (
	"fmt"
	"strings"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
)

// A value is one tensor of the list: an input, a weight, or what an operation
// computes.
type value struct {
	dims  network.Dims
	by    *op       // the operation; nil for inputs and weights
	fixed bool      // depends on the weights alone: see fold
	data  []float32 // the elements of a fixed value, once they are needed

	// Where it is, from the passes stage and place.
	stage int  // the stage that computes it, -1 for inputs and fixed values
	plain bool // of a plain stage: see Strips
	local bool // in a worker's scratch, during one step of a stage
	off   int  // in the arena or the scratch
}

// elements returns the elements of a fixed value.
func (v *value) elements() []float32 {
	if v.data != nil {
		return v.data
	}
	o := v.by
	v.data = make([]float32, v.dims.Len())
	switch {
	case o.kind == outer:
		m, c := o.factors()
		k := len(m) * len(c)
		for at := 0; at < len(v.data); at += k {
			kernel.Outer(v.data[at:at+k], m, c)
		}
	case o.each != nil:
		o.each(v.data, o.in[0].elements())
	default:
		o.zip(v.data, o.in[0].elements(), o.in[1].elements())
	}
	return v.data
}

// made returns the operation that computes v if it is of kind k, else nil.
func (v *value) made(k kind) *op {
	if v.by != nil && v.by.kind == k {
		return v.by
	}
	return nil
}

// A kind is what an operation is called; the passes look at some.
type kind string

const (
	conv      kind = "conv"     // a sum of convolutions, or of adjoints
	pixelConv kind = "pixels"   // a 1x1 convolution, done row by row
	resample  kind = "resample" // a linear map of each picture
	bias      kind = "bias"
	act       kind = "act"
	add       kind = "add"
	addOuter  kind = "add outer"
	mul       kind = "mul"
	scale     kind = "scale"
	half      kind = "half square"
	exp       kind = "exp"
	logSumExp kind = "log sum exp"
	softmax   kind = "softmax"
	expand    kind = "expand"
	expandMul kind = "expand mul"
	groupSum  kind = "group sum"
	outer     kind = "outer"
	energy    kind = "energy" // adds to psi
	total     kind = "total"  // adds a constant to psi
)

// An op is one operation: the values out made of the values in.
type op struct {
	kind    kind
	in, out []*value

	// How it is computed, where kind does not say it: one of these is set. Row by
	// row:
	each func(dst, x []float32)    // of one value
	zip  func(dst, x, y []float32) // of two
	twin func(z, s, x []float32)   // two of one, a function and its slope; either may be nil
	// Picture by picture. reach is the rows of the input that some rows are made of, beyond its
	// border where that counts. some computes so many rows, nil where they are not apart:
	picture func(dst, x []float32)
	reach   func(r Range) Range
	some    func(dst, x []float32, rows int)
	// By convolutions, which are added:
	terms []term
	onto  *value      // the last of in, if out[0] takes its place: it is the result...
	into  kernel.Into // ...added to it or multiplied with it

	act   network.Activation
	order int       // of the derivative
	per   int       // channels in a group
	k     float64   // a factor
	m, c  []float32 // a map of the plane times a vector
	rows  map[int]*term
}

// factors returns the two factors of an outer product.
func (o *op) factors() (m, c []float32) { return o.m, o.in[0].elements() }

// rowwise says whether o computes rows of its outputs from the same rows of its
// inputs.
func (o *op) rowwise() bool { return o.kind != conv && o.kind != resample }

// inPlace says whether an output may lie where an input of the same dims was: not
// where all channels of a pixel are read for each that is written.
func (o *op) inPlace() bool { return o.kind != pixelConv && o.kind != energy }

// reads says whether o reads v.
func (o *op) reads(v *value) bool {
	for _, x := range o.in {
		if x == v {
			return true
		}
	}
	return false
}

// list prints operations, one a line, for tests and for reading what
// the passes made: the values are numbered in the order of their operations.
func list(inputs []*value, ops []*op) string {
	var b strings.Builder
	n := map[*value]string{}
	name := func(v *value) string {
		switch {
		case v == nil:
			return "-"
		case n[v] == "" && v.fixed:
			return "w"
		}
		return n[v]
	}
	for i, v := range inputs {
		n[v] = fmt.Sprintf("x%d", i)
	}
	next := 0
	for _, o := range ops {
		for i, v := range o.out {
			if i > 0 {
				b.WriteByte(' ')
			}
			if v != nil {
				n[v] = fmt.Sprintf("%%%d", next)
				next++
			}
			b.WriteString(name(v))
		}
		if len(o.out) > 0 {
			b.WriteString(" = ")
		}
		b.WriteString(string(o.kind))
		switch {
		case o.twin != nil:
			b.WriteString(" and slope")
		case o.kind == act && o.order > 0:
			fmt.Fprintf(&b, "'%d", o.order)
		}
		for _, v := range o.in {
			b.WriteByte(' ')
			b.WriteString(name(v))
		}
		for i, t := range o.terms {
			if i > 0 {
				b.WriteString(" +")
			}
			if t.adjoint {
				b.WriteString(" adjoint")
			}
			fmt.Fprintf(&b, " %dx%d", t.shape.K, t.shape.K)
			if t.beside != nil {
				b.WriteString(" beside")
			}
		}
		if o.onto != nil {
			b.WriteString([...]string{"", " added", " multiplied"}[o.into] + " onto " + name(o.onto))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
