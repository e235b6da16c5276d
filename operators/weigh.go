package operators

import (
	"fmt"
	"math"
	"sync"
)

// weighed is diag(sqrt w) A.
type weighed struct {
	Linear
	root []float32
	mid  sync.Pool // of *[]float32, the codomain
	norm func() float64
}

// weighedPreconditioned is one where A preconditions its normal equations.
type weighedPreconditioned struct {
	*weighed
	NormalPreconditioner
}

// Weigh returns W^1/2 A, W = diag(w), where w is 1/variance of each number of y. If y
// has noise of variance 1/w, then W^1/2 y is a measurement by the result with noise of
// variance 1; numbers of weight 0 do not count. w has as many entries as the codomain;
// it is not copied. If A is a NormalPreconditioner, so is the result; it works best if
// the mean of w is 1.
func Weigh(a Linear, w []float32) (Linear, error) {
	if len(w) != a.Codomain().Len() {
		return nil, fmt.Errorf("operators: %d weights for %d numbers; want one for each", len(w), a.Codomain().Len())
	}
	v := &weighed{Linear: a, root: make([]float32, len(w))}
	for i, x := range w {
		if err := checkWeight(i, x); err != nil {
			return nil, fmt.Errorf("operators: %w", err)
		}
		v.root[i] = float32(math.Sqrt(float64(x)))
	}
	v.mid.New = func() any { p := make([]float32, len(w)); return &p }
	v.norm = sync.OnceValue(func() float64 { return lanczosNorm(v, 30, 1) })
	if p, ok := a.(NormalPreconditioner); ok {
		return &weighedPreconditioned{v, p}, nil
	}
	return v, nil
}

// Norm is ||W^1/2 A||, by 30 steps of the Lanczos method at the first call.
func (v *weighed) Norm() float64 { return v.norm() }

func (v *weighed) Apply(dst, x []float32) {
	v.Linear.Apply(dst, x)
	for i, r := range v.root {
		dst[i] *= r
	}
}

func (v *weighed) Adjoint(dst, y []float32) {
	checkLen("Weigh.Adjoint y", len(y), len(v.root))
	p := v.mid.Get().(*[]float32)
	defer v.mid.Put(p)
	for i, r := range v.root {
		(*p)[i] = r * y[i]
	}
	v.Linear.Adjoint(dst, *p)
}

var (
	_ Normer               = (*weighed)(nil)
	_ NormalPreconditioner = (*weighedPreconditioned)(nil)
)
