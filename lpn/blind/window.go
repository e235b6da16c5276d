package blind

import (
	"cmp"
	"math"
	"slices"
)

const (
	wholeSide  = 512 // a picture up to that is looked at as a whole
	windowSide = 320
	mostParts  = 3
)

// windows are the parts of a plane by which its blur is found: all of it where it
// is small, or the squares with most edges of both directions.
func (p plane) windows() []plane {
	if p.h*p.w <= wholeSide*wholeSide || min(p.h, p.w) < windowSide {
		return []plane{p}
	}
	type place struct {
		y, x  int
		score float64
	}
	var all []place
	for y := 0; y+windowSide <= p.h; y += windowSide / 2 {
		for x := 0; x+windowSide <= p.w; x += windowSide / 2 {
			all = append(all, place{y, x, p.edges(y, x)})
		}
	}
	slices.SortStableFunc(all, func(a, b place) int { return cmp.Compare(b.score, a.score) })
	var out []plane
	var taken []place
	far := max(windowSide, max(p.h, p.w)/4) // all over the picture, to see whether the blur varies
	for _, c := range all {
		apart := func(t place) bool { return max(t.y-c.y, c.y-t.y) >= far || max(t.x-c.x, c.x-t.x) >= far }
		if len(out) < mostParts && !slices.ContainsFunc(taken, func(t place) bool { return !apart(t) }) {
			taken = append(taken, c)
			out = append(out, p.cut(c.y, c.x, windowSide, windowSide))
		}
	}
	return out
}

// edges is the lesser eigenvalue of the mean of grad grad' over a window, of
// gradients that are cut off at a tenth of the contrast: what is bright or one edge
// alone tells little.
func (p plane) edges(y, x int) float64 {
	var xx, yy, xy float64
	const lag, most = 4, 0.1 // the gradients of the noise count less over some pixels
	for i := y; i+lag < y+windowSide; i += 2 {
		for j := x; j+lag < x+windowSide; j += 2 {
			at := i*p.w + j
			if !p.ok[at] || !p.ok[at+lag] || !p.ok[at+lag*p.w] {
				continue
			}
			dx, dy := float64(p.pix[at+lag]-p.pix[at]), float64(p.pix[at+lag*p.w]-p.pix[at])
			if n := math.Hypot(dx, dy); n > most {
				dx, dy = dx*most/n, dy*most/n
			}
			xx, yy, xy = xx+dx*dx, yy+dy*dy, xy+dx*dy
		}
	}
	return (xx+yy)/2 - math.Hypot((xx-yy)/2, xy)
}

// cut copies a part of a plane.
func (p plane) cut(y, x, h, w int) plane {
	out := plane{h: h, w: w, pix: make([]float32, h*w), ok: make([]bool, h*w), noise: p.noise, floor: p.floor}
	for i := range h {
		copy(out.pix[i*w:(i+1)*w], p.pix[(y+i)*p.w+x:])
		copy(out.ok[i*w:(i+1)*w], p.ok[(y+i)*p.w+x:])
	}
	return out
}
