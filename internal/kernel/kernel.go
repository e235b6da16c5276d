// Package kernel holds the inner loops: convolutions, pointwise functions,
// resizing and Fourier transforms on float32, each with a pure-Go reference
// and, on amd64, generated assembly chosen at run time.
package kernel
