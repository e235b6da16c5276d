// Command render draws the sample pictures: a still life, path traced, and the
// luma of a crop of it.
//
//	go run . -o ../images/still-life.png -gray ../images/still-life-gray.png
package main

import (
	"flag"
	"image"
	"image/color"
	"image/png"
	"log"
	"math"
	"math/rand/v2"
	"os"
)

func main() {
	out := flag.String("o", "still-life.png", "picture to write")
	gray := flag.String("gray", "", "gray 256x256 crop to write")
	width := flag.Int("width", 481, "columns")
	height := flag.Int("height", 321, "rows")
	side := flag.Int("side", 10, "the square root of the samples a pixel")
	flag.Parse()
	s := scene()
	img := image.NewNRGBA(image.Rect(0, 0, *width, *height))
	for y := range *height {
		for x := range *width {
			rng := rand.New(rand.NewPCG(uint64(y), uint64(x)))
			var sum vec
			n := *side
			for k := range n * n {
				dx, dy := (float64(k%n)+rng.Float64())/float64(n), (float64(k/n)+rng.Float64())/float64(n)
				r := eye((float64(x)+dx-float64(*width)/2)/float64(*width), (float64(*height)/2-float64(y)-dy)/float64(*width), rng)
				c := light(s, r, rng, 0)
				k := 1 / (1 + math.Max(0, c.dot(vec{0.3, 0.6, 0.1})-4)) // no fireflies
				sum = sum.add(c.scale(k / float64(n*n)))
			}
			img.Set(x, y, develop(sum))
		}
	}
	save(*out, img)
	if *gray != "" {
		save(*gray, luma(img, image.Pt(110, 34), 256))
	}
}

func save(name string, img image.Image) {
	f, err := os.Create(name)
	if err != nil {
		log.Fatal(err)
	}
	e := png.Encoder{CompressionLevel: png.BestCompression}
	if err := e.Encode(f, img); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}

// luma is the BT.601 luma of the square of the given side at the given corner.
func luma(img *image.NRGBA, at image.Point, side int) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			c := img.NRGBAAt(at.X+x, at.Y+y)
			g.Pix[y*g.Stride+x] = uint8(0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B) + 0.5)
		}
	}
	return g
}

// develop is the film: a soft shoulder and sRGB's curve.
func develop(c vec) color.Color {
	f := func(v float64) uint8 {
		v *= 1.15
		v = v * (2.51*v + 0.03) / (v*(2.43*v+0.59) + 0.14)
		return uint8(255*math.Pow(clamp(v), 1/2.2) + 0.5)
	}
	return color.NRGBA{f(c.x), f(c.y), f(c.z), 255}
}

// eye is the camera's ray through (u,v), a thin lens focused on the fruit.
func eye(u, v float64, rng *rand.Rand) ray {
	at, to := vec{0.1, 2.05, -5.6}, vec{0.05, 0.62, 0.2}
	w := to.sub(at).unit()
	right := vec{0, 1, 0}.cross(w).unit()
	up := w.cross(right)
	d := w.add(right.scale(u * 0.86)).add(up.scale(v * 0.86))
	focus := at.add(d.scale(5.5))
	a, b := math.Sqrt(rng.Float64())*0.022, 2*math.Pi*rng.Float64()
	o := at.add(right.scale(a * math.Cos(b))).add(up.scale(a * math.Sin(b)))
	return ray{o, focus.sub(o).unit()}
}

// around is the room behind the camera: dim walls and a bright window.
func around(d vec) vec {
	c := vec{0.22, 0.24, 0.28}.mix(vec{0.42, 0.46, 0.52}, clamp(0.5+0.5*d.y))
	if d.z < 0 {
		x, y := d.x/-d.z+1.1, d.y/-d.z-0.75
		if math.Abs(x) < 0.55 && math.Abs(y) < 0.5 && math.Abs(x) > 0.03 && math.Abs(y) > 0.03 {
			c = vec{3.4, 3.5, 3.7}
		}
	}
	return c
}

var (
	lamp      = vec{-4.2, 5.4, -3.6}
	lampSize  = 0.55
	lampPower = vec{1.32, 1.2, 1.02}.scale(58)
)

// light is the radiance along r.
func light(s *tree, r ray, rng *rand.Rand, depth int) vec {
	h := hit{t: 1e9}
	s.meet(r, &h)
	if h.m == nil {
		return around(r.d)
	}
	p := r.o.add(r.d.scale(h.t))
	f := h.m(h.p, h.n)
	n := h.normal
	if n.dot(r.d) > 0 {
		n = n.scale(-1)
	}
	if depth == 0 && f.height != 0 {
		n = bump(h, f.height, n)
	}
	// Mirror-like part.
	c := clamp(-n.dot(r.d))
	fresnel := f.gloss + (1-f.gloss)*math.Pow(1-c, 5)*math.Min(1, 4*f.gloss)*(1-f.rough)
	if depth < 3 && rng.Float64() < fresnel {
		d := r.d.sub(n.scale(2 * n.dot(r.d)))
		d = d.add(ball(rng).scale(f.rough)).unit()
		if d.dot(h.normal)*n.dot(h.normal) <= 0 {
			return vec{}
		}
		return light(s, ray{p.add(d.scale(1e-4)), d}, rng, depth+1)
	}
	// Direct light.
	var sum vec
	to := lamp.add(ball(rng).scale(lampSize)).sub(p)
	far := math.Sqrt(to.dot(to))
	to = to.scale(1 / far)
	if k := n.dot(to); k > 0 {
		sh := hit{t: far}
		s.meet(ray{p.add(n.scale(1e-4)), to}, &sh)
		if sh.m == nil {
			sum = lampPower.scale(k / (far * far) / math.Pi)
		}
	}
	// Light from everywhere else.
	if depth < 1 {
		u, v := frame(n)
		a, b := math.Sqrt(rng.Float64()), 2*math.Pi*rng.Float64()
		d := u.scale(a * math.Cos(b)).add(v.scale(a * math.Sin(b))).add(n.scale(math.Sqrt(1 - a*a)))
		sum = sum.add(light(s, ray{p.add(n.scale(1e-4)), d}, rng, depth+1))
	} else {
		sum = sum.add(vec{0.2, 0.19, 0.18})
	}
	return f.albedo.mul(sum)
}

