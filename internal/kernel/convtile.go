package kernel

//go:generate go -C _gen run ./conv -pkg kernel -out ../convtile_amd64.s -dispatch ../convtile_dispatch_amd64.go

// A tile is the one inner loop of all convolutions, their adjoints and their
// weight gradients: a small matrix product with strides, the whole of whose
// result stays in registers. With p rows and nv vectors of V lanes, it is
//
//	for k := 0; k < nb; k++ {
//		for i := 0; i < p; i++ {
//			for j := 0; j < (nv-1)*V+lanes; j++ {
//				sum := 0
//				for u := 0; u < nu; u++ {
//					for t := 0; t < nt; t++ {
//						sum += a[(k*p+i)*si+u*ua+t*ta] * b[u*ub+t*tb+j]
//					}
//				}
//				dst[(k*p+i)*di+j] = sum // += if acc is not 0
//			}
//		}
//	}
//
// The assembly knows the order of the fields. nb, nu and nt are at least 1.
type tile struct {
	dst, a, b []float32
	di, si    int
	ta, tb    int
	ua, ub    int
	nt, nu    int
	nb        int
	lanes     int // of the last vector, from 1 to V
	acc       int
}

// An engine is what a level offers: vectors of lanes floats, and for each
// number of vectors the most rows that fit in registers.
type engine struct {
	level Level
	lanes int
	rows  []int // index nv; rows[0] is unused
}

var engines = [...]engine{
	Generic: {Generic, 16, []int{0, 4, 4, 4, 4}},
	NEON:    {NEON, 4, []int{0, 11, 10, 7, 6}},
	AVX2:    {AVX2, 8, []int{0, 12, 6}},
	AVX512:  {AVX512, 16, []int{0, 24, 14, 9, 6}},
}

// maxVecs is the widest tile in vectors.
func (e *engine) maxVecs() int { return len(e.rows) - 1 }

// A colBlock is some columns, in vecs vectors of which the last may not be full.
type colBlock struct{ from, width, vecs int }

// blocks cuts n columns into even blocks that fit in registers.
func (e *engine) blocks(n int) (cols []colBlock) {
	vecs := (n + e.lanes - 1) / e.lanes
	k := (vecs + e.maxVecs() - 1) / e.maxVecs()
	for i := range k {
		from, to := vecs*i/k, vecs*(i+1)/k
		cols = append(cols, colBlock{from * e.lanes, min(to*e.lanes, n) - from*e.lanes, to - from})
	}
	return cols
}

// cost is the time of the tiles of so many rows and vectors, in half cycles a
// step: two multiply-adds or two loads a cycle, and eight in flight.
func (e *engine) cost(rows, vecs int) int {
	total := 0
	for vecs > 0 {
		nv := min(vecs, e.maxVecs())
		n := (rows + e.rows[nv] - 1) / e.rows[nv]
		total += max(8*n, rows*nv, rows+n*nv)
		vecs -= nv
	}
	return total
}

// run computes n rows of a tile nv vectors wide. The fields a and dst are
// those of the first row; t.nb and t.a and t.dst are lost.
func (e *engine) run(t *tile, n, nv int) {
	blocks := (n + e.rows[nv] - 1) / e.rows[nv]
	p, more := n/blocks, n%blocks
	// more blocks of p+1 rows, then the rest of p.
	if more > 0 {
		t.nb = more
		e.one(t, p+1, nv)
		done := more * (p + 1)
		t.a = t.a[done*t.si:]
		t.dst = t.dst[done*t.di:]
	}
	t.nb = blocks - more
	e.one(t, p, nv)
}

// tileGo is the tile in Go.
func tileGo(t *tile, p, nv int) {
	width := (nv-1)*16 + t.lanes
	for r := range t.nb * p {
		for j := 0; j < width; j += 8 {
			tileGo8(t, t.dst[r*t.di+j:], t.a[r*t.si:], t.b[j:], min(8, width-j))
		}
	}
}

// tileGo8 is one row of up to eight columns.
func tileGo8(t *tile, dst, a, b []float32, n int) {
	var s [8]float32
	if n == 8 {
		var s0, s1, s2, s3, s4, s5, s6, s7 float32
		for u := range t.nu {
			ia, ib := u*t.ua, u*t.ub
			for range t.nt {
				x, w := a[ia], b[ib:ib+8]
				s0 += x * w[0]
				s1 += x * w[1]
				s2 += x * w[2]
				s3 += x * w[3]
				s4 += x * w[4]
				s5 += x * w[5]
				s6 += x * w[6]
				s7 += x * w[7]
				ia += t.ta
				ib += t.tb
			}
		}
		s = [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
	} else {
		for u := range t.nu {
			ia, ib := u*t.ua, u*t.ub
			for range t.nt {
				x := a[ia]
				for j, w := range b[ib : ib+n] {
					s[j] += x * w
				}
				ia += t.ta
				ib += t.tb
			}
		}
	}
	if t.acc != 0 {
		for j, v := range s[:n] {
			dst[j] += v
		}
		return
	}
	copy(dst, s[:n])
}
