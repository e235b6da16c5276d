package main

import "math"

// hash is a number in [0,1) for a lattice point.
func hash(x, y, z int) float64 {
	h := uint64(x)*0x9E3779B97F4A7C15 ^ uint64(y)*0xC2B2AE3D27D4EB4F ^ uint64(z)*0x165667B19E3779F9
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	h ^= h >> 32
	h *= 0x94D049BB133111EB
	h ^= h >> 29
	return float64(h>>11) / (1 << 53)
}

// noise is value noise in [-1,1].
func noise(p vec) float64 {
	fx, fy, fz := math.Floor(p.x), math.Floor(p.y), math.Floor(p.z)
	ix, iy, iz := int(fx), int(fy), int(fz)
	ease := func(t float64) float64 { return t * t * t * (t*(6*t-15) + 10) }
	u, v, w := ease(p.x-fx), ease(p.y-fy), ease(p.z-fz)
	lerp := func(a, b, t float64) float64 { return a + t*(b-a) }
	plane := func(z int) float64 {
		return lerp(lerp(hash(ix, iy, z), hash(ix+1, iy, z), u),
			lerp(hash(ix, iy+1, z), hash(ix+1, iy+1, z), u), v)
	}
	return 2*lerp(plane(iz), plane(iz+1), w) - 1
}

// fbm sums octaves of noise.
func fbm(p vec, octaves int) float64 {
	s, a := 0.0, 0.5
	for range octaves {
		s += a * noise(p)
		p, a = vec{2.03*p.y + 1.7, 2.03*p.z + 9.2, 2.03*p.x + 3.1}, a/2
	}
	return s
}

// A surface is what light meets at a point.
type surface struct {
	albedo vec
	gloss  float64 // reflected share at normal incidence
	rough  float64 // spread of the reflection
	height float64 // for bumps
}

// A material describes the surface at a point in the object's coordinates;
// n is the normal there.
type material func(p, n vec) surface

func rgb(r, g, b float64) vec {
	f := func(c float64) float64 { return math.Pow(c/255, 2.2) }
	return vec{f(r), f(g), f(b)}
}

// planks is a table top of long boards along x.
func planks(p, _ vec) surface {
	w := 0.62
	row := math.Floor(p.z / w)
	q := vec{p.x*0.55 + 7.3*hash(int(row), 3, 1), row * 3.1, p.z}
	warp := fbm(vec{q.x * 1.2, q.y, q.z * 4}, 4)
	ring := frac(3*(q.z*2.2+1.1*warp) + hash(int(row), 1, 1))
	grain := smooth(0, 0.75, ring) * (1 - smooth(0.85, 1, ring))
	fibre := fbm(vec{q.x * 6, q.y, q.z * 150}, 3)
	c := rgb(176, 124, 76).mix(rgb(122, 76, 42), 0.75*grain+0.3*fibre)
	c = c.scale(0.82 + 0.3*hash(int(row), 7, 7))
	edge := frac(p.z / w)
	gap := smooth(0, 0.022, edge) * smooth(0, 0.022, 1-edge)
	return surface{c.scale(0.2 + 0.8*gap), 0.04, 0.16, 0.004*fibre + 0.03*gap}
}

// bricks is a wall in the plane z = const.
func bricks(p, _ vec) surface {
	w, h, m := 0.52, 0.19, 0.022
	row := math.Floor(p.y / h)
	x := p.x + 0.5*w*math.Mod(math.Abs(row), 2)
	col := math.Floor(x / w)
	wob := 0.012 * noise(p.scale(9))
	u, v := x-col*w+wob, p.y-row*h+wob
	in := smooth(m*0.4, m, u) * smooth(m*0.4, m, w-u) * smooth(m*0.4, m, v) * smooth(m*0.4, m, h-v)
	k := hash(int(col), int(row), 5)
	c := rgb(150, 84, 66).mix(rgb(186, 128, 100), k).scale(0.7 + 0.5*hash(int(col), int(row), 9))
	rough := fbm(p.scale(14), 5)
	c = c.scale(1 + 0.7*rough)
	mortar := rgb(176, 168, 156).scale(0.85 + 0.5*fbm(p.scale(30), 3))
	return surface{mortar.mix(c, in), 0, 1, 0.03*in + 0.02*rough}
}

func marble(p, _ vec) surface {
	q := p.scale(2.4)
	v := math.Abs(math.Sin(3*q.x + 2*q.y + 6*fbm(q, 6)))
	vein := math.Pow(1-v, 5)
	c := rgb(236, 232, 224).mix(rgb(84, 88, 98), clamp(vein+0.25*math.Max(0, fbm(q.scale(3), 4))))
	return surface{c, 0.05, 0.03, 0}
}

