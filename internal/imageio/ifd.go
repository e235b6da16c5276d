package imageio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The directories of TIFF files and EXIF blocks: TIFF 6.0, section 2, and for
// files with 64-bit offsets the BigTIFF design of libtiff.

// Tags that this package reads or writes.
const (
	tagSubfile      = 254
	tagWidth        = 256
	tagHeight       = 257
	tagBits         = 258
	tagCompression  = 259
	tagPhotometric  = 262
	tagFillOrder    = 266
	tagDescription  = 270
	tagMake         = 271
	tagModel        = 272
	tagStripOffsets = 273
	tagOrientation  = 274
	tagChannels     = 277
	tagRowsPerStrip = 278
	tagStripCounts  = 279
	tagXResolution  = 282
	tagYResolution  = 283
	tagPlanar       = 284
	tagFaxOptions   = 292
	tagUnit         = 296
	tagSoftware     = 305
	tagDateTime     = 306
	tagArtist       = 315
	tagHost         = 316
	tagPredictor    = 317
	tagColorMap     = 320
	tagTileWidth    = 322
	tagTileHeight   = 323
	tagTileOffsets  = 324
	tagTileCounts   = 325
	tagSubIFDs      = 330
	tagExtra        = 338
	tagSampleFormat = 339
	tagJPEGTables   = 347
	tagXMP          = 700
	tagCopyright    = 33432
	tagICC          = 34675
	tagExif         = 34665
	tagGPS          = 34853
	tagExifWidth    = 40962
	tagExifHeight   = 40963
	tagMakerNote    = 37500
	tagNoData       = 42113 // GDAL: the number that means no measurement
	tagDNGVersion   = 50706
)

// Types of values.
const (
	kindByte      = 1
	kindASCII     = 2
	kindShort     = 3
	kindLong      = 4
	kindRational  = 5
	kindUndefined = 7
	kindLong8     = 16
)

var kindSizes = [...]int64{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8}

func kindSize(kind uint16) int64 {
	if int(kind) < len(kindSizes) {
		return kindSizes[kind]
	}
	return 0
}

// An entry is a tag and its values. Those that are read have a place, those
// to be written have data.
type entry struct {
	tag, kind uint16
	count     int64
	at        int64  // of the values, in the file
	data      []byte // the values
}

// A directory is the list of tags of one picture.
type directory struct {
	entries []entry
	next    int64 // place of the next directory, 0 for none
}

// find is the entry of a tag, nil if it is not there.
func (d *directory) find(tag uint16) *entry {
	for i := range d.entries {
		if d.entries[i].tag == tag {
			return &d.entries[i]
		}
	}
	return nil
}

// A tagged is a file, or a block of bytes, made of directories.
type tagged struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	big   bool  // 64-bit offsets
	first int64 // place of the first directory
}

var errNotTagged = errors.New("no TIFF header")

// openTagged reads the header.
func openTagged(r io.ReaderAt, size int64) (*tagged, error) {
	t := &tagged{r: r, size: size}
	b, err := t.bytes(0, 8)
	if err != nil {
		return nil, err
	}
	switch string(b[:2]) {
	case "II":
		t.order = binary.LittleEndian
	case "MM":
		t.order = binary.BigEndian
	default:
		return nil, errNotTagged
	}
	switch t.order.Uint16(b[2:]) {
	case 42:
		t.first = int64(t.order.Uint32(b[4:]))
	case 43:
		if t.order.Uint16(b[4:]) != 8 {
			return nil, errNotTagged
		}
		if b, err = t.bytes(8, 8); err != nil {
			return nil, err
		}
		t.big = true
		t.first = int64(t.order.Uint64(b))
	default:
		return nil, errNotTagged
	}
	return t, nil
}

// bytes reads n bytes at a place, which must lie in the file.
func (t *tagged) bytes(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > t.size || n > t.size-at {
		return nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, n)
	_, err := t.r.ReadAt(b, at)
	if err == io.EOF && n > 0 {
		err = io.ErrUnexpectedEOF
	}
	if n == 0 {
		err = nil
	}
	return b, err
}

// directory reads the directory at a place, without the values that lie
// elsewhere.
func (t *tagged) directory(at int64) (*directory, error) {
	head, each, slot := int64(2), int64(12), int64(4)
	if t.big {
		head, each, slot = 8, 20, 8
	}
	b, err := t.bytes(at, head)
	if err != nil {
		return nil, err
	}
	n := int64(t.order.Uint16(b))
	if t.big {
		if v := t.order.Uint64(b); v > math.MaxUint16 {
			return nil, fmt.Errorf("a directory of %d tags", v)
		} else {
			n = int64(v)
		}
	}
	b, err = t.bytes(at+head, n*each+slot)
	if err != nil {
		return nil, err
	}
	d := &directory{entries: make([]entry, n)}
	for i := range n {
		f := b[i*each : (i+1)*each]
		e := &d.entries[i]
		e.tag, e.kind = t.order.Uint16(f), t.order.Uint16(f[2:])
		e.count, e.at = int64(t.order.Uint32(f[4:])), at+head+i*each+8
		if t.big {
			e.count, e.at = int64(t.order.Uint64(f[4:])), at+head+i*each+12
		}
		if e.count < 0 || e.count > t.size {
			e.count, e.kind = 0, 0 // nothing that the file could hold
		}
		if e.count*kindSize(e.kind) > slot {
			e.at = t.word(f[each-slot:])
		}
	}
	d.next = t.word(b[n*each:])
	return d, nil
}

