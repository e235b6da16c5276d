package train

import (
	"fmt"
	"math"
	"strings"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/lpn"
)

// strong computes the gain <g, f(g)>/||g||^2 of a wave g without end and of
// any strength, in the limit of a pyramid's psi for strong pictures: there the
// gates are the largest of their group, with any biases, and psi is
// homogeneous, psi(t g) = t^2 psi(g). As a softmax's mean is at most the largest,
// the limit bounds the gain of the wave at every strength.
//
// The wave is g = sum over n of a_n Re(m exp(i n <w,x>)), ||m|| = 1, over the odd
// harmonics of its profile. Every linear map multiplies each harmonic by its transfer
// function, and a feature is h(u) = sum of Re(H_n exp(i n u)), where the phase u runs
// through all values from cell to cell. Its energy q = h^2/2 repeats after pi; with t =
// 2u it is a sum of Re(Q_r exp(i r t)), and a gate the same of P_r = sum of N Q_r,
// turned by r times the phase of the tap. The largest of a group is taken for each of a
// few phases: those that occur, for a wave that repeats after few cells, as the phase
// of stripes on the grid decides. If energies have a threshold, the wave is meant to be
// below it.
type strong struct {
	cfg    lpn.Config
	params map[string][]float32
	grads  map[string][]float32
	levels []strongLevel
	planes [][][]pair // features of each plane alone, by level and harmonic

	fy, fx  float64 // cycles a pixel
	profile []float64
}

// harmonics is how many odd harmonics of a wave count.
const harmonics = 4

// longest is the longest period of a wave that repeats.
const longest = 24

// A strongLevel holds what one level makes of the wave, in cells of 2^(l+1) pixels.
type strongLevel struct {
	wy, wx          float64 // a cell of the level below
	start           float64 // the first of the phases t
	phases          int     // and how many, from there around the circle
	in, g, h        []pair  // by harmonic
	dg, dh          []pair
	q, p            []pair    // of energies and gates, by r
	at              []float32 // q or p by phase
	open            []float32 // for each phase and gate, whether it is open
	u, back         []pair    // the weights of open gates and of energies, by r
	top             []float64 // mean of z for each group
	weight, above   []float64 // of z in the gain
	features, group int
}

// A pair is a complex vector as real and imaginary parts.
type pair struct{ re, im []float32 }

func pairs(count, n int) []pair {
	p := make([]pair, count)
	for i := range p {
		p[i] = pair{make([]float32, n), make([]float32, n)}
	}
	return p
}

func (p pair) clear() { clear(p.re); clear(p.im) }

func (p pair) at(i int) complex128 { return complex(float64(p.re[i]), float64(p.im[i])) }

func (p pair) set(i int, v complex128) { p.re[i], p.im[i] = float32(real(v)), float32(imag(v)) }

// axpy adds k times a row of weights.
func (p pair) axpy(k complex128, row []float32) {
	kernel.Axpy(p.re, float32(real(k)), row)
	kernel.Axpy(p.im, float32(imag(k)), row)
}

func conj(v complex128) complex128 { return complex(real(v), -imag(v)) }

func abs2(v complex128) float64 { return real(v)*real(v) + imag(v)*imag(v) }

func newStrong(cfg lpn.Config, params map[string][]float32) *strong {
	s := &strong{cfg: cfg, params: params, grads: map[string][]float32{}}
	for _, p := range cfg.Definition().Params {
		if !strings.HasPrefix(p.Name, "b.") { // thresholds do not matter
			s.grads[p.Name] = make([]float32, p.Len())
		}
	}
	ci := cfg.Channels
	for _, v := range cfg.Pyramid.Levels {
		f, groups := v.Features, v.Features/cfg.Pyramid.Group
		const terms = 2 * harmonics
		s.levels = append(s.levels, strongLevel{
			in: pairs(harmonics, 4*ci), g: pairs(harmonics, v.Maps), h: pairs(harmonics, f), dg: pairs(harmonics, v.Maps), dh: pairs(harmonics, f),
			q: pairs(terms, f), p: pairs(terms, f), u: pairs(terms, f), back: pairs(terms, f),
			at: make([]float32, 2*f), open: make([]float32, longest*f),
			top: make([]float64, groups), weight: make([]float64, groups), above: make([]float64, groups), features: f, group: cfg.Pyramid.Group,
		})
		ci = v.Maps
	}
	for range cfg.Channels {
		var h [][]pair
		for _, v := range cfg.Pyramid.Levels {
			h = append(h, pairs(harmonics, v.Features))
		}
		s.planes = append(s.planes, h)
	}
	return s
}

