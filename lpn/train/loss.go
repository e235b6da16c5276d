package train

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A Loss names what a training stage minimises over pairs of a clean picture x and the
// output f of the network for a noisy one.
type Loss string

const (
	L1 Loss = "l1" // mean |f-x|: the posterior median
	L2 Loss = "l2" // mean (f-x)^2: the posterior mean, the best denoiser in PSNR
	// PM is proximal matching (Fang, Buchanan & Sulam 2024, eq. 8): the mean
	// over pictures of 1-exp(-||f-x||^2/gamma^2). As gamma falls its minimiser
	// tends to the MAP denoiser, whose R is the negative log-prior.
	PM Loss = "pm"
	// Own is Options.Loss.
	Own Loss = "own"

	// stein estimates the squared error from a noisy picture: see Noisy. A plan says
	// l2 for it.
	stein Loss = "stein"
)

// A LossFunc is your own loss. x holds the pictures of a few samples, one after the
// other, planar and in picture units, and f the outputs of the network for their noisy
// versions. It returns the sum of the samples' losses and writes its derivative by f to
// grad, of the same length. A step minimises the mean over the batch. It is called by
// several goroutines at once and must be a function of its arguments alone.
type LossFunc func(grad, f, x []float32) float64

// A lossFunc is a loss over part of a batch: pictures of size elements, total
// of them in the batch.
type lossFunc struct {
	kind  Loss
	gamma float64 // in network units
	size  int
	total int
	unit  float64  // picture units in a network unit
	own   LossFunc // for Own
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
	case Own:
		return l.ownLoss(make([]float32, len(f)), f, x)
	case stein:
		s := 0.0
		for i := 0; i < len(f); i += 2 * l.size {
			s += steinSum(f[i:], x[i:], l.size)
		}
		return s / count
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
	case Own:
		l.ownLoss(dst, f, x)
	case stein:
		for i := 0; i < len(f); i += 2 * l.size {
			for p := i; p < i+l.size; p++ {
				q := p + l.size
				dst[q] = 2 * k / steinStep * x[q]
				dst[p] = 2*k*(f[p]-x[p]) - dst[q]
			}
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

// ownLoss calls the user's loss in picture units; its gradient is left in dst by those of
// the network.
func (l *lossFunc) ownLoss(dst, f, x []float32) float64 {
	pf, px := make([]float32, len(f)), make([]float32, len(f))
	kernel.Scale(pf, f, float32(l.unit))
	kernel.Scale(px, x, float32(l.unit))
	sum := l.own(dst, pf, px)
	kernel.Scale(dst, dst, float32(l.unit/float64(l.total)))
	return sum / float64(l.total)
}

// steinStep is how far along the noise the second view of a sample lies from the first.
const steinStep = 1. / 32

// steinSum is Stein's estimate of ||f(y)-x||^2 up to its mean: with f = (f(y), f(y+hc))
// and the target = (z, c) of size samples each, z the noisy picture and c noise of its
// covariance,
//
//	||f(y)-z||^2 + 2/h <c, f(y+hc) - f(y)> - ||c||^2
func steinSum(f, target []float32, size int) float64 {
	z, c := target[:size], target[size:2*size]
	return kernel.SquaredError(f[:size], z) + 2/steinStep*(kernel.Dot(c, f[size:2*size])-kernel.Dot(c, f[:size])) - kernel.Dot(c, c)
}
