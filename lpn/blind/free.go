package blind

import (
	"context"
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// The numbers of the free estimate, fitted on training photographs of bsds500 blurred by
// the kernels of Levin et al. (2009).
const (
	ratio      = math.Sqrt2 // of neighbouring scales
	edgeRounds = 8          // of strong edges at every scale
	leastTap   = 0.05       // share of the largest tap that is kept there
	rounds     = 20         // of the variational estimate at the last scale
	cg         = 15         // conjugate gradients in a round
	caution    = 1.5        // the noise is taken to be so many times the estimate
	finalTap   = 0.03       // share of the largest tap that is kept in the end
	lightest   = 0.02       // weight of a group of taps that is kept in the end
)

// ways are the ways of looking for strong edges: the price of a pixel with a gradient, in the first round, and the
// ridge on ||k||^2. Pictures of few strong edges want the first, of texture the second.
var ways = [...]struct{ price, ridge float64 }{{1e-3, 10}, {4e-3, 40}}

// free estimates a kernel of side taps, coarse to fine: at every scale by strong
// edges, at the last one by the variational estimate, which starts there. Of the ways of looking for edges
// the kernel that the spectrum s of the plane finds least surprising is taken. A start
// that is given takes the place of the coarser scales.
func free(ctx context.Context, p plane, s spectrum, side int, start *operators.Kernel) operators.Kernel {
	fine := newScale(p, side)
	if start != nil {
		fine.k = padded(*start, side)
		fine.byVariance(ctx, rounds)
		return cleaned(fine.k, finalTap, lightest)
	}
	var best operators.Kernel
	least := math.Inf(1)
	for _, w := range ways {
		fine.k = fine.coarseToFine(ctx, p, w.price, w.ridge)
		fine.byVariance(ctx, rounds)
		k := cleaned(fine.k, finalTap, lightest)
		if ctx.Err() != nil {
			return k
		}
		if v := s.surpriseOf(Free, k); best.Taps == nil || v < least {
			best, least = k, v
		}
	}
	return best
}

// coarseToFine estimates the kernel by strong edges at every scale; fine, that of the plane, is the last.
func (fine *scale) coarseToFine(ctx context.Context, p plane, price, ridge float64) operators.Kernel {
	sides, factors := []int{fine.side}, []float64{1}
	for f := ratio; sides[len(sides)-1] > 3; f *= ratio {
		if n := max(3, odd(float64(fine.side)/f)); n < sides[len(sides)-1] {
			sides, factors = append(sides, n), append(factors, f)
		}
	}
	last := len(sides) - 1
	k := newKernel(sides[last])
	m := sides[last] / 2 // not a point: that is a solution at every scale
	k.Taps[m*k.W+m], k.Taps[m*k.W+m-1], k.Taps[m*k.W+m+1] = 0.5, 0.25, 0.25
	for i := last; i >= 0; i-- {
		q, s := p, fine
		if i > 0 {
			q = p.reduced(factors[i])
			s = newScale(q, sides[i])
		}
		if i < last {
			k = centred(enlarged(k, sides[i], factors[i+1]/factors[i]))
		}
		s.k = k
		s.byEdges(ctx, q, price, ridge)
		k = s.k
	}
	return k
}

// byEdges alternates between the scene with strong edges and the kernel that blurs its
// gradients to those of the picture.
func (s *scale) byEdges(ctx context.Context, p plane, price, ridge float64) {
	c := s.continued(p)
	x := make([]float32, s.len())
	for range edgeRounds {
		if ctx.Err() != nil {
			return
		}
		s.sharpened(x, c, price)
		s.edges(x)
		s.kernel(60, ridge)
		s.k = cleaned(s.k, leastTap, 0)
		price /= 1.1
	}
}

// byVariance alternates between the posterior of the scene, the kernel and the level
// of the noise.
func (s *scale) byVariance(ctx context.Context, rounds int) {
	s.reset()
	s.latent()
	s.latent()
	for range rounds {
		if ctx.Err() != nil {
			return
		}
		s.latent()
		s.kernel(40, 0)
		s.level()
	}
}

// A plane is one channel with the pixels that count and the deviation of its noise.
type plane struct {
	h, w  int
	pix   []float32
	ok    []bool
	noise float64
	floor *floor // of its noise, nil if that is white
}

// reduced is the plane on a grid coarser by the factor f: Gaussian means of
// deviation f/2.
func (p plane) reduced(f float64) plane {
	if f == 1 {
		return p
	}
	h, w := int(float64(p.h)/f), int(float64(p.w)/f)
	rows, cols := means(p.h, h, f), means(p.w, w, f)
	out := plane{h: h, w: w, pix: make([]float32, h*w), ok: make([]bool, h*w)}
	mid, bad := make([]float32, p.h*w), make([]bool, p.h*w)
	for i := range p.h {
		for j, c := range cols {
			for n, t := range c.taps {
				at := i*p.w + c.at[n]
				mid[i*w+j] += t * p.pix[at]
				bad[i*w+j] = bad[i*w+j] || !p.ok[at] && t > 0.05
			}
		}
	}
	for i, c := range rows {
		row := out.pix[i*w : (i+1)*w]
		for j := range row {
			out.ok[i*w+j] = true
		}
		for n, t := range c.taps {
			for j := range row {
				row[j] += t * mid[c.at[n]*w+j]
				if bad[c.at[n]*w+j] && t > 0.05 {
					out.ok[i*w+j] = false
				}
			}
		}
	}
	gain := 0.0 // of the variance along a line
	for _, t := range rows[h/2].taps {
		gain += float64(t) * float64(t)
	}
	out.noise = p.noise * gain
	return out
}

// A mean is a weighted sum of samples of a line.
type mean struct {
	at   []int
	taps []float32
}

// means are the m Gaussian means of a line of n samples, f apart; at the ends
// samples are repeated.
func means(n, m int, f float64) []mean {
	sigma := f / 2
	r := int(math.Ceil(2.5 * sigma))
	out := make([]mean, m)
	for i := range out {
		centre := (float64(i)+0.5)*f - 0.5
		c := int(math.Round(centre))
		total := 0.0
		for j := c - r; j <= c+r; j++ {
			t := math.Exp(-square(float64(j)-centre) / (2 * sigma * sigma))
			total += t
			out[i].at = append(out[i].at, min(max(j, 0), n-1))
			out[i].taps = append(out[i].taps, float32(t))
		}
		for j := range out[i].taps {
			out[i].taps[j] /= float32(total)
		}
	}
	return out
}
