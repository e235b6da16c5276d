package operators

import (
	"fmt"
	"math"
	"sync"
)

// composed is A2 A1.
type composed struct {
	second, first Linear
	mid           sync.Pool // of *[]float32
}

// Compose returns A2 A1: first a1, then a2. The codomain of a1 must be the
// domain of a2, and overlapping memory is never passed on.
func Compose(a2, a1 Linear) (Linear, error) {
	if a1.Codomain() != a2.Domain() {
		return nil, fmt.Errorf("operators: compose: the first gives %v, the second takes %v", a1.Codomain(), a2.Domain())
	}
	c := &composed{second: a2, first: a1}
	n := a1.Codomain().Len()
	c.mid.New = func() any { p := make([]float32, n); return &p }
	return c, nil
}

func (c *composed) Domain() Shape   { return c.first.Domain() }
func (c *composed) Codomain() Shape { return c.second.Codomain() }

func (c *composed) Apply(dst, x []float32) {
	p := c.mid.Get().(*[]float32)
	defer c.mid.Put(p)
	c.first.Apply(*p, x)
	c.second.Apply(dst, *p)
}

func (c *composed) Adjoint(dst, y []float32) {
	p := c.mid.Get().(*[]float32)
	defer c.mid.Put(p)
	c.second.Adjoint(*p, y)
	c.first.Adjoint(dst, *p)
}

// stacked is several measurements of one scene.
type stacked struct {
	parts    []Linear
	domain   Shape
	codomain Shape
	sum      sync.Pool // of *[]float32
}

// Stack returns the measurements of all parts, one after the other, as one
// operator with the codomain 1x1xN. All must have the same domain.
func Stack(parts ...Linear) (Linear, error) {
	if len(parts) == 0 {
		return nil, fmt.Errorf("operators: stack of no operators")
	}
	s := &stacked{parts: append([]Linear(nil), parts...), domain: parts[0].Domain()}
	n := 0
	for i, a := range parts {
		if a.Domain() != s.domain {
			return nil, fmt.Errorf("operators: stack: part %d sees a scene of %v, part 0 one of %v", i, a.Domain(), s.domain)
		}
		n += a.Codomain().Len()
	}
	s.codomain = Shape{1, 1, n}
	s.sum.New = func() any { p := make([]float32, s.domain.Len()); return &p }
	return s, nil
}

func (s *stacked) Domain() Shape   { return s.domain }
func (s *stacked) Codomain() Shape { return s.codomain }

func (s *stacked) Apply(dst, x []float32) {
	checkLen("Stack.Apply dst", len(dst), s.codomain.Len())
	for _, a := range s.parts {
		n := a.Codomain().Len()
		a.Apply(dst[:n:n], x)
		dst = dst[n:]
	}
}

func (s *stacked) Adjoint(dst, y []float32) {
	checkLen("Stack.Adjoint dst", len(dst), s.domain.Len())
	checkLen("Stack.Adjoint y", len(y), s.codomain.Len())
	p := s.sum.Get().(*[]float32)
	defer s.sum.Put(p)
	clear(dst)
	for _, a := range s.parts {
		n := a.Codomain().Len()
		a.Adjoint(*p, y[:n:n])
		y = y[n:]
		for i, v := range *p {
			dst[i] += v
		}
	}
}

// scaled is k A.
type scaled struct {
	Linear
	k float32
}

// scaledNormal is k A where A solves its normal equations.
type scaledNormal struct {
	scaled
	solver NormalSolver
}

// scaledPreconditioned is k A where A preconditions its normal equations.
type scaledPreconditioned struct {
	scaled
	solver NormalPreconditioner
}

// Scaled returns k A, for a finite k. It is a NormalSolver or a NormalPreconditioner if
// a is one and k is not 0.
func Scaled(k float64, a Linear) (Linear, error) {
	if math.IsNaN(k) || math.IsInf(k, 0) {
		return nil, fmt.Errorf("operators: scale %v; want a finite number", k)
	}
	s := scaled{a, float32(k)}
	if n, ok := a.(NormalSolver); ok && s.k != 0 {
		return &scaledNormal{s, n}, nil
	}
	if p, ok := a.(NormalPreconditioner); ok && s.k != 0 {
		return &scaledPreconditioned{s, p}, nil
	}
	return &s, nil
}

func (s *scaled) Apply(dst, x []float32) {
	s.Linear.Apply(dst, x)
	s.multiply(dst)
}

func (s *scaled) Adjoint(dst, y []float32) {
	s.Linear.Adjoint(dst, y)
	s.multiply(dst)
}

func (s *scaled) multiply(v []float32) {
	for i := range v {
		v[i] *= s.k
	}
}

// Norm is |k| ||A||.
func (s *scaled) Norm() float64 { return math.Abs(float64(s.k)) * Norm(s.Linear) }

// SolveNormal uses k^2 A'A + rho I = k^2 (A'A + rho/k^2 I).
func (s *scaledNormal) SolveNormal(dst, b []float32, rho float64) {
	kk := float64(s.k) * float64(s.k)
	s.solver.SolveNormal(dst, b, rho/kk)
	for i := range dst {
		dst[i] = float32(float64(dst[i]) / kk)
	}
}

// PreconditionNormal uses the same.
func (s *scaledPreconditioned) PreconditionNormal(dst, b []float32, rho, mu float64) {
	kk := float64(s.k) * float64(s.k)
	s.solver.PreconditionNormal(dst, b, rho/kk, mu/kk)
	for i := range dst {
		dst[i] = float32(float64(dst[i]) / kk)
	}
}

var (
	_ Normer               = (*scaled)(nil)
	_ NormalSolver         = (*scaledNormal)(nil)
	_ NormalPreconditioner = (*scaledPreconditioned)(nil)
)
