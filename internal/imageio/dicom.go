package imageio

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/operators"
)

// Digital Imaging and Communications in Medicine: the file format of DICOM
// PS3.10 with the encodings of PS3.5. Gray pictures are read as the quantity
// that they measure, Hounsfield units for a CT: slope * number + intercept,
// without any window, and written back as the numbers of the same file.

// Elements that are looked at, as group<<16 | element.
const (
	dcmMetaLength    = 0x00020000
	dcmMetaInstance  = 0x00020003
	dcmSyntax        = 0x00020010
	dcmImageType     = 0x00080008
	dcmInstance      = 0x00080018
	dcmSpacing       = 0x00280030
	dcmSamples       = 0x00280002
	dcmPhotometric   = 0x00280004
	dcmPlanar        = 0x00280006
	dcmFrames        = 0x00280008
	dcmRows          = 0x00280010
	dcmColumns       = 0x00280011
	dcmAllocated     = 0x00280100
	dcmStored        = 0x00280101
	dcmHighBit       = 0x00280102
	dcmSigned        = 0x00280103
	dcmSmallest      = 0x00280106
	dcmLargest       = 0x00280107
	dcmPadding       = 0x00280120
	dcmIntercept     = 0x00281052
	dcmSlope         = 0x00281053
	dcmTransform     = 0x00289145 // sequence of slope and intercept
	dcmSharedGroups  = 0x52009229
	dcmFrameGroups   = 0x52009230
	dcmOffsets       = 0x7fe00001
	dcmLengths       = 0x7fe00002
	dcmFloatPixels   = 0x7fe00008
	dcmDoublePixels  = 0x7fe00009
	dcmPixels        = 0x7fe00010
	dcmSignature     = 0xfffafffa
	dcmItem          = 0xfffee000
	dcmItemEnd       = 0xfffee00d
	dcmSequenceEnd   = 0xfffee0dd
	dcmUndefined     = 0xffffffff
	dcmExplicit      = "1.2.840.10008.1.2.1"
	dcmImplicit      = "1.2.840.10008.1.2"
	dcmBigEndian     = "1.2.840.10008.1.2.2"
	dcmDeflated      = "1.2.840.10008.1.2.1.99"
	dcmRLE           = "1.2.840.10008.1.2.5"
	dcmJPEG          = "1.2.840.10008.1.2.4.50"
	dcmJPEGExtended  = "1.2.840.10008.1.2.4.51"
	dcmJPEGLossless  = "1.2.840.10008.1.2.4.57"
	dcmJPEGLossless1 = "1.2.840.10008.1.2.4.70"
)

// A dcmElement is one attribute.
type dcmElement struct {
	tag       uint32
	vr        string
	raw       []byte // as in the file
	value     []byte
	items     [][]dcmElement
	fragments [][]byte // of compressed pixels
}

// A dcmCoding is how elements are encoded.
type dcmCoding struct {
	explicit bool
	order    binary.ByteOrder
}

// long reports whether a VR has a length of 32 bits.
func long(vr string) bool {
	switch vr {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		return true
	}
	return false
}

// set parses elements to the end of b, or to the end of their item; n is how
// much of b they take.
func (c dcmCoding) set(b []byte, depth int) (all []dcmElement, n int, err error) {
	if depth > 32 {
		return nil, 0, errors.New("its sequences are too deep")
	}
	for n < len(b) {
		e, size, err := c.element(b[n:], depth)
		if err != nil {
			return nil, 0, err
		}
		n += size
		if e.tag == dcmItemEnd {
			return all, n, nil
		}
		all = append(all, e)
	}
	return all, n, nil
}

