//go:build !small

package imageio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/lpn-imaging/lpn/internal/av1"
	"github.com/lpn-imaging/lpn/operators"
)

// AVIF: pictures of AV1 in HEIF (aomediacodec.github.io/av1-avif). internal/av1 decodes
// them to levels of luma and chroma; all else is done here: samples are neither rounded
// nor, but for the range of [0,1], clipped.

var (
	avifFormats    = []format{{name: "avif", is: isAVIF, open: openAVIF}}
	avifExtensions = []string{".avif"}
)

// isAVIF says whether a file that begins with head is a still picture of AVIF.
func isAVIF(head []byte) bool {
	all := brands(head)
	return slices.Contains(all, "avif") && all[0] != "avis"
}

// An avifFile is a file of one picture.
type avifFile struct {
	*heifFile
	item *heifItem
	w, h int // before it is turned
	gray bool
}

func openAVIF(r io.ReaderAt, size int64) (source, error) {
	data, err := readAll(io.NewSectionReader(r, 0, size), size)
	if err != nil {
		return nil, reason(err)
	}
	f := &avifFile{}
	if f.heifFile, err = openHEIF(data); err == nil {
		f.item = f.items[f.primary]
		err = f.check()
	}
	if err != nil {
		return nil, damaged("AVIF", err)
	}
	return f, nil
}

func (f *avifFile) Pages() int { return 1 }

func (f *avifFile) sampleCount(int) int64 {
	n := int64(f.w) * int64(f.h)
	if f.gray {
		return n
	}
	return 3 * n
}

// check reads what the file says of its picture.
func (f *avifFile) check() error {
	const what = "an AVIF picture"
	f.w, f.h = f.item.size()
	// A block of one colour and 128x128 pixels costs a small part of a bit.
	if err := checkSize(3, f.h, f.w, int64(len(f.data)), 1<<22); err != nil {
		return err
	}
	if int64(f.w)*int64(f.h) > av1.MaxPixels {
		return unsupported(fmt.Sprintf("%s of more than %d million pixels", what, av1.MaxPixels/1_000_000), heifAdvice)
	}
	if err := f.item.understood(what, "av1C", "irot", "imir", "a1op"); err != nil {
		return err
	}
	config := f.item
	switch f.item.kind {
	case "av01":
	case "grid":
		tiles := f.item.refs["dimg"]
		if len(tiles) == 0 || f.items[tiles[0]] == nil {
			return errors.New("its tiles are missing")
		}
		config = f.items[tiles[0]]
	default:
		return unsupported(fmt.Sprintf("%s that holds %.4q", what, f.item.kind), heifAdvice)
	}
	c := config.property("av1C")
	if len(c) < 4 {
		return errors.New("it does not say how it is coded")
	}
	f.gray = c[2]&0x10 != 0
	return nil
}

func (f *avifFile) Page(int) (*Picture, error) {
	p, err := f.page()
	if err != nil {
		return nil, damaged("AVIF", err)
	}
	return p, nil
}

func (f *avifFile) page() (*Picture, error) {
	m, err := f.decode(f.item)
	if err != nil {
		return nil, err
	}
	n := f.notes(f.item)
	conv, err := newMatrix(m, f.item, n.icc != nil)
	if err != nil {
		return nil, err
	}
	p := &Picture{Image: operators.NewImage(operators.Shape{C: 3, H: m.H, W: m.W})}
	if m.Layout == av1.Gray {
		p.C, p.Pix = 1, p.Pix[:m.H*m.W]
	}
	p.typed('u', m.Bits)
	conv.convert(p, m)
	if a := f.opacity(f.item); a != nil {
		if err := f.transparent(p, a); err != nil {
			return nil, err
		}
	}
	p.ICC, p.Meta = n.icc, n.meta
	p.finish(f.item.orientation())
	return p, nil
}

