package blind

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lpn-imaging/lpn/internal/minimise"
	"github.com/lpn-imaging/lpn/operators"
	"github.com/lpn-imaging/lpn/operators/noise"
)

// A Kind is a family of kernels.
type Kind string

const (
	Any      Kind = ""         // chosen by the picture
	Sharp    Kind = "sharp"    // no blur worth undoing; an answer, not to be asked for
	Gaussian Kind = "gaussian" // one number, sigma
	Disk     Kind = "disk"     // out of focus: radius
	Motion   Kind = "motion"   // a straight line: length and angle
	Free     Kind = "free"     // every tap
)

// Options say how to look. The zero value lets the picture decide.
type Options struct {
	// Kind asks for a family. Default Any.
	Kind Kind
	// Size is the number of taps of a side of the free kernel, odd, from 3 to
	// MaxSize. Default: 27, and more where a kernel reaches the end of that.
	Size int
	// Noise is the standard deviation of the noise in units of the picture. Default:
	// estimated.
	Noise float64
	// Start is a guess at the kernel, where the search then begins; nil for none.
	Start *operators.Kernel
}

// MaxSize is the largest side of a free kernel, in taps.
const MaxSize = 101

// leastSide is the smallest side of a picture that can be looked at, in pixels.
const leastSide = 48

// A Parameter is a number of a family with its interval of confidence (95%).
type Parameter struct {
	Name          string
	Value, Lo, Hi float64
}

// An Estimate is the blur of a picture.
type Estimate struct {
	Kind Kind
	// Kernel sums to 1, and its centroid lies within half a tap of its middle.
	Kernel operators.Kernel
	// Parameters are those of the family; none of a free kernel.
	Parameters []Parameter
	// Confidence, from 0 to 1, is for a free kernel the Likeness of the kernels that
	// parts of the picture give on their own, for a family 1 - (hi-lo)/(hi+lo) of its
	// first parameter.
	Confidence float64
	// Varies says that parts of the picture have different blurs: the kernel is that
	// of the part with most edges.
	Varies bool
	// Enlarged is the period in pixels with which the picture seems to have been interpolated, 0 if it does not: a
	// picture enlarged 1.5 or 3 times has 3. A blur less than twice as wide may be the interpolation. In a
	// JPEG file it may be that of its blocks.
	Enlarged int
	// Noise is the deviation that was used, in units of the picture.
	Noise float64
}

// A PictureError is a picture whose blur cannot be told.
type PictureError struct {
	H, W   int
	Reason string
}

func (e *PictureError) Error() string {
	return fmt.Sprintf("blind: picture of %dx%d pixels: %s", e.W, e.H, e.Reason)
}

// Find estimates the blur of a picture, of 1 or 3 channels with one blur in common.
// It returns a *PictureError where the picture is too small or shows no edge.
// It panics on options that cannot be. The same picture gives the same estimate.
// Once ctx is done it stops within a fraction of a second, with ctx's error.
func Find(ctx context.Context, y operators.Image, o Options) (Estimate, error) {
	if o.Size != 0 && (o.Size < 3 || o.Size > MaxSize || o.Size%2 == 0) {
		panic(fmt.Sprintf("blind: Size %d; want an odd number from 3 to %d", o.Size, MaxSize))
	}
	if y.H < leastSide || y.W < leastSide {
		return Estimate{}, &PictureError{y.H, y.W, fmt.Sprintf("too small to find its blur; want at least %d pixels a side, or the kernel", leastSide)}
	}
	p, unit := planeOf(y, o.Noise)
	if !p.contrast() {
		return Estimate{}, &PictureError{y.H, y.W, "no edges above the noise to find its blur by; give the kernel"}
	}
	if o.Noise == 0 {
		if p.floor = p.floorOf(); p.floor != nil {
			p.noise = max(p.noise, math.Sqrt(p.floor.fast()))
		}
	}
	var parts []part
	windows := p.windows()
	for _, w := range windows {
		parts = append(parts, look(ctx, w, o))
		if err := ctx.Err(); err != nil {
			return Estimate{}, err
		}
	}
	best, pooled := 0, parts
	if o.Kind == Any || o.Kind == Free {
		best, pooled = pool(parts)
	}
	e := settle(pooled, best, o)
	if len(windows) == 1 && e.Kind != Sharp {
		whole := parts[0]
		parts = p.halves(ctx, e, o)
		if err := ctx.Err(); err != nil {
			return Estimate{}, err
		}
		if e.Kind == Free {
			e.Confidence = Likeness(parts[0].kernels[Free], parts[1].kernels[Free])
			least := whole.surprise[Free] - wholeBonus
			for _, h := range parts {
				if v := whole.spectrum.surpriseOf(Free, h.kernels[Free]); v < least {
					e.Kernel, least = h.kernels[Free], v
				}
			}
		}
	}
	if e.Varies = e.Kind != Sharp && vary(parts, e.Kind); e.Varies && len(windows) > 1 {
		e.take(parts[0])
	}
	e.Noise, e.Enlarged = p.noise*unit, p.enlarged()
	return e, ctx.Err()
}

