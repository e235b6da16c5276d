package explore

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"math"
	"strconv"
)

// A Number is a float64 for JSON: null if it is not finite.
type Number float64

// MarshalJSON writes the number, or null.
func (n Number) MarshalJSON() ([]byte, error) {
	if !finite(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads a number; null is NaN.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

// Numbers are float64s for JSON: null if one is not finite. They serve as a []float64.
type Numbers []float64

// MarshalJSON writes an array of numbers and nulls, [] if it is empty.
func (ns Numbers) MarshalJSON() ([]byte, error) {
	out := make([]Number, len(ns))
	for i, v := range ns {
		out[i] = Number(v)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads an array of numbers; null is NaN.
func (ns *Numbers) UnmarshalJSON(b []byte) error {
	var in []Number
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*ns = make(Numbers, len(in))
	for i, v := range in {
		(*ns)[i] = float64(v)
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// A Table is a result as tidy data: each observation is a row, each variable a column.
// Rows yields the fields of each row, strings or float64s; a row is valid until the
// next.
type Table interface {
	Columns() []string
	Rows() iter.Seq[[]any]
}

var (
	_ Table = PathResult{}
	_ Table = MapResult{}
	_ Table = SliceResult{}
	_ Table = CurveResult{}
)

// WriteCSV writes tables of one kind below each other under one header. Numbers have
// all their digits; NaN is an empty cell, infinity is Inf.
func WriteCSV[T Table](w io.Writer, tables ...T) error {
	c := csv.NewWriter(w)
	for k, t := range tables {
		if k == 0 {
			c.Write(t.Columns())
		}
		cells := make([]string, len(t.Columns()))
		for row := range t.Rows() {
			for i, v := range row {
				cells[i] = cell(v)
			}
			c.Write(cells)
		}
	}
	c.Flush()
	return c.Error()
}

func cell(v any) string {
	f, ok := v.(float64)
	switch {
	case !ok:
		return v.(string)
	case math.IsNaN(f):
		return ""
	case math.IsInf(f, 0):
		return map[bool]string{true: "Inf", false: "-Inf"}[f > 0]
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// Columns of a path: a row is a level.
func (PathResult) Columns() []string {
	return []string{"prior", "picture", "perturbation", "level", "value", "residual", "gap"}
}

// Rows of a path.
func (r PathResult) Rows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for k, l := range r.Levels {
			if !yield([]any{r.Prior, r.Picture, r.Perturbation, l, r.Values[k], r.Residuals[k], r.Gaps[k]}) {
				return
			}
		}
	}
}

// Columns of a map: a row is a pixel, x across and y down.
func (MapResult) Columns() []string { return []string{"prior", "x", "y", "value"} }

// Rows of a map.
func (r MapResult) Rows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for i, v := range r.Values {
			if !yield([]any{r.Prior, float64(i % r.Width), float64(i / r.Width), v}) {
				return
			}
		}
	}
}

// Columns of a slice: a row is a point of the grid.
func (SliceResult) Columns() []string { return []string{"prior", "a", "b", "value", "residual", "gap"} }

// Rows of a slice.
func (r SliceResult) Rows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for k, z := range r.Z {
			if !yield([]any{r.Prior, r.A[k%len(r.A)], r.B[k/len(r.A)], z, r.Residuals[k], r.Gaps[k]}) {
				return
			}
		}
	}
}

// Columns of a curve: a row is a number x.
func (CurveResult) Columns() []string {
	return []string{"prior", "x", "f", "psi", "r", "residual", "gap"}
}

// Rows of a curve.
func (r CurveResult) Rows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for i, x := range r.X {
			if !yield([]any{r.Prior, x, r.F[i], r.Psi[i], r.R[i], r.Residuals[i], r.Gaps[i]}) {
				return
			}
		}
	}
}
