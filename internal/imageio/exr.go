package imageio

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/lpn-imaging/lpn/internal/inorder"
	"github.com/lpn-imaging/lpn/internal/npy"
	"github.com/lpn-imaging/lpn/operators"
)

// OpenEXR as "OpenEXR File Layout" (openexr.com) describes it: one part of scan lines, or
// of tiles of which the level of full size is read. A file is a header of attributes, a
// table of the places of the blocks, and the blocks, compressed one by one (exrblock.go).
// Samples are proportional to light, and premultiplied by the opacity.

// The kinds of a channel's numbers.
const (
	exrUint = iota
	exrHalf
	exrFloat
)

// exrBytes is how long a number of each kind is.
var exrBytes = [...]int{4, 2, 4}

type exrChannel struct {
	name string
	kind int
}

// An exrAttribute is a field of the header, its value as the file has it.
type exrAttribute struct {
	name, kind string
	value      []byte
}

type exrFile struct {
	r    io.ReaderAt
	size int64

	channels      []exrChannel // in the order of the file, that of their names
	colours       []int        // which of them are the picture: one or three
	alpha         int          // which of them is the opacity, -1 for none
	compression   byte
	data, display image.Rectangle // the pixels that there are; those that a viewer shows
	tile          image.Point     // zero for scan lines
	offsets       int64           // where the table begins
	kept          []exrAttribute  // what does not speak of how the samples are stored
}

func openEXR(r io.ReaderAt, size int64) (source, error) {
	f := &exrFile{r: r, size: size, alpha: -1}
	err := f.header()
	if err == nil {
		err = f.choose()
	}
	if err == nil {
		err = checkSize(len(f.channels), f.data.Dy(), f.data.Dx(), size, exrPixels[f.compression])
	}
	if err != nil {
		return nil, damaged("OpenEXR", err)
	}
	return f, nil
}

func (f *exrFile) Pages() int { return 1 }

func (f *exrFile) sampleCount(int) int64 {
	return int64(len(f.colours)) * int64(f.data.Dx()) * int64(f.data.Dy())
}

// An exrReader reads the parts of a header.
type exrReader struct {
	*bufio.Reader
	read int64
}

// text is a name: at most 255 bytes, and a zero.
func (r *exrReader) text() (string, error) {
	var b []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			return "", io.ErrUnexpectedEOF
		}
		r.read++
		if c == 0 {
			return string(b), nil
		}
		if b = append(b, c); len(b) > 255 {
			return "", errors.New("a name in its header has no end")
		}
	}
}

func (r *exrReader) full(b []byte) error {
	n, err := io.ReadFull(r.Reader, b)
	r.read += int64(n)
	return err
}

func (f *exrFile) header() error {
	r := &exrReader{Reader: bufio.NewReader(io.NewSectionReader(f.r, 0, f.size))}
	var head [8]byte
	if err := r.full(head[:]); err != nil {
		return err
	}
	const tiled, longNames, deep, parts = 0x200, 0x400, 0x800, 0x1000
	version := binary.LittleEndian.Uint32(head[4:])
	switch flags := version &^ 0xff; {
	case flags&parts != 0:
		return unsupported("an OpenEXR file of several parts", "save each part as a file of its own")
	case flags&deep != 0:
		return unsupported("a deep OpenEXR picture", "flatten it first")
	case version&0xff != 2 || flags&^(tiled|longNames) != 0:
		return unsupported(fmt.Sprintf("an OpenEXR file of version %d.%x", version&0xff, flags>>8), "save it as version 2")
	}
	have := map[string]bool{}
	for {
		name, err := r.text()
		if err != nil {
			return err
		}
		if name == "" {
			break
		}
		a := exrAttribute{name: name}
		if a.kind, err = r.text(); err != nil {
			return err
		}
		var length [4]byte
		if err := r.full(length[:]); err != nil {
			return err
		}
		n := int64(binary.LittleEndian.Uint32(length[:]))
		if n > f.size-r.read {
			return io.ErrUnexpectedEOF
		}
		if n > maxProfile {
			return fmt.Errorf("its attribute %.40q is longer than %d MiB", name, maxProfile>>20)
		}
		a.value = make([]byte, n)
		if err := r.full(a.value); err != nil {
			return err
		}
		if err := f.attribute(a); err != nil {
			return err
		}
		have[name] = true
	}
	need := []string{"channels", "compression", "dataWindow"}
	if version&tiled != 0 {
		need = append(need, "tiles")
	} else {
		f.tile = image.Point{}
	}
	for _, name := range need {
		if !have[name] {
			return fmt.Errorf("its header has no %s", name)
		}
	}
	if !have["displayWindow"] {
		f.display = f.data
	}
	f.offsets = r.read
	return nil
}

