package imageio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lpn-imaging/lpn/operators"
)

// Animations: APNG, animated WebP and GIF. A page is what a viewer shows at
// that moment: the frame drawn over what the frames before it left behind.
// Each frame is handed to its format's decoder as a separate file.

// A frame is one picture of an animation and how it is put on the canvas.
type frame struct {
	file    []byte // of one picture
	x, y    int    // where it goes, when its own decoder does not say
	over    bool   // drawn over what is there; else it replaces it
	dispose byte   // what becomes of its place before the next frame
	delay   time.Duration
}

// What becomes of the place of a frame.
const (
	disposeKeep = iota
	disposeClear
	disposePrevious
)

type animation struct {
	*codec
	data   []byte
	w, h   int
	frames []func() frame // made on demand
	gray   bool

	canvas, before *Picture // before the last frame was drawn
	done           int      // frames drawn
	last           frame
	at             [4]int // the last frame's place: x0, y0, x1, y1
}

func (a *animation) Pages() int { return len(a.frames) }

func (a *animation) sampleCount(int) int64 { return 3 * int64(a.h) * int64(a.w) }

func (a *animation) Page(i int) (*Picture, error) {
	if a.done > i+1 || a.canvas == nil {
		a.canvas = &Picture{Image: operators.NewImage(operators.Shape{C: 3, H: a.h, W: a.w}), Alpha: make([]uint16, a.w*a.h)}
		a.canvas.typed('u', 8)
		a.done, a.last, a.at = 0, frame{}, [4]int{}
	}
	for a.done <= i {
		if err := a.draw(a.frames[a.done]()); err != nil {
			a.canvas = nil
			return nil, err
		}
		a.done++
	}
	p := *a.canvas
	p.Pix, p.Delay = slices.Clone(p.Pix), a.last.delay
	p.Alpha = slices.Clone(p.Alpha)
	if !slices.ContainsFunc(p.Alpha, func(v uint16) bool { return v != 0xffff }) {
		p.Alpha = nil
	}
	if a.gray {
		p.C, p.Pix = 1, p.Pix[:p.H*p.W]
	}
	if a.notes != nil {
		n := a.notes(a.data)
		p.ICC, p.Meta = n.icc, n.meta
	}
	p.finish(0)
	return &p, nil
}

// draw draws the next frame.
func (a *animation) draw(f frame) error {
	c := a.canvas
	switch a.last.dispose {
	case disposeClear:
		for y := a.at[1]; y < a.at[3]; y++ {
			clear(c.Alpha[y*c.W+a.at[0] : y*c.W+a.at[2]])
			for k := range c.C {
				clear(c.Plane(k)[y*c.W+a.at[0] : y*c.W+a.at[2]])
			}
		}
	case disposePrevious:
		if a.before != nil {
			copy(c.Pix, a.before.Pix)
			copy(c.Alpha, a.before.Alpha)
		}
	}
	if a.before = nil; f.dispose == disposePrevious {
		b := *c
		b.Pix, b.Alpha = slices.Clone(c.Pix), slices.Clone(c.Alpha)
		a.before = &b
	}
	img, _, err := a.image(f.file)
	if err != nil {
		return err
	}
	if r := img.Bounds(); r.Min.X != 0 || r.Min.Y != 0 { // a GIF's frame knows
		f.x, f.y = r.Min.X, r.Min.Y
	}
	p := fromImage(img, false, true)
	if f.x < 0 || f.y < 0 || f.x+p.W > c.W || f.y+p.H > c.H {
		return fmt.Errorf("damaged %s: a frame lies outside the picture", title(a.name))
	}
	c.typed('u', p.Bits)
	for y := range p.H {
		for x := range p.W {
			from, to := y*p.W+x, (f.y+y)*c.W+f.x+x
			top := uint16(0xffff)
			if p.Alpha != nil {
				top = p.Alpha[from]
			}
			switch {
			case f.over && top == 0:
			case !f.over || top == 0xffff || c.Alpha[to] == 0:
				c.Alpha[to] = top
				for k := range 3 {
					c.Plane(k)[to] = p.Plane(k)[from]
				}
			default:
				t := float32(top) / 65535
				below := float32(c.Alpha[to]) / 65535 * (1 - t)
				sum := t + below
				c.Alpha[to] = uint16(sum*65535 + 0.5)
				for k := range 3 {
					c.Plane(k)[to] = (t*p.Plane(k)[from] + below*c.Plane(k)[to]) / sum
				}
			}
		}
	}
	a.last, a.at = f, [4]int{f.x, f.y, f.x + p.W, f.y + p.H}
	return nil
}

