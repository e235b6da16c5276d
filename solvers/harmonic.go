package solvers

import (
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
)

// Harmonic fills the gaps of the image x of shape s: samples that are not known become
// a membrane through those that are, the mean of their neighbours each,
//
//	(D'D x)_i = 0 where known_i is false,
//
// D the differences of neighbouring pixels with none across the frame. It is the limit of
// Tikhonov for Mu and Rho/Mu to 0. The fill stays between the least and the largest known
// sample at any size of the gap, and continues a ramp as a ramp. known has an entry for
// each sample. A plane without a known sample gets the mean of the known samples of
// all; where there is none, x stays as it is.
//
// It solves by conjugate gradients among the unknown samples, preconditioned by a
// V-cycle of multigrid (Briggs, Henson & McCormick 2000), in about a dozen iterations.
func Harmonic(x []float32, s operators.Shape, known []bool) {
	checkLen("Harmonic", len(x), s.Len())
	checkLen("Harmonic known", len(known), s.Len())
	n := s.H * s.W
	sum, count := 0.0, 0
	for i, k := range known {
		if k {
			sum += float64(x[i])
			count++
		}
	}
	if count == 0 || count == len(known) {
		return
	}
	for c := range s.C {
		plane, known := x[c*n:(c+1)*n], known[c*n:(c+1)*n]
		if !slices.Contains(known, true) {
			for i := range plane {
				plane[i] = float32(sum / float64(count))
			}
			continue
		}
		if slices.Contains(known, false) {
			membrane(plane, s.H, s.W, known)
		}
	}
}

// membrane is Harmonic of one plane.
func membrane(x []float32, h, w int, known []bool) {
	mean, count := 0.0, 0
	for i, k := range known {
		if k {
			mean += float64(x[i])
			count++
		}
	}
	m := float32(mean / float64(count)) // which keeps the right-hand side small
	hide := func(v []float32) {
		for i, k := range known {
			if k {
				v[i] = 0
			}
		}
	}
	b, u := make([]float32, len(x)), make([]float32, len(x))
	for i, k := range known {
		if k {
			u[i] = x[i] - m
		}
	}
	grid := &level{h: h, w: w, across: 1, down: 1}
	grid.laplacian(b, u)
	kernel.Scale(b, b, -1)
	hide(b)
	clear(u)
	v := newLevels(h, w, known)
	operators.CG{
		Apply:        func(dst, x []float32) { grid.laplacian(dst, x); hide(dst) },
		Precondition: func(dst, r []float32) { v.cycle(dst, r); hide(dst) },
		Tol:          1e-6,
	}.Solve(u, b)
	for i, k := range known {
		if !k {
			x[i] = m + u[i]
		}
	}
}

// stiff is the weight of a known sample in the preconditioner: so much more than that of
// a difference that it hardly moves.
const stiff = 8

// A level is the map diag(weight) + D'D on one grid of the V-cycle, and the next, whose
// cells are 2x2 of its own. across and down are the weights of the differences: those of
// the same membrane on the other grid.
type level struct {
	h, w         int
	across, down float32
	weight, diag []float32
	b, x, r      []float32
	next         *level
}

// newLevels makes the grids down to a single cell.
func newLevels(h, w int, known []bool) *level {
	top := &level{h: h, w: w, across: 1, down: 1, weight: make([]float32, h*w)}
	for i, k := range known {
		if k {
			top.weight[i] = stiff
		}
	}
	for l := top; ; l = l.next {
		l.prepare()
		if l.h == 1 && l.w == 1 {
			return top
		}
		n := &level{h: (l.h + 1) / 2, w: (l.w + 1) / 2, across: l.across, down: l.down}
		if l.h == 1 {
			n.across /= 2
		}
		if l.w == 1 {
			n.down /= 2
		}
		n.weight = make([]float32, n.h*n.w)
		for i, v := range l.weight {
			n.weight[i/l.w/2*n.w+i%l.w/2] += v
		}
		n.b, n.x = make([]float32, n.h*n.w), make([]float32, n.h*n.w)
		l.next = n
	}
}

// prepare fills in the diagonal.
func (l *level) prepare() {
	l.r, l.diag = make([]float32, l.h*l.w), slices.Clone(l.weight)
	for i := range l.diag {
		y, x := i/l.w, i%l.w
		for _, edge := range [...]struct {
			is     bool
			weight float32
		}{{x > 0, l.across}, {x+1 < l.w, l.across}, {y > 0, l.down}, {y+1 < l.h, l.down}} {
			if edge.is {
				l.diag[i] += edge.weight
			}
		}
	}
}

// laplacian is dst = D'D x.
func (l *level) laplacian(dst, x []float32) {
	clear(dst)
	for y := range l.h {
		row, out := x[y*l.w:(y+1)*l.w], dst[y*l.w:(y+1)*l.w]
		for j := 1; j < len(row); j++ {
			d := l.across * (row[j] - row[j-1])
			out[j] += d
			out[j-1] -= d
		}
		if y == 0 {
			continue
		}
		above, outAbove := x[(y-1)*l.w:y*l.w], dst[(y-1)*l.w:y*l.w]
		for j, v := range row {
			d := l.down * (v - above[j])
			out[j] += d
			outAbove[j] -= d
		}
	}
}

// cycle writes an approximate solution of (diag(weight) + D'D) x = b to x: a symmetric
// positive definite map of b.
func (l *level) cycle(x, b []float32) {
	const damping = 0.8
	for i, v := range b { // the first sweep, from 0
		x[i] = damping * v / l.diag[i]
	}
	l.sweep(x, b, damping)
	if l.next != nil {
		l.residual(x, b)
		l.restrict(l.next.b, l.r)
		l.next.cycle(l.next.x, l.next.b)
		l.prolong(x, l.next.x)
		l.sweep(x, b, damping)
	}
	l.sweep(x, b, damping)
}

// residual is r = b - (diag(weight) + D'D) x.
func (l *level) residual(x, b []float32) {
	l.laplacian(l.r, x)
	for i, v := range b {
		l.r[i] = v - l.r[i] - l.weight[i]*x[i]
	}
}

// sweep is a damped step of Jacobi's method.
func (l *level) sweep(x, b []float32, damping float32) {
	l.residual(x, b)
	for i, v := range l.r {
		x[i] += damping * v / l.diag[i]
	}
}

// coarse is where fine cell i of n lies among the coarse ones: 3/4 of its value are
// those of the cell near, a quarter those of the cell far.
func coarse(i, n int) (near, far int) {
	near = i / 2
	far = near - 1 + i%2*2
	return near, min(max(far, 0), (n+1)/2-1)
}

// prolong adds the bilinear interpolation of the next level's x to that of this one.
func (l *level) prolong(x, from []float32) {
	n := l.next
	for i := range l.h {
		near, far := coarse(i, l.h)
		a, b := from[near*n.w:][:n.w], from[far*n.w:][:n.w]
		row := x[i*l.w:][:l.w]
		for j := range row {
			k, m := coarse(j, l.w)
			row[j] += (9*a[k] + 3*(a[m]+b[k]) + b[m]) / 16
		}
	}
}

// restrict is the adjoint of prolong.
func (l *level) restrict(to, r []float32) {
	n := l.next
	clear(to)
	for i := range l.h {
		near, far := coarse(i, l.h)
		a, b := to[near*n.w:][:n.w], to[far*n.w:][:n.w]
		for j, v := range r[i*l.w:][:l.w] {
			k, m := coarse(j, l.w)
			v /= 16
			a[k] += 9 * v
			a[m] += 3 * v
			b[k] += 3 * v
			b[m] += v
		}
	}
}
