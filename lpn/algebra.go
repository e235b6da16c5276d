package lpn

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/solvers"
)

// A Curved is a potential whose second derivative can be applied.
type Curved interface {
	solvers.Potential
	// Hess writes Hess psi(y) v to dst, which may equal y or v.
	Hess(dst, y, v []float32)
}

var _ Curved = (*Bound)(nil)

// properties are what a combination knows of itself.
type properties struct {
	modulus float64
	below   bool
	why     string
}

func (p properties) StrongConvexity() float64     { return p.modulus }
func (p properties) BoundedBelow() (bool, string) { return p.below, p.why }

func propertiesOf(psi solvers.Potential) properties {
	ok, why := boundedBelow(psi)
	return properties{strongConvexity(psi), ok, why}
}

// Scaled returns the potential psi_s(y) = psi(s y)/s^2, s > 0. Its gradient f_s(y) =
// f(s y)/s is the exact prox of R_s(x) = R(s x)/s^2: s > 1 makes it a prior for less
// noise. It is Curved if psi is.
func Scaled(psi solvers.Potential, s float64) solvers.Potential {
	if !(s > 0) || math.IsInf(s, 1) {
		panic(fmt.Sprintf("lpn: Scaled by %v, want a positive number", s))
	}
	p := scaled{propertiesOf(psi), psi, s}
	if c, ok := psi.(Curved); ok {
		return curvedScaled{p, c}
	}
	return p
}

type scaled struct {
	properties
	psi solvers.Potential
	s   float64
}

func (p scaled) Eval(dst, y []float32) float64 {
	if b, ok := p.psi.(*Bound); ok { // without a scaled copy of y
		return b.evalScaled(dst, y, p.s)
	}
	scaleTo(dst, y, p.s)
	v := p.psi.Eval(dst, dst)
	scaleTo(dst, dst, 1/p.s)
	return v / (p.s * p.s)
}

type curvedScaled struct {
	scaled
	c Curved
}

func (p curvedScaled) Hess(dst, y, v []float32) {
	sy := borrow(len(y))
	defer giveBack(sy)
	scaleTo(sy, y, p.s)
	p.c.Hess(dst, sy, v)
}

func scaleTo(dst, x []float32, k float64) { kernel.Scale(dst, x, float32(k)) }

// Tilted returns the potential psi_v(y) = psi(y + v). Its gradient f_v(y) = f(y + v) is the
// exact prox of R_v(x) = R(x) - <v,x>: the prior without, or with another, pull on the
// brightness of samples. R_v is bounded below if R grows faster than any linear function, as
// for networks of a GainBound below 1. It is Curved if psi is. v must not be changed.
func Tilted(psi solvers.Potential, v []float32) solvers.Potential {
	p := tilted{propertiesOf(psi), psi, v}
	if c, ok := psi.(Curved); ok {
		return curvedTilted{p, c}
	}
	return p
}

type tilted struct {
	properties
	psi solvers.Potential
	v   []float32
}

func (p tilted) Eval(dst, y []float32) float64 {
	p.move(dst, y)
	return p.psi.Eval(dst, dst)
}

// move is dst = y + v.
func (p tilted) move(dst, y []float32) {
	if len(p.v) != len(y) {
		panic(fmt.Sprintf("lpn: Tilted by %d samples for a picture of %d", len(p.v), len(y)))
	}
	for i, v := range p.v {
		dst[i] = y[i] + v
	}
}

type curvedTilted struct {
	tilted
	c Curved
}

func (p curvedTilted) Hess(dst, y, v []float32) {
	t := borrow(len(y))
	defer giveBack(t)
	p.move(t, y)
	p.c.Hess(dst, t, v)
}

// Mix returns the convex combination sum_i w_i psi_i of potentials on the same
// pictures. Its gradient is the same combination of the f_i and an exact
// prox, though not that of the combination of the R_i. The weights must not be
// negative and are divided by their sum, which must be positive. It is Curved
// if all psi_i are.
func Mix(psis []solvers.Potential, w []float64) solvers.Potential {
	if len(psis) != len(w) {
		panic(fmt.Sprintf("lpn: Mix of %d potentials with %d weights", len(psis), len(w)))
	}
	sum := 0.0
	for _, v := range w {
		if !(v >= 0) || math.IsInf(v, 1) {
			panic(fmt.Sprintf("lpn: Mix with the weight %v: convexity needs it non-negative", v))
		}
		sum += v
	}
	if sum == 0 {
		panic("lpn: Mix with no positive weight")
	}
	m := mixed{properties: properties{below: true}}
	curved := true
	for i, v := range w {
		if v == 0 {
			continue
		}
		p := propertiesOf(psis[i])
		m.psis, m.w = append(m.psis, psis[i]), append(m.w, v/sum)
		m.modulus += v / sum * p.modulus
		// Each psi_i below 1/2||y||^2 + constant is enough.
		if !p.below && m.below {
			m.below, m.why = false, fmt.Sprintf("number %d of the mixture: %s", i+1, p.why)
		}
		if _, ok := psis[i].(Curved); !ok {
			curved = false
		}
	}
	if curved {
		return curvedMixed{m}
	}
	return m
}

