package imageio

import (
	"encoding/binary"
	"errors"
	"hash/adler32"
	"io"
)

// This file inflates the zlib stream (RFC 1950 and 1951) of a photograph: nearly all of it
// is single bytes, of which several are decoded at a time. It takes what is well formed, and
// nothing else: the standard library says what is wrong with the rest.

var errDeflate = errors.New("damaged deflate stream")

const (
	inflateBits   = 11      // of a code that one look at a table decodes
	inflateLong   = 16      // entries for the longer codes that begin with the same of them
	inflateWindow = 1 << 15 // how far back a match may lie
	inflateBlock  = 1 << 17 // about how many bytes are decoded before they are read
	inflateLoad   = 1 << 15 // how many compressed bytes lie ready
	inflatePad    = 64      // zeros that follow the stream
	longestMatch  = 258
)

// An inflateEntry is what a code stands for: value<<16 | kind | extra bits<<8 | length of
// the code, 0 where there is no such code. Without a kind it is the least length or distance
// of a match.
type inflateEntry uint32

const (
	aByte  inflateEntry = 1 << 15 // value
	anEnd  inflateEntry = 1 << 14 // of the block
	aTable inflateEntry = 1 << 13 // value is where the entries of longer codes begin
)

// An inflater is an io.Reader of the bytes of a zlib stream.
type inflater struct {
	chunks [][]byte // that are not in in
	in     []byte   // compressed bytes
	at     int      // those before it are in bits, or done with
	padded int      // zeros in in
	bits   uint64   // the next ones, of which count are counted; those above are right, or 0
	count  uint

	inside, last, done  bool // a block of codes; the last block; all of them
	stored              int  // bytes that are left of a block of bytes
	literals, distances []inflateEntry

	out       []byte
	low       int // what comes before it in out was never written
	read, end int // the bytes of out that wait to be read
	sum       uint32
	load      [inflateLoad + inflatePad + 8]byte
}

// newInflater reads the stream that the chunks make together.
func newInflater(chunks [][]byte) (*inflater, error) {
	z := &inflater{chunks: chunks, out: make([]byte, inflateWindow+inflateBlock+longestMatch+2), sum: 1}
	z.low, z.read, z.end = inflateWindow, inflateWindow, inflateWindow
	head := z.take(8) << 8
	head |= z.take(8)
	if head>>8&15 != 8 || head>>12 > 7 || head&0x20 != 0 || head%31 != 0 {
		return nil, errDeflate
	}
	return z, nil
}

// Read reads bytes of the stream, whose end is io.EOF if the checksum is right.
func (z *inflater) Read(p []byte) (int, error) {
	if z.read == z.end {
		if !z.done {
			if err := z.more(); err != nil {
				return 0, err
			}
		}
		if z.read == z.end {
			return 0, io.EOF
		}
	}
	n := copy(p, z.out[z.read:z.end])
	z.read += n
	return n, nil
}

// more decodes some bytes, none only at the end.
func (z *inflater) more() error {
	keep := min(z.end-z.low, inflateWindow)
	copy(z.out[inflateWindow-keep:], z.out[z.end-keep:z.end])
	z.low, z.read, z.end = inflateWindow-keep, inflateWindow, inflateWindow
	for z.end < inflateWindow+inflateBlock && !z.done {
		var err error
		switch {
		case z.stored > 0:
			z.copyStored()
		case z.inside:
			err = z.decode()
		case z.last:
			z.done = true
		default:
			err = z.block()
		}
		if err != nil {
			return err
		}
		if z.padded > 2*inflatePad { // the stream is too short
			return errDeflate
		}
	}
	got := z.out[z.read:z.end]
	z.sum = adlerJoin(z.sum, adler32.Checksum(got), len(got))
	if z.done {
		z.align()
		want := uint32(0)
		for range 4 {
			want = want<<8 | uint32(z.take(8))
		}
		if z.align(); z.sum != want || len(z.in)-z.at != z.padded || len(z.chunks) > 0 {
			return errDeflate
		}
	}
	return nil
}

// fetch reads on: at least eight bytes lie ready.
func (z *inflater) fetch() {
	back := min(z.at, 8) // what align may give back
	n := copy(z.load[:], z.in[z.at-back:])
	for len(z.chunks) > 0 && n < inflateLoad {
		k := copy(z.load[n:inflateLoad], z.chunks[0])
		n += k
		if z.chunks[0] = z.chunks[0][k:]; len(z.chunks[0]) == 0 {
			z.chunks = z.chunks[1:]
		}
	}
	if len(z.chunks) == 0 {
		clear(z.load[n : n+inflatePad])
		n += inflatePad
		z.padded += inflatePad
	}
	z.in, z.at = z.load[:n], back
}

