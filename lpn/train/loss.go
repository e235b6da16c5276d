package train

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A Loss names what a training stage minimises over pairs of a clean picture x
// and the network's answer f to a noisy one.
type Loss string

const (
	L1 Loss = "l1" // mean |f-x|: the posterior median
	L2 Loss = "l2" // mean (f-x)^2: the posterior mean, the best denoiser in PSNR
	// PM is proximal matching (Fang, Buchanan & Sulam 2024, eq. 8): the mean
	// over pictures of 1-exp(-||f-x||^2/gamma^2). As gamma falls its minimiser
	// tends to the MAP denoiser, whose R is the negative log-prior.
	PM Loss = "pm"
)

// A lossFunc is a loss over part of a batch: pictures of size elements, total
// of them in the batch.
type lossFunc struct {
	kind  Loss
	gamma float64 // in network units
	size  int
	total int
}

func (l *lossFunc) eval(in [][]float32) float64 {
	f, x := in[0], in[1]
	count := float64(l.size * l.total)
	switch l.kind {
	case L1:
		return kernel.AbsError(f, x) / count
	case L2:
		return kernel.SquaredError(f, x) / count
	case PM:
		s := 0.0
		for i := 0; i < len(f); i += l.size {
			s += 1 - l.weight(f[i:i+l.size], x[i:i+l.size])
		}
		return s / float64(l.total)
	}
	panic(fmt.Sprintf("train: unknown loss %q", l.kind))
}

func (l *lossFunc) weight(f, x []float32) float64 {
	return math.Exp(-kernel.SquaredError(f, x) / (l.gamma * l.gamma))
}

func (l *lossFunc) grad(dst []float32, in [][]float32) {
	f, x := in[0], in[1]
	k := float32(1 / float64(l.size*l.total))
	switch l.kind {
	case L1:
		for i, v := range f {
			switch d := v - x[i]; {
			case d > 0:
				dst[i] = k
			case d < 0:
				dst[i] = -k
			case d == 0:
				dst[i] = 0
			default: // NaN
				dst[i] = d
			}
		}
	case L2:
		for i, v := range f {
			dst[i] = 2 * k * (v - x[i])
		}
	case PM:
		for i := 0; i < len(f); i += l.size {
			j := i + l.size
			w := float32(2 * l.weight(f[i:j], x[i:j]) / (l.gamma * l.gamma * float64(l.total)))
			for p := i; p < j; p++ {
				dst[p] = w * (f[p] - x[p])
			}
		}
	}
}
