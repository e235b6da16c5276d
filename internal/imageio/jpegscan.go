package imageio

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// This file undoes the entropy coding of a JPEG file (ITU-T T.81, annexes B, F
// and G): Huffman codes, in one scan or in progressive ones, to the multiples of
// the quantisation steps.

var (
	errJPEGShort = errors.New("damaged JPEG: it ends too early")
	errJPEGCode  = errors.New("damaged JPEG: bad entropy code")
)

// A jpegPlane is one component while it is decoded.
type jpegPlane struct {
	id           byte
	down, across int // blocks of it in a unit of an interleaved scan
	rows, cols   int // its blocks
	k            []int16
	last         int32 // DC of the block before
	dc, ac       *huffman
}

// block is block (r,c); those beyond the plane, which fill a unit up, are all the
// same.
func (p *jpegPlane) block(r, c int, beyond *[64]int16) *[64]int16 {
	if r >= p.rows || c >= p.cols {
		clear(beyond[:])
		return beyond
	}
	return (*[64]int16)(p.k[64*(r*p.cols+c):])
}

// A jpegScan is what the segments said that hold for the scans to come.
type jpegScan struct {
	progressive  bool
	planes       []jpegPlane
	units        [2]int // down and across, of an interleaved scan
	codes        [2][4]*huffman
	restart      int
	bits         bitReader
	beyond       [64]int16
	ss, se       int  // first and last frequency, in zigzag order
	first        bool // the first pass over the bits of these frequencies
	al           uint // the lowest bit
	blocksToSkip int  // EOBRUN: blocks without further coefficients
}

// decodeJPEGScans reads all scans of a file into the planes' multiples.
func decodeJPEGScans(data []byte, s *jpegScan) error {
	scans := 0
	for at := 2; ; {
		for at < len(data) && data[at] != 0xff { // Go's decoder and others skip it too
			at++
		}
		for at < len(data) && data[at] == 0xff {
			at++
		}
		if at >= len(data) {
			return errJPEGShort
		}
		marker := data[at]
		at++
		switch {
		case marker == 0xd9: // end of image
			if scans == 0 {
				return errJPEGShort
			}
			return nil
		case marker == 0 || marker == 0x01 || marker >= 0xd0 && marker <= 0xd8:
			continue
		case at+2 > len(data):
			return errJPEGShort
		}
		n := int(binary.BigEndian.Uint16(data[at:]))
		if n < 2 || at+n > len(data) {
			return errJPEGShort
		}
		body := data[at+2 : at+n]
		at += n
		var err error
		switch marker {
		case 0xc4:
			err = s.readCodes(body)
		case 0xdd:
			if len(body) != 2 {
				return errors.New("damaged JPEG: bad restart interval")
			}
			s.restart = int(binary.BigEndian.Uint16(body))
		case 0xdb:
			if scans > 0 {
				return errors.New("a JPEG whose quantisation tables change between its scans")
			}
		case 0xda:
			s.bits = bitReader{data: data, at: at}
			err = s.scan(body)
			at = s.bits.at
			scans++
		}
		if err != nil {
			return err
		}
	}
}

// readCodes reads a DHT segment.
func (s *jpegScan) readCodes(body []byte) error {
	bad := errors.New("damaged JPEG: bad Huffman table")
	for len(body) > 0 {
		if len(body) < 17 || body[0]>>4 > 1 || body[0]&15 > 3 {
			return bad
		}
		n := 0
		for _, c := range body[1:17] {
			n += int(c)
		}
		if n > 256 || len(body) < 17+n {
			return bad
		}
		h, ok := newHuffman((*[16]byte)(body[1:17]), body[17:17+n])
		if !ok {
			return bad
		}
		s.codes[body[0]>>4][body[0]&15] = h
		body = body[17+n:]
	}
	return nil
}

