package operators

import (
	"fmt"
	"slices"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// NewVaryingBlur returns a blur whose kernel varies over the scene, as that of a lens:
// kernels[p][q] is what a bright point at the middle of cell (p,q) becomes, of a grid
// of len(kernels) rows and len(kernels[0]) columns over the scene. Between the middles
// the kernel is interpolated bilinearly; beyond the outermost it is constant. With w_pq
// these weights, which sum to 1 at every pixel, and K_pq the convolution with a kernel,
//
//	A = sum over p, q of K_pq diag(w_pq)
//
// (Nagy & O'Leary, SIAM J. Sci. Comput. 19, 1998). All kernels have one size. The
// codomain and the boundary are those of NewBlur. For its normal equations there is CG.
func NewVaryingBlur(s Shape, kernels [][]Kernel, b Boundary) (Linear, error) {
	if len(kernels) == 0 || len(kernels[0]) == 0 {
		return nil, fmt.Errorf("operators: a varying blur of no kernels")
	}
	first := kernels[0][0]
	positive := true
	for p, row := range kernels {
		if len(row) != len(kernels[0]) {
			return nil, fmt.Errorf("operators: a row of %d kernels after one of %d", len(row), len(kernels[0]))
		}
		for q, k := range row {
			if k.H != first.H || k.W != first.W {
				return nil, fmt.Errorf("operators: kernel (%d,%d) of %dx%d taps, the first has %dx%d", p, q, k.H, k.W, first.H, first.W)
			}
			if err := checkBlur(s, k, b); err != nil {
				return nil, err
			}
			positive = positive && k.nonNegative()
		}
	}
	a := newBlur(s, first, b)
	top, left := 0, 0 // of the scene on the canvas
	if a.rows != nil {
		top, left = first.H-1-first.H/2, first.W-1-first.W/2
	}
	v := &varyingConv{h: a.codomain.H, w: a.codomain.W, canvas: a.canvas, kh: first.H, kw: first.W}
	rows := hats(len(kernels), s.H, a.canvas.H, top)
	cols := hats(len(kernels[0]), s.W, a.canvas.W, left)
	for p, y := range rows {
		for q, x := range cols {
			c := cell{y: y, x: x}
			c.conv = newValidConv(len(y.w)+2*(v.kh-1), len(x.w)+2*(v.kw-1), kernels[p][q])
			v.cells = append(v.cells, c)
		}
	}
	a.conv = v
	a.norm = sync.OnceValue(func() float64 {
		if positive {
			return positiveNorm(a.plane(), 100, 1e-3)
		}
		return PowerNorm(a.plane(), 300, 1e-7, 1)
	})
	return a, nil
}

// A hat is a weight along an axis of the canvas: w[i] at from+i, 0 elsewhere.
type hat struct {
	from int
	w    []float32
}

// hats are the weights of g nodes at the middles of g cells of n pixels, which begin at
// pixel start of a canvas.
func hats(g, n, canvas, start int) []hat {
	all := make([]hat, g)
	for i := range canvas {
		at := (float64(i-start)+0.5)*float64(g)/float64(n) - 0.5
		at = min(max(at, 0), float64(g-1))
		k := min(int(at), max(g-2, 0))
		t := float32(at - float64(k))
		for j, w := range []float32{1 - t, t} {
			if w == 0 || k+j >= g {
				continue
			}
			h := &all[k+j]
			if len(h.w) == 0 {
				h.from = i
			}
			h.w = append(h.w, w)
		}
	}
	// A grid finer than the canvas has nodes that no pixel uses.
	return slices.DeleteFunc(all, func(h hat) bool { return len(h.w) == 0 })
}

// A cell is one kernel and where it weighs.
type cell struct {
	y, x hat
	conv validConv // of the weighted part of the canvas with kh-1 and kw-1 zeros around
}

// varyingConv convolves one plane, part by part.
type varyingConv struct {
	h, w   int
	canvas Shape
	kh, kw int
	cells  []cell
}

// size of a cell's canvas, and of what its convolution gives.
func (v *varyingConv) size(c cell) (hp, wp, h, w int) {
	hp, wp = len(c.y.w)+2*(v.kh-1), len(c.x.w)+2*(v.kw-1)
	return hp, wp, hp - v.kh + 1, wp - v.kw + 1
}

func (v *varyingConv) apply(dst, canvas []float32) {
	clear(dst)
	for _, c := range v.cells {
		hp, wp, h, w := v.size(c)
		part, out := make([]float32, hp*wp), make([]float32, h*w)
		for i, a := range c.y.w {
			src := canvas[(c.y.from+i)*v.canvas.W+c.x.from:]
			row := part[(i+v.kh-1)*wp+v.kw-1:]
			for j, b := range c.x.w {
				row[j] = a * b * src[j]
			}
		}
		c.conv.apply(out, part)
		v.overlap(c, h, w, func(whole, local, n int) { kernel.Axpy(dst[whole:whole+n], 1, out[local:local+n]) })
	}
}

func (v *varyingConv) adjoint(canvas, y []float32) {
	clear(canvas)
	for _, c := range v.cells {
		hp, wp, h, w := v.size(c)
		part, in := make([]float32, hp*wp), make([]float32, h*w)
		v.overlap(c, h, w, func(whole, local, n int) { copy(in[local:local+n], y[whole:whole+n]) })
		c.conv.adjoint(part, in)
		for i, a := range c.y.w {
			dst := canvas[(c.y.from+i)*v.canvas.W+c.x.from:]
			row := part[(i+v.kh-1)*wp+v.kw-1:]
			for j, b := range c.x.w {
				dst[j] += a * b * row[j]
			}
		}
	}
}

// overlap calls f with the rows that the h x w samples of a cell share with the
// measurement: where they lie in the latter, in the former, and how many there are.
func (v *varyingConv) overlap(c cell, h, w int, f func(whole, local, n int)) {
	y, x := c.y.from-v.kh+1, c.x.from-v.kw+1 // of the cell's first sample
	lo, hi := max(0, -x), min(w, v.w-x)
	if lo >= hi {
		return
	}
	for i := max(0, -y); i < min(h, v.h-y); i++ {
		f((y+i)*v.w+x+lo, i*w+lo, hi-lo)
	}
}
