package train

import (
	"fmt"
	"math"

	"github.com/lpn-imaging/lpn/internal/imageio"
	"github.com/lpn-imaging/lpn/operators"
)

// A raster is a decoded picture of planes in the depth of its file: one of the
// slices is set. Sample k is u8[k]/255, u16[k]/65535 or f32[k], and where the set has
// a range of its own gain times that plus bias.
type raster struct {
	c, h, w    int
	u8         []uint8
	u16        []uint16
	f32        []float32
	scale      float64 // raw samples times this are the numbers of the file
	gain, bias float32 // gain 0: as it is
}

// pack keeps a picture in the smallest depth that loses nothing.
func pack(p *imageio.Picture) *raster {
	r := &raster{c: p.C, h: p.H, w: p.W, scale: p.Scale}
	switch p.Bits {
	case 8:
		r.u8 = make([]uint8, len(p.Pix))
		for i, v := range p.Pix {
			r.u8[i] = uint8(math.Round(float64(v) * 255))
		}
	case 16:
		r.u16 = make([]uint16, len(p.Pix))
		for i, v := range p.Pix {
			r.u16[i] = uint16(math.Round(float64(v) * 65535))
		}
	default:
		r.f32 = p.Pix
	}
	return r
}

// as converts to another number of channels: colour to luma, which for 8 bits needs
// 16, and gray to three equal ones.
func (r *raster) as(channels int) *raster {
	switch n := r.h * r.w; {
	case r.c == channels:
		return r
	case channels == 1:
		bits := 16
		if r.f32 != nil {
			bits = 32
		}
		return pack((&imageio.Picture{Image: r.image(), Bits: bits, Scale: r.scale}).Luma())
	default:
		q := *r
		q.c, q.u8, q.u16, q.f32 = channels, repeat(r.u8, n, channels), repeat(r.u16, n, channels), repeat(r.f32, n, channels)
		return &q
	}
}

// repeat is the first n samples, times times; nil for none.
func repeat[T any](plane []T, n, times int) []T {
	if plane == nil {
		return nil
	}
	var out []T
	for range times {
		out = append(out, plane[:n]...)
	}
	return out
}

// gray reports whether all channels are equal.
func (r *raster) gray() bool {
	n := r.h * r.w
	for c := 1; c < r.c; c++ {
		for k := range n {
			if r.raw(k) != r.raw(c*n+k) {
				return false
			}
		}
	}
	return true
}

// image is a copy of the picture.
func (r *raster) image() operators.Image {
	out := operators.NewImage(operators.Shape{C: r.c, H: r.h, W: r.w})
	for k := range out.Pix {
		out.Pix[k] = r.at(k)
	}
	return out
}

var from8 = func() (t [256]float32) {
	for i := range t {
		t[i] = float32(i) / 255
	}
	return t
}()

func (r *raster) at(k int) float32 {
	if r.gain != 0 {
		return r.gain*r.raw(k) + r.bias
	}
	return r.raw(k)
}

// raw is a sample before the set's range.
func (r *raster) raw(k int) float32 {
	switch {
	case r.u8 != nil:
		return from8[r.u8[k]]
	case r.u16 != nil:
		return float32(r.u16[k]) / 65535
	}
	return r.f32[k]
}

// fit extends what is smaller than a patch.
func (r *raster) fit(o DataOptions) *raster {
	if !o.Extend || r.h >= o.Patch && r.w >= o.Patch {
		return r
	}
	out := &raster{c: r.c, h: max(r.h, o.Patch), w: max(r.w, o.Patch), scale: r.scale, gain: r.gain, bias: r.bias}
	n := out.c * out.h * out.w
	from := func(k int) int {
		y, x := mirror(k/out.w%out.h, r.h), mirror(k%out.w, r.w)
		return (k/out.w/out.h*r.h+y)*r.w + x
	}
	switch {
	case r.u8 != nil:
		out.u8 = extend(make([]uint8, n), r.u8, from)
	case r.u16 != nil:
		out.u16 = extend(make([]uint16, n), r.u16, from)
	default:
		out.f32 = extend(make([]float32, n), r.f32, from)
	}
	return out
}

func tooSmall(h, w, patch int) error {
	return fmt.Errorf("%dx%d pixels are smaller than a patch of %dx%d", w, h, patch, patch)
}

func extend[T any](dst, src []T, from func(int) int) []T {
	for k := range dst {
		dst[k] = src[from(k)]
	}
	return dst
}

// mirror folds i >= 0 into [0,n) by half-sample symmetric reflection.
func mirror(i, n int) int {
	if i %= 2 * n; i >= n {
		i = 2*n - 1 - i
	}
	return i
}

// settled is a decoded picture in the channels and the range of the set.
func (r *raster) settled(m *Images) *raster {
	if r.c == 3 && m.channels == 1 && r.gray() {
		q := *r
		n := r.h * r.w
		q.c, q.u8, q.u16, q.f32 = 1, repeat(r.u8, n, 1), repeat(r.u16, n, 1), repeat(r.f32, n, 1)
		r = &q
	}
	r = r.as(m.channels)
	if m.scale.IsZero() {
		return r
	}
	q := *r
	span := m.scale.Hi - m.scale.Lo
	q.gain, q.bias = float32(r.scale/span), float32(-m.scale.Lo/span)
	return &q
}
