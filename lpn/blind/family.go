package blind

import (
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// evidence is -2 log of the probability of the picture given the kernel, up to a
// constant, in the approximation that the scene's steps descend on (Wipf & Zhang,
// JMLR 15, 2014),
//
//	E(k) = sum_f ||M(k*x_f-y_f)||^2/lambda + sum_i x_i^2/gamma_i + log(1 + d_i gamma_i/lambda) + n log lambda,
//
// after a number of steps at that kernel. It is not small because the kernel is
// sharp, as 1/2||k*x-y||^2 + R(x) is (Levin et al. 2009): what a scene could have
// been otherwise is integrated out, in the logarithm.
func (s *scale) evidence(k operators.Kernel, rounds int) float64 {
	s.k = k
	for range rounds {
		s.latent(tuned.cg)
	}
	gain := s.gain(s.k)
	res := make([]float32, s.len())
	total := 0.0
	for f := range s.fields {
		e := &s.fields[f]
		s.residual(res, f, gain)
		total += dot(res, res)/s.lambda + e.seen*math.Log(s.lambda)
		for i, x := range e.x {
			g := float64(e.gamma[i])
			total += float64(x)*float64(x)/g + math.Log1p(float64(e.d[i])*g/s.lambda)
		}
	}
	return total
}

func (s *scale) reset() {
	for f := range s.fields {
		e := &s.fields[f]
		clear(e.x)
		v := float32(dot(e.y, e.y) / max(e.seen, 1))
		for i := range e.gamma {
			e.gamma[i] = v
		}
	}
}

// padded is a kernel in the middle of side x side taps; it must fit.
func padded(k operators.Kernel, side int) operators.Kernel {
	out := newKernel(side)
	for i := range k.H {
		for j := range k.W {
			y, x := i-k.H/2+side/2, j-k.W/2+side/2
			if y >= 0 && x >= 0 && y < side && x < side {
				out.Taps[y*side+x] = k.Taps[i*k.W+j]
			}
		}
	}
	normalise(out)
	return out
}

// Profile is for the time being.
func Profile(y operators.Image, noise float64, kind string, thetas []float64) []float64 {
	p := plane{h: y.H, w: y.W, pix: y.Pix[:y.H*y.W], ok: make([]bool, y.H*y.W), noise: noise}
	for i := range p.ok {
		p.ok[i] = true
	}
	s := newScale(p.pix, p.ok, p.h, p.w, 39, square(p.noise*tuned.lam))
	s.lambda = s.least
	var out []float64
	for _, t := range thetas {
		var k operators.Kernel
		var err error
		if kind == "disk" {
			k, err = operators.DiskKernel(t)
		} else {
			k, err = operators.GaussianKernel(t, 0)
		}
		if err != nil {
			panic(err)
		}
		s.reset()
		out = append(out, s.evidence(padded(k, 39), int(env("FR", 6))))
	}
	return out
}