// attribute takes one field of the header.
func (f *exrFile) attribute(a exrAttribute) error {
	long := func(i int) int { return int(int32(binary.LittleEndian.Uint32(a.value[4*i:]))) }
	length := map[string]int{"compression": 1, "lineOrder": 1, "dataWindow": 16, "displayWindow": 16, "tiles": 9}
	if n, known := length[a.name]; known && len(a.value) != n {
		return fmt.Errorf("%s has %d bytes, want %d", a.name, len(a.value), n)
	}
	switch a.name {
	case "channels":
		return f.channelList(a.value)
	case "compression":
		f.compression = a.value[0]
	case "dataWindow", "displayWindow":
		r := image.Rectangle{image.Pt(long(0), long(1)), image.Pt(long(2)+1, long(3)+1)}
		if r.Empty() {
			return fmt.Errorf("%s is empty", a.name)
		}
		if a.name == "dataWindow" {
			f.data = r
		} else {
			f.display = r
		}
	case "tiles":
		f.tile = image.Pt(long(0), long(1))
		if f.tile.X <= 0 || f.tile.Y <= 0 {
			return fmt.Errorf("its tiles have %dx%d pixels", f.tile.X, f.tile.Y)
		}
	case "lineOrder", "preview", "type", "name", "version", "chunkCount", "maxSamplesPerPixel", "dwaCompressionLevel":
	default:
		f.kept = append(f.kept, a)
	}
	return nil
}

func (f *exrFile) channelList(b []byte) error {
	f.channels = nil
	for len(b) > 1 {
		name, rest, ok := bytes.Cut(b, []byte{0})
		if !ok || len(rest) < 17 {
			return errors.New("its list of channels ends too early")
		}
		c := exrChannel{name: string(name), kind: int(binary.LittleEndian.Uint32(rest))}
		if c.kind > exrFloat {
			return unsupported("an OpenEXR picture with numbers of an unknown kind", exrAdvice)
		}
		if binary.LittleEndian.Uint32(rest[8:]) != 1 || binary.LittleEndian.Uint32(rest[12:]) != 1 {
			return unsupported("an OpenEXR picture with a channel of lower resolution, as of luminance and chroma,", "save it as RGB")
		}
		f.channels = append(f.channels, c)
		b = rest[16:]
	}
	return nil
}

const exrAdvice = "save R, G and B, or one channel, as half or float"

// choose finds the channels of the picture, and refuses what is not read: none is left out
// in silence.
func (f *exrFile) choose() error {
	if methods := []string{4: "PXR24", 5: "PXR24", 6: "B44", 7: "B44A", 8: "DWAA", 9: "DWAB", 10: "HTJ2K", 11: "HTJ2K"}; f.compression > exrPIZ {
		name := fmt.Sprintf("method %d", f.compression)
		if int(f.compression) < len(methods) {
			name = methods[f.compression]
		}
		return unsupported("an OpenEXR picture compressed by "+name, "save it with ZIP or PIZ")
	}
	at := map[string]int{}
	var names []string
	for i, c := range f.channels {
		at[c.name] = i
		names = append(names, c.name)
	}
	if len(at) != len(f.channels) {
		return errors.New("two of its channels have one name")
	}
	alpha, opacity := at["A"]
	colours := len(f.channels)
	if opacity && colours > 1 {
		f.alpha = alpha
		colours--
	}
	r, isR := at["R"]
	g, isG := at["G"]
	b, isB := at["B"]
	switch {
	case colours == 3 && isR && isG && isB:
		f.colours = []int{r, g, b}
	case colours == 1:
		for i := range f.channels {
			if i != f.alpha {
				f.colours = []int{i}
			}
		}
	case colours == 0:
		return errors.New("it has no channels")
	default:
		if len(names) > 6 {
			names = append(names[:5], fmt.Sprintf("%d more", len(names)-5))
		}
		return unsupported("an OpenEXR picture of the channels "+strings.Join(names, ", "), exrAdvice)
	}
	return nil
}

