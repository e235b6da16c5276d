package main

import "math"

type vec struct{ x, y, z float64 }

func (a vec) add(b vec) vec            { return vec{a.x + b.x, a.y + b.y, a.z + b.z} }
func (a vec) sub(b vec) vec            { return vec{a.x - b.x, a.y - b.y, a.z - b.z} }
func (a vec) mul(b vec) vec            { return vec{a.x * b.x, a.y * b.y, a.z * b.z} }
func (a vec) scale(k float64) vec      { return vec{k * a.x, k * a.y, k * a.z} }
func (a vec) dot(b vec) float64        { return a.x*b.x + a.y*b.y + a.z*b.z }
func (a vec) unit() vec                { return a.scale(1 / math.Sqrt(a.dot(a))) }
func (a vec) mix(b vec, t float64) vec { return a.scale(1 - t).add(b.scale(t)) }
func (a vec) cross(b vec) vec {
	return vec{a.y*b.z - a.z*b.y, a.z*b.x - a.x*b.z, a.x*b.y - a.y*b.x}
}

// turnY rotates about the vertical axis.
func (a vec) turnY(t float64) vec {
	s, c := math.Sincos(t)
	return vec{c*a.x + s*a.z, a.y, -s*a.x + c*a.z}
}

// frame completes n to an orthonormal basis.
func frame(n vec) (u, v vec) {
	u = vec{1, 0, 0}
	if math.Abs(n.x) > 0.7 {
		u = vec{0, 1, 0}
	}
	u = n.cross(u).unit()
	return u, n.cross(u)
}

func clamp(x float64) float64 { return math.Max(0, math.Min(1, x)) }

func smooth(a, b, x float64) float64 {
	t := clamp((x - a) / (b - a))
	return t * t * (3 - 2*t)
}

func frac(x float64) float64 { return x - math.Floor(x) }