// A part is the finding of one window: for every kind that was tried the surprise of the
// spectrum, the parameters and the kernel.
type part struct {
	spectrum spectrum
	surprise map[Kind]float64
	fits     map[Kind][]fit
	kernels  map[Kind]operators.Kernel
}

// look tries the kinds on a window. Like all below it, it gives up when ctx is done, and what it
// returns then means nothing.
func look(ctx context.Context, p plane, o Options) part {
	out := part{surprise: map[Kind]float64{}, fits: map[Kind][]fit{}, kernels: map[Kind]operators.Kernel{}}
	wanted := func(k Kind) bool { return o.Kind == Any || o.Kind == k }
	s := powerOf(p)
	out.spectrum = s
	add := func(kind Kind, k operators.Kernel, fits ...fit) {
		out.kernels[kind], out.fits[kind], out.surprise[kind] = k, fits, s.surpriseOf(kind, k)
	}
	if o.Kind == Any {
		delta := newKernel(1)
		delta.Taps[0] = 1
		add(Sharp, delta)
	}
	most := min(mostRadius, float64(min(p.h, p.w))/8)
	if wanted(Gaussian) {
		f := s.fitted(ctx, gaussianOf, 0.25, most)
		add(Gaussian, gaussianOf(f.value), f)
	}
	if wanted(Disk) {
		f := s.fitted(ctx, diskOf, 0.4, 1.5*most)
		add(Disk, diskOf(f.value), f)
	}
	if wanted(Free) || wanted(Motion) {
		k := grown(ctx, p, s, o)
		add(Free, k)
		if wanted(Motion) {
			m, fits := s.line(ctx, k)
			add(Motion, m, fits...)
		}
	}
	return out
}

// mostRadius is the largest deviation of a Gaussian that is looked for, in pixels.
const mostRadius = 16

// grown is the free kernel on a support that holds it: a larger one, if the kernel reaches the end and the larger kernel is
// less surprising.
func grown(ctx context.Context, p plane, s spectrum, o Options) operators.Kernel {
	side := o.Size
	if side == 0 {
		side = 27
	}
	most := min(MaxSize, odd(float64(min(p.h, p.w))/3))
	side = min(side, most)
	best, least := operators.Kernel{}, math.Inf(1)
	for {
		k := free(ctx, p, s, side, o.Start)
		v := s.surpriseOf(Free, k)
		if best.Taps != nil && !(v < least) {
			return trimmed(best)
		}
		best, least = k, v
		if ctx.Err() != nil || o.Size != 0 || side == most || rim(k) < 0.03 {
			return trimmed(best)
		}
		side = min(odd(1.5*float64(side)), most)
	}
}

// halves looks at two overlapping parts of a plane, each three fifths of its longer side, for the kind of an estimate.
func (p plane) halves(ctx context.Context, e Estimate, o Options) []part {
	h, w := p.h, p.w
	if h > w {
		h = h * 3 / 5
	} else {
		w = w * 3 / 5
	}
	o.Kind, o.Size = e.Kind, min(e.Kernel.H+2, MaxSize, odd(float64(min(h, w))/3))
	if e.Kind != Free {
		o.Size = 0
	}
	return []part{look(ctx, p.cut(0, 0, h, w), o), look(ctx, p.cut(p.h-h, p.w-w, h, w), o)}
}

// rim is the weight of the two outermost rings.
func rim(k operators.Kernel) float64 {
	sum := 0.0
	for i := range k.H {
		for j := range k.W {
			if i < 2 || j < 2 || i >= k.H-2 || j >= k.W-2 {
				sum += k.Taps[i*k.W+j]
			}
		}
	}
	return sum
}

