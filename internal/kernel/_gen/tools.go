// Package gen holds the generators of the assembly in internal/kernel: for amd64
// one command a family of routines, for arm64 one for all. It is a module of its own
// so that building lpn never needs avo.
package gen