type mixed struct {
	properties
	psis []solvers.Potential
	w    []float64
}

func (m mixed) Eval(dst, y []float32) float64 {
	f, sum := borrow(len(y)), borrow(len(y))
	defer giveBack(f, sum)
	clear(sum)
	psi := 0.0
	for i, p := range m.psis {
		psi += m.w[i] * p.Eval(f, y)
		axpy(sum, m.w[i], f)
	}
	copy(dst, sum)
	return psi
}

type curvedMixed struct{ mixed }

func (m curvedMixed) Hess(dst, y, v []float32) {
	h, sum := borrow(len(y)), borrow(len(y))
	defer giveBack(h, sum)
	clear(sum)
	for i, p := range m.psis {
		p.(Curved).Hess(h, y, v)
		axpy(sum, m.w[i], h)
	}
	copy(dst, sum)
}

// Ensemble returns the mean of psi(T y) over the 8 symmetries T of the square,
// for pictures of shape s (or several of them after each other). As every T
// is orthogonal, its gradient, the mean of T'f(T y), is an exact prox. bind
// binds the network to a shape, as in
//
//	lpn.Ensemble(func(s operators.Shape) (solvers.Potential, error) { return net.On(s) }, s)
//
// It is called for s and, if the picture is not square, for s turned by 90 degrees. An
// evaluation costs 8 evaluations of the network. It is Curved if both are.
func Ensemble(bind func(operators.Shape) (solvers.Potential, error), s operators.Shape) (solvers.Potential, error) {
	up, err := bind(s)
	if err != nil {
		return nil, err
	}
	turned := up
	if s.H != s.W {
		if turned, err = bind(operators.Shape{C: s.C, H: s.W, W: s.H}); err != nil {
			return nil, fmt.Errorf("the ensemble turns the picture: %w", err)
		}
	}
	e := ensemble{propertiesOf(up), s, up, turned}
	if _, ok := up.(Curved); ok {
		if _, ok := turned.(Curved); ok {
			return curvedEnsemble{e}, nil
		}
	}
	return e, nil
}

type ensemble struct {
	properties
	s          operators.Shape
	up, turned solvers.Potential
}

// each calls do for the 8 symmetries with T y in ty, on which do leaves what
// is pulled back by T' and averaged into dst; dst may equal y.
func (e ensemble) each(dst, y []float32, do func(psi solvers.Potential, k int, ty []float32)) {
	if len(y)%(e.s.H*e.s.W) != 0 || len(dst) != len(y) {
		panic(fmt.Sprintf("lpn: slice of length %d, want planes of %dx%d", len(y), e.s.H, e.s.W))
	}
	ty, sum := borrow(len(y)), borrow(len(y))
	defer giveBack(ty, sum)
	clear(sum)
	for k := range 8 {
		psi := e.up
		if k >= 4 {
			psi = e.turned
		}
		e.turn(ty, y, k)
		do(psi, k, ty)
		e.turnBack(sum, ty, k)
	}
	scaleTo(dst, sum, 1.0/8)
}

func (e ensemble) Eval(dst, y []float32) float64 {
	psi := 0.0
	e.each(dst, y, func(p solvers.Potential, _ int, ty []float32) { psi += p.Eval(ty, ty) / 8 })
	return psi
}

type curvedEnsemble struct{ ensemble }

func (e curvedEnsemble) Hess(dst, y, v []float32) {
	at := borrow(len(y))
	defer giveBack(at)
	y = append([]float32(nil), y...) // dst may equal it
	e.each(dst, v, func(p solvers.Potential, k int, tv []float32) {
		e.turn(at, y, k)
		p.(Curved).Hess(tv, at, tv)
	})
}

// place is where symmetry k puts pixel (i,j) of a plane of h rows and w
// columns: bits 1 and 2 mirror rows and columns, bit 4 transposes afterwards.
func place(k, i, j, h, w int) int {
	if k&1 != 0 {
		i = h - 1 - i
	}
	if k&2 != 0 {
		j = w - 1 - j
	}
	if k&4 != 0 {
		return j*h + i
	}
	return i*w + j
}

// turn writes T_k x to dst.
func (e ensemble) turn(dst, x []float32, k int) {
	h, w := e.s.H, e.s.W
	for p := 0; p < len(x); p += h * w {
		for i := range h {
			for j := range w {
				dst[p+place(k, i, j, h, w)] = x[p+i*w+j]
			}
		}
	}
}

// turnBack adds T_k'x to dst.
func (e ensemble) turnBack(dst, x []float32, k int) {
	h, w := e.s.H, e.s.W
	for p := 0; p < len(x); p += h * w {
		for i := range h {
			for j := range w {
				dst[p+i*w+j] += x[p+place(k, i, j, h, w)]
			}
		}
	}
}