// trimmed leaves out empty rings, and moves the centroid to the middle.
func trimmed(k operators.Kernel) operators.Kernel {
	cy, cx := centroid(k)
	my, mx := k.H/2+int(math.Round(cy)), k.W/2+int(math.Round(cx))
	r := 0
	for i := range k.H {
		for j := range k.W {
			if k.Taps[i*k.W+j] > 0 {
				r = max(r, i-my, my-i, j-mx, mx-j)
			}
		}
	}
	out := newKernel(2*r + 1)
	for i := range k.H {
		for j := range k.W {
			if t := k.Taps[i*k.W+j]; t > 0 {
				out.Taps[(i-my+r)*out.W+j-mx+r] = t
			}
		}
	}
	return out
}

// line is the straight motion that fits best, searched from the principal axis
// of a free kernel.
func (s spectrum) line(ctx context.Context, k operators.Kernel) (operators.Kernel, []fit) {
	cy, cx := centroid(k)
	var yy, xx, xy float64
	for i := range k.H {
		for j := range k.W {
			t := k.Taps[i*k.W+j]
			y, x := float64(i-k.H/2)-cy, float64(j-k.W/2)-cx
			yy, xx, xy = yy+t*y*y, xx+t*x*x, xy+t*x*y
		}
	}
	angle := -0.5 * math.Atan2(2*xy, xx-yy) * 180 / math.Pi
	length := max(1.5, math.Sqrt(12*(xx+yy)/2+6*math.Hypot(xx-yy, 2*xy)))
	make1 := func(length, angle float64) operators.Kernel {
		m, err := operators.MotionKernel(length, angle)
		if err != nil {
			panic(err)
		}
		return m
	}
	for span := 12.0; span > 1 && ctx.Err() == nil; span /= 3 {
		angle, _ = minimise.Golden(angle-span, angle+span, 9, 0, func(a float64) float64 { return s.misfit(make1(length, a)) })
		length, _ = minimise.Golden(length*(1-span/40), length*(1+span/40), 9, 0, func(l float64) float64 { return s.misfit(make1(l, angle)) })
	}
	f := s.fitted(ctx, func(l float64) operators.Kernel { return make1(l, angle) }, max(0.8, 0.6*length), 1.6*length)
	angle = math.Mod(angle+360, 180)
	return make1(f.value, angle), []fit{f, {value: angle, lo: angle - 3, hi: angle + 3}}
}

const (
	// leastSigma is the deviation in pixels of the Gaussian up to which a picture is
	// sharp: sharp photographs seem to have 0.2 to 0.58, blurred by 0.8 they have at
	// least 0.67. leastRadius is that of the disk which they are as likely to have.
	leastSigma  = 0.62
	leastRadius = 0.85
	// leastLength is the length in pixels of a motion that is one.
	leastLength = 2.5
	// doubt is by how much less surprising than no blur a kernel must be, of a picture that is not
	// sharp, and a free kernel than a family with few numbers.
	doubt = 30
)

// settle makes one estimate of what the windows show; a free kernel is that of the window best.
func settle(parts []part, best int, o Options) Estimate {
	total := func(k Kind) float64 {
		sum := 0.0
		for _, p := range parts {
			sum += p.surprise[k]
		}
		return sum
	}
	free := parts[best].kernels[Free]
	kind := o.Kind
	if kind == Any {
		kind = Motion
		for _, k := range []Kind{Disk, Gaussian} {
			if total(k) <= total(kind) {
				kind = k
			}
		}
		if total(Free)+doubt < total(kind) && familiar(parts) {
			kind = Free
		}
		little := false
		switch kind {
		case Free:
			little = median(parts, Gaussian, 0).value < leastSigma && (Estimate{Kernel: free}).Width() < math.Sqrt2*leastSigma
		case Motion:
			little = median(parts, Motion, 0).value < leastLength
		case Disk:
			little = median(parts, Disk, 0).value < leastRadius
		case Gaussian:
			little = median(parts, Gaussian, 0).value < leastSigma
		}
		if little || total(Sharp) <= total(kind)+doubt {
			kind = Sharp
		}
	}
	e := Estimate{Kind: kind}
	switch kind {
	case Sharp:
		e.Kernel, e.Confidence = parts[0].kernels[Sharp], 1
	case Free:
		e.Kernel, e.Confidence = free, agreement(parts, best)
	default:
		names := map[Kind][]string{Gaussian: {"sigma"}, Disk: {"radius"}, Motion: {"length", "angle"}}[kind]
		for i, n := range names {
			f := median(parts, kind, i)
			e.Parameters = append(e.Parameters, Parameter{n, f.value, f.lo, f.hi})
		}
		e.Kernel = e.kernel()
		f := median(parts, kind, 0)
		e.Confidence = max(0, 1-(f.hi-f.lo)/(f.hi+f.lo))
	}
	return e
}