func bark(p, n vec) surface {
	if n.y > 0.9 { // the cut: year rings and a crack
		r := math.Hypot(p.x, p.z) + 0.02*fbm(p.scale(5), 3)
		ring := 0.5 + 0.5*math.Sin(r*150+2*fbm(p.scale(9), 2))
		a := math.Atan2(p.z, p.x)
		crack := smooth(0.03, 0, math.Abs(a-0.8-0.1*noise(vec{r * 20, 0, 0}))) * smooth(0, 0.1, r)
		c := rgb(222, 186, 136).mix(rgb(176, 128, 80), 0.7*ring)
		return surface{c.scale(1 - 0.7*crack), 0, 1, 0.002 * ring}
	}
	a := math.Atan2(p.z, p.x)
	q := vec{a * 5, p.y * 2.2, 0}
	r := 1 - math.Abs(noise(vec{q.x + 0.6*fbm(q.scale(3), 3), q.y, 4}))
	r = 0.6*r + 0.4*(1-math.Abs(fbm(q.scale(4), 4))*2)
	return surface{rgb(54, 42, 34).mix(rgb(148, 126, 104), clamp(1.3*r-0.35+0.4*fbm(p.scale(30), 3))), 0, 1, 0.05 * r}
}

func terracotta(p, _ vec) surface {
	s := fbm(vec{p.x * 6, p.y * 22, p.z * 6}, 4)
	stain := smooth(0, 0.5, fbm(p.scale(3), 4)) * 0.35
	return surface{rgb(186, 104, 70).scale(1+0.5*s).mix(rgb(214, 196, 178), stain), 0.01, 0.6, 0.006 * s}
}

func soil(p, _ vec) surface {
	s := fbm(p.scale(25), 4)
	return surface{rgb(56, 42, 32).scale(1 + s), 0, 1, 0.06 * s}
}

func leafy(hue float64) material {
	return func(p, _ vec) surface { // p.x along the leaf, p.z across, both in [-1,1]
		mid := smooth(0.06, 0.02, math.Abs(p.z))
		side := smooth(0.25, 0.02, math.Abs(frac(4*p.x+3*math.Abs(p.z))-0.5)) * 0.45
		c := rgb(58, 104, 40).mix(rgb(136, 160, 62), hue)
		c = c.scale(0.85 + 0.5*fbm(p.scale(5), 3))
		return surface{c.mix(rgb(178, 198, 120), 0.6*mid+0.5*side), 0.05, 0.25, 0.02 * (mid + side)}
	}
}

func apple(p, n vec) surface {
	a := math.Atan2(p.z, p.x)
	streak := fbm(vec{a * 9, p.y * 2, 1}, 4)
	k := smooth(-0.1, 0.9, n.y*0.4-n.x*0.5+0.9*streak)
	c := rgb(150, 18, 24).mix(rgb(224, 168, 60), 0.75*k)
	spot := smooth(0.62, 0.75, noise(p.scale(34)))
	return surface{c.mix(rgb(236, 214, 150), 0.35*spot), 0.05, 0.06, 0}
}

func orange(p, _ vec) surface {
	d := noise(p.scale(34))
	return surface{rgb(236, 134, 28).scale(1 + 0.12*d + 0.2*fbm(p.scale(4), 3)), 0.04, 0.18, 0.012 * d}
}

func mirror(vec, vec) surface { return surface{vec{0.02, 0.02, 0.02}, 0.82, 0.008, 0} }

func glazed(p, _ vec) surface { // blue on white, in bands
	a := math.Atan2(p.z, p.x)
	c := rgb(232, 234, 232)
	blue := rgb(28, 58, 130)
	wave := smooth(0.05, 0.03, math.Abs(p.y-0.02-0.06*math.Sin(9*a)))
	band := smooth(0.018, 0.01, math.Abs(p.y-0.16)) + smooth(0.018, 0.01, math.Abs(p.y+0.14))
	dots := smooth(0.5, 0.4, math.Hypot(frac(12*a/math.Pi)-0.5, (p.y-0.23)*16))
	return surface{c.mix(blue, clamp(wave+band+dots)*0.9), 0.06, 0.03, 0}
}

// gingham is a woven cloth in the plane y = const.
func gingham(p, _ vec) surface {
	stripe := func(t float64) float64 { return smooth(0.24, 0.26, frac(t*4)) * smooth(0.76, 0.74, frac(t*4)) }
	u, v := stripe(p.x), stripe(p.z)
	thread := 0.5*math.Sin(p.x*260) + 0.5*math.Sin(p.z*260)
	c := rgb(238, 232, 220).mix(rgb(168, 34, 44), 0.5*u+0.5*v)
	fold := fbm(vec{p.x * 2.2, 0, p.z * 2.2}, 2)
	return surface{c.scale(0.94 + 0.1*thread), 0, 1, 0.0015*thread + 0.10*fold}
}

