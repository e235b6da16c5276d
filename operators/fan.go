package operators

import (
	"math"
	"slices"
	"sync"
)

// Fan is the fan-beam transform: the line integrals along the rays of a Geometry
// that come from a point, as Radon takes them, in the same units and with the same
// interpolation. The adjoint is the exact transpose. No matrix is stored; both
// directions use all cores, with the same bits on any number of them.
type Fan struct {
	beams
	scratch sync.Pool // of *fanWork
	rebin   func() *rebinning
}

// newFan takes a complete geometry.
func newFan(s Shape, g Geometry) *Fan {
	f := &Fan{beams: newBeams(s, g, func(s Shape) Linear { return newFan(s, g) })}
	f.scratch.New = func() any { return newFanWork(f) }
	f.rebin = sync.OnceValue(func() *rebinning { return newRebinning(f) })
	return f
}

// Apply writes the sinogram of x to dst.
func (f *Fan) Apply(dst, x []float32) {
	checkLen("Fan.Apply dst", len(dst), f.codomain.Len())
	checkLen("Fan.Apply x", len(x), f.domain.Len())
	w := f.scratch.Get().(*fanWork)
	defer f.scratch.Put(w)
	n, m := f.domain.H*f.domain.W, f.codomain.H*f.codomain.W
	for c := range f.domain.C {
		w.load(x[c*n : (c+1)*n])
		w.y = dst[c*m : (c+1)*m]
		w.do(w.forward, f.codomain.H)
	}
	w.y = nil
}

// Adjoint writes A'y, the unfiltered back-projection, to dst.
func (f *Fan) Adjoint(dst, y []float32) {
	checkLen("Fan.Adjoint dst", len(dst), f.domain.Len())
	checkLen("Fan.Adjoint y", len(y), f.codomain.Len())
	w := f.scratch.Get().(*fanWork)
	defer f.scratch.Put(w)
	n, m := f.domain.H*f.domain.W, f.codomain.H*f.codomain.W
	for c := range f.domain.C {
		w.y = y[c*m : (c+1)*m]
		w.do(w.adjoint, fanBlocks(f.domain.H)+fanBlocks(f.domain.W))
		w.store(dst[c*n : (c+1)*n])
	}
	w.y = nil
}

// Reconstruct rebins the fan to parallel rays (Kak and Slaney, 1988, 3.4.3) and
// reconstructs those: ray (theta, t) lies in the view at theta - gamma, at the angle
// gamma = arcsin(t/Source) from its middle, and turned round in the view at theta +
// 180 + gamma, at -gamma. It is interpolated between the measured views and
// detectors, and the mean where both were measured.
func (f *Fan) Reconstruct(dst, y []float32, w Window) {
	checkLen("Fan.Reconstruct dst", len(dst), f.domain.Len())
	checkLen("Fan.Reconstruct y", len(y), f.codomain.Len())
	b := f.rebin()
	sinogram := make([]float32, b.parallel.codomain.Len())
	n, m := f.codomain.H*f.codomain.W, b.parallel.codomain.H*b.parallel.codomain.W
	for c := range f.domain.C {
		b.apply(sinogram[c*m:(c+1)*m], y[c*n:(c+1)*n], f.codomain.W)
	}
	b.parallel.Reconstruct(dst, sinogram, w)
}

// fanBlock is the number of lines that one part of the adjoint owns. The rays of a
// view are computed once for each.
const fanBlock = 64

func fanBlocks(lines int) int { return (lines + fanBlock - 1) / fanBlock }

// A ray is sampled on lines i, rows of the picture or of its transpose: it meets
// line i at the place origin + i*slope and counts weight times the value there.
type ray struct {
	origin, slope float64
	weight        float32
	columns       bool
}

// rays computes those of view a.
func (f *Fan) rays(dst []ray, a int) {
	g, s := f.g, f.domain
	sin, cos := math.Sincos(g.Angles[a] * math.Pi / 180)
	length := (g.Source + g.Detector) / g.Pixel
	// The source, in (row, column).
	sy := float64(s.H/2) - g.Source/g.Pixel*cos
	sx := float64(s.W/2) - g.Source/g.Pixel*sin
	for d := range dst {
		along, across := length, g.s(float64(d))/g.Pixel
		if g.Beam == FanCurved {
			across, along = math.Sincos(across / length)
		}
		dy, dx := along*cos-across*sin, along*sin+across*cos
		norm := math.Hypot(dy, dx)
		r := ray{columns: math.Abs(dx) > math.Abs(dy)}
		if r.columns {
			r.slope = dy / dx
			r.origin, r.weight = sy-sx*r.slope, float32(norm/math.Abs(dx)*g.Pixel)
		} else {
			r.slope = dx / dy
			r.origin, r.weight = sx-sy*r.slope, float32(norm/math.Abs(dy)*g.Pixel)
		}
		dst[d] = r
	}
}

