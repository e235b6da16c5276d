package imageio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/lpn-imaging/lpn/operators"
)

// The Flexible Image Transport System of astronomy, FITS 4.0. A file is units
// of a header, cards of 80 characters, and data, both in blocks of 2880 bytes.
// The first unit with a picture is read; planes of a third axis, and of all
// further ones, are pages. Rows stay in the order of the file, which astronomers
// draw upwards and every array library indexes from 0.

const fitsBlock = 2880

type fitsFile struct {
	r     io.ReaderAt
	cards []string // of the unit
	at    int64    // its data
	h, w  int
	pages int
	kind  byte
	bits  int
	scale float64 // value = zero + scale * number
	zero  float64
	blank *int64 // the number that means no value
}

// fitsValue is the value on the card of a keyword, "" when there is none.
func fitsValue(cards []string, keyword string) string {
	for _, c := range cards {
		if strings.TrimRight(c[:8], " ") != keyword || c[8:10] != "= " {
			continue
		}
		v := strings.TrimSpace(c[10:])
		if strings.HasPrefix(v, "'") {
			text, _, _ := strings.Cut(strings.ReplaceAll(v[1:], "''", "\x00"), "'")
			return strings.TrimRight(strings.ReplaceAll(text, "\x00", "'"), " ")
		}
		v, _, _ = strings.Cut(v, "/")
		return strings.TrimSpace(v)
	}
	return ""
}

func fitsInt(cards []string, keyword string, otherwise int64) (int64, error) {
	s := fitsValue(cards, keyword)
	if s == "" {
		return otherwise, nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is %.20q", keyword, s)
	}
	return v, nil
}

func fitsFloat(cards []string, keyword string, otherwise float64) (float64, error) {
	s := fitsValue(cards, keyword)
	if s == "" {
		return otherwise, nil
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(s, "D", "E"), 64)
	if err != nil || v-v != 0 {
		return 0, fmt.Errorf("%s is %.20q", keyword, s)
	}
	return v, nil
}

// maxCards bounds a header.
const maxCards = 1 << 16

func openFITS(r io.ReaderAt, size int64) (source, error) {
	compressed := false
	for at := int64(0); at < size; {
		cards, data, err := fitsHeader(r, at, size)
		if err != nil {
			if at > 0 {
				break // what follows the units is padding of a tape
			}
			return nil, damaged("FITS", err)
		}
		f := &fitsFile{r: r, cards: cards, at: data}
		length, picture, err := f.read()
		if err != nil {
			return nil, damaged("FITS", err)
		}
		if picture {
			if length > size-data {
				return nil, damaged("FITS", io.ErrUnexpectedEOF)
			}
			if err := checkSize(f.pages, f.h, f.w, size, 1); err != nil {
				return nil, err
			}
			return f, nil
		}
		compressed = compressed || fitsValue(cards, "ZIMAGE") == "T"
		if length > size-data {
			break
		}
		at = data + (length+fitsBlock-1)/fitsBlock*fitsBlock
	}
	if compressed {
		return nil, unsupported("a compressed FITS picture", "unpack it first, for example with funpack")
	}
	return nil, unsupported("a FITS file without a picture (a table?)", "save the picture as an image unit, or as .npy")
}

// fitsHeader reads the cards up to END and where the data begins.
func fitsHeader(r io.ReaderAt, at, size int64) (cards []string, data int64, err error) {
	block := make([]byte, fitsBlock)
	for len(cards) < maxCards {
		if at+fitsBlock > size {
			return nil, 0, io.ErrUnexpectedEOF
		}
		if _, err := r.ReadAt(block, at); err != nil && err != io.EOF {
			return nil, 0, err
		}
		at += fitsBlock
		for i := 0; i < fitsBlock; i += 80 {
			card := string(block[i : i+80])
			if strings.TrimRight(card, " ") == "END" {
				return cards, at, nil
			}
			cards = append(cards, card)
		}
	}
	return nil, 0, errors.New("its header has no end")
}

