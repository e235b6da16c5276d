// Package npy reads and writes NumPy arrays, the format of .npy files and of
// the entries of .npz archives (NumPy Enhancement Proposal 1).
//
// Reading is in two steps, so that a reader can refuse an array by what its
// head says before it takes memory for it:
//
//	h, err := npy.ReadHeader(r)
//	...
//	n, ok := h.Len(1 << 28)    // false: more numbers than that
//	...
//	v, err := h.Floats(r, n)   // as float32, in C order
//
// Headers of the versions 1 to 3 are read, and data in either byte order and
// either memory order: float16, float32 and float64, signed and unsigned
// integers of 1 to 8 bytes, bool, complex64 and complex128, and text. Numbers
// are taken as they are: it is the caller who knows whether 255 is white.
//
// Nothing that a header promises is believed: where the length of the stream
// is not known, memory grows with the data that arrives.
package npy
