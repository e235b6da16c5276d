package solvers

// Box is the constraint Lo <= x_i <= Hi: g is 0 inside and +Inf outside, and its prox
// is the projection for every t. The zero value is [0,1].
type Box struct{ Lo, Hi float64 }

var _ ValuedProx = Box{}

func (b Box) bounds() (lo, hi float32) {
	if b.Lo == 0 && b.Hi == 0 {
		return 0, 1
	}
	return float32(b.Lo), float32(b.Hi)
}

// Prox clips v to the box; dst may equal v.
func (b Box) Prox(dst, v []float32, _ float64) {
	lo, hi := b.bounds()
	for i, u := range v[:len(dst)] {
		dst[i] = min(max(u, lo), hi)
	}
}

// ProxValue is Prox; its value is 0.
func (b Box) ProxValue(dst, v []float32, t float64) float64 {
	b.Prox(dst, v, t)
	return 0
}

// Convex reports true.
func (b Box) Convex() bool { return true }

// BoxPenalty is a smooth form of Box, for methods that take no second prox: the Moreau
// envelope h(x) = Weight/2 dist(x, Box)^2, of gradient Weight (x - clip(x)) and
// Lipschitz constant Weight. Added to a fidelity with Sum it bounds the overshoot by
// the fidelity's gradient over Weight.
type BoxPenalty struct {
	// Lo and Hi bound the box; both zero means [0,1].
	Lo, Hi float64
	// Weight of the squared distance. Default 1.
	Weight float64
}

func (b BoxPenalty) bounds() (lo, hi float32) { return Box{b.Lo, b.Hi}.bounds() }

func (b BoxPenalty) weight() float64 {
	if b.Weight == 0 {
		return 1
	}
	return b.Weight
}

// Value is Weight/2 times the squared distance to the box.
func (b BoxPenalty) Value(x []float32) float64 {
	lo, hi := b.bounds()
	s := 0.0
	for _, u := range x {
		d := float64(u - min(max(u, lo), hi))
		s += d * d
	}
	return b.weight() * s / 2
}

// Gradient is Weight (x - clip(x)).
func (b BoxPenalty) Gradient(dst, x []float32) {
	lo, hi := b.bounds()
	w := float32(b.weight())
	for i, u := range x {
		dst[i] = w * (u - min(max(u, lo), hi))
	}
}

// Lipschitz is Weight.
func (b BoxPenalty) Lipschitz() float64 { return b.weight() }

// Convex reports true.
func (b BoxPenalty) Convex() bool { return true }

// HessianAt returns the product with Weight on the samples outside the box, 0
// on the others.
func (b BoxPenalty) HessianAt(x []float32) func(dst, v []float32) {
	lo, hi := b.bounds()
	w := float32(b.weight())
	return func(dst, v []float32) {
		for i, u := range x {
			dst[i] = 0
			if u < lo || u > hi {
				dst[i] = w * v[i]
			}
		}
	}
}
