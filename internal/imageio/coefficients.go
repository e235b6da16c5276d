package imageio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/lpn-imaging/lpn/operators"
)

// Coefficients are what a JPEG file keeps of a picture, before a decoder made
// colours of it: a measurement of operators.NewJPEG(Shape, Format).
type Coefficients struct {
	Format operators.JPEGFormat
	// Shape is that of the picture as it is stored; Orientation, EXIF's 1 to
	// 8, says how it is to be turned afterwards.
	Shape       operators.Shape
	Orientation int
	// K has the coefficients in multiples of the steps of Format.
	K []int16
}

// Y is the measurement: the coefficients in units of the samples.
func (c *Coefficients) Y() []float32 {
	y := make([]float32, len(c.K))
	c.operator().Dequantise(y, c.K)
	return y
}

// Decode is the picture that a decoder makes, upright and not rounded: see
// operators.JPEG.
func (c *Coefficients) Decode() operators.Image {
	m := operators.NewImage(c.Shape)
	c.operator().Decode(m.Pix, c.Y())
	return c.Upright(m)
}

// picture is what is read of the file: 8 bits, not turned.
func (c *Coefficients) picture() *Picture {
	p := &Picture{Image: operators.NewImage(c.Shape), JPEG: c}
	c.operator().Decode(p.Pix, c.Y())
	for i, v := range p.Pix {
		p.Pix[i] = float32(int32(min(max(v, 0), 1)*255+0.5)) / 255
	}
	p.typed('u', 8)
	return p
}

// operator is the map of which K is a measurement.
func (c *Coefficients) operator() *operators.JPEG {
	a, err := operators.NewJPEG(c.Shape, c.Format)
	if err != nil {
		panic(err) // the file was read with them
	}
	return a
}

// Luma are the coefficients of the luma alone, nil where there is none of a
// sample a pixel.
func (c *Coefficients) Luma() *Coefficients {
	f, ok := c.Format.Luma()
	if !ok {
		return nil
	}
	l := *c
	l.Format, l.Shape.C = f, 1
	rows, cols := c.operator().Blocks(0)
	l.K = c.K[:64*rows*cols]
	return &l
}

// Upright turns a picture of the stored shape as Orientation says.
func (c *Coefficients) Upright(m operators.Image) operators.Image {
	p := Picture{Image: m}
	p.turn(c.Orientation)
	return p.Image
}

// DecodeCoefficients reads a JPEG file, baseline or progressive, of one
// component or of three. Files of four (CMYK), of odd subsampling, of 12 bits or
// arithmetic coding are refused.
func DecodeCoefficients(data []byte) (*Coefficients, error) {
	h, err := readJPEGHeader(data)
	if err != nil {
		return nil, err
	}
	s := operators.Shape{C: len(h.format.Planes), H: h.h, W: h.w}
	if err := checkSize(s.C, s.H, s.W, int64(len(data)), 8256); err != nil {
		return nil, err
	}
	a, err := operators.NewJPEG(s, h.format)
	if err != nil {
		return nil, err
	}
	k := make([]int16, a.Codomain().Len())
	if err := decodeJPEGScans(data, h.scan(a, k)); err != nil {
		return nil, err
	}
	return &Coefficients{Format: h.format, Shape: s, Orientation: h.orientation, K: k}, nil
}

// scan is where the coefficients of each plane go: to k, as a has them.
func (h *jpegHeader) scan(a *operators.JPEG, k []int16) *jpegScan {
	s := &jpegScan{progressive: h.progressive}
	for c, p := range h.format.Planes {
		rows, cols := a.Blocks(c)
		n := 64 * rows * cols
		s.planes = append(s.planes, jpegPlane{
			id: h.ids[c], rows: rows, cols: cols, k: k[:n],
			down: h.down / p.Down, across: h.across / p.Across,
		})
		k = k[n:]
	}
	s.units = [2]int{(h.h + 8*h.down - 1) / (8 * h.down), (h.w + 8*h.across - 1) / (8 * h.across)}
	return s
}

// A jpegHeader is what the segments of a JPEG file before its first scan say.
type jpegHeader struct {
	h, w         int
	progressive  bool
	format       operators.JPEGFormat
	ids          []byte
	down, across int // blocks of the finest plane in a unit of an interleaved scan
	orientation  int
}

