package main

import (
	"math"
	"sort"
)

type ray struct{ o, d vec }

// A hit is the nearest meeting of a ray with a shape: p and n are in the
// object's coordinates for the texture, normal in the world's.
type hit struct {
	t      float64
	p, n   vec
	normal vec
	turn   float64
	m      material
}

// A shape is one primitive; meet updates h if it is nearer than h.t.
type shape interface {
	meet(r ray, h *hit)
	box() (lo, hi vec)
}

const near = 1e-4

type sphere struct {
	c vec
	r float64
	m material
}

func (s sphere) box() (vec, vec) {
	e := vec{s.r, s.r, s.r}
	return s.c.sub(e), s.c.add(e)
}

func (s sphere) meet(r ray, h *hit) {
	o := r.o.sub(s.c)
	b := o.dot(r.d)
	q := b*b - o.dot(o) + s.r*s.r
	if q < 0 {
		return
	}
	q = math.Sqrt(q)
	t := -b - q
	if t < near {
		t = -b + q
	}
	if t < near || t >= h.t {
		return
	}
	p := o.add(r.d.scale(t))
	n := p.scale(1 / s.r)
	*h = hit{t: t, p: p, n: n, normal: n, m: s.m}
}

// A cuboid stands at c, turned about the vertical.
type cuboid struct {
	c, half vec
	turn    float64
	m       material
}

func (s cuboid) box() (vec, vec) {
	k := math.Hypot(s.half.x, s.half.z)
	if s.turn == 0 {
		return s.c.sub(s.half), s.c.add(s.half)
	}
	e := vec{k, s.half.y, k}
	return s.c.sub(e), s.c.add(e)
}

func (s cuboid) meet(r ray, h *hit) {
	o, d := r.o.sub(s.c).turnY(-s.turn), r.d.turnY(-s.turn)
	lo, hi := math.Inf(-1), math.Inf(1)
	var nl, nh vec
	axis := func(o, d, half float64, e vec) {
		a, b := (-half-o)/d, (half-o)/d
		na, nb := e.scale(-1), e
		if a > b {
			a, b, na, nb = b, a, nb, na
		}
		if a > lo {
			lo, nl = a, na
		}
		if b < hi {
			hi, nh = b, nb
		}
	}
	axis(o.x, d.x, s.half.x, vec{1, 0, 0})
	axis(o.y, d.y, s.half.y, vec{0, 1, 0})
	axis(o.z, d.z, s.half.z, vec{0, 0, 1})
	if lo > hi || hi < near {
		return
	}
	t, n := lo, nl
	if t < near {
		t, n = hi, nh
	}
	if t >= h.t {
		return
	}
	*h = hit{t: t, p: o.add(d.scale(t)), n: n, normal: n.turnY(s.turn), turn: s.turn, m: s.m}
}

// A frustum stands on c: radius r0 below, r1 at the given height, with caps.
type frustum struct {
	c              vec
	r0, r1, height float64
	m              material
}

func (s frustum) box() (vec, vec) {
	r := math.Max(s.r0, s.r1)
	return vec{s.c.x - r, s.c.y, s.c.z - r}, vec{s.c.x + r, s.c.y + s.height, s.c.z + r}
}

