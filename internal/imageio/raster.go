package imageio

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"github.com/disintegration/imaging"
	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"

	"github.com/lpn-imaging/lpn/operators"
)

// A codec decodes the formats that other libraries read, from memory.
type codec struct {
	name   string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	// perByte bounds the pixels that one byte of a file can encode. Deflate
	// and the like expand at most about 1032 times, to one-bit pixels.
	perByte int64
	// frames takes an animation apart, nil when the file is a single picture.
	frames func(data []byte) (*animation, error)
	// notes reads what the file says besides its samples.
	notes func(data []byte) notes
}

// notes are what a file says besides its samples.
type notes struct {
	gray, alpha bool // what kind of PNG it is
	icc         []byte
	meta        Meta
}

var (
	codecPNG  = &codec{name: "png", config: png.DecodeConfig, decode: png.Decode, perByte: 8256, frames: framesPNG, notes: readPNGNotes}
	codecJPEG = &codec{name: "jpeg", config: jpeg.DecodeConfig, decode: decodeJPEG, perByte: 8256, notes: readJPEGNotes}
	codecBMP  = &codec{name: "bmp", config: bmp.DecodeConfig, decode: bmp.Decode, perByte: 8256}
	// A lossless WebP of one colour spends no bits on its pixels; the format
	// stops at 2^14 pixels a side.
	codecWebP = &codec{name: "webp", config: webp.DecodeConfig, decode: webp.Decode, perByte: 1 << 28, frames: framesWebP, notes: readWebPNotes}
	codecGIF  = &codec{name: "gif", config: gif.DecodeConfig, decode: gif.Decode, perByte: 8256, frames: framesGIF}
)

// decodeJPEG reads what DecodeCoefficients does not, such as CMYK. It reads with imaging, which loses nothing: JPEG has 8 bits.
func decodeJPEG(r io.Reader) (image.Image, error) { return imaging.Decode(r) }

// open makes c the reader of a format.
func (c *codec) open(r io.ReaderAt, size int64) (source, error) {
	data, err := readAll(io.NewSectionReader(r, 0, size), size)
	if err != nil {
		return nil, reason(err)
	}
	one := &single{c, r, size, data}
	if c.frames == nil {
		return one, nil
	}
	a, err := c.frames(data)
	switch {
	case err != nil:
		return nil, damaged(title(c.name), err)
	case a == nil:
		return one, nil
	}
	a.codec, a.data = c, data
	if err := checkSize(3, a.h, a.w, int64(len(data)), c.perByte); err != nil {
		return nil, err
	}
	return a, nil
}

// A single is a file of one picture.
type single struct {
	*codec
	r    io.ReaderAt
	size int64
	data []byte // what was read, until it is decoded
}

func (s *single) Pages() int { return 1 }

func (s *single) header() (image.Config, error) {
	return s.config(io.NewSectionReader(s.r, 0, s.size))
}

func (s *single) sampleCount(int) int64 {
	cfg, err := s.header()
	if err != nil {
		return 0
	}
	return int64(channelsOf(cfg)) * int64(cfg.Height) * int64(cfg.Width)
}

func (s *single) Page(int) (*Picture, error) {
	data := s.data
	s.data = nil
	if data == nil {
		var err error
		if data, err = readAll(io.NewSectionReader(s.r, 0, s.size), s.size); err != nil {
			return nil, reason(err)
		}
	}
	p, err := s.picture(data)
	if err != nil {
		return nil, err
	}
	// Nothing keeps the file in memory.
	p.ICC, p.Meta.EXIF, p.Meta.XMP = bytes.Clone(p.ICC), bytes.Clone(p.Meta.EXIF), bytes.Clone(p.Meta.XMP)
	return p, nil
}