// readJPEGHeader reads the quantisation tables, the sampling factors, Adobe's
// word on the colours and the orientation of EXIF (ITU-T T.81, annex B).
func readJPEGHeader(data []byte) (h jpegHeader, err error) {
	var tables [4]*[64]uint16
	var frame []byte
	jfif, adobe := false, -1
	h.orientation = 1
	for marker, body := range jpegSegments(data) {
		switch {
		case marker == 0xdb:
			err = readJPEGTables(&tables, body)
		case marker == 0xc0 || marker == 0xc1 || marker == 0xc2:
			frame, h.progressive = body, marker == 0xc2
		case marker > 0xc2 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			err = fmt.Errorf("JPEG of the kind SOF%d; want baseline or progressive", marker-0xc0)
		case marker == 0xe0 && bytes.HasPrefix(body, []byte(jfifMarker)):
			jfif = true
		case marker == 0xee && bytes.HasPrefix(body, []byte("Adobe")) && len(body) >= 12:
			adobe = int(body[11])
		case marker == 0xe1 && bytes.HasPrefix(body, []byte(exifMarker)):
			h.orientation = orientationOf(body[len(exifMarker):])
		}
		if err != nil {
			return h, err
		}
	}
	if frame == nil {
		return h, errors.New("damaged JPEG: no frame header before the scan")
	}
	if err := h.readFrame(frame, &tables); err != nil {
		return h, err
	}
	named := len(h.format.Planes) == 3 && frame[6] == 'R' && frame[9] == 'G' && frame[12] == 'B'
	h.format.RGB = len(h.format.Planes) == 3 && !jfif && (adobe == 0 || adobe < 0 && named)
	return h, nil
}

// jpegSegments yields the segments of a JPEG file before its first scan.
func jpegSegments(data []byte) iter.Seq2[byte, []byte] {
	return func(yield func(marker byte, body []byte) bool) {
		for at := 2; at+4 <= len(data) && data[at] == 0xff; {
			marker := data[at+1]
			if marker == 0xff { // padding
				at++
				continue
			}
			if marker == 0xd8 || marker == 0x01 || marker >= 0xd0 && marker <= 0xd7 {
				at += 2
				continue
			}
			n := int(binary.BigEndian.Uint16(data[at+2:]))
			if marker == 0xda || marker == 0xd9 || n < 2 || at+2+n > len(data) || !yield(marker, data[at+4:at+2+n]) {
				return
			}
			at += 2 + n
		}
	}
}

// zigzag is where the numbers of a table stand, 8*u+v.
var zigzag = func() (at [64]int) {
	k := 0
	for sum := range 15 {
		for i := range sum + 1 {
			u, v := i, sum-i // down to the left, from the top
			if sum%2 == 0 {
				u, v = v, u
			}
			if u < 8 && v < 8 {
				at[k] = 8*u + v
				k++
			}
		}
	}
	return at
}()

// readJPEGTables reads a DQT segment.
func readJPEGTables(tables *[4]*[64]uint16, body []byte) error {
	for len(body) > 0 {
		wide, id := int(body[0]>>4), body[0]&15
		n := 64 * (wide + 1)
		if wide > 1 || id > 3 || len(body) < 1+n {
			return errors.New("damaged JPEG: bad quantisation table")
		}
		t := new([64]uint16)
		for k, at := range zigzag {
			if wide == 1 {
				t[at] = binary.BigEndian.Uint16(body[1+2*k:])
			} else {
				t[at] = uint16(body[1+k])
			}
			if t[at] == 0 {
				return errors.New("damaged JPEG: a quantisation step of 0")
			}
		}
		tables[id] = t
		body = body[1+n:]
	}
	return nil
}

// readFrame reads a SOF segment.
func (h *jpegHeader) readFrame(body []byte, tables *[4]*[64]uint16) error {
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return errors.New("damaged JPEG: bad frame header")
	}
	n := int(body[5])
	if n == 4 {
		return errors.New("JPEG of four components (CMYK); want one or three")
	}
	if body[0] != 8 || n != 1 && n != 3 {
		return fmt.Errorf("JPEG of %d components of %d bits; want one or three of 8", n, body[0])
	}
	h.h, h.w = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	down, across := 1, 1
	for c := range n {
		down, across = max(down, int(body[7+3*c]&15)), max(across, int(body[7+3*c]>>4))
	}
	h.down, h.across = down, across
	for c := range n {
		v, a, id := int(body[7+3*c]&15), int(body[7+3*c]>>4), body[8+3*c]
		if v == 0 || a == 0 || down%v != 0 || across%a != 0 || down > 4 || across > 4 {
			return fmt.Errorf("JPEG with the sampling factors %dx%d; want divisors of %dx%d", a, v, across, down)
		}
		if id > 3 || tables[id] == nil {
			return errors.New("damaged JPEG: a component without a quantisation table")
		}
		p := operators.JPEGPlane{Down: down / v, Across: across / a, Step: *tables[id]}
		if n == 1 { // a picture of one component is not interleaved: A.2.2
			p.Down, p.Across = 1, 1
		}
		h.format.Planes = append(h.format.Planes, p)
		h.ids = append(h.ids, body[6+3*c])
	}
	return nil
}
