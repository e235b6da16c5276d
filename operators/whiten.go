package operators

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Whiten makes the noise of the coils of k-space, 2 coils x H x W, independent. It
// estimates the covariance of the noise P = L L' from a scan without a signal, 2 coils
// x any or, as a list for each coil, 2 x coils x any. It multiplies the coils' numbers by
// L^-1, and the coils' maps if the spec holds them (Pruessmann et al., Magn. Reson. Med.
// 46, 2001). P is scaled to a mean of 1 on its diagonal, so that the level of the noise
// stays.
func (m Measurement) Whiten(scan Image) (Measurement, error) {
	k := m.Y.C / 2
	if scan.C == 2 && scan.H == k && k > 1 {
		scan = perCoil(scan)
	}
	n := scan.H * scan.W
	switch {
	case m.Spec.Name() != "mri" || m.Y.C%2 != 0:
		return m, fmt.Errorf("a noise scan goes with k-space, coils x height x width")
	case scan.C != m.Y.C:
		return m, fmt.Errorf("a noise scan of %d coils for k-space of %d", scan.C/2, k)
	case n < 8*k:
		return m, fmt.Errorf("a noise scan of %d numbers a coil; want at least %d", n, 8*k)
	}
	// A complex Hermitian matrix as a real symmetric one of twice the size.
	p := mat.NewSymDense(2*k, nil)
	trace := 0.0
	for a := range k {
		for b := a; b < k; b++ {
			var re, im float64
			for i := range n {
				x := complex(float64(scan.Plane(2 * a)[i]), float64(scan.Plane(2*a + 1)[i]))
				y := complex(float64(scan.Plane(2 * b)[i]), -float64(scan.Plane(2*b + 1)[i]))
				re += real(x*y) / float64(n)
				im += imag(x*y) / float64(n)
			}
			p.SetSym(a, b, re)
			p.SetSym(k+a, k+b, re)
			p.SetSym(a, k+b, -im)
			p.SetSym(b, k+a, im)
			if a == b {
				trace += re
			}
		}
	}
	p.ScaleSym(float64(k)/trace, p)
	var e mat.EigenSym
	if !(trace > 0) || !e.Factorize(p, true) {
		return m, fmt.Errorf("the noise scan has no noise")
	}
	// P^-1/2, which is L^-1 up to a rotation.
	var v, root mat.Dense
	e.VectorsTo(&v)
	inverse := mat.NewDiagDense(2*k, nil)
	for i, l := range e.Values(nil) {
		if l < 1e-9 {
			return m, fmt.Errorf("the noise of the coils is not independent enough: two of them measure the same")
		}
		inverse.SetDiag(i, 1/math.Sqrt(l))
	}
	root.Product(&v, inverse, v.T())
	apply := func(src Image) Image {
		out := NewImage(src.Shape)
		for a := range k {
			for b := range k {
				re, im := float32(root.At(a, b)), float32(root.At(k+a, b))
				sr, si := src.Plane(2*b), src.Plane(2*b+1)
				dr, di := out.Plane(2*a), out.Plane(2*a+1)
				for i := range sr {
					dr[i] += re*sr[i] - im*si[i]
					di[i] += re*si[i] + im*sr[i]
				}
			}
		}
		return out
	}
	m.Y = apply(m.Y)
	if maps, have := m.Spec.Content("coils"); have && maps.C == 2*k {
		m.Spec = m.Spec.WithContent("coils", apply(maps))
	}
	return m, nil
}

// perCoil turns 2 x coils x n, one complex plane with a row for each coil, into 2 coils x
// 1 x n.
func perCoil(scan Image) Image {
	out := NewImage(Shape{2 * scan.H, 1, scan.W})
	for k := range scan.H {
		for part := range 2 {
			copy(out.Plane(2*k+part), scan.Plane(part)[k*scan.W:(k+1)*scan.W])
		}
	}
	return out
}
