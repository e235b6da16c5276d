// Package plain evaluates what is recorded at once, in float64, by loops that follow
// the definitions of network.Recorder word for word: slow, and what the tests of
// internal/engine and internal/network compare with.
//
//	r := plain.New(network.Dims{N: 1, H: 8, W: 8, C: 1}, params, weights, y)
//	f := plain.Data(def.Record(r))
//	psi := r.Psi
package plain

import (
	"math"

	"github.com/lpn-imaging/lpn/internal/network"
)

// A Recorder evaluates what it is told to record.
type Recorder struct {
	// Psi is the sum of the energies so far, over the whole batch.
	Psi    float64
	input  *tensor
	params map[string]*tensor
}

var _ network.Recorder = (*Recorder)(nil)

type tensor struct {
	network.Dims
	data []float64
}

// New returns a recorder for the input y, of dims d, and weights in the layout of
// params.
func New(d network.Dims, params []network.Param, weights map[string][]float32, y []float32) *Recorder {
	r := &Recorder{input: &tensor{d, widen(y)}, params: map[string]*tensor{}}
	for _, p := range params {
		r.params[p.Name] = &tensor{p.Shape(), widen(weights[p.Name])}
	}
	return r
}

// Data returns the elements of a value.
func Data(v network.Value) []float64 { return v.(*tensor).data }

// Of returns a value of dims d.
func Of(d network.Dims, x []float32) network.Value { return &tensor{d, widen(x)} }

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// at is the place of element (n,y,x,c).
func (t *tensor) at(n, y, x, c int) int { return ((n*t.H+y)*t.W+x)*t.C + c }

func zeros(d network.Dims) *tensor { return &tensor{d, make([]float64, d.Len())} }

// each computes every element of a tensor of dims d.
func each(d network.Dims, f func(n, y, x, c int) float64) *tensor {
	t := zeros(d)
	i := 0
	for n := range d.N {
		for y := range d.H {
			for x := range d.W {
				for c := range d.C {
					t.data[i] = f(n, y, x, c)
					i++
				}
			}
		}
	}
	return t
}

// scatter is the adjoint of a map that takes element to(n,y,x,c) of its input, k
// times, for element (n,y,x,c) of its output v.
func scatter(d network.Dims, v *tensor, k float64, to func(n, y, x, c int) int) *tensor {
	t := zeros(d)
	each(v.Dims, func(n, y, x, c int) float64 {
		t.data[to(n, y, x, c)] += k * v.data[v.at(n, y, x, c)]
		return 0
	})
	return t
}

func of(v network.Value) *tensor { return v.(*tensor) }

func pointwise(v network.Value, f func(float64) float64) network.Value {
	t := zeros(of(v).Dims)
	for i, x := range of(v).data {
		t.data[i] = f(x)
	}
	return t
}

func both(u, v network.Value, f func(x, y float64) float64) network.Value {
	t := zeros(of(u).Dims)
	for i, x := range of(u).data {
		t.data[i] = f(x, of(v).data[i])
	}
	return t
}

func (r *Recorder) Input() network.Value              { return r.input }
func (r *Recorder) Param(name string) network.Value   { return r.params[name] }
func (r *Recorder) Dims(v network.Value) network.Dims { return of(v).Dims }
func (r *Recorder) Add(x, y network.Value) network.Value {
	return both(x, y, func(x, y float64) float64 { return x + y })
}
func (r *Recorder) Mul(x, y network.Value) network.Value {
	return both(x, y, func(x, y float64) float64 { return x * y })
}

func (r *Recorder) Scale(x network.Value, k float64) network.Value {
	return pointwise(x, func(x float64) float64 { return k * x })
}

func (r *Recorder) HalfSquare(x network.Value) network.Value {
	return pointwise(x, func(x float64) float64 { return x * x / 2 })
}

func (r *Recorder) Exp(x network.Value) network.Value { return pointwise(x, math.Exp) }

// taps visits the terms of a convolution: output (n,i,j,co) sums input (n,y,x,ci)
// times the weight at w.
func taps(x, y network.Dims, w *tensor, g network.Geom, visit func(n, i, j, co, yy, xx, ci, w int)) {
	for n := range y.N {
		for i := range y.H {
			for j := range y.W {
				for ky := range g.K {
					for kx := range g.K {
						yy, xx := i*g.Stride+ky-g.Pad, j*g.Stride+kx-g.Pad
						if yy < 0 || yy >= x.H || xx < 0 || xx >= x.W {
							continue
						}
						for ci := range w.W {
							for co := range w.C {
								visit(n, i, j, co, yy, xx, ci, w.at(ky, kx, ci, co))
							}
						}
					}
				}
			}
		}
	}
}

