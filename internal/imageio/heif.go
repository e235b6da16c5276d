//go:build !small

package imageio

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// HEIF (ISO/IEC 23008-12) is the container of AVIF, made of the boxes of ISO/IEC
// 14496-12: a box is a length, four letters and a body, which may hold boxes. The box
// "meta" lists items - pictures, their opacity, EXIF, XMP - with the places of their bytes,
// their properties, and how they refer to one another.

type heifFile struct {
	data    []byte
	items   map[uint32]*heifItem
	primary uint32
	idat    []byte // bytes that stand in "meta" itself
}

type heifItem struct {
	id      uint32
	kind    string // such as av01, grid or Exif
	content string // the type of a mime item
	inIdat  bool
	external,
	derived bool // its bytes are not in this file as they are
	extents    [][2]uint64         // offset and length; length 0 is up to the end
	properties []heifProperty      // in the order in which they apply
	refs       map[string][]uint32 // from this item to others
}

type heifProperty struct {
	kind      string
	body      []byte
	essential bool
}

// A heifReader takes a body apart. Behind its end all is zero, and short is true.
type heifReader struct {
	b     []byte
	short bool
}

// uint is the next n bytes as a number, n at most 8.
func (r *heifReader) uint(n int) (v uint64) {
	for _, b := range r.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *heifReader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.short = nil, true
		return make([]byte, min(n, 8))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// text is a string with a zero behind it, or up to the end.
func (r *heifReader) text() string {
	s, rest, _ := bytes.Cut(r.b, []byte{0})
	r.b = rest
	return string(s)
}

// full is the version and the flags of a box that has them.
func (r *heifReader) full() (version, flags int) {
	v := r.uint(4)
	return int(v >> 24), int(v & 0xffffff)
}

// eachBox calls f for the boxes of b. A box may not be longer than what it lies in, but
// for the last one of a file, which may have been cut.
func eachBox(b []byte, f func(kind string, body []byte) error) error {
	for len(b) >= 8 {
		n, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
		switch {
		case n == 1 && len(b) >= 16:
			n, head = binary.BigEndian.Uint64(b[8:]), 16
		case n == 0:
			n = uint64(len(b))
		}
		kind := string(b[4:8])
		if n < head {
			return fmt.Errorf("its box %q has no length", kind)
		}
		if n > uint64(len(b)) && kind != "mdat" {
			return io.ErrUnexpectedEOF
		}
		n = min(n, uint64(len(b)))
		if err := f(kind, b[head:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// brands are the brands of a file that begins with head, the major one first; nil for
// other files.
func brands(head []byte) (all []string) {
	if len(head) < 16 || string(head[4:8]) != "ftyp" {
		return nil
	}
	n := min(int(binary.BigEndian.Uint32(head)), len(head))
	for i := 8; i+4 <= n; i += 4 {
		if i != 12 { // that is the minor version
			all = append(all, string(head[i:i+4]))
		}
	}
	return all
}

// maxItems bounds the items of a file and their parts: cameras write some hundreds.
const maxItems = 1 << 16

func openHEIF(data []byte) (*heifFile, error) {
	f := &heifFile{data: data, items: map[uint32]*heifItem{}}
	found := false
	err := eachBox(data, func(kind string, body []byte) error {
		if kind != "meta" || found {
			return nil
		}
		found = true
		return f.meta(body)
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, errors.New("it has no list of items")
	case f.items[f.primary] == nil:
		return nil, errors.New("it names no picture")
	}
	return f, nil
}

func (f *heifFile) meta(b []byte) error {
	r := &heifReader{b: b}
	r.full()
	var properties []heifProperty
	return eachBox(r.b, func(kind string, body []byte) error {
		r := &heifReader{b: body}
		var err error
		switch kind {
		case "pitm":
			v, _ := r.full()
			f.primary = uint32(r.uint(idBytes(v)))
		case "iinf":
			err = f.itemInfo(r)
		case "iloc":
			err = f.locations(r)
		case "iref":
			err = f.references(r)
		case "iprp":
			err = eachBox(body, func(kind string, body []byte) error {
				r := &heifReader{b: body}
				switch kind {
				case "ipco":
					return eachBox(body, func(kind string, body []byte) error {
						properties = append(properties, heifProperty{kind: kind, body: body})
						return nil
					})
				case "ipma":
					return f.associate(r, properties)
				}
				return nil
			})
		case "idat":
			f.idat = body
		}
		if err == nil && r.short {
			err = fmt.Errorf("its box %q ends too early", kind)
		}
		return err
	})
}

// idBytes is how long the number of an item is in a box of a version.
func idBytes(version int) int {
	if version == 0 {
		return 2
	}
	return 4
}

// item is the item with a number, new if need be.
func (f *heifFile) item(id uint32) (*heifItem, error) {
	it := f.items[id]
	if it == nil {
		if len(f.items) >= maxItems {
			return nil, errors.New("it lists too many items")
		}
		it = &heifItem{id: id, refs: map[string][]uint32{}}
		f.items[id] = it
	}
	return it, nil
}

func (f *heifFile) itemInfo(r *heifReader) error {
	v, _ := r.full()
	r.uint(idBytes(v)) // how many
	return eachBox(r.b, func(kind string, body []byte) error {
		if kind != "infe" {
			return nil
		}
		r := &heifReader{b: body}
		v, _ := r.full()
		if v < 2 {
			return nil // items of no kind
		}
		it, err := f.item(uint32(r.uint(2 * (v - 1))))
		if err != nil {
			return err
		}
		protected := r.uint(2)
		it.kind = string(r.take(4))
		it.external = protected != 0
		r.text() // its name
		if it.kind == "mime" {
			it.content = r.text()
		}
		return nil
	})
}

func (f *heifFile) locations(r *heifReader) error {
	v, _ := r.full()
	sizes := r.uint(2)
	offset, length, base, index := int(sizes>>12), int(sizes>>8&15), int(sizes>>4&15), int(sizes&15)
	if v == 0 {
		index = 0
	}
	if max(offset, length, base, index) > 8 {
		return errors.New("its places of items have a length that makes no sense")
	}
	wide := 2
	if v == 2 {
		wide = 4
	}
	for range r.uint(wide) {
		it, err := f.item(uint32(r.uint(wide)))
		if err != nil || r.short {
			return err
		}
		if v > 0 {
			switch r.uint(2) & 15 {
			case 0:
			case 1:
				it.inIdat = true
			default:
				it.derived = true
			}
		}
		it.external = r.uint(2) != 0 || it.external
		from := r.uint(base)
		for range r.uint(2) {
			r.uint(index)
			e := [2]uint64{from + r.uint(offset), r.uint(length)}
			if r.short {
				return nil
			}
			it.extents = append(it.extents, e)
		}
	}
	return nil
}

func (f *heifFile) references(r *heifReader) error {
	v, _ := r.full()
	return eachBox(r.b, func(kind string, body []byte) error {
		r := &heifReader{b: body}
		it, err := f.item(uint32(r.uint(idBytes(v))))
		if err != nil {
			return err
		}
		for range r.uint(2) {
			to := uint32(r.uint(idBytes(v)))
			if r.short {
				return nil
			}
			it.refs[kind] = append(it.refs[kind], to)
		}
		return nil
	})
}

func (f *heifFile) associate(r *heifReader, properties []heifProperty) error {
	v, flags := r.full()
	for range r.uint(4) {
		it, err := f.item(uint32(r.uint(idBytes(v))))
		if err != nil || r.short {
			return err
		}
		for range r.uint(1) {
			k := r.uint(1 + flags&1)
			top := uint64(0x80) << (8 * (flags & 1))
			essential := k&top != 0
			k &^= top
			if k == 0 || r.short {
				continue
			}
			if k > uint64(len(properties)) || len(it.properties) > 255 {
				return errors.New("an item has a property that there is not")
			}
			p := properties[k-1]
			p.essential = essential
			it.properties = append(it.properties, p)
		}
	}
	return nil
}

// bytes are those of an item.
func (f *heifFile) bytes(it *heifItem) ([]byte, error) {
	if it.external || it.derived {
		return nil, unsupported("a picture whose parts are encrypted or in other files", "convert it to PNG or TIFF first")
	}
	from := f.data
	if it.inIdat {
		from = f.idat
	}
	var all []byte
	for _, e := range it.extents {
		if e[0] > uint64(len(from)) {
			return nil, io.ErrUnexpectedEOF
		}
		n := e[1]
		if n == 0 {
			n = uint64(len(from)) - e[0]
		}
		if n > uint64(len(from))-e[0] {
			return nil, io.ErrUnexpectedEOF
		}
		part := from[e[0] : e[0]+n]
		if len(it.extents) == 1 {
			return part, nil
		}
		if len(all)+len(part) > len(from) {
			return nil, errors.New("an item is longer than the file")
		}
		all = append(all, part...)
	}
	return all, nil
}

// property is the body of the first property of a kind, nil where there is none.
func (it *heifItem) property(kind string) []byte {
	for _, p := range it.properties {
		if p.kind == kind {
			return p.body
		}
	}
	return nil
}

// size is the size that the properties give an item, before it is turned upright.
func (it *heifItem) size() (w, h int) {
	r := &heifReader{b: it.property("ispe")}
	r.full()
	w, h = int(r.uint(4)), int(r.uint(4))
	return w, h
}

// referring are the items that refer to another in some way, by their numbers.
func (f *heifFile) referring(how string, to *heifItem) (all []*heifItem) {
	for _, it := range f.items {
		if slices.Contains(it.refs[how], to.id) {
			all = append(all, it)
		}
	}
	slices.SortFunc(all, func(a, b *heifItem) int { return cmp.Compare(a.id, b.id) })
	return all
}

// opacity is the item that holds the opacity of another, nil for none.
func (f *heifFile) opacity(of *heifItem) *heifItem {
	for _, it := range f.referring("auxl", of) {
		r := &heifReader{b: it.property("auxC")}
		r.full()
		if r.text() == "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha" {
			return it
		}
	}
	return nil
}

// orientation is how an item is to be turned, as EXIF counts. "irot" turns against the
// clock by quarters; "imir" then exchanges top and bottom (0), or left and right (1).
// Mirrored first, it turns the other way.
func (it *heifItem) orientation() int {
	turned, mirror := 0, 0
	for _, p := range it.properties {
		if len(p.body) == 0 {
			continue
		}
		switch p.kind {
		case "irot":
			if turned = int(p.body[0] & 3); mirror != 0 {
				turned = (4 - turned) % 4
			}
		case "imir":
			mirror = 1 + int(p.body[0]&1)
		}
	}
	return [4][3]int{{1, 4, 2}, {8, 5, 7}, {3, 2, 4}, {6, 7, 5}}[turned][mirror]
}

// understood refuses an item with a property that changes it and that is none of known.
func (it *heifItem) understood(what string, known ...string) error {
	for _, p := range it.properties {
		if p.essential && !slices.Contains(known, p.kind) {
			return unsupported(fmt.Sprintf("%s with the property %.4q", what, p.kind), heifAdvice)
		}
	}
	return nil
}

const heifAdvice = "convert it to PNG or TIFF first"

// notes are the profile, EXIF and XMP of an item.
func (f *heifFile) notes(it *heifItem) (m notes) {
	for _, p := range it.properties {
		if p.kind == "colr" && len(p.body) > 4 && (string(p.body[:4]) == "prof" || string(p.body[:4]) == "rICC") && len(p.body) <= maxProfile {
			m.icc = bytes.Clone(p.body[4:])
		}
	}
	for _, a := range f.referring("cdsc", it) {
		b, err := f.bytes(a)
		if err != nil || len(b) > maxProfile {
			continue
		}
		switch {
		case a.kind == "Exif" && len(b) > 4: // behind the offset of its header
			if at := uint64(binary.BigEndian.Uint32(b)); at < uint64(len(b)-4) {
				m.meta.EXIF = bytes.TrimPrefix(b[4+at:], []byte(exifMarker))
			}
		case a.kind == "mime" && strings.HasPrefix(a.content, "application/rdf+xml"):
			m.meta.XMP = bytes.Clone(b)
		}
	}
	return m
}
