package imageio

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// A Meta is what a file says about its picture. What is read is corrected at
// once for the orientation, which is applied to the samples; what depends on
// the size is corrected when the picture is written.
type Meta struct {
	// EXIF is the block of tags as PNG and WebP hold it, beginning with the
	// byte order (JPEG puts "Exif\0\0" before it); nil when there is none.
	EXIF []byte
	// XMP is the packet of XML, nil when there is none.
	XMP []byte
	// DPI is the resolution, samples an inch along x and y; 0 when the file
	// does not say.
	DPI [2]float64
	// chunks are the further chunks of a PNG that go with it into a PNG.
	chunks []chunk
	// origin is what else a DICOM, FITS or OpenEXR file says, to write one again.
	origin any
}

// Scale tells m that the picture was enlarged by fx and fy, so that the
// samples an inch grow with it. Cutting a picture changes nothing.
func (m *Meta) Scale(fx, fy float64) {
	m.DPI[0] *= fx
	m.DPI[1] *= fy
}

// descriptive are the tags of the first directory that speak of the picture
// rather than of how it is stored.
var descriptive = []uint16{tagDescription, tagMake, tagModel, tagSoftware, tagDateTime, tagArtist, tagHost, tagCopyright}

// exifBlock opens m.EXIF; nil when it is missing or damaged.
func exifBlock(b []byte) (*tagged, *directory) {
	if len(b) < 8 {
		return nil, nil
	}
	t, err := openTagged(bytes.NewReader(b), int64(len(b)))
	if err != nil || t.big {
		return nil, nil
	}
	d, err := t.directory(t.first)
	if err != nil {
		return nil, nil
	}
	return t, d
}

// orientationOf is the orientation in an EXIF block, 1 to 8; 1 when it says
// nothing.
func orientationOf(exif []byte) int {
	t, d := exifBlock(exif)
	if t == nil {
		return 1
	}
	if v := t.number(d, tagOrientation, 1); v >= 1 && v <= 8 {
		return int(v)
	}
	return 1
}

// dpiOf is the resolution in the directory of a TIFF or an EXIF block.
func dpiOf(t *tagged, d *directory) [2]float64 {
	unit := 1.0
	switch t.number(d, tagUnit, 2) {
	case 2:
	case 3:
		unit = 2.54
	default: // only a ratio
		return [2]float64{}
	}
	x, y := t.rational(d, tagXResolution)*unit, t.rational(d, tagYResolution)*unit
	if x <= 0 || y <= 0 {
		return [2]float64{}
	}
	return [2]float64{x, y}
}

// finish completes the metadata of a picture that was read: it turns the
// picture upright, says so in its EXIF and XMP, and takes the resolution from
// the EXIF where the file itself gives none. orientation is that of the file,
// 0 when only its EXIF may tell.
func (p *Picture) finish(orientation int) {
	m := &p.Meta
	t, d := exifBlock(m.EXIF)
	if t == nil {
		m.EXIF = nil
	}
	if orientation == 0 {
		orientation = orientationOf(m.EXIF)
	}
	if t != nil && m.DPI == [2]float64{} {
		m.DPI = dpiOf(t, d)
	}
	if orientation != 1 {
		p.turn(orientation)
	}
	if t != nil {
		m.EXIF = bytes.Clone(m.EXIF)
		if e := d.find(tagOrientation); e != nil && e.kind == kindShort && e.count == 1 {
			t.order.PutUint16(m.EXIF[e.at:], 1)
		}
	}
	if m.XMP != nil {
		m.XMP = uprightXMP(m.XMP)
	}
}

// uprightXMP sets tiff:Orientation to 1, as attribute or as element.
func uprightXMP(xmp []byte) []byte {
	const name = "tiff:Orientation"
	out := bytes.Clone(xmp)
	for at := 0; ; {
		i := bytes.Index(out[at:], []byte(name))
		if i < 0 {
			return out
		}
		at += i + len(name)
		for at < len(out) && bytes.IndexByte([]byte(" =\"'>\t\r\n"), out[at]) >= 0 {
			at++
		}
		if at < len(out) && out[at] >= '1' && out[at] <= '8' {
			out[at] = '1'
		}
	}
}

