// Package engine evaluates a network fast: psi and f = grad psi of pictures of one
// size, again and again, in memory that is laid out once.
//
//	r := engine.NewRecorder(def.Params, weights, network.Dims{N: planes, H: h, W: w, C: 1})
//	plan := r.Compile(def.Record(r), engine.Options{})
//	s := engine.NewSession(threads, plan)
//	copy(s.Input(0, 0), y)
//	s.Run(0)
//	f, psi := s.Output(0), s.Psi(0)
//
// A [Recorder] writes down what it is told, one operation after the other. A list
// of operations becomes a [Plan] in passes, each in its own file:
//
//	fold    what depends on the weights alone is computed now, and what nothing
//	        reads goes
//	fuse    operations that cost one pass together become one
//	stage   operations on the same rows come together behind the convolution or
//	        resampling that makes them
//	place   every value gets its place in memory
//	run     a Session evaluates the plan, on any number of threads
//
// A pass takes a list and returns one that computes the same, so each can be tested
// by itself, against the list run one operation after the other.
package engine
