package operators

import (
	"fmt"
	"math"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"
)

// A Filter says how one sample of a smaller picture is computed: it has a weight for
// each distance from the centre of the sample. The unit of distance is a sample of the
// smaller picture. So a filter widens with the factor, and removes the frequencies that
// the smaller grid cannot represent (antialiasing).
type Filter struct {
	name string
	// support is the distance beyond which the weight is 0; at gives the weight.
	support float64
	at      func(t float64) float64
	// cover weighs a pixel by the part of it that lies within the support, not by
	// its centre.
	cover bool
	// sigma is the deviation of a Gaussian in pixels of the larger picture, or 0
	// for half the factor.
	sigma float64
}

// Filters for NewResample. Pillow and ImageMagick compute the same numbers to the rounding
// of 8 bits: Box (Pillow's BOX, ImageMagick's Box), Bilinear (BILINEAR, Triangle), Bicubic
// (BICUBIC, Catrom) and Lanczos3 (LANCZOS, Lanczos). Area is the same as Box for whole
// factors; for others it takes the parts of pixels that lie in the area of a sample
// (OpenCV's INTER_AREA, ImageMagick's -scale) where Box takes whole pixels.
var (
	Area     = Filter{name: "area", support: 0.5, cover: true}
	Box      = Filter{name: "box", support: 0.5, at: box}
	Bilinear = Filter{name: "bilinear", support: 1, at: triangle}
	Bicubic  = Filter{name: "bicubic", support: 2, at: cubicConvolution}
	Lanczos3 = Filter{name: "lanczos3", support: 3, at: lanczos3}
)

// GaussianFilter is a Gaussian of deviation sigma > 0 in pixels of the larger
// picture, cut off at 3 sigma; 0 means half the factor.
func GaussianFilter(sigma float64) Filter { return Filter{name: "gaussian", sigma: sigma} }

// String is the filter's name in specs.
func (f Filter) String() string { return f.name }

// filters are those without a parameter.
var filters = []Filter{Area, Box, Bilinear, Bicubic, Lanczos3}

// box is 1 in (-1/2,1/2].
func box(t float64) float64 {
	if t > -0.5 && t <= 0.5 {
		return 1
	}
	return 0
}

func triangle(t float64) float64 { return max(0, 1-math.Abs(t)) }

// cubicConvolution is that of Keys (IEEE Trans. ASSP 29, 1981) with a = -1/2.
func cubicConvolution(t float64) float64 {
	const a = -0.5
	switch t = math.Abs(t); {
	case t < 1:
		return ((a+2)*t-(a+3))*t*t + 1
	case t < 2:
		return ((a*t-5*a)*t+8*a)*t - 4*a
	}
	return 0
}

// lanczos3 is sinc(t) sinc(t/3) for |t| < 3.
func lanczos3(t float64) float64 {
	if math.Abs(t) >= 3 {
		return 0
	}
	return sinc(t) * sinc(t/3)
}

func sinc(t float64) float64 {
	if t == 0 {
		return 1
	}
	return math.Sin(math.Pi*t) / (math.Pi * t)
}

// for a factor: the support in pixels of the larger picture, and the weight at a
// distance in them.
func (f Filter) on(factor float64) (support float64, at func(d float64) float64) {
	wide := max(factor, 1)
	if f.name == "gaussian" {
		sigma := f.sigma
		if sigma == 0 {
			sigma = wide / 2
		}
		return max(3*sigma, 0.5), func(d float64) float64 { return math.Exp(-d * d / (2 * sigma * sigma)) }
	}
	if f.cover {
		half := factor / 2
		return half + 0.5, func(d float64) float64 {
			return max(0, min(d+0.5, half)-max(d-0.5, -half))
		}
	}
	return f.support * wide, func(d float64) float64 { return f.at(d / wide) }
}

// bands is resampling along one axis: sample k of m is the sum of weight[k][i]
// times sample from[k]+i of n.
type bands struct {
	n, m   int
	from   []int
	weight [][]float32
	wide   [][]float64 // the same before rounding
}