// bundles calls f with the ranges of rays that are sampled on the same lines.
func bundles(rays []ray, f func(lo, hi int, columns bool)) {
	for lo := 0; lo < len(rays); {
		hi := lo + 1
		for hi < len(rays) && rays[hi].columns == rays[lo].columns {
			hi++
		}
		f(lo, hi, rays[lo].columns)
		lo = hi
	}
}

// fanWork is the scratch of one call.
type fanWork struct {
	f *Fan
	crossed
	y    []float32 // the sinogram
	rays sync.Pool // of *[]ray, one view
	crew
	forward, adjoint func(part int)
}

func newFanWork(f *Fan) *fanWork {
	w := &fanWork{f: f, crossed: newCrossed(f.domain, 1)}
	w.rays.New = func() any { r := make([]ray, f.codomain.W); return &r }
	w.crew.init()
	w.forward, w.adjoint = w.project, w.backproject
	return w
}

// lines are those on which rays are sampled, and the samples of a padded one.
func (w *fanWork) lines(columns bool) (pix []float32, lines, length int) {
	if columns {
		return w.col, w.f.domain.W, w.f.domain.H + 2
	}
	return w.row, w.f.domain.H, w.f.domain.W + 2
}

// project computes view a.
func (w *fanWork) project(a int) {
	p := w.rays.Get().(*[]ray)
	defer w.rays.Put(p)
	rays := *p
	w.f.rays(rays, a)
	y := w.y[a*len(rays) : (a+1)*len(rays)]
	clear(y)
	bundles(rays, func(lo, hi int, columns bool) {
		pix, lines, length := w.lines(columns)
		rays, y := rays[lo:hi], y[lo:hi]
		for i := range lines {
			line := pix[i*length : (i+1)*length]
			at, last := float64(i), float64(length-1)
			for d := range rays {
				p := rays[d].origin + at*rays[d].slope + 1
				if p < 0 || p >= last {
					continue
				}
				k := int(p)
				f := float32(p - float64(k))
				y[d] += line[k] + f*(line[k+1]-line[k])
			}
		}
		for d := range y {
			y[d] *= rays[d].weight
		}
	})
}

// backproject computes one block of rows, or of columns, from all the views.
func (w *fanWork) backproject(part int) {
	columns := part >= fanBlocks(w.f.domain.H)
	if columns {
		part -= fanBlocks(w.f.domain.H)
	}
	pix, lines, length := w.lines(columns)
	first := part * fanBlock
	end := min(first+fanBlock, lines)
	clear(pix[first*length : end*length])
	p := w.rays.Get().(*[]ray)
	defer w.rays.Put(p)
	all := *p
	for a := range w.f.codomain.H {
		w.f.rays(all, a)
		y := w.y[a*len(all) : (a+1)*len(all)]
		bundles(all, func(lo, hi int, c bool) {
			if c != columns {
				return
			}
			rays, y := all[lo:hi], y[lo:hi]
			for i := first; i < end; i++ {
				line := pix[i*length : (i+1)*length]
				at, last := float64(i), float64(length-1)
				for d := range rays {
					p := rays[d].origin + at*rays[d].slope + 1
					if p < 0 || p >= last {
						continue
					}
					k := int(p)
					v := y[d] * rays[d].weight
					f := float32(p-float64(k)) * v
					line[k] += v - f
					line[k+1] += f
				}
			}
		})
	}
}

// A rebinning takes the sinogram of a fan to parallel rays: each is the mean of up to
// two pairs of neighbouring views.
type rebinning struct {
	parallel *Radon
	taps     []rebinTap // two a ray
}

// A rebinTap interpolates between detectors d and d+1 of two views.
type rebinTap struct {
	first, second int32 // views; first < 0: the ray was not measured
	d             int32
	view, det     float32 // the weights of second and of d+1
}

