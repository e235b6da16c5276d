package noise

import (
	"math"
	"math/bits"
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

// patches cuts the blocks that can say something about noise: without samples that say
// nothing, those at the ends of the range where they pile up and of flat areas (bars,
// letterboxes, drawings), and without repeated lines.
func patches(m operators.Image, dead []*marks) []patch {
	if m.H < Side || m.W < Side {
		return nil
	}
	stride := step
	for (m.H/stride)*(m.W/stride) > most {
		if stride++; stride%2 == 0 {
			stride++
		}
	}
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
		for j := 0; j < Side && (row || col); j++ {
			row = row && p[i*w+j] == p[(i+1)*w+j]
			col = col && p[j*w+i] == p[j*w+i+1]
		}
		if row || col {
			return true
		}
	}
	return false
}

// marks are samples of a plane that say nothing. floor and ceiling are the ends at which
// samples are clipped, infinite where none are.
type marks struct {
	words          int      // of a row, the last one empty
	bits           []uint64 // the sample in column x at bit x%64 of word x/64
	floor, ceiling float32
}

// in is the number of marked samples in the block at (y,x).
func (k *marks) in(y, x int) (n int) {
	for i := range Side {
		word := k.bits[(y+i)*k.words+x/64:]
		n += bits.OnesCount8(uint8(word[0]>>(x%64) | word[1]<<(64-x%64)))
	}
	return n
}

// set marks n samples of row y, n at most 64, from column x on.
func (k *marks) set(y, x, n int) {
	word, run := k.bits[y*k.words+x/64:], uint64(1)<<n-1
	word[0] |= run << (x % 64)
	word[1] |= run >> (64 - x%64)
}

// silence is silent of every plane.
func silence(m operators.Image, zeros bool) []*marks {
	dead := make([]*marks, m.C)
	eachPlane(m, func(c int, p []float32) { dead[c] = silent(p, m.H, m.W, zeros) })
	return dead
}

// silent marks the samples of a plane that say nothing: in a flat 4x4 area, at an
// end of the range that more than one in 500 reaches, or not finite. zeros: the lower end
// is no clipping, as in counts.
func silent(p []float32, h, w int, zeros bool) *marks {
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	nlo, nhi := 0, 0
	for _, v := range p { // a missing one is neither
		if v <= lo {
			if v < lo {
				lo, nlo = v, 0
			}
			nlo++
		}
		if v >= hi {
			if v > hi {
				hi, nhi = v, 0
			}
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
	k := &marks{words: (w+63)/64 + 1, floor: floor, ceiling: ceiling}
	k.bits = make([]uint64, h*k.words)
	const side = 4
	// Rows above with the same 4 samples from a column on, the last of them row at[x]-1.
	rows, at := make([]int, w), make([]int, w)
	for y := range h {
		row := p[y*w:][:w]
		same := 0 // samples up to here that are equal
		for x, v := range row {
			if !(v > floor && v < ceiling) {
				k.set(y, x, 1)
			}
			if x > 0 && v == row[x-1] {
				same++
			} else {
				same = 1
			}
			if same < side {
				continue
			}
			x -= side - 1
			if at[x] != y || y > 0 && p[(y-1)*w+x] != v {
				rows[x] = 0
			}
			rows[x]++
			at[x] = y + 1
			for i := 0; i < side && rows[x] >= side; i++ {
				k.set(y-i, x, side)
			}
		}
	}
	return k
}
