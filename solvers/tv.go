package solvers

import (
	"math"

	"github.com/lpn-imaging/lpn/operators"
)

// TV is Weight times the total variation of a picture (Rudin, Osher & Fatemi
// 1992), on forward differences with none across the frame: the sum over
// pixels of sqrt(dx^2 + dy^2), or of |dx| + |dy| when Anisotropic; channels
// are summed, or share one square root when Coupled.
//
// Its prox is computed on the dual by the fast gradient projection of Beck &
// Teboulle (2009, "Fast gradient-based algorithms for constrained total
// variation"): x = v - w D'p, |p| <= 1, until the duality gap is below Tol of
// the primal value. It is used by address. Without Warm it is safe for
// concurrent use.
type TV struct {
	Shape operators.Shape
	// Weight multiplies the variation. Default 1.
	Weight float64
	// Anisotropic takes |dx| + |dy|; Coupled joins the channels.
	Anisotropic, Coupled bool
	// Tol is the relative duality gap. Default 1e-4.
	Tol float64
	// MaxIters bounds the dual iterations of one prox. Default 200.
	MaxIters int
	// Warm keeps the dual variable from one call to the next, which is faster if the
	// argument changes slowly, as in a solver. Then the result depends on earlier
	// calls, within the gap, and only one solver may use the TV at a time.
	Warm bool

	dual []float32
}

var _ ValuedProx = (*TV)(nil)

func (g *TV) weight() float64 {
	if g.Weight == 0 {
		return 1
	}
	return g.Weight
}

// Convex reports true.
func (g *TV) Convex() bool { return true }

// Value is Weight TV(x).
func (g *TV) Value(x []float32) float64 {
	n := g.Shape.Len()
	checkLen("TV.Value", len(x), n)
	d := borrow(2 * n)
	defer giveBack(d)
	gradient(d[:n], d[n:], x, g.Shape)
	return g.weight() * g.size(d[:n], d[n:])
}

// Prox is ProxValue without the value.
func (g *TV) Prox(dst, v []float32, t float64) { g.ProxValue(dst, v, t) }

// ProxValue writes argmin_x t Weight TV(x) + 1/2||x-v||^2 to dst, which may
// equal v, and returns Weight TV of it.
func (g *TV) ProxValue(dst, v []float32, t float64) float64 {
	n := g.Shape.Len()
	checkLen("TV.Prox", len(v), n)
	checkLen("TV.Prox", len(dst), n)
	w := t * g.weight()
	tol, limit := g.Tol, g.MaxIters
	if tol == 0 {
		tol = 1e-4
	}
	if limit == 0 {
		limit = 200
	}
	p, r, d, x := borrow(2*n), borrow(2*n), borrow(2*n), borrow(n)
	defer giveBack(p, r, d, x)
	clear(p)
	if g.Warm && len(g.dual) == 2*n {
		copy(p, g.dual)
	}
	copy(r, p)
	step, momentum := float32(1/(8*w)), 1.0
	tv := 0.0
	for k := 1; ; k++ {
		last := k > limit
		if k%10 == 0 || last {
			// x and the gap at the projected point p.
			minusAdjoint(x, v, w, p[:n], p[n:], g.Shape)
			gradient(d[:n], d[n:], x, g.Shape)
			tv = g.size(d[:n], d[n:])
			gap := w * (tv - dot(d, p))
			fit := dist(x, v)
			if last || gap <= tol*(fit*fit/2+w*tv) {
				break
			}
		}
		minusAdjoint(x, v, w, r[:n], r[n:], g.Shape)
		gradient(d[:n], d[n:], x, g.Shape)
		for i, u := range d {
			d[i] = r[i] + step*u
		}
		g.project(d[:n], d[n:])
		next := (1 + math.Sqrt(1+4*momentum*momentum)) / 2
		beta := float32((momentum - 1) / next)
		momentum = next
		for i, u := range d {
			r[i] = u + beta*(u-p[i])
		}
		p, d = d, p
	}
	if g.Warm {
		g.dual = append(g.dual[:0], p...)
	}
	copy(dst, x)
	return g.weight() * tv
}

