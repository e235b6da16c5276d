package imageio

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"math/bits"

	"golang.org/x/image/ccitt"
	"golang.org/x/image/tiff/lzw"

	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/operators"
)

// The TIFF format: TIFF 6.0 with its technical notes on JPEG, deflate and the
// floating-point predictor, and BigTIFF.

// A tiffFile is an open TIFF: its pages are the directories that are neither
// small previews nor masks.
type tiffFile struct {
	*tagged
	pages []int64 // places of the directories
}

// maxPages is the most pages of a file that are looked for.
const maxPages = 1 << 20

func openTIFF(r io.ReaderAt, size int64) (source, error) {
	t, err := openTagged(r, size)
	if err != nil {
		return nil, damaged("TIFF", err)
	}
	f := &tiffFile{tagged: t}
	seen := map[int64]bool{}
	small := []int64{} // previews, the pages of a file that has nothing else
	below := false     // more pictures are below the pages
	for at := t.first; at != 0 && !seen[at] && len(seen) < maxPages; {
		seen[at] = true
		d, err := t.directory(at)
		if err != nil {
			if len(f.pages) > 0 {
				break // what is there is read; the page that is cut off is not
			}
			return nil, damaged("TIFF", err)
		}
		switch kind := t.number(d, tagSubfile, 0); {
		case d.find(tagDNGVersion) != nil:
			return nil, unsupported("a camera's raw picture (DNG)", "develop it to a 16-bit TIFF first")
		case kind&5 == 0:
			f.pages = append(f.pages, at)
		case kind&4 == 0:
			small = append(small, at)
			below = below || d.find(tagSubIFDs) != nil
		}
		at = d.next
	}
	if len(f.pages) == 0 && below { // as cameras lay out their preview and what it is of
		return nil, unsupported("a camera's raw picture (TIFF)", "develop it to a 16-bit TIFF first")
	}
	if len(f.pages) == 0 {
		f.pages = small
	}
	if len(f.pages) == 0 {
		return nil, errors.New("damaged TIFF: it has no picture")
	}
	return f, nil
}

func (f *tiffFile) Pages() int { return len(f.pages) }

func (f *tiffFile) sampleCount(i int) int64 {
	d, err := f.directory(f.pages[i])
	if err != nil {
		return 0
	}
	k, err := f.layout(d)
	if err != nil {
		return 0 // nor will Page read it
	}
	return int64(k.channels) * int64(k.h) * int64(k.w)
}

func (f *tiffFile) Page(i int) (*Picture, error) {
	d, err := f.directory(f.pages[i])
	if err != nil {
		return nil, damaged("TIFF", err)
	}
	k, err := f.layout(d)
	if err != nil {
		return nil, err
	}
	if err := checkSize(k.channels, k.h, k.w, math.MaxInt64, 1); err != nil {
		return nil, err
	}
	return f.picture(d, k, image.Rect(0, 0, k.w, k.h))
}

// picture reads a part of a page.
func (f *tiffFile) picture(d *directory, k *raster, part image.Rectangle) (*Picture, error) {
	p, err := k.read(part)
	if err != nil {
		return nil, err
	}
	p.Format = "tiff"
	if v := f.value(d.find(tagICC)); len(v) <= maxProfile {
		p.ICC = v
	}
	if v := f.value(d.find(tagXMP)); len(v) > 0 && len(v) <= maxProfile {
		p.Meta.XMP = v
	}
	p.Meta.DPI = dpiOf(f.tagged, d)
	p.Meta.EXIF = newEXIF(f.tagged, d)
	p.finish(int(min(max(f.number(d, tagOrientation, 1), 1), 8)))
	return p, nil
}

// What the samples of a TIFF mean.
const (
	whiteIsZero = 0
	blackIsZero = 1
	rgb         = 2
	indexed     = 3
	maskOnly    = 4
	cmyk        = 5
	ycbcr       = 6
)

