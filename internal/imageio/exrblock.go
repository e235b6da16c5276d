package imageio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zlib"
)

// The compressions of OpenEXR that are read. A block that would not have become shorter is
// stored as it is.
const (
	exrNone = iota
	exrRLE
	exrZIPS
	exrZIP
	exrPIZ
)

// exrLines is how many scan lines a block has.
var exrLines = [...]int{exrNone: 1, exrRLE: 1, exrZIPS: 1, exrZIP: 16, exrPIZ: 32}

// exrPixels bounds the pixels, of two bytes or more, that one byte can encode: deflate makes
// at most 1032 bytes of one, run lengths 64, and PIZ 255 words of ten bits.
var exrPixels = [...]int64{exrNone: 1, exrRLE: 32, exrZIPS: 516, exrZIP: 516, exrPIZ: 516}

// An exrDecoder undoes the compression of blocks: for each row, the numbers of each
// channel, little-endian.
type exrDecoder struct {
	channels    []exrChannel
	compression byte
	inflate     io.ReadCloser
	piz         piz
}

// unpack returns the w*h*pixel bytes of a block.
func (d *exrDecoder) unpack(packed []byte, w, h, pixel int) ([]byte, error) {
	n := w * h * pixel
	if len(packed) == n {
		return packed, nil
	}
	out := make([]byte, n)
	var err error
	switch d.compression {
	case exrRLE:
		err = exrRuns(out, packed)
	case exrZIPS, exrZIP:
		err = d.deflated(out, packed)
	case exrPIZ:
		return out, d.piz.decode(out, packed, d.channels, w, h)
	default:
		err = errors.New("a part of it is shorter than its pixels")
	}
	if err != nil {
		return nil, err
	}
	return exrTogether(out), nil
}

func (d *exrDecoder) deflated(out, packed []byte) (err error) {
	if d.inflate == nil {
		d.inflate, err = zlib.NewReader(bytes.NewReader(packed))
	} else {
		err = d.inflate.(zlib.Resetter).Reset(bytes.NewReader(packed), nil)
	}
	if err != nil {
		d.inflate = nil
		return err
	}
	if _, err := io.ReadFull(d.inflate, out); err != nil {
		return err
	}
	switch n, err := d.inflate.Read(make([]byte, 1)); { // the end, with its checksum
	case n > 0:
		return errors.New("a part of it is longer than its pixels")
	case err != io.EOF:
		return err
	}
	return nil
}

// exrRuns undoes run lengths: -n is followed by n bytes, n by one that stands n+1 times.
func exrRuns(out, b []byte) error {
	for len(out) > 0 {
		if len(b) < 2 {
			return io.ErrUnexpectedEOF
		}
		n := int(int8(b[0]))
		if b = b[1:]; n < 0 {
			if n = -n; n > len(b) {
				return io.ErrUnexpectedEOF
			}
			if n > len(out) {
				break
			}
			copy(out, b[:n])
			out, b = out[n:], b[n:]
			continue
		}
		if n++; n > len(out) {
			break
		}
		for i := range n {
			out[i] = b[0]
		}
		out, b = out[n:], b[1:]
	}
	if len(out) > 0 || len(b) > 0 {
		return errors.New("a part of it is longer than its pixels")
	}
	return nil
}

// exrApart puts the bytes at even places before those at odd ones, and replaces each by
// its difference from the one before it, plus 128: high and low bytes of numbers that
// change slowly make long runs.
func exrApart(b []byte) []byte {
	out := make([]byte, len(b))
	odd := (len(b) + 1) / 2
	for i, v := range b {
		if i%2 == 0 {
			out[i/2] = v
		} else {
			out[odd+i/2] = v
		}
	}
	for i := len(out) - 1; i > 0; i-- {
		out[i] -= out[i-1] - 128
	}
	return out
}

// exrTogether undoes exrApart; it overwrites b.
func exrTogether(b []byte) []byte {
	for i := 1; i < len(b); i++ {
		b[i] += b[i-1] - 128
	}
	out := make([]byte, len(b))
	odd := (len(b) + 1) / 2
	for i := range out {
		if i%2 == 0 {
			out[i] = b[i/2]
		} else {
			out[i] = b[odd+i/2]
		}
	}
	return out
}

// piz undoes the compression PIZ. The block is a sequence of 16-bit words, two for a
// number of 32 bits, all those of a channel together. Words were replaced by their ranks
// among those that occur, the ranks by their Haar wavelets, and these by a Huffman code.
type piz struct {
	words []uint16
	value [1 << 16]uint16 // of each rank
	code  pizCode
}