func (s *strong) clear() {
	for _, g := range s.grads {
		clear(g)
	}
}

func (s *strong) param(name string, level int) []float32 {
	return s.params[fmt.Sprintf("%s.%d", name, level)]
}

func (s *strong) grad(name string, level int) []float32 {
	return s.grads[fmt.Sprintf("%s.%d", name, level)]
}

// taps calls do for every tap of a k x k filter with its phase.
func taps(k int, wy, wx float64, do func(tap int, phase float64)) {
	for t := range k * k {
		do(t, wy*float64(t/k-k/2)+wx*float64(t%k-k/2))
	}
}

// convolve writes the convolution of a wave x.
func convolve(dst pair, w []float32, k int, wy, wx float64, x pair) {
	dst.clear()
	n := len(dst.re)
	taps(k, wy, wx, func(tap int, phase float64) {
		turn := cis(phase)
		for c := range x.re {
			dst.axpy(turn*x.at(c), w[(tap*len(x.re)+c)*n:][:n])
		}
	})
}

// convolveT writes the adjoint of convolve at y, and adds scale times the gradient of the
// weights to dw.
func convolveT(dst pair, w []float32, k int, wy, wx float64, y, x pair, scale float64, dw []float32) {
	dst.clear()
	n := len(y.re)
	taps(k, wy, wx, func(tap int, phase float64) {
		turn := cis(phase)
		for c := range dst.re {
			at := (tap*len(dst.re) + c) * n
			row, dr := w[at:at+n], dw[at:at+n]
			dst.set(c, dst.at(c)+conj(turn)*complex(kernel.Dot(row, y.re), kernel.Dot(row, y.im)))
			z := turn * x.at(c)
			kernel.Axpy(dr, float32(scale*real(z)), y.re)
			kernel.Axpy(dr, float32(scale*imag(z)), y.im)
		}
	})
}

// share is the weight in the gain of a level's psi for each cell: there are
// 4^(l+1) pixels to a cell, the gain is 2 psi/||g||^2, and ||g||^2 is 1/2 a
// pixel.
func share(level int) float64 { return math.Pow(4, -float64(level)) }

// waves sets the wave: cycles a pixel and profile, a_1, a_3, a_5 ... of sum of
// squares 1.
func (s *strong) waves(fy, fx float64, profile []float64) {
	s.fy, s.fx, s.profile = fy, fx, profile
	for l := range s.levels {
		s.levels[l].start, s.levels[l].phases = 0, 8
		if len(profile) > 1 {
			s.levels[l].phases = 4 * harmonics
		}
	}
}

// repeat sets a wave of row and col cycles in period pixels, which begins at a
// phase. Its harmonics must be below the half of what it repeats after, or they
// are not apart.
func (s *strong) repeat(row, col, period int, start float64, profile []float64) {
	s.fy, s.fx, s.profile = float64(row)/float64(period), float64(col)/float64(period), profile
	cycles := gcd(row, col)
	for l := range s.levels {
		v := &s.levels[l]
		v.start, v.phases = 2*start, period/gcd(period, 2*cycles<<(l+1))
	}
}

// distinct is after how many pixels along a row or column a wave repeats.
func distinct(row, col, period int) int { return period / gcd(period, gcd(row, col)) }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, -a)
}

// terms is the number of Q_r that q at the phases has.
func (s *strong) terms(v *strongLevel) int { return min(2*len(s.profile), v.phases/2+1) }

