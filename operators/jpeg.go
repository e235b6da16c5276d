package operators

import (
	"fmt"
	"math"
	"sync"

	"github.com/lpn-imaging/lpn/internal/kernel"
)

// A JPEGFormat is the format of the picture in a JPEG file: its planes, their
// subsampling, and the quantisation of their DCT coefficients. It is all that a file
// tells about the encoder.
type JPEGFormat struct {
	// Planes has one entry for a gray picture, three for colour.
	Planes []JPEGPlane
	// RGB says that the planes are red, green and blue themselves, and not
	// the luma and chroma of BT.601.
	RGB bool
}

// A JPEGPlane is one component of a JPEG file.
type JPEGPlane struct {
	// Down and Across are the sides of the cell of pixels whose mean is one sample of
	// the plane: 1 and 1 for luma, 2 and 2 for the chroma of 4:2:0.
	Down, Across int
	// Step is the quantisation table in levels of 1/255: coefficient (u,v),
	// u the vertical frequency, is kept as a multiple of Step[8*u+v].
	Step [64]uint16
}

// maxCell is the longest side of a cell.
const maxCell = 4

// StandardJPEG is the format that the library of the Independent JPEG Group
// writes at a quality from 1 to 100: the tables of ITU-T T.81, annex K, in
// proportion. subsampling is 444, 422, 420, 440 or 411; a picture of one
// channel has none.
func StandardJPEG(channels, quality, subsampling int) (JPEGFormat, error) {
	if quality < 1 || quality > 100 {
		return JPEGFormat{}, fmt.Errorf("operators: JPEG quality %d; want 1 to 100", quality)
	}
	luma := JPEGPlane{1, 1, scaledTable(&lumaTable, quality)}
	if channels == 1 {
		return JPEGFormat{Planes: []JPEGPlane{luma}}, nil
	}
	cell, ok := subsamplings[subsampling]
	if !ok {
		return JPEGFormat{}, fmt.Errorf("operators: JPEG subsampling %d; want 444, 422, 420, 440 or 411", subsampling)
	}
	chroma := JPEGPlane{cell[0], cell[1], scaledTable(&chromaTable, quality)}
	return JPEGFormat{Planes: []JPEGPlane{luma, chroma, chroma}}, nil
}

// subsamplings lists Down and Across of the chroma.
var subsamplings = map[int][2]int{444: {1, 1}, 422: {1, 2}, 420: {2, 2}, 440: {2, 1}, 411: {1, 4}}

func scaledTable(base *[64]uint8, quality int) (t [64]uint16) {
	percent := 200 - 2*quality
	if quality < 50 {
		percent = 5000 / quality
	}
	for i, b := range base {
		t[i] = uint16(min(max((int(b)*percent+50)/100, 1), 255))
	}
	return t
}

// The tables of ITU-T T.81, K.1 and K.2.
var (
	lumaTable = [64]uint8{
		16, 11, 10, 16, 24, 40, 51, 61,
		12, 12, 14, 19, 26, 58, 60, 55,
		14, 13, 16, 24, 40, 57, 69, 56,
		14, 17, 22, 29, 51, 87, 80, 62,
		18, 22, 37, 56, 68, 109, 103, 77,
		24, 35, 55, 64, 81, 104, 113, 92,
		49, 64, 78, 87, 103, 121, 120, 101,
		72, 92, 95, 98, 112, 100, 103, 99,
	}
	chromaTable = [64]uint8{
		17, 18, 24, 47, 99, 99, 99, 99,
		18, 21, 26, 66, 99, 99, 99, 99,
		24, 26, 56, 99, 99, 99, 99, 99,
		47, 66, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99,
	}
)

// Quality is the quality, 1 to 100, whose standard table is nearest to that of the
// luma.
func (f JPEGFormat) Quality() int {
	best, least := 0, math.Inf(1)
	for q := 1; q <= 100; q++ {
		off := 0.0
		for i, v := range scaledTable(&lumaTable, q) {
			off += math.Abs(math.Log(float64(f.Planes[0].Step[i]) / float64(v)))
		}
		if off < least {
			best, least = q, off
		}
	}
	return best
}

// Rounding is the root mean square of what rounding takes away from the 15 lowest
// frequencies of the first plane, the luma, in units of the samples: steps q are errors
// of q^2/12.
func (f JPEGFormat) Rounding() float64 {
	sum, n := 0.0, 0.0
	for k, q := range f.Planes[0].Step {
		if k/8+k%8 <= 4 {
			sum += float64(q) * float64(q) / 12
			n++
		}
	}
	return math.Sqrt(sum/n) / 255
}

