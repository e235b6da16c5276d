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
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/lpn-imaging/lpn/operators"
)

// A codec is a raster format that is read.
type codec struct {
	name   string
	magic  []string // a '?' matches any byte
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	// perByte bounds the pixels that one byte of a file can encode. Deflate
	// and the like expand at most about 1032 times, to one-bit pixels.
	perByte int64
}

var codecs = []codec{
	{"png", []string{"\x89PNG\r\n\x1a\n"}, png.DecodeConfig, png.Decode, 8256},
	{"jpeg", []string{"\xff\xd8"}, jpeg.DecodeConfig, decodeJPEG, 8256},
	// A blank row of a fax-coded TIFF is a single bit, whatever its width.
	{"tiff", []string{"II*\x00", "MM\x00*"}, tiff.DecodeConfig, tiff.Decode, 8 << 16},
	{"bmp", []string{"BM????\x00\x00\x00\x00"}, bmp.DecodeConfig, bmp.Decode, 8256},
	// A lossless WebP of one colour spends no bits on its pixels; the format
	// stops at 2^14 pixels a side.
	{"webp", []string{"RIFF????WEBPVP8"}, webp.DecodeConfig, webp.Decode, 1 << 28},
	{"gif", []string{"GIF87a", "GIF89a"}, gif.DecodeConfig, gif.Decode, 8256},
}

// magicLen is as much of a file as sniff looks at.
const magicLen = 16

var errNoPicture = errors.New("neither PNG, JPEG, TIFF, BMP, WebP, GIF nor .npy")

// decodeJPEG reads what DecodeCoefficients does not, such as CMYK, and turns the
// picture upright. JPEG has 8 bits, so imaging's 8-bit transforms lose nothing.
func decodeJPEG(r io.Reader) (image.Image, error) {
	return imaging.Decode(r, imaging.AutoOrientation(true))
}

func sniff(data []byte) *codec {
	for i := range codecs {
		for _, m := range codecs[i].magic {
			if matches(data, m) {
				return &codecs[i]
			}
		}
	}
	return nil
}

func matches(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

func decodeRaster(data []byte) (p *Picture, err error) {
	c := sniff(data)
	if c == nil {
		return nil, errNoPicture
	}
	format := strings.ToUpper(c.name)
	// The decoders of others see hostile files: a panic in one is a bad file.
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("damaged %s: %v", format, r)
		}
	}()
	cfg, err := c.config(bytes.NewReader(data))
	if err != nil {
		return nil, damaged(format, err)
	}
	if err := checkSize(channelsOf(cfg), cfg.Height, cfg.Width, int64(len(data)), c.perByte); err != nil {
		return nil, err
	}
	if c.name == "tiff" {
		if err := checkTIFF(data); err != nil {
			return nil, err
		}
	}
	if c.name == "jpeg" {
		if k, err := DecodeCoefficients(data); err == nil {
			p = k.picture()
			p.Format, p.ICC = c.name, readJPEGProfile(data)
			return p, nil
		}
	}
	img, err := c.decode(bytes.NewReader(data))
	if err != nil {
		return nil, damaged(format, err)
	}
	gray := isGray(cfg.ColorModel)
	keepOpaque := c.name == "tiff"
	var icc []byte
	switch c.name {
	case "png":
		m := readPNGMeta(data)
		gray, keepOpaque, icc = m.gray, m.alpha, m.icc
	case "jpeg":
		icc = readJPEGProfile(data)
	case "tiff":
		icc = readTIFFProfile(data)
	case "webp":
		icc = readWebPProfile(data)
	}
	p = fromImage(img, gray, keepOpaque)
	p.Format, p.ICC = c.name, icc
	return p, nil
}

// damaged is err in one line, without the prefixes that the decoders put.
func damaged(format string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("damaged %s: it ends too early", format)
	}
	s := strings.TrimPrefix(err.Error(), strings.ToLower(format)+": ")
	return fmt.Errorf("damaged %s: %s", format, strings.ReplaceAll(s, "\n", " "))
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
			each(func(i, x, y int) {
				s := m.Pix[m.PixOffset(x, y):][:4]
				d.set(i, uint32(s[0]), uint32(s[1]), uint32(s[2]), 0)
			})
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
	return p
}

func be16(b []byte) uint32 { return uint32(b[0])<<8 | uint32(b[1]) }

func ycc(m *image.YCbCr, x, y int) (r, g, b uint32) {
	c := m.COffset(x, y)
	u, v, w := color.YCbCrToRGB(m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
	return uint32(u), uint32(v), uint32(w)
}