// numberKind is the kind that holds all numbers of the picture.
func (f *exrFile) numberKind() int {
	kind := f.channels[f.colours[0]].kind
	for _, i := range f.colours {
		if f.channels[i].kind != kind {
			kind = exrFloat
		}
	}
	return kind
}

func (f *exrFile) Page(int) (*Picture, error) {
	p := &Picture{Image: operators.NewImage(operators.Shape{C: len(f.colours), H: f.data.Dy(), W: f.data.Dx()})}
	switch f.numberKind() {
	case exrUint:
		p.typed('u', 32)
	case exrHalf:
		p.typed('f', 16)
	default:
		p.typed('f', 32)
	}
	p.Linear = true
	planes := make([][]float32, len(f.channels))
	for c, i := range f.colours {
		planes[i] = p.Plane(c)
	}
	if f.alpha >= 0 {
		planes[f.alpha] = make([]float32, p.H*p.W)
	}
	if err := f.read(planes); err != nil {
		return nil, damaged("OpenEXR", err)
	}
	if f.alpha >= 0 {
		p.divide(planes[f.alpha])
	}
	for _, a := range f.kept {
		if a.name == "xDensity" && len(a.value) == 4 { // along x; along y it is that times the aspect ratio
			if d := float64(math.Float32frombits(binary.LittleEndian.Uint32(a.value))); d > 0 && d < 1e6 {
				p.Meta.DPI = [2]float64{d, d * f.aspect()}
			}
		}
	}
	p.Meta.origin = f
	return p, p.absent(nil)
}

// aspect is the width of a pixel over its height.
func (f *exrFile) aspect() float64 {
	for _, a := range f.kept {
		if a.name == "pixelAspectRatio" && len(a.value) == 4 {
			if v := float64(math.Float32frombits(binary.LittleEndian.Uint32(a.value))); v > 1e-3 && v < 1e3 {
				return v
			}
		}
	}
	return 1
}

// divide takes the opacity, and the samples out of their multiplication by it. It divides
// by the 16 bits that are kept, so that multiplying gives the file's numbers again. Light
// without opacity stays as it is.
func (p *Picture) divide(opacity []float32) {
	p.Alpha = make([]uint16, len(opacity))
	for i, v := range opacity {
		a := uint16(level(v, 65535))
		p.Alpha[i] = a
		if a == 0 {
			continue
		}
		for c := range p.C {
			p.Plane(c)[i] /= float32(a) / 65535
		}
	}
}

// read decodes all blocks into a plane for each channel.
func (f *exrFile) read(planes [][]float32) error {
	w, h := f.data.Dx(), f.data.Dy()
	size := image.Pt(w, exrLines[f.compression])
	if f.tile != (image.Point{}) {
		size = f.tile
	}
	across, down := int64(w-1)/int64(size.X)+1, int64(h-1)/int64(size.Y)+1
	if across*down > (f.size-f.offsets)/8 {
		return io.ErrUnexpectedEOF
	}
	table := make([]byte, 8*across*down)
	if _, err := io.ReadFull(io.NewSectionReader(f.r, f.offsets, int64(len(table))), table); err != nil {
		return err
	}
	pixel := 0
	for _, c := range f.channels {
		pixel += exrBytes[c.kind]
	}
	d := &exrDecoder{channels: f.channels, compression: f.compression}
	for by := range int(down) {
		for bx := range int(across) {
			at := binary.LittleEndian.Uint64(table[8*(int64(by)*across+int64(bx)):])
			r := image.Rect(bx*size.X, by*size.Y, min((bx+1)*size.X, w), min((by+1)*size.Y, h))
			where := []int{f.data.Min.Y + r.Min.Y}
			if f.tile != (image.Point{}) {
				where = []int{bx, by, 0, 0}
			}
			packed, err := f.block(at, where, r.Dx()*r.Dy()*pixel)
			if err != nil {
				return err
			}
			data, err := d.unpack(packed, r.Dx(), r.Dy(), pixel)
			if err != nil {
				return err
			}
			for y := r.Min.Y; y < r.Max.Y; y++ {
				for i, c := range f.channels {
					n := r.Dx() * exrBytes[c.kind]
					exrNumbers(planes[i][y*w+r.Min.X:y*w+r.Max.X], data[:n], c.kind)
					data = data[n:]
				}
			}
		}
	}
	return nil
}