func (z *piz) decode(out, packed []byte, channels []exrChannel, w, h int) error {
	if len(packed) < 4 {
		return io.ErrUnexpectedEOF
	}
	// Which words occur: a bit each, the bytes from first to last.
	first, last := int(binary.LittleEndian.Uint16(packed)), int(binary.LittleEndian.Uint16(packed[2:]))
	packed = packed[4:]
	var occurs [1 << 13]byte
	if last >= len(occurs) {
		return errors.New("a part of it counts too many numbers")
	}
	if first <= last {
		if len(packed) < last-first+1 {
			return io.ErrUnexpectedEOF
		}
		packed = packed[copy(occurs[first:last+1], packed):]
	}
	ranks := 0
	for v := range 1 << 16 {
		if v == 0 || occurs[v>>3]>>(v&7)&1 != 0 { // zero always counts
			z.value[ranks] = uint16(v)
			ranks++
		}
	}
	clear(z.value[ranks:])
	if len(packed) < 4 {
		return io.ErrUnexpectedEOF
	}
	length := binary.LittleEndian.Uint32(packed)
	if packed = packed[4:]; uint64(length) > uint64(len(packed)) {
		return io.ErrUnexpectedEOF
	}
	if z.words == nil || cap(z.words) < len(out)/2 {
		z.words = make([]uint16, len(out)/2)
	}
	words := z.words[:len(out)/2]
	if err := z.code.decode(words, packed[:length]); err != nil {
		return err
	}
	at := 0
	starts := make([]int, len(channels))
	for i, c := range channels {
		starts[i] = at
		per := exrBytes[c.kind] / 2
		for j := range per {
			unwavelet(words[at+j:], w, per, h, w*per, ranks-1)
		}
		at += w * h * per
	}
	for y := range h {
		for i, c := range channels {
			n := w * exrBytes[c.kind] / 2
			for _, v := range words[starts[i]+y*n:][:n] {
				binary.LittleEndian.PutUint16(out, z.value[v])
				out = out[2:]
			}
		}
	}
	return nil
}

// unwavelet undoes the transform of nx times ny words, which lie dx and dy apart: from
// the coarsest level on, it makes the four words of a square of their mean and their
// differences along x, along y and across. Where a side is odd, the last column or row has
// pairs only. most is the largest word.
func unwavelet(v []uint16, nx, dx, ny, dy, most int) {
	pair := pair16
	if most < 1<<14 {
		pair = pair14
	}
	p := 1
	for 2*p <= min(nx, ny) {
		p *= 2
	}
	for p /= 2; p >= 1; p /= 2 {
		for y := 0; y+2*p <= ny; y += 2 * p {
			for x := 0; x+2*p <= nx; x += 2 * p {
				at := y*dy + x*dx
				right, below := at+p*dx, at+p*dy
				across := below + p*dx
				v[at], v[below] = pair(v[at], v[below])
				v[right], v[across] = pair(v[right], v[across])
				v[at], v[right] = pair(v[at], v[right])
				v[below], v[across] = pair(v[below], v[across])
			}
			if nx&p != 0 {
				at := y*dy + nx/(2*p)*2*p*dx
				v[at], v[at+p*dy] = pair(v[at], v[at+p*dy])
			}
		}
		if ny&p != 0 {
			for x := 0; x+2*p <= nx; x += 2 * p {
				at := ny/(2*p)*2*p*dy + x*dx
				v[at], v[at+p*dx] = pair(v[at], v[at+p*dx])
			}
		}
	}
}

// pair14 makes two words of their mean l and their difference h: l = (a+b)>>1, h = a-b,
// of words below 2^14, which leaves room for the sign.
func pair14(l, h uint16) (a, b uint16) {
	d := int(int16(h))
	s := int(int16(l)) + d&1 + d>>1
	return uint16(s), uint16(s - d)
}

// pair16 is pair14 for all words, modulo 2^16.
func pair16(l, h uint16) (a, b uint16) {
	b = l - h>>1
	return h + b - 1<<15, b
}

// A pizCode undoes PIZ's code, of canonical codes of up to 58 bits: the longer the code,
// the less its number, and codes of one length are in the order of their symbols. The last
// symbol stands for repetitions of the word before it.
type pizCode struct {
	lengths [1<<16 + 1]uint8
	symbols []uint32   // in the order of length and symbol
	begin   [60]int    // where in symbols each length begins
	code    [60]uint64 // the first code of each length
	short   [1 << huffmanBits]uint32
}