func newRebinning(f *Fan) *rebinning { return newRebinningTo(f, max(len(f.g.Angles), 1)) }

// newRebinningTo is newRebinning to so many views.
func newRebinningTo(f *Fan, views int) *rebinning {
	g := f.g
	n := len(g.Angles)
	p := Geometry{Angles: equalAngles(views, 180), Detectors: g.Detectors,
		Spacing: g.Spacing / g.magnification(), Offset: g.Offset / g.magnification(), Pixel: g.Pixel}
	b := &rebinning{parallel: newRadon(f.domain, p)}
	at, order := around(g.Angles, 360)
	var gaps []float64
	for k := range n - 1 {
		gaps = append(gaps, at[order[k+1]]-at[order[k]])
	}
	slices.Sort(gaps)
	widest := 360.
	if len(gaps) > 0 {
		widest = max(wideGap*gaps[len(gaps)/2], 1e-6)
	}
	find := func(beta, gamma float64) rebinTap {
		none := rebinTap{first: -1}
		place := (g.Source + g.Detector) * gamma
		if g.Beam == FanFlat {
			place = (g.Source + g.Detector) * math.Tan(gamma)
		}
		d := (place - g.s(0)) / g.Spacing
		if !(d >= 0 && d <= float64(g.Detectors-1)) || g.Detectors < 2 {
			return none
		}
		beta = modulo(beta, 360)
		k, _ := slices.BinarySearchFunc(order, beta, func(i int, v float64) int {
			if at[i] < v {
				return -1
			}
			return 1
		})
		lo, hi := order[(k+n-1)%n], order[k%n]
		before, after := math.Mod(beta-at[lo]+360, 360), math.Mod(at[hi]-beta+360, 360)
		if n > 1 && before+after > widest {
			// At the end of a scan the nearest view will do.
			switch {
			case before <= widest/wideGap:
				after, hi = 1, lo
			case after <= widest/wideGap:
				before, lo = 1, hi
			default:
				return none
			}
		}
		t := rebinTap{first: int32(lo), second: int32(hi), d: int32(min(math.Floor(d), float64(g.Detectors-2)))}
		t.det = float32(d - float64(t.d))
		if before+after > 0 {
			t.view = float32(before / (before + after))
		}
		return t
	}
	for _, theta := range p.Angles {
		for d := range p.Detectors {
			pair := [2]rebinTap{{first: -1}, {first: -1}}
			if q := p.s(float64(d)) / g.Source; math.Abs(q) < 1 {
				gamma := math.Asin(q)
				deg := gamma * 180 / math.Pi
				pair = [2]rebinTap{find(theta-deg, gamma), find(theta+180+deg, -gamma)}
			}
			b.taps = append(b.taps, pair[:]...)
		}
	}
	return b
}

// at interpolates in a sinogram of rows of n detectors.
func (t rebinTap) at(y []float32, n int) float32 {
	in := func(view int32) float32 {
		row := y[int(view)*n+int(t.d):]
		return row[0] + t.det*(row[1]-row[0])
	}
	u := in(t.first)
	return u + t.view*(in(t.second)-u)
}

// apply rebins one sinogram of rows of n detectors.
func (b *rebinning) apply(dst, y []float32, n int) {
	for i := range dst {
		sum, count := float32(0), float32(0)
		for _, t := range b.taps[2*i : 2*i+2] {
			if t.first >= 0 {
				sum += t.at(y, n)
				count++
			}
		}
		dst[i] = sum / max(count, 1)
	}
}

// disagreement is how much the rays that were measured from both ends differ,
// relative; ok is false where there are hardly any.
func (b *rebinning) disagreement(y []float32, n int) (d float64, ok bool) {
	pairs, apart, all := 0, 0.0, 0.0
	for i := 0; i < len(b.taps); i += 2 {
		if b.taps[i].first < 0 || b.taps[i+1].first < 0 {
			continue
		}
		u, v := float64(b.taps[i].at(y, n)), float64(b.taps[i+1].at(y, n))
		if u != u || v != v { // unknown
			continue
		}
		pairs++
		apart += (u - v) * (u - v)
		all += u*u + v*v
	}
	return apart / max(all, 1e-300), 40*pairs > len(b.taps)
}

var (
	_ Tomograph = (*Radon)(nil)
	_ Tomograph = (*Fan)(nil)
)
