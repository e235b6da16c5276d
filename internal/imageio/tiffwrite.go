package imageio

import (
	"encoding/binary"
	"errors"
	"hash/adler32"
	"io"
	"math"

	"github.com/lpn-imaging/lpn/internal/inorder"
)

// A tiffWriter writes a TIFF of one page or several: little-endian, deflated
// strips, unsigned integers of 8 or 16 bits or floats of 32. Each directory
// stands before its strips, so a page is complete before it goes out and the
// file is written in one pass. (x/image/tiff writes neither floats nor pages,
// and every colour picture with an alpha channel.) Gray with alpha goes out
// as colour, which every reader takes; gray with alpha is not so.
type tiffWriter struct {
	w     io.Writer
	o     Options
	bits  int
	left  int // pages to come
	at    int64
	lay   layout
	began bool
}

// begin writes the header. A file that may pass 4 GiB gets 64-bit offsets.
func (e *tiffWriter) begin(p *Picture) error {
	e.began = true
	e.lay = layout{order: binary.LittleEndian}
	most := int64(e.left) * (int64(p.W)*int64(p.H)*int64(newPacker(p, e.bits).channels())*int64(e.bits)/8 + int64(len(p.ICC)+len(p.Meta.EXIF)+len(p.Meta.XMP)) + 1<<16)
	head := "II*\x00\x08\x00\x00\x00"
	if e.lay.big = most+most/64 > math.MaxUint32; e.lay.big {
		head = "II+\x00\x08\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00"
	}
	e.at = int64(len(head))
	_, err := io.WriteString(e.w, head)
	return err
}

// page writes the next page.
func (e *tiffWriter) page(p *Picture) error {
	if !e.began {
		if err := e.begin(p); err != nil {
			return err
		}
	}
	var strips [][]byte
	var counts []int64
	err := e.strips(p, func(b []byte) error {
		strips, counts = append(strips, b), append(counts, int64(len(b)))
		return nil
	})
	if err != nil {
		return err
	}
	return e.put(p, counts, func() error {
		for _, b := range strips {
			if _, err := e.w.Write(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// packer packs the rows of p.
func (e *tiffWriter) packer(p *Picture) *packer {
	packer := newPacker(p, e.bits)
	packer.little = true
	packer.colour = p.C == 3 || packer.alpha
	return packer
}

// stripRows is how many rows the strips of p have, all but the last.
func (e *tiffWriter) stripRows(p *Picture) int {
	return max(blockBytes/(p.W*e.packer(p).pixelBytes()), 1)
}

// strips deflates the rows of p and emits the strips in their order.
func (e *tiffWriter) strips(p *Picture, emit func([]byte) error) error {
	packer := e.packer(p)
	n := p.W * packer.pixelBytes()
	rows := e.stripRows(p)
	return inorder.Do((p.H+rows-1)/rows, e.o.workers(), 2, func(i int) []byte {
		y0, y1 := i*rows, min((i+1)*rows, p.H)
		raw := make([]byte, (y1-y0)*n)
		for y := y0; y < y1; y++ {
			packer.row(raw[(y-y0)*n:(y-y0+1)*n], y)
			difference(raw[(y-y0)*n:(y-y0+1)*n], packer.channels(), e.bits)
		}
		level := levelOf(e.o.Compression)
		out := append([]byte(zlibHeader), deflate(raw, level, true)...)
		return binary.BigEndian.AppendUint32(out, adler32.Checksum(raw))
	}, func(_ int, b []byte) error { return emit(b) })
}

// put writes the directory of p, of which only what it is counts, and its strips, of the
// given lengths.
func (e *tiffWriter) put(p *Picture, counts []int64, strips func() error) error {
	packer := e.packer(p)
	l, channels := e.lay, packer.channels()
	offsets := make([]int64, len(counts))
	main, exif, gps := l.tiffTags(p)
	photometric, predictor := blackIsZero, 2
	if packer.colour {
		photometric = rgb
	}
	format := 1
	if e.bits == 32 {
		format, predictor = 3, 3
	}
	each := func(v int) []int {
		s := make([]int, channels)
		for i := range s {
			s[i] = v
		}
		return s
	}
	main = append(main,
		l.longs(tagWidth, int64(p.W)),
		l.longs(tagHeight, int64(p.H)),
		l.shorts(tagBits, each(e.bits)...),
		l.shorts(tagCompression, 8), // deflate
		l.shorts(tagPhotometric, photometric),
		l.offsets(tagStripOffsets, offsets...),
		l.shorts(tagChannels, channels),
		l.longs(tagRowsPerStrip, int64(min(e.stripRows(p), p.H))),
		l.offsets(tagStripCounts, counts...),
		l.shorts(tagPredictor, predictor),
		l.shorts(tagSampleFormat, each(format)...),
	)
	if packer.alpha {
		main = append(main, l.shorts(tagExtra, 2)) // not multiplied in
	}
	if e.left > 1 || p.Pages > 1 {
		main = append(main, l.longs(tagSubfile, 2)) // a page of several
	}
	if dpi := p.Meta.DPI; dpi[0] > 0 && dpi[1] > 0 {
		main = append(main, l.rational(tagXResolution, dpi[0]), l.rational(tagYResolution, dpi[1]), l.shorts(tagUnit, 2))
	}
	if xmp := p.Meta.XMP; len(xmp) > 0 {
		main = append(main, entry{tag: tagXMP, kind: kindByte, data: xmp})
	}
	if icc := profileFor(p); icc != nil && (!packer.colour || p.C == 3) {
		main = append(main, entry{tag: tagICC, kind: kindUndefined, data: icc})
	}
	start := e.at + int64(len(l.withSubs(e.at, main, exif, gps, 0)))
	end := start
	for i, n := range counts {
		offsets[i] = end
		end += n
	}
	end += end % 2 // directories begin at an even place
	if !l.big && end > math.MaxUint32 {
		return errors.New("the picture is too large for a TIFF file")
	}
	for i := range main {
		if main[i].tag == tagStripOffsets {
			main[i] = l.offsets(tagStripOffsets, offsets...)
		}
	}
	next := end
	if e.left--; e.left == 0 {
		next = 0
	}
	last := start
	for _, n := range counts {
		last += n
	}
	if _, err := e.w.Write(l.withSubs(e.at, main, exif, gps, next)); err != nil {
		return err
	}
	if err := strips(); err != nil {
		return err
	}
	_, err := e.w.Write(make([]byte, end-last))
	e.at = end
	return err
}

func (e *tiffWriter) close() error { return nil }

// difference replaces the samples of a row by their differences from the
// pixel before (predictor 2), or for floats sorts their bytes by weight and
// takes the differences of those (predictor 3).
func difference(row []byte, channels, bits int) {
	n := channels
	switch bits {
	case 16:
		for i := len(row) - 2; i >= 2*n; i -= 2 {
			v := uint16(row[i]) | uint16(row[i+1])<<8
			v -= uint16(row[i-2*n]) | uint16(row[i-2*n+1])<<8
			row[i], row[i+1] = byte(v), byte(v>>8)
		}
		return
	case 32:
		sorted := make([]byte, len(row))
		count := len(row) / 4
		for i := range count {
			for b := range 4 {
				sorted[b*count+i] = row[4*i+3-b]
			}
		}
		copy(row, sorted)
	}
	for i := len(row) - 1; i >= n; i-- {
		row[i] -= row[i-n]
	}
}
