// Package kernel holds the inner loops: convolutions, pointwise functions,
// resampling and Fourier transforms on float32. It knows nothing of networks
// or pictures.
//
// # Layout
//
// Tensors have channels last: element (n,y,x,c) of an N x H x W x C tensor is at
// ((n*H+y)*W+x)*C+c. Transforms work on planes, row after row.
//
// # Convolution
//
// A [Conv] is a plan for one geometry: [NewConv] chooses the algorithm (Winograd's
// F(4x4,3x3) or F(4x4,5x5), or the direct sum, special paths for others),
// [NewConvT] makes the plan of the adjoint, that is of the gradient with
// respect to the input. Filters are packed once ([Conv.Pack]), then the output
// is computed part by part; parts write rows of their own and need scratch of
// the caller's, so a plan never allocates and any number of goroutines can
// share the work:
//
//	c := kernel.NewConv(shape)
//	f := c.Pack(nil, w)
//	scratch := make([]float32, c.ScratchLen())
//	for part := range c.Parts() {
//		c.Part(out, in, f, part, false, scratch)
//	}
//
// Where a layer convolves besides the features the picture itself, of few channels,
// [NewConvBeside] and [NewConvTBeside] take both in one convolution, and
// [Conv.PartInto] can add a result to what is there or multiply it.
//
// [Pool] runs such parts on several workers, for everything that has a method
// Part(worker, part). How work is cut depends on sizes only, so results have
// the same bits on any number of workers.
//
// # Go and assembly
//
// Every routine is written in Go. The hot ones also exist in assembly, for amd64
// with AVX2 and AVX-512 and for arm64 with NEON, written by the generators in _gen
// (a module of its own; go generate runs them) and chosen when the program starts
// by what the processor has ([Levels]). The tests compare each against the Go
// version, which the build tag noasm selects everywhere. Assembly and Go round
// differently; the tests state by how much.
package kernel
