package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The version of the format and of the set of operators that a Model is written in.
const (
	irVersion = 8
	Opset     = 17
)

// A Model is a graph with notes about it.
type Model struct {
	Producer, Version string
	Doc               string
	// Opset is the version of the standard operators; Marshal writes Opset.
	Opset int
	Notes []Note
	Graph Graph
}

// A Note is one entry of the model's metadata.
type Note struct{ Key, Value string }

// Note returns the note of a key, "" without one.
func (m *Model) Note(key string) string {
	for _, n := range m.Notes {
		if n.Key == key {
			return n.Value
		}
	}
	return ""
}

// A Graph is nodes in an order in which they can be evaluated, and the tensors that
// they start from.
type Graph struct {
	Name            string
	Nodes           []Node
	Weights         []Tensor
	Inputs, Outputs []Port
}

// A Port is an input or output of float32. A dim is a number or, where Dims is 0, a
// name.
type Port struct {
	Name  string
	Dims  []int
	Names []string
}

// A Node computes its outputs from its inputs.
type Node struct {
	Op              string
	Inputs, Outputs []string
	Attrs           []Attr
}

// An Attr is a constant of a node: one of the four kinds that are used.
type Attr struct {
	Name string
	Kind AttrKind
	F    float32
	I    int64
	S    string
	Ints []int64
}

// AttrKind is the type of an attribute, numbered as in the format.
type AttrKind int

const (
	Float AttrKind = 1
	Int   AttrKind = 2
	Text  AttrKind = 3
	Ints  AttrKind = 7
)

// A Tensor is a constant: of float32, or of int64 where Floats is nil. No Dims is a
// scalar.
type Tensor struct {
	Name   string
	Dims   []int
	Floats []float32
	Ints   []int64
}

// Types of elements, numbered as in the format.
const (
	typeFloat = 1
	typeInt64 = 7
)

// message collects the fields of a message.
type message []byte

func (m *message) text(field protowire.Number, s string) {
	if s != "" {
		*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), s)
	}
}

func (m *message) texts(field protowire.Number, s []string) {
	for _, v := range s { // an empty name is an input left out
		*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), v)
	}
}

func (m *message) number(field protowire.Number, v int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) in(field protowire.Number, sub message) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), sub)
}

// packed writes numbers as one field.
func (m *message) packed(field protowire.Number, v []int64) {
	var b []byte
	for _, x := range v {
		b = protowire.AppendVarint(b, uint64(x))
	}
	m.in(field, b)
}

// Marshal returns the bytes of m, the same for the same m.
func (m *Model) Marshal() []byte {
	var out message
	out.number(1, irVersion)
	out.text(2, m.Producer)
	out.text(3, m.Version)
	out.text(6, m.Doc)
	out.in(7, m.Graph.marshal())
	var set message
	set.number(2, Opset)
	out.in(8, set)
	for _, n := range m.Notes {
		var e message
		e.text(1, n.Key)
		e.text(2, n.Value)
		out.in(14, e)
	}
	return out
}

func (g *Graph) marshal() message {
	var out message
	for _, n := range g.Nodes {
		out.in(1, n.marshal())
	}
	out.text(2, g.Name)
	for _, t := range g.Weights {
		out.in(5, t.marshal())
	}
	for _, p := range g.Inputs {
		out.in(11, p.marshal())
	}
	for _, p := range g.Outputs {
		out.in(12, p.marshal())
	}
	return out
}

func (n *Node) marshal() message {
	var out message
	out.texts(1, n.Inputs)
	out.texts(2, n.Outputs)
	out.text(4, n.Op)
	for _, a := range n.Attrs {
		out.in(5, a.marshal())
	}
	return out
}