// Luma is the format of the file's luma alone, the first numbers of a measurement. ok
// is false if no luma plane has one sample for each pixel.
func (f JPEGFormat) Luma() (luma JPEGFormat, ok bool) {
	p := f.Planes[0]
	return JPEGFormat{Planes: f.Planes[:1]}, !f.RGB && p.Down == 1 && p.Across == 1
}

// ycc is the colour transform of JFIF, the luma and chroma of BT.601.
var ycc = [3][3]float64{
	{0.299, 0.587, 0.114},
	{-0.299 / 1.772, -0.587 / 1.772, 0.5},
	{0.5, -0.587 / 1.402, -0.114 / 1.402},
}

func (f JPEGFormat) check(channels int) error {
	if n := len(f.Planes); n != 1 && n != 3 || n != channels {
		return fmt.Errorf("operators: JPEG of %d planes for a picture of %d channels; want one or three of both", n, channels)
	}
	for i, p := range f.Planes {
		if p.Down < 1 || p.Down > maxCell || p.Across < 1 || p.Across > maxCell {
			return fmt.Errorf("operators: JPEG plane %d has cells of %dx%d pixels; want 1 to %d a side", i, p.Down, p.Across, maxCell)
		}
		for _, q := range p.Step {
			if q == 0 {
				return fmt.Errorf("operators: JPEG plane %d has a step of 0", i)
			}
		}
	}
	return nil
}

// colours is the row of the colour transform that plane c keeps.
func (f JPEGFormat) colours(c int) []float64 {
	switch {
	case len(f.Planes) == 1:
		return []float64{1}
	case f.RGB:
		row := make([]float64, 3)
		row[c] = 1
		return row
	}
	return ycc[c][:]
}

// A JPEG is the linear part of a JPEG encoder: pictures of shape Domain to the
// cosines of their planes, which the encoder then rounds. With C the colour
// transform, M the mean over the cells of each plane and D the orthonormal
// cosine transform of blocks of 8x8,
//
//	A = D M C.
//
// In blocks that extend beyond the frame the last row and column of pixels are
// repeated, as encoders do. The codomain is 1x1xN: the planes one after the other,
// their blocks by rows, 64 numbers each, number 8*u+v the frequency u down and v
// across. In units of the samples: a white picture has the luma coefficient 8 at (0,0).
// An encoder subtracts 1/2 of full scale before the transform and keeps chroma without
// offset; see Quantise.
type JPEG struct {
	domain Shape
	format JPEGFormat
	planes []jpegPlane
	n      int       // coefficients
	work   sync.Pool // of *jpegWork

	squares func() []float32
	norm    func() float64
}

type jpegPlane struct {
	JPEGPlane
	colour []float32 // by channel
	middle float64   // the coefficient (0,0) of the level that counts as 0
	h, w   int       // samples, multiples of 8
	at     int       // of the first coefficient
	square float64   // squared length of a row of A inside the frame
}

type jpegWork struct {
	mix  []float32 // one plane of pixels
	cell []float32 // one plane of samples
	line []float32 // the cells of a line of samples
}

// NewJPEG returns the operator for pictures of shape s, which must have as
// many channels as f has planes.
func NewJPEG(s Shape, f JPEGFormat) (*JPEG, error) {
	if err := checkShape(s); err != nil {
		return nil, err
	}
	if err := f.check(s.C); err != nil {
		return nil, err
	}
	a := &JPEG{domain: s, format: f}
	samples, line := 0, 0
	for c, p := range f.Planes {
		j := jpegPlane{JPEGPlane: p, at: a.n}
		sum := 0.0
		for _, v := range f.colours(c) {
			j.colour = append(j.colour, float32(v))
			j.square += v * v
			sum += v
		}
		if sum > 0.5 { // not chroma
			j.middle = 8 * 128. / 255
		}
		j.square /= float64(p.Down * p.Across)
		j.h, j.w = wholeBlocks(s.H, p.Down), wholeBlocks(s.W, p.Across)
		a.n += j.h * j.w
		samples, line = max(samples, j.h*j.w), max(line, j.w*p.Across)
		a.planes = append(a.planes, j)
	}
	a.work.New = func() any {
		return &jpegWork{make([]float32, s.H*s.W), make([]float32, samples), make([]float32, line)}
	}
	a.squares = sync.OnceValue(func() []float32 {
		g := make([]float32, a.n)
		a.each(func(p *jpegPlane, i, _ int) { g[i] = float32(p.square) })
		return g
	})
	a.norm = sync.OnceValue(func() float64 { return 1.01 * PowerNorm(a, 100, 1e-4, 1) })
	return a, nil
}