// familiar reports whether the free kernel makes photographs of most parts. What is none, such as a page of text, has
// a spectrum for which some kernel is always the better excuse.
func familiar(parts []part) bool {
	n := 0
	for _, p := range parts {
		if p.surprise[Free] < strange {
			n++
		}
	}
	return 2*n > len(parts)
}

// kernel makes the kernel of a family of its parameters.
func (e Estimate) kernel() operators.Kernel {
	v := e.Parameters[0].Value
	switch e.Kind {
	case Gaussian:
		return gaussianOf(v)
	case Disk:
		return diskOf(v)
	}
	k, err := operators.MotionKernel(v, e.Parameters[1].Value)
	if err != nil {
		panic(err)
	}
	return k
}

// median is the fit of the window in the middle.
func median(parts []part, k Kind, i int) fit {
	var all []fit
	for _, p := range parts {
		all = append(all, p.fits[k][i])
	}
	slices.SortFunc(all, func(a, b fit) int { return cmp.Compare(a.value, b.value) })
	return all[len(all)/2]
}

const (
	// strange is the surprise, with the best kernel, of what is no photograph: of windows and crops of photographs
	// none had more than 60, of sharp pages of text 160 and more.
	strange = 100
	// wholeBonus is by how much less surprising in the whole picture the free kernel of a half must be.
	wholeBonus = 10
	// differ is how much more surprising than its own kernel that of another part is in a part with another
	// blur, and unlike the Likeness below which two kernels are different ones.
	differ = 60
	unlike = 0.85
)

// vary reports whether two parts speak for different kernels of a kind: the one says no to that of the other, which
// is no mistake, for the other prefers it to that of the one, or nearly.
func vary(parts []part, k Kind) bool {
	for i, p := range parts {
		for j, q := range parts {
			if i == j || Likeness(p.kernels[k], q.kernels[k]) >= unlike {
				continue
			}
			if p.spectrum.surpriseOf(k, q.kernels[k]) > p.surprise[k]+differ && q.surprise[k] < q.spectrum.surpriseOf(k, p.kernels[k])+doubt {
				return true
			}
		}
	}
	return false
}

// take makes the kernel and the parameters those of a part.
func (e *Estimate) take(p part) {
	e.Kernel = p.kernels[e.Kind]
	for i := range e.Parameters {
		f := p.fits[e.Kind][i]
		e.Parameters[i].Value, e.Parameters[i].Lo, e.Parameters[i].Hi = f.value, f.lo, f.hi
	}
}

// pool finds the part whose free kernel is least surprising in all of them. In the parts that it returns, the
// surprise of a free kernel is that of this one where it is less than that of their own.
func pool(parts []part) (best int, pooled []part) {
	least := math.Inf(1)
	var shared []float64
	for i, p := range parts {
		sum, all := 0.0, make([]float64, len(parts))
		for j, q := range parts {
			all[j] = q.surprise[Free]
			if i != j {
				all[j] = q.spectrum.surpriseOf(Free, p.kernels[Free])
			}
			sum += all[j]
		}
		if sum < least {
			best, least, shared = i, sum, all
		}
	}
	for j, p := range parts {
		p.surprise = maps.Clone(p.surprise)
		p.surprise[Free] = min(p.surprise[Free], shared[j])
		pooled = append(pooled, p)
	}
	return best, pooled
}

// agreement is the mean Likeness of the free kernel of a part to those of the others, 1 if there are none.
func agreement(parts []part, at int) float64 {
	if len(parts) == 1 {
		return 1
	}
	sum := 0.0
	for i, p := range parts {
		if i != at {
			sum += Likeness(p.kernels[Free], parts[at].kernels[Free])
		}
	}
	return sum / float64(len(parts)-1)
}

