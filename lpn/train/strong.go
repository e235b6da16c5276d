package train

import (
	"fmt"
	"math"
	"strings"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/lpn"
)

// strong computes the gain <g, f(g)>/||g||^2 of a sine g without end and of
// any strength, in the limit of a pyramid's psi for strong pictures: there the
// gates are the largest of their group, whatever their thresholds, and psi is
// homogeneous, psi(t g) = t^2 psi(g). As a softmax's mean is at most the largest,
// the limit bounds the gain of the wave at every strength.
//
// For g = Re(m exp(i<w,x>)), ||m|| = 1, every linear map is a product with its
// transfer function, and a feature in a cell is |H| cos(phase), of which the
// phase runs through all values from cell to cell: the energy's mean is |H|^2/4
// and it swings by as much, (|H|^2 + Re(H^2 exp(i 2 phase)))/4. A gate is the
// same sum of features with weights N; the largest of a group is taken for each
// of a few phases. Where energies have a reach the wave is meant to be below it.
type strong struct {
	cfg    lpn.Config
	params map[string][]float32
	grads  map[string][]float32
	levels []strongLevel

	fy, fx float64
	mix    []complex128
}

// swings is the number of phases of the energies.
const swings = 8

// A strongLevel holds what one level makes of the wave: cells of 2^(l+1)
// pixels at the frequency (wy,wx) a cell.
type strongLevel struct {
	in, g, h      pair
	wy, wx        float64   // a cell of the level below
	even, re, im  []float32 // of gates: the mean, and the swing
	open          []float32 // for each phase and gate, whether it is open
	top           []float64 // mean of z for each group
	dg            pair
	dh            pair
	u0, ure, uim  []float32 // the weights of open gates, and by phase
	weight, above []float64 // of z in the gain
}

// A pair is a complex vector as real and imaginary parts.
type pair struct{ re, im []float32 }

func newPair(n int) pair { return pair{make([]float32, n), make([]float32, n)} }

func (p pair) clear() { clear(p.re); clear(p.im) }

func (p pair) at(i int) complex128 { return complex(float64(p.re[i]), float64(p.im[i])) }

func (p pair) set(i int, v complex128) { p.re[i], p.im[i] = float32(real(v)), float32(imag(v)) }

// axpy adds k times a row of weights.
func (p pair) axpy(k complex128, row []float32) {
	kernel.Axpy(p.re, float32(real(k)), row)
	kernel.Axpy(p.im, float32(imag(k)), row)
}

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
		s.levels = append(s.levels, strongLevel{
			in: newPair(4 * ci), g: newPair(v.Maps), h: newPair(f), dg: newPair(v.Maps), dh: newPair(f),
			even: make([]float32, f), re: make([]float32, f), im: make([]float32, f), open: make([]float32, swings*f),
			u0: make([]float32, f), ure: make([]float32, f), uim: make([]float32, f),
			top: make([]float64, groups), weight: make([]float64, groups), above: make([]float64, groups),
		})
		ci = v.Maps
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

// taps calls do for every tap of a k x k filter with what it turns a wave by.
func taps(k int, wy, wx float64, do func(tap int, turn complex128)) {
	for t := range k * k {
		do(t, cis(wy*float64(t/k-k/2)+wx*float64(t%k-k/2)))
	}
}

// convolve writes the convolution of a wave x.
func convolve(dst pair, w []float32, k int, wy, wx float64, x pair) {
	dst.clear()
	n := len(dst.re)
	taps(k, wy, wx, func(tap int, turn complex128) {
		for c := range x.re {
			dst.axpy(turn*x.at(c), w[(tap*len(x.re)+c)*n:][:n])
		}
	})
}

// convolveT adds the adjoint of convolve at y to dst, and scale times the
// gradient of the weights to dw where that is not nil.
func convolveT(dst pair, w []float32, k int, wy, wx float64, y, x pair, scale float64, dw []float32) {
	n := len(y.re)
	taps(k, wy, wx, func(tap int, turn complex128) {
		back := complex(real(turn), -imag(turn))
		for c := range dst.re {
			row := w[(tap*len(dst.re)+c)*n:][:n]
			dst.set(c, dst.at(c)+back*complex(kernel.Dot(row, y.re), kernel.Dot(row, y.im)))
			if dw != nil {
				z, dr := turn*x.at(c), dw[(tap*len(dst.re)+c)*n:][:n]
				kernel.Axpy(dr, float32(scale*real(z)), y.re)
				kernel.Axpy(dr, float32(scale*imag(z)), y.im)
			}
		}
	})
}

