package solvers

import "math"

// depth is how many of its last steps BPG minimises over. On deblurring and
// inpainting with a trained network three took half the iterations of one,
// and eight no fewer than three.
const depth = 3

// subspace holds the last steps: changes of the dual point, of the picture
// and of the gradient, oldest first.
type subspace struct {
	n          int
	dy, dx, dg [depth][]float32
}

func newSubspace(samples int) *subspace {
	s := new(subspace)
	for i := range depth {
		s.dy[i], s.dx[i], s.dg[i] = make([]float32, samples), make([]float32, samples), make([]float32, samples)
	}
	return s
}

func (s *subspace) forget() { s.n = 0 }

// push records the step from p to q, over the oldest one.
func (s *subspace) push(p, q *dualPoint) {
	if s.n == depth {
		for _, v := range []*[depth][]float32{&s.dy, &s.dx, &s.dg} {
			oldest := v[0]
			copy(v[:], v[1:])
			v[depth-1] = oldest
		}
		s.n--
	}
	sub(s.dy[s.n], q.y, p.y)
	sub(s.dx[s.n], q.x, p.x)
	sub(s.dg[s.n], q.g, p.g)
	s.n++
}

// minimise writes the dual point and the gradient, to first order, of the
// minimiser of F's quadratic model over at plus the span of the steps:
//
//	y = at.y - sum gamma_i dy_i,  g = at.g - sum gamma_i dg_i,  <dx_i, g> = 0.
//
// The model's matrix <dx_i, dg_j> is symmetric for a quadratic F and is made
// so; where it is not positive definite the oldest steps are left out.
func (s *subspace) minimise(y, g []float32, at *dualPoint) {
	copy(y, at.y)
	copy(g, at.g)
	for first := range s.n {
		var a [depth][depth]float64
		var r [depth]float64
		k := s.n - first
		for i := range k {
			r[i] = dot(s.dx[first+i], at.g)
			for j := range k {
				v := dot(s.dx[first+i], s.dg[first+j]) / 2
				a[i][j] += v
				a[j][i] += v
			}
		}
		if !cholesky(&a, &r, k) {
			continue
		}
		for i := range k {
			axpy(y, -r[i], s.dy[first+i])
			axpy(g, -r[i], s.dg[first+i])
		}
		return
	}
}

// cholesky solves the leading k x k part of a x = r in place, or reports that
// a is not safely positive definite (a pivot below 1e-6 of its diagonal, about
// the rounding of inner products of float32 vectors).
func cholesky(a *[depth][depth]float64, r *[depth]float64, k int) bool {
	for i := range k {
		full := a[i][i]
		for j := range i + 1 {
			v := a[i][j]
			for m := range j {
				v -= a[i][m] * a[j][m]
			}
			if j < i {
				a[i][j] = v / a[j][j]
				continue
			}
			if !(v > 1e-6*full) {
				return false
			}
			a[i][i] = math.Sqrt(v)
		}
	}
	for i := range k {
		for m := range i {
			r[i] -= a[i][m] * r[m]
		}
		r[i] /= a[i][i]
	}
	for i := k - 1; i >= 0; i-- {
		for m := i + 1; m < k; m++ {
			r[i] -= a[m][i] * r[m]
		}
		r[i] /= a[i][i]
	}
	return true
}