// A raster is how the samples of one page are stored.
type raster struct {
	*tagged
	w, h        int
	channels    int // in the file
	colours     int // of them
	alpha       int // the channel of opacity, -1 for none
	associated  bool
	kind        byte // u, i or f
	bits        int
	photometric int64
	compression int64
	predictor   int64
	planar      bool
	reverse     bool // the bits of each byte
	fax         int64
	jpegTables  []byte
	colorMap    []int64
	noData      []byte
	bw, bh      int // a block: a tile or a strip
	offsets     []int64
	counts      []int64
}

// layout reads and checks how a page is stored.
func (f *tiffFile) layout(d *directory) (*raster, error) {
	k := &raster{tagged: f.tagged, alpha: -1, kind: 'u'}
	w, h := f.number(d, tagWidth, 0), f.number(d, tagHeight, 0)
	k.channels = int(min(max(f.number(d, tagChannels, 1), 0), 1<<16))
	if w > math.MaxInt32 || h > math.MaxInt32 || k.channels == 0 {
		return nil, fmt.Errorf("damaged TIFF: %dx%d pixels of %d channels", w, h, k.channels)
	}
	k.w, k.h = int(w), int(h)
	k.compression = f.number(d, tagCompression, 1)
	k.predictor = f.number(d, tagPredictor, 1)
	k.planar = f.number(d, tagPlanar, 1) == 2 && k.channels > 1
	k.reverse = f.number(d, tagFillOrder, 1) == 2
	k.fax = f.number(d, tagFaxOptions, 0)
	k.jpegTables = f.value(d.find(tagJPEGTables))
	k.noData = f.value(d.find(tagNoData))
	depth := f.numbers(d.find(tagBits))
	if len(depth) == 0 {
		depth = []int64{1}
	}
	for _, b := range depth {
		if b != depth[0] {
			return nil, unsupported(fmt.Sprintf("a TIFF whose channels have %v bits", depth), "save it with the same depth in each")
		}
	}
	k.bits = int(min(max(depth[0], 0), 1024))
	k.photometric = f.number(d, tagPhotometric, blackIsZero)
	formats := f.numbers(d.find(tagSampleFormat))
	if len(formats) > 0 {
		switch formats[0] {
		case 1, 4: // 4: undefined
		case 2:
			k.kind = 'i'
		case 3:
			k.kind = 'f'
		case 5, 6:
			return nil, unsupported("a TIFF of complex numbers", "save its magnitude, or real and imaginary part apart")
		default:
			return nil, fmt.Errorf("damaged TIFF: sample format %d", formats[0])
		}
	}
	if !k.depthKnown() {
		return nil, unsupported(fmt.Sprintf("a TIFF of %d-bit samples (%c)", k.bits, k.kind), "save it with 8, 16 or 32 bits")
	}
	if err := k.meaning(f, d); err != nil {
		return nil, err
	}
	if err := k.blocks(f, d); err != nil {
		return nil, err
	}
	// A blank row of a fax is a single bit, whatever its width.
	perByte := int64(8256)
	if k.compression == 3 || k.compression == 4 || k.compression == 2 {
		perByte = 8 << 16
	}
	var packed int64
	for _, n := range k.counts {
		packed += n
	}
	if err := checkPromise(k.h, k.w, packed, perByte); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *raster) depthKnown() bool {
	switch k.kind {
	case 'u':
		return k.bits >= 1 && k.bits <= 16 || k.bits == 24 || k.bits == 32 || k.bits == 64
	case 'i':
		return k.bits == 8 || k.bits == 16 || k.bits == 32 || k.bits == 64
	}
	return k.bits == 16 || k.bits == 24 || k.bits == 32 || k.bits == 64
}