// share is the weight in the gain of a level's psi for each cell: there are
// 4^(l+1) pixels to a cell, the gain is 2 psi/||g||^2, and ||g||^2 is 1/2 a
// pixel.
func share(level int) float64 { return math.Pow(4, -float64(level)) }

// gain is that of the wave of fy and fx cycles a pixel.
func (s *strong) gain(fy, fx float64, mix []complex128) float64 {
	s.fy, s.fx, s.mix = fy, fx, mix
	p := s.cfg.Pyramid
	wy, wx := 2*math.Pi*fy, 2*math.Pi*fx
	gain := s.lowpass(0, nil)
	for l := range s.levels {
		v, lev := &s.levels[l], p.Levels[l]
		v.wy, v.wx = wy, wx
		n := len(v.in.re) / 4
		for c := range n {
			x := complex128(0)
			if l == 0 {
				x = mix[c]
			} else {
				x = s.levels[l-1].g.at(c)
			}
			for q := range 4 {
				v.in.set(4*c+q, x*cis(wy*float64(q/2)+wx*float64(q%2)))
			}
		}
		wy, wx = 2*wy, 2*wx
		convolve(v.g, s.param("W", l), lev.WK, wy, wx, v.in)
		convolve(v.h, s.param("A", l), lev.AK, wy, wx, v.g)
		gain += s.gates(l)
	}
	return gain
}

// gates writes the gates of a level and which are open, and returns what the
// level adds to the gain.
func (s *strong) gates(l int) float64 {
	v, lev, group := &s.levels[l], s.cfg.Pyramid.Levels[l], s.cfg.Pyramid.Group
	clear(v.even)
	clear(v.re)
	clear(v.im)
	n := s.param("N", l)
	f := lev.Features
	gain := 0.0
	taps(lev.NK, 4*v.wy, 4*v.wx, func(tap int, turn complex128) { // energies turn twice as fast
		for k := range f {
			h := v.h.at(k)
			row := n[(tap*f+k)*f:][:f]
			swing := turn * h * h / 4
			kernel.Axpy(v.even, float32(abs2(h)/4), row)
			kernel.Axpy(v.re, float32(real(swing)), row)
			kernel.Axpy(v.im, float32(imag(swing)), row)
		}
	})
	if l > 0 {
		t := s.param("T", l)
		for g, z := range s.levels[l-1].top {
			kernel.Axpy(v.even, float32(z), t[g*f:][:f])
		}
	}
	for k, a := range s.param("loga", l) {
		gain += share(l) * math.Exp(float64(a)) * abs2(v.h.at(k)) / 4
	}
	clear(v.open)
	clear(v.top)
	for q := range swings {
		e := cis(2 * math.Pi * float64(q) / swings)
		p := func(j int) float64 { return float64(v.even[j]) + real(e*complex(float64(v.re[j]), float64(v.im[j]))) }
		open := v.open[q*f:][:f]
		for g := range v.top {
			best := g * group
			for j := g * group; j < (g+1)*group; j++ {
				if s.cfg.Pyramid.Gate == "hard" { // all of them
					open[j] = 1
					v.top[g] += p(j) / swings
				} else if p(j) > p(best) {
					best = j
				}
			}
			if s.cfg.Pyramid.Gate != "hard" {
				open[best] = 1
				v.top[g] += p(best) / swings
			}
		}
	}
	for g, c := range s.param("logc", l) {
		gain += share(l) * math.Exp(float64(c)) * v.top[g]
	}
	return gain
}

func abs2(v complex128) float64 { return real(v)*real(v) + imag(v)*imag(v) }