// wholeBlocks is the number of samples, in blocks of 8, that n pixels take in
// cells of k.
func wholeBlocks(n, k int) int { return (n + 8*k - 1) / (8 * k) * 8 }

// Domain is the shape of the picture.
func (a *JPEG) Domain() Shape { return a.domain }

// Codomain is 1x1xN.
func (a *JPEG) Codomain() Shape { return Shape{1, 1, a.n} }

// Apply writes the coefficients of x to dst.
func (a *JPEG) Apply(dst, x []float32) {
	checkLen("JPEG.Apply dst", len(dst), a.n)
	checkLen("JPEG.Apply x", len(x), a.domain.Len())
	w := a.work.Get().(*jpegWork)
	defer a.work.Put(w)
	for i := range a.planes {
		p := &a.planes[i]
		p.mixIn(w.mix, x)
		p.average(w.cell, w.mix, w.line, a.domain)
		p.transform(dst[p.at:p.at+p.h*p.w], w.cell)
	}
}

// Adjoint writes A'y to dst.
func (a *JPEG) Adjoint(dst, y []float32) {
	checkLen("JPEG.Adjoint dst", len(dst), a.domain.Len())
	checkLen("JPEG.Adjoint y", len(y), a.n)
	w := a.work.Get().(*jpegWork)
	defer a.work.Put(w)
	clear(dst)
	for i := range a.planes {
		p := &a.planes[i]
		p.inverse(w.cell, y[p.at:p.at+p.h*p.w])
		p.spread(w.mix, w.cell, w.line, a.domain)
		p.mixOut(dst, w.mix)
	}
}

// Decode writes the picture that a decoder computes from the coefficients y: planes by
// the inverse cosine transform, enlarged linearly between the centres of their cells as
// libjpeg's "fancy upsampling" does, and the colours of BT.601. The planes are clipped
// to 8 bits, as decoders do; nothing is rounded. If no plane is subsampled, it is the
// inverse of Apply.
func (a *JPEG) Decode(dst, y []float32) {
	checkLen("JPEG.Decode dst", len(dst), a.domain.Len())
	checkLen("JPEG.Decode y", len(y), a.n)
	w := a.work.Get().(*jpegWork)
	defer a.work.Put(w)
	n := a.domain.H * a.domain.W
	for c := range a.planes {
		p := &a.planes[c]
		p.inverse(w.cell, y[p.at:p.at+p.h*p.w])
		lo := float32(p.middle/8 - 128./255) // 0, and -128/255 of chroma
		for i, v := range w.cell[:p.h*p.w] {
			w.cell[i] = min(max(v, lo), lo+1)
		}
		p.enlarge(dst[c*n:(c+1)*n], w.cell, w.line, a.domain)
	}
	if len(a.planes) == 1 || a.format.RGB {
		return
	}
	luma, blue, red := dst[:n], dst[n:2*n], dst[2*n:]
	const kr, kb = 0.299, 0.114 // of BT.601
	for i, l := range luma {
		b, r := 2*(1-kb)*blue[i], 2*(1-kr)*red[i]
		luma[i], blue[i], red[i] = l+r, l-(kb*b+kr*r)/(1-kb-kr), l+b
	}
}

// enlarge writes a plane's samples at every pixel, linear between the centres of
// the cells.
func (p *jpegPlane) enlarge(pixels, src, line []float32, s Shape) {
	rows, cols := (s.H+p.Down-1)/p.Down, (s.W+p.Across-1)/p.Across
	for i := range s.H {
		at, k := between(i, p.Down, rows)
		below := min(at+1, rows-1)
		for j := range cols {
			v := src[at*p.w+j]
			line[j] = v + k*(src[below*p.w+j]-v)
		}
		row := pixels[i*s.W : (i+1)*s.W]
		if p.Across == 1 {
			copy(row, line)
			continue
		}
		for j := range row {
			at, k := between(j, p.Across, cols)
			v := line[at]
			row[j] = v + k*(line[min(at+1, cols-1)]-v)
		}
	}
}

// between is the place of pixel i among n samples at the centres of cells of a
// side: sample at and the part k of the way to the next.
func between(i, side, n int) (at int, k float32) {
	twice := 2*i + 1 - side // the place, times 2 side
	if twice <= 0 {
		return 0, 0
	}
	at = twice / (2 * side)
	return min(at, n-1), float32(twice%(2*side)) / float32(2*side)
}