// meaning finds out which channels are colours and which is opacity.
func (k *raster) meaning(f *tiffFile, d *directory) error {
	switch k.photometric {
	case whiteIsZero, blackIsZero, indexed, maskOnly:
		k.colours = 1
	case rgb, ycbcr:
		k.colours = 3
	case cmyk:
		k.colours = 4
	case 32803, 34892:
		return unsupported("a camera's raw picture (TIFF)", "develop it to a 16-bit TIFF first")
	default:
		name := fmt.Sprintf("a TIFF of photometric interpretation %d", k.photometric)
		if k.photometric >= 8 && k.photometric <= 10 {
			name = "a TIFF in the colour space L*a*b*"
		}
		return unsupported(name, "convert it to RGB")
	}
	if k.photometric == ycbcr && k.compression != 7 {
		return unsupported("a TIFF in YCbCr that is not JPEG", "convert it to RGB")
	}
	extra := f.numbers(d.find(tagExtra))
	further := k.channels - k.colours
	switch {
	case further < 0:
		return fmt.Errorf("damaged TIFF: %d channels for photometric interpretation %d", k.channels, k.photometric)
	case further == 0:
	case k.photometric == blackIsZero && k.channels == 3 && (len(extra) == 0 || extra[0] == 0):
		k.colours = 3 // as programs of science write colour
	case further == 1 && (len(extra) == 0 || extra[0] <= 2) && (k.colours > 1 || len(extra) > 0 && extra[0] > 0):
		k.alpha = k.colours
		k.associated = len(extra) > 0 && extra[0] == 1
	default:
		return unsupported(fmt.Sprintf("a TIFF of %d channels", k.channels), "save each channel as a page of its own, or as RGB")
	}
	switch {
	case k.photometric == indexed:
		k.colorMap = f.numbers(d.find(tagColorMap))
		if k.bits > 8 || k.kind != 'u' {
			return unsupported(fmt.Sprintf("a TIFF palette of %d bits", k.bits), "convert it to RGB")
		}
		if len(k.colorMap) < 3<<k.bits {
			return errors.New("damaged TIFF: its palette is too short")
		}
	case k.photometric == cmyk && (k.kind != 'u' || k.bits > 16):
		return unsupported("a TIFF in CMYK of this depth", "convert it to RGB")
	}
	return nil
}

// blocks reads where the tiles or strips are.
func (k *raster) blocks(f *tiffFile, d *directory) error {
	offsets, counts := uint16(tagStripOffsets), uint16(tagStripCounts)
	rows := f.number(d, tagRowsPerStrip, int64(k.h))
	bw, bh := int64(k.w), min(max(rows, 1), int64(max(k.h, 1)))
	if d.find(tagTileWidth) != nil {
		bw, bh = f.number(d, tagTileWidth, 0), f.number(d, tagTileHeight, 0)
		offsets, counts = tagTileOffsets, tagTileCounts
		if d.find(offsets) == nil { // some writers use the strips' tags
			offsets, counts = tagStripOffsets, tagStripCounts
		}
		if bw <= 0 || bh <= 0 || bw > 1<<16 || bh > 1<<16 {
			return fmt.Errorf("damaged TIFF: tiles of %dx%d pixels", bw, bh)
		}
	}
	k.bw, k.bh = int(bw), int(bh)
	k.offsets, k.counts = f.numbers(d.find(offsets)), f.numbers(d.find(counts))
	if k.w <= 0 || k.h <= 0 {
		return nil // checkSize reports it
	}
	n := int64((k.w + k.bw - 1) / k.bw)
	n *= int64((k.h + k.bh - 1) / k.bh)
	if k.planar {
		n *= int64(k.channels)
	}
	if int64(len(k.offsets)) < n {
		return fmt.Errorf("damaged TIFF: %d of its %d strips or tiles are missing", n-int64(len(k.offsets)), n)
	}
	if len(k.counts) < int(n) {
		if k.compression != 1 {
			return errors.New("damaged TIFF: the lengths of its strips are missing")
		}
		k.counts = make([]int64, n)
		for i := range k.counts {
			k.counts[i] = min(k.blockBytes(), max(k.size-k.offsets[i], 0))
		}
	}
	k.offsets, k.counts = k.offsets[:n], k.counts[:n]
	for i := range k.counts {
		if k.offsets[i] < 0 || k.counts[i] < 0 || k.offsets[i] > k.size || k.counts[i] > k.size-k.offsets[i] {
			return errors.New("damaged TIFF: it ends too early")
		}
	}
	return nil
}