// decode decodes an item, or puts its tiles together.
func (f *avifFile) decode(it *heifItem) (*av1.Picture, error) {
	w, h := it.size()
	if it.kind != "grid" {
		return f.tile(it, w, h)
	}
	b, err := f.bytes(it)
	if err != nil {
		return nil, err
	}
	r := &heifReader{b: b}
	r.uint(1) // version
	wide := 2 + 2*int(r.uint(1)&1)
	rows, columns := int(r.uint(1))+1, int(r.uint(1))+1
	tiles := it.refs["dimg"]
	if int(r.uint(wide)) != w || int(r.uint(wide)) != h || r.short || len(tiles) != rows*columns {
		return nil, errors.New("its tiles make no picture")
	}
	var out *av1.Picture
	var tw, th int // of a tile; those at the end may reach beyond the picture
	for i, id := range tiles {
		t := f.items[id]
		if t == nil || t.kind != "av01" {
			return nil, errors.New("its tiles are missing")
		}
		if err := t.understood("an AVIF tile", "av1C"); err != nil {
			return nil, err
		}
		if i == 0 {
			if tw, th = t.size(); tw <= 0 || th <= 0 || tw*columns < w || th*rows < h || tw*(columns-1) >= w || th*(rows-1) >= h {
				return nil, errors.New("its tiles make no picture")
			}
		}
		m, err := f.tile(t, tw, th)
		if err != nil {
			return nil, err
		}
		if out == nil {
			first := *m
			out = &first
			out.W, out.H = w, h
			cw, ch := out.ChromaSize()
			out.Planes = [3][]uint16{make([]uint16, w*h), make([]uint16, cw*ch), make([]uint16, cw*ch)}
		}
		if m.Bits != out.Bits || m.Layout != out.Layout || m.Matrix != out.Matrix || m.FullRange != out.FullRange {
			return nil, errors.New("its tiles are of different kinds")
		}
		if err := place(out, m, i%columns*tw, i/columns*th); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// place puts a tile at pixel (x, y) of a picture of the same kind.
func place(out, tile *av1.Picture, x, y int) error {
	sx, sy := out.Layout.Step()
	if x%sx != 0 || y%sy != 0 {
		return errors.New("its tiles cut through the samples of chroma")
	}
	for k, from := range tile.Planes {
		w, h, tw, x, y := out.W, out.H, tile.W, x, y
		if k > 0 {
			w, h = out.ChromaSize()
			tw, _ = tile.ChromaSize()
			x, y = x/sx, y/sy
		}
		for ; y < h && len(from) > 0; y++ {
			copy(out.Planes[k][y*w+x:(y+1)*w], from[:tw])
			from = from[tw:]
		}
	}
	return nil
}

func (f *avifFile) tile(it *heifItem, w, h int) (*av1.Picture, error) {
	if w <= 0 || h <= 0 || int64(w)*int64(h) > av1.MaxPixels {
		return nil, fmt.Errorf("a part of %dx%d pixels", w, h)
	}
	b, err := f.bytes(it)
	if err != nil {
		return nil, err
	}
	point := 0
	if op := it.property("a1op"); len(op) > 0 {
		point = int(op[0] & 31)
	}
	return av1.Decode(b, w, h, point)
}

// transparent takes the opacity from an item, and the samples out of their multiplication
// by it where the file says that they are multiplied.
func (f *avifFile) transparent(p *Picture, it *heifItem) error {
	if w, h := it.size(); w != p.W || h != p.H {
		return unsupported("an AVIF picture whose opacity has another size", heifAdvice)
	}
	if err := it.understood("opacity of AVIF", "av1C", "auxC", "irot", "imir", "a1op"); err != nil {
		return err
	}
	m, err := f.decode(it)
	if err != nil {
		return err
	}
	low, span := levels(m.Bits, m.FullRange, false)
	opacity := make([]float32, len(m.Planes[0]))
	for i, v := range m.Planes[0] {
		opacity[i] = (float32(v) - low) / span
	}
	if slices.Contains(f.item.refs["prem"], it.id) {
		p.divide(opacity)
		for i, v := range p.Pix {
			p.Pix[i] = min(v, 1)
		}
		return nil
	}
	p.Alpha = make([]uint16, len(opacity))
	for i, v := range opacity {
		p.Alpha[i] = uint16(level(v, 65535))
	}
	return nil
}

// levels is the level of zero and how many are from there to one, of luma or chroma.
func levels(bits int, full, chroma bool) (zero, span float32) {
	unit := float32(int(1) << (bits - 8))
	switch {
	case full && chroma:
		return 128 * unit, 256*unit - 1
	case full:
		return 0, 256*unit - 1
	case chroma:
		return 128 * unit, 224 * unit
	}
	return 16 * unit, 219 * unit
}

// A matrix turns luma and chroma to red, green and blue, by ITU-T H.273.
type matrix struct {
	number int
	kr, kb float64 // the weights of red and blue in luma
	full   bool
}

// newMatrix says how the colours of m are made, by the item's "colr" or by the stream. Colours
// other than those of sRGB need a profile, for none is made here.
func newMatrix(m *av1.Picture, it *heifItem, profile bool) (matrix, error) {
	c := matrix{number: m.Matrix, full: m.FullRange}
	primaries, transfer := m.Primaries, m.Transfer
	for _, p := range it.properties {
		if p.kind == "colr" && len(p.body) >= 11 && string(p.body[:4]) == "nclx" {
			number := func(i int) int { return int(binary.BigEndian.Uint16(p.body[i:])) }
			primaries, transfer, c.number, c.full = number(4), number(6), number(8), p.body[10]&0x80 != 0
		}
	}
	if m.Layout == av1.Gray {
		c.number = 2
	}
	if !profile && transfer != 2 {
		switch transfer {
		case 1, 4, 5, 6, 13, 14, 15:
		case 16, 18:
			return c, unsupported("an AVIF picture of high dynamic range (PQ or HLG)", "convert it to PNG or TIFF of ordinary range first")
		default:
			return c, unsupported(fmt.Sprintf("an AVIF picture with the tone curve %d of H.273", transfer), heifAdvice)
		}
	}
	if !profile && m.Layout != av1.Gray && primaries > 2 && primaries != 5 && primaries != 6 && primaries != 7 {
		return c, unsupported("an AVIF picture of wide gamut without a profile", "convert it to PNG or TIFF with a profile first")
	}
	switch c.number {
	case 0, 8:
		if m.Layout != av1.Full {
			return c, errors.New("its colours make no sense")
		}
	case 1:
		c.kr, c.kb = 0.2126, 0.0722
	case 4:
		c.kr, c.kb = 0.30, 0.11
	case 2, 5, 6:
		c.kr, c.kb = 0.299, 0.114
	case 7:
		c.kr, c.kb = 0.212, 0.087
	case 9:
		c.kr, c.kb = 0.2627, 0.0593
	default:
		return c, unsupported(fmt.Sprintf("an AVIF picture with the matrix %d of H.273", c.number), heifAdvice)
	}
	return c, nil
}

// convert fills the samples of p: chroma of lower resolution is interpolated linearly, its
// samples lying in the middle of the pixels that share them.
func (c matrix) convert(p *Picture, m *av1.Picture) {
	yLow, ySpan := levels(m.Bits, c.full, false)
	clip := func(v float32) float32 { return min(max(v, 0), 1) }
	if p.C == 1 {
		for i, v := range m.Planes[0] {
			p.Pix[i] = clip((float32(v) - yLow) / ySpan)
		}
		return
	}
	uLow, uSpan := levels(m.Bits, c.full, true)
	if c.number == 0 { // they are green, blue and red
		uLow, uSpan = yLow, ySpan
	}
	rv, bu := float32(2*(1-c.kr)), float32(2*(1-c.kb))
	kg := 1 - c.kr - c.kb
	gu, gv := float32(2*(1-c.kb)*c.kb/kg), float32(2*(1-c.kr)*c.kr/kg)
	r, g, b := p.Plane(0), p.Plane(1), p.Plane(2)
	u, v := make([]float32, m.W), make([]float32, m.W)
	for y := range m.H {
		chromaRow(u, m, 1, y)
		chromaRow(v, m, 2, y)
		for x := range m.W {
			i := y*m.W + x
			l := (float32(m.Planes[0][i]) - yLow) / ySpan
			cu, cv := (u[x]-uLow)/uSpan, (v[x]-uLow)/uSpan
			switch c.number {
			case 0:
				r[i], g[i], b[i] = clip(cv), clip(l), clip(cu)
			case 8: // YCgCo
				r[i], g[i], b[i] = clip(l-cu+cv), clip(l+cu), clip(l-cu-cv)
			default:
				r[i], g[i], b[i] = clip(l+rv*cv), clip(l-gu*cu-gv*cv), clip(l+bu*cu)
			}
		}
	}
}

// chromaRow is row y of plane k at the pixels of luma.
func chromaRow(dst []float32, m *av1.Picture, k, y int) {
	w, h := m.ChromaSize()
	at := func(y int) []uint16 {
		y = min(max(y, 0), h-1)
		return m.Planes[k][y*w : (y+1)*w]
	}
	near, far := at(y), at(y)
	if m.Layout == av1.Half {
		near, far = at(y/2), at(y/2-1+y%2*2)
	}
	mix := func(x int) float32 {
		x = min(max(x, 0), w-1)
		return 0.75*float32(near[x]) + 0.25*float32(far[x])
	}
	if m.Layout == av1.Full {
		for x := range dst {
			dst[x] = float32(near[x])
		}
		return
	}
	for x := range dst {
		dst[x] = 0.75*mix(x/2) + 0.25*mix(x/2-1+x%2*2)
	}
}
