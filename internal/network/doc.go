// Package network holds what a network is written with, so that it is written
// once and used in several ways.
//
// A [Definition] lists the weights and records psi and f = grad psi against the
// interface [Recorder]:
//
//	record := func(r network.Recorder) network.Value {
//		h := r.Conv(r.Input(), r.Param("w"), network.Geom{K: 3, Stride: 1, Pad: 1})
//		q := r.HalfSquare(h) // psi is the sum of q
//		...
//		return r.ConvT(h, r.Param("w"), network.Geom{K: 3, Stride: 1, Pad: 1}, d.H, d.W)
//	}
//
// A Recorder runs it: internal/engine evaluates f fast,
// lpn/train makes a gorgonia graph that can be differentiated in the weights, and
// [Tangent] records the derivative of f through any of them.
package network
