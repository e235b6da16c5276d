// Package av1 decodes still pictures of AV1, such as those in AVIF files.
//
// The decoder is dav1d (videolan.org/projects/dav1d.html), which is written in C. It comes
// as WebAssembly, in this package, and runs in wazero, so it needs no C compiler, loads no
// library, and sees no memory but its own: see wasm/build.sh for how it was made of dav1d's
// sources, and wasm/LICENSE for dav1d's licence; what it uses of a C library is wasi-libc's,
// under the MIT licence. It is compiled when the first picture is
// decoded, which takes about half a second, and only then.
package av1

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/tetratelabs/wazero"
)

//go:embed wasm/dav1d.wasm.gz
var compressed []byte

// A Layout says which planes a picture has, and how many of their samples.
type Layout int

const (
	Gray    Layout = iota // luma alone
	Half                  // 4:2:0: chroma has half the width and half the height, rounded up
	HalfRow               // 4:2:2: chroma has half the width, rounded up
	Full                  // 4:4:4: chroma has as many
)

// A Picture is a decoded picture as AV1 has it. Matrix, Primaries and Transfer are the
// numbers of ITU-T H.273.
type Picture struct {
	W, H   int // in pixels
	Bits   int // of a sample: 8, 10 or 12
	Layout Layout
	// Planes are luma and, but for Gray, two of chroma, row by row without gaps.
	Planes                      [3][]uint16
	Matrix, Primaries, Transfer int
	FullRange                   bool // samples use all levels, not those of studio video
}

// Step is how many pixels lie from one sample of chroma to the next, along x and y.
func (l Layout) Step() (x, y int) {
	switch l {
	case Half:
		return 2, 2
	case HalfRow:
		return 2, 1
	}
	return 1, 1
}

// ChromaSize is the size of the planes of chroma, zero for Gray.
func (p *Picture) ChromaSize() (w, h int) {
	if p.Layout == Gray {
		return 0, 0
	}
	x, y := p.Layout.Step()
	return (p.W + x - 1) / x, (p.H + y - 1) / y
}

// ErrDamaged is a stream that is no picture of AV1.
var ErrDamaged = errors.New("its AV1 stream cannot be decoded")

// MaxPixels is the largest picture that is decoded: the decoder's memory ends at 4 GiB.
const MaxPixels = 1 << 27

type decoder struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

// prepare compiles the decoder, once.
var prepare = sync.OnceValues(func() (d decoder, err error) {
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return d, err
	}
	code, err := io.ReadAll(z)
	if err != nil {
		return d, err
	}
	ctx := context.Background()
	d.runtime = wazero.NewRuntime(ctx)
	d.module, err = d.runtime.CompileModule(ctx, code)
	return d, err
})

// Decode decodes the first picture of a stream of OBUs, of w times h pixels. Where a stream
// has several versions of it (operating points), point chooses one; 0 is the best.
// Goroutines may call it at the same time; each call has the decoder's memory for itself,
// and returns it. The error is [ErrDamaged] where the stream is no such picture. Decode
// panics if w or h are not positive or their product is more than [MaxPixels].
func Decode(obus []byte, w, h, point int) (p *Picture, err error) {
	if w <= 0 || h <= 0 || int64(w)*int64(h) > MaxPixels {
		panic(fmt.Sprintf("av1: a picture of %dx%d pixels", w, h))
	}
	if len(obus) == 0 || len(obus) > math.MaxInt32 {
		return nil, ErrDamaged
	}
	d, err := prepare()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	m, err := d.runtime.InstantiateModule(ctx, d.module, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		return nil, err
	}
	defer m.Close(ctx)
	call := func(name string, args ...uint64) uint32 {
		if err != nil {
			return 0
		}
		var r []uint64
		if r, err = m.ExportedFunction(name).Call(ctx, args...); err != nil {
			return 0
		}
		return uint32(r[0])
	}
	at := call("alloc", uint64(len(obus)))
	if err == nil && (at == 0 || !m.Memory().Write(at, obus)) {
		return nil, fmt.Errorf("no memory for %d bytes of AV1", len(obus))
	}
	if failed := call("decode", uint64(at), uint64(len(obus)), uint64(w)*uint64(h), uint64(point)); err != nil || failed != 0 {
		return nil, ErrDamaged // a trap is what dav1d did not expect
	}
	info := func(what uint64) int { return int(int32(call("info", what))) }
	p = &Picture{W: info(0), H: info(1), Bits: info(2), Layout: Layout(info(3)), Matrix: info(4), FullRange: info(5) == 1,
		Primaries: info(6), Transfer: info(7)}
	if err != nil || p.W != w || p.H != h {
		return nil, ErrDamaged
	}
	for k := range p.Planes {
		pw, ph := w, h
		if k > 0 {
			pw, ph = p.ChromaSize()
		}
		if pw == 0 {
			break
		}
		from, stride := call("plane", uint64(k)), call("stride", uint64(k))
		width := uint32(pw) // of a row in bytes
		if p.Bits > 8 {
			width *= 2
		}
		plane := make([]uint16, pw*ph)
		for y := range ph {
			row, ok := m.Memory().Read(from+uint32(y)*stride, width)
			if err != nil || !ok {
				return nil, ErrDamaged
			}
			dst := plane[y*pw : (y+1)*pw]
			for x := range dst {
				if p.Bits > 8 {
					dst[x] = binary.LittleEndian.Uint16(row[2*x:])
				} else {
					dst[x] = uint16(row[x])
				}
			}
		}
		p.Planes[k] = plane
	}
	return p, nil
}
