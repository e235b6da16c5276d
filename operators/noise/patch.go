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
	rows, cols := (m.H-Side)/stride+1, (m.W-Side)/stride+1
	out := make([]patch, 0, rows*cols)
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
	beside := make([]int, 4*len(out))
	for k, i := range at {
		if i == 0 {
			continue
		}
		p := &out[i-1]
		p.around = beside[4*(i-1) : 4*(i-1) : 4*i]
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

// newMarks has no marks, and no ends.
func newMarks(h, w int) *marks {
	words := (w+63)/64 + 1
	return &marks{words, make([]uint64, h*words), float32(math.Inf(-1)), float32(math.Inf(1))}
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
	k := newMarks(h, w)
	if !zeros && piled(nlo, len(p)) {
		k.floor = lo
	}
	if piled(nhi, len(p)) {
		k.ceiling = hi
	}
	flat := newFlats(k, w)
	for y := range h {
		row := p[y*w:][:w]
		same := 0 // samples up to here that are equal
		for x, v := range row {
			if !(v > k.floor && v < k.ceiling) {
				k.set(y, x, 1)
			}
			if x > 0 && v == row[x-1] {
				same++
			} else {
				same = 1
			}
			if same >= flatSide {
				x -= flatSide - 1
				flat.run(y, x, y > 0 && p[(y-1)*w+x] == v)
			}
		}
	}
	return k
}

// piled reports whether n of so many samples at an end of the range were clipped.
func piled[T int | int64](n T, of int) bool { return 500*n > T(of) }

// flatSide is the side of a flat area.
const flatSide = 4

// flats marks flat areas.
type flats struct {
	*marks
	// rows is how many rows have the same flatSide samples from a column on, the last of
	// them row at-1.
	rows, at []int
}

func newFlats(k *marks, w int) flats { return flats{k, make([]int, w), make([]int, w)} }

// run tells of flatSide equal samples from (y,x) on, and whether the one above is the same.
// It is called row by row.
func (f flats) run(y, x int, same bool) {
	if f.at[x] != y || !same {
		f.rows[x] = 0
	}
	f.rows[x]++
	f.at[x] = y + 1
	for i := 0; i < flatSide && f.rows[x] >= flatSide; i++ {
		f.set(y-i, x, flatSide)
	}
}
