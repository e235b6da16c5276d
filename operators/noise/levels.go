package noise

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/lpn-imaging/lpn/operators"
)

// levels are the samples of a picture of 8 bits as the bytes of its file: k where a sample is
// k/255. What only asks which samples are equal, or how many have a level, is several times
// as fast from them.
type levels struct {
	h, w  int
	bytes [][]uint8    // by plane, row by row, with a word more at the end than there are samples
	count [][256]int64 // of each level, by plane
}

// levelsOf is nil of pictures of other samples.
func levelsOf(m operators.Image) *levels {
	l := &levels{m.H, m.W, make([][]uint8, m.C), make([][256]int64, m.C)}
	var of [256]float32
	for k := range of {
		of[k] = float32(k) / 255
	}
	ok := make([]bool, m.C)
	eachPlane(m, func(c int, p []float32) {
		b := make([]uint8, len(p)+64)
		var count [256]int64
		for i, v := range p {
			k := uint(int(v*255 + 0.5))
			if k > 255 || of[k] != v {
				return
			}
			b[i] = uint8(k)
			count[k]++
		}
		l.bytes[c], l.count[c], ok[c] = b, count, true
	})
	for _, ok := range ok {
		if !ok {
			return nil
		}
	}
	return l
}

// ends are the least and the largest level of a plane.
func (l *levels) ends(c int) (lo, hi int) {
	n := &l.count[c]
	for lo = 0; lo < 255 && n[lo] == 0; lo++ {
	}
	for hi = 255; hi > lo && n[hi] == 0; hi-- {
	}
	return lo, hi
}

// rms is RMS of a curve.
func (l *levels) rms(c Curve) float64 {
	sum, n := 0.0, 0.0
	for k := range l.count {
		at := c.Line(k).variance()
		for v, count := range l.count[k] {
			sum += float64(count) * float64(at(float32(v)/255))
			n += float64(count)
		}
	}
	return math.Sqrt(sum / max(n, 1))
}

// Eight bytes of a word at a time.
const ones, tops = 0x0101010101010101, 0x8080808080808080

// equal sets the highest bit of each byte in which x and y are equal.
func equal(x, y uint64) uint64 {
	d := x ^ y
	return ^((d&^tops + ^uint64(tops)) | d) & tops
}

// gathered is the highest bits of the eight bytes.
func gathered(x uint64) uint64 { return (x >> 7 & ones) * 0x0102040810204080 >> 56 }

// silence is silence of the samples, without zeros.
func (l *levels) silence() []*marks {
	dead := make([]*marks, len(l.bytes))
	m := operators.Image{Shape: operators.Shape{C: len(l.bytes)}}
	eachPlane(m, func(c int, _ []float32) { dead[c] = l.silent(c) })
	return dead
}

// silent is silent of a plane.
func (l *levels) silent(c int) *marks {
	lo, hi := l.ends(c)
	k := newMarks(l.h, l.w)
	low, high := uint64(lo)*ones, uint64(hi)*ones
	var lows, highs uint64 // tops where these levels are clipped
	if piled(l.count[c][lo], l.h*l.w) {
		k.floor, lows = float32(lo)/255, tops
	}
	if piled(l.count[c][hi], l.h*l.w) {
		k.ceiling, highs = float32(hi)/255, tops
	}
	flat := newFlats(k, l.w)
	for y := range l.h {
		row := l.bytes[c][y*l.w:]
		before, prior := ^row[0], uint64(0) // nothing is equal to what is before a row
		for x := 0; x < l.w; x += 64 {
			var ends, same uint64
			for i := 0; i < 64 && x+i < l.w; i += 8 {
				v := binary.LittleEndian.Uint64(row[x+i:])
				same |= gathered(equal(v, v<<8|uint64(before))) << i
				if end := equal(v, low)&lows | equal(v, high)&highs; end != 0 {
					ends |= gathered(end) << i
				}
				before = uint8(v >> 56)
			}
			if left := l.w - x; left < 64 {
				same, ends = same&(1<<left-1), ends&(1<<left-1)
			}
			k.bits[y*k.words+x/64] |= ends
			// Bits where the third of three equalities is.
			run := same & (same<<1 | prior>>63) & (same<<2 | prior>>62)
			for prior = same; run != 0; run &= run - 1 {
				at := x + bits.TrailingZeros64(run) - (flatSide - 1)
				flat.run(y, at, y > 0 && l.bytes[c][(y-1)*l.w+at] == row[at])
			}
		}
	}
	return k
}

// drawn is how many samples of a plane drawn counts.
func (l *levels) drawn(c int) (n int) {
	lo, hi := l.ends(c)
	low, high := uint64(lo)*ones, uint64(hi)*ones
	le := binary.LittleEndian
	for y := 1; y < l.h; y++ {
		above, row := l.bytes[c][(y-1)*l.w:], l.bytes[c][y*l.w:]
		for x := 1; x < l.w; x += 8 {
			v := le.Uint64(row[x:])
			same := equal(v, le.Uint64(row[x-1:])) & equal(v, le.Uint64(above[x:]))
			if same == 0 {
				continue
			}
			same &= equal(v, le.Uint64(above[x-1:])) &^ equal(v, low) &^ equal(v, high)
			if left := l.w - x; left < 8 {
				same &= 1<<(8*left) - 1
			}
			n += bits.OnesCount64(same)
		}
	}
	return n
}