// turned is exp(i r t), t from the first of the phases.
func (v *strongLevel) turned(r, phase int) complex128 {
	return cis(2 * math.Pi * float64(r*phase%v.phases) / float64(v.phases))
}

// many is in how many terms of a Fourier series of the phases Q_r is, as
// itself and as its conjugate.
func (v *strongLevel) many(r int) float64 {
	if r == 0 || 2*r == v.phases {
		return 1
	}
	return 2
}

// odd is the n-th odd number.
func odd(n int) float64 { return float64(2*n + 1) }

// gain is that of the mixture mix of planes, of length 1.
func (s *strong) gain(mix []complex128) float64 {
	gain := s.lowpass(0)
	for n, a := range s.profile {
		wy, wx := 2*math.Pi*s.fy, 2*math.Pi*s.fx
		for l := range s.levels {
			v, lev := &s.levels[l], s.cfg.Pyramid.Levels[l]
			v.wy, v.wx = wy, wx
			for c := range len(v.in[n].re) / 4 {
				var x complex128
				if l == 0 {
					x = complex(a, 0) * mix[c]
				} else {
					x = s.levels[l-1].g[n].at(c)
				}
				for q := range 4 {
					v.in[n].set(4*c+q, x*cis(odd(n)*(wy*float64(q/2)+wx*float64(q%2))))
				}
			}
			wy, wx = 2*wy, 2*wx
			convolve(v.g[n], s.param("W", l), lev.WK, odd(n)*wy, odd(n)*wx, v.in[n])
			convolve(v.h[n], s.param("A", l), lev.AK, odd(n)*wy, odd(n)*wx, v.g[n])
		}
	}
	for l := range s.levels {
		gain += s.gates(l)
	}
	return gain
}

// worst returns the mixture of planes of the largest gain, by so many steps of
// a power iteration on the Hermitian form that the open gates make of it.
func (s *strong) worst(mix []complex128, turns int) []complex128 {
	if len(mix) == 1 {
		return mix
	}
	for c := range mix {
		one := make([]complex128, len(mix))
		one[c] = 1
		s.gain(one)
		for l := range s.levels {
			for n := range s.profile {
				copy(s.planes[c][l][n].re, s.levels[l].h[n].re)
				copy(s.planes[c][l][n].im, s.levels[l].h[n].im)
			}
		}
	}
	for range turns {
		for l := range s.levels {
			for n := range s.profile {
				h := s.levels[l].h[n]
				h.clear()
				for c, m := range mix {
					for k := range h.re {
						h.set(k, h.at(k)+m*s.planes[c][l][n].at(k))
					}
				}
			}
			s.gates(l)
		}
		next := make([]complex128, len(mix))
		for l := len(s.levels) - 1; l >= 0; l-- {
			s.slopeOfGates(l, 0)
			for n := range s.profile {
				for c := range next {
					for k := range s.levels[l].features {
						next[c] += conj(s.planes[c][l][n].at(k)) * s.levels[l].dh[n].at(k)
					}
				}
			}
		}
		mix = unit(next)
	}
	return mix
}

