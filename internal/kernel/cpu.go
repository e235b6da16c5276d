package kernel

import (
	"os"
	"slices"
)

//go:generate go -C _gen run ./neon -out ..

// A Level is a set of vector instructions that the routines can use. A higher
// level has longer vectors.
type Level int

const (
	Generic Level = iota // pure Go
	NEON                 // arm64's vectors of 4 numbers
	AVX2                 // AVX2 and FMA3
	AVX512               // AVX-512 F, BW, DQ and VL
)

func (l Level) String() string {
	return [...]string{"generic", "neon", "avx2", "avx512"}[l]
}

// available is the levels of this machine, the lowest, Generic, first.
var available = detect()

// level is the instruction set in use: the best the processor has, lowered
// (never raised) by the environment variable LPN_CPU=generic|neon|avx2|avx512.
var level = chooseLevel()

// CPU returns the instruction set in use.
func CPU() Level { return level }

// Levels returns the instruction sets of this machine up to the one in use, from
// Generic on.
func Levels() []Level {
	n := slices.Index(available, level)
	return slices.Clone(available[:n+1])
}

func chooseLevel() Level {
	for l := Generic; l <= AVX512; l++ {
		if os.Getenv("LPN_CPU") == l.String() {
			return atMost(l)
		}
	}
	return atMost(AVX512)
}

// atMost is the best level of this machine that is no better than l.
func atMost(l Level) Level {
	best := Generic
	for _, a := range available {
		if a <= l {
			best = a
		}
	}
	return best
}

// SetLevel sets the instruction set in use to the best that this machine has up
// to l, and returns a function that restores it; for tests and benchmarks that
// compare paths. It must not be called while kernels run.
func SetLevel(l Level) (restore func()) {
	old := level
	level = atMost(l)
	return func() { level = old }
}