// gradient writes the forward differences of x, 0 in the last column and row.
func gradient(dx, dy, x []float32, s operators.Shape) {
	for c := range s.C {
		for i := range s.H {
			o := (c*s.H + i) * s.W
			row, gx := x[o:o+s.W], dx[o:o+s.W]
			for j := 0; j+1 < len(row); j++ {
				gx[j] = row[j+1] - row[j]
			}
			gx[s.W-1] = 0
			gy := dy[o : o+s.W]
			if i+1 == s.H {
				clear(gy)
				continue
			}
			below := x[o+s.W : o+2*s.W]
			for j, u := range row {
				gy[j] = below[j] - u
			}
		}
	}
}

// minusAdjoint is dst = v - w D'(px,py). The projected duals vanish where
// gradient does, so the formula needs no case there.
func minusAdjoint(dst, v []float32, w float64, px, py []float32, s operators.Shape) {
	k := float32(w)
	for c := range s.C {
		for i := range s.H {
			o := (c*s.H + i) * s.W
			out, in, gx, gy := dst[o:o+s.W], v[o:o+s.W], px[o:o+s.W], py[o:o+s.W]
			left := float32(0)
			if i == 0 {
				for j := range out {
					out[j] = in[j] + k*(gx[j]-left+gy[j])
					left = gx[j]
				}
				continue
			}
			above := py[o-s.W : o]
			for j := range out {
				out[j] = in[j] + k*(gx[j]-left+gy[j]-above[j])
				left = gx[j]
			}
		}
	}
}

// groups is how many groups of planes there are, and the planes of each that
// share a square root.
func (g *TV) groups() (count, planes int) {
	if g.Coupled {
		return 1, g.Shape.C
	}
	return g.Shape.C, 1
}

// size is the variation of the differences.
func (g *TV) size(dx, dy []float32) float64 {
	s := 0.0
	plane := g.Shape.H * g.Shape.W
	count, k := g.groups()
	for c := range count {
		o := c * plane
		for i := range plane {
			if k == 1 {
				a, b := float64(dx[o+i]), float64(dy[o+i])
				if g.Anisotropic {
					s += math.Abs(a) + math.Abs(b)
				} else {
					s += math.Sqrt(a*a + b*b)
				}
				continue
			}
			a, b := 0.0, 0.0
			for q := range k {
				u, v := float64(dx[q*plane+i]), float64(dy[q*plane+i])
				a += u * u
				b += v * v
			}
			if g.Anisotropic {
				s += math.Sqrt(a) + math.Sqrt(b)
			} else {
				s += math.Sqrt(a + b)
			}
		}
	}
	return s
}

// project puts the dual back in its unit balls.
func (g *TV) project(px, py []float32) {
	plane := g.Shape.H * g.Shape.W
	count, k := g.groups()
	for c := range count {
		o := c * plane
		for i := range plane {
			if k == 1 {
				a, b := px[o+i], py[o+i]
				if g.Anisotropic {
					px[o+i], py[o+i] = min(max(a, -1), 1), min(max(b, -1), 1)
				} else if m := a*a + b*b; m > 1 {
					m = 1 / float32(math.Sqrt(float64(m)))
					px[o+i], py[o+i] = a*m, b*m
				}
				continue
			}
			a, b := float32(0), float32(0)
			for q := range k {
				u, v := px[q*plane+i], py[q*plane+i]
				a += u * u
				b += v * v
			}
			if !g.Anisotropic {
				a += b
				b = a
			}
			ka, kb := shrinkTo1(a), shrinkTo1(b)
			for q := range k {
				px[q*plane+i] *= ka
				py[q*plane+i] *= kb
			}
		}
	}
}

// shrinkTo1 is min(1, 1/sqrt(m)).
func shrinkTo1(m float32) float32 {
	if m <= 1 {
		return 1
	}
	return 1 / float32(math.Sqrt(float64(m)))
}
