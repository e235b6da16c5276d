package metrics

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

func checkLen(got, want int) {
	if got != want {
		panic(fmt.Sprintf("metrics: slice of length %d, want %d", got, want))
	}
}

func clip(v float32) float64 { return float64(min(max(v, 0), 1)) }

// MSE is the mean squared difference between ref and est clipped to [0,1].
func MSE(ref, est []float32) float64 {
	checkLen(len(est), len(ref))
	s := 0.0
	for i, r := range ref {
		d := float64(r) - clip(est[i])
		s += d * d
	}
	return s / float64(len(ref))
}

// PSNR is 10 log10(1/MSE) in dB, +Inf for equal pictures: data range 1, est
// clipped to [0,1], all samples of all channels.
func PSNR(ref, est []float32) float64 { return -10 * math.Log10(MSE(ref, est)) }

// Window is the side of the SSIM's uniform window.
const Window = 7

// SSIM is the mean structural similarity of two pictures of shape s (Wang,
// Bovik, Sheikh & Simoncelli 2004) as scikit-image computes it by default:
// uniform 7x7 windows wholly inside the picture, sample (N-1) covariances,
// K1 = 0.01, K2 = 0.03, data range 1, the mean over channels. est is clipped
// to [0,1]. NaN when the picture is smaller than the window.
func SSIM(ref, est []float32, s operators.Shape) float64 {
	checkLen(len(ref), s.Len())
	checkLen(len(est), s.Len())
	if s.H < Window || s.W < Window {
		return math.NaN()
	}
	sum := 0.0
	for c := range s.C {
		p := c * s.H * s.W
		sum += ssimPlane(ref[p:p+s.H*s.W], est[p:p+s.H*s.W], s.H, s.W)
	}
	return sum / float64(s.C)
}

// moments are the sums over a window of a, b, a^2, b^2 and a*b.
type moments struct{ a, b, aa, bb, ab float64 }

func (m *moments) add(o moments, k float64) {
	m.a += k * o.a
	m.b += k * o.b
	m.aa += k * o.aa
	m.bb += k * o.bb
	m.ab += k * o.ab
}

func at(a float32, e float32) moments {
	u, v := float64(a), clip(e)
	return moments{u, v, u * u, v * v, u * v}
}

// ssimPlane slides the window: column sums are updated from row to row, the
// window's from column to column, so the cost does not depend on its size.
func ssimPlane(ref, est []float32, h, w int) float64 {
	const (
		n      = Window * Window
		unbias = float64(n) / (n - 1)
		c1     = 0.01 * 0.01
		c2     = 0.03 * 0.03
	)
	cols := make([]moments, w)
	total := 0.0
	for y := range h {
		for x := range cols {
			cols[x].add(at(ref[y*w+x], est[y*w+x]), 1)
			if y >= Window {
				p := (y-Window)*w + x
				cols[x].add(at(ref[p], est[p]), -1)
			}
		}
		if y < Window-1 {
			continue
		}
		var m moments
		for x := range cols {
			m.add(cols[x], 1)
			if x >= Window {
				m.add(cols[x-Window], -1)
			}
			if x < Window-1 {
				continue
			}
			ua, ub := m.a/n, m.b/n
			va := unbias * (m.aa/n - ua*ua)
			vb := unbias * (m.bb/n - ub*ub)
			vab := unbias * (m.ab/n - ua*ub)
			total += (2*ua*ub + c1) * (2*vab + c2) /
				((ua*ua + ub*ub + c1) * (va + vb + c2))
		}
	}
	return total / float64((h-Window+1)*(w-Window+1))
}