// read takes what the header says; length is that of the data in bytes.
func (f *fitsFile) read() (length int64, picture bool, err error) {
	bitpix, err := fitsInt(f.cards, "BITPIX", 0)
	if err != nil {
		return 0, false, err
	}
	axes, err := fitsInt(f.cards, "NAXIS", 0)
	if err != nil || axes < 0 || axes > 999 {
		return 0, false, fmt.Errorf("NAXIS is %d", axes)
	}
	switch bitpix {
	case 8:
		f.kind, f.bits = 'u', 8
	case 16, 32, 64:
		f.kind, f.bits = 'i', int(bitpix)
	case -32, -64:
		f.kind, f.bits = 'f', int(-bitpix)
	default:
		return 0, false, fmt.Errorf("BITPIX is %d", bitpix)
	}
	count := int64(1)
	dims := make([]int64, axes)
	for i := range dims {
		if dims[i], err = fitsInt(f.cards, fmt.Sprint("NAXIS", i+1), -1); err != nil || dims[i] < 0 {
			return 0, false, fmt.Errorf("NAXIS%d is missing", i+1)
		}
		if dims[i] > maxSamples || dims[i] > 0 && count > maxSamples/dims[i] {
			return 0, false, errors.New("it promises more than the limit of 2^31 samples")
		}
		count *= dims[i]
	}
	group, _ := fitsInt(f.cards, "GCOUNT", 1)
	heap, _ := fitsInt(f.cards, "PCOUNT", 0)
	if group < 0 || heap < 0 || heap > 1<<40 || group > 1<<20 {
		return 0, false, errors.New("PCOUNT and GCOUNT")
	}
	if axes == 0 {
		count = 0
	}
	length = (count + heap) * group * int64(f.bits/8)
	ext := fitsValue(f.cards, "XTENSION")
	if axes < 2 || count == 0 || ext != "" && ext != "IMAGE" || fitsValue(f.cards, "GROUPS") == "T" {
		return length, false, nil
	}
	f.w, f.h = int(dims[0]), int(dims[1])
	f.pages = int(count / (dims[0] * dims[1]))
	if f.scale, err = fitsFloat(f.cards, "BSCALE", 1); err != nil {
		return 0, false, err
	}
	if f.zero, err = fitsFloat(f.cards, "BZERO", 0); err != nil {
		return 0, false, err
	}
	if f.kind != 'f' && fitsValue(f.cards, "BLANK") != "" {
		v, err := fitsInt(f.cards, "BLANK", 0)
		if err != nil {
			return 0, false, err
		}
		f.blank = &v
	}
	return length, true, nil
}

func (f *fitsFile) Pages() int { return f.pages }

func (f *fitsFile) Page(i int) (*Picture, error) {
	p := &Picture{Image: operators.NewImage(operators.Shape{C: 1, H: f.h, W: f.w})}
	p.typed(f.kind, f.bits)
	// The values are what counts, with whatever scale they were stored.
	p.Bits, p.Scale = 32, 1
	if f.kind != 'f' {
		low, high := p.Low, p.High
		if f.kind == 'u' {
			low, high = 0, 255
		}
		p.Low, p.High = f.zero+f.scale*low, f.zero+f.scale*high
		if f.scale < 0 {
			p.Low, p.High = p.High, p.Low
		}
	}
	width := f.bits / 8
	row := make([]byte, f.w*width)
	at := f.at + int64(i)*int64(f.h)*int64(len(row))
	o := binary.BigEndian
	for y := range f.h {
		if _, err := f.r.ReadAt(row, at+int64(y)*int64(len(row))); err != nil && err != io.EOF {
			return nil, reason(err)
		}
		dst := p.Pix[y*f.w : (y+1)*f.w]
		for x := range dst {
			b := row[x*width:]
			var v float64
			var n int64
			switch {
			case f.kind == 'f' && f.bits == 32:
				v = float64(math.Float32frombits(o.Uint32(b)))
			case f.kind == 'f':
				v = math.Float64frombits(o.Uint64(b))
			case f.bits == 8:
				n = int64(b[0])
			case f.bits == 16:
				n = int64(int16(o.Uint16(b)))
			case f.bits == 32:
				n = int64(int32(o.Uint32(b)))
			default:
				n = int64(o.Uint64(b))
			}
			if f.kind != 'f' {
				v = float64(n)
			}
			dst[x] = float32(f.zero + f.scale*v)
			if f.blank != nil && n == *f.blank {
				dst[x] = float32(math.NaN())
			}
		}
	}
	p.Meta.origin = f
	return p, p.absent(nil)
}