// Likeness is the largest normalised correlation of two kernels over all shifts, 1
// for equal ones (Hu & Yang, ECCV 2012).
func Likeness(a, b operators.Kernel) float64 {
	na, nb := 0.0, 0.0
	for _, t := range a.Taps {
		na += t * t
	}
	for _, t := range b.Taps {
		nb += t * t
	}
	best := 0.0
	for dy := -b.H + 1; dy < a.H; dy++ {
		for dx := -b.W + 1; dx < a.W; dx++ {
			s := 0.0
			for i := max(0, -dy); i < b.H && i+dy < a.H; i++ {
				for j := max(0, -dx); j < b.W && j+dx < a.W; j++ {
					s += b.Taps[i*b.W+j] * a.Taps[(i+dy)*a.W+j+dx]
				}
			}
			best = max(best, s)
		}
	}
	return best / math.Sqrt(na*nb)
}

// leastConfidence is that of a free kernel with which a picture is restored: below, its parts do not agree.
const leastConfidence = 0.755

// Sure reports whether the blur is known well enough to be undone: it is the same all over the picture and, of a
// free kernel, the parts of the picture agree on it, and it is none that enlarging the picture made. A restoration by another one may
// be worse than the picture.
func (e Estimate) Sure() bool {
	return !e.Varies && !e.Interpolated() && (e.Kind != Free || e.Confidence >= leastConfidence)
}

// Interpolated reports whether the blur may be what enlarging the picture made.
func (e Estimate) Interpolated() bool {
	return e.Kind != Sharp && e.Enlarged > 0 && e.Width() < 2*float64(e.Enlarged)
}

// Centroid is the mean position of the kernel's weight, rows and columns from its
// middle tap.
func (e Estimate) Centroid() (y, x float64) { return centroid(e.Kernel) }

// Width is the root mean square distance of the kernel's weight from its centroid, in pixels.
func (e Estimate) Width() float64 {
	cy, cx := centroid(e.Kernel)
	s := 0.0
	for i := range e.Kernel.H {
		for j := range e.Kernel.W {
			s += e.Kernel.Taps[i*e.Kernel.W+j] * (square(float64(i-e.Kernel.H/2)-cy) + square(float64(j-e.Kernel.W/2)-cx))
		}
	}
	return math.Sqrt(s)
}

// A Found is what JSON shows of an Estimate.
type Found struct {
	Kind Kind `json:"kind"`
	// Size is the number of taps of a side of the kernel, which is square, or that of
	// the longer side.
	Size int `json:"size"`
	// Parameters are those of the family by name, Intervals their 95% intervals.
	Parameters map[string]float64    `json:"parameters"`
	Intervals  map[string][2]float64 `json:"intervals"`
	// Centroid is in rows and columns from the middle tap, Width in pixels.
	Centroid   [2]float64 `json:"centroid"`
	Width      float64    `json:"width"`
	Confidence float64    `json:"confidence"`
	Sharp      bool       `json:"sharp"`
	Varies     bool       `json:"varies"`
	// Enlarged is the period of an enlarged picture.
	Enlarged int `json:"enlarged,omitempty"`
}

// Found is the estimate in the form that JSON shows.
func (e Estimate) Found() Found {
	y, x := e.Centroid()
	f := Found{
		Kind: e.Kind, Size: max(e.Kernel.H, e.Kernel.W),
		Parameters: map[string]float64{}, Intervals: map[string][2]float64{}, Centroid: [2]float64{y, x},
		Width: e.Width(), Confidence: e.Confidence, Sharp: e.Kind == Sharp, Varies: e.Varies, Enlarged: e.Enlarged,
	}
	for _, p := range e.Parameters {
		f.Parameters[p.Name], f.Intervals[p.Name] = p.Value, [2]float64{p.Lo, p.Hi}
	}
	return f
}

// MarshalJSON writes Found.
func (e Estimate) MarshalJSON() ([]byte, error) { return json.Marshal(e.Found()) }