func (t *tagged) word(b []byte) int64 {
	if t.big {
		return int64(t.order.Uint64(b))
	}
	return int64(t.order.Uint32(b))
}

// value reads the values of an entry as they stand in the file; nil when e is
// nil or they are not there.
func (t *tagged) value(e *entry) []byte {
	if e == nil || kindSize(e.kind) == 0 {
		return nil
	}
	b, err := t.bytes(e.at, e.count*kindSize(e.kind))
	if err != nil {
		return nil
	}
	return b
}

// numbers reads the values of an entry of whole numbers.
func (t *tagged) numbers(e *entry) []int64 {
	b := t.value(e)
	if b == nil {
		return nil
	}
	var out []int64
	switch e.kind {
	case kindByte, kindUndefined:
		for _, v := range b {
			out = append(out, int64(v))
		}
	case kindShort:
		for ; len(b) >= 2; b = b[2:] {
			out = append(out, int64(t.order.Uint16(b)))
		}
	case kindLong, 13:
		for ; len(b) >= 4; b = b[4:] {
			out = append(out, int64(t.order.Uint32(b)))
		}
	case kindLong8, 18:
		for ; len(b) >= 8; b = b[8:] {
			out = append(out, int64(t.order.Uint64(b)))
		}
	}
	return out
}

// number is the first value of a tag, or otherwise when it has none.
func (t *tagged) number(d *directory, tag uint16, otherwise int64) int64 {
	if v := t.numbers(d.find(tag)); len(v) > 0 {
		return v[0]
	}
	return otherwise
}

// rational is the first value of a tag of fractions, 0 when it has none.
func (t *tagged) rational(d *directory, tag uint16) float64 {
	e := d.find(tag)
	if e == nil || e.kind != kindRational || e.count < 1 {
		return 0
	}
	b, err := t.bytes(e.at, 8)
	if err != nil {
		return 0
	}
	den := t.order.Uint32(b[4:])
	if den == 0 {
		return 0
	}
	return float64(t.order.Uint32(b)) / float64(den)
}

// A layout writes directories, in one byte order.
type layout struct {
	order binary.ByteOrder
	big   bool
}

// size is how many bytes a directory of these entries takes, its values
// included.
func (l layout) size(entries []entry) int64 {
	head, each, slot := int64(2), int64(12), int64(4)
	if l.big {
		head, each, slot = 8, 20, 8
	}
	n := head + each*int64(len(entries)) + slot
	for _, e := range entries {
		if v := int64(len(e.data)); v > slot {
			n += v + v%2
		}
	}
	return n
}

// directory is the directory at a place of the file, its values
// behind it. The entries must be in the order of their tags.
func (l layout) directory(at int64, entries []entry, next int64) []byte {
	o := l.order.(binary.AppendByteOrder)
	slot := 4
	if l.big {
		slot = 8
	}
	word := func(b []byte, v int64) []byte {
		if l.big {
			return o.AppendUint64(b, uint64(v))
		}
		return o.AppendUint32(b, uint32(v))
	}
	var out, far []byte
	if l.big {
		out = o.AppendUint64(out, uint64(len(entries)))
	} else {
		out = o.AppendUint16(out, uint16(len(entries)))
	}
	farAt := at + l.size(nil) + int64(len(entries)*(4+2*slot))
	for _, e := range entries {
		out = o.AppendUint16(out, e.tag)
		out = o.AppendUint16(out, e.kind)
		out = word(out, int64(len(e.data))/kindSize(e.kind))
		if len(e.data) <= slot {
			out = append(out, e.data...)
			out = append(out, make([]byte, slot-len(e.data))...)
			continue
		}
		out = word(out, farAt+int64(len(far)))
		far = append(far, e.data...)
		if len(far)%2 == 1 {
			far = append(far, 0)
		}
	}
	return append(word(out, next), far...)
}

// shorts, longs and rationals make entries of numbers.
func (l layout) shorts(tag uint16, v ...int) entry {
	e := entry{tag: tag, kind: kindShort}
	for _, x := range v {
		e.data = l.order.(binary.AppendByteOrder).AppendUint16(e.data, uint16(x))
	}
	return e
}

func (l layout) longs(tag uint16, v ...int64) entry {
	e := entry{tag: tag, kind: kindLong}
	for _, x := range v {
		e.data = l.order.(binary.AppendByteOrder).AppendUint32(e.data, uint32(x))
	}
	return e
}

// offsets makes an entry of places in the file.
func (l layout) offsets(tag uint16, v ...int64) entry {
	if !l.big {
		return l.longs(tag, v...)
	}
	e := entry{tag: tag, kind: kindLong8}
	for _, x := range v {
		e.data = l.order.(binary.AppendByteOrder).AppendUint64(e.data, uint64(x))
	}
	return e
}

// rational makes an entry of one fraction, to a relative 1e-7 or better where
// 32 bits allow.
func (l layout) rational(tag uint16, v float64) entry {
	den := uint32(1)
	for den < 1e6 && v*float64(den) != math.Round(v*float64(den)) && v*float64(den)*10 < math.MaxUint32 {
		den *= 10
	}
	num := uint32(math.Round(min(max(v*float64(den), 0), math.MaxUint32)))
	o := l.order.(binary.AppendByteOrder)
	return entry{tag: tag, kind: kindRational, data: o.AppendUint32(o.AppendUint32(nil, num), den)}
}