// interleaved is the number of channels that lie together.
func (k *raster) interleaved() int {
	if k.planar {
		return 1
	}
	return k.channels
}

func (k *raster) rowBytes() int64 { return (int64(k.bw)*int64(k.interleaved())*int64(k.bits) + 7) / 8 }

func (k *raster) blockBytes() int64 { return k.rowBytes() * int64(k.bh) }

// read decodes a part of the page.
func (k *raster) read(part image.Rectangle) (*Picture, error) {
	p := &Picture{Bits: 8}
	p.typed(k.kind, k.bits)
	c := k.colours
	if c == 4 || k.photometric == indexed {
		c = 3
	}
	p.Image = operators.NewImage(operators.Shape{C: c, H: part.Dy(), W: part.Dx()})
	if k.photometric == indexed {
		p.Low, p.High, p.Scale, p.Bits = 0, 1, 255, 8
	}
	var levels []float32 // of channels that p does not hold as they are
	planes := make([][]float32, k.channels)
	for i := range planes {
		switch {
		case i < k.colours && k.colours <= 3 && k.photometric != indexed:
			planes[i] = p.Plane(i)
		case i < k.colours || i == k.alpha:
			levels = make([]float32, p.H*p.W)
			planes[i] = levels
		}
	}
	if err := k.fill(planes, part); err != nil {
		return nil, damaged("TIFF", err)
	}
	switch k.photometric {
	case whiteIsZero:
		if k.kind == 'u' && k.bits <= 16 {
			for i, v := range p.Pix {
				p.Pix[i] = 1 - v
			}
		}
	case indexed:
		k.look(p, planes[0])
	case cmyk:
		for i := range p.H * p.W {
			key := 1 - planes[3][i]
			for c := range 3 {
				p.Plane(c)[i] = (1 - planes[c][i]) * key
			}
		}
	}
	if k.alpha >= 0 {
		k.opacity(p, planes[k.alpha])
	}
	return p, p.absent(k.noData)
}

// look replaces indices by the colours of the palette.
func (k *raster) look(p *Picture, index []float32) {
	n := 1 << k.bits
	wide := false // some writers fill only the low byte
	for _, v := range k.colorMap[:3*n] {
		wide = wide || v > 255
	}
	full := float32(255)
	if wide {
		full = 65535
	}
	gray := true
	for i := range n {
		gray = gray && k.colorMap[i] == k.colorMap[n+i] && k.colorMap[i] == k.colorMap[2*n+i]
	}
	for c := range 3 {
		plane := p.Plane(c)
		for i, v := range index {
			// 16-bit colours are 8-bit ones in both bytes: 8 bits are exact.
			plane[i] = float32(math.Round(float64(float32(k.colorMap[c*n+int(v)])/full)*255) / 255)
		}
	}
	if gray {
		p.C, p.Pix = 1, p.Pix[:p.H*p.W]
	}
}

// opacity takes the alpha channel, and the samples out of their
// multiplication by it.
func (k *raster) opacity(p *Picture, levels []float32) {
	p.Alpha = make([]uint16, p.H*p.W)
	full := float32(1)
	if p.High > 0 {
		full = float32(p.High)
	}
	for i, v := range levels {
		p.Alpha[i] = uint16(min(max(float64(v/full), 0), 1)*65535 + 0.5)
		if !k.associated || v == 0 {
			continue
		}
		for c := range p.C {
			x := p.Plane(c)[i] * full / v
			if k.kind != 'f' {
				x = min(x, full)
			}
			p.Plane(c)[i] = x
		}
	}
}

