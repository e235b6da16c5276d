// Package onnx writes networks in the Open Neural Network Exchange format, so that
// other programs can evaluate them, and reads back and evaluates what it wrote.
//
//	m, err := onnx.Record(def, weights, onnx.Options{Sigma: ..., Unit: ...})
//	b := m.Marshal()                       // the bytes of prior.onnx
//	m, err = onnx.Unmarshal(b)             // what another program would see
//	out, err := m.Run(map[string]onnx.Array{"y": y})
//	f, psi := out["f"], out["psi"]
//
// Three files: model.go is the part of the format (https://onnx.ai/onnx/repo-docs/IR.html)
// that is used, as Go types and as bytes; record.go is a network.Recorder that adds
// nodes to a graph; run.go evaluates a graph in float64 by plain loops, after the
// specification of each operator and without looking at the recorder.
//
// The graph's sizes are dynamic. A recorder, though, is told numbers: how many rows
// to pad, say. So a network is recorded at one size at which every number tells
// where it came from, and what cannot be recognised is refused: see Record.
package onnx