// turn turns p upright from one of the eight orientations of EXIF (tag 274):
// the first row and column of the file are the sides of the scene that the
// number tells.
func (p *Picture) turn(orientation int) {
	w, h := p.W, p.H
	if orientation >= 5 {
		w, h = h, w
		p.Meta.DPI[0], p.Meta.DPI[1] = p.Meta.DPI[1], p.Meta.DPI[0]
	}
	// Sample (y,x) of the upright picture is at start + y*dy + x*dx.
	start, dy, dx := 0, 0, 0
	W, H := p.W, p.H
	switch orientation {
	case 2:
		start, dy, dx = W-1, W, -1
	case 3:
		start, dy, dx = H*W-1, -W, -1
	case 4:
		start, dy, dx = (H-1)*W, -W, 1
	case 5:
		start, dy, dx = 0, 1, W
	case 6:
		start, dy, dx = (H-1)*W, 1, -W
	case 7:
		start, dy, dx = H*W-1, -1, -W
	case 8:
		start, dy, dx = W-1, -1, W
	default:
		return
	}
	pix := make([]float32, len(p.Pix))
	for c := range p.C {
		moved(pix[c*w*h:(c+1)*w*h], p.Plane(c), w, start, dy, dx)
	}
	p.Pix = pix
	if p.Alpha != nil {
		alpha := make([]uint16, len(p.Alpha))
		moved(alpha, p.Alpha, w, start, dy, dx)
		p.Alpha = alpha
	}
	if p.Missing != nil {
		missing := make([]bool, len(p.Missing))
		for c := range p.C {
			moved(missing[c*w*h:(c+1)*w*h], p.Missing[c*w*h:(c+1)*w*h], w, start, dy, dx)
		}
		p.Missing = missing
	}
	p.W, p.H = w, h
}

func moved[T any](dst, src []T, w, start, dy, dx int) {
	for y := 0; y*w < len(dst); y++ {
		at := start + y*dy
		for x := range w {
			dst[y*w+x] = src[at]
			at += dx
		}
	}
}

// exifFor is p's EXIF block with the size and resolution that p has now, and
// without the small preview, which shows the picture as it was.
func exifFor(p *Picture) []byte {
	t, d := exifBlock(p.Meta.EXIF)
	if t == nil {
		return nil
	}
	b := bytes.Clone(p.Meta.EXIF)
	put := func(e *entry, v int) {
		switch {
		case e == nil || e.count != 1:
		case e.kind == kindShort && v <= math.MaxUint16:
			t.order.PutUint16(b[e.at:], uint16(v))
		case e.kind == kindLong:
			t.order.PutUint32(b[e.at:], uint32(v))
		}
	}
	put(d.find(tagWidth), p.W)
	put(d.find(tagHeight), p.H)
	if sub, err := t.directory(t.number(d, tagExif, -1)); err == nil {
		put(sub.find(tagExifWidth), p.W)
		put(sub.find(tagExifHeight), p.H)
	}
	if dpi := p.Meta.DPI; dpi[0] > 0 && dpi[1] > 0 {
		unit := 1.0
		if t.number(d, tagUnit, 2) == 3 {
			unit = 2.54
		}
		for i, tag := range []uint16{tagXResolution, tagYResolution} {
			e := d.find(tag)
			if e == nil || e.kind != kindRational || e.count != 1 || e.at+8 > int64(len(b)) || t.rational(d, tag)*unit == dpi[i] {
				continue
			}
			copy(b[e.at:], layout{order: t.order}.rational(tag, dpi[i]/unit).data)
		}
	}
	// The preview is the second directory: nothing points to it any more.
	if d.next != 0 {
		t.order.PutUint32(b[t.first+2+12*int64(len(d.entries)):], 0)
		b = withoutTail(t, d, b)
	}
	return b
}

// withoutTail cuts the preview off b when it lies behind all else, as cameras
// put it.
func withoutTail(t *tagged, d *directory, b []byte) []byte {
	end := d.next
	keep := []*directory{d}
	for _, tag := range []uint16{tagExif, tagGPS} {
		at := t.number(d, tag, 0)
		if at == 0 {
			continue
		}
		if sub, err := t.directory(at); err == nil && at < end {
			keep = append(keep, sub)
			if i := t.number(sub, 40965, 0); i > end { // interoperability
				return b
			}
		} else {
			return b
		}
	}
	for _, k := range keep {
		for i := range k.entries {
			if e := &k.entries[i]; e.at+e.count*kindSize(e.kind) > end {
				return b
			}
		}
	}
	if end < 8 || end > int64(len(b)) {
		return b
	}
	return b[:end]
}