// gates writes the energies and gates of a level and which are open, and
// returns what the level adds to the gain.
func (s *strong) gates(l int) float64 {
	v, lev := &s.levels[l], s.cfg.Pyramid.Levels[l]
	f, phases := v.features, v.phases
	for r := range s.terms(v) {
		v.q[r].clear()
		v.p[r].clear()
	}
	for i := range phases {
		at := v.at[:f]
		s.features(v, i, at)
		for k, h := range at {
			at[k] = h * h / 2
		}
		for r := range s.terms(v) {
			v.q[r].axpy(complex(v.many(r)/float64(phases), 0)*conj(v.turned(r, i)), at)
		}
	}
	n := s.param("N", l)
	taps(lev.NK, 4*v.wy, 4*v.wx, func(tap int, phase float64) { // energies turn twice as fast
		for r := range s.terms(v) {
			turn := cis(float64(r) * phase)
			for k := range f {
				if r == 0 {
					kernel.Axpy(v.p[0].re, v.q[0].re[k], n[(tap*f+k)*f:][:f])
				} else {
					v.p[r].axpy(turn*v.q[r].at(k), n[(tap*f+k)*f:][:f])
				}
			}
		}
	})
	if l > 0 {
		t := s.param("T", l)
		for g, z := range s.levels[l-1].top {
			kernel.Axpy(v.p[0].re, float32(z), t[g*f:][:f])
		}
	}
	gain := 0.0
	for k, a := range s.param("loga", l) {
		gain += share(l) * math.Exp(float64(a)) * float64(v.q[0].re[k])
	}
	clear(v.open)
	clear(v.top)
	for i := range phases {
		at := v.at[:f]
		clear(at)
		for r := range s.terms(v) {
			e := v.turned(r, i)
			kernel.Axpy(at, float32(real(e)), v.p[r].re)
			kernel.Axpy(at, float32(-imag(e)), v.p[r].im)
		}
		for g := range v.top {
			best := g * v.group
			for j := g * v.group; j < (g+1)*v.group; j++ {
				if s.cfg.Pyramid.Gate == "hard" { // all of them
					v.open[i*f+j] = 1
					v.top[g] += float64(at[j]) / float64(phases)
				} else if at[j] > at[best] {
					best = j
				}
			}
			if s.cfg.Pyramid.Gate != "hard" {
				v.open[i*f+best] = 1
				v.top[g] += float64(at[best]) / float64(phases)
			}
		}
	}
	for g, c := range s.param("logc", l) {
		gain += share(l) * math.Exp(float64(c)) * v.top[g]
	}
	return gain
}

// half is exp(i n u), u = t/2, of the n-th odd harmonic at a phase.
func (v *strongLevel) half(n, phase int) complex128 {
	return cis(odd(n) * (v.start/2 + math.Pi*float64(phase)/float64(v.phases)))
}

// features writes h at a phase.
func (s *strong) features(v *strongLevel, phase int, at []float32) {
	clear(at)
	for n := range s.profile {
		e := v.half(n, phase)
		kernel.Axpy(at, float32(real(e)), v.h[n].re)
		kernel.Axpy(at, float32(-imag(e)), v.h[n].im)
	}
}

// slope adds scale times the gradient of the gain by the weights to grads; gain
// has just been called.
func (s *strong) slope(scale float64) {
	s.lowpass(scale)
	for l := len(s.levels) - 1; l >= 0; l-- {
		s.slopeOfGates(l, scale)
	}
	for n := range s.profile {
		var up []complex128 // the gradient by the maps of the level below
		for l := len(s.levels) - 1; l >= 0; l-- {
			v, lev := &s.levels[l], s.cfg.Pyramid.Levels[l]
			convolveT(v.dg[n], s.param("A", l), lev.AK, 2*odd(n)*v.wy, 2*odd(n)*v.wx, v.dh[n], v.g[n], scale, s.grad("A", l))
			for c, d := range up {
				v.dg[n].set(c, v.dg[n].at(c)+d)
			}
			din := pairs(1, len(v.in[n].re))[0]
			convolveT(din, s.param("W", l), lev.WK, 2*odd(n)*v.wy, 2*odd(n)*v.wx, v.dg[n], v.in[n], scale, s.grad("W", l))
			up = make([]complex128, len(din.re)/4)
			for c := range up {
				for q := range 4 {
					up[c] += din.at(4*c+q) * cis(-odd(n)*(v.wy*float64(q/2)+v.wx*float64(q%2)))
				}
			}
		}
	}
}