// letters is a 5x7 face, a byte a column, lowest bit on top.
var letters = map[rune][5]byte{
	'A': {0x7E, 0x11, 0x11, 0x11, 0x7E}, 'B': {0x7F, 0x49, 0x49, 0x49, 0x36}, 'C': {0x3E, 0x41, 0x41, 0x41, 0x22},
	'D': {0x7F, 0x41, 0x41, 0x22, 0x1C}, 'E': {0x7F, 0x49, 0x49, 0x49, 0x41}, 'G': {0x3E, 0x41, 0x49, 0x49, 0x7A},
	'H': {0x7F, 0x08, 0x08, 0x08, 0x7F}, 'I': {0x00, 0x41, 0x7F, 0x41, 0x00}, 'L': {0x7F, 0x40, 0x40, 0x40, 0x40},
	'M': {0x7F, 0x02, 0x0C, 0x02, 0x7F}, 'N': {0x7F, 0x04, 0x08, 0x10, 0x7F}, 'O': {0x3E, 0x41, 0x41, 0x41, 0x3E},
	'P': {0x7F, 0x09, 0x09, 0x09, 0x06}, 'R': {0x7F, 0x09, 0x19, 0x29, 0x46}, 'S': {0x46, 0x49, 0x49, 0x49, 0x31},
	'T': {0x01, 0x01, 0x7F, 0x01, 0x01}, 'U': {0x3F, 0x40, 0x40, 0x40, 0x3F}, 'V': {0x1F, 0x20, 0x40, 0x20, 0x1F},
	'X': {0x63, 0x14, 0x08, 0x14, 0x63}, 'Y': {0x07, 0x08, 0x70, 0x08, 0x07},
}

// written reports whether there is ink at column u, row v of text; a letter is
// 6 columns wide.
func written(text string, u, v float64) bool {
	i := int(math.Floor(u / 6))
	x, y := int(math.Floor(u))-6*i, int(math.Floor(v))
	if u < 0 || i >= len(text) || x > 4 || y < 0 || y > 6 {
		return false
	}
	return letters[rune(text[i])][x]>>y&1 == 1
}

const words = "THE PRIOR OVER IMAGES IS A SUM OF CONVEX PARTS AND ITS GRADIENT IS THE NEAREST POINT "

// page is a printed sheet in the plane y = const.
func page(p, _ vec) surface {
	c := rgb(236, 230, 214).scale(1 + 0.06*fbm(p.scale(9), 4))
	const size = 0.0135
	if math.Abs(p.x) < 0.42 && p.z > -0.55 && p.z < 0.34 {
		row := math.Floor((0.34 - p.z) / (11 * size))
		v := (0.34-p.z)/size - 11*row
		start := int(hash(int(row), 2, 8) * 40)
		if written((words + words)[start:start+10], (p.x+0.42)/size/1.04, v) {
			c = rgb(40, 38, 44)
		}
	}
	if p.z > 0.42 && p.z < 0.42+7*0.026 && written("DUALITY", (p.x+0.5)/0.024, (0.42+7*0.026-p.z)/0.026) {
		c = rgb(120, 30, 28)
	}
	return surface{c, 0, 1, 0}
}

// book has cloth covers, a title on the spine (facing -z) and pages at its ends.
func book(half vec, cloth, ink vec, title string) material {
	return func(p, n vec) surface {
		weave := 0.5*math.Sin(p.x*230) + 0.5*math.Sin((p.z+p.y)*230)
		if math.Abs(n.x) > 0.5 || n.z > 0.5 {
			if math.Abs(p.y) < 0.82*half.y {
				leaf := noise(vec{p.z * 3, p.y * 240, 0})
				return surface{rgb(222, 208, 176).scale(0.85 + 0.22*leaf), 0, 1, 0.002 * leaf}
			}
		}
		c := cloth.scale(0.92 + 0.1*weave + 0.35*fbm(p.scale(4), 4))
		if n.z < -0.5 {
			size := math.Min(1.1*half.y/7, 1.5*half.x/6/float64(len(title)))
			w := 6 * size * float64(len(title))
			if written(title, (p.x+w/2)/size, (3.5*size-p.y)/size) {
				c = ink
			}
			if e := math.Abs(math.Abs(p.x) - 0.86*half.x); e < 0.02 || math.Abs(e-0.05) < 0.008 {
				c = ink
			}
		}
		return surface{c, 0.02, 0.3, 0.0015 * weave}
	}
}