// newEXIF makes an EXIF block of the descriptive tags, and the EXIF and GPS
// directories, of a TIFF.
func newEXIF(t *tagged, d *directory) []byte {
	main, exif, gps := describe(t, d)
	if len(main) == 0 && len(exif) == 0 && len(gps) == 0 {
		return nil
	}
	l := layout{order: t.order}
	for _, tag := range []uint16{tagXResolution, tagYResolution, tagUnit} {
		if e := d.find(tag); e != nil {
			if v := t.value(e); v != nil {
				main = append(main, entry{tag: tag, kind: e.kind, data: v})
			}
		}
	}
	b := []byte("II*\x00\x08\x00\x00\x00")
	if t.order == binary.BigEndian {
		b = []byte("MM\x00*\x00\x00\x00\x08")
	}
	return append(b, l.withSubs(8, main, exif, gps, 0)...)
}

// withSubs lays out a directory at a place of the file and behind it those of
// EXIF and GPS, which it points to.
func (l layout) withSubs(at int64, main, exif, gps []entry, next int64) []byte {
	for tag, sub := range map[uint16][]entry{tagExif: exif, tagGPS: gps} {
		if len(sub) > 0 {
			main = append(main, l.offsets(tag, 0))
		}
	}
	byTag(main)
	where := at + l.size(main)
	var tail []byte
	for _, s := range []struct {
		tag uint16
		sub []entry
	}{{tagExif, exif}, {tagGPS, gps}} {
		if len(s.sub) == 0 {
			continue
		}
		for i := range main {
			if main[i].tag == s.tag {
				main[i] = l.offsets(s.tag, where)
			}
		}
		d := l.directory(where, s.sub, 0)
		tail = append(tail, d...)
		where += int64(len(d))
	}
	return append(l.directory(at, main, next), tail...)
}

func byTag(entries []entry) {
	slices.SortStableFunc(entries, func(a, b entry) int { return int(a.tag) - int(b.tag) })
}

// describe takes the descriptive tags of a directory and those of its EXIF
// and GPS directories, with their values. The notes of a camera's maker point
// to places in their file, so they are left behind.
func describe(t *tagged, d *directory) (main, exif, gps []entry) {
	take := func(to []entry, e *entry) []entry {
		if v := t.value(e); len(v) > 0 && len(v) <= maxProfile {
			return append(to, entry{tag: e.tag, kind: e.kind, data: v})
		}
		return to
	}
	for _, tag := range descriptive {
		e := d.find(tag)
		if tag == tagDescription && e != nil && storage(t.value(e)) {
			continue
		}
		main = take(main, e)
	}
	sub := func(tag uint16) (out []entry) {
		s, err := t.directory(t.number(d, tag, -1))
		if err != nil {
			return nil
		}
		for i := range s.entries {
			if tag := s.entries[i].tag; tag != tagMakerNote && tag != 40965 {
				out = take(out, &s.entries[i])
			}
		}
		byTag(out)
		return out
	}
	return main, sub(tagExif), sub(tagGPS)
}

// storage says whether an image description is a program's record of how it
// stored its stack, which need not hold of a new file.
func storage(text []byte) bool {
	for _, s := range []string{"ImageJ=", "{\"", "<?xml", "<OME"} {
		if bytes.HasPrefix(text, []byte(s)) {
			return true
		}
	}
	return false
}

// tiffTags are the entries that p's EXIF gives to a TIFF of byte order l. Its
// values are swapped where the orders differ.
func (l layout) tiffTags(p *Picture) (main, exif, gps []entry) {
	block := exifFor(p)
	t, d := exifBlock(block)
	if t == nil {
		return nil, nil, nil
	}
	main, exif, gps = describe(t, d)
	if t.order != l.order {
		for _, list := range [][]entry{main, exif, gps} {
			for i := range list {
				swap(&list[i])
			}
		}
	}
	return main, exif, gps
}

// swap turns the byte order of an entry's values.
func swap(e *entry) {
	n := int(kindSize(e.kind))
	if e.kind == kindRational || e.kind == 10 {
		n = 4 // pairs
	}
	for i := 0; i+n <= len(e.data); i += n {
		slices.Reverse(e.data[i : i+n])
	}
}

// noData parses GDAL's tag of the number that means no measurement.
func noData(text []byte) (float32, bool) {
	v, err := strconv.ParseFloat(string(bytes.Trim(text, " \x00")), 64)
	return float32(v), err == nil
}