// element parses the element that b begins with.
func (c dcmCoding) element(b []byte, depth int) (e dcmElement, size int, err error) {
	if len(b) < 8 {
		return e, 0, io.ErrUnexpectedEOF
	}
	e.tag = uint32(c.order.Uint16(b))<<16 | uint32(c.order.Uint16(b[2:]))
	head, length := 8, uint32(0)
	switch {
	case e.tag>>16 == 0xfffe, !c.explicit:
		length = c.order.Uint32(b[4:])
	case long(string(b[4:6])):
		if len(b) < 12 {
			return e, 0, io.ErrUnexpectedEOF
		}
		e.vr, head, length = string(b[4:6]), 12, c.order.Uint32(b[8:])
	default:
		e.vr, length = string(b[4:6]), uint32(c.order.Uint16(b[6:]))
	}
	body := b[head:]
	inner := c
	if e.vr == "UN" { // of undefined length: a sequence, implicitly coded
		inner = dcmCoding{false, binary.LittleEndian}
	}
	switch {
	case length == dcmUndefined && e.tag == dcmPixels:
		size, err = e.readFragments(body, c.order)
	case length == dcmUndefined:
		size, err = e.readItems(inner, body, depth)
	case int64(length) > int64(len(body)):
		return e, 0, io.ErrUnexpectedEOF
	default:
		e.value, size = body[:length], int(length)
		if e.vr == "SQ" || e.tag == dcmTransform || e.tag == dcmSharedGroups || e.tag == dcmFrameGroups {
			_, err = e.readItems(c, e.value, depth)
		}
	}
	if err != nil {
		return e, 0, err
	}
	size += head
	e.raw = b[:size]
	return e, size, nil
}

// readItems parses the items of a sequence.
func (e *dcmElement) readItems(c dcmCoding, b []byte, depth int) (n int, err error) {
	for n < len(b) {
		if len(b)-n < 8 {
			return 0, io.ErrUnexpectedEOF
		}
		tag := uint32(c.order.Uint16(b[n:]))<<16 | uint32(c.order.Uint16(b[n+2:]))
		length := c.order.Uint32(b[n+4:])
		n += 8
		switch {
		case tag == dcmSequenceEnd:
			return n, nil
		case tag != dcmItem:
			return 0, fmt.Errorf("element %08x where an item must be", tag)
		case length == dcmUndefined:
			set, size, err := c.set(b[n:], depth+1)
			if err != nil {
				return 0, err
			}
			e.items = append(e.items, set)
			n += size
		case int64(length) > int64(len(b)-n):
			return 0, io.ErrUnexpectedEOF
		default:
			set, _, err := c.set(b[n:n+int(length)], depth+1)
			if err != nil {
				return 0, err
			}
			e.items = append(e.items, set)
			n += int(length)
		}
	}
	return n, nil
}

// readFragments takes compressed pixels apart.
func (e *dcmElement) readFragments(b []byte, order binary.ByteOrder) (n int, err error) {
	for {
		if len(b)-n < 8 {
			return 0, io.ErrUnexpectedEOF
		}
		tag := uint32(order.Uint16(b[n:]))<<16 | uint32(order.Uint16(b[n+2:]))
		length := order.Uint32(b[n+4:])
		n += 8
		switch {
		case tag == dcmSequenceEnd:
			return n, nil
		case tag != dcmItem:
			return 0, fmt.Errorf("element %08x among the pixels", tag)
		case int64(length) > int64(len(b)-n):
			return 0, io.ErrUnexpectedEOF
		}
		e.fragments = append(e.fragments, b[n:n+int(length)])
		n += int(length)
	}
}

func dcmFind(set []dcmElement, tag uint32) *dcmElement {
	for i := range set {
		if set[i].tag == tag {
			return &set[i]
		}
	}
	return nil
}

// text is the value of an element of letters.
func (e *dcmElement) text() string {
	if e == nil {
		return ""
	}
	return strings.Trim(string(e.value), " \x00")
}

