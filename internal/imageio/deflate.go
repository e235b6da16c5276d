package imageio

import (
	"bytes"
	"hash/adler32"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Pieces of a zlib stream (RFC 1950), deflated apart: each ends on a byte by
// an empty stored block, as Flush leaves it, and only the last one says that
// it is the last. So they may be joined; the checksums are joined by their
// arithmetic.

// blockBytes is how much goes into one piece. A piece cannot refer to the one
// before it, which costs 32 KiB of its reach: well below a hundredth.
const blockBytes = 1 << 19

// deflaters keeps the compressors of each level, which are large, from that of
// flate.HuffmanOnly on.
var deflaters [10 - flate.HuffmanOnly]sync.Pool

// fast is deflate's level where time counts.
const fast = 4

// triedParts parts of a piece, of triedBytes each, are deflated to find out whether it
// repeats itself.
const triedParts, triedBytes = 4, 1 << 13

// deflate compresses one piece. In the bytes of a photograph there is hardly anything that
// repeats itself, and a fast search that finds little of it makes a larger file than none:
// where parts of the piece show that, there is none, which takes an eighth of the time.
func deflate(data []byte, level int, last bool) []byte {
	if level == fast && len(data) >= 2*triedParts*triedBytes {
		var parts []byte
		for i := range triedParts {
			parts = append(parts, data[i*(len(data)-triedBytes)/(triedParts-1):][:triedBytes]...)
		}
		if len(deflateAt(parts, flate.HuffmanOnly, false)) <= len(deflateAt(parts, level, false)) {
			level = flate.HuffmanOnly
		}
	}
	return deflateAt(data, level, last)
}

// deflateAt compresses one piece at a level.
func deflateAt(data []byte, level int, last bool) []byte {
	var out bytes.Buffer
	out.Grow(len(data)/2 + 64)
	pool := &deflaters[level-flate.HuffmanOnly]
	z, _ := pool.Get().(*flate.Writer)
	if z == nil {
		z, _ = flate.NewWriter(&out, level) // the levels are ours: no error
	} else {
		z.Reset(&out)
	}
	z.Write(data)
	if last {
		z.Close()
	} else {
		z.Flush()
	}
	pool.Put(z)
	return out.Bytes()
}

// zlibHeader begins a stream with a window of 32 KiB.
const zlibHeader = "\x78\x9c"

// zlibStream compresses data whole.
func zlibStream(data []byte, level int) []byte {
	out := append([]byte(zlibHeader), deflate(data, level, true)...)
	sum := adler32.Checksum(data)
	return append(out, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

// adlerJoin is the Adler-32 of two pieces joined, the second n bytes long.
// With S1 = 1 + sum d_i and S2 = sum of all S1 so far, modulo 65521, the
// second piece began from S1 = a1 instead of 1.
func adlerJoin(a, b uint32, n int) uint32 {
	const m = 65521
	a1, a2 := uint64(a&0xffff), uint64(a>>16)
	b1, b2 := uint64(b&0xffff), uint64(b>>16)
	s1 := (a1 + b1 + m - 1) % m
	s2 := (a2 + b2 + uint64(n)%m*(a1+m-1)) % m
	return uint32(s2<<16 | s1)
}

// levelOf is deflate's level for a wish: small, or fast, the default.
func levelOf(compression string) int {
	if compression == "small" {
		return 9
	}
	return fast
}