// fill decodes the blocks of a part into a plane a channel, of the part's size; nil
// planes are not wanted.
func (k *raster) fill(planes [][]float32, part image.Rectangle) error {
	across := (k.w + k.bw - 1) / k.bw
	down := (k.h + k.bh - 1) / k.bh
	n := k.interleaved()
	row := make([]float32, k.bw*n)
	for b := range k.offsets {
		first := b / (across * down) // the first channel of the block
		y0, x0 := b/across%down*k.bh, b%across*k.bw
		rows := min(k.bh, k.h-y0)
		within := part.Intersect(image.Rect(x0, y0, min(x0+k.bw, k.w), y0+rows))
		if k.counts[b] == 0 || within.Empty() {
			continue // left out: zero
		}
		data, err := k.block(b, rows)
		if err != nil {
			return err
		}
		stride := int(k.rowBytes())
		for y := within.Min.Y; y < within.Max.Y; y++ {
			k.unpack(row, data[(y-y0)*stride:(y-y0+1)*stride])
			from := row[(within.Min.X-x0)*n:]
			for c := range n {
				if planes[first+c] == nil {
					continue
				}
				dst := planes[first+c][(y-part.Min.Y)*part.Dx()+within.Min.X-part.Min.X:][:within.Dx()]
				for x := range dst {
					dst[x] = from[x*n+c]
				}
			}
		}
	}
	return nil
}