// scan reads one scan, header and codes.
func (s *jpegScan) scan(head []byte) error {
	bad := errors.New("damaged JPEG: bad scan header")
	if len(head) < 1 || head[0] < 1 || int(head[0]) > len(s.planes) || len(head) != 4+2*int(head[0]) {
		return bad
	}
	var planes []*jpegPlane
	for i := range int(head[0]) {
		var p *jpegPlane
		for c := range s.planes {
			if s.planes[c].id == head[1+2*i] {
				p = &s.planes[c]
			}
		}
		t := head[2+2*i]
		if p == nil || t>>4 > 3 || t&15 > 3 {
			return bad
		}
		for _, q := range planes {
			if p == q {
				return bad
			}
		}
		p.dc, p.ac, p.last = s.codes[0][t>>4], s.codes[1][t&15], 0
		planes = append(planes, p)
	}
	tail := head[len(head)-3:]
	s.ss, s.se, s.first, s.al = 0, 63, true, 0
	if s.progressive {
		s.ss, s.se, s.first, s.al = int(tail[0]), int(tail[1]), tail[2]>>4 == 0, uint(tail[2]&15)
		if s.se > 63 || s.ss > s.se || s.ss == 0 && s.se != 0 || s.ss > 0 && len(planes) > 1 || s.al > 13 {
			return bad
		}
	}
	for _, p := range planes {
		if p.dc == nil && s.ss == 0 && s.first || p.ac == nil && s.se > 0 {
			return errors.New("damaged JPEG: a scan without its Huffman table")
		}
	}
	s.blocksToSkip = 0
	return s.blocks(planes)
}

