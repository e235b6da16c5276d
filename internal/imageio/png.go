package imageio

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// PNG colour types.
const (
	pngGray      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGrayAlpha = 4
	pngRGBA      = 6
)

// maxProfile is the largest colour profile that is carried along.
const maxProfile = 16 << 20

// pngMeta is what the chunks before the pixels say.
type pngMeta struct {
	gray, alpha bool
	icc         []byte
}

// readPNGMeta reads the chunks of a PNG that the decoder has accepted.
func readPNGMeta(data []byte) (m pngMeta) {
	data = data[len(pngSignature):]
	for len(data) >= 12 {
		n := int64(binary.BigEndian.Uint32(data))
		if n > int64(len(data))-12 {
			return m
		}
		kind, body := string(data[4:8]), data[8:8+n]
		switch kind {
		case "IHDR":
			if len(body) < 10 {
				return m
			}
			m.gray = body[9] == pngGray || body[9] == pngGrayAlpha
			m.alpha = body[9] == pngGrayAlpha || body[9] == pngRGBA
		case "PLTE":
			m.gray = true
			for i := 0; i+2 < len(body); i += 3 {
				m.gray = m.gray && body[i] == body[i+1] && body[i] == body[i+2]
			}
		case "tRNS":
			m.alpha = true
		case "iCCP":
			// name, 0, method, deflated profile
			if i := bytes.IndexByte(body, 0); i >= 0 && i+2 <= len(body) {
				m.icc = inflate(body[i+2:], maxProfile)
			}
		case "IDAT":
			return m
		}
		data = data[12+n:]
	}
	return m
}

// inflate returns the inflated data, nil when it is damaged or over limit.
func inflate(data []byte, limit int64) []byte {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil || int64(len(out)) > limit || len(out) == 0 {
		return nil
	}
	return out
}

// encodePNG writes p with bits 8 or 16 a sample. The standard library's
// encoder knows neither gray with alpha nor colour profiles, and wants a
// second copy of the picture in its own layout.
func encodePNG(w io.Writer, p *Picture, bits int) error {
	kind := byte(pngGray)
	switch {
	case p.C == 3 && p.Alpha != nil:
		kind = pngRGBA
	case p.C == 3:
		kind = pngRGB
	case p.Alpha != nil:
		kind = pngGrayAlpha
	}
	if _, err := io.WriteString(w, pngSignature); err != nil {
		return err
	}
	var ihdr [13]byte
	binary.BigEndian.PutUint32(ihdr[0:], uint32(p.W))
	binary.BigEndian.PutUint32(ihdr[4:], uint32(p.H))
	ihdr[8], ihdr[9] = byte(bits), kind
	if err := writeChunk(w, "IHDR", ihdr[:]); err != nil {
		return err
	}
	if icc := profileFor(p); icc != nil {
		var b bytes.Buffer
		b.WriteString("ICC profile\x00\x00")
		z := zlib.NewWriter(&b)
		z.Write(icc)
		z.Close()
		if err := writeChunk(w, "iCCP", b.Bytes()); err != nil {
			return err
		}
	}
	// The pixels go out in IDAT chunks of at most 64 KiB.
	idat := bufio.NewWriterSize(chunkWriter{w, "IDAT"}, 1<<16)
	z := zlib.NewWriter(idat)
	packer := newPacker(p, bits)
	bpp := packer.pixelBytes()
	row, prior := make([]byte, p.W*bpp), make([]byte, p.W*bpp)
	var f filterer
	for y := range p.H {
		packer.row(row, y)
		if _, err := z.Write(f.best(row, prior, bpp)); err != nil {
			return err
		}
		row, prior = prior, row
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := idat.Flush(); err != nil {
		return err
	}
	return writeChunk(w, "IEND", nil)
}

// A chunkWriter makes each Write a chunk.
type chunkWriter struct {
	w    io.Writer
	kind string
}

func (c chunkWriter) Write(b []byte) (int, error) { return len(b), writeChunk(c.w, c.kind, b) }

func writeChunk(w io.Writer, kind string, body []byte) error {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	head = append(head, kind...)
	sum := crc32.Update(crc32.ChecksumIEEE(head[4:]), crc32.IEEETable, body)
	for _, b := range [][]byte{head, body, binary.BigEndian.AppendUint32(nil, sum)} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// A filterer chooses the PNG filter of each row.
type filterer struct{ try, keep []byte }

// best returns the filter type and the filtered row with the smallest sum of
// absolute differences, the heuristic of the PNG specification (12.8).
func (f *filterer) best(row, prior []byte, bpp int) []byte {
	n := len(row) + 1
	if len(f.try) != n {
		f.try, f.keep = make([]byte, n), make([]byte, n)
	}
	least := -1
	for kind := range byte(5) {
		f.try[0] = kind
		sum := 0
		for i, v := range row {
			var a, c byte
			b := prior[i]
			if i >= bpp {
				a, c = row[i-bpp], prior[i-bpp]
			}
			switch kind {
			case 1:
				v -= a
			case 2:
				v -= b
			case 3:
				v -= byte((int(a) + int(b)) / 2)
			case 4:
				v -= paeth(a, b, c)
			}
			f.try[i+1] = v
			if d := int(int8(v)); d < 0 {
				sum -= d
			} else {
				sum += d
			}
		}
		if least < 0 || sum < least {
			least = sum
			f.try, f.keep = f.keep, f.try
		}
	}
	return f.keep
}

func paeth(a, b, c byte) byte {
	p := int(a) + int(b) - int(c)
	pa, pb, pc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

func abs(x int) int {
	if x < 0 {
		return -x
	}
	return x
}
