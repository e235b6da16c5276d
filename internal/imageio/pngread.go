package imageio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zlib"

	"github.com/lpn-imaging/lpn/operators"
)

// This file decodes the PNG that programs usually write: of 8 bits, gray, RGB or RGBA, not
// interlaced, with no colour that stands for transparent. Rows become samples as they are
// inflated, so that there is no second copy of the picture. The standard library's decoder
// reads all others, and says what is wrong with the damaged ones.

// readPlainPNG decodes such a PNG. It returns nil for others.
func readPlainPNG(data []byte) *Picture {
	head, stream := plainPNG(data)
	if head == nil {
		return nil
	}
	be := binary.BigEndian
	w, h := int(be.Uint32(head)), int(be.Uint32(head[4:]))
	channels := map[byte]int{pngGray: 1, pngRGB: 3, pngRGBA: 4}[head[9]]
	plain := head[8] == 8 && channels > 0 && head[10] == 0 && head[11] == 0 && head[12] == 0
	if !plain || checkSize(min(channels, 3), h, w, int64(len(data)), codecPNG.perByte) != nil {
		return nil
	}
	z, err := zlib.NewReader(io.MultiReader(stream...))
	if err != nil {
		return nil
	}
	p := &Picture{Bits: 8, Image: operators.NewImage(operators.Shape{C: min(channels, 3), H: h, W: w})}
	if channels == 4 {
		p.Alpha = make([]uint16, w*h)
	}
	if p.readRows(z, channels) != nil {
		return nil
	}
	p.typed('u', 8)
	return p
}

// plainPNG takes a PNG apart into its header and its pixels. Both are nil if it is damaged,
// out of order, or has a colour for transparent.
func plainPNG(data []byte) (head []byte, pixels []io.Reader) {
	rest, ok := bytes.CutPrefix(data, []byte(pngSignature))
	over := false // the pixels
	for ok && len(rest) >= 12 {
		n := binary.BigEndian.Uint32(rest)
		if int64(n) > int64(len(rest))-12 {
			break
		}
		kind, body, sum := string(rest[4:8]), rest[8:8+n], binary.BigEndian.Uint32(rest[8+n:])
		first := head == nil
		if crc32.ChecksumIEEE(rest[4:8+n]) != sum || first != (kind == "IHDR") || first && n != 13 {
			break
		}
		switch kind {
		case "IHDR":
			head = body
		case "IDAT":
			ok = !over
			pixels = append(pixels, bytes.NewReader(body))
		case "IEND":
			return head, pixels
		case "tRNS":
			ok = false
		default:
			over = len(pixels) > 0
		}
		rest = rest[12+n:]
	}
	return nil, nil
}

// readRows reads the rows of p, filtered and of so many bytes a pixel. Another goroutine
// reads ahead.
func (p *Picture) readRows(z io.Reader, bpp int) error {
	n := 1 + p.W*bpp
	rows := max(1, blockBytes/n)
	const ahead = 2
	free, blocks := make(chan []byte, ahead+1), make(chan []byte, ahead)
	for range ahead + 1 {
		free <- make([]byte, min(rows, p.H)*n)
	}
	var failed error // once blocks is closed
	go func() {
		defer close(blocks)
		failed = guarded("png", func() error {
			for y := 0; y < p.H; y += rows {
				b := <-free
				b = b[:min(rows, p.H-y)*n]
				if _, err := io.ReadFull(z, b); err != nil {
					return err
				}
				blocks <- b
			}
			if k, err := z.Read(make([]byte, 1)); k > 0 || err != io.EOF {
				return errors.New("more pixels than there are, or a wrong checksum")
			}
			return nil
		})
	}()
	prior := make([]byte, n-1)
	y := 0
	var err error
	for block := range blocks {
		above := prior
		for at := 0; err == nil && at < len(block); at += n {
			row := block[at+1 : at+n]
			if err = unfilter(row, above, bpp, block[at]); err == nil {
				p.setRow(y, row, bpp)
			}
			above = row
			y++
		}
		copy(prior, above)
		free <- block
	}
	return errors.Join(failed, err)
}

// of8 are the samples of 8 bits.
var of8 = func() (of [256]float32) {
	for v := range of {
		of[v] = float32(v) / 255
	}
	return of
}()

// setRow stores row y of pixels of bpp bytes.
func (p *Picture) setRow(y int, row []byte, bpp int) {
	for c := range p.C {
		to := p.Plane(c)[y*p.W:][:p.W]
		at := row[c:]
		for x := range to {
			to[x] = of8[at[x*bpp]]
		}
	}
	if p.Alpha != nil {
		for x := range p.W {
			p.Alpha[y*p.W+x] = uint16(row[x*bpp+bpp-1]) * 0x101
		}
	}
}

// unfilter adds to each byte what filter kind predicts (see filter).
func unfilter(row, prior []byte, bpp int, kind byte) error {
	prior = prior[:len(row)]
	switch kind {
	case 0:
	case 1:
		for i := bpp; i < len(row); i++ {
			row[i] += row[i-bpp]
		}
	case 2:
		for i, b := range prior {
			row[i] += b
		}
	case 3:
		for i := range bpp {
			row[i] += prior[i] / 2
		}
		for i := bpp; i < len(row); i++ {
			row[i] += byte((int(row[i-bpp]) + int(prior[i])) / 2)
		}
	case 4:
		for i := range bpp {
			row[i] += prior[i]
		}
		for i := bpp; i < len(row); i++ {
			row[i] += paeth(row[i-bpp], prior[i], prior[i-bpp])
		}
	default:
		return fmt.Errorf("filter %d", kind)
	}
	return nil
}
