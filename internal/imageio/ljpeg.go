package imageio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Lossless JPEG (ITU-T T.81, annex H: process 14 with Huffman codes), as
// scanners put it into DICOM. The standard library reads the lossy kind only.

// difference reads one difference from the prediction (T.81, H.1.2.2).
func (r *bitReader) difference(h *huffman) int {
	n := int(r.symbol(h))
	switch {
	case n == 16:
		return 32768
	case n > 16:
		r.fail()
		return 0
	}
	return int(r.signed(n))
}

// decodeLossless decodes a lossless JPEG of w x h samples in n channels, as
// interleaved numbers of up to 16 bits.
func decodeLossless(data []byte, w, h, n int) ([]uint16, error) {
	var tables [4]*huffman
	precision, interval := 0, 0
	var ids []byte
	for at := 2; ; {
		if at+4 > len(data) {
			return nil, io.ErrUnexpectedEOF
		}
		if data[at] != 0xff {
			return nil, errors.New("no marker where one must be")
		}
		marker := data[at+1]
		if marker == 0xff {
			at++
			continue
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		if size < 2 || at+2+size > len(data) {
			return nil, io.ErrUnexpectedEOF
		}
		seg := data[at+4 : at+2+size]
		at += 2 + size
		switch {
		case marker == 0xc4:
			for len(seg) >= 17 {
				count := 0
				for _, c := range seg[1:17] {
					count += int(c)
				}
				if seg[0] > 3 || len(seg) < 17+count {
					return nil, errors.New("its table of codes")
				}
				t, ok := newHuffman((*[16]byte)(seg[1:17]), seg[17:17+count])
				if !ok {
					return nil, errors.New("its table of codes")
				}
				tables[seg[0]] = t
				seg = seg[17+count:]
			}
		case marker == 0xc3:
			if len(seg) < 6 || len(seg) < 6+3*int(seg[5]) {
				return nil, errors.New("its header")
			}
			precision = int(seg[0])
			gotH, gotW, gotN := int(binary.BigEndian.Uint16(seg[1:])), int(binary.BigEndian.Uint16(seg[3:])), int(seg[5])
			if gotH != h || gotW != w || gotN != n || precision < 2 || precision > 16 {
				return nil, fmt.Errorf("%dx%d pixels of %d channels in a JPEG of %dx%d of %d", w, h, n, gotW, gotH, gotN)
			}
			for i := range n {
				if seg[7+3*i] != 0x11 {
					return nil, unsupported("a lossless JPEG with smaller channels", "unpack it with another program first")
				}
				ids = append(ids, seg[6+3*i])
			}
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc8 && marker != 0xcc:
			return nil, unsupported(fmt.Sprintf("a JPEG of process SOF%d here", marker-0xc0), "unpack it with another program first")
		case marker == 0xdd && len(seg) >= 2:
			interval = int(binary.BigEndian.Uint16(seg))
		case marker == 0xda:
			if ids == nil || len(seg) < 4+2*n || int(seg[0]) != n {
				return nil, errors.New("a scan of not all channels")
			}
			of := make([]*huffman, n)
			for i := range n {
				if t := seg[2+2*i] >> 4; t > 3 || tables[t] == nil || seg[1+2*i] != ids[i] {
					return nil, errors.New("a table that is missing")
				}
				of[i] = tables[seg[2+2*i]>>4]
			}
			s := &lossless{bits: bitReader{data: data[at:]}, tables: of, w: w, h: h, n: n,
				predictor: int(seg[1+2*n]), start: precision, shift: int(seg[3+2*n] & 15), interval: interval}
			return s.decode()
		}
	}
}

// A lossless is a scan.
type lossless struct {
	bits                    bitReader
	tables                  []*huffman
	w, h, n                 int
	predictor, start, shift int
	interval                int // restarts after so many pixels, 0 for never
}

func (s *lossless) decode() ([]uint16, error) {
	if s.predictor < 1 || s.predictor > 7 || s.shift >= s.start {
		return nil, fmt.Errorf("predictor %d", s.predictor)
	}
	if int64(s.w)*int64(s.h)*int64(s.n)/64 > int64(len(s.bits.data))+1 {
		return nil, io.ErrUnexpectedEOF // a sample takes a bit at least
	}
	out := make([]uint16, s.w*s.h*s.n)
	first := true // after the start and each restart
	row := s.w * s.n
	left := s.interval
	startRow := 0
	for y := range s.h {
		for x := range s.w {
			if s.interval > 0 && left == 0 {
				if err := s.bits.restart(); err != nil {
					return nil, err
				}
				left, first, startRow = s.interval, true, y
			}
			left--
			for c := range s.n {
				i := (y*s.w+x)*s.n + c
				var p int
				switch {
				case first:
					p = 1 << (s.start - s.shift - 1)
				case y == startRow:
					p = int(out[i-s.n])
				case x == 0:
					p = int(out[i-row])
				default:
					a, b, ab := int(out[i-s.n]), int(out[i-row]), int(out[i-row-s.n])
					switch s.predictor {
					case 1:
						p = a
					case 2:
						p = b
					case 3:
						p = ab
					case 4:
						p = a + b - ab
					case 5:
						p = a + (b-ab)>>1
					case 6:
						p = b + (a-ab)>>1
					case 7:
						p = (a + b) >> 1
					}
				}
				out[i] = uint16(p + s.bits.difference(s.tables[c]))
			}
			first = false
		}
		if s.bits.err != nil {
			return nil, s.bits.err
		}
	}
	if s.shift > 0 {
		for i := range out {
			out[i] <<= s.shift
		}
	}
	return out, nil
}