// slope returns the gradient of the gain by the mixture, less the part of the
// low-pass, which is the same for all; it adds scale times that by the weights
// to grads where that is not nil. gain has just been called.
func (s *strong) slope(scale float64, grads map[string][]float32) []complex128 {
	into := func(name string, level int) []float32 { return grads[fmt.Sprintf("%s.%d", name, level)] }
	if grads != nil {
		s.lowpass(scale, grads)
	}
	for l := range s.levels {
		clear(s.levels[l].above)
	}
	var up []complex128 // the gradient by the maps of the level below
	for l := len(s.levels) - 1; l >= 0; l-- {
		v, lev, group := &s.levels[l], s.cfg.Pyramid.Levels[l], s.cfg.Pyramid.Group
		f := lev.Features
		logc := s.param("logc", l)
		for g := range v.weight {
			c := share(l) * math.Exp(float64(logc[g]))
			v.weight[g] = c + v.above[g]
			if grads != nil {
				into("logc", l)[g] += float32(scale * c * v.top[g])
			}
		}
		for j := range f {
			weight := v.weight[j/group] / swings
			u := complex128(0)
			sum := 0.0
			for q := range swings {
				if v.open[q*f+j] != 0 {
					u += cis(2 * math.Pi * float64(q) / swings)
					sum++
				}
			}
			v.u0[j], v.ure[j], v.uim[j] = float32(weight*sum), float32(weight*real(u)), float32(weight*imag(u))
		}
		if l > 0 {
			t := s.param("T", l)
			for g, z := range s.levels[l-1].top {
				s.levels[l-1].above[g] = kernel.Dot(t[g*f:][:f], v.u0)
				if grads != nil {
					kernel.Axpy(into("T", l)[g*f:][:f], float32(scale*z), v.u0)
				}
			}
		}
		s.slopeOfFeatures(l, scale, grads)
		v.dg.clear()
		var dw []float32
		if grads != nil {
			dw = into("A", l)
		}
		convolveT(v.dg, s.param("A", l), lev.AK, 2*v.wy, 2*v.wx, v.dh, v.g, scale, dw)
		for c, d := range up {
			v.dg.set(c, v.dg.at(c)+d)
		}
		din := newPair(len(v.in.re))
		if grads != nil {
			dw = into("W", l)
		}
		convolveT(din, s.param("W", l), lev.WK, 2*v.wy, 2*v.wx, v.dg, v.in, scale, dw)
		up = make([]complex128, len(v.in.re)/4)
		for c := range up {
			for q := range 4 {
				up[c] += din.at(4*c+q) * cis(-v.wy*float64(q/2)-v.wx*float64(q%2))
			}
		}
	}
	return up
}

// slopeOfFeatures writes dh, the gradient of the gain by h, and adds those by N and loga.
func (s *strong) slopeOfFeatures(l int, scale float64, grads map[string][]float32) {
	v, lev := &s.levels[l], s.cfg.Pyramid.Levels[l]
	f := lev.Features
	name := fmt.Sprintf("N.%d", l)
	n := s.params[name]
	v.dh.clear()
	taps(lev.NK, 4*v.wy, 4*v.wx, func(tap int, turn complex128) {
		for k := range f {
			h := v.h.at(k)
			row := n[(tap*f+k)*f:][:f]
			even := kernel.Dot(row, v.u0)
			swing := turn * complex(kernel.Dot(row, v.ure), kernel.Dot(row, v.uim)) * h
			v.dh.set(k, v.dh.at(k)+complex(even/2, 0)*h+complex(real(swing)/2, -imag(swing)/2))
			if grads != nil {
				z := turn * h * h / 4
				dr := grads[name][(tap*f+k)*f:][:f]
				kernel.Axpy(dr, float32(scale*abs2(h)/4), v.u0)
				kernel.Axpy(dr, float32(scale*real(z)), v.ure)
				kernel.Axpy(dr, float32(-scale*imag(z)), v.uim)
			}
		}
	})
	for k, w := range s.param("loga", l) {
		a := share(l) * math.Exp(float64(w))
		h := v.h.at(k)
		v.dh.set(k, v.dh.at(k)+complex(a/2, 0)*h)
		if grads != nil {
			grads[fmt.Sprintf("loga.%d", l)][k] += float32(scale * a * abs2(h) / 4)
		}
	}
}

// lowpass is the gain of the low-pass and alpha terms; scale times its gradient
// is added to grads where that is not nil.
func (s *strong) lowpass(scale float64, grads map[string][]float32) float64 {
	p := s.cfg.Pyramid
	gain, most := s.cfg.Alpha, 1-s.cfg.Alpha-p.Slack
	for i := range p.Lowpass {
		name := fmt.Sprintf("V.%d", i)
		sum := complex128(0)
		taps(p.LowpassSize, 2*math.Pi*s.fy, 2*math.Pi*s.fx, func(tap int, turn complex128) {
			sum += complex(float64(s.params[name][tap]), 0) * turn
		})
		gain += most * abs2(sum)
		if grads != nil {
			taps(p.LowpassSize, 2*math.Pi*s.fy, 2*math.Pi*s.fx, func(tap int, turn complex128) {
				grads[name][tap] += float32(2 * scale * most * real(turn*complex(real(sum), -imag(sum))))
			})
		}
	}
	return gain
}
