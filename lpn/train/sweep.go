package train

import (
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/internal/network"
)

// A segment is elements lo to hi of one weight.
type segment struct{ of, lo, hi int }

func (s segment) in(w [][]float32) []float32 { return w[s.of][s.lo:s.hi] }

// A sweep visits all weights in segments short enough for several workers to
// share them. The cut does not depend on the workers.
type sweep struct {
	segments []segment
	do       func(i int, s segment)
	sums     []float64
}

const segmentLen = 1 << 14

func newSweep(specs []network.Param) sweep {
	var s sweep
	for i, p := range specs {
		n := p.Len()
		for lo := 0; lo < n; lo += segmentLen {
			s.segments = append(s.segments, segment{i, lo, min(n, lo+segmentLen)})
		}
	}
	s.sums = make([]float64, len(s.segments))
	return s
}

func (s *sweep) Part(_, part int) { s.do(part, s.segments[part]) }

// each calls do for every segment, on all workers.
func (m *model) each(do func(i int, s segment)) {
	m.sweep.do = do
	m.pool.Do(&m.sweep, len(m.sweep.segments))
}

// norm is that of the whole gradient.
func (m *model) norm() float64 {
	m.each(func(i int, s segment) {
		g := m.grads[m.specs[s.of].Name][s.lo:s.hi]
		m.sweep.sums[i] = kernel.Dot(g, g)
	})
	sum := 0.0
	for _, v := range m.sweep.sums {
		sum += v
	}
	return math.Sqrt(sum)
}
