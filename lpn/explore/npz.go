package explore

import (
	"archive/zip"
	"fmt"
	"io"
	"slices"

	"github.com/lpn-imaging/lpn/internal/npy"
)

// A Grid is a result as arrays over named axes.
type Grid interface {
	grid() grid
}

var (
	_ Grid = PathResult{}
	_ Grid = MapResult{}
	_ Grid = SliceResult{}
	_ Grid = CurveResult{}
)

// A grid has values at each combination of points on its axes, the last axis fastest.
type grid struct {
	labels []label // what the result is of
	axes   []array
	values []array
}

type label struct{ name, text string }

type array struct {
	name string
	v    []float64
}

// WriteNPZ writes results of one kind, on the same axes, as an archive of NumPy arrays
// with the names of the columns of WriteCSV. Each axis is an array of its own: prior,
// and picture of a path, one text a result; then level of a path, y and x of a map, b and
// a of a slice, x of a curve. Values have a dimension for the results and one for each
// other axis. The array axes names these dimensions.
//
//	z = numpy.load("map.npz")
//	z["axes"]   # ['prior' 'y' 'x']
//	z["value"]  # of shape (priors, y, x)
func WriteNPZ[G Grid](w io.Writer, results ...G) error {
	if len(results) == 0 {
		return fmt.Errorf("explore: nothing to write")
	}
	first := results[0].grid()
	names, shape := []string{first.labels[0].name}, []int{len(results)}
	for _, a := range first.axes {
		names, shape = append(names, a.name), append(shape, len(a.v))
	}
	labels := make([][]string, len(first.labels))
	values := make([][]float64, len(first.values))
	for _, r := range results {
		g := r.grid()
		if !slices.EqualFunc(g.axes, first.axes, func(a, b array) bool { return slices.Equal(a.v, b.v) }) {
			return fmt.Errorf("explore: results on other axes: write an archive of each")
		}
		for i, l := range g.labels {
			labels[i] = append(labels[i], l.text)
		}
		for i, a := range g.values {
			values[i] = append(values[i], a.v...)
		}
	}
	z := zip.NewWriter(w)
	add := func(name string, write func(io.Writer) error) error {
		f, err := z.Create(name + ".npy")
		if err != nil {
			return err
		}
		return write(f)
	}
	err := add("axes", func(w io.Writer) error { return npy.WriteTexts(w, names) })
	for i, l := range first.labels {
		if err == nil {
			err = add(l.name, func(w io.Writer) error { return npy.WriteTexts(w, labels[i]) })
		}
	}
	for _, a := range first.axes {
		if err == nil {
			err = add(a.name, func(w io.Writer) error { return npy.WriteDoubles(w, []int{len(a.v)}, a.v) })
		}
	}
	for i, a := range first.values {
		if err == nil {
			err = add(a.name, func(w io.Writer) error { return npy.WriteDoubles(w, shape, values[i]) })
		}
	}
	if err != nil {
		return err
	}
	return z.Close()
}

func (r PathResult) grid() grid {
	return grid{
		labels: []label{{"prior", r.Prior}, {"picture", r.Picture}, {"perturbation", r.Perturbation}},
		axes:   []array{{"level", r.Levels}},
		values: []array{{"value", r.Values}, {"residual", r.Residuals}, {"gap", r.Gaps}},
	}
}

func (r MapResult) grid() grid {
	return grid{
		labels: []label{{"prior", r.Prior}},
		axes:   []array{{"y", upTo(r.Height)}, {"x", upTo(r.Width)}},
		values: []array{{"value", r.Values}},
	}
}

func (r SliceResult) grid() grid {
	return grid{
		labels: []label{{"prior", r.Prior}, {"towards_a", r.U}, {"towards_b", r.V}},
		axes:   []array{{"b", r.B}, {"a", r.A}},
		values: []array{{"value", r.Z}, {"residual", r.Residuals}, {"gap", r.Gaps}},
	}
}

func (r CurveResult) grid() grid {
	return grid{
		labels: []label{{"prior", r.Prior}},
		axes:   []array{{"x", r.X}},
		values: []array{{"f", r.F}, {"psi", r.Psi}, {"r", r.R}, {"residual", r.Residuals}, {"gap", r.Gaps}},
	}
}

// upTo are the numbers below n.
func upTo(n int) []float64 {
	v := make([]float64, n)
	for k := range v {
		v[k] = float64(k)
	}
	return v
}
