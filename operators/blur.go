package operators

import (
	"fmt"
	"math"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// blur is convolution with a kernel under any boundary: the picture is
// continued onto a canvas (pad), the canvas is convolved where the kernel is
// covered (valid). The adjoint is the transpose of the two, in reverse.
type blur struct {
	domain, codomain Shape
	kernel           Kernel
	boundary         Boundary
	canvas           Shape // one plane
	rows, cols       []int // canvas index -> source index, -1 black; nil: the canvas is the picture
	conv             validConv
	scratch          sync.Pool // of *[]float32, canvas.Len() long
	norm             func() float64
	torus            func() *circulant // that of the blur with the circular boundary
}

// validConv convolves one plane of hp x wp samples, keeping the
// (hp-kh+1) x (wp-kw+1) places where the kernel lies inside.
type validConv interface {
	// apply writes dst = K canvas.
	apply(dst, canvas []float32)
	// adjoint writes canvas = K'y.
	adjoint(canvas, y []float32)
}

// NewBlur returns the convolution of every channel with kernel k,
//
//	y(i,j) = sum over (a,b) of k(a,b) x(i+H/2-a, j+W/2-b)
//
// (true convolution: the kernel is what a single bright point becomes), where
// x continues beyond the frame as the boundary says. s is the shape of the
// scene, the domain. The codomain is the same, except with Valid, where it is
// the fully covered part, (s.H-k.H+1) x (s.W-k.W+1); there an error is
// returned if the kernel is larger than the scene.
//
// The result is a NormalSolver where A'A is diagonal in a fast transform: with
// Circular (Fourier), and with Symmetric if the kernel is even in x and in y
// (cosine transform; Ng, Chan, Tang, SIAM J. Sci. Comput. 21, 1999). For the
// others there is CG.
func NewBlur(s Shape, k Kernel, b Boundary) (Linear, error) {
	if err := checkBlur(s, k, b); err != nil {
		return nil, err
	}
	if b == Circular {
		return newCircularBlur(s, k), nil
	}
	a := newBlur(s, k, b)
	if b == Symmetric && k.symmetric() {
		return newCosineBlur(a), nil
	}
	return a, nil
}

func checkBlur(s Shape, k Kernel, b Boundary) error {
	if err := checkShape(s); err != nil {
		return err
	}
	if err := checkKernelSize(max(k.H, k.W)); err != nil {
		return err
	}
	if err := checkKernelSize(min(k.H, k.W)); err != nil {
		return err
	}
	checkLen("kernel taps", len(k.Taps), k.H*k.W)
	if b < Symmetric || b > Valid {
		return fmt.Errorf("operators: unknown boundary %v", b)
	}
	if b == Valid && (k.H > s.H || k.W > s.W) {
		return fmt.Errorf("operators: kernel %dx%d is larger than the scene %dx%d; boundary valid needs it inside", k.H, k.W, s.H, s.W)
	}
	return nil
}

func newBlur(s Shape, k Kernel, b Boundary) *blur {
	a := &blur{domain: s, codomain: s, kernel: k, boundary: b}
	if b == Valid {
		a.codomain = Shape{s.C, s.H - k.H + 1, s.W - k.W + 1}
		a.canvas = Shape{1, s.H, s.W}
	} else {
		a.canvas = Shape{1, s.H + k.H - 1, s.W + k.W - 1}
		a.rows = continued(b, s.H, k.H)
		a.cols = continued(b, s.W, k.W)
	}
	a.conv = newValidConv(a.canvas.H, a.canvas.W, k)
	a.scratch.New = func() any { p := make([]float32, a.canvas.Len()); return &p }
	a.norm = sync.OnceValue(func() float64 { return blurNorm(a, k) })
	a.torus = onceTorus(s, k)
	return a
}

// onceTorus is A'A of the blur on the torus, made at its first use.
func onceTorus(s Shape, k Kernel) func() *circulant {
	return sync.OnceValue(func() *circulant {
		p := &circulant{plans: newSpectrum(s.H, s.W)}
		for _, g := range p.plans.gain(k, k.H/2, k.W/2) {
			p.gain = append(p.gain, float32(abs2(g)))
		}
		return p
	})
}

// continued lists the source of each of the n+k-1 canvas positions that a
// kernel of k taps needs along a line of n samples.
func continued(b Boundary, n, k int) []int {
	at := make([]int, n+k-1)
	for i := range at {
		at[i] = b.source(i-(k-1-k/2), n)
	}
	return at
}

// Domain is the shape of the scene.
func (a *blur) Domain() Shape { return a.domain }

// Codomain is the shape of the blurred picture.
func (a *blur) Codomain() Shape { return a.codomain }

// Apply writes the blurred x to dst.
func (a *blur) Apply(dst, x []float32) {
	checkLen("blur.Apply dst", len(dst), a.codomain.Len())
	checkLen("blur.Apply x", len(x), a.domain.Len())
	p := a.scratch.Get().(*[]float32)
	defer a.scratch.Put(p)
	n, m := a.domain.H*a.domain.W, a.codomain.H*a.codomain.W
	for c := range a.domain.C {
		plane := x[c*n : (c+1)*n]
		if a.rows != nil {
			a.pad(*p, plane)
			plane = *p
		}
		a.conv.apply(dst[c*m:(c+1)*m], plane)
	}
}

// Adjoint writes A'y to dst.
func (a *blur) Adjoint(dst, y []float32) {
	checkLen("blur.Adjoint dst", len(dst), a.domain.Len())
	checkLen("blur.Adjoint y", len(y), a.codomain.Len())
	p := a.scratch.Get().(*[]float32)
	defer a.scratch.Put(p)
	n, m := a.domain.H*a.domain.W, a.codomain.H*a.codomain.W
	for c := range a.domain.C {
		plane := dst[c*n : (c+1)*n]
		if a.rows == nil {
			a.conv.adjoint(plane, y[c*m:(c+1)*m])
			continue
		}
		a.conv.adjoint(*p, y[c*m:(c+1)*m])
		a.fold(plane, *p)
	}
}

// PreconditionNormal is a NormalPreconditioner: the same blur with the circular boundary,
// for which it is the inverse, with differences around the torus.
func (a *blur) PreconditionNormal(dst, b []float32, rho, mu float64) {
	a.torus().precondition(dst, b, a.domain, rho, mu)
}

// Norm is ||A|| or a tight upper bound.
func (a *blur) Norm() float64 { return a.norm() }

// plane is the same blur on one channel.
func (a *blur) plane() *blur {
	p := &blur{domain: a.domain, codomain: a.codomain, kernel: a.kernel, boundary: a.boundary,
		canvas: a.canvas, rows: a.rows, cols: a.cols, conv: a.conv}
	p.domain.C, p.codomain.C = 1, 1
	p.scratch.New = func() any { s := make([]float32, p.canvas.Len()); return &s }
	return p
}

// pad continues one plane onto the canvas.
func (a *blur) pad(canvas, x []float32) {
	w, wp := a.domain.W, a.canvas.W
	left := (a.kernel.W - 1) - a.kernel.W/2
	for i, r := range a.rows {
		row := canvas[i*wp : (i+1)*wp]
		if r < 0 {
			clear(row)
			continue
		}
		src := x[r*w : (r+1)*w]
		copy(row[left:], src)
		for j, c := range a.cols[:left] {
			row[j] = pick(src, c)
		}
		for j, c := range a.cols[left+w:] {
			row[left+w+j] = pick(src, c)
		}
	}
}

func pick(src []float32, i int) float32 {
	if i < 0 {
		return 0
	}
	return src[i]
}

// fold is the transpose of pad: every canvas sample is added to its source.
// The canvas is used up.
func (a *blur) fold(x, canvas []float32) {
	w, wp := a.domain.W, a.canvas.W
	left := (a.kernel.W - 1) - a.kernel.W/2
	clear(x)
	for i, r := range a.rows {
		if r < 0 {
			continue
		}
		row, dst := canvas[i*wp:(i+1)*wp], x[r*w:(r+1)*w]
		for j, v := range row[left : left+w] {
			dst[j] += v
		}
		for j, c := range a.cols[:left] {
			if c >= 0 {
				dst[c] += row[j]
			}
		}
		for j, c := range a.cols[left+w:] {
			if c >= 0 {
				dst[c] += row[left+w+j]
			}
		}
	}
}

// newValidConv picks the fastest way for this kernel and canvas.
func newValidConv(hp, wp int, k Kernel) validConv {
	u, v, ok := k.factors()
	switch {
	case !summed(k):
		return newSpectralConv(hp, wp, k)
	case ok:
		return newSeparableConv(hp, wp, u, v)
	}
	return newDirectConv(hp, wp, k)
}

// summed says whether the sum over the kernel's taps is faster than the
// transform.
func summed(k Kernel) bool {
	if _, _, ok := k.factors(); ok {
		return k.H+k.W <= fftTaps
	}
	return k.H*k.W <= fftTaps
}

// fftTaps is the number of multiplications a sample up to which the sum wins,
// measured on 512x512.
const fftTaps = 14

// directConv is the double sum.
type directConv struct {
	wp, h, w int
	kh, kw   int
	taps     []float32 // reversed: taps[a*kw+b] meets canvas(i+a, j+b)
}

func newDirectConv(hp, wp int, k Kernel) *directConv {
	d := &directConv{wp: wp, h: hp - k.H + 1, w: wp - k.W + 1, kh: k.H, kw: k.W}
	d.taps = reversed(k.Taps)
	return d
}

func (d *directConv) apply(dst, canvas []float32) {
	for i := range d.h {
		row := dst[i*d.w : (i+1)*d.w]
		clear(row)
		for a := range d.kh {
			gather(row, canvas[(i+a)*d.wp:(i+a+1)*d.wp], d.taps[a*d.kw:(a+1)*d.kw])
		}
	}
}

func (d *directConv) adjoint(canvas, y []float32) {
	clear(canvas)
	for i := range d.h {
		row := y[i*d.w : (i+1)*d.w]
		for a := range d.kh {
			scatter(canvas[(i+a)*d.wp:(i+a+1)*d.wp], row, d.taps[a*d.kw:(a+1)*d.kw])
		}
	}
}

// separableConv is the sum along columns, then along rows.
type separableConv struct {
	wp, h, w int
	u, v     []float32 // reversed
	line     sync.Pool // of *[]float32, wp long
}

func newSeparableConv(hp, wp int, u, v []float64) *separableConv {
	s := &separableConv{wp: wp, h: hp - len(u) + 1, w: wp - len(v) + 1, u: reversed(u), v: reversed(v)}
	s.line.New = func() any { p := make([]float32, wp); return &p }
	return s
}

func (s *separableConv) apply(dst, canvas []float32) {
	p := s.line.Get().(*[]float32)
	defer s.line.Put(p)
	t := *p
	for i := range s.h {
		clear(t)
		for a, u := range s.u {
			kernel.Axpy(t, u, canvas[(i+a)*s.wp:(i+a+1)*s.wp])
		}
		row := dst[i*s.w : (i+1)*s.w]
		clear(row)
		gather(row, t, s.v)
	}
}

func (s *separableConv) adjoint(canvas, y []float32) {
	p := s.line.Get().(*[]float32)
	defer s.line.Put(p)
	t := *p
	clear(canvas)
	for i := range s.h {
		clear(t)
		scatter(t, y[i*s.w:(i+1)*s.w], s.v)
		for a, u := range s.u {
			kernel.Axpy(canvas[(i+a)*s.wp:(i+a+1)*s.wp], u, t)
		}
	}
}

func reversed(t []float64) []float32 {
	r := make([]float32, len(t))
	for i, v := range t {
		r[len(t)-1-i] = float32(v)
	}
	return r
}

// gather adds sum over b of taps[b]*src[j+b] to dst[j].
func gather(dst, src, taps []float32) {
	n, b := len(dst), 0
	for ; b+4 <= len(taps); b += 4 {
		k0, k1, k2, k3 := taps[b], taps[b+1], taps[b+2], taps[b+3]
		s0, s1, s2, s3 := src[b:b+n], src[b+1:b+1+n], src[b+2:b+2+n], src[b+3:b+3+n]
		for j := range dst {
			dst[j] += k0*s0[j] + k1*s1[j] + k2*s2[j] + k3*s3[j]
		}
	}
	for ; b < len(taps); b++ {
		kernel.Axpy(dst, taps[b], src[b:b+n])
	}
}

// scatter adds taps[b]*src[j] to dst[j+b]: the transpose of gather.
func scatter(dst, src, taps []float32) {
	for b, k := range taps {
		kernel.Axpy(dst[b:b+len(src)], k, src)
	}
}

// spectralConv convolves by Fourier transforms of a grid that is moved over
// the canvas (overlap-save): what wraps around falls on the first kh-1 rows
// and kw-1 columns of the grid, which are not kept.
type spectralConv struct {
	hp, wp, kh, kw int
	plans          *spectrum
	gain           []complex64 // transform of the kernel
}

func newSpectralConv(hp, wp int, k Kernel) *spectralConv {
	s := &spectralConv{hp: hp, wp: wp, kh: k.H, kw: k.W}
	s.plans = newSpectrum(gridSize(hp, k.H), gridSize(wp, k.W))
	s.gain = s.plans.gain(k, 0, 0)
	return s
}

// gridSize is the side of the grid for a canvas of n samples and a kernel of
// k taps: all of the canvas, or, where that is long, the multiple of the
// kernel with the least work, so that memory stays bounded.
func gridSize(n, k int) int {
	whole := fastSize(n)
	if whole <= 1024 {
		return whole
	}
	best, cost := whole, math.Inf(1)
	for g := fastSize(max(256, 2*k)); g <= min(whole, max(1024, 4*k)); g = fastSize(g + 1) {
		tiles := (n - 1) / (g - k + 1) // ceil((n-k+1)/(g-k+1)), k-1 more for the adjoint
		if c := float64(tiles+1) * float64(g) * math.Log2(float64(g)); c < cost {
			best, cost = g, c
		}
	}
	return best
}

func (s *spectralConv) apply(dst, canvas []float32) {
	h, w := s.hp-s.kh+1, s.wp-s.kw+1
	s.tiles(h, w, func(t *spectrumWork, y, x, rows, cols int) {
		s.plans.load(t.grid, canvas, s.hp, s.wp, y, x)
		t.fft.Forward(t.freq, t.grid)
		for i, g := range s.gain {
			t.freq[i] *= g
		}
		t.fft.Inverse(t.grid, t.freq)
		for i := range rows {
			copy(dst[(y+i)*w+x:(y+i)*w+x+cols], t.grid[(s.kh-1+i)*s.plans.w+s.kw-1:])
		}
	})
}

func (s *spectralConv) adjoint(canvas, y []float32) {
	h, w := s.hp-s.kh+1, s.wp-s.kw+1
	s.tiles(s.hp, s.wp, func(t *spectrumWork, i0, j0, rows, cols int) {
		s.plans.load(t.grid, y, h, w, i0-s.kh+1, j0-s.kw+1)
		t.fft.Forward(t.freq, t.grid)
		for i, g := range s.gain {
			t.freq[i] *= conj(g)
		}
		t.fft.Inverse(t.grid, t.freq)
		for i := range rows {
			at := (i0+i)*s.wp + j0
			copy(canvas[at:at+cols], t.grid[i*s.plans.w:])
		}
	})
}

// tiles calls f for the parts of an h x w result, each rows x cols from
// (y,x).
func (s *spectralConv) tiles(h, w int, f func(t *spectrumWork, y, x, rows, cols int)) {
	t := s.plans.get()
	defer s.plans.put(t)
	th, tw := s.plans.h-s.kh+1, s.plans.w-s.kw+1
	if s.plans.h >= s.hp {
		th = h // beyond the frame there are zeros, which may wrap around
	}
	if s.plans.w >= s.wp {
		tw = w
	}
	for y := 0; y < h; y += th {
		for x := 0; x < w; x += tw {
			f(t, y, x, min(th, h-y), min(tw, w-x))
		}
	}
}

func conj(z complex64) complex64 { return complex(real(z), -imag(z)) }

func abs2(z complex64) float64 {
	return float64(real(z))*float64(real(z)) + float64(imag(z))*float64(imag(z))
}

// fastSize is the smallest product of 2, 3 and 5 that is even and at least n.
func fastSize(n int) int {
	for m := max(2, n+n%2); ; m += 2 {
		r := m
		for _, p := range []int{2, 3, 5} {
			for r%p == 0 {
				r /= p
			}
		}
		if r == 1 {
			return m
		}
	}
}

// blurNorm bounds ||A|| from above. A non-negative kernel gives a
// non-negative A'A, whose largest eigenvalue lies below max (A'Ax)_i / x_i for
// every positive x (Collatz-Wielandt); power iterations from the constant
// image tighten it, eight of them to a few percent. Other kernels are bounded by their Fourier transform where
// the boundary only leaves samples out, and estimated where it repeats them.
func blurNorm(a *blur, k Kernel) float64 {
	if k.nonNegative() {
		return positiveNorm(a.plane(), 8, 1e-3)
	}
	if a.boundary == Zero || a.boundary == Valid {
		p := newSpectrum(fastSize(a.canvas.H), fastSize(a.canvas.W))
		top := 0.0
		for _, g := range p.gain(k, 0, 0) {
			top = max(top, abs2(g))
		}
		return math.Sqrt(top)
	}
	return PowerNorm(a.plane(), 300, 1e-7, 1)
}

// positiveNorm bounds the norm of an operator without negative entries from
// above, within tol relative or as near as iters iterations come.
func positiveNorm(a Linear, iters int, tol float64) float64 {
	x := make([]float32, a.Domain().Len())
	z := make([]float32, len(x))
	y := make([]float32, a.Codomain().Len())
	for i := range x {
		x[i] = 1
	}
	upper := math.Inf(1)
	for range iters {
		a.Apply(y, x)
		a.Adjoint(z, y)
		xx, yy, top := 0.0, 0.0, 0.0
		for i, v := range x {
			xx += float64(v) * float64(v)
			top = max(top, float64(z[i])/float64(v))
		}
		for _, v := range y {
			yy += float64(v) * float64(v)
		}
		upper = min(upper, math.Sqrt(top))
		if upper <= (1+tol)*math.Sqrt(yy/xx) {
			break
		}
		// A floor keeps x positive where the operator is zero.
		scale, floor := float32(1/top), float32(1e-12)
		for i, v := range z {
			x[i] = max(v*scale, floor)
		}
	}
	return upper * (1 + 1e-6) // the sums above are rounded to float32
}
