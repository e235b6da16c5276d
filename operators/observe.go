package operators

import "fmt"

// observed is diag(keep) A.
type observed struct {
	Linear
	keep []bool
}

// A Selector measures some samples of the scene as they are, and the others as 0.
type Selector interface {
	NormalSolver
	// Selects reports whether it measures sample i.
	Selects(i int) bool
}

// Observe returns the operator that measures only those samples of a's codomain at
// which keep is set; the others are measured as 0, as with a Mask. It returns an
// error if none is set. Where a is an Identity or a Selector it is a Selector.
func Observe(a Linear, keep []bool) (Linear, error) {
	checkLen("Observe", len(keep), a.Codomain().Len())
	some := false
	for _, k := range keep {
		some = some || k
	}
	if !some {
		return nil, fmt.Errorf("operators: no sample of %v is known", a.Codomain())
	}
	o := observed{a, append([]bool(nil), keep...)}
	switch m := a.(type) {
	case *Identity:
		return &observedIdentity{o}, nil
	case Selector:
		for i := range o.keep {
			o.keep[i] = o.keep[i] && m.Selects(i)
		}
		return &observedIdentity{o}, nil
	}
	return &o, nil
}

func (a *observed) Apply(dst, x []float32) {
	a.Linear.Apply(dst, x)
	a.blank(dst)
}

func (a *observed) Adjoint(dst, y []float32) {
	checkLen("Observe.Adjoint y", len(y), len(a.keep))
	known := append([]float32(nil), y...)
	a.blank(known)
	a.Linear.Adjoint(dst, known)
}

func (a *observed) blank(y []float32) {
	for i, k := range a.keep {
		if !k {
			y[i] = 0
		}
	}
}

// observedIdentity is diag(keep).
type observedIdentity struct{ observed }

// Norm is 1.
func (a *observedIdentity) Norm() float64 { return 1 }

// Selects reports whether sample i is known.
func (a *observedIdentity) Selects(i int) bool { return a.keep[i] }

// SolveNormal divides by keep + rho.
func (a *observedIdentity) SolveNormal(dst, b []float32, rho float64) {
	checkLen("Observe.SolveNormal dst", len(dst), len(a.keep))
	checkLen("Observe.SolveNormal b", len(b), len(a.keep))
	known, missing := float32(1/(1+rho)), float32(1/rho)
	for i, k := range a.keep {
		if k {
			dst[i] = known * b[i]
		} else {
			dst[i] = missing * b[i]
		}
	}
}

var (
	_ Normer   = (*observedIdentity)(nil)
	_ Selector = (*observedIdentity)(nil)
	_ Selector = (*Mask)(nil)
)
