package imageio

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"io"
	"math"
)

const iccMarker = "ICC_PROFILE\x00"

// readJPEGProfile joins the pieces of the ICC profile in the APP2 segments,
// nil when there is none or a piece is missing (ICC.1:2022, annex B.4).
func readJPEGProfile(data []byte) []byte {
	var parts [256][]byte
	count, size := 0, 0
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff {
			return nil
		}
		marker := data[at+1]
		if marker == 0xff { // padding
			at++
			continue
		}
		if marker == 0xd8 || marker == 0x01 || marker >= 0xd0 && marker <= 0xd7 {
			at += 2
			continue
		}
		if marker == 0xda || marker == 0xd9 { // the scan: no segments beyond
			break
		}
		n := int(binary.BigEndian.Uint16(data[at+2:]))
		if n < 2 || at+2+n > len(data) {
			return nil
		}
		seg := data[at+4 : at+2+n]
		if marker == 0xe2 && len(seg) > len(iccMarker)+2 && string(seg[:len(iccMarker)]) == iccMarker {
			parts[seg[len(iccMarker)]] = seg[len(iccMarker)+2:]
			count = int(seg[len(iccMarker)+1])
			size += len(seg)
		}
		at += 2 + n
	}
	if count == 0 || size > maxProfile {
		return nil
	}
	var icc []byte
	for i := 1; i <= count; i++ {
		if parts[i] == nil {
			return nil
		}
		icc = append(icc, parts[i]...)
	}
	return icc
}

// encodeJPEG writes p with 8 bits at the given quality, without alpha.
func encodeJPEG(w io.Writer, p *Picture, quality int) error {
	if icc := profileFor(p); icc != nil {
		w = &spliceWriter{w: w, at: 2, insert: jpegProfile(icc)}
	}
	var img image.Image
	r := image.Rect(0, 0, p.W, p.H)
	if p.Gray() {
		g := image.NewGray(r)
		for i, v := range p.Pix {
			g.Pix[i] = byte(level(v, 255))
		}
		img = g
	} else {
		m := image.NewRGBA(r)
		for c := range 3 {
			for i, v := range p.Plane(c) {
				m.Pix[4*i+c] = byte(level(v, 255))
			}
		}
		for i := 3; i < len(m.Pix); i += 4 {
			m.Pix[i] = 255
		}
		img = m
	}
	return jpeg.Encode(w, img, &jpeg.Options{Quality: quality})
}

// jpegProfile lays out icc in APP2 segments.
func jpegProfile(icc []byte) []byte {
	const most = math.MaxUint16 - 2 - len(iccMarker) - 2
	count := (len(icc) + most - 1) / most
	if count > 255 {
		return nil
	}
	var b bytes.Buffer
	for i := range count {
		part := icc[i*most : min((i+1)*most, len(icc))]
		n := 2 + len(iccMarker) + 2 + len(part)
		b.Write([]byte{0xff, 0xe2, byte(n >> 8), byte(n)})
		b.WriteString(iccMarker)
		b.Write([]byte{byte(i + 1), byte(count)})
		b.Write(part)
	}
	return b.Bytes()
}

// A spliceWriter inserts bytes after the first at bytes of a stream.
type spliceWriter struct {
	w      io.Writer
	at     int
	insert []byte
}

func (s *spliceWriter) Write(b []byte) (int, error) {
	n := 0
	if s.insert != nil {
		n = min(s.at, len(b))
		s.at -= n
		if _, err := s.w.Write(b[:n]); err != nil {
			return 0, err
		}
		if s.at == 0 {
			if _, err := s.w.Write(s.insert); err != nil {
				return 0, err
			}
			s.insert = nil
		}
	}
	m, err := s.w.Write(b[n:])
	return n + m, err
}