// eachChunk calls f for the chunks of a PNG until it returns false.
func eachChunk(data []byte, f func(kind string, body []byte) bool) {
	for data = data[min(len(pngSignature), len(data)):]; len(data) >= 12; {
		n := int64(binary.BigEndian.Uint32(data))
		if n > int64(len(data))-12 || !f(string(data[4:8]), data[8:8+n]) {
			return
		}
		data = data[12+n:]
	}
}

// framesPNG takes an APNG apart (PNG third edition, section 11.3.6), nil for
// a PNG that is no animation.
func framesPNG(data []byte) (*animation, error) {
	type part struct {
		control []byte
		pieces  [][]byte
	}
	var header []byte
	var common []chunk
	var parts []part
	animated, pixels := false, false
	eachChunk(data, func(kind string, body []byte) bool {
		switch kind {
		case "IHDR":
			header = body
		case "acTL":
			animated = !pixels
		case "fcTL":
			parts = append(parts, part{control: body})
		case "IDAT":
			pixels = true
			if n := len(parts); n == 1 {
				parts[0].pieces = append(parts[0].pieces, body)
			}
		case "fdAT":
			if n := len(parts); n > 0 && len(body) >= 4 {
				parts[n-1].pieces = append(parts[n-1].pieces, body[4:])
			}
		case "PLTE", "tRNS":
			common = append(common, chunk{kind, body})
		}
		return pixels || animated || kind != "IEND"
	})
	if !animated || len(parts) < 2 || len(header) != 13 {
		return nil, nil
	}
	be := binary.BigEndian
	a := &animation{w: int(be.Uint32(header)), h: int(be.Uint32(header[4:]))}
	a.gray = header[9] == pngGray || header[9] == pngGrayAlpha
	for _, p := range parts {
		if len(p.control) != 26 {
			return nil, errors.New("a frame without its place")
		}
		if len(p.pieces) == 0 {
			return nil, errors.New("a frame without pixels")
		}
		a.frames = append(a.frames, func() frame {
			c := p.control
			x, y := be.Uint32(c[12:]), be.Uint32(c[16:])
			f := frame{x: int(x), y: int(y), over: c[25] == 1, dispose: min(c[24], disposePrevious)}
			den := max(int(be.Uint16(c[22:])), 1)
			if be.Uint16(c[22:]) == 0 {
				den = 100
			}
			f.delay = time.Duration(be.Uint16(c[20:])) * time.Second / time.Duration(den)
			var b bytes.Buffer
			b.WriteString(pngSignature)
			h := slices.Clone(header)
			copy(h, c[4:12])
			writeChunk(&b, "IHDR", h)
			for _, k := range common {
				writeChunk(&b, k.kind, k.body)
			}
			writeChunk(&b, "IDAT", bytes.Join(p.pieces, nil))
			writeChunk(&b, "IEND", nil)
			f.file = b.Bytes()
			return f
		})
	}
	return a, nil
}

