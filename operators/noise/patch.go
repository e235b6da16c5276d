package noise

import (
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/kernel"
	"github.com/lpn-imaging/lpn/operators"
)

const (
	step = 2     // of the blocks' grid
	most = 30000 // about so many positions
)

// A patch is one block position: in each channel its mean and its cosines.
type patch struct {
	ok   [3]bool
	mean [3]float32
	luma float32
	coef [3][Side * Side]float32
	// around are the patches beside it that do not overlap it, own its energy
	// relative to the model, rank the mean of theirs.
	around    []int
	own, rank float64
}

// patches cuts the blocks that can say something about noise: without samples at
// the ends of the range where they pile up, without flat areas (bars,
// letterboxes, drawings) and without repeated lines. zeros: the lower end is no
// clipping, as in counts.
func patches(m operators.Image, zeros bool) []patch {
	if m.H < Side || m.W < Side {
		return nil
	}
	stride := step
	for (m.H/stride)*(m.W/stride) > most {
		if stride++; stride%2 == 0 {
			stride++
		}
	}
	dead := make([]*counts, m.C)
	eachPlane(m, func(c int, p []float32) { dead[c] = silent(p, m.H, m.W, zeros) })
	plan := kernel.NewDCT2(Side, Side)
	var out []patch
	rows, cols := (m.H-Side)/stride+1, (m.W-Side)/stride+1
	at := make([]int, rows*cols) // 1 + the patch there
	for y := 0; y+Side <= m.H; y += stride {
		for x := 0; x+Side <= m.W; x += stride {
			var p patch
			n := 0
			for c := range m.C {
				if dead[c].in(y, x) > 0 || repeated(m.Plane(c)[y*m.W+x:], m.W) {
					continue
				}
				b := p.coef[c][:]
				for i := range Side {
					copy(b[i*Side:(i+1)*Side], m.Pix[(c*m.H+y+i)*m.W+x:])
				}
				plan.Forward(b, b)
				p.ok[c] = true
				p.mean[c] = b[0] / Side
				p.luma += p.mean[c]
				n++
			}
			if n > 0 && p.luma-p.luma == 0 {
				p.luma /= float32(n)
				out = append(out, p)
				at[y/stride*cols+x/stride] = len(out)
			}
		}
	}
	far := (Side + stride - 1) / stride
	for k, i := range at {
		if i == 0 {
			continue
		}
		p := &out[i-1]
		r, c := k/cols, k%cols
		for _, q := range [][2]int{{r - far, c}, {r + far, c}, {r, c - far}, {r, c + far}} {
			if q[0] >= 0 && q[0] < rows && q[1] >= 0 && q[1] < cols && at[q[0]*cols+q[1]] > 0 {
				p.around = append(p.around, at[q[0]*cols+q[1]]-1)
			}
		}
	}
	return slices.Clip(out)
}

// repeated reports two equal neighbouring rows or columns in the block that
// begins p, of a plane of width w.
func repeated(p []float32, w int) bool {
	for i := range Side - 1 {
		row, col := true, true
		for j := range Side {
			row = row && p[i*w+j] == p[(i+1)*w+j]
			col = col && p[j*w+i] == p[j*w+i+1]
		}
		if row || col {
			return true
		}
	}
	return false
}

// counts is a summed-area table. floor and ceiling are the ends at which samples are
// clipped, infinite where none are.
type counts struct {
	w              int
	sum            []int32 // (h+1) x (w+1)
	floor, ceiling float32
}

// in is the number of marked samples in the block at (y,x).
func (c *counts) in(y, x int) int32 {
	w := c.w + 1
	return c.sum[(y+Side)*w+x+Side] - c.sum[y*w+x+Side] - c.sum[(y+Side)*w+x] + c.sum[y*w+x]
}

// silent marks the samples of a plane that say nothing: in a flat 4x4 area, at an
// end of the range that more than one in 500 reaches, or not finite.
func silent(p []float32, h, w int, zeros bool) *counts {
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range p {
		if v == v { // not missing
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	nlo, nhi := 0, 0
	for _, v := range p {
		if v == lo {
			nlo++
		}
		if v == hi {
			nhi++
		}
	}
	floor, ceiling := float32(math.Inf(-1)), float32(math.Inf(1))
	if !zeros && 500*nlo > len(p) {
		floor = lo
	}
	if 500*nhi > len(p) {
		ceiling = hi
	}
	mark := make([]bool, len(p))
	for i, v := range p {
		mark[i] = v-v != 0 || v <= floor || v >= ceiling
	}
	const side = 4
	run := make([]int, w) // rows above with the same 4 samples
	for y := range h {
		for x := 0; x+side <= w; x++ {
			q := p[y*w+x:][:side]
			if q[0] != q[1] || q[0] != q[2] || q[0] != q[3] {
				run[x] = 0
				continue
			}
			if y > 0 && run[x] > 0 && p[(y-1)*w+x] != q[0] {
				run[x] = 0
			}
			if run[x]++; run[x] >= side {
				for i := range side {
					for j := range side {
						mark[(y-i)*w+x+j] = true
					}
				}
			}
		}
	}
	c := &counts{w, make([]int32, (h+1)*(w+1)), floor, ceiling}
	for y := range h {
		line := int32(0)
		for x := range w {
			if mark[y*w+x] {
				line++
			}
			c.sum[(y+1)*(w+1)+x+1] = c.sum[y*(w+1)+x+1] + line
		}
	}
	return c
}
