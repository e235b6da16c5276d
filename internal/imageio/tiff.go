package imageio

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// encodeTIFF writes p as one deflated strip, 8 or 16 bits a sample,
// little-endian, the directory at the end. (x/image/tiff writes every colour
// picture with an alpha channel.) Gray with alpha goes out as colour, which
// every reader takes, lpn's included; gray with alpha is not so.
func encodeTIFF(w io.Writer, p *Picture, bits int) error {
	// The header says where the directory is, and so how long the deflated
	// strip turned out: the strip goes through memory.
	var strip bytes.Buffer
	z := zlib.NewWriter(&strip)
	packer := newPacker(p, bits)
	packer.little = true
	packer.colour = p.C == 3 || p.Alpha != nil
	row := make([]byte, p.W*packer.pixelBytes())
	for y := range p.H {
		packer.row(row, y)
		if _, err := z.Write(row); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	if strip.Len()%2 == 1 { // the directory begins at an even offset
		strip.WriteByte(0)
	}
	size := strip.Len()
	if int64(size) > math.MaxUint32-1024 {
		return errors.New("the picture is too large for a TIFF file")
	}
	le := binary.LittleEndian
	b := bufio.NewWriter(w)
	b.WriteString("II*\x00")
	b.Write(le.AppendUint32(nil, uint32(8+size)))
	b.Write(strip.Bytes())

	channels := packer.channels()
	photometric := 1 // gray, black is zero
	if channels > 1 {
		photometric = 2 // RGB
	}
	const short, long = 3, 4
	const undefined, tagProfile = 7, 34675
	type entry struct{ tag, kind, value int }
	entries := []entry{
		{256, long, p.W},
		{257, long, p.H},
		{258, short, bits}, // one value a channel: see below
		{259, short, 8},    // deflate
		{262, short, photometric},
		{273, long, 8}, // the strip's offset
		{277, short, channels},
		{278, long, p.H},
		{279, long, size},
	}
	if p.Alpha != nil {
		entries = append(entries, entry{338, short, 2}) // unassociated alpha
	}
	icc := profileFor(p)
	if packer.colour && p.Gray() {
		icc = nil // it is for gray
	}
	if icc != nil {
		entries = append(entries, entry{tagProfile, undefined, 0})
	}
	// The bits of three or four channels do not fit in the entry: they follow
	// the directory, and the profile follows them.
	after := 8 + size + 2 + 12*len(entries) + 4
	b.Write(le.AppendUint16(nil, uint16(len(entries))))
	far := after
	if channels > 2 {
		far += 2 * channels
	}
	for _, e := range entries {
		var f [12]byte
		le.PutUint16(f[0:], uint16(e.tag))
		le.PutUint16(f[2:], uint16(e.kind))
		le.PutUint32(f[4:], 1)
		le.PutUint32(f[8:], uint32(e.value)) // a short stands in the low half
		if e.tag == 258 {
			le.PutUint32(f[4:], uint32(channels))
			if channels > 2 {
				le.PutUint32(f[8:], uint32(after))
			}
		}
		if e.tag == tagProfile {
			le.PutUint32(f[4:], uint32(len(icc)))
			le.PutUint32(f[8:], uint32(far))
		}
		b.Write(f[:])
	}
	b.Write(make([]byte, 4)) // no further directory
	if channels > 2 {
		for range channels {
			b.Write(le.AppendUint16(nil, uint16(bits)))
		}
	}
	b.Write(icc)
	return b.Flush()
}

// checkTIFF refuses what x/image/tiff would decode to the wrong picture: it
// takes samples that stand plane by plane for interleaved ones.
func checkTIFF(data []byte) error {
	if v, ok := tiffTag(data, 284); ok && v == 2 {
		return errors.New("a TIFF with a plane for each channel (PlanarConfiguration 2): use interleaved samples")
	}
	return nil
}

// tiffTag finds a tag of one short in the first directory of a TIFF.
func tiffTag(data []byte, tag uint16) (value uint16, ok bool) {
	e, order := tiffEntry(data, tag)
	if e == nil {
		return 0, false
	}
	return order.Uint16(e[8:]), true
}

// readTIFFProfile is the ICC profile of a TIFF, nil when there is none.
func readTIFFProfile(data []byte) []byte {
	e, order := tiffEntry(data, 34675)
	if e == nil {
		return nil
	}
	n, at := int64(order.Uint32(e[4:])), int64(order.Uint32(e[8:]))
	if n > maxProfile || at+n > int64(len(data)) {
		return nil
	}
	return bytes.Clone(data[at : at+n])
}

// tiffEntry finds the entry of a tag in the first directory of a TIFF, nil
// when it is not there.
func tiffEntry(data []byte, tag uint16) ([]byte, binary.ByteOrder) {
	var order binary.ByteOrder = binary.LittleEndian
	if len(data) < 8 {
		return nil, order
	}
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(data[4:]))
	if at+2 > int64(len(data)) {
		return nil, order
	}
	n := int64(order.Uint16(data[at:]))
	for i := range n {
		e := at + 2 + 12*i
		if e+12 > int64(len(data)) {
			return nil, order
		}
		if order.Uint16(data[e:]) == tag {
			return data[e : e+12], order
		}
	}
	return nil, order
}

// readWebPProfile is the ICC profile of a WebP, nil when there is none.
func readWebPProfile(data []byte) []byte {
	for at := int64(12); at+8 <= int64(len(data)); { // RIFF, size, WEBP
		n := int64(binary.LittleEndian.Uint32(data[at+4:]))
		if at+8+n > int64(len(data)) || n > maxProfile {
			return nil
		}
		if string(data[at:at+4]) == "ICCP" {
			return bytes.Clone(data[at+8 : at+8+n])
		}
		at += 8 + n + n%2
	}
	return nil
}