// bump tilts n by the gradient of the material's height.
func bump(h hit, at float64, n vec) vec {
	u, v := frame(h.n)
	const e = 0.004
	du := (h.m(h.p.add(u.scale(e)), h.n).height - at) / e
	dv := (h.m(h.p.add(v.scale(e)), h.n).height - at) / e
	tilt := u.scale(du).add(v.scale(dv)).turnY(h.turn)
	return n.sub(tilt).unit()
}

// ball is a point in the unit ball.
func ball(rng *rand.Rand) vec {
	for {
		p := vec{2*rng.Float64() - 1, 2*rng.Float64() - 1, 2*rng.Float64() - 1}
		if p.dot(p) <= 1 {
			return p
		}
	}
}

// scene sets the table.
func scene() *tree {
	volume := func(c, half vec, turn float64, cloth, ink vec, title string) shape {
		return cuboid{c, half, turn, book(half, cloth, ink, title)}
	}
	s := []shape{
		cuboid{vec{0, -0.1, 0}, vec{9, 0.1, 2.4}, 0, planks},
		cuboid{vec{0, 2, 3.6}, vec{12, 6, 0.2}, 0, bricks},

		cuboid{vec{-0.55, 0.008, -1.15}, vec{0.95, 0.008, 0.62}, 0.32, gingham},
		cuboid{vec{1.52, 0.004, -1.3}, vec{0.55, 0.004, 0.68}, -0.38, page},

		volume(vec{1.05, 0.15, 0.35}, vec{0.86, 0.15, 0.56}, -0.12, rgb(34, 58, 96), rgb(222, 190, 110), "CONVEX BODIES"),
		volume(vec{1.1, 0.425, 0.4}, vec{0.74, 0.125, 0.5}, 0.1, rgb(120, 34, 36), rgb(232, 214, 170), "THE DUAL"),
		volume(vec{1.0, 0.65, 0.38}, vec{0.66, 0.10, 0.44}, -0.2, rgb(52, 92, 66), rgb(226, 222, 196), "LIGHT AND SHADE"),
		sphere{vec{1.0, 0.75 + 0.36, 0.36}, 0.36, marble},

		sphere{vec{-0.62, 0.336, -1.0}, 0.32, apple},
		frustum{vec{-0.62, 0.63, -1.0}, 0.012, 0.018, 0.13, bark},
		sphere{vec{0.02, 0.29, -0.72}, 0.275, orange},
		sphere{vec{2.3, 0.38, -0.2}, 0.38, mirror},
		sphere{vec{0.62, 0.2, -1.5}, 0.2, glazed},

		frustum{vec{-2.42, 0, -0.55}, 0.36, 0.34, 0.5, bark},
		frustum{vec{-2.1, 0, -1.25}, 0.22, 0.21, 0.3, bark},
		frustum{vec{-1.2, 0, 0.75}, 0.42, 0.56, 0.72, terracotta},
		frustum{vec{-1.2, 0.72, 0.75}, 0.62, 0.64, 0.2, terracotta},
		frustum{vec{-1.2, 0.921, 0.75}, 0.55, 0.5, 0.04, soil},
	}
	rng := rand.New(rand.NewPCG(7, 7))
	root := vec{-1.2, 0.95, 0.75}
	for range 30 {
		// A branch: a bent line of leaves.
		a, lean := 2*math.Pi*rng.Float64(), 0.15+0.95*rng.Float64()
		dir := vec{lean * math.Cos(a), 1, lean * math.Sin(a)}.unit()
		at := root.add(vec{0.2 * math.Cos(a), 0, 0.2 * math.Sin(a)})
		hue := 0.15 + 0.6*rng.Float64()
		for k := range 12 + rng.IntN(5) {
			dir = dir.add(vec{0, -0.05, 0}).add(ball(rng).scale(0.16)).unit()
			next := at.add(dir.scale(0.105))
			for i := range 3 {
				s = append(s, sphere{at.mix(next, float64(i)/3), 0.014, soil})
			}
			at = next
			if k < 2 {
				continue
			}
			for range 2 {
				u := dir.scale(0.5).add(ball(rng)).unit()
				w := u.cross(ball(rng)).unit()
				if w.y < 0 {
					w = w.scale(-1)
				}
				w = w.add(vec{-0.25, 0.6, -0.3})
				w = w.sub(u.scale(w.dot(u))).unit()
				long := 0.09 + 0.06*rng.Float64()
				s = append(s, leaf{at.add(u.scale(long)), u, w.cross(u), w, long, 0.42 * long, leafy(clamp(hue + 0.3*rng.Float64() - 0.15))})
			}
		}
	}
	return plant(s)
}