func (a *Attr) marshal() message {
	var out message
	out.text(1, a.Name)
	switch a.Kind {
	case Float:
		out = protowire.AppendFixed32(protowire.AppendTag(out, 2, protowire.Fixed32Type), math.Float32bits(a.F))
	case Int:
		out.number(3, a.I)
	case Text:
		out.text(4, a.S)
	case Ints:
		out.packed(8, a.Ints)
	}
	out.number(20, int64(a.Kind))
	return out
}

func (t *Tensor) marshal() message {
	var out message
	dims := make([]int64, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = int64(d)
	}
	if len(dims) > 0 {
		out.packed(1, dims)
	}
	var raw []byte
	if t.Floats != nil {
		out.number(2, typeFloat)
		for _, v := range t.Floats {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
	} else {
		out.number(2, typeInt64)
		for _, v := range t.Ints {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
		}
	}
	out.text(8, t.Name)
	out.in(9, raw)
	return out
}

func (p *Port) marshal() message {
	var shape message
	for i, d := range p.Dims {
		var dim message
		if d > 0 {
			dim.number(1, int64(d))
		} else {
			dim.text(2, p.Names[i])
		}
		shape.in(1, dim)
	}
	var tensor, kind, out message
	tensor.number(1, typeFloat)
	tensor.in(2, shape)
	kind.in(1, tensor)
	out.text(1, p.Name)
	out.in(2, kind)
	return out
}

// Unmarshal reads a model in the part of the format that Marshal writes: unknown
// fields are passed over, other types of tensors and attributes are an error.
func Unmarshal(b []byte) (*Model, error) {
	m := &Model{}
	err := each(b, func(field protowire.Number, v value) error {
		switch field {
		case 2:
			m.Producer = string(v.bytes)
		case 3:
			m.Version = string(v.bytes)
		case 6:
			m.Doc = string(v.bytes)
		case 7:
			return m.Graph.unmarshal(v.bytes)
		case 8:
			return each(v.bytes, func(field protowire.Number, v value) error {
				if field == 2 {
					m.Opset = int(v.number)
				}
				return nil
			})
		case 14:
			var n Note
			err := each(v.bytes, func(field protowire.Number, v value) error {
				switch field {
				case 1:
					n.Key = string(v.bytes)
				case 2:
					n.Value = string(v.bytes)
				}
				return nil
			})
			m.Notes = append(m.Notes, n)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return m, nil
}

// A value is what a field holds: a number or bytes.
type value struct {
	number uint64
	bytes  []byte
}

var errShort = errors.New("not a model: the message is cut short or damaged")

// each calls f for every field of a message.
func each(b []byte, f func(field protowire.Number, v value) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errShort
		}
		b = b[n:]
		var v value
		switch kind {
		case protowire.VarintType:
			v.number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var u uint32
			u, n = protowire.ConsumeFixed32(b)
			v.number = uint64(u)
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return errShort
		}
		b = b[n:]
		if err := f(field, v); err != nil {
			return err
		}
	}
	return nil
}

// numbers appends a field of numbers, packed or one by one.
func numbers(dst []int64, v value) ([]int64, error) {
	if v.bytes == nil {
		return append(dst, int64(v.number)), nil
	}
	for b := v.bytes; len(b) > 0; {
		x, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, errShort
		}
		dst, b = append(dst, int64(x)), b[n:]
	}
	return dst, nil
}

func (g *Graph) unmarshal(b []byte) error {
	return each(b, func(field protowire.Number, v value) error {
		switch field {
		case 1:
			n := Node{}
			err := n.unmarshal(v.bytes)
			g.Nodes = append(g.Nodes, n)
			return err
		case 2:
			g.Name = string(v.bytes)
		case 5:
			t, err := unmarshalTensor(v.bytes)
			g.Weights = append(g.Weights, t)
			return err
		case 11, 12:
			p, err := unmarshalPort(v.bytes)
			if field == 11 {
				g.Inputs = append(g.Inputs, p)
			} else {
				g.Outputs = append(g.Outputs, p)
			}
			return err
		}
		return nil
	})
}

func (n *Node) unmarshal(b []byte) error {
	return each(b, func(field protowire.Number, v value) error {
		switch field {
		case 1:
			n.Inputs = append(n.Inputs, string(v.bytes))
		case 2:
			n.Outputs = append(n.Outputs, string(v.bytes))
		case 4:
			n.Op = string(v.bytes)
		case 5:
			a, err := unmarshalAttr(v.bytes)
			n.Attrs = append(n.Attrs, a)
			return err
		}
		return nil
	})
}

func unmarshalAttr(b []byte) (Attr, error) {
	var a Attr
	err := each(b, func(field protowire.Number, v value) (err error) {
		switch field {
		case 1:
			a.Name = string(v.bytes)
		case 2:
			a.F = math.Float32frombits(uint32(v.number))
		case 3:
			a.I = int64(v.number)
		case 4:
			a.S = string(v.bytes)
		case 8:
			a.Ints, err = numbers(a.Ints, v)
		case 20:
			a.Kind = AttrKind(v.number)
		}
		return err
	})
	if err == nil && a.Kind != Float && a.Kind != Int && a.Kind != Text && a.Kind != Ints {
		err = fmt.Errorf("attribute %q of type %d: not one that is read here", a.Name, a.Kind)
	}
	return a, err
}

func unmarshalTensor(b []byte) (Tensor, error) {
	var t Tensor
	var dims []int64
	var raw []byte
	kind := uint64(0)
	err := each(b, func(field protowire.Number, v value) (err error) {
		switch field {
		case 1:
			dims, err = numbers(dims, v)
		case 2:
			kind = v.number
		case 8:
			t.Name = string(v.bytes)
		case 9:
			raw = v.bytes
		}
		return err
	})
	if err != nil {
		return t, err
	}
	size := map[uint64]int{typeFloat: 4, typeInt64: 8}[kind]
	if size == 0 {
		return t, fmt.Errorf("tensor %q of type %d: not one that is read here", t.Name, kind)
	}
	n := 1
	for _, d := range dims {
		if d < 0 || d > 0 && int64(n) > int64(len(raw))/d {
			return t, fmt.Errorf("tensor %q of dims %v in %d bytes", t.Name, dims, len(raw))
		}
		n *= int(d)
		t.Dims = append(t.Dims, int(d))
	}
	if n*size != len(raw) {
		return t, fmt.Errorf("tensor %q of dims %v in %d bytes", t.Name, dims, len(raw))
	}
	le := binary.LittleEndian
	if kind == typeInt64 {
		t.Ints = make([]int64, n)
		for i := range t.Ints {
			t.Ints[i] = int64(le.Uint64(raw[8*i:]))
		}
		return t, nil
	}
	t.Floats = make([]float32, n)
	for i := range t.Floats {
		t.Floats[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
	}
	return t, nil
}

func unmarshalPort(b []byte) (Port, error) {
	var p Port
	// name, or type > tensor > shape > dim > number or name
	err := each(b, func(field protowire.Number, v value) error {
		if field == 1 {
			p.Name = string(v.bytes)
		}
		if field != 2 {
			return nil
		}
		return each(v.bytes, func(field protowire.Number, v value) error {
			if field != 1 {
				return nil
			}
			return each(v.bytes, func(field protowire.Number, v value) error {
				if field == 1 && v.number != typeFloat {
					return fmt.Errorf("%q is of type %d, not float32", p.Name, v.number)
				}
				if field != 2 {
					return nil
				}
				return each(v.bytes, func(field protowire.Number, v value) error {
					d, name := 0, ""
					err := each(v.bytes, func(field protowire.Number, v value) error {
						switch field {
						case 1:
							d = int(v.number)
						case 2:
							name = string(v.bytes)
						}
						return nil
					})
					p.Dims, p.Names = append(p.Dims, d), append(p.Names, name)
					return err
				})
			})
		})
	})
	return p, err
}
