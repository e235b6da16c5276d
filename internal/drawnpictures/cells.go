package main

import (
	"math"
	"math/rand/v2"
)

// An outline is a closed curve around (x, y), at the distance
// radius (1 + sum over k of wave_k cos(k angle + phase_k)) along an ellipse.
type outline struct {
	x, y, radius, stretch, turn float64
	waves, phases               [5]float64
}

func newOutline(x, y, radius, rough float64, rng *rand.Rand) outline {
	o := outline{x: x, y: y, radius: radius, stretch: between(rng, 0.75, 1.33), turn: between(rng, 0, math.Pi)}
	for k := range o.waves {
		o.waves[k], o.phases[k] = rough*rng.NormFloat64()/float64(k+2), between(rng, 0, 2*math.Pi)
	}
	return o
}

// inside is about the distance in pixels from (x, y) to the curve, positive within.
func (o outline) inside(x, y float64) float64 {
	sin, cos := math.Sincos(o.turn)
	dx, dy := (x-o.x)*cos+(y-o.y)*sin, -(x-o.x)*sin+(y-o.y)*cos
	dx, dy = dx*o.stretch, dy/o.stretch
	r, angle := math.Hypot(dx, dy), math.Atan2(dy, dx)
	edge := 1.0
	for k, a := range o.waves {
		edge += a * math.Cos(float64(k+2)*angle+o.phases[k])
	}
	return o.radius*edge - r
}

// cells draws a fluorescence micrograph: ellipses with wavy outlines, of which each has a bright membrane,
// a textured body with vesicles and a nucleus with dark nucleoli, over the haze of what is
// out of focus, blurred by a point-spread function of 0.9 to 1.5 pixels.
func cells(rng *rand.Rand) *plane {
	radius := between(rng, 14, 34)
	membrane, body, core := between(rng, 0.1, 0.6), between(rng, 0.06, 0.22), between(rng, 0.15, 0.6)
	chromatin, cytoplasm := texture(side, side, 1.6, rng), texture(side, side, 2.5, rng)
	light := newPlane(side, side)
	var centres [][2]float64
	wanted := int(between(rng, 0.25, 0.8) * side * side / (math.Pi * radius * radius))
	for tries := 0; len(centres) < wanted && tries < 40*wanted; tries++ {
		x, y := between(rng, -radius, side+radius), between(rng, -radius, side+radius)
		free := true
		for _, c := range centres {
			free = free && math.Hypot(x-c[0], y-c[1]) > 1.7*radius
		}
		if free {
			centres = append(centres, [2]float64{x, y})
			cell(light, x, y, radius, membrane, body, core, chromatin, cytoplasm, rng)
		}
	}
	haze := light.blur(14)
	back, strength := between(rng, 0.02, 0.06), between(rng, 0.1, 0.3)
	for i := range light.v {
		light.v[i] += back + strength*haze.v[i]
	}
	return light.blur(between(rng, 0.9, 1.5))
}

// cell adds the light of one cell.
func cell(light *plane, x, y, radius, membrane, body, core float64, chromatin, cytoplasm *plane, rng *rand.Rand) {
	radius *= between(rng, 0.8, 1.15)
	bright := between(rng, 0.6, 1.2)
	whole := newOutline(x, y, radius, 0.12, rng)
	nucleus := newOutline(x+0.15*radius*rng.NormFloat64(), y+0.15*radius*rng.NormFloat64(), between(rng, 0.35, 0.5)*radius, 0.06, rng)
	var nucleoli, vesicles []outline
	for range 1 + rng.IntN(3) {
		nucleoli = append(nucleoli, newOutline(nucleus.x+0.4*nucleus.radius*rng.NormFloat64(), nucleus.y+0.4*nucleus.radius*rng.NormFloat64(), between(rng, 1.2, 3), 0.05, rng))
	}
	for range rng.IntN(25) {
		r, a := radius*math.Sqrt(between(rng, 0.3, 0.8)), between(rng, 0, 2*math.Pi)
		vesicles = append(vesicles, newOutline(x+r*math.Cos(a), y+r*math.Sin(a), between(rng, 0.6, 1.4), 0, rng))
	}
	reach := int(1.8 * radius)
	for py := max(int(y)-reach, 0); py < min(int(y)+reach, light.h); py++ {
		for px := max(int(x)-reach, 0); px < min(int(x)+reach, light.w); px++ {
			i, fx, fy := py*light.w+px, float64(px), float64(py)
			depth := whole.inside(fx, fy)
			v := membrane * math.Exp(-depth*depth/2)
			if depth > 0 {
				v += body * (1 + 0.35*cytoplasm.v[i]) * soft(depth)
				for _, o := range vesicles {
					v += 0.25 * soft(o.inside(fx, fy))
				}
			}
			if d := nucleus.inside(fx, fy); d > -2 {
				c := core * (1 + 0.25*chromatin.v[i]) * soft(d)
				for _, o := range nucleoli {
					c *= 1 - 0.7*soft(o.inside(fx, fy))
				}
				v += c
			}
			light.v[i] += bright * v
		}
	}
}

// soft rises from 0 outside an edge to 1 within, over about a pixel.
func soft(depth float64) float64 { return 1 / (1 + math.Exp(-3*depth)) }