// huffmanBits is how long the codes are that are found in a table.
const huffmanBits = 12

func (c *pizCode) decode(out []uint16, b []byte) error {
	if len(b) < 20 {
		return io.ErrUnexpectedEOF
	}
	first, last := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	total := uint64(binary.LittleEndian.Uint32(b[12:]))
	bad := errors.New("a part of it has a code that makes no sense")
	if first > last || last >= uint32(len(c.lengths)) {
		return bad
	}
	r := &pizBits{b: b[20:]}
	if err := c.readLengths(r, int(first), int(last)); err != nil {
		return err
	}
	rest := r.b[(r.at+7)/8:]
	if total > 8*uint64(len(rest)) {
		return io.ErrUnexpectedEOF
	}
	c.assign(int(first), int(last))
	r = &pizBits{b: rest}
	repeat := last
	for at := 0; at < len(out); {
		var s uint32
		if e := c.short[r.peek(huffmanBits)]; e != 0 {
			s = e >> 8
			r.at += uint64(e & 0xff)
		} else {
			l := huffmanBits + 1
			for ; ; l++ {
				if l > 58 {
					return bad
				}
				if i := r.peek(l) - c.code[l]; r.peek(l) >= c.code[l] && i < uint64(c.begin[l+1]-c.begin[l]) {
					s = c.symbols[c.begin[l]+int(i)]
					break
				}
			}
			r.at += uint64(l)
		}
		if s != repeat {
			out[at] = uint16(s)
			at++
		} else {
			n := int(r.take(8))
			if at == 0 || n > len(out)-at {
				return bad
			}
			for range n {
				out[at] = out[at-1]
				at++
			}
		}
		if r.at > total {
			return io.ErrUnexpectedEOF
		}
	}
	if r.at != total {
		return bad
	}
	return nil
}

// readLengths reads the lengths of the codes of first to last: 6 bits each; 59 to 62 stand
// for 2 to 5 symbols without a code, 63 for 6 more than the next 8 bits say.
func (c *pizCode) readLengths(r *pizBits, first, last int) error {
	clear(c.lengths[:])
	for i := first; i <= last; i++ {
		n := 1
		switch l := r.take(6); {
		case l == 63:
			n = int(r.take(8)) + 6
		case l >= 59:
			n = int(l) - 57
		default:
			c.lengths[i] = uint8(l)
		}
		if n > last+1-i {
			return errors.New("a part of it has a code that makes no sense")
		}
		if r.at > 8*uint64(len(r.b)) {
			return io.ErrUnexpectedEOF
		}
		i += n - 1
	}
	return nil
}

// assign gives the symbols their codes.
func (c *pizCode) assign(first, last int) {
	var count [60]int
	for _, l := range c.lengths[first : last+1] {
		count[l]++
	}
	count[0] = 0
	var code uint64
	for l := 58; l > 0; l-- {
		c.code[l] = code
		code = (code + uint64(count[l])) >> 1
	}
	at := 0
	for l := range count {
		c.begin[l] = at
		at += count[l]
	}
	c.symbols = append(c.symbols[:0], make([]uint32, at)...)
	next := c.begin
	clear(c.short[:])
	for s := first; s <= last; s++ {
		l := int(c.lengths[s])
		if l == 0 {
			continue
		}
		i := next[l]
		next[l]++
		c.symbols[i] = uint32(s)
		if l > huffmanBits {
			continue
		}
		from := (c.code[l] + uint64(i-c.begin[l])) << (huffmanBits - l)
		for k := from; k < from+1<<(huffmanBits-l) && k < uint64(len(c.short)); k++ {
			c.short[k] = uint32(s)<<8 | uint32(l)
		}
	}
}

// A pizBits reads bits, the highest first, and zeros behind the end.
type pizBits struct {
	b  []byte
	at uint64
}

// peek is the next n bits, at most 58.
func (r *pizBits) peek(n int) uint64 {
	var v uint64
	i := r.at / 8
	if i+9 <= uint64(len(r.b)) {
		v = binary.BigEndian.Uint64(r.b[i:])<<(r.at%8) | uint64(r.b[i+8])>>(8-r.at%8)
	} else {
		var tail [9]byte
		if i < uint64(len(r.b)) {
			copy(tail[:], r.b[i:])
		}
		v = binary.BigEndian.Uint64(tail[:])<<(r.at%8) | uint64(tail[8])>>(8-r.at%8)
	}
	return v >> (64 - n)
}

func (r *pizBits) take(n int) uint64 {
	v := r.peek(n)
	r.at += uint64(n)
	return v
}