// block decompresses a block: rows of it are wanted.
func (k *raster) block(b, rows int) ([]byte, error) {
	want := k.rowBytes() * int64(rows)
	if want > maxSamples*8 {
		return nil, errors.New("a strip is too large")
	}
	packed, err := k.bytes(k.offsets[b], k.counts[b])
	if err != nil {
		return nil, err
	}
	if k.reverse && k.compression != 7 && k.compression != 3 && k.compression != 4 {
		for i := range packed {
			packed[i] = bits.Reverse8(packed[i])
		}
	}
	data := packed
	switch k.compression {
	case 1:
	case 3, 4:
		data, err = k.faxed(packed, rows, want)
	case 5:
		z := lzw.NewReader(bytes.NewReader(packed), lzw.MSB, 8)
		data, err = inflated(z, want, int64(len(packed)))
	case 8, 32946:
		z, zerr := zlib.NewReader(bytes.NewReader(packed))
		if zerr != nil {
			return nil, zerr
		}
		data, err = inflated(z, want, int64(len(packed)))
	case 32773:
		data, err = unpackBits(packed, want)
	case 7:
		data, err = k.jpeg(packed, rows)
	default:
		name := map[int64]string{2: "Huffman (2)", 6: "old-style JPEG (6)", 34712: "JPEG 2000", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 34887: "LERC"}[k.compression]
		if name == "" {
			name = fmt.Sprint("method ", k.compression)
		}
		return nil, unsupported("a TIFF compressed by "+name, "save it with LZW, deflate or without compression")
	}
	if err != nil {
		return nil, err
	}
	if int64(len(data)) < want {
		return nil, io.ErrUnexpectedEOF
	}
	data = data[:want]
	if k.predictor > 1 && k.compression != 7 {
		if err := k.unpredict(data, rows); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// inflated reads want bytes of a decompressor that had packed bytes.
func inflated(z io.ReadCloser, want, packed int64) ([]byte, error) {
	defer z.Close()
	if want/8256 > packed { // more than deflate or LZW could say
		return nil, io.ErrUnexpectedEOF
	}
	data := make([]byte, want)
	_, err := io.ReadFull(z, data)
	return data, err
}

func (k *raster) faxed(packed []byte, rows int, want int64) ([]byte, error) {
	if k.bits != 1 || k.interleaved() != 1 {
		return nil, errors.New("a fax of more than one bit")
	}
	order, sub := ccitt.MSB, ccitt.Group3
	if k.reverse {
		order = ccitt.LSB
	}
	if k.compression == 4 {
		sub = ccitt.Group4
	} else if k.fax&1 != 0 {
		return nil, unsupported("a TIFF of fax group 3 in two dimensions", "save it with fax group 4, LZW or deflate")
	}
	// The reader gives 1 for white; the file means 0 by white, whatever its
	// photometric interpretation is.
	r := ccitt.NewReader(bytes.NewReader(packed), order, sub, k.bw, rows, &ccitt.Options{Invert: true, Align: k.fax&4 != 0 && k.compression == 3})
	data := make([]byte, want)
	_, err := io.ReadFull(r, data)
	return data, err
}

// unpackBits is Apple's run-length code (TIFF 6.0, section 9).
func unpackBits(packed []byte, want int64) ([]byte, error) {
	if want/64 > int64(len(packed)) {
		return nil, io.ErrUnexpectedEOF
	}
	data := make([]byte, 0, want)
	for int64(len(data)) < want {
		if len(packed) == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		n := int(int8(packed[0]))
		packed = packed[1:]
		switch {
		case n >= 0:
			if len(packed) < n+1 {
				return nil, io.ErrUnexpectedEOF
			}
			data = append(data, packed[:n+1]...)
			packed = packed[n+1:]
		case n > -128:
			if len(packed) == 0 {
				return nil, io.ErrUnexpectedEOF
			}
			for range 1 - n {
				data = append(data, packed[0])
			}
			packed = packed[1:]
		}
	}
	return data, nil
}

// jpeg decodes a strip or tile that is a JPEG stream, its tables perhaps
// apart (TIFF technical note 2), to interleaved samples.
func (k *raster) jpeg(packed []byte, rows int) ([]byte, error) {
	if k.bits != 8 || k.kind != 'u' {
		return nil, unsupported(fmt.Sprintf("a TIFF of JPEG with %d bits", k.bits), "save it with LZW, deflate or without compression")
	}
	n := k.interleaved()
	if n != 1 && n != 3 {
		return nil, unsupported(fmt.Sprintf("a TIFF of JPEG with %d channels", n), "save it with LZW, deflate or without compression")
	}
	if len(packed) < 2 || packed[0] != 0xff || packed[1] != 0xd8 {
		return nil, errors.New("a strip is no JPEG")
	}
	// Adobe's marker says whether the samples are RGB or YCbCr, which in a
	// TIFF its photometric interpretation does.
	stream := []byte("\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00")
	if k.photometric == ycbcr {
		stream[len(stream)-1] = 1
	}
	if t := k.jpegTables; len(t) >= 4 {
		stream = append(stream, t[2:len(t)-2]...) // without its start and end
	}
	stream = append(stream, packed[2:]...)
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(stream))
	if err != nil {
		return nil, jpegError(err)
	}
	if cfg.Width < min(k.bw, k.w) || cfg.Height < rows || cfg.Width > k.bw+16 || cfg.Height > max(k.bh, rows)+16 {
		return nil, fmt.Errorf("a strip of %dx%d pixels holds %dx%d", k.bw, k.bh, cfg.Width, cfg.Height)
	}
	m, err := jpeg.Decode(bytes.NewReader(stream))
	if err != nil {
		return nil, jpegError(err)
	}
	out := make([]byte, k.rowBytes()*int64(rows))
	width := min(k.bw, cfg.Width)
	for y := range rows {
		row := out[int64(y)*k.rowBytes():]
		switch m := m.(type) {
		case *image.Gray:
			if n != 1 {
				return nil, errors.New("a gray strip in a colour picture")
			}
			copy(row[:width], m.Pix[y*m.Stride:])
		case *image.YCbCr:
			if n != 3 {
				return nil, errors.New("a colour strip in a gray picture")
			}
			for x := range width {
				c := m.COffset(x, y)
				row[3*x], row[3*x+1], row[3*x+2] = color.YCbCrToRGB(m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
			}
		case *image.RGBA:
			if n != 3 {
				return nil, errors.New("a colour strip in a gray picture")
			}
			for x := range width {
				copy(row[3*x:3*x+3], m.Pix[m.PixOffset(x, y):])
			}
		default:
			return nil, errors.New("a strip of another kind of JPEG")
		}
	}
	return out, nil
}

// unpredict undoes the differences of neighbours (2) or the differences of
// sorted bytes (3).
func (k *raster) unpredict(data []byte, rows int) error {
	n, stride := k.interleaved(), int(k.rowBytes())
	switch {
	case k.predictor == 2 && (k.bits == 8 || k.bits == 16 || k.bits == 32 || k.bits == 64):
	case k.predictor == 3 && k.kind == 'f':
	default:
		return unsupported(fmt.Sprintf("a TIFF with predictor %d at %d bits", k.predictor, k.bits), "save it without a predictor")
	}
	width := k.bits / 8
	sorted := make([]byte, stride)
	for y := range rows {
		row := data[y*stride : (y+1)*stride]
		if k.predictor == 3 {
			// The bytes of a row by their weight, the highest first.
			for i := n; i < stride; i++ {
				row[i] += row[i-n]
			}
			copy(sorted, row)
			count := stride / width
			for i := range count {
				for b := range width {
					at := i*width + b
					if k.order == binary.LittleEndian {
						at = i*width + width - 1 - b
					}
					row[at] = sorted[b*count+i]
				}
			}
			continue
		}
		switch width {
		case 1:
			for i := n; i < stride; i++ {
				row[i] += row[i-n]
			}
		case 2:
			for i := 2 * n; i+2 <= stride; i += 2 {
				k.order.PutUint16(row[i:], k.order.Uint16(row[i:])+k.order.Uint16(row[i-2*n:]))
			}
		case 4:
			for i := 4 * n; i+4 <= stride; i += 4 {
				k.order.PutUint32(row[i:], k.order.Uint32(row[i:])+k.order.Uint32(row[i-4*n:]))
			}
		case 8:
			for i := 8 * n; i+8 <= stride; i += 8 {
				k.order.PutUint64(row[i:], k.order.Uint64(row[i:])+k.order.Uint64(row[i-8*n:]))
			}
		}
	}
	return nil
}

// unpack turns a row into numbers: unsigned ones of up to 16 bits divided by
// their largest, indices and all others as they are.
func (k *raster) unpack(dst []float32, src []byte) {
	full := float32(int64(1)<<min(k.bits, 16) - 1)
	if k.photometric == indexed {
		full = 1
	}
	switch o := k.order; {
	case k.kind == 'u' && k.bits == 8:
		for i := range dst {
			dst[i] = float32(src[i]) / full
		}
	case k.kind == 'u' && k.bits == 16:
		for i := range dst {
			dst[i] = float32(o.Uint16(src[2*i:])) / full
		}
	case k.kind == 'u' && k.bits < 16:
		acc, have := uint32(0), 0
		for i := range dst {
			for have < k.bits {
				acc, src = acc<<8|uint32(src[0]), src[1:]
				have += 8
			}
			have -= k.bits
			dst[i] = float32(acc>>have&(1<<k.bits-1)) / full
		}
	default:
		for i := range dst {
			dst[i] = numberAt(src[i*k.bits/8:], k.kind, k.bits, o)
		}
	}
}

// numberAt is the number of a kind (u, i or f) and width at the start of b.
func numberAt(b []byte, kind byte, width int, o binary.ByteOrder) float32 {
	var v uint64
	switch width {
	case 8:
		v = uint64(b[0])
	case 16:
		v = uint64(o.Uint16(b))
	case 24:
		v = uint64(b[0])<<16 | uint64(b[1])<<8 | uint64(b[2])
		if o == binary.LittleEndian {
			v = uint64(b[2])<<16 | uint64(b[1])<<8 | uint64(b[0])
		}
	case 32:
		v = uint64(o.Uint32(b))
	case 64:
		v = o.Uint64(b)
	}
	switch {
	case kind == 'u':
		return float32(v)
	case kind == 'i':
		return float32(int64(v<<(64-width)) >> (64 - width))
	case width == 16:
		return float32(npy.Float16(uint16(v)))
	case width == 24:
		return float24(uint32(v))
	case width == 32:
		return math.Float32frombits(uint32(v))
	}
	return float32(math.Float64frombits(v))
}

// float24 is the number that b means as 1 sign bit, 7 of exponent, 16 of
// fraction (Adobe Photoshop TIFF technical note 3).
func float24(b uint32) float32 {
	sign := b >> 23 << 31
	exp, frac := b>>16&127, b&0xffff
	switch exp {
	case 0:
		v := float32(frac) * 0x1p-78
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 127:
		return math.Float32frombits(sign | 0xff<<23 | frac<<7)
	}
	return math.Float32frombits(sign | (exp+64)<<23 | frac<<7)
}
