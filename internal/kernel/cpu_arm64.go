//go:build !noasm

package kernel

// Every arm64 processor has NEON.
func detect() []Level { return []Level{Generic, NEON} }