func (s *single) picture(data []byte) (*Picture, error) {
	if s.codec == codecJPEG {
		if c, err := DecodeCoefficients(data); err == nil {
			p, n := c.picture(), s.notes(data)
			p.ICC, p.Meta = n.icc, n.meta
			p.finish(c.Orientation)
			return p, nil
		}
	}
	if s.codec == codecPNG {
		if p := readPlainPNG(data); p != nil {
			n := s.notes(data)
			p.ICC, p.Meta = n.icc, n.meta
			p.finish(0)
			return p, nil
		}
	}
	img, cfg, err := s.image(data)
	if err != nil {
		return nil, err
	}
	n := notes{gray: isGray(cfg.ColorModel)}
	if s.notes != nil {
		n = s.notes(data)
		n.gray = n.gray || s.name != "png" && isGray(cfg.ColorModel)
	}
	p := fromImage(img, n.gray, n.alpha)
	p.ICC, p.Meta = n.icc, n.meta
	p.finish(0)
	return p, nil
}

// image decodes a file whose header is believed only as far as it could hold
// what it promises.
func (c *codec) image(data []byte) (image.Image, image.Config, error) {
	cfg, err := c.config(bytes.NewReader(data))
	if err != nil {
		return nil, cfg, damaged(title(c.name), err)
	}
	if err := checkSize(channelsOf(cfg), cfg.Height, cfg.Width, int64(len(data)), c.perByte); err != nil {
		return nil, cfg, err
	}
	img, err := c.decode(bytes.NewReader(data))
	if err != nil {
		return nil, cfg, damaged(title(c.name), err)
	}
	return img, cfg, nil
}

