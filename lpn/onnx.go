package lpn

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/lpn-imaging/lpn/internal/onnx"
)

// WriteONNX writes psi and f in the Open Neural Network Exchange format (operators of
// version 17, float32), for programs that are not written in Go. The input of the graph
// is y, N x C x H x W in picture units. N is free, and so are H and W unless the
// network is for one size. The outputs are f, of the same shape, and psi, of length N,
// as EvalEach computes them. The metadata holds sigma, the strong convexity of psi, the
// gain bound, the config, the certificate if there is one, and the notes of Meta.
//
// It is an error if the network has stride 2 and takes pictures of any size: such a
// network has no such graph.
func (n *Network) WriteONNX(w io.Writer) error {
	c := n.cfg
	m, err := onnx.Record(c.Definition(), n.params, onnx.Options{Height: c.Height, Width: c.Width, Unit: c.Unit})
	if err != nil {
		return err
	}
	config, err := json.Marshal(c)
	if err != nil {
		return err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	m.Producer = "lpn"
	m.Doc = "A learned proximal network: f = grad psi is the proximal operator of a function R, f(y) = argmin_x 1/2||x-y||^2 + R(x). " +
		"At x = f(y), R(x) = <y,x> - 1/2||x||^2 - psi(y). Samples are nominally in [0,1]; sigma is the noise that f removes."
	m.Notes = []onnx.Note{
		{Key: "sigma", Value: number(c.Sigma)}, {Key: "strong_convexity", Value: number(c.Alpha)},
		{Key: "growth_bound", Value: number(n.GainBound())}, {Key: keyConfig, Value: string(config)},
	}
	for _, key := range slices.Sorted(maps.Keys(n.meta)) {
		m.Notes = append(m.Notes, onnx.Note{Key: key, Value: n.meta[key]})
	}
	_, err = w.Write(m.Marshal())
	return err
}