// blocks reads the blocks of a scan: those of a single plane in their order,
// those of several in units.
func (s *jpegScan) blocks(planes []*jpegPlane) error {
	rows, cols := s.units[0], s.units[1]
	if len(planes) == 1 {
		rows, cols = planes[0].rows, planes[0].cols
	}
	for unit := range rows * cols {
		if s.restart > 0 && unit > 0 && unit%s.restart == 0 {
			if err := s.bits.restart(); err != nil {
				return err
			}
			s.blocksToSkip = 0
			for _, p := range planes {
				p.last = 0
			}
		}
		y, x := unit/cols, unit%cols
		if len(planes) == 1 {
			if err := s.read(planes[0], planes[0].block(y, x, nil)); err != nil {
				return err
			}
			continue
		}
		for _, p := range planes {
			for i := range p.down * p.across {
				b := p.block(y*p.down+i/p.across, x*p.across+i%p.across, &s.beyond)
				if err := s.read(p, b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// read reads what the scan has of one block.
func (s *jpegScan) read(p *jpegPlane, b *[64]int16) error {
	switch {
	case !s.progressive:
		s.readDC(p, b)
		s.readAC(p, b, 1)
	case s.ss == 0 && s.first:
		s.readDC(p, b)
	case s.ss == 0:
		if s.bits.take(1) > 0 {
			b[0] |= 1 << s.al
		}
	case s.first:
		s.readAC(p, b, s.ss)
	default:
		s.refineAC(p, b)
	}
	return s.bits.err
}

func (s *jpegScan) readDC(p *jpegPlane, b *[64]int16) {
	n := s.bits.symbol(p.dc)
	if n > 16 {
		s.bits.fail()
		return
	}
	p.last += s.bits.signed(int(n))
	b[0] = int16(p.last << s.al)
}

// readAC reads frequencies from k on: runs of zeros, each with the number that
// ends it (F.2.2.2, G.1.2.2).
func (s *jpegScan) readAC(p *jpegPlane, b *[64]int16, k int) {
	if s.blocksToSkip > 0 {
		s.blocksToSkip--
		return
	}
	for k <= s.se && s.bits.err == nil {
		rs := s.bits.symbol(p.ac)
		run, n := int(rs>>4), int(rs&15)
		switch {
		case n > 0:
			if k += run; k > s.se {
				s.bits.fail()
				return
			}
			b[zigzag[k]] = int16(s.bits.signed(n) << s.al)
			k++
		case run == 15:
			k += 16
		default:
			if run > 0 && !s.progressive {
				s.bits.fail()
			}
			s.blocksToSkip = 1<<run - 1 + int(s.bits.take(run))
			return
		}
	}
}

// refineAC reads one more bit of every number (G.1.2.3).
func (s *jpegScan) refineAC(p *jpegPlane, b *[64]int16) {
	bit := int16(1) << s.al
	k := s.ss
	// pass refines what is not zero up to the zero after zeros others.
	pass := func(zeros int) {
		for ; k <= s.se; k++ {
			v := &b[zigzag[k]]
			switch {
			case *v == 0:
				if zeros == 0 {
					return
				}
				zeros--
			case s.bits.take(1) == 0:
			case *v > 0:
				*v += bit
			default:
				*v -= bit
			}
		}
	}
	if s.blocksToSkip > 0 {
		s.blocksToSkip--
		pass(64)
		return
	}
	for k <= s.se && s.bits.err == nil {
		rs := s.bits.symbol(p.ac)
		run, value := int(rs>>4), int16(0)
		switch rs & 15 {
		case 0:
			if run < 15 {
				s.blocksToSkip = 1<<run - 1 + int(s.bits.take(run))
				pass(64)
				return
			}
		case 1:
			value = -bit
			if s.bits.take(1) > 0 {
				value = bit
			}
		default:
			s.bits.fail()
			return
		}
		pass(run)
		if k <= s.se {
			b[zigzag[k]] = value
			k++
		} else if value != 0 {
			s.bits.fail()
		}
	}
}

// A bitReader reads the bits of entropy-coded data, in which 0xff is written as
// 0xff 0x00. After an error it yields zeros.
type bitReader struct {
	data []byte
	at   int    // the byte to come
	acc  uint32 // the lowest n bits are to be read
	n    int
	// beyond counts the bits among them that are not in the data.
	beyond int
	err    error
}

func (r *bitReader) fail() {
	if r.err == nil {
		r.err = errJPEGCode
	}
}

// fill makes at least n <= 16 bits ready. Where the data end, at a marker, zeros
// follow, which it is an error to take.
func (r *bitReader) fill(n int) {
	for r.n < n {
		v := uint32(0)
		switch end := r.at+1 >= len(r.data); {
		case r.at < len(r.data) && r.data[r.at] != 0xff:
			v, r.at = uint32(r.data[r.at]), r.at+1
		case !end && r.data[r.at+1] == 0:
			v, r.at = 0xff, r.at+2
		default:
			r.beyond += 8
		}
		r.acc, r.n = r.acc<<8|v, r.n+8
	}
}

// drop passes n bits that are ready.
func (r *bitReader) drop(n int) {
	if r.n -= n; r.n < r.beyond && r.err == nil {
		r.err = errJPEGCode
		if r.at+1 >= len(r.data) {
			r.err = errJPEGShort
		}
	}
}

// take reads n <= 16 bits.
func (r *bitReader) take(n int) uint32 {
	r.fill(n)
	v := r.acc >> (r.n - n) & (1<<n - 1)
	r.drop(n)
	return v
}

// signed reads a number of n bits: without the leading 1 of positive ones,
// negative ones less 1 (F.2.2.1, EXTEND).
func (r *bitReader) signed(n int) int32 {
	v := int32(r.take(n))
	if n > 0 && v < 1<<(n-1) {
		v += 1 - 1<<n
	}
	return v
}

// symbol reads a Huffman code.
func (r *bitReader) symbol(h *huffman) byte {
	r.fill(16)
	code := int32(r.acc >> (r.n - 16) & 0xffff)
	if e := h.short[code>>8]; e != 0 {
		r.drop(int(e >> 8))
		return byte(e)
	}
	for n := 9; n <= 16; n++ {
		if c := code >> (16 - n); c < h.limit[n] {
			r.drop(n)
			return h.symbols[h.offset[n]+c]
		}
	}
	r.fail()
	return 0
}

// restart passes a restart marker and what bits are left before it.
func (r *bitReader) restart() error {
	r.acc, r.n, r.beyond = 0, 0, 0
	for r.at+1 < len(r.data) && (r.data[r.at] != 0xff || r.data[r.at+1] == 0 || r.data[r.at+1] == 0xff) {
		r.at++
	}
	if r.at+1 >= len(r.data) {
		return errJPEGShort
	}
	if m := r.data[r.at+1]; m < 0xd0 || m > 0xd7 {
		return fmt.Errorf("damaged JPEG: marker %#x where one of a restart belongs", m)
	}
	r.at += 2
	return nil
}

// A huffman is a canonical prefix code (annex C): the codes of one length are
// numbers in a row, and each length begins at twice the end of the one before.
type huffman struct {
	short   [256]uint16 // by the first 8 bits: length<<8 | symbol; 0: a longer code
	limit   [17]int32   // by length: the codes are below it,
	offset  [17]int32   // and code c has the symbol offset + c
	symbols []byte
}

// newHuffman makes the code with count[n-1] codes of n bits.
func newHuffman(count *[16]byte, symbols []byte) (h *huffman, ok bool) {
	h = &huffman{symbols: symbols}
	code, at := int32(0), int32(0)
	for n := 1; n <= 16; n++ {
		c := int32(count[n-1])
		if code+c > 1<<n {
			return nil, false
		}
		h.offset[n], h.limit[n] = at-code, code+c
		if n <= 8 {
			for i := range c {
				from := (code + i) << (8 - n)
				for j := range int32(1) << (8 - n) {
					h.short[from+j] = uint16(n)<<8 | uint16(symbols[at+i])
				}
			}
		}
		code, at = (code+c)<<1, at+c
	}
	return h, true
}