// mixIn writes the plane's colour at every pixel.
func (p *jpegPlane) mixIn(dst, x []float32) {
	clear(dst)
	for c, k := range p.colour {
		if k != 0 {
			kernel.Axpy(dst, k, x[c*len(dst):(c+1)*len(dst)])
		}
	}
}

// mixOut is the transpose of mixIn, added to x.
func (p *jpegPlane) mixOut(x, src []float32) {
	for c, k := range p.colour {
		if k != 0 {
			kernel.Axpy(x[c*len(src):(c+1)*len(src)], k, src)
		}
	}
}

// average writes the mean over every cell.
func (p *jpegPlane) average(dst, pixels, line []float32, s Shape) {
	k := 1 / float32(p.Down*p.Across)
	line = line[:p.w*p.Across]
	for i := range p.h {
		clear(line)
		for r := i * p.Down; r < (i+1)*p.Down; r++ {
			at := min(r, s.H-1) * s.W
			kernel.Axpy(line[:s.W], k, pixels[at:at+s.W])
		}
		for j := s.W; j < len(line); j++ {
			line[j] = line[s.W-1]
		}
		row := dst[i*p.w : (i+1)*p.w]
		if p.Across == 1 {
			copy(row, line)
			continue
		}
		for j := range row {
			sum := float32(0)
			for _, v := range line[j*p.Across : (j+1)*p.Across] {
				sum += v
			}
			row[j] = sum
		}
	}
}

// spread is the transpose of average.
func (p *jpegPlane) spread(pixels, src, line []float32, s Shape) {
	k := 1 / float32(p.Down*p.Across)
	line = line[:p.w*p.Across]
	clear(pixels)
	for i := range p.h {
		for j, v := range src[i*p.w : (i+1)*p.w] {
			for l := range p.Across {
				line[j*p.Across+l] = v
			}
		}
		for j := s.W; j < len(line); j++ {
			line[s.W-1] += line[j]
		}
		for r := i * p.Down; r < (i+1)*p.Down; r++ {
			at := min(r, s.H-1) * s.W
			kernel.Axpy(pixels[at:at+s.W], k, line[:s.W])
		}
	}
}

// transform writes the cosines of the blocks of src.
func (p *jpegPlane) transform(dst, src []float32) {
	for i := 0; i < p.h; i += 8 {
		for j := 0; j < p.w; j += 8 {
			for r := range 8 {
				copy(dst[8*r:8*r+8], src[(i+r)*p.w+j:])
			}
			blockCosines(dst[:64], dst[:64])
			dst = dst[64:]
		}
	}
}

// inverse is the transpose, and inverse, of transform.
func (p *jpegPlane) inverse(dst, src []float32) {
	var b [64]float32
	for i := 0; i < p.h; i += 8 {
		for j := 0; j < p.w; j += 8 {
			blockInverse(b[:], src[:64])
			src = src[64:]
			for r := range 8 {
				copy(dst[(i+r)*p.w+j:][:8], b[8*r:8*r+8])
			}
		}
	}
}

// cosine8 holds the orthonormal cosines a(u) cos(pi u (2i+1)/16) of the first
// four of eight samples; those of the others are the same for even u and the
// negative for odd u.
var cosine8 = func() (t [8][4]float32) {
	for u := range t {
		a := 0.5
		if u == 0 {
			a = math.Sqrt(0.125)
		}
		for i := range t[u] {
			t[u][i] = float32(a * math.Cos(math.Pi*float64(u*(2*i+1))/16))
		}
	}
	return t
}()

// blockCosines writes the coefficients of the block b of 8 rows; dst may be b.
func blockCosines(dst, b []float32) {
	var half [64]float32
	for i := range 8 { // transposes
		lineCosines(half[i:], b[8*i:8*i+8])
	}
	for v := range 8 {
		lineCosines(dst[v:], half[8*v:8*v+8])
	}
}

// lineCosines writes the transform of 8 samples to every eighth place of dst.
func lineCosines(dst, x []float32) {
	x, dst = x[:8], dst[:57]
	e0, e1, e2, e3 := x[0]+x[7], x[1]+x[6], x[2]+x[5], x[3]+x[4]
	o0, o1, o2, o3 := x[0]-x[7], x[1]-x[6], x[2]-x[5], x[3]-x[4]
	for u := 0; u < 8; u += 2 {
		c, d := &cosine8[u], &cosine8[u+1]
		dst[8*u] = c[0]*e0 + c[1]*e1 + c[2]*e2 + c[3]*e3
		dst[8*u+8] = d[0]*o0 + d[1]*o1 + d[2]*o2 + d[3]*o3
	}
}