func newBands(f Filter, n, m int) *bands {
	factor := float64(n) / float64(m)
	support, at := f.on(factor)
	b := &bands{n: n, m: m, from: make([]int, m), weight: make([][]float32, m), wide: make([][]float64, m)}
	for k := range m {
		centre := (float64(k)+0.5)*factor - 0.5
		lo := max(0, int(math.Ceil(centre-support-1e-9)))
		hi := min(n-1, int(math.Floor(centre+support+1e-9)))
		w, sum := []float64{}, 0.0
		for i := lo; i <= hi; i++ {
			w = append(w, at(float64(i)-centre))
			sum += w[i-lo]
		}
		// Weights of 0 at the ends are left out.
		for len(w) > 1 && math.Abs(w[0]) <= 1e-12*sum {
			w, lo = w[1:], lo+1
		}
		for len(w) > 1 && math.Abs(w[len(w)-1]) <= 1e-12*sum {
			w = w[:len(w)-1]
		}
		b.from[k], b.wide[k], b.weight[k] = lo, w, make([]float32, len(w))
		for i := range w {
			w[i] /= sum
			b.weight[k][i] = float32(w[i])
		}
	}
	return b
}

// gram is the entry (j,k) of R R', k >= j.
func (b *bands) gram(j, k int) float64 {
	sum := 0.0
	for i := max(b.from[j], b.from[k]); i < min(b.from[j]+len(b.wide[j]), b.from[k]+len(b.wide[k])); i++ {
		sum += b.wide[j][i-b.from[j]] * b.wide[k][i-b.from[k]]
	}
	return sum
}

// norm is ||R||, by the power method on R R' in double precision. Its error is
// below 1e-6; it is rounded up by as much.
func (b *bands) norm() float64 {
	v, w, x := make([]float64, b.m), make([]float64, b.m), make([]float64, b.n)
	for i := range v {
		v[i] = 1 + 0.3*math.Sin(float64(i*i))
	}
	last := 0.0
	for range 1000 {
		clear(x)
		for k, t := range b.wide {
			for i, c := range t {
				x[b.from[k]+i] += c * v[k]
			}
		}
		vv, xx, ww := 0.0, 0.0, 0.0
		for k, t := range b.wide {
			w[k] = 0
			for i, c := range t {
				w[k] += c * x[b.from[k]+i]
			}
			ww += w[k] * w[k]
			vv += v[k] * v[k]
		}
		for _, t := range x {
			xx += t * t
		}
		s := math.Sqrt(ww)
		for k := range v {
			v[k] = w[k] / s
		}
		now := xx / vv
		if math.Abs(now-last) <= 1e-9*now {
			break
		}
		last = now
	}
	return math.Sqrt(last) * (1 + 1e-6)
}

// diagonal is the diagonal of R R' where it has no other entries, else nil.
func (b *bands) diagonal() []float64 {
	d := make([]float64, b.m)
	for k := range d {
		d[k] = b.gram(k, k)
		for j := k + 1; j < b.m && b.from[j] < b.from[k]+len(b.wide[k]); j++ {
			if math.Abs(b.gram(k, j)) > 1e-12*d[k] {
				return nil
			}
		}
	}
	return d
}

// resample is R1 along y and R2 along x: A = R1 x R2.
type resample struct {
	domain, codomain Shape
	down, across     *bands
	mid              sync.Pool // of *[]float32, codomain.H x domain.W
	norm             func() float64
}