// A fitsWriter writes pages as one unit of 32-bit floats, with the cards of
// the file that the first page came from as far as they still hold.
type fitsWriter struct {
	w     io.Writer
	pages int
	first *Picture
	n     int64
}

// structural are the keywords that say how numbers are stored.
func structural(keyword string) bool {
	switch keyword {
	case "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "BSCALE", "BZERO", "BLANK",
		"DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "END", "EXTNAME", "EXTVER", "INHERIT":
		return true
	}
	n, ok := strings.CutPrefix(keyword, "NAXIS")
	_, err := strconv.Atoi(n)
	return ok && err == nil
}

func (e *fitsWriter) header(p *Picture) error {
	dims := []int{p.W, p.H}
	if e.pages*p.C > 1 {
		dims = append(dims, e.pages*p.C) // a plane a channel
	}
	var b bytes.Buffer
	card := func(key string, v any) { fmt.Fprintf(&b, "%-80s", fmt.Sprintf("%-8s= %20v", key, v)) }
	card("SIMPLE", "T")
	card("BITPIX", -32)
	card("NAXIS", len(dims))
	for i, d := range dims {
		card(fmt.Sprint("NAXIS", i+1), d)
	}
	if from, ok := p.Meta.origin.(*fitsFile); ok {
		resized := from.w != p.W || from.h != p.H
		for _, c := range from.cards {
			key := strings.TrimRight(c[:8], " ")
			// Coordinates of the sky hold of the pixels that there were.
			if structural(key) || strings.TrimSpace(c) == "" || resized && skyKeyword(key) {
				continue
			}
			b.WriteString(c)
		}
	}
	fmt.Fprintf(&b, "%-80s", "END")
	for b.Len()%fitsBlock != 0 {
		b.WriteByte(' ')
	}
	_, err := e.w.Write(b.Bytes())
	return err
}

// skyKeyword tells the keywords that tie pixels to the sky.
func skyKeyword(key string) bool {
	for _, k := range []string{"CRPIX", "CDELT", "CRVAL", "CTYPE", "CUNIT", "CROTA", "CD1_", "CD2_"} {
		if strings.HasPrefix(key, k) {
			return true
		}
	}
	return false
}

func (e *fitsWriter) page(p *Picture) error {
	if e.first == nil {
		first := *p
		first.Pix = nil
		e.first = &first
		if err := e.header(p); err != nil {
			return err
		}
	} else if p.Shape != e.first.Shape {
		return fmt.Errorf("pages of %s and %s: a FITS cube has one size", sizeOf(e.first), sizeOf(p))
	}
	row := make([]byte, 4*p.W)
	for i := 0; i < len(p.Pix); i += p.W {
		for x, v := range p.Pix[i : i+p.W] {
			if p.Missing != nil && p.Missing[i+x] {
				v = float32(math.NaN())
			}
			binary.BigEndian.PutUint32(row[4*x:], math.Float32bits(v))
		}
		if _, err := e.w.Write(row); err != nil {
			return err
		}
		e.n += int64(len(row))
	}
	return nil
}

func (e *fitsWriter) close() error {
	_, err := e.w.Write(make([]byte, (fitsBlock-e.n%fitsBlock)%fitsBlock))
	return err
}
