package imageio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
)

const iccMarker = "ICC_PROFILE\x00"

const (
	exifMarker = "Exif\x00\x00"
	xmpMarker  = "http://ns.adobe.com/xap/1.0/\x00"
	jfifMarker = "JFIF\x00"
)

// readJPEGNotes reads the segments of a JPEG that the decoder has accepted.
// The ICC profile is in pieces, and there is none when one of them is missing
// (ICC.1:2022, annex B.4).
func readJPEGNotes(data []byte) (m notes) {
	var parts [256][]byte
	count, size := 0, 0
	for marker, seg := range jpegSegments(data) {
		switch {
		case marker == 0xe0 && bytes.HasPrefix(seg, []byte(jfifMarker)) && len(seg) >= 12:
			unit := map[byte]float64{1: 1, 2: 2.54}[seg[7]]
			x, y := float64(binary.BigEndian.Uint16(seg[8:])), float64(binary.BigEndian.Uint16(seg[10:]))
			if x > 0 && y > 0 {
				m.meta.DPI = [2]float64{x * unit, y * unit}
			}
		case marker == 0xe1 && m.meta.EXIF == nil && bytes.HasPrefix(seg, []byte(exifMarker)):
			m.meta.EXIF = seg[len(exifMarker):]
		case marker == 0xe1 && bytes.HasPrefix(seg, []byte(xmpMarker)):
			m.meta.XMP = seg[len(xmpMarker):]
		case marker == 0xe2 && len(seg) > len(iccMarker)+2 && string(seg[:len(iccMarker)]) == iccMarker:
			parts[seg[len(iccMarker)]] = seg[len(iccMarker)+2:]
			count = int(seg[len(iccMarker)+1])
			size += len(seg)
		}
	}
	if count == 0 || size > maxProfile {
		return m
	}
	var icc []byte
	for i := 1; i <= count; i++ {
		if parts[i] == nil {
			return m
		}
		icc = append(icc, parts[i]...)
	}
	m.icc = icc
	return m
}

// jpegHead lays out what p's file says besides the samples.
func jpegHead(p *Picture) []byte {
	var b bytes.Buffer
	segment := func(marker byte, parts ...[]byte) {
		n := 2
		for _, part := range parts {
			n += len(part)
		}
		if n > math.MaxUint16 {
			return // there is no room for it
		}
		b.Write([]byte{0xff, marker, byte(n >> 8), byte(n)})
		for _, part := range parts {
			b.Write(part)
		}
	}
	if x, y := math.Round(p.Meta.DPI[0]), math.Round(p.Meta.DPI[1]); x >= 1 && y >= 1 && x <= math.MaxUint16 && y <= math.MaxUint16 {
		head := append([]byte(jfifMarker), 1, 2, 1)
		head = binary.BigEndian.AppendUint16(head, uint16(x))
		head = binary.BigEndian.AppendUint16(head, uint16(y))
		segment(0xe0, append(head, 0, 0))
	}
	if exif := exifFor(p); exif != nil {
		segment(0xe1, []byte(exifMarker), exif)
	}
	if xmp := p.Meta.XMP; xmp != nil {
		segment(0xe1, []byte(xmpMarker), xmp)
	}
	if icc := profileFor(p); icc != nil {
		b.Write(jpegProfile(icc))
	}
	return b.Bytes()
}

// A jpegWriter writes one page with 8 bits at a quality of 1 to 100, 0 for
// 95, without alpha.
type jpegWriter struct {
	w       io.Writer
	quality int
}

func (e *jpegWriter) close() error { return nil }

func (e *jpegWriter) page(p *Picture) error {
	w, quality := e.w, e.quality
	switch {
	case quality == 0:
		quality = 95
	case quality < 1 || quality > 100:
		return fmt.Errorf("JPEG quality %d: use 1 to 100", quality)
	}
	if p.W > math.MaxUint16 || p.H > math.MaxUint16 {
		return errors.New("JPEG holds at most 65535x65535 pixels")
	}
	if s := jpegHead(p); len(s) > 0 {
		w = &spliceWriter{w: w, at: 2, insert: s}
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