// NewResample returns the operator that makes pictures of shape s smaller, to h x w
// pixels, as programs do: with the factors f = H/h along y and W/w along x, sample
// k of an axis is centred at f k + (f-1)/2 of the larger picture, where the centres
// of samples lie when both pictures have the same edges, and
//
//	y(k) = sum_i w((i - f k - (f-1)/2) / f) x(i) / sum_i w(...).
//
// The sum is over pixels inside the picture only, so it assumes nothing about what is
// beyond the frame. Factors are between 1 and MaxFactor; they need not be whole or
// equal.
//
// The result is a NormalSolver where A A' is easily inverted: always for Area and
// Box with whole factors, whose samples share no pixels, and for others up to 512
// samples a side, by the eigenvectors of R1 R1' and R2 R2'. For the rest there is
// CG.
func NewResample(s Shape, h, w int, f Filter) (Linear, error) {
	if err := checkShape(s); err != nil {
		return nil, err
	}
	switch {
	case f.name == "":
		return nil, fmt.Errorf("operators: no filter to resample by")
	case h < 1 || w < 1 || h > s.H || w > s.W:
		return nil, fmt.Errorf("operators: %dx%d made smaller to %dx%d pixels; want 1 or more, and no more than there are", s.W, s.H, w, h)
	case h*MaxFactor < s.H || w*MaxFactor < s.W:
		return nil, fmt.Errorf("operators: %dx%d made smaller to %dx%d pixels; want at most %d-fold", s.W, s.H, w, h, MaxFactor)
	case !(f.sigma >= 0) || f.sigma > MaxKernel:
		return nil, fmt.Errorf("operators: sigma %v; want a positive number of pixels", f.sigma)
	}
	a := &resample{domain: s, codomain: Shape{s.C, h, w}, down: newBands(f, s.H, h), across: newBands(f, s.W, w)}
	a.mid.New = func() any { p := make([]float32, h*s.W); return &p }
	a.norm = sync.OnceValue(func() float64 { return a.down.norm() * a.across.norm() })
	d, e := a.down.diagonal(), a.across.diagonal()
	const most = 512
	if d != nil && e != nil || h <= most && w <= most {
		return &resampleNormal{resample: a, axes: sync.OnceValue(func() [2]eigen {
			return [2]eigen{newEigen(a.down, d), newEigen(a.across, e)}
		})}, nil
	}
	return a, nil
}

// Domain is the shape of the larger picture.
func (a *resample) Domain() Shape { return a.domain }

// Codomain is the shape of the smaller picture.
func (a *resample) Codomain() Shape { return a.codomain }

// Norm is ||R1|| ||R2||.
func (a *resample) Norm() float64 { return a.norm() }

// Apply makes x smaller.
func (a *resample) Apply(dst, x []float32) {
	checkLen("Resample.Apply dst", len(dst), a.codomain.Len())
	checkLen("Resample.Apply x", len(x), a.domain.Len())
	p := a.mid.Get().(*[]float32)
	defer a.mid.Put(p)
	mid := *p
	h, w, wide := a.codomain.H, a.codomain.W, a.domain.W
	for c := range a.domain.C {
		plane := x[c*a.domain.H*wide:]
		for k := range h {
			row := mid[k*wide : (k+1)*wide]
			clear(row)
			for i, t := range a.down.weight[k] {
				kernel.Axpy(row, t, plane[(a.down.from[k]+i)*wide:][:wide])
			}
			out := dst[(c*h+k)*w:][:w]
			for j, t := range a.across.weight {
				part := row[a.across.from[j]:][:len(t)]
				sum := float32(0)
				for i, v := range t {
					sum += v * part[i]
				}
				out[j] = sum
			}
		}
	}
}

// Adjoint spreads every sample over the pixels that it is made of.
func (a *resample) Adjoint(dst, y []float32) {
	checkLen("Resample.Adjoint dst", len(dst), a.domain.Len())
	checkLen("Resample.Adjoint y", len(y), a.codomain.Len())
	p := a.mid.Get().(*[]float32)
	defer a.mid.Put(p)
	row := (*p)[:a.domain.W]
	h, w, wide := a.codomain.H, a.codomain.W, a.domain.W
	clear(dst)
	for c := range a.domain.C {
		plane := dst[c*a.domain.H*wide:]
		for k := range h {
			clear(row)
			for j, v := range y[(c*h+k)*w:][:w] {
				part := row[a.across.from[j]:]
				for i, t := range a.across.weight[j] {
					part[i] += t * v
				}
			}
			for i, t := range a.down.weight[k] {
				kernel.Axpy(plane[(a.down.from[k]+i)*wide:][:wide], t, row)
			}
		}
	}
}