// eachRIFF calls f for the chunks of a RIFF body.
func eachRIFF(data []byte, f func(kind string, body []byte)) {
	for len(data) >= 8 {
		n := int64(binary.LittleEndian.Uint32(data[4:]))
		if n > int64(len(data))-8 {
			return
		}
		f(string(data[:4]), data[8:8+n])
		data = data[min(8+n+n%2, int64(len(data))):]
	}
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// framesWebP takes an animated WebP apart (the container of RFC 9649), nil
// for a still picture.
func framesWebP(data []byte) (*animation, error) {
	a := &animation{}
	animated := false
	var bad error
	eachRIFF(data[min(12, len(data)):], func(kind string, body []byte) {
		switch {
		case kind == "VP8X" && len(body) >= 10:
			a.w, a.h = uint24(body[4:])+1, uint24(body[7:])+1
			animated = body[0]&2 != 0
		case kind == "ANMF" && len(body) < 16:
			bad = errors.New("a frame without its place")
		case kind == "ANMF":
			a.frames = append(a.frames, func() frame { return frameWebP(body) })
		}
	})
	switch {
	case !animated:
		return nil, nil
	case bad != nil:
		return nil, bad
	case len(a.frames) == 0:
		return nil, errors.New("an animation without frames")
	}
	return a, nil
}

func frameWebP(body []byte) frame {
	f := frame{x: 2 * uint24(body), y: 2 * uint24(body[3:]), over: body[15]&2 == 0}
	if body[15]&1 != 0 {
		f.dispose = disposeClear
	}
	f.delay = time.Duration(uint24(body[12:])) * time.Millisecond
	var pixels bytes.Buffer
	put := func(kind string, body []byte) {
		pixels.WriteString(kind)
		pixels.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(body))))
		pixels.Write(body)
		if len(body)%2 == 1 {
			pixels.WriteByte(0)
		}
	}
	eachRIFF(body[16:], func(kind string, part []byte) {
		switch kind {
		case "ALPH": // wants the extended header
			head := make([]byte, 10)
			head[0] = 0x10
			copy(head[4:], body[6:12])
			put("VP8X", head)
			put(kind, part)
		case "VP8 ", "VP8L":
			put(kind, part)
		}
	})
	f.file = binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(pixels.Len()+4))
	f.file = append(append(f.file, "WEBP"...), pixels.Bytes()...)
	return f
}

// framesGIF takes a GIF of several frames apart (GIF89a), nil for one frame.
func framesGIF(data []byte) (*animation, error) {
	if len(data) < 13 {
		return nil, nil // the decoder reports it
	}
	le := binary.LittleEndian
	a := &animation{w: int(le.Uint16(data[6:])), h: int(le.Uint16(data[8:])), gray: true}
	at := 13
	table := func(flags byte) []byte {
		if flags&0x80 == 0 {
			return nil
		}
		n := 3 << (flags&7 + 1)
		t := data[at:min(at+n, len(data))]
		at += n
		return t
	}
	grays := func(t []byte) bool {
		for i := 0; i+2 < len(t); i += 3 {
			if t[i] != t[i+1] || t[i] != t[i+2] {
				return false
			}
		}
		return true
	}
	a.gray = grays(table(data[10]))
	head := data[:min(at, len(data))]
	blocks := func() { // to behind a row of blocks that ends with an empty one
		for at < len(data) && data[at] != 0 {
			at += int(data[at]) + 1
		}
		at++
	}
	var control []byte
	for at+1 < len(data) && data[at] != 0x3b {
		start := at
		switch data[at] {
		case 0x21:
			kind := data[at+1]
			at += 2
			blocks()
			if kind == 0xf9 && at <= len(data) && at-start == 8 {
				control = data[start:at]
			}
		case 0x2c:
			if at+10 > len(data) {
				return nil, errors.New("a frame that ends too early")
			}
			flags := data[at+9]
			at += 10
			a.gray = grays(table(flags)) && a.gray
			at++ // the size of the codes
			blocks()
			c, body := control, data[start:min(at, len(data))]
			control = nil
			a.frames = append(a.frames, func() frame {
				f := frame{over: true, file: slices.Concat(head, c, body, []byte{0x3b})}
				if c != nil {
					f.delay = time.Duration(le.Uint16(c[4:])) * 10 * time.Millisecond
					f.dispose = min(max(c[3]>>2&7, 1)-1, disposePrevious)
				}
				return f
			})
		default:
			at = len(data)
		}
	}
	if len(a.frames) < 2 {
		return nil, nil
	}
	return a, nil
}
