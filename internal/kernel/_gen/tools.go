// Package gen holds the generators of the assembly in internal/kernel, one
// command a family of routines. It is a module of its own so that building
// lpn never needs avo.
package gen