// decimals are the numbers of an element of letters.
func (e *dcmElement) decimals() (out []float64) {
	for _, s := range strings.Split(e.text(), `\`) {
		v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || v-v != 0 {
			return nil
		}
		out = append(out, v)
	}
	return out
}

// A dicomFile is an open DICOM file.
type dicomFile struct {
	preamble  []byte
	meta      []dcmElement
	set       []dcmElement
	syntax    string
	coding    dcmCoding
	pixels    *dcmElement
	w, h      int
	frames    int
	samples   int
	planar    bool
	allocated int
	stored    int
	high      int
	signed    bool
	float     bool
	photo     string
	padding   int64 // the number outside the field of view
	padded    bool
}

func openDICOM(r io.ReaderAt, size int64) (source, error) {
	data, err := readAll(io.NewSectionReader(r, 0, size), size)
	if err != nil {
		return nil, reason(err)
	}
	f := &dicomFile{preamble: data[:132]}
	if err := f.parse(data[132:]); err != nil {
		return nil, damaged("DICOM", err)
	}
	if err := f.describe(); err != nil {
		return nil, damaged("DICOM", err)
	}
	return f, nil
}

// parse reads the elements.
func (f *dicomFile) parse(b []byte) error {
	meta := dcmCoding{true, binary.LittleEndian}
	n := 0
	for len(b)-n >= 8 && binary.LittleEndian.Uint16(b[n:]) == 2 {
		e, size, err := meta.element(b[n:], 0)
		if err != nil {
			return err
		}
		f.meta = append(f.meta, e)
		n += size
	}
	b = b[n:]
	f.coding = meta
	switch f.syntax = dcmFind(f.meta, dcmSyntax).text(); f.syntax {
	case dcmImplicit:
		f.coding.explicit = false
	case dcmBigEndian:
		f.coding.order = binary.BigEndian
	case dcmDeflated:
		z := flate.NewReader(bytes.NewReader(b))
		all, err := io.ReadAll(io.LimitReader(z, int64(len(b))*1040+1))
		if err != nil {
			return err
		}
		b = all
	case dcmExplicit, dcmRLE, dcmJPEG, dcmJPEGExtended, dcmJPEGLossless, dcmJPEGLossless1:
	case "":
		return errors.New("its transfer syntax is missing")
	default:
		name := map[string]string{"80": "JPEG-LS", "81": "JPEG-LS", "90": "JPEG 2000", "91": "JPEG 2000", "201": "JPEG 2000 (HTJ2K)",
			"202": "JPEG 2000 (HTJ2K)", "203": "JPEG 2000 (HTJ2K)", "110": "JPEG XL", "111": "JPEG XL", "112": "JPEG XL"}[strings.TrimPrefix(f.syntax, "1.2.840.10008.1.2.4.")]
		if name == "" {
			name = fmt.Sprintf("transfer syntax %.64q", f.syntax)
		}
		return unsupported("a DICOM file compressed by "+name, "unpack it first, for example with gdcmconv --raw")
	}
	var err error
	f.set, _, err = f.coding.set(b, 0)
	return err
}

// number is a whole number of the picture's description.
func (f *dicomFile) number(tag uint32, otherwise int) int {
	e := dcmFind(f.set, tag)
	switch {
	case e == nil:
		return otherwise
	case len(e.value) == 2:
		return int(f.coding.order.Uint16(e.value))
	case len(e.value) == 4:
		return int(f.coding.order.Uint32(e.value))
	}
	return otherwise
}

// describe reads and checks what the pixels are.
func (f *dicomFile) describe() error {
	for _, tag := range []uint32{dcmPixels, dcmFloatPixels, dcmDoublePixels} {
		if e := dcmFind(f.set, tag); e != nil && f.pixels == nil {
			f.pixels, f.float = e, tag != dcmPixels
		}
	}
	if f.pixels == nil {
		return unsupported("a DICOM file without a picture", "choose one of the series that has pixels")
	}
	f.w, f.h = f.number(dcmColumns, 0), f.number(dcmRows, 0)
	f.samples = f.number(dcmSamples, 1)
	f.planar = f.number(dcmPlanar, 0) == 1
	f.allocated = f.number(dcmAllocated, 0)
	f.stored = f.number(dcmStored, f.allocated)
	f.high = f.number(dcmHighBit, f.stored-1)
	f.signed = f.number(dcmSigned, 0) == 1
	f.photo = dcmFind(f.set, dcmPhotometric).text()
	f.frames = 1
	if e := dcmFind(f.set, dcmFrames); e != nil && e.text() != "" {
		n, err := strconv.Atoi(e.text())
		if err != nil || n < 1 {
			return fmt.Errorf("%.20q frames", e.text())
		}
		f.frames = n
	}
	if e := dcmFind(f.set, dcmPadding); e != nil && len(e.value) == 2 {
		f.padding, f.padded = int64(f.coding.order.Uint16(e.value)), true
		if f.signed {
			f.padding = int64(int16(f.padding))
		}
	}
	gray := f.photo == "MONOCHROME1" || f.photo == "MONOCHROME2" || f.float && f.photo == ""
	switch {
	case gray && f.samples != 1, !gray && f.samples == 1 && f.photo != "PALETTE COLOR":
		return fmt.Errorf("%d samples a pixel in %.20q", f.samples, f.photo)
	case gray && f.float:
	case gray && (f.allocated == 8 || f.allocated == 16 || f.allocated == 32):
	case f.samples == 3 && f.allocated == 8 && (f.photo == "RGB" || f.photo == "YBR_FULL" || strings.HasPrefix(f.photo, "YBR_") && f.pixels.fragments != nil):
	default:
		return unsupported(fmt.Sprintf("a DICOM picture in %.20q of %d bits", f.photo, f.allocated), "convert it to MONOCHROME2 or RGB")
	}
	if f.stored < 1 || f.stored > f.allocated || f.high >= f.allocated || f.high < f.stored-1 {
		if !f.float {
			return fmt.Errorf("%d bits, the highest %d, in %d", f.stored, f.high, f.allocated)
		}
	}
	if f.float {
		f.allocated = 32
		if f.pixels.tag == dcmDoublePixels {
			f.allocated = 64
		}
	}
	packed := int64(len(f.pixels.value))
	per := int64(1)
	if f.pixels.fragments != nil {
		packed, per = 0, 64
		for _, p := range f.pixels.fragments {
			packed += int64(len(p))
		}
		if f.syntax == dcmJPEG || f.syntax == dcmJPEGExtended {
			per = 8256
		}
	} else if f.syntax != dcmExplicit && f.syntax != dcmImplicit && f.syntax != dcmBigEndian && f.syntax != dcmDeflated {
		return errors.New("its pixels are not compressed as it says")
	}
	if err := checkSize(f.samples, f.h, f.w, packed, per); err != nil {
		return err
	}
	if f.pixels.fragments == nil && f.frameBytes()*int64(f.frames) > packed {
		return io.ErrUnexpectedEOF
	}
	if f.frames > maxPages {
		return fmt.Errorf("%d frames", f.frames)
	}
	return nil
}

func (f *dicomFile) frameBytes() int64 {
	return int64(f.w) * int64(f.h) * int64(f.samples) * int64(f.allocated/8)
}

func (f *dicomFile) Pages() int { return f.frames }

// rescale is the slope and intercept of a frame.
func (f *dicomFile) rescale(i int) (slope, intercept float64) {
	slope, intercept = 1, 0
	read := func(set []dcmElement) {
		if s := dcmFind(set, dcmSlope).decimals(); len(s) == 1 && s[0] != 0 {
			slope = s[0]
		}
		if s := dcmFind(set, dcmIntercept).decimals(); len(s) == 1 {
			intercept = s[0]
		}
	}
	read(f.set)
	for tag, at := range map[uint32]int{dcmSharedGroups: 0, dcmFrameGroups: i} {
		if e := dcmFind(f.set, tag); e != nil && at < len(e.items) {
			if t := dcmFind(e.items[at], dcmTransform); t != nil && len(t.items) > 0 {
				read(t.items[0])
			}
		}
	}
	return slope, intercept
}

// A dicomPage ties a picture to the frame that it came from.
type dicomPage struct {
	*dicomFile
	frame            int
	slope, intercept float64
}

func (f *dicomFile) sampleCount(int) int64 { return int64(f.samples) * int64(f.h) * int64(f.w) }

func (f *dicomFile) Page(i int) (*Picture, error) {
	p := &Picture{Image: operators.NewImage(operators.Shape{C: f.samples, H: f.h, W: f.w})}
	if e := dcmFind(f.set, dcmSpacing).decimals(); len(e) == 2 && e[0] > 0 && e[1] > 0 { // mm, rows first
		p.Meta.DPI = [2]float64{25.4 / e[1], 25.4 / e[0]}
	}
	d := &dicomPage{dicomFile: f, frame: i}
	d.slope, d.intercept = f.rescale(i)
	p.Meta.origin = d
	if f.float {
		p.typed('f', f.allocated)
		b := f.pixels.value[int64(i)*f.frameBytes():]
		for k := range p.Pix {
			p.Pix[k] = float32(d.slope*float64(numberAt(b[k*f.allocated/8:], 'f', f.allocated, f.coding.order)) + d.intercept)
		}
		return p, p.absent(nil)
	}
	numbers, err := f.numbers(i)
	if err != nil {
		return nil, damaged("DICOM", err)
	}
	if f.samples == 3 {
		p.typed('u', 8)
		for k, v := range numbers {
			p.Plane(k % 3)[k/3] = float32(uint8(v)) / 255
		}
		p.Meta.origin = d
		return p, nil
	}
	kind := byte('u')
	if f.signed {
		kind = 'i'
	}
	p.typed(kind, f.allocated)
	p.Bits, p.Scale = 32, 1
	p.Low, p.High = d.bounds()
	for k, v := range numbers {
		p.Pix[k] = float32(d.slope*float64(v) + d.intercept)
	}
	return p, p.absent(nil)
}

// numberRange is the range of numbers that a sample of the file can hold.
func (f *dicomFile) numberRange() (low, high float64) {
	if f.signed {
		return -math.Ldexp(1, f.stored-1), math.Ldexp(1, f.stored-1) - 1
	}
	return 0, math.Ldexp(1, f.stored) - 1
}

// bounds are the ends of the scale in its units.
func (d *dicomPage) bounds() (low, high float64) {
	low, high = d.numberRange()
	low, high = d.slope*low+d.intercept, d.slope*high+d.intercept
	return min(low, high), max(low, high)
}

// numbers decodes a frame to its numbers, interleaved; three channels come
// out as RGB.
func (f *dicomFile) numbers(i int) ([]int64, error) {
	raw, planar, err := f.bytes(i)
	if err != nil {
		return nil, err
	}
	n := f.w * f.h * f.samples
	out := make([]int64, n)
	shift := f.high + 1 - f.stored
	for k := range out {
		at := k
		if planar && f.samples == 3 {
			at = k%3*(n/3) + k/3
		}
		var v uint64
		switch f.allocated {
		case 8:
			v = uint64(raw[at])
		case 16:
			v = uint64(f.coding.order.Uint16(raw[2*at:]))
		case 32:
			v = uint64(f.coding.order.Uint32(raw[4*at:]))
		}
		v = v >> shift & (1<<f.stored - 1)
		out[k] = int64(v)
		if f.signed {
			out[k] = int64(v<<(64-f.stored)) >> (64 - f.stored)
		}
	}
	if f.samples == 3 && f.photo == "YBR_FULL" && f.syntax != dcmJPEG {
		for k := 0; k+2 < n; k += 3 {
			y, cb, cr := float64(out[k]), float64(out[k+1])-128, float64(out[k+2])-128
			for c, v := range [3]float64{y + 1.402*cr, y - 0.344136*cb - 0.714136*cr, y + 1.772*cb} {
				out[k+c] = int64(min(max(math.Round(v), 0), 255))
			}
		}
	}
	return out, nil
}

// bytes is a frame as it would stand uncompressed.
func (f *dicomFile) bytes(i int) (raw []byte, planar bool, err error) {
	size := f.frameBytes()
	if f.pixels.fragments == nil {
		return f.pixels.value[int64(i)*size : int64(i+1)*size], f.planar, nil
	}
	data, err := f.frame(i)
	if err != nil {
		return nil, false, err
	}
	switch f.syntax {
	case dcmRLE:
		raw, err = f.unRLE(data)
		return raw, f.samples == 3, err
	case dcmJPEGLossless, dcmJPEGLossless1:
		if f.photo != "RGB" && f.samples == 3 && f.photo != "YBR_FULL" || f.allocated > 16 || len(data) < 2 {
			return nil, false, unsupported(fmt.Sprintf("a DICOM picture of lossless JPEG in %.20q", f.photo), "unpack it first, for example with gdcmconv --raw")
		}
		v, err := decodeLossless(data, f.w, f.h, f.samples)
		if err != nil {
			return nil, false, err
		}
		raw = make([]byte, size)
		for k, x := range v {
			if f.allocated == 8 {
				raw[k] = byte(x)
			} else {
				f.coding.order.PutUint16(raw[2*k:], x)
			}
		}
		return raw, false, nil
	default:
		raw, err = f.unJPEG(data)
		return raw, false, err
	}
}

// frame joins the fragments of a frame. The first one is a table of offsets.
func (f *dicomFile) frame(i int) ([]byte, error) {
	parts := f.pixels.fragments
	if len(parts) < 1 {
		return nil, io.ErrUnexpectedEOF
	}
	table, parts := parts[0], parts[1:]
	switch {
	case f.frames == 1:
		return bytes.Join(parts, nil), nil
	case len(parts) == f.frames:
		return parts[i], nil
	case len(table) < 4*f.frames:
		return nil, unsupported("a DICOM file whose frames are in pieces without a table", "unpack it first, for example with gdcmconv --raw")
	}
	from := f.coding.order.Uint32(table[4*i:])
	to := uint32(math.MaxUint32)
	if i+1 < f.frames {
		to = f.coding.order.Uint32(table[4*i+4:])
	}
	var out []byte
	at := uint32(0)
	for _, p := range parts {
		if at >= from && at < to {
			out = append(out, p...)
		}
		at += uint32(len(p)) + 8
	}
	return out, nil
}

// unRLE undoes DICOM's run-length code: a segment for each byte of each
// channel, the highest byte first (PS3.5, annex G).
func (f *dicomFile) unRLE(data []byte) ([]byte, error) {
	if len(data) < 64 {
		return nil, io.ErrUnexpectedEOF
	}
	width := f.allocated / 8
	n := int(binary.LittleEndian.Uint32(data))
	if n != f.samples*width || n > 15 {
		return nil, fmt.Errorf("%d segments of run-length code", n)
	}
	count := f.w * f.h
	raw := make([]byte, count*n)
	for s := range n {
		from, to := int64(binary.LittleEndian.Uint32(data[4+4*s:])), int64(len(data))
		if s+1 < n {
			to = int64(binary.LittleEndian.Uint32(data[8+4*s:]))
		}
		if from < 64 || to < from || to > int64(len(data)) {
			return nil, errors.New("a segment of run-length code lies elsewhere")
		}
		plane, err := unpackBits(data[from:to], int64(count))
		if err != nil {
			return nil, err
		}
		c, b := s/width, s%width
		if f.coding.order == binary.LittleEndian {
			b = width - 1 - b
		}
		for i, v := range plane[:count] {
			raw[(c*count+i)*width+b] = v
		}
	}
	return raw, nil
}

// unJPEG decodes a lossy frame of 8 bits, colour as RGB.
func (f *dicomFile) unJPEG(data []byte) ([]byte, error) {
	if f.allocated != 8 {
		return nil, unsupported(fmt.Sprintf("a DICOM picture of JPEG with %d bits", f.stored), "unpack it first, for example with gdcmconv --raw")
	}
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, jpegError(err)
	}
	if cfg.Width != f.w || cfg.Height != f.h {
		return nil, fmt.Errorf("%dx%d pixels in a JPEG of %dx%d", f.w, f.h, cfg.Width, cfg.Height)
	}
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, jpegError(err)
	}
	p := fromImage(m, f.samples == 1, false)
	raw := make([]byte, f.frameBytes())
	for k := range raw {
		raw[k] = byte(level(p.Plane(k % f.samples)[k/f.samples], 255))
	}
	return raw, nil
}

// dicomRange is the range of samples that fit the DICOM file that p came
// from, 0 to 1 where it came from none.
func dicomRange(p *Picture) (low, high float64) {
	d, ok := p.Meta.origin.(*dicomPage)
	if !ok || d.samples == 3 {
		return 0, 1
	}
	if d.float {
		return math.Inf(-1), math.Inf(1)
	}
	low, high = d.bounds()
	half := math.Abs(d.slope) / 2
	return low - half, high + half
}

// A dicomWriter writes the file that the pages came from with new pixels,
// uncompressed, as a derived image of its own identity.
type dicomWriter struct {
	w     io.Writer
	pages int
	of    *dicomFile
	next  int
	raw   []byte
}

func (e *dicomWriter) page(p *Picture) error {
	d, ok := p.Meta.origin.(*dicomPage)
	switch {
	case !ok:
		return errors.New("DICOM is written only of a picture that was read from DICOM: use .tif or .npy")
	case d.float:
		return errors.New("DICOM of floats is not written: use .tif or .npy")
	case d.w != p.W || d.h != p.H || d.samples != p.C:
		return fmt.Errorf("the DICOM file has %dx%d pixels, the picture %dx%d: use .tif or .npy", d.w, d.h, p.W, p.H)
	case e.pages != d.frames || d.frame != e.next || e.of != nil && e.of != d.dicomFile:
		return fmt.Errorf("the DICOM file has %d pages: one is written of all of them; use .tif or .npy", d.frames)
	}
	e.of = d.dicomFile
	e.next++
	before, err := d.numbers(d.frame)
	if err != nil {
		return err
	}
	low, high := d.numberRange()
	shift := d.high + 1 - d.stored
	for k := range before {
		var v int64
		if d.samples == 3 {
			v = int64(level(p.Plane(k % 3)[k/3], 255))
		} else if d.padded && before[k] == d.padding {
			v = d.padding // outside the field of view nothing changes
		} else {
			v = int64(min(max(math.Round((float64(p.Pix[k])-d.intercept)/d.slope), low), high))
		}
		u := uint64(v) & (1<<d.stored - 1) << shift
		o := d.coding.order.(binary.AppendByteOrder)
		switch d.allocated {
		case 8:
			e.raw = append(e.raw, byte(u))
		case 16:
			e.raw = o.AppendUint16(e.raw, uint16(u))
		case 32:
			e.raw = o.AppendUint32(e.raw, uint32(u))
		}
	}
	return nil
}

// encode lays out an element.
func (c dcmCoding) encode(tag uint32, vr string, value []byte) []byte {
	if len(value)%2 == 1 {
		pad := byte(' ')
		if vr == "UI" || vr == "OB" {
			pad = 0
		}
		value = append(value, pad)
	}
	o := c.order.(binary.AppendByteOrder)
	b := o.AppendUint16(o.AppendUint16(nil, uint16(tag>>16)), uint16(tag))
	switch {
	case !c.explicit:
		b = o.AppendUint32(b, uint32(len(value)))
	case long(vr):
		b = o.AppendUint32(append(b, vr[0], vr[1], 0, 0), uint32(len(value)))
	default:
		b = o.AppendUint16(append(b, vr[0], vr[1]), uint16(len(value)))
	}
	return append(b, value...)
}

func (e *dicomWriter) close() error {
	f := e.of
	if int64(len(e.raw)) >= dcmUndefined {
		return errors.New("the picture is too large for a DICOM file")
	}
	// A new identity, the same for the same pixels: a UUID as a UID (PS3.5, B.2).
	sum := sha256.Sum256(append([]byte(dcmFind(f.set, dcmInstance).text()), e.raw...))
	instance := []byte("2.25." + new(big.Int).SetBytes(sum[:16]).String())
	syntax := f.syntax
	if f.pixels.fragments != nil || syntax == dcmDeflated {
		syntax = dcmExplicit
	}
	meta := dcmCoding{true, binary.LittleEndian}
	var group []byte
	for _, m := range f.meta {
		switch m.tag {
		case dcmMetaLength:
		case dcmMetaInstance:
			group = append(group, meta.encode(m.tag, "UI", instance)...)
		case dcmSyntax:
			group = append(group, meta.encode(m.tag, "UI", []byte(syntax))...)
		default:
			group = append(group, m.raw...)
		}
	}
	out := [][]byte{f.preamble, meta.encode(dcmMetaLength, "UL", binary.LittleEndian.AppendUint32(nil, uint32(len(group)))), group}
	put := func(tag uint32, vr string, value []byte) { out = append(out, f.coding.encode(tag, vr, value)) }
	for _, m := range f.set {
		switch m.tag {
		case dcmImageType:
			_, rest, more := strings.Cut(m.text(), `\`)
			if more {
				rest = `\` + rest
			}
			put(m.tag, "CS", []byte("DERIVED"+rest))
		case dcmInstance:
			put(m.tag, "UI", instance)
		case dcmPhotometric:
			if f.samples == 3 {
				put(m.tag, "CS", []byte("RGB"))
			} else {
				out = append(out, m.raw)
			}
		case dcmPlanar:
			put(m.tag, "US", []byte{0, 0})
		case dcmSmallest, dcmLargest, dcmOffsets, dcmLengths, dcmSignature: // no longer true
		case dcmPixels:
			vr := "OW"
			if f.allocated == 8 {
				vr = "OB"
			}
			put(m.tag, vr, e.raw)
		default:
			out = append(out, m.raw)
		}
	}
	for _, b := range out {
		if _, err := e.w.Write(b); err != nil {
			return err
		}
	}
	return nil
}
