package blind

import (
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// tuning are the numbers of the free estimate.
type tuning struct {
	rounds, last int // rounds at a scale, and at the last one
	cg           int
	ratio        float64
	share        float64
	lam          float64
}

var tuned = tuning{rounds: 12, last: 20, cg: 10, ratio: math.Sqrt2, share: 0.03, lam: 1}

// free estimates a kernel of side taps, coarse to fine.
func free(p plane, side int) (operators.Kernel, *scale) {
	var sides []int
	var factors []float64
	for f := 1.0; ; f *= tuned.ratio {
		n := max(3, odd(float64(side)/f))
		if len(sides) > 0 && n == sides[len(sides)-1] {
			if n == 3 {
				break
			}
			continue
		}
		sides, factors = append(sides, n), append(factors, f)
		if n == 3 {
			break
		}
	}
	k := newKernel(3)
	k.Taps[4], k.Taps[3], k.Taps[5] = 0.5, 0.25, 0.25
	var s *scale
	for i := len(sides) - 1; i >= 0; i-- {
		q := p.reduced(factors[i])
		s = newScale(q.pix, q.ok, q.h, q.w, sides[i], square(q.noise*tuned.lam))
		if i < len(sides)-1 {
			k = enlarged(k, sides[i], factors[i+1]/factors[i])
			k = centred(k)
		}
		s.k = k
		rounds := tuned.rounds
		if i == 0 {
			rounds = tuned.last
		}
		if i == 0 && True0 != nil {
			s.k = enlarged(*True0, side, 1)
		}
		if env("L0", 1) > 0 && True0 == nil {
			s.continued(q)
			x := make([]float32, s.len())
			mu := env("MU", 4e-3)
			for range int(env("L0ROUNDS", 5)) {
				s.sharpened(x, mu)
				s.edges(x)
				s.kernel(1, 60, env("RIDGE", 2))
				s.k = cleaned(s.k, env("L0SHARE", 0.05), 0)
				mu = max(mu/1.1, 1e-4)
			}
			if i == 0 || env("VBALL", 0) > 0 {
				for f := range s.fields {
					clear(s.fields[f].x)
				}
				s.lambda = s.least
			}
		}
		if i == 0 || env("VBALL", 0) > 0 || env("L0", 1) == 0 {
			s.latent(tuned.cg)
			s.latent(tuned.cg)
			for range rounds {
				s.latent(tuned.cg)
				s.kernel(1, 40, 0)
				s.level()
			}
		}
		k = s.k
		if i > 0 {
			k = cleaned(k, tuned.share, 0)
		}
	}
	return k, s
}

// A plane is one channel with the pixels that count and the deviation of its noise.
type plane struct {
	h, w  int
	pix   []float32
	ok    []bool
	noise float64
}

// reduced is the plane on a coarser grid.
func (p plane) reduced(f float64) plane {
	if f == 1 {
		return p
	}
	h, w := int(float64(p.h)/f), int(float64(p.w)/f)
	out := plane{h: h, w: w, pix: make([]float32, h*w), ok: make([]bool, h*w)}
	// Along rows, then columns, with a Gaussian of deviation f/2.
	sigma := 0.5 * f
	r := int(math.Ceil(2.5 * sigma))
	mid := make([]float32, p.h*w)
	bad := make([]bool, p.h*w)
	gain := 0.0
	taps := func(centre float64, n int, each func(i int, t float64)) {
		c := int(math.Round(centre))
		total := 0.0
		for i := c - r; i <= c+r; i++ {
			total += math.Exp(-square(float64(i)-centre) / (2 * sigma * sigma))
		}
		for i := c - r; i <= c+r; i++ {
			each(min(max(i, 0), n-1), math.Exp(-square(float64(i)-centre)/(2*sigma*sigma))/total)
		}
	}
	for j := range w {
		c := (float64(j)+0.5)*f - 0.5
		sq := 0.0
		taps(c, p.w, func(a int, t float64) {
			sq += t * t
			for i := range p.h {
				mid[i*w+j] += float32(t) * p.pix[i*p.w+a]
				if !p.ok[i*p.w+a] && t > 0.05 {
					bad[i*w+j] = true
				}
			}
		})
		gain = sq
	}
	for i := range h {
		c := (float64(i)+0.5)*f - 0.5
		row := out.pix[i*w : (i+1)*w]
		for j := range row {
			out.ok[i*w+j] = true
		}
		taps(c, p.h, func(a int, t float64) {
			for j := range row {
				row[j] += float32(t) * mid[a*w+j]
				if bad[a*w+j] && t > 0.05 {
					out.ok[i*w+j] = false
				}
			}
		})
	}
	out.noise = p.noise * math.Pow(gain, env("COARSE", 1))
	return out
}

// Free is for the time being.
func Free(y operators.Image, noise float64, side int) operators.Kernel {
	p := plane{h: y.H, w: y.W, pix: y.Pix[:y.H*y.W], ok: make([]bool, y.H*y.W), noise: noise}
	for i := range p.ok {
		p.ok[i] = true
	}
	k, _ := free(p, side)
	return centred(cleaned(k, tuned.share, 0.02))
}

// True0 is
var True0 *operators.Kernel