// refill makes 56 bits ready or more.
func (z *inflater) refill() {
	if z.at+8 > len(z.in) {
		z.fetch()
	}
	z.bits |= binary.LittleEndian.Uint64(z.in[z.at:]) << z.count
	z.at += int(63-z.count) >> 3
	z.count |= 56
}

// take is the next n bits, up to 16.
func (z *inflater) take(n uint) int {
	if z.count < n {
		z.refill()
	}
	v := z.bits & (1<<n - 1)
	z.bits >>= n
	z.count -= n
	return int(v)
}

// align goes on to the next byte of in.
func (z *inflater) align() {
	z.at -= int(z.count >> 3)
	z.bits, z.count = 0, 0
}

// block begins a block.
func (z *inflater) block() error {
	z.last = z.take(1) == 1
	switch z.take(2) {
	case 0:
		z.align()
		z.stored = z.take(16)
		if z.take(16) != z.stored^0xffff {
			return errDeflate
		}
		z.align()
		return nil
	case 1:
		lengths := make([]uint8, 288+32)
		for i := range lengths {
			switch {
			case i < 144:
				lengths[i] = 8
			case i < 256:
				lengths[i] = 9
			case i < 280:
				lengths[i] = 7
			case i < 288:
				lengths[i] = 8
			default:
				lengths[i] = 5
			}
		}
		return z.codes(lengths, 288)
	case 2:
		return z.dynamic()
	}
	return errDeflate
}

// dynamic begins a block with codes of its own.
func (z *inflater) dynamic() error {
	literals, distances, n := z.take(5)+257, z.take(5)+1, z.take(4)+4
	if literals > 286 || distances > 30 {
		return errDeflate
	}
	var short [19]uint8
	for _, k := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:n] {
		short[k] = uint8(z.take(3))
	}
	table, err := inflateTable(nil, short[:], func(k int) inflateEntry { return inflateEntry(k)<<16 | aByte })
	if err != nil {
		return err
	}
	lengths := make([]uint8, 0, literals+distances+138)
	for len(lengths) < literals+distances {
		z.refill()
		e := table[z.bits&(1<<inflateBits-1)]
		if e == 0 || z.padded > 2*inflatePad {
			return errDeflate
		}
		z.take(uint(e & 15))
		v, times := uint8(e>>16), 1
		switch {
		case v == 16:
			if len(lengths) == 0 {
				return errDeflate
			}
			v, times = lengths[len(lengths)-1], 3+z.take(2)
		case v == 17:
			v, times = 0, 3+z.take(3)
		case v == 18:
			v, times = 0, 11+z.take(7)
		}
		for range times {
			lengths = append(lengths, v)
		}
	}
	if len(lengths) > literals+distances {
		return errDeflate
	}
	return z.codes(lengths, literals)
}

// codes makes the tables of a block from the lengths of its codes, those of so many literals
// first.
func (z *inflater) codes(lengths []uint8, literals int) (err error) {
	if lengths[256] == 0 {
		return errDeflate
	}
	z.literals, err = inflateTable(z.literals, lengths[:literals], func(k int) inflateEntry {
		switch {
		case k < 256:
			return inflateEntry(k)<<16 | aByte
		case k == 256:
			return anEnd
		case k == 285:
			return longestMatch << 16
		case k > 285:
			return 0
		}
		k -= 257
		if k < 8 {
			return inflateEntry(3+k) << 16
		}
		extra := k/4 - 1
		return inflateEntry(3+(4+k%4)<<extra)<<16 | inflateEntry(extra)<<8
	})
	if err == nil {
		z.distances, err = inflateTable(z.distances, lengths[literals:], func(k int) inflateEntry {
			if k < 4 {
				return inflateEntry(1+k) << 16
			}
			if k > 29 {
				return 0
			}
			extra := k/2 - 1
			return inflateEntry(1+(2+k%2)<<extra)<<16 | inflateEntry(extra)<<8
		})
	}
	z.inside = err == nil
	return err
}