// slopeOfGates writes dh, the gradient of the gain by the features of a level,
// and adds scale times that by the gates' weights to grads, where scale is not
// 0. The level above has been done.
func (s *strong) slopeOfGates(l int, scale float64) {
	v, lev := &s.levels[l], s.cfg.Pyramid.Levels[l]
	f, phases := v.features, v.phases
	if l == len(s.levels)-1 {
		clear(v.above)
	}
	for g, c := range s.param("logc", l) {
		weight := share(l) * math.Exp(float64(c))
		v.weight[g] = weight + v.above[g]
		if scale != 0 {
			s.grad("logc", l)[g] += float32(scale * weight * v.top[g])
		}
	}
	for r := range s.terms(v) {
		v.u[r].clear()
		v.back[r].clear()
	}
	for i := range phases {
		for j := range f {
			if v.open[i*f+j] == 0 {
				continue
			}
			w := complex(v.weight[j/v.group]/float64(phases), 0)
			for r := range s.terms(v) {
				v.u[r].set(j, v.u[r].at(j)+w*v.turned(r, i))
			}
		}
	}
	if l > 0 {
		t, below := s.param("T", l), &s.levels[l-1]
		for g, z := range below.top {
			below.above[g] = kernel.Dot(t[g*f:][:f], v.u[0].re)
			if scale != 0 {
				kernel.Axpy(s.grad("T", l)[g*f:][:f], float32(scale*z), v.u[0].re)
			}
		}
	}
	n, dn := s.param("N", l), s.grad("N", l)
	taps(lev.NK, 4*v.wy, 4*v.wx, func(tap int, phase float64) {
		for r := range s.terms(v) {
			turn := cis(float64(r) * phase)
			for k := range f {
				row, u, back := n[(tap*f+k)*f:][:f], v.u[r], v.back[r]
				if r == 0 {
					back.re[k] += float32(kernel.Dot(row, u.re))
				} else {
					back.set(k, back.at(k)+turn*complex(kernel.Dot(row, u.re), kernel.Dot(row, u.im)))
				}
				if scale != 0 {
					z := turn * v.q[r].at(k)
					dr := dn[(tap*f+k)*f:][:f]
					kernel.Axpy(dr, float32(scale*real(z)), u.re)
					if r > 0 {
						kernel.Axpy(dr, float32(-scale*imag(z)), u.im)
					}
				}
			}
		}
	})
	for k, w := range s.param("loga", l) {
		a := share(l) * math.Exp(float64(w))
		v.back[0].re[k] += float32(a)
		if scale != 0 {
			s.grad("loga", l)[k] += float32(scale * a * float64(v.q[0].re[k]))
		}
	}
	for m := range s.profile {
		v.dh[m].clear()
	}
	h, dq := v.at[:f], v.at[f:2*f]
	for i := range phases {
		clear(dq)
		for r := range s.terms(v) {
			many, e := v.many(r)/float64(phases), v.turned(r, i)
			kernel.Axpy(dq, float32(many*real(e)), v.back[r].re)
			kernel.Axpy(dq, float32(many*imag(e)), v.back[r].im)
		}
		s.features(v, i, h)
		kernel.Mul(dq, dq, h)
		for m := range s.profile {
			v.dh[m].axpy(conj(v.half(m, i)), dq)
		}
	}
}

// lowpass is the gain of the low-pass and alpha terms; scale times its gradient
// is added to grads where scale is not 0.
func (s *strong) lowpass(scale float64) float64 {
	p := s.cfg.Pyramid
	gain, most := s.cfg.Alpha, 1-s.cfg.Alpha-p.Slack
	for i := range p.Lowpass {
		name := fmt.Sprintf("V.%d", i)
		for n, a := range s.profile {
			wy, wx := 2*math.Pi*odd(n)*s.fy, 2*math.Pi*odd(n)*s.fx
			sum := complex128(0)
			taps(p.LowpassSize, wy, wx, func(tap int, phase float64) { sum += complex(float64(s.params[name][tap]), 0) * cis(phase) })
			gain += a * a * most * abs2(sum)
			if scale != 0 {
				taps(p.LowpassSize, wy, wx, func(tap int, phase float64) {
					s.grads[name][tap] += float32(2 * scale * a * a * most * real(cis(phase)*conj(sum)))
				})
			}
		}
	}
	return gain
}