// Operator is the blur as an operator: that of the family, blur:auto with the
// kernel for its data where it is free, and denoise for a sharp picture.
func (e Estimate) Operator(b operators.Boundary) operators.Spec {
	text := "blur:auto,kind=free"
	switch e.Kind {
	case Sharp:
		return operators.Spec{}
	case Gaussian:
		text = fmt.Sprintf("blur:gaussian,sigma=%.4g", e.Parameters[0].Value)
	case Disk:
		text = fmt.Sprintf("blur:disk,radius=%.4g", e.Parameters[0].Value)
	case Motion:
		text = fmt.Sprintf("blur:motion,length=%.4g,angle=%.4g", e.Parameters[0].Value, e.Parameters[1].Value)
	}
	s, err := operators.ParseSpec(text)
	if err != nil {
		panic(err)
	}
	s = s.WithBoundary(b)
	if e.Kind == Free {
		s = s.WithData(e.Image())
	}
	return s
}

// Image is the kernel as a picture of one channel that sums to 1.
func (e Estimate) Image() operators.Image {
	m := operators.NewImage(operators.Shape{C: 1, H: e.Kernel.H, W: e.Kernel.W})
	for i, t := range e.Kernel.Taps {
		m.Pix[i] = float32(t)
	}
	return m
}

// String says in a line what the blur is.
func (e Estimate) String() string {
	var b strings.Builder
	switch e.Kind {
	case Sharp:
		return "sharp: no blur worth undoing"
	case Free:
		fmt.Fprintf(&b, "free kernel of %dx%d taps, %.2g pixels wide", e.Kernel.W, e.Kernel.H, e.Width())
	default:
		b.WriteString(string(e.Kind))
		for i, p := range e.Parameters {
			if i > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, " %s %.3g (%.3g to %.3g)", p.Name, p.Value, p.Lo, p.Hi)
		}
	}
	fmt.Fprintf(&b, ", confidence %.2f", e.Confidence)
	if e.Varies {
		b.WriteString("; it varies over the picture")
	}
	if e.Interpolated() {
		b.WriteString("; the picture seems to have been enlarged")
	}
	return b.String()
}

// planeOf is the brightness of a picture with the pixels that count, scaled where
// its contrast is far from 1; unit is that scale.
func planeOf(y operators.Image, deviation float64) (p plane, unit float64) {
	n := y.H * y.W
	m := operators.NewImage(operators.Shape{C: 1, H: y.H, W: y.W})
	weights := []float32{0.299, 0.587, 0.114}
	if y.C != 3 {
		weights = make([]float32, y.C)
		for c := range weights {
			weights[c] = 1 / float32(y.C)
		}
	}
	p = plane{h: y.H, w: y.W, pix: m.Pix, ok: make([]bool, n)}
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for c, t := range weights {
		for i, v := range y.Plane(c) {
			m.Pix[i] += t * v
			if v == v {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	ends := [2]int{}
	for _, v := range y.Pix {
		if v == lo {
			ends[0]++
		}
		if v == hi {
			ends[1]++
		}
	}
	// Clipped samples pile up at an end.
	least := max(4, len(y.Pix)/5000)
	for i := range p.ok {
		p.ok[i] = true
		for c := range weights {
			v := y.Plane(c)[i]
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				p.ok[i], m.Pix[i] = false, 0
			}
			if v == lo && ends[0] > least || v == hi && ends[1] > least {
				p.ok[i] = false
			}
		}
	}
	good := 0
	for _, ok := range p.ok {
		if ok {
			good++
		}
	}
	if good < n/2 { // a page, a drawing: the ends are its colours
		for i := range p.ok {
			p.ok[i] = true
		}
	}
	var sorted []float32
	for i := 0; i < n; i += 1 + n/1_000_000 { // enough to tell the contrast
		sorted = append(sorted, m.Pix[i])
	}
	slices.Sort(sorted)
	unit = 1
	few := len(sorted) / 200
	span := float64(sorted[len(sorted)-1-few] - sorted[few])
	if span > 0 && (span < 0.2 || span > 1.5) {
		unit = span
		for i := range m.Pix {
			m.Pix[i] /= float32(span)
		}
	}
	p.noise = deviation / unit
	if deviation == 0 {
		p.noise = noise.FindWhite(m)
	}
	p.noise = max(p.noise, 1./255/3.4641)
	return p, unit
}

// contrast reports whether there is more in a plane than noise.
func (p plane) contrast() bool {
	mean, sq := 0.0, 0.0
	for _, v := range p.pix {
		mean += float64(v)
		sq += float64(v) * float64(v)
	}
	n := float64(len(p.pix))
	return sq/n-square(mean/n) > 1.5*square(p.noise)
}