// Interpolate enlarges y by Bicubic on the same grid, as programs do.
func (a *resample) Interpolate(dst, y []float32) {
	checkLen("Resample.Interpolate dst", len(dst), a.domain.Len())
	checkLen("Resample.Interpolate y", len(y), a.codomain.Len())
	big, small := a.domain, a.codomain
	up := &resample{domain: small, codomain: big, down: newBands(Bicubic, small.H, big.H), across: newBands(Bicubic, small.W, big.W)}
	up.mid.New = func() any { p := make([]float32, big.H*small.W); return &p }
	up.Apply(dst, y)
}

// resampleNormal inverts A A' + rho I, with R1 R1' = U D U' and R2 R2' = V E V'
// as (U x V)(D x E + rho I)^-1 (U x V)', and
//
//	(A'A + rho I)^-1 b = (b - A'(A A' + rho I)^-1 A b) / rho.
type resampleNormal struct {
	*resample
	axes func() [2]eigen
}

// An eigen is R R' = U diag(value) U'.
type eigen struct {
	value  []float64
	vector blas32.General // U; no rows: the identity
}

func newEigen(b *bands, diagonal []float64) eigen {
	if diagonal != nil {
		return eigen{value: diagonal}
	}
	g := mat.NewSymDense(b.m, nil)
	for j := range b.m {
		for k := j; k < b.m && b.from[k] < b.from[j]+len(b.wide[j]); k++ {
			g.SetSym(j, k, b.gram(j, k))
		}
	}
	var e mat.EigenSym
	if !e.Factorize(g, true) {
		panic("operators: the eigenvalues of a symmetric matrix do not converge")
	}
	var u mat.Dense
	e.VectorsTo(&u)
	out := eigen{value: e.Values(nil), vector: blas32.General{Rows: b.m, Cols: b.m, Stride: b.m, Data: make([]float32, b.m*b.m)}}
	for i := range out.vector.Data {
		out.vector.Data[i] = float32(u.At(i/b.m, i%b.m))
	}
	return out
}

// SolveNormal solves (A'A + rho I) x = b.
func (a *resampleNormal) SolveNormal(dst, b []float32, rho float64) {
	checkLen("Resample.SolveNormal dst", len(dst), a.domain.Len())
	checkLen("Resample.SolveNormal b", len(b), a.domain.Len())
	axes := a.axes()
	y := make([]float32, a.codomain.Len())
	a.Apply(y, b)
	h, w := a.codomain.H, a.codomain.W
	for c := range a.codomain.C {
		z := blas32.General{Rows: h, Cols: w, Stride: w, Data: y[c*h*w:][:h*w]}
		rotate(z, axes, blas.Trans)
		for k, d := range axes[0].value {
			for j, e := range axes[1].value {
				z.Data[k*w+j] = float32(float64(z.Data[k*w+j]) / (d*e + rho))
			}
		}
		rotate(z, axes, blas.NoTrans)
	}
	back := make([]float32, a.domain.Len())
	a.Adjoint(back, y)
	k := float32(1 / rho)
	for i, v := range back {
		dst[i] = k * (b[i] - v)
	}
}

// rotate is z = U'z V, or U z V' with NoTrans.
func rotate(z blas32.General, axes [2]eigen, t blas.Transpose) {
	other := map[blas.Transpose]blas.Transpose{blas.Trans: blas.NoTrans, blas.NoTrans: blas.Trans}[t]
	tmp := blas32.General{Rows: z.Rows, Cols: z.Cols, Stride: z.Cols, Data: make([]float32, len(z.Data))}
	if u := axes[0].vector; u.Rows > 0 {
		blas32.Gemm(t, blas.NoTrans, 1, u, z, 0, tmp)
		copy(z.Data, tmp.Data)
	}
	if v := axes[1].vector; v.Rows > 0 {
		blas32.Gemm(blas.NoTrans, other, 1, z, v, 0, tmp)
		copy(z.Data, tmp.Data)
	}
}

var (
	_ Normer       = (*resample)(nil)
	_ Interpolator = (*resample)(nil)
	_ NormalSolver = (*resampleNormal)(nil)
)