func (r *Recorder) Conv(xv, wv network.Value, g network.Geom) network.Value {
	x, w := of(xv), of(wv)
	y := zeros(network.Dims{N: x.N, H: (x.H+2*g.Pad-g.K)/g.Stride + 1, W: (x.W+2*g.Pad-g.K)/g.Stride + 1, C: w.C})
	taps(x.Dims, y.Dims, w, g, func(n, i, j, co, yy, xx, ci, k int) {
		y.data[y.at(n, i, j, co)] += x.data[x.at(n, yy, xx, ci)] * w.data[k]
	})
	return y
}

func (r *Recorder) ConvT(yv, wv network.Value, g network.Geom, h, width int) network.Value {
	y, w := of(yv), of(wv)
	x := zeros(network.Dims{N: y.N, H: h, W: width, C: w.W})
	taps(x.Dims, y.Dims, w, g, func(n, i, j, co, yy, xx, ci, k int) {
		x.data[x.at(n, yy, xx, ci)] += y.data[y.at(n, i, j, co)] * w.data[k]
	})
	return x
}

func (r *Recorder) Bias(x, b network.Value) network.Value {
	t := of(x)
	return each(t.Dims, func(n, y, x, c int) float64 { return t.data[t.at(n, y, x, c)] + of(b).data[c] })
}

func (r *Recorder) Act(x network.Value, a network.Activation, order int) network.Value {
	return pointwise(x, func(x float64) float64 { return activation(a, order, x) })
}

func activation(a network.Activation, order int, x float64) float64 {
	switch a.Kind {
	case network.Softplus:
		s := 1 / (1 + math.Exp(-a.Beta*x))
		return [...]float64{math.Log1p(math.Exp(-math.Abs(a.Beta*x)))/a.Beta + max(x, 0), s, a.Beta * s * (1 - s)}[order]
	case network.HardGate:
		switch {
		case x <= -1:
			return 0
		case x >= 1:
			return [...]float64{x, 1, 0}[order]
		}
		return [...]float64{(x + 1) * (x + 1) / 4, (x + 1) / 2, 0.5}[order]
	}
	if b := a.Beta; math.Abs(x) >= b {
		return [...]float64{b * (math.Abs(x) - b/2), math.Copysign(b, x), 0}[order]
	}
	return [...]float64{x * x / 2, x, 1}[order]
}

func (r *Recorder) LogSumExp(v network.Value, per int) network.Value {
	d := of(v).Dims
	d.C /= per
	return each(d, func(n, y, x, c int) float64 { return logSumExp(of(v), n, y, x, c, per) })
}

// logSumExp is that of group c.
func logSumExp(t *tensor, n, y, x, c, per int) float64 {
	sum := 0.0
	for k := range per {
		sum += math.Exp(t.data[t.at(n, y, x, c*per+k)])
	}
	return math.Log(sum)
}

func (r *Recorder) Softmax(v network.Value, per int) network.Value {
	t := of(v)
	return each(t.Dims, func(n, y, x, c int) float64 {
		return math.Exp(t.data[t.at(n, y, x, c)] - logSumExp(t, n, y, x, c/per, per))
	})
}

func (r *Recorder) Expand(v network.Value, per int) network.Value {
	t := of(v)
	d := t.Dims
	d.C *= per
	return each(d, func(n, y, x, c int) float64 { return t.data[t.at(n, y, x, c/per)] })
}

func (r *Recorder) GroupSum(v network.Value, per int) network.Value {
	d := of(v).Dims
	d.C /= per
	t := zeros(d)
	return scatter(d, of(v), 1, func(n, y, x, c int) int { return t.at(n, y, x, c/per) })
}

func (r *Recorder) Outer(m []float32, c network.Value, like network.Dims) network.Value {
	like.C = len(of(c).data)
	return each(like, func(_, y, x, k int) float64 { return float64(m[y*like.W+x]) * of(c).data[k] })
}

func (r *Recorder) AvgPool(v network.Value) network.Value {
	t := of(v)
	d := network.Dims{N: t.N, H: t.H / 2, W: t.W / 2, C: t.C}
	return each(d, func(n, y, x, c int) float64 {
		return (t.data[t.at(n, 2*y, 2*x, c)] + t.data[t.at(n, 2*y, 2*x+1, c)] + t.data[t.at(n, 2*y+1, 2*x, c)] + t.data[t.at(n, 2*y+1, 2*x+1, c)]) / 4
	})
}