// blockInverse is the inverse, and the transpose, of blockCosines.
func blockInverse(dst, b []float32) {
	var half [64]float32
	for u := range 8 { // transposes
		lineInverse(half[u:], b[8*u:8*u+8])
	}
	for j := range 8 {
		lineInverse(dst[j:], half[8*j:8*j+8])
	}
}

// lineInverse is the transpose of lineCosines.
func lineInverse(dst, f []float32) {
	f, dst = f[:8], dst[:57]
	for i := range 4 {
		even, odd := float32(0), float32(0)
		for u := 0; u < 8; u += 2 {
			even += cosine8[u][i] * f[u]
			odd += cosine8[u+1][i] * f[u+1]
		}
		dst[8*i] = even + odd
		dst[8*(7-i)] = even - odd
	}
}

// Steps are the quantisation steps of the coefficients, in units of the
// samples.
func (a *JPEG) Steps() []float32 {
	q := make([]float32, a.n)
	a.each(func(p *jpegPlane, i, k int) { q[i] = float32(p.Step[k]) / 255 })
	return q
}

// RowSquares are the squared lengths of the rows of A inside the frame: the variance of
// each coefficient of white noise of variance 1. Within a plane rows are orthogonal,
// except for blocks that reach beyond the frame; between luma and chroma the cosine of
// their angle is at most 0.45.
func (a *JPEG) RowSquares() []float32 { return a.squares() }

// Norm is ||A||, estimated and rounded up by 1%.
func (a *JPEG) Norm() float64 { return a.norm() }

// Quantise rounds the coefficients y as an encoder does, to the nearest multiple of the
// step, counted from middle gray. dst may equal y.
func (a *JPEG) Quantise(dst, y []float32) {
	checkLen("JPEG.Quantise dst", len(dst), a.n)
	checkLen("JPEG.Quantise y", len(y), a.n)
	a.each(func(p *jpegPlane, i, k int) {
		q, zero := float64(p.Step[k])/255, 0.0
		if k == 0 {
			zero = p.middle
		}
		dst[i] = float32(zero + q*math.Round((float64(y[i])-zero)/q))
	})
}

// Blocks is the number of rows and of columns of 8x8 blocks in plane c.
func (a *JPEG) Blocks(c int) (rows, cols int) { return a.planes[c].h / 8, a.planes[c].w / 8 }

// Dequantise writes the coefficients k times the steps, with k the numbers in a file.
func (a *JPEG) Dequantise(dst []float32, k []int16) {
	checkLen("JPEG.Dequantise dst", len(dst), a.n)
	checkLen("JPEG.Dequantise k", len(k), a.n)
	for i := range a.planes {
		p := &a.planes[i]
		var q [64]float32
		for f, step := range p.Step {
			q[f] = float32(step) / 255
		}
		for at := p.at; at < p.at+p.h*p.w; at += 64 {
			d, m := dst[at:at+64], k[at:at+64]
			for f, v := range m {
				d[f] = q[f] * float32(v)
			}
			d[0] += float32(p.middle)
		}
	}
}

// Grid is the side of the smallest square of pixels that consists of whole blocks in
// every plane.
func (a *JPEG) Grid() int {
	side := 1
	for _, p := range a.planes {
		for _, k := range []int{p.Down, p.Across} {
			g := k
			for g%side != 0 { // the least common multiple of 1 to maxCell
				g += k
			}
			side = g
		}
	}
	return 8 * side
}

// Cut writes to dst the numbers of y that belong to a part of the scene that begins at
// (top,left), multiples of Grid. They are a measurement of the operator part, which has
// the same format.
func (a *JPEG) Cut(dst, y []float32, part *JPEG, top, left int) {
	checkLen("JPEG.Cut dst", len(dst), part.n)
	checkLen("JPEG.Cut y", len(y), a.n)
	for c := range part.planes {
		p, q := &a.planes[c], &part.planes[c]
		r0, c0 := top/(8*p.Down), left/(8*p.Across)
		for r := range q.h / 8 {
			copy(dst[q.at+8*q.w*r:][:8*q.w], y[p.at+8*(p.w*(r0+r)+8*c0):])
		}
	}
}

var (
	_ Quantiser = (*JPEG)(nil)
	_ Normer    = (*JPEG)(nil)
)

func (a *JPEG) each(f func(p *jpegPlane, i, k int)) {
	for j := range a.planes {
		p := &a.planes[j]
		for i := range p.h * p.w {
			f(p, p.at+i, i%64)
		}
	}
}