// inflateTable is the table of codes of the lengths, in the memory of table: an entry for
// each sequence of inflateBits bits, then inflateLong entries for each that longer codes begin
// with. of is what the k-th code stands for, 0 where it must not occur.
func inflateTable(table []inflateEntry, lengths []uint8, of func(k int) inflateEntry) ([]inflateEntry, error) {
	var count, next [16]int
	for _, n := range lengths {
		count[n]++
	}
	used := len(lengths) - count[0]
	count[0] = 0
	free := 1
	for n := 1; n < 16; n++ {
		next[n] = (next[n-1] + count[n-1]) << 1
		free = free<<1 - count[n]
		if free < 0 {
			return nil, errDeflate
		}
	}
	if free > 0 && used > 1 {
		return nil, errDeflate
	}
	if table == nil {
		table = make([]inflateEntry, 1<<inflateBits, 1<<inflateBits+inflateLong*64)
	}
	table = table[:1<<inflateBits]
	clear(table)
	for k, n := range lengths {
		if n == 0 {
			continue
		}
		code, reversed := next[n], 0
		next[n]++
		for i := range n {
			reversed |= code >> i & 1 << (n - 1 - i)
		}
		e := of(k)
		if e == 0 {
			continue
		}
		e |= inflateEntry(n)
		if n <= inflateBits {
			for i := reversed; i < 1<<inflateBits; i += 1 << n {
				table[i] = e
			}
			continue
		}
		first := &table[reversed&(1<<inflateBits-1)]
		if *first == 0 {
			*first = inflateEntry(len(table))<<16 | aTable
			at := len(table)
			table = append(table, make([]inflateEntry, inflateLong)...)
			first = &table[reversed&(1<<inflateBits-1)]
			clear(table[at:])
		}
		at := int(*first >> 16)
		for i := reversed >> inflateBits; i < inflateLong; i += 1 << (n - inflateBits) {
			table[at+i] = e
		}
	}
	return table, nil
}

// copyStored copies bytes of a stored block.
func (z *inflater) copyStored() {
	if z.at == len(z.in) {
		z.fetch()
	}
	n := min(z.stored, len(z.in)-z.at, inflateWindow+inflateBlock-z.end)
	copy(z.out[z.end:], z.in[z.at:z.at+n])
	z.at, z.end, z.stored = z.at+n, z.end+n, z.stored-n
}

// decode decodes codes until the block ends or out is full.
func (z *inflater) decode() error {
	const mask = 1<<inflateBits - 1
	literals, distances := (*[1 << inflateBits]inflateEntry)(z.literals), (*[1 << inflateBits]inflateEntry)(z.distances)
	in, at, bits, count := z.in, z.at, z.bits, z.count
	out, end := z.out, z.end
	var err error
	for end < inflateWindow+inflateBlock {
		if at+8 > len(in) {
			z.at = at
			if z.fetch(); z.padded > 2*inflatePad {
				return errDeflate
			}
			in, at = z.in, z.at
		}
		bits |= binary.LittleEndian.Uint64(in[at:]) << (count & 63)
		at += int(63-count) >> 3
		count |= 56
		// Three bytes take up to 33 bits.
		e := literals[bits&mask]
		if e&aByte != 0 {
			bits, count = bits>>(e&15), count-uint(e&15)
			out[end] = uint8(e >> 16)
			end++
			if e = literals[bits&mask]; e&aByte != 0 {
				bits, count = bits>>(e&15), count-uint(e&15)
				out[end] = uint8(e >> 16)
				end++
				if e = literals[bits&mask]; e&aByte != 0 {
					bits, count = bits>>(e&15), count-uint(e&15)
					out[end] = uint8(e >> 16)
					end++
					continue
				}
			}
		}
		if e&aTable != 0 {
			e = z.literals[int(e>>16)+int(bits>>inflateBits&(inflateLong-1))]
		}
		n := uint(e & 15)
		if n == 0 {
			err = errDeflate
			break
		}
		// A length and a distance take up to 48 bits.
		if at+8 <= len(in) {
			bits |= binary.LittleEndian.Uint64(in[at:]) << (count & 63)
			at += int(63-count) >> 3
			count |= 56
		} else if count < 48 && e&(aByte|anEnd) == 0 {
			continue // which fetches; the code is still there
		}
		bits, count = bits>>n, count-n
		if e&aByte != 0 {
			out[end] = uint8(e >> 16)
			end++
			continue
		}
		if e&anEnd != 0 {
			z.inside = false
			break
		}
		extra := uint(e>>8) & 15
		length := int(e>>16) + int(bits&(1<<extra-1))
		bits, count = bits>>extra, count-extra
		d := distances[bits&mask]
		if d&aTable != 0 {
			d = z.distances[int(d>>16)+int(bits>>inflateBits&(inflateLong-1))]
		}
		n, extra = uint(d&15), uint(d>>8)&15
		distance := int(d>>16) + int(bits>>n&(1<<extra-1))
		bits, count = bits>>(n+extra), count-n-extra
		if n == 0 || distance > end-z.low {
			err = errDeflate
			break
		}
		from := end - distance
		if distance >= length {
			copy(out[end:end+length], out[from:from+length])
		} else {
			for i := range length {
				out[end+i] = out[from+i]
			}
		}
		end += length
	}
	z.at, z.bits, z.count, z.end = at, bits, count, end
	return err
}
