package kernel

import "os"

// A Level is a set of vector instructions that the routines can use.
type Level int

const (
	Generic Level = iota // pure Go
	AVX2                 // AVX2 and FMA3
	AVX512               // AVX-512 F, BW, DQ and VL
)

func (l Level) String() string {
	return [...]string{"generic", "avx2", "avx512"}[l]
}

// level is the instruction set in use: the best the processor has, lowered
// (never raised) by the environment variable LPN_CPU=generic|avx2|avx512.
var level = chooseLevel()

// CPU returns the instruction set in use.
func CPU() Level { return level }

func chooseLevel() Level {
	best := detect()
	for _, l := range []Level{Generic, AVX2, AVX512} {
		if os.Getenv("LPN_CPU") == l.String() {
			return min(l, best)
		}
	}
	return best
}

// SetLevel lowers the instruction set in use and returns a function that
// restores it; for tests and benchmarks that compare paths. It must not be
// called while kernels run.
func SetLevel(l Level) (restore func()) {
	old := level
	level = min(l, detect())
	return func() { level = old }
}
