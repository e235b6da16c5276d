package imageio

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/lpn-imaging/lpn/internal/inorder"
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

// A chunk is a named piece of a PNG.
type chunk struct {
	kind string
	body []byte
}

// xmpKeyword begins the text chunk that holds XMP.
const xmpKeyword = "XML:com.adobe.xmp"

// maxChunks bounds the further chunks that go along, in bytes.
const maxChunks = 1 << 20

// readPNGNotes reads the chunks of a PNG that the decoder has accepted.
func readPNGNotes(data []byte) (m notes) {
	kept := 0
	palette := false
	eachChunk(data, func(kind string, body []byte) bool {
		switch kind {
		case "IHDR":
			if len(body) < 10 {
				return false
			}
			m.gray = body[9] == pngGray || body[9] == pngGrayAlpha
			m.alpha = body[9] == pngGrayAlpha || body[9] == pngRGBA
			palette = body[9] == pngPalette
		case "PLTE":
			if !palette { // only a hint for poor screens
				break
			}
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
		case "pHYs":
			if len(body) == 9 && body[8] == 1 { // a metre
				const inch = 0.0254
				m.meta.DPI = [2]float64{float64(binary.BigEndian.Uint32(body)) * inch, float64(binary.BigEndian.Uint32(body[4:])) * inch}
			}
		case "eXIf":
			m.meta.EXIF = body
		case "iTXt":
			if bytes.HasPrefix(body, []byte(xmpKeyword+"\x00")) {
				m.meta.XMP = internationalText(body)
				break
			}
			fallthrough
		case "gAMA", "cHRM", "sRGB", "cICP", "tEXt", "zTXt":
			if kept += len(body); kept <= maxChunks {
				m.meta.chunks = append(m.meta.chunks, chunk{kind, bytes.Clone(body)})
			}
		}
		return true
	})
	return m
}