// block reads a block of at most n bytes; where is what must stand before it.
func (f *exrFile) block(at uint64, where []int, n int) ([]byte, error) {
	if at == 0 {
		return nil, errors.New("a part of it was never written")
	}
	head := make([]byte, 4*len(where)+4)
	if at > uint64(f.size) || f.size-int64(at) < int64(len(head)) {
		return nil, io.ErrUnexpectedEOF
	}
	if _, err := f.r.ReadAt(head, int64(at)); err != nil && err != io.EOF {
		return nil, err
	}
	for i, v := range where {
		if int(int32(binary.LittleEndian.Uint32(head[4*i:]))) != v {
			return nil, errors.New("a part of it is not where it should be")
		}
	}
	length := int64(binary.LittleEndian.Uint32(head[4*len(where):]))
	if length > int64(n) {
		return nil, errors.New("a part of it is longer than its pixels")
	}
	if length > f.size-int64(at)-int64(len(head)) {
		return nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, length)
	if _, err := f.r.ReadAt(b, int64(at)+int64(len(head))); err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

// exrNumbers turns a row of numbers of a kind to samples.
func exrNumbers(dst []float32, b []byte, kind int) {
	switch kind {
	case exrUint:
		for i := range dst {
			dst[i] = float32(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case exrHalf:
		value := halves()
		for i := range dst {
			dst[i] = value[binary.LittleEndian.Uint16(b[2*i:])]
		}
	case exrFloat:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
}

// halves are the values of all half floats.
var halves = sync.OnceValue(func() *[1 << 16]float32 {
	var t [1 << 16]float32
	for i := range t {
		t[i] = float32(npy.Float16(uint16(i)))
	}
	return &t
})

// maxHalf is the largest half float.
const maxHalf = 65504

// half is the half float next to v, the even one of two; numbers too large for it become
// the largest.
func half(v float32) uint16 {
	b := math.Float32bits(v)
	sign, b := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case b > 0x7f800000: // NaN
		return sign | 0x7e00
	case b >= 0x477fe000:
		return sign | 0x7bff
	case b < 0x38800000: // below 2^-14: multiples of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(b))*(1<<24)))
	}
	b += 0xfff + b>>13&1
	return min(sign|uint16((b-0x38000000)>>13), sign|0x7bff)
}

// An exrWriter writes one page: halves or floats in scan lines, deflated, with the windows
// and attributes of the file that the page came from as far as they still hold.
type exrWriter struct {
	w    io.Writer
	o    Options
	bits int
}

func (e *exrWriter) close() error { return nil }

func (e *exrWriter) page(p *Picture) error {
	kind := exrFloat
	if e.bits == 16 {
		kind = exrHalf
	}
	channels := []exrChannel{{"Y", kind}}
	if p.C == 3 {
		channels = []exrChannel{{"B", kind}, {"G", kind}, {"R", kind}}
	}
	from, _ := p.Meta.origin.(*exrFile)
	if from != nil && p.C == 1 && len(from.colours) == 1 {
		channels[0].name = from.channels[from.colours[0]].name
	}
	if p.Alpha != nil {
		channels = append(channels, exrChannel{"A", kind})
	}
	slices.SortFunc(channels, func(a, b exrChannel) int { return strings.Compare(a.name, b.name) })
	data := image.Rect(0, 0, p.W, p.H)
	display, kept := data, []exrAttribute(nil)
	if from != nil {
		kept = from.kept
		if from.data.Size() == data.Size() {
			data, display = from.data, from.display
		}
	}
	lines := exrLines[exrZIP]
	blocks := make([][]byte, (p.H-1)/lines+1)
	rows := func(i int) []byte {
		var raw []byte
		for y := i * lines; y < min((i+1)*lines, p.H); y++ {
			for _, c := range channels {
				raw = exrRow(raw, p, y, c)
			}
		}
		if z := zlibStream(exrApart(raw), levelOf(e.o.Compression)); len(z) < len(raw) {
			return z
		}
		return raw
	}
	inorder.Do(len(blocks), e.o.workers(), 2, rows, func(i int, b []byte) error {
		blocks[i] = b
		return nil
	})
	head := exrHeader(p, channels, data, display, kept)
	at := uint64(len(head) + 8*len(blocks))
	for _, b := range blocks {
		head = binary.LittleEndian.AppendUint64(head, at)
		at += uint64(8 + len(b))
	}
	if _, err := e.w.Write(head); err != nil {
		return err
	}
	for i, b := range blocks {
		head = binary.LittleEndian.AppendUint32(head[:0], uint32(data.Min.Y+i*lines))
		head = binary.LittleEndian.AppendUint32(head, uint32(len(b)))
		if _, err := e.w.Write(head); err != nil {
			return err
		}
		if _, err := e.w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// exrHeader is all that stands before the table of blocks.
func exrHeader(p *Picture, channels []exrChannel, data, display image.Rectangle, kept []exrAttribute) []byte {
	long := func(b []byte, v ...int) []byte {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint32(b, uint32(int32(v)))
		}
		return b
	}
	float := func(v ...float64) (b []byte) {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
		}
		return b
	}
	box := func(r image.Rectangle) []byte { return long(nil, r.Min.X, r.Min.Y, r.Max.X-1, r.Max.Y-1) }
	var list []byte
	for _, c := range channels {
		list = long(append(append(list, c.name...), 0), c.kind, 0, 1, 1)
	}
	all := []exrAttribute{
		{"channels", "chlist", append(list, 0)},
		{"compression", "compression", []byte{exrZIP}},
		{"dataWindow", "box2i", box(data)},
		{"displayWindow", "box2i", box(display)},
		{"lineOrder", "lineOrder", []byte{0}},
		{"pixelAspectRatio", "float", float(1)},
		{"screenWindowCenter", "v2f", float(0, 0)},
		{"screenWindowWidth", "float", float(1)},
	}
	set := func(a exrAttribute) {
		if i := slices.IndexFunc(all, func(b exrAttribute) bool { return a.name == b.name }); i >= 0 {
			all[i] = a
			return
		}
		all = append(all, a)
	}
	for _, a := range kept {
		set(a)
	}
	if d := p.Meta.DPI; d[0] > 0 && d[1] > 0 {
		set(exrAttribute{"xDensity", "float", float(d[0])})
		set(exrAttribute{"pixelAspectRatio", "float", float(d[1] / d[0])})
	}
	version := 2
	for _, a := range all {
		if len(a.name) > 31 || len(a.kind) > 31 {
			version |= 0x400
		}
	}
	for _, c := range channels {
		if len(c.name) > 31 {
			version |= 0x400
		}
	}
	b := long([]byte(exrMagic), version)
	for _, a := range all {
		b = append(append(b, a.name...), 0)
		b = append(append(b, a.kind...), 0)
		b = append(long(b, len(a.value)), a.value...)
	}
	return append(b, 0)
}

const exrMagic = "v/1\x01"

// exrRow appends row y of a channel: premultiplied by the opacity, NaN where it is missing.
func exrRow(b []byte, p *Picture, y int, c exrChannel) []byte {
	plane := 0
	if p.C == 3 {
		plane = strings.Index("RGB", c.name)
	}
	opacity := p.Alpha != nil && c.name == "A"
	for x := range p.W {
		i := y*p.W + x
		var v float32
		switch {
		case opacity:
			v = float32(p.Alpha[i]) / 65535
		case p.Missing != nil && p.Missing[plane*p.H*p.W+i]:
			v = float32(math.NaN())
		default:
			if v = p.Plane(plane)[i]; p.Alpha != nil && p.Alpha[i] != 0 {
				v *= float32(p.Alpha[i]) / 65535
			}
		}
		if c.kind == exrHalf {
			b = binary.LittleEndian.AppendUint16(b, half(v))
		} else {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b
}