// damaged is err in one line, without the prefixes that the decoders put. A
// decoder's word that a sound file has what it cannot decode is kept apart.
func damaged(format string, err error) error {
	err = jpegError(err)
	if u := (*Unsupported)(nil); errors.As(err, &u) {
		return err
	}
	if feature := png.UnsupportedError(""); errors.As(err, &feature) {
		return unsupported("a "+format+" picture with "+string(feature), "save it as PNG or TIFF with another program")
	}
	if errors.Is(err, bmp.ErrUnsupported) {
		return unsupported("a BMP picture of this kind", "save it as PNG")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("damaged %s: it ends too early", format)
	}
	s := strings.ReplaceAll(err.Error(), "\n", " ")
	for _, prefix := range []string{"png: ", "jpeg: ", "tiff: ", "bmp: ", "webp: ", "vp8: ", "vp8l: ", "gif: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	return fmt.Errorf("damaged %s: %s", format, s)
}

// jpegError is [damaged] for the JPEG inside another file.
func jpegError(err error) error {
	if feature := jpeg.UnsupportedError(""); errors.As(err, &feature) {
		return unsupported("a picture that is a JPEG with "+string(feature), "save it as PNG or TIFF with another program")
	}
	return err
}

// isGray reports whether a colour model holds only grays.
func isGray(m color.Model) bool {
	switch m := m.(type) {
	case color.Palette:
		for _, c := range m {
			if r, g, b, _ := c.RGBA(); r != g || g != b {
				return false
			}
		}
		return len(m) > 0
	default:
		return m == color.GrayModel || m == color.Gray16Model
	}
}

// A builder fills a picture pixel by pixel from 16-bit levels.
type builder struct {
	*Picture
	r, g, b []float32
	opaque  bool
	max     float32 // the level that is 1
}

// set stores one pixel of levels in 0..max and an opacity in 0..65535.
func (d *builder) set(i int, r, g, b uint32, a uint16) {
	d.r[i] = float32(r) / d.max
	if d.g != nil {
		d.g[i] = float32(g) / d.max
		d.b[i] = float32(b) / d.max
	}
	if d.Alpha != nil {
		d.Alpha[i] = a
		d.opaque = d.opaque && a == 0xffff
	}
}

// bytes stores the pixels of bytes in groups of four, the rows so many bytes apart, without
// their opacity.
func (d *builder) bytes(pix []byte, stride int) {
	for y := range d.H {
		from, to := pix[y*stride:], y*d.W
		for c, plane := range [][]float32{d.r, d.g, d.b} {
			if plane == nil {
				continue
			}
			row := plane[to:][:d.W]
			for x := range row {
				row[x] = of8[from[4*x+c]]
			}
		}
	}
}

// fromImage converts a decoded image. gray says that its channels are equal;
// an alpha channel that is opaque everywhere is kept only if keepOpaque.
func fromImage(img image.Image, gray, keepOpaque bool) *Picture {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	p := &Picture{Bits: 8}
	d := builder{Picture: p, opaque: true, max: 255}
	c := 3
	if gray {
		c = 1
	}
	p.Image = operators.NewImage(operators.Shape{C: c, H: h, W: w})
	d.r = p.Plane(0)
	if !gray {
		d.g, d.b = p.Plane(1), p.Plane(2)
	}
	withAlpha := func() { p.Alpha = make([]uint16, w*h) }
	deep := func() { p.Bits, d.max = 16, 65535 }
	x0, y0 := img.Bounds().Min.X, img.Bounds().Min.Y
	each := func(f func(i, x, y int)) {
		for y := range h {
			for x := range w {
				f(y*w+x, x0+x, y0+y)
			}
		}
	}
	switch m := img.(type) {
	case *image.Gray:
		each(func(i, x, y int) { v := uint32(m.Pix[m.PixOffset(x, y)]); d.set(i, v, v, v, 0) })
	case *image.Gray16:
		deep()
		each(func(i, x, y int) {
			o := m.PixOffset(x, y)
			v := be16(m.Pix[o:])
			d.set(i, v, v, v, 0)
		})
	case *image.NRGBA:
		withAlpha()
		each(func(i, x, y int) {
			s := m.Pix[m.PixOffset(x, y):][:4]
			d.set(i, uint32(s[0]), uint32(s[1]), uint32(s[2]), uint16(s[3])*0x101)
		})
	case *image.NRGBA64:
		deep()
		withAlpha()
		each(func(i, x, y int) {
			s := m.Pix[m.PixOffset(x, y):][:8]
			d.set(i, be16(s), be16(s[2:]), be16(s[4:]), uint16(be16(s[6:])))
		})
	case *image.Paletted:
		var lut [256]color.NRGBA
		for k := range m.Palette[:min(256, len(m.Palette))] {
			lut[k] = color.NRGBAModel.Convert(m.Palette[k]).(color.NRGBA)
			if lut[k].A != 255 && p.Alpha == nil {
				withAlpha()
			}
		}
		each(func(i, x, y int) {
			v := lut[m.Pix[m.PixOffset(x, y)]]
			d.set(i, uint32(v.R), uint32(v.G), uint32(v.B), uint16(v.A)*0x101)
		})
	case *image.YCbCr:
		each(func(i, x, y int) {
			r, g, b := ycc(m, x, y)
			d.set(i, r, g, b, 0)
		})
	case *image.NYCbCrA:
		withAlpha()
		each(func(i, x, y int) {
			r, g, b := ycc(&m.YCbCr, x, y)
			d.set(i, r, g, b, uint16(m.A[m.AOffset(x, y)])*0x101)
		})
	case *image.CMYK:
		each(func(i, x, y int) {
			s := m.Pix[m.PixOffset(x, y):][:4]
			r, g, b := color.CMYKToRGB(s[0], s[1], s[2], s[3])
			d.set(i, uint32(r), uint32(g), uint32(b), 0)
		})
	case *image.RGBA:
		if m.Opaque() { // nothing was premultiplied
			d.bytes(m.Pix[m.PixOffset(x0, y0):], m.Stride)
			break
		}
		withAlpha()
		each(func(i, x, y int) {
			v := color.NRGBAModel.Convert(m.RGBAAt(x, y)).(color.NRGBA)
			d.set(i, uint32(v.R), uint32(v.G), uint32(v.B), uint16(v.A)*0x101)
		})
	default: // RGBA64 and whatever else a decoder may return
		deep()
		withAlpha()
		if m, ok := img.(*image.RGBA64); ok && m.Opaque() {
			keepOpaque = false
		}
		each(func(i, x, y int) {
			v := color.NRGBA64Model.Convert(img.At(x, y)).(color.NRGBA64)
			d.set(i, uint32(v.R), uint32(v.G), uint32(v.B), v.A)
		})
	}
	if d.opaque && !keepOpaque {
		p.Alpha = nil
	}
	p.typed('u', p.Bits)
	return p
}

func be16(b []byte) uint32 { return uint32(b[0])<<8 | uint32(b[1]) }

func ycc(m *image.YCbCr, x, y int) (r, g, b uint32) {
	c := m.COffset(x, y)
	u, v, w := color.YCbCrToRGB(m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
	return uint32(u), uint32(v), uint32(w)
}