func (r *Recorder) AvgPoolT(v network.Value) network.Value {
	t := of(v)
	d := network.Dims{N: t.N, H: 2 * t.H, W: 2 * t.W, C: t.C}
	return each(d, func(n, y, x, c int) float64 { return t.data[t.at(n, y/2, x/2, c)] / 4 })
}

// mirror is the pixel that half-sample symmetric extension shows at i.
func mirror(i, n int) int {
	i = ((i % (2 * n)) + 2*n) % (2 * n)
	return min(i, 2*n-1-i)
}

func (r *Recorder) PadSym(v network.Value, p network.Margins) network.Value {
	t := of(v)
	d := network.Dims{N: t.N, H: t.H + p.Top + p.Bottom, W: t.W + p.Left + p.Right, C: 1}
	return each(d, func(n, y, x, c int) float64 {
		return t.data[t.at(n, mirror(y-p.Top, t.H), mirror(x-p.Left, t.W), c)]
	})
}

func (r *Recorder) PadSymT(v network.Value, p network.Margins) network.Value {
	d := of(v).Dims
	d.H, d.W = d.H-p.Top-p.Bottom, d.W-p.Left-p.Right
	t := zeros(d)
	return scatter(d, of(v), 1, func(n, y, x, c int) int {
		return t.at(n, mirror(y-p.Top, d.H), mirror(x-p.Left, d.W), c)
	})
}

func (r *Recorder) Interleave(v network.Value, k int) network.Value {
	t := of(v)
	d := network.Dims{N: t.N / k, H: t.H, W: t.W, C: k}
	return each(d, func(n, y, x, c int) float64 { return t.data[t.at(n*k+c, y, x, 0)] })
}

func (r *Recorder) Deinterleave(v network.Value) network.Value {
	t := of(v)
	d := network.Dims{N: t.N * t.C, H: t.H, W: t.W, C: 1}
	return each(d, func(n, y, x, _ int) float64 { return t.data[t.at(n/t.C, y, x, n%t.C)] })
}

func (r *Recorder) SpaceToDepth(v network.Value, k int) network.Value {
	t := of(v)
	d := network.Dims{N: t.N, H: t.H / k, W: t.W / k, C: t.C * k * k}
	return each(d, func(n, y, x, c int) float64 {
		return t.data[t.at(n, y*k+c%(k*k)/k, x*k+c%k, c/(k*k))]
	})
}

func (r *Recorder) DepthToSpace(v network.Value, k int) network.Value {
	t := of(v)
	d := network.Dims{N: t.N, H: t.H * k, W: t.W * k, C: t.C / (k * k)}
	return each(d, func(n, y, x, c int) float64 {
		return t.data[t.at(n, y/k, x/k, c*k*k+y%k*k+x%k)]
	})
}

// weights visits the pixels of a line of n, and their weights, of which bilinear
// interpolation to m makes pixel i.
func weights(i, m, n int, visit func(k int, w float64)) {
	at := (float64(i)+0.5)*float64(n)/float64(m) - 0.5
	at = min(max(at, 0), float64(n-1))
	k := int(at)
	visit(k, 1-(at-float64(k)))
	if k+1 < n {
		visit(k+1, at-float64(k))
	}
}

func (r *Recorder) Resize(v network.Value, h, w int) network.Value {
	t := of(v)
	return each(network.Dims{N: t.N, H: h, W: w, C: t.C}, func(n, y, x, c int) (sum float64) {
		weights(y, h, t.H, func(i int, a float64) {
			weights(x, w, t.W, func(j int, b float64) { sum += a * b * t.data[t.at(n, i, j, c)] })
		})
		return sum
	})
}

func (r *Recorder) ResizeT(v network.Value, h, w int) network.Value {
	t := of(v)
	out := zeros(network.Dims{N: t.N, H: h, W: w, C: t.C})
	each(t.Dims, func(n, y, x, c int) float64 {
		weights(y, t.H, h, func(i int, a float64) {
			weights(x, t.W, w, func(j int, b float64) { out.data[out.at(n, i, j, c)] += a * b * t.data[t.at(n, y, x, c)] })
		})
		return 0
	})
	return out
}

func (r *Recorder) Energy(k float64, x, y network.Value) {
	for i, v := range of(x).data {
		r.Psi += k * v * of(y).data[i]
	}
}

func (r *Recorder) Sum(x network.Value) {
	for _, v := range of(x).data {
		r.Psi += v
	}
}