// internationalText is the text of an iTXt chunk: keyword, 0, whether it is
// deflated, how, language, 0, translated keyword, 0, text.
func internationalText(body []byte) []byte {
	_, rest, _ := bytes.Cut(body, []byte{0})
	if len(rest) < 2 {
		return nil
	}
	deflated := rest[0] == 1
	for range 2 {
		_, after, ok := bytes.Cut(rest[2:], []byte{0})
		if !ok {
			return nil
		}
		rest = append([]byte{0, 0}, after...)
	}
	if text := rest[2:]; !deflated {
		return bytes.Clone(text)
	} else {
		return inflate(text, maxProfile)
	}
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

// A pngWriter writes a PNG, or an animated one of several pages. The standard
// library's encoder knows neither gray with alpha nor colour profiles nor
// animations, wants a second copy of the picture in its own layout, and
// deflates on one core.
type pngWriter struct {
	w        io.Writer
	o        Options
	bits     int
	pages    int
	first    *Picture // without its samples
	sequence uint32   // of the chunks of an animation
}

// page writes the next page, the header before the first.
func (e *pngWriter) page(p *Picture) error {
	if e.first == nil {
		if err := e.header(p); err != nil {
			return err
		}
		first := *p
		first.Pix, first.Alpha = nil, nil
		e.first = &first
	} else if p.Shape != e.first.Shape {
		return fmt.Errorf("pages of %s and %s: an animated PNG has one size", sizeOf(e.first), sizeOf(p))
	}
	if e.pages > 1 {
		if err := e.control(p); err != nil {
			return err
		}
	}
	return e.pixels(p)
}

func sizeOf(p *Picture) string { return fmt.Sprintf("%dx%d", p.W, p.H) }

func (e *pngWriter) close() error { return writeChunk(e.w, "IEND", nil) }

// alpha reports whether p is written with opacity: pages of an animation are,
// for the ones to come may need it.
func (e *pngWriter) alpha(p *Picture) bool { return p.Alpha != nil || e.pages > 1 }

func (e *pngWriter) header(p *Picture) error {
	kind := byte(pngGray)
	switch {
	case p.C == 3 && e.alpha(p):
		kind = pngRGBA
	case p.C == 3:
		kind = pngRGB
	case e.alpha(p):
		kind = pngGrayAlpha
	}
	if _, err := io.WriteString(e.w, pngSignature); err != nil {
		return err
	}
	be := binary.BigEndian
	ihdr := be.AppendUint32(be.AppendUint32(nil, uint32(p.W)), uint32(p.H))
	chunks := []chunk{{"IHDR", append(ihdr, byte(e.bits), kind, 0, 0, 0)}}
	for _, c := range p.Meta.chunks { // those of colour stand before the pixels, and the others may
		if c.kind != "sRGB" || len(p.ICC) == 0 {
			chunks = append(chunks, c)
		}
	}
	if icc := profileFor(p); icc != nil {
		chunks = append(chunks, chunk{"iCCP", append([]byte("ICC profile\x00\x00"), zlibStream(icc, 9)...)})
	}
	if x, y := math.Round(p.Meta.DPI[0]/0.0254), math.Round(p.Meta.DPI[1]/0.0254); x >= 1 && y >= 1 && max(x, y) <= math.MaxInt32 {
		chunks = append(chunks, chunk{"pHYs", append(be.AppendUint32(be.AppendUint32(nil, uint32(x)), uint32(y)), 1)})
	}
	if exif := exifFor(p); exif != nil {
		chunks = append(chunks, chunk{"eXIf", exif})
	}
	if p.Meta.XMP != nil {
		chunks = append(chunks, chunk{"iTXt", append([]byte(xmpKeyword+"\x00\x00\x00\x00\x00"), p.Meta.XMP...)})
	}
	if e.pages > 1 {
		chunks = append(chunks, chunk{"acTL", be.AppendUint32(be.AppendUint32(nil, uint32(e.pages)), 0)})
	}
	for _, c := range chunks {
		if err := writeChunk(e.w, c.kind, c.body); err != nil {
			return err
		}
	}
	return nil
}

// control writes where and how long a page of an animation is shown.
func (e *pngWriter) control(p *Picture) error {
	be := binary.BigEndian
	var b []byte
	for _, v := range []uint32{e.next(), uint32(p.W), uint32(p.H), 0, 0} {
		b = be.AppendUint32(b, v)
	}
	b = be.AppendUint16(b, uint16(min(p.Delay.Milliseconds(), math.MaxUint16)))
	b = be.AppendUint16(b, 1000)
	return writeChunk(e.w, "fcTL", append(b, 0, 0)) // stays, and replaces what was there
}

func (e *pngWriter) next() uint32 {
	e.sequence++
	return e.sequence - 1
}

// pixels filters and deflates blocks of rows on all cores.
func (e *pngWriter) pixels(p *Picture) error {
	packer := newPacker(p, e.bits)
	packer.alpha = e.alpha(p)
	bpp := packer.pixelBytes()
	n := p.W * bpp
	rows := max(blockBytes/(n+1), 1)
	blocks := (p.H + rows - 1) / rows
	type piece struct {
		data []byte
		sum  uint32
		n    int
	}
	work := func(i int) piece {
		y0, y1 := i*rows, min((i+1)*rows, p.H)
		row, prior := make([]byte, n), make([]byte, n)
		if y0 > 0 {
			packer.row(prior, y0-1)
		}
		f := filterer{few: e.o.Compression != "small"}
		raw := make([]byte, 0, (n+1)*(y1-y0))
		for y := y0; y < y1; y++ {
			packer.row(row, y)
			raw = f.append(raw, row, prior, bpp)
			row, prior = prior, row
		}
		return piece{deflate(raw, levelOf(e.o.Compression), y1 == p.H), adler32.Checksum(raw), len(raw)}
	}
	kind, animated := "IDAT", false
	if e.sequence > 1 {
		kind, animated = "fdAT", true
	}
	sum, done := uint32(1), 0
	return inorder.Do(blocks, e.o.workers(), 2, work, func(_ int, b piece) error {
		var body []byte
		if animated {
			body = binary.BigEndian.AppendUint32(body, e.next())
		}
		if done == 0 {
			body = append(body, zlibHeader...)
		}
		body = append(body, b.data...)
		sum = adlerJoin(sum, b.sum, b.n)
		if done++; done == blocks {
			body = binary.BigEndian.AppendUint32(body, sum)
		}
		return writeChunk(e.w, kind, body)
	})
}

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
type filterer struct {
	few bool // tries only Sub and Paeth, on a part of the row
	try []byte
}

// append appends the filter type and the filtered row with the smallest sum of absolute
// differences, the heuristic of the PNG specification (12.8).
func (f *filterer) append(to, row, prior []byte, bpp int) []byte {
	kinds, part, every := []byte{0, 1, 2, 3, 4}, len(row), len(row)
	if f.few {
		kinds = []byte{1, 4}
		if pixels := 64 * bpp; len(row) >= 8*pixels {
			part, every = pixels, 4*pixels
		}
	}
	f.try = slices.Grow(f.try[:0], part)[:part]
	best, least := kinds[0], -1
	for _, kind := range kinds {
		sum := 0
		for at := 0; at+part <= len(row); at += every {
			filter(f.try, row[at:at+part], prior[at:at+part], bpp, kind)
			sum += magnitude(f.try)
		}
		if least < 0 || sum < least {
			best, least = kind, sum
		}
	}
	n := len(to) + 1
	to = slices.Grow(to, 1+len(row))[:n+len(row)]
	to[n-1] = best
	filter(to[n:], row, prior, bpp, best)
	return to
}

// filter subtracts from each byte what filter kind predicts from those left
// of it, above it, and above left (PNG third edition, 9.2).
func filter(dst, row, prior []byte, bpp int, kind byte) {
	n := len(row)
	dst, prior = dst[:n], prior[:n]
	left := row[:n-bpp]
	switch kind {
	case 0:
		copy(dst, row)
	case 1:
		copy(dst, row[:bpp])
		for i, a := range left {
			dst[i+bpp] = row[i+bpp] - a
		}
	case 2:
		for i, b := range prior {
			dst[i] = row[i] - b
		}
	case 3:
		for i := range bpp {
			dst[i] = row[i] - prior[i]/2
		}
		for i, a := range left {
			dst[i+bpp] = row[i+bpp] - byte((int(a)+int(prior[i+bpp]))/2)
		}
	case 4:
		for i := range bpp {
			dst[i] = row[i] - prior[i]
		}
		dst, row, above := dst[bpp:], row[bpp:], prior[bpp:]
		i := 0
		for ; i+4 <= len(left); i += 4 {
			le := binary.LittleEndian
			le.PutUint32(dst[i:], paethFour(le.Uint32(row[i:]), le.Uint32(left[i:]), le.Uint32(above[i:]), le.Uint32(prior[i:])))
		}
		for ; i < len(left); i++ {
			dst[i] = row[i] - paeth(left[i], above[i], prior[i])
		}
	}
}

// magnitude sums bytes as signed numbers without their signs.
func magnitude(b []byte) int {
	sum := 0
	for _, v := range b {
		s := int(int8(v))
		m := s >> 63
		sum += s ^ m - m
	}
	return sum
}

// paeth is the one of a, b and c that is nearest to a + b - c.
func paeth(a, b, c byte) byte {
	pa, pb := int(b)-int(c), int(a)-int(c)
	pc := abs(pa + pb)
	pa, pb = abs(pa), abs(pb)
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

// paethFour is x - paeth(a, b, c) of four bytes each. They are spread to lanes of 16 bits,
// in which differences keep their sign: in d + high, it is the highest bit.
func paethFour(x, a, b, c uint32) uint32 {
	const high, one = 0x8000_8000_8000_8000, 0x0001_0001_0001_0001
	spread := func(v uint32) uint64 {
		w := uint64(v)
		w = (w | w<<16) & 0x0000_ffff_0000_ffff
		return (w | w<<8) & 0x00ff_00ff_00ff_00ff
	}
	// all is a lane of ones where the highest bit of d is 0.
	all := func(d uint64) uint64 { return (^d & high) >> 15 * 0xffff }
	// distance is |p - q|.
	distance := func(p, q uint64) uint64 {
		d := (p | high) - q
		m := all(d)
		return (d ^ high ^ m) + m&one
	}
	u, v, w := spread(a), spread(b), spread(c)
	pa, pb, pc := distance(v, w), distance(u, w), distance(u+v, 2*w)
	m := all((pb | high) - pa) // b is nearer than a
	p, most := u^(u^v)&m, pa^(pa^pb)&m
	m = all((pc | high) - most) // c is nearer than either
	p ^= (p ^ w) & m
	r := ((spread(x) | high) - p) & 0x00ff_00ff_00ff_00ff
	r = (r | r>>8) & 0x0000_ffff_0000_ffff
	return uint32(r | r>>16)
}

func abs(x int) int { m := x >> 63; return (x ^ m) - m }