func (s frustum) meet(r ray, h *hit) {
	o, d := r.o.sub(s.c), r.d
	k := (s.r1 - s.r0) / s.height
	q := s.r0 + k*o.y // radius at the height of the origin
	a := d.x*d.x + d.z*d.z - k*k*d.y*d.y
	b := o.x*d.x + o.z*d.z - k*d.y*q
	c := o.x*o.x + o.z*o.z - q*q
	put := func(t float64, n vec) {
		if t > near && t < h.t {
			*h = hit{t: t, p: o.add(d.scale(t)), n: n, normal: n, m: s.m}
		}
	}
	if e := b*b - a*c; e >= 0 && math.Abs(a) > 1e-12 {
		for _, sign := range []float64{-1, 1} {
			t := (-b + sign*math.Sqrt(e)) / a
			p := o.add(d.scale(t))
			if p.y >= 0 && p.y <= s.height {
				put(t, vec{p.x, -k * (s.r0 + k*p.y), p.z}.unit())
			}
		}
	}
	for _, cap := range []struct{ y, r, n float64 }{{0, s.r0, -1}, {s.height, s.r1, 1}} {
		t := (cap.y - o.y) / d.y
		p := o.add(d.scale(t))
		if p.x*p.x+p.z*p.z <= cap.r*cap.r {
			put(t, vec{0, cap.n, 0})
		}
	}
}

// A leaf is a flat pointed oval: u along it, v across, w its normal.
type leaf struct {
	c, u, v, w vec
	long, wide float64
	m          material
}

func (s leaf) box() (vec, vec) {
	e := vec{s.long, s.long, s.long}
	return s.c.sub(e), s.c.add(e)
}

func (s leaf) meet(r ray, h *hit) {
	t := s.c.sub(r.o).dot(s.w) / r.d.dot(s.w)
	if !(t > near && t < h.t) {
		return
	}
	p := r.o.add(r.d.scale(t)).sub(s.c)
	a, b := p.dot(s.u)/s.long, p.dot(s.v)/s.wide
	if math.Abs(a) > 1 || math.Abs(b) > math.Pow(1-a*a, 0.8)*(1-0.25*a) {
		return
	}
	n := s.w.add(s.v.scale(0.7 * b)).unit() // slightly curled
	*h = hit{t: t, p: vec{a, 0, b}, n: n, normal: n, m: s.m}
}

// A tree is a bounding volume hierarchy, split along axis.
type tree struct {
	lo, hi [3]float64
	axis   int
	kids   [2]*tree
	shapes []shape
}

func (a vec) array() [3]float64 { return [3]float64{a.x, a.y, a.z} }

func plant(s []shape) *tree {
	t := &tree{lo: vec{1e9, 1e9, 1e9}.array(), hi: vec{-1e9, -1e9, -1e9}.array()}
	for _, x := range s {
		lo, hi := x.box()
		for i := range 3 {
			t.lo[i] = math.Min(t.lo[i], lo.array()[i])
			t.hi[i] = math.Max(t.hi[i], hi.array()[i])
		}
	}
	if len(s) <= 2 {
		t.shapes = s
		return t
	}
	for i := range 3 {
		if t.hi[i]-t.lo[i] > t.hi[t.axis]-t.lo[t.axis] {
			t.axis = i
		}
	}
	centre := func(x shape) float64 {
		lo, hi := x.box()
		return lo.add(hi).array()[t.axis]
	}
	sort.Slice(s, func(i, j int) bool { return centre(s[i]) < centre(s[j]) })
	t.kids = [2]*tree{plant(s[:len(s)/2]), plant(s[len(s)/2:])}
	return t
}

func (t *tree) meet(r ray, h *hit) {
	t.visit(r, r.o.array(), vec{1 / r.d.x, 1 / r.d.y, 1 / r.d.z}.array(), h)
}

func (t *tree) visit(r ray, o, inv [3]float64, h *hit) {
	lo, hi := near, h.t
	for i := range 3 {
		p, q := (t.lo[i]-o[i])*inv[i], (t.hi[i]-o[i])*inv[i]
		if p > q {
			p, q = q, p
		}
		if p > lo {
			lo = p
		}
		if q < hi {
			hi = q
		}
	}
	if lo > hi {
		return
	}
	for _, s := range t.shapes {
		s.meet(r, h)
	}
	if t.kids[0] != nil {
		k := 0
		if inv[t.axis] < 0 {
			k = 1
		}
		t.kids[k].visit(r, o, inv, h)
		t.kids[1-k].visit(r, o, inv, h)
	}
}
